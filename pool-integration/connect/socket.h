/* SPDX-License-Identifier: ISC
 *
 * Sockets as the connector wants them.
 */
#ifndef EVPOOL_SOCKET_H
#define EVPOOL_SOCKET_H

#include <stdbool.h>

/* A stream socket: non-blocking, close-on-exec; TCP without delay, with keepalive. The descriptor or -errno. */
int socket_open(int family);
/* A TCP socket may connect to itself when nobody listens on a local port of the ephemeral range; that is nobody answering. */
bool socket_met_itself(int fd);

#endif /* EVPOOL_SOCKET_H */
