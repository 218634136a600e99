/* SPDX-License-Identifier: ISC
 *
 * The order of a table's rows. Of many rows only those are put into order that are looked at: the others are only known to come before or
 * behind them. So a redraw takes time in proportion to the rows, however often they change their places.
 */
#include "table_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WHOLE_ROWS 2000u /* up to so many are sorted at once */
#define WINDOW_ROWS 512u /* more of them than a screen has */

static int compare(const void *a, const void *b, void *context)
{
    const struct row *const left = a, *const right = b;
    const struct table *const table = context;
    int order = (left->order > right->order) - (left->order < right->order);
    if (left->absent != right->absent)
        return left->absent - right->absent;
    if (order == 0 && (left->text | right->text))
        order = strcasecmp(table->texts + left->text, table->texts + right->text);
    if (order == 0)
        return (left->id > right->id) - (left->id < right->id);
    return table->descending ? -order : order;
}

static void swap(struct row *a, struct row *b)
{
    const struct row kept = *a;
    *a = *b;
    *b = kept;
}

/* The middle one of three to the front. */
static void choose_pivot(struct table *table, size_t from, size_t to)
{
    struct row *const a = &table->rows[from], *const b = &table->rows[from + (to - from) / 2],
                      *const c = &table->rows[to - 1];
    struct row *const low = compare(a, b, table) < 0 ? a : b, *const high = low == a ? b : a;
    swap(a, compare(c, low, table) < 0 ? low : compare(c, high, table) < 0 ? c : high);
}

/* Rows in [from, to) so that the one at `place` is the one that belongs there, with smaller ones before it. */
static void select_place(struct table *table, size_t from, size_t to, size_t place)
{
    while (to - from > 2) {
        choose_pivot(table, from, to);
        struct row *const rows = table->rows;
        size_t low = from, high = to;
        for (;;) { /* Hoare's partition: the pivot is at `from` */
            do
                low++;
            while (low < to && compare(&rows[low], &rows[from], table) < 0);
            do
                high--;
            while (compare(&rows[high], &rows[from], table) > 0);
            if (low >= high)
                break;
            swap(&rows[low], &rows[high]);
        }
        swap(&rows[from], &rows[high]);
        if (place == high)
            return;
        if (place < high)
            to = high;
        else
            from = high + 1;
    }
    if (to - from == 2 && compare(&table->rows[from], &table->rows[from + 1], table) > 0)
        swap(&table->rows[from], &table->rows[from + 1]);
}

static void sort_range(struct table *table, size_t from, size_t to)
{
    qsort_r(table->rows + from, to - from, sizeof *table->rows, compare, table);
    table->ordered_from = from;
    table->ordered_to = to;
}

void table_order_all(struct table *table)
{
    if (table->ordered_from > 0 || table->ordered_to < table->count)
        sort_range(table, 0, table->count);
}

void table_order(struct table *table, size_t index)
{
    size_t from = index > WINDOW_ROWS / 2 ? index - WINDOW_ROWS / 2 : 0;
    size_t to = from + WINDOW_ROWS < table->count ? from + WINDOW_ROWS : table->count;
    const size_t margin = table_page(table) + 1;
    const size_t need_from = index > margin ? index - margin : 0;
    const size_t need_to = index + margin < table->count ? index + margin : table->count;
    if (need_from >= table->ordered_from && need_to <= table->ordered_to)
        return;
    if (table->count <= WHOLE_ROWS || margin > WINDOW_ROWS / 2) {
        table_order_all(table);
        return;
    }
    if (from > 0)
        select_place(table, 0, table->count, from);
    if (to < table->count)
        select_place(table, from, table->count, to);
    sort_range(table, from, to);
}

void table_order_none(struct table *table)
{
    table->ordered_from = table->ordered_to = 0;
}

size_t table_rank(const struct table *table, uint64_t id)
{
    const struct row *found = NULL;
    size_t rank = 0;
    for (size_t i = 0; i < table->count && !found; i++)
        if (table->rows[i].id == id)
            found = &table->rows[i];
    if (!found)
        return SIZE_MAX;
    for (size_t i = 0; i < table->count; i++)
        rank += compare(&table->rows[i], found, (void *)(uintptr_t)table) < 0;
    return rank;
}
