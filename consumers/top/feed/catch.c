/* SPDX-License-Identifier: ISC
 *
 * The live model, fed from the hold: after a pause, and anew for another filter.
 *
 * Segments are given to it in rounds: while one round is read, the next fills. A round that is short enough is the last: nothing
 * is read until it is done, so that the merge goes on just behind it.
 */
#include "replay.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define LAST_EVENTS 20000 /* a last round may have so many */
#define ROUNDS_MIN 3      /* before it is seen that rounds do not get shorter */
#define LOOK_EVERY 64

bool feed_defers(const struct feed *feed)
{
    return feed->hold && (feed->paused || feed->catch.active) && !feed->catch.last;
}

/* ---- what comes from the merge meanwhile ---- */

static void note_gone(struct feed *feed, const struct evtrail_source *source)
{
    if (feed->gone_count == feed->gone_room) {
        const size_t room = feed->gone_room * 2 + 16;
        uint32_t *gone = realloc(feed->gone, room * sizeof *gone);
        if (!gone)
            return;
        feed->gone = gone;
        feed->gone_room = room;
    }
    feed->gone[feed->gone_count++] = source->number;
}

static void tell_gone(struct feed *feed)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed->reader, &sources);
    for (size_t i = 0; i < feed->gone_count; i++) {
        struct evtrail_event event = {.what = EVTRAIL_EVENT_SOURCE, .time = feed->model->now_ns, .duration = -1};
        if (feed->gone[i] >= count)
            continue;
        event.source = sources[feed->gone[i]];
        model_event(feed->model, &event);
    }
    feed->gone_count = 0;
}

/* Events were read before the model stood still. Of losses the hold tells; ends come behind all. */
void feed_take(struct feed *feed, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT_SOURCE && event->source->gone && feed->hold)
        hold_source_gone(feed->hold, event->source);
    if (!feed_defers(feed) || event->what == EVTRAIL_EVENT)
        model_event(feed->model, event);
    else if (event->what == EVTRAIL_EVENT_SOURCE && event->source->gone)
        note_gone(feed, event->source);
    else if (event->what == EVTRAIL_EVENT_SOURCE)
        model_event(feed->model, event);
}

/* ---- losses ---- */

/* Those of a pause come from the hold and, where that had to let go, from nowhere: the reader knows all. */
static void keep_lost(struct feed *feed)
{
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    evtrail_reader_totals(feed->reader, NULL, lost);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        feed->catch.lost[i] = feed->model->totals.lost[i] - lost[i];
    feed->catch.lost_kept = true;
}

static void settle_lost(struct feed *feed)
{
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    if (!feed->catch.lost_kept)
        return;
    evtrail_reader_totals(feed->reader, NULL, lost);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        feed->model->totals.lost[i] = feed->catch.lost[i] + lost[i];
    feed->catch.lost_kept = false;
}

/* ---- rounds ---- */

static void end_replay(struct feed *feed)
{
    replay_close(feed->catch.replay);
    feed->catch.replay = NULL;
}

static void end_catching(struct feed *feed)
{
    end_replay(feed);
    feed->catch.active = feed->catch.last = false;
    settle_lost(feed);
    if (feed->paused) { /* a filter was set meanwhile: it stands still again */
        feed->catch.from = feed->catch.pause;
        keep_lost(feed);
        return;
    }
    feed_tell_counts(feed);
    tell_gone(feed);
}

static uint64_t events_between(const struct feed *feed, uint32_t from, uint32_t end)
{
    const struct hold_segment *segments;
    const size_t count = hold_segments(feed->hold, &segments);
    uint64_t events = 0;
    for (size_t i = 0; i < count; i++)
        if (segments[i].number >= from && segments[i].number < end)
            events += segments[i].events;
    return events;
}

/* It cannot be caught up by reading: the rest is only counted. */
static void count_rest(struct feed *feed)
{
    const struct hold_segment *segments;
    const size_t count = hold_segments(feed->hold, &segments);
    for (size_t i = 0; i < count; i++)
        if (segments[i].number >= feed->catch.from && segments[i].number < feed->catch.end)
            feed_count_segment(feed, &segments[i]);
    feed->catch.from = feed->catch.end;
}

static void begin_round(struct feed *feed)
{
    feed->catch.end = feed->catch.pause ? feed->catch.pause : hold_cut(feed->hold);
    const uint64_t events = events_between(feed, feed->catch.from, feed->catch.end);
    if (!feed->catch.pause && feed->catch.rounds >= ROUNDS_MIN && events > LAST_EVENTS &&
        events > feed->catch.before / 4 * 3)
        count_rest(feed);
    feed->catch.last = !feed->catch.pause && events <= LAST_EVENTS;
    feed->catch.before = events;
    feed->catch.all += events;
    feed->catch.rounds++;
}

static int open_round(struct feed *feed)
{
    const struct replay_range range = {
        .first_segment = feed->catch.from,
        .end_segment = feed->catch.end,
        .from_ns = feed->hold ? INT64_MIN : feed->options.reader.from_ns,
        .to_ns = feed->hold || !feed->options.reader.to_ns ? INT64_MAX : feed->options.reader.to_ns,
        .spans = feed->filter && evtrail_filter_needs_spans(feed->filter),
    };
    return replay_open(&feed->catch.replay, feed, &range);
}

/* Events of segments that were dropped while they were read come as torn. */
static void give(struct feed *feed, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT) {
        feed->catch.done++;
        feed->catch.left--;
    }
    if (feed->hold && event->what == EVTRAIL_EVENT_SOURCE)
        return;
    if (event->what == EVTRAIL_EVENT_LOST && event->cause == EVTRAIL_CAUSE_torn && feed->hold) {
        feed->model->totals.sampled_out += event->lost;
        feed->model->totals.events += feed->filter ? 0 : event->lost;
        return;
    }
    replay_feed(feed->catch.replay, feed->model, event);
}

