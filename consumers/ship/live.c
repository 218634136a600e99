/* SPDX-License-Identifier: ISC
 *
 * What arrives from senders, for live readers: who the sources are, with their schemas and clocks, and each batch to each reader that wants it.
 *
 * Each reader's file has a numbering of sources and batches of its own: frames are copied and their numbers written anew. A new reader gets of a
 * source what came of it so far before its first batch.
 */
#include "ship/live_private.h"

#include "file/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int live_new(struct live **ret_live)
{
    struct live *const live = calloc(1, sizeof(*live));
    if (!live)
        return -ENOMEM;
    *ret_live = live;
    return 0;
}

/* ---- sources ------------------------------------------------------------------------------------------------------------ */

static void free_source(struct live *live, struct live_source *source)
{
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        free(source->by_reader[i]);
    live->stats.schema_bytes -= source->schemas_bytes;
    live->stats.sources--;
    free(source->schemas);
    free(source);
}

static void free_stream(struct live *live, struct live_stream *stream)
{
    for (uint32_t i = 0; i < stream->sources_count; i++)
        if (stream->sources[i])
            free_source(live, stream->sources[i]);
    for (uint32_t i = 0; i < stream->stale_count; i++)
        free_source(live, stream->stale[i]);
    free(stream->sources);
    free(stream->stale);
    free(stream);
}

void live_free(struct live *live)
{
    if (!live)
        return;
    for (unsigned i = 0; i < LIVE_BUCKETS; i++)
        for (struct live_stream *stream = live->buckets[i], *next; stream; stream = next) {
            next = stream->next;
            free_stream(live, stream);
        }
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        if (live->readers[i])
            live->readers[i]->live = NULL;
    free(live);
}

static struct live_stream **find(struct live *live, uint64_t sender, const uint8_t *id)
{
    struct live_stream **at = &live->buckets[sender * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LIVE_BUCKETS_LOG)];
    while (*at && ((*at)->sender != sender || (id && memcmp((*at)->id, id, WIRE_STREAM_ID_BYTES) != 0)))
        at = &(*at)->next;
    return at;
}

static struct live_stream *stream_of(struct live *live, uint64_t sender, const uint8_t *id)
{
    struct live_stream **const at = find(live, sender, id);
    if (*at)
        return *at;
    struct live_stream *const stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    const struct live_stream *const other = *find(live, sender, NULL); /* knows the sender's clock */
    if (other)
        *stream = (struct live_stream){.offset_known = other->offset_known,
                                       .offset_ns = other->offset_ns,
                                       .bound_ns = other->bound_ns,
                                       .offset_version = other->offset_version};
    stream->sender = sender;
    memcpy(stream->id, id, WIRE_STREAM_ID_BYTES);
    return *at = stream;
}

void live_gone(struct live *live, uint64_t sender)
{
    for (struct live_stream **at; *(at = find(live, sender, NULL));) {
        struct live_stream *const stream = *at;
        *at = stream->next;
        free_stream(live, stream);
    }
}

void live_clock(struct live *live, uint64_t sender, int64_t offset_ns, int64_t bound_ns)
{
    static const uint8_t none[WIRE_STREAM_ID_BYTES];
    struct live_stream *stream = *find(live, sender, NULL);
    if (!stream)
        stream = stream_of(live, sender, none); /* the clock is measured before the first stream is there */
    for (; stream; stream = stream->next)
        if (stream->sender == sender) {
            stream->offset_known = true;
            stream->offset_ns = offset_ns;
            stream->bound_ns = bound_ns;
            stream->offset_version++;
        }
}

/* A new numbering: sources of the old one come again, most of them, and are known by their session. */
static void renumber(struct live *live, struct live_stream *stream)
{
    for (uint32_t i = 0; i < stream->stale_count; i++)
        free_source(live, stream->stale[i]);
    free(stream->stale);
    stream->stale = stream->sources;
    stream->stale_count = 0;
    for (uint32_t i = 0; i < stream->sources_count; i++)
        if (stream->sources[i])
            stream->stale[stream->stale_count++] = stream->sources[i];
    stream->sources = NULL;
    stream->sources_count = 0;
}

static struct live_source *take_stale(struct live_stream *stream, const struct evtrail_source_frame *frame)
{
    for (uint32_t i = 0; i < stream->stale_count; i++) {
        struct live_source *const source = stream->stale[i];
        if (source->frame.session_id == frame->session_id && source->frame.pid == frame->pid) {
            stream->stale[i] = stream->stale[--stream->stale_count];
            return source;
        }
    }
    return NULL;
}

static bool make_room(struct live_stream *stream, uint32_t number)
{
    if (number < stream->sources_count)
        return true;
    const uint32_t count = number + 8;
    struct live_source **const grown = realloc(stream->sources, count * sizeof(struct live_source *));
    if (!grown)
        return false;
    memset(grown + stream->sources_count, 0, (count - stream->sources_count) * sizeof(struct live_source *));
    stream->sources = grown;
    stream->sources_count = count;
    return true;
}

