/* SPDX-License-Identifier: ISC
 *
 * Emissions that will never end: a signal handler left them by longjmp(), and their ring says "busy" for ever.
 *
 * `busy` holds the stack pointer of the emission's outermost function. A handler that interrupts an emission runs below that on the same stack, so an
 * emission from there or from further out means that the first one is gone. On another stack (a handler's own, a
 * coroutine's) addresses say nothing, and the first emission may go on later: then nothing is done, and events go where a handler's
 * go. All of this is looked at only by an emission that finds its ring busy.
 */
#include "internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <unistd.h>

/* The kernel leaves so much free below the main thread's stack at least: no other stack is there. */
#define MAIN_STACK_BYTES (UINT64_C(120) << 20)

static uintptr_t thread_pointer(void)
{
#if defined(__x86_64__)
    uintptr_t p;
    __asm__("mov %%fs:0, %0" : "=r"(p));
    return p;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

struct maps {
    int fd;
    ssize_t have, at;
    char buffer[512];
};

static int next_char(struct maps *maps)
{
    if (maps->at == maps->have) {
        maps->have = read(maps->fd, maps->buffer, sizeof(maps->buffer));
        maps->at = 0;
        if (maps->have <= 0) {
            maps->have = 0;
            return -1;
        }
    }
    return (unsigned char)maps->buffer[maps->at++];
}

/* A hexadecimal number; returns the character behind it. */
static int next_number(struct maps *maps, uintptr_t *ret_number)
{
    uintptr_t number = 0;
    int c = next_char(maps);
    for (; (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); c = next_char(maps))
        number = number * 16 + (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    *ret_number = number;
    return c;
}

/* The lowest address of the stack at whose top the thread's own block lies: the mapping that holds that, if a guard is below it.
 * 0: not such a stack. */
static uintptr_t stack_low(uintptr_t top)
{
    struct maps maps = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    uintptr_t low, high, guard_high = 0, found = 0;
    if (maps.fd < 0)
        return 0;
    while (next_number(&maps, &low) == '-' && next_number(&maps, &high) == ' ') {
        int right = next_char(&maps), c = right;
        if (low <= top && top < high) {
            found = guard_high == low ? low : 0;
            break;
        }
        guard_high = right == '-' ? high : 0;
        while (c >= 0 && c != '\n')
            c = next_char(&maps);
    }
    close(maps.fd);
    return found;
}

/* Whether all from `low` to `high` surely is one stack: the one this thread was started with. */
static bool on_own_stack(struct evtrail_ring *ring, uintptr_t low, uintptr_t high)
{
    stack_t other;
    if (sigaltstack(NULL, &other) < 0 || (other.ss_flags & SS_ONSTACK))
        return false;
    if (evtrail_gettid() == (uint32_t)getpid()) {
        uintptr_t top = (uintptr_t)getauxval(AT_EXECFN);
        return high <= top && low >= top - MAIN_STACK_BYTES;
    }
    uintptr_t top = thread_pointer();
    if (!ring->stack_low && !(ring->stack_low = stack_low(top)))
        ring->stack_low = UINTPTR_MAX; /* never again: the look is not cheap */
    return high <= top && low >= ring->stack_low;
}

/* What had not been published is dropped: half a record, or one of our own with no event behind it. */
static void restart(struct evtrail_ring *ring)
{
    struct evtrail_writer *writer = &ring->writer;
    writer->limit = 0;
    __atomic_fetch_or(&ring->pending, PENDING_LOST | PENDING_THREAD | (ring->labels_used ? PENDING_LABELS : 0u),
                      __ATOMIC_RELAXED);
    atomic_store_explicit(&ring->header->waiting, 0, memory_order_relaxed);
    if (ring->block) {
        writer->commit = atomic_load_explicit(&ring->block->committed, memory_order_relaxed);
        if ((uint32_t)writer->commit <=
            ring->room) /* a TIME record may have been among it. Else: the next block's header */
            evtrail_reclock(writer, evtrail_clock_ticks());
    }
}

bool evtrail_ring_abandoned(struct evtrail_ring *ring, uintptr_t frame)
{
    const uint32_t busy = __atomic_load_n(&ring->writer.busy, __ATOMIC_RELAXED), now = evtrail_busy_(frame);
    if (busy == 0)
        return true;
    if (busy == 1 || ring->turning) /* 1: an older header's, that says no place */
        return false;
    const uintptr_t above = (uintptr_t)(now - busy) << 4; /* modulo 2^36 */
    if (now - busy >= UINT32_C(1) << 31 || above > frame || !on_own_stack(ring, frame - above, frame))
        return false;
    restart(ring);
    /* S9: only now that its frame cannot be there any more, and what it left half done is dropped. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&ring->writer.busy, 0, __ATOMIC_RELAXED);
    return true;
}
