/* SPDX-License-Identifier: ISC
 *
 * A stream's life, and its reads and writes in the loop.
 */
#include "stream_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum io_state { IO_FREE, IO_BUSY, IO_CANCELLED };

static struct stream_io *of_op(struct evloop_op *op)
{
    return (struct stream_io *)((char *)op - offsetof(struct stream_io, op));
}

static struct stream_io *of_post(struct evloop_post *post)
{
    return (struct stream_io *)((char *)post - offsetof(struct stream_io, post));
}

/* ---- life ---- */

int stream_open_tls(struct stream **ret_stream, struct evloop *loop, int fd, struct tls *tls)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    *stream = (struct stream){.loop = loop, .fd = fd, .tls = tls};
    *ret_stream = stream;
    return 0;
}

int stream_open(struct stream **ret_stream, struct evloop *loop, int fd)
{
    return stream_open_tls(ret_stream, loop, fd, NULL);
}

void stream_close(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->tls)
        tls_goodbye(stream->tls, stream->fd);
    tls_free(stream->tls);
    /* Not in the background: who counts connections counts descriptors. */
    close(stream->fd);
    free(stream->incoming);
    free(stream);
}

int stream_take_fd(struct stream *stream)
{
    const int fd = stream->fd;
    free(stream->incoming);
    free(stream);
    return fd;
}

void stream_abort(struct stream *stream)
{
    shutdown(stream->fd, SHUT_RDWR);
}

int stream_fd(const struct stream *stream)
{
    return stream->fd;
}

const char *stream_alpn(const struct stream *stream)
{
    return stream->tls ? tls_alpn(stream->tls) : NULL;
}

const char *stream_fault(const struct stream *stream)
{
    return stream->tls ? tls_fault(stream->tls) : NULL;
}

const char *stream_tls_version(const struct stream *stream)
{
    return stream->tls ? tls_version(stream->tls) : NULL;
}

/* ---- one io ---- */

static void io_begin(struct stream_io *io, struct stream *stream, const void *buffer, size_t length,
                     void (*call)(struct stream_io *io, int64_t result))
{
    io->call = call;
    io->stream = stream;
    io->buffer = (char *)buffer;
    io->length = length;
    io->done = 0;
    io->state = IO_BUSY;
}

static void io_end(struct stream_io *io, int64_t result)
{
    io->state = IO_FREE;
    io->call(io, result);
}

static void end_posted(struct evloop_post *post)
{
    struct stream_io *io = of_post(post);
    io_end(io, io->result);
}

/* It ended at once, and the callback must not come from within. */
static void io_end_later(struct stream_io *io, int64_t result)
{
    io->result = result;
    io->post.call = end_posted;
    evloop_post(io->stream->loop, &io->post);
}

void stream_cancel(struct stream_io *io)
{
    if (io->state == IO_FREE)
        return;
    io->state = IO_CANCELLED;
    if (evloop_busy(&io->op))
        evloop_cancel(io->stream->loop, &io->op);
}

/* ---- reading ---- */

static void read_end(struct stream_io *io, int64_t result)
{
    struct stream *stream = io->stream;
    free(stream->incoming);
    stream->incoming = NULL;
    tls_flush(stream->tls, stream->fd);
    io_end(io, result);
}

static void read_arrived(struct evloop_op *op, int result)
{
    struct stream_io *io = of_op(op);
    io_end(io, result);
}

static void read_arrived_tls(struct evloop_op *op, int result)
{
    struct stream_io *io = of_op(op);
    struct stream *stream = io->stream;
    if (result <= 0) {
        read_end(io, result ? result : -ECONNRESET); /* an end without close_notify may be anybody's */
        return;
    }
    int64_t bytes = tls_feed(stream->tls, stream->incoming, (size_t)result);
    if (bytes == 0)
        bytes = tls_decrypt(stream->tls, io->buffer, io->length);
    if (bytes == -EAGAIN && io->state == IO_CANCELLED)
        bytes = -ECANCELED;
    if (bytes == -EAGAIN)
        evloop_recv(stream->loop, op, stream->fd, stream->incoming, TLS_BUFFER_BYTES, read_arrived_tls);
    else
        read_end(io, bytes);
}

static void read_tls(struct stream_io *io)
{
    struct stream *stream = io->stream;
    const int64_t bytes = tls_decrypt(stream->tls, io->buffer, io->length);
    if (bytes != -EAGAIN) {
        io_end_later(io, bytes);
        return;
    }
    stream->incoming = malloc(TLS_BUFFER_BYTES);
    if (!stream->incoming)
        io_end_later(io, -ENOMEM);
    else
        evloop_recv(stream->loop, &io->op, stream->fd, stream->incoming, TLS_BUFFER_BYTES, read_arrived_tls);
}

void stream_read(struct stream *stream, struct stream_io *io, void *buffer, size_t length,
                 void (*call)(struct stream_io *io, int64_t result))
{
    io_begin(io, stream, buffer, length, call);
    if (!length)
        io_end_later(io, 0);
    else if (stream->tls)
        read_tls(io);
    else
        evloop_recv(stream->loop, &io->op, stream->fd, buffer, length, read_arrived);
}

/* ---- writing ---- */

static void write_left(struct evloop_op *op, int result)
{
    struct stream_io *io = of_op(op);
    if (result < 0) {
        io_end(io, result);
        return;
    }
    io->done += (size_t)result;
    if (io->done == io->length)
        io_end(io, (int64_t)io->length);
    else if (io->state == IO_CANCELLED)
        io_end(io, -ECANCELED);
    else
        evloop_send(io->stream->loop, op, io->stream->fd, io->buffer + io->done, io->length - io->done, write_left);
}

static void write_left_tls(struct evloop_op *op, int result);

/* Sends the next bytes: 1, or 0: all is sent, or -errno. */
static int64_t write_more_tls(struct stream_io *io)
{
    struct stream *stream = io->stream;
    void *data;
    int64_t bytes = tls_outgoing(stream->tls, &data);
    if (io->state == IO_CANCELLED && (bytes > 0 || io->done < io->length))
        return -ECANCELED;
    if (bytes == 0 && io->done < io->length) {
        bytes = tls_encrypt(stream->tls, io->buffer + io->done, io->length - io->done);
        if (bytes < 0)
            return bytes;
        io->done += (size_t)bytes;
        bytes = tls_outgoing(stream->tls, &data);
    }
    if (bytes <= 0)
        return bytes;
    evloop_send(stream->loop, &io->op, stream->fd, data, (size_t)bytes, write_left_tls);
    return 1;
}

static void write_left_tls(struct evloop_op *op, int result)
{
    struct stream_io *io = of_op(op);
    int64_t next = result;
    if (result >= 0) {
        tls_sent(io->stream->tls, (size_t)result);
        next = write_more_tls(io);
    }
    if (next > 0)
        return;
    tls_write_end(io->stream->tls);
    io_end(io, next ? next : (int64_t)io->length);
}

void stream_write(struct stream *stream, struct stream_io *io, const void *buffer, size_t length,
                  void (*call)(struct stream_io *io, int64_t result))
{
    io_begin(io, stream, buffer, length, call);
    if (!length) {
        io_end_later(io, 0);
    } else if (!stream->tls) {
        evloop_send(stream->loop, &io->op, stream->fd, buffer, length, write_left);
    } else {
        tls_write_begin(stream->tls);
        const int64_t result = write_more_tls(io);
        if (result > 0)
            return;
        tls_write_end(stream->tls);
        io_end_later(io, result);
    }
}
