/* SPDX-License-Identifier: ISC
 *
 * Records to events: context, loss, values, spans, times.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "reader/decode.h"
#include "reader/schema.h"
#include "reader/span.h"

static struct evtrail_schema schema;
static struct evtrail_source source;

static void add(uint32_t id, uint8_t kind, const char *name, const struct evtrail_field *fields, uint16_t count)
{
    uint8_t bytes[4096];
    struct evtrail_event_type type = {id, 1, 4, kind, count, name, "", "", "", fields};
    size_t size = evtrail_schema_put_type(&type, bytes, sizeof(bytes));
    assert_int_equal(evtrail_schema_append(&schema, bytes, size, NULL), 1);
}

static int set_up(void **state)
{
    static const struct evtrail_field ids[] = {
        {"id", "", "", "", EVTRAIL_TYPE_u64, 0},
        {"parent", "", "", "", EVTRAIL_TYPE_u64, 0},
    };
    static const struct evtrail_field mixed[] = {
        {"i", "", "", "", EVTRAIL_TYPE_i8, 0},      {"host", "", "", "", EVTRAIL_TYPE_string, 0},
        {"port", "", "", "", EVTRAIL_TYPE_u16, 0},  {"none", "", "", "", EVTRAIL_TYPE_string, 0},
        {"raw", "", "", "", EVTRAIL_TYPE_bytes, 0}, {"f", "", "", "", EVTRAIL_TYPE_f64, 0},
    };
    evtrail_schema_init(&schema);
    add(16, EVTRAIL_KIND_instant, "mixed", mixed, 6);
    add(17, EVTRAIL_KIND_begin, "span", ids, 2);
    add(18, EVTRAIL_KIND_end, "span", ids, 1);
    source = (struct evtrail_source){.start_realtime_ns = 500};
    source.clock.kind = EVTRAIL_CLOCK_MONOTONIC;
    source.clock.first.ticks = 1000;
    source.clock.first.realtime_ns = 1000000;
    evtrail_schema_show(&schema, &source);
    return 0;
}

static int tear_down(void **state)
{
    evtrail_schema_fini(&schema);
    return 0;
}

static uint64_t header(uint64_t ticks, unsigned id, unsigned size)
{
    return ticks << 20 | (uint64_t)id << 6 | size;
}

static uint64_t word_of(const char *text)
{
    uint64_t word = 0;
    memcpy(&word, text, strlen(text));
    return word;
}

static struct evtrail_chunk a_chunk(const uint64_t *words, size_t count, uint64_t events)
{
    struct evtrail_chunk chunk = {.source = &source, .ring = 3, .words = words, .words_count = count, .events = events};
    chunk.first_ticks = 2000;
    chunk.state.reference_ticks = 2000;
    chunk.state.tid = 77;
    strcpy(chunk.state.thread_name, "first");
    return chunk;
}

static void decode__records_about_records__attached_to_the_event(void **state)
{
    const uint64_t words[] = {
        header(2000, EVTRAIL_RECORD_LABEL, 5),
        1,
        3,
        word_of("req"),
        2,
        word_of("42"),
        header(2000, EVTRAIL_RECORD_META, 6),
        EVTRAIL_META_CPU | EVTRAIL_META_CALLER | EVTRAIL_META_STACK | EVTRAIL_META_CUT,
        5,
        0x4444,
        2,
        0xa,
        0xb,
        header(2100, 17, 2),
        9,
        8,
        header(2200, EVTRAIL_RECORD_THREAD, 3),
        88,
        word_of("second"),
        0,
        header(2300, 18, 1),
        9,
        header(2300, EVTRAIL_RECORD_LABEL, 4),
        1,
        3,
        word_of("req"),
        EVTRAIL_NULL,
        header(2300, 5000, 0),
    };
    struct evtrail_chunk chunk = a_chunk(words, sizeof(words) / 8, 3);
    struct evtrail_decoder decoder;
    evtrail_decoder_init(&decoder);
    evtrail_decoder_begin(&decoder, &chunk);
    const struct evtrail_event *event = &decoder.event;
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(event->what, EVTRAIL_EVENT);
    assert_int_equal(event->time, 1000000 + 1100);
    assert_int_equal(event->tid, 77);
    assert_int_equal(event->ring, 3);
    assert_string_equal(event->thread_name, "first");
    assert_string_equal(event->type->name, "span");
    assert_int_equal(event->meta, 15);
    assert_int_equal(event->cpu, 5);
    assert_int_equal(event->caller, 0x4444);
    assert_int_equal(event->stack_count, 2);
    assert_int_equal(event->stack[1], 0xb);
    assert_string_equal(event->labels[1].key, "req");
    assert_string_equal(event->labels[1].value, "42");
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(event->tid, 88);
    assert_string_equal(event->thread_name, "second");
    assert_int_equal(event->meta, 0);
    assert_int_equal(event->stack_count, 0);
    assert_string_equal(event->labels[1].key, "req");
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_null(event->type);
    assert_int_equal(event->id, 5000);
    assert_string_equal(event->labels[1].key, "");
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
    assert_int_equal(decoder.events, 3);
}

static void decode__lost_records__difference_by_cause_in_place(void **state)
{
    uint64_t words[32] = {header(2100, 17, 2), 1, 0, header(2200, EVTRAIL_RECORD_LOST, 10)};
    words[4 + EVTRAIL_LOST_FULL] = 12;
    words[4 + EVTRAIL_LOST_SHED + 4] = 3;
    words[14] = header(2300, 18, 1);
    struct evtrail_chunk chunk = a_chunk(words, 16, 2);
    chunk.lost_before[EVTRAIL_LOST_FULL] = 10;
    chunk.missed = 5;
    struct evtrail_decoder decoder;
    evtrail_decoder_init(&decoder);
    evtrail_decoder_begin(&decoder, &chunk);
    const struct evtrail_event *event = &decoder.event;
    const struct {
        uint32_t what, cause;
        uint64_t lost;
        int64_t since, time;
    } wanted[] = {
        {EVTRAIL_EVENT_LOST, EVTRAIL_LOST_FULL, 10, 500, 1001000},
        {EVTRAIL_EVENT_LOST, EVTRAIL_CAUSE_overwritten, 5, 500, 1001000},
        {EVTRAIL_EVENT, 0, 0, 0, 1001100},
        {EVTRAIL_EVENT_LOST, EVTRAIL_LOST_FULL, 2, 1001100, 1001200},
        {EVTRAIL_EVENT_LOST, EVTRAIL_LOST_SHED + 4, 3, 1001100, 1001200},
        {EVTRAIL_EVENT, 0, 0, 0, 1001300},
    };
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(evtrail_decoder_next(&decoder), 1);
        assert_int_equal(event->what, wanted[i].what);
        assert_int_equal(event->time, wanted[i].time);
        if (event->what != EVTRAIL_EVENT_LOST)
            continue;
        assert_int_equal(event->cause, wanted[i].cause);
        assert_int_equal(event->lost, wanted[i].lost);
        assert_int_equal(event->lost_since, wanted[i].since);
        assert_null(event->type);
    }
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
    assert_int_equal(decoder.lost[EVTRAIL_LOST_FULL], 12);
    assert_string_equal(evtrail_cause_name(EVTRAIL_LOST_SHED + 4), "shed-debug");
    assert_string_equal(evtrail_cause_name(EVTRAIL_CAUSE_torn), "torn");
}

static void decode__malformed_record__fault_then_the_rest_is_torn(void **state)
{
    const uint64_t words[] = {header(2100, 18, 1), 1, header(2200, 18, 9), 1};
    struct evtrail_chunk chunk = a_chunk(words, 4, 10);
    struct evtrail_decoder decoder;
    evtrail_decoder_init(&decoder);
    evtrail_decoder_begin(&decoder, &chunk);
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(evtrail_decoder_next(&decoder), -EBADMSG);
    assert_non_null(decoder.walk.fault);
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(decoder.event.what, EVTRAIL_EVENT_LOST);
    assert_int_equal(decoder.event.cause, EVTRAIL_CAUSE_torn);
    assert_int_equal(decoder.event.lost, 9);
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
}

/* A thread that was quiet for hours states its clock when the event's context is there already. */
static void decode__time_between_context_and_event__both_count(void **state)
{
    const uint64_t words[] = {header(2100, EVTRAIL_RECORD_META, 2),
                              EVTRAIL_META_CPU,
                              3,
                              header(9000, EVTRAIL_RECORD_TIME, 1),
                              9000,
                              header(9100, 18, 1),
                              1};
    struct evtrail_chunk chunk = a_chunk(words, 7, 1);
    struct evtrail_decoder decoder;
    (void)state;
    evtrail_decoder_init(&decoder);
    evtrail_decoder_begin(&decoder, &chunk);
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(decoder.event.id, 18);
    assert_int_equal(decoder.event.ticks, 9100);
    assert_int_equal(decoder.event.meta, EVTRAIL_META_CPU);
    assert_int_equal(decoder.event.cpu, 3);
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
}

