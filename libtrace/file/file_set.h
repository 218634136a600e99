/* SPDX-License-Identifier: ISC
 *
 * The files of a rotated set.
 */
#ifndef EVTRAIL_FILE_FILE_SET_H
#define EVTRAIL_FILE_FILE_SET_H

#include <stddef.h>
#include <stdint.h>

struct evtrail_set_member {
    char *path;
    char *stem; /* the set's name, without directory */
    uint32_t part;
    uint64_t bytes;
    int64_t age_ns;
};
struct evtrail_set {
    struct evtrail_set_member *members; /* in order */
    size_t count, room;
};
/* The files of set `name` (path, `path.*`), or of all sets in a directory. None is no error. */
int evtrail_set_read(struct evtrail_set *set, const char *name);
void evtrail_set_fini(struct evtrail_set *set);
/* evtrail_file_prune(), but for the file that is being written. */
int evtrail_set_prune(const char *name, const char *open_path, uint64_t keep_bytes, int64_t keep_ns,
                      uint32_t keep_files);

#endif /* EVTRAIL_FILE_FILE_SET_H */
