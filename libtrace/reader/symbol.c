/* SPDX-License-Identifier: ISC
 *
 * Code addresses for people: the function that holds them, by the files that the source's modules name.
 */
#include "reader/elf_symbols.h"
#include "reader/format.h"
#include "reader/symbol_line.h"

#include <pthread.h>
#include <stdlib.h>

/* Files that were looked at, also in vain, by build id and path. */
struct known_file {
    char *path, *build_id;
    struct evtrail_elf *elf; /* NULL: not to be had */
};
#define FILES_MAX 64u

static struct known_file files[FILES_MAX];
static unsigned files_count, files_next;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct evtrail_module *module_of(const struct evtrail_source *source, uint64_t address)
{
    for (uint32_t i = source->modules_count; i-- > 0;) /* the latest first: addresses are used again after dlclose */
        if (address >= source->modules[i].start && address < source->modules[i].end)
            return &source->modules[i];
    return NULL;
}

/* A file that no build id vouches for may be another by now: its symbols would mislead. */
static struct evtrail_elf *file_of(const struct evtrail_module *module)
{
    if (!*module->build_id)
        return NULL;
    for (unsigned i = 0; i < files_count; i++)
        if (files[i].path && files[i].build_id && !strcmp(files[i].path, module->path) &&
            !strcmp(files[i].build_id, module->build_id))
            return files[i].elf;
    struct known_file *file = &files[files_next++ % FILES_MAX];
    files_count += files_count < FILES_MAX;
    evtrail_elf_close(file->elf);
    free(file->path);
    free(file->build_id);
    *file = (struct known_file){strdup(module->path), strdup(module->build_id), NULL};
    if (!file->path || !file->build_id)
        return NULL;
    if (evtrail_elf_open(&file->elf, module->path, module->build_id) < 0)
        file->elf = NULL;
    return file->elf;
}

static void put_place(struct evtrail_text *text, const char *name, uint64_t into)
{
    evtrail_text_escaped(text, name, strlen(name));
    evtrail_text_literal(text, "+0x");
    evtrail_text_hex(text, into);
}

size_t evtrail_symbol_name(const struct evtrail_source *source, uint64_t address, bool lines, char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    const struct evtrail_module *module = module_of(source, address);
    if (!module) {
        evtrail_text_literal(&text, "0x");
        evtrail_text_hex(&text, address);
        return evtrail_text_size(&text);
    }
    const uint64_t offset = address - module->start + module->offset;
    uint64_t into = 0;
    pthread_mutex_lock(&files_lock);
    const struct evtrail_elf *elf = file_of(module);
    const char *function = elf ? evtrail_elf_function(elf, offset, &into) : NULL;
    if (function) {
        put_place(&text, function, into);
    } else {
        const char *slash = strrchr(module->path, '/');
        put_place(&text, slash ? slash + 1 : module->path, offset);
    }
    if (function && lines)
        evtrail_symbol_put_line(&text, module->path, evtrail_elf_address(elf, offset));
    pthread_mutex_unlock(&files_lock);
    return evtrail_text_size(&text);
}
