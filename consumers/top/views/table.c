/* SPDX-License-Identifier: ISC
 *
 * Rows of a table in their order, the cursor among them, and searching. How it looks is table_draw.c's.
 */
#include "table_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- columns ---- */

static bool sorts(const struct column *column)
{
    return column->kind != VALUE_spark && column->kind != VALUE_bar;
}

static int column_named(const struct table *table, const char *name, size_t bytes)
{
    for (unsigned i = 0; i < table->columns_count; i++)
        if (strlen(table->ops->columns[i].name) == bytes && strncmp(table->ops->columns[i].name, name, bytes) == 0)
            return (int)i;
    return -1;
}

static void sort_by(struct table *table, unsigned column)
{
    table->sort = column;
    table->descending = table->ops->columns[column].descending;
}

static void fault(struct table *table, const char *key, const char *word, size_t bytes)
{
    const char *const place = config_place(table->config, "columns", key);
    snprintf(table->fault, sizeof table->fault, "%.90s: no column '%.*s'", place ? place : "",
             (int)(bytes > 40 ? 40 : bytes), word);
}

static void shown_by_default(struct table *table)
{
    table->shown_count = 0;
    for (unsigned i = 0; i < table->columns_count; i++) {
        const unsigned hidden = table->ops->columns[i].hidden;
        if (i == 0 || !hidden || (hidden == COLUMN_OF_HOSTS && table->several))
            table->shown[table->shown_count++] = (uint8_t)i;
    }
}

static void sort_by_default(struct table *table);

/* Another host's process has come, or there is only one host any more (another model). */
static void look_hosts(struct table *table)
{
    const bool several = table->ops->several && table->ops->several(table->context);
    if (table->by_config || several == table->several)
        return;
    table->several = several;
    shown_by_default(table);
    if (table->ops->columns[table->sort].hidden == COLUMN_OF_HOSTS && !several)
        sort_by_default(table);
}

/* "types = name count rate" in [columns]. */
static void shown_by_config(struct table *table, const char *text)
{
    table->shown[table->shown_count++] = 0;
    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        const size_t bytes = strcspn(text, " \t");
        const int column = column_named(table, text, bytes);
        if (column < 0)
            fault(table, table->ops->name, text, bytes);
        else if (column > 0 && !memchr(table->shown, column, table->shown_count))
            table->shown[table->shown_count++] = (uint8_t)column;
        text += bytes;
    }
}

/* "types.sort = -rate": a minus for the largest first. */
static void sort_by_config(struct table *table)
{
    char key[80];
    snprintf(key, sizeof key, "%s.sort", table->ops->name);
    const char *const text = config_get(table->config, "columns", key);
    const bool minus = text && *text == '-';
    const int column = text ? column_named(table, text + minus, strlen(text + minus)) : -1;
    if (text && column < 0)
        fault(table, key, text, strlen(text));
    if (column < 0)
        return;
    table->sort = (unsigned)column;
    table->descending = minus;
}

/* The first that people want to see from its largest, else the first. */
static void sort_by_default(struct table *table)
{
    for (unsigned i = 0; i < table->shown_count; i++)
        if (table->ops->columns[table->shown[i]].descending && sorts(&table->ops->columns[table->shown[i]])) {
            sort_by(table, table->shown[i]);
            return;
        }
    sort_by(table, 0);
}

int table_new(struct table **ret_table, const struct table_ops *ops, void *context, const struct config *config)
{
    struct table *const table = calloc(1, sizeof *table);
    if (!table)
        return -ENOMEM;
    *table = (struct table){.ops = ops, .context = context, .config = config};
    while (table->columns_count < TABLE_COLUMNS && ops->columns[table->columns_count].name)
        table->columns_count++;
    const char *const text = config_get(config, "columns", ops->name);
    table->by_config = text != NULL;
    if (text)
        shown_by_config(table, text);
    else
        shown_by_default(table);
    sort_by_default(table);
    sort_by_config(table);
    *ret_table = table;
    return 0;
}

void table_free(struct table *table)
{
    if (!table)
        return;
    free(table->rows);
    free(table->texts);
    free(table);
}

/* ---- rows ---- */

