/* SPDX-License-Identifier: ISC
 *
 * CRC-32C (Castagnoli), the checksum of the file's headers.
 */
#ifndef EVTRAIL_FILE_CRC32C_H
#define EVTRAIL_FILE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over more bytes. */
uint32_t evtrail_crc32c(uint32_t crc, const void *data, size_t bytes);
/* The same without the CPU's instruction, for the test. */
uint32_t evtrail_crc32c_table(uint32_t crc, const void *data, size_t bytes);

#endif /* EVTRAIL_FILE_CRC32C_H */
