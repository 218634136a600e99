/* SPDX-License-Identifier: ISC
 *
 * The part that knows entities: takes events, adds up what is about each.
 */
#include "entity_private.h"
#include "config.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_NS INT64_C(10000000000)
#define ERROR_TEXTS_MAX 2000u /* a second: formatting costs ten times what counting does */

struct entities *entities_of(const struct model *model)
{
    return (struct entities *)(void *)model_part(model, PART_entities);
}

/* ---- states ---- */

static uint64_t own_ns(const struct entities *entities, const struct entity *entity, int64_t now_ns)
{
    const int64_t from = entity->since_ns > entities->reset_ns ? entity->since_ns : entities->reset_ns;
    return now_ns > from ? (uint64_t)(now_ns - from) : 0;
}

/* Adds the time in its state up to now. */
static void add_time(struct entities *entities, struct entity *entity, int64_t now_ns)
{
    if (entity->state < entities->classes[entity->class]->states_count)
        *entity_time(entities, entity, entity->state) += own_ns(entities, entity, now_ns);
}

static void enter_state(struct entities *entities, struct entity *entity, uint8_t state, int64_t now_ns)
{
    struct entity_class *const class = entities->classes[entity->class];
    const bool was_busy = entity->state < class->states_count && class->states[entity->state].phase == PHASE_busy;
    add_time(entities, entity, now_ns);
    if (entity->state < class->states_count)
        class->states[entity->state].alive--;
    entity->state = state;
    if (now_ns > entity->since_ns)
        entity->since_ns = now_ns;
    class->states[state].alive++;
    if (class->states[state].phase == PHASE_busy && !was_busy && entity->uses < UINT32_MAX)
        entity->uses++;
}

static uint8_t state_by_text(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event,
                             const struct evtrail_value *value)
{
    struct entity_class *const class = entities->classes[plan->class];
    char text[32];
    size_t bytes = value->bytes;
    const char *name = value->data;
    if (value->type == EVTRAIL_TYPE_enum)
        name = evtrail_enum_name(event->type->fields[2].enums, value->i, &bytes);
    if (value->type == EVTRAIL_TYPE_string && !value->null)
        return entity_class_state(entities, class, name, strnlen(name, bytes));
    if (value->type != EVTRAIL_TYPE_enum || !name) {
        bytes = evtrail_format_value(value, &event->type->fields[2], false, text, sizeof text);
        bytes = bytes < sizeof text ? bytes : sizeof text;
        name = text;
    }
    return entity_class_state(entities, class, name, bytes);
}

/* The place of the state that the event tells. */
static uint8_t state_of(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    struct state_map *const map = plan->state_type == EVTRAIL_TYPE_string ? NULL : plan->states;
    struct evtrail_value value;
    if (!map && plan->state_type == 0)
        return STATE_NONE;
    const uint64_t word = event->words > 2 ? event->payload[2] : 0;
    if (map && event->words > 2 && word < 32 && map->direct[word] != STATE_NONE)
        return map->direct[word];
    if (evtrail_event_value(event, 2, &value) < 0 || value.cut)
        return STATE_NONE;
    for (unsigned i = 0; map && i < map->count; i++)
        if (map->seen[i].value == value.i)
            return map->seen[i].place;
    const uint8_t place = state_by_text(entities, plan, event, &value);
    if (map && word < 32)
        map->direct[word] = place;
    else if (map && map->count < CLASS_STATES_MAX)
        map->seen[map->count++] = (struct plan_state){.value = value.i, .place = place};
    return place;
}

/* ---- parents ---- */

/* The class in which this id is known, if it is but one. */
static struct entity *find_anywhere(struct entities *entities, uint32_t source, uint64_t id, const struct entity *child)
{
    struct entity *found = NULL;
    for (uint32_t i = 0; i < entities->classes_count && i < 64; i++) {
        struct entity *const entity = entity_find(entities, source, i, id);
        if (!entity || entity == child)
            continue;
        if (found)
            return NULL;
        found = entity;
    }
    return found;
}

static void find_parent(struct entities *entities, struct entity *entity, uint64_t id)
{
    struct entity_class *const class = entities->classes[entity->class];
    struct entity *parent = NULL;
    if (class->parent != 0)
        parent = entity_find(entities, entity->source, class->parent - 1u, id);
    /* Not all of a class have parents of one class: contexts of Eio are in fibers, the outermost in a domain. */
    if (!parent && !class->fixed_parent && (parent = find_anywhere(entities, entity->source, id, entity)) != NULL &&
        class->parent == 0)
        class->parent = (uint16_t)(parent->class + 1);
    entity_adopt(entities, entity, parent ? parent->index : 0);
}

