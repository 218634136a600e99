/* SPDX-License-Identifier: ISC
 *
 * The writer's side: chunks become batches in the open segment; what finds no room waits or is dropped, as its level's policy says.
 */
#include "ship/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXTRA_BYTES = 3 << 19,
    TELL_BYTES = 256 << 10,
    SMALL_BYTES = 64 << 10
}; /* the largest chunk, should it not be compressible */
#define AGE_LOOK_NS INT64_C(1000000000)
#define WATCHED_BATCH_NS INT64_C(250000) /* for those who watch there are no more than 4,000 batches a second */

/* ---- what is in segments ---- */

void spool_tell(struct spool *spool)
{
    spool->changes++;
    if (!spool->ready || !spool->options.ready)
        return;
    spool->ready = false;
    spool->options.ready(spool->options.context);
}

/* Takes over what the file says of itself. */
static void file_look(struct spool *spool)
{
    struct evtrail_file_stats now;
    evtrail_file_stats(spool->file, &now);
    struct spool_segment *const segment = &spool->segments[spool->segments_count - 1];
    segment->events += now.events - spool->file_events;
    segment->batches += now.batches - spool->file_batches;
    spool->stats.written_events += now.events - spool->file_events;
    spool->stats.written_batches += now.batches - spool->file_batches;
    spool->stats.written_bytes += now.file_bytes - spool->file_bytes;
    spool->stats.raw_bytes += now.raw_bytes - spool->file_raw;
    spool->stats.uring = now.uring;
    spool->file_events = now.events;
    spool->file_batches = now.batches;
    spool->file_bytes = now.file_bytes;
    spool->file_raw = now.raw_bytes;
    spool->next = spool->base + now.batches;
    segment->next = spool->next;
}

/* All that was taken is in a segment. */
static void rings_safe(struct spool *spool)
{
    for (size_t i = 0; i < spool->rings.room; i++) {
        struct spool_ring *const ring = &spool->rings.items[i];
        if (!ring->changed)
            continue;
        ring->changed = false;
        /* what was dropped since the last chunk is told with the next one: a restart finds it in the ring again, or missing */
        ring->safe_end = ring->end - ring->dropped - ring->missed;
        ring->safe_ticks = ring->ticks;
        memcpy(ring->safe_lost, ring->lost, sizeof ring->safe_lost);
        spool_given_told(spool, ring);
    }
}

/* ---- a segment that fails ---- */

/* What of the rings did not get there. */
static void rings_after_failure(struct spool *spool, uint64_t first)
{
    char path[SPOOL_PATH_BYTES];
    struct spool_walk walk;
    struct spool_item item;
    struct evtrail_source_frame source;
    uint64_t sessions[256] = {0};
    spool_segment_path(spool, first, path);
    int r = spool_walk_open(&walk, path, true);
    while (r >= 0 && (r = spool_walk_step(&walk, false, &item)) > SPOOL_STEP_end) {
        if (item.tag == EVTRAIL_TAG_SOURCE && !evtrail_frame_parse_source(item.at, item.bytes, &source) &&
            source.number < 256)
            sessions[source.number] = source.session_id;
        if (r != SPOOL_STEP_batch || item.header.source >= 256)
            continue;
        struct spool_ring *const ring =
            spool_rings_get(&spool->rings, sessions[item.header.source], item.header.chunk.ring);
        const uint64_t end = item.header.chunk.events_before + item.header.chunk.events;
        if (ring && end > ring->safe_end)
            ring->safe_end = end;
    }
    spool_walk_close(&walk);
    for (size_t i = 0; i < spool->rings.room; i++) {
        struct spool_ring *const ring = &spool->rings.items[i];
        if (!ring->changed || ring->end < ring->safe_end)
            continue;
        ring->changed = false;
        ring->dropped = ring->end - ring->safe_end - ring->missed;
        ring->why = WIRE_GAP_disk;
        if (ring->given) /* else its ring still has it, if we are killed now */
            (void)spool_given_note(spool, ring, NULL);
    }
}

