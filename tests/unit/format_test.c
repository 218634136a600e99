/* SPDX-License-Identifier: ISC
 *
 * Events as text and JSON, and the quantities that people type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIELD(name_, type_, unit_, enums_) \
    { \
        .name = name_, .unit = unit_, .doc = "", .enums = enums_, .type = EVTRAIL_TYPE_##type_ \
    }

static const struct evtrail_field fields[] = {
    FIELD("port", u16, "", ""),
    FIELD("host", string, "", ""),
    FIELD("took", u64, "ns", ""),
    FIELD("size", u64, "bytes", ""),
    FIELD("share", f64, "", ""),
    FIELD("ok", bool, "", ""),
    FIELD("state", enum, "", "0=idle,1=open"),
    FIELD("at", pointer, "", ""),
    FIELD("raw", bytes, "", ""),
    FIELD("mask", x32, "", ""),
    FIELD("change", i64, "", ""),
};
static const struct evtrail_event_type type = {.id = 20,
                                               .level = EVTRAIL_LEVEL_info,
                                               .kind = EVTRAIL_KIND_instant,
                                               .fields_count = 11,
                                               .name = "pool.conn.open",
                                               .doc = "",
                                               .file = "",
                                               .function = "",
                                               .fields = fields};
static struct evtrail_source source = {.pid = 99, .command = "server"};
static struct evtrail_label labels[4];
static uint64_t words[32];

static struct evtrail_event make_event(const char *host, size_t length)
{
    const double share = 0.25;
    uint32_t n = 0;
    memset(words, 0, sizeof(words));
    memset(labels, 0, sizeof(labels));
    words[n++] = 443;
    words[n++] = length;
    memcpy(words + n, host, length);
    n += (uint32_t)(length + 7) / 8;
    words[n++] = 1234567;
    words[n++] = 1536;
    memcpy(words + n++, &share, 8);
    words[n++] = 1;
    words[n++] = 1;
    words[n++] = 0x7f00;
    words[n++] = 2;
    memcpy(words + n++, "\x01\xff", 2);
    words[n++] = 0xbeef;
    words[n++] = (uint64_t)-5;
    return (struct evtrail_event){.what = EVTRAIL_EVENT,
                                  .id = 20,
                                  .time = INT64_C(1795255200123456789),
                                  .source = &source,
                                  .type = &type,
                                  .tid = 4711,
                                  .thread_name = "worker",
                                  .payload = words,
                                  .words = n,
                                  .labels = labels,
                                  .duration = -1};
}

static const char *text_of(const struct evtrail_event *event, const struct evtrail_format_options *options)
{
    static char text[4096];
    const size_t bytes = evtrail_format_text(event, options, text, sizeof(text) - 1);
    assert_true(bytes < sizeof(text));
    text[bytes] = '\0';
    return text;
}

static const char *json_of(const struct evtrail_event *event)
{
    static char text[4096];
    const size_t bytes = evtrail_format_json(event, NULL, text, sizeof(text) - 1);
    assert_true(bytes < sizeof(text));
    text[bytes] = '\0';
    return text;
}

static void text__all_field_types__as_documented(void **state)
{
    (void)state;
    const struct evtrail_event event = make_event("localhost", 9);
    struct evtrail_format_options options = {.bytes = sizeof(options), .time = EVTRAIL_TIME_none};
    assert_string_equal(
        text_of(&event, &options),
        "worker:4711 info       pool.conn.open port=443 host=\"localhost\" took=1234567 size=1536 share=0.25 ok=true "
        "state=open at=0x7f00 raw=<01ff> mask=0xbeef change=-5\n");
    options.human = true;
    assert_non_null(strstr(text_of(&event, &options), "took=1.234ms size=1.5KiB"));
}

static void text__options_of_an_older_header__rest_is_default(void **state)
{
    (void)state;
    const struct evtrail_event event = make_event("localhost", 9);
    char text[4096];
    struct evtrail_format_options options = {
        .bytes = offsetof(struct evtrail_format_options, process), .time = EVTRAIL_TIME_none, .string_max = 4};
    strcpy(text, text_of(&event, &options));
    memset(&options.process, 1, sizeof(options) - offsetof(struct evtrail_format_options, process));
    assert_string_equal(text_of(&event, &options), text);
    assert_non_null(strstr(text, "host=\"loca\"..."));
}

static void text__hostile_string__only_printable_bytes(void **state)
{
    (void)state;
    const char host[] = "a\n\x1b[31m\"\\\xff\xc3\xa9\x7f";
    const struct evtrail_event event = make_event(host, sizeof(host) - 1);
    const char *text = text_of(&event, NULL);
    assert_non_null(strstr(text, "host=\"a\\n\\x1b[31m\\\"\\\\\\xff\xc3\xa9\\x7f\""));
    for (; *text; text++)
        assert_true((unsigned char)*text >= 0x20 || (*text == '\n' && !text[1]));
}

static void text__small_buffer__counts_what_does_not_fit(void **state)
{
    (void)state;
    const struct evtrail_event event = make_event("localhost", 9);
    const size_t whole = strlen(text_of(&event, NULL));
    for (size_t size = 0; size < whole; size++) {
        char text[1024];
        memset(text, 0x55, sizeof(text));
        assert_int_equal(evtrail_format_text(&event, NULL, text, size), whole);
        assert_int_equal(text[size], 0x55);
    }
}

static void text__loss__says_how_many_and_why(void **state)
{
    (void)state;
    struct evtrail_event event = make_event("x", 1);
    event.what = EVTRAIL_EVENT_LOST;
    event.lost = 1234;
    event.cause = EVTRAIL_CAUSE_overwritten;
    event.lost_since = event.time - 3200000;
    assert_non_null(strstr(text_of(&event, NULL), "*** lost 1,234 events (overwritten) in 3.2ms ***"));
    event.lost_since = event.time;
    assert_non_null(strstr(text_of(&event, NULL), "*** lost 1,234 events (overwritten) in an unknown time ***"));
    event.lost_since = event.time - 3200000;
    event.what = EVTRAIL_EVENT_SOURCE;
    assert_non_null(strstr(text_of(&event, NULL), "*** server:99 joined ***"));
}

static void json__all_field_types__as_documented(void **state)
{
    (void)state;
    struct evtrail_event event = make_event("localhost", 9);
    event.duration = 2500;
    event.meta = 2 | 4;
    event.cpu = 3;
    event.caller = 0x1000;
    strcpy(labels[1].key, "request");
    strcpy(labels[1].value, "7f");
    assert_string_equal(json_of(&event), "{\"time\":\"2026-11-21T10:00:00.123456789Z\",\"ns\":1795255200123456789,"
                                         "\"pid\":99,\"process\":\"server\",\"tid\":4711,"
                                         "\"thread\":\"worker\",\"level\":\"info\",\"kind\":\"instant\",\"name\":"
                                         "\"pool.conn.open\",\"fields\":{\"port\":443,"
                                         "\"host\":\"localhost\",\"took\":1234567,\"size\":1536,\"share\":0.25,\"ok\":"
                                         "true,\"state\":\"open\",\"at\":\"0x7f00\","
                                         "\"raw\":\"01ff\",\"mask\":48879,\"change\":-5},\"dur\":2500,\"cpu\":3,"
                                         "\"caller\":\"0x1000\",\"labels\":{\"request\":\"7f\"}}\n");
}

static void json__hostile_string__escaped_and_valid_utf8(void **state)
{
    (void)state;
    const char host[] = "a\n\x1b\"\\\xff\xc3\xa9\xed\xa0\x80";
    const struct evtrail_event event = make_event(host, sizeof(host) - 1);
    const char *text = json_of(&event);
    assert_non_null(strstr(text, "\xc3\xa9"));
    assert_null(strchr(text, 0x1b));
    assert_null(strstr(text, "\xff"));
    assert_null(strstr(text, "\xed\xa0"));
    assert_non_null(strstr(text, "\\ufffd"));
    assert_non_null(strstr(text, "\\\"\\\\"));
}

static void json__not_a_number__null(void **state)
{
    (void)state;
    struct evtrail_event event = make_event("", 0);
    const double nan = (double)NAN;
    memcpy(words + 4, &nan, 8);
    assert_non_null(strstr(json_of(&event), "\"share\":null"));
    event.type = NULL;
    event.words = 2;
    assert_non_null(strstr(json_of(&event), "\"id\":20,\"words\":[443,0]"));
}

static void json__cut_event__leaves_out_what_is_missing(void **state)
{
    (void)state;
    struct evtrail_event event = make_event("localhost", 9);
    const uint32_t all = event.words;
    for (uint32_t n = 0; n <= all; n++) {
        event.words = n;
        const char *text = json_of(&event);
        assert_true(text[strlen(text) - 2] == '}');
        text_of(&event, NULL);
    }
    event.words = 1;
    assert_non_null(strstr(json_of(&event), "\"fields\":{\"port\":443}"));
}

static void parse__sizes__as_documented(void **state)
{
    (void)state;
    uint64_t bytes;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"65536", 65536},
                {"64K", 65536},
                {"64KiB", 65536},
                {"1.5M", 1572864},
                {"2G", UINT64_C(2) << 30},
                {"1TiB", UINT64_C(1) << 40},
                {"10B", 10},
                {"9007199254740993", UINT64_C(9007199254740993)}, /* 2^53 + 1 is no double */
                {"9223372036854775807", INT64_MAX},
                {"0", 0}};
    static const char *const wrong[] = {"", "K", "-1", "1X", "1 K", "0x10", "1e3", "inf", "1K1"};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(evtrail_parse_size(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(evtrail_parse_size(wrong[i], &bytes), -EINVAL);
    assert_int_equal(evtrail_parse_size("99999999999T", &bytes), -ERANGE);
    assert_int_equal(evtrail_parse_size("9223372036854775808", &bytes), -ERANGE);
    assert_int_equal(evtrail_parse_size("99999999999999999999999", &bytes), -ERANGE);
}

static void parse__durations__as_documented(void **state)
{
    (void)state;
    int64_t ns;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"250ns", 250},
                {"3us", 3000},
                {"2.5ms", 2500000},
                {"10s", INT64_C(10000000000)},
                {"5m", INT64_C(300000000000)},
                {"1h30m", INT64_C(5400000000000)},
                {"2d", INT64_C(172800000000000)},
                {"9007199254740993ns", INT64_C(9007199254740993)},
                {"104d5h59m59s254.740993ms", INT64_C(9007199254740993)},
                {"0.0000000005s", 1}, /* rounded */
                {"0", 0}};
    static const char *const wrong[] = {"", "5", "s", "-1s", "1s2", "1 s", "1y"};
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(evtrail_parse_duration(good[i].text, &ns), 0);
        assert_int_equal(ns, good[i].ns);
    }
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(evtrail_parse_duration(wrong[i], &ns), -EINVAL);
    assert_int_equal(evtrail_parse_duration("999999999d", &ns), -ERANGE);
}

