/* SPDX-License-Identifier: ISC
 *
 * The model of warnings, by events made by hand: each rule fires, clears, and stays listed.
 */
#include "model/entities.h"
#include "model/warnings.h"
#include "screen/config.h"
#include "trace_builder.h"

#include <errno.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

enum { IDLE = 1, ACTIVE = 2, WAITING = 3 };
struct world {
    struct model *model;
    struct config *config;
    struct trace trace;
    uint32_t name, address, conn, gone, queue, retry, ping, loop;
};

static struct config *config_of(const char *text)
{
    char path[] = "/tmp/evtrail-top-XXXXXX", *error = NULL;
    struct config *config = NULL;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(config_load(&config, path, &error), 0);
    unlink(path);
    return config;
}

static void begin(struct world *w, const char *settings)
{
    memset(w, 0, sizeof *w);
    w->config = settings ? config_of(settings) : NULL;
    assert_int_equal(model_new(&w->model, &(struct model_options){.config = w->config}), 0);
    struct trace *const t = &w->trace;
    trace_begin(t, w->model, 1);
    w->name = trace_type(t, EVTRAIL_KIND_state, 4, "pool.name", "name:u64 parent:u64 state:enum:1=open");
    w->address = trace_type(t, EVTRAIL_KIND_state, 4, "pool.address", "address:u64 parent:u64 state:enum:1=serving");
    w->conn =
        trace_type(t, EVTRAIL_KIND_state, 5, "pool.conn", "conn:u64 parent:u64 state:enum:1=idle;2=active;3=waiting");
    w->gone = trace_type(t, EVTRAIL_KIND_gone, 5, "pool.conn", "conn:u64");
    w->queue = trace_type(t, EVTRAIL_KIND_counter, 5, "pool.queue", "depth:u32 name:u64");
    w->retry = trace_type(t, EVTRAIL_KIND_instant, 3, "pool.retry", "name:u64 round:u32");
    w->ping = trace_type(t, EVTRAIL_KIND_instant, 5, "pool.ping", "conn:u64");
    w->loop = trace_type(t, EVTRAIL_KIND_instant, 5, "loop.iteration", "loop:u64 busy:u64::ns idle:u64::ns");
    trace_event(t, w->name, U(1), U(0), U(1));
    trace_event(t, w->address, U(2), U(1), U(1));
    trace_event(t, w->conn, U(3), U(2), U(IDLE));
}

static void end(struct world *w)
{
    model_free(w->model);
    config_free(w->config);
}

/* Rows of a rule; *ret_row: the last. */
static unsigned rows_of(const struct world *w, const char *rule, const struct warning **ret_row)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < warnings_count(w->model); i++) {
        const struct warning *const row = warning_at(w->model, i);
        if (strcmp(warning_rule_at(w->model, row->rule)->name, rule) != 0)
            continue;
        count++;
        if (ret_row)
            *ret_row = row;
    }
    return count;
}

static void assert_says(const struct world *w, const struct warning *row, const char *text)
{
    char line[256];
    warning_text(w->model, row, line, sizeof line);
    assert_string_equal(line, text);
}

static void lost__events__are_counted_by_cause(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    trace_lost(&w.trace, 0, 40);
    trace_lost(&w.trace, 0, 2);
    trace_lost(&w.trace, EVTRAIL_CAUSE_overwritten, 1);
    assert_int_equal(rows_of(&w, "lost", &row), 2);
    row = warning_at(w.model, 0);
    assert_says(&w, row, "42 events of made-up:4001 (full) were lost");
    assert_int_equal(warnings_active(w.model), 2);
    trace_pass(&w.trace, 30 * SECOND);
    assert_int_equal(warnings_active(w.model), 0);
    assert_int_equal(rows_of(&w, "lost", NULL), 2);
    trace_lost(&w.trace, 0, 8);
    assert_int_equal(warnings_active(w.model), 1);
    assert_int_equal(row->count, 2);
    assert_true(row->value == 50.0);
    end(&w);
}

