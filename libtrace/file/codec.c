/* SPDX-License-Identifier: ISC
 *
 * A chunk's words -> a batch's content. Two passes over the words: the first finds each record's shape and counts, the
 * second deals the words out to columns; then each column is coded by itself.
 */
#include "file/codec.h"

#include "file/put.h"
#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024, IDS = EVTRAIL_EVENT_TYPES_MAX };
static const uint32_t no_key = UINT32_MAX;

struct shape {
    uint32_t key;
    uint32_t size; /* payload words */
    uint32_t count;
    uint32_t filled;
    uint64_t *columns; /* size + 1 columns of `count` words: steps of time, then the payload's words */
};

struct evtrail_encoder {
    uint32_t slot_keys[SLOTS]; /* open addressing: at most 250 of 1024 are taken */
    uint8_t slot_shapes[SLOTS];
    struct shape shapes[EVTRAIL_BATCH_SHAPES_MAX];
    unsigned shapes_count;
    uint32_t records;
    size_t misc_words;
    uint16_t ids[IDS];
    uint32_t ids_count;
    uint64_t id_seen[IDS / 64];
    uint8_t sequence[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t columns[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t misc[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t dictionary[256];
    uint8_t index[EVTRAIL_BATCH_WORDS_MAX]; /* of the column at hand */
    uint8_t content[EVTRAIL_BATCH_CONTENT_MAX];
};

int evtrail_encoder_new(struct evtrail_encoder **ret_encoder)
{
    struct evtrail_encoder *encoder = calloc(1, sizeof(*encoder));
    if (!encoder)
        return -ENOMEM;
    *ret_encoder = encoder;
    return 0;
}

void evtrail_encoder_free(struct evtrail_encoder *encoder)
{
    free(encoder);
}

static void reset(struct evtrail_encoder *encoder)
{
    memset(encoder->slot_keys, 0xff, sizeof(encoder->slot_keys));
    encoder->shapes_count = 0;
    encoder->records = 0;
    encoder->misc_words = 0;
    for (uint32_t i = 0; i < encoder->ids_count; i++)
        encoder->id_seen[encoder->ids[i] / 64] = 0;
    encoder->ids_count = 0;
}

static void note_id(struct evtrail_encoder *encoder, uint32_t id)
{
    const uint64_t bit = UINT64_C(1) << id % 64;
    if (encoder->id_seen[id / 64] & bit)
        return;
    encoder->id_seen[id / 64] |= bit;
    encoder->ids[encoder->ids_count++] = (uint16_t)id;
}

static inline uint32_t slot_of(uint32_t key)
{
    return key * UINT32_C(0x9e3779b1) >> 22;
}

/* The shape of a key that is not where it hashes to; a new one, or MISC when there are too many. */
static unsigned find_shape(struct evtrail_encoder *encoder, uint32_t key)
{
    uint32_t slot = slot_of(key);
    while (encoder->slot_keys[slot] != no_key) {
        if (encoder->slot_keys[slot] == key)
            return encoder->slot_shapes[slot];
        slot = (slot + 1) % SLOTS;
    }
    note_id(encoder, key >> 6);
    if (encoder->shapes_count == EVTRAIL_BATCH_SHAPES_MAX)
        return EVTRAIL_BATCH_MISC;
    const unsigned number = encoder->shapes_count++;
    encoder->shapes[number] = (struct shape){.key = key, .size = key & EVTRAIL_SIZE_LONG};
    encoder->slot_keys[slot] = key;
    encoder->slot_shapes[slot] = (uint8_t)number;
    return number;
}

/* Words of the record at `word`, of which `left` words follow; more than left + 1 if it is cut. */
static size_t long_words(const uint64_t *word, size_t left)
{
    return left ? 2 + (size_t)(uint32_t)word[1] : 2;
}

static int survey(struct evtrail_encoder *encoder, const uint64_t *words, size_t words_count)
{
    uint32_t records = 0;
    for (size_t at = 0; at < words_count; records++) {
        const uint32_t key = (uint32_t)words[at] & EVTRAIL_SHAPE_MASK;
        size_t record_words = 1 + (key & EVTRAIL_SIZE_LONG);
        unsigned number = EVTRAIL_BATCH_MISC;
        if (key % 64 == EVTRAIL_SIZE_LONG) {
            record_words = long_words(words + at, words_count - at - 1);
            note_id(encoder, key >> 6);
        } else {
            const uint32_t slot = slot_of(key);
            number = encoder->slot_keys[slot] == key ? encoder->slot_shapes[slot] : find_shape(encoder, key);
        }
        if (record_words > words_count - at)
            return -EBADMSG;
        encoder->sequence[records] = (uint8_t)number;
        if (number == EVTRAIL_BATCH_MISC)
            encoder->misc_words += record_words;
        else
            encoder->shapes[number].count++;
        at += record_words;
    }
    encoder->records = records;
    return 0;
}

static void place_columns(struct evtrail_encoder *encoder)
{
    uint64_t *columns = encoder->columns;
    for (unsigned i = 0; i < encoder->shapes_count; i++) {
        struct shape *shape = &encoder->shapes[i];
        shape->columns = columns;
        columns += (size_t)shape->count * (shape->size + 1);
    }
}

/* A step between two 44-bit tick counts, as a signed number. */
static inline uint64_t tick_step(uint64_t from, uint64_t to)
{
    return (uint64_t)((int64_t)((to - from) << 20) >> 20);
}

static void deal(struct evtrail_encoder *encoder, const uint64_t *words, uint64_t ticks)
{
    uint64_t *misc = encoder->misc;
    for (uint32_t r = 0; r < encoder->records; r++) {
        const uint64_t now = words[0] >> 20;
        const unsigned number = encoder->sequence[r];
        if (number == EVTRAIL_BATCH_MISC) {
            size_t record_words = 1 + (words[0] & EVTRAIL_SIZE_LONG);
            if (record_words == 1 + EVTRAIL_SIZE_LONG)
                record_words = long_words(words, 1);
            memcpy(misc, words, record_words * 8);
            misc += record_words;
            words += record_words;
        } else {
            struct shape *shape = &encoder->shapes[number];
            const size_t stride = shape->count;
            uint64_t *cell = shape->columns + shape->filled++;
            *cell = tick_step(ticks, now);
            words++;
            for (unsigned size = shape->size; size > 0; size--)
                *(cell += stride) = *words++;
        }
        ticks = now;
    }
}

/* Before the columns are coded, which changes them. */
static void note_lost(const struct evtrail_encoder *encoder, struct evtrail_encoded *encoded)
{
    for (unsigned i = 0; i < encoder->shapes_count; i++) {
        const struct shape *shape = &encoder->shapes[i];
        if (shape->key >> 6 != EVTRAIL_RECORD_LOST || shape->size != EVTRAIL_CAUSES)
            continue;
        encoded->lost_known = true;
        for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
            encoded->lost[cause] = shape->columns[(size_t)(cause + 2) * shape->count - 1];
    }
}

/* kind, mask, base, then what the kind has; a dictionary's indices are in `index`. */
static uint8_t *put_column(const struct evtrail_encoder *encoder, uint8_t *out, const struct evtrail_column *column,
                           uint64_t *values, size_t count)
{
    *out++ = column->kind;
    *out++ = column->mask;
    out = put64(out, column->base);
    if (column->kind == EVTRAIL_COLUMN_LINEAR)
        return put64(out, column->step);
    if (column->kind != EVTRAIL_COLUMN_DICT)
        return out + evtrail_column_encode(column, values, count, out);
    memcpy(out, encoder->dictionary, column->base * 8);
    memcpy(out + column->base * 8, encoder->index, count);
    return out + column->base * 8 + count;
}

static uint8_t *put_times(struct evtrail_encoder *encoder, uint8_t *out)
{
    for (unsigned i = 0; i < encoder->shapes_count; i++) {
        const struct shape *shape = &encoder->shapes[i];
        struct evtrail_column column;
        evtrail_column_plan(shape->columns, shape->count, &column);
        out = put_column(encoder, out, &column, shape->columns, shape->count);
    }
    return out;
}

/* The columns of kind ROWS of one shape, interleaved again. */
static uint8_t *put_rows(uint8_t *out, const struct shape *shape, const uint8_t *row_columns, unsigned rows)
{
    for (unsigned c = 0; c < rows; c++) {
        const uint64_t *values = shape->columns + (size_t)row_columns[c] * shape->count;
        for (uint32_t i = 0; i < shape->count; i++)
            memcpy(out + ((size_t)i * rows + c) * 8, &values[i], 8);
    }
    return out + (size_t)shape->count * rows * 8;
}

static uint8_t *put_payload(struct evtrail_encoder *encoder, const struct shape *shape, uint8_t *out)
{
    uint8_t row_columns[EVTRAIL_SIZE_LONG];
    unsigned rows = 0;
    for (unsigned c = 1; c <= shape->size; c++) {
        uint64_t *values = shape->columns + (size_t)c * shape->count;
        struct evtrail_column column;
        evtrail_column_plan(values, shape->count, &column);
        if (!evtrail_column_dictionary(&column, values, shape->count, encoder->index, encoder->dictionary) &&
            __builtin_popcount(column.mask) >= 7) {
            /* Text and noise: planes save nothing, and zstd finds whole strings again only if they stay together. */
            column = (struct evtrail_column){.kind = EVTRAIL_COLUMN_ROWS};
            row_columns[rows++] = (uint8_t)c;
        }
        out = put_column(encoder, out, &column, values, shape->count);
    }
    return put_rows(out, shape, row_columns, rows);
}

/* Three parts of different statistics: what comes, when, with what. Each is worth an entropy table of its own. */
static void put_content(struct evtrail_encoder *encoder, struct evtrail_encoded *encoded)
{
    uint8_t *out = encoder->content;
    out = put32(out, encoder->records);
    out = put32(out, (uint32_t)encoder->misc_words);
    out = put32(out, encoder->shapes_count);
    for (unsigned i = 0; i < encoder->shapes_count; i++) {
        out = put32(out, encoder->shapes[i].key);
        out = put32(out, encoder->shapes[i].count);
    }
    memcpy(out, encoder->sequence, encoder->records);
    out += encoder->records;
    encoded->parts[0] = (uint32_t)(out - encoder->content);
    out = put_times(encoder, out);
    encoded->parts[1] = (uint32_t)(out - encoder->content);
    memcpy(out, encoder->misc, encoder->misc_words * 8);
    out += encoder->misc_words * 8;
    for (unsigned i = 0; i < encoder->shapes_count; i++)
        out = put_payload(encoder, &encoder->shapes[i], out);
    encoded->content = encoder->content;
    encoded->content_bytes = (uint32_t)(out - encoder->content);
}

static uint64_t types_of(const struct evtrail_encoder *encoder)
{
    uint64_t types = 0;
    for (uint32_t i = 0; i < encoder->ids_count; i++)
        if (encoder->ids[i] >= EVTRAIL_EVENT_FIRST)
            types |= evtrail_type_bit(encoder->ids[i]);
    return types;
}

static uint64_t events_of(const struct evtrail_encoder *encoder)
{
    uint64_t events = 0;
    for (unsigned i = 0; i < encoder->shapes_count; i++)
        if (encoder->shapes[i].key >> 6 >= EVTRAIL_EVENT_FIRST)
            events += encoder->shapes[i].count;
    for (size_t at = 0; at < encoder->misc_words;) {
        const uint64_t word = encoder->misc[at];
        events += (word & EVTRAIL_SHAPE_MASK) >> 6 >= EVTRAIL_EVENT_FIRST;
        at += (word & EVTRAIL_SIZE_LONG) == EVTRAIL_SIZE_LONG ? long_words(encoder->misc + at, 1)
                                                              : 1 + (word & EVTRAIL_SIZE_LONG);
    }
    return events;
}

int evtrail_encode(struct evtrail_encoder *encoder, const uint64_t *words, size_t words_count, uint64_t reference_ticks,
                   struct evtrail_encoded *ret_encoded)
{
    if (words_count > EVTRAIL_BATCH_WORDS_MAX)
        return -EMSGSIZE;
    reset(encoder);
    const int r = survey(encoder, words, words_count);
    if (r < 0)
        return r;
    place_columns(encoder);
    deal(encoder, words, reference_ticks);
    *ret_encoded = (struct evtrail_encoded){
        .records = encoder->records,
        .events = events_of(encoder),
        .types = types_of(encoder),
        .ids = encoder->ids,
        .ids_count = encoder->ids_count,
    };
    note_lost(encoder, ret_encoded);
    put_content(encoder, ret_encoded);
    return 0;
}
