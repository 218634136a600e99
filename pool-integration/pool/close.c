/* SPDX-License-Identifier: ISC
 *
 * How connections end. Whoever finds a reason puts the connection on a list; the loop's thread ends the watch, closes the descriptor,
 * and only then is the connection counted as closed and its place free: the limits hold for descriptors.
 */
#include "steps.h"

#include <stdlib.h>

void close_locked(struct evpool_conn *conn, enum evpool_reason reason)
{
    struct evpool *pool = conn->pool;
    if (conn->state == CONN_closing)
        return;
    if (!list_empty(&conn->place))
        unlend_locked(conn);
    if (conn->state == CONN_idle)
        conn_name(conn)->idle--;
    conn->state = CONN_closing;
    conn->reason = (uint8_t)reason;
    pool->leaving++;
    list_push_back(&pool->closing, &conn->place);
}

/* The place may be what another name waited for. */
static void place_free_locked(struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    hungry_locked(name);
    if (pool->count + 1 < pool->options.max_total || pool->options.min_idle == 0)
        return;
    for (struct list *at = pool->names.next; at != &pool->names; at = at->next)
        hungry_locked(LIST_OF(at, struct evpool_name, place));
}

static void uncount_locked(struct evpool_conn *conn)
{
    struct evpool_name *name = conn_name(conn);
    list_del(&conn->among);
    conn->address->count--;
    conn->address->figures.closed[conn->reason]++;
    name->figures.closed[conn->reason]++;
    name->count--;
    name->pool->count--;
    name->pool->leaving--;
    place_free_locked(name);
    name_stale_locked(name);
}

/* A health hook that has not answered yet may still do so. */
static void forget(struct evpool_conn *conn)
{
    if (!conn->unanswered) {
        free(conn);
        return;
    }
    conn->stream = NULL;
    conn->address = NULL;
    conn->next = conn->pool->unanswered;
    conn->pool->unanswered = conn;
}

static void finish(struct evpool_conn *conn)
{
    struct evpool *pool = conn->pool;
    struct evpool_name *name = conn_name(conn);
    const struct evpool_hooks *hooks = &pool->options.hooks;
    life_end(conn);
    stream_close(conn->stream);
    step_closed(conn, time_since(evloop_now_ns(pool->loop), conn->created_ns));
    if (hooks->closed)
        hooks->closed(conn, (enum evpool_reason)conn->reason, hooks->arg);
    pool_lock(pool);
    const bool retired = conn->address->state == ADDRESS_retired;
    uncount_locked(conn);
    pool_unlock(pool);
    forget(conn);
    if (retired)
        addresses_reap(name);
    work_post(pool);
}

/* Reads and writes that the borrower left behind, their callbacks, and the watch come to their end first. */
void close_continue(struct evpool_conn *conn)
{
    if (conn->ending && conn->ios == 0 && conn->calling == 0 && !evloop_busy(&conn->watch))
        finish(conn);
}

void close_run(struct evpool *pool)
{
    for (;;) {
        pool_lock(pool);
        struct list *at = list_pop(&pool->closing);
        pool_unlock(pool);
        if (!at)
            return;
        struct evpool_conn *conn = LIST_OF(at, struct evpool_conn, place);
        step_closing(conn);
        conn->ending = true;
        if (conn->ios > 0)
            stream_abort(conn->stream); /* a silent peer would not end them */
        evloop_cancel(pool->loop, &conn->watch);
        close_continue(conn);
    }
}
