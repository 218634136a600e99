/* SPDX-License-Identifier: ISC
 *
 * The whole of the collector's state machine: whatever a peer sends, in whatever pieces, what is handed on is whole, in order and never twice,
 * and the end comes once.
 *
 * The first byte says how: bit 0: checksums are made right; bit 1: HELLO and OPEN come first, of themselves; bit 2: refusals; bit 3: nothing becomes
 * durable; the upper four: how the bytes are cut.
 */
#include "ship/receiver.h"

#include "file/crc32c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RIGHT = 1, GREETED = 2, REFUSES = 4, STALLS = 8 };
struct world {
    struct ship_receiver *receiver;
    uint64_t expected[WIRE_CHANNELS_MAX];
    uint64_t sent;
    unsigned closed, calls;
    uint8_t how;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void open_world(struct world *world)
{
    must(!world->closed);
    world->calls++;
}

static int on_send(void *context, const struct iovec *parts, unsigned count)
{
    struct world *const world = context;
    must(!world->closed);
    for (unsigned i = 0; i < count; i++)
        world->sent += parts[i].iov_len;
    return world->sent > (16 << 20) ? -32 : 0;
}

static int on_hello(void *context, const struct wire_hello *hello, struct wire_welcome *welcome, struct wire_bye *bye)
{
    struct world *const world = context;
    open_world(world);
    must(strlen(hello->host) <= WIRE_HOST_BYTES && welcome->version == 1);
    wire_bye_say(bye, WIRE_BYE_denied, "no");
    return hello->host[0] == '!' ? WIRE_BYE_denied : 0;
}

static int on_open(void *context, uint32_t channel, const struct wire_open *open, uint64_t *ret_resume,
                   struct wire_refuse *refuse)
{
    struct world *const world = context;
    open_world(world);
    must(channel < WIRE_CHANNELS_MAX && open->first && open->next >= open->first);
    (void)refuse;
    if (open->name[0] == '!')
        return WIRE_REFUSE_owner;
    *ret_resume = open->name[0] == '?' ? open->next : 1;
    world->expected[channel] = *ret_resume;
    return 0;
}

static int on_frame(void *context, uint32_t channel, const struct evtrail_frame *frame, const uint8_t *bytes,
                    struct wire_refuse *refuse)
{
    struct world *const world = context;
    (void)channel, (void)refuse;
    open_world(world);
    must(evtrail_frame_intact(bytes, frame) && frame->tag != EVTRAIL_TAG_BATCH);
    return world->how & REFUSES && world->calls % 5 == 0 ? WIRE_REFUSE_denied : 0;
}

static int on_batch(void *context, uint32_t channel, uint64_t sequence, const struct ship_batch *batch,
                    struct wire_refuse *refuse)
{
    struct world *const world = context;
    (void)refuse;
    open_world(world);
    must(sequence == world->expected[channel]++);
    must(batch->header.compressed_bytes <= EVTRAIL_COMPRESSED_BYTES_MAX && batch->header.source < WIRE_SOURCES_MAX);
    must(!batch->header.checksum ||
         evtrail_crc32c(0, batch->compressed, batch->header.compressed_bytes) == batch->header.checksum);
    return world->how & REFUSES && world->calls % 3 == 0 ? WIRE_REFUSE_content : 0;
}

static int on_gap(void *context, uint32_t channel, uint64_t first, const struct wire_gap *gap)
{
    struct world *const world = context;
    struct wire_gap_entry entry;
    open_world(world);
    must(first == world->expected[channel] && gap->last >= first);
    world->expected[channel] = gap->last + 1;
    for (uint32_t i = 0; i < gap->count; i++)
        wire_gap_entry_at(gap, i, &entry);
    return world->how & REFUSES && world->calls % 7 == 0 ? -28 : 0;
}

static int on_missing(void *context, uint32_t channel, uint64_t sequence, const struct evtrail_batch_header *header,
                      const struct wire_refuse *refuse)
{
    struct world *const world = context;
    open_world(world);
    must(sequence == world->expected[channel]++ && refuse->code);
    must(!header || header->chunk.ring <= 4096);
    return 0;
}

static void on_clock(void *context, int64_t offset_ns, int64_t bound_ns)
{
    open_world(context);
    must(bound_ns > 0 && offset_ns > -(INT64_MAX / 2) && offset_ns < INT64_MAX / 2);
}

static void on_reader(void *context, const struct wire_hello *hello, bool first)
{
    static uint8_t bytes[3000];
    struct world *const world = context;
    const struct iovec part = {bytes, sizeof(bytes)};
    (void)hello, (void)first;
    open_world(world);
    for (unsigned i = 0; i < 100 && ship_receiver_trace(world->receiver, &part, 1) == 0; i++)
        ;
}

static void on_drained(void *context)
{
    open_world(context);
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct world *const world = context;
    (void)by_peer;
    must(++world->closed == 1 && strlen(bye->reason) <= WIRE_REASON_BYTES);
}

static const struct ship_receiver_calls calls = {.send = on_send,
                                                 .hello = on_hello,
                                                 .open = on_open,
                                                 .frame = on_frame,
                                                 .batch = on_batch,
                                                 .gap = on_gap,
                                                 .missing = on_missing,
                                                 .clock = on_clock,
                                                 .reader = on_reader,
                                                 .drained = on_drained,
                                                 .closed = on_closed};

static void make_frames_right(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + EVTRAIL_FRAME_PREFIX_BYTES <= size;) {
        struct evtrail_frame frame;
        if (evtrail_frame_prefix(bytes + at, size - at, &frame) || frame.bytes > size - at)
            return;
        struct evtrail_batch_header header;
        const uint8_t *const content = bytes + at + frame.bytes;
        const size_t left = size - at - frame.bytes;
        if (frame.tag == EVTRAIL_TAG_BATCH && frame.bytes >= 224 &&
            !evtrail_frame_parse_batch(bytes + at, frame.bytes, &header) && header.compressed_bytes <= left) {
            const uint32_t sum = evtrail_crc32c(0, content, header.compressed_bytes);
            memcpy(bytes + at + 204, &sum, 4);
        }
        const uint32_t crc = evtrail_crc32c(evtrail_crc32c(0, bytes + at, 12), bytes + at + 16, frame.bytes - 16);
        memcpy(bytes + at + 12, &crc, 4);
        at += frame.bytes;
    }
}

