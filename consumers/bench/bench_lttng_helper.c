/* SPDX-License-Identifier: ISC
 *
 * evtrail bench --peer lttng: one u64 per event through LTTng-UST, 10 M times; prints ns an event.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench_lttng_tp.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(void)
{
    const uint64_t count = 10000000;
    for (uint64_t i = 0; i < 100000; i++)
        lttng_ust_tracepoint(evtrail_bench, u64, i);
    uint64_t start = now();
    for (uint64_t i = 0; i < count; i++)
        lttng_ust_tracepoint(evtrail_bench, u64, i);
    printf("%.2f\n", (double)(now() - start) / (double)count);
    return 0;
}
