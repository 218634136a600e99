/* SPDX-License-Identifier: ISC
 *
 * Sockets as the connector wants them.
 */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

/* A peer that vanished is noticed after about 75 s of silence, before a NAT's usual minutes are over. */
enum { KEEPALIVE_IDLE_S = 45, KEEPALIVE_INTERVAL_S = 10, KEEPALIVE_PROBES = 3 };

static void set_option(int fd, int level, int option, int value)
{
    /* Refused: the connection works all the same. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

int socket_open(int family)
{
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (family == AF_INET || family == AF_INET6) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
    }
    return fd;
}

bool socket_met_itself(int fd)
{
    struct sockaddr_storage local = {0}, peer = {0};
    socklen_t local_bytes = sizeof(local), peer_bytes = sizeof(peer);
    if (getsockname(fd, (struct sockaddr *)&local, &local_bytes) < 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0)
        return false;
    const bool tcp = local.ss_family == AF_INET || local.ss_family == AF_INET6;
    return tcp && local_bytes == peer_bytes && memcmp(&local, &peer, local_bytes) == 0;
}
