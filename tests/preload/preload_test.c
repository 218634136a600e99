/* SPDX-License-Identifier: ISC
 *
 * libevtrail-libc.so before programs that are hard to trace: they say and do the same with it as without, and the
 * events are those that the program made, to the last one.
 */
#include "traced_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOTH EVTRAIL_LIBS "/libevtrail.so.0 " EVTRAIL_LIBS "/libevtrail-libc.so"
#define OTHER TRACED_PROGRAMS "/other_preload.so"
#define RULES "libc:debug keep=1 policy=drop ring=64M"

static char directory[64];

static int setup(void **state)
{
    (void)state;
    directory_make(directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    directory_remove(directory);
    return 0;
}

static void assert_same(const struct run *with, const struct run *without)
{
    assert_string_equal(with->out, without->out);
    assert_int_equal(with->status, without->status);
}

/* Runs a case three times: without, with events off, with events on, whose output is given. */
static void run_case(const char *name, struct run *ret_run)
{
    char *arguments[] = {(char *)TRACED_PROGRAMS "/traced", (char *)name, NULL};
    struct run without, off;
    run_program(&without, arguments, NULL, NULL, directory);
    assert_int_not_equal(without.status, 127 << 8);
    assert_int_not_equal(without.status, 1 << 8); /* of WANT() */
    run_program(&off, arguments, BOTH, NULL, directory);
    assert_same(&off, &without);
    run_program(ret_run, arguments, BOTH, RULES, directory);
    assert_same(ret_run, &without);
}

static void assert_count(uint64_t wanted, struct query query)
{
    const struct tally tally = count_events(directory, &query);
    if (tally.events != wanted || tally.lost != 0)
        fail_msg("%s, kind %d, %s %lld: %llu events where %llu were made, %llu lost", query.name, query.kind,
                 query.field ? query.field : "", (long long)query.equals, (unsigned long long)tally.events,
                 (unsigned long long)wanted, (unsigned long long)tally.lost);
}

static void assert_sum(uint64_t wanted, int64_t sum, struct query query)
{
    assert_count(wanted, query);
    assert_int_equal(count_events(directory, &query).sum, sum);
}

#define EVENTS(name_) \
    (struct query) \
    { \
        .name = name_ \
    }
#define WHERE(name_, field_, equals_) \
    (struct query) \
    { \
        .name = name_, .field = field_, .equals = equals_ \
    }
#define BYTES(name_) \
    (struct query) \
    { \
        .name = name_, .sum = "bytes" \
    }
#define KIND(name_, kind_) \
    (struct query) \
    { \
        .name = name_, .kind = EVTRAIL_KIND_##kind_ \
    }
#define KIND_WHERE(name_, kind_, field_, equals_) \
    (struct query) \
    { \
        .name = name_, .kind = EVTRAIL_KIND_##kind_, .field = field_, .equals = equals_ \
    }

/* ---- heap and processes ---------------------------------------------------------------------------------------- */

static void early__allocates_before_main__traced_from_constructors_on(void **state)
{
    struct run run;
    run_case("early", &run);
    assert_count(1, WHERE("libc.malloc", "size", 31)); /* the other came before any constructor */
    assert_count(1, WHERE("libc.malloc", "size", 77)); /* after main has returned */
    assert_count(1, WHERE("libc.write", "bytes", 5));
}

static void heap__known_sizes__each_call_is_one_event(void **state)
{
    struct run run;
    run_case("heap", &run);
    assert_count(1000, WHERE("libc.malloc", "size", 12345));
    assert_count(300, WHERE("libc.realloc", "size", 23456));
    assert_count(100, WHERE("libc.realloc", "size", 7 * 4567));
    assert_count(200, WHERE("libc.calloc", "size", 3456));
    assert_count(200, WHERE("libc.aligned_alloc", "size", 45056));
    assert_count(1, WHERE("libc.malloc", "address", 0));
    struct query frees = EVENTS("libc.free");
    assert_true(count_events(directory, &frees).events >= 1000 + 200 + 200);
}

static void fork__children_allocate__each_has_its_session(void **state)
{
    struct run run;
    struct query any = EVENTS("libc.malloc");
    run_case("fork", &run);
    assert_count(200, WHERE("libc.malloc", "size", 30001));
    assert_count(1000, WHERE("libc.malloc", "size", 30002));
    assert_int_equal(count_events(directory, &any).sessions, 6);
}

static void fork__threads_are_in_hooks__children_go_on(void **state)
{
    struct run run;
    run_case("fork_threads", &run);
    assert_count(50 * 20, WHERE("libc.malloc", "size", 30003));
}

static void vfork__child_execs__parent_goes_on(void **state)
{
    struct run run;
    run_case("vfork", &run);
    assert_count(300, WHERE("libc.malloc", "size", 30004));
    /* one more is the constructor's */
    assert_count(20 + 1, (struct query){.name = "libc.open", .field = "path", .text = "/dev/null"});
}

static void exec__new_program__traced_as_well(void **state)
{
    struct run run;
    run_case("exec", &run);
    assert_count(10, WHERE("libc.malloc", "size", 30005));
    assert_count(1000, WHERE("libc.malloc", "size", 12345));
}

static void killed__by_a_signal__events_before_it_are_there(void **state)
{
    struct run run;
    run_case("killed", &run);
    assert_count(500, WHERE("libc.malloc", "size", 30006));
}

static void aborted__events_before_it_are_there(void **state)
{
    struct run run;
    run_case("aborted", &run);
    assert_count(500, WHERE("libc.malloc", "size", 30006));
}

static void exit__by__exit__events_before_it_are_there(void **state)
{
    struct run run;
    run_case("_exit", &run);
    assert_count(500, WHERE("libc.malloc", "size", 30007));
}

static void close__all_descriptors__tracing_goes_on(void **state)
{
    struct run run;
    run_case("close_all", &run);
    assert_count(200, WHERE("libc.malloc", "size", 30008));
}

/* An event inside another emission of its thread is recorded or counted as lost for that cause. */
static void signals__handler_writes__recorded_or_counted(void **state)
{
    struct run run;
    int ticks, rounds;
    run_case("signals", &run);
    assert_int_equal(sscanf(run.err, "%d %d", &ticks, &rounds), 2);
    struct query mallocs = WHERE("libc.malloc", "size", 64), writes = WHERE("libc.write", "bytes", 4);
    assert_int_equal(count_events(directory, &mallocs).events, rounds);
    const struct tally tally = count_events(directory, &writes);
    assert_int_equal(tally.lost, tally.nested);
    assert_in_range(tally.events, (uint64_t)ticks - tally.nested, (uint64_t)ticks);
}

/* Handlers that leave by longjmp, also out of emissions: what comes later is recorded, or counted. */
static void longjmp__out_of_emissions__tracing_goes_on(void **state)
{
    struct run run;
    run_case("longjmp", &run);
    struct query writes = WHERE("libc.write", "bytes", 9);
    const struct tally tally = count_events(directory, &writes);
    assert_in_range(tally.events + tally.lost, 500, UINT64_MAX);
    assert_true(tally.events <= 500);
}

static void dlopen__libraries_come_and_go__same(void **state)
{
    struct run run;
    run_case("dlopen", &run);
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static void threads__sixty_live_and_end__each_is_seen(void **state)
{
    struct run run;
    run_case("threads", &run);
    assert_count(6000, WHERE("libc.malloc", "size", 54321));
    assert_count(60, WHERE("libc.thread.create", "error", 0));
    assert_count(61, KIND("libc.thread", state));
    assert_count(61, KIND("libc.thread", gone));
    assert_count(50, KIND("libc.thread.join", begin));
    assert_count(50, KIND_WHERE("libc.thread.join", end, "error", 0));
}

static void names__threads_name_themselves__recorded(void **state)
{
    struct run run;
    run_case("names", &run);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "worker-%d", i);
        assert_count(1,
                     (struct query){.name = "libc.thread", .kind = EVTRAIL_KIND_name, .field = "name", .text = name});
    }
}

