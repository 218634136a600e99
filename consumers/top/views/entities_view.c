/* SPDX-License-Identifier: ISC
 *
 * Entities: flat, or as a tree by parent; and the views of one's own, which show some classes of them.
 */
#include "custom_views.h"
#include "../model/clock.h"
#include "entity_rows.h"
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COST_SHARE 20  /* rows are made anew at most so often that it takes a twentieth of the time */
#define CLASSES_ROWS 6 /* of an area that is lower than this, none for the classes */

struct entities_view {
    struct view view;
    const struct entity_settings *settings;
    struct table *flat, *tree;
    struct table_ops flat_ops, tree_ops;
    struct entity_rows rows;
    struct entity_match *match;
    char fault[160];
    bool is_tree, chosen, unfold; /* chosen: by the user; unfold: for JSON */
    struct entity_fold folds[FOLDS_MAX];
    unsigned folds_count;
    int64_t made_ns, cost_ns;
    unsigned head; /* rows above the table */
};

static struct entities_view *of_view(struct view *view)
{
    return (struct entities_view *)(void *)view;
}

static struct entities *entities_in(const struct entities_view *view)
{
    return entities_of(top_model(view->view.top));
}

static struct table *table_in(const struct entities_view *view)
{
    return view->is_tree ? view->tree : view->flat;
}

/* ---- the tables ---- */

static size_t rows(void *context)
{
    struct entities_view *const view = context;
    const struct entity_query query = {.classes = view->settings->classes,
                                       .match = view->match,
                                       .folds = view->folds,
                                       .folds_count = view->folds_count,
                                       .depth = view->settings->depth,
                                       .tree = view->is_tree,
                                       .unfold = view->unfold,
                                       .hosts = model_several_hosts(top_model(view->view.top)),
                                       .matched = top_model(view->view.top)->options.filter != NULL};
    entity_rows_make(&view->rows, entities_in(view), &query);
    return view->rows.count;
}

static void *row_at(void *context, size_t index)
{
    return &((struct entities_view *)context)->rows.rows[index];
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return entity_row_id(row);
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    const struct entities_view *const view = context;
    entity_value(&view->rows, row, view->settings->numbers ? view->settings->numbers[column] : column, value);
}

static bool silent(void *context, const void *row)
{
    return entity_row_style(&((struct entities_view *)context)->rows, row) == STYLE_dim;
}

static unsigned depth_of(void *context, const void *row)
{
    (void)context;
    return ((const struct entity_row *)row)->depth;
}

/* A tree has them as its branches. */
static bool several(void *context)
{
    const struct entities_view *const view = context;
    return !view->is_tree && model_several_hosts(top_model(view->view.top));
}

static enum style style_of(void *context, const void *row)
{
    return entity_row_style(&((struct entities_view *)context)->rows, row);
}

static void update(struct entities_view *view, bool at_once)
{
    const int64_t now_ns = clock_monotonic_ns();
    if (!at_once && now_ns - view->made_ns < view->cost_ns * COST_SHARE)
        return;
    table_update(table_in(view));
    view->made_ns = clock_monotonic_ns();
    view->cost_ns = view->made_ns - now_ns;
}

/* ---- opening ---- */

static const struct entity_settings all = {.name = "entities"};

static int entities_open(struct view *at)
{
    struct entities_view *const view = of_view(at);
    char *error = NULL;
    view->settings = custom_view_settings(at->ops);
    if (!view->settings)
        view->settings = &all;
    view->flat_ops = (struct table_ops){.name = view->settings->name,
                                        .columns = view->settings->columns ? view->settings->columns : entity_columns,
                                        .rows = rows,
                                        .row = row_at,
                                        .id = id_of,
                                        .value = value_of,
                                        .silent = silent,
                                        .style = style_of,
                                        .several = several};
    view->tree_ops = view->flat_ops;
    view->tree_ops.depth = depth_of;
    view->is_tree = !view->settings->flat && view->settings != &all;
    view->chosen = view->settings != &all;
    if (view->settings->filter && entity_match_new(&view->match, view->settings->filter, &error) < 0)
        snprintf(view->fault, sizeof view->fault, "%s", error ? error : "bad filter");
    free(error);
    int r = table_new(&view->flat, &view->flat_ops, view, at->top->config);
    if (r == 0)
        r = table_new(&view->tree, &view->tree_ops, view, at->top->config);
    if (r < 0) {
        table_free(view->flat);
        entity_match_free(view->match);
    }
    return r;
}