void table_value(const struct table *table, const struct row *row, unsigned column, struct value *ret_value)
{
    ret_value->kind = VALUE_none;
    ret_value->number = ret_value->most = 0;
    ret_value->exact = 0;
    ret_value->values = NULL;
    ret_value->values_count = 0;
    ret_value->style = STYLE_plain;
    ret_value->text[0] = '\0';
    table->ops->value(table->context, row->row, column, ret_value);
    ret_value->text[sizeof ret_value->text - 1] = '\0';
}

static uint32_t text_keep(struct table *table, const char *text)
{
    const size_t bytes = strlen(text) + 1;
    if (table->texts_room - table->texts_used < bytes) {
        const size_t room = table->texts_room * 2 + 4096;
        char *const texts = room < UINT32_MAX ? realloc(table->texts, room) : NULL;
        if (!texts)
            return 0;
        table->texts = texts;
        table->texts_room = room;
    }
    memcpy(table->texts + table->texts_used, text, bytes);
    table->texts_used += bytes;
    return (uint32_t)(table->texts_used - bytes);
}

static bool is_tree(const struct table *table)
{
    return table->ops->depth != NULL;
}

static void order_of(struct table *table, struct row *row)
{
    struct value value;
    if (is_tree(table))
        return;
    table_value(table, row, table->sort, &value);
    row->absent = value_absent(&value);
    if (value.kind == VALUE_text)
        row->text = text_keep(table, value.text);
    else if (!row->absent)
        row->order = value_order(&value);
}

static bool make_room(struct table *table, size_t count)
{
    if (count <= table->room)
        return true;
    struct row *const rows = realloc(table->rows, (count + count / 4) * sizeof *rows);
    if (!rows)
        return false;
    table->rows = rows;
    table->room = count + count / 4;
    return true;
}

static void take_rows(struct table *table)
{
    const size_t count = table->ops->rows(table->context);
    table->count = table->silent = table->texts_used = 0;
    text_keep(table, "");
    if (!make_room(table, count))
        return;
    for (size_t i = 0; i < count; i++) {
        void *const at = table->ops->row(table->context, i);
        if (!at)
            continue;
        if (table->hide_silent && table->ops->silent && table->ops->silent(table->context, at)) {
            table->silent++;
            continue;
        }
        struct row *const row = &table->rows[table->count++];
        *row = (struct row){.row = at, .id = table->ops->id(table->context, at)};
        const unsigned depth = is_tree(table) ? table->ops->depth(table->context, at) : 0;
        row->depth = depth < 63 ? (uint8_t)depth : 63;
        order_of(table, row);
    }
}

/* From the last row up: which levels go on below. */
static void find_branches(struct table *table)
{
    uint64_t open = 0;
    for (size_t i = table->count; i-- > 0;) {
        struct row *const row = &table->rows[i];
        row->continues = open;
        open = (open | UINT64_C(1) << row->depth) & (UINT64_MAX >> (63 - row->depth));
    }
}

/* Where the row that the cursor was on has gone; SIZE_MAX: it is not there any more. */
static size_t place_of(const struct table *table, uint64_t id)
{
    if (!is_tree(table))
        return table_rank(table, id);
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].id == id)
            return i;
    return SIZE_MAX;
}

static void follow_cursor(struct table *table)
{
    const size_t place = table->moved ? place_of(table, table->cursor_id) : 0;
    if (place != SIZE_MAX)
        table->cursor = place;
    if (table->cursor >= table->count)
        table->cursor = table->count ? table->count - 1 : 0;
    table_order(table, table->cursor);
    if (table->count)
        table->cursor_id = table->rows[table->cursor].id;
}

void table_update(struct table *table)
{
    look_hosts(table);
    take_rows(table);
    table_order_none(table);
    if (is_tree(table)) {
        find_branches(table);
        table->ordered_to = table->count;
    }
    follow_cursor(table);
}

/* ---- moving ---- */

static void move_to(struct table *table, size_t index)
{
    if (table->count == 0)
        return;
    table->cursor = index < table->count ? index : table->count - 1;
    table_order(table, table->cursor);
    table->cursor_id = table->rows[table->cursor].id;
    table->moved = table->cursor > 0;
}

static void move_by(struct table *table, int64_t rows)
{
    const int64_t at = (int64_t)table->cursor + rows;
    move_to(table, at < 0 ? 0 : (size_t)at);
}

