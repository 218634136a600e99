/* SPDX-License-Identifier: ISC
 *
 * The event loop without its backend: making and ending it, an iteration, operations' beginnings and ends, calls from other threads.
 */
#include "loop_internal.h"
#include "loop_trace.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRIES_DEFAULT = 256,
    ENTRIES_MAX = 32768,
    READY_CALLS = 256,   /* callbacks beyond those that were due, until the kernel is asked again */
    FREE_ROUNDS = 10000, /* until evloop_free() gives up on callbacks that start anew without end */
    FREE_WAIT_NS = 10000000,
};

/* ---- forks ---- */

static unsigned generation; /* forks so far; written only in a child that has one thread yet */
static pthread_once_t generation_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    generation++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

bool loop_forked(const struct evloop *loop)
{
    return loop->generation != generation;
}

/* ---- making ---- */

uint64_t loop_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static enum evloop_backend backend_wanted(enum evloop_backend asked)
{
    if (asked != EVLOOP_AUTO)
        return asked;
    const char *text = getenv("EVLOOP_BACKEND");
    if (text && strcmp(text, "uring") == 0)
        return EVLOOP_URING;
    if (text && strcmp(text, "epoll") == 0)
        return EVLOOP_EPOLL;
    return EVLOOP_AUTO;
}

static void init(struct evloop *loop, const struct loop_backend *backend)
{
    static _Atomic uint64_t loops;
    loop->backend = backend;
    /* relaxed: only its being different matters */
    loop->id = atomic_fetch_add_explicit(&loops, 1, memory_order_relaxed) + 1;
    /* Span ids of our own cost an addition each. The top bit keeps them apart from evtrail_span_id()'s. */
    loop->next_span = UINT64_C(1) << 63 | loop->id << 40 | 1;
    loop->generation = generation;
    loop->now_ns = loop->busy_from_ns = loop_clock_ns();
    loop->flight.next = loop->flight.prev = &loop->flight;
    loop->waiting.next = loop->waiting.prev = &loop->waiting;
    loop->ready.next = loop->ready.prev = &loop->ready;
}

static int open_backend(struct evloop **ret_loop, const struct loop_backend *backend, unsigned entries)
{
    struct evloop *loop = calloc(1, backend->bytes);
    if (!loop)
        return -ENOMEM;
    init(loop, backend);
    int error = 0;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        error = -errno;
    else
        error = backend->open(loop, entries);
    if (error < 0) {
        if (loop->wake_fd >= 0)
            close(loop->wake_fd);
        free(loop);
        return error;
    }
    *ret_loop = loop;
    return 0;
}

int evloop_new(struct evloop **ret_loop, const struct evloop_options *options)
{
    const struct evloop_options defaults = {.bytes = sizeof(defaults)};
    const struct evloop_options *o = options ? options : &defaults;
    const unsigned entries = o->bytes == sizeof(*o) && o->entries ? o->entries : ENTRIES_DEFAULT;
    if (o->bytes != sizeof(*o) || (entries & (entries - 1)) || entries > ENTRIES_MAX ||
        (unsigned)o->backend > EVLOOP_EPOLL)
        return -EINVAL;
    pthread_once(&generation_once, watch_forks);
    const enum evloop_backend wanted = backend_wanted(o->backend);
    struct evloop *loop = NULL;
    int refused = 0;
    int error = -ENOSYS;
    if (wanted != EVLOOP_EPOLL)
        error = refused = open_backend(&loop, &loop_uring, entries);
    /* Not when asked for by name. Want of memory or descriptors is no refusal: epoll would want them too. */
    if (wanted == EVLOOP_EPOLL || (wanted == EVLOOP_AUTO && (error == -EPERM || error == -ENOSYS || error == -EACCES)))
        error = open_backend(&loop, &loop_epoll, entries);
    if (error < 0)
        return error;
    loop_trace_started(loop->id, loop->backend->name, -refused);
    *ret_loop = loop;
    return 0;
}

/* ---- an operation ---- */

static void start(struct evloop *loop, struct evloop_op *op, enum evloop_opcode opcode, int fd, evloop_call *call)
{
    assert(!op->state); /* not while it is busy */
    op->call = call;
    op->fd = fd;
    op->opcode = opcode;
    op->state = OP_BUSY;
    op->more = 0;
    op->result = 0;
    op->span = loop->next_span++;
    loop->figures.operations++;
    loop->figures.in_flight++;
    loop_trace_op_begin(op->span, op->parent, opcode, fd);
    list_append(&loop->flight, op);
    if (loop->closing && opcode != EVLOOP_OP_close)
        loop_complete(loop, op, -ECANCELED, false);
    else if (loop->closing)
        loop_complete(loop, op, close(fd) < 0 ? -errno : 0, false);
    else
        loop->backend->start(loop, op);
}

