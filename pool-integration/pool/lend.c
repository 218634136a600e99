/* SPDX-License-Identifier: ISC
 *
 * Lending an idle connection, and taking it back: the fast path. Idle connections lie in a stack for each address: the warmest is lent first,
 * and the others can grow old.
 */
#include "steps.h"

#include <errno.h>
#include <limits.h>

/* ---- the state of one connection ---- */

static void idle_enter_locked(struct evpool_conn *conn, uint64_t now)
{
    conn->state = CONN_idle;
    since_set_locked(conn, now);
    conn->leaked = 0;
    conn_name(conn)->idle++;
}

/* Among the lendable ones, first. */
static void lendable_locked(struct evpool_conn *conn)
{
    struct address *address = conn->address;
    list_push_front(&address->lendable, &conn->place);
    if (!address->ready)
        ready_add_locked(address);
}

void unlend_locked(struct evpool_conn *conn)
{
    struct address *address = conn->address;
    list_del(&conn->place);
    if (address->ready && list_empty(&address->lendable))
        ready_remove_locked(address);
}

static void lend_locked(struct evpool_conn *conn, uint64_t now, const struct stack *stack)
{
    struct evpool_name *name = conn_name(conn);
    const unsigned users = users_locked(conn) + 1;
    if (users == 1 && conn->state == CONN_idle)
        name->idle--;
    if (users == 1)
        name->active++;
    conn->state = CONN_active;
    since_set_locked(conn, now);
    conn->leaked = 0;
    uses_set_locked(conn, uses_of(conn) + 1);
    conn->address->users++;
    atomic_store_explicit(&conn->users, users, memory_order_relaxed); /* see internal.h */
    if (users >= conn->pool->options.shared && !list_empty(&conn->place))
        unlend_locked(conn);
    if (conn->stack && stack)
        *conn->stack = *stack;
}

/* One user less. */
static unsigned unuse_locked(struct evpool_conn *conn)
{
    const unsigned users = users_locked(conn) - 1;
    atomic_store_explicit(&conn->users, users, memory_order_relaxed);
    conn->address->users--;
    if (users == 0)
        conn_name(conn)->active--;
    return users;
}

void count_lent_locked(struct evpool_name *name, struct evpool_conn *conn, uint64_t wait)
{
    struct evpool_figures *own = &conn->address->figures;
    name->figures.acquired++;
    own->acquired++;
    if (uses_of(conn) > 1) {
        name->figures.reused++;
        own->reused++;
    }
    if (wait > name->figures.wait_max_ns)
        name->figures.wait_max_ns = wait;
    pool_histogram_add(&name->times.wait, wait);
}

/* Whether the place of this connection is another name's turn. */
static bool give_up_place_locked(const struct evpool_conn *conn)
{
    const struct list *hungry = &conn->pool->hungry;
    return !list_empty(hungry) && starving_locked(conn_name(conn));
}

/* ---- lending ---- */

/* NULL: nothing is idle, or others wait already, also of another name for this one's place. ret_look: it lay so long that it must be looked at, then counted. */
struct evpool_conn *take_locked(struct evpool_name *name, uint64_t now, const struct stack *stack, uint64_t *ret_idle,
                                bool *ret_look)
{
    struct evpool *pool = name->pool;
    if (name->first || name->clear || pool->closed)
        return NULL;
    struct address *address = spread_ready_locked(name, now);
    if (!address)
        return NULL;
    struct evpool_conn *conn = LIST_OF(address->lendable.next, struct evpool_conn, place);
    if (users_locked(conn) > 0 && give_up_place_locked(conn))
        return NULL; /* users who come and go must come to an end */
    *ret_idle = users_locked(conn) == 0 ? time_since(now, since_of(conn)) : 0;
    *ret_look = *ret_idle > pool->options.validate_idle_ns;
    lend_locked(conn, now, stack);
    if (!*ret_look)
        count_lent_locked(name, conn, 0);
    return conn;
}

bool conn_look(struct evpool_conn *conn)
{
    struct evpool *pool = conn->pool;
    int cancellable; /* recv() is where a cancelled thread ends, and what it has taken would be lent for ever */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    const bool good = stream_idle_ok(conn->stream);
    pthread_setcancelstate(cancellable, NULL);
    pool_lock(pool);
    if (good) {
        count_lent_locked(conn_name(conn), conn, 0);
    } else {
        uses_set_locked(conn, uses_of(conn) - 1); /* it never was */
        conn->reason = EVPOOL_CLOSED_health;
        if (unuse_locked(conn) == 0)
            close_locked(conn, EVPOOL_CLOSED_health);
        else if (!list_empty(&conn->place))
            unlend_locked(conn);
    }
    pool_unlock(pool);
    if (!good)
        work_post(pool);
    return good;
}

struct evpool_request *offer_locked(struct evpool_conn *conn, uint64_t now)
{
    struct evpool_name *name = conn_name(conn);
    struct evpool_request *request = name->first;
    if (!request) {
        if (users_locked(conn) == 0)
            idle_enter_locked(conn, now);
        if (list_empty(&conn->place))
            lendable_locked(conn);
        return NULL;
    }
    if (list_empty(&conn->place) && users_locked(conn) + 1 < conn->pool->options.shared)
        lendable_locked(conn);
    lend_locked(conn, now, request->stack);
    request->conn = conn;
    request->waited_ns = time_since(now, request->began_ns);
    count_lent_locked(name, conn, request->waited_ns);
    answer_locked(name, request, EVPOOL_OK);
    return request;
}

