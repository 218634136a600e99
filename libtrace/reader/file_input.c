/* SPDX-License-Identifier: ISC
 *
 * A trace file, set or stream as a reader's input.
 */
#include "reader/reader_private.h"

#include "reader/stream_state.h"

#include <evtrail/file.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct file_source {
    struct evtrail_source *source;
    struct evtrail_stream **streams; /* by ring */
    uint32_t streams_count;
    bool gone; /* says the file; source->gone is what the reader has told */
};

struct file_input {
    struct evtrail_input input; /* first */
    struct evtrail_file_cursor *cursor;
    struct file_source *sources; /* in the cursor's order */
    uint32_t sources_count;
    uint64_t torn_told, spool_told, spool_by[EVTRAIL_SPOOL_WHYS];
};

static struct file_input *of(struct evtrail_input *input)
{
    return (struct file_input *)input;
}

/* ---- sources and streams ---- */

static int add_sources(struct file_input *in)
{
    struct evtrail_source *const *sources;
    uint32_t count = evtrail_file_cursor_sources(in->cursor, &sources);
    if (count > in->sources_count) {
        struct file_source *grown = realloc(in->sources, count * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        in->sources = grown;
    }
    for (; in->sources_count < count; in->sources_count++) {
        in->sources[in->sources_count] = (struct file_source){.source = sources[in->sources_count]};
        if (evtrail_reader_add_source(in->input.reader, sources[in->sources_count]) < 0)
            return -ENOMEM;
        evtrail_reader_notice(&in->input, sources[in->sources_count], false);
    }
    for (uint32_t i = 0; i < count; i++)
        in->sources[i].gone |= in->sources[i].source->gone;
    return 0;
}

static struct file_source *find_source(struct file_input *in, const struct evtrail_source *source)
{
    /* The reader numbers them in the same order, unless other inputs' come between. */
    const uint32_t first = in->sources_count ? in->sources[0].source->number : 0, guess = source->number - first;
    if (guess < in->sources_count && in->sources[guess].source == source)
        return &in->sources[guess];
    for (uint32_t i = 0; i < in->sources_count; i++)
        if (in->sources[i].source == source)
            return &in->sources[i];
    return NULL;
}

static struct evtrail_stream *stream_of(struct file_input *in, struct evtrail_source *source, uint32_t ring)
{
    struct file_source *owner = find_source(in, source);
    if (!owner)
        return NULL;
    if (ring > EVTRAIL_NO_RING)
        ring = EVTRAIL_NO_RING; /* a lie; only its account is mixed up */
    if (ring >= owner->streams_count) {
        uint32_t count = ring + 1 + ring / 2;
        struct evtrail_stream **streams = realloc(owner->streams, count * sizeof(struct evtrail_stream *));
        if (!streams)
            return NULL;
        memset(streams + owner->streams_count, 0, (count - owner->streams_count) * sizeof(struct evtrail_stream *));
        owner->streams = streams;
        owner->streams_count = count;
    }
    if (!owner->streams[ring])
        owner->streams[ring] = evtrail_stream_new(&in->input, source, ring);
    return owner->streams[ring];
}

/* ---- batches ---- */

/* Whether the batch's beginning tells of a loss that none before it told of. */
static bool tells_loss(struct file_input *in, const struct evtrail_chunk *chunk)
{
    struct evtrail_stream *stream = stream_of(in, chunk->source, chunk->ring);
    const struct evtrail_batch *batch = evtrail_cursor_batch(in->cursor);
    bool more = chunk->missed != 0;
    if (stream && batch->based)
        memcpy(stream->lost_seen, batch->lost_base, sizeof(stream->lost_seen));
    for (int i = 0; stream && i < EVTRAIL_CAUSES; i++) {
        more |= chunk->lost_before[i] > stream->lost_seen[i];
        stream->lost_seen[i] = chunk->lost_before[i];
    }
    return more;
}

/* A batch that is stepped over is in the account all the same; one that tells of a loss, or may do so inside, is not stepped
 * over. */
static bool batch_wanted(void *context, const struct evtrail_chunk *chunk, uint64_t types)
{
    struct file_input *in = context;
    int64_t from = evtrail_source_time(chunk->source, chunk->first_ticks);
    int64_t to = evtrail_source_time(chunk->source, chunk->last_ticks);
    if (add_sources(in) < 0 || tells_loss(in, chunk) || evtrail_cursor_batch_is_last(in->cursor) ||
        evtrail_reader_wants(in->input.reader, chunk->source, from, to, types))
        return true;
    in->input.reader->delivered += chunk->events;
    return false;
}

/* What was torn and has no batch behind it. */
static void count_torn(struct file_input *in)
{
    uint64_t torn = 0;
    evtrail_file_cursor_totals(in->cursor, &torn, NULL, NULL);
    if (torn > in->torn_told)
        in->input.reader->lost[EVTRAIL_CAUSE_torn] += torn - in->torn_told;
    in->torn_told = torn > in->torn_told ? torn : in->torn_told;
    const uint64_t spool = evtrail_file_cursor_spool(in->cursor);
    if (spool > in->spool_told)
        in->input.reader->lost[EVTRAIL_CAUSE_spool] += spool - in->spool_told;
    in->spool_told = spool > in->spool_told ? spool : in->spool_told;
    uint64_t by[EVTRAIL_SPOOL_WHYS];
    evtrail_file_cursor_spool_by(in->cursor, by);
    for (unsigned why = 0; why < EVTRAIL_SPOOL_WHYS; why++)
        in->input.reader->spool_by[why] += by[why] - in->spool_by[why];
    memcpy(in->spool_by, by, sizeof(by));
}

static void end(struct file_input *in)
{
    in->input.frontier = INT64_MAX;
    if (in->input.reader->options.follow && !evtrail_cursor_ended(in->cursor))
        return;
    count_torn(in);
    in->input.done = true;
    for (uint32_t i = 0; i < in->sources_count; i++)
        if (in->sources[i].gone)
            evtrail_reader_notice(&in->input, in->sources[i].source, true);
}

static int fail(struct file_input *in, int code)
{
    struct evtrail_fault fault;
    evtrail_fault_set(&fault, code, "%s", evtrail_file_cursor_error(in->cursor));
    return evtrail_reader_fail(in->input.reader, code, &fault);
}

static int next_batch(struct file_input *in, struct evtrail_batch **ret_batch)
{
    int result = evtrail_file_cursor_next_chunk(in->cursor, ret_batch);
    if (add_sources(in) < 0)
        return evtrail_reader_fail(in->input.reader, -ENOMEM, &(struct evtrail_fault){"no memory for sources"});
    if (result < 0)
        return fail(in, result);
    if (result == 0)
        end(in);
    return result;
}

static int push(struct file_input *in, const struct evtrail_batch *batch)
{
    struct evtrail_reader *reader = in->input.reader;
    struct evtrail_stream *stream = stream_of(in, batch->chunk.source, batch->chunk.ring);
    struct evtrail_piece *piece = stream ? evtrail_piece_new(reader) : NULL;
    if (!piece || evtrail_words_reserve(&piece->words, batch->chunk.words_count) < 0) {
        if (piece)
            evtrail_piece_drop(reader, piece);
        return evtrail_reader_fail(reader, -ENOMEM, &(struct evtrail_fault){"no memory for a batch"});
    }
    if (batch->chunk.words_count)
        memcpy(piece->words.at, batch->chunk.words, batch->chunk.words_count * sizeof(uint64_t));
    piece->words.count = batch->chunk.words_count;
    piece->chunk = batch->chunk;
    piece->chunk.words = piece->words.at;
    piece->torn = batch->torn;
    piece->spool = batch->spool;
    piece->based = batch->based;
    piece->base_ticks = batch->base_ticks;
    memcpy(piece->lost_base, batch->lost_base, sizeof(piece->lost_base));
    in->torn_told += batch->torn;
    in->spool_told += batch->spool;
    return evtrail_stream_push(stream, piece);
}

/* What comes by a stream as it happens is held back no longer than this, for others' earlier events to come: sources are not in
 * order among each other. */
#define STREAM_HOLD_NS 20000000

static int64_t horizon(const struct file_input *in)
{
    struct timespec now;
    if (evtrail_cursor_stream_fd(in->cursor) < 0)
        return evtrail_file_cursor_horizon(in->cursor);
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - STREAM_HOLD_NS;
}

static int poll_fd(struct evtrail_input *input)
{
    return evtrail_cursor_stream_fd(of(input)->cursor);
}

static int gather(struct evtrail_input *input)
{
    struct file_input *in = of(input);
    struct evtrail_batch *batch;
    int result = next_batch(in, &batch);
    if (result > 0)
        result = push(in, batch) < 0 ? -ENOMEM : 1;
    if (result < 0) {
        evtrail_reader_fault(input->reader, result, &input->reader->fault);
        return 0;
    }
    if (result > 0)
        input->frontier = horizon(in);
    if (input->reader->options.to_ns && input->frontier > input->reader->options.to_ns && !input->done) {
        input->done = true;
        input->frontier = INT64_MAX;
    }
    return result;
}

static int refill(struct evtrail_input *input, struct evtrail_stream *stream)
{
    (void)input;
    (void)stream;
    return 0; /* file streams never say that they have more: the frontier does */
}

/* The writer's counts of losses at the chunk's end. */
static void lost_after(const struct evtrail_chunk *chunk, uint64_t *lost)
{
    struct evtrail_stream_state state = chunk->state;
    struct evtrail_walk walk;
    memcpy(lost, chunk->lost_before, sizeof(chunk->lost_before));
    evtrail_walk_init(&walk, chunk->words, chunk->words_count, state.reference_ticks);
    while (evtrail_walk_next(&walk))
        if (walk.id == EVTRAIL_RECORD_LOST)
            evtrail_state_apply(&state, &walk, lost);
}

static int next_chunk(struct evtrail_input *input, struct evtrail_chunk **ret_chunk)
{
    struct file_input *in = of(input);
    struct evtrail_batch *batch;
    int result = next_batch(in, &batch);
    if (result <= 0)
        return result;
    struct evtrail_stream *stream = stream_of(in, batch->chunk.source, batch->chunk.ring);
    if (!stream)
        return evtrail_reader_fail(input->reader, -ENOMEM, &(struct evtrail_fault){"no memory for a ring"});
    uint64_t lost[EVTRAIL_CAUSES];
    if (batch->based)
        memcpy(stream->decoder.known_lost, batch->lost_base, sizeof(stream->decoder.known_lost));
    lost_after(&batch->chunk, lost);
    evtrail_reader_count(input->reader, &batch->chunk, lost, stream->decoder.known_lost);
    input->reader->lost[EVTRAIL_CAUSE_torn] += batch->torn;
    in->torn_told += batch->torn;
    input->reader->lost[EVTRAIL_CAUSE_spool] += batch->spool;
    in->spool_told += batch->spool;
    *ret_chunk = &batch->chunk;
    return 1;
}

static int seek(struct evtrail_input *input, int64_t realtime_ns)
{
    struct file_input *in = of(input);
    int result = evtrail_file_cursor_seek(in->cursor, realtime_ns);
    if (result < 0)
        return fail(in, result);
    for (uint32_t i = 0; i < in->sources_count; i++)
        for (uint32_t ring = 0; ring < in->sources[i].streams_count; ring++)
            if (in->sources[i].streams[ring])
                evtrail_stream_reset(in->sources[i].streams[ring]);
    input->done = false;
    input->frontier = evtrail_file_cursor_horizon(in->cursor);
    return 0;
}

/* ---- open, close ---- */

static void close_input(struct evtrail_input *input)
{
    struct file_input *in = of(input);
    for (uint32_t i = 0; i < in->sources_count; i++) {
        for (uint32_t ring = 0; ring < in->sources[i].streams_count; ring++)
            evtrail_stream_free(in->sources[i].streams[ring]);
        free(in->sources[i].streams);
    }
    free(in->sources);
    evtrail_file_cursor_close(in->cursor);
    free(in);
}

static const struct evtrail_input_operations operations = {
    .gather = gather,
    .refill = refill,
    .next_chunk = next_chunk,
    .seek = seek,
    .poll_fd = poll_fd,
    .close = close_input,
};

int evtrail_file_input_add(struct evtrail_reader *reader, const char *path, const char *const *parts,
                           uint32_t parts_count, struct evtrail_fault *fault)
{
    struct file_input *in = calloc(1, sizeof(*in));
    if (!in)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    struct evtrail_file_cursor_options options = {.bytes = sizeof(options),
                                                  .follow = reader->options.follow,
                                                  .wanted = batch_wanted,
                                                  .context = in,
                                                  .parts = parts,
                                                  .parts_count = parts_count};
    char *error = NULL;
    in->input = (struct evtrail_input){.operations = &operations, .reader = reader, .frontier = INT64_MIN};
    int result = evtrail_file_cursor_open(&in->cursor, path, &options, &error);
    if (result < 0) {
        evtrail_fault_set(fault, result, "%s", error ? error : strerror(-result));
        free(error);
        free(in);
        return result;
    }
    if (reader->options.from_ns && !reader->spans)
        evtrail_file_cursor_seek(in->cursor, reader->options.from_ns); /* a stream cannot, and is read from its start */
    result = evtrail_reader_add_input(reader, &in->input);
    if (result < 0)
        close_input(&in->input);
    return result;
}
