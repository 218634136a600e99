/* SPDX-License-Identifier: ISC
 *
 * Whether somebody watches the directory of sessions: then a process that ends leaves its session for them.
 */
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

bool evtrail_watched(void)
{
    char path[sizeof(evtrail_process.path) + sizeof(EVTRAIL_WATCH_NAME)];
    const char *end = strrchr(evtrail_process.path, '/');
    if (!end)
        return false;
    snprintf(path, sizeof(path), "%.*s/" EVTRAIL_WATCH_NAME, (int)(end - evtrail_process.path), evtrail_process.path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    const bool watched = is_held(fd);
    close(fd);
    return watched;
}
