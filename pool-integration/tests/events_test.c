/* SPDX-License-Identifier: ISC
 *
 * The pool's events, read back from this process's own session: every figure of the pool can be derived from them.
 */
#include "pool_fixture.h"

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONNS_MAX = 512, SPANS_MAX = 4096 };

/* What a reader of the events knows. */
struct account {
    struct evpool_figures figures;
    uint64_t wait_count, wait_sum, use_count, use_sum, connect_count, connect_sum, resolve_count;
    uint64_t ids[CONNS_MAX];
    int states[CONNS_MAX]; /* 0: gone */
    unsigned conns;
    uint64_t spans[SPANS_MAX];
    unsigned open, unmatched, depth, asked, orphans;
    bool story, stack;
};

static uint64_t field(const struct evtrail_event *event, const char *name)
{
    struct evtrail_value value = {0};
    const int index = evtrail_event_type_field(event->type, name);
    assert_true(index >= 0);
    assert_int_equal(0, evtrail_event_value(event, (unsigned)index, &value));
    return value.u;
}

static bool mentions(const struct evtrail_event *event, const char *name, const char *text)
{
    struct evtrail_value value = {0};
    assert_int_equal(0, evtrail_event_value(event, (unsigned)evtrail_event_type_field(event->type, name), &value));
    return memmem(value.data, value.bytes, text, strlen(text)) != NULL;
}

static void span(struct account *a, const struct evtrail_event *event)
{
    const uint64_t id = field(event, "span");
    unsigned i = 0;
    while (i < a->open && a->spans[i] != id)
        i++;
    if (event->type->kind == EVTRAIL_KIND_begin && a->open < SPANS_MAX)
        a->spans[a->open++] = id;
    else if (event->type->kind == EVTRAIL_KIND_end && i < a->open)
        a->spans[i] = a->spans[--a->open];
    else
        a->unmatched++;
}

static void conn(struct account *a, const struct evtrail_event *event)
{
    const uint64_t id = field(event, "conn");
    unsigned i = 0;
    while (i < a->conns && a->ids[i] != id)
        i++;
    assert_true(i < CONNS_MAX);
    if (i == a->conns)
        a->conns++;
    a->ids[i] = id;
    if (event->type->kind == EVTRAIL_KIND_state)
        a->states[i] = (int)field(event, "state");
    if (event->type->kind == EVTRAIL_KIND_gone)
        a->states[i] = 0;
}

static void acquire(struct account *a, const struct evtrail_event *event)
{
    if (event->type->kind != EVTRAIL_KIND_end)
        return;
    const uint64_t code = field(event, "code");
    if (code == EVPOOL_OK) {
        a->figures.acquired++;
        a->wait_count++;
        a->wait_sum += field(event, "wait");
        if (field(event, "wait") > a->figures.wait_max_ns)
            a->figures.wait_max_ns = field(event, "wait");
    }
    a->figures.acquire_timeouts += code == EVPOOL_ERROR_acquire_timeout;
    a->figures.acquire_cancelled += code == EVPOOL_ERROR_cancelled;
    a->figures.acquire_refused += code == EVPOOL_ERROR_queue_full;
}

/* A connection that is made because somebody waits is a part of that request. */
static void connecting(struct account *a, const struct evtrail_event *event)
{
    if (event->type->kind != EVTRAIL_KIND_begin)
        return;
    unsigned i = 0;
    while (i < a->open && a->spans[i] != field(event, "parent"))
        i++;
    a->asked += i < a->open;
    a->orphans += i == a->open && field(event, "why") == 1;
}

static void ended(struct account *a, const struct evtrail_event *event)
{
    if (event->type->kind != EVTRAIL_KIND_end)
        return;
    const uint64_t code = field(event, "code");
    if (code != EVPOOL_OK && code != EVPOOL_ERROR_cancelled)
        a->figures.errors[code]++;
}

