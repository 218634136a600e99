/* SPDX-License-Identifier: ISC
 *
 * Sessions that earlier processes of the same program left by dying: the newest stay readable, the others are removed.
 */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT 64

struct sibling {
    uint64_t started_ns, id;
    uint32_t pid;
};
struct siblings {
    int directory;
    char program[512]; /* ours */
    struct sibling kept[KEPT];
    unsigned count;
};
struct entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

static void name_of(char *name, size_t bytes, const struct sibling *sibling, const char *suffix)
{
    snprintf(name, bytes, "%" PRIu32 "-%016" PRIx64 "%s", sibling->pid, sibling->id, suffix);
}

/* PID-ID.trail, written as we write it, of a process that is not there. */
static bool parse(const char *name, struct sibling *sibling)
{
    char again[48], *end;
    if (!isdigit((unsigned char)*name))
        return false;
    sibling->pid = (uint32_t)strtoul(name, &end, 10);
    sibling->id = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
    name_of(again, sizeof(again), sibling, ".trail");
    return strcmp(again, name) == 0 && (pid_t)sibling->pid > 0 && kill((pid_t)sibling->pid, 0) < 0 && errno == ESRCH;
}

static bool is_kept(int directory, const struct sibling *sibling)
{
    char name[48];
    uint32_t flags = EVTRAIL_SETTING_KEEP;
    name_of(name, sizeof(name), sibling, ".ctl");
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno != ENOENT;
    if (pread(fd, &flags, sizeof(flags), offsetof(struct evtrail_control, settings.flags)) != (ssize_t)sizeof(flags))
        flags = EVTRAIL_SETTING_KEEP;
    close(fd);
    return flags & EVTRAIL_SETTING_KEEP;
}

/* A whole session of our program, dead by its lock as well (its pid may be of another pid namespace), that nobody wants kept. */
static bool look(const struct siblings *siblings, struct sibling *sibling)
{
    struct evtrail_session_header header;
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    char name[48];
    name_of(name, sizeof(name), sibling, ".trail");
    int fd = openat(siblings->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool dead = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
    bool ours = dead && pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
                atomic_load_explicit(&header.magic, memory_order_relaxed) == EVTRAIL_MAGIC_DATA &&
                header.session_id == sibling->id && strncmp(header.program, siblings->program, 512) == 0;
    close(fd);
    sibling->started_ns = header.start_realtime_ns;
    return ours && !is_kept(siblings->directory, sibling);
}

static void remove_one(int directory, const struct sibling *sibling)
{
    char name[48];
    name_of(name, sizeof(name), sibling, ".ctl");
    unlinkat(directory, name, 0);
    name_of(name, sizeof(name), sibling, ".trail");
    unlinkat(directory, name, 0);
}

/* Of the newest KEPT and this one, the oldest goes. */
static void take(struct siblings *siblings, struct sibling sibling)
{
    unsigned oldest = 0;
    if (siblings->count < KEPT) {
        siblings->kept[siblings->count++] = sibling;
        return;
    }
    for (unsigned i = 1; i < KEPT; i++)
        if (siblings->kept[i].started_ns < siblings->kept[oldest].started_ns)
            oldest = i;
    if (sibling.started_ns > siblings->kept[oldest].started_ns) {
        struct sibling older = siblings->kept[oldest];
        siblings->kept[oldest] = sibling;
        sibling = older;
    }
    remove_one(siblings->directory, &sibling);
}

/* Without malloc, which opendir() would call: we may be in a signal handler. */
static void walk(struct siblings *siblings)
{
    _Alignas(struct entry) char buffer[2048];
    struct sibling sibling = {0};
    long bytes;
    while ((bytes = syscall(SYS_getdents64, siblings->directory, buffer, sizeof(buffer))) > 0)
        for (long at = 0; at < bytes;) {
            const struct entry *entry = (const void *)(buffer + at);
            at += entry->bytes;
            if (parse(entry->name, &sibling) && look(siblings, &sibling))
                take(siblings, sibling);
        }
}

void evtrail_siblings_tidy(void)
{
    const struct evtrail_process *process = &evtrail_process;
    struct siblings siblings = {.count = 0};
    char path[sizeof(process->path)];
    memcpy(path, process->path, sizeof(path));
    char *slash = strrchr(path, '/');
    if (!slash || evtrail_watched()) /* who watches the directory may still want to read them */
        return;
    *slash = '\0';
    memcpy(siblings.program, process->header->program, sizeof(siblings.program));
    siblings.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (siblings.directory < 0)
        return;
    walk(&siblings);
    close(siblings.directory);
}
