/* SPDX-License-Identifier: ISC
 *
 * Reads field names, units and bases out of a trace point's argument text: `host, c->port, EVTRAIL_NS(end - start)`.
 * Done once a trace point, when it is registered. The text is the compiler's, so it is well-formed C; what is not
 * understood is called by its part in the event's kind (id, parent, state, ...), else arg1, arg2, ...
 */
#include "fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct evtrail_text text_of(const char *string)
{
    return (struct evtrail_text){string ? string : "", string ? strlen(string) : 0};
}

static bool identifier_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct evtrail_text trim(struct evtrail_text text)
{
    while (text.bytes && (*text.start == ' ' || *text.start == '\t')) {
        text.start++;
        text.bytes--;
    }
    while (text.bytes && (text.start[text.bytes - 1] == ' ' || text.start[text.bytes - 1] == '\t'))
        text.bytes--;
    return text;
}

static size_t skip_quoted(const char *text, size_t bytes)
{
    size_t i = 1;
    while (i < bytes && text[i] != text[0])
        i += text[i] == '\\' ? 2 : 1;
    return i < bytes ? i : bytes - 1;
}

/* Takes the text up to the next comma outside brackets and quotes. */
static bool next_argument(struct evtrail_text *rest, struct evtrail_text *ret_argument)
{
    size_t i = 0;
    int depth = 0;
    if (!rest->start)
        return false;
    for (; i < rest->bytes; i++) {
        char c = rest->start[i];
        if (c == '"' || c == '\'')
            i += skip_quoted(rest->start + i, rest->bytes - i);
        else if (strchr("([{", c))
            depth++;
        else if (strchr(")]}", c))
            depth--;
        else if (c == ',' && depth == 0)
            break;
    }
    if (i > rest->bytes)
        i = rest->bytes;
    *ret_argument = trim((struct evtrail_text){rest->start, i});
    if (i == rest->bytes)
        rest->start = NULL;
    else
        *rest = (struct evtrail_text){rest->start + i + 1, rest->bytes - i - 1};
    return true;
}

/* If `text` is `macro(inside)`, leaves `inside`. */
static bool unwrap(struct evtrail_text *text, const char *macro)
{
    size_t n = strlen(macro);
    if (text->bytes < n + 2 || memcmp(text->start, macro, n) != 0 || text->start[text->bytes - 1] != ')')
        return false;
    struct evtrail_text inside = trim((struct evtrail_text){text->start + n, text->bytes - n});
    if (inside.bytes < 2 || inside.start[0] != '(')
        return false;
    *text = trim((struct evtrail_text){inside.start + 1, inside.bytes - 2});
    return true;
}

static struct evtrail_text unquote(struct evtrail_text text)
{
    if (text.bytes >= 2 && text.start[0] == '"')
        return (struct evtrail_text){text.start + 1, text.bytes - 2};
    return text;
}

/* The last identifier: `c->port` is port, `ntohs(port)` too. */
static struct evtrail_text last_identifier(struct evtrail_text text)
{
    for (size_t end = text.bytes; end > 0; end--) {
        if (!identifier_byte(text.start[end - 1]))
            continue;
        size_t start = end;
        while (start > 0 && identifier_byte(text.start[start - 1]))
            start--;
        bool number = text.start[start] >= '0' && text.start[start] <= '9';
        bool quoted = memchr(text.start, '"', text.bytes) != NULL;
        if (!number && !quoted)
            return (struct evtrail_text){text.start + start, end - start};
        end = start + 1;
    }
    return (struct evtrail_text){"", 0};
}

static uint8_t hexadecimal(uint8_t type)
{
    if (type >= EVTRAIL_TYPE_i8 && type <= EVTRAIL_TYPE_i64)
        return (uint8_t)(EVTRAIL_TYPE_x8 + type - EVTRAIL_TYPE_i8);
    if (type >= EVTRAIL_TYPE_u8 && type <= EVTRAIL_TYPE_u64)
        return (uint8_t)(EVTRAIL_TYPE_x8 + type - EVTRAIL_TYPE_u8);
    return type;
}