static void contention__only_taken_mutexes__make_events(void **state)
{
    struct run run;
    run_case("contention", &run);
    assert_count(11, KIND("libc.mutex.wait", begin));
    assert_count(9, KIND_WHERE("libc.mutex.wait", end, "error", 0));
    assert_count(1, KIND_WHERE("libc.mutex.wait", end, "error", ETIMEDOUT));
    assert_count(1, KIND_WHERE("libc.mutex.wait", end, "error", EDEADLK));
    assert_count(5, EVENTS("libc.mutex.busy"));
}

static void cond__every_wait__is_a_span(void **state)
{
    struct run run;
    run_case("cond", &run);
    const uint64_t waits = strtoull(run.err, NULL, 10);
    assert_true(waits >= 2);
    assert_count(waits, KIND("libc.cond.wait", begin));
    assert_count(waits - 2, KIND_WHERE("libc.cond.wait", end, "error", 0));
    assert_count(2, KIND_WHERE("libc.cond.wait", end, "error", ETIMEDOUT));
}

static void rwlock__only_taken_ones__make_events(void **state)
{
    struct run run;
    run_case("rwlock", &run);
    assert_count(7, KIND("libc.rwlock.wait", begin));
    assert_count(4, KIND_WHERE("libc.rwlock.wait", begin, "writing", 1));
    assert_count(6, KIND_WHERE("libc.rwlock.wait", end, "error", 0));
}

