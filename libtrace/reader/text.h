/* SPDX-License-Identifier: ISC
 *
 * Writing text into a bounded buffer without printf: what does not fit is counted, never written.
 */
#ifndef EVTRAIL_READER_TEXT_H
#define EVTRAIL_READER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct evtrail_text {
    char *at, *end;
    char *start;
    size_t over; /* bytes that did not fit */
};

static inline void evtrail_text_init(struct evtrail_text *text, char *buffer, size_t size)
{
    *text = (struct evtrail_text){.at = buffer, .end = buffer + size, .start = buffer};
}

/* What the whole text takes. */
static inline size_t evtrail_text_size(const struct evtrail_text *text)
{
    return (size_t)(text->at - text->start) + text->over;
}

void evtrail_text_copy_long(char *to, const char *from, size_t count);

/* Most pieces are short: two copies that overlap are quicker than a call of memcpy. */
static inline void evtrail_text_copy(char *to, const char *from, size_t count)
{
    uint64_t first, last;
    uint32_t low, high;
    if (count > 16) {
        evtrail_text_copy_long(to, from, count);
    } else if (count >= 8) {
        memcpy(&first, from, 8);
        memcpy(&last, from + count - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + count - 8, &last, 8);
    } else if (count >= 4) {
        memcpy(&low, from, 4);
        memcpy(&high, from + count - 4, 4);
        memcpy(to, &low, 4);
        memcpy(to + count - 4, &high, 4);
    } else if (count) {
        to[0] = from[0];
        to[count / 2] = from[count / 2];
        to[count - 1] = from[count - 1];
    }
}

static inline void evtrail_text_put(struct evtrail_text *text, const char *bytes, size_t count)
{
    size_t room = (size_t)(text->end - text->at);
    size_t fits = count <= room ? count : room;
    evtrail_text_copy(text->at, bytes, fits);
    text->at += fits;
    text->over += count - fits;
    if (__builtin_expect(fits != count, 0))
        text->end = text->at; /* nothing goes behind a gap */
}

static inline void evtrail_text_char(struct evtrail_text *text, char c)
{
    if (text->at < text->end)
        *text->at++ = c;
    else
        text->over++;
}

#define evtrail_text_literal(text, literal) evtrail_text_put((text), "" literal, sizeof(literal) - 1)

static inline void evtrail_text_string(struct evtrail_text *text, const char *string)
{
    evtrail_text_put(text, string, strlen(string));
}

void evtrail_text_unsigned(struct evtrail_text *text, uint64_t number);
void evtrail_text_signed(struct evtrail_text *text, int64_t number);
/* The lowest `digits` (1..19) decimal digits, with leading zeros. */
void evtrail_text_digits(struct evtrail_text *text, uint64_t number, unsigned digits);
/* Lower-case, no prefix, no leading zeros. */
void evtrail_text_hex(struct evtrail_text *text, uint64_t number);
void evtrail_text_hex_bytes(struct evtrail_text *text, const char *bytes, size_t count);
/* The shortest decimal that reads back as the same double (or float, if `single`), as C and JSON write it; "nan", "inf", "-inf". */
void evtrail_text_double(struct evtrail_text *text, double number, bool single);
/* 1,234,567 */
void evtrail_text_count(struct evtrail_text *text, uint64_t number);
/* 1.234ms */
void evtrail_text_duration(struct evtrail_text *text, int64_t ns);
/* 1.5KiB */
void evtrail_text_size_of(struct evtrail_text *text, uint64_t bytes);

/* Untrusted text, so that a terminal gets printable UTF-8 only: \n \r \t \" \\ \xHH. */
void evtrail_text_escaped(struct evtrail_text *text, const char *bytes, size_t count);
/* Untrusted text inside a JSON string, without the quotes. */
void evtrail_text_json(struct evtrail_text *text, const char *bytes, size_t count);

#endif /* EVTRAIL_READER_TEXT_H */
