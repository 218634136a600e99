/* SPDX-License-Identifier: ISC
 *
 * Lines for the log: the events that match, around a time, from what is held.
 *
 * What was found in a range that was searched whole is kept. A call widens the range: forward to what has come in, or back in windows that
 * grow as long as little is found; a search that takes longer than a call goes on in the next one.
 */
#include "line_store.h"
#include "replay.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_EVERY 64
#define WINDOW_NS (FEED_SECOND / 100) /* the first window */
#define WINDOW_MAX_NS (4000000 * FEED_SECOND)
#define LATE_NS (FEED_SECOND / 50) /* events may come in so much later than younger ones */
#define ASKED_NS (2 * FEED_SECOND)
#define FEW 64u
#define COUNT_MAX (LINES_MAX / 2)

struct scan {
    struct replay *replay;
    bool begun;
    int64_t from_ns, to_ns, seen_ns;
};
struct feed_lines {
    struct feed *feed;       /* NULL: it is no more */
    struct feed_lines *next; /* of the same feed */
    unsigned generation;
    const struct evtrail_filter *filter;
    struct line_store store, older; /* older: of the scan back, so far */
    int64_t from_ns, to_ns;         /* searched: all that is there is in the store; from > to: nothing yet */
    int64_t window_ns;
    struct scan forward, back;
    bool searching;
    int64_t asked_ns; /* CLOCK_MONOTONIC of the last call */
};

