/* SPDX-License-Identifier: ISC
 *
 * Captures of released versions of the protocol (tests/ship/golden): an old client's bytes go to the new collector, an old collector's to the
 * new client, and those of a later version to both. A capture is never changed; a new version adds its own:
 *
 *     EVTRAIL_GOLDEN=tests/ship/golden build/tests/ship/ship_golden_test
 */
#include "ship/pair.h"

#include <stdio.h>

#define GOLDEN SHIP_SOURCE_DIR "/tests/ship/golden/"

struct capture {
    uint8_t bytes[64 << 10];
    size_t size;
};
static struct capture ups, downs; /* all that goes each way */

static int tee_up(void *context, const struct iovec *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        memcpy(ups.bytes + ups.size, parts[i].iov_base, parts[i].iov_len);
        ups.size += parts[i].iov_len;
    }
    return up_send(context, parts, count);
}

static int tee_down(void *context, const struct iovec *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        memcpy(downs.bytes + downs.size, parts[i].iov_base, parts[i].iov_len);
        downs.size += parts[i].iov_len;
    }
    return down_send(context, parts, count);
}

static void load(const char *name, struct capture *ret_capture)
{
    char path[512];
    snprintf(path, sizeof(path), "%s%s", GOLDEN, name);
    FILE *const file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is missing", path);
    ret_capture->size = fread(ret_capture->bytes, 1, sizeof(ret_capture->bytes), file);
    fclose(file);
}

static void save(const char *folder, const char *name, const struct capture *capture)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(capture->bytes, 1, capture->size, file), capture->size);
    fclose(file);
}

/* A whole conversation: ten batches, of which 3 is damaged and 5 to 7 are missing, then the end. */
static struct pair *converse(void)
{
    static struct ship_sender_calls sender_calls;
    static struct ship_receiver_calls receiver_calls;
    struct pair *const pair = pair_new();
    sender_calls = spool_calls;
    receiver_calls = store_calls;
    sender_calls.send = tee_up;
    receiver_calls.send = tee_down;
    ups.size = downs.size = 0;
    ship_sender_free(pair->sender);
    ship_receiver_free(pair->receiver);
    pair->up.size = 0;
    struct ship_sender_options options = {
        .hello = {.host = "web1", .boot_id = "boot", .agent = "evtrail 0.1.0", .agent_id = 9}};
    const struct ship_receiver_options receiver_options = {
        .welcome = {.host = "store", .agent = "evtrail 0.1.0", .collector_id = 77}};
    struct wire_open opening = test_stream;
    uint32_t channel;
    pair->next = opening.next = 11;
    pair->poison = 3;
    pair->gap_at = 5;
    pair->gap_last = 7;
    assert_int_equal(ship_sender_new(&pair->sender, &options, &sender_calls, pair), 0);
    assert_int_equal(ship_receiver_new(&pair->receiver, &receiver_options, &receiver_calls, pair), 0);
    assert_int_equal(ship_sender_stream(pair->sender, &opening, &channel), 0);
    ship_receiver_start(pair->receiver, collector_time(pair));
    ship_sender_start(pair->sender, pair->now);
    pair_run(pair);
    ship_sender_drain(pair->sender, pair->now);
    pair_run(pair);
    assert_int_equal(pair->acked, 10);
    assert_int_equal(pair->sender_bye.code, WIRE_BYE_done);
    return pair;
}

static void this_version__says_what_it_said(void **state)
{
    static struct capture then;
    const char *const folder = getenv("EVTRAIL_GOLDEN");
    pair_free(converse());
    if (folder) {
        save(folder, "v1-sender.bin", &ups);
        save(folder, "v1-collector.bin", &downs);
    }
    load("v1-sender.bin", &then);
    assert_int_equal(then.size, ups.size);
    assert_memory_equal(then.bytes, ups.bytes, ups.size);
    load("v1-collector.bin", &then);
    assert_int_equal(then.size, downs.size);
    assert_memory_equal(then.bytes, downs.bytes, downs.size);
}

static void an_old_client__is_served(void **state)
{
    static struct capture then;
    struct pair *const pair = pair_new();
    size_t wanted;
    load("v1-sender.bin", &then);
    assert_int_equal(ship_receiver_input(pair->receiver, then.bytes, then.size, pair->now, &wanted), then.size);
    assert_string_equal(pair->greeted.agent, "evtrail 0.1.0");
    assert_int_equal(pair->stored_count, 6);
    assert_int_equal(pair->missing, 1);
    assert_int_equal(pair->gaps, 1);
    assert_int_equal(pair->taken, 10);
    assert_int_equal(pair->frames, 3);
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_done);
    assert_true(pair->receiver_by_peer);
    pair_free(pair);
}

