/* SPDX-License-Identifier: ISC
 *
 * Leaves events out of a chunk: those that are in the spool already, and those of levels that find no room.
 */
#include "ship/spool_private.h"

#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cut {
    const struct evtrail_source *source;
    uint64_t *words;
    size_t used;
    size_t meta; /* where the META of the next event begins; SIZE_MAX: it has none */
    uint64_t skip;
    unsigned drop;
    uint64_t skipped, dropped;
    uint64_t *counts;
};

static unsigned level_of(const struct evtrail_source *source, uint32_t id)
{
    const struct evtrail_event_type *const type = evtrail_source_type(source, id);
    return type && type->level < SPOOL_LEVELS ? type->level : 0;
}

/* Whether the event stays. */
static bool keep(struct cut *cut, uint32_t id)
{
    if (cut->skipped < cut->skip) {
        cut->skipped++;
        return false;
    }
    if (!cut->drop)
        return true;
    const unsigned level = level_of(cut->source, id);
    if (!(cut->drop >> level & 1))
        return true;
    cut->dropped++;
    if (cut->counts)
        cut->counts[level]++;
    return false;
}

/* A TIME may stand between META and event: it stays. */
static void forget_meta(struct cut *cut)
{
    while (cut->used > cut->meta) {
        const uint64_t word = cut->words[cut->meta];
        size_t size = (word & 63) == 63 ? 2 + (size_t)(uint32_t)cut->words[cut->meta + 1] : 1 + (word & 63);
        if (size > cut->used - cut->meta)
            size = cut->used - cut->meta;
        if ((word >> 6 & 0x3fff) == EVTRAIL_RECORD_TIME) {
            cut->meta += size;
            continue;
        }
        memmove(cut->words + cut->meta, cut->words + cut->meta + size,
                (cut->used - cut->meta - size) * sizeof *cut->words);
        cut->used -= size;
    }
}

static void take(struct cut *cut, uint32_t id, const uint64_t *record, size_t words)
{
    const bool event = id >= EVTRAIL_EVENT_FIRST;
    if (event && !keep(cut, id)) {
        if (cut->meta != SIZE_MAX)
            forget_meta(cut);
        cut->meta = SIZE_MAX;
        return;
    }
    if (event)
        cut->meta = SIZE_MAX;
    else if (id == EVTRAIL_RECORD_META)
        cut->meta = cut->used;
    memcpy(cut->words + cut->used, record, words * sizeof *record);
    cut->used += words;
}

static int room(struct spool *spool, size_t words)
{
    if (spool->words_room >= words)
        return 0;
    uint64_t *const grown = realloc(spool->words, words * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    spool->words = grown;
    spool->words_room = words;
    return 0;
}

int64_t spool_cut(struct spool *spool, const struct evtrail_chunk *chunk, uint64_t skip, unsigned drop,
                  struct evtrail_chunk *ret_chunk, uint64_t counts[SPOOL_LEVELS])
{
    int r = room(spool, chunk->words_count + 1);
    if (r < 0)
        return r;
    struct cut cut = {.source = chunk->source, .words = spool->words, .meta = SIZE_MAX, .skip = skip, .drop = drop};
    cut.counts = counts;
    for (size_t at = 0; at < chunk->words_count;) {
        const uint64_t word = chunk->words[at];
        size_t words = 1 + (word & 63);
        if ((word & 63) == 63)
            words = at + 1 < chunk->words_count ? 2 + (size_t)(uint32_t)chunk->words[at + 1] : SIZE_MAX;
        if (words > chunk->words_count - at)
            return -EBADMSG;
        take(&cut, (uint32_t)(word >> 6) & 0x3fff, chunk->words + at, words);
        at += words;
    }
    if (cut.skipped + cut.dropped > chunk->events)
        return -EBADMSG;
    *ret_chunk = *chunk;
    ret_chunk->events -= cut.skipped + cut.dropped;
    ret_chunk->events_before += cut.skipped + cut.dropped; /* told before what stays */
    ret_chunk->words = cut.words;
    ret_chunk->words_count = ret_chunk->events ? cut.used : 0;
    return (int64_t)cut.dropped;
}