static void entities_close(struct view *at)
{
    struct entities_view *const view = of_view(at);
    table_free(view->flat);
    table_free(view->tree);
    entity_match_free(view->match);
    entity_rows_fini(&view->rows);
}

static void model_changed(struct view *at)
{
    struct entities_view *const view = of_view(at);
    view->folds_count = 0;
    update(view, true);
}

/* ---- drawing ---- */

/* A tree, if there are parents. */
static void choose_form(struct entities_view *view)
{
    const struct entities *const entities = entities_in(view);
    if (view->chosen)
        return;
    for (uint32_t i = 0; i < entity_classes_count(entities) && !view->is_tree; i++)
        view->is_tree = entity_class_at(entities, i)->parent != 0;
}

/* "pool.conn 12: idle 8 active 4"; those that have ended with their process count as they were. */
static int draw_class(struct area area, int column, const struct entity_class *class)
{
    const uint32_t count = class->alive + class->ended;
    int at = column;
    at += area_print(area, 0, at, -1, STYLE_title, "%s", class->name);
    at += area_print(area, 0, at, -1, STYLE_plain, " %u%s%s", count,
                     class->ended == 0   ? ""
                     : class->alive == 0 ? " ended"
                                         : " some ended",
                     count > 0 && !class->measured ? ":" : "");
    for (unsigned i = 0; i < class->states_count && !class->measured; i++)
        if (class->states[i].alive + class->states[i].ended > 0)
            at += area_print(area, 0, at, -1, STYLE_dim, " %s %u", class->states[i].name,
                             class->states[i].alive + class->states[i].ended);
    return at + 2;
}

static void draw_classes(struct entities_view *view, struct area area)
{
    const struct entities *const entities = entities_in(view);
    int column = 1;
    for (uint32_t i = 0; i < entity_classes_count(entities) && column < area.columns; i++) {
        const struct entity_class *const class = entity_class_at(entities, i);
        if (class->known > 0 && entity_classes_match(view->settings->classes, class->name))
            column = draw_class(area, column, class);
    }
}

static void entities_draw(struct view *at, struct area area)
{
    struct entities_view *const view = of_view(at);
    const bool before = view->is_tree;
    choose_form(view);
    update(view, view->is_tree != before);
    view->head = area.rows >= CLASSES_ROWS;
    if (view->head)
        draw_classes(view, area);
    table_draw(table_in(view), area_part(area, (int)view->head, 0, -1, -1));
    if (view->rows.count == 0 && area.rows > 4)
        area_text(area, 3, 1, -1, STYLE_dim,
                  "nothing yet: entities come from events of the kinds state, name and gone (EVTRAIL_STATE)");
}

/* ---- actions ---- */

static void fold(struct entities_view *view, const struct entity_row *row, bool folded)
{
    const bool host = !row->entity;
    const uint32_t serial = host ? row->host : row->serial;
    for (unsigned i = 0; i < view->folds_count; i++)
        if (view->folds[i].host == host && view->folds[i].serial == serial) {
            view->folds[i].folded = folded;
            return;
        }
    if (view->folds_count == FOLDS_MAX) /* the oldest goes */
        memmove(view->folds, view->folds + 1, --view->folds_count * sizeof *view->folds);
    view->folds[view->folds_count++] = (struct entity_fold){.serial = serial, .folded = folded, .host = host};
}

static bool fold_selected(struct entities_view *view, bool folded)
{
    update(view, true);
    const struct entity_row *const row = view->is_tree ? table_selected(view->tree) : NULL;
    if (!row)
        return true;
    fold(view, row, folded);
    update(view, true);
    return true;
}

static bool open_selected(struct entities_view *view)
{
    update(view, true);
    const struct entity_row *const row = table_selected(table_in(view));
    struct entity *const entity = row ? entity_row_entity(&view->rows, row) : NULL;
    char name[ENTITY_LABEL_BYTES + 32];
    if (row && !row->entity)
        return fold_selected(view, !row->folded);
    if (!entity)
        return true;
    entity_name(view->rows.entities, entity, name, sizeof name);
    top_open_view(view->view.top, &entity_detail, (uint64_t)entity->serial << 32 | entity->index, name);
    return true;
}

