/* SPDX-License-Identifier: ISC
 *
 * The collector's side of the protocol: handshake, streams, acknowledgements, time, live readers. What streams consist of is in
 * receiver_units.c.
 */
#include "ship/receiver_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
enum { WINDOW_BYTES = 8 << 20, WINDOW_BEYOND = 64 << 10, REFUSALS_MAX = 4096, DRAIN_MS = 10000 };

static uint32_t either(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

static uint32_t within(uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least)
        return least;
    return value < most ? value : most;
}

int ship_receiver_new(struct ship_receiver **ret_receiver, const struct ship_receiver_options *options,
                      const struct ship_receiver_calls *calls, void *context)
{
    struct ship_receiver *const receiver = calloc(1, sizeof(*receiver));
    const struct ship_receiver_options none = {0};
    if (!receiver)
        return -ENOMEM;
    if (!options)
        options = &none;
    receiver->calls = calls;
    receiver->context = context;
    receiver->side.send = calls->send;
    receiver->side.context = context;
    receiver->welcome = options->welcome;
    receiver->welcome.payload_max = either(options->welcome.payload_max, WIRE_PAYLOAD_MAX);
    receiver->welcome.channels_max = either(options->welcome.channels_max, WIRE_CHANNELS_MAX);
    receiver->welcome.ping_ms = either(options->welcome.ping_ms, WIRE_PING_MS);
    receiver->window_bytes = options->window_bytes ? options->window_bytes : WINDOW_BYTES;
    receiver->refusals_max = either(options->refusals_max, REFUSALS_MAX);
    receiver->handshake_ns = options->handshake_ns > 0 ? options->handshake_ns : WIRE_HANDSHAKE_MS * MS;
    *ret_receiver = receiver;
    return 0;
}

void ship_receiver_free(struct ship_receiver *receiver)
{
    free(receiver);
}

bool receiver_alive(const struct ship_receiver *receiver)
{
    return receiver->state > SHIP_RECEIVER_NEW && receiver->state < SHIP_RECEIVER_CLOSED;
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static void end(struct ship_receiver *receiver, const struct wire_bye *bye, bool by_peer)
{
    if (receiver->state == SHIP_RECEIVER_CLOSED)
        return;
    receiver->state = SHIP_RECEIVER_CLOSED;
    if (receiver->calls->closed)
        receiver->calls->closed(receiver->context, bye, by_peer);
}

static void say_bye(struct ship_receiver *receiver, const struct wire_bye *bye)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (receiver->state == SHIP_RECEIVER_CLOSED)
        return;
    if (bye->code != WIRE_BYE_lost && receiver->state != SHIP_RECEIVER_NEW)
        wire_side_put(&receiver->side, out, wire_put_bye(out, bye));
    end(receiver, bye, false);
}

void receiver_bye(struct ship_receiver *receiver, enum wire_bye_code code, uint32_t retry_ms, const char *format, ...)
{
    struct wire_bye bye = {.code = code, .retry_ms = retry_ms};
    va_list list;
    va_start(list, format);
    vsnprintf(bye.reason, sizeof(bye.reason), format, list);
    va_end(list);
    say_bye(receiver, &bye);
}

void ship_receiver_close(struct ship_receiver *receiver, enum wire_bye_code code, const char *reason)
{
    receiver_bye(receiver, code, 0, "%s", reason ? reason : "");
}

static void check_link(struct ship_receiver *receiver)
{
    if (receiver_alive(receiver) && receiver->side.error)
        receiver_bye(receiver, WIRE_BYE_lost, 0, "the connection broke: %s", strerror(-receiver->side.error));
}

/* ---- handshake -------------------------------------------------------------------------------------------------------- */

void ship_receiver_start(struct ship_receiver *receiver, struct ship_time now)
{
    if (receiver->state != SHIP_RECEIVER_NEW)
        return;
    wire_side_begin(&receiver->side, now);
    receiver->state = SHIP_RECEIVER_WAITING;
}

