/* SPDX-License-Identifier: ISC
 *
 * One warning: its rule and its settings, when it was so, and the entities that it is about.
 */
#include "../model/entities.h"
#include "../model/warnings.h"
#include "view.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <string.h>

struct warning_view {
    struct view view;
    unsigned cursor; /* among the entities */
};

static struct warning_view *of_view(struct view *view)
{
    return (struct warning_view *)(void *)view;
}

static const struct warning *warning_in(const struct view *view)
{
    return warning_of_serial(top_model(view->top), (uint32_t)view->target);
}

static int warning_open(struct view *at)
{
    (void)at;
    return 0;
}

static void warning_close(struct view *at)
{
    (void)at;
}

/* ---- drawing ---- */

static void time_text(int64_t ns, char *text, size_t size)
{
    const size_t bytes = evtrail_format_time(ns, EVTRAIL_TIME_clock, 0, text, size - 1);
    text[bytes < size ? bytes : size - 1] = '\0';
}

static int draw_rule(const struct model *model, struct area area, const struct warning *warning, int y)
{
    const struct warning_rule *const rule = warning_rule_at(model, warning->rule);
    char threshold[40], value[40], worst[40];
    warning_value_text(rule->unit, rule->threshold, threshold, sizeof threshold);
    warning_value_text(rule->unit, warning->value, value, sizeof value);
    warning_value_text(rule->unit, warning->worst, worst, sizeof worst);
    area_print(area, y++, 1, -1, STYLE_plain, "measured  %s, at worst %s; told above %s", value, worst, threshold);
    area_print(area, y++, 1, -1, STYLE_plain, "rule      %s: %s", rule->name, rule->text);
    if (rule->custom)
        area_print(area, y++, 1, -1, STYLE_dim, "set in    [warning %s]", rule->name);
    else
        area_print(area, y++, 1, -1, STYLE_dim, "set in    [warnings] %s.threshold = %s; %s = off; %s.of = PATTERNS",
                   rule->name, threshold, rule->name, rule->name);
    return y + 1;
}

static int draw_times(struct area area, const struct warning *warning, int y)
{
    char since[48], first[48], last[48];
    time_text(warning->since_ns, since, sizeof since);
    time_text(warning->first_ns, first, sizeof first);
    time_text(warning->last_ns, last, sizeof last);
    area_print(area, y++, 1, -1, warning->active ? STYLE_bad : STYLE_plain, "%s    since %s",
               warning->active ? "active" : "past  ", since);
    area_print(area, y++, 1, -1, STYLE_plain, "times     %llu; first %s, last seen %s",
               (unsigned long long)warning->count, first, last);
    return y;
}

static void draw_entities(const struct warning_view *view, struct area area, const struct warning *warning, int y)
{
    const struct entities *const entities = entities_of(top_model(view->view.top));
    if (warning->entities_count > 0)
        area_text(area, y++, 1, -1, STYLE_heading, "about");
    for (unsigned i = 0; i < warning->entities_count; i++) {
        const struct entity *const entity =
            entity_with(entities, warning->entities[i].index, warning->entities[i].serial);
        char name[ENTITY_LABEL_BYTES + 32] = "(forgotten)", state[64] = "";
        if (entity) {
            entity_name(entities, entity, name, sizeof name);
            entity_state_text(entities, entity, state, sizeof state);
        }
        area_print(area, y, 1, -1, i == view->cursor ? STYLE_selected : STYLE_plain, "%s %s  %s  %s  uses %llu",
                   i == view->cursor ? ">" : " ", name, entity ? entity_class_of(entities, entity)->name : "", state,
                   entity ? (unsigned long long)(entity->family ? entity->family->uses : entity->uses) : 0ull);
        y++;
    }
}

static void warning_draw(struct view *at, struct area area)
{
    const struct warning *const warning = warning_in(at);
    char text[512];
    if (!warning) {
        area_print(area, 0, 1, -1, STYLE_notice, "%s: not any more, or not at this time", at->target_name);
        return;
    }
    warning_text(top_model(at->top), warning, text, sizeof text);
    area_text(area, 0, 1, -1, STYLE_title, text);
    int y = draw_times(area, warning, 2);
    y = draw_rule(top_model(at->top), area, warning, y);
    draw_entities(of_view(at), area, warning, y);
}

/* ---- actions ---- */

static bool open_entity(const struct warning_view *view, const struct warning *warning)
{
    const struct entities *const entities = entities_of(top_model(view->view.top));
    char name[ENTITY_LABEL_BYTES + 32];
    if (view->cursor >= warning->entities_count)
        return true;
    const struct warning_entity *const at = &warning->entities[view->cursor];
    const struct entity *const entity = entity_with(entities, at->index, at->serial);
    if (!entity)
        return true;
    entity_name(entities, entity, name, sizeof name);
    top_open_view(view->view.top, &entity_detail, (uint64_t)at->serial << 32 | at->index, name);
    return true;
}

static bool warning_action(struct view *at, enum action action)
{
    struct warning_view *const view = of_view(at);
    const struct warning *const warning = warning_in(at);
    if (!warning)
        return false;
    if (action == ACTION_enter)
        return open_entity(view, warning);
    if (action == ACTION_down && view->cursor + 1 < warning->entities_count)
        view->cursor++;
    else if (action == ACTION_up && view->cursor > 0)
        view->cursor--;
    else
        return action == ACTION_down || action == ACTION_up;
    return true;
}

static size_t warning_copy(struct view *at, char *buffer, size_t size)
{
    const struct warning *const warning = warning_in(at);
    return warning ? warning_text(top_model(at->top), warning, buffer, size) : 0;
}

static size_t warning_status(struct view *at, char *buffer, size_t size)
{
    (void)at;
    const int n = snprintf(buffer, size, "enter: the entity; esc: back");
    return n < 0 ? 0 : (size_t)n;
}

const struct view_ops warning_detail = {
    .name = "warning",
    .title = "Warning",
    .text = "One warning: when it was so, what was measured, its rule and how to set it, and what it is about. Enter "
            "opens an entity.",
    .bytes = sizeof(struct warning_view),
    .open = warning_open,
    .close = warning_close,
    .draw = warning_draw,
    .action = warning_action,
    .copy = warning_copy,
    .status = warning_status,
};
