/* SPDX-License-Identifier: ISC
 *
 * The batch codec: what comes out is what went in, whatever it is, and no content breaks the decoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chunk_gen.h"
#include "file/codec.h"

#include <errno.h>
#include <stdlib.h>

enum { WORDS = 32768 };
struct fixture {
    struct evtrail_encoder *encoder;
    struct evtrail_decoder *decoder;
    uint64_t *words;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->words = calloc(EVTRAIL_BATCH_WORDS_MAX + 1, 8);
    *state = f;
    return evtrail_encoder_new(&f->encoder) < 0 || evtrail_decoder_new(&f->decoder) < 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    evtrail_encoder_free(f->encoder);
    evtrail_decoder_free(f->decoder);
    free(f->words);
    free(f);
    return 0;
}

static const struct evtrail_batch_view *round_trip(struct fixture *f, const uint64_t *words, size_t count,
                                                   uint64_t ticks)
{
    struct evtrail_encoded encoded;
    const struct evtrail_batch_view *view = NULL;
    const char *what = "";
    assert_int_equal(evtrail_encode(f->encoder, words, count, ticks, &encoded), 0);
    assert_true(encoded.content_bytes <= EVTRAIL_BATCH_CONTENT_MAX);
    const int r = evtrail_decode_view(f->decoder, encoded.content, encoded.content_bytes, count, ticks, &view, &what);
    if (r < 0)
        fail_msg("%s", what);
    assert_memory_equal(evtrail_decode_words(f->decoder), words, count * 8);
    return view;
}

static void any_words__random_records__come_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned seed = 0; seed < 60; seed++) {
        struct chunk_gen gen = {.random = {seed}, .words = f->words, .room = 1 + seed * seed * 30, .ticks = seed * 977};
        random_fill(&gen, seed % 3 ? 20 : 16000, seed % 2 ? 6 : 64);
        round_trip(f, f->words, gen.count, seed % 4 ? gen.ticks : 0);
    }
}

static void realistic_words__pool_and_strings__come_back_smaller(void **state)
{
    struct fixture *f = *state;
    struct pool_gen pool = {.base = {.random = {7}, .words = f->words, .room = WORDS, .ticks = UINT64_C(1) << 50}};
    pool_fill(&pool);
    round_trip(f, f->words, pool.base.count, UINT64_C(1) << 50);
    struct chunk_gen gen = {.random = {8}, .words = f->words, .room = WORDS, .ticks = 5};
    string_fill(&gen);
    round_trip(f, f->words, gen.count, 5);
}

static void no_words__empty_chunk__comes_back(void **state)
{
    assert_int_equal(round_trip(*state, NULL, 0, 1)->records, 0);
}

/* One column of each kind, and what lies at its edges. */
static void a_column__each_pattern__comes_back(void **state)
{
    struct fixture *f = *state;
    for (unsigned pattern = 0; pattern < 12; pattern++)
        for (unsigned count = 1; count < 900; count += count < 5 ? 1 : 97) {
            struct random random = {pattern};
            for (unsigned i = 0; i < count; i++) {
                const uint64_t noise = random_next(&random);
                const uint64_t values[12] = {7,
                                             i,
                                             i * UINT64_C(0x123456789abcdef),
                                             noise,
                                             noise % 3,
                                             -noise % 5,
                                             UINT64_MAX - noise % 300,
                                             i & 1 ? INT64_MAX : INT64_MIN,
                                             (noise % 9) << 40 | 17,
                                             UINT64_C(0x7f0011220000) + noise % 4 * 64,
                                             noise & UINT64_C(0xff00ff0000ff00ff),
                                             i * i * i};
                f->words[2 * i] = (UINT64_C(1000) + i) << 20 | 99 << 6 | 1;
                f->words[2 * i + 1] = values[pattern];
            }
            const struct evtrail_batch_view *view = round_trip(f, f->words, 2 * count, 1000);
            uint64_t column[900];
            assert_int_equal(view->shapes_count, 1);
            assert_int_equal(view->shapes[0].id, 99);
            assert_int_equal(evtrail_batch_column(view, 0, 0, column), 0);
            for (unsigned i = 0; i < count; i++)
                assert_int_equal(column[i], f->words[2 * i + 1]);
            assert_int_equal(evtrail_batch_column(view, 0, 1, column), -ENOENT);
            assert_int_equal(evtrail_batch_column(view, 1, 0, column), -ENOENT);
        }
}

