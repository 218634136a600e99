/* SPDX-License-Identifier: ISC
 *
 * Stretches of time on tracks, with as much detail as fits: where there are too many, those of one name on one lane that
 * begin near each other are joined. The longest of them is kept as it is, so that nothing long is lost at any scale.
 */
#ifndef EVTRAIL_CONSUMERS_SLICES_H
#define EVTRAIL_CONSUMERS_SLICES_H

#include <stdbool.h>
#include <stdint.h>

struct slice {
    uint32_t track;
    uint32_t name;
    uint32_t lane;
    uint32_t count; /* 0: an unused place; more than 1: the longest of so many */
    int64_t from_ns, to_ns;   /* of the longest one */
    int64_t first_ns, end_ns; /* of all */
    uint64_t id, parent;
};
struct slices {
    struct slice *places; /* a hash table */
    uint32_t size;        /* a power of two, or 0 */
    uint32_t used;
    uint32_t limit;
    uint8_t shift; /* those that begin in the same 2^shift ns are joined */
};
void slices_init(struct slices *slices, uint32_t limit);
void slices_fini(struct slices *slices);
/* 0 or -ENOMEM; `to` is to be freed in any case. */
int slices_copy(struct slices *to, const struct slices *from);
/* 0 or -ENOMEM. */
int slices_add(struct slices *slices, const struct slice *slice);
/* Joins until at most so many are left. Works on sorted slices, too. 0 or -ENOMEM. */
int slices_limit(struct slices *slices, uint32_t limit);
/* The slices, by track, lane and time. Nothing can be added any more. */
uint32_t slices_sort(struct slices *slices, struct slice **ret_slices);

#endif /* EVTRAIL_CONSUMERS_SLICES_H */