static void segment_forget(struct spool *spool, size_t at)
{
    memmove(&spool->segments[at], &spool->segments[at + 1], (--spool->segments_count - at) * sizeof *spool->segments);
}

/* The open segment's file is closed: takes its size, gives back what was reserved for it. */
static void segment_closed(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES];
    struct stat status;
    struct spool_segment *const segment = &spool->segments[spool->segments_count - 1];
    spool_segment_path(spool, segment->first, path);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        segment->bytes = (uint64_t)status.st_size;
        if (spool->reserved_bytes > segment->bytes) {
            (void)!ftruncate(fd, status.st_size);
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, status.st_size,
                      (off_t)(spool->reserved_bytes - segment->bytes));
        }
    }
    if (fd >= 0)
        close(fd);
    segment->written_ns = spool_realtime();
    segment->open = false;
    if (segment->batches == 0) {
        unlink(path);
        segment_forget(spool, spool->segments_count - 1);
    }
    spool_segments_delete(spool); /* all of it may be acknowledged already */
    spool_tell(spool);
}

/* Closes the open segment after a failure, and accounts for what is not in it. */
static void segment_failed(struct spool *spool, int error)
{
    struct evtrail_file_stats stats;
    spool_lock(spool);
    file_look(spool);
    const uint64_t first = spool->segments[spool->segments_count - 1].first;
    spool_unlock(spool);
    evtrail_file_close(spool->file, &stats);
    spool->file = NULL;
    spool_lock(spool);
    spool->stats.dropped[WIRE_GAP_disk][0] += stats.lost;
    rings_after_failure(spool, first);
    segment_closed(spool);
    spool_disk_error(spool, error);
    spool->retry_ns = spool_monotonic() + SPOOL_RETRY_NS;
    spool->unflushed_bytes = 0;
    spool->flush_due_ns = 0;
    spool_unlock(spool);
}

/* ---- how long events are held ---- */

void spool_watched(struct spool *spool, int64_t hold_ns)
{
    atomic_store_explicit(&spool->watch_ns, hold_ns, memory_order_relaxed);
}

int64_t spool_hold(const struct spool *spool)
{
    const int64_t watch = atomic_load_explicit(&spool->watch_ns, memory_order_relaxed);
    const int64_t busy = (int64_t)spool->flushed_batches * WATCHED_BATCH_NS, hold = watch > busy ? watch : busy;
    return watch > 0 && hold < spool->options.flush_ns ? hold : spool->options.flush_ns;
}

/* ---- segments ---- */

int spool_flush(struct spool *spool)
{
    if (!spool->file)
        return 0;
    const uint64_t batches = spool->file_batches;
    const int r = evtrail_file_flush(spool->file);
    if (r < 0) {
        segment_failed(spool, r);
        return r;
    }
    spool_lock(spool);
    file_look(spool);
    rings_safe(spool);
    spool->unflushed_bytes = 0;
    spool->flush_due_ns = 0;
    spool->told_bytes = spool->file_bytes;
    spool->flushed_batches = spool->file_batches - batches;
    spool_tell(spool);
    spool_unlock(spool);
    spool_at(SPOOL_AT_flushed);
    return 0;
}

int spool_segment_end(struct spool *spool)
{
    int r = spool_flush(spool);
    if (r < 0 || !spool->file)
        return r;
    r = evtrail_file_close(spool->file, NULL);
    spool->file = NULL;
    spool_lock(spool);
    segment_closed(spool);
    if (r < 0) /* only the index is missing */
        spool_disk_error(spool, r);
    spool_unlock(spool);
    return 0;
}

/* Blocks for all of a segment, so that what is taken finds room. Where a file system knows no such thing, a full disk costs what is buffered. */
static int reserve(struct spool *spool, const char *path, uint64_t bytes)
{
    struct rlimit limit;
    spool->reserved_bytes = 0;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        return -EFBIG;
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    if (r == 0)
        spool->reserved_bytes = bytes;
    return r == -ENOSPC || r == -EDQUOT || r == -EFBIG ? r : 0;
}

