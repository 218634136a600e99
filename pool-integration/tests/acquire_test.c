/* SPDX-License-Identifier: ISC
 *
 * Asking for connections: at once, in a queue, in time, together.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void try__nothing_idle__nothing(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *conn = NULL;
    assert_int_equal(evpool_try(f->name, &conn), 0);
    assert_null(conn);
}

static void acquire__idle_connection__is_lent_again(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *first = pool_ask_and_wait(f, f->name), *second = NULL;
    assert_int_equal(evpool_conn_uses(first), 1);
    assert_int_equal(pool_echo(f, first), 0);
    evpool_release(first, true);
    assert_int_equal(evpool_try(f->name, &second), 1);
    assert_ptr_equal(first, second);
    assert_int_equal(evpool_conn_uses(second), 2);
    assert_int_equal(pool_echo(f, second), 0);
    evpool_release(second, true);
    const struct evpool_figures figures = pool_name_figures(f->name);
    assert_int_equal(figures.created, 1);
    assert_int_equal(figures.reused, 1);
    assert_int_equal(figures.acquired, 2);
    assert_int_equal(figures.released, 2);
    assert_int_equal(figures.total, 1);
    assert_int_equal(figures.idle, 1);
    POOL_UNTIL(f, f->server.accepted == 1);
}

/* A known fault: a waiter that reaches the limit deadlocks release. */
static void acquire__at_the_limit__waits_for_a_release(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker asker;
    pool_ask(f->name, &asker, 0);
    pool_spin(f, 20 * MS);
    assert_int_equal(asker.calls, 0);
    assert_int_equal(pool_name_figures(f->name).waiting, 1);
    evpool_release(conn, true);
    assert_int_equal(asker.calls, 0); /* never from within */
    POOL_UNTIL(f, asker.calls);
    assert_ptr_equal(asker.conn, conn);
    POOL_UNTIL(f, f->server.accepted == 1);
    evpool_release(asker.conn, true);
}

static void acquire__at_the_limit_and_the_connection_breaks__gets_a_new_one(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker asker;
    pool_ask(f->name, &asker, 0);
    evpool_release(conn, false);
    POOL_UNTIL(f, asker.calls);
    assert_non_null(asker.conn);
    assert_int_equal(evpool_conn_uses(asker.conn), 1);
    assert_int_equal(pool_echo(f, asker.conn), 0);
    assert_true(f->server.most_open <= 2); /* the server may see the end of the old one after the new one */
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_error], 1);
    evpool_release(asker.conn, true);
}

static void queue__many_wait__first_come_first_served(struct pool_fixture *f)
{
    enum { ASKERS = 20 };
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker askers[ASKERS];
    pool_asker_order = 0;
    for (unsigned i = 0; i < ASKERS; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < ASKERS; i++) {
        struct evpool_conn *overtaking = NULL;
        evpool_release(conn, true);
        assert_int_equal(evpool_try(f->name, &overtaking), 0);
        POOL_UNTIL(f, askers[i].calls);
        conn = askers[i].conn;
        assert_int_equal(askers[i].order, i + 1);
        /* A known fault: a herd is woken for one connection. */
        for (unsigned j = i + 1; j < ASKERS; j++)
            assert_int_equal(askers[j].calls, 0);
    }
    evpool_release(conn, true);
    const struct evpool_figures figures = pool_name_figures(f->name);
    assert_int_equal(figures.waiting_max, ASKERS);
    assert_int_equal(figures.waiting, 0);
}

