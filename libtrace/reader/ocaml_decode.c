/* SPDX-License-Identifier: ISC
 *
 * The runtime's own items and those of user events that nobody knows more about; gaps.
 */
#include "reader/ocaml_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { OWN_LOST, OWN_ALLOC, OWN_UNKNOWN, OWN_LOST_SOMETIME };
enum { HANDLER_NONE = 1, HANDLER_FIRST = 2, REFERENCE_BITS = 42 };

static const size_t users_bytes = EVTRAIL_OCAML_NAMES_MAX * sizeof(*((struct evtrail_ocaml_decoder *)NULL)->users);
static const char *const span_begin_fields[] = {"span:u64", "parent:u64"};
static const char *const counter_fields[] = {"value:i64"};
static const char *const custom_fields[] = {"data:bytes", "text:string"};

/* ---- types ---- */

int evtrail_ocaml_decoder_init(struct evtrail_ocaml_decoder *decoder, struct evtrail_source *source,
                               const struct evtrail_ocaml_map *map)
{
    *decoder = (struct evtrail_ocaml_decoder){.source = source, .map = map, .next_id = EVTRAIL_EVENT_FIRST};
    /* Mapped: most of them are never used, and processes are many. */
    void *const users =
        mmap(NULL, users_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (users == MAP_FAILED)
        return -ENOMEM;
    decoder->users = users;
    evtrail_schema_init(&decoder->schema);
    return 0;
}

void evtrail_ocaml_decoder_rest(struct evtrail_ocaml_decoder *decoder)
{
    evtrail_eio_free(decoder->eio);
    evtrail_ocaml_forwarded_free(decoder);
    if (decoder->users)
        munmap(decoder->users, users_bytes);
    decoder->users = NULL;
    decoder->eio = NULL;
}

void evtrail_ocaml_decoder_fini(struct evtrail_ocaml_decoder *decoder)
{
    evtrail_schema_fini(&decoder->schema);
    evtrail_ocaml_decoder_rest(decoder);
}

void evtrail_ocaml_decoder_release(struct evtrail_ocaml_decoder *decoder, enum evtrail_ocaml_release release)
{
    decoder->release = release;
    memset(decoder->phases, 0, sizeof(decoder->phases));
    memset(decoder->counters, 0, sizeof(decoder->counters));
}

void evtrail_ocaml_decoder_renew(struct evtrail_ocaml_decoder *decoder)
{
    evtrail_eio_free(decoder->eio);
    decoder->eio = NULL;
    evtrail_ocaml_forwarded_free(decoder);
    memset(decoder->users, 0, decoder->users_end * sizeof(*decoder->users));
    decoder->users_end = 0;
    decoder->renewed = true;
}

uint8_t evtrail_ocaml_field_type(const char *name, size_t length)
{
    static const char *const names[] = {
        [EVTRAIL_TYPE_bool] = "bool",   [EVTRAIL_TYPE_i8] = "i8",     [EVTRAIL_TYPE_i16] = "i16",
        [EVTRAIL_TYPE_i32] = "i32",     [EVTRAIL_TYPE_i64] = "i64",   [EVTRAIL_TYPE_u8] = "u8",
        [EVTRAIL_TYPE_u16] = "u16",     [EVTRAIL_TYPE_u32] = "u32",   [EVTRAIL_TYPE_x8] = "x8",
        [EVTRAIL_TYPE_x16] = "x16",     [EVTRAIL_TYPE_x32] = "x32",   [EVTRAIL_TYPE_x64] = "x64",
        [EVTRAIL_TYPE_f32] = "f32",     [EVTRAIL_TYPE_f64] = "f64",   [EVTRAIL_TYPE_string] = "string",
        [EVTRAIL_TYPE_bytes] = "bytes", [EVTRAIL_TYPE_enum] = "enum", [EVTRAIL_TYPE_pointer] = "pointer"};
    for (uint8_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i] && strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return i;
    return EVTRAIL_TYPE_u64;
}

/* "name:type:unit:enums" taken apart in `text`. */
static void field_parse(struct evtrail_field *field, char *text)
{
    char *parts[4];
    for (int i = 0; i < 4; i++) {
        char *const colon = i < 3 && text ? strchr(text, ':') : NULL;
        parts[i] = text;
        if (colon)
            *colon = '\0';
        text = colon ? colon + 1 : NULL;
    }
    *field = (struct evtrail_field){
        .name = parts[0], .unit = parts[2] ? parts[2] : "", .doc = "", .enums = parts[3] ? parts[3] : ""};
    field->type = evtrail_ocaml_field_type(parts[1] ? parts[1] : "u64", strlen(parts[1] ? parts[1] : "u64"));
}

uint16_t evtrail_ocaml_type_new(struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind, unsigned level,
                                const char *const *fields, unsigned count, const char *doc)
{
    struct evtrail_field made[EVTRAIL_FIELDS_MAX];
    char texts[EVTRAIL_FIELDS_MAX][EVTRAIL_OCAML_NAME_BYTES];
    _Alignas(8) uint8_t entry[8192];
    if (decoder->next_id >= EVTRAIL_EVENT_TYPES_MAX || count > EVTRAIL_FIELDS_MAX)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s", fields[i]);
        field_parse(&made[i], texts[i]);
    }
    const struct evtrail_event_type type = {.id = decoder->next_id,
                                            .level = (uint8_t)level,
                                            .kind = (uint8_t)kind,
                                            .fields_count = (uint16_t)count,
                                            .name = name,
                                            .doc = doc,
                                            .file = "",
                                            .function = "",
                                            .fields = made};
    const size_t bytes = evtrail_schema_put_type(&type, entry, sizeof(entry));
    if (bytes > sizeof(entry) || evtrail_schema_append(&decoder->schema, entry, bytes, NULL) <= 0)
        return 0;
    evtrail_schema_show(&decoder->schema, decoder->source);
    return (uint16_t)decoder->next_id++;
}

