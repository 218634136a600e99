/* SPDX-License-Identifier: ISC
 *
 * Numbers and strings into a growing piece of memory.
 */
#include "scratch.h"

#include <evtrail/format.h>

#include <stdlib.h>

void scratch_fini(struct scratch *scratch)
{
    free(scratch->bytes);
    *scratch = (struct scratch){0};
}

char *scratch_grow(struct scratch *scratch, size_t bytes)
{
    size_t size = scratch->size ? scratch->size : 512;
    while (size - scratch->used < bytes)
        size *= 2;
    char *const more = realloc(scratch->bytes, size);
    if (!more) {
        scratch->failed = true;
        return NULL;
    }
    scratch->bytes = more;
    scratch->size = size;
    return more + scratch->used;
}

void scratch_unsigned(struct scratch *scratch, uint64_t number)
{
    char digits[20];
    char *at = digits + sizeof digits;
    do
        *--at = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    scratch_bytes(scratch, at, (size_t)(digits + sizeof digits - at));
}

void scratch_signed(struct scratch *scratch, int64_t number)
{
    if (number < 0)
        scratch_char(scratch, '-');
    scratch_unsigned(scratch, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void scratch_us(struct scratch *scratch, int64_t ns)
{
    const uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    const unsigned rest = (unsigned)(size % 1000);
    if (ns < 0)
        scratch_char(scratch, '-');
    scratch_unsigned(scratch, size / 1000);
    if (rest == 0)
        return;
    const char decimals[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10), (char)('0' + rest % 10)};
    scratch_bytes(scratch, decimals, 4);
}

static const char hex_digits[] = "0123456789abcdef";

void scratch_hex(struct scratch *scratch, uint64_t number)
{
    char digits[16];
    char *at = digits + sizeof digits;
    do
        *--at = hex_digits[number & 15];
    while ((number >>= 4) != 0);
    scratch_bytes(scratch, at, (size_t)(digits + sizeof digits - at));
}

void scratch_hex_bytes(struct scratch *scratch, const void *bytes, size_t count)
{
    const unsigned char *const from = bytes;
    char *const room = scratch_room(scratch, count * 2);
    if (!room)
        return;
    for (size_t i = 0; i < count; i++) {
        room[2 * i] = hex_digits[from[i] >> 4];
        room[2 * i + 1] = hex_digits[from[i] & 15];
    }
    scratch->used += count * 2;
}

void scratch_json(struct scratch *scratch, const char *bytes, size_t count)
{
    const size_t most = count * 6 + 2; /* \u00xx */
    char *const room = scratch_room(scratch, most);
    if (room)
        scratch->used += evtrail_format_json_string(bytes, count, room, most);
}

void scratch_json_text(struct scratch *scratch, const char *text)
{
    scratch_json(scratch, text, strlen(text));
}

/* The length of the UTF-8 sequence at `at`, or 0: there is none. RFC 3629, table in section 4. */
static size_t sequence(const unsigned char *at, size_t left)
{
    const unsigned char c = at[0];
    if (c < 0x80)
        return 1;
    const size_t length = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (c == 0xe0 && at[1] < 0xa0) || (c == 0xf0 && at[1] < 0x90);
    const bool beyond = (c == 0xed && at[1] >= 0xa0) || (c == 0xf4 && at[1] >= 0x90);
    return overlong || beyond ? 0 : length;
}

size_t scratch_utf8(struct scratch *scratch, const char *bytes, size_t count, bool no_nul)
{
    const unsigned char *const from = (const unsigned char *)bytes;
    size_t replaced = 0;
    for (size_t i = 0; i < count;) {
        const size_t length = no_nul && from[i] == 0 ? 0 : sequence(from + i, count - i);
        if (length > 0) {
            scratch_bytes(scratch, from + i, length);
        } else {
            scratch_bytes(scratch, "\xef\xbf\xbd", 3);
            replaced++;
        }
        i += length ? length : 1;
    }
    return replaced;
}
