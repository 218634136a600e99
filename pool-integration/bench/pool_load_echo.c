/* SPDX-License-Identifier: ISC
 *
 * The server: says back what it hears, on any number of connections, until its standard input ends.
 */
#include "pool_load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256

static int queue = -1, listener = -1;

static int queue_add(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Own figure: the port. */
static int echo_open(const struct load_setup *setup, struct answer *answer)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof own;
    (void)setup;
    queue = epoll_create1(EPOLL_CLOEXEC);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (queue < 0 || listener < 0 || bind(listener, (const struct sockaddr *)&own, sizeof own) < 0 ||
        listen(listener, 4096) < 0 || getsockname(listener, (struct sockaddr *)&own, &bytes) < 0)
        return -errno;
    answer->figures[FIGURE_own] = ntohs(own.sin_port);
    const int r = queue_add(listener);
    return r < 0 ? r : queue_add(STDIN_FILENO);
}

static void take_all(void)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        queue_add(fd);
    }
}

/* Messages are small, and never fill a socket. */
static void say_back(int fd)
{
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0 || write(fd, buffer, (size_t)got) != got)
        close(fd);
}

static int echo_run(uint64_t count, struct answer *answer)
{
    struct epoll_event events[EVENTS_MAX];
    (void)count;
    (void)answer;
    for (;;) {
        const int got = epoll_wait(queue, events, EVENTS_MAX, -1);
        for (int i = 0; i < got; i++) {
            if (events[i].data.fd == STDIN_FILENO)
                return 0;
            if (events[i].data.fd == listener)
                take_all();
            else
                say_back(events[i].data.fd);
        }
    }
}

const struct load_kind echo_load = {"echo", echo_open, echo_run};