/* Names are looked for by patterns and shown in columns: what is no part of names elsewhere becomes '_'. */
static void name_make(char *name, size_t room, const char *prefix, const void *text, size_t bytes)
{
    size_t at = (size_t)snprintf(name, room, "%s", prefix);
    for (size_t i = 0; i < bytes && at + 1 < room; i++) {
        const unsigned char c = ((const unsigned char *)text)[i];
        const bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                          c == '-' || c == '_' || c == ':' || c == '/';
        name[at++] = kept ? (char)c : '_';
    }
    name[at] = '\0';
}

/* The type's place in the table, or where it would be. One whose last field is another is another type. */
static size_t labelled_place(const struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind,
                             const char *const *fields, unsigned count, uint64_t *ret_hash)
{
    const size_t places = sizeof(decoder->labelled) / sizeof(*decoder->labelled);
    uint64_t hash = evtrail_schema_hash(name) * 31 + kind;
    if (count)
        hash = hash * 31 + evtrail_schema_hash(fields[count - 1]);
    *ret_hash = hash | UINT64_C(1) << 63;
    size_t at = *ret_hash % places;
    while (decoder->labelled[at].hash && decoder->labelled[at].hash != *ret_hash)
        at = (at + 1) % places;
    return at;
}

static uint16_t labelled_type(struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind,
                              const char *const *fields, unsigned count, uint32_t most)
{
    uint64_t hash;
    const size_t at = labelled_place(decoder, name, kind, fields, count, &hash);
    if (decoder->labelled[at].hash || decoder->labelled_count >= most)
        return decoder->labelled[at].type;
    decoder->labelled[at].type = evtrail_ocaml_type_new(decoder, name, kind, EVTRAIL_LEVEL_info, fields, count, "");
    decoder->labelled[at].hash = hash;
    decoder->labelled_count++;
    return decoder->labelled[at].type;
}

/* One that all share for whose names there is no type: the name is its last field, but of an end, which is its begin's. */
static uint16_t shared_type(struct evtrail_ocaml_step *step, const char *prefix, const void *text, size_t bytes,
                            unsigned kind, const char *const *fields, unsigned count)
{
    const char *with_name[EVTRAIL_FIELDS_MAX];
    char name[48];
    const bool named = kind != EVTRAIL_KIND_end && count < EVTRAIL_FIELDS_MAX;
    memcpy(with_name, fields, count * sizeof(*fields));
    with_name[count] = "name:string";
    snprintf(name, sizeof(name), "%sother", prefix);
    const uint16_t type = labelled_type(step->decoder, name, kind, with_name, count + named, UINT32_MAX);
    if (named) {
        step->name_type = type;
        step->name = text;
        step->name_bytes = bytes < EVTRAIL_OCAML_NAME_BYTES ? bytes : EVTRAIL_OCAML_NAME_BYTES;
    }
    return type;
}

