/* SPDX-License-Identifier: ISC
 *
 * Asking for a connection in a thread that blocks until it has one. Its place in the queue is on its stack, and it sleeps on a futex of
 * its own: an answer wakes nobody else.
 */
#include "steps.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct waiter {
    struct evpool_request request; /* call NULL tells it from one of the loop's thread */
    _Atomic uint32_t answered;
};

static void futex_sleep(_Atomic uint32_t *word, uint32_t while_value, uint64_t until_ns)
{
    const struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, while_value, until_ns == NEVER ? NULL : &until, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

/* Q1 (release): the answer is written before; pairs with Q2. The waiter may leave at once, and its stack with it: nothing is touched after
 * the store, and a wake-up of an address where nobody sleeps, or that is no longer mapped, does nothing. */
void waiter_wake(struct evpool_request *request)
{
    struct waiter *waiter = LIST_OF(request, struct waiter, request);
    _Atomic uint32_t *word = &waiter->answered;
    atomic_store_explicit(word, 1, memory_order_release);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Q2 (acquire): pairs with Q1. Without it the waiter might read its request's connection from before the answer. */
static bool is_answered(struct waiter *waiter)
{
    return atomic_load_explicit(&waiter->answered, memory_order_acquire) != 0;
}

/* Whether it left the queue by itself; else an answer is on its way, and must be awaited. */
static bool give_up(struct waiter *waiter)
{
    struct evpool_request *request = &waiter->request;
    struct evpool *pool = request->name->pool;
    pool_lock(pool);
    const bool queued = request->state == REQUEST_queued;
    if (queued)
        answer_locked(request->name, request, EVPOOL_ERROR_acquire_timeout);
    pool_unlock(pool);
    return queued;
}

static void sleep_until(struct waiter *waiter, uint64_t deadline)
{
    while (!is_answered(waiter)) {
        futex_sleep(&waiter->answered, 0, deadline);
        if (deadline == NEVER || is_answered(waiter) || clock_ns() < deadline)
            continue;
        if (give_up(waiter))
            return;
        deadline = NEVER;
    }
}

static int result_of(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_acquire_timeout:
        return -ETIMEDOUT;
    case EVPOOL_ERROR_cancelled:
        return -ECANCELED;
    case EVPOOL_ERROR_queue_full:
        return -EAGAIN;
    case EVPOOL_ERROR_closed:
        return -ESHUTDOWN;
    case EVPOOL_ERROR_memory:
        return -ENOMEM;
    case EVPOOL_ERROR_forked:
        return -ECHILD;
    default:
        return -EHOSTUNREACH;
    }
}

static int refuse(struct evpool_request *request, struct evpool_error **ret_error)
{
    struct evpool_error *error = request->error;
    const uint64_t now = clock_ns();
    if (!error)
        error = request_error(request->name, (enum evpool_code)request->code, request->began_ns, now);
    step_dequeued(request);
    step_refused(request->name, request->span, error, time_since(now, request->began_ns));
    const int result = result_of(evpool_error_code(error));
    if (ret_error)
        *ret_error = error;
    else
        evpool_error_free(error);
    return result;
}

static int not_here(struct evpool_name *name, enum evpool_code code, int result, struct evpool_error **ret_error)
{
    if (ret_error)
        *ret_error = code == EVPOOL_ERROR_forked ? request_error(name, code, 0, 0)
                                                 : error_wrap(NULL, code, -result, clock_ns(), 0, "acquire",
                                                              "the loop's own thread must not block (acquire)");
    return result;
}

/* Until it is answered. A thread that is cancelled in here would leave in the queue what is on its stack. Returns how long the connection, if it
 * found one after all, was idle. */
static uint64_t wait_in_queue(struct waiter *waiter, uint64_t deadline)
{
    struct evpool_request *request = &waiter->request;
    uint64_t idle = 0;
    unsigned depth;
    int cancellable;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    if (request_ask(request->name, request, request->began_ns, true, &idle, &depth) == ASKED_queued) {
        step_queued(request->name, request->span, depth);
        sleep_until(waiter, deadline);
    }
    pthread_setcancelstate(cancellable, NULL);
    return idle;
}

int evpool_acquire_wait(struct evpool_name *name, uint64_t timeout_ns, struct evpool_conn **ret_conn,
                        struct evpool_error **ret_error)
{
    struct evpool *pool = name->pool;
    if (pool_forked(pool))
        return not_here(name, EVPOOL_ERROR_forked, -ECHILD, ret_error);
    if (pool_in_loop(pool))
        return not_here(name, EVPOOL_ERROR_invalid, -EDEADLK, ret_error);
    struct stack stack;
    struct waiter waiter = {.request = {.name = name, .began_ns = clock_ns(), .span = step_asked(name, 0)}};
    struct evpool_request *request = &waiter.request;
    if (pool->options.leak_ns != NEVER)
        stack_take(request->stack = &stack, 1);
    uint64_t idle = 0;
    if (!timeout_ns)
        timeout_ns = pool->options.acquire_timeout_ns;
    if (request_ask(name, request, request->began_ns, false, &idle, &(unsigned){0}) == ASKED_none)
        idle = wait_in_queue(&waiter, time_after(request->began_ns, timeout_ns));
    int result = 0;
    if (request->conn) {
        request_give(pool, request, request->conn, idle);
        *ret_conn = request->conn;
    } else {
        result = refuse(request, ret_error);
    }
    request_unpin(name);
    return result;
}
