/* SPDX-License-Identifier: ISC
 *
 * Walks the records of a block or chunk: bounds each before it is looked at, and tells its full tick count.
 *
 *     struct evtrail_walk walk;
 *     evtrail_walk_init(&walk, words, count, reference_ticks);
 *     while (evtrail_walk_next(&walk))
 *         use(walk.id, walk.ticks, walk.payload, walk.words);
 *     if (walk.fault) ...                        // at walk.at - words; what was walked before it stands
 *
 * The words must not change under the walk: copy them out of shared memory first. All records are returned, ours (id <
 * EVTRAIL_EVENT_FIRST) too, so that who moves or counts records sees each. TIME is applied to the reference before it is returned.
 */
#ifndef EVTRAIL_READER_WALK_H
#define EVTRAIL_READER_WALK_H

#include "layout.h"

struct evtrail_walk {
    const uint64_t *at;  /* the next record */
    const uint64_t *end; /* behind the last word */
    uint64_t
        reference; /* what 44-bit ticks are relative to; at the end, what those after the last record are relative to */
    /* the record that evtrail_walk_next() found */
    uint64_t ticks;
    const uint64_t *payload;
    uint32_t words; /* of the payload */
    uint32_t id;
    const char *fault; /* NULL, or why the walk ended before the end */
};

static inline void evtrail_walk_init(struct evtrail_walk *walk, const uint64_t *words, size_t count, uint64_t reference)
{
    *walk = (struct evtrail_walk){.at = words, .end = count ? words + count : words, .reference = reference};
}

/* The full tick count nearest to `reference` whose low 44 bits are those of the header word. */
static inline uint64_t evtrail_walk_ticks(uint64_t header, uint64_t reference)
{
    uint64_t distance = header - (reference << (64 - EVTRAIL_TICK_BITS)); /* in the upper 44 bits, modulo 2^44 */
    return reference + (uint64_t)((int64_t)distance >> (64 - EVTRAIL_TICK_BITS));
}

static inline bool evtrail_walk_fail(struct evtrail_walk *walk, const char *fault)
{
    walk->fault = fault;
    return false;
}

static inline bool evtrail_walk_next(struct evtrail_walk *walk)
{
    const uint64_t *p = walk->at;
    if (p >= walk->end)
        return false;
    uint64_t header = *p++;
    uint64_t left = (uint64_t)(walk->end - p);
    uint64_t words = header & 63;
    walk->id = (uint32_t)(header >> 6) & (EVTRAIL_EVENT_TYPES_MAX - 1);
    if (__builtin_expect(words == 63, 0)) {
        if (!left)
            return evtrail_walk_fail(walk, "a large record's length is missing");
        words = (uint32_t)*p++;
        left--;
    }
    if (__builtin_expect(words > left, 0))
        return evtrail_walk_fail(walk, "a record is longer than what holds it");
    if (__builtin_expect(walk->id <= EVTRAIL_RECORD_TIME, 0)) {
        if (walk->id == 0)
            return evtrail_walk_fail(walk, "a record of id 0");
        if (words != 1)
            return evtrail_walk_fail(walk, "a TIME record that is not one word long");
        walk->reference = *p;
        walk->ticks = *p;
    } else {
        walk->ticks = evtrail_walk_ticks(header & ~UINT64_C(0xfffff), walk->reference);
    }
    walk->payload = p;
    walk->words = (uint32_t)words;
    walk->at = p + words;
    return true;
}

#endif /* EVTRAIL_READER_WALK_H */
