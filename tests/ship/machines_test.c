/* SPDX-License-Identifier: ISC
 *
 * The two state machines of the protocol against each other, and each against liars.
 */
#include "ship/pair.h"

#include <errno.h>
#include <stdio.h>

/* ---- together ----------------------------------------------------------------------------------------------------------- */

static void a_stream__is_stored_in_order_and_acknowledged(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 101;
    pair_run(pair);
    assert_int_equal(pair->stored_count, 100);
    assert_int_equal(pair->acked, 100);
    assert_int_equal(pair->frames, 3);
    assert_string_equal(pair->greeted.host, "web1");
    assert_false(pair->sender_closed || pair->receiver_closed);
    pair_free(pair);
}

static void a_new_connection__goes_on_where_the_store_is(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 11;
    pair_run(pair);
    pair->next = 21;
    pair_connect(pair);
    pair_run(pair);
    assert_int_equal(pair->resumed, 11);
    assert_int_equal(pair->stored_count, 20);
    assert_int_equal(pair->acked, 20);
    pair_free(pair);
}

static void what_was_not_durable__comes_again_and_is_stored_once(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 11;
    pair->store_stalls = true;
    pair_run(pair);
    assert_int_equal(pair->acked, 0);
    assert_int_equal(pair->stored_count, 10);
    pair->stored_count = 0; /* the collector died: nothing of it was on disk */
    pair->store_stalls = false;
    pair_connect(pair);
    pair_run(pair);
    assert_int_equal(pair->stored_count, 10);
    assert_int_equal(pair->acked, 10);
    pair_free(pair);
}

static void a_store_that_stalls__closes_the_window_and_opens_it_again(void **state)
{
    struct pair *const pair = pair_new();
    struct ship_sender_figures figures;
    pair->content = 30000;
    pair->next = 401; /* 12 MB, the window has 8 MiB */
    pair->store_stalls = true;
    pair_run(pair);
    ship_sender_figures(pair->sender, pair->now, &figures);
    assert_true(pair->stored_count > 200 && pair->stored_count < 300);
    assert_int_equal(figures.stalls, 1);
    assert_int_equal(figures.unacked_batches, pair->stored_count);
    assert_true(figures.unacked_bytes > 7000000);
    pair->store_stalls = false;
    pair_run(pair);
    assert_int_equal(pair->acked, 400);
    ship_sender_figures(pair->sender, pair->now, &figures);
    assert_int_equal(figures.unacked_batches, 0);
    assert_true(figures.unacked_bytes < 1000);
    assert_false(pair->sender_closed);
    pair_free(pair);
}

static void a_gap__takes_the_place_of_what_is_missing(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 31;
    pair->gap_at = 10;
    pair->gap_last = 19;
    pair_run(pair);
    assert_int_equal(pair->stored_count, 20);
    assert_int_equal(pair->gaps, 1);
    assert_int_equal(pair->gap_entry.events, 12);
    assert_int_equal(pair->gap_entry.cause, WIRE_GAP_oldest);
    assert_int_equal(pair->acked, 30);
    pair_free(pair);
}

static void a_spool_that_dropped_its_oldest__tells_the_gap_first(void **state)
{
    struct pair *const pair = pair_new();
    pair->first = 50;
    pair->next = 61;
    pair_connect(pair);
    pair_run(pair);
    assert_int_equal(pair->gaps, 1);
    assert_int_equal(pair->stored_count, 11);
    assert_int_equal(pair->acked, 60);
    pair_free(pair);
}

static void a_damaged_batch__is_refused_and_the_rest_goes_on(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 21;
    pair->poison = 7;
    pair_run(pair);
    assert_int_equal(pair->stored_count, 19);
    assert_int_equal(pair->missing, 1);
    assert_int_equal(pair->set_aside_count, 1);
    assert_int_equal(pair->set_aside[0], 7);
    assert_int_equal(pair->refuse.code, WIRE_REFUSE_damaged);
    assert_int_equal(pair->acked, 20);
    pair_free(pair);
}

static void a_batch_that_the_store_will_not_take__is_refused_and_acknowledged(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 4;
    pair->refuse_batches = WIRE_REFUSE_content;
    pair_run(pair);
    assert_int_equal(pair->set_aside_count, 3);
    assert_int_equal(pair->refuse.code, WIRE_REFUSE_content);
    assert_int_equal(pair->missing, 0); /* the store knows */
    assert_int_equal(pair->acked, 3);
    pair_free(pair);
}

