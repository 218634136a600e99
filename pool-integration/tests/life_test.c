/* SPDX-License-Identifier: ISC
 *
 * How connections age and end: idle, lifetime, uses, the peer's end, checks, leaks, hooks, draining, fork.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned closed_for(struct pool_fixture *f, enum evpool_reason reason)
{
    return (unsigned)pool_name_figures(f->name).closed[reason];
}

static unsigned total(struct pool_fixture *f)
{
    return pool_name_figures(f->name).total;
}

static void idle__unused_for_its_time__closed(struct pool_fixture *f)
{
    f->options.idle_timeout_ns = 50 * MS;
    pool_open(f);
    const unsigned before = descriptors_open();
    struct evpool_conn *a = pool_ask_and_wait(f, f->name), *b = pool_ask_and_wait(f, f->name);
    POOL_UNTIL(f, f->server.open == 2);
    assert_int_equal(descriptors_open(), before + 4); /* both ends */
    evpool_release(a, true);
    const uint64_t began = evloop_update_now(f->loop);
    POOL_UNTIL(f, total(f) == 1);
    assert_true(evloop_update_now(f->loop) - began >= 50 * MS);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_idle), 1);
    assert_int_equal(pool_name_figures(f->name).active, 1); /* what is lent is not touched */
    evpool_release(b, true);
    POOL_UNTIL(f, total(f) == 0);
    /* A known fault: counted closed while the descriptors stay open. */
    POOL_UNTIL(f, f->server.open == 0);
    assert_int_equal(descriptors_open(), before);
}

static void idle__used_now_and_then__stays(struct pool_fixture *f)
{
    f->options.idle_timeout_ns = 400 * MS;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    for (unsigned i = 0; i < 15; i++) {
        evpool_release(conn, true);
        pool_spin(f, 40 * MS);
        assert_int_equal(evpool_try(f->name, &conn), 1);
    }
    evpool_release(conn, true);
    assert_int_equal(pool_name_figures(f->name).created, 1);
}

static void idle__stack__the_oldest_go_first(struct pool_fixture *f)
{
    f->options.idle_timeout_ns = 400 * MS;
    pool_open(f);
    struct evpool_conn *a = pool_ask_and_wait(f, f->name), *b = pool_ask_and_wait(f, f->name), *got;
    evpool_release(a, true);
    evpool_release(b, true);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(evpool_try(f->name, &got), 1);
        assert_ptr_equal(got, b);
        pool_spin(f, 20 * MS);
        evpool_release(got, true);
    }
    assert_int_equal(total(f), 1);
}

static void lifetime__over__closed_when_given_back_or_idle(struct pool_fixture *f)
{
    f->options.lifetime_ns = 60 * MS;
    f->options.lifetime_jitter = UINT_MAX;
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name), *idle = pool_ask_and_wait(f, f->name);
    evpool_release(idle, true);
    pool_spin(f, 30 * MS);
    assert_int_equal(total(f), 2);
    POOL_UNTIL(f, total(f) == 1);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_lifetime), 1);
    assert_int_equal(pool_echo(f, lent), 0); /* not under its borrower */
    evpool_release(lent, true);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_lifetime), 2);
}

static void lifetime__jitter__not_all_at_once(struct pool_fixture *f)
{
    enum { CONNS = 40 };
    struct asker askers[CONNS];
    f->options.lifetime_ns = 300 * MS;
    f->options.lifetime_jitter = 100;
    pool_open(f);
    for (unsigned i = 0; i < CONNS; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < CONNS; i++)
        POOL_UNTIL(f, askers[i].calls);
    for (unsigned i = 0; i < CONNS; i++)
        evpool_release(askers[i].conn, true);
    pool_spin(f, 150 * MS);
    const unsigned left = total(f);
    assert_true(left > CONNS / 10 && left < CONNS * 9 / 10);
    POOL_UNTIL(f, total(f) == 0);
}

static void uses__all_used__closed(struct pool_fixture *f)
{
    f->options.uses_max = 3;
    pool_open(f);
    for (unsigned i = 0; i < 7; i++) {
        struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
        assert_int_equal(evpool_conn_uses(conn), i % 3 + 1);
        evpool_release(conn, true);
    }
    POOL_UNTIL(f, closed_for(f, EVPOOL_CLOSED_uses) == 2);
    assert_int_equal(pool_name_figures(f->name).created, 3);
}

