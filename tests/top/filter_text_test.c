/* SPDX-License-Identifier: ISC
 *
 * Filters as they are typed: completed, and with saved ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include "filter_text.h"

#include "unit/file_gen.h"

#include <errno.h>

static char *directory;
static struct config *config;
static struct top top;

static int begin(void **state)
{
    static struct gen_source source;
    static struct gen_ring ring;
    struct evtrail_file *file;
    char *path, *error = NULL;
    (void)state;
    directory = gen_directory();
    path = gen_path(directory, "in.evt");
    gen_source_init(&source, 9);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&ring, 3000)), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    const struct feed_options options = {0};
    assert_int_equal(feed_new(&top.feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(top.feed, path), 0);
    while (feed_run(top.feed, INT64_MAX) != -ENODATA)
        ;
    free(path);
    path = gen_path(directory, "top.conf");
    FILE *text = fopen(path, "w");
    fputs("[filters]\nslow = dur > 10ms\nfirst = object == 1 || object == 2\n", text);
    fclose(text);
    assert_int_equal(config_load(&config, path, &error), 0);
    top.config = config;
    free(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    feed_free(top.feed);
    config_free(config);
    gen_directory_remove(directory);
    return 0;
}

/* Whether `wanted` is among what completes `typed`; *ret_count: of all. */
static bool completes(const char *typed, const char *wanted, size_t *ret_count)
{
    char found[512];
    bool there = false;
    size_t index = 0;
    for (; filter_complete(&top, NULL, typed, index, found, sizeof found); index++) {
        assert_int_equal(strncmp(found, typed, strlen(typed)), 0);
        there |= strcmp(found, wanted) == 0;
        assert_true(index < 10000);
    }
    *ret_count = index;
    return there;
}

static void complete__names_fields_words__from_the_schema(void **state)
{
    size_t count;
    (void)state;
    assert_true(completes("po", "pool", &count));
    assert_true(completes("po", "pool.step1", &count));
    assert_true(completes("!(pool.st", "!(pool.step1", &count));
    assert_true(completes("level <= info && ob", "level <= info && object", &count));
    assert_int_equal(count, 1);
    assert_true(completes("argum", "argument", &count));
    assert_true(completes("object == 3 && le", "object == 3 && level", &count));
    assert_true(completes("$en", "$entity", &count));
    assert_false(completes("zzz", "zzz", &count));
    assert_int_equal(count, 0);
}

static void complete__behind_a_comparison__values(void **state)
{
    size_t count;
    (void)state;
    assert_true(completes("level <= wa", "level <= warning", &count));
    assert_int_equal(count, 1);
    assert_true(completes("kind==", "kind==begin", &count));
    assert_true(completes("process == po", "process == pool", &count));
    assert_true(completes("pid == ", "pid == 9", &count));
    for (unsigned i = 0; i < 1000 && !completes("label.re", "label.request", &count); i++)
        usleep(10000); /* lines are looked through for as long as a key may take */
    assert_true(completes("label.re", "label.request", &count));
}

static void complete__saved__by_name(void **state)
{
    size_t count;
    (void)state;
    assert_true(completes("pool && @s", "pool && @slow", &count));
    assert_int_equal(count, 1);
}

static void expand__saved__in_parentheses(void **state)
{
    char *error = NULL;
    (void)state;
    char *text = filter_expand(config, "pool.* && !@first", &error);
    assert_string_equal(text, "pool.* && !(object == 1 || object == 2)");
    free(text);
    text = filter_expand(config, "time < @1795255200.5 && name == \"a @slow b\"", &error);
    assert_string_equal(text, "time < @1795255200.5 && name == \"a @slow b\"");
    free(text);
    assert_null(filter_expand(config, "@nothing", &error));
    assert_non_null(strstr(error, "@nothing"));
    free(error);
    text = filter_expand(NULL, "", NULL);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete__names_fields_words__from_the_schema),
        cmocka_unit_test(complete__behind_a_comparison__values),
        cmocka_unit_test(complete__saved__by_name),
        cmocka_unit_test(expand__saved__in_parentheses),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
