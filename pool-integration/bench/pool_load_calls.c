/* SPDX-License-Identifier: ISC
 *
 * Acquiring and releasing an idle connection, nothing else: in the loop's thread, and in two threads at once.
 */
#include "pool_load.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define TURN 1000u /* calls between two looks at the clock, as in an iteration of the loop */

static int call_open(const struct load_setup *setup, struct answer *answer)
{
    (void)answer;
    const int r = pool_open(setup, 2);
    return r < 0 ? r : pool_fill(2);
}

static int pairs(uint64_t count)
{
    struct evpool_conn *conn;
    for (uint64_t i = 0; i < count; i++) {
        if (evpool_try(load_name, &conn) != 1)
            return -EAGAIN;
        evpool_release(conn, true);
    }
    return 0;
}

static int call_run(uint64_t count, struct answer *answer)
{
    int r = 0;
    (void)answer;
    for (; count > 0 && r == 0; count -= count < TURN ? count : TURN) {
        evloop_update_now(load_loop);
        r = pairs(count < TURN ? count : TURN);
    }
    return r;
}

const struct load_kind call_load = {"call", call_open, call_run};

/* ---- two threads ---- */

static pthread_barrier_t start;
struct caller {
    uint64_t count, took_ns;
    unsigned cpu;
    int result;
};

static void *caller_run(void *argument)
{
    struct caller *const caller = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(caller->cpu, &set);
    sched_setaffinity(0, sizeof set, &set); /* one CPU only: they take turns on it */
    pthread_barrier_wait(&start);
    const uint64_t began = load_now_ns();
    caller->result = pairs(caller->count);
    caller->took_ns = load_now_ns() - began;
    return NULL;
}

/* Own figure: ns from the start of the first to the end of the last, as each of them sees it, on average. */
static int threads_run(uint64_t count, struct answer *answer)
{
    struct caller callers[2] = {{.count = count, .cpu = 0}, {.count = count, .cpu = 1}};
    pthread_t threads[2];
    int r = -pthread_barrier_init(&start, NULL, 2);
    for (unsigned i = 0; i < 2 && r == 0; i++)
        r = -pthread_create(&threads[i], NULL, caller_run, &callers[i]);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    answer->figures[FIGURE_own] = (double)(callers[0].took_ns + callers[1].took_ns) / 2;
    return callers[0].result ? callers[0].result : callers[1].result;
}

const struct load_kind threads_load = {"threads", call_open, threads_run};
