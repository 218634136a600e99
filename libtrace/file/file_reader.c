/* SPDX-License-Identifier: ISC
 *
 * Reads a trace file, stream or set batch by batch. What is damaged is told once, with its place, and stepped over.
 */
#include "file/file_reader.h"

#include "file/crc32c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ----------------------------------------------------------------------------------------------------- */

const char *evtrail_cursor_shown(const char *path)
{
    return !strcmp(path, "-") ? "standard input" : path;
}

int evtrail_cursor_fault(struct evtrail_file_cursor *cursor, const char *path, const char *format, ...)
{
    va_list arguments;
    const int used = snprintf(cursor->error, sizeof(cursor->error), "%s: ", evtrail_cursor_shown(path));
    const size_t at = used < 0 ? 0 : (size_t)used < sizeof(cursor->error) ? (size_t)used : sizeof(cursor->error) - 1;
    va_start(arguments, format);
    vsnprintf(cursor->error + at, sizeof(cursor->error) - at, format, arguments);
    va_end(arguments);
    cursor->faults++;
    return -EBADMSG;
}

/* ---- next ------------------------------------------------------------------------------------------------------- */

static int tell_damage(struct evtrail_file_cursor *cursor, const struct evtrail_item *item)
{
    const bool begun = item->found == EVTRAIL_MAGIC_BATCH || item->found == EVTRAIL_MAGIC_OTHER ||
                       item->found == EVTRAIL_MAGIC_SEEK_TABLE || !item->found;
    char found[48] = "";
    cursor->untold |= item->bytes >= EVTRAIL_ACCOUNT_BYTES;
    if (!begun) /* no frame's first bytes */
        snprintf(found, sizeof(found), "wanted a frame, found %08x: ", item->found);
    return evtrail_cursor_fault(cursor, cursor->current.path,
                                "damaged at byte %llu: %s%s; %llu bytes were skipped, what they held is lost; "
                                "`evtrail repair` writes a clean copy of the rest",
                                (unsigned long long)item->offset, found, item->what, (unsigned long long)item->bytes);
}

/* A batch whose header is gone: the index still knows how many events it had. */
static int lose_batch(struct evtrail_file_cursor *cursor, const struct evtrail_item *item, const char *what)
{
    struct evtrail_ring_trail *ring = evtrail_cursor_ring(cursor, item->source, item->ring);
    if (ring) {
        ring->torn += item->events;
        ring->torn_here += item->events;
        ring->expected += item->events;
        cursor->torn += item->events;
    }
    return evtrail_cursor_fault(cursor, cursor->current.path,
                                "damaged at byte %llu: wanted a batch's header, found %s; its %u events are lost; "
                                "`evtrail repair` writes a clean copy of the rest",
                                (unsigned long long)item->offset, what, item->events);
}

static int read_header(struct evtrail_file_cursor *cursor, const struct evtrail_item *item)
{
    struct evtrail_frame frame;
    /* Not more than the batch has: behind it a stream may end, or wait. */
    const size_t most = item->bytes < EVTRAIL_HEADER_BYTES_MAX ? item->bytes : EVTRAIL_HEADER_BYTES_MAX;
    const ssize_t n = evtrail_input_read(&cursor->current.input, item->offset, cursor->scratch, most);
    if (n < 0)
        return (int)n;
    const char *what = evtrail_frame_prefix(cursor->scratch, (size_t)n, &frame);
    if (!what && (frame.magic != EVTRAIL_MAGIC_BATCH || frame.bytes > (size_t)n))
        what = "something else";
    if (!what && !evtrail_frame_intact(cursor->scratch, &frame))
        what = "one whose checksum is wrong";
    if (!what)
        what = evtrail_frame_parse_batch(cursor->scratch, frame.bytes, &cursor->header);
    if (!what && frame.bytes + cursor->header.compressed_bytes != item->bytes)
        what = "one of another size";
    return what ? lose_batch(cursor, item, what) : 0;
}

static void show_batch(struct evtrail_file_cursor *cursor, const struct evtrail_item *item)
{
    struct evtrail_batch *batch = &cursor->batch;
    batch->chunk = cursor->header.chunk;
    batch->chunk.source = cursor->sources[item->source];
    cursor->batch_source = item->source;
    cursor->batch_last = item->last;
    batch->number = cursor->header.number;
    batch->offset = item->offset;
    batch->types = cursor->header.types;
    batch->bytes = (uint32_t)item->bytes;
    batch->from_ns = evtrail_source_time(batch->chunk.source, batch->chunk.first_ticks);
    batch->to_ns = evtrail_source_time(batch->chunk.source, batch->chunk.last_ticks);
}

