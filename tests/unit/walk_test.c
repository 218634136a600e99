/* SPDX-License-Identifier: ISC
 *
 * The record walk: ticks, lengths, and what is malformed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "reader/walk.h"

static uint64_t header(uint64_t ticks, unsigned id, unsigned size)
{
    return ticks << 20 | (uint64_t)id << 6 | size;
}

static void walk__plain_records__ids_words_and_ticks(void **state)
{
    const uint64_t words[] = {header(1005, 16, 1), 7, header(995, 16383, 0), header(1010, 4, 2), 1, 2};
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, words, 6, 1000);
    assert_true(evtrail_walk_next(&walk));
    assert_int_equal(walk.id, 16);
    assert_int_equal(walk.ticks, 1005);
    assert_int_equal(walk.words, 1);
    assert_int_equal(walk.payload[0], 7);
    assert_true(evtrail_walk_next(&walk));
    assert_int_equal(walk.id, 16383);
    assert_int_equal(walk.ticks, 995);
    assert_int_equal(walk.words, 0);
    assert_true(evtrail_walk_next(&walk));
    assert_int_equal(walk.id, EVTRAIL_RECORD_THREAD);
    assert_int_equal(walk.words, 2);
    assert_false(evtrail_walk_next(&walk));
    assert_null(walk.fault);
}

static void walk__ticks_wrap_44_bits__nearest_to_the_reference(void **state)
{
    const uint64_t wrap = UINT64_C(1) << 44, half = wrap / 2;
    const uint64_t references[] = {0, 5, half, wrap - 1, wrap, 7 * wrap + 123, UINT64_MAX - 3, UINT64_C(1) << 63};
    const int64_t distances[] = {0, 1, -1, 1000000, -1000000, (int64_t)half - 1, -(int64_t)half};
    for (unsigned r = 0; r < 8; r++) {
        for (unsigned d = 0; d < 7; d++) {
            uint64_t ticks = references[r] + (uint64_t)distances[d];
            const uint64_t word = header(ticks, 20, 0);
            struct evtrail_walk walk;
            evtrail_walk_init(&walk, &word, 1, references[r]);
            assert_true(evtrail_walk_next(&walk));
            assert_true(walk.ticks == ticks);
        }
    }
}

static void walk__time_record__new_reference(void **state)
{
    const uint64_t far = UINT64_C(1) << 60;
    const uint64_t words[] = {header(0, 1, 1), far, header(far + 9, 20, 0)};
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, words, 3, 0);
    assert_true(evtrail_walk_next(&walk));
    assert_true(walk.ticks == far);
    assert_true(evtrail_walk_next(&walk));
    assert_true(walk.ticks == far + 9);
    assert_true(walk.reference == far);
}

static void walk__large_record__length_in_the_first_word(void **state)
{
    uint64_t words[2 + 100 + 1] = {header(1, 30, 63), UINT64_C(0xffffffff) << 32 | 100};
    words[102] = header(2, 31, 0);
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, words, 103, 0);
    assert_true(evtrail_walk_next(&walk));
    assert_int_equal(walk.words, 100);
    assert_ptr_equal(walk.payload, words + 2);
    assert_true(evtrail_walk_next(&walk));
    assert_int_equal(walk.id, 31);
}

static void walk_faults(const uint64_t *words, size_t count, unsigned good)
{
    uint64_t *exact = malloc(count * 8); /* so that the sanitizer sees one word too far */
    memcpy(exact, words, count * 8);
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, exact, count, 0);
    unsigned seen = 0;
    while (evtrail_walk_next(&walk))
        seen++;
    assert_int_equal(seen, good);
    assert_non_null(walk.fault);
    assert_false(evtrail_walk_next(&walk));
    free(exact);
}

static void walk__malformed__ends_with_a_fault(void **state)
{
    walk_faults((uint64_t[]){0}, 1, 0);
    walk_faults((uint64_t[]){header(1, 16, 0), header(1, 16, 1)}, 2, 1);
    walk_faults((uint64_t[]){header(1, 16, 63)}, 1, 0);
    walk_faults((uint64_t[]){header(1, 16, 63), 0xffffffff}, 2, 0);
    walk_faults((uint64_t[]){header(1, 16, 62), 1, 2}, 3, 0);
    walk_faults((uint64_t[]){header(1, 1, 0)}, 1, 0);
    walk_faults((uint64_t[]){header(1, 1, 2), 1, 2}, 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk__plain_records__ids_words_and_ticks),
        cmocka_unit_test(walk__ticks_wrap_44_bits__nearest_to_the_reference),
        cmocka_unit_test(walk__time_record__new_reference),
        cmocka_unit_test(walk__large_record__length_in_the_first_word),
        cmocka_unit_test(walk__malformed__ends_with_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
