/* SPDX-License-Identifier: ISC
 *
 * A log: where one is in it, and what keys do there.
 */
#include "log_private.h"

#include "config.h"
#include "../top_private.h"

#include <evtrail/format.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT 16 /* columns that fields move sideways at once */

static const char *const column_names[LOG_COLUMNS_COUNT] = {
#define X(name, title, width, text) [LOG_##name] = #name,
    LOG_COLUMNS(X)
#undef X
};

/* ---- making ---- */

/* "[columns] log = time name fields" */
static void choose_columns(struct log *log)
{
    const char *text = config_get(log->top->config, "columns", "log");
    char name[32];
    int bytes;
    for (; text && sscanf(text, " %31s%n", name, &bytes) == 1; text += bytes)
        for (unsigned i = 0; i < LOG_COLUMNS_COUNT; i++)
            if (strcmp(column_names[i], name) == 0 && log->columns_count < LOG_COLUMNS_COUNT)
                log->columns[log->columns_count++] = (uint8_t)i;
    if (log->columns_count == 0)
        for (unsigned i = 0; i < LOG_COLUMNS_COUNT; i++)
            log->columns[log->columns_count++] = (uint8_t)i;
}

int log_new(struct log **ret_log, struct top *top, const char *expression)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return -ENOMEM;
    log->top = top;
    log->follow = true;
    log->kept_ns = INT64_MAX;
    choose_columns(log);
    const int r = expression ? evtrail_filter_new(&log->filter, expression, NULL) : 0;
    if (r < 0) {
        free(log);
        return r;
    }
    log->rows.filter = log->filter;
    *ret_log = log;
    return 0;
}

void log_free(struct log *log)
{
    if (!log)
        return;
    log_rows_fini(&log->rows);
    evtrail_filter_free(log->filter);
    free(log);
}

void log_changed(struct log *log)
{
    if (log->rows.feed != log->top->feed)
        log->marks_count = 0;
    log->follow = log->follow || log->rows.feed != log->top->feed;
    log->kept_ns = log_selected(log) && !log->follow ? log_selected(log)->time_ns : INT64_MAX;
    log->rows.feed = NULL;
    log->rows.count = 0;
    log->cursor = log->first = 0;
}

/* ---- fetching ---- */

/* From when and up to when lines are shown. */
static int64_t start_of(const struct log *log)
{
    struct feed_state state;
    feed_state(log->top->feed, &state);
    return state.past ? state.past_from_ns : INT64_MIN;
}

int64_t log_end(const struct log *log)
{
    struct feed_state state;
    feed_state(log->top->feed, &state);
    if (state.past)
        return state.past_to_ns;
    return log->top->paused ? feed_model(log->top->feed)->now_ns : INT64_MAX;
}

static void clip(struct log *log)
{
    const int64_t from = start_of(log);
    int early = 0;
    while (early < log->rows.count && log->rows.rows[early].time_ns < from)
        early++;
    if (early == 0)
        return;
    memmove(log->rows.rows, log->rows.rows + early, (size_t)(log->rows.count - early) * sizeof *log->rows.rows);
    log->rows.count -= early;
    log->rows.at_first = true;
    log->cursor -= early;
    log->first -= early;
}

static void fetch_more(struct log *log)
{
    const bool before = log->cursor < log->page && !log->rows.at_first;
    if (before) {
        const int moved = log_rows_more_before(&log->rows);
        log->cursor += moved;
        log->first += moved;
    }
    if (!before && log->cursor + log->page < log->rows.count)
        log->rows.searching = false; /* what time was too short for is not wanted yet */
    if (log->cursor + log->page >= log->rows.count) {
        const int moved = log_rows_more_behind(&log->rows, log_end(log));
        log->cursor += moved;
        log->first += moved;
    }
}

static void keep_inside(struct log *log)
{
    const int count = log->rows.count;
    log->cursor = log->cursor >= count ? count - 1 : log->cursor;
    log->cursor = log->cursor < 0 ? 0 : log->cursor;
    if (log->first > log->cursor)
        log->first = log->cursor;
    if (log->first <= log->cursor - log->page)
        log->first = log->cursor - log->page + 1;
    if (log->first + log->page > count)
        log->first = count - log->page;
    log->first = log->first < 0 ? 0 : log->first;
}

void log_fetch(struct log *log)
{
    if ((log->rows.feed != log->top->feed || !log->rows.lines) && log_rows_reset(&log->rows, log->top->feed) < 0)
        return;
    if (log->follow || log->rows.count == 0) {
        const int64_t end = log_end(log);
        log_rows_last(&log->rows, !log->follow && log->kept_ns < end ? log->kept_ns : end, log->page);
        log->cursor = log->rows.count - 1;
    } else {
        fetch_more(log);
    }
    clip(log);
    keep_inside(log);
}

