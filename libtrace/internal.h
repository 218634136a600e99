/* SPDX-License-Identifier: ISC
 *
 * What the files of libevtrail share: the process's session, and a ring as its one writer sees it.
 *
 * Nothing here calls malloc, takes a lock in the emission path, prints or exits.
 */
#ifndef EVTRAIL_INTERNAL_H
#define EVTRAIL_INTERNAL_H

#include "layout.h"
#include "shared/rules.h"

#include <evtrail/evtrail.h>

#include <sys/types.h>

#define TEST_POINT(name) EVTRAIL_TEST_POINT_(name)

#define LIKELY(x) EVTRAIL_LIKELY_(x)
#define UNLIKELY(x) EVTRAIL_UNLIKELY_(x)
#define API __attribute__((visibility("default")))

/* Words at a block's end that stay free for a TIME record (evtrail_reclock). */
#define EVTRAIL_SLACK_WORDS 2

/* ---- a ring, as its writer sees it --------------------------------------------------------------------------------
 * In an array of its own (private memory, wiped in a forked child), one entry a ring. The owner thread's alone while the ring is
 * owned; handed on with the ring's state (W7). */
struct evtrail_ring {
    struct evtrail_writer writer; /* first: the inline path's view */
    struct evtrail_ring_header *header;
    struct evtrail_ring_control *control;
    uint8_t *blocks_base;               /* block 0 */
    uint64_t blocks_offset;             /* of block 0 in the data file */
    struct evtrail_block_header *block; /* the open one, or NULL */
    uint64_t head;                      /* sequence number of the next block */
    uint64_t tail;                      /* lowest block that is kept (drop, block, shed) */
    uint64_t events_before;             /* in blocks before the open one */
    uint64_t lost[EVTRAIL_LOST_CAUSES];
    uint64_t settings_seen; /* generation + 1 */
    uint64_t stalled_tail;  /* block policy: tail when a wait timed out, + 1; no second wait until it moves */
    uint32_t index;         /* in the ring table */
    uint32_t block_bytes, blocks;
    uint32_t room; /* words of the open block that have memory, less slack */
    uint32_t policy;
    uint32_t kind;      /* as in evtrail_ring_header */
    uint32_t pending;   /* PENDING_*: records of our own that go before the next event */
    uint32_t consumers; /* bit mask of those that were active when last looked */
    uint32_t drops_in_row;
    _Atomic uint32_t state;   /* enum evtrail_ring_state; 0 too in a forked child, whose kernel wiped this page */
    uint32_t memory_failures; /* in a row: asked for again at 1, 2, 4, ... events */
    bool shedding;
    uint8_t drop_from; /* events of this level and less severe ones are lost while no consumer moves; 0: none */
    bool labels_used;
    uint64_t deadline_ns, lease_ns;
    /* of a thread's main ring only */
    struct evtrail_ring *signal;
    struct evtrail_ring *channel[EVTRAIL_POLICIES];
    struct evtrail_ring *older; /* this thread's too, of sizes that were set before: evtrail_thread_migrate() */
    struct evtrail_ring *owner; /* of a signal or channel ring: the thread's main ring */
    uint64_t spans;
    uintptr_t stack_low; /* evtrail_ring_abandoned(): of the thread's stack; UINTPTR_MAX: not known */
    bool turning;        /* a block is being opened, and what it left half done could not be gone on with */
    uint32_t tid;
    char thread_name[EVTRAIL_THREAD_NAME_BYTES];
    struct {
        char key[EVTRAIL_LABEL_BYTES + 1], value[EVTRAIL_LABEL_BYTES + 1];
    } labels[EVTRAIL_LABELS_MAX];
};
#define EVTRAIL_RING_STRIDE 1536
static_assert(sizeof(struct evtrail_ring) <= EVTRAIL_RING_STRIDE, "ring entry");

enum {
    PENDING_LOST = 1,
    PENDING_THREAD = 2,
    PENDING_LABELS = 4,
};
#define EVTRAIL_PENDING_WORDS_MAX (11 + 4 + EVTRAIL_LABELS_MAX * 20)
#define EVTRAIL_CONTEXT_WORDS_MAX (2 + 1 + 1 + 1 + EVTRAIL_STACK_MAX)

/* ---- the process's session ---- */

enum { SESSION_NONE = 0, SESSION_STARTING = 1, SESSION_READY = 2, SESSION_OFF = 3 };

