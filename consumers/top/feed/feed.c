/* SPDX-License-Identifier: ISC
 *
 * The feed: from a reader into the model, for as long as there is time.
 */
#include "feed_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEMORY_BYTES ((size_t)64 << 20)
#define LOOK_EVERY 64 /* events between two looks at the clock */
#define TICK_NS (FEED_SECOND / 10)

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * FEED_SECOND + now.tv_nsec;
}

int64_t feed_monotonic(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t feed_realtime(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int feed_fail(struct feed *feed, int code, const char *text)
{
    char *const copy = strdup(text);
    free(feed->error);
    feed->error = copy;
    return code;
}

int feed_say(char **ret_error, int code, const char *format, ...)
{
    va_list arguments;
    if (!ret_error)
        return code;
    va_start(arguments, format);
    if (vasprintf(ret_error, format, arguments) < 0)
        *ret_error = NULL;
    va_end(arguments);
    return code;
}

/* ---- making and ending ---- */

/* Without memory that can be a file, or without /proc, nothing is held: all else works. */
static int open_all(struct feed *feed)
{
    struct evtrail_reader_options reader = feed->options.reader;
    struct model_options model = feed->options.model;
    const size_t memory = feed->options.memory_bytes;
    reader.bytes = sizeof reader;
    reader.memory_bytes = memory / 16;
    reader.filter = NULL; /* the model's */
    reader.tap = feed->options.live ? feed_tap : NULL;
    reader.tap_context = feed;
    model.memory_bytes = memory / 16 * 5;
    if (feed->options.live && hold_new(&feed->hold, memory / 32 * 7, feed_dropped, feed) < 0)
        feed->hold = NULL;
    const int r = evtrail_reader_new(&feed->reader, &reader);
    return r < 0 ? r : model_new(&feed->model, &model);
}

int feed_new(struct feed **ret_feed, const struct feed_options *options, char **ret_error)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return feed_say(ret_error, -ENOMEM, "out of memory");
    feed->options = *options;
    if (feed->options.memory_bytes == 0)
        feed->options.memory_bytes = MEMORY_BYTES;
    feed->replay.speed = options->live ? 0 : options->speed;
    feed->sample.one_in = 1;
    feed->lines_slice_ns = FEED_SECOND / 80;
    feed->first_ns = INT64_MAX;
    feed->last_ns = INT64_MIN;
    const int r = open_all(feed);
    if (r < 0) {
        feed_free(feed);
        return feed_say(ret_error, r, "%s", strerror(-r));
    }
    *ret_feed = feed;
    return 0;
}

void feed_free(struct feed *feed)
{
    if (!feed)
        return;
    feed_lines_orphan(feed);
    feed_past_fini(feed);
    feed_catch_fini(feed);
    evtrail_reader_free(feed->reader);
    hold_free(feed->hold);
    model_free(feed->model);
    feed_tap_fini(feed);
    evtrail_filter_free(feed->filter);
    for (size_t i = 0; i < feed->paths_count; i++)
        free(feed->paths[i]);
    free(feed->paths);
    free(feed->filter_text);
    free(feed->error);
    free(feed);
}

struct evtrail_reader *feed_reader(struct feed *feed)
{
    return feed->reader;
}

int feed_add_path(struct feed *feed, const char *path)
{
    char **paths = realloc(feed->paths, (feed->paths_count + 1) * sizeof *paths);
    if (!paths)
        return -ENOMEM;
    feed->paths = paths;
    if (!feed->options.live && strcmp(path, "-") != 0 && !(paths[feed->paths_count] = strdup(path)))
        return -ENOMEM;
    const int r = evtrail_reader_add_path(feed->reader, path);
    if (feed->options.live || strcmp(path, "-") == 0)
        return r;
    if (r < 0)
        free(paths[feed->paths_count]);
    else
        feed->paths_count++;
    return r;
}

const char *feed_error(const struct feed *feed)
{
    return feed->error ? feed->error : "";
}

struct model *feed_model(const struct feed *feed)
{
    return feed->past.model ? feed->past.model : feed->model;
}

unsigned feed_generation(const struct feed *feed)
{
    return feed->generation;
}

/* ---- reading ---- */

static void take(struct feed *feed, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT && !feed->options.live) {
        feed->events++;
        feed->bytes += (uint64_t)(event->words + 1) * sizeof(uint64_t);
        feed->first_ns = event->time < feed->first_ns ? event->time : feed->first_ns;
        feed->last_ns = event->time > feed->last_ns ? event->time : feed->last_ns;
    }
    feed_take(feed, event);
}