static int segment_create(struct spool *spool, uint64_t first, uint64_t bytes)
{
    char path[SPOOL_PATH_BYTES];
    const struct evtrail_file_options options = {.bytes = sizeof options,
                                                 .no_uring = spool->options.no_uring,
                                                 .level = spool->options.level,
                                                 .flush_ns = -1,
                                                 .keep_buffers = true,
                                                 .file_id = (spool_file_id(spool) ^ first) | 1};
    spool_segment_path(spool, first, path);
    int r = evtrail_file_create(&spool->file, path, &options);
    if (r < 0)
        return r;
    spool_at(SPOOL_AT_segment_new);
    r = reserve(spool, path, bytes);
    if (r < 0) {
        evtrail_file_abandon(spool->file);
        spool->file = NULL;
        unlink(path);
    }
    return r;
}

/* [L] Whether the cap leaves no room for another segment. Those for accounts alone may go beyond it, by an eighth. */
static bool is_full(const struct spool *spool, bool small)
{
    const uint64_t used = spool_bytes(spool), most = spool->options.max_bytes;
    return small ? used + SMALL_BYTES > most + most / 8 : used + spool->options.segment_bytes + EXTRA_BYTES > most;
}

/* -EAGAIN: there is no room, see the state. */
static int segment_begin(struct spool *spool, bool small)
{
    const int64_t now = spool_monotonic();
    const uint64_t bytes = small ? SMALL_BYTES : spool->options.segment_bytes + EXTRA_BYTES;
    if (now < spool->retry_ns && !small)
        return -EAGAIN;
    spool_lock(spool);
    const uint64_t sent = atomic_load_explicit(&spool->state->sent, memory_order_relaxed);
    if (sent >= spool->next) /* of a segment that failed: a collector may have it */
        spool->next = sent + 1;
    const uint64_t first = spool->next;
    const bool full = is_full(spool, small);
    if (full && !small)
        spool_state_set(spool, SPOOL_STATE_full, 0);
    spool_unlock(spool);
    if (full)
        return -EAGAIN;
    int r = spool_reserve(spool, first + SPOOL_BATCHES_MAX);
    if (r == 0)
        r = segment_create(spool, first, bytes);
    spool_lock(spool);
    struct spool_segment *const segment = r < 0 ? NULL : spool_segment_add(spool, first);
    if (segment) {
        segment->open = true;
        segment->bytes = bytes;
        spool->small = small;
        spool->begun_ns = now;
        segment->opened_ns = segment->written_ns = spool_realtime();
        spool->base = first;
        spool->file_batches = spool->file_events = spool->file_bytes = spool->file_raw = spool->told_bytes = 0;
        for (size_t i = 0; i < spool->rings.room; i++)
            spool->rings.items[i].told = false;
        if (!small)
            spool_state_set(spool, SPOOL_STATE_ok, 0);
    } else {
        if (r == 0) {
            evtrail_file_abandon(spool->file);
            spool->file = NULL;
            r = -ENOMEM;
        }
        if (r == -EEXIST)
            spool->next++; /* somebody else's file has the name: leave both */
        else
            spool_disk_error(spool, r);
        spool->retry_ns = now + (r == -EEXIST ? 0 : SPOOL_RETRY_NS);
    }
    spool_unlock(spool);
    if (segment)
        spool_at(SPOOL_AT_segment_reserved);
    return segment ? 0 : -EAGAIN;
}

/* An open segment that has room for so many bytes of records. */
static int room_ensure(struct spool *spool, uint64_t bytes)
{
    if (spool->file && spool->small) {
        spool_lock(spool);
        const bool full = is_full(spool, false);
        if (full)
            spool_state_set(spool, SPOOL_STATE_full, 0);
        spool_unlock(spool);
        if (full || spool_monotonic() < spool->retry_ns)
            return -EAGAIN;
        spool_segment_end(spool);
    }
    const uint64_t most = spool->options.segment_bytes + EXTRA_BYTES - SPOOL_SLACK_BYTES;
    if (spool->file && spool->file_bytes + spool->unflushed_bytes + bytes > most) {
        spool_flush(spool);
        if (spool->file && (spool->file_bytes >= spool->options.segment_bytes - spool->options.segment_bytes / 4 ||
                            spool->file_bytes + bytes > most))
            spool_segment_end(spool);
    }
    if (spool->file &&
        (spool->file_bytes >= spool->options.segment_bytes || spool->file_batches > SPOOL_BATCHES_MAX - 4096))
        spool_segment_end(spool);
    return spool->file ? 0 : segment_begin(spool, false);
}

