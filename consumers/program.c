/* SPDX-License-Identifier: ISC
 *
 * Starting a program to be traced. Its sessions get a directory of their own inside the usual one, so that those of its
 * children, however short-lived, are known to be its own; `evtrail ls` looks there as well.
 */
#include "program.h"

#include "remains.h"
#include "skeleton.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef EVTRAIL_LIBDIR
#define EVTRAIL_LIBDIR "/usr/local/lib"
#endif

void program_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int sessions_directory(const char *base, char *path, size_t bytes)
{
    const char *const named = base ? base : getenv("EVTRAIL_DIR");
    const int n = named && *named ? snprintf(path, bytes, "%s", named)
                                  : snprintf(path, bytes, "/dev/shm/evtrail-%u", (unsigned)geteuid());
    return n > 0 && (size_t)n < bytes ? 0 : -ENAMETOOLONG;
}

int program_directory(struct program *program, const char *base)
{
    char path[400];
    const int named = sessions_directory(base, path, sizeof path);
    if (named < 0)
        return named;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    struct stat status;
    if (lstat(path, &status) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode))
        return -ENOTDIR;
    if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return -EPERM;
    char *const real = realpath(path, NULL); /* the program may change its directory */
    if (!real)
        return -errno;
    const int m = snprintf(program->directory, sizeof program->directory, "%s/run-%u-XXXXXX", real, (unsigned)getpid());
    free(real);
    if ((size_t)m < sizeof program->directory && mkdtemp(program->directory))
        return 0;
    program->directory[0] = '\0';
    return (size_t)m < sizeof program->directory ? -errno : -ENAMETOOLONG;
}

/* name = first, separator, second; either may be NULL or empty. */
static int environment_join(const char *name, const char *first, char separator, const char *second)
{
    char *text;
    if (!first || !*first)
        return second && setenv(name, second, 1) < 0 ? -errno : 0;
    if (!second || !*second)
        return setenv(name, first, 1) < 0 ? -errno : 0;
    if (asprintf(&text, "%s%c%s", first, separator, second) < 0)
        return -ENOMEM;
    const int r = setenv(name, text, 1) < 0 ? -errno : 0;
    free(text);
    return r;
}

/* ---- whether it can be run --------------------------------------------------------------------------------------------- */

/* A script that names an interpreter that is not there cannot be run either. */
static int interpreter_check(const char *path)
{
    char line[256];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (n < 3 || memcmp(line, "#!", 2) != 0)
        return 0;
    line[n] = '\0';
    char *const name = line + 2 + strspn(line + 2, " \t");
    name[strcspn(name, " \t\n")] = '\0';
    return *name && access(name, X_OK) < 0 ? -errno : 0;
}

static int file_check(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
        return -EACCES;
    return interpreter_check(path);
}

int program_check(const char *name)
{
    const char *at = getenv("PATH");
    char path[PATH_MAX];
    int result = -ENOENT;
    if (!*name || strchr(name, '/'))
        return *name ? file_check(name) : -ENOENT;
    for (at = at ? at : "/bin:/usr/bin";; at++) { /* as execvp() looks */
        const int bytes = (int)strcspn(at, ":");
        const int n = snprintf(path, sizeof path, "%.*s%s%s", bytes, at, bytes ? "/" : "", name);
        const int r = n > 0 && (size_t)n < sizeof path ? file_check(path) : -ENAMETOOLONG;
        if (r == 0)
            return 0;
        if (r == -EACCES)
            result = r;
        at += bytes;
        if (!*at)
            return result;
    }
}

/* ---- starting ---------------------------------------------------------------------------------------------------------- */

/* Keys are its starter's: it reads nothing, unless it is given a file or a pipe. */
static int child_terminal(int terminal_fd)
{
    const int null_fd = isatty(STDIN_FILENO) ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    if (setsid() < 0 || ioctl(terminal_fd, TIOCSCTTY, 0) < 0 || dup2(terminal_fd, STDERR_FILENO) < 0 ||
        (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) < 0))
        return -errno;
    return 0;
}

static int child_output(const struct program *program)
{
    if (program->output_fd <= 0)
        return 0;
    const int r = program->terminal ? child_terminal(program->output_fd) : 0;
    return r == 0 && dup2(program->output_fd, STDOUT_FILENO) < 0 ? -errno : r;
}

static void child_run(char **argv, const struct program *program, const char *settings, const char *preload,
                      const sigset_t *mask, int report)
{
    signals_inherit(mask);
    int r = child_output(program);
    if (r == 0)
        r = environment_join("EVTRAIL", getenv("EVTRAIL"), ' ', settings);
    if (r == 0)
        r = environment_join("LD_PRELOAD", preload, ':', getenv("LD_PRELOAD"));
    if (r == 0 && setenv("EVTRAIL_DIR", program->directory, 1) < 0)
        r = -errno;
    if (r == 0 && program->ocaml[0])
        r = program_ocaml_environment(program);
    if (r == 0) {
        execvp(argv[0], argv);
        r = -errno;
    }
    (void)!write(report, &r, sizeof r);
    _exit(127);
}

