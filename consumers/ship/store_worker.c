/* SPDX-License-Identifier: ISC
 *
 * The thread that may wait for a disk. It takes what is queued, appends it, and syncs all that was appended meanwhile at once; only then is
 * it acknowledged, and its memory freed. What cannot be written stays where it is, and is tried again.
 */
#include "ship/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { GROUP_BYTES = 8 << 20, SYNC_FILES_MAX = 64 };
#define COMMIT_EVERY_NS INT64_C(10000000)

/* ---- what is told ------------------------------------------------------------------------------------------------- */

void store_notice(struct store *store, enum store_event_kind kind, const char *path, uint64_t number, int error,
                  const char *format, ...)
{
    struct store_notice *notice = calloc(1, sizeof(*notice));
    va_list arguments;
    if (!notice)
        return;
    va_start(arguments, format);
    vsnprintf(notice->text, sizeof(notice->text), format, arguments);
    va_end(arguments);
    snprintf(notice->path, sizeof(notice->path), "%s%s%s", store->root, path ? "/" : "", path ? path : "");
    notice->event = (struct store_event){kind, notice->path, notice->text, number, error};
    pthread_mutex_lock(&store->mutex);
    *store->last_notice = notice;
    store->last_notice = &notice->next;
    pthread_mutex_unlock(&store->mutex);
    if (store->options.wake)
        store->options.wake(store->options.context);
}

static enum store_state state_of(int error)
{
    switch (error) {
    case 0:
        return STORE_ok;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return STORE_full;
    case -EROFS:
        return STORE_read_only;
    default:
        return STORE_failed;
    }
}

void store_set_state(struct store *store, int error)
{
    const enum store_state state = state_of(error);
    const int had = atomic_exchange(&store->state, (int)state);
    atomic_store(&store->error, error);
    if (had == (int)state)
        return;
    if (state == STORE_ok)
        store_notice(store, STORE_EVENT_state, NULL, 0, 0, "storing again");
    else
        store_notice(store, STORE_EVENT_state, NULL, 0, error, "%s (%s)", store_state_text(state), strerror(-error));
}

/* ---- jobs --------------------------------------------------------------------------------------------------------- */

static void free_job(struct store *store, struct store_job *job)
{
    if (job->source)
        job->source->references--;
    atomic_fetch_sub(&store->queued_bytes, job->bytes);
    atomic_fetch_sub(&job->record->jobs, 1);
    free(job);
}

void store_free_jobs(struct store *store, struct store_jobs *jobs)
{
    for (struct store_job *job = jobs->first, *next; job; job = next) {
        next = job->next;
        job->source = NULL;
        free_job(store, job);
    }
    *jobs = (struct store_jobs){NULL, &jobs->first};
}

static void append_jobs(struct store_jobs *jobs, struct store_jobs *more)
{
    if (!more->first)
        return;
    *jobs->last = more->first;
    jobs->last = more->last;
    *more = (struct store_jobs){NULL, &more->first};
}

/* ---- group commit ------------------------------------------------------------------------------------------------- */

