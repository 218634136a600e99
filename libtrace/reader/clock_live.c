/* SPDX-License-Identifier: ISC
 *
 * Where a live source's two clock readings come from: its session's anchors and our own.
 */
#include "reader/clock_live.h"

#include <errno.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)
#define TICKS_PER_NS_MAX 64 /* 64 GHz: anchors that say more are lies */
#define SPAN_MIN_NS UINT64_C(1100000)

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t evtrail_monotonic_now(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

int64_t evtrail_realtime_now(void)
{
    return (int64_t)clock_ns(CLOCK_REALTIME);
}

uint64_t evtrail_clock_read(uint32_t kind)
{
    switch (kind) {
    case EVTRAIL_CLOCK_MONOTONIC:
        return clock_ns(CLOCK_MONOTONIC);
#if defined(__x86_64__)
    case EVTRAIL_CLOCK_TSC:
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    case EVTRAIL_CLOCK_CNTVCT: {
        uint64_t ticks;
        __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    default:
        return 0;
    }
}

int evtrail_clock_anchor(uint32_t kind, struct evtrail_anchor *ret_anchor)
{
    uint64_t shortest = UINT64_MAX;
    struct evtrail_anchor best = {0};
    for (int i = 0; i < 5; i++) {
        uint64_t before = evtrail_clock_read(kind);
        uint64_t monotonic = clock_ns(CLOCK_MONOTONIC), realtime = clock_ns(CLOCK_REALTIME);
        uint64_t width = evtrail_clock_read(kind) - before;
        if (before == 0)
            return -ENOTSUP;
        if (width >= shortest)
            continue;
        shortest = width;
        best = (struct evtrail_anchor){before + width / 2, monotonic, realtime};
    }
    if (kind == EVTRAIL_CLOCK_MONOTONIC)
        best.monotonic_ns = best.ticks;
    *ret_anchor = best;
    return 0;
}

static void set_first(struct evtrail_clock *clock, struct evtrail_anchor anchor)
{
    clock->first.ticks = anchor.ticks;
    clock->first.monotonic_ns = anchor.monotonic_ns;
    clock->first.realtime_ns = anchor.realtime_ns;
}

static void set_last(struct evtrail_clock *clock, struct evtrail_anchor anchor)
{
    clock->last.ticks = anchor.ticks;
    clock->last.monotonic_ns = anchor.monotonic_ns;
    clock->last.realtime_ns = anchor.realtime_ns;
}

/* Whether `anchor` follows `first` at a rate that a clock can have: 10 kHz to 64 GHz. */
static bool follows(const struct evtrail_clock *clock, struct evtrail_anchor anchor)
{
    uint64_t ticks = anchor.ticks - clock->first.ticks, ns = anchor.monotonic_ns - clock->first.monotonic_ns;
    return (int64_t)ticks > 0 && (int64_t)ns > 0 && ticks / TICKS_PER_NS_MAX <= ns && ns / 100000 <= ticks;
}

static bool believable(const struct evtrail_anchor *anchor)
{
    const uint64_t most = INT64_MAX / 2;
    return anchor->ticks && anchor->realtime_ns < most && anchor->monotonic_ns < most;
}

/* The session's start, and the farthest of its other anchors: the way its slots are used does not matter here. */
static void take_header(struct evtrail_clock *clock, const struct evtrail_session_header *header)
{
    uint32_t number = atomic_load_explicit(&header->anchor_number, memory_order_relaxed); /* of a copy */
    if (number == 0 || !believable(&header->anchors[0]))
        return;
    set_first(clock, header->anchors[0]);
    set_last(clock, header->anchors[0]);
    for (unsigned i = 1; i < EVTRAIL_ANCHORS; i++)
        if (believable(&header->anchors[i]) && follows(clock, header->anchors[i]) &&
            header->anchors[i].ticks > clock->last.ticks)
            set_last(clock, header->anchors[i]);
}

static bool take_own(struct evtrail_clock *clock)
{
    struct evtrail_anchor now;
    if (evtrail_clock_anchor(clock->kind, &now) < 0)
        return false;
    if (!clock->first.ticks || !follows(clock, now)) /* none, or a start in our future: believe ourselves */
        set_first(clock, now);
    set_last(clock, now);
    return true;
}

void evtrail_clock_start(struct evtrail_source *source, const struct evtrail_session_header *header, bool same_boot)
{
    struct evtrail_clock *clock = &source->clock;
    *clock = (struct evtrail_clock){.kind = header->clock, .hz = header->hz};
    if (clock->hz > TICKS_PER_NS_MAX * NS_PER_S)
        clock->hz = 0;
    take_header(clock, header);
    if (!same_boot || !take_own(clock) || clock->hz)
        return;
    if (clock->last.monotonic_ns - clock->first.monotonic_ns < SPAN_MIN_NS) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = SPAN_MIN_NS}, NULL);
        take_own(clock);
    }
}

void evtrail_clock_follow(struct evtrail_source *source)
{
    struct evtrail_clock *clock = &source->clock;
    struct evtrail_anchor now;
    uint64_t ticks = evtrail_clock_read(clock->kind);
    if (ticks == 0 || ticks - clock->first.ticks < 2 * (clock->last.ticks - clock->first.ticks))
        return;
    if (evtrail_clock_anchor(clock->kind, &now) == 0 && follows(clock, now))
        set_last(clock, now);
}
