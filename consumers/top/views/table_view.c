/* SPDX-License-Identifier: ISC
 *
 * Views that are one table: most of their operations.
 */
#include "table_view.h"

void table_view_close(struct view *view)
{
    table_free(((struct table_view *)view)->table);
}

static void take_rows(struct table_view *view)
{
    table_update(view->table);
    view->generation = feed_generation(view->view.top->feed);
}

void table_view_changed(struct view *view)
{
    take_rows((struct table_view *)view);
}

void *table_view_selected(struct table_view *view)
{
    if (view->generation != feed_generation(view->view.top->feed))
        take_rows(view);
    return table_selected(view->table);
}

void table_view_draw(struct table_view *view, struct area area)
{
    take_rows(view);
    table_draw(view->table, area);
}

bool table_view_click(struct view *view, int row, int column)
{
    return table_click(((struct table_view *)view)->table, row, column);
}

void table_view_search(struct view *view, const char *text)
{
    table_view_changed(view);
    table_search(((struct table_view *)view)->table, text);
}

size_t table_view_status(struct view *view, char *buffer, size_t size)
{
    return table_status(((struct table_view *)view)->table, buffer, size);
}

size_t text_end(char *buffer, size_t size, size_t bytes)
{
    if (size == 0)
        return 0;
    const size_t end = bytes < size ? bytes : size - 1;
    buffer[end] = '\0';
    return end;
}

const char *duration_words(uint64_t ns, char buffer[32])
{
    const struct value value = {.kind = VALUE_duration, .exact = ns};
    value_text(&value, buffer, 32);
    return buffer;
}
