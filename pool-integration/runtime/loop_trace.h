/* SPDX-License-Identifier: ISC
 *
 * The loop's trace points: loop_trace_iteration(...) and so on, from runtime.def.
 */
#ifndef EVPOOL_LOOP_TRACE_H
#define EVPOOL_LOOP_TRACE_H
#define EVTRAIL_CATALOGUE "runtime.def"
#define EVTRAIL_PREFIX loop_trace_
#include <evtrail/catalogue.h>

/* One clock read for the events of a batch; 0 where nobody listens. */
static inline uint64_t loop_trace_stamp(void)
{
#ifdef EVTRAIL_COMPILED_OUT
    return 0;
#else
    return loop_trace_op_end_on() || loop_trace_completed_on() ? evtrail_now() : 0;
#endif
}
#endif /* EVPOOL_LOOP_TRACE_H */
