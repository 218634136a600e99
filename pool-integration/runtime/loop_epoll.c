/* SPDX-License-Identifier: ISC
 *
 * The loop on epoll: each operation is tried first, and waits for an edge of its descriptor only if it would block.
 *
 * A descriptor stays registered for what its operations have waited for, so that a connection which is watched all its life costs no
 * epoll_ctl() for each recv. While no operation is in flight on it, it may be closed and its number used again behind our back: the
 * first operation after that always registers it again.
 */
#include "loop_internal.h"
#include "loop_trace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 256,
    UNWANTED_MAX = 16, /* edges that nobody waits for in a row, until the descriptor is registered for less */
    TABLE_FIRST = 64,
};
enum { ALWAYS = EPOLLERR | EPOLLHUP };
enum { ALWAYS_POLLED = EPOLLRDHUP }; /* io_uring adds it to each poll: so do we */

struct descriptor {
    struct evloop_op *ops; /* in flight, linked by `beside` */
    uint32_t mask;         /* what it is registered for */
    uint16_t registered;   /* 1 as far as we know */
    uint16_t unwanted;
};

struct epoll_loop {
    struct evloop loop;
    int fd;
    bool coarse;              /* the kernel has no epoll_pwait2() */
    struct descriptor *table; /* by descriptor */
    size_t table_room;
    struct epoll_event events[BATCH];
};

static struct epoll_loop *of(struct evloop *loop)
{
    return (struct epoll_loop *)loop;
}

/* ---- trying ---- */

static int try_connect(struct evloop_op *op)
{
    /* Once more after the edge tells how it went: 0, or the error; -EALREADY: it goes on. */
    if (connect(op->fd, (struct sockaddr *)op->address, op->address_bytes) == 0)
        return 0;
    return errno == EINPROGRESS || errno == EALREADY || errno == EINTR ? -EAGAIN : -errno;
}

