/* SPDX-License-Identifier: ISC
 *
 * What a pool is made of, and how its files divide the work.
 *
 * One mutex a pool. It is held for list operations and counters only: never across a system call, a callback, an allocation or an
 * event. Functions whose name ends in _locked are called with it held. Everything that waits is done by the loop's thread: other threads
 * put what is to be done into the pool's lists and post `work`.
 *
 *     options.c    what may be configured           spread.c      which address is next
 *     name.c       names, their registry            eject.c       addresses that fail are left out for a while
 *     address.c    the addresses behind a name      hungry.c      which name gets the next connection
 *     acquire.c    asking for a connection          establish.c   how one comes about: rounds of attempts
 *     wait.c       the same, blocking               life.c        how connections age: idle, lifetime, health, leaks
 *     lend.c       lending and taking back          close.c       how they end
 *     conn.c       what a borrower may do           drain.c       the pool's beginning and end, fork
 *     steps.h      what each step tells the tracing figures.c     counters and histograms
 */
#ifndef EVPOOL_INTERNAL_H
#define EVPOOL_INTERNAL_H

#include <evpool/pool.h>

#include "../connect/connector.h"
#include "../connect/error_builder.h"
#include "../connect/stream.h"
#include "../resolver/resolver.h"
#include "list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define NEVER UINT64_MAX
enum { WHEEL_SLOTS = 256, STACK_FRAMES = 24, LABEL_BYTES = 160 };

/* Values are those of the events. */
enum conn_state { CONN_idle = 1, CONN_active = 2, CONN_checking = 3, CONN_closing = 4 };
enum address_state { ADDRESS_serving = 1, ADDRESS_slow_start = 2, ADDRESS_ejected = 3, ADDRESS_probing = 4, ADDRESS_retired = 5 };
enum name_state { NAME_open = 1, NAME_clearing = 2, NAME_closing = 3 };
enum why { WHY_waiter = 1, WHY_min_idle = 2, WHY_probe = 3 };
enum request_state { REQUEST_none, REQUEST_queued, REQUEST_answered, REQUEST_served /* answered, after it was in the queue */ };

/* Where a borrower stood. */
struct stack {
    unsigned count;
    void *frames[STACK_FRAMES];
};

struct evpool_conn {
    struct list place; /* lock; in its address's `lendable`, or in the pool's `closing` */
    struct list among; /* lock; in its address's `conns` */
    struct list alarm; /* loop; in the wheel */
    struct address *address;
    struct stream *stream;
    struct evpool *pool;
    uint64_t id, created_ns, expires_ns;
    _Atomic uint64_t since_ns; /* lock; idle since, or lent since. Read without it by a borrower (relaxed): its own, or of a shared one a sharer's */
    uint64_t checked_ns; /* lock; of health */
    _Atomic uint64_t uses; /* the same */
    _Atomic unsigned users; /* lock; read without it for a hint only (relaxed): whether the last user leaves */
    unsigned epoch;         /* of the name when it was connected */
    unsigned ios;           /* loop; reads and writes under way */
    unsigned calling;       /* loop; callbacks of those that are being called */
    uint8_t state;          /* lock; enum conn_state */
    uint8_t reason;         /* lock; 0, or it is to be closed for this */
    uint8_t leaked;         /* lock; told already */
    bool ending;            /* loop; it is being closed */
    bool forced;            /* loop; shut down under its borrower */
    bool unanswered;        /* loop; the health hook has yet to call evpool_health_done() */
    struct evloop_op watch;
    struct evpool_conn *next; /* loop; of the pool's `unanswered` */
    struct stack *stack;    /* lock; NULL: leaks are not looked for */
    void *data;
};

