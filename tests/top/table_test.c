/* SPDX-License-Identifier: ISC
 *
 * Tables: order, cursor, searching, what fits, what is said, and their JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "views/table.h"

struct thing {
    const char *name;
    uint64_t id, count;
    double rate;
    unsigned depth;
};
static struct thing things[] = {{"alpha", 1, 10, 0.5, 0},
                                {"beta", 2, 3000, 12345, 1},
                                {"gamma", 3, 0, NAN, 2},
                                {"delta", 4, 1234567, 7, 1},
                                {"日本語", 5, 7, 1, 0}};
static size_t count = 5;
static const float history[] = {1, 2, 4};

static size_t rows(void *context)
{
    (void)context;
    return count;
}
static void *row_at(void *context, size_t index)
{
    (void)context;
    return &things[index];
}
static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return ((const struct thing *)row)->id;
}
static void value_of(void *context, const void *row, unsigned column, struct value *ret_value)
{
    (void)context;
    const struct thing *const thing = row;
    static const enum value_kind kinds[] = {VALUE_text, VALUE_count, VALUE_rate, VALUE_spark};
    ret_value->kind = kinds[column];
    if (column == 0)
        snprintf(ret_value->text, sizeof ret_value->text, "%s", thing->name);
    ret_value->exact = column == 1 ? thing->count : 0;
    ret_value->number = column == 2 ? thing->rate : 0;
    ret_value->values = history;
    ret_value->values_count = 3;
}
static bool silent(void *context, const void *row)
{
    (void)context;
    return ((const struct thing *)row)->count == 0;
}
static unsigned depth_of(void *context, const void *row)
{
    (void)context;
    return ((const struct thing *)row)->depth;
}
static const struct column columns[] = {
    {.name = "name", .title = "name", .width = -8, .kind = VALUE_text},
    {.name = "count", .title = "count", .width = 8, .align_right = 1, .descending = 1, .kind = VALUE_count},
    {.name = "rate", .title = "rate", .width = 6, .align_right = 1, .descending = 1, .kind = VALUE_rate},
    {.name = "spark", .title = "trend", .width = 5, .kind = VALUE_spark},
    {.name = NULL},
};
static const struct table_ops flat = {.name = "things",
                                      .columns = columns,
                                      .rows = rows,
                                      .row = row_at,
                                      .id = id_of,
                                      .value = value_of,
                                      .silent = silent};
static const struct table_ops tree = {.name = "things",
                                      .columns = columns,
                                      .rows = rows,
                                      .row = row_at,
                                      .id = id_of,
                                      .value = value_of,
                                      .depth = depth_of};

static char text[8192];

static const char *drawn(struct table *table, int height, int width)
{
    struct surface surface = {0};
    assert_int_equal(surface_resize(&surface, height, width), 0);
    table_update(table);
    table_draw(table, surface_area(&surface));
    surface_text(&surface, text, sizeof text);
    surface_fini(&surface);
    return text;
}

static uint64_t selected(struct table *table)
{
    const struct thing *const thing = table_selected(table);
    return thing ? thing->id : 0;
}

static void draw__rows_by_count_with_the_selected_one_marked(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    assert_string_equal(drawn(table, 6, 34), " name          count↓   rate trend\n"
                                             ">delta          1.23M      7   ▂▄█\n"
                                             " beta           3,000  12.3k   ▂▄█\n"
                                             " alpha             10   0.50   ▂▄█\n"
                                             " 日本語             7      1   ▂▄█\n"
                                             " gamma              0      -   ▂▄█\n");
    table_free(table);
}

static void draw__tree__has_its_lines(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &tree, NULL, NULL), 0);
    drawn(table, 6, 16);
    assert_string_equal(text, " name          →\n>alpha\n ├─ beta\n │  └─ gamma\n └─ delta\n 日本語\n");
    table_free(table);
}

static void draw__long_names__whole_where_there_is_room_and_steady(void **state)
{
    (void)state;
    static const struct thing short_one = {"delta", 4, 1234567, 7, 1},
                              long_one = {"stress.message.sent", 4, 1234567, 7, 1};
    struct table *table;
    assert_int_equal(table_new(&table, &tree, NULL, NULL), 0);
    things[3] = long_one;
    assert_non_null(strstr(drawn(table, 6, 60), "\n └─ stress.message.sent "));
    assert_non_null(strstr(drawn(table, 6, 30), "1.23M")); /* figures have a place, too */
    assert_null(strstr(text, "message.sent"));
    drawn(table, 6, 60);
    const ptrdiff_t before = strstr(text, "count") - text;
    things[3] = short_one;
    drawn(table, 6, 60);
    assert_int_equal(strstr(text, "count") - text, before);
    table_free(table);
}

