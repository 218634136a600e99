/* SPDX-License-Identifier: ISC
 *
 * Hooks of the allocator.
 */
#include "preload.h"

#include <malloc.h>
#include <stdlib.h>

HOOK void *malloc(size_t size)
{
    LIBC_CALL(malloc, void *, libc_real.malloc(size), result == NULL,
              libc_trace_malloc_at(call.end, size, result, call.took));
}

HOOK void *calloc(size_t count, size_t size)
{
    LIBC_CALL(calloc, void *, libc_real.calloc(count, size), result == NULL,
              libc_trace_calloc_at(call.end, count, size, result, call.took));
}

HOOK void *realloc(void *old, size_t size)
{
    const uintptr_t before = (uintptr_t)old; /* the compiler knows that `old` may not be used afterwards */
    LIBC_CALL(realloc, void *, libc_real.realloc(old, size), result == NULL,
              libc_trace_realloc_at(call.end, (const void *)before, size, result, call.took));
}

/* The C library's own calls realloc(), ours, which must not make a second event. */
HOOK void *reallocarray(void *old, size_t count, size_t size)
{
    const uintptr_t before = (uintptr_t)old;
    if (LIBC_LIKELY(!libc_trace_realloc_on()) || !libc_wanted(CALLER))
        return libc_real.reallocarray(old, count, size);
    struct libc_call call;
    call.start = evtrail_now();
    libc_thread.frame = libc_thread.depth ? libc_thread.frame : LIBC_FRAME;
    libc_thread.inside++;
    void *const result = libc_real.reallocarray(old, count, size);
    libc_thread.inside--;
    libc_call_end(&call, result == NULL);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    libc_trace_realloc_at(call.end, (const void *)before, bytes, result, call.took);
    libc_call_done(&call);
    return result;
}

HOOK void *memalign(size_t alignment, size_t size)
{
    LIBC_CALL(aligned, void *, libc_real.memalign(alignment, size), result == NULL,
              libc_trace_aligned_at(call.end, alignment, size, result, call.took));
}

HOOK void *aligned_alloc(size_t alignment, size_t size)
{
    LIBC_CALL(aligned, void *, libc_real.aligned_alloc(alignment, size), result == NULL,
              libc_trace_aligned_at(call.end, alignment, size, result, call.took));
}

HOOK int posix_memalign(void **address, size_t alignment, size_t size)
{
    LIBC_CALL(aligned, int, libc_real.posix_memalign(address, alignment, size), result != 0,
              libc_trace_aligned_at(call.end, alignment, size, result == 0 ? *address : NULL, call.took));
}

HOOK void *valloc(size_t size)
{
    LIBC_CALL(aligned, void *, libc_real.valloc(size), result == NULL,
              libc_trace_aligned_at(call.end, (uint64_t)getpagesize(), size, result, call.took));
}

HOOK void *pvalloc(size_t size)
{
    LIBC_CALL(aligned, void *, libc_real.pvalloc(size), result == NULL,
              libc_trace_aligned_at(call.end, (uint64_t)getpagesize(), size, result, call.took));
}

/* Stamped at its start: from then on another thread may be given the address. */
HOOK void free(void *address)
{
    if (LIBC_LIKELY(!libc_trace_free_on()) || !address || !libc_wanted(CALLER)) {
        libc_real.free(address);
        return;
    }
    const uintptr_t before = (uintptr_t)address;
    struct libc_call call;
    call.start = evtrail_now();
    libc_real.free(address);
    libc_call_end(&call, false);
    libc_trace_free_at(call.start, (const void *)before, call.took);
    libc_call_done(&call);
}
