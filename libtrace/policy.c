/* SPDX-License-Identifier: ISC
 *
 * What happens when the ring is full: who is waited for, for how long, and which levels are shed first.
 *
 * All of control may be written by anyone. A lie can make us drop events or overwrite unread ones; it cannot make us
 * write elsewhere or wait for longer than the deadline.
 */
#include "internal.h"
#include "shared/override.h"

#include <errno.h>

static void read_settings(struct evtrail_ring *ring)
{
    const struct evtrail_settings *settings = &evtrail_process.control->settings;
    /* C1 (acquire) pairs with the release in evtrail_settings_apply(). */
    uint64_t seen = (uint64_t)atomic_load_explicit(&settings->generation, memory_order_acquire) + 1;
    if (seen == ring->settings_seen)
        return;
    struct evtrail_settings_values values;
    evtrail_settings_read(settings, &values);
    ring->settings_seen = seen;
    ring->policy = ring->kind >= 2 ? ring->kind - 2 : values.policy;
    ring->drop_from = 0;                                  /* what was full under the old settings */
    ring->shedding = ring->policy == EVTRAIL_POLICY_shed; /* to be looked at */
    ring->deadline_ns = values.deadline_ns;
    ring->lease_ns = values.lease_ns;
    atomic_store_explicit(&ring->header->policy, ring->policy, memory_order_relaxed);
}

void evtrail_policy_refresh(struct evtrail_ring *ring)
{
    const struct evtrail_consumer *consumers = evtrail_process.control->consumers;
    uint32_t mask = 0;
    read_settings(ring);
    for (unsigned i = 0; i < EVTRAIL_CONSUMERS_MAX; i++)
        /* B6 (acquire) pairs with the release that makes a slot active: its cursors are reset by then. */
        if (atomic_load_explicit(&consumers[i].state, memory_order_acquire) == EVTRAIL_CONSUMER_ACTIVE)
            mask |= 1u << i;
    ring->consumers = mask;
}

/* The lowest block that an active consumer needs, at most `next`. */
static uint64_t lowest_needed(const struct evtrail_ring *ring, uint64_t next)
{
    uint64_t low = next;
    for (uint32_t mask = ring->consumers; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        /* B2 (seq_cst, so acquire) pairs with B3: the consumer has copied a block before it releases it, and B1 before this
         * load sees the release that a waiting writer would otherwise sleep through. */
        uint64_t released = atomic_load_explicit(&ring->control->released[i], memory_order_seq_cst);
        if (released < low)
            low = released;
    }
    return low;
}

bool evtrail_policy_room(struct evtrail_ring *ring)
{
    const uint64_t next = ring->head;
    if (ring->consumers) {
        uint64_t low = lowest_needed(ring, next);
        if (low > ring->tail) {
            ring->tail = low;
            atomic_store_explicit(&ring->header->tail_block, low, memory_order_relaxed);
        }
    }
    return next - ring->tail < ring->blocks;
}

void evtrail_policy_evict(struct evtrail_ring *ring)
{
    struct evtrail_consumer *consumers = evtrail_process.control->consumers;
    uint64_t now = evtrail_monotonic_ns();
    evtrail_policy_refresh(ring);
    for (uint32_t mask = ring->consumers; mask; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctz(mask);
        uint64_t renewed = atomic_load_explicit(&consumers[i].renewed_ns, memory_order_relaxed);
        if ((renewed <= now ? now - renewed : renewed - now) < ring->lease_ns) /* it may have renewed after `now` */
            continue;
        uint32_t active = EVTRAIL_CONSUMER_ACTIVE;
        atomic_store_explicit(&consumers[i].evicted_ns, now, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&consumers[i].state, &active, EVTRAIL_CONSUMER_EVICTED,
                                                    memory_order_acq_rel, memory_order_relaxed))
            evtrail_override_end(evtrail_process.control, i); /* a recorder's `drop` must not outlive the recorder */
        ring->consumers &= ~(1u << i);
    }
}

/* Waits until a consumer lets go of a block, at most until the deadline; once that has passed, not again until somebody moves, or a stopped
 * consumer would cost the program the deadline at every event. */
bool evtrail_policy_wait(struct evtrail_ring *ring)
{
    if (evtrail_policy_room(ring))
        return true;
    if (ring->stalled_tail == ring->tail + 1 || ring->deadline_ns == 0)
        return false;
    uint64_t deadline = evtrail_monotonic_ns() + ring->deadline_ns;
    bool room = false;
    for (;;) {
        evtrail_policy_evict(ring);
        if (!ring->consumers) /* nobody to wait for */
            break;
        uint32_t wake = atomic_load_explicit(&ring->control->wake, memory_order_relaxed);
        /* B1 (seq_cst): "I wait", before the cursors are read once more (B2); pairs with B4, where the consumer writes
         * its cursor and then looks whether somebody waits. With less, both may read the old value: a lost wake-up. */
        atomic_store_explicit(&ring->header->waiting, 1, memory_order_seq_cst);
        room = evtrail_policy_room(ring);
        if (room || evtrail_monotonic_ns() >= deadline)
            break;
        TEST_POINT("B1");
        uint64_t slice = evtrail_monotonic_ns() + ring->lease_ns / 2; /* leases run out while we sleep */
        evtrail_futex_wait(&ring->control->wake, wake, slice < deadline ? slice : deadline);
    }
    atomic_store_explicit(&ring->header->waiting, 0, memory_order_relaxed);
    ring->stalled_tail = room ? 0 : ring->tail + 1;
    return room;
}

/* Levels go from the least severe on: trace at half full, debug at 5/8, info at 6/8, warning at 7/8; errors only when the
 * ring is full. */
bool evtrail_policy_sheds(struct evtrail_ring *ring, unsigned level)
{
    static const uint8_t eighths[EVTRAIL_LEVELS + 1] = {8, 9, 9, 7, 6, 5, 4};
    if (ring->policy != EVTRAIL_POLICY_shed) {
        ring->shedding = false;
        return false;
    }
    evtrail_policy_room(ring);
    uint64_t used = (ring->head - ring->tail) * 8;
    ring->shedding = used >= 4u * (uint64_t)ring->blocks;
    ring->drop_from = 0;
    for (unsigned l = EVTRAIL_LEVELS; l > EVTRAIL_LEVEL_error && used >= (uint64_t)eighths[l] * ring->blocks; l--)
        ring->drop_from = (uint8_t)l;
    return used >= (uint64_t)eighths[level <= EVTRAIL_LEVELS ? level : 0] * ring->blocks;
}
