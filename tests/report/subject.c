/* SPDX-License-Identifier: ISC
 *
 * A traced program for the tests of reports: threads with nested and overlapping spans, counters at the ends of their ranges,
 * entities with parents, errors, and names that would like to break out of a page. Usage: subject [EVENTS [THREADS]]
 */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    EVTRAIL(warning, "r.bytes", EVTRAIL_AS(data, evtrail_bytes(bytes, 6)), EVTRAIL_AS(torn, "\xff\xfe\xc3"),
            EVTRAIL_AS(formula, "=1+1"));
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

int main(int argc, char **argv)
{
    pthread_t threads[32];
    const long events = argc > 1 ? atol(argv[1]) : 20000, count = argc > 2 ? atol(argv[2]) : 3;
    if (events <= 0 || count <= 0 || count > 32)
        return 2;
    rounds = events / 10 / count + 1;
    name_entities();
    hostile();
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0)
            return 1;
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    EVTRAIL_GONE(info, "r.conn", 6);
    return 0;
}
