/* SPDX-License-Identifier: ISC
 *
 * The loop's timers, with io_uring and with epoll.
 */
#include "loop_fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct noted {
    struct evloop_timer timer;
    struct evloop *loop;
    unsigned fired;
    uint64_t late_ns;
};
static uint64_t last_deadline_ns;
static unsigned fired_all, out_of_order;

static void note(struct evloop_timer *timer)
{
    struct noted *noted = (struct noted *)timer;
    noted->fired++;
    noted->late_ns = evloop_update_now(noted->loop) - timer->deadline_ns;
    out_of_order += timer->deadline_ns < last_deadline_ns;
    last_deadline_ns = timer->deadline_ns;
    fired_all++;
}

static void reset(void)
{
    last_deadline_ns = fired_all = out_of_order = 0;
}

static void timer__deadline__not_early_and_hardly_late(struct loop_fixture *f)
{
    uint64_t best_ns = UINT64_MAX;
    reset();
    for (int i = 0; i < 20; i++) {
        struct noted one = {.loop = f->loop};
        assert_int_equal(0, evloop_timer_start(f->loop, &one.timer, evloop_update_now(f->loop) + 2000000, note));
        assert_true(evloop_timer_armed(&one.timer));
        LOOP_UNTIL(f->loop, one.fired);
        assert_false(evloop_timer_armed(&one.timer));
        assert_true((int64_t)one.late_ns >= 0);
        best_ns = one.late_ns < best_ns ? one.late_ns : best_ns;
    }
    printf("best lateness %.1f us\n", (double)best_ns / 1000);
    assert_true(best_ns < 2000000); /* that of a busy machine; a quiet one: 60 us */
}

enum { MANY = 10000 };

static void timer__ten_thousand_at_random__in_order(struct loop_fixture *f)
{
    struct noted *timers = calloc(MANY, sizeof(*timers));
    const uint64_t now_ns = evloop_update_now(f->loop);
    unsigned stopped = 0;
    reset();
    srand(1);
    for (int i = 0; i < MANY; i++) {
        timers[i].loop = f->loop;
        assert_int_equal(0, evloop_timer_start(f->loop, &timers[i].timer, now_ns + (uint64_t)rand() % 50000000, note));
    }
    for (int i = 0; i < MANY; i += 3) /* moved, some to the past */
        assert_int_equal(
            0, evloop_timer_start(f->loop, &timers[i].timer, now_ns - 1000000 + (uint64_t)rand() % 50000000, note));
    for (int i = 0; i < MANY; i += 7, stopped++) {
        evloop_timer_stop(f->loop, &timers[i].timer);
        evloop_timer_stop(f->loop, &timers[i].timer);
    }
    struct evloop_figures figures;
    evloop_figures(f->loop, &figures);
    assert_int_equal(MANY - stopped, figures.timers);
    LOOP_UNTIL(f->loop, fired_all == MANY - stopped);
    assert_int_equal(0, out_of_order);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(i % 7 != 0, timers[i].fired);
    evloop_figures(f->loop, &figures);
    assert_int_equal(0, figures.timers);
    assert_int_equal(MANY - stopped, figures.timers_fired);
    free(timers);
}

static struct noted couple[2];
static void stop_other(struct evloop_timer *timer)
{
    note(timer);
    evloop_timer_stop(couple[0].loop, &couple[timer == &couple[0].timer].timer);
}

static void timer__stopped_by_one_due_at_once__not_called(struct loop_fixture *f)
{
    reset();
    couple[0] = couple[1] = (struct noted){.loop = f->loop};
    for (int i = 0; i < 2; i++)
        evloop_timer_start(f->loop, &couple[i].timer, evloop_now_ns(f->loop), stop_other);
    assert_int_equal(1, evloop_run_once(f->loop, UINT64_MAX));
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(1, couple[0].fired + couple[1].fired);
}

static void start_again(struct evloop_timer *timer)
{
    note(timer);
    evloop_timer_start(((struct noted *)timer)->loop, timer, 0, start_again); /* long past */
}

static void timer__past_and_started_in_its_call__once_an_iteration(struct loop_fixture *f)
{
    struct noted one = {.loop = f->loop};
    reset();
    evloop_timer_start(f->loop, &one.timer, 1, start_again);
    assert_int_equal(0, one.fired);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(1, evloop_run_once(f->loop, UINT64_MAX));
        assert_int_equal(i, one.fired);
    }
    evloop_timer_stop(f->loop, &one.timer);
}

static void timer__moved_later__fires_then_only(struct loop_fixture *f)
{
    struct noted one = {.loop = f->loop};
    const uint64_t now_ns = evloop_update_now(f->loop);
    reset();
    evloop_timer_start(f->loop, &one.timer, now_ns + 1000000, note);
    evloop_timer_start(f->loop, &one.timer, now_ns + 10000000, note);
    LOOP_UNTIL(f->loop, one.fired);
    assert_true(evloop_now_ns(f->loop) >= now_ns + 10000000);
    assert_int_equal(1, one.fired);
}

static void timer__short_wait_asked_for__does_not_wait_for_it(struct loop_fixture *f)
{
    struct noted one = {.loop = f->loop};
    const uint64_t now_ns = evloop_update_now(f->loop);
    evloop_timer_start(f->loop, &one.timer, now_ns + 60000000000, note);
    assert_int_equal(0, evloop_run_once(f->loop, 1000000));
    assert_true(evloop_update_now(f->loop) >= now_ns + 1000000);
    assert_true(evloop_timer_armed(&one.timer));
    evloop_timer_stop(f->loop, &one.timer);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(timer__deadline__not_early_and_hardly_late),
        LOOP_CASE(timer__ten_thousand_at_random__in_order),
        LOOP_CASE(timer__stopped_by_one_due_at_once__not_called),
        LOOP_CASE(timer__past_and_started_in_its_call__once_an_iteration),
        LOOP_CASE(timer__moved_later__fires_then_only),
        LOOP_CASE(timer__short_wait_asked_for__does_not_wait_for_it),
    };
    return loop_fixture_run("loop_timers", cases, sizeof(cases) / sizeof(*cases));
}
