/* SPDX-License-Identifier: ISC
 *
 * The addresses behind a name change: what is kept, what goes, and when.
 */
#include "internal.h"

#include "pool_fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { SERVERS = 3 };

static struct peer_address peer_of(const char *address, uint16_t port)
{
    struct peer_address peer = {.bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    memcpy(&peer.address, &in, sizeof in);
    return peer;
}

/* As the resolver would tell it. */
static void now_at(struct evpool_name *name, const struct peer_address *peers, unsigned count)
{
    const struct resolver_answer answer = {
        .code = EVPOOL_OK, .source = RESOLVER_DNS, .addresses = peers, .count = count, .ttl_s = 60};
    assert_int_equal(addresses_update(name, &answer), 0);
}

static unsigned addresses(struct evpool_name *name)
{
    unsigned count = 0;
    while (evpool_address_figures(name, count, NULL, 0, NULL) == 0)
        count++;
    return count;
}

static void change__address_is_gone__idle_closed_and_lent_closed_when_given_back(struct pool_fixture *f)
{
    struct echo_server other;
    echo_start(&other, "127.0.0.2", f->server.port);
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name), *idle = pool_ask_and_wait(f, f->name);
    evpool_release(idle, true);
    const struct peer_address there = peer_of("127.0.0.2", f->server.port);
    now_at(f->name, &there, 1);
    POOL_UNTIL(f, pool_name_figures(f->name).total == 1);
    assert_int_equal(pool_name_figures(f->name).closed[EVPOOL_CLOSED_evicted], 1);
    assert_int_equal(pool_echo(f, lent), 0);
    assert_non_null(strstr(evpool_conn_address(lent), "127.0.0.1:"));
    struct evpool_conn *moved = pool_ask_and_wait(f, f->name);
    assert_non_null(strstr(evpool_conn_address(moved), "127.0.0.2:"));
    evpool_release(lent, true);
    POOL_UNTIL(f, pool_name_figures(f->name).total == 1);
    evpool_release(moved, true);
    assert_int_equal(addresses(f->name), 1);
    assert_true(list_empty(&f->name->retired));
    pool_shut(f);
    echo_stop(&other);
}

static void change__address_stays__keeps_its_connections(struct pool_fixture *f)
{
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    const struct peer_address both[] = {peer_of("127.0.0.2", f->server.port), peer_of("127.0.0.1", f->server.port),
                                        peer_of("127.0.0.1", f->server.port)};
    now_at(f->name, both, 3); /* one of them twice */
    pool_spin(f, 5 * MS);
    assert_int_equal(addresses(f->name), 2);
    struct evpool_conn *conn;
    assert_int_equal(evpool_try(f->name, &conn), 1);
    assert_int_equal(evpool_conn_uses(conn), 2);
    evpool_release(conn, true);
}

static void change__away_and_back__new_address(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name);
    const struct peer_address here = peer_of("127.0.0.1", f->server.port), there = peer_of("127.0.0.2", f->server.port);
    now_at(f->name, &there, 1);
    now_at(f->name, &here, 1);
    struct evpool_conn *again = pool_ask_and_wait(f, f->name);
    evpool_release(lent, true);
    evpool_release(again, true);
    POOL_UNTIL(f, pool_name_figures(f->name).total == 1);
    assert_int_equal(pool_name_figures(f->name).idle, 1);
}

static void change__ejected_address_goes__not_counted(struct pool_fixture *f)
{
    struct asker asker;
    f->options.eject_failures = 1;
    f->options.retries = UINT32_MAX;
    pool_open(f);
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    pool_asker_code(&asker);
    assert_int_equal(pool_name_figures(name).ejected, 1);
    const struct peer_address here = peer_of("127.0.0.1", f->server.port);
    now_at(name, &here, 1);
    assert_int_equal(pool_name_figures(name).ejected, 0);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    evpool_name_put(name);
}

static void change__while_connecting__what_comes_is_closed_and_the_waiter_served(struct pool_fixture *f)
{
    struct echo_server other;
    struct asker asker;
    echo_start(&other, "127.0.0.2", f->server.port);
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), false);
    POOL_UNTIL(f, pool_name_figures(f->name).total == 0);
    pool_ask(f->name, &asker, 0);
    POOL_UNTIL(f, pool_name_figures(f->name).pending == 1 || asker.calls);
    const struct peer_address there = peer_of("127.0.0.2", f->server.port);
    now_at(f->name, &there, 1);
    POOL_UNTIL(f, asker.calls);
    assert_non_null(asker.conn);
    evpool_release(asker.conn, true);
    pool_shut(f);
    echo_stop(&other);
}

static void many__a_thousand_addresses__all_kept(struct pool_fixture *f)
{
    static struct peer_address peers[1000];
    for (unsigned i = 0; i < 1000; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.1.%u.%u", i / 250, i % 250 + 1);
        peers[i] = peer_of(address, f->server.port);
    }
    peers[900] = peer_of("127.0.0.1", f->server.port); /* the only one where somebody listens */
    f->options.backoff_ns = f->options.backoff_max_ns = 1 * MS;
    f->options.retries = 100;
    f->options.eject_failures = 1;
    pool_open(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    now_at(f->name, peers, 1000);
    assert_int_equal(addresses(f->name), 1000);
    struct evpool_conn *a = pool_ask_and_wait(f, f->name), *b = pool_ask_and_wait(f, f->name);
    assert_true(pool_name_figures(f->name).ejected > 0);
    evpool_release(a, true);
    evpool_release(b, true);
}

static void unix__socket__lent(struct pool_fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char host[128];
    snprintf(un.sun_path, sizeof un.sun_path, "/tmp/evpool-test.%d.sock", (int)getpid());
    snprintf(host, sizeof host, "unix:%s", un.sun_path);
    unlink(un.sun_path);
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(listener, 5), 0);
    pool_open(f);
    struct evpool_name *name = pool_name(f, host, 0);
    struct evpool_conn *conn = pool_ask_and_wait(f, name);
    assert_string_equal(evpool_conn_address(conn), host);
    evpool_release(conn, true);
    assert_int_equal(evpool_try(name, &conn), 1);
    evpool_release(conn, true);
    evpool_name_put(name);
    pool_shut(f);
    close(listener);
    unlink(un.sun_path);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(change__address_is_gone__idle_closed_and_lent_closed_when_given_back),
        POOL_CASE(change__address_stays__keeps_its_connections),
        POOL_CASE(change__away_and_back__new_address),
        POOL_CASE(change__ejected_address_goes__not_counted),
        POOL_CASE(change__while_connecting__what_comes_is_closed_and_the_waiter_served),
        POOL_CASE(many__a_thousand_addresses__all_kept),
        POOL_CASE(unix__socket__lent),
    };
    return pool_fixture_run("pool address", cases, sizeof cases / sizeof *cases);
}
