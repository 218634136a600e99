/* SPDX-License-Identifier: ISC
 *
 * How a log looks.
 */
#include "log_private.h"

#include "../top_private.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <string.h>

static const struct {
    const char *title;
    int width;
} looks[LOG_COLUMNS_COUNT] = {
#define X(name, title, width, text) [LOG_##name] = {title, width},
    LOG_COLUMNS(X)
#undef X
};

/* ---- cells ---- */

/* Who is told only if there are several. */
static void look_who(struct log *log)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(feed_reader(log->top->feed), &sources);
    log->several = count > 1;
    if (log->sources > count)
        log->sources = log->several_hosts = 0;
    log->several_hosts = log->several_hosts || top_model(log->top)->options.hosts ||
                         sources_of_several_hosts(sources, count, &log->sources);
}

static bool is_told(const struct log *log, int index)
{
    return (log->columns[index] != LOG_process || log->several) &&
           (log->columns[index] != LOG_host || log->several_hosts);
}

void log_cell(const struct log_row *row, enum log_column column, char *buffer, size_t size)
{
    size_t bytes;
    switch (column) {
    case LOG_time:
        bytes = evtrail_format_time(row->time_ns, EVTRAIL_TIME_clock, 0, buffer, size - 1);
        buffer[bytes < size - 1 ? bytes : size - 1] = '\0';
        if (bytes > 15 && size > 15)
            buffer[15] = '\0';
        break;
    case LOG_host:
        snprintf(buffer, size, "%s", row->host);
        break;
    case LOG_process:
        snprintf(buffer, size, "%s", row->process);
        break;
    case LOG_thread:
        snprintf(buffer, size, "%s", row->thread);
        break;
    case LOG_level:
        snprintf(buffer, size, "%s", row->level ? evtrail_level_name(row->level) : "");
        break;
    case LOG_name:
        snprintf(buffer, size, "%s", row->name);
        break;
    default:
        snprintf(buffer, size, "%s", row->fields);
        break;
    }
}

