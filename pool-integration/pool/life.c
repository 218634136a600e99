/* SPDX-License-Identifier: ISC
 *
 * How connections age. Each is in one slot of a wheel, where it is looked at when something may be due: idle for too long, too
 * old, to be checked, lent for suspiciously long. Lending and taking back do not touch the wheel: a look that comes too early puts the connection
 * back, and no look comes too late, since each is looked at as often as the shortest of these times asks. So 10,000 idle connections
 * have one timer. Besides, each is watched for its peer's end.
 */
#include "steps.h"

#include <errno.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* ---- the wheel ---- */

static void tick(struct evloop_timer *timer);

/* Without memory for a timer nothing ages until the next connection comes; what is lent and taken back is still looked at then. */
static void tick_arm(struct evpool *pool, unsigned ticks)
{
    const uint64_t deadline = pool->ticked_ns + ticks * pool->tick_ns;
    if (!evloop_timer_armed(&pool->tick_timer) || pool->tick_timer.deadline_ns > deadline)
        (void)evloop_timer_start(pool->loop, &pool->tick_timer, deadline, tick);
}

static void wheel_put(struct evpool_conn *conn, uint64_t due, uint64_t now)
{
    struct evpool *pool = conn->pool;
    if (pool->aging++ == 0)
        pool->ticked_ns = now;
    uint64_t ticks = time_since(due, pool->ticked_ns) / pool->tick_ns + 1;
    if (ticks >= WHEEL_SLOTS)
        ticks = WHEEL_SLOTS - 1;
    list_push_back(&pool->wheel[(pool->tick + ticks) % WHEEL_SLOTS], &conn->alarm);
    tick_arm(pool, (unsigned)ticks);
}

/* For the next slot that is not empty. */
static void tick_next(struct evpool *pool)
{
    for (unsigned ticks = 1; ticks < WHEEL_SLOTS; ticks++)
        if (!list_empty(&pool->wheel[(pool->tick + ticks) % WHEEL_SLOTS])) {
            tick_arm(pool, ticks);
            return;
        }
}

static void wheel_take(struct evpool_conn *conn)
{
    if (list_empty(&conn->alarm))
        return;
    list_del(&conn->alarm);
    conn->pool->aging--;
}

/* ---- what is due ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t checked_locked(const struct evpool_conn *conn)
{
    return conn->checked_ns > since_of(conn) ? conn->checked_ns : since_of(conn);
}

/* When to look again. */
static uint64_t due_locked(const struct evpool_conn *conn, uint64_t now)
{
    const struct evpool_options *options = &conn->pool->options;
    const uint64_t shortest = least(options->idle_timeout_ns, least(options->health_interval_ns, options->leak_ns));
    uint64_t due = least(conn->expires_ns, time_after(now, shortest));
    if (conn->state == CONN_idle) {
        due = least(due, time_after(since_of(conn), options->idle_timeout_ns));
        due = least(due, time_after(checked_locked(conn), options->health_interval_ns));
    } else if (conn->state == CONN_checking && conn->unanswered) {
        due = least(due, time_after(conn->checked_ns, options->health_timeout_ns));
    } else if (conn->state == CONN_active && !conn->leaked) {
        due = least(due, time_after(since_of(conn), options->leak_ns));
    }
    return due > now ? due : now + 1;
}

static enum evpool_reason idle_over_locked(struct evpool_conn *conn, uint64_t now)
{
    const struct evpool_name *name = conn_name(conn);
    const struct evpool_options *options = &conn->pool->options;
    const enum evpool_reason reason = why_close_locked(conn, now);
    if (reason)
        return reason;
    if (time_since(now, since_of(conn)) < options->idle_timeout_ns)
        return 0;
    return name->refs > 0 && name->idle <= options->min_idle ? 0 : EVPOOL_CLOSED_idle;
}

/* ---- leaks ---- */

void __attribute__((noinline)) stack_take(struct stack *stack, unsigned skip)
{
    void *frames[STACK_FRAMES + 4];
    const int count = backtrace(frames, STACK_FRAMES + 4);
    skip += 1;
    stack->count = 0;
    for (int i = (int)skip; i < count && stack->count < STACK_FRAMES; i++)
        stack->frames[stack->count++] = frames[i];
}

