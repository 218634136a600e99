/* SPDX-License-Identifier: ISC
 *
 * Several addresses behind one name: all are used, those that fail are left out and come back.
 */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SERVERS = 4 };

struct farm {
    struct echo_server servers[SERVERS];
    struct evpool_name *name;
};

/* Servers on 127.0.0.2 ... with one port, behind one name. */
static void farm_start(struct farm *farm, struct pool_fixture *f)
{
    char hosts[256] = "";
    for (unsigned i = 0; i < SERVERS; i++) {
        char address[32];
        snprintf(address, sizeof address, "127.0.0.%u", i + 2);
        echo_start(&farm->servers[i], address, i ? farm->servers[0].port : 0);
        snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "%s farm.test\n", address);
    }
    pool_hosts(f, hosts);
    pool_open(f);
    farm->name = pool_name(f, "farm.test", farm->servers[0].port);
}

static void farm_stop(struct farm *farm, struct pool_fixture *f)
{
    evpool_name_put(farm->name);
    pool_shut(f);
    for (unsigned i = 0; i < SERVERS; i++)
        if (farm->servers[i].port)
            echo_stop(&farm->servers[i]);
}

static void server_stop(struct farm *farm, unsigned i)
{
    echo_stop(&farm->servers[i]);
    farm->servers[i].port = 0;
}

static unsigned accepted(const struct farm *farm)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < SERVERS; i++)
        sum += farm->servers[i].port ? farm->servers[i].accepted : 0;
    return sum;
}

/* `count` lent at once. */
static void lend(struct farm *farm, struct pool_fixture *f, struct evpool_conn **conns, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        conns[i] = pool_ask_and_wait(f, farm->name);
    for (unsigned i = 0; i < 200 && accepted(farm) < count; i++)
        usleep(1000);
}

static void give_back(struct evpool_conn **conns, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        evpool_release(conns[i], true);
}

/* A known fault: only the first address used. */
static void spread_evenly(struct pool_fixture *f, enum evpool_spread spread, unsigned least, unsigned most)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[40];
    f->options.spread = spread;
    farm_start(&farm, f);
    lend(&farm, f, conns, 40);
    for (unsigned i = 0; i < SERVERS; i++) {
        assert_true(farm.servers[i].accepted >= least);
        assert_true(farm.servers[i].accepted <= most);
        struct evpool_figures figures;
        char address[64];
        assert_int_equal(evpool_address_figures(farm.name, i, address, sizeof address, &figures), 0);
        assert_int_equal(strncmp(address, "tcp:127.0.0.", 12), 0);
        assert_true(figures.created >= least && figures.created <= most);
        assert_int_equal(figures.active, figures.created);
    }
    assert_true(evpool_address_figures(farm.name, SERVERS, NULL, 0, NULL) < 0);
    give_back(conns, 40);
    farm_stop(&farm, f);
}

static void round_robin__connections__evenly(struct pool_fixture *f)
{
    spread_evenly(f, EVPOOL_SPREAD_round_robin, 10, 10);
}

static void least_connections__connections__evenly(struct pool_fixture *f)
{
    spread_evenly(f, EVPOOL_SPREAD_least_connections, 10, 10);
}

static void two_choices__connections__nearly_evenly(struct pool_fixture *f)
{
    spread_evenly(f, EVPOOL_SPREAD_two_choices, 6, 14);
}

static void random__connections__all_are_used(struct pool_fixture *f)
{
    spread_evenly(f, EVPOOL_SPREAD_random, 2, 22);
}

static void round_robin__idle_ones__taken_from_all_addresses(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[8];
    farm_start(&farm, f);
    lend(&farm, f, conns, 8);
    give_back(conns, 8);
    for (unsigned i = 0; i < 40; i++) {
        struct evpool_conn *conn;
        assert_int_equal(evpool_try(farm.name, &conn), 1);
        evpool_release(conn, true);
    }
    for (unsigned i = 0; i < SERVERS; i++) {
        struct evpool_figures figures;
        assert_int_equal(evpool_address_figures(farm.name, i, NULL, 0, &figures), 0);
        assert_int_equal(figures.reused, 10);
    }
    farm_stop(&farm, f);
}

