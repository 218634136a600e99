/* SPDX-License-Identifier: ISC
 *
 * How a table looks: which columns have room, heading, rows, the line that says what is shown; and the table as JSON.
 */
#include "table_private.h"

#include <stdio.h>
#include <string.h>

#define MARGIN 1 /* for the sign of the selected row */
#define GAP 1
#define SENTENCE_COLUMNS 40
#define SMALL_COLUMNS 100
#define BRANCH_COLUMNS 3 /* of a tree's lines, for each depth */

static int least_width(const struct column *column)
{
    return column->width < 0 ? -column->width : column->width;
}

size_t table_page(const struct table *table)
{
    return table->drawn.rows > 1 ? (size_t)table->drawn.rows - 1 : 1;
}

/* ---- which columns ---- */

/* Names are read before figures: on a screen that is not small, the first column gets what the rows on it ask for, up to a part of it;
 * sentences up to 2/3 of any. It does not shrink again as rows come and go, or all columns would jump about. */
static int first_width(struct table *table, int columns)
{
    const int least = least_width(&table->ops->columns[0]),
              half = (columns - MARGIN) / 2 < 8 ? 8 : (columns - MARGIN) / 2;
    const int most = least >= SENTENCE_COLUMNS ? columns * 2 / 3
                     : columns < SMALL_COLUMNS ? least
                                               : (columns - 30) * 2 / 5;
    if (table->first_of != columns)
        table->first_wanted = 0;
    table->first_of = columns;
    for (size_t i = table->top; i < table->count && i < table->top + table_page(table); i++) {
        const struct row *const row = &table->rows[i];
        struct value value;
        char text[sizeof value.text + 32];
        table_value(table, row, 0, &value);
        value_text(&value, text, sizeof text);
        const int wanted = text_columns(text) + (int)row->depth * BRANCH_COLUMNS;
        table->first_wanted = wanted > table->first_wanted ? wanted : table->first_wanted;
    }
    const int width = table->first_wanted < most ? table->first_wanted : most;
    if (width > least)
        return width;
    return least > half && table->shown_count > 1 ? half : least;
}

/* From the left: the first one always, then those from `left` on, as many as fit. */
static void choose_columns(struct table *table, int columns)
{
    int used = MARGIN;
    table->places_count = 0;
    table->more_right = false;
    if (table->left >= table->shown_count)
        table->left = table->shown_count - 1;
    for (unsigned i = 0; i < table->shown_count; i++) {
        const unsigned number = table->shown[i];
        const int width = i == 0 ? first_width(table, columns) : least_width(&table->ops->columns[number]);
        if (i > 0 && i <= table->left)
            continue;
        if (i > 0 && used + width > columns) {
            table->more_right = true;
            return;
        }
        table->places[table->places_count].number = (uint8_t)number;
        table->places[table->places_count].column = (int16_t)used;
        table->places[table->places_count++].width = (int16_t)width;
        used += width + GAP;
    }
}

/* The room that is left goes to those that grow: to the first one what it still asks for, then in equal parts. */
static void grow_columns(struct table *table, int columns)
{
    unsigned growing = 0;
    const unsigned count = table->places_count;
    for (unsigned i = 0; i < count; i++)
        growing += table->ops->columns[table->places[i].number].width < 0;
    int room = columns - table->places[count - 1].column - table->places[count - 1].width, moved = 0;
    const int wanted = table->first_wanted - table->places[0].width;
    if (room > 0 && wanted > 0 && growing > 1 && table->ops->columns[0].width < 0) {
        moved = wanted < room ? wanted : room;
        table->places[0].width = (int16_t)(table->places[0].width + moved);
        room -= moved;
    }
    for (unsigned i = 0; i < count; i++) {
        table->places[i].column = (int16_t)(table->places[i].column + (i > 0 ? moved : 0));
        if (table->ops->columns[table->places[i].number].width >= 0 || room <= 0)
            continue;
        const int part = (room + (int)growing - 1) / (int)growing;
        growing--;
        table->places[i].width = (int16_t)(table->places[i].width + part);
        room -= part;
        moved += part;
    }
}

/* ---- drawing ---- */

static void draw_heading(struct table *table, struct area area)
{
    area_style(area, 0, STYLE_heading);
    for (unsigned i = 0; i < table->places_count; i++) {
        const struct column *const column = &table->ops->columns[table->places[i].number];
        const bool sorted = table->places[i].number == table->sort && !table->ops->depth;
        const int at = table->places[i].column, width = table->places[i].width;
        const int title = sorted && width > 1 ? width - 1 : width;
        int sign = at + title;
        if (column->align_right)
            area_right(area, 0, at, title, STYLE_heading, column->title);
        else
            sign = at + area_text(area, 0, at, title, STYLE_heading, column->title);
        if (sorted && width > 1)
            area_glyph(area, 0, sign, STYLE_heading, GLYPH_arrow, table->descending ? 1 : 0);
    }
    if (table->left > 0)
        area_glyph(area, 0, 0, STYLE_heading, GLYPH_arrow, 3);
    if (table->more_right)
        area_glyph(area, 0, area.columns - 1, STYLE_heading, GLYPH_arrow, 2);
}

