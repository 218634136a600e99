/* SPDX-License-Identifier: ISC
 *
 * What an event type has to do with entities, from its schema alone: which fields are ids of which classes, which are bytes or times.
 */
#include "entity_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sources ---- */

static bool sources_grow(struct entities *entities)
{
    const uint32_t count = entities->sources_count ? entities->sources_count * 2 : 4;
    struct entity_source *const sources =
        count <= SOURCES_MAX + 1 ? part_take(&entities->part, count * sizeof *sources) : NULL;
    if (!sources)
        return false;
    if (entities->sources)
        memcpy(sources, entities->sources, entities->sources_count * sizeof *sources);
    part_give(&entities->part, entities->sources, entities->sources_count * sizeof *sources);
    entities->sources = sources;
    entities->sources_count = count;
    return true;
}

static bool is_free(const struct entity_source *source)
{
    return !source->used || (source->gone && source->entities == 0 && source->plans == 0);
}

/* Our number of the source: its entities are its own, whatever files they come from. < 0: too many. */
static int source_number(struct entities *entities, const struct evtrail_source *source)
{
    const uint64_t key = model_source_key(source);
    uint32_t free_one = UINT32_MAX;
    for (uint32_t i = entities->sources_count; i-- > 0;) {
        if (entities->sources[i].used && entities->sources[i].key == key)
            return (int)i;
        if (is_free(&entities->sources[i]))
            free_one = i;
    }
    if (free_one == UINT32_MAX) {
        free_one = entities->sources_count;
        if (!sources_grow(entities))
            return -1;
    }
    struct entity_source *const made = &entities->sources[free_one];
    *made = (struct entity_source){
        .key = key, .pid = source->pid, .host = model_host_number(entities->part.model, source), .used = true};
    snprintf(made->command, sizeof made->command, "%s", source->command);
    return (int)free_one;
}

/* Moved to the front: plans are made for one source after the other. */
static struct plans *plans_of(struct entities *entities, const struct evtrail_source *source)
{
    for (struct plans **at = &entities->plans; *at; at = &(*at)->next) {
        struct plans *const plans = *at;
        if (plans->number != source->number)
            continue;
        *at = plans->next;
        plans->next = entities->plans;
        entities->plans = plans;
        return plans;
    }
    const int number = source_number(entities, source);
    struct plans *const plans = number >= 0 ? part_take(&entities->part, sizeof *plans) : NULL;
    if (!plans)
        return NULL;
    plans->number = source->number;
    plans->source = (uint16_t)number;
    entities->sources[number].plans++;
    entities->sources[number].gone = entities->sources[number].swept = false;
    plans->next = entities->plans;
    entities->plans = plans;
    return plans;
}

/* ---- which fields say what ---- */

static bool is_integer(const struct evtrail_field *field)
{
    return (field->type >= EVTRAIL_TYPE_i8 && field->type <= EVTRAIL_TYPE_x64) || field->type == EVTRAIL_TYPE_pointer;
}

static bool may_be_id(const struct evtrail_field *field)
{
    return is_integer(field) && field->role == EVTRAIL_ROLE_none && field->unit[0] == '\0' && field->name[0] != '\0';
}

static bool is_general(const char *name)
{
    static const char *const words[] = {"id", "entity", "self", "this", "object", "key", "number", "span"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], name) == 0)
            return true;
    return name[0] == '\0';
}

static void add_id_name(struct entity_class *class, const char *name)
{
    if (is_general(name) || strlen(name) >= sizeof class->ids[0])
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (strcmp(class->ids[i], name) == 0)
            return;
        if (class->ids[i][0] == '\0') {
            snprintf(class->ids[i], sizeof class->ids[i], "%s", name);
            return;
        }
    }
}

static bool is_entity_kind(unsigned kind)
{
    return kind == EVTRAIL_KIND_state || kind == EVTRAIL_KIND_name || kind == EVTRAIL_KIND_gone;
}

/* Classes that the source has, also of types of which no event came yet. */
void entity_learn_classes(struct entities *entities, struct plans *plans, const struct evtrail_source *source)
{
    for (; plans->types_seen < source->types_count; plans->types_seen++) {
        const struct evtrail_event_type *const type = source->types[plans->types_seen];
        if (!type || !is_entity_kind(type->kind) || type->fields_count == 0)
            continue;
        struct entity_class *const class = entity_class_make(entities, type->name);
        if (!class)
            continue;
        class->measured = false;
        add_id_name(class, type->fields[0].name);
    }
}

/* Parts of names that two have in common from their beginning. */
static unsigned parts_shared(const char *a, const char *b)
{
    unsigned shared = 0;
    for (; *a && *a == *b; a++, b++)
        shared += *a == '.';
    return shared + ((*a == '\0' || *a == '.') && (*b == '\0' || *b == '.'));
}

