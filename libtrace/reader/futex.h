/* SPDX-License-Identifier: ISC
 *
 * Futexes in shared memory.
 */
#ifndef EVTRAIL_READER_FUTEX_H
#define EVTRAIL_READER_FUTEX_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct evtrail_futex {
    const _Atomic uint32_t *word;
    uint32_t expected;
};

void evtrail_futex_wake_all(_Atomic uint32_t *word);
/* Sleeps until one of the words changes and is woken for, or `timeout_ns` has passed. 0; -EINTR. More than one word on
 * a kernel without futex_waitv (before 5.16), or more than 128 words: sleeps for at most 1 or 10 ms. */
int evtrail_futex_wait_any(const struct evtrail_futex *futexes, size_t count, uint64_t timeout_ns);
/* 0; -EINTR. */
int evtrail_sleep(uint64_t ns);

#endif /* EVTRAIL_READER_FUTEX_H */
