/* SPDX-License-Identifier: ISC
 *
 * Event types and fields of CTF as those of our own.
 *
 * The payload's fields come first, those of the contexts behind them. Numbers, enums, strings and bytes are what they are; structs, variants and
 * arrays of anything else become text. Lengths of sequences are not fields, nor is who the thread and process are.
 */
#include "import.h"

#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_ID 16u
#define ID_MAX 16383u

/* ---- fields -------------------------------------------------------------------------------------------------------------------- */

static bool is_identity(const char *name)
{
    name = tsdl_name(name);
    return strcmp(name, "vtid") == 0 || strcmp(name, "vpid") == 0 || strcmp(name, "procname") == 0;
}

static bool is_length(const struct tsdl_type *of, const struct tsdl_field *field)
{
    for (const struct tsdl_field *other = of->fields; other; other = other->next)
        if (other->type->kind == TSDL_sequence && strcmp(other->type->ref, field->name) == 0)
            return true;
    return false;
}

static unsigned integer_type(const struct tsdl_type *type)
{
    static const uint8_t types[3][4] = {
        {EVTRAIL_TYPE_u8, EVTRAIL_TYPE_u16, EVTRAIL_TYPE_u32, EVTRAIL_TYPE_u64},
        {EVTRAIL_TYPE_i8, EVTRAIL_TYPE_i16, EVTRAIL_TYPE_i32, EVTRAIL_TYPE_i64},
        {EVTRAIL_TYPE_x8, EVTRAIL_TYPE_x16, EVTRAIL_TYPE_x32, EVTRAIL_TYPE_x64},
    };
    const unsigned size = type->size <= 8 ? 0 : type->size <= 16 ? 1 : type->size <= 32 ? 2 : 3;
    return types[type->is_signed ? 1 : type->base == 16 ? 2 : 0][size];
}

static unsigned field_type(const struct tsdl_type *type)
{
    const bool many = type->kind == TSDL_array || type->kind == TSDL_sequence;
    switch (type->kind) {
    case TSDL_integer:
        return integer_type(type);
    case TSDL_enum:
        return EVTRAIL_TYPE_enum;
    case TSDL_float:
        return type->size == 32 ? EVTRAIL_TYPE_f32 : EVTRAIL_TYPE_f64;
    default:
        return many && type->of->kind == TSDL_integer && type->of->size == 8 && type->of->align >= 8 && !type->of->text
                   ? EVTRAIL_TYPE_bytes
                   : EVTRAIL_TYPE_string;
    }
}

/* "0=idle,1=open"; what is between commas and equals signs cannot have any. */
static char *enums_text(struct import *import, const struct tsdl_type *type)
{
    struct scratch *const text = &import->text;
    text->used = 0;
    for (const struct tsdl_enumerator *one = type->kind == TSDL_enum ? type->enumerators : NULL; one; one = one->next) {
        if (one->first != one->last)
            continue;
        if (text->used)
            scratch_char(text, ',');
        scratch_signed(text, one->first);
        scratch_char(text, '=');
        for (const char *c = one->name; *c; c++)
            scratch_char(text, *c == ',' || (unsigned char)*c < ' ' ? ' ' : *c);
    }
    scratch_char(text, '\0');
    return text->failed ? NULL : strdup(text->bytes);
}

static int fields_of(struct import *import, const struct tsdl_type *of, bool context, struct evtrail_field *fields,
                     struct import_plan *plan)
{
    for (const struct tsdl_field *field = of ? of->fields : NULL; field; field = field->next) {
        if (is_length(of, field) || (context && is_identity(field->name)))
            continue;
        if (plan->count == EVTRAIL_FIELDS_MAX) {
            import->fields_left++;
            continue;
        }
        char *const name = strdup(tsdl_name(field->name));
        char *const enums = enums_text(import, field->type);
        if (!name || !enums) {
            free(name);
            free(enums);
            return -ENOMEM;
        }
        fields[plan->count] = (struct evtrail_field){.name = name, .unit = "", .doc = "", .enums = enums};
        fields[plan->count].type = (uint8_t)field_type(field->type);
        plan->types[plan->count++] = (uint8_t)field_type(field->type);
    }
    return 0;
}

/* ---- types --------------------------------------------------------------------------------------------------------------------- */

/* LTTng's levels: syslog's 0 to 7, then 7 to 14 for debugging. */
static unsigned level_of(int64_t loglevel)
{
    return loglevel < 0    ? EVTRAIL_LEVEL_info
           : loglevel <= 2 ? EVTRAIL_LEVEL_critical
           : loglevel == 3 ? EVTRAIL_LEVEL_error
           : loglevel == 4 ? EVTRAIL_LEVEL_warning
           : loglevel <= 6 ? EVTRAIL_LEVEL_info
           : loglevel < 14 ? EVTRAIL_LEVEL_debug
                           : EVTRAIL_LEVEL_trace;
}

/* `convert --to ctf` puts the kind behind the name: where the trace is ours, it becomes one again. */
static unsigned kind_taken(const struct import_trace *trace, char *name)
{
    static const struct {
        const char *suffix;
        uint8_t kind;
    } kinds[] = {{":begin", EVTRAIL_KIND_begin},
                 {":end", EVTRAIL_KIND_end},
                 {":state", EVTRAIL_KIND_state},
                 {":name", EVTRAIL_KIND_name},
                 {":gone", EVTRAIL_KIND_gone}};
    const struct tsdl_env *const tracer = tsdl_env(&trace->tsdl, "tracer_name");
    if (!tracer || !tracer->text || strcmp(tracer->text, "evtrail") != 0)
        return EVTRAIL_KIND_instant;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t length = strlen(name), suffix = strlen(kinds[i].suffix);
        if (length <= suffix || strcmp(name + length - suffix, kinds[i].suffix) != 0)
            continue;
        name[length - suffix] = '\0';
        return kinds[i].kind;
    }
    return EVTRAIL_KIND_instant;
}

