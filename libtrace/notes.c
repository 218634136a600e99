/* SPDX-License-Identifier: ISC
 *
 * The ELF notes of a loaded object: its build id, and ours (trace.h, standalone).
 */
#include "notes.h"

#include <string.h>

static bool walk(const uint8_t *at, const uint8_t *end, const char *owner, evtrail_note_visitor visit, void *context)
{
    const size_t owner_bytes = strlen(owner) + 1;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof(note));
        const uint8_t *name = at + sizeof(note), *desc = name + ((note.n_namesz + 3u) & ~3u);
        if (desc > end || note.n_descsz > (size_t)(end - desc))
            return false;
        if (note.n_namesz == owner_bytes && memcmp(name, owner, owner_bytes) == 0 &&
            visit(context, note.n_type, desc, note.n_descsz))
            return true;
        at = desc + ((note.n_descsz + 3u) & ~3u);
    }
    return false;
}

void evtrail_notes_walk(const struct dl_phdr_info *info, const char *owner, evtrail_note_visitor visit, void *context)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + phdr->p_vaddr);
        if (phdr->p_type == PT_NOTE && walk(at, at + phdr->p_memsz, owner, visit, context))
            return;
    }
}
