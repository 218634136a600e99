/* SPDX-License-Identifier: ISC
 *
 * Inside of the shipper; shared by send_ship.c, send_serve.c, send_check.c.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SEND_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_SEND_PRIVATE_H

#include "ship/net.h"
#include "ship/send.h"
#include "ship/serve.h"
#include "ship/spool_private.h"

#include <evtrail/evtrail.h>

#include <pthread.h>

enum { SEND_FLIGHT = 8192 };
#define SEND_STATUS_SOCKET "status.sock" /* in the spool */

/* One connection. */
struct conn {
    struct send_shipper *shipper;
    struct net_link *link; /* NULL: it is gone */
    struct ship_sender *sender;
    char address[160];
    uint32_t channels;
    unsigned lanes[WIRE_CHANNELS_MAX]; /* the spool's, by channel */
    uint8_t ids[WIRE_CHANNELS_MAX][SPOOL_ID_BYTES];
    uint64_t acked[WIRE_CHANNELS_MAX];
    struct {
        uint64_t sequence;
        int64_t ns;
    } born[SEND_FLIGHT];
    int64_t tokens, tokens_ns; /* of a rate */
    bool throttled;
    bool over;  /* to be closed when the machine may be called */
    bool ended; /* the machine has */
    bool dead;  /* nobody's any more: its link is being closed */
    uint64_t hold_ns;
    uint64_t sent_bytes, stalls; /* as last told */
};

struct send_shipper {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    pthread_t thread;
    bool started;
    struct evloop *loop;
    struct net *net;
    struct net_tls *tls;
    struct net_endpoints *endpoints;
    struct serve *status, *metrics;
    struct spool *spool;
    struct conn *conn; /* the thread's */
    struct evloop_timer timer;
    struct evloop_post ready_post, wake_post;
    struct wire_hello hello;
    uint64_t rate_bytes;
    bool quiet; /* only what is wrong is said */
    bool drained;
    int64_t rates_ns; /* the reader's thread: when rates were taken, and of what */
    uint64_t rated_written, rated_acked, rated_sent;
    /* under the lock */
    bool ending, draining;
    const struct send_options *reload;
    int reload_result;
    char *reload_error;
    struct send_figures figures;
    struct send_tail_figures tail;
};

int send_endpoints_new(struct net_endpoints **ret_endpoints, struct net_tls **ret_tls, struct net *net, const struct send_options *options,
                       const struct net_endpoints_calls *calls, void *context, char **ret_error);
void send_hello_fill(struct wire_hello *hello, const struct send_options *options);
void send_shipper_figures(struct send_shipper *shipper, struct send_figures *ret_figures, struct send_tail_figures *ret_tail);
/* What a start would refuse of --metrics; -errno. `running`: a sender uses the spool, and has its address. */
int send_serve_check(const struct send_options *options, bool running, struct net_text *why);
/* Who asks for status and metrics is answered. */
int send_serve_start(struct send_shipper *shipper, const struct send_options *options, char **ret_error);
void send_serve_stop(struct send_shipper *shipper);

#endif /* EVTRAIL_CONSUMERS_SHIP_SEND_PRIVATE_H */
