/* SPDX-License-Identifier: ISC
 *
 * Writes in flight through io_uring. What is short or interrupted is the caller's to send again (output.c).
 */
#include "file/uring_writer.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct evtrail_uring {
    struct io_uring ring;
    bool registered;
};

int evtrail_uring_new(struct evtrail_uring **ret_uring, uint8_t *const *buffers, size_t buffer_bytes)
{
    struct evtrail_uring *uring = calloc(1, sizeof(*uring));
    struct iovec vectors[EVTRAIL_URING_BUFFERS];
    if (!uring)
        return -ENOMEM;
    const int r = io_uring_queue_init(2 * EVTRAIL_URING_BUFFERS, &uring->ring, 0);
    if (r < 0) {
        free(uring);
        return r;
    }
    for (unsigned i = 0; i < EVTRAIL_URING_BUFFERS; i++)
        vectors[i] = (struct iovec){buffers[i], buffer_bytes};
    /* Registered buffers save the page look-ups of each write. They count as locked memory on old kernels: do
     * without then. */
    uring->registered = io_uring_register_buffers(&uring->ring, vectors, EVTRAIL_URING_BUFFERS) == 0;
    *ret_uring = uring;
    return 0;
}

void evtrail_uring_free(struct evtrail_uring *uring)
{
    if (!uring)
        return;
    io_uring_queue_exit(&uring->ring);
    free(uring);
}

int evtrail_uring_write(struct evtrail_uring *uring, int fd, unsigned number, const uint8_t *data, size_t bytes,
                        uint64_t offset)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (!sqe)
        return -EBUSY; /* never: no more writes than buffers */
    if (uring->registered)
        io_uring_prep_write_fixed(sqe, fd, data, (unsigned)bytes, offset, (int)number);
    else
        io_uring_prep_write(sqe, fd, data, (unsigned)bytes, offset);
    io_uring_sqe_set_data64(sqe, number);
    int r = io_uring_submit(&uring->ring);
    while (r == -EINTR || r == -EAGAIN || r == -EBUSY) { /* it is queued: it must go, or the buffer stays taken */
        const struct timespec moment = {.tv_nsec = 100000};
        nanosleep(&moment, NULL);
        r = io_uring_submit(&uring->ring);
    }
    return r < 0 ? r : 0;
}

int evtrail_uring_wait(struct evtrail_uring *uring, unsigned *ret_number, int *ret_result)
{
    struct io_uring_cqe *cqe;
    int r;
    do
        r = io_uring_wait_cqe(&uring->ring, &cqe);
    while (r == -EINTR || r == -EAGAIN);
    if (r < 0)
        return r;
    *ret_number = (unsigned)io_uring_cqe_get_data64(cqe) % EVTRAIL_URING_BUFFERS;
    *ret_result = cqe->res;
    io_uring_cqe_seen(&uring->ring, cqe);
    return 0;
}