/* A known fault: no deadline on acquire. */
static void queue__time_over__error_and_out_of_the_queue(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    f->options.acquire_timeout_ns = 1000 * MS; /* far enough from the other that a busy machine keeps them apart */
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker own, pools, patient;
    const uint64_t began = evloop_update_now(f->loop);
    pool_ask(f->name, &pools, 0);
    pool_ask(f->name, &own, 20 * MS);
    pool_ask(f->name, &patient, 20 * SECOND);
    POOL_UNTIL(f, own.calls);
    assert_true(evloop_update_now(f->loop) - began >= 20 * MS);
    assert_int_equal(pools.calls, 0);
    assert_int_equal(evpool_error_errno(own.error), ETIMEDOUT);
    char text[512];
    evpool_error_print(own.error, text, sizeof text);
    assert_non_null(strstr(text, "no connection was free in time"));
    assert_non_null(strstr(text, "127.0.0.1:"));
    assert_int_equal(pool_asker_code(&own), EVPOOL_ERROR_acquire_timeout);
    POOL_UNTIL(f, pools.calls);
    assert_true(evloop_update_now(f->loop) - began >= 1000 * MS);
    assert_int_equal(pool_asker_code(&pools), EVPOOL_ERROR_acquire_timeout);
    assert_int_equal(pool_name_figures(f->name).waiting, 1);
    assert_int_equal(pool_name_figures(f->name).acquire_timeouts, 2);
    evpool_release(conn, true);
    POOL_UNTIL(f, patient.calls);
    assert_non_null(patient.conn);
    evpool_release(patient.conn, true);
}

static void queue__caller_gives_up__leaves_at_once(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker a, b;
    pool_ask(f->name, &a, 0);
    pool_ask(f->name, &b, 0);
    evpool_cancel(&a.request);
    assert_int_equal(a.calls, 0);
    assert_int_equal(pool_name_figures(f->name).waiting, 1);
    evpool_cancel(&a.request); /* twice does no harm */
    evpool_release(conn, true);
    POOL_UNTIL(f, a.calls && b.calls);
    assert_int_equal(pool_asker_code(&a), EVPOOL_ERROR_cancelled);
    assert_ptr_equal(b.conn, conn);
    evpool_cancel(&b.request); /* not busy: nothing */
    pool_spin(f, 5 * MS);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 1);
    assert_int_equal(pool_name_figures(f->name).acquire_cancelled, 1);
    evpool_release(b.conn, true);
}

static void queue__full__refused_at_once(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    f->options.waiters_max = 2;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    struct asker a, b, c;
    pool_ask(f->name, &a, 0);
    pool_ask(f->name, &b, 0);
    pool_ask(f->name, &c, 0);
    POOL_UNTIL(f, c.calls);
    assert_int_equal(pool_asker_code(&c), EVPOOL_ERROR_queue_full);
    assert_int_equal(pool_name_figures(f->name).acquire_refused, 1);
    evpool_release(conn, true);
    POOL_UNTIL(f, a.calls);
    evpool_release(a.conn, true);
    POOL_UNTIL(f, b.calls);
    evpool_release(b.conn, true);
}

static void limits__many_ask__never_more_connections(struct pool_fixture *f)
{
    enum { ASKERS = 40 };
    f->options.max_per_name = 3;
    pool_open(f);
    struct asker askers[ASKERS];
    for (unsigned i = 0; i < ASKERS; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < ASKERS; i++) {
        POOL_UNTIL(f, askers[i].calls);
        assert_true(pool_name_figures(f->name).total <= 3);
        assert_int_equal(pool_echo(f, askers[i].conn), 0);
        evpool_release(askers[i].conn, true);
    }
    POOL_UNTIL(f, f->server.accepted == 3);
}

static void limits__few_ask__no_more_connects_than_waiters(struct pool_fixture *f)
{
    struct asker askers[5];
    pool_open(f);
    for (unsigned i = 0; i < 5; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < 5; i++)
        POOL_UNTIL(f, askers[i].calls);
    pool_spin(f, 20 * MS);
    POOL_UNTIL(f, f->server.accepted == 5);
    for (unsigned i = 0; i < 5; i++)
        evpool_release(askers[i].conn, true);
    assert_int_equal(pool_name_figures(f->name).idle, 5);
}