static void read_argument(struct evtrail_text text, struct evtrail_field_text *field)
{
    struct evtrail_text first = text_of(NULL), second = text_of(NULL);
    for (int depth = 0; depth < 4; depth++) {
        if (unwrap(&text, "EVTRAIL_NS")) {
            field->unit = text_of("ns");
        } else if (unwrap(&text, "EVTRAIL_BYTES")) {
            field->unit = text_of("bytes");
        } else if (unwrap(&text, "EVTRAIL_HEX")) {
            field->type = hexadecimal(field->type);
        } else if (unwrap(&text, "EVTRAIL_UNIT")) {
            if (next_argument(&text, &first) && next_argument(&text, &second))
                field->unit = unquote(second);
            text = first;
        } else if (unwrap(&text, "EVTRAIL_AS")) {
            if (next_argument(&text, &first) && next_argument(&text, &second))
                field->name = unquote(first);
            text = second;
        } else if (unwrap(&text, "evtrail_bytes")) {
            if (next_argument(&text, &first))
                text = first;
        } else {
            break;
        }
    }
    if (field->name.bytes == 0)
        field->name = last_identifier(text);
}

static bool same(struct evtrail_text a, struct evtrail_text b)
{
    return a.bytes == b.bytes && memcmp(a.start, b.start, a.bytes) == 0;
}

static void make_unique(struct evtrail_field_text *fields, int index)
{
    struct evtrail_field_text *field = &fields[index];
    bool taken = field->name.bytes == 0 || field->name.bytes > 63;
    for (int i = 0; i < index && !taken; i++)
        taken = same(fields[i].name, field->name);
    if (!taken)
        return;
    size_t keep = field->name.bytes < 10 ? field->name.bytes : 10;
    if (keep == 0)
        snprintf(field->made_up, sizeof(field->made_up), "arg%d", index + 1);
    else
        snprintf(field->made_up, sizeof(field->made_up), "%.*s_%d", (int)keep, field->name.start, index + 1);
    field->name = text_of(field->made_up);
}

static struct evtrail_text shorten(struct evtrail_text text, size_t most)
{
    if (text.bytes > most)
        text.bytes = most;
    return text;
}

/* What the kind says of the place, for arguments without a name of their own: EVTRAIL_BEGIN(info, "x", id, 0). */
static const char *part_in_kind(uint8_t kind, int index)
{
    static const char *const parts[EVTRAIL_KINDS][4] = {
        [EVTRAIL_KIND_begin] = {"id", "parent"},
        [EVTRAIL_KIND_end] = {"id"},
        [EVTRAIL_KIND_counter] = {"value"},
        [EVTRAIL_KIND_state] = {"id", "parent", "state"},
        [EVTRAIL_KIND_name] = {"id", "name"},
        [EVTRAIL_KIND_gone] = {"id"},
        [EVTRAIL_KIND_flow] = {"id"},
    };
    return kind < EVTRAIL_KINDS && index < 3 ? parts[kind][index] : NULL;
}

static void read_catalogue(const struct evtrail_field_desc *desc, struct evtrail_field_text *field)
{
    field->type = desc->type;
    field->name = text_of(desc->name);
    field->unit = text_of(desc->unit);
    field->doc = shorten(text_of(desc->doc), 255);
    field->enums = text_of(desc->enums);
    if (desc->type == EVTRAIL_TYPE_enum && field->enums.bytes == 0) { /* catalogues have one place for both */
        field->enums = field->unit;
        field->unit = text_of(NULL);
    }
    field->enums = shorten(field->enums, 1023);
    field->unit = shorten(field->unit, 31);
}

int evtrail_fields_of(const struct evtrail_point *point, struct evtrail_field_text *ret_fields)
{
    int count = point->fields_count;
    if (count > EVTRAIL_FIELDS_MAX || (count && !point->fields && !point->types))
        return -EINVAL;
    struct evtrail_text rest = text_of(point->args), argument;
    if (!point->fields)
        next_argument(&rest, &argument); /* the event's name */
    for (int i = 0; i < count; i++) {
        struct evtrail_field_text *field = &ret_fields[i];
        memset(field, 0, sizeof(*field));
        field->name = field->unit = field->doc = field->enums = text_of(NULL);
        if (point->fields) {
            read_catalogue(&point->fields[i], field);
        } else {
            field->type = point->types[i];
            if (next_argument(&rest, &argument))
                read_argument(argument, field);
            if (field->name.bytes == 0)
                field->name = text_of(part_in_kind(point->kind, i));
            field->unit = shorten(field->unit, 31);
        }
        if (field->type == 0 || field->type >= EVTRAIL_TYPES)
            return -EINVAL;
        make_unique(ret_fields, i);
    }
    return count;
}
