/* SPDX-License-Identifier: ISC
 *
 * Trace points for C and C++: one line makes a typed event.
 *
 * This header stands alone. A program that links libevtrail includes it (or <evtrail/evtrail.h>). A library that wants
 * no dependency copies this one file, defines EVTRAIL_STANDALONE before including it, and links nothing: its trace
 * points stay silent until libevtrail is in the process (linked by someone else, or preloaded by `evtrail record --`).
 *
 *     EVTRAIL(info, "pool.conn.open", host, port, conn_id);
 *
 * Names of the fields come from the arguments, their types from the arguments' types. An event that is switched off
 * costs one byte test; its arguments are not evaluated. Define EVTRAIL_COMPILED_OUT to leave no code at all.
 *
 * Kinds (the tools work from the kind, never from the name):
 *     EVTRAIL(level, name, ...)                        something happened
 *     EVTRAIL_BEGIN(level, name, id, parent, ...)      a span opens; id is unique while it is open, parent 0 for none
 *     EVTRAIL_END(level, name, id, ...)                the span of that name and id closes
 *     EVTRAIL_COUNTER(level, name, value, ...)         a quantity has this value now
 *     EVTRAIL_STATE(level, name, id, parent, state, ...)  entity `id` of class `name` exists, in this state
 *     EVTRAIL_NAME(level, name, id, label, ...)        the entity is called this
 *     EVTRAIL_GONE(level, name, id, ...)               the entity is gone
 *     EVTRAIL_FLOW(level, name, id, ...)               work `id` passed here, in this thread
 * Each has a form with `_AT` and the caller's stamp (evtrail_now()) first, so that several events share one clock read.
 *
 * Levels, most severe first: critical, error, warning, info, debug, trace.
 *
 * An argument may be wrapped to say more: EVTRAIL_NS(x), EVTRAIL_BYTES(x) and EVTRAIL_UNIT(x, unit) give a unit,
 * EVTRAIL_HEX(x) a base, EVTRAIL_AS(name, x) a name, evtrail_bytes(p, n) makes a byte array of n bytes at p.
 *
 * Cost: wait-free; no system call but a block's first allocation and a wake-up that a reader asked for. errno is kept.
 * May be called from constructors, destructors, signal handlers and after main has returned.
 */
#ifndef EVTRAIL_TRACE_H
#define EVTRAIL_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EVTRAIL_ABI 1

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum evtrail_level {
    EVTRAIL_LEVEL_critical = 1,
    EVTRAIL_LEVEL_error = 2,
    EVTRAIL_LEVEL_warning = 3,
    EVTRAIL_LEVEL_info = 4,
    EVTRAIL_LEVEL_debug = 5,
    EVTRAIL_LEVEL_trace = 6,
};
#define EVTRAIL_LEVELS 6 /* valid levels are 1..6 */

enum evtrail_kind {
    EVTRAIL_KIND_instant = 0,
    EVTRAIL_KIND_begin = 1,   /* fields: span id, parent span id, ... */
    EVTRAIL_KIND_end = 2,     /* fields: span id, ... */
    EVTRAIL_KIND_counter = 3, /* fields: value, ... */
    EVTRAIL_KIND_state = 4,   /* fields: entity id, parent entity id, state, ... */
    EVTRAIL_KIND_name = 5,    /* fields: entity id, name, ... */
    EVTRAIL_KIND_gone = 6,    /* fields: entity id, ... */
    EVTRAIL_KIND_flow = 7,    /* fields: flow id, ... */
};
#define EVTRAIL_KINDS 8

/* Field types. Scalars take one 8-byte word each: integers sign- or zero-extended, a float in the low half. A string or
 * byte array is a length word (low 32 bits: bytes; EVTRAIL_NULL for a NULL pointer) and its bytes padded to words. */
enum evtrail_field_type {
    EVTRAIL_TYPE_bool = 1,
    EVTRAIL_TYPE_i8 = 2,
    EVTRAIL_TYPE_i16 = 3,
    EVTRAIL_TYPE_i32 = 4,
    EVTRAIL_TYPE_i64 = 5,
    EVTRAIL_TYPE_u8 = 6,
    EVTRAIL_TYPE_u16 = 7,
    EVTRAIL_TYPE_u32 = 8,
    EVTRAIL_TYPE_u64 = 9,
    EVTRAIL_TYPE_x8 = 10, /* unsigned, shown in hexadecimal */
    EVTRAIL_TYPE_x16 = 11,
    EVTRAIL_TYPE_x32 = 12,
    EVTRAIL_TYPE_x64 = 13,
    EVTRAIL_TYPE_f32 = 14,
    EVTRAIL_TYPE_f64 = 15,
    EVTRAIL_TYPE_pointer = 16,
    EVTRAIL_TYPE_string = 17,
    EVTRAIL_TYPE_bytes = 18,
    EVTRAIL_TYPE_enum = 19, /* a signed integer whose values have names */
};
#define EVTRAIL_TYPES 20

