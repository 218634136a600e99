/* SPDX-License-Identifier: ISC
 *
 * What a sender sends: units of its streams in turn, as long as the link and the collector's window have room.
 */
#include "ship/sender_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Wire bytes of the unit, and for FRAMES and DATA the header that goes before its parts. */
static size_t weigh(const struct ship_unit *unit, struct wire_header *ret_header)
{
    size_t bytes = 0;
    uint32_t crc = 0;
    if (unit->kind == SHIP_UNIT_GAP) {
        const uint32_t count = unit->gap.count < WIRE_GAP_ENTRIES_MAX ? unit->gap.count : WIRE_GAP_ENTRIES_MAX;
        return WIRE_GAP_ROOM - (WIRE_GAP_ENTRIES_MAX - count) * (size_t)WIRE_GAP_ENTRY_BYTES;
    }
    for (unsigned i = 0; i < unit->parts_count; i++)
        bytes += unit->parts[i].iov_len;
    if (ret_header) {
        for (unsigned i = 0; i < unit->parts_count; i++)
            crc = wire_crc(crc, unit->parts[i].iov_base, unit->parts[i].iov_len);
        *ret_header = (struct wire_header){.type = unit->kind == SHIP_UNIT_DATA ? WIRE_data : WIRE_frames,
                                           .payload_bytes = (uint32_t)bytes,
                                           .payload_crc = crc};
    }
    return WIRE_HEADER_BYTES + bytes;
}

static void send_gap(struct ship_sender *sender, uint32_t number, struct sender_channel *channel)
{
    uint8_t out[WIRE_GAP_ROOM];
    wire_side_put(&sender->side, out, wire_put_gap(out, number, channel->next, &channel->unit.gap));
    channel->next = channel->unit.gap.last + 1;
    sender->sent_gaps++;
}

static void send_payload(struct ship_sender *sender, uint32_t number, struct sender_channel *channel)
{
    uint8_t out[WIRE_HEADER_BYTES];
    struct iovec parts[SHIP_UNIT_PARTS_MAX + 1];
    const struct ship_unit *const unit = &channel->unit;
    struct wire_header header;
    weigh(unit, &header);
    header.channel = number;
    header.sequence = unit->kind == SHIP_UNIT_DATA ? channel->next : 0;
    parts[0] = (struct iovec){out, wire_put_header(out, &header)};
    memcpy(parts + 1, unit->parts, unit->parts_count * sizeof(*parts));
    wire_side_put_parts(&sender->side, parts, unit->parts_count + 1);
    if (unit->kind == SHIP_UNIT_DATA) {
        channel->next++;
        sender->sent_batches++;
    } else {
        sender->sent_frames++;
    }
}

/* A unit that the collector cannot take is as one that it refused: the spool sets it aside, and comes with a GAP instead. */
static void refuse_here(struct ship_sender *sender, uint32_t number, struct sender_channel *channel, size_t bytes)
{
    struct wire_refuse refuse = {.code = WIRE_REFUSE_size};
    channel->unit_held = false;
    if (channel->unit.kind != SHIP_UNIT_DATA)
        return; /* batches that need it will be refused */
    if (channel->too_large == channel->next) {
        sender_bye(sender, WIRE_BYE_internal, "the spool brings a batch again that the collector cannot take");
        return;
    }
    channel->too_large = channel->next;
    snprintf(refuse.reason, sizeof(refuse.reason), "the batch has %zu bytes, the collector takes %u", bytes,
             sender->payload_max);
    sender->refused++;
    sender->calls->refused(sender->context, number, channel->next, &refuse);
}

static bool sane(const struct ship_sender *sender, const struct sender_channel *channel)
{
    const struct ship_unit *const unit = &channel->unit;
    if (unit->kind == SHIP_UNIT_GAP)
        return unit->gap.last >= channel->next && unit->gap.count <= WIRE_GAP_ENTRIES_MAX;
    return (unit->kind == SHIP_UNIT_FRAMES || unit->kind == SHIP_UNIT_DATA) && unit->parts_count <= SHIP_UNIT_PARTS_MAX;
}

