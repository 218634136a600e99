/* SPDX-License-Identifier: ISC
 *
 * What was copied of an OCaml process's rings and not decoded yet. The rings wait for nobody, so a thread, the pump, copies them however long the
 * reader is busy with what it has: what is lost is what does not fit into the memory for it, or what was written over before the thread was let onto
 * a processor. Reader and pump copy in turns, by a lock.
 */
#ifndef EVTRAIL_READER_OCAML_FEED_H
#define EVTRAIL_READER_OCAML_FEED_H

#include "reader/ocaml_activity.h"
#include "reader/ocaml_map.h"

#include <pthread.h>
#include <stdatomic.h>

#define EVTRAIL_OCAML_SEGMENT_WORDS ((size_t)256 << 10 >> 3)
#define EVTRAIL_OCAML_QUEUE_BYTES ((size_t)64 << 20)

struct evtrail_ocaml_segment {
    struct evtrail_ocaml_segment *next;
    struct evtrail_ocaml_copy copy; /* its words are those here */
    size_t taken;                   /* the reader's */
    uint32_t program;               /* that wrote it: feed->program as it was then */
    bool replaced;                  /* when it was peeked at, another program was known to have taken over the file: names are that one's */
    uint64_t before;                /* the ring's position before it was copied */
    uint64_t words[];
};
struct evtrail_ocaml_queue { /* of one ring */
    struct evtrail_ocaml_ring ring;
    struct evtrail_ocaml_segment *first, *last;
    uint32_t program; /* the one that was seen in it last */
    uint64_t seen; /* the tail when the pump looked last */
};
struct evtrail_ocaml_pump;
struct evtrail_ocaml_feed {
    struct evtrail_ocaml_feed *next;
    struct evtrail_ocaml_pump *pump; /* NULL: nobody copies */
    const struct evtrail_ocaml_map *map;
    struct evtrail_ocaml_queue *queues; /* [map->domains] */
    uint64_t patience_ns;
    uint64_t queued; /* segments */
    uint32_t program; /* grows with each that takes over the file */
    _Atomic uint64_t copied_ns; /* what is older was copied */
    struct evtrail_ocaml_activity activity;
};

struct evtrail_ocaml_pump {
    pthread_mutex_t lock;
    pthread_t thread;
    _Atomic uint32_t word, heard;
    int epoll, news; /* news: an eventfd, something was changed for the thread */
    bool runs, stop;
    struct evtrail_ocaml_feed *feeds;
    struct evtrail_ocaml_segment *spare;
    unsigned spare_count;
    size_t held_bytes, most_bytes;
    /* Of the thread alone, ns of CLOCK_MONOTONIC. */
    bool armed, untold;   /* untold: there is something since the reader was woken last */
    uint64_t looked_ns;   /* at the rings */
    uint64_t found_ns;    /* something in them */
    uint64_t told_ns;     /* the reader */
    uint64_t heard_ns;    /* news of what else is listened to */
    uint64_t arm_ns;      /* not before this */
    uint64_t arm_wait_ns; /* grows while processes work and write nothing */
    uint64_t gap_ns;      /* in which the fullest ring fills by a quarter, as it did lately */
};

/* Starts the thread. queue_bytes 0: EVTRAIL_OCAML_QUEUE_BYTES. */
int evtrail_ocaml_pump_new(struct evtrail_ocaml_pump **ret_pump, size_t queue_bytes);
/* The feeds were removed before. */
void evtrail_ocaml_pump_free(struct evtrail_ocaml_pump *pump);
/* Changes, and is woken, when there is something to read in any feed. */
const _Atomic uint32_t *evtrail_ocaml_pump_word(const struct evtrail_ocaml_pump *pump);
/* Makes the thread look at once. */
void evtrail_ocaml_pump_stir(struct evtrail_ocaml_pump *pump);
/* Is looked at by the thread as well: the word changes when it is readable. */
int evtrail_ocaml_pump_listen(struct evtrail_ocaml_pump *pump, int fd);
/* How often there was news of those. */
uint32_t evtrail_ocaml_pump_news(const struct evtrail_ocaml_pump *pump);

/* Without a pump the rest is for the reader's own positions in the rings. */
int evtrail_ocaml_feed_init(struct evtrail_ocaml_feed *feed, struct evtrail_ocaml_pump *pump,
                            const struct evtrail_ocaml_map *map, uint32_t pid, uint64_t patience_ns);
/* From here on the pump copies. */
void evtrail_ocaml_feed_begin(struct evtrail_ocaml_feed *feed);
/* Before the map is closed. */
void evtrail_ocaml_feed_fini(struct evtrail_ocaml_feed *feed);
/* Sees to it that what there was a moment ago is copied, as long as there is room; `now`: all there is now. All that is older than what it
 * returns, ns of CLOCK_MONOTONIC. */
uint64_t evtrail_ocaml_feed_fill(struct evtrail_ocaml_feed *feed, bool now);
/* The same, under the lock. */
void evtrail_ocaml_feed_copy(struct evtrail_ocaml_feed *feed);
/* Whether something of a ring was copied and not taken; without a pump, whether something is new in it. */
bool evtrail_ocaml_feed_has(struct evtrail_ocaml_feed *feed, uint32_t index);
/* ... of any. look: also at what was not copied. */
bool evtrail_ocaml_feed_any(struct evtrail_ocaml_feed *feed, bool look);
/* Words that were not copied, of the ring with most of them. */
uint64_t evtrail_ocaml_feed_waiting(struct evtrail_ocaml_feed *feed);
/* The oldest that was copied and not taken; *ret_copy is as it is now, what is in it stays. NULL: nothing. */
struct evtrail_ocaml_segment *evtrail_ocaml_feed_peek(struct evtrail_ocaml_feed *feed, uint32_t index,
                                                      struct evtrail_ocaml_copy *ret_copy);
/* So many words of it were taken. The words behind it that are lost, if that was all of it. */
uint64_t evtrail_ocaml_feed_take(struct evtrail_ocaml_feed *feed, uint32_t index, size_t taken);

#endif /* EVTRAIL_READER_OCAML_FEED_H */
