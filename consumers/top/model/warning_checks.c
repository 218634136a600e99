/* SPDX-License-Identifier: ISC
 *
 * Rules that are looked at as time passes: a part of the entities at each tick, all within a second.
 */
#include "spans.h"
#include "warning_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_PARTS 10u
#define SCAN_LEAST 512u
#define SIBLINGS_MAX 65536u
#define SPANS_NS 500000000 /* open spans are looked at so often */
#define OPEN_ASKED 64u
#define NEARLY 0.9 /* of the threshold: a row stays */

static uint64_t subject_key(uint32_t rule, const struct entity *entity)
{
    return warning_key(rule, entity->serial, entity->index);
}

/* Its class or its name is one that the rule is for. */
static bool is_for(const struct warnings *warnings, const struct rule *rule, const struct entity *entity)
{
    return !rule->named || warning_of(rule, entity_class_of(warnings->entities, entity)->name) ||
           (entity->label && warning_of(rule, entity->label));
}

static void raise_for(struct warnings *warnings, uint32_t rule, const struct entity *entity, double value)
{
    if (!is_for(warnings, &warnings->rules[rule], entity))
        return;
    struct warning *const warning = warning_raise(warnings, rule, subject_key(rule, entity), value);
    if (warning)
        warning_entity_subject(warnings, warning, entity);
}

/* ---- one entity ---- */

static bool siblings_go_on(const struct warnings *warnings, const struct entity *entity, int64_t since_ns)
{
    const struct entity *const parent = entity_at(warnings->entities, entity->parent);
    const struct entity_class *const class = entity_class_of(warnings->entities, entity);
    return (parent && parent->family ? parent->family->newest_ns : class->newest_ns) > since_ns;
}

/* Of a window that has passed: the busy time in it. */
static void check_busy(struct warnings *warnings, uint32_t number, const struct entity *entity, int64_t now_ns)
{
    const struct rule *const rule = &warnings->rules[number];
    const bool measured = entity_class_of(warnings->entities, entity)->measured;
    if ((!measured && !rule->named) || !is_for(warnings, rule, entity))
        return;
    struct watch *const watch = warning_watch(warnings, subject_key(number, entity), true);
    if (!watch)
        return;
    const uint64_t busy = entity_phase_ns(warnings->entities, entity, PHASE_busy);
    uint64_t total = (uint64_t)now_ns;
    if (measured)
        total = busy + entity_phase_ns(warnings->entities, entity, PHASE_idle) +
                entity_phase_ns(warnings->entities, entity, PHASE_waiting);
    watch->rule = (uint16_t)number;
    watch->last_ns = now_ns;
    if (watch->since_ns != INT64_MIN && now_ns - watch->since_ns < rule->over_ns)
        return;
    const bool whole = watch->since_ns != INT64_MIN && total > watch->before && busy >= watch->count;
    const double share = whole ? 100.0 * (double)(busy - watch->count) / (double)(total - watch->before) : 0;
    watch->since_ns = now_ns;
    watch->count = busy;
    watch->before = total;
    if (share > rule->shown.threshold)
        raise_for(warnings, number, entity, share < 100 ? share : 100);
    else if (share > rule->shown.threshold * NEARLY)
        warning_hold(warnings, number, watch->key, share);
}

/* What changed it may be among the events that nobody saw, so its silence says nothing. */
static bool is_stale(const struct warnings *warnings, int64_t last_ns)
{
    return model_stale(warnings->part.model, last_ns);
}