int program_failed(struct program *program, int error)
{
    program->ended = program->failed = true;
    program->code = error == -ENOENT ? 127 : 126;
    return error;
}

/* A signal that came before is as good as one that comes after: it ends the program, only that there is none. */
static int stopped_early(struct program *program, const sigset_t *mask)
{
    signals_release(mask, 0);
    program->ended = program->failed = true;
    program->code = 128 + signals_last();
    return -EINTR;
}

int program_start(struct program *program, char **argv, const char *settings, const char *preload)
{
    int ends[2];
    sigset_t mask;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return program_failed(program, -errno);
    signals_hold(&mask);
    if (signals_stops() > 0) {
        close(ends[0]);
        close(ends[1]);
        return stopped_early(program, &mask);
    }
    const pid_t pid = fork();
    const int refused = errno;
    if (pid == 0)
        child_run(argv, program, settings, preload, &mask, ends[1]);
    signals_release(&mask, pid > 0 ? pid : 0);
    close(ends[1]);
    int error = pid < 0 ? -refused : 0;
    ssize_t n = 0;
    while (pid > 0 && (n = read(ends[0], &error, sizeof error)) < 0 && errno == EINTR)
        ; /* ends when exec has closed the pipe */
    close(ends[0]);
    if (pid < 0)
        return program_failed(program, error);
    if (n == (ssize_t)sizeof error) {
        signals_program(0);
        waitpid(pid, NULL, 0);
        return program_failed(program, error);
    }
    program->pid = pid;
    return 0;
}

bool program_poll(struct program *program)
{
    int status;
    if (program->pid != 0)
        program_ocaml_room(program);
    if (program->pid == 0 || waitpid(program->pid, &status, WNOHANG) != program->pid)
        return program->ended;
    program->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    program->ended = true;
    program->pid = 0;
    signals_program(0);
    return true;
}

static int remove_dead(const char *path, void *context)
{
    (void)context;
    struct evtrail_session *session;
    if (evtrail_session_open(&session, path, NULL) < 0)
        return 0;
    evtrail_session_remove(session);
    evtrail_session_close(session);
    return 0;
}

void program_clean(struct program *program, bool keep_sessions)
{
    if (!program->directory[0])
        return;
    if (!keep_sessions)
        evtrail_sessions(program->directory, remove_dead, NULL);
    while (remains_remove(program->directory, 0) > 0) /* a control file is only alone when its session has gone */
        ;
    rmdir(program->directory); /* fails while a child of the program still runs: `evtrail prune` takes it then */
    program->directory[0] = '\0';
}

/* ---- --with ------------------------------------------------------------------------------------------------------------ */

static bool library_in(const char *directory, const char *name, char *path, size_t bytes)
{
    const int n = snprintf(path, bytes, "%s/%s", directory, name);
    return n > 0 && (size_t)n < bytes && access(path, R_OK) == 0;
}

/* The folder of the reader's library: a build tree's, or where things were installed. */
static bool library_folder(char *folder, size_t bytes)
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)evtrail_reader_new, &info) || !info.dli_fname)
        return false;
    const char *const slash = strrchr(info.dli_fname, '/');
    const int n =
        snprintf(folder, bytes, "%.*s", slash ? (int)(slash - info.dli_fname) : 1, slash ? info.dli_fname : ".");
    return n > 0 && (size_t)n < bytes;
}

bool program_file(const char *name, char *path, size_t bytes)
{
    static const char *const below[] = {"", "/..", "/evtrail"};
    char folder[400], place[480];
    const bool known = library_folder(folder, sizeof folder);
    for (size_t i = 0; known && i < sizeof below / sizeof *below; i++) {
        snprintf(place, sizeof place, "%s%s", folder, below[i]);
        if (library_in(place, name, path, bytes))
            return true;
    }
    return library_in(EVTRAIL_LIBDIR, name, path, bytes) || library_in(EVTRAIL_LIBDIR "/evtrail", name, path, bytes);
}

static int preload_add(const char *name, char *text, size_t bytes)
{
    char found[512], *real;
    if (!program_file(name, found, sizeof found) || !(real = realpath(found, NULL)))
        return -ENOENT;
    const size_t used = strlen(text);
    const int n = snprintf(text + used, bytes - used, "%s%s", used ? ":" : "", real);
    free(real);
    return n > 0 && (size_t)n < bytes - used ? 0 : -ENAMETOOLONG;
}

int program_preload(const char *const *names, size_t count, char *text, size_t bytes, char *ret_missing,
                    size_t missing_bytes)
{
    text[0] = '\0';
    for (size_t i = 0; i <= count; i++) {
        char name[128];
        if (i == 0)
            snprintf(name, sizeof name, "libevtrail.so.0");
        else if (strchr(names[i - 1], '/') || strlen(names[i - 1]) > 64)
            return -EINVAL;
        else
            snprintf(name, sizeof name, "libevtrail-%s.so", names[i - 1]);
        const int r = preload_add(name, text, bytes);
        if (r < 0) {
            snprintf(ret_missing, missing_bytes, "%s", name);
            return r;
        }
    }
    return 0;
}
