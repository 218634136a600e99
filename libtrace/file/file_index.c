/* SPDX-License-Identifier: ISC
 *
 * What a closed file ends with: where each batch is and what it may hold, and zstd's own seek table, for readers
 * that know only that. Both are gathered while the file is written.
 */
#include "file/file_writer.h"
#include "file/grow.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 1 << 20, SEEKS_IN_FRAME_MAX = 1 << 22 };

static bool full(struct evtrail_file_index *index)
{
    index->dropped |= index->entries_count >= ENTRIES_MAX || index->seeks_count >= SEEKS_IN_FRAME_MAX;
    return index->dropped;
}

void evtrail_file_index_add(struct evtrail_file_index *index, const struct evtrail_index_entry *entry)
{
    if (full(index))
        return;
    if (!grow(&index->entries, index->entries_count, &index->entries_room, sizeof(*index->entries)))
        index->dropped = true;
    else
        index->entries[index->entries_count++] = *entry;
}

void evtrail_file_index_frame(struct evtrail_file_index *index, size_t bytes, size_t content_bytes)
{
    if (full(index))
        return;
    if (!grow(&index->seeks, index->seeks_count, &index->seeks_room, sizeof(*index->seeks))) {
        index->dropped = true;
        return;
    }
    index->seeks[index->seeks_count][0] = (uint32_t)bytes;
    index->seeks[index->seeks_count++][1] = (uint32_t)content_bytes;
}

void evtrail_file_index_cut(struct evtrail_file_index *index, uint64_t end)
{
    uint64_t offset = 0;
    size_t seeks = 0;
    while (seeks < index->seeks_count && offset + index->seeks[seeks][0] <= end)
        offset += index->seeks[seeks++][0];
    index->seeks_count = seeks;
    while (index->entries_count && index->entries[index->entries_count - 1].offset >= end)
        index->entries_count--;
}

void evtrail_file_index_clear(struct evtrail_file_index *index)
{
    free(index->entries);
    free(index->seeks);
    memset(index, 0, sizeof(*index));
}

static void put_index_frames(struct evtrail_file *file)
{
    const struct evtrail_file_index *index = &file->index;
    for (size_t first = 0; first < index->entries_count; first += EVTRAIL_INDEX_ENTRIES_MAX) {
        const size_t left = index->entries_count - first;
        const uint32_t count = (uint32_t)(left < EVTRAIL_INDEX_ENTRIES_MAX ? left : EVTRAIL_INDEX_ENTRIES_MAX);
        uint8_t *out = evtrail_file_frame(file, 32 + (size_t)count * EVTRAIL_INDEX_ENTRY_BYTES);
        if (out)
            evtrail_file_frame_done(file, evtrail_frame_put_index(out, first, index->entries + first, count), false);
    }
}

static void put_end(struct evtrail_file *file, uint64_t tail_offset)
{
    const struct evtrail_end end = {tail_offset, file->part_batches, file->part_events, file->index.entries_count};
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    if (out)
        evtrail_file_frame_done(file, evtrail_frame_put_end(out, &end), false);
}

/* zstd's seekable format: a skippable frame of {compressed, content bytes} for each frame before it, then how many
 * there are, a descriptor (no checksums) and the magic number. Too long for one unit of output, the file ends
 * without. */
static void put_seek_table(struct evtrail_file *file)
{
    const struct evtrail_file_index *index = &file->index;
    const size_t table = index->seeks_count * 8, bytes = 8 + table + 9;
    uint8_t *out = bytes <= EVTRAIL_OUTPUT_UNIT_MAX ? evtrail_file_frame(file, bytes) : NULL;
    if (!out)
        return;
    const uint32_t head[2] = {EVTRAIL_MAGIC_SEEK_TABLE, (uint32_t)(table + 9)};
    const uint32_t count = (uint32_t)index->seeks_count, magic = EVTRAIL_MAGIC_SEEKABLE;
    memcpy(out, head, 8);
    memcpy(out + 8, index->seeks, table);
    memcpy(out + 8 + table, &count, 4);
    out[8 + table + 4] = 0;
    memcpy(out + 8 + table + 5, &magic, 4);
    evtrail_output_commit(file->output, bytes, false, 0, 0);
}

void evtrail_file_index_write(struct evtrail_file *file, uint64_t tail_offset)
{
    if (file->index.dropped)
        return;
    put_index_frames(file);
    put_end(file, tail_offset);
    put_seek_table(file);
}
