/* SPDX-License-Identifier: ISC
 *
 * Numbers as digits, two at a time, from the end.
 */
#include "reader/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                            "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

__attribute__((noinline)) void evtrail_text_copy_long(char *to, const char *from, size_t count)
{
    memcpy(to, from, count);
}

/* The digits of `number` end at `end`; returns where they begin. */
static char *digits_before(char *end, uint64_t number)
{
    while (number >= 100) {
        end -= 2;
        memcpy(end, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, pairs + number * 2, 2);
    } else {
        *--end = (char)('0' + number);
    }
    return end;
}

void evtrail_text_unsigned(struct evtrail_text *text, uint64_t number)
{
    char digits[24];
    char *begin = digits_before(digits + sizeof(digits), number);
    evtrail_text_put(text, begin, (size_t)(digits + sizeof(digits) - begin));
}

void evtrail_text_signed(struct evtrail_text *text, int64_t number)
{
    char digits[24];
    char *begin = digits_before(digits + sizeof(digits), number < 0 ? -(uint64_t)number : (uint64_t)number);
    if (number < 0)
        *--begin = '-';
    evtrail_text_put(text, begin, (size_t)(digits + sizeof(digits) - begin));
}

void evtrail_text_digits(struct evtrail_text *text, uint64_t number, unsigned digits)
{
    char all[24];
    memset(all, '0', sizeof(all));
    digits_before(all + sizeof(all), number);
    evtrail_text_put(text, all + sizeof(all) - digits, digits);
}

void evtrail_text_hex(struct evtrail_text *text, uint64_t number)
{
    char digits[16];
    char *at = digits + sizeof(digits);
    do {
        *--at = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number);
    evtrail_text_put(text, at, (size_t)(digits + sizeof(digits) - at));
}

void evtrail_text_hex_bytes(struct evtrail_text *text, const char *bytes, size_t count)
{
    char piece[256];
    while (count) {
        size_t now = count < sizeof(piece) / 2 ? count : sizeof(piece) / 2;
        for (size_t i = 0; i < now; i++) {
            piece[2 * i] = "0123456789abcdef"[(unsigned char)bytes[i] >> 4];
            piece[2 * i + 1] = "0123456789abcdef"[(unsigned char)bytes[i] & 15];
        }
        evtrail_text_put(text, piece, 2 * now);
        bytes += now;
        count -= now;
    }
}

void evtrail_text_count(struct evtrail_text *text, uint64_t number)
{
    uint64_t power = 1;
    while (number / power >= 1000)
        power *= 1000;
    evtrail_text_unsigned(text, number / power);
    while (power > 1) {
        power /= 1000;
        evtrail_text_char(text, ',');
        evtrail_text_digits(text, number / power % 1000, 3);
    }
}

/* ---- floating point ----------------------------------------------------------------------------------------------- */

/* A number of at most six decimals: r / 10^6 is rounded correctly, so if it is the number, the decimal r * 10^-6 reads back as it. */
static bool put_short(struct evtrail_text *text, double number, bool single)
{
    double size = fabs(number), scaled = size * 1e6;
    if (!(scaled < 4e15))
        return false;
    uint64_t whole = (uint64_t)(scaled + 0.5);
    double back = (double)whole / 1e6;
    if (single ? (float)back != (float)size : back != size)
        return false;
    if (whole == 0 && size != 0)
        return false;
    if (signbit(number))
        evtrail_text_char(text, '-');
    evtrail_text_unsigned(text, whole / 1000000);
    uint64_t rest = whole % 1000000;
    unsigned digits = 6;
    while (digits > 1 && rest % 10 == 0) {
        rest /= 10;
        digits--;
    }
    evtrail_text_char(text, '.');
    evtrail_text_digits(text, rest, digits);
    return true;
}

static void put_long(struct evtrail_text *text, double number, bool single)
{
    char digits[40];
    int most = single ? 9 : 17;
    for (int precision = single ? 6 : 15; precision <= most; precision++) {
        snprintf(digits, sizeof(digits), "%.*g", precision, number);
        double back = strtod(digits, NULL);
        if (single ? (float)back == (float)number : back == number)
            break;
    }
    for (char *c = digits; *c; c++) /* whatever the locale has for a point */
        if (!strchr("0123456789+-e", *c))
            *c = '.';
    evtrail_text_string(text, digits);
}

void evtrail_text_double(struct evtrail_text *text, double number, bool single)
{
    if (isnan(number))
        evtrail_text_literal(text, "nan");
    else if (isinf(number))
        evtrail_text_string(text, number < 0 ? "-inf" : "inf");
    else if (!put_short(text, number, single))
        put_long(text, number, single);
}

/* ---- quantities --------------------------------------------------------------------------------------------------- */

/* number / 10^decimals with that many decimals, less the trailing zeros. */
static void put_fraction(struct evtrail_text *text, uint64_t number, unsigned decimals)
{
    uint64_t power = 1;
    for (unsigned i = 0; i < decimals; i++)
        power *= 10;
    evtrail_text_unsigned(text, number / power);
    uint64_t rest = number % power;
    if (!rest)
        return;
    for (; rest % 10 == 0; decimals--)
        rest /= 10;
    evtrail_text_char(text, '.');
    evtrail_text_digits(text, rest, decimals);
}

void evtrail_text_duration(struct evtrail_text *text, int64_t ns)
{
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    const uint64_t second = 1000000000;
    if (ns < 0)
        evtrail_text_char(text, '-');
    if (size < 1000) {
        evtrail_text_unsigned(text, size);
        evtrail_text_literal(text, "ns");
    } else if (size < 1000000) {
        put_fraction(text, size, 3);
        evtrail_text_literal(text, "us");
    } else if (size < second) {
        put_fraction(text, size / 1000, 3);
        evtrail_text_literal(text, "ms");
    } else {
        uint64_t hours = size / (3600 * second), minutes = size / (60 * second) % 60;
        if (hours) {
            evtrail_text_unsigned(text, hours);
            evtrail_text_char(text, 'h');
        }
        if (hours || minutes) {
            evtrail_text_unsigned(text, minutes);
            evtrail_text_char(text, 'm');
        }
        put_fraction(text, size % (60 * second) / 1000000, 3);
        evtrail_text_char(text, 's');
    }
}

void evtrail_text_size_of(struct evtrail_text *text, uint64_t bytes)
{
    static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0, shift = 0;
    while (unit < 6 && bytes >> shift >= 1024) {
        unit++;
        shift += 10;
    }
    uint64_t whole = bytes >> shift, rest = shift ? (bytes >> (shift - 10) & 1023) * 10 / 1024 : 0;
    evtrail_text_unsigned(text, whole);
    if (rest) {
        evtrail_text_char(text, '.');
        evtrail_text_unsigned(text, rest);
    }
    evtrail_text_string(text, units[unit]);
}
