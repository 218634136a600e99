/* SPDX-License-Identifier: ISC
 *
 * One entity: what is known of it, where its time went, its children, and its own log out of what is held.
 */
#include "entity_rows.h"
#include "log.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entity_detail {
    struct view view;
    struct table *table; /* of its children */
    struct table_ops ops;
    struct entity_rows rows;
    uint32_t index, serial;
    struct entity_identity identity;
    struct log *log; /* its events; NULL: not yet known which */
    bool in_log;     /* keys are for the log */
    bool chosen;     /* ... or not, as the user said */
    int table_row, log_row;
};

static struct entity_detail *of_view(struct view *view)
{
    return (struct entity_detail *)(void *)view;
}

static struct entities *entities_in(const struct entity_detail *detail)
{
    return entities_of(top_model(detail->view.top));
}

static struct entity *entity_in(const struct entity_detail *detail)
{
    return detail->serial ? entity_with(entities_in(detail), detail->index, detail->serial)
                          : entity_identified(entities_in(detail), &detail->identity);
}

/* ---- children ---- */

static size_t rows(void *context)
{
    struct entity_detail *const detail = context;
    const struct entity *const entity = entity_in(detail);
    const struct entity_query query = {.parent = entity ? entity->index : UINT32_MAX};
    entity_rows_make(&detail->rows, entities_in(detail), &query);
    return detail->rows.count;
}

static void *row_at(void *context, size_t index)
{
    return &((struct entity_detail *)context)->rows.rows[index];
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return entity_row_id(row);
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    entity_value(&((struct entity_detail *)context)->rows, row, column, value);
}

static enum style style_of(void *context, const void *row)
{
    return entity_row_style(&((struct entity_detail *)context)->rows, row);
}

/* ---- opening ---- */

/* Its events are those that carry its id. */
static void make_log(struct entity_detail *detail)
{
    const struct entity *const entity = entity_in(detail);
    char text[512];
    if (!entity || detail->log)
        return;
    entity_identify(entities_in(detail), entity, &detail->identity);
    entity_filter_text(entities_in(detail), entity, text, sizeof text);
    if (log_new(&detail->log, detail->view.top, text) < 0)
        detail->log = NULL;
}

static int detail_open(struct view *at)
{
    struct entity_detail *const detail = of_view(at);
    detail->index = (uint32_t)at->target;
    detail->serial = (uint32_t)(at->target >> 32);
    detail->ops = (struct table_ops){.name = "entities",
                                     .columns = entity_columns,
                                     .rows = rows,
                                     .row = row_at,
                                     .id = id_of,
                                     .value = value_of,
                                     .style = style_of};
    const int r = table_new(&detail->table, &detail->ops, detail, at->top->config);
    if (r == 0)
        make_log(detail);
    return r;
}

static void detail_close(struct view *at)
{
    struct entity_detail *const detail = of_view(at);
    table_free(detail->table);
    entity_rows_fini(&detail->rows);
    log_free(detail->log);
}

/* In another model it has another place. */
static void model_changed(struct view *at)
{
    struct entity_detail *const detail = of_view(at);
    detail->serial = 0;
    if (detail->log)
        log_changed(detail->log);
    table_update(detail->table);
}

/* ---- drawing ---- */

/* All columns that say something, as "title value", in as many columns as there is room for. */
static int draw_fields(struct entity_detail *detail, struct area area, const struct entity_row *row)
{
    const int wide = 36, across = area.columns / wide > 0 ? area.columns / wide : 1;
    int place = 0;
    for (unsigned i = 0; i < entity_columns_count() && place / across < area.rows; i++) {
        struct value value = {.kind = VALUE_none};
        char text[sizeof value.text + 32];
        entity_value(&detail->rows, row, i, &value);
        const bool is_long = strcmp(entity_columns[i].name, "error") == 0;
        if (value.kind == VALUE_none || (value.kind == VALUE_text && !value.text[0]) ||
            (entity_columns[i].hidden == COLUMN_OF_HOSTS && !model_several_hosts(top_model(detail->view.top))))
            continue;
        if (is_long)
            place = (place + across - 1) / across * across;
        value_text(&value, text, sizeof text);
        const int column = place % across * wide + 1, width = is_long ? area.columns - 14 : wide - 13;
        area_text(area, place / across, column, 11, STYLE_dim, entity_columns[i].title);
        area_text(area, place / across, column + 11, width, value.style, text);
        place += is_long ? across : 1;
    }
    return (place + across - 1) / across;
}

static int draw_states(const struct entity_detail *detail, struct area area, const struct entity *entity)
{
    const struct entities *const entities = entities_in(detail);
    const struct entity_class *const class = entity_class_of(entities, entity);
    uint64_t all = 0;
    int y = 0;
    for (unsigned i = 0; i < class->states_count; i++)
        all += entity_state_ns(entities, entity, i);
    for (unsigned i = 0; i < class->states_count && y < area.rows; i++) {
        const uint64_t ns = entity_state_ns(entities, entity, i);
        char text[64];
        struct value value = {.kind = VALUE_duration, .exact = ns, .number = (double)ns};
        if (ns == 0)
            continue;
        value_text(&value, text, sizeof text);
        area_text(area, y, 1, 16, i == entity->state ? STYLE_title : STYLE_plain, class->states[i].name);
        area_text(area, y, 18, 8, STYLE_dim, phase_name(class->states[i].phase));
        area_right(area, y, 26, 9, STYLE_number, text);
        area_print(area, y, 36, 6, STYLE_number, "%5.1f%%", 100.0 * (double)ns / (double)(all ? all : 1));
        area_bar(area, y++, 44, area.columns - 45, STYLE_bar, (double)ns, (double)all);
    }
    return y;
}

