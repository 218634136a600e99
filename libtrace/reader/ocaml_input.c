/* SPDX-License-Identifier: ISC
 *
 * The ring of an OCaml process as an input: a stream for each domain's ring. Live, or the file of a process that has ended.
 */
#include "reader/ocaml_input.h"

#include "reader/clock_live.h"
#include "reader/ocaml_decode.h"
#include "reader/ocaml_feed.h"
#include "reader/ocaml_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ALIVE_EVERY_NS 5000000u
#define PATIENCE_MIN_NS 50000u
#define PATIENCE_MAX_NS 20000000u
#define BACK_MAX_NS UINT64_C(1000000000) /* a ring's stamps do not go back; by more than this, it is no stamp */
#define AHEAD_MAX_NS UINT64_C(10000000000)
#define OUT_WORDS_MAX (EVTRAIL_CHUNK_WORDS - 8192)
#define MEAN_WORDS 3         /* of an item, before some were seen */
#define TELLS_ENOUGH 1000000 /* items without a sign of their version: none will come */

struct ring {
    uint32_t index;
    bool faulty; /* a fault was told, and nothing sound was read since */
    struct evtrail_ocaml_lane lane;
    struct evtrail_stream *stream;
    uint64_t last_ns;       /* of its last item */
    uint64_t items, words;  /* that were read */
    uint64_t lost_words;    /* not told yet */
    uint64_t events_before; /* made of it so far, and missed */
    uint64_t chunks;
    bool seen;    /* something of the program that has it now */
    bool renewed; /* what another ring was told: the next taking over that is seen here is that one */
};

enum { FORK_PARENT = 4, FORKS_MAX = 1024 };

struct ocaml_input {
    struct evtrail_input input; /* first */
    struct evtrail_ocaml_map map;
    struct evtrail_ocaml_feed feed;
    struct evtrail_ocaml_decoder decoder;
    struct evtrail_ocaml_evidence evidence;
    struct evtrail_source source;
    struct ring **rings; /* [map.domains]; NULL: nothing seen of it */
    uint64_t *copied;    /* the reader's, for all of them: EVTRAIL_OCAML_COPY_WORDS */
    uint64_t items;
    struct evtrail_words words; /* of next_chunk */
    struct evtrail_chunk chunk;
    uint64_t alive_looked_ns;
    uint32_t turn;
    uint64_t forks[FORKS_MAX];
    uint32_t forks_count;
    int pidfd;
    bool pass_got;
    bool settled; /* the version is known, or as well as it will be */
    bool said;    /* ... by the user */
    bool truncated;
    bool dead, ended;
    bool resized; /* the file is another's, who needs another input */
    char path[640], command[64], program[512], host[65], boot_id[41];
};

static struct ocaml_input *of(struct evtrail_input *input)
{
    return (struct ocaml_input *)input;
}

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

static void find_release(struct ocaml_input *in, uint32_t pid)
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

static struct ring *ring_of(struct ocaml_input *in, uint32_t index)
{
    if (in->rings[index])
        return in->rings[index];
    struct ring *const ring = calloc(1, sizeof(*ring));
    if (!ring)
        return NULL;
    ring->index = index;
    evtrail_ocaml_lane_init(&ring->lane, index);
    return in->rings[index] = ring;
}

static bool has_more(struct ocaml_input *in, uint32_t index)
{
    const struct ring *const ring = in->rings[index];
    return (ring && (ring->lost_words || ring->lane.untold)) || evtrail_ocaml_feed_has(&in->feed, index);
}

/* About so many events were in words that nobody saw: by the mean length of the items before and behind them. In each round whole items fit into
 * the ring, what is left at its end is padding. */
static uint64_t estimate(const struct ocaml_input *in, const struct ring *ring, const struct evtrail_ocaml_copy *copy,
                         uint64_t lost)
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

static void tell_fault(struct ocaml_input *in, struct ring *ring, uint64_t at, const char *what)
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

