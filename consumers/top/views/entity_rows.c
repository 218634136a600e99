/* SPDX-License-Identifier: ISC
 *
 * Which entities are rows, and in which order: those that are asked for, each below its parent if that is one, too.
 */
#include "entity_rows.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_BYTES 128u

/* One that is shown, to be put in order. */
struct entity_branch {
    struct entity *entity;
    uint32_t parent; /* index of the nearest parent that is shown; 0: none */
    uint32_t host;   /* of one at the top of a tree below hosts: its place among them */
};

void entity_rows_fini(struct entity_rows *rows)
{
    free(rows->rows);
    free(rows->branches);
    free(rows->hosts);
    free(rows->places);
    *rows = (struct entity_rows){0};
}

struct entity *entity_row_entity(const struct entity_rows *rows, const struct entity_row *row)
{
    (void)rows;
    return row->entity && row->entity->serial == row->serial ? row->entity : NULL;
}

uint64_t entity_row_id(const struct entity_row *row)
{
    return row->entity ? (uint64_t)row->serial << 32 | row->entity->index : UINT64_C(1) << 63 | row->host;
}

/* ---- which ---- */

bool entity_classes_match(const char *patterns, const char *name)
{
    char pattern[PATTERN_BYTES];
    if (!patterns)
        return true;
    for (patterns += strspn(patterns, " \t,"); *patterns; patterns += strspn(patterns, " \t,")) {
        const size_t bytes = strcspn(patterns, " \t,");
        snprintf(pattern, sizeof pattern, "%.*s", (int)bytes, patterns);
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        patterns += bytes;
    }
    return false;
}

static void choose_classes(const struct entities *entities, const char *patterns, bool chosen[CLASSES_MAX])
{
    for (uint32_t i = 0; i < entity_classes_count(entities); i++)
        chosen[i] = entity_classes_match(patterns, entity_class_at(entities, i)->name);
}

static bool make_room(void **memory, size_t *room, size_t count, size_t bytes)
{
    if (count <= *room)
        return true;
    void *const more = realloc(*memory, (count + count / 4 + 16) * bytes);
    if (!more)
        return false;
    *memory = more;
    *room = count + count / 4 + 16;
    return true;
}

static bool is_asked_for(const struct entities *entities, const struct entity *entity, const struct entity_query *query,
                         const bool chosen[CLASSES_MAX])
{
    return chosen[entity->class] && (!query->matched || entity->flags & ENTITY_MATCHED) &&
           (query->parent == 0 || entity->parent == query->parent) &&
           (!query->match || entity_match(query->match, entities, entity));
}

/* The nearest one above it of a class that is shown. */
static uint32_t shown_parent(const struct entities *entities, const struct entity *entity,
                             const bool chosen[CLASSES_MAX])
{
    const struct entity *above = entity_at(entities, entity->parent);
    for (unsigned depth = 0; above && depth < ENTITY_DEPTH_MAX; depth++) {
        if (chosen[above->class])
            return above->index;
        above = entity_at(entities, above->parent);
    }
    return 0;
}

/* ---- order ---- */

/* By parent; among siblings the living first, then as they came. */
static int compare(const void *a, const void *b)
{
    const struct entity_branch *const left = a, *const right = b;
    const unsigned left_gone = (left->entity->flags & ENTITY_GONE) != 0;
    const unsigned right_gone = (right->entity->flags & ENTITY_GONE) != 0;
    if (left->parent != right->parent)
        return left->parent < right->parent ? -1 : 1;
    if (left->host != right->host)
        return left->host < right->host ? -1 : 1;
    if (left_gone != right_gone)
        return left_gone < right_gone ? -1 : 1;
    if (left->entity->class != right->entity->class)
        return left->entity->class < right->entity->class ? -1 : 1;
    if (left->entity->created_ns != right->entity->created_ns)
        return left->entity->created_ns < right->entity->created_ns ? -1 : 1;
    return left->entity->serial < right->entity->serial ? -1 : 1;
}

static size_t first_child(const struct entity_rows *rows, size_t count, uint32_t parent)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (rows->branches[middle].parent < parent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_folded(const struct entity_query *query, const struct entity *entity, size_t children)
{
    if (query->unfold)
        return false;
    for (unsigned i = 0; i < query->folds_count; i++)
        if (!query->folds[i].host && query->folds[i].serial == entity->serial)
            return query->folds[i].folded;
    return children > CHILDREN_OPEN;
}

static bool is_host_folded(const struct entity_query *query, uint32_t host)
{
    for (unsigned i = 0; i < query->folds_count && !query->unfold; i++)
        if (query->folds[i].host && query->folds[i].serial == host)
            return query->folds[i].folded;
    return false;
}

static void add_row(struct entity_rows *rows, struct entity *entity, unsigned depth, bool folded)
{
    rows->rows[rows->count++] =
        (struct entity_row){.entity = entity, .serial = entity->serial, .depth = (uint8_t)depth, .folded = folded};
}

static void add_tree(struct entity_rows *rows, const struct entity_query *query, size_t count, uint32_t parent,
                     unsigned depth);

/* The branches from `from` on that have the same parent, and the same host. */
static size_t add_branches(struct entity_rows *rows, const struct entity_query *query, size_t count, size_t from,
                           unsigned depth)
{
    const uint32_t parent = rows->branches[from].parent, host = rows->branches[from].host;
    const unsigned below = rows->hosts_count > 0; /* hosts are no level of what `depth` counts */
    size_t i = from;
    for (; i < count && rows->branches[i].parent == parent && rows->branches[i].host == host; i++) {
        struct entity *const entity = rows->branches[i].entity;
        const size_t child = first_child(rows, count, entity->index);
        size_t children = 0;
        while (child + children < count && rows->branches[child + children].parent == entity->index)
            children++;
        const bool cut = depth >= ENTITY_DEPTH_MAX || (query->depth && depth - below + 1 >= query->depth);
        const bool folded = children > 0 && (cut || is_folded(query, entity, children));
        add_row(rows, entity, depth, folded);
        if (children > 0 && !folded)
            add_tree(rows, query, count, entity->index, depth + 1);
    }
    return i;
}

static void add_tree(struct entity_rows *rows, const struct entity_query *query, size_t count, uint32_t parent,
                     unsigned depth)
{
    const size_t from = first_child(rows, count, parent);
    if (from < count && rows->branches[from].parent == parent)
        add_branches(rows, query, count, from, depth);
}

/* ---- hosts ---- */

/* Those of the entities, in any order. */
static void find_hosts(struct entity_rows *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t host = entity_source_of(rows->entities, rows->branches[i].entity)->host;
        if (rows->places[host] != UINT32_MAX)
            continue;
        rows->places[host] = (uint32_t)rows->hosts_count;
        rows->hosts[rows->hosts_count++] = (struct entity_host){.host = host};
    }
}