static unsigned fits(const struct entity_class *class, const char *event, const char *field)
{
    const bool id = strcmp(class->ids[0], field) == 0 || strcmp(class->ids[1], field) == 0;
    if (!id && strcmp(entity_last_part(class->name), field) != 0)
        return 0;
    return 1 + id + 2 * parts_shared(class->name, event);
}

static const struct entity_class *class_of_field(const struct entities *entities, const char *event, const char *field)
{
    const struct entity_class *best = NULL;
    unsigned most = 0;
    for (uint32_t i = 0; i < entities->classes_count; i++) {
        const unsigned fit = fits(entities->classes[i], event, field);
        if (fit > most) {
            most = fit;
            best = entities->classes[i];
        }
    }
    return best;
}

static bool is_memory(const struct evtrail_field *field)
{
    return field->type == EVTRAIL_TYPE_string || field->type == EVTRAIL_TYPE_bytes;
}

static uint32_t word_of(const struct evtrail_event_type *type, unsigned field)
{
    for (unsigned i = 0; i < field; i++)
        if (is_memory(&type->fields[i]))
            return UINT32_MAX;
    return field;
}

/* ---- what measures ---- */

/* Two fields in ns called as phases, one of them as being busy. */
static bool measure_fields(const struct evtrail_event_type *type, uint8_t fields[2], enum phase phases[2])
{
    unsigned found = 0;
    for (unsigned i = 0; i < type->fields_count && found < 2; i++) {
        const struct evtrail_field *const field = &type->fields[i];
        if (!is_integer(field) || strcmp(field->unit, "ns") != 0 ||
            !entity_word_phase(field->name, strlen(field->name), &phases[found]))
            continue;
        fields[found++] = (uint8_t)i;
    }
    return found == 2 && phases[0] != phases[1] && (phases[0] == PHASE_busy || phases[1] == PHASE_busy);
}

static int measured_id(const struct evtrail_event_type *type, const char *class)
{
    const int named = evtrail_event_type_field(type, entity_last_part(class));
    if (named >= 0 && may_be_id(&type->fields[named]))
        return named;
    for (unsigned i = 0; i < type->fields_count; i++)
        if (may_be_id(&type->fields[i]))
            return (int)i;
    return -1;
}

static void plan_measures(struct entities *entities, struct entity_plan *plan, const struct evtrail_event_type *type)
{
    enum phase phases[2];
    char name[CLASS_NAME_BYTES];
    if (type->kind != EVTRAIL_KIND_instant || !measure_fields(type, plan->measure_fields, phases))
        return;
    snprintf(name, sizeof name, "%s", type->name);
    char *const dot = strrchr(name, '.');
    if (dot)
        *dot = '\0';
    const int id = measured_id(type, name);
    const bool is_new = !entity_class_named(entities, name);
    struct entity_class *const class = id >= 0 ? entity_class_make(entities, name) : NULL;
    if (!class || (!is_new && !class->measured))
        return;
    class->measured = true;
    add_id_name(class, type->fields[id].name);
    for (unsigned i = 0; i < 2; i++) {
        const char *const state = phase_name(phases[i]);
        plan->measure_states[i] = entity_class_state(entities, class, state, strlen(state));
    }
    plan->measures = true;
    plan->class = class->number;
}

/* ---- the plan ---- */

static void add_ref(struct entity_plan *plan, struct plan_ref refs[ENTITY_EVENT_REFS],
                    const struct evtrail_event_type *type, unsigned field, uint16_t class, bool role)
{
    for (unsigned i = 0; i < plan->refs_count; i++)
        if (refs[i].field == field)
            return;
    if (plan->refs_count == ENTITY_EVENT_REFS)
        return;
    refs[plan->refs_count++] =
        (struct plan_ref){.field = (uint16_t)field, .class = class, .word = word_of(type, field), .role = role};
}

static void find_refs(struct entities *entities, struct entity_plan *plan, const struct evtrail_event_type *type)
{
    struct plan_ref refs[ENTITY_EVENT_REFS];
    part_give(&entities->part, plan->refs, plan->refs_count * sizeof *plan->refs);
    plan->refs = NULL;
    plan->refs_count = 0;
    if (plan->measures)
        add_ref(plan, refs, type, (unsigned)measured_id(type, entities->classes[plan->class]->name), plan->class, true);
    for (unsigned i = 0; i < type->fields_count; i++) {
        const struct evtrail_field *const field = &type->fields[i];
        const struct entity_class *class = NULL;
        if (field->role == EVTRAIL_ROLE_entity)
            add_ref(plan, refs, type, i, plan->class, true);
        else if (may_be_id(field) && (class = class_of_field(entities, type->name, field->name)) != NULL)
            add_ref(plan, refs, type, i, class->number, false);
    }
    if (plan->refs_count > 0 && !(plan->refs = part_take(&entities->part, plan->refs_count * sizeof *refs)))
        plan->refs_count = 0;
    if (plan->refs)
        memcpy(plan->refs, refs, plan->refs_count * sizeof *refs);
}

