/* SPDX-License-Identifier: ISC
 *
 * Rows and plans: which event types there are, and what is counted of each.
 */
#include "stat_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 400000u
#define ENTITIES_MAX 400000u
#define ROWS_MAX 65535u

int stat_model_init(struct stat_model *model)
{
    *model = (struct stat_model){.first_ns = INT64_MAX, .last_ns = INT64_MIN, .index_size = 1024};
    idtable_init(&model->spans, SPANS_MAX);
    idtable_init(&model->entities, ENTITIES_MAX);
    model->index = calloc(model->index_size, sizeof *model->index);
    return model->index ? 0 : -ENOMEM;
}

static void row_free(struct row *row)
{
    if (row->span)
        histogram_fini(&row->span->histogram);
    for (uint32_t i = 0; row->class && i < row->class->states_count; i++)
        free(row->class->states[i]);
    free(row->span);
    free(row->class);
    if (row->counter)
        free(row->counter->unit);
    free(row->counter);
    free(row->name);
    free(row);
}

void stat_model_forget(struct stat_model *model)
{
    for (uint32_t i = 0; i < model->sources_count; i++) {
        for (uint32_t block = 0; block < model->sources[i].count; block++)
            free(model->sources[i].blocks[block]);
        free(model->sources[i].blocks);
    }
    free(model->sources);
    model->sources = NULL;
    model->sources_count = 0;
}

void stat_model_fini(struct stat_model *model)
{
    stat_model_forget(model);
    for (uint32_t i = 0; i < model->rows_count; i++)
        row_free(model->rows[i]);
    free(model->rows);
    free(model->index);
    free(model->sessions);
    host_list_fini(&model->hosts);
    idtable_fini(&model->spans);
    idtable_fini(&model->entities);
}

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

