/* SPDX-License-Identifier: ISC
 *
 * The merge: streams in a heap by the time of the event that each has ready.
 *
 * An event is given out once nothing older can come: its time is not behind any input's frontier, and no stream that has
 * more is dry. Inputs gather when the merge needs it. Live inputs read the clock first and then their rings, so what they have not
 * gathered is younger than that reading, but for an event whose thread was stopped between its clock read and its commit.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPARE_MAX 16
#define LIMIT_WORDS_MIN 512
#define GIVEN_EVENTS 128
#define SLIP_MAX_NS 1000000000 /* a late live event's time is moved up to the last one's; more than this is no slip */

static const struct evtrail_label no_labels[EVTRAIL_LABELS_MAX];

/* ---- pieces ---- */

int evtrail_words_reserve(struct evtrail_words *words, size_t more)
{
    if (words->capacity - words->count >= more)
        return 0;
    size_t capacity = words->count + more;
    if (capacity < 2 * words->capacity && capacity < EVTRAIL_CHUNK_WORDS)
        capacity = 2 * words->capacity;
    uint64_t *at = realloc(words->at, capacity * sizeof(*at));
    if (!at)
        return -ENOMEM;
    words->at = at;
    words->capacity = capacity;
    return 0;
}

struct evtrail_piece *evtrail_piece_new(struct evtrail_reader *reader)
{
    struct evtrail_piece *piece = reader->spare;
    if (!piece)
        return calloc(1, sizeof(*piece));
    reader->spare = piece->next;
    reader->spare_count--;
    piece->next = NULL;
    piece->torn = piece->spool = 0;
    piece->based = piece->states = false;
    piece->words.count = 0;
    return piece;
}

void evtrail_piece_drop(struct evtrail_reader *reader, struct evtrail_piece *piece)
{
    if (reader->spare_count < SPARE_MAX && piece->words.capacity <= 2 * EVTRAIL_CHUNK_WORDS) {
        piece->next = reader->spare;
        reader->spare = piece;
        reader->spare_count++;
        return;
    }
    free(piece->words.at);
    free(piece);
}

size_t evtrail_stream_limit_words(const struct evtrail_reader *reader)
{
    size_t streams = reader->streams_count ? reader->streams_count : 1;
    size_t words = reader->options.memory_bytes / 4 / streams / sizeof(uint64_t);
    return words < LIMIT_WORDS_MIN ? LIMIT_WORDS_MIN : words > EVTRAIL_CHUNK_WORDS ? EVTRAIL_CHUNK_WORDS : words;
}

/* ---- the heap ---- */

static bool older(const struct evtrail_stream *a, const struct evtrail_stream *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    if (a->source->number != b->source->number) /* any order will do, as long as it is always the same */
        return a->source->number < b->source->number;
    return a->ring < b->ring;
}

static void heap_set(struct evtrail_reader *reader, uint32_t at, struct evtrail_stream *stream)
{
    reader->heap[at] = stream;
    stream->heap_place = at + 1;
}

static void heap_up(struct evtrail_reader *reader, uint32_t at, struct evtrail_stream *stream)
{
    while (at > 0 && older(stream, reader->heap[(at - 1) / 2])) {
        heap_set(reader, at, reader->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(reader, at, stream);
}

static void heap_down(struct evtrail_reader *reader, uint32_t at, struct evtrail_stream *stream)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= reader->heap_count)
            break;
        if (child + 1 < reader->heap_count && older(reader->heap[child + 1], reader->heap[child]))
            child++;
        if (!older(reader->heap[child], stream))
            break;
        heap_set(reader, at, reader->heap[child]);
        at = child;
    }
    heap_set(reader, at, stream);
}

static void heap_pop(struct evtrail_reader *reader)
{
    reader->heap[0]->heap_place = 0;
    struct evtrail_stream *last = reader->heap[--reader->heap_count];
    if (reader->heap_count)
        heap_down(reader, 0, last);
}