static void take_conn(struct account *a, const struct evtrail_event *event, const char *what)
{
    if (strcmp(what, "created") == 0) {
        a->figures.created++;
        a->connect_count++;
        a->connect_sum += field(event, "took");
    } else if (strcmp(what, "reused") == 0) {
        a->figures.reused++;
    } else if (strcmp(what, "released") == 0) {
        a->figures.released++;
        a->use_count++;
        a->use_sum += field(event, "use");
    } else if (strcmp(what, "closed") == 0) {
        a->figures.closed[field(event, "reason")]++;
    }
}

static void take(struct account *a, const struct evtrail_event *event)
{
    const char *name = event->type->name + strlen("pool.");
    if (event->type->kind == EVTRAIL_KIND_begin || event->type->kind == EVTRAIL_KIND_end)
        span(a, event);
    if (strcmp(name, "conn") == 0)
        conn(a, event);
    else if (strncmp(name, "conn.", 5) == 0)
        take_conn(a, event, name + 5);
    else if (strcmp(name, "acquire") == 0)
        acquire(a, event);
    else if (strcmp(name, "connect") == 0)
        connecting(a, event);
    else if (strcmp(name, "attempt") == 0 || strcmp(name, "resolve") == 0)
        ended(a, event);
    else if (strcmp(name, "retry") == 0)
        a->figures.retries++;
    else if (strcmp(name, "address.ejected") == 0)
        a->figures.ejections++;
    else if (strcmp(name, "leak") == 0) {
        a->figures.leaks++;
        a->stack |= mentions(event, "stack", "[0x");
    } else if (strcmp(name, "queue") == 0 && field(event, "depth") > a->figures.waiting_max)
        a->figures.waiting_max = (unsigned)field(event, "depth");
    else if (strcmp(name, "error") == 0)
        a->story |= mentions(event, "story", "attempt 2 of 2");
}

static void count_states(struct account *a)
{
    for (unsigned i = 0; i < a->conns; i++) {
        a->figures.total += a->states[i] != 0;
        a->figures.idle += a->states[i] == 1;
        a->figures.active += a->states[i] == 2;
    }
}

/* Of the events since the test began. */
static uint64_t seen_before;
static struct account *read_all(void)
{
    struct account *a = calloc(1, sizeof *a);
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    uint64_t seen = 0;
    const struct evtrail_reader_options options = {.bytes = sizeof(options), .snapshot = true};
    assert_int_equal(0, evtrail_reader_new(&reader, &options));
    assert_true(evtrail_reader_add_path(reader, evtrail_session_path()) >= 0);
    while (evtrail_reader_next(reader, &event) > 0)
        if (event->what == EVTRAIL_EVENT && event->type && strncmp(event->type->name, "pool.", 5) == 0 &&
            seen++ >= seen_before)
            take(a, event);
    evtrail_reader_free(reader);
    count_states(a);
    seen_before = seen;
    return a;
}

/* ---- something of everything ---- */

static void borrow(struct pool_fixture *f, unsigned count)
{
    struct asker askers[20];
    for (unsigned i = 0; i < count; i++)
        pool_ask(f->name, &askers[i], 0);
    for (unsigned i = 0; i < count; i++) {
        POOL_UNTIL(f, askers[i].calls);
        pool_spin(f, 1 * MS);
        evpool_release(askers[i].conn, i % 5 != 4);
    }
}

static void give_up(struct pool_fixture *f)
{
    struct evpool_conn *all[3];
    struct asker late, cancelled, refused, others[3];
    for (unsigned i = 0; i < 3; i++)
        all[i] = pool_ask_and_wait(f, f->name);
    pool_ask(f->name, &late, 5 * MS);
    pool_ask(f->name, &cancelled, 0);
    for (unsigned i = 0; i < 3; i++)
        pool_ask(f->name, &others[i], 0);
    pool_ask(f->name, &refused, 0);
    evpool_cancel(&cancelled.request);
    POOL_UNTIL(f, late.calls && cancelled.calls && refused.calls);
    pool_asker_code(&late);
    pool_asker_code(&cancelled);
    pool_asker_code(&refused);
    POOL_UNTIL(f, pool_name_figures(f->name).leaks == 3);
    for (unsigned i = 0; i < 3; i++)
        evpool_release(all[i], true);
    for (unsigned i = 0; i < 3; i++) {
        POOL_UNTIL(f, others[i].calls);
        evpool_release(others[i].conn, true);
    }
}

