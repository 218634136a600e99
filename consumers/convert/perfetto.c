/* SPDX-License-Identifier: ISC
 *
 * Perfetto's trace format: protobuf, track events. A packet for each begin and end of a span, each point and value, with names interned.
 */
#include "perfetto.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- tracks --------------------------------------------------------------------------------------------------------------- */

static uint64_t process_track(const struct timeline_process *process)
{
    return (uint64_t)process->number << 32 | 1;
}

/* The last two bits say what a track is. */
static uint64_t thread_track(const struct timeline_thread *thread)
{
    return (uint64_t)thread->process << 32 | 2 |
           (uint64_t)thread->tid << 2; /* a tid has at most 22 bits, lies are harmless */
}

static uint64_t other_track(struct perfetto *perfetto)
{
    return (++perfetto->track << 2) | 3;
}

static int put_process(struct convert *convert, const struct timeline_process *process)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, process_track(process));
    const size_t descriptor = pb_begin(packet, TRACK_process);
    pb_uint(packet, PROCESS_pid, process->pid);
    pb_string(packet, PROCESS_process_name, process->source->command);
    if (process->source->start_realtime_ns)
        pb_uint(packet, PROCESS_start_timestamp_ns, process->source->start_realtime_ns);
    if (*process->source->host)
        pb_string(packet, PROCESS_process_labels, process->source->host);
    pb_end(packet, descriptor);
    pb_end(packet, track);
    return perfetto_packet_end(convert, begin);
}

static int put_thread(struct convert *convert, const struct timeline_process *process,
                      const struct timeline_thread *thread)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, thread_track(thread));
    pb_uint(packet, TRACK_parent_uuid, process_track(process));
    const size_t descriptor = pb_begin(packet, TRACK_thread);
    pb_uint(packet, THREAD_pid, process->pid);
    pb_uint(packet, THREAD_tid, thread->tid);
    pb_string(packet, THREAD_thread_name, thread->name);
    pb_end(packet, descriptor);
    pb_end(packet, track);
    return perfetto_packet_end(convert, begin);
}

static int put_track(struct convert *convert, const struct timeline_process *process, uint64_t uuid, const char *name)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, uuid);
    pb_string(packet, TRACK_name, name);
    pb_uint(packet, TRACK_parent_uuid, process_track(process));
    pb_end(packet, track);
    return perfetto_packet_end(convert, begin);
}

static int put_counter_track(struct convert *convert, const struct timeline_process *process, uint64_t uuid,
                             const char *name, const char *unit)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, uuid);
    pb_string(packet, TRACK_name, name);
    pb_uint(packet, TRACK_parent_uuid, process_track(process));
    const size_t counter = pb_begin(packet, TRACK_counter);
    if (strcmp(unit, "ns") == 0)
        pb_uint(packet, COUNTER_unit, UNIT_time_ns);
    else if (strcmp(unit, "bytes") == 0)
        pb_uint(packet, COUNTER_unit, UNIT_size_bytes);
    else if (*unit)
        pb_string(packet, COUNTER_unit_name, unit);
    pb_end(packet, counter);
    pb_end(packet, track);
    return perfetto_packet_end(convert, begin);
}

/* ---- events --------------------------------------------------------------------------------------------------------------- */

static void name_of(struct convert *convert, uint32_t process, const struct evtrail_event_type *type)
{
    struct perfetto *const perfetto = convert->state;
    const struct note *const note = perfetto_note_told(convert, process, type);
    if (!note)
        return;
    pb_uint(&perfetto->packet, EVENT_category_iids, note->iid);
    pb_uint(&perfetto->packet, EVENT_category_iids, type->level <= EVTRAIL_LEVELS ? type->level : 0);
    pb_uint(&perfetto->packet, EVENT_name_iid, note->iid);
}

static int slice_begin(struct convert *convert, uint64_t track, const struct timeline_span *span, int64_t time,
                       bool goes_on, const struct scratch *end_args)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    perfetto_note_told(convert, span->process, span->type); /* before the packet that needs it */
    const size_t begin = perfetto_packet_begin(perfetto, time);
    const size_t event = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_slice_begin);
    pb_uint(packet, EVENT_track_uuid, track);
    name_of(convert, span->process, span->type);
    scratch_bytes(packet, span->args, span->args_bytes);
    scratch_bytes(packet, end_args->bytes, end_args->used);
    if (goes_on) {
        const size_t note = perfetto_named_begin(packet, EVENT_debug_annotations, "evtrail.goes_on");
        pb_uint(packet, NOTE_bool_value, 1);
        pb_end(packet, note);
    }
    pb_end(packet, event);
    return perfetto_packet_end(convert, begin);
}

