/* SPDX-License-Identifier: ISC
 *
 * What is always on the screen, around the view: who, how much, what is lost; tabs; status, prompt and keys.
 */
#include "top_private.h"

#include "model/warnings.h"
#include "views/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADER_ROWS 3 /* who, figures, tabs */
#define SMALL_ROWS 8  /* below, what is around the view shrinks */

/* ---- who ---- */

static void who_files(struct monitor *monitor, char *buffer, size_t size)
{
    const struct args *const args = monitor->top.args;
    const size_t files = args->list[OPT_read].count + (size_t)args->operands_count;
    const char *const first = args->list[OPT_read].count ? args->list[OPT_read].items[0] : args->operands[0];
    const char *const slash = strrchr(first, '/');
    const int n = snprintf(buffer, size, "%s", slash && slash[1] ? slash + 1 : first);
    if (files > 1 && n > 0 && (size_t)n < size)
        snprintf(buffer + n, size - (size_t)n, " and %zu more", files - 1);
}

#define NAMES_MAX 3u /* that are said of several processes */
#define NAMES_LOOK 64u

/* "12 processes, 3 ended: redis-server, nginx" */
static void who_processes(struct monitor *monitor, struct evtrail_source *const *sources, uint32_t count, char *buffer,
                          size_t size)
{
    const char *names[NAMES_MAX];
    unsigned named = 0;
    int n = monitor->state.ended ? snprintf(buffer, size, "%u processes, %u ended", count, monitor->state.ended)
                                 : snprintf(buffer, size, "%u processes", count);
    for (uint32_t i = 0; i < count && i < NAMES_LOOK && named < NAMES_MAX; i++) {
        unsigned same = 0;
        while (same < named && strcmp(names[same], sources[i]->command) != 0)
            same++;
        if (same < named || n < 0 || (size_t)n >= size)
            continue;
        names[named] = sources[i]->command;
        n += snprintf(buffer + n, size - (size_t)n, "%s%s", named++ ? ", " : ": ", sources[i]->command);
    }
}

void frame_who(struct monitor *monitor, char *buffer, size_t size)
{
    const struct args *const args = monitor->top.args;
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(monitor->top.feed), &sources);
    if (!monitor->picked && (args->list[OPT_read].count || args->operands_count))
        who_files(monitor, buffer, size);
    else if (count == 0)
        snprintf(buffer, size, "%s",
                 monitor->waiting         ? "waiting for the process"
                 : sources_named(monitor) ? "no process yet"
                                          : "nothing chosen");
    else if (count == 1)
        snprintf(buffer, size, "%s[%u]%s", sources[0]->command, sources[0]->pid, sources[0]->gone ? " ended" : "");
    else
        who_processes(monitor, sources, count, buffer, size);
}

/* ---- lines of pieces, the least important of which go first ---- */

struct piece {
    char text[120];
    enum style style;
    unsigned importance;
    bool left_out;
};
struct pieces {
    struct piece list[16];
    unsigned count;
};

__attribute__((format(printf, 4, 5))) static void add(struct pieces *pieces, unsigned importance, enum style style,
                                                      const char *format, ...)
{
    if (pieces->count == sizeof pieces->list / sizeof *pieces->list)
        return;
    struct piece *const piece = &pieces->list[pieces->count++];
    *piece = (struct piece){.style = style, .importance = importance};
    va_list list;
    va_start(list, format);
    vsnprintf(piece->text, sizeof piece->text, format, list);
    va_end(list);
}

static int width_of(const struct pieces *pieces)
{
    int width = -2;
    for (unsigned i = 0; i < pieces->count; i++)
        if (!pieces->list[i].left_out)
            width += text_columns(pieces->list[i].text) + 2;
    return width < 0 ? 0 : width;
}

static void leave_out_least(struct pieces *pieces)
{
    struct piece *least = NULL;
    for (unsigned i = 0; i < pieces->count; i++)
        if (!pieces->list[i].left_out && (!least || pieces->list[i].importance < least->importance))
            least = &pieces->list[i];
    if (least)
        least->left_out = true;
}

