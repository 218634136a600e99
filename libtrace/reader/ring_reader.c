/* SPDX-License-Identifier: ISC
 *
 * The ring, reader's side. The writer is libtrace/ring.c; every number that it wrote may be a lie.
 *
 * A block is copied, then its number is checked again, and only then is a byte of the copy believed. A reader that was
 * lapped goes half a ring ahead (the oldest block would be gone again at once) and counts what it missed from the next
 * block's events_before, so the account is exact.
 */
#include "reader/ring_reader.h"

#include "reader/clock_live.h"
#include "reader/stream_state.h"

#include <errno.h>
#include <unistd.h>

#define JOIN_WORDS_MAX (2 + 4 + (1 + EVTRAIL_LOST_CAUSES) + 4 * EVTRAIL_LABELS_MAX)
#define SKIPS_MAX 64            /* blocks given up in one call */
#define HOLES_READ_MAX 4        /* blocks of a file without memory, read in a row */
#define LOSS_EVERY_NS 10000000u /* a loss that goes on is told 100 times a second */

void evtrail_ring_reader_init(struct evtrail_ring_reader *ring, struct evtrail_live *live, uint32_t index)
{
    *ring = (struct evtrail_ring_reader){.live = live, .index = index, .header = evtrail_live_ring(live, index)};
}

/* Notes what is wrong, the first time: a ring that lies once would fill the log. */
__attribute__((format(printf, 2, 3))) static void lie(struct evtrail_ring_reader *ring, const char *format, ...)
{
    va_list arguments;
    if (ring->lie[0])
        return;
    va_start(arguments, format);
    vsnprintf(ring->lie, sizeof(ring->lie), format, arguments);
    va_end(arguments);
    ring->lie_block = ring->block;
}

static int tell_lie(struct evtrail_ring_reader *ring, struct evtrail_fault *fault)
{
    if (!ring->lie[0] || ring->lie_told)
        return 0;
    ring->lie_told = true;
    return evtrail_fault_set(fault, -EBADMSG, "%s: ring %u, block %llu: %s: damaged; what is whole is still read",
                             ring->live->path, ring->index, (unsigned long long)ring->lie_block, ring->lie);
}

/* ---- geometry ---- */

static bool power_of_two(uint32_t value, uint32_t low, uint32_t high)
{
    return value >= low && value <= high && (value & (value - 1)) == 0;
}

bool evtrail_ring_geometry_sound(const struct evtrail_live *live, uint32_t block_bytes, uint32_t blocks,
                                 uint64_t offset)
{
    const uint64_t bytes = (uint64_t)block_bytes * blocks;
    return power_of_two(block_bytes, EVTRAIL_BLOCK_BYTES_MIN, EVTRAIL_BLOCK_BYTES_MAX) &&
           power_of_two(blocks, EVTRAIL_BLOCKS_MIN, EVTRAIL_BLOCKS_MAX) && bytes <= EVTRAIL_RING_BYTES_MAX &&
           offset % 8 == 0 && offset >= live->blocks_offset && offset <= live->data_bytes &&
           bytes <= live->data_bytes - offset;
}

/* False: not set up yet, or broken. */
static bool take_geometry(struct evtrail_ring_reader *ring)
{
    const struct evtrail_ring_header *header = ring->header;
    const struct evtrail_live *live = ring->live;
    if (ring->blocks)
        return !ring->broken;
    /* R1 (acquire): the geometry after the state that publishes it; pairs with W7. Without it we may see the state and
     * zeros. */
    uint32_t state = atomic_load_explicit(&header->state, memory_order_acquire);
    if (ring->broken || state == EVTRAIL_RING_UNUSED || state == EVTRAIL_RING_SETUP)
        return false;
    uint32_t block_bytes = __atomic_load_n(&header->block_bytes, __ATOMIC_RELAXED); /* each read once, then checked */
    uint32_t blocks = __atomic_load_n(&header->blocks, __ATOMIC_RELAXED);
    uint64_t offset = __atomic_load_n(&header->offset, __ATOMIC_RELAXED);
    if (state > EVTRAIL_RING_IDLE || !evtrail_ring_geometry_sound(live, block_bytes, blocks, offset)) {
        ring->broken = true;
        lie(ring, "state %u, %u blocks of %u bytes at %llu are outside the bounds", state, blocks, block_bytes,
            (unsigned long long)offset);
        return false;
    }
    ring->blocks_base = live->data + offset;
    ring->block_bytes = block_bytes;
    ring->blocks = blocks;
    ring->block_words = (block_bytes - EVTRAIL_BLOCK_HEADER_BYTES) / 8;
    return true;
}