/* The same for an account, which finds room beside what is full. */
static int room_for_account(struct spool *spool)
{
    if (room_ensure(spool, 2048) == 0)
        return 0;
    if (spool->file && spool->file_bytes + spool->unflushed_bytes + 4096 > SMALL_BYTES / 2)
        spool_segment_end(spool);
    return spool->file ? 0 : segment_begin(spool, true);
}

/* ---- chunks ---- */

/* How many of its first events are in the spool already; UINT64_MAX: all of it is. Sets what was missed before it. */
static uint64_t repeated(const struct spool_ring *ring, const struct evtrail_chunk *chunk, uint64_t *ret_missed)
{
    const uint64_t before = chunk->events_before, end = before + chunk->events;
    *ret_missed = chunk->missed;
    if (!ring->known)
        return 0;
    if (chunk->events ? end <= ring->end : before < ring->end)
        return UINT64_MAX;
    if (!chunk->events && before == ring->end && !chunk->missed && !chunk->words_count &&
        memcmp(ring->lost, chunk->lost_before, sizeof ring->lost) == 0)
        return UINT64_MAX;
    if (before < ring->end) {
        *ret_missed = 0;
        return ring->end - before;
    }
    if (*ret_missed > before - ring->end)
        *ret_missed = before - ring->end;
    return 0;
}

/* Which levels are given up when there is no room, as bits. */
static unsigned levels_dropped(const struct spool *spool)
{
    unsigned mask = 0;
    for (unsigned level = 0; level < SPOOL_LEVELS; level++)
        mask |= spool->options.policies[level] != SPOOL_block ? 1u << level : 0;
    return mask;
}

static bool any_oldest(const struct spool *spool)
{
    for (unsigned level = 0; level < SPOOL_LEVELS; level++)
        if (spool->options.policies[level] == SPOOL_drop_oldest)
            return true;
    return false;
}

/* There is no room: what of the chunk may be given up? 0: all of it was; -EAGAIN: not all of it may. */
static int give_up(struct spool *spool, struct spool_ring *ring, const struct evtrail_chunk *chunk, uint64_t missed)
{
    uint64_t counts[SPOOL_LEVELS] = {0};
    struct evtrail_chunk rest = *chunk;
    const unsigned mask = levels_dropped(spool);
    const int64_t dropped = chunk->events && mask ? spool_cut(spool, chunk, 0, mask, &rest, counts) : 0;
    if (dropped < 0)
        return (int)dropped;
    if (spool->file && ring->changed) /* what was taken before is to be safe before this is */
        spool_flush(spool);
    spool_lock(spool);
    bool blocks = rest.events > 0;
    if (!blocks) {
        const bool newest = spool->stats.state == SPOOL_STATE_full;
        struct spool_ring after = *ring;
        after.why = newest ? WIRE_GAP_newest : WIRE_GAP_disk;
        after.dropped += (uint64_t)dropped;
        after.missed += missed;
        after.end = chunk->events_before + chunk->events;
        after.known = true;
        memcpy(after.seen_lost, chunk->lost_before, sizeof after.seen_lost);
        blocks = (after.dropped || after.missed) && spool_given_note(spool, &after, chunk->source) < 0;
        for (unsigned level = 0; level < SPOOL_LEVELS && !blocks; level++)
            spool->stats.dropped[after.why][level] += counts[level];
        *ring = blocks ? *ring : after;
    }
    if (blocks && !spool->stats.blocked)
        spool->stats.blocks++;
    spool->stats.blocked = blocks;
    spool_unlock(spool);
    return blocks ? -EAGAIN : 0;
}