static void remote__peer_closes_idle__noticed_before_the_next_use(struct pool_fixture *f)
{
    pool_open(f);
    for (unsigned i = 0; i < 20; i++) {
        struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
        assert_int_equal(pool_echo(f, conn), 0);
        evpool_release(conn, true);
        echo_drop(&f->server);
        pool_spin(f, 2 * MS);
    }
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_remote), 20);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_error), 0);
    assert_int_equal(total(f), 0);
}

static void remote__peer_closes_lent__not_lent_again(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    POOL_UNTIL(f, f->server.open == 1);
    echo_drop(&f->server);
    pool_spin(f, 5 * MS);
    evpool_release(conn, true);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_remote), 1);
}

static void validate__idle_for_long_and_dead__looked_at_first(struct pool_fixture *f)
{
    f->options.validate_idle_ns = 1; /* always */
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    evpool_release(conn, true);
    POOL_UNTIL(f, f->server.open == 1);
    pool_spin(f, 1 * MS);
    echo_drop(&f->server);
    usleep(2000); /* the loop does not run: nobody noticed */
    evloop_update_now(f->loop);
    struct evpool_conn *none = NULL;
    assert_int_equal(evpool_try(f->name, &none), 0);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_health) + closed_for(f, EVPOOL_CLOSED_remote), 1);
    assert_int_equal(pool_name_figures(f->name).acquired, 1);
    conn = pool_ask_and_wait(f, f->name);
    assert_int_equal(pool_echo(f, conn), 0);
    evpool_release(conn, true);
}

/* ---- hooks ---- */

struct counts {
    struct pool_fixture *f;
    unsigned created, reused, released, closed, checked;
    enum evpool_reason reason;
    bool sick, slow;
    struct evpool_conn *waits;
};

static void on_created(struct evpool_conn *conn, void *arg)
{
    struct counts *counts = arg;
    counts->created++;
    evpool_conn_set_data(conn, counts);
}

static void on_reused(struct evpool_conn *conn, void *arg)
{
    assert_ptr_equal(evpool_conn_data(conn), arg);
    ((struct counts *)arg)->reused++;
}

static void on_released(struct evpool_conn *conn, void *arg)
{
    assert_ptr_equal(evpool_conn_data(conn), arg);
    ((struct counts *)arg)->released++;
}

static void on_closed(struct evpool_conn *conn, enum evpool_reason reason, void *arg)
{
    assert_ptr_equal(evpool_conn_data(conn), arg);
    ((struct counts *)arg)->closed++;
    ((struct counts *)arg)->reason = reason;
}

static void on_health(struct evpool_conn *conn, void *arg)
{
    struct counts *counts = arg;
    counts->checked++;
    if (counts->slow)
        counts->waits = conn;
    else
        evpool_health_done(conn, !counts->sick);
}

static void hooked(struct pool_fixture *f, struct counts *counts)
{
    counts->f = f;
    f->options.hooks = (struct evpool_hooks){.created = on_created,
                                             .reused = on_reused,
                                             .released = on_released,
                                             .closed = on_closed,
                                             .health = on_health,
                                             .arg = counts};
}

/* A known fault: hooks never called. */
static void hooks__each__called(struct pool_fixture *f)
{
    struct counts counts = {.created = 0};
    hooked(f, &counts);
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    assert_int_equal(counts.created, 1);
    assert_int_equal(counts.reused, 0);
    struct asker asker;
    pool_ask(f->name, &asker, 0);
    evpool_release(conn, true);
    assert_int_equal(counts.released, 1);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(counts.reused, 1); /* by one who waited */
    evpool_release(conn, true);
    assert_int_equal(evpool_try(f->name, &conn), 1);
    assert_int_equal(counts.reused, 2);
    evpool_release(conn, false);
    POOL_UNTIL(f, counts.closed == 1);
    assert_int_equal(counts.reason, EVPOOL_CLOSED_error);
    assert_int_equal(counts.released, 3);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    pool_shut(f);
    assert_int_equal(counts.created, 2);
    assert_int_equal(counts.closed, 2);
    assert_int_equal(counts.reason, EVPOOL_CLOSED_shutdown);
}

