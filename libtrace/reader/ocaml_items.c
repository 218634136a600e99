/* SPDX-License-Identifier: ISC
 *
 * What is read of an OCaml process's rings: items into chunks, what was lost, versions, programs that replace others.
 */
#include "reader/ocaml_input_private.h"

#include "reader/clock_live.h"

#include <errno.h>
#include <stdlib.h>

#define BACK_MAX_NS UINT64_C(1000000000) /* a ring's stamps do not go back; by more than this, it is no stamp */
#define AHEAD_MAX_NS UINT64_C(10000000000)
#define OUT_WORDS_MAX (EVTRAIL_CHUNK_WORDS - 8192)
#define MEAN_WORDS 3         /* of an item, before some were seen */
#define TELLS_ENOUGH 1000000 /* items without a sign of their version: none will come */

/* ---- versions ---- */

/* What the stream shows is believed more than what an executable says. */
static void settle_release(struct ocaml_input *in, const uint64_t *words, size_t count)
{
    struct evtrail_ocaml_item item;
    const char *why;
    for (uint32_t length; count && (length = evtrail_ocaml_item_take(words, count, &item, &why)) != 0;
         count -= length, words += length) {
        evtrail_ocaml_evidence_take(&in->evidence, &item);
        in->items++;
    }
    const enum evtrail_ocaml_release shows = evtrail_ocaml_evidence_says(&in->evidence), was = in->decoder.release;
    const bool ox = shows == EVTRAIL_OCAML_5_2 && was == EVTRAIL_OCAML_OX; /* it may not have shown what it has more */
    if (shows != EVTRAIL_OCAML_UNKNOWN && shows != was && !ox && !in->said) {
        struct evtrail_fault fault;
        evtrail_ocaml_decoder_release(&in->decoder, shows);
        if (was != EVTRAIL_OCAML_UNKNOWN)
            evtrail_reader_fault(
                in->input.reader,
                evtrail_fault_set(&fault, -EBADMSG,
                                  "%s: its executable is of OCaml %s, its events are those of %s: read as the "
                                  "latter; --ocaml-version overrides that",
                                  in->path, evtrail_ocaml_release_text(was), evtrail_ocaml_release_text(shows)),
                &fault);
    }
    in->settled =
        (in->evidence.high && !in->evidence.low) || (in->evidence.low && in->evidence.late) || in->items > TELLS_ENOUGH;
}

void evtrail_ocaml_find_release(struct ocaml_input *in, uint32_t pid)
{
    const char *const said = in->input.reader->options.ocaml_version;
    char path[64], version[48] = "";
    if (said)
        snprintf(version, sizeof(version), "%s", said);
    else if (pid) {
        snprintf(path, sizeof(path), "/proc/%u/exe", pid);
        evtrail_ocaml_version_find(path, version, sizeof(version));
    }
    in->said = in->settled = said != NULL;
    in->decoder.release = evtrail_ocaml_release_of(version);
    if (in->decoder.release == EVTRAIL_OCAML_UNKNOWN && !in->map.names)
        in->decoder.release = EVTRAIL_OCAML_5_2; /* no place for names: 5.0 */
}

/* ---- rings ---- */

struct ocaml_ring *evtrail_ocaml_ring_of(struct ocaml_input *in, uint32_t index)
{
    if (in->rings[index])
        return in->rings[index];
    struct ocaml_ring *const ring = calloc(1, sizeof(*ring));
    if (!ring)
        return NULL;
    ring->index = index;
    evtrail_ocaml_lane_init(&ring->lane, index);
    return in->rings[index] = ring;
}

bool evtrail_ocaml_has_more(struct ocaml_input *in, uint32_t index)
{
    const struct ocaml_ring *const ring = in->rings[index];
    return !in->resized &&
           ((ring && (ring->lost_words || ring->lane.untold)) || evtrail_ocaml_feed_has(&in->feed, index));
}

/* About so many events were in words that nobody saw: by the mean length of the items before and behind them. In each round whole items fit into
 * the ring, what is left at its end is padding. */