static void decode__skipped_types__passed_over_and_counted(void **state)
{
    const uint64_t words[] = {
        header(2100, 17, 2), 1, 0, header(2100, EVTRAIL_RECORD_META, 2), EVTRAIL_META_CPU, 3, header(2150, 17, 2), 1, 0,
        header(2200, 18, 1), 1};
    const uint8_t skip[18] = {[17] = 1};
    struct evtrail_chunk chunk = a_chunk(words, 11, 3);
    struct evtrail_decoder decoder;
    evtrail_decoder_init(&decoder);
    decoder.skip = skip;
    decoder.skip_count = 18;
    evtrail_decoder_begin(&decoder, &chunk);
    assert_int_equal(evtrail_decoder_next(&decoder), 1);
    assert_int_equal(decoder.event.id, 18);
    assert_int_equal(decoder.event.meta, 0);
    assert_int_equal(evtrail_decoder_next(&decoder), 0);
    assert_int_equal(decoder.events, 3);
}

static void decode__random_words__survived(void **state)
{
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        size_t count = (size_t)rand() % 40;
        uint64_t *words = malloc(count * 8 + 1);
        for (size_t i = 0; i < count; i++) {
            words[i] = (uint64_t)rand() << 32 | (uint64_t)rand();
            if (rand() % 2)
                words[i] = header(2000, (unsigned)rand() % 20, (unsigned)rand() % 8);
            else if (rand() % 2)
                words[i] = (uint64_t)rand() % 20;
        }
        struct evtrail_chunk chunk = a_chunk(words, count, 20);
        struct evtrail_decoder decoder;
        evtrail_decoder_init(&decoder);
        evtrail_decoder_begin(&decoder, &chunk);
        int got;
        while ((got = evtrail_decoder_next(&decoder)) != 0) {
            struct evtrail_value value;
            unsigned sum = 0;
            for (unsigned i = 0; got > 0 && !evtrail_event_value(&decoder.event, i, &value); i++)
                for (unsigned b = 0; b < value.bytes; b++)
                    sum += (unsigned char)value.data[b];
            for (unsigned i = 0; got > 0 && i < decoder.event.stack_count; i++)
                sum += (unsigned)decoder.event.stack[i];
            (void)sum;
        }
        free(words);
    }
}

