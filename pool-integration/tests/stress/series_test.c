/* SPDX-License-Identifier: ISC
 *
 * Quantities over time while their buckets widen, and values and strings as text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"
#include "series.h"

#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

static void series__times_beyond_the_end__widen_and_keep_the_sum(void **state)
{
    struct axis axis;
    axis_init(&axis);
    struct series *const series = axis_series(&axis, false);
    for (int64_t i = 0; i < 100000; i++)
        series_add(series, axis_place(&axis, 5000 * MS + i * MS), 3);
    assert_int_equal(series_sum(series, 0, AXIS_BUCKETS), 300000);
    assert_true(axis.used <= AXIS_BUCKETS && axis.used > AXIS_BUCKETS / 2);
    assert_int_equal(axis.width_ns, 64 * MS);
    assert_int_equal(series_sum(series, 0, 1), 64 * 3);
    axis_fini(&axis);
    (void)state;
}

static void series__gauge__goes_on_where_nothing_changed(void **state)
{
    struct axis axis;
    axis_init(&axis);
    struct series *const series = axis_series(&axis, true);
    series_set(series, axis_place(&axis, 0), 4);
    series_set(series, axis_place(&axis, 10 * MS), 9);
    series_set(series, axis_place(&axis, 10 * MS), 2);
    assert_int_equal(series_last(series, 5), 4);
    assert_int_equal(series_last(series, 2000), 2);
    assert_int_equal(series_most(series, 3, 10), 4);
    assert_int_equal(series_most(series, 10, 11), 9);
    series_set(series, axis_place(&axis, 100000 * MS), 1); /* widens */
    assert_int_equal(series_most(series, 0, 1), 9);
    assert_int_equal(series_last(series, 1), 2);
    assert_int_equal(series_last(series, AXIS_BUCKETS), 1);
    axis_fini(&axis);
    (void)state;
}

static void series__times_of_a_liar__stay_within(void **state)
{
    struct axis axis;
    axis_init(&axis);
    struct series *const series = axis_series(&axis, false);
    const int64_t times[] = {0, INT64_MIN, INT64_MAX, -1, 1};
    for (unsigned i = 0; i < 5; i++) {
        const unsigned place = axis_place(&axis, times[i]);
        assert_true(place < AXIS_BUCKETS);
        series_add(series, place, 1);
    }
    assert_int_equal(series_sum(series, 0, AXIS_BUCKETS), 5);
    axis_fini(&axis);
    (void)state;
}

static void cells__quantiles__are_near(void **state)
{
    struct axis axis;
    axis_init(&axis);
    struct cells *const cells = axis_cells(&axis);
    for (unsigned i = 1; i <= 1000; i++)
        cells_add(cells, axis_place(&axis, i * 10 * MS), i * 1000);
    cells_add(cells, 0, 0);
    cells_add(cells, 0, UINT64_MAX);
    assert_in_range(cells_quantile(cells, 0, AXIS_BUCKETS, 0.5), 460000, 540000);
    assert_in_range(cells_quantile(cells, 0, AXIS_BUCKETS, 0.99), 900000, 1080000);
    assert_int_equal(cells_quantile(cells, AXIS_BUCKETS - 1, AXIS_BUCKETS, 0.5), 0);
    axis_fini(&axis);
    (void)state;
}

static void text__values__have_three_digits_and_a_unit(void **state)
{
    assert_string_equal(text_count(0).s, "0");
    assert_string_equal(text_count(1234567).s, "1,234,567");
    assert_string_equal(text_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
    assert_string_equal(text_value(0, UNIT_ns).s, "0 ns");
    assert_string_equal(text_value(1234, UNIT_ns).s, "1.23 µs");
    assert_string_equal(text_value(999.7, UNIT_ns).s, "1.00 µs");
    assert_string_equal(text_value(45600, UNIT_rate).s, "45.6 k/s");
    assert_string_equal(text_value(2.5, UNIT_seconds).s, "2.50 s");
    assert_string_equal(text_percent(1, 3).s, "33.3 %");
    assert_string_equal(text_percent(1, 0).s, "0 %");
    (void)state;
}

static void written(void (*write)(FILE *out, const char *text), const char *text, const char *wanted)
{
    char *got = NULL;
    size_t bytes = 0;
    FILE *const out = open_memstream(&got, &bytes);
    write(out, text);
    fclose(out);
    assert_string_equal(got, wanted);
    free(got);
}

static void write__hostile_strings__are_only_text(void **state)
{
    written(write_json, "</script>\"\\\n&", "\"\\u003c/script\\u003e\\\"\\\\\\u000a\\u0026\"");
    /* not UTF-8: a lone byte, an overlong slash, a surrogate, beyond the last, cut at the end */
    written(write_json, "a\xff", "\"a\xef\xbf\xbd\"");
    written(write_json, "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    written(write_json, "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    written(write_json, "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    written(write_json, "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    written(write_json, "→ ü 𝄞", "\"→ ü 𝄞\"");
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series__times_beyond_the_end__widen_and_keep_the_sum),
        cmocka_unit_test(series__gauge__goes_on_where_nothing_changed),
        cmocka_unit_test(series__times_of_a_liar__stay_within),
        cmocka_unit_test(cells__quantiles__are_near),
        cmocka_unit_test(text__values__have_three_digits_and_a_unit),
        cmocka_unit_test(write__hostile_strings__are_only_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