static void ticks__time_record_and_jumps_back__are_absolute(void **state)
{
    struct fixture *f = *state;
    const uint64_t start = UINT64_C(0x123456789abcdef), later = start + (UINT64_C(1) << 45);
    uint64_t *w = f->words;
    const uint64_t times[] = {start + 5, start + 3, start - 100, start + 90};
    size_t n = 0;
    for (unsigned i = 0; i < 4; i++)
        w[n++] = times[i] << 20 | 20 << 6;
    w[n++] = later << 20 | 1 << 6 | 1;
    w[n++] = later;
    w[n++] = (later + 8) << 20 | 20 << 6;
    w[n++] = (later + 9) << 20 | 21 << 6 | 63; /* long, so in misc */
    w[n++] = 2;
    w[n++] = 1;
    w[n++] = 2;
    const struct evtrail_batch_view *view = round_trip(f, w, n, start);
    const uint64_t *ticks;
    assert_int_equal(evtrail_batch_ticks(view, 0, &ticks), 0);
    assert_memory_equal(ticks, times, sizeof(times));
    assert_int_equal(ticks[4], later + 8);
    assert_int_equal(evtrail_batch_ticks(view, 255, &ticks), 0);
    assert_int_equal(ticks[0], later + 9);
    assert_int_equal(evtrail_batch_ticks(view, 2, &ticks), -ENOENT);
}

static void events__ids_below_16__are_not_counted(void **state)
{
    struct fixture *f = *state;
    struct evtrail_encoded encoded;
    const uint64_t words[] = {1 << 6 | 1, 9, 16 << 6, 17 << 6 | 63, 0, 2 << 6};
    assert_int_equal(evtrail_encode(f->encoder, words, 6, 0, &encoded), 0);
    assert_int_equal(encoded.records, 4);
    assert_int_equal(encoded.events, 2);
    assert_int_equal(encoded.ids_count, 4);
    assert_true(evtrail_batch_may_have(encoded.types, 16));
    assert_true(evtrail_batch_may_have(encoded.types, 17));
}

static void cut_record__at_the_end__is_refused(void **state)
{
    struct fixture *f = *state;
    struct evtrail_encoded encoded;
    const uint64_t cut[] = {16 << 6 | 2, 1}, cut_long[] = {16 << 6 | 63, 5, 1}, no_length[] = {16 << 6 | 63};
    assert_int_equal(evtrail_encode(f->encoder, cut, 2, 0, &encoded), -EBADMSG);
    assert_int_equal(evtrail_encode(f->encoder, cut_long, 3, 0, &encoded), -EBADMSG);
    assert_int_equal(evtrail_encode(f->encoder, no_length, 1, 0, &encoded), -EBADMSG);
    assert_int_equal(evtrail_encode(f->encoder, f->words, EVTRAIL_BATCH_WORDS_MAX + 1, 0, &encoded), -EMSGSIZE);
}

static void largest_batch__all_shapes__comes_back(void **state)
{
    struct fixture *f = *state;
    struct chunk_gen gen = {.random = {3}, .words = f->words, .room = EVTRAIL_BATCH_WORDS_MAX};
    random_fill(&gen, 16000, 63);
    round_trip(f, f->words, gen.count, 0);
    memset(f->words, 0, EVTRAIL_BATCH_WORDS_MAX * 8); /* a record a word */
    round_trip(f, f->words, EVTRAIL_BATCH_WORDS_MAX, 0);
}

static void content__every_byte_changed__is_refused_or_decodes(void **state)
{
    struct fixture *f = *state;
    struct evtrail_encoded encoded;
    struct chunk_gen gen = {.random = {5}, .words = f->words, .room = 300};
    random_fill(&gen, 30, 5);
    assert_int_equal(evtrail_encode(f->encoder, f->words, gen.count, 0, &encoded), 0);
    uint8_t *copy = malloc(encoded.content_bytes);
    for (uint32_t i = 0; i < encoded.content_bytes; i++)
        for (unsigned change = 1; change < 256; change = change * 2 + 1) {
            const struct evtrail_batch_view *view;
            const char *what;
            memcpy(copy, encoded.content, encoded.content_bytes);
            copy[i] ^= (uint8_t)change;
            if (evtrail_decode_view(f->decoder, copy, encoded.content_bytes, gen.count, 0, &view, &what) == 0)
                evtrail_decode_words(f->decoder);
        }
    for (uint32_t bytes = 0; bytes < encoded.content_bytes; bytes++) {
        const struct evtrail_batch_view *view;
        const char *what;
        memcpy(copy, encoded.content, bytes);
        assert_int_equal(evtrail_decode_view(f->decoder, copy, bytes, gen.count, 0, &view, &what), -EBADMSG);
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_words__random_records__come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(realistic_words__pool_and_strings__come_back_smaller, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_words__empty_chunk__comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_column__each_pattern__comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ticks__time_record_and_jumps_back__are_absolute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(events__ids_below_16__are_not_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_record__at_the_end__is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(largest_batch__all_shapes__comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(content__every_byte_changed__is_refused_or_decodes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
