/* SPDX-License-Identifier: ISC
 *
 * The sender's side of the protocol: what comes from the collector, and the connection's life. What goes out is in sender_pump.c.
 */
#include "ship/sender_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

int ship_sender_new(struct ship_sender **ret_sender, const struct ship_sender_options *options,
                    const struct ship_sender_calls *calls, void *context)
{
    struct ship_sender *const sender = calloc(1, sizeof(*sender));
    if (!sender)
        return -ENOMEM;
    sender->calls = calls;
    sender->context = context;
    sender->side.send = calls->send;
    sender->side.context = context;
    if (options) {
        sender->hello = options->hello;
        sender->handshake_ns = options->handshake_ns;
        sender->drain_ns = options->drain_ns;
    }
    sender->handshake_ns = sender->handshake_ns > 0 ? sender->handshake_ns : WIRE_HANDSHAKE_MS * MS;
    sender->drain_ns = sender->drain_ns > 0 ? sender->drain_ns : WIRE_HANDSHAKE_MS * MS;
    sender->hello.version_min = WIRE_VERSION_MIN;
    sender->hello.version_max = WIRE_VERSION_MAX;
    sender->hello.role = WIRE_ROLE_sender;
    sender->hello.offered = WIRE_FEATURES;
    sender->hello.required = WIRE_FEATURE_columns | WIRE_FEATURE_refuse;
    if (!sender->hello.payload_max)
        sender->hello.payload_max = WIRE_PAYLOAD_MAX;
    sender->payload_max = WIRE_PAYLOAD_MAX;
    sender->channels_max = WIRE_CHANNELS_MAX;
    *ret_sender = sender;
    return 0;
}

void ship_sender_free(struct ship_sender *sender)
{
    free(sender);
}

/* ---- the end ---------------------------------------------------------------------------------------------------------- */

static void end(struct ship_sender *sender, const struct wire_bye *bye, bool by_peer)
{
    if (sender->state == SHIP_SENDER_CLOSED)
        return;
    sender->state = SHIP_SENDER_CLOSED;
    if (sender->calls->closed)
        sender->calls->closed(sender->context, bye, by_peer);
}

void sender_bye(struct ship_sender *sender, enum wire_bye_code code, const char *reason)
{
    uint8_t out[WIRE_OUT_BYTES];
    struct wire_bye bye;
    if (sender->state == SHIP_SENDER_CLOSED)
        return;
    wire_bye_say(&bye, code, "%s", reason ? reason : "");
    if (code != WIRE_BYE_lost && sender->state != SHIP_SENDER_NEW)
        wire_side_put(&sender->side, out, wire_put_bye(out, &bye));
    end(sender, &bye, false);
}

void sender_check_link(struct ship_sender *sender)
{
    char text[WIRE_REASON_BYTES];
    if (sender->state == SHIP_SENDER_CLOSED || sender->side.error == 0)
        return;
    snprintf(text, sizeof(text), "the connection broke: %s", strerror(-sender->side.error));
    sender_bye(sender, WIRE_BYE_lost, text);
}

void ship_sender_close(struct ship_sender *sender, enum wire_bye_code code, const char *reason)
{
    sender_bye(sender, code, reason);
}

/* ---- beginning -------------------------------------------------------------------------------------------------------- */

static void send_open(struct ship_sender *sender, struct sender_channel *channel)
{
    uint8_t out[WIRE_OUT_BYTES];
    const uint32_t number = (uint32_t)(channel - sender->channels);
    if (number >= sender->channels_max)
        return; /* the collector takes fewer */
    channel->state = CHANNEL_ASKED;
    wire_side_put(&sender->side, out, wire_put_open(out, number, &channel->open));
}

static bool welcomed(const struct ship_sender *sender)
{
    return sender->state >= SHIP_SENDER_OPENING && sender->state < SHIP_SENDER_CLOSED && sender->welcome.version;
}

