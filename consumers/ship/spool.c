/* SPDX-License-Identifier: ISC
 *
 * Opens, checks and closes the spool, and says how it is.
 */
#include "ship/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

void (*spool_test_point)(enum spool_point point);

/* ---- small things ---- */

int64_t spool_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t spool_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void spool_lock(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
}

void spool_unlock(struct spool *spool)
{
    pthread_mutex_unlock(&spool->lock);
}

void spool_note(struct spool *spool, const char *format, ...)
{
    char line[1500];
    va_list arguments;
    if (!spool->options.note)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    spool->options.note(spool->options.context, line);
}

const char *spool_state_name(enum spool_state state)
{
    static const char *const names[] = {
#define X(name, word) word,
        SPOOL_STATES(X)
#undef X
    };
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "?";
}

const char *spool_advice(enum spool_state state)
{
    switch (state) {
    case SPOOL_STATE_full:
        return "the collector takes less than comes: see its state and the connection's, or raise --spool-size";
    case SPOOL_STATE_disk_full:
        return "free space where the spool is, or lower --spool-size; it goes on by itself";
    case SPOOL_STATE_read_only:
        return "remount the spool's file system writable, or check the directory's permissions; it goes on by itself";
    case SPOOL_STATE_failing:
        return "the spool's disk fails: look at the kernel's log; it is tried again";
    case SPOOL_STATE_ok:
        break;
    }
    return "";
}

void spool_state_set(struct spool *spool, enum spool_state state, int error)
{
    spool->stats.state = state;
    spool->stats.error = error;
    if (state == spool->said)
        return;
    if (state == SPOOL_STATE_ok)
        spool_note(spool, "%s: the spool takes events again", spool->directory);
    else
        spool_note(spool, "%s: the spool is %s%s%s; %s", spool->directory, spool_state_name(state), error ? ": " : "",
                   error ? strerror(-error) : "", spool_advice(state));
    spool->said = state;
}

void spool_disk_error(struct spool *spool, int error)
{
    const bool full = error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
    const bool fixed = error == -EROFS || error == -EACCES || error == -EPERM;
    spool_state_set(spool, full ? SPOOL_STATE_disk_full : fixed ? SPOOL_STATE_read_only : SPOOL_STATE_failing, error);
}

uint64_t spool_bytes(const struct spool *spool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < spool->segments_count; i++)
        bytes += spool->segments[i].bytes;
    return bytes;
}

/* ---- open ---- */

int spool_options_take(struct spool *spool, const struct spool_options *options, char **ret_error)
{
    struct spool_options *const own = &spool->options;
    *own = *options;
    if (own->max_bytes == 0)
        own->max_bytes = UINT64_C(1) << 30;
    if (own->max_bytes < UINT64_C(4) << 20)
        return spool_complain(ret_error, -EINVAL, spool->directory,
                              "a spool of %llu bytes is less than its segments need; --spool-size is at least 4M",
                              (unsigned long long)own->max_bytes);
    if (own->segment_bytes == 0) {
        own->segment_bytes = own->max_bytes / 64;
        own->segment_bytes = own->segment_bytes > (16 << 20) ? 16 << 20 : own->segment_bytes;
    }
    if (own->segment_bytes < 64 << 10)
        own->segment_bytes = 64 << 10;
    if (own->segment_bytes > own->max_bytes / 4)
        own->segment_bytes = own->max_bytes / 4;
    if (own->part_bytes == 0)
        own->part_bytes = UINT64_C(32) << 20;
    if (own->refused_bytes == 0)
        own->refused_bytes = UINT64_C(16) << 20;
    if (own->flush_ns <= 0)
        own->flush_ns = 10000000;
    snprintf(spool->name, sizeof spool->name, "%s", own->name ? own->name : "");
    own->name = spool->name;
    return 0;
}

void spool_reconfigure(struct spool *spool, const struct spool_options *options)
{
    struct spool_options own = spool->options;
    own.max_bytes = options->max_bytes ? options->max_bytes : UINT64_C(1) << 30;
    own.max_bytes = own.max_bytes < UINT64_C(4) << 20 ? UINT64_C(4) << 20 : own.max_bytes;
    own.segment_bytes = own.segment_bytes > own.max_bytes / 4 ? own.max_bytes / 4 : own.segment_bytes;
    own.max_age_ns = options->max_age_ns;
    own.several = options->several;
    own.flush_ns = options->flush_ns > 0 ? options->flush_ns : 10000000;
    memcpy(own.policies, options->policies, sizeof own.policies);
    spool_lock(spool);
    spool->options = own;
    spool_unlock(spool);
}

