/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: the cost of one event beside its limit, for loops of evtrail's events and of its peers'.
 */
#ifndef EVTRAIL_BENCH_MEASURE_H
#define EVTRAIL_BENCH_MEASURE_H

#include "bench.h"

typedef void (*loop_fn)(uint64_t count);                     /* emits so many events */
typedef void (*stamped_fn)(double *distances, size_t count); /* emits, and notes the ticks from event to event */

struct series {
    double *values; /* ns an event, one a batch */
    size_t count, size;
};

/* The mean without the slowest batches in a thousand: on a shared machine those are the neighbours'. The plain mean stands beside it. */
struct emission {
    double median, mean, trimmed, limit_median, limit_mean, limit_trimmed;
};
struct emission measure(const struct bench *bench, loop_fn loop);
void add_emission(struct result *result, const struct emission *e);

struct tail {
    double p999, p9999, limit_p999, limit_p9999;
};
struct tail measure_tail(const struct bench *bench, stamped_fn stamped);

#endif