static void stack_print(const struct stack *stack, char *text, size_t bytes)
{
    char **symbols = stack->count ? backtrace_symbols(stack->frames, (int)stack->count) : NULL;
    size_t length = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < stack->count && length < bytes; i++) {
        const char *symbol = symbols ? symbols[i] : "?";
        const char *slash = strrchr(symbol, '/');
        length += (size_t)snprintf(text + length, bytes - length, "%s%s", i ? "; " : "", slash ? slash + 1 : symbol);
    }
    free(symbols);
}

static bool leaks_locked(struct evpool_conn *conn, uint64_t now, struct stack *ret_stack)
{
    if (conn->state != CONN_active || conn->leaked || time_since(now, since_of(conn)) < conn->pool->options.leak_ns)
        return false;
    conn->leaked = 1;
    conn_name(conn)->figures.leaks++;
    conn->address->figures.leaks++;
    ret_stack->count = 0;
    if (conn->stack)
        *ret_stack = *conn->stack;
    return true;
}

static void leak_tell(const struct evpool_conn *conn, const struct stack *stack, uint64_t held)
{
    if (!pool_trace_leak_on())
        return;
    char text[1024];
    stack_print(stack, text, sizeof text);
    pool_trace_leak(conn->id, conn_name(conn)->id, held, text);
}

/* ---- health ---- */

static bool check_begins_locked(struct evpool_conn *conn, uint64_t now)
{
    if (conn->state != CONN_idle || time_since(now, checked_locked(conn)) < conn->pool->options.health_interval_ns)
        return false;
    unlend_locked(conn);
    conn_name(conn)->idle--;
    conn->state = CONN_checking;
    conn->checked_ns = now;
    conn->unanswered = conn->pool->options.hooks.health != NULL;
    return true;
}

/* The hook hangs: its reads and writes end by this (close_run()), and the connection is closed without it. */
static bool check_over_locked(struct evpool_conn *conn, uint64_t now)
{
    if (conn->state != CONN_checking || !conn->unanswered ||
        time_since(now, conn->checked_ns) < conn->pool->options.health_timeout_ns)
        return false;
    close_locked(conn, EVPOOL_CLOSED_health);
    return true;
}

/* The hook of a connection that was closed meanwhile has answered: nobody speaks of it any more. */
static void unanswered_free(struct evpool_conn *conn)
{
    struct evpool_conn **at = &conn->pool->unanswered;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    free(conn);
}

static void check(struct evpool_conn *conn)
{
    const struct evpool_hooks *hooks = &conn->pool->options.hooks;
    step_checking(conn, true);
    if (hooks->health) /* `unanswered` since check_begins_locked() */
        hooks->health(conn, hooks->arg);
    else
        evpool_health_done(conn, stream_idle_ok(conn->stream));
}

void evpool_health_done(struct evpool_conn *conn, bool ok)
{
    struct evpool *pool = conn->pool;
    if (pool_forked(pool))
        return;
    pool_enter(pool);
    conn->unanswered = false;
    if (!conn->stream) {
        unanswered_free(conn);
        return;
    }
    const uint64_t now = evloop_update_now(pool->loop), since = since_of(conn);
    struct evpool_request *request = NULL;
    if (ok)
        step_checking(conn, false);
    pool_lock(pool);
    const bool checking = conn->state == CONN_checking;
    const uint64_t took = time_since(now, conn->checked_ns);
    enum evpool_reason reason = ok || conn->reason ? why_close_locked(conn, now) : EVPOOL_CLOSED_health;
    if (checking && reason)
        close_locked(conn, reason);
    else if (checking && !(request = offer_locked(conn, now))) {
        since_set_locked(conn, since); /* a check is no use; it stays as deep in the stack as it was */
        list_del(&conn->place);
        list_push_back(&conn->address->lendable, &conn->place);
    }
    pool_unlock(pool);
    if (checking)
        step_checked(conn, ok, took);
    if (request)
        request_deliver(request);
    if (checking && reason)
        work_post(pool);
}

/* ---- a look at one ---- */