static uint64_t estimate(const struct ocaml_input *in, const struct ocaml_ring *ring,
                         const struct evtrail_ocaml_copy *copy, uint64_t lost)
{
    struct evtrail_ocaml_item item;
    const char *why;
    uint64_t items = ring->items, words = ring->words;
    size_t at = 0;
    for (uint32_t length;
         at < copy->count && (length = evtrail_ocaml_item_take(copy->words + at, copy->count - at, &item, &why)) != 0;
         at += length) {
        items += !item.padding;
        words += item.padding ? 0 : length;
    }
    if (words < 64) { /* a few items at a program's end are not like those before */
        items += 4;
        words += 4 * MEAN_WORDS;
    }
    const double mean = (double)words / (double)items, round = (double)in->map.elements;
    const uint64_t whole = (uint64_t)(round / mean);
    const uint64_t count = (uint64_t)((double)lost / (whole ? round / (double)whole : mean) + 0.5);
    return lost && !count ? 1 : count;
}

static void tell_fault(struct ocaml_input *in, struct ocaml_ring *ring, uint64_t at, const char *what)
{
    struct evtrail_fault fault;
    if (ring->faulty)
        return;
    ring->faulty = true;
    evtrail_reader_fault(in->input.reader,
                         evtrail_fault_set(&fault, -EBADMSG, "%s: ring %u, word %llu: %s: read on behind it", in->path,
                                           ring->index, (unsigned long long)at, what),
                         &fault);
}

static const char *stamp_fault(const struct ocaml_input *in, const struct ocaml_ring *ring, uint64_t time, uint64_t now)
{
    if (ring->last_ns > BACK_MAX_NS && time < ring->last_ns - BACK_MAX_NS)
        return "a stamp long before the one before it";
    if (!in->input.live)
        return time > UINT64_C(1) << 62 ? "an impossible stamp" : NULL;
    return time > now + AHEAD_MAX_NS ? "a stamp that lies ahead" : NULL;
}

/* Looked for when all inputs were looked at: it makes another one. */
static void note_child(struct ocaml_input *in, uint64_t pid)
{
    if (in->input.live && in->forks_count < FORKS_MAX)
        in->forks[in->forks_count++] = pid;
}

/* Translates what was copied, until there is enough. How many words were taken; the rest is lost if something is wrong with it. */
static size_t translate(struct ocaml_input *in, struct ocaml_ring *ring, struct evtrail_ocaml_copy *copy,
                        struct evtrail_ocaml_step *step, size_t from, size_t most)
{
    const uint64_t now = in->input.live ? evtrail_monotonic_now() : 0;
    struct evtrail_ocaml_item item;
    size_t at = from;
    while (at < copy->count && step->out->count < most) {
        const char *why = NULL;
        const uint32_t length = evtrail_ocaml_item_take(copy->words + at, copy->count - at, &item, &why);
        if (length && !item.padding)
            why = stamp_fault(in, ring, item.time, now);
        if (!length && !why && copy->cut)
            break;
        if (!length || why) {
            if (copy->cut) { /* where items begin behind it only the tail tells */
                copy->behind = copy->tail - (copy->at + copy->count);
                copy->next = copy->tail;
            }
            tell_fault(in, ring, copy->at + at, why ? why : "an item longer than what there is");
            ring->lost_words += copy->count - at;
            return copy->count;
        }
        if (!item.padding) {
            if (item.time > ring->last_ns) /* else: of two threads of a domain, one was late */
                ring->last_ns = item.time;
            step->ticks = ring->last_ns;
            if (evtrail_ocaml_decode(step, &item) < 0)
                break;
            if (!item.user && item.type == EVTRAIL_OCAML_LIFECYCLE && item.id == FORK_PARENT && item.words)
                note_child(in, item.payload[0]);
            ring->items++;
            ring->words += length;
        }
        at += length;
    }
    ring->faulty &= at == from;
    ring->seen |= at != from;
    return at;
}

/* When the first item of these was written; else when the last one before was. */
static uint64_t first_time(const struct ocaml_ring *ring, const uint64_t *words, size_t count)
{
    struct evtrail_ocaml_item item;
    const char *why;
    uint32_t length = count ? evtrail_ocaml_item_take(words, count, &item, &why) : 0;
    if (length && item.padding && length < count)
        length = evtrail_ocaml_item_take(words + length, count - length, &item, &why);
    return length && !item.padding && item.time > ring->last_ns && item.time < UINT64_C(1) << 62 ? item.time
                                                                                                 : ring->last_ns;
}

