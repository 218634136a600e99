/* SPDX-License-Identifier: ISC
 *
 * What a file says of its sources: who they are, their clocks, and of their schemas just what the batches use. A
 * process with 10,000 event types of which three are recorded costs each rotated file three.
 */
#include "file/file_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void copy_text(char *room, size_t size, const char *text)
{
    const size_t bytes = text ? strnlen(text, size - 1) : 0;
    memcpy(room, text ? text : "", bytes);
    room[bytes] = 0;
}

static struct evtrail_clock_frame reading(uint32_t number, uint64_t ticks, uint64_t monotonic_ns, uint64_t realtime_ns)
{
    return (struct evtrail_clock_frame){
        .source = number, .ticks = ticks, .monotonic_ns = monotonic_ns, .realtime_ns = realtime_ns};
}

/* A corrected clock goes back into the file as it was, beside the offset: who reads it subtracts that again. Modulo 2^64, as there. */
void evtrail_file_source_update(struct evtrail_file *file, const struct evtrail_source *source, uint32_t number)
{
    struct evtrail_file_source *known = file->sources[number];
    const struct evtrail_clock *clock = &source->clock;
    const bool corrected = source->offset_bound_ns > 0;
    const uint64_t offset_ns = corrected ? (uint64_t)source->offset_ns : 0;
    known->first = reading(number, clock->first.ticks, clock->first.monotonic_ns, clock->first.realtime_ns + offset_ns);
    known->last = reading(number, clock->last.ticks, clock->last.monotonic_ns, clock->last.realtime_ns + offset_ns);
    if (corrected)
        known->offset = (struct evtrail_offset_frame){number, 0, source->offset_ns, source->offset_bound_ns};
    known->gone |= source->gone;
}