static uint64_t load_head(const struct evtrail_ring_reader *ring)
{
    /* R1 (acquire): block head - 1 and all of those before it, which are sealed; pairs with W4. Without it a sealed
     * block's `committed` may be an old one, and its last events would be taken for lost. */
    return atomic_load_explicit(&ring->header->head_block, memory_order_acquire);
}

/* The first look: where to begin. head > 0. */
static void begin(struct evtrail_ring_reader *ring, uint64_t head)
{
    ring->block = head > ring->blocks ? head - ring->blocks : 0;
    if (ring->skip_first)
        ring->block = head - 1;
    ring->limit_block = head - 1;
}

/* ---- one block ---- */

static const struct evtrail_block_header *slot_of(const struct evtrail_ring_reader *ring, uint64_t block)
{
    return (const void *)(ring->blocks_base + (block & (ring->blocks - 1)) * (uint64_t)ring->block_bytes);
}

struct block_copy {
    uint64_t events_before;
    uint64_t open_ticks;
    uint64_t lost_before[EVTRAIL_LOST_CAUSES];
    uint64_t session_id;
    uint32_t ring, tid, block_bytes, flags;
    uint64_t name[2];
    uint32_t words, events; /* committed */
};

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED) /* ordered by R2 before and R3 behind */

static void copy_header(const struct evtrail_block_header *from, struct block_copy *to)
{
    const uint64_t *name = (const uint64_t *)(const void *)from->thread_name;
    to->events_before = LOAD(from->events_before);
    to->open_ticks = LOAD(from->open_ticks);
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        to->lost_before[i] = LOAD(from->lost_before[i]);
    to->session_id = LOAD(from->session_id);
    to->ring = LOAD(from->ring);
    to->tid = LOAD(from->tid);
    to->name[0] = LOAD(name[0]);
    to->name[1] = LOAD(name[1]);
    to->block_bytes = LOAD(from->block_bytes);
    to->flags = LOAD(from->flags);
}

static void copy_words(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = LOAD(from[i]);
}

static void put(struct evtrail_words *words, uint64_t word)
{
    words->at[words->count++] = word;
}

static void put_head(struct evtrail_words *words, const struct block_copy *block, uint32_t id, uint32_t payload_words)
{
    put(words, block->open_ticks << (64 - EVTRAIL_TICK_BITS) | id << 6 | payload_words);
}

/* Records that carry what the block's header says into a chunk that began before it. */
static void put_join(const struct evtrail_ring_reader *ring, struct evtrail_words *words,
                     const struct block_copy *block)
{
    const struct evtrail_stream_state *state = &ring->state;
    put_head(words, block, EVTRAIL_RECORD_TIME, 1);
    put(words, block->open_ticks);
    if (memcmp(ring->lost, block->lost_before, sizeof(ring->lost)) != 0) {
        put_head(words, block, EVTRAIL_RECORD_LOST, EVTRAIL_LOST_CAUSES);
        for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++) /* more may have been told already: trailing_loss() */
            put(words, block->lost_before[i] > ring->lost[i] ? block->lost_before[i] : ring->lost[i]);
    }
    if (state->tid != block->tid || memcmp(state->thread_name, block->name, sizeof(block->name)) != 0) {
        put_head(words, block, EVTRAIL_RECORD_THREAD, 3);
        put(words, block->tid);
        put(words, block->name[0]);
        put(words, block->name[1]);
    }
    for (unsigned i = 0; i < EVTRAIL_LABELS_MAX; i++) {
        if (!state->labels[i].key[0])
            continue;
        put_head(words, block, EVTRAIL_RECORD_LABEL, 3); /* cleared: those in force are stated again in the block */
        put(words, i);
        put(words, 0);
        put(words, EVTRAIL_NULL);
    }
}

static void state_of_block(struct evtrail_ring_reader *ring, const struct block_copy *block)
{
    struct evtrail_stream_state *state = &ring->state;
    memset(state, 0, sizeof(*state));
    state->reference_ticks = block->open_ticks;
    state->tid = block->tid;
    memcpy(state->thread_name, block->name, sizeof(block->name));
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        if (block->lost_before[i] > ring->lost[i])
            ring->lost[i] = block->lost_before[i];
}

/* ---- a chunk in the making ---- */

