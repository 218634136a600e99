/* SPDX-License-Identifier: ISC
 *
 * A new connection whose waiter, in another thread, has given it back before the loop's thread looks at it again: it is idle once, or closed once.
 */
#include "pool_fixture.h"

#include "after_deliver.h"
#include "real.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic unsigned given_back, seen, passed;

/* 5 s at most. */
static bool wait_for(_Atomic unsigned *flag)
{
    for (unsigned i = 0; i < 50000 && !*flag; i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return *flag;
}

/* In the loop's thread: the waiter is served, and first gives back what it got. */
static void let_it_come_back(void)
{
    seen = wait_for(&given_back);
}

static void pass(struct evloop_post *post)
{
    (void)post;
    passed = 1;
}

/* Until the loop has done all that it had to do for this. */
static void borrow(struct pool_fixture *f, bool ok)
{
    static struct evloop_post barrier = {.call = pass};
    struct evpool_conn *conn = NULL;
    given_back = seen = passed = 0;
    after_deliver = let_it_come_back;
    assert_int_equal(evpool_acquire_wait(f->name, 0, &conn, NULL), 0);
    after_deliver = NULL;
    evpool_release(conn, ok);
    given_back = 1;
    assert_true(wait_for(&seen)); /* else the test shows nothing */
    evloop_post(f->loop, &barrier);
    assert_true(wait_for(&passed));
}

static void hand_out__back_already__idle_once(struct pool_fixture *f)
{
    struct evpool_conn *conn = NULL, *none = NULL;
    f->options.max_per_name = 1;
    pool_open(f);
    pool_thread(f);
    borrow(f, true);
    struct evpool_figures figures = pool_name_figures(f->name);
    assert_int_equal(figures.created, 1);
    assert_int_equal(figures.total, 1);
    assert_int_equal(figures.idle, 1);
    assert_int_equal(evpool_try(f->name, &conn), 1);
    assert_int_equal(evpool_try(f->name, &none), 0); /* it lies nowhere a second time */
    figures = pool_name_figures(f->name);
    assert_int_equal(figures.idle, 0);
    assert_int_equal(figures.active, 1);
    evpool_release(conn, true);
}

static void hand_out__back_already_and_bad__closed_once(struct pool_fixture *f)
{
    f->options.max_per_name = 1;
    pool_open(f);
    pool_thread(f);
    borrow(f, false);
    assert_true(REAL_UNTIL(pool_name_figures(f->name).total == 0));
    const struct evpool_figures figures = pool_name_figures(f->name);
    assert_int_equal(figures.closed[EVPOOL_CLOSED_error], 1);
    assert_int_equal(figures.created, 1);
    assert_int_equal(figures.idle, 0);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(hand_out__back_already__idle_once),
        POOL_CASE(hand_out__back_already_and_bad__closed_once),
    };
    return pool_fixture_run("pool hand out", cases, sizeof cases / sizeof *cases);
}
