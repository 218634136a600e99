/* SPDX-License-Identifier: ISC
 *
 * Asking for a connection: at once if one is idle, else in a queue, first come first served. A connection that comes free is
 * given to the head of the queue by name, so that one waiter is woken for it and nobody overtakes.
 */
#include "steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the queue ---- */

void queue_push_locked(struct evpool_name *name, struct evpool_request *request)
{
    request->state = REQUEST_queued;
    request->next = NULL;
    request->prev = name->last;
    if (name->last)
        name->last->next = request;
    else
        name->first = request;
    name->last = request;
    if (++name->waiting > name->figures.waiting_max)
        name->figures.waiting_max = name->waiting;
    hungry_locked(name);
}

void queue_remove_locked(struct evpool_name *name, struct evpool_request *request)
{
    if (request->prev)
        request->prev->next = request->next;
    else
        name->first = request->next;
    if (request->next)
        request->next->prev = request->prev;
    else
        name->last = request->prev;
    request->next = request->prev = NULL;
    name->waiting--;
    name_stale_locked(name);
}

void answer_locked(struct evpool_name *name, struct evpool_request *request, enum evpool_code code)
{
    const bool queued = request->state == REQUEST_queued;
    if (queued)
        queue_remove_locked(name, request);
    request->state = queued ? REQUEST_served : REQUEST_answered;
    request->code = (int)code;
    name->pins++;
    name->pool->pins++;
    switch (code) {
    case EVPOOL_ERROR_acquire_timeout:
        name->figures.acquire_timeouts++;
        break;
    case EVPOOL_ERROR_cancelled:
        name->figures.acquire_cancelled++;
        break;
    case EVPOOL_ERROR_queue_full:
        name->figures.acquire_refused++;
        break;
    default:
        break;
    }
}

static enum asked queue_or_refuse_locked(struct evpool_name *name, struct evpool_request *request)
{
    struct evpool *pool = name->pool;
    if (pool->closed || name->waiting >= pool->options.waiters_max) {
        answer_locked(name, request, pool->closed ? EVPOOL_ERROR_closed : EVPOOL_ERROR_queue_full);
        return ASKED_refused;
    }
    queue_push_locked(name, request);
    return ASKED_queued;
}

/* ---- errors of the queue's own ---- */

static const char *text_of(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_queue_full:
        return "as many wait as may";
    case EVPOOL_ERROR_cancelled:
        return "cancelled by the caller";
    case EVPOOL_ERROR_closed:
        return "the pool is closing";
    case EVPOOL_ERROR_forked:
        return "the pool belongs to the parent process";
    case EVPOOL_ERROR_memory:
        return "no memory";
    default:
        return "no connection was free in time";
    }
}

static int errno_of(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_acquire_timeout:
        return ETIMEDOUT;
    case EVPOOL_ERROR_queue_full:
        return EAGAIN;
    case EVPOOL_ERROR_cancelled:
        return ECANCELED;
    case EVPOOL_ERROR_closed:
        return ESHUTDOWN;
    case EVPOOL_ERROR_forked:
        return ECHILD;
    case EVPOOL_ERROR_memory:
        return ENOMEM;
    default:
        return 0;
    }
}

