/* SPDX-License-Identifier: ISC
 *
 * Cuts chunks to a time range, event by event: what is left of each is a chunk that decodes alone, and the rings' accounts add up
 * without what was left out.
 */
#include "file/cut.h"

#include "reader/stream_state.h"

#include <errno.h>
#include <stdlib.h>

struct ring {
    const struct evtrail_source *source; /* NULL: free */
    uint32_t ring;
    uint64_t left_out; /* events behind the first that was kept */
};
struct evtrail_cutter {
    int64_t from_ns, to_ns;
    struct ring *rings; /* those that have begun: a hash table of open addressing */
    size_t rings_count, rings_room;
    uint64_t *words;
    size_t words_room;
    struct evtrail_chunk chunk;
    bool based;
    uint64_t lost_base[EVTRAIL_CAUSES]; /* at the last event before the chunk, if it was cut off */
};

int evtrail_cutter_new(struct evtrail_cutter **ret_cutter, int64_t from_ns, int64_t to_ns)
{
    struct evtrail_cutter *cutter = calloc(1, sizeof(*cutter));
    if (!cutter)
        return -ENOMEM;
    cutter->from_ns = from_ns;
    cutter->to_ns = to_ns;
    *ret_cutter = cutter;
    return 0;
}

void evtrail_cutter_free(struct evtrail_cutter *cutter)
{
    if (!cutter)
        return;
    free(cutter->rings);
    free(cutter->words);
    free(cutter);
}

/* ---- rings ---- */

static struct ring *slot_of(struct ring *rings, size_t room, const struct evtrail_source *source, uint32_t ring)
{
    const uint64_t key = (uint64_t)(uintptr_t)source + ring;
    size_t slot = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (room - 1);
    while (rings[slot].source && (rings[slot].source != source || rings[slot].ring != ring))
        slot = (slot + 1) & (room - 1);
    return &rings[slot];
}

