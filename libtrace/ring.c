/* SPDX-License-Identifier: ISC
 *
 * The ring, writer's side: how a thread gets room for a record, and what it does at a block's end.
 *
 * One writer, its thread. The inline path in trace.h stores a record's words and then the new `committed` of the open
 * block; everything else is here. Blocks are numbered s = 0, 1, 2, ... and s lives in slot s mod blocks.
 * The protocol is model-checked: docs/model/. The labels are tabled in docs/memory-order.md.
 *
 * Source of the invalidate-fence-write order: Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012.
 */
#include "internal.h"

#include <string.h>

#define GROWTH_BYTES_MAX (64u << 10) /* memory is asked for in steps of at most this: a larger one is felt */

/* ---- loss ---- */

/* Counts an event as lost, here and where readers see it at once, and has the next record say so in its place. */
void evtrail_ring_lost(struct evtrail_ring *ring, unsigned cause)
{
    uint64_t lost = ++ring->lost[cause];
    TEST_POINT("L1");
    atomic_store_explicit(&ring->header->lost[cause], lost,
                          memory_order_relaxed); /* a plain count: nothing hangs on it */
    if (!(ring->pending & PENDING_LOST))
        __atomic_fetch_or(&ring->pending, PENDING_LOST, __ATOMIC_RELAXED); /* a handler sets flags too */
    ring->writer.limit = 0;
}

void evtrail_ring_dropped(struct evtrail_ring *ring, unsigned level)
{
    ring->drops_in_row++;
    evtrail_ring_lost(ring, ring->policy == EVTRAIL_POLICY_shed    ? EVTRAIL_LOST_SHED + level - 1
                            : ring->policy == EVTRAIL_POLICY_block ? (unsigned)EVTRAIL_LOST_TIMEOUT
                                                                   : (unsigned)EVTRAIL_LOST_FULL);
}

/* ---- records of our own ---- */

static uint64_t *end_of_words(struct evtrail_ring *ring)
{
    return ring->writer.base + (uint32_t)ring->writer.commit;
}

void evtrail_ring_put(struct evtrail_ring *ring, uint64_t word)
{
    evtrail_store_(end_of_words(ring), word);
    ring->writer.commit++; /* published by the event that follows (W6) */
}

/* Their ticks are the reference's: that of an event would cost a clock read. */
void evtrail_ring_put_header(struct evtrail_ring *ring, uint32_t id, uint32_t words)
{
    evtrail_ring_put(ring, ring->writer.open_ticks << (64 - EVTRAIL_TICK_BITS) | id << 6 | words);
}

static void put_string(struct evtrail_ring *ring, const char *text)
{
    struct evtrail_arg arg = evtrail_arg_s_(text);
    uint64_t *p = end_of_words(ring);
    ring->writer.commit += (uint64_t)(evtrail_put_(p, arg) - p);
}

static uint32_t string_words(const char *text)
{
    return evtrail_words_(evtrail_arg_s_(text));
}

static void put_lost(struct evtrail_ring *ring)
{
    evtrail_ring_put_header(ring, EVTRAIL_RECORD_LOST, EVTRAIL_LOST_CAUSES);
    for (int cause = 0; cause < EVTRAIL_LOST_CAUSES; cause++)
        evtrail_ring_put(ring, ring->lost[cause]);
}

static void put_thread(struct evtrail_ring *ring)
{
    uint64_t name[2];
    memcpy(name, ring->thread_name, sizeof(name));
    evtrail_ring_put_header(ring, EVTRAIL_RECORD_THREAD, 3);
    evtrail_ring_put(ring, ring->tid);
    evtrail_ring_put(ring, name[0]);
    evtrail_ring_put(ring, name[1]);
}