static void op_ended(struct evloop *loop, uint64_t span, int opcode, int result)
{
    loop->figures.completions++;
    loop_trace_op_end_at(loop->stamp ? loop->stamp : loop_trace_stamp(), span, opcode, result);
}

void loop_complete(struct evloop *loop, struct evloop_op *op, int result, bool more)
{
    if (op->state & OP_READY) { /* a watch that was told before and has not been called yet: both in one */
        op->result = result < 0 ? result : op->result | result;
        op->more = more;
    } else {
        list_unlink(op);
        list_append(&loop->ready, op);
        loop->ready_count++;
        op->state = (uint8_t)((op->state & ~(OP_WAIT_START | OP_WAIT_CANCEL)) | OP_READY);
        op->result = result;
        op->more = more;
    }
    if (!more)
        op_ended(loop, op->span, op->opcode, op->result);
}

void loop_closed(struct evloop *loop, uint64_t span, int result)
{
    loop->figures.in_flight--;
    op_ended(loop, span, EVLOOP_OP_close, result);
}

void loop_wait_in_memory(struct evloop *loop, struct evloop_op *op, enum loop_op_state state)
{
    list_unlink(op);
    list_append(&loop->waiting, op);
    op->state |= state;
    loop->figures.overflows++;
    loop->waiting_since++;
}

void evloop_connect(struct evloop *loop, struct evloop_op *op, int fd, struct sockaddr_storage *address,
                    socklen_t bytes, evloop_call *call)
{
    op->address = address;
    op->address_bytes = bytes;
    start(loop, op, EVLOOP_OP_connect, fd, call);
}

void evloop_accept(struct evloop *loop, struct evloop_op *op, int fd, evloop_call *call)
{
    op->address_bytes = op->address ? sizeof(*op->address) : 0;
    start(loop, op, EVLOOP_OP_accept, fd, call);
}

void evloop_recv(struct evloop *loop, struct evloop_op *op, int fd, void *buffer, size_t length, evloop_call *call)
{
    op->buffer = buffer;
    op->length = length < INT32_MAX ? length : INT32_MAX; /* as much as a result can say */
    start(loop, op, EVLOOP_OP_recv, fd, call);
}

void evloop_send(struct evloop *loop, struct evloop_op *op, int fd, const void *buffer, size_t length,
                 evloop_call *call)
{
    op->buffer = (void *)(uintptr_t)buffer; /* only read */
    op->length = length < INT32_MAX ? length : INT32_MAX;
    start(loop, op, EVLOOP_OP_send, fd, call);
}

void evloop_poll(struct evloop *loop, struct evloop_op *op, int fd, uint32_t events, evloop_call *call)
{
    op->events = events;
    start(loop, op, EVLOOP_OP_poll, fd, call);
}

void evloop_watch(struct evloop *loop, struct evloop_op *op, int fd, uint32_t events, evloop_call *call)
{
    op->events = events;
    start(loop, op, EVLOOP_OP_watch, fd, call);
}

static void close_for_nobody(struct evloop *loop, int fd)
{
    const uint64_t span = loop->next_span++;
    loop->figures.operations++;
    loop->figures.in_flight++;
    loop_trace_op_begin(span, 0, EVLOOP_OP_close, fd);
    if (loop->closing)
        loop_closed(loop, span, close(fd) < 0 ? -errno : 0);
    else
        loop->backend->close_fd(loop, fd, span);
}

void evloop_close(struct evloop *loop, struct evloop_op *op, int fd, evloop_call *call)
{
    if (op)
        start(loop, op, EVLOOP_OP_close, fd, call);
    else
        close_for_nobody(loop, fd);
}

void evloop_cancel(struct evloop *loop, struct evloop_op *op)
{
    if (!op->state || (op->state & OP_CANCEL) || op->opcode == EVLOOP_OP_close)
        return;
    if ((op->state & OP_READY) && !op->more) /* it was faster */
        return;
    op->state |= OP_CANCEL;
    if (op->state & OP_REARM) { /* a watch between two armings */
        op->state &= (uint8_t)~OP_REARM;
        loop_complete(loop, op, -ECANCELED, false);
        return;
    }
    loop->backend->cancel(loop, op);
}

