/* SPDX-License-Identifier: ISC
 *
 * The decoder of one ring: events get what TIME, META, THREAD, LABEL and LOST records before them said.
 */
#include "reader/decode.h"

#include <errno.h>
#include <string.h>

const char *evtrail_cause_name(unsigned cause)
{
    static const char *const names[EVTRAIL_CAUSES_ALL] = {
        "full",      "timeout",    "memory",     "nested",      "shed-critical", "shed-error", "shed-warning",
        "shed-info", "shed-debug", "shed-trace", "overwritten", "torn",          "spool",
    };
    return cause < EVTRAIL_CAUSES_ALL ? names[cause] : "unknown";
}

void evtrail_decoder_init(struct evtrail_decoder *decoder)
{
    *decoder = (struct evtrail_decoder){0};
    decoder->event.duration = -1;
}

void evtrail_decoder_missing(struct evtrail_decoder *decoder, unsigned cause, uint64_t count)
{
    if (!count || cause >= EVTRAIL_CAUSES_ALL)
        return;
    decoder->missing[cause] += count;
    decoder->pending |= 1u << cause;
}

static void note_counts(struct evtrail_decoder *decoder, const uint64_t *counts)
{
    for (unsigned i = 0; i < EVTRAIL_CAUSES; i++) {
        if (counts[i] <=
            decoder->known_lost[i]) /* lower: what the ring's header said of later losses was told already */
            continue;
        evtrail_decoder_missing(decoder, i, counts[i] - decoder->known_lost[i]);
        decoder->known_lost[i] = counts[i];
    }
}

void evtrail_decoder_begin(struct evtrail_decoder *decoder, const struct evtrail_chunk *chunk)
{
    struct evtrail_event *event = &decoder->event;
    decoder->state = chunk->state;
    decoder->state.thread_name[sizeof(decoder->state.thread_name) - 1] = 0;
    evtrail_walk_init(&decoder->walk, chunk->words, chunk->words_count, chunk->state.reference_ticks);
    evtrail_clock_map_init(&decoder->clock, &chunk->source->clock);
    *event = (struct evtrail_event){
        .what = EVTRAIL_EVENT,
        .source = chunk->source,
        .ring = chunk->ring,
        .tid = decoder->state.tid,
        .thread_name = decoder->state.thread_name,
        .labels = decoder->state.labels,
        .duration = -1,
    };
    decoder->chunk_events = chunk->events;
    decoder->started = true;
    decoder->faulty = false;
    decoder->loss_ticks = chunk->first_ticks ? chunk->first_ticks : chunk->state.reference_ticks;
    note_counts(decoder, chunk->lost_before);
    evtrail_decoder_missing(decoder, EVTRAIL_CAUSE_overwritten, chunk->missed);
}

/* ---- records of our own ------------------------------------------------------------------------------------------ */

static void clear_meta(struct evtrail_event *event)
{
    event->meta = 0;
    event->cpu = 0;
    event->caller = 0;
    event->stack_count = 0;
    event->stack = NULL;
}

/* Flags whose words are missing are dropped. */
static void take_meta(struct evtrail_event *event, const uint64_t *at, uint32_t left)
{
    clear_meta(event);
    if (!left)
        return;
    uint32_t flags = (uint32_t)*at++;
    left--;
    event->meta = flags & (EVTRAIL_META_CUT | EVTRAIL_META_SIGNAL);
    if (flags & EVTRAIL_META_CPU) {
        if (!left)
            return;
        event->cpu = (uint32_t)*at++;
        left--;
        event->meta |= EVTRAIL_META_CPU;
    }
    if (flags & EVTRAIL_META_CALLER) {
        if (!left)
            return;
        event->caller = *at++;
        left--;
        event->meta |= EVTRAIL_META_CALLER;
    }
    if (flags & EVTRAIL_META_STACK) {
        if (!left || *at > left - 1 || *at > EVTRAIL_STACK_MAX)
            return;
        event->stack_count = (uint32_t)*at;
        event->stack = at + 1;
        event->meta |= EVTRAIL_META_STACK;
    }
}

static void take_thread(struct evtrail_decoder *decoder, const uint64_t *at, uint32_t words)
{
    if (words < 3)
        return;
    decoder->state.tid = (uint32_t)at[0];
    decoder->event.tid = decoder->state.tid;
    memcpy(decoder->state.thread_name, at + 1, 16);
    decoder->state.thread_name[16] = 0;
}

/* A string field at *at: copied into `text`, cut at 64 bytes. *at and *left go behind it. False: not there or NULL. */
static bool take_string(const uint64_t **at, uint32_t *left, char *text)
{
    text[0] = 0;
    if (!*left)
        return false;
    uint32_t bytes = (uint32_t) * *at;
    ++*at;
    --*left;
    if (bytes == EVTRAIL_NULL || bytes > (uint64_t)*left * 8)
        return false;
    uint32_t kept = bytes < EVTRAIL_LABEL_BYTES ? bytes : EVTRAIL_LABEL_BYTES;
    memcpy(text, *at, kept);
    text[kept] = 0;
    *at += (bytes + 7) / 8;
    *left -= (bytes + 7) / 8;
    return true;
}

