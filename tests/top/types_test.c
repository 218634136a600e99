/* SPDX-License-Identifier: ISC
 *
 * The model of event types, by events made by hand: counts, rates, last values, bounds.
 */
#include "model/types.h"
#include "trace_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

struct world {
    struct model *model;
    const struct part *types;
    struct trace trace;
};

static void begin_with(struct world *w, size_t memory_bytes)
{
    const struct model_options options = {.memory_bytes = memory_bytes};
    memset(w, 0, sizeof *w);
    assert_int_equal(model_new(&w->model, &options), 0);
    w->types = model_part(w->model, PART_types);
    trace_begin(&w->trace, w->model, 1);
}

static void begin(struct world *w)
{
    begin_with(w, 0);
}

static struct type_row *row(const struct world *w, const char *name, unsigned kind)
{
    struct type_row *const found = types_find(w->types, name, kind);
    assert_non_null(found);
    return found;
}

static void assert_near(double value, double wanted, double share)
{
    if (fabs(value - wanted) > fabs(wanted) * share)
        fail_msg("%g, not %g", value, wanted);
}

/* `per_second` events a second, evenly. */
static void run_at(struct world *w, uint32_t id, unsigned per_second, unsigned seconds)
{
    for (unsigned i = 0; i < per_second * seconds; i++) {
        trace_event(&w->trace, id, U(i));
        trace_pass(&w->trace, SECOND / per_second);
    }
}

static void count__merged_over_processes_and_apart_by_kind(void **state)
{
    struct world w;
    struct trace other;
    (void)state;
    begin(&w);
    trace_begin(&other, w.model, 2);
    const uint32_t first = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "job", "id:u64 parent:u64");
    const uint32_t end = trace_type(&w.trace, EVTRAIL_KIND_end, 4, "job", "id:u64");
    const uint32_t second = trace_type(&other, EVTRAIL_KIND_begin, 3, "job", "id:u64 parent:u64");
    trace_event(&w.trace, first, U(1), U(0));
    trace_event(&w.trace, end, U(1));
    trace_event(&other, second, U(1), U(0));
    trace_event(&other, second, U(2), U(0));
    const struct type_row *const begins = row(&w, "job", EVTRAIL_KIND_begin);
    assert_int_equal(begins->count, 3);
    assert_int_equal(begins->bytes, 3 * 24);
    assert_int_equal(begins->level, 3); /* the more severe of the two */
    assert_int_equal(row(&w, "job", EVTRAIL_KIND_end)->count, 1);
    assert_int_equal(begins->processes->count, 2);
    assert_int_equal(begins->processes->pid, 4002);
    assert_int_equal(begins->processes->next->count, 1);
    assert_null(begins->processes->next->next);
    model_free(w.model);
}

static void rates__even_events__all_averages_agree_from_the_first_seconds_on(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
    w.trace.now_ns += 370 * MS; /* not at a second's beginning */
    static const unsigned lengths[] = {1, 2, 7, 50};
    for (unsigned i = 0; i < 4; i++) {
        run_at(&w, id, 200, lengths[i]);
        const struct rates rates = types_rates(w.types, row(&w, "tick", 0));
        assert_near(rates.now, 200, 0.03);
        for (unsigned k = 0; k < RATE_AVERAGES; k++)
            assert_near(rates.average[k], 200, 0.05);
    }
    model_free(w.model);
}

static void rates__after_silence__fade_by_their_own_times(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
    run_at(&w, id, 100, 30);
    trace_pass(&w.trace, 20 * SECOND);
    const struct rates rates = types_rates(w.types, row(&w, "tick", 0));
    assert_true(rates.now == 0);
    assert_near(rates.average[0], 100 * exp(-2.0) * -expm1(-3.0) / -expm1(-5.0), 0.02);
    assert_near(rates.average[1], 100 * exp(-0.2) * -expm1(-0.3) / -expm1(-0.5), 0.02);
    model_free(w.model);
}