static void examine(struct evpool_conn *conn, uint64_t now)
{
    struct evpool *pool = conn->pool;
    struct stack stack;
    pool_lock(pool);
    const uint64_t since = since_of(conn);
    const enum evpool_reason reason = conn->state == CONN_idle ? idle_over_locked(conn, now) : 0;
    bool begins = false, leaks = false;
    const bool over = check_over_locked(conn, now);
    if (reason) {
        close_locked(conn, reason);
    } else if (!over) {
        begins = check_begins_locked(conn, now);
        leaks = leaks_locked(conn, now, &stack);
    }
    const uint64_t due = due_locked(conn, now);
    pool_unlock(pool);
    if (over)
        step_checked(conn, false, time_since(now, conn->checked_ns));
    if (reason || over) {
        work_post(pool);
        return;
    }
    wheel_put(conn, due, now);
    if (leaks)
        leak_tell(conn, &stack, time_since(now, since));
    if (begins)
        check(conn);
}

static void tick(struct evloop_timer *timer)
{
    struct evpool *pool = LIST_OF(timer, struct evpool, tick_timer);
    struct list due, *at;
    pool_enter(pool);
    list_init(&due);
    const uint64_t now = evloop_now_ns(pool->loop);
    for (unsigned i = 0; i < WHEEL_SLOTS && time_since(now, pool->ticked_ns) >= pool->tick_ns; i++) {
        pool->ticked_ns += pool->tick_ns;
        pool->tick = (pool->tick + 1) % WHEEL_SLOTS;
        list_splice(&due, &pool->wheel[pool->tick]);
    }
    if (time_since(now, pool->ticked_ns) >= pool->tick_ns)
        pool->ticked_ns = now; /* the loop stood still for longer than the wheel goes round */
    while ((at = list_pop(&due))) {
        pool->aging--;
        examine(LIST_OF(at, struct evpool_conn, alarm), now);
    }
    tick_next(pool);
}

/* ---- the peer's end ---- */

static void watched(struct evloop_op *op, int result)
{
    struct evpool_conn *conn = LIST_OF(op, struct evpool_conn, watch);
    struct evpool *pool = conn->pool;
    pool_enter(pool);
    bool closes = false;
    pool_lock(pool);
    if (result > 0 && conn->state != CONN_closing) {
        if (!conn->reason)
            conn->reason = EVPOOL_CLOSED_remote;
        closes = conn->state == CONN_idle;
        if (closes)
            close_locked(conn, (enum evpool_reason)conn->reason);
        else if (!list_empty(&conn->place))
            unlend_locked(conn);
    }
    pool_unlock(pool);
    if (closes)
        work_post(pool);
    close_continue(conn);
}

/* ---- beginning and end ---- */

static uint64_t expiry(struct evpool *pool, uint64_t now)
{
    const uint64_t lifetime = pool->options.lifetime_ns;
    if (lifetime == NEVER)
        return NEVER;
    pool_lock(pool);
    const uint64_t random = random_locked(pool);
    pool_unlock(pool);
    const uint64_t jitter = lifetime / 100 * pool->options.lifetime_jitter;
    return time_after(now, lifetime - (jitter ? random % (jitter + 1) : 0));
}

int conn_new(struct evpool_conn **ret_conn, struct address *address, struct stream *stream, unsigned epoch)
{
    struct evpool *pool = address->name->pool;
    const bool leaks = pool->options.leak_ns != NEVER;
    struct evpool_conn *conn = calloc(1, sizeof *conn);
    struct stack *stack = conn && leaks ? calloc(1, sizeof *stack) : NULL;
    if (!conn || (leaks && !stack)) {
        free(conn);
        stream_close(stream);
        return -ENOMEM;
    }
    const uint64_t now = evloop_now_ns(pool->loop);
    list_init(&conn->place);
    list_init(&conn->among);
    list_init(&conn->alarm);
    conn->pool = pool;
    conn->address = address;
    conn->stream = stream;
    conn->stack = stack;
    conn->epoch = epoch;
    conn->id = pool_id();
    conn->created_ns = conn->checked_ns = now;
    since_set_locked(conn, now);
    conn->expires_ns = expiry(pool, now);
    conn->state = CONN_checking; /* until it is handed out */
    *ret_conn = conn;
    return 0;
}

void life_begin(struct evpool_conn *conn)
{
    const uint64_t now = evloop_now_ns(conn->pool->loop);
    pool_lock(conn->pool);
    const uint64_t due = due_locked(conn, now);
    pool_unlock(conn->pool);
    wheel_put(conn, due, now);
    evloop_watch(conn->pool->loop, &conn->watch, stream_fd(conn->stream), EPOLLRDHUP, watched);
}

void life_end(struct evpool_conn *conn)
{
    wheel_take(conn);
    free(conn->stack);
    conn->stack = NULL;
}
