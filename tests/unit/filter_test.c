/* SPDX-License-Identifier: ISC
 *
 * Filter expressions: what they match, what they may match, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reader/filter.h"
#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct evtrail_field fields[] = {
    {.name = "port", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u16, .role = EVTRAIL_ROLE_span},
    {.name = "host", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_string},
    {.name = "share", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_f64},
    {.name = "change", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_i64},
    {.name = "state",
     .unit = "",
     .doc = "",
     .enums = "0=idle,1=open,2=gone",
     .type = EVTRAIL_TYPE_enum,
     .role = EVTRAIL_ROLE_state},
    {.name = "level", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u64},
};
static const struct evtrail_event_type type = {.id = 20,
                                               .level = EVTRAIL_LEVEL_warning,
                                               .kind = EVTRAIL_KIND_end,
                                               .fields_count = 6,
                                               .name = "pool.conn.open",
                                               .doc = "",
                                               .file = "",
                                               .function = "",
                                               .fields = fields};

static struct evtrail_event make_event(uint64_t *words)
{
    static struct evtrail_source source = {.pid = 99, .command = "server"};
    static struct evtrail_label labels[4] = {{"request", "7f03"}};
    const double share = 0.25;
    words[0] = 443;
    words[1] = 9;
    memcpy(words + 2, "localhost\0\0\0\0\0\0\0", 16);
    memcpy(words + 4, &share, 8);
    words[5] = (uint64_t)-5;
    words[6] = 1;
    words[7] = UINT64_MAX;
    return (struct evtrail_event){.what = EVTRAIL_EVENT,
                                  .id = 20,
                                  .time = INT64_C(1000000000) * 500,
                                  .source = &source,
                                  .type = &type,
                                  .tid = 4711,
                                  .thread_name = "worker-3",
                                  .payload = words,
                                  .words = 8,
                                  .labels = labels,
                                  .duration = 2500000};
}

static bool matches(const char *text)
{
    uint64_t words[8];
    struct evtrail_filter *filter;
    char *error = NULL;
    const struct evtrail_event event = make_event(words);
    const int result = evtrail_filter_new(&filter, text, &error);
    if (result < 0)
        fail_msg("%s: %s", text, error);
    const bool match = evtrail_filter_match(filter, &event);
    int16_t *plan = evtrail_filter_plan(filter, &type);
    assert_int_equal(evtrail_filter_match_by(filter, plan, &event), match);
    free(plan);
    /* What matches must not have been ruled out before. */
    if (match) {
        assert_true(evtrail_filter_may_match(filter, event.source, &type, event.tid, event.time, event.time));
        assert_true(evtrail_filter_may_match(filter, NULL, NULL, 0, INT64_MIN, INT64_MAX));
    }
    evtrail_filter_free(filter);
    return match;
}

static void match__true_expressions__match(void **state)
{
    (void)state;
    static const char *const texts[] = {"pool.conn.open",
                                        "pool",
                                        "pool.conn",
                                        "pool.*",
                                        "*.open",
                                        "*",
                                        "port == 443",
                                        "port=443",
                                        "port != 80",
                                        "port > 442 && port < 444",
                                        "port >= 0x1bb",
                                        "port == 443.0",
                                        "port < 443.5",
                                        "host == localhost",
                                        "host == \"localhost\"",
                                        "host ~ local",
                                        "host ~ 'l*t'",
                                        "host != 'x'",
                                        "share < 0.5",
                                        "share == 0.25",
                                        "change < 0",
                                        "change == -5",
                                        "change > -6",
                                        "state == open",
                                        "state == 1",
                                        "state < gone",
                                        "state ~ pe",
                                        "level == warning",
                                        "level <= warning",
                                        "level < debug",
                                        "field.level > 18446744073709551614",
                                        "dur > 2ms",
                                        "dur < 3ms && dur >= 2500us",
                                        "tid == 4711",
                                        "thread == worker-3",
                                        "thread ~ work",
                                        "pid == 99",
                                        "process == server",
                                        "kind == end",
                                        "name == pool.conn.open",
                                        "name ~ \"*.open\"",
                                        "label.request == 7f03",
                                        "label.request ~ 7f",
                                        "time == @500",
                                        "time > @499.5",
                                        "!(port == 80)",
                                        "!host ~ x",
                                        "nothing || pool",
                                        "port == 80 || port == 443 && host ~ l",
                                        "(port == 80 || port == 443) && !(dur > 1s)",
                                        "  pool.conn.open  &&  ( port == 443 ) ",
                                        "port < 1K",
                                        "port == 0443",
                                        "pool and port == 443",
                                        "nothing or pool and not port == 80",
                                        "not (nothing or port == 80)",
                                        "android or pool",
                                        "host =~ 'l*'",
                                        "host !~ 'x*'",
                                        "host !~ x",
                                        "host != null",
                                        "port != null",
                                        "has(port)",
                                        "has(label.request) && has( dur )",
                                        "!has(absent)",
                                        "not has(cpu)",
                                        "ring == 0",
                                        "$span == 443",
                                        "$state == open"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!matches(texts[i]))
            fail_msg("does not match: %s", texts[i]);
}

