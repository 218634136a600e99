/* SPDX-License-Identifier: ISC
 *
 * Values, fields, labels and addresses as JSON, as `evtrail cat --json` shows them.
 */
#include "convert.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <math.h>

#define EXACT (UINT64_C(1) << 53) /* whole numbers up to here are exact in a double */

static void whole(struct scratch *scratch, bool negative, uint64_t size, unsigned flags)
{
    const bool quotes = (flags & JSON_WIDE_AS_TEXT) && size > EXACT;
    if (quotes)
        scratch_char(scratch, '"');
    if (negative)
        scratch_char(scratch, '-');
    scratch_unsigned(scratch, size);
    if (quotes)
        scratch_char(scratch, '"');
}

static void whole_signed(struct scratch *scratch, int64_t number, unsigned flags)
{
    whole(scratch, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number, flags);
}

static void real(struct scratch *scratch, const struct evtrail_value *value, const struct evtrail_field *field)
{
    char *const room = scratch_room(scratch, 64);
    if (!isfinite(value->f))
        scratch_text(scratch, "null");
    else if (room)
        scratch->used += evtrail_format_value(value, field, false, room, 64);
}

static void memory(struct scratch *scratch, const struct evtrail_value *value)
{
    if (value->null) {
        scratch_text(scratch, "null");
    } else if (value->type == EVTRAIL_TYPE_string) {
        scratch_json(scratch, value->data, value->bytes);
    } else {
        scratch_char(scratch, '"');
        scratch_hex_bytes(scratch, value->data, value->bytes);
        scratch_char(scratch, '"');
    }
}

void json_value(struct scratch *scratch, const struct evtrail_value *value, const struct evtrail_field *field,
                unsigned flags)
{
    size_t bytes;
    const char *name;
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        scratch_text(scratch, value->u ? "true" : "false");
        break;
    case EVTRAIL_TYPE_string:
    case EVTRAIL_TYPE_bytes:
        memory(scratch, value);
        break;
    case EVTRAIL_TYPE_pointer:
        scratch_text(scratch, "\"0x");
        scratch_hex(scratch, value->u);
        scratch_char(scratch, '"');
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        real(scratch, value, field);
        break;
    case EVTRAIL_TYPE_enum:
        name = evtrail_enum_name(field->enums, value->i, &bytes);
        if (name)
            scratch_json(scratch, name, bytes);
        else
            whole_signed(scratch, value->i, flags);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        whole_signed(scratch, value->i, flags);
        break;
    default:
        whole(scratch, false, value->u, flags);
    }
}

bool json_fields(struct scratch *scratch, const struct evtrail_event *event, unsigned first, bool comma, unsigned flags)
{
    bool any = false;
    for (unsigned i = first; i < event->type->fields_count; i++) {
        const struct evtrail_field *const field = &event->type->fields[i];
        struct evtrail_value value;
        if (evtrail_event_value(event, i, &value) < 0 || (value.cut && value.bytes == 0))
            continue;
        if (comma || any)
            scratch_char(scratch, ',');
        scratch_json_text(scratch, field->name);
        scratch_char(scratch, ':');
        json_value(scratch, &value, field, flags);
        any = true;
    }
    return any;
}

void json_words(struct scratch *scratch, const struct evtrail_event *event, unsigned flags)
{
    scratch_char(scratch, '[');
    for (uint32_t i = 0; i < event->words; i++) {
        if (i)
            scratch_char(scratch, ',');
        whole(scratch, false, event->payload[i], flags);
    }
    scratch_char(scratch, ']');
}

bool json_labels(struct scratch *scratch, const struct evtrail_event *event)
{
    bool any = false;
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        if (any)
            scratch_char(scratch, ',');
        scratch_json_text(scratch, event->labels[i].key);
        scratch_char(scratch, ':');
        scratch_json_text(scratch, event->labels[i].value);
        any = true;
    }
    return any;
}

void json_address(struct scratch *scratch, const struct evtrail_event *event, uint64_t address)
{
    char name[512];
    size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    if (bytes > sizeof name)
        bytes = 0;
    if (bytes > 0) {
        scratch_json(scratch, name, bytes);
        return;
    }
    scratch_text(scratch, "\"0x");
    scratch_hex(scratch, address);
    scratch_char(scratch, '"');
}
