/* SPDX-License-Identifier: ISC
 *
 * Fields and file names are found again by hash; types themselves are the caller's to compare.
 */
#include "kept_type.h"

#include "outbuf.h"

#include <evtrail/format.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_BYTES 32u
#define DOC_BYTES 240u
#define ENUMS_BYTES 1024u
#define PATH_BYTES 120u
#define SLOTS_FIRST 256u
#define VERSIONS_MAX 8u /* of one type, in programs of several ages */

enum item_kind { ITEM_none, ITEM_text, ITEM_field };
struct kept_slot {
    uint32_t hash;
    uint32_t kind;
    const void *item;
};

void kept_types_init(struct kept_types *types, struct keep *keep, unsigned percent)
{
    *types = (struct kept_types){.keep = keep, .percent = percent};
}

void kept_types_fini(struct kept_types *types)
{
    types->keep->part->used_bytes -= types->size * sizeof *types->slots;
    free(types->slots);
    kept_types_init(types, types->keep, types->percent);
}

/* ---- what is kept once ---- */

static uint32_t hash_text(uint32_t hash, const char *text, size_t most)
{
    for (size_t i = 0; i < most && text[i]; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return (hash ^ 0xff) * 16777619u;
}

static bool grow(struct kept_types *types)
{
    const uint32_t size = types->size ? types->size * 2 : SLOTS_FIRST;
    struct part *const part = types->keep->part;
    const size_t bytes = size * sizeof *types->slots;
    if (!part_has_room(part, bytes, types->percent))
        return false;
    struct kept_slot *const slots = calloc(size, sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = 0; i < types->size; i++) {
        uint32_t at = types->slots[i].hash & (size - 1);
        while (types->slots[i].kind != ITEM_none && slots[at].kind != ITEM_none)
            at = (at + 1) & (size - 1);
        if (types->slots[i].kind != ITEM_none)
            slots[at] = types->slots[i];
    }
    free(types->slots);
    part->used_bytes += bytes - types->size * sizeof *slots;
    types->slots = slots;
    types->size = size;
    return true;
}

/* Where the next of this hash is, or is to be: *at, beginning with the hash. */
static struct kept_slot *slot_next(const struct kept_types *types, uint32_t hash, uint32_t *at)
{
    for (;; ++*at) {
        struct kept_slot *const slot = &types->slots[*at & (types->size - 1)];
        if (slot->kind != ITEM_none && slot->hash != hash)
            continue;
        ++*at;
        return slot;
    }
}

static bool slots_ready(struct kept_types *types)
{
    return types->used < types->size / 4 * 3 || grow(types);
}

static void slot_fill(struct kept_types *types, struct kept_slot *slot, uint32_t hash, enum item_kind kind,
                      const void *item)
{
    *slot = (struct kept_slot){.hash = hash, .kind = kind, .item = item};
    types->used++;
}

static const char *text_once(struct kept_types *types, const char *text, size_t most)
{
    const uint32_t hash = hash_text(2166136261u, text, most);
    struct kept_slot *slot;
    if (!*text)
        return "";
    if (!slots_ready(types))
        return NULL;
    for (uint32_t at = hash; (slot = slot_next(types, hash, &at))->kind != ITEM_none;)
        if (slot->kind == ITEM_text && strncmp(slot->item, text, most) == 0)
            return slot->item;
    const char *const copy = keep_text(types->keep, text, most, types->percent);
    if (copy)
        slot_fill(types, slot, hash, ITEM_text, copy);
    return copy;
}

static bool same_field(const struct evtrail_field *kept, const struct evtrail_field *field)
{
    return kept->type == field->type && kept->role == field->role &&
           strncmp(kept->name, field->name, NAME_BYTES) == 0 && strncmp(kept->unit, field->unit, UNIT_BYTES) == 0 &&
           strncmp(kept->doc, field->doc, DOC_BYTES) == 0 && strncmp(kept->enums, field->enums, ENUMS_BYTES) == 0;
}

static const struct evtrail_field *field_new(struct kept_types *types, const struct evtrail_field *field)
{
    struct evtrail_field *const copy = keep_new(types->keep, sizeof *copy, types->percent);
    if (!copy)
        return NULL;
    copy->name = text_once(types, field->name, NAME_BYTES);
    copy->unit = text_once(types, field->unit, UNIT_BYTES);
    copy->doc = text_once(types, field->doc, DOC_BYTES);
    copy->enums = text_once(types, field->enums, ENUMS_BYTES);
    copy->type = field->type;
    copy->role = field->role;
    return copy->name && copy->unit && copy->doc && copy->enums ? copy : NULL;
}

static const struct evtrail_field *field_once(struct kept_types *types, const struct evtrail_field *field)
{
    uint32_t hash = hash_text(2166136261u ^ field->type, field->name, NAME_BYTES);
    hash = hash_text(hash, field->unit, UNIT_BYTES);
    struct kept_slot *slot;
    if (!slots_ready(types))
        return NULL;
    for (uint32_t at = hash; (slot = slot_next(types, hash, &at))->kind != ITEM_none;)
        if (slot->kind == ITEM_field && same_field(slot->item, field))
            return slot->item;
    const struct evtrail_field *const copy = field_new(types, field);
    if (copy && slots_ready(types)) { /* its texts may have moved the place */
        uint32_t at = hash;
        while ((slot = slot_next(types, hash, &at))->kind != ITEM_none)
            ;
        slot_fill(types, slot, hash, ITEM_field, copy);
    }
    return copy;
}

/* ---- types ---- */

const struct kept_type *kept_type_new(struct kept_types *types, const struct evtrail_event_type *type, const char *name)
{
    const unsigned fields = type->fields_count < KEPT_FIELDS_MAX ? type->fields_count : KEPT_FIELDS_MAX;
    struct kept_type *const kept = keep_new(types->keep, sizeof *kept + fields * sizeof *kept->fields, types->percent);
    if (!kept)
        return NULL;
    kept->name = name;
    kept->doc = *type->doc ? keep_text(types->keep, type->doc, DOC_BYTES, types->percent) : "";
    kept->file = text_once(types, type->file, PATH_BYTES);
    kept->function = text_once(types, type->function, PATH_BYTES);
    if (!kept->doc || !kept->file || !kept->function)
        return NULL;
    kept->line = type->line;
    kept->level = type->level;
    kept->kind = type->kind;
    for (unsigned i = 0; i < fields; i++) {
        kept->fields[i] = field_once(types, &type->fields[i]);
        if (!kept->fields[i])
            return NULL;
    }
    kept->fields_count = (uint8_t)fields;
    return kept;
}

bool kept_type_is(const struct kept_type *kept, const struct evtrail_event_type *type)
{
    const unsigned fields = type->fields_count < KEPT_FIELDS_MAX ? type->fields_count : KEPT_FIELDS_MAX;
    if (kept->kind != type->kind || kept->level != type->level || kept->line != type->line ||
        kept->fields_count != fields || strncmp(kept->name, type->name, NAME_BYTES) != 0)
        return false;
    for (unsigned i = 0; i < fields; i++)
        if (!same_field(kept->fields[i], &type->fields[i]))
            return false;
    return true;
}

const struct kept_type *kept_type_of(struct kept_types *types, const struct kept_type **list,
                                     const struct evtrail_event_type *type, const char *name)
{
    struct kept_type *last = NULL;
    unsigned count = 0;
    for (const struct kept_type *at = *list; at; at = at->next, count++) {
        if (kept_type_is(at, type))
            return at;
        last = (struct kept_type *)(uintptr_t)at;
    }
    struct kept_type *const kept =
        count < VERSIONS_MAX ? (struct kept_type *)(uintptr_t)kept_type_new(types, type, name) : NULL;
    if (kept)
        *(last ? &last->next : list) = kept;
    return kept;
}

/* ---- its events ---- */

/* An event of the type as the library wants one. */
struct rebuilt {
    struct evtrail_field fields[KEPT_FIELDS_MAX];
    struct evtrail_event_type type;
    struct evtrail_event event;
};

static void rebuild(const struct kept_type *kept, const uint64_t *words, uint32_t count, struct rebuilt *ret)
{
    for (unsigned i = 0; i < kept->fields_count; i++)
        ret->fields[i] = *kept->fields[i];
    ret->type = (struct evtrail_event_type){.kind = kept->kind,
                                            .level = kept->level,
                                            .fields_count = kept->fields_count,
                                            .name = kept->name,
                                            .doc = kept->doc,
                                            .file = kept->file,
                                            .function = kept->function,
                                            .fields = ret->fields};
    ret->event = (struct evtrail_event){
        .what = EVTRAIL_EVENT, .type = &ret->type, .payload = words, .words = count, .duration = -1};
}

static size_t put(char *buffer, size_t size, size_t at, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at + i + 1 < size)
            buffer[at + i] = text[i];
    return at + bytes;
}