const struct evtrail_batch *evtrail_cursor_batch(const struct evtrail_file_cursor *cursor)
{
    return &cursor->batch;
}

bool evtrail_cursor_batch_is_last(const struct evtrail_file_cursor *cursor)
{
    return cursor->batch_last;
}

static int take_account(struct evtrail_file_cursor *cursor, const struct evtrail_item *item)
{
    struct evtrail_frame frame;
    struct evtrail_account_frame account;
    const char *what;
    const int r = evtrail_part_read_frame(cursor, &cursor->current, item->offset, &frame, &what);
    if (r < 0)
        return r;
    if (r == 1)
        what = frame.tag == EVTRAIL_TAG_ACCOUNT ? evtrail_frame_parse_account(cursor->scratch, frame.bytes, &account)
                                                : "something else";
    if (what) {
        cursor->untold = true;
        return evtrail_cursor_fault(cursor, cursor->current.path, "damaged at byte %llu: wanted a ring's account: %s",
                                    (unsigned long long)item->offset, what);
    }
    evtrail_cursor_told(cursor, &account, item->source);
    return 0;
}

/* 1: the item is a batch that is wanted; 0: it was stepped over. */
static int take_item(struct evtrail_file_cursor *cursor, const struct evtrail_item *item)
{
    if (item->kind == EVTRAIL_ITEM_DAMAGE)
        return tell_damage(cursor, item);
    if (item->kind == EVTRAIL_ITEM_ACCOUNT)
        return take_account(cursor, item);
    const int r = read_header(cursor, item);
    if (r < 0)
        return r;
    evtrail_cursor_account(cursor, &cursor->header.chunk, item->source, item->offset);
    show_batch(cursor, item);
    if (cursor->options.wanted &&
        !cursor->options.wanted(cursor->options.context, &cursor->batch.chunk, cursor->batch.types)) {
        evtrail_cursor_pass(cursor, item->source);
        return 0;
    }
    cursor->header_valid = true;
    return 1;
}

/* Scans on in the current part. 1: there is more. */
static int scan_on(struct evtrail_file_cursor *cursor)
{
    struct evtrail_part *part = &cursor->current;
    if (!part->open || (part->complete && (!cursor->options.follow || part->input.ended)))
        return 0;
    part->partial |= part->items_count >= EVTRAIL_ITEMS_MAX;
    if (part->partial)
        part->items_count = part->next_item = 0; /* what was read is not needed again */
    return evtrail_part_scan(cursor, part);
}

/* More items of the current part, or another part. 1: look again; 0: that was all, for now. */
static int find_more(struct evtrail_file_cursor *cursor)
{
    int r = scan_on(cursor);
    if (r != 0)
        return r;
    if (!cursor->following.open && cursor->next_path == cursor->paths_count && cursor->options.follow)
        evtrail_cursor_list_again(cursor);
    if (!cursor->following.open && cursor->next_path == cursor->paths_count)
        return 0;
    r = scan_on(cursor); /* what came before the next file was begun */
    if (r == 0 && cursor->current.awaited)
        r = evtrail_part_refuse(cursor, &cursor->current, -ENODATA);
    return r != 0 ? r : evtrail_cursor_next_part(cursor);
}

static int explain_read(struct evtrail_file_cursor *cursor, int error)
{
    if (error != -EBADMSG && error != -EINTR)
        evtrail_cursor_fault(cursor, cursor->current.path, "cannot be read: %s", strerror(-error));
    return error;
}

int evtrail_file_cursor_next(struct evtrail_file_cursor *cursor, struct evtrail_batch **ret_batch)
{
    cursor->header_valid = false;
    cursor->view = NULL;
    for (;;) {
        struct evtrail_part *part = &cursor->current;
        int r;
        if (part->next_item < part->items_count) {
            const struct evtrail_item *item = &part->items[part->next_item];
            r = take_item(cursor, item);
            if (r != -EINTR)
                part->next_item++;
        } else {
            r = find_more(cursor);
            if (r == 1)
                continue;
            if (r == 0)
                r = evtrail_cursor_rest(cursor) ? 1 : 0;
            if (r == 1)
                *ret_batch = &cursor->batch;
            return r < 0 ? explain_read(cursor, r) : r;
        }
        if (r < 0)
            return explain_read(cursor, r);
        if (r == 1) {
            *ret_batch = &cursor->batch;
            return 1;
        }
    }
}

/* ---- content ---------------------------------------------------------------------------------------------------- */

