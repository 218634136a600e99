/* SPDX-License-Identifier: ISC
 *
 * The file frames within FRAMES and DATA: whole, intact, bounded, in order, of sources that were declared. What this lets pass can be
 * written into a trace file as it is, but for a batch's content, whose bytes are checked by their checksum alone here.
 */
#include "ship/receiver_private.h"

#include "file/crc32c.h"

#include <errno.h>
#include <string.h>

static bool declared(const uint64_t *sources, uint32_t number)
{
    return number < WIRE_SOURCES_MAX && (sources[number / 64] >> number % 64 & 1);
}

static uint32_t first_number(const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at + EVTRAIL_FRAME_PREFIX_BYTES, sizeof(number));
    return number;
}

void frame_declare(uint64_t *sources, const struct evtrail_frame *frame, const uint8_t *at)
{
    if (frame->tag == EVTRAIL_TAG_SUPER)
        memset(sources, 0, WIRE_SOURCES_MAX / 8);
    if (frame->tag == EVTRAIL_TAG_SOURCE)
        sources[first_number(at) / 64] |= UINT64_C(1) << first_number(at) % 64;
}

void frame_undeclare(uint64_t *sources, const struct evtrail_frame *frame, const uint8_t *at)
{
    if (frame->tag == EVTRAIL_TAG_SOURCE)
        sources[first_number(at) / 64] &= ~(UINT64_C(1) << first_number(at) % 64);
}

static int refuse(enum wire_refusal code, const char *why, const char **ret_why)
{
    *ret_why = why;
    return -(int)code;
}

/* What a frame of these kinds says itself; unknown kinds say nothing. */
static const char *parse(const struct evtrail_frame *frame, const uint8_t *at, uint32_t *ret_source)
{
    struct evtrail_super super;
    struct evtrail_source_frame source;
    struct evtrail_clock_frame clock;
    struct evtrail_account_frame account;
    const uint8_t *entries;
    size_t entries_bytes;
    const char *why = NULL;
    *ret_source = UINT32_MAX;
    if (frame->tag == EVTRAIL_TAG_SUPER)
        return evtrail_frame_parse_super(at, frame->bytes, &super);
    if (frame->tag == EVTRAIL_TAG_SOURCE && !(why = evtrail_frame_parse_source(at, frame->bytes, &source)))
        *ret_source = source.number;
    if (frame->tag == EVTRAIL_TAG_SCHEMA)
        why = evtrail_frame_parse_schema(at, frame->bytes, ret_source, &entries, &entries_bytes);
    if (frame->tag == EVTRAIL_TAG_CLOCK && !(why = evtrail_frame_parse_clock(at, frame->bytes, &clock)))
        *ret_source = clock.source;
    if (frame->tag == EVTRAIL_TAG_ACCOUNT && !(why = evtrail_frame_parse_account(at, frame->bytes, &account)))
        *ret_source = account.source;
    return why;
}

/* The tags that carry a source's number. */
static bool of_source(uint32_t tag)
{
    return tag == EVTRAIL_TAG_SOURCE || tag == EVTRAIL_TAG_SCHEMA || tag == EVTRAIL_TAG_CLOCK ||
           tag == EVTRAIL_TAG_ACCOUNT;
}

static int take_batch(struct frame_walk *walk, const struct evtrail_frame *frame, struct ship_batch *ret_batch,
                      const char **ret_why)
{
    struct ship_batch batch = {.bytes = walk->at, .compressed = walk->at + frame->bytes};
    const char *const why = evtrail_frame_parse_batch(walk->at, frame->bytes, &batch.header);
    if (why)
        return refuse(WIRE_REFUSE_damaged, why, ret_why);
    if (batch.header.compressed_bytes != (size_t)(walk->end - batch.compressed))
        return refuse(WIRE_REFUSE_damaged, "the batch is not the message's last frame, or is cut", ret_why);
    if (batch.header.compressed_bytes && batch.header.checksum &&
        batch.header.checksum != evtrail_crc32c(0, batch.compressed, batch.header.compressed_bytes))
        return refuse(WIRE_REFUSE_damaged, "the checksum of the batch's content is wrong", ret_why);
    *ret_batch = batch; /* also if it is refused now: who it is of is known */
    if (!declared(walk->sources, batch.header.source))
        return refuse(WIRE_REFUSE_source, "the batch's source was not declared, or not accepted", ret_why);
    walk->at = walk->end;
    return 1;
}

int frame_walk_next(struct frame_walk *walk, struct evtrail_frame *ret_frame, const uint8_t **ret_at,
                    struct ship_batch *ret_batch, const char **ret_why)
{
    struct evtrail_frame frame;
    uint32_t source;
    const uint8_t *const at = walk->at;
    const size_t left = (size_t)(walk->end - at);
    if (!left)
        return 0;
    const char *why = evtrail_frame_prefix(at, left, &frame);
    if (why)
        return refuse(WIRE_REFUSE_damaged, why, ret_why);
    if (frame.bytes > left)
        return refuse(WIRE_REFUSE_damaged, "a frame is cut by the end of its message", ret_why);
    if (!evtrail_frame_intact(at, &frame))
        return refuse(WIRE_REFUSE_damaged, "the checksum of a frame is wrong", ret_why);
    *ret_frame = frame;
    *ret_at = at;
    if (frame.tag == EVTRAIL_TAG_BATCH)
        return walk->batch_allowed
                   ? take_batch(walk, &frame, ret_batch, ret_why)
                   : refuse(WIRE_REFUSE_damaged, "FRAMES holds a batch, which belongs in DATA", ret_why);
    why = parse(&frame, at, &source);
    if (why)
        return refuse(WIRE_REFUSE_damaged, why, ret_why);
    if (frame.tag == EVTRAIL_TAG_SOURCE ? source >= WIRE_SOURCES_MAX
                                        : of_source(frame.tag) && !declared(walk->sources, source))
        return refuse(WIRE_REFUSE_source, "a frame is of a source that was not declared, or its number is too high",
                      ret_why);
    walk->at += frame.bytes;
    return 1;
}
