/* SPDX-License-Identifier: ISC
 *
 * What is held of a live stream: a set of trace files in memory (memfd), each readable alone, compressed; the oldest is dropped for the
 * newest. Nothing of it is left when the process ends, however it does.
 */
#ifndef EVTRAIL_TOP_HOLD_H
#define EVTRAIL_TOP_HOLD_H

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_SEGMENTS 128u

struct hold_segment {
    int fd;
    uint32_t number; /* from 1 on */
    uint64_t bytes;  /* of the file, compressed; of the one that is written: so far */
    uint64_t events;
    int64_t from_ns, to_ns; /* INT64_MAX and INT64_MIN: empty */
    char path[32];          /* as this process sees it */
};
struct hold;
/* `dropped` is called for each segment just before it goes; may be NULL. -ENOMEM, or why there can be no files in memory. */
int hold_new(struct hold **ret_hold, size_t memory_bytes,
             void (*dropped)(void *context, const struct hold_segment *segment), void *context);
void hold_free(struct hold *hold);
/* Keeps a chunk. A fault is counted: what cannot be kept is missing. */
void hold_put(struct hold *hold, const struct evtrail_chunk *chunk);
/* Its process has ended, and all its chunks were put. */
void hold_source_gone(struct hold *hold, const struct evtrail_source *source);
/* Begins a new segment, unless the newest is empty; returns its number: all that was put before is in lower ones. */
uint32_t hold_cut(struct hold *hold);
/* Joins small segments, of which pauses leave many; not while any is pinned, or while numbers count for somebody. */
void hold_join(struct hold *hold);
/* What was put can be read after this. */
void hold_flush(struct hold *hold);
/* The segments that are there, oldest first. Valid until the next call that may change them. */
size_t hold_segments(const struct hold *hold, const struct hold_segment **ret_segments);

/* While segments are read: one that is dropped meanwhile is emptied, and its path stays its own. */
uint64_t hold_pin(struct hold *hold);
void hold_unpin(struct hold *hold, uint64_t pin);

struct hold_account {
    uint64_t events, bytes;
    uint64_t missing;       /* events that could not be kept */
    int64_t from_ns, to_ns; /* INT64_MAX and INT64_MIN: nothing is held */
};
void hold_account(const struct hold *hold, struct hold_account *ret_account);

#endif /* EVTRAIL_TOP_HOLD_H */
