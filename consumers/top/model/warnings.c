/* SPDX-License-Identifier: ISC
 *
 * The part that knows warnings: what events say of the rules.
 */
#include "warning_private.h"
#include "entity_private.h"

#include <evtrail/format.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLANS_MAX 16384u
#define NEARLY 0.8 /* of the threshold: a row stays */

/* ---- event types ---- */

static bool may_storm(const struct evtrail_event_type *type)
{
    return type->level <= EVTRAIL_LEVEL_warning || fnmatch("*retry*", type->name, 0) == 0;
}

static uint64_t rules_of(const struct warnings *warnings, const struct evtrail_source *source,
                         const struct evtrail_event_type *type, bool waits)
{
    uint64_t rules = 0;
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        const struct rule *const rule = &warnings->rules[i];
        bool is = false;
        if (rule->shown.off || !warning_of(rule, type->name))
            continue;
        if (rule->kind == RULE_custom)
            is = evtrail_filter_may_match(rule->filter, source, type, 0, INT64_MIN, INT64_MAX);
        else if (rule->kind == RULE_retry_storm)
            is = may_storm(type) || rule->named;
        else if (rule->kind == RULE_exhausted)
            is = waits;
        rules |= is ? UINT64_C(1) << i : 0;
    }
    return rules;
}

/* Types that are alike to the rules share one: there are no more for processes that come and go. */
static struct warning_plan *plan_make(struct warnings *warnings, const char *name, uint64_t rules, bool waits)
{
    for (uint32_t i = 0; i < warnings->plans_count; i++)
        if (warnings->plans[i]->rules == rules && warnings->plans[i]->waits == waits &&
            strncmp(warnings->plans[i]->name, name, CLASS_NAME_BYTES - 1) == 0)
            return warnings->plans[i];
    if (warnings->plans_count == warnings->plans_size) {
        const uint32_t size = warnings->plans_size ? warnings->plans_size * 2 : 32;
        struct warning_plan **const plans =
            size <= PLANS_MAX ? realloc(warnings->plans, size * sizeof(struct warning_plan *)) : NULL;
        if (!plans)
            return NULL;
        warnings->plans = plans;
        warnings->plans_size = size;
    }
    struct warning_plan *const plan = part_take(&warnings->part, sizeof *plan);
    if (!plan)
        return NULL;
    snprintf(plan->name, sizeof plan->name, "%s", name);
    plan->rules = rules;
    plan->waits = waits;
    plan->number = (uint16_t)warnings->plans_count;
    warnings->plans[warnings->plans_count++] = plan;
    return plan;
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    const bool waits = type->kind == EVTRAIL_KIND_counter && entity_counter_waits(part->model->options.config, type);
    const uint64_t rules = rules_of(warnings, source, type, waits);
    struct warning_plan *const made = rules ? plan_make(warnings, type->name, rules, waits) : NULL;
    part->left_out += rules && !made;
    return made;
}

/* ---- events ---- */

void warning_watch_subject(struct warnings *warnings, struct warning *warning, const struct watch *watch)
{
    const struct entity *const entity = entity_with(warnings->entities, watch->entity.index, watch->entity.serial);
    char name[ENTITY_LABEL_BYTES + 16];
    if (entity)
        warning_add_entity(warnings, warning, entity);
    else
        warning_add_host(warning, watch->host);
    if (warning->subject[0])
        return;
    if (entity)
        entity_name(warnings->entities, entity, name, sizeof name);
    const char *const type = watch->type < warnings->plans_count ? warnings->plans[watch->type]->name : "";
    snprintf(warning->subject, sizeof warning->subject, "%.55s%s%.35s", type, entity ? " of " : "", entity ? name : "");
}

static struct watch *watch_for(struct warnings *warnings, uint32_t rule, const struct warning_plan *plan,
                               const struct entity *entity, const struct evtrail_event *event, bool make)
{
    const uint64_t source = model_source_key(event->source);
    const uint64_t subject = entity ? (uint64_t)entity->serial << 32 | entity->index : source;
    const unsigned type = warnings->rules[rule].kind == RULE_custom ? 0u : plan->number + 1u;
    struct watch *const watch = warning_watch(warnings, warning_key(rule, type, subject), make);
    if (!watch || watch->since_ns != INT64_MIN)
        return watch;
    watch->rule = (uint16_t)rule;
    watch->type = plan->number;
    watch->source = entity ? 0 : source;
    watch->host = entity ? 0 : model_host_number(warnings->part.model, event->source) + 1;
    if (entity)
        watch->entity = (struct warning_entity){.index = entity->index, .serial = entity->serial};
    return watch;
}