#define EVTRAIL_FIELDS_MAX 32 /* per event; the one-line macros take 16 */
#define EVTRAIL_NULL 0xffffffffu /* the length of a NULL string */

/* One field of a catalogue or of an event registered at run time. Strings are NUL-terminated; NULL means empty. */
struct evtrail_field_desc {
    uint8_t type; /* enum evtrail_field_type */
    const char *name;
    const char *unit;  /* "ns", "bytes", ... */
    const char *doc;
    const char *enums; /* "0=idle,1=open": names of an enum's values */
};

/* A trace point: one per place in the source (or per catalogue entry). The layout is ABI. */
struct evtrail_point {
    const uint8_t *enabled; /* -> one byte of the session's control page; the only thing that a disabled point reads */
    uint32_t head;          /* event id << 6, set when the point is registered */
    uint8_t level;          /* enum evtrail_level */
    uint8_t kind;           /* enum evtrail_kind */
    uint8_t fields_count;
    uint8_t abi;
    const char *name;
    const char *doc;
    const char *args;     /* the macro's arguments as text, when `fields` is NULL */
    const uint8_t *types; /* enum evtrail_field_type [fields_count], when `fields` is NULL */
    const struct evtrail_field_desc *fields;
    const char *file;
    const char *function;
    uint32_t line;
    uint32_t reserved;
};

/* One argument on its way into a record: its first word, and for strings the bytes that follow. */
struct evtrail_arg {
    uint64_t word;
    const void *data; /* NULL: the word is all */
};

struct evtrail_memory {
    const void *data;
    size_t bytes;
};

/* A thread's place in its ring. Lives in a page of its own that the kernel wipes in a forked child, so that limit == 0
 * there whoever forked and however. The layout is ABI. Only its thread touches it. */
struct evtrail_writer {
    uint64_t *base;      /* first record word of the open block */
    uint64_t commit;     /* events << 32 | words: what the open block holds */
    uint64_t open_ticks; /* the clock that the header words' 44 bits are relative to */
    uint32_t limit;      /* words that may be used now; 0 sends every event to evtrail_reserve() */
    uint32_t busy;       /* an emission is under way: a signal handler that finds it set goes elsewhere. evtrail_busy_() */
    uint32_t counter;    /* ticks are the CPU's counter, else evtrail_clock_slow() gives them */
    uint32_t reserved;
};

/* Words from a block's first record back to its `committed` word (libtrace/layout.h asserts it). */
#define EVTRAIL_COMMITTED_BACK 31
#define EVTRAIL_TICK_BITS 44
#define EVTRAIL_FORWARDED_ 0x7e /* what the enable byte is for a type whose events go to evtrail_forward_to()'s receiver as well */
#define EVTRAIL_SMALL_WORDS 63 /* records of up to this many words, header included, are written inline */

/* What a standalone header needs from libevtrail. Entries are only ever appended. */
struct evtrail_api {
    uint32_t abi;
    uint32_t bytes;
    ptrdiff_t tls_offset; /* of `struct evtrail_writer *` from the thread pointer */
    struct evtrail_writer *(*reserve)(const struct evtrail_point *point, unsigned on, uint32_t words);
    void (*reclock)(struct evtrail_writer *writer, uint64_t ticks);
    void (*emit_args)(const struct evtrail_point *point, unsigned on, uint64_t ticks, const struct evtrail_arg *args,
                      unsigned count);
    uint64_t (*clock_slow)(void);
    void (*points_add)(struct evtrail_point *const *first, struct evtrail_point *const *end);
    void (*points_remove)(struct evtrail_point *const *first, struct evtrail_point *const *end);
    uint64_t (*span_new)(void);
};

/* Named places where the project's own tests stop or kill a thread; nothing for everybody else. */
#ifdef EVTRAIL_TEST_POINTS
void evtrail_test_point(const char *name);
#define EVTRAIL_TEST_POINT_(name) evtrail_test_point(name)
#else
#define EVTRAIL_TEST_POINT_(name) ((void)0)
#endif

#define EVTRAIL_LIKELY_(x) __builtin_expect(!!(x), 1)
#define EVTRAIL_UNLIKELY_(x) __builtin_expect(!!(x), 0)
#define EVTRAIL_INLINE_ static inline __attribute__((always_inline, unused))

/* ---- how the library is reached ------------------------------------------------------------------------------- */

