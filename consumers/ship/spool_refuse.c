/* SPDX-License-Identifier: ISC
 *
 * Batches that a collector would not take: a copy of each, readable by itself, with the reason beside it.
 */
#include "ship/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REFUSED_FILES = 2000 };

/* ---- which ---- */

static size_t place_of(const struct spool *spool, uint64_t sequence)
{
    size_t low = 0, high = spool->refused_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (spool->refused[middle] < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool spool_is_refused(const struct spool *spool, uint64_t sequence)
{
    const size_t at = place_of(spool, sequence);
    return at < spool->refused_count && spool->refused[at] == sequence;
}

/* It is not acknowledged. */
static bool waits(const struct spool *spool, uint64_t sequence)
{
    const unsigned lane = spool_lane_of(spool, sequence);
    return lane < SPOOL_LANES_MAX && sequence > spool_acked_now(spool, lane);
}

/* Those that are acknowledged. */
static void forget(struct spool *spool)
{
    size_t kept = 0;
    for (size_t i = 0; i < spool->refused_count; i++)
        if (waits(spool, spool->refused[i]))
            spool->refused[kept++] = spool->refused[i];
    spool->refused_count = kept;
}

static void note(struct spool *spool, uint64_t sequence)
{
    if (spool->refused_count == SPOOL_REFUSED_MAX)
        forget(spool);
    const size_t at = place_of(spool, sequence);
    if (at < spool->refused_count && spool->refused[at] == sequence)
        return;
    if (spool->refused_count == SPOOL_REFUSED_MAX)
        return;
    if (spool->refused_count == spool->refused_room) {
        uint64_t *const grown = realloc(spool->refused, (spool->refused_room * 2 + 16) * sizeof *grown);
        if (!grown)
            return;
        spool->refused = grown;
        spool->refused_room = spool->refused_room * 2 + 16;
    }
    memmove(spool->refused + at + 1, spool->refused + at, (spool->refused_count++ - at) * sizeof *spool->refused);
    spool->refused[at] = sequence;
}

int spool_refused_load(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES], line[64];
    uint64_t sequence;
    spool_path(spool, "refused.list", path);
    FILE *const file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? 0 : -errno;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%" SCNu64, &sequence) == 1 && waits(spool, sequence))
            note(spool, sequence);
    fclose(file);
    if (spool->refused_count == 0)
        unlink(path);
    return 0;
}

/* ---- a copy ---- */

static bool of_source(const struct spool_item *item, uint32_t source)
{
    uint32_t number;
    if (item->tag != EVTRAIL_TAG_SOURCE && item->tag != EVTRAIL_TAG_SCHEMA && item->tag != EVTRAIL_TAG_CLOCK)
        return item->tag == EVTRAIL_TAG_SUPER;
    memcpy(&number, item->at + EVTRAIL_FRAME_PREFIX_BYTES, sizeof number);
    return number == source;
}

static int copy_to(struct spool_walk *walk, int fd, uint64_t wanted, uint32_t source)
{
    struct spool_item item;
    int r;
    walk->offset = 0;
    while ((r = spool_walk_step(walk, false, &item)) > SPOOL_STEP_end) {
        const bool batch = item.tag == EVTRAIL_TAG_BATCH;
        const bool found = batch && item.header.number == wanted;
        if ((found || (!batch && of_source(&item, source))) && write(fd, item.at, item.bytes) != (ssize_t)item.bytes)
            return -EIO;
        if (found)
            return 0;
    }
    return r < 0 ? r : -ENOENT;
}

/* The batch's header, from its segment. */
static int find(struct spool_walk *walk, uint64_t wanted, struct spool_item *item)
{
    int r;
    while ((r = spool_walk_step(walk, false, item)) > SPOOL_STEP_end)
        if (item->tag == EVTRAIL_TAG_BATCH && item->header.number == wanted)
            return 0;
    return r < 0 ? r : -ENOENT;
}

static int copy_make(struct spool *spool, uint64_t first, uint64_t sequence, const struct wire_refuse *refuse,
                     uint64_t *ret_events)
{
    char path[SPOOL_PATH_BYTES], folder[SPOOL_PATH_BYTES], text[700], name[64];
    struct spool_walk walk;
    struct spool_item item;
    spool_segment_path(spool, first, path);
    int r = spool_walk_open(&walk, path, true);
    if (r == 0)
        r = find(&walk, sequence - first, &item);
    if (r < 0) {
        spool_walk_close(&walk);
        return r;
    }
    *ret_events = item.header.chunk.events;
    spool_path(spool, "refused", folder);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        r = -errno;
    snprintf(name, sizeof name, "refused/%020" PRIu64 ".evt", sequence);
    spool_path(spool, name, path);
    const int fd = r < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        r = copy_to(&walk, fd, sequence - first, item.header.source);
        close(fd);
    }
    spool_walk_close(&walk);
    snprintf(name, sizeof name, "refused/%020" PRIu64 ".txt", sequence);
    spool_path(spool, name, path);
    const int n = snprintf(text, sizeof text, "refused by the collector: %s: %s\n", wire_refusal_name(refuse->code),
                           refuse->reason);
    if (fd >= 0)
        spool_write_file(path, text, (size_t)n);
    spool_folder_bound(folder, spool->options.refused_bytes, REFUSED_FILES);
    return fd < 0 ? -EIO : r;
}

static void list_append(struct spool *spool, uint64_t sequence)
{
    char path[SPOOL_PATH_BYTES], line[32];
    spool_path(spool, "refused.list", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    const int n = snprintf(line, sizeof line, "%" PRIu64 "\n", sequence);
    if (fd >= 0) {
        (void)!write(fd, line, (size_t)n); /* without it the batch is refused once more after a restart */
        close(fd);
    }
}

void spool_refused(struct spool *spool, uint64_t sequence, const struct wire_refuse *refuse)
{
    uint64_t first = 0, events = 0;
    spool_lock(spool);
    for (size_t i = 0; i < spool->segments_count && spool->segments[i].first <= sequence; i++)
        first = spool->segments[i].first;
    const bool again = spool_is_refused(spool, sequence);
    spool_unlock(spool);
    const int r = first && !again ? copy_make(spool, first, sequence, refuse, &events) : -ENOENT;
    if (again)
        return;
    spool_at(SPOOL_AT_refuse_written);
    list_append(spool, sequence);
    spool_at(SPOOL_AT_refuse_noted);
    spool_lock(spool);
    note(spool, sequence);
    spool->stats.refused_batches++;
    spool->stats.dropped[WIRE_GAP_refused][0] += events;
    spool_unlock(spool);
    spool_note(spool, "%s: batch %" PRIu64 " (%" PRIu64 " events) was refused: %s: %s; %s", spool->directory, sequence,
               events, wire_refusal_name(refuse->code), refuse->reason,
               r == 0 ? "it is kept in refused/, and the rest goes on" : "no copy could be kept, and the rest goes on");
}
