/* SPDX-License-Identifier: ISC
 *
 * The entities' memory: records of a class's size in chunks, a hash of ids, and lists of what is gone. Within the part's budget: what is gone makes
 * room first, then what comes is left out and counted.
 */
#include "entity_private.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256u
#define RECLAIM_TRIES 64u
#define MALLOC_BYTES 16u /* that an allocation costs besides */

/* ---- the budget ---- */

/* Its own budget, or what the whole model does not use. */
bool part_room(const struct part *part, size_t bytes)
{
    size_t used = 0;
    bytes += MALLOC_BYTES;
    if (part->used_bytes + bytes <= part->budget_bytes)
        return true;
    for (unsigned i = 0; i < PARTS; i++)
        used += part->model->parts[i] ? part->model->parts[i]->used_bytes : 0;
    return used + bytes <= part->model->options.memory_bytes;
}

void *part_take(struct part *part, size_t bytes)
{
    void *const memory = part_room(part, bytes) ? calloc(1, bytes) : NULL;
    if (memory)
        part->used_bytes += bytes + MALLOC_BYTES;
    return memory;
}

void part_give(struct part *part, void *memory, size_t bytes)
{
    if (!memory)
        return;
    free(memory);
    part->used_bytes -= bytes + MALLOC_BYTES;
}

/* ---- records ---- */

uint32_t entities_end(const struct entities *entities)
{
    return entities->chunks_count * CHUNK_RECORDS;
}

static struct entity *record(const struct entities *entities, uint32_t index)
{
    return &entities->chunks[index / CHUNK_RECORDS][index % CHUNK_RECORDS];
}

struct entity *entity_at(const struct entities *entities, uint32_t index)
{
    if (index == 0 || index >= entities_end(entities))
        return NULL;
    struct entity *const entity = record(entities, index);
    return entity->flags & ENTITY_USED ? entity : NULL;
}

struct entity *entity_with(const struct entities *entities, uint32_t index, uint32_t serial)
{
    struct entity *const entity = entity_at(entities, index);
    return entity && entity->serial == serial ? entity : NULL;
}

static bool chunks_grow(struct entities *entities)
{
    if (entities->chunks_count < entities->chunks_size)
        return true;
    const uint32_t size = entities->chunks_size ? entities->chunks_size * 2 : 16;
    struct entity **const chunks = part_take(&entities->part, size * sizeof *chunks);
    if (!chunks)
        return false;
    if (entities->chunks)
        memcpy(chunks, entities->chunks, entities->chunks_count * sizeof *chunks);
    part_give(&entities->part, entities->chunks, entities->chunks_size * sizeof *chunks);
    entities->chunks = chunks;
    entities->chunks_size = size;
    return true;
}

/* `before` of a free record is the next free one. */
static void record_free(struct entities *entities, struct entity *entity)
{
    entity->flags = 0;
    entity->serial = 0;
    entity->before = entities->unused;
    entities->unused = entity->index;
}

static bool chunk_add(struct entities *entities)
{
    if (!chunks_grow(entities))
        return false;
    struct entity *const records = part_take(&entities->part, CHUNK_RECORDS * sizeof *records);
    if (!records)
        return false;
    entities->chunks[entities->chunks_count] = records;
    const uint32_t first = entities->chunks_count++ * CHUNK_RECORDS;
    for (uint32_t i = CHUNK_RECORDS; i-- > 0;) {
        records[i].index = first + i;
        if (first + i != 0) /* 0 is none */
            record_free(entities, &records[i]);
    }
    return true;
}

/* ---- the hash ---- */

static uint32_t hash_of(uint32_t source, uint32_t class, uint64_t id)
{
    uint64_t hash = (id ^ ((uint64_t)source << 48) ^ ((uint64_t) class << 36)) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(hash >> 32);
}

static uint32_t hash_entity(const struct entity *entity)
{
    return hash_of(entity->source, entity->class, entity->id);
}

struct entity *entity_find(const struct entities *entities, uint32_t source, uint32_t class, uint64_t id)
{
    if (entities->slots_size == 0)
        return NULL;
    const uint32_t tag = hash_of(source, class, id), mask = entities->slots_size - 1;
    for (uint32_t i = tag & mask; entities->slots[i].index != 0; i = (i + 1) & mask) {
        if (entities->slots[i].tag != tag)
            continue;
        struct entity *const entity = record(entities, entities->slots[i].index);
        if (entity->id == id && entity->class == class && entity->source == source)
            return entity;
    }
    return NULL;
}

static void slot_put(struct slot *slots, uint32_t size, struct slot slot)
{
    uint32_t i = slot.tag & (size - 1);
    while (slots[i].index != 0)
        i = (i + 1) & (size - 1);
    slots[i] = slot;
}

