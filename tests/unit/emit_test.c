/* SPDX-License-Identifier: ISC
 *
 * What a trace point writes, read back word by word: through the shared library, as programs use it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "support/child.h"
#include "support/trail.h"

#define EVTRAIL_CATALOGUE_DEFINE
#define EVTRAIL_CATALOGUE "unit/emit_catalogue.def"
#define EVTRAIL_PREFIX cat_
#include <evtrail/catalogue.h>

void emit_cxx(void);  /* emit_cxx.cc */
void emit_cxx2(void); /* emit_cxx2.cc */
void emit_cxx_new(void);
void emit_same_type(int port); /* emit_other.c */

static void start(const char *rule)
{
    CHECK(evtrail_rule(rule) >= 0);
}

static struct trail *finish(void)
{
    struct trail *t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
    CHECK_SOUND(t);
    return t;
}

static const struct trail_event *only(struct trail *t, const char *name)
{
    CHECK_EQ(trail_count(t, name), 1);
    return trail_event(t, name, 0);
}

#define RUN(body) \
    static void body##_in_child(void *); \
    static void body(void **state) \
    { \
        (void)state; \
        ASSERT_CHILD(child_fork(body##_in_child, NULL)); \
    } \
    static void body##_in_child(void *unused)

/* ---- fields ---- */

RUN(emit__every_scalar_type__type_and_value_are_read_back)
{
    start("t");
    _Bool b = 1;
    char c = -2;
    signed char sc = -3;
    short s = -4;
    int i = INT_MIN;
    long l = LONG_MIN;
    long long ll = LLONG_MIN + 1;
    unsigned char uc = 255;
    unsigned short us = 65535;
    unsigned int ui = UINT_MAX;
    unsigned long ul = ULONG_MAX;
    unsigned long long ull = ULLONG_MAX - 1;
    float f = 1.5f;
    double d = -2.25;
    void *p = &d;
    EVTRAIL(info, "t.scalars", b, c, sc, s, i, l, ll, uc, us, ui, ul, ull, f, d, p);
    struct trail *t = finish();
    const struct trail_event *e = only(t, "t.scalars");
    static const uint8_t types[] = {EVTRAIL_TYPE_bool, EVTRAIL_TYPE_i8,  EVTRAIL_TYPE_i8,     EVTRAIL_TYPE_i16,
                                    EVTRAIL_TYPE_i32,  EVTRAIL_TYPE_i64, EVTRAIL_TYPE_i64,    EVTRAIL_TYPE_u8,
                                    EVTRAIL_TYPE_u16,  EVTRAIL_TYPE_u32, EVTRAIL_TYPE_u64,    EVTRAIL_TYPE_u64,
                                    EVTRAIL_TYPE_f32,  EVTRAIL_TYPE_f64, EVTRAIL_TYPE_pointer};
    static const char *const names[] = {"b",  "c",  "sc", "s",   "i", "l", "ll", "uc",
                                        "us", "ui", "ul", "ull", "f", "d", "p"};
    float f_bits = 1.5f;
    uint32_t f_word;
    uint64_t d_word;
    memcpy(&f_word, &f_bits, 4);
    memcpy(&d_word, &d, 8);
    const uint64_t words[] = {1,
                              (uint64_t)-2,
                              (uint64_t)-3,
                              (uint64_t)-4,
                              (uint64_t)(int64_t)INT_MIN,
                              (uint64_t)LONG_MIN,
                              (uint64_t)ll,
                              255,
                              65535,
                              UINT_MAX,
                              ULONG_MAX,
                              ULLONG_MAX - 1,
                              f_word,
                              d_word,
                              (uint64_t)(uintptr_t)p};
    CHECK_EQ(e->type->fields_count, 15);
    CHECK_EQ(e->words, 15);
    for (int n = 0; n < 15; n++) {
        CHECK_EQ(e->type->fields[n].type, types[n]);
        CHECK(strcmp(e->type->fields[n].name, names[n]) == 0);
        CHECK_EQ(e->payload[n], words[n]);
    }
    CHECK_EQ(e->type->level, EVTRAIL_LEVEL_info);
    CHECK(strstr(e->type->file, "emit_test.c") != NULL);
    CHECK(e->type->line > 0);
    CHECK_EQ(e->tid, getpid());
}

RUN(emit__strings_and_bytes__copied_with_their_length_null_is_a_value)
{
    start("t");
    char buffer[20] = "changes later";
    const char *null = NULL, *empty = "";
    const char raw[] = {0, 1, 2, 0, 4};
    EVTRAIL(info, "t.strings", buffer, null, empty, evtrail_bytes(raw, 5), evtrail_bytes(NULL, 9), "eight by",
            "nine byte");
    strcpy(buffer, "CHANGED");
    struct trail *t = finish();
    const struct trail_event *e = only(t, "t.strings");
    uint32_t n = 0;
    CHECK(memcmp(trail_text(e, 0, &n), "changes later", 13) == 0);
    CHECK_EQ(n, 13);
    CHECK(trail_text(e, 1, &n) == NULL);
    CHECK_EQ(trail_word(e, 1), EVTRAIL_NULL);
    CHECK(trail_text(e, 2, &n) != NULL);
    CHECK_EQ(n, 0);
    CHECK(memcmp(trail_text(e, 3, &n), raw, 5) == 0);
    CHECK_EQ(n, 5);
    CHECK(trail_text(e, 4, &n) == NULL);
    CHECK(memcmp(trail_text(e, 5, &n), "eight by", 8) == 0);
    CHECK_EQ(n, 8);
    CHECK(memcmp(trail_text(e, 6, &n), "nine byte", 9) == 0);
    CHECK_EQ(n, 9);
    CHECK_EQ(e->words, 3 + 1 + 1 + 2 + 1 + 2 + 3);
    CHECK_EQ(e->type->fields[3].type, EVTRAIL_TYPE_bytes);
    CHECK(strcmp(e->type->fields[3].name, "raw") == 0);
}

RUN(emit__no_fields_and_sixteen__both_are_read_back)
{
    start("t");
    int a = 1;
    EVTRAIL(error, "t.none");
    EVTRAIL(error, "t.sixteen", a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a);
    EVTRAIL(error, "t.sixteen_strings", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
            "16");
    struct trail *t = finish();
    CHECK_EQ(only(t, "t.none")->words, 0);
    const struct trail_event *e = only(t, "t.sixteen");
    CHECK_EQ(e->words, 16);
    CHECK_EQ(e->type->fields_count, 16);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < i; j++)
            CHECK(strcmp(e->type->fields[i].name, e->type->fields[j].name) != 0);
    e = only(t, "t.sixteen_strings");
    uint32_t n = 0;
    CHECK(memcmp(trail_text(e, 15, &n), "16", 2) == 0);
    CHECK_EQ(n, 2);
}

RUN(emit__kinds_levels_units_names__are_in_the_schema)
{
    start("t");
    uint64_t span = evtrail_span_id(), took = 5, size = 7;
    unsigned flags = 0xf0;
    EVTRAIL_BEGIN(critical, "t.span", span, (uint64_t)0);
    EVTRAIL_END(critical, "t.span", span);
    EVTRAIL_COUNTER(error, "t.counter", size);
    EVTRAIL_STATE(warning, "t.entity", span, (uint64_t)0, "idle");
    EVTRAIL_NAME(info, "t.entity", span, "bob");
    EVTRAIL_GONE(debug, "t.entity", span);
    EVTRAIL_FLOW(trace, "t.flow", span);
    EVTRAIL(info, "t.units", EVTRAIL_NS(took), EVTRAIL_BYTES(size), EVTRAIL_HEX(flags), EVTRAIL_UNIT(took + 1, "m/s"),
            EVTRAIL_AS("other", size));
    struct trail *t = finish();
    static const struct {
        const char *name;
        uint8_t n, kind, level;
    } want[] = {{"t.span", 0, EVTRAIL_KIND_begin, 1},      {"t.span", 1, EVTRAIL_KIND_end, 1},
                {"t.counter", 0, EVTRAIL_KIND_counter, 2}, {"t.entity", 0, EVTRAIL_KIND_state, 3},
                {"t.entity", 1, EVTRAIL_KIND_name, 4},     {"t.entity", 2, EVTRAIL_KIND_gone, 5},
                {"t.flow", 0, EVTRAIL_KIND_flow, 6}};
    for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        const struct trail_event *e = trail_event(t, want[i].name, want[i].n);
        CHECK(e != NULL);
        CHECK_EQ(e->type->kind, want[i].kind);
        CHECK_EQ(e->type->level, want[i].level);
    }
    const struct trail_event *e = only(t, "t.units");
    CHECK(strcmp(e->type->fields[0].unit, "ns") == 0 && strcmp(e->type->fields[0].name, "took") == 0);
    CHECK(strcmp(e->type->fields[1].unit, "bytes") == 0);
    CHECK_EQ(e->type->fields[2].type, EVTRAIL_TYPE_x32);
    CHECK(strcmp(e->type->fields[3].unit, "m/s") == 0);
    CHECK(strcmp(e->type->fields[4].name, "other") == 0);
}

