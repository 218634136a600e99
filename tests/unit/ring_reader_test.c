/* SPDX-License-Identifier: ISC
 *
 * Reading rings that are laid out by hand: the account, the state at a chunk's start, laps, loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/session_builder.h"

#include "reader/live.h"
#include "reader/ring_reader.h"
#include "reader/walk.h"

struct fixture {
    struct builder builder;
    struct evtrail_live live;
    struct evtrail_ring_reader ring;
    struct evtrail_words words;
    struct evtrail_chunk chunk;
    struct evtrail_fault fault;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    builder_init(&f->builder);
    if (evtrail_live_open(&f->live, f->builder.path, &f->fault) < 0)
        return -1;
    evtrail_ring_reader_init(&f->ring, &f->live, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    evtrail_live_close(&f->live);
    builder_fini(&f->builder);
    free(f->words.at);
    free(f);
    return 0;
}

static int read_some(struct fixture *f, size_t most)
{
    return evtrail_ring_reader_next(&f->ring, &f->words, most, EVTRAIL_READ_OPEN, &f->chunk, &f->fault);
}

static int read_some_with(struct fixture *f, unsigned flags)
{
    return evtrail_ring_reader_next(&f->ring, &f->words, 1000, flags, &f->chunk, &f->fault);
}

static int read_all(struct fixture *f)
{
    return read_some(f, 1 << 15);
}

/* The events of the chunk in order, from `first` on; returns how many. */
static uint64_t check_numbers(const struct fixture *f, uint64_t first)
{
    struct evtrail_walk walk;
    uint64_t count = 0;
    evtrail_walk_init(&walk, f->chunk.words, f->chunk.words_count, f->chunk.state.reference_ticks);
    while (evtrail_walk_next(&walk))
        if (walk.id >= EVTRAIL_EVENT_FIRST) {
            assert_int_equal(walk.payload[0], first + count);
            count++;
        }
    assert_null(walk.fault);
    assert_int_equal(count, f->chunk.events);
    return count;
}

static unsigned count_id(const struct fixture *f, uint32_t id)
{
    struct evtrail_walk walk;
    unsigned count = 0;
    evtrail_walk_init(&walk, f->chunk.words, f->chunk.words_count, f->chunk.state.reference_ticks);
    while (evtrail_walk_next(&walk))
        count += walk.id == id;
    return count;
}

static void empty_ring__nothing(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_all(f), 0);
    assert_false(evtrail_ring_reader_ready(&f->ring, 0));
}

static void open_block__read_as_it_grows(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3);
    assert_true(evtrail_ring_reader_ready(&f->ring, 0));
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 0), 3);
    assert_int_equal(f->chunk.events_before, 0);
    assert_string_equal(f->chunk.state.thread_name, "thread-0");
    assert_int_equal(f->chunk.state.tid, 100);
    assert_int_equal(read_all(f), 0);
    builder_events(&f->builder, 0, 2);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 3), 2);
    assert_int_equal(f->chunk.events_before, 3);
    assert_int_equal(f->chunk.missed, 0);
}

static void open_block_not_asked_for__left_alone(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3);
    assert_int_equal(evtrail_ring_reader_next(&f->ring, &f->words, 1 << 15, 0, &f->chunk, &f->fault), 0);
    builder_events(&f->builder, 0, BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(evtrail_ring_reader_next(&f->ring, &f->words, 1 << 15, 0, &f->chunk, &f->fault), 1);
    assert_int_equal(check_numbers(f, 0), BUILDER_BLOCK_WORDS / 2);
}

static void block_sealed_after_all_of_it_was_read__next_block_follows(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(read_all(f), 1);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, BUILDER_BLOCK_WORDS / 2), 1);
    assert_int_equal(f->chunk.missed, 0);
    assert_int_equal(f->ring.block, 1);
}

static void several_blocks__one_chunk_with_times_at_the_joins(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3 * BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 0), 3 * BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(f->chunk.first_block, 0);
    assert_int_equal(f->chunk.last_block, 2);
    assert_int_equal(count_id(f, EVTRAIL_RECORD_TIME), 2);
    assert_int_equal(count_id(f, EVTRAIL_RECORD_THREAD), 0);
}

