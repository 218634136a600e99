/* SPDX-License-Identifier: ISC
 *
 * Writes a trace file: chunks become batches, each with a header that says what it may hold, so that readers can
 * step over it.
 */
#include "file/file_writer.h"

#include "file/crc32c.h"
#include "file/cut.h"
#include "file/file_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_BUFFER_BYTES = 256 << 10, BUFFER_BYTES_MAX = 1 << 20, DEFAULT_FLUSH_NS = 250000000 };

int64_t evtrail_file_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

uint8_t *evtrail_file_frame(struct evtrail_file *file, size_t bytes)
{
    return evtrail_output_reserve(file->output, bytes);
}

static void commit(struct evtrail_file *file, size_t bytes, bool batch, uint64_t events, uint64_t raw_bytes)
{
    if (!evtrail_output_buffered(file->output))
        file->buffered_since_ns = evtrail_file_now();
    evtrail_output_commit(file->output, bytes, batch, events, raw_bytes);
}

void evtrail_file_frame_done(struct evtrail_file *file, size_t bytes, bool indexed)
{
    const struct evtrail_index_entry entry = {
        .offset = evtrail_output_offset(file->output), .bytes = (uint32_t)bytes, .ring = EVTRAIL_RING_NONE};
    if (indexed)
        evtrail_file_index_add(&file->index, &entry);
    evtrail_file_index_frame(&file->index, bytes, 0);
    commit(file, bytes, false, 0, 0);
}