/* ---- sizes ---- */

static char large[2 << 20];

static void check_size(const char *name, size_t bytes)
{
    struct trail *t = finish();
    const struct trail_event *e = trail_event(t, name, trail_count(t, name) - 1);
    uint32_t n = 0;
    const char *text = trail_text(e, 0, &n);
    CHECK(text != NULL);
    CHECK_EQ(n, bytes);
    CHECK_EQ(e->meta & EVTRAIL_META_CUT, 0);
    CHECK(memcmp(text, large, n) == 0);
    CHECK_EQ(trail_word(e, 1), 77);
    trail_close(t);
}

RUN(emit__around_the_inline_size__every_length_is_whole)
{
    start("t");
    int after = 77;
    for (size_t bytes = 470; bytes < 530;
         bytes++) { /* 62 payload words are written inline, 63 take the extended form */
        EVTRAIL(info, "t.size", evtrail_bytes(large, bytes), after);
        check_size("t.size", bytes);
    }
}

RUN(emit__large_up_to_the_block__whole)
{
    start("t");
    int after = 77;
    CHECK(evtrail_set("block=64K") == 0);
    static const size_t sizes[] = {1000, 4096, 10000, 30000, 60000, 64000};
    for (unsigned i = 0; i < 6; i++) {
        EVTRAIL(info, "t.size", evtrail_bytes(large, sizes[i]), after);
        check_size("t.size", sizes[i]);
    }
}