static bool entities_action(struct view *at, enum action action)
{
    struct entities_view *const view = of_view(at);
    switch (action) {
    case ACTION_enter:
        return open_selected(view);
    case ACTION_expand:
    case ACTION_collapse:
        return fold_selected(view, action == ACTION_collapse);
    case ACTION_tree:
        view->is_tree = !view->is_tree;
        view->chosen = true;
        update(view, true);
        return true;
    default:
        return table_action(table_in(view), action);
    }
}

static bool entities_click(struct view *at, int row, int column)
{
    struct entities_view *const view = of_view(at);
    return row >= (int)view->head && table_click(table_in(view), row - (int)view->head, column);
}

static void entities_search(struct view *at, const char *text)
{
    table_search(table_in(of_view(at)), text);
}

static size_t entities_status(struct view *at, char *buffer, size_t size)
{
    const struct entities_view *const view = of_view(at);
    const struct entities *const entities = entities_in(view);
    char more[256];
    size_t used = table_status(table_in(view), buffer, size);
    snprintf(more, sizeof more, ", %u alive", entities_alive(entities));
    if (entities_left_out(entities) > 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", %llu left out for want of memory",
                 (unsigned long long)entities_left_out(entities));
    if (view->fault[0])
        snprintf(more + strlen(more), sizeof more - strlen(more), "; filter: %s", view->fault);
    if (used < size)
        snprintf(buffer + used, size - used, "%s", more);
    return used + strlen(more);
}

static size_t entities_copy(struct view *at, char *buffer, size_t size)
{
    struct entities_view *const view = of_view(at);
    const struct entity_row *const row = table_selected(table_in(view));
    const struct entity *const entity = row ? entity_row_entity(&view->rows, row) : NULL;
    char name[ENTITY_LABEL_BYTES + 32], state[64];
    if (!entity)
        return 0;
    entity_name(view->rows.entities, entity, name, sizeof name);
    entity_state_text(view->rows.entities, entity, state, sizeof state);
    const int n = snprintf(buffer, size, "%s %s id=%llu %s", entity_class_of(view->rows.entities, entity)->name, name,
                           (unsigned long long)entity->id, state);
    return n < 0 ? 0 : (size_t)n;
}

/* ---- JSON ---- */

static void json_class(const struct entity_class *class, struct output *out)
{
    const char *separator = "";
    output_text(out, "{\"class\":");
    output_json_text(out, class->name);
    output_print(out, ",\"alive\":%u,\"ended\":%u,\"seen\":%llu,\"gone\":%llu,\"left_out\":%llu,\"states\":{",
                 class->alive, class->ended, (unsigned long long)class->seen, (unsigned long long)class->gone,
                 (unsigned long long)class->left_out);
    for (unsigned i = 0; i < class->states_count && !class->measured; i++) {
        output_text(out, separator);
        output_json_text(out, class->states[i].name);
        output_print(out, ":%u", class->states[i].alive + class->states[i].ended);
        separator = ",";
    }
    output_text(out, "}}");
}

static int entities_json(struct view *at, struct output *out)
{
    struct entities_view *const view = of_view(at);
    const struct entities *const entities = entities_in(view);
    const char *separator = "";
    output_text(out, "{\"classes\":[");
    for (uint32_t i = 0; i < entity_classes_count(entities); i++) {
        const struct entity_class *const class = entity_class_at(entities, i);
        if (!entity_classes_match(view->settings->classes, class->name))
            continue;
        output_text(out, separator);
        json_class(class, out);
        separator = ",\n";
    }
    output_print(out, "],\"left_out\":%llu,\"rows\":", (unsigned long long)entities_left_out(entities));
    choose_form(view);
    view->unfold = true;
    table_json(table_in(view), out);
    view->unfold = false;
    update(view, true);
    return output_text(out, "}");
}

const struct view_ops entities_view = {
    .name = "entities",
    .title = "Entities",
    .key = 'E',
    .text = "Every live thing with a state, by class: connections, requests, threads, whatever the events of the kinds "
            "state, "
            "name and gone tell of. As a tree by parent (t: flat; + and - open and close a branch), with sums on "
            "parents. Enter opens one.",
    .bytes = sizeof(struct entities_view),
    .open = entities_open,
    .close = entities_close,
    .model_changed = model_changed,
    .draw = entities_draw,
    .action = entities_action,
    .click = entities_click,
    .search = entities_search,
    .status = entities_status,
    .copy = entities_copy,
    .json = entities_json,
};
