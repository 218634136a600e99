/* SPDX-License-Identifier: ISC
 *
 * Finds what a file has that grew by whole units: to go on with it, or to close it. Where a unit is not whole, and no whole frame follows, the file is torn. Where
 * one follows it was damaged later: what is behind that was acknowledged, and counts.
 */
#include "file/append.h"

#include "file/crc32c.h"
#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEEK_FOOTER_BYTES = 9, ENDS_CLOSED = 1, ENDS_DAMAGED };

/* Up to `bytes` bytes at `offset`; fewer at the end. */
static ssize_t read_at(int fd, uint64_t offset, uint8_t *out, size_t bytes)
{
    size_t have = 0;
    while (have < bytes) {
        const ssize_t n = pread(fd, out + have, bytes - have, (off_t)(offset + have));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)have;
}

int evtrail_append_read_frame(int fd, uint64_t offset, uint8_t *room, struct evtrail_frame *ret_frame)
{
    const ssize_t n = read_at(fd, offset, room, EVTRAIL_APPEND_READ);
    if (n < 0)
        return (int)n;
    if (evtrail_frame_prefix(room, (size_t)n, ret_frame))
        return 0;
    if (ret_frame->bytes > (size_t)n) {
        const size_t more = ret_frame->bytes - (size_t)n;
        const ssize_t rest = read_at(fd, offset + (size_t)n, room + n, more);
        if (rest < 0)
            return (int)rest;
        if ((size_t)rest != more)
            return 0;
    }
    return evtrail_frame_intact(room, ret_frame);
}

static int checksum(int fd, uint64_t offset, uint32_t bytes, uint32_t *ret_crc)
{
    uint8_t block[16384];
    uint32_t crc = 0;
    while (bytes) {
        const ssize_t n = read_at(fd, offset, block, bytes < sizeof(block) ? bytes : sizeof(block));
        if (n <= 0)
            return n < 0 ? (int)n : 0;
        crc = evtrail_crc32c(crc, block, (size_t)n);
        offset += (size_t)n;
        bytes -= (uint32_t)n;
    }
    *ret_crc = crc;
    return 1;
}

/* Whether the batch's zstd frame is all there. */
static int whole_batch(int fd, uint64_t end, bool check, struct evtrail_append_visit *visit)
{
    if (evtrail_frame_parse_batch(visit->bytes, visit->frame.bytes, &visit->header))
        return 0;
    visit->unit += visit->header.compressed_bytes;
    if (visit->unit > end - visit->offset)
        return 0;
    if (!check || !visit->header.checksum)
        return 1;
    uint32_t crc;
    const int r = checksum(fd, visit->offset + visit->frame.bytes, visit->header.compressed_bytes, &crc);
    return r == 1 ? crc == visit->header.checksum : r;
}

int evtrail_append_walk(int fd, uint64_t from, uint64_t end, bool check,
                        int (*visit)(void *context, const struct evtrail_append_visit *visit), void *context,
                        uint64_t *ret_at)
{
    uint8_t *room = malloc(EVTRAIL_APPEND_ROOM);
    int r = room ? 0 : -ENOMEM;
    while (r == 0 && from < end) {
        struct evtrail_append_visit at = {.offset = from, .bytes = room};
        r = evtrail_append_read_frame(fd, from, room, &at.frame);
        at.unit = at.frame.bytes;
        if (r == 1 && at.frame.magic == EVTRAIL_MAGIC_BATCH)
            r = whole_batch(fd, end, check, &at);
        if (r <= 0)
            break;
        r = visit(context, &at);
        if (r == 0)
            from += at.unit;
    }
    free(room);
    *ret_at = from;
    return r;
}

/* ---- taking in --------------------------------------------------------------------------------------------------- */

struct scan {
    struct evtrail_append *append;
    struct evtrail_append_report *report;
    void (*marks)(void *context, const struct evtrail_mark_frame *mark);
    void *context;
    uint64_t unit; /* where the unit began that is being read */
    struct evtrail_mark_frame mark;
    bool marked; /* ... of the batch to come */
    bool begun;  /* the first frame is whole */
    uint64_t trusted;
    uint64_t skipped; /* bytes that are damaged; known to be so, and not torn, once a unit follows that is trusted */
};

static bool damage_pending(const struct scan *scan)
{
    return scan->skipped != scan->report->damaged;
}

