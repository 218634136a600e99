/* SPDX-License-Identifier: ISC
 *
 * Which thread writes which ring: a thread gets one at its first event and gives it back when it exits; the next thread goes on
 * in it, so that a thousand short threads cost as much memory as those that live at once.
 */
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where a thread without a ring points: busy for ever, so that each event goes to evtrail_reserve(). */
static struct evtrail_writer no_writer = {.busy = 1};

API __thread struct evtrail_writer *evtrail_writer_tls __attribute__((tls_model("initial-exec"))) = &no_writer;

static __thread uint8_t starting __attribute__((tls_model("initial-exec")));
static __thread uint32_t failures __attribute__((tls_model("initial-exec"))); /* in a row, to get a ring */
static __thread uint32_t lost_early __attribute__((tls_model("initial-exec")));
static pthread_key_t exit_key;

static void thread_exit(void *ring)
{
    int saved = errno;
    if (evtrail_thread_ring() == ring) {
        evtrail_writer_tls = &no_writer;
        evtrail_ring_release(ring);
    }
    errno = saved;
}

int evtrail_thread_init(void)
{
    return -pthread_key_create(&exit_key, thread_exit);
}

void evtrail_thread_forget(void)
{
    evtrail_writer_tls = &no_writer;
    starting = 0;
    failures = lost_early = 0;
}

struct evtrail_ring *evtrail_thread_ring(void)
{
    if (evtrail_writer_tls == &no_writer)
        return NULL;
    struct evtrail_ring *ring = (struct evtrail_ring *)(void *)evtrail_writer_tls;
    return atomic_load_explicit(&ring->state, memory_order_relaxed) == EVTRAIL_RING_OWNED ? ring : NULL;
}

/* ---- rings ---- */

struct geometry {
    uint32_t kind, block_bytes, blocks;
};

static struct geometry geometry_for(uint32_t kind)
{
    struct evtrail_settings_values settings;
    evtrail_settings_read(&evtrail_process.control->settings, &settings);
    if (kind == 1)
        return (struct geometry){kind, EVTRAIL_BLOCK_BYTES_MIN, 4};
    return (struct geometry){kind, settings.block_bytes, settings.blocks};
}

/* T3 (acquire) pairs with T4 (release) in evtrail_ring_release(): the ring as its last thread left it. */
static bool claim(struct evtrail_ring *ring, uint32_t from)
{
    return atomic_compare_exchange_strong_explicit(&ring->state, &from, EVTRAIL_RING_SETUP, memory_order_acquire,
                                                   memory_order_relaxed);
}

static struct evtrail_ring *claim_idle(struct geometry g)
{
    uint32_t count = atomic_load_explicit(&evtrail_process.rings_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct evtrail_ring *ring = evtrail_ring_at(i);
        if (atomic_load_explicit(&ring->state, memory_order_relaxed) != EVTRAIL_RING_IDLE ||
            !claim(ring, EVTRAIL_RING_IDLE))
            continue;
        if (ring->kind == g.kind && ring->block_bytes == g.block_bytes && ring->blocks == g.blocks)
            return ring;
        atomic_store_explicit(&ring->state, EVTRAIL_RING_IDLE, memory_order_release);
    }
    return NULL;
}

static bool thread_is_dead(uint32_t tid)
{
    int saved = errno;
    bool dead = tid && syscall(SYS_tgkill, getpid(), (pid_t)tid, 0) < 0 && errno == ESRCH;
    errno = saved;
    return dead;
}

/* Threads that no destructor saw (raw clones, a signal handler's event behind the last destructor) leave their ring owned. */
static void release_dead(void)
{
    uint32_t count = atomic_load_explicit(&evtrail_process.rings_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct evtrail_ring *ring = evtrail_ring_at(i);
        if (atomic_load_explicit(&ring->state, memory_order_acquire) == EVTRAIL_RING_OWNED &&
            thread_is_dead(__atomic_load_n(&ring->tid, __ATOMIC_RELAXED)) && claim(ring, EVTRAIL_RING_OWNED))
            atomic_store_explicit(&ring->state, EVTRAIL_RING_IDLE, memory_order_release);
    }
}

/* Others may count higher or lower rings at the same time: the count only grows, and covers them all. */
static void raise_count(_Atomic uint32_t *count, uint32_t index)
{
    uint32_t seen = atomic_load_explicit(count, memory_order_relaxed);
    while (seen <= index &&
           !atomic_compare_exchange_weak_explicit(count, &seen, index + 1, memory_order_release, memory_order_relaxed))
        ;
}

