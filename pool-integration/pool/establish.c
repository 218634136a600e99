/* SPDX-License-Identifier: ISC
 *
 * How one connection comes about: the name is looked up, the addresses are tried in rounds, between rounds there is a pause that
 * doubles, with full jitter. It is nobody's in particular: whoever is first in the queue when it is ready gets it, and if it fails for good, those
 * whom no other one can serve are told.
 */
#include "steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_resolve, PHASE_connect, PHASE_pause };

struct establish {
    struct list place; /* the name's */
    struct evpool_name *name;
    struct address *chosen; /* counted there; NULL: not yet */
    struct evloop_timer timer;
    struct evpool_error *error; /* of the rounds so far */
    uint64_t span, began_ns;
    unsigned round; /* from 1 */
    unsigned attempts, epoch;
    enum why why;
    enum phase phase;
    bool cancelled;
    struct connector connector;
    struct connector_target targets[CONNECTOR_TARGETS_MAX];
};

static void round_start(struct establish *establish);

void choose_locked(struct address *address)
{
    address->count++;
    if (address->state == ADDRESS_probing)
        address->probe = true;
}

void unchoose_locked(struct address *address)
{
    address->count--;
    address->probe = false;
}

/* ---- the end ---- */

/* How many waiters a failure concerns: those that the connections still being made cannot serve; of a name that has working connections, one. */
static unsigned concerned_locked(const struct evpool_name *name)
{
    const unsigned served = name->pending * name->pool->options.shared;
    const unsigned left = name->waiting > served ? name->waiting - served : 0;
    return left > 0 && name->count > name->pending ? 1 : left;
}

/* Gives back what was reserved. */
static void unreserve(struct establish *establish, bool failed, unsigned *ret_concerned)
{
    struct evpool_name *name = establish->name;
    struct evpool *pool = name->pool;
    const uint64_t pause = pool->options.backoff_max_ns < 1000000000u ? pool->options.backoff_max_ns : 1000000000u;
    pool_lock(pool);
    if (establish->chosen)
        unchoose_locked(establish->chosen);
    establish->chosen = NULL;
    name->pending--;
    name->count--;
    pool->count--;
    if (failed)
        name->warm_ns = time_after(evloop_now_ns(pool->loop), pause);
    *ret_concerned = concerned_locked(name);
    hungry_locked(name);
    name_stale_locked(name);
    pool_unlock(pool);
}

static void establish_free(struct establish *establish)
{
    struct evpool *pool = establish->name->pool;
    list_del(&establish->place);
    evpool_error_free(establish->error);
    free(establish);
    work_post(pool);
}

/* Nothing came of it, and nobody is told: cancelled, or not needed any more. */
static void establish_drop(struct establish *establish, enum evpool_code code)
{
    unsigned concerned;
    pool_trace_connect_end(establish->span, code, 0, establish->attempts);
    unreserve(establish, false, &concerned);
    establish_free(establish);
}

static struct evpool_error *whole_story(struct establish *establish, uint64_t now)
{
    const uint64_t took = time_since(now, establish->began_ns);
    struct evpool_error *error = establish->error;
    const enum evpool_code code = evpool_error_code(error);
    struct error_duration duration;
    establish->error = NULL;
    error = error_wrap(error, code, 0, now, 0, "name", "%s", establish->name->label);
    return error_wrap(error, code, 0, now, took, "acquire", "after %u attempt%s over %s", establish->attempts,
                      establish->attempts == 1 ? "" : "s", error_duration(&duration, took));
}

static void establish_fail(struct establish *establish)
{
    struct evpool_name *name = establish->name;
    const uint64_t now = evloop_now_ns(name->pool->loop), began = establish->began_ns;
    struct evpool_error *error = whole_story(establish, now);
    unsigned concerned;
    pool_trace_connect_end(establish->span, evpool_error_code(error), 0, establish->attempts);
    unreserve(establish, true, &concerned);
    queue_fail(name, concerned, began, evpool_error_code(error), error);
    evpool_error_free(error);
    establish_free(establish);
}

/* ---- between rounds ---- */

static bool worth_another_try(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_invalid:
    case EVPOOL_ERROR_resolve_none:
    case EVPOOL_ERROR_tls_untrusted:
    case EVPOOL_ERROR_tls_name:
    case EVPOOL_ERROR_cancelled:
    case EVPOOL_ERROR_closed:
        return false;
    default:
        return true;
    }
}

