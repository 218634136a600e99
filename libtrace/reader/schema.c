/* SPDX-License-Identifier: ISC
 *
 * Metadata entries into event types and modules. The whole entry is copied before it is parsed, and parsed by a cursor that cannot
 * leave it: a session's process may change the bytes meanwhile.
 */
#include "reader/schema.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
    TYPES_SMALL = 512,
    TYPES_BYTES = EVTRAIL_EVENT_TYPES_MAX * sizeof(struct evtrail_event_type *),
    TYPES_PAGE_BYTES = 4096,
};

/* ---- a cursor over one entry ------------------------------------------------------------------------------------ */

struct cursor {
    const uint8_t *at, *end;
    bool bad; /* something was wanted behind the end; all that is taken from then on is 0 */
};

static const uint8_t *take(struct cursor *cursor, size_t bytes)
{
    if (cursor->bad || (size_t)(cursor->end - cursor->at) < bytes) {
        cursor->bad = true;
        return NULL;
    }
    const uint8_t *at = cursor->at;
    cursor->at += bytes;
    return at;
}

static uint64_t take_number(struct cursor *cursor, size_t bytes)
{
    uint64_t value = 0;
    const uint8_t *at = take(cursor, bytes);
    if (at)
        memcpy(&value, at,
               bytes); /* native order: layout.h; both kinds of machine that are supported are little-endian */
    return value;
}

static const char *take_text(struct cursor *cursor, struct evtrail_arena *arena)
{
    size_t bytes = take_number(cursor, 2);
    const uint8_t *at = take(cursor, bytes);
    if (!at || !bytes)
        return "";
    char *text = evtrail_arena_text(arena, at, bytes);
    return text ? text : "";
}

/* ---- small things ------------------------------------------------------------------------------------------------ */

static int fault(struct evtrail_schema *schema, const char *what, uint64_t number, int error)
{
    schema->faults++;
    snprintf(schema->fault, sizeof(schema->fault), "metadata at byte %zu: %s (%llu)", schema->size, what,
             (unsigned long long)number);
    return error;
}

/* The array with room for `wanted` items, the new ones zero; NULL: no memory, and the old one stays. */
static void *grow(void *array, uint32_t *capacity, size_t item, uint32_t wanted, uint32_t most)
{
    if (wanted <= *capacity)
        return array;
    uint32_t room = *capacity ? *capacity : 64;
    while (room < wanted)
        room *= 2;
    if (room > most)
        room = most;
    uint8_t *moved = realloc(array, room * item);
    if (!moved)
        return NULL;
    memset(moved + *capacity * item, 0, (room - *capacity) * item);
    *capacity = room;
    return moved;
}

uint64_t evtrail_schema_hash(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return hash;
}

enum evtrail_role evtrail_schema_role(unsigned kind, unsigned index)
{
    static const uint8_t roles[EVTRAIL_KINDS][3] = {
        [EVTRAIL_KIND_begin] = {EVTRAIL_ROLE_span, EVTRAIL_ROLE_parent},
        [EVTRAIL_KIND_end] = {EVTRAIL_ROLE_span},
        [EVTRAIL_KIND_counter] = {EVTRAIL_ROLE_value},
        [EVTRAIL_KIND_state] = {EVTRAIL_ROLE_entity, EVTRAIL_ROLE_parent, EVTRAIL_ROLE_state},
        [EVTRAIL_KIND_name] = {EVTRAIL_ROLE_entity, EVTRAIL_ROLE_name},
        [EVTRAIL_KIND_gone] = {EVTRAIL_ROLE_entity},
        [EVTRAIL_KIND_flow] = {EVTRAIL_ROLE_flow},
    };
    return kind < EVTRAIL_KINDS && index < 3 ? roles[kind][index] : EVTRAIL_ROLE_none;
}

static bool is_scalar(unsigned type)
{
    return type != EVTRAIL_TYPE_string && type != EVTRAIL_TYPE_bytes;
}

/* ---- event types -------------------------------------------------------------------------------------------------- */

