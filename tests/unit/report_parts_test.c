/* SPDX-License-Identifier: ISC
 *
 * The parts of a report: buckets that join, slices that join, hashes, columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../consumers/report/blob.c"
#include "../../consumers/report/series.c"
#include "../../consumers/report/sha256.c"
#include "../../consumers/report/slices.c"

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 20) % below;
}

static void counts__time_runs_off_the_end__nothing_is_forgotten(void **state)
{
    struct axis axis = {0};
    struct counts counts = {0};
    uint64_t sum = 0;
    (void)state;
    for (int64_t ns = 1000; ns < INT64_C(4000000000000000000); ns += ns / 3 + (int64_t)random_below(1000)) {
        const uint64_t count = random_below(5);
        counts_add(&counts, &axis, ns, count);
        assert_true(axis_place(&axis, ns) < AXIS_BUCKETS);
        sum += count;
    }
    counts_add(&counts, &axis, INT64_MIN, 7); /* before the start: the first bucket */
    for (uint32_t i = 0; i < AXIS_BUCKETS; i++)
        sum -= counts.at[i];
    assert_int_equal(sum + 7, 0);
}

static void levels__buckets_join__extremes_and_last_stay(void **state)
{
    struct axis axis = {0};
    struct levels levels = {0};
    (void)state;
    for (int64_t ns = 0; ns < 100000; ns++)
        levels_add(&levels, &axis, ns, ns == 70001 ? 1e9 : ns == 70002 ? -5 : 1);
    const uint32_t at = axis_place(&axis, 70001);
    uint64_t count = 0;
    for (uint32_t i = 0; i < AXIS_BUCKETS; i++)
        count += levels.count[i];
    assert_int_equal(count, 100000);
    assert_true(levels.max[at] == 1e9 && levels.min[at] == -5 && levels.last[at] == 1);
    assert_true(levels.max[at + 1] == 1 && levels.min[at - 1] == 1);
}

static void heat__bins__each_value_lies_in_its_own(void **state)
{
    struct axis axis = {0};
    (void)state;
    for (uint64_t value = 0; value < UINT64_C(1) << 40; value = value * 5 / 4 + 1) {
        struct heat *const heat = calloc(1, sizeof *heat);
        heat_add(heat, &axis, 0, value);
        for (unsigned bin = 0; bin < HEAT_BINS; bin++)
            if (heat->at[0][bin])
                assert_true(heat_bin_low(bin) <= (double)value && (double)value < heat_bin_low(bin + 1));
        free(heat);
    }
}

static void shares__a_stretch_over_buckets__its_time_is_whole(void **state)
{
    struct axis axis = {0};
    struct shares shares = {0};
    double sum = 0, wanted = 0;
    (void)state;
    axis_place(&axis, 500);
    for (int64_t from = 500; from < 5000000;) {
        const int64_t to = from + (int64_t)random_below(20000);
        const double things = (double)random_below(4);
        shares_add(&shares, &axis, from, to, things);
        wanted += things * (double)(to - from);
        from = to + (int64_t)random_below(50);
    }
    for (uint32_t i = 0; i < AXIS_BUCKETS; i++)
        sum += shares.at[i];
    assert_true(sum == wanted);
}

static void slices__more_than_fit__the_longest_and_the_count_stay(void **state)
{
    struct slices slices;
    struct slice *sorted;
    uint64_t sum = 0;
    bool found = false;
    (void)state;
    slices_init(&slices, 500);
    for (uint32_t i = 0; i < 100000; i++) {
        const int64_t from = (int64_t)i * 100, to = from + (i == 77777 ? 1000000 : 10 + (int64_t)random_below(80));
        const struct slice slice = {.track = i % 3,
                                    .name = i % 5,
                                    .lane = i % 2,
                                    .count = 1,
                                    .from_ns = from,
                                    .to_ns = to,
                                    .first_ns = from,
                                    .end_ns = to,
                                    .id = i};
        assert_int_equal(slices_add(&slices, &slice), 0);
        assert_true(slices.used <= 501);
    }
    const uint32_t count = slices_sort(&slices, &sorted);
    for (uint32_t i = 0; i < count; i++) {
        sum += sorted[i].count;
        found |= sorted[i].id == 77777 && sorted[i].to_ns - sorted[i].from_ns == 1000000;
        assert_true(sorted[i].first_ns <= sorted[i].from_ns && sorted[i].to_ns <= sorted[i].end_ns);
        assert_true(i == 0 || sorted[i - 1].track <= sorted[i].track);
    }
    assert_int_equal(sum, 100000);
    assert_true(found);
    slices_fini(&slices);
}

static void slices__few__each_is_as_it_was(void **state)
{
    struct slices slices;
    struct slice *sorted;
    (void)state;
    slices_init(&slices, 5000);
    for (int64_t i = 0; i < 4000; i++)
        slices_add(&slices, &(struct slice){.count = 1, .from_ns = i, .to_ns = i + 1, .first_ns = i, .end_ns = i + 1});
    assert_int_equal(slices_sort(&slices, &sorted), 4000);
    slices_fini(&slices);
}

static void sha256__known_texts__their_hashes(void **state)
{
    static const struct {
        const char *text;
        unsigned char first[4];
    } known[] = {{"", {0xe3, 0xb0, 0xc4, 0x42}},
                 {"abc", {0xba, 0x78, 0x16, 0xbf}},
                 {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", {0x24, 0x8d, 0x6a, 0x61}}};
    unsigned char digest[32];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sha256(known[i].text, strlen(known[i].text), digest);
        assert_memory_equal(digest, known[i].first, 4);
    }
}

static void column__any_numbers__planes_give_them_back(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct blob json = {0}, columns = {0};
        uint64_t values[100], last = 0;
        size_t at, count;
        unsigned planes;
        const int delta = round % 2;
        const unsigned bits = (unsigned)random_below(62);
        for (unsigned i = 0; i < 100; i++)
            last = values[i] = (delta ? last : 0) + random_below((UINT64_C(1) << bits) + 1) / (delta ? 128 : 1);
        blob_column(&columns, &json, values, 100, delta);
        blob_add(&json, "", 1);
        assert_int_equal(sscanf(json.bytes, "[%zu,%zu,%u,", &at, &count, &planes), 3);
        last = 0;
        for (unsigned i = 0; i < count; i++) {
            uint64_t value = delta ? last : 0;
            for (unsigned plane = 0; plane < planes; plane++)
                value += (uint64_t)(unsigned char)columns.bytes[at + plane * count + i] << (8 * plane);
            assert_true(value == values[i]);
            last = value;
        }
        blob_fini(&json);
        blob_fini(&columns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts__time_runs_off_the_end__nothing_is_forgotten),
        cmocka_unit_test(levels__buckets_join__extremes_and_last_stay),
        cmocka_unit_test(heat__bins__each_value_lies_in_its_own),
        cmocka_unit_test(shares__a_stretch_over_buckets__its_time_is_whole),
        cmocka_unit_test(slices__more_than_fit__the_longest_and_the_count_stay),
        cmocka_unit_test(slices__few__each_is_as_it_was),
        cmocka_unit_test(sha256__known_texts__their_hashes),
        cmocka_unit_test(column__any_numbers__planes_give_them_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
