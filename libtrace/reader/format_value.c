/* SPDX-License-Identifier: ISC
 *
 * Single values as text, with units and the names of enum values.
 */
#include "reader/format.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

const char *evtrail_kind_name(unsigned kind)
{
    static const char *const names[EVTRAIL_KINDS] = {"instant", "begin", "end",  "counter",
                                                     "state",   "name",  "gone", "flow"};
    return kind < EVTRAIL_KINDS ? names[kind] : "?";
}

const char *evtrail_field_type_name(unsigned type)
{
    static const char *const names[EVTRAIL_TYPES] = {"?",   "bool", "i8",      "i16",    "i32",   "i64", "u8",
                                                     "u16", "u32",  "u64",     "x8",     "x16",   "x32", "x64",
                                                     "f32", "f64",  "pointer", "string", "bytes", "enum"};
    return type < EVTRAIL_TYPES ? names[type] : "?";
}

/* ---- enums -------------------------------------------------------------------------------------------------------- */

/* The number at the head of "12=name"; *ret_name is behind the '='. False: malformed. */
static bool enum_number(const char *at, const char *end, int64_t *ret_value, const char **ret_name)
{
    while (at < end && *at == ' ')
        at++;
    bool minus = at < end && *at == '-';
    uint64_t number = 0;
    const char *digits = at += minus;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    if (at == digits || at == end || *at != '=')
        return false;
    *ret_value = (int64_t)(minus ? -number : number);
    *ret_name = at + 1;
    return true;
}

struct enum_entry {
    int64_t value;
    const char *name;
    size_t bytes;
};

/* The next well-formed entry; *at goes behind it. */
static bool next_enum(const char **at, const char *limit, struct enum_entry *ret_entry)
{
    while (*at < limit && **at) {
        const char *end = *at;
        while (end < limit && *end && *end != ',')
            end++;
        const char *name;
        bool good = enum_number(*at, end, &ret_entry->value, &name);
        *at = end < limit && *end ? end + 1 : end;
        if (!good)
            continue;
        ret_entry->name = name;
        ret_entry->bytes = (size_t)(end - name);
        return true;
    }
    return false;
}

const char *evtrail_enum_name(const char *enums, int64_t value, size_t *ret_bytes)
{
    struct enum_entry entry;
    const char *limit = enums + EVTRAIL_ENUM_SEARCH_BYTES;
    while (next_enum(&enums, limit, &entry)) {
        if (entry.value == value && entry.bytes) {
            *ret_bytes = entry.bytes;
            return entry.name;
        }
    }
    return NULL;
}

int evtrail_enum_value(const char *enums, const char *name, size_t bytes, int64_t *ret_value)
{
    struct enum_entry entry;
    const char *limit = enums + EVTRAIL_ENUM_SEARCH_BYTES;
    while (next_enum(&enums, limit, &entry)) {
        if (entry.bytes == bytes && !memcmp(entry.name, name, bytes)) {
            *ret_value = entry.value;
            return 0;
        }
    }
    return -ENOENT;
}

/* ---- units -------------------------------------------------------------------------------------------------------- */

static int64_t unit_ns(const char *unit)
{
    static const struct {
        char name[4];
        int64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(unit, units[i].name))
            return units[i].ns;
    return 0;
}

static bool unit_is_bytes(const char *unit)
{
    return !strcmp(unit, "bytes") || !strcmp(unit, "byte") || !strcmp(unit, "B");
}

/* True if the number was written with its unit. */
static bool put_quantity(struct evtrail_text *text, double number, bool negative, uint64_t size, const char *unit)
{
    int64_t ns = unit_ns(unit);
    if (ns) {
        double total = number * (double)ns;
        if (!(fabs(total) < 9e18))
            return false;
        int64_t exact = ns == 1 && size <= INT64_MAX && number == rint(number) ? (int64_t)size : (int64_t)fabs(total);
        evtrail_text_duration(text, negative ? -exact : exact);
        return true;
    }
    if (!unit_is_bytes(unit))
        return false;
    if (negative)
        evtrail_text_char(text, '-');
    evtrail_text_size_of(text, size);
    return true;
}

