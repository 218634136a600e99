/* SPDX-License-Identifier: ISC
 *
 * Entities over time: how many of a class are in which state, and of those that are listed how long they were in each.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

uint32_t report_entity_state(const struct report *report, const struct plan *plan, const struct evtrail_event *event)
{
    const struct idtable_entry *const entry = idtable_find(&report->stat.entities, plan->group, event->payload[0]);
    return entry ? entry->state : UINT32_MAX;
}

static double between(const struct report *report, int64_t from_ns, int64_t to_ns)
{
    return (double)(axis_since(&report->axis, to_ns) - axis_since(&report->axis, from_ns));
}

/* ---- a class ----------------------------------------------------------------------------------------------------------- */

static void state_until(struct report *report, struct states_over_time *states, uint32_t state, int64_t ns)
{
    if (!states->known[state]) {
        states->known[state] = true;
        states->since_ns[state] = ns;
        states->shares[state] = report->shares < SHARES ? calloc(1, sizeof *states->shares[state]) : NULL;
        report->out_of_memory |= report->shares < SHARES && !states->shares[state];
        report->shares += states->shares[state] != NULL;
    }
    if (states->shares[state])
        shares_add(states->shares[state], &report->axis, states->since_ns[state], ns, (double)states->now[state]);
    if (ns > states->since_ns[state]) {
        states->total[state] += (double)states->now[state] * between(report, states->since_ns[state], ns);
        states->since_ns[state] = ns;
    }
}

static void class_change(struct report *report, struct states_over_time *states, uint32_t before, uint32_t after,
                         int64_t ns)
{
    if (before < STATES_MAX) {
        state_until(report, states, before, ns);
        states->now[before] -= states->now[before] > 0;
    }
    if (after < STATES_MAX) {
        state_until(report, states, after, ns);
        states->now[after]++;
    }
}

/* ---- one entity -------------------------------------------------------------------------------------------------------- */

static struct listed_entity *listed_get(struct report *report, const struct plan *plan, uint64_t id,
                                        struct states_over_time *states, int64_t ns)
{
    struct idtable_entry *entry = idtable_find(&report->listed_index, plan->group, id);
    if (entry)
        return &report->listed[entry->state];
    if (states->listed >= LISTED_CLASS || !(entry = idtable_put(&report->listed_index, plan->group, id)))
        return NULL;
    if ((report->listed_count & 255) == 0) {
        struct listed_entity *const bigger = realloc(report->listed, (report->listed_count + 256) * sizeof *bigger);
        if (!bigger) {
            report->out_of_memory = true;
            idtable_remove(&report->listed_index, entry);
            return NULL;
        }
        report->listed = bigger;
    }
    states->listed++;
    entry->state = report->listed_count;
    struct listed_entity *const listed = &report->listed[report->listed_count++];
    *listed = (struct listed_entity){
        .row = plan->row->family->number, .state = UINT32_MAX - 1, .id = id, .first_ns = ns, .since_ns = ns};
    return listed;
}

static void strip_add(struct report *report, const struct listed_entity *listed, int64_t to_ns)
{
    const int64_t from = axis_since(&report->axis, listed->since_ns), end = axis_since(&report->axis, to_ns);
    const int64_t to = end > from ? end : from;
    const struct slice slice = {.track = (uint32_t)(listed - report->listed),
                                .name = listed->state,
                                .count = 1,
                                .from_ns = from,
                                .to_ns = to,
                                .first_ns = from,
                                .end_ns = to,
                                .id = listed->id};
    report->out_of_memory |= slices_add(&report->strips, &slice) < 0;
}

/* It was in its state until now. */
static void listed_until(struct report *report, struct listed_entity *listed, int64_t ns)
{
    if (listed->state >= STATES_MAX || ns <= listed->since_ns)
        return;
    listed->time[listed->state] += between(report, listed->since_ns, ns);
    strip_add(report, listed, ns);
}

static void listed_change(struct report *report, struct listed_entity *listed, uint32_t state, int64_t ns)
{
    if (listed->state == state)
        return;
    listed_until(report, listed, ns);
    listed->changes++;
    listed->state = state;
    listed->since_ns = ns;
    if (state == STATE_GONE)
        listed->gone_ns = ns;
}

static void listed_name(struct report *report, struct listed_entity *listed, const struct evtrail_event *event)
{
    struct evtrail_value value;
    if (evtrail_event_value(event, 1, &value) < 0 || value.type != EVTRAIL_TYPE_string || value.null)
        return;
    free(listed->name);
    listed->name = strndup(value.data, value.bytes < 200 ? value.bytes : 200);
    report->out_of_memory |= !listed->name;
}

void report_entity(struct report *report, const struct plan *plan, const struct evtrail_event *event, uint32_t before)
{
    struct row_more *const more = report_more(report, plan->row->family);
    if (!more || !more->states)
        return;
    const uint32_t after = report_entity_state(report, plan, event);
    if (before != after)
        class_change(report, more->states, before, after, event->time);
    struct listed_entity *const listed = listed_get(report, plan, event->payload[0], more->states, event->time);
    if (!listed)
        return;
    if (plan->kind == EVTRAIL_KIND_name)
        listed_name(report, listed, event);
    else
        listed_change(report, listed, after, event->time);
    if (plan->kind == EVTRAIL_KIND_state && event->words > 1)
        listed->parent = event->payload[1];
}

void report_entities_end(struct report *report)
{
    const int64_t end = report->stat.last_ns;
    for (uint32_t i = 0; i < report->more_count; i++)
        for (uint32_t state = 0; report->more[i] && report->more[i]->states && state < STATES_MAX; state++)
            if (report->more[i]->states->known[state])
                state_until(report, report->more[i]->states, state, end);
    for (uint32_t i = 0; i < report->listed_count; i++)
        listed_until(report, &report->listed[i], end);
}
