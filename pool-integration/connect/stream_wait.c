/* SPDX-License-Identifier: ISC
 *
 * Reading and writing a stream in a thread that may wait, and looking at an idle one.
 */
#include "stream_internal.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

enum { IDLE_READS_MAX = 16 };

/* Until one of `events` holds: 0, -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, uint64_t deadline_ns)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        struct timespec now, left;
        clock_gettime(CLOCK_MONOTONIC, &now);
        const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        left = (struct timespec){.tv_sec = (time_t)(left_ns / 1000000000), .tv_nsec = (long)(left_ns % 1000000000)};
        const int ready = ppoll(&poll_fd, 1, deadline_ns == UINT64_MAX ? NULL : &left, NULL);
        if (ready > 0)
            return 0;
        if (ready == 0 && !left_ns)
            return -ETIMEDOUT;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

static int64_t receive(int fd, void *buffer, size_t length, uint64_t deadline_ns)
{
    for (;;) {
        const ssize_t n = recv(fd, buffer, length, MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        const int result = wait_for(fd, POLLIN, deadline_ns);
        if (result < 0)
            return result;
    }
}

static int64_t send_some(int fd, const void *buffer, size_t length, uint64_t deadline_ns)
{
    for (;;) {
        const ssize_t n = send(fd, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        const int result = wait_for(fd, POLLOUT, deadline_ns);
        if (result < 0)
            return result;
    }
}

int64_t stream_read_wait(struct stream *stream, void *buffer, size_t length, uint64_t deadline_ns)
{
    if (!stream->tls || !length)
        return length ? receive(stream->fd, buffer, length, deadline_ns) : 0;
    char incoming[TLS_BUFFER_BYTES];
    int64_t bytes;
    while ((bytes = tls_decrypt(stream->tls, buffer, length)) == -EAGAIN) {
        bytes = receive(stream->fd, incoming, sizeof(incoming), deadline_ns);
        if (bytes <= 0)
            return bytes ? bytes : -ECONNRESET;
        if (tls_feed(stream->tls, incoming, (size_t)bytes) < 0)
            return -ENOMEM;
    }
    tls_flush(stream->tls, stream->fd);
    return bytes;
}

/* All that is outgoing: 0 or -errno. */
static int64_t send_outgoing(struct stream *stream, uint64_t deadline_ns)
{
    void *data;
    int64_t bytes;
    while ((bytes = tls_outgoing(stream->tls, &data)) > 0) {
        bytes = send_some(stream->fd, data, (size_t)bytes, deadline_ns);
        if (bytes < 0)
            return bytes;
        tls_sent(stream->tls, (size_t)bytes);
    }
    return bytes;
}

static int64_t write_tls(struct stream *stream, const char *buffer, size_t length, uint64_t deadline_ns)
{
    size_t done = 0;
    int64_t result = send_outgoing(stream, deadline_ns);
    while (result == 0 && done < length) {
        const int64_t taken = tls_encrypt(stream->tls, buffer + done, length - done);
        if (taken < 0)
            return taken;
        done += (size_t)taken;
        result = send_outgoing(stream, deadline_ns);
    }
    return result < 0 ? result : (int64_t)length;
}

static int64_t write_plain(struct stream *stream, const char *buffer, size_t length, uint64_t deadline_ns)
{
    for (size_t done = 0; done < length;) {
        const int64_t n = send_some(stream->fd, buffer + done, length - done, deadline_ns);
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return (int64_t)length;
}

int64_t stream_write_wait(struct stream *stream, const void *buffer, size_t length, uint64_t deadline_ns)
{
    if (!stream->tls)
        return write_plain(stream, buffer, length, deadline_ns);
    tls_write_begin(stream->tls);
    const int64_t result = write_tls(stream, buffer, length, deadline_ns);
    tls_write_end(stream->tls);
    return result;
}

static int idle_ok_tls(struct stream *stream)
{
    char incoming[4096];
    int good = tls_peek(stream->tls) == -EAGAIN;
    /* Bounded: a peer that sends tickets without end is no good either. */
    for (int i = 0; good && i < IDLE_READS_MAX; i++) {
        const ssize_t n = recv(stream->fd, incoming, sizeof(incoming), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            tls_flush(stream->tls, stream->fd);
            return 1;
        }
        good = n > 0 && tls_feed(stream->tls, incoming, (size_t)n) == 0 && tls_peek(stream->tls) == -EAGAIN;
    }
    return 0;
}

int stream_idle_ok(struct stream *stream)
{
    if (stream->tls)
        return idle_ok_tls(stream);
    char byte;
    return recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}
