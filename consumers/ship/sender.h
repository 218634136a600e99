/* SPDX-License-Identifier: ISC
 *
 * The protocol as the sender speaks it, a state machine without sockets and clocks: handshake, resume, window, what is in flight,
 * acknowledgements, refusals, pings.
 *
 * One ship_sender lives as long as one connection. The caller gives it the bytes that come (ship_sender_input), the time
 * (ship_sender_tick), and says when there may be more to send (ship_sender_pump); it fetches units of the streams from the caller and
 * gives it bytes to send. Calls back only from within those functions; none of them may be called from a callback, but for
 * ship_sender_drain() and ship_sender_close().
 *
 *     ship_sender_new(&sender, &options, &calls, context);
 *     ship_sender_stream(sender, &open, &channel);        // once for each stream (spool)
 *     ship_sender_start(sender, now);                     // the link is up: HELLO goes out
 *     on bytes:     used = ship_sender_input(sender, bytes, size, now, &wanted);   // keep bytes[used..]
 *     on writable, on new data in the spool:  ship_sender_pump(sender, now);
 *     on the timer: next = ship_sender_tick(sender, now);
 *     when calls.closed was called: send what is queued, close the link, ship_sender_free(sender), back off, connect again
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SENDER_H
#define EVTRAIL_CONSUMERS_SHIP_SENDER_H

#include "ship/wire.h"
#include "ship/wire_clock.h"

#include <sys/uio.h>

struct ship_sender;

enum ship_unit_kind {
    SHIP_UNIT_FRAMES = 1, /* whole frames SUPER, SOURCE, SCHEMA, CLOCK that later batches need; no sequence. Sending them twice does no harm */
    SHIP_UNIT_DATA = 2,   /* the batch of the sequence that was asked for: frames (SOURCE, SCHEMA, CLOCK, ACCOUNT), then one BATCH and its zstd frame */
    SHIP_UNIT_GAP = 3,    /* from the sequence that was asked for up to gap.last nothing comes */
};
enum { SHIP_UNIT_PARTS_MAX = 8 };
struct ship_unit {
    enum ship_unit_kind kind;
    struct iovec parts[SHIP_UNIT_PARTS_MAX]; /* FRAMES, DATA: the payload; valid until the next fetch of this channel */
    unsigned parts_count;
    struct wire_gap gap; /* GAP: entries valid as long */
    int64_t born_ns;     /* monotonic, when the data was read from the ring, for figures; 0: not known */
};