static bool settle(struct ship_receiver *receiver, const struct wire_hello *hello)
{
    const uint16_t version = hello->version_max < WIRE_VERSION_MAX ? hello->version_max : WIRE_VERSION_MAX;
    const uint64_t lacking = hello->required & ~(uint64_t)WIRE_FEATURES;
    if (version < hello->version_min || version < WIRE_VERSION_MIN) {
        receiver_bye(
            receiver, WIRE_BYE_version, 0,
            "you speak versions %u to %u of the protocol, this collector %u to %u: update the older of the two",
            hello->version_min, hello->version_max, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
        return false;
    }
    if (lacking) {
        receiver_bye(receiver, WIRE_BYE_feature, 0,
                     "you require features 0x%" PRIx64 ", which this collector lacks: update it", lacking);
        return false;
    }
    if (!(hello->offered & WIRE_FEATURE_columns)) {
        receiver_bye(receiver, WIRE_BYE_feature, 0,
                     "this collector requires the feature 0x%x (batches as columns): update the sender",
                     WIRE_FEATURE_columns);
        return false;
    }
    receiver->reader = hello->role == WIRE_ROLE_reader;
    if (hello->role != WIRE_ROLE_sender && !(receiver->reader && receiver->calls->reader)) {
        receiver_bye(receiver, WIRE_BYE_role, 0,
                     receiver->reader ? "this collector serves no live readers" : "role %u is not known", hello->role);
        return false;
    }
    receiver->welcome.version = version;
    receiver->welcome.features = hello->offered & WIRE_FEATURES;
    return true;
}

static void greet(struct ship_receiver *receiver)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_welcome *const welcome = &receiver->welcome;
    welcome->payload_max = within(welcome->payload_max, WIRE_PAYLOAD_LEAST, WIRE_PAYLOAD_MAX);
    welcome->channels_max = within(welcome->channels_max, 1, WIRE_CHANNELS_MAX);
    welcome->ping_ms = within(welcome->ping_ms, WIRE_PING_MS_LEAST, WIRE_PING_MS_MOST);
    if (receiver->window_bytes < (uint64_t)welcome->payload_max + WINDOW_BEYOND)
        receiver->window_bytes = (uint64_t)welcome->payload_max + WINDOW_BEYOND;
    receiver->limit = welcome->limit = receiver->window_bytes;
    welcome->realtime_ns = receiver->side.now.realtime_ns;
    receiver->state = SHIP_RECEIVER_UP;
    wire_side_pace(&receiver->side, welcome->ping_ms);
    wire_side_put(&receiver->side, out, wire_put_welcome(out, welcome));
    wire_side_ping(&receiver->side);
}

static const char *on_hello(struct ship_receiver *receiver, const uint8_t *payload, size_t bytes)
{
    struct wire_bye bye = {0};
    const char *const why = wire_parse_hello(payload, bytes, &receiver->hello);
    if (why)
        return why;
    if (!settle(receiver, &receiver->hello))
        return NULL;
    const int code = receiver->calls->hello(receiver->context, &receiver->hello, &receiver->welcome, &bye);
    if (code != 0) {
        bye.code = code > 0 ? (uint32_t)code : (uint32_t)WIRE_BYE_internal;
        say_bye(receiver, &bye);
        return NULL;
    }
    if (receiver->state != SHIP_RECEIVER_WAITING)
        return NULL;
    greet(receiver);
    if (receiver->reader && receiver_alive(receiver))
        receiver->calls->reader(receiver->context, &receiver->hello, true);
    return NULL;
}

/* ---- streams ---------------------------------------------------------------------------------------------------------- */

static void refuse_stream(struct ship_receiver *receiver, uint32_t channel, const struct wire_refuse *refuse)
{
    uint8_t out[WIRE_OUT_BYTES];
    receiver->channels[channel].refused = true;
    receiver->figures.refused++;
    wire_side_put(&receiver->side, out, wire_put_refuse(out, channel, 0, refuse));
}

static bool opened_already(const struct ship_receiver *receiver, const uint8_t *stream)
{
    for (uint32_t i = 0; i < WIRE_CHANNELS_MAX; i++)
        if (receiver->channels[i].open && memcmp(receiver->channels[i].stream, stream, WIRE_STREAM_ID_BYTES) == 0)
            return true;
    return false;
}

