/* SPDX-License-Identifier: ISC
 *
 * What the program that evtrail top started writes: its last lines, followed until one moves up.
 */
#include "view.h"

#include "../top_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct output_lines {
    struct view view;
    uint64_t top; /* the first line that is shown */
    bool stays;   /* moved up: does not follow */
    int rows;
    char search[128];
    bool not_found;
};

static struct child *child_of(const struct view *view)
{
    return monitor_of(view->top)->child;
}

static int output_open(struct view *view)
{
    (void)view;
    return 0;
}

static void output_close(struct view *view)
{
    (void)view;
}

static uint64_t last_top(const struct output_lines *lines)
{
    const struct child *const child = child_of(&lines->view);
    const uint64_t count = child_lines(child), first = child_first(child), rows = (uint64_t)lines->rows;
    return count - first > rows ? count - rows : first;
}

static void output_draw(struct view *view, struct area area)
{
    struct output_lines *const lines = (struct output_lines *)view;
    const struct child *const child = child_of(view);
    if (!child) {
        area_text(area, 0, 0, -1, STYLE_dim, "the program's output is not kept");
        return;
    }
    lines->rows = area.rows;
    const uint64_t last = last_top(lines);
    if (!lines->stays || lines->top > last)
        lines->top = last;
    if (lines->top < child_first(child))
        lines->top = child_first(child);
    if (child_lines(child) == 0)
        area_text(area, 0, 0, -1, STYLE_dim, "the program has written nothing yet");
    for (int row = 0; row < area.rows && lines->top + (uint64_t)row < child_lines(child); row++) {
        const char *const text = child_line(child, lines->top + (uint64_t)row);
        const bool found = lines->search[0] && strcasestr(text, lines->search);
        area_text(area, row, 0, -1, found ? STYLE_mark : STYLE_plain, text);
    }
}

static bool move_by(struct output_lines *lines, int64_t rows)
{
    const uint64_t last = last_top(lines), first = child_first(child_of(&lines->view));
    const int64_t at = (int64_t)lines->top + rows;
    lines->top = at < (int64_t)first ? first : (uint64_t)at > last ? last : (uint64_t)at;
    lines->stays = lines->top < last;
    return true;
}

static bool find(struct output_lines *lines, int step)
{
    const struct child *const child = child_of(&lines->view);
    const int64_t first = (int64_t)child_first(child), count = (int64_t)child_lines(child);
    lines->not_found = true;
    for (int64_t at = (int64_t)lines->top + step; lines->search[0] && at >= first && at < count; at += step)
        if (strcasestr(child_line(child, (uint64_t)at), lines->search)) {
            lines->not_found = false;
            return move_by(lines, at - (int64_t)lines->top);
        }
    return true;
}

static bool output_action(struct view *view, enum action action)
{
    struct output_lines *const lines = (struct output_lines *)view;
    const int64_t page = lines->rows > 1 ? lines->rows - 1 : 1;
    if (!child_of(view))
        return false;
    switch (action) {
    case ACTION_down:
    case ACTION_up:
        return move_by(lines, action == ACTION_down ? 1 : -1);
    case ACTION_page_down:
    case ACTION_page_up:
        return move_by(lines, action == ACTION_page_down ? page : -page);
    case ACTION_half_down:
    case ACTION_half_up:
        return move_by(lines, action == ACTION_half_down ? page / 2 + 1 : -page / 2 - 1);
    case ACTION_first:
        return move_by(lines, -(int64_t)lines->top);
    case ACTION_last:
        lines->stays = false;
        return true;
    case ACTION_follow:
        lines->stays = !lines->stays;
        return true;
    case ACTION_search_next:
    case ACTION_search_previous:
        return find(lines, action == ACTION_search_next ? 1 : -1);
    default:
        return false;
    }
}

/* From the last line up, as one looks for the newest. */
static void output_search(struct view *view, const char *text)
{
    struct output_lines *const lines = (struct output_lines *)view;
    snprintf(lines->search, sizeof lines->search, "%s", text);
    if (!child_of(view) || !lines->search[0])
        return;
    const uint64_t before = lines->top;
    lines->top = child_lines(child_of(view));
    find(lines, -1);
    if (lines->not_found)
        lines->top = before;
}

static size_t output_status(struct view *view, char *buffer, size_t size)
{
    const struct output_lines *const lines = (const struct output_lines *)view;
    const struct child *const child = child_of(view);
    const struct program *const program = &monitor_of(view->top)->program;
    char state[48] = "runs";
    if (program->ended)
        snprintf(state, sizeof state, "ended with code %d", program->code);
    const int n = snprintf(buffer, size, "%llu lines, %s%s%s%s%s", child ? (unsigned long long)child_lines(child) : 0,
                           state, lines->stays ? ", stays here" : "", lines->search[0] ? ", /" : "", lines->search,
                           lines->search[0] && lines->not_found ? " not found" : "");
    return n < 0 ? 0 : (size_t)n;
}

static size_t output_copy(struct view *view, char *buffer, size_t size)
{
    const struct output_lines *const lines = (const struct output_lines *)view;
    const int n = child_of(view) ? snprintf(buffer, size, "%s", child_line(child_of(view), lines->top)) : 0;
    return n < 0 ? 0 : (size_t)n;
}

const struct view_ops output_view = {
    .name = "output",
    .title = "Output",
    .key = 'o',
    .text = "What the program that evtrail top started (-- PROGRAM) writes to its standard output and error: its last "
            "4,000 lines. It follows the newest; moving up stays there until G or s.",
    .bytes = sizeof(struct output_lines),
    .open = output_open,
    .close = output_close,
    .draw = output_draw,
    .action = output_action,
    .search = output_search,
    .status = output_status,
    .copy = output_copy,
};