/* Room for each stream that there is, so that pushing cannot fail. */
static int heap_reserve(struct evtrail_reader *reader)
{
    uint32_t wanted = reader->streams_count;
    if (reader->heap_capacity >= wanted)
        return 0;
    uint32_t capacity = wanted * 2 + 8;
    struct evtrail_stream **heap = realloc(reader->heap, capacity * sizeof(struct evtrail_stream *));
    if (!heap)
        return -ENOMEM;
    reader->heap = heap;
    struct evtrail_stream **dry = realloc(reader->dry, capacity * sizeof(struct evtrail_stream *));
    if (!dry)
        return -ENOMEM;
    reader->dry = dry;
    reader->heap_capacity = capacity;
    return 0;
}

/* ---- streams ---- */

struct evtrail_stream *evtrail_stream_new(struct evtrail_input *input, struct evtrail_source *source, uint32_t ring)
{
    struct evtrail_reader *reader = input->reader;
    struct evtrail_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return NULL;
    reader->streams_count++;
    if (heap_reserve(reader) < 0) {
        reader->streams_count--;
        free(stream);
        return NULL;
    }
    evtrail_decoder_init(&stream->decoder);
    stream->input = input;
    stream->source = source;
    stream->ring = ring;
    return stream;
}

static void end_piece(struct evtrail_stream *stream)
{
    struct evtrail_reader *reader = stream->input->reader;
    struct evtrail_piece *piece = stream->first;
    stream->first = piece->next;
    if (!stream->first)
        stream->last = NULL;
    stream->held_words -= piece->words.count;
    stream->input->pieces--;
    reader->held_bytes -= piece->words.capacity * sizeof(uint64_t);
    evtrail_piece_drop(reader, piece);
}

void evtrail_stream_free(struct evtrail_stream *stream)
{
    if (!stream)
        return;
    struct evtrail_reader *reader = stream->input->reader;
    for (uint32_t i = reader->dry_count; i-- > 0;)
        if (reader->dry[i] == stream)
            reader->dry[i] = reader->dry[--reader->dry_count];
    while (stream->first)
        end_piece(stream);
    reader->streams_count--;
    free(stream);
}

/* After a seek: what was held is forgotten, and what lies between is no loss. */
void evtrail_stream_reset(struct evtrail_stream *stream)
{
    struct evtrail_reader *reader = stream->input->reader;
    while (stream->first)
        end_piece(stream);
    if (stream->heap_place) {
        struct evtrail_stream *last = reader->heap[--reader->heap_count];
        uint32_t at = stream->heap_place - 1;
        stream->heap_place = 0;
        if (last != stream) {
            heap_up(reader, at, last);
            heap_down(reader, last->heap_place - 1, last);
        }
    }
    if (reader->current == stream)
        reader->current = NULL;
    evtrail_decoder_init(&stream->decoder);
    stream->events_counted = 0;
    stream->begun = false;
    stream->sought = true;
}

static void begin_piece(struct evtrail_stream *stream)
{
    struct evtrail_reader *reader = stream->input->reader;
    struct evtrail_decoder *decoder = &stream->decoder;
    if (stream->sought) {
        memcpy(decoder->known_lost, stream->first->chunk.lost_before, sizeof(decoder->known_lost));
        stream->first->chunk.missed = 0;
        stream->first->torn = stream->first->spool = 0;
        stream->sought = false;
    } else if (stream->first->based) {
        memcpy(decoder->known_lost, stream->first->lost_base, sizeof(decoder->known_lost));
        if (stream->first->base_ticks)
            decoder->last_ticks = stream->first->base_ticks;
    }
    evtrail_decoder_missing(decoder, EVTRAIL_CAUSE_torn, stream->first->torn);
    evtrail_decoder_missing(decoder, EVTRAIL_CAUSE_spool, stream->first->spool);
    decoder->skip = stream->first->states ? evtrail_reader_stateless(reader, stream->source, &decoder->skip_count)
                                          : evtrail_reader_skips(reader, stream->source, &decoder->skip_count);
    evtrail_decoder_begin(decoder, &stream->first->chunk);
}