static void taken(struct spool *spool, struct spool_ring *ring, const struct evtrail_chunk *chunk)
{
    spool_lock(spool);
    ring->known = ring->told = ring->changed = true;
    ring->end = chunk->events_before + chunk->events;
    ring->ticks = chunk->words_count ? chunk->last_ticks : ring->ticks;
    memcpy(ring->lost, chunk->lost_before, sizeof ring->lost);
    memcpy(ring->seen_lost, chunk->lost_before, sizeof ring->seen_lost);
    ring->dropped = ring->missed = 0;
    ring->gone_ns = 0;
    spool->stats.blocked = false;
    file_look(spool);
    if (spool->file_bytes - spool->told_bytes > TELL_BYTES) {
        spool->told_bytes = spool->file_bytes;
        spool_tell(spool);
    }
    spool_unlock(spool);
}

/* Writes a chunk that has room, with what is to be told before it. */
static int put(struct spool *spool, struct spool_ring *ring, struct evtrail_chunk *chunk)
{
    struct evtrail_file_account account = {
        .bytes = sizeof account, .known = ring->known && !ring->told, .ticks = ring->ticks};
    memcpy(account.lost, ring->lost, sizeof account.lost);
    account.dropped = ring->dropped;
    account.why = ring->why;
    chunk->missed += ring->missed;
    int r = account.known || account.dropped ? evtrail_file_write_account(spool->file, chunk, &account) : 0;
    if (r == 0)
        r = evtrail_file_write_chunk(spool->file, chunk);
    struct evtrail_file_stats stats;
    evtrail_file_stats(spool->file, &stats);
    taken(spool, ring, chunk);
    if (stats.error < 0) {
        segment_failed(spool, stats.error);
        return 0;
    }
    spool->unflushed_bytes += chunk->words_count * 9 + 1024;
    if (spool->flush_due_ns == 0)
        spool->flush_due_ns = spool_monotonic() + spool_hold(spool);
    if (r < 0) { /* of this chunk alone */
        spool_lock(spool);
        spool->stats.dropped[WIRE_GAP_disk][0] += chunk->events;
        spool_unlock(spool);
    }
    spool_at(SPOOL_AT_batch_taken);
    return r;
}

int spool_write(struct spool *spool, const struct evtrail_chunk *chunk)
{
    uint64_t missed;
    if (chunk->ring > EVTRAIL_RING_NONE - 1)
        return -EINVAL;
    spool_lock(spool);
    struct spool_ring *ring = spool_rings_find(&spool->rings, chunk->source->session_id, chunk->ring);
    if (!ring) {
        spool_rings_purge(spool);
        ring = spool_rings_find(&spool->rings, chunk->source->session_id, chunk->ring);
    }
    if (!ring)
        spool->stats.dropped[WIRE_GAP_disk][0] += chunk->events;
    const uint64_t skip = ring ? repeated(ring, chunk, &missed) : 0;
    if (ring && skip > 0)
        spool->stats.repeated_events += skip == UINT64_MAX ? chunk->events : skip;
    spool_unlock(spool);
    if (!ring)
        return -ENOMEM;
    if (skip == UINT64_MAX)
        return 0;
    while (room_ensure(spool, chunk->words_count * 9 + 1024) < 0) {
        if (any_oldest(spool) && spool_drop_oldest(spool))
            continue;
        struct evtrail_chunk rest = *chunk;
        const int64_t r = skip ? spool_cut(spool, chunk, skip, 0, &rest, NULL) : 0;
        if (r < 0)
            return (int)r;
        if (skip) { /* the cut's words are used again */
            uint64_t *const words = malloc((rest.words_count + 1) * sizeof *words);
            if (!words)
                return -ENOMEM;
            memcpy(words, rest.words, rest.words_count * sizeof *words);
            rest.words = words;
            const int given = give_up(spool, ring, &rest, missed);
            free(words);
            spool_lock(spool);
            spool->stats.repeated_events -= given == -EAGAIN ? skip : 0; /* it comes again */
            spool_unlock(spool);
            return given;
        }
        return give_up(spool, ring, chunk, missed);
    }
    struct evtrail_chunk mine = *chunk;
    const int64_t r = skip ? spool_cut(spool, chunk, skip, 0, &mine, NULL) : 0;
    if (r < 0)
        return (int)r;
    mine.missed = missed;
    return put(spool, ring, &mine);
}

