/* SPDX-License-Identifier: ISC
 *
 * Things go wrong at every stage: no memory, no descriptors, callers that give up, peers and resolvers that are silent. It ends in an
 * error that tells, and nothing is lost: no place, no waiter, no descriptor.
 */
#include "pool_fixture.h"

#include "memory_fault.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

static void quick_retries(struct pool_fixture *f)
{
    f->options.backoff_ns = 1 * MS;
    f->options.eject_failures = UINT_MAX;
    f->options.acquire_timeout_ns = 2 * SECOND;
}

/* After whatever happened: the pool still lends, and has all its places. */
static void still_lends(struct pool_fixture *f)
{
    struct evpool_conn *conns[2];
    for (unsigned i = 0; i < 2; i++)
        conns[i] = pool_ask_and_wait(f, f->name);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pool_echo(f, conns[i]), 0);
        evpool_release(conns[i], true);
    }
    POOL_UNTIL(f, pool_name_figures(f->name).pending == 0);
    assert_int_equal(pool_name_figures(f->name).waiting, 0);
}

static void memory__fails_at_each_allocation_of_an_acquire__error_or_connection(struct pool_fixture *f)
{
    quick_retries(f);
    f->options.max_per_name = 2;
    f->options.leak_ns = 10 * SECOND;
    pool_open(f);
    unsigned failed = 1, allowed = 0, errors = 0;
    for (; failed && allowed < 300; allowed++) {
        struct asker asker;
        memory_fault_after(allowed);
        pool_ask(f->name, &asker, 0);
        for (unsigned i = 0; i < 50 && !asker.calls; i++)
            evloop_run_once(f->loop, 1 * MS);
        failed = memory_fault_end();
        POOL_UNTIL(f, asker.calls);
        if (asker.conn) {
            evpool_release(asker.conn, false); /* so that the next connects anew */
        } else {
            errors++;
            assert_true(pool_asker_code(&asker) != EVPOOL_OK);
        }
        POOL_UNTIL(f, pool_name_figures(f->name).total == 0);
    }
    assert_true(errors > 0);
    assert_true(allowed > 5 && allowed < 300);
    still_lends(f);
}

static void memory__fails_while_the_pool_is_made__refused_without_a_trace(struct pool_fixture *f)
{
    unsigned failed = 1, allowed = 0;
    f->options.bytes = sizeof f->options;
    f->options.dns_servers = "127.0.0.1:9";
    f->options.hosts_file = "/etc/hosts";
    for (; failed && allowed < 300; allowed++) {
        struct evpool *pool = NULL;
        struct evpool_name *name = NULL;
        struct evpool_error *error = NULL;
        const unsigned descriptors = descriptors_open();
        memory_fault_after(allowed);
        int r = evpool_new(&pool, f->loop, &f->options, &error);
        if (r >= 0)
            r = evpool_name_get(pool, "host.test", 80, NULL, &name, &error);
        failed = memory_fault_end();
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(r == 0 || evpool_error_code(error) == EVPOOL_ERROR_memory);
        evpool_error_free(error);
        evpool_free(pool);
        assert_int_equal(descriptors_open(), descriptors);
    }
    assert_true(allowed > 3 && allowed < 300);
}

static void memory__fails_among_many_waiters__none_is_lost(struct pool_fixture *f)
{
    enum { ASKERS = 30 };
    struct asker *askers = calloc(ASKERS, sizeof *askers);
    quick_retries(f);
    f->options.max_per_name = 4;
    pool_open(f);
    for (unsigned allowed = 0; allowed < 60; allowed += 3) {
        memory_fault_after(allowed);
        for (unsigned i = 0; i < ASKERS; i++)
            pool_ask(f->name, &askers[i], 0);
        for (unsigned i = 0; i < 10; i++)
            evloop_run_once(f->loop, 1 * MS);
        memory_fault_end();
        for (unsigned i = 0; i < ASKERS; i++) {
            POOL_UNTIL(f, askers[i].calls);
            if (askers[i].conn)
                evpool_release(askers[i].conn, i % 3 != 0);
            else
                pool_asker_code(&askers[i]);
            assert_int_equal(askers[i].calls, 1);
        }
    }
    still_lends(f);
    free(askers);
}

