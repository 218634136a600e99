/* SPDX-License-Identifier: ISC
 *
 * The clock readings of a stream, before its batches are given out. A file's are all known when it is opened; a stream's first
 * batch has only what was written before it, in files of earlier versions a single reading, which tells no rate. So the input
 * is read ahead into its window: to its end if that is near, else until the rates are known and nothing comes for a moment.
 */
#include "file/file_reader.h"

#include "reader/clock_rate.h"

#include <time.h>

enum {
    AHEAD_BYTES = 8 << 20,
    QUIET_MS = 100,    /* a pipe that has no more for so long is written as things happen */
    KNOWN_MS = 500,    /* all in all, if every source's rate is known */
    UNKNOWN_MS = 2000, /* clocks are written about once a second */
};

struct ahead {
    struct evtrail_file_cursor *cursor;
    struct evtrail_part *part;
    uint64_t offset; /* of the next frame to look at */
    int64_t since_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether there is no reason to wait for this source's next reading. */
static bool settled(const struct evtrail_source *source)
{
    const struct evtrail_cursor_source *known = (const struct evtrail_cursor_source *)source;
    return evtrail_clock_rate_known(&source->clock) || source->gone || known->clock_sought;
}

static int patience_ms(const struct ahead *ahead)
{
    const int64_t waited = now_ms() - ahead->since_ms;
    bool known = true;
    for (uint32_t i = 0; i < ahead->cursor->sources_count && known; i++)
        known = settled(ahead->cursor->sources[i]);
    const int64_t left = (known ? KNOWN_MS : UNKNOWN_MS) - waited;
    return left <= 0 ? 0 : known && left > QUIET_MS ? QUIET_MS : (int)left;
}

/* The next `bytes` bytes. NULL: they do not come soon. */
static const uint8_t *await(const struct ahead *ahead, size_t bytes)
{
    struct evtrail_input *input = &ahead->part->input;
    const uint8_t *at;
    while (!(at = evtrail_input_held(input, ahead->offset, bytes)))
        if (evtrail_input_more(input, patience_ms(ahead)) <= 0)
            return NULL;
    return at;
}

static bool take(const struct ahead *ahead, const struct evtrail_frame *frame, const uint8_t *at)
{
    struct evtrail_source_frame source;
    struct evtrail_clock_frame clock;
    if (frame->tag == EVTRAIL_TAG_SOURCE)
        return !evtrail_frame_parse_source(at, frame->bytes, &source) &&
               evtrail_cursor_add_source(ahead->cursor, ahead->part, &source) >= 0;
    if (frame->tag == EVTRAIL_TAG_CLOCK && !evtrail_frame_parse_clock(at, frame->bytes, &clock))
        evtrail_cursor_add_clock(ahead->cursor, ahead->part, &clock);
    /* Behind SUPER, the numbers are others'; behind INDEX, there are no clocks. */
    return frame->tag != EVTRAIL_TAG_SUPER && frame->tag != EVTRAIL_TAG_INDEX && frame->tag != EVTRAIL_TAG_END;
}

/* False: no further. What is damaged is told when the scan comes to it. */
static bool step(struct ahead *ahead)
{
    struct evtrail_frame frame;
    struct evtrail_batch_header header = {0};
    const uint8_t *at = await(ahead, EVTRAIL_FRAME_PREFIX_BYTES);
    if (!at || evtrail_frame_prefix(at, EVTRAIL_FRAME_PREFIX_BYTES, &frame))
        return false;
    at = await(ahead, frame.bytes);
    if (!at || !evtrail_frame_intact(at, &frame))
        return false;
    if (frame.magic != EVTRAIL_MAGIC_BATCH ? !take(ahead, &frame, at)
                                           : evtrail_frame_parse_batch(at, frame.bytes, &header) != NULL)
        return false;
    ahead->offset += frame.bytes + header.compressed_bytes;
    return true;
}

void evtrail_part_look_ahead(struct evtrail_file_cursor *cursor, struct evtrail_part *part)
{
    struct ahead ahead = {.cursor = cursor, .part = part, .offset = part->scanned, .since_ms = now_ms()};
    while (ahead.offset - part->scanned < AHEAD_BYTES && step(&ahead))
        ;
}
