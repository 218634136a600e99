/* SPDX-License-Identifier: ISC
 *
 * One live reader: what it gets before a batch, and the batch, as one message of whole frames.
 */
#include "ship/live_private.h"

#include "file/crc32c.h"
#include "file/put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool live_fits(const char *pattern, const char *text)
{
    const char *star = NULL, *mark = text;
    if (!*pattern)
        return true;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            mark = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

int live_join(struct live *live, struct ship_receiver *receiver, const struct wire_hello *hello,
              struct live_reader **ret_reader)
{
    unsigned place = 0;
    while (place < LIVE_READERS_MAX && live->readers[place])
        place++;
    if (place == LIVE_READERS_MAX)
        return -EUSERS;
    struct live_reader *const reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    reader->live = live;
    reader->place = place;
    reader->receiver = receiver;
    reader->hello = *hello;
    live->readers[place] = reader;
    live->stats.readers++;
    *ret_reader = reader;
    live_more(reader);
    return 0;
}

bool live_watched(const struct live *live, const char *host)
{
    bool watched = false;
    for (unsigned i = 0; i < LIVE_READERS_MAX && !watched; i++)
        watched = live->readers[i] && live_fits(live->readers[i]->hello.host_pattern, host);
    return watched;
}

static void forget(struct live_source **sources, uint32_t count, unsigned place)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!sources[i])
            continue;
        free(sources[i]->by_reader[place]);
        sources[i]->by_reader[place] = NULL;
    }
}

void live_leave(struct live_reader *reader)
{
    if (!reader)
        return;
    struct live *const live = reader->live;
    for (unsigned i = 0; live && i < LIVE_BUCKETS; i++)
        for (struct live_stream *stream = live->buckets[i]; stream; stream = stream->next) {
            forget(stream->sources, stream->sources_count, reader->place);
            forget(stream->stale, stream->stale_count, reader->place);
        }
    if (live) {
        live->readers[reader->place] = NULL;
        live->stats.readers--;
    }
    free(reader->room);
    free(reader);
}

/* A file's head, so that it is one from the first byte on; and again when its numbers are used up. */
static bool begin(struct live_reader *reader)
{
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    if (reader->numbering && reader->numbers < LIVE_NUMBERS_MAX)
        return true;
    const struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION, .file_id = (uint64_t)(uintptr_t)reader};
    const struct iovec part = {out, evtrail_frame_put_super(out, &super)};
    if (ship_receiver_trace(reader->receiver, &part, 1) < 0)
        return false;
    reader->numbering++;
    reader->numbers = 0;
    return true;
}

void live_more(struct live_reader *reader)
{
    if (reader->live)
        begin(reader);
}

/* ---- before a batch -------------------------------------------------------------------------------------------------------- */

static bool wanted(const struct live_reader *reader, const struct live_source *source)
{
    return live_fits(reader->hello.host_pattern, source->frame.host) &&
           live_fits(reader->hello.program_pattern, source->frame.program);
}

static struct live_known *known_of(struct live_reader *reader, struct live_source *source)
{
    struct live_known *known = source->by_reader[reader->place];
    if (!known)
        known = source->by_reader[reader->place] = calloc(1, sizeof(*known));
    if (known && known->numbering != reader->numbering) {
        memset(known, 0, sizeof(*known));
        known->numbering = reader->numbering;
        known->number = reader->numbers++;
    }
    return known;
}

static bool reserve(struct live_reader *reader, size_t bytes)
{
    if (bytes <= reader->room_bytes)
        return true;
    uint8_t *const grown = realloc(reader->room, bytes);
    if (!grown)
        return false;
    reader->room = grown;
    reader->room_bytes = bytes;
    return true;
}

/* The checksum of a frame whose numbers were changed. */
static void seal(uint8_t *at, size_t bytes)
{
    put32(at + 12, evtrail_crc32c(evtrail_crc32c(0, at, 12), at + 16, bytes - 16));
}

static size_t put_schemas(uint8_t *out, const struct live_source *source, const struct live_known *known)
{
    const size_t bytes = source->schemas_bytes - known->schemas_bytes;
    struct evtrail_frame frame;
    if (bytes)
        memcpy(out, source->schemas + known->schemas_bytes, bytes);
    for (size_t at = 0; at < bytes && !evtrail_frame_prefix(out + at, bytes - at, &frame); at += frame.bytes) {
        put32(out + at + EVTRAIL_FRAME_PREFIX_BYTES, known->number);
        seal(out + at, frame.bytes);
    }
    return bytes;
}