static void descriptors__none_left__error_and_then_again(struct pool_fixture *f)
{
    struct rlimit limit, low;
    struct asker asker;
    quick_retries(f);
    pool_open(f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)dup(0); /* the lowest that is free */
    close((int)low.rlim_cur);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    pool_ask(f->name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_descriptors);
    assert_int_equal(pool_name_figures(f->name).ejections, 0); /* not the address's fault */
    still_lends(f);
}

static void descriptors__none_left_but_idle_ones__one_makes_room(struct pool_fixture *f)
{
    struct echo_server other;
    struct rlimit limit, low;
    echo_start(&other, "127.0.0.2", 0);
    quick_retries(f);
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.2", other.port);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    POOL_UNTIL(f, f->server.open == 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)dup(0);
    close((int)low.rlim_cur);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct asker asker;
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(asker.conn);
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_evicted], 1);
    evpool_release(asker.conn, true);
    evpool_name_put(name);
    pool_shut(f);
    echo_stop(&other);
}

static void refused__three_rounds__the_whole_story(struct pool_fixture *f)
{
    struct asker asker;
    char text[512], wanted[64];
    quick_retries(f);
    const uint16_t port = echo_nobody("127.0.0.1");
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", port);
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    evpool_error_print(asker.error, text, sizeof text);
    snprintf(wanted, sizeof wanted, "tcp:127.0.0.1:%u, attempt 3 of 3", port);
    assert_int_equal(strncmp(text, "connection refused (connect) → ", strlen("connection refused (connect) → ")), 0);
    assert_non_null(strstr(text, wanted));
    snprintf(wanted, sizeof wanted, " → 127.0.0.1:%u → after 3 attempts over ", port);
    assert_non_null(strstr(text, wanted));
    assert_int_equal(evpool_error_attempts(asker.error), 3);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_connect_refused);
    evpool_name_put(name);
}

static void refused__many_wait__all_are_told(struct pool_fixture *f)
{
    struct asker askers[50];
    quick_retries(f);
    f->options.max_per_name = 2;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    for (unsigned i = 0; i < 50; i++)
        pool_ask(name, &askers[i], 0);
    for (unsigned i = 0; i < 50; i++) {
        POOL_UNTIL(f, askers[i].calls);
        assert_int_equal(pool_asker_code(&askers[i]), EVPOOL_ERROR_connect_refused);
    }
    assert_true(pool_name_figures(name).errors[EVPOOL_ERROR_connect_refused] <= 12);
    evpool_name_put(name);
}

static void hangs__connect_timeout__told_in_time(struct pool_fixture *f)
{
    struct echo_hole hole;
    struct asker asker;
    echo_hole_start(&hole, "127.0.0.9", 0);
    quick_retries(f);
    f->options.connect_timeout_ns = 30 * MS;
    f->options.retries = 1;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.9", hole.port);
    const uint64_t began = evloop_update_now(f->loop);
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_true(evloop_update_now(f->loop) - began < 1 * SECOND);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_connect_timeout);
    assert_int_equal(pool_name_figures(name).errors[EVPOOL_ERROR_connect_timeout], 2);
    evpool_name_put(name);
    pool_shut(f);
    echo_hole_stop(&hole);
}

static void hangs__waiter_is_late__told_what_was_tried(struct pool_fixture *f)
{
    struct asker asker;
    char text[512];
    f->options.backoff_ns = 500 * MS;
    f->options.retries = 1000;
    f->options.eject_failures = UINT_MAX;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_ask(name, &asker, 30 * MS);
    POOL_UNTIL(f, asker.calls);
    evpool_error_print(asker.error, text, sizeof text);
    assert_non_null(strstr(text, "being connected"));
    assert_non_null(strstr(text, "connection refused"));
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_acquire_timeout);
    evpool_name_put(name);
}