struct making {
    struct evtrail_ring_reader *ring;
    struct evtrail_words *words;
    struct evtrail_chunk *chunk;
    size_t most_words;
    uint64_t head;
    unsigned flags;
    bool started;
    bool no_memory;
};

enum step {
    STEP_AGAIN, /* the block is done */
    STEP_DRY,   /* the open block is read as far as it goes */
    STEP_FULL,  /* the chunk ends here, there is more */
    STEP_SKIP,  /* the block cannot be read */
};

static void start_chunk(struct making *m, uint64_t missed, uint32_t flags)
{
    struct evtrail_ring_reader *ring = m->ring;
    struct evtrail_chunk *chunk = m->chunk;
    *chunk = (struct evtrail_chunk){
        .source = &ring->live->source,
        .ring = ring->index,
        .flags = flags & EVTRAIL_BLOCK_SIGNAL,
        .first_block = ring->block,
        .events_before = ring->events_seen,
        .missed = missed,
        .state = ring->state,
    };
    memcpy(chunk->lost_before, ring->lost, sizeof(ring->lost));
    m->started = true;
}

/* Walks what was copied: keeps the state, counts, finds the end of the last whole record. `all`: nothing is there behind it. Returns
 * the words that stand. */
static size_t walk_copy(struct making *m, const uint64_t *from, size_t count, bool all, const char **ret_why)
{
    struct evtrail_ring_reader *ring = m->ring;
    struct evtrail_chunk *chunk = m->chunk;
    struct evtrail_walk walk;
    uint64_t low = UINT64_MAX, high = 0, events = 0;
    const uint64_t *whole = from;
    bool context = false; /* META, and a TIME behind it, are not parted from the event that they are about */
    evtrail_walk_init(&walk, from, count, ring->state.reference_ticks);
    while (evtrail_walk_next(&walk)) {
        context = walk.id == EVTRAIL_RECORD_META || (context && walk.id == EVTRAIL_RECORD_TIME);
        if (!context || all)
            whole = walk.at;
        if (walk.id < EVTRAIL_EVENT_FIRST) {
            evtrail_state_apply(&ring->state, &walk, ring->lost);
            continue;
        }
        events++;
        low = walk.ticks < low ? walk.ticks : low;
        high = walk.ticks > high ? walk.ticks : high;
    }
    ring->state.reference_ticks = walk.reference;
    *ret_why = walk.fault;
    if (events) {
        if (!chunk->events || low < chunk->first_ticks)
            chunk->first_ticks = low;
        if (!chunk->events || high > chunk->last_ticks)
            chunk->last_ticks = high;
    }
    chunk->events += events;
    ring->events_seen += events;
    return (size_t)(whole - from);
}

static const char *check_block(const struct evtrail_ring_reader *ring, const struct block_copy *block)
{
    if (block->session_id != ring->live->source.session_id)
        return "another session's id";
    if (block->ring != ring->index)
        return "another ring's number";
    if (block->block_bytes != ring->block_bytes)
        return "another size than its ring";
    if (block->words > ring->block_words || block->words < ring->words_taken)
        return "more words than fit, or fewer than before";
    if (block->events > block->words)
        return "more events than words";
    return NULL;
}

/* A number that is not the expected one is a lap if the writer has come round, else a lie. */
static enum step not_there(struct making *m, uint64_t number)
{
    struct evtrail_ring_reader *ring = m->ring;
    /* R6 (acquire fence): the number, that R4 loads relaxed, before the head; pairs with W1 and W3. Without it a reader that was lapped
     * may find the old head, on ARM, and call the ring damaged. */
    atomic_thread_fence(memory_order_acquire);
    uint64_t head = load_head(ring);
    if (head < m->head || head - ring->block < ring->blocks)
        lie(ring, "its number is %llu", (unsigned long long)number);
    return STEP_SKIP;
}

/* Copies block ring->block's header and up to `most` new words behind those in m->words (with the records of a join
 * before them). *ret_new is how many there are. STEP_AGAIN: the copy may be believed. */
