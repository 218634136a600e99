/* SPDX-License-Identifier: ISC
 *
 * Saying that a directory of sessions is watched, so that processes that end leave their sessions to be read: a file on which
 * each watcher holds a read lock (docs/shared-memory.md).
 */
#include "reader/reader_private.h"

#include "layout.h"
#include "reader/clock_live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEAT_NS 1000000000u

static int lock_as(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &lock);
}

static int open_file(const char *path)
{
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, O_RDWR | O_CREAT | flags, 0644);
    if (fd < 0 && errno == EACCES) /* of a watcher of another user, such as root */
        fd = open(path, O_RDONLY | flags);
    return fd;
}

/* Its last holder may have removed it between our open and our lock. */
static bool take(struct evtrail_presence *presence)
{
    struct stat status;
    const int fd = open_file(presence->path);
    if (fd < 0)
        return true;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && lock_as(fd, F_RDLCK) == 0 && fstat(fd, &status) == 0 &&
        status.st_nlink > 0) {
        presence->fd = fd;
        return true;
    }
    close(fd);
    return false;
}

void evtrail_presence_begin(struct evtrail_presence *presence, const char *directory)
{
    presence->fd = -1;
    snprintf(presence->path, sizeof(presence->path), "%s/" EVTRAIL_WATCH_NAME, directory);
    for (int tries = 0; tries < 8 && !take(presence);)
        tries++;
    evtrail_presence_beat(presence, evtrail_monotonic_now());
}

void evtrail_presence_beat(struct evtrail_presence *presence, uint64_t now_ns)
{
    if (presence->fd < 0 || (presence->beat_ns && now_ns - presence->beat_ns < BEAT_NS))
        return;
    presence->beat_ns = now_ns;
    futimens(presence->fd, NULL);
}

void evtrail_presence_end(struct evtrail_presence *presence)
{
    if (presence->fd < 0)
        return;
    if (lock_as(presence->fd, F_WRLCK) == 0) /* nobody else has a lock on it */
        unlink(presence->path);
    close(presence->fd);
    presence->fd = -1;
}
