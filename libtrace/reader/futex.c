/* SPDX-License-Identifier: ISC
 *
 * Futex system calls, and what stands in for them on older kernels.
 */
#include "reader/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)
#define WORDS_MAX 128
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct wait_entry { /* struct futex_waitv of Linux 5.16 */
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};
#define ENTRY_32_BITS 2u

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

void evtrail_futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int evtrail_sleep(uint64_t ns)
{
    struct timespec span = timespec_of(ns);
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL) == EINTR ? -EINTR : 0;
}

static int wait_one(const struct evtrail_futex *futex, uint64_t timeout_ns)
{
    struct timespec span = timespec_of(timeout_ns);
    if (syscall(SYS_futex, futex->word, FUTEX_WAIT, futex->expected, &span, NULL, 0) == 0)
        return 0;
    return errno == EINTR                          ? -EINTR
           : errno == EAGAIN || errno == ETIMEDOUT ? 0
                                                   : evtrail_sleep(timeout_ns < 1000000 ? timeout_ns : 1000000);
}

static int wait_many(const struct evtrail_futex *futexes, size_t count, uint64_t timeout_ns)
{
    struct wait_entry entries[WORDS_MAX];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct timespec until = timespec_of((uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec + timeout_ns);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct wait_entry){futexes[i].expected, (uint64_t)(uintptr_t)futexes[i].word, ENTRY_32_BITS, 0};
    long result = syscall(SYS_futex_waitv, entries, (unsigned)count, 0, &until, CLOCK_MONOTONIC);
    if (result >= 0 || errno == EAGAIN || errno == ETIMEDOUT)
        return 0;
    return errno == EINTR ? -EINTR : evtrail_sleep(timeout_ns < 1000000 ? timeout_ns : 1000000);
}

int evtrail_futex_wait_any(const struct evtrail_futex *futexes, size_t count, uint64_t timeout_ns)
{
    if (count == 0)
        return evtrail_sleep(timeout_ns);
    if (count == 1)
        return wait_one(futexes, timeout_ns);
    if (count > WORDS_MAX)
        return evtrail_sleep(timeout_ns < 10000000 ? timeout_ns : 10000000);
    return wait_many(futexes, count, timeout_ns);
}