int evloop_busy(const struct evloop_op *op)
{
    return op->state != 0;
}

/* ---- callbacks ---- */

/* What a watch could not do while it was on the list `ready`. */
static void after_edge(struct evloop *loop, struct evloop_op *op)
{
    const unsigned due = op->state & (OP_REARM | OP_WAIT_CANCEL);
    op->state &= (uint8_t) ~(OP_REARM | OP_WAIT_CANCEL);
    if (due & OP_REARM)
        loop->backend->start(loop, op);
    else if (due & OP_WAIT_CANCEL)
        loop->backend->cancel(loop, op);
}

static void call_op(struct evloop *loop, struct evloop_op *op)
{
    const int result = op->result;
    list_unlink(op);
    loop->ready_count--;
    op->state &= (uint8_t)~OP_READY;
    if (!op->more) {
        op->state = 0;
        loop->figures.in_flight--;
    } else {
        list_append(&loop->flight, op);
        after_edge(loop, op);
    }
    op->call(op, result);
}

/* Also what becomes ready by these callbacks, as sends mostly do at once: it saves the way through the kernel. But not for ever. */
static unsigned call_ready(struct evloop *loop)
{
    const unsigned most = loop->ready_count + READY_CALLS;
    unsigned calls = 0;
    while (calls < most && !list_empty(&loop->ready)) {
        call_op(loop, loop->ready.next);
        calls++;
    }
    return calls;
}

static struct evloop_post *reverse(struct evloop_post *post)
{
    struct evloop_post *turned = NULL;
    while (post) {
        struct evloop_post *next = post->next;
        post->next = turned;
        turned = post;
        post = next;
    }
    return turned;
}

static unsigned call_posts(struct evloop *loop)
{
    /* P3 (acquire): pairs with P2: what the posts point to is seen. Relaxed for the look before: a post that it misses has set us
     * not to sleep, or has yet to find us asleep (P4, P5). */
    if (!atomic_load_explicit(&loop->posts, memory_order_relaxed))
        return 0;
    struct evloop_post *post = reverse(atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire));
    unsigned calls = 0;
    while (post) {
        struct evloop_post *next = post->next; /* post may be queued again, or freed, from here on */
        /* P6 (acquire, release): pairs with P1: what was written before an evloop_post() that found it queued is seen by this call; and
         * a post that is queued again is written to only after we have read it. */
        __atomic_exchange_n(&post->queued, 0, __ATOMIC_ACQ_REL);
        post->call(post);
        calls++;
        post = next;
    }
    loop->figures.posts += calls;
    return calls;
}

static unsigned call_all(struct evloop *loop)
{
    unsigned calls = call_posts(loop);
    if (loop->woken) {
        loop->woken = false;
        loop->figures.wakeups++;
        loop_trace_wakeup(loop->id, calls);
    }
    calls += loop_timers_call(loop);
    return calls + call_ready(loop);
}

/* ---- other threads ---- */

static void wake(struct evloop *loop)
{
    /* P5 (seq_cst): pairs with P4. The loop says that it will sleep and then looks for posts; we post and then look whether it sleeps. With
     * anything weaker both could miss the other, and the post waits for another event. */
    if (!atomic_load_explicit(&loop->asleep, memory_order_seq_cst) ||
        !atomic_exchange_explicit(&loop->asleep, 0, memory_order_seq_cst))
        return;
    const int saved = errno;
    const uint64_t one = 1;
    /* Not write(): a thread that is being cancelled would end in it, and the loop, which counts as awake now, would sleep on. */
    if (syscall(SYS_write, loop->wake_fd, &one, sizeof(one)) < 0) {
        /* The counter is full after 2^64 wake-ups. */
    }
    errno = saved;
}

void evloop_post(struct evloop *loop, struct evloop_post *post)
{
    /* P1 (acquire, release): pairs with P6, there. */
    if (__atomic_exchange_n(&post->queued, 1, __ATOMIC_ACQ_REL))
        return;
    struct evloop_post *first = atomic_load_explicit(&loop->posts, memory_order_relaxed); /* a guess; P2 checks it */
    do {
        post->next = first;
        /* P2 (release): pairs with P3. seq_cst for its order with P5. */
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->posts, &first, post, memory_order_seq_cst, memory_order_relaxed));
    wake(loop);
}

