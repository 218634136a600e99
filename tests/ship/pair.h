/* SPDX-License-Identifier: ISC
 *
 * For tests of the protocol: a sender and a receiver joined by buffers, with a spool and a store that are arrays, under a clock that the test
 * moves.
 */
#ifndef EVTRAIL_TESTS_SHIP_PAIR_H
#define EVTRAIL_TESTS_SHIP_PAIR_H

#include "ship/receiver.h"
#include "ship/sender.h"

#include "file/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIPE_BYTES = 1 << 20, UNITS_MAX = 512 };

/* ---- file frames -------------------------------------------------------------------------------------------------------- */

static inline size_t make_super(uint8_t *out)
{
    return evtrail_frame_put_super(out, &(struct evtrail_super){.version = 1, .file_id = 7});
}

static inline size_t make_source(uint8_t *out, uint32_t number)
{
    struct evtrail_source_frame source = {.number = number, .pid = 4711 + number, .session_id = 100 + number, .start_realtime_ns = 5000000000,
                                          .hz = 1000000000, .clock_kind = 1, .command = "server", .program = "/usr/bin/server",
                                          .host = "web1", .boot_id = "b"};
    return evtrail_frame_put_source(out, &source);
}

static inline size_t make_clock(uint8_t *out, uint32_t source)
{
    return evtrail_frame_put_clock(out, &(struct evtrail_clock_frame){.source = source, .ticks = 1, .monotonic_ns = 1, .realtime_ns = 5000000000});
}

/* A BATCH with a content of so many bytes that is none: the protocol does not look into it. */
static inline size_t make_batch(uint8_t *out, uint32_t source, uint64_t events_before, uint32_t content)
{
    struct evtrail_batch_header header = {.source = source, .number = events_before, .codec = content ? 1 : 0};
    uint8_t *const bytes = malloc(content + 1);
    memset(bytes, 0x5a, content);
    header.chunk.ring = 3;
    header.chunk.events = header.chunk.words_count = content ? 1 : 0;
    header.chunk.events_before = events_before;
    header.content_bytes = content ? 8 : 0;
    header.compressed_bytes = content;
    header.checksum = evtrail_crc32c(0, bytes, content);
    const size_t head = evtrail_frame_put_batch(out, &header);
    memcpy(out + head, bytes, content);
    free(bytes);
    return head + content;
}

/* ---- the two ends ------------------------------------------------------------------------------------------------------- */

struct pipe_bytes {
    uint8_t bytes[PIPE_BYTES];
    size_t size;
    int error;
};
struct pair {
    struct ship_sender *sender;
    struct ship_receiver *receiver;
    struct ship_time now;
    int64_t skew_ns; /* the collector's realtime less the sender's */
    struct pipe_bytes up, down;
    size_t room;
    /* the spool of channel 0 */
    uint64_t first, next;         /* sequences that it has: first <= s < next */
    uint64_t gap_at, gap_last;    /* ... of these, missing */
    uint64_t poison;              /* the batch that is damaged */
    uint32_t content;             /* bytes of each */
    bool context_sent;            /* SUPER, SOURCE, CLOCK are out */
    uint64_t acked, set_aside[16];
    unsigned set_aside_count, opened, stream_refusals, watches;
    int64_t hold_ns; /* that who watches would have */
    uint64_t resumed;
    struct wire_refuse refuse; /* the last that came */
    /* the store */
    uint64_t stored[UNITS_MAX];
    unsigned stored_count, gaps, missing, frames, opens;
    uint64_t have;           /* what is durable of the stream */
    uint64_t taken;          /* what arrived */
    bool store_stalls;       /* nothing becomes durable */
    int refuse_batches;      /* what batch() returns */
    int refuse_hello, refuse_open;
    struct wire_gap_entry gap_entry;
    int64_t offset_ns, bound_ns;
    unsigned clocks, drained, reader_calls;
    struct wire_hello greeted;
    /* both */
    struct wire_bye sender_bye, receiver_bye;
    unsigned sender_closed, receiver_closed;
    bool sender_by_peer, receiver_by_peer;
    uint8_t room_for_unit[64 << 10];
};

