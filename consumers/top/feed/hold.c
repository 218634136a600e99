/* SPDX-License-Identifier: ISC
 *
 * The hold: a rotated set whose parts are memfds.
 */
#include "hold.h"

#include <evtrail/file.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEGMENTS_WANTED 16 /* of full size */
#define SEGMENTS_MANY 48   /* more than that are joined where they are small */
#define PINS_MAX 64u
#define SEGMENT_BYTES_MIN (256u << 10)
#define WAITING_BYTES_MAX (4u << 20) /* of records that the writer gathers, not compressed yet */
#define FLUSH_NS INT64_C(100000000)

struct hold {
    struct evtrail_file *file;
    size_t budget_bytes, segment_bytes;
    void (*dropped)(void *context, const struct hold_segment *segment);
    void *context;
    struct hold_segment segments[HOLD_SEGMENTS]; /* oldest first; the last is being written */
    size_t count;
    uint32_t numbers;       /* given so far */
    uint64_t closed_bytes;  /* of all that the file has written before the last segment */
    uint64_t waiting_bytes; /* put since the last flush */
    uint64_t missing;
    uint64_t pins[PINS_MAX], last_pin; /* of those who read, in order */
    unsigned pins_count;
    struct emptied {
        int fd;
        uint64_t pin; /* the last one when it was dropped */
    } * emptied;      /* segments that somebody may still read */
    size_t emptied_count;
};

/* ---- segments ---- */

/* The number must not be another segment's while somebody reads by its path. */
static void let_go(struct hold *hold, int fd)
{
    struct emptied *emptied =
        hold->pins_count ? realloc(hold->emptied, (hold->emptied_count + 1) * sizeof *emptied) : NULL;
    if (emptied)
        hold->emptied = emptied;
    if (!emptied || ftruncate(fd, 0) < 0) {
        close(fd);
        return;
    }
    hold->emptied[hold->emptied_count++] = (struct emptied){fd, hold->last_pin};
}

/* Those that nobody who still reads can know: they were dropped before his pin. */
static void close_emptied(struct hold *hold)
{
    uint64_t oldest = UINT64_MAX;
    size_t kept = 0;
    for (unsigned i = 0; i < hold->pins_count; i++)
        oldest = hold->pins[i] < oldest ? hold->pins[i] : oldest;
    for (size_t i = 0; i < hold->emptied_count; i++)
        if (hold->emptied[i].pin < oldest)
            close(hold->emptied[i].fd);
        else
            hold->emptied[kept++] = hold->emptied[i];
    hold->emptied_count = kept;
}

uint64_t hold_pin(struct hold *hold)
{
    if (hold->pins_count == PINS_MAX)
        return 0;
    return hold->pins[hold->pins_count++] = ++hold->last_pin;
}

void hold_unpin(struct hold *hold, uint64_t pin)
{
    for (unsigned i = 0; i < hold->pins_count; i++)
        if (hold->pins[i] == pin) {
            hold->pins[i] = hold->pins[--hold->pins_count];
            break;
        }
    close_emptied(hold);
}

static void drop_oldest(struct hold *hold)
{
    if (hold->dropped)
        hold->dropped(hold->context, &hold->segments[0]);
    let_go(hold, hold->segments[0].fd);
    hold->count--;
    memmove(&hold->segments[0], &hold->segments[1], hold->count * sizeof *hold->segments);
}

static uint64_t bytes_of(const struct hold *hold)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < hold->count; i++)
        bytes += hold->segments[i].bytes;
    return bytes;
}

static void make_room(struct hold *hold)
{
    while (hold->count > 0 &&
           (hold->count == HOLD_SEGMENTS || bytes_of(hold) + hold->segment_bytes > hold->budget_bytes))
        drop_oldest(hold);
}

