/* SPDX-License-Identifier: ISC
 *
 * An event as a line of JSON.
 */
#include "reader/format.h"
#include "reader/value.h"

#include <math.h>

static void put_string(struct evtrail_text *text, const char *bytes, size_t count)
{
    evtrail_text_char(text, '"');
    evtrail_text_json(text, bytes, count);
    evtrail_text_char(text, '"');
}

static void put_named_string(struct evtrail_text *text, const char *before, const char *string)
{
    evtrail_text_string(text, before);
    put_string(text, string, strlen(string));
}

static void put_named_number(struct evtrail_text *text, const char *before, int64_t number)
{
    evtrail_text_string(text, before);
    evtrail_text_signed(text, number);
}

static void put_address(struct evtrail_text *text, const struct evtrail_event *event,
                        const struct evtrail_format_options *options, uint64_t address)
{
    char name[512];
    const size_t bytes = options && options->symbols
                             ? evtrail_symbol_name(event->source, address, options->lines, name, sizeof(name))
                             : 0;
    if (bytes > 0 && bytes <= sizeof(name)) {
        put_string(text, name, bytes);
        return;
    }
    evtrail_text_literal(text, "\"0x");
    evtrail_text_hex(text, address);
    evtrail_text_char(text, '"');
}

static void put_value(struct evtrail_text *text, const struct evtrail_value *value, const struct evtrail_field *field)
{
    size_t bytes = 0;
    const char *name = NULL;
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        evtrail_text_string(text, value->u ? "true" : "false");
        return;
    case EVTRAIL_TYPE_string:
        if (value->null)
            evtrail_text_literal(text, "null");
        else
            put_string(text, value->data, value->bytes);
        return;
    case EVTRAIL_TYPE_bytes:
        if (value->null) {
            evtrail_text_literal(text, "null");
            return;
        }
        evtrail_text_char(text, '"');
        evtrail_text_hex_bytes(text, value->data, value->bytes);
        evtrail_text_char(text, '"');
        return;
    case EVTRAIL_TYPE_pointer:
        evtrail_text_literal(text, "\"0x");
        evtrail_text_hex(text, value->u);
        evtrail_text_char(text, '"');
        return;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        if (isfinite(value->f))
            evtrail_text_double(text, value->f, value->type == EVTRAIL_TYPE_f32);
        else
            evtrail_text_literal(text, "null");
        return;
    case EVTRAIL_TYPE_enum:
        name = evtrail_enum_name(field->enums, value->i, &bytes);
        if (name)
            put_string(text, name, bytes);
        else
            evtrail_text_signed(text, value->i);
        return;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        evtrail_text_signed(text, value->i);
        return;
    default:
        evtrail_text_unsigned(text, value->u);
        return;
    }
}

static void put_fields(struct evtrail_text *text, const struct evtrail_event *event)
{
    uint32_t at = 0;
    bool any = false;
    evtrail_text_literal(text, ",\"fields\":{");
    for (unsigned i = 0; i < event->type->fields_count; i++) {
        struct evtrail_value value;
        const struct evtrail_field *field = &event->type->fields[i];
        evtrail_value_take(event, field->type, &at, &value);
        if (value.cut && value.bytes == 0)
            continue;
        put_named_string(text, any ? "," : "", field->name);
        evtrail_text_char(text, ':');
        put_value(text, &value, field);
        any = true;
    }
    evtrail_text_char(text, '}');
}

static void put_words(struct evtrail_text *text, const struct evtrail_event *event)
{
    put_named_number(text, ",\"id\":", event->id);
    evtrail_text_literal(text, ",\"words\":[");
    for (uint32_t i = 0; i < event->words; i++) {
        if (i)
            evtrail_text_char(text, ',');
        evtrail_text_unsigned(text, event->payload[i]);
    }
    evtrail_text_char(text, ']');
}

