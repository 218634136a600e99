/* SPDX-License-Identifier: ISC
 *
 * What the fields of a payload are called, for readers of the ring. An item has no room for it and goes when the ring has gone round; the table of
 * names stays. So fields are told by names of events that never happen: "evtrail.fields ID KIND FIRST FIELD...", a FIELD being name:type,
 * name:type:unit or name:type:unit:values; as many as 127 bytes take, and the next ones in another such name, whose FIRST is the number of those before.
 */
#include "ocaml.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define TEXT_BYTES_MAX 8192 /* of one type */
#define NAME_BYTES_MAX 127
#define CHUNK_BYTES (64u << 10)

static char *type_text(uint8_t type)
{
    static char texts[][8] = {"",   "bool", "i8",  "i16", "i32", "i64", "u8",  "u16",    "u32",   "u64",
                              "x8", "x16",  "x32", "x64", "f32", "f64", "u64", "string", "bytes", "enum"};
    return texts[type < sizeof(texts) / sizeof(*texts) ? type : EVTRAIL_TYPE_u64];
}

/* Under the registry's lock. No malloc: that may be what emits the event whose type this is. Kept for good. */
static char *keep(const char *text, size_t bytes)
{
    static char *room;
    static size_t left;
    if (left < bytes) {
        void *map = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
            return NULL;
        room = map;
        left = CHUNK_BYTES;
    }
    char *const kept = memcpy(room, text, bytes);
    room += bytes;
    left -= bytes;
    return kept;
}

/* One FIELD, cut behind its type or unit where it would be longer than `room`; blanks part the fields, so they have none. */
static size_t field_put(char *to, size_t room, const struct evtrail_field_desc *field)
{
    size_t bytes =
        (size_t)snprintf(to, room, "%s:%s:%s:%s", field->name, type_text(field->type), field->unit, field->enums);
    if (bytes >= room)
        bytes = (size_t)snprintf(to, room, "%s:%s:%s", field->name, type_text(field->type), field->unit);
    if (bytes >= room)
        bytes = (size_t)snprintf(to, room, "%s:%s", field->name, type_text(field->type));
    if (bytes >= room)
        return 0;
    while (bytes > 0 && to[bytes - 1] == ':')
        bytes--;
    to[bytes] = '\0';
    for (char *blank = to; (blank = strchr(blank, ' '));)
        *blank = '_';
    return bytes;
}

const char *ocaml_fields_text(const struct evtrail_forward_type *type)
{
    static char text[TEXT_BYTES_MAX]; /* under the registry's lock */
    size_t used = 0;
    for (unsigned i = 0; i < type->fields_count; i++) {
        const size_t room = sizeof(text) - used - 1, most = NAME_BYTES_MAX - 32; /* what is before it in a name */
        const size_t bytes = field_put(text + used, room < most ? room : most, &type->fields[i]);
        if (bytes == 0)
            return NULL;
        used += bytes;
        text[used++] = i + 1 < type->fields_count ? ' ' : '\0';
    }
    return used ? keep(text, used) : "";
}

void ocaml_fields_register(unsigned event, unsigned kind, const char *text, bool (*add)(const char *name))
{
    unsigned number = 0;
    do {
        char name[NAME_BYTES_MAX + 1];
        size_t used = (size_t)snprintf(name, sizeof(name), "evtrail.fields %u %u %u", event, kind, number);
        for (size_t bytes = strcspn(text, " "); bytes && used + 1 + bytes <= NAME_BYTES_MAX;
             bytes = strcspn(text, " ")) {
            name[used] = ' ';
            memcpy(name + used + 1, text, bytes);
            used += 1 + bytes;
            text += bytes + (text[bytes] == ' ');
            number++;
        }
        name[used] = '\0';
        if (!add(name))
            return;
    } while (*text);
}
