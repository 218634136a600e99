/* SPDX-License-Identifier: ISC
 *
 * Memory of a part that only grows until the part ends: small pieces out of chunks, charged to the part's budget.
 */
#ifndef EVTRAIL_TOP_KEEP_H
#define EVTRAIL_TOP_KEEP_H

#include "part.h"

struct keep_chunk;
struct keep {
    struct part *part;
    struct keep_chunk *chunks;
    char *at;
    size_t left;
};

/* Whether the part may use so many bytes more, of `percent` of its budget. */
static inline bool part_has_room(const struct part *part, size_t bytes, unsigned percent)
{
    const size_t most = part->budget_bytes / 100 * percent;
    return part->used_bytes <= most && bytes <= most - part->used_bytes;
}

void keep_init(struct keep *keep, struct part *part);
void keep_fini(struct keep *keep);
/* Zeroed, for any type. NULL: over `percent` of the budget, or no memory. */
void *keep_new(struct keep *keep, size_t bytes, unsigned percent);
/* A copy of text, of `most` bytes at most. */
char *keep_text(struct keep *keep, const char *text, size_t most, unsigned percent);

#endif /* EVTRAIL_TOP_KEEP_H */