static void sealed_blocks_wait__fill_in_eighths_of_the_ring(void **state)
{
    struct fixture *f = *state;
    builder_event(&f->builder, 0);
    assert_int_equal(evtrail_ring_reader_fill(&f->ring), 0); /* not looked at yet */
    assert_int_equal(read_all(f), 1);
    assert_int_equal(evtrail_ring_reader_fill(&f->ring), 0);
    builder_events(&f->builder, 0, 2 * BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(evtrail_ring_reader_fill(&f->ring), 4);
    builder_events(&f->builder, 0, 9 * BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(evtrail_ring_reader_fill(&f->ring), 8);
    assert_int_equal(read_all(f), 1);
    while (read_all(f) == 1)
        ;
    assert_int_equal(evtrail_ring_reader_fill(&f->ring), 0);
}

static void small_chunks__whole_records_only(void **state)
{
    struct fixture *f = *state;
    uint64_t number = 0;
    builder_events(&f->builder, 0, 3 * BUILDER_BLOCK_WORDS / 2);
    while (read_some(f, 7) == 1) {
        assert_int_equal(f->chunk.events_before, number);
        number += check_numbers(f, number);
        assert_true(f->chunk.words_count <= 7 || f->chunk.events == 0);
    }
    assert_int_equal(number, 3 * BUILDER_BLOCK_WORDS / 2);
}

static void record_larger_than_was_asked_for__comes_whole(void **state)
{
    struct fixture *f = *state;
    uint64_t payload[40] = {0};
    builder_record(&f->builder, 0, EVTRAIL_EVENT_FIRST, payload, 40);
    builder_event(&f->builder, 0);
    assert_int_equal(read_some(f, 4), 1);
    assert_int_equal(f->chunk.events, 2);
}

static void overwritten_before_we_came__counted_as_missed(void **state)
{
    struct fixture *f = *state;
    unsigned count = 10 * BUILDER_BLOCK_WORDS / 2;
    builder_events(&f->builder, 0, count);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, 6 * BUILDER_BLOCK_WORDS / 2);
    assert_int_equal(check_numbers(f, f->chunk.missed), 4 * BUILDER_BLOCK_WORDS / 2);
}

static void lapped__jumps_half_a_ring_and_counts(void **state)
{
    struct fixture *f = *state;
    unsigned block = BUILDER_BLOCK_WORDS / 2;
    builder_events(&f->builder, 0, 5);
    assert_int_equal(read_all(f), 1);
    builder_events(&f->builder, 0, 10 * block - 5);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.first_block, 8);
    assert_int_equal(f->chunk.missed, 8 * block - 5);
    assert_int_equal(check_numbers(f, 8 * block), 2 * block);
}

static void block_being_opened__its_slot_counts_as_lapped(void **state)
{
    struct fixture *f = *state;
    unsigned block = BUILDER_BLOCK_WORDS / 2;
    builder_events(&f->builder, 0, 4 * block);
    atomic_store(&builder_slot(&f->builder, 0, 4)->number, 0); /* killed between W1 and W4 */
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, block);
    assert_int_equal(check_numbers(f, block), 3 * block);
    assert_false(f->ring.lie[0]);
}

static void killed_with_an_empty_block__gap_before_it_is_counted_at_the_end(void **state)
{
    struct fixture *f = *state;
    const unsigned count = 3 * BUILDER_BLOCK_WORDS / 2, final = EVTRAIL_READ_OPEN | EVTRAIL_READ_FINAL;
    builder_events(&f->builder, 0, 5);
    assert_int_equal(read_all(f), 1);
    builder_events(&f->builder, 0, count - 5);
    builder_open_block(&f->builder, 0); /* killed behind W4 */
    f->ring.block = 3;                  /* as after a lap of two blocks */
    f->ring.words_taken = 0;
    assert_int_equal(read_all(f), 0); /* it may grow yet */
    assert_int_equal(read_some_with(f, final), 1);
    assert_int_equal(f->chunk.missed, count - 5);
    assert_int_equal(f->chunk.events, 0);
    assert_int_equal(read_some_with(f, final), 0);
}