int evpool_try(struct evpool_name *name, struct evpool_conn **ret_conn)
{
    struct evpool *pool = name->pool;
    if (pool_forked(pool))
        return -ECHILD;
    struct stack stack, *taken = NULL;
    if (__builtin_expect(pool->options.leak_ns != NEVER, 0))
        stack_take(taken = &stack, 1);
    const uint64_t now = pool_now(pool);
    struct evpool_conn *conn;
    uint64_t idle = 0;
    bool look, warm;
    do {
        pool_lock(pool);
        conn = take_locked(name, now, taken, &idle, &look);
        warm = name->idle < pool->options.min_idle;
        if (warm)
            hungry_locked(name);
        pool_unlock(pool);
        if (warm)
            work_post(pool);
        if (!conn)
            return 0;
    } while (look && !conn_look(conn));
    step_lent(conn, step_asked(name, 0), idle, 0);
    if (uses_of(conn) > 1 && pool->options.hooks.reused)
        pool->options.hooks.reused(conn, pool->options.hooks.arg);
    *ret_conn = conn;
    return 1;
}

/* ---- taking back ---- */

enum evpool_reason why_close_locked(struct evpool_conn *conn, uint64_t now)
{
    const struct evpool_name *name = conn_name(conn);
    const struct evpool *pool = conn->pool;
    if (conn->reason)
        return conn->reason;
    if (__builtin_expect(pool->closed, 0))
        return EVPOOL_CLOSED_shutdown;
    if (conn->epoch != name->epoch || conn->address->state == ADDRESS_retired)
        return EVPOOL_CLOSED_evicted;
    if (now >= conn->expires_ns)
        return EVPOOL_CLOSED_lifetime;
    if (uses_of(conn) >= pool->options.uses_max && pool->options.uses_max != UINT_MAX)
        return EVPOOL_CLOSED_uses;
    return 0;
}

struct outcome {
    struct evpool_request *request; /* it was for this one */
    struct verdict verdict;
    bool work;
};

/* left: a read or a write is still under way, which would take from the next borrower what is his. */
static struct outcome take_back_locked(struct evpool_conn *conn, bool ok, bool left, uint64_t use, uint64_t now)
{
    struct outcome outcome = {0};
    struct evpool_name *name = conn_name(conn);
    name->figures.released++;
    conn->address->figures.released++;
    pool_histogram_add(&name->times.use, use);
    if (ok) {
        conn->address->failed_uses = 0;
    } else {
        outcome.verdict = eject_failure_locked(conn->address, false, now);
        if (!conn->reason)
            conn->reason = EVPOOL_CLOSED_error;
    }
    const unsigned users = unuse_locked(conn);
    if (left && users == 0 && !conn->reason)
        conn->reason = EVPOOL_CLOSED_error;
    enum evpool_reason reason = why_close_locked(conn, now);
    const bool gives_up = !reason && __builtin_expect(give_up_place_locked(conn), 0);
    if (gives_up && users == 0)
        reason = EVPOOL_CLOSED_evicted;
    if (reason && users == 0)
        close_locked(conn, reason);
    else if (reason && !list_empty(&conn->place))
        unlend_locked(conn); /* the others may go on */
    else if (!reason && !gives_up)
        outcome.request = offer_locked(conn, now);
    if (reason && name->first)
        hungry_locked(name);
    outcome.work = reason || outcome.verdict.what != VERDICT_none;
    if (outcome.verdict.what != VERDICT_none)
        hungry_locked(name);
    return outcome;
}

void evpool_release(struct evpool_conn *conn, bool ok)
{
    if (!conn || pool_forked(conn->pool))
        return;
    struct evpool *pool = conn->pool;
    const uint64_t now = pool_now(pool);
    const uint64_t use = time_since(now, since_of(conn));
    const bool left =
        pool_in_loop(pool) && conn->ios > 0; /* other threads' are not counted, and end before they return */
    if (pool->options.hooks.released)
        pool->options.hooks.released(conn, pool->options.hooks.arg);
    step_released(conn, use, ok);
    pool_lock(pool);
    const struct outcome outcome = take_back_locked(conn, ok, left, use, now);
    pool_unlock(pool);
    if (__builtin_expect(outcome.work, 0)) {
        eject_tell(&outcome.verdict);
        work_post(pool);
    }
    if (outcome.request)
        request_deliver(outcome.request);
}

void evpool_conn_retire(struct evpool_conn *conn)
{
    struct evpool *pool = conn->pool;
    if (pool_forked(pool))
        return;
    pool_lock(pool);
    if (conn->state == CONN_active && !conn->reason) {
        conn->reason = EVPOOL_CLOSED_retired;
        if (!list_empty(&conn->place))
            unlend_locked(conn); /* others share it, and may go on */
    }
    pool_unlock(pool);
}
