/* SPDX-License-Identifier: ISC
 *
 * evtrail bench --peer lttng: one u64 an event, through LTTng-UST and through evtrail in turns, each with its recorder attached.
 * Prints two lines, LTTng's first: median mean limit-median limit-mean trimmed-mean limit-trimmed-mean p99.9 p99.99 limit-p99.99, in ns, and
 * how many events were emitted.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "bench_lttng_tp.h"

#include "measure.h"

#include <evtrail/evtrail.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define SIZES 65536

static uint16_t sizes[SIZES]; /* 16 bits at random: a counter, or a short period, would compress to nothing */
static uint64_t emitted_lttng, emitted_evtrail = 1;

static __attribute__((noinline)) void loop_lttng(uint64_t count)
{
    const uint64_t at = emitted_lttng;
    emitted_lttng += count;
    for (uint64_t i = 0; i < count; i++) {
        lttng_ust_tracepoint(evtrail_bench, u64, sizes[(at + i) & (SIZES - 1)]);
        __asm__ volatile("" ::: "memory");
    }
}

static __attribute__((noinline)) void loop_evtrail(uint64_t count)
{
    const uint64_t at = emitted_evtrail;
    emitted_evtrail += count;
    for (uint64_t i = 0; i < count; i++) {
        EVTRAIL(info, "bench.peer", EVTRAIL_AS(value, (uint64_t)sizes[(at + i) & (SIZES - 1)]));
        __asm__ volatile("" ::: "memory");
    }
}

/* Both have a second clock read here: neither has to take a stamp of ours. */
static __attribute__((noinline)) void stamped_lttng(double *distances, size_t count)
{
    uint64_t last = evtrail_now();
    const uint64_t at = emitted_lttng;
    emitted_lttng += count;
    for (size_t i = 0; i < count; i++) {
        lttng_ust_tracepoint(evtrail_bench, u64, sizes[(at + i) & (SIZES - 1)]);
        uint64_t now = evtrail_now();
        distances[i] = (double)(now - last);
        last = now;
    }
}

static __attribute__((noinline)) void stamped_evtrail(double *distances, size_t count)
{
    uint64_t last = evtrail_now();
    const uint64_t at = emitted_evtrail;
    emitted_evtrail += count;
    for (size_t i = 0; i < count; i++) {
        EVTRAIL(info, "bench.peer", EVTRAIL_AS(value, (uint64_t)sizes[(at + i) & (SIZES - 1)]));
        uint64_t now = evtrail_now();
        distances[i] = (double)(now - last);
        last = now;
    }
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

struct round {
    struct emission emission;
    struct tail tail;
};

static struct round one_round(const struct bench *bench, loop_fn loop, stamped_fn stamped)
{
    struct round round;
    pause_ms(100); /* until the other one's consumer has written what it holds */
    round.emission = measure(bench, loop);
    round.tail = measure_tail(bench, stamped);
    return round;
}

static double middle(const struct round *rounds, size_t offset)
{
    double values[ROUNDS];
    for (int i = 0; i < ROUNDS; i++)
        values[i] = *(const double *)((const char *)&rounds[i] + offset);
    return quantile(values, ROUNDS, 0.5);
}

static void print(const struct round *rounds, uint64_t emitted)
{
    static const size_t offsets[] = {
        offsetof(struct round, emission.median),
        offsetof(struct round, emission.mean),
        offsetof(struct round, emission.limit_median),
        offsetof(struct round, emission.limit_mean),
        offsetof(struct round, emission.trimmed),
        offsetof(struct round, emission.limit_trimmed),
        offsetof(struct round, tail.p999),
        offsetof(struct round, tail.p9999),
        offsetof(struct round, tail.limit_p9999),
    };
    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++)
        printf("%.3f ", middle(rounds, offsets[i]));
    printf("%llu\n", (unsigned long long)emitted);
}

int main(int argc, char **argv)
{
    static struct round lttng[ROUNDS], evtrail[ROUNDS];
    struct bench bench = {.scale = 0.2, .ns_per_tick = argc > 1 ? atof(argv[1]) : 1};
    for (int i = 0; i < SIZES; i++)
        sizes[i] = (uint16_t)rand();
    EVTRAIL(info, "bench.peer", EVTRAIL_AS(value, 0));
    for (int waited = 0; !lttng_ust_tracepoint_enabled(evtrail_bench, u64) && waited < 3000; waited += 10)
        pause_ms(10);
    if (!lttng_ust_tracepoint_enabled(evtrail_bench, u64))
        return 3;
    for (int i = 0; i < ROUNDS; i++) {
        lttng[i] = one_round(&bench, loop_lttng, stamped_lttng);
        evtrail[i] = one_round(&bench, loop_evtrail, stamped_evtrail);
    }
    pause_ms(300);
    print(lttng, emitted_lttng);
    print(evtrail, emitted_evtrail);
    return 0;
}
