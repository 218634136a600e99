/* SPDX-License-Identifier: ISC
 *
 * Messages -> structs. The bytes come from a peer: nothing is used before it is bounded.
 */
#include "ship/wire.h"

#include "file/crc32c.h"
#include "file/get.h"

#include <errno.h>
#include <string.h>

/* A text of at most size - 1 bytes into room[size]; longer ones, and those with a NUL inside, are none. */
static void get_text(struct parser *parser, char *room, size_t size)
{
    const size_t bytes = get16(parser);
    if (!has(parser, bytes) || bytes >= size || memchr(parser->at, 0, bytes)) {
        parser->bad = true;
        return;
    }
    memcpy(room, parser->at, bytes);
    room[bytes] = 0;
    parser->at += bytes;
}

/* ---- one message out of a stream of bytes ----------------------------------------------------------------------------- */

/* Before its checksum is known to be right: what must hold for us to wait for the rest of the header. */
static const char *check_start(const struct wire_header *header, uint32_t magic)
{
    if (magic != WIRE_MAGIC)
        return "this is no message of evtrail's: its first four bytes are not 'EvtW'";
    if (header->header_bytes < WIRE_HEADER_BYTES || header->header_bytes > WIRE_HEADER_BYTES_MAX)
        return "a message's header has an impossible length";
    return NULL;
}

static bool header_intact(const uint8_t *at, uint32_t header_bytes)
{
    uint32_t crc;
    memcpy(&crc, at + WIRE_HEADER_BYTES - 4, 4);
    const uint32_t sum = evtrail_crc32c(0, at, WIRE_HEADER_BYTES - 4);
    return crc == evtrail_crc32c(sum, at + WIRE_HEADER_BYTES, header_bytes - WIRE_HEADER_BYTES);
}

static uint32_t most(unsigned type, uint32_t payload_max)
{
    const bool large = type == WIRE_frames || type == WIRE_data || type == WIRE_trace;
    return large ? payload_max : WIRE_SMALL_MAX;
}

/* The first bytes must be ours as far as they go: garbage is told by its first byte. */
static bool magic_begins(const uint8_t *at, size_t bytes)
{
    const uint32_t magic = WIRE_MAGIC;
    return memcmp(at, &magic, bytes < 4 ? bytes : 4) == 0;
}

static int bad(int error, const char *why, const char **ret_why)
{
    *ret_why = why;
    return error;
}

int64_t wire_next(const uint8_t *at, size_t bytes, uint32_t payload_max, struct wire_header *ret_header,
                  const uint8_t **ret_payload, size_t *ret_wanted, const char **ret_why)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_header header = {0};
    *ret_wanted = WIRE_HEADER_BYTES;
    if (bytes && !magic_begins(at, bytes))
        return bad(-EPROTO, check_start(&header, 0), ret_why);
    if (bytes < WIRE_HEADER_BYTES)
        return 0;
    const uint32_t magic = get32(&parser);
    header.type = (uint8_t)get(&parser, 1);
    header.flags = (uint8_t)get(&parser, 1);
    header.header_bytes = get16(&parser);
    header.payload_bytes = get32(&parser);
    header.payload_crc = get32(&parser);
    header.sequence = get64(&parser);
    header.channel = get32(&parser);
    const char *const why = check_start(&header, magic);
    if (why)
        return bad(-EPROTO, why, ret_why);
    *ret_wanted = header.header_bytes;
    if (bytes < header.header_bytes)
        return 0;
    if (!header_intact(at, header.header_bytes))
        return bad(-EBADMSG, "the checksum of a message's header is wrong", ret_why);
    if (header.payload_bytes > most(header.type, payload_max))
        return bad(-EMSGSIZE, "a message is longer than was agreed", ret_why);
    *ret_wanted = (size_t)header.header_bytes + header.payload_bytes;
    if (bytes < *ret_wanted)
        return 0;
    if (header.payload_crc != evtrail_crc32c(0, at + header.header_bytes, header.payload_bytes))
        return bad(-EBADMSG, "the checksum of a message's payload is wrong", ret_why);
    *ret_header = header;
    *ret_payload = at + header.header_bytes;
    return (int64_t)*ret_wanted;
}

/* ---- payloads --------------------------------------------------------------------------------------------------------- */

const char *wire_parse_hello(const uint8_t *at, size_t bytes, struct wire_hello *ret_hello)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_hello hello = {.version_min = get16(&parser)};
    hello.version_max = get16(&parser);
    hello.role = get32(&parser);
    hello.offered = get64(&parser);
    hello.required = get64(&parser);
    hello.payload_max = get32(&parser);
    hello.flags = get32(&parser);
    hello.agent_id = get64(&parser);
    hello.realtime_ns = (int64_t)get64(&parser);
    get_text(&parser, hello.host, sizeof(hello.host));
    get_text(&parser, hello.boot_id, sizeof(hello.boot_id));
    get_text(&parser, hello.agent, sizeof(hello.agent));
    get_text(&parser, hello.host_pattern, sizeof(hello.host_pattern));
    get_text(&parser, hello.program_pattern, sizeof(hello.program_pattern));
    if (parser.bad)
        return "HELLO is cut, or a text in it is too long";
    if (hello.version_min > hello.version_max || !hello.version_min)
        return "HELLO offers no version";
    if (hello.payload_max < WIRE_PAYLOAD_LEAST)
        return "HELLO offers messages that are too short";
    *ret_hello = hello;
    return NULL;
}

