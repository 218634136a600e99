/* SPDX-License-Identifier: ISC
 *
 * Addresses as people and errors name them.
 */
#include "resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static size_t print_unix(const struct peer_address *peer, char *text, size_t bytes)
{
    const struct sockaddr_un *local = (const void *)&peer->address;
    const size_t room =
        peer->bytes > offsetof(struct sockaddr_un, sun_path) ? peer->bytes - offsetof(struct sockaddr_un, sun_path) : 0;
    const int length = (int)(room < sizeof(local->sun_path) ? room : sizeof(local->sun_path));
    if (length > 1 && !local->sun_path[0]) /* the abstract name space, written as ss(8) does */
        return (size_t)snprintf(text, bytes, "unix:@%.*s", length - 1, local->sun_path + 1);
    return (size_t)snprintf(text, bytes, "unix:%.*s", length, local->sun_path);
}

size_t peer_address_print(const struct peer_address *peer, char *text, size_t bytes)
{
    const struct sockaddr_in *in4 = (const void *)&peer->address;
    const struct sockaddr_in6 *in6 = (const void *)&peer->address;
    char host[INET6_ADDRSTRLEN];
    switch (peer->address.ss_family) {
    case AF_UNIX:
        return print_unix(peer, text, bytes);
    case AF_INET:
        inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
        return (size_t)snprintf(text, bytes, "tcp:%s:%u", host, ntohs(in4->sin_port));
    case AF_INET6:
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        if (in6->sin6_scope_id)
            return (size_t)snprintf(text, bytes, "tcp:[%s%%%u]:%u", host, in6->sin6_scope_id, ntohs(in6->sin6_port));
        return (size_t)snprintf(text, bytes, "tcp:[%s]:%u", host, ntohs(in6->sin6_port));
    default:
        return (size_t)snprintf(text, bytes, "family %d", peer->address.ss_family);
    }
}