static void a_store_that_fails__ends_the_connection_and_says_so(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 4;
    pair->refuse_batches = -EIO;
    pair_run(pair);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_store);
    assert_true(pair->sender_by_peer && pair->sender_closed == 1 && pair->receiver_closed == 1);
    assert_non_null(strstr(pair->sender_bye.reason, "Input/output error"));
    assert_int_equal(pair->acked, 0);
    pair_free(pair);
}

static void a_sender_that_is_turned_away__hears_why(void **state)
{
    struct pair *const pair = pair_new();
    pair->refuse_hello = WIRE_BYE_denied;
    pair_run(pair);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_denied);
    assert_string_equal(pair->sender_bye.reason, "not you");
    pair_free(pair);
}

static void a_stream_that_is_refused__leaves_the_connection(void **state)
{
    struct pair *const pair = pair_new();
    pair->refuse_open = WIRE_REFUSE_owner;
    pair->next = 5;
    pair_run(pair);
    assert_int_equal(pair->stream_refusals, 1);
    assert_int_equal(pair->refuse.code, WIRE_REFUSE_owner);
    assert_int_equal(pair->stored_count, 0);
    assert_false(pair->sender_closed);
    pair_free(pair);
}

static void a_spool_that_was_copied_back__must_begin_a_new_stream(void **state)
{
    struct pair *const pair = pair_new();
    pair->have = 100;
    pair->next = 50;
    pair_connect(pair);
    pair_run(pair);
    assert_int_equal(pair->stream_refusals, 1);
    assert_int_equal(pair->refuse.code, WIRE_REFUSE_ahead);
    pair_free(pair);
}

static void draining__ends_when_all_is_acknowledged(void **state)
{
    struct pair *const pair = pair_new();
    pair_run(pair);
    pair->next = 31;
    ship_sender_drain(pair->sender, pair->now);
    pair_run(pair);
    assert_int_equal(pair->acked, 30);
    assert_int_equal(pair->drained, 1);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_done);
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_done);
    assert_true(pair->receiver_by_peer);
    pair_free(pair);
}

static void draining_without_acknowledgements__ends_at_its_deadline(void **state)
{
    struct pair *const pair = pair_new();
    pair->store_stalls = true;
    pair->next = 31;
    pair_run(pair);
    ship_sender_drain(pair->sender, pair->now);
    pair_run(pair);
    assert_false(pair->sender_closed);
    pair->now.monotonic_ns += 11000000000;
    ship_sender_tick(pair->sender, pair->now);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_done);
    pair_free(pair);
}

static void a_collector_that_leaves__acknowledges_what_it_has(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 11;
    pair->store_stalls = true;
    pair_run(pair);
    ship_receiver_drain(pair->receiver, collector_time(pair));
    pair_run(pair);
    assert_false(pair->sender_closed);
    pair->next = 21;
    pair->store_stalls = false;
    pair_run(pair);
    assert_int_equal(pair->acked, 10);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_shutdown);
    assert_int_equal(pair->stored_count, 10);
    pair_free(pair);
}

static void who_watches__is_told_to_the_sender_when_it_changes(void **state)
{
    struct pair *const pair = pair_new();
    ship_receiver_watch(pair->receiver, 3000, collector_time(pair)); /* not before the handshake */
    pair_run(pair);
    assert_int_equal(pair->watches, 0);
    for (unsigned i = 0; i < 3; i++)
        ship_receiver_watch(pair->receiver, 3000, collector_time(pair));
    pair_run(pair);
    assert_int_equal(pair->watches, 1);
    assert_int_equal(pair->hold_ns, 3000000);
    ship_receiver_watch(pair->receiver, 0, collector_time(pair));
    pair_run(pair);
    assert_int_equal(pair->watches, 2);
    assert_int_equal(pair->hold_ns, 0);
    assert_false(pair->sender_closed || pair->receiver_closed);
    pair_free(pair);
}