int ship_sender_stream(struct ship_sender *sender, const struct wire_open *open, uint32_t *ret_channel)
{
    if (!open->first || open->next < open->first)
        return -EINVAL;
    if (sender->channels_count >= sender->channels_max)
        return -ENOSPC;
    struct sender_channel *const channel = &sender->channels[sender->channels_count];
    *channel = (struct sender_channel){.state = CHANNEL_NEW, .open = *open};
    *ret_channel = sender->channels_count++;
    if (welcomed(sender) && !sender->stopped)
        send_open(sender, channel);
    return 0;
}

void ship_sender_start(struct ship_sender *sender, struct ship_time now)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (sender->state != SHIP_SENDER_NEW)
        return;
    wire_side_begin(&sender->side, now);
    sender->state = SHIP_SENDER_GREETING;
    sender->hello.realtime_ns = now.realtime_ns;
    wire_side_put(&sender->side, out, wire_put_hello(out, &sender->hello));
    sender_check_link(sender);
}

static const char *on_welcome(struct ship_sender *sender, const uint8_t *payload, size_t bytes)
{
    struct wire_welcome welcome;
    const char *const why = wire_parse_welcome(payload, bytes, &welcome);
    if (why)
        return why;
    if (sender->state != SHIP_SENDER_GREETING)
        return "a second WELCOME came";
    if (welcome.version < WIRE_VERSION_MIN || welcome.version > WIRE_VERSION_MAX)
        return "WELCOME chose a version that was not offered";
    if (welcome.features & ~sender->hello.offered)
        return "WELCOME puts features in force that were not offered";
    if ((welcome.features & sender->hello.required) != sender->hello.required)
        return "WELCOME lacks features that are required";
    sender->welcome = welcome;
    sender->state = SHIP_SENDER_OPENING;
    sender->payload_max = welcome.payload_max < WIRE_PAYLOAD_MAX ? welcome.payload_max : WIRE_PAYLOAD_MAX;
    if (welcome.channels_max < sender->channels_max)
        sender->channels_max = welcome.channels_max;
    sender->limit = sender->limit_first = welcome.limit;
    wire_side_pace(&sender->side, welcome.ping_ms ? welcome.ping_ms : WIRE_PING_MS);
    if (sender->calls->welcomed)
        sender->calls->welcomed(sender->context, &sender->welcome);
    for (uint32_t i = 0; i < sender->channels_count && sender->state != SHIP_SENDER_CLOSED; i++)
        send_open(sender, &sender->channels[i]);
    wire_side_ping(&sender->side);
    return NULL;
}

/* ---- streams ---------------------------------------------------------------------------------------------------------- */

static void acked(struct ship_sender *sender, uint32_t number, uint64_t sequence)
{
    struct sender_channel *const channel = &sender->channels[number];
    if (sequence <= channel->acked)
        return;
    sender->acked_batches += sequence - channel->acked;
    channel->acked = sequence;
    sender->calls->acked(sender->context, number, sequence);
}

static const char *on_opened(struct ship_sender *sender, const struct wire_header *header, const uint8_t *payload)
{
    struct wire_opened opened;
    const char *const why = wire_parse_opened(payload, header->payload_bytes, &opened);
    if (why)
        return why;
    if (header->channel >= sender->channels_count || sender->channels[header->channel].state != CHANNEL_ASKED)
        return "OPENED is for a stream that was not asked for";
    struct sender_channel *const channel = &sender->channels[header->channel];
    if (opened.resume > channel->open.next)
        return "OPENED goes on behind the end of the stream";
    channel->state = CHANNEL_OPEN;
    channel->next = opened.resume;
    if (sender->state == SHIP_SENDER_OPENING)
        sender->state = SHIP_SENDER_UP;
    channel->acked = opened.resume - 1;
    if (channel->acked)
        sender->calls->acked(sender->context, header->channel, channel->acked);
    sender->calls->opened(sender->context, header->channel, opened.resume);
    return NULL;
}