struct evtrail_process {
    uint8_t *data;         /* the data file's first window_bytes: memory where it was asked for */
    uint64_t data_bytes;   /* of the file, sparse */
    uint64_t window_bytes; /* header, metadata, ring table and the first rings; others: evtrail_data_map() */
    struct evtrail_session_header *header;
    struct evtrail_control *control; /* keeps its address for ever: trace points point into it */
    uint8_t *rings;                  /* EVTRAIL_RINGS_MAX x EVTRAIL_RING_STRIDE */
    _Atomic uint32_t *mine;          /* page wiped by fork: SESSION_* of this very process */
    _Atomic uint64_t blocks_next;    /* next free byte in the data file */
    _Atomic uint64_t memory_used;
    _Atomic uint32_t anchor_lock;
    uint64_t anchor_next_ns;
    uint64_t session_id;
    ino_t inode; /* of the data file */
    dev_t device;
    _Atomic uint32_t rings_count;
    uint32_t clock;
    uint32_t pid;
    _Atomic uint32_t starter; /* thread that makes the session */
    bool off; /* for good: setuid, EVTRAIL=off */
    bool started;
    bool force_monotonic;
    char path[480]; /* of the data file */
};
extern struct evtrail_process evtrail_process;

static inline struct evtrail_ring *evtrail_ring_at(uint32_t index)
{
    return (struct evtrail_ring *)(void *)(evtrail_process.rings + (size_t)index * EVTRAIL_RING_STRIDE);
}

static inline bool evtrail_session_ready(void)
{
    return evtrail_process.mine && atomic_load_explicit(evtrail_process.mine, memory_order_acquire) == SESSION_READY;
}

/* watched.c: whether a reader watches the directory, or was killed and will come back. Two system calls if none does. */
bool evtrail_watched(void);

/* siblings.c: of the dead sessions of this program that nobody wants kept, all but the newest 64 are removed. Not where a reader
 * of all sessions watches. */
void evtrail_siblings_tidy(void);
/* session.c: makes the session once in each process. True if there is one. */
bool evtrail_session_start(void);
/* The part of the header that is left to the first ring. */
void evtrail_session_describe_boot(void);
/* The same where one may wait: until another thread that is making the session is done. */
bool evtrail_session_start_wait(void);
/* Gives memory to bytes of the data file before they are touched: 0, or -ENOMEM and nothing will ever raise SIGBUS. */
int evtrail_data_allocate(uint8_t *address, uint64_t offset, uint64_t bytes);
/* Where that part of the data file is in the process's address space: memory is not there yet. NULL: it cannot be had. */
uint8_t *evtrail_data_map(uint64_t offset, uint64_t bytes);
/* The same for control. */
int evtrail_control_allocate(const void *address, uint64_t bytes);

/* platform.c */
int evtrail_populate(void *address, size_t bytes);
uint64_t evtrail_monotonic_ns(void);
uint64_t evtrail_realtime_ns(void);
uint32_t evtrail_gettid(void);
int evtrail_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);
void evtrail_futex_wake(_Atomic uint32_t *word);
uint64_t evtrail_random(void);

/* clock.c */
uint32_t evtrail_clock_detect(uint64_t *ret_hz);
uint64_t evtrail_clock_ticks(void);
void evtrail_anchor_add(bool always);

/* registry.c */
void evtrail_registry_publish(void);     /* writes all known types and modules into a new session */
void evtrail_registry_apply_rules(void); /* recomputes all enable bytes; returns nothing, takes its lock */
int evtrail_registry_apply_rules_count(void);
void evtrail_registry_lock(void);
void evtrail_registry_unlock(void);
bool evtrail_registry_lock_unless_mine(void); /* false: this thread holds it */
uint32_t evtrail_registry_types(void);        /* the next id */
void evtrail_registry_fork_child(void);
/* An event of a point that is wanted and could not be registered, for want of memory: counts it as lost, tries again. */
void evtrail_registry_missing(const struct evtrail_point *point);
void evtrail_modules_refresh(void); /* loaded objects, for code addresses */
void evtrail_modules_first(void);   /* unless done */

/* forward.c. F1 (acquire) pairs with F2 (release): what the receiver points to. */
extern const struct evtrail_forward *_Atomic evtrail_forward_receiver;
/* Of a point whose enable byte is EVTRAIL_FORWARDED_: gives the event to the receiver; returns what the type's enable byte
 * says otherwise. */
