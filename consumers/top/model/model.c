/* SPDX-License-Identifier: ISC
 *
 * The model: events go to the parts that take their kind, with what each part keeps for their type.
 */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES (16u << 20)
#define TICK_NS 100000000
#define LIE_NS INT64_C(60000000000) /* the clock is so far behind what an event said: that was a lie */
#define TIME_MOST (INT64_MAX / 2)   /* the year 2116 */
#define TYPES_MAX (1u << 20)        /* ids of one source; more are not planned for */

static const struct part_ops *const part_ops[PARTS] = {
    [PART_types] = &types_part,       [PART_spans] = &spans_part,       [PART_tree] = &tree_part,
    [PART_entities] = &entities_part, [PART_warnings] = &warnings_part,
};

/* What the parts keep for one event type of one source. */
struct plan {
    void *kept[PARTS];
    bool made;
};
struct source_plans {
    struct plan *plans; /* by type id */
    uint32_t count;
    uint32_t host; /* + 1; 0: not met */
    struct model_source figures;
};

/* ---- plans ---- */

static struct source_plans *plans_of(struct model *model, uint32_t number)
{
    if (number >= model->sources_count) {
        const uint32_t count = number + number / 2 + 8;
        struct source_plans *sources = realloc(model->sources, count * sizeof *sources);
        if (!sources)
            return NULL;
        memset(sources + model->sources_count, 0, (count - model->sources_count) * sizeof *sources);
        model->sources = sources;
        model->sources_count = count;
    }
    return &model->sources[number];
}

/* A source that is met: its host is known from now on. NULL: no memory. */
static struct source_plans *source_met(struct model *model, const struct evtrail_source *source)
{
    struct source_plans *of = plans_of(model, source->number);
    if (!of || of->host)
        return of;
    const uint32_t host = host_list_number(&model->hosts, source->host);
    if (host == UINT32_MAX)
        return NULL;
    of->host = host + 1;
    of->figures.last_ns = INT64_MIN;
    return of;
}

static struct plan *plan_at(struct model *model, const struct evtrail_source *source, uint32_t id)
{
    struct source_plans *of = plans_of(model, source->number);
    if (!of || id >= TYPES_MAX)
        return NULL;
    if (id >= of->count) {
        const uint32_t count = (id > source->types_count ? id : source->types_count) + id / 4 + 8;
        struct plan *plans = realloc(of->plans, count * sizeof *plans);
        if (!plans)
            return NULL;
        memset(plans + of->count, 0, (count - of->count) * sizeof *plans);
        of->plans = plans;
        of->count = count;
    }
    return &of->plans[id];
}

static const struct plan *plan_for(struct model *model, const struct evtrail_source *source,
                                   const struct evtrail_event_type *type)
{
    struct plan *plan = plan_at(model, source, type->id);
    if (!plan) {
        model->out_of_memory = true;
        return NULL;
    }
    for (unsigned i = 0; !plan->made && i < PARTS; i++)
        if (part_ops[i]->kinds & KIND_BIT(type->kind))
            plan->kept[i] = part_ops[i]->plan(model->parts[i], source, type);
    plan->made = true;
    return plan;
}

/* Its number is not used again, and its types go. */
static void forget_source(struct model *model, uint32_t number)
{
    if (number >= model->sources_count)
        return;
    free(model->sources[number].plans);
    model->sources[number].plans = NULL;
    model->sources[number].count = 0;
}

/* ---- events ---- */

static void count(struct model *model, const struct evtrail_event *event)
{
    struct model_totals *totals = &model->totals;
    totals->events++;
    totals->bytes += (uint64_t)(event->words + 1) * sizeof(uint64_t);
    totals->first_ns = event->time < totals->first_ns ? event->time : totals->first_ns;
    totals->last_ns = event->time > totals->last_ns ? event->time : totals->last_ns;
    struct source_plans *of = source_met(model, event->source);
    if (!of)
        return;
    of->figures.events++;
    of->figures.last_ns = event->time > of->figures.last_ns ? event->time : of->figures.last_ns;
}