/* A known fault: connects serialised behind one lock. */
static void acquire__another_name_hangs__is_not_held_up(struct pool_fixture *f)
{
    struct echo_hole hole;
    echo_hole_start(&hole, "127.0.0.9", 0);
    pool_open(f);
    struct evpool_name *hung = pool_name(f, "127.0.0.9", hole.port);
    struct asker stuck[10];
    for (unsigned i = 0; i < 10; i++)
        pool_ask(hung, &stuck[i], 0);
    pool_spin(f, 10 * MS);
    const uint64_t began = evloop_update_now(f->loop);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    assert_true(evloop_update_now(f->loop) - began < 500 * MS);
    evpool_release(conn, true);
    for (unsigned i = 0; i < 10; i++)
        evpool_cancel(&stuck[i].request);
    for (unsigned i = 0; i < 10; i++) {
        POOL_UNTIL(f, stuck[i].calls);
        assert_int_equal(pool_asker_code(&stuck[i]), EVPOOL_ERROR_cancelled);
    }
    evpool_name_put(hung);
    pool_shut(f);
    echo_hole_stop(&hole);
}

static void acquire__connect_hangs_and_another_comes_free__takes_that(struct pool_fixture *f)
{
    struct echo_hole hole;
    pool_hosts(f, "127.0.0.1 two.test\n127.0.0.9 two.test\n");
    f->options.attempt_delay_ns = 2 * SECOND;
    pool_open(f);
    echo_hole_start(&hole, "127.0.0.9", f->server.port);
    struct evpool_name *name = pool_name(f, "two.test", f->server.port);
    struct evpool_conn *first = pool_ask_and_wait(f, name);
    struct asker asker; /* in turn: the other address, which hangs */
    pool_ask(name, &asker, 0);
    pool_spin(f, 30 * MS);
    if (asker.calls == 0) { /* else the order was the other way round */
        const uint64_t began = evloop_update_now(f->loop);
        evpool_release(first, true);
        POOL_UNTIL(f, asker.calls);
        assert_true(evloop_update_now(f->loop) - began < 500 * MS);
        assert_ptr_equal(asker.conn, first);
    }
    evpool_release(asker.conn, true);
    evpool_name_put(name);
    pool_shut(f);
    echo_hole_stop(&hole);
}

/* ---- names that share the pool's places ---- */

struct client {
    struct evpool_request request; /* first */
    struct evpool_name *name;
    unsigned served;
    uint64_t worst_ns, asked_ns;
    struct evloop *loop;
    struct evloop_timer timer;
    struct evpool_conn *conn;
    bool stop;
};

static void client_served(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error);

static void client_done(struct evloop_timer *timer)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, timer));
    struct evpool_conn *conn = client->conn;
    client->conn = NULL;
    client->asked_ns = evloop_now_ns(client->loop);
    if (!client->stop)
        evpool_acquire(client->name, &client->request, client_served);
    evpool_release(conn, true);
}

static void client_served(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    struct client *client = (struct client *)request;
    if (!conn) {
        evpool_error_free(error);
        return;
    }
    const uint64_t waited = evloop_now_ns(client->loop) - client->asked_ns;
    if (waited > client->worst_ns)
        client->worst_ns = waited;
    client->served++;
    client->conn = conn;
    evloop_timer_start(client->loop, &client->timer, evloop_now_ns(client->loop) + 1 * MS, client_done);
}

static void fairness__names_share_few_places__each_gets_its_share(struct pool_fixture *f)
{
    enum { CLIENTS = 24 };
    struct client *clients = calloc(CLIENTS, sizeof *clients);
    struct evpool_name *names[2];
    struct echo_server other;
    echo_start(&other, "127.0.0.2", 0);
    f->options.max_total = 2;
    pool_open(f);
    names[0] = f->name;
    names[1] = pool_name(f, "127.0.0.2", other.port);
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &clients[i];
        client->name = names[i < CLIENTS - 4 ? 0 : 1]; /* the first asks far more, and first */
        client->loop = f->loop;
        client->asked_ns = evloop_update_now(f->loop);
        evpool_acquire(client->name, &client->request, client_served);
    }
    pool_spin(f, 400 * MS);
    unsigned served[2] = {0, 0};
    for (unsigned i = 0; i < CLIENTS; i++) {
        served[clients[i].name == names[1]] += clients[i].served;
        assert_true(clients[i].served > 0);
        clients[i].stop = true;
    }
    struct evpool_figures all;
    evpool_figures(f->pool, &all);
    assert_true(all.total + all.pending <= 2);
    assert_true(served[1] * 4 > served[0]);
    POOL_UNTIL(f, (evpool_figures(f->pool, &all), all.waiting == 0 && all.active == 0));
    free(clients);
    evpool_name_put(names[1]);
    pool_shut(f);
    echo_stop(&other);
}