static void fit(struct pieces *pieces, int columns)
{
    for (unsigned i = 0; i + 1 < pieces->count && width_of(pieces) > columns; i++)
        leave_out_least(pieces);
}

static void draw_pieces(const struct pieces *pieces, struct area area, int row, int column)
{
    for (unsigned i = 0; i < pieces->count; i++)
        if (!pieces->list[i].left_out)
            column += area_text(area, row, column, -1, pieces->list[i].style, pieces->list[i].text) + 2;
}

/* ---- the head ---- */

static void put_value(char *buffer, size_t size, enum value_kind kind, double number)
{
    const struct value value = {.kind = kind, .number = number};
    value_text(&value, buffer, size);
}

static void put_count(char *buffer, size_t size, uint64_t count)
{
    const struct value value = {.kind = VALUE_count, .exact = count};
    value_text(&value, buffer, size);
}

static uint64_t sum_of(const uint64_t counts[EVTRAIL_CAUSES_ALL])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += counts[i];
    return sum;
}

/* "lost 1,234 now 12: overwritten 1,200 full 34", the causes as far as there is room; "lost 0". */
static void add_lost(struct pieces *pieces, const struct feed_state *state, uint64_t before)
{
    char count[32], now[32];
    const uint64_t lost = sum_of(state->lost), lost_now = sum_of(state->lost_now);
    put_count(count, sizeof count, lost);
    put_count(now, sizeof now, lost_now);
    if (lost == 0)
        add(pieces, 100, STYLE_good, "lost 0");
    else
        add(pieces, 100, lost_now ? STYLE_bad : STYLE_notice, "LOST %s now %s", count, now);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (state->lost[i] == 0)
            continue;
        put_count(count, sizeof count, state->lost[i]);
        put_count(now, sizeof now, state->lost_now[i]);
        add(pieces, 60, state->lost_now[i] ? STYLE_bad : STYLE_notice, "%s %s%s%s", evtrail_cause_name(i), count,
            state->lost_now[i] ? "+" : "", state->lost_now[i] ? now : "");
    }
    put_count(count, sizeof count, before);
    if (before)
        add(pieces, 40, STYLE_dim, "(%s before)", count);
}

static void draw_figures(struct monitor *monitor, struct area area, int row)
{
    const struct feed_state *const state = &monitor->state;
    struct pieces pieces = {.count = 0};
    char rate[32], bytes[32], lag[32], count[32];
    put_value(rate, sizeof rate, VALUE_rate, state->events_per_s);
    put_value(bytes, sizeof bytes, VALUE_number, (double)(int64_t)(state->bytes_per_s / 1e5 + 0.5) / 10);
    put_value(lag, sizeof lag, VALUE_duration, (double)state->lag_ns);
    if (state->lag_ns == 0)
        snprintf(lag, sizeof lag, "0");
    add(&pieces, 90, STYLE_number, "%s events/s", rate);
    add(&pieces, 80, STYLE_number, "%s MB/s", bytes);
    if (state->whole) {
        put_count(count, sizeof count, state->events);
        put_value(lag, sizeof lag, VALUE_duration, (double)(state->held_to_ns - state->held_from_ns));
        add(&pieces, 45, STYLE_plain, "%s events in %s", count, lag);
    } else if (state->policy && *state->policy) {
        add(&pieces, 70, state->ring_fill >= 90 ? STYLE_notice : STYLE_plain, "ring %u%%", state->ring_fill);
        add(&pieces, 50, STYLE_plain, "%s", state->policy);
        add(&pieces, 55, state->lag_ns > 1000000000 ? STYLE_notice : STYLE_plain, "lag %s", lag);
    }
    add_lost(&pieces, state, sum_of(monitor->lost_before));
    fit(&pieces, area.columns);
    draw_pieces(&pieces, area, row, 0);
}

