/* SPDX-License-Identifier: ISC
 *
 * The model of spans, by events made by hand and by a file that evtrail stat counts too.
 */
#include "model/spans.h"
#include "model/types.h"
#include "trace_builder.h"

#include <evtrail/file.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <unistd.h>

struct world {
    struct model *model;
    const struct part *spans;
    struct trace trace;
    uint32_t begin, end;
};

static void declare(struct trace *trace, uint32_t *ret_begin, uint32_t *ret_end)
{
    *ret_begin = trace_type(trace, EVTRAIL_KIND_begin, 4, "job", "id:u64 parent:u64 size:u64::bytes host:string");
    *ret_end = trace_type(trace, EVTRAIL_KIND_end, 4, "job", "id:u64 code:i32");
}

static void begin_with(struct world *w, const struct model_options *options)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(model_new(&w->model, options), 0);
    w->spans = model_part(w->model, PART_spans);
    trace_begin(&w->trace, w->model, 1);
    declare(&w->trace, &w->begin, &w->end);
}

static void begin(struct world *w)
{
    begin_with(w, NULL);
}

static struct span_row *row(const struct world *w, const char *name)
{
    struct span_row *const found = spans_find(w->spans, name);
    assert_non_null(found);
    return found;
}

static void span_begin(struct world *w, uint64_t id)
{
    const uint64_t values[8] = {id, 0, 100 * id};
    const struct evtrail_event event = trace_make(&w->trace, w->begin, "example.org", values);
    model_event(w->model, &event);
}

static void span_end(struct world *w, uint64_t id, int64_t ns)
{
    w->trace.now_ns += ns;
    trace_event(&w->trace, w->end, id, U(7));
}

static void pair__begin_and_end__duration_and_counts(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    for (uint64_t i = 1; i <= 1000; i++) {
        span_begin(&w, i);
        span_end(&w, i, (int64_t)i);
    }
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->count, 1000);
    assert_int_equal(job->begins, 1000);
    assert_int_equal(job->open, 0);
    assert_int_equal(job->min_ns, 1);
    assert_int_equal(job->max_ns, 1000);
    assert_true(job->sum_ns == 500500);
    assert_in_range(spans_quantile(job, 0.5), 492, 508);
    assert_in_range(spans_quantile(job, 0.99), 975, 1000);
    uint64_t sum = 0, minute;
    for (unsigned i = 0; i < 64; i++)
        sum += spans_octave(job, i);
    assert_int_equal(sum, 1000);
    assert_int_equal(spans_octave(job, 0), 1);
    assert_int_equal(spans_octave(job, 5), 32);
    assert_in_range(spans_minute(w.spans, job, 0.5, &minute), 470, 540);
    assert_int_equal(minute, 1000);
    model_free(w.model);
}

static void minute__of_one_duration__not_beyond_what_there_was(void **state)
{
    struct world w;
    uint64_t minute;
    (void)state;
    begin(&w);
    for (uint64_t i = 1; i <= 10; i++) {
        span_begin(&w, i);
        span_end(&w, i, 1030); /* the middle of its step is 1088 */
    }
    assert_int_equal(spans_minute(w.spans, row(&w, "job"), 0.5, &minute), 1030);
    assert_int_equal(minute, 10);
    model_free(w.model);
}

static void open__ends_only_counted__is_not_in_flight_for_ever(void **state)
{
    struct world w;
    struct open_view views[4];
    (void)state;
    begin(&w);
    span_begin(&w, 1);
    span_end(&w, 1, 10 * MS);
    span_begin(&w, 2);
    span_begin(&w, 3);
    trace_pass(&w.trace, MS);
    model_counted(w.model, &w.trace.source, w.end, 1, 24);
    for (uint64_t i = 0; i < 30; i++) { /* others go on */
        trace_pass(&w.trace, 100 * MS);
        span_begin(&w, 100 + i);
        span_end(&w, 100 + i, MS);
    }
    span_begin(&w, 4);
    assert_int_equal(row(&w, "job")->open, 1);
    assert_int_equal(spans_open(w.spans, row(&w, "job"), views, 4), 1);
    assert_int_equal(views[0].id, 4);
    span_end(&w, 3, MS); /* this one was open indeed, but looked as if it was not */
    assert_int_equal(row(&w, "job")->count, 31);
    assert_int_equal(row(&w, "job")->unmatched, 1);
    trace_source(&w.trace, true);
    assert_int_equal(row(&w, "job")->open, 0);
    assert_int_equal(row(&w, "job")->abandoned, 1);
    model_free(w.model);
}

