/* SPDX-License-Identifier: ISC
 *
 * A black hole.
 */
#include "full_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects until a connection is not taken up any more. */
static int fill(struct full_listener *full, const struct sockaddr_storage *address, socklen_t bytes)
{
    while (full->fillers_count < FULL_LISTENER_FILLERS) {
        const int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        full->fillers[full->fillers_count++] = fd;
        const int result = connect(fd, (const struct sockaddr *)address, bytes);
        if (result < 0 && errno == EAGAIN)
            return 0;
        struct pollfd connected = {.fd = fd, .events = POLLOUT};
        if (result < 0 && errno == EINPROGRESS && poll(&connected, 1, 50) == 0)
            return 0;
    }
    return -EAGAIN;
}

static int start(struct full_listener *full, struct sockaddr_storage *address, socklen_t bytes)
{
    full->listener = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(full->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (full->listener < 0 || bind(full->listener, (struct sockaddr *)address, bytes) < 0 ||
        listen(full->listener, 0) < 0 || getsockname(full->listener, (struct sockaddr *)address, &bytes) < 0)
        return -errno;
    full->port = ntohs(((struct sockaddr_in *)(void *)address)->sin_port); /* in the same place for IPv6 */
    return fill(full, address, bytes);
}

int full_listener_tcp(struct full_listener *full, int family)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    *full = (struct full_listener){0};
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&address)->sin6_addr = in6addr_loopback;
    else
        ((struct sockaddr_in *)(void *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return start(full, &address, family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

int full_listener_at(struct full_listener *full, const char *address, uint16_t port)
{
    struct sockaddr_storage at = {.ss_family = AF_INET};
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&at;
    *full = (struct full_listener){0};
    in->sin_port = htons(port);
    inet_pton(AF_INET, address, &in->sin_addr);
    return start(full, &at, sizeof *in);
}

int full_listener_unix(struct full_listener *full, const char *path)
{
    struct sockaddr_storage address = {.ss_family = AF_UNIX};
    *full = (struct full_listener){0};
    snprintf(full->path, sizeof(full->path), "%s", path);
    memcpy(((struct sockaddr_un *)(void *)&address)->sun_path, full->path, sizeof(full->path));
    return start(full, &address, sizeof(struct sockaddr_un));
}

void full_listener_drain(struct full_listener *full)
{
    int fd;
    while ((fd = accept(full->listener, NULL, NULL)) >= 0)
        close(fd);
}

void full_listener_close(struct full_listener *full)
{
    for (unsigned i = 0; i < full->fillers_count; i++)
        close(full->fillers[i]);
    close(full->listener);
    if (*full->path)
        unlink(full->path);
}