static void check_entity(struct warnings *warnings, const struct entity *entity, int64_t now_ns)
{
    const bool stale = is_stale(warnings, entity->last_ns);
    const bool stale_state = model_state_stale(warnings->part.model, entity->last_ns);
    const enum phase phase = entity_phase(warnings->entities, entity);
    const int64_t held_ns = now_ns - entity->since_ns, quiet_ns = now_ns - entity->last_ns;
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        const struct rule *const rule = &warnings->rules[i];
        const double threshold = rule->shown.threshold;
        if (rule->shown.off || (rule->kind == RULE_starved ? stale_state : stale && rule->kind != RULE_busy_loop))
            continue;
        if (rule->kind == RULE_starved && phase == PHASE_waiting && (double)held_ns > threshold)
            raise_for(warnings, i, entity, (double)held_ns);
        else if (rule->kind == RULE_leak && phase == PHASE_busy && (double)quiet_ns > threshold &&
                 (double)held_ns > threshold)
            raise_for(warnings, i, entity, (double)held_ns);
        else if (rule->kind == RULE_stuck && (phase == PHASE_busy || phase == PHASE_waiting) &&
                 (double)quiet_ns > threshold && siblings_go_on(warnings, entity, now_ns - (int64_t)threshold))
            raise_for(warnings, i, entity, (double)quiet_ns);
        else if (rule->kind == RULE_busy_loop)
            check_busy(warnings, i, entity, now_ns);
    }
}

static void pass_begins(struct warnings *warnings)
{
    entities_sum(warnings->entities);
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        warnings->rules[i].shown.others = warnings->rules[i].others_now;
        warnings->rules[i].others_now = 0;
    }
}

static void scan(struct warnings *warnings, int64_t now_ns)
{
    const uint32_t end = entities_end(warnings->entities);
    const uint32_t step = end / SCAN_PARTS > SCAN_LEAST ? end / SCAN_PARTS : SCAN_LEAST;
    if (warnings->scan_next >= end)
        warnings->scan_next = 0;
    if (warnings->scan_next == 0)
        pass_begins(warnings);
    const uint32_t to = end - warnings->scan_next < step ? end : warnings->scan_next + step;
    for (; warnings->scan_next < to; warnings->scan_next++) {
        const struct entity *const entity = entity_at(warnings->entities, warnings->scan_next);
        if (entity && !(entity->flags & (ENTITY_GONE | ENTITY_ENDED)))
            check_entity(warnings, entity, now_ns);
    }
}

/* ---- what waits ---- */

static uint32_t waiting_of(const struct entity_class *class)
{
    uint32_t waiting = 0;
    for (unsigned i = 0; i < class->states_count; i++)
        waiting += class->states[i].phase == PHASE_waiting ? class->states[i].alive : 0;
    return waiting;
}

static void check_class(struct warnings *warnings, const struct entity_class *class, int64_t now_ns)
{
    int64_t *const since_ns = &warnings->waiting_since[class->number];
    if (waiting_of(class) == 0) {
        *since_ns = INT64_MIN;
        return;
    }
    if (*since_ns == INT64_MIN)
        *since_ns = now_ns;
    for (uint32_t i = 0; i < warnings->rules_count; i++) {
        const struct rule *const rule = &warnings->rules[i];
        if (rule->kind != RULE_exhausted || rule->shown.off || !rule->named || !warning_of(rule, class->name) ||
            (double)(now_ns - *since_ns) <= rule->shown.threshold)
            continue;
        struct warning *const warning =
            warning_raise(warnings, i, warning_key(i, class->number, UINT64_MAX), (double)(now_ns - *since_ns));
        if (warning)
            memcpy(warning->subject, class->name, sizeof class->name);
    }
}

static bool is_over(const struct warnings *warnings, const struct watch *watch)
{
    const struct entity *const entity = entity_with(warnings->entities, watch->entity.index, watch->entity.serial);
    return watch->entity.serial != 0 && (!entity || entity->flags & (ENTITY_GONE | ENTITY_ENDED));
}

/* Watches of counters that are not 0; and an end to those of what has not happened for long. */
static void check_watches(struct warnings *warnings, int64_t now_ns)
{
    for (uint32_t i = 0; i < warnings->watches_size; i++) {
        struct watch *const watch = &warnings->watches[i];
        const struct rule *const rule = &warnings->rules[watch->rule];
        if (watch->key == 0 || rule->kind == RULE_lost)
            continue;
        const bool counts = rule->kind != RULE_exhausted;
        if (is_over(warnings, watch) || (counts && now_ns - watch->last_ns > 2 * rule->over_ns + 1000000000)) {
            warning_unwatch(warnings, watch);
            continue;
        }
        if (counts || (double)(now_ns - watch->since_ns) <= rule->shown.threshold)
            continue;
        struct warning *const warning =
            warning_raise(warnings, watch->rule, watch->key, (double)(now_ns - watch->since_ns));
        if (warning)
            warning_watch_subject(warnings, warning, watch);
    }
}

