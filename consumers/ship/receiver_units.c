/* SPDX-License-Identifier: ISC
 *
 * What a stream consists of, as it arrives: FRAMES, DATA, GAP. Order and duplicates, what is refused, what is in flight.
 */
#include "ship/receiver_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char broken_off[] = "";

static const char *fault(enum wire_bye_code code, const char *why, enum wire_bye_code *ret_code)
{
    *ret_code = code;
    return why;
}

static uint64_t wire_bytes(const struct wire_header *header)
{
    return (uint64_t)header->header_bytes + header->payload_bytes;
}

/* Accounts for the message's bytes, and finds its stream. */
static const char *begin(struct ship_receiver *receiver, const struct wire_header *header,
                         struct receiver_channel **ret_channel, enum wire_bye_code *ret_code)
{
    receiver->figures.received_bytes += wire_bytes(header);
    if (receiver->figures.received_bytes > receiver->limit)
        return fault(WIRE_BYE_window, "more was sent than the window allows", ret_code);
    if (header->channel >= WIRE_CHANNELS_MAX ||
        !(receiver->channels[header->channel].open || receiver->channels[header->channel].refused))
        return fault(WIRE_BYE_protocol, "a message is for a stream that is not open", ret_code);
    *ret_channel = &receiver->channels[header->channel];
    return NULL;
}

static void release(struct ship_receiver *receiver, uint64_t bytes)
{
    receiver->released += bytes;
    receiver_ack(receiver, 0, 0);
}

/* Waits until `sequence` is durable. Beyond FLIGHTS_MAX the last ones are joined. */
static void in_flight(struct receiver_channel *channel, uint64_t sequence, uint64_t bytes)
{
    if (channel->flights_count < FLIGHTS_MAX) {
        const uint32_t at = (channel->flights_first + channel->flights_count++) % FLIGHTS_MAX;
        channel->flights[at] = (struct receiver_flight){.sequence = sequence, .bytes = bytes};
        return;
    }
    struct receiver_flight *const last = &channel->flights[(channel->flights_first + FLIGHTS_MAX - 1) % FLIGHTS_MAX];
    last->sequence = sequence;
    last->bytes += bytes;
}

/* The collector's own trouble. */
static const char *store_failed(struct ship_receiver *receiver, int error)
{
    receiver_bye(receiver, WIRE_BYE_store, 1000, "the collector cannot store: %s; it keeps what it has acknowledged",
                 strerror(-error));
    return broken_off;
}

/* Hands a checked frame on. 0; > 0: refused; < 0: the collector cannot. Sources that are not accepted count as not declared. */
static int hand_on(struct ship_receiver *receiver, const struct wire_header *header, struct receiver_channel *channel,
                   const struct evtrail_frame *frame, const uint8_t *at, struct wire_refuse *refuse)
{
    frame_declare(channel->sources, frame, at);
    switch (frame->tag) {
    case EVTRAIL_TAG_SUPER:
    case EVTRAIL_TAG_SOURCE:
    case EVTRAIL_TAG_SCHEMA:
    case EVTRAIL_TAG_CLOCK:
        break;
    case EVTRAIL_TAG_ACCOUNT: /* belongs to the batch of its DATA; elsewhere it says nothing, and is not kept */
        if (header->type == WIRE_data)
            break;
        return 0;
    default:
        return 0; /* of a later version, or of a file's end: not needed */
    }
    receiver->figures.frames++;
    const int r = receiver->calls->frame(receiver->context, header->channel, frame, at, refuse);
    if (r != 0)
        frame_undeclare(channel->sources, frame, at);
    if (r > 0)
        refuse->code = (uint32_t)r;
    return r;
}

/* ---- FRAMES ------------------------------------------------------------------------------------------------------------ */

static bool too_many_refused(struct ship_receiver *receiver)
{
    if (++receiver->figures.refused <= receiver->refusals_max)
        return false;
    receiver_bye(receiver, WIRE_BYE_limit, 10000, "more than %u batches or frames were refused in one connection",
                 receiver->refusals_max);
    return true;
}

/* A frame that cannot be taken ends its message, not the connection: the batches that need it will be refused, one by one, and the others
 * go on. */
const char *receiver_on_frames(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                               enum wire_bye_code *ret_code)
{
    struct receiver_channel *channel;
    const char *why = begin(receiver, header, &channel, ret_code);
    if (why)
        return why;
    if (channel->refused) {
        release(receiver, wire_bytes(header));
        return NULL;
    }
    struct frame_walk walk = {payload, payload + header->payload_bytes, channel->sources, false};
    struct evtrail_frame frame;
    const uint8_t *at;
    struct ship_batch batch;
    struct wire_refuse refuse = {0};
    for (int r; (r = frame_walk_next(&walk, &frame, &at, &batch, &why)) != 0;) {
        const int handed = r > 0 ? hand_on(receiver, header, channel, &frame, at, &refuse) : 1;
        if (handed < 0)
            return store_failed(receiver, handed);
        if (!receiver_alive(receiver) || (handed > 0 && too_many_refused(receiver)))
            return broken_off;
        if (r < 0)
            break;
    }
    release(receiver, wire_bytes(header));
    return NULL;
}

/* ---- DATA -------------------------------------------------------------------------------------------------------------- */

