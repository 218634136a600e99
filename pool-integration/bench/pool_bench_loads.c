/* SPDX-License-Identifier: ISC
 *
 * Whole loads beside each other, 64 clients on one core and the server on another: pooled and never pooled, the pool and
 * libcurl, traced and untraced.
 */
#include "pool_bench.h"

#include <math.h>
#include <stdio.h>

#define ROUNDS_MAX 256u
#define ROUND_REQUESTS 3000u /* some tens of ms: two neighbours see the same machine */
#define BEST 0.1

struct side {
    const char *kind;
    bool traced;
    struct worker worker;
    double rates[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* requests/s; ns of the client's CPU a request */
};

/* In turns, the first of a round is the other in the next. */
static const char *compare_run(struct side sides[2], unsigned rounds, uint64_t count)
{
    for (unsigned turn = 0; turn < 2 * (rounds + 1); turn++) {
        struct side *const side = &sides[(turn + turn / 2) % 2];
        struct answer answer;
        if (worker_run(&side->worker, count, &answer) < 0)
            return side->worker.ready.status ? side->worker.ready.text : "a load failed";
        if (turn < 2) /* the first round warms up */
            continue;
        side->rates[turn / 2 - 1] = (double)count * 1e9 / answer.figures[FIGURE_wall_ns];
        side->cpu[turn / 2 - 1] = answer.figures[FIGURE_cpu_ns] / (double)count;
    }
    return NULL;
}

struct verdict {
    double ratio, cpu_ratio, spread; /* of the first to the second: medians; half the distance of the quartiles */
};

static struct verdict verdict_of(const struct side sides[2], unsigned rounds)
{
    double ratios[ROUNDS_MAX], cpu[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        ratios[i] = sides[0].rates[i] / sides[1].rates[i];
        cpu[i] = sides[0].cpu[i] / sides[1].cpu[i];
    }
    const double high = quantile(ratios, rounds, 0.75), low = quantile(ratios, rounds, 0.25);
    return (struct verdict){quantile(ratios, rounds, 0.5), quantile(cpu, rounds, 0.5), (high - low) / 2};
}

static void report(struct result *result, struct side sides[2], unsigned rounds, const struct verdict *verdict)
{
    result_add(result, "ratio", verdict->ratio);
    result_add(result, "ratio_half_iqr", verdict->spread);
    result_add(result, "cpu_ratio", verdict->cpu_ratio);
    /* of each side's best rounds: what the loads cost where the neighbours let them alone */
    result_add(result, "cpu_ratio_best", quantile(sides[0].cpu, rounds, BEST) / quantile(sides[1].cpu, rounds, BEST));
    result_add(result, "requests_per_s", quantile(sides[0].rates, rounds, 0.5));
    result_add(result, "other_requests_per_s", quantile(sides[1].rates, rounds, 0.5));
    result_add(result, "cpu_ns", quantile(sides[0].cpu, rounds, 0.5));
    result_add(result, "other_cpu_ns", quantile(sides[1].cpu, rounds, 0.5));
    result_add(result, "rounds", rounds);
}

/* 0: both are ready; 1: skipped; < 0: failed, and said so. */
static int sides_start(struct bench *bench, const char *name, struct side sides[2], const struct load_setup *setup)
{
    for (unsigned i = 0; i < 2; i++) {
        struct worker *const worker = &sides[i].worker;
        const int r = worker_start(worker, bench, sides[i].kind, sides[i].traced, CPU_client, setup);
        if (r > 0)
            bench_skip(bench, name, worker->ready.text);
        else if (r < 0)
            bench_failed(bench, name, worker->ready.text);
        if (r != 0)
            return r;
    }
    return 0;
}

static void sides_stop(struct side sides[2])
{
    for (unsigned i = 0; i < 2; i++)
        if (sides[i].worker.pid)
            worker_stop(&sides[i].worker);
}

/* ---- pooled ---- */

static void compare(struct bench *bench, const char *name, const char *target, struct side sides[2],
                    const struct load_setup *setup, double least)
{
    struct result result;
    const unsigned rounds = bench_rounds(bench, 61);
    if (sides_start(bench, name, sides, setup) == 0) {
        const char *const why = compare_run(sides, rounds, bench_count(bench, ROUND_REQUESTS));
        if (why) {
            bench_failed(bench, name, why);
        } else {
            const struct verdict verdict = verdict_of(sides, rounds);
            result_start(&result, target, "%s", name);
            report(&result, sides, rounds, &verdict);
            result_judge(&result, verdict.ratio >= least);
            result_print(bench, &result);
        }
    }
    sides_stop(sides);
}

static void pooled_echo(struct bench *bench)
{
    struct side sides[2] = {{.kind = "pooled", .traced = true}, {.kind = "held", .traced = true}};
    struct worker server;
    struct load_setup setup;
    if (!bench_wants(bench, "pooled/echo") || bench_echo(bench, "pooled/echo", &server, &setup) < 0)
        return;
    compare(bench, "pooled/echo", ">= 0.95 of the load on connections never pooled", sides, &setup, 0.95);
    worker_stop(&server);
}

static void pooled_curl(struct bench *bench)
{
    struct side sides[2] = {{.kind = "pooled", .traced = true}, {.kind = "curl", .traced = true}};
    struct nginx nginx;
    const char *why;
    if (!bench_wants(bench, "pooled/curl"))
        return;
    const int r = nginx_start(&nginx, bench, &why);
    const struct load_setup setup = {.port = nginx.port, .http = true};
    if (r > 0)
        bench_skip(bench, "pooled/curl", why);
    else if (r < 0)
        bench_failed(bench, "pooled/curl", why);
    else
        compare(bench, "pooled/curl", ">= 2 x libcurl's requests/s", sides, &setup, 2);
    nginx_stop(&nginx);
}

/* ---- tracing ---- */

static void report_tracing(struct bench *bench, const char *name, struct side sides[2], unsigned rounds, double most,
                           const uint64_t *events)
{
    struct result result;
    char target[64];
    const struct verdict verdict = verdict_of(sides, rounds);
    snprintf(target, sizeof target, "<= %g %% of the untraced throughput", most);
    result_start(&result, target, "%s", name);
    result_add(&result, "cost_percent", 100 * (1 - verdict.ratio));
    result_add(&result, "cost_cpu_percent", 100 * (verdict.cpu_ratio - 1));
    report(&result, sides, rounds, &verdict);
    if (events) {
        result_add(&result, "events_per_request",
                   (double)(events[0] + events[1]) / (double)(bench_count(bench, ROUND_REQUESTS) * (rounds + 1)));
        result_add(&result, "lost", (double)events[1]);
    }
    result_judge(&result, 100 * (1 - verdict.ratio) <= most);
    result_print(bench, &result);
}

static void tracing(struct bench *bench, const char *name, bool recorded, double most)
{
    struct side sides[2] = {{.kind = "pooled", .traced = true}, {.kind = "pooled"}};
    const unsigned rounds = bench_rounds(bench, 151);
    struct worker server;
    struct load_setup setup;
    struct recorder recorder = {0};
    uint64_t events[2] = {0};
    const char *why = NULL;
    if (!bench_wants(bench, name) || bench_echo(bench, name, &server, &setup) < 0)
        return;
    if (sides_start(bench, name, sides, &setup) == 0) {
        if (recorded && recorder_start(&recorder, bench, sides[0].worker.pid) < 0)
            why = "the recorder does not start (EVTRAIL_DIR?)";
        if (!why)
            why = compare_run(sides, rounds, bench_count(bench, ROUND_REQUESTS));
        if (recorded)
            recorder_stop(&recorder, &events[0], &events[1]);
        if (why)
            bench_failed(bench, name, why);
        else
            report_tracing(bench, name, sides, rounds, most, recorded ? events : NULL);
    }
    sides_stop(sides);
    worker_stop(&server);
}

void bench_loads(struct bench *bench)
{
    pooled_echo(bench);
    pooled_curl(bench);
    tracing(bench, "tracing/recorded", true, 3);
    tracing(bench, "tracing/disabled", false, 0.5);
}
