/* SPDX-License-Identifier: ISC
 *
 * Whether somebody watches the directory of sessions, or will come back to it: then a process that ends leaves its session for them.
 */
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Who watches holds a lock on the file and touches it every second. One that was stopped for long is not counted on. */
static bool is_held(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat status;
    struct timespec now;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return false;
    const long long age = (long long)now.tv_sec - (long long)status.st_mtim.tv_sec;
    return age >= -EVTRAIL_WATCH_STALE_S && age <= EVTRAIL_WATCH_STALE_S && fcntl(fd, F_OFD_GETLK, &lock) == 0 &&
           lock.l_type == F_RDLCK;
}

/* A reader that was killed, and will come back. */
static bool is_wanted(int fd)
{
    struct evtrail_wanted slots[EVTRAIL_WANTED_SLOTS];
    struct timespec now;
    const ssize_t bytes = pread(fd, slots, sizeof(slots), 0);
    if (bytes < 0 || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return false;
    for (size_t i = 0; i < (size_t)bytes / sizeof(slots[0]); i++)
        if (slots[i].id && slots[i].until_s > (int64_t)now.tv_sec &&
            slots[i].until_s - EVTRAIL_WANTED_MAX_S <= (int64_t)now.tv_sec)
            return true;
    return false;
}

/* What is left lies in memory: a part of the file system stays free, whatever becomes of the reader. */
static bool has_room(int fd, uint64_t part)
{
    struct statfs disk;
    return fstatfs(fd, &disk) == 0 && (uint64_t)disk.f_bavail >= (uint64_t)disk.f_blocks / part;
}

static bool ask(const char *name, bool (*holds)(int fd), uint64_t part)
{
    char path[sizeof(evtrail_process.path) + 16];
    const char *end = strrchr(evtrail_process.path, '/');
    if (!end)
        return false;
    snprintf(path, sizeof(path), "%.*s/%s", (int)(end - evtrail_process.path), evtrail_process.path, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    const bool yes = holds(fd) && has_room(fd, part);
    close(fd);
    return yes;
}

bool evtrail_watched(void)
{
    return ask(EVTRAIL_WATCH_NAME, is_held, 16) || ask(EVTRAIL_WANTED_NAME, is_wanted, 4);
}
