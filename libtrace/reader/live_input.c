/* SPDX-License-Identifier: ISC
 *
 * A live session as a reader's input: its rings as streams, its consumer slot, its end.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"
#include "reader/consumer.h"
#include "reader/ring_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIVE_EVERY_NS 2000000u
#define ALIVE_LATEST_NS 100000000u
#define LOSS_EVERY_NS 100000000u
#define TAPPED_MAX 8

struct ring {
    struct evtrail_ring_reader reader;
    struct evtrail_stream *stream; /* in the merge only */
    uint64_t released;
    uint64_t counted[EVTRAIL_CAUSES]; /* losses told: chunk by chunk, or to the stream */
};

struct evtrail_live_input {
    struct evtrail_input input; /* first */
    struct evtrail_live live;
    struct evtrail_slot slot;
    struct ring **rings;
    uint32_t rings_count, rings_capacity;
    uint32_t rings_at_start; /* from_now: those that come later are read whole */
    struct evtrail_stream *loss_stream;
    uint64_t lost_told[2]; /* session-wide: memory, nested */
    uint64_t lost_counted[EVTRAIL_CAUSES];
    uint64_t loss_looked_ns, alive_looked_ns;
    bool dead;  /* seen so; what follows is the last pass */
    bool ended; /* the end was told */
    /* next_chunk */
    uint32_t turn; /* ring to look at next */
    bool pass_got, pass_open;
    uint64_t open_looked_ns;
    struct evtrail_words words;
    struct evtrail_chunk chunk;
};

static struct evtrail_live_input *of(struct evtrail_input *input)
{
    return (struct evtrail_live_input *)input;
}

static struct evtrail_live *live_of(struct evtrail_input *input)
{
    return &of(input)->live;
}

/* ---- rings ---- */

static int add_ring(struct evtrail_live_input *in)
{
    const struct evtrail_reader_options *options = &in->input.reader->options;
    if (in->rings_count == in->rings_capacity) {
        uint32_t capacity = in->rings_capacity * 2 + 8;
        struct ring **rings = realloc(in->rings, capacity * sizeof(struct ring *));
        if (!rings)
            return -ENOMEM;
        in->rings = rings;
        in->rings_capacity = capacity;
    }
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    evtrail_ring_reader_init(&ring->reader, &in->live, in->rings_count);
    ring->reader.skip_first = options->from_now && in->rings_count < in->rings_at_start;
    ring->reader.bounded = options->snapshot;
    in->rings[in->rings_count++] = ring;
    return 0;
}

static void fault_of(struct evtrail_live_input *in, int code, const struct evtrail_fault *fault)
{
    if (code < 0)
        evtrail_reader_fault(in->input.reader, code, fault);
}

static void add_rings(struct evtrail_live_input *in)
{
    uint32_t count = evtrail_live_rings(&in->live);
    if (in->input.reader->options.snapshot && in->rings_at_start < count)
        count = in->rings_at_start;
    while (in->rings_count < count)
        if (add_ring(in) < 0) {
            struct evtrail_fault fault;
            fault_of(in,
                     evtrail_fault_set(&fault, -ENOMEM, "%s: no memory for ring %u", in->live.path, in->rings_count),
                     &fault);
            break;
        }
}

static void release(struct evtrail_live_input *in, struct ring *ring)
{
    if (ring->released == ring->reader.block)
        return;
    ring->released = ring->reader.block;
    evtrail_slot_release(&in->slot, &in->live, ring->reader.index, ring->released);
}

/* One chunk of a ring into `words`. 1, or 0: nothing, or a fault was queued. */
static int read_ring(struct evtrail_live_input *in, struct ring *ring, struct evtrail_words *words, size_t most,
                     bool open, struct evtrail_chunk *chunk)
{
    struct evtrail_fault fault;
    unsigned flags = (open ? EVTRAIL_READ_OPEN : 0u) | (in->dead ? EVTRAIL_READ_FINAL : 0u);
    int result = evtrail_ring_reader_next(&ring->reader, words, most, flags, chunk, &fault);
    release(in, ring);
    if (result < 0) {
        evtrail_reader_fault(in->input.reader, result, &fault);
        return 0;
    }
    /* Types are published before their first event is: what came with this chunk is known after this. */
    if (result > 0)
        fault_of(in, evtrail_live_schema(&in->live, &fault), &fault);
    return result;
}

