/* SPDX-License-Identifier: ISC
 *
 * Chained hashing over an array that doubles up to the budget. Every walk is bounded, whatever ids a trace makes up.
 */
#include "open_spans.h"

#include "keep.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 256u
#define SIZE_LEAST 16u
#define SIZE_MOST (1u << 28)
#define SOURCES_MAX 16384u
#define SHIFT 48 /* of a rate */

__extension__ typedef __int128 wide;

void open_spans_init(struct open_spans *open, struct part *part, unsigned percent,
                     void (*forget)(struct part *part, struct open_span *span))
{
    *open = (struct open_spans){.part = part, .percent = percent, .forget = forget};
    open->oldest = open->newest = open->unused = OPEN_NONE;
    open->seed = (uint64_t)(uintptr_t)open * UINT64_C(0x9e3779b97f4a7c15); /* where it lies is not known to a trace */
    idtable_init(&open->source_numbers, SOURCES_MAX);
}

void open_spans_fini(struct open_spans *open)
{
    free(open->entries);
    free(open->heads);
    free(open->sources);
    idtable_fini(&open->source_numbers);
}

static uint32_t *head_of(const struct open_spans *open, uint32_t source, uint64_t id)
{
    uint64_t hash = (id ^ open->seed) + source * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return &open->heads[hash >> 32 & (open->heads_size - 1)];
}

/* ---- room ---- */

static void fill_unused(struct open_spans *open, uint32_t from)
{
    for (uint32_t i = open->size; i-- > from;) {
        open->entries[i] = (struct open_span){.chain = open->unused};
        open->unused = i;
    }
}

/* Twice as many entries if there is room, else a quarter more; and as many heads, up to the next power of two below. */
static uint32_t next_size(const struct open_spans *open, uint32_t *ret_heads, size_t *ret_bytes)
{
    const uint32_t sizes[] = {open->size ? open->size * 2 : SIZE_FIRST,
                              open->size ? open->size + open->size / 4 : SIZE_LEAST};
    for (unsigned i = 0; i < 2 && open->size < SIZE_MOST; i++) {
        const uint32_t heads = UINT32_C(1) << (31 - __builtin_clz(sizes[i]));
        *ret_heads = heads;
        *ret_bytes = (sizes[i] - open->size) * sizeof *open->entries + (heads - open->heads_size) * sizeof *open->heads;
        if (part_has_room(open->part, *ret_bytes, open->percent))
            return sizes[i];
    }
    return 0;
}

static bool grow(struct open_spans *open)
{
    uint32_t heads_size;
    size_t bytes;
    const uint32_t before = open->size, size = next_size(open, &heads_size, &bytes);
    if (size == 0)
        return false;
    struct open_span *const entries = realloc(open->entries, size * sizeof *entries);
    open->entries = entries ? entries : open->entries;
    uint32_t *const heads = malloc(heads_size * sizeof *heads);
    if (!entries || !heads) {
        free(heads);
        return false;
    }
    free(open->heads);
    open->heads = heads;
    open->heads_size = heads_size;
    open->size = size;
    open->part->used_bytes += bytes;
    memset(heads, 0xff, heads_size * sizeof *heads);
    fill_unused(open, before);
    for (uint32_t i = open->oldest; i != OPEN_NONE; i = open->entries[i].newer) { /* so the newest comes first again */
        uint32_t *const head = head_of(open, open->entries[i].source, open->entries[i].id);
        open->entries[i].chain = *head;
        *head = i;
    }
    return true;
}

static void forget(struct open_spans *open, struct open_span *span)
{
    open->forgotten++;
    if (open->forget)
        open->forget(open->part, span);
    open_spans_remove(open, span);
}

/* ---- entries ---- */

struct open_span *open_spans_find(const struct open_spans *open, uint32_t source, uint64_t id, uint32_t row)
{
    if (open->used == 0)
        return NULL;
    for (uint32_t i = *head_of(open, source, id); i != OPEN_NONE; i = open->entries[i].chain) {
        struct open_span *const span = &open->entries[i];
        if (span->id == id && span->source == source && (row == OPEN_NONE || span->row == row))
            return span;
    }
    return NULL;
}

/* Keeps chains short: of many that share a hash the oldest goes. */
static void trim(struct open_spans *open, uint32_t source, uint64_t id)
{
    unsigned count = 0;
    for (uint32_t i = *head_of(open, source, id); i != OPEN_NONE; i = open->entries[i].chain)
        if (++count == OPEN_SAME_MAX) {
            forget(open, &open->entries[i]);
            return;
        }
}

struct open_span *open_spans_add(struct open_spans *open, uint32_t source, uint64_t id, uint32_t row)
{
    if (open->unused == OPEN_NONE && !grow(open)) {
        if (open->oldest == OPEN_NONE)
            return NULL;
        forget(open, &open->entries[open->oldest]);
    }
    trim(open, source, id);
    const uint32_t number = open->unused;
    struct open_span *const span = &open->entries[number];
    open->unused = span->chain;
    uint32_t *const head = head_of(open, source, id);
    *span = (struct open_span){.id = id,
                               .row = row,
                               .source = source,
                               .chain = *head,
                               .older = open->newest,
                               .newer = OPEN_NONE,
                               .used = true};
    *head = number;
    if (open->newest != OPEN_NONE)
        open->entries[open->newest].newer = number;
    else
        open->oldest = number;
    open->newest = number;
    open->used++;
    open->sources[source].entries++;
    return span;
}

