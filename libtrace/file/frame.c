/* SPDX-License-Identifier: ISC
 *
 * The file's frames <-> structs. Numbers are little-endian, as are both kinds of machine that are supported.
 */
#include "file/frame.h"

#include "file/codec.h"
#include "file/crc32c.h"
#include "file/get.h"
#include "file/put.h"
#include "layout.h"

#include <string.h>

/* ---- putting ---------------------------------------------------------------------------------------------------- */

static uint8_t *put_text(uint8_t *out, const char *text, size_t most)
{
    const size_t bytes = strnlen(text, most);
    out = put16(out, (uint16_t)bytes);
    memcpy(out, text, bytes);
    return out + bytes;
}

/* The prefix, once the rest stands up to `end`; returns the frame's bytes. */
static size_t seal(uint8_t *out, uint32_t magic, uint32_t tag, const uint8_t *end)
{
    const size_t bytes = (size_t)(end - out);
    put32(put32(put32(out, magic), (uint32_t)(bytes - 8)), tag);
    put32(out + 12, evtrail_crc32c(evtrail_crc32c(0, out, 12), out + 16, bytes - 16));
    return bytes;
}

size_t evtrail_frame_put_super(uint8_t *out, const struct evtrail_super *super)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(p, super->version), super->flags);
    p = put64(put64(p, super->file_id), super->set_id);
    p = put64(p, (uint64_t)super->created_ns);
    p = put32(put32(p, super->part), 0);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_SUPER, p);
}

size_t evtrail_frame_put_source(uint8_t *out, const struct evtrail_source_frame *source)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(p, source->number), source->pid);
    p = put32(put32(p, source->uid), source->parent_pid);
    p = put64(put64(p, source->session_id), source->start_realtime_ns);
    p = put64(p, source->hz);
    p = put32(put32(p, source->clock_kind), 0);
    p = put_text(p, source->command, sizeof(source->command) - 1);
    p = put_text(p, source->program, sizeof(source->program) - 1);
    p = put_text(p, source->host, sizeof(source->host) - 1);
    p = put_text(p, source->boot_id, sizeof(source->boot_id) - 1);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_SOURCE, p);
}

size_t evtrail_frame_put_clock(uint8_t *out, const struct evtrail_clock_frame *clock)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(p, clock->source), clock->flags);
    p = put64(put64(put64(p, clock->ticks), clock->monotonic_ns), clock->realtime_ns);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_CLOCK, p);
}

size_t evtrail_frame_put_offset(uint8_t *out, const struct evtrail_offset_frame *offset)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(p, offset->source), offset->flags);
    p = put64(put64(p, (uint64_t)offset->offset_ns), (uint64_t)offset->bound_ns);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_OFFSET, p);
}

static uint8_t *put_labels(uint8_t *p, const struct evtrail_label *labels)
{
    for (unsigned slot = 0; slot < EVTRAIL_LABELS_MAX; slot++) {
        if (!labels[slot].key[0])
            continue;
        const size_t key = strnlen(labels[slot].key, EVTRAIL_LABEL_BYTES);
        const size_t value = strnlen(labels[slot].value, EVTRAIL_LABEL_BYTES);
        p = put8(put8(put8(p, (uint8_t)slot), (uint8_t)key), (uint8_t)value);
        memcpy(p, labels[slot].key, key);
        memcpy(p + key, labels[slot].value, value);
        p += key + value;
    }
    return p;
}

size_t evtrail_frame_put_batch(uint8_t *out, const struct evtrail_batch_header *header)
{
    const struct evtrail_chunk *chunk = &header->chunk;
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put8(put8(p, EVTRAIL_FILE_VERSION), header->codec);
    p = put16(p, (uint16_t)chunk->flags);
    p = put32(put32(p, header->source), chunk->ring);
    p = put32(put32(p, header->compressed_bytes), header->content_bytes);
    p = put32(p, (uint32_t)chunk->words_count);
    p = put64(put64(put64(p, header->number), chunk->first_block), chunk->last_block);
    p = put64(put64(p, chunk->first_ticks), chunk->last_ticks);
    p = put64(put64(put64(p, chunk->events), chunk->events_before), chunk->missed);
    p = put64(put64(p, header->types), chunk->state.reference_ticks);
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        p = put64(p, chunk->lost_before[cause]);
    p = put32(put32(p, chunk->state.tid), header->checksum);
    memset(p, 0, 16);
    memcpy(p, chunk->state.thread_name, strnlen(chunk->state.thread_name, 16));
    p = put_labels(p + 16, chunk->state.labels);
    return seal(out, EVTRAIL_MAGIC_BATCH, EVTRAIL_TAG_BATCH, p);
}