uint16_t evtrail_ocaml_type_known(struct evtrail_ocaml_decoder *decoder, const char *name, unsigned kind,
                                  const char *const *fields, unsigned count)
{
    return labelled_type(decoder, name, kind, fields, count, UINT32_MAX);
}

uint16_t evtrail_ocaml_type_labelled(struct evtrail_ocaml_step *step, const char *prefix, const void *text,
                                     size_t bytes, unsigned kind, const char *const *fields, unsigned count)
{
    char name[160];
    name_make(name, sizeof(name), prefix, text, bytes);
    const uint16_t type = labelled_type(step->decoder, name, kind, fields, count, EVTRAIL_OCAML_LABELLED_MAX);
    return type ? type : shared_type(step, prefix, text, bytes, kind, fields, count);
}

/* ---- records ---- */

static int room_for(struct evtrail_ocaml_step *step, uint32_t words)
{
    return step->out->capacity - step->out->count >= words + 4u ? 0 : evtrail_words_reserve(step->out, words + 4096u);
}

uint64_t *evtrail_ocaml_put(struct evtrail_ocaml_step *step, uint32_t type, uint32_t words)
{
    const bool named = type == step->name_type && type;
    const uint32_t own = words;
    if (named)
        words += evtrail_ocaml_text_words(step->name_bytes);
    if (room_for(step, words) < 0)
        return NULL;
    uint64_t *at = step->out->at + step->out->count;
    if ((step->ticks - *step->reference) >> REFERENCE_BITS) {
        *at++ = step->ticks << (64 - EVTRAIL_TICK_BITS) | EVTRAIL_RECORD_TIME << 6 | 1;
        *at++ = *step->reference = step->ticks;
    }
    *at++ = step->ticks << (64 - EVTRAIL_TICK_BITS) | (uint64_t)type << 6 | (words < 63 ? words : 63);
    if (words >= 63)
        *at++ = words;
    step->out->count = (size_t)(at - step->out->at) + words;
    step->events++;
    if (named)
        evtrail_ocaml_put_text(at + own, step->name, step->name_bytes);
    step->name_type = 0;
    return at;
}

uint64_t *evtrail_ocaml_put_text(uint64_t *at, const void *data, size_t bytes)
{
    if (!data) {
        *at = EVTRAIL_NULL;
        return at + 1;
    }
    *at++ = bytes;
    if (bytes % 8)
        at[bytes / 8] = 0;
    memcpy(at, data, bytes);
    return at + (bytes + 7) / 8;
}

const uint8_t *evtrail_ocaml_custom(const struct evtrail_ocaml_item *item, size_t *ret_bytes)
{
    const uint8_t *const bytes = (const uint8_t *)item->payload;
    if (item->words == 0)
        return NULL;
    const unsigned padding = bytes[item->words * 8 - 1];
    if (padding > 7)
        return NULL;
    *ret_bytes = item->words * 8 - 1 - padding;
    return bytes;
}

/* ---- spans of a ring ---- */

int evtrail_ocaml_span_begin(struct evtrail_ocaml_step *step, uint32_t begin, uint32_t end)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    uint64_t *const at = begin ? evtrail_ocaml_put(step, begin, 2) : NULL;
    if (!at)
        return begin ? -ENOMEM : 0;
    if (lane->depth == EVTRAIL_OCAML_OPEN_MAX) { /* ends were not seen: the outermost is not believed any more */
        memmove(&lane->open[0], &lane->open[1], sizeof(lane->open) - sizeof(lane->open[0]));
        lane->depth--;
    }
    at[0] = (uint64_t)(lane->index + 1) << 40 | (++lane->serial & 0xffffffffff);
    at[1] = lane->depth ? lane->open[lane->depth - 1].id : 0;
    lane->open[lane->depth++] = (struct evtrail_ocaml_open){.end = end, .user = step->user, .id = at[0]};
    return 0;
}

