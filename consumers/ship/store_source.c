/* SPDX-License-Identifier: ISC
 *
 * The files of the processes that are stored: made, opened, closed. Few have a descriptor at a time; those used longest ago give theirs up.
 */
#include "ship/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

/* ---- descriptors --------------------------------------------------------------------------------------------------- */

static void unlink_use(struct store *store, struct store_source *source)
{
    if (source->newer)
        source->newer->older = source->older;
    else if (store->newest == source)
        store->newest = source->older;
    if (source->older)
        source->older->newer = source->newer;
    else if (store->oldest == source)
        store->oldest = source->newer;
    source->newer = source->older = NULL;
}

static void link_use(struct store *store, struct store_source *source)
{
    source->older = store->newest;
    source->newer = NULL;
    if (store->newest)
        store->newest->newer = source;
    store->newest = source;
    if (!store->oldest)
        store->oldest = source;
}

void store_source_release(struct store *store, struct store_source *source)
{
    if (source->fd < 0)
        return;
    unlink_use(store, source);
    close(source->fd);
    source->fd = -1;
    store->descriptors--;
}

static void part_path(char path[STORE_PATH_BYTES + 16], const struct store_source *source)
{
    snprintf(path, STORE_PATH_BYTES + 16, "%s.%05u.evt", source->set, source->append.part);
}