static inline int pipe_put(struct pipe_bytes *into, const struct iovec *parts, unsigned count)
{
    if (into->error)
        return into->error;
    for (unsigned i = 0; i < count; i++) {
        assert_true(into->size + parts[i].iov_len <= PIPE_BYTES);
        memcpy(into->bytes + into->size, parts[i].iov_base, parts[i].iov_len);
        into->size += parts[i].iov_len;
    }
    return 0;
}

static inline int up_send(void *context, const struct iovec *parts, unsigned count)
{
    return pipe_put(&((struct pair *)context)->up, parts, count);
}

static inline int down_send(void *context, const struct iovec *parts, unsigned count)
{
    return pipe_put(&((struct pair *)context)->down, parts, count);
}

static inline size_t up_room(void *context)
{
    struct pair *const pair = context;
    return pair->up.size < pair->room ? pair->room - pair->up.size : 0;
}

static inline void spool_opened(void *context, uint32_t channel, uint64_t resume)
{
    struct pair *const pair = context;
    assert_int_equal(channel, 0);
    pair->opened++;
    pair->resumed = resume;
    pair->context_sent = false;
}

static inline int spool_fetch(void *context, uint32_t channel, uint64_t sequence, struct ship_unit *ret_unit)
{
    static const struct wire_gap_entry entry = {.source = 0, .ring = 3, .cause = WIRE_GAP_oldest, .events = 12, .from_ns = 1, .to_ns = 2};
    struct pair *const pair = context;
    if (channel != 0 || sequence >= pair->next)
        return 0;
    if (!pair->context_sent) {
        size_t at = make_super(pair->room_for_unit);
        at += make_source(pair->room_for_unit + at, 0);
        at += make_clock(pair->room_for_unit + at, 0);
        pair->context_sent = true;
        *ret_unit = (struct ship_unit){.kind = SHIP_UNIT_FRAMES, .parts = {{pair->room_for_unit, at}}, .parts_count = 1};
        return 1;
    }
    const bool missing = sequence < pair->first || (pair->gap_at && sequence >= pair->gap_at && sequence <= pair->gap_last);
    if (missing) {
        const uint64_t last = sequence < pair->first ? pair->first - 1 : pair->gap_last;
        *ret_unit = (struct ship_unit){.kind = SHIP_UNIT_GAP, .gap = {.last = last, .cause = WIRE_GAP_oldest, .count = 1, .entries = &entry}};
        return 1;
    }
    const size_t bytes = make_batch(pair->room_for_unit, 0, sequence, pair->content);
    if (sequence == pair->poison)
        pair->room_for_unit[bytes - 1] ^= 1;
    *ret_unit = (struct ship_unit){.kind = SHIP_UNIT_DATA,
                                   .parts = {{pair->room_for_unit, bytes / 2}, {pair->room_for_unit + bytes / 2, bytes - bytes / 2}},
                                   .parts_count = 2};
    return 1;
}

static inline void spool_acked(void *context, uint32_t channel, uint64_t sequence)
{
    struct pair *const pair = context;
    assert_true(channel == 0 && (sequence > pair->acked || pair->opened == 0));
    pair->acked = sequence;
}

static inline void spool_refused(void *context, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse)
{
    struct pair *const pair = context;
    assert_true(channel == 0 && pair->set_aside_count < 16);
    pair->set_aside[pair->set_aside_count++] = sequence;
    pair->refuse = *refuse;
    if (sequence > pair->poison || refuse->code == WIRE_REFUSE_size)
        pair->gap_at = pair->gap_last = sequence;
}

static inline void spool_stream_refused(void *context, uint32_t channel, const struct wire_refuse *refuse)
{
    struct pair *const pair = context;
    (void)channel;
    pair->stream_refusals++;
    pair->refuse = *refuse;
}

