/* SPDX-License-Identifier: ISC
 *
 * Connections with several users at once, beside names that want their place.
 */
#include "pool_fixture.h"

#include <string.h>

/* Users come and go and never leave the connection alone, while another name waits for the pool's only place. */
static void shared__always_in_use__makes_room_for_another_name(struct pool_fixture *f)
{
    struct echo_server other;
    struct asker users[100], waiter;
    echo_start(&other, "127.0.0.2", 0);
    f->options.max_total = 1;
    f->options.shared = 3;
    f->options.acquire_timeout_ns = 2 * SECOND;
    pool_open(f);
    pool_ask(f->name, &users[0], 0);
    POOL_UNTIL(f, users[0].calls);
    struct evpool_name *name = pool_name(f, "127.0.0.2", other.port);
    pool_ask(name, &waiter, 0);
    pool_spin(f, 2 * MS);
    for (unsigned i = 1; i < 100 && !waiter.calls; i++) {
        pool_ask(f->name, &users[i], 0);
        pool_spin(f, 1 * MS);
        evpool_release(users[i - 1].conn, true); /* after the next has asked */
        pool_spin(f, 1 * MS);
        if (users[i].conn)
            continue;
        POOL_UNTIL(f, waiter.calls); /* it waits behind the other name */
        assert_non_null(waiter.conn);
        evpool_release(waiter.conn, true);
        POOL_UNTIL(f, users[i].calls);
        assert_non_null(users[i].conn);
        evpool_release(users[i].conn, true);
    }
    assert_int_equal(waiter.calls, 1);
    assert_non_null(waiter.conn);
    evpool_name_put(name);
    pool_shut(f);
    echo_stop(&other);
}

/* The other name gives up: those who wait behind it go on with the connection that there is. */
static void shared__other_name_gives_up__lent_on(struct pool_fixture *f)
{
    struct echo_server other;
    struct asker first, second, third, waiter;
    echo_start(&other, "127.0.0.2", 0);
    f->options.max_total = 1;
    f->options.shared = 3;
    pool_open(f);
    pool_ask(f->name, &first, 0);
    POOL_UNTIL(f, first.calls);
    pool_ask(f->name, &second, 0);
    POOL_UNTIL(f, second.calls);
    struct evpool_name *name = pool_name(f, "127.0.0.2", other.port);
    pool_ask(name, &waiter, 0);
    pool_spin(f, 2 * MS);
    pool_ask(f->name, &third, 0);
    pool_spin(f, 2 * MS);
    evpool_cancel(&waiter.request);
    POOL_UNTIL(f, waiter.calls);
    pool_asker_code(&waiter);
    evpool_release(first.conn, true);
    POOL_UNTIL(f, third.calls);
    assert_ptr_equal(third.conn, second.conn);
    evpool_release(second.conn, true);
    evpool_release(third.conn, true);
    assert_int_equal(pool_name_figures(f->name).idle, 1);
    evpool_name_put(name);
    pool_shut(f);
    echo_stop(&other);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(shared__always_in_use__makes_room_for_another_name),
        POOL_CASE(shared__other_name_gives_up__lent_on),
    };
    return pool_fixture_run("pool shared", cases, sizeof cases / sizeof *cases);
}