static void parse__moments__as_documented(void **state)
{
    (void)state;
    const int64_t now = INT64_C(1795255200000000000); /* 2026-11-21 10:00:00 UTC */
    int64_t ns;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"2026-11-21 10:00:00Z", INT64_C(1795255200000000000)},
                {"2026-11-21T10:00:00.5Z", INT64_C(1795255200500000000)},
                {"2026-11-21T11:00:00+01:00", INT64_C(1795255200000000000)},
                {"@1795255200.25", INT64_C(1795255200250000000)},
                {"now", INT64_C(1795255200000000000)},
                {"-5m", INT64_C(1795254900000000000)},
                {"+5m", INT64_C(1795255500000000000)},
                {"2026-11-21", INT64_C(1795219200000000000)},
                {"10:00", INT64_C(1795255200000000000)},
                {"10:00:00.25", INT64_C(1795255200250000000)}};
    static const char *const wrong[] = {"",       "soon", "@", "@x", "@-5", "-", "2026-11-21 10:00:00X", "25:00:00:00",
                                        "10:00+1"};
    setenv("TZ", "UTC", 1);
    tzset();
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (evtrail_parse_time(good[i].text, now, &ns) != 0 || ns != good[i].ns)
            fail_msg("%s", good[i].text);
    }
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (evtrail_parse_time(wrong[i], now, &ns) != -EINVAL)
            fail_msg("%s", wrong[i]);
}