RUN(emit__large_as_the_threads_first_event__whole)
{
    start("t");
    int after = 77;
    EVTRAIL(info, "t.size", evtrail_bytes(large, 50000), after);
    check_size("t.size", 50000);
}

RUN(emit__larger_than_a_block__cut_and_says_so)
{
    start("t");
    int before = 55, after = 77;
    for (int i = 0; i < 3; i++) {
        EVTRAIL(info, "t.cut", before, evtrail_bytes(large, 1000 << i), evtrail_bytes(large, sizeof(large)), after);
        EVTRAIL(info, "t.small", after);
    }
    struct trail *t = finish();
    CHECK_EQ(t->lost_all, 0);
    CHECK_EQ(trail_count(t, "t.small"), 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct trail_event *e = trail_event(t, "t.cut", i);
        uint32_t n = 0;
        CHECK(e->meta & EVTRAIL_META_CUT);
        CHECK_EQ(trail_word(e, 0), 55);
        CHECK_EQ(trail_word(e, 3), 77);
        CHECK(memcmp(trail_text(e, 1, &n), large, 1000 << i) == 0);
        CHECK_EQ(n, 1000 << i);
        const char *text = trail_text(e, 2, &n);
        CHECK(n > 50000 && n < 65536);
        CHECK(memcmp(text, large, n) == 0);
        CHECK_EQ((uintptr_t)trail_event(t, "t.small", i)->meta, 0);
    }
}

/* The thread's ring is large, the ring that it moves to at this very event is not: the event must be cut for the second. */
RUN(emit__large_while_the_ring_shrinks__cut_for_the_new_ring)
{
    start("t");
    int after = 77;
    CHECK(evtrail_set("block=1M") == 0 && evtrail_set("blocks=2") == 0);
    EVTRAIL(info, "t.size", evtrail_bytes(large, 500000), after);
    check_size("t.size", 500000);
    CHECK(evtrail_set("block=4K") == 0);
    alarm(5);
    EVTRAIL(info, "t.cut", evtrail_bytes(large, 500000), after);
    EVTRAIL(info, "t.small", after);
    struct trail *t = finish();
    CHECK_EQ(trail_count(t, "t.size"), 1);
    CHECK_EQ(trail_count(t, "t.cut") + t->lost_all, 1);
    CHECK_EQ(trail_count(t, "t.small"), 1);
    if (trail_count(t, "t.cut"))
        CHECK(trail_event(t, "t.cut", 0)->meta & EVTRAIL_META_CUT);
}

