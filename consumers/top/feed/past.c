/* SPDX-License-Identifier: ISC
 *
 * Models of the past: made from what is held, or from the files, in slices, while the live one goes on.
 */
#include "replay.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define LOOK_EVERY 64

static void end_replay(struct feed *feed)
{
    replay_close(feed->past.replay);
    feed->past.replay = NULL;
    feed->past.event = NULL;
}

static void drop(struct feed *feed)
{
    end_replay(feed);
    if (!feed->past.model)
        return;
    feed->generation++;
    model_free(feed->past.model);
    feed->past.model = NULL;
    malloc_trim(0); /* it was much, in small pieces */
}

static int begin(struct feed *feed, int64_t from_ns, int64_t to_ns)
{
    struct model_options options = feed->model->options;
    const struct replay_range range = {
        .from_ns = from_ns, .to_ns = to_ns, .spans = feed->filter && evtrail_filter_needs_spans(feed->filter)};
    struct replay *replay;
    struct model *model;
    options.memory_bytes = feed->options.memory_bytes / 32 * 3;
    int r = replay_open(&replay, feed, &range);
    if (r < 0)
        return r;
    drop(feed); /* before the new one: not both of them in memory */
    r = model_new(&model, &options);
    if (r < 0) {
        replay_close(replay);
        return r;
    }
    feed->past.model = model;
    feed->past.replay = replay;
    feed->past.from_ns = from_ns;
    feed->past.to_ns = to_ns;
    feed->past.done = 0;
    feed->past.complete = false;
    feed->generation++;
    return 0;
}

static void complete(struct feed *feed)
{
    end_replay(feed);
    feed->past.complete = true;
    if (feed->past.to_ns < INT64_MAX && feed->past.to_ns > feed->past.model->now_ns && feed->past.model->totals.events)
        model_tick(feed->past.model, feed->past.to_ns);
}

bool feed_build_past(struct feed *feed, int64_t until_ns)
{
    struct evtrail_event *event;
    if (!feed->past.replay)
        return false;
    for (unsigned count = 1;; count++) {
        if (replay_next(feed->past.replay, &event) <= 0) {
            complete(feed);
            return false;
        }
        if (event->what != EVTRAIL_EVENT_SOURCE || event->time <= feed->past.to_ns)
            replay_feed(feed->past.replay, feed->past.model, event);
        feed->past.done += event->what == EVTRAIL_EVENT;
        if (count % LOOK_EVERY == 0 && feed_monotonic() >= until_ns)
            return true;
    }
}

int feed_show(struct feed *feed, int64_t from_ns, int64_t to_ns)
{
    if (from_ns <= 0)
        from_ns = INT64_MIN;
    return from_ns > to_ns ? -EINVAL : begin(feed, from_ns, to_ns);
}

int feed_show_now(struct feed *feed)
{
    drop(feed);
    return 0;
}

void feed_past_again(struct feed *feed)
{
    if (feed->past.model && begin(feed, feed->past.from_ns, feed->past.to_ns) < 0)
        drop(feed);
}

void feed_past_fini(struct feed *feed)
{
    drop(feed);
}

unsigned feed_past_progress(const struct feed *feed)
{
    const struct model *model = feed->past.model;
    if (!model || !feed->past.replay)
        return 100;
    const uint64_t expected = replay_expected(feed->past.replay);
    if (expected) {
        const uint64_t percent = feed->past.done * 100 / expected;
        return percent < 99 ? (unsigned)percent : 99;
    }
    const int64_t from = model->totals.first_ns,
                  to = feed->past.to_ns < INT64_MAX ? feed->past.to_ns : feed->model->now_ns;
    if (model->totals.events == 0 || to <= from)
        return 0;
    const double done = (double)(model->totals.last_ns - from) / (double)(to - from);
    return done < 0.99 ? (unsigned)(done * 100) : 99;
}