/* Finds the stream's next event. False: it is dry. */
static bool advance(struct evtrail_stream *stream)
{
    struct evtrail_reader *reader = stream->input->reader;
    struct evtrail_fault fault;
    while (stream->first) {
        if (!stream->begun)
            begin_piece(stream);
        stream->begun = true;
        int result = evtrail_decoder_next(&stream->decoder);
        reader->delivered += stream->decoder.events - stream->events_counted;
        stream->events_counted = stream->decoder.events;
        if (result > 0) {
            struct evtrail_event *event = &stream->decoder.event;
            if (event->what == EVTRAIL_EVENT_LOST && event->time < stream->time)
                event->time = stream->time; /* the ticks of such records are only near */
            stream->time = event->time;
            return true;
        }
        if (result < 0) {
            evtrail_fault_set(&fault, result, "%s, ring %u: %s", stream->source->command, stream->ring,
                              stream->decoder.walk.fault ? stream->decoder.walk.fault : "malformed record");
            evtrail_reader_fault(reader, result, &fault);
            continue;
        }
        end_piece(stream);
        stream->begun = false;
    }
    return false;
}

static void set_dry(struct evtrail_stream *stream)
{
    struct evtrail_reader *reader = stream->input->reader;
    if (stream->more)
        reader->dry[reader->dry_count++] = stream;
}

int evtrail_stream_push(struct evtrail_stream *stream, struct evtrail_piece *piece)
{
    struct evtrail_reader *reader = stream->input->reader;
    if (stream->last)
        stream->last->next = piece;
    else
        stream->first = piece;
    stream->last = piece;
    piece->next = NULL;
    stream->held_words += piece->words.count;
    stream->input->pieces++;
    reader->held_bytes += piece->words.capacity * sizeof(uint64_t);
    if (stream->heap_place == 0 && reader->current != stream) {
        if (advance(stream))
            heap_up(reader, reader->heap_count++, stream);
        else
            set_dry(stream);
    }
    return 0;
}

/* ---- giving out ---- */

/* The stream that gave the last event goes on: its event is no longer needed. */
static void leave_current(struct evtrail_reader *reader)
{
    struct evtrail_stream *stream = reader->current;
    reader->current = NULL;
    if (!stream)
        return;
    if (advance(stream)) {
        heap_down(reader, 0, stream);
        return;
    }
    heap_pop(reader);
    set_dry(stream);
}

static bool wanted(struct evtrail_reader *reader, struct evtrail_event *event)
{
    const struct evtrail_reader_options *options = &reader->options;
    if (event->what == EVTRAIL_EVENT_LOST)
        reader->lost[event->cause] += event->lost;
    if (reader->spans && event->what == EVTRAIL_EVENT)
        evtrail_spans_follow(reader->spans, event);
    if (event->time < reader->sought_ns)
        return false;
    if ((options->from_ns && event->time < options->from_ns) || (options->to_ns && event->time > options->to_ns))
        return false;
    return event->what != EVTRAIL_EVENT || evtrail_reader_matches(reader, event);
}

/* Gives out the oldest event; 0: it was not asked for. */
static int give(struct evtrail_reader *reader, struct evtrail_event **ret_event)
{
    struct evtrail_stream *stream = reader->heap[0];
    struct evtrail_event *event = &stream->decoder.event;
    reader->current = stream;
    if (stream->input->live && event->time < reader->last_time &&
        (uint64_t)reader->last_time - (uint64_t)event->time < SLIP_MAX_NS)
        event->time = reader->last_time;
    if (event->time > reader->last_time)
        reader->last_time = event->time;
    if (!wanted(reader, event)) {
        leave_current(reader);
        return 0;
    }
    *ret_event = event;
    return 1;
}

/* ---- what to do next ---- */

static struct evtrail_input *lowest_input(const struct evtrail_reader *reader)
{
    struct evtrail_input *lowest = NULL;
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        if (!input->done && (!lowest || input->frontier < lowest->frontier))
            lowest = input;
    }
    return lowest;
}

static void refill(struct evtrail_reader *reader)
{
    uint32_t count = reader->dry_count;
    struct evtrail_stream *streams[64];
    if (count > 64)
        count = 64;
    reader->dry_count -= count;
    memcpy(streams, reader->dry + reader->dry_count, count * sizeof(struct evtrail_stream *));
    for (uint32_t i = 0; i < count; i++)
        if (!streams[i]->first) {
            streams[i]->more = false;
            streams[i]->input->operations->refill(streams[i]->input, streams[i]);
        }
}

