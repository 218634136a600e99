/* SPDX-License-Identifier: ISC
 *
 * The sources that a file (or set of files) speaks of. The same session in several files is one source.
 */
#include "file/file_reader.h"

#include "file/file_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct evtrail_cursor_source *inner(struct evtrail_source *source)
{
    return (struct evtrail_cursor_source *)source;
}

void evtrail_cursor_free_sources(struct evtrail_file_cursor *cursor)
{
    for (uint32_t i = 0; i < cursor->sources_count; i++) {
        evtrail_schema_fini(&inner(cursor->sources[i])->schema);
        free(cursor->sources[i]);
    }
    free(cursor->sources);
    free(cursor->source_slots);
}

static void show(struct evtrail_cursor_source *known)
{
    const struct evtrail_source_frame *frame = &known->frame;
    struct evtrail_source *source = &known->source;
    source->session_id = frame->session_id;
    source->pid = frame->pid;
    source->uid = frame->uid;
    source->parent_pid = frame->parent_pid;
    source->start_realtime_ns = frame->start_realtime_ns;
    source->clock.kind = frame->clock_kind;
    source->clock.hz = frame->hz;
    source->command = frame->command;
    source->program = frame->program;
    source->host = frame->host;
    source->boot_id = frame->boot_id;
}

/* Where the session is, or belongs. */
static uint32_t *slot_of(const struct evtrail_file_cursor *cursor, uint64_t session_id, uint32_t pid)
{
    const uint32_t mask = cursor->source_slots_room - 1;
    const uint64_t mixed = (session_id ^ cursor->source_seed) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t slot = (uint32_t)((mixed ^ mixed >> 32 ^ pid) * UINT64_C(0xd6e8feb86659fd93) >> 32) & mask;
    for (uint32_t number; (number = cursor->source_slots[slot]) != 0; slot = (slot + 1) & mask)
        if (cursor->sources[number - 1]->session_id == session_id && cursor->sources[number - 1]->pid == pid)
            break;
    return &cursor->source_slots[slot];
}

static uint32_t find(const struct evtrail_file_cursor *cursor, const struct evtrail_source_frame *frame)
{
    if (!frame->session_id || !cursor->source_slots)
        return UINT32_MAX;
    return *slot_of(cursor, frame->session_id, frame->pid) - 1; /* 0: not there */
}