static void take_source(struct live *live, struct live_stream *stream, const uint8_t *at, size_t bytes)
{
    struct evtrail_source_frame frame;
    if (evtrail_frame_parse_source(at, bytes, &frame) || bytes > EVTRAIL_HEADER_BYTES_MAX ||
        !make_room(stream, frame.number))
        return;
    struct live_source *source = stream->sources[frame.number];
    if (source && source->frame.session_id == frame.session_id && source->frame.pid == frame.pid)
        return; /* it says again what is known */
    if (source)
        free_source(live, source);
    source = take_stale(stream, &frame);
    if (!source) {
        source = calloc(1, sizeof(*source));
        live->stats.sources += source != NULL;
    }
    stream->sources[frame.number] = source;
    if (source)
        source->frame = frame;
}

static struct live_source *source_of(const struct live_stream *stream, uint32_t number)
{
    return number < stream->sources_count ? stream->sources[number] : NULL;
}

static bool known_schema(const struct live_source *source, const uint8_t *at, size_t bytes)
{
    for (size_t place = 0; place < source->schemas_bytes;) {
        struct evtrail_frame frame;
        if (evtrail_frame_prefix(source->schemas + place, source->schemas_bytes - place, &frame))
            return false;
        /* The numbers of the source may differ. */
        if (frame.bytes == bytes && memcmp(source->schemas + place + EVTRAIL_SCHEMA_HEAD, at + EVTRAIL_SCHEMA_HEAD,
                                           bytes - EVTRAIL_SCHEMA_HEAD) == 0)
            return true;
        place += frame.bytes;
    }
    return false;
}

static void take_schema(struct live *live, struct live_source *source, const uint8_t *at, size_t bytes)
{
    if (bytes < EVTRAIL_SCHEMA_HEAD || known_schema(source, at, bytes))
        return;
    uint8_t *const grown = source->schemas_bytes + bytes <= LIVE_SCHEMA_BYTES_MAX
                               ? realloc(source->schemas, source->schemas_bytes + bytes)
                               : NULL;
    if (!grown) {
        source->overfull = true;
        return;
    }
    memcpy(grown + source->schemas_bytes, at, bytes);
    source->schemas = grown;
    source->schemas_bytes += bytes;
    live->stats.schema_bytes += bytes;
}

static void take_clock(struct live_source *source, const struct evtrail_clock_frame *clock)
{
    if (!source->clocks)
        source->first_clock = *clock;
    if (!source->clocks || clock->ticks >= source->last_clock.ticks)
        source->last_clock = *clock;
    source->clocks++;
}

/* ---- frames ------------------------------------------------------------------------------------------------------------- */

static void take_batch(struct live *live, struct live_stream *stream, const uint8_t *at, size_t bytes,
                       const struct iovec *content)
{
    struct ship_batch batch = {.bytes = at, .compressed = content ? content->iov_base : NULL};
    if (evtrail_frame_parse_batch(at, bytes, &batch.header) ||
        batch.header.compressed_bytes != (content ? content->iov_len : 0))
        return;
    struct live_source *const source = source_of(stream, batch.header.source);
    if (!source || source->overfull)
        return;
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        if (live->readers[i])
            live_send_batch(live->readers[i], stream, source, &batch);
}

static void take_frame(struct live *live, struct live_stream *stream, const struct evtrail_frame *frame,
                       const uint8_t *at)
{
    struct evtrail_clock_frame clock;
    uint32_t number;
    const uint8_t *entries;
    size_t entries_bytes;
    if (frame->tag == EVTRAIL_TAG_SUPER)
        renumber(live, stream);
    else if (frame->tag == EVTRAIL_TAG_SOURCE)
        take_source(live, stream, at, frame->bytes);
    else if (frame->tag == EVTRAIL_TAG_SCHEMA &&
             !evtrail_frame_parse_schema(at, frame->bytes, &number, &entries, &entries_bytes) &&
             source_of(stream, number))
        take_schema(live, source_of(stream, number), at, frame->bytes);
    else if (frame->tag == EVTRAIL_TAG_CLOCK && !evtrail_frame_parse_clock(at, frame->bytes, &clock) &&
             source_of(stream, clock.source))
        take_clock(source_of(stream, clock.source), &clock);
}

void live_frames(struct live *live, uint64_t sender, const uint8_t stream_id[WIRE_STREAM_ID_BYTES],
                 const struct iovec *parts, unsigned count)
{
    struct live_stream *const stream = stream_of(live, sender, stream_id);
    struct evtrail_frame frame;
    for (unsigned i = 0; stream && i < count; i++) {
        const uint8_t *const at = parts[i].iov_base;
        if (evtrail_frame_prefix(at, parts[i].iov_len, &frame) || frame.bytes > parts[i].iov_len)
            continue;
        if (frame.tag != EVTRAIL_TAG_BATCH) {
            take_frame(live, stream, &frame, at);
            continue;
        }
        i++; /* its content */
        take_batch(live, stream, at, frame.bytes, i < count && parts[i].iov_len ? &parts[i] : NULL);
    }
}

void live_stats(const struct live *live, struct live_stats *ret_stats)
{
    *ret_stats = live->stats;
}