/* "3 hosts, clocks ±400us" */
static void add_hosts(struct pieces *pieces, struct monitor *monitor)
{
    char bound[32];
    if (!monitor_has_hosts(monitor))
        return;
    const uint32_t count = monitor->top.feed ? top_hosts(&monitor->top)->count : 0;
    put_value(bound, sizeof bound, VALUE_duration, (double)monitor->hosts.bound_ns);
    if (monitor->hosts.bound_ns > 0)
        add(pieces, 65, STYLE_plain, "%u host%s, clocks %s%s", count, count == 1 ? "" : "s",
            monitor->top.ascii ? "+-" : "±", bound);
    else
        add(pieces, 65, STYLE_plain, "%u host%s", count, count == 1 ? "" : "s");
}

static void draw_who(struct monitor *monitor, struct area area, int row)
{
    const struct top *const top = &monitor->top;
    const struct feed_state *const state = &monitor->state;
    struct pieces pieces = {.count = 0};
    char who[256], text[64];
    frame_who(monitor, who, sizeof who);
    if (top->paused)
        add(&pieces, 100, STYLE_notice, "PAUSED");
    if (monitor->zoomed) {
        put_value(text, sizeof text, VALUE_duration, (double)(state->past_to_ns - state->past_from_ns));
        add(&pieces, 95, STYLE_notice, "ZOOM %s", text);
    }
    if (top->paused && state->held_to_ns > state->held_from_ns) {
        put_value(text, sizeof text, VALUE_duration, (double)(state->held_to_ns - state->held_from_ns));
        add(&pieces, 45, STYLE_plain, "held %s", text);
    }
    if (state->progress < 100)
        add(&pieces, 90, STYLE_notice, "%u%% read", state->progress);
    if (state->sampled > 1)
        add(&pieces, 92, STYLE_notice, "SAMPLED 1 in %u", state->sampled);
    if (*feed_filter_text(top->feed))
        add(&pieces, 80, STYLE_notice, "filter: %.80s", feed_filter_text(top->feed));
    add_hosts(&pieces, monitor);
    if (state->speed > 0 && state->speed != 1)
        add(&pieces, 40, STYLE_plain, "speed %gx", state->speed);
    const struct value now = {.kind = state->now_ns > 0 ? VALUE_time : VALUE_none,
                              .exact = (uint64_t)(top->paused ? monitor->shown_to_ns : state->now_ns)};
    value_text(&now, text, sizeof text);
    text[strcspn(text, ".")] = '\0';
    add(&pieces, 50, STYLE_plain, "%s", text);
    const int who_columns = text_columns(who);
    fit(&pieces, area.columns - (who_columns < area.columns / 2 ? who_columns : area.columns / 2) - 2);
    const int width = width_of(&pieces);
    area_text(area, row, 0, area.columns - width - 2, STYLE_title, who);
    draw_pieces(&pieces, area, row, area.columns - width);
}

/* How much of titles there is room for: of our own views all or nothing, of those of the configuration so many columns. */
struct titles {
    bool all;
    int most;
};
#define TITLE_MOST 40
#define TITLE_LEAST 3

/* The first `most` columns, with a dot if there is more. Returns buffer. */
static const char *title_cut(const char *title, int most, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s", title);
    const bool cut = text_columns(buffer) > most;
    for (size_t end = strlen(buffer); end > 0 && text_columns(buffer) > most - cut;) {
        while (end > 0 && ((unsigned char)buffer[end - 1] & 0xc0) == 0x80)
            end--;
        buffer[end ? --end : 0] = '\0';
        while (end > 0 && buffer[end - 1] == ' ')
            buffer[--end] = '\0';
    }
    if (cut && strlen(buffer) + 1 < size)
        strcat(buffer, ".");
    return buffer;
}

/* "T Types", "! Warnings(2)", "P Conn.", or without the title. */
static unsigned tab_text(struct monitor *monitor, unsigned tab, struct titles titles, char *buffer, size_t size)
{
    const struct view_ops *const ops = tab_ops(monitor, tab);
    const unsigned active = strcmp(ops->name, "warnings") == 0 ? warnings_active(top_model(&monitor->top)) : 0;
    const bool own = custom_view_settings(ops) != NULL;
    const int least = ops->key ? 0 : TITLE_LEAST;
    const int most = own ? (titles.most > least ? titles.most : least) : titles.all ? TITLE_MOST : 0;
    char key[4] = "", count[16] = "", title[TITLE_MOST * 4 + 2] = "";
    if (most >= TITLE_LEAST)
        title_cut(ops->title, most, title, sizeof title);
    if (ops->key)
        snprintf(key, sizeof key, "%c%s", ops->key, *title ? " " : "");
    if (active)
        snprintf(count, sizeof count, "(%u)", active);
    snprintf(buffer, size, "%s%s%s", key, title, count);
    return active;
}

