/* SPDX-License-Identifier: ISC
 *
 * evtrail bench --peer lttng: LTTng-UST's trace point provider (its headers include this file several times).
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER evtrail_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "bench_lttng_tp.h"

#if !defined(BENCH_LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define BENCH_LTTNG_TP_H
#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(evtrail_bench, u64, LTTNG_UST_TP_ARGS(unsigned long, value),
                           LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(unsigned long, value, value)))
#endif

#include <lttng/tracepoint-event.h>
