/* SPDX-License-Identifier: ISC
 *
 * Opens a trace file, a stream or a set for reading, and goes from file to file of a set.
 */
#include "file/file_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *evtrail_part_refusal(int error)
{
    return error == -EBADMSG   ? "not a trace file"
           : error == -ENODATA ? "empty: its recorder has written nothing yet"
                               : strerror(-error);
}

int evtrail_part_refuse(struct evtrail_file_cursor *cursor, struct evtrail_part *part, int error)
{
    evtrail_cursor_fault(cursor, part->path, "left out: %s", evtrail_part_refusal(error));
    evtrail_part_close(part);
    return -EBADMSG;
}

void evtrail_cursor_explain(char **ret_error, const char *path, int error)
{
    const char *what = evtrail_part_refusal(error), *todo = "";
    if (error == -EBADMSG) {
        what = "not a trace file: no intact frame of one was found";
        todo = "; `evtrail record -o FILE` writes them";
    } else if (error == -EPROTONOSUPPORT) {
        what = "written in a newer version of the format than version 1";
        todo = "; read it with a newer evtrail";
    } else if (error == -ENOENT) {
        struct stat status;
        what = stat(path, &status) == 0 && S_ISDIR(status.st_mode)
                   ? "no rotated set (NAME.00001.evt, ...) is in this directory; name its files"
                   : "no such file, directory or set (NAME of NAME.00001.evt)";
    }
    if (ret_error && asprintf(ret_error, "%s: %s%s", evtrail_cursor_shown(path), what, todo) < 0)
        *ret_error = NULL;
}

/* ---- open, close ------------------------------------------------------------------------------------------------ */

static int allocate(struct evtrail_file_cursor *cursor, const char *path)
{
    cursor->name = strdup(path);
    cursor->scratch = malloc(EVTRAIL_SCRATCH_BYTES);
    cursor->compressed = malloc(EVTRAIL_COMPRESSED_BYTES_MAX);
    cursor->content = malloc(EVTRAIL_BATCH_CONTENT_MAX);
    cursor->zstd = ZSTD_createDCtx();
    if (!cursor->name || !cursor->scratch || !cursor->compressed || !cursor->content || !cursor->zstd)
        return -ENOMEM;
    return evtrail_decoder_new(&cursor->decoder);
}

/* The next file of the list becomes the current part; the one behind it is looked at already, for the horizon. 1:
 * there is one. */
int evtrail_cursor_next_part(struct evtrail_file_cursor *cursor)
{
    cursor->parts++;
    cursor->unclosed += cursor->current.open && !cursor->current.closed;
    evtrail_part_close(&cursor->current);
    cursor->header_valid = cursor->untold = false;
    cursor->current = cursor->following;
    cursor->following = (struct evtrail_part){0};
    int r = cursor->current.open;
    while (!r && cursor->next_path < cursor->paths_count) {
        const char *path = cursor->paths[cursor->next_path++];
        r = evtrail_part_open(cursor, &cursor->current, path);
        if (r < 0 && cursor->paths_count > 1 && r != -ENOMEM)
            return evtrail_cursor_fault(cursor, path, "left out: %s", evtrail_part_refusal(r));
        r = r < 0 ? r : 1;
    }
    if (r == 1 && cursor->next_path < cursor->paths_count &&
        evtrail_part_open(cursor, &cursor->following, cursor->paths[cursor->next_path]) == 0)
        cursor->next_path++;
    return r;
}

/* NAME.current, a symlink to a file of the set NAME: who follows it goes on with the set's next file, from that one on. 1: it is
 * one. */