int feed_lines_new(struct feed_lines **ret_lines, struct feed *feed)
{
    struct feed_lines *lines = calloc(1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    lines->feed = feed;
    lines->next = feed->lines;
    feed->lines = lines;
    feed_lines_forget(lines);
    *ret_lines = lines;
    return 0;
}

static void end_scan(struct scan *scan)
{
    replay_close(scan->replay);
    *scan = (struct scan){0};
}

static void end_scans(struct feed_lines *lines)
{
    end_scan(&lines->forward);
    end_scan(&lines->back);
    lines->older.count = 0;
}

void feed_lines_free(struct feed_lines *lines)
{
    if (!lines)
        return;
    struct feed_lines **link = lines->feed ? &lines->feed->lines : NULL;
    end_scans(lines);
    while (link && *link != lines)
        link = &(*link)->next;
    if (link)
        *link = lines->next;
    line_store_fini(&lines->store);
    line_store_fini(&lines->older);
    free(lines);
}

void feed_lines_orphan(struct feed *feed)
{
    for (struct feed_lines *lines = feed->lines; lines; lines = lines->next) {
        end_scans(lines);
        lines->store.count = 0; /* its events point to the feed's sources */
        lines->feed = NULL;
    }
}

/* Segments that are read are kept open: not for somebody who does not ask any more. */
void feed_lines_tend(struct feed *feed, int64_t now_ns)
{
    for (struct feed_lines *lines = feed->lines; lines; lines = lines->next)
        if (now_ns - lines->asked_ns > ASKED_NS)
            end_scans(lines);
}

/* Nothing is searched: from here on to the left and to the right. */
static void start_at(struct feed_lines *lines, int64_t from_ns)
{
    end_scans(lines);
    lines->store.count = 0;
    lines->from_ns = from_ns;
    lines->to_ns = from_ns > INT64_MIN ? from_ns - 1 : INT64_MIN;
    lines->window_ns = WINDOW_NS;
}

void feed_lines_forget(struct feed_lines *lines)
{
    start_at(lines, INT64_MAX);
    lines->generation = lines->feed ? lines->feed->filters : 0;
}

bool feed_lines_searching(const struct feed_lines *lines, int64_t *ret_from_ns)
{
    if (ret_from_ns)
        *ret_from_ns = lines->from_ns;
    return lines->searching;
}

/* ---- one scan ---- */

/* The ends of what there is. False: nothing. */
static bool held_range(const struct feed *feed, int64_t *ret_from_ns, int64_t *ret_to_ns)
{
    struct hold_account account;
    if (feed->hold) {
        hold_account(feed->hold, &account);
        *ret_from_ns = account.from_ns;
        *ret_to_ns = account.to_ns;
        return account.events > 0;
    }
    *ret_from_ns = feed->first_ns;
    *ret_to_ns = feed->last_ns;
    return feed->paths_count > 0 && feed->events > 0;
}

static void begin_scan(struct feed_lines *lines, struct scan *scan, int64_t from_ns, int64_t to_ns)
{
    const struct evtrail_filter *own = lines->feed->filter;
    const struct replay_range range = {
        .from_ns = from_ns,
        .to_ns = to_ns,
        .filter = lines->filter ? lines->filter : own,
        .spans =
            (own && evtrail_filter_needs_spans(own)) || (lines->filter && evtrail_filter_needs_spans(lines->filter)),
    };
    *scan = (struct scan){.begun = true, .from_ns = from_ns, .to_ns = to_ns, .seen_ns = from_ns - 1};
    if (replay_open(&scan->replay, lines->feed, &range) < 0)
        scan->replay = NULL; /* nothing of it is there */
}

static bool is_wanted(const struct feed_lines *lines, const struct scan *scan, const struct evtrail_event *event)
{
    const struct evtrail_filter *own = lines->feed->filter;
    if (event->what == EVTRAIL_EVENT_SOURCE || event->time < scan->from_ns || event->time > scan->to_ns)
        return false;
    return event->what != EVTRAIL_EVENT || !lines->filter || !own || evtrail_filter_match(own, event);
}

/* 1: time is up, or there are `enough` in the store; 0: all was read. */
static int go_on(struct feed_lines *lines, struct scan *scan, struct line_store *store, size_t enough, int64_t until_ns)
{
    struct evtrail_event *event, line;
    for (unsigned count = 1; scan->replay; count++) {
        if (replay_next(scan->replay, &event) <= 0)
            return 0;
        if (event->time > scan->seen_ns)
            scan->seen_ns = event->time;
        if (is_wanted(lines, scan, event) && replay_as_live(scan->replay, event, &line))
            line_append(store, &line);
        if (store->count >= enough || (count % LOOK_EVERY == 0 && feed_monotonic() >= until_ns))
            return 1;
    }
    return 0;
}

/* ---- forward ---- */

/* What is older goes, and is not in the searched range any more. */
static void begin_at(struct feed_lines *lines, int64_t from_ns)
{
    size_t early = 0;
    while (early < lines->store.count && line_at(&lines->store, early)->event.time < from_ns)
        early++;
    line_drop_first(&lines->store, early);
    lines->from_ns = from_ns;
    end_scan(&lines->back);
    lines->older.count = 0;
}

/* What went for want of room was as old as the oldest, or older. */
static void after_append(struct feed_lines *lines)
{
    if (lines->store.count == LINES_MAX && line_at(&lines->store, 0)->event.time >= lines->from_ns)
        begin_at(lines, line_at(&lines->store, 0)->event.time + 1);
}

static void drop_behind(struct feed_lines *lines, int64_t to_ns)
{
    size_t count = 0;
    while (count < lines->store.count && line_at(&lines->store, lines->store.count - 1 - count)->event.time > to_ns)
        count++;
    line_drop_last(&lines->store, count);
}

/* Near the end of a live stream there may come more between: that part is searched again. */
static void limit(struct feed_lines *lines, int64_t held_to_ns)
{
    const int64_t most = lines->feed->options.live ? held_to_ns - LATE_NS : held_to_ns;
    if (lines->to_ns > most)
        lines->to_ns = most;
    if (lines->to_ns < lines->from_ns - 1)
        lines->to_ns = lines->from_ns - 1;
}

/* False: not there yet. `enough`: lines in the store that will do. */
static bool forward(struct feed_lines *lines, int64_t to_ns, size_t enough, int64_t until_ns)
{
    struct scan *scan = &lines->forward;
    if (!scan->begun) {
        drop_behind(lines, lines->to_ns);
        begin_scan(lines, scan, lines->to_ns + 1, to_ns);
    }
    const bool done = go_on(lines, scan, &lines->store, enough, until_ns) == 0;
    after_append(lines);
    if (done)
        lines->to_ns = scan->to_ns;
    else if (scan->seen_ns - 1 > lines->to_ns)
        lines->to_ns = scan->seen_ns - 1;
    if (done)
        end_scan(scan);
    return done;
}

/* ---- back ---- */

/* Lines behind to_ns, which are not asked for, make room first; then the oldest of those that were found stay out. Returns from where on
 * all is there. */
static int64_t make_room(struct feed_lines *lines, int64_t to_ns)
{
    size_t found = lines->older.count, room = LINES_MAX - lines->store.count, behind = 0;
    int64_t from = lines->back.from_ns;
    while (found > room + behind && behind < lines->store.count &&
           line_at(&lines->store, lines->store.count - 1 - behind)->event.time > to_ns)
        behind++;
    if (behind > 0) {
        lines->to_ns = line_at(&lines->store, lines->store.count - behind)->event.time - 1;
        line_drop_last(&lines->store, behind);
        end_scan(&lines->forward);
    }
    /* A full store of its own may have let older ones go, too. */
    if (found == LINES_MAX || found > room + behind) {
        size_t early = found > room + behind ? found - room - behind - 1 : 0;
        from = line_at(&lines->older, early)->event.time + 1;
        while (early < found && line_at(&lines->older, early)->event.time < from)
            early++;
        line_drop_first(&lines->older, early);
        if (early == found) /* more of one and the same time than there is room for: they are passed over */
            from = lines->back.from_ns;
    }
    return from;
}

static void finish_back(struct feed_lines *lines, int64_t to_ns)
{
    const size_t found = lines->older.count;
    lines->from_ns = make_room(lines, to_ns);
    line_prepend(&lines->store, &lines->older);
    if (lines->to_ns < lines->from_ns - 1)
        lines->to_ns = lines->from_ns - 1;
    if (found < FEW && lines->window_ns < WINDOW_MAX_NS)
        lines->window_ns *= 4;
    else if (found > 8 * FEW && lines->window_ns > 1000)
        lines->window_ns /= 4;
    end_scan(&lines->back);
}

/* False: the window is not done yet. */
static bool back(struct feed_lines *lines, int64_t held_from_ns, int64_t to_ns, int64_t until_ns)
{
    if (!lines->back.begun) {
        int64_t from;
        if (__builtin_sub_overflow(lines->from_ns, lines->window_ns, &from) || from < held_from_ns)
            from = held_from_ns;
        begin_scan(lines, &lines->back, from, lines->from_ns - 1);
    }
    if (go_on(lines, &lines->back, &lines->older, SIZE_MAX, until_ns) > 0)
        return false;
    finish_back(lines, to_ns);
    return true;
}

/* ---- asking ---- */

static void check(struct feed_lines *lines, const struct evtrail_filter *filter)
{
    lines->asked_ns = feed_monotonic();
    if (lines->generation == lines->feed->filters && lines->filter == filter)
        return;
    lines->filter = filter;
    feed_lines_forget(lines);
}

/* Of the lines up to to_ns: how many there are. */
static size_t count_up_to(const struct feed_lines *lines, int64_t to_ns)
{
    size_t count = lines->store.count;
    while (count > 0 && line_at(&lines->store, count - 1)->event.time > to_ns)
        count--;
    return count;
}

/* Whether so much has come in since that to look back from the end is less work than to read it all. */
static bool is_far(const struct feed_lines *lines, int64_t to_ns)
{
    return !lines->forward.begun && lines->to_ns >= lines->from_ns && to_ns - lines->to_ns > 4 * lines->window_ns &&
           lines->store.count > FEW && lines->window_ns < FEED_SECOND;
}

static int visit_range(const struct feed_lines *lines, size_t first, size_t end,
                       void (*visit)(void *context, const struct evtrail_event *event), void *context)
{
    for (size_t i = first; i < end; i++)
        visit(context, &line_at(&lines->store, i)->event);
    return (int)(end - first);
}

int feed_lines_last(struct feed_lines *lines, int64_t to_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context)
{
    const int64_t now = feed_monotonic();
    int64_t from, to, held_to;
    count = count < COUNT_MAX ? count : COUNT_MAX;
    lines->searching = false;
    if (!lines->feed)
        return 0;
    const int64_t until = now + lines->feed->lines_slice_ns;
    check(lines, filter);
    if (!held_range(lines->feed, &from, &held_to))
        return 0;
    to = to_ns < held_to ? to_ns : held_to;
    if (to < lines->from_ns - 1 || is_far(lines, to))
        start_at(lines, to + 1);
    bool more = to > lines->to_ns && !forward(lines, to, SIZE_MAX, now + lines->feed->lines_slice_ns / 2);
    bool time = true;
    while (time && count_up_to(lines, to) < count && lines->from_ns > from)
        time = back(lines, from, to, until) && feed_monotonic() < until;
    lines->searching = more || (count_up_to(lines, to) < count && lines->from_ns > from);
    limit(lines, held_to);
    const size_t end = count_up_to(lines, to), first = end > count ? end - count : 0;
    return visit_range(lines, first, end, visit, context);
}

int feed_lines_from(struct feed_lines *lines, int64_t from_ns, unsigned count, const struct evtrail_filter *filter,
                    void (*visit)(void *context, const struct evtrail_event *event), void *context)
{
    int64_t from, to;
    lines->searching = false;
    if (!lines->feed)
        return 0;
    check(lines, filter);
    if (!held_range(lines->feed, &from, &to))
        return 0;
    from_ns = from_ns > from ? from_ns : from;
    if (from_ns < lines->from_ns || from_ns > lines->to_ns + 1)
        start_at(lines, from_ns);
    count = count < COUNT_MAX ? count : COUNT_MAX;
    size_t first = count_up_to(lines, from_ns - 1);
    if (first + count > LINES_MAX) { /* make room behind */
        begin_at(lines, from_ns);
        first = 0;
    }
    if (lines->store.count - first < count && to > lines->to_ns) {
        lines->searching = !forward(lines, to, first + count, feed_monotonic() + lines->feed->lines_slice_ns);
        limit(lines, to);
    }
    first = count_up_to(lines, from_ns - 1);
    const size_t end = first + count < lines->store.count ? first + count : lines->store.count;
    lines->searching &= end - first < count;
    if (!lines->searching)
        end_scan(&lines->forward); /* it goes on when more is asked for */
    return visit_range(lines, first, end, visit, context);
}
