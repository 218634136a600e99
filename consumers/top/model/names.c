/* SPDX-License-Identifier: ISC
 *
 * Open addressing, at most half full. Two names are the same if 64 bits of hash and what is kept of the text are.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 65536u
#define SIZE_FIRST 64u

void names_init(struct names *names, struct keep *keep)
{
    *names = (struct names){.keep = keep};
}

void names_fini(struct names *names)
{
    free(names->entries);
    free(names->index);
}

static uint64_t hash_of(const char *text, unsigned tag)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ tag;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Where it is, or would be. */
static uint32_t *place_of(const struct names *names, const char *text, uint64_t hash)
{
    for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
        uint32_t *const place = &names->index[i & (names->size * 2 - 1)];
        if (*place == 0)
            return place;
        const struct name *const name = &names->entries[*place - 1];
        if (name->hash == hash && strncmp(name->text, text, NAME_BYTES) == 0)
            return place;
    }
}

static bool grow(struct names *names)
{
    struct part *const part = names->keep->part;
    const uint32_t size = names->size ? names->size * 2 : SIZE_FIRST;
    const size_t bytes = (size - names->size) * (sizeof *names->entries + 2 * sizeof *names->index);
    if (size > NAMES_MAX || !part_has_room(part, bytes, 100))
        return false;
    struct name *const entries = realloc(names->entries, size * sizeof *entries);
    names->entries = entries ? entries : names->entries;
    uint32_t *const index = calloc((size_t)size * 2, sizeof *index);
    if (!entries || !index) {
        free(index);
        return false;
    }
    free(names->index);
    names->index = index;
    names->size = size;
    part->used_bytes += bytes;
    for (uint32_t i = 0; i < names->count; i++)
        *place_of(names, entries[i].text, entries[i].hash) = i + 1;
    return true;
}

uint32_t names_find(const struct names *names, const char *text, unsigned tag)
{
    const uint32_t found = names->size ? *place_of(names, text, hash_of(text, tag)) : 0;
    return found ? found - 1 : NAMES_NONE;
}

uint32_t names_number(struct names *names, const char *text, unsigned tag)
{
    const uint64_t hash = hash_of(text, tag);
    const uint32_t found = names->size ? *place_of(names, text, hash) : 0;
    if (found)
        return found - 1;
    if (names->count == names->size && !grow(names))
        return NAMES_NONE;
    const char *const copy = keep_text(names->keep, text, NAME_BYTES, 100);
    if (!copy)
        return NAMES_NONE;
    names->entries[names->count] = (struct name){copy, hash};
    *place_of(names, text, hash) = ++names->count;
    return names->count - 1;
}