RUN(emit__lengths_that_overflow_32_bits_together__cut)
{
    start("t");
    volatile size_t most = SIZE_MAX; /* the compiler would warn */
    struct evtrail_memory m = {large, most};
    /* nothing of this size can be there: only the lengths matter, and what fits the block is there */
    EVTRAIL(info, "t.cut", m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m);
    struct trail *t = finish();
    CHECK(only(t, "t.cut")->meta & EVTRAIL_META_CUT);
    CHECK(only(t, "t.cut")->words > 7000);
}

/* ---- stamps ---- */

RUN(emit__callers_stamp__is_the_events)
{
    start("t");
    uint64_t now = evtrail_now();
    int x = 1;
    EVTRAIL_AT(now, info, "t.at", x);
    EVTRAIL_BEGIN_AT(now + 5, info, "t.begin", (uint64_t)1, (uint64_t)0);
    EVTRAIL(info, "t.now", x);
    uint64_t later = evtrail_now();
    struct trail *t = finish();
    CHECK_EQ(only(t, "t.at")->ticks, now);
    CHECK_EQ(only(t, "t.begin")->ticks, now + 5);
    CHECK(only(t, "t.now")->ticks >= now && only(t, "t.now")->ticks <= later);
}

RUN(emit__ticks_jump_further_than_the_header_holds__restated)
{
    start("t");
    const uint64_t now = evtrail_now(), half = UINT64_C(1) << 43;
    const uint64_t stamps[] = {now,
                               now + half - 1000000000,
                               now + half + 1000,
                               now + 40 * half,
                               now + 39 * half,
                               now,
                               now - half - 5,
                               5,
                               6,
                               UINT64_MAX - 5,
                               now};
    for (unsigned i = 0; i < sizeof(stamps) / 8; i++) {
        EVTRAIL_AT(stamps[i], info, "t.jump", i);
        EVTRAIL_AT(stamps[i], info, "t.jump", evtrail_bytes(large, 1000));
    }
    struct trail *t = finish();
    for (unsigned i = 0; i < sizeof(stamps) / 8; i++) {
        CHECK_EQ(trail_event(t, "t.jump", 2 * i)->ticks, stamps[i]);
        CHECK_EQ(trail_event(t, "t.jump", 2 * i + 1)->ticks, stamps[i]);
    }
}

RUN(emit__ticks_jump_at_every_event__blocks_hold_up)
{
    start("t");
    CHECK(evtrail_set("block=4K") == 0 && evtrail_set("blocks=2") == 0);
    const uint64_t now = evtrail_now();
    for (uint64_t i = 0; i < 3000; i++)
        EVTRAIL_AT(i & 1 ? now : now + (UINT64_C(1) << 50), info, "t.jump", i);
    struct trail *t = finish();
    CHECK_EQ(t->recorded, 3000);
    CHECK(t->events_count > 100);
    for (size_t i = 0; i < t->events_count; i++) {
        uint64_t n = t->events[i].payload[0];
        CHECK_EQ(t->events[i].ticks, n & 1 ? now : now + (UINT64_C(1) << 50));
    }
}

/* ---- labels and context ---- */