/* The collector's answers come in the order in which the client's steps called for them: one message at a time. */
static void an_old_collector__is_understood(void **state)
{
    static struct capture then;
    struct pair *const pair = pair_new();
    pair->next = 11;
    pair->poison = 3;
    pair->gap_at = 5;
    pair->gap_last = 7;
    pair_connect(pair);
    load("v1-collector.bin", &then);
    for (size_t at = 0; at < then.size && !pair->sender_closed;) {
        struct wire_header header;
        const uint8_t *payload;
        const char *why;
        size_t wanted;
        const int64_t bytes =
            wire_next(then.bytes + at, then.size - at, WIRE_PAYLOAD_MAX, &header, &payload, &wanted, &why);
        assert_true(bytes > 0);
        assert_int_equal(ship_sender_input(pair->sender, then.bytes + at, (size_t)bytes, pair->now, &wanted), bytes);
        ship_sender_pump(pair->sender, pair->now);
        at += (size_t)bytes;
    }
    assert_false(pair->sender_closed);
    assert_int_equal(pair->set_aside_count, 1);
    assert_int_equal(pair->set_aside[0], 3);
    assert_int_equal(pair->acked, 10);
    pair_free(pair);
}

/* ---- of a later version --------------------------------------------------------------------------------------------------- */

/* The message again with eight more bytes of header, and more behind its known fields where `more`. */
static void grow(struct capture *into, const uint8_t *message, const struct wire_header *header, bool more)
{
    uint8_t *const out = into->bytes + into->size;
    const uint16_t header_bytes = WIRE_HEADER_BYTES + 8;
    const uint32_t payload_bytes = header->payload_bytes + (more ? 12 : 0);
    memcpy(out, message, WIRE_HEADER_BYTES);
    memset(out + WIRE_HEADER_BYTES, 0xab, 8);
    memcpy(out + header_bytes, message + WIRE_HEADER_BYTES, header->payload_bytes);
    memset(out + header_bytes + header->payload_bytes, 0xcd, payload_bytes - header->payload_bytes);
    if (header->type == WIRE_hello)
        out[header_bytes + 2] = 9; /* speaks versions 1 to 9 */
    memcpy(out + 6, &header_bytes, 2);
    memcpy(out + 8, &payload_bytes, 4);
    uint32_t crc = wire_crc(0, out + header_bytes, payload_bytes);
    memcpy(out + 12, &crc, 4);
    crc = wire_crc(wire_crc(0, out, 28), out + 32, 8);
    memcpy(out + 28, &crc, 4);
    into->size += header_bytes + payload_bytes;
}

static void later(struct capture *into, const struct capture *from)
{
    const struct wire_header unknown = {.type = 201, .flags = WIRE_FLAG_IGNORE};
    into->size = 0;
    for (size_t at = 0; at < from->size;) {
        struct wire_header header;
        const uint8_t *payload;
        const char *why;
        size_t wanted;
        const int64_t bytes =
            wire_next(from->bytes + at, from->size - at, WIRE_PAYLOAD_MAX, &header, &payload, &wanted, &why);
        assert_true(bytes > 0);
        grow(into, from->bytes + at, &header, header.type != WIRE_data && header.type != WIRE_frames);
        into->size += wire_put_header(into->bytes + into->size, &unknown);
        at += (size_t)bytes;
    }
}

static void a_later_client__is_served(void **state)
{
    static struct capture then, made;
    struct pair *const pair = pair_new();
    const char *const folder = getenv("EVTRAIL_GOLDEN");
    size_t wanted;
    if (folder) {
        load("v1-sender.bin", &then);
        later(&made, &then);
        save(folder, "later-sender.bin", &made);
    }
    load("later-sender.bin", &then);
    assert_int_equal(ship_receiver_input(pair->receiver, then.bytes, then.size, pair->now, &wanted), then.size);
    assert_int_equal(pair->greeted.version_max, 9);
    assert_int_equal(pair->stored_count, 6);
    assert_int_equal(pair->taken, 10);
    assert_int_equal(pair->receiver_bye.code, WIRE_BYE_done);
    pair_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_version__says_what_it_said),
        cmocka_unit_test(an_old_client__is_served),
        cmocka_unit_test(an_old_collector__is_understood),
        cmocka_unit_test(a_later_client__is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