static void pair__same_id_of_other_name_or_process__is_another(void **state)
{
    struct world w;
    struct trace other;
    uint32_t begin_there, end_there;
    (void)state;
    begin(&w);
    trace_begin(&other, w.model, 2);
    declare(&other, &begin_there, &end_there);
    const uint32_t step = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "step", "id:u64 parent:u64");
    span_begin(&w, 1);
    trace_event(&w.trace, step, U(1), U(1));
    other.now_ns = w.trace.now_ns + 50;
    trace_event(&other, end_there, U(1), U(0));
    span_end(&w, 1, 100);
    assert_int_equal(row(&w, "job")->count, 1);
    assert_int_equal(row(&w, "job")->max_ns, 100);
    assert_int_equal(row(&w, "job")->unmatched, 1);
    assert_int_equal(row(&w, "step")->open, 1);
    model_free(w.model);
}

static void slowest__longest_first_with_their_fields(void **state)
{
    struct world w;
    char text[128];
    (void)state;
    begin(&w);
    for (uint64_t i = 1; i <= 500; i++) {
        span_begin(&w, i);
        span_end(&w, i, (int64_t)(i * 7919 % 503) * 1000);
    }
    memset(&w.trace.types, 0xff, sizeof w.trace.types); /* the process's types went */
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->slowest_count, SPAN_SLOWEST);
    for (unsigned i = 0; i < SPAN_SLOWEST; i++) {
        const struct slow_span *const slow = &job->slowest[i];
        assert_true(i == 0 || slow->duration_ns <= job->slowest[i - 1].duration_ns);
        assert_int_equal(slow->duration_ns, slow->id * 7919 % 503 * 1000);
        assert_string_equal(slow->thread, "worker");
        assert_int_equal(slow->pid, 4001);
    }
    const struct slow_span *const first = &job->slowest[0];
    assert_int_equal(first->duration_ns, job->max_ns);
    kept_fields_text(first->begin.type, first->begin.payload, first->begin.words, 2, text, sizeof text);
    assert_non_null(strstr(text, "host=\"example.org\""));
    kept_fields_text(first->end.type, first->end.payload, first->end.words, 1, text, sizeof text);
    assert_string_equal(text, "code=7");
    model_free(w.model);
}

static void open__listed_oldest_first_with_age(void **state)
{
    struct world w;
    struct open_view views[8];
    (void)state;
    begin(&w);
    for (uint64_t i = 1; i <= 5; i++) {
        span_begin(&w, i);
        w.trace.now_ns += SECOND;
    }
    span_end(&w, 3, 0);
    assert_int_equal(row(&w, "job")->open, 4);
    assert_int_equal(spans_open(w.spans, row(&w, "job"), views, 8), 4);
    static const uint64_t ids[] = {1, 2, 4, 5};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(views[i].id, ids[i]);
        assert_int_equal(views[i].begin_ns, TRACE_START_NS + ((int64_t)ids[i] - 1) * SECOND);
        assert_int_equal(views[i].begin->payload[2], 100 * ids[i]);
    }
    assert_int_equal(spans_open(w.spans, row(&w, "job"), views, 2), 2);
    int64_t oldest[1];
    spans_oldest(w.spans, oldest, 1);
    assert_int_equal(oldest[0], TRACE_START_NS);
    model_free(w.model);
}

static void process__ends__its_spans_are_abandoned_and_still_shown(void **state)
{
    struct world w;
    struct open_view views[8];
    (void)state;
    begin(&w);
    span_begin(&w, 1);
    span_begin(&w, 2);
    span_end(&w, 2, 10);
    trace_source(&w.trace, true);
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->open, 0);
    assert_int_equal(job->abandoned, 1);
    assert_int_equal(spans_open(w.spans, job, views, 8), 1);
    assert_true(views[0].gone);
    assert_int_equal(views[0].pid, 4001);
    model_free(w.model);
}

static void begin__repeated_or_missing__counted(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_end(&w, 9, 5);
    span_begin(&w, 1);
    w.trace.now_ns += 1000;
    span_begin(&w, 1); /* the newer one counts */
    span_end(&w, 1, 10);
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->unmatched, 1);
    assert_int_equal(job->repeated, 1);
    assert_int_equal(job->count, 1);
    assert_int_equal(job->max_ns, 10);
    assert_int_equal(job->open, 0);
    model_free(w.model);
}

