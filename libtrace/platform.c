/* SPDX-License-Identifier: ISC
 *
 * The few calls into the kernel that libevtrail makes.
 */
#include "internal.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Memory for a range of a shared mapping, without a signal if there is none: the kernel (5.14) writes to each page and
 * says -EFAULT where a program would get SIGBUS. -ENOSYS: an older kernel (or qemu-user). */
int evtrail_populate(void *address, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)address & ~(page - 1);
    uintptr_t end = ((uintptr_t)address + bytes + page - 1) & ~(page - 1);
    for (int tries = 0; tries < 100; tries++) {
        if (madvise((void *)start, end - start, MADV_POPULATE_WRITE) == 0)
            return 0;
        if (errno == EINVAL)
            return -ENOSYS;
        if (errno != EINTR && errno != EAGAIN)
            return -ENOMEM;
    }
    return -ENOMEM;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t evtrail_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t evtrail_realtime_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

uint32_t evtrail_gettid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

/* deadline: CLOCK_MONOTONIC. Returns at a wake-up, at the deadline, at a signal or at once when the word has changed. */
int evtrail_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns)
{
    struct timespec until = {(time_t)(deadline_ns / 1000000000u), (long)(deadline_ns % 1000000000u)};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &until, NULL, FUTEX_BITSET_MATCH_ANY);
    return result < 0 ? -errno : 0;
}

void evtrail_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

uint64_t evtrail_random(void)
{
    uint64_t value = 0;
    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        value = evtrail_realtime_ns() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&value;
    return value ? value : 1;
}