static int grow(struct evtrail_cutter *cutter)
{
    const size_t room = cutter->rings_room ? cutter->rings_room * 2 : 64;
    struct ring *grown = calloc(room, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    for (size_t i = 0; i < cutter->rings_room; i++)
        if (cutter->rings[i].source)
            *slot_of(grown, room, cutter->rings[i].source, cutter->rings[i].ring) = cutter->rings[i];
    free(cutter->rings);
    cutter->rings = grown;
    cutter->rings_room = room;
    return 0;
}

static int ring_of(struct evtrail_cutter *cutter, const struct evtrail_chunk *chunk, struct ring **ret_ring)
{
    if (cutter->rings_count * 2 >= cutter->rings_room && grow(cutter) < 0)
        return -ENOMEM;
    *ret_ring = slot_of(cutter->rings, cutter->rings_room, chunk->source, chunk->ring);
    return 0;
}

/* What is kept of a ring follows what was kept before; the first of it says what came before it. */
static void renumber(struct evtrail_cutter *cutter, struct ring *ring, uint64_t missed, uint64_t before, uint64_t after)
{
    struct evtrail_chunk *chunk = &cutter->chunk;
    if (ring->source) {
        const uint64_t less = ring->left_out + missed;
        chunk->events_before -= less < chunk->events_before ? less : chunk->events_before;
        ring->left_out = less + before + after;
        return;
    }
    chunk->events_before += before;
    *ring = (struct ring){chunk->source, chunk->ring, after};
    cutter->rings_count++;
}

/* ---- records ---- */

struct cut {
    uint64_t *to;
    size_t count, kept_end;       /* words; those up to the last event that was kept */
    uint64_t before, kept, after; /* events: left out before the first that was kept, kept, left out behind it */
    bool ended;                   /* the last event was left out */
    const uint64_t *meta;         /* context of the next event, or NULL */
    size_t meta_words;
};

static void copy(struct cut *cut, const uint64_t *from, size_t words)
{
    memcpy(cut->to + cut->count, from, words * sizeof(*from));
    cut->count += words;
}

static void keep_event(struct evtrail_chunk *chunk, struct cut *cut, const uint64_t *start,
                       const struct evtrail_walk *walk)
{
    if (!cut->kept++) {
        chunk->state.reference_ticks = walk->reference;
        chunk->first_ticks = chunk->last_ticks = walk->ticks;
    }
    chunk->first_ticks = walk->ticks < chunk->first_ticks ? walk->ticks : chunk->first_ticks;
    chunk->last_ticks = walk->ticks > chunk->last_ticks ? walk->ticks : chunk->last_ticks;
    if (cut->meta)
        copy(cut, cut->meta, cut->meta_words);
    copy(cut, start, (size_t)(walk->at - start));
    cut->kept_end = cut->count;
}

/* Context stays with its event; the others are kept behind the first event, and before it make the state it begins in. */
static void take_own(struct evtrail_chunk *chunk, struct cut *cut, const uint64_t *start,
                     const struct evtrail_walk *walk)
{
    if (walk->id == EVTRAIL_RECORD_META) {
        cut->meta = start;
        cut->meta_words = (size_t)(walk->at - start);
    } else if (cut->kept) {
        copy(cut, start, (size_t)(walk->at - start));
    } else {
        evtrail_state_apply(&chunk->state, walk, chunk->lost_before);
    }
}

static void cut_records(struct evtrail_cutter *cutter, const struct evtrail_chunk *whole, struct evtrail_chunk *chunk,
                        struct cut *cut, int64_t *next_ns)
{
    struct evtrail_walk walk;
    evtrail_walk_init(&walk, whole->words, whole->words_count, whole->state.reference_ticks);
    for (const uint64_t *start = walk.at; evtrail_walk_next(&walk); start = walk.at) {
        if (walk.id < EVTRAIL_EVENT_FIRST) {
            take_own(chunk, cut, start, &walk);
            continue;
        }
        const int64_t time = evtrail_source_time(whole->source, walk.ticks);
        cut->ended = time < cutter->from_ns || time >= cutter->to_ns;
        if (!cut->ended)
            keep_event(chunk, cut, start, &walk);
        else if (cut->kept)
            cut->after++;
        else {
            cut->before++;
            cutter->based = true;
            memcpy(cutter->lost_base, chunk->lost_before, sizeof(cutter->lost_base));
        }
        if (time >= cutter->to_ns && time < *next_ns)
            *next_ns = time;
        cut->meta = NULL;
    }
}

static bool within(const struct evtrail_cutter *cutter, const struct evtrail_chunk *chunk)
{
    return evtrail_source_time(chunk->source, chunk->first_ticks) >= cutter->from_ns &&
           evtrail_source_time(chunk->source, chunk->last_ticks) < cutter->to_ns;
}

static int reserve(struct evtrail_cutter *cutter, size_t words)
{
    uint64_t *grown = words > cutter->words_room ? realloc(cutter->words, words * sizeof(*grown)) : cutter->words;
    if (words && !grown)
        return -ENOMEM;
    cutter->words = grown;
    cutter->words_room = words > cutter->words_room ? words : cutter->words_room;
    return 0;
}

int evtrail_cutter_cut(struct evtrail_cutter *cutter, const struct evtrail_chunk *whole, uint64_t skipped,
                       const struct evtrail_chunk **ret_chunk, int64_t *next_ns)
{
    struct evtrail_chunk *chunk = &cutter->chunk;
    struct ring *ring;
    if (ring_of(cutter, whole, &ring) < 0 || reserve(cutter, whole->words_count) < 0)
        return -ENOMEM;
    struct cut cut = {.to = cutter->words};
    *chunk = *whole;
    cutter->based = false;
    ring->left_out += ring->source ? skipped : 0;
    *ret_chunk = chunk;
    if (!whole->words_count || within(cutter, whole)) {
        renumber(cutter, ring, 0, 0, 0);
        return 1;
    }
    cut_records(cutter, whole, chunk, &cut, next_ns);
    const uint64_t missed = cut.before ? whole->missed : 0; /* left out with the events behind it */
    chunk->missed -= missed;
    if (!cut.kept) {
        ring->left_out += ring->source ? missed + cut.before : 0;
        return 0;
    }
    chunk->words = cut.to;
    chunk->words_count = cut.ended ? cut.kept_end : cut.count; /* what comes behind is the later event's */
    chunk->events = cut.kept;
    renumber(cutter, ring, missed, cut.before, cut.after);
    return 1;
}

bool evtrail_cutter_base(const struct evtrail_cutter *cutter, uint64_t *ret_lost)
{
    if (cutter->based)
        memcpy(ret_lost, cutter->lost_base, sizeof(cutter->lost_base));
    return cutter->based;
}