static void host_add(struct entity_host *host, const struct entities *entities, const struct entity *entity, bool top)
{
    const bool alive = !(entity->flags & (ENTITY_GONE | ENTITY_ENDED));
    const struct entity_family *const family = entity->family;
    host->alive += alive;
    host->phases[entity_phase(entities, entity)] += alive;
    if (!top)
        return;
    host->uses += family ? family->uses : entity->uses;
    host->bytes += family ? family->bytes : entity->bytes;
    host->errors += family ? family->errors : entity->errors;
    host->waiters += family ? family->waiters : entity->waiters;
}

static int compare_hosts(const void *a, const void *b, void *context)
{
    const struct host *const list = context;
    return strcmp(list[((const struct entity_host *)a)->host].name, list[((const struct entity_host *)b)->host].name);
}

static const struct host_list *hosts_of(const struct entities *entities)
{
    return &((const struct part *)(const void *)entities)->model->hosts;
}

/* First all hosts, in their order; then what each has. */
static int make_hosts(struct entity_rows *rows, size_t count)
{
    const struct entities *const entities = rows->entities;
    const struct host_list *const hosts = hosts_of(entities);
    if (!make_room((void **)&rows->hosts, &rows->hosts_room, hosts->count, sizeof *rows->hosts) ||
        !make_room((void **)&rows->places, &rows->places_room, hosts->count, sizeof *rows->places))
        return -ENOMEM;
    memset(rows->places, 0xff, hosts->count * sizeof *rows->places);
    find_hosts(rows, count);
    qsort_r(rows->hosts, rows->hosts_count, sizeof *rows->hosts, compare_hosts, hosts->list);
    for (size_t i = 0; i < rows->hosts_count; i++)
        rows->places[rows->hosts[i].host] = (uint32_t)i;
    for (size_t i = 0; i < count; i++) {
        struct entity_branch *const branch = &rows->branches[i];
        const uint32_t place = rows->places[entity_source_of(entities, branch->entity)->host];
        branch->host = branch->parent == 0 ? place : 0;
        host_add(&rows->hosts[place], entities, branch->entity, branch->parent == 0);
    }
    return 0;
}

/* Those at the top are the first branches, host by host. */
static void add_hosts(struct entity_rows *rows, const struct entity_query *query, size_t count)
{
    for (size_t i = 0; i < count && rows->branches[i].parent == 0;) {
        const uint32_t place = rows->branches[i].host, host = rows->hosts[place].host;
        const bool folded = is_host_folded(query, host);
        rows->rows[rows->count++] = (struct entity_row){.host = host, .place = place, .folded = folded};
        if (!folded)
            i = add_branches(rows, query, count, i, 1);
        while (i < count && rows->branches[i].parent == 0 && rows->branches[i].host == place)
            i++;
    }
}

int entity_rows_make(struct entity_rows *rows, struct entities *entities, const struct entity_query *query)
{
    bool chosen[CLASSES_MAX];
    size_t count = 0;
    rows->entities = entities;
    rows->count = rows->hosts_count = 0;
    entities_sum(entities);
    choose_classes(entities, query->classes, chosen);
    for (uint32_t i = 1; i < entities_end(entities); i++) {
        struct entity *const entity = entity_at(entities, i);
        if (!entity || !is_asked_for(entities, entity, query, chosen))
            continue;
        if (!make_room((void **)&rows->branches, &rows->branches_room, count + 1, sizeof *rows->branches))
            return -ENOMEM;
        rows->branches[count++] = (struct entity_branch){
            .entity = entity, .parent = query->tree ? shown_parent(entities, entity, chosen) : 0};
    }
    if (count == 0)
        return 0;
    const bool hosts = query->tree && query->hosts;
    if (hosts && make_hosts(rows, count) < 0)
        return -ENOMEM;
    if (!make_room((void **)&rows->rows, &rows->room, count + rows->hosts_count, sizeof *rows->rows))
        return -ENOMEM;
    if (query->tree) {
        qsort(rows->branches, count, sizeof *rows->branches, compare);
        if (hosts)
            add_hosts(rows, query, count);
        else
            add_tree(rows, query, count, 0, 0);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        add_row(rows, rows->branches[i].entity, 0, false);
    return 0;
}
