/* SPDX-License-Identifier: ISC
 *
 * Linear probing at most three quarters full; removal moves later entries back, so there are no tombstones.
 */
#include "idtable.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN_ENTRIES 256u

static uint32_t place(uint32_t group, uint64_t id, uint32_t size)
{
    uint64_t hash = (id ^ ((uint64_t)group << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    return (uint32_t)hash & (size - 1);
}

void idtable_init(struct idtable *table, uint32_t limit)
{
    *table = (struct idtable){.limit = limit};
}

void idtable_fini(struct idtable *table)
{
    free(table->entries);
    idtable_init(table, table->limit);
}

struct idtable_entry *idtable_find(const struct idtable *table, uint32_t group, uint64_t id)
{
    if (table->size == 0)
        return NULL;
    for (uint32_t i = place(group, id, table->size);; i = (i + 1) & (table->size - 1)) {
        struct idtable_entry *const entry = &table->entries[i];
        if (entry->group == 0)
            return NULL;
        if (entry->id == id && entry->group == group)
            return entry;
    }
}

static struct idtable_entry *insert(struct idtable *table, uint32_t group, uint64_t id)
{
    uint32_t i = place(group, id, table->size);
    while (table->entries[i].group != 0)
        i = (i + 1) & (table->size - 1);
    table->entries[i] = (struct idtable_entry){.id = id, .group = group};
    table->used++;
    return &table->entries[i];
}

static bool grow(struct idtable *table)
{
    struct idtable bigger = {.size = table->size ? table->size * 2 : SIZE_MIN_ENTRIES, .limit = table->limit};
    bigger.entries = calloc(bigger.size, sizeof *bigger.entries);
    if (!bigger.entries)
        return false;
    for (uint32_t i = 0; i < table->size; i++)
        if (table->entries[i].group != 0)
            *insert(&bigger, table->entries[i].group, table->entries[i].id) = table->entries[i];
    free(table->entries);
    *table = bigger;
    return true;
}

struct idtable_entry *idtable_put(struct idtable *table, uint32_t group, uint64_t id)
{
    struct idtable_entry *const found = idtable_find(table, group, id);
    if (found)
        return found;
    if (table->used >= table->limit)
        return NULL;
    if (table->used >= table->size / 4 * 3 && !grow(table))
        return NULL;
    return insert(table, group, id);
}

void idtable_remove(struct idtable *table, struct idtable_entry *entry)
{
    const uint32_t mask = table->size - 1;
    uint32_t hole = (uint32_t)(entry - table->entries);
    for (uint32_t i = (hole + 1) & mask; table->entries[i].group != 0; i = (i + 1) & mask) {
        const uint32_t home = place(table->entries[i].group, table->entries[i].id, table->size);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* it would land before its home */
        table->entries[hole] = table->entries[i];
        hole = i;
    }
    table->entries[hole].group = 0;
    table->used--;
}

uint32_t idtable_sweep(struct idtable *table, uint32_t state)
{
    uint32_t removed = 0;
    for (uint32_t i = 0; i < table->size;) {
        struct idtable_entry *const entry = &table->entries[i];
        if (entry->group == 0 || entry->state != state) {
            i++;
            continue;
        }
        idtable_remove(table, entry); /* another may have moved here: look again */
        removed++;
    }
    return removed;
}
