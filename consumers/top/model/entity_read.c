/* SPDX-License-Identifier: ISC
 *
 * What can be asked of an entity; and sums over families.
 */
#include "entity_private.h"
#include "clock.h"

#include <evtrail/format.h>

#include <stdio.h>
#include <string.h>

#define SUM_ALWAYS 4096u /* so few are summed each time they are asked for */
#define SUM_SHARE 50     /* ... more only so often that it takes a fiftieth of the time */

const struct entity_class *entity_class_of(const struct entities *entities, const struct entity *entity)
{
    return entities->classes[entity->class];
}

const struct entity_source *entity_source_of(const struct entities *entities, const struct entity *entity)
{
    return &entities->sources[entity->source];
}

const char *entity_host(const struct entities *entities, const struct entity *entity)
{
    const struct host_list *const hosts = &entities->part.model->hosts;
    const uint32_t host = entities->sources[entity->source].host;
    return host < hosts->count ? hosts->list[host].name : "";
}

uint32_t entities_alive(const struct entities *entities)
{
    return entities->alive;
}

uint64_t entities_left_out(const struct entities *entities)
{
    return entities->part.left_out;
}

void entity_identify(const struct entities *entities, const struct entity *entity, struct entity_identity *ret_identity)
{
    *ret_identity = (struct entity_identity){.source = entities->sources[entity->source].key, .id = entity->id};
    memcpy(ret_identity->class, entities->classes[entity->class]->name, sizeof ret_identity->class);
}

struct entity *entity_identified(const struct entities *entities, const struct entity_identity *identity)
{
    const struct entity_class *const class = entity_class_named(entities, identity->class);
    for (uint32_t i = 0; class && i < entities->sources_count; i++)
        if (entities->sources[i].used && entities->sources[i].key == identity->source)
            return entity_find(entities, i, class->number, identity->id);
    return NULL;
}

/* ---- text ---- */

size_t entity_name(const struct entities *entities, const struct entity *entity, char *buffer, size_t size)
{
    if (entity->label && entity->label[0])
        return (size_t)snprintf(buffer, size, "%s", entity->label);
    const char *const kind = entity_last_part(entities->classes[entity->class]->name);
    if (entity->id >> 40)
        return (size_t)snprintf(buffer, size, "%s %#llx", kind, (unsigned long long)entity->id);
    return (size_t)snprintf(buffer, size, "%s %llu", kind, (unsigned long long)entity->id);
}

size_t entity_state_text(const struct entities *entities, const struct entity *entity, char *buffer, size_t size)
{
    const struct entity_class *const class = entities->classes[entity->class];
    const char *const state = entity->state < class->states_count ? class->states[entity->state].name : "";
    if (entity->flags & ENTITY_GONE)
        return (size_t)snprintf(buffer, size, "gone");
    if (entity->flags & ENTITY_ENDED)
        return (size_t)snprintf(buffer, size, "%s%sended", state, *state ? ", " : "");
    return (size_t)snprintf(buffer, size, "%s", state);
}

/* A field name that a filter can take as it is. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == strlen(name) &&
           (name[0] < '0' || name[0] > '9');
}

static bool has_quotable_name(const struct entity_class *class)
{
    return strpbrk(class->name, "\"\\*?") == NULL && strlen(class->name) < CLASS_NAME_BYTES - 1;
}

size_t entity_filter_text(const struct entities *entities, const struct entity *entity, char *buffer, size_t size)
{
    const struct entity_class *const class = entities->classes[entity->class];
    const char *const last = entity_last_part(class->name);
    const unsigned long long id = entity->id;
    char fields[160] = "";
    size_t used = 0;
    for (unsigned i = 0; i < 2; i++)
        if (is_plain(class->ids[i]) && strcmp(class->ids[i], last) != 0)
            used += (size_t)snprintf(fields + used, sizeof fields - used, " || field.%s == %llu", class->ids[i], id);
    if (is_plain(last))
        snprintf(fields + used, sizeof fields - used, " || field.%s == %llu", last, id);
    const char *const host = entity_host(entities, entity);
    const bool told = model_several_hosts(entities->part.model) && *host && !strpbrk(host, "\"\\");
    return (size_t)snprintf(buffer, size, "%s%s%spid == %u && (($entity == %llu%s%s%s)%s)", told ? "machine == \"" : "",
                            told ? host : "", told ? "\" && " : "", entities->sources[entity->source].pid, id,
                            has_quotable_name(class) ? " && name ~ \"" : "",
                            has_quotable_name(class) ? class->name : "", has_quotable_name(class) ? "\"" : "", fields);
}

/* ---- figures ---- */

