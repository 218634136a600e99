/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what an event costs the thread that emits it.
 */
#include "measure.h"

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECORD_RING_BYTES (16u << 20)

/* ---- the loops: each emits `count` events. noinline, so that each is measured as a call site of its own ---- */

static const char text32[] = "abcdefghijklmnopqrstuvwxyz012345";

#define LOOP(name, body) \
    static __attribute__((noinline)) void name(uint64_t count) \
    { \
        for (uint64_t i = 0; i < count; i++) { \
            body; \
            __asm__ volatile("" ::: "memory"); \
        } \
    }

LOOP(loop_nop, __asm__ volatile("nop"))
LOOP(loop_disabled, EVTRAIL(info, "bench.off", i))
LOOP(loop_u64, EVTRAIL(info, "bench.u64", i))
LOOP(loop_four, EVTRAIL(info, "bench.four", EVTRAIL_AS(a, i), EVTRAIL_AS(b, i), EVTRAIL_AS(c, i), EVTRAIL_AS(d, i)))
LOOP(loop_string, EVTRAIL(info, "bench.string", EVTRAIL_AS(text, text32)))
static uint64_t shared_stamp;
LOOP(loop_shared, EVTRAIL_AT(shared_stamp, info, "bench.shared", i))

static __attribute__((noinline)) void stamped_u64(double *distances, size_t count)
{
    uint64_t last = evtrail_now();
    for (size_t i = 0; i < count; i++) {
        uint64_t now = evtrail_now();
        EVTRAIL_AT(now, info, "bench.stamped", i);
        distances[i] = (double)(now - last);
        last = now;
    }
}

static void setting(const char *text)
{
    if (evtrail_set(text) < 0)
        fprintf(stderr, "evtrail bench: setting %s refused\n", text);
}

static void one(struct bench *bench, const char *target, double limit_ratio, loop_fn loop, const char *name)
{
    struct result result;
    if (!bench_wants(bench, name))
        return;
    struct emission e = measure(bench, loop);
    result_start(&result, target, "%s", name);
    add_emission(&result, &e);
    result_judge(&result, e.median / e.limit_median <= limit_ratio);
    result_print(bench, &result);
}

/* ---- one u64, each policy, a consumer attached ---- */

/* Events that were recorded and lost so far, of this process. */
static void account(uint64_t *ret_events, uint64_t *ret_lost)
{
    struct evtrail_session *session;
    struct evtrail_session_info info = {0};
    if (evtrail_session_open(&session, evtrail_session_path(), NULL) >= 0) {
        evtrail_session_info(session, &info);
        evtrail_session_close(session);
    }
    *ret_events = info.events;
    *ret_lost = 0;
    for (int cause = 0; cause < EVTRAIL_CAUSES; cause++)
        *ret_lost += info.lost[cause];
}

/* The ring that `evtrail record` picks by itself, gone round once: a block's first use, which allocates it, is apart. */
static void take_record_ring(void)
{
    setting("policy=overwrite");
    setting("block=256K");
    setting("blocks=64");
    loop_u64(RECORD_RING_BYTES / 16 + RECORD_RING_BYTES / 64);
}

static void policy_case(struct bench *bench, const char *policy)
{
    struct result result;
    char name[64], text[64];
    snprintf(name, sizeof(name), "emit/u64/%s/1", policy);
    if (!bench_wants(bench, name))
        return;
    take_record_ring();
    snprintf(text, sizeof(text), "policy=%s", policy);
    setting(text);
    struct drain *drain = drain_start(getpid(), strcmp(policy, "overwrite") != 0, false);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* it reads what there is */
    if (!drain) {
        bench_skip(bench, name, "the reader process could not be started");
        return;
    }
    uint64_t events[2], lost[2];
    account(&events[0], &lost[0]);
    struct emission e = measure(bench, loop_u64);
    struct tail tail = measure_tail(bench, stamped_u64);
    account(&events[1], &lost[1]);
    struct drain_totals totals;
    drain_stop(drain, &totals);
    result_start(&result, "median <= 1.05 x limit, mean <= 1.10 x, p99.9 <= 4 x, p99.99 <= 1 us", "%s", name);
    add_emission(&result, &e);
    result_add(&result, "p999_ns", tail.p999);
    result_add(&result, "p9999_ns", tail.p9999);
    result_add(&result, "limit_p999_ns", tail.limit_p999);
    result_add(&result, "limit_p9999_ns", tail.limit_p9999);
    result_add(&result, "lost_percent",
               100.0 * (double)(lost[1] - lost[0]) / (double)(events[1] - events[0] + lost[1] - lost[0]));
    result_add(&result, "reader_ns", totals.cpu_seconds * 1e9 / (double)totals.delivered);
    result_judge(&result, e.median / e.limit_median <= 1.05 && e.trimmed / e.limit_trimmed <= 1.10 &&
                              tail.p999 <= 4 * e.limit_median && tail.p9999 <= 1000);
    result_print(bench, &result);
}

/* ---- two threads ---- */

struct two {
    const struct bench *bench;
    struct emission emission;
    pthread_barrier_t *barrier;
};

static void *two_run(void *context)
{
    struct two *two = context;
    EVTRAIL(info, "bench.thread");
    pthread_barrier_wait(two->barrier);
    two->emission = measure(two->bench, loop_u64);
    return NULL;
}

