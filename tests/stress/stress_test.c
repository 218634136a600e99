/* SPDX-License-Identifier: ISC
 *
 * Floods under each policy, with readers that are too slow, come and go, or are several; threads that come and go; settings
 * that change. To the event: what a reader was given and what it was told it lost is what was emitted, each loss in its
 * place; and the session's files say the same.
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
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "support/child.h"
#include "support/trail.h"

enum { THREADS = 3, READERS = 4, RINGS = 256 };

static struct shared {
    char path[512];
    _Atomic uint32_t ready, readers_ready, stop;
    _Atomic uint64_t emitted;
    struct {
        _Atomic uint64_t delivered, lost;
    } readers[READERS];
} * shared;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap_us(long us)
{
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

/* ---- the traced program ---- */

struct plan {
    const char *settings; /* separated by blanks */
    unsigned readers, ms;
    unsigned slow_us; /* that a reader sleeps at every 1,000th event */
    bool churn;       /* threads come and go */
    bool dense;       /* no sleep in the flood */
};

static void emit(uint64_t seq)
{
    static const char text[200];
    switch (seq % 4) {
    case 0:
        EVTRAIL(trace, "f.trace", seq);
        break;
    case 1:
        EVTRAIL(debug, "f.debug", seq, "some text");
        break;
    case 2:
        EVTRAIL(info, "f.info", seq, evtrail_bytes(text, seq % sizeof(text)));
        break;
    default:
        EVTRAIL(error, "f.error", seq, seq, seq);
        break;
    }
}

static void *flood(void *argument)
{
    const struct plan *plan = argument;
    uint64_t seq = 0;
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        for (int i = 0; i < 500; i++)
            emit(seq++);
        if (!plan->dense)
            nap_us(200);
    }
    atomic_fetch_add(&shared->emitted, seq);
    return NULL;
}

/* Threads that live for a few events. Their numbers are not followed: rings go from one to the other. */
static void *short_life(void *argument)
{
    const uint64_t events = (uintptr_t)argument;
    for (uint64_t seq = 0; seq < events; seq++)
        emit(seq);
    atomic_fetch_add(&shared->emitted, events);
    return NULL;
}

static void *churn(void *unused)
{
    unsigned random = (unsigned)gettid();
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        pthread_t threads[8];
        int n = 0;
        for (; n < 8; n++)
            if (pthread_create(&threads[n], NULL, short_life, (void *)(uintptr_t)(rand_r(&random) % 2000)) != 0)
                break;
        while (n-- > 0)
            pthread_join(threads[n], NULL);
    }
    return NULL;
}

static void apply(const char *settings)
{
    char copy[256], *rest = copy;
    snprintf(copy, sizeof(copy), "%s", settings);
    for (char *word; (word = strsep(&rest, " "));)
        CHECK(evtrail_set(word) == 0);
}

