/* SPDX-License-Identifier: ISC
 *
 * The C events that libevtrail-ocaml puts into an OCaml ring, with their fields as they were. The payload carries types and values
 * (docs/ocaml-binding.md has every byte); what the fields are called stands in the table of names: "evtrail.fields ID KIND FIRST FIELD...".
 * A payload that does not fit such a name is nobody we know: its bytes are shown.
 */
#include "reader/ocaml_decode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 16,
    CUT = 0x80,
    OWN_FIELDS = 3,
    TEXT_BYTES = 8192,
    UNKNOWN = 0xffff,
    SHAPES_MAX = 1024 /* more than a program's trace points: only in a file that lies */
};
#define FIELDS_NAME "evtrail.fields "

/* One shape of the payloads of an event; a name may have several, as begin and end have. */
struct evtrail_ocaml_forwarded {
    struct evtrail_ocaml_forwarded *next;
    uint16_t event, type, cut_type; /* 0: there is none */
    uint8_t kind, count;
    uint8_t types[EVTRAIL_FIELDS_MAX];
};
struct payload {
    uint8_t kind, level, count;
    bool cut;
    uint32_t thread;
    uint64_t time;
    uint8_t types[EVTRAIL_FIELDS_MAX];
    struct {
        const uint8_t *data; /* NULL: a word, or the string NULL */
        uint64_t word;
    } values[EVTRAIL_FIELDS_MAX];
};

static bool is_text(uint8_t type)
{
    return type == EVTRAIL_TYPE_string || type == EVTRAIL_TYPE_bytes;
}

/* ---- payloads ---- */

static bool take(const uint8_t **at, const uint8_t *end, void *to, size_t bytes)
{
    if ((size_t)(end - *at) < bytes)
        return false;
    memcpy(to, *at, bytes); /* little-endian, as all our platforms are */
    *at += bytes;
    return true;
}

static bool take_value(const uint8_t **at, const uint8_t *end, struct payload *payload, unsigned i)
{
    uint32_t bytes;
    payload->values[i].data = NULL;
    if (!take(at, end, &payload->types[i], 1) || payload->types[i] == 0 || payload->types[i] > EVTRAIL_TYPE_enum)
        return false;
    if (!is_text(payload->types[i]))
        return take(at, end, &payload->values[i].word, 8);
    if (!take(at, end, &bytes, 4) || (bytes != EVTRAIL_NULL && (size_t)(end - *at) < bytes))
        return false;
    payload->values[i].word = bytes;
    if (bytes != EVTRAIL_NULL) {
        payload->values[i].data = *at;
        *at += bytes;
    }
    return true;
}

/* False: it is none of ours. */
static bool parse(const struct evtrail_ocaml_item *item, struct payload *payload)
{
    size_t bytes = 0;
    const uint8_t *at = evtrail_ocaml_custom(item, &bytes);
    if (!at || bytes < HEAD_BYTES || at[0] != 1)
        return false;
    const uint8_t *const end = at + bytes;
    payload->kind = at[1] & (uint8_t)~CUT;
    payload->cut = at[1] & CUT;
    payload->level = at[2];
    payload->count = at[3];
    at += 4;
    take(&at, end, &payload->thread, 4);
    take(&at, end, &payload->time, 8);
    if (payload->kind >= EVTRAIL_KINDS || payload->level < 1 || payload->level > EVTRAIL_LEVELS ||
        payload->count > EVTRAIL_FIELDS_MAX)
        return false;
    for (unsigned i = 0; i < payload->count; i++)
        if (!take_value(&at, end, payload, i))
            return false;
    return at == end;
}

/* ---- names of fields ---- */