static int slice_end(struct convert *convert, uint64_t track, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, time);
    const size_t event = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_slice_end);
    pb_uint(packet, EVENT_track_uuid, track);
    pb_end(packet, event);
    return perfetto_packet_end(convert, begin);
}

static int put_span(struct convert *convert, const struct timeline_process *process, const struct timeline_span *span,
                    enum timeline_end how, int64_t from, int64_t to, const struct scratch *end_args)
{
    struct perfetto *const perfetto = convert->state;
    uint64_t track = thread_track(span->thread);
    int r = perfetto->error;
    if (r == 0 && how == SPAN_crosses) {
        track = other_track(perfetto);
        r = put_track(convert, process, track, span->type->name);
    }
    if (r == 0)
        r = slice_begin(convert, track, span, from, how == SPAN_goes_on, end_args);
    return r < 0 || how == SPAN_unended ? r : slice_end(convert, track, to);
}

/* A point; with a flow if it is not 0. */
static int instant(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                   uint64_t flow)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    convert->line.used = 0;
    perfetto_args(convert, &convert->line, event, 0); /* tells names first */
    const size_t begin = perfetto_packet_begin(perfetto, event->time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_instant);
    pb_uint(packet, EVENT_track_uuid,
            thread_track(&(struct timeline_thread){.process = process->number, .tid = event->tid}));
    if (event->type) {
        name_of(convert, process->number, event->type);
        if (event->type->kind != EVTRAIL_KIND_instant)
            pb_string(packet, EVENT_categories, evtrail_kind_name(event->type->kind));
    } else {
        char name[32];
        snprintf(name, sizeof name, "event %u", event->id);
        pb_string(packet, EVENT_categories, "evtrail");
        pb_string(packet, EVENT_name, name);
    }
    if (flow)
        pb_fixed64(packet, EVENT_flow_ids, flow);
    scratch_bytes(packet, convert->line.bytes, convert->line.used);
    convert->line.used = 0;
    pb_end(packet, of);
    const int r = perfetto_packet_end(convert, begin);
    return perfetto->error ? perfetto->error : convert->line.failed ? -ENOMEM : r;
}

static int put_point(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    return instant(convert, process, event, 0);
}

static int put_flow(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                    uint64_t flow, bool first)
{
    (void)first;
    return instant(convert, process, event, flow ? flow : 1);
}

static void counter_value(struct scratch *packet, const struct evtrail_value *value)
{
    double real;
    uint64_t integer;
    if (timeline_number(value, &real, &integer))
        pb_double(packet, EVENT_double_counter_value, real);
    else
        pb_uint(packet, EVENT_counter_value, integer);
}

static int put_counter(struct convert *convert, const struct timeline_process *process,
                       const struct evtrail_event *event, const struct evtrail_value *value)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    int r = 0;
    convert->line.used = 0;
    perfetto_args(convert, &convert->line, event, 1);
    struct note *const note = perfetto_note_of(perfetto, process->number, event->type->id);
    if (!note || perfetto->error)
        return note ? perfetto->error : -ENOMEM;
    if (note->counter == 0)
        note->counter = other_track(perfetto);
    if (note->counter_part != convert->part)
        r = put_counter_track(convert, process, note->counter, event->type->name, event->type->fields[0].unit);
    note->counter_part = convert->part;
    const size_t begin = perfetto_packet_begin(perfetto, event->time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_counter);
    pb_uint(packet, EVENT_track_uuid, note->counter);
    counter_value(packet, value);
    scratch_bytes(packet, convert->line.bytes, convert->line.used);
    convert->line.used = 0;
    pb_end(packet, of);
    const int written = perfetto_packet_end(convert, begin);
    return r < 0 ? r : written;
}

static void text_note(struct scratch *packet, const char *name, const char *text)
{
    const size_t begin = perfetto_named_begin(packet, EVENT_debug_annotations, name);
    pb_string(packet, NOTE_string_value, text);
    pb_end(packet, begin);
}

static void number_note(struct scratch *packet, const char *name, uint64_t number)
{
    const size_t begin = perfetto_named_begin(packet, EVENT_debug_annotations, name);
    pb_uint(packet, NOTE_uint_value, number);
    pb_end(packet, begin);
}

static int put_lost_total(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    struct notes *const notes = perfetto_notes_of(perfetto, process->number);
    if (!notes)
        return -ENOMEM;
    if (notes->lost == 0)
        notes->lost = other_track(perfetto);
    if (notes->lost_part != convert->part)
        put_counter_track(convert, process, notes->lost, "events lost so far", "");
    notes->lost_part = convert->part;
    const size_t begin = perfetto_packet_begin(perfetto, time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_counter);
    pb_uint(packet, EVENT_track_uuid, notes->lost);
    pb_uint(packet, EVENT_counter_value, lost_sum(process->lost));
    pb_end(packet, of);
    return perfetto_packet_end(convert, begin);
}

