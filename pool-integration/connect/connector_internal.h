/* SPDX-License-Identifier: ISC
 *
 * A race of attempts: its state, and how its parts call each other.
 */
#ifndef EVPOOL_CONNECTOR_INTERNAL_H
#define EVPOOL_CONNECTOR_INTERNAL_H

#include "connector.h"
#include "tls.h"

#include <stdbool.h>

enum attempt_stage {
    ATTEMPT_WAITING,    /* for its turn */
    ATTEMPT_CONNECTING,
    ATTEMPT_LEAVING,    /* lost, its operation is being cancelled */
    ATTEMPT_LOST,       /* to be tried again if the winner's handshake fails */
    ATTEMPT_CONNECTED,  /* the winner, maybe in its handshake */
    ATTEMPT_FAILED,
};

struct attempt {
    struct connector_state *race;
    struct connector_target *target; /* gone once the race has ended */
    struct peer_address peer;        /* the operation's, which may outlive the race */
    struct evloop_op op;
    struct evloop_timer timeout;
    struct evloop_timer again; /* a unix socket whose backlog was full */
    uint64_t span, began_ns;
    unsigned number, agains;
    int fd; /* -1: none */
    enum attempt_stage stage;
    bool timed_out;
};

/* Why the round fails if no attempt succeeds: what went wrong last, or what forbids further attempts. */
struct race_fault {
    enum evpool_code code;
    int error;
    const char *layer;
    char text[192];
    uint64_t took_ns;
    unsigned number;
    const struct attempt *attempt; /* NULL: not of one */
};

struct connector_state {
    struct connector *connector; /* NULL: the race has ended, and the last losers are leaving */
    struct evloop *loop;
    struct evloop_timer delay;
    struct tls_handshake handshake;
    struct attempt *winner;
    uint64_t tls_span, tls_began_ns;
    uint64_t now_ns, stamp; /* of the event that is being handled: one clock read, one trace stamp */
    struct race_fault fault;
    unsigned connecting, leaving;
    bool begun, handshaking, cancelled;
    bool losers_again; /* a handshake failed: those that lost against it are needed after all */
    bool closed;       /* no more attempts: there are no descriptors, no memory */
    unsigned count;
    struct attempt attempts[];
};

/* attempt.c */
void attempt_start(struct attempt *attempt);
void attempt_leave(struct attempt *attempt); /* cancelled; ends at once or when its operation has */
void attempt_close(struct attempt *attempt);
/* It failed, by what `layer` says in `text`: kept in the error and in the target. */
void attempt_failed(struct attempt *attempt, enum evpool_code code, int error, const char *layer, const char *text);
uint64_t deadline_after(uint64_t now_ns, uint64_t wait_ns); /* UINT64_MAX: never */

/* connector.c: what an attempt reports. */
void race_enter(struct connector_state *race);
void race_connected(struct attempt *attempt);
void race_go_on(struct connector_state *race); /* one has failed or left */
/* What went wrong last; `of` NULL: not an attempt. */
void race_fault(struct connector_state *race, const struct attempt *of, enum evpool_code code, int error, const char *layer, const char *text);

#endif /* EVPOOL_CONNECTOR_INTERNAL_H */
