/* SPDX-License-Identifier: ISC
 *
 * Where a running process has its sessions: by its own EVTRAIL_DIR, in its own root and pid namespace.
 */
#include "reader/reader_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *open_proc(uint32_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
    return fopen(path, "re");
}

/* Its effective user, and its pid as it sees it itself. */
static int read_status(uint32_t pid, uint32_t *ret_uid, uint32_t *ret_pid)
{
    char line[512];
    FILE *status = open_proc(pid, "status");
    if (!status)
        return -errno;
    *ret_pid = pid;
    while (fgets(line, sizeof(line), status)) {
        const char *last = strrchr(line, '\t');
        if (strncmp(line, "Uid:", 4) == 0)
            sscanf(line + 4, "%*u %u", ret_uid);
        if (strncmp(line, "NSpid:", 6) == 0 && last)
            *ret_pid = (uint32_t)strtoul(last, NULL, 10);
    }
    fclose(status);
    return 0;
}

/* The user's number inside the process's user namespace. */
static uint32_t inner_uid(uint32_t pid, uint32_t uid)
{
    unsigned inner, outer, count;
    FILE *map = open_proc(pid, "uid_map");
    while (map && fscanf(map, "%u %u %u", &inner, &outer, &count) == 3)
        if (uid >= outer && uid - outer < count) {
            uid = inner + (uid - outer);
            break;
        }
    if (map)
        fclose(map);
    return uid;
}

/* *ret_value: owned, or NULL: it is not set. */
static int read_variable(uint32_t pid, const char *name, char **ret_value)
{
    char *text = NULL;
    size_t room = 0, bytes = strlen(name);
    FILE *environment = open_proc(pid, "environ");
    *ret_value = NULL;
    if (!environment)
        return -errno;
    while (!*ret_value && getdelim(&text, &room, '\0', environment) > 0)
        if (strncmp(text, name, bytes) == 0 && text[bytes] == '=' && text[bytes + 1])
            *ret_value = strdup(text + bytes + 1);
    free(text);
    fclose(environment);
    return 0;
}

/* Whether a path means the same to it as to us. */
static bool has_our_root(uint32_t pid)
{
    char root[64], names[64];
    struct stat its, ours, its_names, our_names;
    snprintf(root, sizeof(root), "/proc/%u/root", pid);
    snprintf(names, sizeof(names), "/proc/%u/ns/mnt", pid);
    return stat(root, &its) == 0 && stat("/", &ours) == 0 && its.st_dev == ours.st_dev && its.st_ino == ours.st_ino &&
           stat(names, &its_names) == 0 && stat("/proc/self/ns/mnt", &our_names) == 0 &&
           its_names.st_ino == our_names.st_ino;
}

int evtrail_process_directory(uint32_t pid, char *path, size_t bytes, uint32_t *ret_pid)
{
    uint32_t uid = geteuid(), own_pid = pid;
    char *named, proc[64] = "";
    int n, result = read_status(pid, &uid, &own_pid);
    if (result < 0 || (result = read_variable(pid, "EVTRAIL_DIR", &named)) < 0)
        return result;
    if (named && *named != '/')
        snprintf(proc, sizeof(proc), "/proc/%u/cwd/", pid);
    else if (!has_our_root(pid))
        snprintf(proc, sizeof(proc), "/proc/%u/root", pid);
    if (named)
        n = snprintf(path, bytes, "%s%s", proc, named);
    else
        n = snprintf(path, bytes, "%s/dev/shm/evtrail-%u", proc, inner_uid(pid, uid));
    free(named);
    *ret_pid = own_pid;
    return n < 0 || (size_t)n >= bytes ? -ENAMETOOLONG : 0;
}