static int parse_fields(struct evtrail_schema *schema, struct cursor *cursor, struct evtrail_schema_type *made)
{
    unsigned count = made->type.fields_count;
    struct evtrail_field *fields = evtrail_arena_take(&schema->arena, count * sizeof(*fields));
    if (!fields)
        return -EFBIG;
    made->scalars = count;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *head = take(cursor, 4);
        struct evtrail_field *field = &fields[i];
        field->type = head ? head[0] : 0;
        field->role = (uint8_t)evtrail_schema_role(made->type.kind, i);
        field->name = take_text(cursor, &schema->arena);
        field->unit = take_text(cursor, &schema->arena);
        field->doc = take_text(cursor, &schema->arena);
        field->enums = take_text(cursor, &schema->arena);
        if (cursor->bad)
            return 0;
        if (field->type == 0 || field->type >= EVTRAIL_TYPES)
            return fault(schema, "unknown field type", field->type, 0);
        if (!is_scalar(field->type) && made->scalars == count)
            made->scalars = i;
    }
    made->type.fields = fields;
    return 1;
}

static int parse_type(struct evtrail_schema *schema, struct cursor *cursor, struct evtrail_schema_type *made)
{
    struct evtrail_event_type *type = &made->type;
    *made = (struct evtrail_schema_type){0};
    type->id = (uint32_t)take_number(cursor, 4);
    type->line = (uint32_t)take_number(cursor, 4);
    type->level = (uint8_t)take_number(cursor, 1);
    type->kind = (uint8_t)take_number(cursor, 1);
    type->fields_count = (uint16_t)take_number(cursor, 2);
    type->name = take_text(cursor, &schema->arena);
    type->doc = take_text(cursor, &schema->arena);
    type->file = take_text(cursor, &schema->arena);
    type->function = take_text(cursor, &schema->arena);
    if (cursor->bad)
        return 0;
    if (type->id < EVTRAIL_EVENT_FIRST || type->id >= EVTRAIL_EVENT_TYPES_MAX)
        return fault(schema, "an event type's id is out of range", type->id, 0);
    if (type->level == 0 || type->level > EVTRAIL_LEVELS)
        return fault(schema, "an event type's level is out of range", type->level, 0);
    if (type->kind >= EVTRAIL_KINDS)
        return fault(schema, "an event type's kind is unknown", type->kind, 0);
    if (type->fields_count > EVTRAIL_FIELDS_MAX)
        return fault(schema, "an event type has too many fields", type->fields_count, 0);
    if (!*type->name)
        return fault(schema, "an event type has no name", type->id, 0);
    return parse_fields(schema, cursor, made);
}

