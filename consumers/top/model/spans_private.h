/* SPDX-License-Identifier: ISC
 *
 * The part's own: what spans.c fills and spans_read.c reads.
 */
#ifndef EVTRAIL_TOP_SPANS_PRIVATE_H
#define EVTRAIL_TOP_SPANS_PRIVATE_H

#include "spans.h"

#include "names.h"
#include "span_plans.h"

/* What was said at the begin of a span that is open. */
struct beginning {
    struct span_fields fields;
    uint64_t parent;
    char thread[SPAN_THREAD_BYTES + 1];
    uint32_t next; /* that is unused */
};
/* How a process's event type is taken. */
struct span_plan {
    struct span_plan_link link; /* first */
    struct span_row *row;
    const struct kept_type *type;
    uint32_t source;
    bool begin;
};
struct spans {
    struct part part;
    struct keep keep;
    struct kept_types kept;
    struct open_spans open;
    struct names names;
    struct span_row **rows; /* by their name's number */
    uint32_t rows_count, rows_size;
    struct span_plans plans;
    struct beginning *beginnings;
    uint32_t beginnings_size, beginnings_unused; /* a list by next; OPEN_NONE */
    int64_t start_ns;
    int64_t stale_ns; /* when it was last looked for ends that were missed */
};

static inline struct spans *spans_of(const struct part *part)
{
    return (struct spans *)part;
}

#endif /* EVTRAIL_TOP_SPANS_PRIVATE_H */