size_t kept_fields_text(const struct kept_type *kept, const uint64_t *words, uint32_t count, unsigned first,
                        char *buffer, size_t size)
{
    struct rebuilt rebuilt;
    struct evtrail_value value;
    size_t at = 0;
    rebuild(kept, words, count, &rebuilt);
    for (unsigned i = first; i < kept->fields_count; i++) {
        char text[512];
        if (evtrail_event_value(&rebuilt.event, i, &value) < 0 || (value.cut && value.bytes == 0))
            break;
        const size_t name =
            evtrail_format_escaped(rebuilt.fields[i].name, strlen(rebuilt.fields[i].name), text, sizeof text);
        at = put(buffer, size, at, " ", at > 0);
        at = put(buffer, size, at, text, name < sizeof text ? name : sizeof text);
        at = put(buffer, size, at, "=", 1);
        const size_t bytes = evtrail_format_value(&value, &rebuilt.fields[i], true, text, sizeof text);
        at = put(buffer, size, at, text, bytes < sizeof text ? bytes : sizeof text);
    }
    if (size > 0)
        buffer[at < size ? at : size - 1] = '\0';
    return at;
}

static void value_json(const struct evtrail_value *value, const struct evtrail_field *field, struct output *out)
{
    char text[1024];
    if (value->null || ((value->type == EVTRAIL_TYPE_f32 || value->type == EVTRAIL_TYPE_f64) && !isfinite(value->f))) {
        output_text(out, "null");
        return;
    }
    switch (value->type) {
    case EVTRAIL_TYPE_string: {
        const size_t bytes =
            evtrail_format_json_string(value->data, value->bytes < 128 ? value->bytes : 128, text, sizeof text);
        output_write(out, text, bytes < sizeof text ? bytes : sizeof text);
        break;
    }
    case EVTRAIL_TYPE_bool:
        output_text(out, value->u ? "true" : "false");
        break;
    case EVTRAIL_TYPE_u8:
    case EVTRAIL_TYPE_u16:
    case EVTRAIL_TYPE_u32:
    case EVTRAIL_TYPE_u64:
    case EVTRAIL_TYPE_x8:
    case EVTRAIL_TYPE_x16:
    case EVTRAIL_TYPE_x32:
    case EVTRAIL_TYPE_x64:
        output_print(out, "%" PRIu64, value->u);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        output_print(out, "%" PRId64, value->i);
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        output_print(out, "%.17g", value->f);
        break;
    default: {
        const size_t bytes = evtrail_format_value(value, field, false, text, sizeof text - 1);
        text[bytes < sizeof text ? bytes : sizeof text - 1] = '\0';
        output_json_text(out, text);
    }
    }
}

void kept_fields_json(const struct kept_type *kept, const uint64_t *words, uint32_t count, unsigned first,
                      struct output *out)
{
    struct rebuilt rebuilt;
    struct evtrail_value value;
    bool any = false;
    rebuild(kept, words, count, &rebuilt);
    output_text(out, "{");
    for (unsigned i = first; i < kept->fields_count; i++) {
        if (evtrail_event_value(&rebuilt.event, i, &value) < 0 || (value.cut && value.bytes == 0))
            break;
        output_text(out, any ? "," : "");
        any = true;
        output_json_text(out, rebuilt.fields[i].name);
        output_text(out, ":");
        value_json(&value, &rebuilt.fields[i], out);
    }
    output_text(out, "}");
}