const char *wire_parse_welcome(const uint8_t *at, size_t bytes, struct wire_welcome *ret_welcome)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_welcome welcome = {.version = get16(&parser)};
    get16(&parser);
    welcome.ping_ms = get32(&parser);
    welcome.features = get64(&parser);
    welcome.collector_id = get64(&parser);
    welcome.payload_max = get32(&parser);
    welcome.channels_max = get32(&parser);
    welcome.limit = get64(&parser);
    welcome.realtime_ns = (int64_t)get64(&parser);
    get_text(&parser, welcome.host, sizeof(welcome.host));
    get_text(&parser, welcome.agent, sizeof(welcome.agent));
    if (parser.bad)
        return "WELCOME is cut, or a text in it is too long";
    if (welcome.payload_max < WIRE_PAYLOAD_LEAST || !welcome.channels_max)
        return "WELCOME leaves no room for messages or streams";
    *ret_welcome = welcome;
    return NULL;
}

const char *wire_parse_open(const uint8_t *at, size_t bytes, struct wire_open *ret_open)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_open open = {0};
    for (unsigned i = 0; i < WIRE_STREAM_ID_BYTES; i++)
        open.stream[i] = (uint8_t)get(&parser, 1);
    open.first = get64(&parser);
    open.next = get64(&parser);
    open.created_ns = (int64_t)get64(&parser);
    get_text(&parser, open.name, sizeof(open.name));
    if (parser.bad)
        return "OPEN is cut, or its name is too long";
    if (!open.first || open.next < open.first || open.next == UINT64_MAX)
        return "OPEN has impossible sequences";
    *ret_open = open;
    return NULL;
}

const char *wire_parse_opened(const uint8_t *at, size_t bytes, struct wire_opened *ret_opened)
{
    struct parser parser = {at, at + bytes, false};
    const struct wire_opened opened = {.resume = get64(&parser)};
    if (parser.bad || !opened.resume)
        return "OPENED is cut, or its sequence is 0";
    *ret_opened = opened;
    return NULL;
}

enum { GAP_HEAD_BYTES = 16 };

const char *wire_parse_gap(const uint8_t *at, size_t bytes, uint64_t first, struct wire_gap *ret_gap)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_gap gap = {.last = get64(&parser)};
    gap.cause = get32(&parser);
    gap.count = get32(&parser);
    if (parser.bad || gap.count > WIRE_GAP_ENTRIES_MAX ||
        bytes - GAP_HEAD_BYTES < (size_t)gap.count * WIRE_GAP_ENTRY_BYTES)
        return "GAP is cut, or has too many entries";
    if (!first || gap.last < first || gap.last >= UINT64_MAX - 1)
        return "GAP has impossible sequences";
    gap.raw = at + GAP_HEAD_BYTES;
    *ret_gap = gap;
    return NULL;
}

void wire_gap_entry_at(const struct wire_gap *gap, uint32_t index, struct wire_gap_entry *ret_entry)
{
    const uint8_t *const at = gap->raw + (size_t)index * WIRE_GAP_ENTRY_BYTES;
    struct parser parser = {at, at + WIRE_GAP_ENTRY_BYTES, false};
    struct wire_gap_entry entry = {.source = get32(&parser)};
    entry.ring = get32(&parser);
    entry.cause = get32(&parser);
    get32(&parser);
    entry.events = get64(&parser);
    entry.from_ns = (int64_t)get64(&parser);
    entry.to_ns = (int64_t)get64(&parser);
    *ret_entry = entry;
}

const char *wire_parse_ack(const uint8_t *at, size_t bytes, struct wire_ack *ret_ack)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_ack ack = {.limit = get64(&parser)};
    ack.received = get64(&parser);
    if (parser.bad)
        return "ACK is cut";
    *ret_ack = ack;
    return NULL;
}

const char *wire_parse_refuse(const uint8_t *at, size_t bytes, struct wire_refuse *ret_refuse)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_refuse refuse = {.code = get32(&parser)};
    get32(&parser);
    get_text(&parser, refuse.reason, sizeof(refuse.reason));
    if (parser.bad)
        return "REFUSE is cut, or its text is too long";
    *ret_refuse = refuse;
    return NULL;
}

const char *wire_parse_ping(const uint8_t *at, size_t bytes, struct wire_ping *ret_ping)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_ping ping = {.id = get64(&parser)};
    ping.sent_ns = (int64_t)get64(&parser);
    if (parser.bad)
        return "PING is cut";
    *ret_ping = ping;
    return NULL;
}

const char *wire_parse_pong(const uint8_t *at, size_t bytes, struct wire_pong *ret_pong)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_pong pong = {.id = get64(&parser)};
    pong.sent_ns = (int64_t)get64(&parser);
    pong.received_ns = (int64_t)get64(&parser);
    pong.answered_ns = (int64_t)get64(&parser);
    if (parser.bad)
        return "PONG is cut";
    *ret_pong = pong;
    return NULL;
}

const char *wire_parse_watch(const uint8_t *at, size_t bytes, struct wire_watch *ret_watch)
{
    struct parser parser = {at, at + bytes, false};
    const struct wire_watch watch = {.hold_us = get32(&parser)};
    if (parser.bad)
        return "WATCH is cut";
    *ret_watch = watch;
    return NULL;
}

const char *wire_parse_bye(const uint8_t *at, size_t bytes, struct wire_bye *ret_bye)
{
    struct parser parser = {at, at + bytes, false};
    struct wire_bye bye = {.code = get32(&parser)};
    bye.retry_ms = get32(&parser);
    get_text(&parser, bye.reason, sizeof(bye.reason));
    if (parser.bad)
        return "BYE is cut, or its text is too long";
    *ret_bye = bye;
    return NULL;
}
