/* SPDX-License-Identifier: ISC
 *
 * A connected byte stream, plain or TLS (OpenSSL, memory BIOs, so that all I/O stays in the loop), for the loop's thread or blocking.
 */
#ifndef EVPOOL_STREAM_H
#define EVPOOL_STREAM_H

#include <evpool/loop.h>
#include <evpool/pool.h>

struct tls_settings; /* a name's: SSL_CTX, its sessions for resumption; shared by its connections, counted */
struct stream;

/* -EINVAL and *ret_error: a file that cannot be read, a key that does not fit, ... */
/* Loads all files: milliseconds. The host is what the certificate must be for, and goes out as SNI if it is no address literal. */
int tls_settings_new(struct tls_settings **ret_settings, const struct evpool_tls *tls, const char *host, struct evpool_error **ret_error);
struct tls_settings *tls_settings_ref(struct tls_settings *settings);
void tls_settings_free(struct tls_settings *settings);

/* Loop's thread: as evpool_read() and evpool_write() describe it. Zero before first use, busy until its callback. Fits struct evpool_io.own.
 * One read and one write at a time; they may be in different threads. Results: > 0 bytes; 0: the end (TLS: close_notify came); -ECANCELED;
 * -ECONNRESET: also TLS that ends without close_notify; -EPROTO: TLS broken; -ENOMEM; what recv(2), send(2) say. Never SIGPIPE. */
struct stream_io {
    void (*call)(struct stream_io *io, int64_t result);
    struct stream *stream;
    char *buffer;
    size_t length, done;
    int64_t result;
    struct evloop_op op;
    struct evloop_post post;
    int state;
};
_Static_assert(sizeof(struct stream_io) <= sizeof(((struct evpool_io *)0)->own), "an io's room");
int stream_fd(const struct stream *stream);
void stream_read(struct stream *stream, struct stream_io *io, void *buffer, size_t length, void (*call)(struct stream_io *io, int64_t result));
void stream_write(struct stream *stream, struct stream_io *io, const void *buffer, size_t length, void (*call)(struct stream_io *io, int64_t result));
void stream_cancel(struct stream_io *io); /* the callback comes, with -ECANCELED if it was not done yet. Not busy: nothing */
/* Another thread. deadline_ns: CLOCK_MONOTONIC, UINT64_MAX: none; -ETIMEDOUT. A write that ends early leaves the stream good for nothing. */
int64_t stream_read_wait(struct stream *stream, void *buffer, size_t length, uint64_t deadline_ns);
int64_t stream_write_wait(struct stream *stream, const void *buffer, size_t length, uint64_t deadline_ns);
/* Whether an idle stream is still good, by looking (MSG_PEEK): 1, or 0: the peer's end, or bytes that nobody asked for. A system call.
 * TLS: what comes besides data (session tickets, key updates) is taken in and is no fault. Any thread, while no io is busy. */
int stream_idle_ok(struct stream *stream);
/* NULL: none. */
const char *stream_alpn(const struct stream *stream);
const char *stream_fault(const struct stream *stream); /* as tls_fault(); NULL: plain */
const char *stream_tls_version(const struct stream *stream);
/* Any thread: ends both directions (shutdown(2)), whoever reads or writes: io that is busy and threads that wait come back with the end or an
 * error. The descriptor stays, until stream_close(). */
void stream_abort(struct stream *stream);
/* Loop's thread: says goodbye (TLS close_notify, without waiting), closes the descriptor, frees. No io may be busy. NULL is accepted. */
void stream_close(struct stream *stream);
/* Of a plain stream, with no io busy: frees it, and leaves the descriptor to the caller. */
int stream_take_fd(struct stream *stream);

/* A stream of a connected, non-blocking socket, which it then owns; what a connector does for plain ones. -ENOMEM: not taken. */
int stream_open(struct stream **ret_stream, struct evloop *loop, int fd);

#endif /* EVPOOL_STREAM_H */
