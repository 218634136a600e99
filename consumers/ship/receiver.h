/* SPDX-License-Identifier: ISC
 *
 * The protocol as the collector speaks it to one peer, a state machine without sockets and clocks: handshake, order and duplicates,
 * window, acknowledgements once the caller says that data is durable, refusals, clock offset, live readers.
 *
 * Nothing that a peer says is believed: every message is checked in full (lengths, checksums, that its file frames are whole, intact,
 * bounded, in order, of declared sources) before anything of it is handed on. A fault closes this connection with a BYE that says what to
 * do. About 12 KiB of memory, whatever the peer does; no allocation after ship_receiver_new().
 *
 *     ship_receiver_new(&receiver, &options, &calls, context);
 *     ship_receiver_start(receiver, now);                                             // the link is up
 *     on bytes:     used = ship_receiver_input(receiver, bytes, size, now, &wanted);  // keep bytes[used..]
 *     when data of it is on disk: ship_receiver_durable(receiver, channel, sequence, now);
 *     on the timer: next = ship_receiver_tick(receiver, now);
 *     when calls.closed was called: send what is queued, close the link, ship_receiver_free(receiver)
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_RECEIVER_H
#define EVTRAIL_CONSUMERS_SHIP_RECEIVER_H

#include "ship/wire.h"
#include "ship/wire_clock.h"

#include "file/frame.h"

#include <sys/uio.h>

struct ship_receiver;

/* One batch, all checked but its content: header.chunk.source is NULL, words are not decoded. Valid during the call. */
struct ship_batch {
    struct evtrail_batch_header header; /* header.source: the stream's number; header.number: of the sender's file, without meaning here */
    const uint8_t *bytes;               /* the BATCH frame as it came; header.header_bytes */
    const uint8_t *compressed;          /* its zstd frame; header.compressed_bytes (0: the batch only reports loss) */
};

/* Callbacks on a stream return 0, or enum wire_refusal > 0 (with a reason in `refuse`, which may be left empty), or a negative errno: the
 * collector itself cannot, which ends the connection with WIRE_BYE_store. */
struct ship_receiver_calls {
    /* Queues bytes on the link, all of them, copied. 0, or a negative errno: the link is broken or the peer does not read; the machine
     * closes. */
    int (*send)(void *context, const struct iovec *parts, unsigned count);
    /* A peer introduces itself; role, versions and features are settled. 0, or an enum wire_bye_code > 0 to turn it away (name rules, limits,
     * too many) with a reason in bye->reason (and retry_ms). `welcome` may be changed: payload_max, ping_ms. */
    int (*hello)(void *context, const struct wire_hello *hello, struct wire_welcome *welcome, struct wire_bye *bye);
    /* A stream: *ret_resume = the first sequence that is not on disk (1: nothing is). It is opened once in a connection. */
    int (*open)(void *context, uint32_t channel, const struct wire_open *open, uint64_t *ret_resume, struct wire_refuse *refuse);
    /* A frame SUPER, SOURCE, SCHEMA, CLOCK or ACCOUNT of the stream, as it stands in the message, intact; bounds and source number checked. A
     * SUPER begins a new numbering of sources. SOURCE, SCHEMA and CLOCK may come again, the same. Those of one DATA come before its batch,
     * ACCOUNT belongs to that batch (which may still be refused). A refusal here refuses the DATA, or, of FRAMES, ends the connection. */
    int (*frame)(void *context, uint32_t channel, const struct evtrail_frame *frame, const uint8_t *bytes, struct wire_refuse *refuse);
    /* The next batch of the stream; never a duplicate, never out of order. Afterwards the sequence counts as taken, or as refused: of a refused
     * one the caller stores that it is missing (cause WIRE_GAP_refused). Both are acknowledged by ship_receiver_durable(). */
    int (*batch)(void *context, uint32_t channel, uint64_t sequence, const struct ship_batch *batch, struct wire_refuse *refuse);
    /* Sequences first..gap->last will not come. To be stored in place of them, and told durable (gap->last) as a batch is. */
    int (*gap)(void *context, uint32_t channel, uint64_t first, const struct wire_gap *gap);
    /* The machine itself refused a batch (a frame in it is damaged, ...): to be stored as missing, as above. `header` is NULL if it cannot be
     * read. 0 or a negative errno. */
    int (*missing)(void *context, uint32_t channel, uint64_t sequence, const struct evtrail_batch_header *header,
                   const struct wire_refuse *refuse);
    /* A better offset of the peer's clock from ours (theirs = ours + offset, +- bound). May be NULL. */
    void (*clock)(void *context, int64_t offset_ns, int64_t bound_ns);
    /* A live reader wants bytes: the handshake is done (once), or its limit was raised. ship_receiver_trace() may be called, from here or
     * later. NULL: readers are turned away. */
    void (*reader)(void *context, const struct wire_hello *hello, bool first);
    /* All of the peer's streams were drained: it said DRAIN and all is acknowledged. May be NULL. */
    void (*drained)(void *context);
    /* The end, once: a BYE came, or was sent, or the caller closed. Nothing is called after it. */
    void (*closed)(void *context, const struct wire_bye *bye, bool by_peer);
};
struct ship_receiver_options {
    struct wire_welcome welcome; /* host, agent, collector_id, ping_ms (0: 10 s), payload_max (0: WIRE_PAYLOAD_MAX), channels_max (0: all); the rest is
                                    filled in */
    uint64_t window_bytes;       /* that may arrive before the first of it is durable; 0: 8 MiB; at least payload_max + 64 KiB */
    uint32_t refusals_max;       /* batches refused in one connection before it is closed; 0: 64 */
    int64_t handshake_ns;        /* until HELLO is complete; 0: 10 s */
};
enum ship_receiver_state {
    SHIP_RECEIVER_NEW,
    SHIP_RECEIVER_WAITING, /* for HELLO */
    SHIP_RECEIVER_UP,
    SHIP_RECEIVER_DRAINING, /* the peer's streams are at their end; what came is not all durable */
    SHIP_RECEIVER_CLOSED,
};
struct ship_receiver_figures {
    enum ship_receiver_state state;
    uint64_t received_bytes, batches, duplicates, gaps, frames, refused;
    uint64_t unacked_bytes; /* arrived, not durable */
    uint64_t traced_bytes;  /* sent to a live reader */
    unsigned channels;
    bool offset_known;
    int64_t offset_ns, bound_ns;
    int64_t silent_ns;
};

