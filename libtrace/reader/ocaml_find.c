/* SPDX-License-Identifier: ISC
 *
 * Finds the ring of an OCaml process from outside: it is mapped, so /proc/PID/maps has it, whatever the directory, and also when its file was
 * removed.
 */
#include "reader/ocaml_input.h"

#include "reader/clock_live.h"
#include "reader/ocaml_follow.h"
#include "reader/ocaml_names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOOK_EVERY_NS 200000000u

static const char suffix[] = ".events", deleted[] = " (deleted)";

bool evtrail_ocaml_is_name(const char *name)
{
    const char *const slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    const size_t digits = strspn(name, "0123456789");
    return digits > 0 && strcmp(name + digits, suffix) == 0;
}

bool evtrail_ocaml_is_path(const char *path)
{
    const size_t length = strlen(path);
    uint64_t header[8];
    struct stat status;
    if (length >= sizeof(suffix) && strcmp(path + length - (sizeof(suffix) - 1), suffix) == 0)
        return true;
    if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
        return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const bool is = fd >= 0 && read(fd, header, sizeof(header)) == (ssize_t)sizeof(header) &&
                    evtrail_ocaml_is_header(header, sizeof(header));
    if (fd >= 0)
        close(fd);
    return is;
}

struct mapping {
    unsigned long start, end;
    unsigned major, minor;
    unsigned long inode;
    char path[480];
    bool deleted;
};

/* Calls `visit` for each shared mapping of a file; stops when it returns true. */
static bool each_mapping(uint32_t pid, bool (*visit)(const struct mapping *mapping, void *context), void *context)
{
    char name[64], *line = NULL;
    size_t room = 0;
    bool stopped = false;
    snprintf(name, sizeof(name), "/proc/%u/maps", pid);
    FILE *const maps = fopen(name, "re");
    while (maps && !stopped && getline(&line, &room, maps) > 0) {
        struct mapping m = {0};
        char rights[8] = "";
        int at = 0;
        if (sscanf(line, "%lx-%lx %7s %*x %x:%x %lu %n", &m.start, &m.end, rights, &m.major, &m.minor, &m.inode, &at) <
                6 ||
            !at || rights[3] != 's')
            continue;
        line[strcspn(line, "\n")] = '\0';
        char *const path = line + at;
        size_t length = strlen(path);
        m.deleted = length > sizeof(deleted) && strcmp(path + length - (sizeof(deleted) - 1), deleted) == 0;
        if (m.deleted)
            path[length -= sizeof(deleted) - 1] = '\0';
        if (length >= sizeof(m.path))
            continue;
        memcpy(m.path, path, length + 1);
        stopped = visit(&m, context);
    }
    free(line);
    if (maps)
        fclose(maps);
    return stopped;
}

struct look {
    uint32_t pid;
    char *path;
    size_t bytes;
    const struct stat *status;
    const char *file; /* that `status` is of */
    bool seen;        /* a ring, which may be none that can be opened */
};

/* Where the kernel shows the mapping itself (to root) it says which file that is. Else the mapping's device and inode number do; but on btrfs and overlayfs its
 * device is not the one that stat gives. */
static bool is_mapped(uint32_t pid, const struct mapping *m, const char *path, const struct stat *status)
{
    struct stat itself;
    struct statfs fs;
    char name[96];
    snprintf(name, sizeof(name), "/proc/%u/map_files/%lx-%lx", pid, m->start, m->end);
    if (stat(name, &itself) == 0)
        return status->st_ino == itself.st_ino && status->st_dev == itself.st_dev;
    if (status->st_ino != m->inode)
        return false;
    return status->st_dev == makedev(m->major, m->minor) ||
           (statfs(path, &fs) == 0 && (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC));
}

static bool has_header(const char *path)
{
    uint64_t header[8];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const bool is = fd >= 0 && read(fd, header, sizeof(header)) == (ssize_t)sizeof(header) && header[0] <= 1;
    if (fd >= 0)
        close(fd);
    return is;
}

/* By its path, in the process's own root (containers) before ours, where another file may have it; else by the mapping itself, which may be
 * for root alone to open. If both are the same file, the path is ours. */
static bool take_ring(const struct mapping *m, void *context)
{
    static const int order[] = {1, 0, 2};
    struct look *const look = context;
    struct stat status, ours;
    if (!evtrail_ocaml_is_name(m->path))
        return false;
    look->seen = true;
    for (int i = m->deleted ? 2 : 0; i < 3; i++) {
        const int n = order[i] == 0   ? snprintf(look->path, look->bytes, "%s", m->path)
                      : order[i] == 1 ? snprintf(look->path, look->bytes, "/proc/%u/root%s", look->pid, m->path)
                                      : snprintf(look->path, look->bytes, "/proc/%u/map_files/%lx-%lx", look->pid,
                                                 m->start, m->end);
        if (n <= 0 || (size_t)n >= look->bytes || stat(look->path, &status) < 0)
            continue;
        if ((order[i] != 2 && !is_mapped(look->pid, m, look->path, &status)) || !has_header(look->path))
            continue;
        if (order[i] == 1 && stat(m->path, &ours) == 0 && ours.st_ino == status.st_ino && ours.st_dev == status.st_dev)
            snprintf(look->path, look->bytes, "%s", m->path);
        return true;
    }
    return false;
}

int evtrail_ocaml_find(uint32_t pid, char *path, size_t bytes)
{
    struct look look = {.pid = pid, .path = path, .bytes = bytes};
    if (each_mapping(pid, take_ring, &look))
        return 0;
    return look.seen ? -ESTALE : -ENOENT;
}

