/* SPDX-License-Identifier: ISC
 *
 * The grid of cells: what fits, what is cut, what must not get in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <string.h>

#include "screen/surface.h"

static char text[4096];

static const char *shown(struct surface *surface)
{
    surface_text(surface, text, sizeof text);
    return text;
}

static struct area fresh(struct surface *surface, int rows, int columns)
{
    assert_int_equal(surface_resize(surface, rows, columns), 0);
    return surface_area(surface);
}

static void text__longer_than_its_room__ends_with_the_sign(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 1, 20);
    assert_int_equal(area_text(area, 0, 0, 5, STYLE_plain, "abcdefgh"), 5);
    assert_int_equal(area_text(area, 0, 6, 5, STYLE_plain, "abcde"), 5);
    assert_int_equal(area_text(area, 0, 12, -1, STYLE_plain, "abcdefghijk"), 8);
    assert_string_equal(shown(&surface), "abcd… abcde abcdefg…\n");
    surface_fini(&surface);
}

static void text__wide_characters__are_measured_and_never_halved(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 3, 10);
    assert_int_equal(text_columns("日本語"), 6);
    area_text(area, 0, 0, 5, STYLE_plain, "日本語");
    area_text(area, 0, 5, -1, STYLE_plain, "|");
    area_text(area, 1, 0, -1, STYLE_plain, "日本");
    area_text(area, 1, 1, 1, STYLE_plain, "x");
    area_text(area, 2, 0, -1, STYLE_plain, "日本");
    area_text(area, 2, 2, 1, STYLE_plain, "x");
    assert_string_equal(shown(&surface), "日本…|\n x本\n日x\n");
    surface_fini(&surface);
}

static void text__combining_character__stays_with_its_base(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 1, 4);
    assert_int_equal(area_text(area, 0, 0, -1, STYLE_plain, "e\u0301x"), 2);
    assert_string_equal(shown(&surface), "e\u0301x\n");
    surface_fini(&surface);
}

static void text__control_characters_and_bad_utf8__are_escaped(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 4, 40);
    area_text(area, 0, 0, -1, STYLE_plain, "a\x1b[31mb");
    area_text(area, 1, 0, -1, STYLE_plain, "\xff\xc0\x80\xe2\x82");
    area_text(area, 2, 0, -1, STYLE_plain, "a\u202eb \"q\" \\");
    area_text(area, 3, 0, -1, STYLE_plain, "a\nb\tc");
    for (const char *at = shown(&surface); *at; at++)
        assert_true(*at == '\n' || (unsigned char)*at >= 0x20);
    assert_null(strstr(text, "\u202e"));
    assert_non_null(strstr(text, "\"q\""));
    assert_non_null(strstr(text, "[31mb"));
    surface_fini(&surface);
}

static void ascii__shows_no_byte_beyond(void **state)
{
    (void)state;
    struct surface surface = {.ascii = true};
    struct area area = fresh(&surface, 3, 20);
    const float values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    area_text(area, 0, 0, -1, STYLE_plain, "日é");
    area_spark(area, 1, 0, 9, STYLE_plain, values, 9);
    area_bar(area, 2, 0, 10, STYLE_bar, 1, 2);
    area_glyph(area, 2, 11, STYLE_plain, GLYPH_tree, 3);
    assert_string_equal(shown(&surface), "???\n .,:-=+*#\n#####      `-\n");
    surface_fini(&surface);
}

static void spark__scales_to_the_largest_and_shows_the_newest(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 2, 10);
    const float values[] = {1000, 0, 0.001f, 4, 8};
    area_spark(area, 0, 0, 4, STYLE_plain, values, 5);
    area_spark(area, 1, 0, 8, STYLE_plain, values + 3, 2);
    assert_string_equal(shown(&surface), " ▁▄█\n      ▄█\n");
    surface_fini(&surface);
}

static void bar__more_than_nothing__is_seen(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = fresh(&surface, 3, 10);
    assert_int_equal(area_bar(area, 0, 0, 10, STYLE_bar, 0.00001, 1), 1);
    assert_int_equal(area_bar(area, 1, 0, 10, STYLE_bar, 5, 1), 10);
    assert_int_equal(area_bar(area, 2, 0, 10, STYLE_bar, 0, 1), 0);
    surface_fini(&surface);
}

static void area__part__is_cut_to_what_holds_it(void **state)
{
    (void)state;
    struct surface surface = {0};
    struct area area = area_part(fresh(&surface, 4, 10), 1, 2, 2, 100);
    assert_int_equal(area.columns, 8);
    assert_int_equal(area_text(area, 2, 0, -1, STYLE_plain, "below"), 0);
    assert_int_equal(area_text(area, -1, 0, -1, STYLE_plain, "above"), 0);
    assert_int_equal(area_text(area, 0, 8, -1, STYLE_plain, "right"), 0);
    assert_int_equal(area_part(area, 5, 50, -1, -1).rows, 0);
    area_right(area, 1, 0, 8, STYLE_plain, "12");
    assert_string_equal(shown(&surface), "\n\n        12\n\n");
    surface_fini(&surface);
}

static void resize__absurd_sizes__are_bounded(void **state)
{
    (void)state;
    struct surface surface = {0};
    assert_int_equal(surface_resize(&surface, 1 << 30, 1 << 30), 0);
    assert_true(surface.rows <= 1000 && surface.columns <= 2000);
    assert_int_equal(surface_resize(&surface, -1, 0), 0);
    assert_int_equal(surface.rows, 1);
    surface_fini(&surface);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__longer_than_its_room__ends_with_the_sign),
        cmocka_unit_test(text__wide_characters__are_measured_and_never_halved),
        cmocka_unit_test(text__combining_character__stays_with_its_base),
        cmocka_unit_test(text__control_characters_and_bad_utf8__are_escaped),
        cmocka_unit_test(ascii__shows_no_byte_beyond),
        cmocka_unit_test(spark__scales_to_the_largest_and_shows_the_newest),
        cmocka_unit_test(bar__more_than_nothing__is_seen),
        cmocka_unit_test(area__part__is_cut_to_what_holds_it),
        cmocka_unit_test(resize__absurd_sizes__are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
