/* SPDX-License-Identifier: ISC
 *
 * One reader's place in one ring of a live session.
 */
#ifndef EVTRAIL_READER_RING_READER_H
#define EVTRAIL_READER_RING_READER_H

#include "reader/live.h"
#include "reader/reader_private.h"

struct evtrail_ring_reader {
    struct evtrail_live *live;
    const struct evtrail_ring_header *header;
    const uint8_t *blocks_base;
    uint32_t index;
    uint32_t blocks, block_bytes, block_words; /* 0 until the ring is set up; checked */
    bool broken;                               /* its geometry is a lie: never read */
    bool lie_told;
    bool skip_first; /* from_now: what is there already is skipped */
    bool bounded;    /* snapshot: ends behind what was there at the first look */
    bool ended;      /* ... and it did */
    uint64_t limit_block;
    uint64_t head_seen;
    uint64_t block;                     /* lowest sequence number that is still needed */
    uint32_t words_taken;               /* of it */
    uint64_t events_seen;               /* in this ring up to here: what events_before of the next block must be */
    uint64_t lost[EVTRAIL_LOST_CAUSES]; /* the writer's counts as told so far */
    uint64_t loss_told_ns;
    uint64_t lie_block;
    char lie[120];                     /* the first thing that was wrong with it; told once */
    uint32_t fruitless;                /* blocks given up since the last chunk */
    bool unfinished;                   /* the last call gave up many in a row, and there are more */
    struct evtrail_stream_state state; /* at this place; of a block's header when words_taken is 0 */
};

/* What evtrail_ring_reader_next() may do. */
enum {
    EVTRAIL_READ_OPEN = 1,  /* look at the open block, too: a cache line that the writer owns */
    EVTRAIL_READ_FINAL = 2, /* the writer is dead: tell a trailing loss at once */
};

/* Whether a ring of this shape lies within its session's file. */
bool evtrail_ring_geometry_sound(const struct evtrail_live *live, uint32_t block_bytes, uint32_t blocks, uint64_t offset);
void evtrail_ring_reader_init(struct evtrail_ring_reader *ring, struct evtrail_live *live, uint32_t index);
/* The next consecutive records, about `most_words` (more only for one large record). `words` is where they are put. 1:
 * *chunk is set; 0: nothing (now); < 0: a lie, told once for each ring, after which reading goes on behind it. Work is
 * bounded by most_words and the ring's number of blocks. */
int evtrail_ring_reader_next(struct evtrail_ring_reader *ring, struct evtrail_words *words, size_t most_words,
                             unsigned flags, struct evtrail_chunk *chunk, struct evtrail_fault *fault);
/* Whether there is something to read. Touches the writer's cache lines. */
bool evtrail_ring_reader_ready(const struct evtrail_ring_reader *ring, unsigned flags);
/* Whether whole blocks wait: touches only the ring's header. */
bool evtrail_ring_reader_sealed(const struct evtrail_ring_reader *ring);
/* Sealed blocks that wait, in eighths of the ring. */
unsigned evtrail_ring_reader_fill(const struct evtrail_ring_reader *ring);

#endif /* EVTRAIL_READER_RING_READER_H */