void *table_selected(struct table *table)
{
    return table->cursor < table->count ? table->rows[table->cursor].row : NULL;
}

void table_select(struct table *table, uint64_t id)
{
    table->cursor_id = id;
    table->moved = true;
    follow_cursor(table);
}

/* ---- searching ---- */

static bool matches(const struct table *table, size_t index)
{
    char text[sizeof((struct value *)0)->text + 16];
    for (unsigned i = 0; i < table->shown_count; i++) {
        struct value value;
        table_value(table, &table->rows[index], table->shown[i], &value);
        value_text(&value, text, sizeof text);
        if (strcasestr(text, table->search))
            return true;
    }
    return false;
}

/* The next match from `offset` rows behind the cursor on, around the end. */
static void find(struct table *table, size_t offset, bool backwards)
{
    table->not_found = false;
    if (!table->search[0])
        return;
    table_order_all(table);
    for (size_t i = 0; i < table->count; i++) {
        const size_t steps = (offset + i) % table->count;
        const size_t index = (table->cursor + (backwards ? table->count - steps : steps)) % table->count;
        if (matches(table, index)) {
            move_to(table, index);
            table->moved = true;
            return;
        }
    }
    table->not_found = true;
}

void table_search(struct table *table, const char *text)
{
    snprintf(table->search, sizeof table->search, "%s", text ? text : "");
    find(table, 0, false);
}

/* ---- actions ---- */

/* The column `step` places from the one that sorts, of those that can. */
static void sort_step(struct table *table, int step)
{
    int at = 0;
    for (unsigned i = 0; i < table->shown_count; i++)
        if (table->shown[i] == table->sort)
            at = (int)i;
    do
        at = (at + step + (int)table->shown_count) % (int)table->shown_count;
    while (!sorts(&table->ops->columns[table->shown[at]]));
    sort_by(table, table->shown[at]);
    table_update(table);
}

static bool scroll(struct table *table, bool right)
{
    if (right ? !table->more_right : table->left == 0)
        return false;
    table->left += right ? 1u : -1u;
    return true;
}

static bool order_action(struct table *table, enum action action)
{
    if (action != ACTION_silent && is_tree(table))
        return false;
    if (action == ACTION_sort_next || action == ACTION_sort_previous)
        sort_step(table, action == ACTION_sort_next ? 1 : -1);
    else if (action == ACTION_sort_reverse)
        table->descending = !table->descending;
    else if (action == ACTION_silent && table->ops->silent)
        table->hide_silent = !table->hide_silent;
    else
        return false;
    table_update(table);
    return true;
}

bool table_action(struct table *table, enum action action)
{
    const int64_t page = (int64_t)table_page(table);
    switch (action) {
    case ACTION_down:
    case ACTION_up:
        move_by(table, action == ACTION_down ? 1 : -1);
        return true;
    case ACTION_page_down:
    case ACTION_page_up:
        move_by(table, action == ACTION_page_down ? page : -page);
        return true;
    case ACTION_half_down:
    case ACTION_half_up:
        move_by(table, action == ACTION_half_down ? (page + 1) / 2 : -(page + 1) / 2);
        return true;
    case ACTION_first:
    case ACTION_last:
        move_to(table, action == ACTION_first ? 0 : SIZE_MAX);
        return true;
    case ACTION_search_next:
    case ACTION_search_previous:
        find(table, 1, action == ACTION_search_previous);
        return true;
    case ACTION_left:
    case ACTION_right:
        return scroll(table, action == ACTION_right);
    default:
        return order_action(table, action);
    }
}

static bool click_heading(struct table *table, int column)
{
    for (unsigned i = 0; i < table->places_count; i++) {
        const unsigned number = table->places[i].number;
        if (column < table->places[i].column || column >= table->places[i].column + table->places[i].width ||
            is_tree(table) || !sorts(&table->ops->columns[number]))
            continue;
        if (number == table->sort)
            table->descending = !table->descending;
        else
            sort_by(table, number);
        table_update(table);
        return true;
    }
    return false;
}

bool table_click(struct table *table, int row, int column)
{
    if (row == 0)
        return click_heading(table, column);
    const size_t index = table->top + (size_t)row - 1;
    if (row < 0 || (size_t)row > table_page(table) || index >= table->count)
        return false;
    move_to(table, index);
    table->moved = true;
    return true;
}
