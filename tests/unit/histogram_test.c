/* SPDX-License-Identifier: ISC
 *
 * Log-linear histograms of the command-line tools.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "../../consumers/histogram.c"

static void add__small_values__are_exact(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    for (uint64_t i = 0; i < 64; i++)
        assert_int_equal(histogram_add(&h, i, i + 1), 0);
    uint64_t low, high, count, next = 0;
    for (unsigned position = 0; histogram_next(&h, &position, &low, &high, &count); next++) {
        assert_int_equal(low, next);
        assert_int_equal(high, next);
        assert_int_equal(count, next + 1);
    }
    assert_int_equal(next, 64);
    histogram_fini(&h);
}

static void bucket__every_value__lies_in_its_own_range(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int around = -2; around <= 2; around++) {
            const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)around;
            struct histogram h;
            uint64_t low = 0, high = 0, count = 0;
            unsigned position = 0;
            histogram_init(&h);
            assert_int_equal(histogram_add(&h, value, 1), 0);
            assert_int_equal(histogram_next(&h, &position, &low, &high, &count), 1);
            assert_true(low <= value && value <= high);
            assert_true(high - low <= value / 32);
            assert_int_equal(histogram_next(&h, &position, &low, &high, &count), 0);
            histogram_fini(&h);
        }
}

static void buckets__neighbours__leave_no_gap(void **state)
{
    (void)state;
    uint64_t expected = 0;
    for (unsigned octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
        for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
            uint64_t low, high;
            bucket_range(octave, step, &low, &high);
            assert_int_equal(low, expected);
            expected = high + 1;
        }
    assert_int_equal(expected, 0); /* the last bucket ends at 2^64 - 1 */
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void quantile__many_values__within_two_percent(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const double quantiles[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999};
    uint64_t *const values = malloc(N * sizeof *values);
    struct histogram h;
    histogram_init(&h);
    srand(7);
    for (unsigned i = 0; i < N; i++) {
        values[i] = (uint64_t)rand() * (uint64_t)(rand() % 1000 + 1) >> rand() % 20;
        histogram_add(&h, values[i], 1);
    }
    qsort(values, N, sizeof *values, compare);
    for (unsigned i = 0; i < 6; i++) {
        const double exact = (double)values[(unsigned)(quantiles[i] * N) - 1];
        const double found = (double)histogram_quantile(&h, quantiles[i]);
        assert_true(found >= exact * 0.98 - 1 && found <= exact * 1.02 + 1);
    }
    assert_int_equal(histogram_quantile(&h, 0), values[0]);
    assert_int_equal(histogram_quantile(&h, 1), values[N - 1]);
    free(values);
    histogram_fini(&h);
}

static void quantile__empty__is_zero(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    histogram_fini(&h);
}

static void quantile__one_value__is_that_value(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    histogram_add(&h, 123456789, 3);
    assert_int_equal(histogram_quantile(&h, 0.5), 123456789);
    assert_int_equal(histogram_quantile(&h, 0.999), 123456789);
    histogram_fini(&h);
}

static void merge__two_halves__equal_the_whole(void **state)
{
    (void)state;
    struct histogram whole, halves[2];
    histogram_init(&whole);
    histogram_init(&halves[0]);
    histogram_init(&halves[1]);
    for (uint64_t i = 0; i < 10000; i++) {
        const uint64_t value = i * i * 37;
        histogram_add(&whole, value, 1);
        histogram_add(&halves[i % 2], value, 1);
    }
    assert_int_equal(histogram_merge(&halves[0], &halves[1]), 0);
    assert_int_equal(halves[0].count, whole.count);
    assert_int_equal(halves[0].min, whole.min);
    assert_int_equal(halves[0].max, whole.max);
    unsigned at[2] = {0, 0};
    uint64_t low[2] = {0}, high[2] = {0}, count[2] = {0};
    while (histogram_next(&whole, &at[0], &low[0], &high[0], &count[0])) {
        assert_int_equal(histogram_next(&halves[0], &at[1], &low[1], &high[1], &count[1]), 1);
        assert_int_equal(low[0], low[1]);
        assert_int_equal(count[0], count[1]);
    }
    histogram_fini(&whole);
    histogram_fini(&halves[0]);
    histogram_fini(&halves[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add__small_values__are_exact),
        cmocka_unit_test(bucket__every_value__lies_in_its_own_range),
        cmocka_unit_test(buckets__neighbours__leave_no_gap),
        cmocka_unit_test(quantile__many_values__within_two_percent),
        cmocka_unit_test(quantile__empty__is_zero),
        cmocka_unit_test(quantile__one_value__is_that_value),
        cmocka_unit_test(merge__two_halves__equal_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
