/* SPDX-License-Identifier: ISC
 *
 * At the start: what the tree says of each stream. Closed files say it at their end; files that no one closed are read, cut behind their
 * last whole batch, and closed. What is none of ours is set aside under another name.
 */
#include "ship/store_private.h"

#include "ship/regular.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 3, POSITIONS_MAX = 1 << 16 }; /* HOST/PROGRAM/START-PID below the root */

/* One that has more than what its stream's position says for sure; what of it counts is known once all are read. */
struct later {
    struct later *next;
    bool open; /* it was never closed, and is damaged */
    char path[];
};
struct found {
    char *path;
    uint64_t bytes;
    int64_t written_ns;
};
struct recovery {
    struct store *store;
    struct found *files;
    size_t files_count, files_room;
    struct later *later;
    struct store_record *record; /* of the marks that are being read */
    bool failed;                 /* no memory */
    char *error;                 /* owned: what of the tree could not be read */
};

/* ---- marks ------------------------------------------------------------------------------------------------------------ */

static void reach(struct store_record *record, uint64_t through, uint64_t owner)
{
    if (through > record->appended)
        record->appended = through;
    if (owner)
        atomic_store(&record->owner, owner);
}

/* Those that are beyond the position stay in memory until the rest is there. */
static void take_mark(void *context, const struct evtrail_mark_frame *mark)
{
    struct recovery *recovery = context;
    struct store_record *record = recovery->record;
    if (memcmp(mark->stream, record->id, sizeof(record->id)))
        return;
    reach(record, mark->through, mark->owner);
    if (mark->kind == EVTRAIL_MARK_GAP)
        reach(record, mark->sequence, 0);
    else if (mark->kind == EVTRAIL_MARK_BATCH && mark->sequence > record->appended)
        recovery->failed |= !store_record_ahead(record, mark->sequence);
}

