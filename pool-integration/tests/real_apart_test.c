/* SPDX-License-Identifier: ISC
 *
 * redis-server on another host: a network namespace of its own behind a virtual cable, with latency and partitions. The test itself
 * runs in a new network namespace too, and leaves nothing in the machine's.
 */
#include "pool_fixture.h"

#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { CONNS = 4, PORT = 6379 };

static const char far_address[] = "10.77.0.2";
static pid_t host, server;

/* ---- the two hosts ---- */

static bool write_once(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return ok;
}

/* As root in a new network, or as a user who is root in a new user namespace. */
static int leave_network(void)
{
    char uid[64], gid[64];
    snprintf(uid, sizeof uid, "0 %u 1", geteuid());
    snprintf(gid, sizeof gid, "0 %u 1", getegid());
    if (geteuid() == 0)
        return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return -errno;
    return write_once("/proc/self/setgroups", "deny") && write_once("/proc/self/uid_map", uid) &&
                   write_once("/proc/self/gid_map", gid)
               ? 0
               : -EPERM;
}

/* A process whose network is the other host's. */
static pid_t host_start(void)
{
    int ready[2];
    char byte = 0;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = unshare(CLONE_NEWNET) == 0;
        if (write(ready[1], &byte, 1) != 1 || !byte)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    const bool ok = pid > 0 && read(ready[0], &byte, 1) == 1 && byte;
    close(ready[0]);
    if (ok)
        return pid;
    real_stop(pid, SIGKILL);
    return -1;
}

#define IP(network, ...) (real_run((const char *const[]){real_program("ip"), __VA_ARGS__, NULL}, network) == 0)

static bool cable(void)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)host);
    return IP(0, "link", "set", "lo", "up") &&
           IP(0, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", pid) &&
           IP(0, "addr", "add", "10.77.0.1/24", "dev", "near") && IP(0, "link", "set", "near", "up") &&
           IP(host, "addr", "add", "10.77.0.2/24", "dev", "far") && IP(host, "link", "set", "far", "up") &&
           IP(host, "link", "set", "lo", "up");
}

static void partition(bool apart)
{
    assert_true(IP(host, "link", "set", "far", apart ? "down" : "up"));
}

/* ---- the server and its client ---- */

static void start_server(void)
{
    server = real_redis_start(far_address, PORT, 0, host);
    assert_true(server > 0);
}

static struct evpool_name *begin(struct pool_fixture *f)
{
    partition(false); /* of a test that failed */
    real_stop(server, SIGKILL);
    start_server();
    assert_true(real_listens(server, far_address, PORT));
    f->options.connect_timeout_ns = 1 * SECOND;
    real_patience(&f->options);
    pool_open(f);
    struct evpool_name *name = pool_name(f, far_address, PORT);
    pool_thread(f);
    return name;
}

static void finish(struct evpool_name *name)
{
    evpool_name_put(name);
    real_stop(server, SIGTERM);
    server = 0;
}

static void latency__of_40_ms__paid_once_to_connect_and_once_to_ask(struct pool_fixture *f)
{
    static const char *const delay[] = {"qdisc", "add", "dev", "near", "root", "netem", "delay", "40ms"};
    static const char *const none[] = {"qdisc", "del", "dev", "near", "root"};
    struct real_tally tally = {0};
    struct evpool_times *times = calloc(1, sizeof *times);
    const char *tc = real_program("tc");
    if (!tc || real_run((const char *const[]){tc, delay[0], delay[1], delay[2], delay[3], delay[4], delay[5], delay[6],
                                              delay[7], NULL},
                        0) != 0) {
        print_message("skipped: this kernel has no netem, or does not permit it (tc qdisc add ... netem)\n");
        free(times);
        return;
    }
    struct evpool_name *name = begin(f);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(real_ask(name, real_pong, &tally), 0);
    evpool_name_figures(name, NULL, times);
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    assert_int_equal(pool_name_figures(name).created, 1);
    assert_int_equal(times->connect.count, 1);
    assert_true(times->connect.sum_ns >= 40 * MS); /* cannot be faster than the cable */
    free(times);
    finish(name);
    assert_int_equal(real_run((const char *const[]){tc, none[0], none[1], none[2], none[3], none[4], NULL}, 0), 0);
}