#define RINGS_BETWEEN_LOOKS 64 /* for dead owners: a system call a ring; and when all rings are used, always */
static_assert(EVTRAIL_RINGS_MAX % RINGS_BETWEEN_LOOKS == 0, "looks when all are used");

static struct evtrail_ring *claim_unused(void)
{
    _Atomic uint32_t *total = &evtrail_process.rings_count;
    uint32_t count = atomic_load_explicit(total, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) /* claimed once, and memory failed */
        if (claim(evtrail_ring_at(i), EVTRAIL_RING_UNUSED)) {
            evtrail_ring_at(i)->index = i;
            return evtrail_ring_at(i);
        }
    while (count < EVTRAIL_RINGS_MAX) {
        struct evtrail_ring *ring = evtrail_ring_at(count);
        if (claim(ring, EVTRAIL_RING_UNUSED)) {
            ring->index = count;
            raise_count(total, count);
            return ring;
        }
        count++;
    }
    return NULL;
}

static uint64_t take_space(uint64_t bytes)
{
    uint64_t offset = atomic_fetch_add_explicit(&evtrail_process.blocks_next, bytes, memory_order_relaxed);
    if (offset + bytes <= evtrail_process.data_bytes)
        return offset;
    atomic_fetch_sub_explicit(&evtrail_process.blocks_next, bytes, memory_order_relaxed);
    return 0;
}

/* Unless somebody took what is behind it: then it stays unused. */
static void give_space_back(uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes;
    if (offset)
        atomic_compare_exchange_strong_explicit(&evtrail_process.blocks_next, &end, offset, memory_order_relaxed,
                                                memory_order_relaxed); /* a number: nothing hangs on it */
}

/* Space and a table entry for a new ring. Its blocks get memory as they are opened. */
static bool build(struct evtrail_ring *ring, struct geometry g)
{
    struct evtrail_process *process = &evtrail_process;
    const uint32_t index = ring->index;
    struct evtrail_ring_header *table = (void *)(process->data + EVTRAIL_RINGS_OFFSET);
    if (evtrail_data_allocate((uint8_t *)&table[index], EVTRAIL_RINGS_OFFSET + index * sizeof(*table), sizeof(*table)) <
            0 ||
        evtrail_control_allocate(&process->control->rings[index], sizeof(struct evtrail_ring_control)) < 0)
        return false;
    const uint64_t bytes = (uint64_t)g.block_bytes * g.blocks, offset = take_space(bytes);
    uint8_t *base = offset ? evtrail_data_map(offset, bytes) : NULL;
    if (!base) {
        give_space_back(offset, bytes);
        return false;
    }
    if (index == 0)
        evtrail_session_describe_boot();
    ring->header = &table[index];
    ring->control = &process->control->rings[index];
    ring->blocks_base = base;
    ring->blocks_offset = offset;
    ring->block_bytes = g.block_bytes;
    ring->blocks = g.blocks;
    ring->kind = g.kind;
    ring->header->kind = g.kind;
    ring->header->offset = offset;
    ring->header->block_bytes = g.block_bytes;
    ring->header->blocks = g.blocks;
    TEST_POINT("S1");
    /* W7 (release): the geometry before the state that makes a reader believe it; pairs with R1. */
    atomic_store_explicit(&ring->header->state, EVTRAIL_RING_SETUP, memory_order_release);
    TEST_POINT("S2");
    raise_count(&process->header->rings_count, index);
    TEST_POINT("S3");
    return true;
}

struct evtrail_ring *evtrail_ring_acquire(uint32_t kind, struct evtrail_ring *owner)
{
    struct geometry g = geometry_for(kind);
    struct evtrail_ring *ring = claim_idle(g);
    uint32_t count = atomic_load_explicit(&evtrail_process.rings_count, memory_order_relaxed);
    if (!ring && count && count % RINGS_BETWEEN_LOOKS == 0) {
        release_dead();
        ring = claim_idle(g);
    }
    if (!ring && (ring = claim_unused()) && !build(ring, g)) {
        atomic_store_explicit(&ring->state, EVTRAIL_RING_UNUSED, memory_order_release);
        ring = NULL;
    }
    if (!ring)
        return NULL;
    ring->writer.busy = 0;
    ring->writer.limit = 0;
    ring->writer.counter = evtrail_process.clock != EVTRAIL_CLOCK_MONOTONIC;
    ring->owner = owner;
    ring->older = NULL;
    ring->signal = NULL;
    memset(ring->channel, 0, sizeof(ring->channel));
    memset(ring->labels, 0, sizeof(ring->labels));
    __atomic_store_n(&ring->tid, owner ? owner->tid : evtrail_gettid(), __ATOMIC_RELAXED);
    ring->settings_seen = 0;
    ring->stack_low = 0;
    memset(ring->thread_name, 0, sizeof(ring->thread_name));
    prctl(PR_GET_NAME, ring->thread_name);
    ring->pending = PENDING_THREAD | (ring->labels_used ? PENDING_LABELS : 0);
    atomic_store_explicit(&ring->header->tid, ring->tid, memory_order_relaxed);
    atomic_store_explicit(&ring->header->state, EVTRAIL_RING_OWNED, memory_order_release); /* W7 */
    atomic_store_explicit(&ring->state, EVTRAIL_RING_OWNED, memory_order_release); /* the owner, for release_dead() */
    return ring;
}

