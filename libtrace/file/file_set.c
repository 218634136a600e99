/* SPDX-License-Identifier: ISC
 *
 * Rotated sets: which files are NAME.NNNNN.evt, in order, and which of them retention gives up.
 */
#include "file/file_set.h"
#include "file/grow.h"

#include <evtrail/file.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MEMBERS_MAX = 1 << 20 };

/* "NAME.00012.evt" behind "NAME": 12; 0 if it is not that. Five digits or, above 99,999, more. */
static uint32_t part_of(const char *suffix)
{
    uint64_t number = 0;
    unsigned digits = 0;
    if (*suffix++ != '.')
        return 0;
    for (; *suffix >= '0' && *suffix <= '9' && digits < 10; digits++)
        number = number * 10 + (uint64_t)(*suffix++ - '0');
    return digits >= 5 && !strcmp(suffix, ".evt") && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static int compare(const void *left, const void *right)
{
    const struct evtrail_set_member *a = left, *b = right;
    const int names = strcmp(a->stem, b->stem);
    return names ? names : a->part < b->part ? -1 : a->part > b->part;
}

static void fini_member(struct evtrail_set_member *member)
{
    free(member->path);
    free(member->stem);
}

void evtrail_set_fini(struct evtrail_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        fini_member(&set->members[i]);
    free(set->members);
    *set = (struct evtrail_set){0};
}

static int add(struct evtrail_set *set, const char *directory, const char *name, size_t stem_bytes, uint32_t part)
{
    if (set->count == MEMBERS_MAX)
        return -ENFILE;
    if (!grow(&set->members, set->count, &set->room, sizeof(*set->members)))
        return -ENOMEM;
    struct evtrail_set_member member = {.part = part, .stem = strndup(name, stem_bytes)};
    if (!member.stem || asprintf(&member.path, "%s%s%s", directory, *directory ? "/" : "", name) < 0) {
        free(member.stem);
        return -ENOMEM;
    }
    set->members[set->count++] = member;
    return 0;
}

/* The part number of a directory's entry if it belongs to set `stem` ("": to any), else 0. */
static uint32_t belongs(const char *name, const char *stem, size_t *ret_stem_bytes)
{
    const char *suffix = name + strlen(stem);
    if (strncmp(name, stem, strlen(stem)))
        return 0;
    if (!*stem) { /* the suffix begins at the last '.' but one */
        const char *dot = strrchr(name, '.');
        while (dot && dot > name && dot[-1] != '.')
            dot--;
        suffix = dot && dot > name ? dot - 1 : name;
    }
    *ret_stem_bytes = (size_t)(suffix - name);
    return part_of(suffix);
}

static int read_directory(struct evtrail_set *set, const char *directory, const char *stem)
{
    DIR *stream = opendir(*directory ? directory : ".");
    if (!stream)
        return -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(stream));) {
        size_t stem_bytes;
        const uint32_t part = belongs(entry->d_name, stem, &stem_bytes);
        if (part)
            r = add(set, directory, entry->d_name, stem_bytes, part);
    }
    closedir(stream);
    if (r == 0 && set->count)
        qsort(set->members, set->count, sizeof(*set->members), compare);
    return r;
}

int evtrail_set_read(struct evtrail_set *set, const char *name)
{
    struct stat status;
    *set = (struct evtrail_set){0};
    const char *slash = strrchr(name, '/');
    char *directory = slash ? strndup(name, slash == name ? 1 : (size_t)(slash - name)) : strdup("");
    char *stem = strdup(slash ? slash + 1 : name);
    int r = directory && stem ? 0 : -ENOMEM;
    if (r == 0 && stat(name, &status) == 0 && S_ISDIR(status.st_mode)) {
        r = read_directory(set, name, "");
    } else if (r == 0) {
        const size_t bytes = strlen(stem);
        if (bytes > 2 && !strcmp(stem + bytes - 2, ".*"))
            stem[bytes - 2] = 0;
        r = *stem ? read_directory(set, directory, stem) : -ENOENT;
    }
    free(directory);
    free(stem);
    if (r < 0)
        evtrail_set_fini(set);
    return r;
}

int evtrail_file_list(const char *path, char ***ret_paths)
{
    struct evtrail_set set = {0};
    struct stat status;
    const bool one = !strcmp(path, "-") || (stat(path, &status) == 0 && !S_ISDIR(status.st_mode));
    int r = one ? 0 : evtrail_set_read(&set, path);
    if (r < 0)
        return r;
    if (!one && !set.count)
        return -ENOENT;
    const size_t count = one ? 1 : set.count;
    char **paths = calloc(count + 1, sizeof(*paths));
    if (paths && one)
        paths[0] = strdup(path);
    for (size_t i = 0; paths && i < set.count; i++) {
        paths[i] = set.members[i].path;
        set.members[i].path = NULL;
    }
    evtrail_set_fini(&set);
    if (!paths || !paths[0]) {
        free(paths);
        return -ENOMEM;
    }
    *ret_paths = paths;
    return (int)count;
}

void evtrail_file_list_free(char **paths)
{
    for (char **path = paths; path && *path; path++)
        free(*path);
    free(paths);
}

/* Deletes from the oldest on. `open_path` stays, and what is counted of it. */
int evtrail_set_prune(const char *name, const char *open_path, uint64_t keep_bytes, int64_t keep_ns,
                      uint32_t keep_files)
{
    struct evtrail_set set;
    int r = evtrail_set_read(&set, name), deleted = 0;
    if (r < 0)
        return r;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t bytes = 0;
    for (size_t i = 0; i < set.count; i++) {
        struct stat status;
        struct evtrail_set_member *member = &set.members[i];
        const bool there = lstat(member->path, &status) == 0 && S_ISREG(status.st_mode);
        member->bytes = there ? (uint64_t)status.st_size : 0;
        member->age_ns =
            there ? (now.tv_sec - status.st_mtim.tv_sec) * INT64_C(1000000000) + (now.tv_nsec - status.st_mtim.tv_nsec)
                  : 0;
        bytes += member->bytes;
    }
    for (size_t i = 0; i < set.count; i++) {
        const struct evtrail_set_member *member = &set.members[i];
        const bool wanted = (!keep_bytes || bytes <= keep_bytes) && (!keep_ns || member->age_ns <= keep_ns) &&
                            (!keep_files || set.count - i <= keep_files);
        if (wanted)
            break;
        if ((open_path && !strcmp(open_path, member->path)) || unlink(member->path) < 0)
            continue;
        bytes -= member->bytes;
        deleted++;
    }
    evtrail_set_fini(&set);
    return deleted;
}

int evtrail_file_prune(const char *path, uint64_t keep_bytes, int64_t keep_ns, uint32_t keep_files)
{
    return evtrail_set_prune(path, NULL, keep_bytes, keep_ns, keep_files);
}
