/* SPDX-License-Identifier: ISC
 *
 * nginx over TLS: it ends connections after so many requests or so much time, reloads and restarts, and no request of a client that
 * repeats what failed on a reused connection is lost.
 */
#include "pool_fixture.h"

#include "certificates.h"
#include "real.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { CLIENTS = 4 };

static uint16_t port;
static pid_t server;

static int get(struct evpool_conn *conn)
{
    char body[64];
    const int error = real_get(conn, body, sizeof body, 20 * SECOND);
    return error < 0 ? error : strcmp(body, "127.0.0.1") == 0 ? 0 : -1;
}

static void start_server(void)
{
    server = real_nginx_start();
    assert_true(server > 0);
    assert_true(real_listens(server, "127.0.0.1", port));
}

static struct evpool_name *begin(struct pool_fixture *f, const char *limits)
{
    const struct evpool_tls tls = {
        .bytes = sizeof tls, .ca_file = certificate_file("ca.pem"), .server_name = "good.test"};
    struct evpool_name *name = NULL;
    real_stop(server, SIGKILL); /* of a test that failed */
    port = real_port("127.0.0.1");
    assert_int_equal(real_nginx_configure("127.0.0.1", NULL, port, limits), 0);
    start_server();
    f->options.retries = 200; /* a restart takes as long as it takes */
    f->options.backoff_ns = 20 * MS;
    f->options.backoff_max_ns = 100 * MS;
    pool_open(f);
    assert_int_equal(evpool_name_get(f->pool, "127.0.0.1", port, &tls, &name, NULL), 0);
    pool_thread(f);
    return name;
}

static void finish(struct evpool_name *name)
{
    evpool_name_put(name);
    real_stop(server, SIGTERM);
    server = 0;
}

static unsigned remote(struct evpool_name *name)
{
    return (unsigned)pool_name_figures(name).closed[EVPOOL_CLOSED_remote];
}

/* The server ends a connection after its last answer, which said so: retired by the client, if the end was not seen before it. */
static unsigned ended(struct evpool_name *name)
{
    return remote(name) + (unsigned)pool_name_figures(name).closed[EVPOOL_CLOSED_retired];
}

static void requests__limited__each_end_counted_and_none_fails(struct pool_fixture *f)
{
    f->options.validate_idle_ns = UINT64_MAX; /* else another may be opened while the idle one is looked at */
    struct evpool_name *name = begin(f, "keepalive_requests 5;");
    struct real_tally tally = {0};
    for (unsigned round = 1; round <= 8; round++) {
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(real_ask(name, get, &tally), 0);
        assert_true(REAL_UNTIL(ended(name) == round));
    }
    assert_int_equal(tally.answered, 40);
    assert_int_equal(tally.again, 0);
    assert_int_equal(tally.first_use_failed, 0);
    const struct evpool_figures figures = pool_name_figures(name);
    assert_int_equal(figures.created, 8);
    assert_int_equal(figures.reused, 32);
    assert_int_equal(figures.total, 0);
    finish(name);
}

static void requests__limited_and_in_haste__retired_by_the_client_and_none_made_again(struct pool_fixture *f)
{
    f->options.validate_idle_ns = UINT64_MAX; /* else another may be opened while the idle one is looked at */
    struct evpool_name *name = begin(f, "keepalive_requests 3;");
    struct real_tally tally = {0};
    for (unsigned i = 0; i < 150; i++)
        assert_int_equal(real_ask(name, get, &tally), 0);
    assert_int_equal(tally.answered, 150);
    assert_int_equal(tally.again, 0);
    assert_int_equal(tally.first_use_failed, 0);
    assert_int_equal(tally.not_acquired, 0);
    assert_true(REAL_UNTIL(pool_name_figures(name).total == 0));
    const struct evpool_figures figures = pool_name_figures(name);
    assert_int_equal(figures.created, 50);
    assert_int_equal(ended(name), 50);
    assert_true(figures.closed[EVPOOL_CLOSED_retired] > 0);
    assert_int_equal(figures.closed[EVPOOL_CLOSED_error] + figures.ejections, 0);
    finish(name);
}

