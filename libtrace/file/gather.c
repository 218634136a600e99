/* SPDX-License-Identifier: ISC
 *
 * Joining small chunks. Two chunks join when the second begins with the very event that follows the first's last,
 * and the writer lost none between: then one header describes both, and a TIME record at the join states the
 * second's reference.
 */
#include "file/gather.h"

#include "layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_WORDS = 2 };
#define NO_SOURCE UINT32_MAX

void evtrail_gather_fini(struct evtrail_gather *gather)
{
    for (uint32_t i = 0; i < gather->items_room; i++)
        if (gather->items[i]) {
            free(gather->items[i]->words);
            free(gather->items[i]);
        }
    free(gather->items);
}

static uint32_t slot_of(const struct evtrail_gather *gather, uint32_t source, uint32_t ring)
{
    uint32_t slot = (ring * UINT32_C(0x9e3779b1) ^ source * UINT32_C(0x85ebca6b)) & (gather->items_room - 1);
    while (gather->items[slot] && (gather->items[slot]->source != source || gather->items[slot]->chunk.ring != ring))
        slot = (slot + 1) & (gather->items_room - 1);
    return slot;
}

/* Moves the items to a table of this size; those of `source` are left out and freed. */
static int resize(struct evtrail_gather *gather, uint32_t room, uint32_t source)
{
    struct evtrail_gather grown = {.items_room = room};
    grown.items = calloc(grown.items_room, sizeof(*grown.items));
    if (!grown.items)
        return -ENOMEM;
    for (uint32_t i = 0; i < gather->items_room; i++)
        if (gather->items[i] && gather->items[i]->source == source) {
            evtrail_gather_clear(gather, gather->items[i]);
            free(gather->items[i]);
            gather->items[i] = NULL;
            gather->items_count--;
        }
    for (uint32_t i = 0; i < gather->items_room; i++)
        if (gather->items[i])
            grown.items[slot_of(&grown, gather->items[i]->source, gather->items[i]->chunk.ring)] = gather->items[i];
    free(gather->items);
    gather->items = grown.items;
    gather->items_room = grown.items_room;
    return 0;
}

struct evtrail_gathered *evtrail_gather_find(struct evtrail_gather *gather, uint32_t source, uint32_t ring)
{
    if (gather->items_count * 2 >= gather->items_room &&
        resize(gather, gather->items_room ? gather->items_room * 2 : 64, NO_SOURCE) < 0)
        return NULL;
    const uint32_t slot = slot_of(gather, source, ring);
    if (!gather->items[slot]) {
        struct evtrail_gathered *held = calloc(1, sizeof(*held));
        if (!held)
            return NULL;
        held->source = source;
        held->chunk.ring = ring;
        gather->items[slot] = held;
        gather->items_count++;
    }
    return gather->items[slot];
}

bool evtrail_gather_joins(const struct evtrail_gathered *held, const struct evtrail_chunk *chunk)
{
    const struct evtrail_chunk *first = &held->chunk;
    return chunk->words_count && !chunk->missed && first->flags == chunk->flags &&
           chunk->events_before == first->events_before + first->events &&
           first->words_count + TIME_WORDS + chunk->words_count <= EVTRAIL_GATHER_WORDS &&
           !memcmp(first->lost_before, chunk->lost_before, sizeof(first->lost_before));
}

static int make_room(struct evtrail_gather *gather, struct evtrail_gathered *held, size_t words)
{
    size_t room = held->room ? held->room : 512;
    while (room < words)
        room *= 2;
    if (room == held->room)
        return 0;
    uint64_t *grown = realloc(held->words, room * 8);
    if (!grown)
        return -ENOMEM;
    gather->bytes += (room - held->room) * 8;
    held->words = grown;
    held->room = room;
    return 0;
}

static void append(struct evtrail_gathered *held, const uint64_t *words, size_t count)
{
    memcpy(held->words + held->chunk.words_count, words, count * 8);
    held->chunk.words_count += count;
}

static void join(struct evtrail_gathered *held, const struct evtrail_chunk *chunk)
{
    struct evtrail_chunk *whole = &held->chunk;
    const uint64_t reference = chunk->state.reference_ticks;
    const uint64_t time[TIME_WORDS] = {reference << 20 | EVTRAIL_RECORD_TIME << 6 | 1, reference};
    append(held, time, TIME_WORDS);
    append(held, chunk->words, chunk->words_count);
    whole->events += chunk->events;
    whole->last_block = chunk->last_block;
    whole->first_ticks = chunk->first_ticks < whole->first_ticks ? chunk->first_ticks : whole->first_ticks;
    whole->last_ticks = chunk->last_ticks > whole->last_ticks ? chunk->last_ticks : whole->last_ticks;
}

int evtrail_gather_add(struct evtrail_gather *gather, struct evtrail_gathered *held, const struct evtrail_chunk *chunk,
                       int64_t now_ns)
{
    const size_t had = held->since_ns ? held->chunk.words_count : 0;
    if (make_room(gather, held, had + TIME_WORDS + chunk->words_count) < 0)
        return -ENOMEM;
    if (held->since_ns) {
        join(held, chunk);
    } else {
        held->chunk = *chunk;
        held->chunk.words_count = 0;
        append(held, chunk->words, chunk->words_count);
        held->since_ns = now_ns;
        gather->held++;
    }
    held->chunk.words = held->words;
    return 0;
}

void evtrail_gather_clear(struct evtrail_gather *gather, struct evtrail_gathered *held)
{
    gather->bytes -= held->room * 8;
    gather->held -= held->since_ns != 0;
    free(held->words);
    held->words = NULL;
    held->room = 0;
    held->since_ns = 0;
    held->chunk.words_count = 0;
}

void evtrail_gather_forget(struct evtrail_gather *gather, uint32_t source)
{
    bool any = false;
    for (uint32_t i = 0; i < gather->items_room && !any; i++)
        any = gather->items[i] && gather->items[i]->source == source;
    if (any)
        resize(gather, gather->items_room, source); /* no memory: they are kept, and found again */
}