static void health__well__stays(struct pool_fixture *f)
{
    struct counts counts = {.created = 0};
    hooked(f, &counts);
    f->options.health_interval_ns = 20 * MS;
    f->options.idle_timeout_ns = 200 * MS;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    POOL_UNTIL(f, counts.checked >= 3);
    assert_int_equal(total(f), 1);
    assert_int_equal(pool_name_figures(f->name).idle, 1);
    POOL_UNTIL(f, total(f) == 0); /* checks are no use: it goes when it was idle for its time */
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_idle), 1);
    pool_shut(f); /* the hooks count on this stack */
}

static void health__ill__closed(struct pool_fixture *f)
{
    struct counts counts = {.sick = true};
    hooked(f, &counts);
    f->options.health_interval_ns = 20 * MS;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_health), 1);
    pool_shut(f); /* the hooks count on this stack */
}

static void health__while_checked__not_lent_and_a_waiter_gets_it_after(struct pool_fixture *f)
{
    struct counts counts = {.slow = true};
    hooked(f, &counts);
    f->options.health_interval_ns = 20 * MS;
    f->options.max_per_name = 1;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    POOL_UNTIL(f, counts.waits);
    struct evpool_conn *none = NULL;
    assert_int_equal(evpool_try(f->name, &none), 0);
    struct asker asker;
    pool_ask(f->name, &asker, 0);
    pool_spin(f, 10 * MS);
    assert_int_equal(asker.calls, 0);
    evpool_health_done(counts.waits, true);
    POOL_UNTIL(f, asker.calls);
    assert_ptr_equal(asker.conn, counts.waits);
    evpool_release(asker.conn, true);
    pool_shut(f); /* the hooks count on this stack */
}

static void health__hook_never_answers__closed_at_its_deadline(struct pool_fixture *f)
{
    struct counts counts = {.slow = true};
    hooked(f, &counts);
    f->options.health_interval_ns = 20 * MS;
    f->options.health_timeout_ns = 60 * MS;
    f->options.max_per_name = 1;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    const unsigned before = descriptors_open();
    POOL_UNTIL(f, counts.waits);
    const uint64_t began_ns = evloop_update_now(f->loop);
    struct asker asker;
    pool_ask(f->name, &asker, 0); /* its place is free for another connection then */
    POOL_UNTIL(f, counts.closed);
    assert_in_range(evloop_update_now(f->loop) - began_ns, 30 * MS, 1000 * MS);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_health), 1);
    POOL_UNTIL(f, asker.calls);
    assert_non_null(asker.conn);
    POOL_UNTIL(f, descriptors_open() <= before + 1); /* the server's end may take a moment */
    struct evpool_conn *late = counts.waits;
    evpool_health_done(late, true); /* nothing, but it is heard */
    assert_int_equal(total(f), 1);
    counts.waits = NULL;
    evpool_release(asker.conn, true);
    POOL_UNTIL(f, counts.waits); /* and one that the pool's end finds */
    pool_shut(f);
}

struct reading_check {
    struct evpool_io io;
    char byte;
    int64_t result;
    unsigned ended;
};

static void check_ended(struct evpool_io *io, int64_t result)
{
    struct reading_check *check = io->arg;
    check->result = result;
    if (check->ended++ == 0)
        evpool_read(io->conn, io, &check->byte, 1, check_ended); /* one that does not see that it is over */
    else
        evpool_health_done(io->conn, false);
}

static void check_by_reading(struct evpool_conn *conn, void *arg)
{
    struct reading_check *check = arg;
    check->io.arg = check;
    evpool_read(conn, &check->io, &check->byte, 1, check_ended); /* the server says nothing of itself */
}

static void health__hook_reads_for_ever__its_read_ends(struct pool_fixture *f)
{
    struct reading_check check = {.ended = 0};
    f->options.hooks = (struct evpool_hooks){.health = check_by_reading, .arg = &check};
    f->options.health_interval_ns = 20 * MS;
    f->options.health_timeout_ns = 40 * MS;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    POOL_UNTIL(f, total(f) == 0);
    POOL_UNTIL(f, check.ended == 2);
    assert_true(check.result <= 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_health), 1);
    pool_shut(f); /* the hook's memory is on this stack */
}

/* ---- retired by the borrower ---- */

static void retired__then_released_well__closed_and_address_not_blamed(struct pool_fixture *f)
{
    f->options.eject_failures = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    const uint64_t id = evpool_conn_id(conn);
    evpool_conn_retire(conn);
    evpool_conn_retire(conn);                /* once is enough */
    assert_int_equal(pool_echo(f, conn), 0); /* and what it is lent for goes on */
    evpool_release(conn, true);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_retired), 1);
    assert_int_equal(pool_name_figures(f->name).ejections, 0);
    conn = pool_ask_and_wait(f, f->name);
    assert_true(evpool_conn_id(conn) != id);
    evpool_release(conn, false); /* with blame */
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_error), 1);
    assert_int_equal(pool_name_figures(f->name).ejections, 1);
}