RUN(emit__labels__are_carried_until_cleared)
{
    start("t");
    char key[100], value[100];
    memset(key, 'k', 99);
    memset(value, 'v', 99);
    key[99] = value[99] = '\0';
    EVTRAIL(info, "t.zero");
    CHECK_EQ(evtrail_label("request", "r-1"), 0);
    EVTRAIL(info, "t.one");
    CHECK_EQ(evtrail_label("request", "r-2"), 0);
    CHECK_EQ(evtrail_label(key, value), 0);
    CHECK_EQ(evtrail_label("c", ""), 0);
    CHECK_EQ(evtrail_label("d", "4"), 0);
    CHECK(evtrail_label("e", "5") == -ENOSPC);
    CHECK(evtrail_label(NULL, "5") == -EINVAL);
    CHECK(evtrail_label("", "5") == -EINVAL);
    EVTRAIL(info, "t.four");
    CHECK_EQ(evtrail_label("request", NULL), 0);
    EVTRAIL(info, "t.cleared");
    CHECK_EQ(evtrail_label("e", "5"), 0);
    EVTRAIL(info, "t.five");
    for (int i = 0; i < 100000; i++) /* over many blocks */
        EVTRAIL(info, "t.fill", i);
    EVTRAIL(info, "t.last");
    struct trail *t = finish();
    CHECK_EQ(t->lost_all, 0);
    const struct trail_labels *l = trail_event(t, "t.last", 0)->labels;
    CHECK(l != NULL);
    unsigned found = 0;
    for (int i = 0; i < EVTRAIL_LABELS_MAX; i++) {
        found += strcmp(l->key[i], "e") == 0 && strcmp(l->value[i], "5") == 0;
        found += strcmp(l->key[i], "c") == 0 && l->value[i][0] == '\0';
        found += strcmp(l->key[i], "d") == 0 && strcmp(l->value[i], "4") == 0;
        found += strlen(l->key[i]) == 64 && l->key[i][63] == 'k' && strlen(l->value[i]) == 64;
    }
    CHECK_EQ(found, 4);
    CHECK(trail_event(t, "t.fill", 0)->labels != NULL);
    CHECK(strcmp(trail_event(t, "t.fill", 0)->labels->key[0], l->key[0]) == 0);
}

RUN(emit__context_switched_on__cpu_caller_stack_and_modules)
{
    start("t+cpu+caller+stack");
    cpu_set_t one;
    int cpu = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    EVTRAIL(info, "t.context", cpu);
    EVTRAIL_AT(evtrail_now() + (UINT64_C(1) << 50), info, "t.jump", cpu); /* context and a new time base at once */
    struct trail *t = finish();
    const struct trail_event *e = only(t, "t.context");
    CHECK_EQ(e->meta, EVTRAIL_META_CPU | EVTRAIL_META_CALLER | EVTRAIL_META_STACK);
    CHECK_EQ(e->cpu, cpu);
    CHECK(e->stack_count >= 3 && e->stack_count <= EVTRAIL_STACK_MAX);
    CHECK_EQ(e->stack[0], e->caller);
    uint64_t here = (uint64_t)(uintptr_t)emit__context_switched_on__cpu_caller_stack_and_modules_in_child;
    CHECK(e->caller - here < 4096);
    struct evtrail_source source = {0};
    evtrail_schema_show(&t->schema, &source);
    bool found = false;
    for (uint32_t i = 0; i < source.modules_count; i++)
        found |= e->caller >= source.modules[i].start && e->caller < source.modules[i].end;
    CHECK(found);
    CHECK_EQ(only(t, "t.jump")->meta, EVTRAIL_META_CPU | EVTRAIL_META_CALLER | EVTRAIL_META_STACK);
}

/* ---- on and off ---- */

static int evaluated;
static int count_me(void)
{
    return ++evaluated;
}

RUN(emit__off__arguments_are_not_evaluated)
{
    for (int i = 0; i < 10; i++)
        EVTRAIL(debug, "t.off", count_me());
    CHECK_EQ(evaluated, 0);
    start("t:info"); /* not debug */
    EVTRAIL(debug, "t.off", count_me());
    EVTRAIL(info, "t.on", count_me());
    CHECK_EQ(evaluated, 1);
    start("-t.on");
    EVTRAIL(info, "t.on", count_me());
    CHECK_EQ(evaluated, 1);
    start("t.on");
    EVTRAIL(info, "t.on", count_me());
    CHECK_EQ(evaluated, 2);
}

RUN(emit__errno__is_kept)
{
    start("t+cpu+caller+stack");
    CHECK(evtrail_set("block=4K") == 0 && evtrail_set("blocks=2") == 0);
    errno = 4711;
    for (int i = 0; i < 2000; i++) {
        EVTRAIL(info, "t.errno", i);
        EVTRAIL(info, "t.errno", evtrail_bytes(large, 100000));
        CHECK_EQ(errno, 4711);
    }
    CHECK(evtrail_label("a", "b") == 0);
    (void)evtrail_span_id();
    CHECK_EQ(errno, 4711);
}

