/* SPDX-License-Identifier: ISC
 *
 * Values and strings as text. Whatever comes from a trace is hostile until it went through here.
 */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct text text_count(uint64_t count)
{
    char digits[24];
    struct text text;
    const int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t to = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text.s[to++] = ',';
        text.s[to++] = digits[i];
    }
    text.s[to] = '\0';
    return text;
}

static struct text three_digits(double value, const char *suffix)
{
    struct text text;
    const double size = fabs(value);
    const int places = size >= 99.95 || size < 0.0005 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;
    snprintf(text.s, sizeof text.s, "%.*f%s", places, value, suffix);
    return text;
}

static struct text scaled(double value, double step, const char *const *suffixes, unsigned count)
{
    unsigned i = 0;
    while (i + 1 < count && fabs(value) >= 0.9995 * step) {
        value /= step;
        i++;
    }
    return three_digits(value, suffixes[i]);
}

struct text text_value(double value, enum unit unit)
{
    static const char *const counts[] = {"", " k", " M", " G", " T"};
    static const char *const rates[] = {"/s", " k/s", " M/s", " G/s"};
    static const char *const bytes[] = {" B", " kB", " MB", " GB", " TB"};
    static const char *const byte_rates[] = {" B/s", " kB/s", " MB/s", " GB/s", " TB/s"};
    static const char *const times[] = {" ns", " µs", " ms", " s"};
    switch (unit) {
    case UNIT_bytes:
        return scaled(value, 1000, bytes, 5);
    case UNIT_ns:
        return scaled(value, 1000, times, 4);
    case UNIT_rate:
        return scaled(value, 1000, rates, 4);
    case UNIT_byte_rate:
        return scaled(value, 1000, byte_rates, 5);
    case UNIT_seconds:
        return scaled(value * 1e9, 1000, times, 4);
    case UNIT_percent:
        return three_digits(value, " %");
    case UNIT_count:
    default:
        return scaled(value, 1000, counts, 5);
    }
}

struct text text_percent(uint64_t part, uint64_t whole)
{
    struct text text;
    const double share = whole ? 100.0 * (double)part / (double)whole : 0;
    const int places = share >= 99.995 || share < 0.005 ? 0 : share > 99 || share < 1 ? 2 : 1;
    snprintf(text.s, sizeof text.s, "%.*f %%", places, share);
    return text;
}

/* ---- strings ---- */

/* Bytes of the character at `s`, 0: they are none. */
static unsigned utf8_length(const unsigned char *s)
{
    const unsigned length = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (length == 4 && (s[0] < 0xf0 || s[0] > 0xf4))
        return 0;
    for (unsigned i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) /* also the end */
            return 0;
    const bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
                     (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : length;
}

static void write_all(FILE *out, const char *text, void (*write_ascii)(FILE *out, unsigned char c))
{
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        const unsigned length = utf8_length(s);
        if (length == 1)
            write_ascii(out, *s);
        else if (length == 0)
            fputs("\xef\xbf\xbd", out);
        else
            fwrite(s, 1, length, out);
        s += length ? length : 1;
    }
}

static void json_ascii(FILE *out, unsigned char c)
{
    if (c == '"' || c == '\\')
        fprintf(out, "\\%c", c);
    else if (c < 32 || c == 127 || c == '<' || c == '>' || c == '&')
        fprintf(out, "\\u%04x", c);
    else
        fputc(c, out);
}

void write_json(FILE *out, const char *text)
{
    fputc('"', out);
    write_all(out, text, json_ascii);
    fputc('"', out);
}
