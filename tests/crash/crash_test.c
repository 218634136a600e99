/* SPDX-License-Identifier: ISC
 *
 * Writers are stopped at each named point of the emission and block-change paths, under each policy, and then killed,
 * stopped and continued, or left without their consumer. Whatever happens: each event whose call had returned is read or
 * counted, nothing is torn, what is left of the program goes on.
 *
 * The writers' progress is in memory of its own, beside the session. What is true is read from the session's files by
 * tests/support/trail.c; the reader library's consumer must come to the same sums.
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

enum { THREADS = 2, EVENTS = 3000 };

struct progress {
    _Atomic uint32_t tid;
    _Atomic uint64_t started, returned; /* events; started is written before the call, returned behind it */
    _Atomic uint32_t passed;            /* times that the point was passed */
};
static struct shared {
    char path[512];        /* of the session */
    char point[16];        /* where threads stop, "" nowhere */
    _Atomic uint32_t skip; /* times that a thread passes it before */
    _Atomic uint32_t stopped, go, ready, consumer_ready, finished, done;
    _Atomic uint64_t delivered, lost;
    struct progress threads[THREADS];
} * shared;

static __thread struct progress *mine;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void nap_us(long us)
{
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

void evtrail_test_point(const char *name)
{
    if (!mine || !shared || strcmp(name, shared->point) != 0 || atomic_load(&shared->go))
        return;
    if (atomic_fetch_add(&mine->passed, 1) < atomic_load(&shared->skip))
        return;
    atomic_fetch_add(&shared->stopped, 1);
    while (!atomic_load(&shared->go))
        nap_us(200);
}

/* ---- the traced program ---- */

static uint64_t check_word(uint64_t seq, uint64_t thread)
{
    return (seq * UINT64_C(0x9e3779b97f4a7c15)) ^ (thread + 1) * UINT64_C(0xff51afd7ed558ccd);
}

static void emit_one(uint64_t seq, uint64_t thread)
{
    char text[1200];
    size_t bytes = seq % 50 == 49 ? 1000 : seq % 40;
    memset(text, (int)('a' + seq % 26), sizeof(text));
    atomic_store_explicit(&mine->started, seq + 1, memory_order_relaxed);
    if (seq % 3 == 2)
        EVTRAIL(error, "c.e", seq, thread, check_word(seq, thread), evtrail_bytes(text, bytes));
    else if (seq % 3 == 1)
        EVTRAIL(info, "c.e", seq, thread, check_word(seq, thread), evtrail_bytes(text, bytes));
    else
        EVTRAIL(trace, "c.e", seq, thread, check_word(seq, thread), evtrail_bytes(text, bytes));
    atomic_store_explicit(&mine->returned, seq + 1, memory_order_release);
}

static void *run_thread(void *argument)
{
    const uint64_t thread = (uintptr_t)argument;
    mine = &shared->threads[thread];
    atomic_store(&mine->tid, (uint32_t)gettid());
    for (uint64_t seq = 0; seq < EVENTS; seq++)
        emit_one(seq, thread);
    atomic_fetch_add(&shared->done, 1); /* one ring a thread: none goes on in the other's */
    while (atomic_load(&shared->done) < THREADS)
        nap_us(100);
    return NULL;
}

struct plan {
    const char *policy, *point;
    unsigned skip;
    bool consumer;
};

static void run_writer(const struct plan *plan)
{
    pthread_t threads[THREADS];
    CHECK(evtrail_set(plan->policy) == 0 && evtrail_set("block=8K") == 0 && evtrail_set("blocks=4") == 0);
    CHECK(evtrail_set("deadline=20ms") == 0 && evtrail_set("lease=300ms") == 0 && evtrail_set("keep=1") == 0);
    CHECK(evtrail_rule("c") >= 0);
    snprintf(shared->path, sizeof(shared->path), "%s", evtrail_session_path());
    atomic_store(&shared->ready, 1);
    while (plan->consumer && !atomic_load(&shared->consumer_ready))
        nap_us(100);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run_thread, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&shared->finished, 1);
}

/* ---- the consumer ---- */

static void run_consumer(void)
{
    struct evtrail_reader_options options = {
        .bytes = sizeof(options), .hold = true, .low_latency = true, .name = "crash"};
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    while (!atomic_load(&shared->ready))
        nap_us(100);
    CHECK(evtrail_reader_new(&reader, &options) == 0);
    CHECK(evtrail_reader_add_path(reader, shared->path) >= 0);
    atomic_store(&shared->consumer_ready, 1);
    while (strcmp(shared->point, "B1") == 0 && !shared->stopped && !shared->finished) /* somebody must be waited for */
        nap_us(200);
    for (;;) {
        int result = evtrail_reader_next(reader, &event);
        if (result < 0) {
            fprintf(stderr, "consumer: %s\n", evtrail_reader_error(reader));
            _exit(1);
        }
        if (result == 0) {
            if (evtrail_reader_done(reader))
                break;
            evtrail_reader_wait(reader, 5000000);
        } else if (event->what == EVTRAIL_EVENT) {
            CHECK(event->type != NULL && event->words >= 4);
            CHECK_EQ(event->payload[2], check_word(event->payload[0], event->payload[1]));
        }
    }
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL], sum = 0;
    evtrail_reader_totals(reader, &delivered, lost);
    for (int i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += lost[i];
    atomic_store(&shared->delivered, delivered);
    atomic_store(&shared->lost, sum);
    evtrail_reader_free(reader);
}