/* Looked at often, seldom, or never: the same. */
static void rates__ticks_come_irregularly__the_same(void **state)
{
    struct rates seen[3];
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        struct world w;
        struct random {
            uint64_t x;
        } random = {how + 1};
        begin(&w);
        const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
        for (unsigned i = 0; i < 5000; i++) {
            trace_event(&w.trace, id, U(i));
            w.trace.now_ns += i == 2500 ? 40 * SECOND : 3 * MS + (int64_t)(i % 7) * MS; /* with a pause in the middle */
            random.x = random.x * 6364136223846793005u + 1;
            if (how == 1 && random.x >> 60 == 3)
                model_tick(w.model, w.trace.now_ns);
            if (how == 2)
                model_tick(w.model, w.trace.now_ns);
        }
        model_tick(w.model, w.trace.now_ns);
        seen[how] = types_rates(w.types, row(&w, "tick", 0));
        model_free(w.model);
    }
    for (unsigned how = 1; how < 3; how++)
        for (unsigned k = 0; k < RATE_AVERAGES; k++)
            assert_near(seen[how].average[k], seen[0].average[k], 1e-6);
    assert_near(seen[1].now, seen[0].now, 1e-6);
}

static void spark__sixty_seconds_newest_last(void **state)
{
    struct world w;
    float values[RATE_SECONDS];
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
    for (unsigned second = 0; second < 100; second++) {
        for (unsigned i = 0; i < second % 10; i++)
            trace_event(&w.trace, id, U(i));
        trace_pass(&w.trace, SECOND);
    }
    types_spark(w.types, row(&w, "tick", 0), values);
    assert_true(values[RATE_SECONDS - 1] == 0); /* the second that has just begun */
    for (unsigned i = 1; i < RATE_SECONDS; i++)
        assert_true(values[RATE_SECONDS - 1 - i] == (float)((100 - i) % 10));
    trace_pass(&w.trace, 61 * SECOND);
    types_spark(w.types, row(&w, "tick", 0), values);
    for (unsigned i = 0; i < RATE_SECONDS; i++)
        assert_true(values[i] == 0);
    model_free(w.model);
}

static void time__goes_back_or_leaps__rates_recover(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
    const int64_t now = w.trace.now_ns;
    static const int64_t leaps[] = {INT64_MAX, INT64_MIN, 0, -1, 1};
    for (unsigned i = 0; i < 5; i++) {
        w.trace.now_ns = leaps[i];
        trace_event(&w.trace, id, U(i));
    }
    w.trace.now_ns = now;
    for (unsigned i = 0; i < 100; i++) {
        trace_event(&w.trace, id, U(i));
        w.trace.now_ns -= 5 * MS; /* a little back each time */
    }
    const struct type_row *const tick = row(&w, "tick", 0);
    assert_int_equal(tick->count, 105);
    assert_true(tick->rate->current >= 100);
    model_tick(w.model, now); /* the clock knows better than such events */
    assert_int_equal(w.model->now_ns, now);
    assert_true(types_rates(w.types, tick).now >= 100);
    model_free(w.model);
}

static void counter__last_least_most_in_its_own_type(void **state)
{
    struct world w;
    char text[64];
    (void)state;
    begin(&w);
    const uint32_t depth = trace_type(&w.trace, EVTRAIL_KIND_counter, 4, "depth", "depth:i64::bytes");
    const uint32_t load = trace_type(&w.trace, EVTRAIL_KIND_counter, 4, "load", "load:f64");
    static const int64_t depths[] = {7, -3, 2048};
    static const double loads[] = {0.5, NAN, 2.5, -1.25};
    for (unsigned i = 0; i < 3; i++)
        trace_event(&w.trace, depth, (uint64_t)depths[i]);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word;
        memcpy(&word, &loads[i], sizeof word);
        trace_event(&w.trace, load, word);
    }
    const struct type_row *const of = row(&w, "depth", EVTRAIL_KIND_counter);
    assert_int_equal(of->counter->min.i, -3);
    assert_int_equal(of->counter->max.i, 2048);
    types_last_text(of, text, sizeof text);
    assert_string_equal(text, "2KiB");
    const struct type_row *const other = row(&w, "load", EVTRAIL_KIND_counter);
    assert_true(other->counter->min.f == -1.25);
    assert_true(other->counter->max.f == 2.5);
    model_free(w.model);
}

