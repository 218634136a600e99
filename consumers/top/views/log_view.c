/* SPDX-License-Identifier: ISC
 *
 * The log of all events.
 */
#include "log.h"

#include <evtrail/format.h>

#include <stdlib.h>

#define JSON_EVENTS 20

struct log_view {
    struct view view;
    struct log *log;
};

static struct log *log_of(const struct view *view)
{
    return ((const struct log_view *)view)->log;
}

static int open_view(struct view *view)
{
    return log_new(&((struct log_view *)view)->log, view->top, NULL);
}

static void close_view(struct view *view)
{
    log_free(log_of(view));
}

static void model_changed(struct view *view)
{
    log_changed(log_of(view));
}

static void draw(struct view *view, struct area area)
{
    log_draw(log_of(view), area);
}

static bool action(struct view *view, enum action action)
{
    return log_action(log_of(view), action);
}

static bool click(struct view *view, int row, int column)
{
    (void)column;
    return log_click(log_of(view), row);
}

static void search(struct view *view, const char *text)
{
    log_search(log_of(view), text);
}

static size_t status(struct view *view, char *buffer, size_t size)
{
    return log_status(log_of(view), buffer, size);
}

static size_t copy(struct view *view, char *buffer, size_t size)
{
    return log_copy(log_of(view), buffer, size);
}

/* ---- JSON ---- */

struct printing {
    struct output *out;
    unsigned count;
};

static void print(void *context, const struct evtrail_event *event)
{
    struct printing *printing = context;
    char *room = output_room(printing->out);
    if (!room)
        return;
    room[0] = printing->count++ ? ',' : '[';
    size_t bytes = evtrail_format_json(event, NULL, room + 1, OUTPUT_ROOM - 1);
    if (bytes > OUTPUT_ROOM - 1) {
        printing->count -= printing->count == 1;
        return; /* of 64 KiB: left out */
    }
    output_used(printing->out, 1 + bytes - (bytes > 0 && room[bytes] == '\n'));
}

static int json(struct view *view, struct output *out)
{
    struct printing printing = {.out = out};
    struct feed_lines *lines;
    if (feed_lines_new(&lines, view->top->feed) == 0) {
        feed_lines_last(lines, INT64_MAX, JSON_EVENTS, NULL, print, &printing);
        feed_lines_free(lines);
    }
    return output_text(out, printing.count ? "]" : "[]");
}

const struct view_ops log_view = {
    .name = "log",
    .title = "Log",
    .key = 'L',
    .text = "Events one by one, the newest at the bottom: when, by whom, how severe, what, with which values. Marks "
            "show the time "
            "between them.",
    .bytes = sizeof(struct log_view),
    .open = open_view,
    .close = close_view,
    .model_changed = model_changed,
    .draw = draw,
    .action = action,
    .click = click,
    .search = search,
    .status = status,
    .copy = copy,
    .json = json,
};
