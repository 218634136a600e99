/* SPDX-License-Identifier: ISC
 *
 * Spans that are open: a bounded hash table by (process, id) whose entries know their age, so that the oldest is forgotten for a new one. Several
 * spans of a process may have the same id if they differ in name.
 */
#ifndef EVTRAIL_TOP_OPEN_SPANS_H
#define EVTRAIL_TOP_OPEN_SPANS_H

#include "idtable.h"
#include "part.h"

#define OPEN_NONE UINT32_MAX
#define OPEN_GONE_MAX 64u /* processes that have ended and whose open spans stay */
#define OPEN_SAME_MAX 32u /* entries with the same hash; more than so many push out the oldest of them */

struct open_span {
    uint64_t id;
    uint64_t ticks;        /* of the begin */
    uint32_t row;          /* whose name it has */
    uint32_t source;       /* number in open_spans.sources */
    uint32_t chain;        /* the next with this hash */
    uint32_t older, newer; /* by begin */
    uint32_t tid;
    uint32_t data;            /* the part's */
    bool used, matched, gone; /* gone: its process has ended */
    bool stale;               /* the part's: it is likely that its end was not looked at */
};
/* A process that has open spans, or had plans. */
struct open_source {
    uint64_t key; /* 0: unused */
    uint32_t pid;
    uint32_t host;    /* its number in the model's list */
    uint32_t entries; /* open spans of it */
    bool gone;
    char command[17];
    uint64_t ticks;   /* at this count ... */
    int64_t ns;       /* ... it was this time, ... */
    uint64_t rate;    /* ... and a tick lasts so many ns, times 2^48 */
    uint64_t rate_of; /* the clock reading that the rate is from */
};
struct open_spans {
    struct part *part;
    struct open_span *entries;
    uint32_t *heads;
    uint32_t heads_size;         /* a power of two */
    uint32_t size, used, unused; /* of entries; unused: a list by chain */
    uint32_t oldest, newest;
    unsigned percent; /* of the part's budget that they may fill */
    struct open_source *sources;
    uint32_t sources_count;
    struct idtable source_numbers; /* by key */
    uint64_t gone[OPEN_GONE_MAX];  /* keys, the oldest at gone_next */
    uint32_t gone_next;
    uint64_t seed;
    uint64_t forgotten; /* for want of room */
    /* What is forgotten, or of a process that ended: before it goes. May be NULL. */
    void (*forget)(struct part *part, struct open_span *span);
};

void open_spans_init(struct open_spans *open, struct part *part, unsigned percent,
                     void (*forget)(struct part *part, struct open_span *span));
void open_spans_fini(struct open_spans *open);
/* The newest of this id with this name; row OPEN_NONE: with any name. NULL: none. */
struct open_span *open_spans_find(const struct open_spans *open, uint32_t source, uint64_t id, uint32_t row);
/* A new one; there is none of this name and id. May forget the oldest. NULL: no room at all. */
struct open_span *open_spans_add(struct open_spans *open, uint32_t source, uint64_t id, uint32_t row);
void open_spans_remove(struct open_spans *open, struct open_span *span);
static inline uint32_t open_span_number(const struct open_spans *open, const struct open_span *span)
{
    return (uint32_t)(span - open->entries);
}

/* The number of a process, as long as it lives or has open spans. OPEN_NONE: no room. */
uint32_t open_source_number(struct open_spans *open, const struct evtrail_source *source, uint64_t key);
/* Its process has ended: entries stay as they are, marked, until more processes have ended. `each` may be NULL. */
void open_source_gone(struct open_spans *open, uint64_t key, void (*each)(struct part *part, struct open_span *span));
/* ns that passed from one tick count to another: as evtrail_source_duration(), never below 0. */
int64_t open_source_duration(struct open_source *of, const struct evtrail_source *source, uint64_t from, uint64_t to);
/* About when a span began. */
int64_t open_span_time(const struct open_spans *open, const struct open_span *span);

#endif /* EVTRAIL_TOP_OPEN_SPANS_H */
