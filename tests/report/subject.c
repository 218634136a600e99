/* SPDX-License-Identifier: ISC
 *
 * A traced program for the tests of reports: threads with nested and overlapping spans, counters at the ends of their ranges,
 * entities with parents, errors, and names that would like to break out of a page. Usage: subject [EVENTS [THREADS [wide|steady]]]
 * `wide` adds hundreds of names with random contents, which nothing can compress; `steady` goes on, a round every ms, until SIGTERM.
 */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <evtrail/evtrail.h>

#define EVIL "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>"

static long rounds;

static void name_entities(void)
{
    EVTRAIL_STATE(info, "r.host", 1, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, "serving"));
    EVTRAIL_NAME(info, "r.host", 1, EVTRAIL_AS(label, "example.org:443"));
    for (uint64_t i = 1; i <= 6; i++) {
        char label[32];
        snprintf(label, sizeof label, "10.0.0.%d:443", (int)i);
        EVTRAIL_STATE(info, "r.conn", i, EVTRAIL_AS(parent, 1), EVTRAIL_AS(state, "idle"));
        EVTRAIL_NAME(info, "r.conn", i, label);
    }
}

static void hostile(void)
{
    static const char bytes[] = "\x00\x01\xff<b>";
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    EVTRAIL(error, "r." EVIL, EVTRAIL_AS(text, EVIL),
            EVTRAIL_AS(bidi, "abc\xe2\x80\xae"
                             "fdp.exe"),
            EVTRAIL_AS(control, "\033[31m\a\n\t\x7f"));
    evtrail_label("request", "<b>42");
    EVTRAIL(warning, "r.bytes", EVTRAIL_AS(data, evtrail_bytes(bytes, 6)), EVTRAIL_AS(torn, "\xff\xfe\xc3"),
            EVTRAIL_AS(formula, "=1+1"));
    evtrail_label("request", NULL);
    EVTRAIL(info, "r.__proto__", EVTRAIL_AS(constructor, "toString"), EVTRAIL_AS(none, (const char *)NULL), longer);
    EVTRAIL(info, "r.numbers", EVTRAIL_AS(most, UINT64_MAX), EVTRAIL_AS(least, INT64_MIN), EVTRAIL_AS(half, 0.5),
            EVTRAIL_AS(nan, (double)NAN), EVTRAIL_HEX(0xdeadbeefu), EVTRAIL_AS(minus, -1));
    EVTRAIL_COUNTER(info, "r.counter." EVIL, EVTRAIL_UNIT(UINT64_MAX, "</svg>"));
    EVTRAIL_COUNTER(info, "r.ratio", EVTRAIL_AS(value, -0.25));
    EVTRAIL_COUNTER(info, "r.ratio", EVTRAIL_AS(value, (double)INFINITY));
    EVTRAIL_COUNTER(info, "r.ratio", EVTRAIL_AS(value, 3.5));
    EVTRAIL_STATE(info, "r.evil", 7, EVTRAIL_AS(parent, 0), EVTRAIL_AS(state, EVIL));
    EVTRAIL_NAME(info, "r.evil", 7, EVTRAIL_AS(label, EVIL));
    EVTRAIL_BEGIN(info, "r.span." EVIL, 99, 0);
    EVTRAIL_END(info, "r.span." EVIL, 99, EVTRAIL_AS(text, EVIL));
    EVTRAIL_END(info, "r.span.unmatched", 12345);
    EVTRAIL_BEGIN(info, "r.span.open", 98, 0);
}

/* 10 events, and some now and then. */
static void round_make(uint64_t i, unsigned *seed)
{
    const uint64_t outer = evtrail_span_id(), inner = evtrail_span_id(), conn = i % 6 + 1;
    const unsigned work = (unsigned)rand_r(seed) % 100 == 0 ? 3000 : (unsigned)rand_r(seed) % 60;
    EVTRAIL_BEGIN(info, "r.request", outer, 0, EVTRAIL_AS(number, i));
    EVTRAIL_STATE(debug, "r.conn", conn, EVTRAIL_AS(parent, 1), EVTRAIL_AS(state, "busy"));
    EVTRAIL_BEGIN(debug, "r.query", inner, outer, EVTRAIL_AS(text, i % 3 ? "select" : "insert"));
    EVTRAIL_COUNTER(debug, "r.queue", EVTRAIL_AS(depth, (uint32_t)(i % 97)));
    for (volatile unsigned k = 0; k < work; k++)
        continue;
    EVTRAIL(debug, "r.row", EVTRAIL_NS(work * UINT64_C(17)), EVTRAIL_BYTES(i * 3), EVTRAIL_AS(ok, i % 2 == 0));
    EVTRAIL(trace, "r.detail", EVTRAIL_AS(key, "k"), EVTRAIL_AS(value, (int)i - 50));
    EVTRAIL_END(debug, "r.query", inner, EVTRAIL_AS(rows, work));
    EVTRAIL_STATE(debug, "r.conn", conn, EVTRAIL_AS(parent, 1), EVTRAIL_AS(state, i % 9 ? "idle" : "waiting"));
    EVTRAIL_COUNTER(debug, "r.memory", EVTRAIL_BYTES(INT64_C(1000000) + (int64_t)(i % 1000) * 1024));
    EVTRAIL_END(info, "r.request", outer, EVTRAIL_AS(status, i % 50 ? 200 : 500));
    if (i % 64 == 0)
        EVTRAIL_FLOW(info, "r.handoff", i % 1000000);
    if (i % 500 == 499)
        EVTRAIL(error, "r.failed", EVTRAIL_AS(number, i), EVTRAIL_AS(why, "the peer \"closed\"\n"));
}

