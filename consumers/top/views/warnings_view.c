/* SPDX-License-Identifier: ISC
 *
 * Warnings: those that are active first, then past ones; a sentence each. Enter opens one.
 */
#include "../model/entities.h"
#include "../model/warnings.h"
#include "table.h"
#include "value.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct warnings_view {
    struct view view;
    struct table *table;
};

static const struct model *model_in(const struct warnings_view *view)
{
    return top_model(view->view.top);
}

static struct warnings_view *of_view(struct view *view)
{
    return (struct warnings_view *)(void *)view;
}

/* ---- the table ---- */

/* COLUMN(name, title, width, right, hidden, descending, kind, text) */
#define COLUMNS(COLUMN) \
    COLUMN(sentence, "warning", -40, 0, 0, 0, text, "what is wrong") \
    COLUMN(state, "now", 6, 0, 0, 0, text, "active, or past: it has been") \
    COLUMN(host, "host", 12, 0, COLUMN_OF_HOSTS, 0, text, "where it is so, if there are several hosts") \
    COLUMN(since, "since", 9, 1, 0, 0, time, "when it began (past: for the last time)") \
    COLUMN(lasts, "for", 8, 1, 0, 0, duration, "how long it has lasted, or did") \
    COLUMN(count, "times", 6, 1, 0, 0, count, "how often it began") \
    COLUMN(rule, "rule", 16, 0, 0, 0, text, "its rule: settings are in [warnings] of the configuration") \
    COLUMN(value, "value", 9, 1, 1, 0, text, "what was measured last") \
    COLUMN(worst, "worst", 9, 1, 0, 0, text, "the most that was measured") \
    COLUMN(threshold, "limit", 8, 1, 0, 0, text, "above what it is told") \
    COLUMN(subject, "of", 24, 0, 1, 0, text, "what it is about") \
    COLUMN(last, "last seen", 9, 1, 1, 1, time, "when it was last seen to be so") \
    COLUMN(first, "first", 9, 1, 1, 0, time, "when it began for the first time")
enum {
#define COLUMN(name, title, width, right, hidden, descending, kind, text) COLUMN_##name,
    COLUMNS(COLUMN)
#undef COLUMN
};
static const struct column columns[] = {
    COLUMNS(TABLE_COLUMN){.name = NULL},
};

static size_t rows(void *context)
{
    return warnings_count(model_in(context));
}

static void *row_at(void *context, size_t index)
{
    return (void *)(uintptr_t)warning_at(model_in(context), (uint32_t)index);
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return ((const struct warning *)row)->serial;
}

static void put_time(struct value *value, enum value_kind kind, int64_t ns)
{
    value_set(value, kind, ns > 0 ? (uint64_t)ns : 0);
}

static void put_measure(struct value *value, const struct warning_rule *rule, double number)
{
    value->kind = VALUE_text;
    warning_value_text(rule->unit, number, value->text, sizeof value->text);
}

static void put_host(struct value *value, const struct model *model, uint32_t host)
{
    if (host == WARNING_HOSTS)
        value_set_text(value, "several");
    else if (host > 0 && host <= model->hosts.count)
        value_set_text(value, model->hosts.list[host - 1].name);
}

static void value_of(void *context, const void *row, unsigned column, struct value *value)
{
    const struct model *const model = model_in(context);
    const struct warning *const warning = row;
    const struct warning_rule *const rule = warning_rule_at(model, warning->rule);
    switch (column) {
    case COLUMN_sentence:
        value->kind = VALUE_text;
        warning_text(model, warning, value->text, sizeof value->text);
        break;
    case COLUMN_state:
        value_set_text(value, warning->active ? "active" : "past");
        value->style = warning->active ? STYLE_bad : STYLE_plain;
        break;
    case COLUMN_since:
        put_time(value, VALUE_time, warning->since_ns);
        break;
    case COLUMN_lasts:
        put_time(value, VALUE_duration, (warning->active ? model->now_ns : warning->last_ns) - warning->since_ns);
        break;
    case COLUMN_count:
        value_set(value, VALUE_count, warning->count);
        break;
    case COLUMN_rule:
        value_set_text(value, rule->name);
        break;
    case COLUMN_value:
    case COLUMN_worst:
        put_measure(value, rule, column == COLUMN_value ? warning->value : warning->worst);
        break;
    case COLUMN_threshold:
        put_measure(value, rule, rule->threshold);
        break;
    case COLUMN_subject:
        value_set_text(value, warning->subject);
        break;
    case COLUMN_host:
        put_host(value, model, warning->host);
        break;
    default:
        put_time(value, VALUE_time, column == COLUMN_last ? warning->last_ns : warning->first_ns);
    }
}