static void bytes_one_by_one__are_the_same(void **state)
{
    struct pair *const pair = pair_new();
    pair->next = 4;
    for (unsigned round = 0; round < 20 && pair->acked < 3; round++) {
        ship_sender_pump(pair->sender, pair->now);
        for (size_t most = 1; pair->up.size && most <= pair->up.size; most++)
            most = carry_up(pair, most) ? 0 : most;
        if (pair->taken > pair->have)
            ship_receiver_durable(pair->receiver, 0, pair->have = pair->taken, collector_time(pair));
        for (size_t most = 1; pair->down.size && most <= pair->down.size; most++)
            most = carry_down(pair, most) ? 0 : most;
    }
    assert_int_equal(pair->acked, 3);
    pair_free(pair);
}

static void the_link_is_full__units_wait(void **state)
{
    struct pair *const pair = pair_new();
    pair_run(pair);
    pair->next = 101;
    pair->room = 0;
    pair_run(pair);
    assert_int_equal(pair->stored_count, 0);
    pair->room = 1;
    pair_run(pair);
    assert_int_equal(pair->stored_count, 100);
    pair_free(pair);
}

static void a_broken_link__is_told_once(void **state)
{
    struct pair *const pair = pair_new();
    pair_run(pair);
    pair->up.error = -ECONNRESET;
    pair->next = 5;
    pair_run(pair);
    assert_int_equal(pair->sender_closed, 1);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_lost);
    pair_free(pair);
}

/* ---- time ---------------------------------------------------------------------------------------------------------------- */

static void pings__measure_the_clock_within_the_bound(void **state)
{
    struct pair *const pair = pair_new();
    struct ship_sender_figures figures;
    pair->skew_ns = -3600 * INT64_C(1000000000);
    pair_run(pair);
    assert_true(pair->clocks > 0);
    assert_true(llabs(pair->offset_ns - -pair->skew_ns) <= pair->bound_ns);
    assert_true(pair->bound_ns < 10000);
    ship_sender_figures(pair->sender, pair->now, &figures);
    assert_true(figures.offset_known && llabs(figures.offset_ns - pair->skew_ns) <= figures.bound_ns);
    pair_free(pair);
}

static void a_clock_that_was_set__is_measured_anew(void **state)
{
    struct pair *const pair = pair_new();
    pair_run(pair);
    pair->skew_ns = 5000000000;
    pair->now.monotonic_ns += 10000000000;
    pair->now.realtime_ns += 10000000000;
    ship_receiver_tick(pair->receiver, collector_time(pair));
    pair_run(pair);
    assert_true(llabs(pair->offset_ns - -pair->skew_ns) <= pair->bound_ns);
    pair_free(pair);
}

static void a_peer_that_is_silent__is_dead_after_five_pings(void **state)
{
    struct pair *const pair = pair_new();
    pair_run(pair);
    for (unsigned i = 0; i < 5; i++) {
        assert_false(pair->sender_closed || pair->receiver_closed);
        pair->now.monotonic_ns += 10000000000;
        ship_sender_tick(pair->sender, pair->now);
        ship_receiver_tick(pair->receiver, collector_time(pair));
    }
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_timeout);
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_timeout);
    pair_free(pair);
}

static void who_connects_and_says_nothing__is_sent_away(void **state)
{
    struct pair *const pair = pair_new();
    pair->now.monotonic_ns += 11000000000;
    ship_receiver_tick(pair->receiver, collector_time(pair));
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_timeout);
    assert_true(pair->down.size > 0);
    pair_free(pair);
}

/* ---- liars ---------------------------------------------------------------------------------------------------------------- */

static void greet(struct pair *pair)
{
    pair_run(pair);
    assert_int_equal(pair->opens, 1);
    pair->down.size = pair->up.size = 0;
}

static void tell(struct pair *pair, enum wire_type type, uint32_t channel, uint64_t sequence, const void *payload,
                 size_t bytes)
{
    struct wire_header header = {.type = type,
                                 .channel = channel,
                                 .sequence = sequence,
                                 .payload_bytes = (uint32_t)bytes,
                                 .payload_crc = wire_crc(0, payload, bytes)};
    wire_put_header(pair->up.bytes + pair->up.size, &header);
    memcpy(pair->up.bytes + pair->up.size + WIRE_HEADER_BYTES, payload, bytes);
    pair->up.size += WIRE_HEADER_BYTES + bytes;
    carry_up(pair, SIZE_MAX);
}

