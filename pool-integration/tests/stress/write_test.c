/* SPDX-License-Identifier: ISC
 *
 * Values and strings as text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"

#include <stdlib.h>
#include <string.h>

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
        cmocka_unit_test(text__values__have_three_digits_and_a_unit),
        cmocka_unit_test(write__hostile_strings__are_only_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