static bool slots_grow(struct entities *entities)
{
    if (entities->slots_size && entities->slots_used < entities->slots_size / 8 * 5)
        return true;
    const uint32_t size = entities->slots_size ? entities->slots_size * 2 : SLOTS_MIN;
    struct slot *const slots = part_take(&entities->part, size * sizeof *slots);
    if (!slots)
        return entities->slots_used < entities->slots_size / 8 * 7;
    for (uint32_t i = 0; i < entities->slots_size; i++)
        if (entities->slots[i].index != 0)
            slot_put(slots, size, entities->slots[i]);
    part_give(&entities->part, entities->slots, entities->slots_size * sizeof *slots);
    entities->slots = slots;
    entities->slots_size = size;
    return true;
}

/* Later ones of the run move back, so there are no tombstones. */
static void slot_close(struct entities *entities, uint32_t hole)
{
    struct slot *const slots = entities->slots;
    const uint32_t mask = entities->slots_size - 1;
    for (uint32_t i = (hole + 1) & mask; slots[i].index != 0; i = (i + 1) & mask) {
        const uint32_t home = slots[i].tag & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole].index = 0;
    entities->slots_used--;
}

static void unhash(struct entities *entities, const struct entity *entity)
{
    const uint32_t tag = hash_entity(entity), mask = entities->slots_size - 1;
    for (uint32_t i = tag & mask; entities->slots[i].index != 0; i = (i + 1) & mask)
        if (entities->slots[i].index == entity->index) {
            slot_close(entities, i);
            return;
        }
}

/* ---- what is gone ---- */

static void list_add(struct entities *entities, struct gone_list *list, struct entity *entity)
{
    entity->after = 0;
    entity->before = list->last;
    if (list->last)
        record(entities, list->last)->after = entity->index;
    else
        list->first = entity->index;
    list->last = entity->index;
}

static void list_remove(struct entities *entities, struct gone_list *list, struct entity *entity)
{
    if (entity->before)
        record(entities, entity->before)->after = entity->after;
    else
        list->first = entity->after;
    if (entity->after)
        record(entities, entity->after)->before = entity->before;
    else
        list->last = entity->before;
    entity->before = entity->after = 0;
}

static struct gone_list *list_of(struct entities *entities, const struct entity *entity)
{
    return entity->flags & ENTITY_ENDED ? &entities->ended : &entities->gone;
}

static void count_ended(struct entity_class *class, const struct entity *entity, uint32_t by)
{
    class->ended += by;
    if (entity->state < class->states_count)
        class->states[entity->state].ended += by;
}

void entity_put_away(struct entities *entities, struct entity *entity, bool ended)
{
    struct entity_class *const class = entities->classes[entity->class];
    entity->flags |= ended ? ENTITY_ENDED : ENTITY_GONE;
    class->alive--;
    entities->alive--;
    if (entity->state < class->states_count)
        class->states[entity->state].alive--;
    if (ended)
        count_ended(class, entity, 1);
    list_add(entities, ended ? &entities->ended : &entities->gone, entity);
}

void entity_bring_back(struct entities *entities, struct entity *entity)
{
    struct entity_class *const class = entities->classes[entity->class];
    list_remove(entities, list_of(entities, entity), entity);
    if (entity->flags & ENTITY_ENDED)
        count_ended(class, entity, UINT32_MAX); /* one less */
    entity->flags &= (uint8_t) ~(ENTITY_ENDED | ENTITY_GONE);
    class->alive++;
    entities->alive++;
    if (entity->state < class->states_count)
        class->states[entity->state].alive++;
}

/* What it was counts on in its parent. */
static void bequeath(const struct entity *entity, struct entity *parent)
{
    struct entity_family *const to = parent->family;
    const struct entity_family *const from = entity->family;
    parent->children--;
    if (!to)
        return;
    to->past_uses += entity->uses + (from ? from->past_uses : 0);
    to->past_bytes += entity->bytes + (from ? from->past_bytes : 0);
    to->past_errors += entity->errors + (from ? from->past_errors : 0);
    to->past_children += 1 + (from ? from->past_children : 0);
}

static void give_label(struct entities *entities, struct entity *entity)
{
    if (entity->label)
        part_give(&entities->part, entity->label, strlen(entity->label) + 1);
    entity->label = NULL;
}

static void forget(struct entities *entities, struct entity *entity)
{
    list_remove(entities, list_of(entities, entity), entity);
    if (entity->flags & ENTITY_ENDED)
        count_ended(entities->classes[entity->class], entity, UINT32_MAX);
    entities->changes++;
    if (!(entity->flags & ENTITY_OUTLIVED))
        unhash(entities, entity);
    if (entity->parent)
        bequeath(entity, record(entities, entity->parent));
    give_label(entities, entity);
    part_give(&entities->part, entity->error, sizeof *entity->error);
    part_give(&entities->part, entity->family, sizeof *entity->family);
    part_give(&entities->part, entity->more_times, STATES_MORE_BYTES);
    entity->error = NULL;
    entity->family = NULL;
    entity->more_times = NULL;
    entities->classes[entity->class]->known--;
    entities->sources[entity->source].entities--;
    record_free(entities, entity);
}

/* The oldest of a list, but for parents of what is still known: these go to its end. */
static bool forget_first(struct entities *entities, struct gone_list *list)
{
    struct entity *const entity = record(entities, list->first);
    if (entity->children == 0) {
        forget(entities, entity);
        return true;
    }
    list_remove(entities, list, entity);
    list_add(entities, list, entity);
    return false;
}