void evtrail_ring_release(struct evtrail_ring *ring)
{
    if (!ring)
        return;
    evtrail_ring_release(ring->signal);
    for (int i = 0; i < EVTRAIL_POLICIES; i++)
        evtrail_ring_release(ring->channel[i]);
    evtrail_ring_release(ring->older);
    ring->older = NULL;
    ring->signal = NULL;
    memset(ring->channel, 0, sizeof(ring->channel));
    ring->writer.limit = 0;
    atomic_store_explicit(&ring->header->tid, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->header->state, EVTRAIL_RING_IDLE, memory_order_release);
    /* T4 (release): all of the ring before another thread may claim it; pairs with T3. */
    atomic_store_explicit(&ring->state, EVTRAIL_RING_IDLE, memory_order_release);
}

/* ---- threads ---- */

void evtrail_count_no_ring(void)
{
    if (evtrail_session_ready())
        atomic_fetch_add_explicit(&evtrail_process.header->lost_no_ring, 1, memory_order_relaxed);
    else
        lost_early++;
}

void evtrail_count_nested(struct evtrail_ring *ring)
{
    if (!ring) {
        if (evtrail_session_ready())
            atomic_fetch_add_explicit(&evtrail_process.header->lost_nested, 1, memory_order_relaxed);
        return;
    }
    /* Atomic against a handler in the handler; nobody else writes this cause. */
    __atomic_fetch_add(&ring->lost[EVTRAIL_LOST_NESTED], 1, __ATOMIC_RELAXED);
    atomic_fetch_add_explicit(&ring->header->lost[EVTRAIL_LOST_NESTED], 1, memory_order_relaxed);
    __atomic_fetch_or(&ring->pending, PENDING_LOST, __ATOMIC_RELAXED);
    ring->writer.limit = 0;
}

/* Signals wait while the thread's rings are set up: a handler that left by longjmp() would leave `starting` set for good. What is
 * called meanwhile may emit (functions that libevtrail-libc.so stands before): `starting` keeps that out. */
static void starting_begin(sigset_t *ret_signals)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, ret_signals);
    starting = 1;
}

static void starting_end(const sigset_t *signals)
{
    starting = 0;
    pthread_sigmask(SIG_SETMASK, signals, NULL);
}

/* A signal handler may have come between the caller's look at `starting` and here, and got the ring. */
static struct evtrail_ring *start_ring(void)
{
    sigset_t signals;
    starting_begin(&signals);
    struct evtrail_ring *ring = evtrail_thread_ring();
    if (!ring)
        ring = evtrail_session_start() ? evtrail_ring_acquire(0, NULL) : NULL;
    if (ring) {
        failures = 0;
        for (; lost_early; lost_early--)
            evtrail_ring_lost(ring, EVTRAIL_LOST_MEMORY);
        pthread_setspecific(exit_key, ring);
        evtrail_writer_tls = &ring->writer;
    } else {
        failures++;
    }
    starting_end(&signals);
    return ring;
}

struct evtrail_ring *evtrail_thread_start(void)
{
    struct evtrail_ring *ring = NULL;
    if (starting) {
        evtrail_count_nested(NULL);
        return NULL;
    }
    if (failures & (failures - 1)) /* again at the 1st, 2nd, 4th, ... event */
        failures++;
    else
        ring = start_ring();
    if (!ring)
        evtrail_count_no_ring();
    return ring;
}

/* The thread's ring for what is no event: nothing is lost if there is none. */
static struct evtrail_ring *own_ring(void)
{
    struct evtrail_ring *ring = evtrail_thread_ring();
    return ring || starting ? ring : start_ring();
}

static void take_labels(struct evtrail_ring *ring, const struct evtrail_ring *from)
{
    if (ring != from)
        memcpy(ring->labels, from->labels, sizeof(ring->labels));
    if (!from->labels_used)
        return;
    ring->labels_used = true;
    __atomic_fetch_or(&ring->pending, PENDING_LABELS, __ATOMIC_RELAXED);
    ring->writer.limit = 0;
}