static void time__absurd__durations_are_bounded_and_nothing_breaks(void **state)
{
    struct world w;
    static const uint64_t ids[] = {0, UINT64_MAX, 1, UINT64_C(1) << 63, 0x8000};
    static const int64_t ends[] = {INT64_MAX, 0, INT64_MIN, -1, 1};
    uint64_t count;
    (void)state;
    begin(&w);
    const int64_t now = w.trace.now_ns;
    for (unsigned i = 0; i < 25; i++) {
        w.trace.now_ns = now;
        span_begin(&w, ids[i % 5]);
        w.trace.now_ns = ends[i / 5];
        trace_event(&w.trace, w.end, ids[i % 5], U(0));
    }
    w.trace.now_ns = now;
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->count, 25);
    assert_int_equal(job->min_ns, 0); /* never below 0 */
    spans_minute(w.spans, job, 0.5, &count);
    for (unsigned octave = 0; octave < LATENCY_OCTAVES; octave++)
        for (unsigned column = 0; column < LATENCY_COLUMNS; column++) {
            latency_cell(job->latency, STRIP_all, rate_second(now), column, octave);
            latency_cell(job->latency, STRIP_minute, rate_second(now), column, octave);
        }
    model_free(w.model);
}

static void types__without_fields_or_with_a_text_as_id__are_no_spans(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    const uint32_t none = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "none", "");
    const uint32_t text = trace_type(&w.trace, EVTRAIL_KIND_end, 4, "text", "id:string");
    const uint32_t odd = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "a\033[31m\n\xff", "id:u64");
    trace_event(&w.trace, none);
    trace_text(&w.trace, text, "", 0, 0);
    trace_event(&w.trace, odd, U(1));
    assert_null(spans_find(w.spans, "none"));
    assert_null(spans_find(w.spans, "text"));
    assert_int_equal(row(&w, "a\033[31m\n\xff")->open, 1);
    struct evtrail_event event = trace_make(&w.trace, w.begin, "", (uint64_t[8]){1});
    event.words = 0; /* cut by the process */
    model_event(w.model, &event);
    event.words = 1;
    model_event(w.model, &event);
    assert_int_equal(row(&w, "job")->open, 1);
    model_free(w.model);
}

static void open__more_than_fit__oldest_forgotten_and_counted(void **state)
{
    struct world w;
    const struct model_options options = {.memory_bytes = 1 << 20};
    (void)state;
    begin_with(&w, &options);
    for (uint64_t i = 0; i < 50000; i++)
        span_begin(&w, i);
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->open + job->forgotten, 50000);
    assert_int_equal(spans_forgotten(w.spans), job->forgotten);
    assert_true(job->open > 500);
    span_end(&w, 49999, 5);
    assert_int_equal(job->count, 1);
    span_end(&w, 0, 5);
    assert_int_equal(job->unmatched, 1);
    assert_true(w.spans->used_bytes <= w.spans->budget_bytes);
    model_free(w.model);
}

static void open__same_id_under_many_names__bounded(void **state)
{
    struct world w;
    char names[2000][16];
    (void)state;
    begin(&w);
    const uint32_t id = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "x", "id:u64 parent:u64");
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(names[i], sizeof names[i], "name%u", i);
        w.trace.types[id].name = names[i];
        w.trace.types[id].id = 100 + i;
        const struct evtrail_event event = trace_make(&w.trace, id, "", (uint64_t[8]){1, 1});
        model_event(w.model, &event);
    }
    assert_int_equal(spans_forgotten(w.spans), 2000 - OPEN_SAME_MAX);
    model_free(w.model);
}

