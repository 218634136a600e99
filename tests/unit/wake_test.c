/* SPDX-License-Identifier: ISC
 *
 * A reader that sleeps because nothing happens is woken by events of types that it did not know, or that were off.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "support/child.h"

enum { ROUNDS = 11 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static _Atomic unsigned events_seen;
static _Atomic bool stop;

static void *read_all(void *unused)
{
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    CHECK(evtrail_reader_new(&reader, NULL) == 0);
    CHECK(evtrail_reader_add_path(reader, evtrail_session_path()) >= 0);
    while (!atomic_load(&stop)) {
        int result = evtrail_reader_next(reader, &event);
        CHECK(result >= 0);
        if (result > 0 && event->what == EVTRAIL_EVENT)
            atomic_fetch_add(&events_seen, 1);
        else if (result == 0)
            evtrail_reader_wait(reader, 1000000000);
    }
    evtrail_reader_free(reader);
    return unused;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The median time from an event to its sight, each the first of its type, while the reader sleeps for long. */
static void measure(void (*emit)(unsigned round))
{
    pthread_t thread;
    uint64_t took[ROUNDS];
    CHECK(pthread_create(&thread, NULL, read_all, NULL) == 0);
    nap(100);
    for (unsigned round = 0; round < ROUNDS; round++) {
        nap(150 + round * 10); /* at any place in the sleep */
        const unsigned before = atomic_load(&events_seen);
        const uint64_t start = now_ns();
        emit(round);
        while (atomic_load(&events_seen) == before && now_ns() - start < 1000000000)
            nap(1);
        took[round] = now_ns() - start;
    }
    atomic_store(&stop, true);
    emit(ROUNDS);
    pthread_join(thread, NULL);
    qsort(took, ROUNDS, sizeof(took[0]), compare);
    printf("median %.1f ms\n", (double)took[ROUNDS / 2] / 1e6);
    CHECK(took[ROUNDS / 2] < 25000000);
}

static const struct evtrail_point *new_type(unsigned number)
{
    char name[32];
    const struct evtrail_point *point;
    struct evtrail_event_desc desc = {.bytes = sizeof(desc), .name = name, .level = EVTRAIL_LEVEL_info};
    snprintf(name, sizeof(name), "w.%u", number);
    CHECK(evtrail_register(&desc, &point) == 0);
    return point;
}

static void emit_new(unsigned round)
{
    evtrail_emit(new_type(round), 0, NULL, 0);
}

static void scenario_new(void)
{
    measure(emit_new);
}

static const struct evtrail_point *points[ROUNDS + 1];

static void emit_switched_on(unsigned round)
{
    char rule[32];
    snprintf(rule, sizeof(rule), "w.%u", round);
    CHECK(evtrail_rule(rule) == 1);
    evtrail_emit(points[round], 0, NULL, 0);
}

static void scenario_switched_on(void)
{
    for (unsigned i = 0; i <= ROUNDS; i++)
        points[i] = new_type(i);
    measure(emit_switched_on);
}

static const struct child_scenario scenarios[] = {{"new", scenario_new}, {"switched-on", scenario_switched_on}};

static void reader_sleeps__new_type_that_is_on__its_first_event_is_seen_at_once(void **state)
{
    ASSERT_CHILD(child_scenario("new", child_new_directory(), "w"));
}

static void reader_sleeps__type_is_switched_on__its_first_event_is_seen_at_once(void **state)
{
    ASSERT_CHILD(child_scenario("switched-on", child_new_directory(), "keep=0"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_sleeps__new_type_that_is_on__its_first_event_is_seen_at_once),
        cmocka_unit_test(reader_sleeps__type_is_switched_on__its_first_event_is_seen_at_once),
    };
    child_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
