/* SPDX-License-Identifier: ISC
 *
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding), into a scratch. A message inside another is begun and ended; its
 * length is put in front of it then.
 */
#ifndef EVTRAIL_CONVERT_PROTOBUF_H
#define EVTRAIL_CONVERT_PROTOBUF_H

#include "scratch.h"

enum { WIRE_varint = 0, WIRE_fixed64 = 1, WIRE_bytes = 2 };

static inline void pb_varint(struct scratch *scratch, uint64_t value)
{
    char *const room = scratch_room(scratch, 10);
    size_t used = 0;
    if (!room)
        return;
    for (; value >= 128; value >>= 7)
        room[used++] = (char)(value | 128);
    room[used++] = (char)value;
    scratch->used += used;
}

static inline void pb_tag(struct scratch *scratch, unsigned field, unsigned wire)
{
    pb_varint(scratch, (uint64_t)field << 3 | wire);
}

static inline void pb_uint(struct scratch *scratch, unsigned field, uint64_t value)
{
    pb_tag(scratch, field, WIRE_varint);
    pb_varint(scratch, value);
}

static inline void pb_fixed64(struct scratch *scratch, unsigned field, uint64_t value)
{
    pb_tag(scratch, field, WIRE_fixed64);
    scratch_bytes(scratch, &value, 8); /* little endian, as all that Linux runs on here */
}

static inline void pb_double(struct scratch *scratch, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    pb_fixed64(scratch, field, bits);
}

static inline void pb_bytes(struct scratch *scratch, unsigned field, const void *bytes, size_t count)
{
    pb_tag(scratch, field, WIRE_bytes);
    pb_varint(scratch, count);
    scratch_bytes(scratch, bytes, count);
}

/* Returns where the message begins, for pb_end(). */
static inline size_t pb_begin(struct scratch *scratch, unsigned field)
{
    pb_tag(scratch, field, WIRE_bytes);
    scratch_char(scratch, 0); /* room for lengths below 128 */
    return scratch->used;
}

static inline void pb_end(struct scratch *scratch, size_t begin)
{
    const size_t count = scratch->used - begin;
    size_t more = 0;
    for (size_t rest = count >> 7; rest; rest >>= 7)
        more++;
    if (!scratch_room(scratch, more + 10) || scratch->failed)
        return;
    if (more)
        memmove(scratch->bytes + begin + more, scratch->bytes + begin, count);
    scratch->used = begin - 1;
    pb_varint(scratch, count);
    scratch->used += count;
}

/* Untrusted text, made UTF-8. Returns how many bytes were none. */
static inline size_t pb_text(struct scratch *scratch, unsigned field, const char *text, size_t count)
{
    const size_t begin = pb_begin(scratch, field);
    const size_t replaced = scratch_utf8(scratch, text, count, false);
    pb_end(scratch, begin);
    return replaced;
}

static inline void pb_string(struct scratch *scratch, unsigned field, const char *text)
{
    pb_text(scratch, field, text, strlen(text));
}

#endif /* EVTRAIL_CONVERT_PROTOBUF_H */