static bool is_open(const struct ship_sender *sender, uint32_t number)
{
    return number < sender->channels_count && sender->channels[number].state == CHANNEL_OPEN;
}

static const char *on_ack(struct ship_sender *sender, const struct wire_header *header, const uint8_t *payload)
{
    struct wire_ack ack;
    const char *const why = wire_parse_ack(payload, header->payload_bytes, &ack);
    if (why)
        return why;
    if (ack.limit > sender->limit)
        sender->limit = ack.limit;
    if (!header->sequence)
        return NULL; /* the window alone */
    if (!is_open(sender, header->channel))
        return "ACK is for a stream that is not open";
    if (header->sequence >= sender->channels[header->channel].next)
        return "ACK is for what was not sent";
    acked(sender, header->channel, header->sequence);
    return NULL;
}

static const char *on_refuse(struct ship_sender *sender, const struct wire_header *header, const uint8_t *payload)
{
    struct wire_refuse refuse;
    const char *const why = wire_parse_refuse(payload, header->payload_bytes, &refuse);
    if (why)
        return why;
    if (header->channel >= sender->channels_count || sender->channels[header->channel].state == CHANNEL_NEW)
        return "REFUSE is for a stream that was not asked for";
    struct sender_channel *const channel = &sender->channels[header->channel];
    if (header->sequence == 0) {
        channel->state = CHANNEL_REFUSED;
        channel->unit_held = false;
        sender->calls->stream_refused(sender->context, header->channel, &refuse);
        return NULL;
    }
    if (channel->state != CHANNEL_OPEN || header->sequence >= channel->next || header->sequence <= channel->acked)
        return "REFUSE is for what is not in flight";
    sender->refused++;
    sender->calls->refused(sender->context, header->channel, header->sequence, &refuse);
    return NULL;
}

static const char *on_watch(struct ship_sender *sender, const uint8_t *payload, size_t bytes)
{
    struct wire_watch watch;
    const char *const why = wire_parse_watch(payload, bytes, &watch);
    if (!why && sender->calls->watched)
        sender->calls->watched(sender->context, (int64_t)watch.hold_us * 1000);
    return why;
}

/* ---- what comes ------------------------------------------------------------------------------------------------------- */

static const char *on_bye(struct ship_sender *sender, const uint8_t *payload, size_t bytes)
{
    struct wire_bye bye;
    const char *const why = wire_parse_bye(payload, bytes, &bye);
    if (!why)
        end(sender, &bye, true);
    return why;
}

static const char *on_message(struct ship_sender *sender, const struct wire_header *header, const uint8_t *payload)
{
    bool better;
    if (header->type == WIRE_bye)
        return on_bye(sender, payload, header->payload_bytes);
    if (header->type == WIRE_welcome)
        return on_welcome(sender, payload, header->payload_bytes);
    if (sender->state == SHIP_SENDER_GREETING)
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "something else came before WELCOME";
    switch (header->type) {
    case WIRE_opened:
        return on_opened(sender, header, payload);
    case WIRE_ack:
        return on_ack(sender, header, payload);
    case WIRE_refuse:
        return on_refuse(sender, header, payload);
    case WIRE_ping:
        return wire_side_pinged(&sender->side, payload, header->payload_bytes);
    case WIRE_pong:
        return wire_side_ponged(&sender->side, payload, header->payload_bytes, &better);
    case WIRE_watch:
        return on_watch(sender, payload, header->payload_bytes);
    case WIRE_drain:
        sender->stopped = true;
        return NULL;
    default:
        return header->flags & WIRE_FLAG_IGNORE ? NULL : "a message came that a collector does not send";
    }
}

static bool alive(const struct ship_sender *sender)
{
    return sender->state > SHIP_SENDER_NEW && sender->state < SHIP_SENDER_CLOSED;
}

