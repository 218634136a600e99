/* SPDX-License-Identifier: ISC
 *
 * Makes room: the oldest segments are thinned by level, or replaced by one small segment that tells for each ring what was dropped. Both in one step, so
 * that a crash leaves the one or the other.
 */
#include "ship/spool_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DROP_SEGMENTS_MAX = 64, DROP_RINGS_MAX = 1 << 16 };

/* ---- what a dropped range held ---------------------------------------------------------------------------------------- */

struct gone_source {
    uint64_t session;
    struct evtrail_source_frame frame;
    struct evtrail_clock_frame clock;
    bool clocked;
};
struct gone_ring {
    uint32_t source; /* index in sources */
    uint64_t start;  /* events before the first of it */
    uint64_t ticks_before;
    uint64_t lost_before[EVTRAIL_CAUSES]; /* told before it */
    uint64_t missed;
    bool told; /* an ACCOUNT says ticks_before, lost_before */
    struct evtrail_batch_header last;
};
struct gone {
    struct gone_source *sources;
    size_t sources_count;
    struct gone_ring *rings;
    size_t rings_count, rings_room;
    uint32_t numbers[4096]; /* of the walked segment: number -> index + 1 */
    struct evtrail_account_frame account;
    bool account_set;
    uint64_t events; /* that are dropped now */
};

static void source_take(struct gone *gone, const struct spool_item *item)
{
    struct evtrail_source_frame frame;
    if (evtrail_frame_parse_source(item->at, item->bytes, &frame) || frame.number >= 4096)
        return;
    size_t i = 0;
    while (i < gone->sources_count && gone->sources[i].session != frame.session_id)
        i++;
    if (i == gone->sources_count) {
        struct gone_source *const grown = realloc(gone->sources, (i + 1) * sizeof *grown);
        if (!grown)
            return;
        gone->sources = grown;
        gone->sources[gone->sources_count++] = (struct gone_source){.session = frame.session_id, .frame = frame};
    }
    gone->numbers[frame.number] = (uint32_t)i + 1;
}

static struct gone_ring *ring_of(struct gone *gone, uint32_t source, uint32_t ring)
{
    for (size_t i = gone->rings_count; i-- > 0;)
        if (gone->rings[i].source == source && gone->rings[i].last.chunk.ring == ring)
            return &gone->rings[i];
    if (gone->rings_count == DROP_RINGS_MAX)
        return NULL;
    if (gone->rings_count == gone->rings_room) {
        struct gone_ring *const grown = realloc(gone->rings, (gone->rings_room * 2 + 64) * sizeof *grown);
        if (!grown)
            return NULL;
        gone->rings = grown;
        gone->rings_room = gone->rings_room * 2 + 64;
    }
    gone->rings[gone->rings_count] = (struct gone_ring){.source = source, .start = UINT64_MAX};
    return &gone->rings[gone->rings_count++];
}

static int batch_take(struct gone *gone, const struct spool_item *item)
{
    const struct evtrail_batch_header *const header = &item->header;
    const struct evtrail_chunk *const chunk = &header->chunk;
    const uint32_t index = header->source < 4096 ? gone->numbers[header->source] : 0;
    const bool accounted =
        gone->account_set && gone->account.source == header->source && gone->account.ring == chunk->ring;
    gone->account_set = false;
    if (index == 0)
        return 0; /* of a source whose frame is damaged: the ring's next batch shows what is missing */
    struct gone_ring *const ring = ring_of(gone, index - 1, chunk->ring);
    if (!ring)
        return -ENOMEM;
    if (ring->start == UINT64_MAX) {
        const uint64_t before = chunk->events_before > chunk->missed ? chunk->events_before - chunk->missed : 0;
        const uint64_t torn = accounted ? gone->account.torn : 0;
        ring->start = before > torn ? before - torn : 0;
        ring->told = accounted;
        ring->ticks_before = accounted ? gone->account.ticks : 0;
        memcpy(ring->lost_before, accounted ? gone->account.lost : chunk->lost_before, sizeof ring->lost_before);
        if (!accounted)
            memset(ring->lost_before, 0, sizeof ring->lost_before);
    }
    ring->missed += chunk->missed;
    ring->last = *header;
    gone->events += chunk->events;
    return 0;
}

