/* SPDX-License-Identifier: ISC
 *
 * A pool's beginning and end: what it is made of, its work in the loop's thread, draining, and what a forked child may do.
 */
#include "steps.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { BUCKETS = 256, FREE_ROUNDS = 1000 };
#define FREE_WAIT_NS 10000000u

/* ---- forks ---- */

unsigned pool_generation; /* written only in a child that has one thread yet */
static pthread_once_t generation_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    pool_generation++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* In the child: closes its copies of the descriptors. The peers notice nothing: no goodbye is said, nothing is shut down, and the loop, which the
 * parent shares, is not touched. The mutex may be held by a thread that is not here. */
static void abandon_address(struct address *address)
{
    for (struct list *at = address->conns.next; at != &address->conns; at = at->next)
        close(stream_fd(LIST_OF(at, struct evpool_conn, among)->stream));
}

static void abandon(struct evpool *pool)
{
    for (struct list *n = pool->names.next; n != &pool->names; n = n->next) {
        struct evpool_name *name = LIST_OF(n, struct evpool_name, place);
        for (unsigned i = 0; i < name->addresses_count; i++)
            abandon_address(name->addresses[i]);
        for (struct list *a = name->retired.next; a != &name->retired; a = a->next)
            abandon_address(LIST_OF(a, struct address, place));
        establish_abandon(name);
    }
    resolver_abandon(pool->resolver);
}

/* ---- making ---- */

uint64_t pool_id(void)
{
    static _Atomic uint64_t ids;
    /* relaxed: only its being different matters */
    return atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed) + 1;
}

static int text_copy(char **ret_copy, const char **text)
{
    if (!*text)
        return 0;
    *ret_copy = strdup(*text);
    *text = *ret_copy;
    return *ret_copy ? 0 : -ENOMEM;
}

static uint64_t shortest_time(const struct evpool_options *options)
{
    const uint64_t times[] = {options->idle_timeout_ns, options->lifetime_ns, options->health_interval_ns,
                              options->leak_ns, options->hooks.health ? options->health_timeout_ns : NEVER};
    uint64_t shortest = 64000000000u;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] < shortest)
            shortest = times[i];
    return shortest;
}

static void lock_init(struct evpool *pool)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&pool->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void seed(struct evpool *pool)
{
    uint64_t value = pool->options.seed;
    if (value == 0 && getrandom(&value, sizeof value, 0) != sizeof value)
        value = clock_ns();
    pool->random = value | 1; /* never 0 */
}

static void pool_init(struct evpool *pool, struct evloop *loop)
{
    pool->loop = loop;
    pool->id = pool_id();
    pool->generation = pool_generation;
    pool->work.call = work_run;
    pool->buckets_count = BUCKETS;
    list_init(&pool->names);
    list_init(&pool->hungry);
    list_init(&pool->stale);
    list_init(&pool->closing);
    for (unsigned i = 0; i < WHEEL_SLOTS; i++)
        list_init(&pool->wheel[i]);
    pool->tick_ns = shortest_time(&pool->options) / 64;
    if (pool->tick_ns < 1000000)
        pool->tick_ns = 1000000;
    lock_init(pool);
    seed(pool);
}

static void pool_destroy(struct evpool *pool)
{
    for (struct evpool_conn *conn; (conn = pool->unanswered);) {
        pool->unanswered = conn->next;
        free(conn);
    }
    if (pool->resolver)
        resolver_free(pool->resolver);
    pthread_mutex_destroy(&pool->lock);
    free(pool->buckets);
    free(pool->dns_servers);
    free(pool->hosts_file);
    free(pool);
}

static int parts_new(struct evpool *pool)
{
    struct evpool_options *options = &pool->options;
    pool->buckets = calloc(BUCKETS, sizeof *pool->buckets);
    if (!pool->buckets || text_copy(&pool->dns_servers, &options->dns_servers) < 0 ||
        text_copy(&pool->hosts_file, &options->hosts_file) < 0)
        return -ENOMEM;
    const struct resolver_options resolver = {.timeout_ns = options->resolve_timeout_ns,
                                              .ttl_min_s = options->ttl_min_s,
                                              .ttl_max_s = options->ttl_max_s,
                                              .negative_ttl_s = options->negative_ttl_s,
                                              .servers = options->dns_servers,
                                              .hosts_file = options->hosts_file};
    return resolver_new(&pool->resolver, pool->loop, &resolver);
}

