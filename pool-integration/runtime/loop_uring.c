/* SPDX-License-Identifier: ISC
 *
 * The loop on io_uring (Linux 5.13 or newer): operations gather in the submission queue and go to the kernel with the wait, one
 * system call an iteration.
 */
#include "loop_internal.h"
#include "loop_trace.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COMPLETIONS_PER_ENTRY = 8 }; /* many wait at once; what does not fit waits in the kernel */

/* The low bits of user_data say what a completion is of: operations are aligned. */
enum tag { TAG_OP = 0, TAG_CANCEL = 1, TAG_CLOSE = 2, TAG_WAKE = 3, TAG_BITS = 3 };
enum { TAG_MASK = (1 << TAG_BITS) - 1 };
_Static_assert(_Alignof(struct evloop_op) > TAG_MASK, "the tag fits into the pointer");

struct uring_loop {
    struct evloop loop;
    struct io_uring ring;
    pid_t tid; /* the thread that runs it; 0: none yet */
};

static struct uring_loop *of(struct evloop *loop)
{
    return (struct uring_loop *)loop;
}

/* ---- submitting ---- */

static void fill(struct io_uring_sqe *sqe, struct evloop_op *op)
{
    switch (op->opcode) {
    case EVLOOP_OP_connect:
        io_uring_prep_connect(sqe, op->fd, (struct sockaddr *)op->address, op->address_bytes);
        break;
    case EVLOOP_OP_accept:
        io_uring_prep_accept(sqe, op->fd, (struct sockaddr *)op->address, op->address ? &op->address_bytes : NULL,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case EVLOOP_OP_recv:
        io_uring_prep_recv(sqe, op->fd, op->buffer, op->length, 0);
        break;
    case EVLOOP_OP_send:
        io_uring_prep_send(sqe, op->fd, op->buffer, op->length, MSG_NOSIGNAL);
        break;
    case EVLOOP_OP_poll:
        io_uring_prep_poll_add(sqe, op->fd, op->events);
        break;
    case EVLOOP_OP_watch:
        io_uring_prep_poll_multishot(sqe, op->fd, op->events);
        break;
    default:
        io_uring_prep_close(sqe, op->fd);
        break;
    }
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | TAG_OP);
}

static void fill_cancel(struct io_uring_sqe *sqe, struct evloop_op *op)
{
    io_uring_prep_cancel64(sqe, (uintptr_t)op | TAG_OP, 0);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | TAG_CANCEL);
}

/* In order: not past one that waits in memory. */
static struct io_uring_sqe *entry(struct uring_loop *u)
{
    return list_empty(&u->loop.waiting) ? io_uring_get_sqe(&u->ring) : NULL;
}

/* What is done at once, without the ring; -EAGAIN: nothing is.
 *
 * connect() of a unix socket never goes on in the background: it succeeds, or is refused, or fails with -EAGAIN (a full backlog), for which
 * there is no edge to wait for.
 *
 * A send almost always finds room, and is tried first: it leaves at once instead of with its batch, and does not occupy a worker of the
 * kernel while it waits for a peer that has shut down its side. It costs the same as by the ring (64 clients, 64 bytes, an echo server
 * over loopback, CPU of the loop's thread a request, medians of 9 on a machine that was busy beside it: 5.12 us by the ring, 4.70 to
 * 5.73; 5.13 us so, 4.77 to 5.49). A recv mostly finds nothing yet; trying it first, too, made no difference that shows (5.30 us, 4.73
 * to 5.60), and IORING_RECVSEND_POLL_FIRST is a loss with few clients (8: 5.81 us, 5.52 to 6.91, for 5.07 us, 4.97 to 5.30). */