static int make_directories(const struct store *store, const char *path)
{
    char part[STORE_PATH_BYTES + 16];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (mkdirat(store->root_fd, part, 0750) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int open_part(struct store *store, struct store_source *source)
{
    char path[STORE_PATH_BYTES + 16];
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    int fd = -1;
    if (source->exists) {
        part_path(path, source);
        fd = openat(store->root_fd, path, flags);
        return fd < 0 ? -errno : fd;
    }
    int r = store_point("before-create");
    for (unsigned tries = 0; r == 0 && fd < 0 && tries < 1000; tries++) {
        part_path(path, source);
        fd = openat(store->root_fd, path, flags | O_CREAT | O_EXCL, 0640);
        if (fd < 0 && errno == ENOENT)
            r = make_directories(store, path);
        else if (fd < 0 && errno == EEXIST)
            source->append.part++;
        else if (fd < 0)
            r = -errno;
    }
    if (r < 0)
        return r;
    source->exists = source->created = true;
    source->begun_ns = store_now_ns();
    store->tree.count++;
    return fd < 0 ? -EEXIST : fd;
}

int store_source_open(struct store *store, struct store_source *source)
{
    if (source->fd >= 0) {
        unlink_use(store, source);
        link_use(store, source);
        return 0;
    }
    while (store->descriptors >= store->options.open_files && store->oldest)
        store_source_release(store, store->oldest);
    if (source->closed) { /* goes on in the next part */
        char path[STORE_PATH_BYTES + 16];
        part_path(path, source);
        const int fd = openat(store->root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        const int r = evtrail_append_next(&source->append, fd, source->append.part + 1);
        if (fd >= 0)
            close(fd);
        if (r == -ENODATA)
            evtrail_append_forget(&source->append, source->append.part + 1);
        if (r < 0 && r != -ENODATA)
            return r;
        source->closed = source->exists = false;
        if (r < 0)
            return r;
    }
    const int fd = open_part(store, source);
    if (fd < 0)
        return fd;
    source->fd = fd;
    store->descriptors++;
    link_use(store, source);
    return 0;
}

void store_source_dirty(struct store *store, struct store_source *source)
{
    source->touched_ns = store_now_ns();
    if (source->dirty)
        return;
    source->dirty = true;
    source->next_dirty = store->dirty;
    store->dirty = source;
    store->dirty_count++;
}

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

void store_source_weigh(struct store *store, struct store_source *source)
{
    const struct evtrail_append *append = &source->append;
    const size_t now = append->pending.room + append->known_room * sizeof(*append->known) +
                       append->described_room * sizeof(*append->described) +
                       append->rings_room * sizeof(*append->rings);
    store->held += now - source->held;
    source->held = now;
}

static void tell_crowded(struct store *store, const char *set, uint64_t number, const char *text)
{
    if (!store->crowded_told)
        store_notice(store, STORE_EVENT_crowded, set, number, -ENOMEM, "%s", text);
    store->crowded_told = true;
}

bool store_source_heavy(struct store *store, const struct store_source *source)
{
    if (store->held <= 4 * store->options.queue_bytes || source->held <= STORE_HEAVY_BYTES)
        return false;
    tell_crowded(store, source->set, source->held,
                 "a process with more event types and rings than there is memory for: what is new of it is left out "
                 "and counted as lost; look at it, or raise --memory");
    return true;
}

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

bool store_source_full(const struct store *store, const struct store_source *source, size_t bytes)
{
    const struct evtrail_append *append = &source->append;
    if (source->closed)
        return false; /* the next begins in any case */
    return append->batches && (append->offset + append->pending.used + bytes > store->options.rotate_bytes ||
                               append->batches >= EVTRAIL_APPEND_BATCHES_MAX ||
                               store_now_ns() - source->begun_ns >= store->options.rotate_ns);
}

int store_source_close(struct store *store, struct store_source *source)
{
    char path[STORE_PATH_BYTES + 16];
    struct stat status;
    if (source->closed || !source->exists || !source->append.offset)
        return 0;
    struct evtrail_mark_frame mark = source->append.mark;
    mark.kind = EVTRAIL_MARK_END;
    mark.through = atomic_load(&source->record->durable);
    int r = store_source_open(store, source);
    if (r >= 0)
        r = store_point("before-close");
    if (r >= 0)
        r = evtrail_append_close(&source->append, source->fd, &mark);
    if (r >= 0 && !store->options.no_sync && fdatasync(source->fd) < 0)
        r = -errno;
    if (r < 0)
        return r;
    const uint64_t bytes = fstat(source->fd, &status) == 0 ? (uint64_t)status.st_size : source->append.offset;
    source->closed = true;
    store->positions_due = true;
    store_source_release(store, source);
    part_path(path, source);
    store_tree_add(store, path, bytes, store_realtime_ns());
    return store_point("after-close");
}

/* ---- sources -------------------------------------------------------------------------------------------------------- */

/* The highest part of a set that there is; 0: none. */
static uint32_t last_part(const struct store *store, const char *set)
{
    char directory[STORE_PATH_BYTES];
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t session;
    uint32_t part, last = 0;
    const char *slash = strrchr(set, '/');
    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - set), set);
    const int fd = openat(store->root_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !entries)
        close(fd);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (!strncmp(entry->d_name, slash + 1, strlen(slash + 1)) &&
            store_parse_name(entry->d_name, stream, &session, &part) && part > last)
            last = part;
    if (entries)
        closedir(entries);
    return last;
}

/* Goes on where an earlier run, or an earlier connection, ended. */
static void resume(struct store *store, struct store_source *source)
{
    struct evtrail_append_report report;
    char path[STORE_PATH_BYTES + 16];
    source->append.part = last_part(store, source->set);
    if (!source->append.part) {
        source->append.part = 1;
        return;
    }
    const uint32_t part = source->append.part;
    part_path(path, source);
    const int fd = openat(store->root_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    const int r = fd < 0 ? -errno : evtrail_append_scan(&source->append, fd, false, UINT64_MAX, NULL, NULL, &report);
    source->append.part = part;
    source->exists = true;
    source->begun_ns = store_now_ns();
    if (r == 0 && !report.closed && report.torn && !report.damaged)
        while (ftruncate(fd, (off_t)report.bytes) < 0 && errno == EINTR)
            ;
    source->closed = r < 0 || report.closed || report.damaged;
    if (r < 0) { /* unreadable: begin behind it */
        evtrail_append_fini(&source->append);
        source->append.part = part + 1;
        source->exists = source->closed = false;
    }
    if (fd >= 0)
        close(fd);
}

static void link_source(struct store *store, struct store_record *record, struct store_source *source)
{
    source->next_of_record = record->sources;
    record->sources = source;
    record->sources_count++;
    source->next = store->sources;
    if (store->sources)
        store->sources->prev = source;
    store->sources = source;
    store->sources_count++;
}

/* Where places get scarce nobody has more than a quarter of them: the others' processes are taken still. */
static bool is_crowded(const struct store *store, const struct store_record *record)
{
    const unsigned most = store->options.sources;
    const uint64_t group = atomic_load(&record->group);
    unsigned count = 0;
    if (record->sources_count >= 2 * STORE_SOURCES_MAX || store->sources_count >= most)
        return true;
    if (store->sources_count < most / 2)
        return false;
    for (const struct store_source *source = store->sources; source; source = source->next)
        count += atomic_load(&source->record->group) == group;
    return count >= most / 4;
}

struct store_source *store_source_get(struct store *store, struct store_record *record,
                                      const struct evtrail_source_frame *frame, int *ret_error)
{
    char set[STORE_PATH_BYTES];
    store_set_name(set, frame, record->id);
    for (struct store_source *known = record->sources; known; known = known->next_of_record)
        if (known->session_id == frame->session_id && !strcmp(known->set, set)) {
            known->ended = false;
            return known;
        }
    *ret_error = is_crowded(store, record) ? -E2BIG : -ENOMEM;
    if (*ret_error == -E2BIG)
        tell_crowded(store, set, store->sources_count,
                     "more processes at once than are taken (of all senders, or of this owner or address): nothing of "
                     "those beyond is acknowledged, senders keep it; look at who sends them");
    struct store_source *source = *ret_error == -E2BIG ? NULL : calloc(1, sizeof(*source));
    if (source)
        source->set = strdup(set);
    if (!source || !source->set) {
        free(source);
        return NULL;
    }
    source->record = record;
    source->session_id = frame->session_id;
    source->fd = -1;
    source->touched_ns = store_now_ns();
    if (getrandom(&source->append.set_id, sizeof(source->append.set_id), 0) < 0)
        source->append.set_id = (uint64_t)source->touched_ns;
    link_source(store, record, source);
    resume(store, source);
    store_source_weigh(store, source);
    return source;
}

void store_source_free(struct store *store, struct store_source *source)
{
    struct store_record *record = source->record;
    struct store_source **at = &record->sources;
    store_source_release(store, source);
    while (*at && *at != source)
        at = &(*at)->next_of_record;
    if (*at) {
        *at = source->next_of_record;
        record->sources_count--;
    }
    if (record->last == source)
        record->last = NULL;
    if (source->prev)
        source->prev->next = source->next;
    else
        store->sources = source->next;
    if (source->next)
        source->next->prev = source->prev;
    store->sources_count--;
    store->held -= source->held;
    evtrail_append_fini(&source->append);
    free(source->set);
    free(source);
}

/* A file that is nobody's any more is closed, so that retention may have it. */
void store_sweep(struct store *store, bool all)
{
    const int64_t now = store_now_ns();
    struct store_source *next;
    uint64_t open_bytes = 0;
    int r = 0;
    for (struct store_source *source = store->sources; source && r == 0; source = next) {
        next = source->next;
        const bool idle = now - source->touched_ns >= store->options.idle_ns && !source->record->attached;
        open_bytes += source->closed ? 0 : source->append.offset;
        if (!all && !source->ended && !idle)
            continue;
        r = store_source_close(store, source);
        if (r == 0)
            store_keep(store, source->set);
        if (r == 0 && !source->references)
            store_source_leave(store, source);
    }
    store->tree.open_bytes = open_bytes;
    if (store->positions_due)
        store_positions_write(store); /* else with the next sweep */
    if (r < 0 && !all)
        store_set_state(store, r);
    if (!all)
        store_keep(store, NULL);
}
