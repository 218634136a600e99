/* SPDX-License-Identifier: ISC
 *
 * Small chunks of one ring that follow each other, joined until they make a batch worth compressing.
 */
#ifndef EVTRAIL_FILE_GATHER_H
#define EVTRAIL_FILE_GATHER_H

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVTRAIL_GATHER_WORDS = 32768,        /* of one batch: 256 KiB */
    EVTRAIL_GATHER_BYTES_MAX = 16 << 20, /* of all rings together */
};
/* Where a ring's batches in the file end. */
struct evtrail_ring_account {
    bool known;
    uint64_t part; /* the one that has it */
    uint64_t events, ticks;
    uint64_t lost[EVTRAIL_CAUSES];
    uint64_t dropped; /* just before what comes next, and not yet told */
    uint8_t why;
};
struct evtrail_gathered {
    struct evtrail_chunk chunk; /* chunk.words is ours; chunk.source may be gone */
    uint32_t source;
    uint64_t *words;
    size_t room;
    int64_t since_ns; /* CLOCK_MONOTONIC of the first; 0: nothing is held */
    struct evtrail_ring_account account;
};
struct evtrail_gather {
    struct evtrail_gathered **items; /* by ring, then source: a hash table of open addressing */
    uint32_t items_room, items_count;
    uint32_t held; /* items that hold something */
    size_t bytes;
};
void evtrail_gather_fini(struct evtrail_gather *gather);
/* What is held of this ring, or an empty one. NULL: no memory. */
struct evtrail_gathered *evtrail_gather_find(struct evtrail_gather *gather, uint32_t source, uint32_t ring);
/* Whether the chunk goes on where `held` ends, with nothing lost between, and there is room. */
bool evtrail_gather_joins(const struct evtrail_gathered *held, const struct evtrail_chunk *chunk);
/* Adds the chunk. -ENOMEM: it is not held. */
int evtrail_gather_add(struct evtrail_gather *gather, struct evtrail_gathered *held, const struct evtrail_chunk *chunk,
                       int64_t now_ns);
/* Forgets a source's rings, which hold nothing. */
void evtrail_gather_forget(struct evtrail_gather *gather, uint32_t source);
/* Forgets what is held. */
void evtrail_gather_clear(struct evtrail_gather *gather, struct evtrail_gathered *held);

#endif /* EVTRAIL_FILE_GATHER_H */
