/* SPDX-License-Identifier: ISC
 *
 * What is missing of each ring: batches say how many events came before them, so a gap between two tells what a
 * damaged part between them held.
 */
#include "file/file_reader.h"

#include <stdlib.h>
#include <string.h>

enum { RINGS_MAX = 1 << 18 };

static size_t slot_of(const struct evtrail_ring_trail *rings, size_t room, uint64_t key)
{
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
    while (rings[slot].key && rings[slot].key != key)
        slot = (slot + 1) & (room - 1);
    return slot;
}

static bool grow(struct evtrail_file_cursor *cursor)
{
    const size_t room = cursor->rings_room ? cursor->rings_room * 2 : 64;
    struct evtrail_ring_trail *grown = room <= RINGS_MAX ? calloc(room, sizeof(*grown)) : NULL;
    if (!grown)
        return false;
    for (size_t i = 0; i < cursor->rings_room; i++)
        if (cursor->rings[i].key)
            grown[slot_of(grown, room, cursor->rings[i].key)] = cursor->rings[i];
    free(cursor->rings);
    cursor->rings = grown;
    cursor->rings_room = room;
    return true;
}

struct evtrail_ring_trail *evtrail_cursor_ring(struct evtrail_file_cursor *cursor, uint32_t source, uint32_t ring)
{
    if (cursor->rings_count * 2 >= cursor->rings_room && !grow(cursor))
        return NULL;
    const uint64_t key = ((uint64_t)source << 32 | ring) + 1;
    struct evtrail_ring_trail *state = &cursor->rings[slot_of(cursor->rings, cursor->rings_room, key)];
    if (!state->key) {
        state->key = key;
        cursor->rings_count++;
    }
    return state;
}

static uint64_t add_bounded(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

void evtrail_cursor_account(struct evtrail_file_cursor *cursor, const struct evtrail_chunk *chunk, uint32_t source)
{
    struct evtrail_ring_trail *state = evtrail_cursor_ring(cursor, source, chunk->ring);
    cursor->batch.torn = cursor->batch.skipped = 0;
    if (!state)
        return;
    const uint64_t told = add_bounded(state->expected, chunk->missed);
    if (state->known && chunk->events_before > told) {
        state->torn = add_bounded(state->torn, chunk->events_before - told);
        cursor->torn = add_bounded(cursor->torn, chunk->events_before - told);
    }
    cursor->batch.torn = state->torn;
    cursor->batch.skipped = state->skipped;
    state->torn = state->skipped = 0;
    state->expected = add_bounded(chunk->events_before, chunk->events);
    state->last_ticks = chunk->last_ticks;
    state->known = true;
}

bool evtrail_cursor_rest(struct evtrail_file_cursor *cursor)
{
    for (; cursor->rings_told < cursor->rings_room; cursor->rings_told++) {
        struct evtrail_ring_trail *state = &cursor->rings[cursor->rings_told];
        if (!state->key || !state->torn)
            continue;
        const uint32_t source = (uint32_t)((state->key - 1) >> 32);
        cursor->batch = (struct evtrail_batch){.torn = state->torn, .skipped = state->skipped};
        cursor->batch.chunk.source = cursor->sources[source];
        cursor->batch.chunk.ring = (uint32_t)(state->key - 1);
        cursor->batch.chunk.first_ticks = cursor->batch.chunk.last_ticks = state->last_ticks;
        cursor->batch.chunk.state.reference_ticks = state->last_ticks;
        cursor->batch.chunk.events_before = state->expected;
        cursor->batch.from_ns = cursor->batch.to_ns = evtrail_source_time(cursor->sources[source], state->last_ticks);
        state->torn = state->skipped = 0;
        return true;
    }
    cursor->rings_told = 0; /* following: more may come */
    return false;
}

void evtrail_cursor_forget_rings(struct evtrail_file_cursor *cursor)
{
    if (cursor->rings)
        memset(cursor->rings, 0, cursor->rings_room * sizeof(*cursor->rings));
    cursor->rings_count = 0;
}