void entity_plan_renew(struct entities *entities, struct entity_plan *plan, const struct evtrail_event_type *type)
{
    plan->generation = entities->generation;
    find_refs(entities, plan, type);
}

/* The value of a counter of bytes is a level, not an amount. */
static void find_bytes(struct entity_plan *plan, const struct evtrail_event_type *type)
{
    for (unsigned i = 0; i < type->fields_count && plan->bytes_count < 2; i++) {
        const struct evtrail_field *const field = &type->fields[i];
        if (is_integer(field) && field->role == EVTRAIL_ROLE_none &&
            (strcmp(field->unit, "bytes") == 0 || strcmp(field->unit, "B") == 0))
            plan->bytes_fields[plan->bytes_count++] = (uint8_t)i;
    }
}

static bool of_interest(const struct evtrail_event_type *type)
{
    for (unsigned i = 0; i < type->fields_count; i++)
        if (type->fields[i].role == EVTRAIL_ROLE_entity || may_be_id(&type->fields[i]))
            return true;
    return false;
}

/* The names first, so that values without one cannot take their places. */
static void declare_states(struct entities *entities, struct entity_class *class, const char *enums)
{
    while (*enums && class->states_count < CLASS_STATES_MAX - 2) {
        const size_t bytes = strcspn(enums, ",");
        const char *const equals = memchr(enums, '=', bytes);
        if (equals)
            entity_class_state(entities, class, equals + 1, (size_t)(enums + bytes - equals - 1));
        enums += bytes + (enums[bytes] == ',');
    }
}

static void plan_states(struct entities *entities, struct entity_plan *plan, const struct evtrail_field *field)
{
    plan->state_type = field->type;
    plan->states = part_take(&entities->part, sizeof *plan->states);
    if (plan->states)
        memset(plan->states->direct, STATE_NONE, sizeof plan->states->direct);
    if (field->type == EVTRAIL_TYPE_enum)
        declare_states(entities, entities->classes[plan->class], field->enums);
}

struct entity_plan *entity_plan_make(struct entities *entities, const struct evtrail_source *source,
                                     const struct evtrail_event_type *type)
{
    struct plans *const plans = of_interest(type) ? plans_of(entities, source) : NULL;
    if (!plans)
        return NULL;
    entity_learn_classes(entities, plans, source);
    const bool about = is_entity_kind(type->kind) && type->fields_count > 0;
    const struct entity_class *const class = about ? entity_class_make(entities, type->name) : NULL;
    if (about && !class)
        return NULL;
    struct entity_plan *const plan = part_take(&entities->part, sizeof *plan);
    if (!plan)
        return NULL;
    *plan = (struct entity_plan){.next = plans->first,
                                 .of = plans,
                                 .kind = type->kind,
                                 .level = type->level,
                                 .class = class ? class->number : 0};
    plans->first = plan;
    if (about)
        add_id_name(entities->classes[plan->class], type->fields[0].name);
    if (type->kind == EVTRAIL_KIND_state && type->fields_count > 2)
        plan_states(entities, plan, &type->fields[2]);
    plan->waits =
        type->kind == EVTRAIL_KIND_counter && entity_counter_waits(entities->part.model->options.config, type);
    plan_measures(entities, plan, type);
    find_bytes(plan, type);
    entity_plan_renew(entities, plan, type);
    return plan;
}

/* ---- the end of a source ---- */

static void plans_free(struct entities *entities, struct plans *plans)
{
    for (struct entity_plan *plan = plans->first, *next; plan; plan = next) {
        next = plan->next;
        part_give(&entities->part, plan->refs, plan->refs_count * sizeof *plan->refs);
        part_give(&entities->part, plan->states, sizeof *plan->states);
        part_give(&entities->part, plan, sizeof *plan);
    }
    part_give(&entities->part, plans, sizeof *plans);
}

void entity_plans_forget(struct entities *entities, uint32_t number)
{
    for (struct plans **at = &entities->plans; *at; at = &(*at)->next) {
        struct plans *const plans = *at;
        if (plans->number != number)
            continue;
        struct entity_source *const source = &entities->sources[plans->source];
        if (--source->plans == 0) { /* else another file goes on with it */
            source->gone = true;
            entities->to_sweep = true;
        }
        *at = plans->next;
        plans_free(entities, plans);
        return;
    }
}

void entity_plans_fini(struct entities *entities)
{
    while (entities->plans) {
        struct plans *const plans = entities->plans;
        entities->plans = plans->next;
        plans_free(entities, plans);
    }
}
