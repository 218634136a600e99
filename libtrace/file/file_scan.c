/* SPDX-License-Identifier: ISC
 *
 * Finds what a file holds: from the index at its end where there is one that agrees with the file, else from header to header. Where
 * neither leads on, the next intact frame is searched for, and the place between is damage.
 */
#include "file/file_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH_BYTES = 64 << 10,
    FOREIGN_BYTES = 1 << 20, /* a file whose head is not ours is searched no further */
    SCAN_ITEMS = 4096,       /* following: at a time */
    SEEK_FOOTER_BYTES = 9,
    ZSTD_SEEKS_MAX = 1 << 26,
};

void evtrail_part_close(struct evtrail_part *part)
{
    if (part->open)
        evtrail_input_close(&part->input);
    free(part->path);
    free(part->items);
    free(part->source_numbers);
    *part = (struct evtrail_part){0};
}

/* ---- items ------------------------------------------------------------------------------------------------------ */

static struct evtrail_item *add_item(struct evtrail_part *part)
{
    if (part->items_count == part->items_room) {
        const size_t room = part->items_room ? part->items_room * 2 : 64;
        struct evtrail_item *grown = realloc(part->items, room * sizeof(*grown));
        if (!grown)
            return NULL;
        part->items = grown;
        part->items_room = room;
    }
    struct evtrail_item *item = &part->items[part->items_count++];
    *item = (struct evtrail_item){0};
    return item;
}

static int add_damage(struct evtrail_part *part, uint64_t offset, uint64_t bytes, const char *what, uint32_t found)
{
    struct evtrail_item *item = add_item(part);
    if (!item)
        return -ENOMEM;
    item->kind = EVTRAIL_ITEM_DAMAGE;
    item->offset = offset;
    item->bytes = bytes;
    item->what = what;
    item->found = found;
    return 0;
}

static int add_batch(struct evtrail_part *part, const struct evtrail_index_entry *entry, uint32_t source)
{
    struct evtrail_item *item = source == UINT32_MAX ? NULL : add_item(part);
    if (!item)
        return -ENOMEM;
    item->kind = EVTRAIL_ITEM_BATCH;
    item->offset = entry->offset;
    item->bytes = entry->bytes;
    item->source = source;
    item->ring = entry->ring;
    item->events = entry->events;
    item->first_ticks = entry->first_ticks;
    item->last_ticks = entry->last_ticks;
    item->types = entry->types;
    return 0;
}

/* Each item's horizon: the earliest record of those behind it. */
static void set_horizons(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    int64_t horizon = INT64_MAX;
    for (size_t i = part->items_count; i > 0; i--) {
        struct evtrail_item *item = &part->items[i - 1];
        if (item->kind == EVTRAIL_ITEM_BATCH) {
            const int64_t from_ns = evtrail_source_time(cursor->sources[item->source], item->first_ticks);
            horizon = from_ns < horizon ? from_ns : horizon;
        }
        item->horizon_ns = horizon;
    }
}

/* ---- one frame -------------------------------------------------------------------------------------------------- */

/* A whole frame of ours at `offset`, checked, in cursor->scratch. 1: there; 0: *ret_what says what is wrong. */
static int read_frame(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset,
                      struct evtrail_frame *ret_frame, const char **ret_what)
{
    uint8_t *at = cursor->scratch;
    ssize_t n = evtrail_input_read(&part->input, offset, at, EVTRAIL_HEADER_BYTES_MAX);
    if (n < 0)
        return (int)n;
    *ret_what = evtrail_frame_prefix(at, (size_t)n, ret_frame);
    if (*ret_what)
        return 0;
    if (ret_frame->bytes > (size_t)n)
        n = evtrail_input_read(&part->input, offset, at, ret_frame->bytes);
    if (n < 0)
        return (int)n;
    if ((size_t)n < ret_frame->bytes)
        *ret_what = "the file ends inside a frame";
    else if (!evtrail_frame_intact(at, ret_frame))
        *ret_what = "a frame's checksum is wrong";
    return *ret_what == NULL;
}