#ifdef EVTRAIL_STANDALONE
/* One per linked object: filled in when libevtrail and this object first share a process, in either order. */
struct evtrail_link {
    const struct evtrail_api *api;
    ptrdiff_t tls_offset;
    void (*attach)(const struct evtrail_api *api);
};
extern const struct evtrail_api *evtrail_api_get(uint32_t abi) __attribute__((weak));
extern struct evtrail_link evtrail_link_ __attribute__((visibility("hidden")));
__attribute__((weak, visibility("hidden"), used)) struct evtrail_link evtrail_link_;
#define EVTRAIL_CALL_(function) evtrail_link_.api->function
#ifdef __aarch64__
#define EVTRAIL_THREAD_ ((char *)__builtin_thread_pointer())
#else
EVTRAIL_INLINE_ char *evtrail_thread_pointer_(void)
{
    char *p;
    __asm__("mov %%fs:0, %0" : "=r"(p));
    return p;
}
#define EVTRAIL_THREAD_ evtrail_thread_pointer_()
#endif
#define EVTRAIL_WRITER_ (*(struct evtrail_writer **)(void *)(EVTRAIL_THREAD_ + evtrail_link_.tls_offset))
#else
extern __thread struct evtrail_writer *evtrail_writer_tls __attribute__((tls_model("initial-exec")));
struct evtrail_writer *evtrail_reserve(const struct evtrail_point *point, unsigned on, uint32_t words);
void evtrail_reclock(struct evtrail_writer *writer, uint64_t ticks);
void evtrail_emit_args(const struct evtrail_point *point, unsigned on, uint64_t ticks, const struct evtrail_arg *args,
                       unsigned count);
struct evtrail_writer *evtrail_reserve_from(const struct evtrail_point *point, unsigned on, uint32_t words,
                                            const void *caller);
void evtrail_emit_args_from(const struct evtrail_point *point, unsigned on, uint64_t ticks,
                            const struct evtrail_arg *args, unsigned count, const void *caller);
uint64_t evtrail_clock_slow(void);
void evtrail_points_add(struct evtrail_point *const *first, struct evtrail_point *const *end);
void evtrail_points_remove(struct evtrail_point *const *first, struct evtrail_point *const *end);
uint64_t evtrail_span_new(void);
#define EVTRAIL_CALL_(function) evtrail_##function
#define EVTRAIL_WRITER_ evtrail_writer_tls
#endif
const struct evtrail_api *evtrail_api_get(uint32_t abi);

/* The way of an event that the inline path does not take. A library of hooks puts evtrail_reserve_from() and
 * evtrail_emit_args_from() here, with the address that `+caller` is to show instead of the trace point's. */
#ifndef EVTRAIL_RESERVE_
#define EVTRAIL_RESERVE_(point, on, words) EVTRAIL_CALL_(reserve)((point), (on), (words))
#define EVTRAIL_EMIT_ARGS_(point, on, ticks, args, count) EVTRAIL_CALL_(emit_args)((point), (on), (ticks), (args), (count))
#endif

/* ---- the fast path -------------------------------------------------------------------------------------------- */

/* T1 (acquire): pairs with T2 in libtrace/registry.c, which publishes `enabled` after `head`. Without it a thread on ARM may
 * see the byte's address and not yet the event's id. The byte itself is relaxed: when it is seen does not matter. */
EVTRAIL_INLINE_ unsigned evtrail_on_(struct evtrail_point const *point)
{
    const uint8_t *byte = __atomic_load_n(&point->enabled, __ATOMIC_ACQUIRE);
    return __atomic_load_n(byte, __ATOMIC_RELAXED);
}

EVTRAIL_INLINE_ uint64_t evtrail_ticks_(const struct evtrail_writer *writer)
{
    if (EVTRAIL_LIKELY_(writer->counter)) {
#if defined(__x86_64__)
        return __builtin_ia32_rdtsc(); /* not fenced: order within a ring is position, and a fence costs 10 ns */
#elif defined(__aarch64__)
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
#endif
    }
    return EVTRAIL_CALL_(clock_slow)();
}

/* What `busy` is set to: whereabouts on the stack, in 16 bytes, so that an emission that a handler left by longjmp() can be told
 * from one that will go on (libtrace/abandoned.c). Never 0. */
EVTRAIL_INLINE_ uint32_t evtrail_busy_(uintptr_t stack)
{
    return (uint32_t)(stack >> 4) | 1;
}

EVTRAIL_INLINE_ uintptr_t evtrail_stack_(void)
{
    uintptr_t stack;
#if defined(__x86_64__)
    __asm__("mov %%rsp, %0" : "=r"(stack));
#elif defined(__aarch64__)
    __asm__("mov %0, sp" : "=r"(stack));
#else
    stack = (uintptr_t)__builtin_frame_address(0);
#endif
    return stack;
}

/* Returns a writer with room for `words` and busy set, or NULL: the event was counted as lost (or is not wanted). The
 * flag is set before anything else is read, and a signal handler that emits runs to its end inside one instruction of ours, so plain
 * compiler order is enough between the two. */