size_t evtrail_frame_put_account(uint8_t *out, const struct evtrail_account_frame *account)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(p, account->source), account->ring);
    p = put32(put32(p, account->flags), 0);
    p = put64(put64(put64(p, account->events), account->torn), account->ticks);
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        p = put64(p, account->lost[cause]);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_ACCOUNT, p);
}

size_t evtrail_frame_put_mark(uint8_t *out, const struct evtrail_mark_frame *mark)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    memcpy(p, mark->stream, sizeof(mark->stream));
    p = put64(put64(p + sizeof(mark->stream), mark->sequence), mark->through);
    p = put32(put32(put64(p, mark->owner), mark->kind), 0);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_MARK, p);
}

size_t evtrail_frame_put_end(uint8_t *out, const struct evtrail_end *end)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put64(put64(p, end->tail_offset), end->batches);
    p = put64(put64(p, end->events), end->entries);
    p = put64(put64(p, 0), 0);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_END, p);
}

size_t evtrail_frame_put_schema(uint8_t *out, uint32_t source, size_t entries_bytes)
{
    put32(put32(out + EVTRAIL_FRAME_PREFIX_BYTES, source), 0);
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_SCHEMA, out + EVTRAIL_SCHEMA_HEAD + entries_bytes);
}

size_t evtrail_frame_put_index(uint8_t *out, uint64_t first, const struct evtrail_index_entry *entries, uint32_t count)
{
    uint8_t *p = out + EVTRAIL_FRAME_PREFIX_BYTES;
    p = put32(put32(put64(p, first), count), 0);
    for (uint32_t i = 0; i < count; i++) {
        const struct evtrail_index_entry *entry = &entries[i];
        p = put32(put64(p, entry->offset), entry->bytes);
        p = put32(put32(put32(p, entry->source), entry->ring), entry->events);
        p = put64(put64(put64(p, entry->first_ticks), entry->last_ticks), entry->types);
    }
    return seal(out, EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_INDEX, p);
}

/* ---- parsing ---------------------------------------------------------------------------------------------------- */

static struct parser begin(const uint8_t *at, size_t bytes)
{
    return (struct parser){at + EVTRAIL_FRAME_PREFIX_BYTES, at + bytes, bytes < EVTRAIL_FRAME_PREFIX_BYTES};
}

/* Text of `bytes` bytes into room[size], which is zero; longer text is cut. Control characters come as they are. */
static void get_bytes(struct parser *parser, size_t bytes, char *room, size_t size)
{
    if (!has(parser, bytes)) {
        parser->bad = true;
        return;
    }
    memcpy(room, parser->at, bytes < size - 1 ? bytes : size - 1);
    parser->at += bytes;
}

static void get_text(struct parser *parser, char *room, size_t size)
{
    get_bytes(parser, get(parser, 2), room, size);
}

const char evtrail_ends_inside_prefix[] = "the file ends inside a frame's prefix";

const char *evtrail_frame_prefix(const uint8_t *at, size_t bytes, struct evtrail_frame *ret_frame)
{
    if (bytes < EVTRAIL_FRAME_PREFIX_BYTES)
        return evtrail_ends_inside_prefix;
    struct parser parser = {at, at + bytes, false};
    const uint32_t magic = get32(&parser), size = get32(&parser), tag = get32(&parser);
    const bool batch = magic == EVTRAIL_MAGIC_BATCH;
    const uint32_t most = batch ? EVTRAIL_HEADER_BYTES_MAX : EVTRAIL_FRAME_BYTES_MAX;
    if (!batch && magic != EVTRAIL_MAGIC_OTHER)
        return "no frame begins here";
    if (batch != (tag == EVTRAIL_TAG_BATCH))
        return "a frame's tag does not fit its magic number";
    if (size < EVTRAIL_FRAME_PREFIX_BYTES - 8 || size > most - 8)
        return "a frame's size is out of bounds";
    *ret_frame = (struct evtrail_frame){magic, tag, size + 8};
    return NULL;
}

bool evtrail_frame_intact(const uint8_t *at, const struct evtrail_frame *frame)
{
    uint32_t crc;
    memcpy(&crc, at + 12, 4);
    return crc == evtrail_crc32c(evtrail_crc32c(0, at, 12), at + 16, frame->bytes - 16);
}