static void per_address__limit__holds(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[8];
    struct asker late;
    f->options.max_per_address = 2;
    f->options.spread = EVPOOL_SPREAD_random;
    farm_start(&farm, f);
    lend(&farm, f, conns, 8);
    pool_ask(farm.name, &late, 50 * MS);
    POOL_UNTIL(f, late.calls);
    assert_int_equal(pool_asker_code(&late), EVPOOL_ERROR_acquire_timeout);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(farm.servers[i].most_open, 2);
    pool_ask(farm.name, &late, 0);
    evpool_release(conns[0], false);
    POOL_UNTIL(f, late.calls);
    conns[0] = late.conn;
    give_back(conns, 8);
    farm_stop(&farm, f);
}

static void one_refuses__others_are_used_and_nobody_fails(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[24];
    farm_start(&farm, f);
    server_stop(&farm, 0);
    lend(&farm, f, conns, 24);
    const struct evpool_figures figures = pool_name_figures(farm.name);
    assert_int_equal(figures.created, 24);
    assert_int_equal(figures.errors[EVPOOL_ERROR_connect_refused], 3); /* then it was left out */
    assert_int_equal(figures.ejections, 1);
    assert_int_equal(figures.ejected, 1);
    give_back(conns, 24);
    farm_stop(&farm, f);
}

/* Whoever comes next in turn must not have the share of the one that is left out. */
static void one_ejected__others__evenly(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[40];
    f->options.eject_failures = 1;
    f->options.eject_ns = f->options.eject_max_ns = 3600 * SECOND;
    farm_start(&farm, f);
    server_stop(&farm, 0);
    lend(&farm, f, conns, 40);
    POOL_UNTIL(f, accepted(&farm) == 40);
    for (unsigned i = 1; i < SERVERS; i++)
        assert_in_range(farm.servers[i].accepted, 13, 14);
    give_back(conns, 40);
    farm_stop(&farm, f);
}

/* A black hole that loses every race is never refused: it is left out for its silence, or one in so many connections would wait for it. */
static void one_is_silent__ejected_by_lost_races__no_race_after(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct echo_hole hole;
    struct evpool_conn *conns[40];
    f->options.attempt_delay_ns = 20 * MS;
    f->options.eject_failures = 2;
    f->options.eject_ns = f->options.eject_max_ns = 3600 * SECOND;
    farm_start(&farm, f);
    const uint16_t port = farm.servers[0].port;
    server_stop(&farm, 0);
    echo_hole_start(&hole, "127.0.0.2", port);
    lend(&farm, f, conns, 40);
    const struct evpool_figures figures = pool_name_figures(farm.name);
    assert_int_equal(figures.races, 2);
    assert_int_equal(figures.ejections, 1);
    assert_int_equal(figures.ejected, 1);
    assert_int_equal(figures.created, 40);
    give_back(conns, 40);
    farm_stop(&farm, f);
    echo_hole_stop(&hole);
}

static void ejected__works_again__comes_back_and_gets_its_share(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[40];
    f->options.eject_ns = 30 * MS;
    farm_start(&farm, f);
    const uint16_t port = farm.servers[0].port;
    server_stop(&farm, 0);
    lend(&farm, f, conns, 12);
    assert_int_equal(pool_name_figures(farm.name).ejected, 1);
    /* Probed, and failing, it is out for longer each time. */
    POOL_UNTIL(f, pool_name_figures(farm.name).ejections == 3);
    assert_int_equal(pool_name_figures(farm.name).ejected, 1);
    echo_start(&farm.servers[0], "127.0.0.2", port);
    POOL_UNTIL(f, pool_name_figures(farm.name).ejected == 0);
    for (unsigned i = 12; i < 40; i++)
        conns[i] = pool_ask_and_wait(f, farm.name);
    for (unsigned i = 0; i < 200 && farm.servers[0].accepted < 7; i++)
        usleep(1000);
    assert_true(farm.servers[0].accepted >= 7);
    give_back(conns, 40);
    farm_stop(&farm, f);
}

