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

static int open_all(struct feed *feed)
{
    struct evtrail_reader_options reader = feed->options.reader;
    struct model_options model = feed->options.model;
    reader.bytes = sizeof reader;
    reader.memory_bytes = feed->options.memory_bytes / 8;
    reader.filter = NULL; /* the model's */
    model.memory_bytes = feed->options.memory_bytes / 4;
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
    evtrail_reader_free(feed->reader);
    model_free(feed->model);
    free(feed->error);
    free(feed);
}

struct evtrail_reader *feed_reader(struct feed *feed)
{
    return feed->reader;
}

const char *feed_error(const struct feed *feed)
{
    return feed->error ? feed->error : "";
}

struct model *feed_model(const struct feed *feed)
{
    return feed->model;
}

unsigned feed_generation(const struct feed *feed)
{
    return feed->generation;
}

/* ---- reading ---- */

static void take(struct feed *feed, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT) {
        feed->events++;
        feed->bytes += (uint64_t)(event->words + 1) * sizeof(uint64_t);
    }
    model_event(feed->model, event);
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
    if (now - feed->ticked_ns < TICK_NS || feed->paused)
        return;
    feed->ticked_ns = now;
    feed_meter_look(feed);
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

int feed_run(struct feed *feed, int64_t until_ns)
{
    int r = 1;
    for (unsigned count = 1; r == 1 && !feed->paused; count++) {
        r = next(feed);
        if (count % LOOK_EVERY == 0 && feed_monotonic() >= until_ns)
            break;
    }
    feed->ended = r == -ENODATA;
    tick(feed);
    return feed->paused ? 0 : r;
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
    if (now >= until_ns)
        return;
    if (feed->ended || feed->paused)
        sleep_until(until_ns);
    else if (feed->replay.event) {
        const int64_t due = due_ns(feed, feed->replay.event->time);
        sleep_until(due < until_ns ? due : until_ns);
    } else
        evtrail_reader_wait(feed->reader, until_ns - now);
}

/* ---- time ---- */

int feed_pause(struct feed *feed, bool paused)
{
    feed->paused = paused;
    return 0;
}

int feed_show(struct feed *feed, int64_t from_ns, int64_t to_ns)
{
    (void)feed, (void)from_ns, (void)to_ns;
    return -ENODATA;
}

int feed_show_now(struct feed *feed)
{
    (void)feed;
    return 0;
}

int feed_filter(struct feed *feed, const char *expression, char **ret_error)
{
    (void)feed, (void)expression;
    return feed_say(ret_error, -EINVAL, "there is no filter yet");
}

const char *feed_filter_text(const struct feed *feed)
{
    (void)feed;
    return "";
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

int feed_write(struct feed *feed, const char *path, uint64_t *ret_events, char **ret_error)
{
    (void)feed, (void)path, (void)ret_events;
    return feed_say(ret_error, -ENODATA, "nothing is held");
}

/* ---- the log ---- */

struct feed_lines {
    struct feed *feed;
};

int feed_lines_new(struct feed_lines **ret_lines, struct feed *feed)
{
    struct feed_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    lines->feed = feed;
    *ret_lines = lines;
    return 0;
}

void feed_lines_free(struct feed_lines *lines)
{
    free(lines);
}

int feed_lines_last(struct feed_lines *lines, int64_t to_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context)
{
    (void)lines, (void)to_ns, (void)count, (void)filter, (void)visit, (void)context;
    return 0;
}

int feed_lines_from(struct feed_lines *lines, int64_t from_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context)
{
    (void)lines, (void)from_ns, (void)count, (void)filter, (void)visit, (void)context;
    return 0;
}
