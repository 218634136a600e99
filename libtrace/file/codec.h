/* SPDX-License-Identifier: ISC
 *
 * A chunk's words <-> a batch's content: records of one shape side by side, as columns. docs/file-format.md has
 * every byte.
 *
 * A shape is the low 20 bits of a record's header word: event id and payload size. Nothing here knows a schema.
 */
#ifndef EVTRAIL_FILE_CODEC_H
#define EVTRAIL_FILE_CODEC_H

#include <evtrail/file.h>

#include "file/column.h"

enum {
    EVTRAIL_BATCH_WORDS_MAX = 1 << 17, /* 1 MiB of records */
    EVTRAIL_BATCH_SHAPES_MAX = 250,
    EVTRAIL_BATCH_MISC = 255, /* in the sequence: the next record of the misc part */
    /* Column headers (at most one a word) beside at most 9 bytes a word. */
    EVTRAIL_BATCH_CONTENT_MAX =
        12 + 8 * EVTRAIL_BATCH_SHAPES_MAX + 18 * EVTRAIL_BATCH_SHAPES_MAX * 63 + 9 * EVTRAIL_BATCH_WORDS_MAX,
    EVTRAIL_CONTENT_HEADER_BYTES = 12,
    EVTRAIL_CONTENT_SHAPE_BYTES = 8,
    EVTRAIL_SHAPE_MASK = (1 << 20) - 1,
    EVTRAIL_SIZE_LONG = 63,
};

/* ---- words -> content ------------------------------------------------------------------------------------------ */
struct evtrail_encoder;
struct evtrail_encoded {
    const uint8_t *content; /* valid until the encoder's next use */
    uint32_t content_bytes;
    uint32_t parts[2]; /* where content's second and third part begin: each wants an entropy table of its own */
    uint32_t records;
    uint64_t events;     /* records with ids of events */
    uint64_t types;      /* Bloom: bit evtrail_type_bit(id) for each event id */
    const uint16_t *ids; /* each id once, our own among them */
    uint32_t ids_count;
    bool lost_known; /* there is a LOST record; what the last one says: */
    uint64_t lost[EVTRAIL_CAUSES];
};
/* 3 MiB. */
int evtrail_encoder_new(struct evtrail_encoder **ret_encoder);
void evtrail_encoder_free(struct evtrail_encoder *encoder);
/* Encodes whole records. -EMSGSIZE: more than EVTRAIL_BATCH_WORDS_MAX words; -EBADMSG: the last record is cut. */
int evtrail_encode(struct evtrail_encoder *encoder, const uint64_t *words, size_t words_count, uint64_t reference_ticks,
                   struct evtrail_encoded *ret_encoded);

static inline uint64_t evtrail_type_bit(uint32_t id)
{
    return UINT64_C(1) << ((id * UINT32_C(0x9e3779b1)) >> 26);
}

/* ---- content -> words ------------------------------------------------------------------------------------------ */
struct evtrail_decoder;
/* What the last LOST record of a batch says, if there is one; else ret_lost is left alone. */
void evtrail_view_lost(const struct evtrail_batch_view *view, uint64_t *ret_lost);
int evtrail_decoder_new(struct evtrail_decoder **ret_decoder);
void evtrail_decoder_free(struct evtrail_decoder *decoder);
/* Checks `content` and looks at it as columns. Content and view are valid until the decoder's next use; content
 * must stay. -EBADMSG: not a content of words_count words (*ret_what says why). */
int evtrail_decode_view(struct evtrail_decoder *decoder, const uint8_t *content, size_t content_bytes,
                        size_t words_count, uint64_t reference_ticks, const struct evtrail_batch_view **ret_view,
                        const char **ret_what);
/* The viewed batch's records as they were, words_count of them, into the decoder's own memory. */
const uint64_t *evtrail_decode_words(struct evtrail_decoder *decoder);

#endif /* EVTRAIL_FILE_CODEC_H */
