/* SPDX-License-Identifier: ISC
 *
 * Reading of values by their types. Every length is held against what is left of the packet.
 */
#include "ctf_bits.h"

#include <stdio.h>

#define DEPTH_MAX 50
#define TEXT_MAX 65536
#define VALUES_MIN 1000 /* beyond two for each bit */

void ctf_align(struct ctf_bits *bits, uint32_t align)
{
    const uint64_t at = align > 1 ? (bits->at + align - 1) & ~(uint64_t)(align - 1) : bits->at;
    if (at > bits->end)
        bits->failed = true;
    else
        bits->at = at;
}

/* `count` bits from the lowest of the first byte on: little endian. */
static uint64_t bits_taken(struct ctf_bits *bits, uint32_t count)
{
    uint64_t value = 0;
    if (bits->failed || count > bits->end - bits->at) {
        bits->failed = true;
        return 0;
    }
    for (uint32_t have = 0; have < count;) {
        const uint32_t shift = (uint32_t)(bits->at & 7);
        const uint32_t more = 8 - shift < count - have ? 8 - shift : count - have;
        const uint64_t part = (uint64_t)(bits->bytes[bits->at >> 3] >> shift) & ((UINT64_C(1) << more) - 1);
        value |= part << have;
        have += more;
        bits->at += more;
    }
    return value;
}

static uint64_t word_taken(struct ctf_bits *bits, const struct tsdl_type *type)
{
    ctf_align(bits, type->align);
    if (type->size >= 8 && (type->size & 7) == 0 && (bits->at & 7) == 0 && !bits->failed &&
        type->size <= bits->end - bits->at) { /* whole bytes: nearly always */
        uint64_t value = 0;
        memcpy(&value, bits->bytes + (bits->at >> 3), type->size / 8);
        bits->at += type->size;
        return type->swap ? __builtin_bswap64(value) >> (64 - type->size) : value;
    }
    if (type->swap)
        bits->failed = true; /* big-endian bit fields */
    return bits_taken(bits, type->size);
}

uint64_t ctf_integer(struct ctf_bits *bits, const struct tsdl_type *type, const char *name)
{
    uint64_t value = word_taken(bits, type);
    if (type->is_signed && type->size < 64 && (value >> (type->size - 1)) & 1)
        value |= ~UINT64_C(0) << type->size;
    if (name) {
        const unsigned slot = bits->scope_next++ % CTF_SCOPE;
        bits->scope[slot].name = name;
        bits->scope[slot].type = type;
        bits->scope[slot].value = value;
    }
    return value;
}

double ctf_float(struct ctf_bits *bits, const struct tsdl_type *type)
{
    const uint64_t word = word_taken(bits, type);
    const uint32_t low = (uint32_t)word;
    float small;
    double value;
    memcpy(&small, &low, 4);
    memcpy(&value, &word, 8);
    return type->size == 32 ? (double)small : value;
}

const char *ctf_string(struct ctf_bits *bits, size_t *ret_count)
{
    ctf_align(bits, 8);
    const char *const at = (const char *)bits->bytes + (bits->at >> 3);
    const size_t left = bits->failed ? 0 : (size_t)((bits->end - bits->at) >> 3);
    const char *const end = left ? memchr(at, '\0', left) : NULL;
    if (!end) {
        bits->failed = true;
        *ret_count = 0;
        return NULL;
    }
    *ret_count = (size_t)(end - at);
    bits->at += (*ret_count + 1) * 8;
    return at;
}

/* The last integer of that name. */
static int scope_find(const struct ctf_bits *bits, const char *name)
{
    for (unsigned back = 1; name && back <= CTF_SCOPE && back <= bits->scope_next; back++) {
        const unsigned slot = (bits->scope_next - back) % CTF_SCOPE;
        if (bits->scope[slot].name && strcmp(bits->scope[slot].name, name) == 0)
            return (int)slot;
    }
    return -1;
}

uint64_t ctf_length(struct ctf_bits *bits, const struct tsdl_type *type)
{
    uint64_t length = type->length;
    if (type->kind == TSDL_sequence) {
        const int slot = scope_find(bits, type->ref);
        length = slot < 0 ? 0 : bits->scope[slot].value;
        bits->failed |= slot < 0;
    }
    if (length > bits->end - bits->at) { /* every element has a bit at least */
        bits->failed = true;
        return 0;
    }
    return length;
}

static const struct tsdl_field *chosen(struct ctf_bits *bits, const struct tsdl_type *variant)
{
    const int slot = scope_find(bits, variant->ref);
    if (slot >= 0) {
        const int64_t value = (int64_t)bits->scope[slot].value;
        for (const struct tsdl_enumerator *one = bits->scope[slot].type->enumerators; one; one = one->next) {
            if (value < one->first || value > one->last)
                continue;
            for (const struct tsdl_field *field = variant->fields; field; field = field->next)
                if (strcmp(tsdl_name(field->name), tsdl_name(one->name)) == 0)
                    return field;
        }
    }
    bits->failed = true;
    return NULL;
}

/* ---- what has a meaning -------------------------------------------------------------------------------------------------------- */

