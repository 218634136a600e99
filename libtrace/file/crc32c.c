/* SPDX-License-Identifier: ISC
 *
 * CRC-32C by the CPU's instruction (SSE4.2) where there is one, else by a table (polynomial 0x82f63b78, reflected).
 */
#include "file/crc32c.h"

#include <string.h>

/* The table of four bits at a time: 64 bytes, known at compile time. Headers are short. */
static const uint32_t nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t evtrail_crc32c_table(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    uint64_t sum = ~crc, word;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        memcpy(&word, at, 8);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    for (; bytes > 0; bytes--)
        sum = __builtin_ia32_crc32qi((uint32_t)sum, *at++);
    return ~(uint32_t)sum;
}

uint32_t evtrail_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, data, bytes) : evtrail_crc32c_table(crc, data, bytes);
}
#else
uint32_t evtrail_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return evtrail_crc32c_table(crc, data, bytes);
}
#endif
