/* SPDX-License-Identifier: ISC
 *
 * What a file leaves for the next one of its process: buffers, and the io_uring that has them registered. To make both takes milliseconds.
 */
#ifndef EVTRAIL_FILE_OUTPUT_SPARE_H
#define EVTRAIL_FILE_OUTPUT_SPARE_H

#include "file/uring_writer.h"

#include <stdbool.h>

struct evtrail_spare {
    uint8_t *data[EVTRAIL_URING_BUFFERS]; /* mapped */
    size_t capacity;                      /* of each */
    struct evtrail_uring *uring;          /* NULL: plain writes */
};
/* One that was left, of buffers of this capacity. False: there is none. */
bool evtrail_spare_take(struct evtrail_spare *ret_spare, size_t capacity);
/* Nothing is under way. One is kept; the rest is freed. */
void evtrail_spare_leave(const struct evtrail_spare *spare);
void evtrail_spare_free(const struct evtrail_spare *spare);

#endif /* EVTRAIL_FILE_OUTPUT_SPARE_H */
