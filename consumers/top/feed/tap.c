/* SPDX-License-Identifier: ISC
 *
 * Chunks as they are read: into the hold, and, when there are more than can be looked at, counted by type instead of merged.
 */
#include "feed_private.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_MAX (1u << 14) /* ids in a record have 14 bits */
#define SOURCES_MAX (1u << 16)
#define ONE_IN_MAX 64u
#define STATES_MAX 8u      /* up to here what becomes of entities is merged from the other chunks, too */
#define LAG_NS FEED_SECOND /* of more than that something must be done */
#define LAG_CALM_NS (FEED_SECOND / 4)
#define FILL_BUSY 75u /* percent of the fullest ring */
#define FULL_LOOKS 3u /* one after the other, a tenth of a second apart */
#define FILL_CALM 25u
#define STEP_NS (FEED_SECOND / 4) /* between two changes upwards */
#define CALM_NS (2 * FEED_SECOND)

/* ---- counting ---- */

static struct feed_counts *counts_of(struct feed *feed, uint32_t source)
{
    if (source >= SOURCES_MAX)
        return NULL;
    if (source >= feed->sample.counts_count) {
        const uint32_t count = source + source / 2 + 8;
        struct feed_counts *counts = realloc(feed->sample.counts, count * sizeof *counts);
        if (!counts)
            return NULL;
        memset(counts + feed->sample.counts_count, 0, (count - feed->sample.counts_count) * sizeof *counts);
        feed->sample.counts = counts;
        feed->sample.counts_count = count;
    }
    return &feed->sample.counts[source];
}

static struct feed_count *count_of(struct feed_counts *counts, uint32_t id)
{
    if (id < counts->count)
        return &counts->types[id];
    const uint32_t count = id + id / 2 + 16 < TYPES_MAX ? id + id / 2 + 16 : TYPES_MAX;
    struct feed_count *types = realloc(counts->types, count * sizeof *types);
    if (!types)
        return NULL;
    memset(types + counts->count, 0, (count - counts->count) * sizeof *types);
    counts->types = types;
    counts->count = count;
    return id < count ? &types[id] : NULL;
}

/* As the reader has it that merges them: EVTRAIL_TAP_states. */
static bool tells_of_entity(const struct evtrail_source *source, uint32_t id)
{
    const struct evtrail_event_type *type = evtrail_source_type(source, id);
    return !type || type->kind == EVTRAIL_KIND_state || type->kind == EVTRAIL_KIND_name ||
           type->kind == EVTRAIL_KIND_gone;
}

/* `but_states`: not what becomes of entities. True: there is some of that. */
static bool count_chunk(struct feed *feed, const struct evtrail_chunk *chunk, uint32_t source, bool but_states)
{
    struct feed_counts *counts = counts_of(feed, source);
    struct evtrail_chunk_step step = {0};
    bool states = false;
    while (counts && evtrail_chunk_next(chunk, &step)) {
        struct feed_count *count;
        if (but_states && tells_of_entity(chunk->source, step.id)) {
            states = true;
            continue;
        }
        count = count_of(counts, step.id);
        if (!count)
            continue;
        count->events++;
        count->bytes += (uint64_t)(step.words + 1) * sizeof(uint64_t);
        counts->any = feed->sample.any = true;
    }
    return states;
}

static void tell(struct feed *feed, const struct evtrail_source *source, struct feed_counts *counts)
{
    for (uint32_t id = 0; id < counts->count; id++)
        if (counts->types[id].events)
            model_counted(feed->model, source, id, counts->types[id].events, counts->types[id].bytes);
    free(counts->types);
    *counts = (struct feed_counts){0};
}

void feed_tell_counts(struct feed *feed)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    if (!feed->sample.any)
        return;
    for (uint32_t i = 0; i < count && i < feed->sample.counts_count; i++)
        if (feed->sample.counts[i].any)
            tell(feed, sources[i], &feed->sample.counts[i]);
    feed->sample.any = false;
}

/* ---- a segment that nobody will read ---- */

static uint32_t number_of(const struct feed *feed, uint64_t session_id)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    for (uint32_t i = count; i > 0; i--)
        if (sources[i - 1]->session_id == session_id)
            return i - 1;
    return UINT32_MAX;
}

void feed_count_segment(struct feed *feed, const struct hold_segment *segment)
{
    const struct evtrail_reader_options options = {.bytes = sizeof options, .memory_bytes = 1 << 20};
    struct evtrail_reader *reader;
    struct evtrail_chunk *chunk;
    const char *path = segment->path;
    if (evtrail_reader_new(&reader, &options) < 0)
        return;
    if (evtrail_reader_add_parts(reader, &path, 1) == 0)
        while (evtrail_reader_next_chunk(reader, &chunk) > 0)
            count_chunk(feed, chunk, number_of(feed, chunk->source->session_id), false);
    evtrail_reader_free(reader);
}

/* ---- the tap ---- */

/* Which chunks are merged must not follow the rhythm in which rings take turns. */
static bool is_picked(struct feed *feed)
{
    const uint32_t turn = ++feed->sample.turn;
    return (turn * UINT32_C(0x9e3779b1) >> 16) % feed->sample.one_in == 0;
}

int feed_tap(void *context, const struct evtrail_chunk *chunk)
{
    struct feed *feed = context;
    feed->events += chunk->events;
    feed->bytes += chunk->words_count * sizeof(uint64_t);
    if (feed->hold)
        hold_put(feed->hold, chunk);
    if (feed_defers(feed))
        return EVTRAIL_TAP_none;
    if (feed->sample.one_in <= 1 || chunk->events == 0 || is_picked(feed))
        return EVTRAIL_TAP_all;
    const bool but_states = feed->sample.one_in <= STATES_MAX;
    return count_chunk(feed, chunk, chunk->source->number, but_states) ? EVTRAIL_TAP_states : EVTRAIL_TAP_none;
}

/* ---- how many are merged ---- */

static void set_one_in(struct feed *feed, unsigned one_in, int64_t now)
{
    feed->sample.one_in = one_in;
    feed->sample.changed_ns = feed->sample.calm_ns = now;
}

void feed_balance(struct feed *feed)
{
    const int64_t now = feed_monotonic(), lag = evtrail_reader_lag(feed->reader);
    const unsigned fill = evtrail_reader_fill(feed->reader), one_in = feed->sample.one_in;
    if (feed_defers(feed) || !feed->options.live)
        return;
    feed->sample.full = fill >= FILL_BUSY ? feed->sample.full + 1 : 0; /* once may be chance */
    const bool busy = lag > LAG_NS || feed->sample.full >= FULL_LOOKS, calm = lag < LAG_CALM_NS && fill <= FILL_CALM;
    if (!calm)
        feed->sample.calm_ns = now;
    if (busy && one_in < ONE_IN_MAX && now - feed->sample.changed_ns >= STEP_NS)
        set_one_in(feed, one_in * 2, now);
    else if (calm && one_in > 1 && now - feed->sample.calm_ns >= CALM_NS)
        set_one_in(feed, one_in / 2, now);
}

void feed_tap_fini(struct feed *feed)
{
    for (uint32_t i = 0; i < feed->sample.counts_count; i++)
        free(feed->sample.counts[i].types);
    free(feed->sample.counts);
}