static void take_entries(struct evtrail_append *append, const uint8_t *entries, size_t size)
{
    struct evtrail_meta_header entry;
    for (size_t at = 0; size - at >= sizeof(entry); at += entry.bytes) {
        memcpy(&entry, entries + at, sizeof(entry));
        if (entry.bytes < sizeof(entry) || entry.bytes > size - at)
            return;
        evtrail_append_remember(append, entries + at, entry.bytes);
    }
    append->described_bytes += size;
}

static void take_mark(struct scan *scan)
{
    const struct evtrail_mark_frame *mark = &scan->mark;
    scan->append->mark = *mark;
    if (mark->kind == EVTRAIL_MARK_GAP || mark->kind == EVTRAIL_MARK_GAP_PART)
        scan->append->gap_through = mark->sequence;
    if (scan->marks && mark->kind != EVTRAIL_MARK_END)
        scan->marks(scan->context, mark);
    scan->marked = false;
}

static int scan_batch(struct scan *scan, const struct evtrail_append_visit *visit)
{
    struct evtrail_append *append = scan->append;
    struct evtrail_append_ring *ring = evtrail_append_ring_of(append, visit->header.chunk.ring);
    if (!ring)
        return -ENOMEM;
    evtrail_append_ring_batch(ring, &visit->header.chunk, visit->header.chunk.lost_before);
    append->batches++;
    append->events += visit->header.chunk.events;
    if (scan->marked)
        take_mark(scan);
    return 0;
}

static int scan_other(struct scan *scan, const struct evtrail_append_visit *visit)
{
    struct evtrail_append *append = scan->append;
    const uint32_t bytes = visit->frame.bytes;
    struct evtrail_clock_frame clock;
    struct evtrail_account_frame account;
    struct evtrail_offset_frame offset;
    const uint8_t *entries;
    size_t size;
    uint32_t number;
    switch (visit->frame.tag) {
    case EVTRAIL_TAG_SOURCE:
        scan->report->sourced = !evtrail_frame_parse_source(visit->bytes, bytes, &scan->report->source);
        evtrail_append_remember(append, visit->bytes, bytes);
        return evtrail_append_describe(append, visit->offset, bytes) ? 0 : -ENOMEM;
    case EVTRAIL_TAG_SCHEMA:
        if (!evtrail_frame_parse_schema(visit->bytes, bytes, &number, &entries, &size))
            take_entries(append, entries, size);
        return evtrail_append_describe(append, visit->offset, bytes) ? 0 : -ENOMEM;
    case EVTRAIL_TAG_CLOCK:
        if (evtrail_frame_parse_clock(visit->bytes, bytes, &clock))
            return 0;
        append->first_clock = append->first_clock.realtime_ns ? append->first_clock : clock;
        append->last_clock = clock;
        append->last_clock.flags = 0; /* it has come back */
        append->clock_written_ns = clock.realtime_ns;
        return 0;
    case EVTRAIL_TAG_OFFSET:
        if (evtrail_frame_parse_offset(visit->bytes, bytes, &offset))
            return 0;
        append->offset_frame = offset;
        append->offset_written_ns = offset.offset_ns;
        append->offset_bound_ns = offset.bound_ns;
        return 0;
    case EVTRAIL_TAG_ACCOUNT:
        if (!evtrail_frame_parse_account(visit->bytes, bytes, &account) && account.ring < EVTRAIL_RINGS_MAX) {
            struct evtrail_append_ring *ring = evtrail_append_ring_of(append, account.ring);
            if (ring)
                evtrail_append_ring_account(ring, &account);
        }
        return 0;
    case EVTRAIL_TAG_MARK:
        scan->marked = !evtrail_frame_parse_mark(visit->bytes, bytes, &scan->mark);
        scan->report->more = scan->marked && damage_pending(scan) && scan->mark.sequence - 1 > scan->trusted;
        if (scan->report->more)
            return ENDS_DAMAGED;
        if (scan->marked && scan->mark.kind != EVTRAIL_MARK_BATCH)
            take_mark(scan);
        return 0;
    default:
        return 0;
    }
}

/* A unit ends with a batch, or the mark of a gap. Of a batch behind damage whose mark is gone the next one tells. */
static bool ends_unit(const struct scan *scan, const struct evtrail_append_visit *visit, bool marked)
{
    if (visit->frame.magic == EVTRAIL_MAGIC_BATCH)
        return marked || !damage_pending(scan);
    return visit->frame.tag == EVTRAIL_TAG_MARK && !scan->marked;
}

