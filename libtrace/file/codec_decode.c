/* SPDX-License-Identifier: ISC
 *
 * A batch's content -> columns (a view) -> words. The content comes from a file: every count and length is checked
 * here, once, before anything is decoded; afterwards nothing can fail.
 */
#include "file/codec.h"

#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct shape_part {
    uint32_t key;
    uint32_t first_column; /* in columns[] */
    uint32_t first_tick;   /* in ticks[] */
};

struct evtrail_decoder {
    struct evtrail_batch_view view;
    struct evtrail_batch_shape shapes[EVTRAIL_BATCH_SHAPES_MAX];
    struct shape_part parts[EVTRAIL_BATCH_SHAPES_MAX + 1]; /* the last: misc */
    struct evtrail_column columns[EVTRAIL_BATCH_SHAPES_MAX * (EVTRAIL_SIZE_LONG + 1)];
    uint32_t columns_count;
    uint32_t misc_records;
    size_t words_count;
    uint64_t reference_ticks;
    bool ticks_known;
    uint64_t misc[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t ticks[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t values[EVTRAIL_BATCH_WORDS_MAX];
    uint64_t words[EVTRAIL_BATCH_WORDS_MAX];
};

struct input {
    const uint8_t *at, *end;
};

int evtrail_decoder_new(struct evtrail_decoder **ret_decoder)
{
    struct evtrail_decoder *decoder = malloc(sizeof(*decoder)); /* 4 MiB, of which each batch writes what it reads */
    if (!decoder)
        return -ENOMEM;
    memset(&decoder->view, 0, sizeof(decoder->view));
    decoder->words_count = 0;
    *ret_decoder = decoder;
    return 0;
}

void evtrail_decoder_free(struct evtrail_decoder *decoder)
{
    free(decoder);
}

static const uint8_t *take(struct input *input, size_t bytes)
{
    const uint8_t *at = input->at;
    if (bytes > (size_t)(input->end - at))
        return NULL;
    input->at += bytes;
    return at;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* Words that a record of misc takes, `left` being those from it to the end: 0 if it is cut. */
static size_t misc_record_words(const uint64_t *word, size_t left)
{
    size_t words = 1 + (*word & EVTRAIL_SIZE_LONG);
    if (words == 1 + EVTRAIL_SIZE_LONG)
        words = left > 1 ? 2 + (size_t)(uint32_t)word[1] : SIZE_MAX;
    return words <= left ? words : 0;
}

static const char *read_misc(struct evtrail_decoder *decoder, struct input *input, size_t words)
{
    const uint8_t *bytes = words <= EVTRAIL_BATCH_WORDS_MAX ? take(input, words * 8) : NULL;
    if (!bytes)
        return "the misc part is longer than the batch";
    memcpy(decoder->misc, bytes, words * 8);
    uint32_t records = 0;
    for (size_t at = 0; at < words; records++) {
        const size_t record = misc_record_words(decoder->misc + at, words - at);
        if (!record)
            return "a record of the misc part is cut";
        at += record;
    }
    decoder->misc_records = records;
    decoder->view.misc = decoder->misc;
    decoder->view.misc_words = words;
    return NULL;
}

/* Shapes' keys and counts; the words that they and misc make up must be the batch's. */
static const char *read_shapes(struct evtrail_decoder *decoder, struct input *input, uint32_t count,
                               uint64_t misc_words)
{
    const uint8_t *at = count <= EVTRAIL_BATCH_SHAPES_MAX ? take(input, (size_t)count * 8) : NULL;
    uint64_t words = misc_words, records = 0;
    if (!at)
        return "too many shapes";
    for (uint32_t i = 0; i < count; i++, at += 8) {
        const uint32_t key = get32(at), size = key & EVTRAIL_SIZE_LONG;
        if (key > EVTRAIL_SHAPE_MASK || size == EVTRAIL_SIZE_LONG || !get32(at + 4))
            return "a shape that cannot be";
        decoder->shapes[i] = (struct evtrail_batch_shape){.id = key >> 6, .words = size, .count = get32(at + 4)};
        decoder->parts[i] = (struct shape_part){.key = key, .first_tick = (uint32_t)records};
        records += decoder->shapes[i].count;
        words += (uint64_t)decoder->shapes[i].count * (size + 1);
        if (words > decoder->words_count)
            return "more words than the batch's header says";
    }
    if (words != decoder->words_count)
        return "fewer words than the batch's header says";
    decoder->parts[EVTRAIL_BATCH_SHAPES_MAX].first_tick = (uint32_t)records;
    decoder->view.shapes = decoder->shapes;
    decoder->view.shapes_count = count;
    return NULL;
}

/* How often each shape comes must be what its count says. Four tables, so that equal neighbours do not wait for
 * each other. */
static const char *check_sequence(const struct evtrail_decoder *decoder)
{
    uint32_t tables[4][256] = {0};
    const uint8_t *sequence = decoder->view.sequence;
    const uint32_t records = decoder->view.records;
    uint32_t i = 0, sum = 0;
    for (; i + 4 <= records; i += 4)
        for (unsigned t = 0; t < 4; t++)
            tables[t][sequence[i + t]]++;
    for (; i < records; i++)
        tables[0][sequence[i]]++;
    for (uint32_t s = 0; s < decoder->view.shapes_count; s++) {
        const uint32_t seen = tables[0][s] + tables[1][s] + tables[2][s] + tables[3][s];
        if (seen != decoder->shapes[s].count)
            return "a shape's count is not that of the sequence";
        sum += seen;
    }
    const unsigned misc = EVTRAIL_BATCH_MISC;
    const uint32_t seen = tables[0][misc] + tables[1][misc] + tables[2][misc] + tables[3][misc];
    if (seen != decoder->misc_records || sum + seen != records)
        return "the sequence names a record that is not there";
    return NULL;
}

static const char *read_dictionary(struct evtrail_column *column, struct input *input, size_t count)
{
    if (column->base > 256)
        return "a dictionary of more than 256 values";
    column->dictionary = take(input, column->base * 8);
    column->planes = column->dictionary ? take(input, count) : NULL;
    if (!column->planes)
        return "a column is cut";
    for (size_t i = 0; i < count; i++)
        if (column->planes[i] >= column->base)
            return "an index outside its dictionary";
    return NULL;
}

static const char *read_column(struct evtrail_column *column, struct input *input, size_t count)
{
    const uint8_t *at = take(input, 10);
    if (!at || at[0] >= EVTRAIL_COLUMN_KINDS)
        return "a column of unknown kind";
    *column = (struct evtrail_column){.kind = at[0], .mask = at[1], .base = get64(at + 2)};
    const bool planes = column->kind >= EVTRAIL_COLUMN_PLANES && column->kind <= EVTRAIL_COLUMN_DELTA;
    if (!planes && column->mask != (column->kind == EVTRAIL_COLUMN_DICT))
        return "planes where none can be";
    if (column->kind == EVTRAIL_COLUMN_DICT)
        return read_dictionary(column, input, count);
    if (column->kind == EVTRAIL_COLUMN_LINEAR) {
        at = take(input, 8);
        if (!at)
            return "a column is cut";
        column->step = get64(at);
    }
    column->planes = take(input, count * (unsigned)__builtin_popcount(column->mask));
    return column->planes ? NULL : "a column is cut";
}

static const char *read_times(struct evtrail_decoder *decoder, struct input *input)
{
    const char *what = NULL;
    for (uint32_t i = 0; i < decoder->view.shapes_count && !what; i++) {
        struct evtrail_column *column = &decoder->columns[decoder->columns_count];
        decoder->parts[i].first_column = decoder->columns_count;
        decoder->columns_count += decoder->shapes[i].words + 1;
        what = read_column(column, input, decoder->shapes[i].count);
        if (!what && column->kind == EVTRAIL_COLUMN_ROWS)
            what = "rows where steps of time should be";
    }
    return what;
}

static const char *read_payload(struct evtrail_decoder *decoder, struct input *input, uint32_t number)
{
    const struct evtrail_batch_shape *shape = &decoder->shapes[number];
    struct evtrail_column *columns = decoder->columns + decoder->parts[number].first_column + 1;
    size_t rows = 0, row = 0;
    for (uint32_t c = 0; c < shape->words; c++) {
        const char *what = read_column(&columns[c], input, shape->count);
        if (what)
            return what;
        rows += columns[c].kind == EVTRAIL_COLUMN_ROWS;
    }
    const uint8_t *bytes = take(input, rows * shape->count * 8);
    if (!bytes)
        return "a shape's rows are cut";
    for (uint32_t c = 0; c < shape->words; c++)
        if (columns[c].kind == EVTRAIL_COLUMN_ROWS) {
            columns[c].planes = bytes + 8 * row++;
            columns[c].stride = rows * 8;
        }
    return NULL;
}

static const char *read_content(struct evtrail_decoder *decoder, struct input *input)
{
    const uint8_t *header = take(input, EVTRAIL_CONTENT_HEADER_BYTES);
    if (!header)
        return "shorter than its header";
    const uint32_t records = get32(header), misc_words = get32(header + 4), shapes = get32(header + 8);
    const char *what = read_shapes(decoder, input, shapes, misc_words);
    if (what)
        return what;
    decoder->view.records = records;
    decoder->view.sequence = take(input, records);
    if (!decoder->view.sequence || records > decoder->words_count)
        return "more records than words";
    what = read_times(decoder, input);
    if (!what)
        what = read_misc(decoder, input, misc_words);
    if (!what)
        what = check_sequence(decoder);
    for (uint32_t i = 0; i < shapes && !what; i++)
        what = read_payload(decoder, input, i);
    if (!what && input->at != input->end)
        what = "bytes behind its end";
    return what;
}

int evtrail_decode_view(struct evtrail_decoder *decoder, const uint8_t *content, size_t content_bytes,
                        size_t words_count, uint64_t reference_ticks, const struct evtrail_batch_view **ret_view,
                        const char **ret_what)
{
    struct input input = {content, content + content_bytes};
    memset(&decoder->view, 0, sizeof(decoder->view));
    decoder->view.decoder = decoder;
    decoder->columns_count = 0;
    decoder->misc_records = 0;
    decoder->words_count = words_count;
    decoder->reference_ticks = reference_ticks;
    decoder->ticks_known = false;
    const char *what =
        words_count <= EVTRAIL_BATCH_WORDS_MAX ? read_content(decoder, &input) : "more words than a batch may hold";
    if (what) {
        memset(&decoder->view, 0, sizeof(decoder->view));
        decoder->words_count = 0;
        *ret_what = what;
        return -EBADMSG;
    }
    *ret_view = &decoder->view;
    return 0;
}

int evtrail_batch_column(const struct evtrail_batch_view *view, uint32_t shape, uint32_t word, uint64_t *ret_values)
{
    if (shape >= view->shapes_count || word >= view->shapes[shape].words)
        return -ENOENT;
    const struct evtrail_decoder *decoder = view->decoder;
    evtrail_column_decode(&decoder->columns[decoder->parts[shape].first_column + 1 + word], ret_values,
                          view->shapes[shape].count);
    return 0;
}

void evtrail_view_lost(const struct evtrail_batch_view *view, uint64_t *ret_lost)
{
    for (uint32_t s = 0; s < view->shapes_count; s++) {
        const struct evtrail_batch_shape *shape = &view->shapes[s];
        struct evtrail_decoder *decoder = view->decoder;
        if (shape->id != EVTRAIL_RECORD_LOST || shape->words != EVTRAIL_CAUSES)
            continue;
        for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++) {
            evtrail_batch_column(view, s, cause, decoder->values);
            ret_lost[cause] = decoder->values[shape->count - 1];
        }
    }
}

/* ---- ticks ------------------------------------------------------------------------------------------------------ */

struct clock_state {
    uint64_t reference;
    uint64_t low; /* 44 bits */
};

static inline uint64_t absolute(const struct clock_state *clock)
{
    return clock->reference + (uint64_t)((int64_t)((clock->low - clock->reference) << 20) >> 20);
}

/* Where each shape's next record is, while the sequence is walked. */
struct walk {
    uint64_t *tick[256];
    uint64_t *references; /* what the next TIME records say, or NULL */
    uint32_t time_shape;  /* the shape of TIME records, or MISC + 1 */
};

static void walk_init(struct walk *walk, struct evtrail_decoder *decoder)
{
    walk->time_shape = EVTRAIL_BATCH_MISC + 1;
    walk->references = decoder->values;
    for (uint32_t s = 0; s < decoder->view.shapes_count; s++) {
        walk->tick[s] = decoder->ticks + decoder->parts[s].first_tick;
        evtrail_column_decode(&decoder->columns[decoder->parts[s].first_column], walk->tick[s],
                              decoder->shapes[s].count);
        if (decoder->parts[s].key == (EVTRAIL_RECORD_TIME << 6 | 1)) {
            walk->time_shape = s;
            evtrail_batch_column(&decoder->view, s, 0, walk->references);
        }
    }
    walk->tick[EVTRAIL_BATCH_MISC] = decoder->ticks + decoder->parts[EVTRAIL_BATCH_SHAPES_MAX].first_tick;
}

static const uint64_t *misc_tick(const uint64_t *misc, struct clock_state *clock)
{
    clock->low = *misc >> 20;
    return misc + misc_record_words(misc, SIZE_MAX);
}

/* A TIME record of its usual shape that came after 250 other shapes. */
static bool misc_is_time(const uint64_t *misc)
{
    return (*misc & EVTRAIL_SHAPE_MASK) == (EVTRAIL_RECORD_TIME << 6 | 1);
}

static void know_ticks(struct evtrail_decoder *decoder)
{
    struct walk walk;
    struct clock_state clock = {decoder->reference_ticks, decoder->reference_ticks};
    const uint8_t *sequence = decoder->view.sequence;
    const uint64_t *misc = decoder->misc;
    walk_init(&walk, decoder);
    for (uint32_t r = 0; r < decoder->view.records; r++) {
        const unsigned shape = sequence[r];
        uint64_t *tick = walk.tick[shape]++;
        const uint64_t *this_misc = misc;
        if (shape == EVTRAIL_BATCH_MISC)
            misc = misc_tick(misc, &clock);
        else
            clock.low += *tick;
        *tick = absolute(&clock);
        if (shape == walk.time_shape)
            clock.reference = *walk.references++;
        else if (shape == EVTRAIL_BATCH_MISC && misc_is_time(this_misc))
            clock.reference = this_misc[1];
    }
    decoder->ticks_known = true;
}

int evtrail_batch_ticks(const struct evtrail_batch_view *view, uint32_t shape, const uint64_t **ret_ticks)
{
    struct evtrail_decoder *decoder = view->decoder;
    if (!decoder || (shape >= view->shapes_count && shape != EVTRAIL_BATCH_MISC))
        return -ENOENT;
    if (!decoder->ticks_known)
        know_ticks(decoder);
    const uint32_t part = shape == EVTRAIL_BATCH_MISC ? EVTRAIL_BATCH_SHAPES_MAX : shape;
    *ret_ticks = decoder->ticks + decoder->parts[part].first_tick;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

struct row_source {
    const uint64_t *cell; /* the next record's step of time; its payload follows at every `stride` words */
    uint32_t stride;
    uint32_t key;
};

static void decode_columns(struct evtrail_decoder *decoder, struct row_source *sources)
{
    uint64_t *values = decoder->values;
    for (uint32_t s = 0; s < decoder->view.shapes_count; s++) {
        const struct evtrail_batch_shape *shape = &decoder->shapes[s];
        const struct evtrail_column *columns = decoder->columns + decoder->parts[s].first_column;
        sources[s] = (struct row_source){values, shape->count, decoder->parts[s].key};
        for (uint32_t c = 0; c <= shape->words; c++, values += shape->count)
            evtrail_column_decode(&columns[c], values, shape->count);
    }
}

const uint64_t *evtrail_decode_words(struct evtrail_decoder *decoder)
{
    struct row_source sources[EVTRAIL_BATCH_SHAPES_MAX];
    const uint8_t *sequence = decoder->view.sequence;
    const uint64_t *misc = decoder->misc;
    uint64_t *out = decoder->words, ticks = decoder->reference_ticks;
    decode_columns(decoder, sources);
    for (uint32_t r = 0; r < decoder->view.records; r++) {
        if (sequence[r] == EVTRAIL_BATCH_MISC) {
            const size_t words = misc_record_words(misc, SIZE_MAX);
            memcpy(out, misc, words * 8);
            ticks = *misc >> 20;
            misc += words;
            out += words;
            continue;
        }
        struct row_source *source = &sources[sequence[r]];
        const uint64_t *cell = source->cell++;
        ticks += *cell;
        *out++ = ticks << 20 | source->key;
        for (uint32_t size = source->key & EVTRAIL_SIZE_LONG; size > 0; size--)
            *out++ = *(cell += source->stride);
    }
    return decoder->words;
}

bool evtrail_batch_may_have(uint64_t types, uint32_t id)
{
    return (types & evtrail_type_bit(id)) != 0;
}
