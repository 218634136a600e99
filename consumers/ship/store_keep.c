/* SPDX-License-Identifier: ISC
 *
 * Retention: deletes the oldest closed files, of the whole tree or of one process, until what is left is within the limits. Where that was
 * a stream's newest file its position is written down first.
 */
#include "ship/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_FILES = 20000, LOOK_SHARE = 50 };

/* ---- the closed files, oldest first --------------------------------------------------------------------------------- */

static struct store_closed *at(const struct store_tree *tree, size_t index)
{
    return &tree->files[(tree->files_first + index) % tree->files_room];
}

static bool grow_files(struct store_tree *tree)
{
    const size_t room = tree->files_room ? tree->files_room * 2 : 256;
    struct store_closed *grown = calloc(room, sizeof(*grown));
    if (!grown)
        return false;
    for (size_t i = 0; i < tree->files_count; i++)
        grown[i] = *at(tree, i);
    free(tree->files);
    tree->files = grown;
    tree->files_room = room;
    tree->files_first = 0;
    return true;
}

int store_tree_add(struct store *store, const char *path, uint64_t bytes, int64_t written_ns)
{
    struct store_tree *tree = &store->tree;
    char *copy = strdup(path);
    if (!copy || (tree->files_count == tree->files_room && !grow_files(tree))) {
        free(copy);
        return -ENOMEM; /* it stays until the next start */
    }
    *at(tree, tree->files_count++) = (struct store_closed){copy, written_ns, bytes};
    tree->bytes += bytes;
    return 0;
}

void store_tree_free(struct store_tree *tree)
{
    for (size_t i = 0; i < tree->files_count; i++)
        free(at(tree, i)->path);
    free(tree->files);
    *tree = (struct store_tree){0};
}

static void remove_file(struct store_tree *tree, size_t index)
{
    free(at(tree, index)->path);
    for (; index; index--) /* mostly few: the oldest go */
        *at(tree, index) = *at(tree, index - 1);
    tree->files_first = (tree->files_first + 1) % tree->files_room;
    tree->files_count--;
}

/* ---- deleting --------------------------------------------------------------------------------------------------------- */

static void note_position(struct store *store, const char *path)
{
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    uint64_t session;
    uint32_t part;
    const char *slash = strrchr(path, '/');
    if (!slash || !store_parse_name(slash + 1, stream, &session, &part))
        return;
    struct store_record *record = store_record_find(store, stream);
    if (record)
        record->orphan = true;
}

static void remove_empty_directories(const struct store *store, const char *path)
{
    char directory[STORE_PATH_BYTES + 16];
    strncpy(directory, path, sizeof(directory) - 1);
    directory[sizeof(directory) - 1] = 0;
    for (char *slash; (slash = strrchr(directory, '/'));) {
        *slash = 0;
        if (unlinkat(store->root_fd, directory, AT_REMOVEDIR) < 0)
            return;
    }
}

static void delete_file(struct store *store, size_t index)
{
    struct store_closed *file = at(&store->tree, index);
    const bool gone = unlinkat(store->root_fd, file->path, 0) == 0;
    store->tree.bytes -= file->bytes;
    store->tree.count -= store->tree.count > 0;
    if (gone) {
        store->figures.deleted_files++;
        store->figures.deleted_bytes += file->bytes;
        store_notice(store, STORE_EVENT_deleted, file->path, file->bytes, 0, "deleted: beyond the limits of retention");
        remove_empty_directories(store, file->path);
    }
    remove_file(&store->tree, index);
}

/* ---- what others did with them ---------------------------------------------------------------------------------------- */

