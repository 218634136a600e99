/* SPDX-License-Identifier: ISC
 *
 * A metadata entry in the making: an event type or a loaded object, as layout.h says.
 */
#ifndef EVTRAIL_ENTRY_H
#define EVTRAIL_ENTRY_H

#include "fields.h"
#include "layout.h"

#include <string.h>

/* `used` goes on where there is no room: finish() tells. */
struct builder {
    uint8_t *start;
    size_t used, size;
};

static inline void put_bytes(struct builder *b, const void *from, size_t bytes)
{
    if (b->used + bytes <= b->size)
        memcpy(b->start + b->used, from, bytes);
    b->used += bytes;
}

static inline void put_u8(struct builder *b, uint8_t v)
{
    put_bytes(b, &v, 1);
}

static inline void put_u16(struct builder *b, uint16_t v)
{
    put_bytes(b, &v, 2);
}

static inline void put_u32(struct builder *b, uint32_t v)
{
    put_bytes(b, &v, 4);
}

static inline void put_u64(struct builder *b, uint64_t v)
{
    put_bytes(b, &v, 8);
}

static inline void put_text(struct builder *b, const char *text, size_t bytes, size_t most)
{
    if (bytes > most)
        bytes = most;
    put_u16(b, (uint16_t)bytes);
    put_bytes(b, text, bytes);
}

static inline void put_string(struct builder *b, const char *text, size_t most)
{
    put_text(b, text ? text : "", text ? strlen(text) : 0, most);
}

static inline void put_fields(struct builder *b, const struct evtrail_field_text *fields, int count)
{
    for (int i = 0; i < count; i++) {
        put_u8(b, fields[i].type);
        put_bytes(b, "\0\0\0", 3);
        put_text(b, fields[i].name.start, fields[i].name.bytes, 63);
        put_text(b, fields[i].unit.start, fields[i].unit.bytes, 31);
        put_text(b, fields[i].doc.start, fields[i].doc.bytes, 255);
        put_text(b, fields[i].enums.start, fields[i].enums.bytes, 1023);
    }
}

/* Pads the entry and states its size. False: it did not fit. */
static inline bool finish(struct builder *b, enum evtrail_meta_kind kind)
{
    static const uint8_t zeros[8];
    put_bytes(b, zeros, (8 - b->used % 8) % 8);
    if (b->used > b->size)
        return false;
    struct evtrail_meta_header header = {(uint32_t)b->used, (uint16_t)kind, 0};
    memcpy(b->start, &header, sizeof(header));
    return true;
}

#endif