/* Where the set's next file is to be. */
static int place(void *context, uint32_t part, char *path, size_t size)
{
    struct hold *hold = context;
    make_room(hold);
    (void)part; /* of this file; there may have been another before it */
    struct hold_segment segment = {.number = ++hold->numbers, .from_ns = INT64_MAX, .to_ns = INT64_MIN};
    segment.fd = memfd_create("evtrail-top", MFD_CLOEXEC);
    if (segment.fd < 0)
        return -errno;
    snprintf(segment.path, sizeof segment.path, "/proc/self/fd/%d", segment.fd);
    snprintf(path, size, "%s", segment.path);
    hold->segments[hold->count++] = segment;
    return 0;
}

static int start(struct hold *hold)
{
    const struct evtrail_file_options options = {
        .bytes = sizeof options, .no_uring = true, .flush_ns = FLUSH_NS, .place = place, .place_context = hold};
    hold->closed_bytes = hold->waiting_bytes = 0;
    return evtrail_file_create(&hold->file, "held", &options);
}

int hold_new(struct hold **ret_hold, size_t memory_bytes,
             void (*dropped)(void *context, const struct hold_segment *segment), void *context)
{
    struct hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return -ENOMEM;
    hold->dropped = dropped;
    hold->context = context;
    hold->budget_bytes = memory_bytes;
    hold->segment_bytes = memory_bytes / SEGMENTS_WANTED;
    if (hold->segment_bytes < SEGMENT_BYTES_MIN)
        hold->segment_bytes = SEGMENT_BYTES_MIN;
    const int r = start(hold);
    if (r < 0) {
        hold->dropped = NULL;
        hold_free(hold);
        return r;
    }
    *ret_hold = hold;
    return 0;
}

void hold_free(struct hold *hold)
{
    if (!hold)
        return;
    evtrail_file_abandon(hold->file);
    for (size_t i = 0; i < hold->count; i++)
        close(hold->segments[i].fd);
    hold->pins_count = 0;
    close_emptied(hold);
    free(hold->emptied);
    free(hold);
}

/* ---- writing ---- */

/* Of the segment that is written. */
static struct hold_segment *newest(struct hold *hold)
{
    return &hold->segments[hold->count - 1];
}

static void measure(struct hold *hold)
{
    struct evtrail_file_stats stats;
    if (hold->count == 0)
        return;
    evtrail_file_stats(hold->file, &stats);
    newest(hold)->bytes = stats.file_bytes > hold->closed_bytes ? stats.file_bytes - hold->closed_bytes : 0;
}

/* A file that failed (memory, descriptors) is given up, with what it still gathers, and another begun. */
static void begin_again(struct hold *hold)
{
    struct evtrail_file_stats stats = {0};
    const size_t before = hold->count;
    evtrail_file_close(hold->file, &stats);
    hold->missing += stats.lost;
    hold->file = NULL;
    while (hold->count > before / 2)
        drop_oldest(hold);
    if (start(hold) < 0)
        hold->file = NULL;
}

static void next_segment(struct hold *hold)
{
    struct evtrail_file_stats stats;
    const uint32_t number = newest(hold)->number;
    const int r = evtrail_file_next_part(hold->file);
    if (r < 0) {
        begin_again(hold);
        return;
    }
    hold->waiting_bytes = 0;
    if (newest(hold)->number == number)
        return;
    evtrail_file_stats(hold->file, &stats);
    const uint64_t bytes = stats.file_bytes;
    if (hold->count > 1 && bytes > hold->closed_bytes)
        hold->segments[hold->count - 2].bytes = bytes - hold->closed_bytes;
    hold->closed_bytes = bytes;
}

void hold_put(struct hold *hold, const struct evtrail_chunk *chunk)
{
    if (!hold->file || evtrail_file_write_chunk(hold->file, chunk) < 0) {
        hold->missing += chunk->events;
        return;
    }
    struct hold_segment *segment = newest(hold);
    segment->events += chunk->events;
    if (chunk->events) {
        const int64_t from = evtrail_source_time(chunk->source, chunk->first_ticks);
        const int64_t to = evtrail_source_time(chunk->source, chunk->last_ticks);
        segment->from_ns = from < segment->from_ns ? from : segment->from_ns;
        segment->to_ns = to > segment->to_ns ? to : segment->to_ns;
    }
    hold->waiting_bytes += chunk->words_count * sizeof(uint64_t);
    if (hold->waiting_bytes > WAITING_BYTES_MAX)
        hold_flush(hold);
    measure(hold);
    if (segment->bytes > hold->segment_bytes)
        next_segment(hold);
}

