/* SPDX-License-Identifier: ISC
 *
 * A tree of trace files, as `evtrail collect` stores them, for the subcommands that work on whole files.
 */
#ifndef EVTRAIL_CONSUMERS_FILETREE_H
#define EVTRAIL_CONSUMERS_FILETREE_H

#include <stdbool.h>
#include <stddef.h>

struct filetree {
    char **paths; /* in the order of names */
    size_t count, room;
    char failed[4096]; /* a directory that could not be read, "" if all could */
    int error;
};

/* A directory without trace files of its own: with them it is a rotated set. */
bool filetree_is(const char *path);
/* Adds the trace files below it; `sets`: the parts of a rotated set as one, by its name (NAME of NAME.00001.evt). What begins with '.' is left out, links are
 * not followed. 0; -ENOENT: there are none; -ENOMEM. A directory that cannot be read hides no other: see `error`. */
int filetree_list(struct filetree *tree, const char *path, bool sets);
/* One path, as it is. -ENOMEM. */
int filetree_add(struct filetree *tree, const char *path);
void filetree_free(struct filetree *tree);

#endif /* EVTRAIL_CONSUMERS_FILETREE_H */