struct address {
    struct list place; /* lock; in the name's `retired` */
    struct evpool_name *name;
    struct peer_address peer;
    char label[LABEL_BYTES];
    uint64_t id;
    /* lock: */
    struct list lendable; /* connections with room for a user, the last used first */
    struct list conns;    /* all of them */
    unsigned count;       /* connections, closing ones too, and those being made with this address first */
    unsigned users;       /* borrowers */
    unsigned ready;       /* place in the name's `ready`, + 1; 0: nothing lendable */
    unsigned holds;       /* connectors that point here */
    uint8_t state;        /* enum address_state */
    bool probe;           /* one is on its way */
    unsigned failed_connects, failed_uses; /* in a row */
    unsigned ejections;   /* in a row */
    uint64_t ejected_ns, until_ns, wait_ns; /* of the last ejection */
    uint64_t slow_ns;     /* the slow start began */
    struct evpool_figures figures;
};

struct evpool_name {
    struct evpool *pool;
    struct list place;     /* lock; pool->names */
    struct list hungry;    /* lock; pool->hungry: wants connections */
    struct list stale;     /* lock; pool->stale: perhaps nobody's */
    struct evpool_name *bucket_next;
    uint64_t id;
    char *host, *key, *label;
    uint16_t port;
    struct tls_settings *tls;
    /* lock: */
    unsigned refs, epoch;
    bool clear, closing;
    struct address **addresses, **ready;
    unsigned addresses_count, ready_count, ejected, turn;
    struct list retired;   /* addresses that are no longer the name's, and have connections */
    struct evpool_request *first, *last;
    unsigned waiting;
    unsigned pins;         /* requests that are answered and not delivered yet */
    unsigned count, pending, idle, active; /* count: connections, closing ones too, and pending ones */
    uint64_t warm_ns;      /* min_idle is not tried before */
    struct evpool_figures figures;
    struct evpool_times times;
    /* loop: */
    struct list establishes;
    struct resolver_query query;
    struct resolver_watch watch;
    bool resolving, watching;
    uint64_t resolve_ns;
    struct evloop_timer timer;
    char story[256];       /* the last failure, for those whose time is over; lock */
};

struct evpool {
    pthread_mutex_t lock;
    struct evloop *loop;
    struct resolver *resolver;
    struct evpool_options options;
    char *dns_servers, *hosts_file;
    uint64_t id;
    unsigned generation;       /* of the process that made it */
    _Atomic uintptr_t thread;  /* the loop's, 0: not known yet. Relaxed: a thread only asks whether it is itself */
    /* lock: */
    uint64_t random;
    struct evpool_name **buckets;
    unsigned buckets_count, names_count;
    struct list names, hungry, stale, closing;
    unsigned count;            /* connections, closing ones too, and pending ones */
    unsigned leaving;          /* of those, closing */
    unsigned pins;             /* those of its names */
    bool closed;
    struct evpool_figures past; /* of names that are gone */
    /* loop: */
    struct evloop_post work;
    struct list wheel[WHEEL_SLOTS];
    struct evloop_timer tick_timer;
    uint64_t tick_ns, ticked_ns;
    unsigned tick, aging;      /* connections in the wheel */
    struct evpool_conn *unanswered; /* closed, and kept for a hook that may still speak of them: stream NULL, address gone */
    struct evloop_timer drain_timer;
    void (*drained)(void *arg, unsigned forced);
    void *drained_arg;
    bool freeing, draining;
    bool *freed; /* told when it is gone */
};

extern unsigned pool_generation; /* counts forks */

/* ---- small things ---- */