static void retired__shared__no_new_user_and_closed_after_the_last(struct pool_fixture *f)
{
    f->options.shared = 3;
    pool_open(f);
    struct evpool_conn *first = pool_ask_and_wait(f, f->name), *second = pool_ask_and_wait(f, f->name);
    assert_ptr_equal(first, second);
    const uint64_t id = evpool_conn_id(first);
    evpool_conn_retire(first);
    struct evpool_conn *other = pool_ask_and_wait(f, f->name);
    assert_true(evpool_conn_id(other) != id);
    evpool_release(first, true);
    pool_spin(f, 5 * MS);
    assert_int_equal(total(f), 2);
    evpool_release(second, true);
    POOL_UNTIL(f, total(f) == 1);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_retired), 1);
    evpool_release(other, true);
}

/* ---- warm ---- */

static void min_idle__kept_warm__also_while_some_are_lent(struct pool_fixture *f)
{
    f->options.min_idle = 3;
    f->options.idle_timeout_ns = 30 * MS;
    pool_open(f);
    POOL_UNTIL(f, pool_name_figures(f->name).idle == 3); /* nobody asked yet */
    struct evpool_conn *a, *b;
    assert_int_equal(evpool_try(f->name, &a), 1);
    assert_int_equal(evpool_try(f->name, &b), 1);
    POOL_UNTIL(f, pool_name_figures(f->name).idle == 3);
    assert_int_equal(total(f), 5);
    evpool_release(a, true);
    evpool_release(b, true);
    POOL_UNTIL(f, total(f) == 3);
    pool_spin(f, 80 * MS);
    assert_int_equal(total(f), 3);
    POOL_UNTIL(f, f->server.accepted >= 5);
    echo_drop(&f->server);
    POOL_UNTIL(f, closed_for(f, EVPOOL_CLOSED_remote) == 3);
    POOL_UNTIL(f, pool_name_figures(f->name).idle == 3);
}

static void min_idle__nobody_listens__not_tried_without_end(struct pool_fixture *f)
{
    f->options.min_idle = 2;
    f->options.backoff_ns = 1 * MS;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_spin(f, 300 * MS);
    const struct evpool_figures figures = pool_name_figures(name);
    assert_true(figures.errors[EVPOOL_ERROR_connect_refused] >= 3);
    assert_true(figures.errors[EVPOOL_ERROR_connect_refused] <= 20);
    evpool_name_put(name);
}

/* ---- leaks, names ---- */

static void leak__lent_for_long__counted_once(struct pool_fixture *f)
{
    f->options.leak_ns = 30 * MS;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    POOL_UNTIL(f, pool_name_figures(f->name).leaks == 1);
    pool_spin(f, 100 * MS);
    assert_int_equal(pool_name_figures(f->name).leaks, 1);
    evpool_release(conn, true);
    assert_int_equal(evpool_try(f->name, &conn), 1);
    POOL_UNTIL(f, pool_name_figures(f->name).leaks == 2);
    evpool_release(conn, true);
}

static void clear__lent_and_idle__all_replaced(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name), *idle = pool_ask_and_wait(f, f->name), *none;
    evpool_release(idle, true);
    evpool_name_clear(f->name);
    assert_int_equal(evpool_try(f->name, &none), 0);
    POOL_UNTIL(f, total(f) == 1);
    assert_int_equal(pool_echo(f, lent), 0);
    evpool_release(lent, true);
    POOL_UNTIL(f, total(f) == 0);
    assert_int_equal(closed_for(f, EVPOOL_CLOSED_evicted), 2);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    assert_int_equal(total(f), 1);
}

static void name__same_settings__same_name(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_name *a = pool_name(f, "Example.org", 80), *b = pool_name(f, "example.ORG", 80),
                       *c = pool_name(f, "example.org", 81);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_string_equal(evpool_name_host(a), "example.org");
    assert_int_equal(evpool_name_port(c), 81);
    struct evpool_name *v6 = pool_name(f, "[::1]", 80), *bare = pool_name(f, "::1", 80);
    assert_ptr_equal(v6, bare);
    evpool_name_put(a);
    evpool_name_put(b);
    evpool_name_put(c);
    evpool_name_put(v6);
    evpool_name_put(bare);
    pool_spin(f, 5 * MS);
}