/* calls and context must stay. -ENOMEM. */
int ship_receiver_new(struct ship_receiver **ret_receiver, const struct ship_receiver_options *options, const struct ship_receiver_calls *calls,
                      void *context);
void ship_receiver_free(struct ship_receiver *receiver);
void ship_receiver_start(struct ship_receiver *receiver, struct ship_time now);
/* As ship_sender_input(). */
size_t ship_receiver_input(struct ship_receiver *receiver, const uint8_t *bytes, size_t size, struct ship_time now, size_t *ret_wanted);
/* From a callback: what has come beyond this message is left, ship_receiver_input() returns. */
void ship_receiver_yield(struct ship_receiver *receiver);
/* All of the channel up to `sequence` is on disk: ACK, and the window moves. Not from a callback. */
void ship_receiver_durable(struct ship_receiver *receiver, uint32_t channel, uint64_t sequence, struct ship_time now);
/* To a sender: somebody watches live what it sends, and wants events to be held no longer than this; 0: nobody does. What it knows is not said again. Not
 * from a callback. */
void ship_receiver_watch(struct ship_receiver *receiver, uint32_t hold_us, struct ship_time now);
/* Pings, timeouts. Returns the monotonic time of the next call. */
int64_t ship_receiver_tick(struct ship_receiver *receiver, struct ship_time now);
/* The peer's silence is ours: it is not read for now. */
void ship_receiver_excuse(struct ship_receiver *receiver, struct ship_time now);
/* The collector ends: DRAIN to the peer, which stops sending; what arrived is acknowledged as it becomes durable, then BYE shutdown. */
void ship_receiver_drain(struct ship_receiver *receiver, struct ship_time now);
/* BYE now (code WIRE_BYE_lost: the link broke, none is sent); then calls.closed. From callbacks, too. */
void ship_receiver_close(struct ship_receiver *receiver, enum wire_bye_code code, const char *reason);
/* The stream's id, or NULL: not open. And the sequence that is expected next. */
const uint8_t *ship_receiver_stream(const struct ship_receiver *receiver, uint32_t channel);
uint64_t ship_receiver_expected(const struct ship_receiver *receiver, uint32_t channel);
/* Whole file frames to a live reader, as one message. -EAGAIN: beyond the reader's limit: calls.reader tells when it was raised; -EMSGSIZE: more
 * than the reader takes; -ENOTCONN: no reader, or closed. */
int ship_receiver_trace(struct ship_receiver *receiver, const struct iovec *parts, unsigned count);
void ship_receiver_figures(const struct ship_receiver *receiver, struct ship_time now, struct ship_receiver_figures *ret_figures);

#endif /* EVTRAIL_CONSUMERS_SHIP_RECEIVER_H */