EVTRAIL_INLINE_ struct evtrail_writer *evtrail_begin_(const struct evtrail_point *point, unsigned on, uint32_t words)
{
    struct evtrail_writer *writer = EVTRAIL_WRITER_;
    if (EVTRAIL_LIKELY_(on == 1 && __atomic_load_n(&writer->busy, __ATOMIC_RELAXED) == 0)) {
        __atomic_store_n(&writer->busy, evtrail_busy_(evtrail_stack_()), __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        EVTRAIL_TEST_POINT_("T-busy");
        if (EVTRAIL_LIKELY_((uint32_t)writer->commit + words <= writer->limit))
            return writer;
        __atomic_store_n(&writer->busy, 0, __ATOMIC_RELAXED);
    }
    return EVTRAIL_RESERVE_(point, on, words);
}

EVTRAIL_INLINE_ void evtrail_store_(uint64_t *p, uint64_t word)
{
    __atomic_store_n(p, word, __ATOMIC_RELAXED); /* a reader may copy this word while it changes: W5 in libtrace/ring.c */
}

EVTRAIL_INLINE_ uint64_t *evtrail_header_(struct evtrail_writer *writer, const struct evtrail_point *point,
                                          uint64_t ticks, uint32_t payload_words)
{
    const uint64_t half = UINT64_C(1) << (EVTRAIL_TICK_BITS - 1);
    if (EVTRAIL_UNLIKELY_((ticks - writer->open_ticks + half) >> EVTRAIL_TICK_BITS))
        EVTRAIL_CALL_(reclock)(writer, ticks);
    uint64_t *p = writer->base + (uint32_t)writer->commit;
    evtrail_store_(p, ticks << (64 - EVTRAIL_TICK_BITS) | point->head | payload_words);
    EVTRAIL_TEST_POINT_("T-header");
    return p + 1;
}

EVTRAIL_INLINE_ uint64_t *evtrail_put_(uint64_t *p, struct evtrail_arg arg)
{
    evtrail_store_(p++, arg.word);
    if (arg.data) {
        const unsigned char *from = (const unsigned char *)arg.data;
        uint32_t left = (uint32_t)arg.word;
        uint64_t word;
        for (; left >= 8; left -= 8, from += 8) {
            memcpy(&word, from, 8);
            evtrail_store_(p++, word);
        }
        if (left) {
            word = 0;
            memcpy(&word, from, left);
            evtrail_store_(p++, word);
        }
    }
    return p;
}

/* W6 (release): the record is whole before a reader can see it counted; pairs with R2. Without it a reader on ARM takes
 * words that were never written. */
EVTRAIL_INLINE_ void evtrail_end_(struct evtrail_writer *writer, uint32_t words)
{
    uint64_t commit = writer->commit + (UINT64_C(1) << 32) + words;
    EVTRAIL_TEST_POINT_("T-payload");
    writer->commit = commit;
    EVTRAIL_TEST_POINT_("T-private");
    __atomic_store_n(writer->base - EVTRAIL_COMMITTED_BACK, commit, __ATOMIC_RELEASE);
    EVTRAIL_TEST_POINT_("W6");
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&writer->busy, 0, __ATOMIC_RELAXED);
}

EVTRAIL_INLINE_ uint32_t evtrail_words_(struct evtrail_arg arg)
{
    return 1 + (arg.data ? ((uint32_t)arg.word + 7) / 8 : 0);
}

/* ---- arguments ------------------------------------------------------------------------------------------------ */

EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_u_(uint64_t value)
{
    struct evtrail_arg arg = {value, NULL};
    return arg;
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_i_(int64_t value)
{
    return evtrail_arg_u_((uint64_t)value);
}
/* A plain char is recorded as signed everywhere, also where the compiler has it unsigned (ARM). */
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_c_(char value)
{
    return evtrail_arg_i_((signed char)value);
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_p_(const volatile void *value)
{
    return evtrail_arg_u_((uint64_t)(uintptr_t)value);
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_f32_(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return evtrail_arg_u_(bits);
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_f64_(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return evtrail_arg_u_(bits);
}
#define EVTRAIL_LENGTH_MAX_ 0x0fffffff /* sixteen such lengths do not overflow 32 bits of words; no block holds one */
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_mem_(const void *data, size_t bytes)
{
    struct evtrail_arg arg = {EVTRAIL_NULL, NULL};
    if (data) {
        arg.word = bytes < EVTRAIL_LENGTH_MAX_ ? bytes : EVTRAIL_LENGTH_MAX_;
        arg.data = data;
    }
    return arg;
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_s_(const char *string)
{
    return evtrail_arg_mem_(string, string ? strlen(string) : 0);
}
EVTRAIL_INLINE_ struct evtrail_arg evtrail_arg_b_(struct evtrail_memory value)
{
    return evtrail_arg_mem_(value.data, value.bytes);
}
/* A byte array field: `bytes` bytes at `data`, copied into the event. NULL is recorded as such. */
EVTRAIL_INLINE_ struct evtrail_memory evtrail_bytes(const void *data, size_t bytes)
{
    struct evtrail_memory value = {data, bytes};
    return value;
}

#define EVTRAIL_NS(x) (x)
#define EVTRAIL_BYTES(x) (x)
#define EVTRAIL_HEX(x) (x)
#define EVTRAIL_UNIT(x, unit) (x)
#define EVTRAIL_AS(name, x) (x)

#ifdef __cplusplus
} /* extern "C" */

EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(bool v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(char v) { return evtrail_arg_c_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(signed char v) { return evtrail_arg_i_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(short v) { return evtrail_arg_i_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(int v) { return evtrail_arg_i_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(long v) { return evtrail_arg_i_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(long long v) { return evtrail_arg_i_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(unsigned char v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(unsigned short v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(unsigned int v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(unsigned long v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(unsigned long long v) { return evtrail_arg_u_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(float v) { return evtrail_arg_f32_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(double v) { return evtrail_arg_f64_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(const char *v) { return evtrail_arg_s_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(evtrail_memory v) { return evtrail_arg_b_(v); }
EVTRAIL_INLINE_ evtrail_arg evtrail_arg_(const volatile void *v) { return evtrail_arg_p_(v); }

template <unsigned base, unsigned size> struct evtrail_width_ {
    static constexpr uint8_t value = (uint8_t)(base + (size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3));
};
template <typename T> struct evtrail_type_of_ {
    static constexpr uint8_t value =
        __is_enum(T) ? (uint8_t)evtrail_width_<EVTRAIL_TYPE_i8, sizeof(T)>::value : (uint8_t)EVTRAIL_TYPE_pointer;
};
#define EVTRAIL_CXX_TYPE_(T, v) \
    template <> struct evtrail_type_of_<T> { static constexpr uint8_t value = (uint8_t)(v); }
#define EVTRAIL_CXX_SIGNED_(T) EVTRAIL_CXX_TYPE_(T, (evtrail_width_<EVTRAIL_TYPE_i8, sizeof(T)>::value))
#define EVTRAIL_CXX_UNSIGNED_(T) EVTRAIL_CXX_TYPE_(T, (evtrail_width_<EVTRAIL_TYPE_u8, sizeof(T)>::value))
EVTRAIL_CXX_TYPE_(bool, EVTRAIL_TYPE_bool);
EVTRAIL_CXX_TYPE_(float, EVTRAIL_TYPE_f32);
EVTRAIL_CXX_TYPE_(double, EVTRAIL_TYPE_f64);
EVTRAIL_CXX_TYPE_(char *, EVTRAIL_TYPE_string);
EVTRAIL_CXX_TYPE_(const char *, EVTRAIL_TYPE_string);
EVTRAIL_CXX_TYPE_(evtrail_memory, EVTRAIL_TYPE_bytes);
EVTRAIL_CXX_SIGNED_(char);
EVTRAIL_CXX_SIGNED_(signed char);
EVTRAIL_CXX_SIGNED_(short);
EVTRAIL_CXX_SIGNED_(int);
EVTRAIL_CXX_SIGNED_(long);
EVTRAIL_CXX_SIGNED_(long long);
EVTRAIL_CXX_UNSIGNED_(unsigned char);
EVTRAIL_CXX_UNSIGNED_(unsigned short);
EVTRAIL_CXX_UNSIGNED_(unsigned int);
EVTRAIL_CXX_UNSIGNED_(unsigned long);
EVTRAIL_CXX_UNSIGNED_(unsigned long long);
template <typename T> T evtrail_decay_(T);
#define EVTRAIL_ARG_(x) evtrail_arg_(x)
#define EVTRAIL_TYPE_OF_(x) evtrail_type_of_<decltype(evtrail_decay_(x))>::value

extern "C" {
#else
#define EVTRAIL_ARG_(x) \
    _Generic((x), \
        _Bool: evtrail_arg_u_, \
        char: evtrail_arg_c_, \
        signed char: evtrail_arg_i_, \
        short: evtrail_arg_i_, \
        int: evtrail_arg_i_, \
        long: evtrail_arg_i_, \
        long long: evtrail_arg_i_, \
        unsigned char: evtrail_arg_u_, \
        unsigned short: evtrail_arg_u_, \
        unsigned int: evtrail_arg_u_, \
        unsigned long: evtrail_arg_u_, \
        unsigned long long: evtrail_arg_u_, \
        float: evtrail_arg_f32_, \
        double: evtrail_arg_f64_, \
        char *: evtrail_arg_s_, \
        const char *: evtrail_arg_s_, \
        struct evtrail_memory: evtrail_arg_b_, \
        default: evtrail_arg_p_)(x)
#define EVTRAIL_TYPE_OF_(x) \
    _Generic((x), \
        _Bool: EVTRAIL_TYPE_bool, \
        char: EVTRAIL_TYPE_i8, \
        signed char: EVTRAIL_TYPE_i8, \
        short: EVTRAIL_TYPE_i16, \
        int: EVTRAIL_TYPE_i32, \
        long: sizeof(long) == 8 ? EVTRAIL_TYPE_i64 : EVTRAIL_TYPE_i32, \
        long long: EVTRAIL_TYPE_i64, \
        unsigned char: EVTRAIL_TYPE_u8, \
        unsigned short: EVTRAIL_TYPE_u16, \
        unsigned int: EVTRAIL_TYPE_u32, \
        unsigned long: sizeof(long) == 8 ? EVTRAIL_TYPE_u64 : EVTRAIL_TYPE_u32, \
        unsigned long long: EVTRAIL_TYPE_u64, \
        float: EVTRAIL_TYPE_f32, \
        double: EVTRAIL_TYPE_f64, \
        char *: EVTRAIL_TYPE_string, \
        const char *: EVTRAIL_TYPE_string, \
        struct evtrail_memory: EVTRAIL_TYPE_bytes, \
        default: EVTRAIL_TYPE_pointer)
#endif

/* ---- preprocessor: up to 1 + 16 arguments --------------------------------------------------------------------- */

#define EVTRAIL_CAT_(a, b) EVTRAIL_CAT2_(a, b)
#define EVTRAIL_CAT2_(a, b) a##b
#define EVTRAIL_FIRST_(...) EVTRAIL_FIRST2_(__VA_ARGS__, 0)
#define EVTRAIL_FIRST2_(first, ...) first
#define EVTRAIL_COUNT_(...) \
    EVTRAIL_COUNT2_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define EVTRAIL_COUNT2_(n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, count, ...) count
/* EVTRAIL_EACH_(M, name, x1, ..., xn) is M(1, x1) ... M(n, xn). */
#define EVTRAIL_EACH_(M, ...) EVTRAIL_CAT_(EVTRAIL_EACH_, EVTRAIL_COUNT_(__VA_ARGS__))(M, __VA_ARGS__, 0)
#define EVTRAIL_EACH_0(M, n, ...)
#define EVTRAIL_EACH_1(M, n, a, ...) M(1, a)
#define EVTRAIL_EACH_2(M, n, a, b, ...) M(1, a) M(2, b)
#define EVTRAIL_EACH_3(M, n, a, b, c, ...) M(1, a) M(2, b) M(3, c)
#define EVTRAIL_EACH_4(M, n, a, b, c, d, ...) M(1, a) M(2, b) M(3, c) M(4, d)
#define EVTRAIL_EACH_5(M, n, a, b, c, d, e, ...) EVTRAIL_EACH_4(M, n, a, b, c, d, 0) M(5, e)
#define EVTRAIL_EACH_6(M, n, a, b, c, d, e, f, ...) EVTRAIL_EACH_5(M, n, a, b, c, d, e, 0) M(6, f)
#define EVTRAIL_EACH_7(M, n, a, b, c, d, e, f, g, ...) EVTRAIL_EACH_6(M, n, a, b, c, d, e, f, 0) M(7, g)
#define EVTRAIL_EACH_8(M, n, a, b, c, d, e, f, g, h, ...) EVTRAIL_EACH_7(M, n, a, b, c, d, e, f, g, 0) M(8, h)
#define EVTRAIL_EACH_9(M, n, a, b, c, d, e, f, g, h, i, ...) EVTRAIL_EACH_8(M, n, a, b, c, d, e, f, g, h, 0) M(9, i)
#define EVTRAIL_EACH_10(M, n, a, b, c, d, e, f, g, h, i, j, ...) \
    EVTRAIL_EACH_9(M, n, a, b, c, d, e, f, g, h, i, 0) M(10, j)
#define EVTRAIL_EACH_11(M, n, a, b, c, d, e, f, g, h, i, j, k, ...) \
    EVTRAIL_EACH_10(M, n, a, b, c, d, e, f, g, h, i, j, 0) M(11, k)
#define EVTRAIL_EACH_12(M, n, a, b, c, d, e, f, g, h, i, j, k, l, ...) \
    EVTRAIL_EACH_11(M, n, a, b, c, d, e, f, g, h, i, j, k, 0) M(12, l)
#define EVTRAIL_EACH_13(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, ...) \
    EVTRAIL_EACH_12(M, n, a, b, c, d, e, f, g, h, i, j, k, l, 0) M(13, m)
#define EVTRAIL_EACH_14(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, ...) \
    EVTRAIL_EACH_13(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, 0) M(14, o)
#define EVTRAIL_EACH_15(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, ...) \
    EVTRAIL_EACH_14(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, 0) M(15, p)
#define EVTRAIL_EACH_16(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, ...) \
    EVTRAIL_EACH_15(M, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, 0) M(16, q)

#define EVTRAIL_M_TYPE_(i, x) (uint8_t)(EVTRAIL_TYPE_OF_(x)),
#define EVTRAIL_M_ARG_(i, x) struct evtrail_arg evtrail_a##i = EVTRAIL_ARG_(x);
#define EVTRAIL_M_WORDS_(i, x) +evtrail_words_(evtrail_a##i)
#define EVTRAIL_M_PUT_(i, x) evtrail_p = evtrail_put_(evtrail_p, evtrail_a##i);
#define EVTRAIL_M_LIST_(i, x) evtrail_a##i,

/* ---- the trace point ------------------------------------------------------------------------------------------ */

__attribute__((unused)) static const uint8_t evtrail_off_ = 0;

/* Writes one record of the arguments that follow. `stamp` is evaluated once room has been found, so that an event that
 * is dropped costs no clock read; where there is no writer yet, it is 0: now. */
#define EVTRAIL_WRITE_(point_, on_, stamp_, ...) \
    do { \
        EVTRAIL_EACH_(EVTRAIL_M_ARG_, __VA_ARGS__) \
        const uint32_t evtrail_n = 1 EVTRAIL_EACH_(EVTRAIL_M_WORDS_, __VA_ARGS__); \
        if (EVTRAIL_LIKELY_(evtrail_n <= EVTRAIL_SMALL_WORDS && (on_) != EVTRAIL_FORWARDED_)) { \
            struct evtrail_writer *evtrail_w = evtrail_begin_((point_), (on_), evtrail_n); \
            if (EVTRAIL_LIKELY_(evtrail_w != NULL)) { \
                uint64_t *evtrail_p = evtrail_header_(evtrail_w, (point_), (stamp_), evtrail_n - 1); \
                EVTRAIL_EACH_(EVTRAIL_M_PUT_, __VA_ARGS__) \
                (void)evtrail_p; \
                evtrail_end_(evtrail_w, evtrail_n); \
            } \
        } else { \
            struct evtrail_writer *const evtrail_w = NULL; \
            const struct evtrail_arg evtrail_all[] = {EVTRAIL_EACH_(EVTRAIL_M_LIST_, __VA_ARGS__) {0, NULL}}; \
            EVTRAIL_EMIT_ARGS_((point_), (on_), (stamp_), evtrail_all, EVTRAIL_COUNT_(__VA_ARGS__)); \
            (void)evtrail_w; \
        } \
    } while (0)

#define EVTRAIL_STAMP_NOW_ (evtrail_w ? evtrail_ticks_(evtrail_w) : 0)

#ifdef __cplusplus
/* C++ may instantiate one trace point many times (templates, inline functions), which named sections cannot hold. Each
 * instance has an object, of a type of its own, that registers it when the program or library is loaded; one that is passed
 * before that (in a constructor), or where libevtrail came later, is registered then. The byte that says "off" cannot
 * tell, so an own byte says "new". */
#define EVTRAIL_ENABLED_AT_START_ &evtrail_new_
__attribute__((unused)) static const uint8_t evtrail_new_ = 0xff; /* one a file: its address says nothing */
#define EVTRAIL_SECTION_(point_) \
    struct evtrail_site_ { \
        static struct evtrail_point *point() { return &(point_); } \
    }; \
    (void)&evtrail_early_<evtrail_site_>::here;
EVTRAIL_INLINE_ unsigned evtrail_first_(struct evtrail_point *point, unsigned on)
{
    if (EVTRAIL_LIKELY_(on != 0xff))
        return on;
#ifdef EVTRAIL_STANDALONE
    if (!evtrail_link_.api)
        return 0;
#endif
    /* one of the threads that come here at once registers it; the others find it off until it has */
    struct evtrail_point *const one = point;
    const uint8_t *first = __atomic_load_n(&point->enabled, __ATOMIC_ACQUIRE);
    if (*first == 0xff && __atomic_load_n(&point->head, __ATOMIC_RELAXED) == 0 &&
        __atomic_compare_exchange_n(&point->enabled, &first, &evtrail_off_, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        EVTRAIL_CALL_(points_add)(&one, &one + 1);
    return evtrail_on_(point);
}
} /* extern "C" */
template <typename Site> struct __attribute__((visibility("hidden"))) evtrail_early_ {
    evtrail_early_() { evtrail_first_(Site::point(), 0xff); }
    static evtrail_early_ here;
};
template <typename Site> evtrail_early_<Site> evtrail_early_<Site>::here;
extern "C" {
#else
#define EVTRAIL_ENABLED_AT_START_ &evtrail_off_
#define EVTRAIL_SECTION_(point_) \
    static struct evtrail_point *const evtrail_ref __attribute__((section("evtrail_points"), used)) = &(point_);
#define evtrail_first_(point_, on_) (on_)
#endif

#ifdef EVTRAIL_COMPILED_OUT
EVTRAIL_INLINE_ void evtrail_nothing_(int unused, ...)
{
    (void)unused;
}
#define EVTRAIL_POINT_(level_, kind_, stamp_, text_, ...) \
    do { \
        if (0) \
            evtrail_nothing_(0, __VA_ARGS__); \
    } while (0)
#else
#define EVTRAIL_POINT_(level_, kind_, stamp_, text_, ...) \
    do { \
        static const uint8_t evtrail_types[] = {EVTRAIL_EACH_(EVTRAIL_M_TYPE_, __VA_ARGS__) 0}; \
        static struct evtrail_point evtrail_pt = {EVTRAIL_ENABLED_AT_START_, \
                                                  0, \
                                                  (level_), \
                                                  (kind_), \
                                                  EVTRAIL_COUNT_(__VA_ARGS__), \
                                                  EVTRAIL_ABI, \
                                                  EVTRAIL_FIRST_(__VA_ARGS__), \
                                                  NULL, \
                                                  text_, \
                                                  evtrail_types, \
                                                  NULL, \
                                                  __FILE__, \
                                                  __func__, \
                                                  __LINE__, \
                                                  0}; \
        EVTRAIL_SECTION_(evtrail_pt) \
        unsigned evtrail_state = evtrail_on_(&evtrail_pt); \
        if (EVTRAIL_UNLIKELY_(evtrail_state)) { \
            evtrail_state = evtrail_first_(&evtrail_pt, evtrail_state); \
            if (evtrail_state) \
                EVTRAIL_WRITE_(&evtrail_pt, evtrail_state, (stamp_), __VA_ARGS__); \
        } \
    } while (0)
#endif

/* Level and event name first, then up to 16 fields. See the head of this file. */
#define EVTRAIL(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_instant, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_BEGIN(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_begin, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_END(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_end, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_COUNTER(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_counter, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_STATE(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_state, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_NAME(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_name, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_GONE(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_gone, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_FLOW(level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_flow, EVTRAIL_STAMP_NOW_, #__VA_ARGS__, __VA_ARGS__)

/* The same with the caller's stamp, from evtrail_now(). */
#define EVTRAIL_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_instant, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_BEGIN_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_begin, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_END_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_end, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_COUNTER_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_counter, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_STATE_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_state, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_NAME_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_name, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_GONE_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_gone, (ticks), #__VA_ARGS__, __VA_ARGS__)
#define EVTRAIL_FLOW_AT(ticks, level, ...) \
    EVTRAIL_POINT_(EVTRAIL_LEVEL_##level, EVTRAIL_KIND_flow, (ticks), #__VA_ARGS__, __VA_ARGS__)

/* A stamp for the `_AT` forms: the clock as records hold it (the CPU's counter where the kernel trusts it, else nanoseconds of
 * CLOCK_MONOTONIC). One counter read, about 10 ns. 0 where libevtrail is absent. */
EVTRAIL_INLINE_ uint64_t evtrail_now(void)
{
#ifdef EVTRAIL_STANDALONE
    if (!evtrail_link_.api)
        return 0;
#endif
    return evtrail_ticks_(EVTRAIL_WRITER_);
}

/* An id for a span, unique in this process. A few ns, no system call but the thread's first. */
EVTRAIL_INLINE_ uint64_t evtrail_span_id(void)
{
#ifdef EVTRAIL_STANDALONE
    if (!evtrail_link_.api)
        return 0;
#endif
    return EVTRAIL_CALL_(span_new)();
}

/* ---- joining and leaving a process ---------------------------------------------------------------------------- */

/* The linker makes these two for each linked object; weak, so that one with no trace point links as well. */
extern struct evtrail_point *const __start_evtrail_points[] __attribute__((weak, visibility("hidden")));
extern struct evtrail_point *const __stop_evtrail_points[] __attribute__((weak, visibility("hidden")));

#ifdef EVTRAIL_STANDALONE
/* Called by libevtrail when it comes later than this object; found through the note below. */
void evtrail_link_attach_(const struct evtrail_api *api) __attribute__((visibility("hidden")));
__attribute__((weak, visibility("hidden"), used)) void evtrail_link_attach_(const struct evtrail_api *api)
{
    if (evtrail_link_.api || !api || api->abi != EVTRAIL_ABI)
        return;
    evtrail_link_.tls_offset = api->tls_offset;
    evtrail_link_.api = api;
    if (__start_evtrail_points)
        api->points_add(__start_evtrail_points, __stop_evtrail_points);
}
/* An ELF note {owner "evtrail", type 1, the distance from the descriptor to the function above}: libevtrail finds it in the
 * objects that were loaded before it. */
__asm__(".pushsection .note.evtrail.link,\"aG\",@note,evtrail_link_note_,comdat\n"
        ".balign 4\n.long 8, 8, 1\n.asciz \"evtrail\"\n"
        "1: .quad evtrail_link_attach_ - 1b\n.popsection\n"
        ".weak evtrail_link_attach_\n.hidden evtrail_link_attach_\n");
__attribute__((constructor(101), unused)) static void evtrail_link_start_(void)
{
    if (evtrail_api_get)
        evtrail_link_attach_(evtrail_api_get(EVTRAIL_ABI));
}
__attribute__((destructor(101), unused)) static void evtrail_link_stop_(void)
{
    if (evtrail_link_.api && __start_evtrail_points)
        evtrail_link_.api->points_remove(__start_evtrail_points, __stop_evtrail_points);
}
#else
#ifndef EVTRAIL_COMPILED_OUT
__attribute__((constructor(101), unused)) static void evtrail_link_start_(void)
{
    if (__start_evtrail_points)
        evtrail_points_add(__start_evtrail_points, __stop_evtrail_points);
}
__attribute__((destructor(101), unused)) static void evtrail_link_stop_(void)
{
    if (__start_evtrail_points)
        evtrail_points_remove(__start_evtrail_points, __stop_evtrail_points);
}
#endif
#endif

#pragma GCC visibility pop
#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* EVTRAIL_TRACE_H */
