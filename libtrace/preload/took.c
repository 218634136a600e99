/* SPDX-License-Identifier: ISC
 *
 * Turns ticks of evtrail_now() into nanoseconds, for the durations that events carry.
 *
 * The rate is measured against CLOCK_MONOTONIC from the constructor on, first at the first use and again whenever the
 * time measured over has grown eightfold: off by 1e-3 at worst within the first 50 us, by 1e-5 after some
 * milliseconds.
 */
#include "preload.h"

#define RATE_BITS 32
#define SETTLED_NS UINT64_C(30000000000)

struct moment {
    uint64_t ticks, ns;
};
static struct moment first;
static uint64_t rate; /* ns per tick << RATE_BITS; 0: not yet measured; relaxed: one word, any recent value is good */
static uint64_t next_ticks; /* when to measure again */

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The tightest of three: a preemption between the two reads would bend the rate. */
static struct moment take_moment(void)
{
    struct moment best = {0, 0};
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        const uint64_t before = evtrail_now(), ns = monotonic_ns(), width = evtrail_now() - before;
        if (width < shortest) {
            shortest = width;
            best = (struct moment){before + width / 2, ns};
        }
    }
    return best;
}

static uint64_t measure(void)
{
    const struct moment now = take_moment();
    const uint64_t ticks = now.ticks - first.ticks, ns = now.ns - first.ns;
    if (ticks == 0 || ns == 0 || ns >> 62)
        return UINT64_C(1) << RATE_BITS;
    const uint64_t measured = (uint64_t)(((unsigned __int128)ns << RATE_BITS) / ticks);
    __atomic_store_n(&rate, measured, __ATOMIC_RELAXED);
    __atomic_store_n(&next_ticks, ns > SETTLED_NS ? UINT64_MAX : now.ticks + 7 * ticks, __ATOMIC_RELAXED);
    return measured;
}

void libc_ns_start(void)
{
    first = take_moment();
    const uint64_t before = monotonic_ns(), ticks = evtrail_now(), after = monotonic_ns();
    if (before <= ticks && ticks <= after) { /* the ticks are ns of that clock */
        rate = UINT64_C(1) << RATE_BITS;
        next_ticks = UINT64_MAX;
    }
}

uint64_t libc_ns(uint64_t start, uint64_t end)
{
    uint64_t by = __atomic_load_n(&rate, __ATOMIC_RELAXED);
    if (!LIBC_LIKELY(by != 0 && end < __atomic_load_n(&next_ticks, __ATOMIC_RELAXED)))
        by = measure();
    return end > start ? (uint64_t)((unsigned __int128)(end - start) * by >> RATE_BITS) : 0;
}