/* Whether it is still there; its size is taken anew. */
static bool look_at(struct store *store, struct store_closed *file)
{
    struct stat status;
    if (fstatat(store->root_fd, file->path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno != ENOENT && errno != ENOTDIR;
    store->tree.bytes += (uint64_t)status.st_size - file->bytes;
    file->bytes = (uint64_t)status.st_size;
    return true;
}

static void forget(struct store *store, struct store_closed *file)
{
    struct store_tree *tree = &store->tree;
    note_position(store, file->path);
    tree->bytes -= file->bytes;
    tree->count -= tree->count > 0;
    free(file->path);
    file->path = NULL;
}

/* A path that is NULL was forgotten. */
static void close_ranks(struct store_tree *tree)
{
    size_t kept = 0;
    for (size_t i = 0; i < tree->files_count; i++)
        if (at(tree, i)->path)
            *at(tree, kept++) = *at(tree, i);
    tree->files_count = kept;
}

/* Files that were moved away or deleted by hand count no longer, so that no other is deleted for them. Their streams' positions are kept. A part of the tree at a
 * time, and a fiftieth of the time. */
static void look(struct store *store)
{
    struct store_tree *tree = &store->tree;
    const int64_t began = store_now_ns();
    size_t gone = 0, count = tree->files_count < LOOK_FILES ? tree->files_count : LOOK_FILES;
    char first[STORE_PATH_BYTES] = "";
    if (began < tree->look_ns || !count)
        return;
    for (size_t i = 0; i < count; i++) {
        struct store_closed *file = at(tree, (tree->look_next + i) % tree->files_count);
        if (look_at(store, file))
            continue;
        if (!gone++)
            snprintf(first, sizeof(first), "%s", file->path);
        forget(store, file);
    }
    tree->look_next = (tree->look_next + count) % tree->files_count;
    if (gone) {
        close_ranks(tree);
        tree->look_next = 0;
        store->positions_due = true;
        store_positions_write(store);
        store_notice(store, STORE_EVENT_gone, first, gone, 0,
                     "gone, %zu file%s in all: moved away or deleted by somebody else; no longer counted", gone,
                     gone == 1 ? "" : "s");
    }
    const int64_t now = store_now_ns();
    tree->look_ns = now + LOOK_SHARE * (now - began);
}

/* ---- limits ------------------------------------------------------------------------------------------------------------ */

struct totals {
    uint64_t bytes, files;
};

static bool beyond(const struct store_limits *limits, const struct totals *totals, const struct store_closed *file,
                   int64_t now)
{
    return (limits->bytes && totals->bytes > limits->bytes) || (limits->files && totals->files > limits->files) ||
           (limits->age_ns && now - file->written_ns > limits->age_ns);
}

static bool in_set(const struct store_closed *file, const char *set)
{
    const size_t bytes = set ? strlen(set) : 0;
    return !set || (!strncmp(file->path, set, bytes) && file->path[bytes] == '.');
}

/* How many of the oldest have to go; their streams' positions are noted. */
static size_t count_beyond(struct store *store, const struct store_limits *limits, const char *set,
                           struct totals totals)
{
    const int64_t now = store_realtime_ns();
    size_t count = 0;
    for (size_t i = 0; i < store->tree.files_count; i++) {
        const struct store_closed *file = at(&store->tree, i);
        if (!in_set(file, set))
            continue;
        if (!beyond(limits, &totals, file, now))
            break;
        totals.bytes -= file->bytes < totals.bytes ? file->bytes : totals.bytes;
        totals.files -= totals.files > 0;
        note_position(store, file->path);
        count++;
    }
    return count;
}

static void keep_within(struct store *store, const struct store_limits *limits, const char *set, struct totals totals)
{
    if (!limits->bytes && !limits->age_ns && !limits->files)
        return;
    size_t count = count_beyond(store, limits, set, totals);
    if (!count || store_positions_write(store) < 0)
        return; /* without it they stay: an acknowledged stream must not seem new */
    for (size_t i = 0; count && i < store->tree.files_count;) {
        if (!in_set(at(&store->tree, i), set)) {
            i++;
            continue;
        }
        delete_file(store, i);
        count--;
    }
}

static struct totals of_set(const struct store *store, const char *set)
{
    struct totals totals = {0, 0};
    for (size_t i = 0; i < store->tree.files_count; i++) {
        const struct store_closed *file = at(&store->tree, i);
        if (in_set(file, set))
            totals = (struct totals){totals.bytes + file->bytes, totals.files + 1};
    }
    return totals;
}

void store_keep(struct store *store, const char *set)
{
    const struct store_limits *source = &store->options.source;
    look(store);
    if (set && (source->bytes || source->age_ns || source->files))
        keep_within(store, source, set, of_set(store, set));
    const struct totals all = {store->tree.bytes + store->tree.open_bytes, store->tree.count};
    keep_within(store, &store->options.keep, NULL, all);
}