static const char *stamp_fault(const struct ocaml_input *in, const struct ring *ring, uint64_t time, uint64_t now)
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
static size_t translate(struct ocaml_input *in, struct ring *ring, struct evtrail_ocaml_copy *copy,
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
static uint64_t first_time(const struct ring *ring, const uint64_t *words, size_t count)
{
    struct evtrail_ocaml_item item;
    const char *why;
    uint32_t length = count ? evtrail_ocaml_item_take(words, count, &item, &why) : 0;
    if (length && item.padding && length < count)
        length = evtrail_ocaml_item_take(words + length, count - length, &item, &why);
    return length && !item.padding && item.time > ring->last_ns && item.time < UINT64_C(1) << 62 ? item.time
                                                                                                 : ring->last_ns;
}

static void describe(const struct ocaml_input *in, const struct ring *ring, struct evtrail_chunk *chunk)
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
static ptrdiff_t next_copy(struct ocaml_input *in, const struct ring *ring, struct evtrail_ocaml_copy *copy,
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

static void took(struct ocaml_input *in, struct ring *ring, const struct evtrail_ocaml_copy *copy, size_t taken)
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
static void begin_program(struct ocaml_input *in, struct ring *ring, bool seen_by_all)
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
    if (!evtrail_ocaml_map_same(&in->map))
        end_of_size(in);
    evtrail_ocaml_decoder_renew(&in->decoder);
    const enum evtrail_ocaml_release before = in->decoder.release;
    in->evidence = (struct evtrail_ocaml_evidence){0};
    in->items = 0;
    find_release(in, in->dead ? 0 : in->source.pid);
    if (in->decoder.release == EVTRAIL_OCAML_UNKNOWN)
        in->decoder.release = before;
    evtrail_ocaml_decoder_release(&in->decoder, in->decoder.release);
}

static void finish(const struct ocaml_input *in, struct ring *ring, const struct evtrail_ocaml_step *step,
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
static int tell_rest(struct ocaml_input *in, struct ring *ring, struct evtrail_words *words,
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
static int read_some(struct ocaml_input *in, struct ring *ring, struct evtrail_words *words,
                     struct evtrail_chunk *chunk)
{
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
    const size_t taken = ring->lane.untold ? from : translate(in, ring, &copy, &step, from, OUT_WORDS_MAX);
    if (begin >= 0)
        took(in, ring, &copy, taken);
    if (!step.events && !lost)
        return copy.anew || ring->lost_words ? -EAGAIN : 0;
    finish(in, ring, &step, chunk);
    return 1;
}

/* 1, or 0: there is nothing. */
static int read_ring(struct ocaml_input *in, struct ring *ring, struct evtrail_words *words,
                     struct evtrail_chunk *chunk)
{
    int result = read_some(in, ring, words, chunk);
    for (int programs = 0; result == -EAGAIN && programs < 3; programs++)
        result = read_some(in, ring, words, chunk);
    return result > 0;
}

/* ---- the process ---- */

static void look_alive(struct ocaml_input *in)
{
    const uint64_t now = evtrail_monotonic_now();
    if (in->dead || now - in->alive_looked_ns < ALIVE_EVERY_NS)
        return;
    in->alive_looked_ns = now;
    struct pollfd look = {.fd = in->pidfd, .events = POLLIN};
    in->dead = in->pidfd >= 0 ? poll(&look, 1, 0) == 1 : kill((pid_t)in->source.pid, 0) < 0 && errno == ESRCH;
}

/* In a directory of `evtrail record -- PROGRAM` the ring is kept at the program's end for us alone. */
static void remove_own(const struct ocaml_input *in)
{
    const struct evtrail_reader *const reader = in->input.reader;
    const char *const slash = strrchr(reader->directory, '/');
    const size_t bytes = strlen(reader->directory);
    if (reader->watch && in->dead && !in->resized && slash && strncmp(slash + 1, "run-", 4) == 0 &&
        strncmp(in->path, reader->directory, bytes) == 0 && in->path[bytes] == '/')
        unlink(in->path);
}

static void follow_forks(struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->forks_count; i++)
        evtrail_ocaml_follow_fork(in->input.reader, &in->source, in->forks[i]);
    in->forks_count = 0;
}

static void maybe_end(struct ocaml_input *in)
{
    const bool snapshot = in->input.reader->options.snapshot || !in->input.live;
    if (in->ended || !(snapshot || in->dead))
        return;
    follow_forks(in);
    in->ended = true;
    if (in->dead && in->input.live)
        evtrail_ocaml_follow_end(in->input.reader, in->source.pid);
    in->input.done = true;
    in->input.frontier = INT64_MAX;
    if (in->dead)
        evtrail_reader_notice(&in->input, &in->source, true);
    remove_own(in);
}

static void tend(struct evtrail_input *input, uint64_t now_ns)
{
    struct ocaml_input *const in = of(input);
    struct evtrail_fault fault;
    (void)now_ns;
    if (in->ended)
        return;
    follow_forks(in);
    if (!in->dead)
        evtrail_clock_follow(&in->source);
    if (!in->truncated && !in->resized && evtrail_ocaml_map_cut(&in->map)) {
        in->truncated = true;
        evtrail_reader_fault(input->reader,
                             evtrail_fault_set(&fault, -EBADMSG, "%s: was truncated: what it held is lost", in->path),
                             &fault);
    }
}

static bool ready(struct evtrail_input *input, bool look_at_open)
{
    struct ocaml_input *const in = of(input);
    (void)look_at_open;
    if (in->ended)
        return false;
    look_alive(in);
    return in->dead || evtrail_ocaml_feed_any(&in->feed, !in->feed.pump || input->reader->options.low_latency);
}

/* A million int events a second fill half of its ring. */
static uint64_t patience_of(const struct evtrail_ocaml_map *map)
{
    const uint64_t ns = map->elements * 1000 / 2 / MEAN_WORDS;
    return ns < PATIENCE_MIN_NS ? PATIENCE_MIN_NS : ns > PATIENCE_MAX_NS ? PATIENCE_MAX_NS : ns;
}

/* The pump looks. */
static uint64_t patience(struct evtrail_input *input)
{
    const struct ocaml_input *const in = of(input);
    return in->feed.pump ? UINT64_MAX : patience_of(&in->map);
}

static unsigned fill(struct evtrail_input *input)
{
    struct ocaml_input *const in = of(input);
    const uint64_t held = evtrail_ocaml_feed_waiting(&in->feed);
    return held >= in->map.elements ? 8 : (unsigned)(held * 8 / in->map.elements);
}

/* ---- the merge ---- */

/* If the tap has taken the events, what is left says what was lost before them. Whether anything is left. */
static bool after_tap(struct evtrail_reader *reader, struct evtrail_piece *piece)
{
    const int left =
        reader->options.tap ? reader->options.tap(reader->options.tap_context, &piece->chunk) : EVTRAIL_TAP_all;
    piece->states = left == EVTRAIL_TAP_states;
    if (left == EVTRAIL_TAP_all || left == EVTRAIL_TAP_states)
        return true;
    reader->delivered += piece->chunk.events;
    piece->chunk.events = 0;
    piece->chunk.words_count = piece->words.count = 0;
    return piece->chunk.missed != 0;
}

/* 1: something was read; 0: nothing is there. */
static int pull_one(struct ocaml_input *in, struct ring *ring)
{
    struct evtrail_reader *const reader = in->input.reader;
    if (!ring->stream)
        ring->stream = evtrail_stream_new(&in->input, &in->source, ring->index);
    struct evtrail_piece *const piece = ring->stream ? evtrail_piece_new(reader) : NULL;
    if (!piece)
        return 0;
    if (!read_ring(in, ring, &piece->words, &piece->chunk)) {
        evtrail_piece_drop(reader, piece);
        return 0;
    }
    if (after_tap(reader, piece))
        evtrail_stream_push(ring->stream, piece);
    else
        evtrail_piece_drop(reader, piece);
    return 1;
}

/* All that is there, as long as there is room for it: nobody waits for us, and what is not taken now is written over. With a pump it is in our
 * memory, and a piece is enough. */
static int pull(struct ocaml_input *in, uint32_t index)
{
    struct evtrail_reader *const reader = in->input.reader;
    struct ring *const ring = has_more(in, index) ? ring_of(in, index) : NULL;
    const uint64_t most = in->map.elements / 8 + 64; /* rounds: a writer may be as fast as we are */
    int got = 0;
    for (uint64_t i = 0; ring && i < most; i++) {
        const bool full = ring->stream && ring->stream->first &&
                          (in->feed.pump || reader->held_bytes > reader->options.memory_bytes / 8 * 7);
        if (full || !pull_one(in, ring))
            break;
        got = 1;
    }
    if (ring && ring->stream)
        ring->stream->more = has_more(in, index) && ring->stream->first != NULL;
    return got;
}

/* Of a file in a directory that is watched, too: its process may live and have been missed in what it maps, which changed. */
static bool has_gone(const struct ocaml_input *in)
{
    struct pollfd look = {.fd = in->pidfd, .events = POLLIN};
    if (in->input.live || !in->dead)
        return in->dead;
    return in->input.reader->watch && (in->pidfd < 0 || poll(&look, 1, 0) == 1);
}

/* The process has ended and all of it was read, if not given out yet: its end is told behind that. It must not wait until it is looked at again, which
 * it is when all others have ended. */
static void end_if_all(struct ocaml_input *in)
{
    bool more = !has_gone(in) || evtrail_ocaml_feed_any(&in->feed, true);
    for (uint32_t i = 0; !more && i < in->map.domains; i++)
        more = in->rings[i] && in->rings[i]->lost_words;
    if (!more)
        maybe_end(in);
}

static int refill(struct evtrail_input *input, struct evtrail_stream *stream)
{
    struct ocaml_input *const in = of(input);
    const int got = stream->ring < in->map.domains ? pull(in, stream->ring) : 0;
    end_if_all(in);
    return got;
}

static int gather(struct evtrail_input *input)
{
    struct ocaml_input *const in = of(input);
    int got = 0;
    tend(input, 0);
    if (input->live)
        look_alive(in);
    const bool at_end = in->dead || !input->live;
    const uint64_t copied = evtrail_ocaml_feed_fill(&in->feed, at_end || input->reader->options.low_latency);
    const int64_t stamp = at_end ? INT64_MAX : evtrail_source_time(&in->source, copied);
    for (uint32_t i = 0; in->rings && i < in->map.domains; i++)
        got |= pull(in, i);
    if (stamp > input->frontier)
        input->frontier = stamp;
    if (!got && input->pieces == 0)
        maybe_end(in);
    else if (stamp == INT64_MAX)
        end_if_all(in);
    return got;
}

/* ---- chunks ---- */

static bool next_of_pass(struct ocaml_input *in)
{
    static const uint64_t none[EVTRAIL_CAUSES];
    uint64_t counted[EVTRAIL_CAUSES] = {0};
    while (in->turn < in->map.domains) {
        const uint32_t index = in->turn++;
        struct ring *const ring = has_more(in, index) ? ring_of(in, index) : NULL;
        if (!ring || !read_ring(in, ring, &in->words, &in->chunk))
            continue;
        evtrail_reader_count(in->input.reader, &in->chunk, none, counted);
        return true;
    }
    in->turn = 0;
    return false;
}

static int next_chunk(struct evtrail_input *input, struct evtrail_chunk **ret_chunk)
{
    struct ocaml_input *const in = of(input);
    for (;;) {
        if (in->turn == 0) {
            tend(input, 0);
            if (input->live)
                look_alive(in);
            in->pass_got = false;
            evtrail_ocaml_feed_fill(&in->feed, in->dead || input->reader->options.low_latency);
            input->reader->gathered_ns = evtrail_monotonic_now();
        }
        if (next_of_pass(in)) {
            in->pass_got = true;
            input->reader->progress_ns = evtrail_monotonic_now();
            *ret_chunk = &in->chunk;
            return 1;
        }
        if (in->pass_got)
            continue;
        maybe_end(in);
        return 0;
    }
}

/* ---- open, close ---- */

static void let_go(struct ocaml_input *in)
{
    for (uint32_t i = 0; in->rings && i < in->map.domains; i++)
        if (in->rings[i]) {
            evtrail_stream_free(in->rings[i]->stream);
            free(in->rings[i]);
        }
    free(in->rings);
    free(in->words.at);
    in->rings = NULL;
    in->copied = NULL;
    in->words = (struct evtrail_words){0};
    evtrail_ocaml_decoder_rest(&in->decoder);
    if (in->pidfd >= 0)
        close(in->pidfd);
    in->pidfd = -1;
    evtrail_ocaml_feed_fini(&in->feed);
    evtrail_ocaml_map_close(&in->map);
    in->map.domains = 0;
}

static struct evtrail_source *retire(struct evtrail_input *input)
{
    if (!input->done || (!input->live && !input->reader->watch &&
                         !input->reader->follow)) /* a file may be read again from its beginning */
        return NULL;
    let_go(of(input));
    return &of(input)->source;
}

static void close_input(struct evtrail_input *input)
{
    struct ocaml_input *const in = of(input);
    let_go(in);
    evtrail_ocaml_decoder_fini(&in->decoder);
    free(in);
}

/* A file is read from its beginning again; what is older is passed over. */
static int seek(struct evtrail_input *input, int64_t realtime_ns)
{
    struct ocaml_input *const in = of(input);
    (void)realtime_ns;
    if (input->live)
        return -ESPIPE;
    for (uint32_t i = 0; i < in->map.domains; i++) {
        struct ring *const ring = in->rings[i];
        if (!ring)
            continue;
        struct evtrail_stream *const stream = ring->stream;
        *ring = (struct ring){.index = i, .stream = stream};
        in->feed.queues[i].ring = (struct evtrail_ocaml_ring){.index = i};
        evtrail_ocaml_lane_init(&ring->lane, i);
        if (stream)
            evtrail_stream_reset(stream);
    }
    evtrail_eio_free(in->decoder.eio);
    in->decoder.eio = NULL;
    input->done = in->ended = false;
    input->frontier = INT64_MIN;
    return 0;
}

static const struct evtrail_input_operations operations = {
    .gather = gather,
    .refill = refill,
    .next_chunk = next_chunk,
    .seek = seek,
    .retire = retire,
    .close = close_input,
    .ready = ready,
    .fill = fill,
    .tend = tend,
    .patience = patience,
};

/* ---- who it is ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 32;
}

/* The earliest stamp that is still there, the latest, and the pid that the rings tell of. */
static void look_at_items(struct ocaml_input *in, uint64_t *ret_first, uint64_t *ret_last, uint32_t *ret_pid)
{
    *ret_pid = 0;
    *ret_first = *ret_last = 0;
    for (uint32_t i = 0; i < in->map.domains; i++) {
        struct evtrail_ocaml_ring ring = {.index = i};
        struct evtrail_ocaml_copy copy = {.words = in->copied, .any = true};
        for (int turns = 0; turns < 4096 && evtrail_ocaml_ring_copy(&ring, &in->map, &copy) && copy.count; turns++) {
            struct evtrail_ocaml_item item;
            const char *why;
            size_t at = 0;
            for (uint32_t length;
                 at < copy.count && (length = evtrail_ocaml_item_take(copy.words + at, copy.count - at, &item, &why));
                 at += length) {
                if (item.padding || item.time == 0 || item.time > UINT64_C(1) << 62)
                    continue;
                if (!item.user && item.type == EVTRAIL_OCAML_LIFECYCLE && (item.id == 0 || item.id == 6) && item.words)
                    *ret_pid = (uint32_t)item.payload[0];
                if (*ret_first == 0 || item.time < *ret_first)
                    *ret_first = item.time;
                if (item.time > *ret_last)
                    *ret_last = item.time;
                if (in->input.live) /* its clock is ours: the first will do */
                    break;
            }
            ring.at = at == copy.count ? copy.next : copy.at + at;
            if (at == 0 || in->input.live)
                break;
        }
    }
}

static void set_clock(struct ocaml_input *in, uint64_t ticks, uint64_t realtime_ns)
{
    struct evtrail_clock *const clock = &in->source.clock;
    clock->first.ticks = clock->first.monotonic_ns = ticks;
    clock->first.realtime_ns = realtime_ns;
    clock->last = clock->first;
}

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The file has no wall clock. Of this boot: ours says. Of another, or another machine: its last event was when the file was last changed. */
static void set_file_clock(struct ocaml_input *in, uint64_t last)
{
    const uint64_t changed = ns_of(in->map.status.st_mtim);
    struct evtrail_anchor now;
    in->source.clock.kind = EVTRAIL_CLOCK_MONOTONIC;
    if (evtrail_clock_anchor(EVTRAIL_CLOCK_MONOTONIC, &now) == 0 && last <= now.ticks) {
        const uint64_t at = now.realtime_ns - (now.ticks - last), boot = now.realtime_ns - now.ticks;
        const uint64_t apart = at > changed ? at - changed : changed - at;
        if (changed > boot && apart < UINT64_C(86400000000000)) {
            set_clock(in, now.ticks, now.realtime_ns);
            return;
        }
    }
    set_clock(in, last ? last : 1, changed);
}

static void set_live_clock(struct ocaml_input *in)
{
    struct evtrail_anchor now;
    in->source.clock.kind = EVTRAIL_CLOCK_MONOTONIC;
    if (evtrail_clock_anchor(EVTRAIL_CLOCK_MONOTONIC, &now) == 0)
        set_clock(in, now.ticks, now.realtime_ns);
}

static void read_text(const char *path, char *text, size_t bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, bytes - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void read_process(struct ocaml_input *in, uint32_t pid)
{
    char path[64], status[1024];
    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    read_text(path, in->command, sizeof(in->command));
    snprintf(path, sizeof(path), "/proc/%u/exe", pid);
    const ssize_t n = readlink(path, in->program, sizeof(in->program) - 1);
    in->program[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof(path), "/proc/%u/status", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, status, sizeof(status) - 1) : 0;
    if (fd >= 0)
        close(fd);
    status[got > 0 ? got : 0] = '\0';
    const char *const parent = strstr(status, "\nPPid:");
    in->source.parent_pid = parent ? (uint32_t)strtoul(parent + 6, NULL, 10) : 0;
}

/* When the process was started, ns since 1970; 0: not known. */
static uint64_t process_start(uint32_t pid)
{
    char path[64], text[1024];
    struct timespec boot;
    snprintf(path, sizeof(path), "/proc/%u/stat", pid);
    read_text(path, text, sizeof(text));
    const char *at = strrchr(text, ')'); /* behind its name, which may hold anything; the start is field 22 */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    const long ticks = sysconf(_SC_CLK_TCK);
    if (!at || ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
        return 0;
    const uint64_t since = strtoull(at, NULL, 10) * (UINT64_C(1000000000) / (uint64_t)ticks), now = ns_of(boot);
    return since < now ? (uint64_t)evtrail_realtime_now() - (now - since) : 0;
}

static bool has_wrapped(const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (head)
            return true;
    }
    return false;
}

/* A process that has ended may have a session of evtrail's, which has its name. */
static void name_as_session(struct ocaml_input *in)
{
    const struct evtrail_reader *const reader = in->input.reader;
    for (uint32_t i = 0; i < reader->sources_count; i++) {
        const struct evtrail_source *const other = reader->sources[i];
        if (other->pid == in->source.pid && other->live && other->command && other->command[0]) {
            snprintf(in->command, sizeof(in->command), "%s", other->command);
            snprintf(in->program, sizeof(in->program), "%s", other->program ? other->program : "");
        }
    }
}

static void describe_source(struct ocaml_input *in, uint32_t pid, uint32_t named_pid)
{
    struct evtrail_source *const source = &in->source;
    uint64_t first, last;
    uint32_t told_pid;
    snprintf(in->command, sizeof(in->command), "ocaml");
    source->uid = in->map.status.st_uid;
    if (pid)
        read_process(in, pid);
    look_at_items(in, &first, &last, &told_pid);
    source->pid = pid ? pid : told_pid ? told_pid : named_pid;
    if (in->input.live && !in->program[0])
        name_as_session(in);
    if (in->input.live)
        set_live_clock(in);
    else
        set_file_clock(in, last);
    gethostname(in->host, sizeof(in->host) - 1);
    read_text("/proc/sys/kernel/random/boot_id", in->boot_id, sizeof(in->boot_id));
    source->session_id = mix(mix(mix(first, in->map.status.st_ino), in->map.status.st_dev), source->pid) | 1;
    source->start_realtime_ns = first ? (uint64_t)evtrail_source_time(source, first) : source->clock.first.realtime_ns;
    const uint64_t began =
        pid && has_wrapped(in) ? process_start(pid) : 0; /* its first events are not there any more */
    source->start_realtime_ns = began ? began : source->start_realtime_ns;
    source->command = in->command;
    source->program = in->program;
    source->host = in->host;
    source->boot_id = in->boot_id;
    source->path = in->input.live ? in->path : NULL;
    source->live = in->input.live;
}

static bool have_already(const struct evtrail_reader *reader, const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < reader->inputs_count; i++) {
        const struct evtrail_input *const other = reader->inputs[i];
        if (other->operations != &operations || ((const struct ocaml_input *)other)->resized)
            continue;
        const struct stat *const a = &((const struct ocaml_input *)other)->map.status, *const b = &in->map.status;
        if (a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_ctim.tv_sec == b->st_ctim.tv_sec)
            return true;
    }
    return false;
}

static bool has_begun(const struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (tail)
            return true;
    }
    return false;
}

static void skip_to_now(struct ocaml_input *in)
{
    for (uint32_t i = 0; i < in->map.domains; i++) {
        uint64_t head, tail;
        evtrail_ocaml_map_cursors(&in->map, i, &head, &tail);
        if (tail)
            evtrail_ocaml_ring_skip(&in->feed.queues[i].ring, &in->map);
    }
}

/* The reader's, made for its first living process. Without one it reads the rings itself. */
static struct evtrail_ocaml_pump *pump_of(const struct ocaml_input *in)
{
    struct evtrail_reader *const reader = in->input.reader;
    if (!in->input.live || reader->options.snapshot)
        return NULL;
    if (!reader->pump && !reader->pump_failed)
        reader->pump_failed = evtrail_ocaml_pump_new(&reader->pump, reader->options.ocaml_queue_bytes) < 0;
    return reader->pump;
}

static int open_input(struct ocaml_input *in, uint32_t pid, struct evtrail_fault *fault)
{
    const char *const slash = strrchr(in->path, '/');
    const uint32_t named = (uint32_t)strtoul(slash ? slash + 1 : in->path, NULL, 10);
    struct evtrail_reader *const reader = in->input.reader;
    int result = evtrail_ocaml_map_open(&in->map, in->path, fault);
    if (result < 0)
        return result;
    in->pidfd = pid || named ? (int)syscall(SYS_pidfd_open, (pid_t)(pid ? pid : named), 0) : -1;
    /* What a process maps is read in parts, between which it may change. */
    for (int tries = 0; !pid && in->pidfd >= 0 && tries < 3; tries++)
        if (evtrail_ocaml_maps(named, in->path, &in->map.status))
            pid = named;
    in->input.live = pid != 0;
    in->dead = !pid;
    if (pid)
        evtrail_ocaml_map_living(&in->map);
    else
        evtrail_ocaml_map_left(&in->map);
    if (pid && !has_begun(in))
        return evtrail_fault_set(fault, -EAGAIN, "%s: it is just being made", in->path);
    if (have_already(reader, in))
        return -EEXIST;
    in->rings = calloc(in->map.domains, sizeof(struct ring *));
    if (!reader->ocaml_copied)
        reader->ocaml_copied = malloc(EVTRAIL_OCAML_COPY_WORDS * sizeof(uint64_t));
    in->copied = reader->ocaml_copied;
    if (!in->rings || !in->copied || evtrail_ocaml_decoder_init(&in->decoder, &in->source, &in->map) < 0)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    if (evtrail_ocaml_feed_init(&in->feed, pump_of(in), &in->map, pid, patience_of(&in->map)) < 0)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    describe_source(in, pid, named);
    find_release(in, pid);
    if (in->input.live && reader->options.from_now && !reader->late)
        skip_to_now(in);
    return 0;
}

int evtrail_ocaml_input_add(struct evtrail_reader *reader, const char *path, uint32_t pid, struct evtrail_fault *fault)
{
    struct ocaml_input *const in = calloc(1, sizeof(*in));
    if (!in)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    in->input = (struct evtrail_input){.operations = &operations, .reader = reader, .frontier = INT64_MIN};
    in->pidfd = -1;
    in->map.guard = in->map.fd = -1;
    snprintf(in->path, sizeof(in->path), "%s", path);
    int result = open_input(in, pid, fault);
    if (result == 0)
        result = evtrail_reader_add_source(reader, &in->source);
    if (result == 0)
        result = evtrail_reader_add_input(reader, &in->input);
    if (result < 0) {
        close_input(&in->input);
        return result;
    }
    reader->rings += in->input.live && !in->feed.pump;
    evtrail_ocaml_feed_begin(&in->feed);
    if (in->feed.pump && in->pidfd >= 0) /* its end is told at once */
        evtrail_ocaml_pump_listen(in->feed.pump, in->pidfd);
    evtrail_reader_notice(&in->input, &in->source, false);
    return 0;
}