/* Takes in a frame that is no batch. NULL or what is wrong with it. */
static const char *apply(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const struct evtrail_frame *frame)
{
    const uint8_t *at = cursor->scratch;
    const char *what = NULL;
    struct evtrail_source_frame source;
    struct evtrail_clock_frame clock;
    if (frame->tag == EVTRAIL_TAG_SOURCE) {
        what = evtrail_frame_parse_source(at, frame->bytes, &source);
        if (!what && evtrail_cursor_add_source(cursor, part, &source) < 0)
            what = "no memory for another source";
    } else if (frame->tag == EVTRAIL_TAG_CLOCK) {
        what = evtrail_frame_parse_clock(at, frame->bytes, &clock);
        if (!what)
            evtrail_cursor_add_clock(cursor, part, &clock);
    } else if (frame->tag == EVTRAIL_TAG_SCHEMA) {
        const uint8_t *entries;
        size_t bytes;
        uint32_t number;
        what = evtrail_frame_parse_schema(at, frame->bytes, &number, &entries, &bytes);
        if (!what && evtrail_cursor_add_schema(cursor, part, number, entries, bytes) < 0)
            what = "an event type's entry is wrong";
    }
    return what; /* other tags: nothing that a reader needs, or of a later version */
}

static struct evtrail_index_entry entry_of(const struct evtrail_batch_header *header, uint64_t offset)
{
    return (struct evtrail_index_entry){
        .offset = offset, .bytes = header->header_bytes + header->compressed_bytes, .source = header->source,
        .ring = header->chunk.ring, .events = (uint32_t)header->chunk.events,
        .first_ticks = header->chunk.first_ticks, .last_ticks = header->chunk.last_ticks, .types = header->types,
    };
}

/* ---- through the index ------------------------------------------------------------------------------------------ */

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
    if (load->metas_count == load->metas_room) {
        const size_t room = load->metas_room ? load->metas_room * 2 : 32;
        struct evtrail_index_entry *grown = realloc(load->metas, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        load->metas = grown;
        load->metas_room = room;
    }
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
    if (entry->source >= EVTRAIL_SOURCES_MAX || entry->ring >= EVTRAIL_RINGS_MAX ||
        entry->events > EVTRAIL_BATCH_WORDS_MAX)
        return -EBADMSG;
    load->events += entry->events;
    load->batches++;
    return add_batch(load->part, entry, entry->source); /* the file's number, for now */
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
           read_frame(cursor, part, *ret_offset, &frame, &what) == 1 && frame.tag == EVTRAIL_TAG_END &&
           !evtrail_frame_parse_end(cursor->scratch, frame.bytes, ret_end) && ret_end->tail_offset <= *ret_offset;
}

bool evtrail_part_table_fits(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const uint64_t size = evtrail_input_size(&part->input);
    uint64_t end_offset, sum = 0;
    struct evtrail_end end;
    if (!part->indexed || !find_end(cursor, part, size, &end, &end_offset))
        return false;
    const uint64_t table = end_offset + EVTRAIL_END_BYTES, entries_end = size - SEEK_FOOTER_BYTES;
    for (uint64_t at = table + 8; at < entries_end; at += EVTRAIL_SCRATCH_BYTES) {
        const uint64_t left = entries_end - at;
        const size_t bytes = left < EVTRAIL_SCRATCH_BYTES ? (size_t)left : EVTRAIL_SCRATCH_BYTES;
        if (evtrail_input_read(&part->input, at, cursor->scratch, bytes) != (ssize_t)bytes)
            return false;
        for (size_t i = 0; i < bytes; i += 8) {
            uint32_t frame_bytes;
            memcpy(&frame_bytes, cursor->scratch + i, 4);
            sum += frame_bytes;
        }
    }
    return sum == table;
}