/* It ends, and with it those inside it of its sort. */
static void close_from(struct evtrail_ocaml_lane *lane, uint32_t first)
{
    const bool user = lane->open[first].user;
    uint32_t kept = first;
    for (uint32_t i = first + 1; i < lane->depth; i++)
        if (lane->open[i].user != user)
            lane->open[kept++] = lane->open[i];
    lane->depth = kept;
}

/* Those inside it that are still open have no end. One that is not open is the end of something that began before us: 0. */
int evtrail_ocaml_span_end(struct evtrail_ocaml_step *step, uint32_t end)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    uint64_t *const at = end ? evtrail_ocaml_put(step, end, 1) : NULL;
    uint32_t depth = lane->depth;
    if (!at)
        return end ? -ENOMEM : 0;
    while (depth && lane->open[depth - 1].end != end)
        depth--;
    at[0] = depth ? lane->open[depth - 1].id : 0;
    if (depth)
        close_from(lane, depth - 1);
    return 0;
}

int evtrail_ocaml_loose_begin(struct evtrail_ocaml_step *step, uint32_t begin, uint32_t end)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    uint64_t *const at = begin ? evtrail_ocaml_put(step, begin, 2) : NULL;
    if (!at)
        return begin ? -ENOMEM : 0;
    if (lane->loose_count == EVTRAIL_OCAML_LOOSE_MAX)
        memmove(&lane->loose[0], &lane->loose[1], --lane->loose_count * sizeof(*lane->loose));
    at[0] = (uint64_t)(lane->index + 1) << 40 | (++lane->serial & 0xffffffffff);
    at[1] = 0;
    lane->loose[lane->loose_count++] = (struct evtrail_ocaml_open){.end = end, .user = step->user, .id = at[0]};
    return 0;
}

int evtrail_ocaml_loose_end(struct evtrail_ocaml_step *step, uint32_t end)
{
    struct evtrail_ocaml_lane *const lane = step->lane;
    uint64_t *const at = end ? evtrail_ocaml_put(step, end, 1) : NULL;
    uint32_t i = 0;
    if (!at)
        return end ? -ENOMEM : 0;
    while (i < lane->loose_count && lane->loose[i].end != end)
        i++;
    at[0] = i < lane->loose_count ? lane->loose[i].id : 0;
    if (i < lane->loose_count)
        memmove(&lane->loose[i], &lane->loose[i + 1], (--lane->loose_count - i) * sizeof(*lane->loose));
    return 0;
}

/* ---- the runtime's items ---- */

static uint16_t own_type(struct evtrail_ocaml_decoder *decoder, unsigned which)
{
    static const char *const lost[] = {"words:u64:words", "events:u64", "span:u64:ns"};
    static const char *const words[] = {"words:bytes"};
    static const char *const unknown[] = {"user:u64", "type:u64", "id:u64", "words:bytes"};
    uint16_t *const type = &decoder->fixed[which];
    if (*type)
        return *type;
    if (which == OWN_LOST || which == OWN_LOST_SOMETIME)
        *type = evtrail_ocaml_type_new(decoder, "ocaml.lost", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_warning, lost,
                                       which == OWN_LOST ? 3 : 2,
                                       "words of the ring that were overwritten before they were read, about how many "
                                       "events that were, and the time in which they lay if that is known");
    else if (which == OWN_ALLOC)
        *type = evtrail_ocaml_type_new(decoder, "ocaml.alloc", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_debug, words, 1,
                                       "allocations by size");
    else
        *type = evtrail_ocaml_type_new(decoder, "ocaml.unknown", EVTRAIL_KIND_instant, EVTRAIL_LEVEL_debug, unknown, 4,
                                       "an event that this version of evtrail has no name for");
    return *type;
}

static int decode_unknown(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const uint16_t type = own_type(step->decoder, OWN_UNKNOWN);
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, 4 + item->words) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    at[0] = item->user;
    at[1] = item->type;
    at[2] = item->id;
    evtrail_ocaml_put_text(at + 3, item->payload, item->words * 8);
    return 0;
}

static uint16_t *remembered(uint16_t *table, unsigned id)
{
    return id < EVTRAIL_OCAML_RUNTIME_IDS ? &table[id] : NULL;
}