static uint32_t hash_name(const char *name, unsigned kind)
{
    uint32_t hash = 2166136261u ^ kind;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* The place of a row in the index: where it is, or where it would be. */
static uint32_t *index_place(struct stat_model *model, const char *name, unsigned kind)
{
    for (uint32_t i = hash_name(name, kind);; i++) {
        uint32_t *const place = &model->index[i & (model->index_size - 1)];
        if (*place == 0)
            return place;
        const struct row *const row = model->rows[*place - 1];
        if (row->kind == kind && strcmp(row->name, name) == 0)
            return place;
    }
}

static int index_grow(struct stat_model *model)
{
    uint32_t *const index = calloc((size_t)model->index_size * 2, sizeof *index);
    struct row **const rows = realloc(model->rows, (size_t)model->index_size * sizeof *rows);
    if (rows)
        model->rows = rows;
    if (!index || !rows) {
        free(index);
        return -ENOMEM;
    }
    free(model->index);
    model->index = index;
    model->index_size *= 2;
    for (uint32_t i = 0; i < model->rows_count; i++)
        *index_place(model, model->rows[i]->name, model->rows[i]->kind) = i + 1;
    return 0;
}

static struct row *row_make(struct stat_model *model, const char *name, unsigned kind, unsigned level)
{
    if (!model->rows || model->rows_count >= model->index_size / 2)
        if (index_grow(model) < 0)
            return NULL;
    struct row *const row = calloc(1, sizeof *row);
    if (!row || !(row->name = strdup(name))) {
        free(row);
        return NULL;
    }
    row->kind = (uint8_t)kind;
    row->level = (uint8_t)level;
    *index_place(model, name, kind) = model->rows_count + 1;
    model->rows[model->rows_count++] = row;
    row->number = model->rows_count;
    return row;
}

static struct row *row_get(struct stat_model *model, const char *name, unsigned kind, unsigned level)
{
    const uint32_t at = *index_place(model, name, kind);
    if (at == 0)
        return model->rows_count < ROWS_MAX ? row_make(model, name, kind, level) : NULL;
    struct row *const row = model->rows[at - 1];
    if (level < row->level)
        row->level = (uint8_t)level;
    return row;
}

/* Begins and ends share what is known of a span; states, names and ends of an entity what is known of the entity. */
static int family_set(struct stat_model *model, struct row *row)
{
    static const uint8_t head[EVTRAIL_KINDS] = {[EVTRAIL_KIND_end] = EVTRAIL_KIND_begin,
                                                [EVTRAIL_KIND_gone] = EVTRAIL_KIND_state,
                                                [EVTRAIL_KIND_name] = EVTRAIL_KIND_state};
    const unsigned kind = head[row->kind] ? head[row->kind] : row->kind;
    struct row *const family = kind == row->kind ? row : row_get(model, row->name, kind, row->level);
    if (!family)
        return -ENOMEM;
    row->family = family;
    if (kind == EVTRAIL_KIND_begin && !family->span) {
        family->span = calloc(1, sizeof *family->span);
        if (family->span)
            histogram_init(&family->span->histogram);
        return family->span ? 0 : -ENOMEM;
    }
    if (kind == EVTRAIL_KIND_state && !family->class)
        family->class = calloc(1, sizeof *family->class);
    if (kind == EVTRAIL_KIND_counter && !family->counter)
        family->counter = calloc(1, sizeof *family->counter);
    return (kind == EVTRAIL_KIND_state && !family->class) || (kind == EVTRAIL_KIND_counter && !family->counter)
               ? -ENOMEM
               : 0;
}

/* ---- plans ------------------------------------------------------------------------------------------------------------- */

static int session_number(struct stat_model *model, uint64_t session_id, uint32_t *ret_number)
{
    for (uint32_t i = 0; i < model->sessions_count; i++) {
        if (model->sessions[i] != session_id)
            continue;
        *ret_number = i + 1;
        return 0;
    }
    uint64_t *const bigger = realloc(model->sessions, ((size_t)model->sessions_count + 1) * sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    model->sessions = bigger;
    model->sessions[model->sessions_count++] = session_id;
    *ret_number = model->sessions_count;
    return 0;
}

static int plan_fill(struct stat_model *model, struct plan *plan, const struct evtrail_source *source, uint32_t id)
{
    uint32_t *const session = &model->sources[source->number].session;
    if (*session == 0 && session_number(model, source->session_id, session) < 0)
        return -ENOMEM;
    const struct evtrail_event_type *const type = evtrail_source_type(source, id);
    const unsigned kind = type && type->kind < EVTRAIL_KINDS ? type->kind : EVTRAIL_KIND_instant;
    const unsigned level = type ? type->level : 0;
    struct row *const row = row_get(model, type ? type->name : "(not in the schema)", kind, level);
    if (!row || (!row->family && family_set(model, row) < 0))
        return -ENOMEM;
    plan->kind = (uint8_t)kind;
    plan->type = type;
    plan->group = row->family->number | *session << 16; /* rows: less than 2^16 */
    const unsigned field = kind == EVTRAIL_KIND_state ? 2 : 0;
    plan->value_type = type && field < type->fields_count ? type->fields[field].type : 0;
    if (row->counter && type && type->fields_count > 0)
        row->counter->unit = row->counter->unit ? row->counter->unit : strdup(type->fields[0].unit);
    plan->row = row;
    return 0;
}

/* *items, of which there are *had, becomes `count` items; the new ones are zero. */
static int grow_zeroed(void *items, uint32_t *had, uint32_t count, size_t item_bytes)
{
    char *array;
    memcpy(&array, items, sizeof array);
    array = realloc(array, count * item_bytes);
    if (!array)
        return -ENOMEM;
    memset(array + *had * item_bytes, 0, (count - *had) * item_bytes);
    memcpy(items, &array, sizeof array);
    *had = count;
    return 0;
}

/* A plan's block, made if there was none. */
static struct plan *plans_block(struct source_plans *plans, uint32_t block)
{
    if (block >= plans->count && grow_zeroed(&plans->blocks, &plans->count, block + 1, sizeof *plans->blocks) < 0)
        return NULL;
    if (!plans->blocks[block])
        plans->blocks[block] = calloc(PLANS_BLOCK, sizeof **plans->blocks);
    return plans->blocks[block];
}

static struct source_plans *source_get(struct stat_model *model, uint32_t number)
{
    const bool there = number < model->sources_count ||
                       grow_zeroed(&model->sources, &model->sources_count, number + 1, sizeof *model->sources) == 0;
    return there ? &model->sources[number] : NULL;
}

struct host *stat_model_host(struct stat_model *model, const struct evtrail_source *source)
{
    struct source_plans *const of = source_get(model, source->number);
    if (of && of->host == 0)
        of->host = host_list_number(&model->hosts, source->host) + 1;
    model->out_of_memory |= !of || of->host == 0;
    return of && of->host ? &model->hosts.list[of->host - 1] : NULL;
}

struct plan *stat_model_plan(struct stat_model *model, const struct evtrail_source *source, uint32_t id)
{
    struct source_plans *const of = source_get(model, source->number);
    struct plan *const block = of ? plans_block(of, id / PLANS_BLOCK) : NULL;
    struct plan *const plan = block ? &block[id % PLANS_BLOCK] : NULL;
    if (!plan || (!plan->row && plan_fill(model, plan, source, id) < 0)) {
        model->out_of_memory = true;
        return NULL;
    }
    return plan;
}

void stat_model_time(struct stat_model *model, int64_t ns)
{
    if (ns < model->first_ns)
        model->first_ns = ns;
    if (ns > model->last_ns)
        model->last_ns = ns;
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

static void observe(struct stat_model *model, struct plan *plan, const struct evtrail_event *event)
{
    struct span_stat *const span = plan->row->family->span;
    switch (plan->kind) {
    case EVTRAIL_KIND_begin:
        span->begins++;
        break;
    case EVTRAIL_KIND_end:
        span->ends++;
        if (event->duration >= 0)
            model->out_of_memory |= histogram_add(&span->histogram, (uint64_t)event->duration, 1) < 0;
        else
            span->unmatched++;
        break;
    case EVTRAIL_KIND_counter:
        stat_counter(plan, event->payload[0], event->time);
        break;
    case EVTRAIL_KIND_state:
        if (event->words > 2)
            stat_entity(model, plan, event->payload[0], event->ticks, event->payload + 2, event->words - 2);
        break;
    case EVTRAIL_KIND_gone:
        stat_entity_gone(model, plan, event->payload[0], event->ticks);
        break;
    default:
        break;
    }
}

void stat_model_event(struct stat_model *model, const struct evtrail_event *event)
{
    struct host *const host = stat_model_host(model, event->source);
    if (event->what == EVTRAIL_EVENT_LOST && event->cause < EVTRAIL_CAUSES_ALL) {
        model->lost[event->cause] += event->lost;
        if (host)
            host->lost[event->cause] += event->lost;
    }
    if (event->what != EVTRAIL_EVENT)
        return;
    if (host)
        host->events++;
    struct plan *const plan = stat_model_plan(model, event->source, event->id);
    if (!plan)
        return;
    const uint64_t bytes = 8 * ((uint64_t)event->words + 1 + (event->words >= 63));
    plan->row->count++;
    plan->row->bytes += bytes;
    model->events++;
    model->bytes += bytes;
    stat_model_time(model, event->time);
    if (plan->kind != EVTRAIL_KIND_instant && event->words > 0)
        observe(model, plan, event);
}