struct ship_sender_calls {
    /* Queues bytes on the link, all of them, copied. 0, or a negative errno: the link is broken, the machine closes. What is not DATA is
     * small, and must find room beyond what room() says. */
    int (*send)(void *context, const struct iovec *parts, unsigned count);
    /* How many bytes of data the link takes now. The machine sends a unit if this is > 0: the queue may exceed its bound by one unit. */
    size_t (*room)(void *context);
    /* The collector agreed. welcome->collector_id may be noted. May be NULL. */
    void (*welcomed)(void *context, const struct wire_welcome *welcome);
    /* The stream goes on from `resume`: the next fetches ask for it, and then for those behind it. All below is on the collector's disk
     * (acked(channel, resume - 1) was called before). Frames that batches from there need must be fetched first, again: SUPER, SOURCE, ... */
    void (*opened)(void *context, uint32_t channel, uint64_t resume);
    /* The next unit of a stream on the way to `sequence`: any number of FRAMES, then the DATA or GAP of it. 1: *ret_unit; 0: nothing yet,
     * ship_sender_pump() will be called when there is; < 0: the stream cannot be read, which closes the connection (WIRE_BYE_internal). */
    int (*fetch)(void *context, uint32_t channel, uint64_t sequence, struct ship_unit *ret_unit);
    /* All up to `sequence` is on the collector's disk, and may be deleted here. */
    void (*acked)(void *context, uint32_t channel, uint64_t sequence);
    /* The collector will not take this batch: set it aside, and count it. Nothing else changes; it is acknowledged in its turn. If it is asked for
     * again in a later connection it is a GAP, cause WIRE_GAP_refused. */
    void (*refused)(void *context, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse);
    /* The collector will not take this stream in this connection; other channels go on. WIRE_REFUSE_ahead: begin a new stream. */
    void (*stream_refused)(void *context, uint32_t channel, const struct wire_refuse *refuse);
    /* Somebody watches live what this sender sends: no event is to be held for longer than this for others to come into its batch. 0: nobody does
     * any more. May be NULL. */
    void (*watched)(void *context, int64_t hold_ns);
    /* The end, once: a BYE came, or was sent, or the caller closed. Nothing is called after it. */
    void (*closed)(void *context, const struct wire_bye *bye, bool by_peer);
};
struct ship_sender_options {
    struct wire_hello hello; /* role, versions and features are filled in; the rest is the caller's */
    int64_t handshake_ns;    /* until WELCOME and OPENED; 0: 10 s */
    int64_t drain_ns;        /* after ship_sender_drain(), until all is acknowledged; 0: 10 s */
};
enum ship_sender_state {
    SHIP_SENDER_NEW,
    SHIP_SENDER_GREETING, /* HELLO is out */
    SHIP_SENDER_OPENING,  /* welcomed, no stream opened yet */
    SHIP_SENDER_UP,
    SHIP_SENDER_DRAINING,
    SHIP_SENDER_CLOSED,
};
struct ship_sender_figures {
    enum ship_sender_state state;
    uint64_t sent_bytes, sent_batches, sent_gaps, sent_frames; /* in this connection */
    uint64_t acked_batches, refused;
    uint64_t unacked_bytes, unacked_batches; /* in flight */
    uint64_t window_bytes;                   /* that may still be sent */
    uint64_t stalls;                         /* times that there was data and no window */
    bool offset_known;
    int64_t offset_ns, bound_ns; /* the collector's clock less ours */
    int64_t silent_ns;           /* since the last byte from the collector */
    struct wire_welcome welcome;
};

/* calls and context must stay. -ENOMEM. */
int ship_sender_new(struct ship_sender **ret_sender, const struct ship_sender_options *options, const struct ship_sender_calls *calls,
                    void *context);
void ship_sender_free(struct ship_sender *sender);
/* A stream of this connection; before ship_sender_start() or at any time later. -ENOSPC: WIRE_CHANNELS_MAX, or fewer as the collector says;
 * -EINVAL: first or next is 0, or next < first. */
int ship_sender_stream(struct ship_sender *sender, const struct wire_open *open, uint32_t *ret_channel);
/* The link is connected (and its handshake, if TLS, done): HELLO. */
void ship_sender_start(struct ship_sender *sender, struct ship_time now);
/* Takes whole messages from what came; returns how many bytes were used. The rest is the beginning of a message: it must come again,
 * first, with more behind it, *ret_wanted bytes in all (grow the buffer as bytes come, not at once). After the end all is used. */
size_t ship_sender_input(struct ship_sender *sender, const uint8_t *bytes, size_t size, struct ship_time now, size_t *ret_wanted);
/* Sends what may be sent: units are fetched while link and window have room, from the streams in turn. */
void ship_sender_pump(struct ship_sender *sender, struct ship_time now);
/* Pings, timeouts. Returns the monotonic time of the next call. */
int64_t ship_sender_tick(struct ship_sender *sender, struct ship_time now);
/* Send what there is (fetch is called until it has nothing), wait until all is acknowledged, then BYE done. */
void ship_sender_drain(struct ship_sender *sender, struct ship_time now);
/* BYE now (code WIRE_BYE_lost: the link broke, none is sent); then calls.closed. */
void ship_sender_close(struct ship_sender *sender, enum wire_bye_code code, const char *reason);
void ship_sender_figures(const struct ship_sender *sender, struct ship_time now, struct ship_sender_figures *ret_figures);

#endif /* EVTRAIL_CONSUMERS_SHIP_SENDER_H */