static int try_accept(struct evloop_op *op)
{
    socklen_t *bytes = op->address ? &op->address_bytes : NULL;
    const int fd = accept4(op->fd, (struct sockaddr *)op->address, bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int try_poll(struct evloop_op *op)
{
    struct pollfd one = {.fd = op->fd, .events = (short)(op->events | ALWAYS_POLLED)};
    if (poll(&one, 1, 0) < 0)
        return -errno;
    if (one.revents & POLLNVAL)
        return -EBADF;
    return one.revents ? (unsigned short)one.revents : -EAGAIN;
}

static int try_once(struct evloop_op *op)
{
    ssize_t bytes;
    switch (op->opcode) {
    case EVLOOP_OP_connect:
        return try_connect(op);
    case EVLOOP_OP_accept:
        return try_accept(op);
    case EVLOOP_OP_recv:
        bytes = recv(op->fd, op->buffer, op->length, MSG_DONTWAIT);
        return bytes < 0 ? -errno : (int)bytes;
    case EVLOOP_OP_send:
        bytes = send(op->fd, op->buffer, op->length, MSG_DONTWAIT | MSG_NOSIGNAL);
        return bytes < 0 ? -errno : (int)bytes;
    case EVLOOP_OP_poll:
        return try_poll(op);
    default: /* a watch: registering tells what holds already */
        return -EAGAIN;
    }
}

static int try(struct evloop_op *op)
{
    int result;
    do
        result = try_once(op);
    while (result == -EINTR);
    return result;
}

/* ---- registering ---- */

static uint32_t interest(const struct evloop_op *op)
{
    switch (op->opcode) {
    case EVLOOP_OP_connect:
    case EVLOOP_OP_send:
        return EPOLLOUT;
    case EVLOOP_OP_accept:
    case EVLOOP_OP_recv:
        return EPOLLIN;
    default:
        return op->events | ALWAYS_POLLED;
    }
}

static uint32_t interest_all(const struct descriptor *d)
{
    uint32_t mask = 0;
    for (const struct evloop_op *op = d->ops; op; op = op->beside)
        mask |= interest(op);
    return mask;
}

static int grow(struct epoll_loop *e, int fd)
{
    if (fd < 0)
        return -EBADF;
    if ((size_t)fd < e->table_room)
        return 0;
    size_t room = e->table_room ? e->table_room : TABLE_FIRST;
    while (room <= (size_t)fd)
        room *= 2;
    struct descriptor *table = realloc(e->table, room * sizeof(*table));
    if (!table)
        return -ENOMEM;
    memset(table + e->table_room, 0, (room - e->table_room) * sizeof(*table));
    e->table = table;
    e->table_room = room;
    return 0;
}

/* Edges from now on; one at once for what holds already. */
static int set_mask(struct epoll_loop *e, int fd, struct descriptor *d, uint32_t mask)
{
    struct epoll_event event = {.events = mask | EPOLLET, .data.fd = fd};
    int error = -1;
    if (d->registered)
        error = epoll_ctl(e->fd, EPOLL_CTL_MOD, fd, &event);
    if (error < 0 && (!d->registered || errno == ENOENT))
        error = epoll_ctl(e->fd, EPOLL_CTL_ADD, fd, &event);
    if (error < 0 && errno == EEXIST)
        error = epoll_ctl(e->fd, EPOLL_CTL_MOD, fd, &event);
    if (error < 0)
        return -errno;
    d->registered = 1;
    d->mask = mask;
    d->unwanted = 0;
    return 0;
}

static void remove_op(struct descriptor *d, struct evloop_op *op)
{
    struct evloop_op **link = &d->ops;
    while (*link != op)
        link = &(*link)->beside;
    *link = op->beside;
}

static int wait_for_edge(struct epoll_loop *e, struct evloop_op *op)
{
    int error = grow(e, op->fd);
    if (error < 0)
        return error;
    struct descriptor *d = &e->table[op->fd];
    const uint32_t known = d->ops ? d->mask : 0;
    const uint32_t mask = known | interest(op);
    if (!d->ops || mask != known || op->opcode == EVLOOP_OP_watch)
        error = set_mask(e, op->fd, d, mask);
    if (error < 0)
        return error;
    op->beside = d->ops;
    d->ops = op;
    return 0;
}

static void close_now(struct epoll_loop *e, int fd)
{
    struct descriptor *d = fd >= 0 && (size_t)fd < e->table_room ? &e->table[fd] : NULL;
    if (d && d->registered) { /* closing would do, but for the copies that forked children hold */
        epoll_ctl(e->fd, EPOLL_CTL_DEL, fd, NULL);
        *d = (struct descriptor){.ops = d->ops};
    }
}

/* ---- the backend ---- */

static void epoll_start(struct evloop *loop, struct evloop_op *op)
{
    if (op->opcode == EVLOOP_OP_close) {
        close_now(of(loop), op->fd);
        loop_complete(loop, op, close(op->fd) < 0 ? -errno : 0, false);
        return;
    }
    int result = try(op);
    if (result == -EAGAIN && !(op->opcode == EVLOOP_OP_connect && op->address->ss_family == AF_UNIX)) {
        result = wait_for_edge(of(loop), op);
        if (result == 0)
            return;
    }
    loop_complete(loop, op, result, false);
}

static void epoll_cancel(struct evloop *loop, struct evloop_op *op)
{
    /* Not one that is ready: only a watch is that may be cancelled, and it is still linked. */
    remove_op(&of(loop)->table[op->fd], op);
    loop_complete(loop, op, -ECANCELED, false);
}

static void epoll_close_fd(struct evloop *loop, int fd, uint64_t span)
{
    close_now(of(loop), fd);
    loop_closed(loop, span, close(fd) < 0 ? -errno : 0);
}

/* Whether the operation had waited for this edge; completes it if it is done now. */
static bool edge_for(struct evloop *loop, struct descriptor *d, struct evloop_op *op, uint32_t events)
{
    const uint32_t holds = events & (interest(op) | ALWAYS);
    if (!holds)
        return false;
    if (op->opcode == EVLOOP_OP_watch) {
        loop_complete(loop, op, (int)holds, true);
        return true;
    }
    const int result = op->opcode == EVLOOP_OP_poll ? (int)holds : try(op);
    if (result != -EAGAIN) {
        remove_op(d, op);
        loop_complete(loop, op, result, false);
    }
    return true;
}

static void edge(struct epoll_loop *e, int fd, uint32_t events)
{
    struct descriptor *d = &e->table[fd];
    bool wanted = false;
    for (struct evloop_op *op = d->ops, *next; op; op = next) {
        next = op->beside;
        wanted |= edge_for(&e->loop, d, op, events);
    }
    if (wanted)
        d->unwanted = 0;
    else if (++d->unwanted == UNWANTED_MAX)
        set_mask(e, fd, d, interest_all(d));
}

/* Returns the number of events. */
static int wait_events(struct epoll_loop *e, uint64_t timeout_ns)
{
    if (!e->coarse && timeout_ns > 0 && timeout_ns != UINT64_MAX) {
        const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                         .tv_nsec = (long)(timeout_ns % 1000000000)};
        const int count = epoll_pwait2(e->fd, e->events, BATCH, &timeout, NULL);
        if (count >= 0 || errno != ENOSYS)
            return count < 0 ? -errno : count;
        e->coarse = true;
    }
    const uint64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0); /* never too early */
    const int timeout = timeout_ns == UINT64_MAX ? -1 : timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX;
    const int count = epoll_wait(e->fd, e->events, BATCH, timeout);
    return count < 0 ? -errno : count;
}

static int epoll_wait_for(struct evloop *loop, uint64_t timeout_ns)
{
    struct epoll_loop *e = of(loop);
    const int count = wait_events(e, timeout_ns);
    if (count <= 0)
        return count == -EINTR ? 0 : count;
    loop->stamp = loop_trace_stamp();
    loop_trace_completed_at(loop->stamp, loop->id, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        if (e->events[i].data.fd == loop->wake_fd)
            loop_woken(loop);
        else
            edge(e, e->events[i].data.fd, e->events[i].events);
    }
    loop->stamp = 0;
    return 0;
}

static int epoll_open(struct evloop *loop, unsigned entries)
{
    (void)entries; /* there is no queue */
    struct epoll_loop *e = of(loop);
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->fd < 0)
        return -errno;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = loop->wake_fd};
    if (epoll_ctl(e->fd, EPOLL_CTL_ADD, loop->wake_fd, &event) == 0)
        return 0;
    const int error = -errno;
    close(e->fd);
    return error;
}

static void epoll_shut(struct evloop *loop)
{
    close(of(loop)->fd);
    free(of(loop)->table);
}

static bool epoll_usable(struct evloop *loop)
{
    (void)loop;
    return true;
}

const struct loop_backend loop_epoll = {
    .name = "epoll",
    .bytes = sizeof(struct epoll_loop),
    .open = epoll_open,
    .close = epoll_shut,
    .usable = epoll_usable,
    .start = epoll_start,
    .cancel = epoll_cancel,
    .close_fd = epoll_close_fd,
    .wait = epoll_wait_for,
};