const char *evtrail_frame_parse_super(const uint8_t *at, size_t bytes, struct evtrail_super *ret_super)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_super super = {.version = get32(&parser)};
    super.flags = get32(&parser);
    super.file_id = get64(&parser);
    super.set_id = get64(&parser);
    super.created_ns = (int64_t)get64(&parser);
    super.part = get32(&parser);
    if (parser.bad)
        return "the file header is cut";
    *ret_super = super;
    return NULL;
}

const char *evtrail_frame_parse_source(const uint8_t *at, size_t bytes, struct evtrail_source_frame *ret_source)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_source_frame source = {.number = get32(&parser)};
    source.pid = get32(&parser);
    source.uid = get32(&parser);
    source.parent_pid = get32(&parser);
    source.session_id = get64(&parser);
    source.start_realtime_ns = get64(&parser);
    source.hz = get64(&parser);
    source.clock_kind = get32(&parser);
    get32(&parser);
    get_text(&parser, source.command, sizeof(source.command));
    get_text(&parser, source.program, sizeof(source.program));
    get_text(&parser, source.host, sizeof(source.host));
    get_text(&parser, source.boot_id, sizeof(source.boot_id));
    if (parser.bad || source.number >= EVTRAIL_SOURCES_MAX)
        return "a source's frame is cut or its number is out of bounds";
    *ret_source = source;
    return NULL;
}

const char *evtrail_frame_parse_clock(const uint8_t *at, size_t bytes, struct evtrail_clock_frame *ret_clock)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_clock_frame clock = {.source = get32(&parser)};
    clock.flags = get32(&parser);
    clock.ticks = get64(&parser);
    clock.monotonic_ns = get64(&parser);
    clock.realtime_ns = get64(&parser);
    if (parser.bad || clock.source >= EVTRAIL_SOURCES_MAX)
        return "a clock reading is cut or its source is out of bounds";
    *ret_clock = clock;
    return NULL;
}

const char *evtrail_frame_parse_offset(const uint8_t *at, size_t bytes, struct evtrail_offset_frame *ret_offset)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_offset_frame offset = {.source = get32(&parser)};
    offset.flags = get32(&parser);
    offset.offset_ns = (int64_t)get64(&parser);
    offset.bound_ns = (int64_t)get64(&parser);
    if (parser.bad || offset.source >= EVTRAIL_SOURCES_MAX || offset.bound_ns < 0)
        return "a clock's offset is cut or its source is out of bounds";
    *ret_offset = offset;
    return NULL;
}

static void get_labels(struct parser *parser, struct evtrail_label *labels)
{
    while (!parser->bad && parser->at < parser->end) {
        const unsigned slot = (unsigned)get(parser, 1), key = (unsigned)get(parser, 1),
                       value = (unsigned)get(parser, 1);
        if (slot >= EVTRAIL_LABELS_MAX || key > EVTRAIL_LABEL_BYTES || value > EVTRAIL_LABEL_BYTES) {
            parser->bad = true;
            return;
        }
        get_bytes(parser, key, labels[slot].key, sizeof(labels[slot].key));
        get_bytes(parser, value, labels[slot].value, sizeof(labels[slot].value));
    }
}

static void get_chunk(struct parser *parser, struct evtrail_batch_header *header)
{
    struct evtrail_chunk *chunk = &header->chunk;
    chunk->words_count = get32(parser);
    header->number = get64(parser);
    chunk->first_block = get64(parser);
    chunk->last_block = get64(parser);
    chunk->first_ticks = get64(parser);
    chunk->last_ticks = get64(parser);
    chunk->events = get64(parser);
    chunk->events_before = get64(parser);
    chunk->missed = get64(parser);
    header->types = get64(parser);
    chunk->state.reference_ticks = get64(parser);
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        chunk->lost_before[cause] = get64(parser);
    chunk->state.tid = get32(parser);
    header->checksum = get32(parser);
    get_bytes(parser, 16, chunk->state.thread_name, sizeof(chunk->state.thread_name));
    get_labels(parser, chunk->state.labels);
}

static const char *check_batch(const struct evtrail_batch_header *header)
{
    const struct evtrail_chunk *chunk = &header->chunk;
    const bool none = header->codec == EVTRAIL_CODEC_NONE;
    if (header->codec > EVTRAIL_CODEC_COLUMNS)
        return "a batch's codec is not known: written by a newer version?";
    if (header->source >= EVTRAIL_SOURCES_MAX || chunk->ring > EVTRAIL_RINGS_MAX)
        return "a batch's source or ring is out of bounds";
    if (chunk->words_count > EVTRAIL_BATCH_WORDS_MAX || header->content_bytes > EVTRAIL_BATCH_CONTENT_MAX ||
        header->compressed_bytes > EVTRAIL_COMPRESSED_BYTES_MAX || chunk->events > chunk->words_count)
        return "a batch's size is out of bounds";
    if (none != !header->compressed_bytes || none != !chunk->words_count || none != !header->content_bytes)
        return "a batch's sizes do not fit each other";
    return NULL;
}

