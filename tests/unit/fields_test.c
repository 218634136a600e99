/* SPDX-License-Identifier: ISC
 *
 * Field names, units and bases out of a trace point's argument text.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>

#include "fields.h"

static struct evtrail_field_text fields[EVTRAIL_FIELDS_MAX];

/* `text` is the event's name and the arguments, as the macro has them. */
static int read_text(const char *text, const uint8_t *types, unsigned count)
{
    const struct evtrail_point point = {.name = "x", .args = text, .types = types, .fields_count = (uint8_t)count};
    return evtrail_fields_of(&point, fields);
}

static void is(unsigned index, const char *name, const char *unit, uint8_t type)
{
    const struct evtrail_field_text *f = &fields[index];
    if (f->name.bytes != strlen(name) || memcmp(f->name.start, name, f->name.bytes) != 0)
        fail_msg("field %u is %.*s, not %s", index, (int)f->name.bytes, f->name.start, name);
    if (f->unit.bytes != strlen(unit) || memcmp(f->unit.start, unit, f->unit.bytes) != 0)
        fail_msg("the unit of field %u is %.*s, not %s", index, (int)f->unit.bytes, f->unit.start, unit);
    assert_int_equal(f->type, type);
}

static void one(const char *argument, const char *name, const char *unit, uint8_t type)
{
    static const uint8_t u32 = EVTRAIL_TYPE_u32;
    char text[512];
    snprintf(text, sizeof(text), "\"a.b\", %s", argument);
    assert_int_equal(read_text(text, &u32, 1), 1);
    is(0, name, unit, type);
}

static void names__plain_members_and_calls__the_last_identifier(void **state)
{
    one("port", "port", "", EVTRAIL_TYPE_u32);
    one("  c->port ", "port", "", EVTRAIL_TYPE_u32);
    one("c.addr.port", "port", "", EVTRAIL_TYPE_u32);
    one("ntohs(c->port)", "port", "", EVTRAIL_TYPE_u32);
    one("*p", "p", "", EVTRAIL_TYPE_u32);
    one("(uint32_t)size", "size", "", EVTRAIL_TYPE_u32);
    one("table[3]", "table", "", EVTRAIL_TYPE_u32);
    one("f(a, g(b, c), (d))", "d", "", EVTRAIL_TYPE_u32);
    one("end - start", "start", "", EVTRAIL_TYPE_u32);
    one("a ? b : c", "c", "", EVTRAIL_TYPE_u32);
}

static void names__none_to_be_found__made_up(void **state)
{
    one("3", "arg1", "", EVTRAIL_TYPE_u32);
    one("\"text, with (commas] and \\\" quotes\"", "arg1", "", EVTRAIL_TYPE_u32);
    one("','", "arg1", "", EVTRAIL_TYPE_u32);
    one("0x1f + 2", "arg1", "", EVTRAIL_TYPE_u32);
    one("", "arg1", "", EVTRAIL_TYPE_u32);
}

static void wrappers__unit_base_and_name__taken_from_inside(void **state)
{
    one("EVTRAIL_NS(end - start)", "start", "ns", EVTRAIL_TYPE_u32);
    one("EVTRAIL_BYTES( c->size )", "size", "bytes", EVTRAIL_TYPE_u32);
    one("EVTRAIL_HEX(flags)", "flags", "", EVTRAIL_TYPE_x32);
    one("EVTRAIL_UNIT(f(a, b), \"m/s\")", "b", "m/s", EVTRAIL_TYPE_u32);
    one("EVTRAIL_AS(\"other\", a + b)", "other", "", EVTRAIL_TYPE_u32);
    one("EVTRAIL_AS(other, EVTRAIL_NS(a))", "other", "ns", EVTRAIL_TYPE_u32);
    one("EVTRAIL_NS(EVTRAIL_AS(\"other\", a))", "other", "ns", EVTRAIL_TYPE_u32);
    one("evtrail_bytes(key, key_size)", "key", "", EVTRAIL_TYPE_u32);
    one("EVTRAIL_NSA(x)", "x", "", EVTRAIL_TYPE_u32);
    one("EVTRAIL_UNIT(x, \"0123456789012345678901234567890123456789\")", "x", "0123456789012345678901234567890",
        EVTRAIL_TYPE_u32);
}

static void names__twice_or_too_long__made_unique(void **state)
{
    static const uint8_t types[] = {EVTRAIL_TYPE_i8, EVTRAIL_TYPE_i16, EVTRAIL_TYPE_i32, EVTRAIL_TYPE_i64};
    assert_int_equal(
        read_text(
            "\"n\", a->id, b->id, a_very_long_name_that_goes_on_and_on_until_it_is_longer_than_any_field_may_be, 7",
            types, 4),
        4);
    is(0, "id", "", EVTRAIL_TYPE_i8);
    is(1, "id_2", "", EVTRAIL_TYPE_i16);
    is(2, "a_very_lon_3", "", EVTRAIL_TYPE_i32);
    is(3, "arg4", "", EVTRAIL_TYPE_i64);
}