static int type_of(struct import *import, struct import_trace *trace, const struct tsdl_stream *stream,
                   struct tsdl_event *event, uint32_t id)
{
    struct evtrail_event_type *const type = calloc(1, sizeof *type);
    struct evtrail_field *const fields = calloc(EVTRAIL_FIELDS_MAX, sizeof *fields);
    struct import_plan *const plan = calloc(1, sizeof *plan);
    char *const name = strdup(event->name);
    if (!type || !fields || !plan || !name) {
        free(type);
        free(fields);
        free(plan);
        free(name);
        return -ENOMEM;
    }
    plan->id = id <= ID_MAX ? id : 0;
    event->owner = plan;
    *type =
        (struct evtrail_event_type){.id = id, .name = name, .doc = "", .file = "", .function = "", .fields = fields};
    trace->types[id] = type;
    type->level = (uint8_t)level_of(event->loglevel);
    type->kind = (uint8_t)kind_taken(trace, name);
    int r = fields_of(import, event->fields, false, fields, plan);
    plan->payload = plan->count;
    if (r == 0)
        r = fields_of(import, stream->event_context, true, fields, plan);
    if (r == 0)
        r = fields_of(import, event->context, true, fields, plan);
    type->fields_count = (uint16_t)plan->count; /* so many have texts of their own, whatever went wrong */
    return r;
}

int import_types(struct import *import, struct import_trace *trace)
{
    uint32_t count = FIRST_ID;
    int r = 0;
    for (const struct tsdl_stream *stream = trace->tsdl.streams; stream; stream = stream->next)
        for (const struct tsdl_event *event = stream->events; event; event = event->next)
            count++;
    trace->types = calloc(count, sizeof *trace->types);
    if (!trace->types)
        return -ENOMEM;
    trace->types_made = count;
    trace->types_count = count <= ID_MAX ? count : ID_MAX + 1;
    count = FIRST_ID;
    for (struct tsdl_stream *stream = trace->tsdl.streams; stream && r == 0; stream = stream->next)
        for (struct tsdl_event *event = stream->events; event && r == 0; event = event->next)
            r = type_of(import, trace, stream, event, count++);
    return r;
}

/* ---- events -------------------------------------------------------------------------------------------------------------------- */

static void put_memory(struct scratch *words, const void *bytes, size_t count)
{
    static const char zeros[8];
    const uint64_t length = count;
    scratch_bytes(words, &length, 8);
    scratch_bytes(words, bytes, count);
    scratch_bytes(words, zeros, (8 - count % 8) % 8);
}

static void put_bytes(struct ctf_bits *bits, const struct tsdl_type *type, struct scratch *words)
{
    const uint64_t length = ctf_length(bits, type);
    ctf_align(bits, type->of->align);
    if (bits->failed || type->of->align > 8 || length * 8 > bits->end - bits->at) {
        bits->failed = true;
        return;
    }
    put_memory(words, bits->bytes + (bits->at >> 3), (size_t)length);
    bits->at += length * 8;
}

static void put_field(struct import *import, struct ctf_bits *bits, const struct tsdl_field *field, unsigned as,
                      struct ctf_known *known)
{
    struct scratch *const words = &import->words;
    uint64_t word = 0;
    double real;
    float small;
    switch (as) {
    case EVTRAIL_TYPE_f64:
        real = ctf_float(bits, field->type);
        scratch_bytes(words, &real, 8);
        break;
    case EVTRAIL_TYPE_f32:
        small = (float)ctf_float(bits, field->type);
        memcpy(&word, &small, 4);
        scratch_bytes(words, &word, 8);
        break;
    case EVTRAIL_TYPE_bytes:
        put_bytes(bits, field->type, words);
        break;
    case EVTRAIL_TYPE_string:
        import->text.used = 0;
        ctf_value(bits, field->type, field->name, known, &import->text);
        put_memory(words, import->text.bytes, import->text.used);
        break;
    default:
        word = ctf_integer(bits, field->type, field->name);
        scratch_bytes(words, &word, 8);
    }
}

static void put_struct(struct import *import, struct ctf_bits *bits, const struct tsdl_type *of, bool context,
                       const struct import_plan *plan, unsigned *at, unsigned end, struct ctf_known *known)
{
    if (!of)
        return;
    ctf_align(bits, of->align);
    for (const struct tsdl_field *field = of->fields; field && !bits->failed; field = field->next) {
        const bool none = is_length(of, field) || (context && is_identity(field->name)) || *at == end;
        if (none)
            ctf_value(bits, field->type, field->name, known, NULL);
        else
            put_field(import, bits, field, plan->types[(*at)++], known);
    }
}

bool import_fields(struct import *import, struct ctf_bits *bits, const struct tsdl_stream *stream,
                   const struct tsdl_event *event, struct ctf_known *known)
{
    const struct import_plan *const plan = event->owner;
    unsigned at = plan->payload;
    import->words.used = import->tail.used = 0;
    put_struct(import, bits, stream->event_context, true, plan, &at, plan->count, known);
    put_struct(import, bits, event->context, true, plan, &at, plan->count, known);
    scratch_bytes(&import->tail, import->words.bytes, import->words.used);
    import->words.used = at = 0;
    put_struct(import, bits, event->fields, false, plan, &at, plan->payload, NULL);
    scratch_bytes(&import->words, import->tail.bytes, import->tail.used);
    return !bits->failed && !import->words.failed && !import->text.failed;
}