static void match__false_expressions__do_not(void **state)
{
    (void)state;
    static const char *const texts[] = {"pool.con",
                                        "pool.conn.open.x",
                                        "conn",
                                        "port == 80",
                                        "port == -1",
                                        "port == https",
                                        "host == local",
                                        "host ~ 'L*'",
                                        "absent == 1",
                                        "absent != 1",
                                        "share > 0.25",
                                        "change >= 0",
                                        "state == idle",
                                        "state == closed",
                                        "level < warning",
                                        "level == info",
                                        "field.level < 5",
                                        "dur > 3ms",
                                        "tid == 1",
                                        "thread == worker",
                                        "pid != 99",
                                        "kind == begin",
                                        "label.other == x",
                                        "label.request == 7f",
                                        "time < @500",
                                        "cpu == 0",
                                        "!pool",
                                        "pool && nothing",
                                        "port == 443 && !(port == 443)",
                                        "host !~ local",
                                        "port !~ 443",
                                        "absent !~ x",
                                        "host == null",
                                        "port == null",
                                        "has(absent)",
                                        "has(label.other)",
                                        "has",
                                        "$flow == 1",
                                        "host ~ 'l?l*'",
                                        "not pool or ring == 7"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (matches(texts[i]))
            fail_msg("matches: %s", texts[i]);
}

static void new__malformed_text__einval_with_its_place(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      " ",     "&&",        "port ==",       "port == &&",  "(port == 1",  "port == 1)",
        "a b",   "a &&",  "a || || b", "level == loud", "time > soon", "host == \"x", "!",
        "a & b", "a | b", "== 1",      "port == 1 2",   "(",           ")",           "a &&& b",
        "has(",  "has()", "has(x",     "$no == 1",      "$span",       "a and",       "not",
        "or a",  "a !~"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct evtrail_filter *filter;
        char *error = NULL;
        assert_int_equal(evtrail_filter_new(&filter, texts[i], &error), -EINVAL);
        assert_non_null(error);
        assert_non_null(strstr(error, "column"));
        assert_null(strchr(error, '\n'));
        free(error);
        assert_int_equal(evtrail_filter_new(&filter, texts[i], NULL), -EINVAL);
    }
}

static void new__deep_and_long_text__bounded(void **state)
{
    (void)state;
    static char text[100000];
    struct evtrail_filter *filter;
    memset(text, '(', 3000);
    assert_int_equal(evtrail_filter_new(&filter, text, NULL), -EINVAL);
    memset(text, '!', 3000);
    assert_int_equal(evtrail_filter_new(&filter, text, NULL), -EINVAL);
    memset(text, 'a', sizeof(text) - 1);
    assert_int_equal(evtrail_filter_new(&filter, text, NULL), -EINVAL);
    text[0] = '\0';
    for (unsigned i = 0; i < 600; i++)
        strcat(text, "a || ");
    strcat(text, "a");
    assert_int_equal(evtrail_filter_new(&filter, text, NULL), -EINVAL);
}