/* The cause, what the queue looked like, and what went wrong last with this name. */
struct evpool_error *request_error(struct evpool_name *name, enum evpool_code code, uint64_t began_ns, uint64_t now)
{
    const uint64_t took = time_since(now, began_ns);
    char story[sizeof name->story] = "";
    unsigned active = 0, waiting = 0, pending = 0;
    if (code != EVPOOL_ERROR_forked) {
        pool_lock(name->pool);
        active = name->active;
        waiting = name->waiting;
        pending = name->pending;
        snprintf(story, sizeof story, "%s", name->story);
        pool_unlock(name->pool);
    }
    struct evpool_error *error =
        error_wrap(NULL, code, errno_of(code), now, took, "acquire", "%s (acquire)", text_of(code));
    /* Relaxed: whether it ever ran */
    if (code == EVPOOL_ERROR_acquire_timeout && !atomic_load_explicit(&name->pool->thread, memory_order_relaxed))
        error = error_wrap(error, code, 0, now, 0, "acquire", "no thread has run the pool's loop");
    else if (code == EVPOOL_ERROR_acquire_timeout)
        error = error_wrap(error, code, 0, now, 0, "acquire", "%u lent, %u being connected, %u more waiting%s%s",
                           active, pending, waiting, *story ? "; last failure: " : "", story);
    return error_wrap(error, code, 0, now, 0, "name", "%s", name->label);
}

/* ---- the answer ---- */

/* In the thread that gets the connection, with no lock. */
void request_give(struct evpool *pool, struct evpool_request *request, struct evpool_conn *conn, uint64_t idle)
{
    step_dequeued(request);
    step_lent(conn, request->span, idle, request->waited_ns);
    if (uses_of(conn) > 1 && pool->options.hooks.reused)
        pool->options.hooks.reused(conn, pool->options.hooks.arg);
}

/* The name may be nobody's now, and the pool at its end. Posted with the lock: once it is free, so may the pool be. */
void request_unpin(struct evpool_name *name)
{
    struct evpool *pool = name->pool;
    pool_lock(pool);
    pool->pins--;
    const bool last = --name->pins == 0 && name->refs == 0;
    if (last)
        name_stale_locked(name);
    if (last || (pool->closed && pool->pins == 0))
        work_post(pool);
    pool_unlock(pool);
}

static void request_end(struct evpool_request *request, uint64_t now)
{
    struct evpool_name *name = request->name;
    struct evpool *pool = name->pool;
    struct evpool_conn *conn = request->conn;
    struct evpool_error *error = request->error;
    if (conn) {
        request_give(pool, request, conn, 0);
    } else {
        if (!error)
            error = request_error(name, (enum evpool_code)request->code, request->began_ns, now);
        step_dequeued(request);
        step_refused(name, request->span, error, time_since(now, request->began_ns));
    }
    free(request->stack);
    request->stack = NULL;
    request->name = NULL;
    request->conn = NULL;
    request->error = NULL;
    request->state = REQUEST_none;
    request_unpin(name);
    request->call(request, conn, error); /* the last: the request, and the name, may go now */
}

static void request_posted(struct evloop_post *post)
{
    struct evpool_request *request = LIST_OF(post, struct evpool_request, post);
    struct evpool *pool = request->name->pool;
    pool_enter(pool);
    evloop_timer_stop(pool->loop, &request->timer);
    request_end(request, evloop_now_ns(pool->loop));
}

void request_deliver(struct evpool_request *request)
{
    if (request->call)
        evloop_post(request->name->pool->loop, &request->post);
    else
        waiter_wake(request);
}

void queue_fail(struct evpool_name *name, unsigned count, uint64_t began_until, enum evpool_code code,
                struct evpool_error *error)
{
    for (; count > 0; count--) {
        struct evpool_error *own = evpool_error_ref(error);
        pool_lock(name->pool);
        struct evpool_request *request = name->first;
        if (request && request->began_ns > began_until)
            request = NULL;
        if (request) {
            request->error = own;
            answer_locked(name, request, code);
        }
        pool_unlock(name->pool);
        if (!request) {
            evpool_error_free(own);
            return;
        }
        request_deliver(request);
    }
}

/* ---- from the loop's thread ---- */

/* A request that the timer or its caller takes out of the queue. */
static bool request_quit(struct evpool_request *request, enum evpool_code code)
{
    struct evpool *pool = request->name->pool;
    pool_lock(pool);
    const bool queued = request->state == REQUEST_queued;
    if (queued)
        answer_locked(request->name, request, code);
    pool_unlock(pool);
    return queued;
}