static void set_parent(struct entities *entities, struct entity *entity, const struct evtrail_event *event)
{
    const uint64_t id = event->words > 1 ? event->payload[1] : 0;
    if (id == entity->parent_id && (entity->parent != 0 || id == 0))
        return;
    entity->parent_id = id;
    if (id == 0)
        entity_adopt(entities, entity, 0);
    else
        find_parent(entities, entity, id);
}

/* ---- which entity an event is about ---- */

static uint64_t number_of(const struct evtrail_event *event, unsigned field)
{
    struct evtrail_value value;
    if (evtrail_event_value(event, field, &value) < 0 || value.cut)
        return 0;
    if (value.type == EVTRAIL_TYPE_f32 || value.type == EVTRAIL_TYPE_f64)
        return value.f > 0 && value.f < 1e18 ? (uint64_t)value.f : 0;
    const bool is_signed = value.type >= EVTRAIL_TYPE_i8 && value.type <= EVTRAIL_TYPE_i64;
    return is_signed && value.i < 0 ? 0 : value.u;
}

static uint64_t id_of(const struct plan_ref *ref, const struct evtrail_event *event)
{
    struct evtrail_value value;
    if (ref->word != UINT32_MAX)
        return ref->word < event->words ? event->payload[ref->word] : 0;
    return evtrail_event_value(event, ref->field, &value) == 0 && !value.cut ? value.u : 0;
}

static struct entity *about(struct entities *entities, const struct entity_plan *plan, struct plan_ref *ref,
                            const struct evtrail_event *event)
{
    const uint64_t id = id_of(ref, event);
    if (id == 0 && !ref->role)
        return NULL;
    struct entity *entity = id == ref->id ? entity_with(entities, ref->index, ref->serial) : NULL;
    if (entity && !(entity->flags & ENTITY_OUTLIVED))
        return entity;
    entity = entity_find(entities, plan->of->source, ref->class, id);
    if (!entity)
        return NULL;
    ref->id = id;
    ref->index = entity->index;
    ref->serial = entity->serial;
    return entity;
}

/* ---- the kinds ---- */

/* The field that says which it is comes first; it is found once for the event. */
static struct entity *known(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    return event->words > 0 && plan->refs_count > 0 ? about(entities, plan, &plan->refs[0], event) : NULL;
}

static struct entity *made(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    struct entity *entity = known(entities, plan, event);
    if (event->words == 0)
        return NULL;
    if (entity && entity->flags & ENTITY_GONE) {
        if (event->time < entity->since_ns)
            return NULL; /* what the merge let slip */
        entity_outlive(entities, entity);
        entity = NULL;
    }
    if (!entity && plan->refs_count > 0)
        return entity_new(entities, plan->of->source, plan->class, event->payload[0], event->time);
    if (!entity)
        return NULL;
    if (entity->flags & ENTITY_ENDED) { /* the next file of its process */
        entity_bring_back(entities, entity);
        entity->since_ns = event->time;
    }
    return entity;
}

static void take_state(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    struct entity *const entity = made(entities, plan, event);
    if (!entity)
        return;
    const uint8_t state = state_of(entities, plan, event);
    if (state != STATE_NONE && state != entity->state)
        enter_state(entities, entity, state, event->time);
    entity->tid = event->tid;
    set_parent(entities, entity, event);
}

static void take_name(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    struct entity *const entity = made(entities, plan, event);
    struct evtrail_value value;
    if (entity && evtrail_event_value(event, 1, &value) == 0 && value.type == EVTRAIL_TYPE_string && !value.null)
        entity_label(entities, entity, value.data, value.bytes);
}

static void take_gone(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    struct entity_class *const class = entities->classes[plan->class];
    struct entity *const entity = known(entities, plan, event);
    if (!entity || entity->flags & ENTITY_GONE) {
        class->gone += !entity; /* its beginning was not seen */
        class->seen += !entity;
        return;
    }
    class->gone++;
    if (entity->flags & ENTITY_ENDED) {
        entity_bring_back(entities, entity);
        entity->since_ns = event->time;
    }
    add_time(entities, entity, event->time);
    entity->since_ns = event->time > entity->since_ns ? event->time : entity->since_ns;
    entity_put_away(entities, entity, false);
}