/* When an event is due at the speed of the replay, by CLOCK_MONOTONIC. */
static int64_t due_ns(struct feed *feed, int64_t time_ns)
{
    if (feed->replay.speed <= 0)
        return INT64_MIN;
    if (feed->replay.started_ns == 0) {
        feed->replay.from_ns = time_ns;
        feed->replay.started_ns = feed_monotonic();
    }
    const double wait = ((double)time_ns - (double)feed->replay.from_ns) / feed->replay.speed;
    return wait > 4e18 ? INT64_MAX / 2 : feed->replay.started_ns + (int64_t)wait;
}

/* The trace's time, now. */
static int64_t now_ns(const struct feed *feed)
{
    if (feed->options.live)
        return feed_realtime();
    if (feed->replay.speed <= 0 || feed->replay.started_ns == 0 || feed->ended)
        return feed->model->now_ns;
    return feed->replay.from_ns + (int64_t)((double)(feed_monotonic() - feed->replay.started_ns) * feed->replay.speed);
}

static void tick(struct feed *feed)
{
    const int64_t now = feed_monotonic();
    if (now - feed->ticked_ns < TICK_NS)
        return;
    feed->ticked_ns = now;
    feed_meter_look(feed);
    feed_balance(feed);
    feed_lines_tend(feed, now);
    if (feed->paused || feed->catch.active)
        return;
    if (feed->hold)
        hold_join(feed->hold);
    const int64_t trace = now_ns(feed);
    if (trace > 0)
        model_tick(feed->model, trace);
}

/* 1: one was taken; 0: none for now; -ENODATA; or a fault. */
static int next(struct feed *feed)
{
    struct evtrail_event *event = feed->replay.event;
    if (!event) {
        const int r = evtrail_reader_next(feed->reader, &event);
        if (r < 0)
            return feed_fail(feed, r, evtrail_reader_error(feed->reader));
        if (r == 0)
            return evtrail_reader_done(feed->reader) ? -ENODATA : 0;
    }
    feed->replay.event = event;
    if (feed->replay.speed > 0 && feed_monotonic() < due_ns(feed, event->time))
        return 0;
    feed->replay.event = NULL;
    take(feed, event);
    return 1;
}

/* A file is not read while it is paused; a live stream always is, but for the moment in which the model comes to its end. */
static bool may_read(const struct feed *feed)
{
    return feed->options.live ? !feed->catch.last : !feed->paused && !feed->catch.active;
}

static int read_on(struct feed *feed, int64_t until_ns)
{
    int r = 1;
    if (!may_read(feed))
        return 0;
    for (unsigned count = 1; r == 1; count++) {
        r = next(feed);
        if (count % LOOK_EVERY == 0 && feed_monotonic() >= until_ns)
            break;
    }
    feed->ended = r == -ENODATA;
    return r;
}

int feed_run(struct feed *feed, int64_t until_ns)
{
    const bool other = feed->catch.active || feed->past.replay, ended = feed->ended;
    const int64_t now = feed_monotonic(), half = now + (until_ns - now) / 2;
    const int r = read_on(feed, other && half > now ? half : until_ns);
    bool more = feed_catch_up(feed, until_ns);
    if (!feed->catch.active && !feed->paused)
        feed_tell_counts(feed);
    more |= feed_build_past(feed, until_ns);
    if (feed->ended && !ended)
        feed->ticked_ns = 0; /* at once: nothing may come after the last event */
    tick(feed);
    return more && (r == 0 || r == -ENODATA) ? 1 : r;
}

static void sleep_until(int64_t until_ns)
{
    const struct timespec until = {until_ns / FEED_SECOND, until_ns % FEED_SECOND};
    if (until_ns > 0)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

void feed_wait(struct feed *feed, int64_t until_ns)
{
    const int64_t now = feed_monotonic();
    if (now >= until_ns || feed->catch.active || feed->past.replay)
        return;
    if (feed->ended || (feed->paused && !feed->options.live))
        sleep_until(until_ns);
    else if (feed->replay.event) {
        const int64_t due = due_ns(feed, feed->replay.event->time);
        sleep_until(due < until_ns ? due : until_ns);
    } else
        evtrail_reader_wait(feed->reader, until_ns - now);
}

int feed_speed(struct feed *feed, double speed)
{
    if (feed->options.live || !(speed >= 0))
        return -EINVAL;
    if (feed->replay.started_ns != 0) {
        feed->replay.from_ns = now_ns(feed);
        feed->replay.started_ns = feed_monotonic();
    }
    feed->replay.speed = speed;
    return 0;
}
