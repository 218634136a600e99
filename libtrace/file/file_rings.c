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

static void add_torn(struct evtrail_ring_trail *state, uint64_t events, uint64_t *total)
{
    state->torn = add_bounded(state->torn, events);
    state->torn_here = add_bounded(state->torn_here, events);
    *total = add_bounded(*total, events);
}

/* What is told of the ring before the batch at hand. */
static void show_before(struct evtrail_file_cursor *cursor, struct evtrail_ring_trail *state)
{
    struct evtrail_batch *batch = &cursor->batch;
    cursor->before = (struct evtrail_ring_before){.known = state->known,
                                                  .skipped = state->skipped != 0,
                                                  .torn = state->torn_here,
                                                  .spool = state->spool_here,
                                                  .ticks = state->last_ticks};
    memcpy(cursor->before.lost, state->lost, sizeof(state->lost));
    batch->torn = state->torn - state->spool;
    batch->spool = state->spool;
    batch->skipped = state->skipped;
    batch->based = state->based;
    memcpy(batch->lost_base, state->base, sizeof(state->base));
    batch->base_ticks = state->based ? state->last_ticks : 0;
    state->torn = state->torn_here = state->skipped = state->spool = state->spool_here = 0;
    state->based = false;
}

/* The ring may have been told of up to here in another part, by an ACCOUNT that is damaged: what is lost counts from here on. */
static void begin_here(struct evtrail_ring_trail *state, const struct evtrail_chunk *chunk)
{
    state->expected = chunk->events_before > chunk->missed ? chunk->events_before - chunk->missed : 0;
    memcpy(state->base, chunk->lost_before, sizeof(state->base));
    memcpy(state->lost, chunk->lost_before, sizeof(state->lost));
    state->known = state->based = true;
}

void evtrail_cursor_account(struct evtrail_file_cursor *cursor, const struct evtrail_chunk *chunk, uint32_t source,
                            uint64_t offset)
{
    struct evtrail_ring_trail *state = evtrail_cursor_ring(cursor, source, chunk->ring);
    cursor->batch = (struct evtrail_batch){0};
    cursor->before = (struct evtrail_ring_before){0};
    if (!state)
        return;
    if (!state->known && cursor->untold)
        begin_here(state, chunk);
    const uint64_t told = add_bounded(state->expected, chunk->missed);
    if (state->known && chunk->events_before > told)
        add_torn(state, chunk->events_before - told, &cursor->torn);
    if (state->unread && cursor->options.accounts && state->last_part == cursor->parts &&
        memcmp(state->lost, chunk->lost_before, sizeof(state->lost)))
        evtrail_cursor_recall(cursor, state->last_offset, state->lost);
    show_before(cursor, state);
    const uint64_t end = add_bounded(chunk->events_before, chunk->events);
    state->expected = state->known && end < state->expected ? state->expected : end;
    state->last_ticks = chunk->last_ticks;
    state->last_offset = offset;
    state->last_part = cursor->parts;
    state->unread = chunk->words_count != 0;
    state->known = true;
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES; cause++)
        if (chunk->lost_before[cause] > state->lost[cause])
            state->lost[cause] = chunk->lost_before[cause];
}

static void defer(struct evtrail_file_cursor *cursor, struct evtrail_ring_trail *state)
{
    const struct evtrail_batch *batch = &cursor->batch;
    state->skipped = add_bounded(state->skipped, batch->skipped);
    state->torn = add_bounded(state->torn, add_bounded(batch->torn, batch->spool));
    state->spool = add_bounded(state->spool, batch->spool);
    state->based |= batch->based;
}

void evtrail_cursor_pass(struct evtrail_file_cursor *cursor, uint32_t source)
{
    struct evtrail_ring_trail *state = evtrail_cursor_ring(cursor, source, cursor->batch.chunk.ring);
    if (!state)
        return;
    defer(cursor, state);
    state->skipped = add_bounded(state->skipped, cursor->batch.chunk.events);
}

void evtrail_cursor_tear(struct evtrail_file_cursor *cursor, uint32_t source)
{
    struct evtrail_ring_trail *state = evtrail_cursor_ring(cursor, source, cursor->batch.chunk.ring);
    if (!state)
        return;
    defer(cursor, state);
    state->torn_here = cursor->before.torn;
    state->spool_here = cursor->before.spool;
    add_torn(state, cursor->batch.chunk.events, &cursor->torn);
    memcpy(state->lost, cursor->before.lost, sizeof(state->lost)); /* nobody was told what it said */
    state->unread = false;
}

void evtrail_cursor_told(struct evtrail_file_cursor *cursor, const struct evtrail_account_frame *account,
                         uint32_t source)
{
    struct evtrail_ring_trail *state = evtrail_cursor_ring(cursor, source, account->ring);
    if (!state)
        return;
    const bool anew = !state->known || account->flags & EVTRAIL_ACCOUNT_CUT;
    state->expected = anew ? account->events : add_bounded(state->expected, account->torn);
    const bool spool = account->flags & EVTRAIL_ACCOUNT_SPOOL;
    const unsigned why = account->flags >> EVTRAIL_ACCOUNT_WHY_SHIFT & 0xff;
    const uint64_t before = cursor->spool;
    add_torn(state, account->torn, spool ? &cursor->spool : &cursor->torn_recorded);
    if (spool) {
        cursor->spool_by[why < EVTRAIL_SPOOL_WHYS ? why : 0] += cursor->spool - before;
        state->spool = add_bounded(state->spool, account->torn);
        state->spool_here = add_bounded(state->spool_here, account->torn);
    }
    state->unread = false;
    state->known = true;
    if (!anew) {
        if (!account->torn && account->events == state->expected) /* the next part of a set: all before is told */
            memcpy(state->lost, account->lost, sizeof(state->lost));
        return;
    }
    state->last_ticks = account->ticks ? account->ticks : state->last_ticks;
    state->based = true;
    memcpy(state->base, account->lost, sizeof(state->base));
    memcpy(state->lost, account->lost, sizeof(state->lost));
}

bool evtrail_cursor_rest(struct evtrail_file_cursor *cursor)
{
    for (; cursor->rings_told < cursor->rings_room; cursor->rings_told++) {
        struct evtrail_ring_trail *state = &cursor->rings[cursor->rings_told];
        if (!state->key || !state->torn)
            continue;
        const uint32_t source = (uint32_t)((state->key - 1) >> 32);
        cursor->batch = (struct evtrail_batch){0};
        show_before(cursor, state);
        cursor->batch_source = source;
        cursor->batch.chunk.source = cursor->sources[source];
        cursor->batch.chunk.ring = (uint32_t)(state->key - 1);
        cursor->batch.chunk.first_ticks = cursor->batch.chunk.last_ticks = state->last_ticks;
        cursor->batch.chunk.state.reference_ticks = state->last_ticks;
        cursor->batch.chunk.events_before = state->expected;
        cursor->batch.from_ns = cursor->batch.to_ns = evtrail_source_time(cursor->sources[source], state->last_ticks);
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