/* Looks at the whole message before anything of it is handed on. 0, or enum wire_refusal; *ret_batch.bytes is NULL if its header cannot be
 * read. */
static int inspect(const struct wire_header *header, const uint8_t *payload, const struct receiver_channel *channel,
                   struct ship_batch *ret_batch, struct wire_refuse *refuse)
{
    uint64_t sources[WIRE_SOURCES_MAX / 64];
    memcpy(sources, channel->sources, sizeof(sources));
    struct frame_walk walk = {payload, payload + header->payload_bytes, sources, true};
    struct evtrail_frame frame;
    const uint8_t *at;
    const char *why = "DATA has no batch";
    int r;
    *ret_batch = (struct ship_batch){0};
    while ((r = frame_walk_next(&walk, &frame, &at, ret_batch, &why)) > 0) {
        if (frame.tag == EVTRAIL_TAG_BATCH)
            return 0;
        if (frame.tag == EVTRAIL_TAG_SUPER)
            break;
        frame_declare(sources, &frame, at);
    }
    refuse->code = r < 0 ? (uint32_t)-r : WIRE_REFUSE_damaged;
    snprintf(refuse->reason, sizeof(refuse->reason), "%s", r > 0 ? "DATA has a SUPER, which belongs in FRAMES" : why);
    return (int)refuse->code;
}

/* The frames before the batch, then the batch. As callbacks return. */
static int take(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                struct receiver_channel *channel, struct wire_refuse *refuse, bool *ret_told)
{
    struct frame_walk walk = {payload, payload + header->payload_bytes, channel->sources, true};
    struct evtrail_frame frame;
    const uint8_t *at;
    struct ship_batch batch;
    const char *why;
    int r = 0;
    while (r == 0 && frame_walk_next(&walk, &frame, &at, &batch, &why) > 0 && frame.tag != EVTRAIL_TAG_BATCH)
        r = hand_on(receiver, header, channel, &frame, at, refuse);
    if (r != 0)
        return r;
    if (frame.tag != EVTRAIL_TAG_BATCH)
        return WIRE_REFUSE_source; /* a source that was declared in this message was not accepted */
    *ret_told = true;
    r = receiver->calls->batch(receiver->context, header->channel, header->sequence, &batch, refuse);
    if (r > 0)
        refuse->code = (uint32_t)r;
    return r;
}

static const char *refuse_batch(struct ship_receiver *receiver, const struct wire_header *header,
                                const struct ship_batch *batch, struct wire_refuse *refuse, bool told)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (!told) {
        const int r = receiver->calls->missing(receiver->context, header->channel, header->sequence,
                                               batch->bytes ? &batch->header : NULL, refuse);
        if (r < 0)
            return store_failed(receiver, r);
    }
    wire_side_put(&receiver->side, out, wire_put_refuse(out, header->channel, header->sequence, refuse));
    return receiver_alive(receiver) && too_many_refused(receiver) ? broken_off : NULL;
}

const char *receiver_on_data(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                             enum wire_bye_code *ret_code)
{
    struct receiver_channel *channel;
    struct wire_refuse refuse = {0};
    struct ship_batch batch;
    bool told = false;
    const char *why = begin(receiver, header, &channel, ret_code);
    if (why)
        return why;
    if (!channel->refused && header->sequence > channel->expected)
        return fault(WIRE_BYE_sequence, "batches are missing without a GAP", ret_code);
    if (channel->refused || header->sequence < channel->expected) {
        receiver->figures.duplicates += !channel->refused;
        release(receiver, wire_bytes(header));
        return NULL;
    }
    int r = inspect(header, payload, channel, &batch, &refuse);
    if (r == 0)
        r = take(receiver, header, payload, channel, &refuse, &told);
    if (r < 0)
        return store_failed(receiver, r);
    if (!receiver_alive(receiver))
        return broken_off;
    channel->expected++;
    in_flight(channel, header->sequence, wire_bytes(header));
    if (r > 0) {
        refuse.code = refuse.code ? refuse.code : (uint32_t)r;
        return refuse_batch(receiver, header, &batch, &refuse, told);
    }
    receiver->figures.batches++;
    return NULL;
}

/* ---- GAP --------------------------------------------------------------------------------------------------------------- */

const char *receiver_on_gap(struct ship_receiver *receiver, const struct wire_header *header, const uint8_t *payload,
                            enum wire_bye_code *ret_code)
{
    struct receiver_channel *channel;
    struct wire_gap gap;
    const char *why = begin(receiver, header, &channel, ret_code);
    if (!why && (why = wire_parse_gap(payload, header->payload_bytes, header->sequence, &gap)))
        *ret_code = WIRE_BYE_protocol;
    if (why)
        return why;
    if (!channel->refused && header->sequence > channel->expected)
        return fault(WIRE_BYE_sequence, "batches are missing before a GAP", ret_code);
    if (channel->refused || gap.last < channel->expected) {
        receiver->figures.duplicates += !channel->refused;
        release(receiver, wire_bytes(header));
        return NULL;
    }
    const int r = receiver->calls->gap(receiver->context, header->channel, channel->expected, &gap);
    if (r < 0)
        return store_failed(receiver, r);
    if (!receiver_alive(receiver))
        return broken_off;
    channel->expected = gap.last + 1;
    in_flight(channel, gap.last, wire_bytes(header));
    receiver->figures.gaps++;
    return NULL;
}
