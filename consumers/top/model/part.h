/* SPDX-License-Identifier: ISC
 *
 * The model is made of parts that each watch the kinds of events they are about: types, spans, the tree of spans, entities, warnings. A part
 * knows no event by name.
 */
#ifndef EVTRAIL_TOP_PART_H
#define EVTRAIL_TOP_PART_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;
struct part;

#define KIND_BIT(kind) (1u << (kind))
#define KINDS_ALL UINT32_MAX

struct part_ops {
    const char *name;
    size_t bytes;   /* of the part, which begins with struct part */
    uint32_t kinds; /* of events that it takes: KIND_BIT(EVTRAIL_KIND_...) */
    uint32_t
        always; /* of these also those that the filter refuses, with `matched` false: a span matches by its begin or by its end */
    unsigned share; /* percent of the model's memory */
    int (*init)(struct part *part);
    void (*fini)(struct part *part);
    /* What the part keeps for an event type of a source: asked once, then handed to event(). The type is the source's and goes with it: copy
     * what is needed. NULL: no interest, or no memory. */
    void *(*plan)(struct part *part, const struct evtrail_source *source, const struct evtrail_event_type *type);
    /* One event of an interesting type. In time order, but for what the reader's merge lets slip. event->duration is of no use here: spans
     * are the part's. */
    void (*event)(struct part *part, void *plan, const struct evtrail_event *event, bool matched);
    /* So many events of a planned type were only counted, for want of time: sampled out, or no longer held after a pause. May be
     * NULL. */
    void (*counted)(struct part *part, void *plan, uint64_t events, uint64_t bytes);
    /* A loss record (EVTRAIL_EVENT_LOST) or a source that came or went (EVTRAIL_EVENT_SOURCE). May be NULL. */
    void (*notice)(struct part *part, const struct evtrail_event *event);
    /* Time passes, with or without events: at each redraw, and about every 100 ms of the trace's time. May be NULL. */
    void (*tick)(struct part *part, int64_t now_ns);
    /* Counts from zero again; what is open or alive stays known. */
    void (*reset)(struct part *part);
};
struct part {
    const struct part_ops *ops;
    struct model *model;
    size_t
        budget_bytes; /* what the part may allocate: beyond it, it coarsens or leaves out, and counts what it left out */
    size_t used_bytes;
    uint64_t left_out;
};

extern const struct part_ops types_part, spans_part, tree_part, entities_part, warnings_part;

#endif /* EVTRAIL_TOP_PART_H */