/* ---- types ---- */

RUN(emit__same_type_from_two_places__one_id)
{
    start("t");
    int port = 1;
    EVTRAIL(info, "t.same", port);
    EVTRAIL(info, "t.same", port);
    emit_same_type(3);
    EVTRAIL(debug, "t.same", port); /* another level: another type */
    unsigned short narrow = 2;
    EVTRAIL(info, "t.same", narrow); /* other fields too */
    struct trail *t = finish();
    CHECK_EQ(trail_count(t, "t.same"), 5);
    CHECK_EQ(trail_event(t, "t.same", 0)->id, trail_event(t, "t.same", 1)->id);
    CHECK_EQ(trail_event(t, "t.same", 0)->id, trail_event(t, "t.same", 2)->id);
    CHECK(trail_event(t, "t.same", 0)->id != trail_event(t, "t.same", 3)->id);
    CHECK(trail_event(t, "t.same", 0)->id != trail_event(t, "t.same", 4)->id);
}

#ifdef HAVE_CXX
RUN(emit__from_cxx__types_and_values)
{
    start("cxx");
    emit_cxx();
    struct trail *t = finish();
    const struct trail_event *e = only(t, "cxx.event");
    uint32_t n = 0;
    CHECK_EQ(e->type->fields[0].type, EVTRAIL_TYPE_bool);
    CHECK_EQ(e->type->fields[1].type, EVTRAIL_TYPE_i32);
    CHECK_EQ(trail_word(e, 1), (uint64_t)-7);
    CHECK(memcmp(trail_text(e, 2, &n), "text", 4) == 0);
    CHECK_EQ(e->type->fields[3].type, EVTRAIL_TYPE_f64);
    CHECK_EQ(e->type->fields[4].type, EVTRAIL_TYPE_pointer);
    CHECK_EQ(trail_count(t, "cxx.template"), 4); /* each instance is registered at its first pass, and loses nothing */
    emit_cxx2();
    emit_cxx();
    t = finish();
    CHECK_EQ(trail_count(t, "cxx.template"), 9);
    CHECK_EQ(trail_count(t, "cxx.inline"), 3);
    CHECK_EQ(trail_event(t, "cxx.inline", 0)->id, trail_event(t, "cxx.inline", 1)->id);
}

static void *pass_new(void *barrier)
{
    pthread_barrier_wait(barrier);
    for (int i = 0; i < 1000; i++)
        emit_cxx_new();
    return NULL;
}

/* Also those of templates and inline functions, and those that are never passed. */
RUN(emit__from_cxx_not_yet_passed__in_the_schema)
{
    start("nothing");
    struct trail *t = finish();
    unsigned found = 0;
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < t->schema.types_count; id++) {
        const struct evtrail_event_type *type = t->schema.types[id];
        if (type && strncmp(type->name, "cxx.", 4) == 0)
            found++;
    }
    CHECK_EQ(found, 4 + 3 + 1); /* cxx.template for four types; cxx.event, cxx.inline, cxx.new; cxx.never */
    CHECK_EQ(t->recorded, 0);
}

RUN(emit__from_cxx_first_passed_by_many_threads__registered_once)
{
    start("cxx");
    pthread_t threads[8];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 8);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, pass_new, &barrier) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    struct trail *t = finish();
    CHECK_EQ(t->lost_all, 0); /* those that came while it was registered found it off */
    const size_t before = trail_count(t, "cxx.new");
    emit_cxx_new();
    trail_read(t);
    CHECK_SOUND(t);
    CHECK_EQ(trail_count(t, "cxx.new"), before + 1);
    for (size_t i = 0; i < t->events_count; i++)
        CHECK(strcmp(t->events[i].name, "cxx.new") == 0);
}
#endif

