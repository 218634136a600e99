/* SPDX-License-Identifier: ISC
 *
 * What every hook of libevtrail-libc.so is made of: the real functions, the guard against itself, the two shapes.
 *
 * A hook whose event is off is one byte test and a jump to the real function. One whose event is on either brackets
 * the call with two clock reads (LIBC_CALL, one event), or emits a begin and an end around it (LIBC_WAIT, a span).
 *
 * The guard counts this thread's emissions under way. Deeper than one means that libevtrail, asked for memory or a new
 * session by our emission, came back through a hook, or that a signal handler did: one level is let through
 * (libevtrail keeps an event that interrupts another), a second is not. What libevtrail itself calls is told by the
 * caller's address, and leaves no event at all. The guard is not held over the real call. A handler that leaves by
 * longjmp() leaves the guard behind: a hook whose frame is not within that of the one that holds it finds that out.
 */
#ifndef EVTRAIL_PRELOAD_H
#define EVTRAIL_PRELOAD_H

#include "functions.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The program's address, not the hook's, is an event's caller. */
#define EVTRAIL_RESERVE_(point, on, words) evtrail_reserve_from((point), (on), (words), libc_caller())
#define EVTRAIL_EMIT_ARGS_(point, on, ticks, args, count) \
    evtrail_emit_args_from((point), (on), (ticks), (args), (count), libc_caller())
static inline const void *libc_caller(void);

#define EVTRAIL_CATALOGUE "libc.def"
#define EVTRAIL_PREFIX libc_trace_
#include <evtrail/catalogue.h>

#define HOOK __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
#define CALLER ((uintptr_t)__builtin_return_address(0))

/* What comes after us in the order of look-up: the C library, or another preloaded library. Never NULL: real.c. */
struct libc_real {
#define F(result, name, parameters, arguments) result(*name) parameters;
    LIBC_HEAP_FUNCTIONS(F)
    LIBC_OTHER_FUNCTIONS(F)
#undef F
    void (*free)(void *address);
};
extern struct libc_real libc_real HIDDEN;

/* Where libevtrail.so's code lies; 0 bytes until the constructor has run, when no event is on yet. */
struct libc_range {
    uintptr_t start, bytes;
};
extern struct libc_range libc_evtrail HIDDEN;

struct libc_thread {
    uint32_t depth;  /* emissions of ours under way in this thread */
    uint32_t inside; /* a real function is at work that calls others of the real functions */
    uintptr_t frame; /* of the outermost hook that raised one of the two */
    uintptr_t callers[2]; /* of the hooks whose emissions are under way */
    /* The innermost wait under way: whose end is to be told if the thread is cancelled in it. */
    const struct evtrail_point *wait_end; /* NULL: none */
    uint64_t wait_span;
};
extern __thread struct libc_thread libc_thread __attribute__((tls_model("initial-exec"))) HIDDEN;

/* ns from one reading of evtrail_now() to another; 0 if they are out of order (two CPUs). */
uint64_t libc_ns(uint64_t start, uint64_t end) HIDDEN;
/* Sets the rate of libc_ns(). Called in the constructor, when ticks can be read. */
void libc_ns_start(void) HIDDEN;

#define LIBC_LIKELY(x) __builtin_expect(!!(x), 1)

#define LIBC_FRAME ((uintptr_t)__builtin_frame_address(0))

/* The guard says no: whether it was left behind. The stack grows down, so that a hook within the one that holds it
 * is below. On another stack this may let one more level through, each time further down. */
static inline bool libc_guard_is_stale(void)
{
    if (LIBC_FRAME < libc_thread.frame)
        return false;
    libc_thread.depth = libc_thread.inside = 0;
    return true;
}

static inline bool libc_wanted(uintptr_t caller)
{
    return ((libc_thread.depth < 2 && libc_thread.inside == 0) || libc_guard_is_stale()) &&
           caller - libc_evtrail.start >= libc_evtrail.bytes;
}

static inline const void *libc_caller(void)
{
    return (const void *)libc_thread.callers[(libc_thread.depth - 1) & 1];
}

