/* SPDX-License-Identifier: ISC
 *
 * From addresses to one connected stream: Happy Eyeballs (RFC 8305) with a delay between attempts, a time for each, losers
 * cancelled and closed, and TLS on the winner. A winner whose handshake fails counts as a failed attempt, and the next is tried, then
 * those that had lost against it. Want of descriptors or memory ends the round once what is under way has ended. One round; rounds and
 * backoff are the pool's. Loop's thread.
 */
#ifndef EVPOOL_CONNECTOR_H
#define EVPOOL_CONNECTOR_H

#include "../resolver/resolver.h"
#include "stream.h"

enum { CONNECTOR_TARGETS_MAX = 16 };

struct connector_target {
    struct peer_address peer;
    uint64_t address_id; /* the pool's, for the events */
    void *arg;           /* the pool's address */
    /* how it went: */
    enum evpool_code code; /* EVPOOL_OK; EVPOOL_ERROR_cancelled: lost the race; else failed; if it was tried */
    int error;
    unsigned tried; /* attempts */
    uint64_t took_ns;
};

/* The caller's memory, zero before first use; busy until its callback. */
struct connector {
    /* in */
    struct evloop *loop;
    struct connector_target *targets; /* in the order to try them; the pool's choice first, the families interleaved behind it */
    unsigned targets_count;
    struct tls_settings *tls; /* NULL: plain */
    uint64_t attempt_delay_ns, connect_timeout_ns, tls_timeout_ns;
    unsigned attempts_before; /* made in earlier rounds: numbers go on, and the error says "attempt 3 of 6" */
    unsigned attempts_of;     /* 0: not said */
    uint64_t span, name_id;
    struct evpool_error *error; /* of earlier rounds, taken over; out: NULL, or why there is no stream */
    void (*call)(struct connector *connector);
    /* out */
    struct stream *stream;
    struct connector_target *winner;
    uint64_t connect_ns, tls_ns;
    unsigned attempts; /* made, with those of earlier rounds */
    unsigned races, handshakes, resumed; /* of this round: see struct evpool_figures */
    /* its own */
    struct connector_state *state;
    struct evloop_post post;
};
void connector_start(struct connector *connector); /* the callback is never called from within */
void connector_cancel(struct connector *connector); /* the callback comes, with error code `cancelled` and no stream */
void connector_abandon(struct connector *connector); /* in a forked child: closes its copies of the descriptors, and does nothing else */

#endif /* EVPOOL_CONNECTOR_H */