static const char *on_open(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_open opening;
    struct wire_refuse refuse = {0};
    uint64_t resume = 1;
    const char *const why = wire_parse_open(payload, header->payload_bytes, &opening);
    if (why)
        return why;
    if (header->channel >= receiver->welcome.channels_max)
        return "OPEN has a channel number beyond the limit";
    struct receiver_channel *const channel = &receiver->channels[header->channel];
    if (channel->open || channel->refused)
        return "OPEN is for a channel that is in use";
    if (opened_already(receiver, opening.stream))
        return "OPEN is for a stream that is open already";
    const int r = receiver->calls->open(receiver->context, header->channel, &opening, &resume, &refuse);
    if (r < 0) {
        receiver_bye(receiver, WIRE_BYE_store, 1000, "the collector cannot open the stream: %s", strerror(-r));
        return NULL;
    }
    if (r == 0 && resume > opening.next) {
        snprintf(refuse.reason, sizeof(refuse.reason),
                 "the collector has %" PRIu64 " batches of this stream, its sender made %" PRIu64
                 ": was the spool copied back? begin a new stream",
                 resume - 1, opening.next - 1);
        refuse.code = WIRE_REFUSE_ahead;
    }
    if (r > 0)
        refuse.code = (uint32_t)r;
    if (refuse.code) {
        refuse_stream(receiver, header->channel, &refuse);
        return NULL;
    }
    channel->open = true;
    memcpy(channel->stream, opening.stream, WIRE_STREAM_ID_BYTES);
    channel->expected = resume ? resume : 1;
    channel->durable = channel->expected - 1;
    receiver->figures.channels++;
    wire_side_put(&receiver->side, out,
                  wire_put_opened(out, header->channel, &(struct wire_opened){channel->expected}));
    return NULL;
}

/* ---- acknowledgements -------------------------------------------------------------------------------------------------- */

void receiver_ack(struct ship_receiver *receiver, uint32_t channel, uint64_t sequence)
{
    uint8_t out[WIRE_OUT_BYTES];
    const uint64_t limit = receiver->released + receiver->window_bytes;
    if (!sequence && limit - receiver->limit < receiver->window_bytes / 8)
        return;
    receiver->limit = limit;
    const uint64_t received = receiver->channels[channel].expected ? receiver->channels[channel].expected - 1 : 0;
    wire_side_put(&receiver->side, out,
                  wire_put_ack(out, channel, sequence, &(struct wire_ack){.limit = limit, .received = received}));
}

static bool all_durable(const struct ship_receiver *receiver)
{
    for (uint32_t i = 0; i < WIRE_CHANNELS_MAX; i++)
        if (receiver->channels[i].open && receiver->channels[i].durable + 1 != receiver->channels[i].expected)
            return false;
    return true;
}

static void see_drained(struct ship_receiver *receiver)
{
    if (!receiver_alive(receiver) || !all_durable(receiver))
        return;
    if (receiver->we_drain) {
        receiver_bye(receiver, WIRE_BYE_shutdown, 1000, "the collector is shutting down");
        return;
    }
    if (receiver->peer_drains && !receiver->drained_told && receiver->calls->drained)
        receiver->calls->drained(receiver->context);
    receiver->drained_told |= receiver->peer_drains;
}

void ship_receiver_durable(struct ship_receiver *receiver, uint32_t number, uint64_t sequence, struct ship_time now)
{
    if (!receiver_alive(receiver) || number >= WIRE_CHANNELS_MAX || !receiver->channels[number].open)
        return;
    struct receiver_channel *const channel = &receiver->channels[number];
    receiver->side.now = now;
    if (sequence >= channel->expected)
        sequence = channel->expected - 1;
    if (sequence <= channel->durable)
        return;
    channel->durable = sequence;
    while (channel->flights_count && channel->flights[channel->flights_first].sequence <= sequence) {
        receiver->released += channel->flights[channel->flights_first].bytes;
        channel->flights_first = (channel->flights_first + 1) % FLIGHTS_MAX;
        channel->flights_count--;
    }
    receiver_ack(receiver, number, sequence);
    see_drained(receiver);
    check_link(receiver);
}

/* ---- live readers ------------------------------------------------------------------------------------------------------ */

static const char *on_ack(struct ship_receiver *receiver, const uint8_t *payload, size_t bytes)
{
    struct wire_ack ack;
    const char *const why = wire_parse_ack(payload, bytes, &ack);
    if (why || ack.limit <= receiver->trace_limit)
        return why;
    receiver->trace_limit = ack.limit;
    receiver->calls->reader(receiver->context, &receiver->hello, false);
    return NULL;
}