RUN(emit__catalogue__typed_functions)
{
    start("cat");
    struct evtrail_memory key = evtrail_bytes("\1\2\3", 3);
    cat_conn_open("host", 443, 12345);
    cat_conn_open_at(evtrail_now(), NULL, 80, 0);
    cat_nothing();
    cat_all(1, -8, -16, -32, -64, 8, 16, 32, 64, 0x8, 0x16, 0x32, 0x64, 1.5f, 2.5, &key);
    cat_more("s", key, 1);
    CHECK(cat_conn_open_on());
    CHECK(!cat_quiet_on() || 1);
    struct trail *t = finish();
    CHECK_EQ(trail_count(t, "cat.conn.open"), 2);
    const struct trail_event *e = trail_event(t, "cat.conn.open", 0);
    CHECK(strcmp(e->type->doc, "A connection was opened.") == 0);
    CHECK_EQ(e->type->fields[1].type, EVTRAIL_TYPE_u16);
    CHECK(strcmp(e->type->fields[2].unit, "ns") == 0);
    CHECK(strcmp(e->type->fields[2].doc, "connect time") == 0);
    CHECK_EQ(trail_word(e, 2), 12345);
    CHECK_EQ(only(t, "cat.nothing")->words, 0);
    e = only(t, "cat.all");
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(e->type->fields[i].type, EVTRAIL_TYPE_bool + i);
    CHECK_EQ(trail_word(e, 4), (uint64_t)-64);
    CHECK_EQ(trail_word(e, 12), 0x64);
    e = only(t, "cat.more");
    CHECK_EQ(e->type->fields[2].type, EVTRAIL_TYPE_enum);
    CHECK(strcmp(e->type->fields[2].enums, "0=idle,1=open") == 0);
}

RUN(emit__registered_at_run_time__one_type_and_its_fields)
{
    char name[] = "run.time";
    struct evtrail_field_desc fields[] = {{.type = EVTRAIL_TYPE_u64, .name = "value", .unit = "ns"},
                                          {.type = EVTRAIL_TYPE_string, .name = "text", .doc = "a text"}};
    struct evtrail_event_desc desc = {
        .bytes = sizeof(desc), .name = name, .doc = "made here", .level = 4, .fields_count = 2, .fields = fields};
    const struct evtrail_point *point, *again, *none = NULL;
    CHECK(evtrail_register(&desc, &point) == 0);
    CHECK(evtrail_register(&desc, &again) == 0);
    CHECK(!evtrail_enabled(point));
    start("run");
    CHECK(evtrail_enabled(point) && evtrail_enabled(again));
    memset(name, 'x', sizeof(name) - 1); /* desc is copied */
    memset(fields, 0, sizeof(fields));
    struct evtrail_arg args[] = {{42, NULL}, {5, "hello"}};
    evtrail_emit(point, 0, args, 2);
    evtrail_emit(again, evtrail_now(), args, 2);
    evtrail_emit(point, 0, args, 1); /* not the type's count: nothing */
    args[1] = (struct evtrail_arg){EVTRAIL_NULL, NULL};
    evtrail_emit(point, 0, args, 2);
    args[1] = (struct evtrail_arg){sizeof(large), large};
    evtrail_emit(point, 0, args, 2);
    struct trail *t = finish();
    CHECK_EQ(trail_count(t, "run.time"), 4);
    CHECK_EQ(trail_event(t, "run.time", 0)->id, trail_event(t, "run.time", 1)->id);
    CHECK(memcmp(trail_text(trail_event(t, "run.time", 1), 1, NULL), "hello", 5) == 0);
    CHECK(trail_text(trail_event(t, "run.time", 2), 1, NULL) == NULL);
    CHECK(trail_event(t, "run.time", 3)->meta & EVTRAIL_META_CUT);
    CHECK(evtrail_register(NULL, &none) == -EINVAL);
    desc.name = "";
    CHECK(evtrail_register(&desc, &none) == -EINVAL);
    desc.name = NULL;
    CHECK(evtrail_register(&desc, &none) == -EINVAL);
    desc.name = "run.bad";
    desc.level = 9;
    CHECK(evtrail_register(&desc, &none) == -EINVAL);
    desc.level = 4;
    desc.fields_count = 33;
    CHECK(evtrail_register(&desc, &none) == -EINVAL);
    desc.fields_count = 2; /* their type is 0 now */
    CHECK(evtrail_register(&desc, &none) == -EINVAL);
    CHECK(none == NULL);
}