static void names__thousands__counts_exact_percentiles_coarse_within_the_budget(void **state)
{
    struct world w;
    const struct model_options options = {.memory_bytes = 20 << 20}; /* as evtrail top has by default */
    char name[32];
    uint64_t coarse = 0, partial = 0;
    (void)state;
    begin_with(&w, &options);
    const uint32_t b = trace_type(&w.trace, EVTRAIL_KIND_begin, 4, "x", "id:u64 parent:u64");
    const uint32_t e = trace_type(&w.trace, EVTRAIL_KIND_end, 4, "x", "id:u64");
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, "name%u", i);
        w.trace.types[b].name = w.trace.types[e].name = name;
        w.trace.types[b].id = 100 + 2 * i;
        w.trace.types[e].id = 101 + 2 * i;
        for (unsigned octave = 0; octave < 40; octave++) {
            struct evtrail_event event = trace_make(&w.trace, b, "", (uint64_t[8]){i});
            model_event(w.model, &event);
            event = trace_make(&w.trace, e, "", (uint64_t[8]){i});
            event.ticks += UINT64_C(3) << octave;
            model_event(w.model, &event);
        }
    }
    assert_in_range(spans_count(w.spans), 2000, 4000);
    for (uint32_t i = 0; i < spans_count(w.spans); i++) {
        const struct span_row *const of = spans_row(w.spans, i);
        partial += of->count != 40;
        coarse += !of->histogram;
        const double wanted = (double)(UINT64_C(3) << 19), found = (double)spans_quantile(of, 0.5);
        if (of->count > 0 && (of->histogram || of->coarse))
            assert_true(found >= wanted / 2 && found <= wanted * 2);
    }
    assert_true(coarse > 0);
    assert_true(partial <= 1); /* the last one, for whose end there was no room */
    assert_true(w.spans->used_bytes <= w.spans->budget_bytes);
    model_free(w.model);
}

static void processes__thousands_with_open_spans__bounded(void **state)
{
    struct world w;
    const struct model_options options = {.memory_bytes = 4 << 20};
    (void)state;
    begin_with(&w, &options);
    for (unsigned i = 0; i < 20000; i++) {
        struct trace trace;
        uint32_t b, e;
        trace_begin(&trace, w.model, 1000 + i);
        trace.source.number = i % 1000; /* each is gone before its number comes again */
        declare(&trace, &b, &e);
        trace_text(&trace, b, "x", i, 0);
        if (i % 3)
            trace_event(&trace, e, U(i), U(0));
        trace_source(&trace, true);
    }
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->count + job->abandoned, 20000);
    assert_true(w.spans->used_bytes <= w.spans->budget_bytes);
    model_free(w.model);
}

/* Each leaves a span open; the last must still be followed. */
static void processes__more_than_ever_are_kept__the_newest_still_counts(void **state)
{
    struct world w;
    struct open_view open[200];
    (void)state;
    begin(&w);
    for (unsigned i = 0; i < 30000; i++) {
        struct trace trace;
        uint32_t b, e;
        trace_begin(&trace, w.model, 1000 + i);
        trace.source.number = i % 1000;
        declare(&trace, &b, &e);
        if (i % 2) /* two versions of the program */
            trace.types[b].line = 77;
        trace_text(&trace, b, "x", 1, 0);
        trace_text(&trace, b, "x", 2, 0);
        trace_event(&trace, e, U(1), U(0));
        trace_source(&trace, true);
    }
    assert_int_equal(row(&w, "job")->count, 30000);
    assert_int_equal(row(&w, "job")->abandoned, 30000);
    assert_int_equal(spans_open(w.spans, row(&w, "job"), open, 200), OPEN_GONE_MAX);
    assert_true(w.spans->used_bytes < 200000);
    assert_true(model_part(w.model, PART_tree)->used_bytes < 200000);
    assert_true(model_part(w.model, PART_types)->used_bytes < 200000);
    model_free(w.model);
}

static void filter__begin_or_end_matches__the_span_counts(void **state)
{
    struct world w;
    struct evtrail_filter *filter;
    (void)state;
    assert_int_equal(evtrail_filter_new(&filter, "code == 3 || size == 200", NULL), 0);
    const struct model_options options = {.filter = filter};
    begin_with(&w, &options);
    for (uint64_t i = 1; i <= 4; i++) {
        span_begin(&w, i);
        w.trace.now_ns += 10;
        trace_event(&w.trace, w.end, i, U(i)); /* 2: by its begin, 3: by its end */
    }
    span_begin(&w, 2);
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->count, 2);
    assert_int_equal(job->begins, 2);
    assert_int_equal(job->ends, 1);
    assert_int_equal(job->open, 1);
    model_free(w.model);
    evtrail_filter_free(filter);
}

