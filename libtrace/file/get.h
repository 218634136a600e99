/* SPDX-License-Identifier: ISC
 *
 * Numbers out of bytes that are not trusted (little-endian, like the machines that we run on): a cursor that gives zeros, and remembers it,
 * when the bytes are at an end.
 */
#ifndef EVTRAIL_FILE_GET_H
#define EVTRAIL_FILE_GET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct parser {
    const uint8_t *at, *end;
    bool bad;
};

static inline bool has(const struct parser *parser, size_t bytes)
{
    return !parser->bad && (size_t)(parser->end - parser->at) >= bytes;
}

/* At most 8 bytes. */
static inline uint64_t get(struct parser *parser, unsigned bytes)
{
    uint64_t value = 0;
    if (!has(parser, bytes)) {
        parser->bad = true;
        return 0;
    }
    memcpy(&value, parser->at, bytes);
    parser->at += bytes;
    return value;
}

static inline uint16_t get16(struct parser *parser)
{
    return (uint16_t)get(parser, 2);
}

static inline uint32_t get32(struct parser *parser)
{
    return (uint32_t)get(parser, 4);
}

static inline uint64_t get64(struct parser *parser)
{
    return get(parser, 8);
}

#endif /* EVTRAIL_FILE_GET_H */