static inline void pool_lock(struct evpool *pool)
{
    pthread_mutex_lock(&pool->lock);
}
static inline void pool_unlock(struct evpool *pool)
{
    pthread_mutex_unlock(&pool->lock);
}
static inline bool pool_forked(const struct evpool *pool)
{
    return __builtin_expect(pool->generation != pool_generation, 0);
}
static inline uintptr_t thread_here(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}
static inline bool pool_in_loop(struct evpool *pool)
{
    return atomic_load_explicit(&pool->thread, memory_order_relaxed) == thread_here();
}
/* First thing in everything that only the loop's thread calls. */
static inline void pool_enter(struct evpool *pool)
{
    if (!pool_in_loop(pool))
        atomic_store_explicit(&pool->thread, thread_here(), memory_order_relaxed);
}
static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
/* The iteration's time in the loop's thread: no clock is read. */
static inline uint64_t pool_now(struct evpool *pool)
{
    return pool_in_loop(pool) ? evloop_now_ns(pool->loop) : clock_ns();
}
static inline uint64_t time_after(uint64_t now, uint64_t ns)
{
    return ns > NEVER - now ? NEVER : now + ns;
}
/* Two threads' clocks need not agree: never negative. */
static inline uint64_t time_since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}
static inline uint64_t since_of(const struct evpool_conn *conn)
{
    return atomic_load_explicit(&conn->since_ns, memory_order_relaxed); /* see struct evpool_conn */
}
static inline void since_set_locked(struct evpool_conn *conn, uint64_t ns)
{
    atomic_store_explicit(&conn->since_ns, ns, memory_order_relaxed);
}
static inline uint64_t uses_of(const struct evpool_conn *conn)
{
    return atomic_load_explicit(&conn->uses, memory_order_relaxed); /* see struct evpool_conn */
}
static inline void uses_set_locked(struct evpool_conn *conn, uint64_t uses)
{
    atomic_store_explicit(&conn->uses, uses, memory_order_relaxed);
}
static inline unsigned users_locked(const struct evpool_conn *conn)
{
    return atomic_load_explicit(&conn->users, memory_order_relaxed);
}
static inline struct evpool_name *conn_name(const struct evpool_conn *conn)
{
    return conn->address->name;
}
uint64_t pool_id(void); /* of entities; unique in the process */

/* ---- options.c ---- */
int options_resolve(struct evpool_options *to, const struct evpool_options *from, struct evpool_error **ret_error);

/* ---- name.c ---- */
void names_sweep(struct evpool *pool);                              /* loop; forgets those that are nobody's */
void name_stale_locked(struct evpool_name *name);                   /* if it may be nobody's now */
void name_clear_due(struct evpool_name *name);                      /* loop */
void name_free(struct evpool_name *name);
uint64_t random_locked(struct evpool *pool);
int name_look_up(struct evpool_name *name, uint64_t span);          /* loop; those who establish are told */
void name_rest(struct evpool_name *name);                            /* loop; if nobody uses it */
void name_timer_set(struct evpool_name *name);                      /* loop; to the next thing that is due */

/* ---- address.c ---- */
int addresses_update(struct evpool_name *name, const struct resolver_answer *answer); /* loop; -ENOMEM */
void addresses_drop_locked(struct evpool_name *name);               /* all retire */
void addresses_reap(struct evpool_name *name);                      /* loop; frees those retired that are not used */
void ready_add_locked(struct address *address);
void ready_remove_locked(struct address *address);

/* ---- spread.c ---- */
struct address *spread_ready_locked(struct evpool_name *name, uint64_t now); /* one that has a connection to lend; NULL */
struct address *spread_connect_locked(struct evpool_name *name, uint64_t now); /* the next to connect to; NULL: all are full */
unsigned spread_targets_locked(struct evpool_name *name, struct address *first, struct address **ret_targets, unsigned max);

/* ---- eject.c ---- */
/* What became of an address, to be told when the lock is not held any more and the address may be gone. */
struct verdict {
    enum { VERDICT_none, VERDICT_ejected, VERDICT_returned, VERDICT_due } what;
    unsigned state, failures;
    uint64_t address_id, name_id, wait_ns, out_ns;
};
struct verdict eject_failure_locked(struct address *address, bool connect, uint64_t now);
struct verdict eject_success_locked(struct address *address, uint64_t now);
struct verdict eject_due_locked(struct address *address, uint64_t now); /* the next step if it is time */
void eject_tell(const struct verdict *verdict);
bool code_blames_address(enum evpool_code code);

