/* SPDX-License-Identifier: ISC
 *
 * What a borrower may do with a connection: look at it, read and write.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>

static_assert(sizeof(struct stream_io) <= sizeof(((struct evpool_io *)0)->own),
              "the stream's state fits into the caller's memory");

int evpool_conn_fd(const struct evpool_conn *conn)
{
    return stream_fd(conn->stream);
}

uint64_t evpool_conn_id(const struct evpool_conn *conn)
{
    return conn->id;
}

struct evpool_name *evpool_conn_name(const struct evpool_conn *conn)
{
    return conn_name(conn);
}

const char *evpool_conn_address(const struct evpool_conn *conn)
{
    return conn->address->label;
}

uint64_t evpool_conn_uses(const struct evpool_conn *conn)
{
    return uses_of(conn);
}

const char *evpool_conn_alpn(const struct evpool_conn *conn)
{
    return stream_alpn(conn->stream);
}

const char *evpool_conn_fault(const struct evpool_conn *conn)
{
    return stream_fault(conn->stream);
}

void *evpool_conn_data(const struct evpool_conn *conn)
{
    return conn->data;
}

void evpool_conn_set_data(struct evpool_conn *conn, void *data)
{
    conn->data = data;
}

void conn_print(const struct evpool_conn *conn, char *text, size_t bytes)
{
    struct peer_address local = {.bytes = sizeof local.address};
    char from[LABEL_BYTES] = "";
    if (getsockname(stream_fd(conn->stream), (struct sockaddr *)&local.address, &local.bytes) == 0)
        peer_address_print(&local, from, sizeof from);
    snprintf(text, bytes, "%s > %s", from, conn->address->label);
}

/* ---- in the loop's thread ---- */

static void io_done(struct stream_io *own, int64_t result)
{
    struct evpool_io *io = LIST_OF(own, struct evpool_io, own);
    struct evpool_conn *conn = io->conn;
    conn->ios--;
    conn->calling++; /* it stays until the callback is over, which may give it back though the pool has been freed */
    io->call(io, result);
    conn->calling--;
    close_continue(conn);
}

static struct stream_io *io_begin(struct evpool_conn *conn, struct evpool_io *io,
                                  void (*call)(struct evpool_io *io, int64_t result))
{
    if (pool_forked(conn->pool)) { /* the loop is the parent's */
        call(io, -ECHILD);
        return NULL;
    }
    if (!conn->stream) { /* closed under a health hook that took too long */
        call(io, -ECONNRESET);
        return NULL;
    }
    io->call = call;
    io->conn = conn;
    conn->ios++;
    return (struct stream_io *)(void *)io->own;
}

void evpool_read(struct evpool_conn *conn, struct evpool_io *io, void *buffer, size_t length,
                 void (*call)(struct evpool_io *io, int64_t result))
{
    struct stream_io *own = io_begin(conn, io, call);
    if (own)
        stream_read(conn->stream, own, buffer, length, io_done);
}

void evpool_write(struct evpool_conn *conn, struct evpool_io *io, const void *buffer, size_t length,
                  void (*call)(struct evpool_io *io, int64_t result))
{
    struct stream_io *own = io_begin(conn, io, call);
    if (own)
        stream_write(conn->stream, own, buffer, length, io_done);
}

void evpool_io_cancel(struct evpool_io *io)
{
    if (io->conn && !pool_forked(io->conn->pool))
        stream_cancel((struct stream_io *)(void *)io->own);
}

/* ---- in other threads ---- */

int64_t evpool_read_wait(struct evpool_conn *conn, void *buffer, size_t length, uint64_t timeout_ns)
{
    if (pool_forked(conn->pool))
        return -ECHILD;
    if (pool_in_loop(conn->pool))
        return -EDEADLK;
    return stream_read_wait(conn->stream, buffer, length, time_after(clock_ns(), timeout_ns));
}

int64_t evpool_write_wait(struct evpool_conn *conn, const void *buffer, size_t length, uint64_t timeout_ns)
{
    if (pool_forked(conn->pool))
        return -ECHILD;
    if (pool_in_loop(conn->pool))
        return -EDEADLK;
    return stream_write_wait(conn->stream, buffer, length, time_after(clock_ns(), timeout_ns));
}
