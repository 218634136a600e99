/* SPDX-License-Identifier: ISC
 *
 * The way of an event that the inline path in trace.h does not take: a thread's first, one with context, one in another
 * channel, one inside a signal handler, a large one.
 */
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <unwind.h>

/* ---- context ---- */

struct stack {
    uint64_t from; /* the trace point's frame: those above it are ours */
    uint32_t count;
    bool found;
    uint64_t addresses[EVTRAIL_STACK_MAX];
};

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *context, void *argument)
{
    struct stack *stack = argument;
    uint64_t address = _Unwind_GetIP(context);
    stack->found |= address == stack->from;
    if (!stack->found)
        return _URC_NO_REASON;
    if (stack->count == EVTRAIL_STACK_MAX || address == 0)
        return _URC_END_OF_STACK;
    stack->addresses[stack->count++] = address;
    return _URC_NO_REASON;
}

struct context {
    unsigned flags; /* enum evtrail_meta_flag */
    uint32_t cpu;
    uint64_t caller;
    struct stack stack;
};

/* What the enable byte asks for. Returns the words of the META record, 0 for none. */
static uint32_t context_take(struct context *context, unsigned on, unsigned meta, uint64_t caller)
{
    uint32_t words = 2;
    context->flags = meta;
    if (on & EVTRAIL_ENABLE_CPU) {
        int cpu = sched_getcpu();
        context->cpu = cpu < 0 ? 0 : (uint32_t)cpu;
        context->flags |= EVTRAIL_META_CPU;
        words++;
    }
    if (on & EVTRAIL_ENABLE_CALLER) {
        context->caller = caller;
        context->flags |= EVTRAIL_META_CALLER;
        words++;
    }
    if (on & EVTRAIL_ENABLE_STACK) {
        context->stack.from = caller;
        context->stack.count = 0;
        context->stack.found = false;
        _Unwind_Backtrace(visit_frame, &context->stack);
        context->flags |= EVTRAIL_META_STACK;
        words += 1 + context->stack.count;
    }
    return context->flags ? words : 0;
}

static void context_put(struct evtrail_ring *ring, const struct context *context, uint32_t words)
{
    evtrail_ring_put_header(ring, EVTRAIL_RECORD_META, words - 1);
    evtrail_ring_put(ring, context->flags);
    if (context->flags & EVTRAIL_META_CPU)
        evtrail_ring_put(ring, context->cpu);
    if (context->flags & EVTRAIL_META_CALLER)
        evtrail_ring_put(ring, context->caller);
    if (context->flags & EVTRAIL_META_STACK) {
        evtrail_ring_put(ring, context->stack.count);
        for (uint32_t i = 0; i < context->stack.count; i++)
            evtrail_ring_put(ring, context->stack.addresses[i]);
    }
}

/* ---- which ring ---- */

/* C4, C13 (release): who sees it sees the bit gone, or the type and that it is on. */
void evtrail_readers_wake(void)
{
    struct evtrail_control *control = evtrail_process.control;
    atomic_fetch_add_explicit(&control->wake, 1, memory_order_release);
    evtrail_futex_wake(&control->wake);
}

/* C3, C4: an idle reader set the bit and sleeps on `wake`. Before the event is written: it takes longer to wake than we to
 * write, and looks again. The bit goes first, or a second reader's would be lost. */
static void wake_readers(const struct evtrail_point *point)
{
    struct evtrail_control *control = evtrail_process.control;
    atomic_fetch_and_explicit(&control->enable[point->head >> 6], (uint8_t)~EVTRAIL_ENABLE_WAKE, memory_order_relaxed);
    evtrail_readers_wake();
}

/* Counts a loss outside an emission: a signal handler's in the middle of it goes elsewhere, not under it. */
static inline void lost_beside(struct evtrail_ring *ring, void (*count)(struct evtrail_ring *, unsigned), unsigned what)
{
    evtrail_ring_enter(ring, evtrail_stack_());
    count(ring, what);
    evtrail_ring_leave(ring);
}

static struct evtrail_ring *channel_of(struct evtrail_ring *ring, unsigned on)
{
    unsigned channel = (on & EVTRAIL_ENABLE_CHANNEL_MASK) >> EVTRAIL_ENABLE_CHANNEL_SHIFT;
    if (channel == 0 || channel > EVTRAIL_POLICIES)
        return ring;
    return evtrail_thread_extra(ring, 1 + channel);
}