static void make_checksums_right(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + WIRE_HEADER_BYTES <= size;) {
        uint16_t header_bytes;
        uint32_t payload_bytes, crc;
        memcpy(&header_bytes, bytes + at + 6, 2);
        memcpy(&payload_bytes, bytes + at + 8, 4);
        if (header_bytes < WIRE_HEADER_BYTES || header_bytes > size - at || payload_bytes > size - at - header_bytes)
            return;
        make_frames_right(bytes + at + header_bytes, payload_bytes);
        crc = wire_crc(0, bytes + at + header_bytes, payload_bytes);
        memcpy(bytes + at + 12, &crc, 4);
        crc = wire_crc(wire_crc(0, bytes + at, 28), bytes + at + 32, header_bytes - 32u);
        memcpy(bytes + at + 28, &crc, 4);
        at += (size_t)header_bytes + payload_bytes;
    }
}

static void feed(struct world *world, const uint8_t *bytes, size_t size, size_t piece)
{
    struct ship_time now = {1000000000, 1700000000000000000};
    size_t begin = 0, end = 0, wanted;
    while (end < size && !world->closed) {
        end = size - end <= piece ? size : end + piece;
        now.monotonic_ns += 1000000;
        begin += ship_receiver_input(world->receiver, bytes + begin, end - begin, now, &wanted);
        must(begin <= end && wanted <= WIRE_HEADER_BYTES_MAX + WIRE_PAYLOAD_MAX);
        for (uint32_t channel = 0; channel < WIRE_CHANNELS_MAX && !(world->how & STALLS); channel++)
            if (ship_receiver_stream(world->receiver, channel))
                ship_receiver_durable(world->receiver, channel, world->expected[channel] - 1, now);
        ship_receiver_tick(world->receiver, now);
    }
}

static void greet(struct world *world)
{
    uint8_t out[2 * WIRE_OUT_BYTES];
    const struct wire_hello hello = {
        .version_min = 1, .version_max = 1, .role = 1, .offered = 15, .payload_max = WIRE_PAYLOAD_MAX};
    const struct wire_open open = {.first = 1, .next = 5};
    size_t bytes = wire_put_hello(out, &hello);
    bytes += wire_put_open(out + bytes, 0, &open);
    feed(world, out, bytes, bytes);
    must(!world->closed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[16] = {SIZE_MAX, 1, 2, 3, 7, 16, 31, 32, 33, 64, 100, 256, 1000, 1024, 4096, 65536};
    struct world world = {0};
    const struct ship_receiver_options options = {.refusals_max = 50};
    if (size < 1 || ship_receiver_new(&world.receiver, &options, &calls, &world) < 0)
        return 0;
    world.how = data[0];
    uint8_t *const copy = malloc(size);
    if (copy) {
        memcpy(copy, data + 1, size - 1);
        if (world.how & RIGHT)
            make_checksums_right(copy, size - 1);
        ship_receiver_start(world.receiver, (struct ship_time){1000000000, 1700000000000000000});
        if (world.how & GREETED)
            greet(&world);
        feed(&world, copy, size - 1, pieces[world.how >> 4] < size ? pieces[world.how >> 4] : size);
    }
    if (!world.closed)
        ship_receiver_close(world.receiver, WIRE_BYE_shutdown, "the end");
    must(world.closed == 1);
    ship_receiver_free(world.receiver);
    free(copy);
    return 0;
}
