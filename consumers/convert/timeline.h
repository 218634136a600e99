/* SPDX-License-Identifier: ISC
 *
 * What formats for timeline viewers share: events sorted into processes, threads, spans, counters, flows and points.
 *
 * Viewers want slices that nest in their thread; our spans may end in another thread, or cross each other. So a span is handed on when it
 * ends, with all that is then known: it nests (it is the youngest that is open in its thread) or it does not. Of open spans only their
 * begin's arguments are held, as the format made them; their number and bytes are bounded.
 */
#ifndef EVTRAIL_CONVERT_TIMELINE_H
#define EVTRAIL_CONVERT_TIMELINE_H

#include "convert.h"

struct timeline_process {
    const struct evtrail_source *source;
    uint32_t number; /* of the source */
    uint32_t pid;    /* its own, or one beyond all real ones if that is taken */
    uint32_t part;   /* in which it was last named */
    uint64_t lost[EVTRAIL_CAUSES_ALL];
};
struct timeline_thread {
    struct timeline_thread *next; /* same hash */
    struct timeline_span *top;    /* the youngest of its open spans */
    uint32_t process;             /* number */
    uint32_t tid;
    uint32_t part; /* in which it was last named */
    char name[17];
};
struct timeline_span {
    struct timeline_span *next;          /* same hash */
    struct timeline_span *below, *above; /* in its thread: older, younger */
    struct timeline_thread *thread;      /* where it began */
    const struct evtrail_event_type *type;
    uint64_t name; /* hash */
    uint64_t id, parent;
    uint64_t root; /* id of the outermost span of its chain of parents, as far as they are open */
    int64_t begin;
    int64_t inner_ns; /* of ended spans right inside it */
    uint32_t process;
    uint32_t args_bytes;
    char args[]; /* of its begin, as ops->args() made them */
};

enum timeline_end {
    SPAN_nests,   /* it began and ended inside what surrounds it in its thread */
    SPAN_crosses, /* it did not, or ended in another thread */
    SPAN_goes_on, /* a part of the output ends; it nests so far */
    SPAN_unended, /* nothing more is known of it */
};

/* All return 0 or a negative errno; those that a format does not want may be NULL. */
struct timeline_ops {
    int (*process)(struct convert *convert, const struct timeline_process *process);
    int (*thread)(struct convert *convert, const struct timeline_process *process,
                  const struct timeline_thread *thread);
    /* An event's fields from `first` on, and its context, for struct timeline_span and `end_args`. */
    void (*args)(struct convert *convert, struct scratch *scratch, const struct evtrail_event *event, unsigned first);
    /* [from, to): what of the span is in this part. end_args: the end's, empty unless it has ended. */
    int (*span)(struct convert *convert, const struct timeline_process *process, const struct timeline_span *span,
                enum timeline_end how, int64_t from, int64_t to, const struct scratch *end_args);
    int (*point)(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event);
    /* `value` is a number, finite. */
    int (*counter)(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                   const struct evtrail_value *value);
    /* `first`: none of this flow was seen before (or so long ago that it was forgotten). */
    int (*flow)(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                uint64_t flow, bool first);
    int (*lost)(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event);
    int (*ended)(struct convert *convert, const struct timeline_process *process, int64_t time);
};

struct timeline;
int timeline_new(struct timeline **ret_timeline, const struct timeline_ops *ops);
void timeline_free(struct timeline *timeline);
int timeline_event(struct timeline *timeline, struct convert *convert, const struct evtrail_event *event);
/* A part ends (open spans go on in the next), or the whole (they never end). */
int timeline_part_end(struct timeline *timeline, struct convert *convert, bool last);
const struct timeline_process *timeline_process_of(const struct timeline *timeline, uint32_t number);

uint64_t timeline_hash(uint64_t a, uint64_t b);
uint64_t timeline_hash_text(const char *text);
/* The provider of an event: what stands before the first dot of its name, or all of it. */
size_t timeline_provider(const char *name);

/* A number for those that know signed integers of 64 bits and doubles: true: *ret_real, as it is one or an integer too large; else *ret_integer. */
bool timeline_number(const struct evtrail_value *value, double *ret_real, uint64_t *ret_integer);

#endif /* EVTRAIL_CONVERT_TIMELINE_H */