static int put_lost(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, event->time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_instant);
    pb_uint(packet, EVENT_track_uuid,
            thread_track(&(struct timeline_thread){.process = process->number, .tid = event->tid}));
    pb_string(packet, EVENT_categories, "evtrail");
    pb_string(packet, EVENT_name, "events lost");
    number_note(packet, "lost", event->lost);
    text_note(packet, "cause", evtrail_cause_name(event->cause));
    number_note(packet, "since_ns", (uint64_t)event->lost_since);
    pb_end(packet, of);
    const int r = perfetto_packet_end(convert, begin);
    return r < 0 ? r : put_lost_total(convert, process, event->time);
}

static int put_ended(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = perfetto_packet_begin(perfetto, time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_instant);
    pb_uint(packet, EVENT_track_uuid, process_track(process));
    pb_string(packet, EVENT_categories, "evtrail");
    pb_string(packet, EVENT_name, "process ended");
    pb_end(packet, of);
    return perfetto_packet_end(convert, begin);
}

static const struct timeline_ops ops = {.process = put_process,
                                        .thread = put_thread,
                                        .args = perfetto_args,
                                        .span = put_span,
                                        .point = put_point,
                                        .counter = put_counter,
                                        .flow = put_flow,
                                        .lost = put_lost,
                                        .ended = put_ended};

/* ---- the format ------------------------------------------------------------------------------------------------------------ */

static int perfetto_open(struct convert *convert)
{
    struct perfetto *const perfetto = calloc(1, sizeof *perfetto);
    convert->state = perfetto;
    if (perfetto)
        perfetto->iid = EVTRAIL_LEVELS;
    return perfetto ? timeline_new(&perfetto->timeline, &ops) : -ENOMEM;
}

static void clock_put(struct scratch *packet, unsigned id, uint64_t ns)
{
    const size_t begin = pb_begin(packet, SNAPSHOT_clocks);
    pb_uint(packet, CLOCK_clock_id, id);
    pb_uint(packet, CLOCK_timestamp, ns);
    pb_end(packet, begin);
}

/* Times are those of CLOCK_REALTIME; the first packet says so, how CLOCK_MONOTONIC of the first process lies to it, and
 * the names of levels. */
static int start_put(struct convert *convert, const struct evtrail_event *event)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const struct evtrail_clock *const clock = &event->source->clock;
    const size_t begin = pb_begin(packet, TRACE_packet);
    pb_uint(packet, PACKET_trusted_packet_sequence_id, SEQUENCE);
    pb_uint(packet, PACKET_sequence_flags, STATE_cleared);
    const size_t defaults = pb_begin(packet, PACKET_trace_packet_defaults);
    pb_uint(packet, DEFAULTS_timestamp_clock_id, CLOCK_realtime);
    pb_end(packet, defaults);
    const size_t snapshot = pb_begin(packet, PACKET_clock_snapshot);
    clock_put(packet, CLOCK_realtime, clock->first.realtime_ns);
    clock_put(packet, CLOCK_monotonic, clock->first.monotonic_ns);
    pb_uint(packet, SNAPSHOT_primary_trace_clock, CLOCK_realtime);
    pb_end(packet, snapshot);
    const size_t interned = pb_begin(packet, PACKET_interned_data);
    for (unsigned level = 1; level <= EVTRAIL_LEVELS; level++)
        perfetto_name_put(packet, INTERNED_event_categories, level, "", evtrail_level_name(level),
                          strlen(evtrail_level_name(level)));
    pb_end(packet, interned);
    return perfetto_packet_end(convert, begin);
}

static int perfetto_event(struct convert *convert, const struct evtrail_event *event)
{
    struct perfetto *const perfetto = convert->state;
    const int r = convert->part_bytes == 0 ? start_put(convert, event) : 0;
    return r < 0 ? r : timeline_event(perfetto->timeline, convert, event);
}

static int perfetto_end(struct convert *convert)
{
    const struct perfetto *const perfetto = convert->state;
    return timeline_part_end(perfetto->timeline, convert, convert->last);
}

static void perfetto_free(struct convert *convert)
{
    struct perfetto *const perfetto = convert->state;
    if (!perfetto)
        return;
    for (uint32_t i = 0; i < perfetto->processes_count; i++)
        free(perfetto->processes[i].by_id);
    free(perfetto->processes);
    timeline_free(perfetto->timeline);
    scratch_fini(&perfetto->packet);
    free(perfetto);
}

const struct convert_format format_perfetto = {.name = "perfetto",
                                               .suffixes = ".pftrace .perfetto-trace ",
                                               .binary = true,
                                               .parts = true,
                                               .open = perfetto_open,
                                               .event = perfetto_event,
                                               .end = perfetto_end,
                                               .free = perfetto_free};
