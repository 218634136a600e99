/* SPDX-License-Identifier: ISC
 *
 * The protocol's messages: what is put is parsed; what is cut, changed or too long is not.
 */
#include "ship/pair.h"

#include <errno.h>
#include <stdio.h>

static const struct wire_hello hello = {.version_min = 1,
                                        .version_max = 3,
                                        .role = WIRE_ROLE_reader,
                                        .offered = 15,
                                        .required = 1,
                                        .payload_max = 1 << 20,
                                        .agent_id = 0x1122334455667788,
                                        .realtime_ns = 1700000000000000000,
                                        .host = "web1.example.org",
                                        .boot_id = "5f1c9d0e-9d0e-4d0e-8d0e-5f1c9d0e5f1c",
                                        .agent = "evtrail 0.1.0",
                                        .host_pattern = "web*",
                                        .program_pattern = "*/nginx"};
static const struct wire_welcome welcome = {.version = 1,
                                            .features = 7,
                                            .collector_id = 42,
                                            .payload_max = 3 << 20,
                                            .channels_max = 16,
                                            .ping_ms = 10000,
                                            .limit = 8 << 20,
                                            .realtime_ns = 1700000000000000001,
                                            .host = "collector",
                                            .agent = "evtrail 0.1.0"};

/* The one message in `out`, by wire_next(). */
static const uint8_t *next(const uint8_t *out, size_t bytes, struct wire_header *ret_header)
{
    const uint8_t *payload = NULL;
    size_t wanted;
    const char *why;
    assert_int_equal(wire_next(out, bytes, WIRE_PAYLOAD_MAX, ret_header, &payload, &wanted, &why), (int64_t)bytes);
    assert_int_equal(wanted, bytes);
    return payload;
}

static void every_message__is_what_was_put(void **state)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_header header;
    struct wire_hello hello_back;
    struct wire_welcome welcome_back;
    struct wire_open open_back;
    struct wire_opened opened_back;
    struct wire_ack ack_back;
    struct wire_refuse refuse_back, refuse = {.code = 3, .reason = "no such source"};
    struct wire_ping ping_back;
    struct wire_pong pong_back, pong = {1, -2, 3, 4};
    struct wire_bye bye_back, bye;
    const uint8_t *at = next(out, wire_put_hello(out, &hello), &header);
    assert_null(wire_parse_hello(at, header.payload_bytes, &hello_back));
    assert_memory_equal(&hello_back, &hello, sizeof(hello));
    at = next(out, wire_put_welcome(out, &welcome), &header);
    assert_null(wire_parse_welcome(at, header.payload_bytes, &welcome_back));
    assert_memory_equal(&welcome_back, &welcome, sizeof(welcome));
    at = next(out, wire_put_open(out, 5, &test_stream), &header);
    assert_true(header.type == WIRE_open && header.channel == 5);
    assert_null(wire_parse_open(at, header.payload_bytes, &open_back));
    assert_memory_equal(open_back.stream, test_stream.stream, 16);
    assert_string_equal(open_back.name, "spool");
    at = next(out, wire_put_opened(out, 5, &(struct wire_opened){17}), &header);
    assert_null(wire_parse_opened(at, header.payload_bytes, &opened_back));
    assert_int_equal(opened_back.resume, 17);
    at = next(out, wire_put_ack(out, 5, 99, &(struct wire_ack){1000, 100}), &header);
    assert_null(wire_parse_ack(at, header.payload_bytes, &ack_back));
    assert_true(header.sequence == 99 && ack_back.limit == 1000 && ack_back.received == 100);
    at = next(out, wire_put_refuse(out, 5, 99, &refuse), &header);
    assert_null(wire_parse_refuse(at, header.payload_bytes, &refuse_back));
    assert_memory_equal(&refuse_back, &refuse, sizeof(refuse));
    at = next(out, wire_put_ping(out, &(struct wire_ping){7, 8}), &header);
    assert_null(wire_parse_ping(at, header.payload_bytes, &ping_back));
    assert_true(ping_back.id == 7 && ping_back.sent_ns == 8 && header.flags == WIRE_FLAG_IGNORE);
    at = next(out, wire_put_pong(out, &pong), &header);
    assert_null(wire_parse_pong(at, header.payload_bytes, &pong_back));
    assert_memory_equal(&pong_back, &pong, sizeof(pong));
    wire_bye_say(&bye, WIRE_BYE_limit, "too %s", "much");
    at = next(out, wire_put_bye(out, &bye), &header);
    assert_null(wire_parse_bye(at, header.payload_bytes, &bye_back));
    assert_string_equal(bye_back.reason, "too much");
    struct wire_watch watch_back;
    at = next(out, wire_put_watch(out, &(struct wire_watch){3000}), &header);
    assert_null(wire_parse_watch(at, header.payload_bytes, &watch_back));
    assert_true(header.type == WIRE_watch && header.flags == WIRE_FLAG_IGNORE && watch_back.hold_us == 3000);
    assert_non_null(wire_parse_watch(at, 3, &watch_back));
    next(out, wire_put_drain(out), &header);
    assert_true(header.type == WIRE_drain && header.payload_bytes == 0);
}