static int at_once(const struct evloop_op *op)
{
    ssize_t result = -1;
    errno = EAGAIN;
    if (op->opcode == EVLOOP_OP_send)
        result = send(op->fd, op->buffer, op->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (op->opcode == EVLOOP_OP_connect && op->address->ss_family == AF_UNIX)
        result = connect(op->fd, (struct sockaddr *)op->address, op->address_bytes);
    return result < 0 ? -errno : (int)result;
}

static void uring_start(struct evloop *loop, struct evloop_op *op)
{
    const int result = at_once(op);
    if (result != -EAGAIN || (op->opcode == EVLOOP_OP_connect && op->address->ss_family == AF_UNIX)) {
        loop_complete(loop, op, result, false);
        return;
    }
    struct io_uring_sqe *sqe = entry(of(loop));
    if (sqe)
        fill(sqe, op);
    else
        loop_wait_in_memory(loop, op, OP_WAIT_START);
}

static void uring_cancel(struct evloop *loop, struct evloop_op *op)
{
    if (op->state & OP_WAIT_START) { /* the kernel never saw it */
        loop_complete(loop, op, -ECANCELED, false);
        return;
    }
    struct io_uring_sqe *sqe = entry(of(loop));
    if (sqe)
        fill_cancel(sqe, op);
    else if (op->state & OP_READY) /* a watch, called before it can join that list */
        op->state |= OP_WAIT_CANCEL;
    else
        loop_wait_in_memory(loop, op, OP_WAIT_CANCEL);
}

static void uring_close_fd(struct evloop *loop, int fd, uint64_t span)
{
    struct io_uring_sqe *sqe = entry(of(loop));
    if (!sqe) {
        loop_closed(loop, span, close(fd) < 0 ? -errno : 0);
        return;
    }
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_data64(sqe, span << TAG_BITS | TAG_CLOSE);
}

/* From the list in memory into the queue. */
static void drain_waiting(struct uring_loop *u)
{
    struct evloop *loop = &u->loop;
    while (!list_empty(&loop->waiting)) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
        if (!sqe)
            return;
        struct evloop_op *op = loop->waiting.next;
        list_unlink(op);
        list_append(&loop->flight, op);
        if (op->state & OP_WAIT_CANCEL)
            fill_cancel(sqe, op);
        else
            fill(sqe, op);
        op->state &= (uint8_t) ~(OP_WAIT_START | OP_WAIT_CANCEL);
    }
}

/* ---- completing ---- */

static void watch_wake_ups(struct uring_loop *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (!sqe) {
        io_uring_submit(&u->ring);
        sqe = io_uring_get_sqe(&u->ring);
    }
    if (!sqe)
        return;
    io_uring_prep_poll_multishot(sqe, u->loop.wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, TAG_WAKE);
}

static void op_completed(struct evloop *loop, struct evloop_op *op, const struct io_uring_cqe *cqe)
{
    const bool ended = !(cqe->flags & IORING_CQE_F_MORE);
    /* Some cancellations interrupt: a send that cannot go on to a peer that has shut down its side blocks in a worker of the kernel. */
    const int result = cqe->res == -EINTR && (op->state & OP_CANCEL) ? -ECANCELED : cqe->res;
    if (op->opcode != EVLOOP_OP_watch || result < 0) {
        loop_complete(loop, op, result, false);
    } else if (ended && (op->state & OP_CANCEL)) {
        loop_complete(loop, op, -ECANCELED, false);
    } else {
        if (ended) /* by itself, as for want of room for its completions */
            op->state |= OP_REARM;
        loop_complete(loop, op, result, true);
    }
}

/* An operation is not found (-ENOENT) while the kernel hands it to a worker of its own, as it does after many polls that said what was
 * not so, and there it may miss the interruption (-EALREADY): ask again until it is gone. */
static void cancel_completed(struct evloop *loop, const struct evloop_op *asked, int result)
{
    if (result >= 0)
        return;
    for (struct evloop_op *op = loop->flight.next; op != &loop->flight; op = op->next)
        if (op == asked && (op->state & OP_CANCEL)) { /* else it has ended, and is the caller's again */
            uring_cancel(loop, op);
            return;
        }
}

static void completed(struct uring_loop *u, const struct io_uring_cqe *cqe)
{
    struct evloop *loop = &u->loop;
    switch (cqe->user_data & TAG_MASK) {
    case TAG_OP:
        op_completed(loop, (struct evloop_op *)(uintptr_t)cqe->user_data, cqe);
        break;
    case TAG_CLOSE: /* the span's top bits are lost in the shift: they are the loop's */
        loop_closed(loop, cqe->user_data >> TAG_BITS | (loop->next_span & ~(UINT64_MAX >> TAG_BITS)), cqe->res);
        break;
    case TAG_WAKE:
        loop_woken(loop);
        if (!(cqe->flags & IORING_CQE_F_MORE) && !loop->closing)
            watch_wake_ups(u);
        break;
    default:
        cancel_completed(loop, (struct evloop_op *)(uintptr_t)(cqe->user_data - TAG_CANCEL), cqe->res);
        break;
    }
}

static void take_completions(struct uring_loop *u)
{
    struct evloop *loop = &u->loop;
    const unsigned count = io_uring_cq_ready(&u->ring);
    if (!count)
        return;
    loop->stamp = loop_trace_stamp();
    loop_trace_completed_at(loop->stamp, loop->id, count);
    unsigned head, taken = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        if (taken == count)
            break;
        completed(u, cqe);
        taken++;
    }
    io_uring_cq_advance(&u->ring, taken);
    loop->stamp = 0;
}

/* ---- waiting ---- */

