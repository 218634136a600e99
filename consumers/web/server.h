/* SPDX-License-Identifier: ISC
 *
 * A server of HTTP/1.1 for the page: one thread, non-blocking sockets, all of it bounded. It answers GET and HEAD of three paths, and closes
 * after each answer.
 */
#ifndef EVTRAIL_WEB_SERVER_H
#define EVTRAIL_WEB_SERVER_H

#include "access.h"
#include "board.h"

#include <netdb.h>

#define CONNECTIONS_MAX 64u
#define STREAMS_MAX 32u /* of them, with updates */
#define HEAD_NS INT64_C(5000000000)   /* for the head of a request, from the connection on */
#define WAIT_DATA_NS INT64_C(25000000000)
#define SEND_NS INT64_C(60000000000)  /* for all of an answer */
#define STALL_NS INT64_C(20000000000) /* for a part of one */
#define DRAIN_NS_WEB INT64_C(1000000000)
#define BEAT_NS INT64_C(15000000000) /* a comment for streams in which nothing happens */

struct snapshot { /* a report, compressed; shared by all that it is sent to */
    unsigned references;
    uint64_t number;
    size_t count;
    char *bytes;
};
enum connection_state {
    STATE_FREE,
    STATE_HEAD,  /* its request comes */
    STATE_WAIT,  /* for a snapshot that is newer than `after` */
    STATE_SEND,
    STATE_STREAM,
    STATE_DRAIN, /* answered; what it still sends is thrown away, so that it reads the answer */
};
struct connection {
    enum connection_state state;
    int fd;
    int64_t begun_ns, deadline_ns, moved_ns;
    bool known; /* it has shown the token */
    uint64_t after;
    struct facts told;
    size_t drained, in_used, out_used, out_sent, body_count, body_sent;
    const char *body; /* static, or the snapshot's */
    struct snapshot *snapshot;
    char out[2048];
    char in[REQUEST_BYTES];
};
struct server {
    struct board *board;
    char token[TOKEN_DIGITS + 1];
    bool loopback; /* listens there alone */
    int64_t interval_ns;
    const char *page, *policy; /* HTML, Content-Security-Policy */
    size_t page_count;
    int listener;
    pthread_t thread;
    struct facts facts;
    struct snapshot *newest; /* or NULL */
    struct connection connections[CONNECTIONS_MAX];
};

/* Binds and listens. 0 or a negative errno. *ret_port is the one that was chosen where `address` has none. */
int server_listen(struct server *server, const struct addrinfo *address, uint16_t *ret_port);
/* With board, page, policy and interval filled in, and all else as server_listen() left it. */
int server_start(struct server *server);
void server_stop(struct server *server);

/* answer.c: looks at what has come, and puts the answer into the connection. */
void answer_head(struct server *server, struct connection *connection);
void answer_data(struct server *server, struct connection *connection);
void answer_status(struct server *server, struct connection *connection, int status);
void answer_update(const struct server *server, struct connection *connection, int64_t now_ns);

#endif /* EVTRAIL_WEB_SERVER_H */
