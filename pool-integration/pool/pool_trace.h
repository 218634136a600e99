/* SPDX-License-Identifier: ISC
 *
 * The pool's trace points: pool_trace_conn_created(...) and so on, from pool.def.
 */
#ifndef EVPOOL_POOL_TRACE_H
#define EVPOOL_POOL_TRACE_H
#define EVTRAIL_CATALOGUE "pool.def"
#define EVTRAIL_PREFIX pool_trace_
#include <evtrail/catalogue.h>

/* A stamp to share among the events of one step, and the id of a span; 0 where the tracing is compiled out. */
static inline uint64_t pool_trace_now(void)
{
#ifdef EVTRAIL_COMPILED_OUT
    return 0;
#else
    return evtrail_now();
#endif
}
static inline uint64_t pool_trace_span(void)
{
#ifdef EVTRAIL_COMPILED_OUT
    return 0;
#else
    return evtrail_span_id();
#endif
}

#endif /* EVPOOL_POOL_TRACE_H */