static void name__given_back__its_figures_stay_in_the_pools(struct pool_fixture *f)
{
    f->options.idle_timeout_ns = 20 * MS;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    evpool_name_put(f->name);
    struct evpool_figures figures;
    POOL_UNTIL(f, (evpool_figures(f->pool, &figures), figures.total == 0));
    pool_spin(f, 5 * MS);
    evpool_figures(f->pool, &figures);
    assert_int_equal(figures.created, 1);
    assert_int_equal(figures.closed[EVPOOL_CLOSED_idle], 1);
    f->name = pool_name(f, "127.0.0.1", f->server.port);
    assert_int_equal(pool_name_figures(f->name).created, 0);
}

static void name__invalid__refused_and_named(struct pool_fixture *f)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *says;
    } cases[] = {{"", 80, "host is empty"},
                 {"a b", 80, "character"},
                 {"host", 0, "port is 0"},
                 {"host:80", 80, "port is an argument"},
                 {"ho[st]", 80, "no name and no address"},
                 {"[::1", 80, "no name and no address"},
                 {"unix:path", 0, "absolute path"},
                 {"unix:/run/x", 5, "port must be 0"}};
    pool_open(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct evpool_name *name;
        struct evpool_error *error = NULL;
        char text[256];
        assert_int_equal(evpool_name_get(f->pool, cases[i].host, cases[i].port, NULL, &name, &error), -EINVAL);
        evpool_error_print(error, text, sizeof text);
        assert_non_null(strstr(text, cases[i].says));
        evpool_error_free(error);
    }
}

/* ---- the end ---- */

struct done {
    unsigned calls, forced;
};

static void on_done(void *arg, unsigned forced)
{
    struct done *done = arg;
    done->calls++;
    done->forced = forced;
}

static void close__lent_comes_back_in_time__none_forced(struct pool_fixture *f)
{
    struct done done = {0, 99};
    f->options.max_per_name = 2;
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name), *idle = pool_ask_and_wait(f, f->name);
    struct asker asker, late;
    pool_ask(f->name, &asker, 0);
    evpool_release(idle, true);
    POOL_UNTIL(f, asker.calls);
    evpool_release(asker.conn, true);
    struct asker third;
    assert_int_equal(evpool_try(f->name, &idle), 1);
    pool_ask(f->name, &third, 0);
    evpool_close(f->pool, evloop_update_now(f->loop) + 10 * SECOND, on_done, &done);
    POOL_UNTIL(f, third.calls);
    assert_int_equal(pool_asker_code(&third), EVPOOL_ERROR_closed);
    pool_ask(f->name, &late, 0);
    POOL_UNTIL(f, late.calls);
    assert_int_equal(pool_asker_code(&late), EVPOOL_ERROR_closed);
    assert_int_equal(done.calls, 0);
    assert_int_equal(pool_echo(f, lent), 0);
    evpool_release(lent, true);
    evpool_release(idle, true);
    POOL_UNTIL(f, done.calls);
    assert_int_equal(done.forced, 0);
    assert_int_equal(total(f), 0);
    struct evpool_name *name;
    assert_int_equal(evpool_name_get(f->pool, "new.test", 80, NULL, &name, NULL), -ESHUTDOWN);
}

static void close__deadline_over__shut_down_under_the_borrower(struct pool_fixture *f)
{
    struct done done = {0, 99};
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name);
    evpool_close(f->pool, evloop_update_now(f->loop) + 20 * MS, on_done, &done);
    POOL_UNTIL(f, done.calls);
    assert_int_equal(done.forced, 1);
    assert_true(pool_echo(f, lent) < 0);
    evpool_release(lent, false);
    POOL_UNTIL(f, total(f) == 0);
    pool_spin(f, 5 * MS);
    assert_int_equal(done.calls, 1);
}

static void free__connections_lent__all_descriptors_closed(struct pool_fixture *f)
{
    const unsigned before = descriptors_open();
    pool_open(f);
    struct asker waits;
    f->options.max_per_name = 64;
    for (unsigned i = 0; i < 5; i++)
        (void)pool_ask_and_wait(f, f->name);
    pool_ask(f->name, &waits, 0);
    pool_shut(f);
    assert_int_equal(waits.calls, 1);
    assert_true(pool_asker_code(&waits) == EVPOOL_ERROR_closed);
    while (f->server.open > 0)
        usleep(1000);
    assert_int_equal(descriptors_open(), before);
}