static void take_label(struct evtrail_decoder *decoder, const uint64_t *at, uint32_t left)
{
    if (!left || *at >= EVTRAIL_LABELS_MAX)
        return;
    struct evtrail_label *label = &decoder->state.labels[*at++];
    left--;
    if (!take_string(&at, &left, label->key) || !take_string(&at, &left, label->value))
        *label = (struct evtrail_label){0};
}

static __attribute__((noinline)) void take_own(struct evtrail_decoder *decoder)
{
    const struct evtrail_walk *walk = &decoder->walk;
    switch (walk->id) {
    case EVTRAIL_RECORD_META:
        take_meta(&decoder->event, walk->payload, walk->words);
        break;
    case EVTRAIL_RECORD_LOST:
        if (walk->words < EVTRAIL_CAUSES)
            break;
        decoder->loss_ticks = walk->ticks;
        note_counts(decoder, walk->payload);
        break;
    case EVTRAIL_RECORD_THREAD:
        take_thread(decoder, walk->payload, walk->words);
        break;
    case EVTRAIL_RECORD_LABEL:
        take_label(decoder, walk->payload, walk->words);
        break;
    default: /* TIME: the walk applied it; others: a later version's */
        break;
    }
}

/* ---- the loop ----------------------------------------------------------------------------------------------------- */

static int give_loss(struct evtrail_decoder *decoder)
{
    struct evtrail_event *event = &decoder->event;
    unsigned cause = (unsigned)__builtin_ctz(decoder->pending);
    decoder->pending &= decoder->pending - 1;
    event->what = EVTRAIL_EVENT_LOST;
    event->cause = cause;
    event->lost = decoder->missing[cause];
    event->ticks = decoder->loss_ticks;
    event->time = evtrail_clock_map_time(&decoder->clock, decoder->loss_ticks);
    event->lost_since = decoder->last_ticks ? evtrail_clock_map_time(&decoder->clock, decoder->last_ticks)
                                            : (int64_t)event->source->start_realtime_ns;
    if (event->lost_since > event->time)
        event->lost_since = event->time;
    event->id = 0;
    event->type = NULL;
    event->payload = NULL;
    event->words = 0;
    event->duration = -1;
    decoder->lost[cause] += event->lost;
    decoder->missing[cause] = 0;
    return 1;
}

static void give_event(struct evtrail_decoder *decoder)
{
    struct evtrail_event *event = &decoder->event;
    const struct evtrail_walk *walk = &decoder->walk;
    const struct evtrail_source *source = event->source;
    event->what = EVTRAIL_EVENT;
    event->id = walk->id;
    event->ticks = walk->ticks;
    event->time = evtrail_clock_map_time(&decoder->clock, walk->ticks);
    event->type = walk->id < source->types_count ? source->types[walk->id] : NULL;
    event->payload = walk->payload;
    event->words = walk->words;
    event->duration = -1;
    event->lost = 0;
}

/* The chunk has no more records that can be read; what it said it holds and did not show is torn. */
static int end_chunk(struct evtrail_decoder *decoder)
{
    decoder->loss_ticks = decoder->walk.ticks ? decoder->walk.ticks : decoder->loss_ticks;
    evtrail_decoder_missing(decoder, EVTRAIL_CAUSE_torn, decoder->chunk_events);
    decoder->chunk_events = 0;
    if (!decoder->walk.fault || decoder->faulty)
        return decoder->pending ? give_loss(decoder) : 0;
    decoder->faulty = true;
    return -EBADMSG;
}

int evtrail_decoder_next(struct evtrail_decoder *decoder)
{
    struct evtrail_walk *walk = &decoder->walk;
    if (decoder->event.meta)
        clear_meta(&decoder->event); /* META is about one event */
    while (!decoder->pending) {
        if (!evtrail_walk_next(walk))
            return end_chunk(decoder);
        if (__builtin_expect(walk->id < EVTRAIL_EVENT_FIRST, 0)) {
            take_own(decoder);
            continue;
        }
        decoder->events++;
        decoder->chunk_events -= decoder->chunk_events != 0;
        decoder->last_ticks = walk->ticks;
        if (decoder->skip && walk->id < decoder->skip_count && decoder->skip[walk->id]) {
            clear_meta(&decoder->event);
            continue;
        }
        give_event(decoder);
        return 1;
    }
    return give_loss(decoder);
}

bool evtrail_chunk_next(const struct evtrail_chunk *chunk, struct evtrail_chunk_step *step)
{
    struct evtrail_walk walk;
    if (step->at >= chunk->words_count)
        return false;
    evtrail_walk_init(&walk, chunk->words + step->at, chunk->words_count - step->at, 0);
    do
        if (!evtrail_walk_next(&walk)) {
            step->at = chunk->words_count;
            return false;
        }
    while (walk.id < EVTRAIL_EVENT_FIRST);
    step->at = (size_t)(walk.at - chunk->words);
    step->id = walk.id;
    step->words = walk.words;
    return true;
}