static void value__each_type__null_and_cut(void **state)
{
    const double f = -1.5;
    uint64_t words[8] = {(uint64_t)-5, 5, word_of("hello"), 443, EVTRAIL_NULL, 3, 0x030201};
    memcpy(&words[7], &f, 8);
    struct evtrail_event event = {.what = EVTRAIL_EVENT, .type = schema.types[16], .payload = words, .words = 8};
    struct evtrail_value value;
    assert_int_equal(evtrail_event_value(&event, 0, &value), 0);
    assert_int_equal(value.i, -5);
    assert_int_equal(evtrail_event_value(&event, 1, &value), 0);
    assert_int_equal(value.bytes, 5);
    assert_memory_equal(value.data, "hello", 5);
    assert_int_equal(evtrail_event_value(&event, 2, &value), 0);
    assert_int_equal(value.u, 443);
    assert_int_equal(evtrail_event_value(&event, 3, &value), 0);
    assert_true(value.null);
    assert_int_equal(evtrail_event_value(&event, 4, &value), 0);
    assert_int_equal(value.bytes, 3);
    assert_int_equal(evtrail_event_value(&event, 5, &value), 0);
    assert_true(value.f == -1.5);
    assert_false(value.cut);
    assert_int_equal(evtrail_event_value(&event, 6, &value), -ENOENT);
    event.words = 5;
    assert_int_equal(evtrail_event_value(&event, 5, &value), 0);
    assert_true(value.cut);
    words[1] = 1000; /* a lie: longer than the record */
    assert_int_equal(evtrail_event_value(&event, 1, &value), 0);
    assert_true(value.cut);
    assert_int_equal(value.bytes, 24);
    assert_int_equal(evtrail_event_type_field(schema.types[16], "port"), 2);
    assert_int_equal(evtrail_event_type_field(schema.types[16], "nothing"), -ENOENT);
}

static void follow(struct evtrail_spans *spans, struct evtrail_event *event, unsigned type, uint64_t id, uint64_t ticks)
{
    static uint64_t payload[2];
    payload[0] = id;
    *event = (struct evtrail_event){.what = EVTRAIL_EVENT, .source = &source, .type = schema.types[type], .words = 1};
    event->payload = payload;
    event->ticks = ticks;
    event->duration = -1;
    evtrail_spans_follow(spans, event);
}