static void exhausted__queue_not_empty__for_longer_than_the_threshold(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    for (unsigned i = 0; i < 30; i++) { /* never for long */
        trace_event(&w.trace, w.queue, U(1 + i % 3), U(1));
        trace_pass(&w.trace, 500 * MS);
        trace_event(&w.trace, w.queue, U(0), U(1));
    }
    assert_int_equal(rows_of(&w, "exhausted", NULL), 0);
    trace_event(&w.trace, w.queue, U(5), U(1));
    trace_pass(&w.trace, 700 * MS);
    trace_event(&w.trace, w.queue, U(4), U(1));
    trace_pass(&w.trace, 800 * MS);
    assert_int_equal(rows_of(&w, "exhausted", &row), 1);
    assert_says(&w, row, "something has waited for pool.queue of name 1 for 1.5s");
    assert_int_equal(row->entities_count, 1);
    assert_int_equal(row->since_ns, w.trace.now_ns - 1500 * MS);
    trace_event(&w.trace, w.queue, U(0), U(1));
    trace_pass(&w.trace, 5 * SECOND);
    assert_false(row->active);
    uint64_t fired = 0;
    char *error = NULL;
    assert_int_equal(warnings_fired(w.model, "exhausted, leak", &fired, &error), 0);
    assert_int_equal(fired, 1);
    assert_int_equal(warnings_fired(w.model, "leak", &fired, &error), 0);
    assert_int_equal(fired, 0);
    assert_int_equal(warnings_fired(w.model, "any", &fired, &error), 0);
    assert_int_equal(fired, 1);
    assert_int_equal(warnings_fired(w.model, "exhausted,nosuch", &fired, &error), -EINVAL);
    assert_string_equal(error, "no warning is called 'nosuch'");
    free(error);
    end(&w);
}

static void starved_leak_stuck__by_time_alone(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_event(&w.trace, w.conn, U(4), U(2), U(ACTIVE));
    for (unsigned i = 0; i < 59; i++) {
        trace_event(&w.trace, w.conn, U(5), U(2), U(1 + i % 2));
        trace_pass(&w.trace, SECOND);
    }
    assert_int_equal(rows_of(&w, "starved", &row), 1);
    assert_string_equal(row->subject, "conn 3 of address 2");
    assert_int_equal(rows_of(&w, "stuck", NULL), 2);
    assert_int_equal(rows_of(&w, "leak", NULL), 0);
    trace_event(&w.trace, w.conn, U(3), U(2), U(IDLE));
    trace_pass(&w.trace, 4 * SECOND);
    assert_false(row->active);
    assert_int_equal(rows_of(&w, "leak", &row), 1);
    assert_says(&w, row, "conn 4 of address 2 has been busy for 1m3s, and nothing was heard of it");
    trace_event(&w.trace, w.ping, U(4)); /* now it was */
    trace_pass(&w.trace, 4 * SECOND);
    assert_false(row->active);
    end(&w);
}

static void starved_leak_stuck_open__events_only_counted__nothing_is_said_of_what_was_before(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    const uint32_t begins = trace_type(&w.trace, EVTRAIL_KIND_begin, 5, "db.query", "span:u64 parent:u64");
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_event(&w.trace, w.conn, U(4), U(2), U(ACTIVE));
    trace_event(&w.trace, begins, U(9), U(0));
    trace_pass(&w.trace, SECOND);
    model_counted(w.model, &w.trace.source, w.conn, 1000, 32000);
    trace_pass(&w.trace, SECOND);
    for (unsigned i = 0; i < 80; i++) {
        trace_event(&w.trace, w.conn, U(5), U(2), U(1 + i % 2));
        trace_pass(&w.trace, SECOND);
    }
    assert_int_equal(warnings_count(w.model), 0);
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING)); /* this is seen again */
    trace_event(&w.trace, begins, U(10), U(0));
    trace_pass(&w.trace, 20 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), 1);
    assert_int_equal(rows_of(&w, "open-span", NULL), 1);
    assert_int_equal(rows_of(&w, "leak", NULL), 0);
    end(&w);
}