RUN(emit__registering_the_same_type_for_ever__no_more_memory)
{
    struct evtrail_event_desc desc = {.bytes = sizeof(desc), .name = "run.again", .level = 4};
    const struct evtrail_point *first, *point;
    CHECK(evtrail_register(&desc, &first) == 0);
    for (int i = 0; i < 50000; i++)
        CHECK(evtrail_register(&desc, &point) == 0);
    CHECK(point == first);
}

/* ---- threads ---- */

static void *name_and_emit(void *unused)
{
    pthread_setname_np(pthread_self(), "worker");
    EVTRAIL(info, "t.worker");
    return NULL;
}

RUN(emit__threads_one_after_the_other__one_ring_and_each_ones_name)
{
    start("t");
    EVTRAIL(info, "t.main");
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, name_and_emit, NULL) == 0);
        pthread_join(thread, NULL);
    }
    struct trail *t = finish();
    CHECK_EQ(t->rings_count, 2);
    CHECK_EQ(trail_count(t, "t.worker"), 20);
    for (unsigned i = 0; i < 20; i++) {
        CHECK(strcmp(trail_event(t, "t.worker", i)->thread, "worker") == 0);
        CHECK(trail_event(t, "t.worker", i)->tid != (uint32_t)getpid());
    }
}

static void *emit_one(void *barrier)
{
    pthread_barrier_wait(barrier);
    EVTRAIL(info, "t.worker");
    pthread_barrier_wait(barrier);
    return NULL;
}

/* Rings are counted when they are claimed at the same time: one that is not would never be used again. */
RUN(emit__many_threads_start_at_once_again_and_again__rings_are_reused)
{
    enum { THREADS = 16, ROUNDS = 150 };
    start("t");
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, emit_one, &barrier) == 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    struct trail *t = finish();
    CHECK_EQ(t->recorded + t->lost_all, THREADS * ROUNDS);
    CHECK_EQ(t->lost_all, 0);
    CHECK(t->rings_count <= 2 * THREADS);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (char)(i * 31 + i / 7);
    child_main(argc, argv, NULL, 0);
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emit__every_scalar_type__type_and_value_are_read_back),
        cmocka_unit_test(emit__strings_and_bytes__copied_with_their_length_null_is_a_value),
        cmocka_unit_test(emit__no_fields_and_sixteen__both_are_read_back),
        cmocka_unit_test(emit__kinds_levels_units_names__are_in_the_schema),
        cmocka_unit_test(emit__around_the_inline_size__every_length_is_whole),
        cmocka_unit_test(emit__large_up_to_the_block__whole),
        cmocka_unit_test(emit__large_as_the_threads_first_event__whole),
        cmocka_unit_test(emit__larger_than_a_block__cut_and_says_so),
        cmocka_unit_test(emit__large_while_the_ring_shrinks__cut_for_the_new_ring),
        cmocka_unit_test(emit__lengths_that_overflow_32_bits_together__cut),
        cmocka_unit_test(emit__callers_stamp__is_the_events),
        cmocka_unit_test(emit__ticks_jump_further_than_the_header_holds__restated),
        cmocka_unit_test(emit__ticks_jump_at_every_event__blocks_hold_up),
        cmocka_unit_test(emit__labels__are_carried_until_cleared),
        cmocka_unit_test(emit__context_switched_on__cpu_caller_stack_and_modules),
        cmocka_unit_test(emit__off__arguments_are_not_evaluated),
        cmocka_unit_test(emit__errno__is_kept),
        cmocka_unit_test(emit__same_type_from_two_places__one_id),
#ifdef HAVE_CXX
        cmocka_unit_test(emit__from_cxx__types_and_values),
        cmocka_unit_test(emit__from_cxx_not_yet_passed__in_the_schema),
        cmocka_unit_test(emit__from_cxx_first_passed_by_many_threads__registered_once),
#endif
        cmocka_unit_test(emit__catalogue__typed_functions),
        cmocka_unit_test(emit__registered_at_run_time__one_type_and_its_fields),
        cmocka_unit_test(emit__registering_the_same_type_for_ever__no_more_memory),
        cmocka_unit_test(emit__threads_one_after_the_other__one_ring_and_each_ones_name),
        cmocka_unit_test(emit__many_threads_start_at_once_again_and_again__rings_are_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
