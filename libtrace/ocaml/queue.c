/* SPDX-License-Identifier: ISC
 *
 * Events of threads that may not write into an OCaml ring, until one that may passes by: a bounded queue of many writers and one
 * reader (after Vyukov), in memory that the kernel wipes in a forked child, where half-made entries would stand for ever.
 *
 * Slot s of ticket t = s mod SLOTS: `turn` is t - s (so 0 at first) while ticket t may fill it, t - s + 1 while it is full. A writer is wait-free but
 * for the race for a ticket. One that a signal handler interrupts holds up the reader, not other writers.
 */
#include "ocaml.h"

#include <sys/mman.h>

#define SLOTS 4096u

struct slot {
    _Atomic uint64_t turn;
    struct queued event;
};
struct queue {
    _Alignas(64) _Atomic uint64_t next; /* ticket */
    _Alignas(64) _Atomic uint64_t taken;
    _Atomic uint32_t draining;
    _Alignas(64) struct slot slots[SLOTS];
};
static struct queue *_Atomic queue;

/* In the constructor: threads and handlers find it made. */
__attribute__((constructor(103))) static void make_queue(void)
{
    void *map =
        mmap(NULL, sizeof(struct queue), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return;
    if (madvise(map, sizeof(struct queue), MADV_WIPEONFORK) < 0) {
        munmap(map, sizeof(struct queue));
        return;
    }
    atomic_store_explicit(&queue, map, memory_order_release); /* Q5: the slots' turns before it; pairs with Q6 */
}

static struct slot *slot_of(struct queue *q, uint64_t ticket)
{
    return &q->slots[ticket % SLOTS];
}

static uint64_t lap(uint64_t ticket)
{
    return ticket - ticket % SLOTS;
}

/* Q1 (acquire) pairs with Q4 (release): the reader has done with the slot. */
struct queued *ocaml_queue_reserve(uint64_t *ret_ticket)
{
    struct queue *q = atomic_load_explicit(&queue, memory_order_acquire); /* Q6 */
    if (!q)
        return NULL;
    uint64_t ticket = atomic_load_explicit(&q->next, memory_order_relaxed);
    for (;;) {
        struct slot *slot = slot_of(q, ticket);
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn == lap(ticket)) {
            if (atomic_compare_exchange_weak_explicit(&q->next, &ticket, ticket + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                *ret_ticket = ticket;
                return &slot->event;
            }
        } else if (turn < lap(ticket)) {
            return NULL; /* not taken yet since a lap ago */
        } else {
            ticket = atomic_load_explicit(&q->next, memory_order_relaxed);
        }
    }
}

/* Q2 (release): the event is whole; pairs with Q3. */
void ocaml_queue_publish(uint64_t ticket)
{
    struct queue *q = atomic_load_explicit(&queue, memory_order_relaxed);
    atomic_store_explicit(&slot_of(q, ticket)->turn, lap(ticket) + 1, memory_order_release);
}

bool ocaml_queue_empty(void)
{
    struct queue *q = atomic_load_explicit(&queue, memory_order_relaxed);
    return !q || atomic_load_explicit(&q->taken, memory_order_relaxed) ==
                     atomic_load_explicit(&q->next, memory_order_relaxed);
}

/* D1 (acquire), D2 (release): what the last reader took. */
void ocaml_queue_drain(bool (*take)(const struct queued *event, const void *domain), const void *domain)
{
    struct queue *q = atomic_load_explicit(&queue, memory_order_acquire); /* Q6 */
    if (!q || atomic_exchange_explicit(&q->draining, 1, memory_order_acquire))
        return;
    uint64_t ticket = atomic_load_explicit(&q->taken, memory_order_relaxed);
    for (uint32_t i = 0; i < SLOTS; i++, ticket++) {
        struct slot *slot = slot_of(q, ticket);
        if (atomic_load_explicit(&slot->turn, memory_order_acquire) != lap(ticket) + 1 ||
            !take(&slot->event, domain)) /* Q3 */
            break;
        atomic_store_explicit(&slot->turn, lap(ticket) + SLOTS, memory_order_release); /* Q4 */
        atomic_store_explicit(&q->taken, ticket + 1, memory_order_relaxed);
    }
    atomic_store_explicit(&q->draining, 0, memory_order_release);
}