/* A counter of what waits: since when it is not 0. */
static void take_counter(struct warnings *warnings, uint32_t rule, const struct warning_plan *plan,
                         const struct entity *entity, const struct evtrail_event *event)
{
    struct evtrail_value value;
    if (evtrail_event_value(event, 0, &value) < 0 || value.cut)
        return;
    const bool is_float = value.type == EVTRAIL_TYPE_f32 || value.type == EVTRAIL_TYPE_f64;
    const bool some = is_float ? value.f > 0 : value.u != 0;
    struct watch *const watch = watch_for(warnings, rule, plan, entity, event, some);
    if (watch && !some)
        warning_unwatch(warnings, watch);
    else if (watch && watch->since_ns == INT64_MIN)
        watch->since_ns = event->time;
}

static bool above(struct warnings *warnings, uint32_t rule, struct watch *watch, double value)
{
    const double threshold = warnings->rules[rule].shown.threshold;
    if (value <= threshold) {
        if (value > threshold * NEARLY)
            warning_hold(warnings, rule, watch->key, value);
        return false;
    }
    struct warning *const warning = warning_raise(warnings, rule, watch->key, value);
    if (warning)
        warning_watch_subject(warnings, warning, watch);
    return true;
}

static bool storms(struct warnings *warnings, uint32_t rule, const struct warning_plan *plan,
                   const struct entity *entity, const struct evtrail_event *event)
{
    const int64_t over_ns = warnings->rules[rule].over_ns;
    struct watch *const watch = watch_for(warnings, rule, plan, entity, event, true);
    if (!watch || over_ns <= 0)
        return false;
    const double count = warning_count(watch, event->time, over_ns);
    return above(warnings, rule, watch, count / ((double)over_ns / 1e9));
}

/* For what it is about, then for parents of that: the narrowest that has too many tells. */
static void take_storm(struct warnings *warnings, uint32_t rule, const struct warning_plan *plan,
                       struct entity *const *about, unsigned count, const struct evtrail_event *event)
{
    bool told = false;
    for (unsigned i = 0; i < count && !told; i++)
        told = storms(warnings, rule, plan, about[i], event);
    for (unsigned i = 0; i < count && !told; i++) {
        const struct entity *const parent = entity_at(warnings->entities, about[i]->parent);
        bool itself = false;
        for (unsigned j = 0; j < count; j++)
            itself |= about[j] == parent;
        told = parent && !itself && storms(warnings, rule, plan, parent, event);
    }
    if (count == 0)
        storms(warnings, rule, plan, NULL, event);
}

static void take_custom(struct warnings *warnings, uint32_t number, const struct warning_plan *plan,
                        struct entity *const *about, unsigned count, const struct evtrail_event *event)
{
    const struct rule *const rule = &warnings->rules[number];
    const struct entity *of = NULL;
    if (!evtrail_filter_match(rule->filter, event))
        return;
    for (unsigned i = 0; rule->by && i < count && !of; i++)
        if (fnmatch(rule->by, entity_class_of(warnings->entities, about[i])->name, 0) == 0)
            of = about[i];
    if (rule->by && !of)
        return;
    struct watch *const watch = watch_for(warnings, number, plan, of, event, true);
    if (watch)
        above(warnings, number, watch, warning_count(watch, event->time, rule->over_ns));
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    const struct warning_plan *const of = plan_data;
    struct entity *about[ENTITY_EVENT_REFS];
    const unsigned count = entities_touched(warnings->entities, happened, about);
    (void)matched;
    for (uint64_t rules = of->rules; rules; rules &= rules - 1) {
        const uint32_t rule = (uint32_t)__builtin_ctzll(rules);
        if (warnings->rules[rule].kind == RULE_custom)
            take_custom(warnings, rule, of, about, count, happened);
        else if (warnings->rules[rule].kind == RULE_exhausted)
            take_counter(warnings, rule, of, count ? about[0] : NULL, happened);
        else
            take_storm(warnings, rule, of, about, count, happened);
    }
}