/* The ring that this event goes to, not busy; NULL: counted as lost. */
static struct evtrail_ring *choose_ring(struct evtrail_ring *main, unsigned on, unsigned *meta, uintptr_t frame)
{
    struct evtrail_ring *ring = main;
    if (!evtrail_ring_abandoned(main, frame)) { /* we are a signal handler inside an emission of this thread */
        *meta |= EVTRAIL_META_SIGNAL;
        ring = evtrail_thread_extra(main, 1);
    } else {
        ring = channel_of(main, on);
    }
    if (ring && evtrail_ring_abandoned(ring, frame))
        return ring;
    if (ring || *meta & EVTRAIL_META_SIGNAL)
        evtrail_count_nested(main);
    else
        lost_beside(main, evtrail_ring_lost, EVTRAIL_LOST_MEMORY);
    return NULL;
}

/* Whether we are a signal handler inside an emission into one of the thread's rings: they must not be handed on. */
static bool in_use(const struct evtrail_ring *main)
{
    bool busy = main->writer.busy;
    for (int i = 0; i < EVTRAIL_POLICIES; i++)
        busy |= main->channel[i] && main->channel[i]->writer.busy;
    return busy;
}

/* This thread's main ring, of the size that is set now; NULL: the event was counted as lost. */
static struct evtrail_ring *main_ring(void)
{
    struct evtrail_ring *ring = evtrail_thread_ring();
    if (!ring && !(ring = evtrail_thread_start()))
        return NULL;
    if (UNLIKELY(evtrail_policy_outdated(ring) && !in_use(ring)))
        ring = evtrail_thread_migrate(ring);
    return ring;
}

/* Where an event comes from: the address that is its caller's, and the stack at the trace point. */
struct origin {
    uint64_t caller;
    uintptr_t frame;
};
#define ORIGIN_FROM(address) ((struct origin){(uint64_t)(uintptr_t)(address), (uintptr_t)__builtin_dwarf_cfa()})
#define ORIGIN ORIGIN_FROM(__builtin_return_address(0))

static struct evtrail_writer *reserve(const struct evtrail_point *point, unsigned on, uint32_t words, unsigned meta,
                                      struct origin origin)
{
    struct context context;
    if (!(on & EVTRAIL_ENABLE_ON))
        return NULL;
    if (UNLIKELY(point->head == 0)) {
        evtrail_registry_missing(point);
        return NULL;
    }
    struct evtrail_ring *ring = main_ring();
    if (!ring)
        return NULL;
    if (UNLIKELY(on & EVTRAIL_ENABLE_WAKE))
        wake_readers(point);
    ring = choose_ring(ring, on, &meta, origin.frame);
    if (!ring)
        return NULL;
    evtrail_ring_enter(ring, origin.frame);
    if (UNLIKELY(on & (EVTRAIL_ENABLE_CALLER | EVTRAIL_ENABLE_STACK)) && !(meta & EVTRAIL_META_SIGNAL))
        evtrail_modules_first();
    uint32_t extra = context_take(&context, on, meta, origin.caller);
    if (evtrail_ring_reserve(ring, point->level, words + extra)) {
        if (extra)
            context_put(ring, &context, extra);
        return &ring->writer;
    }
    evtrail_ring_leave(ring);
    return NULL;
}

/* An event that is dropped costs less than one that is recorded: while the ring is full and no consumer has moved, one
 * look at their cursors and a count. Every 64th goes the long way, which looks at settings and leases. */
static bool still_full(unsigned level, unsigned on)
{
    struct evtrail_ring *ring = evtrail_thread_ring();
    if (!ring || !ring->drop_from || level < ring->drop_from || on != EVTRAIL_ENABLE_ON || ring->writer.busy ||
        (ring->drops_in_row + 1) % 64 == 0 || evtrail_policy_outdated(ring) || evtrail_policy_moved(ring))
        return false;
    lost_beside(ring, evtrail_ring_dropped, level);
    return true;
}

static struct evtrail_writer *reserve_keeping_errno(const struct evtrail_point *point, unsigned on, uint32_t words,
                                                    struct origin origin)
{
    if (still_full(point->level, on))
        return NULL;
    int saved = errno;
    struct evtrail_writer *writer = reserve(point, on, words, 0, origin);
    errno = saved;
    return writer;
}

API __attribute__((noinline)) struct evtrail_writer *evtrail_reserve(const struct evtrail_point *point, unsigned on,
                                                                     uint32_t words)
{
    return reserve_keeping_errno(point, on, words, ORIGIN);
}

API __attribute__((noinline)) struct evtrail_writer *
evtrail_reserve_from(const struct evtrail_point *point, unsigned on, uint32_t words, const void *caller)
{
    return reserve_keeping_errno(point, on, words, ORIGIN_FROM(caller));
}

/* ---- large and foreign events ---- */

