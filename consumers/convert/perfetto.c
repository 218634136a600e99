/* SPDX-License-Identifier: ISC
 *
 * Perfetto's trace format: protobuf, track events. A packet for each begin and end of a span, each point and value, with names interned.
 */
#include "protobuf.h"
#include "timeline.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Numbers of fields in Perfetto's public schema (protos/perfetto/trace/). */
enum {
    TRACE_packet = 1,
    PACKET_clock_snapshot = 6,
    PACKET_timestamp = 8,
    PACKET_trusted_packet_sequence_id = 10,
    PACKET_track_event = 11,
    PACKET_interned_data = 12,
    PACKET_sequence_flags = 13,
    PACKET_trace_packet_defaults = 59,
    PACKET_track_descriptor = 60,
    DEFAULTS_timestamp_clock_id = 58,
    SNAPSHOT_clocks = 1,
    SNAPSHOT_primary_trace_clock = 2,
    CLOCK_clock_id = 1,
    CLOCK_timestamp = 2,
    TRACK_uuid = 1,
    TRACK_name = 2,
    TRACK_process = 3,
    TRACK_thread = 4,
    TRACK_parent_uuid = 5,
    TRACK_counter = 8,
    PROCESS_pid = 1,
    PROCESS_process_name = 6,
    PROCESS_start_timestamp_ns = 7,
    THREAD_pid = 1,
    THREAD_tid = 2,
    THREAD_thread_name = 5,
    COUNTER_unit = 3,
    COUNTER_unit_name = 6,
    EVENT_category_iids = 3,
    EVENT_debug_annotations = 4,
    EVENT_type = 9,
    EVENT_name_iid = 10,
    EVENT_track_uuid = 11,
    EVENT_categories = 22,
    EVENT_name = 23,
    EVENT_counter_value = 30,
    EVENT_double_counter_value = 44,
    EVENT_flow_ids = 47,
    INTERNED_event_categories = 1,
    INTERNED_event_names = 2,
    INTERNED_debug_annotation_names = 3,
    NAME_iid = 1,
    NAME_name = 2,
    NOTE_name_iid = 1,
    NOTE_bool_value = 2,
    NOTE_uint_value = 3,
    NOTE_int_value = 4,
    NOTE_double_value = 5,
    NOTE_string_value = 6,
    NOTE_pointer_value = 7,
    NOTE_name = 10,
    NOTE_dict_entries = 11,
    NOTE_array_values = 12,
};
enum { CLOCK_realtime = 1, CLOCK_monotonic = 3 };
enum { TYPE_slice_begin = 1, TYPE_slice_end = 2, TYPE_instant = 3, TYPE_counter = 4 };
enum { SEQUENCE = 1, STATE_cleared = 1, STATE_needed = 2 };
enum { UNIT_time_ns = 1, UNIT_size_bytes = 3 };

/* What the output knows of an event type. */
struct note {
    uint32_t iid;     /* of its name and provider; those of its fields come behind; 0: none yet */
    uint32_t part;    /* in which they were told */
    uint64_t counter; /* the track of its values; 0: none yet */
    uint32_t counter_part;
};
struct notes {
    struct note *by_id;
    uint32_t count;
    uint64_t lost; /* the track of what was lost */
    uint32_t lost_part;
};
struct perfetto {
    struct timeline *timeline;
    struct notes *processes;
    uint32_t processes_count;
    uint32_t iid;   /* the last one given */
    uint64_t track; /* as well */
    struct scratch packet;
    int error;
};

/* ---- packets ------------------------------------------------------------------------------------------------------------- */

static size_t packet_begin(struct perfetto *perfetto, int64_t time)
{
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = pb_begin(packet, TRACE_packet);
    pb_uint(packet, PACKET_timestamp, time < 0 ? 0 : (uint64_t)time);
    pb_uint(packet, PACKET_trusted_packet_sequence_id, SEQUENCE);
    pb_uint(packet, PACKET_sequence_flags, STATE_needed);
    return begin;
}

static int packet_end(struct convert *convert, size_t begin)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    pb_end(packet, begin);
    const int r = packet->failed ? -ENOMEM : convert_write(convert, packet->bytes, packet->used);
    packet->used = 0;
    return r;
}

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

/* ---- interned names ------------------------------------------------------------------------------------------------------ */

static struct notes *notes_of(struct perfetto *perfetto, uint32_t process)
{
    if (process >= perfetto->processes_count) {
        const uint32_t count = process + 16;
        struct notes *const more = realloc(perfetto->processes, count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + perfetto->processes_count, 0, (count - perfetto->processes_count) * sizeof *more);
        perfetto->processes = more;
        perfetto->processes_count = count;
    }
    return &perfetto->processes[process];
}