static struct titles titles_of(const struct monitor *monitor, unsigned tab, struct titles titles)
{
    return tab == monitor->tab ? (struct titles){true, TITLE_MOST} : titles;
}

/* Returns its columns with the blank before it; that behind it is the next one's. */
static int draw_tab(struct monitor *monitor, struct area area, int row, int column, unsigned tab, struct titles titles)
{
    const bool shown = tab == monitor->tab;
    char text[TITLE_MOST * 4 + 32];
    const unsigned active = tab_text(monitor, tab, titles_of(monitor, tab, titles), text, sizeof text);
    monitor->tab_places[tab] = column;
    const int used = 1 + area_text(area, row, column + 1, -1,
                                   shown    ? STYLE_selected
                                   : active ? STYLE_notice
                                            : STYLE_plain,
                                   text);
    if (shown) { /* not by style alone: it stands in brackets */
        area_text(area, row, column, 1, STYLE_selected, "[");
        area_text(area, row, column + used, 1, STYLE_selected, "]");
    }
    return used;
}

/* Of the tabs from `first` on. */
static int tabs_width(struct monitor *monitor, unsigned first, struct titles titles, int gap)
{
    int columns = 1;
    bool last_shown = false;
    for (unsigned i = first; tab_ops(monitor, i); i++) {
        char text[TITLE_MOST * 4 + 32];
        if (!tab_exists(monitor, i))
            continue;
        last_shown = i == monitor->tab; /* then its bracket wants room */
        tab_text(monitor, i, titles_of(monitor, i, titles), text, sizeof text);
        columns += text_columns(text) + 1 + gap;
    }
    return columns - gap - !last_shown;
}

/* Where there is no room for all titles, our own views are told by their keys; where that is not enough, titles of the configuration's are cut,
 * all to the same length. */
static struct titles choose_titles(struct monitor *monitor, int room)
{
    struct titles titles = {true, TITLE_MOST};
    if (tabs_width(monitor, 0, titles, 0) <= room)
        return titles;
    titles.all = false;
    while (titles.most >= TITLE_LEAST && tabs_width(monitor, 0, titles, 0) > room)
        titles.most--;
    return titles;
}

/* The first tab, so that the one that is shown has room; those before it are reached by their keys. */
static unsigned first_tab(struct monitor *monitor, struct titles titles, int room)
{
    unsigned first = 0;
    while (first < monitor->tab && tabs_width(monitor, first, titles, 0) > room)
        first++;
    return first;
}

static void draw_tabs(struct monitor *monitor, struct area area, int row)
{
    const struct view *const view = monitor->top.view;
    char over[200] = "";
    int column = 0;
    if (view && view->under)
        snprintf(over, sizeof over, "%s %s", view->ops->title, view->target_name);
    const int room = area.columns - (*over ? text_columns(over) + 3 : 0);
    const struct titles titles = choose_titles(monitor, room > area.columns / 2 ? room : area.columns / 2);
    const unsigned first = first_tab(monitor, titles, area.columns);
    const int gap = tabs_width(monitor, first, titles, 1) <= room;
    for (unsigned i = 0; i <= TABS_MAX; i++)
        monitor->tab_places[i] = -1;
    for (unsigned i = first; tab_ops(monitor, i); i++)
        if (tab_exists(monitor, i))
            column += draw_tab(monitor, area, row, column, i, titles) + gap;
    column += 2 - gap;
    if (!*over || column + 4 > area.columns)
        return;
    column += area_glyph(area, row, column, STYLE_plain, GLYPH_arrow, 2);
    area_text(area, row, column + 1, -1, STYLE_title, over);
}