static void be_refused(struct pool_fixture *f)
{
    struct asker asker;
    struct evpool_name *name = pool_name(f, "127.0.0.1", echo_nobody("127.0.0.1"));
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    pool_asker_code(&asker);
    evpool_name_put(name);
}

static void same(const struct evpool_figures *own, const struct evpool_figures *derived)
{
    assert_int_equal(own->total, derived->total);
    assert_int_equal(own->active, derived->active);
    assert_int_equal(own->idle, derived->idle);
    assert_int_equal(own->created, derived->created);
    assert_int_equal(own->reused, derived->reused);
    assert_int_equal(own->acquired, derived->acquired);
    assert_int_equal(own->released, derived->released);
    assert_int_equal(own->retries, derived->retries);
    assert_int_equal(own->ejections, derived->ejections);
    assert_int_equal(own->leaks, derived->leaks);
    assert_int_equal(own->acquire_timeouts, derived->acquire_timeouts);
    assert_int_equal(own->acquire_cancelled, derived->acquire_cancelled);
    assert_int_equal(own->acquire_refused, derived->acquire_refused);
    assert_int_equal(own->wait_max_ns, derived->wait_max_ns);
    for (unsigned i = 0; i < EVPOOL_REASONS; i++)
        assert_int_equal(own->closed[i], derived->closed[i]);
    for (unsigned i = 0; i < EVPOOL_CODES; i++)
        assert_int_equal(own->errors[i], derived->errors[i]);
}

static void events__something_of_everything__agree_with_the_figures(struct pool_fixture *f)
{
    free(read_all());
    f->options.max_per_name = 3;
    f->options.waiters_max = 5;
    f->options.eject_failures = 2;
    f->options.retries = 1;
    f->options.backoff_ns = 1 * MS;
    f->options.leak_ns = 30 * MS;
    pool_open(f);
    borrow(f, 5);
    borrow(f, 5);
    give_up(f);
    be_refused(f);
    evpool_release(pool_ask_and_wait(f, f->name), true);
    struct evpool_conn *lent = pool_ask_and_wait(f, f->name);
    echo_drop(&f->server);
    POOL_UNTIL(f, pool_name_figures(f->name).total == 1);
    pool_spin(f, 5 * MS);

    struct evpool_figures own, named;
    struct evpool_times *times = calloc(1, sizeof *times);
    evpool_figures(f->pool, &own);
    evpool_name_figures(f->name, &named, times);
    struct account *a = read_all();
    same(&own, &a->figures);
    assert_int_equal(a->unmatched, 0);
    assert_int_equal(a->open, 0);
    assert_true(a->asked >= 5);
    assert_int_equal(a->orphans, 0);
    assert_true(a->story);
    assert_true(a->stack);
    assert_int_equal(named.waiting_max, a->figures.waiting_max);
    assert_int_equal(times->wait.count, a->wait_count);
    assert_int_equal(times->wait.sum_ns, a->wait_sum);
    assert_int_equal(times->use.count, a->use_count);
    assert_int_equal(times->use.sum_ns, a->use_sum);
    assert_int_equal(times->connect.count, a->connect_count);
    assert_int_equal(times->connect.sum_ns, a->connect_sum);
    free(a);
    free(times);
    evpool_release(lent, true);
    pool_shut(f);
    a = read_all();
    assert_int_equal(a->figures.closed[EVPOOL_CLOSED_remote] + a->figures.closed[EVPOOL_CLOSED_shutdown], 1);
    assert_int_equal(a->figures.total, 0);
    free(a);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(events__something_of_everything__agree_with_the_figures),
    };
    if (!evtrail_session_path()) { /* the session is made at load: where the environment says */
        printf("skipped: there is no session to read (tracing is off in this environment)\n");
        return 0;
    }
    assert_true(evtrail_rule("pool:trace") >= 0);
    return pool_fixture_run("pool events", cases, sizeof cases / sizeof *cases);
}