/* 1: the channel holds a unit; 0: it has none; < 0: the stream cannot be read. */
static int fetch(struct ship_sender *sender, uint32_t number, struct sender_channel *channel)
{
    if (channel->unit_held)
        return 1;
    channel->unit = (struct ship_unit){0};
    const int r = sender->calls->fetch(sender->context, number, channel->next, &channel->unit);
    if (r <= 0)
        return r;
    channel->unit_held = true;
    return sane(sender, channel) ? 1 : -EINVAL;
}

enum step { STEP_NOTHING, STEP_SENT, STEP_FULL };

/* At most one unit of one stream. */
static enum step step(struct ship_sender *sender, uint32_t number)
{
    struct sender_channel *const channel = &sender->channels[number];
    char text[128];
    if (channel->state != CHANNEL_OPEN)
        return STEP_NOTHING;
    const int r = fetch(sender, number, channel);
    if (r < 0) {
        snprintf(text, sizeof(text), "the spool cannot be read: %s", strerror(-r));
        sender_bye(sender, WIRE_BYE_internal, text);
    }
    if (r <= 0)
        return STEP_NOTHING;
    const size_t bytes = weigh(&channel->unit, NULL);
    if (channel->unit.kind != SHIP_UNIT_GAP && bytes - WIRE_HEADER_BYTES > sender->payload_max) {
        refuse_here(sender, number, channel, bytes - WIRE_HEADER_BYTES);
        return STEP_SENT;
    }
    if (sender->sent_bytes + bytes > sender->limit) {
        sender->stalls += !sender->stalled;
        sender->stalled = true;
        return STEP_FULL;
    }
    sender->stalled = false;
    channel->unit_held = false;
    if (channel->unit.kind == SHIP_UNIT_GAP)
        send_gap(sender, number, channel);
    else
        send_payload(sender, number, channel);
    sender->sent_bytes += bytes;
    sender_check_link(sender);
    return STEP_SENT;
}

static bool sending(const struct ship_sender *sender)
{
    return !sender->stopped && (sender->state == SHIP_SENDER_UP || sender->state == SHIP_SENDER_DRAINING);
}

/* One unit of each stream. False: none had any, or nothing fits. */
static bool one_round(struct ship_sender *sender)
{
    bool sent = false;
    const uint32_t first = sender->turn;
    for (uint32_t i = 0; i < sender->channels_count; i++) {
        const uint32_t number = (first + i) % sender->channels_count;
        if (!sending(sender) || sender->calls->room(sender->context) == 0)
            return false;
        const enum step done = step(sender, number);
        if (done == STEP_FULL) {
            sender->turn = number; /* it is this one's turn when the window opens: no stream starves another */
            return false;
        }
        sent |= done == STEP_SENT;
    }
    return sent;
}

static bool all_acked(const struct ship_sender *sender)
{
    for (uint32_t i = 0; i < sender->channels_count; i++) {
        const struct sender_channel *const channel = &sender->channels[i];
        if (channel->state == CHANNEL_ASKED)
            return false;
        if (channel->state == CHANNEL_OPEN && (channel->unit_held || channel->acked + 1 != channel->next))
            return false;
    }
    return true;
}

/* Whether every stream has nothing more to send. */
static bool all_sent(struct ship_sender *sender)
{
    for (uint32_t i = 0; i < sender->channels_count; i++) {
        struct sender_channel *const channel = &sender->channels[i];
        if (channel->state == CHANNEL_ASKED || (channel->state == CHANNEL_OPEN && fetch(sender, i, channel) != 0))
            return false;
    }
    return true;
}

static void drain(struct ship_sender *sender)
{
    uint8_t out[WIRE_OUT_BYTES];
    if (sender->state != SHIP_SENDER_OPENING && !sending(sender))
        return;
    if (!all_sent(sender))
        return;
    if (!sender->drain_said)
        wire_side_put(&sender->side, out, wire_put_drain(out));
    sender->drain_said = true;
    if (all_acked(sender))
        sender_bye(sender, WIRE_BYE_done, "all is acknowledged");
}

void ship_sender_pump(struct ship_sender *sender, struct ship_time now)
{
    sender->side.now = now;
    if (sender->draining && sender->state == SHIP_SENDER_UP)
        sender->state = SHIP_SENDER_DRAINING;
    while (sending(sender) && one_round(sender))
        ;
    if (sender->draining)
        drain(sender);
    sender_check_link(sender);
}