/* From a copy: a signal handler may set a label meanwhile, and the lengths must fit the bytes. */
static void put_labels(struct evtrail_ring *ring)
{
    char key[EVTRAIL_LABEL_BYTES + 1], text[EVTRAIL_LABEL_BYTES + 1];
    for (unsigned i = 0; i < EVTRAIL_LABELS_MAX; i++) {
        memcpy(key, ring->labels[i].key, sizeof(key));
        memcpy(text, ring->labels[i].value, sizeof(text));
        key[EVTRAIL_LABEL_BYTES] = text[EVTRAIL_LABEL_BYTES] = '\0';
        __asm__("" : "+m"(key), "+m"(text)); /* the copy is what counts: the compiler may not look at the label again */
        const char *value = *key ? text : NULL;
        evtrail_ring_put_header(ring, EVTRAIL_RECORD_LABEL, 1 + string_words(key) + string_words(value));
        evtrail_ring_put(ring, i);
        put_string(ring, key);
        put_string(ring, value);
    }
}

static uint32_t pending_words(uint32_t pending)
{
    uint32_t words = 0;
    if (pending & PENDING_LOST)
        words += 1 + EVTRAIL_LOST_CAUSES;
    if (pending & PENDING_THREAD)
        words += 4;
    if (pending & PENDING_LABELS)
        words += EVTRAIL_LABELS_MAX * 20;
    return words;
}

/* Only this thread and its signal handlers set flags. Those that a handler sets after room was looked for wait for the next event. */
static void put_pending(struct evtrail_ring *ring, uint32_t pending)
{
    if (!pending)
        return;
    __atomic_fetch_and(&ring->pending, ~pending, __ATOMIC_RELAXED);
    if (pending & PENDING_LOST)
        put_lost(ring);
    TEST_POINT("P1");
    if (pending & PENDING_THREAD)
        put_thread(ring);
    if (pending & PENDING_LABELS)
        put_labels(ring);
}

/* ---- memory ---- */

static bool budget(uint64_t bytes)
{
    struct evtrail_settings_values settings;
    evtrail_settings_read(&evtrail_process.control->settings, &settings);
    uint64_t used = atomic_fetch_add_explicit(&evtrail_process.memory_used, bytes, memory_order_relaxed) + bytes;
    if (used <= settings.memory_bytes)
        return true;
    atomic_fetch_sub_explicit(&evtrail_process.memory_used, bytes, memory_order_relaxed);
    return false;
}

/* Gives memory to `bytes` of slot `slot` from `from` on. A failure is tried again at every power of two of events. */
static bool allocate(struct evtrail_ring *ring, uint64_t slot, uint32_t from, uint32_t bytes)
{
    uint32_t failures = ring->memory_failures;
    if (failures & (failures - 1)) {
        ring->memory_failures++;
        return false;
    }
    const uint64_t offset = slot * ring->block_bytes + from;
    if (budget(bytes)) {
        if (evtrail_data_allocate(ring->blocks_base + offset, ring->blocks_offset + offset, bytes) == 0) {
            ring->memory_failures = 0;
            return true;
        }
        atomic_fetch_sub_explicit(&evtrail_process.memory_used, bytes, memory_order_relaxed);
    }
    ring->memory_failures++;
    return false;
}

static void set_room(struct evtrail_ring *ring, uint32_t bytes)
{
    ring->room = (bytes - EVTRAIL_BLOCK_HEADER_BYTES) / 8 - EVTRAIL_SLACK_WORDS;
}

static uint32_t bytes_with_memory(const struct evtrail_ring *ring)
{
    return (ring->room + EVTRAIL_SLACK_WORDS) * 8 + EVTRAIL_BLOCK_HEADER_BYTES;
}

/* A quiet thread pays for a page, a busy one for whole blocks: memory doubles as the block fills. */
static bool grow(struct evtrail_ring *ring)
{
    uint32_t have = bytes_with_memory(ring), more = have < GROWTH_BYTES_MAX ? have : GROWTH_BYTES_MAX;
    if (have + more > ring->block_bytes)
        more = ring->block_bytes - have;
    if (!allocate(ring, (ring->head - 1) % ring->blocks, have, more))
        return false;
    TEST_POINT("M1");
    set_room(ring, have + more);
    return true;
}

