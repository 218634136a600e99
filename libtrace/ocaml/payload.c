/* SPDX-License-Identifier: ISC
 *
 * An event's fields as the payload of an OCaml custom event. docs/ocaml-binding.md has every byte.
 */
#include "ocaml.h"

#include <string.h>

#define PAYLOAD_VERSION 1
#define PAYLOAD_CUT 0x80 /* with the kind: a string was shortened, or fields left out */

struct bytes {
    uint8_t *start;
    uint32_t used, size;
};

static void put(struct bytes *to, const void *from, uint32_t count)
{
    memcpy(to->start + to->used, from, count);
    to->used += count;
}

static void put_number(struct bytes *to, uint64_t number, uint32_t count)
{
    put(to, &number, count); /* little-endian, as all our platforms are */
}

static bool is_text(uint8_t type)
{
    return type == EVTRAIL_TYPE_string || type == EVTRAIL_TYPE_bytes;
}

/* What the fields from `from` on need at least: all but the strings' text. */
static uint32_t least(const struct payload_type *type, unsigned from)
{
    uint32_t bytes = 0;
    for (unsigned i = from; i < type->fields_count; i++)
        bytes += is_text(type->types[i]) ? 5 : 9;
    return bytes;
}

/* Returns whether the field is whole. */
static bool put_text(struct bytes *to, struct evtrail_arg arg, uint32_t room)
{
    const uint32_t length = (uint32_t)arg.word, kept = length == EVTRAIL_NULL || length <= room ? length : room;
    put_number(to, kept, 4);
    if (arg.data && kept != EVTRAIL_NULL)
        put(to, arg.data, kept);
    return kept == length;
}

__attribute__((noinline)) static uint32_t put_bytes(const struct payload_type *type, uint64_t now,
                                                    const struct evtrail_arg *args, uint32_t words_max, uint64_t *words)
{
    struct bytes to = {(uint8_t *)words, 0, words_max * 8 - 1};
    uint8_t cut = 0;
    unsigned i = 0;
    put_number(&to, PAYLOAD_VERSION | (uint64_t)type->kind << 8 | (uint64_t)type->level << 16, 4);
    put_number(&to, ocaml_thread_id(), 4);
    put_number(&to, now, 8);
    for (; i < type->fields_count; i++) {
        const uint32_t needed = least(type, i), room = to.size - to.used;
        if (room < (is_text(type->types[i]) ? 5 : 9))
            break;
        put_number(&to, type->types[i], 1);
        if (!is_text(type->types[i]))
            put_number(&to, args[i].word, 8);
        else if (!put_text(&to, args[i], room > needed ? room - needed : 0))
            cut = PAYLOAD_CUT;
    }
    to.start[1] |= i < type->fields_count ? PAYLOAD_CUT : cut;
    to.start[3] = (uint8_t)i;
    const uint32_t count = (to.used + 8) / 8;
    memset(to.start + to.used, 0, count * 8 - to.used);
    to.start[count * 8 - 1] = (uint8_t)(count * 8 - 1 - to.used);
    return count;
}

uint32_t ocaml_payload_put(enum ocaml_as as, const struct payload_type *type, uint64_t now,
                           const struct evtrail_arg *args, uint32_t words_max, uint64_t *to)
{
    if (as == AS_BYTES)
        return put_bytes(type, now, args, words_max, to);
    if (as != AS_INT)
        return 0;
    to[0] = args[type->int_field].word;
    return 1;
}
