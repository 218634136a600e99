/* SPDX-License-Identifier: ISC
 *
 * An event's fields out of its payload words.
 */
#include <evtrail/reader.h>

#include <errno.h>
#include <string.h>

#include "layout.h"
#include "reader/value.h"

static bool is_memory(unsigned type)
{
    return type == EVTRAIL_TYPE_string || type == EVTRAIL_TYPE_bytes;
}

/* Words of the string or byte array whose length word this is. */
static uint32_t memory_words(uint64_t length)
{
    uint32_t bytes = (uint32_t)length;
    return bytes == EVTRAIL_NULL ? 1 : 1 + bytes / 8 + (bytes % 8 != 0);
}

/* Brings the word to the type's range: a program that lies about its types gives odd numbers, and nothing worse. */
static void set_scalar(struct evtrail_value *value, uint64_t word)
{
    uint32_t low = (uint32_t)word;
    float f32;
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        value->u = word != 0;
        break;
    case EVTRAIL_TYPE_i8:
        value->i = (int8_t)word;
        break;
    case EVTRAIL_TYPE_i16:
        value->i = (int16_t)word;
        break;
    case EVTRAIL_TYPE_i32:
        value->i = (int32_t)word;
        break;
    case EVTRAIL_TYPE_u8:
    case EVTRAIL_TYPE_x8:
        value->u = (uint8_t)word;
        break;
    case EVTRAIL_TYPE_u16:
    case EVTRAIL_TYPE_x16:
        value->u = (uint16_t)word;
        break;
    case EVTRAIL_TYPE_u32:
    case EVTRAIL_TYPE_x32:
        value->u = low;
        break;
    case EVTRAIL_TYPE_f32:
        memcpy(&f32, &low, sizeof(f32));
        value->f = (double)f32;
        break;
    case EVTRAIL_TYPE_f64:
        memcpy(&value->f, &word, sizeof(value->f));
        break;
    default:
        value->u = word;
        break;
    }
}

static void set_memory(struct evtrail_value *value, const uint64_t *at, uint32_t left)
{
    uint32_t bytes = (uint32_t)at[0];
    value->data = "";
    if (bytes == EVTRAIL_NULL) {
        value->null = true;
        return;
    }
    uint64_t room = (uint64_t)(left - 1) * 8;
    value->cut = bytes > room;
    value->bytes = value->cut ? (uint32_t)room : bytes;
    value->data = (const char *)(at + 1);
}

void evtrail_value_take(const struct evtrail_event *event, unsigned type, uint32_t *at, struct evtrail_value *ret_value)
{
    uint64_t left = event->words - *at;
    *ret_value = (struct evtrail_value){.type = (uint8_t)type, .data = ""};
    if (!left) {
        ret_value->cut = true;
        return;
    }
    uint32_t words = 1;
    if (is_memory(type)) {
        words = memory_words(event->payload[*at]);
        set_memory(ret_value, event->payload + *at, (uint32_t)left);
    } else {
        set_scalar(ret_value, event->payload[*at]);
    }
    *at += words < left ? words : (uint32_t)left;
}

int evtrail_event_value(const struct evtrail_event *event, unsigned index, struct evtrail_value *ret_value)
{
    const struct evtrail_event_type *type = event->type;
    if (!type || index >= type->fields_count)
        return -ENOENT;
    uint32_t at = 0;
    for (unsigned i = 0; i < index && at < event->words; i++) {
        uint32_t words = is_memory(type->fields[i].type) ? memory_words(event->payload[at]) : 1;
        at += words < event->words - at ? words : event->words - at;
    }
    evtrail_value_take(event, type->fields[index].type, &at, ret_value);
    return 0;
}

int evtrail_event_type_field(const struct evtrail_event_type *type, const char *name)
{
    for (unsigned i = 0; i < type->fields_count; i++)
        if (!strcmp(type->fields[i].name, name))
            return (int)i;
    return -ENOENT;
}