struct evtrail_ring *evtrail_thread_extra(struct evtrail_ring *ring, uint32_t kind)
{
    struct evtrail_ring **place = kind == 1 ? &ring->signal : &ring->channel[kind - 2];
    sigset_t signals;
    if (*place || starting)
        return *place;
    starting_begin(&signals);
    struct evtrail_ring *extra = *place; /* a handler's that came in between */
    if (!extra && (extra = evtrail_ring_acquire(kind, ring))) {
        take_labels(extra, ring);
        *place = extra;
    }
    starting_end(&signals);
    return extra;
}

static struct evtrail_ring *take_older(struct evtrail_ring *ring, struct geometry g)
{
    for (struct evtrail_ring **place = &ring->older; *place; place = &(*place)->older) {
        struct evtrail_ring *older = *place;
        if (older->block_bytes == g.block_bytes && older->blocks == g.blocks) {
            *place = older->older;
            older->settings_seen = 0;
            return older;
        }
    }
    return NULL;
}

/* S5: the old ring is not given back before the thread ends. We may be a signal handler, and the code that we interrupted
 * may have read evtrail_writer_tls and not yet set busy: another thread that took the ring would meet it there. It is used again when
 * its size is set again, so there is at most one of each size. Model-checked: docs/model/signal.pml. */
struct evtrail_ring *evtrail_thread_migrate(struct evtrail_ring *ring)
{
    struct geometry g = geometry_for(0);
    sigset_t signals;
    if (starting || (g.block_bytes == ring->block_bytes && g.blocks == ring->blocks))
        return ring;
    starting_begin(&signals);
    struct evtrail_ring *now = evtrail_thread_ring();
    struct evtrail_ring *larger = now == ring ? take_older(ring, g) : NULL;
    if (now == ring && !larger)
        larger = evtrail_ring_acquire(0, NULL);
    if (now != ring) { /* a handler has moved us in between */
        ring = now ? now : ring;
    } else if (larger) {
        take_labels(larger, ring);
        if (larger->spans < ring->spans)
            larger->spans = ring->spans;
        pthread_setspecific(exit_key, larger);
        larger->older = ring;
        evtrail_writer_tls = &larger->writer;
        ring->writer.limit = 0; /* whoever still holds it comes to evtrail_reserve() */
        ring = larger;
    }
    starting_end(&signals);
    return ring;
}

/* ---- span ids and labels ---- */

API uint64_t evtrail_span_new(void)
{
    static _Atomic uint64_t without_ring;
    int saved = errno;
    struct evtrail_ring *ring = evtrail_session_ready() ? own_ring() : NULL;
    errno = saved;
    if (!ring) /* ids of rings never reach the top bit */
        return UINT64_C(1) << 63 | (atomic_fetch_add_explicit(&without_ring, 1, memory_order_relaxed) + 1);
    uint64_t span = __atomic_add_fetch(&ring->spans, 1, __ATOMIC_RELAXED); /* in one go: a handler may want one too */
    return (uint64_t)(ring->index + 1) << 40 | (span & ((UINT64_C(1) << 40) - 1));
}

static int set_label(struct evtrail_ring *ring, const char *key, const char *value)
{
    int slot = -1;
    for (int i = EVTRAIL_LABELS_MAX - 1; i >= 0; i--) {
        if (ring->labels[i].key[0] == '\0' && slot < 0)
            slot = i;
        if (strncmp(ring->labels[i].key, key, EVTRAIL_LABEL_BYTES) == 0) {
            slot = i;
            break;
        }
    }
    if (slot < 0)
        return -ENOSPC;
    size_t n = strnlen(key, EVTRAIL_LABEL_BYTES);
    memcpy(ring->labels[slot].key, key, n);
    ring->labels[slot].key[n] = '\0';
    n = value ? strnlen(value, EVTRAIL_LABEL_BYTES) : 0;
    memcpy(ring->labels[slot].value, value ? value : "", n);
    ring->labels[slot].value[n] = '\0';
    if (!value)
        ring->labels[slot].key[0] = '\0';
    return 0;
}

API int evtrail_label(const char *key, const char *value)
{
    int saved = errno;
    if (!key || !*key)
        return -EINVAL;
    struct evtrail_ring *ring = own_ring();
    int result = ring ? set_label(ring, key, value) : -ENODEV;
    if (result == 0) {
        ring->labels_used = true;
        take_labels(ring, ring);
        if (ring->signal)
            take_labels(ring->signal, ring);
        for (int i = 0; i < EVTRAIL_POLICIES; i++)
            if (ring->channel[i])
                take_labels(ring->channel[i], ring);
    }
    errno = saved;
    return result;
}