static int tear_batch(struct evtrail_file_cursor *cursor, const char *what)
{
    const struct evtrail_batch *batch = &cursor->batch;
    cursor->header_valid = false;
    evtrail_cursor_tear(cursor, cursor->batch_source);
    return evtrail_cursor_fault(cursor, cursor->current.path,
                                "damaged at byte %llu: wanted %u bytes of compressed records, found: %s; %llu events "
                                "are lost; `evtrail repair` writes a clean copy of the rest",
                                (unsigned long long)batch->offset + cursor->header.header_bytes,
                                cursor->header.compressed_bytes, what, (unsigned long long)batch->chunk.events);
}

/* The content, decompressed; bounded by what the header was checked to allow. */
static const char *decompress(struct evtrail_file_cursor *cursor, const struct evtrail_batch_header *header)
{
    if (header->checksum && header->checksum != evtrail_crc32c(0, cursor->compressed, header->compressed_bytes))
        return "bytes of another checksum";
    const unsigned long long size = ZSTD_getFrameContentSize(cursor->compressed, header->compressed_bytes);
    if (size != header->content_bytes)
        return "not the zstd frame that the header speaks of";
    const size_t n = ZSTD_decompressDCtx(cursor->zstd, cursor->content, header->content_bytes, cursor->compressed,
                                         header->compressed_bytes);
    if (ZSTD_isError(n))
        return ZSTD_getErrorName(n);
    return n == header->content_bytes ? NULL : "fewer bytes than the header says";
}

/* The batch at `offset` as columns. < 0: reading failed; else *ret_what says what is wrong, or is NULL. */
static int read_view(struct evtrail_file_cursor *cursor, const struct evtrail_batch_header *header, uint64_t offset,
                     const struct evtrail_batch_view **ret_view, const char **ret_what)
{
    const ssize_t n = evtrail_input_read(&cursor->current.input, offset + header->header_bytes, cursor->compressed,
                                         header->compressed_bytes);
    if (n < 0)
        return (int)n;
    *ret_what = (size_t)n < header->compressed_bytes ? "the end of the file" : decompress(cursor, header);
    if (!*ret_what)
        evtrail_decode_view(cursor->decoder, cursor->content, header->content_bytes, header->chunk.words_count,
                            header->chunk.state.reference_ticks, ret_view, ret_what);
    return 0;
}

void evtrail_cursor_recall(struct evtrail_file_cursor *cursor, uint64_t offset, uint64_t *ret_lost)
{
    struct evtrail_batch_header header;
    struct evtrail_frame frame;
    const struct evtrail_batch_view *view;
    const char *what;
    if (cursor->current.input.stream || evtrail_part_read_frame(cursor, &cursor->current, offset, &frame, &what) != 1 ||
        frame.tag != EVTRAIL_TAG_BATCH || evtrail_frame_parse_batch(cursor->scratch, frame.bytes, &header) ||
        read_view(cursor, &header, offset, &view, &what) < 0 || what)
        return;
    evtrail_view_lost(view, ret_lost);
}

int evtrail_file_cursor_view(struct evtrail_file_cursor *cursor, const struct evtrail_batch_view **ret_view)
{
    static const struct evtrail_batch_view none;
    if (!cursor->header_valid || !cursor->batch.chunk.words_count) {
        *ret_view = &none;
        return 0;
    }
    if (!cursor->view) {
        const char *what = NULL;
        const int r = read_view(cursor, &cursor->header, cursor->batch.offset, &cursor->view, &what);
        if (r < 0)
            return r;
        if (what)
            return tear_batch(cursor, what);
        struct evtrail_ring_trail *ring = evtrail_cursor_ring(cursor, cursor->batch_source, cursor->batch.chunk.ring);
        if (ring) {
            evtrail_view_lost(cursor->view, ring->lost);
            ring->unread = false;
        }
    }
    *ret_view = cursor->view;
    return 0;
}

int evtrail_file_cursor_words(struct evtrail_file_cursor *cursor)
{
    const struct evtrail_batch_view *view;
    if (!cursor->header_valid || !cursor->batch.chunk.words_count)
        return 0;
    const int r = evtrail_file_cursor_view(cursor, &view);
    if (r == 0)
        cursor->batch.chunk.words = evtrail_decode_words(cursor->decoder);
    return r;
}

int evtrail_file_cursor_next_chunk(struct evtrail_file_cursor *cursor, struct evtrail_batch **ret_batch)
{
    int r = evtrail_file_cursor_next(cursor, ret_batch);
    if (r == 1) {
        r = evtrail_file_cursor_words(cursor);
        r = r < 0 ? r : 1;
    }
    return r;
}