static void count_lost(struct model *model, const struct evtrail_event *event)
{
    struct source_plans *of = source_met(model, event->source);
    model->totals.lost[event->cause] += event->lost;
    model->lost_ns = event->time > model->lost_ns ? event->time : model->lost_ns;
    if (!of)
        return;
    of->figures.lost += event->lost;
    model->hosts.list[of->host - 1].lost[event->cause] += event->lost;
}

static void take(struct model *model, const struct evtrail_event *event)
{
    const bool matched = !model->options.filter || evtrail_filter_match(model->options.filter, event);
    if (matched)
        count(model, event);
    if (!event->type || event->type->kind >= EVTRAIL_KINDS)
        return;
    const uint32_t bit = KIND_BIT(event->type->kind);
    const struct plan *plan = plan_for(model, event->source, event->type);
    for (unsigned i = 0; plan && i < PARTS; i++)
        if (plan->kept[i] && (matched || (part_ops[i]->always & bit)))
            part_ops[i]->event(model->parts[i], plan->kept[i], event, matched);
}

static void note(struct model *model, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT_LOST && event->cause < EVTRAIL_CAUSES_ALL)
        count_lost(model, event);
    else if (event->what == EVTRAIL_EVENT_SOURCE)
        source_met(model, event->source);
    for (unsigned i = 0; i < PARTS; i++)
        if (part_ops[i]->notice)
            part_ops[i]->notice(model->parts[i], event);
    if (event->what == EVTRAIL_EVENT_SOURCE && event->source->gone)
        forget_source(model, event->source->number);
}

/* A time that is a lie becomes one whose distance to any other can be told. */
static int64_t sane(int64_t time_ns)
{
    return time_ns < 0 ? 0 : time_ns > TIME_MOST ? TIME_MOST : time_ns;
}

static void event_in_time(struct model *model, const struct evtrail_event *event)
{
    if (event->time > model->ticked_ns && (uint64_t)event->time - (uint64_t)model->ticked_ns >= TICK_NS)
        model_tick(model, event->time);
    else if (event->time > model->now_ns)
        model->now_ns = event->time;
    if (event->what == EVTRAIL_EVENT)
        take(model, event);
    else
        note(model, event);
}

void model_event(struct model *model, const struct evtrail_event *event)
{
    if (event->time == sane(event->time) && event->what != EVTRAIL_EVENT_LOST) {
        event_in_time(model, event);
        return;
    }
    struct evtrail_event copy = *event;
    copy.time = sane(event->time);
    copy.lost_since = sane(event->lost_since);
    event_in_time(model, &copy);
}

void model_counted(struct model *model, const struct evtrail_source *source, uint32_t id, uint64_t events,
                   uint64_t bytes)
{
    const struct evtrail_event_type *type = evtrail_source_type(source, id);
    model->totals.sampled_out += events;
    model->unseen_ns = model->now_ns;
    if (!type || type->kind == EVTRAIL_KIND_state || type->kind == EVTRAIL_KIND_name || type->kind == EVTRAIL_KIND_gone)
        model->unseen_states_ns = model->now_ns;
    if (model->options.filter)
        return;
    model->totals.events += events;
    model->totals.bytes += bytes;
    struct source_plans *of = source_met(model, source);
    if (of)
        of->figures.events += events;
    const struct plan *plan = type && type->kind < EVTRAIL_KINDS ? plan_for(model, source, type) : NULL;
    for (unsigned i = 0; plan && i < PARTS; i++)
        if (plan->kept[i] && part_ops[i]->counted)
            part_ops[i]->counted(model->parts[i], plan->kept[i], events, bytes);
}