static void semaphore__only_waits__make_events(void **state)
{
    struct run run;
    run_case("semaphore", &run);
    assert_count(6, KIND("libc.sem.wait", begin));
    assert_count(1, KIND_WHERE("libc.sem.wait", end, "error", ETIMEDOUT));
}

static void cancel__in_a_wait__its_span_ends(void **state)
{
    struct run run;
    run_case("cancel", &run);
    assert_count(3, KIND("libc.cond.wait", begin));
    assert_count(3, KIND_WHERE("libc.cond.wait", end, "error", ECANCELED));
    assert_count(7, KIND("libc.thread", gone));
}

static void small_stack__traced__does_not_overflow(void **state)
{
    struct run run;
    run_case("small_stack", &run);
    assert_count(5, EVENTS("libc.thread.create"));
}

/* ---- files and sockets ----------------------------------------------------------------------------------------- */

static void pipe__777_writes__bytes_add_up(void **state)
{
    struct run run;
    run_case("pipe", &run);
    const int64_t total = strtoll(run.out, NULL, 10);
    assert_sum(777 + 1, total + 5, BYTES("libc.write")); /* one is the constructor's */
    struct query reads = BYTES("libc.read");
    assert_int_equal(count_events(directory, &reads).sum, total);
}

static void files__each_call__is_one_event(void **state)
{
    struct run run;
    run_case("files", &run);
    assert_sum(10, 500, BYTES("libc.pwrite"));
    assert_sum(10, 400, BYTES("libc.pread"));
    assert_sum(1, 8, BYTES("libc.read"));
    assert_sum(2, 60, BYTES("libc.writev"));
    assert_sum(2, 60, BYTES("libc.readv"));
    assert_count(2, KIND_WHERE("libc.fsync", begin, "parent", 0));
    assert_count(2, KIND_WHERE("libc.fsync", end, "error", 0));
    assert_count(1, WHERE("libc.open", "error", ENOENT));
    assert_count(1, (struct query){.name = "libc.open", .field = "path", .text = "/no/such/file"});
    assert_count(1, WHERE("libc.close", "error", EBADF));
}

static void sockets__each_call__is_one_event(void **state)
{
    struct run run;
    run_case("sockets", &run);
    assert_sum(200, 11000, BYTES("libc.send"));
    assert_sum(200, 11000, BYTES("libc.recv"));
    assert_sum(1, 40, BYTES("libc.sendto"));
    assert_sum(2, 40, BYTES("libc.recvfrom"));
    assert_sum(1, 40, BYTES("libc.sendmsg"));
    assert_sum(1, 40, BYTES("libc.recvmsg"));
    assert_count(2, KIND("libc.connect", begin));
    assert_count(1, KIND_WHERE("libc.connect", end, "error", ECONNREFUSED));
    assert_count(1, KIND_WHERE("libc.accept", end, "error", 0));
}