/* It ended with this code, and the peer was told. */
static void ended(struct pair *pair, enum wire_bye_code code)
{
    assert_int_equal(pair->receiver_closed, 1);
    assert_int_equal(pair->receiver_bye.code, code);
    assert_true(strlen(pair->receiver_bye.reason) > 10);
    carry_down(pair, SIZE_MAX);
    assert_int_equal(pair->sender_bye.code, code);
    pair_free(pair);
}

static void garbage__ends_with_its_first_byte(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "SSH-2.0-", "", "EvtF"};
    for (unsigned i = 0; i < 5; i++) {
        struct pair *const pair = pair_new();
        const size_t bytes = i == 3 ? 1 : strlen(texts[i]);
        memcpy(pair->up.bytes, texts[i], bytes);
        pair->up.size = bytes;
        carry_up(pair, SIZE_MAX);
        ended(pair, WIRE_BYE_protocol);
    }
}

static void a_flipped_bit__is_noticed(void **state)
{
    struct pair *probe = pair_new();
    const size_t bytes = probe->up.size;
    pair_free(probe);
    for (size_t i = 0; i < bytes; i++) {
        struct pair *const pair = pair_new();
        pair->up.bytes[i] ^= 4;
        carry_up(pair, SIZE_MAX);
        assert_int_equal(pair->opens, 0);
        assert_true(pair->receiver_closed == 1 || ship_receiver_expected(pair->receiver, 0) == 0);
        pair_free(pair);
    }
}

static void no_common_version__names_both(void **state)
{
    struct pair *const pair = pair_new();
    const struct wire_hello hello = {
        .version_min = 8, .version_max = 9, .role = 1, .offered = 15, .payload_max = 3 << 20};
    pair->up.size = wire_put_hello(pair->up.bytes, &hello);
    carry_up(pair, SIZE_MAX);
    assert_non_null(strstr(pair->receiver_bye.reason, "8 to 9"));
    ended(pair, WIRE_BYE_version);
}

static void a_required_feature_that_is_not_here__is_named(void **state)
{
    struct pair *const pair = pair_new();
    const struct wire_hello hello = {
        .version_min = 1, .version_max = 9, .role = 1, .offered = 0xff, .required = 0x80, .payload_max = 3 << 20};
    pair->up.size = wire_put_hello(pair->up.bytes, &hello);
    carry_up(pair, SIZE_MAX);
    assert_non_null(strstr(pair->receiver_bye.reason, "0x80"));
    ended(pair, WIRE_BYE_feature);
}

static void a_jump_in_the_sequence__ends(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[2000];
    greet(pair);
    size_t at = make_source(unit, 0);
    at += make_batch(unit + at, 0, 5, 100);
    tell(pair, WIRE_data, 0, 5, unit, at);
    ended(pair, WIRE_BYE_sequence);
}

static void a_message_too_long__ends_before_it_comes(void **state)
{
    struct pair *const pair = pair_new();
    greet(pair);
    const struct wire_header header = {.type = WIRE_data, .payload_bytes = WIRE_PAYLOAD_MAX + 1};
    pair->up.size = wire_put_header(pair->up.bytes, &header);
    carry_up(pair, SIZE_MAX);
    ended(pair, WIRE_BYE_size);
}

static void more_than_the_window__ends(void **state)
{
    struct pair *const pair = pair_new();
    static uint8_t unit[1 << 19];
    pair->content = 500000;
    greet(pair);
    tell(pair, WIRE_frames, 0, 0, unit, make_source(unit, 0));
    pair->store_stalls = true;
    for (uint64_t sequence = 1; !pair->receiver_closed; sequence++) {
        assert_true(sequence < 20);
        tell(pair, WIRE_data, 0, sequence, unit, make_batch(unit, 0, sequence, pair->content));
    }
    assert_int_equal(pair->stored_count, 16);
    ended(pair, WIRE_BYE_window);
}

static void a_stream_that_is_not_open__ends(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[2000];
    greet(pair);
    tell(pair, WIRE_data, 3, 1, unit, make_batch(unit, 0, 1, 100));
    ended(pair, WIRE_BYE_protocol);
}

static void a_stream_opened_twice__ends(void **state)
{
    struct pair *const pair = pair_new();
    greet(pair);
    pair->up.size = wire_put_open(pair->up.bytes, 1, &test_stream);
    carry_up(pair, SIZE_MAX);
    ended(pair, WIRE_BYE_protocol);
}

