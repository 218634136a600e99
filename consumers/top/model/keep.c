/* SPDX-License-Identifier: ISC
 *
 * A bump allocator: nothing is given back before the end.
 */
#include "keep.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 16384u
#define ALIGNMENT 8u

struct keep_chunk {
    struct keep_chunk *before;
    uint64_t bytes[];
};

void keep_init(struct keep *keep, struct part *part)
{
    *keep = (struct keep){.part = part};
}

void keep_fini(struct keep *keep)
{
    for (struct keep_chunk *chunk = keep->chunks, *before; chunk; chunk = before) {
        before = chunk->before;
        free(chunk);
    }
    keep_init(keep, keep->part);
}

static bool add_chunk(struct keep *keep, size_t bytes, unsigned percent)
{
    const size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    if (!part_has_room(keep->part, sizeof(struct keep_chunk) + size, percent))
        return false;
    struct keep_chunk *const chunk = calloc(1, sizeof *chunk + size);
    if (!chunk)
        return false;
    keep->part->used_bytes += sizeof *chunk + size;
    chunk->before = keep->chunks;
    keep->chunks = chunk;
    keep->at = (char *)chunk->bytes;
    keep->left = size;
    return true;
}

void *keep_new(struct keep *keep, size_t bytes, unsigned percent)
{
    const size_t whole = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    const bool over = percent < 100 && !part_has_room(keep->part, 0, percent);
    if (over || (whole > keep->left && !add_chunk(keep, whole, percent)))
        return NULL;
    void *const piece = keep->at;
    keep->at += whole;
    keep->left -= whole;
    return piece;
}

char *keep_text(struct keep *keep, const char *text, size_t most, unsigned percent)
{
    const size_t bytes = strnlen(text, most);
    char *const copy = keep_new(keep, bytes + 1, percent);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}
