/* SPDX-License-Identifier: ISC
 *
 * What would keep a spool from being opened, found without changing anything.
 */
#include "ship/spool_private.h"

#include "ship/regular.h"

#include "outbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int spool_complain(char **ret_error, int error, const char *where, const char *format, ...)
{
    char text[500];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (ret_error && asprintf(ret_error, "%s: %s", where, text) < 0)
        *ret_error = NULL;
    return error;
}

int spool_directory_check(const char *directory, char **ret_error)
{
    struct stat status;
    if (stat(directory, &status) < 0)
        return spool_complain(ret_error, -errno, directory, "%s; name another directory with --spool", strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return spool_complain(ret_error, -ENOTDIR, directory, "is no directory; name one with --spool");
    if (status.st_uid != geteuid())
        return spool_complain(ret_error, -EACCES, directory,
                              "belongs to user %u; a spool is one's own: name another with --spool, or chown it",
                              (unsigned)status.st_uid);
    if (status.st_mode & 022)
        return spool_complain(ret_error, -EACCES, directory,
                              "others may write to it (mode %03o); a spool is one's own: chmod go-w",
                              (unsigned)status.st_mode & 0777);
    return 0;
}

/* ---- what lies in it --------------------------------------------------------------------------------------------------- */

static bool is_file_of_ours(const char *name)
{
    static const char *const names[] = {"lock", "stream", "stream.copy", "state", "rings", "dropped"};
    uint64_t first;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return spool_segment_name(name, &first) || strncmp(name, "drop-", 5) == 0;
}

static bool is_folder_of_ours(const char *name)
{
    return strcmp(name, "refused") == 0 || strcmp(name, "aside") == 0;
}

static int entry_check(int fd, const char *directory, const char *name, char **ret_error)
{
    struct stat status;
    const char *const instead = is_file_of_ours(name) ? regular_instead(fd, name) : NULL;
    char path[SPOOL_PATH_BYTES + 300];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (instead)
        return spool_complain(
            ret_error, REGULAR_NOT, path,
            "is %s, and only a file of the spool's own has this name: move it away (what it leads to, if it "
            "was the spool's, back to this place), or name another directory with --spool",
            instead);
    if (is_folder_of_ours(name) && fstatat(fd, name, &status, 0) == 0 && !S_ISDIR(status.st_mode))
        return spool_complain(ret_error, -ENOTDIR, path,
                              "is no directory, and the spool has one of this name: move it away");
    return 0;
}

int spool_files_check(const char *directory, char **ret_error)
{
    DIR *const entries = opendir(directory);
    int r = 0;
    if (!entries)
        return spool_complain(ret_error, -errno, directory, "%s; the spool must be readable for this user",
                              strerror(errno));
    for (struct dirent *entry; r == 0 && (entry = readdir(entries));)
        r = entry_check(dirfd(entries), directory, entry->d_name, ret_error);
    closedir(entries);
    return r;
}

/* ---- --check ----------------------------------------------------------------------------------------------------------- */

static int place_check(const char *place, const char *directory, const struct spool_options *options, char **ret_error)
{
    struct statvfs disk;
    const int r = regular_writable(place);
    if (r < 0)
        return spool_complain(ret_error, r, place, "files cannot be made here: %s; %s", strerror(-r),
                              r == -EROFS    ? "remount it writable, or name another place with --spool"
                              : r == -ENOSPC ? "free some space"
                                             : "give this user the directory, or name another with --spool");
    if (statvfs(place, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < options->segment_bytes)
        return spool_complain(
            ret_error, -ENOSPC, directory,
            "%s is free there, less than one segment of the spool (%s): free some space, or name another place "
            "with --spool",
            human_bytes((double)((uint64_t)disk.f_bavail * disk.f_frsize)),
            human_bytes((double)options->segment_bytes));
    return 0;
}

/* The lowest directory that is there, of those in which it would be made. */
static int parent_check(const char *directory, const struct spool_options *options, char **ret_error)
{
    char parent[SPOOL_PATH_BYTES];
    struct stat status;
    snprintf(parent, sizeof parent, "%s", directory);
    for (bool go_on = true; go_on;) {
        for (size_t bytes = strlen(parent); bytes > 1 && parent[bytes - 1] == '/';)
            parent[--bytes] = '\0';
        char *const slash = strrchr(parent, '/');
        if (slash)
            slash[slash == parent] = '\0';
        else
            snprintf(parent, sizeof parent, ".");
        go_on = options->parents && stat(parent, &status) < 0 && errno == ENOENT && slash && slash != parent;
    }
    if (stat(parent, &status) < 0)
        return spool_complain(ret_error, -errno, parent, "the spool %s cannot be made here: %s; %s", directory,
                              strerror(errno),
                              errno == ENOENT ? "make this directory first, or name another place with --spool"
                                              : "name another place with --spool");
    if (!S_ISDIR(status.st_mode))
        return spool_complain(ret_error, -ENOTDIR, parent,
                              "is no directory, and the spool would be made in it; name another place with --spool");
    return place_check(parent, directory, options, ret_error);
}

static int file_check(const char *directory, const char *name, char **ret_error)
{
    char path[SPOOL_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (access(path, R_OK | W_OK) == 0 || errno == ENOENT)
        return 0;
    return spool_complain(ret_error, -errno, path,
                          "cannot be written: %s; give this user the file, or name another directory with --spool",
                          strerror(errno));
}

static int lock_check(const char *directory, char **ret_error)
{
    char path[SPOOL_PATH_BYTES];
    int r = 0;
    snprintf(path, sizeof path, "%s/lock", directory);
    const int fd = regular_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        r = spool_complain(ret_error, -EBUSY, directory,
                           "another evtrail send uses this spool; end it, or name another directory with --spool");
    if (fd >= 0)
        close(fd);
    return r;
}

int spool_check(const char *directory, const struct spool_options *options, char **ret_error)
{
    struct stat status;
    struct spool *const spool = calloc(1, sizeof *spool);
    if (ret_error)
        *ret_error = NULL;
    if (!spool)
        return -ENOMEM;
    snprintf(spool->directory, sizeof spool->directory, "%s", directory);
    int r = spool_options_take(spool, options, ret_error);
    const struct spool_options own = spool->options;
    free(spool);
    if (r < 0)
        return r;
    if (stat(directory, &status) < 0 && errno == ENOENT)
        return parent_check(directory, &own, ret_error);
    r = spool_directory_check(directory, ret_error);
    if (r == 0)
        r = spool_files_check(directory, ret_error);
    if (r == 0)
        r = lock_check(directory, ret_error);
    if (r == 0)
        r = file_check(directory, "lock", ret_error);
    if (r == 0)
        r = file_check(directory, "stream", ret_error);
    if (r == 0)
        r = file_check(directory, "state", ret_error);
    return r == 0 ? place_check(directory, directory, &own, ret_error) : r;
}