static void reset__open_spans_stay_known(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    span_begin(&w, 1);
    span_begin(&w, 2);
    span_end(&w, 2, 10);
    model_reset(w.model);
    const struct span_row *const job = row(&w, "job");
    assert_int_equal(job->count, 0);
    assert_int_equal(job->open, 1);
    span_end(&w, 1, 10);
    assert_int_equal(job->count, 1);
    assert_int_equal(job->max_ns, 20);
    assert_int_equal(job->slowest_count, 1);
    model_free(w.model);
}

static void strip__all_time__columns_double_and_nothing_is_lost(void **state)
{
    struct world w;
    uint64_t sum = 0;
    (void)state;
    begin(&w);
    for (uint64_t i = 0; i < 1000; i++) {
        span_begin(&w, i);
        span_end(&w, i, 1000);
        w.trace.now_ns += SECOND;
    }
    const struct latency *const latency = row(&w, "job")->latency;
    assert_int_equal(latency->width, 32);
    const unsigned octave = latency_octave_of(1000);
    for (unsigned column = 0; column < LATENCY_COLUMNS; column++)
        sum += latency_cell(latency, STRIP_all, 0, column, octave);
    assert_int_equal(sum, 1000);
    const uint32_t now = rate_second(w.trace.now_ns);
    for (unsigned column = 0; column < LATENCY_COLUMNS - 1; column++)
        assert_int_equal(latency_cell(latency, STRIP_minute, now, column, octave), 1);
    assert_int_equal(latency_cell(latency, STRIP_minute, now, LATENCY_COLUMNS - 1, octave), 0);
    uint64_t count;
    latency_quantile(latency, now, 0.5, &count);
    assert_in_range(count, 50, 60);
    latency_quantile(latency, now + 61, 0.5, &count);
    assert_int_equal(count, 0);
    model_free(w.model);
}

/* ---- anything ---- */

static uint64_t random_next(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 24;
}

/* Small numbers mostly, so that things meet; absurd ones sometimes. */
static uint64_t any_word(uint64_t *random)
{
    const uint64_t word = random_next(random);
    return word % 8 ? word % 40 : word % 16 ? UINT64_MAX - word % 5 : word << 24;
}

static void any_types(struct trace *trace, uint64_t *random)
{
    static const char *const fields[] = {"",
                                         "id:u64",
                                         "id:string",
                                         "id:u64 parent:u64",
                                         "id:i32 parent:string x:f64",
                                         "v:f64::ns",
                                         "v:enum:0=a;1=b s:string",
                                         "a:u64 b:bool c:string d:u64 e:string"};
    static const char *const names[] = {"a", "a.b", "a.b.c", "b\033[m", ""};
    for (unsigned i = 0; i < 24; i++)
        trace_type(trace, (unsigned)(random_next(random) % EVTRAIL_KINDS), (unsigned)(random_next(random) % 9),
                   names[random_next(random) % 5], fields[random_next(random) % 8]);
}

static void any_event(struct trace *trace, uint64_t *random)
{
    uint64_t words[24];
    struct evtrail_event event = trace_make(trace, (uint32_t)(random_next(random) % 24), "", (uint64_t[8]){0});
    event.words = (uint32_t)(random_next(random) % 24);
    for (unsigned i = 0; i < 24; i++)
        words[i] = any_word(random);
    event.payload = words;
    event.ticks = random_next(random) % 50 ? (uint64_t)trace->now_ns : any_word(random) << 30;
    event.time = random_next(random) % 50 ? trace->now_ns : (int64_t)(random_next(random) << 24);
    trace->now_ns += (int64_t)(random_next(random) % 100000);
    model_event(trace->model, &event);
}

/* Whatever a view may ask for. */
static void ask_all(const struct model *model)
{
    char text[200];
    struct open_view open[4];
    float spark[RATE_SECONDS];
    uint64_t count;
    const struct part *const types = model_part(model, PART_types), *const spans = model_part(model, PART_spans);
    for (uint32_t i = 0; i < types_count(types); i++) {
        types_last_text(types_row(types, i), text, sizeof text);
        types_rates(types, types_row(types, i));
        types_spark(types, types_row(types, i), spark);
    }
    for (uint32_t i = 0; i < spans_count(spans); i++) {
        const struct span_row *const of = spans_row(spans, i);
        assert_true(spans_quantile(of, 0.5) <= spans_quantile(of, 0.99));
        spans_minute(spans, of, 0.99, &count);
        for (size_t k = spans_open(spans, of, open, 4); k-- > 0;)
            if (open[k].begin && open[k].begin->type)
                kept_fields_text(open[k].begin->type, open[k].begin->payload, open[k].begin->words, 0, text,
                                 sizeof text);
        for (unsigned k = 0; k < of->slowest_count; k++)
            if (of->slowest[k].end.type)
                kept_fields_text(of->slowest[k].end.type, of->slowest[k].end.payload, of->slowest[k].end.words, 0, text,
                                 sizeof text);
    }
}

