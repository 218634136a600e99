/* SPDX-License-Identifier: ISC
 *
 * Spans, counters and entities, record by record.
 */
#include "stat_model.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_WORTH 16384u /* sweeping costs a pass over the table */

/* ---- spans ------------------------------------------------------------------------------------------------------------- */

/* A file's batches are in order within each thread only: an end may come before its begin. Whoever comes first waits in
 * the table. */
static void span_close(struct stat_model *model, const struct plan *plan, const struct evtrail_source *source,
                       uint64_t from, uint64_t to)
{
    const int64_t ns = evtrail_source_duration(source, (int64_t)(to - from));
    model->out_of_memory |= histogram_add(&plan->row->family->span->histogram, ns > 0 ? (uint64_t)ns : 0, 1) < 0;
}

void stat_span_begin(struct stat_model *model, const struct plan *plan, const struct evtrail_source *source,
                     uint64_t id, uint64_t ticks)
{
    plan->row->family->span->begins++;
    struct idtable_entry *const entry = idtable_put(&model->spans, plan->group, id);
    if (!entry)
        return;
    if (entry->state == STATE_END && entry->ticks >= ticks) {
        span_close(model, plan, source, ticks, entry->ticks);
        idtable_remove(&model->spans, entry);
        return;
    }
    plan->row->family->span->unmatched += entry->state == STATE_END;
    entry->state = 0;
    entry->ticks = ticks;
}

void stat_span_end(struct stat_model *model, const struct plan *plan, const struct evtrail_source *source, uint64_t id,
                   uint64_t ticks)
{
    plan->row->family->span->ends++;
    struct idtable_entry *entry = idtable_find(&model->spans, plan->group, id);
    if (entry && entry->state != STATE_END && entry->ticks <= ticks) {
        span_close(model, plan, source, entry->ticks, ticks);
        idtable_remove(&model->spans, entry);
        return;
    }
    if (!entry)
        entry = idtable_put(&model->spans, plan->group, id);
    else
        plan->row->family->span->unmatched++;
    if (!entry || (entry->state != STATE_END && entry->ticks != 0)) {
        plan->row->family->span->unmatched += !entry;
        return;
    }
    entry->state = STATE_END;
    entry->ticks = ticks;
}

uint64_t stat_model_open(const struct stat_model *model, const struct row *row, uint64_t *ret_unmatched)
{
    uint64_t open = 0, unmatched = row->span->unmatched;
    if (model->spans.used == 0) { /* fed by events: the reader matches them */
        const uint64_t matched = row->span->histogram.count;
        open = row->span->begins > matched ? row->span->begins - matched : 0;
    }
    for (uint32_t i = 0; i < model->spans.size; i++) {
        const struct idtable_entry *const entry = &model->spans.entries[i];
        if ((entry->group & 0xffff) != row->number)
            continue;
        open += entry->state != STATE_END;
        unmatched += entry->state == STATE_END;
    }
    *ret_unmatched = unmatched;
    return open;
}

/* ---- counters ---------------------------------------------------------------------------------------------------------- */

static struct number number_of(uint8_t type, uint64_t word)
{
    struct number number = {.type = type, .u = word};
    if (type == EVTRAIL_TYPE_f32) {
        float value;
        memcpy(&value, &word, sizeof value);
        number.f = (double)value;
        number.type = EVTRAIL_TYPE_f64;
    }
    return number;
}

static bool is_signed(uint8_t type)
{
    return (type >= EVTRAIL_TYPE_i8 && type <= EVTRAIL_TYPE_i64) || type == EVTRAIL_TYPE_enum;
}

static bool less(struct number a, struct number b)
{
    if (a.type == EVTRAIL_TYPE_f64)
        return a.f < b.f;
    return is_signed(a.type) ? a.i < b.i : a.u < b.u;
}

void stat_counter(struct plan *plan, uint64_t word, int64_t ns)
{
    struct counter *const counter = plan->row->counter;
    const struct number number = number_of(plan->value_type, word);
    if (counter->last.type == 0 || counter->last.type != number.type) {
        counter->last = counter->min = counter->max = number;
        counter->last_ns = ns;
        return;
    }
    if (less(number, counter->min))
        counter->min = number;
    if (less(counter->max, number))
        counter->max = number;
    if (ns >= counter->last_ns) {
        counter->last = number;
        counter->last_ns = ns;
    }
}

