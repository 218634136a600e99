/* SPDX-License-Identifier: ISC
 *
 * A traced program that emits so many events a second, for measuring evtrail top and for its tests:
 *
 *     load [-r EVENTS_PER_S] [-t THREADS] [-e ENTITIES] [-y TYPES] [-s SECONDS]
 *
 * All threads together keep the rate (0: as fast as can be). A round has five events: a span's begin and end, with an instant, a
 * counter and an entity's state between. -e: so many entities in turn; -y: so many further event types, one of which each round emits, too.
 * Says on standard output how many events it made.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <evtrail/evtrail.h>

#define SECOND INT64_C(1000000000)
#define TICK_NS (SECOND / 1000)
#define TYPES_MAX 12000

static volatile sig_atomic_t stopped;
static int64_t rate = 100000, seconds = 5;
static long threads = 1, entities = 100, types;
static const struct evtrail_point *points[TYPES_MAX];
static _Atomic uint64_t made;

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static unsigned make_round(uint64_t i, uint64_t thread)
{
    const uint64_t span = evtrail_span_id(), entity = 1 + (i * (uint64_t)threads + thread) % (uint64_t)entities;
    EVTRAIL_BEGIN(debug, "load.request", span, EVTRAIL_AS(parent, 0), EVTRAIL_AS(number, i));
    EVTRAIL(info, "load.step", EVTRAIL_AS(number, i), EVTRAIL_AS(size, (uint32_t)(i * 7919 % 4096)));
    EVTRAIL_COUNTER(debug, "load.queue", EVTRAIL_AS(value, i % 100));
    EVTRAIL_STATE(info, "load.worker", entity, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, i % 2 ? "busy" : "idle"));
    EVTRAIL_END(debug, "load.request", span);
    if (types == 0)
        return 5;
    const struct evtrail_point *point = points[i % (uint64_t)types];
    if (point && evtrail_enabled(point))
        evtrail_emit(point, 0, NULL, 0);
    return 6;
}

static void *run(void *argument)
{
    const uint64_t thread = (uint64_t)(uintptr_t)argument;
    const int64_t start = now_ns(), end = start + seconds * SECOND;
    uint64_t round = 0, events = 0;
    for (int64_t tick = start; tick < end && !stopped; tick += TICK_NS) {
        const int64_t due =
            rate ? (int64_t)((double)(tick - start + TICK_NS) * (double)rate / (double)threads / 1e9) : 0;
        const struct timespec until = {(tick + TICK_NS) / SECOND, (tick + TICK_NS) % SECOND};
        while (rate ? (int64_t)events < due : now_ns() < tick + TICK_NS)
            events += make_round(round++, thread);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    made += events;
    return NULL;
}

static int make_types(void)
{
    char name[40];
    for (long i = 0; i < types; i++) {
        snprintf(name, sizeof name, "load.type%ld.event", i);
        const struct evtrail_event_desc desc = {
            .bytes = sizeof desc, .name = name, .level = EVTRAIL_LEVEL_info, .kind = EVTRAIL_KIND_instant};
        if (evtrail_register(&desc, &points[i]) < 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t ids[64];
    for (int option; (option = getopt(argc, argv, "r:t:e:y:s:")) != -1;)
        switch (option) {
        case 'r':
            rate = atoll(optarg);
            break;
        case 't':
            threads = atol(optarg);
            break;
        case 'e':
            entities = atol(optarg);
            break;
        case 'y':
            types = atol(optarg);
            break;
        case 's':
            seconds = atoll(optarg);
            break;
        default:
            return 2;
        }
    if (threads < 1 || threads > 64 || entities < 1 || types < 0 || types > TYPES_MAX || rate < 0)
        return 2;
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    if (make_types() != 0)
        return 1;
    for (long i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, run, (void *)(uintptr_t)i);
    for (long i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    printf("%llu\n", (unsigned long long)made);
    return 0;
}