static void events__of_any_kind__bounded_and_nothing_breaks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        const struct model_options options = {.memory_bytes = seed % 3 ? 8 << 20 : 150000};
        static struct trace traces[3];
        struct model *model;
        uint64_t random = seed, session = 1;
        assert_int_equal(model_new(&model, &options), 0);
        for (unsigned i = 0; i < 3; i++) {
            trace_begin(&traces[i], model, session++);
            any_types(&traces[i], &random);
        }
        for (unsigned i = 0; i < 6000; i++) {
            struct trace *const trace = &traces[random_next(&random) % 3];
            any_event(trace, &random);
            if (random_next(&random) % 500 == 0) {
                const int64_t now = trace->now_ns;
                trace_source(trace, true);
                trace_begin(trace, model, session++);
                any_types(trace, &random);
                trace->now_ns = now;
            }
            if (random_next(&random) % 1500 == 0)
                model_reset(model);
            if (random_next(&random) % 500 == 0)
                ask_all(model);
        }
        for (unsigned i = PART_types; i <= PART_tree; i++)
            assert_true(model_part(model, i)->used_bytes <= model_part(model, i)->budget_bytes + 8192);
        model_free(model);
    }
}

/* ---- the same as evtrail stat ---- */

struct file_gen {
    uint64_t words[60000];
    size_t count;
    uint64_t events, ticks, random;
};

static uint64_t next(struct file_gen *gen)
{
    gen->random = gen->random * 6364136223846793005u + 1442695040888963407u;
    return gen->random >> 33;
}

static void record(struct file_gen *gen, uint32_t id, uint64_t first, uint32_t words)
{
    gen->words[gen->count++] = gen->ticks << 20 | (uint64_t)id << 6 | words;
    for (uint32_t i = 0; i < words; i++)
        gen->words[gen->count++] = i ? 0 : first;
    gen->events++;
}

/* Spans of three names, some never ended, some never begun. */
static void make_records(struct file_gen *gen)
{
    for (unsigned i = 0; i < 8000; i++) {
        const uint64_t id = next(gen) % 50;
        const uint32_t name = (uint32_t)(next(gen) % 3);
        gen->ticks += 1 + (next(gen) % 7 == 0 ? next(gen) % 1000000 : next(gen) % 3000);
        record(gen, 16 + 2 * name + (uint32_t)(next(gen) % 2), id, 2);
    }
}

