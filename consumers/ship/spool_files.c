/* SPDX-License-Identifier: ISC
 *
 * The spool's small files: names, the stream's identity, the counters, what is set aside.
 */
#include "ship/spool_private.h"

#include "file/crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_MAX UINT64_C(1000000000)

/* ---- names ---- */

void spool_path(const struct spool *spool, const char *name, char path[SPOOL_PATH_BYTES])
{
    snprintf(path, SPOOL_PATH_BYTES, "%s/%s", spool->directory, name);
}

void spool_segment_path(const struct spool *spool, uint64_t first, char path[SPOOL_PATH_BYTES])
{
    snprintf(path, SPOOL_PATH_BYTES, "%s/spool-%06llu.%09llu.evt", spool->directory,
             (unsigned long long)((first - 1) / PART_MAX), (unsigned long long)((first - 1) % PART_MAX + 1));
}

bool spool_segment_name(const char *name, uint64_t *ret_first)
{
    unsigned long long high, low;
    int end = 0;
    if (sscanf(name, "spool-%llu.%llu.evt%n", &high, &low, &end) != 2 || end == 0 || name[end] || low == 0 ||
        low > PART_MAX || high > UINT64_MAX / PART_MAX / 2)
        return false;
    *ret_first = high * PART_MAX + low;
    return true;
}

/* ---- whole files ---- */

int spool_write_file(const char *path, const void *bytes, size_t count)
{
    char temporary[SPOOL_PATH_BYTES + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    unlink(temporary);
    const int fd = regular_open(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fd;
    int r = 0;
    for (size_t done = 0; r == 0 && done < count;) {
        const ssize_t n = write(fd, (const char *)bytes + done, count - done);
        if (n < 0 && errno != EINTR)
            r = -errno;
        else if (n > 0)
            done += (size_t)n;
    }
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(temporary);
    return r;
}

/* ---- the streams ---- */

enum { STREAM_TEXT = 2000 };

int spool_stream_save(struct spool *spool)
{
    char path[SPOOL_PATH_BYTES], text[STREAM_TEXT], id[2 * SPOOL_ID_BYTES + 1];
    int n = snprintf(text, sizeof text, "evtrail spool 1\n");
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        const struct spool_lane *const at = &spool->lanes[lane];
        for (unsigned i = 0; i < SPOOL_ID_BYTES; i++)
            snprintf(id + 2 * i, 3, "%02x", at->id[i]);
        if (at->used)
            n += snprintf(text + n, sizeof text - (size_t)n, "stream %u %s from %llu to %llu created %lld\n", lane, id,
                          (unsigned long long)at->from, (unsigned long long)at->to, (long long)at->created_ns);
    }
    n += snprintf(text + n, sizeof text - (size_t)n, "check %08x\n", evtrail_crc32c(0, text, (size_t)n));
    spool_path(spool, "stream", path);
    const int r = spool_write_file(path, text, (size_t)n); /* from here on it is so, whatever becomes of the copy */
    spool_path(spool, "stream.copy", path);
    if (r == 0)
        spool_write_file(path, text, (size_t)n);
    return r;
}

static int line_take(struct spool *spool, const char *line)
{
    char id[2 * SPOOL_ID_BYTES + 1];
    unsigned lane;
    unsigned long long from, to;
    long long created;
    if (sscanf(line, "stream %u %32[0-9a-f] from %llu to %llu created %lld", &lane, id, &from, &to, &created) != 5 ||
        lane >= SPOOL_LANES_MAX || strlen(id) != 2 * SPOOL_ID_BYTES || from == 0)
        return -EBADMSG;
    struct spool_lane *const at = &spool->lanes[lane];
    at->used = true;
    at->from = from;
    at->to = to;
    at->created_ns = created;
    if (to == UINT64_MAX)
        spool->live = lane;
    for (unsigned i = 0; i < SPOOL_ID_BYTES; i++)
        sscanf(id + 2 * i, "%2hhx", &at->id[i]);
    return 0;
}

static int stream_read(struct spool *spool, const char *name)
{
    char path[SPOOL_PATH_BYTES], text[STREAM_TEXT] = "";
    unsigned check;
    spool_path(spool, name, path);
    const int fd = regular_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *const last = n > 0 ? strstr(text, "check ") : NULL;
    if (!last || strncmp(text, "evtrail spool 1\n", 16) != 0 || sscanf(last, "check %8x", &check) != 1 ||
        check != evtrail_crc32c(0, text, (size_t)(last - text)))
        return -EBADMSG;
    int r = -EBADMSG;
    for (const char *line = text + 16; line < last; line = strchr(line, '\n') + 1)
        if ((r = line_take(spool, line)) < 0)
            return r;
    return r;
}

int spool_stream_begin(struct spool *spool, unsigned lane, uint64_t from)
{
    struct spool_lane *const at = &spool->lanes[lane];
    if (getrandom(at->id, sizeof at->id, 0) != sizeof at->id)
        return -EIO;
    at->from = from;
    at->created_ns = spool_realtime();
    if (at->used)
        return 0; /* another id for what is left of it */
    if (spool->lanes[spool->live].used)
        spool->lanes[spool->live].to = from;
    at->used = true;
    at->to = UINT64_MAX;
    spool->live = lane;
    return 0;
}

int spool_stream_load(struct spool *spool, bool *ret_new)
{
    *ret_new = false;
    int r = stream_read(spool, "stream");
    if (r < 0) {
        if (r == -EBADMSG)
            spool_set_aside(spool, "stream", "is damaged; its copy is used");
        r = stream_read(spool, "stream.copy");
        if (r == 0)
            r = spool_stream_save(spool);
        else if (r == -EBADMSG)
            spool_set_aside(spool, "stream.copy",
                            "is damaged, too: what is spooled goes on as another stream; what a collector has of it "
                            "already may come twice");
    }
    if (r == 0 && !spool->lanes[spool->live].used)
        r = -EBADMSG;
    if (r == 0)
        return 0;
    if (r != -ENOENT && r != -EBADMSG)
        return r;
    *ret_new = true;
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++)
        spool->lanes[lane].used = false;
    spool->live = 0;
    r = spool_stream_begin(spool, 0, 1);
    if (r == 0)
        r = spool_stream_save(spool);
    spool_at(SPOOL_AT_open_stream);
    return r;
}

