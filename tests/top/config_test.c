/* SPDX-License-Identifier: ISC
 *
 * The configuration file: what it means, and that a fault is told with its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static char path[] = "/tmp/evtrail-config.XXXXXX";

static int load(struct config **config, const char *text, char **error)
{
    FILE *const file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return config_load(config, path, error);
}

static void sections__keys_and_remarks(void **state)
{
    (void)state;
    struct config *config;
    char *error = NULL;
    const char *value;
    assert_int_equal(
        load(&config,
             "# of mine\n[general]   # how\ninterval = 250ms # often\n mouse=off\n\n[filters]\r\n"
             "slow = dur > 10ms && name == \"#a\"\r\nhash = a#b\n[view pool]\nentities = a b\n[general]\nview = log",
             &error),
        0);
    assert_string_equal(config_get(config, "general", "interval"), "250ms");
    assert_string_equal(config_get(config, "general", "mouse"), "off");
    assert_string_equal(config_get(config, "general", "view"), "log");
    assert_string_equal(config_get(config, "filters", "slow"), "dur > 10ms && name == \"#a\"");
    assert_string_equal(config_get(config, "filters", "hash"), "a#b");
    assert_null(config_get(config, "general", "nothing"));
    assert_null(config_get(NULL, "general", "nothing"));
    assert_string_equal(config_key(config, "filters", 1, &value), "hash");
    assert_string_equal(value, "a#b");
    assert_null(config_key(config, "filters", 2, &value));
    assert_string_equal(config_section(config, 2), "view pool");
    assert_null(config_section(config, 3));
    assert_non_null(strstr(config_place(config, "general", "mouse"), ":4"));
    config_free(config);
}

static void fault__is_told_with_its_line(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\na = 1\n", "[a]\nx\n",  "[a]\n= 1\n",
                                        "\n[a\n",    "\n[a] x\n", "[a]\nx = 1\ny = 2\nx = 3\n"};
    static const char *const places[] = {":2:", ":2:", ":2:", ":2:", ":2:", ":4:"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config *config;
        char *error = NULL;
        assert_int_equal(load(&config, wrong[i], &error), -EINVAL);
        assert_non_null(error);
        assert_non_null(strstr(error, places[i]));
        free(error);
    }
}

static void file__absent_too_large_or_binary__is_refused(void **state)
{
    (void)state;
    struct config *config;
    char *error = NULL;
    char *const large = malloc(300 << 10);
    assert_int_equal(config_load(&config, "/nonexistent/top.conf", &error), -ENOENT);
    free(error);
    memset(large, '\n', 300 << 10);
    large[(300 << 10) - 1] = '\0';
    assert_int_equal(load(&config, large, &error), -E2BIG);
    free(error);
    free(large);
    assert_int_equal(config_load(&config, "/proc/self/exe", &error), -EINVAL);
    free(error);
}

int main(void)
{
    close(mkstemp(path));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections__keys_and_remarks),
        cmocka_unit_test(fault__is_told_with_its_line),
        cmocka_unit_test(file__absent_too_large_or_binary__is_refused),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