/* ---- entities ---------------------------------------------------------------------------------------------------------- */

static void state_text(const struct plan *plan, const uint64_t *words, uint32_t count, char *text, size_t bytes)
{
    if (plan->value_type == EVTRAIL_TYPE_string) {
        const uint64_t room = (uint64_t)(count - 1) * 8, length = words[0] & UINT32_MAX;
        const uint64_t n = length < room ? length : room;
        snprintf(text, bytes, "%.*s", (int)(n < bytes ? n : bytes), (const char *)(words + 1));
        return;
    }
    const char *const enums = plan->type && plan->type->fields_count > 2 ? plan->type->fields[2].enums : "";
    size_t length;
    const char *const name =
        plan->value_type == EVTRAIL_TYPE_enum ? evtrail_enum_name(enums, (int64_t)words[0], &length) : NULL;
    if (name)
        snprintf(text, bytes, "%.*s", (int)length, name);
    else if (is_signed(plan->value_type))
        snprintf(text, bytes, "%lld", (long long)words[0]);
    else
        snprintf(text, bytes, "%llu", (unsigned long long)words[0]);
}

/* The number of a state's name within its class; STATES_MAX - 1 stands for all that do not fit. */
static uint32_t state_number(struct entity_class *class, const char *text)
{
    for (uint32_t i = 0; i < class->states_count; i++)
        if (strcmp(class->states[i], text) == 0)
            return i;
    if (class->states_count >= STATES_MAX)
        return STATES_MAX - 1;
    char *const copy = strdup(class->states_count == STATES_MAX - 1 ? "(other)" : text);
    if (!copy)
        return STATES_MAX - 1;
    class->states[class->states_count] = copy;
    return class->states_count++;
}

static struct idtable_entry *entity_entry(struct stat_model *model, struct plan *plan, uint64_t id)
{
    struct idtable_entry *entry = idtable_find(&model->entities, plan->group, id);
    if (entry)
        return entry;
    entry = idtable_put(&model->entities, plan->group, id);
    if (!entry && model->gone_waiting >= SWEEP_WORTH) {
        idtable_sweep(&model->entities, STATE_GONE);
        model->gone_waiting = 0;
        entry = idtable_put(&model->entities, plan->group, id);
    }
    plan->row->family->class->seen++;
    plan->row->family->class->untracked += !entry;
    return entry;
}

void stat_entity(struct stat_model *model, struct plan *plan, uint64_t id, uint64_t ticks, const uint64_t *words,
                 uint32_t count)
{
    char text[64];
    struct idtable_entry *const entry = entity_entry(model, plan, id);
    if (!entry || entry->ticks > ticks)
        return;
    state_text(plan, words, count, text, sizeof text);
    entry->ticks = ticks;
    entry->state = state_number(plan->row->family->class, text);
}

void stat_entity_gone(struct stat_model *model, struct plan *plan, uint64_t id, uint64_t ticks)
{
    struct idtable_entry *const entry = entity_entry(model, plan, id);
    if (!entry || entry->ticks > ticks)
        return;
    model->gone_waiting += entry->state != STATE_GONE;
    entry->ticks = ticks;
    entry->state = STATE_GONE;
}

void stat_model_states(const struct stat_model *model, const struct row *row, uint64_t counts[STATES_MAX + 1])
{
    memset(counts, 0, (STATES_MAX + 1) * sizeof *counts);
    uint64_t tracked = 0;
    for (uint32_t i = 0; i < model->entities.size; i++) {
        const struct idtable_entry *const entry = &model->entities.entries[i];
        if (entry->group == 0 || (entry->group & 0xffff) != row->number)
            continue;
        tracked++;
        counts[entry->state == STATE_GONE ? STATES_MAX : entry->state % STATES_MAX]++;
    }
    const uint64_t swept = row->class->seen - row->class->untracked - tracked;
    counts[STATES_MAX] += swept; /* gone entities that were forgotten */
}