/* A table of pointers by id: a hostile source's only type has the highest id, and 65,536 such sources make a small file. */
static int grow_types(struct evtrail_schema *schema, uint32_t wanted)
{
    if (wanted <= TYPES_SMALL || schema->types_capacity == EVTRAIL_EVENT_TYPES_MAX) {
        void *types =
            grow(schema->types, &schema->types_capacity, sizeof(*schema->types), wanted, EVTRAIL_EVENT_TYPES_MAX);
        schema->types = types ? types : schema->types;
        return types ? 0 : -ENOMEM;
    }
    void *mapped = mmap(NULL, TYPES_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return -ENOMEM;
    if (schema->types_capacity)
        memcpy(mapped, schema->types, schema->types_capacity * sizeof(*schema->types));
    free(schema->types);
    schema->types = mapped;
    schema->types_capacity = EVTRAIL_EVENT_TYPES_MAX;
    return 0;
}

size_t evtrail_schema_memory(const struct evtrail_schema *schema)
{
    size_t table = schema->types_capacity * sizeof(*schema->types);
    if (schema->types_capacity == EVTRAIL_EVENT_TYPES_MAX && schema->types_known < TYPES_BYTES / TYPES_PAGE_BYTES)
        table = schema->types_known * (size_t)TYPES_PAGE_BYTES;
    return schema->arena.bytes + table + schema->modules_capacity * sizeof(*schema->modules) + schema->capacity;
}

static int add_type(struct evtrail_schema *schema, const uint8_t *entry, uint32_t bytes)
{
    uint32_t id;
    if (bytes < sizeof(struct evtrail_meta_header) + 20) /* the fixed part and four empty strings */
        return fault(schema, "an event type's entry is too short", bytes, 0);
    memcpy(&id, entry + sizeof(struct evtrail_meta_header), sizeof(id));
    const struct evtrail_event_type *known = id < schema->types_count ? schema->types[id] : NULL;
    if (known) {
        const struct evtrail_schema_type *old = evtrail_schema_type_of(known);
        if (old->entry_bytes == bytes && !memcmp(old->entry, entry, bytes))
            return 0;
        return fault(schema, "an event type's id is used twice", id, 0);
    }
    struct evtrail_schema_type *made = evtrail_arena_take(&schema->arena, sizeof(*made));
    uint8_t *copy = evtrail_arena_take(&schema->arena, bytes);
    if (!made || !copy)
        return fault(schema, "more event types than memory is granted", schema->types_count, -EFBIG);
    memcpy(copy, entry, bytes);
    struct cursor cursor = {copy + sizeof(struct evtrail_meta_header), copy + bytes, false};
    int got = parse_type(schema, &cursor, made);
    if (got < 0)
        return fault(schema, "more event types than memory is granted", schema->types_count, got);
    if (cursor.bad)
        return fault(schema, "an event type's entry ends too early", made->type.id, 0);
    if (!got)
        return 0;
    if (grow_types(schema, id + 1) < 0)
        return -ENOMEM;
    schema->types_known++;
    made->name_hash = evtrail_schema_hash(made->type.name);
    made->entry = copy;
    made->entry_bytes = bytes;
    schema->types[id] = &made->type;
    if (schema->types_count <= id)
        schema->types_count = id + 1;
    return 1;
}

/* ---- modules ------------------------------------------------------------------------------------------------------ */

static bool same_module(const struct evtrail_module *a, const struct evtrail_module *b)
{
    return a->start == b->start && a->end == b->end && a->offset == b->offset && !strcmp(a->build_id, b->build_id) &&
           !strcmp(a->path, b->path);
}

static int add_module(struct evtrail_schema *schema, const uint8_t *entry, uint32_t bytes)
{
    struct cursor cursor = {entry + sizeof(struct evtrail_meta_header), entry + bytes, false};
    struct evtrail_module module = {0};
    module.start = take_number(&cursor, 8);
    module.end = take_number(&cursor, 8);
    module.offset = take_number(&cursor, 8);
    module.build_id = take_text(&cursor, &schema->arena);
    module.path = take_text(&cursor, &schema->arena);
    if (cursor.bad)
        return fault(schema, "a module's entry ends too early", bytes, 0);
    if (module.end < module.start)
        return fault(schema, "a module ends before it starts", module.end, 0);
    for (uint32_t i = 0; i < schema->modules_count; i++)
        if (same_module(&schema->modules[i], &module))
            return 0;
    if (schema->modules_count == EVTRAIL_SCHEMA_MODULES_MAX)
        return fault(schema, "too many modules", schema->modules_count, 0);
    void *modules = grow(schema->modules, &schema->modules_capacity, sizeof(module), schema->modules_count + 1,
                         EVTRAIL_SCHEMA_MODULES_MAX);
    if (!modules)
        return -ENOMEM;
    schema->modules = modules;
    schema->modules[schema->modules_count++] = module;
    return 1;
}

/* ---- the list ----------------------------------------------------------------------------------------------------- */

static int keep_entry(struct evtrail_schema *schema, const uint8_t *entry, uint32_t bytes)
{
    if (schema->capacity - schema->size < bytes) {
        size_t room = schema->capacity ? schema->capacity * 2 : 256;
        while (room - schema->size < bytes)
            room *= 2;
        uint8_t *moved = realloc(schema->bytes, room);
        if (!moved)
            return -ENOMEM;
        schema->bytes = moved;
        schema->capacity = room;
    }
    memcpy(schema->bytes + schema->size, entry, bytes);
    schema->size += bytes;
    return 1;
}

static int add_entry(struct evtrail_schema *schema, const uint8_t *entry, const struct evtrail_meta_header *header)
{
    if (header->bytes > EVTRAIL_SCHEMA_BYTES_MAX - schema->size)
        return fault(schema, "more entries than a session can hold", schema->size, -EFBIG);
    int added = 0; /* a kind of entry that a later version writes is passed over */
    struct evtrail_arena_mark mark = evtrail_arena_mark(&schema->arena);
    if (header->kind == EVTRAIL_META_EVENT_TYPE)
        added = add_type(schema, entry, header->bytes);
    else if (header->kind == EVTRAIL_META_MODULE)
        added = add_module(schema, entry, header->bytes);
    if (added <= 0)
        evtrail_arena_undo(&schema->arena, mark);
    return added > 0 ? keep_entry(schema, entry, header->bytes) : added;
}

int evtrail_schema_append(struct evtrail_schema *schema, const void *bytes, size_t size, size_t *ret_used)
{
    const uint8_t *at = bytes;
    struct evtrail_meta_header header;
    size_t used = 0;
    int added = 0, error = 0;
    while (size - used >= sizeof(header)) {
        memcpy(&header, at + used, sizeof(header));
        if (header.bytes < sizeof(header) || header.bytes % 8 || header.bytes > EVTRAIL_SCHEMA_ENTRY_BYTES_MAX) {
            error = fault(schema, "an entry's length is impossible", header.bytes, -EBADMSG);
            break;
        }
        if (header.bytes > size - used)
            break;
        int got = add_entry(schema, at + used, &header);
        if (got < 0) {
            error = got;
            break;
        }
        added += got;
        used += header.bytes;
    }
    if (ret_used)
        *ret_used = used;
    return error ? error : added;
}

void evtrail_schema_show(const struct evtrail_schema *schema, struct evtrail_source *source)
{
    source->types = schema->types;
    source->types_count = schema->types_count;
    source->modules = schema->modules;
    source->modules_count = schema->modules_count;
}

void evtrail_schema_init(struct evtrail_schema *schema)
{
    *schema = (struct evtrail_schema){0};
    evtrail_arena_init(&schema->arena, EVTRAIL_SCHEMA_MEMORY_MAX);
}

void evtrail_schema_fini(struct evtrail_schema *schema)
{
    evtrail_arena_fini(&schema->arena);
    if (schema->types_capacity == EVTRAIL_EVENT_TYPES_MAX)
        munmap(schema->types, TYPES_BYTES);
    else
        free(schema->types);
    free(schema->modules);
    free(schema->bytes);
    *schema = (struct evtrail_schema){0};
}

const struct evtrail_event_type *evtrail_source_type(const struct evtrail_source *source, uint32_t id)
{
    return id < source->types_count ? source->types[id] : NULL;
}

/* ---- back into bytes ---------------------------------------------------------------------------------------------- */

struct output {
    uint8_t *buffer;
    size_t size; /* of the buffer */
    size_t used; /* may pass `size`: then nothing is written any more */
};

static void put(struct output *output, const void *bytes, size_t count)
{
    if (output->used + count <= output->size)
        memcpy(output->buffer + output->used, bytes, count);
    output->used += count;
}

static void put_number(struct output *output, uint64_t value, size_t bytes)
{
    put(output, &value, bytes);
}

static void put_text(struct output *output, const char *text)
{
    size_t bytes = strnlen(text, UINT16_MAX);
    put_number(output, bytes, 2);
    put(output, text, bytes);
}

static size_t put_end(struct output *output, unsigned kind)
{
    put_number(output, 0, (8 - output->used % 8) % 8);
    struct evtrail_meta_header header = {(uint32_t)output->used, (uint16_t)kind, 0};
    if (output->used <= output->size)
        memcpy(output->buffer, &header, sizeof(header));
    return output->used;
}

size_t evtrail_schema_put_type(const struct evtrail_event_type *type, void *buffer, size_t size)
{
    struct output output = {buffer, size, sizeof(struct evtrail_meta_header)};
    put_number(&output, type->id, 4);
    put_number(&output, type->line, 4);
    put_number(&output, type->level, 1);
    put_number(&output, type->kind, 1);
    put_number(&output, type->fields_count, 2);
    put_text(&output, type->name);
    put_text(&output, type->doc);
    put_text(&output, type->file);
    put_text(&output, type->function);
    for (unsigned i = 0; i < type->fields_count; i++) {
        const struct evtrail_field *field = &type->fields[i];
        put_number(&output, field->type, 4);
        put_text(&output, field->name);
        put_text(&output, field->unit);
        put_text(&output, field->doc);
        put_text(&output, field->enums);
    }
    return put_end(&output, EVTRAIL_META_EVENT_TYPE);
}

size_t evtrail_schema_put_module(const struct evtrail_module *module, void *buffer, size_t size)
{
    struct output output = {buffer, size, sizeof(struct evtrail_meta_header)};
    put_number(&output, module->start, 8);
    put_number(&output, module->end, 8);
    put_number(&output, module->offset, 8);
    put_text(&output, module->build_id);
    put_text(&output, module->path);
    return put_end(&output, EVTRAIL_META_MODULE);
}
