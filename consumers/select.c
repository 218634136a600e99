/* SPDX-License-Identifier: ISC
 *
 * Walks the sessions and picks those that the command line names.
 */
#include "program.h"
#include "select.h"

#include <evtrail/file.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
    const struct args *args;
    selected_fn *visit;
    void *context;
    bool named;     /* only those that -p or --all name */
    bool elsewhere; /* ... and all that are found are such */
    uint64_t visited;
    uint64_t fitted; /* bit i: the i-th -p fitted a session */
    int code;
};

const char *policy_name(unsigned policy)
{
    static const char *const names[] = {"overwrite", "drop", "block", "shed"};
    return policy < 4 ? names[policy] : "?";
}

bool select_fits(const struct evtrail_session_info *info, const char *name)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%u", info->pid);
    const char *const slash = strrchr(info->program, '/');
    return strcmp(name, pid) == 0 || strcmp(name, info->command) == 0 ||
           strcmp(name, slash ? slash + 1 : info->program) == 0;
}

static bool wanted(struct walk *walk, const struct evtrail_session_info *info)
{
    if (!walk->named)
        return true;
    if (!info->alive)
        return false;
    const struct text_list *const list = &walk->args->list[OPT_process];
    bool fits = walk->args->set[OPT_all] || walk->elsewhere;
    for (size_t i = 0; i < list->count; i++) {
        if (!select_fits(info, list->items[i]))
            continue;
        fits = true;
        walk->fitted |= UINT64_C(1) << (i & 63);
    }
    return fits;
}

static int step(const char *path, void *context)
{
    struct walk *const walk = context;
    struct evtrail_session *session;
    struct evtrail_session_info info;
    char *error = NULL;
    int r = evtrail_session_open(&session, path, &error);
    if (r < 0) {
        if (r != -ENOENT && walk->args) /* it may have ended just now */
            warn(NULL, "%s", error ? error : strerror(-r));
        free(error);
        return 0;
    }
    r = evtrail_session_info(session, &info);
    if (r >= 0 && wanted(walk, &info)) {
        walk->visited++;
        walk->code = walk->visit(session, &info, walk->context);
    }
    evtrail_session_close(session);
    return walk->code;
}

/* -p PID of a process that has its sessions elsewhere; or why it fits nothing. */
static int look_elsewhere(struct walk *walk, const char *name)
{
    char *error = NULL;
    const uint64_t visited = walk->visited;
    walk->elsewhere = true;
    const int r = evtrail_sessions_named(walk->args->text[OPT_directory], name, step, walk, &error);
    walk->elsewhere = false;
    if (r < 0 && walk->code == 0)
        walk->code = fail(code_of(r), NULL, "%s", error ? error : strerror(-r));
    else if (walk->code == 0 && walk->visited == visited)
        walk->code = fail(CODE_missing, name, "the process has ended; only its session is left");
    free(error);
    return walk->code;
}

int select_named(const struct args *args, selected_fn *visit, void *context)
{
    const struct text_list *const list = &args->list[OPT_process];
    if (list->count == 0 && !args->set[OPT_all])
        return fail(CODE_usage, NULL, "which process? -p PID|NAME or --all");
    struct walk walk = {.args = args, .visit = visit, .context = context, .named = true};
    evtrail_sessions(args->text[OPT_directory], step, &walk);
    for (size_t i = 0; i < list->count && walk.code == 0; i++)
        if (!(walk.fitted >> (i & 63) & 1))
            look_elsewhere(&walk, list->items[i]);
    return walk.code;
}

int select_all(const struct args *args, const char *directory, selected_fn *visit, void *context)
{
    struct walk walk = {.args = args, .visit = visit, .context = context};
    char path[400] = "EVTRAIL_DIR";
    const int r = evtrail_sessions(directory, step, &walk);
    if (walk.code || r >= 0 || r == -ENOENT)
        return walk.code;
    sessions_directory(directory, path, sizeof path);
    return fail(code_of(r), path, "%s",
                r == -EPERM ? "others may write there, so its sessions are not believed: chmod 700 it" : strerror(-r));
}

/* ---- files ---- */

static bool same_file(const char *path, const struct stat *other)
{
    struct stat status;
    return stat(path, &status) == 0 && status.st_dev == other->st_dev && status.st_ino == other->st_ino;
}

static bool among_files_of(const char *path, const struct stat *output)
{
    char **paths;
    bool found = same_file(path, output);
    const int count = found ? 0 : evtrail_file_list(path, &paths);
    for (int i = 0; i < count && !found; i++)
        found = same_file(paths[i], output);
    if (count > 0)
        evtrail_file_list_free(paths);
    return found;
}

bool is_input(const struct args *args, const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return false;
    bool found = args->set[OPT_against] && among_files_of(args->text[OPT_against], &status);
    for (int i = 0; i < args->operands_count; i++)
        found |= among_files_of(args->operands[i], &status);
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        found |= among_files_of(args->list[OPT_read].items[i], &status);
    return found;
}
