/* SPDX-License-Identifier: ISC
 *
 * A traced program whose events are numbered, in each of two threads from 0, until SIGTERM; then it says how many there were.
 *
 *     numbers PAUSE_US
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <evtrail/evtrail.h>

enum { THREADS = 2, BURST = 20 };

static atomic_int stopped;
static useconds_t pause_us;
static uint64_t made[THREADS];

static void on_stop(int number)
{
    (void)number;
    atomic_store_explicit(&stopped, 1, memory_order_relaxed);
}

static void *count(void *argument)
{
    const uint64_t thread = (uint64_t)(uintptr_t)argument;
    uint64_t i = 0;
    while (!atomic_load_explicit(&stopped, memory_order_relaxed)) {
        for (unsigned n = 0; n < BURST; n++, i++)
            EVTRAIL(info, "n.number", EVTRAIL_AS(thread, thread), EVTRAIL_AS(value, i));
        usleep(pause_us);
    }
    made[thread] = i;
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    pause_us = argc > 1 ? (useconds_t)atoi(argv[1]) : 1000;
    signal(SIGTERM, on_stop);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, count, (void *)i))
            return 1;
    uint64_t sum = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += made[i];
    }
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
