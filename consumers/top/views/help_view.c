/* SPDX-License-Identifier: ISC
 *
 * The page behind `?`: views, and every key, out of their tables.
 */
#include "view.h"

#include "../top_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINES_MAX 400
#define KEYS_COLUMNS 20

struct line {
    char head[48];
    const char *text; /* NULL: a heading */
    int from, bytes;  /* of the text, when it takes several lines */
};
struct help {
    struct view view;
    struct line lines[LINES_MAX];
    int count, top, rows, columns;
    char search[64];
};

static void add(struct help *help, const char *head, const char *text, int from, int bytes)
{
    if (help->count == LINES_MAX)
        return;
    struct line *const line = &help->lines[help->count++];
    snprintf(line->head, sizeof line->head, "%s", head);
    line->text = text;
    line->from = from;
    line->bytes = bytes;
}

/* Words as they fit. */
static void add_wrapped(struct help *help, const char *head, const char *text)
{
    const int room = help->columns - KEYS_COLUMNS - 1 > 16 ? help->columns - KEYS_COLUMNS - 1 : 16;
    int from = 0;
    while (text[from]) {
        int bytes = (int)strlen(text + from);
        if (bytes > room) {
            bytes = room;
            while (bytes > 0 && text[from + bytes] != ' ')
                bytes--;
            bytes = bytes > 0 ? bytes : room;
        }
        add(help, from ? "" : head, text, from, bytes);
        from += bytes;
        from += (int)strspn(text + from, " ");
    }
}

static void add_views(struct help *help)
{
    char head[48];
    add(help, "VIEWS", NULL, 0, 0);
    const struct view_ops *ops;
    for (unsigned i = 0; (ops = tab_ops(monitor_of(help->view.top), i)); i++) {
        snprintf(head, sizeof head, "%c  %s", ops->key ? ops->key : ' ', ops->title);
        add_wrapped(help, head, ops->text);
    }
}

static void add_actions(struct help *help)
{
    const char *group = "";
    for (enum action action = ACTION_none + 1; action < ACTIONS; action++) {
        const struct action_spec *const spec = &action_specs[action];
        char keys[64], heading[48];
        if (strcmp(group, spec->group) != 0) {
            group = spec->group;
            snprintf(heading, sizeof heading, "%s", group);
            for (char *at = heading; *at; at++)
                *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
            add(help, "", "", 0, 0);
            add(help, heading, NULL, 0, 0);
        }
        keys_text(help->view.top->keys, action, keys, sizeof keys);
        add_wrapped(help, keys[0] ? keys : "(no key)", spec->text);
    }
}

static void layout(struct help *help, int columns)
{
    if (help->columns == columns)
        return;
    help->columns = columns;
    help->count = 0;
    add_views(help);
    add_actions(help);
    add(help, "", "", 0, 0);
    add_wrapped(help, "configuration",
                "~/.config/evtrail/top.conf: keys, columns, thresholds of warnings, filters, views "
                "of your own; see man evtrail-top");
}

static int help_open(struct view *view)
{
    (void)view;
    return 0;
}

static void help_close(struct view *view)
{
    (void)view;
}

static void draw_line(const struct help *help, const struct line *line, struct area area, int row)
{
    if (!line->text) {
        area_text(area, row, 0, -1, STYLE_heading, line->head);
        return;
    }
    const bool found =
        help->search[0] && (strcasestr(line->head, help->search) || strcasestr(line->text, help->search));
    const int used = area_text(area, row, 1, -1, STYLE_key, line->head);
    area_print(area, row, used < KEYS_COLUMNS - 1 ? KEYS_COLUMNS : used + 2, -1, found ? STYLE_mark : STYLE_plain,
               "%.*s", line->bytes, line->text + line->from);
}

static void help_draw(struct view *view, struct area area)
{
    struct help *const help = (struct help *)view;
    layout(help, area.columns);
    help->rows = area.rows;
    if (help->top > help->count - area.rows)
        help->top = help->count > area.rows ? help->count - area.rows : 0;
    for (int row = 0; row < area.rows && help->top + row < help->count; row++)
        draw_line(help, &help->lines[help->top + row], area, row);
}

static bool move_to(struct help *help, int top)
{
    const int last = help->count > help->rows ? help->count - help->rows : 0;
    help->top = top < 0 ? 0 : top > last ? last : top;
    return true;
}

static bool find(struct help *help, int from, int step)
{
    for (int at = from; help->search[0] && at >= 0 && at < help->count; at += step) {
        const struct line *const line = &help->lines[at];
        if (strcasestr(line->head, help->search) || (line->text && strcasestr(line->text, help->search)))
            return move_to(help, at);
    }
    return true;
}

static bool help_action(struct view *view, enum action action)
{
    struct help *const help = (struct help *)view;
    switch (action) {
    case ACTION_down:
    case ACTION_up:
        return move_to(help, help->top + (action == ACTION_down ? 1 : -1));
    case ACTION_page_down:
    case ACTION_page_up:
        return move_to(help, help->top + (action == ACTION_page_down ? help->rows - 1 : 1 - help->rows));
    case ACTION_half_down:
    case ACTION_half_up:
        return move_to(help, help->top + (action == ACTION_half_down ? help->rows / 2 : -help->rows / 2));
    case ACTION_first:
        return move_to(help, 0);
    case ACTION_last:
        return move_to(help, help->count);
    case ACTION_search_next:
        return find(help, help->top + 1, 1);
    case ACTION_search_previous:
        return find(help, help->top - 1, -1);
    default:
        return false;
    }
}

static void help_search(struct view *view, const char *text)
{
    struct help *const help = (struct help *)view;
    snprintf(help->search, sizeof help->search, "%s", text);
    find(help, 0, 1);
}

static size_t help_status(struct view *view, char *buffer, size_t size)
{
    const struct help *const help = (const struct help *)view;
    const int last = help->top + help->rows < help->count ? help->top + help->rows : help->count;
    const int n = snprintf(buffer, size, "help, line %d to %d of %d", help->top + 1, last, help->count);
    return n < 0 ? 0 : (size_t)n;
}

const struct view_ops help_view = {
    .name = "help",
    .title = "Help",
    .text = "This page.",
    .bytes = sizeof(struct help),
    .open = help_open,
    .close = help_close,
    .draw = help_draw,
    .action = help_action,
    .search = help_search,
    .status = help_status,
};
