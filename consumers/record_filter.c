/* SPDX-License-Identifier: ISC
 *
 * evtrail record --filter: the events that match, written anew as chunks of their rings (libtrace/layout.h has the record
 * format; docs/file-format.md what a chunk says of loss).
 */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_WORDS 16384u
#define EVENT_WORDS_MAX 131072u
#define TICKS_FAR (INT64_C(1) << 42) /* half of what 44 bits can tell apart */
enum { RECORD_TIME = 1, RECORD_META = 2, RECORD_THREAD = 4, RECORD_LABEL = 5 };

/* One ring, as it will be in the file. */
struct picked {
    struct evtrail_chunk chunk;
    struct evtrail_stream_state state; /* in force after the last record */
    uint64_t *words;
    size_t room;
    uint64_t seen; /* events written or missed before the chunk */
};
struct picker {
    struct sink sink; /* first */
    struct recorder *recorder;
    struct picked **rings;
    size_t count;
    size_t last; /* that was used */
};

static struct picked *ring_of(struct picker *picker, const struct evtrail_event *event)
{
    for (size_t i = 0; i < picker->count; i++) {
        const size_t at = (picker->last + i) % picker->count;
        if (picker->rings[at]->chunk.ring != event->ring || picker->rings[at]->chunk.source != event->source)
            continue;
        picker->last = at;
        return picker->rings[at];
    }
    struct picked **const bigger = realloc(picker->rings, (picker->count + 1) * sizeof *bigger);
    if (!bigger)
        return NULL;
    picker->rings = bigger;
    struct picked *const ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->chunk.source = event->source;
    ring->chunk.ring = event->ring;
    picker->last = picker->count;
    picker->rings[picker->count++] = ring;
    return ring;
}

/* ---- records ----------------------------------------------------------------------------------------------------------- */