/* Binds the ring to this thread, which IORING_SETUP_SINGLE_ISSUER wants to be the only one. */
static int enable(struct uring_loop *u)
{
    /* by hand: liburing 2.3 declares io_uring_enable_rings() and does not export it */
    if (syscall(SYS_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        return -errno;
    u->tid = gettid();
    if (u->ring.flags & IORING_SETUP_SINGLE_ISSUER)
        io_uring_register_ring_fd(&u->ring); /* saves looking up the descriptor in each call; older kernels refuse */
    return 0;
}

static int submit_and_wait(struct uring_loop *u, uint64_t timeout_ns)
{
    if (timeout_ns == 0)
        return io_uring_submit_and_get_events(&u->ring);
    struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / 1000000000),
                                        .tv_nsec = (long long)(timeout_ns % 1000000000)};
    struct io_uring_cqe *cqe;
    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, timeout_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

static void count_submission(struct uring_loop *u)
{
    const unsigned count = io_uring_sq_ready(&u->ring);
    if (!count)
        return;
    u->loop.figures.submit_calls++;
    loop_trace_submitted(u->loop.id, count);
}

/* Errors of a call that has done what it could, and of which the next can do more. */
static bool passes(int error)
{
    return error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY;
}

static int uring_wait(struct evloop *loop, uint64_t timeout_ns)
{
    struct uring_loop *u = of(loop);
    if (!u->tid) {
        const int error = enable(u);
        if (error < 0)
            return error;
        watch_wake_ups(u);
    }
    int result = 0;
    if (loop->waiting_since)
        loop_trace_overflow(loop->id, loop->waiting_since);
    loop->waiting_since = 0;
    drain_waiting(u);
    while (!list_empty(&loop->waiting) && result >= 0) {
        count_submission(u);
        result = io_uring_submit(&u->ring);
        drain_waiting(u);
    }
    if (result >= 0 || passes(result)) {
        count_submission(u);
        result = submit_and_wait(u, list_empty(&loop->waiting) ? timeout_ns : 0);
    }
    take_completions(u);
    return result >= 0 || passes(result) ? 0 : result;
}

/* ---- making and ending ---- */

/* From what is fastest to what is oldest. With DEFER_TASKRUN completions are worked off when we ask for them, not by interrupting us;
 * COOP_TASKRUN at least leaves out the interrupt. */
static const unsigned setups[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, /* 6.1 */
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,  /* 6.0 */
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN,                               /* 5.19 */
    0,
};

static int uring_open(struct evloop *loop, unsigned entries)
{
    struct uring_loop *u = of(loop);
    int error = -EINVAL;
    for (unsigned i = 0; error == -EINVAL && i < sizeof(setups) / sizeof(*setups); i++) {
        struct io_uring_params params = {.flags = setups[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
                                                  IORING_SETUP_CLAMP,
                                         .cq_entries = entries * COMPLETIONS_PER_ENTRY};
        error = io_uring_queue_init_params(entries, &u->ring, &params);
    }
    if (error < 0)
        return error == -EINVAL ? -ENOSYS : error;
    /* Multishot polls have no flag of their own; this one came with them. */
    const unsigned needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_RSRC_TAGS;
    if ((u->ring.features & needed) == needed)
        return 0;
    io_uring_queue_exit(&u->ring);
    return -ENOSYS;
}

static bool uring_usable(struct evloop *loop)
{
    return !of(loop)->tid || of(loop)->tid == gettid();
}

/* Closes that were never submitted: their descriptors would leak. */
static void close_unsubmitted(struct uring_loop *u)
{
    const struct io_uring_sq *sq = &u->ring.sq;
    const unsigned mask = *sq->kring_mask;
    /* relaxed: the thread that had submitted is gone, or we are it */
    for (unsigned i = __atomic_load_n(sq->khead, __ATOMIC_RELAXED); i != sq->sqe_tail; i++)
        if (sq->sqes[i & mask].opcode == IORING_OP_CLOSE)
            close(sq->sqes[i & mask].fd);
}

static void uring_close(struct evloop *loop)
{
    struct uring_loop *u = of(loop);
    if (!loop_forked(loop)) {
        take_completions(u); /* of a thread that has ended: the kernel has cancelled what was its */
        close_unsubmitted(u);
    }
    io_uring_queue_exit(&u->ring);
}

const struct loop_backend loop_uring = {
    .name = "io_uring",
    .bytes = sizeof(struct uring_loop),
    .open = uring_open,
    .close = uring_close,
    .usable = uring_usable,
    .start = uring_start,
    .cancel = uring_cancel,
    .close_fd = uring_close_fd,
    .wait = uring_wait,
};