/* ---- the session itself ---- */

/* What was lost before there was a ring to count it in. */
static bool session_loss(struct evtrail_live_input *in, struct evtrail_chunk *chunk)
{
    const struct evtrail_session_header *header = evtrail_live_header(&in->live);
    uint64_t now = evtrail_monotonic_now();
    if (!in->dead && now - in->loss_looked_ns < LOSS_EVERY_NS)
        return false;
    in->loss_looked_ns = now;
    uint64_t memory = atomic_load_explicit(&header->lost_no_ring, memory_order_relaxed); /* plain counts */
    uint64_t nested = atomic_load_explicit(&header->lost_nested, memory_order_relaxed);
    if (memory <= in->lost_told[0] && nested <= in->lost_told[1])
        return false;
    in->lost_told[0] = memory > in->lost_told[0] ? memory : in->lost_told[0];
    in->lost_told[1] = nested > in->lost_told[1] ? nested : in->lost_told[1];
    *chunk = (struct evtrail_chunk){.source = &in->live.source, .ring = EVTRAIL_NO_RING};
    chunk->first_ticks = chunk->last_ticks = evtrail_clock_read(in->live.source.clock.kind);
    chunk->state.reference_ticks = chunk->first_ticks;
    chunk->lost_before[EVTRAIL_LOST_MEMORY] = in->lost_told[0];
    chunk->lost_before[EVTRAIL_LOST_NESTED] = in->lost_told[1];
    return true;
}

static void look_alive(struct evtrail_live_input *in)
{
    uint64_t now = evtrail_monotonic_now();
    if (in->dead || now - in->alive_looked_ns < ALIVE_EVERY_NS)
        return;
    if (now - in->input.reader->woken_ns < ALIVE_EVERY_NS && now - in->alive_looked_ns < ALIVE_LATEST_NS)
        return; /* the event that woke us first */
    in->alive_looked_ns = now;
    in->dead = !evtrail_live_alive(&in->live);
}

/* Nothing came: is it the end? */
static void maybe_end(struct evtrail_live_input *in)
{
    bool snapshot = in->input.reader->options.snapshot, all = true;
    for (uint32_t i = 0; i < in->rings_count; i++)
        if (in->rings[i]->reader.unfinished) /* damaged blocks were passed over, and there are more behind them */
            return;
    for (uint32_t i = 0; snapshot && i < in->rings_count; i++)
        all &= in->rings[i]->reader.ended || in->rings[i]->reader.broken || !in->rings[i]->reader.blocks;
    if (in->ended || !(snapshot ? all || in->dead : in->dead))
        return;
    in->ended = true;
    in->input.done = true;
    in->input.frontier = INT64_MAX;
    if (!snapshot || in->dead)
        evtrail_reader_notice(&in->input, &in->live.source, true);
}

/* Renews the lease; looks whether the process lives. */
static void tend(struct evtrail_input *input, uint64_t now_ns)
{
    struct evtrail_live_input *in = of(input);
    struct evtrail_fault fault;
    if (in->ended)
        return;
    int renewed = evtrail_slot_renew(&in->slot, &in->live, now_ns, &fault);
    for (uint32_t i = 0; renewed == -ESTALE && i < in->rings_count; i++)
        in->rings[i]->released = UINT64_MAX; /* a new slot's cursors keep everything until they are set */
    fault_of(in, renewed, &fault);
    fault_of(in, evtrail_live_check(&in->live, &fault), &fault);
    if (!in->dead && in->live.same_boot)
        evtrail_clock_follow(&in->live.source);
}

static bool ready(struct evtrail_input *input, bool look_at_open)
{
    struct evtrail_live_input *in = of(input);
    if (in->ended)
        return false;
    look_alive(in);
    if (in->dead || evtrail_live_rings(&in->live) > in->rings_count)
        return true;
    for (uint32_t i = 0; i < in->rings_count; i++)
        if (look_at_open ? evtrail_ring_reader_ready(&in->rings[i]->reader, 0)
                         : evtrail_ring_reader_sealed(&in->rings[i]->reader))
            return true;
    return false;
}

