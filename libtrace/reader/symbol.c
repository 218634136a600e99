/* SPDX-License-Identifier: ISC
 *
 * Code addresses for people: the module that holds them and the place in it.
 */
#include "reader/format.h"

static const struct evtrail_module *module_of(const struct evtrail_source *source, uint64_t address)
{
    for (uint32_t i = source->modules_count; i-- > 0;) /* the latest first: addresses are used again after dlclose */
        if (address >= source->modules[i].start && address < source->modules[i].end)
            return &source->modules[i];
    return NULL;
}

size_t evtrail_symbol_name(const struct evtrail_source *source, uint64_t address, bool lines, char *buffer, size_t size)
{
    struct evtrail_text text;
    evtrail_text_init(&text, buffer, size);
    const struct evtrail_module *module = module_of(source, address);
    if (module) {
        const char *slash = strrchr(module->path, '/');
        const char *name = slash ? slash + 1 : module->path;
        evtrail_text_escaped(&text, name, strlen(name));
        evtrail_text_char(&text, '+');
    }
    evtrail_text_literal(&text, "0x");
    evtrail_text_hex(&text, module ? address - module->start + module->offset : address);
    return evtrail_text_size(&text);
}
