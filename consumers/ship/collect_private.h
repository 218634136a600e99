/* SPDX-License-Identifier: ISC
 *
 * Inside of the collector: all of it in the loop's thread.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_COLLECT_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_COLLECT_PRIVATE_H

#include "ship/collect.h"
#include "ship/live.h"
#include "ship/net.h"
#include "ship/receiver.h"
#include "ship/serve.h"

#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

enum { COLLECT_GAP_CAUSES = 8, COLLECT_REFUSALS = 9, COLLECT_SENDERS_SHOWN = 4096 };

struct collect_peer;

/* Why a sender's link is not read for now. */
enum collect_hold {
    COLLECT_HOLD_none,
    COLLECT_HOLD_room, /* the store has none */
    COLLECT_HOLD_rate, /* over --rate */
    COLLECT_HOLD_work, /* its batches cost more of the loop's time than one peer may have */
};

struct collect_channel {
    struct collect_peer *peer;
    struct store_stream *stream; /* NULL: not open */
    uint32_t number;
    uint64_t put, durable; /* the highest sequence of each */
};

/* For the metrics: one sender, over its connections. */
struct collect_sender_figures {
    uint64_t connections, events, batches, bytes, duplicates, unacked_bytes;
    uint64_t lost[COLLECT_GAP_CAUSES], refused[COLLECT_REFUSALS];
    double events_rate, bytes_rate, lag_ns, held;
    bool offset_known;
    int64_t offset_ns, bound_ns;
};
struct collect_sender {
    struct collect_sender *next;
    char host[WIRE_HOST_BYTES + 1];
    char from[160]; /* its certificate, key or user; else its address, without the port, which is another each time */
    unsigned connections;
    int64_t gone_ns;                           /* when it had none any more */
    struct collect_sender_figures before, now; /* of connections that are gone; of all, when the page is made */
};

/* One connection. */
struct collect_peer {
    struct collect *collect;
    struct collect_peer *next, *prev;
    struct collect_sender *sender; /* NULL: a reader, or nothing yet */
    uint64_t id;
    struct net_link *link;
    struct ship_receiver *receiver;
    struct collect_channel *channels; /* as many as were opened, up to WIRE_CHANNELS_MAX */
    char owner[NET_IDENTITY_BYTES + 16], address[64], name[160];
    char host[WIRE_HOST_BYTES + 1];
    bool reader, closing, said;
    enum collect_hold held; /* reading is paused */
    int64_t held_since_ns, tick_ns, opened_ns;
    int64_t waiting_since_ns; /* something is not yet durable since; 0: nothing is */
    double tokens;            /* of the rate limit, in bytes */
    int64_t tokens_ns;
    int64_t busy_ns, busy_seen_ns;   /* what looking into its batches cost of late; when that was last counted down */
    uint64_t events, batches, bytes; /* accepted */
    uint64_t described;              /* bytes of frames */
    uint64_t events_before, bytes_before; /* a moment ago, for rates */
    double events_rate, bytes_rate;
    uint64_t lost[COLLECT_GAP_CAUSES];  /* events, as its gaps say */
    uint64_t refused[COLLECT_REFUSALS]; /* batches */
    int64_t offset_ns, bound_ns;
    bool offset_known;
};

/* Of its own, as it may be queued in the loop when the collector ends. */
struct collect_wake {
    struct evloop_post post; /* first */
    struct collect *collect; /* NULL: it has ended */
};

struct collect_totals {
    uint64_t connections, byes[WIRE_BYE_CODES];
    uint64_t events, batches, bytes; /* accepted of senders that are gone, too */
    uint64_t lost[COLLECT_GAP_CAUSES], refused[COLLECT_REFUSALS];
    uint64_t holds; /* times that a sender was made to wait */
};

struct collect {
    struct evloop *loop;
    struct net *net;
    struct net_tls *tls;
    struct net_listener *listener;
    struct serve *status, *metrics;
    struct store *store;
    struct store_checker *checker;
    struct collect_options options;
    struct live *live;
    struct collect_tap *tap; /* live's, unless a test has set another */
    struct collect_wake *wake;
    bool watch_changed; /* who watches whom: senders are to be told */
    struct evloop_timer timer;
    struct collect_peer *peers;
    unsigned peers_count, held_count, senders_count;
    struct collect_sender *senders; /* that have series in the metrics */
    uint64_t next_peer, collector_id;
    struct collect_totals totals;
    char host[WIRE_HOST_BYTES + 1];
    void (*log)(void *context, int priority, const char *line);
    void *log_context;
    int64_t log_second_ns;
    unsigned log_count[2], log_dropped; /* warnings, and what is less */
    int64_t started_ns, rates_ns, certificate_warned_ns;
    bool stopping, ending;
    int64_t stop_until_ns;
    void (*stopped)(void *context);
    void *stopped_context;
};

struct ship_time collect_now(void);
void collect_log(struct collect *collect, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- collect_peer.c ---- */
void collect_accept(struct collect *collect, struct net_link *link);
void collect_peer_tick(struct collect_peer *peer, struct ship_time now);
void collect_peer_free(struct collect_peer *peer);
void collect_peer_drain(struct collect_peer *peer);

/* ---- collect_hold.c ---- */
void collect_peer_hold(struct collect_peer *peer, int64_t now, enum collect_hold why);
/* Reads on where what it was held for is over. */
void collect_peer_go_on(struct collect_peer *peer, struct ship_time now);
/* It has sent so many bytes; may hold it. */
void collect_peer_spent(struct collect_peer *peer, size_t bytes, struct ship_time now);
/* store_checker_batch(), and what that cost; from the receiver's callback: may tell it to leave the rest for later. */
const char *collect_peer_check(struct collect_peer *peer, const struct ship_batch *batch, uint64_t *ret_lost_after);

/* ---- collect_watch.c ---- */
bool collect_is_watched(const struct collect_peer *peer);
/* A reader came or went, or a sender that is watched: senders are told from the loop. */
void collect_watch_changed(struct collect *collect);
void collect_watch_tell(struct collect *collect);

/* ---- collect_senders.c ---- */
/* One more connection. NULL: no memory. */
struct collect_sender *collect_sender_come(struct collect *collect, const char *host, const char *from, int64_t now);
void collect_sender_gone(struct collect_peer *peer, struct ship_time now);
/* Fills in `now` of all. */
void collect_senders_sum(const struct collect *collect, struct ship_time now);
void collect_senders_free(struct collect *collect);

/* ---- collect_serve.c ---- */
#define COLLECT_STATUS_SOCKET ".status" /* in the store */
/* Metrics and status are served from now on. */
int collect_serve_start(struct collect *collect, struct net_text *ret_why);
/* Whether listeners, metrics and status can be where they are wanted; -errno. `running`: a collector has the store, and what is in use is taken to be its own. */
int collect_places_check(const struct collect_options *options, const struct net_address *addresses, unsigned count,
                         struct net_tls *tls, bool running, struct net_text *ret_why);

/* ---- collect_tls.c ---- */
/* The names are freed by the caller. */
int collect_tls_options(struct net_tls_options *ret_tls, const char ***ret_names,
                        const struct collect_options *options);
int collect_tls_new(struct net_tls **ret_tls, const struct collect_options *options, struct net_text *ret_why);
/* Addresses that options.listen names. Returns how many, or -EINVAL. */
int collect_addresses(const struct collect_options *options, struct net_address *ret_addresses, size_t room,
                      struct net_text *ret_why);
void collect_store_options(struct store_options *ret_store, const struct collect_options *options);

#endif /* EVTRAIL_CONSUMERS_SHIP_COLLECT_PRIVATE_H */