/* Those who wanted it may have been served meanwhile. */
static bool still_wanted(const struct establish *establish)
{
    struct evpool_name *name = establish->name;
    pool_lock(name->pool);
    name->pending--;
    const bool wanted = need_locked(name, NEVER) > 0;
    name->pending++;
    pool_unlock(name->pool);
    return wanted;
}

static void pause_over(struct evloop_timer *timer)
{
    struct establish *establish = LIST_OF(timer, struct establish, timer);
    pool_enter(establish->name->pool);
    if (!still_wanted(establish)) {
        establish_drop(establish, EVPOOL_ERROR_cancelled);
        return;
    }
    establish->round++;
    round_start(establish);
}

/* Exponential backoff with full jitter: anything from nothing to the doubled time, so that many who failed together do not come back together. */
static uint64_t backoff_ns(struct evpool *pool, unsigned round)
{
    uint64_t most = pool->options.backoff_ns;
    for (unsigned i = 1; i < round && most < pool->options.backoff_max_ns; i++)
        most *= 2;
    if (most > pool->options.backoff_max_ns)
        most = pool->options.backoff_max_ns;
    pool_lock(pool);
    const uint64_t random = random_locked(pool);
    pool_unlock(pool);
    return most ? random % (most + 1) : 0;
}

/* For those whose time ends before ours: what went wrong last. */
static void story_keep(struct establish *establish)
{
    struct evpool_name *name = establish->name;
    char story[sizeof name->story];
    evpool_error_print(establish->error, story, sizeof story);
    pool_lock(name->pool);
    memcpy(name->story, story, sizeof story);
    pool_unlock(name->pool);
}

/* establish->error says why. */
static void round_failed(struct establish *establish)
{
    struct evpool_name *name = establish->name;
    struct evpool *pool = name->pool;
    const enum evpool_code code = evpool_error_code(establish->error);
    if (establish->cancelled) {
        establish_drop(establish, EVPOOL_ERROR_cancelled);
        return;
    }
    story_keep(establish);
    if (code == EVPOOL_ERROR_descriptors)
        evict_for(name); /* so that the next round may have one */
    if (establish->why == WHY_probe || establish->round > pool->options.retries || !worth_another_try(code) ||
        !still_wanted(establish)) {
        establish_fail(establish);
        return;
    }
    const uint64_t backoff = backoff_ns(pool, establish->round);
    establish->phase = PHASE_pause;
    if (evloop_timer_start(pool->loop, &establish->timer, time_after(evloop_now_ns(pool->loop), backoff), pause_over) <
        0) {
        establish_fail(establish);
        return;
    }
    pool_trace_retry(establish->span, name->id, establish->round + 1, backoff);
    pool_lock(pool);
    name->figures.retries++;
    if (establish->chosen)
        unchoose_locked(establish->chosen);
    establish->chosen = NULL;
    pool_unlock(pool);
}

/* ---- one round ---- */

/* An address that had a whole attempt delay for itself, and lost all the same, is as good as silent: every connection that began with it
 * would wait for that long first. */
static bool lost_by_silence(const struct connector *connector, const struct connector_target *target)
{
    return connector->winner && target->tried && target->code == EVPOOL_ERROR_cancelled &&
           target->took_ns >= connector->attempt_delay_ns;
}

/* What the attempts say about their addresses. */
static void judge(struct establish *establish)
{
    struct evpool_name *name = establish->name;
    struct evpool *pool = name->pool;
    const uint64_t now = evloop_now_ns(pool->loop);
    struct connector *connector = &establish->connector;
    pool_lock(pool);
    name->figures.races += connector->races;
    name->figures.handshakes += connector->handshakes;
    name->figures.resumed += connector->resumed;
    pool_unlock(pool);
    for (unsigned i = 0; i < connector->targets_count; i++) {
        const struct connector_target *target = &connector->targets[i];
        struct address *address = target->arg;
        struct verdict verdict = {0};
        const bool failed = target->tried && target->code != EVPOOL_OK && target->code != EVPOOL_ERROR_cancelled;
        pool_lock(pool);
        address->holds--;
        if (failed) {
            name->figures.errors[target->code]++;
            address->figures.errors[target->code]++;
        }
        if (address->state == ADDRESS_retired)
            ;
        else if ((failed && code_blames_address(target->code)) || lost_by_silence(connector, target))
            verdict = eject_failure_locked(address, true, now);
        else if (target == connector->winner)
            verdict = eject_success_locked(address, now);
        pool_unlock(pool);
        eject_tell(&verdict);
    }
}