static void partition__acquire_and_read__end_by_their_deadlines(struct pool_fixture *f)
{
    struct real_tally tally = {0};
    struct evpool_conn *conns[CONNS], *conn = NULL;
    struct evpool_name *name = begin(f);
    real_warm(name, CONNS);
    partition(true);
    for (unsigned i = 0; i < CONNS; i++) {
        assert_int_equal(evpool_try(name, &conns[i]), 1); /* nobody can know yet */
        assert_true(real_ping(conns[i], 100 * MS) < 0);
    }
    struct evpool_error *error = NULL;
    assert_true(evpool_acquire_wait(name, 1 * SECOND, &conn, &error) < 0);
    assert_non_null(error);
    evpool_error_free(error);
    for (unsigned i = 0; i < CONNS; i++)
        evpool_release(conns[i], false);
    assert_true(REAL_UNTIL(pool_name_figures(name).total == 0));
    assert_int_equal(pool_name_figures(name).closed[EVPOOL_CLOSED_error], CONNS);
    partition(false);
    assert_true(REAL_UNTIL(real_ask(name, real_pong, &tally) == 0));
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    finish(name);
}

static void partition__healed_soon__idle_connections_live_on(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f);
    real_warm(name, CONNS);
    partition(true);
    usleep(200000);
    struct evpool_figures figures = pool_name_figures(name);
    print_message("%u idle, %lu created, %lu retries, %lu ejections, %lu timeouts\n", figures.idle, figures.created,
                  figures.retries, figures.ejections, figures.errors[EVPOOL_ERROR_connect_timeout]);
    assert_true(figures.idle >= CONNS && figures.idle == figures.created);
    partition(false);
    real_warm(name, CONNS);
    figures = pool_name_figures(name);
    assert_int_equal(figures.total, figures.created); /* one more than CONNS if one was just being looked at */
    finish(name);
}

static void partition__health_hook__retires_what_is_cut_off(struct pool_fixture *f)
{
    struct real_health health = {.loop = f->loop, .patience_ns = 1 * SECOND};
    struct real_tally tally = {0};
    f->options.health_interval_ns = 50 * MS;
    f->options.hooks = (struct evpool_hooks){.health = real_health_ping, .arg = &health};
    struct evpool_name *name = begin(f);
    real_warm(name, CONNS);
    assert_true(REAL_UNTIL(health.good >= CONNS));
    partition(true);
    assert_true(REAL_UNTIL(pool_name_figures(name).closed[EVPOOL_CLOSED_health] >= 1));
    assert_true(REAL_UNTIL(pool_name_figures(name).total == 0));
    partition(false);
    assert_true(REAL_UNTIL(real_ask(name, real_pong, &tally) == 0));
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    finish(name);
    pool_join(f); /* health is ours */
    pool_shut(f);
}

static void partition__server_replaced_behind_it__noticed_when_healed(struct pool_fixture *f)
{
    struct real_tally tally = {0};
    struct evpool_name *name = begin(f);
    real_warm(name, CONNS);
    partition(true);
    real_stop(server, SIGKILL);
    partition(false);
    start_server();
    /* The old ones end by what the other host sends again, or by a request that it answers with a reset; new ones by a retry. */
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(real_ask(name, real_pong, &tally), 0);
    assert_int_equal(tally.first_use_failed, 0);
    assert_in_range(tally.again, 0, CONNS);
    finish(name);
}

/* ---- */

static const char *prepare(void)
{
    static char text[128];
    const int error = leave_network();
    if (error < 0) {
        snprintf(text, sizeof text, "a new network namespace is not permitted here (%s)", strerror(-error));
        return text;
    }
    host = host_start();
    if (host < 0)
        return "a second network namespace is not permitted here";
    return cable() ? NULL : "a virtual cable (ip link add type veth) is not permitted here";
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(latency__of_40_ms__paid_once_to_connect_and_once_to_ask),
        POOL_CASE(partition__acquire_and_read__end_by_their_deadlines),
        POOL_CASE(partition__healed_soon__idle_connections_live_on),
        POOL_CASE(partition__health_hook__retires_what_is_cut_off),
        POOL_CASE(partition__server_replaced_behind_it__noticed_when_healed),
    };
    if (!real_program("redis-server") || !real_program("ip"))
        return REAL_SKIPPED;
    assert_int_equal(real_begin(), 0);
    const char *hindrance = prepare();
    if (hindrance)
        printf("skipped: %s\n", hindrance);
    const int result =
        hindrance ? REAL_SKIPPED : pool_fixture_run("pool real apart", cases, sizeof cases / sizeof *cases);
    real_stop(server, SIGKILL);
    real_stop(host, SIGKILL);
    real_end();
    return result;
}
