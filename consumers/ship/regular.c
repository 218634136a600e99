/* SPDX-License-Identifier: ISC
 *
 * Opens files that must be regular.
 */
#include "ship/regular.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

const char *regular_instead(int directory, const char *name)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return NULL;
    switch (status.st_mode & S_IFMT) {
    case S_IFREG:
        return NULL;
    case S_IFLNK:
        return "a symbolic link";
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    default:
        return "a device";
    }
}

int regular_open(int directory, const char *name, int flags, mode_t mode)
{
    struct stat status;
    if (regular_instead(directory, name))
        return REGULAR_NOT;
    const int fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0)
        return errno == ELOOP ? REGULAR_NOT : -errno;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd); /* it came between */
    return REGULAR_NOT;
}

/* By a file that never has a name. */
int regular_writable(const char *directory)
{
    const int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || errno == EROFS || errno == EACCES || errno == ENOSPC || errno == EDQUOT)
        return fd >= 0 ? 0 : -errno;
    return access(directory, W_OK | X_OK) < 0 ? -errno : 0; /* file systems that know no such files */
}
