/* SPDX-License-Identifier: ISC
 *
 * Whether a file's seek table says just what is before it: of the bytes of a file only these have no checksum.
 */
#include "file/file_reader.h"
#include "file/grow.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_FOOTER_BYTES = 9 };

struct table_walk {
    struct evtrail_file_cursor *cursor;
    struct evtrail_part *part;
    uint64_t offset;
    uint32_t (*seeks)[2]; /* of the frames since the last SUPER: compressed bytes, content bytes */
    size_t seeks_count, seeks_room;
    unsigned supers;
};

static bool note(struct table_walk *walk, uint64_t bytes, uint64_t content_bytes)
{
    if (!grow(&walk->seeks, walk->seeks_count, &walk->seeks_room, sizeof(*walk->seeks)))
        return false;
    walk->seeks[walk->seeks_count][0] = (uint32_t)bytes;
    walk->seeks[walk->seeks_count++][1] = (uint32_t)content_bytes;
    walk->offset += bytes;
    return true;
}

static bool has_bytes(struct table_walk *walk, uint64_t offset, const void *wanted, size_t bytes)
{
    uint8_t *there = walk->cursor->scratch;
    for (size_t at = 0; at < bytes;) {
        const size_t step = bytes - at < EVTRAIL_SCRATCH_BYTES ? bytes - at : EVTRAIL_SCRATCH_BYTES;
        if (evtrail_input_read(&walk->part->input, offset + at, there, step) != (ssize_t)step ||
            memcmp(there, (const uint8_t *)wanted + at, step))
            return false;
        at += step;
    }
    return true;
}

/* The whole table as file_index.c writes it. */
static bool check_table(struct table_walk *walk)
{
    const size_t table = walk->seeks_count * 8;
    const uint32_t head[2] = {EVTRAIL_MAGIC_SEEK_TABLE, (uint32_t)(table + TABLE_FOOTER_BYTES)};
    const uint32_t count = (uint32_t)walk->seeks_count, magic = EVTRAIL_MAGIC_SEEKABLE;
    uint8_t foot[TABLE_FOOTER_BYTES] = {0};
    memcpy(foot, &count, 4);
    memcpy(foot + 5, &magic, 4);
    const bool fits = has_bytes(walk, walk->offset, head, 8) && has_bytes(walk, walk->offset + 8, walk->seeks, table) &&
                      has_bytes(walk, walk->offset + 8 + table, foot, sizeof(foot));
    walk->offset += 8 + table + TABLE_FOOTER_BYTES;
    walk->seeks_count = 0;
    return fits;
}

/* 1: went on; 0: the table is wrong; -1: no frame is there, which the scan tells. */
static int step(struct table_walk *walk)
{
    struct evtrail_frame frame;
    struct evtrail_batch_header header;
    const char *what;
    uint32_t magic = 0;
    const int r = evtrail_part_read_frame(walk->cursor, walk->part, walk->offset, &frame, &what);
    memcpy(&magic, walk->cursor->scratch, walk->cursor->scratch_used < 4 ? walk->cursor->scratch_used : 4);
    if (r == 0 && magic == EVTRAIL_MAGIC_SEEK_TABLE)
        return check_table(walk);
    if (r != 1)
        return -1;
    walk->supers += frame.tag == EVTRAIL_TAG_SUPER;
    if (frame.tag == EVTRAIL_TAG_SUPER)
        walk->seeks_count = 0;
    if (frame.tag != EVTRAIL_TAG_BATCH)
        return note(walk, frame.bytes, 0) ? 1 : -1;
    if (evtrail_frame_parse_batch(walk->cursor->scratch, frame.bytes, &header) || !note(walk, frame.bytes, 0))
        return -1;
    return !header.compressed_bytes || note(walk, header.compressed_bytes, header.content_bytes) ? 1 : -1;
}

bool evtrail_part_table_fits(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const uint64_t size = evtrail_input_size(&part->input);
    struct table_walk walk = {.cursor = cursor, .part = part};
    int r = 1;
    while (r == 1 && walk.offset < size)
        r = step(&walk);
    free(walk.seeks);
    /* An index is looked at where there is one file alone; of several in a row each has one of its own. */
    return r != 0 && (part->indexed || (r == 1 && walk.supers > 1));
}