static bool silent(void *context, const void *row)
{
    (void)context;
    return !((const struct warning *)row)->active;
}

static bool several(void *context)
{
    return model_several_hosts(model_in(context));
}

static enum style style_of(void *context, const void *row)
{
    (void)context;
    return ((const struct warning *)row)->active ? STYLE_plain : STYLE_dim;
}

static const struct table_ops warnings_table = {.name = "warnings",
                                                .columns = columns,
                                                .rows = rows,
                                                .row = row_at,
                                                .id = id_of,
                                                .value = value_of,
                                                .silent = silent,
                                                .style = style_of,
                                                .several = several};

/* ---- the view ---- */

static int warnings_open(struct view *at)
{
    struct warnings_view *const view = of_view(at);
    return table_new(&view->table, &warnings_table, view, at->top->config);
}

static void warnings_close(struct view *at)
{
    table_free(of_view(at)->table);
}

static void model_changed(struct view *at)
{
    table_update(of_view(at)->table);
}

static unsigned rules_on(const struct model *model)
{
    unsigned on = 0;
    for (uint32_t i = 0; i < warning_rules_count(model); i++)
        on += !warning_rule_at(model, i)->off;
    return on;
}

static void warnings_draw(struct view *at, struct area area)
{
    struct warnings_view *const view = of_view(at);
    table_update(view->table);
    table_draw(view->table, area);
    if (warnings_count(model_in(view)) == 0 && area.rows > 4)
        area_print(area, 3, 1, -1, STYLE_good, "nothing is wrong, by %u rules", rules_on(model_in(view)));
}

static bool warnings_action(struct view *at, enum action action)
{
    struct warnings_view *const view = of_view(at);
    char name[128];
    if (action != ACTION_enter)
        return table_action(view->table, action);
    table_update(view->table);
    const struct warning *const warning = table_selected(view->table);
    if (!warning)
        return true;
    warning_text(model_in(view), warning, name, sizeof name);
    top_open_view(at->top, &warning_detail, warning->serial, name);
    return true;
}

static bool warnings_click(struct view *at, int row, int column)
{
    return table_click(of_view(at)->table, row, column);
}

static void warnings_search(struct view *at, const char *text)
{
    table_search(of_view(at)->table, text);
}

/* Subjects that had no row, over all rules. */
static uint64_t others(const struct model *model)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < warning_rules_count(model); i++)
        count += warning_rule_at(model, i)->others;
    return count;
}

static size_t warnings_status(struct view *at, char *buffer, size_t size)
{
    struct warnings_view *const view = of_view(at);
    const struct model *const model = model_in(view);
    char more[128];
    const size_t used = table_status(view->table, buffer, size);
    int n = snprintf(more, sizeof more, ", %u active", warnings_active(model));
    if (others(model) > 0)
        n +=
            snprintf(more + n, sizeof more - (size_t)n, ", %llu more without a row", (unsigned long long)others(model));
    if (used < size)
        snprintf(buffer + used, size - used, "%s", more);
    return used + (size_t)n;
}

static size_t warnings_copy(struct view *at, char *buffer, size_t size)
{
    struct warnings_view *const view = of_view(at);
    const struct warning *const warning = table_selected(view->table);
    return warning ? warning_text(model_in(view), warning, buffer, size) : 0;
}

static int warnings_json(struct view *at, struct output *out)
{
    struct warnings_view *const view = of_view(at);
    const struct model *const model = model_in(view);
    output_print(out, "{\"active\":%u,\"rules\":{", warnings_active(model));
    for (uint32_t i = 0; i < warning_rules_count(model); i++) {
        const struct warning_rule *const rule = warning_rule_at(model, i);
        output_text(out, i ? "," : "");
        output_json_text(out, rule->name);
        output_print(out, ":{\"on\":%s,\"fired\":%llu,\"threshold\":%.17g,\"others\":%llu}",
                     rule->off ? "false" : "true", (unsigned long long)rule->fired, rule->threshold,
                     (unsigned long long)rule->others);
    }
    output_text(out, "},\"rows\":");
    table_json(view->table, out);
    return output_text(out, "}");
}

const struct view_ops warnings_view = {
    .name = "warnings",
    .title = "Warnings",
    .key = '!',
    .text = "What is wrong, by rules that are looked at with events and as time passes: one row a rule and subject, "
            "which stays listed when it is past "
            "(d hides those). Thresholds are in [warnings] of the configuration. Enter shows what it is about.",
    .bytes = sizeof(struct warnings_view),
    .open = warnings_open,
    .close = warnings_close,
    .model_changed = model_changed,
    .draw = warnings_draw,
    .action = warnings_action,
    .click = warnings_click,
    .search = warnings_search,
    .status = warnings_status,
    .copy = warnings_copy,
    .json = warnings_json,
};
