/* SPDX-License-Identifier: ISC
 *
 * A growing piece of memory that one event's output is put together in, before it goes out whole.
 */
#ifndef EVTRAIL_CONVERT_SCRATCH_H
#define EVTRAIL_CONVERT_SCRATCH_H

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct scratch {
    char *bytes;
    size_t used;
    size_t size;
    bool failed; /* no memory: what was put in since is missing */
};

void scratch_fini(struct scratch *scratch);
/* Room for so many bytes more, to be filled in place; NULL: no memory. */
char *scratch_grow(struct scratch *scratch, size_t bytes);

static inline char *scratch_room(struct scratch *scratch, size_t bytes)
{
    if (scratch->bytes && scratch->size - scratch->used >= bytes)
        return scratch->bytes + scratch->used;
    return scratch_grow(scratch, bytes);
}

static inline void scratch_bytes(struct scratch *scratch, const void *bytes, size_t count)
{
    char *const room = scratch_room(scratch, count);
    if (!room || count == 0)
        return;
    memcpy(room, bytes, count);
    scratch->used += count;
}

static inline void scratch_char(struct scratch *scratch, char c)
{
    scratch_bytes(scratch, &c, 1);
}

static inline void scratch_text(struct scratch *scratch, const char *text)
{
    scratch_bytes(scratch, text, strlen(text));
}

void scratch_unsigned(struct scratch *scratch, uint64_t number);
void scratch_signed(struct scratch *scratch, int64_t number);
void scratch_hex(struct scratch *scratch, uint64_t number);
void scratch_hex_bytes(struct scratch *scratch, const void *bytes, size_t count);
/* ns as us with three decimals: -1.500 */
void scratch_us(struct scratch *scratch, int64_t ns);

/* Untrusted bytes as a JSON string with its quotes. */
void scratch_json(struct scratch *scratch, const char *bytes, size_t count);
void scratch_json_text(struct scratch *scratch, const char *text);
/* Untrusted bytes as UTF-8: what is none becomes U+FFFD, as a NUL does with `no_nul`. Returns how many were replaced. */
size_t scratch_utf8(struct scratch *scratch, const char *bytes, size_t count, bool no_nul);

#endif /* EVTRAIL_CONVERT_SCRATCH_H */