static void span__begin_and_end__duration_once(void **state)
{
    struct evtrail_spans *spans = evtrail_spans_new();
    struct evtrail_event event;
    follow(spans, &event, 17, 5, 100);
    assert_int_equal(event.duration, -1);
    follow(spans, &event, 17, 6, 110);
    follow(spans, &event, 18, 5, 150);
    assert_int_equal(event.duration, 50);
    follow(spans, &event, 18, 5, 160);
    assert_int_equal(event.duration, -1);
    follow(spans, &event, 18, 6, 109); /* two CPUs' counters */
    assert_int_equal(event.duration, 0);
    evtrail_spans_free(spans);
}

static void span__never_closed__oldest_forgotten(void **state)
{
    struct evtrail_spans *spans = evtrail_spans_new();
    struct evtrail_event event;
    for (uint64_t id = 1; id <= 200000; id++)
        follow(spans, &event, 17, id, id);
    assert_true(evtrail_spans_forgotten(spans) >= 200000 - 65536);
    unsigned known = 0;
    for (uint64_t id = 200000 - 20000; id <= 200000; id++) {
        follow(spans, &event, 18, id, 300000);
        known += event.duration >= 0;
    }
    assert_true(known > 19900);
    evtrail_spans_free(spans);
}

static void clock__rates_and_back__exact_enough(void **state)
{
    struct evtrail_source s = {0};
    s.clock.kind = EVTRAIL_CLOCK_TSC;
    s.clock.first.ticks = UINT64_C(1) << 50;
    s.clock.first.monotonic_ns = 77;
    s.clock.first.realtime_ns = UINT64_C(1795000000000000000);
    s.clock.last = s.clock.first;
    s.clock.last.ticks += UINT64_C(2900000000) * 100;
    s.clock.last.monotonic_ns += UINT64_C(100000000000);
    s.clock.last.realtime_ns += UINT64_C(100000000000);
    assert_int_equal(evtrail_source_time(&s, s.clock.first.ticks), (int64_t)s.clock.first.realtime_ns);
    assert_int_equal(evtrail_source_time(&s, s.clock.last.ticks), (int64_t)s.clock.last.realtime_ns);
    assert_int_equal(evtrail_source_duration(&s, 2900), 1000);
    assert_int_equal(evtrail_source_duration(&s, -2900), -1000);
    uint64_t day = UINT64_C(2900000000) * 86400;
    int64_t time = evtrail_source_time(&s, s.clock.last.ticks + day);
    assert_true(llabs(time - (int64_t)s.clock.last.realtime_ns - INT64_C(86400000000000)) <= 1);
    uint64_t ticks = evtrail_source_ticks(&s, time);
    assert_true(ticks - (s.clock.last.ticks + day) + 4 <= 8);
    s.clock.hz = UINT64_C(1000000);
    assert_int_equal(evtrail_source_duration(&s, 3), 3000);
    memset(&s.clock, 0xff, sizeof(s.clock)); /* nonsense: no fault */
    evtrail_source_time(&s, 5);
    evtrail_source_ticks(&s, INT64_MIN);
}

/* The reader told a loss from the ring's header; a record that was written before it states an earlier count. */
static void decode__lower_count_after_a_higher_one__nothing_counted_twice(void **state)
{
    uint64_t words[32] = {header(2100, EVTRAIL_RECORD_LOST, 10)};
    words[1 + EVTRAIL_LOST_FULL] = 8;
    words[11] = header(2200, EVTRAIL_RECORD_LOST, 10);
    words[12 + EVTRAIL_LOST_FULL] = 12;
    struct evtrail_chunk chunk = a_chunk(words, 22, 0);
    chunk.lost_before[EVTRAIL_LOST_FULL] = 10;
    struct evtrail_decoder decoder;
    evtrail_decoder_init(&decoder);
    evtrail_decoder_begin(&decoder, &chunk);
    while (evtrail_decoder_next(&decoder) > 0)
        assert_int_equal(decoder.event.what, EVTRAIL_EVENT_LOST);
    assert_int_equal(decoder.lost[EVTRAIL_LOST_FULL], 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode__records_about_records__attached_to_the_event),
        cmocka_unit_test(decode__lost_records__difference_by_cause_in_place),
        cmocka_unit_test(decode__malformed_record__fault_then_the_rest_is_torn),
        cmocka_unit_test(decode__time_between_context_and_event__both_count),
        cmocka_unit_test(decode__skipped_types__passed_over_and_counted),
        cmocka_unit_test(decode__random_words__survived),
        cmocka_unit_test(value__each_type__null_and_cut),
        cmocka_unit_test(span__begin_and_end__duration_once),
        cmocka_unit_test(span__never_closed__oldest_forgotten),
        cmocka_unit_test(clock__rates_and_back__exact_enough),
        cmocka_unit_test(decode__lower_count_after_a_higher_one__nothing_counted_twice),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