static inline void spool_watched(void *context, int64_t hold_ns)
{
    struct pair *const pair = context;
    pair->watches++;
    pair->hold_ns = hold_ns;
}

static inline void sender_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct pair *const pair = context;
    pair->sender_closed++;
    pair->sender_bye = *bye;
    pair->sender_by_peer = by_peer;
}

static inline int store_hello(void *context, const struct wire_hello *hello, struct wire_welcome *welcome, struct wire_bye *bye)
{
    struct pair *const pair = context;
    (void)welcome;
    pair->greeted = *hello;
    if (pair->refuse_hello)
        wire_bye_say(bye, WIRE_BYE_done, "%s", "not you");
    return pair->refuse_hello;
}

static inline int store_open(void *context, uint32_t channel, const struct wire_open *opening, uint64_t *ret_resume, struct wire_refuse *refuse)
{
    struct pair *const pair = context;
    (void)channel, (void)opening, (void)refuse;
    pair->opens++;
    if (pair->refuse_open)
        return pair->refuse_open;
    *ret_resume = pair->have + 1;
    pair->taken = pair->have;
    return 0;
}

static inline int store_frame(void *context, uint32_t channel, const struct evtrail_frame *frame, const uint8_t *bytes, struct wire_refuse *refuse)
{
    (void)channel, (void)frame, (void)bytes, (void)refuse;
    ((struct pair *)context)->frames++;
    return 0;
}

static inline int store_batch(void *context, uint32_t channel, uint64_t sequence, const struct ship_batch *batch, struct wire_refuse *refuse)
{
    struct pair *const pair = context;
    (void)channel, (void)refuse;
    assert_int_equal(sequence, pair->taken + 1);
    assert_int_equal(batch->header.chunk.events_before, sequence);
    assert_int_equal(batch->header.compressed_bytes, pair->content);
    pair->taken = sequence;
    if (pair->refuse_batches)
        return pair->refuse_batches;
    assert_true(pair->stored_count < UNITS_MAX);
    pair->stored[pair->stored_count++] = sequence;
    return 0;
}

static inline int store_gap(void *context, uint32_t channel, uint64_t first, const struct wire_gap *gap)
{
    struct pair *const pair = context;
    (void)channel;
    assert_int_equal(first, pair->taken + 1);
    pair->taken = gap->last;
    pair->gaps++;
    if (gap->count)
        wire_gap_entry_at(gap, 0, &pair->gap_entry);
    return 0;
}

static inline int store_missing(void *context, uint32_t channel, uint64_t sequence, const struct evtrail_batch_header *header,
                                const struct wire_refuse *refuse)
{
    struct pair *const pair = context;
    (void)channel, (void)header, (void)refuse;
    assert_int_equal(sequence, pair->taken + 1);
    pair->taken = sequence;
    pair->missing++;
    return 0;
}

static inline void store_clock(void *context, int64_t offset_ns, int64_t bound_ns)
{
    struct pair *const pair = context;
    pair->clocks++;
    pair->offset_ns = offset_ns;
    pair->bound_ns = bound_ns;
}

static inline void store_drained(void *context)
{
    ((struct pair *)context)->drained++;
}

static inline void store_reader(void *context, const struct wire_hello *hello, bool first)
{
    (void)hello, (void)first;
    ((struct pair *)context)->reader_calls++;
}

static inline void receiver_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct pair *const pair = context;
    pair->receiver_closed++;
    pair->receiver_bye = *bye;
    pair->receiver_by_peer = by_peer;
}

static const struct ship_sender_calls spool_calls = {.send = up_send, .room = up_room, .opened = spool_opened, .fetch = spool_fetch,
                                                     .acked = spool_acked, .refused = spool_refused,
                                                     .stream_refused = spool_stream_refused, .watched = spool_watched,
                                                     .closed = sender_closed};
