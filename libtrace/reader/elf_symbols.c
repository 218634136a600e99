/* SPDX-License-Identifier: ISC
 *
 * Reads an ELF file's symbol table (.symtab, else .dynsym) into a list sorted by address.
 */
#include "reader/elf_symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (UINT64_C(16) << 30)
#define FETCHED_BYTES_MAX (UINT64_C(256) << 20) /* of one file: a trace may name any */
#define FUNCTIONS_MAX (1u << 20)
#define SEGMENTS_MAX 64u

struct function {
    uint64_t start, bytes;
    uint64_t name; /* offset in the file */
};
struct evtrail_elf {
    int fd;
    uint8_t *bytes; /* address space for the whole file; memory for what was fetched */
    size_t size;
    uint64_t fetched;
    struct {
        uint64_t offset, address, bytes;
    } segments[SEGMENTS_MAX];
    unsigned segments_count;
    struct function *functions;
    size_t functions_count;
};

/* A part of the file, read when it is asked for, or NULL if it does not lie inside or cannot be had. Read, as a file that shrinks under a
 * map raises SIGBUS. */
static const void *part(struct evtrail_elf *elf, uint64_t offset, uint64_t bytes)
{
    if (offset > elf->size || bytes > elf->size - offset || bytes > FETCHED_BYTES_MAX - elf->fetched)
        return NULL;
    elf->fetched += bytes;
    for (uint64_t done = 0; done < bytes;) {
        const ssize_t n = pread(elf->fd, elf->bytes + offset + done, bytes - done, (off_t)(offset + done));
        if (n <= 0)
            return NULL;
        done += (uint64_t)n;
    }
    return elf->bytes + offset;
}

static bool header_read(struct evtrail_elf *elf, Elf64_Ehdr *header)
{
    const void *at = part(elf, 0, sizeof(*header));
    if (!at)
        return false;
    memcpy(header, at, sizeof(*header));
    return !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_ident[EI_CLASS] == ELFCLASS64 &&
           header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_phentsize == sizeof(Elf64_Phdr) &&
           (header->e_shnum == 0 || header->e_shentsize == sizeof(Elf64_Shdr));
}

/* ---- build id ---- */

static bool note_is(struct evtrail_elf *elf, const Elf64_Phdr *segment, const char *build_id)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t at = segment->p_offset, end = at + segment->p_filesz;
    while (end >= at && part(elf, at, sizeof(Elf64_Nhdr)) && at + sizeof(Elf64_Nhdr) <= end) {
        Elf64_Nhdr note;
        memcpy(&note, part(elf, at, sizeof(note)), sizeof(note));
        const uint64_t name = at + sizeof(note), data = name + ((uint64_t)note.n_namesz + 3) / 4 * 4;
        const uint8_t *id = part(elf, data, note.n_descsz);
        const void *owner = part(elf, name, note.n_namesz);
        if (!id || !owner)
            return false;
        at = data + ((uint64_t)note.n_descsz + 3) / 4 * 4;
        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(owner, "GNU", 4) != 0)
            continue;
        if (strlen(build_id) != (size_t)note.n_descsz * 2)
            return false;
        for (uint32_t i = 0; i < note.n_descsz; i++)
            if (build_id[2 * i] != digits[id[i] >> 4] || build_id[2 * i + 1] != digits[id[i] & 15])
                return false;
        return true;
    }
    return false;
}

static bool segments_read(struct evtrail_elf *elf, const Elf64_Ehdr *header, const char *build_id)
{
    bool known = !*build_id;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;
        const void *at = part(elf, header->e_phoff + (uint64_t)i * sizeof(segment), sizeof(segment));
        if (!at)
            return false;
        memcpy(&segment, at, sizeof(segment));
        if (segment.p_type == PT_NOTE && !known)
            known = note_is(elf, &segment, build_id);
        if (segment.p_type != PT_LOAD || elf->segments_count == SEGMENTS_MAX)
            continue;
        elf->segments[elf->segments_count].offset = segment.p_offset;
        elf->segments[elf->segments_count].address = segment.p_vaddr;
        elf->segments[elf->segments_count++].bytes = segment.p_filesz;
    }
    return known;
}

/* ---- functions ---- */