int ship_receiver_trace(struct ship_receiver *receiver, const struct iovec *parts, unsigned count)
{
    enum { PARTS_MAX = 8 };
    uint8_t out[WIRE_HEADER_BYTES];
    struct iovec all[PARTS_MAX + 1];
    struct wire_header header = {.type = WIRE_trace, .sequence = receiver->figures.traced_bytes};
    size_t bytes = 0;
    if (!receiver->reader || (receiver->state != SHIP_RECEIVER_UP && receiver->state != SHIP_RECEIVER_DRAINING) ||
        receiver->side.error)
        return -ENOTCONN;
    for (unsigned i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    if (count > PARTS_MAX || bytes > receiver->hello.payload_max || bytes > WIRE_PAYLOAD_MAX)
        return -EMSGSIZE;
    if (receiver->figures.traced_bytes + WIRE_HEADER_BYTES + bytes > receiver->trace_limit)
        return -EAGAIN;
    for (unsigned i = 0; i < count; i++)
        header.payload_crc = wire_crc(header.payload_crc, parts[i].iov_base, parts[i].iov_len);
    header.payload_bytes = (uint32_t)bytes;
    all[0] = (struct iovec){out, wire_put_header(out, &header)};
    memcpy(all + 1, parts, count * sizeof(*parts));
    receiver->figures.traced_bytes += WIRE_HEADER_BYTES + bytes;
    return wire_side_put_parts(&receiver->side, all, count + 1) ? 0 : -ENOTCONN;
}

/* ---- what comes ------------------------------------------------------------------------------------------------------- */

static const char *on_bye(struct ship_receiver *receiver, const uint8_t *payload, size_t bytes)
{
    struct wire_bye bye;
    const char *const why = wire_parse_bye(payload, bytes, &bye);
    if (!why)
        end(receiver, &bye, true);
    return why;
}

static const char *on_pong(struct ship_receiver *receiver, const uint8_t *payload, size_t bytes)
{
    bool better;
    int64_t offset_ns, bound_ns;
    const char *const why = wire_side_ponged(&receiver->side, payload, bytes, &better);
    if (why || !receiver->calls->clock ||
        !wire_clock_offset(&receiver->side.clock, receiver->side.now.monotonic_ns, &offset_ns, &bound_ns))
        return why;
    if (receiver->told_clock && receiver->told_offset_ns == offset_ns && receiver->told_bound_ns <= bound_ns)
        return NULL;
    receiver->told_clock = true;
    receiver->told_offset_ns = offset_ns;
    receiver->told_bound_ns = bound_ns;
    receiver->calls->clock(receiver->context, offset_ns, bound_ns);
    return NULL;
}

static const char *on_drain(struct ship_receiver *receiver)
{
    receiver->peer_drains = true;
    receiver->state = SHIP_RECEIVER_DRAINING;
    see_drained(receiver);
    return NULL;
}

static const char *on_stream_message(struct ship_receiver *receiver, const struct wire_header *header,
                                     const uint8_t *payload, enum wire_bye_code *ret_code)
{
    if (receiver->reader)
        return "a live reader sends nothing but ACK, PING, PONG, DRAIN and BYE";
    if (receiver->peer_drains)
        return "data came behind DRAIN";
    switch (header->type) {
    case WIRE_open:
        return on_open(receiver, header, payload);
    case WIRE_frames:
        return receiver_on_frames(receiver, header, payload, ret_code);
    case WIRE_data:
        return receiver_on_data(receiver, header, payload, ret_code);
    default:
        return receiver_on_gap(receiver, header, payload, ret_code);
    }
}

static const char *on_message(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                              enum wire_bye_code *ret_code)
{
    if (header->type == WIRE_bye)
        return on_bye(receiver, payload, header->payload_bytes);
    if (receiver->state == SHIP_RECEIVER_WAITING) {
        if (header->type == WIRE_hello)
            return on_hello(receiver, payload, header->payload_bytes);
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "the first message is not HELLO";
    }
    switch (header->type) {
    case WIRE_open:
    case WIRE_frames:
    case WIRE_data:
    case WIRE_gap:
        return on_stream_message(receiver, header, payload, ret_code);
    case WIRE_ack:
        return receiver->reader ? on_ack(receiver, payload, header->payload_bytes) : "a sender does not send ACK";
    case WIRE_ping:
        return wire_side_pinged(&receiver->side, payload, header->payload_bytes);
    case WIRE_pong:
        return on_pong(receiver, payload, header->payload_bytes);
    case WIRE_drain:
        return on_drain(receiver);
    default:
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "a message came that is not known, or not for a collector";
    }
}

size_t ship_receiver_input(struct ship_receiver *receiver, const uint8_t *bytes, size_t size, struct ship_time now,
                           size_t *ret_wanted)
{
    size_t used = 0;
    *ret_wanted = WIRE_HEADER_BYTES;
    receiver->side.now = now;
    if (size && receiver_alive(receiver))
        receiver->side.heard_ns = now.monotonic_ns;
    receiver->yields = false;
    while (receiver_alive(receiver) && !receiver->yields) {
        struct wire_header header;
        const uint8_t *payload;
        const char *why = NULL;
        enum wire_bye_code code = WIRE_BYE_protocol;
        /* Nothing large may come before the handshake. */
        const uint32_t most = receiver->state == SHIP_RECEIVER_WAITING ? WIRE_OUT_BYTES : receiver->welcome.payload_max;
        const int64_t r = wire_next(bytes + used, size - used, most, &header, &payload, ret_wanted, &why);
        if (r == 0)
            return used;
        if (r > 0) {
            used += (size_t)r;
            why = on_message(receiver, &header, payload, &code);
        }
        if (why && receiver_alive(receiver))
            receiver_bye(receiver, r < 0 ? wire_side_code(r) : code, 0, "%s", why);
        check_link(receiver);
    }
    *ret_wanted = WIRE_HEADER_BYTES;
    return receiver_alive(receiver) ? used : size;
}

void ship_receiver_yield(struct ship_receiver *receiver)
{
    receiver->yields = true;
}

/* ---- time ------------------------------------------------------------------------------------------------------------- */

void ship_receiver_drain(struct ship_receiver *receiver, struct ship_time now)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (!receiver_alive(receiver) || receiver->we_drain)
        return;
    receiver->side.now = now;
    receiver->we_drain = true;
    receiver->drain_until_ns = now.monotonic_ns + DRAIN_MS * MS;
    if (receiver->state == SHIP_RECEIVER_UP && !receiver->reader)
        wire_side_put(&receiver->side, out, wire_put_drain(out));
    see_drained(receiver);
    check_link(receiver);
}