static void killed_with_an_empty_block__loss_before_it_is_counted_at_the_end(void **state)
{
    struct fixture *f = *state;
    const unsigned final = EVTRAIL_READ_OPEN | EVTRAIL_READ_FINAL;
    builder_events(&f->builder, 0, 5);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_FULL);
    builder_open_block(&f->builder, 0); /* killed behind W4: only its header tells of the loss */
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.events, 5);
    assert_int_equal(f->ring.lost[EVTRAIL_LOST_FULL], 0); /* the block may yet get events */
    assert_int_equal(read_some_with(f, final), 1);
    assert_int_equal(f->chunk.events, 0);
    assert_int_equal(f->chunk.lost_before[EVTRAIL_LOST_FULL], 1);
    assert_int_equal(read_some_with(f, final), 0);
}

static void loss_at_the_end__told_by_a_chunk_without_words(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_FULL);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.lost_before[EVTRAIL_LOST_FULL], 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.words_count, 0);
    assert_int_equal(f->chunk.lost_before[EVTRAIL_LOST_FULL], 1);
    assert_int_equal(read_all(f), 0);
}

static void loss_between_blocks__lost_record_at_the_join(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_FULL);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_MEMORY);
    builder_open_block(&f->builder, 0);
    builder_events(&f->builder, 0, 1);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 0), 4);
    assert_int_equal(count_id(f, EVTRAIL_RECORD_LOST), 1);
    assert_int_equal(f->ring.lost[EVTRAIL_LOST_FULL], 1);
    assert_int_equal(read_all(f), 0);
}

static void labels_and_thread__state_of_the_next_chunk(void **state)
{
    struct fixture *f = *state;
    uint64_t label[5] = {1, 3, 0, 4, 0}, thread[3] = {4711, 0, 0};
    memcpy(&label[2], "key", 3);
    memcpy(&label[4], "val1", 4);
    memcpy(&thread[1], "other", 5);
    builder_event(&f->builder, 0);
    builder_record(&f->builder, 0, EVTRAIL_RECORD_LABEL, label, 5);
    builder_record(&f->builder, 0, EVTRAIL_RECORD_THREAD, thread, 3);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.state.tid, 100);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.state.tid, 4711);
    assert_string_equal(f->chunk.state.thread_name, "other");
    assert_string_equal(f->chunk.state.labels[1].key, "key");
    assert_string_equal(f->chunk.state.labels[1].value, "val1");
    assert_string_equal(f->chunk.state.labels[0].key, "");
}

static void next_block_of_another_thread__join_says_so(void **state)
{
    struct fixture *f = *state;
    uint64_t label[5] = {0, 1, 0, 1, 0};
    memcpy(&label[2], "k", 1);
    memcpy(&label[4], "v", 1);
    builder_record(&f->builder, 0, EVTRAIL_RECORD_LABEL, label, 5);
    builder_event(&f->builder, 0);
    builder_open_block(&f->builder, 0);
    builder_slot(&f->builder, 0, 1)->tid = 200;
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(count_id(f, EVTRAIL_RECORD_THREAD), 1);
    assert_int_equal(count_id(f, EVTRAIL_RECORD_LABEL), 2); /* set, then cleared at the join */
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.state.tid, 200);
    assert_string_equal(f->chunk.state.labels[0].key, "");
}

static void time_record__reference_of_the_next_chunk(void **state)
{
    struct fixture *f = *state;
    builder_event(&f->builder, 0);
    f->builder.ticks += UINT64_C(1) << 50;
    uint64_t now = f->builder.ticks + 1;
    builder_record(&f->builder, 0, EVTRAIL_RECORD_TIME, &now, 1);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.last_ticks, f->builder.ticks);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.state.reference_ticks, now);
    assert_int_equal(f->chunk.last_ticks, f->builder.ticks);
}

static void from_now__what_is_there_is_skipped_and_not_missed(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3 * BUILDER_BLOCK_WORDS / 2 + 7);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_FULL);
    f->ring.skip_first = true;
    assert_int_equal(read_all(f), 0);
    builder_events(&f->builder, 0, 2);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, 0);
    assert_int_equal(check_numbers(f, 3 * BUILDER_BLOCK_WORDS / 2 + 7), 2);
    assert_int_equal(read_all(f), 0);
}

static void from_now_at_an_empty_open_block__account_starts_there(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 5);
    builder_open_block(&f->builder, 0);
    f->ring.skip_first = true;
    assert_int_equal(read_all(f), 0);
    builder_event(&f->builder, 0);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, 0);
    assert_int_equal(f->chunk.events_before, 5);
}