/* The types of a text of fields. Returns how many, or -1: they are none. */
static int types_of(const char *text, uint8_t types[EVTRAIL_FIELDS_MAX])
{
    int count = 0;
    while (*text) {
        const size_t bytes = strcspn(text, " ");
        const char *const colon = memchr(text, ':', bytes);
        if (!colon || colon == text || count == EVTRAIL_FIELDS_MAX)
            return -1;
        types[count++] = evtrail_ocaml_field_type(colon + 1, strcspn(colon + 1, ": "));
        text += bytes + (text[bytes] == ' ');
    }
    return count;
}

/* Pointers are told as numbers; what a newer version may have is shown as one. */
static bool types_match(const uint8_t *named, const struct payload *payload)
{
    for (unsigned i = 0; i < payload->count; i++)
        if (named[i] != payload->types[i] && (is_text(named[i]) || is_text(payload->types[i])))
            return false;
    return true;
}

static bool texts_match(const char *text, const struct payload *payload)
{
    uint8_t types[EVTRAIL_FIELDS_MAX];
    return types_of(text, types) == payload->count && types_match(types, payload);
}

struct described {
    unsigned kind, count; /* fields so far; kind UNKNOWN: of another event */
    size_t used;
    char text[TEXT_BYTES];
};

/* One name of the table: begins a description of this event, or goes on with it. */
static void described_add(struct described *described, const char *name, unsigned event)
{
    unsigned id, kind, first;
    int start = 0;
    uint8_t types[EVTRAIL_FIELDS_MAX];
    if (strncmp(name, FIELDS_NAME, sizeof(FIELDS_NAME) - 1) != 0 ||
        sscanf(name, FIELDS_NAME "%u %u %u%n", &id, &kind, &first, &start) != 3 || id != event)
        return;
    const char *const rest = name + start + (name[start] == ' ');
    const int count = types_of(rest, types);
    const size_t bytes = strlen(rest);
    if (first == 0) {
        described->used = described->count = 0;
        described->kind = kind;
    }
    if (count < 0 || first != described->count || kind != described->kind ||
        described->used + bytes + 2 > sizeof(described->text)) {
        described->kind = UNKNOWN;
        return;
    }
    if (described->used)
        described->text[described->used++] = ' ';
    memcpy(described->text + described->used, rest, bytes + 1);
    described->used += bytes;
    described->count += (unsigned)count;
}

/* Looks through the table for what this payload's fields are called. The first that fits counts: behind the last name may be those of a process
 * that had the file before. */
static bool describe(const struct evtrail_ocaml_decoder *decoder, unsigned event, const struct payload *payload,
                     struct described *described)
{
    char name[EVTRAIL_OCAML_NAME_BYTES];
    described->kind = UNKNOWN;
    described->used = 0;
    for (uint32_t id = 0; id < EVTRAIL_OCAML_NAMES_MAX; id++) {
        evtrail_ocaml_map_name(decoder->map, id, name);
        if (!name[0])
            return false;
        described_add(described, name, event);
        if (described->kind == payload->kind && described->count == payload->count) {
            described->text[described->used] = '\0';
            if (texts_match(described->text, payload))
                return true;
        }
    }
    return false;
}

/* ---- types ---- */

/* What is told of an event beside its own fields, where there is room. */
static unsigned own_fields(const struct payload *payload, bool cut)
{
    return payload->count + OWN_FIELDS > EVTRAIL_FIELDS_MAX ? 0 : cut ? OWN_FIELDS : OWN_FIELDS - 1;
}

static uint16_t make_type(struct evtrail_ocaml_decoder *decoder, const struct payload *payload, unsigned event,
                          char *text, bool cut)
{
    static const char *const own[OWN_FIELDS] = {"tid:u32", "delay:u64:ns", "cut:bool"};
    const char *fields[EVTRAIL_FIELDS_MAX];
    char name[EVTRAIL_OCAML_NAME_BYTES];
    const unsigned more = own_fields(payload, cut);
    unsigned count = 0;
    for (char *at = text; count < payload->count; at += strlen(at) + 1)
        fields[count++] = at;
    for (unsigned i = 0; i < more; i++)
        fields[count++] = own[i];
    evtrail_ocaml_map_name(decoder->map, event, name);
    return evtrail_ocaml_type_new(decoder, name, payload->kind, payload->level, fields, count, "");
}