/* ---- sums of one entity ---- */

static void keep_error(struct entities *entities, struct entity *entity, const struct evtrail_event *event)
{
    static const struct evtrail_format_options options = {
        .bytes = sizeof options, .time = EVTRAIL_TIME_none, .string_max = 48, .human = true, .no_context = true};
    char line[256];
    entity->errors += entity->errors < UINT32_MAX;
    if (event->time / 1000000000 != entities->error_texts_ns / 1000000000)
        entities->error_texts = 0;
    entities->error_texts_ns = event->time;
    if (!entity->error && !(entity->error = part_take(&entities->part, sizeof *entity->error)))
        return;
    entity->error->ns = event->time;
    if (entities->error_texts++ >= ERROR_TEXTS_MAX) {
        snprintf(entity->error->text, sizeof entity->error->text, "%s", event->type->name);
        return;
    }
    const size_t bytes = evtrail_format_text(event, &options, line, sizeof line - 1);
    line[bytes < sizeof line - 1 ? bytes : sizeof line - 1] = '\0';
    line[strcspn(line, "\n")] = '\0';
    const char *const name = strstr(line, event->type->name); /* behind thread and level */
    snprintf(entity->error->text, sizeof entity->error->text, "%s", name ? name : event->type->name);
}

static void add_up(struct entities *entities, const struct entity_plan *plan, struct entity *entity,
                   const struct evtrail_event *event, uint64_t bytes)
{
    entity->last_ns = event->time > entity->last_ns ? event->time : entity->last_ns;
    entity->events += entity->events < UINT32_MAX;
    entity->bytes += bytes;
    entity->flags |= ENTITY_MATCHED;
    if (plan->level <= EVTRAIL_LEVEL_error)
        keep_error(entities, entity, event);
    if (plan->waits) {
        const uint64_t waiters = number_of(event, 0);
        entity->waiters = waiters < UINT32_MAX ? (uint32_t)waiters : UINT32_MAX;
    }
}

/* An entity that has no states, but is said how long it was busy and idle. */
static void measure(struct entities *entities, const struct entity_plan *plan, const struct evtrail_event *event)
{
    const uint64_t id = id_of(&plan->refs[0], event);
    struct entity *entity = entity_find(entities, plan->of->source, plan->class, id);
    if (!entity) {
        entity = entity_new(entities, plan->of->source, plan->class, id, event->time);
        if (!entity)
            return;
        entity->flags |= ENTITY_IMPLIED;
    }
    if (entity->flags & ENTITY_ENDED)
        entity_bring_back(entities, entity);
    for (unsigned i = 0; i < 2; i++)
        *entity_time(entities, entity, plan->measure_states[i]) += number_of(event, plan->measure_fields[i]);
    entity->uses += entity->uses < UINT32_MAX;
    entity->tid = event->tid;
}

static void take_about(struct entities *entities, struct entity_plan *plan, const struct evtrail_event *event)
{
    uint64_t bytes = 0;
    entities->touched.payload = event->payload;
    entities->touched.ticks = event->ticks;
    entities->touched.type = event->id;
    entities->touched.ring = event->ring;
    entities->touched.count = 0;
    for (unsigned i = 0; i < plan->bytes_count; i++)
        bytes += number_of(event, plan->bytes_fields[i]);
    for (unsigned i = 0; i < plan->refs_count; i++) {
        struct entity *const entity = about(entities, plan, &plan->refs[i], event);
        if (!entity)
            continue;
        add_up(entities, plan, entity, event, bytes);
        entities->touched.list[entities->touched.count++] = entity;
    }
}

unsigned entities_touched(const struct entities *entities, const struct evtrail_event *event,
                          struct entity *ret_entities[ENTITY_EVENT_REFS])
{
    if (entities->touched.payload != event->payload || entities->touched.ticks != event->ticks ||
        entities->touched.type != event->id || entities->touched.ring != event->ring)
        return 0;
    for (unsigned i = 0; i < entities->touched.count; i++)
        ret_entities[i] = entities->touched.list[i];
    return entities->touched.count;
}

/* ---- the part ---- */