/* ---- giving up at each stage ---- */

static void cancel_after(struct pool_fixture *f, struct evpool_name *name, unsigned iterations)
{
    struct asker asker;
    pool_ask(name, &asker, 0);
    for (unsigned i = 0; i < iterations; i++)
        evloop_run_once(f->loop, 1 * MS);
    evpool_cancel(&asker.request);
    POOL_UNTIL(f, asker.calls);
    pool_spin(f, 1 * MS);
    assert_int_equal(asker.calls, 1);
    if (asker.conn)
        evpool_release(asker.conn, false);
    else /* cancelled, unless another answer was on its way already */
        assert_true(pool_asker_code(&asker) != EVPOOL_OK);
}

static void cancel__at_each_stage__told_once(struct pool_fixture *f)
{
    struct echo_hole hole;
    echo_hole_start(&hole, "127.0.0.9", 0);
    quick_retries(f);
    f->options.backoff_ns = 20 * MS;
    pool_open(f);
    struct evpool_name *hung = pool_name(f, "127.0.0.9", hole.port),
                       *refuses = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    struct evpool_name *none = pool_name(f, "nowhere.invalid", 80);
    struct asker asker;
    pool_ask(hung, &asker, 0);
    pool_spin(f, 2 * MS);
    evpool_cancel(&asker.request);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_cancelled);
    for (unsigned i = 0; i < 8; i++) {
        cancel_after(f, f->name, i);
        cancel_after(f, hung, i);
        cancel_after(f, refuses, i);
        cancel_after(f, none, i);
    }
    still_lends(f);
    evpool_name_put(hung);
    evpool_name_put(refuses);
    evpool_name_put(none);
    pool_shut(f);
    echo_hole_stop(&hole);
}

static void free__at_each_stage__told_once(struct pool_fixture *f)
{
    struct echo_hole hole;
    echo_hole_start(&hole, "127.0.0.9", 0);
    quick_retries(f);
    f->options.backoff_ns = 20 * MS;
    const unsigned descriptors = descriptors_open(); /* once: later the server may hold some of an earlier stage */
    for (unsigned stage = 0; stage < 8; stage++) {
        struct asker askers[4];
        pool_open(f);
        pool_ask(f->name, &askers[0], 0);
        pool_ask(pool_name(f, "127.0.0.9", hole.port), &askers[1], 0);
        pool_ask(pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1")), &askers[2], 0);
        pool_ask(pool_name(f, "nowhere.invalid", 80), &askers[3], 0);
        for (unsigned i = 0; i < stage; i++)
            evloop_run_once(f->loop, 1 * MS);
        pool_shut(f);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(askers[i].calls, 1);
            pool_asker_code(&askers[i]);
        }
        /* The server may be about to accept what has ended, and to close it. Once is enough: nobody holds any then. */
        unsigned left = descriptors_open();
        for (unsigned i = 0; i < 1000 && left != descriptors; i++) {
            usleep(1000);
            left = descriptors_open();
        }
        assert_int_equal(left, descriptors);
    }
    echo_hole_stop(&hole);
}

/* ---- resolvers ---- */

static void resolve__no_such_name__told_without_retries(struct pool_fixture *f)
{
    struct asker asker;
    pool_hosts(f, "127.0.0.1 other.test\n");
    f->options.dns_servers = "127.0.0.1:1"; /* refuses */
    f->options.resolve_timeout_ns = 200 * MS;
    f->options.backoff_ns = 1 * MS;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "nowhere.test", 80);
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    const enum evpool_code code = pool_asker_code(&asker);
    assert_true(code == EVPOOL_ERROR_resolve_none || code == EVPOOL_ERROR_resolve_failed ||
                code == EVPOOL_ERROR_resolve_timeout);
    assert_true(pool_name_figures(name).errors[code] > 0);
    assert_int_equal(pool_name_figures(name).pending, 0);
    evpool_name_put(name);
}