static int item_take(struct gone *gone, const struct spool_item *item, int step)
{
    if (step == SPOOL_STEP_batch)
        return batch_take(gone, item);
    if (item->tag == EVTRAIL_TAG_SOURCE)
        source_take(gone, item);
    if (item->tag == EVTRAIL_TAG_ACCOUNT)
        gone->account_set = !evtrail_frame_parse_account(item->at, item->bytes, &gone->account);
    if (item->tag == EVTRAIL_TAG_CLOCK) {
        struct evtrail_clock_frame clock;
        if (evtrail_frame_parse_clock(item->at, item->bytes, &clock) || clock.source >= 4096 ||
            !gone->numbers[clock.source])
            return 0;
        gone->sources[gone->numbers[clock.source] - 1].clock = clock;
        gone->sources[gone->numbers[clock.source] - 1].clocked = true;
    }
    return 0;
}

static int segment_take(struct spool *spool, struct gone *gone, uint64_t first, uint64_t acked)
{
    char path[SPOOL_PATH_BYTES];
    struct spool_walk walk;
    struct spool_item item;
    spool_segment_path(spool, first, path);
    memset(gone->numbers, 0, sizeof gone->numbers);
    int r = spool_walk_open(&walk, path, false);
    while (r >= 0 && (r = spool_walk_step(&walk, false, &item)) > SPOOL_STEP_end)
        if (r != SPOOL_STEP_batch || first + item.header.number > acked)
            r = item_take(gone, &item, r) < 0 ? -ENOMEM : r;
    spool_walk_close(&walk);
    return r < 0 ? r : 0;
}

/* ---- the segment that tells of it --------------------------------------------------------------------------------------- */

static void put(struct spool_frames *out, const uint8_t *frame, size_t bytes)
{
    if (out->room - out->used < bytes) {
        uint8_t *const grown = realloc(out->bytes, (out->used + bytes) * 2);
        if (!grown) {
            out->room = 0; /* seen at the end */
            return;
        }
        out->bytes = grown;
        out->room = (out->used + bytes) * 2;
    }
    memcpy(out->bytes + out->used, frame, bytes);
    out->used += bytes;
}

static void put_ring(struct spool_frames *out, const struct gone_ring *ring, uint64_t number, uint8_t why)
{
    uint8_t frame[EVTRAIL_HEADER_BYTES_MAX];
    const struct evtrail_chunk *const last = &ring->last.chunk;
    const uint64_t end = last->events_before + last->events;
    const uint64_t before = end > ring->missed ? end - ring->missed : 0;
    struct evtrail_account_frame account = {
        .source = ring->source, .ring = last->ring, .events = before, .ticks = ring->ticks_before};
    account.torn = before > ring->start ? before - ring->start : 0;
    account.flags = EVTRAIL_ACCOUNT_SPOOL | (uint32_t)why << EVTRAIL_ACCOUNT_WHY_SHIFT;
    memcpy(account.lost, ring->lost_before, sizeof account.lost);
    put(out, frame, evtrail_frame_put_account(frame, &account));
    struct evtrail_batch_header header = ring->last;
    header.codec = EVTRAIL_CODEC_NONE;
    header.compressed_bytes = header.content_bytes = header.checksum = 0;
    header.source = ring->source;
    header.number = number;
    header.types = 0;
    header.chunk.words_count = 0;
    header.chunk.events = 0;
    header.chunk.events_before = end;
    header.chunk.missed = ring->missed < end ? ring->missed : end;
    header.chunk.first_ticks = header.chunk.state.reference_ticks = header.chunk.last_ticks;
    put(out, frame, evtrail_frame_put_batch(frame, &header));
}

static int tombstone_write(struct spool *spool, const struct gone *gone, const char *path, uint8_t why)
{
    uint8_t frame[EVTRAIL_HEADER_BYTES_MAX];
    struct spool_frames out = {0};
    const struct evtrail_super super = {
        .version = EVTRAIL_FILE_VERSION, .file_id = spool_file_id(spool) | 1, .created_ns = spool_realtime()};
    put(&out, frame, evtrail_frame_put_super(frame, &super));
    for (size_t i = 0; i < gone->sources_count; i++) {
        struct gone_source *const source = &gone->sources[i];
        source->frame.number = source->clock.source = (uint32_t)i;
        put(&out, frame, evtrail_frame_put_source(frame, &source->frame));
        if (source->clocked)
            put(&out, frame, evtrail_frame_put_clock(frame, &source->clock));
    }
    for (size_t i = 0; i < gone->rings_count; i++)
        put_ring(&out, &gone->rings[i], i, why);
    const int r = out.room ? spool_write_file(path, out.bytes, out.used) : -ENOMEM;
    free(out.bytes);
    return r;
}