static void limits__total_full_of_idle_ones__another_name_gets_a_place(struct pool_fixture *f)
{
    struct echo_server other;
    echo_start(&other, "127.0.0.2", 0);
    f->options.max_total = 2;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.2", other.port);
    struct evpool_conn *a = pool_ask_and_wait(f, f->name), *b = pool_ask_and_wait(f, f->name);
    evpool_release(a, true);
    evpool_release(b, true);
    struct evpool_conn *c = pool_ask_and_wait(f, name);
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_evicted], 1);
    assert_int_equal(pool_name_figures(f->name).idle, 1);
    evpool_release(c, true);
    evpool_name_put(name);
    pool_shut(f);
    echo_stop(&other);
}

/* ---- shared connections ---- */

static void shared__n_users__one_connection(struct pool_fixture *f)
{
    f->options.shared = 4;
    pool_open(f);
    struct asker askers[8];
    for (unsigned i = 0; i < 8; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < 8; i++)
        POOL_UNTIL(f, askers[i].calls);
    POOL_UNTIL(f, f->server.accepted == 2);
    unsigned users_of_first = 0;
    for (unsigned i = 0; i < 8; i++)
        users_of_first += askers[i].conn == askers[0].conn;
    assert_int_equal(users_of_first, 4);
    assert_int_equal(pool_name_figures(f->name).active, 2);
    /* One of them finds it broken: nobody new gets it, and it goes when the last has given it back. */
    struct evpool_conn *broken = askers[0].conn;
    bool said = false;
    for (unsigned i = 0; i < 8; i++) {
        evpool_release(askers[i].conn, !(askers[i].conn == broken && !said));
        said = said || askers[i].conn == broken;
    }
    POOL_UNTIL(f, pool_name_figures(f->name).total == 1);
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_error], 1);
    assert_int_equal(pool_name_figures(f->name).idle, 1);
    struct evpool_conn *again[4];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(evpool_try(f->name, &again[i]), 1);
    assert_int_equal(evpool_try(f->name, &broken), 0);
    for (unsigned i = 0; i < 4; i++)
        evpool_release(again[i], true);
}

/* ---- threads that block ---- */

struct worker {
    struct pool_fixture *f;
    pthread_t thread;
    unsigned done, failed;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    char text[64], back[sizeof text];
    for (unsigned i = 0; i < 100; i++) {
        struct evpool_conn *conn;
        if (evpool_acquire_wait(worker->f->name, 20 * SECOND, &conn, NULL) < 0) {
            worker->failed++;
            continue;
        }
        memset(text, 'a' + (int)(i % 26), sizeof text);
        bool ok = evpool_write_wait(conn, text, sizeof text, 10 * SECOND) == sizeof text;
        for (int64_t got = 0, r; ok && got < (int64_t)sizeof back; got += r) {
            r = evpool_read_wait(conn, back + got, sizeof back - (size_t)got, 10 * SECOND);
            ok = r > 0;
            if (!ok)
                break;
        }
        ok = ok && memcmp(text, back, sizeof text) == 0;
        evpool_release(conn, ok);
        worker->done += ok;
        worker->failed += !ok;
    }
    return NULL;
}

static void wait__eight_threads_two_connections__all_are_served(struct pool_fixture *f)
{
    struct worker workers[8];
    f->options.max_per_name = 2;
    pool_open(f);
    pool_thread(f);
    for (unsigned i = 0; i < 8; i++) {
        workers[i] = (struct worker){.f = f};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].done, 100);
        assert_int_equal(workers[i].failed, 0);
    }
    const struct evpool_figures figures = pool_name_figures(f->name);
    assert_int_equal(figures.created, 2);
    assert_int_equal(figures.acquired, 800);
    assert_int_equal(figures.released, 800);
    assert_int_equal(figures.idle, 2);
    pool_join(f);
}