const struct log_row *log_selected(const struct log *log)
{
    return log->cursor >= 0 && log->cursor < log->rows.count ? &log->rows.rows[log->cursor] : NULL;
}

/* ---- marks ---- */

bool log_marked(const struct log *log, int64_t time_ns)
{
    for (int i = 0; i < log->marks_count; i++)
        if (log->marks[i] == time_ns)
            return true;
    return false;
}

static void mark(struct log *log)
{
    const struct log_row *row = log_selected(log);
    int at = 0;
    if (!row)
        return;
    while (at < log->marks_count && log->marks[at] < row->time_ns)
        at++;
    const bool there = at < log->marks_count && log->marks[at] == row->time_ns;
    if (!there && log->marks_count == MARKS_MAX) {
        top_say(log->top, "no more than %d marks", MARKS_MAX);
        return;
    }
    const size_t behind = (size_t)(log->marks_count - at);
    if (there)
        memmove(&log->marks[at], &log->marks[at + 1], (behind - 1) * sizeof *log->marks);
    else
        memmove(&log->marks[at + 1], &log->marks[at], behind * sizeof *log->marks);
    log->marks_count += there ? -1 : 1;
    if (!there)
        log->marks[at] = row->time_ns;
    log->follow = false;
}

/* Between the first and the last mark; false: there are no two, and a range is asked for. */
static bool zoom(struct log *log)
{
    struct top *top = log->top;
    struct monitor *monitor = monitor_of(top);
    if (log->marks_count < 2)
        return false;
    const int64_t from = log->marks[0], to = log->marks[log->marks_count - 1];
    if (!top->paused && feed_pause(top->feed, true) < 0)
        return true;
    top->paused = true;
    if (feed_show(top->feed, from, to) < 0) {
        top_say(top, "that time is not held any more");
        return true;
    }
    monitor->zoomed = true;
    monitor->shown_to_ns = to;
    return true;
}

/* ---- moving ---- */

static void move(struct log *log, int rows)
{
    log->follow = false;
    log->cursor += rows;
    if (log->rows.lines)
        fetch_more(log);
    keep_inside(log);
}

static void go_first(struct log *log)
{
    log->follow = false;
    const int64_t from = start_of(log);
    if (log->rows.lines)
        log_rows_from(&log->rows, from, ROWS_AT_ONCE);
    log->rows.at_first = true;
    log->cursor = log->first = 0;
}

static void sideways(struct log *log, int step)
{
    const int columns = log->columns_count;
    if (step > 0 && log->left < columns - 1)
        log->left++;
    else if (step > 0)
        log->shift += log->shift < 400 ? SHIFT : 0;
    else if (log->shift > 0)
        log->shift -= SHIFT;
    else if (log->left > 0)
        log->left--;
}

static bool moving(struct log *log, enum action action)
{
    const int page = log->page > 1 ? log->page - 1 : 1;
    switch (action) {
    case ACTION_down:
        move(log, 1);
        return true;
    case ACTION_up:
        move(log, -1);
        return true;
    case ACTION_page_down:
        move(log, page);
        return true;
    case ACTION_page_up:
        move(log, -page);
        return true;
    case ACTION_half_down:
        move(log, page / 2 + 1);
        return true;
    case ACTION_half_up:
        move(log, -page / 2 - 1);
        return true;
    case ACTION_first:
        go_first(log);
        return true;
    case ACTION_last:
        log->follow = true;
        return true;
    case ACTION_left:
    case ACTION_right:
        sideways(log, action == ACTION_right ? 1 : -1);
        return true;
    default:
        return false;
    }
}

bool log_action(struct log *log, enum action action)
{
    if (moving(log, action)) {
        log->search.direction = 0;
        return true;
    }
    switch (action) {
    case ACTION_follow:
        log->follow = !log->follow;
        log->search.direction = 0;
        return true;
    case ACTION_describe:
    case ACTION_enter:
        log->describe = !log->describe;
        return true;
    case ACTION_mark:
        mark(log);
        return true;
    case ACTION_zoom:
        return zoom(log);
    case ACTION_search_next:
        log_search_begin(log, 1);
        return true;
    case ACTION_search_previous:
        log_search_begin(log, -1);
        return true;
    case ACTION_back:
        if (!log->describe && !log->search.text[0])
            return false;
        log->describe = false;
        log->search.text[0] = '\0';
        log->search.direction = 0;
        return true;
    default:
        return false;
    }
}

bool log_click(struct log *log, int row)
{
    if (row < 1 || row > log->page || log->first + row - 1 >= log->rows.count)
        return false;
    log->follow = false;
    log->cursor = log->first + row - 1;
    return true;
}