/* What becomes of entities was seen in full; what else is about them was not. */
static void starved_leak__other_events_only_counted__only_states_are_judged(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_event(&w.trace, w.conn, U(4), U(2), U(ACTIVE));
    trace_pass(&w.trace, SECOND);
    model_counted(w.model, &w.trace.source, w.ping, 1000, 32000);
    trace_pass(&w.trace, 80 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), 1);
    assert_int_equal(rows_of(&w, "leak", NULL), 0);
    end(&w);
}

static void starved_leak_stuck_open__events_lost__nothing_is_said_of_what_was_before(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    const uint32_t begins = trace_type(&w.trace, EVTRAIL_KIND_begin, 5, "db.query", "span:u64 parent:u64");
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_event(&w.trace, begins, U(9), U(0));
    trace_pass(&w.trace, SECOND);
    trace_lost(&w.trace, EVTRAIL_CAUSE_overwritten, 10);
    trace_pass(&w.trace, 80 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), 0);
    assert_int_equal(rows_of(&w, "open-span", NULL), 0);
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_pass(&w.trace, 20 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), 1);
    end(&w);
}

static void retry_storm__of_one_type__clears_with_hysteresis(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    for (unsigned i = 0; i < 50; i++) { /* 5 a second: no storm */
        trace_event(&w.trace, w.retry, U(1), U(2));
        trace_pass(&w.trace, 200 * MS);
    }
    assert_int_equal(rows_of(&w, "retry-storm", NULL), 0);
    for (unsigned i = 0; i < 400; i++) {
        trace_event(&w.trace, w.retry, U(1), U(2));
        trace_pass(&w.trace, 50 * MS);
    }
    assert_int_equal(rows_of(&w, "retry-storm", &row), 1);
    assert_string_equal(row->subject, "pool.retry of name 1");
    assert_true(row->value > 15 && row->value < 25);
    for (unsigned i = 0; i < 300; i++) { /* 9 a second: nearly */
        trace_event(&w.trace, w.retry, U(1), U(2));
        trace_pass(&w.trace, 111 * MS);
    }
    assert_true(row->active);
    trace_pass(&w.trace, 20 * SECOND);
    assert_false(row->active);
    for (unsigned i = 0; i < 5000; i++) /* debug events are no retries */
        trace_event(&w.trace, w.ping, U(3));
    assert_int_equal(rows_of(&w, "retry-storm", NULL), 1);
    end(&w);
}

static void use(struct world *w, uint64_t conn, uint64_t address, unsigned times)
{
    while (times--) {
        trace_event(&w->trace, w->conn, conn, address, U(ACTIVE));
        trace_event(&w->trace, w->conn, conn, address, U(IDLE));
    }
}

static void unbalanced__siblings_that_are_parents__by_their_sums(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    trace_event(&w.trace, w.address, U(9), U(1), U(1));
    trace_event(&w.trace, w.conn, U(4), U(9), U(IDLE));
    for (unsigned i = 0; i < 40; i++) { /* as two to one */
        use(&w, 3, 2, 20);
        use(&w, 4, 9, 10);
        trace_pass(&w.trace, SECOND);
    }
    assert_int_equal(rows_of(&w, "unbalanced", NULL), 0);
    for (unsigned i = 0; i < 25; i++) {
        use(&w, 3, 2, 50);
        use(&w, 4, 9, 5);
        trace_pass(&w.trace, SECOND);
    }
    assert_int_equal(rows_of(&w, "unbalanced", &row), 1);
    assert_says(&w, row, "below name 1 one is used 10x as often as another");
    assert_int_equal(row->entities_count, 3);
    end(&w);
}

static void busy_loop__measured__over_a_window(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, NULL);
    for (unsigned i = 0; i < 300; i++) {
        trace_event(&w.trace, w.loop, U(1), U(99 * MS), U(1 * MS));
        trace_event(&w.trace, w.loop, U(2), U(50 * MS), U(50 * MS));
        trace_pass(&w.trace, 100 * MS);
    }
    assert_int_equal(rows_of(&w, "busy-loop", &row), 1);
    assert_says(&w, row, "loop 1 is busy for 99% of its time");
    end(&w);
}