static void free_it(struct evloop_post *post);
struct freeing {
    struct evloop_post post;
    struct evpool *pool;
};

static void free_it(struct evloop_post *post)
{
    evpool_free(((struct freeing *)post)->pool);
}

static void free__from_a_callback__done_later(struct pool_fixture *f)
{
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    struct freeing freeing = {.post.call = free_it, .pool = f->pool};
    evloop_post(f->loop, &freeing.post);
    f->pool = NULL;
    pool_spin(f, 5 * MS);
}

static int in_the_child(struct pool_fixture *f, struct evpool_conn *lent)
{
    struct evpool_conn *conn = NULL;
    struct evpool_name *name = NULL;
    struct evpool_error *error = NULL;
    char byte;
    if (evpool_try(f->name, &conn) != -ECHILD || evpool_name_get(f->pool, "x.test", 1, NULL, &name, NULL) != -ECHILD)
        return 1;
    if (evpool_acquire_wait(f->name, SECOND, &conn, &error) != -ECHILD ||
        evpool_error_code(error) != EVPOOL_ERROR_forked)
        return 2;
    evpool_error_free(error);
    if (evpool_read_wait(lent, &byte, 1, SECOND) != -ECHILD)
        return 3;
    evpool_release(lent, false);
    evpool_name_put(f->name);
    evpool_free(f->pool);
    return 0;
}

static void fork__child__may_do_nothing_and_disturbs_nothing(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name), *idle = pool_ask_and_wait(f, f->name);
    evpool_release(idle, true);
    const pid_t child = fork();
    if (child == 0)
        _exit(in_the_child(f, lent));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    pool_spin(f, 10 * MS);
    assert_int_equal(pool_echo(f, lent), 0);
    evpool_release(lent, true);
    assert_int_equal(evpool_try(f->name, &idle), 1);
    assert_int_equal(pool_echo(f, idle), 0);
    evpool_release(idle, true);
    assert_int_equal(pool_name_figures(f->name).idle, 2);
    assert_int_equal(pool_name_figures(f->name).released, 3);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(idle__unused_for_its_time__closed),
        POOL_CASE(idle__used_now_and_then__stays),
        POOL_CASE(idle__stack__the_oldest_go_first),
        POOL_CASE(lifetime__over__closed_when_given_back_or_idle),
        POOL_CASE(lifetime__jitter__not_all_at_once),
        POOL_CASE(uses__all_used__closed),
        POOL_CASE(remote__peer_closes_idle__noticed_before_the_next_use),
        POOL_CASE(remote__peer_closes_lent__not_lent_again),
        POOL_CASE(validate__idle_for_long_and_dead__looked_at_first),
        POOL_CASE(hooks__each__called),
        POOL_CASE(health__well__stays),
        POOL_CASE(health__ill__closed),
        POOL_CASE(health__while_checked__not_lent_and_a_waiter_gets_it_after),
        POOL_CASE(health__hook_never_answers__closed_at_its_deadline),
        POOL_CASE(health__hook_reads_for_ever__its_read_ends),
        POOL_CASE(retired__then_released_well__closed_and_address_not_blamed),
        POOL_CASE(retired__shared__no_new_user_and_closed_after_the_last),
        POOL_CASE(min_idle__kept_warm__also_while_some_are_lent),
        POOL_CASE(min_idle__nobody_listens__not_tried_without_end),
        POOL_CASE(leak__lent_for_long__counted_once),
        POOL_CASE(clear__lent_and_idle__all_replaced),
        POOL_CASE(name__same_settings__same_name),
        POOL_CASE(name__given_back__its_figures_stay_in_the_pools),
        POOL_CASE(name__invalid__refused_and_named),
        POOL_CASE(close__lent_comes_back_in_time__none_forced),
        POOL_CASE(close__deadline_over__shut_down_under_the_borrower),
        POOL_CASE(free__connections_lent__all_descriptors_closed),
        POOL_CASE(free__from_a_callback__done_later),
        POOL_CASE(fork__child__may_do_nothing_and_disturbs_nothing),
    };
    return pool_fixture_run("pool life", cases, sizeof cases / sizeof *cases);
}