/* ---- the step ------------------------------------------------------------------------------------------------------------- */

static int unlink_range(const struct spool *spool, uint64_t from, uint64_t to)
{
    DIR *const directory = opendir(spool->directory);
    uint64_t first;
    if (!directory)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (spool_segment_name(entry->d_name, &first) && first >= from && first <= to)
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    return 0;
}

/* "drop-FROM-TO-FIRST": segments FROM..TO give way to this one, whose first sequence is FIRST. */
int spool_drop_finish(struct spool *spool, const char *name)
{
    uint64_t from, to, first;
    char path[SPOOL_PATH_BYTES], target[SPOOL_PATH_BYTES];
    if (sscanf(name, "drop-%" SCNu64 "-%" SCNu64 "-%" SCNu64, &from, &to, &first) != 3 || from > to)
        return spool_set_aside(spool, name, "is not one of the spool's own files");
    const int r = unlink_range(spool, from, to);
    if (r < 0)
        return r;
    spool_at(SPOOL_AT_drop_deleted);
    spool_path(spool, name, path);
    spool_segment_path(spool, first, target);
    return rename(path, target) < 0 ? -errno : 0;
}

struct range {
    uint64_t firsts[DROP_SEGMENTS_MAX];
    unsigned count;
    uint64_t next; /* behind the last */
};

/* The list, once the files are so. */
static void list_replace(struct spool *spool, const struct range *range, uint64_t first, size_t rings, uint8_t why)
{
    char path[SPOOL_PATH_BYTES];
    struct stat status;
    size_t kept = 0;
    int64_t written_ns = spool_realtime(), opened_ns = written_ns;
    for (size_t i = 0; i < spool->segments_count; i++) {
        bool gone = false;
        for (unsigned j = 0; j < range->count; j++)
            gone |= spool->segments[i].first == range->firsts[j];
        if (gone) {
            opened_ns = spool->segments[i].opened_ns < opened_ns ? spool->segments[i].opened_ns : opened_ns;
            written_ns = spool->segments[i].written_ns;
        } else {
            spool->segments[kept++] = spool->segments[i];
        }
    }
    spool->segments_count = kept;
    spool_segment_path(spool, first, path);
    struct spool_segment *const added = spool_segment_add(spool, first);
    if (!added)
        return;
    added->next = range->next;
    added->batches = rings;
    added->written_ns = written_ns;
    added->opened_ns = opened_ns;
    added->bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
    added->why = why;
    added->thinned = true;
}

static void busy_set(struct spool *spool, const struct range *range, bool busy)
{
    for (size_t i = 0; i < spool->segments_count; i++)
        for (unsigned j = 0; j < range->count; j++)
            if (spool->segments[i].first == range->firsts[j])
                spool->segments[i].busy = busy;
    if (!busy)
        spool_tell(spool);
}

static int range_drop(struct spool *spool, const struct range *range, uint8_t why)
{
    char name[128], path[SPOOL_PATH_BYTES];
    struct gone *const gone = calloc(1, sizeof *gone);
    int r = gone ? 0 : -ENOMEM;
    spool_lock(spool);
    const unsigned lane = spool_lane_of(spool, range->firsts[0]);
    const uint64_t acked = lane < SPOOL_LANES_MAX ? spool_acked_now(spool, lane) : 0;
    spool_unlock(spool);
    for (unsigned i = 0; i < range->count && r == 0; i++)
        r = segment_take(spool, gone, range->firsts[i], acked);
    const size_t rings = gone ? gone->rings_count : 0; /* none: nothing in it can be read */
    const uint64_t first = range->next - (rings ? rings : 1);
    snprintf(name, sizeof name, "drop-%" PRIu64 "-%" PRIu64 "-%" PRIu64, range->firsts[0],
             range->firsts[range->count - 1], first);
    spool_path(spool, name, path);
    if (r == 0)
        spool_at(SPOOL_AT_drop_written);
    if (r == 0)
        r = tombstone_write(spool, gone, path, why);
    if (r == 0)
        spool_at(SPOOL_AT_drop_committed);
    spool_lock(spool);
    if (r == 0)
        r = spool_drop_finish(spool, name);
    if (r == 0) {
        spool->stats.dropped[why][0] += gone->events;
        list_replace(spool, range, first, rings ? rings : 1, why);
    }
    busy_set(spool, range, false);
    spool_tell(spool);
    spool_unlock(spool);
    if (gone) {
        free(gone->sources);
        free(gone->rings);
        free(gone);
    }
    return r;
}