static int not_made(int result, const struct evpool_options *options, struct evpool_error **ret_error)
{
    if (!ret_error)
        return result;
    if (result == -EINVAL)
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_invalid, EINVAL, clock_ns(), 0, "options",
                                "dns_servers is \"%.200s\", and may be a list like \"127.0.0.1:5353,[::1]:53\"",
                                options->dns_servers ? options->dns_servers : "");
    else
        *ret_error = error_wrap(NULL, EVPOOL_ERROR_memory, -result, clock_ns(), 0, "pool", "%s", strerror(-result));
    return result;
}

int evpool_new(struct evpool **ret_pool, struct evloop *loop, const struct evpool_options *options,
               struct evpool_error **ret_error)
{
    struct evpool_options resolved;
    const int r = options_resolve(&resolved, options, ret_error);
    if (r < 0)
        return r;
    pthread_once(&generation_once, watch_forks);
    struct evpool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return not_made(-ENOMEM, &resolved, ret_error);
    pool->options = resolved;
    pool_init(pool, loop);
    const int made = parts_new(pool);
    if (made < 0) {
        const int result = not_made(made, &resolved, ret_error);
        pool_destroy(pool);
        return result;
    }
    if (resolved.leak_ns != NEVER) {
        struct stack stack;
        stack_take(&stack, 0); /* the first allocates */
    }
    work_post(pool); /* finds out which thread is the loop's */
    *ret_pool = pool;
    return 0;
}

/* ---- the end ---- */

static bool empty(struct evpool *pool)
{
    pool_lock(pool);
    const bool none = pool->count == 0 && pool->pins == 0;
    pool_unlock(pool);
    return none;
}

/* Without connections and requests, names hold nothing but memory; who still has one must not use it any more. */
static void names_end(struct evpool *pool)
{
    pool_lock(pool);
    for (struct list *at = pool->names.next; at != &pool->names; at = at->next) {
        struct evpool_name *name = LIST_OF(at, struct evpool_name, place);
        name->refs = 0;
        name_stale_locked(name);
    }
    pool_unlock(pool);
    names_sweep(pool);
}

static void drained(struct evpool *pool, unsigned forced)
{
    void (*call)(void *arg, unsigned forced) = pool->drained;
    evloop_timer_stop(pool->loop, &pool->drain_timer);
    pool->draining = false;
    pool->drained = NULL;
    if (call)
        call(pool->drained_arg, forced);
}

static void pool_end(struct evpool *pool)
{
    evloop_timer_stop(pool->loop, &pool->drain_timer);
    evloop_timer_stop(pool->loop, &pool->tick_timer);
    names_end(pool);
    if (pool->freed)
        *pool->freed = true;
    pool_destroy(pool);
}

void work_post(struct evpool *pool)
{
    evloop_post(pool->loop, &pool->work);
}

/* Everything that other threads, and the loop's own callbacks, have left to be done. */
void work_run(struct evloop_post *post)
{
    struct evpool *pool = LIST_OF(post, struct evpool, work);
    pool_enter(pool);
    close_run(pool);
    hungry_run(pool);
    names_sweep(pool);
    if (pool->draining && empty(pool))
        drained(pool, 0);
    /* D1 (relaxed is enough: only this thread, or one that has been joined, posts to a pool that is being freed): a post that is queued is
     * waited for, for it is in the pool. */
    if (pool->freeing && empty(pool) && !__atomic_load_n(&pool->work.queued, __ATOMIC_RELAXED))
        pool_end(pool);
}

/* Each connection of the pool, in any state. */
static struct evpool_conn *next_conn_locked(struct list *conns, bool (*wanted)(const struct evpool_conn *conn))
{
    for (struct list *at = conns->next; at != conns; at = at->next) {
        struct evpool_conn *conn = LIST_OF(at, struct evpool_conn, among);
        if (wanted(conn))
            return conn;
    }
    return NULL;
}

