/* SPDX-License-Identifier: ISC
 *
 * Streams for tests: dialled through the connector, read and written by running the loop.
 */
#ifndef EVPOOL_DIAL_H
#define EVPOOL_DIAL_H

#include "connector.h"
#include "peer.h"

#define MS UINT64_C(1000000)

/* 127.0.0.1, ::1 (family AF_INET6), or a path (AF_UNIX). */
struct peer_address loopback(int family, uint16_t port, const char *path);

/* A race whose end is awaited by running the loop. Zero, or filled where it is not the defaults: 100 ms delay, 2 s each. */
struct dialling {
    struct connector connector;
    struct connector_target targets[CONNECTOR_TARGETS_MAX];
    int ended;
};
void dialling_add(struct dialling *dialling, struct peer_address peer);
void dialling_start(struct dialling *dialling, struct evloop *loop, struct tls_settings *tls);
/* Runs the loop until it has ended. The stream, NULL: connector.error, which the caller frees. */
struct stream *dialling_finish(struct dialling *dialling);

/* All in one, to 127.0.0.1. error: NULL: a failure fails the test. */
struct stream *dial(struct evloop *loop, uint16_t port, struct tls_settings *tls, struct evpool_error **ret_error);

/* One read, one write, or both at once, to their ends. */
int64_t read_now(struct evloop *loop, struct stream *stream, void *buffer, size_t length);
int64_t write_now(struct evloop *loop, struct stream *stream, const void *buffer, size_t length);
/* Writes the text and reads one answer: into `answer`, terminated. What the read returned. */
int64_t ask(struct evloop *loop, struct stream *stream, const char *text, char *answer, size_t bytes);

void expect_echo(struct evloop *loop, struct stream *stream);
/* Of a dialling that has ended: fails the test if it is another; frees the error. */
void expect_code(struct dialling *dialling, enum evpool_code code);
/* Iterations enough for losers on their way out. */
void let_losers_leave(struct evloop *loop);

struct peer_address nobody(void); /* a port of 127.0.0.1 where nobody listens */
/* That trust ca.pem of certificates.h. */
struct tls_settings *dial_settings(const char *host);

/* A race between peers that speak TLS, or should, for good.test: each as its options say. */
struct secure_dial {
    struct dialling dialling;
    struct tls_settings *settings;
    struct peer *peers[2];
};
void secure_dial_start(struct secure_dial *dial, struct evloop *loop, const struct peer_options *first,
                       const struct peer_options *second /* NULL: none */);
void secure_dial_end(struct secure_dial *dial);

/* An io that remembers its end. */
struct noted_io {
    struct stream_io io;
    int ended;
    int64_t result;
};
void note_io(struct stream_io *io, int64_t result);

#endif /* EVPOOL_DIAL_H */