static void new__beyond_the_limits__says_which(void **state)
{
    static char text[6000];
    struct evtrail_filter *filter;
    char *error = NULL;
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        strcat(text, "a || ");
    strcat(text, "a");
    assert_int_equal(evtrail_filter_new(&filter, text, &error), -EINVAL);
    assert_non_null(strstr(error, "more than 256 terms and operators at column "));
    free(error);
    memset(text, 'a', 5000);
    text[5000] = '\0';
    assert_int_equal(evtrail_filter_new(&filter, text, &error), -EINVAL);
    assert_string_equal(error, "the expression has 5000 bytes; at most 4095 can be");
    free(error);
}

/* 2^53 + 1 is no double. */
static void match__integers_beyond_2_53__exact(void **state)
{
    static const char *const equal[] = {"field.level == 9007199254740993",   "field.level == 0x20000000000001",
                                        "field.level == 9007199254740993ns", "field.level == 9007199254740993B",
                                        "field.level > 9007199254740992ns",  "field.level > 9007199254740992.0",
                                        "field.level != 9007199254740992.0", "field.level < 9007199254740994B"};
    (void)state;
    for (unsigned i = 0; i < sizeof(equal) / sizeof(equal[0]); i++) {
        struct evtrail_filter *filter;
        uint64_t words[8];
        const struct evtrail_event event = make_event(words);
        words[7] = UINT64_C(9007199254740993);
        assert_int_equal(evtrail_filter_new(&filter, equal[i], NULL), 0);
        if (!evtrail_filter_match(filter, &event))
            fail_msg("does not match: %s", equal[i]);
        words[7]--;
        if (i < 4 && evtrail_filter_match(filter, &event))
            fail_msg("matches 2^53: %s", equal[i]);
        evtrail_filter_free(filter);
    }
}

static void may_match__what_is_known__rules_out(void **state)
{
    (void)state;
    static const struct evtrail_source source = {.pid = 99, .command = "server"};
    static const struct {
        const char *text;
        bool may;
    } all[] = {{"pool", true},
               {"dns", false},
               {"!pool", false},
               {"!dns", true},
               {"port == 80", true},
               {"absent == 80", false},
               {"!(absent == 80)", true},
               {"level <= error", false},
               {"level <= warning", true},
               {"dns || port == 1", true},
               {"dns && port == 1", false},
               {"time > @20", false},
               {"time < @20", true},
               {"time > @15", true},
               {"pid == 98", false},
               {"tid == 5", false},
               {"tid == 4", true},
               {"kind == begin", false},
               {"dur > 1s", true}};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct evtrail_filter *filter;
        assert_int_equal(evtrail_filter_new(&filter, all[i].text, NULL), 0);
        if (evtrail_filter_may_match(filter, &source, &type, 4, INT64_C(10000000000), INT64_C(19000000000)) !=
            all[i].may)
            fail_msg("may match is wrong: %s", all[i].text);
        evtrail_filter_free(filter);
    }
}

static void needs_spans__only_with_dur(void **state)
{
    (void)state;
    struct evtrail_filter *filter;
    assert_int_equal(evtrail_filter_new(&filter, "pool && dur > 1ms", NULL), 0);
    assert_true(evtrail_filter_needs_spans(filter));
    evtrail_filter_free(filter);
    assert_int_equal(evtrail_filter_new(&filter, "pool && port == 1", NULL), 0);
    assert_false(evtrail_filter_needs_spans(filter));
    evtrail_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match__true_expressions__match),
        cmocka_unit_test(match__false_expressions__do_not),
        cmocka_unit_test(new__malformed_text__einval_with_its_place),
        cmocka_unit_test(new__deep_and_long_text__bounded),
        cmocka_unit_test(new__beyond_the_limits__says_which),
        cmocka_unit_test(match__integers_beyond_2_53__exact),
        cmocka_unit_test(may_match__what_is_known__rules_out),
        cmocka_unit_test(needs_spans__only_with_dur),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
