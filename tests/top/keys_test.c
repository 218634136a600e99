/* SPDX-License-Identifier: ISC
 *
 * Keys, sequences of them, and the actions they are bound to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "screen/keys.h"

static enum action press(struct keys *keys, uint32_t key)
{
    bool pending;
    return keys_action(keys, key, &pending);
}

static void default__every_action_has_keys_of_its_own(void **state)
{
    (void)state;
    struct keys *keys;
    assert_int_equal(keys_new(&keys), 0);
    for (enum action action = ACTION_none + 1; action < ACTIONS; action++) {
        char text[128], *error = NULL;
        size_t words = 1, listed = 1;
        for (const char *at = action_specs[action].keys; *at; at++)
            words += *at == ' ';
        assert_true(keys_text(keys, action, text, sizeof text) > 0);
        for (const char *at = text; (at = strstr(at, ", ")); at += 2)
            listed++;
        assert_int_equal(words, listed); /* else another action took one */
        assert_int_equal(keys_bind(keys, action_specs[action].name, action_specs[action].keys, &error), 0);
    }
    keys_free(keys);
}

static void sequence__is_kept_until_it_is_whole(void **state)
{
    (void)state;
    struct keys *keys;
    bool pending;
    assert_int_equal(keys_new(&keys), 0);
    assert_int_equal(keys_action(keys, 'g', &pending), ACTION_none);
    assert_true(pending);
    assert_int_equal(keys_action(keys, 'g', &pending), ACTION_first);
    assert_false(pending);
    press(keys, 'g');
    assert_int_equal(press(keys, 'j'), ACTION_down);
    press(keys, 'g');
    assert_int_equal(press(keys, KEYCODE_escape), ACTION_none);
    assert_int_equal(press(keys, KEYCODE_escape), ACTION_back);
    keys_free(keys);
}

static void bind__takes_the_key_from_who_had_it(void **state)
{
    (void)state;
    struct keys *keys;
    char *error = NULL, text[64];
    assert_int_equal(keys_new(&keys), 0);
    assert_int_equal(keys_bind(keys, "pause", "j ^x f5 space zz", &error), 0);
    assert_int_equal(press(keys, 'j'), ACTION_pause);
    assert_int_equal(press(keys, KEYCODE_down), ACTION_down);
    assert_int_equal(press(keys, 'X' & 0x1f), ACTION_pause);
    assert_int_equal(press(keys, KEYCODE_f1 + 4), ACTION_pause);
    keys_text(keys, ACTION_pause, text, sizeof text);
    assert_string_equal(text, "j, ^x, f5, space, zz");
    keys_free(keys);
}

static void bind__not_a_key_or_action__says_so_and_changes_nothing(void **state)
{
    (void)state;
    struct keys *keys;
    char *error = NULL;
    assert_int_equal(keys_new(&keys), 0);
    assert_int_equal(keys_bind(keys, "quit", "x f13", &error), -22);
    assert_non_null(strstr(error, "f13"));
    free(error);
    assert_int_equal(press(keys, 'q'), ACTION_quit);
    assert_int_equal(keys_bind(keys, "none", "x", &error), -22);
    free(error);
    assert_int_equal(keys_bind(keys, "nonsense", "x", &error), -22);
    assert_non_null(strstr(error, "nonsense"));
    free(error);
    keys_free(keys);
}

static void pressed__anything__ends(void **state)
{
    (void)state;
    struct keys *keys;
    assert_int_equal(keys_new(&keys), 0);
    srand(1);
    for (unsigned i = 0; i < 100000; i++)
        assert_true(press(keys, (uint32_t)rand() % 3 ? 'g' : (uint32_t)rand() % 0x120000) < ACTIONS);
    keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default__every_action_has_keys_of_its_own),
        cmocka_unit_test(sequence__is_kept_until_it_is_whole),
        cmocka_unit_test(bind__takes_the_key_from_who_had_it),
        cmocka_unit_test(bind__not_a_key_or_action__says_so_and_changes_nothing),
        cmocka_unit_test(pressed__anything__ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
