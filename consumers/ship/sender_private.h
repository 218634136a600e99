/* SPDX-License-Identifier: ISC
 *
 * What sender.c and sender_pump.c share.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SENDER_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_SENDER_PRIVATE_H

#include "ship/sender.h"
#include "ship/wire_side.h"

enum sender_channel_state {
    CHANNEL_NEW,
    CHANNEL_ASKED, /* OPEN is out */
    CHANNEL_OPEN,
    CHANNEL_REFUSED,
};
struct sender_channel {
    enum sender_channel_state state;
    struct wire_open open;
    uint64_t next;  /* the sequence to send next */
    uint64_t acked; /* up to here, included */
    uint64_t too_large; /* the last sequence that was larger than the collector takes */
    bool unit_held;     /* fetched, not sent: */
    struct ship_unit unit;
};
struct ship_sender {
    struct wire_side side;
    const struct ship_sender_calls *calls;
    void *context;
    enum ship_sender_state state;
    struct wire_hello hello;
    struct wire_welcome welcome; /* version 0: not yet */
    int64_t handshake_ns, drain_ns, drain_until_ns;
    uint32_t payload_max;
    uint32_t channels_count, channels_max;
    struct sender_channel channels[WIRE_CHANNELS_MAX];
    uint32_t turn;               /* the channel that is first next time */
    uint64_t limit, limit_first; /* as the collector says: now, and at the beginning */
    bool stopped;                /* the collector wants no more */
    bool stalled;                /* there was data and no window */
    bool draining, drain_said;
    uint64_t sent_bytes, sent_batches, sent_gaps, sent_frames, acked_batches, refused, stalls;
};

/* BYE, and the end. */
void sender_bye(struct ship_sender *sender, enum wire_bye_code code, const char *reason);
/* The end, if the link is broken. */
void sender_check_link(struct ship_sender *sender);

#endif /* EVTRAIL_CONSUMERS_SHIP_SENDER_PRIVATE_H */
