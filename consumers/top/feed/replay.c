/* SPDX-License-Identifier: ISC
 *
 * Reading again: a reader over segments of the hold, or over the files.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_NS (5 * FEED_SECOND)
#define FAULTS_MAX 1000 /* one after the other, and nothing between */

struct replay {
    struct feed *feed;
    struct evtrail_reader *reader;
    uint64_t expected;
    uint64_t pin;
    uint32_t *live; /* by the source's number here: 1 + its number in the feed's reader; 0: not looked for */
    uint32_t live_count;
};

/* Durations are known of spans whose begin was seen: for them reading begins earlier. */
static bool overlaps(const struct hold_segment *segment, const struct replay_range *range)
{
    const int64_t from_ns = range->spans && range->from_ns > 0 ? range->from_ns - SPANS_NS : range->from_ns;
    if (segment->number < range->first_segment || (range->end_segment && segment->number >= range->end_segment))
        return false;
    return segment->events ? segment->to_ns >= from_ns && segment->from_ns <= range->to_ns
                           : range->from_ns == INT64_MIN; /* it may tell of losses */
}

static int add_segments(struct replay *replay, const struct replay_range *range)
{
    const struct hold_segment *segments;
    const char *paths[HOLD_SEGMENTS];
    uint32_t used = 0;
    hold_flush(replay->feed->hold);
    const size_t count = hold_segments(replay->feed->hold, &segments);
    for (size_t i = 0; i < count; i++)
        if (overlaps(&segments[i], range)) {
            paths[used++] = segments[i].path;
            replay->expected += segments[i].events;
        }
    return used ? evtrail_reader_add_parts(replay->reader, paths, used) : -ENODATA;
}

static int add_files(struct replay *replay)
{
    int r = -ENODATA;
    for (size_t i = 0; i < replay->feed->paths_count; i++) {
        r = evtrail_reader_add_path(replay->reader, replay->feed->paths[i]);
        if (r < 0)
            return r;
    }
    return r;
}

int replay_open(struct replay **ret_replay, struct feed *feed, const struct replay_range *range)
{
    if (!feed->hold && feed->paths_count == 0)
        return -ENODATA;
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return -ENOMEM;
    const struct evtrail_reader_options options = {
        .bytes = sizeof options,
        .from_ns = range->from_ns > 0 ? range->from_ns : 0,
        .to_ns = range->to_ns > 0 && range->to_ns < INT64_MAX ? range->to_ns : 0,
        .filter = range->filter,
        .spans = range->spans,
        .memory_bytes = feed->options.memory_bytes / 32,
    };
    replay->feed = feed;
    if (feed->hold)
        replay->pin = hold_pin(feed->hold);
    int r = evtrail_reader_new(&replay->reader, &options);
    if (r == 0)
        r = feed->hold ? add_segments(replay, range) : add_files(replay);
    if (r < 0) {
        replay_close(replay);
        return r;
    }
    *ret_replay = replay;
    return 0;
}

void replay_close(struct replay *replay)
{
    if (!replay)
        return;
    evtrail_reader_free(replay->reader);
    if (replay->feed->hold)
        hold_unpin(replay->feed->hold, replay->pin);
    free(replay->live);
    free(replay);
}

int replay_next(struct replay *replay, struct evtrail_event **ret_event)
{
    for (unsigned faults = 0; faults < FAULTS_MAX; faults++) {
        const int r = evtrail_reader_next(replay->reader, ret_event);
        if (r >= 0)
            return r;
    }
    return 0;
}

void replay_lost(const struct replay *replay, uint64_t *ret_lost)
{
    evtrail_reader_totals(replay->reader, NULL, ret_lost);
}

uint64_t replay_expected(const struct replay *replay)
{
    return replay->expected;
}

/* ---- sources ---- */

static uint32_t find(const struct feed *feed, uint64_t session_id)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    for (uint32_t i = count; i > 0; i--)
        if (sources[i - 1]->session_id == session_id)
            return i;
    return 0;
}

static struct evtrail_source *live_source(struct replay *replay, const struct evtrail_source *source)
{
    struct evtrail_source *const *sources;
    if (source->number >= replay->live_count) {
        const uint32_t count = source->number + source->number / 2 + 8;
        uint32_t *live = realloc(replay->live, count * sizeof *live);
        if (!live)
            return NULL;
        memset(live + replay->live_count, 0, (count - replay->live_count) * sizeof *live);
        replay->live = live;
        replay->live_count = count;
    }
    uint32_t *place = &replay->live[source->number];
    if (*place == 0)
        *place = find(replay->feed, source->session_id);
    const uint32_t count = evtrail_reader_sources(replay->feed->reader, &sources);
    return *place && *place <= count ? sources[*place - 1] : NULL;
}

bool replay_as_live(struct replay *replay, const struct evtrail_event *event, struct evtrail_event *ret_event)
{
    struct evtrail_source *source = live_source(replay, event->source);
    if (!source)
        return false;
    *ret_event = *event;
    ret_event->source = source;
    if (event->what == EVTRAIL_EVENT) {
        const struct evtrail_event_type *type = evtrail_source_type(source, event->id);
        ret_event->type = type ? type : event->type;
    }
    return true;
}

void replay_feed(struct replay *replay, struct model *model, const struct evtrail_event *event)
{
    struct evtrail_event copy;
    struct evtrail_source as_then;
    if (!replay_as_live(replay, event, &copy))
        return;
    if (event->what == EVTRAIL_EVENT_SOURCE) {
        as_then = *copy.source;
        as_then.gone = event->source->gone;
        copy.source = &as_then;
    }
    model_event(model, &copy);
}
