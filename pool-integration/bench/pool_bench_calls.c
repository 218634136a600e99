/* SPDX-License-Identifier: ISC
 *
 * The pool by itself: a call, many idle connections, and fairness where connections are few.
 */
#include "pool_bench.h"

#define ROUNDS_MAX 128u
#define CALLS 20000u /* a few ms: most rounds see no neighbour */
#define IDLE_CONNECTIONS 10000u
#define IDLE_NS UINT64_C(3000000000)
#define CONSTRAINED_REQUESTS 5000u

/* `rounds` answers of one load, or why there are none. */
static const char *rounds_run(struct worker *worker, struct answer *answers, unsigned rounds, uint64_t count)
{
    struct answer warm;
    if (worker_run(worker, count, &warm) < 0)
        return "a load failed";
    for (unsigned i = 0; i < rounds; i++)
        if (worker_run(worker, count, &answers[i]) < 0)
            return "a load failed";
    return NULL;
}

static double quantile_of(const struct answer *answers, unsigned rounds, unsigned figure, double scale, double q)
{
    double values[ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++)
        values[i] = answers[i].figures[figure] * scale;
    return quantile(values, rounds, q);
}

static double median_of(const struct answer *answers, unsigned rounds, unsigned figure, double scale)
{
    return quantile_of(answers, rounds, figure, scale, 0.5);
}

/* ---- call/... ---- */

struct call_case {
    const char *name, *kind, *target;
    unsigned figure;
    int cpu;
    double most_ns;
};

/* The median, and of the best rounds. NULL, or why not. */
static const char *call_time(const struct bench *bench, const struct call_case *of, const struct load_setup *setup,
                             bool traced, bool recorded, double ret_ns[2])
{
    struct answer answers[ROUNDS_MAX];
    struct recorder recorder = {0};
    struct worker worker;
    uint64_t events, lost;
    const unsigned rounds = bench_rounds(bench, 101);
    const uint64_t count = bench_count(bench, CALLS);
    const char *why = NULL;
    if (worker_start(&worker, bench, of->kind, traced, of->cpu, setup) != 0)
        why = "a load does not start";
    else if (recorded && recorder_start(&recorder, bench, worker.pid) < 0)
        why = "the recorder does not start (EVTRAIL_DIR?)";
    else
        why = rounds_run(&worker, answers, rounds, count);
    if (recorded)
        recorder_stop(&recorder, &events, &lost);
    worker_stop(&worker);
    if (!why) {
        ret_ns[0] = median_of(answers, rounds, of->figure, 1 / (double)count);
        ret_ns[1] = quantile_of(answers, rounds, of->figure, 1 / (double)count, 0.1);
    }
    return why;
}

static void call_case(struct bench *bench, const struct call_case *of)
{
    struct worker server;
    struct load_setup setup;
    struct result result;
    double disabled[2] = {0}, untraced[2] = {0}, recorded[2] = {0};
    if (!bench_wants(bench, of->name) || bench_echo(bench, of->name, &server, &setup) < 0)
        return;
    const char *why = call_time(bench, of, &setup, true, false, disabled);
    if (!why)
        why = call_time(bench, of, &setup, false, false, untraced);
    if (!why)
        why = call_time(bench, of, &setup, true, true, recorded);
    if (why) {
        bench_failed(bench, of->name, why);
    } else {
        result_start(&result, of->target, "%s", of->name);
        result_add(&result, "disabled_ns", disabled[0]);
        result_add(&result, "disabled_best_ns", disabled[1]);
        result_add(&result, "untraced_ns", untraced[0]);
        result_add(&result, "untraced_best_ns", untraced[1]);
        result_add(&result, "recorded_ns", recorded[0]);
        result_add(&result, "recorded_best_ns", recorded[1]);
        result_judge(&result, disabled[0] <= of->most_ns);
        result_print(bench, &result);
    }
    worker_stop(&server);
}

/* ---- idle ---- */

