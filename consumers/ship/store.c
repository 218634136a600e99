/* SPDX-License-Identifier: ISC
 *
 * The caller's side of the store: streams, what is put on the queue, what the worker has done.
 */
#include "ship/store_private.h"

#include "ship/regular.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int (*store_test_point)(const char *point);

int store_point(const char *point)
{
    return store_test_point ? store_test_point(point) : 0;
}

int64_t store_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t store_realtime_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const char *store_state_name(enum store_state state)
{
#define X(name, text) #name,
    static const char *const names[] = {STORE_STATES(X)};
#undef X
    return state < STORE_STATES_COUNT ? names[state] : "?";
}

const char *store_state_text(enum store_state state)
{
#define X(name, text) text,
    static const char *const texts[] = {STORE_STATES(X)};
#undef X
    return state < STORE_STATES_COUNT ? texts[state] : "?";
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

void store_set_defaults(struct store_options *options)
{
    options->rotate_bytes = options->rotate_bytes ? options->rotate_bytes : 64 << 20;
    options->rotate_ns = options->rotate_ns ? options->rotate_ns : INT64_C(86400000000000);
    options->reserve_bytes = options->reserve_bytes ? options->reserve_bytes : 16 << 20;
    options->queue_bytes = options->queue_bytes ? options->queue_bytes : 64 << 20;
    options->sources = options->sources ? options->sources : STORE_ALL_SOURCES;
    options->open_files = options->open_files ? options->open_files : 256;
    options->retry_ns = options->retry_ns ? options->retry_ns : 1000000000;
    options->idle_ns = options->idle_ns ? options->idle_ns : INT64_C(300000000000);
}

void store_explain(char **ret_error, const char *root, int error)
{
    const char *todo = error == -EBUSY    ? "another collector stores there: stop it, or name another directory"
                       : error == -ENOENT ? "its parent directory is not there: make it first"
                       : error == -EACCES || error == -EPERM
                           ? "give this user the directory, or name one that it may write to"
                       : error == -EROFS   ? "the file system is read-only: remount it, or name another directory"
                       : error == -ENOSPC  ? "the disk is full: free some of it"
                       : error == -ENOTDIR ? "name a directory with --store"
                                           : "look at the kernel's log, or name another directory with --store";
    if (ret_error && !*ret_error && asprintf(ret_error, "%s: %s; %s", root, strerror(-error), todo) < 0)
        *ret_error = NULL;
}

static int lock_root(struct store *store)
{
    const int fd = regular_open(store->root_fd, ".lock", O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return fd;
    store->lock_fd = fd;
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

/* Something else in the place of a file of ours is never followed, waited for or replaced. */
int store_check_files(int root_fd, const char *root, char **ret_error)
{
    static const char *const names[] = {".lock", ".id", ".positions"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *const instead = regular_instead(root_fd, names[i]);
        if (!instead)
            continue;
        if (!*ret_error &&
            asprintf(
                ret_error,
                "%s/%s: is %s, and the store has a file of its own there: put that back (what it leads to, if it was "
                "moved), or name another directory with --store",
                root, names[i], instead) < 0)
            *ret_error = NULL;
        return REGULAR_NOT;
    }
    return 0;
}

/* ROOT/.id: 16 hex digits. Made in one step: a crash leaves none, or a whole one. */
static int read_id(struct store *store)
{
    char text[18] = "";
    int fd = regular_open(store->root_fd, ".id", O_RDONLY, 0);
    if (fd < 0 && fd != -ENOENT)
        return fd; /* another in its place would be another store to senders */
    if (fd >= 0) {
        const ssize_t n = read(fd, text, 17);
        close(fd);
        store->id = n >= 16 ? strtoull(text, NULL, 16) : 0;
        if (store->id)
            return 0;
    }
    if (getrandom(&store->id, sizeof(store->id), 0) != sizeof(store->id))
        store->id = (uint64_t)store_realtime_ns();
    store->id |= 1;
    snprintf(text, sizeof(text), "%016llx\n", (unsigned long long)store->id);
    unlinkat(store->root_fd, ".id.new", 0);
    fd = regular_open(store->root_fd, ".id.new", O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (fd < 0)
        return fd;
    const bool written = write(fd, text, 17) == 17;
    const int r = written && renameat(store->root_fd, ".id.new", store->root_fd, ".id") == 0 ? 0 : -errno;
    close(fd);
    return r;
}

uint64_t store_id(const struct store *store)
{
    return store->id;
}

static int open_root(struct store *store, char **ret_error)
{
    if (mkdir(store->root, 0750) < 0 && errno != EEXIST)
        return -errno;
    store->root_fd = open(store->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0)
        return -errno;
    const int r = store_check_files(store->root_fd, store->root, ret_error);
    return r < 0 ? r : lock_root(store);
}

static void free_store(struct store *store)
{
    while (store->sources)
        store_source_free(store, store->sources);
    store_free_jobs(store, &store->queue);
    store_free_jobs(store, &store->pending);
    store_free_jobs(store, &store->uncommitted);
    for (struct store_notice *notice = store->notices, *next; notice; notice = next) {
        next = notice->next;
        free(notice);
    }
    store_records_free(store);
    store_tree_free(&store->tree);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->root_fd >= 0)
        close(store->root_fd);
    pthread_mutex_destroy(&store->mutex);
    pthread_mutex_destroy(&store->table_lock);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->idle);
    free(store->root);
    free(store);
}

static struct store *new_store(const struct store_options *options)
{
    struct store *store = calloc(1, sizeof(*store));
    pthread_condattr_t monotonic;
    if (!store)
        return NULL;
    store->root = strdup(options->root);
    if (!store->root) {
        free(store);
        return NULL;
    }
    store->options = *options;
    store->options.root = store->root;
    store_set_defaults(&store->options);
    store->root_fd = store->lock_fd = -1;
    store->last_notice = &store->notices;
    store->queue.last = &store->queue.first;
    store->pending.last = &store->pending.first;
    store->uncommitted.last = &store->uncommitted.first;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->table_lock, NULL);
    pthread_cond_init(&store->work, &monotonic);
    pthread_cond_init(&store->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return store;
}

int store_open(struct store **ret_store, const struct store_options *options, char **ret_error)
{
    char *error = NULL;
    struct store *store = new_store(options);
    int r = store ? open_root(store, &error) : -ENOMEM;
    if (r == 0)
        r = read_id(store);
    if (r == 0)
        r = store_recover(store, &error);
    if (r == 0) {
        store_dispatch(store); /* what was found */
        store->stats = store->figures;
        r = -pthread_create(&store->worker, NULL, store_work, store);
        store->working = r == 0;
    }
    if (r < 0) {
        store_explain(&error, options->root, r);
        if (store)
            free_store(store);
        if (ret_error)
            *ret_error = error;
        else
            free(error);
        return r;
    }
    free(error);
    *ret_store = store;
    return 0;
}

void store_close(struct store *store, int64_t deadline_ns)
{
    if (!store)
        return;
    pthread_mutex_lock(&store->mutex);
    store->stop = true;
    store->stop_ns = deadline_ns;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
    if (store->working)
        pthread_join(store->worker, NULL);
    for (size_t i = 0; i < store->table_room; i++)
        for (struct store_record *record = store->table[i]; record; record = record->next) {
            if (record->open)
                free(record->open->accounts);
            free(record->open);
        }
    while (store->taken) {
        struct store_stream *stream = store->taken;
        store->taken = stream->next_taken;
        free(stream->accounts);
        free(stream);
    }
    free_store(store);
}

void store_configure(struct store *store, const struct store_options *options)
{
    pthread_mutex_lock(&store->mutex);
    store->next_options = *options;
    store_set_defaults(&store->next_options);
    store->configured = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- what the worker has done ------------------------------------------------------------------------------------- */

static int dispatch_notices(struct store *store)
{
    int called = 0;
    pthread_mutex_lock(&store->mutex);
    struct store_notice *notice = store->notices;
    store->notices = NULL;
    store->last_notice = &store->notices;
    pthread_mutex_unlock(&store->mutex);
    while (notice) {
        struct store_notice *next = notice->next;
        if (store->options.event) {
            store->options.event(store->options.context, &notice->event);
            called++;
        }
        free(notice);
        notice = next;
    }
    return called;
}

static int dispatch_taken(struct store *store)
{
    int called = 0;
    for (struct store_stream *stream; (stream = store->taken); called++) {
        store->taken = stream->next_taken;
        stream->next_taken = NULL;
        stream->store = NULL;
        stream->options.taken(stream->options.context); /* closes it */
    }
    return called;
}

/* A record that never had anything in a file, and that nobody has open, is forgotten: peers make up as many as they like. */
static void forget(struct store *store, struct store_record *record)
{
    pthread_mutex_lock(&store->mutex);
    const bool idle = !record->open && !record->is_done && !atomic_load(&record->jobs) &&
                      !atomic_load(&record->filed) && !record->attached && !record->sources && !record->ahead_count;
    pthread_mutex_unlock(&store->mutex);
    if (idle)
        store_record_drop(store, record);
}

/* Those of which something is new. Their links are the worker's again once the mutex is released. */
static struct store_record **take_done(struct store *store, size_t *ret_count)
{
    size_t count = 0;
    pthread_mutex_lock(&store->mutex);
    for (struct store_record *at = store->done; at; at = at->next_done)
        count++;
    struct store_record **records = count ? malloc(count * sizeof(struct store_record *)) : NULL;
    if (!records)
        count = 0; /* next time */
    for (size_t i = 0; i < count; i++) {
        records[i] = store->done;
        records[i]->is_done = false;
        store->done = store->done->next_done;
    }
    pthread_mutex_unlock(&store->mutex);
    *ret_count = count;
    return records;
}

int store_dispatch(struct store *store)
{
    size_t count;
    int called = dispatch_notices(store);
    struct store_record **records = take_done(store, &count);
    for (size_t i = 0; i < count; i++) {
        struct store_record *record = records[i];
        const uint64_t durable = atomic_load(&record->durable);
        const unsigned strayed = atomic_load(&record->strayed);
        if (record->open && strayed != record->told_strayed) {
            record->told_strayed = strayed;
            record->open->options.astray(record->open->options.context); /* closes it, or will */
            called++;
        } else if (record->open && durable > record->told) {
            record->told = durable;
            record->open->options.durable(record->open->options.context, durable);
            called++;
        } else if (!record->open) {
            forget(store, record);
        }
    }
    free(records);
    return called + dispatch_taken(store);
}

int store_drain(struct store *store, int64_t timeout_ns)
{
    const int64_t until = store_now_ns() + timeout_ns;
    const struct timespec at = {until / 1000000000, until % 1000000000};
    int r = 0;
    pthread_mutex_lock(&store->mutex);
    pthread_cond_signal(&store->work);
    while (r == 0 && (store->queue.first || store->busy || atomic_load(&store->queued_bytes)) &&
           (!atomic_load(&store->state) || store->busy || store->queue.first))
        r = pthread_cond_timedwait(&store->idle, &store->mutex, &at);
    pthread_mutex_unlock(&store->mutex);
    store_dispatch(store);
    return -r;
}

void store_stats(const struct store *store, struct store_stats *ret_stats)
{
    struct store *own = (struct store *)(uintptr_t)store;
    pthread_mutex_lock(&own->mutex);
    *ret_stats = store->stats;
    pthread_mutex_unlock(&own->mutex);
    ret_stats->state = (enum store_state)atomic_load(&store->state);
    ret_stats->error = atomic_load(&store->error);
    ret_stats->queued_bytes = atomic_load(&store->queued_bytes);
    ret_stats->streams = store->streams;
}

uint64_t store_room(const struct store *store)
{
    const uint64_t queued = atomic_load(&store->queued_bytes);
    if (atomic_load(&store->state) != STORE_ok || queued >= store->options.queue_bytes)
        return 0;
    return store->options.queue_bytes - queued;
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static uint64_t hash_owner(const char *owner)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *at = owner; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    return *owner ? hash | 1 : 0;
}

static void put_job(struct store *store, struct store_job *job)
{
    atomic_fetch_add(&job->record->jobs, 1);
    atomic_fetch_add(&store->queued_bytes, job->bytes);
    job->next = NULL;
    pthread_mutex_lock(&store->mutex);
    const bool first = !store->queue.first;
    *store->queue.last = job;
    store->queue.last = &job->next;
    if (first || atomic_load(&store->queued_bytes) >= STORE_COMMIT_BYTES)
        pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->mutex);
}

static struct store_job *new_job(struct store_stream *stream, enum store_job_kind kind, size_t more)
{
    struct store_job *job = calloc(1, sizeof(*job));
    struct store_job *grown = job && more ? realloc(job, sizeof(*job) + more) : job;
    if (!grown) {
        free(job);
        return NULL;
    }
    grown->record = stream->record;
    grown->kind = kind;
    grown->bytes = sizeof(*job) + more;
    return grown;
}

static int put_simple(struct store_stream *stream, enum store_job_kind kind)
{
    struct store_job *job = new_job(stream, kind, 0);
    if (!job)
        return -ENOMEM;
    put_job(stream->store, job);
    return 0;
}

/* Who may go on with a stream that somebody else began or has open. */
static int check_owner(const struct store_record *record, const struct store_stream_options *options)
{
    const uint64_t owner = hash_owner(options->owner ? options->owner : ""), had = atomic_load(&record->owner);
    if (had && had != owner)
        return -EPERM;
    if (owner || !record->open || record->open->options.owner[0])
        return 0;
    return strcmp(record->open->address, options->address ? options->address : "") ? -EBUSY : 0;
}

static void take_over(struct store *store, struct store_record *record)
{
    struct store_stream *old = record->open;
    if (!old)
        return;
    record->open = NULL;
    store->streams--;
    old->record = NULL;
    old->taken = true;
    old->next_taken = store->taken;
    store->taken = old;
    if (store->options.wake)
        store->options.wake(store->options.context);
}

int store_stream_open(struct store *store, const struct store_stream_options *options, struct store_stream **ret_stream,
                      uint64_t *ret_position)
{
    struct store_record *record = store_record_get(store, options->id);
    struct store_stream *stream = record ? calloc(1, sizeof(*stream)) : NULL;
    if (!stream)
        return -ENOMEM;
    stream->options = *options;
    const int r = check_owner(record, options);
    if (r < 0) {
        free(stream);
        return r;
    }
    snprintf(stream->owner, sizeof(stream->owner), "%s", options->owner ? options->owner : "");
    snprintf(stream->address, sizeof(stream->address), "%s", options->address ? options->address : "");
    stream->options.owner = stream->owner;
    stream->options.address = stream->address;
    stream->store = store;
    stream->record = record;
    if (put_simple(stream, JOB_attach) < 0) {
        free(stream);
        return -ENOMEM;
    }
    take_over(store, record);
    if (stream->owner[0])
        atomic_store(&record->owner, hash_owner(stream->owner));
    atomic_store(&record->group, hash_owner(stream->owner[0] ? stream->owner : stream->address));
    record->open = stream;
    record->told_strayed = atomic_load(&record->strayed);
    record->told = atomic_load(&record->durable);
    store->streams++;
    *ret_position = record->told;
    *ret_stream = stream;
    return 0;
}

void store_stream_close(struct store_stream *stream)
{
    if (!stream)
        return;
    if (stream->record) {
        stream->record->open = NULL;
        stream->store->streams--;
        put_simple(stream, JOB_detach);
    }
    if (stream->taken && stream->store) /* not told yet */
        for (struct store_stream **at = &stream->store->taken; *at; at = &(*at)->next_taken)
            if (*at == stream) {
                *at = stream->next_taken;
                break;
            }
    free(stream->accounts);
    free(stream);
}

static int keep_account(struct store_stream *stream, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    struct evtrail_account_frame account;
    if (evtrail_frame_parse_account(bytes, frame->bytes, &account))
        return 0;
    if (stream->accounts_count == stream->accounts_room) {
        const uint32_t room = stream->accounts_room ? stream->accounts_room * 2 : 4;
        struct evtrail_account_frame *grown = realloc(stream->accounts, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        stream->accounts = grown;
        stream->accounts_room = room;
    }
    stream->accounts[stream->accounts_count++] = account;
    return 0;
}

static void forget_accounts(struct store_stream *stream)
{
    free(stream->accounts);
    stream->accounts = NULL;
    stream->accounts_count = stream->accounts_room = 0;
}

int store_frame(struct store_stream *stream, const struct evtrail_frame *frame, const uint8_t *bytes)
{
    if (!stream->record)
        return 0;
    if (frame->tag == EVTRAIL_TAG_ACCOUNT)
        return keep_account(stream, frame, bytes);
    struct store_job *job = new_job(stream, JOB_frame, frame->bytes);
    if (!job)
        return -ENOMEM;
    job->frame = *frame;
    job->data = (uint8_t *)(job + 1);
    memcpy(job->data, bytes, frame->bytes);
    put_job(stream->store, job);
    return 0;
}

int store_batch(struct store_stream *stream, uint64_t sequence, const struct ship_batch *batch,
                const uint64_t *lost_after)
{
    const size_t accounts = stream->accounts_count * sizeof(*stream->accounts);
    if (!stream->record)
        return 0;
    struct store_job *job =
        new_job(stream, JOB_batch, sizeof(batch->header) + accounts + batch->header.compressed_bytes);
    if (!job)
        return -ENOMEM;
    job->sequence = sequence;
    job->header = (struct evtrail_batch_header *)(job + 1);
    job->accounts = (struct evtrail_account_frame *)(job->header + 1);
    job->data = (uint8_t *)(job->accounts + stream->accounts_count);
    *job->header = batch->header;
    job->header->chunk.source = NULL;
    job->accounts_count = stream->accounts_count;
    if (accounts)
        memcpy(job->accounts, stream->accounts, accounts);
    if (batch->header.compressed_bytes)
        memcpy(job->data, batch->compressed, batch->header.compressed_bytes);
    memcpy(job->lost_after, lost_after, sizeof(job->lost_after));
    forget_accounts(stream);
    put_job(stream->store, job);
    return 0;
}

static int put_gap(struct store_stream *stream, uint64_t first, uint64_t last, const struct wire_gap_entry *entries,
                   uint32_t count, bool elsewhere)
{
    struct store_job *job = new_job(stream, JOB_gap, count * sizeof(*entries));
    if (!job)
        return -ENOMEM;
    job->first = first;
    job->sequence = last;
    job->losses = (struct wire_gap_entry *)(job + 1);
    job->losses_count = count;
    job->elsewhere = elsewhere;
    if (count)
        memcpy(job->losses, entries, count * sizeof(*entries));
    forget_accounts(stream);
    put_job(stream->store, job);
    return 0;
}

int store_gap(struct store_stream *stream, uint64_t first, const struct wire_gap *gap)
{
    struct wire_gap_entry entries[WIRE_GAP_ENTRIES_MAX];
    const uint32_t count = gap->count < WIRE_GAP_ENTRIES_MAX ? gap->count : WIRE_GAP_ENTRIES_MAX;
    if (!stream->record)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        wire_gap_entry_at(gap, i, &entries[i]);
    return put_gap(stream, first, gap->last, entries, count, gap->cause == WIRE_GAP_elsewhere);
}

int store_missing(struct store_stream *stream, uint64_t sequence, const struct evtrail_batch_header *header)
{
    if (!stream->record)
        return 0;
    if (!header)
        return put_gap(stream, sequence, sequence, NULL, 0, false);
    const struct wire_gap_entry entry = {
        .source = header->source,
        .ring = header->chunk.ring,
        .cause = WIRE_GAP_refused,
        .events = header->chunk.events < EVTRAIL_COMPRESSED_BYTES_MAX ? header->chunk.events : 0};
    return put_gap(stream, sequence, sequence, &entry, 1, false);
}
