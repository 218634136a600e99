/* SPDX-License-Identifier: ISC
 *
 * What views that are one table have in common, and how their columns are filled.
 */
#ifndef EVTRAIL_TOP_TABLE_VIEW_H
#define EVTRAIL_TOP_TABLE_VIEW_H

#include "table.h"
#include "view.h"

#include <stdio.h>

struct table_view {
    struct view view; /* first */
    struct table *table;
    unsigned generation; /* of the feed, when the table took its rows */
};

void table_view_close(struct view *view);
/* Rows are of another model than the table's: takes them anew. */
void table_view_changed(struct view *view);
/* The selected row of the model that there is now; NULL: none. */
void *table_view_selected(struct table_view *view);
void table_view_draw(struct table_view *view, struct area area);
bool table_view_click(struct view *view, int row, int column);
void table_view_search(struct view *view, const char *text);
size_t table_view_status(struct view *view, char *buffer, size_t size);

static inline void value_put(struct value *value, enum value_kind kind, double number)
{
    value->kind = kind;
    value->number = number;
}
/* For counts, bytes and durations: exact. */
static inline void value_count(struct value *value, enum value_kind kind, uint64_t number)
{
    value->kind = kind;
    value->exact = number;
    value->number = (double)number;
}
static inline void value_words(struct value *value, const char *text)
{
    value->kind = VALUE_text;
    snprintf(value->text, sizeof value->text, "%s", text);
}
/* Text as from evtrail_format_...(), without a NUL: how many bytes of `size` are there. */
size_t text_end(char *buffer, size_t size, size_t bytes);
/* A duration for people, as in tables. */
const char *duration_words(uint64_t ns, char buffer[32]);

#endif /* EVTRAIL_TOP_TABLE_VIEW_H */