/* ---- blocks ---- */

#define HEADER_STORE(field, value) __atomic_store_n(&block->field, (value), __ATOMIC_RELAXED)

static void fill_header(struct evtrail_ring *ring, struct evtrail_block_header *block)
{
    uint64_t name[2], *to = (uint64_t *)(void *)block->thread_name;
    memcpy(name, ring->thread_name, sizeof(name));
    HEADER_STORE(open_ticks, ring->writer.open_ticks);
    HEADER_STORE(events_before, ring->events_before + (ring->writer.commit >> 32));
    for (int cause = 0; cause < EVTRAIL_LOST_CAUSES; cause++)
        HEADER_STORE(lost_before[cause], ring->lost[cause]);
    HEADER_STORE(session_id, evtrail_process.session_id);
    HEADER_STORE(ring, ring->index);
    HEADER_STORE(tid, ring->tid);
    __atomic_store_n(&to[0], name[0], __ATOMIC_RELAXED);
    __atomic_store_n(&to[1], name[1], __ATOMIC_RELAXED);
    HEADER_STORE(block_bytes, ring->block_bytes);
    HEADER_STORE(flags, ring->kind == 1 ? EVTRAIL_BLOCK_SIGNAL : 0u);
}

/* Seals the open block (its number stays, a later one opens) and opens block ring->head in its slot. */
static void open_block(struct evtrail_ring *ring, uint32_t bytes)
{
    const uint64_t s = ring->head;
    struct evtrail_block_header *block =
        (void *)(ring->blocks_base + (s & (ring->blocks - 1)) * (uint64_t)ring->block_bytes);
    ring->writer.limit = 0;
    ring->writer.open_ticks = evtrail_clock_ticks();
    /* The header is about to say it; what a handler loses from here on is said again. */
    __atomic_fetch_and(&ring->pending, ~(uint32_t)(PENDING_LOST | PENDING_THREAD), __ATOMIC_RELAXED);
    TEST_POINT("W0");
    /* W1 (release): the block may not be believed from here on. Release, because head_block = s goes before it: a reader that
     * sees 0 (R6) sees that it was lapped. With relaxed it may find neither, on ARM, and call the ring damaged. */
    atomic_store_explicit(&block->number, 0, memory_order_release);
    TEST_POINT("W1");
    /* W2 (release fence): "may not be believed" before any byte of the block changes; pairs with R3. A release *store* at W1 would
     * not do: later stores may pass it. Without it a reader on ARM accepts a torn block. */
    atomic_thread_fence(memory_order_release);
    fill_header(ring, block);
    atomic_store_explicit(&block->committed, 0, memory_order_relaxed); /* W3 publishes it */
    TEST_POINT("W2");
    /* W3 (release): the header, and committed = 0, before the number that makes them believed; pairs with R2. */
    atomic_store_explicit(&block->number, s + 1, memory_order_release);
    TEST_POINT("W3");
    ring->turning = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ring->events_before += ring->writer.commit >> 32;
    ring->block = block;
    ring->writer.base = (uint64_t *)(void *)block + EVTRAIL_BLOCK_HEADER_BYTES / 8;
    ring->writer.commit = 0;
    ring->head = s + 1;
    if (s + 1 > ring->tail + ring->blocks) /* overwrite: what was in the slot is gone */
        ring->tail = s + 1 - ring->blocks;
    set_room(ring, bytes);
    /* W4 (release): all of block s - 1, sealed by this, and the number of s; pairs with R1. */
    atomic_store_explicit(&ring->header->head_block, s + 1, memory_order_release);
    TEST_POINT("W4");
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ring->turning = false;
    if (ring->labels_used)
        __atomic_fetch_or(&ring->pending, PENDING_LABELS, __ATOMIC_RELAXED);
}