/* ---- the foot ---- */

static void add_hint(struct pieces *pieces, struct monitor *monitor, enum action action, const char *text,
                     unsigned importance)
{
    char keys[64];
    keys_text(monitor->top.keys, action, keys, sizeof keys);
    keys[strcspn(keys, ",")] = '\0';
    if (keys[0])
        add(pieces, importance, STYLE_key, "%s %s", keys, text);
}

static void draw_foot(struct monitor *monitor, struct area area, int row)
{
    struct pieces hints = {.count = 0};
    char status[256] = "";
    const struct view *const view = monitor->top.view;
    if (view && view->ops->status)
        view->ops->status(monitor->top.view, status, sizeof status);
    if (view && view->under)
        add_hint(&hints, monitor, ACTION_back, "back", 85);
    add_hint(&hints, monitor, ACTION_search, "search", 60);
    add_hint(&hints, monitor, ACTION_filter, "filter", 55);
    add_hint(&hints, monitor, ACTION_pause, monitor->top.paused ? "go on" : "pause", 50);
    add_hint(&hints, monitor, ACTION_help, "help", 90);
    add_hint(&hints, monitor, ACTION_quit, "quit", 80);
    const int used = text_columns(status);
    fit(&hints, area.columns - (used < area.columns * 2 / 3 ? used : area.columns * 2 / 3) - 2);
    int width = width_of(&hints);
    if (width > area.columns - 2)
        width = 0;
    area_text(area, row, 0, area.columns - width - 2, STYLE_plain, status);
    if (width)
        draw_pieces(&hints, area, row, area.columns - width);
}

static void draw_prompt(struct monitor *monitor, struct area area, int row)
{
    const struct prompt_state *const state = &monitor->prompt;
    char head[PROMPT_BYTES];
    const int title = area_text(area, row, 0, area.columns * 3 / 4, STYLE_title, state->title);
    const char *text = state->text;
    snprintf(head, sizeof head, "%.*s", (int)state->cursor, state->text);
    const char *shown = head;
    int cursor = text_columns(shown);
    while (cursor > area.columns - title - 2 && *shown) { /* the part before the cursor that has no room */
        shown++;
        while (((unsigned char)*shown & 0xc0) == 0x80)
            shown++;
        cursor = text_columns(shown);
    }
    text += shown - head;
    area_text(area, row, title, -1, STYLE_plain, text);
    if (monitor->message[0])
        area_print(area, row, title + text_columns(text) + 2, -1, STYLE_notice, "(%s)", monitor->message);
    if (monitor->screen)
        screen_cursor(monitor->screen, area.row + row, area.column + title + cursor);
}

static void draw_bottom(struct monitor *monitor, struct area area, int row)
{
    if (monitor->screen)
        screen_cursor(monitor->screen, -1, 0);
    if (monitor->prompt.open)
        draw_prompt(monitor, area, row);
    else if (monitor->message[0])
        area_text(area, row, 0, -1, monitor->message_bad ? STYLE_bad : STYLE_notice, monitor->message);
    else
        draw_foot(monitor, area, row);
}

/* ---- all of it ---- */

void frame_draw(struct monitor *monitor)
{
    struct surface *const surface = &monitor->top.surface;
    const struct area area = surface_area(surface);
    int row = 0;
    surface_clear(surface);
    monitor_look(monitor);
    if (!monitor->top.paused)
        monitor->shown_to_ns = monitor->state.now_ns;
    if (area.rows >= SMALL_ROWS)
        draw_who(monitor, area, row++);
    draw_figures(monitor, area, row++);
    if (area.rows > HEADER_ROWS)
        draw_tabs(monitor, area, row++);
    const int foot = area.rows > HEADER_ROWS + 1 ? 1 : 0;
    monitor->body = area_part(area, row, 0, area.rows - row - foot, -1);
    if (monitor->top.view && monitor->body.rows > 0)
        monitor->top.view->ops->draw(monitor->top.view, monitor->body);
    if (foot)
        draw_bottom(monitor, area, area.rows - 1);
}
