/* SPDX-License-Identifier: ISC
 *
 * Loads what a closed file's index says it holds. The index is believed only if it fits the file: its entries must
 * lie end to end from the first frame to itself, and its counts must be right.
 */
#include "file/file_reader.h"
#include "file/grow.h"

#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEEK_FOOTER_BYTES = 9, ZSTD_SEEKS_MAX = 1 << 26 };

struct index_load {
    struct evtrail_file_cursor *cursor;
    struct evtrail_part *part;
    uint64_t expected; /* where the next entry must begin */
    uint64_t limit, events, batches, entries;
    struct evtrail_index_entry *metas; /* frames that are no batches: read once the index is known to be good */
    size_t metas_count, metas_room;
    bool bad;
};

static int take_meta(struct index_load *load, const struct evtrail_index_entry *entry)
{
    if (!grow(&load->metas, load->metas_count, &load->metas_room, sizeof(*load->metas)))
        return -ENOMEM;
    load->metas[load->metas_count++] = *entry;
    return 0;
}

/* Entries must lie end to end; whatever else they say is checked against the batches' own headers. */
static int take_entry(void *context, const struct evtrail_index_entry *entry)
{
    struct index_load *load = context;
    if (entry->offset != load->expected || entry->bytes < EVTRAIL_FRAME_PREFIX_BYTES ||
        entry->bytes > load->limit - load->expected || load->entries == EVTRAIL_ITEMS_MAX)
        return -EBADMSG;
    load->expected += entry->bytes;
    load->entries++;
    if (entry->ring == EVTRAIL_RING_NONE)
        return take_meta(load, entry);
    if (entry->source >= EVTRAIL_SOURCES_MAX || entry->ring > EVTRAIL_RINGS_MAX ||
        entry->events > EVTRAIL_BATCH_WORDS_MAX)
        return -EBADMSG;
    load->events += entry->events;
    load->batches++;
    return evtrail_part_add_batch(load->part, entry, entry->source); /* the file's number, for now */
}

static bool find_end(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t size,
                     struct evtrail_end *ret_end, uint64_t *ret_offset)
{
    uint8_t footer[SEEK_FOOTER_BYTES], head[8];
    uint32_t count, magic, table[2];
    struct evtrail_frame frame;
    const char *what;
    if (size < SEEK_FOOTER_BYTES ||
        evtrail_input_read(&part->input, size - SEEK_FOOTER_BYTES, footer, sizeof(footer)) != sizeof(footer))
        return false;
    memcpy(&count, footer, 4);
    memcpy(&magic, footer + 5, 4);
    const uint64_t bytes = 8 + (uint64_t)count * 8 + SEEK_FOOTER_BYTES;
    if (magic != EVTRAIL_MAGIC_SEEKABLE || count > ZSTD_SEEKS_MAX || size < bytes + EVTRAIL_END_BYTES)
        return false;
    if (evtrail_input_read(&part->input, size - bytes, head, sizeof(head)) != sizeof(head))
        return false;
    memcpy(table, head, 8);
    *ret_offset = size - bytes - EVTRAIL_END_BYTES;
    return table[0] == EVTRAIL_MAGIC_SEEK_TABLE && table[1] == bytes - 8 &&
           evtrail_part_read_frame(cursor, part, *ret_offset, &frame, &what) == 1 && frame.tag == EVTRAIL_TAG_END &&
           !evtrail_frame_parse_end(cursor->scratch, frame.bytes, ret_end) && ret_end->tail_offset <= *ret_offset;
}

static bool read_entries(struct index_load *load, const struct evtrail_end *end, uint64_t end_offset)
{
    uint64_t offset = end->tail_offset;
    while (offset < end_offset) {
        struct evtrail_frame frame;
        const char *what;
        if (evtrail_part_read_frame(load->cursor, load->part, offset, &frame, &what) != 1 ||
            frame.tag != EVTRAIL_TAG_INDEX ||
            evtrail_frame_parse_index(load->cursor->scratch, frame.bytes, take_entry, load))
            return false;
        offset += frame.bytes;
    }
    return offset == end_offset && load->expected == end->tail_offset && load->entries == end->entries &&
           load->events == end->events && load->batches == end->batches;
}

static int read_metas(struct index_load *load)
{
    for (size_t i = 0; i < load->metas_count; i++) {
        struct evtrail_frame frame = {0};
        const char *what;
        const int r = evtrail_part_read_frame(load->cursor, load->part, load->metas[i].offset, &frame, &what);
        if (r < 0)
            return r;
        if (r == 1)
            what = frame.bytes == load->metas[i].bytes
                       ? evtrail_part_take(load->cursor, load->part, load->metas[i].offset, &frame)
                       : "a frame's size is not that in the index";
        if (what && evtrail_part_add_damage(load->part, load->metas[i].offset, load->metas[i].bytes, what, 0) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int map_sources(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    for (size_t i = 0; i < part->items_count; i++) {
        struct evtrail_item *item = &part->items[i];
        if (item->kind == EVTRAIL_ITEM_BATCH)
            item->source = evtrail_cursor_source_of(cursor, part, item->source);
        if (item->source == UINT32_MAX)
            return -ENOMEM;
    }
    return 0;
}

static int by_offset(const void *left, const void *right)
{
    const struct evtrail_item *a = left, *b = right;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* 1: the index gave all items; 0: there is none, or it does not fit the file. */
int evtrail_part_load_index(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    struct index_load load = {.cursor = cursor, .part = part, .expected = part->scanned};
    struct evtrail_end end;
    const uint64_t size = evtrail_input_size(&part->input);
    if (!find_end(cursor, part, size, &end, &load.limit))
        return 0;
    int r = read_entries(&load, &end, load.limit);
    if (r == 1)
        r = read_metas(&load) < 0 || map_sources(cursor, part) < 0 ? -ENOMEM : 1;
    free(load.metas);
    if (r != 1) {
        part->items_count = 0;
        return r;
    }
    if (part->items_count > 0)
        qsort(part->items, part->items_count, sizeof(*part->items), by_offset);
    part->scanned = size;
    part->closed = part->indexed = true;
    return 1;
}