/* Whether the policy lets block ring->head take its slot; if not, the event has been counted. */
static bool policy_allows(struct evtrail_ring *ring, unsigned level)
{
    evtrail_policy_refresh(ring);
    if (ring->policy == EVTRAIL_POLICY_overwrite || ring->head < ring->blocks)
        return true;
    if (evtrail_policy_room(ring) || (ring->policy == EVTRAIL_POLICY_block && evtrail_policy_wait(ring)))
        return true;
    evtrail_policy_evict(ring);
    ring->drop_from = EVTRAIL_LEVEL_critical;
    evtrail_ring_dropped(ring, level);
    return false;
}

static bool next_block(struct evtrail_ring *ring, unsigned level)
{
    uint32_t bytes = ring->block_bytes;
    if (!policy_allows(ring, level))
        return false;
    if (ring->head < ring->blocks) { /* the slot's first use */
        if (ring->head == 0)
            bytes = EVTRAIL_BLOCK_BYTES_MIN;
        else if (bytes > GROWTH_BYTES_MAX)
            bytes = GROWTH_BYTES_MAX;
        if (!allocate(ring, ring->head, 0, bytes)) {
            evtrail_ring_lost(ring, EVTRAIL_LOST_MEMORY);
            return false;
        }
    }
    ring->drops_in_row = 0;
    ring->drop_from = 0;
    open_block(ring, bytes);
    evtrail_anchor_add(false);
    if (ring->policy == EVTRAIL_POLICY_shed)
        evtrail_policy_sheds(ring, EVTRAIL_LEVEL_critical);
    else
        ring->shedding = false;
    return true;
}

/* ---- room ---- */

static bool fits(const struct evtrail_ring *ring, uint32_t words)
{
    return ring->block && (uint32_t)ring->writer.commit + words <= ring->room;
}

static bool whole_block_has_memory(const struct evtrail_ring *ring)
{
    return bytes_with_memory(ring) == ring->block_bytes;
}

bool evtrail_ring_reserve(struct evtrail_ring *ring, unsigned level, uint32_t words)
{
    if (UNLIKELY(evtrail_policy_outdated(ring)))
        evtrail_policy_refresh(ring);
    if (ring->shedding && evtrail_policy_sheds(ring, level)) {
        evtrail_policy_evict(ring);
        evtrail_ring_dropped(ring, level);
        return false;
    }
    if (words >
        evtrail_ring_words_max(ring->block_bytes)) { /* the ring became smaller after the event was cut to size */
        evtrail_ring_lost(ring, EVTRAIL_LOST_MEMORY);
        return false;
    }
    uint32_t pending;
    while (!fits(ring, words + pending_words(pending = __atomic_load_n(&ring->pending, __ATOMIC_RELAXED)))) {
        if (ring->block && !whole_block_has_memory(ring)) {
            if (grow(ring))
                continue;
            evtrail_ring_lost(ring, EVTRAIL_LOST_MEMORY);
            return false;
        }
        if (!next_block(ring, level))
            return false;
    }
    put_pending(ring, pending);
    ring->writer.limit = ring->shedding ? 0 : ring->room;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->pending,
                        __ATOMIC_RELAXED)) /* a handler's, before it could set the limit to 0 for good */
        ring->writer.limit = 0;
    return true;
}

/* 44 bits of ticks are about an hour and a half: a thread that was quiet for longer states its clock in full. There is
 * room: EVTRAIL_SLACK_WORDS. */
API void evtrail_reclock(struct evtrail_writer *writer, uint64_t ticks)
{
    uint64_t *p = writer->base + (uint32_t)writer->commit;
    evtrail_store_(p, ticks << (64 - EVTRAIL_TICK_BITS) | EVTRAIL_RECORD_TIME << 6 | 1);
    evtrail_store_(p + 1, ticks);
    writer->commit += 2;
    writer->open_ticks = ticks;
}