static void open_span__one_row_a_name__until_it_ends(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, "[warnings]\nopen-span.of = * !server.run\n");
    const uint32_t begins = trace_type(&w.trace, EVTRAIL_KIND_begin, 5, "db.query", "span:u64 parent:u64");
    const uint32_t ends = trace_type(&w.trace, EVTRAIL_KIND_end, 5, "db.query", "span:u64");
    const uint32_t runs = trace_type(&w.trace, EVTRAIL_KIND_begin, 5, "server.run", "span:u64 parent:u64");
    trace_event(&w.trace, runs, U(1), U(0));
    trace_event(&w.trace, begins, U(2), U(1));
    trace_event(&w.trace, begins, U(3), U(1));
    trace_pass(&w.trace, 8 * SECOND);
    assert_int_equal(rows_of(&w, "open-span", NULL), 0);
    trace_pass(&w.trace, 4 * SECOND);
    assert_int_equal(rows_of(&w, "open-span", &row), 1);
    assert_string_equal(row->subject, "db.query (2 spans)");
    assert_in_range(row->since_ns, TRACE_START_NS - 100 * MS, TRACE_START_NS + 100 * MS);
    trace_event(&w.trace, ends, U(2));
    trace_pass(&w.trace, SECOND);
    assert_string_equal(row->subject, "db.query (span 3 of made-up:4001)");
    trace_event(&w.trace, ends, U(3));
    trace_pass(&w.trace, 5 * SECOND);
    assert_false(row->active);
    end(&w);
}

static void config__rules__are_switched_and_added(void **state)
{
    (void)state;
    struct world w;
    const struct warning *row = NULL;
    begin(&w, "[warnings]\n"
              "starved.threshold = 2s\n"
              "starved.of = pool.conn\n"
              "stuck = off\n"
              "[warning pings]\n"
              "when = pool.ping && conn == 3\n"
              "more_than = 5 per 10s\n"
              "by = pool.conn\n"
              "say = %s was pinged %v times\n"
              "[warning long-lent]\n"
              "rule = leak\n"
              "threshold = 3s\n"
              "of = pool.conn\n"
              "say = %s is kept for %v\n");
    char *error = NULL;
    assert_int_equal(warnings_config_check(w.config, &error), 0);
    trace_event(&w.trace, w.conn, U(3), U(2), U(WAITING));
    trace_event(&w.trace, w.conn, U(4), U(2), U(ACTIVE));
    trace_pass(&w.trace, 4 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), 1);
    assert_int_equal(rows_of(&w, "leak", NULL), 0);
    assert_int_equal(rows_of(&w, "long-lent", &row), 1);
    assert_says(&w, row, "conn 4 of address 2 is kept for 4s");
    for (unsigned i = 0; i < 5; i++) {
        trace_event(&w.trace, w.ping, U(3));
        trace_event(&w.trace, w.ping, U(4));
    }
    assert_int_equal(rows_of(&w, "pings", NULL), 0);
    trace_event(&w.trace, w.ping, U(3));
    assert_int_equal(rows_of(&w, "pings", &row), 1);
    assert_says(&w, row, "pool.ping of conn 3 was pinged 6 times");
    end(&w);
}

static void config__faults__are_told_with_their_place(void **state)
{
    (void)state;
    static const char *const faulty[] = {
        "[warnings]\nnosuch = off\n",        "[warnings]\nleak = perhaps\n",
        "[warnings]\nleak.threshold = 10\n", "[warnings]\nbusy-loop.threshold = much\n",
        "[warnings]\nleak.color = red\n",    "[warning x]\nmore_than = 5\n",
        "[warning x]\nwhen = (((\n",         "[warning x]\nwhen = a\nmore_than = 5 of\n",
        "[warning x]\nrule = nosuch\n",      "[warning leak]\nwhen = a\n"};
    for (unsigned i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        struct config *const config = config_of(faulty[i]);
        char *error = NULL;
        assert_int_equal(warnings_config_check(config, &error), -EINVAL);
        assert_non_null(error);
        print_message("%s\n", error);
        assert_non_null(strchr(error, ':'));
        free(error);
        struct model *model; /* it goes on without it */
        assert_int_equal(model_new(&model, &(struct model_options){.config = config}), 0);
        model_free(model);
        config_free(config);
    }
}