static uint32_t payload_words(const struct evtrail_arg *args, unsigned count)
{
    uint64_t words = 0;
    for (unsigned i = 0; i < count; i++)
        words += evtrail_words_(args[i]);
    return words < UINT32_MAX ? (uint32_t)words : UINT32_MAX;
}

/* Shortens strings, the last ones most, until all fits `most` words. */
static void cut(struct evtrail_arg *args, unsigned count, uint32_t most)
{
    uint32_t left = (most - count) * 8; /* bytes for strings */
    for (unsigned i = 0; i < count; i++) {
        if (!args[i].data)
            continue;
        if (args[i].word > left)
            args[i].word = left;
        left -= ((uint32_t)args[i].word + 7) / 8 * 8;
    }
}

static void emit_words(const struct evtrail_point *point, unsigned on, uint64_t ticks, const struct evtrail_arg *args,
                       unsigned count, uint32_t payload, unsigned meta, struct origin origin)
{
    const bool extended = payload >= EVTRAIL_SMALL_WORDS;
    const uint32_t words = 1 + extended + payload;
    struct evtrail_writer *writer = reserve(point, on, words, meta, origin);
    if (!writer)
        return;
    uint64_t *p =
        evtrail_header_(writer, point, ticks ? ticks : evtrail_clock_ticks(), extended ? EVTRAIL_SMALL_WORDS : payload);
    if (extended)
        evtrail_store_(p++, payload);
    for (unsigned i = 0; i < count; i++)
        p = evtrail_put_(p, args[i]);
    evtrail_end_(writer, words);
}

/* The most payload words that fit a block with all that may go before. */
static uint32_t payload_most(uint32_t block_bytes)
{
    return evtrail_ring_words_max(block_bytes) - EVTRAIL_CONTEXT_WORDS_MAX - 2;
}

/* The blocks of the ring that the event is about to go to. */
static uint32_t block_bytes_for(struct evtrail_ring *main, unsigned on)
{
    if (main->writer.busy)
        return EVTRAIL_BLOCK_BYTES_MIN;
    const struct evtrail_ring *ring = channel_of(main, on);
    return ring ? ring->block_bytes : EVTRAIL_BLOCK_BYTES_MIN;
}

static void emit(const struct evtrail_point *point, unsigned on, uint64_t ticks, const struct evtrail_arg *args,
                 unsigned count, struct origin origin)
{
    uint32_t payload = payload_words(args, count), most = payload_most(EVTRAIL_BLOCK_BYTES_MIN);
    if (payload > most) {
        struct evtrail_ring *main = on & EVTRAIL_ENABLE_ON ? main_ring() : NULL;
        if (!main)
            return;
        most = payload_most(block_bytes_for(main, on));
    }
    if (payload <= most) {
        emit_words(point, on, ticks, args, count, payload, 0, origin);
        return;
    }
    struct evtrail_arg shorter[EVTRAIL_FIELDS_MAX];
    for (unsigned i = 0; i < count; i++)
        shorter[i] = args[i];
    cut(shorter, count, most);
    emit_words(point, on, ticks, shorter, count, payload_words(shorter, count), EVTRAIL_META_CUT, origin);
}

API __attribute__((noinline)) void evtrail_emit_args(const struct evtrail_point *point, unsigned on, uint64_t ticks,
                                                     const struct evtrail_arg *args, unsigned count)
{
    if (on == EVTRAIL_FORWARDED_ && !(on = evtrail_forward(point, ticks, args, count)))
        return;
    int saved = errno;
    if (count <= EVTRAIL_FIELDS_MAX)
        emit(point, on, ticks, args, count, ORIGIN);
    errno = saved;
}

API __attribute__((noinline)) void evtrail_emit_args_from(const struct evtrail_point *point, unsigned on,
                                                          uint64_t ticks, const struct evtrail_arg *args,
                                                          unsigned count, const void *caller)
{
    if (on == EVTRAIL_FORWARDED_ && !(on = evtrail_forward(point, ticks, args, count)))
        return;
    int saved = errno;
    if (count <= EVTRAIL_FIELDS_MAX)
        emit(point, on, ticks, args, count, ORIGIN_FROM(caller));
    errno = saved;
}

API __attribute__((noinline)) void evtrail_emit(const struct evtrail_point *point, uint64_t ticks,
                                                const struct evtrail_arg *args, unsigned count)
{
    unsigned on = evtrail_on_(point);
    if (LIKELY(!on) || count != point->fields_count)
        return;
    if (on == EVTRAIL_FORWARDED_ && !(on = evtrail_forward(point, ticks, args, count)))
        return;
    int saved = errno;
    emit(point, on, ticks, args, count, ORIGIN);
    errno = saved;
}

API int evtrail_enabled(const struct evtrail_point *point)
{
    return evtrail_on_(point) != 0;
}