void evloop_stop(struct evloop *loop)
{
    /* S1 (seq_cst): before P5's look, as a post is; what was written before is seen after evloop_run() (S2). */
    atomic_store_explicit(&loop->stop, 1, memory_order_seq_cst);
    wake(loop);
}

void loop_woken(struct evloop *loop)
{
    loop->woken = true;
}

/* ---- running ---- */

/* How long to wait: not at all if something is to be done already. */
static uint64_t wait_ns(struct evloop *loop, uint64_t timeout_ns)
{
    if (timeout_ns == 0 || !list_empty(&loop->ready))
        return 0;
    timeout_ns = loop_timers_wait_ns(loop, timeout_ns);
    if (timeout_ns == 0)
        return 0;
    /* P4 (seq_cst): pairs with P5, there. */
    atomic_store_explicit(&loop->asleep, 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&loop->posts, memory_order_seq_cst) &&
        !atomic_load_explicit(&loop->stop, memory_order_seq_cst))
        return timeout_ns;
    atomic_store_explicit(&loop->asleep, 0, memory_order_relaxed); /* who missed this writes once too often */
    return 0;
}

int evloop_run_once(struct evloop *loop, uint64_t timeout_ns)
{
    if (loop_forked(loop))
        return -ECHILD;
    if (loop->running)
        return -EDEADLK;
    loop->running = true;
    evloop_update_now(loop);
    const uint64_t timeout = wait_ns(loop, timeout_ns), began_ns = loop->now_ns;
    const int error = loop->backend->wait(loop, timeout);
    atomic_store_explicit(&loop->asleep, 0, memory_order_relaxed); /* as above */
    if (timeout > 0)
        evloop_update_now(loop);
    const uint64_t idle_ns = loop->now_ns - began_ns, busy_ns = began_ns - loop->busy_from_ns;
    loop->busy_from_ns = loop->now_ns;
    const unsigned calls = call_all(loop);
    loop->figures.iterations++;
    loop->figures.idle_ns += idle_ns;
    loop->figures.busy_ns += busy_ns;
    loop_trace_iteration(loop->id, calls, busy_ns, idle_ns);
    loop->running = false;
    return error < 0 ? error : (int)calls;
}

int evloop_run(struct evloop *loop)
{
    int result = 0;
    /* S2 (acquire): pairs with S1. */
    while (result >= 0 && !atomic_exchange_explicit(&loop->stop, 0, memory_order_acquire))
        result = evloop_run_once(loop, UINT64_MAX);
    return result < 0 ? result : 0;
}

uint64_t evloop_now_ns(const struct evloop *loop)
{
    return loop->now_ns;
}

uint64_t evloop_update_now(struct evloop *loop)
{
    return loop->now_ns = loop_clock_ns();
}

const char *evloop_backend(const struct evloop *loop)
{
    return loop->backend->name;
}

void evloop_figures(const struct evloop *loop, struct evloop_figures *ret_figures)
{
    *ret_figures = loop->figures;
}

/* ---- ending ---- */

static void cancel_list(struct evloop *loop, struct evloop_op *head)
{
    for (struct evloop_op *op = head->next, *next; op != head; op = next) {
        next = op->next; /* cancelling moves op to another list */
        evloop_cancel(loop, op);
    }
}

/* Without a backend that could say so: they are cancelled. */
static void abandon(struct evloop *loop, struct evloop_op *head)
{
    while (!list_empty(head))
        loop_complete(loop, head->next, -ECANCELED, false);
}

static void call_last(struct evloop *loop)
{
    abandon(loop, &loop->waiting);
    abandon(loop, &loop->flight);
    for (unsigned round = 0; round < FREE_ROUNDS; round++)
        if (call_posts(loop) + call_ready(loop) == 0)
            return;
}

void evloop_free(struct evloop *loop)
{
    if (!loop)
        return;
    const bool usable = !loop_forked(loop) && loop->backend->usable(loop);
    loop->closing = true;
    loop_timers_drop(loop);
    for (unsigned round = 0; usable && round < FREE_ROUNDS && loop->figures.in_flight; round++) {
        cancel_list(loop, &loop->flight);
        cancel_list(loop, &loop->waiting);
        if (evloop_run_once(loop, FREE_WAIT_NS) < 0)
            break;
    }
    loop->backend->close(loop);
    call_last(loop);
    loop_trace_stopped(loop->id, loop->figures.iterations);
    close(loop->wake_fd);
    free(loop);
}