static struct note *note_of(struct perfetto *perfetto, uint32_t process, uint32_t id)
{
    struct notes *const notes = notes_of(perfetto, process);
    if (notes && id >= notes->count) {
        const uint32_t count = id + 64;
        struct note *const more = realloc(notes->by_id, count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + notes->count, 0, (count - notes->count) * sizeof *more);
        notes->by_id = more;
        notes->count = count;
    }
    return notes ? &notes->by_id[id] : NULL;
}

static void name_put(struct scratch *packet, unsigned field, uint32_t iid, const char *prefix, const char *name,
                     size_t bytes)
{
    const size_t begin = pb_begin(packet, field);
    pb_uint(packet, NAME_iid, iid);
    const size_t text = pb_begin(packet, NAME_name);
    scratch_text(packet, prefix);
    scratch_utf8(packet, name, bytes, false);
    pb_end(packet, text);
    pb_end(packet, begin);
}

/* Tells the names of a type and its fields, once a part. Those of a span's end are told from those of its begin. */
static struct note *note_told(struct convert *convert, uint32_t process, const struct evtrail_event_type *type)
{
    struct perfetto *const perfetto = convert->state;
    struct note *const note = note_of(perfetto, process, type->id);
    if (!note)
        perfetto->error = -ENOMEM;
    if (!note || note->part == convert->part)
        return note;
    if (note->iid == 0) {
        note->iid = perfetto->iid + 1;
        perfetto->iid += 1 + type->fields_count;
    }
    note->part = convert->part;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, convert->time);
    const size_t interned = pb_begin(packet, PACKET_interned_data);
    name_put(packet, INTERNED_event_names, note->iid, "", type->name, strlen(type->name));
    name_put(packet, INTERNED_event_categories, note->iid, "", type->name, timeline_provider(type->name));
    for (unsigned i = 0; i < type->fields_count; i++)
        name_put(packet, INTERNED_debug_annotation_names, note->iid + 1 + i,
                 type->kind == EVTRAIL_KIND_end ? "end." : "", type->fields[i].name, strlen(type->fields[i].name));
    pb_end(packet, interned);
    const int r = packet_end(convert, begin);
    if (r < 0)
        perfetto->error = r;
    return note;
}

/* ---- annotations ---------------------------------------------------------------------------------------------------------- */

static void value_put(struct convert *convert, struct scratch *to, const struct evtrail_value *value,
                      const struct evtrail_field *field)
{
    size_t bytes;
    const char *name;
    if (value->null)
        return; /* a name without a value */
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        pb_uint(to, NOTE_bool_value, value->u != 0);
        break;
    case EVTRAIL_TYPE_string:
        convert->replaced += pb_text(to, NOTE_string_value, value->data, value->bytes);
        break;
    case EVTRAIL_TYPE_bytes:
        bytes = pb_begin(to, NOTE_string_value);
        scratch_hex_bytes(to, value->data, value->bytes);
        pb_end(to, bytes);
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        pb_double(to, NOTE_double_value, value->f);
        break;
    case EVTRAIL_TYPE_pointer:
        pb_uint(to, NOTE_pointer_value, value->u);
        break;
    case EVTRAIL_TYPE_enum:
        name = evtrail_enum_name(field->enums, value->i, &bytes);
        if (name)
            pb_text(to, NOTE_string_value, name, bytes);
        else
            pb_uint(to, NOTE_int_value, (uint64_t)value->i);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        pb_uint(to, NOTE_int_value, (uint64_t)value->i);
        break;
    default:
        pb_uint(to, NOTE_uint_value, value->u);
    }
}

static size_t named_begin(struct scratch *to, unsigned field, const char *name)
{
    const size_t begin = pb_begin(to, field);
    if (name)
        pb_string(to, NOTE_name, name);
    return begin;
}

static void address_put(struct scratch *to, const struct evtrail_event *event, uint64_t address)
{
    char name[512];
    size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    if (bytes > 0 && bytes <= sizeof name)
        pb_text(to, NOTE_string_value, name, bytes);
    else
        pb_uint(to, NOTE_pointer_value, address);
}

