/* SPDX-License-Identifier: ISC
 *
 * What would keep a store from being opened, found without changing anything.
 */
#include "ship/store_private.h"

#include "ship/regular.h"

#include "outbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int check_room(const char *place, const struct store_options *options, char **ret_error)
{
    struct statvfs disk;
    if (statvfs(place, &disk) < 0)
        return -errno;
    const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (free_bytes >= options->reserve_bytes && free_bytes > 0)
        return 0;
    if (asprintf(ret_error,
                 "%s: %s is free there, less than --reserve (%s): nothing would be stored; free some space, lower "
                 "--reserve, or "
                 "name another directory with --store",
                 options->root, human_bytes((double)free_bytes), human_bytes((double)options->reserve_bytes)) < 0)
        *ret_error = NULL;
    return -ENOSPC;
}

static int check_parent(const struct store_options *options, char **ret_error)
{
    char *const parent = strdup(options->root);
    if (!parent)
        return -ENOMEM;
    for (size_t bytes = strlen(parent); bytes > 1 && parent[bytes - 1] == '/';)
        parent[--bytes] = 0;
    char *const slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    int r = regular_writable(slash ? parent : ".");
    if (r == 0)
        r = check_room(slash ? parent : ".", options, ret_error);
    free(parent);
    return r;
}

static int check_lock(int root_fd)
{
    const int fd = regular_open(root_fd, ".lock", O_RDWR, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    const int r = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK ? -EBUSY : 0;
    close(fd);
    return r;
}

static int check_root(const struct store_options *options, char **ret_error)
{
    const int fd = open(options->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = store_check_files(fd, options->root, ret_error);
    if (r == 0)
        r = check_lock(fd);
    close(fd);
    if (r == 0)
        r = regular_writable(options->root);
    return r == 0 ? check_room(options->root, options, ret_error) : r;
}

int store_check(const struct store_options *options, char **ret_error)
{
    struct stat status;
    struct store_options own = *options;
    char *error = NULL;
    store_set_defaults(&own);
    const int r =
        stat(own.root, &status) < 0 && errno == ENOENT ? check_parent(&own, &error) : check_root(&own, &error);
    if (r < 0)
        store_explain(&error, own.root, r);
    if (ret_error && error)
        *ret_error = error;
    else
        free(error);
    return r;
}