static void put_context(struct evtrail_text *text, const struct evtrail_event *event,
                        const struct evtrail_format_options *options)
{
    if (event->duration >= 0)
        put_named_number(text, ",\"dur\":", event->duration);
    if (event->meta & EVTRAIL_META_CPU)
        put_named_number(text, ",\"cpu\":", event->cpu);
    if (event->meta & EVTRAIL_META_CALLER) {
        evtrail_text_literal(text, ",\"caller\":");
        put_address(text, event, options, event->caller);
    }
    if (event->meta & EVTRAIL_META_STACK) {
        evtrail_text_literal(text, ",\"stack\":[");
        for (uint32_t i = 0; i < event->stack_count; i++) {
            if (i)
                evtrail_text_char(text, ',');
            put_address(text, event, options, event->stack[i]);
        }
        evtrail_text_char(text, ']');
    }
    if (event->meta & EVTRAIL_META_CUT)
        evtrail_text_literal(text, ",\"cut\":true");
    if (!evtrail_format_has_labels(event))
        return;
    bool any = false;
    evtrail_text_literal(text, ",\"labels\":{");
    for (unsigned i = 0; i < EVTRAIL_LABELS_MAX; i++) {
        if (!event->labels[i].key[0])
            continue;
        put_named_string(text, any ? "," : "", event->labels[i].key);
        put_named_string(text, ":", event->labels[i].value);
        any = true;
    }
    evtrail_text_char(text, '}');
}

static void put_event(struct evtrail_text *text, const struct evtrail_event *event,
                      const struct evtrail_format_options *options)
{
    const struct evtrail_event_type *type = event->type;
    if (type) {
        put_named_string(text, ",\"level\":", evtrail_level_name(type->level));
        put_named_string(text, ",\"kind\":", evtrail_kind_name(type->kind));
        put_named_string(text, ",\"name\":", type->name);
        put_fields(text, event);
    } else {
        put_words(text, event);
    }
    put_context(text, event, options);
}

size_t evtrail_format_json(const struct evtrail_event *event, const struct evtrail_format_options *options,
                           char *buffer, size_t size)
{
    struct evtrail_text text;
    struct evtrail_format_options room;
    options = evtrail_format_options_of(options, &room);
    evtrail_text_init(&text, buffer, size);
    evtrail_text_literal(&text, "{\"time\":\"");
    evtrail_format_put_time(&text, event->time, EVTRAIL_TIME_utc, 0);
    put_named_number(&text, "\",\"ns\":", event->time);
    if (options->host)
        put_named_string(&text, ",\"host\":", event->source->host ? event->source->host : "");
    put_named_number(&text, ",\"pid\":", event->source->pid);
    put_named_string(&text, ",\"process\":", event->source->command);
    if (event->what != EVTRAIL_EVENT_SOURCE) {
        put_named_number(&text, ",\"tid\":", event->tid);
        put_named_string(&text, ",\"thread\":", event->thread_name ? event->thread_name : "");
    }
    if (event->what == EVTRAIL_EVENT_SOURCE) {
        put_named_string(&text, ",\"source\":", event->source->gone ? "ended" : "joined");
        if (event->source->offset_bound_ns > 0) {
            put_named_number(&text, ",\"clock_ahead_ns\":", event->source->offset_ns);
            put_named_number(&text, ",\"clock_bound_ns\":", event->source->offset_bound_ns);
        }
    } else if (event->what == EVTRAIL_EVENT_LOST) {
        evtrail_text_literal(&text, ",\"lost\":");
        evtrail_text_unsigned(&text, event->lost);
        put_named_string(&text, ",\"cause\":", evtrail_cause_name(event->cause));
        put_named_number(&text, ",\"since_ns\":", event->lost_since);
    } else {
        put_event(&text, event, options);
    }
    evtrail_text_literal(&text, "}\n");
    return evtrail_text_size(&text);
}

size_t evtrail_format_json_string(const char *bytes, size_t count, char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    evtrail_text_char(&text, '"');
    evtrail_text_json(&text, bytes, count);
    evtrail_text_char(&text, '"');
    return evtrail_text_size(&text);
}