static enum step copy_block(struct making *m, size_t most, bool join, struct block_copy *block, size_t *ret_start,
                            size_t *ret_new)
{
    struct evtrail_ring_reader *ring = m->ring;
    const struct evtrail_block_header *slot = slot_of(ring, ring->block);
    const uint64_t wanted = ring->block + 1;
    /* R2 (acquire, twice): header and words after the number (pairs with W3) and after `committed` (pairs with W6).
     * Without it, on ARM, words are read that were not yet there when they were counted. */
    uint64_t number = atomic_load_explicit(&slot->number, memory_order_acquire);
    if (number != wanted)
        return not_there(m, number);
    uint64_t committed = atomic_load_explicit(&slot->committed, memory_order_acquire);
    block->words = (uint32_t)committed;
    block->events = (uint32_t)(committed >> 32);
    copy_header(slot, block);
    const char *wrong = check_block(ring, block); /* before any length is used; told only if the number stands */
    size_t left = wrong ? 0 : block->words - ring->words_taken, count = left < most ? left : most;
    if (evtrail_words_reserve(m->words, count + JOIN_WORDS_MAX) < 0) {
        m->no_memory = true;
        return STEP_FULL;
    }
    if (join && !wrong)
        put_join(ring, m->words, block);
    *ret_start = m->words->count;
    *ret_new = left;
    copy_words(m->words->at + *ret_start, (const uint64_t *)slot + EVTRAIL_BLOCK_HEADER_BYTES / 8 + ring->words_taken,
               count);
    /* R3 (acquire fence), R4 (relaxed): the copy before the second look at the number; pairs with W2. An acquire *load*
     * at R4 would not do: earlier loads may sink below it. Without the fence a torn copy passes on ARM. */
    atomic_thread_fence(memory_order_acquire);
    number = atomic_load_explicit(&slot->number, memory_order_relaxed);
    if (number != wanted)
        return not_there(m, number);
    if (wrong) {
        lie(ring, "it has %s", wrong);
        return STEP_SKIP;
    }
    return STEP_AGAIN;
}

/* A block's beginning: an account that does not add up is loss, or a lie. False: the gap must be told by a new chunk. */
static bool account(struct making *m, const struct block_copy *block)
{
    struct evtrail_ring_reader *ring = m->ring;
    uint64_t missed = block->events_before - ring->events_seen;
    if (block->events_before < ring->events_seen) {
        lie(ring, "%llu events before it, %llu were read", (unsigned long long)block->events_before,
            (unsigned long long)ring->events_seen);
        missed = 0;
    }
    if (m->started && block->events_before != ring->events_seen)
        return false;
    ring->events_seen = block->events_before;
    state_of_block(ring, block);
    if (!m->started)
        start_chunk(m, missed, block->flags);
    return true;
}

/* What copy_block() brought is believed: takes the whole records. `count` words of `all` are there, from `start` on. */
static enum step take_words(struct making *m, size_t start, size_t count, size_t all)
{
    struct evtrail_ring_reader *ring = m->ring;
    const char *why = NULL;
    size_t whole = walk_copy(m, m->words->at + start, count, count == all, &why);
    m->words->count = start + whole;
    ring->words_taken += (uint32_t)whole;
    m->chunk->last_block = ring->block;
    if (whole == count)
        return count == all ? STEP_AGAIN : STEP_FULL;
    if (count < all)
        return STEP_FULL; /* the last record goes on behind what was copied */
    lie(ring, "word %u: %s", ring->words_taken, why ? why : "a fault");
    return STEP_SKIP;
}

/* Reading a hole of a file in memory gives it memory: a sparse file that lies would fill the file system by being read. So
 * after a few blocks in a row that were not there, it is asked first. */
static bool has_memory(const struct evtrail_ring_reader *ring)
{
    const off_t offset = (off_t)((const uint8_t *)slot_of(ring, ring->block) - ring->live->data);
    if (ring->fruitless < HOLES_READ_MAX)
        return true;
    const off_t found = lseek(ring->live->fd, offset, SEEK_DATA);
    return found < 0 ? errno != ENXIO : found < offset + (off_t)sizeof(struct evtrail_block_header);
}