enum phase entity_phase(const struct entities *entities, const struct entity *entity)
{
    const struct entity_class *const class = entities->classes[entity->class];
    if (entity->flags & (ENTITY_GONE | ENTITY_ENDED) || entity->state >= class->states_count)
        return PHASE_other;
    return class->states[entity->state].phase;
}

uint64_t entity_state_ns(const struct entities *entities, const struct entity *entity, unsigned state)
{
    uint64_t ns = 0;
    if (state < STATES_INLINE)
        ns = entity->times[state];
    else if (entity->more_times && state < CLASS_STATES_MAX)
        ns = entity->more_times[state - STATES_INLINE];
    if (state != entity->state || entity->flags & (ENTITY_GONE | ENTITY_ENDED))
        return ns;
    const int64_t now_ns = entities->part.model->now_ns;
    const int64_t from = entity->since_ns > entities->reset_ns ? entity->since_ns : entities->reset_ns;
    return ns + (now_ns > from ? (uint64_t)(now_ns - from) : 0);
}

uint64_t entity_phase_ns(const struct entities *entities, const struct entity *entity, enum phase phase)
{
    const struct entity_class *const class = entities->classes[entity->class];
    uint64_t ns = 0;
    for (unsigned i = 0; i < class->states_count; i++)
        if (class->states[i].phase == phase)
            ns += entity_state_ns(entities, entity, i);
    return ns;
}

int64_t entity_age(const struct entities *entities, const struct entity *entity)
{
    int64_t to = entities->part.model->now_ns;
    if (entity->flags & ENTITY_GONE)
        to = entity->since_ns;
    else if (entity->flags & ENTITY_ENDED)
        to = entity->last_ns;
    return to > entity->created_ns ? to - entity->created_ns : 0;
}

/* ---- sums ---- */

static void sums_begin(const struct entities *entities)
{
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        struct entity *const entity = entity_at(entities, i);
        struct entity_family *const family = entity ? entity->family : NULL;
        if (!family)
            continue;
        family->uses = family->bytes = family->errors = 0;
        memset(family->phases, 0, sizeof family->phases);
        family->alive = family->waiters = 0;
        family->gone = 0;
    }
}

static void sum_into(struct entity_family *family, const struct entity *entity, bool below)
{
    const struct entity_family *const own = entity->family;
    family->uses += entity->uses + (own ? own->past_uses : 0);
    family->bytes += entity->bytes + (own ? own->past_bytes : 0);
    family->errors += entity->errors + (own ? own->past_errors : 0);
    family->waiters += entity->waiters;
    family->alive += below && !(entity->flags & (ENTITY_GONE | ENTITY_ENDED));
    family->gone += (below && entity->flags & ENTITY_GONE) + (own ? own->past_children : 0);
}

static void sum_up(const struct entities *entities, const struct entity *entity)
{
    if (entity->family)
        sum_into(entity->family, entity, false);
    const struct entity *above = entity_at(entities, entity->parent);
    struct entity_class *const class = entities->classes[entity->class];
    class->newest_ns = entity->last_ns > class->newest_ns ? entity->last_ns : class->newest_ns;
    if (above && above->family && !(entity->flags & (ENTITY_GONE | ENTITY_ENDED))) {
        above->family->phases[entity_phase(entities, entity)]++;
        if (entity->last_ns > above->family->newest_ns)
            above->family->newest_ns = entity->last_ns;
    }
    for (unsigned depth = 0; above && depth <= ENTITY_DEPTH_MAX; depth++) {
        if (above->family)
            sum_into(above->family, entity, true);
        above = entity_at(entities, above->parent);
    }
}

void entities_sum(struct entities *entities)
{
    if (entities->changes == entities->summed)
        return;
    const int64_t now_ns = clock_monotonic_ns();
    if (entities_end(entities) > SUM_ALWAYS && now_ns - entities->summed_at_ns < entities->sum_cost_ns * SUM_SHARE)
        return;
    entities->summed = entities->changes;
    sums_begin(entities);
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        const struct entity *const entity = entity_at(entities, i);
        if (entity)
            sum_up(entities, entity);
    }
    entities->summed_at_ns = clock_monotonic_ns();
    entities->sum_cost_ns = entities->summed_at_ns - now_ns;
}