void hold_source_gone(struct hold *hold, const struct evtrail_source *source)
{
    if (hold->file)
        evtrail_file_source_gone(hold->file, source);
}

uint32_t hold_cut(struct hold *hold)
{
    if (!hold->file)
        return UINT32_MAX;
    next_segment(hold);
    return hold->file ? newest(hold)->number : UINT32_MAX;
}

/* Segments [from, end) become one, in the place of the first. */
static bool join(struct hold *hold, size_t from, size_t end)
{
    const char *paths[HOLD_SEGMENTS];
    struct hold_segment joined = hold->segments[end - 1];
    const struct evtrail_file_copy_options options = {
        .bytes = sizeof options, .file = {.bytes = sizeof options.file, .force = true, .no_uring = true}};
    struct evtrail_file_stats stats;
    joined.fd = memfd_create("evtrail-top", MFD_CLOEXEC);
    if (joined.fd < 0)
        return false;
    snprintf(joined.path, sizeof joined.path, "/proc/self/fd/%d", joined.fd);
    for (size_t i = from; i < end; i++)
        paths[i - from] = hold->segments[i].path;
    if (evtrail_file_copy(paths, (uint32_t)(end - from), joined.path, &options, &stats, NULL) < 0) {
        close(joined.fd);
        return false;
    }
    joined.bytes = stats.file_bytes;
    for (size_t i = from; i < end; i++) {
        const struct hold_segment *one = &hold->segments[i];
        joined.events += i < end - 1 ? one->events : 0;
        joined.from_ns = one->from_ns < joined.from_ns ? one->from_ns : joined.from_ns;
        joined.to_ns = one->to_ns > joined.to_ns ? one->to_ns : joined.to_ns;
        close(one->fd);
    }
    hold->segments[from] = joined;
    memmove(&hold->segments[from + 1], &hold->segments[end], (hold->count - end) * sizeof joined);
    hold->count -= end - from - 1;
    return true;
}

/* From `from` on, but for the one that is written: as many as make one of full size. */
static size_t run_of_small(const struct hold *hold, size_t from)
{
    uint64_t bytes = 0;
    size_t end = from;
    while (end + 1 < hold->count && bytes + hold->segments[end].bytes <= hold->segment_bytes)
        bytes += hold->segments[end++].bytes;
    return end;
}

void hold_join(struct hold *hold)
{
    if (hold->pins_count > 0 || hold->count <= SEGMENTS_MANY || !hold->file)
        return;
    for (size_t from = 0; from + 1 < hold->count; from++) {
        const size_t end = run_of_small(hold, from);
        if (end > from + 1 && !join(hold, from, end))
            return;
    }
}

void hold_flush(struct hold *hold)
{
    hold->waiting_bytes = 0;
    if (hold->file && evtrail_file_flush(hold->file) < 0)
        begin_again(hold);
}

/* ---- what is there ---- */

size_t hold_segments(const struct hold *hold, const struct hold_segment **ret_segments)
{
    *ret_segments = hold->segments;
    return hold->count;
}

void hold_account(const struct hold *hold, struct hold_account *ret_account)
{
    struct hold_account account = {.from_ns = INT64_MAX, .to_ns = INT64_MIN, .missing = hold->missing};
    for (size_t i = 0; i < hold->count; i++) {
        const struct hold_segment *segment = &hold->segments[i];
        account.events += segment->events;
        account.bytes += segment->bytes;
        account.from_ns = segment->from_ns < account.from_ns ? segment->from_ns : account.from_ns;
        account.to_ns = segment->to_ns > account.to_ns ? segment->to_ns : account.to_ns;
    }
    *ret_account = account;
}