static void hex__of_each_width(void **state)
{
    static const uint8_t types[] = {EVTRAIL_TYPE_i8, EVTRAIL_TYPE_u16, EVTRAIL_TYPE_i64, EVTRAIL_TYPE_string};
    assert_int_equal(read_text("\"n\", EVTRAIL_HEX(a), EVTRAIL_HEX(b), EVTRAIL_HEX(c), EVTRAIL_HEX(d)", types, 4), 4);
    is(0, "a", "", EVTRAIL_TYPE_x8);
    is(1, "b", "", EVTRAIL_TYPE_x16);
    is(2, "c", "", EVTRAIL_TYPE_x64);
    is(3, "d", "", EVTRAIL_TYPE_string);
}

static void text__fewer_arguments_or_torn__never_read_beyond(void **state)
{
    static const uint8_t types[16] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    static const char *const texts[] = {"",
                                        "\"n\"",
                                        "\"n",
                                        "\"n\\",
                                        "(((",
                                        ")))",
                                        "'",
                                        "'\\",
                                        ",,,,",
                                        "\"n\", EVTRAIL_NS(",
                                        "\"n\", EVTRAIL_AS(",
                                        "\"n\", EVTRAIL_AS()",
                                        "\"n\", EVTRAIL_UNIT(x)",
                                        "\"n\", \"\\\""};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *exact = strdup(texts[i]); /* so that a sanitizer sees a step beyond */
        assert_int_equal(read_text(exact, types, 16), 16);
        free(exact);
    }
    assert_int_equal(read_text(NULL, types, 2), 2);
    is(0, "arg1", "", EVTRAIL_TYPE_u64);
}

static void names__of_a_kinds_parts__where_there_are_no_others(void **state)
{
    static const uint8_t types[4] = {9, 9, 17, 9};
    struct evtrail_point point = {
        .name = "x", .args = "\"n\", 7, 0, \"idle\", 3", .types = types, .fields_count = 4, .kind = EVTRAIL_KIND_state};
    assert_int_equal(evtrail_fields_of(&point, fields), 4);
    is(0, "id", "", 9);
    is(1, "parent", "", 9);
    is(2, "state", "", 17);
    is(3, "arg4", "", 9);
    point.kind = EVTRAIL_KIND_begin;
    point.args = "\"n\", order, 0, 5, 3";
    assert_int_equal(evtrail_fields_of(&point, fields), 4);
    is(0, "order", "", 9);
    is(1, "parent", "", 9);
    is(2, "arg3", "", 17);
    point.kind = 200;
    assert_int_equal(evtrail_fields_of(&point, fields), 4);
    is(1, "arg2", "", 9);
}

static void text__random__never_read_beyond(void **state)
{
    static const uint8_t types[16] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    static const char *const pieces[] = {"\"",
                                         "'",
                                         "\\",
                                         "(",
                                         ")",
                                         "[",
                                         "]",
                                         "{",
                                         "}",
                                         ",",
                                         " ",
                                         "a",
                                         "EVTRAIL_NS(",
                                         "EVTRAIL_AS(",
                                         "evtrail_bytes(",
                                         "EVTRAIL_UNIT(",
                                         "->",
                                         "9",
                                         "EVTRAIL_HEX("};
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[256] = "";
        for (int n = rand() % 16; n > 0; n--)
            strcat(text, pieces[(unsigned)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
        char *exact = strdup(text);
        assert_int_equal(read_text(exact, types, 16), 16);
        for (int i = 0; i < 16; i++)
            assert_true(fields[i].name.bytes > 0 && fields[i].name.bytes <= 63);
        free(exact);
    }
}

static void types__unknown__refused(void **state)
{
    static const uint8_t none[] = {0}, beyond[] = {EVTRAIL_TYPES};
    assert_true(read_text("\"n\", a", none, 1) < 0);
    assert_true(read_text("\"n\", a", beyond, 1) < 0);
    assert_true(read_text("\"n\", a", NULL, 1) < 0);
    assert_int_equal(read_text("\"n\"", NULL, 0), 0);
    assert_true(read_text("\"n\"", none, EVTRAIL_FIELDS_MAX + 1) < 0);
}

static void catalogue__enum_names_in_the_units_place__are_enums(void **state)
{
    static const struct evtrail_field_desc list[] = {
        {EVTRAIL_TYPE_enum, "state", "0=idle,1=open", "a state", NULL},
        {EVTRAIL_TYPE_enum, "other", "unit", NULL, "1=a"},
        {EVTRAIL_TYPE_string, NULL, NULL, NULL, NULL},
    };
    const struct evtrail_point point = {.name = "x", .fields = list, .fields_count = 3};
    assert_int_equal(evtrail_fields_of(&point, fields), 3);
    is(0, "state", "", EVTRAIL_TYPE_enum);
    assert_memory_equal(fields[0].enums.start, "0=idle,1=open", fields[0].enums.bytes);
    is(1, "other", "unit", EVTRAIL_TYPE_enum);
    is(2, "arg3", "", EVTRAIL_TYPE_string);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names__plain_members_and_calls__the_last_identifier),
        cmocka_unit_test(names__none_to_be_found__made_up),
        cmocka_unit_test(wrappers__unit_base_and_name__taken_from_inside),
        cmocka_unit_test(names__twice_or_too_long__made_unique),
        cmocka_unit_test(hex__of_each_width),
        cmocka_unit_test(text__fewer_arguments_or_torn__never_read_beyond),
        cmocka_unit_test(names__of_a_kinds_parts__where_there_are_no_others),
        cmocka_unit_test(text__random__never_read_beyond),
        cmocka_unit_test(types__unknown__refused),
        cmocka_unit_test(catalogue__enum_names_in_the_units_place__are_enums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
