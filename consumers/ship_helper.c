/* SPDX-License-Identifier: ISC
 *
 * Becomes evtrail-ship, or starts it.
 */
#include "ship_helper.h"

#include "cli.h"
#include "program.h"
#include "skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELPERS_MAX = 16 };

static char **line;
static struct {
    pid_t pid;
    int socket;
} helpers[HELPERS_MAX];
static unsigned helpers_count;

void ship_helper_line(char **argv)
{
    line = argv;
}

/* ---- becoming it ------------------------------------------------------------------------------------------------------- */

static int become(const struct args *args)
{
    char path[512];
    (void)args; /* it parses them again */
    if (program_file("evtrail-ship", path, sizeof path))
        execv(path, line);
    else
        errno = ENOENT;
    return fail(CODE_missing, "evtrail-ship", "%s; it is installed in libdir/evtrail, install evtrail again",
                strerror(errno));
}

int run_send(const struct args *args)
{
    return become(args);
}

int run_collect(const struct args *args)
{
    return become(args);
}

/* ---- starting it ------------------------------------------------------------------------------------------------------- */

static int spawn_with(const char *path, char **argv, int socket, posix_spawn_file_actions_t *actions,
                      posix_spawnattr_t *attributes, pid_t *ret_pid)
{
    sigset_t none;
    sigemptyset(&none);
    int r = posix_spawn_file_actions_adddup2(actions, socket, SHIP_HELPER_SOCKET);
    if (r == 0)
        r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0) /* who reads our output is not to wait for it */
        r = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (r == 0)
        r = posix_spawnattr_setsigmask(attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
    return r == 0 ? posix_spawn(ret_pid, path, actions, attributes, argv, environ) : r;
}

static int start(const char *name, int socket, pid_t *ret_pid)
{
    char path[512];
    char *argv[] = {line[0], (char *)(uintptr_t) "view", (char *)(uintptr_t)program_part, (char *)(uintptr_t)name,
                    NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (!program_file("evtrail-ship", path, sizeof path))
        return -ENOENT;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    const int r = spawn_with(path, argv, socket, &actions, &attributes, ret_pid);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* Its answer, and a descriptor beside it (else -1). -EINTR: we are to stop; -EPIPE: it has ended. */
static int answer_read(int socket, struct ship_helper_answer *ret_answer, int *ret_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {ret_answer, sizeof *ret_answer};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    *ret_fd = -1;
    while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        if (signals_stops() > 0)
            return -EINTR;
    if (n != (ssize_t)sizeof *ret_answer)
        return -EPIPE;
    ret_answer->text[sizeof ret_answer->text - 1] = '\0';
    const struct cmsghdr *const header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(header), sizeof *ret_fd);
    return ret_answer->result == 0 && *ret_fd < 0 ? -EPIPE : ret_answer->result;
}

static void end(pid_t pid, int socket)
{
    close(socket);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static int explain(const char *name, int error, const char *text, char **ret_error)
{
    const int n =
        *text ? asprintf(ret_error, "%s", text)
        : error == -ENOENT
            ? asprintf(ret_error,
                       "%s: evtrail-ship is not there; it is installed in libdir/evtrail, install evtrail again", name)
            : asprintf(ret_error, "%s: %s", name,
                       error == -EPIPE ? "evtrail-ship has ended before it was connected; try again"
                                       : strerror(-error));
    if (n < 0)
        *ret_error = NULL;
    return error;
}

int ship_helper_open(const char *name, void (*say)(const char *name, const char *line), int *ret_fd, char **ret_error)
{
    struct ship_helper_answer answer = {0};
    int ends[2], fd = -1;
    pid_t pid;
    (void)say; /* it says what there is to say */
    if (helpers_count == HELPERS_MAX)
        return explain(name, -EMFILE, "", ret_error);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return explain(name, -errno, "", ret_error);
    int r = start(name, ends[1], &pid);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return explain(name, r, "", ret_error);
    }
    r = answer_read(ends[0], &answer, &fd);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        kill(pid, SIGKILL); /* it may still be waiting for the collector */
        end(pid, ends[0]);
        return explain(name, r, answer.text, ret_error);
    }
    helpers[helpers_count].pid = pid;
    helpers[helpers_count++].socket = ends[0];
    *ret_fd = fd;
    return 0;
}

void ship_helper_close_all(void)
{
    while (helpers_count) {
        helpers_count--;
        end(helpers[helpers_count].pid, helpers[helpers_count].socket);
    }
}
