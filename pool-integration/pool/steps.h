/* SPDX-License-Identifier: ISC
 *
 * What each step of the pool tells the tracing: which events, with one stamp. While nothing is traced a step costs a test of one
 * byte an event.
 */
#ifndef EVPOOL_STEPS_H
#define EVPOOL_STEPS_H

#include "internal.h"
#include "pool_trace.h"

static inline void step_name_added(const struct evpool_name *name)
{
    uint64_t at = pool_trace_now();
    pool_trace_name_added_at(at, name->id, name->host, name->port, name->tls != NULL);
    pool_trace_name_label_at(at, name->id, name->label);
    pool_trace_name_state_at(at, name->id, name->pool->id, NAME_open);
}

static inline void step_address(const struct address *address, uint64_t at)
{
    pool_trace_address_state_at(at, address->id, address->name->id, address->state);
}

static inline void step_address_added(const struct address *address)
{
    uint64_t at = pool_trace_now();
    pool_trace_address_label_at(at, address->id, address->label);
    step_address(address, at);
}

static inline void step_created(const struct evpool_conn *conn, uint64_t took)
{
    uint64_t at = pool_trace_now();
    const struct address *address = conn->address;
    pool_trace_conn_created_at(at, conn->id, address->name->id, address->id, stream_fd(conn->stream), took);
    if (pool_trace_conn_label_on()) {
        char label[2 * LABEL_BYTES];
        conn_print(conn, label, sizeof label);
        pool_trace_conn_label_at(at, conn->id, label);
    }
    pool_trace_conn_state_at(at, conn->id, address->id, CONN_idle);
}

static inline void step_closing(const struct evpool_conn *conn)
{
    pool_trace_conn_state(conn->id, conn->address->id, CONN_closing);
}

static inline void step_checking(const struct evpool_conn *conn, bool begins)
{
    pool_trace_conn_state(conn->id, conn->address->id, begins ? CONN_checking : CONN_idle);
}

static inline void step_checked(const struct evpool_conn *conn, bool ok, uint64_t took)
{
    if (ok)
        pool_trace_health_ok(conn->id, took);
    else
        pool_trace_health_failed(conn->id, took, EVPOOL_ERROR_health);
}

static inline void step_closed(const struct evpool_conn *conn, uint64_t age)
{
    uint64_t at = pool_trace_now();
    const struct address *address = conn->address;
    pool_trace_conn_closed_at(at, conn->id, address->name->id, address->id, conn->reason, age, uses_of(conn));
    pool_trace_conn_gone_at(at, conn->id);
}

/* The id of a request's span, 0 while acquiring is not traced. */
static inline uint64_t step_asked(const struct evpool_name *name, uint64_t parent)
{
    if (!pool_trace_acquire_begin_on())
        return 0;
    uint64_t span = pool_trace_span();
    pool_trace_acquire_begin(span, parent, name->id);
    return span;
}

static inline void step_queued(const struct evpool_name *name, uint64_t span, unsigned depth)
{
    if (!pool_trace_acquire_wait_on() && !pool_trace_queue_on())
        return;
    uint64_t at = pool_trace_now();
    pool_trace_acquire_wait_at(at, span, name->id, depth);
    pool_trace_queue_at(at, depth, name->id);
}

/* One that was in the queue has left it. */
static inline void step_dequeued(const struct evpool_request *request)
{
    if (request->state != REQUEST_served || !pool_trace_queue_on())
        return;
    struct evpool_name *name = request->name;
    pool_lock(name->pool);
    const unsigned depth = name->waiting;
    pool_unlock(name->pool);
    pool_trace_queue(depth, name->id);
}

/* A connection was lent, before its borrower has it. */
static inline void step_lent(const struct evpool_conn *conn, uint64_t span, uint64_t idle, uint64_t wait)
{
    if (!pool_trace_conn_state_on() && !pool_trace_conn_reused_on() && !pool_trace_acquire_end_on())
        return;
    uint64_t at = pool_trace_now();
    const struct address *address = conn->address;
    if (uses_of(conn) > 1)
        pool_trace_conn_reused_at(at, conn->id, address->id, idle, uses_of(conn));
    pool_trace_conn_state_at(at, conn->id, address->id, CONN_active);
    pool_trace_acquire_end_at(at, span, address->name->id, conn->id, EVPOOL_OK, wait);
}

/* It comes back; told before anybody else can get it, so that the order of the events is the order of things. */
static inline void step_released(const struct evpool_conn *conn, uint64_t use, bool ok)
{
    if (!pool_trace_conn_state_on() && !pool_trace_conn_released_on())
        return;
    uint64_t at = pool_trace_now();
    pool_trace_conn_released_at(at, conn->id, conn->address->id, use, ok);
    if (users_locked(conn) == 1)
        pool_trace_conn_state_at(at, conn->id, conn->address->id, CONN_idle);
}

static inline void step_refused(const struct evpool_name *name, uint64_t span, const struct evpool_error *error, uint64_t wait)
{
    uint64_t at = pool_trace_now();
    enum evpool_code code = evpool_error_code(error);
    if (code == EVPOOL_ERROR_acquire_timeout)
        pool_trace_acquire_timeout_at(at, span, name->id, wait);
    if (code == EVPOOL_ERROR_cancelled)
        pool_trace_acquire_cancelled_at(at, span, name->id, wait);
    if (pool_trace_error_on()) {
        char story[768];
        evpool_error_print(error, story, sizeof story);
        pool_trace_error_at(at, span, name->id, code, evpool_error_errno(error), story);
    }
    pool_trace_acquire_end_at(at, span, name->id, 0, code, wait);
}

#endif /* EVPOOL_STEPS_H */