/* Of a file that is no good otherwise: what was acknowledged stays so. */
static void take_through(void *context, const struct evtrail_mark_frame *mark)
{
    const struct recovery *recovery = context;
    if (!memcmp(mark->stream, recovery->record->id, sizeof(mark->stream)))
        reach(recovery->record, mark->through, mark->owner);
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static void set_aside(struct recovery *recovery, const char *path, const char *why)
{
    struct store *store = recovery->store;
    char aside[STORE_PATH_BYTES + 320];
    for (unsigned number = 1; number < 1000; number++) {
        snprintf(aside, sizeof(aside), "%s.garbage-%u", path, number);
        if (renameat2(store->root_fd, path, store->root_fd, aside, RENAME_NOREPLACE) == 0) {
            store->figures.set_aside++;
            store_notice(store, STORE_EVENT_garbage, aside, 0, 0,
                         "%s: set aside under this name; look at it, then delete it", why);
            return;
        }
        if (errno != EEXIST)
            break;
    }
    store_notice(store, STORE_EVENT_garbage, path, 0, -errno, "%s, and cannot be renamed: delete it by hand", why);
}

static int keep_found(struct recovery *recovery, const char *path, const struct stat *status)
{
    if (recovery->files_count == recovery->files_room) {
        const size_t room = recovery->files_room ? recovery->files_room * 2 : 256;
        struct found *grown = realloc(recovery->files, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        recovery->files = grown;
        recovery->files_room = room;
    }
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    recovery->files[recovery->files_count++] = (struct found){
        copy, (uint64_t)status->st_size, (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec};
    return 0;
}

static int look_later(struct recovery *recovery, const char *path, bool open)
{
    struct later *later = malloc(sizeof(*later) + strlen(path) + 1);
    if (!later)
        return -ENOMEM;
    memcpy(later->path, path, strlen(path) + 1);
    later->open = open;
    later->next = recovery->later;
    recovery->later = later;
    return 0;
}

static int scan_throughs(struct recovery *recovery, int fd)
{
    struct evtrail_append append = {0};
    struct evtrail_append_report report;
    const int r = evtrail_append_scan(&append, fd, false, UINT64_MAX, take_through, recovery, &report);
    evtrail_append_fini(&append);
    return r;
}

static void tell_of_open_file(const struct recovery *recovery, const char *path,
                              const struct evtrail_append_report *report)
{
    struct store *store = recovery->store;
    if (!report->bytes)
        store_notice(store, STORE_EVENT_repaired, path, report->torn, 0, "was just begun: deleted");
    else if (report->torn)
        store_notice(store, STORE_EVENT_repaired, path, report->torn, 0,
                     "cut %llu bytes behind the last whole batch: they were never acknowledged",
                     (unsigned long long)report->torn);
    if (report->damaged)
        store_notice(store, STORE_EVENT_damaged, path, report->damaged, 0,
                     "%llu bytes within it are damaged: who reads it counts what they held as lost; all else stays "
                     "(evtrail repair writes a file without them)",
                     (unsigned long long)report->damaged);
}

/* It gets its index; on a full disk later, by the worker. */
static int close_open_file(const struct recovery *recovery, struct evtrail_append *append, int fd)
{
    struct evtrail_mark_frame mark = append->mark;
    mark.kind = EVTRAIL_MARK_END;
    mark.through = recovery->record->appended;
    return evtrail_append_close(append, fd, &mark) == -ENOMEM ? -ENOMEM : 0;
}

/* Nobody closed it: the collector was killed, or the disk was full. 1: it is gone. */
static int take_open_file(struct recovery *recovery, const char *path, int fd, uint64_t trusted)
{
    struct evtrail_append append = {0};
    struct evtrail_append_report report;
    int r = evtrail_append_scan(&append, fd, true, trusted, take_mark, recovery, &report);
    if (r == 0 && report.more && !trusted) {
        r = look_later(recovery, path, true);
    } else if (r == 0) {
        tell_of_open_file(recovery, path, &report);
        if (report.bytes)
            while (report.torn && ftruncate(fd, (off_t)report.bytes) < 0 && errno == EINTR)
                ;
        else
            r = unlinkat(recovery->store->root_fd, path, 0) == 0; /* nothing of it was acknowledged */
        if (report.bytes && !report.damaged)
            r = close_open_file(recovery, &append, fd);
    } else if (r == -EBADMSG && scan_throughs(recovery, fd) == -ENOMEM) {
        r = -ENOMEM;
    }
    evtrail_append_fini(&append);
    return r;
}

/* 1: it is gone. */
static int take_closed_file(struct recovery *recovery, const char *path, const struct evtrail_mark_frame *mark)
{
    if (!memcmp(mark->stream, recovery->record->id, sizeof(mark->stream)))
        reach(recovery->record, mark->through, mark->owner);
    return mark->sequence > mark->through ? look_later(recovery, path, false) : 0;
}

static int take_file(struct recovery *recovery, const char *path, const char *name)
{
    struct store *store = recovery->store;
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t session;
    uint32_t part;
    struct stat status;
    struct evtrail_mark_frame mark;
    if (strstr(name, ".garbage-"))
        return 0;
    if (!store_parse_name(name, stream, &session, &part)) {
        set_aside(recovery, path, "is no file of the store");
        return 0;
    }
    const int fd = openat(store->root_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EROFS))
        return -errno;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        if (fd >= 0)
            close(fd);
        set_aside(recovery, path, "cannot be opened, or is no regular file");
        return 0;
    }
    recovery->record = store_record_get(store, stream);
    int r = recovery->record ? evtrail_append_last_mark(fd, &mark) : -ENOMEM;
    if (recovery->record) {
        recovery->record->orphan = false;
        atomic_store(&recovery->record->filed, true);
    }
    if (r == 0)
        r = take_closed_file(recovery, path, &mark);
    else if (r == -EBADMSG && !status.st_size)
        r = unlinkat(store->root_fd, path, 0) == 0 ? 1 : -errno;
    else if (r == -EBADMSG)
        r = take_open_file(recovery, path, fd, 0);
    if (r == 0 && fstat(fd, &status) == 0)
        r = keep_found(recovery, path, &status);
    close(fd);
    if (r == -EBADMSG) {
        set_aside(recovery, path, "is no trace file, or its beginning is damaged (evtrail repair may read the rest)");
        r = 0;
    }
    return r < 0 ? r : 0;
}

static int blame(struct recovery *recovery, const char *path, int error)
{
    if (error < 0 && !recovery->error &&
        asprintf(&recovery->error,
                 "%s%s%s: cannot be read: %s; give this user all of the store, or look at the kernel's log",
                 recovery->store->root, *path ? "/" : "", path, strerror(-error)) < 0)
        recovery->error = NULL;
    return error;
}

static int walk(struct recovery *recovery, const char *path, unsigned depth)
{
    const int fd =
        openat(recovery->store->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    int r = 0;
    if (!entries) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return blame(recovery, path, r);
    }
    for (struct dirent *entry; r == 0 && (entry = readdir(entries));) {
        char below[STORE_PATH_BYTES + 300];
        struct stat status;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof(below), "%s%s%s", path, *path ? "/" : "", entry->d_name);
        if (strlen(below) >= STORE_PATH_BYTES ||
            fstatat(recovery->store->root_fd, below, &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(status.st_mode) && depth < DEPTH)
            r = walk(recovery, below, depth + 1);
        else if (depth == DEPTH)
            r = blame(recovery, below, take_file(recovery, below, entry->d_name));
        else if (!strstr(entry->d_name, ".garbage-"))
            set_aside(recovery, below, "has no place in the store");
    }
    closedir(entries);
    return r;
}

/* ---- positions ---------------------------------------------------------------------------------------------------------- */

/* Lines "STREAM SEQUENCE OWNER", in hex, decimal, hex. */
static int read_positions(struct store *store)
{
    const int fd = regular_open(store->root_fd, ".positions", O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd; /* else it would be written anew, without what it has */
    FILE *file = fdopen(fd, "r");
    char line[128], id[33];
    unsigned long long sequence, owner;
    if (!file) {
        close(fd);
        return -ENOMEM;
    }
    while (fgets(line, sizeof(line), file)) {
        uint8_t stream[WIRE_STREAM_ID_BYTES];
        bool good = sscanf(line, "%32[0-9a-f] %llu %llx", id, &sequence, &owner) == 3 && strlen(id) == 32;
        for (unsigned i = 0; good && i < WIRE_STREAM_ID_BYTES; i++) {
            unsigned byte;
            good = sscanf(id + 2 * i, "%2x", &byte) == 1;
            stream[i] = (uint8_t)byte;
        }
        struct store_record *record = good ? store_record_get(store, stream) : NULL;
        if (record) {
            reach(record, sequence, owner);
            record->orphan = true;
            atomic_store(&record->filed, true);
        }
    }
    fclose(file);
    return 0;
}

/* Those first of which retention has deleted the newest file. */
static unsigned print_positions(const struct store *store, FILE *file, bool orphans, unsigned count)
{
    for (size_t i = 0; i < store->table_room; i++)
        for (struct store_record *record = store->table[i]; record && count < POSITIONS_MAX; record = record->next) {
            if (record->orphan != orphans || !atomic_load(&record->durable) || !atomic_load(&record->filed))
                continue;
            for (unsigned b = 0; b < WIRE_STREAM_ID_BYTES; b++)
                fprintf(file, "%02x", record->id[b]);
            fprintf(file, " %llu %llx\n", (unsigned long long)atomic_load(&record->durable),
                    (unsigned long long)atomic_load(&record->owner));
            count++;
        }
    return count;
}

int store_positions_write(struct store *store)
{
    unlinkat(store->root_fd, ".positions.new", 0);
    const int fd = regular_open(store->root_fd, ".positions.new", O_WRONLY | O_CREAT | O_EXCL, 0640);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        if (fd >= 0)
            close(fd);
        return fd < 0 ? fd : -ENOMEM;
    }
    pthread_mutex_lock(&store->table_lock);
    print_positions(store, file, false, print_positions(store, file, true, 0));
    pthread_mutex_unlock(&store->table_lock);
    int r = fflush(file) == 0 && !ferror(file) ? 0 : -errno;
    if (r == 0 && !store->options.no_sync && fdatasync(fd) < 0)
        r = -errno;
    fclose(file);
    if (r == 0 && renameat(store->root_fd, ".positions.new", store->root_fd, ".positions") < 0)
        r = -errno;
    if (r == 0 && !store->options.no_sync && fsync(store->root_fd) < 0)
        r = -errno;
    store->positions_due &= r < 0;
    return r;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------ */

static int by_age(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    return a->written_ns < b->written_ns ? -1 : a->written_ns > b->written_ns;
}

static int open_later(struct recovery *recovery, const struct later *later)
{
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t session;
    uint32_t part;
    if (!store_parse_name(strrchr(later->path, '/') + 1, stream, &session, &part))
        return -ENOENT;
    recovery->record = store_record_get(recovery->store, stream);
    const int fd = openat(recovery->store->root_fd, later->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return !recovery->record ? -ENOMEM : fd < 0 ? -errno : fd;
}

static int read_again(struct recovery *recovery, const struct later *later, int fd)
{
    struct evtrail_append append = {0};
    struct evtrail_append_report report;
    if (later->open) {
        const uint64_t trusted = recovery->record->appended;
        return take_open_file(recovery, later->path, fd, trusted ? trusted : 1);
    }
    const int r = evtrail_append_scan(&append, fd, false, UINT64_MAX, take_mark, recovery, &report);
    evtrail_append_fini(&append);
    return r;
}

/* First how far each stream was acknowledged for sure, by all files; then what lies beyond. */
static int read_later(struct recovery *recovery)
{
    int r = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (struct later *later = recovery->later; r >= 0 && later; later = later->next) {
            const int fd = pass || later->open ? open_later(recovery, later) : -ENOENT;
            if (fd >= 0)
                r = pass ? read_again(recovery, later, fd) : scan_throughs(recovery, fd);
            if (fd >= 0)
                close(fd);
            r = fd == -ENOMEM || r == -ENOMEM ? -ENOMEM : 0; /* others hide nothing but themselves */
        }
    return r;
}

static void settle_positions(struct store *store)
{
    for (size_t i = 0; i < store->table_room; i++)
        for (struct store_record *record = store->table[i]; record; record = record->next) {
            size_t gone = 0;
            while (gone < record->ahead_count && record->ahead[gone] <= record->appended)
                gone++;
            record->ahead_count -= gone;
            if (record->ahead_count)
                memmove(record->ahead, record->ahead + gone, record->ahead_count * sizeof(*record->ahead));
            store_record_reach(record, record->appended);
            atomic_store(&record->durable, record->appended);
        }
}

int store_recover(struct store *store, char **ret_error)
{
    struct recovery recovery = {.store = store};
    read_positions(store);
    int r = walk(&recovery, "", 0);
    if (r == 0)
        r = read_later(&recovery);
    if (r == 0 && recovery.failed)
        r = -ENOMEM;
    settle_positions(store);
    if (r == 0 && recovery.files_count)
        qsort(recovery.files, recovery.files_count, sizeof(*recovery.files), by_age);
    for (size_t i = 0; i < recovery.files_count; i++) {
        if (r == 0)
            r = store_tree_add(store, recovery.files[i].path, recovery.files[i].bytes, recovery.files[i].written_ns);
        free(recovery.files[i].path);
    }
    store->tree.count = store->tree.files_count;
    for (struct later *later = recovery.later, *next; later; later = next) {
        next = later->next;
        free(later);
    }
    free(recovery.files);
    if (recovery.error)
        *ret_error = recovery.error;
    if (r == 0 && !store->options.no_sync && syncfs(store->root_fd) < 0)
        r = -errno; /* what was found is acknowledged from now on: it must be on disk */
    return r;
}