static enum step take_block(struct making *m, size_t most)
{
    struct evtrail_ring_reader *ring = m->ring;
    if (!has_memory(ring)) {
        lie(ring, "it was never given memory");
        return STEP_SKIP;
    }
    const size_t before = m->words->count;
    const bool sealed = ring->block + 1 < m->head, fresh = ring->words_taken == 0;
    struct block_copy block;
    size_t start = before, all = 0;
    enum step step = copy_block(m, most, fresh && m->started, &block, &start, &all);
    size_t count = all < most ? all : most;
    if (step != STEP_AGAIN) {
        m->words->count = before;
        return step;
    }
    const bool final =
        m->flags & EVTRAIL_READ_FINAL; /* killed there: the block is empty for good, its account counts */
    if (fresh && all == 0 && !sealed && !ring->skip_first && !final) { /* opened, and empty yet */
        m->words->count = before;
        return STEP_DRY;
    }
    if (fresh && !account(m, &block)) {
        m->words->count = before;
        return STEP_FULL;
    }
    if (!m->started)
        start_chunk(m, 0, block.flags);
    step = take_words(m, start, count, all);
    if (m->words->count == start && count < all) { /* not one record: it is larger than the room */
        m->words->count = before;
        return before == 0 && most < all ? take_block(m, all) : STEP_FULL;
    }
    if (step == STEP_AGAIN && !sealed)
        return STEP_DRY;
    if (step == STEP_AGAIN) {
        ring->block++;
        ring->words_taken = 0;
    }
    return step;
}

/* Goes on behind a block that cannot be read. */
static void skip(struct making *m)
{
    struct evtrail_ring_reader *ring = m->ring;
    uint64_t head = load_head(ring), to = ring->block + 1;
    if (head > m->head && head - ring->block >= ring->blocks) /* lapped by a writer that runs on */
        to = head - ring->blocks / 2;
    if (head > m->head)
        m->head = head;
    ring->block = to > m->head ? m->head : to;
    ring->words_taken = 0;
    /* A ring that lies and gives nothing would keep its reader busy for ever. */
    if (ring->lie[0] && ring->fruitless++ > 2 * ring->blocks + SKIPS_MAX)
        ring->broken = true;
}

/* ---- loss at the end ---- */

/* Events that were lost after the last one that was recorded stand only in the ring's header. */
static int trailing_loss(struct making *m)
{
    struct evtrail_ring_reader *ring = m->ring;
    bool more = false;
    uint64_t lost[EVTRAIL_LOST_CAUSES];
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++) {
        lost[i] = atomic_load_explicit(&ring->header->lost[i], memory_order_relaxed);
        more |= lost[i] > ring->lost[i];
    }
    uint64_t now = evtrail_monotonic_now();
    bool due = ring->bounded ? !ring->loss_told_ns
                             : (m->flags & EVTRAIL_READ_FINAL) || now - ring->loss_told_ns >= LOSS_EVERY_NS;
    if (!more || !due)
        return 0;
    ring->loss_told_ns = now;
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        if (lost[i] > ring->lost[i])
            ring->lost[i] = lost[i];
    start_chunk(m, 0, 0);
    m->chunk->last_block = ring->block;
    m->chunk->first_ticks = m->chunk->last_ticks = evtrail_clock_read(ring->live->source.clock.kind);
    m->chunk->words = m->words->at;
    return 1;
}

/* ---- the ring ---- */

static bool may_read(const struct making *m)
{
    const struct evtrail_ring_reader *ring = m->ring;
    if (ring->block >= m->head || m->words->count >= m->most_words || ring->broken)
        return false;
    if (ring->bounded && ring->block > ring->limit_block)
        return false;
    return ring->block + 1 < m->head || (m->flags & EVTRAIL_READ_OPEN);
}

static void take_blocks(struct making *m)
{
    struct evtrail_ring_reader *ring = m->ring;
    enum step step = STEP_AGAIN;
    for (unsigned skips = 0; step == STEP_AGAIN && skips < SKIPS_MAX && may_read(m);) {
        step = take_block(m, m->most_words - m->words->count);
        if (step != STEP_SKIP)
            continue;
        skip(m);
        skips++;
        if (!m->started)
            step = STEP_AGAIN; /* else the gap is told by the next chunk */
    }
    ring->unfinished = step == STEP_AGAIN && may_read(m);
    if (ring->bounded && (ring->block > ring->limit_block || (step == STEP_DRY && ring->block == ring->limit_block)))
        ring->ended = true;
}

/* from_now: takes what is there for its state and account, and forgets it. */
static void forget(struct making *m)
{
    struct evtrail_ring_reader *ring = m->ring;
    m->most_words = ring->block_words;
    m->flags |= EVTRAIL_READ_OPEN;
    take_blocks(m);
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++) {
        uint64_t lost = atomic_load_explicit(&ring->header->lost[i], memory_order_relaxed);
        if (lost > ring->lost[i])
            ring->lost[i] = lost;
    }
    m->words->count = 0;
    m->started = false;
    ring->skip_first = false;
}

