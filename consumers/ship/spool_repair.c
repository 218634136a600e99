/* SPDX-License-Identifier: ISC
 *
 * What a crash left is put right when the spool is opened: torn tails are cut, drops that were begun are ended, what is no segment is set aside.
 */
#include "ship/spool_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the list ---- */

struct spool_segment *spool_segment_add(struct spool *spool, uint64_t first)
{
    if (spool->segments_count == spool->segments_room) {
        const size_t room = spool->segments_room * 2 + 64;
        struct spool_segment *const grown = realloc(spool->segments, room * sizeof *grown);
        if (!grown)
            return NULL;
        spool->segments = grown;
        spool->segments_room = room;
    }
    size_t at = spool->segments_count++;
    for (; at > 0 && spool->segments[at - 1].first > first; at--)
        spool->segments[at] = spool->segments[at - 1];
    spool->segments[at] = (struct spool_segment){.first = first, .next = first};
    return &spool->segments[at];
}

/* ---- one segment ---- */

struct scan {
    struct spool *spool;
    struct spool_segment *segment;
    uint64_t *sessions; /* by source number */
    uint32_t sessions_count;
    uint64_t end; /* behind the last whole unit */
    bool records; /* a batch has records */
    uint8_t why;
};

static void source_take(struct scan *scan, const struct spool_item *item)
{
    struct evtrail_source_frame source;
    if (evtrail_frame_parse_source(item->at, item->bytes, &source))
        return;
    if (source.number >= scan->sessions_count) {
        const uint32_t count = source.number + 64;
        uint64_t *const grown = realloc(scan->sessions, count * sizeof *grown);
        if (!grown)
            return;
        memset(grown + scan->sessions_count, 0, (count - scan->sessions_count) * sizeof *grown);
        scan->sessions = grown;
        scan->sessions_count = count;
    }
    scan->sessions[source.number] = source.session_id;
}

static void batch_take(struct scan *scan, const struct spool_item *item)
{
    const struct evtrail_batch_header *const header = &item->header;
    const struct evtrail_chunk *const chunk = &header->chunk;
    struct spool_segment *const segment = scan->segment;
    if (header->number >= SPOOL_BATCHES_MAX)
        return;
    segment->batches++;
    segment->events += chunk->events;
    if (segment->first + header->number >= segment->next)
        segment->next = segment->first + header->number + 1;
    scan->records |= header->codec != EVTRAIL_CODEC_NONE;
    scan->end = item->offset + item->bytes;
    if (header->source >= scan->sessions_count)
        return;
    struct spool_ring *const ring = spool_rings_find(&scan->spool->rings, scan->sessions[header->source], chunk->ring);
    const uint64_t end = chunk->events_before + chunk->events;
    if (!ring || (ring->known && end < ring->end))
        return;
    ring->known = true;
    ring->end = ring->safe_end = end;
    ring->ticks = ring->safe_ticks = chunk->last_ticks;
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        if (chunk->lost_before[cause] > ring->lost[cause])
            ring->lost[cause] = ring->safe_lost[cause] = ring->seen_lost[cause] = chunk->lost_before[cause];
}

static void frame_take(struct scan *scan, const struct spool_item *item)
{
    struct evtrail_account_frame account;
    scan->end = item->offset + item->bytes;
    if (item->tag == EVTRAIL_TAG_SOURCE)
        source_take(scan, item);
    else if (item->tag == EVTRAIL_TAG_ACCOUNT && !evtrail_frame_parse_account(item->at, item->bytes, &account) &&
             account.flags & EVTRAIL_ACCOUNT_SPOOL)
        scan->why = (uint8_t)(account.flags >> EVTRAIL_ACCOUNT_WHY_SHIFT);
}

/* Cuts what is behind the last whole unit: nobody was given any of it. */
static void cut_tail(struct scan *scan, const char *path, const char *name)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return;
    scan->segment->bytes = (uint64_t)status.st_size;
    scan->segment->written_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    scan->segment->opened_ns = scan->segment->written_ns;
    if ((uint64_t)status.st_size <= scan->end || truncate(path, (off_t)scan->end) < 0)
        return;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
    utimensat(AT_FDCWD, path, times, 0);
    const uint64_t bytes = (uint64_t)status.st_size - scan->end;
    scan->segment->bytes = scan->end;
    scan->spool->stats.repaired_bytes += bytes;
    spool_note(scan->spool, "%s/%s: a torn end of %llu bytes was cut; its events are read again, or counted as lost",
               scan->spool->directory, name, (unsigned long long)bytes);
}