static int init(struct part *part)
{
    struct entities *const entities = (struct entities *)(void *)part;
    const char *const keep = config_get(part->model->options.config, "entities", "keep");
    entities->keep_ns = KEEP_NS;
    if (keep)
        evtrail_parse_duration(keep, &entities->keep_ns);
    entities->reset_ns = INT64_MIN;
    entities->classes = calloc(CLASSES_MAX, sizeof(struct entity_class *));
    if (!entities->classes)
        return -1;
    part->used_bytes = CLASSES_MAX * sizeof(struct entity_class *);
    return 0;
}

static void fini(struct part *part)
{
    struct entities *const entities = (struct entities *)(void *)part;
    entity_plans_fini(entities);
    entity_table_fini(entities);
    for (uint32_t i = 0; i < entities->classes_count; i++)
        free(entities->classes[i]);
    free(entities->classes);
    free(entities->sources);
}

static void *plan(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type)
{
    return entity_plan_make((struct entities *)(void *)part, source, type);
}

static void event(struct part *part, void *plan_data, const struct evtrail_event *happened, bool matched)
{
    struct entities *const entities = (struct entities *)(void *)part;
    struct entity_plan *const plan = plan_data;
    if (plan->of->types_seen < happened->source->types_count)
        entity_learn_classes(entities, plan->of, happened->source);
    if (plan->generation != entities->generation)
        entity_plan_renew(entities, plan, happened->type);
    entities->changes++;
    if (plan->kind == EVTRAIL_KIND_state)
        take_state(entities, plan, happened);
    else if (plan->kind == EVTRAIL_KIND_name)
        take_name(entities, plan, happened);
    else if (plan->measures && matched && plan->refs)
        measure(entities, plan, happened);
    if (matched && plan->refs_count > 0)
        take_about(entities, plan, happened);
    if (plan->kind == EVTRAIL_KIND_gone)
        take_gone(entities, plan, happened);
}

static void notice(struct part *part, const struct evtrail_event *event)
{
    if (event->what == EVTRAIL_EVENT_SOURCE && event->source->gone)
        entity_plans_forget((struct entities *)(void *)part, event->source->number);
}

/* What lived in processes that have ended. */
static void sweep(struct entities *entities)
{
    entities->to_sweep = false;
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        struct entity *const entity = entity_at(entities, i);
        if (!entity || entity->flags & (ENTITY_GONE | ENTITY_ENDED))
            continue;
        const struct entity_source *const source = &entities->sources[entity->source];
        if (!source->gone || source->swept)
            continue;
        add_time(entities, entity, entities->part.model->totals.last_ns);
        entity_put_away(entities, entity, true);
    }
    for (uint32_t i = 0; i < entities->sources_count; i++)
        entities->sources[i].swept |= entities->sources[i].gone;
}

static void tick(struct part *part, int64_t now_ns)
{
    struct entities *const entities = (struct entities *)(void *)part;
    if (entities->to_sweep)
        sweep(entities);
    entity_expire(entities, now_ns);
}

static void zero(struct entity *entity)
{
    entity->bytes = 0;
    entity->uses = entity->events = entity->errors = 0;
    memset(entity->times, 0, sizeof entity->times);
    if (entity->more_times)
        memset(entity->more_times, 0, STATES_MORE_BYTES);
    if (entity->family)
        *entity->family = (struct entity_family){0};
}

static void reset(struct part *part)
{
    struct entities *const entities = (struct entities *)(void *)part;
    entity_forget_all_gone(entities);
    entities->reset_ns = part->model->now_ns;
    part->left_out = 0;
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        struct entity *const entity = entity_at(entities, i);
        if (!entity)
            continue;
        zero(entity);
        part_give(part, entity->error, sizeof *entity->error);
        entity->error = NULL;
    }
    for (uint32_t i = 0; i < entities->classes_count; i++) {
        struct entity_class *const class = entities->classes[i];
        class->seen = class->alive;
        class->gone = class->left_out = 0;
    }
    entities->changes++;
}

const struct part_ops entities_part = {
    .name = "entities",
    .bytes = sizeof(struct entities),
    .kinds = KINDS_ALL,
    .always = KIND_BIT(EVTRAIL_KIND_state) | KIND_BIT(EVTRAIL_KIND_name) | KIND_BIT(EVTRAIL_KIND_gone),
    .share = 40,
    .init = init,
    .fini = fini,
    .plan = plan,
    .event = event,
    .notice = notice,
    .tick = tick,
    .reset = reset,
};