static void borrowers_say_bad__address_is_ejected(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[4];
    struct asker asker;
    f->options.max_per_address = 1;
    farm_start(&farm, f);
    for (unsigned round = 0; round < 3; round++) { /* it accepts each time, and fails in use */
        lend(&farm, f, conns, 4);
        for (unsigned i = 0; i < 4; i++)
            evpool_release(conns[i], !strstr(evpool_conn_address(conns[i]), "127.0.0.3:"));
        pool_spin(f, 2 * MS);
    }
    assert_int_equal(pool_name_figures(farm.name).ejections, 1);
    lend(&farm, f, conns, 3);
    pool_ask(farm.name, &asker, 20 * MS);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_acquire_timeout);
    give_back(conns, 3);
    farm_stop(&farm, f);
}

static void all_fail__all_ejected__tried_anyway(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct asker asker;
    f->options.backoff_ns = 1 * MS;
    f->options.eject_ns = 60 * SECOND;
    farm_start(&farm, f);
    const uint16_t port = farm.servers[0].port;
    for (unsigned i = 0; i < SERVERS; i++)
        server_stop(&farm, i);
    pool_ask(farm.name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(evpool_error_attempts(asker.error), 3 * SERVERS);
    assert_int_equal(pool_asker_code(&asker), EVPOOL_ERROR_connect_refused);
    assert_int_equal(pool_name_figures(farm.name).ejected, SERVERS);
    echo_start(&farm.servers[2], "127.0.0.4", port);
    struct evpool_conn *conn = pool_ask_and_wait(f, farm.name);
    assert_non_null(strstr(evpool_conn_address(conn), "127.0.0.4"));
    assert_int_equal(pool_name_figures(farm.name).ejected, SERVERS - 1);
    evpool_release(conn, true);
    farm_stop(&farm, f);
}

static void slow_start__returned_address__gets_less_at_first(struct pool_fixture *f)
{
    struct farm farm = {.name = NULL};
    struct evpool_conn *conns[60];
    f->options.eject_ns = 20 * MS;
    f->options.slow_start_ns = 30 * SECOND;
    farm_start(&farm, f);
    const uint16_t port = farm.servers[0].port;
    server_stop(&farm, 0);
    lend(&farm, f, conns, 12);
    echo_start(&farm.servers[0], "127.0.0.2", port);
    POOL_UNTIL(f, pool_name_figures(farm.name).ejected == 0);
    for (unsigned i = 12; i < 60; i++)
        conns[i] = pool_ask_and_wait(f, farm.name);
    struct evpool_figures figures;
    unsigned created = 0;
    for (unsigned i = 0; i < SERVERS; i++) {
        char address[64];
        assert_int_equal(evpool_address_figures(farm.name, i, address, sizeof address, &figures), 0);
        if (strstr(address, "127.0.0.2:"))
            created = (unsigned)figures.created;
    }
    assert_in_range(created, 1, 6); /* 12 would be its share */
    give_back(conns, 60);
    farm_stop(&farm, f);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(round_robin__connections__evenly),
        POOL_CASE(least_connections__connections__evenly),
        POOL_CASE(two_choices__connections__nearly_evenly),
        POOL_CASE(random__connections__all_are_used),
        POOL_CASE(round_robin__idle_ones__taken_from_all_addresses),
        POOL_CASE(per_address__limit__holds),
        POOL_CASE(one_refuses__others_are_used_and_nobody_fails),
        POOL_CASE(one_ejected__others__evenly),
        POOL_CASE(one_is_silent__ejected_by_lost_races__no_race_after),
        POOL_CASE(ejected__works_again__comes_back_and_gets_its_share),
        POOL_CASE(borrowers_say_bad__address_is_ejected),
        POOL_CASE(all_fail__all_ejected__tried_anyway),
        POOL_CASE(slow_start__returned_address__gets_less_at_first),
    };
    return pool_fixture_run("pool spread", cases, sizeof cases / sizeof *cases);
}