/* What was reserved becomes a connection of the address that won. */
static void adopt_locked(struct establish *establish, struct evpool_conn *conn)
{
    struct evpool_name *name = establish->name;
    const struct connector *connector = &establish->connector;
    unchoose_locked(establish->chosen);
    establish->chosen = NULL;
    conn->address->count++;
    list_push_back(&conn->address->conns, &conn->among);
    name->pending--;
    name->figures.created++;
    conn->address->figures.created++;
    pool_histogram_add(&name->times.connect, connector->connect_ns);
    if (name->tls)
        pool_histogram_add(&name->times.tls, connector->tls_ns);
    name->story[0] = '\0';
    name->warm_ns = 0;
    if (conn->address->count > name->pool->options.max_per_address)
        conn->reason = EVPOOL_CLOSED_evicted; /* it won at an address that filled up meanwhile */
}

/* To as many waiters as it may serve, else to the idle ones. */
static void hand_out(struct evpool_conn *conn)
{
    struct evpool *pool = conn->pool;
    const uint64_t now = evloop_now_ns(pool->loop);
    struct evpool_request *request;
    bool ours =
        true; /* once it is delivered, its borrower may have given it back: idle or closed, it has been seen to */
    do {
        pool_lock(pool);
        request = NULL;
        const enum evpool_reason reason = why_close_locked(conn, now);
        const bool more = users_locked(conn) > 0 && conn_name(conn)->first && !list_empty(&conn->place);
        if (!reason && (ours || more))
            request = offer_locked(conn, now);
        else if (reason && ours)
            close_locked(conn, reason);
        ours = false;
        pool_unlock(pool);
        if (request)
            request_deliver(request);
    } while (request);
}

static void connected(struct establish *establish)
{
    struct connector *connector = &establish->connector;
    struct evpool *pool = establish->name->pool;
    struct evpool_conn *conn;
    struct address *address = connector->winner->arg;
    const int r = conn_new(&conn, address, connector->stream, establish->epoch);
    if (r < 0) {
        establish->error = error_wrap(NULL, EVPOOL_ERROR_memory, ENOMEM, evloop_now_ns(pool->loop), 0, "pool",
                                      "no memory for a connection");
        round_failed(establish);
        return;
    }
    pool_lock(pool);
    adopt_locked(establish, conn);
    pool_unlock(pool);
    step_created(conn, connector->connect_ns);
    pool_trace_connect_end(establish->span, EVPOOL_OK, conn->id, establish->attempts);
    life_begin(conn);
    if (pool->options.hooks.created)
        pool->options.hooks.created(conn, pool->options.hooks.arg);
    establish_free(establish);
    hand_out(conn);
}

static void connector_done(struct connector *connector)
{
    struct establish *establish = LIST_OF(connector, struct establish, connector);
    struct evpool_name *name = establish->name;
    pool_enter(name->pool);
    establish->attempts = connector->attempts;
    establish->error = connector->error;
    connector->error = NULL;
    judge(establish);
    if (connector->stream)
        connected(establish);
    else
        round_failed(establish);
    name_timer_set(name); /* the caller still has the name: it is freed by the next work at the earliest */
}

static unsigned targets_fill(struct establish *establish)
{
    struct address *set[CONNECTOR_TARGETS_MAX];
    const unsigned most = establish->why == WHY_probe ? 1 : CONNECTOR_TARGETS_MAX;
    const unsigned count = spread_targets_locked(establish->name, establish->chosen, set, most);
    for (unsigned i = 0; i < count; i++) {
        establish->targets[i] =
            (struct connector_target){.peer = set[i]->peer, .address_id = set[i]->id, .arg = set[i]};
        set[i]->holds++;
    }
    return count;
}