/* Numbers of processes that have ended are given again, but not in the part that has them already. */
static int free_number(struct evtrail_file *file, uint32_t *ret_number)
{
    uint32_t number = file->number_hint;
    while (number < file->sources_count &&
           (file->sources[number] || file->numbers_used[number / 64] >> number % 64 & 1))
        number++;
    file->number_hint = number;
    if (number == EVTRAIL_SOURCES_MAX)
        return -ENOSPC;
    if (number == file->sources_count) {
        struct evtrail_file_source **grown = realloc(file->sources, (number + 1) * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        file->sources = grown;
        file->sources[number] = NULL;
        file->sources_count++;
    }
    *ret_number = number;
    return 0;
}

static int add_source(struct evtrail_file *file, const struct evtrail_source *source, uint32_t *ret_number)
{
    uint32_t number;
    const int r = free_number(file, &number);
    if (r < 0)
        return r;
    struct evtrail_file_source *known = calloc(1, sizeof(*known));
    if (!known)
        return -ENOMEM;
    known->frame = (struct evtrail_source_frame){
        .number = number,
        .pid = source->pid,
        .uid = source->uid,
        .parent_pid = source->parent_pid,
        .clock_kind = source->clock.kind,
        .session_id = source->session_id,
        .start_realtime_ns = source->start_realtime_ns,
        .hz = source->clock.hz,
    };
    evtrail_schema_init(&known->schema);
    copy_text(known->frame.command, sizeof(known->frame.command), source->command);
    copy_text(known->frame.program, sizeof(known->frame.program), source->program);
    copy_text(known->frame.host, sizeof(known->frame.host), source->host);
    copy_text(known->frame.boot_id, sizeof(known->frame.boot_id), source->boot_id);
    file->sources[number] = known;
    evtrail_file_source_update(file, source, number);
    *ret_number = number;
    return 0;
}

static bool is_source(const struct evtrail_file_source *known, const struct evtrail_source *source)
{
    return known && known->frame.session_id == source->session_id && known->frame.pid == source->pid;
}

bool evtrail_file_source_find(struct evtrail_file *file, const struct evtrail_source *source, uint32_t *ret_number)
{
    uint32_t number = file->last_source;
    if (number >= file->sources_count || !is_source(file->sources[number], source))
        for (number = 0; number < file->sources_count && !is_source(file->sources[number], source);)
            number++;
    if (number == file->sources_count)
        return false;
    *ret_number = file->last_source = number;
    return true;
}

int evtrail_file_source_number(struct evtrail_file *file, const struct evtrail_source *source, uint32_t *ret_number)
{
    return evtrail_file_source_find(file, source, ret_number) ? 0 : add_source(file, source, ret_number);
}

static void put_clock(struct evtrail_file *file, struct evtrail_file_source *known, struct evtrail_clock_frame clock)
{
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    clock.flags = known->gone ? EVTRAIL_CLOCK_GONE : 0;
    if (!out)
        return;
    known->written_realtime_ns = clock.realtime_ns;
    evtrail_file_frame_done(file, evtrail_frame_put_clock(out, &clock), true);
}

/* Whether the part has to say it: once, and again where it became another, or is known much better. */
static bool offset_is_news(const struct evtrail_file_source *known)
{
    const struct evtrail_offset_frame *now = &known->offset, *then = &known->written;
    const uint64_t apart = now->offset_ns > then->offset_ns ? (uint64_t)now->offset_ns - (uint64_t)then->offset_ns
                                                            : (uint64_t)then->offset_ns - (uint64_t)now->offset_ns;
    return now->bound_ns > 0 &&
           (then->bound_ns == 0 || apart > (uint64_t)then->bound_ns || now->bound_ns <= then->bound_ns / 4);
}

static void put_offset(struct evtrail_file *file, struct evtrail_file_source *known)
{
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    if (!out)
        return;
    known->written = known->offset;
    evtrail_file_frame_done(file, evtrail_frame_put_offset(out, &known->offset), true);
}

static void put_source(struct evtrail_file *file, struct evtrail_file_source *known)
{
    uint8_t *out = evtrail_file_frame(file, EVTRAIL_HEADER_BYTES_MAX);
    if (!out)
        return;
    evtrail_file_frame_done(file, evtrail_frame_put_source(out, &known->frame), true);
    known->described = true;
    if (known->offset.bound_ns > 0)
        put_offset(file, known);
    file->numbers_used[known->frame.number / 64] |= UINT64_C(1) << known->frame.number % 64;
    put_clock(file, known, known->first);
    if (known->last.ticks > known->first.ticks) /* who reads a stream needs two: the rate of the batches that follow */
        put_clock(file, known, known->last);
}

/* Entries are gathered in one frame as long as they fit. */
struct schema_frame {
    struct evtrail_file *file;
    uint8_t *out; /* NULL: none is begun */
    size_t bytes;
    uint32_t source;
};
enum { SCHEMA_ROOM = 256 << 10 };

static void finish_schema(struct schema_frame *frame)
{
    if (frame->out && frame->bytes)
        evtrail_file_frame_done(frame->file, evtrail_frame_put_schema(frame->out, frame->source, frame->bytes), true);
    frame->out = NULL;
    frame->bytes = 0;
}

/* Room for an entry of unknown size: what is left of the frame, or a frame of the largest size. */
static size_t schema_room(struct schema_frame *frame, size_t wanted)
{
    const size_t most = wanted > SCHEMA_ROOM ? EVTRAIL_FRAME_BYTES_MAX - EVTRAIL_SCHEMA_HEAD : SCHEMA_ROOM;
    if (frame->out && frame->bytes + wanted > most)
        finish_schema(frame);
    if (!frame->out)
        frame->out = evtrail_file_frame(frame->file, EVTRAIL_FRAME_BYTES_MAX);
    return frame->out ? most - frame->bytes : 0;
}

static void put_type(struct schema_frame *frame, const struct evtrail_event_type *type)
{
    const size_t bytes = evtrail_schema_put_type(type, NULL, 0), room = schema_room(frame, bytes);
    if (room < bytes)
        return; /* larger than a frame may be: its events are shown without names */
    evtrail_schema_put_type(type, frame->out + EVTRAIL_SCHEMA_HEAD + frame->bytes, room);
    frame->bytes += bytes;
}

static void put_module(struct schema_frame *frame, const struct evtrail_module *module)
{
    const size_t bytes = evtrail_schema_put_module(module, NULL, 0), room = schema_room(frame, bytes);
    if (room < bytes)
        return;
    evtrail_schema_put_module(module, frame->out + EVTRAIL_SCHEMA_HEAD + frame->bytes, room);
    frame->bytes += bytes;
}

/* An entry that a file must be able to hold: copied, because batches are written later than chunks come, and again in
 * each file of a set. */
static void keep_entry(struct evtrail_file *file, struct evtrail_file_source *known, size_t bytes)
{
    size_t used;
    if (bytes <= EVTRAIL_FRAME_BYTES_MAX - EVTRAIL_SCHEMA_HEAD)
        evtrail_schema_append(&known->schema, file->compressed, bytes, &used);
}

void evtrail_file_learn_type(struct evtrail_file *file, uint32_t number, const struct evtrail_source *source,
                             uint32_t id)
{
    struct evtrail_file_source *known = file->sources[number];
    const uint64_t bit = UINT64_C(1) << id % 64;
    if (known->types_known[id / 64] & bit || id >= source->types_count || !source->types[id])
        return;
    known->types_known[id / 64] |= bit;
    keep_entry(file, known, evtrail_schema_put_type(source->types[id], file->compressed, file->compressed_room));
}

void evtrail_file_learn_modules(struct evtrail_file *file, uint32_t number, const struct evtrail_source *source)
{
    struct evtrail_file_source *known = file->sources[number];
    for (; known->modules_known < source->modules_count; known->modules_known++)
        keep_entry(
            file, known,
            evtrail_schema_put_module(&source->modules[known->modules_known], file->compressed, file->compressed_room));
}

static void put_types(struct schema_frame *frame, struct evtrail_file_source *known, const uint16_t *ids,
                      uint32_t ids_count)
{
    const struct evtrail_schema *schema = &known->schema;
    for (uint32_t i = 0; i < ids_count; i++) {
        const uint32_t id = ids[i];
        const uint64_t bit = UINT64_C(1) << id % 64;
        if (known->types_written[id / 64] & bit || id >= schema->types_count || !schema->types[id])
            continue;
        put_type(frame, schema->types[id]);
        known->types_written[id / 64] |= bit;
    }
}

int evtrail_file_describe(struct evtrail_file *file, uint32_t number, const uint16_t *ids, uint32_t ids_count)
{
    struct evtrail_file_source *known = file->sources[number];
    struct schema_frame frame = {.file = file, .source = number};
    struct evtrail_output_loss loss;
    if (!known->described)
        put_source(file, known);
    if (offset_is_news(known))
        put_offset(file, known);
    if (known->last.realtime_ns > known->written_realtime_ns + UINT64_C(1000000000))
        put_clock(file, known, known->last);
    put_types(&frame, known, ids, ids_count);
    for (; known->modules_written < known->schema.modules_count; known->modules_written++)
        put_module(&frame, &known->schema.modules[known->modules_written]);
    finish_schema(&frame);
    return evtrail_output_error(file->output, &loss);
}

static void free_source(struct evtrail_file *file, uint32_t number)
{
    if (file->sources[number])
        evtrail_schema_fini(&file->sources[number]->schema);
    free(file->sources[number]);
    file->sources[number] = NULL;
}

void evtrail_file_free_sources(struct evtrail_file *file)
{
    for (uint32_t i = 0; i < file->sources_count; i++)
        free_source(file, i);
    free(file->sources);
}

void evtrail_file_put_clocks(struct evtrail_file *file)
{
    for (uint32_t i = 0; i < file->sources_count; i++) {
        struct evtrail_file_source *known = file->sources[i];
        if (!known || !known->described)
            continue;
        if (offset_is_news(known))
            put_offset(file, known);
        if (known->gone || known->last.realtime_ns > known->written_realtime_ns)
            put_clock(file, known, known->last);
    }
}

void evtrail_file_end_source(struct evtrail_file *file, uint32_t number)
{
    struct evtrail_file_source *known = file->sources[number];
    known->gone = true;
    if (known->described && file->output && !file->stats.error) {
        if (offset_is_news(known)) /* known since its last batch */
            put_offset(file, known);
        put_clock(file, known, known->last);
    }
    free_source(file, number);
}