/* Live rings are looked at together, and no more often than it is polite to. */
static int gather_live(struct evtrail_reader *reader)
{
    int got = 0;
    uint64_t now = evtrail_monotonic_now(), gap = reader->gap_ns;
    if (reader->gathered_ns && now - reader->gathered_ns < gap && !reader->options.snapshot)
        return 0;
    reader->gathered_ns = now;
    for (uint32_t i = 0; i < reader->inputs_count; i++)
        if (reader->inputs[i]->live && !reader->inputs[i]->done)
            got |= reader->inputs[i]->operations->gather(reader->inputs[i]) > 0;
    if (got)
        reader->progress_ns = now;
    return got;
}

static int gather(struct evtrail_reader *reader, struct evtrail_input *input)
{
    return input->live ? gather_live(reader) : input->operations->gather(input);
}

/* Rings that wait for nobody are read on while events are given out, however long that takes. */
static void gather_rings(struct evtrail_reader *reader)
{
    if (++reader->given % GIVEN_EVENTS)
        return;
    const uint64_t now = evtrail_monotonic_now();
    if (now - reader->rings_gathered_ns < reader->gap_ns)
        return;
    reader->rings_gathered_ns = now;
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        struct evtrail_input *input = reader->inputs[i];
        if (input->live && !input->done && input->operations->patience)
            input->operations->gather(input);
    }
}

/* 1: the heap's top may be given out; 0: nothing may, now. */
static int settle(struct evtrail_reader *reader)
{
    for (;;) {
        if (reader->faults_count)
            return 0;
        if (reader->dry_count) {
            refill(reader);
            continue;
        }
        struct evtrail_input *input = lowest_input(reader);
        struct evtrail_stream *top = reader->heap_count ? reader->heap[0] : NULL;
        if (top && (!input || top->time <= input->frontier || reader->held_bytes > reader->options.memory_bytes))
            return 1;
        if (!input)
            return 0;
        int64_t frontier = input->frontier;
        int got = gather(reader, input);
        if (got <= 0 && input->frontier <= frontier && !input->done && !reader->dry_count)
            return 0;
        if (got <= 0 && input->live && !reader->heap_count && !reader->dry_count && !input->done)
            return 0;
    }
}

static bool due(const struct evtrail_notice *notice)
{
    return !notice->gone || notice->input->pieces == 0; /* the end comes behind the last of its events */
}

static int64_t now_realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool give_notice(struct evtrail_reader *reader, struct evtrail_event **ret_event)
{
    uint32_t at = 0;
    while (at < reader->notices_count && !due(&reader->notices[at]))
        at++;
    if (at == reader->notices_count)
        return false;
    struct evtrail_notice notice = reader->notices[at];
    reader->notices_count--;
    memmove(&reader->notices[at], &reader->notices[at + 1], (reader->notices_count - at) * sizeof(notice));
    int64_t time = !notice.gone                     ? (int64_t)notice.source->start_realtime_ns
                   : reader->last_time == INT64_MIN ? now_realtime() /* it told of nothing */
                                                    : INT64_MIN;
    if (reader->heap_count && time > reader->heap[0]->time) /* nothing comes before it that should not */
        time = reader->heap[0]->time;
    notice.source->gone = notice.gone;
    if (notice.gone)
        evtrail_reader_retire(notice.input);
    reader->event = (struct evtrail_event){
        .what = EVTRAIL_EVENT_SOURCE,
        .source = notice.source,
        .time = time < reader->last_time ? reader->last_time : time,
        .thread_name = "",
        .labels = no_labels,
        .duration = -1,
    };
    *ret_event = &reader->event;
    return true;
}

int evtrail_merge_next(struct evtrail_reader *reader, struct evtrail_event **ret_event)
{
    leave_current(reader);
    if (reader->rings)
        gather_rings(reader);
    for (;;) {
        bool settled = settle(reader);
        if (give_notice(reader, ret_event))
            return 1;
        if (!settled)
            return 0;
        if (give(reader, ret_event))
            return 1;
    }
}

void evtrail_merge_fini(struct evtrail_reader *reader)
{
    while (reader->spare) {
        struct evtrail_piece *piece = reader->spare;
        reader->spare = piece->next;
        free(piece->words.at);
        free(piece);
    }
    free(reader->heap);
    free(reader->dry);
}
