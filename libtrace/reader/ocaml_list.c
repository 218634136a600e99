/* SPDX-License-Identifier: ISC
 *
 * All rings of OCaml processes that can be seen: those that processes have mapped, and files that ended ones have left where such rings are.
 */
#include "reader/ocaml_input.h"

#include "reader/clock_live.h"
#include "reader/ocaml_names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIRECTORIES_MAX = 64, SEEN_MAX = 4096 };

struct list {
    const char *only; /* what lies elsewhere is not meant; NULL: all */
    int (*visit)(const struct evtrail_ocaml_ring_info *info, void *context);
    void *context;
    int result;
    char directories[DIRECTORIES_MAX][480];
    unsigned directories_count;
    struct {
        ino_t inode;
        dev_t device;
    } seen[SEEN_MAX];
    unsigned seen_count;
};

static bool is_within(const char *path, const char *directory)
{
    const size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static void add_directory(struct list *list, const char *path, size_t length)
{
    if (length == 0 || length >= sizeof(list->directories[0]) || list->directories_count == DIRECTORIES_MAX)
        return;
    for (unsigned i = 0; i < list->directories_count; i++)
        if (strlen(list->directories[i]) == length && strncmp(list->directories[i], path, length) == 0)
            return;
    memcpy(list->directories[list->directories_count], path, length);
    list->directories[list->directories_count++][length] = '\0';
}

static bool is_new(struct list *list, const struct stat *status)
{
    for (unsigned i = 0; i < list->seen_count; i++)
        if (list->seen[i].inode == status->st_ino && list->seen[i].device == status->st_dev)
            return false;
    if (list->seen_count < SEEN_MAX) {
        list->seen[list->seen_count].inode = status->st_ino;
        list->seen[list->seen_count++].device = status->st_dev;
    }
    return true;
}

/* ---- one of them ---- */

static void describe_process(struct evtrail_ocaml_ring_info *info)
{
    char path[64], text[sizeof(info->command)] = "";
    snprintf(path, sizeof(path), "/proc/%u/comm", info->pid);
    FILE *const comm = fopen(path, "re");
    if (comm && fgets(text, sizeof(text), comm))
        text[strcspn(text, "\n")] = '\0';
    if (comm)
        fclose(comm);
    snprintf(info->command, sizeof(info->command), "%s", text);
    snprintf(path, sizeof(path), "/proc/%u/exe", info->pid);
    const ssize_t n = readlink(path, info->program, sizeof(info->program) - 1);
    info->program[n > 0 ? n : 0] = '\0';
    evtrail_ocaml_version_find(path, info->version, sizeof(info->version));
}

static void describe_rings(struct evtrail_ocaml_ring_info *info, const struct evtrail_ocaml_map *map)
{
    info->uid = map->status.st_uid;
    info->domains_most = map->domains;
    info->ring_bytes = map->elements * sizeof(uint64_t);
    info->changed_realtime_ns = map->status.st_mtim.tv_sec * INT64_C(1000000000) + map->status.st_mtim.tv_nsec;
    for (uint32_t i = 0; i < map->domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(map, i, &head, &tail);
        info->domains += tail != 0;
        info->written_bytes += tail * sizeof(uint64_t);
    }
}

/* pid 0: of the ended process in its name. */
static void list_one(struct list *list, uint32_t pid, const char *path)
{
    struct evtrail_ocaml_ring_info info = {.pid = pid, .alive = pid != 0};
    struct evtrail_ocaml_map map;
    struct evtrail_fault fault;
    const char *const slash = strrchr(path, '/');
    if (list->result || (list->only && !is_within(path, list->only)))
        return;
    if (evtrail_ocaml_map_open(&map, path, &fault) < 0)
        return;
    if (is_new(list, &map.status)) {
        info.pid = pid ? pid : (uint32_t)strtoul(slash ? slash + 1 : path, NULL, 10);
        snprintf(info.path, sizeof(info.path), "%s", path);
        if (pid)
            describe_process(&info);
        describe_rings(&info, &map);
        list->result = list->visit(&info, list->context);
    }
    evtrail_ocaml_map_close(&map);
}

/* ---- all ---- */

static void list_processes(struct list *list)
{
    char path[640];
    DIR *const proc = opendir("/proc");
    for (const struct dirent *entry; proc && !list->result && (entry = readdir(proc));) {
        const uint32_t pid = isdigit((unsigned char)entry->d_name[0]) ? (uint32_t)strtoul(entry->d_name, NULL, 10) : 0;
        if (!pid || evtrail_ocaml_find(pid, path, sizeof(path)) < 0 || !evtrail_ocaml_is_own(pid, path))
            continue;
        list_one(list, pid, path);
        if (evtrail_ocaml_is_name(path) && strncmp(path, "/proc/", 6) != 0)
            add_directory(list, path, (size_t)(strrchr(path, '/') - path));
    }
    if (proc)
        closedir(proc);
}

/* Who has it mapped was listed before, unless we may not look: then the process in its name, if there is one, is taken to have it. */
static int list_file(const char *path, void *context)
{
    struct list *const list = context;
    const char *const slash = strrchr(path, '/');
    const uint32_t named = (uint32_t)strtoul(slash ? slash + 1 : path, NULL, 10);
    char maps[64];
    snprintf(maps, sizeof(maps), "/proc/%u/maps", named);
    const bool hidden = kill((pid_t)named, 0) < 0 ? errno == EPERM : false;
    list_one(list, hidden && access(maps, R_OK) < 0 ? named : 0, path);
    return list->result;
}

/* Those of `evtrail record -- PROGRAM` are one deeper. */
static void add_runs(struct list *list, const char *directory)
{
    char path[480];
    DIR *const entries = opendir(directory);
    for (const struct dirent *entry; entries && (entry = readdir(entries));) {
        const int n = strncmp(entry->d_name, "run-", 4) == 0
                          ? snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name)
                          : 0;
        if (n > 0 && (size_t)n < sizeof(path))
            add_directory(list, path, (size_t)n);
    }
    if (entries)
        closedir(entries);
}

int evtrail_ocaml_rings(const char *directory, int (*visit)(const struct evtrail_ocaml_ring_info *info, void *context),
                        void *context)
{
    struct list *const list = calloc(1, sizeof(*list));
    char path[400];
    const char *const own = getenv("OCAML_RUNTIME_EVENTS_DIR");
    if (!list)
        return -ENOMEM;
    list->only = directory;
    list->visit = visit;
    list->context = context;
    if (evtrail_sessions_directory(directory, path, sizeof(path)) == 0) {
        add_directory(list, path, strlen(path));
        add_runs(list, path);
    }
    if (own && !directory)
        add_directory(list, own, strlen(own));
    list_processes(list);
    for (unsigned i = 0; i < list->directories_count && !list->result; i++)
        evtrail_ocaml_visit(list->directories[i], list_file, list);
    const int result = list->result;
    free(list);
    return result;
}
