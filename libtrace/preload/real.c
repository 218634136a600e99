/* SPDX-License-Identifier: ISC
 *
 * Finds the functions that the hooks stand in front of, also for programs that call them before any constructor has
 * run.
 *
 * Each pointer starts at a stub that looks up all of them and calls on. Looking up may itself allocate (dlsym calls
 * calloc in some versions of the C library): while a thread is at it, its allocations come out of a small arena that
 * is never given back.
 */
#include "preload.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

__thread struct libc_thread libc_thread __attribute__((tls_model("initial-exec")));
struct libc_range libc_evtrail;

static __thread bool resolving __attribute__((tls_model("initial-exec")));
static void resolve(void);

/* ---- arena ----------------------------------------------------------------------------------------------------- */

#define ARENA_BYTES 65536
static _Alignas(64) unsigned char arena[ARENA_BYTES];
static size_t arena_used;
static void (*chained_free)(void *);
static void *(*chained_realloc)(void *, size_t);

static bool in_arena(const void *address)
{
    return (uintptr_t)address - (uintptr_t)arena < ARENA_BYTES;
}

/* Two words before each piece hold its size as the C library's malloc would for memory it got by mmap:
 * malloc_usable_size() then answers for it. relaxed: the sum is all that threads share. */
static void *arena_take(size_t alignment, size_t size)
{
    if (alignment < 16)
        alignment = 16;
    if (size > ARENA_BYTES || alignment > 4096)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    size_t start = __atomic_fetch_add(&arena_used, size + alignment + 16, __ATOMIC_RELAXED);
    if (start > ARENA_BYTES || size + alignment + 16 > ARENA_BYTES - start)
        return NULL;
    uintptr_t address = ((uintptr_t)arena + start + 16 + alignment - 1) & ~(uintptr_t)(alignment - 1);
    size_t chunk = (size + 16) | 2;
    memcpy((void *)(address - sizeof(chunk)), &chunk, sizeof(chunk));
    return (void *)address;
}

static void checked_free(void *address)
{
    if (!in_arena(address))
        chained_free(address);
}

static void *checked_realloc(void *old, size_t size)
{
    if (!in_arena(old))
        return chained_realloc(old, size);
    void *new = libc_real.malloc(size);
    size_t room = (uintptr_t)arena + ARENA_BYTES - (uintptr_t)old, held;
    memcpy(&held, (const char *)old - sizeof(held), sizeof(held));
    held = (held & ~(size_t)15) - 16;
    if (new)
        memcpy(new, old, size < held ? size : held < room ? held : room);
    return new;
}

/* ---- stubs ----------------------------------------------------------------------------------------------------- */

static void *boot_malloc(size_t size)
{
    if (resolving)
        return arena_take(16, size);
    resolve();
    return libc_real.malloc(size);
}
static void *boot_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (resolving)
        return __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_take(16, bytes); /* never used before: zero */
    resolve();
    return libc_real.calloc(count, size);
}
static void *boot_realloc(void *old, size_t size)
{
    if (!resolving) {
        resolve();
        return libc_real.realloc(old, size);
    }
    return checked_realloc(old, size);
}
static void *boot_memalign(size_t alignment, size_t size)
{
    if (resolving)
        return arena_take(alignment, size);
    resolve();
    return libc_real.memalign(alignment, size);
}
static void *boot_aligned_alloc(size_t alignment, size_t size)
{
    if (resolving)
        return arena_take(alignment, size);
    resolve();
    return libc_real.aligned_alloc(alignment, size);
}
static void boot_free(void *address)
{
    if (resolving || !address)
        return; /* of the arena, or nothing */
    resolve();
    libc_real.free(address);
}

/* open() and its like, variadic in C, are called with a mode always: the calling conventions are the same. */
#define F(result, name, parameters, arguments) \
    static result boot_##name parameters \
    { \
        resolve(); \
        return libc_real.name arguments; \
    }
LIBC_OTHER_FUNCTIONS(F)
#undef F

struct libc_real libc_real = {
#define F(result, name, parameters, arguments) .name = boot_##name,
    LIBC_HEAP_FUNCTIONS(F) LIBC_OTHER_FUNCTIONS(F)
#undef F
        .free = boot_free,
};

/* ---- look-up --------------------------------------------------------------------------------------------------- */

/* Stands for a function that this C library does not have, which no program can have linked either. */
static long absent(void)
{
    errno = ENOSYS;
    return -1;
}

static void *look_up(const char *name)
{
    void *found = NULL;
#ifdef __x86_64__
    /* the default version; dlsym of old C libraries gave the oldest */
    if (strncmp(name, "pthread_cond_", 13) == 0)
        found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
#endif
    return found ? found : dlsym(RTLD_NEXT, name);
}

/* Looks up all, whatever thread comes first; two at once store the same. relaxed: a pointer to code needs nothing
 * before it. */
static void resolve(void)
{
    if (resolving)
        return;
    resolving = true;
    const int keep = errno;
    struct libc_real found;
#define F(result, name, parameters, arguments) \
    { \
        void *address = look_up(#name); \
        if (!address) \
            address = (void *)absent; \
        memcpy(&found.name, &address, sizeof(address)); \
    }
    LIBC_HEAP_FUNCTIONS(F)
    LIBC_OTHER_FUNCTIONS(F)
    F(void, free, , )
#undef F
    if (__atomic_load_n(&arena_used, __ATOMIC_RELAXED)) {
        chained_free = found.free;
        chained_realloc = found.realloc;
        found.free = checked_free;
        found.realloc = checked_realloc;
    }
#define F(result, name, parameters, arguments) __atomic_store_n(&libc_real.name, found.name, __ATOMIC_RELEASE);
    LIBC_HEAP_FUNCTIONS(F)
    LIBC_OTHER_FUNCTIONS(F)
    F(void, free, , )
#undef F
    errno = keep;
    resolving = false;
}

static int find_evtrail(struct dl_phdr_info *info, size_t bytes, void *context)
{
    const uintptr_t inside = (uintptr_t)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) && inside - start < segment->p_memsz) {
            libc_evtrail = (struct libc_range){start, segment->p_memsz};
            return 1;
        }
    }
    return 0;
}

/* Before the events are registered, which a constructor of trace.h does with the lowest number that is not reserved. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wprio-ctor-dtor"
#endif
__attribute__((constructor(100))) static void start(void)
{
    if (libc_real.malloc == boot_malloc)
        resolve();
    void *address = dlsym(RTLD_DEFAULT, "evtrail_reserve");
    dl_iterate_phdr(find_evtrail, address);
    libc_ns_start();
}