static uint16_t runtime_type(struct evtrail_ocaml_decoder *decoder, uint16_t *table, unsigned id, const char *name,
                             const char *what, unsigned kind, const char *const *fields, unsigned count)
{
    uint16_t *const place = remembered(table, id);
    char text[64];
    if (place && *place)
        return *place;
    if (name)
        snprintf(text, sizeof(text), "ocaml.%s", name);
    else
        snprintf(text, sizeof(text), "ocaml.%s.%u", what, id);
    if (!place)
        return labelled_type(decoder, text, kind, fields, count, EVTRAIL_OCAML_LABELLED_MAX);
    *place = evtrail_ocaml_type_new(decoder, text, kind, EVTRAIL_LEVEL_debug, fields, count, "");
    return *place;
}

static uint16_t phase_type(struct evtrail_ocaml_decoder *decoder, unsigned id, unsigned end)
{
    if (id < EVTRAIL_OCAML_RUNTIME_IDS && decoder->phases[end][id])
        return decoder->phases[end][id];
    return runtime_type(decoder, decoder->phases[end], id, evtrail_ocaml_phase_name(decoder->release, id), "phase",
                        end ? EVTRAIL_KIND_end : EVTRAIL_KIND_begin, span_begin_fields, end ? 1 : 2);
}

static int decode_phase(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const uint16_t end = phase_type(step->decoder, item->id, 1);
    if (!end)
        return decode_unknown(step, item);
    if (item->type == EVTRAIL_OCAML_EXIT)
        return evtrail_ocaml_span_end(step, end);
    return evtrail_ocaml_span_begin(step, phase_type(step->decoder, item->id, 0), end);
}

static int put_value(struct evtrail_ocaml_step *step, uint16_t type, uint64_t value)
{
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, 1) : NULL;
    if (at)
        at[0] = value;
    return at || !type ? 0 : -ENOMEM;
}

static int decode_counter(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_decoder *const decoder = step->decoder;
    const uint64_t value = item->words ? item->payload[0] : 0;
    if (item->id < EVTRAIL_OCAML_RUNTIME_IDS && decoder->counters[item->id])
        return put_value(step, decoder->counters[item->id], value);
    const char *unit, *const name = evtrail_ocaml_counter_name(decoder->release, item->id, &unit);
    char field[32];
    snprintf(field, sizeof(field), "value:i64:%s", unit);
    const char *const fields[] = {field};
    const uint16_t type =
        runtime_type(decoder, decoder->counters, item->id, name, "counter", EVTRAIL_KIND_counter, fields, 1);
    return type ? put_value(step, type, value) : decode_unknown(step, item);
}

static int decode_lifecycle(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    static const char *const fields[] = {"pid:i64"};
    enum { RING_START = 0, RING_STOP = 1, DOMAIN_SPAWN = 6, DOMAIN_TERMINATE = 7 };
    struct evtrail_ocaml_decoder *const decoder = step->decoder;
    const uint16_t type = runtime_type(decoder, decoder->lifecycles, item->id, evtrail_ocaml_lifecycle_name(item->id),
                                       "lifecycle", EVTRAIL_KIND_instant, fields, 1);
    int result = type ? put_value(step, type, item->words ? item->payload[0] : 0) : decode_unknown(step, item);
    if (result == 0 && (item->id == RING_START || item->id == DOMAIN_SPAWN))
        result = evtrail_eio_domain(step, EVTRAIL_DOMAIN_RUNNING);
    else if (result == 0 && (item->id == RING_STOP || item->id == DOMAIN_TERMINATE))
        result = evtrail_eio_domain(step, EVTRAIL_DOMAIN_GONE);
    return result;
}

static int decode_alloc(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    const uint16_t type = own_type(step->decoder, OWN_ALLOC);
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, 1 + item->words) : NULL;
    if (at)
        evtrail_ocaml_put_text(at, item->payload, item->words * 8);
    return at || !type ? 0 : -ENOMEM;
}

static int decode_runtime(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    switch (item->type) {
    case EVTRAIL_OCAML_BEGIN:
    case EVTRAIL_OCAML_EXIT:
        return decode_phase(step, item);
    case EVTRAIL_OCAML_COUNTER:
        return decode_counter(step, item);
    case EVTRAIL_OCAML_LIFECYCLE:
        return decode_lifecycle(step, item);
    case EVTRAIL_OCAML_ALLOC:
        return decode_alloc(step, item);
    default:
        return decode_unknown(step, item);
    }
}

/* ---- user events ---- */