static void a_gap__has_its_entries(void **state)
{
    static uint8_t out[WIRE_GAP_ROOM];
    static struct wire_gap_entry entries[WIRE_GAP_ENTRIES_MAX + 5];
    const struct wire_gap gap = {
        .last = 20, .cause = WIRE_GAP_age, .count = WIRE_GAP_ENTRIES_MAX + 5, .entries = entries};
    struct wire_gap back;
    struct wire_gap_entry entry;
    struct wire_header header;
    for (uint32_t i = 0; i < WIRE_GAP_ENTRIES_MAX + 5; i++)
        entries[i] = (struct wire_gap_entry){i, i + 1, 2, i * 3, -5, 9};
    const size_t bytes = wire_put_gap(out, 0, 10, &gap);
    assert_int_equal(bytes, WIRE_GAP_ROOM);
    const uint8_t *const at = next(out, bytes, &header);
    assert_null(wire_parse_gap(at, header.payload_bytes, header.sequence, &back));
    assert_int_equal(back.count, WIRE_GAP_ENTRIES_MAX);
    wire_gap_entry_at(&back, 1023, &entry);
    assert_true(entry.source == 1023 && entry.ring == 1024 && entry.cause == 2 && entry.events == 3069 &&
                entry.from_ns == -5 && entry.to_ns == 9);
    assert_non_null(wire_parse_gap(at, header.payload_bytes - 1, 10, &back));
    assert_non_null(wire_parse_gap(at, header.payload_bytes, 21, &back));
    assert_non_null(wire_parse_gap(at, header.payload_bytes, 0, &back));
}

static void every_truncation__wants_more(void **state)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_header header;
    const uint8_t *payload;
    size_t wanted = 0;
    const char *why;
    const size_t bytes = wire_put_hello(out, &hello);
    for (size_t size = 0; size < bytes; size++) {
        assert_int_equal(wire_next(out, size, WIRE_PAYLOAD_MAX, &header, &payload, &wanted, &why), 0);
        assert_int_equal(wanted, size < WIRE_HEADER_BYTES ? WIRE_HEADER_BYTES : bytes);
    }
}

/* A payload whose checksum is right, and which is too short. */
static void every_cut_payload__is_told(void **state)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_hello hello_back;
    struct wire_welcome welcome_back;
    size_t bytes = wire_put_hello(out, &hello) - WIRE_HEADER_BYTES;
    for (size_t size = 0; size < bytes; size++)
        assert_non_null(wire_parse_hello(out + WIRE_HEADER_BYTES, size, &hello_back));
    bytes = wire_put_welcome(out, &welcome) - WIRE_HEADER_BYTES;
    for (size_t size = 0; size < bytes; size++)
        assert_non_null(wire_parse_welcome(out + WIRE_HEADER_BYTES, size, &welcome_back));
}

static void every_flipped_bit__is_told(void **state)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_header header;
    const uint8_t *payload;
    size_t wanted;
    const char *why;
    const size_t bytes = wire_put_hello(out, &hello);
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        why = NULL;
        const int64_t r = wire_next(out, bytes, WIRE_PAYLOAD_MAX, &header, &payload, &wanted, &why);
        assert_true(r < 0 ? why != NULL
                          : r == 0 && wanted <= WIRE_HEADER_BYTES_MAX); /* a longer header is waited for */
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* What a later version may do: a longer header, more behind the fields, texts within what we know. */
static void longer_headers_and_payloads__are_read(void **state)
{
    uint8_t out[WIRE_OUT_BYTES + 64], longer[WIRE_OUT_BYTES + 64];
    struct wire_header header;
    struct wire_hello back;
    size_t bytes = wire_put_hello(out, &hello);
    memset(longer, 0xee, sizeof(longer));
    memcpy(longer, out, WIRE_HEADER_BYTES);
    memcpy(longer + WIRE_HEADER_BYTES + 8, out + WIRE_HEADER_BYTES, bytes - WIRE_HEADER_BYTES);
    const uint32_t payload_bytes = (uint32_t)(bytes - WIRE_HEADER_BYTES + 16);
    const uint16_t header_bytes = WIRE_HEADER_BYTES + 8;
    bytes += 24;
    memcpy(longer + 6, &header_bytes, 2);
    memcpy(longer + 8, &payload_bytes, 4);
    uint32_t crc = wire_crc(0, longer + header_bytes, payload_bytes);
    memcpy(longer + 12, &crc, 4);
    crc = wire_crc(wire_crc(0, longer, 28), longer + 32, 8);
    memcpy(longer + 28, &crc, 4);
    const uint8_t *const at = next(longer, bytes, &header);
    assert_null(wire_parse_hello(at, header.payload_bytes, &back));
    assert_string_equal(back.program_pattern, hello.program_pattern);
}