/* ---- the end of a source ---- */

bool spool_account_write(struct spool *spool, const struct evtrail_source *source, struct spool_ring *ring)
{
    struct evtrail_chunk chunk = {.source = (struct evtrail_source *)(uintptr_t)source, .ring = ring->ring};
    chunk.events_before = ring->end;
    chunk.first_ticks = chunk.last_ticks = chunk.state.reference_ticks = ring->ticks;
    memcpy(chunk.lost_before, ring->seen_lost, sizeof chunk.lost_before);
    if (room_for_account(spool) < 0)
        return false;
    put(spool, ring, &chunk);
    return spool->file;
}

/* What was dropped or lost of its rings and told with no chunk. False: there is no room for it. */
static bool rest_tell(struct spool *spool, const struct evtrail_source *source)
{
    bool all = true;
    for (size_t i = 0; all && i < spool->rings.room; i++) {
        struct spool_ring *const ring = &spool->rings.items[i];
        const bool lost = memcmp(ring->lost, ring->seen_lost, sizeof ring->lost) != 0;
        if (ring->used && ring->session == source->session_id && ring->known &&
            (ring->dropped || ring->missed || (ring->gone_ns == 0 && lost)))
            all = spool_account_write(spool, source, ring);
    }
    return all;
}

int spool_source_gone(struct spool *spool, const struct evtrail_source *source)
{
    if (!rest_tell(spool, source))
        return 0;
    if (spool->file) {
        evtrail_file_source_gone(spool->file, source);
        if (spool_flush(spool) < 0)
            return 0;
    }
    spool_lock(spool);
    for (size_t i = 0; i < spool->rings.room; i++)
        if (spool->rings.items[i].used && spool->rings.items[i].session == source->session_id)
            spool->rings.items[i].gone_ns = spool_monotonic();
    if (spool->rings.count > 4096)
        spool_rings_purge(spool);
    spool_unlock(spool);
    return 1;
}

/* ---- time passes ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void look_again(struct spool *spool, int64_t now)
{
    spool_lock(spool);
    const bool full = spool->stats.state == SPOOL_STATE_full &&
                      spool_bytes(spool) + spool->options.segment_bytes + EXTRA_BYTES <= spool->options.max_bytes;
    const bool disk = spool->stats.state > SPOOL_STATE_full;
    if (full)
        spool_state_set(spool, SPOOL_STATE_ok, 0);
    spool_unlock(spool);
    if (disk && now >= spool->retry_ns && spool->file && spool->small)
        spool_segment_end(spool);
    if (disk && now >= spool->retry_ns && !spool->file)
        segment_begin(spool, false);
}

int64_t spool_idle(struct spool *spool)
{
    const int64_t now = spool_monotonic();
    if (spool->file && spool->flush_due_ns && now >= spool->flush_due_ns)
        spool_flush(spool);
    const bool held = spool->file && spool->file_batches > 0;
    int64_t open_ns = SPOOL_SEGMENT_NS;
    if (spool->options.max_age_ns > 0)
        open_ns = least(open_ns, spool->options.max_age_ns / 4 + 1);
    if (held && now - spool->begun_ns >= open_ns)
        spool_segment_end(spool);
    if (spool->options.max_age_ns > 0 && now - spool->age_looked_ns >= least(AGE_LOOK_NS, open_ns)) {
        spool->age_looked_ns = now;
        spool_drop_aged(spool);
    }
    spool_part(spool);
    look_again(spool, now);
    if (spool->given_waits)
        spool_given_tell(spool);
    int64_t next = INT64_MAX;
    if (spool->file && spool->flush_due_ns)
        next = least(next, spool->flush_due_ns - now);
    if (spool->options.max_age_ns > 0)
        next = least(next, least(AGE_LOOK_NS, open_ns));
    if (spool->stats.state != SPOOL_STATE_ok)
        next = least(next, SPOOL_RETRY_NS);
    if (held)
        next = least(next, open_ns);
    return next < 0 ? 0 : next;
}