/* ---- lend.c ---- */
struct evpool_conn *take_locked(struct evpool_name *name, uint64_t now, const struct stack *stack, uint64_t *ret_idle, bool *ret_look);
void count_lent_locked(struct evpool_name *name, struct evpool_conn *conn, uint64_t wait);
/* For the head of the queue, or to the idle ones. The request must be delivered after the lock; NULL: none. */
struct evpool_request *offer_locked(struct evpool_conn *conn, uint64_t now);
void unlend_locked(struct evpool_conn *conn); /* from the lendable ones */
enum evpool_reason why_close_locked(struct evpool_conn *conn, uint64_t now);
bool conn_look(struct evpool_conn *conn); /* a look at an idle connection that was just taken; false: it was bad, and is being closed */

/* ---- acquire.c ---- */
void queue_push_locked(struct evpool_name *name, struct evpool_request *request);
void queue_remove_locked(struct evpool_name *name, struct evpool_request *request);
void answer_locked(struct evpool_name *name, struct evpool_request *request, enum evpool_code code); /* takes it out of the queue */
enum asked { ASKED_none, ASKED_taken, ASKED_queued, ASKED_refused };
enum asked request_ask(struct evpool_name *name, struct evpool_request *request, uint64_t now, bool queue, uint64_t *ret_idle, unsigned *ret_depth);
void request_deliver(struct evpool_request *request); /* after the lock; an answered one */
void request_unpin(struct evpool_name *name); /* one that was answered is delivered: name and pool may go after this */
void request_give(struct evpool *pool, struct evpool_request *request, struct evpool_conn *conn, uint64_t idle); /* events and hooks */
/* Up to `count` from the head of the queue that began by then fail: with this error (counted up for each), or NULL: for the code. */
void queue_fail(struct evpool_name *name, unsigned count, uint64_t began_until, enum evpool_code code, struct evpool_error *error);
struct evpool_error *request_error(struct evpool_name *name, enum evpool_code code, uint64_t began_ns, uint64_t now);
void waiter_wake(struct evpool_request *request); /* wait.c */

/* ---- hungry.c ---- */
void hungry_locked(struct evpool_name *name); /* it may want connections: looked at by the next work */
bool starving_locked(const struct evpool_name *own); /* another name should get a place of this one's */
unsigned need_locked(const struct evpool_name *name, uint64_t now); /* connections that it needs, beyond those being made */
void hungry_run(struct evpool *pool);
void evict_for(const struct evpool_name *name); /* loop; the process has no descriptor left: an idle connection of any name goes */

/* ---- establish.c ---- */
void establish_start(struct evpool_name *name, struct address *chosen, enum why why); /* loop; the place is reserved, with the name and `chosen` */
void establish_resolved(struct evpool_name *name, struct evpool_error *error); /* taken over; NULL: addresses are known */
void establish_cancel(struct evpool_name *name);
void establish_abandon(struct evpool_name *name); /* in a forked child: closes its copies of the descriptors */
void choose_locked(struct address *address); /* counts one that is being made with this address first */
void unchoose_locked(struct address *address);

/* ---- life.c ---- */
/* Loop: a connection from a stream, which is closed if there is no memory (-ENOMEM). Its place is reserved. */
int conn_new(struct evpool_conn **ret_conn, struct address *address, struct stream *stream, unsigned epoch);
void life_begin(struct evpool_conn *conn); /* loop; into the wheel, and watched */
void life_end(struct evpool_conn *conn);
void stack_take(struct stack *stack, unsigned skip);

/* ---- conn.c ---- */
void conn_print(const struct evpool_conn *conn, char *text, size_t bytes); /* local and peer address */

/* ---- close.c ---- */
void close_locked(struct evpool_conn *conn, enum evpool_reason reason); /* work must be posted */
void close_run(struct evpool *pool);
void close_continue(struct evpool_conn *conn); /* loop; something that held it ended */

/* ---- drain.c ---- */
void work_post(struct evpool *pool);
void work_run(struct evloop_post *post);

/* ---- figures.c ---- */
void pool_histogram_add(struct evpool_histogram *histogram, uint64_t ns);
void figures_add(struct evpool_figures *to, const struct evpool_figures *from);

#endif /* EVPOOL_INTERNAL_H */