static void wait__time_over__says_so(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    pool_open(f);
    pool_thread(f);
    struct evpool_conn *conn = NULL, *none = NULL;
    struct evpool_error *error = NULL;
    assert_int_equal(evpool_acquire_wait(f->name, 0, &conn, NULL), 0);
    assert_int_equal(evpool_acquire_wait(f->name, 20 * MS, &none, &error), -ETIMEDOUT);
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_acquire_timeout);
    evpool_error_free(error);
    assert_null(none);
    evpool_release(conn, true);
    assert_int_equal(pool_name_figures(f->name).waiting, 0);
    pool_join(f);
}

static void wait__nobody_listens__unreachable_with_the_story(struct pool_fixture *f)
{
    f->options.backoff_ns = 1 * MS;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_thread(f);
    struct evpool_conn *none = NULL;
    struct evpool_error *error = NULL;
    assert_int_equal(evpool_acquire_wait(name, 10 * SECOND, &none, &error), -EHOSTUNREACH);
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_connect_refused);
    assert_int_equal(evpool_error_attempts(error), 3); /* a known fault: retries configured and never made */
    char text[512];
    evpool_error_print(error, text, sizeof text);
    assert_non_null(strstr(text, "after 3 attempts over "));
    evpool_error_free(error);
    assert_int_equal(pool_name_figures(name).retries, 2);
    assert_int_equal(pool_name_figures(name).errors[EVPOOL_ERROR_connect_refused], 3);
    pool_join(f);
    evpool_name_put(name);
}

struct thread_stop {
    struct pool_fixture *f;
    int result;
};

static void *wait_for_closed(void *arg)
{
    struct thread_stop *stop = arg;
    struct evpool_conn *conn = NULL;
    stop->result = evpool_acquire_wait(stop->f->name, 20 * SECOND, &conn, NULL);
    return NULL;
}

static void wait__pool_closes__returns_at_once(struct pool_fixture *f)
{
    struct thread_stop stop = {.f = f};
    pthread_t thread;
    f->options.max_per_name = 1;
    pool_open(f);
    struct evpool_conn *conn = pool_ask_and_wait(f, f->name);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_closed, &stop), 0);
    POOL_UNTIL(f, pool_name_figures(f->name).waiting == 1);
    evpool_close(f->pool, UINT64_MAX, NULL, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(stop.result, -ESHUTDOWN);
    evpool_release(conn, true);
}

static void wait__in_the_loops_thread__refused(struct pool_fixture *f)
{
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    struct evpool_conn *conn;
    assert_int_equal(evpool_acquire_wait(f->name, 0, &conn, NULL), -EDEADLK);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(try__nothing_idle__nothing),
        POOL_CASE(acquire__idle_connection__is_lent_again),
        POOL_CASE(acquire__at_the_limit__waits_for_a_release),
        POOL_CASE(acquire__at_the_limit_and_the_connection_breaks__gets_a_new_one),
        POOL_CASE(queue__many_wait__first_come_first_served),
        POOL_CASE(queue__time_over__error_and_out_of_the_queue),
        POOL_CASE(queue__caller_gives_up__leaves_at_once),
        POOL_CASE(queue__full__refused_at_once),
        POOL_CASE(limits__many_ask__never_more_connections),
        POOL_CASE(limits__few_ask__no_more_connects_than_waiters),
        POOL_CASE(limits__total_full_of_idle_ones__another_name_gets_a_place),
        POOL_CASE(fairness__names_share_few_places__each_gets_its_share),
        POOL_CASE(acquire__another_name_hangs__is_not_held_up),
        POOL_CASE(acquire__connect_hangs_and_another_comes_free__takes_that),
        POOL_CASE(shared__n_users__one_connection),
        POOL_CASE(wait__eight_threads_two_connections__all_are_served),
        POOL_CASE(wait__time_over__says_so),
        POOL_CASE(wait__nobody_listens__unreachable_with_the_story),
        POOL_CASE(wait__pool_closes__returns_at_once),
        POOL_CASE(wait__in_the_loops_thread__refused),
    };
    return pool_fixture_run("pool acquire", cases, sizeof cases / sizeof *cases);
}
