/* SPDX-License-Identifier: ISC
 *
 * What parts that follow spans keep for each event type of a process: lists by process, whose members serve again when it has ended.
 */
#ifndef EVTRAIL_TOP_SPAN_PLANS_H
#define EVTRAIL_TOP_SPAN_PLANS_H

#include "keep.h"
#include "open_spans.h"

/* The first member of a part's own struct. */
struct span_plan_link {
    struct span_plan_link *next; /* of the same process; or that is unused */
};
struct span_plans {
    struct span_plan_link **lists; /* by number of the process in `open` */
    uint32_t lists_count;
    struct span_plan_link *unused;
};

void span_plans_fini(struct span_plans *plans);
/* One of `bytes` for the process with this number, linked; all else in it is as it was. NULL: no room. */
void *span_plans_new(struct span_plans *plans, const struct open_spans *open, struct keep *keep, uint32_t number,
                     size_t bytes);
/* Those of a process that has ended are unused. */
void span_plans_gone(struct span_plans *plans, const struct open_spans *open, uint64_t key);

#endif /* EVTRAIL_TOP_SPAN_PLANS_H */
