/* SPDX-License-Identifier: ISC
 *
 * What the loop's parts share: the loop itself, its lists of operations, and the table that a backend fills in.
 *
 * An operation is on one list at a time: `flight` (the backend has it), `waiting` (the kernel's queue is full), `ready` (its result
 * is known, its callback is due). Backends only move operations; callbacks are called from one place, call_ready() in loop.c.
 */
#ifndef EVPOOL_LOOP_INTERNAL_H
#define EVPOOL_LOOP_INTERNAL_H

#include <evpool/loop.h>

#include <stdatomic.h>
#include <stdbool.h>

/* evloop_op.state; 0: not busy */
enum loop_op_state {
    OP_BUSY = 1,
    OP_READY = 2,       /* on the list `ready` */
    OP_CANCEL = 4,      /* asked for */
    OP_WAIT_START = 8,  /* on the list `waiting`, to be started */
    OP_WAIT_CANCEL = 16, /* on the list `waiting`, to be cancelled */
    OP_REARM = 32,      /* a watch whose arming ended by itself: again, after its callback */
};

struct evloop;

struct loop_backend {
    const char *name;
    size_t bytes; /* of its structure, which begins with a struct evloop */
    int (*open)(struct evloop *loop, unsigned entries);
    void (*close)(struct evloop *loop); /* what is in flight is forgotten */
    bool (*usable)(struct evloop *loop); /* whether this thread may still wait on it */
    void (*start)(struct evloop *loop, struct evloop_op *op); /* op is on `flight` */
    void (*cancel)(struct evloop *loop, struct evloop_op *op); /* op is on `flight` or `waiting` */
    void (*close_fd)(struct evloop *loop, int fd, uint64_t span); /* ends in loop_closed() */
    int (*wait)(struct evloop *loop, uint64_t timeout_ns); /* submits, waits, loop_complete()s; 0 or the kernel's error */
};
extern const struct loop_backend loop_uring, loop_epoll;

struct loop_timer_entry {
    uint64_t deadline_ns; /* in the heap, not in the timer: ordering touches no other memory */
    struct evloop_timer *timer;
};

struct evloop {
    const struct loop_backend *backend;
    uint64_t id, now_ns, next_span;
    uint64_t stamp;    /* of the batch that is being taken in, for its events; 0: none is */
    uint64_t busy_from_ns;
    unsigned generation; /* forks before it was made */
    int wake_fd;         /* eventfd: each write is an edge, nobody reads it */
    bool running, closing, woken;
    struct evloop_op flight, waiting, ready; /* heads */
    unsigned ready_count;
    unsigned waiting_since; /* joined `waiting` since the last submission */

    struct loop_timer_entry *heap;
    size_t heap_room;
    uint64_t firing_until_ns; /* 0: timers are not being called just now */

    struct evloop_figures figures;

    char apart[64]; /* other threads write what follows: not in a line with the loop's own */
    struct evloop_post *_Atomic posts;
    _Atomic int asleep;
    _Atomic int stop;
    char apart_too[64];
};

static inline bool list_empty(const struct evloop_op *head)
{
    return head->next == head;
}
static inline void list_unlink(struct evloop_op *op)
{
    op->prev->next = op->next;
    op->next->prev = op->prev;
}
static inline void list_append(struct evloop_op *head, struct evloop_op *op)
{
    op->prev = head->prev;
    op->next = head;
    head->prev->next = op;
    head->prev = op;
}

/* The backend says: this is the operation's result. more: a watch that stays armed. */
void loop_complete(struct evloop *loop, struct evloop_op *op, int result, bool more);
/* A close that is nobody's is done. */
void loop_closed(struct evloop *loop, uint64_t span, int result);
/* The backend's queue is full: the operation waits in memory; state: OP_WAIT_START or OP_WAIT_CANCEL. */
void loop_wait_in_memory(struct evloop *loop, struct evloop_op *op, enum loop_op_state state);
/* The wake-up descriptor became readable. */
void loop_woken(struct evloop *loop);
uint64_t loop_clock_ns(void);
bool loop_forked(const struct evloop *loop);

/* loop_timers.c */
uint64_t loop_timers_wait_ns(const struct evloop *loop, uint64_t at_most_ns);
unsigned loop_timers_call(struct evloop *loop);
void loop_timers_drop(struct evloop *loop);

#endif /* EVPOOL_LOOP_INTERNAL_H */