static void find_place(struct making *m)
{
    struct evtrail_ring_reader *ring = m->ring;
    if (m->head && !ring->head_seen)
        begin(ring, m->head);
    ring->head_seen = m->head;
    if (m->head > ring->block && m->head - ring->block > ring->blocks) { /* lapped since the last call */
        uint64_t keep = m->flags & EVTRAIL_READ_FINAL ? ring->blocks : ring->blocks / 2;
        ring->block = m->head - keep;
        ring->words_taken = 0;
    }
    if (m->head && ring->skip_first)
        forget(m);
    if (m->head == 0 && ring->bounded)
        ring->ended = true;
}

static int finish_chunk(struct making *m)
{
    struct evtrail_chunk *chunk = m->chunk;
    m->ring->fruitless = 0;
    chunk->words = m->words->at;
    chunk->words_count = m->words->count;
    if (!chunk->events)
        chunk->first_ticks = chunk->last_ticks = chunk->state.reference_ticks;
    return 1;
}

int evtrail_ring_reader_next(struct evtrail_ring_reader *ring, struct evtrail_words *words, size_t most_words,
                             unsigned flags, struct evtrail_chunk *chunk, struct evtrail_fault *fault)
{
    struct making m = {.ring = ring, .words = words, .chunk = chunk, .most_words = most_words, .flags = flags};
    ring->unfinished = false;
    uint64_t lost[EVTRAIL_LOST_CAUSES];
    words->count = 0;
    if (!take_geometry(ring))
        return tell_lie(ring, fault);
    m.head = load_head(ring);
    if (m.head < ring->head_seen) {
        lie(ring, "the ring's head went from %llu back to %llu", (unsigned long long)ring->head_seen,
            (unsigned long long)m.head);
        ring->broken = true;
        return tell_lie(ring, fault);
    }
    find_place(&m);
    memcpy(lost, ring->lost, sizeof(lost));
    if (!ring->ended)
        take_blocks(&m);
    /* A block without a record may still bring an account: a gap, or a loss, before it. */
    if (m.started && (words->count || chunk->missed || memcmp(lost, ring->lost, sizeof(lost)) != 0))
        return finish_chunk(&m);
    if (m.no_memory)
        return evtrail_fault_set(fault, -ENOMEM, "no memory for %zu words of a ring", most_words);
    int told = tell_lie(ring, fault);
    if (told < 0)
        return told;
    return m.head == 0 || (flags & EVTRAIL_READ_OPEN) ? trailing_loss(&m) : 0;
}

bool evtrail_ring_reader_sealed(const struct evtrail_ring_reader *ring)
{
    if (ring->broken || ring->ended)
        return false;
    uint64_t head = atomic_load_explicit(&ring->header->head_block, memory_order_relaxed); /* a hint */
    return ring->head_seen ? head > ring->block + 1 : head > 1;
}

unsigned evtrail_ring_reader_fill(const struct evtrail_ring_reader *ring)
{
    if (!ring->blocks || !ring->head_seen || ring->broken || ring->ended)
        return 0;
    uint64_t head = atomic_load_explicit(&ring->header->head_block, memory_order_relaxed); /* a hint */
    uint64_t waiting = head > ring->block + 1 ? head - 1 - ring->block : 0;
    return waiting < ring->blocks ? (unsigned)(waiting * 8 / ring->blocks) : 8;
}

static bool has_trailing_loss(const struct evtrail_ring_reader *ring, unsigned flags)
{
    bool more = false;
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        more |= atomic_load_explicit(&ring->header->lost[i], memory_order_relaxed) > ring->lost[i];
    return more && ((flags & EVTRAIL_READ_FINAL) || evtrail_monotonic_now() - ring->loss_told_ns >= LOSS_EVERY_NS);
}

/* All loads relaxed: hints. */
bool evtrail_ring_reader_ready(const struct evtrail_ring_reader *ring, unsigned flags)
{
    uint64_t head = atomic_load_explicit(&ring->header->head_block, memory_order_relaxed);
    if (ring->lie[0] && !ring->lie_told)
        return true;
    if (ring->broken || ring->ended)
        return false;
    if (!ring->head_seen && head)
        return true;
    if (evtrail_ring_reader_sealed(ring))
        return true;
    if (ring->blocks && head > ring->block) {
        uint64_t committed = atomic_load_explicit(&slot_of(ring, ring->block)->committed, memory_order_relaxed);
        if ((uint32_t)committed > ring->words_taken && (uint32_t)committed <= ring->block_words)
            return true;
    }
    return ring->blocks && has_trailing_loss(ring, flags);
}
