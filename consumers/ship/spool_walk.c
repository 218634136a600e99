/* SPDX-License-Identifier: ISC
 *
 * Steps through a segment, frame by frame, past damage.
 */
#include "ship/spool_private.h"

#include "file/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 1 << 20, WINDOW_HEADERS = 2048 };

int spool_walk_open(struct spool_walk *walk, const char *path, bool whole)
{
    const int fd = regular_open(AT_FDCWD, path, O_RDONLY, 0);
    *walk = (struct spool_walk){.fd = fd, .whole = whole};
    if (fd < 0)
        return fd;
    walk->buffer = malloc(SPOOL_READ_BYTES);
    if (walk->buffer)
        return 0;
    spool_walk_close(walk);
    return -ENOMEM;
}

void spool_walk_close(struct spool_walk *walk)
{
    if (walk->fd >= 0)
        close(walk->fd);
    free(walk->buffer);
    *walk = (struct spool_walk){.fd = -1};
}

/* Bytes from the walk's offset on: at least `bytes` of them if the file has them. Returns how many there are, or -EIO. */
static int64_t look(struct spool_walk *walk, size_t bytes, const uint8_t **ret_at)
{
    const uint64_t skip = walk->offset - walk->start;
    if (walk->offset < walk->start || skip > walk->used || walk->used - skip < bytes) {
        const size_t kept = walk->offset >= walk->start && skip < walk->used ? walk->used - (size_t)skip : 0;
        if (kept)
            memmove(walk->buffer, walk->buffer + skip, kept);
        walk->start = walk->offset;
        walk->used = kept;
        const size_t window = walk->whole ? WINDOW : WINDOW_HEADERS;
        const size_t most = bytes > window ? bytes : window;
        while (walk->used < most && walk->used < bytes + window) {
            const ssize_t n =
                pread(walk->fd, walk->buffer + walk->used, most - walk->used, (off_t)(walk->start + walk->used));
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                return -EIO;
            if (n == 0)
                break;
            walk->used += (size_t)n;
        }
    }
    *ret_at = walk->buffer + (walk->offset - walk->start);
    return (int64_t)(walk->used - (size_t)(walk->offset - walk->start));
}

/* What looks whole at the offset: 1; 0: it does not; -EIO. */
static int try_frame(struct spool_walk *walk, struct spool_item *item)
{
    const uint8_t *at;
    struct evtrail_frame frame;
    int64_t n = look(walk, EVTRAIL_FRAME_PREFIX_BYTES, &at);
    if (n < 0 || evtrail_frame_prefix(at, (size_t)n, &frame))
        return n < 0 ? -EIO : 0;
    n = look(walk, frame.bytes, &at);
    if (n < (int64_t)frame.bytes || !evtrail_frame_intact(at, &frame))
        return n < 0 ? -EIO : 0;
    *item = (struct spool_item){.at = at, .bytes = frame.bytes, .offset = walk->offset, .tag = frame.tag};
    if (frame.tag != EVTRAIL_TAG_BATCH)
        return 1;
    if (evtrail_frame_parse_batch(at, frame.bytes, &item->header))
        return 0;
    item->bytes += item->header.compressed_bytes;
    if (!walk->whole)
        return 1;
    n = look(walk, item->bytes, &at);
    item->at = at;
    return n < 0 ? -EIO : n >= (int64_t)item->bytes;
}

static bool content_right(const struct spool_item *item)
{
    const struct evtrail_batch_header *const header = &item->header;
    return !header->checksum || !header->compressed_bytes ||
           evtrail_crc32c(0, item->at + header->header_bytes, header->compressed_bytes) == header->checksum;
}

/* Moves on to what may be a frame. False: there is none any more. */
static int resync(struct spool_walk *walk)
{
    const uint8_t *at;
    walk->torn = true;
    for (walk->offset++;;) {
        const int64_t n = look(walk, WINDOW_HEADERS, &at);
        if (n < EVTRAIL_FRAME_PREFIX_BYTES)
            return n < 0 ? -EIO : 0;
        for (int64_t i = 0; i + 4 <= n; i++) {
            if ((at[i] == 0x50 || at[i] == 0x51) && at[i + 1] == 0x2a && at[i + 2] == 0x4d && at[i + 3] == 0x18) {
                walk->offset += (uint64_t)i;
                return 1;
            }
        }
        walk->offset += (uint64_t)n - 3;
    }
}

int spool_walk_step(struct spool_walk *walk, bool growing, struct spool_item *ret_item)
{
    for (;;) {
        const int r = try_frame(walk, ret_item);
        if (r < 0)
            return r;
        const bool batch = r == 1 && ret_item->tag == EVTRAIL_TAG_BATCH;
        const bool broken = batch && walk->whole && !content_right(ret_item);
        if (growing && (r == 0 || broken)) {
            walk->used = 0; /* what is there may change */
            walk->start = walk->offset;
            ret_item->tag = 0;
            return SPOOL_STEP_end;
        }
        if (r == 1) {
            walk->offset += ret_item->bytes;
            walk->torn |= broken;
            if (ret_item->tag == EVTRAIL_TAG_END)
                return SPOOL_STEP_end;
            return broken ? SPOOL_STEP_broken : batch ? SPOOL_STEP_batch : SPOOL_STEP_frame;
        }
        const int more = resync(walk);
        if (more <= 0) {
            ret_item->tag = 0;
            return more < 0 ? more : SPOOL_STEP_end;
        }
    }
}