static unsigned fill_of(struct evtrail_input *input)
{
    struct evtrail_live_input *in = of(input);
    unsigned fullest = 0;
    for (uint32_t i = 0; i < in->rings_count; i++) {
        unsigned fill = evtrail_ring_reader_fill(&in->rings[i]->reader);
        fullest = fill > fullest ? fill : fullest;
    }
    return fullest;
}

/* ---- the merge ---- */

static struct evtrail_stream *stream_of(struct evtrail_live_input *in, struct ring *ring)
{
    if (ring->stream)
        return ring->stream;
    ring->stream = evtrail_stream_new(&in->input, &in->live.source, ring->reader.index);
    if (ring->stream && in->input.reader->options.from_now) { /* what was lost before is not ours to tell */
        memcpy(ring->stream->decoder.known_lost, ring->reader.lost, sizeof(ring->reader.lost));
        memcpy(ring->counted, ring->reader.lost, sizeof(ring->counted));
    }
    return ring->stream;
}

/* Which of the events the tap leaves to the merge. */
static enum evtrail_tap tapped(const struct evtrail_reader *reader, const struct evtrail_chunk *chunk)
{
    if (!reader->options.tap)
        return EVTRAIL_TAP_all;
    const int left = reader->options.tap(reader->options.tap_context, chunk);
    return left == EVTRAIL_TAP_states ? EVTRAIL_TAP_states : left ? EVTRAIL_TAP_none : EVTRAIL_TAP_all;
}

/* The tap has the events: what is left of the piece says what was lost before and among them, if anything was. */
static bool keep_loss(const struct ring *ring, struct evtrail_piece *piece)
{
    const bool lost = piece->chunk.missed || memcmp(ring->counted, ring->reader.lost, sizeof(ring->counted)) != 0;
    memcpy(piece->chunk.lost_before, ring->reader.lost, sizeof(piece->chunk.lost_before));
    piece->chunk.events = 0;
    piece->chunk.words_count = piece->words.count = 0;
    return lost;
}

/* One chunk to its stream. 1: merged; 2: the tap took it; 0: nothing. */
static int pull_one(struct evtrail_live_input *in, struct ring *ring, size_t most)
{
    struct evtrail_reader *reader = in->input.reader;
    struct evtrail_piece *piece = evtrail_piece_new(reader);
    if (!piece)
        return 0;
    bool skipping = ring->reader.skip_first;
    int got = read_ring(in, ring, &piece->words, most, true, &piece->chunk);
    struct evtrail_stream *stream = got || (skipping && !ring->reader.skip_first) ? stream_of(in, ring) : NULL;
    if (!got || !stream) {
        evtrail_piece_drop(reader, piece);
        return 0;
    }
    const enum evtrail_tap left = tapped(reader, &piece->chunk);
    const bool taken = left == EVTRAIL_TAP_none;
    piece->states = left == EVTRAIL_TAP_states;
    stream->more = evtrail_ring_reader_sealed(&ring->reader) || piece->words.count >= most;
    if (taken)
        reader->delivered += piece->chunk.events;
    if (!taken || keep_loss(ring, piece))
        evtrail_stream_push(stream, piece);
    else
        evtrail_piece_drop(reader, piece);
    memcpy(ring->counted, ring->reader.lost, sizeof(ring->counted));
    return taken ? 2 : 1;
}

/* What the tap takes does not fill the stream, so that nothing else asks for more of it: a bounded part is read at once. */
static int pull(struct evtrail_live_input *in, struct ring *ring)
{
    const size_t most = evtrail_stream_limit_words(in->input.reader);
    int got = pull_one(in, ring, most);
    for (int more = got, i = 1; more == 2 && i < TAPPED_MAX && ring->stream->more; i++)
        more = pull_one(in, ring, most);
    return got != 0;
}

