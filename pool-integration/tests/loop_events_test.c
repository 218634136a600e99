/* SPDX-License-Identifier: ISC
 *
 * The loop's events, read back from this process's own session: they agree with the loop's figures.
 */
#include "loop_fixture.h"
#include "own_events.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ROUNDS = 50, OPEN_MAX = 64 };

/* What a reader of the events knows. */
struct account {
    uint64_t begun, ended, submitted, completed, iterations, busy_ns, idle_ns, timers_fired, wakeups, posts, started,
        stopped;
    uint64_t open[OPEN_MAX]; /* spans */
    unsigned unmatched;
    uint64_t parent; /* of the last operation */
    char backend[16];
};

static void begin_span(struct account *a, uint64_t span)
{
    for (int i = 0; i < OPEN_MAX; i++)
        if (!a->open[i]) {
            a->open[i] = span;
            return;
        }
    a->unmatched++;
}

static void end_span(struct account *a, uint64_t span)
{
    for (int i = 0; i < OPEN_MAX; i++)
        if (a->open[i] == span) {
            a->open[i] = 0;
            return;
        }
    a->unmatched++;
}

static void take_op(struct account *a, const struct evtrail_event *event)
{
    if (event->type->kind == EVTRAIL_KIND_begin) {
        a->begun++;
        a->parent = own_events_field(event, "parent");
        begin_span(a, own_events_field(event, "span"));
    } else {
        a->ended++;
        end_span(a, own_events_field(event, "span"));
    }
}

static void take(void *arg, const struct evtrail_event *event)
{
    struct account *a = arg;
    const char *name = event->type->name;
    if (strcmp(name, "loop.op") == 0) {
        take_op(a, event);
    } else if (strcmp(name, "loop.iteration") == 0) {
        a->iterations++;
        a->busy_ns += own_events_field(event, "busy");
        a->idle_ns += own_events_field(event, "idle");
    } else if (strcmp(name, "loop.submitted") == 0) {
        a->submitted += own_events_field(event, "count");
    } else if (strcmp(name, "loop.completed") == 0) {
        a->completed += own_events_field(event, "count");
    } else if (strcmp(name, "loop.timer.fired") == 0) {
        a->timers_fired++;
    } else if (strcmp(name, "loop.wakeup") == 0) {
        a->wakeups++;
        a->posts += own_events_field(event, "posts");
    } else if (strcmp(name, "loop.started") == 0) {
        struct evtrail_value value;
        assert_int_equal(0, evtrail_event_value(event, 1, &value));
        snprintf(a->backend, sizeof(a->backend), "%.*s", (int)value.bytes, value.data);
        a->started++;
    } else if (strcmp(name, "loop.stopped") == 0) {
        a->stopped++;
    }
}

static struct account read_all(void)
{
    struct account a = {0};
    assert_int_equal(0, own_events_each("loop.*", take, &a));
    return a;
}

static void fire(struct evloop_timer *timer)
{
    (void)timer;
}

static void work(struct evloop *loop, int pair[2])
{
    struct told reading = {0}, writing = {0}, watch = {0};
    struct evloop_timer timer = {0};
    char text[8];
    evloop_watch(loop, &watch.op, pair[0], EPOLLRDHUP, tell);
    for (int i = 1; i <= ROUNDS; i++) {
        reading.op.parent = 4711;
        evloop_recv(loop, &reading.op, pair[0], text, sizeof(text), tell);
        evloop_send(loop, &writing.op, pair[1], "hi", 2, tell);
        evloop_timer_start(loop, &timer, evloop_now_ns(loop) + 10000, fire);
        LOOP_UNTIL(loop, reading.calls == i && writing.calls == i && !evloop_timer_armed(&timer));
    }
    evloop_cancel(loop, &watch.op);
    LOOP_UNTIL(loop, !evloop_busy(&watch.op));
}

static void events__after_work__agree_with_the_figures(struct loop_fixture *f)
{
    const struct evloop_options options = {.bytes = sizeof(options), .backend = f->backend};
    const struct account before = read_all();
    struct evloop *loop;
    struct evloop_figures figures;
    assert_int_equal(0, evloop_new(&loop, &options));
    work(loop, f->pair);
    evloop_figures(loop, &figures);
    const char *backend = evloop_backend(loop);
    evloop_free(loop);
    const struct account a = read_all();
    assert_int_equal(0, a.unmatched);
    for (int i = 0; i < OPEN_MAX; i++)
        assert_int_equal(0, a.open[i]);
    assert_int_equal(2 * ROUNDS + 1, figures.operations);
    assert_int_equal(figures.operations, a.begun - before.begun);
    assert_int_equal(figures.completions, a.ended - before.ended);
    assert_int_equal(figures.iterations, a.iterations - before.iterations);
    assert_int_equal(figures.busy_ns, a.busy_ns - before.busy_ns);
    assert_int_equal(figures.idle_ns, a.idle_ns - before.idle_ns);
    assert_int_equal(figures.timers_fired, a.timers_fired - before.timers_fired);
    assert_int_equal(1, a.started - before.started);
    assert_int_equal(1, a.stopped - before.stopped);
    assert_true(a.completed > before.completed);
    assert_true(f->backend == EVLOOP_EPOLL || a.submitted > before.submitted);
    assert_string_equal(backend, a.backend);
}

static void event__operation_with_a_parent__carries_it(struct loop_fixture *f)
{
    struct told told = {.op.parent = 99};
    evloop_send(f->loop, &told.op, f->pair[0], "x", 1, tell);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(99, read_all().parent);
}

static void no_call(struct evloop_post *post)
{
    (void)post;
}

static void *post_one(void *arg)
{
    static struct evloop_post post = {.call = no_call};
    usleep(20000);
    evloop_post(arg, &post);
    return NULL;
}

static void event__post_from_another_thread__wakeup_with_its_count(struct loop_fixture *f)
{
    pthread_t thread;
    const struct account before = read_all();
    assert_int_equal(0, pthread_create(&thread, NULL, post_one, f->loop));
    struct evloop_figures figures;
    do /* asleep until then: a wait that ends by its own time might see the post and need no wake-up */
        assert_true(evloop_run_once(f->loop, UINT64_MAX) >= 0);
    while (evloop_figures(f->loop, &figures), figures.posts == 0);
    pthread_join(thread, NULL);
    const struct account after = read_all();
    assert_int_equal(1, after.wakeups - before.wakeups);
    assert_int_equal(1, after.posts - before.posts);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(events__after_work__agree_with_the_figures),
        LOOP_CASE(event__operation_with_a_parent__carries_it),
        LOOP_CASE(event__post_from_another_thread__wakeup_with_its_count),
    };
    if (!own_events_begin("loop:trace")) { /* the session is made at load: where the environment says */
        printf("skipped: there is no session to read (tracing is off in this environment)\n");
        return 0;
    }
    return loop_fixture_run("loop_events", cases, sizeof(cases) / sizeof(*cases));
}