static void storm__of_subjects__has_few_rows_and_a_count(void **state)
{
    (void)state;
    struct world w;
    begin(&w, NULL);
    for (uint64_t i = 10; i < 10010; i++)
        trace_event(&w.trace, w.conn, i, U(2), U(WAITING));
    trace_pass(&w.trace, 20 * SECOND);
    assert_int_equal(rows_of(&w, "starved", NULL), WARNING_RULE_ROWS);
    const struct warning_rule *rule = NULL;
    for (uint32_t i = 0; i < warning_rules_count(w.model); i++)
        if (strcmp(warning_rule_at(w.model, i)->name, "starved") == 0)
            rule = warning_rule_at(w.model, i);
    assert_int_equal(rule->others, 10000 - WARNING_RULE_ROWS);
    for (uint64_t i = 10; i < 10010; i++)
        trace_event(&w.trace, w.gone, i);
    trace_pass(&w.trace, 20 * SECOND);
    assert_int_equal(warnings_active(w.model), 0);
    assert_int_equal(rule->others, 0);
    model_reset(w.model);
    assert_int_equal(warnings_count(w.model), 0);
    end(&w);
}

static void hostile__random_words_and_times__do_no_harm(void **state)
{
    (void)state;
    struct world w;
    uint64_t seed = 7, payload[8];
    begin(&w, "[warning pings]\nwhen = conn == 3 || depth > 5\nmore_than = 3 per 1s\nby = pool.*\n"
              "[warning idle-waits]\nrule = exhausted\nof = pool.conn\nthreshold = 1ms\n"
              "[warnings]\nunbalanced.of = pool.conn\nunbalanced.least = 0\nbusy-loop.of = pool.conn\n");
    const uint32_t types[] = {w.name, w.address, w.conn, w.gone, w.queue, w.retry, w.ping, w.loop};
    for (unsigned i = 0; i < 200000; i++) {
        for (unsigned j = 0; j < 8; j++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            payload[j] = seed >> 33 & (i & 3 ? 31 : UINT64_MAX);
        }
        struct evtrail_event event = trace_make(&w.trace, types[seed >> 40 & 7], "", payload);
        event.payload = payload;
        event.words = (uint32_t)(seed >> 50 & 7);
        event.time += (int64_t)(seed >> 34);
        w.trace.now_ns += MS;
        model_event(w.model, &event);
        if (i % 5000 == 0)
            trace_lost(&w.trace, (unsigned)(seed >> 20 & 15), seed >> 3);
    }
    assert_true(warnings_count(w.model) <= WARNING_ROWS_MAX);
    for (uint32_t i = 0; i < warnings_count(w.model); i++) {
        char text[64];
        warning_text(w.model, warning_at(w.model, i), text, sizeof text);
        assert_true(strlen(text) < sizeof text);
    }
    trace_source(&w.trace, true);
    trace_pass(&w.trace, 100 * SECOND);
    model_reset(w.model);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost__events__are_counted_by_cause),
        cmocka_unit_test(exhausted__queue_not_empty__for_longer_than_the_threshold),
        cmocka_unit_test(starved_leak_stuck__by_time_alone),
        cmocka_unit_test(starved_leak_stuck_open__events_only_counted__nothing_is_said_of_what_was_before),
        cmocka_unit_test(starved_leak__other_events_only_counted__only_states_are_judged),
        cmocka_unit_test(starved_leak_stuck_open__events_lost__nothing_is_said_of_what_was_before),
        cmocka_unit_test(retry_storm__of_one_type__clears_with_hysteresis),
        cmocka_unit_test(unbalanced__siblings_that_are_parents__by_their_sums),
        cmocka_unit_test(busy_loop__measured__over_a_window),
        cmocka_unit_test(open_span__one_row_a_name__until_it_ends),
        cmocka_unit_test(config__rules__are_switched_and_added),
        cmocka_unit_test(config__faults__are_told_with_their_place),
        cmocka_unit_test(hostile__random_words_and_times__do_no_harm),
        cmocka_unit_test(storm__of_subjects__has_few_rows_and_a_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