/* ---- thinning by level ------------------------------------------------------------------------------------------------------ */

struct thin {
    struct spool *spool;
    struct evtrail_file *file;
    unsigned mask;
    uint64_t number; /* of the next batch */
    uint64_t counts[SPOOL_LEVELS];
};

static int batch_write(struct thin *thin, const struct evtrail_batch *from, const struct evtrail_chunk *chunk,
                       uint64_t dropped)
{
    struct evtrail_file_account account = {.bytes = sizeof account, .dropped = dropped, .why = WIRE_GAP_oldest};
    account.known = from->based;
    account.ticks = from->base_ticks;
    memcpy(account.lost, from->lost_base, sizeof account.lost);
    int r = dropped || account.known ? evtrail_file_write_account(thin->file, chunk, &account) : 0;
    r = r < 0 ? r : evtrail_file_write_chunk(thin->file, chunk);
    thin->number++;
    return r < 0 ? r : evtrail_file_flush(thin->file); /* a batch each */
}

static int batch_thin(struct thin *thin, const struct evtrail_batch *batch)
{
    struct evtrail_chunk empty = batch->chunk, rest = batch->chunk;
    empty.words = NULL;
    empty.words_count = 0;
    empty.events = 0;
    empty.last_ticks = empty.first_ticks;
    for (int r; thin->number < batch->number;) /* one that is damaged: its number stays taken */
        if ((r = batch_write(thin, batch, &empty, 0)) < 0)
            return r;
    const int64_t dropped =
        batch->chunk.words_count ? spool_cut(thin->spool, &batch->chunk, 0, thin->mask, &rest, thin->counts) : 0;
    return dropped < 0 ? (int)dropped : batch_write(thin, batch, &rest, (uint64_t)dropped + batch->torn + batch->spool);
}

static int thin_run(struct thin *thin, const char *path)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    const struct evtrail_file_cursor_options options = {.bytes = sizeof options, .accounts = true};
    int r = evtrail_file_cursor_open(&cursor, path, &options, NULL);
    if (r < 0)
        return r;
    while ((r = evtrail_file_cursor_next_chunk(cursor, &batch)) > 0 && batch->bytes) {
        r = batch_thin(thin, batch);
        if (r < 0)
            break;
    }
    evtrail_file_cursor_close(cursor);
    return r < 0 ? r : 0;
}

/* 1: it is smaller now; 0: it is not. */
static int segment_thin(struct spool *spool, uint64_t first, uint64_t bytes, unsigned mask)
{
    char temporary[SPOOL_PATH_BYTES], path[SPOOL_PATH_BYTES];
    struct thin thin = {.spool = spool, .mask = mask};
    struct evtrail_file_stats stats = {0};
    const struct evtrail_file_options options = {.bytes = sizeof options,
                                                 .force = true,
                                                 .no_uring = spool->options.no_uring,
                                                 .level = spool->options.level,
                                                 .flush_ns = -1};
    spool_path(spool, "thin.tmp", temporary);
    spool_segment_path(spool, first, path);
    int r = evtrail_file_create(&thin.file, temporary, &options);
    if (r == 0)
        r = thin_run(&thin, path);
    const int closed = evtrail_file_close(thin.file, &stats);
    r = r < 0 ? r : closed;
    if (r == 0)
        spool_at(SPOOL_AT_drop_written);
    if (r < 0 || stats.file_bytes + (bytes >> 3) >= bytes || rename(temporary, path) < 0) {
        unlink(temporary);
        return 0;
    }
    spool_at(SPOOL_AT_drop_committed);
    spool_lock(spool);
    for (size_t i = 0; i < spool->segments_count; i++) {
        struct spool_segment *const segment = &spool->segments[i];
        if (segment->first != first)
            continue;
        segment->bytes = stats.file_bytes;
        segment->events = stats.events;
    }
    for (unsigned level = 0; level < SPOOL_LEVELS; level++)
        spool->stats.dropped[WIRE_GAP_oldest][level] += thin.counts[level];
    spool_unlock(spool);
    return 1;
}

