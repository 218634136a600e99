/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: how the cost of one event is measured, beside its limit.
 *
 * Median and mean come from batches of 64 events between two clock reads, tails from the distance between the stamps of
 * neighbouring events. The limit runs in turns with each case, in the same thread.
 */
#include "measure.h"

#include <evtrail/evtrail.h>

#include <stdlib.h>

#define BATCH 64
#define BATCHES 4000 /* in a turn */
#define TURNS 15
#define LIMIT_BYTES (1u << 20)
#define STAMPS 200000

static inline uint64_t ticks(void)
{
    return evtrail_now();
}

static uint64_t limit_buffer[LIMIT_BYTES / 8] __attribute__((aligned(64)));

static __attribute__((noinline)) void loop_limit(uint64_t count)
{
    static __thread uint64_t at;
    uint64_t *buffer = limit_buffer;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t *p = buffer + at;
        p[0] = ticks();
        p[1] = i;
        at = (at + 2) & (LIMIT_BYTES / 8 - 1);
        __asm__ volatile("" ::: "memory");
    }
}
static __attribute__((noinline)) void stamped_limit(double *distances, size_t count)
{
    uint64_t last = ticks();
    for (size_t i = 0, at = 0; i < count; i++, at = (at + 2) & (LIMIT_BYTES / 8 - 1)) {
        uint64_t now = ticks();
        limit_buffer[at] = now;
        limit_buffer[at + 1] = i;
        distances[i] = (double)(now - last);
        last = now;
    }
}

/* ---- measuring ---- */

static void series_run(struct series *series, loop_fn loop, double ns_per_tick, unsigned batches)
{
    for (unsigned i = 0; i < batches && series->count < series->size; i++) {
        uint64_t start = ticks();
        loop(BATCH);
        series->values[series->count++] = (double)(ticks() - start) * ns_per_tick / BATCH;
    }
}

static double mean(const struct series *series)
{
    double sum = 0;
    for (size_t i = 0; i < series->count; i++)
        sum += series->values[i];
    return series->count ? sum / (double)series->count : 0;
}

static double trimmed_mean(struct series *series)
{
    quantile(series->values, series->count, 0.5); /* sorts */
    struct series most = {series->values, series->count - series->count / 1000, 0};
    return mean(&most);
}

struct emission measure(const struct bench *bench, loop_fn loop)
{
    const unsigned turns = (unsigned)(TURNS * bench->scale) + 1;
    struct series of = {malloc(sizeof(double) * turns * BATCHES), 0, (size_t)turns * BATCHES};
    struct series limit = {malloc(sizeof(double) * turns * BATCHES), 0, (size_t)turns * BATCHES};
    struct emission e = {0};
    if (of.values && limit.values) {
        loop(BATCH * 1000); /* memory, caches, branch predictors */
        loop_limit(BATCH * 1000);
        for (unsigned i = 0; i < turns; i++) {
            series_run(&of, loop, bench->ns_per_tick, BATCHES);
            series_run(&limit, loop_limit, bench->ns_per_tick, BATCHES);
        }
        e.mean = mean(&of);
        e.limit_mean = mean(&limit);
        e.trimmed = trimmed_mean(&of);
        e.limit_trimmed = trimmed_mean(&limit);
        e.median = quantile(of.values, of.count, 0.5);
        e.limit_median = quantile(limit.values, limit.count, 0.5);
    }
    free(of.values);
    free(limit.values);
    return e;
}

struct tail measure_tail(const struct bench *bench, stamped_fn stamped)
{
    const size_t rounds = (size_t)(5 * bench->scale) + 1;
    double *of = malloc(sizeof(double) * STAMPS * rounds), *limit = malloc(sizeof(double) * STAMPS * rounds);
    struct tail tail = {0};
    if (of && limit) {
        for (size_t i = 0; i < STAMPS * rounds;
             i++) /* no page fault of ours in the measured loop (zeros would become calloc) */
            of[i] = limit[i] = 1;
        stamped(of, STAMPS);
        for (size_t i = 0; i < rounds; i++) {
            stamped(of + i * STAMPS, STAMPS);
            stamped_limit(limit + i * STAMPS, STAMPS);
        }
        tail.p999 = quantile(of, STAMPS * rounds, 0.999) * bench->ns_per_tick;
        tail.p9999 = quantile(of, STAMPS * rounds, 0.9999) * bench->ns_per_tick;
        tail.limit_p999 = quantile(limit, STAMPS * rounds, 0.999) * bench->ns_per_tick;
        tail.limit_p9999 = quantile(limit, STAMPS * rounds, 0.9999) * bench->ns_per_tick;
    }
    free(of);
    free(limit);
    return tail;
}

void add_emission(struct result *result, const struct emission *e)
{
    result_add(result, "median_ns", e->median);
    result_add(result, "mean_ns", e->mean);
    result_add(result, "limit_ns", e->limit_median);
    result_add(result, "ratio", e->median / e->limit_median);
    result_add(result, "mean_ratio", e->mean / e->limit_mean);
    result_add(result, "mean_ratio_trimmed", e->trimmed / e->limit_trimmed);
}