/* ---- spans ---- */

/* One row for all spans of a name: the oldest says for how long. */
static void check_spans_of(struct warnings *warnings, uint32_t number, const struct span_row *row, int64_t now_ns)
{
    const double threshold = warnings->rules[number].shown.threshold;
    struct open_view views[OPEN_ASKED];
    const size_t asked = row->open < OPEN_ASKED ? row->open : OPEN_ASKED;
    const size_t count = spans_open(model_part(warnings->part.model, PART_spans), row, views, asked);
    const struct open_view *oldest = NULL;
    size_t late = 0;
    uint32_t host = 0;
    for (size_t i = 0; i < count; i++) {
        if (views[i].gone || is_stale(warnings, views[i].begin_ns) || (double)(now_ns - views[i].begin_ns) <= threshold)
            continue;
        host = !oldest || host == views[i].host + 1 ? views[i].host + 1 : WARNING_HOSTS;
        oldest = oldest ? oldest : &views[i];
        late++;
    }
    if (!oldest)
        return;
    struct warning *const warning =
        warning_raise(warnings, number, warning_key(number, row->number, 1), (double)(now_ns - oldest->begin_ns));
    if (warning)
        warning->host = host;
    if (warning && late == 1)
        snprintf(warning->subject, sizeof warning->subject, "%.40s (span %llu of %.20s:%u)", row->name,
                 (unsigned long long)oldest->id, oldest->command, oldest->pid);
    else if (warning)
        snprintf(warning->subject, sizeof warning->subject, "%.50s (%s%zu spans)", row->name,
                 late == OPEN_ASKED ? "more than " : "", late);
}

static void check_spans(struct warnings *warnings, int64_t now_ns)
{
    const struct part *const spans = model_part(warnings->part.model, PART_spans);
    if (warnings->spans_ns != INT64_MIN && now_ns - warnings->spans_ns < SPANS_NS)
        return;
    warnings->spans_ns = now_ns;
    for (uint32_t i = 0; i < spans_count(spans); i++) {
        const struct span_row *const row = spans_row(spans, i);
        for (uint32_t rule = 0; row->open > 0 && rule < warnings->rules_count; rule++)
            if (warnings->rules[rule].kind == RULE_open_span && !warnings->rules[rule].shown.off &&
                warning_of(&warnings->rules[rule], row->name))
                check_spans_of(warnings, rule, row, now_ns);
    }
}

/* ---- siblings ---- */

struct sibling {
    uint32_t parent, index;
    uint64_t uses; /* in the window */
};

static int by_parent(const void *a, const void *b)
{
    const struct sibling *const left = a, *const right = b;
    if (left->parent != right->parent)
        return left->parent < right->parent ? -1 : 1;
    return (left->uses > right->uses) - (left->uses < right->uses);
}

/* One of those that are compared: with children of its own, or of a class that a rule names. */
static bool uses_in_window(struct warnings *warnings, struct entity *entity, const struct rule *rule, uint32_t number,
                           uint64_t *ret_uses)
{
    struct entity_family *const family = entity->family;
    if (family) {
        *ret_uses = family->uses_window;
        return true;
    }
    struct watch *const watch = rule->named ? warning_watch(warnings, subject_key(number, entity), true) : NULL;
    if (!watch)
        return false;
    const bool whole = watch->since_ns != INT64_MIN;
    watch->rule = (uint16_t)number;
    watch->last_ns = watch->since_ns = warnings->part.model->now_ns;
    *ret_uses = entity->uses - watch->count;
    watch->count = entity->uses;
    return whole;
}