void model_tick(struct model *model, int64_t now_ns)
{
    now_ns = sane(now_ns);
    if (now_ns > model->now_ns || model->now_ns - now_ns > LIE_NS)
        model->now_ns = now_ns;
    model->ticked_ns = model->now_ns;
    for (unsigned i = 0; i < PARTS; i++)
        if (part_ops[i]->tick)
            part_ops[i]->tick(model->parts[i], model->now_ns);
}

/* ---- making and ending ---- */

struct part *model_part(const struct model *model, enum model_part part)
{
    return model->parts[part];
}

/* A session's id is random, of 64 bits. */
uint64_t model_source_key(const struct evtrail_source *source)
{
    return source->session_id;
}

/* ---- hosts and sources ---- */

uint32_t model_host_number(struct model *model, const struct evtrail_source *source)
{
    const struct source_plans *of = source_met(model, source);
    return of ? of->host - 1 : 0;
}

/* Made when somebody asks: an event is counted for its source only. */
struct host_list *model_hosts(struct model *model)
{
    for (uint32_t i = 0; i < model->hosts.count; i++) {
        model->hosts.list[i].events = 0;
        model->hosts.list[i].last_ns = INT64_MIN;
    }
    for (uint32_t i = 0; i < model->sources_count; i++) {
        const struct source_plans *of = &model->sources[i];
        if (of->host == 0)
            continue;
        struct host *host = &model->hosts.list[of->host - 1];
        host->events += of->figures.events;
        host->last_ns = of->figures.last_ns > host->last_ns ? of->figures.last_ns : host->last_ns;
    }
    return &model->hosts;
}

struct model_source model_source_figures(const struct model *model, uint32_t number)
{
    if (number >= model->sources_count || model->sources[number].host == 0)
        return (struct model_source){.last_ns = INT64_MIN};
    return model->sources[number].figures;
}

static void clear_totals(struct model *model)
{
    model->totals = (struct model_totals){.first_ns = INT64_MAX, .last_ns = INT64_MIN};
    for (uint32_t i = 0; i < model->sources_count; i++)
        model->sources[i].figures = (struct model_source){.last_ns = INT64_MIN};
    for (uint32_t i = 0; i < model->hosts.count; i++)
        memset(model->hosts.list[i].lost, 0, sizeof model->hosts.list[i].lost);
}

static int part_make(struct model *model, unsigned number)
{
    const struct part_ops *ops = part_ops[number];
    struct part *part = calloc(1, ops->bytes);
    if (!part)
        return -ENOMEM;
    part->ops = ops;
    part->model = model;
    part->budget_bytes = model->options.memory_bytes / 100 * ops->share;
    model->parts[number] = part;
    const int r = ops->init(part);
    if (r < 0) {
        model->parts[number] = NULL;
        free(part);
    }
    return r;
}

int model_new(struct model **ret_model, const struct model_options *options)
{
    struct model *model = calloc(1, sizeof *model);
    if (!model)
        return -ENOMEM;
    if (options)
        model->options = *options;
    model->unseen_ns = model->unseen_states_ns = model->lost_ns = INT64_MIN;
    if (model->options.memory_bytes == 0)
        model->options.memory_bytes = MEMORY_BYTES;
    clear_totals(model);
    for (unsigned i = 0; i < PARTS; i++)
        if (part_make(model, i) < 0) {
            model_free(model);
            return -ENOMEM;
        }
    *ret_model = model;
    return 0;
}

void model_free(struct model *model)
{
    if (!model)
        return;
    for (unsigned i = 0; i < PARTS; i++)
        if (model->parts[i]) {
            part_ops[i]->fini(model->parts[i]);
            free(model->parts[i]);
        }
    for (uint32_t i = 0; i < model->sources_count; i++)
        free(model->sources[i].plans);
    free(model->sources);
    host_list_fini(&model->hosts);
    free(model);
}

void model_reset(struct model *model)
{
    clear_totals(model);
    for (unsigned i = 0; i < PARTS; i++)
        part_ops[i]->reset(model->parts[i]);
}