static const struct ship_receiver_calls store_calls = {.send = down_send, .hello = store_hello, .open = store_open, .frame = store_frame,
                                                       .batch = store_batch, .gap = store_gap, .missing = store_missing,
                                                       .clock = store_clock, .reader = store_reader, .drained = store_drained,
                                                       .closed = receiver_closed};

static inline struct ship_time collector_time(const struct pair *pair)
{
    return (struct ship_time){pair->now.monotonic_ns + 77, pair->now.realtime_ns + pair->skew_ns};
}

static const struct wire_open test_stream = {.stream = "0123456789abcde", .first = 1, .next = 1, .name = "spool"};

/* A new connection of the same two. */
static inline void pair_connect(struct pair *pair)
{
    struct ship_sender_options options = {.hello = {.host = "web1", .boot_id = "boot", .agent = "evtrail test", .agent_id = 9}};
    struct wire_open opening = test_stream;
    uint32_t channel;
    ship_sender_free(pair->sender);
    ship_receiver_free(pair->receiver);
    pair->up.size = pair->down.size = 0;
    pair->up.error = pair->down.error = 0;
    pair->sender_closed = pair->receiver_closed = 0;
    pair->opened = 0;
    pair->taken = pair->have;
    assert_int_equal(ship_sender_new(&pair->sender, &options, &spool_calls, pair), 0);
    assert_int_equal(ship_receiver_new(&pair->receiver, NULL, &store_calls, pair), 0);
    opening.first = pair->first;
    opening.next = pair->next;
    assert_int_equal(ship_sender_stream(pair->sender, &opening, &channel), 0);
    ship_receiver_start(pair->receiver, collector_time(pair));
    ship_sender_start(pair->sender, pair->now);
}

static inline struct pair *pair_new(void)
{
    struct pair *const pair = calloc(1, sizeof(*pair));
    pair->now = (struct ship_time){1000000000, 1700000000000000000};
    pair->room = 64 << 10;
    pair->first = pair->next = 1;
    pair->content = 100;
    pair_connect(pair);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    ship_sender_free(pair->sender);
    ship_receiver_free(pair->receiver);
    free(pair);
}

/* Moves up to `most` bytes from one end to the other. */
static inline bool carry_up(struct pair *pair, size_t most)
{
    size_t wanted;
    const size_t bytes = pair->up.size < most ? pair->up.size : most;
    const size_t used = ship_receiver_input(pair->receiver, pair->up.bytes, bytes, collector_time(pair), &wanted);
    memmove(pair->up.bytes, pair->up.bytes + used, pair->up.size - used);
    pair->up.size -= used;
    return used > 0;
}

static inline bool carry_down(struct pair *pair, size_t most)
{
    size_t wanted;
    const size_t bytes = pair->down.size < most ? pair->down.size : most;
    const size_t used = ship_sender_input(pair->sender, pair->down.bytes, bytes, pair->now, &wanted);
    memmove(pair->down.bytes, pair->down.bytes + used, pair->down.size - used);
    pair->down.size -= used;
    return used > 0;
}

/* Until nothing moves any more. Each way takes a microsecond. */
static inline void pair_run(struct pair *pair)
{
    for (bool moved = true; moved;) {
        pair->now.monotonic_ns += 1000;
        pair->now.realtime_ns += 1000;
        ship_sender_pump(pair->sender, pair->now);
        moved = carry_up(pair, SIZE_MAX);
        pair->now.monotonic_ns += 1000;
        pair->now.realtime_ns += 1000;
        if (!pair->store_stalls && pair->taken > pair->have) {
            pair->have = pair->taken;
            ship_receiver_durable(pair->receiver, 0, pair->have, collector_time(pair));
            moved = true;
        }
        moved |= carry_down(pair, SIZE_MAX);
    }
}

#endif /* EVTRAIL_TESTS_SHIP_PAIR_H */