static bool is_file(const struct mapping *m, void *context)
{
    const struct look *const look = context;
    return evtrail_ocaml_is_name(m->path) && is_mapped(look->pid, m, look->file, look->status);
}

bool evtrail_ocaml_maps(uint32_t pid, const char *path, const struct stat *status)
{
    struct look look = {.pid = pid, .status = status, .file = path};
    return each_mapping(pid, is_file, &look);
}

/* The runtime asks for this variable. */
bool evtrail_ocaml_is_program(const char *path, char *version, size_t bytes)
{
    static const char variable[] = "OCAML_RUNTIME_EVENTS_START";
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    bool is = false;
    *version = '\0';
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        const size_t size = (size_t)status.st_size;
        void *const map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            is = memmem(map, size, variable, sizeof(variable)) != NULL;
            if (is)
                evtrail_ocaml_version_scan(map, size, version, bytes);
            munmap(map, size);
        }
    }
    close(fd);
    return is;
}

/* ---- by pid or name ---- */

static void say_why(uint32_t pid, struct evtrail_fault *fault)
{
    char path[64], version[48];
    snprintf(path, sizeof(path), "/proc/%u/exe", pid);
    if (evtrail_ocaml_is_program(path, version, sizeof(version)))
        evtrail_fault_set(fault, 0,
                          "process %u is an OCaml %s program that has not started its runtime events, and nobody can "
                          "do that from outside: start it with OCAML_RUNTIME_EVENTS_START=1 (evtrail record -- PROGRAM "
                          "sets it), or let it call Runtime_events.start ()",
                          pid, *version ? version : "5");
}

static int add_pid(struct evtrail_reader *reader, uint32_t pid, struct evtrail_fault *fault)
{
    char path[640];
    struct evtrail_fault why = {""};
    const int found = evtrail_ocaml_find(pid, path, sizeof(path));
    if (found == -ESTALE && !reader->options.living)
        return evtrail_fault_set(fault, found,
                                 "process %u has a ring of OCaml's runtime events, whose file was removed or is out of "
                                 "reach from here: run as root",
                                 pid);
    if (found < 0)
        return 0;
    int result = evtrail_ocaml_input_add(reader, path, pid, &why);
    for (int tries = 0; result == -EAGAIN && tries < 100; tries++) { /* it takes the runtime well under a millisecond */
        usleep(2000);
        result = evtrail_ocaml_input_add(reader, path, pid, &why);
    }
    if (result < 0 && result != -EEXIST)
        *fault = why;
    else
        evtrail_ocaml_follow(reader, pid, path);
    return result < 0 && result != -EEXIST ? result : 1;
}

static bool is_called(const char *pid, const char *name)
{
    char path[300], text[300];
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *const comm = fopen(path, "re");
    const bool read_it = comm && fgets(text, sizeof(text), comm);
    if (comm)
        fclose(comm);
    if (!read_it)
        return false;
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, name) == 0)
        return true;
    snprintf(path, sizeof(path), "/proc/%s/exe", pid);
    const ssize_t n = readlink(path, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    const char *const slash = strrchr(text, '/');
    return slash && strcmp(slash + 1, name) == 0;
}

/* Calls `visit` for each process that is meant; the sum of what is above 0, or what it returned below. */
static int each_process(const char *pid_or_name, int (*visit)(uint32_t pid, void *context), void *context)
{
    if (pid_or_name[0] && strspn(pid_or_name, "0123456789") == strlen(pid_or_name))
        return visit((uint32_t)strtoul(pid_or_name, NULL, 10), context);
    DIR *const proc = opendir("/proc");
    int found = 0, failed = 0;
    for (const struct dirent *entry; proc && (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !is_called(entry->d_name, pid_or_name))
            continue;
        const int result = visit((uint32_t)strtoul(entry->d_name, NULL, 10), context);
        found += result > 0 ? result : 0;
        failed = result < 0 ? result : failed;
    }
    if (proc)
        closedir(proc);
    return found ? found : failed;
}

struct adding {
    struct evtrail_reader *reader;
    struct evtrail_fault *fault;
};

static int visit_add(uint32_t pid, void *context)
{
    const struct adding *const adding = context;
    return add_pid(adding->reader, pid, adding->fault);
}

int evtrail_ocaml_add_process(struct evtrail_reader *reader, const char *pid_or_name, struct evtrail_fault *fault)
{
    struct adding adding = {reader, fault};
    const uint64_t now = evtrail_monotonic_now();
    const bool again = reader->options.living && now - reader->processes_looked_ns < LOOK_EVERY_NS;
    if (again && reader->processes_looked_ns) /* asked over and over, until there is one */
        return 0;
    reader->processes_looked_ns = now;
    return each_process(pid_or_name, visit_add, &adding);
}

static int visit_why(uint32_t pid, void *context)
{
    struct evtrail_fault *const fault = context;
    if (!fault->text[0])
        say_why(pid, fault);
    return 0;
}

void evtrail_ocaml_why_none(const char *pid_or_name, struct evtrail_fault *fault)
{
    each_process(pid_or_name, visit_why, fault);
}

/* ---- in a directory ---- */

static int is_ring(const struct dirent *entry)
{
    return evtrail_ocaml_is_name(entry->d_name);
}

void evtrail_ocaml_visit(const char *directory, int (*visit)(const char *path, void *context), void *context)
{
    struct dirent **entries;
    char path[480];
    const int count = scandir(directory, &entries, is_ring, versionsort);
    for (int i = 0; i < count; i++) {
        const int n = snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (n > 0 && (size_t)n < sizeof(path))
            visit(path, context);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}