static int list_current(struct evtrail_file_cursor *cursor, const char *path)
{
    char target[256];
    const size_t bytes = strlen(path), suffix = strlen(".current");
    const ssize_t n = bytes > suffix && !strcmp(path + bytes - suffix, ".current") ? readlink(path, target, 255) : -1;
    if (n <= 0)
        return 0;
    target[n] = 0;
    char *name = strndup(path, bytes - suffix);
    const int count = name ? evtrail_file_list(name, &cursor->paths) : -ENOMEM;
    int at = 0;
    for (; at < count; at++) {
        const char *slash = strrchr(cursor->paths[at], '/');
        if (!strcmp(slash ? slash + 1 : cursor->paths[at], target))
            break;
    }
    if (count <= 0 || at == count) {
        if (count > 0)
            evtrail_file_list_free(cursor->paths);
        cursor->paths = NULL;
        free(name);
        return count == -ENOMEM ? count : 0;
    }
    free(cursor->name);
    cursor->name = name;
    cursor->paths_count = count;
    cursor->next_path = at;
    return 1;
}

static int list_parts(struct evtrail_file_cursor *cursor)
{
    const uint32_t count = cursor->options.parts_count;
    if (count > INT32_MAX || !(cursor->paths = calloc((size_t)count + 1, sizeof(*cursor->paths))))
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (!(cursor->paths[i] = strdup(cursor->options.parts[i])))
            return -ENOMEM;
    return cursor->paths_count = (int)count;
}

static int list_paths(struct evtrail_file_cursor *cursor, const char *path)
{
    if (cursor->options.parts)
        return list_parts(cursor);

    const int r = cursor->options.follow ? list_current(cursor, path) : 0;
    return r ? r : (cursor->paths_count = evtrail_file_list(path, &cursor->paths));
}

int evtrail_file_cursor_open(struct evtrail_file_cursor **ret_cursor, const char *path,
                             const struct evtrail_file_cursor_options *options, char **ret_error)
{
    struct evtrail_file_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return -ENOMEM;
    if (options)
        memcpy(&cursor->options, options,
               options->bytes && options->bytes < sizeof(*options) ? options->bytes : sizeof(*options));
    int r = allocate(cursor, path);
    if (r == 0)
        r = list_paths(cursor, path);
    if (r > 0) {
        r = evtrail_cursor_next_part(cursor);
        while (r == -EBADMSG && cursor->next_path < cursor->paths_count)
            r = evtrail_cursor_next_part(cursor);
    }
    if (r <= 0) {
        evtrail_cursor_explain(ret_error, path, r == 0 ? -EBADMSG : r);
        evtrail_file_cursor_close(cursor);
        return r == 0 || r == -ENODATA ? -EBADMSG : r;
    }
    *ret_cursor = cursor;
    return 0;
}

bool evtrail_cursor_ended(const struct evtrail_file_cursor *cursor)
{
    const struct evtrail_part *part = &cursor->current;
    return cursor->paths_count == 1 && !strcmp(cursor->paths[0], cursor->name) &&
           (!part->open || part->closed || ((part->left || part->input.ended) && part->complete));
}

void evtrail_file_cursor_close(struct evtrail_file_cursor *cursor)
{
    if (!cursor)
        return;
    evtrail_part_close(&cursor->current);
    evtrail_part_close(&cursor->following);
    evtrail_cursor_free_sources(cursor);
    evtrail_file_list_free(cursor->paths);
    evtrail_decoder_free(cursor->decoder);
    ZSTD_freeDCtx(cursor->zstd);
    free(cursor->rings);
    free(cursor->scratch);
    free(cursor->compressed);
    free(cursor->content);
    free(cursor->name);
    free(cursor);
}

/* Files that were added to the set since it was listed. */
void evtrail_cursor_list_again(struct evtrail_file_cursor *cursor)
{
    char **paths;
    const char *last = cursor->paths[cursor->paths_count - 1]; /* the current part, unless that was left out */
    if (!strcmp(last, cursor->name) || cursor->options.parts)
        return;
    const int count = evtrail_file_list(cursor->name, &paths);
    int next = 0;
    if (count < 0)
        return;
    while (next < count && strcmp(paths[next], last))
        next++;
    if (next == count) { /* ours was deleted: go on with what is newer by name */
        for (next = 0; next < count && strcmp(paths[next], last) < 0; next++)
            ;
        next--;
    }
    evtrail_file_list_free(cursor->paths);
    cursor->paths = paths;
    cursor->paths_count = count;
    cursor->next_path = next + 1;
}