/* -ENOMEM. One that has no names is remembered as well. */
static int shape_new(struct evtrail_ocaml_decoder *decoder, unsigned event, const struct payload *payload,
                     struct evtrail_ocaml_forwarded **ret_shape)
{
    struct described *const described = malloc(sizeof(*described));
    struct evtrail_ocaml_forwarded *const shape = calloc(1, sizeof(*shape));
    if (!described || !shape) {
        free(described);
        free(shape);
        return -ENOMEM;
    }
    shape->event = (uint16_t)event;
    shape->kind = payload->kind;
    shape->count = payload->count;
    memcpy(shape->types, payload->types, payload->count);
    if (describe(decoder, event, payload, described)) {
        for (char *blank = described->text; (blank = strchr(blank, ' '));)
            *blank++ = '\0';
        shape->type = make_type(decoder, payload, event, described->text, false);
        shape->cut_type = make_type(decoder, payload, event, described->text, true);
    }
    free(described);
    shape->next = decoder->forwarded;
    decoder->forwarded = shape;
    decoder->forwarded_count++;
    *ret_shape = shape;
    return 0;
}

static struct evtrail_ocaml_forwarded *shape_of(struct evtrail_ocaml_decoder *decoder, unsigned event,
                                                const struct payload *payload)
{
    for (struct evtrail_ocaml_forwarded *shape = decoder->forwarded; shape; shape = shape->next)
        if (shape->event == event && shape->kind == payload->kind && shape->count == payload->count &&
            memcmp(shape->types, payload->types, payload->count) == 0)
            return shape;
    return NULL;
}

void evtrail_ocaml_forwarded_free(struct evtrail_ocaml_decoder *decoder)
{
    for (struct evtrail_ocaml_forwarded *shape = decoder->forwarded, *next; shape; shape = next) {
        next = shape->next;
        free(shape);
    }
    decoder->forwarded = NULL;
    decoder->forwarded_count = 0;
}

/* ---- events ---- */

static uint32_t words_of(const struct payload *payload)
{
    uint32_t words = own_fields(payload, payload->cut);
    for (unsigned i = 0; i < payload->count; i++)
        words += is_text(payload->types[i])
                     ? evtrail_ocaml_text_words(payload->values[i].data ? payload->values[i].word : 0)
                     : 1;
    return words;
}

static void put_fields(uint64_t *at, const struct payload *payload, uint64_t delay)
{
    const uint64_t own[OWN_FIELDS] = {payload->thread, delay, 1};
    for (unsigned i = 0; i < payload->count; i++)
        if (is_text(payload->types[i]))
            at = evtrail_ocaml_put_text(at, payload->values[i].data, payload->values[i].word);
        else
            *at++ = payload->values[i].word;
    memcpy(at, own, own_fields(payload, payload->cut) * sizeof(*own));
}

int evtrail_ocaml_forwarded(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    struct evtrail_ocaml_decoder *const decoder = step->decoder;
    struct payload payload;
    if (!parse(item, &payload))
        return 0;
    struct evtrail_ocaml_forwarded *shape = shape_of(decoder, item->id, &payload);
    if (!shape && decoder->forwarded_count == SHAPES_MAX)
        return 0;
    if (!shape && shape_new(decoder, item->id, &payload, &shape) < 0)
        return -ENOMEM;
    const uint16_t type = payload.cut ? shape->cut_type : shape->type;
    uint64_t *const at = type ? evtrail_ocaml_put(step, type, words_of(&payload)) : NULL;
    if (!at)
        return type ? -ENOMEM : 0;
    put_fields(at, &payload, item->time > payload.time ? item->time - payload.time : 0);
    return 1;
}