static void idle_case(struct bench *bench)
{
    struct worker server, worker;
    struct load_setup setup;
    struct result result;
    struct answer answer;
    if (!bench_wants(bench, "idle") || bench_echo(bench, "idle", &server, &setup) < 0)
        return;
    const uint64_t connections = bench_count(bench, IDLE_CONNECTIONS);
    setup.count = connections < IDLE_CONNECTIONS ? (unsigned)connections : IDLE_CONNECTIONS;
    if (worker_start(&worker, bench, "idle", true, CPU_client, &setup) != 0) {
        bench_failed(bench, "idle", worker.ready.text);
    } else if (worker_run(&worker, bench->scale < 1 ? (uint64_t)(IDLE_NS * bench->scale) : IDLE_NS, &answer) < 0) {
        bench_failed(bench, "idle", answer.text);
    } else {
        const double *const own = &answer.figures[FIGURE_own];
        const double percent = 100 * answer.figures[FIGURE_cpu_ns] / answer.figures[FIGURE_wall_ns];
        result_start(&result,
                     own[0] < IDLE_CONNECTIONS ? "<= 1024 bytes each, < 1 % CPU (fewer than 10,000 here)"
                                               : "<= 1024 bytes each, < 1 % CPU",
                     "idle");
        result_add(&result, "connections", own[0]);
        result_add(&result, "bytes_each", own[1]);
        result_add(&result, "cpu_percent", percent);
        result_judge(&result, own[1] <= 1024 && percent < 1);
        result_print(bench, &result);
    }
    worker_stop(&worker);
    worker_stop(&server);
}

/* ---- constrained ---- */

/* In a closed loop of equal clients the fair share is the same number of turns for everybody: turns are judged, since when the machine stands
 * still all that wait do so for longer. Times stand beside, the fair one is the mean. */
static void constrained_report(struct bench *bench, struct answer *answers, unsigned rounds)
{
    struct result result;
    double ratios[ROUNDS_MAX], longest_ratio = 0, turns = 0;
    for (unsigned i = 0; i < rounds; i++) {
        const double *const own = &answers[i].figures[FIGURE_own];
        ratios[i] = own[0] / own[1];
        longest_ratio = ratios[i] > longest_ratio ? ratios[i] : longest_ratio;
        turns = own[3] > turns ? own[3] : turns;
    }
    const double fair_turns = answers[0].figures[FIGURE_own + 4], ratio = quantile(ratios, rounds, 0.5);
    result_start(&result, "nobody waits more than 2 x the fair share, by time and by turns", "constrained");
    result_add(&result, "longest_to_fair", ratio);
    result_add(&result, "longest_to_fair_worst_round", longest_ratio);
    result_add(&result, "turns_max", turns);
    result_add(&result, "turns_fair", fair_turns);
    result_add(&result, "fair_us", median_of(answers, rounds, FIGURE_own + 1, 1e-3));
    result_add(&result, "p99_us", median_of(answers, rounds, FIGURE_own + 2, 1e-3));
    result_add(&result, "longest_us", median_of(answers, rounds, FIGURE_own, 1e-3));
    result_add(&result, "rounds", rounds);
    result_judge(&result, ratio <= 2 && turns <= 2 * fair_turns);
    result_print(bench, &result);
}

static void constrained_case(struct bench *bench)
{
    struct answer answers[ROUNDS_MAX];
    const unsigned rounds = bench_rounds(bench, 21);
    struct worker server, worker;
    struct load_setup setup;
    const char *why;
    if (!bench_wants(bench, "constrained") || bench_echo(bench, "constrained", &server, &setup) < 0)
        return;
    if (worker_start(&worker, bench, "constrained", true, CPU_client, &setup) != 0)
        why = worker.ready.text;
    else
        why = rounds_run(&worker, answers, rounds, bench_count(bench, CONSTRAINED_REQUESTS));
    if (why)
        bench_failed(bench, "constrained", why);
    else
        constrained_report(bench, answers, rounds);
    worker_stop(&worker);
    worker_stop(&server);
}

void bench_calls(struct bench *bench)
{
    static const struct call_case cases[] = {{"call/loop", "call", "<= 60 ns", FIGURE_wall_ns, CPU_client, 60},
                                             {"call/two-threads", "threads", "<= 300 ns", FIGURE_own, CPU_any, 300}};
    for (unsigned i = 0; i < 2; i++)
        call_case(bench, &cases[i]);
    idle_case(bench);
    constrained_case(bench);
}