static void know_integer(struct ctf_known *known, const struct tsdl_type *type, const char *name, uint64_t value)
{
    const struct {
        const char *name;
        uint64_t *value;
        bool *has;
        uint32_t *size;
    } all[] = {{"magic", &known->magic, NULL, NULL},
               {"stream_id", &known->stream_id, &known->has_stream_id, NULL},
               {"timestamp_begin", &known->begin, &known->has_begin, NULL},
               {"timestamp_end", &known->end, &known->has_end, NULL},
               {"content_size", &known->content, &known->has_content, NULL},
               {"packet_size", &known->size, &known->has_size, NULL},
               {"events_discarded", &known->discarded, &known->has_discarded, &known->discarded_size},
               {"packet_seq_num", &known->sequence, &known->has_sequence, NULL},
               {"cpu_id", &known->cpu, &known->has_cpu, NULL},
               {"id", &known->id, NULL, NULL},
               {"timestamp", &known->time, &known->has_time, &known->time_size},
               {"vtid", (uint64_t *)&known->tid, &known->has_tid, NULL},
               {"vpid", (uint64_t *)&known->pid, &known->has_pid, NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(name, all[i].name) != 0)
            continue;
        *all[i].value = value;
        if (all[i].has)
            *all[i].has = true;
        if (all[i].size)
            *all[i].size = type->size;
        return;
    }
}

static void know_text(struct ctf_known *known, const char *name, const char *text, size_t count)
{
    if (strcmp(name, "procname") == 0)
        snprintf(known->process, sizeof known->process, "%.*s", (int)(count < 31 ? count : 31), text);
    else if (strcmp(name, "thread") == 0)
        snprintf(known->thread, sizeof known->thread, "%.*s", (int)(count < 16 ? count : 16), text);
}

/* ---- values of any type -------------------------------------------------------------------------------------------------------- */

static void put_number(struct ctf_bits *bits, const struct tsdl_type *type, const char *name, struct ctf_known *known,
                       struct scratch *text)
{
    const uint64_t value = ctf_integer(bits, type, name);
    if (known && name)
        know_integer(known, type, tsdl_name(name), value);
    if (!text)
        return;
    for (const struct tsdl_enumerator *one = type->enumerators; one; one = one->next) {
        if ((int64_t)value < one->first || (int64_t)value > one->last)
            continue;
        scratch_text(text, one->name);
        return;
    }
    if (type->is_signed)
        scratch_signed(text, (int64_t)value);
    else if (type->base == 16) {
        scratch_text(text, "0x");
        scratch_hex(text, value);
    } else
        scratch_unsigned(text, value);
}

static void put_fields(struct ctf_bits *bits, const struct tsdl_type *type, struct ctf_known *known,
                       struct scratch *text)
{
    ctf_align(bits, type->align);
    if (text)
        scratch_char(text, '{');
    for (const struct tsdl_field *field = type->fields; field && !bits->failed; field = field->next) {
        if (text) {
            scratch_text(text, field == type->fields ? "" : ", ");
            scratch_text(text, tsdl_name(field->name));
            scratch_char(text, '=');
        }
        ctf_value(bits, field->type, field->name, known, text);
    }
    if (text)
        scratch_char(text, '}');
}

static void put_characters(struct ctf_bits *bits, const struct tsdl_type *type, uint64_t length, const char *name,
                           struct ctf_known *known, struct scratch *text)
{
    ctf_align(bits, type->of->align > 8 ? type->of->align : 8);
    if (bits->failed || length * 8 > bits->end - bits->at) {
        bits->failed = true;
        return;
    }
    const char *const at = (const char *)bits->bytes + (bits->at >> 3);
    const size_t count = strnlen(at, length);
    bits->at += length * 8;
    if (known && name)
        know_text(known, tsdl_name(name), at, count);
    if (text)
        scratch_bytes(text, at, count);
}

static void put_elements(struct ctf_bits *bits, const struct tsdl_type *type, const char *name, struct ctf_known *known,
                         struct scratch *text)
{
    const uint64_t length = ctf_length(bits, type);
    if (type->of->kind == TSDL_integer && type->of->text && type->of->size == 8) {
        put_characters(bits, type, length, name, known, text);
        return;
    }
    if (text)
        scratch_char(text, '[');
    for (uint64_t i = 0; i < length && !bits->failed; i++) {
        struct scratch *const into = text && text->used < TEXT_MAX ? text : NULL;
        if (into && i)
            scratch_text(into, ", ");
        ctf_value(bits, type->of, NULL, NULL, into);
    }
    if (text)
        scratch_char(text, ']');
}

void ctf_value(struct ctf_bits *bits, const struct tsdl_type *type, const char *name, struct ctf_known *known,
               struct scratch *text)
{
    const char *string;
    size_t count;
    char digits[40];
    if (bits->failed || ++bits->depth > DEPTH_MAX || ++bits->values > 2 * bits->end + VALUES_MIN) {
        bits->failed = true;
        return;
    }
    switch (type->kind) {
    case TSDL_integer:
    case TSDL_enum:
        put_number(bits, type, name, known, text);
        break;
    case TSDL_float:
        snprintf(digits, sizeof digits, "%.17g", ctf_float(bits, type));
        if (text)
            scratch_text(text, digits);
        break;
    case TSDL_string:
        string = ctf_string(bits, &count);
        if (string && known && name)
            know_text(known, tsdl_name(name), string, count);
        if (string && text)
            scratch_bytes(text, string, count);
        break;
    case TSDL_struct:
        put_fields(bits, type, known, text);
        break;
    case TSDL_variant: {
        const struct tsdl_field *const field = chosen(bits, type);
        if (field)
            ctf_value(bits, field->type, field->name, known, text);
        break;
    }
    default:
        put_elements(bits, type, name, known, text);
    }
    bits->depth--;
}
