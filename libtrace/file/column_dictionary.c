/* SPDX-License-Identifier: ISC
 *
 * Columns of few different values: pointers, sizes, descriptors. One byte each instead of two to eight.
 */
#include "file/column.h"

#include <stdbool.h>
#include <string.h>

enum { SLOTS = 1024, ENTRIES_MAX = 256, EMPTY = 0xffff };

struct dictionary {
    uint64_t *values;
    unsigned count;
    unsigned limit;
    uint16_t slots[SLOTS];
};

static inline unsigned slot_of(uint64_t value)
{
    return (unsigned)(value * UINT64_C(0x9e3779b97f4a7c15) >> 54);
}

/* The value's index, added if need be; -1: the dictionary is full. */
static int index_of(struct dictionary *dictionary, uint64_t value)
{
    unsigned slot = slot_of(value);
    while (dictionary->slots[slot] != EMPTY) {
        if (dictionary->values[dictionary->slots[slot]] == value)
            return dictionary->slots[slot];
        slot = (slot + 1) % SLOTS;
    }
    if (dictionary->count == dictionary->limit)
        return -1;
    dictionary->slots[slot] = (uint16_t)dictionary->count;
    dictionary->values[dictionary->count] = value;
    return (int)dictionary->count++;
}

/* An entry costs eight bytes that hardly compress, a plane's byte about half a one. */
static unsigned entries_worth(size_t count, unsigned planes)
{
    const size_t worth = count * (planes - 1) / 16;
    return worth < ENTRIES_MAX ? (unsigned)worth : ENTRIES_MAX;
}

int evtrail_column_dictionary(struct evtrail_column *column, const uint64_t *values, size_t count, uint8_t *index,
                              uint64_t *dictionary)
{
    const unsigned planes = (unsigned)__builtin_popcount(column->mask);
    if (planes < 2)
        return 0;
    struct dictionary table = {.values = dictionary, .limit = entries_worth(count, planes)};
    memset(table.slots, 0xff, sizeof(table.slots));
    for (size_t i = 0; i < count; i++) {
        const int at = index_of(&table, values[i]);
        if (at < 0)
            return 0;
        index[i] = (uint8_t)at;
    }
    *column = (struct evtrail_column){.kind = EVTRAIL_COLUMN_DICT, .mask = 1, .base = table.count};
    return 1;
}