#define libc_guard() libc_guard_from(CALLER)
static inline void libc_guard_from(uintptr_t caller)
{
    libc_thread.callers[libc_thread.depth & 1] = caller;
    if (libc_thread.depth++ == 0)
        libc_thread.frame = LIBC_FRAME;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* the guard is up for a signal handler before anything is emitted ... */
}
static inline void libc_unguard(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* ... and until all is */
    libc_thread.depth--;
}

/* One call that is timed. */
struct libc_call {
    uint64_t start, end; /* ticks */
    uint64_t took;       /* ns */
    int error;           /* errno if the call failed, else 0 */
    int keep;            /* errno as the real call left it */
};
#define libc_call_end(call, failed) libc_call_end_from((call), (failed), CALLER)
static inline void libc_call_end_from(struct libc_call *call, bool failed, uintptr_t caller)
{
    call->keep = errno;
    call->end = evtrail_now();
    call->error = failed ? call->keep : 0;
    call->took = libc_ns(call->start, call->end);
    libc_guard_from(caller);
}
static inline void libc_call_done(const struct libc_call *call)
{
    libc_unguard();
    errno = call->keep;
}

/* The body of a hook with one event: in `emit`, `result` and `call` (start, end, took, error) may be used. */
#define LIBC_CALL(event, type, real_call, failed, emit) \
    do { \
        if (LIBC_LIKELY(!libc_trace_##event##_on()) || !libc_wanted(CALLER)) \
            return real_call; \
        struct libc_call call; \
        call.start = evtrail_now(); \
        type result = real_call; \
        libc_call_end(&call, failed); \
        emit; \
        libc_call_done(&call); \
        return result; \
    } while (0)

/* Emission around a wait: begin keeps errno as it found it, end as the real call left it. */
#define libc_emit_begin() libc_emit_begin_from(CALLER)
static inline int libc_emit_begin_from(uintptr_t caller)
{
    int keep = errno;
    libc_guard_from(caller);
    return keep;
}
static inline void libc_emit_end(int keep)
{
    libc_unguard();
    errno = keep;
}

/* Around the real call of a wait: what libc_thread says of waits is the outer one's again afterwards, if there was
 * one (we are in a signal handler). */
struct libc_outer_wait {
    const struct evtrail_point *end;
    uint64_t span;
};
static inline struct libc_outer_wait libc_wait_enter(const struct evtrail_point *end, uint64_t span)
{
    const struct libc_outer_wait outer = {libc_thread.wait_end, libc_thread.wait_span};
    libc_thread.wait_span = span;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    libc_thread.wait_end = end;
    return outer;
}
static inline void libc_wait_leave(struct libc_outer_wait outer)
{
    libc_thread.wait_end = outer.end;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    libc_thread.wait_span = outer.span;
}

#define LIBC_ARGS(...) , ##__VA_ARGS__

/* The rest of a hook that is going to wait: begin_args follow the span's id and parent, end_args the span's id. In
 * end_args `result` and `error` (errno after the call) may be used. */
#define LIBC_WAIT(event, type, real_call, begin_args, end_args) \
    do { \
        int keep = libc_emit_begin(); \
        const uint64_t span = evtrail_span_id(); \
        libc_trace_##event##_begin(span, 0 begin_args); \
        libc_emit_end(keep); \
        const struct libc_outer_wait outer = libc_wait_enter(&libc_trace_##event##_end_point, span); \
        type result = real_call; \
        libc_wait_leave(outer); \
        keep = libc_emit_begin(); \
        const int error = keep; \
        (void)error; \
        libc_trace_##event##_end(span end_args); \
        libc_emit_end(keep); \
        return result; \
    } while (0)
#define LIBC_WAIT_WANTED(event) (!LIBC_LIKELY(!libc_trace_##event##_begin_on()) && libc_wanted(CALLER))

enum libc_fd_kind {
    LIBC_FD_FILE = 1,
    LIBC_FD_SOCKET = 2,
    LIBC_FD_CONNECTION = 3,
    LIBC_FD_PIPE = 4,
    LIBC_FD_DUPLICATE = 5,
};

#endif /* EVTRAIL_PRELOAD_H */
