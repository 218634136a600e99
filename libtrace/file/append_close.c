/* SPDX-License-Identifier: ISC
 *
 * Closes a file that grew by appending: its index is made from the file itself, so that nothing is kept of thousands of files that grow.
 */
#include "file/append.h"
#include "file/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct closing {
    struct evtrail_index_entry *entries;
    size_t entries_count, entries_room;
    uint32_t (*seeks)[2];
    size_t seeks_count, seeks_room;
    uint64_t batches, events;
};

static int add_seek(struct closing *closing, size_t bytes, size_t content_bytes)
{
    if (!grow(&closing->seeks, closing->seeks_count, &closing->seeks_room, sizeof(*closing->seeks)))
        return -ENOMEM;
    closing->seeks[closing->seeks_count][0] = (uint32_t)bytes;
    closing->seeks[closing->seeks_count++][1] = (uint32_t)content_bytes;
    return 0;
}

static int add(void *context, const struct evtrail_append_visit *visit)
{
    struct closing *closing = context;
    const struct evtrail_batch_header *header = &visit->header;
    const bool batch = visit->frame.magic == EVTRAIL_MAGIC_BATCH;
    struct evtrail_index_entry entry = {
        .offset = visit->offset, .bytes = (uint32_t)visit->unit, .ring = EVTRAIL_RING_NONE};
    if (batch) {
        entry.source = header->source;
        entry.ring = header->chunk.ring;
        entry.events = (uint32_t)header->chunk.events;
        entry.first_ticks = header->chunk.first_ticks;
        entry.last_ticks = header->chunk.last_ticks;
        entry.types = header->types;
        closing->batches++;
        closing->events += header->chunk.events;
    }
    if (visit->frame.tag != EVTRAIL_TAG_SUPER) {
        if (!grow(&closing->entries, closing->entries_count, &closing->entries_room, sizeof(*closing->entries)))
            return -ENOMEM;
        closing->entries[closing->entries_count++] = entry;
    }
    const int r = add_seek(closing, visit->frame.bytes, 0);
    return r < 0 || !batch || !header->compressed_bytes
               ? r
               : add_seek(closing, header->compressed_bytes, header->content_bytes);
}

static size_t put_entries(const struct closing *closing, uint8_t *out, uint64_t *ret_frames, uint32_t *ret_sizes)
{
    size_t used = 0;
    *ret_frames = 0;
    for (size_t first = 0; first < closing->entries_count; first += EVTRAIL_INDEX_ENTRIES_MAX) {
        const size_t left = closing->entries_count - first;
        const uint32_t count = (uint32_t)(left < EVTRAIL_INDEX_ENTRIES_MAX ? left : EVTRAIL_INDEX_ENTRIES_MAX);
        const size_t bytes = evtrail_frame_put_index(out + used, first, closing->entries + first, count);
        ret_sizes[(*ret_frames)++] = (uint32_t)bytes;
        used += bytes;
    }
    return used;
}

static size_t put_table(const struct closing *closing, uint8_t *out)
{
    const size_t table = closing->seeks_count * 8;
    const uint32_t head[2] = {EVTRAIL_MAGIC_SEEK_TABLE, (uint32_t)(table + 9)};
    const uint32_t count = (uint32_t)closing->seeks_count, magic = EVTRAIL_MAGIC_SEEKABLE;
    memcpy(out, head, 8);
    memcpy(out + 8, closing->seeks, table);
    memcpy(out + 8 + table, &count, 4);
    out[8 + table + 4] = 0;
    memcpy(out + 8 + table + 5, &magic, 4);
    return 8 + table + 9;
}

/* Index, end and seek table, for what was found up to `tail`. */
static int write_tail(struct closing *closing, int fd, uint64_t tail)
{
    const size_t frames_most = closing->entries_count / EVTRAIL_INDEX_ENTRIES_MAX + 1;
    const size_t most = closing->entries_count * EVTRAIL_INDEX_ENTRY_BYTES + frames_most * 32 + EVTRAIL_END_BYTES +
                        (closing->seeks_count + frames_most + 1) * 8 + 64;
    uint8_t *out = malloc(most);
    uint32_t *sizes = malloc(frames_most * sizeof(*sizes));
    uint64_t frames = 0;
    int r = out && sizes ? 0 : -ENOMEM;
    if (r == 0) {
        size_t used = put_entries(closing, out, &frames, sizes);
        const struct evtrail_end end = {tail, closing->batches, closing->events, closing->entries_count};
        for (uint64_t i = 0; r == 0 && i < frames; i++)
            r = add_seek(closing, sizes[i], 0);
        const size_t end_bytes = evtrail_frame_put_end(out + used, &end);
        used += end_bytes;
        r = r < 0 ? r : add_seek(closing, end_bytes, 0);
        if (r == 0) {
            used += put_table(closing, out + used);
            struct iovec part = {out, used};
            r = evtrail_append_write(fd, tail, &part, 1);
        }
    }
    free(out);
    free(sizes);
    return r;
}

int evtrail_append_close(struct evtrail_append *append, int fd, const struct evtrail_mark_frame *mark)
{
    uint8_t last[2 * EVTRAIL_HEADER_BYTES_MAX];
    struct closing closing = {0};
    size_t used = 0;
    uint64_t at;
    const struct evtrail_clock_frame *clock = &append->last_clock;
    if (clock->realtime_ns && (clock->realtime_ns > append->clock_written_ns || clock->flags))
        used += evtrail_frame_put_clock(last, clock);
    if (mark)
        used += evtrail_frame_put_mark(last + used, mark);
    struct iovec part = {last, used};
    int r = used ? evtrail_append_write(fd, append->offset, &part, 1) : 0;
    const uint64_t tail = append->offset + used;
    if (r == 0)
        r = evtrail_append_walk(fd, 0, tail, false, add, &closing, &at);
    if (r == 0)
        r = at == tail ? write_tail(&closing, fd, tail) : -EBADMSG;
    if (r < 0)
        while (ftruncate(fd, (off_t)append->offset) < 0 && errno == EINTR)
            ;
    free(closing.entries);
    free(closing.seeks);
    return r;
}