/* Times come from files; under the undefined-behaviour sanitizer this is more than a look at the digits. */
static void time__ends_of_the_range__no_overflow(void **state)
{
    char text[64] = ""; /* formatting adds no NUL */
    (void)state;
    evtrail_format_time(INT64_MIN, EVTRAIL_TIME_utc, 0, text, sizeof(text));
    assert_string_equal(text, "1677-09-21T00:12:43.145224192Z");
    evtrail_format_time(INT64_MAX, EVTRAIL_TIME_utc, 0, text, sizeof(text));
    assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
    for (uint32_t style = 0; style < 6; style++)
        evtrail_format_time(INT64_MIN, style, INT64_MAX, text, sizeof(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time__ends_of_the_range__no_overflow),
        cmocka_unit_test(text__all_field_types__as_documented),
        cmocka_unit_test(text__options_of_an_older_header__rest_is_default),
        cmocka_unit_test(text__hostile_string__only_printable_bytes),
        cmocka_unit_test(text__small_buffer__counts_what_does_not_fit),
        cmocka_unit_test(text__loss__says_how_many_and_why),
        cmocka_unit_test(json__all_field_types__as_documented),
        cmocka_unit_test(json__hostile_string__escaped_and_valid_utf8),
        cmocka_unit_test(json__not_a_number__null),
        cmocka_unit_test(json__cut_event__leaves_out_what_is_missing),
        cmocka_unit_test(parse__sizes__as_documented),
        cmocka_unit_test(parse__durations__as_documented),
        cmocka_unit_test(parse__moments__as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