static void snapshot__ends_behind_what_was_there(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 3 * BUILDER_BLOCK_WORDS / 2 + 7);
    f->ring.bounded = true;
    uint64_t got = 0;
    while (!f->ring.ended) {
        if (read_some(f, 100) == 1)
            got += f->chunk.events;
        builder_events(&f->builder, 0, 1);
        assert_true(got < 10000);
    }
    assert_true(got >= 3 * BUILDER_BLOCK_WORDS / 2 + 7);
    assert_int_equal(read_all(f), 0);
}

static void lie_in_a_block__told_once_and_the_rest_is_read(void **state)
{
    struct fixture *f = *state;
    unsigned block = BUILDER_BLOCK_WORDS / 2;
    builder_events(&f->builder, 0, 3 * block);
    atomic_store(&builder_slot(&f->builder, 0, 1)->committed, UINT64_MAX);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 0), block);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, block);
    assert_int_equal(check_numbers(f, 2 * block), block);
    assert_int_equal(read_all(f), -EBADMSG);
    assert_non_null(strstr(f->fault.text, "more words than fit"));
    assert_int_equal(read_all(f), 0);
}

static void malformed_record__what_is_before_it_stands(void **state)
{
    struct fixture *f = *state;
    unsigned block = BUILDER_BLOCK_WORDS / 2;
    builder_events(&f->builder, 0, 2 * block);
    uint64_t *words = (uint64_t *)(void *)builder_slot(&f->builder, 0, 0) + EVTRAIL_BLOCK_HEADER_BYTES / 8;
    words[20] = 0;
    assert_int_equal(read_all(f), 1);
    assert_int_equal(check_numbers(f, 0), 10);
    assert_int_equal(read_all(f), 1);
    assert_int_equal(f->chunk.missed, block - 10);
    assert_int_equal(check_numbers(f, block), block);
    assert_int_equal(read_all(f), -EBADMSG);
}

static void small_chunks__context_stays_with_its_event(void **state)
{
    struct fixture *f = *state;
    const uint64_t meta[2] = {EVTRAIL_META_CPU, 3};
    const uint64_t reference = f->builder.ticks;
    uint64_t events = 0;
    for (unsigned i = 0; i < 40; i++) {
        builder_record(&f->builder, 0, EVTRAIL_RECORD_META, meta, 2);
        if (i % 2)
            builder_record(&f->builder, 0, EVTRAIL_RECORD_TIME, &reference, 1);
        builder_event(&f->builder, 0);
    }
    for (size_t most = 4; read_some(f, most) == 1; most = most == 12 ? 4 : most + 1) {
        struct evtrail_walk walk;
        uint32_t last = 0;
        events += check_numbers(f, events);
        evtrail_walk_init(&walk, f->chunk.words, f->chunk.words_count, f->chunk.state.reference_ticks);
        while (evtrail_walk_next(&walk))
            last = walk.id;
        assert_int_equal(last, EVTRAIL_EVENT_FIRST);
    }
    assert_int_equal(events, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_ring__nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(open_block__read_as_it_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(open_block_not_asked_for__left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(block_sealed_after_all_of_it_was_read__next_block_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(several_blocks__one_chunk_with_times_at_the_joins, setup, teardown),
        cmocka_unit_test_setup_teardown(sealed_blocks_wait__fill_in_eighths_of_the_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(small_chunks__whole_records_only, setup, teardown),
        cmocka_unit_test_setup_teardown(record_larger_than_was_asked_for__comes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(overwritten_before_we_came__counted_as_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(lapped__jumps_half_a_ring_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(block_being_opened__its_slot_counts_as_lapped, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_with_an_empty_block__loss_before_it_is_counted_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(killed_with_an_empty_block__gap_before_it_is_counted_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(loss_at_the_end__told_by_a_chunk_without_words, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_between_blocks__lost_record_at_the_join, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_and_thread__state_of_the_next_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(next_block_of_another_thread__join_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(time_record__reference_of_the_next_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(from_now__what_is_there_is_skipped_and_not_missed, setup, teardown),
        cmocka_unit_test_setup_teardown(from_now_at_an_empty_open_block__account_starts_there, setup, teardown),
        cmocka_unit_test_setup_teardown(snapshot__ends_behind_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(lie_in_a_block__told_once_and_the_rest_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_record__what_is_before_it_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(small_chunks__context_stays_with_its_event, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