/* ---- what is true afterwards ---- */

static void fail_case(const struct plan *plan, const char *what)
{
    print_error("%s at %s (skip %u): %s\n", plan->policy, plan->point, plan->skip, what);
    for (int i = 0; i < THREADS; i++)
        print_error("  thread %d: started %llu, returned %llu\n", i, (unsigned long long)shared->threads[i].started,
                    (unsigned long long)shared->threads[i].returned);
    fail();
}

static void check_event(const struct plan *plan, const struct trail_event *e)
{
    uint32_t bytes = 0;
    const char *text = trail_text(e, 3, &bytes);
    const uint64_t seq = e->payload[0], thread = e->payload[1];
    if (e->words < 4 || thread >= THREADS || e->payload[2] != check_word(seq, thread) || !text ||
        bytes != (seq % 50 == 49 ? 1000 : seq % 40))
        fail_case(plan, "a torn event");
    for (uint32_t i = 0; i < bytes; i++)
        if (text[i] != (char)('a' + seq % 26))
            fail_case(plan, "a torn text");
}

static const struct progress *thread_of(const struct trail *t, uint32_t ring)
{
    for (int i = 0; i < THREADS; i++)
        if (t->rings[ring].tid && t->rings[ring].tid == shared->threads[i].tid)
            return &shared->threads[i];
    for (size_t n = 0; n < t->events_count; n++) /* it has ended, and given its ring back */
        if (t->events[n].ring == ring)
            return &shared->threads[t->events[n].payload[1]];
    return NULL;
}

/* Returns events + losses in the session's files. */
static uint64_t check_session(const struct plan *plan)
{
    char text[300];
    uint64_t returned = 0, started = 0;
    struct trail *t = trail_open(shared->path);
    if (!t)
        fail_case(plan, "no session");
    if (t->faults)
        fail_case(plan, t->fault);
    for (size_t i = 0; i < t->events_count; i++)
        check_event(plan, &t->events[i]);
    for (uint32_t r = 0; r < t->rings_count; r++) {
        const struct trail_ring *ring = &t->rings[r];
        const struct progress *p = thread_of(t, r);
        uint64_t all = ring->recorded;
        for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
            all += ring->lost[i];
        if (all && (!p || all < p->returned || all > p->started)) {
            snprintf(text, sizeof(text), "ring %u holds %llu and lost %llu", r, (unsigned long long)ring->recorded,
                     (unsigned long long)(all - ring->recorded));
            fail_case(plan, text);
        }
        const char *wrong = trail_gaps(t, r, all);
        if (wrong)
            fail_case(plan, wrong);
    }
    for (int i = 0; i < THREADS; i++) {
        returned += shared->threads[i].returned;
        started += shared->threads[i].started;
    }
    uint64_t all = t->recorded + t->lost_all;
    if (all < returned || all > started)
        fail_case(plan, "events are missing");
    trail_close(t);
    return all;
}

/* ---- cases ---- */

enum action { KILL_WRITER, STOP_AND_CONTINUE, KILL_CONSUMER };

static void shared_reset(const struct plan *plan)
{
    memset(shared, 0, sizeof(*shared));
    snprintf(shared->point, sizeof(shared->point), "%s", plan->point);
    shared->skip = plan->skip;
}

static void remove_session(void)
{
    char control[512];
    snprintf(control, sizeof(control), "%.*s.ctl", (int)strlen(shared->path) - 6, shared->path);
    unlink(shared->path);
    unlink(control);
}