uint64_t spool_file_id(const struct spool *spool)
{
    uint64_t id;
    memcpy(&id, spool->lanes[spool->live].id, sizeof id);
    return id;
}

unsigned spool_lane_of(const struct spool *spool, uint64_t sequence)
{
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++)
        if (spool->lanes[lane].used && sequence >= spool->lanes[lane].from && sequence < spool->lanes[lane].to)
            return lane;
    return SPOOL_LANES_MAX;
}

/* ---- the counters ---- */

int spool_state_load(struct spool *spool, bool *ret_found)
{
    char path[SPOOL_PATH_BYTES];
    struct stat status;
    spool_path(spool, "state", path);
    *ret_found = false;
    const int fd = regular_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return fd;
    spool->state_fd = fd;
    if (fstat(fd, &status) < 0)
        return -errno;
    *ret_found = status.st_size >= (off_t)sizeof *spool->state;
    if (!*ret_found) {
        const struct spool_state_file zero = {0};
        const ssize_t n = pwrite(spool->state_fd, &zero, sizeof zero, 0);
        if (n != (ssize_t)sizeof zero)
            return n < 0 ? -errno : -ENOSPC;
    }
    void *const map = mmap(NULL, sizeof *spool->state, PROT_READ | PROT_WRITE, MAP_SHARED, spool->state_fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    spool->state = map;
    if (*ret_found && spool->state->magic != SPOOL_STATE_MAGIC)
        *ret_found = false;
    return 0;
}

uint64_t spool_acked_now(const struct spool *spool, unsigned lane)
{
    const uint64_t one = atomic_load_explicit(&spool->state->acked[lane], memory_order_relaxed);
    const uint64_t other = ~atomic_load_explicit(&spool->state->acked_not[lane], memory_order_relaxed);
    const uint64_t from = spool->lanes[lane].from, to = spool->lanes[lane].to;
    const uint64_t acked =
        one < other ? one : other; /* what is acknowledged and not known to be is sent again, and not stored again */
    return acked < from - 1 ? from - 1 : acked >= to ? to - 1 : acked;
}

void spool_acked_set(struct spool *spool, unsigned lane, uint64_t sequence)
{
    atomic_store_explicit(&spool->state->acked_not[lane], ~sequence, memory_order_relaxed);
    atomic_store_explicit(&spool->state->acked[lane], sequence, memory_order_relaxed);
}

int spool_reserve(struct spool *spool, uint64_t sequence)
{
    if (sequence <= atomic_load_explicit(&spool->state->reserved, memory_order_relaxed))
        return 0;
    atomic_store_explicit(&spool->state->reserved, sequence + SPOOL_RESERVE_SEQUENCES, memory_order_relaxed);
    /* The only thing here that must outlive a crash of the machine: that no number is used twice. */
    if (msync(spool->state, sizeof *spool->state, MS_SYNC) < 0 || fdatasync(spool->state_fd) < 0)
        return -errno;
    return 0;
}

/* ---- what is set aside ---- */

struct member {
    char name[256];
    uint64_t bytes;
    struct timespec written;
};

static int by_age(const void *left, const void *right)
{
    const struct timespec *const a = &((const struct member *)left)->written, *const b = &((const struct member *)right)
                                                                                              ->written;
    return a->tv_sec != b->tv_sec    ? (a->tv_sec < b->tv_sec ? -1 : 1)
           : a->tv_nsec < b->tv_nsec ? -1
                                     : a->tv_nsec > b->tv_nsec;
}

static size_t folder_read(DIR *directory, struct member **ret_members)
{
    struct member *members = NULL;
    size_t count = 0, room = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
            continue;
        if (count == room) {
            struct member *const grown = realloc(members, (room * 2 + 64) * sizeof *grown);
            if (!grown)
                break;
            members = grown;
            room = room * 2 + 64;
        }
        snprintf(members[count].name, sizeof members[count].name, "%s", entry->d_name);
        members[count].bytes = (uint64_t)status.st_size;
        members[count++].written = status.st_mtim;
    }
    if (count > 1)
        qsort(members, count, sizeof *members, by_age);
    *ret_members = members;
    return count;
}

void spool_folder_bound(const char *path, uint64_t bytes, unsigned files)
{
    DIR *const directory = opendir(path);
    struct member *members = NULL;
    if (!directory)
        return;
    const size_t count = folder_read(directory, &members);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += members[i].bytes;
    for (size_t i = 0; i < count && (sum > bytes || count - i > files); i++) {
        unlinkat(dirfd(directory), members[i].name, 0);
        sum -= members[i].bytes;
    }
    free(members);
    closedir(directory);
}

int spool_set_aside(struct spool *spool, const char *name, const char *why)
{
    char from[SPOOL_PATH_BYTES], folder[SPOOL_PATH_BYTES], to[SPOOL_PATH_BYTES + 300];
    spool_path(spool, name, from);
    spool_path(spool, "aside", folder);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    snprintf(to, sizeof to, "%s/%s.%lld", folder, name, (long long)spool_realtime());
    if (rename(from, to) < 0)
        return -errno;
    spool->stats.aside_files++;
    spool_folder_bound(folder, SPOOL_ASIDE_BYTES, SPOOL_ASIDE_FILES);
    spool_note(spool, "%s: %s; it is in %s now, and may be deleted", from, why, folder);
    return 0;
}