static void last__fields_of_the_last_event_formatted_when_asked(void **state)
{
    struct world w;
    char text[128];
    (void)state;
    begin(&w);
    const uint32_t open = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "open", "host:string port:u32 took:u64::ns");
    const uint32_t none = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "none", "");
    trace_text(&w.trace, open, "example\033[2Jorg", 443, 1500);
    trace_event(&w.trace, none);
    trace_source(&w.trace, true); /* what it said stays */
    memset(&w.trace.types, 0xff, sizeof w.trace.types);
    types_last_text(row(&w, "open", 0), text, sizeof text);
    assert_string_equal(text, "host=\"example\\x1b[2Jorg\" port=443 took=1.5us");
    assert_int_equal(types_last_text(row(&w, "none", 0), text, sizeof text), 0);
    assert_true(types_last_text(row(&w, "open", 0), text, 9) > 9);
    assert_string_equal(text, "host=\"ex");
    model_free(w.model);
}

static void last__long_payload__is_cut(void **state)
{
    struct world w;
    char text[512], wanted[257] = {0};
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "long", "text:string number:u64");
    memset(wanted, 'x', 256);
    trace_text(&w.trace, id, wanted, 1, 0);
    assert_true(types_last_text(row(&w, "long", 0), text, sizeof text) < 200);
    assert_non_null(strstr(text, "xxx"));
    assert_null(strstr(text, "number")); /* it was cut off */
    model_free(w.model);
}

static void processes__thousands_come_and_go__counts_stay_and_memory_is_bounded(void **state)
{
    struct world w;
    uint64_t sum = 0, processes = 0;
    (void)state;
    begin_with(&w, 1 << 20);
    for (unsigned i = 0; i < 5000; i++) {
        struct trace trace;
        trace_begin(&trace, w.model, 100 + i);
        trace.source.number = i;
        const uint32_t id = trace_type(&trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
        trace_source(&trace, false);
        trace_event(&trace, id, U(i));
        trace_event(&trace, id, U(i));
        if (i % 10 != 0)
            trace_source(&trace, true);
    }
    const struct type_row *const tick = row(&w, "tick", 0);
    assert_int_equal(tick->count, 10000);
    for (const struct type_process *at = tick->processes; at; at = at->next, processes++)
        sum += at->count;
    assert_int_equal(sum + tick->others->count, 10000);
    assert_true(processes <= 500 + 17);
    assert_true(w.types->used_bytes <= w.types->budget_bytes);
    model_free(w.model);
}

static void many_types(size_t memory_bytes, unsigned count, uint32_t *ret_known, uint64_t *ret_described)
{
    struct world w;
    char name[64], doc[64];
    begin_with(&w, memory_bytes);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "x", "conn:u64 host:u64 took:u64::ns");
    uint64_t described = 0;
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "provider%u.event.of.number%u", i % 50, i);
        snprintf(doc, sizeof doc, "what happens in place %u", i);
        w.trace.types[id].name = name;
        w.trace.types[id].doc = doc;
        w.trace.types[id].id = i;
        const uint64_t values[8] = {i, 2, 3};
        struct evtrail_event event = trace_make(&w.trace, id, "", values);
        event.id = i;
        model_event(w.model, &event);
    }
    for (uint32_t i = 0; i < types_count(w.types); i++)
        described += types_row(w.types, i)->type != NULL;
    *ret_known = types_count(w.types);
    *ret_described = described;
    assert_true(w.types->used_bytes <= w.types->budget_bytes);
    assert_int_equal(w.model->totals.events, count);
    model_free(w.model);
}

