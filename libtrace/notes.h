/* SPDX-License-Identifier: ISC
 *
 * The ELF notes of a loaded object.
 */
#ifndef EVTRAIL_NOTES_H
#define EVTRAIL_NOTES_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one note; true ends the walk. */
typedef bool (*evtrail_note_visitor)(void *context, uint32_t type, const uint8_t *desc, size_t bytes);

/* All notes of `owner`. */
void evtrail_notes_walk(const struct dl_phdr_info *info, const char *owner, evtrail_note_visitor visit, void *context);

#endif