/* Lines of a tree before a name; returns their columns. */
static int draw_branch(const struct row *row, struct area area, int y, int column, int width)
{
    int used = 0;
    for (unsigned depth = 1; depth <= row->depth && used + 6 < width; depth++) {
        const bool goes_on = row->continues >> depth & 1;
        const unsigned form = depth < row->depth ? goes_on : goes_on ? 2 : 3;
        used += area_glyph(area, y, column + used, STYLE_dim, GLYPH_tree, form);
    }
    return used;
}

static void draw_cell(struct table *table, const struct row *row, unsigned place, struct area area, int y)
{
    const unsigned number = table->places[place].number;
    const struct column *const column = &table->ops->columns[number];
    int at = table->places[place].column, width = table->places[place].width;
    struct value value;
    char text[sizeof value.text + 32];
    table_value(table, row, number, &value);
    if (number == 0 && row->depth > 0) {
        const int used = draw_branch(row, area, y, at, width);
        at += used;
        width -= used;
    }
    if (value.kind == VALUE_spark) {
        area_spark(area, y, at, width, value.style == STYLE_plain ? STYLE_bar : value.style, value.values,
                   value.values_count);
        return;
    }
    if (value.kind == VALUE_bar) {
        area_bar(area, y, at, width, value.style == STYLE_plain ? STYLE_bar : value.style, value.number, value.most);
        return;
    }
    value_text(&value, text, sizeof text);
    if (value.kind == VALUE_time && text_columns(text) > width)
        text[strcspn(text, ".")] = '\0'; /* whole seconds rather than a cut time */
    if (column->align_right)
        area_right(area, y, at, width, value.style, text);
    else
        area_text(area, y, at, width, value.style, text);
}

static void draw_row(struct table *table, size_t index, struct area area, int y)
{
    const struct row *const row = &table->rows[index];
    const bool selected = index == table->cursor;
    for (unsigned i = 0; i < table->places_count; i++)
        draw_cell(table, row, i, area, y);
    const enum style style = table->ops->style ? table->ops->style(table->context, row->row) : STYLE_plain;
    if (selected || style != STYLE_plain)
        area_style(area, y, selected ? STYLE_selected : style);
    if (selected)
        area_text(area, y, 0, 1, STYLE_selected, ">");
}

static void keep_cursor_visible(struct table *table)
{
    const size_t page = table_page(table);
    if (table->cursor < table->top)
        table->top = table->cursor;
    else if (table->cursor >= table->top + page)
        table->top = table->cursor - page + 1;
    if (table->top + page > table->count)
        table->top = table->count > page ? table->count - page : 0;
}

void table_draw(struct table *table, struct area area)
{
    table->drawn = area;
    if (area.rows < 1 || area.columns < 1)
        return;
    table_order(table, table->cursor);
    keep_cursor_visible(table);
    choose_columns(table, area.columns);
    grow_columns(table, area.columns);
    draw_heading(table, area);
    for (int y = 1; y < area.rows && table->top + (size_t)y - 1 < table->count; y++)
        draw_row(table, table->top + (size_t)y - 1, area, y);
}

/* ---- what is shown ---- */

static size_t add(char *buffer, size_t size, size_t used, const char *text)
{
    if (used < size)
        snprintf(buffer + used, size - used, "%s", text);
    return used + strlen(text);
}

size_t table_status(const struct table *table, char *buffer, size_t size)
{
    char part[SEARCH_BYTES + 64];
    size_t used = 0;
    if (size > 0)
        buffer[0] = '\0';
    if (table->fault[0]) {
        used = add(buffer, size, used, table->fault);
        used = add(buffer, size, used, "; ");
    }
    snprintf(part, sizeof part, "%zu of %zu", table->count ? table->cursor + 1 : 0, table->count);
    used = add(buffer, size, used, part);
    if (!table->ops->depth) {
        snprintf(part, sizeof part, ", by %s", table->ops->columns[table->sort].title);
        used = add(buffer, size, used, part);
    }
    if (table->hide_silent) {
        snprintf(part, sizeof part, ", %zu silent hidden", table->silent);
        used = add(buffer, size, used, part);
    }
    if (table->search[0]) {
        snprintf(part, sizeof part, ", /%s%s", table->search, table->not_found ? " not found" : "");
        used = add(buffer, size, used, part);
    }
    return used;
}

/* ---- JSON ---- */

static void json_row(struct table *table, const struct row *row, struct output *out)
{
    const char *separator = "{";
    for (unsigned i = 0; i < table->columns_count; i++) {
        const struct column *const column = &table->ops->columns[i];
        struct value value;
        if (column->kind == VALUE_spark || column->kind == VALUE_bar)
            continue;
        table_value(table, row, i, &value);
        output_text(out, separator);
        output_json_text(out, column->name);
        output_text(out, ":");
        value_json(&value, out);
        separator = ",";
    }
    if (table->ops->depth)
        output_print(out, ",\"depth\":%u", row->depth);
    output_text(out, "}");
}

int table_json(struct table *table, struct output *out)
{
    table_update(table);
    table_order_all(table);
    output_text(out, "[");
    for (size_t i = 0; i < table->count; i++) {
        if (i > 0)
            output_text(out, ",\n");
        json_row(table, &table->rows[i], out);
    }
    return output_text(out, "]");
}
