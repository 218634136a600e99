/* SPDX-License-Identifier: ISC
 *
 * An event loop for one thread: operations on descriptors, timers, and calls from other threads. It runs on io_uring, or on
 * epoll where the kernel refuses io_uring, behind the same interface, chosen at start.
 *
 * All but evloop_stop(), evloop_post() and evloop_backend() belong to the thread that runs the loop. Nothing here calls back from
 * within the call that started it: callbacks come from evloop_run(), evloop_run_once() and evloop_free() only. Structures passed in
 * are the caller's memory, and stay valid until their callback has been called. Functions return >= 0 or a negative errno.
 *
 * The thread is the one that first runs the loop; evloop_new() and the first operations may come from another before that, and
 * evloop_free() from another after that thread has ended. A forked child can only free the loop.
 */
#ifndef EVPOOL_LOOP_H
#define EVPOOL_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct evloop;

enum evloop_backend {
    EVLOOP_AUTO,  /* the environment's EVLOOP_BACKEND (uring, epoll), else io_uring, else epoll */
    EVLOOP_URING, /* or fail */
    EVLOOP_EPOLL,
};

struct evloop_options {
    size_t bytes;     /* sizeof(struct evloop_options) */
    unsigned entries; /* operations in flight before one is queued in memory first; a power of two, 0: 256 */
    enum evloop_backend backend;
};

/* -EINVAL: an option; -ENOMEM; -EMFILE, -ENFILE; -EPERM, -ENOSYS: EVLOOP_URING and the kernel refuses it. options NULL: defaults. */
int evloop_new(struct evloop **ret_loop, const struct evloop_options *options);
/* Timers are disarmed; posts that are queued are called; operations in flight are cancelled and their callbacks called with -ECANCELED (or
 * the result, if it was faster), and those that are started meanwhile fail with -ECANCELED too. Not from a callback. NULL is accepted. */
void evloop_free(struct evloop *loop);

/* Until evloop_stop(). 0, or the error of the kernel's wait; -EEXIST: another thread has run it; -EDEADLK: from a callback; -ECHILD: the
 * loop is the parent process's. */
int evloop_run(struct evloop *loop);
/* One iteration: waits up to timeout_ns (0: not at all; UINT64_MAX: as long as it takes) for something to do, and does it.
 * Returns the number of callbacks called. */
int evloop_run_once(struct evloop *loop, uint64_t timeout_ns);
/* Any thread, signal handlers: evloop_run() returns after its iteration. Stopping before the run counts. */
void evloop_stop(struct evloop *loop);

/* CLOCK_MONOTONIC at the beginning of this iteration: no clock read. */
uint64_t evloop_now_ns(const struct evloop *loop);
/* Reads the clock, and makes that the iteration's time. */
uint64_t evloop_update_now(struct evloop *loop);
/* "io_uring" or "epoll". */
const char *evloop_backend(const struct evloop *loop);

/* ---- calls from other threads ----------------------------------------------------------------------------------- */

/* `call` runs in the loop's thread. Intrusive, so posting allocates nothing; a post that is queued already stays queued once. */
struct evloop_post {
    void (*call)(struct evloop_post *post);
    struct evloop_post *next;
    int queued; /* the loop's, by atomic operations alone (not _Atomic: C++ reads this, too) */
};
/* Any thread; a system call only if the loop may be asleep. */
void evloop_post(struct evloop *loop, struct evloop_post *post);

/* ---- timers ------------------------------------------------------------------------------------------------------ */

/* Zero before first use. */
struct evloop_timer {
    void (*call)(struct evloop_timer *timer);
    uint64_t deadline_ns; /* CLOCK_MONOTONIC */
    size_t place;         /* in the loop's heap, + 1; 0: not armed */
};
/* Arms, or moves. O(log timers). -ENOMEM: not armed; -ESHUTDOWN: the loop is being freed. A deadline that is past fires in the next iteration. */
int evloop_timer_start(struct evloop *loop, struct evloop_timer *timer, uint64_t deadline_ns, void (*call)(struct evloop_timer *timer));
void evloop_timer_stop(struct evloop *loop, struct evloop_timer *timer); /* not armed: nothing */
int evloop_timer_armed(const struct evloop_timer *timer);

