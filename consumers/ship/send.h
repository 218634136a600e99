/* SPDX-License-Identifier: ISC
 *
 * evtrail send: what is read from local sessions goes into a spool (spool.h), and from there to a collector (sender.h, on a link of net.h),
 * each in a thread of its own: reading never waits for the network.
 *
 * The parts, each in a file of its own:
 *   send_options.c   flags and the configuration file -> struct send_options
 *   send_tail.c      the recorder's side: consumer skeleton -> spool
 *   send_ship.c      the shipper: loop, links, fail-over, the sender's machine
 *   send_status.c    status as text, JSON and Prometheus metrics, and the socket that serves them
 *   send_check.c     --check
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SEND_H
#define EVTRAIL_CONSUMERS_SHIP_SEND_H

#include "cli.h"
#include "ship/spool.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- options -------------------------------------------------------------------------------------------------------- */

enum { SEND_COLLECTORS_MAX = 16 };

/* What a running sender takes over again on SIGHUP is marked R. */
struct send_options {
    char *config_path;                       /* NULL: none */
    char *collectors[SEND_COLLECTORS_MAX];   /* R: HOST[:PORT][ weight=N], unix:PATH, in order of preference */
    unsigned collectors_count;
    bool insecure;                           /* R: plaintext off loopback */
    bool tls_off;                            /* R: plaintext on loopback even if certificates are named */
    char *ca, *crl, *cert, *key, *server_name; /* R: PEM files; the name that the collector's certificate must have, NULL: its host name */
    char *psk_identity, *psk_file;           /* R: instead of certificates */
    char *directory;                         /* of the spool */
    char *name;                              /* of the stream, for people; NULL: the host's */
    struct spool_options spool;              /* R: caps, policies, flush time */
    char *metrics;                           /* HOST:PORT, unix:PATH; NULL: none */
    int64_t drain_ns;                        /* R: after SIGTERM, until what is spooled is acknowledged; then it waits for the next start */
    uint64_t rate_bytes;                     /* R: most bytes a second to the collector; 0: as fast as it goes */
    bool keep_sessions;                      /* sessions of processes that ended stay after they were read */
};
/* From flags and, where they do not say, from the file that --config names. Every key of the file is a flag's name, in [send]. 0, or an exit code after an
 * error was printed. */
int send_options_read(struct send_options *ret_options, const struct args *args);
void send_options_free(struct send_options *options);

/* ---- running --------------------------------------------------------------------------------------------------------- */

/* The whole command. An exit code. */
int send_run(const struct args *args);
/* --check: configuration, certificates, spool, and a handshake with each collector; nothing is made or changed. An exit code. */
int send_check(const struct send_options *options);
/* --status: asks the sender that runs on this spool (else reads what it left). An exit code. */
int send_status_show(const struct send_options *options, bool json);

/* ---- the shipper -------------------------------------------------------------------------------------------------------- */

struct send_shipper;
struct send_figures {
    bool connected;
    const char *state;       /* "connecting", "waiting", "up", "draining", "closed" */
    char collector[300];     /* the one that is used or tried */
    char last_error[500];    /* what went wrong last, and what to do; "" */
    int64_t last_error_ns;   /* realtime */
    int64_t connected_ns;    /* realtime; 0: not */
    int64_t retry_ns;        /* until the next attempt; 0 */
    uint64_t connects, failures;
    uint64_t sent_bytes, in_flight_bytes, window_bytes;
    uint64_t latency_us[32]; /* read from the ring until acknowledged: batches by power of two of microseconds */
    bool offset_known;
    int64_t offset_ns, bound_ns; /* the collector's clock less ours */
    bool tls;
};
/* Begins its thread. Nothing of options is needed after send_shipper_free(). 0 or a negative errno, *ret_error an owned line. */
int send_shipper_new(struct send_shipper **ret_shipper, const struct send_options *options, struct spool *spool, char **ret_error);
/* Any thread: new options from now on (SIGHUP); the connection is made anew. */
void send_shipper_reload(struct send_shipper *shipper, const struct send_options *options);
/* Any thread: there may be more in the spool. */
void send_shipper_ready(struct send_shipper *shipper);
/* Sends what is spooled until all is acknowledged or the time is over; waits for that. True: all was acknowledged. */
bool send_shipper_drain(struct send_shipper *shipper, int64_t timeout_ns);
void send_shipper_figures(struct send_shipper *shipper, struct send_figures *ret_figures);
void send_shipper_free(struct send_shipper *shipper);

#endif /* EVTRAIL_CONSUMERS_SHIP_SEND_H */
