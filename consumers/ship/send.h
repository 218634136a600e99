/* SPDX-License-Identifier: ISC
 *
 * evtrail send: what is read from local sessions goes into a spool (spool.h), and from there to a collector (sender.h, on a link of net.h),
 * each in a thread of its own: reading never waits for the network.
 *
 * The parts, each in a file of its own:
 *   ../cmd_send.c    flags and the configuration file
 *   send_options.c   what they say -> struct send_options
 *   send_tail.c      the recorder's side: consumer skeleton -> spool
 *   send_ship.c      the shipper: loop, links, fail-over, the sender's machine
 *   send_status.c    status as text, JSON and Prometheus metrics, and the socket that serves them
 *   send_check.c     --check
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SEND_H
#define EVTRAIL_CONSUMERS_SHIP_SEND_H

#include "cli.h"
#include "ship/net.h"
#include "ship/spool.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- options -------------------------------------------------------------------------------------------------------- */

/* What a running sender takes over again on SIGHUP is marked R. Texts are the arguments' and the configuration's. */
struct send_options {
    struct net_endpoint endpoints[NET_ENDPOINTS_MAX]; /* R */
    unsigned endpoints_count;
    bool insecure, tls_given;        /* R */
    struct net_tls_options tls;      /* R */
    char *directory;                 /* of the spool; owned */
    char host[WIRE_HOST_BYTES + 1];
    const char *name;                /* R: for people */
    struct spool_options spool;      /* R: caps, policies, flush time */
    const char *metrics;             /* NULL: none */
    char metrics_said[300];          /* and how that was said: send_said() */
    int64_t drain_ns;                /* R */
    uint64_t rate_bytes;             /* R; 0: as fast as it goes */
    bool keep_sessions, quiet;
};
void send_options_free(struct send_options *options);

struct config;
struct send_setup {
    const struct args *line; /* the command line's */
    struct args args;        /* those, and the configuration's */
    struct config *config;
    struct send_options options;
};
/* setup->options from the rest of it. 0, or an exit code after an error was printed. */
int send_options_read(struct send_setup *setup);
/* How an option was said, for messages about its value: "--spool-size 1M", "FILE:LINE: spool-size = 1M". Until the next call. */
const char *send_said(const struct send_setup *setup, enum option_id option);
void send_setup_free(struct send_setup *setup);

/* ---- running --------------------------------------------------------------------------------------------------------- */

/* The whole command; `read` gives the setup again, on SIGHUP. An exit code. */
int send_run(const struct args *line, const struct send_setup *setup, int (*read)(const struct args *line, struct send_setup *ret_setup));
/* --check: configuration, sources, certificates, spool, metrics, and a handshake with each collector; nothing is made or changed. An exit code. */
int send_check(const struct send_setup *setup);
/* What is to be read can be named so: an exit code, after an error was printed. */
int send_usage_check(const struct args *args);
/* --status: asks the sender that runs on this spool. An exit code. */
int send_status_show(const struct send_options *options, bool json);

/* ---- the shipper -------------------------------------------------------------------------------------------------------- */

enum { SEND_LATENCIES = 128 };
struct send_figures {
    bool connected;
    const char *state;       /* "connecting", "waiting", "up", "draining", "ended" */
    char collector[200];     /* whom it is connected to, or was last */
    char last_error[600];    /* what went wrong last, and what to do; "" */
    int64_t last_error_ns;   /* realtime */
    int64_t connected_ns;    /* realtime; 0: not */
    int64_t retry_at_ns;     /* monotonic, of the next attempt; 0 */
    uint64_t connects, failures;
    uint64_t sent_bytes, in_flight_bytes, window_bytes, stalls;
    double sent_rate, acked_rate, written_rate; /* bytes and events and events a second, of the last seconds */
    uint64_t latency[SEND_LATENCIES]; /* acknowledged batches, by the time since their first event was emitted: send_latency_below() */
    double latency_s;                 /* the sum of these times */
    bool offset_known;
    int64_t offset_ns, bound_ns; /* the collector's clock less ours */
    bool tls;
    char identity[NET_IDENTITY_BYTES + 1];
    int certificate_days; /* INT_MAX: none */
};
/* What the reader's thread knows. */
struct send_tail_figures {
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL];
    int64_t lag_ns;
    unsigned fill; /* percent of the fullest ring */
    unsigned sources, sources_gone;
    int64_t started_ns; /* realtime */
};

struct send_shipper;
/* Begins its thread. spool: its `ready` is send_shipper_ready(). 0 or a negative errno, *ret_error an owned line. */
int send_shipper_new(struct send_shipper **ret_shipper, const struct send_options *options, char **ret_error);
/* Once, when the spool is open. */
int send_shipper_start(struct send_shipper *shipper, const struct send_options *options, struct spool *spool, char **ret_error);
/* From the reader's thread: new options from now on (SIGHUP): certificates are read again, the connection is made anew. *ret_error: why nothing was changed. */
int send_shipper_reload(struct send_shipper *shipper, const struct send_options *options, char **ret_error);
/* Any thread: there may be more in the spool. */
void send_shipper_ready(struct send_shipper *shipper);
/* From the reader's thread, now and then. */
void send_shipper_tail(struct send_shipper *shipper, const struct send_tail_figures *tail);
/* Sends what is spooled until all is acknowledged or the time is over, or `stop` says so; waits for that. True: all was acknowledged. */
bool send_shipper_drain(struct send_shipper *shipper, int64_t timeout_ns, bool (*stop)(void));
/* Ends the thread. NULL is accepted. */
void send_shipper_free(struct send_shipper *shipper);

/* ---- status ------------------------------------------------------------------------------------------------------------- */

enum send_status_format { SEND_STATUS_text, SEND_STATUS_json, SEND_STATUS_metrics };
/* Latencies of a bucket are below so many us: four buckets an octave. And which bucket. */
uint64_t send_latency_below(unsigned bucket);
unsigned send_latency_bucket(uint64_t us);
/* Owned text, or NULL. */
char *send_status_text(enum send_status_format format, const struct spool_stats *spool, const struct send_figures *figures,
                       const struct send_tail_figures *tail);
/* A line for the log: stderr, "evtrail send: ...". */
void send_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* EVTRAIL_CONSUMERS_SHIP_SEND_H */
