/* SPDX-License-Identifier: ISC
 *
 * What both ends of a connection do alike: send small messages, ask and answer PINGs, notice that the peer is dead.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_WIRE_SIDE_H
#define EVTRAIL_CONSUMERS_SHIP_WIRE_SIDE_H

#include "ship/wire.h"
#include "ship/wire_clock.h"

#include <sys/uio.h>

enum {
    WIRE_PING_MS = 10000,    /* silence before a ping, if nobody says otherwise */
    WIRE_PING_MS_LEAST = 100, /* of what a peer may ask for */
    WIRE_PING_MS_MOST = 600000,
    WIRE_PINGS_AT_START = 4, /* at once, one after the other, for a small bound */
    WIRE_PINGS_MISSED = 5,
    WIRE_HANDSHAKE_MS = 10000,
};

struct wire_side {
    int (*send)(void *context, const struct iovec *parts, unsigned count);
    void *context;
    struct ship_time now; /* of the call that is going on */
    int64_t started_ns;   /* monotonic, as are the next */
    int64_t heard_ns;
    int64_t pinged_ns;
    int64_t ping_ns;         /* interval */
    int64_t ping_sent_ns;    /* realtime, as in the ping that is out */
    uint64_t ping_id;        /* of the ping that is out; 0: none */
    uint64_t pings;          /* that were sent */
    struct wire_clock clock; /* the peer's */
    int error;               /* of the link; nothing is sent any more */
};

void wire_side_begin(struct wire_side *side, struct ship_time now);
void wire_side_pace(struct wire_side *side, uint32_t ping_ms);
/* False: the link is broken. */
bool wire_side_put(struct wire_side *side, const uint8_t *message, size_t bytes);
bool wire_side_put_parts(struct wire_side *side, const struct iovec *parts, unsigned count);
void wire_side_ping(struct wire_side *side);
/* Answers. NULL, or what is wrong. */
const char *wire_side_pinged(struct wire_side *side, const uint8_t *payload, size_t bytes);
/* Takes an answer; at the beginning, asks again. *ret_better: the offset is another now. */
const char *wire_side_ponged(struct wire_side *side, const uint8_t *payload, size_t bytes, bool *ret_better);
/* Pings when it is time; false: the peer has been silent for too long. *ret_next_ns: when to come again. */
bool wire_side_tick(struct wire_side *side, int64_t *ret_next_ns);
/* The code for what wire_next() found wrong. */
enum wire_bye_code wire_side_code(int64_t error);

#endif /* EVTRAIL_CONSUMERS_SHIP_WIRE_SIDE_H */