static void data_before_hello__ends(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[2000];
    pair->up.size = 0;
    tell(pair, WIRE_data, 0, 1, unit, make_batch(unit, 0, 1, 100));
    ended(pair, WIRE_BYE_protocol);
}

static void data_behind_drain__ends(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[2000];
    greet(pair);
    tell(pair, WIRE_drain, 0, 0, "", 0);
    tell(pair, WIRE_data, 0, 1, unit, make_batch(unit, 0, 1, 100));
    ended(pair, WIRE_BYE_protocol);
}

static void an_unknown_message__ends_unless_it_may_be_ignored(void **state)
{
    struct pair *const pair = pair_new();
    greet(pair);
    struct wire_header header = {.type = 200, .flags = WIRE_FLAG_IGNORE};
    pair->up.size = wire_put_header(pair->up.bytes, &header);
    carry_up(pair, SIZE_MAX);
    assert_false(pair->receiver_closed);
    header.flags = 0;
    pair->up.size = wire_put_header(pair->up.bytes, &header);
    carry_up(pair, SIZE_MAX);
    ended(pair, WIRE_BYE_protocol);
}

static void duplicates__are_stepped_over(void **state)
{
    struct pair *const pair = pair_new();
    struct ship_receiver_figures figures;
    uint8_t unit[2000];
    greet(pair);
    size_t at = make_source(unit, 0);
    at += make_batch(unit + at, 0, 1, 100);
    for (unsigned i = 0; i < 5; i++)
        tell(pair, WIRE_data, 0, 1, unit, at);
    ship_receiver_figures(pair->receiver, pair->now, &figures);
    assert_int_equal(figures.duplicates, 4);
    assert_int_equal(pair->stored_count, 1);
    assert_false(pair->receiver_closed);
    pair_free(pair);
}

/* Each of these is a batch that cannot be taken; the connection goes on. */
static void poisoned_units__are_refused_one_by_one(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[8000];
    uint64_t sequence = 0;
    greet(pair);
    size_t at = make_batch(unit, 0, 1, 100); /* its source is not declared */
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    at = make_source(unit, 0); /* no batch */
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    at += make_batch(unit + at, 0, 1, 100); /* two batches */
    at += make_batch(unit + at, 0, 1, 100);
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    at = make_super(unit); /* SUPER in DATA */
    at += make_source(unit + at, 0);
    at += make_batch(unit + at, 0, 1, 100);
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    at = make_source(unit, WIRE_SOURCES_MAX); /* a source's number beyond the limit */
    at += make_batch(unit + at, WIRE_SOURCES_MAX, 1, 100);
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    at = make_source(unit, 0); /* cut */
    at += make_batch(unit + at, 0, 1, 100);
    tell(pair, WIRE_data, 0, ++sequence, unit, at - 1);
    tell(pair, WIRE_data, 0, ++sequence, unit, 0);
    unit[40] ^= 1; /* damaged */
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    assert_int_equal(pair->missing, sequence);
    assert_int_equal(pair->stored_count, 0);
    assert_false(pair->receiver_closed);
    unit[40] ^= 1;
    at = make_source(unit, 0);
    at += make_batch(unit + at, 0, sequence + 1, 100);
    tell(pair, WIRE_data, 0, ++sequence, unit, at);
    assert_int_equal(pair->stored_count, 1);
    pair_free(pair);
}

static void poison_without_end__is_limited(void **state)
{
    struct pair *const pair = pair_new();
    uint8_t unit[2000];
    greet(pair);
    for (uint64_t sequence = 1; sequence <= 4097; sequence++) {
        pair->down.size = 0;
        tell(pair, WIRE_data, 0, sequence, unit, make_batch(unit, 5, 1, 10));
    }
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_limit);
    pair_free(pair);
}

/* ---- liars on the other side ---------------------------------------------------------------------------------------------- */

