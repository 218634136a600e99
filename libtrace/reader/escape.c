/* SPDX-License-Identifier: ISC
 *
 * Untrusted text made fit for a terminal or for JSON: eight plain bytes at a time, the rest one by one.
 */
#include "reader/text.h"

/* Whether one of the eight bytes is below 0x20, above 0x7e, a quote or a backslash. */
static bool any_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\', del = word ^ ones * 0x7f;
    uint64_t below = (word - ones * 0x20) & ~word;
    uint64_t zero = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((del - ones) & ~del);
    return ((below | zero | word) & high) != 0;
}

static size_t plain_bytes(const char *bytes, size_t count)
{
    size_t at = 0;
    for (uint64_t word; count - at >= 8; at += 8) {
        memcpy(&word, bytes + at, 8);
        if (any_special(word))
            break;
    }
    for (; at < count; at++) {
        unsigned char c = (unsigned char)bytes[at];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            break;
    }
    return at;
}

/* The length of the UTF-8 sequence of two to four bytes at the head (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_sequence(const char *bytes, size_t count)
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || count < length)
        return 0;
    unsigned low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return length;
}

static char short_escape(unsigned char c)
{
    switch (c) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '"':
    case '\\':
        return (char)c;
    default:
        return 0;
    }
}

static void put_byte(struct evtrail_text *text, const char *prefix, unsigned char c)
{
    evtrail_text_string(text, prefix);
    evtrail_text_char(text, "0123456789abcdef"[c >> 4]);
    evtrail_text_char(text, "0123456789abcdef"[c & 15]);
}

/* Well-formed, and yet a terminal obeys: the C1 controls (U+0080 to U+009F), and what turns the direction of the text around
 * (U+061C, U+200E and F, U+202A to E, U+2066 to 9: "Trojan Source", CVE-2021-42574). 0, or the character. */
static unsigned obeyed(const char *bytes, size_t length)
{
    const unsigned char *s = (const unsigned char *)bytes;
    const unsigned c = length == 2   ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                       : length == 3 ? (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu)
                                     : 0x10000;
    const bool c1 = c >= 0x80 && c < 0xa0;
    const bool turns =
        c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return c1 || turns ? c : 0;
}

static size_t printable(const char *bytes, size_t count)
{
    size_t length = utf8_sequence(bytes, count);
    return length && !obeyed(bytes, length) ? length : 0;
}

static void put_escaped(struct evtrail_text *text, unsigned char c, const char *prefix)
{
    const char escape[2] = {'\\', short_escape(c)};
    if (escape[1])
        evtrail_text_put(text, escape, 2);
    else
        put_byte(text, prefix, c);
}

/* Puts what may stand as it is at the head. Returns its bytes: 0 at what needs an escape. */
static size_t put_plain(struct evtrail_text *text, const char *bytes, size_t count)
{
    size_t plain = plain_bytes(bytes, count);
    if (plain == 0 && (unsigned char)*bytes >= 0x80)
        plain = printable(bytes, count);
    evtrail_text_put(text, bytes, plain);
    return plain;
}

void evtrail_text_escaped(struct evtrail_text *text, const char *bytes, size_t count)
{
    for (size_t used; count > 0; bytes += used, count -= used) {
        used = put_plain(text, bytes, count);
        if (used > 0)
            continue;
        put_escaped(text, (unsigned char)*bytes, "\\x");
        used = 1;
    }
}

/* What JSON has no plain form for, or a terminal obeys. Returns its bytes. */
static size_t put_json_escape(struct evtrail_text *text, const char *bytes, size_t count)
{
    const unsigned char c = (unsigned char)*bytes;
    const size_t length = c >= 0x80 ? utf8_sequence(bytes, count) : 0;
    if (length) {
        const unsigned named = obeyed(bytes, length);
        put_byte(text, "\\u", (unsigned char)(named >> 8));
        put_byte(text, "", (unsigned char)named);
        return length;
    }
    if (c >= 0x80)
        evtrail_text_literal(text, "\\ufffd");
    else
        put_escaped(text, c, "\\u00");
    return 1;
}

void evtrail_text_json(struct evtrail_text *text, const char *bytes, size_t count)
{
    for (size_t used; count > 0; bytes += used, count -= used) {
        used = put_plain(text, bytes, count);
        if (used == 0)
            used = put_json_escape(text, bytes, count);
    }
}