static void cursor__stays_with_its_row_when_the_order_changes(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    drawn(table, 6, 40);
    assert_int_equal(selected(table), 4);
    assert_true(table_action(table, ACTION_down));
    assert_int_equal(selected(table), 2);
    assert_true(table_action(table, ACTION_sort_reverse));
    assert_int_equal(selected(table), 2);
    things[1].count = 1;
    table_update(table);
    assert_int_equal(selected(table), 2);
    things[1].count = 3000;
    assert_true(table_action(table, ACTION_last));
    assert_int_equal(selected(table), 4);
    assert_true(table_action(table, ACTION_first));
    assert_int_equal(selected(table), 3);
    count = 0;
    table_update(table);
    assert_null(table_selected(table));
    assert_true(table_action(table, ACTION_down));
    count = 5;
    table_free(table);
}

static void sort__by_each_column__what_is_absent_is_last(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    drawn(table, 6, 40);
    assert_true(table_action(table, ACTION_sort_next));
    assert_int_equal(selected(table), 2);
    assert_true(table_action(table, ACTION_last));
    assert_int_equal(selected(table), 3);
    assert_true(table_action(table, ACTION_sort_reverse));
    assert_true(table_action(table, ACTION_last));
    assert_int_equal(selected(table), 3);
    assert_true(table_action(table, ACTION_sort_next)); /* the sparkline is left out */
    assert_true(table_action(table, ACTION_first));
    assert_int_equal(selected(table), 1);
    table_free(table);
}

static void search__finds_around_the_end_and_says_if_nothing(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    drawn(table, 6, 40);
    table_search(table, "A");
    assert_int_equal(selected(table), 4);
    assert_true(table_action(table, ACTION_search_next));
    assert_int_equal(selected(table), 2);
    assert_true(table_action(table, ACTION_search_previous));
    assert_true(table_action(table, ACTION_search_previous));
    assert_int_equal(selected(table), 3);
    table_search(table, "nowhere");
    table_status(table, text, sizeof text);
    assert_string_equal(text, "5 of 5, by count, /nowhere not found");
    table_free(table);
}

static void silent__hidden__is_counted(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    drawn(table, 6, 40);
    assert_true(table_action(table, ACTION_silent));
    table_status(table, text, sizeof text);
    assert_string_equal(text, "1 of 4, by count, 1 silent hidden");
    table_free(table);
}

static void click__heading_sorts_and_row_is_selected(void **state)
{
    (void)state;
    struct table *table;
    assert_int_equal(table_new(&table, &flat, NULL, NULL), 0);
    drawn(table, 6, 34);
    assert_true(table_click(table, 2, 5));
    assert_int_equal(selected(table), 2);
    assert_true(table_click(table, 0, 2));
    drawn(table, 6, 34);
    assert_true(table_click(table, 1, 2));
    assert_int_equal(selected(table), 1);
    assert_false(table_click(table, 9, 2));
    table_free(table);
}

static void draw__any_size__stays_inside(void **state)
{
    (void)state;
    for (int height = 1; height < 8; height++)
        for (int width = 1; width < 50; width++) {
            struct table *table;
            assert_int_equal(table_new(&table, width % 2 ? &flat : &tree, NULL, NULL), 0);
            drawn(table, height, width);
            while (table_action(table, ACTION_right))
                drawn(table, height, width);
            table_action(table, ACTION_last);
            drawn(table, height, width);
            table_free(table);
        }
}

static void config__names_columns_and_order(void **state)
{
    (void)state;
    char path[] = "/tmp/evtrail-table.XXXXXX", *error;
    const int fd = mkstemp(path);
    static const char lines[] = "[columns]\nthings = rate what\nthings.sort = rate\n";
    assert_int_equal(write(fd, lines, sizeof lines - 1), sizeof lines - 1);
    close(fd);
    struct config *config;
    struct table *table;
    assert_int_equal(config_load(&config, path, &error), 0);
    assert_int_equal(table_new(&table, &flat, NULL, config), 0);
    drawn(table, 2, 24);
    assert_string_equal(text, " name              rate↑\n>alpha              0.50\n");
    table_status(table, text, sizeof text);
    assert_non_null(strstr(text, ":2: no column 'what'"));
    table_free(table);
    config_free(config);
    unlink(path);
}

static void json__has_all_columns_and_exact_numbers(void **state)
{
    (void)state;
    struct table *table;
    struct output out;
    const int fd = memfd_create("json", 0);
    assert_int_equal(table_new(&table, &tree, NULL, NULL), 0);
    assert_int_equal(output_init(&out, fd), 0);
    table_json(table, &out);
    output_fini(&out);
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    assert_non_null(strstr(text, "{\"name\":\"delta\",\"count\":1234567,\"rate\":7,\"depth\":1}"));
    assert_non_null(strstr(text, "{\"name\":\"gamma\",\"count\":0,\"rate\":null,\"depth\":2}"));
    close(fd);
    table_free(table);
}

/* ---- many rows ---- */

#define MANY 20000u
static struct thing many[MANY];