/* A new file's name is on disk, too: its directory, and those above it that may be new. */
static int sync_directories(const struct store *store, const struct store_source *source)
{
    char path[STORE_PATH_BYTES];
    int r = 0;
    snprintf(path, sizeof(path), "%s", source->set);
    for (char *slash = strrchr(path, '/'); r == 0 && slash; slash = strrchr(path, '/')) {
        *slash = 0;
        const int fd = openat(store->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
        if (fd >= 0)
            close(fd);
    }
    return r < 0 ? r : fsync(store->root_fd) < 0 ? -errno : 0;
}

static int sync_file(struct store *store, struct store_source *source)
{
    int r = store_source_open(store, source);
    if (r >= 0)
        r = fdatasync(source->fd) < 0 ? -errno : 0;
    return r < 0 || !source->created ? r : sync_directories(store, source);
}

static int sync_dirty(struct store *store)
{
    int r = store_point("before-sync");
    if (r < 0 || store->options.no_sync || !store->dirty)
        return r;
    if (store->dirty_count > SYNC_FILES_MAX)
        r = syncfs(store->root_fd) < 0 ? -errno : 0;
    else
        for (struct store_source *source = store->dirty; source && r == 0; source = source->next_dirty)
            r = sync_file(store, source);
    for (struct store_source *source = r == 0 ? store->dirty : NULL; source; source = source->next_dirty)
        source->created = false;
    return r < 0 ? r : store_point("after-sync");
}

/* What is in files since the last commit may be there or not: cut it off, and do it again. */
static void undo(struct store *store)
{
    struct store_source *source;
    while ((source = store->dirty)) {
        store->dirty = source->next_dirty;
        source->dirty = false;
        if (store_source_open(store, source) < 0 || evtrail_append_rewind(&source->append, source->fd) < 0)
            source->closed = true; /* leave it for the next start to repair, and begin another */
    }
    store->dirty_count = 0;
    for (struct store_record *record = store->changed; record; record = record->next_changed) {
        record->appended = atomic_load(&record->durable);
        record->changed = false;
    }
    store->changed = NULL;
    append_jobs(&store->uncommitted, &store->pending);
    append_jobs(&store->pending, &store->uncommitted);
}

static void put_done(struct store *store, struct store_record *record)
{
    if (record->is_done)
        return;
    record->is_done = true;
    record->next_done = store->done;
    store->done = record;
}

/* With the mutex: the caller forgets records that have no sources. */
void store_source_leave(struct store *store, struct store_source *source)
{
    struct store_record *record = source->record;
    pthread_mutex_lock(&store->mutex);
    store_source_free(store, source);
    const bool nothing = !record->sources && !atomic_load(&record->filed);
    if (nothing)
        put_done(store, record);
    pthread_mutex_unlock(&store->mutex);
    if (nothing && store->options.wake)
        store->options.wake(store->options.context);
}

/* With the mutex, as the caller forgets records that have no jobs and are not told of. */
static void tell(struct store *store)
{
    for (struct store_job *job = store->uncommitted.first, *next; job; job = next) {
        next = job->next;
        free_job(store, job);
    }
    store->uncommitted = (struct store_jobs){NULL, &store->uncommitted.first};
    for (struct store_record *record = store->changed; record; record = record->next_changed) {
        record->changed = false;
        put_done(store, record);
    }
    store->changed = NULL;
}

int store_commit(struct store *store)
{
    const int64_t began = store_now_ns();
    const bool any = store->dirty;
    const int r = sync_dirty(store);
    if (r < 0) {
        undo(store);
        return r;
    }
    const int64_t took = store_now_ns() - began;
    if (any) {
        store->committed_ns = began;
        store->figures.syncs++;
        store->figures.sync_ns += (uint64_t)took;
        if ((uint64_t)took > store->figures.sync_ns_max)
            store->figures.sync_ns_max = (uint64_t)took;
    }
    while (store->dirty) {
        struct store_source *source = store->dirty;
        store->dirty = source->next_dirty;
        source->dirty = false;
        evtrail_append_synced(&source->append);
        store_source_weigh(store, source);
    }
    store->dirty_count = 0;
    for (struct store_record *record = store->changed; record; record = record->next_changed)
        atomic_store(&record->durable, record->appended);
    const bool told = store->changed;
    pthread_mutex_lock(&store->mutex);
    tell(store);
    pthread_mutex_unlock(&store->mutex);
    if (told && store->options.wake)
        store->options.wake(store->options.context);
    return 0;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------- */

static int check_space(const struct store *store)
{
    struct statvfs status;
    const int r = store_point("space");
    if (r < 0)
        return r;
    if (fstatvfs(store->root_fd, &status) < 0)
        return 0; /* writing will tell */
    if (status.f_flag & ST_RDONLY)
        return -EROFS;
    return status.f_blocks && (uint64_t)status.f_bavail * status.f_frsize < store->options.reserve_bytes ? -ENOSPC : 0;
}

static int process_pending(struct store *store)
{
    size_t bytes = 0;
    int r = 0;
    while (r == 0 && store->pending.first) {
        struct store_job *job = store->pending.first;
        r = store_process(store, job);
        if (r < 0)
            break;
        store->pending.first = job->next;
        if (!store->pending.first)
            store->pending.last = &store->pending.first;
        job->next = NULL;
        *store->uncommitted.last = job;
        store->uncommitted.last = &job->next;
        bytes += job->bytes;
        if (bytes >= GROUP_BYTES) {
            r = store_commit(store);
            bytes = 0;
        }
    }
    return r;
}

static void round_of_work(struct store *store)
{
    const int64_t now = store_now_ns();
    if (atomic_load(&store->state) != STORE_ok && now < store->retry_ns)
        return;
    int r = store->pending.first || atomic_load(&store->state) != STORE_ok ? check_space(store) : 0;
    if (r == 0)
        r = process_pending(store);
    if (store->uncommitted.first) {
        const int committed = store_commit(store);
        r = r < 0 ? r : committed;
    }
    store_set_state(store, r);
    if (r < 0)
        store->retry_ns = store_now_ns() + store->options.retry_ns;
    if (now - store->swept_ns >= store->options.retry_ns && !store->dirty) {
        store->swept_ns = now;
        store_sweep(store, false);
    }
}

static void publish(struct store *store)
{
    store->figures.tree_bytes = store->tree.bytes + store->tree.open_bytes;
    store->figures.tree_files = store->tree.count;
    store->figures.open_files = store->descriptors;
    store->figures.sources = store->sources_count;
    store->stats = store->figures;
}

/* The limits that may change while it runs. */
static void reconfigure(struct store *store)
{
    struct store_options *options = &store->options;
    const struct store_options *next = &store->next_options;
    options->rotate_bytes = next->rotate_bytes;
    options->rotate_ns = next->rotate_ns;
    options->keep = next->keep;
    options->source = next->source;
    options->idle_ns = next->idle_ns;
    options->reserve_bytes = next->reserve_bytes;
    store->configured = false;
}

static void wait_for_work(struct store *store)
{
    int64_t until = store->swept_ns + store->options.retry_ns;
    const bool stuck = atomic_load(&store->state) != STORE_ok;
    if (stuck && store->retry_ns < until)
        until = store->retry_ns;
    const struct timespec at = {until / 1000000000, until % 1000000000};
    int r = 0;
    while (r == 0 && !store->stop && !store->configured && (!store->queue.first || stuck))
        r = pthread_cond_timedwait(&store->work, &store->mutex, &at);
}

/* No disk is to sync for each batch of who sends little: what comes soon after a commit waits for more, unless it is much. */
static void wait_for_more(struct store *store)
{
    const int64_t until = store->committed_ns + COMMIT_EVERY_NS;
    const struct timespec at = {until / 1000000000, until % 1000000000};
    int r = 0;
    while (r == 0 && store->queue.first && !store->stop && !store->configured &&
           atomic_load(&store->state) == STORE_ok && atomic_load(&store->queued_bytes) < STORE_COMMIT_BYTES &&
           store_now_ns() < until)
        r = pthread_cond_timedwait(&store->work, &store->mutex, &at);
}

static bool finished(const struct store *store)
{
    return store->stop && ((!store->queue.first && !store->pending.first) || store_now_ns() >= store->stop_ns);
}

void *store_work(void *context)
{
    struct store *store = context;
    pthread_mutex_lock(&store->mutex);
    publish(store);
    while (!finished(store)) {
        if (!store->stop)
            wait_for_work(store);
        wait_for_more(store);
        append_jobs(&store->pending, &store->queue);
        if (store->configured)
            reconfigure(store);
        store->busy = true;
        const bool stuck = store->stop && atomic_load(&store->state) != STORE_ok;
        pthread_mutex_unlock(&store->mutex);
        if (stuck)
            usleep(10000);
        round_of_work(store);
        pthread_mutex_lock(&store->mutex);
        store->busy = false;
        publish(store);
        pthread_cond_broadcast(&store->idle);
    }
    pthread_mutex_unlock(&store->mutex);
    if (!store->dirty && atomic_load(&store->state) == STORE_ok)
        store_sweep(store, true);
    return NULL;
}
