/* SPDX-License-Identifier: ISC
 *
 * A tree of trace files, as `evtrail collect` makes one, as one source: each file and each rotated set below a directory is an input of its own. Who follows
 * it gets those that appear later, too.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 12, FILES_MAX = 1 << 20, PATH_BYTES = 4096 };
#define LOOK_NS 500000000u

struct evtrail_tree {
    struct evtrail_tree *next;
    uint64_t looked_ns;
    char **seen; /* paths and names of sets, sorted */
    uint32_t seen_count, seen_room;
    char root[];
};

struct walk {
    struct evtrail_reader *reader;
    struct evtrail_tree *tree;
    char path[PATH_BYTES];
    uint32_t found; /* inputs that were added */
    int error;
};

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Whether it is new; if so it is kept. */
static bool see(struct evtrail_tree *tree, const char *path)
{
    uint32_t low = 0, high = tree->seen_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(tree->seen[middle], path);
        if (order == 0)
            return false;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (tree->seen_count == tree->seen_room) {
        const uint32_t room = tree->seen_room * 2 + 64;
        char **const grown = realloc(tree->seen, room * sizeof(char *));
        if (!grown)
            return false;
        tree->seen = grown;
        tree->seen_room = room;
    }
    char *const kept = tree->seen_count < FILES_MAX ? strdup(path) : NULL;
    if (!kept)
        return false;
    memmove(tree->seen + low + 1, tree->seen + low, (tree->seen_count - low) * sizeof(char *));
    tree->seen[low] = kept;
    tree->seen_count++;
    return true;
}

static void unsee(struct evtrail_tree *tree, const char *path)
{
    char **const at = bsearch(&path, tree->seen, tree->seen_count, sizeof(char *), compare);
    if (!at)
        return;
    free(*at);
    memmove(at, at + 1, (size_t)(tree->seen + tree->seen_count - at - 1) * sizeof(char *));
    tree->seen_count--;
}

/* NAME of NAME.00012.evt into `name`, or all of NAME.evt. False: it is no trace file. */
static bool cut_name(char *name)
{
    char *const end = strrchr(name, '.');
    if (!end || end == name || strcmp(end, ".evt") != 0)
        return false;
    *end = 0;
    char *const dot = strrchr(name, '.');
    const size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    if (dot && dot > name && digits >= 5 && !dot[1 + digits])
        *dot = 0; /* a part: the set's name */
    else
        *end = '.';
    return true;
}

/* One file or set. What cannot be read must not hide the rest; what is still empty is looked at again. */
static void add(struct walk *walk)
{
    struct evtrail_fault fault = {""};
    if (!see(walk->tree, walk->path))
        return;
    const int result = evtrail_file_input_add(walk->reader, walk->path, NULL, 0, &fault);
    walk->found += result == 0;
    if (result == 0)
        return;
    walk->error = result;
    if (walk->reader->options.follow && (result == -EBADMSG || result == -ENOENT))
        unsee(walk->tree, walk->path);
    else
        evtrail_reader_fault(walk->reader, result, &fault);
}

static void visit(struct walk *walk, size_t used, unsigned depth);

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void visit_entry(struct walk *walk, size_t used, const char *name, unsigned depth)
{
    struct stat status;
    const int bytes = snprintf(walk->path + used, sizeof(walk->path) - used, "/%s", name);
    if (bytes < 0 || used + (size_t)bytes >= sizeof(walk->path) || lstat(walk->path, &status) < 0)
        return;
    if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX)
        visit(walk, used + (size_t)bytes, depth + 1);
    else if (S_ISREG(status.st_mode) && cut_name(walk->path + used + 1))
        add(walk);
}

/* walk->path[0..used] is the directory. In the order of names, so that the sources have the same numbers each time. */
static void visit(struct walk *walk, size_t used, unsigned depth)
{
    struct dirent **entries;
    const int count = scandir(walk->path, &entries, visible, alphasort);
    if (count < 0)
        walk->error = -errno;
    for (int i = 0; i < count; i++) {
        visit_entry(walk, used, entries[i]->d_name, depth);
        walk->path[used] = 0;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* Each input has a descriptor or two. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct walk look(struct evtrail_reader *reader, struct evtrail_tree *tree)
{
    struct walk walk = {.reader = reader, .tree = tree};
    snprintf(walk.path, sizeof(walk.path), "%s", tree->root);
    visit(&walk, strlen(walk.path), 0);
    return walk;
}

bool evtrail_tree_is(const char *path)
{
    struct dirent **entries = NULL;
    struct stat status;
    bool below = false, here = false;
    char name[PATH_BYTES];
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    const int count = scandir(path, &entries, visible, NULL);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        below = below || (stat(name, &status) == 0 && S_ISDIR(status.st_mode));
        here = here || cut_name(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return below && !here;
}

static void free_tree(struct evtrail_tree *tree)
{
    for (uint32_t i = 0; i < tree->seen_count; i++)
        free(tree->seen[i]);
    free(tree->seen);
    free(tree);
}

int evtrail_tree_add(struct evtrail_reader *reader, const char *path, struct evtrail_fault *fault)
{
    const size_t bytes = strlen(path) + 1;
    struct evtrail_tree *const tree = calloc(1, sizeof(*tree) + bytes);
    if (!tree)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    memcpy(tree->root, path, bytes);
    raise_limit();
    const struct walk walk = look(reader, tree);
    if (!walk.found && !reader->options.follow) {
        free_tree(tree);
        return evtrail_fault_set(fault, walk.error ? walk.error : -ENOENT,
                                 "%s: no trace files in this directory or below it", path);
    }
    tree->looked_ns = evtrail_monotonic_now();
    tree->next = reader->trees;
    reader->trees = tree;
    return 0;
}

void evtrail_trees_look(struct evtrail_reader *reader)
{
    if (!reader->trees || !reader->options.follow)
        return;
    const uint64_t now = evtrail_monotonic_now();
    for (struct evtrail_tree *tree = reader->trees; tree; tree = tree->next) {
        if (now - tree->looked_ns < LOOK_NS)
            continue;
        look(reader, tree);
        tree->looked_ns = evtrail_monotonic_now();
    }
}

void evtrail_trees_free(struct evtrail_reader *reader)
{
    for (struct evtrail_tree *tree = reader->trees, *next; tree; tree = next) {
        next = tree->next;
        free_tree(tree);
    }
    reader->trees = NULL;
}