static void waits__for_descriptors__are_spans(void **state)
{
    struct run run;
    run_case("waits", &run);
    assert_count(41, KIND("libc.poll", begin));
    assert_count(1, KIND_WHERE("libc.poll", end, "ready", 1));
    assert_count(20, KIND("libc.select", begin));
    assert_count(20, KIND_WHERE("libc.select", end, "ready", 0));
    assert_count(22, KIND("libc.epoll_wait", begin));
    assert_count(1, KIND_WHERE("libc.epoll_wait", end, "error", EBADF));
}

static void errno__of_the_real_call__is_kept(void **state)
{
    struct run run;
    run_case("errno", &run);
    assert_count(3, WHERE("libc.read", "error", EBADF));
}

static void bad_pointers__the_kernel_says_efault__so_do_we(void **state)
{
    struct run run;
    run_case("bad_pointers", &run);
    assert_count(2, WHERE("libc.open", "error", EFAULT));
}

/* ---- other libraries ------------------------------------------------------------------------------------------- */

static void own_malloc__in_the_program__untouched(void **state)
{
    char *arguments[] = {(char *)TRACED_PROGRAMS "/own_malloc", NULL};
    struct run with, without;
    run_program(&without, arguments, NULL, NULL, directory);
    run_program(&with, arguments, BOTH, RULES, directory);
    assert_same(&with, &without);
    assert_int_equal(without.status, 5 << 8);
}

static void other_preload__before_or_after__both_see_all(void **state)
{
    char *arguments[] = {(char *)TRACED_PROGRAMS "/traced", (char *)"heap", NULL};
    struct run alone, before, after;
    run_program(&alone, arguments, OTHER, NULL, directory);
    assert_non_null(strstr(alone.out, "other: 1000 mallocs"));
    run_program(&before, arguments, OTHER " " BOTH, RULES, directory);
    assert_same(&before, &alone);
    assert_count(1000, WHERE("libc.malloc", "size", 12345));
    run_program(&after, arguments, BOTH " " OTHER, RULES, directory);
    assert_same(&after, &alone);
    assert_count(2000, WHERE("libc.malloc", "size", 12345));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(early__allocates_before_main__traced_from_constructors_on),
        TEST(heap__known_sizes__each_call_is_one_event),
        TEST(fork__children_allocate__each_has_its_session),
        TEST(fork__threads_are_in_hooks__children_go_on),
        TEST(vfork__child_execs__parent_goes_on),
        TEST(exec__new_program__traced_as_well),
        TEST(killed__by_a_signal__events_before_it_are_there),
        TEST(aborted__events_before_it_are_there),
        TEST(exit__by__exit__events_before_it_are_there),
        TEST(close__all_descriptors__tracing_goes_on),
        TEST(signals__handler_writes__recorded_or_counted),
        TEST(longjmp__out_of_emissions__tracing_goes_on),
        TEST(dlopen__libraries_come_and_go__same),
        TEST(threads__sixty_live_and_end__each_is_seen),
        TEST(names__threads_name_themselves__recorded),
        TEST(contention__only_taken_mutexes__make_events),
        TEST(cond__every_wait__is_a_span),
        TEST(rwlock__only_taken_ones__make_events),
        TEST(semaphore__only_waits__make_events),
        TEST(cancel__in_a_wait__its_span_ends),
        TEST(small_stack__traced__does_not_overflow),
        TEST(pipe__777_writes__bytes_add_up),
        TEST(files__each_call__is_one_event),
        TEST(sockets__each_call__is_one_event),
        TEST(waits__for_descriptors__are_spans),
        TEST(errno__of_the_real_call__is_kept),
        TEST(bad_pointers__the_kernel_says_efault__so_do_we),
        TEST(own_malloc__in_the_program__untouched),
        TEST(other_preload__before_or_after__both_see_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