/* ---- which -------------------------------------------------------------------------------------------------------------------- */

/* Whether the segment may be given up: nobody reads it, and no collector may have any of it; `doubt`: none is connected, and it may have been sent. */
static bool is_free(const struct spool *spool, const struct spool_segment *segment, bool doubt)
{
    const unsigned lane = spool_lane_of(spool, segment->first);
    if (segment->open || segment->busy || lane == SPOOL_LANES_MAX || segment->next <= spool_acked_now(spool, lane) + 1)
        return false;
    if (spool->link)
        return segment->first != spool->lanes[lane].cursor_first && segment->first > spool->lanes[lane].sent;
    return doubt || segment->first > atomic_load_explicit(&spool->state->sent, memory_order_relaxed);
}

/* Segments that follow each other in one stream, from the oldest that is free on: at least `wanted` bytes of them that hold something. */
static uint64_t range_find(struct spool *spool, struct range *range, uint64_t wanted, uint8_t why, int64_t before_ns,
                           bool doubt)
{
    uint64_t found = 0;
    unsigned lane = SPOOL_LANES_MAX;
    *range = (struct range){0};
    for (size_t i = 0; i < spool->segments_count && range->count < DROP_SEGMENTS_MAX && found < wanted; i++) {
        const struct spool_segment *const segment = &spool->segments[i];
        const bool old = segment->why || segment->written_ns < before_ns;
        const bool mine = old && is_free(spool, segment, doubt) && (!segment->why || segment->why == why);
        const unsigned of = spool_lane_of(spool, segment->first);
        if (found && (!mine || of != lane))
            break;
        if (!mine || of != lane)
            range->count = 0;
        if (!mine)
            continue;
        lane = of;
        range->firsts[range->count++] = segment->first;
        range->next = segment->next;
        found += segment->why ? 0 : segment->bytes;
    }
    return found;
}

static bool drop(struct spool *spool, uint64_t wanted, uint8_t why, int64_t before_ns)
{
    struct range range;
    spool_lock(spool);
    uint64_t found = range_find(spool, &range, wanted, why, before_ns, false);
    if (found == 0)
        found = range_find(spool, &range, wanted, why, before_ns, true);
    busy_set(spool, &range, found > 0);
    spool_unlock(spool);
    return found > 0 && range_drop(spool, &range, why) == 0;
}

static bool drop_whole(struct spool *spool)
{
    return drop(spool, spool->options.segment_bytes, WIRE_GAP_oldest, INT64_MAX);
}

static bool drop_levels(struct spool *spool, unsigned mask)
{
    for (;;) {
        struct range range = {0};
        uint64_t bytes = 0;
        spool_lock(spool);
        for (size_t i = 0; i < spool->segments_count && range.count == 0; i++) {
            struct spool_segment *const segment = &spool->segments[i];
            if (segment->thinned || !is_free(spool, segment, true))
                continue;
            segment->thinned = true;
            bytes = segment->bytes;
            range.firsts[range.count++] = segment->first;
        }
        busy_set(spool, &range, true);
        spool_unlock(spool);
        if (range.count == 0)
            return false;
        const int r = segment_thin(spool, range.firsts[0], bytes, mask);
        spool_lock(spool);
        busy_set(spool, &range, false);
        spool_unlock(spool);
        if (r == 1)
            return true;
    }
}

bool spool_drop_oldest(struct spool *spool)
{
    unsigned mask = 0;
    bool all = true;
    for (unsigned level = 0; level < SPOOL_LEVELS; level++) {
        const bool oldest = spool->options.policies[level] == SPOOL_drop_oldest;
        mask |= oldest ? 1u << level : 0;
        all &= oldest;
    }
    return all ? drop_whole(spool) : drop_levels(spool, mask);
}

bool spool_drop_aged(struct spool *spool)
{
    return drop(spool, UINT64_MAX, WIRE_GAP_age, spool_realtime() - spool->options.max_age_ns);
}
