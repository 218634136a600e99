/* SPDX-License-Identifier: ISC
 *
 * Removes what is left of sessions that were never finished.
 */
#include "remains.h"

#include <evtrail/reader.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* No session could be opened by this name, and none will be; or nobody needs it any more. */
static bool is_half(const char *path, size_t length)
{
    struct evtrail_session *session;
    char data[720];
    if (length > 7 && strcmp(path + length - 7, ".events") == 0) /* an OCaml program's ring, kept until it is read */
        return true;
    if (strcmp(path + length - 6, ".trail") == 0) {
        const int r = evtrail_session_open(&session, path, NULL);
        if (r == 0)
            evtrail_session_close(session);
        return r == -EAGAIN;
    }
    if (length < 4 || strcmp(path + length - 4, ".ctl") != 0)
        return false;
    snprintf(data, sizeof data, "%.*s.trail", (int)(length - 4), path);
    return access(data, F_OK) < 0 && errno == ENOENT;
}

/* The process is named by the file: it has not come as far as its lock. */
static bool is_dead(const char *name)
{
    int pid;
    return sscanf(name, "%d-", &pid) == 1 && pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
}

static bool is_old(const char *path, unsigned age_s)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_mtim.tv_sec + (time_t)age_s <= time(NULL);
}

/* A wish to come back holds for an hour at most. */
static void unwanted(const char *directory)
{
    char path[720];
    const int n = snprintf(path, sizeof path, "%s/.wanted", directory);
    if (n > 0 && (size_t)n < sizeof path && is_old(path, 3600))
        unlink(path);
}

void remains_unwatched(const char *directory)
{
    unwanted(directory);
    char path[720];
    struct stat status;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int n = snprintf(path, sizeof path, "%s/.watch", directory);
    if (n < 0 || (size_t)n >= sizeof path)
        return;
    const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fcntl(fd, F_OFD_SETLK, &lock) == 0)
        unlink(path);
    close(fd);
}

unsigned remains_remove(const char *directory, unsigned age_s)
{
    char path[720];
    unsigned removed = 0;
    DIR *const entries = opendir(directory);
    if (!entries)
        return 0;
    for (const struct dirent *entry; (entry = readdir(entries));) {
        const int n = snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (n < 6 || (size_t)n >= sizeof path || !is_dead(entry->d_name) || !is_old(path, age_s))
            continue;
        if (is_half(path, (size_t)n) && unlink(path) == 0)
            removed++;
    }
    closedir(entries);
    return removed;
}