static int refill(struct evtrail_input *input, struct evtrail_stream *stream)
{
    struct evtrail_live_input *in = of(input);
    return stream->ring < in->rings_count ? pull(in, in->rings[stream->ring]) : 0;
}

static int push_session_loss(struct evtrail_live_input *in)
{
    struct evtrail_chunk chunk;
    if (!session_loss(in, &chunk))
        return 0;
    if (!in->loss_stream)
        in->loss_stream = evtrail_stream_new(&in->input, &in->live.source, EVTRAIL_NO_RING);
    struct evtrail_piece *piece = in->loss_stream ? evtrail_piece_new(in->input.reader) : NULL;
    if (!piece)
        return 0;
    piece->chunk = chunk;
    tapped(in->input.reader, &chunk); /* it has no events to take */
    evtrail_stream_push(in->loss_stream, piece);
    return 1;
}

static int64_t now_of(const struct evtrail_live_input *in)
{
    uint64_t ticks = in->dead || !in->live.same_boot ? 0 : evtrail_clock_read(in->live.source.clock.kind);
    return ticks ? evtrail_source_time(&in->live.source, ticks) : INT64_MAX;
}

static int gather(struct evtrail_input *input)
{
    struct evtrail_live_input *in = of(input);
    struct evtrail_reader *reader = input->reader;
    const size_t limit = evtrail_stream_limit_words(reader);
    int got = 0;
    tend(input, evtrail_monotonic_now());
    look_alive(in);
    int64_t stamp = now_of(in); /* before the rings */
    add_rings(in);
    for (uint32_t i = 0; i < in->rings_count; i++) {
        struct ring *ring = in->rings[i];
        if (!ring->stream || ring->stream->held_words < limit)
            got |= pull(in, ring);
        else
            ring->stream->more = true;
    }
    got |= push_session_loss(in);
    input->frontier = stamp;
    if (!got && input->pieces == 0)
        maybe_end(in);
    return got;
}

/* ---- chunks ---- */

static bool look_at_open_now(struct evtrail_live_input *in)
{
    const struct evtrail_reader_options *options = &in->input.reader->options;
    uint64_t now = evtrail_monotonic_now(), gap = in->input.reader->gap_ns;
    if (!in->dead && !options->snapshot && in->open_looked_ns && now - in->open_looked_ns < gap)
        return false;
    in->open_looked_ns = in->input.reader->gathered_ns = now;
    return true;
}

static void begin_pass(struct evtrail_live_input *in)
{
    tend(&in->input, evtrail_monotonic_now());
    look_alive(in);
    add_rings(in);
    in->pass_open = look_at_open_now(in);
    in->pass_got = false;
}

static bool next_of_pass(struct evtrail_live_input *in)
{
    while (in->turn < in->rings_count) {
        struct ring *ring = in->rings[in->turn++];
        bool skipping = ring->reader.skip_first;
        bool got = read_ring(in, ring, &in->words, EVTRAIL_CHUNK_WORDS, in->pass_open, &in->chunk) > 0;
        if (skipping && !ring->reader.skip_first)
            memcpy(ring->counted, ring->reader.lost, sizeof(ring->counted));
        if (!got)
            continue;
        evtrail_reader_count(in->input.reader, &in->chunk, ring->reader.lost, ring->counted);
        return true;
    }
    in->turn = 0;
    if (!session_loss(in, &in->chunk))
        return false;
    in->chunk.words = in->words.at;
    evtrail_reader_count(in->input.reader, &in->chunk, in->chunk.lost_before, in->lost_counted);
    return true;
}

static int next_chunk(struct evtrail_input *input, struct evtrail_chunk **ret_chunk)
{
    struct evtrail_live_input *in = of(input);
    for (;;) {
        if (in->turn == 0)
            begin_pass(in);
        if (next_of_pass(in)) {
            in->pass_got = true;
            input->reader->progress_ns = evtrail_monotonic_now();
            *ret_chunk = &in->chunk;
            return 1;
        }
        if (in->pass_got) /* a whole pass without anything is the end, for now */
            continue;
        if (in->pass_open)
            maybe_end(in);
        return 0;
    }
}

/* ---- open, close ---- */

