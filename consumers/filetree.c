/* SPDX-License-Identifier: ISC
 *
 * Walks a tree of trace files.
 */
#include "filetree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 12 };

struct walk {
    struct filetree *tree;
    bool sets, no_memory;
    char path[4096];
};

static bool is_trace(const char *name)
{
    const char *const end = strrchr(name, '.');
    return end && end != name && strcmp(end, ".evt") == 0;
}

/* NAME.00012.evt becomes NAME. */
static void cut_part(char *name)
{
    char *const end = strrchr(name, '.');
    *end = '\0';
    char *const dot = strrchr(name, '.');
    const size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    if (dot && dot > name && digits >= 5 && !dot[1 + digits])
        *dot = '\0';
    else
        *end = '.';
}

int filetree_add(struct filetree *tree, const char *path)
{
    if (tree->count == tree->room) {
        const size_t room = tree->room * 2 + 64;
        char **const grown = realloc(tree->paths, room * sizeof(char *));
        if (!grown)
            return -ENOMEM;
        tree->paths = grown;
        tree->room = room;
    }
    char *const copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    tree->paths[tree->count++] = copy;
    return 0;
}

static void add(struct walk *walk, char *name)
{
    const struct filetree *const tree = walk->tree;
    if (walk->sets)
        cut_part(name);
    if (!tree->count || strcmp(tree->paths[tree->count - 1], walk->path) != 0)
        walk->no_memory = filetree_add(walk->tree, walk->path) < 0 || walk->no_memory;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void visit(struct walk *walk, size_t used, unsigned depth);

static void visit_entry(struct walk *walk, size_t used, const char *name, unsigned depth)
{
    struct stat status;
    const int bytes = snprintf(walk->path + used, sizeof(walk->path) - used, "/%s", name);
    if (bytes < 0 || used + (size_t)bytes >= sizeof(walk->path) || lstat(walk->path, &status) < 0)
        return;
    if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX)
        visit(walk, used + (size_t)bytes, depth + 1);
    else if (S_ISREG(status.st_mode) && is_trace(name))
        add(walk, walk->path + used + 1);
}

/* walk->path[0..used] is the directory: its files and those below it. */
static void visit(struct walk *walk, size_t used, unsigned depth)
{
    struct dirent **entries;
    const int count = scandir(walk->path, &entries, visible, alphasort);
    if (count < 0 && !walk->tree->error) {
        walk->tree->error = -errno;
        snprintf(walk->tree->failed, sizeof(walk->tree->failed), "%s", walk->path);
    }
    for (int i = 0; i < count; i++) {
        visit_entry(walk, used, entries[i]->d_name, depth);
        walk->path[used] = '\0';
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

bool filetree_is(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    bool found = false;
    DIR *const directory = opendir(path);
    for (const struct dirent *entry; !found && directory && (entry = readdir(directory));)
        found = is_trace(entry->d_name);
    if (directory)
        closedir(directory);
    return !found;
}

int filetree_list(struct filetree *tree, const char *path, bool sets)
{
    struct walk walk = {.tree = tree, .sets = sets};
    const size_t before = tree->count;
    const int bytes = snprintf(walk.path, sizeof(walk.path), "%s", path);
    if ((size_t)bytes >= sizeof(walk.path))
        return -ENAMETOOLONG;
    visit(&walk, (size_t)bytes, 0);
    if (walk.no_memory)
        return -ENOMEM;
    return tree->count > before ? 0 : tree->error ? tree->error : -ENOENT;
}

void filetree_free(struct filetree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        free(tree->paths[i]);
    free(tree->paths);
    *tree = (struct filetree){0};
}