/* 1: a segment; 0: nothing is in it; -EBADMSG: it is none. */
static int scan_file(struct scan *scan, const char *path, bool newest)
{
    struct spool_walk walk;
    struct spool_item item;
    int r = spool_walk_open(&walk, path, newest), frames = 0;
    if (r < 0)
        return r;
    for (bool ended = false; r >= 0 && !ended;) {
        r = spool_walk_step(&walk, false, &item);
        frames += r == SPOOL_STEP_frame || r == SPOOL_STEP_batch || r == SPOOL_STEP_broken;
        if (r == SPOOL_STEP_frame)
            frame_take(scan, &item);
        else if (r == SPOOL_STEP_batch)
            batch_take(scan, &item);
        else if (r == SPOOL_STEP_broken && scan->segment->first + item.header.number >= scan->segment->next &&
                 item.header.number < SPOOL_BATCHES_MAX)
            scan->segment->next = scan->segment->first + item.header.number + 1; /* its number was used */
        ended = r == SPOOL_STEP_end;
    }
    const bool closed = r == SPOOL_STEP_end && item.tag == EVTRAIL_TAG_END;
    struct stat status;
    const bool empty = fstat(walk.fd, &status) == 0 && status.st_size == 0;
    if (closed)
        scan->end = UINT64_MAX;
    spool_walk_close(&walk);
    return r < 0 ? r : frames == 0 && !empty ? -EBADMSG : scan->segment->batches > 0;
}

static int take_segment(struct spool *spool, const char *name, uint64_t first, bool newest)
{
    char path[SPOOL_PATH_BYTES];
    struct spool_segment segment = {.first = first, .next = first};
    struct scan scan = {.spool = spool, .segment = &segment};
    spool_path(spool, name, path);
    int r = scan_file(&scan, path, newest);
    free(scan.sessions);
    const struct spool_segment *const last = spool->segments_count ? &spool->segments[spool->segments_count - 1] : NULL;
    if (r == 1 && last && last->next > first)
        r = -EEXIST;
    if (r < 0 && r != -EBADMSG && r != -EEXIST)
        return r;
    if (r < 0) {
        spool_set_aside(spool, name, r == -EEXIST ? "repeats what other segments have" : "is no trace file");
        return 0;
    }
    if (r == 0) {
        unlink(path);
        return 0;
    }
    cut_tail(&scan, path, name);
    spool_at(SPOOL_AT_open_repair);
    segment.why = scan.records ? 0 : scan.why;
    struct spool_segment *const added = spool_segment_add(spool, first);
    if (!added)
        return -ENOMEM;
    *added = segment;
    return 0;
}

/* ---- the directory ---- */

struct names {
    char (*items)[256];
    size_t count, room;
};

static int by_first(const void *left, const void *right)
{
    uint64_t a = 0, b = 0;
    spool_segment_name(left, &a);
    spool_segment_name(right, &b);
    return a < b ? -1 : a > b;
}

static int names_add(struct names *names, const char *name)
{
    if (names->count == names->room) {
        void *const grown = realloc(names->items, (names->room * 2 + 64) * sizeof *names->items);
        if (!grown)
            return -ENOMEM;
        names->items = grown;
        names->room = names->room * 2 + 64;
    }
    snprintf(names->items[names->count++], sizeof *names->items, "%s", name);
    return 0;
}

/* Temporary files go; drops that were committed are ended. */
static int tidy(struct spool *spool)
{
    DIR *const directory = opendir(spool->directory);
    int r = 0;
    if (!directory)
        return -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));) {
        const size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".tmp") == 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
        else if (strncmp(entry->d_name, "drop-", 5) == 0)
            r = spool_drop_finish(spool, entry->d_name);
    }
    closedir(directory);
    return r;
}

static int list(struct spool *spool, struct names *names)
{
    DIR *const directory = opendir(spool->directory);
    int r = 0;
    uint64_t first;
    if (!directory)
        return -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));)
        if (spool_segment_name(entry->d_name, &first))
            r = names_add(names, entry->d_name);
    closedir(directory);
    if (r == 0 && names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, by_first);
    return r;
}

int spool_repair(struct spool *spool)
{
    struct names names = {0};
    int r = tidy(spool);
    if (r == 0)
        r = list(spool, &names);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        uint64_t first = 0;
        spool_segment_name(names.items[i], &first);
        r = take_segment(spool, names.items[i], first, i + 1 == names.count);
    }
    free(names.items);
    return r;
}
