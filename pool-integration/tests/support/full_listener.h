/* SPDX-License-Identifier: ISC
 *
 * A black hole: a listener that nobody accepts from, its backlog full, so that the kernel drops what else wants to connect.
 */
#ifndef EVPOOL_FULL_LISTENER_H
#define EVPOOL_FULL_LISTENER_H

#include <stdint.h>

enum { FULL_LISTENER_FILLERS = 8 };

struct full_listener {
    int listener;
    uint16_t port;
    char path[108];
    int fillers[FULL_LISTENER_FILLERS];
    unsigned fillers_count;
};
/* On the loopback of AF_INET or AF_INET6, at an address, or at a path: 0 or -errno. */
int full_listener_tcp(struct full_listener *full, int family);
int full_listener_at(struct full_listener *full, const char *address, uint16_t port); /* IPv4 */
int full_listener_unix(struct full_listener *full, const char *path);
void full_listener_drain(struct full_listener *full); /* accepts and closes all that wait: there is room again */
void full_listener_close(struct full_listener *full);

#endif /* EVPOOL_FULL_LISTENER_H */
