/* SPDX-License-Identifier: ISC
 *
 * evtrail prune: removes sessions of dead processes, and old trace files.
 */
#include "outbuf.h"
#include "remains.h"
#include "select.h"
#include "skeleton.h"

#include <evtrail/file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REMAINS_S 10u /* a session that is so old and not yet made never will be */

struct ring_file {
    dev_t device;
    ino_t inode;
};
struct pruning {
    struct ring_file *mapped; /* OCaml's rings that processes have mapped */
    size_t mapped_count;
    bool listed;
    const struct args *args;
    int64_t before_ns; /* what was last written to before this is old */
    uint64_t removed, bytes;
    int code;
};

static int64_t modified_ns(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static void say(const struct pruning *pruning, const char *what, const char *path)
{
    if (!pruning->args->set[OPT_quiet])
        warn(path, "%s%s", pruning->args->set[OPT_dry_run] ? "would be " : "", what);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------------- */

static int prune_session(struct evtrail_session *session, const struct evtrail_session_info *info, void *context)
{
    struct pruning *const pruning = context;
    struct stat status;
    if (info->alive || stat(info->path, &status) < 0 || modified_ns(&status) > pruning->before_ns)
        return 0;
    char text[128];
    snprintf(text, sizeof text, "session of %s (%u, dead): removed", shown(info->command), info->pid);
    const int r = pruning->args->set[OPT_dry_run] ? 0 : evtrail_session_remove(session);
    if (r < 0 && r != -EBUSY)
        pruning->code = fail(code_of(r), info->path, "%s", strerror(-r));
    if (r < 0)
        return 0;
    say(pruning, text, info->path);
    pruning->removed++;
    pruning->bytes += (uint64_t)status.st_blocks * 512;
    return 0;
}

static int list_mapped(const struct evtrail_ocaml_ring_info *info, void *context)
{
    struct pruning *const pruning = context;
    struct stat status;
    if (!info->alive || stat(info->path, &status) < 0)
        return 0;
    struct ring_file *const more = realloc(pruning->mapped, (pruning->mapped_count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    pruning->mapped = more;
    more[pruning->mapped_count++] = (struct ring_file){status.st_dev, status.st_ino};
    return 0;
}

/* In a container the process may be called otherwise than here: so it is looked for in what processes map, too. */
static bool is_alive(struct pruning *pruning, int pid, const struct stat *status)
{
    if (kill(pid, 0) == 0 || errno != ESRCH)
        return true;
    if (!pruning->listed && evtrail_ocaml_rings(NULL, list_mapped, pruning) < 0)
        return true;
    pruning->listed = true;
    for (size_t i = 0; i < pruning->mapped_count; i++)
        if (pruning->mapped[i].device == status->st_dev && pruning->mapped[i].inode == status->st_ino)
            return true;
    return false;
}

/* What a killed OCaml program, or its killed reader, left: it is named by the process. */
static void prune_ring(struct pruning *pruning, const char *directory, const char *name)
{
    int pid, end = 0;
    char path[960], text[64];
    struct stat status;
    const int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (sscanf(name, "%d.events%n", &pid, &end) != 1 || end == 0 || name[end] || pid <= 0 || n < 0 ||
        (size_t)n >= sizeof path || lstat(path, &status) < 0 || !S_ISREG(status.st_mode) ||
        modified_ns(&status) > pruning->before_ns || is_alive(pruning, pid, &status))
        return;
    if (!pruning->args->set[OPT_dry_run] && unlink(path) < 0) {
        pruning->code = fail(code_of(-errno), path, "%s", strerror(errno));
        return;
    }
    snprintf(text, sizeof text, "OCaml's events of %d (dead): removed", pid);
    say(pruning, text, path);
    pruning->removed++;
    pruning->bytes += (uint64_t)status.st_blocks * 512;
}

static void prune_rings(struct pruning *pruning, const char *path)
{
    DIR *const directory = opendir(path);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        prune_ring(pruning, path, entry->d_name);
    if (directory)
        closedir(directory);
}

/* Directories of `record -- PROGRAM` whose recorder is gone; rmdir() spares those that still hold a session. */
static void prune_directories(struct pruning *pruning)
{
    char base[400], path[700];
    const struct args *const args = pruning->args;
    if (sessions_directory(args->text[OPT_directory], base, sizeof base) < 0)
        return;
    DIR *const directory = opendir(base);
    if (!directory)
        return;
    prune_rings(pruning, base);
    for (const struct dirent *entry; (entry = readdir(directory));) {
        int pid;
        if (sscanf(entry->d_name, "run-%d-", &pid) != 1 || pid <= 0 || (kill(pid, 0) == 0 || errno != ESRCH))
            continue;
        snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        prune_rings(pruning, path);
        if (args->set[OPT_dry_run])
            continue;
        while (remains_remove(path, REMAINS_S) > 0)
            ;
        remains_unwatched(path);
        rmdir(path);
    }
    closedir(directory);
    while (!args->set[OPT_dry_run] && remains_remove(base, REMAINS_S) > 0)
        ;
    if (!args->set[OPT_dry_run])
        remains_unwatched(base);
}

/* ---- files ------------------------------------------------------------------------------------------------------------- */

struct old_file {
    char *path;
    int64_t modified_ns;
    uint64_t bytes;
};
struct old_files {
    struct old_file *items;
    size_t count;
};

static int by_age(const void *a, const void *b)
{
    const struct old_file *const x = a, *const y = b;
    if (x->modified_ns != y->modified_ns)
        return x->modified_ns < y->modified_ns ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* Nobody has it open for writing: the kernel grants a read lease only then. */
static bool at_rest(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return true; /* removing it will tell */
    const int r = fcntl(fd, F_SETLEASE, F_RDLCK);
    const bool busy = r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    close(fd);
    return !busy;
}

/* Refuses what is no trace file: a wildcard may have caught more than was meant. */
static int file_check(struct pruning *pruning, const char *path)
{
    struct evtrail_file_cursor *cursor;
    const struct evtrail_file_cursor_options options = {.bytes = sizeof options};
    char *error = NULL;
    const int r = evtrail_file_cursor_open(&cursor, path, &options, &error);
    if (r < 0)
        pruning->code = fail(code_of(r), error ? NULL : path, "%s", error ? error : strerror(-r));
    else
        evtrail_file_cursor_close(cursor);
    free(error);
    return r;
}

static int file_add(struct pruning *pruning, struct old_files *files, const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0) {
        pruning->code = fail(code_of(-errno), path, "%s", strerror(errno));
        return 0;
    }
    if (!S_ISREG(status.st_mode) || file_check(pruning, path) < 0 || !at_rest(path))
        return 0;
    struct old_file *const items = realloc(files->items, (files->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    files->items = items;
    items[files->count] = (struct old_file){strdup(path), modified_ns(&status), (uint64_t)status.st_size};
    return items[files->count++].path ? 0 : -ENOMEM;
}

static int files_list(struct pruning *pruning, struct old_files *files)
{
    for (int i = 0; i < pruning->args->operands_count; i++) {
        char **paths;
        const int count = evtrail_file_list(pruning->args->operands[i], &paths);
        if (count < 0) {
            pruning->code = fail(code_of(count), pruning->args->operands[i], "%s", strerror(-count));
            continue;
        }
        int r = 0;
        for (int j = 0; j < count && r == 0; j++)
            r = file_add(pruning, files, paths[j]);
        evtrail_file_list_free(paths);
        if (r < 0)
            return r;
    }
    return 0;
}

static void remove_file(struct pruning *pruning, const struct old_file *file)
{
    if (!pruning->args->set[OPT_dry_run] && unlink(file->path) < 0) {
        pruning->code = fail(code_of(-errno), file->path, "%s", strerror(errno));
        return;
    }
    say(pruning, "removed", file->path);
    pruning->removed++;
    pruning->bytes += file->bytes;
}

static void remove_old(struct pruning *pruning, const struct old_files *files)
{
    const struct args *const args = pruning->args;
    uint64_t left = 0;
    for (size_t i = 0; i < files->count; i++)
        left += files->items[i].bytes;
    for (size_t i = 0; i < files->count; i++) {
        const bool old = args->set[OPT_older] && files->items[i].modified_ns < pruning->before_ns;
        const bool large = args->set[OPT_prune_size] && left > (uint64_t)args->number[OPT_prune_size];
        const bool many = args->set[OPT_prune_files] && files->count - i > (size_t)args->number[OPT_prune_files];
        if (!old && !large && !many)
            break;
        left -= files->items[i].bytes;
        remove_file(pruning, &files->items[i]);
    }
}

static void prune_files(struct pruning *pruning)
{
    struct old_files files = {0};
    if (files_list(pruning, &files) < 0) {
        pruning->code = fail(CODE_system, NULL, "out of memory");
    } else if (files.count > 0) {
        qsort(files.items, files.count, sizeof *files.items, by_age);
        remove_old(pruning, &files);
    }
    for (size_t i = 0; i < files.count; i++)
        free(files.items[i].path);
    free(files.items);
}

int run_prune(const struct args *args)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct pruning pruning = {.args = args};
    pruning.before_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - args->number[OPT_older];
    if (args->operands_count == 0 && (args->set[OPT_prune_size] || args->set[OPT_prune_files]))
        return fail(CODE_usage, NULL, "--keep-size and --keep-files are for files; name them");
    if (args->operands_count > 0 && !args->set[OPT_older] && !args->set[OPT_prune_size] && !args->set[OPT_prune_files])
        return fail(CODE_usage, NULL, "which of them? --older TIME, --keep-size BYTES or --keep-files N");
    if (args->operands_count > 0) {
        prune_files(&pruning);
    } else {
        const int code = select_all(NULL, args->text[OPT_directory], prune_session, &pruning);
        pruning.code = pruning.code ? pruning.code : code;
        prune_directories(&pruning);
        free(pruning.mapped);
    }
    if (!args->set[OPT_quiet])
        warn(NULL, "%s%" PRIu64 " removed, %s", args->set[OPT_dry_run] ? "would have been: " : "", pruning.removed,
             human_bytes((double)pruning.bytes));
    return pruning.code;
}
