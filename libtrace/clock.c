/* SPDX-License-Identifier: ISC
 *
 * The clock that records carry: which one, and its anchors to the clocks that people read.
 */
#include "internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ANCHOR_EVERY_NS UINT64_C(1000000000)

#if defined(__x86_64__)
/* The kernel takes the counter for its own clock only if it runs at one rate and alike on all CPUs. */
static bool tsc_is_trusted(void)
{
    char text[8] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n >= 3 && strncmp(text, "tsc", 3) == 0 && (text[3] == '\n' || text[3] == '\0');
}
#endif

uint32_t evtrail_clock_detect(uint64_t *ret_hz)
{
    *ret_hz = 0;
    if (!evtrail_process.force_monotonic) {
#if defined(__x86_64__)
        if (tsc_is_trusted())
            return EVTRAIL_CLOCK_TSC;
#elif defined(__aarch64__)
        uint64_t hz;
        __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
        *ret_hz = hz;
        return EVTRAIL_CLOCK_CNTVCT;
#endif
    }
    *ret_hz = 1000000000u;
    return EVTRAIL_CLOCK_MONOTONIC;
}

uint64_t evtrail_clock_ticks(void)
{
#if defined(__x86_64__)
    if (evtrail_process.clock == EVTRAIL_CLOCK_TSC)
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (evtrail_process.clock == EVTRAIL_CLOCK_CNTVCT) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return evtrail_monotonic_ns();
}

API uint64_t evtrail_clock_slow(void)
{
    return evtrail_clock_ticks();
}

static struct evtrail_anchor take_anchor(void)
{
    struct evtrail_anchor best = {0, 0, 0};
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 3; i++) { /* the tightest of three: a preemption between the reads would bend the slope */
        uint64_t before = evtrail_clock_ticks();
        uint64_t monotonic = evtrail_monotonic_ns(), realtime = evtrail_realtime_ns();
        uint64_t width = evtrail_clock_ticks() - before;
        if (width < shortest) {
            shortest = width;
            best = (struct evtrail_anchor){before + width / 2, monotonic, realtime};
        }
    }
    return best;
}

/* Adds a reading of the three clocks if the last is a second old. Called at block changes: at most one a second and
 * process, whoever comes first. Readers check it (two anchors must agree), so a torn one does no harm. */
void evtrail_anchor_add(bool always)
{
    struct evtrail_process *process = &evtrail_process;
    uint32_t free = 0;
    /* G7 (acquire) pairs with G8 (release): when the next anchor is due, as the last thread left it. */
    if (!atomic_compare_exchange_strong_explicit(&process->anchor_lock, &free, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    uint64_t now = evtrail_monotonic_ns();
    if (always || now >= process->anchor_next_ns) {
        struct evtrail_session_header *header = process->header;
        uint32_t number = atomic_load_explicit(&header->anchor_number, memory_order_relaxed);
        /* slot 0 keeps the start */
        struct evtrail_anchor *slot = &header->anchors[number == 0 ? 0 : 1 + (number - 1) % (EVTRAIL_ANCHORS - 1)];
        struct evtrail_anchor anchor = take_anchor();
        __atomic_store_n(&slot->ticks, anchor.ticks, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->monotonic_ns, anchor.monotonic_ns, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->realtime_ns, anchor.realtime_ns, __ATOMIC_RELAXED);
        /* W9 (release): the anchor before its number. Readers do not rely on it: they leave out an anchor that contradicts the others. */
        atomic_store_explicit(&header->anchor_number, number + 1, memory_order_release);
        process->anchor_next_ns = now + ANCHOR_EVERY_NS;
    }
    atomic_store_explicit(&process->anchor_lock, 0, memory_order_release); /* G8 */
}
