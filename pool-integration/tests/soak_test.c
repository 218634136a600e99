/* SPDX-License-Identifier: ISC
 *
 * Everything at once: threads that block, requests of the loop, callers that give up, connections that grow old, servers that drop them, and
 * names that are cleared. Nobody waits for ever, nothing is lost, and the sums agree.
 */
#include "pool_fixture.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, CLIENTS = 24 };
#define SOAK_NS (800 * MS)

struct soak {
    struct pool_fixture *f;
    struct evpool_name *names[2];
    _Atomic unsigned lent, refused, broken, lost;
    uint64_t until_ns;
    bool shared;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- threads ---- */

static bool talk(struct evpool_conn *conn, unsigned round)
{
    char text[100], back[sizeof text];
    memset(text, 'a' + (int)(round % 26), sizeof text);
    if (evpool_write_wait(conn, text, sizeof text, 5 * SECOND) != sizeof text)
        return false;
    for (size_t got = 0; got < sizeof back;) {
        const int64_t r = evpool_read_wait(conn, back + got, sizeof back - got, 5 * SECOND);
        if (r <= 0)
            return false;
        got += (size_t)r;
    }
    assert_memory_equal(text, back, sizeof text);
    return true;
}

static void *thread_soak(void *arg)
{
    struct soak *soak = arg;
    for (unsigned round = 0; now_ns() < soak->until_ns; round++) {
        struct evpool_name *name = soak->names[round % 2];
        struct evpool_conn *conn;
        const uint64_t began = now_ns();
        const int r = evpool_acquire_wait(name, round % 7 == 0 ? 1 * MS : 2 * SECOND, &conn, NULL);
        if (now_ns() - began > 4 * SECOND)
            soak->lost++;
        if (r < 0) {
            soak->refused++;
            continue;
        }
        soak->lent++;
        const bool ok = soak->shared || talk(conn, round); /* an echo cannot be shared */
        soak->broken += !ok;
        evpool_release(conn, ok && round % 31 != 0);
        if (round % 97 == 0)
            evpool_name_clear(name);
    }
    return NULL;
}

/* ---- the loop's ---- */

struct client {
    struct evpool_request request; /* first */
    struct soak *soak;
    struct evpool_conn *conn;
    struct evloop_timer timer;
    unsigned round, calls, asked;
};

static void client_answered(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error);

static void client_ask(struct client *client)
{
    struct soak *soak = client->soak;
    if (evloop_now_ns(soak->f->loop) >= soak->until_ns)
        return;
    client->round++;
    client->asked++;
    client->request.timeout_ns = client->round % 5 == 0 ? 2 * MS : 0;
    evpool_acquire(soak->names[client->round % 2], &client->request, client_answered);
    if (client->round % 11 == 0)
        evpool_cancel(&client->request);
}

static void client_done(struct evloop_timer *timer)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, timer));
    struct evpool_conn *conn = client->conn;
    client->conn = NULL;
    if (conn)
        evpool_release(conn, client->round % 13 != 0);
    client_ask(client);
}

static void client_answered(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    struct client *client = (struct client *)request;
    client->calls++;
    client->conn = conn;
    client->soak->lent += conn != NULL;
    client->soak->refused += conn == NULL;
    evpool_error_free(error);
    evloop_timer_start(client->soak->f->loop, &client->timer,
                       evloop_now_ns(client->soak->f->loop) + client->round % 3 * 300000, client_done);
}

static void soak_run(struct pool_fixture *f, unsigned shared)
{
    struct soak soak = {.f = f, .shared = shared > 1};
    struct client *clients = calloc(CLIENTS, sizeof *clients);
    struct echo_server other;
    pthread_t threads[THREADS];
    echo_start(&other, "127.0.0.2", f->server.port);
    pool_hosts(f, "127.0.0.1 two.test\n127.0.0.2 two.test\n");
    f->options.max_total = 7;
    f->options.max_per_name = 5;
    f->options.min_idle = 1;
    f->options.shared = shared;
    f->options.uses_max = 50;
    f->options.lifetime_ns = 50 * MS;
    f->options.idle_timeout_ns = 10 * MS;
    f->options.validate_idle_ns = 1 * MS;
    f->options.health_interval_ns = 3 * MS;
    f->options.leak_ns = 20 * MS;
    f->options.backoff_ns = 1 * MS;
    f->options.eject_ns = 5 * MS;
    f->options.eject_max_ns = 10 * MS;
    f->options.spread = EVPOOL_SPREAD_two_choices;
    f->options.acquire_timeout_ns = 3 * SECOND;
    pool_open(f);
    soak.names[0] = f->name;
    soak.names[1] = pool_name(f, "two.test", f->server.port);
    soak.until_ns = now_ns() + SOAK_NS;
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].soak = &soak;
        clients[i].round = i;
        client_ask(&clients[i]);
    }
    evloop_run_once(f->loop, 0); /* the loop knows its thread */
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_soak, &soak), 0);
    for (unsigned i = 0; evloop_update_now(f->loop) < soak.until_ns; i++) {
        pool_spin(f, 40 * MS);
        echo_drop(i % 2 ? &other : &f->server);
    }
    struct evpool_figures figures;
    POOL_UNTIL(f, (evpool_figures(f->pool, &figures), figures.active == 0 && figures.waiting == 0));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        POOL_UNTIL(f, clients[i].calls == clients[i].asked && !clients[i].conn);
    evpool_figures(f->pool, &figures);
    assert_int_equal(soak.lost, 0);
    assert_true(soak.lent > 100);
    assert_int_equal(figures.acquired, soak.lent);
    assert_int_equal(figures.released, soak.lent);
    uint64_t closed = 0;
    for (unsigned i = 0; i < EVPOOL_REASONS; i++)
        closed += figures.closed[i];
    assert_int_equal(figures.created, closed + figures.total);
    assert_true(figures.total + figures.pending <= 7);
    print_message("%u lent, %u refused, %u broken, %lu created\n", soak.lent, soak.refused, soak.broken,
                  (unsigned long)figures.created);
    evpool_name_put(soak.names[1]);
    pool_shut(f);
    echo_stop(&other);
    free(clients);
}

static void soak__threads_and_loop__sums_agree(struct pool_fixture *f)
{
    soak_run(f, 1);
}

static void soak__shared_connections__sums_agree(struct pool_fixture *f)
{
    soak_run(f, 3);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(soak__threads_and_loop__sums_agree),
        POOL_CASE(soak__shared_connections__sums_agree),
    };
    return pool_fixture_run("pool soak", cases, sizeof cases / sizeof *cases);
}