/* 1: time is up; 0: the round is done. */
static int read_round(struct feed *feed, int64_t until_ns)
{
    struct evtrail_event *event;
    for (unsigned count = 1; feed->catch.left > 0; count++) {
        if (replay_next(feed->catch.replay, &event) <= 0)
            return 0;
        give(feed, event);
        if (count % LOOK_EVERY == 0 && feed_monotonic() >= until_ns)
            return 1;
    }
    return 0;
}

/* False: there is none behind this one. */
static bool next_round(struct feed *feed)
{
    end_replay(feed);
    feed->catch.from = feed->catch.end;
    if (!feed->hold || feed->catch.last || (feed->catch.pause && feed->catch.from >= feed->catch.pause)) {
        end_catching(feed);
        return false;
    }
    begin_round(feed);
    return true;
}

bool feed_catch_up(struct feed *feed, int64_t until_ns)
{
    if (!feed->catch.active)
        return false;
    do {
        if (!feed->catch.replay && open_round(feed) < 0) {
            if (!next_round(feed))
                return false;
            continue;
        }
        if (read_round(feed, until_ns) == 0 && !next_round(feed))
            return false;
    } while (feed_monotonic() < until_ns);
    return true;
}

static void begin_catching(struct feed *feed, uint32_t from)
{
    end_replay(feed);
    feed->catch.active = true;
    feed->catch.last = false;
    feed->catch.from = from;
    feed->catch.rounds = 0;
    feed->catch.done = feed->catch.all = 0;
    feed->catch.left = feed->hold ? UINT64_MAX : feed->events;
    if (feed->hold)
        begin_round(feed);
    else
        feed->catch.all = feed->events;
}

void feed_dropped(void *context, const struct hold_segment *segment)
{
    struct feed *feed = context;
    const bool read = feed->catch.replay && segment->number < feed->catch.end;
    if (feed_defers(feed) && segment->number >= feed->catch.from && !read &&
        (!feed->catch.pause || !feed->catch.active || segment->number >= feed->catch.pause))
        feed_count_segment(feed, segment);
}

void feed_catch_fini(struct feed *feed)
{
    end_replay(feed);
    free(feed->gone);
}

/* ---- pausing ---- */

static void begin_pause(struct feed *feed)
{
    if (!feed->hold)
        return;
    feed->catch.pause = hold_cut(feed->hold);
    if (feed->catch.active) { /* what it had not caught up stays to be */
        if (feed->catch.last)
            feed->catch.last = false;
        return;
    }
    feed->catch.from = feed->catch.pause;
    keep_lost(feed);
}

/* A file that was stepped back in goes on from there: the model of the past is the model now. */
static void go_back(struct feed *feed)
{
    if (!feed->past.model || !feed->past.complete || feed->past.from_ns > feed->first_ns || !feed->paths_count ||
        feed->past.to_ns >= feed->last_ns || evtrail_reader_seek(feed->reader, feed->past.to_ns + 1) < 0)
        return;
    model_free(feed->model);
    feed->model = feed->past.model;
    feed->past.model = NULL;
    feed->replay.event = NULL;
    feed->ended = false;
    feed->events = feed->past.done;
    feed->last_ns = feed->past.to_ns;
    feed->generation++;
}

static void end_pause(struct feed *feed)
{
    if (!feed->options.live)
        go_back(feed);
    feed_show_now(feed);
    feed->replay.started_ns = 0; /* the replay goes on from where it stands */
    if (!feed->hold)
        return;
    feed->catch.pause = 0;
    if (!feed->catch.active)
        begin_catching(feed, feed->catch.from);
}

int feed_pause(struct feed *feed, bool paused)
{
    if (paused == feed->paused)
        return 0;
    feed->paused = paused;
    if (paused)
        begin_pause(feed);
    else
        end_pause(feed);
    return 0;
}

/* ---- filter ---- */

static int new_model(struct feed *feed, const struct evtrail_filter *filter)
{
    struct model_options options = feed->model->options;
    struct model *model;
    options.filter = filter;
    const int r = model_new(&model, &options);
    if (r < 0)
        return r;
    model_free(feed->model);
    malloc_trim(0);
    feed->model = model;
    feed->generation++;
    return 0;
}

static uint32_t oldest_segment(const struct feed *feed)
{
    const struct hold_segment *segments;
    return feed->hold && hold_segments(feed->hold, &segments) ? segments[0].number : 0;
}

int feed_filter(struct feed *feed, const char *expression, char **ret_error)
{
    struct evtrail_filter *filter = NULL;
    char *text = NULL;
    int r = expression && *expression ? evtrail_filter_new(&filter, expression, ret_error) : 0;
    if (r == 0 && filter && !(text = strdup(expression)))
        r = -ENOMEM;
    if (r == 0 && filter && evtrail_filter_needs_spans(filter))
        r = evtrail_reader_follow_spans(feed->reader);
    if (r == 0)
        r = new_model(feed, filter);
    if (r < 0) {
        evtrail_filter_free(filter);
        free(text);
        return r == -EINVAL ? r : feed_say(ret_error, r, "%s", strerror(-r));
    }
    evtrail_filter_free(feed->filter);
    free(feed->filter_text);
    feed->filter = filter;
    feed->filters++;
    feed->filter_text = text;
    feed->catch.lost_kept = false;
    if (feed->hold || feed->paths_count)
        begin_catching(feed, oldest_segment(feed));
    feed_past_again(feed);
    return 0;
}

const char *feed_filter_text(const struct feed *feed)
{
    return feed->filter_text ? feed->filter_text : "";
}
