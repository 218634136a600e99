/* SPDX-License-Identifier: ISC
 *
 * One set of buffers with its io_uring, kept from one file of the process to the next.
 */
#include "file/output_spare.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct kept {
    struct evtrail_spare spare;
    pid_t pid; /* a child of fork() has the io_uring in common with its parent: not for it */
};
static _Atomic(struct kept *) kept;

void evtrail_spare_free(const struct evtrail_spare *spare)
{
    evtrail_uring_free(spare->uring);
    for (unsigned i = 0; i < EVTRAIL_URING_BUFFERS; i++)
        if (spare->data[i])
            munmap(spare->data[i], spare->capacity);
}

bool evtrail_spare_take(struct evtrail_spare *ret_spare, size_t capacity)
{
    /* S1 (acquire): what it points to is read after it; pairs with S2. */
    struct kept *const one = atomic_exchange_explicit(&kept, NULL, memory_order_acquire);
    const bool fits = one && one->pid == getpid() && one->spare.capacity == capacity;
    if (fits)
        *ret_spare = one->spare;
    else if (one)
        evtrail_spare_free(&one->spare);
    free(one);
    return fits;
}

void evtrail_spare_leave(const struct evtrail_spare *spare)
{
    struct kept *const one = malloc(sizeof(*one));
    if (!one) {
        evtrail_spare_free(spare);
        return;
    }
    *one = (struct kept){*spare, getpid()};
    /* S2 (release): it is whole before another thread finds it in S1. And acquire: the one before is read and freed here. */
    struct kept *const before = atomic_exchange_explicit(&kept, one, memory_order_acq_rel);
    if (before)
        evtrail_spare_free(&before->spare);
    free(before);
}
