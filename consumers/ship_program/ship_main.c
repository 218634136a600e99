/* SPDX-License-Identifier: ISC
 *
 * evtrail-ship: what `evtrail send` and `evtrail collect` become, with the same arguments, and what reads a collector:// for the others.
 */
#include "cli.h"
#include "program.h"
#include "ship/viewer.h"
#include "ship_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The table names all subcommands; these two are here (cmd_send.c, cmd_collect.c), and the others are evtrail's. */
#define X(name) \
    __attribute__((weak)) int run_##name(const struct args *args) \
    { \
        (void)args; \
        return fail(CODE_usage, NULL, "a subcommand of evtrail"); \
    }
COMMAND_RUNS(X)
#undef X

bool manual_top(size_t index, struct manual_item *ret_item)
{
    (void)index;
    (void)ret_item;
    return false;
}

/* ---- a collector that is read ------------------------------------------------------------------------------------------ */

static void say(const char *name, const char *line)
{
    warn(name, "%s", line);
}

static int answer(int result, const char *text, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct ship_helper_answer own = {.result = result};
    struct iovec part = {&own, sizeof own};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    snprintf(own.text, sizeof own.text, "%s", text ? text : "");
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    return sendmsg(SHIP_HELPER_SOCKET, &message, MSG_NOSIGNAL) == (ssize_t)sizeof own ? 0 : -errno;
}

/* Signals of the terminal and of services are for who started it: it reads what is left, and then closes the socket. */
static int view(const char *part, const char *name)
{
    struct pollfd wait = {.fd = SHIP_HELPER_SOCKET, .events = POLLIN};
    char *error = NULL;
    int fd = -1;
    program_part = part;
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    fcntl(SHIP_HELPER_SOCKET, F_SETFD, FD_CLOEXEC);
    const int r = viewer_open(name, say, &fd, &error);
    const int told = answer(r, error, fd);
    free(error);
    if (fd >= 0)
        close(fd); /* it has its own */
    while (r == 0 && told == 0 && poll(&wait, 1, -1) < 0 && errno == EINTR)
        ;
    viewer_close_all();
    return r == 0 ? CODE_ok : CODE_io;
}

int main(int argc, char **argv)
{
    struct args args;
    program_standard_descriptors();
    if (argc == 4 && strcmp(argv[1], "view") == 0)
        return view(argv[2], argv[3]);
    const struct subcommand *const command = argc > 1 ? subcommand_find(argv[1]) : NULL;
    if (!command || (command->run != run_send && command->run != run_collect))
        return fail(CODE_usage, NULL, "evtrail-ship is a part of evtrail: evtrail send, evtrail collect");
    program_part = command->name;
    int r = args_parse(&args, command, argc - 1, argv + 1);
    r = r == 0 ? command->run(&args) : r < 0 ? CODE_usage : r;
    args_free(&args);
    return r;
}