static void compare(struct warnings *warnings, uint32_t number, const struct sibling *first, size_t count)
{
    const struct rule *const rule = &warnings->rules[number];
    const struct sibling *const most = &first[count - 1];
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += first[i].uses;
    const double factor = (double)most->uses / (double)(first->uses ? first->uses : 1);
    const struct entity *const parent = entity_at(warnings->entities, first->parent);
    if (count < 2 || (double)all < rule->least || !parent)
        return;
    if (factor <= rule->shown.threshold) {
        if (factor > rule->shown.threshold * NEARLY)
            warning_hold(warnings, number, subject_key(number, parent), factor);
        return;
    }
    struct warning *const warning = warning_raise(warnings, number, subject_key(number, parent), factor);
    if (!warning)
        return;
    warning->entities_count = 0;
    warning_entity_subject(warnings, warning, parent);
    warning_add_entity(warnings, warning, entity_at(warnings->entities, most->index));
    warning_add_entity(warnings, warning, entity_at(warnings->entities, first->index));
}

static size_t gather(struct warnings *warnings, uint32_t number, int64_t from_ns, struct sibling *siblings)
{
    const struct rule *const rule = &warnings->rules[number];
    size_t count = 0;
    for (uint32_t i = 1; i < entities_end(warnings->entities) && count < SIBLINGS_MAX; i++) {
        struct entity *const entity = entity_at(warnings->entities, i);
        uint64_t uses;
        if (!entity || entity->parent == 0 || entity->flags & (ENTITY_GONE | ENTITY_ENDED) ||
            entity->created_ns > from_ns || !is_for(warnings, rule, entity))
            continue;
        const enum phase phase = entity_phase(warnings->entities, entity);
        if (phase != PHASE_other && uses_in_window(warnings, entity, rule, number, &uses))
            siblings[count++] = (struct sibling){.parent = entity->parent, .index = i, .uses = uses};
    }
    return count;
}

static void compare_all(struct warnings *warnings, uint32_t number, int64_t from_ns, struct sibling *siblings)
{
    const size_t count = gather(warnings, number, from_ns, siblings);
    if (count == 0)
        return;
    qsort(siblings, count, sizeof *siblings, by_parent);
    for (size_t first = 0, i = 1; i <= count; i++)
        if (i == count || siblings[i].parent != siblings[first].parent) {
            compare(warnings, number, &siblings[first], i - first);
            first = i;
        }
}

/* All rules of this kind share a window, the one of the first. */
static int64_t window_of(const struct warnings *warnings)
{
    for (uint32_t i = 0; i < warnings->rules_count; i++)
        if (warnings->rules[i].kind == RULE_unbalanced && !warnings->rules[i].shown.off)
            return warnings->rules[i].over_ns > 0 ? warnings->rules[i].over_ns : 1;
    return INT64_MAX;
}

static void check_siblings(struct warnings *warnings, int64_t now_ns)
{
    const int64_t window_ns = window_of(warnings), from_ns = warnings->window_ns;
    if (window_ns == INT64_MAX || (from_ns != INT64_MIN && now_ns - from_ns < window_ns))
        return;
    warnings->window_ns = now_ns;
    entities_sum(warnings->entities);
    for (uint32_t i = 1; i < entities_end(warnings->entities); i++) {
        const struct entity *const entity = entity_at(warnings->entities, i);
        if (!entity || !entity->family)
            continue;
        struct entity_family *const family = entity->family;
        family->uses_window = family->uses > family->uses_before ? family->uses - family->uses_before : 0;
        family->uses_before = family->uses;
    }
    struct sibling *const siblings = malloc(SIBLINGS_MAX * sizeof *siblings);
    for (uint32_t i = 0; siblings && i < warnings->rules_count; i++)
        if (warnings->rules[i].kind == RULE_unbalanced && !warnings->rules[i].shown.off)
            compare_all(warnings, i, from_ns, siblings);
    free(siblings);
}

void warning_checks(struct warnings *warnings, int64_t now_ns)
{
    scan(warnings, now_ns);
    for (uint32_t i = 0; i < entity_classes_count(warnings->entities); i++)
        check_class(warnings, entity_class_at(warnings->entities, i), now_ns);
    check_watches(warnings, now_ns);
    check_spans(warnings, now_ns);
    check_siblings(warnings, now_ns);
}