/* Which other sender, for the message: the lock file has its pid. */
static int lock_take(struct spool *spool, char **ret_error)
{
    char path[SPOOL_PATH_BYTES], text[32] = "";
    spool_path(spool, "lock", path);
    spool->lock_fd = regular_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
    if (spool->lock_fd < 0)
        return spool_complain(ret_error, spool->lock_fd, path, "%s; %s", strerror(-spool->lock_fd),
                              spool->lock_fd == -EROFS
                                  ? "remount it writable, or name another place with --spool"
                                  : "the spool must be writable for this user, or name another with --spool");
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        const int error = errno;
        if (error != EWOULDBLOCK)
            return spool_complain(
                ret_error, -error, path,
                "cannot be locked: %s; name a directory with --spool on a file system that knows locks",
                strerror(error));
        const ssize_t n = pread(spool->lock_fd, text, sizeof text - 1, 0);
        text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
        return spool_complain(
            ret_error, -EBUSY, spool->directory,
            "another evtrail send uses this spool (pid %s); name another directory with --spool, or end that one",
            *text ? text : "unknown");
    }
    const int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(spool->lock_fd, 0) == 0)
        (void)!pwrite(spool->lock_fd, text, (size_t)n, 0); /* only for people */
    return 0;
}

static void parents_make(const char *directory)
{
    char path[SPOOL_PATH_BYTES];
    snprintf(path, sizeof path, "%s", directory);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static int directory_make(const char *directory, bool parents, char **ret_error)
{
    struct stat status;
    if (parents)
        parents_make(directory);
    if (mkdir(directory, 0700) < 0 && errno != EEXIST && stat(directory, &status) < 0)
        return spool_complain(ret_error, -errno, directory, "cannot be made: %s; %s", strerror(errno),
                              errno == ENOENT ? "make the directory above it first, or name another with --spool"
                                              : "name another with --spool");
    return spool_directory_check(directory, ret_error);
}

/* The next sequence: behind all that can have been used. */
static uint64_t next_sequence(const struct spool *spool, bool state_found, bool stream_new)
{
    char boot_id[40];
    const struct spool_segment *const last = spool->segments_count ? &spool->segments[spool->segments_count - 1] : NULL;
    uint64_t next = last ? last->next : 1;
    if (!state_found) /* the counters are gone; nothing was ever used so far ahead */
        return stream_new && !last ? 1 : next + SPOOL_RESERVE_SEQUENCES;
    const uint64_t sent = atomic_load(&spool->state->sent);
    next = sent + 1 > next ? sent + 1 : next;
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        const uint64_t acked = spool->lanes[lane].used ? spool_acked_now(spool, lane) : 0;
        next = acked + 1 > next ? acked + 1 : next;
    }
    spool_boot_id(boot_id);
    const uint64_t reserved = atomic_load(&spool->state->reserved);
    if (memcmp(boot_id, spool->state->boot_id, sizeof boot_id) != 0 && reserved > next)
        next = reserved; /* the machine went down: what was written last may be gone, and a collector have it */
    return next;
}

/* The counters are gone: what is there was not acknowledged; what is not was. */
static void acked_guess(struct spool *spool)
{
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        const struct spool_lane *const at = &spool->lanes[lane];
        uint64_t first = at->to < spool->next ? at->to : spool->next;
        for (size_t i = spool->segments_count; i-- > 0;)
            if (spool->segments[i].first >= at->from && spool->segments[i].first < at->to)
                first = spool->segments[i].first;
        if (at->used)
            spool_acked_set(spool, lane, first - 1);
    }
}

static int open_files(struct spool *spool, char **ret_error)
{
    bool stream_new, state_found;
    int r = spool_files_check(spool->directory, ret_error);
    if (r == 0)
        r = lock_take(spool, ret_error);
    if (r < 0)
        return r;
    r = spool_stream_load(spool, &stream_new);
    if (r == 0)
        r = spool_state_load(spool, &state_found);
    if (r == 0)
        r = spool_rings_load(spool);
    if (r == 0)
        r = spool_repair(spool);
    if (r == 0)
        r = spool_given_open(spool);
    if (r == 0)
        r = spool_given_load(spool);
    if (r == 0)
        r = spool_refused_load(spool);
    if (r < 0)
        return spool_complain(ret_error, r, spool->directory, "the spool cannot be opened: %s; %s", strerror(-r),
                              r == -ENOSPC ? "free some space"
                              : r == -EROFS
                                  ? "remount it writable, or name another with --spool"
                                  : "look at the directory's files and the kernel's log, or name another with --spool");
    spool->next = next_sequence(spool, state_found, stream_new);
    if (!state_found)
        acked_guess(spool);
    if (!state_found)
        atomic_store(&spool->state->sent, 0);
    spool->state->magic = SPOOL_STATE_MAGIC;
    r = spool_reserve(spool, spool->next + SPOOL_BATCHES_MAX);
    spool_boot_id(spool->state->boot_id);
    spool_lanes_end(spool);
    return r < 0 ? spool_complain(ret_error, r, spool->directory,
                                  "the spool's file `state` cannot be written: %s; free space there, look at the "
                                  "kernel's log, or name another with --spool",
                                  strerror(-r))
                 : 0;
}