/* After a failed write: what was counted as written and is not, is lost. Returns the error. */
static int absorb(struct evtrail_file *file)
{
    struct evtrail_output_loss loss;
    const int error = file->output ? evtrail_output_error(file->output, &loss) : 0;
    if (!error || file->stats.error)
        return file->stats.error;
    file->stats.error = error;
    file->stats.events -= loss.events;
    file->stats.lost += loss.events;
    file->stats.batches -= loss.batches;
    file->stats.raw_bytes -= loss.raw_bytes;
    file->part_batches -= loss.batches;
    file->part_events -= loss.events;
    evtrail_file_index_cut(&file->index, evtrail_output_offset(file->output));
    return error;
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static void put_super(struct evtrail_file *file)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct evtrail_super super = {
        .version = EVTRAIL_FILE_VERSION,
        .file_id = file->options.file_id ? file->options.file_id : evtrail_file_random(),
        .set_id = file->set_id,
        .created_ns = file->options.now_ns ? file->options.now_ns : (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
        .part = file->part,
    };
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    if (out)
        evtrail_file_frame_done(file, evtrail_frame_put_super(out, &super), false);
}

int evtrail_file_open_part(struct evtrail_file *file, bool force)
{
    const struct evtrail_output_options options = {
        .force = force,
        .sync = file->options.sync,
        .no_uring = file->options.no_uring,
        .keep = file->options.keep_buffers,
        .buffer_bytes = file->options.buffer_bytes,
    };
    const int r = evtrail_output_open(&file->output, file->path, &options);
    if (r < 0)
        return r;
    file->stats.uring = evtrail_output_uring(file->output);
    file->stats.files++;
    file->part_opened_ns = evtrail_file_now();
    file->part_batches = file->part_events = 0;
    file->number_hint = 0;
    memset(file->numbers_used, 0, sizeof(file->numbers_used));
    for (uint32_t i = 0; i < file->sources_count; i++) {
        struct evtrail_file_source *source = file->sources[i];
        if (!source)
            continue;
        source->described = false;
        source->written_realtime_ns = 0;
        source->written = (struct evtrail_offset_frame){0};
        source->modules_written = 0;
        memset(source->types_written, 0, sizeof(source->types_written));
    }
    put_super(file);
    return 0;
}

void evtrail_file_close_part(struct evtrail_file *file)
{
    if (!file->output)
        return;
    if (evtrail_output_flush(file->output) < 0) {
        absorb(file);
        evtrail_output_retry(file->output); /* there may be room for the index */
    }
    evtrail_file_put_clocks(file);
    evtrail_file_index_write(file, evtrail_output_offset(file->output));
    if (evtrail_output_flush(file->output) < 0)
        absorb(file);
    file->closed_bytes += evtrail_output_offset(file->output);
    evtrail_output_close(file->output);
    file->output = NULL;
    evtrail_file_index_clear(&file->index);
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

static int compress(struct evtrail_file *file, const struct evtrail_encoded *encoded, uint32_t *ret_bytes)
{
    const uint32_t cuts[4] = {0, encoded->parts[0], encoded->parts[1], encoded->content_bytes};
    ZSTD_outBuffer out = {file->compressed, file->compressed_room, 0};
    size_t r = ZSTD_CCtx_reset(file->zstd, ZSTD_reset_session_only);
    if (!ZSTD_isError(r))
        r = ZSTD_CCtx_setPledgedSrcSize(file->zstd, encoded->content_bytes);
    for (unsigned part = 0; part < 3 && !ZSTD_isError(r); part++) {
        ZSTD_inBuffer in = {encoded->content + cuts[part], cuts[part + 1] - cuts[part], 0};
        do
            r = ZSTD_compressStream2(file->zstd, &out, &in, part == 2 ? ZSTD_e_end : ZSTD_e_flush);
        while (!ZSTD_isError(r) && r > 0 && out.pos < out.size);
    }
    if (ZSTD_isError(r) || r > 0 || out.pos > EVTRAIL_COMPRESSED_BYTES_MAX)
        return -EMSGSIZE;
    *ret_bytes = (uint32_t)out.pos;
    return 0;
}

static void put_batch(struct evtrail_file *file, struct evtrail_batch_header *header, const uint8_t *compressed)
{
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX + header->compressed_bytes);
    const struct evtrail_chunk *chunk = &header->chunk;
    if (!out) { /* lost, and not yet counted as written */
        file->stats.lost += chunk->events;
        absorb(file);
        return;
    }
    header->number = file->part_batches;
    header->checksum = evtrail_crc32c(0, compressed, header->compressed_bytes);
    const size_t header_bytes = evtrail_frame_put_batch(out, header), bytes = header_bytes + header->compressed_bytes;
    memcpy(out + header_bytes, compressed, header->compressed_bytes);
    const struct evtrail_index_entry entry = {
        .offset = evtrail_output_offset(file->output),
        .bytes = (uint32_t)bytes,
        .source = header->source,
        .ring = chunk->ring,
        .events = (uint32_t)chunk->events,
        .first_ticks = chunk->first_ticks,
        .last_ticks = chunk->last_ticks,
        .types = header->types,
    };
    evtrail_file_index_add(&file->index, &entry);
    evtrail_file_index_frame(&file->index, header_bytes, 0);
    if (header->compressed_bytes)
        evtrail_file_index_frame(&file->index, header->compressed_bytes, header->content_bytes);
    commit(file, bytes, true, chunk->events, chunk->words_count * 8);
    file->part_batches++;
    file->part_events += chunk->events;
    file->stats.batches++;
    file->stats.events += chunk->events;
    file->stats.raw_bytes += chunk->words_count * 8;
}

int evtrail_file_write_batch(struct evtrail_file *file, struct evtrail_batch_header *header, const uint8_t *compressed,
                             const uint16_t *ids, uint32_t ids_count)
{
    int r = evtrail_file_rotation_step(file, 2 * EVTRAIL_HEADER_BYTES_MAX + header->compressed_bytes);
    if (r < 0) {
        file->stats.error = file->stats.error ? file->stats.error : r;
        file->stats.lost += header->chunk.events;
        return r;
    }
    evtrail_file_describe(file, header->source, ids, ids_count);
    evtrail_file_account_begin(file, header);
    put_batch(file, header, compressed);
    evtrail_file_account_end(file, header);
    return absorb(file);
}

static int encode_batch(struct evtrail_file *file, const struct evtrail_chunk *chunk, uint32_t source)
{
    struct evtrail_encoded encoded = {0};
    struct evtrail_batch_header header = {.chunk = *chunk, .source = source};
    memcpy(header.lost_after, chunk->lost_before, sizeof(header.lost_after));
    if (file->stats.error) {
        file->stats.lost += chunk->events;
        return file->stats.error;
    }
    if (chunk->words_count) {
        int r = evtrail_encode(file->encoder, chunk->words, chunk->words_count, chunk->state.reference_ticks, &encoded);
        for (uint32_t i = 0; r == 0 && chunk->source && i < encoded.ids_count; i++)
            evtrail_file_learn_type(file, source, chunk->source, encoded.ids[i]);
        if (r == 0)
            r = compress(file, &encoded, &header.compressed_bytes);
        if (r < 0) {
            file->stats.lost += chunk->events;
            return r;
        }
        header.codec = EVTRAIL_CODEC_COLUMNS;
        header.content_bytes = encoded.content_bytes;
        header.types = encoded.types;
        if (encoded.lost_known)
            memcpy(header.lost_after, encoded.lost, sizeof(header.lost_after));
    }
    header.chunk.events = encoded.events; /* what is there, whatever the process says */
    return evtrail_file_write_batch(file, &header, file->compressed, encoded.ids, encoded.ids_count);
}

static int write_held(struct evtrail_file *file, struct evtrail_gathered *held)
{
    if (!held->since_ns)
        return 0;
    held->chunk.source = NULL; /* its source may be gone; what is needed of it was learned */
    const int r = encode_batch(file, &held->chunk, held->source);
    evtrail_gather_clear(&file->gather, held);
    return r;
}

/* Writes what is held since `until_ns` or longer; the others' earliest time is returned, or INT64_MAX. */
static int64_t write_all_held(struct evtrail_file *file, int64_t until_ns)
{
    int64_t next = INT64_MAX;
    for (uint32_t i = 0; i < file->gather.items_room; i++) {
        struct evtrail_gathered *held = file->gather.items[i];
        if (!held || !held->since_ns)
            continue;
        if (held->since_ns <= until_ns)
            write_held(file, held);
        else if (held->since_ns < next)
            next = held->since_ns;
    }
    return next;
}

/* Steps through a chunk that is to be held: its records must be whole, and its types known when it is written. */
static bool take_records(struct evtrail_file *file, const struct evtrail_chunk *chunk, uint32_t source)
{
    size_t at = 0;
    while (at < chunk->words_count) {
        const uint64_t word = chunk->words[at];
        size_t words = 1 + (word & EVTRAIL_SIZE_LONG);
        if (words == 1 + EVTRAIL_SIZE_LONG)
            words = at + 1 < chunk->words_count ? 2 + (size_t)(uint32_t)chunk->words[at + 1] : SIZE_MAX;
        if (words > chunk->words_count - at)
            return false;
        evtrail_file_learn_type(file, source, chunk->source, (uint32_t)(word & EVTRAIL_SHAPE_MASK) >> 6);
        at += words;
    }
    return true;
}

/* Large chunks are batches by themselves; small ones wait for what follows. */
static int take_chunk(struct evtrail_file *file, const struct evtrail_chunk *chunk, uint32_t source)
{
    struct evtrail_gathered *held = evtrail_gather_find(&file->gather, source, chunk->ring);
    if (!held)
        return encode_batch(file, chunk, source);
    if (held->since_ns && !evtrail_gather_joins(held, chunk))
        write_held(file, held);
    if (!held->since_ns && (!chunk->words_count || chunk->words_count >= EVTRAIL_GATHER_WORDS / 2))
        return encode_batch(file, chunk, source);
    if (!take_records(file, chunk, source)) {
        file->stats.lost += chunk->events;
        return -EBADMSG;
    }
    if (evtrail_gather_add(&file->gather, held, chunk, evtrail_file_now()) < 0)
        return encode_batch(file, chunk, source);
    if (held->chunk.words_count >= EVTRAIL_GATHER_WORDS - EVTRAIL_GATHER_WORDS / 16)
        write_held(file, held);
    else if (file->gather.bytes > EVTRAIL_GATHER_BYTES_MAX)
        write_all_held(file, INT64_MAX);
    return file->stats.error;
}

/* ---- public ----------------------------------------------------------------------------------------------------- */

int evtrail_file_write_chunk(struct evtrail_file *file, const struct evtrail_chunk *chunk)
{
    uint32_t number;
    if (file->stats.error) {
        file->stats.lost += chunk->events;
        return file->stats.error;
    }
    if (chunk->ring > EVTRAIL_RINGS_MAX)
        return -EINVAL;
    int r = evtrail_file_source_number(file, chunk->source, &number);
    if (r < 0) {
        file->stats.lost += chunk->events;
        return r;
    }
    evtrail_file_source_update(file, chunk->source, number);
    evtrail_file_learn_modules(file, number, chunk->source);
    r = take_chunk(file, chunk, number);
    evtrail_file_idle(file);
    return r;
}

int evtrail_file_write_from(struct evtrail_file *file, const struct evtrail_file_cursor *cursor,
                            const struct evtrail_cutter *cutter, const struct evtrail_chunk *chunk)
{
    const struct evtrail_batch *batch = &cursor->batch;
    struct evtrail_ring_before before = cursor->before;
    uint32_t number;
    if (!batch->bytes && (before.skipped || !before.torn))
        return 0; /* what is torn at the end was told, or belongs to where the ring's last events are */
    int r = file->stats.error ? file->stats.error : evtrail_file_source_number(file, chunk->source, &number);
    if (r < 0)
        return r;
    if (cutter) {
        before.skipped = true;
        if (chunk->events_before > batch->chunk.events_before && evtrail_cutter_base(cutter, before.lost)) {
            before.known = true;
            before.torn = 0;
        }
    }
    struct evtrail_gathered *held = evtrail_gather_find(&file->gather, number, chunk->ring);
    if (held && held->since_ns && !evtrail_gather_joins(held, chunk))
        write_held(file, held);
    evtrail_file_source_update(file, chunk->source, number);
    if (!held || !held->since_ns)
        r = evtrail_file_account(file, number, chunk, &before);
    return r < 0 || !batch->bytes ? r : evtrail_file_write_chunk(file, chunk);
}

int evtrail_file_write_account(struct evtrail_file *file, const struct evtrail_chunk *chunk,
                               const struct evtrail_file_account *account)
{
    struct evtrail_file_account own = {0};
    uint32_t number;
    memcpy(&own, account, account->bytes < sizeof(own) ? account->bytes : sizeof(own));
    int r = file->stats.error ? file->stats.error : evtrail_file_source_number(file, chunk->source, &number);
    if (r < 0)
        return r;
    struct evtrail_gathered *held = evtrail_gather_find(&file->gather, number, chunk->ring);
    if (held && held->since_ns)
        write_held(file, held);
    evtrail_file_source_update(file, chunk->source, number);
    evtrail_file_learn_modules(file, number, chunk->source);
    return evtrail_file_account_dropped(file, number, chunk, &own);
}

int evtrail_file_source_gone(struct evtrail_file *file, const struct evtrail_source *source)
{
    uint32_t number;
    if (!evtrail_file_source_find(file, source, &number))
        return 0; /* the file says nothing of it */
    evtrail_file_source_update(file, source, number);
    for (uint32_t i = 0; i < file->gather.items_room; i++)
        if (file->gather.items[i] && file->gather.items[i]->source == number)
            write_held(file, file->gather.items[i]);
    evtrail_gather_forget(&file->gather, number);
    evtrail_file_end_source(file, number);
    return absorb(file);
}

/* Starts writing what has been in the buffer for too long. */
static void push_old(struct evtrail_file *file, int64_t now)
{
    if (!evtrail_output_buffered(file->output) || file->buffered_since_ns > now - file->options.flush_ns)
        return;
    if (file->options.sync)
        evtrail_output_flush(file->output);
    else
        evtrail_output_push(file->output);
    absorb(file);
}

int64_t evtrail_file_idle(struct evtrail_file *file)
{
    const int64_t wait = file->options.flush_ns;
    if (wait < 0 || file->stats.error || !file->output)
        return INT64_MAX;
    const int64_t now = evtrail_file_now();
    if (now >= file->due_ns) { /* what comes in later is due later */
        const int64_t next = write_all_held(file, now - wait);
        if (!file->stats.error)
            push_old(file, now);
        file->due_ns = (next < now ? next : now) + wait;
        if (!file->stats.error && evtrail_output_buffered(file->output) &&
            file->buffered_since_ns + wait < file->due_ns)
            file->due_ns = file->buffered_since_ns + wait;
    }
    const bool waits = file->gather.held || (!file->stats.error && evtrail_output_buffered(file->output));
    return waits ? file->due_ns - now : INT64_MAX;
}

int evtrail_file_flush(struct evtrail_file *file)
{
    write_all_held(file, INT64_MAX);
    if (!file->stats.error && evtrail_output_flush(file->output) < 0)
        absorb(file);
    return file->stats.error;
}

void evtrail_file_stats(const struct evtrail_file *file, struct evtrail_file_stats *ret_stats)
{
    *ret_stats = file->stats;
    ret_stats->file_bytes = file->closed_bytes + (file->output ? evtrail_output_offset(file->output) : 0);
}

const char *evtrail_file_path(const struct evtrail_file *file)
{
    return file->path;
}

static void free_file(struct evtrail_file *file)
{
    evtrail_output_close(file->output);
    evtrail_file_index_clear(&file->index);
    evtrail_gather_fini(&file->gather);
    evtrail_encoder_free(file->encoder);
    ZSTD_freeCCtx(file->zstd);
    evtrail_file_free_sources(file);
    free(file->compressed);
    free(file->path);
    free(file->name);
    free(file);
}

int evtrail_file_close(struct evtrail_file *file, struct evtrail_file_stats *ret_stats)
{
    if (!file)
        return 0;
    write_all_held(file, INT64_MAX);
    evtrail_file_close_part(file);
    if (ret_stats)
        evtrail_file_stats(file, ret_stats);
    const int error = file->stats.error;
    free_file(file);
    return error;
}

void evtrail_file_abandon(struct evtrail_file *file)
{
    if (file)
        free_file(file);
}

static void set_defaults(struct evtrail_file_options *options)
{
    if (!options->buffer_bytes)
        options->buffer_bytes = DEFAULT_BUFFER_BYTES;
    if (options->buffer_bytes > BUFFER_BYTES_MAX)
        options->buffer_bytes = BUFFER_BYTES_MAX;
    if (!options->flush_ns)
        options->flush_ns = DEFAULT_FLUSH_NS;
    if (!options->level)
        options->level = 1;
}

static int allocate(struct evtrail_file *file, const char *path)
{
    file->compressed_room = ZSTD_compressBound(EVTRAIL_BATCH_CONTENT_MAX) + 4096;
    file->compressed = malloc(file->compressed_room);
    file->zstd = ZSTD_createCCtx();
    file->name = strdup(path);
    if (!file->compressed || !file->zstd || !file->name)
        return -ENOMEM;
    ZSTD_CCtx_setParameter(file->zstd, ZSTD_c_checksumFlag, 1);
    if (ZSTD_isError(ZSTD_CCtx_setParameter(file->zstd, ZSTD_c_compressionLevel, file->options.level)))
        return -EINVAL;
    return evtrail_encoder_new(&file->encoder);
}

int evtrail_file_create(struct evtrail_file **ret_file, const char *path, const struct evtrail_file_options *options)
{
    struct evtrail_file *file = calloc(1, sizeof(*file));
    if (!file)
        return -ENOMEM;
    if (options)
        memcpy(&file->options, options,
               options->bytes && options->bytes < sizeof(*options) ? options->bytes : sizeof(*options));
    set_defaults(&file->options);
    int r = allocate(file, path);
    if (r == 0 && evtrail_file_rotates(&file->options)) {
        r = evtrail_file_rotation_start(file);
    } else if (r == 0) {
        file->path = strdup(path);
        r = file->path ? evtrail_file_open_part(file, file->options.force) : -ENOMEM;
    }
    if (r < 0) {
        free_file(file);
        return r;
    }
    *ret_file = file;
    return 0;
}