static void describe(const struct ocaml_input *in, const struct ocaml_ring *ring, struct evtrail_chunk *chunk)
{
    const uint32_t index = ring->index;
    chunk->source = (struct evtrail_source *)(uintptr_t)&in->source;
    chunk->ring = index;
    chunk->first_block = chunk->last_block = ring->chunks;
    chunk->events_before = ring->events_before;
    chunk->state.tid = index ? index : in->source.pid;
    snprintf(chunk->state.thread_name, sizeof(chunk->state.thread_name), "domain %u", index);
}

/* What comes next of a ring, and where the ring was before: what the pump has copied; without it, from the ring itself. Where it begins in the
 * copy; -1: there is nothing. */
static ptrdiff_t next_copy(struct ocaml_input *in, const struct ocaml_ring *ring, struct evtrail_ocaml_copy *copy,
                           uint64_t *ret_before)
{
    struct evtrail_ocaml_ring *const at = &in->feed.queues[ring->index].ring;
    *copy = (struct evtrail_ocaml_copy){.words = in->copied, .any = !in->feed.pump};
    *ret_before = 0;
    if (!in->feed.pump) { /* else the position is the pump's */
        *ret_before = at->at;
        return evtrail_ocaml_ring_copy(at, &in->map, copy) ? 0 : -1;
    }
    const struct evtrail_ocaml_segment *const segment = evtrail_ocaml_feed_peek(&in->feed, ring->index, copy);
    if (segment)
        *ret_before = segment->before;
    in->decoder.names_gone = segment && segment->replaced;
    return segment ? (ptrdiff_t)segment->taken : -1;
}

static void took(struct ocaml_input *in, struct ocaml_ring *ring, const struct evtrail_ocaml_copy *copy, size_t taken)
{
    if (in->feed.pump) {
        ring->lost_words += evtrail_ocaml_feed_take(&in->feed, ring->index, taken);
        return;
    }
    const bool all = taken == copy->count;
    in->feed.queues[ring->index].ring.at = all ? copy->next : copy->at + taken;
    ring->lost_words += all ? copy->behind : 0;
}

/* ---- programs that replace others ---- */

/* Where sessions are looked for it comes again, as another. */
static void end_of_size(struct ocaml_input *in)
{
    struct evtrail_fault fault;
    in->dead = in->resized = true;
    if (!evtrail_reader_try_later(in->input.reader, in->path))
        evtrail_reader_fault(
            in->input.reader,
            evtrail_fault_set(&fault, -EBADMSG,
                              "%s: taken over by a program with rings of another size: attach to it again", in->path),
            &fault);
}

/* Names, numbers and whatever else is known of the program before mean nothing any more. Each ring shows it for itself, the first of them counts. */
static void begin_program(struct ocaml_input *in, struct ocaml_ring *ring, bool seen_by_all)
{
    const uint64_t serial = ring->lane.serial;
    const uint32_t gap = ring->lane.gap;
    evtrail_ocaml_lane_init(&ring->lane, ring->index);
    ring->lane.serial = serial;
    ring->lane.gap = gap + 1;
    ring->seen = false;
    if (ring->renewed) {
        ring->renewed = false;
        return;
    }
    for (uint32_t i = 0; seen_by_all && i < in->map.domains; i++)
        if (in->rings[i] && in->rings[i] != ring)
            in->rings[i]->renewed = in->rings[i]->seen;
    if (!evtrail_ocaml_map_cut(&in->map) && !evtrail_ocaml_map_same(&in->map))
        end_of_size(in);
    evtrail_ocaml_decoder_renew(&in->decoder);
    const enum evtrail_ocaml_release before = in->decoder.release;
    in->evidence = (struct evtrail_ocaml_evidence){0};
    in->items = 0;
    evtrail_ocaml_find_release(in, in->dead ? 0 : in->source.pid);
    if (in->decoder.release == EVTRAIL_OCAML_UNKNOWN)
        in->decoder.release = before;
    evtrail_ocaml_decoder_release(&in->decoder, in->decoder.release);
}

