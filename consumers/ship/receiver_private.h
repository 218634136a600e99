/* SPDX-License-Identifier: ISC
 *
 * What the receiver's files share.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_RECEIVER_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_RECEIVER_PRIVATE_H

#include "ship/receiver.h"
#include "ship/wire_side.h"

enum { FLIGHTS_MAX = 16 };

/* What arrived and is not durable: `bytes` on the wire, up to `sequence`. */
struct receiver_flight {
    uint64_t sequence, bytes;
};
struct receiver_channel {
    bool open;
    bool refused; /* what still comes for it is stepped over */
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t expected; /* the next sequence */
    uint64_t durable;  /* up to here, included */
    struct receiver_flight flights[FLIGHTS_MAX];
    uint32_t flights_first, flights_count;
    uint64_t sources[WIRE_SOURCES_MAX / 64]; /* a bit for each that was declared */
};
struct ship_receiver {
    struct wire_side side;
    const struct ship_receiver_calls *calls;
    void *context;
    enum ship_receiver_state state;
    struct wire_welcome welcome;
    struct wire_hello hello; /* of the peer */
    uint64_t window_bytes;
    int64_t handshake_ns;
    uint32_t refusals_max;
    bool reader;       /* the peer's role */
    bool peer_drains;  /* it said that no more will come */
    bool we_drain;
    bool yields; /* its owner wants no more of what has come for now */
    bool drained_told;
    int64_t drain_until_ns;
    uint64_t released; /* of received bytes: durable, or nothing to be made durable */
    uint64_t limit;    /* that the peer was told last */
    uint64_t trace_limit; /* that a live reader told us */
    int64_t told_offset_ns, told_bound_ns;
    bool told_clock;
    uint32_t told_hold_us;
    struct ship_receiver_figures figures;
    struct receiver_channel channels[WIRE_CHANNELS_MAX];
};

void receiver_bye(struct ship_receiver *receiver, enum wire_bye_code code, uint32_t retry_ms, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Tells the window if it moved by much. `sequence` of `channel` is durable, or 0. */
void receiver_ack(struct ship_receiver *receiver, uint32_t channel, uint64_t sequence);
bool receiver_alive(const struct ship_receiver *receiver);

/* ---- receiver_units.c: FRAMES, DATA, GAP -------------------------------------------------------------------------------- */
/* Each returns NULL, or what of the protocol is broken (code in *ret_code). */
const char *receiver_on_frames(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                               enum wire_bye_code *ret_code);
const char *receiver_on_data(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                             enum wire_bye_code *ret_code);
const char *receiver_on_gap(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                            enum wire_bye_code *ret_code);

/* ---- receiver_frames.c: the file frames in a payload --------------------------------------------------------------------- */
struct frame_walk {
    const uint8_t *at, *end;
    const uint64_t *sources; /* declared */
    bool batch_allowed;
};
/* 1: the next frame, intact, its source declared (or declared by it), in *ret_frame; of a BATCH *ret_batch is filled, and it is the last.
 * 0: the end. < 0: -(enum wire_refusal), *ret_why says what. */
int frame_walk_next(struct frame_walk *walk, struct evtrail_frame *ret_frame, const uint8_t **ret_at, struct ship_batch *ret_batch,
                    const char **ret_why);
/* Notes what SUPER and SOURCE declare. */
void frame_declare(uint64_t *sources, const struct evtrail_frame *frame, const uint8_t *at);
void frame_undeclare(uint64_t *sources, const struct evtrail_frame *frame, const uint8_t *at);

#endif /* EVTRAIL_CONSUMERS_SHIP_RECEIVER_PRIVATE_H */
