/* SPDX-License-Identifier: ISC
 *
 * OpenTelemetry: fields, context, threads and processes as attributes.
 */
#include "otlp.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <stdio.h>

static size_t attribute_begin(struct scratch *to, unsigned field, const char *prefix, const char *key,
                              size_t *ret_value)
{
    const size_t begin = pb_begin(to, field);
    const size_t name = pb_begin(to, KEYVALUE_key);
    scratch_text(to, prefix);
    scratch_utf8(to, key, strlen(key), false);
    pb_end(to, name);
    *ret_value = pb_begin(to, KEYVALUE_value);
    return begin;
}

static void attribute_end(struct scratch *to, size_t begin, size_t value)
{
    pb_end(to, value);
    pb_end(to, begin);
}

void otlp_text_attribute(struct scratch *to, unsigned field, const char *key, const char *text)
{
    size_t value;
    const size_t begin = attribute_begin(to, field, "", key, &value);
    pb_string(to, ANY_string, text);
    attribute_end(to, begin, value);
}

void otlp_int_attribute(struct scratch *to, unsigned field, const char *key, int64_t number)
{
    size_t value;
    const size_t begin = attribute_begin(to, field, "", key, &value);
    pb_uint(to, ANY_int, (uint64_t)number);
    attribute_end(to, begin, value);
}

static void unsigned_put(struct scratch *to, uint64_t number)
{
    char digits[24];
    if (number <= INT64_MAX) {
        pb_uint(to, ANY_int, number);
        return;
    }
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number); /* there is no unsigned integer of 64 bits */
    pb_string(to, ANY_string, digits);
}

static void address_put(struct scratch *to, const struct evtrail_event *event, uint64_t address)
{
    char name[512];
    size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    if (bytes == 0 || bytes > sizeof name)
        bytes = (size_t)snprintf(name, sizeof name, "0x%llx", (unsigned long long)address);
    pb_text(to, ANY_string, name, bytes);
}

static void value_put(struct convert *convert, struct scratch *to, const struct evtrail_value *value,
                      const struct evtrail_field *field)
{
    size_t bytes;
    const char *name;
    if (value->null)
        return; /* a value of no type: null */
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        pb_uint(to, ANY_bool, value->u != 0);
        break;
    case EVTRAIL_TYPE_string:
        convert->replaced += pb_text(to, ANY_string, value->data, value->bytes);
        break;
    case EVTRAIL_TYPE_bytes:
        pb_bytes(to, ANY_bytes, value->data, value->bytes);
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        pb_double(to, ANY_double, value->f);
        break;
    case EVTRAIL_TYPE_enum:
        name = evtrail_enum_name(field->enums, value->i, &bytes);
        if (name)
            pb_text(to, ANY_string, name, bytes);
        else
            pb_uint(to, ANY_int, (uint64_t)value->i);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        pb_uint(to, ANY_int, (uint64_t)value->i);
        break;
    default:
        unsigned_put(to, value->u);
    }
}

static void context_put(struct scratch *to, unsigned field, const struct evtrail_event *event)
{
    size_t value;
    if (event->meta & META_cpu)
        otlp_int_attribute(to, field, "evtrail.cpu", event->cpu);
    if (event->meta & META_caller) {
        const size_t begin = attribute_begin(to, field, "", "evtrail.caller", &value);
        address_put(to, event, event->caller);
        attribute_end(to, begin, value);
    }
    if (event->meta & META_stack) {
        const size_t begin = attribute_begin(to, field, "", "evtrail.stack", &value);
        const size_t array = pb_begin(to, ANY_array);
        for (uint32_t i = 0; i < event->stack_count; i++) {
            const size_t entry = pb_begin(to, ARRAY_values);
            address_put(to, event, event->stack[i]);
            pb_end(to, entry);
        }
        pb_end(to, array);
        attribute_end(to, begin, value);
    }
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        const size_t begin = attribute_begin(to, field, "label.", event->labels[i].key, &value);
        pb_string(to, ANY_string, event->labels[i].value);
        attribute_end(to, begin, value);
    }
    if (event->meta & META_cut)
        otlp_text_attribute(to, field, "evtrail.cut", "the process had to shorten the event");
    if (event->meta & META_signal)
        otlp_text_attribute(to, field, "evtrail.signal", "emitted by a signal handler");
}

void otlp_fields_put(struct convert *convert, struct scratch *to, unsigned field, const struct evtrail_event *event,
                     unsigned first)
{
    const bool end = event->type && event->type->kind == EVTRAIL_KIND_end;
    for (unsigned i = first; event->type && i < event->type->fields_count; i++) {
        struct evtrail_value value;
        size_t inner;
        if (evtrail_event_value(event, i, &value) < 0 || (value.cut && value.bytes == 0))
            continue;
        const size_t begin = attribute_begin(to, field, end ? "end." : "", event->type->fields[i].name, &inner);
        value_put(convert, to, &value, &event->type->fields[i]);
        attribute_end(to, begin, inner);
    }
    if (!event->type) {
        size_t value;
        otlp_int_attribute(to, field, "evtrail.id", event->id);
        const size_t begin = attribute_begin(to, field, "", "evtrail.words", &value);
        const size_t array = pb_begin(to, ANY_array);
        for (uint32_t i = 0; i < event->words; i++) {
            const size_t entry = pb_begin(to, ARRAY_values);
            unsigned_put(to, event->payload[i]);
            pb_end(to, entry);
        }
        pb_end(to, array);
        attribute_end(to, begin, value);
    }
    context_put(to, field, event);
}

void otlp_thread_put(struct scratch *to, unsigned field, uint32_t tid, const char *name)
{
    otlp_int_attribute(to, field, "thread.id", tid);
    if (name && *name)
        otlp_text_attribute(to, field, "thread.name", name);
}

void otlp_resource_put(struct scratch *to, const struct evtrail_source *source)
{
    char id[32];
    const size_t resource = pb_begin(to, RESOURCES_resource);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)source->session_id);
    otlp_text_attribute(to, RESOURCE_attributes, "service.name", source->command);
    otlp_text_attribute(to, RESOURCE_attributes, "service.instance.id", id);
    otlp_text_attribute(to, RESOURCE_attributes, "host.name", source->host);
    otlp_int_attribute(to, RESOURCE_attributes, "process.pid", source->pid);
    otlp_int_attribute(to, RESOURCE_attributes, "process.parent_pid", source->parent_pid);
    otlp_text_attribute(to, RESOURCE_attributes, "process.executable.path", source->program);
    pb_end(to, resource);
}