static int put_custom(struct evtrail_ocaml_step *step, uint16_t type, const struct evtrail_ocaml_item *item)
{
    size_t bytes = 0;
    const uint8_t *data = evtrail_ocaml_custom(item, &bytes);
    if (!data) { /* not as the runtime writes them: all of it, as it is */
        data = (const uint8_t *)item->payload;
        bytes = item->words * 8;
    }
    const uint32_t words = evtrail_ocaml_text_words(bytes);
    uint64_t *at = evtrail_ocaml_put(step, type, 2 * words);
    if (!at)
        return -ENOMEM;
    at = evtrail_ocaml_put_text(at, data, bytes);
    uint8_t *const text = (uint8_t *)(evtrail_ocaml_put_text(at, data, bytes) - (words - 1));
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < 32 || text[i] > 126)
            text[i] = '.';
    return 0;
}

static void user_name_make(char *made, size_t room, uint32_t id, const char *name)
{
    if (*name) /* names that begin with ocaml. are the runtime's */
        name_make(made, room, strncmp(name, "ocaml.", 6) == 0 ? "user." : "", name, strlen(name));
    else
        snprintf(made, room, "ocaml.user.%u", id);
}

static uint16_t type_before(const struct evtrail_ocaml_decoder *decoder, const char *name, uint8_t kind)
{
    for (uint32_t id = EVTRAIL_EVENT_FIRST; id < decoder->next_id; id++) {
        const struct evtrail_event_type *const type = decoder->schema.types[id];
        if (type && type->kind == kind && strcmp(type->name, name) == 0)
            return (uint16_t)id;
    }
    return 0;
}

static uint16_t user_type_new(struct evtrail_ocaml_decoder *decoder, const struct evtrail_ocaml_item *item,
                              const char *name)
{
    static const struct {
        uint8_t kind, count;
        const char *const *fields;
    } shapes[] = {[EVTRAIL_OCAML_UNIT] = {EVTRAIL_KIND_instant, 0, NULL},
                  [EVTRAIL_OCAML_INT] = {EVTRAIL_KIND_counter, 1, counter_fields},
                  [EVTRAIL_OCAML_SPAN_BEGIN] = {EVTRAIL_KIND_begin, 2, span_begin_fields},
                  [EVTRAIL_OCAML_SPAN_END] = {EVTRAIL_KIND_end, 1, span_begin_fields},
                  [EVTRAIL_OCAML_CUSTOM] = {EVTRAIL_KIND_instant, 2, custom_fields}};
    char made[EVTRAIL_OCAML_NAME_BYTES + 16];
    user_name_make(made, sizeof(made), item->id, name);
    const uint16_t before = decoder->renewed ? type_before(decoder, made, shapes[item->type].kind) : 0;
    if (before)
        return before;
    return evtrail_ocaml_type_new(decoder, made, shapes[item->type].kind, EVTRAIL_LEVEL_info, shapes[item->type].fields,
                                  shapes[item->type].count, "");
}

static uint8_t handler_of(const char *name, unsigned type)
{
    type = type == EVTRAIL_OCAML_SPAN_END ? EVTRAIL_OCAML_SPAN_BEGIN : type;
    for (uint8_t i = 0; evtrail_ocaml_libraries[i].name; i++)
        if (evtrail_ocaml_libraries[i].type == type && strcmp(evtrail_ocaml_libraries[i].name, name) == 0)
            return HANDLER_FIRST + i;
    return HANDLER_NONE;
}

/* A span's ends have one for each. */
static void user_types_new(struct evtrail_ocaml_decoder *decoder, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_user_type *const types = decoder->users[item->id];
    char name[EVTRAIL_OCAML_NAME_BYTES];
    evtrail_ocaml_map_name(decoder->map, item->id, name);
    types[item->type].type = user_type_new(decoder, item, name);
    if (item->type == EVTRAIL_OCAML_SPAN_BEGIN && !types[EVTRAIL_OCAML_SPAN_END].type) {
        struct evtrail_ocaml_item end = *item;
        end.type = EVTRAIL_OCAML_SPAN_END;
        types[EVTRAIL_OCAML_SPAN_END].type = user_type_new(decoder, &end, name);
    }
}

