/* SPDX-License-Identifier: ISC
 *
 * A hash table of things that have an id (open spans, entities): bounded, growing, open addressing.
 */
#ifndef EVTRAIL_CONSUMERS_IDTABLE_H
#define EVTRAIL_CONSUMERS_IDTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idtable_entry {
    uint64_t id;
    uint64_t ticks;
    uint32_t group; /* 0: unused */
    uint32_t state;
};
struct idtable {
    struct idtable_entry *entries;
    uint32_t size; /* a power of two, or 0 */
    uint32_t used;
    uint32_t limit; /* most entries there may ever be */
};

void idtable_init(struct idtable *table, uint32_t limit);
void idtable_fini(struct idtable *table);
struct idtable_entry *idtable_find(const struct idtable *table, uint32_t group, uint64_t id);
/* The entry, made (with ticks 0, state 0) if there was none. NULL: at the limit, or no memory. Entries move: use it at once. */
struct idtable_entry *idtable_put(struct idtable *table, uint32_t group, uint64_t id);
void idtable_remove(struct idtable *table, struct idtable_entry *entry);
/* Removes all entries in this state; returns how many. */
uint32_t idtable_sweep(struct idtable *table, uint32_t state);

#endif /* EVTRAIL_CONSUMERS_IDTABLE_H */
