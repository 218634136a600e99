/* SPDX-License-Identifier: ISC
 *
 * OCaml's runtime, as dlsym() finds it in the program: no header of OCaml is needed to build this, and no version is fixed.
 */
#include "ocaml.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* A value of OCaml: an integer n is 2n + 1, a block is the address after its header. */
typedef intptr_t value; /* OCaml's name for it */
#define VAL_LONG(n) ((value)(((uintptr_t)(n) << 1) + 1))
#define VAL_NONE VAL_LONG(0)
#define IS_BLOCK(v) (((v)&1) == 0)
#define FIELD(v, i) (((const value *)(v))[i])
/* Of a block outside of OCaml's heap, which its collector leaves alone: size, colour NOT_MARKABLE, tag 0. */
#define STATIC_HEADER(fields) ((value)(fields) << 10 | 3 << 8)

static struct {
    bool found;
    ptrdiff_t state_offset; /* of caml_state, a thread's own: NULL while it does not hold its domain's lock */
    int (*are_active)(void);
    value (*domain_index)(value unit);
    value (*copy_string)(const char *text);
    value (*user_register)(value name, value tag, value type);
    value (*user_resolve)(const char *name, int type);
    void (**leave_hook)(void);
    void (*_Atomic *minor_end_hook)(void);
} runtime;

static char *thread_pointer(void)
{
#if defined(__x86_64__)
    char *p;
    __asm__("mov %%fs:0, %0" : "=r"(p));
    return p;
#else
    return __builtin_thread_pointer();
#endif
}

/* caml_state is the program's (or of a library that it starts with), so its place from the thread pointer is the same in all threads. That
 * of a library loaded later is somewhere else in each: then it is far away, and we do without. */
static bool find_state(void)
{
    char *state = dlsym(RTLD_DEFAULT, "caml_state");
    if (!state)
        return false;
    runtime.state_offset = state - thread_pointer();
    return runtime.state_offset > -(1 << 16) && runtime.state_offset < 1 << 16;
}

static bool find(void *ret_function, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(ret_function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

bool ocaml_runtime_find(void)
{
    if (!runtime.found)
        runtime.found = find_state() && find(&runtime.are_active, "caml_runtime_events_are_active") &&
                        find(&runtime.domain_index, "caml_ml_domain_index") &&
                        find(&runtime.copy_string, "caml_copy_string") &&
                        find(&runtime.user_register, "caml_runtime_events_user_register") &&
                        find(&runtime.user_resolve, "caml_runtime_events_user_resolve") &&
                        find(&runtime.leave_hook, "caml_leave_blocking_section_hook") &&
                        find(&runtime.minor_end_hook, "caml_minor_gc_end_hook");
    return runtime.found;
}

bool ocaml_runtime_here(void)
{
    return runtime.found;
}

const void *ocaml_lock_held(void)
{
    return *(void *volatile *)(void *)(thread_pointer() + runtime.state_offset);
}

bool ocaml_events_active(void)
{
    return runtime.found && runtime.are_active();
}

unsigned ocaml_domain_index(void)
{
    return (unsigned)(runtime.domain_index(VAL_LONG(0)) >> 1);
}

/* ---- events ---- */

/* Type.Custom {serialize; deserialize; id}. Nobody ever calls these functions: OCaml code has no hand on the event, and a consumer in
 * this process looks for its callbacks by the id, which none has. Consumers elsewhere know the event by its name. */
static const value custom_record[] = {STATIC_HEADER(3), VAL_LONG(0), VAL_LONG(0), VAL_LONG(0x3fffffff)};
static value custom_type[] = {STATIC_HEADER(1), 0};

static value type_of(enum ocaml_as as)
{
    if (as == AS_BYTES) {
        custom_type[1] = (value)&custom_record[1];
        return (value)&custom_type[1];
    }
    return VAL_LONG(as == AS_UNIT ? 0 : as == AS_INT ? 1 : 2);
}

static bool is_type(value type, enum ocaml_as as)
{
    return as == AS_BYTES ? IS_BLOCK(type) : type == type_of(as);
}

/* An event of this name that the program has registered itself is the one that its consumers decode by. The value's fields are read at
 * once: nothing here is a root of OCaml's collector. Events are {id; name; type; tag}. */
int ocaml_event_register(const char *name, enum ocaml_as as)
{
    enum { CUSTOM = 3 };
    value event = runtime.user_resolve(name, CUSTOM);
    if (!IS_BLOCK(event) || !is_type(FIELD(event, 2), as))
        event = runtime.user_register(runtime.copy_string(name), VAL_NONE, type_of(as));
    const value index = FIELD(event, 0) >> 1;
    return index >= 0 && index < 8192 ? (int)index : -ENOSPC;
}

/* ---- hooks ---- */

static void (*previous_leave[2])(void);
static _Atomic unsigned leaves_installed;
static void (*previous_minor_end)(void);
static _Atomic bool minor_end_installed;

/* Systhreads set the hook without regard to what was there, so we may have had to go there twice; and who calls us from a hook that
 * came between is to find what it found. */
static void leave(void)
{
    static __thread unsigned depth;
    const unsigned installed = atomic_load_explicit(&leaves_installed, memory_order_acquire); /* H2, pairs with H1 */
    depth++;
    previous_leave[depth > 1 ? 0 : installed - 1]();
    depth--;
    if (depth == 0)
        ocaml_lock_taken();
}

static void minor_end(void)
{
    if (previous_minor_end)
        previous_minor_end();
    ocaml_lock_kept();
}

bool ocaml_hooks_displaced(void)
{
    return __atomic_load_n(runtime.leave_hook, __ATOMIC_RELAXED) != leave &&
           atomic_load_explicit(&leaves_installed, memory_order_relaxed) < 2;
}

void ocaml_hooks_install(void)
{
    static _Atomic uint32_t busy;
    if (!runtime.found ||
        atomic_exchange_explicit(&busy, 1, memory_order_acquire)) /* H3: a lock, with its release below */
        return;
    const unsigned installed = atomic_load_explicit(&leaves_installed, memory_order_relaxed);
    void (*now)(void) = __atomic_load_n(runtime.leave_hook, __ATOMIC_ACQUIRE);
    if (now != leave && installed < 2) {
        previous_leave[installed] = now;
        /* H1 (release): the hook before ours is known before ours may be called. */
        atomic_store_explicit(&leaves_installed, installed + 1, memory_order_release);
        __atomic_store_n(runtime.leave_hook, leave,
                         __ATOMIC_RELEASE); /* pairs with the runtime's load before its call */
    }
    if (!atomic_load_explicit(&minor_end_installed, memory_order_relaxed)) {
        previous_minor_end = atomic_load_explicit(runtime.minor_end_hook, memory_order_acquire);
        atomic_store_explicit(&minor_end_installed, true, memory_order_relaxed);
        atomic_store_explicit(runtime.minor_end_hook, minor_end, memory_order_release); /* as the other hook */
    }
    atomic_store_explicit(&busy, 0, memory_order_release); /* H3 */
}
