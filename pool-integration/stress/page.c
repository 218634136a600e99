/* SPDX-License-Identifier: ISC
 *
 * The page: evtrail report makes it of the trace, and shows the figures that pool-stress has computed from it beside its own.
 */
#include "report.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Where it is installed, or built; else what $PATH has. */
static const char *evtrail_find(char path[PATH_MAX])
{
    static const char *const places[] = {"/evtrail", "/../evtrail"};
    char folder[PATH_MAX - 16];
    const ssize_t bytes = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (bytes <= 0)
        return "evtrail";
    folder[bytes] = '\0';
    char *const slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    for (unsigned i = 0; i < 2; i++) {
        snprintf(path, PATH_MAX, "%s%s", folder, places[i]);
        if (access(path, X_OK) == 0)
            return path;
    }
    return "evtrail";
}

/* A descriptor that a child inherits, with the JSON in it. */
static int figures_open(const struct report *report)
{
    const int fd = memfd_create("figures", 0);
    const int copy = fd < 0 ? -1 : dup(fd);
    FILE *const out = copy < 0 ? NULL : fdopen(copy, "w");
    if (!out) {
        const int error = errno;
        if (copy >= 0)
            close(copy);
        if (fd >= 0)
            close(fd);
        return -error;
    }
    report_json(out, report);
    const int r = fclose(out) == 0 ? 0 : -errno;
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* 0: the page is there. It is also of a file that is damaged, as far as that can be read. */
static int evtrail_run(char *const arguments[])
{
    enum { CODE_damaged = 5 };
    char path[PATH_MAX];
    pid_t child;
    int status;
    const int error = posix_spawnp(&child, evtrail_find(path), NULL, NULL, arguments, environ);
    if (error)
        return -error;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CODE_damaged) ? 0 : -EIO;
}

int page_write(const char *path, const struct report *report, const char *trace)
{
    char figures[32];
    const int fd = figures_open(report);
    int r = fd;
    if (fd >= 0) {
        snprintf(figures, sizeof figures, "/dev/fd/%d", fd);
        char *const arguments[] = {"evtrail",   "report", "--force", "--output",    (char *)path,
                                   "--figures", figures,  "--read",  (char *)trace, NULL};
        r = evtrail_run(arguments);
        close(fd);
    }
    if (r < 0)
        fprintf(stderr, "pool-stress: %s: %s\n", path,
                r == -ENOENT ? "there is no evtrail to make the page" : strerror(-r));
    return r;
}