static bool section_read(struct evtrail_elf *elf, const Elf64_Ehdr *header, unsigned number, Elf64_Shdr *section)
{
    const void *at = part(elf, header->e_shoff + (uint64_t)number * sizeof(*section), sizeof(*section));
    if (number >= header->e_shnum || !at)
        return false;
    memcpy(section, at, sizeof(*section));
    return true;
}

static int by_start(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int functions_read(struct evtrail_elf *elf, const Elf64_Shdr *table, const Elf64_Shdr *names)
{
    const uint8_t *symbols = part(elf, table->sh_offset, table->sh_size);
    const char *texts = part(elf, names->sh_offset, names->sh_size);
    if (!symbols || !texts)
        return -EBADMSG;
    size_t count = table->sh_size / sizeof(Elf64_Sym);
    count = count < FUNCTIONS_MAX ? count : FUNCTIONS_MAX;
    elf->functions = malloc((count + 1) * sizeof(*elf->functions));
    if (!elf->functions)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
        const unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_name >= names->sh_size)
            continue;
        const char *name = texts + symbol.st_name;
        const size_t room = names->sh_size - symbol.st_name;
        if (strnlen(name, room) == room || !*name)
            continue;
        elf->functions[elf->functions_count++] =
            (struct function){symbol.st_value, symbol.st_size, names->sh_offset + symbol.st_name};
    }
    if (elf->functions_count > 0)
        qsort(elf->functions, elf->functions_count, sizeof(*elf->functions), by_start);
    return 0;
}

static int symbols_read(struct evtrail_elf *elf, const Elf64_Ehdr *header)
{
    static const uint32_t kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < header->e_shnum; i++) {
            Elf64_Shdr table, names;
            if (!section_read(elf, header, i, &table) || table.sh_type != kinds[kind])
                continue;
            return section_read(elf, header, table.sh_link, &names) ? functions_read(elf, &table, &names) : -EBADMSG;
        }
    return 0;
}

/* ---- the file ---- */

static int file_open(struct evtrail_elf *elf, const char *path)
{
    struct stat status;
    elf->fd = *path == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (elf->fd < 0)
        return *path == '/' ? -errno : -EBADMSG;
    if (fstat(elf->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size > FILE_BYTES_MAX)
        return -EBADMSG;
    void *map = mmap(NULL, (size_t)status.st_size + 1, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return -ENOMEM;
    elf->bytes = map;
    elf->size = (size_t)status.st_size;
    return 0;
}

int evtrail_elf_open(struct evtrail_elf **ret_elf, const char *path, const char *build_id)
{
    Elf64_Ehdr header;
    struct evtrail_elf *elf = calloc(1, sizeof(*elf));
    if (!elf)
        return -ENOMEM;
    int result = file_open(elf, path);
    if (result == 0 && (!header_read(elf, &header) || !segments_read(elf, &header, build_id)))
        result = -EBADMSG;
    if (result == 0)
        result = symbols_read(elf, &header);
    if (elf->fd >= 0)
        close(elf->fd);
    if (result < 0) {
        evtrail_elf_close(elf);
        return result;
    }
    *ret_elf = elf;
    return 0;
}

void evtrail_elf_close(struct evtrail_elf *elf)
{
    if (!elf)
        return;
    if (elf->bytes)
        munmap(elf->bytes, elf->size + 1);
    free(elf->functions);
    free(elf);
}

uint64_t evtrail_elf_address(const struct evtrail_elf *elf, uint64_t file_offset)
{
    for (unsigned i = 0; i < elf->segments_count; i++)
        if (file_offset >= elf->segments[i].offset && file_offset - elf->segments[i].offset < elf->segments[i].bytes)
            return file_offset - elf->segments[i].offset + elf->segments[i].address;
    return file_offset;
}

const char *evtrail_elf_function(const struct evtrail_elf *elf, uint64_t file_offset, uint64_t *ret_into)
{
    const uint64_t address = evtrail_elf_address(elf, file_offset);
    size_t low = 0, high = elf->functions_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (elf->functions[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct function *function = &elf->functions[low - 1];
    if (address - function->start >= (function->bytes ? function->bytes : 1))
        return NULL;
    *ret_into = address - function->start;
    return (const char *)elf->bytes + function->name;
}
