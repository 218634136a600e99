/* SPDX-License-Identifier: ISC
 *
 * Numbers into bytes, as files have them (little-endian, like the machines that we run on). Each returns what is behind.
 */
#ifndef EVTRAIL_FILE_PUT_H
#define EVTRAIL_FILE_PUT_H

#include <stdint.h>
#include <string.h>

static inline uint8_t *put8(uint8_t *out, uint8_t value)
{
    *out = value;
    return out + 1;
}

static inline uint8_t *put16(uint8_t *out, uint16_t value)
{
    memcpy(out, &value, 2);
    return out + 2;
}

static inline uint8_t *put32(uint8_t *out, uint32_t value)
{
    memcpy(out, &value, 4);
    return out + 4;
}

static inline uint8_t *put64(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, 8);
    return out + 8;
}

#endif /* EVTRAIL_FILE_PUT_H */
