/* SPDX-License-Identifier: ISC
 *
 * Writing a rotated set: NAME.00001.evt, NAME.00002.evt, ..., each readable alone, NAME.current a symlink to the
 * newest.
 */
#include "file/file_writer.h"

#include "file/file_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t evtrail_file_random(void)
{
    uint64_t number = 0;
    if (getrandom(&number, sizeof(number), 0) != sizeof(number) || !number)
        number = (uint64_t)evtrail_file_now() ^ (uint64_t)getpid() << 32 ^ 1;
    return number;
}

bool evtrail_file_rotates(const struct evtrail_file_options *options)
{
    return options->rotate || options->rotate_bytes || options->rotate_ns > 0 || options->keep_bytes ||
           options->keep_ns > 0 || options->keep_files || options->place;
}

/* NAME.current -> the newest file, in one step. What is there and is no symlink is left alone. */
static void point_current(const struct evtrail_file *file)
{
    char *link = NULL, *temporary = NULL;
    struct stat status;
    const char *target = strrchr(file->path, '/') ? strrchr(file->path, '/') + 1 : file->path;
    if (asprintf(&link, "%s.current", file->name) < 0)
        link = NULL;
    if (asprintf(&temporary, "%s.current.%d", file->name, (int)getpid()) < 0)
        temporary = NULL;
    const bool ours = link && (lstat(link, &status) < 0 || S_ISLNK(status.st_mode));
    if (ours && temporary && symlink(target, temporary) == 0 && rename(temporary, link) < 0)
        unlink(temporary);
    free(link);
    free(temporary);
}

/* Where the caller wants it. */
static int open_placed(struct evtrail_file *file)
{
    char path[4096] = "";
    if (file->part == UINT32_MAX)
        return -EOVERFLOW;
    file->part++;
    const int r = file->options.place(file->options.place_context, file->part, path, sizeof(path));
    char *copy = r < 0 ? NULL : strdup(path);
    if (!copy)
        return r < 0 ? r : -ENOMEM;
    free(file->path);
    file->path = copy;
    return evtrail_file_open_part(file, true);
}

/* Numbers that are taken meanwhile are passed over. */
static int open_next(struct evtrail_file *file)
{
    int r = -EEXIST;
    for (unsigned tries = 0; r == -EEXIST && tries < 1000; tries++) {
        char *path;
        if (file->part == UINT32_MAX)
            return -EOVERFLOW;
        file->part++;
        if (asprintf(&path, "%s.%05u.evt", file->name, file->part) < 0)
            return -ENOMEM;
        free(file->path);
        file->path = path;
        r = evtrail_file_open_part(file, false);
    }
    return r;
}

static int open_and_tidy(struct evtrail_file *file)
{
    const struct evtrail_file_options *options = &file->options;
    if (options->place)
        return open_placed(file);
    const int r = open_next(file);
    if (r < 0)
        return r;
    point_current(file);
    if (options->keep_bytes || options->keep_ns > 0 || options->keep_files) {
        const int deleted =
            evtrail_set_prune(file->name, file->path, options->keep_bytes, options->keep_ns, options->keep_files);
        file->stats.files_deleted += deleted > 0 ? (uint64_t)deleted : 0;
    }
    return 0;
}

int evtrail_file_rotation_start(struct evtrail_file *file)
{
    struct evtrail_set set = {0};
    const int r = file->options.place ? 0 : evtrail_set_read(&set, file->name);
    if (r < 0)
        return r;
    file->part = set.count ? set.members[set.count - 1].part : 0;
    evtrail_set_fini(&set);
    file->set_id = file->options.file_id ? file->options.file_id : evtrail_file_random();
    return open_and_tidy(file);
}

/* What the end of the file will take. */
static size_t tail_bytes(const struct evtrail_file *file)
{
    return 256 + file->sources_count * 64 + file->index.entries_count * EVTRAIL_INDEX_ENTRY_BYTES +
           file->index.seeks_count * 8;
}

int evtrail_file_rotation_step(struct evtrail_file *file, size_t more)
{
    const struct evtrail_file_options *options = &file->options;
    if (!evtrail_file_rotates(options) || !file->part_batches)
        return 0;
    const uint64_t bytes = evtrail_output_offset(file->output) + more + tail_bytes(file);
    const bool large = options->rotate_bytes && bytes > options->rotate_bytes;
    const bool old = options->rotate_ns > 0 && evtrail_file_now() - file->part_opened_ns >= options->rotate_ns;
    if (!large && !old)
        return 0;
    evtrail_file_close_part(file);
    return file->stats.error ? file->stats.error : open_and_tidy(file);
}

int evtrail_file_next_part(struct evtrail_file *file)
{
    if (!evtrail_file_rotates(&file->options))
        return -EINVAL;
    const int r = evtrail_file_flush(file);
    if (r < 0 || !file->part_batches)
        return r;
    evtrail_file_close_part(file);
    return file->stats.error ? file->stats.error : open_and_tidy(file);
}