size_t ship_sender_input(struct ship_sender *sender, const uint8_t *bytes, size_t size, struct ship_time now,
                         size_t *ret_wanted)
{
    size_t used = 0;
    *ret_wanted = WIRE_HEADER_BYTES;
    sender->side.now = now;
    if (size && alive(sender))
        sender->side.heard_ns = now.monotonic_ns;
    while (alive(sender)) {
        struct wire_header header;
        const uint8_t *payload;
        const char *why = NULL;
        const int64_t r = wire_next(bytes + used, size - used, WIRE_SMALL_MAX, &header, &payload, ret_wanted, &why);
        if (r == 0)
            return used;
        if (r > 0) {
            used += (size_t)r;
            why = on_message(sender, &header, payload);
        }
        if (why)
            sender_bye(sender, r < 0 ? wire_side_code(r) : WIRE_BYE_protocol, why);
        sender_check_link(sender);
    }
    return size;
}

/* ---- time ------------------------------------------------------------------------------------------------------------- */

void ship_sender_drain(struct ship_sender *sender, struct ship_time now)
{
    if (sender->draining || sender->state == SHIP_SENDER_CLOSED)
        return;
    sender->draining = true;
    sender->drain_until_ns = now.monotonic_ns + sender->drain_ns;
    if (sender->state == SHIP_SENDER_UP)
        sender->state = SHIP_SENDER_DRAINING;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t ship_sender_tick(struct ship_sender *sender, struct ship_time now)
{
    int64_t next_ns = INT64_MAX;
    if (!alive(sender))
        return next_ns;
    sender->side.now = now;
    if (sender->draining && now.monotonic_ns >= sender->drain_until_ns) {
        sender_bye(sender, WIRE_BYE_done, "leaving: the time to drain is over");
        return next_ns;
    }
    const bool greeting =
        sender->state == SHIP_SENDER_GREETING || (sender->state == SHIP_SENDER_OPENING && sender->channels_count);
    const int64_t greeted_ns = sender->side.started_ns + sender->handshake_ns;
    if (greeting && now.monotonic_ns >= greeted_ns) {
        sender_bye(sender, WIRE_BYE_timeout, "the collector did not answer in time");
        return next_ns;
    }
    if (sender->state == SHIP_SENDER_GREETING)
        return sender->draining ? sooner(greeted_ns, sender->drain_until_ns) : greeted_ns;
    if (!wire_side_tick(&sender->side, &next_ns)) {
        sender_bye(sender, WIRE_BYE_timeout, "the collector has been silent for too long");
        return INT64_MAX;
    }
    sender_check_link(sender);
    if (greeting)
        next_ns = sooner(next_ns, greeted_ns);
    return sender->draining ? sooner(next_ns, sender->drain_until_ns) : next_ns;
}

void ship_sender_figures(const struct ship_sender *sender, struct ship_time now,
                         struct ship_sender_figures *ret_figures)
{
    const uint64_t released = sender->limit - sender->limit_first;
    struct ship_sender_figures figures = {
        .state = sender->state,
        .sent_bytes = sender->sent_bytes,
        .sent_batches = sender->sent_batches,
        .sent_gaps = sender->sent_gaps,
        .sent_frames = sender->sent_frames,
        .acked_batches = sender->acked_batches,
        .refused = sender->refused,
        .unacked_bytes = sender->sent_bytes > released ? sender->sent_bytes - released : 0,
        .window_bytes = sender->limit > sender->sent_bytes ? sender->limit - sender->sent_bytes : 0,
        .stalls = sender->stalls,
        .silent_ns = alive(sender) ? now.monotonic_ns - sender->side.heard_ns : 0,
        .welcome = sender->welcome,
    };
    for (uint32_t i = 0; i < sender->channels_count; i++)
        if (sender->channels[i].state == CHANNEL_OPEN)
            figures.unacked_batches += sender->channels[i].next - 1 - sender->channels[i].acked;
    figures.offset_known =
        wire_clock_offset(&sender->side.clock, now.monotonic_ns, &figures.offset_ns, &figures.bound_ns);
    *ret_figures = figures;
}