static void look_up(struct evtrail_ocaml_decoder *decoder, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_user_type *const types = decoder->users[item->id];
    char name[EVTRAIL_OCAML_NAME_BYTES] = "";
    if (!decoder->names_gone)
        evtrail_ocaml_map_name(decoder->map, item->id, name);
    decoder->users_end = item->id >= decoder->users_end ? item->id + 1u : decoder->users_end;
    types[item->type].handler = handler_of(name, item->type);
    if (types[item->type].handler != HANDLER_NONE)
        return;
    if (!types[item->type].type)
        user_types_new(decoder, item);
}

static bool is_renamed(const struct evtrail_ocaml_decoder *decoder, uint32_t id,
                       const struct evtrail_ocaml_user_type *user)
{
    char name[EVTRAIL_OCAML_NAME_BYTES], made[EVTRAIL_OCAML_NAME_BYTES + 16];
    evtrail_ocaml_map_name(decoder->map, id, name);
    if (user->handler != HANDLER_NONE)
        return strcmp(evtrail_ocaml_libraries[user->handler - HANDLER_FIRST].name, name) != 0;
    const struct evtrail_event_type *const type = user->type ? decoder->schema.types[user->type] : NULL;
    user_name_make(made, sizeof(made), id, name);
    return type && strcmp(type->name, made) != 0;
}

bool evtrail_ocaml_decoder_renamed(const struct evtrail_ocaml_decoder *decoder)
{
    for (uint32_t id = 0; id < decoder->users_end; id++)
        for (unsigned type = 0; type <= EVTRAIL_OCAML_CUSTOM; type++)
            if (decoder->users[id][type].handler && is_renamed(decoder, id, &decoder->users[id][type]))
                return true;
    return false;
}

/* `type`: of one that nobody knows more about. */
static int decode_custom(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item, uint16_t type)
{
    const int result = evtrail_ocaml_forwarded(step, item);
    return result ? (result > 0 ? 0 : result) : put_custom(step, type, item);
}

static int decode_user(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_decoder *const decoder = step->decoder;
    if (item->id >= EVTRAIL_OCAML_NAMES_MAX)
        return decode_unknown(step, item);
    struct evtrail_ocaml_user_type *const user = &decoder->users[item->id][item->type];
    if (__builtin_expect(!user->handler, 0))
        look_up(decoder, item);
    if (user->handler != HANDLER_NONE) {
        const int result = evtrail_ocaml_libraries[user->handler - HANDLER_FIRST].decode(step, item);
        if (result != EVTRAIL_OCAML_OTHERWISE)
            return result;
        if (!user->type)
            user_types_new(decoder, item);
    }
    if (!user->type)
        return decode_unknown(step, item);
    switch (item->type) {
    case EVTRAIL_OCAML_UNIT:
        return evtrail_ocaml_put(step, user->type, 0) ? 0 : -ENOMEM;
    case EVTRAIL_OCAML_INT:
        return put_value(step, user->type, item->words ? item->payload[0] : 0);
    case EVTRAIL_OCAML_SPAN_BEGIN:
        return evtrail_ocaml_span_begin(step, user->type, decoder->users[item->id][EVTRAIL_OCAML_SPAN_END].type);
    case EVTRAIL_OCAML_SPAN_END:
        return evtrail_ocaml_span_end(step, user->type);
    default:
        return decode_custom(step, item, user->type);
    }
}

/* ---- all ---- */

void evtrail_ocaml_lane_init(struct evtrail_ocaml_lane *lane, uint32_t index)
{
    *lane = (struct evtrail_ocaml_lane){.index = index};
    lane->own.lane = index;
}

int evtrail_ocaml_decode(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    if (item->padding)
        return 0;
    step->user = item->user;
    return item->user ? decode_user(step, item) : decode_runtime(step, item);
}

int evtrail_ocaml_gap(struct evtrail_ocaml_step *step, uint64_t words, uint64_t items, uint64_t since)
{
    const bool known = since && step->ticks > since;
    const uint16_t type = own_type(step->decoder, known ? OWN_LOST : OWN_LOST_SOMETIME);
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, known ? 3 : 2) : NULL;
    step->lane->depth = step->lane->loose_count = 0;
    step->lane->gap++;
    if (at) {
        at[0] = words;
        at[1] = items;
    }
    if (at && known)
        at[2] = step->ticks - since;
    return at || !type ? evtrail_eio_gap(step) : -ENOMEM;
}