static void texts__are_bounded(void **state)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_header header;
    struct wire_bye back, bye = {.code = 1};
    memset(bye.reason, 'x', sizeof(bye.reason)); /* not even terminated */
    const uint8_t *at = next(out, wire_put_bye(out, &bye), &header);
    assert_null(wire_parse_bye(at, header.payload_bytes, &back));
    assert_int_equal(strlen(back.reason), WIRE_REASON_BYTES);
    out[WIRE_HEADER_BYTES + 8] = 0xff; /* a length beyond the room */
    out[WIRE_HEADER_BYTES + 9] = 0xff;
    assert_non_null(wire_parse_bye(at, header.payload_bytes, &back));
    wire_bye_say(&bye, WIRE_BYE_limit, "ab");
    at = next(out, wire_put_bye(out, &bye), &header);
    out[WIRE_HEADER_BYTES + 10] = 0; /* a NUL inside */
    assert_non_null(wire_parse_bye(at, header.payload_bytes, &back));
}

static void names__are_those_of_the_tables(void **state)
{
    assert_string_equal(wire_type_name(WIRE_hello), "HELLO");
    assert_string_equal(wire_type_name(WIRE_trace), "TRACE");
    assert_string_equal(wire_type_name(15), "?");
    assert_string_equal(wire_bye_name(WIRE_BYE_superseded), "superseded");
    assert_string_equal(wire_bye_name(99), "?");
    assert_true(wire_bye_again(WIRE_BYE_shutdown) && !wire_bye_again(WIRE_BYE_denied) && wire_bye_again(99));
    assert_string_equal(wire_refusal_name(WIRE_REFUSE_ahead), "ahead");
    assert_string_equal(wire_gap_cause_name(WIRE_GAP_oldest), "spool-oldest");
}

static void clocks__lies_about_time_are_not_taken(void **state)
{
    struct wire_clock clock = {0};
    const struct ship_time now = {1000, 5000};
    int64_t offset_ns, bound_ns;
    assert_false(wire_clock_offset(&clock, 0, &offset_ns, &bound_ns));
    assert_false(wire_clock_take(&clock, &(struct wire_pong){1, 4000, 900, 800}, now)); /* answered before it came */
    assert_false(
        wire_clock_take(&clock, &(struct wire_pong){1, 4000, 0, 2000}, now)); /* longer away than the round trip */
    assert_false(wire_clock_take(&clock, &(struct wire_pong){1, 4000, INT64_MIN, INT64_MAX}, now));
    assert_false(wire_clock_take(&clock, &(struct wire_pong){1, 4000, INT64_MAX - 1, INT64_MAX}, now));
    assert_true(wire_clock_take(&clock, &(struct wire_pong){1, 4000, 14500, 14500}, now));
    assert_true(wire_clock_offset(&clock, 1000, &offset_ns, &bound_ns));
    assert_int_equal(offset_ns, 10000);
    assert_int_equal(bound_ns, 501);
    assert_true(wire_clock_offset(&clock, 1000 + INT64_C(10000000000), &offset_ns, &bound_ns));
    assert_int_equal(bound_ns, 501 + 1000000); /* 100 ppm of ten seconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message__is_what_was_put),
        cmocka_unit_test(a_gap__has_its_entries),
        cmocka_unit_test(every_truncation__wants_more),
        cmocka_unit_test(every_cut_payload__is_told),
        cmocka_unit_test(every_flipped_bit__is_told),
        cmocka_unit_test(longer_headers_and_payloads__are_read),
        cmocka_unit_test(texts__are_bounded),
        cmocka_unit_test(names__are_those_of_the_tables),
        cmocka_unit_test(clocks__lies_about_time_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