static void types__ten_thousand__all_there_within_the_budget(void **state)
{
    uint32_t known;
    uint64_t described;
    (void)state;
    many_types(20 << 20, 10000, &known, &described); /* as evtrail top has by default */
    assert_int_equal(known, 10000);
    assert_true(described >= 9000);
    many_types(1 << 20, 10000, &known, &described);
    assert_true(known >= 500 && known < 10000); /* the rest is counted as left out */
}

static void counted__events_left_out_for_want_of_time__are_in_the_counts(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "tick", "n:u64");
    trace_event(&w.trace, id, U(1));
    model_counted(w.model, &w.trace.source, id, 999, 999 * 16);
    trace_pass(&w.trace, SECOND / 2);
    const struct type_row *const of = row(&w, "tick", 0);
    assert_int_equal(of->count, 1000);
    assert_int_equal(of->bytes, 16000);
    assert_int_equal(of->processes->count, 1000);
    assert_near(types_rates(w.types, of).now, 2000, 0.1);
    model_free(w.model);
}

static void know__types_without_events__are_rows(void **state)
{
    struct world w;
    char text[16];
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "quiet", "n:u64");
    assert_non_null(types_know((struct part *)(uintptr_t)w.types, &w.trace.types[id]));
    assert_int_equal(row(&w, "quiet", 0)->count, 0);
    assert_int_equal(types_last_text(row(&w, "quiet", 0), text, sizeof text), 0);
    assert_true(types_rates(w.types, row(&w, "quiet", 0)).now == 0);
    model_free(w.model);
}

static void reset__counts_begin_at_zero(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_counter, 4, "c", "n:u64");
    run_at(&w, id, 100, 10);
    model_reset(w.model);
    const struct type_row *const of = row(&w, "c", EVTRAIL_KIND_counter);
    assert_int_equal(of->count, 0);
    run_at(&w, id, 50, 4);
    assert_int_equal(of->count, 200);
    assert_near(types_rates(w.types, of).average[2], 50, 0.05);
    assert_int_equal(of->counter->min.u, 0);
    model_free(w.model);
}

static void fields__changed_by_another_version__both_are_formatted(void **state)
{
    struct world w;
    struct trace other;
    char text[64];
    (void)state;
    begin(&w);
    trace_begin(&other, w.model, 2);
    const uint32_t one = trace_type(&w.trace, EVTRAIL_KIND_instant, 4, "v", "a:u64");
    const uint32_t two = trace_type(&other, EVTRAIL_KIND_instant, 4, "v", "b:i64 c:u64");
    trace_event(&w.trace, one, U(1));
    trace_event(&other, two, U(-2), U(3));
    types_last_text(row(&w, "v", 0), text, sizeof text);
    assert_string_equal(text, "b=-2 c=3");
    trace_event(&w.trace, one, U(5));
    types_last_text(row(&w, "v", 0), text, sizeof text);
    assert_string_equal(text, "a=5");
    model_free(w.model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(count__merged_over_processes_and_apart_by_kind),
        cmocka_unit_test(rates__even_events__all_averages_agree_from_the_first_seconds_on),
        cmocka_unit_test(rates__after_silence__fade_by_their_own_times),
        cmocka_unit_test(rates__ticks_come_irregularly__the_same),
        cmocka_unit_test(spark__sixty_seconds_newest_last),
        cmocka_unit_test(time__goes_back_or_leaps__rates_recover),
        cmocka_unit_test(counter__last_least_most_in_its_own_type),
        cmocka_unit_test(last__fields_of_the_last_event_formatted_when_asked),
        cmocka_unit_test(last__long_payload__is_cut),
        cmocka_unit_test(processes__thousands_come_and_go__counts_stay_and_memory_is_bounded),
        cmocka_unit_test(types__ten_thousand__all_there_within_the_budget),
        cmocka_unit_test(counted__events_left_out_for_want_of_time__are_in_the_counts),
        cmocka_unit_test(know__types_without_events__are_rows),
        cmocka_unit_test(reset__counts_begin_at_zero),
        cmocka_unit_test(fields__changed_by_another_version__both_are_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