void ship_receiver_watch(struct ship_receiver *receiver, uint32_t hold_us, struct ship_time now)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (!receiver_alive(receiver) || receiver->state == SHIP_RECEIVER_WAITING || receiver->reader ||
        receiver->told_hold_us == hold_us)
        return;
    receiver->side.now = now;
    receiver->told_hold_us = hold_us;
    wire_side_put(&receiver->side, out, wire_put_watch(out, &(struct wire_watch){hold_us}));
    check_link(receiver);
}

void ship_receiver_excuse(struct ship_receiver *receiver, struct ship_time now)
{
    receiver->side.heard_ns = now.monotonic_ns;
}

int64_t ship_receiver_tick(struct ship_receiver *receiver, struct ship_time now)
{
    int64_t next_ns = INT64_MAX;
    if (!receiver_alive(receiver))
        return next_ns;
    receiver->side.now = now;
    if (receiver->we_drain && now.monotonic_ns >= receiver->drain_until_ns) {
        receiver_bye(receiver, WIRE_BYE_shutdown, 1000, "the collector is shutting down");
        return next_ns;
    }
    if (receiver->state == SHIP_RECEIVER_WAITING) {
        const int64_t until_ns = receiver->side.started_ns + receiver->handshake_ns;
        if (now.monotonic_ns < until_ns)
            return until_ns;
        receiver_bye(receiver, WIRE_BYE_timeout, 0,
                     "no HELLO came in time: this port is for evtrail send and evtrail's live readers");
        return next_ns;
    }
    if (!wire_side_tick(&receiver->side, &next_ns)) {
        receiver_bye(receiver, WIRE_BYE_timeout, 0, "nothing was heard from you for too long");
        return INT64_MAX;
    }
    check_link(receiver);
    return receiver->we_drain && receiver->drain_until_ns < next_ns ? receiver->drain_until_ns : next_ns;
}

const uint8_t *ship_receiver_stream(const struct ship_receiver *receiver, uint32_t channel)
{
    return channel < WIRE_CHANNELS_MAX && receiver->channels[channel].open ? receiver->channels[channel].stream : NULL;
}

uint64_t ship_receiver_expected(const struct ship_receiver *receiver, uint32_t channel)
{
    return channel < WIRE_CHANNELS_MAX && receiver->channels[channel].open ? receiver->channels[channel].expected : 0;
}

void ship_receiver_figures(const struct ship_receiver *receiver, struct ship_time now,
                           struct ship_receiver_figures *ret_figures)
{
    struct ship_receiver_figures figures = receiver->figures;
    figures.state = receiver->state;
    figures.unacked_bytes = figures.received_bytes - receiver->released;
    figures.silent_ns = receiver_alive(receiver) ? now.monotonic_ns - receiver->side.heard_ns : 0;
    figures.offset_known =
        wire_clock_offset(&receiver->side.clock, now.monotonic_ns, &figures.offset_ns, &figures.bound_ns);
    *ret_figures = figures;
}