static void connect_start(struct establish *establish)
{
    struct evpool_name *name = establish->name;
    const struct evpool_options *options = &name->pool->options;
    const unsigned rounds = establish->why == WHY_probe ? 1 : options->retries + 1;
    pool_lock(name->pool);
    if (!establish->chosen || establish->chosen->state == ADDRESS_retired) {
        if (establish->chosen)
            unchoose_locked(establish->chosen);
        establish->chosen = spread_connect_locked(name, evloop_now_ns(name->pool->loop));
        if (establish->chosen)
            choose_locked(establish->chosen);
    }
    const unsigned count = establish->chosen ? targets_fill(establish) : 0;
    establish->epoch = name->epoch;
    pool_unlock(name->pool);
    if (count == 0) { /* all addresses are full: the name is looked at again when one of its connections closes */
        establish_drop(establish, EVPOOL_ERROR_cancelled);
        return;
    }
    establish->phase = PHASE_connect;
    establish->connector =
        (struct connector){.loop = name->pool->loop,
                           .targets = establish->targets,
                           .targets_count = count,
                           .tls = name->tls,
                           .attempt_delay_ns = options->attempt_delay_ns,
                           .connect_timeout_ns = options->connect_timeout_ns,
                           .tls_timeout_ns = options->tls_timeout_ns,
                           .attempts_before = establish->attempts,
                           .attempts_of = establish->attempts + count * (rounds - establish->round + 1),
                           .span = establish->span,
                           .name_id = name->id,
                           .error = establish->error,
                           .call = connector_done};
    establish->error = NULL;
    connector_start(&establish->connector);
}

static void round_start(struct establish *establish)
{
    establish->phase = PHASE_resolve;
    if (name_look_up(establish->name, establish->span))
        connect_start(establish);
}

/* ---- from outside ---- */

/* No memory even to begin: told to one who waits, or tried again later. */
static void not_begun(struct evpool_name *name, struct address *chosen)
{
    unsigned concerned;
    struct establish none = {.name = name, .chosen = chosen};
    unreserve(&none, true, &concerned);
    queue_fail(name, concerned, NEVER, EVPOOL_ERROR_memory, NULL);
}

/* The span of the request that it is made for: connections being made are as many as requests wait, and go to them in their order. */
static uint64_t asking_span(struct evpool_name *name, enum why why)
{
    if (why != WHY_waiter)
        return 0;
    pool_lock(name->pool);
    const struct evpool_request *request = name->first;
    for (unsigned i = name->pool->options.shared; request && i < name->pending * name->pool->options.shared; i++)
        request = request->next;
    const uint64_t span = request ? request->span : 0;
    pool_unlock(name->pool);
    return span;
}

void establish_start(struct evpool_name *name, struct address *chosen, enum why why)
{
    struct establish *establish = calloc(1, sizeof *establish);
    if (!establish) {
        not_begun(name, chosen);
        return;
    }
    establish->name = name;
    establish->chosen = chosen;
    establish->why = why;
    establish->round = 1;
    establish->began_ns = clock_ns(); /* not before any waiter that is in the queue */
    list_push_back(&name->establishes, &establish->place);
    if (pool_trace_connect_begin_on()) {
        establish->span = pool_trace_span();
        pool_trace_connect_begin(establish->span, asking_span(name, why), name->id, why);
    }
    round_start(establish);
}

void establish_resolved(struct evpool_name *name, struct evpool_error *error)
{
    struct list waiting, *at;
    list_init(&waiting);
    list_splice(&waiting, &name->establishes);
    while ((at = list_pop(&waiting))) {
        struct establish *establish = LIST_OF(at, struct establish, place);
        list_push_back(&name->establishes, at);
        if (establish->phase != PHASE_resolve)
            continue;
        if (!error && name_look_up(name, establish->span)) {
            connect_start(establish);
            continue;
        }
        evpool_error_free(establish->error);
        establish->error = error ? evpool_error_ref(error)
                                 : error_wrap(NULL, EVPOOL_ERROR_memory, ENOMEM, evloop_now_ns(name->pool->loop), 0,
                                              "resolve", "no memory");
        round_failed(establish);
    }
    evpool_error_free(error);
}

void establish_cancel(struct evpool_name *name)
{
    struct list all, *at;
    list_init(&all);
    list_splice(&all, &name->establishes);
    while ((at = list_pop(&all))) {
        struct establish *establish = LIST_OF(at, struct establish, place);
        list_push_back(&name->establishes, at);
        establish->cancelled = true;
        if (establish->phase == PHASE_connect) {
            connector_cancel(&establish->connector);
            continue;
        }
        evloop_timer_stop(name->pool->loop, &establish->timer);
        establish_drop(establish, EVPOOL_ERROR_cancelled);
    }
    resolver_cancel(&name->query);
    name->resolving = false;
}

void establish_abandon(struct evpool_name *name)
{
    for (struct list *at = name->establishes.next; at != &name->establishes; at = at->next) {
        struct establish *establish = LIST_OF(at, struct establish, place);
        if (establish->phase == PHASE_connect)
            connector_abandon(&establish->connector);
    }
}
