/* SPDX-License-Identifier: ISC
 *
 * The protocol's decoder: whatever the bytes are, messages come out of them or none, within bounds, and what is parsed is put again as it was.
 *
 * The first pass takes the bytes as they are; the second makes checksums right, so that what is behind them is reached.
 */
#include "ship/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void make_checksums_right(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + WIRE_HEADER_BYTES <= size;) {
        uint16_t header_bytes;
        uint32_t payload_bytes, crc;
        memcpy(&header_bytes, bytes + at + 6, 2);
        memcpy(&payload_bytes, bytes + at + 8, 4);
        if (header_bytes < WIRE_HEADER_BYTES || header_bytes > size - at || payload_bytes > size - at - header_bytes) {
            at++;
            continue;
        }
        crc = wire_crc(0, bytes + at + header_bytes, payload_bytes);
        memcpy(bytes + at + 12, &crc, 4);
        crc = wire_crc(wire_crc(0, bytes + at, 28), bytes + at + 32, header_bytes - 32u);
        memcpy(bytes + at + 28, &crc, 4);
        at += (size_t)header_bytes + payload_bytes;
    }
}

static void parse_gap(const struct wire_header *header, const uint8_t *payload)
{
    struct wire_gap gap;
    struct wire_gap_entry entry;
    if (wire_parse_gap(payload, header->payload_bytes, header->sequence, &gap))
        return;
    for (uint32_t i = 0; i < gap.count; i++)
        wire_gap_entry_at(&gap, i, &entry);
}

static void parse_texts(const struct wire_header *header, const uint8_t *payload)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_hello hello, again;
    struct wire_welcome welcome;
    struct wire_bye bye;
    struct wire_refuse refuse;
    struct wire_open open;
    const size_t bytes = header->payload_bytes;
    if (!wire_parse_hello(payload, bytes, &hello)) {
        const size_t put = wire_put_hello(out, &hello);
        must(put <= sizeof(out) && !wire_parse_hello(out + WIRE_HEADER_BYTES, put - WIRE_HEADER_BYTES, &again));
        must(strcmp(hello.program_pattern, again.program_pattern) == 0 && hello.offered == again.offered);
    }
    if (!wire_parse_welcome(payload, bytes, &welcome))
        must(wire_put_welcome(out, &welcome) <= sizeof(out));
    if (!wire_parse_bye(payload, bytes, &bye))
        must(wire_put_bye(out, &bye) <= sizeof(out));
    if (!wire_parse_refuse(payload, bytes, &refuse))
        must(wire_put_refuse(out, 0, 0, &refuse) <= sizeof(out));
    if (!wire_parse_open(payload, bytes, &open))
        must(wire_put_open(out, 0, &open) <= sizeof(out));
}

static void read_through(const uint8_t *bytes, size_t size)
{
    struct wire_header header;
    struct wire_opened opened;
    struct wire_ack ack;
    struct wire_ping ping;
    struct wire_pong pong;
    const uint8_t *payload;
    const char *why;
    size_t wanted;
    for (size_t at = 0; at <= size;) {
        const int64_t r = wire_next(bytes + at, size - at, WIRE_PAYLOAD_LEAST, &header, &payload, &wanted, &why);
        must(wanted <= WIRE_HEADER_BYTES_MAX + WIRE_PAYLOAD_LEAST);
        if (r <= 0) {
            must(r < 0 || wanted > size - at);
            break;
        }
        must((size_t)r <= size - at && payload + header.payload_bytes == bytes + at + r);
        parse_texts(&header, payload);
        parse_gap(&header, payload);
        wire_parse_opened(payload, header.payload_bytes, &opened);
        wire_parse_ack(payload, header.payload_bytes, &ack);
        wire_parse_ping(payload, header.payload_bytes, &ping);
        wire_parse_pong(payload, header.payload_bytes, &pong);
        at += (size_t)r;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *const copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    read_through(copy, size);
    make_checksums_right(copy, size);
    read_through(copy, size);
    free(copy);
    return 0;
}
