/* SPDX-License-Identifier: ISC
 *
 * redis-server: connections that it ends for want of use are noticed; PING from many threads; PING as the health hook, also of a
 * server that hangs.
 */
#include "pool_fixture.h"

#include "real.h"

#include <pthread.h>
#include <stdio.h>

enum { CONNS = 4, THREADS = 4, PINGS = 250 };

static uint16_t port;
static pid_t server;

static void start_server(unsigned timeout_s)
{
    server = real_redis_start("127.0.0.1", port, timeout_s, 0);
    assert_true(server > 0);
    assert_true(real_listens(server, "127.0.0.1", port));
}

static struct evpool_name *begin(struct pool_fixture *f, unsigned timeout_s)
{
    real_stop(server, SIGKILL); /* of a test that failed */
    port = real_port("127.0.0.1");
    start_server(timeout_s);
    real_patience(&f->options);
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", port);
    pool_thread(f);
    return name;
}

static void finish(struct evpool_name *name)
{
    evpool_name_put(name);
    real_stop(server, SIGTERM);
    server = 0;
}

static uint64_t closed(struct evpool_name *name, enum evpool_reason reason)
{
    return pool_name_figures(name).closed[reason];
}

static void idle__longer_than_timeout__noticed_and_none_lent(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f, 1);
    struct real_tally tally = {0};
    const unsigned before = descriptors_open();
    for (unsigned round = 1; round <= 2; round++) {
        real_warm(name, CONNS);
        assert_true(REAL_UNTIL(closed(name, EVPOOL_CLOSED_remote) == round * CONNS));
        assert_int_equal(pool_name_figures(name).total, 0);
        assert_true(REAL_UNTIL(descriptors_open() == before));
    }
    assert_int_equal(real_ask(name, real_pong, &tally), 0);
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    finish(name);
}

static void killed__while_idle__noticed_and_reached_again(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f, 0);
    struct real_tally tally = {0};
    real_warm(name, CONNS);
    real_stop(server, SIGKILL);
    assert_true(REAL_UNTIL(closed(name, EVPOOL_CLOSED_remote) == CONNS));
    start_server(0);
    assert_int_equal(real_ask(name, real_pong, &tally), 0);
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    finish(name);
}

/* ---- many threads ---- */

struct pinger {
    struct evpool_name *name;
    struct real_tally tally;
    pthread_t thread;
};

static void *ping_often(void *arg)
{
    struct pinger *pinger = arg;
    for (unsigned i = 0; i < PINGS; i++)
        (void)real_ask(pinger->name, real_pong, &pinger->tally);
    return NULL;
}

static void ping__four_threads_on_two_connections__all_answered(struct pool_fixture *f)
{
    struct pinger pingers[THREADS] = {{.name = NULL}};
    f->options.max_per_name = 2;
    struct evpool_name *name = begin(f, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pingers[i].name = name;
        assert_int_equal(pthread_create(&pingers[i].thread, NULL, ping_often, &pingers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(pingers[i].thread, NULL);
        assert_int_equal(pingers[i].tally.answered, PINGS);
        assert_int_equal(pingers[i].tally.again + pingers[i].tally.first_use_failed, 0);
    }
    const struct evpool_figures figures = pool_name_figures(name);
    assert_in_range(figures.created, 1, 2);
    assert_int_equal(figures.acquired, THREADS * PINGS);
    assert_int_equal(figures.released, THREADS * PINGS);
    assert_int_equal(figures.created + figures.reused, THREADS * PINGS);
    finish(name);
}

/* ---- the health hook ---- */

static struct real_health health;

static struct evpool_name *begin_checked(struct pool_fixture *f)
{
    health.loop = f->loop;
    health.good = health.bad = 0;
    health.patience_ns = 20 * SECOND;
    f->options.health_interval_ns = 50 * MS;
    f->options.hooks = (struct evpool_hooks){.health = real_health_ping, .arg = &health};
    return begin(f, 0);
}

static void health__by_ping__connections_stay(struct pool_fixture *f)
{
    struct evpool_name *name = begin_checked(f);
    real_warm(name, CONNS);
    assert_true(REAL_UNTIL(health.good >= 5 * CONNS));
    assert_int_equal(health.bad, 0);
    real_warm(name, CONNS);
    const struct evpool_figures figures = pool_name_figures(name);
    assert_int_equal(figures.total, figures.created); /* more than CONNS if some were just being checked */
    finish(name);
}

static void health__server_hangs__retired_and_later_renewed(struct pool_fixture *f)
{
    struct evpool_name *name = begin_checked(f);
    struct real_tally tally = {0};
    real_warm(name, CONNS);
    assert_true(REAL_UNTIL(health.good >= CONNS));
    kill(server, SIGSTOP);
    health.patience_ns = 100 * MS;
    assert_true(REAL_UNTIL(closed(name, EVPOOL_CLOSED_health) == CONNS));
    health.patience_ns = 20 * SECOND;
    kill(server, SIGCONT);
    assert_true(health.bad >= CONNS);
    assert_int_equal(pool_name_figures(name).total, 0);
    assert_int_equal(real_ask(name, real_pong, &tally), 0);
    assert_int_equal(tally.again + tally.first_use_failed, 0);
    finish(name);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(idle__longer_than_timeout__noticed_and_none_lent),
        POOL_CASE(killed__while_idle__noticed_and_reached_again),
        POOL_CASE(ping__four_threads_on_two_connections__all_answered),
        POOL_CASE(health__by_ping__connections_stay),
        POOL_CASE(health__server_hangs__retired_and_later_renewed),
    };
    if (!real_program("redis-server"))
        return REAL_SKIPPED;
    assert_int_equal(real_begin(), 0);
    const int failed = pool_fixture_run("pool real redis", cases, sizeof cases / sizeof *cases);
    real_stop(server, SIGKILL);
    real_end();
    return failed;
}