/* All but the source, which events and callers point to. */
static void let_go(struct evtrail_live_input *in)
{
    if (in->live.data)
        evtrail_slot_detach(&in->slot, &in->live);
    for (uint32_t i = 0; i < in->rings_count; i++) {
        evtrail_stream_free(in->rings[i]->stream);
        free(in->rings[i]);
    }
    evtrail_stream_free(in->loss_stream);
    free(in->rings);
    free(in->words.at);
    in->loss_stream = NULL;
    in->rings = NULL;
    in->rings_count = in->rings_capacity = 0;
    in->words = (struct evtrail_words){0};
    evtrail_live_detach(&in->live);
}

/* An ended process's descriptor and mappings would add up in a reader that runs for days. */
static struct evtrail_source *retire(struct evtrail_input *input)
{
    if (!input->done || !of(input)->dead)
        return NULL;
    struct evtrail_live *live = &of(input)->live;
    live->left =
        atomic_load_explicit(&evtrail_live_header(live)->exiting, memory_order_relaxed) == EVTRAIL_EXITING_LEFT;
    let_go(of(input));
    return &live->source;
}

static void close_input(struct evtrail_input *input)
{
    struct evtrail_live_input *in = of(input);
    let_go(in);
    evtrail_live_close(&in->live);
    free(in);
}

static const struct evtrail_input_operations operations = {
    .gather = gather,
    .refill = refill,
    .next_chunk = next_chunk,
    .retire = retire,
    .close = close_input,
    .ready = ready,
    .fill = fill_of,
    .tend = tend,
    .live = live_of,
};

static bool have_already(const struct evtrail_reader *reader, uint64_t session_id)
{
    for (uint32_t i = 0; i < reader->sources_count; i++)
        if (reader->sources[i]->live && reader->sources[i]->session_id == session_id)
            return true;
    return false;
}

/* A reader that holds nothing and sets no rule only takes a slot to be seen: it may do without. */
static int attach_slot(struct evtrail_live_input *in, struct evtrail_fault *fault)
{
    struct evtrail_reader *reader = in->input.reader;
    const struct evtrail_reader_options *options = &reader->options;
    bool needed = options->hold || options->enable || options->settings;
    in->slot.index = -1;
    in->dead = !evtrail_live_alive(&in->live);
    if (in->dead || (options->snapshot && !needed))
        return 0;
    if (reader->watch && !reader->identity)
        reader->identity = evtrail_slot_identity(true);
    int result =
        evtrail_slot_attach_as(&in->slot, &in->live, reader->watch ? reader->identity : evtrail_slot_identity(false),
                               reader->name, options->hold, reader->enable, reader->settings, fault);
    /* its control file goes right after this is set; there is nothing left to control, only to read. A killed one's may be removed by others. */
    bool exiting = atomic_load_explicit(&evtrail_live_header(&in->live)->exiting, memory_order_relaxed) != 0;
    return result < 0 && needed && !exiting && evtrail_live_alive(&in->live) ? result : 0;
}

int evtrail_live_input_add(struct evtrail_reader *reader, const char *path, struct evtrail_fault *fault)
{
    struct evtrail_live_input *in = calloc(1, sizeof(*in));
    if (!in)
        return evtrail_fault_set(fault, -ENOMEM, "no memory");
    in->input =
        (struct evtrail_input){.operations = &operations, .reader = reader, .frontier = INT64_MIN, .live = true};
    int result = evtrail_live_open(&in->live, path, fault);
    if (result < 0) {
        free(in);
        return result;
    }
    in->rings_at_start = reader->late ? 0 : evtrail_live_rings(&in->live);
    if (have_already(reader, in->live.source.session_id))
        result = -EEXIST;
    if (result == 0)
        result = attach_slot(in, fault);
    if (result == 0)
        result = evtrail_reader_add_source(reader, &in->live.source);
    if (result == 0)
        result = evtrail_reader_add_input(reader, &in->input);
    if (result < 0) {
        close_input(&in->input);
        return result;
    }
    evtrail_reader_notice(&in->input, &in->live.source, false);
    return 0;
}
