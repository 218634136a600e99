/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: a process that emits while evtrail send, collect and their readers are measured.
 */
#include "bench.h"

#include <evtrail/evtrail.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIGHT_NS = 5000000, TYPES = 13 };

/* ---- loads ---- */

static void sleep_until(uint64_t ns)
{
    const struct timespec until = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

/* Evenly spaced but for a jitter that keeps it from running in step with anybody's timers. */
static void emit_light(uint64_t count)
{
    const uint64_t start = clock_ns();
    uint64_t random = start | 1;
    for (uint64_t i = 0; i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep_until(start + i * LIGHT_NS + random % (LIGHT_NS / 2));
        EVTRAIL(info, "bench.light", EVTRAIL_AS(sent, clock_ns()));
    }
}

#define POOL_TYPES(X) \
    X(0, "acquire") \
    X(1, "wait") \
    X(2, "acquired") \
    X(3, "submit") \
    X(4, "complete") \
    X(5, "write") \
    X(6, "written") \
    X(7, "read") \
    X(8, "data") \
    X(9, "release") \
    X(10, "idle") \
    X(11, "enter") \
    X(12, "leave")

/* As the file cases' simulated pool: each of 64 connections goes through 13 types, two u64 each. */
static void emit_pool(uint64_t count)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    unsigned step[64];
    for (unsigned i = 0; i < 64; i++)
        step[i] = i * 5;
    for (uint64_t i = 0; i < count; i++) {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        const uint64_t mixed = random * UINT64_C(2685821657736338717);
        const unsigned at = (unsigned)(mixed >> 58), type = step[at]++ % TYPES;
        const uint64_t connection = 0x1000 + at, few = mixed >> 20 & 15;
        switch (type) {
#define X(number, name) \
    case number: \
        EVTRAIL(info, "bench.pool." name, EVTRAIL_AS(connection, connection), \
                EVTRAIL_AS(value, number % 4 ? number : few * 64)); \
        break;
            POOL_TYPES(X)
#undef X
        }
    }
}

/* ---- the process ---- */

static void run(enum bench_load load, uint64_t count, int up, int down)
{
    char byte = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    EVTRAIL(info, "bench.ready");
    if (write(up, &byte, 1) != 1 || read(down, &byte, 1) != 1)
        _exit(1);
    if (load == BENCH_LOAD_light)
        emit_light(count);
    else
        emit_pool(count);
    while (load == BENCH_LOAD_light && read(down, &byte, 1) < 0) /* stays while it is looked at */
        ;
    _exit(0);
}

bool bench_emitter_start(struct bench_emitter *emitter, enum bench_load load, uint64_t count)
{
    int up[2], down[2];
    char byte;
    if (pipe2(up, O_CLOEXEC) < 0)
        return false;
    if (pipe2(down, O_CLOEXEC) < 0) {
        close(up[0]);
        close(up[1]);
        return false;
    }
    evtrail_rule("bench.ready");
    evtrail_rule("-bench.light");
    evtrail_rule("-bench.pool");
    emitter->pid = fork();
    if (emitter->pid == 0) {
        close(up[0]);
        close(down[1]);
        run(load, count, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    emitter->down = down[1];
    const bool ready = emitter->pid > 0 && read(up[0], &byte, 1) == 1;
    close(up[0]);
    return ready;
}

void bench_emitter_go(const struct bench_emitter *emitter)
{
    const char byte = 1;
    (void)!write(emitter->down, &byte, 1); /* if it has ended, that is seen */
}

void bench_emitter_stop(const struct bench_emitter *emitter)
{
    if (emitter->pid > 0)
        kill(emitter->pid, SIGKILL);
}

bool bench_emitter_end(struct bench_emitter *emitter)
{
    int status = -1;
    if (emitter->pid <= 0)
        return false;
    close(emitter->down);
    return waitpid(emitter->pid, &status, 0) == emitter->pid && status == 0;
}