static bool read_entries(struct index_load *load, const struct evtrail_end *end, uint64_t end_offset)
{
    uint64_t offset = end->tail_offset;
    while (offset < end_offset) {
        struct evtrail_frame frame;
        const char *what;
        if (read_frame(load->cursor, load->part, offset, &frame, &what) != 1 || frame.tag != EVTRAIL_TAG_INDEX ||
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
        const int r = read_frame(load->cursor, load->part, load->metas[i].offset, &frame, &what);
        if (r < 0)
            return r;
        if (r == 1)
            what = frame.bytes == load->metas[i].bytes ? apply(load->cursor, load->part, &frame)
                                                       : "a frame's size is not that in the index";
        if (what && add_damage(load->part, load->metas[i].offset, load->metas[i].bytes, what, 0) < 0)
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
static int load_index(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
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
    qsort(part->items, part->items_count, sizeof(*part->items), by_offset);
    part->scanned = size;
    part->closed = part->indexed = true;
    return 1;
}

/* ---- from header to header ---------------------------------------------------------------------------------------- */

/* The next intact frame of ours at or behind `offset`, or the end. */
static int resync(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint64_t offset, uint64_t limit,
                  uint64_t *ret_offset)
{
    static const uint8_t magic[3] = {0x2a, 0x4d, 0x18}; /* behind 0x50 or 0x51 */
    uint8_t *window = cursor->compressed; /* not in use between batches */
    while (offset < limit) {
        const ssize_t n = evtrail_input_read(&part->input, offset, window, SEARCH_BYTES);
        if (n < 0)
            return (int)n;
        if (n < EVTRAIL_FRAME_PREFIX_BYTES) {
            *ret_offset = offset + (uint64_t)n;
            return 0;
        }
        const uint8_t *found = memmem(window + 1, (size_t)n - 1, magic, sizeof(magic));
        if (!found) {
            offset += (uint64_t)n - (n == SEARCH_BYTES ? 3 : 0);
            continue;
        }
        struct evtrail_frame frame;
        const char *what;
        offset += (uint64_t)(found - 1 - window);
        const int r = read_frame(cursor, part, offset, &frame, &what);
        if (r != 0) {
            *ret_offset = offset;
            return r < 0 ? r : 0;
        }
        offset++;
    }
    *ret_offset = offset;
    return 0;
}

/* zstd's seek table, of which only the length matters here. 0: none. */
static uint64_t seek_table_bytes(const uint8_t *at, size_t bytes)
{
    uint32_t head[2];
    if (bytes < 8)
        return 0;
    memcpy(head, at, 8);
    return head[0] == EVTRAIL_MAGIC_SEEK_TABLE && head[1] >= SEEK_FOOTER_BYTES ? 8 + (uint64_t)head[1] : 0;
}

static int scan_batch(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const struct evtrail_frame *frame,
                      const char **ret_what)
{
    struct evtrail_batch_header header;
    *ret_what = evtrail_frame_parse_batch(cursor->scratch, frame->bytes, &header);
    if (*ret_what)
        return 0;
    const struct evtrail_index_entry entry = entry_of(&header, part->scanned);
    const uint64_t size = evtrail_input_size(&part->input);
    if (size != UINT64_MAX && part->scanned + entry.bytes > size) {
        *ret_what = "the file ends inside a batch";
        return 0;
    }
    const int r = add_batch(part, &entry, evtrail_cursor_source_of(cursor, part, header.source));
    part->scanned += entry.bytes;
    return r;
}

/* What stands at part->scanned. Moves on behind it, unless *ret_what. */
static int scan_one(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char **ret_what)
{
    struct evtrail_frame frame;
    int r = read_frame(cursor, part, part->scanned, &frame, ret_what);
    if (r == 0 && seek_table_bytes(cursor->scratch, 8))
        *ret_what = "the file ends inside its seek table";
    if (r <= 0)
        return r;
    if (frame.magic == EVTRAIL_MAGIC_BATCH)
        return scan_batch(cursor, part, &frame, ret_what);
    if (frame.tag == EVTRAIL_TAG_SUPER) /* another file was appended: it numbers its own sources */
        part->source_numbers_count = 0;
    *ret_what = apply(cursor, part, &frame);
    if (*ret_what && add_damage(part, part->scanned, frame.bytes, *ret_what, 0) < 0)
        return -ENOMEM;
    *ret_what = NULL;
    part->scanned += frame.bytes;
    part->closed = frame.tag == EVTRAIL_TAG_END;
    return 0;
}

/* 1: the seek table was stepped over; 0: something else stands here. */
static int step_over_table(struct evtrail_part *part)
{
    uint8_t head[8];
    const ssize_t n = evtrail_input_read(&part->input, part->scanned, head, sizeof(head));
    if (n < 0)
        return (int)n;
    const uint64_t bytes = seek_table_bytes(head, (size_t)n), size = evtrail_input_size(&part->input);
    if (!bytes || (size != UINT64_MAX && part->scanned + bytes > size))
        return 0;
    part->scanned += bytes;
    part->closed = true;
    return 1;
}

static int step_over_damage(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char *what)
{
    uint8_t head[4] = {0};
    uint64_t next;
    const uint64_t from = part->scanned;
    evtrail_input_read(&part->input, from, head, sizeof(head));
    const int r = resync(cursor, part, from + 1, UINT64_MAX, &next);
    if (r < 0)
        return r;
    uint32_t found;
    memcpy(&found, head, 4);
    part->scanned = next;
    part->closed = false;
    return add_damage(part, from, next - from, what, found);
}

/* Whether the file ends at part->scanned. */
static int at_end(struct evtrail_part *part)
{
    uint8_t byte;
    const ssize_t n = evtrail_input_read(&part->input, part->scanned, &byte, 1);
    return n < 0 ? (int)n : n == 0;
}

static int scan_some(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const size_t had = part->items_count, most = part->input.stream ? 1 : SCAN_ITEMS;
    int r = 0;
    while (part->items_count - had < most) {
        const char *what = NULL;
        r = at_end(part);
        if (r != 0)
            break;
        r = step_over_table(part);
        if (r < 0)
            break;
        if (r == 1)
            continue;
        r = scan_one(cursor, part, &what);
        if (r < 0)
            break;
        if (what && cursor->options.follow && !strncmp(what, "the file ends", 13) && !part->input.stream) {
            r = 1; /* it is still being written */
            break;
        }
        if (what)
            r = step_over_damage(cursor, part, what);
        if (r < 0)
            break;
    }
    if (r < 0)
        return r;
    part->complete = r == 1;
    return part->items_count > had;
}

int evtrail_part_scan(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    const int r = scan_some(cursor, part);
    set_horizons(cursor, part);
    return r;
}

/* ---- open ------------------------------------------------------------------------------------------------------- */

static int read_super(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    struct evtrail_frame frame;
    const char *what;
    int r = read_frame(cursor, part, 0, &frame, &what);
    if (r < 0)
        return r;
    if (r == 1 && frame.tag == EVTRAIL_TAG_SUPER && !evtrail_frame_parse_super(cursor->scratch, frame.bytes, &part->super)) {
        part->scanned = frame.bytes;
        return part->super.version > EVTRAIL_FILE_VERSION ? -EPROTONOSUPPORT : 0;
    }
    if (r == 1) /* a file that begins in its middle, or whose head is damaged */
        return 0;
    uint64_t next;
    r = resync(cursor, part, 1, FOREIGN_BYTES, &next);
    if (r < 0)
        return r;
    r = read_frame(cursor, part, next, &frame, &what);
    if (r <= 0)
        return r < 0 ? r : -EBADMSG;
    r = add_damage(part, 0, next, "the file's header is damaged", 0);
    part->scanned = next;
    return r;
}

static int scan_all(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    int r = 1;
    while (!part->complete && r >= 0 && part->items_count < EVTRAIL_ITEMS_MAX)
        r = scan_some(cursor, part);
    return r;
}

int evtrail_part_open(struct evtrail_file_cursor *cursor, struct evtrail_part *part, const char *path)
{
    *part = (struct evtrail_part){.path = strdup(path)};
    if (!part->path)
        return -ENOMEM;
    int r = evtrail_input_open(&part->input, path);
    part->open = r == 0;
    if (r == 0)
        r = read_super(cursor, part);
    if (r == 0 && !part->input.stream && !part->items_count) {
        r = load_index(cursor, part);
        part->complete = r == 1;
    }
    if (r == 0 && !part->input.stream)
        r = scan_all(cursor, part);
    if (r < 0) {
        evtrail_part_close(part);
        return r;
    }
    part->partial = part->input.stream;
    set_horizons(cursor, part);
    return 0;
}

int evtrail_part_created(const char *path, int64_t *ret_created_ns)
{
    struct evtrail_input input;
    uint8_t head[128];
    struct evtrail_frame frame;
    struct evtrail_super super;
    int r = evtrail_input_open(&input, path);
    if (r < 0)
        return r;
    const ssize_t n = input.stream ? 0 : evtrail_input_read(&input, 0, head, sizeof(head));
    evtrail_input_close(&input);
    if (n <= 0 || evtrail_frame_prefix(head, (size_t)n, &frame) || frame.bytes > (size_t)n ||
        !evtrail_frame_intact(head, &frame) || frame.tag != EVTRAIL_TAG_SUPER ||
        evtrail_frame_parse_super(head, frame.bytes, &super))
        return -EBADMSG;
    *ret_created_ns = super.created_ns;
    return 0;
}