static size_t put_clock(uint8_t *out, struct evtrail_clock_frame clock, const struct live_known *known)
{
    clock.source = known->number;
    return evtrail_frame_put_clock(out, &clock);
}

/* Where this reader begins to see the ring: what came before is neither there nor lost. */
static size_t put_account(uint8_t *out, const struct evtrail_chunk *chunk, const struct live_known *known)
{
    struct evtrail_account_frame account = {
        .source = known->number, .ring = chunk->ring, .events = chunk->events_before - chunk->missed};
    memcpy(account.lost, chunk->lost_before, sizeof(account.lost));
    return evtrail_frame_put_account(out, &account);
}

/* Everything of the source that the reader lacks, into reader->room. Returns its bytes; SIZE_MAX: no memory. */
static size_t put_context(struct live_reader *reader, const struct live_stream *stream,
                          const struct live_source *source, const struct live_known *known,
                          const struct evtrail_chunk *chunk)
{
    const size_t most = 8 * (size_t)EVTRAIL_HEADER_BYTES_MAX + source->schemas_bytes - known->schemas_bytes;
    struct evtrail_source_frame frame = source->frame;
    if (!reserve(reader, most))
        return SIZE_MAX;
    uint8_t *out = reader->room;
    frame.number = known->number;
    if (!known->clocks && !known->schemas_bytes)
        out += evtrail_frame_put_source(out, &frame);
    if (source->clocks && !known->clocks)
        out += put_clock(out, source->first_clock, known);
    if (source->clocks > known->clocks && source->last_clock.ticks != source->first_clock.ticks)
        out += put_clock(out, source->last_clock, known);
    if (stream->offset_known && stream->offset_version != known->offset_version)
        out += evtrail_frame_put_offset(
            out, &(struct evtrail_offset_frame){known->number, 0, stream->offset_ns, stream->bound_ns});
    out += put_schemas(out, source, known);
    if (!(known->rings[chunk->ring / 64] >> chunk->ring % 64 & 1))
        out += put_account(out, chunk, known);
    return (size_t)(out - reader->room);
}

static void note_context(struct live_known *known, const struct live_stream *stream, const struct live_source *source,
                         uint32_t ring)
{
    known->clocks = source->clocks ? source->clocks : 1;
    known->schemas_bytes = source->schemas_bytes;
    known->offset_version = stream->offset_version;
    known->rings[ring / 64] |= UINT64_C(1) << ring % 64;
}

/* ---- the batch --------------------------------------------------------------------------------------------------------------- */

static void leave_out(struct live_reader *reader, const struct ship_batch *batch)
{
    reader->live->stats.left_batches++;
    reader->live->stats.left_events += batch->header.chunk.events;
}

void live_send_batch(struct live_reader *reader, const struct live_stream *stream, struct live_source *source,
                     const struct ship_batch *batch)
{
    uint8_t head[EVTRAIL_HEADER_BYTES_MAX];
    struct live_known *const known = wanted(reader, source) && begin(reader) ? known_of(reader, source) : NULL;
    if (!wanted(reader, source))
        return;
    if (!known) {
        leave_out(reader, batch);
        return;
    }
    const size_t context = put_context(reader, stream, source, known, &batch->header.chunk);
    memcpy(head, batch->bytes, batch->header.header_bytes);
    put32(head + 20, known->number);
    put64(head + 40, reader->batches);
    seal(head, batch->header.header_bytes);
    const struct iovec parts[] = {{reader->room, context == SIZE_MAX ? 0 : context},
                                  {head, batch->header.header_bytes},
                                  {(void *)batch->compressed, batch->header.compressed_bytes}};
    if (context == SIZE_MAX || ship_receiver_trace(reader->receiver, parts, 3) < 0) {
        leave_out(reader, batch);
        return;
    }
    note_context(known, stream, source, batch->header.chunk.ring);
    reader->batches++;
    reader->live->stats.batches++;
    reader->live->stats.events += batch->header.chunk.events;
}