static void free_all(struct spool *spool)
{
    if (spool->state)
        munmap(spool->state, sizeof *spool->state);
    if (spool->state_fd >= 0)
        close(spool->state_fd);
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        struct spool_cursor *const cursor = &spool->lanes[lane].cursor;
        spool_cursor_reset(spool, lane);
        free(cursor->frames.bytes);
        free(cursor->accounts.bytes);
        free(cursor->given.bytes);
        spool_rings_free(&cursor->met);
        free(cursor->sources);
    }
    spool_rings_free(&spool->rings);
    spool_given_close(spool);
    free(spool->segments);
    free(spool->refused);
    free(spool->words);
    if (spool->lock_fd >= 0)
        close(spool->lock_fd);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}

int spool_open(struct spool **ret_spool, const char *directory, const struct spool_options *options, char **ret_error)
{
    if (ret_error)
        *ret_error = NULL;
    struct spool *const spool = calloc(1, sizeof *spool);
    if (!spool)
        return -ENOMEM;
    spool->lock_fd = spool->state_fd = spool->given_fd = -1;
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++)
        spool->lanes[lane].cursor.walk.fd = -1;
    pthread_mutex_init(&spool->lock, NULL);
    int r = (size_t)snprintf(spool->directory, sizeof spool->directory, "%s", directory) < sizeof spool->directory
                ? spool_options_take(spool, options, ret_error)
                : -ENAMETOOLONG;
    if (r == 0)
        r = directory_make(directory, options->parents, ret_error);
    if (r == 0)
        r = open_files(spool, ret_error);
    if (r < 0) {
        free_all(spool);
        return r;
    }
    spool_given_tell(spool);
    spool->ready = true;
    *ret_spool = spool;
    return 0;
}

/* ---- close ---- */

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    spool_given_tell(spool);
    spool_segment_end(spool);
    spool_at(SPOOL_AT_closing);
    spool_lock(spool);
    spool_segments_delete(spool);
    spool_rings_save(spool);
    spool_unlock(spool);
    free_all(spool);
}

void spool_abandon(struct spool *spool)
{
    if (!spool)
        return;
    evtrail_file_abandon(spool->file);
    free_all(spool);
}

/* ---- figures ---- */

static void unacked(const struct spool *spool, struct spool_stats *stats)
{
    for (size_t i = 0; i < spool->segments_count; i++) {
        const struct spool_segment *const segment = &spool->segments[i];
        const unsigned lane = spool_lane_of(spool, segment->first);
        const uint64_t acked = lane < SPOOL_LANES_MAX ? spool_acked_now(spool, lane) : UINT64_MAX - 1;
        const uint64_t next = segment->open ? spool->next : segment->next;
        if (next <= acked + 1 || segment->batches == 0)
            continue;
        const uint64_t left = segment->first > acked ? segment->batches : next - acked - 1;
        const uint64_t part = left < segment->batches ? left : segment->batches;
        const uint64_t bytes = segment->open ? spool->file_bytes : segment->bytes;
        stats->unacked_batches += part;
        stats->unacked_events += (uint64_t)((double)segment->events * (double)part / (double)segment->batches);
        stats->unacked_bytes += (uint64_t)((double)bytes * (double)part / (double)segment->batches);
        if (stats->oldest_ns == 0)
            stats->oldest_ns = segment->opened_ns;
    }
}

void spool_stats(struct spool *spool, struct spool_stats *ret_stats)
{
    struct statvfs disk;
    const bool known = statvfs(spool->directory, &disk) == 0;
    spool_lock(spool);
    *ret_stats = spool->stats;
    memcpy(ret_stats->id, spool->lanes[spool->live].id, sizeof ret_stats->id);
    ret_stats->first = spool->next;
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        const uint64_t acked = spool_acked_now(spool, lane);
        ret_stats->lanes += spool->lanes[lane].used;
        if (spool->lanes[lane].used && acked + 1 < ret_stats->first)
            ret_stats->first = acked + 1;
    }
    ret_stats->next = spool->next;
    ret_stats->sent = atomic_load(&spool->state->sent);
    ret_stats->segments = spool->segments_count;
    ret_stats->bytes = spool_bytes(spool);
    ret_stats->max_bytes = spool->options.max_bytes;
    ret_stats->disk_free_bytes = known ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
    unacked(spool, ret_stats);
    const int64_t watch = atomic_load_explicit(&spool->watch_ns, memory_order_relaxed);
    ret_stats->hold_ns = watch > 0 && watch < spool->options.flush_ns ? watch : spool->options.flush_ns;
    spool_unlock(spool);
}