static void context_put(struct scratch *to, const struct evtrail_event *event)
{
    size_t begin;
    if (event->meta & META_cpu) {
        begin = named_begin(to, EVENT_debug_annotations, "evtrail.cpu");
        pb_uint(to, NOTE_uint_value, event->cpu);
        pb_end(to, begin);
    }
    if (event->meta & META_caller) {
        begin = named_begin(to, EVENT_debug_annotations, "evtrail.caller");
        address_put(to, event, event->caller);
        pb_end(to, begin);
    }
    if (event->meta & META_stack) {
        begin = named_begin(to, EVENT_debug_annotations, "evtrail.stack");
        for (uint32_t i = 0; i < event->stack_count; i++) {
            const size_t entry = named_begin(to, NOTE_array_values, NULL);
            address_put(to, event, event->stack[i]);
            pb_end(to, entry);
        }
        pb_end(to, begin);
    }
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        begin = named_begin(to, EVENT_debug_annotations, "evtrail.labels");
        const size_t entry = named_begin(to, NOTE_dict_entries, event->labels[i].key);
        pb_string(to, NOTE_string_value, event->labels[i].value);
        pb_end(to, entry);
        pb_end(to, begin);
    }
    for (unsigned flag = META_cut; flag <= META_signal; flag <<= 4) {
        if (!(event->meta & flag))
            continue;
        begin = named_begin(to, EVENT_debug_annotations, flag == META_cut ? "evtrail.cut" : "evtrail.signal");
        pb_uint(to, NOTE_bool_value, 1);
        pb_end(to, begin);
    }
}

static void words_put(struct scratch *to, const struct evtrail_event *event)
{
    const size_t begin = named_begin(to, EVENT_debug_annotations, "words");
    for (uint32_t i = 0; i < event->words; i++) {
        const size_t entry = named_begin(to, NOTE_array_values, NULL);
        pb_uint(to, NOTE_uint_value, event->payload[i]);
        pb_end(to, entry);
    }
    pb_end(to, begin);
}

static void args(struct convert *convert, struct scratch *to, const struct evtrail_event *event, unsigned first)
{
    const struct note *const note = event->type ? note_told(convert, event->source->number, event->type) : NULL;
    if (!event->type)
        words_put(to, event);
    for (unsigned i = first; note && i < event->type->fields_count; i++) {
        struct evtrail_value value;
        if (evtrail_event_value(event, i, &value) < 0 || (value.cut && value.bytes == 0))
            continue;
        const size_t begin = pb_begin(to, EVENT_debug_annotations);
        pb_uint(to, NOTE_name_iid, note->iid + 1 + i);
        value_put(convert, to, &value, &event->type->fields[i]);
        pb_end(to, begin);
    }
    context_put(to, event);
}

/* ---- tracks --------------------------------------------------------------------------------------------------------------- */

static int put_process(struct convert *convert, const struct timeline_process *process)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, process_track(process));
    const size_t descriptor = pb_begin(packet, TRACK_process);
    pb_uint(packet, PROCESS_pid, process->pid);
    pb_string(packet, PROCESS_process_name, process->source->command);
    if (process->source->start_realtime_ns)
        pb_uint(packet, PROCESS_start_timestamp_ns, process->source->start_realtime_ns);
    pb_end(packet, descriptor);
    pb_end(packet, track);
    return packet_end(convert, begin);
}

static int put_thread(struct convert *convert, const struct timeline_process *process,
                      const struct timeline_thread *thread)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, thread_track(thread));
    pb_uint(packet, TRACK_parent_uuid, process_track(process));
    const size_t descriptor = pb_begin(packet, TRACK_thread);
    pb_uint(packet, THREAD_pid, process->pid);
    pb_uint(packet, THREAD_tid, thread->tid);
    pb_string(packet, THREAD_thread_name, thread->name);
    pb_end(packet, descriptor);
    pb_end(packet, track);
    return packet_end(convert, begin);
}

static int put_track(struct convert *convert, const struct timeline_process *process, uint64_t uuid, const char *name)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, convert->time);
    const size_t track = pb_begin(packet, PACKET_track_descriptor);
    pb_uint(packet, TRACK_uuid, uuid);
    pb_string(packet, TRACK_name, name);
    pb_uint(packet, TRACK_parent_uuid, process_track(process));
    pb_end(packet, track);
    return packet_end(convert, begin);
}

static int put_counter_track(struct convert *convert, const struct timeline_process *process, uint64_t uuid,
                             const char *name, const char *unit)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, convert->time);
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
    return packet_end(convert, begin);
}

/* ---- events --------------------------------------------------------------------------------------------------------------- */