static void run_writer(const struct plan *plan)
{
    pthread_t threads[THREADS];
    apply(plan->settings);
    CHECK(evtrail_set("keep=1") == 0 && evtrail_rule("f") >= 0);
    snprintf(shared->path, sizeof(shared->path), "%s", evtrail_session_path());
    atomic_store(&shared->ready, 1);
    while (atomic_load(&shared->readers_ready) < plan->readers)
        nap_us(1000);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, plan->churn ? churn : flood, (void *)(uintptr_t)plan) == 0);
    nap_us((long)plan->ms * 1000);
    atomic_store(&shared->stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- readers ---- */

static struct ring {
    uint64_t next, lost;
} rings[RINGS];

static void follow(const struct plan *plan, const struct evtrail_event *event)
{
    CHECK(event->ring < RINGS || plan->churn);
    if (plan->churn || event->ring >= RINGS)
        return;
    struct ring *ring = &rings[event->ring];
    if (event->what == EVTRAIL_EVENT_LOST) {
        ring->lost += event->lost;
    } else if (event->what == EVTRAIL_EVENT) {
        CHECK_EQ(event->payload[0], ring->next + ring->lost); /* the loss is told in its place, and all of it */
        ring->next = event->payload[0] + 1;
        ring->lost = 0;
    }
}

static struct evtrail_reader *open_reader(void)
{
    struct evtrail_reader_options options = {.bytes = sizeof(options), .hold = true, .name = "stress"};
    struct evtrail_reader *reader;
    while (!atomic_load(&shared->ready))
        nap_us(200);
    CHECK(evtrail_reader_new(&reader, &options) == 0);
    CHECK(evtrail_reader_add_path(reader, shared->path) >= 0);
    return reader;
}

static void run_reader(const struct plan *plan, unsigned number)
{
    struct evtrail_event *event;
    struct evtrail_reader *reader = open_reader();
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL], sum = 0, count = 0;
    atomic_fetch_add(&shared->readers_ready, 1);
    for (;;) {
        int result = evtrail_reader_next(reader, &event);
        if (result < 0) {
            fprintf(stderr, "reader: %s\n", evtrail_reader_error(reader));
            _exit(1);
        }
        if (result == 0) {
            if (evtrail_reader_done(reader))
                break;
            evtrail_reader_wait(reader, 20000000);
            continue;
        }
        follow(plan, event);
        if (plan->slow_us && ++count % 1000 == 0 && !atomic_load(&shared->stop))
            nap_us(plan->slow_us);
    }
    evtrail_reader_totals(reader, &delivered, lost);
    for (int i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += lost[i];
    atomic_store(&shared->readers[number].delivered, delivered);
    atomic_store(&shared->readers[number].lost, sum);
    evtrail_reader_free(reader);
}

/* Attaches, reads for a while, and leaves: in order, or not. */
static void run_visitors(const struct plan *plan, unsigned number)
{
    (void)plan;
    srand(number + 1);
    while (!atomic_load(&shared->stop)) {
        pid_t pid = fork();
        if (pid == 0) {
            struct evtrail_event *event;
            struct evtrail_reader *reader = open_reader();
            const uint64_t end = now_ns() + 20000000 + (uint64_t)number * 7000000;
            while (now_ns() < end)
                if (evtrail_reader_next(reader, &event) == 0)
                    evtrail_reader_wait(reader, 1000000);
            evtrail_reader_free(reader);
            _exit(0);
        }
        nap_us(1000 + rand() % 60000);
        if (rand() % 3 == 0)
            kill(pid, SIGKILL);
        child_wait(pid);
    }
}

/* Changes settings from outside. */
static void run_setter(const struct plan *plan, unsigned number)
{
    static const char *const settings[] = {"policy=overwrite", "policy=drop", "policy=block", "policy=shed", "block=4K",
                                           "block=16K",        "block=64K",   "blocks=4",     "blocks=16"};
    struct evtrail_session *session;
    (void)plan;
    (void)number;
    while (!atomic_load(&shared->ready))
        nap_us(200);
    CHECK(evtrail_session_open(&session, shared->path, NULL) == 0);
    srand(7);
    while (!atomic_load(&shared->stop)) {
        CHECK(evtrail_session_set(session, settings[(unsigned)rand() % 9]) == 0);
        nap_us(rand() % 20000);
    }
    evtrail_session_close(session);
}

/* ---- cases ---- */

static pid_t start(void (*body)(const struct plan *, unsigned), const struct plan *plan, unsigned number)
{
    pid_t pid = fork();
    if (pid == 0) {
        static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
        for (unsigned i = 0; i < 4; i++)
            signal(caught[i], SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(60);
        body(plan, number);
        fflush(NULL);
        _exit(0);
    }
    return pid;
}

static void writer_body(const struct plan *plan, unsigned number)
{
    (void)number;
    run_writer(plan);
}

static void run(const struct plan *plan, void (*other)(const struct plan *, unsigned), unsigned others)
{
    pid_t readers[READERS], more[READERS];
    memset(shared, 0, sizeof(*shared));
    for (unsigned i = 0; i < plan->readers; i++)
        readers[i] = start(run_reader, plan, i);
    for (unsigned i = 0; i < others; i++)
        more[i] = start(other, plan, i);
    pid_t writer = start(writer_body, plan, 0);
    assert_int_equal(child_wait(writer), 0);
    for (unsigned i = 0; i < others; i++)
        assert_int_equal(child_wait(more[i]), 0);
    for (unsigned i = 0; i < plan->readers; i++)
        assert_int_equal(child_wait(readers[i]), 0);
    struct trail *t = trail_open(shared->path);
    assert_non_null(t);
    if (t->faults)
        print_error("%s\n", t->fault);
    print_message("%s: %llu emitted, %llu lost by the writer", plan->settings, (unsigned long long)shared->emitted,
                  (unsigned long long)t->lost_all);
    for (unsigned i = 0; i < plan->readers; i++)
        print_message("; reader %llu + %llu", (unsigned long long)shared->readers[i].delivered,
                      (unsigned long long)shared->readers[i].lost);
    print_message("\n");
    assert_int_equal(t->faults, 0);
    assert_int_equal(t->recorded + t->lost_all, shared->emitted);
    for (unsigned i = 0; i < plan->readers; i++)
        assert_int_equal(shared->readers[i].delivered + shared->readers[i].lost, shared->emitted);
    assert_true(shared->emitted > 1000);
    trail_close(t);
    unlink(shared->path);
}

static void flood__slow_reader__exact_in_each_policy(void **state)
{
    static const char *const settings[] = {"policy=overwrite block=16K blocks=8", "policy=drop block=16K blocks=8",
                                           "policy=block block=16K blocks=8 deadline=5ms",
                                           "policy=shed block=16K blocks=8"};
    for (unsigned i = 0; i < 4; i++)
        run(&(struct plan){.settings = settings[i], .readers = 1, .ms = 2000, .slow_us = 3000, .dense = true}, NULL, 0);
}

static void flood__fast_reader__exact(void **state)
{
    run(&(struct plan){.settings = "policy=drop", .readers = 1, .ms = 1500}, NULL, 0);
    run(&(struct plan){.settings = "policy=block deadline=10s", .readers = 1, .ms = 1500, .dense = true}, NULL, 0);
}

static void flood__several_readers__each_exact(void **state)
{
    run(&(struct plan){.settings = "policy=drop block=16K blocks=8", .readers = 3, .ms = 2000, .slow_us = 1000}, NULL,
        0);
    run(&(struct plan){.settings = "policy=overwrite block=16K blocks=8", .readers = 3, .ms = 2000, .slow_us = 1000},
        NULL, 0);
}

static void flood__readers_come_and_go__exact(void **state)
{
    run(&(struct plan){.settings = "policy=drop block=16K blocks=8 lease=100ms", .ms = 2000}, run_visitors, 3);
    run(&(struct plan){.settings = "policy=block block=16K blocks=8 lease=100ms deadline=20ms", .ms = 2000},
        run_visitors, 3);
}

static void flood__threads_come_and_go__exact(void **state)
{
    run(&(struct plan){.settings = "policy=drop block=4K blocks=16", .readers = 1, .ms = 2000, .churn = true}, NULL, 0);
    run(&(struct plan){.settings = "policy=overwrite block=4K blocks=4", .readers = 1, .ms = 2000, .churn = true}, NULL,
        0);
}

static void flood__settings_change__exact(void **state)
{
    run(
        &(struct plan){
            .settings = "policy=drop block=4K blocks=16 deadline=5ms", .readers = 1, .ms = 3000, .churn = true},
        run_setter, 1);
}

int main(int argc, char **argv)
{
    child_main(argc, argv, NULL, 0);
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flood__slow_reader__exact_in_each_policy), cmocka_unit_test(flood__fast_reader__exact),
        cmocka_unit_test(flood__several_readers__each_exact),       cmocka_unit_test(flood__readers_come_and_go__exact),
        cmocka_unit_test(flood__threads_come_and_go__exact),        cmocka_unit_test(flood__settings_change__exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