static void resolve__server_is_silent__told_in_time(struct pool_fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof in;
    struct asker asker;
    char servers[64];
    const int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&in, &bytes), 0);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(in.sin_port));
    f->options.dns_servers = servers;
    f->options.hosts_file = "";
    f->options.resolve_timeout_ns = 100 * MS;
    f->options.backoff_ns = 1 * MS;
    f->options.retries = 1;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "slow.test", 80);
    const uint64_t began = evloop_update_now(f->loop);
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_true(evloop_update_now(f->loop) - began < 2 * SECOND);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_resolve_timeout);
    still_lends(f); /* a name that hangs holds up no other */
    evpool_name_put(name);
    pool_shut(f);
    close(silent);
}

/* ---- many ---- */

static void idle__ten_thousand__small_and_quiet(struct pool_fixture *f)
{
    enum { CONNS = 9000 }; /* both ends are in this process, whose descriptors may be 20,000 */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * CONNS + 100) {
        print_message("skipped: %lu descriptors are too few\n", (unsigned long)limit.rlim_cur);
        skip();
    }
    struct asker *askers = calloc(CONNS, sizeof *askers);
    f->options.max_total = f->options.max_per_name = CONNS;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    const struct mallinfo2 before = mallinfo2();
    for (unsigned i = 0; i < CONNS; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < CONNS; i++)
        POOL_UNTIL(f, askers[i].calls);
    for (unsigned i = 0; i < CONNS; i++)
        evpool_release(askers[i].conn, true);
    POOL_UNTIL(f, f->server.open == CONNS);
    const struct mallinfo2 after = mallinfo2();
    print_message("%zu bytes a connection\n", (after.uordblks - before.uordblks) / CONNS);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true((after.uordblks - before.uordblks) / CONNS <= 1024);
#endif
    pool_spin(f, 100 * MS);
    struct rusage used[2];
    getrusage(RUSAGE_THREAD, &used[0]);
    pool_spin(f, 1 * SECOND);
    getrusage(RUSAGE_THREAD, &used[1]);
    const int64_t us = (used[1].ru_utime.tv_sec - used[0].ru_utime.tv_sec) * 1000000 + used[1].ru_utime.tv_usec -
                       used[0].ru_utime.tv_usec + (used[1].ru_stime.tv_sec - used[0].ru_stime.tv_sec) * 1000000 +
                       used[1].ru_stime.tv_usec - used[0].ru_stime.tv_usec;
    print_message("%ld us of CPU in a second\n", (long)us);
    assert_true(us < 10000);
    free(askers);
    pool_shut(f);
    while (f->server.open > 0)
        usleep(1000);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(memory__fails_at_each_allocation_of_an_acquire__error_or_connection),
        POOL_CASE(memory__fails_while_the_pool_is_made__refused_without_a_trace),
        POOL_CASE(memory__fails_among_many_waiters__none_is_lost),
        POOL_CASE(descriptors__none_left__error_and_then_again),
        POOL_CASE(descriptors__none_left_but_idle_ones__one_makes_room),
        POOL_CASE(refused__three_rounds__the_whole_story),
        POOL_CASE(refused__many_wait__all_are_told),
        POOL_CASE(hangs__connect_timeout__told_in_time),
        POOL_CASE(hangs__waiter_is_late__told_what_was_tried),
        POOL_CASE(cancel__at_each_stage__told_once),
        POOL_CASE(free__at_each_stage__told_once),
        POOL_CASE(resolve__no_such_name__told_without_retries),
        POOL_CASE(resolve__server_is_silent__told_in_time),
        POOL_CASE(idle__ten_thousand__small_and_quiet),
    };
    return pool_fixture_run("pool faults", cases, sizeof cases / sizeof *cases);
}