static bool put_human(struct evtrail_text *text, const struct evtrail_value *value, const char *unit)
{
    switch (value->type) {
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        return put_quantity(text, (double)value->i, value->i < 0,
                            value->i < 0 ? -(uint64_t)value->i : (uint64_t)value->i, unit);
    case EVTRAIL_TYPE_u8:
    case EVTRAIL_TYPE_u16:
    case EVTRAIL_TYPE_u32:
    case EVTRAIL_TYPE_u64:
        return put_quantity(text, (double)value->u, false, value->u, unit);
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        return fabs(value->f) < 1e18 && put_quantity(text, value->f, value->f < 0, (uint64_t)fabs(value->f), unit);
    default:
        return false;
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static void put_memory(struct evtrail_text *text, const struct evtrail_value *value, uint32_t max)
{
    uint32_t bytes = max && value->bytes > max ? max : value->bytes;
    if (value->null) {
        evtrail_text_literal(text, "(null)");
        return;
    }
    if (value->type == EVTRAIL_TYPE_string) {
        evtrail_text_char(text, '"');
        evtrail_text_escaped(text, value->data, bytes);
        evtrail_text_char(text, '"');
    } else {
        evtrail_text_char(text, '<');
        evtrail_text_hex_bytes(text, value->data, bytes);
        evtrail_text_char(text, '>');
    }
    if (value->cut || bytes < value->bytes)
        evtrail_text_literal(text, "...");
}

static void put_enum(struct evtrail_text *text, int64_t value, const char *enums)
{
    size_t bytes;
    const char *name = evtrail_enum_name(enums, value, &bytes);
    if (name)
        evtrail_text_escaped(text, name, bytes);
    else
        evtrail_text_signed(text, value);
}

static void put_scalar(struct evtrail_text *text, const struct evtrail_value *value, const struct evtrail_field *field)
{
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        evtrail_text_string(text, value->u ? "true" : "false");
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        evtrail_text_signed(text, value->i);
        break;
    case EVTRAIL_TYPE_x8:
    case EVTRAIL_TYPE_x16:
    case EVTRAIL_TYPE_x32:
    case EVTRAIL_TYPE_x64:
    case EVTRAIL_TYPE_pointer:
        evtrail_text_literal(text, "0x");
        evtrail_text_hex(text, value->u);
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        evtrail_text_double(text, value->f, value->type == EVTRAIL_TYPE_f32);
        break;
    case EVTRAIL_TYPE_enum:
        put_enum(text, value->i, field->enums);
        break;
    default:
        evtrail_text_unsigned(text, value->u);
        break;
    }
}

void evtrail_format_put_value(struct evtrail_text *text, const struct evtrail_value *value,
                              const struct evtrail_field *field, bool human, uint32_t max)
{
    if (value->type == EVTRAIL_TYPE_string || value->type == EVTRAIL_TYPE_bytes) {
        if (value->cut && !value->bytes)
            evtrail_text_literal(text, "...");
        else
            put_memory(text, value, max);
        return;
    }
    if (value->cut) {
        evtrail_text_literal(text, "...");
        return;
    }
    bool unit = human && field->unit[0] && value->type != EVTRAIL_TYPE_enum && value->type != EVTRAIL_TYPE_bool;
    if (unit && put_human(text, value, field->unit))
        return;
    put_scalar(text, value, field);
    if (unit)
        evtrail_text_escaped(text, field->unit, strlen(field->unit));
}

size_t evtrail_format_value(const struct evtrail_value *value, const struct evtrail_field *field, bool human,
                            char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    evtrail_format_put_value(&text, value, field, human, 0);
    return evtrail_text_size(&text);
}

#define TEXT_FUNCTION(name, call, ...) \
    size_t name(__VA_ARGS__, char *buffer, size_t size) \
    { \
        struct evtrail_text text; \
        evtrail_text_init(&text, buffer, size); \
        call; \
        return evtrail_text_size(&text); \
    }
TEXT_FUNCTION(evtrail_format_duration, evtrail_text_duration(&text, ns), int64_t ns)
TEXT_FUNCTION(evtrail_format_size, evtrail_text_size_of(&text, bytes), uint64_t bytes)
TEXT_FUNCTION(evtrail_format_count, evtrail_text_count(&text, count), uint64_t count)
TEXT_FUNCTION(evtrail_format_escaped, evtrail_text_escaped(&text, string, bytes), const char *string, size_t bytes)
