/* SPDX-License-Identifier: ISC
 *
 * Perfetto's trace format: packets, interned names, and fields as annotations.
 */
#include "perfetto.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>

/* ---- packets ------------------------------------------------------------------------------------------------------------- */

size_t perfetto_packet_begin(struct perfetto *perfetto, int64_t time)
{
    struct scratch *const packet = &perfetto->packet;
    const size_t begin = pb_begin(packet, TRACE_packet);
    pb_uint(packet, PACKET_timestamp, time < 0 ? 0 : (uint64_t)time);
    pb_uint(packet, PACKET_trusted_packet_sequence_id, SEQUENCE);
    pb_uint(packet, PACKET_sequence_flags, STATE_needed);
    return begin;
}

int perfetto_packet_end(struct convert *convert, size_t begin)
{
    struct perfetto *const perfetto = convert->state;
    struct scratch *const packet = &perfetto->packet;
    pb_end(packet, begin);
    const int r = packet->failed ? -ENOMEM : convert_write(convert, packet->bytes, packet->used);
    packet->used = 0;
    return r;
}

/* ---- interned names ------------------------------------------------------------------------------------------------------ */

struct notes *perfetto_notes_of(struct perfetto *perfetto, uint32_t process)
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

struct note *perfetto_note_of(struct perfetto *perfetto, uint32_t process, uint32_t id)
{
    struct notes *const notes = perfetto_notes_of(perfetto, process);
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

void perfetto_name_put(struct scratch *packet, unsigned field, uint32_t iid, const char *prefix, const char *name,
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

/* Those of a span's end are told from those of its begin. */
struct note *perfetto_note_told(struct convert *convert, uint32_t process, const struct evtrail_event_type *type)
{
    struct perfetto *const perfetto = convert->state;
    struct note *const note = perfetto_note_of(perfetto, process, type->id);
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
    const size_t begin = perfetto_packet_begin(perfetto, convert->time);
    const size_t interned = pb_begin(packet, PACKET_interned_data);
    perfetto_name_put(packet, INTERNED_event_names, note->iid, "", type->name, strlen(type->name));
    perfetto_name_put(packet, INTERNED_event_categories, note->iid, "", type->name, timeline_provider(type->name));
    for (unsigned i = 0; i < type->fields_count; i++)
        perfetto_name_put(packet, INTERNED_debug_annotation_names, note->iid + 1 + i,
                          type->kind == EVTRAIL_KIND_end ? "end." : "", type->fields[i].name,
                          strlen(type->fields[i].name));
    pb_end(packet, interned);
    const int r = perfetto_packet_end(convert, begin);
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

size_t perfetto_named_begin(struct scratch *to, unsigned field, const char *name)
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
        begin = perfetto_named_begin(to, EVENT_debug_annotations, "evtrail.cpu");
        pb_uint(to, NOTE_uint_value, event->cpu);
        pb_end(to, begin);
    }
    if (event->meta & META_caller) {
        begin = perfetto_named_begin(to, EVENT_debug_annotations, "evtrail.caller");
        address_put(to, event, event->caller);
        pb_end(to, begin);
    }
    if (event->meta & META_stack) {
        begin = perfetto_named_begin(to, EVENT_debug_annotations, "evtrail.stack");
        for (uint32_t i = 0; i < event->stack_count; i++) {
            const size_t entry = perfetto_named_begin(to, NOTE_array_values, NULL);
            address_put(to, event, event->stack[i]);
            pb_end(to, entry);
        }
        pb_end(to, begin);
    }
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        begin = perfetto_named_begin(to, EVENT_debug_annotations, "evtrail.labels");
        const size_t entry = perfetto_named_begin(to, NOTE_dict_entries, event->labels[i].key);
        pb_string(to, NOTE_string_value, event->labels[i].value);
        pb_end(to, entry);
        pb_end(to, begin);
    }
    for (unsigned flag = META_cut; flag <= META_signal; flag <<= 4) {
        if (!(event->meta & flag))
            continue;
        begin = perfetto_named_begin(to, EVENT_debug_annotations, flag == META_cut ? "evtrail.cut" : "evtrail.signal");
        pb_uint(to, NOTE_bool_value, 1);
        pb_end(to, begin);
    }
}

static void words_put(struct scratch *to, const struct evtrail_event *event)
{
    const size_t begin = perfetto_named_begin(to, EVENT_debug_annotations, "words");
    for (uint32_t i = 0; i < event->words; i++) {
        const size_t entry = perfetto_named_begin(to, NOTE_array_values, NULL);
        pb_uint(to, NOTE_uint_value, event->payload[i]);
        pb_end(to, entry);
    }
    pb_end(to, begin);
}

void perfetto_args(struct convert *convert, struct scratch *to, const struct evtrail_event *event, unsigned first)
{
    const struct note *const note =
        event->type ? perfetto_note_told(convert, event->source->number, event->type) : NULL;
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
