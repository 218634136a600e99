/* SPDX-License-Identifier: ISC
 *
 * Trace files: whatever the bytes are, reading ends, and every batch that is returned can be looked at.
 *
 * Checksums stop nearly every change, so the target first makes the headers' right: what is behind them is reached.
 */
#include <evtrail/file.h>

#include "file/crc32c.h"
#include "file/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_checksums_right(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + EVTRAIL_FRAME_PREFIX_BYTES <= size;) {
        struct evtrail_frame frame;
        if (evtrail_frame_prefix(bytes + at, size - at, &frame) || frame.bytes > size - at) {
            at++;
            continue;
        }
        const uint32_t crc = evtrail_crc32c(evtrail_crc32c(0, bytes + at, 12), bytes + at + 16, frame.bytes - 16);
        memcpy(bytes + at + 12, &crc, 4);
        at += frame.bytes;
    }
}

static void read_through(const char *path, bool seek)
{
    static uint64_t column[1 << 17];
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    if (evtrail_file_cursor_open(&cursor, path, NULL, NULL) < 0)
        return;
    if (seek)
        evtrail_file_cursor_seek(cursor, 1700000000000001000);
    for (int r; (r = evtrail_file_cursor_next(cursor, &batch)) != 0;) {
        const struct evtrail_batch_view *view;
        if (r < 0 || evtrail_file_cursor_view(cursor, &view) < 0)
            continue;
        for (uint32_t s = 0; s < view->shapes_count; s++)
            if (view->shapes[s].words)
                evtrail_batch_column(view, s, view->shapes[s].words - 1, column);
        evtrail_file_cursor_words(cursor);
        evtrail_source_type(batch->chunk.source, 16);
    }
    evtrail_file_cursor_close(cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("trace", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    if (!size)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    if (data[size - 1] & 1)
        make_checksums_right(copy, size);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, copy, size, 0) == (ssize_t)size) {
        struct evtrail_file_report report;
        char *error = NULL;
        read_through(path, data[size / 2] & 1);
        evtrail_file_verify(path, NULL, NULL, &report, &error);
        free(error);
    }
    free(copy);
    return 0;
}