static void idle__for_keepalive_timeout__noticed_and_counted(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f, "keepalive_timeout 1s;");
    struct real_tally tally = {0};
    struct evpool_conn *conns[CLIENTS];
    const unsigned before = descriptors_open();
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(evpool_acquire_wait(name, 0, &conns[i], NULL), 0);
        assert_int_equal(get(conns[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        evpool_release(conns[i], true);
    assert_true(REAL_UNTIL(remote(name) == CLIENTS));
    assert_int_equal(pool_name_figures(name).total, 0);
    assert_true(REAL_UNTIL(descriptors_open() == before));
    assert_int_equal(real_ask(name, get, &tally), 0);
    assert_int_equal(tally.again, 0);
    assert_int_equal(pool_name_figures(name).created, CLIENTS + 1);
    finish(name);
}

/* ---- a server that goes and comes while clients are at work ---- */

struct clients {
    struct evpool_name *name;
    struct real_tally tally;
    _Atomic bool enough;
    pthread_t threads[CLIENTS];
};

static void *client(void *arg)
{
    struct clients *clients = arg;
    while (!clients->enough)
        (void)real_ask(clients->name, get, &clients->tally); /* the tally says how it ended */
    return NULL;
}

static void clients_begin(struct clients *clients, struct evpool_name *name)
{
    clients->name = name;
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients->threads[i], NULL, client, clients), 0);
}

static void clients_end(struct clients *clients)
{
    clients->enough = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(clients->threads[i], NULL);
    print_message("answered %u, made again %u, failed on first use %u, not acquired %u\n", clients->tally.answered,
                  clients->tally.again, clients->tally.first_use_failed, clients->tally.not_acquired);
}

static bool more_answers(struct clients *clients, unsigned count)
{
    const unsigned before = clients->tally.answered;
    return REAL_UNTIL(clients->tally.answered - before >= count);
}

static void reload__under_load__no_first_use_fails(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f, "keepalive_requests 20;\n    keepalive_timeout 1s;");
    struct clients clients = {.enough = false};
    clients_begin(&clients, name);
    bool going_on = more_answers(&clients, 100);
    for (unsigned i = 0; i < 3; i++) {
        kill(server, SIGHUP);
        going_on = more_answers(&clients, 100) && going_on;
    }
    clients_end(&clients);
    assert_true(going_on);
    assert_int_equal(clients.tally.first_use_failed, 0);
    assert_int_equal(clients.tally.not_acquired, 0);
    assert_true(REAL_UNTIL(ended(name) > 0));
    finish(name);
}

/* With SIGTERM, what is in flight is lost: one request of each client, at most, each time. */
static void restart(struct pool_fixture *f, int signal, unsigned fail_max)
{
    enum { RESTARTS = 3 };
    struct evpool_name *name = begin(f, "keepalive_requests 20;");
    struct clients clients = {.enough = false};
    clients_begin(&clients, name);
    bool going_on = more_answers(&clients, 100);
    for (unsigned i = 0; i < RESTARTS; i++) {
        real_stop(server, signal);
        start_server();
        going_on = more_answers(&clients, 100) && going_on;
    }
    clients_end(&clients);
    assert_true(going_on);
    assert_in_range(clients.tally.first_use_failed, 0, RESTARTS * fail_max);
    assert_int_equal(clients.tally.not_acquired, 0);
    const struct evpool_figures figures = pool_name_figures(name);
    assert_true(figures.errors[EVPOOL_ERROR_connect_refused] + figures.retries > 0 || signal == SIGQUIT);
    assert_int_equal(figures.active, 0);
    finish(name);
}

static void restart__told_to_finish__goes_on(struct pool_fixture *f)
{
    restart(f, SIGQUIT, CLIENTS);
}

static void restart__at_once__goes_on(struct pool_fixture *f)
{
    restart(f, SIGTERM, CLIENTS);
}

static void restart__while_all_are_idle__noticed(struct pool_fixture *f)
{
    struct evpool_name *name = begin(f, "");
    struct real_tally tally = {0};
    struct evpool_conn *conns[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(evpool_acquire_wait(name, 0, &conns[i], NULL), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        evpool_release(conns[i], true);
    real_stop(server, SIGTERM);
    assert_true(REAL_UNTIL(remote(name) == CLIENTS));
    start_server();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(real_ask(name, get, &tally), 0);
    assert_int_equal(tally.again + tally.first_use_failed + tally.not_acquired, 0);
    assert_true(pool_name_figures(name).created >= CLIENTS + 1);
    finish(name);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(requests__limited__each_end_counted_and_none_fails),
        POOL_CASE(requests__limited_and_in_haste__retired_by_the_client_and_none_made_again),
        POOL_CASE(idle__for_keepalive_timeout__noticed_and_counted),
        POOL_CASE(reload__under_load__no_first_use_fails),
        POOL_CASE(restart__told_to_finish__goes_on),
        POOL_CASE(restart__at_once__goes_on),
        POOL_CASE(restart__while_all_are_idle__noticed),
    };
    if (!real_program("nginx"))
        return REAL_SKIPPED;
    assert_int_equal(real_begin(), 0);
    assert_non_null(certificates_make());
    const int failed = pool_fixture_run("pool real nginx", cases, sizeof cases / sizeof *cases);
    real_stop(server, SIGTERM);
    certificates_remove();
    real_end();
    return failed;
}