static void source_release(struct open_spans *open, uint32_t number)
{
    struct open_source *const source = &open->sources[number];
    struct idtable_entry *const entry = idtable_find(&open->source_numbers, 1, source->key);
    if (entry)
        idtable_remove(&open->source_numbers, entry);
    *source = (struct open_source){0};
}

void open_spans_remove(struct open_spans *open, struct open_span *span)
{
    const uint32_t number = open_span_number(open, span);
    uint32_t *link = head_of(open, span->source, span->id);
    while (*link != number)
        link = &open->entries[*link].chain;
    *link = span->chain;
    *(span->older != OPEN_NONE ? &open->entries[span->older].newer : &open->oldest) = span->newer;
    *(span->newer != OPEN_NONE ? &open->entries[span->newer].older : &open->newest) = span->older;
    struct open_source *const source = &open->sources[span->source];
    source->entries--;
    if (source->gone && source->entries == 0)
        source_release(open, span->source);
    span->used = false;
    span->chain = open->unused;
    open->unused = number;
    open->used--;
}

/* ---- processes ---- */

static uint32_t source_place(struct open_spans *open)
{
    for (uint32_t i = 0; i < open->sources_count; i++)
        if (open->sources[i].key == 0)
            return i;
    const uint32_t count = open->sources_count ? open->sources_count * 2 : 16;
    const size_t bytes = (count - open->sources_count) * sizeof *open->sources;
    if (count > SOURCES_MAX || !part_has_room(open->part, bytes, 100))
        return OPEN_NONE;
    struct open_source *const sources = realloc(open->sources, count * sizeof *sources);
    if (!sources)
        return OPEN_NONE;
    const uint32_t place = open->sources_count;
    memset(sources + place, 0, bytes);
    open->part->used_bytes += bytes;
    open->sources = sources;
    open->sources_count = count;
    return place;
}

static void rate_take(struct open_source *of, const struct evtrail_source *source)
{
    const int64_t rate = evtrail_source_duration(source, INT64_C(1) << SHIFT);
    of->rate = rate > 0 ? (uint64_t)rate : UINT64_C(1) << SHIFT;
    of->rate_of = source->clock.last.ticks;
    of->ticks = source->clock.last.ticks ? source->clock.last.ticks : source->clock.first.ticks;
    of->ns = evtrail_source_time(source, of->ticks);
}

uint32_t open_source_number(struct open_spans *open, const struct evtrail_source *source, uint64_t key)
{
    key = key ? key : 1;
    struct idtable_entry *entry = idtable_find(&open->source_numbers, 1, key);
    if (entry && !open->sources[entry->state].gone)
        return entry->state;
    if (entry) { /* one that has ended comes again: another file of it */
        open->sources[entry->state].gone = false;
        return entry->state;
    }
    const uint32_t place = source_place(open);
    if (place == OPEN_NONE || !(entry = idtable_put(&open->source_numbers, 1, key)))
        return OPEN_NONE;
    entry->state = place;
    struct open_source *const of = &open->sources[place];
    *of = (struct open_source){.key = key, .pid = source->pid, .host = model_host_number(open->part->model, source)};
    for (size_t i = 0; i + 1 < sizeof of->command && source->command[i]; i++)
        of->command[i] = source->command[i];
    rate_take(of, source);
    return place;
}

/* What a process left that ended long ago makes room. */
static void purge(struct open_spans *open, uint64_t key)
{
    const struct idtable_entry *const entry = key ? idtable_find(&open->source_numbers, 1, key) : NULL;
    if (!entry || !open->sources[entry->state].gone)
        return;
    const uint32_t number = entry->state;
    for (uint32_t i = open->oldest, newer; i != OPEN_NONE; i = newer) {
        struct open_span *const span = &open->entries[i];
        newer = span->newer;
        if (span->source != number)
            continue;
        if (open->forget)
            open->forget(open->part, span);
        open_spans_remove(open, span);
    }
}

static void remember_gone(struct open_spans *open, uint64_t key)
{
    uint64_t *const place = &open->gone[open->gone_next++ % OPEN_GONE_MAX];
    const uint64_t before = *place;
    *place = key;
    purge(open, before);
}

void open_source_gone(struct open_spans *open, uint64_t key, void (*each)(struct part *part, struct open_span *span))
{
    const struct idtable_entry *const entry = idtable_find(&open->source_numbers, 1, key ? key : 1);
    if (!entry || open->sources[entry->state].gone)
        return;
    const uint32_t number = entry->state;
    if (open->sources[number].entries == 0) {
        source_release(open, number);
        return;
    }
    open->sources[number].gone = true;
    for (uint32_t i = open->oldest; i != OPEN_NONE; i = open->entries[i].newer) {
        struct open_span *const span = &open->entries[i];
        if (span->source != number || span->gone)
            continue;
        span->gone = true;
        if (each)
            each(open->part, span);
    }
    remember_gone(open, open->sources[number].key);
}

/* ---- time ---- */

static int64_t duration(const struct open_source *of, uint64_t from, uint64_t to)
{
    return (int64_t)(((wide)(int64_t)(to - from) * (wide)of->rate + ((wide)1 << (SHIFT - 1))) >> SHIFT);
}

int64_t open_source_duration(struct open_source *of, const struct evtrail_source *source, uint64_t from, uint64_t to)
{
    if (of->rate_of != source->clock.last.ticks)
        rate_take(of, source);
    const int64_t ns = duration(of, from, to);
    return ns > 0 ? ns : 0;
}

int64_t open_span_time(const struct open_spans *open, const struct open_span *span)
{
    const struct open_source *const of = &open->sources[span->source];
    return (int64_t)((uint64_t)of->ns + (uint64_t)duration(of, of->ticks, span->ticks));
}