static int reserve(struct picked *ring, size_t words)
{
    const size_t wanted = ring->chunk.words_count + words;
    if (wanted <= ring->room)
        return 0;
    const size_t room = wanted < CHUNK_WORDS ? CHUNK_WORDS : wanted;
    uint64_t *const bigger = realloc(ring->words, room * sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    ring->words = bigger;
    ring->room = room;
    return 0;
}

static int put_record(struct picked *ring, uint32_t id, uint64_t ticks, const uint64_t *payload, size_t count)
{
    const bool is_long = count >= 63;
    if (reserve(ring, count + 2) < 0)
        return -ENOMEM;
    uint64_t *at = ring->words + ring->chunk.words_count;
    *at++ = ticks << 20 | (uint64_t)id << 6 | (is_long ? 63 : count);
    if (is_long)
        *at++ = count;
    memcpy(at, payload, count * sizeof *at);
    ring->chunk.words_count += count + 1 + is_long;
    return 0;
}

/* Into words that are 0. */
static size_t put_string(uint64_t *words, const char *text)
{
    const size_t length = strlen(text);
    words[0] = length;
    memcpy(words + 1, text, length);
    return 1 + (length + 7) / 8;
}

static int put_label(struct picked *ring, unsigned slot, const struct evtrail_label *label, uint64_t ticks)
{
    uint64_t words[2 + 2 * 10] = {slot}; /* the slot, two strings of at most 64 bytes */
    size_t count = 1;
    count += put_string(words + count, label->key);
    if (*label->key)
        count += put_string(words + count, label->value);
    else
        words[count++] = UINT32_MAX; /* EVTRAIL_NULL: cleared */
    return put_record(ring, RECORD_LABEL, ticks, words, count);
}

static int put_thread(struct picked *ring, const struct evtrail_event *event)
{
    uint64_t words[3] = {event->tid};
    memcpy(words + 1, event->thread_name, strnlen(event->thread_name, 16));
    ring->state.tid = event->tid;
    snprintf(ring->state.thread_name, sizeof ring->state.thread_name, "%s", event->thread_name);
    return put_record(ring, RECORD_THREAD, event->ticks, words, 3);
}

/* What has changed since the last record. */
static int put_changes(struct picked *ring, const struct evtrail_event *event)
{
    const int64_t step = (int64_t)(event->ticks - ring->state.reference_ticks);
    int r = 0;
    if (step > TICKS_FAR || step < -TICKS_FAR) {
        ring->state.reference_ticks = event->ticks;
        r = put_record(ring, RECORD_TIME, event->ticks, &event->ticks, 1);
    }
    if (r == 0 && (event->tid != ring->state.tid || strcmp(event->thread_name, ring->state.thread_name) != 0))
        r = put_thread(ring, event);
    for (unsigned i = 0; r == 0 && event->labels && i < 4; i++) {
        struct evtrail_label *const old = &ring->state.labels[i];
        if (strcmp(old->key, event->labels[i].key) == 0 && strcmp(old->value, event->labels[i].value) == 0)
            continue;
        *old = event->labels[i];
        r = put_label(ring, i, &event->labels[i], event->ticks);
    }
    return r;
}

static int put_meta(struct picked *ring, const struct evtrail_event *event)
{
    uint64_t words[4 + 16];
    size_t count = 0;
    if (event->meta == 0)
        return 0;
    words[count++] = event->meta;
    if (event->meta & 2)
        words[count++] = event->cpu;
    if (event->meta & 4)
        words[count++] = event->caller;
    if (event->meta & 8) {
        const uint32_t stack = event->stack_count < 16 ? event->stack_count : 16;
        words[count++] = stack;
        memcpy(words + count, event->stack, stack * sizeof *words);
        count += stack;
    }
    return put_record(ring, RECORD_META, event->ticks, words, count);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------ */

static int chunk_write(struct picker *picker, struct consumer *consumer, struct picked *ring, bool even_empty)
{
    if (ring->chunk.words_count == 0 && !even_empty)
        return 0;
    ring->chunk.words = ring->words;
    ring->chunk.events_before = ring->seen;
    const int r = recorder_block(&picker->recorder->sink, consumer, &ring->chunk);
    ring->seen += ring->chunk.events;
    ring->chunk.first_block = ++ring->chunk.last_block;
    ring->chunk.words_count = 0;
    ring->chunk.events = ring->chunk.missed = 0;
    return r;
}

static void chunk_begin(struct picked *ring, const struct evtrail_event *event)
{
    struct evtrail_stream_state *const state = &ring->state;
    state->reference_ticks = event->ticks;
    state->tid = event->tid;
    snprintf(state->thread_name, sizeof state->thread_name, "%s", event->thread_name ? event->thread_name : "");
    if (event->labels)
        memcpy(state->labels, event->labels, sizeof state->labels);
    ring->chunk.state = *state;
    ring->chunk.first_ticks = ring->chunk.last_ticks = event->ticks;
}

static int take_loss(struct picker *picker, struct consumer *consumer, struct picked *ring,
                     const struct evtrail_event *event)
{
    const int r = chunk_write(picker, consumer, ring, false); /* the loss is after what is there */
    if (event->cause < EVTRAIL_CAUSES) {
        ring->chunk.lost_before[event->cause] += event->lost;
    } else {
        ring->chunk.missed += event->lost;
        ring->seen += event->lost;
    }
    ring->chunk.first_ticks = ring->chunk.last_ticks = event->ticks;
    ring->chunk.state.reference_ticks = ring->state.reference_ticks = event->ticks;
    return r;
}

/* Writes what is left of a source's rings (NULL: all), and forgets them: the source will not be there much longer. */
static int rings_end(struct picker *picker, struct consumer *consumer, const struct evtrail_source *source)
{
    int r = 0;
    for (size_t i = picker->count; i-- > 0;) {
        struct picked *const ring = picker->rings[i];
        if (source && ring->chunk.source != source)
            continue;
        const int written = chunk_write(picker, consumer, ring, true); /* without words: loss at the end */
        r = r ? r : written;
        free(ring->words);
        free(ring);
        picker->rings[i] = picker->rings[--picker->count];
    }
    return r;
}

static int pick_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct picker *const picker = (struct picker *)sink;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        return event->source->gone ? rings_end(picker, consumer, event->source) : 0;
    struct picked *const ring = ring_of(picker, event);
    if (!ring)
        return -ENOMEM;
    if (event->what == EVTRAIL_EVENT_LOST)
        return take_loss(picker, consumer, ring, event);
    if (event->words > EVENT_WORDS_MAX)
        return 0;
    int r = 0;
    if (ring->chunk.words_count + event->words + 64 > CHUNK_WORDS)
        r = chunk_write(picker, consumer, ring, false);
    if (ring->chunk.words_count == 0)
        chunk_begin(ring, event);
    r = r ? r : put_changes(ring, event);
    r = r ? r : put_meta(ring, event);
    r = r ? r : put_record(ring, event->id, event->ticks, event->payload, event->words);
    ring->chunk.events++;
    if (event->ticks < ring->chunk.first_ticks)
        ring->chunk.first_ticks = event->ticks;
    if (event->ticks > ring->chunk.last_ticks)
        ring->chunk.last_ticks = event->ticks;
    return r;
}

static int pick_flush(struct sink *sink, struct consumer *consumer)
{
    struct picker *const picker = (struct picker *)sink;
    int r = 0;
    for (size_t i = 0; i < picker->count && r == 0; i++)
        r = chunk_write(picker, consumer, picker->rings[i], false);
    return r ? r : recorder_flush(&picker->recorder->sink, consumer);
}

static int pick_open(struct sink *sink, struct consumer *consumer)
{
    return recorder_open_until(&((struct picker *)sink)->recorder->sink, consumer);
}

static int pick_close(struct sink *sink, struct consumer *consumer)
{
    struct picker *const picker = (struct picker *)sink;
    rings_end(picker, consumer, NULL);
    free(picker->rings);
    return recorder_close(&picker->recorder->sink, consumer);
}

int record_filtered(struct recorder *recorder, struct consumer *consumer)
{
    struct picker picker = {.recorder = recorder};
    picker.sink = (struct sink){.name = "record",
                                .hold = !consumer->snapshot,
                                .open = pick_open,
                                .event = pick_event,
                                .flush = pick_flush,
                                .close = pick_close};
    return consumer_run(consumer, &picker.sink);
}