static inline unsigned evtrail_forward(const struct evtrail_point *point, uint64_t ticks, const struct evtrail_arg *args,
                                       unsigned count)
{
    const uint32_t id = point->head >> 6;
    const struct evtrail_forward *receiver = atomic_load_explicit(&evtrail_forward_receiver, memory_order_acquire);
    if (LIKELY(receiver))
        receiver->event(id, ticks, args, count);
    return atomic_load_explicit(&evtrail_process.control->enable[id], memory_order_relaxed);
}
/* What `enabled` of a point of this type is to be. Under the registry's lock, as are all of these. */
const uint8_t *evtrail_forward_enabled(uint32_t id);
/* Asks the receiver, if there is one, about a new type. */
void evtrail_forward_ask(uint32_t id);
/* A point that has its type: found again when a receiver comes later. */
void evtrail_forward_remember(struct evtrail_point *point);
void evtrail_forward_forget(struct evtrail_point *const *first, struct evtrail_point *const *end);
/* registry.c: a type's entry in the schema, and its one point of evtrail_register() (or NULL). NULL: no such type. */
const struct evtrail_meta_header *evtrail_registry_entry(uint32_t id, const char **ret_name, struct evtrail_point **ret_point);

/* thread.c */
struct evtrail_ring *evtrail_thread_ring(void);  /* this thread's main ring, or NULL: it has none (yet) */
struct evtrail_ring *evtrail_thread_start(void); /* gets one; NULL: counted as lost */
struct evtrail_ring *evtrail_thread_extra(struct evtrail_ring *main, uint32_t kind);
struct evtrail_ring *evtrail_ring_acquire(uint32_t kind, struct evtrail_ring *owner);
void evtrail_ring_release(struct evtrail_ring *ring);
struct evtrail_ring *evtrail_thread_migrate(struct evtrail_ring *ring); /* to a ring of the size now set */
void evtrail_thread_forget(void);                                       /* in a forked child */
void evtrail_count_nested(struct evtrail_ring *ring);
void evtrail_count_no_ring(void);
int evtrail_thread_init(void);

/* policy.c */
/* Whether the slot of the next block may be overwritten under drop, block and shed; refreshes ring->tail. */
bool evtrail_policy_room(struct evtrail_ring *ring);
/* The same without the bookkeeping: false is certain, true is to be looked at. */
static inline bool evtrail_policy_moved(const struct evtrail_ring *ring)
{
    for (uint32_t mask = ring->consumers; mask; mask &= mask - 1)
        if (atomic_load_explicit(&ring->control->released[__builtin_ctz(mask)], memory_order_relaxed) > ring->tail)
            return true;
    return false;
}
/* Something was set, or a consumer came, since this ring last looked. */
static inline bool evtrail_policy_outdated(const struct evtrail_ring *ring)
{
    return ring->settings_seen !=
           (uint64_t)atomic_load_explicit(&evtrail_process.control->settings.generation, memory_order_relaxed) + 1;
}
/* block: waits for it. Returns whether there is room. */
bool evtrail_policy_wait(struct evtrail_ring *ring);
bool evtrail_policy_sheds(struct evtrail_ring *ring, unsigned level);
void evtrail_policy_refresh(struct evtrail_ring *ring); /* settings and consumers, at a block change */
void evtrail_policy_evict(struct evtrail_ring *ring);   /* consumers whose lease ran out */

/* ring.c */
/* Room for `words` words (an event and its context) of an event of `level`: the writer is ready, pending records are written. False:
 * counted as lost. busy is set. */
bool evtrail_ring_reserve(struct evtrail_ring *ring, unsigned level, uint32_t words);
void evtrail_ring_lost(struct evtrail_ring *ring, unsigned cause);
void evtrail_ring_dropped(struct evtrail_ring *ring, unsigned level); /* by the policy in force */
void evtrail_ring_put_header(struct evtrail_ring *ring, uint32_t id, uint32_t words);
void evtrail_ring_put(struct evtrail_ring *ring, uint64_t word);

/* The most words, of an event with its context, that surely fit a block of that size. */
static inline uint32_t evtrail_ring_words_max(uint32_t block_bytes)
{
    return (block_bytes - EVTRAIL_BLOCK_HEADER_BYTES) / 8 - EVTRAIL_SLACK_WORDS - EVTRAIL_PENDING_WORDS_MAX;
}

/* emit.c */
void evtrail_readers_wake(void); /* those that sleep until something happens in this session */

/* abandoned.c */
/* Of a busy ring, in an emission whose stack frame is (just below) `frame`: whether the emission that holds it is surely gone;
 * then the ring is not busy any more. */
bool evtrail_ring_abandoned(struct evtrail_ring *ring, uintptr_t frame);

/* Sets and clears `busy`: a signal handler sees it set while anything in between is half done. `frame`: the stack pointer of
 * the outermost function that the emission is in; it goes on there when those further in have returned, and a handler that
 * interrupts it must be below. */
static inline void evtrail_ring_enter(struct evtrail_ring *ring, uintptr_t frame)
{
    __atomic_store_n(&ring->writer.busy, evtrail_busy_(frame), __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}
static inline void evtrail_ring_leave(struct evtrail_ring *ring)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&ring->writer.busy, 0, __ATOMIC_RELAXED);
}

#endif
