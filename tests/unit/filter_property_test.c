/* SPDX-License-Identifier: ISC
 *
 * What may_match rules out must not match: random expressions, asked about random events with more and less known of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 6, EXPRESSIONS = 4000, EVENTS = 60, WORDS = 12 };

static uint64_t seed = 1;

static unsigned pick(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

static const char *one_of(const char *const *texts, unsigned count)
{
    return texts[pick(count)];
}
#define ONE_OF(array) one_of(array, sizeof(array) / sizeof((array)[0]))

static const char *const names[] = {"pool", "pool.conn", "pool.conn.open", "dns.query", "libc.malloc", "p"};
static const char *const patterns[] = {"pool", "pool.*", "*", "*.open", "dns", "p?ol.conn", "nothing"};
static const char *const operands[] = {"a",   "b",   "s",      "e",   "level",     "kind",    "name",  "dur",
                                       "tid", "pid", "thread", "cpu", "label.req", "process", "$span", "ring"};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">=", "~", "!~"};
static const char *const values[] = {"0", "1", "-1", "2.5", "x", "open", "null", "*", "4ms", "99", "begin", "true"};
static const char *const levels[] = {"critical", "error", "warning", "info", "debug", "trace"};
static const char *const times[] = {"@1", "@2", "@2.5", "@3", "@4"};

static void write_term(FILE *out)
{
    const char *operand = ONE_OF(operands);
    switch (pick(8)) {
    case 0:
    case 1:
        fputs(ONE_OF(patterns), out);
        return;
    case 2:
        fprintf(out, "has(%s)", operand);
        return;
    case 3:
        fprintf(out, "time %s %s", comparisons[pick(6)], ONE_OF(times));
        return;
    default:
        fprintf(out, "%s %s %s", operand, ONE_OF(comparisons),
                strcmp(operand, "level") ? ONE_OF(values) : ONE_OF(levels));
    }
}

static void write_expression(FILE *out, unsigned depth)
{
    const unsigned form = depth ? pick(5) : 4;
    if (form == 4) {
        write_term(out);
        return;
    }
    fputs(form == 0 ? "!(" : "(", out);
    write_expression(out, depth - 1);
    if (form != 0) {
        fputs(form == 1 ? " && " : form == 2 ? " or " : " || ", out);
        write_expression(out, depth - 1);
    }
    fputc(')', out);
}

static struct evtrail_field fields[TYPES][4];
static struct evtrail_event_type types[TYPES];

static void make_types(void)
{
    static const char *const field_names[] = {"a", "b", "s", "e"};
    static const uint8_t kinds[] = {EVTRAIL_TYPE_u64,  EVTRAIL_TYPE_i32, EVTRAIL_TYPE_string,
                                    EVTRAIL_TYPE_enum, EVTRAIL_TYPE_f64, EVTRAIL_TYPE_bytes};
    for (unsigned t = 0; t < TYPES; t++) {
        const unsigned count = pick(5);
        for (unsigned i = 0; i < count; i++)
            fields[t][i] = (struct evtrail_field){field_names[(i + t) % 4],  "", "", "0=x,1=open", kinds[pick(6)],
                                                  (uint8_t)(i == 0 && t % 2)};
        types[t] = (struct evtrail_event_type){.id = 16 + t,
                                               .level = (uint8_t)(1 + pick(6)),
                                               .kind = (uint8_t)(t == 0 ? EVTRAIL_KIND_end : pick(EVTRAIL_KINDS)),
                                               .fields_count = (uint16_t)count,
                                               .name = names[t],
                                               .fields = fields[t]};
    }
}

static void make_event(struct evtrail_event *event, struct evtrail_source *source, uint64_t *words)
{
    static const struct evtrail_label labels[4] = {{"req", "x"}};
    static const uint64_t some[] = {0, 1, 2, 99, EVTRAIL_NULL, UINT64_MAX, 4000000, 0x78};
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = some[pick(8)];
    *source = (struct evtrail_source){.pid = pick(3), .command = pick(2) ? "x" : "server"};
    *event = (struct evtrail_event){.what = EVTRAIL_EVENT,
                                    .time = INT64_C(500000000) * (1 + pick(8)),
                                    .source = source,
                                    .type = pick(8) ? &types[pick(TYPES)] : NULL,
                                    .tid = pick(4),
                                    .ring = pick(2),
                                    .thread_name = "x",
                                    .payload = words,
                                    .words = pick(WORDS + 1),
                                    .meta = pick(2) * 2,
                                    .cpu = pick(2),
                                    .labels = pick(2) ? labels : NULL,
                                    .duration = -1};
    if (event->type && event->type->kind == EVTRAIL_KIND_end && pick(2))
        event->duration = pick(5000000);
}

static void check(const struct evtrail_filter *filter, const char *text, unsigned *matched, unsigned *ruled_out)
{
    struct evtrail_event event;
    struct evtrail_source source;
    uint64_t words[WORDS];
    make_event(&event, &source, words);
    const bool open = pick(3) == 0;
    const int64_t from = open ? INT64_MIN : event.time - pick(2000000000),
                  to = open ? INT64_MAX : event.time + pick(2000000000);
    const bool may = evtrail_filter_may_match(filter, pick(2) ? &source : NULL, pick(2) ? event.type : NULL,
                                              pick(2) ? event.tid : 0, from, to);
    const bool match = evtrail_filter_match(filter, &event);
    *matched += match;
    *ruled_out += !may;
    if (match && !may)
        fail_msg("ruled out, yet it matches: %s", text);
}

static void may_match__random_expressions_and_events__never_rules_out_a_match(void **state)
{
    char text[4096];
    unsigned matched = 0, ruled_out = 0;
    for (unsigned round = 0; round < EXPRESSIONS; round++) {
        struct evtrail_filter *filter;
        char *error = NULL;
        make_types();
        FILE *out = fmemopen(text, sizeof(text), "w");
        write_expression(out, pick(5));
        fclose(out);
        if (evtrail_filter_new(&filter, text, &error) < 0)
            fail_msg("%s: %s", text, error);
        for (unsigned i = 0; i < EVENTS; i++)
            check(filter, text, &matched, &ruled_out);
        evtrail_filter_free(filter);
    }
    assert_true(matched > 1000); /* else this shows nothing */
    assert_true(ruled_out > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(may_match__random_expressions_and_events__never_rules_out_a_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