/* Twice the slots that there are sources. */
static int reserve_slots(struct evtrail_file_cursor *cursor)
{
    const uint32_t room = cursor->source_slots_room ? cursor->source_slots_room * 2 : 64;
    if (cursor->sources_count * 2 < cursor->source_slots_room)
        return 0;
    uint32_t *slots = calloc(room, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    if (!cursor->source_slots) /* so that no file can be made whose sources all fall together */
        cursor->source_seed = evtrail_file_random();
    free(cursor->source_slots);
    cursor->source_slots = slots;
    cursor->source_slots_room = room;
    for (uint32_t i = 0; i < cursor->sources_count; i++)
        if (cursor->sources[i]->session_id)
            *slot_of(cursor, cursor->sources[i]->session_id, cursor->sources[i]->pid) = i + 1;
    return 0;
}

static uint32_t add(struct evtrail_file_cursor *cursor, const struct evtrail_source_frame *frame)
{
    if (cursor->sources_count == EVTRAIL_SOURCES_MAX || reserve_slots(cursor) < 0)
        return UINT32_MAX;
    if (cursor->sources_count == cursor->sources_room) {
        const uint32_t room = cursor->sources_room ? cursor->sources_room * 2 : 8;
        struct evtrail_source **grown = realloc(cursor->sources, room * sizeof(*grown));
        if (!grown)
            return UINT32_MAX;
        cursor->sources = grown;
        cursor->sources_room = room;
    }
    struct evtrail_cursor_source *known = calloc(1, sizeof(*known));
    if (!known)
        return UINT32_MAX;
    known->frame = *frame;
    known->source.number = cursor->sources_count;
    evtrail_schema_init(&known->schema);
    show(known);
    cursor->sources[cursor->sources_count] = &known->source;
    if (frame->session_id)
        *slot_of(cursor, frame->session_id, frame->pid) = cursor->sources_count + 1;
    return cursor->sources_count++;
}

static int map(struct evtrail_part *part, uint32_t number, uint32_t to)
{
    if (number >= part->source_numbers_count) {
        const uint32_t count = (number | 63) + 1;
        uint32_t *grown = realloc(part->source_numbers, count * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        memset(grown + part->source_numbers_count, 0xff, (count - part->source_numbers_count) * sizeof(*grown));
        part->source_numbers = grown;
        part->source_numbers_count = count;
    }
    part->source_numbers[number] = to;
    return 0;
}

int evtrail_cursor_add_source(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                              const struct evtrail_source_frame *frame)
{
    uint32_t number = find(cursor, frame);
    if (number == UINT32_MAX)
        number = add(cursor, frame);
    return number == UINT32_MAX ? -ENOMEM : map(part, frame->number, number);
}

uint32_t evtrail_cursor_source_of(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t number)
{
    if (number < part->source_numbers_count && part->source_numbers[number] != UINT32_MAX)
        return part->source_numbers[number];
    const struct evtrail_source_frame unknown = {.number = number, .clock_kind = 1, .command = "?"};
    if (evtrail_cursor_add_source(cursor, part, &unknown) < 0)
        return UINT32_MAX;
    return part->source_numbers[number];
}

/* The first reading and the newest: as far apart as are known. */
void evtrail_cursor_add_clock(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                              const struct evtrail_clock_frame *frame)
{
    const uint32_t number = evtrail_cursor_source_of(cursor, part, frame->source);
    if (number == UINT32_MAX)
        return;
    struct evtrail_cursor_source *known = inner(cursor->sources[number]);
    struct evtrail_clock *clock = &known->source.clock;
    known->source.gone |= (frame->flags & EVTRAIL_CLOCK_GONE) != 0;
    const uint64_t realtime_ns = frame->realtime_ns - (uint64_t)known->source.offset_ns;
    if (!known->clock_known || frame->ticks < clock->first.ticks) {
        clock->first.ticks = frame->ticks;
        clock->first.monotonic_ns = frame->monotonic_ns;
        clock->first.realtime_ns = realtime_ns;
    }
    if (!known->clock_known || frame->ticks > clock->last.ticks) {
        clock->last.ticks = frame->ticks;
        clock->last.monotonic_ns = frame->monotonic_ns;
        clock->last.realtime_ns = realtime_ns;
    }
    known->clock_known = true;
    if (known->hz_borrowed && clock->last.ticks != clock->first.ticks) {
        clock->hz = known->frame.hz;
        known->hz_borrowed = false;
    }
}

/* From here on all times of the source are those of the collector's clock. Arithmetic is modulo 2^64: lies give nonsense, and nothing else. */
void evtrail_cursor_add_offset(struct evtrail_file_cursor *cursor, struct evtrail_part *part,
                               const struct evtrail_offset_frame *frame)
{
    const uint32_t number = evtrail_cursor_source_of(cursor, part, frame->source);
    if (number == UINT32_MAX)
        return;
    struct evtrail_source *source = &inner(cursor->sources[number])->source;
    const uint64_t change = (uint64_t)frame->offset_ns - (uint64_t)source->offset_ns;
    source->clock.first.realtime_ns -= change;
    source->clock.last.realtime_ns -= change;
    source->offset_ns = frame->offset_ns;
    source->offset_bound_ns = frame->bound_ns;
}

int evtrail_cursor_add_schema(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t number,
                              const uint8_t *entries, size_t bytes)
{
    const uint32_t mapped = evtrail_cursor_source_of(cursor, part, number);
    if (mapped == UINT32_MAX)
        return -ENOMEM;
    struct evtrail_cursor_source *known = inner(cursor->sources[mapped]);
    size_t used = 0;
    if (cursor->schema_bytes > EVTRAIL_CURSOR_SCHEMA_BYTES_MAX)
        return -EFBIG;
    cursor->schema_bytes -= evtrail_schema_memory(&known->schema);
    const int r = evtrail_schema_append(&known->schema, entries, bytes, &used);
    cursor->schema_bytes += evtrail_schema_memory(&known->schema);
    evtrail_schema_show(&known->schema, &known->source);
    return r < 0 ? r : used < bytes ? -EBADMSG : 0;
}