static size_t many_rows(void *context)
{
    (void)context;
    return MANY;
}
static void *many_at(void *context, size_t index)
{
    (void)context;
    return &many[index];
}
static const struct table_ops many_ops = {.name = "many",
                                          .columns = columns,
                                          .rows = many_rows,
                                          .row = many_at,
                                          .id = id_of,
                                          .value = value_of,
                                          .silent = silent};

static int by_rate(const void *a, const void *b)
{
    const struct thing *const left = a, *const right = b;
    if (left->rate != right->rate)
        return left->rate < right->rate ? 1 : -1;
    return (left->id > right->id) - (left->id < right->id);
}

static void order__of_many_rows__is_right_wherever_one_looks(void **state)
{
    (void)state;
    static struct thing sorted[MANY];
    struct table *table;
    srand(7);
    for (unsigned i = 0; i < MANY; i++)
        many[i] = (struct thing){.name = "x", .id = i + 1, .count = i, .rate = rand() % 500};
    memcpy(sorted, many, sizeof sorted);
    qsort(sorted, MANY, sizeof *sorted, by_rate);
    assert_int_equal(table_new(&table, &many_ops, NULL, NULL), 0);
    table_action(table, ACTION_sort_next);
    drawn(table, 24, 60);
    assert_true(table_action(table, ACTION_first));
    static const enum action moves[] = {ACTION_page_down, ACTION_last,  ACTION_up,
                                        ACTION_page_up,   ACTION_first, ACTION_down};
    size_t at = 0;
    for (unsigned i = 0; i < 400; i++) {
        const enum action action = moves[(unsigned)rand() % 6];
        table_action(table, action);
        at = action == ACTION_first       ? 0
             : action == ACTION_last      ? MANY - 1
             : action == ACTION_up        ? (at > 0 ? at - 1 : 0)
             : action == ACTION_down      ? (at + 1 < MANY ? at + 1 : MANY - 1)
             : action == ACTION_page_down ? (at + 23 < MANY ? at + 23 : MANY - 1)
                                          : (at > 23 ? at - 23 : 0);
        assert_int_equal(selected(table), sorted[at].id);
        if (i % 3 == 0)
            drawn(table, 24, 60);
        assert_int_equal(selected(table), sorted[at].id);
    }
    table_select(table, sorted[12345].id);
    assert_int_equal(selected(table), sorted[12345].id);
    table_action(table, ACTION_down);
    assert_int_equal(selected(table), sorted[12346].id);
    table_action(table, ACTION_sort_reverse);
    assert_int_equal(selected(table), sorted[12346].id);
    table_free(table);
}

static void value__as_text(void **state)
{
    (void)state;
    static const struct {
        struct value value;
        const char *text;
    } cases[] = {
        {{.kind = VALUE_none}, "-"},
        {{.kind = VALUE_count, .exact = 999}, "999"},
        {{.kind = VALUE_count, .exact = 123456}, "123,456"},
        {{.kind = VALUE_count, .number = 12345678}, "12.3M"},
        {{.kind = VALUE_rate, .number = 0.4}, "0.40"},
        {{.kind = VALUE_rate, .number = 999.9}, "1.00k"},
        {{.kind = VALUE_rate, .number = 0}, "0"},
        {{.kind = VALUE_bytes, .exact = 1536}, "1.50 KiB"},
        {{.kind = VALUE_duration, .exact = 1500}, "1.50us"},
        {{.kind = VALUE_duration, .exact = 61000000000}, "1m01s"},
        {{.kind = VALUE_duration, .exact = 90000000000000}, "1d01h"},
        {{.kind = VALUE_percent, .number = 99.7}, "100%"},
        {{.kind = VALUE_number, .number = 12.5, .text = "conns"}, "12.5 conns"},
        {{.kind = VALUE_number, .number = NAN}, "-"},
        {{.kind = VALUE_count, .number = 1e300}, ""},
    };
    for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++) {
        value_text(&cases[i].value, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    value_text(&cases[sizeof cases / sizeof *cases - 1].value, text, 10); /* no overflow */
    assert_true(strlen(text) < 10);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draw__rows_by_count_with_the_selected_one_marked),
        cmocka_unit_test(draw__tree__has_its_lines),
        cmocka_unit_test(draw__long_names__whole_where_there_is_room_and_steady),
        cmocka_unit_test(cursor__stays_with_its_row_when_the_order_changes),
        cmocka_unit_test(sort__by_each_column__what_is_absent_is_last),
        cmocka_unit_test(search__finds_around_the_end_and_says_if_nothing),
        cmocka_unit_test(silent__hidden__is_counted),
        cmocka_unit_test(click__heading_sorts_and_row_is_selected),
        cmocka_unit_test(draw__any_size__stays_inside),
        cmocka_unit_test(config__names_columns_and_order),
        cmocka_unit_test(json__has_all_columns_and_exact_numbers),
        cmocka_unit_test(order__of_many_rows__is_right_wherever_one_looks),
        cmocka_unit_test(value__as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