static pid_t start(void (*writer)(const struct plan *), const struct plan *plan)
{
    pid_t pid = fork();
    if (pid == 0) {
        static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
        for (unsigned i = 0; i < 4; i++)
            signal(caught[i], SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(120);
        writer(plan);
        fflush(NULL);
        _exit(0);
    }
    return pid;
}

static void run_consumer_of(const struct plan *plan)
{
    (void)plan;
    run_consumer();
}

/* Until all threads stand at the point, or the program is through without having come there. */
static unsigned wait_stopped(void)
{
    while (!shared->consumer_ready)
        nap_us(200);
    const uint64_t end = now_ns() + 150000000;
    while (shared->stopped < THREADS && !shared->finished && now_ns() < end)
        nap_us(200);
    return shared->stopped;
}

static unsigned run_case(const struct plan *plan, enum action action)
{
    int status;
    shared_reset(plan);
    pid_t consumer = start(run_consumer_of, plan), writer = start(run_writer, plan);
    unsigned stopped = wait_stopped();
    if (action == KILL_WRITER) {
        kill(writer, SIGKILL);
    } else if (action == STOP_AND_CONTINUE) {
        kill(writer, SIGSTOP);
        nap_us(3000);
        atomic_store(&shared->go, 1);
        nap_us(1000);
        kill(writer, SIGCONT);
    } else {
        kill(consumer, SIGKILL);
        child_wait(consumer);
        atomic_store(&shared->go, 1);
    }
    status = child_wait(writer);
    atomic_store(&shared->finished, 1); /* it may have been killed before it said so */
    if (action == KILL_WRITER ? !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && status != 0 : status != 0)
        fail_case(plan, "the program came to another end");
    if (action != KILL_CONSUMER && child_wait(consumer) != 0)
        fail_case(plan, "the consumer failed");
    uint64_t all = check_session(plan);
    if (action != KILL_CONSUMER && shared->delivered + shared->lost != all) {
        print_error("consumer: %llu delivered, %llu lost; session %llu\n", (unsigned long long)shared->delivered,
                    (unsigned long long)shared->lost, (unsigned long long)all);
        fail_case(plan, "the consumer has other sums");
    }
    if (action != KILL_WRITER && all != (uint64_t)THREADS * EVENTS)
        fail_case(plan, "the survivors did not go on");
    remove_session();
    return stopped;
}

static const char *const points[] = {"T-busy", "T-header", "T-payload", "T-private", "W6", "W0", "W1", "W2", "W3",
                                     "W4",     "P1",       "M1",        "L1",        "B1", "S1", "S2", "S3"};
static const char *const policies[] = {"policy=overwrite", "policy=drop", "policy=block", "policy=shed"};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void run_all(enum action action)
{
    for (unsigned p = 0; p < COUNT(points); p++) {
        unsigned stopped = 0;
        for (unsigned i = 0; i < COUNT(policies); i++)
            for (unsigned late = 0; late < 3;
                 late++) { /* at the first time, and when the ring is fuller or has gone round */
                struct plan plan = {policies[i], points[p], 0, true};
                if (points[p][0] == 'S' && late)
                    continue; /* once a thread */
                plan.skip =
                    points[p][0] == 'W' && points[p][1] != '6' ? late * (i == 0 ? 4 : 2) : late * (100 + 17 * p);
                stopped += run_case(&plan, action);
            }
        if (stopped == 0)
            print_error("nobody came to %s\n", points[p]);
        assert_true(stopped > 0);
    }
}

static void writer_killed_at_each_point__all_that_returned_is_read(void **state)
{
    run_all(KILL_WRITER);
}

static void writer_stopped_and_continued_at_each_point__nothing_is_lost_uncounted(void **state)
{
    run_all(STOP_AND_CONTINUE);
}

static void consumer_killed_while_writers_stand_at_each_point__the_program_goes_on(void **state)
{
    run_all(KILL_CONSUMER);
}

/* ---- at random ---- */

static void run_random(const struct plan *plan)
{
    (void)evtrail_set("deadline=1ms");
    run_writer(plan);
}

static void kill_at_random(bool with_consumer, int rounds)
{
    srand(12345);
    for (unsigned i = 0; i < COUNT(policies); i++)
        for (int round = 0; round < rounds; round++) {
            struct plan plan = {policies[i], "", 0, with_consumer};
            shared_reset(&plan);
            pid_t consumer = with_consumer ? start(run_consumer_of, &plan) : 0;
            pid_t writer = start(run_random, &plan);
            while (!shared->threads[0].started && !shared->finished)
                nap_us(50);
            nap_us(rand() % 1500);
            kill(writer, SIGKILL);
            child_wait(writer);
            if (with_consumer && child_wait(consumer) != 0)
                fail_case(&plan, "the consumer failed");
            uint64_t all = check_session(&plan);
            if (with_consumer && shared->delivered + shared->lost != all)
                fail_case(&plan, "the consumer has other sums");
            remove_session();
        }
}

static void writer_killed_at_a_random_instant__all_that_returned_is_read(void **state)
{
    kill_at_random(false, 200);
}

static void writer_killed_at_a_random_instant__the_consumer_comes_to_the_same_sums(void **state)
{
    kill_at_random(true, 50);
}

int main(int argc, char **argv)
{
    child_main(argc, argv, NULL, 0);
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_killed_at_each_point__all_that_returned_is_read),
        cmocka_unit_test(writer_stopped_and_continued_at_each_point__nothing_is_lost_uncounted),
        cmocka_unit_test(consumer_killed_while_writers_stand_at_each_point__the_program_goes_on),
        cmocka_unit_test(writer_killed_at_a_random_instant__all_that_returned_is_read),
        cmocka_unit_test(writer_killed_at_a_random_instant__the_consumer_comes_to_the_same_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