static void two_threads(struct bench *bench)
{
    pthread_barrier_t barrier;
    pthread_t threads[2];
    struct two two[2] = {{.bench = bench, .barrier = &barrier}, {.bench = bench, .barrier = &barrier}};
    struct result result;
    if (!bench_wants(bench, "emit/u64/overwrite/2"))
        return;
    pthread_barrier_init(&barrier, NULL, 2);
    int started = 0;
    for (; started < 2; started++)
        if (pthread_create(&threads[started], NULL, two_run, &two[started]) != 0)
            break;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    result_start(&result, "each thread: median <= 1.05 x limit", "emit/u64/overwrite/2");
    for (int i = 0; i < started; i++)
        if (two[i].emission.median >= two[1 - i].emission.median) {
            add_emission(&result, &two[i].emission);
            result_judge(&result, two[i].emission.median / two[i].emission.limit_median <= 1.05);
            break;
        }
    result_print(bench, &result);
}

/* ---- off, shared stamps, drops, plugin ---- */

static void disabled(struct bench *bench)
{
    struct result result;
    if (!bench_wants(bench, "emit/disabled"))
        return;
    struct series off = {malloc(sizeof(double) * 20000), 0, 20000}, nop = {malloc(sizeof(double) * 20000), 0, 20000};
    for (int i = 0; i < 20000 && off.values && nop.values; i++) {
        uint64_t start = evtrail_now();
        loop_disabled(4096);
        uint64_t middle = evtrail_now();
        loop_nop(4096);
        uint64_t end = evtrail_now();
        off.values[off.count++] = (double)(middle - start) * bench->ns_per_tick / 4096;
        nop.values[nop.count++] = (double)(end - middle) * bench->ns_per_tick / 4096;
    }
    double a = quantile(off.values, off.count, 0.5), b = quantile(nop.values, nop.count, 0.5);
    free(off.values);
    free(nop.values);
    result_start(&result, "within 0.2 ns of a nop", "emit/disabled");
    result_add(&result, "median_ns", a);
    result_add(&result, "nop_ns", b);
    result_add(&result, "difference_ns", a - b);
    result_judge(&result, a - b <= 0.2);
    result_print(bench, &result);
}

static void shared(struct bench *bench)
{
    struct result result;
    if (!bench_wants(bench, "emit/u64/shared-stamp"))
        return;
    struct series s = {malloc(sizeof(double) * 40000), 0, 40000};
    for (int i = 0; i < 40000 && s.values; i++) {
        uint64_t start = shared_stamp = evtrail_now();
        loop_shared(512);
        s.values[s.count++] = (double)(evtrail_now() - start) * bench->ns_per_tick / 512;
    }
    double median = quantile(s.values, s.count, 0.5);
    free(s.values);
    result_start(&result, "<= 3 ns", "emit/u64/shared-stamp");
    result_add(&result, "median_ns", median);
    result_judge(&result, median <= 3);
    result_print(bench, &result);
}

/* A full ring and nobody who reads. */
static void dropped(struct bench *bench, const char *policy)
{
    struct result result;
    char name[64], text[64];
    snprintf(name, sizeof(name), "dropped/u64/%s", policy);
    if (!bench_wants(bench, name))
        return;
    snprintf(text, sizeof(text), "policy=%s", policy);
    setting(text);
    struct emission e = measure(bench, loop_u64);
    setting("policy=overwrite");
    struct emission recorded = measure(bench, loop_u64);
    result_start(&result, "cheaper than an event that is recorded", "%s", name);
    result_add(&result, "median_ns", e.median);
    result_add(&result, "recorded_ns", recorded.median);
    result_add(&result, "limit_ns", e.limit_median);
    result_add(&result, "ratio", e.median / e.limit_median);
    result_judge(&result, e.median < recorded.median);
    result_print(bench, &result);
}

static void plugin(struct bench *bench)
{
    char path[4200];
    if (!bench_wants(bench, "emit/u64/plugin"))
        return;
    snprintf(path, sizeof(path), "%s/evtrail-bench-plugin.so", bench->libexec);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    loop_fn loop = NULL;
    if (handle)
        *(void **)&loop = dlsym(handle, "evtrail_bench_plugin");
    if (!loop) {
        bench_skip(bench, "emit/u64/plugin", "the plugin was not found beside the program");
        return;
    }
    one(bench, "<= 1.15 x limit", 1.15, loop, "emit/u64/plugin");
    dlclose(handle);
}

void bench_emission(struct bench *bench)
{
    setting("policy=overwrite");
    setting("block=64K");
    setting("blocks=16");
    if (evtrail_rule("bench") < 0 || evtrail_rule("-bench.off") < 0) {
        bench_skip(bench, "emit", "this process has no session: is EVTRAIL=off, or /dev/shm not writable?");
        return;
    }
    one(bench, "<= 1.05 x limit", 1.05, loop_u64, "emit/u64/overwrite/no-reader");
    policy_case(bench, "overwrite");
    policy_case(bench, "drop");
    policy_case(bench, "block");
    policy_case(bench, "shed");
    setting("policy=overwrite");
    setting("block=64K");
    setting("blocks=16");
    one(bench, "<= 1.20 x limit", 1.20, loop_four, "emit/four-u64/overwrite/1");
    one(bench, "<= 1.20 x limit", 1.20, loop_string, "emit/string32/overwrite/1");
    shared(bench);
    disabled(bench);
    two_threads(bench);
    plugin(bench);
    dropped(bench, "drop");
    dropped(bench, "shed");
    evtrail_rule("-bench");
}