static void *work(void *argument)
{
    const uint64_t number = (uint64_t)(uintptr_t)argument;
    unsigned seed = (unsigned)number;
    char name[16];
    snprintf(name, sizeof name, number == 1 ? "<b>&worker-%u" : "worker-%u", (unsigned)number);
    pthread_setname_np(pthread_self(), name);
    for (long i = 0; i < rounds; i++)
        round_make(number * 1000000 + (uint64_t)i, &seed);
    return NULL;
}

/* ---- what no page has room for --------------------------------------------------------------------------------------- */

enum { KINDS = 3, WIDE_NAMES = 400, WIDE_ROUNDS = 200 };

static const struct evtrail_point *wide_point(unsigned kind, unsigned number)
{
    static const struct evtrail_field_desc fields[KINDS][2] = {
        {{EVTRAIL_TYPE_string, "text", "", "", NULL}, {EVTRAIL_TYPE_u64, "number", "", "", NULL}},
        {{EVTRAIL_TYPE_f64, "value", "", "", NULL}, {EVTRAIL_TYPE_x64, "mask", "", "", NULL}},
        {{EVTRAIL_TYPE_u64, "span", "", "", NULL}, {EVTRAIL_TYPE_u64, "parent", "", "", NULL}},
    };
    static const uint8_t kinds[KINDS] = {EVTRAIL_KIND_instant, EVTRAIL_KIND_counter, EVTRAIL_KIND_begin};
    const struct evtrail_point *point = NULL;
    char name[64];
    const bool end = kind == KINDS; /* of the span before it */
    snprintf(name, sizeof name, "w.%u.%u", end ? kind - 1 : kind, number);
    const struct evtrail_event_desc desc = {.bytes = sizeof desc,
                                            .name = name,
                                            .level = EVTRAIL_LEVEL_info,
                                            .kind = end ? EVTRAIL_KIND_end : kinds[kind],
                                            .fields_count = end ? 1 : 2,
                                            .fields = fields[end ? kind - 1 : kind]};
    evtrail_register(&desc, &point);
    return point;
}

static uint64_t random_word(void)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state ^ state >> 33;
}

static void wide_emit(const struct evtrail_point *const points[4], uint64_t ticks)
{
    uint64_t text[12];
    const double value = (double)random_word() / 1e9;
    uint64_t bits;
    for (unsigned i = 0; i < 12; i++)
        text[i] = random_word() | UINT64_C(0x4040404040404040);
    memcpy(&bits, &value, sizeof bits);
    const uint64_t span = evtrail_span_id();
    const struct evtrail_arg instant[] = {{sizeof text, text}, {random_word(), NULL}},
                             counter[] = {{bits, NULL}, {random_word(), NULL}};
    const struct evtrail_arg begin[] = {{span, NULL}, {random_word(), NULL}}, end[] = {{span, NULL}};
    evtrail_emit(points[0], ticks, instant, 2);
    evtrail_emit(points[1], ticks, counter, 2);
    evtrail_emit(points[2], ticks, begin, 2);
    evtrail_emit(points[3], ticks + (random_word() >> (random_word() % 30 + 34)), end, 1);
}

static void wide(void)
{
    static const struct evtrail_point *points[WIDE_NAMES][4];
    for (unsigned i = 0; i < WIDE_NAMES; i++)
        for (unsigned kind = 0; kind < 4; kind++)
            if (!(points[i][kind] = wide_point(kind, i)))
                exit(3);
    for (unsigned round = 0; round < WIDE_ROUNDS; round++)
        for (unsigned i = 0; i < WIDE_NAMES; i++)
            wide_emit(points[i], evtrail_now());
}

/* ---- what is watched while it runs ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void steady(void)
{
    unsigned seed = 1;
    for (uint64_t i = 0; !stopped; i++) {
        round_make(UINT64_C(1000000000) + i, &seed);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[32];
    const long events = argc > 1 ? atol(argv[1]) : 20000, count = argc > 2 ? atol(argv[2]) : 3;
    if (events <= 0 || count <= 0 || count > 32)
        return 2;
    signal(SIGTERM, stop);
    rounds = events / 10 / count + 1;
    name_entities();
    hostile();
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0)
            return 1;
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (argc > 3 && strcmp(argv[3], "wide") == 0)
        wide();
    if (argc > 3 && strcmp(argv[3], "steady") == 0)
        steady();
    EVTRAIL_GONE(info, "r.conn", 6);
    return 0;
}
