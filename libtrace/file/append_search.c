/* SPDX-License-Identifier: ISC
 *
 * Where a file goes on behind what is damaged in it.
 */
#include "file/append.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEARCH_BYTES = 64 << 10, SEARCH_COST_MAX = 256 << 20 };

/* Where the next prefix of a frame of ours may stand in window[n], from `at` on; n: nowhere. */
static size_t candidate(const uint8_t *window, size_t n, size_t at, struct evtrail_frame *ret_frame)
{
    static const uint8_t magic[3] = {0x2a, 0x4d, 0x18}; /* behind 0x50 or 0x51 */
    while (at + EVTRAIL_FRAME_PREFIX_BYTES <= n) {
        const uint8_t *found = memmem(window + at + 1, n - at - 1, magic, sizeof(magic));
        if (!found)
            return n;
        at = (size_t)(found - 1 - window);
        if (at + EVTRAIL_FRAME_PREFIX_BYTES <= n && !evtrail_frame_prefix(window + at, n - at, ret_frame))
            return at;
        at++;
    }
    return n;
}

/* In one window. 1: found; 0: no; < 0: too much was looked at, or reading fails. */
static int search_window(int fd, uint64_t offset, const uint8_t *window, size_t n, uint8_t *room, uint64_t *cost,
                         uint64_t *ret_at)
{
    struct evtrail_frame frame;
    for (size_t at = 0; (at = candidate(window, n, at, &frame)) < n; at++) {
        *cost += frame.bytes > EVTRAIL_HEADER_BYTES_MAX ? frame.bytes : 0; /* a file of prefixes alone must end, too */
        if (*cost > SEARCH_COST_MAX)
            return -EBADMSG;
        const int r = evtrail_append_read_frame(fd, offset + at, room, &frame);
        *ret_at = offset + at;
        if (r != 0)
            return r;
    }
    return 0;
}

int evtrail_append_search(int fd, uint64_t from, uint64_t end, uint64_t *cost, uint64_t *ret_at)
{
    uint8_t *window = malloc(SEARCH_BYTES + EVTRAIL_APPEND_ROOM);
    int r = window ? 0 : -ENOMEM;
    while (r == 0 && from < end) {
        const ssize_t n = pread(fd, window, SEARCH_BYTES, (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        r = n < 0 ? -errno : search_window(fd, from, window, (size_t)n, window + SEARCH_BYTES, cost, ret_at);
        if (n < EVTRAIL_FRAME_PREFIX_BYTES)
            break;
        from += (size_t)n - EVTRAIL_FRAME_PREFIX_BYTES + 1;
    }
    free(window);
    if (r == 0 || (r > 0 && *ret_at > end))
        *ret_at = end;
    return r < 0 ? r : 0;
}