static void lie_down(enum wire_type type, uint32_t channel, uint64_t sequence, const void *payload, size_t bytes)
{
    struct pair *const pair = pair_new();
    pair->next = 3;
    pair->store_stalls = true;
    pair_run(pair);
    const struct wire_header header = {.type = type,
                                       .channel = channel,
                                       .sequence = sequence,
                                       .payload_bytes = (uint32_t)bytes,
                                       .payload_crc = wire_crc(0, payload, bytes)};
    wire_put_header(pair->down.bytes, &header);
    memcpy(pair->down.bytes + WIRE_HEADER_BYTES, payload, bytes);
    pair->down.size = WIRE_HEADER_BYTES + bytes;
    carry_down(pair, SIZE_MAX);
    assert_int_equal(pair->sender_closed, 1);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_protocol);
    assert_int_equal(pair->acked, 0);
    pair_free(pair);
}

static void a_collector_that_lies__is_left(void **state)
{
    uint8_t numbers[16] = {0};
    lie_down(WIRE_ack, 0, 3, numbers, 16); /* what was not sent */
    lie_down(WIRE_ack, 1, 1, numbers, 16);
    lie_down(WIRE_ack, 0, 1, numbers, 3);
    lie_down(WIRE_refuse, 0, 9, numbers, 10);
    lie_down(WIRE_opened, 0, 0, numbers, 8);
    lie_down(WIRE_data, 0, 1, numbers, 8);
    lie_down(WIRE_welcome, 0, 0, numbers, 8);
    lie_down(WIRE_hello, 0, 0, numbers, 8);
    lie_down(WIRE_watch, 0, 0, numbers, 3);
    lie_down(99, 0, 0, numbers, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream__is_stored_in_order_and_acknowledged),
        cmocka_unit_test(a_new_connection__goes_on_where_the_store_is),
        cmocka_unit_test(what_was_not_durable__comes_again_and_is_stored_once),
        cmocka_unit_test(a_store_that_stalls__closes_the_window_and_opens_it_again),
        cmocka_unit_test(a_gap__takes_the_place_of_what_is_missing),
        cmocka_unit_test(a_spool_that_dropped_its_oldest__tells_the_gap_first),
        cmocka_unit_test(a_damaged_batch__is_refused_and_the_rest_goes_on),
        cmocka_unit_test(a_batch_that_the_store_will_not_take__is_refused_and_acknowledged),
        cmocka_unit_test(a_store_that_fails__ends_the_connection_and_says_so),
        cmocka_unit_test(a_sender_that_is_turned_away__hears_why),
        cmocka_unit_test(a_stream_that_is_refused__leaves_the_connection),
        cmocka_unit_test(a_spool_that_was_copied_back__must_begin_a_new_stream),
        cmocka_unit_test(draining__ends_when_all_is_acknowledged),
        cmocka_unit_test(draining_without_acknowledgements__ends_at_its_deadline),
        cmocka_unit_test(a_collector_that_leaves__acknowledges_what_it_has),
        cmocka_unit_test(who_watches__is_told_to_the_sender_when_it_changes),
        cmocka_unit_test(bytes_one_by_one__are_the_same),
        cmocka_unit_test(the_link_is_full__units_wait),
        cmocka_unit_test(a_broken_link__is_told_once),
        cmocka_unit_test(pings__measure_the_clock_within_the_bound),
        cmocka_unit_test(a_clock_that_was_set__is_measured_anew),
        cmocka_unit_test(a_peer_that_is_silent__is_dead_after_five_pings),
        cmocka_unit_test(who_connects_and_says_nothing__is_sent_away),
        cmocka_unit_test(garbage__ends_with_its_first_byte),
        cmocka_unit_test(a_flipped_bit__is_noticed),
        cmocka_unit_test(no_common_version__names_both),
        cmocka_unit_test(a_required_feature_that_is_not_here__is_named),
        cmocka_unit_test(a_jump_in_the_sequence__ends),
        cmocka_unit_test(a_message_too_long__ends_before_it_comes),
        cmocka_unit_test(more_than_the_window__ends),
        cmocka_unit_test(a_stream_that_is_not_open__ends),
        cmocka_unit_test(a_stream_opened_twice__ends),
        cmocka_unit_test(data_before_hello__ends),
        cmocka_unit_test(data_behind_drain__ends),
        cmocka_unit_test(an_unknown_message__ends_unless_it_may_be_ignored),
        cmocka_unit_test(duplicates__are_stepped_over),
        cmocka_unit_test(poisoned_units__are_refused_one_by_one),
        cmocka_unit_test(poison_without_end__is_limited),
        cmocka_unit_test(a_collector_that_lies__is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
