/* SPDX-License-Identifier: ISC
 *
 * Messages <- structs.
 */
#include "ship/wire.h"

#include "file/crc32c.h"
#include "file/put.h"

uint32_t wire_crc(uint32_t crc, const void *data, size_t bytes)
{
    return evtrail_crc32c(crc, data, bytes);
}

size_t wire_put_header(uint8_t *out, const struct wire_header *header)
{
    uint8_t *p = put32(out, WIRE_MAGIC);
    p = put16(put8(put8(p, header->type), header->flags), WIRE_HEADER_BYTES);
    p = put32(put32(p, header->payload_bytes), header->payload_crc);
    p = put32(put64(p, header->sequence), header->channel);
    put32(p, evtrail_crc32c(0, out, WIRE_HEADER_BYTES - 4));
    return WIRE_HEADER_BYTES;
}

static bool ignorable(enum wire_type type)
{
    return type == WIRE_ping || type == WIRE_pong || type == WIRE_watch;
}

/* The header, once the payload stands between it and `end`. */
static size_t seal(uint8_t *out, enum wire_type type, uint32_t channel, uint64_t sequence, const uint8_t *end)
{
    const uint8_t *const payload = out + WIRE_HEADER_BYTES;
    const uint32_t bytes = (uint32_t)(end - payload);
    const struct wire_header header = {.type = type,
                                       .flags = ignorable(type) ? WIRE_FLAG_IGNORE : 0,
                                       .payload_bytes = bytes,
                                       .payload_crc = evtrail_crc32c(0, payload, bytes),
                                       .channel = channel,
                                       .sequence = sequence};
    wire_put_header(out, &header);
    return WIRE_HEADER_BYTES + bytes;
}

static uint8_t *put_text(uint8_t *out, const char *text, size_t most)
{
    const size_t bytes = strnlen(text, most);
    out = put16(out, (uint16_t)bytes);
    memcpy(out, text, bytes);
    return out + bytes;
}

size_t wire_put_hello(uint8_t *out, const struct wire_hello *hello)
{
    uint8_t *p = out + WIRE_HEADER_BYTES;
    p = put16(put16(p, hello->version_min), hello->version_max);
    p = put32(p, hello->role);
    p = put64(put64(p, hello->offered), hello->required);
    p = put32(put32(p, hello->payload_max), hello->flags);
    p = put64(put64(p, hello->agent_id), (uint64_t)hello->realtime_ns);
    p = put_text(p, hello->host, WIRE_HOST_BYTES);
    p = put_text(p, hello->boot_id, WIRE_BOOT_BYTES);
    p = put_text(p, hello->agent, WIRE_AGENT_BYTES);
    p = put_text(p, hello->host_pattern, WIRE_PATTERN_BYTES);
    p = put_text(p, hello->program_pattern, WIRE_PATTERN_BYTES);
    return seal(out, WIRE_hello, 0, 0, p);
}

size_t wire_put_welcome(uint8_t *out, const struct wire_welcome *welcome)
{
    uint8_t *p = out + WIRE_HEADER_BYTES;
    p = put32(put16(put16(p, welcome->version), 0), welcome->ping_ms);
    p = put64(put64(p, welcome->features), welcome->collector_id);
    p = put32(put32(p, welcome->payload_max), welcome->channels_max);
    p = put64(put64(p, welcome->limit), (uint64_t)welcome->realtime_ns);
    p = put_text(p, welcome->host, WIRE_HOST_BYTES);
    p = put_text(p, welcome->agent, WIRE_AGENT_BYTES);
    return seal(out, WIRE_welcome, 0, 0, p);
}

size_t wire_put_open(uint8_t *out, uint32_t channel, const struct wire_open *open)
{
    uint8_t *p = out + WIRE_HEADER_BYTES;
    memcpy(p, open->stream, WIRE_STREAM_ID_BYTES);
    p = put64(put64(p + WIRE_STREAM_ID_BYTES, open->first), open->next);
    p = put_text(put64(p, (uint64_t)open->created_ns), open->name, WIRE_AGENT_BYTES);
    return seal(out, WIRE_open, channel, 0, p);
}

size_t wire_put_opened(uint8_t *out, uint32_t channel, const struct wire_opened *opened)
{
    return seal(out, WIRE_opened, channel, 0, put64(out + WIRE_HEADER_BYTES, opened->resume));
}

size_t wire_put_gap(uint8_t *out, uint32_t channel, uint64_t first, const struct wire_gap *gap)
{
    const uint32_t count = gap->count <= WIRE_GAP_ENTRIES_MAX ? gap->count : WIRE_GAP_ENTRIES_MAX;
    uint8_t *p = put64(out + WIRE_HEADER_BYTES, gap->last);
    p = put32(put32(p, gap->cause), count);
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_gap_entry *const entry = &gap->entries[i];
        p = put32(put32(p, entry->source), entry->ring);
        p = put32(put32(p, entry->cause), 0);
        p = put64(p, entry->events);
        p = put64(put64(p, (uint64_t)entry->from_ns), (uint64_t)entry->to_ns);
    }
    return seal(out, WIRE_gap, channel, first, p);
}

size_t wire_put_ack(uint8_t *out, uint32_t channel, uint64_t sequence, const struct wire_ack *ack)
{
    return seal(out, WIRE_ack, channel, sequence, put64(put64(out + WIRE_HEADER_BYTES, ack->limit), ack->received));
}

size_t wire_put_refuse(uint8_t *out, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse)
{
    uint8_t *const p = put32(put32(out + WIRE_HEADER_BYTES, refuse->code), 0);
    return seal(out, WIRE_refuse, channel, sequence, put_text(p, refuse->reason, WIRE_REASON_BYTES));
}

size_t wire_put_ping(uint8_t *out, const struct wire_ping *ping)
{
    uint8_t *const p = put64(out + WIRE_HEADER_BYTES, ping->id);
    return seal(out, WIRE_ping, 0, 0, put64(p, (uint64_t)ping->sent_ns));
}

size_t wire_put_pong(uint8_t *out, const struct wire_pong *pong)
{
    uint8_t *p = put64(put64(out + WIRE_HEADER_BYTES, pong->id), (uint64_t)pong->sent_ns);
    p = put64(put64(p, (uint64_t)pong->received_ns), (uint64_t)pong->answered_ns);
    return seal(out, WIRE_pong, 0, 0, p);
}

size_t wire_put_drain(uint8_t *out)
{
    return seal(out, WIRE_drain, 0, 0, out + WIRE_HEADER_BYTES);
}

size_t wire_put_watch(uint8_t *out, const struct wire_watch *watch)
{
    return seal(out, WIRE_watch, 0, 0, put32(out + WIRE_HEADER_BYTES, watch->hold_us));
}

size_t wire_put_bye(uint8_t *out, const struct wire_bye *bye)
{
    uint8_t *const p = put32(put32(out + WIRE_HEADER_BYTES, bye->code), bye->retry_ms);
    return seal(out, WIRE_bye, 0, 0, put_text(p, bye->reason, WIRE_REASON_BYTES));
}