/* ---- operations -------------------------------------------------------------------------------------------------- */

enum evloop_opcode {
    EVLOOP_OP_none,
    EVLOOP_OP_connect,
    EVLOOP_OP_accept,
    EVLOOP_OP_recv,
    EVLOOP_OP_send,
    EVLOOP_OP_poll,
    EVLOOP_OP_watch,
    EVLOOP_OP_close,
};

/* Zero before first use; busy until its callback was called (a watch: until called with more == 0). */
struct evloop_op {
    void (*call)(struct evloop_op *op, int result); /* result: the system call's, or -errno; -ECANCELED */
    uint64_t span;                                  /* the trace span of this operation */
    uint64_t parent;                                /* the caller's: the span it belongs to, 0: none; read when it is started */
    struct evloop_op *next, *prev, *beside;         /* the loop's lists; others on the same descriptor */
    void *buffer;
    size_t length;
    int fd;
    int result;
    uint32_t events;        /* poll, watch: what is waited for (EPOLLIN ...) */
    uint8_t opcode;         /* enum evloop_opcode */
    uint8_t state;          /* the backend's */
    uint8_t more;           /* a watch: 1 while it stays armed after this callback */
    uint8_t reserved;
    socklen_t address_bytes;
    struct sockaddr_storage *address; /* connect: the peer; accept: NULL, or the peer is put there */
};

typedef void evloop_call(struct evloop_op *op, int result);

/* Starting never fails: what goes wrong, also for want of memory, comes by the callback. The descriptor must be non-blocking. */
void evloop_connect(struct evloop *loop, struct evloop_op *op, int fd, struct sockaddr_storage *address, socklen_t bytes, evloop_call *call);
void evloop_accept(struct evloop *loop, struct evloop_op *op, int fd, evloop_call *call); /* result: a non-blocking, close-on-exec descriptor */
void evloop_recv(struct evloop *loop, struct evloop_op *op, int fd, void *buffer, size_t length, evloop_call *call);
void evloop_send(struct evloop *loop, struct evloop_op *op, int fd, const void *buffer, size_t length, evloop_call *call); /* may send less */
/* Once, when one of `events` (EPOLLIN, EPOLLOUT; EPOLLRDHUP, EPOLLERR and EPOLLHUP always) holds; result: those that do. */
void evloop_poll(struct evloop *loop, struct evloop_op *op, int fd, uint32_t events, evloop_call *call);
/* Each time that one of `events` begins to hold (edge; now and then also while it goes on), until cancelled. Costs nothing while nothing happens: this is how idle and
 * borrowed connections are watched for their peer's end with EPOLLRDHUP. One watch per descriptor; other operations may run beside it. */
void evloop_watch(struct evloop *loop, struct evloop_op *op, int fd, uint32_t events, evloop_call *call);
/* Closes in the background. Nothing else may be in flight on the descriptor. call NULL: op NULL, the result is nobody's. */
void evloop_close(struct evloop *loop, struct evloop_op *op, int fd, evloop_call *call);
/* The callback comes with -ECANCELED, or with the result if the operation was faster. Not busy: nothing. */
void evloop_cancel(struct evloop *loop, struct evloop_op *op);
int evloop_busy(const struct evloop_op *op);

/* ---- figures ----------------------------------------------------------------------------------------------------- */

struct evloop_figures {
    uint64_t iterations, operations, completions, submit_calls, wakeups, posts, timers_fired, overflows;
    uint64_t busy_ns, idle_ns; /* callbacks and submission; waiting */
    unsigned in_flight, timers;
};
void evloop_figures(const struct evloop *loop, struct evloop_figures *ret_figures);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* EVPOOL_LOOP_H */
