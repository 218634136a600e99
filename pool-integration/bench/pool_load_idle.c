/* SPDX-License-Identifier: ISC
 *
 * Many idle connections: what they cost in memory, and in time while nothing happens.
 */
#include "pool_load.h"

#include <malloc.h>
#include <sys/resource.h>

#define SPARE_DESCRIPTORS 64u

static double opened, heap_bytes;

static double heap_now(void)
{
    const struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd);
}

static unsigned fitting(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted + SPARE_DESCRIPTORS)
        return limit.rlim_cur > 2 * SPARE_DESCRIPTORS ? (unsigned)limit.rlim_cur - SPARE_DESCRIPTORS
                                                      : SPARE_DESCRIPTORS;
    return wanted;
}

static int idle_open(const struct load_setup *setup, struct answer *answer)
{
    const unsigned count = fitting(setup->count);
    (void)answer;
    int r = pool_open(setup, count);
    if (r == 0)
        r = pool_fill(1); /* what the first needs, all share */
    const double before = heap_now();
    if (r == 0)
        r = pool_fill(count);
    while (r == 0 && evloop_run_once(load_loop, 0) > 0)
        continue;
    heap_bytes = (heap_now() - before) / (count - 1);
    opened = count;
    return r;
}

/* count: ns to wait. Own figures: connections, and bytes of the heap for each. */
static int idle_run(uint64_t count, struct answer *answer)
{
    const uint64_t end = load_now_ns() + count;
    for (uint64_t now; (now = load_now_ns()) < end;)
        evloop_run_once(load_loop, end - now);
    answer->figures[FIGURE_own] = opened;
    answer->figures[FIGURE_own + 1] = heap_bytes;
    return 0;
}

const struct load_kind idle_load = {"idle", idle_open, idle_run};
