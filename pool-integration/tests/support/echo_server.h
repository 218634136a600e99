/* SPDX-License-Identifier: ISC
 *
 * A server in a thread of the test: it echoes, or misbehaves as it is told.
 */
#ifndef EVPOOL_TESTS_ECHO_SERVER_H
#define EVPOOL_TESTS_ECHO_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ECHO_CLIENTS_MAX = 16384 };

struct echo_server {
    pthread_t thread;
    int listener, wake, epoll;
    uint16_t port;
    char address[32];
    _Atomic unsigned accepted, open, most_open;
    _Atomic bool stop;
    _Atomic bool drop;  /* closes all that are open, once */
    _Atomic bool mute;  /* answers nothing */
};

/* Listens on address (127.x.y.z) and port (0: any). Fails the test. */
void echo_start(struct echo_server *server, const char *address, uint16_t port);
void echo_stop(struct echo_server *server); /* the descriptors are closed */
/* Closes all connections and returns when that is done. */
void echo_drop(struct echo_server *server);
/* A port of that address where nobody listens. */
uint16_t echo_nobody(const char *address);

/* An address that swallows connections: its backlog is full. */
struct echo_hole {
    int listener, fillers[8];
    uint16_t port;
};
void echo_hole_start(struct echo_hole *hole, const char *address, uint16_t port);
void echo_hole_stop(struct echo_hole *hole);

#endif /* EVPOOL_TESTS_ECHO_SERVER_H */