static void write_file(const char *path, struct trace *trace, uint64_t hz)
{
    struct file_gen *const gen = calloc(1, sizeof *gen);
    struct evtrail_file *file;
    const struct evtrail_file_options options = {.bytes = sizeof options};
    struct evtrail_chunk chunk = {.source = &trace->source};
    gen->ticks = 5000000000;
    trace->source.clock.kind = 2;
    trace->source.clock.hz = hz;
    trace->source.clock.first.ticks = trace->source.clock.last.ticks = gen->ticks;
    trace->source.clock.first.realtime_ns = trace->source.clock.last.realtime_ns = (uint64_t)TRACE_START_NS;
    trace->source.start_realtime_ns = (uint64_t)TRACE_START_NS;
    chunk.state.reference_ticks = chunk.first_ticks = gen->ticks;
    make_records(gen);
    chunk.words = gen->words;
    chunk.words_count = gen->count;
    chunk.events = gen->events;
    chunk.last_ticks = gen->ticks;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    assert_int_equal(evtrail_file_write_chunk(file, &chunk), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    free(gen);
}

static void read_file(const char *path, struct model *model)
{
    struct evtrail_reader *reader;
    const struct evtrail_reader_options options = {.bytes = sizeof options};
    struct evtrail_event *event;
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_true(evtrail_reader_add_path(reader, path) >= 0);
    while (evtrail_reader_next(reader, &event) > 0)
        model_event(model, event);
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
}

static void compare_line(const struct world *w, const char *line, unsigned *seen)
{
    char name[32];
    uint64_t count, open, unmatched, min, p50, p90, p99, p999, max;
    double mean;
    if (sscanf(line,
               "{\"what\":\"span\",\"name\":\"%31[^\"]\",\"count\":%" SCNu64 ",\"open\":%" SCNu64
               ",\"unmatched_ends\":%" SCNu64 ",\"min_ns\":%" SCNu64 ",\"mean_ns\":%lf,\"p50_ns\":%" SCNu64
               ",\"p90_ns\":%" SCNu64 ",\"p99_ns\":%" SCNu64 ",\"p999_ns\":%" SCNu64 ",\"max_ns\":%" SCNu64,
               name, &count, &open, &unmatched, &min, &mean, &p50, &p90, &p99, &p999, &max) != 11)
        return;
    const struct span_row *const of = row(w, name);
    assert_int_equal(of->count, count);
    assert_int_equal(of->open + of->abandoned, open);
    assert_int_equal(of->min_ns, min);
    assert_int_equal(of->max_ns, max);
    assert_int_equal(spans_quantile(of, 0.5), p50);
    assert_int_equal(spans_quantile(of, 0.9), p90);
    assert_int_equal(spans_quantile(of, 0.99), p99);
    assert_int_equal(spans_quantile(of, 0.999), p999);
    assert_true(mean - of->sum_ns / (double)of->count < 0.06 && of->sum_ns / (double)of->count - mean < 0.06);
    assert_int_equal(of->unmatched, unmatched);
    ++*seen;
}

static void file__figures_are_those_of_stat(void **state)
{
    static const uint64_t rates[] = {1000000000, 2999999983, 24000000};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct world w;
        struct trace trace;
        char path[] = "/tmp/evtrail-top-XXXXXX", command[512], line[1024];
        unsigned seen = 0;
        close(mkstemp(path));
        unlink(path);
        trace_begin(&trace, NULL, 77);
        while (trace.source.types_count < 16)
            trace.source.types_count++;
        for (unsigned name = 0; name < 3; name++) {
            static const char *const names[] = {"alpha", "beta", "gamma"};
            trace_type(&trace, EVTRAIL_KIND_begin, 4, names[name], "id:u64 parent:u64");
            trace_type(&trace, EVTRAIL_KIND_end, 4, names[name], "id:u64 code:u64");
        }
        write_file(path, &trace, rates[i]);
        begin(&w);
        read_file(path, w.model);
        snprintf(command, sizeof command, "%s stat --json %s", TOP_COMMAND, path);
        FILE *const out = popen(command, "r");
        assert_non_null(out);
        while (fgets(line, sizeof line, out))
            compare_line(&w, line, &seen);
        assert_int_equal(pclose(out), 0);
        assert_int_equal(seen, 3);
        unlink(path);
        model_free(w.model);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair__begin_and_end__duration_and_counts),
        cmocka_unit_test(minute__of_one_duration__not_beyond_what_there_was),
        cmocka_unit_test(open__ends_only_counted__is_not_in_flight_for_ever),
        cmocka_unit_test(pair__same_id_of_other_name_or_process__is_another),
        cmocka_unit_test(slowest__longest_first_with_their_fields),
        cmocka_unit_test(open__listed_oldest_first_with_age),
        cmocka_unit_test(process__ends__its_spans_are_abandoned_and_still_shown),
        cmocka_unit_test(begin__repeated_or_missing__counted),
        cmocka_unit_test(time__absurd__durations_are_bounded_and_nothing_breaks),
        cmocka_unit_test(types__without_fields_or_with_a_text_as_id__are_no_spans),
        cmocka_unit_test(open__more_than_fit__oldest_forgotten_and_counted),
        cmocka_unit_test(open__same_id_under_many_names__bounded),
        cmocka_unit_test(names__thousands__counts_exact_percentiles_coarse_within_the_budget),
        cmocka_unit_test(processes__thousands_with_open_spans__bounded),
        cmocka_unit_test(processes__more_than_ever_are_kept__the_newest_still_counts),
        cmocka_unit_test(filter__begin_or_end_matches__the_span_counts),
        cmocka_unit_test(reset__open_spans_stay_known),
        cmocka_unit_test(strip__all_time__columns_double_and_nothing_is_lost),
        cmocka_unit_test(events__of_any_kind__bounded_and_nothing_breaks),
        cmocka_unit_test(file__figures_are_those_of_stat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