static void finish(const struct ocaml_input *in, struct ocaml_ring *ring, const struct evtrail_ocaml_step *step,
                   struct evtrail_chunk *chunk)
{
    describe(in, ring, chunk);
    ring->chunks++;
    ring->events_before += step->events;
    chunk->events = step->events;
    chunk->last_ticks = ring->last_ns;
    chunk->words = step->out->at;
    chunk->words_count = step->out->count;
}

/* Of a gap that left more entities unknown than one chunk tells. */
static int tell_rest(struct ocaml_input *in, struct ocaml_ring *ring, struct evtrail_words *words,
                     struct evtrail_chunk *chunk)
{
    uint64_t reference = ring->last_ns;
    struct evtrail_ocaml_step step = {
        .decoder = &in->decoder, .lane = &ring->lane, .out = words, .ticks = reference, .reference = &reference};
    *chunk = (struct evtrail_chunk){.first_ticks = reference};
    chunk->state.reference_ticks = reference;
    words->count = 0;
    evtrail_eio_forget(&step);
    finish(in, ring, &step, chunk);
    return step.events ? 1 : -EAGAIN;
}

/* One chunk of a ring into `words`. 1; 0: there is nothing; -EAGAIN: there may be more. */
static int read_some(struct ocaml_input *in, struct ocaml_ring *ring, struct evtrail_words *words,
                     struct evtrail_chunk *chunk)
{
    if (in->resized) /* what is where is another's */
        return 0;
    if (ring->lane.untold)
        return tell_rest(in, ring, words, chunk);
    struct evtrail_ocaml_copy copy;
    uint64_t before;
    const ptrdiff_t begin = next_copy(in, ring, &copy, &before);
    const size_t from = begin > 0 ? (size_t)begin : 0;
    if (begin < 0 && !ring->lost_words)
        return 0;
    if (copy.impossible)
        tell_fault(in, ring, copy.at, "its ends contradict each other");
    if (!in->settled && copy.count > from)
        settle_release(in, copy.words + from, copy.count - from);
    if (copy.anew) {
        const uint64_t left = evtrail_ocaml_ring_left(&in->map, ring->index, before, ring->last_ns);
        copy.lost = left > copy.lost ? left : copy.lost;
    }
    const uint64_t lost = copy.lost + ring->lost_words, since = ring->last_ns;
    uint64_t reference = first_time(ring, copy.words + from, copy.count - from);
    struct evtrail_ocaml_step step = {
        .decoder = &in->decoder, .lane = &ring->lane, .out = words, .ticks = reference, .reference = &reference};
    *chunk = (struct evtrail_chunk){.first_ticks = reference};
    chunk->state.reference_ticks = reference;
    words->count = 0;
    ring->lost_words = 0;
    if (lost) {
        chunk->missed = estimate(in, ring, &copy, lost);
        ring->events_before += chunk->missed;
        ring->last_ns = reference;
        const uint64_t start = evtrail_source_ticks(&in->source, (int64_t)in->source.start_realtime_ns);
        evtrail_ocaml_gap(&step, lost, chunk->missed, since ? since : start);
    }
    if (copy.anew && !lost)
        evtrail_eio_gap(&step);
    /* A ring that went round while nobody looked shows it by its names alone. */
    if (copy.anew || (copy.lost && evtrail_ocaml_decoder_renamed(&in->decoder)))
        begin_program(in, ring, copy.anew);
    const size_t taken = in->resized         ? copy.count
                         : ring->lane.untold ? from
                                             : translate(in, ring, &copy, &step, from, OUT_WORDS_MAX);
    if (begin >= 0)
        took(in, ring, &copy, taken);
    if (!step.events && !lost)
        return copy.anew || ring->lost_words ? -EAGAIN : 0;
    finish(in, ring, &step, chunk);
    return 1;
}

/* 1, or 0: there is nothing. */
int evtrail_ocaml_read_ring(struct ocaml_input *in, struct ocaml_ring *ring, struct evtrail_words *words,
                            struct evtrail_chunk *chunk)
{
    int result = read_some(in, ring, words, chunk);
    for (int programs = 0; result == -EAGAIN && programs < 3; programs++)
        result = read_some(in, ring, words, chunk);
    return result > 0;
}