/* A line says what it is, and whose keys are meant. */
static void draw_log(struct entity_detail *detail, struct area area)
{
    if (area.rows < 3 || !detail->log)
        return;
    area_print(area, 0, 1, -1, STYLE_title, "its events%s", detail->in_log ? "" : " (i: to them)");
    log_draw(detail->log, area_part(area, 1, 0, -1, -1));
}

static int part_rows(const struct entity_detail *detail, int rows_left)
{
    const int want = (int)detail->rows.count + 1, most = rows_left / 2;
    return detail->rows.count == 0 ? 0 : want < most ? want : most;
}

static void detail_draw(struct view *at, struct area area)
{
    struct entity_detail *const detail = of_view(at);
    struct entity *const entity = entity_in(detail);
    table_update(detail->table);
    if (!entity) {
        area_print(area, 0, 1, -1, STYLE_notice, "%s is not known any more, or not at this time", at->target_name);
        draw_log(detail, area_part(area, 2, 0, -1, -1));
        return;
    }
    make_log(detail);
    const struct entity_row row = {.entity = entity, .serial = entity->serial};
    int y = draw_fields(detail, area_part(area, 0, 0, area.rows / 2, -1), &row);
    y += draw_states(detail, area_part(area, y, 0, -1, -1), entity);
    const int children = part_rows(detail, area.rows - y);
    if (!detail->chosen)
        detail->in_log = detail->rows.count == 0;
    detail->table_row = y;
    detail->log_row = y + children + 1;
    if (children > 1)
        table_draw(detail->table, area_part(area, y, 0, children, -1));
    draw_log(detail, area_part(area, y + children, 0, -1, -1));
}

/* ---- actions ---- */

static bool open_child(struct entity_detail *detail)
{
    const struct entity_row *const row = table_selected(detail->table);
    struct entity *const entity = row ? entity_row_entity(&detail->rows, row) : NULL;
    char name[ENTITY_LABEL_BYTES + 32];
    if (!entity)
        return true;
    entity_name(detail->rows.entities, entity, name, sizeof name);
    top_open_view(detail->view.top, &entity_detail, (uint64_t)entity->serial << 32 | entity->index, name);
    return true;
}

static bool detail_action(struct view *at, enum action action)
{
    struct entity_detail *const detail = of_view(at);
    if (action == ACTION_describe && detail->rows.count > 0) {
        detail->in_log = !detail->in_log;
        detail->chosen = true;
        return true;
    }
    if (detail->in_log || action == ACTION_follow || action == ACTION_mark)
        return detail->log && log_action(detail->log, action);
    return action == ACTION_enter ? open_child(detail) : table_action(detail->table, action);
}

static bool detail_click(struct view *at, int row, int column)
{
    struct entity_detail *const detail = of_view(at);
    if (row >= detail->log_row)
        return detail->log && log_click(detail->log, row - detail->log_row);
    return row >= detail->table_row && table_click(detail->table, row - detail->table_row, column);
}

static void detail_search(struct view *at, const char *text)
{
    const struct entity_detail *const detail = of_view(at);
    if (!detail->in_log)
        table_search(detail->table, text);
    else if (detail->log)
        log_search(detail->log, text);
}

static size_t detail_status(struct view *at, char *buffer, size_t size)
{
    const struct entity_detail *const detail = (const struct entity_detail *)(const void *)at;
    if (detail->in_log && detail->log)
        return log_status(detail->log, buffer, size);
    const int n = snprintf(buffer, size, "%zu below it; i: to its events", detail->rows.count);
    return n < 0 ? 0 : (size_t)n;
}

static size_t detail_copy(struct view *at, char *buffer, size_t size)
{
    const struct entity_detail *const detail = (const struct entity_detail *)(const void *)at;
    const struct entity *const entity = entity_in(detail);
    if (detail->in_log && detail->log)
        return log_copy(detail->log, buffer, size);
    return entity ? entity_filter_text(entities_in(detail), entity, buffer, size) : 0;
}

static int detail_json(struct view *at, struct output *out)
{
    struct entity_detail *const detail = of_view(at);
    struct entity *const entity = entity_in(detail);
    const char *separator = "";
    if (!entity)
        return output_text(out, "null");
    const struct entity_class *const class = entity_class_of(entities_in(detail), entity);
    output_text(out, "{\"name\":");
    output_json_text(out, at->target_name);
    output_print(out, ",\"id\":%llu,\"states_ns\":{", (unsigned long long)entity->id);
    for (unsigned i = 0; i < class->states_count; i++) {
        output_text(out, separator);
        output_json_text(out, class->states[i].name);
        output_print(out, ":%llu", (unsigned long long)entity_state_ns(entities_in(detail), entity, i));
        separator = ",";
    }
    output_text(out, "},\"children\":");
    table_json(detail->table, out);
    return output_text(out, "}");
}

const struct view_ops entity_detail = {
    .name = "entity",
    .title = "Entity",
    .text = "One entity: all that is known of it, where its time went, its children, and its own events. Enter opens a "
            "child; y copies a filter for its events.",
    .bytes = sizeof(struct entity_detail),
    .open = detail_open,
    .close = detail_close,
    .model_changed = model_changed,
    .draw = detail_draw,
    .action = detail_action,
    .click = detail_click,
    .search = detail_search,
    .status = detail_status,
    .copy = detail_copy,
    .json = detail_json,
};