/* ---- losses, ends, time ---- */

static void take_lost(struct warnings *warnings, const struct evtrail_event *event)
{
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        const struct rule *const rule = &warnings->rules[i];
        if (rule->kind != RULE_lost || rule->shown.off || !warning_of(rule, event->source->command))
            continue;
        const uint64_t key = warning_key(i, model_source_key(event->source), event->cause);
        struct watch *const watch = warning_watch(warnings, key, true);
        if (!watch)
            continue;
        watch->rule = (uint16_t)i;
        watch->count += event->lost;
        if ((double)watch->count <= rule->shown.threshold)
            continue;
        struct warning *const warning = warning_raise(warnings, i, key, (double)watch->count);
        if (warning)
            warning_add_host(warning, model_host_number(warnings->part.model, event->source) + 1);
        if (warning && !warning->subject[0])
            snprintf(warning->subject, sizeof warning->subject, "%.40s:%u (%s)", event->source->command,
                     event->source->pid, evtrail_cause_name(event->cause));
    }
}

static void forget_source(struct warnings *warnings, uint64_t source)
{
    for (uint32_t i = 0; i < warnings->watches_size; i++)
        if (warnings->watches[i].key && warnings->watches[i].source == source)
            warning_unwatch(warnings, &warnings->watches[i]);
}

static void notice(struct part *part, const struct evtrail_event *event)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    if (event->what == EVTRAIL_EVENT_LOST && event->source && event->lost > 0 &&
        event->lost_since >= part->model->options.attached_ns)
        take_lost(warnings, event);
    if (event->what == EVTRAIL_EVENT_SOURCE && event->source->gone)
        forget_source(warnings, model_source_key(event->source));
}

static void tick(struct part *part, int64_t now_ns)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    warning_checks(warnings, now_ns);
    warning_clear(warnings);
}

/* ---- the part ---- */

static int init(struct part *part)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    warnings->entities = entities_of(part->model);
    warnings->rows = calloc(WARNING_ROWS_MAX, sizeof *warnings->rows);
    warnings->slots = calloc(ROW_SLOTS, sizeof *warnings->slots);
    for (uint32_t i = 0; i < CLASSES_MAX; i++)
        warnings->waiting_since[i] = INT64_MIN;
    warnings->window_ns = warnings->spans_ns = INT64_MIN;
    part->used_bytes = WARNING_ROWS_MAX * sizeof *warnings->rows + ROW_SLOTS * sizeof *warnings->slots;
    if (!warnings->rows || !warnings->slots) {
        free(warnings->rows);
        free(warnings->slots);
        return -ENOMEM;
    }
    warning_rules_read(warnings->rules, &warnings->rules_count, part->model->options.config, NULL);
    return 0;
}

static void fini(struct part *part)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    warning_rules_free(warnings->rules, warnings->rules_count);
    for (uint32_t i = 0; i < warnings->plans_count; i++)
        free(warnings->plans[i]);
    free(warnings->plans);
    free(warnings->watches);
    free(warnings->rows);
    free(warnings->slots);
}

static void reset(struct part *part)
{
    struct warnings *const warnings = (struct warnings *)(void *)part;
    warnings->rows_count = warnings->active = 0;
    memset(warnings->slots, 0, ROW_SLOTS * sizeof *warnings->slots);
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        warnings->rules[i].shown.rows = 0;
        warnings->rules[i].shown.fired = warnings->rules[i].shown.others = 0;
    }
    for (uint32_t i = 0; i < warnings->watches_size; i++)
        if (warnings->rules[warnings->watches[i].rule].kind == RULE_lost)
            warnings->watches[i].count = 0;
}

const struct part_ops warnings_part = {
    .name = "warnings",
    .bytes = sizeof(struct warnings),
    .kinds = KINDS_ALL,
    .share = 10,
    .init = init,
    .fini = fini,
    .plan = plan,
    .event = event,
    .notice = notice,
    .tick = tick,
    .reset = reset,
};
