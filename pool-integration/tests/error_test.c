/* SPDX-License-Identifier: ISC
 *
 * Error stacks: what they keep, how they print, how they are shared, and what is left of them without memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "error_builder.h"
#include "memory_fault.h"

#define MS UINT64_C(1000000)

static struct evpool_error *refused_three_times(void)
{
    struct error_duration duration;
    struct error_errno text;
    struct evpool_error *error = NULL;
    for (unsigned i = 1; i <= 3; i++)
        error =
            error_attempt(error, "tcp:127.0.0.1:8088", EVPOOL_ERROR_connect_refused, ECONNREFUSED, i, i * MS, 400000);
    error = error_wrap(error, EVPOOL_ERROR_connect_refused, ECONNREFUSED, 3 * MS, 0, "connect", "%s (connect)",
                       error_text(&text, -ECONNREFUSED));
    error = error_wrap(error, EVPOOL_ERROR_connect_refused, 0, 3 * MS, 400000, "attempt", "%s, attempt %u of %u, %s",
                       "tcp:127.0.0.1:8088", 3, 3, error_duration(&duration, 400000));
    error = error_wrap(error, EVPOOL_ERROR_connect_refused, 0, 3 * MS, 0, "name", "localhost:8088");
    return error_wrap(error, EVPOOL_ERROR_connect_refused, 0, 3 * MS, 731 * MS, "acquire", "after %u attempts over %s",
                      3, error_duration(&duration, 731 * MS));
}

static const char *printed(const struct evpool_error *error)
{
    static char text[4096];
    assert_true(evpool_error_print(error, text, sizeof(text)) < sizeof(text));
    return text;
}

static const char *as_json(const struct evpool_error *error)
{
    static char text[8192];
    assert_true(evpool_error_json(error, text, sizeof(text)) < sizeof(text));
    return text;
}

static void print__stack_of_the_header__reads_as_there(void **state)
{
    struct evpool_error *error = refused_three_times();
    assert_string_equal(printed(error),
                        "connection refused (connect) → tcp:127.0.0.1:8088, attempt 3 of 3, 0.4 ms → localhost:8088 → "
                        "after 3 attempts over 731 ms");
    evpool_error_free(error);
}

static void print__any_size__whole_characters_and_full_length(void **state)
{
    struct evpool_error *error = refused_three_times();
    const size_t length = strlen(printed(error));
    char whole[512], text[512];
    memcpy(whole, printed(error), length + 1);
    assert_int_equal(evpool_error_print(error, NULL, 0), length);
    for (size_t bytes = 1; bytes <= length + 1; bytes++) {
        memset(text, 'x', sizeof(text));
        assert_int_equal(evpool_error_print(error, text, bytes), length);
        assert_true(strlen(text) < bytes && strlen(text) + 3 >= bytes);
        assert_memory_equal(text, whole, strlen(text));
        assert_int_not_equal((unsigned char)whole[strlen(text)] & 0xc0, 0x80);
        assert_int_equal(text[bytes], 'x');
    }
    evpool_error_free(error);
}

static void print__control_characters_and_bad_utf8__one_valid_line(void **state)
{
    struct evpool_error *error =
        error_wrap(NULL, EVPOOL_ERROR_tls_name, 0, 1, 0, "tls", "a\nb\tc\x7f \xff \xc0\xaf \xed\xa0\x80 \xe2\x82 é €");
    assert_string_equal(printed(error), "a b c  \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
                                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd é €");
    evpool_error_free(error);
}

static void json__stack__lines_codes_and_attempts(void **state)
{
    struct evpool_error *error =
        error_attempt(NULL, "tcp:127.0.0.1:1", EVPOOL_ERROR_connect_refused, ECONNREFUSED, 1, 5, 7);
    error = error_wrap(error, EVPOOL_ERROR_connect_refused, ECONNREFUSED, 8, 9, "connect", "no");
    assert_string_equal(
        as_json(error),
        "{\"code\":\"connect_refused\",\"errno\":111,\"attempts_made\":1,"
        "\"lines\":[{\"code\":\"connect_refused\",\"errno\":111,\"at_ns\":8,\"took_ns\":9,\"layer\":\"connect\","
        "\"text\":\"no\"}],"
        "\"attempts\":[{\"address\":\"tcp:127.0.0.1:1\",\"code\":\"connect_refused\",\"errno\":111,\"number\":1,"
        "\"at_ns\":5,\"took_ns\":7}]}");
    evpool_error_free(error);
}

static void json__quotes_controls_and_bad_utf8__escaped(void **state)
{
    struct evpool_error *error = error_wrap(NULL, EVPOOL_ERROR_io, 0, 0, 0, "x", "\"\\\n\t\x01\xff€");
    assert_non_null(strstr(as_json(error), "\"text\":\"\\\"\\\\\\n\\t\\u0001\xef\xbf\xbd€\"}"));
    evpool_error_free(error);
}

static void json__no_error__ok_and_empty(void **state)
{
    assert_string_equal(as_json(NULL),
                        "{\"code\":\"ok\",\"errno\":0,\"attempts_made\":0,\"lines\":[],\"attempts\":[]}");
    assert_string_equal(printed(NULL), "ok");
}

static void read__stack__innermost_line_is_the_cause(void **state)
{
    struct evpool_error *error = error_wrap(NULL, EVPOOL_ERROR_connect_timeout, 0, 1, 2, "connect", "timed out");
    error = error_wrap(error, EVPOOL_ERROR_acquire_timeout, ETIMEDOUT, 3, 4, "acquire", "gave up");
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_connect_timeout);
    assert_int_equal(evpool_error_errno(error), ETIMEDOUT);
    assert_int_equal(evpool_error_lines(error), 2);
    assert_string_equal(evpool_error_line(error, 0)->text, "timed out");
    assert_string_equal(evpool_error_line(error, 1)->layer, "acquire");
    assert_int_equal(evpool_error_line(error, 1)->took_ns, 4);
    assert_null(evpool_error_line(error, 2));
    evpool_error_free(error);
}

static void read__null__is_no_error(void **state)
{
    assert_int_equal(evpool_error_code(NULL), EVPOOL_OK);
    assert_int_equal(evpool_error_errno(NULL), 0);
    assert_int_equal(evpool_error_lines(NULL) + evpool_error_attempts(NULL), 0);
    assert_null(evpool_error_line(NULL, 0));
    assert_null(evpool_error_attempt(NULL, 0));
    assert_null(evpool_error_ref(NULL));
    evpool_error_free(NULL);
}

static void code_name__every_code__its_token(void **state)
{
    assert_string_equal(evpool_code_name(EVPOOL_OK), "ok");
    assert_string_equal(evpool_code_name(EVPOOL_ERROR_connect_refused), "connect_refused");
    assert_string_equal(evpool_code_name(EVPOOL_ERROR_forked), "forked");
    assert_string_equal(evpool_code_name(EVPOOL_CODES), "unknown");
    assert_string_equal(evpool_code_name((enum evpool_code) - 1), "unknown");
}

static void attempt__more_than_sixteen__last_sixteen_kept_all_counted(void **state)
{
    struct evpool_error *error = NULL;
    for (unsigned i = 1; i <= 20; i++)
        error = error_attempt(error, i % 2 ? "odd" : "even", EVPOOL_ERROR_connect_failed, EIO, i, i, i);
    assert_int_equal(evpool_error_attempts(error), 20);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(evpool_error_attempt(error, i)->number, 5 + i);
        assert_string_equal(evpool_error_attempt(error, i)->address, (5 + i) % 2 ? "odd" : "even");
    }
    assert_null(evpool_error_attempt(error, 16));
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_connect_failed);
    evpool_error_free(error);
}

static void wrap__more_than_sixteen_lines__cause_and_newest_kept(void **state)
{
    struct evpool_error *error = NULL;
    for (unsigned i = 0; i < 40; i++)
        error = error_wrap(error, EVPOOL_ERROR_io, 0, 0, 0, "x", "line %u", i);
    assert_int_equal(evpool_error_lines(error), 16);
    assert_string_equal(evpool_error_line(error, 0)->text, "line 0");
    assert_string_equal(evpool_error_line(error, 1)->text, "line 25");
    assert_string_equal(evpool_error_line(error, 15)->text, "line 39");
    evpool_error_free(error);
}

static void wrap__error_shared__others_see_no_change(void **state)
{
    struct evpool_error *error = refused_three_times();
    struct evpool_error *other = evpool_error_ref(error);
    struct evpool_error *longer = error_wrap(error, EVPOOL_ERROR_acquire_timeout, 0, 0, 0, "acquire", "mine");
    assert_ptr_not_equal(longer, other);
    assert_int_equal(evpool_error_lines(other), 4);
    assert_int_equal(evpool_error_lines(longer), 5);
    assert_int_equal(evpool_error_attempts(longer), 3);
    evpool_error_free(longer);
    assert_non_null(strstr(printed(other), "731 ms"));
    evpool_error_free(other);
}

static void restart__lines_and_attempts__attempts_stay(void **state)
{
    struct evpool_error *error = error_restart(refused_three_times());
    assert_int_equal(evpool_error_lines(error), 0);
    assert_int_equal(evpool_error_attempts(error), 3);
    assert_string_equal(printed(error), "connect_refused");
    evpool_error_free(error);
    assert_null(error_restart(NULL));
}

static void *wrap_and_free(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        struct evpool_error *mine = error_wrap(evpool_error_ref(arg), EVPOOL_ERROR_io, 0, 0, 0, "x", "thread");
        assert_int_equal(evpool_error_lines(mine), 5);
        evpool_error_free(mine);
    }
    evpool_error_free(arg);
    return NULL;
}

static void ref__threads_share_one_error__each_has_its_own_story(void **state)
{
    struct evpool_error *error = refused_three_times();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wrap_and_free, evpool_error_ref(error)), 0);
    evpool_error_free(error);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void build__memory_ends_anywhere__an_error_and_no_leak(void **state)
{
    for (unsigned allowed = 0;; allowed++) {
        memory_fault_after(allowed);
        struct evpool_error *error = refused_three_times();
        struct evpool_error *copy = error_wrap(evpool_error_ref(error), EVPOOL_ERROR_io, 0, 0, 0, "x", "more");
        const unsigned failed = memory_fault_end();
        assert_non_null(error);
        assert_non_null(copy);
        const enum evpool_code code = evpool_error_code(error);
        assert_true(code == EVPOOL_ERROR_memory || code == EVPOOL_ERROR_connect_refused);
        assert_true(strlen(printed(error)) > 0);
        evpool_error_free(copy);
        evpool_error_free(error);
        if (!failed)
            return;
    }
}

static void build__no_memory_at_all__static_error_says_so(void **state)
{
    memory_fault_after(0);
    struct evpool_error *error = error_wrap(NULL, EVPOOL_ERROR_io, EIO, 0, 0, "x", "y");
    memory_fault_end();
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_memory);
    assert_int_equal(evpool_error_errno(error), ENOMEM);
    assert_string_equal(printed(error), "out of memory");
    struct evpool_error *more = error_wrap(evpool_error_ref(error), EVPOOL_ERROR_io, EIO, 0, 0, "x", "y");
    assert_string_equal(printed(more), "out of memory → y");
    assert_string_equal(printed(error), "out of memory");
    evpool_error_free(more);
    evpool_error_free(error);
}

static void of_connect__errnos__as_the_caller_can_act_on_them(void **state)
{
    static const struct {
        int error;
        enum evpool_code code;
    } cases[] = {{0, EVPOOL_OK},
                 {-ECONNREFUSED, EVPOOL_ERROR_connect_refused},
                 {ECONNREFUSED, EVPOOL_ERROR_connect_refused},
                 {-EHOSTUNREACH, EVPOOL_ERROR_connect_unreachable},
                 {-ENETUNREACH, EVPOOL_ERROR_connect_unreachable},
                 {-ETIMEDOUT, EVPOOL_ERROR_connect_timeout},
                 {-EMFILE, EVPOOL_ERROR_descriptors},
                 {-ENFILE, EVPOOL_ERROR_descriptors},
                 {-ENOMEM, EVPOOL_ERROR_memory},
                 {-ECANCELED, EVPOOL_ERROR_cancelled},
                 {-EACCES, EVPOOL_ERROR_connect_failed}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(error_of_connect(cases[i].error), cases[i].code);
}

static void duration__any__three_digits_and_a_unit(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {{0, "0 ns"},          {99, "99 ns"},         {400, "0.4 us"},       {99900, "99.9 us"},
                 {400000, "0.4 ms"},   {731 * MS, "731 ms"},  {731400000, "731 ms"}, {1500 * MS, "1.5 s"},
                 {10000 * MS, "10 s"}, {12345 * MS, "12.3 s"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(error_duration(&(struct error_duration){{0}}, cases[i].ns), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print__stack_of_the_header__reads_as_there),
        cmocka_unit_test(print__any_size__whole_characters_and_full_length),
        cmocka_unit_test(print__control_characters_and_bad_utf8__one_valid_line),
        cmocka_unit_test(json__stack__lines_codes_and_attempts),
        cmocka_unit_test(json__quotes_controls_and_bad_utf8__escaped),
        cmocka_unit_test(json__no_error__ok_and_empty),
        cmocka_unit_test(read__stack__innermost_line_is_the_cause),
        cmocka_unit_test(read__null__is_no_error),
        cmocka_unit_test(code_name__every_code__its_token),
        cmocka_unit_test(attempt__more_than_sixteen__last_sixteen_kept_all_counted),
        cmocka_unit_test(wrap__more_than_sixteen_lines__cause_and_newest_kept),
        cmocka_unit_test(wrap__error_shared__others_see_no_change),
        cmocka_unit_test(restart__lines_and_attempts__attempts_stay),
        cmocka_unit_test(ref__threads_share_one_error__each_has_its_own_story),
        cmocka_unit_test(build__memory_ends_anywhere__an_error_and_no_leak),
        cmocka_unit_test(build__no_memory_at_all__static_error_says_so),
        cmocka_unit_test(of_connect__errnos__as_the_caller_can_act_on_them),
        cmocka_unit_test(duration__any__three_digits_and_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