const char *evtrail_frame_parse_batch(const uint8_t *at, size_t bytes, struct evtrail_batch_header *ret_header)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_batch_header header = {.header_bytes = (uint32_t)bytes};
    const uint64_t version = get(&parser, 1);
    header.codec = (uint8_t)get(&parser, 1);
    header.chunk.flags = (uint32_t)get(&parser, 2);
    header.source = get32(&parser);
    header.chunk.ring = get32(&parser);
    header.compressed_bytes = get32(&parser);
    header.content_bytes = get32(&parser);
    get_chunk(&parser, &header);
    if (parser.bad || version != EVTRAIL_FILE_VERSION)
        return "a batch's header is cut or of another version";
    const char *what = check_batch(&header);
    if (!what)
        *ret_header = header;
    return what;
}

const char *evtrail_frame_parse_account(const uint8_t *at, size_t bytes, struct evtrail_account_frame *ret_account)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_account_frame account = {.source = get32(&parser)};
    account.ring = get32(&parser);
    account.flags = get32(&parser);
    get32(&parser);
    account.events = get64(&parser);
    account.torn = get64(&parser);
    account.ticks = get64(&parser);
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        account.lost[cause] = get64(&parser);
    if (parser.bad || account.source >= EVTRAIL_SOURCES_MAX || account.ring > EVTRAIL_RINGS_MAX)
        return "an account is cut or its source or ring is out of bounds";
    *ret_account = account;
    return NULL;
}

const char *evtrail_frame_parse_mark(const uint8_t *at, size_t bytes, struct evtrail_mark_frame *ret_mark)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_mark_frame mark = {0};
    for (unsigned i = 0; i < sizeof(mark.stream); i++)
        mark.stream[i] = (uint8_t)get(&parser, 1);
    mark.sequence = get64(&parser);
    mark.through = get64(&parser);
    mark.owner = get64(&parser);
    mark.kind = get32(&parser);
    if (parser.bad)
        return "a stream's mark is cut";
    *ret_mark = mark;
    return NULL;
}

const char *evtrail_frame_parse_end(const uint8_t *at, size_t bytes, struct evtrail_end *ret_end)
{
    struct parser parser = begin(at, bytes);
    struct evtrail_end end = {.tail_offset = get64(&parser)};
    end.batches = get64(&parser);
    end.events = get64(&parser);
    end.entries = get64(&parser);
    if (parser.bad)
        return "the end frame is cut";
    *ret_end = end;
    return NULL;
}

const char *evtrail_frame_parse_schema(const uint8_t *at, size_t bytes, uint32_t *ret_source,
                                       const uint8_t **ret_entries, size_t *ret_entries_bytes)
{
    struct parser parser = begin(at, bytes);
    const uint32_t source = get32(&parser);
    get32(&parser);
    if (parser.bad || source >= EVTRAIL_SOURCES_MAX)
        return "a schema's frame is cut or its source is out of bounds";
    *ret_source = source;
    *ret_entries = parser.at;
    *ret_entries_bytes = (size_t)(parser.end - parser.at);
    return NULL;
}

const char *evtrail_frame_parse_index(const uint8_t *at, size_t bytes,
                                      int (*visit)(void *context, const struct evtrail_index_entry *entry),
                                      void *context)
{
    struct parser parser = begin(at, bytes);
    get64(&parser);
    const uint32_t count = get32(&parser);
    get32(&parser);
    if (parser.bad || count > EVTRAIL_INDEX_ENTRIES_MAX ||
        (size_t)(parser.end - parser.at) != (size_t)count * EVTRAIL_INDEX_ENTRY_BYTES)
        return "an index frame's size is not that of its entries";
    for (uint32_t i = 0; i < count; i++) {
        struct evtrail_index_entry entry = {.offset = get64(&parser)};
        entry.bytes = get32(&parser);
        entry.source = get32(&parser);
        entry.ring = get32(&parser);
        entry.events = get32(&parser);
        entry.first_ticks = get64(&parser);
        entry.last_ticks = get64(&parser);
        entry.types = get64(&parser);
        if (visit(context, &entry) < 0)
            return "an index entry that cannot be";
    }
    return NULL;
}