static void name_of(struct convert *convert, uint32_t process, const struct evtrail_event_type *type)
{
    struct perfetto *const perfetto = convert->state;
    const struct note *const note = note_told(convert, process, type);
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
    note_told(convert, span->process, span->type); /* before the packet that needs it */
    const size_t begin = packet_begin(perfetto, time);
    const size_t event = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_slice_begin);
    pb_uint(packet, EVENT_track_uuid, track);
    name_of(convert, span->process, span->type);
    scratch_bytes(packet, span->args, span->args_bytes);
    scratch_bytes(packet, end_args->bytes, end_args->used);
    if (goes_on) {
        const size_t note = named_begin(packet, EVENT_debug_annotations, "evtrail.goes_on");
        pb_uint(packet, NOTE_bool_value, 1);
        pb_end(packet, note);
    }
    pb_end(packet, event);
    return packet_end(convert, begin);
}

static int slice_end(struct convert *convert, uint64_t track, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, time);
    const size_t event = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_slice_end);
    pb_uint(packet, EVENT_track_uuid, track);
    pb_end(packet, event);
    return packet_end(convert, begin);
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
    args(convert, &convert->line, event, 0); /* tells names first */
    const size_t begin = packet_begin(perfetto, event->time);
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
    const int r = packet_end(convert, begin);
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
    switch (value->type) {
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        pb_double(packet, EVENT_double_counter_value, value->f);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
    case EVTRAIL_TYPE_enum:
        pb_uint(packet, EVENT_counter_value, (uint64_t)value->i);
        break;
    default:
        if (value->u > INT64_MAX)
            pb_double(packet, EVENT_double_counter_value, (double)value->u);
        else
            pb_uint(packet, EVENT_counter_value, value->u);
    }
}

static int put_counter(struct convert *convert, const struct timeline_process *process,
                       const struct evtrail_event *event, const struct evtrail_value *value)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    int r = 0;
    convert->line.used = 0;
    args(convert, &convert->line, event, 1);
    struct note *const note = note_of(perfetto, process->number, event->type->id);
    if (!note || perfetto->error)
        return note ? perfetto->error : -ENOMEM;
    if (note->counter == 0)
        note->counter = other_track(perfetto);
    if (note->counter_part != convert->part)
        r = put_counter_track(convert, process, note->counter, event->type->name, event->type->fields[0].unit);
    note->counter_part = convert->part;
    const size_t begin = packet_begin(perfetto, event->time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_counter);
    pb_uint(packet, EVENT_track_uuid, note->counter);
    counter_value(packet, value);
    scratch_bytes(packet, convert->line.bytes, convert->line.used);
    convert->line.used = 0;
    pb_end(packet, of);
    const int written = packet_end(convert, begin);
    return r < 0 ? r : written;
}

static void text_note(struct scratch *packet, const char *name, const char *text)
{
    const size_t begin = named_begin(packet, EVENT_debug_annotations, name);
    pb_string(packet, NOTE_string_value, text);
    pb_end(packet, begin);
}

static void number_note(struct scratch *packet, const char *name, uint64_t number)
{
    const size_t begin = named_begin(packet, EVENT_debug_annotations, name);
    pb_uint(packet, NOTE_uint_value, number);
    pb_end(packet, begin);
}

static int put_lost_total(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    struct notes *const notes = notes_of(perfetto, process->number);
    if (!notes)
        return -ENOMEM;
    if (notes->lost == 0)
        notes->lost = other_track(perfetto);
    if (notes->lost_part != convert->part)
        put_counter_track(convert, process, notes->lost, "events lost so far", "");
    notes->lost_part = convert->part;
    const size_t begin = packet_begin(perfetto, time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_counter);
    pb_uint(packet, EVENT_track_uuid, notes->lost);
    pb_uint(packet, EVENT_counter_value, lost_sum(process->lost));
    pb_end(packet, of);
    return packet_end(convert, begin);
}

static int put_lost(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, event->time);
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
    const int r = packet_end(convert, begin);
    return r < 0 ? r : put_lost_total(convert, process, event->time);
}

static int put_ended(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = packet_begin(perfetto, time);
    const size_t of = pb_begin(packet, PACKET_track_event);
    pb_uint(packet, EVENT_type, TYPE_instant);
    pb_uint(packet, EVENT_track_uuid, process_track(process));
    pb_string(packet, EVENT_categories, "evtrail");
    pb_string(packet, EVENT_name, "process ended");
    pb_end(packet, of);
    return packet_end(convert, begin);
}

static const struct timeline_ops ops = {.process = put_process,
                                        .thread = put_thread,
                                        .args = args,
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
        name_put(packet, INTERNED_event_categories, level, "", evtrail_level_name(level),
                 strlen(evtrail_level_name(level)));
    pb_end(packet, interned);
    return packet_end(convert, begin);
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
