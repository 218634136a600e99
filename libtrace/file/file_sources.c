/* SPDX-License-Identifier: ISC
 *
 * The sources that a file (or set of files) speaks of. The same session in several files is one source.
 */
#include "file/file_reader.h"

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

static uint32_t find(const struct evtrail_file_cursor *cursor, const struct evtrail_source_frame *frame)
{
    for (uint32_t i = 0; frame->session_id && i < cursor->sources_count; i++)
        if (cursor->sources[i]->session_id == frame->session_id && cursor->sources[i]->pid == frame->pid)
            return i;
    return UINT32_MAX;
}

static uint32_t add(struct evtrail_file_cursor *cursor, const struct evtrail_source_frame *frame)
{
    if (cursor->sources_count == EVTRAIL_SOURCES_MAX)
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
    if (!known->clock_known || frame->ticks < clock->first.ticks) {
        clock->first.ticks = frame->ticks;
        clock->first.monotonic_ns = frame->monotonic_ns;
        clock->first.realtime_ns = frame->realtime_ns;
    }
    if (!known->clock_known || frame->ticks > clock->last.ticks) {
        clock->last.ticks = frame->ticks;
        clock->last.monotonic_ns = frame->monotonic_ns;
        clock->last.realtime_ns = frame->realtime_ns;
    }
    known->clock_known = true;
}

int evtrail_cursor_add_schema(struct evtrail_file_cursor *cursor, struct evtrail_part *part, uint32_t number,
                              const uint8_t *entries, size_t bytes)
{
    const uint32_t mapped = evtrail_cursor_source_of(cursor, part, number);
    if (mapped == UINT32_MAX)
        return -ENOMEM;
    struct evtrail_cursor_source *known = inner(cursor->sources[mapped]);
    size_t used = 0;
    const int r = evtrail_schema_append(&known->schema, entries, bytes, &used);
    evtrail_schema_show(&known->schema, &known->source);
    return r < 0 ? r : used < bytes ? -EBADMSG : 0;
}
