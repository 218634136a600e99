/* SPDX-License-Identifier: ISC
 *
 * Our own time, for what must not cost too much of it; not the trace's.
 */
#ifndef EVTRAIL_TOP_CLOCK_H
#define EVTRAIL_TOP_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif /* EVTRAIL_TOP_CLOCK_H */
