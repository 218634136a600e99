/* SPDX-License-Identifier: ISC
 *
 * Looks into a batch's content before it is stored. A zstd frame says how large its content is and may lie: it is decompressed into room of
 * the size that the header was bounded to, with a window no larger.
 */
#include "ship/store.h"

#include "file/codec.h"
#include "file/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { FIRST_EVENT_ID = 16, WINDOW_LOG_MAX = 22, BLOCK_RLE = 1, BLOCKS_LEAST = 32, BLOCK_BYTES_LEAST = 1024 };

struct store_checker {
    ZSTD_DCtx *zstd;
    struct evtrail_decoder *decoder;
    uint8_t *content;
};

int store_checker_new(struct store_checker **ret_checker)
{
    struct store_checker *checker = calloc(1, sizeof(*checker));
    int r = checker ? evtrail_decoder_new(&checker->decoder) : -ENOMEM;
    if (r == 0) {
        checker->zstd = ZSTD_createDCtx();
        checker->content = malloc(EVTRAIL_BATCH_CONTENT_MAX);
        r = checker->zstd && checker->content ? 0 : -ENOMEM;
    }
    if (r == 0 && ZSTD_isError(ZSTD_DCtx_setParameter(checker->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
        r = -EINVAL;
    if (r < 0) {
        store_checker_free(checker);
        return r;
    }
    *ret_checker = checker;
    return 0;
}

void store_checker_free(struct store_checker *checker)
{
    if (!checker)
        return;
    ZSTD_freeDCtx(checker->zstd);
    evtrail_decoder_free(checker->decoder);
    free(checker->content);
    free(checker);
}

/* A frame of very small blocks, each with tables of its own, takes a second for what others take a millisecond for. No compressor makes such: it is no use
 * to one. Blocks hold 128 KiB; where they are split, some hundred matches. The frame is whole: its blocks were walked once. */
static bool has_too_many_blocks(const uint8_t *frame, uint32_t bytes, uint32_t content)
{
    static const uint8_t dictionary_bytes[4] = {0, 1, 2, 4}, content_bytes[4] = {0, 2, 4, 8};
    const uint8_t descriptor = bytes > 4 ? frame[4] : 0;
    const bool single = descriptor >> 5 & 1;
    uint32_t at = 5 + !single + dictionary_bytes[descriptor & 3] + content_bytes[descriptor >> 6] +
                  (single && !(descriptor >> 6)),
             left = BLOCKS_LEAST + content / BLOCK_BYTES_LEAST;
    for (bool last = false; !last && at + 3 <= bytes; left--) {
        const uint32_t head = frame[at] | (uint32_t)frame[at + 1] << 8 | (uint32_t)frame[at + 2] << 16;
        if (!left)
            return true;
        last = head & 1;
        at += 3 + ((head >> 1 & 3) == BLOCK_RLE ? 1 : head >> 3);
    }
    return false;
}

static const char *decompress(struct store_checker *checker, const struct ship_batch *batch)
{
    const uint32_t compressed = batch->header.compressed_bytes, content = batch->header.content_bytes;
    if (content > EVTRAIL_BATCH_CONTENT_MAX)
        return "its content is larger than a batch may be";
    if (ZSTD_findFrameCompressedSize(batch->compressed, compressed) != compressed)
        return "its content is not one whole zstd frame";
    if (ZSTD_getFrameContentSize(batch->compressed, compressed) != content)
        return "its zstd frame is of another size than the header says";
    if (has_too_many_blocks(batch->compressed, compressed, content))
        return "its zstd frame is of far more blocks than its content needs";
    const size_t n = ZSTD_decompressDCtx(checker->zstd, checker->content, content, batch->compressed, compressed);
    if (ZSTD_isError(n))
        return ZSTD_getErrorName(n);
    return n == content ? NULL : "its content is shorter than the header says";
}

static uint64_t count_events(const struct evtrail_batch_view *view)
{
    uint64_t events = 0;
    for (uint32_t s = 0; s < view->shapes_count; s++)
        events += view->shapes[s].id >= FIRST_EVENT_ID ? view->shapes[s].count : 0;
    for (size_t at = 0; at < view->misc_words;) {
        const uint64_t word = view->misc[at];
        events += ((uint32_t)word & EVTRAIL_SHAPE_MASK) >> 6 >= FIRST_EVENT_ID;
        at += (word & 63) == EVTRAIL_SIZE_LONG ? 2 + (size_t)(uint32_t)view->misc[at + 1] : 1 + (word & 63);
    }
    return events;
}

const char *store_checker_batch(struct store_checker *checker, const struct ship_batch *batch, uint64_t *ret_lost_after)
{
    const struct evtrail_batch_header *header = &batch->header;
    const struct evtrail_batch_view *view;
    const char *what = NULL;
    memcpy(ret_lost_after, header->chunk.lost_before, sizeof(header->chunk.lost_before));
    if (header->chunk.events_before > UINT64_MAX / 4 || header->chunk.missed > UINT64_MAX / 4)
        return "its counts of events are out of bounds";
    if (!header->compressed_bytes)
        return header->chunk.events ? "it has events, and no content" : NULL;
    if (header->checksum && header->checksum != evtrail_crc32c(0, batch->compressed, header->compressed_bytes))
        return "the checksum of its content is wrong";
    what = decompress(checker, batch);
    if (what)
        return what;
    if (evtrail_decode_view(checker->decoder, checker->content, header->content_bytes, header->chunk.words_count,
                            header->chunk.state.reference_ticks, &view, &what) < 0)
        return what ? what : "its content does not decode";
    if (count_events(view) != header->chunk.events)
        return "it has another number of events than its header says";
    evtrail_view_lost(view, ret_lost_after);
    return NULL;
}