size_t log_row_text(const struct log *log, const struct log_row *row, char *buffer, size_t size)
{
    char cell[512];
    size_t used = 0;
    for (int i = 0; i < log->columns_count; i++) {
        if (!is_told(log, i))
            continue;
        log_cell(row, log->columns[i], cell, sizeof cell);
        const int n = snprintf(buffer + (used < size ? used : size), used < size ? size - used : 0, "%s%s",
                               used && *cell ? " " : "", cell);
        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}

/* ---- lines ---- */

static enum style style_of(const struct log *log, const struct log_row *row)
{
    if (log->search.text[0] && log_row_has(row, log->search.text))
        return STYLE_mark;
    if (row->is_loss || (row->level >= 1 && row->level <= 2))
        return STYLE_bad;
    return row->level == 3 ? STYLE_notice : row->level >= 5 ? STYLE_dim : STYLE_plain;
}

/* Bytes of `text` that take `columns`, or as much as there is. */
static const char *skip_columns(const char *text, int columns)
{
    while (*text && columns > 0) {
        text++;
        while (((unsigned char)*text & 0xc0) == 0x80)
            text++;
        columns--;
    }
    return text;
}

struct pen {
    struct area area;
    int row, column;
};

static void draw_cell(const struct log *log, struct pen *pen, int index, enum style style, const char *text)
{
    const enum log_column column = log->columns[index];
    const bool last = index == log->columns_count - 1;
    const int width = last ? pen->area.columns - pen->column : log->widths[column];
    if (width <= 0)
        return;
    area_text(pen->area, pen->row, pen->column, width, style,
              column == LOG_fields ? skip_columns(text, log->shift) : text);
    pen->column += width + 1;
}

#define NARROW 60 /* columns: below, who it was is left out */

static bool is_hidden(const struct log *log, int index)
{
    const enum log_column column = log->columns[index];
    const bool who = column == LOG_host || column == LOG_process || column == LOG_thread;
    return index < log->left || !is_told(log, index) || (who && log->narrow);
}

/* Columns are as wide as what was shown so far needs, within bounds: so the fields, which come last, have room at 80 columns, too. */
static void find_widths(struct log *log)
{
    char cell[512];
    for (int c = 0; c < log->columns_count; c++) {
        const enum log_column column = log->columns[c];
        const int most = log->narrow && looks[column].width > 16 ? 16 : looks[column].width;
        int *const width = &log->widths[column];
        *width = *width > 0 ? *width : text_columns(looks[column].title);
        for (int i = 0; i < log->page && log->first + i < log->rows.count; i++) {
            log_cell(&log->rows.rows[log->first + i], column, cell, sizeof cell);
            const int columns = text_columns(cell);
            *width = columns > *width ? columns : *width;
        }
        *width = *width < most ? *width : most;
    }
}

static void draw_heading(const struct log *log, struct area area)
{
    struct pen pen = {.area = area, .column = 2};
    for (int i = 0; i < log->columns_count; i++)
        if (!is_hidden(log, i))
            draw_cell(log, &pen, i, STYLE_heading, looks[log->columns[i]].title);
    area_style(area, 0, STYLE_heading);
}

/* In the margin: '>' the cursor, '*' a mark. */
static void draw_row(const struct log *log, struct area area, int line, int index)
{
    const struct log_row *row = &log->rows.rows[index];
    const enum style style = style_of(log, row);
    const bool found = log->search.text[0] && log_row_has(row, log->search.text);
    struct pen pen = {.area = area, .row = line, .column = 2};
    char cell[512];
    for (int i = 0; i < log->columns_count; i++) {
        if (is_hidden(log, i))
            continue;
        log_cell(row, log->columns[i], cell, sizeof cell);
        draw_cell(log, &pen, i, style, cell);
    }
    if (index == log->cursor)
        area_style(area, line, STYLE_selected);
    area_text(area, line, 0, 1, STYLE_key, index == log->cursor ? ">" : found ? "/" : " ");
    if (log_marked(log, row->time_ns))
        area_text(area, line, 1, 1, STYLE_mark, "*");
}

/* Text over several lines, cut anywhere. */
static int draw_wrapped(struct area area, int row, enum style style, const char *text)
{
    while (*text && row < area.rows) {
        const char *next = skip_columns(text, area.columns - 4);
        char line[1024];
        snprintf(line, sizeof line, "%.*s", (int)(next - text), text);
        area_text(area, row++, 2, area.columns - 2, style, line);
        text = next;
    }
    return row;
}

static void draw_description(const struct log *log, struct area area)
{
    const struct log_row *row = log_selected(log);
    char head[400];
    for (int i = 0; i < area.columns; i++)
        area_glyph(area, 0, i, STYLE_dim, GLYPH_line, 0);
    if (!row)
        return;
    snprintf(head, sizeof head, "%s  %s", row->name, row->doc);
    const int next = draw_wrapped(area, 1, STYLE_title, head);
    draw_wrapped(area, next, STYLE_plain, row->fields);
}

void log_draw(struct log *log, struct area area)
{
    const bool described = log->describe && area.rows > 2 * DESCRIPTION_ROWS;
    const int body = area.rows - 1 - (described ? DESCRIPTION_ROWS : 0);
    log->page = body > 1 ? body : 1;
    log_fetch(log);
    log_search_on(log);
    const int first = log->cursor - log->page + 1 > log->first ? log->cursor - log->page + 1
                      : log->cursor < log->first               ? log->cursor
                                                               : log->first;
    log->first = first > 0 ? first : 0;
    look_who(log);
    log->narrow = area.columns < NARROW;
    find_widths(log);
    draw_heading(log, area);
    for (int i = 0; i < log->page && log->first + i < log->rows.count; i++)
        draw_row(log, area, 1 + i, log->first + i);
    if (log->rows.count == 0)
        area_text(area, 1, 2, -1, STYLE_dim, log->rows.searching ? "searching ..." : "no events (yet)");
    if (described)
        draw_description(log, area_part(area, area.rows - DESCRIPTION_ROWS, 0, DESCRIPTION_ROWS, -1));
}

/* ---- the line at the bottom, copies ---- */

static void put_duration(char *buffer, size_t size, int64_t ns)
{
    const size_t bytes = evtrail_format_duration(ns, buffer, size - 1);
    buffer[bytes < size - 1 ? bytes : size - 1] = '\0';
}

/* The time from the first to the last mark, or from the only one to the cursor. */
static void put_marks(const struct log *log, char *buffer, size_t size)
{
    const struct log_row *row = log_selected(log);
    char text[32];
    buffer[0] = '\0';
    if (log->marks_count >= 2) {
        put_duration(text, sizeof text, log->marks[log->marks_count - 1] - log->marks[0]);
        snprintf(buffer, size, ", %d marks: %s", log->marks_count, text);
    } else if (log->marks_count == 1 && row) {
        put_duration(text, sizeof text, row->time_ns - log->marks[0]);
        snprintf(buffer, size, ", mark to here: %s", text);
    }
}

size_t log_status(const struct log *log, char *buffer, size_t size)
{
    char marks[80], at[40] = "";
    put_marks(log, marks, sizeof marks);
    const char *what = log->follow ? "following" : "staying";
    if (log->search.direction != 0 && log_selected(log)) {
        log_cell(log_selected(log), LOG_time, at, sizeof at);
        what = "searching at ";
    } else if (log->rows.searching) {
        what = "reading";
    }
    const int n = snprintf(buffer, size, "%s%s%s", what, at, marks);
    return n > 0 ? (size_t)n : 0;
}

size_t log_copy(const struct log *log, char *buffer, size_t size)
{
    const struct log_row *row = log_selected(log);
    return row ? log_row_text(log, row, buffer, size) : 0;
}
