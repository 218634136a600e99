/* SPDX-License-Identifier: ISC
 *
 * A server for tests of the pool, in a thread of its own, with epoll.
 */
#include "echo_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct clients {
    int *fds;
    unsigned count;
};

static struct sockaddr_in inet_address(const char *address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    return in;
}

static void forget(struct echo_server *server, struct clients *clients, int fd)
{
    for (unsigned i = 0; i < clients->count; i++)
        if (clients->fds[i] == fd) {
            clients->fds[i] = clients->fds[--clients->count];
            break;
        }
    close(fd);
    server->open--;
}

static void forget_all(struct echo_server *server, struct clients *clients)
{
    while (clients->count > 0)
        forget(server, clients, clients->fds[0]);
}

static void welcome(struct echo_server *server, struct clients *clients, int epoll)
{
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
        if (clients->count == ECHO_CLIENTS_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
            close(fd);
            continue;
        }
        clients->fds[clients->count++] = fd;
        server->accepted++;
        if (++server->open > server->most_open)
            server->most_open = server->open;
    }
}

static void answer(struct echo_server *server, struct clients *clients, int fd)
{
    char buffer[65536];
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        forget(server, clients, fd);
        return;
    }
    for (ssize_t done = 0; done < got && !server->mute;) {
        const ssize_t sent = send(fd, buffer + done, (size_t)(got - done), MSG_NOSIGNAL);
        if (sent > 0)
            done += sent;
        else if (errno != EAGAIN)
            break;
    }
}

static void *serve(void *arg)
{
    struct echo_server *server = arg;
    struct clients clients = {.fds = calloc(ECHO_CLIENTS_MAX, sizeof(int))};
    const int epoll = server->epoll;
    struct epoll_event events[64] = {{.events = EPOLLIN, .data.fd = server->listener}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, server->listener, &events[0]);
    events[0].data.fd = server->wake;
    epoll_ctl(epoll, EPOLL_CTL_ADD, server->wake, &events[0]);
    while (!server->stop) {
        const int count = epoll_wait(epoll, events, 64, 1000);
        for (int i = 0; i < count; i++) {
            uint64_t woken;
            if (events[i].data.fd == server->listener)
                welcome(server, &clients, epoll);
            else if (events[i].data.fd != server->wake)
                answer(server, &clients, events[i].data.fd);
            else if (read(server->wake, &woken, sizeof woken) < 0)
                continue;
        }
        if (server->drop) {
            forget_all(server, &clients);
            server->drop = false;
        }
    }
    forget_all(server, &clients);
    close(epoll);
    free(clients.fds);
    return NULL;
}

void echo_start(struct echo_server *server, const char *address, uint16_t port)
{
    memset(server, 0, sizeof *server);
    struct sockaddr_in in = inet_address(address, port);
    socklen_t bytes = sizeof in;
    const int on = 1;
    strncpy(server->address, address, sizeof server->address - 1);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(server->listener >= 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(server->listener, 4096), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&in, &bytes), 0);
    server->port = ntohs(in.sin_port);
    server->wake = eventfd(0, EFD_CLOEXEC);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void wake(struct echo_server *server)
{
    const uint64_t one = 1;
    assert_int_equal(write(server->wake, &one, sizeof one), sizeof one);
}

void echo_stop(struct echo_server *server)
{
    server->stop = true;
    wake(server);
    pthread_join(server->thread, NULL);
    close(server->listener);
    close(server->wake);
}

void echo_drop(struct echo_server *server)
{
    server->drop = true;
    wake(server);
    while (server->drop)
        usleep(100);
}

uint16_t echo_nobody(const char *address)
{
    struct sockaddr_in in = inet_address(address, 0);
    socklen_t bytes = sizeof in;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &bytes), 0);
    close(fd);
    return ntohs(in.sin_port);
}

void echo_hole_start(struct echo_hole *hole, const char *address, uint16_t port)
{
    struct sockaddr_in in = inet_address(address, port);
    socklen_t bytes = sizeof in;
    const int on = 1;
    hole->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(hole->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(hole->listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(hole->listener, 0), 0);
    assert_int_equal(getsockname(hole->listener, (struct sockaddr *)&in, &bytes), 0);
    hole->port = ntohs(in.sin_port);
    for (unsigned i = 0; i < 8; i++) {
        hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(hole->fillers[i], (struct sockaddr *)&in, sizeof in);
    }
    usleep(20000);
}

void echo_hole_stop(struct echo_hole *hole)
{
    for (unsigned i = 0; i < 8; i++)
        close(hole->fillers[i]);
    close(hole->listener);
}