/* ---- seek ------------------------------------------------------------------------------------------------------- */

/* The last file that was begun before this time: what came before is in earlier ones. One second is left for
 * clocks that were set and ticks that were converted a little wrong. */
static int find_path(const struct evtrail_file_cursor *cursor, int64_t realtime_ns)
{
    int low = 0, high = cursor->paths_count;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        int64_t created_ns = INT64_MAX; /* not known: an earlier one will do */
        evtrail_part_created(cursor->paths[middle], &created_ns);
        if (created_ns < realtime_ns - 1000000000)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* False: all of the part is earlier. */
static bool seek_item(struct evtrail_file_cursor *cursor, struct evtrail_part *part, int64_t realtime_ns)
{
    size_t i = 0;
    for (; i < part->items_count; i++) {
        const struct evtrail_item *item = &part->items[i];
        if (item->kind == EVTRAIL_ITEM_BATCH &&
            evtrail_source_time(cursor->sources[item->source], item->last_ticks) >= realtime_ns)
            break;
    }
    part->next_item = i;
    return i < part->items_count;
}

int evtrail_file_cursor_seek(struct evtrail_file_cursor *cursor, int64_t realtime_ns)
{
    if (cursor->current.partial)
        return -ESPIPE;
    const int path = realtime_ns > 1000000000 ? find_path(cursor, realtime_ns) : 0;
    if (cursor->paths_count > 1 || !cursor->current.open) {
        evtrail_part_close(&cursor->following);
        cursor->next_path = path;
        const int r = evtrail_cursor_next_part(cursor);
        if (r <= 0)
            return r < 0 ? r : -ENOENT;
    }
    cursor->header_valid = false;
    cursor->view = NULL;
    evtrail_cursor_forget_rings(cursor);
    while (!seek_item(cursor, &cursor->current, realtime_ns))
        if ((!cursor->following.open && cursor->next_path == cursor->paths_count) ||
            evtrail_cursor_next_part(cursor) <= 0)
            break;
    return 0;
}

/* ---- state ------------------------------------------------------------------------------------------------------ */

static int64_t part_horizon(const struct evtrail_part *part)
{
    if (!part->open)
        return INT64_MAX;
    if (part->partial || !part->complete)
        return INT64_MIN;
    return part->next_item < part->items_count ? part->items[part->next_item].horizon_ns : INT64_MAX;
}

int evtrail_cursor_stream_fd(const struct evtrail_file_cursor *cursor)
{
    const struct evtrail_part *part = &cursor->current;
    return part->open && part->input.stream && cursor->options.follow && !part->input.ended ? part->input.fd : -1;
}

int64_t evtrail_file_cursor_horizon(const struct evtrail_file_cursor *cursor)
{
    const int64_t a = part_horizon(&cursor->current), b = part_horizon(&cursor->following);
    const int64_t horizon = a < b ? a : b;
    const bool more = cursor->options.follow && !cursor->current.closed;
    return horizon == INT64_MAX && (more || cursor->next_path < cursor->paths_count) ? INT64_MIN : horizon;
}

uint32_t evtrail_file_cursor_sources(const struct evtrail_file_cursor *cursor,
                                     struct evtrail_source *const **ret_sources)
{
    *ret_sources = cursor->sources;
    return cursor->sources_count;
}

const char *evtrail_file_cursor_error(const struct evtrail_file_cursor *cursor)
{
    return cursor->error;
}

uint64_t evtrail_file_cursor_spool(const struct evtrail_file_cursor *cursor)
{
    return cursor->spool;
}

void evtrail_file_cursor_spool_by(const struct evtrail_file_cursor *cursor, uint64_t ret_events[EVTRAIL_SPOOL_WHYS])
{
    memcpy(ret_events, cursor->spool_by, sizeof(cursor->spool_by));
}

const char *evtrail_spool_why_name(unsigned why)
{
    static const char *const names[EVTRAIL_SPOOL_WHYS] = {"unknown", "oldest",  "newest", "age",
                                                          "refused", "damaged", "disk",   "elsewhere"};
    return why < EVTRAIL_SPOOL_WHYS ? names[why] : names[0];
}

void evtrail_file_cursor_totals(const struct evtrail_file_cursor *cursor, uint64_t *ret_torn, uint64_t *ret_faults,
                                bool *ret_closed)
{
    if (ret_torn)
        *ret_torn = cursor->torn + cursor->torn_recorded;
    if (ret_faults)
        *ret_faults = cursor->faults;
    if (ret_closed)
        *ret_closed = cursor->current.open && cursor->current.closed && !cursor->unclosed;
}
