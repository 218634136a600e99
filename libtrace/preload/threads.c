/* SPDX-License-Identifier: ISC
 *
 * Hooks of threads: who makes whom, when they begin and end, what they are called.
 *
 * Every thread starts in a function of ours, also while nothing is traced, so that its end is seen by whoever switches
 * tracing on meanwhile. Threads that the C library makes itself (thrd_create, timers) are not followed.
 */
#include "preload.h"

#include <evtrail/evtrail.h>

#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define NAME_BYTES 16
#define THREAD_RUNNING 1 /* of the states in libc.def */

struct birth {
    void *(*function)(void *);
    void *argument;
    uint64_t created; /* ticks */
    uint64_t parent;  /* thread id */
};

/* What the end of a thread needs from its beginning. */
struct life {
    uint64_t thread; /* id */
    uint64_t began;  /* ticks */
    char name[NAME_BYTES];
};

static __thread struct life *this_life __attribute__((tls_model("initial-exec"))); /* NULL: not followed */

static uint64_t thread_id(void)
{
    return (uint64_t)syscall(SYS_gettid);
}

/* Says what the thread is called if that is news; a program may name a thread from outside, or by prctl. */
static void tell_name(uint64_t thread, char name[NAME_BYTES])
{
    char now[NAME_BYTES] = "";
    if (!libc_trace_thread_name_on() || prctl(PR_GET_NAME, now) != 0 || strncmp(now, name, NAME_BYTES) == 0)
        return;
    memcpy(name, now, NAME_BYTES);
    name[NAME_BYTES - 1] = '\0';
    libc_trace_thread_name(thread, name);
}

static void thread_began(struct life *life, const struct birth *birth)
{
    *life = (struct life){.began = evtrail_now()};
    this_life = life;
    if (!libc_trace_thread_state_on())
        return;
    const int keep = libc_emit_begin();
    life->thread = thread_id();
    libc_trace_thread_state_at(life->began, life->thread, birth->parent, THREAD_RUNNING,
                               (const void *)(uintptr_t)pthread_self(), (const void *)(uintptr_t)birth->function,
                               birth->created ? libc_ns(birth->created, life->began) : 0);
    tell_name(life->thread, life->name);
    libc_emit_end(keep);
}

/* The thread was cancelled in a wait: the span's end, whose last field is always the error. */
static void end_wait(void)
{
    const struct evtrail_point *end = libc_thread.wait_end;
    struct evtrail_arg args[4] = {{libc_thread.wait_span, NULL}};
    libc_thread.wait_end = NULL;
    if (!end || end->fields_count > 4)
        return;
    for (unsigned i = 1; i < end->fields_count; i++)
        args[i].word = end->fields[i].type == EVTRAIL_TYPE_string ? EVTRAIL_NULL : 0;
    args[end->fields_count - 1].word = ECANCELED;
    const int keep = libc_emit_begin();
    evtrail_emit(end, 0, args, end->fields_count);
    libc_emit_end(keep);
}

static void thread_ended(void *context)
{
    struct life *life = context;
    this_life = NULL;
    end_wait();
    if (!libc_trace_thread_gone_on())
        return;
    const int keep = libc_emit_begin();
    if (!life->thread)
        life->thread = thread_id();
    tell_name(life->thread, life->name);
    const uint64_t now = evtrail_now();
    libc_trace_thread_gone_at(now, life->thread, libc_ns(life->began, now));
    libc_emit_end(keep);
}

/* The cleanup runs however the thread ends: by return, pthread_exit or cancellation. */
static void *thread_start(void *context)
{
    const struct birth birth = *(struct birth *)context;
    libc_real.free(context);
    struct life life;
    thread_began(&life, &birth);
    void *result;
    pthread_cleanup_push(thread_ended, &life);
    result = birth.function(birth.argument);
    pthread_cleanup_pop(1);
    return result;
}

HOOK int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument)
{
    const bool on = libc_trace_thread_create_on() && libc_wanted(CALLER);
    const bool follow = on || libc_trace_thread_state_on();
    struct birth *birth = libc_real.malloc(sizeof(*birth));
    if (!birth)
        return libc_real.pthread_create(thread, attributes, function, argument);
    struct libc_call call;
    call.start = follow ? evtrail_now() : 0;
    *birth = (struct birth){function, argument, call.start, follow ? thread_id() : 0};
    const int result = libc_real.pthread_create(thread, attributes, thread_start, birth);
    if (result != 0)
        libc_real.free(birth);
    if (!on)
        return result;
    libc_call_end(&call, false);
    libc_trace_thread_create_at(call.end, (const void *)(uintptr_t)function, result, call.took);
    libc_call_done(&call);
    return result;
}

HOOK int pthread_join(pthread_t thread, void **result_out)
{
    if (!LIBC_WAIT_WANTED(join))
        return libc_real.pthread_join(thread, result_out);
    LIBC_WAIT(join, int, libc_real.pthread_join(thread, result_out), LIBC_ARGS((const void *)(uintptr_t)thread),
              LIBC_ARGS(result));
}

/* One that names another thread is seen at that thread's end: its id is not known here. */
HOOK int pthread_setname_np(pthread_t thread, const char *name)
{
    const int result = libc_real.pthread_setname_np(thread, name);
    if (LIBC_LIKELY(!libc_trace_thread_name_on()) || result != 0 || !libc_wanted(CALLER) ||
        !pthread_equal(thread, pthread_self()))
        return result;
    const int keep = libc_emit_begin();
    tell_name(thread_id(), this_life ? this_life->name : (char[NAME_BYTES]){""});
    libc_emit_end(keep);
    return result;
}

/* ---- the main thread ------------------------------------------------------------------------------------------- */

static struct life main_life;
static pid_t main_process;

__attribute__((constructor(102))) static void main_began(void)
{
    main_process = getpid();
    thread_began(&main_life, &(struct birth){0});
}

/* Not in a forked child, where that thread never lived. */
__attribute__((destructor(102))) static void main_ended(void)
{
    if (main_process == getpid())
        thread_ended(&main_life);
}