static void request_late(struct evloop_timer *timer)
{
    struct evpool_request *request = LIST_OF(timer, struct evpool_request, timer);
    struct evpool *pool = request->name->pool;
    pool_enter(pool);
    if (request_quit(request, EVPOOL_ERROR_acquire_timeout))
        request_end(request, evloop_now_ns(pool->loop));
}

void evpool_cancel(struct evpool_request *request)
{
    if (!request->name || pool_forked(request->name->pool))
        return;
    pool_enter(request->name->pool);
    if (request_quit(request, EVPOOL_ERROR_cancelled))
        request_deliver(request);
}

static struct stack *request_stack(const struct evpool *pool)
{
    if (pool->options.leak_ns == NEVER)
        return NULL;
    struct stack *stack = malloc(sizeof *stack);
    if (stack)
        stack_take(stack, 2);
    return stack;
}

/* Looks for an idle connection and, if there is none and `queue` says so, joins the queue in the same moment: a connection that comes
 * free is seen by one or the other. */
enum asked request_ask(struct evpool_name *name, struct evpool_request *request, uint64_t now, bool queue,
                       uint64_t *ret_idle, unsigned *ret_depth)
{
    struct evpool *pool = name->pool;
    for (;;) {
        bool look = false;
        enum asked asked = ASKED_none;
        pool_lock(pool);
        request->conn = take_locked(name, now, request->stack, ret_idle, &look);
        if (request->conn)
            asked = ASKED_taken;
        else if (queue)
            asked = queue_or_refuse_locked(name, request);
        if (asked == ASKED_taken && !look)
            answer_locked(name, request, EVPOOL_OK);
        const bool warm = name->idle < pool->options.min_idle;
        if (warm)
            hungry_locked(name);
        *ret_depth = name->waiting;
        pool_unlock(pool);
        if (warm || asked == ASKED_queued)
            work_post(pool);
        if (asked != ASKED_taken || !look)
            return asked;
        if (conn_look(request->conn)) {
            pool_lock(pool);
            answer_locked(name, request, EVPOOL_OK);
            pool_unlock(pool);
            return asked;
        }
    }
}

/* ---- from the loop's thread, continued ---- */

static void request_wait(struct evpool_name *name, struct evpool_request *request)
{
    struct evpool *pool = name->pool;
    uint64_t idle;
    unsigned depth;
    request->began_ns = evloop_update_now(pool->loop);
    if (request_ask(name, request, request->began_ns, true, &idle, &depth) != ASKED_queued) {
        request_deliver(request);
        return;
    }
    step_queued(name, request->span, depth);
    const uint64_t timeout = request->timeout_ns ? request->timeout_ns : pool->options.acquire_timeout_ns;
    const uint64_t deadline = time_after(request->began_ns, timeout);
    if (deadline != NEVER && evloop_timer_start(pool->loop, &request->timer, deadline, request_late) < 0 &&
        request_quit(request, EVPOOL_ERROR_memory))
        request_deliver(request);
}

void evpool_acquire(struct evpool_name *name, struct evpool_request *request, evpool_acquired *call)
{
    struct evpool *pool = name->pool;
    request->call = call;
    request->name = name;
    request->post.call = request_posted;
    request->conn = NULL;
    request->error = NULL;
    request->waited_ns = 0;
    if (pool_forked(pool)) { /* the loop is the parent's: there is nobody else to call back */
        call(request, NULL, request_error(name, EVPOOL_ERROR_forked, 0, 0));
        return;
    }
    pool_enter(pool);
    request->stack = request_stack(pool);
    request->span = step_asked(name, request->parent_span);
    request->began_ns = evloop_now_ns(pool->loop);
    uint64_t idle;
    unsigned depth;
    if (request_ask(name, request, request->began_ns, false, &idle, &depth) == ASKED_taken)
        request_deliver(request);
    else
        request_wait(name, request);
}