static int scan_visit(void *context, const struct evtrail_append_visit *visit)
{
    struct scan *scan = context;
    struct evtrail_super super;
    const bool marked = scan->marked;
    if (visit->frame.tag == EVTRAIL_TAG_INDEX || visit->frame.tag == EVTRAIL_TAG_END) {
        if (damage_pending(scan))
            return ENDS_DAMAGED;
        scan->unit = visit->offset;
        return ENDS_CLOSED;
    }
    if (!visit->offset) {
        if (visit->frame.tag != EVTRAIL_TAG_SUPER ||
            evtrail_frame_parse_super(visit->bytes, visit->frame.bytes, &super) || super.version > EVTRAIL_FILE_VERSION)
            return -EBADMSG;
        scan->append->set_id = super.set_id;
        scan->append->part = super.part;
        scan->begun = true;
        return 0;
    }
    const int r = visit->frame.magic == EVTRAIL_MAGIC_BATCH ? scan_batch(scan, visit) : scan_other(scan, visit);
    if (r == 0 && ends_unit(scan, visit, marked)) {
        scan->unit = visit->offset + visit->unit;
        scan->report->damaged = scan->skipped;
    }
    return r;
}

/* All frames, and those behind damaged ones. As evtrail_append_walk(). */
static int scan_all(struct scan *scan, int fd, uint64_t end, bool check)
{
    uint64_t at = 0, next, cost = 0;
    int r;
    while ((r = evtrail_append_walk(fd, at, end, check, scan_visit, scan, &next)) == 0 && next < end) {
        scan->marked = false;
        r = evtrail_append_search(fd, next + 1, end, &cost, &at);
        if (r < 0 || at >= end)
            return r;
        scan->skipped += at - next;
    }
    return r;
}

int evtrail_append_scan(struct evtrail_append *append, int fd, bool check, uint64_t trusted,
                        void (*marks)(void *context, const struct evtrail_mark_frame *mark), void *context,
                        struct evtrail_append_report *ret_report)
{
    struct stat status;
    struct evtrail_append_report report = {0};
    struct scan scan = {.append = append, .report = &report, .marks = marks, .context = context, .trusted = trusted};
    if (fstat(fd, &status) < 0)
        return -errno;
    const int r = scan_all(&scan, fd, (uint64_t)status.st_size, check);
    if (r < 0 || !scan.begun)
        return r < 0 ? r : -EBADMSG;
    report.closed = r == ENDS_CLOSED;
    report.bytes = scan.unit;
    report.torn = report.closed ? 0 : (uint64_t)status.st_size - scan.unit;
    append->offset = append->synced = scan.unit;
    append->damaged = report.damaged;
    *ret_report = report;
    return 0;
}

int evtrail_append_last_mark(int fd, struct evtrail_mark_frame *ret_mark)
{
    struct stat status;
    uint8_t footer[SEEK_FOOTER_BYTES], end[EVTRAIL_END_BYTES], bytes[EVTRAIL_MARK_BYTES];
    uint32_t count, magic;
    struct evtrail_frame frame;
    struct evtrail_end ended;
    if (fstat(fd, &status) < 0)
        return -errno;
    const uint64_t size = (uint64_t)status.st_size;
    if (size < SEEK_FOOTER_BYTES ||
        read_at(fd, size - SEEK_FOOTER_BYTES, footer, sizeof(footer)) != (ssize_t)sizeof(footer))
        return -EBADMSG;
    memcpy(&count, footer, 4);
    memcpy(&magic, footer + 5, 4);
    const uint64_t table = 8 + (uint64_t)count * 8 + SEEK_FOOTER_BYTES;
    if (magic != EVTRAIL_MAGIC_SEEKABLE || size < table + EVTRAIL_END_BYTES ||
        read_at(fd, size - table - EVTRAIL_END_BYTES, end, sizeof(end)) != (ssize_t)sizeof(end) ||
        evtrail_frame_prefix(end, sizeof(end), &frame) || frame.tag != EVTRAIL_TAG_END || frame.bytes != sizeof(end) ||
        !evtrail_frame_intact(end, &frame) || evtrail_frame_parse_end(end, sizeof(end), &ended) ||
        ended.tail_offset > size || ended.tail_offset < EVTRAIL_MARK_BYTES)
        return -EBADMSG;
    if (read_at(fd, ended.tail_offset - EVTRAIL_MARK_BYTES, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes) ||
        evtrail_frame_prefix(bytes, sizeof(bytes), &frame) || frame.tag != EVTRAIL_TAG_MARK ||
        frame.bytes != sizeof(bytes) || !evtrail_frame_intact(bytes, &frame) ||
        evtrail_frame_parse_mark(bytes, sizeof(bytes), ret_mark))
        return -EBADMSG;
    return 0;
}