static bool is_open(const struct evpool_conn *conn)
{
    return conn->state != CONN_closing;
}

static bool is_idle(const struct evpool_conn *conn)
{
    return conn->state == CONN_idle;
}

static bool is_lent(const struct evpool_conn *conn)
{
    return (conn->state == CONN_active || conn->state == CONN_checking) && !conn->forced;
}

static unsigned each_of_list(struct evpool *pool, struct list *conns, bool (*wanted)(const struct evpool_conn *conn),
                             void (*does)(struct evpool_conn *conn))
{
    unsigned count = 0;
    for (;; count++) {
        pool_lock(pool);
        struct evpool_conn *conn = next_conn_locked(conns, wanted);
        if (conn)
            does(conn);
        pool_unlock(pool);
        if (!conn)
            return count;
        if (conn->forced)
            stream_abort(conn->stream);
    }
}

static unsigned each_conn(struct evpool *pool, bool (*wanted)(const struct evpool_conn *conn),
                          void (*does)(struct evpool_conn *conn))
{
    unsigned count = 0;
    for (struct list *n = pool->names.next; n != &pool->names; n = n->next) {
        struct evpool_name *name = LIST_OF(n, struct evpool_name, place);
        for (unsigned i = 0; i < name->addresses_count; i++)
            count += each_of_list(pool, &name->addresses[i]->conns, wanted, does);
        for (struct list *a = name->retired.next; a != &name->retired; a = a->next)
            count += each_of_list(pool, &LIST_OF(a, struct address, place)->conns, wanted, does);
    }
    return count;
}

static void close_for_shutdown(struct evpool_conn *conn)
{
    close_locked(conn, EVPOOL_CLOSED_shutdown);
}

static void force(struct evpool_conn *conn)
{
    conn->forced = true;
}

/* What is lent is shut down, so that its borrower's reads and writes end; the descriptor goes when it comes back, or with the pool. */
static void drain_late(struct evloop_timer *timer)
{
    struct evpool *pool = LIST_OF(timer, struct evpool, drain_timer);
    pool_enter(pool);
    drained(pool, each_conn(pool, is_lent, force));
}

static void stop_lending(struct evpool *pool)
{
    pool_lock(pool);
    pool->closed = true;
    pool_unlock(pool);
    for (struct list *at = pool->names.next; at != &pool->names; at = at->next) {
        struct evpool_name *name = LIST_OF(at, struct evpool_name, place);
        pool_trace_name_state(name->id, pool->id, NAME_closing);
        queue_fail(name, UINT32_MAX, NEVER, EVPOOL_ERROR_closed, NULL);
        establish_cancel(name);
    }
    each_conn(pool, is_idle, close_for_shutdown);
    work_post(pool);
}

void evpool_close(struct evpool *pool, uint64_t deadline_ns, void (*done)(void *arg, unsigned forced), void *arg)
{
    if (pool_forked(pool))
        return;
    pool_enter(pool);
    pool->drained = done;
    pool->drained_arg = arg;
    pool->draining = true;
    stop_lending(pool);
    evloop_timer_stop(pool->loop, &pool->drain_timer); /* of an earlier close */
    if (deadline_ns != NEVER && evloop_timer_start(pool->loop, &pool->drain_timer, deadline_ns, drain_late) < 0)
        drain_late(&pool->drain_timer);
}

void evpool_free(struct evpool *pool)
{
    if (!pool)
        return;
    if (pool_forked(pool)) {
        abandon(pool);
        return;
    }
    pool_enter(pool);
    stop_lending(pool);
    const unsigned forced = each_conn(pool, is_lent, force);
    each_conn(pool, is_open, close_for_shutdown);
    if (pool->draining)
        drained(pool, forced);
    /* Not from within a callback: then the loop's next iterations, or evloop_free(), do the rest. */
    bool gone = false;
    pool->freed = &gone;
    pool->freeing = true;
    work_post(pool);
    struct evloop *loop = pool->loop;
    for (unsigned i = 0; i < FREE_ROUNDS && !gone; i++)
        if (evloop_run_once(loop, FREE_WAIT_NS) < 0)
            break;
    if (!gone)
        pool->freed = NULL;
}