void entity_expire(struct entities *entities, int64_t now_ns)
{
    for (unsigned tries = 4096; tries > 0 && entities->gone.first; tries--) {
        const struct entity *const entity = record(entities, entities->gone.first);
        if (now_ns - entity->since_ns < entities->keep_ns)
            return;
        forget_first(entities, &entities->gone);
    }
}

void entity_forget_all_gone(struct entities *entities)
{
    struct gone_list *const lists[] = {&entities->gone, &entities->ended};
    for (unsigned i = 0; i < 2; i++)
        for (unsigned kept = 0; lists[i]->first && kept < RECLAIM_TRIES;)
            kept = forget_first(entities, lists[i]) ? 0 : kept + 1;
}

/* Room for one more: of what is gone by itself, then of what has ended with its process. */
static bool reclaim(struct entities *entities)
{
    struct gone_list *const lists[] = {&entities->gone, &entities->ended};
    for (unsigned i = 0; i < 2; i++)
        for (unsigned tries = RECLAIM_TRIES; tries > 0 && lists[i]->first; tries--)
            if (forget_first(entities, lists[i]))
                return true;
    return false;
}

/* Its place in the hash goes to another of its id. */
void entity_outlive(struct entities *entities, struct entity *entity)
{
    unhash(entities, entity);
    entity->flags |= ENTITY_OUTLIVED;
}

/* ---- coming ---- */

static bool room_for_one(struct entities *entities)
{
    if (!slots_grow(entities))
        return reclaim(entities) && slots_grow(entities) && entities->unused != 0;
    return entities->unused != 0 || chunk_add(entities) || reclaim(entities);
}

struct entity *entity_new(struct entities *entities, uint32_t source, uint32_t class_number, uint64_t id,
                          int64_t now_ns)
{
    struct entity_class *const class = entities->classes[class_number];
    class->seen++;
    if (!room_for_one(entities)) {
        class->left_out++;
        entities->part.left_out++;
        return NULL;
    }
    struct entity *const entity = record(entities, entities->unused);
    const uint32_t index = entity->index;
    entities->unused = entity->before;
    entities->serial += entities->serial == UINT32_MAX ? 2 : 1; /* 0 is none */
    *entity = (struct entity){.id = id,
                              .created_ns = now_ns,
                              .since_ns = now_ns,
                              .last_ns = now_ns,
                              .index = index,
                              .serial = entities->serial,
                              .class = (uint16_t)class_number,
                              .source = (uint16_t)source,
                              .state = STATE_NONE,
                              .flags = ENTITY_USED};
    slot_put(entities->slots, entities->slots_size, (struct slot){.tag = hash_entity(entity), .index = index});
    entities->slots_used++;
    entities->sources[source].entities++;
    class->known++;
    class->alive++;
    entities->alive++;
    return entity;
}

void entity_label(struct entities *entities, struct entity *entity, const char *text, size_t bytes)
{
    size_t kept = bytes < ENTITY_LABEL_BYTES - 1 ? bytes : ENTITY_LABEL_BYTES - 1;
    while (kept < bytes && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--; /* not in the middle of a character */
    kept = strnlen(text, kept);
    if (entity->label && strlen(entity->label) == kept && memcmp(entity->label, text, kept) == 0)
        return;
    give_label(entities, entity);
    entity->label = part_take(&entities->part, kept + 1);
    if (entity->label)
        memcpy(entity->label, text, kept);
}

uint64_t *entity_time(struct entities *entities, struct entity *entity, unsigned state)
{
    if (state < STATES_INLINE)
        return &entity->times[state];
    if (!entity->more_times)
        entity->more_times = part_take(&entities->part, STATES_MORE_BYTES);
    return entity->more_times ? &entity->more_times[state - STATES_INLINE] : &entity->times[STATES_INLINE - 1];
}

/* ---- families ---- */

/* No circles, and no deeper than can be shown. */
static bool descends(const struct entities *entities, uint32_t from, uint32_t to)
{
    for (unsigned depth = 0; depth < ENTITY_DEPTH_MAX; depth++) {
        if (from == to)
            return true;
        if (from == 0)
            return false;
        from = record(entities, from)->parent;
    }
    return true;
}

void entity_adopt(struct entities *entities, struct entity *entity, uint32_t parent)
{
    if (entity->parent == parent || (parent && descends(entities, parent, entity->index)))
        return;
    if (entity->parent)
        record(entities, entity->parent)->children--;
    entity->parent = parent;
    if (!parent)
        return;
    struct entity *const to = record(entities, parent);
    to->children++;
    if (!to->family)
        to->family = part_take(&entities->part, sizeof *to->family);
}

void entity_table_fini(struct entities *entities)
{
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        struct entity *const entity = record(entities, i);
        free(entity->label);
        free(entity->error);
        free(entity->family);
        free(entity->more_times);
    }
    for (uint32_t i = 0; i < entities->chunks_count; i++)
        free(entities->chunks[i]);
    free(entities->chunks);
    free(entities->slots);
}
