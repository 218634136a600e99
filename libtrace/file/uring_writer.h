/* SPDX-License-Identifier: ISC
 *
 * Writes in flight through io_uring: a few buffers, each at an offset of one file.
 */
#ifndef EVTRAIL_FILE_URING_WRITER_H
#define EVTRAIL_FILE_URING_WRITER_H

#include <stddef.h>
#include <stdint.h>

enum { EVTRAIL_URING_BUFFERS = 3 };

struct evtrail_uring;
/* buffers[i] are registered where the kernel allows it. Fails (-EPERM, -ENOSYS, -ENOMEM, ...) where io_uring is
 * not to be had. */
int evtrail_uring_new(struct evtrail_uring **ret_uring, uint8_t *const *buffers, size_t buffer_bytes);
void evtrail_uring_free(struct evtrail_uring *uring);
/* Starts writing data (inside buffers[number]) at `offset`. */
int evtrail_uring_write(struct evtrail_uring *uring, int fd, unsigned number, const uint8_t *data, size_t bytes,
                        uint64_t offset);
/* Waits for one write to end: which, and how many bytes it wrote or the negative errno. */
int evtrail_uring_wait(struct evtrail_uring *uring, unsigned *ret_number, int *ret_result);

#endif /* EVTRAIL_FILE_URING_WRITER_H */
