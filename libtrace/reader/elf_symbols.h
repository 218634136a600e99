/* SPDX-License-Identifier: ISC
 *
 * The functions of an ELF file, by address.
 */
#ifndef EVTRAIL_READER_ELF_SYMBOLS_H
#define EVTRAIL_READER_ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evtrail_elf;

/* Reads the file's symbols if its build id is `build_id` (hexadecimal; "": any). 0, or a negative errno: -EBADMSG: not such a file. No byte of it
 * is trusted. */
int evtrail_elf_open(struct evtrail_elf **ret_elf, const char *path, const char *build_id);
void evtrail_elf_close(struct evtrail_elf *elf);
/* The function that holds the code at this offset of the file: its name (until close) and how far into it. NULL: none does. */
const char *evtrail_elf_function(const struct evtrail_elf *elf, uint64_t file_offset, uint64_t *ret_into);

/* The address that the file's own tables have for this offset of the file. */
uint64_t evtrail_elf_address(const struct evtrail_elf *elf, uint64_t file_offset);

#endif /* EVTRAIL_READER_ELF_SYMBOLS_H */
