/* SPDX-License-Identifier: ISC
 *
 * Reads all that one session holds, straight from layout.h and with no part of the reader library but its record walk and
 * its schema: what the writer's tests believe. The writer must be dead or at rest.
 */
#ifndef EVTRAIL_TESTS_TRAIL_H
#define EVTRAIL_TESTS_TRAIL_H

#include "layout.h"
#include "reader/schema.h"

struct trail_labels {
    char key[EVTRAIL_LABELS_MAX][EVTRAIL_LABEL_BYTES + 1], value[EVTRAIL_LABELS_MAX][EVTRAIL_LABEL_BYTES + 1];
};
struct trail_event {
    uint32_t ring, id, tid, words;
    uint32_t meta, cpu, stack_count, level;
    uint64_t block, ticks, caller;
    uint64_t lost; /* in its ring before it, all causes, as the stream states it */
    const uint64_t *payload, *stack;
    const struct trail_labels *labels;
    const struct evtrail_event_type *type; /* NULL: not in the schema */
    const char *name;                      /* "?" if so */
    const char *thread;
};
struct trail_ring {
    uint32_t state, kind, block_bytes, blocks, policy, tid;
    uint64_t head, tail, offset;
    uint64_t recorded, read;                    /* recorded - read: overwritten */
    uint64_t lost[EVTRAIL_LOST_CAUSES], losts;  /* from the ring header; and LOST records seen */
    uint64_t stated[EVTRAIL_LOST_CAUSES];       /* the last that a block header or LOST record said */
};
struct trail {
    const uint8_t *data;
    struct evtrail_control *control; /* writable */
    size_t data_bytes;
    const struct evtrail_session_header *header;
    struct evtrail_schema schema;
    struct trail_event *events;
    size_t events_count, events_room;
    struct trail_ring *rings;
    uint32_t rings_count;
    uint64_t recorded, read, lost[EVTRAIL_LOST_CAUSES], lost_all;
    unsigned faults;
    char fault[200];
    struct chunk *chunks; /* memory that events point into */
};

/* Opens and reads <path>.trail; NULL if there is no whole session. */
struct trail *trail_open(const char *path);
void trail_close(struct trail *trail);
/* Reads again from the start. */
void trail_read(struct trail *trail);
/* Events of that name. */
size_t trail_count(const struct trail *trail, const char *name);
/* The n-th event of that name, or NULL. */
const struct trail_event *trail_event(const struct trail *trail, const char *name, size_t n);
/* The events of one ring hold a running number in field 0: whether each gap is exactly what the stream says was lost there, up to `emitted` in
 * all. NULL, or what is wrong. */
const char *trail_gaps(const struct trail *trail, uint32_t ring, uint64_t emitted);
/* The payload word at which field `index` begins, and a string field's text (NULL for NULL). */
uint64_t trail_word(const struct trail_event *event, unsigned index);
const char *trail_text(const struct trail_event *event, unsigned index, uint32_t *ret_bytes);
/* Whether a process holds the session's lock. */
bool trail_alive(const char *path);
/* The n-th session (by name) in a directory, into path; false: there is none. */
bool trail_find(const char *directory, unsigned n, char *path, size_t bytes);
unsigned trail_sessions(const char *directory);

#endif
