/* SPDX-License-Identifier: ISC
 *
 * Reads all that one session holds, see trail.h.
 */
#include "support/trail.h"

#include "reader/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct chunk {
    struct chunk *next;
    uint64_t words[];
};

static void *keep(struct trail *trail, size_t bytes)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk) + bytes);
    if (!chunk)
        abort();
    chunk->next = trail->chunks;
    trail->chunks = chunk;
    return chunk->words;
}

static void fault(struct trail *trail, const char *what, uint32_t ring, uint64_t block)
{
    if (trail->faults++ == 0)
        snprintf(trail->fault, sizeof(trail->fault), "%s (ring %u, block %llu)", what, ring, (unsigned long long)block);
}

/* ---- one block ---- */

struct cursor {
    struct trail *trail;
    struct trail_ring *ring;
    uint32_t index, tid;
    uint64_t block;
    const char *thread;
    struct trail_labels *labels;
    uint32_t meta, cpu, stack_count;
    uint64_t caller;
    const uint64_t *stack;
    bool has_meta;
};

static uint64_t stated(const struct trail_ring *ring)
{
    uint64_t sum = 0;
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        sum += ring->stated[i];
    return sum;
}

static bool add_event(struct cursor *c, const struct evtrail_walk *walk)
{
    struct trail *t = c->trail;
    if (t->events_count == t->events_room) {
        t->events_room = t->events_room ? t->events_room * 2 : 1024;
        t->events = realloc(t->events, t->events_room * sizeof(*t->events));
        if (!t->events)
            abort();
    }
    const struct evtrail_event_type *type = walk->id < t->schema.types_count ? t->schema.types[walk->id] : NULL;
    if (!type)
        fault(t, "an event of no known type", c->index, c->block);
    t->events[t->events_count++] = (struct trail_event){
        .ring = c->index,
        .id = walk->id,
        .tid = c->tid,
        .words = walk->words,
        .block = c->block,
        .ticks = walk->ticks,
        .payload = walk->payload,
        .type = type,
        .name = type ? type->name : "?",
        .level = type ? type->level : 0,
        .thread = c->thread,
        .labels = c->labels,
        .meta = c->has_meta ? c->meta : 0,
        .cpu = c->cpu,
        .caller = c->caller,
        .stack = c->stack,
        .stack_count = c->stack_count,
        .lost = stated(c->ring),
    };
    c->has_meta = false;
    return true;
}

static void take_meta(struct cursor *c, const struct evtrail_walk *walk)
{
    const uint64_t *p = walk->payload, *end = p + walk->words;
    c->has_meta = true;
    c->meta = (uint32_t)*p++;
    if (c->meta & EVTRAIL_META_CPU)
        c->cpu = (uint32_t)*p++;
    if (c->meta & EVTRAIL_META_CALLER)
        c->caller = *p++;
    c->stack_count = 0;
    if (c->meta & EVTRAIL_META_STACK) {
        c->stack_count = (uint32_t)*p++;
        c->stack = p;
        p += c->stack_count;
    }
    if (p != end)
        fault(c->trail, "a META record of another length than its flags say", c->index, c->block);
}

static uint32_t take_string(const struct evtrail_walk *walk, uint32_t at, char *to)
{
    if (at >= walk->words)
        return UINT32_MAX / 2;
    uint32_t bytes = (uint32_t)walk->payload[at];
    to[0] = '\0';
    if (bytes == EVTRAIL_NULL)
        return at + 1;
    if (bytes > EVTRAIL_LABEL_BYTES || at + 1 + (bytes + 7) / 8 > walk->words)
        return UINT32_MAX / 2;
    memcpy(to, walk->payload + at + 1, bytes);
    to[bytes] = '\0';
    return at + 1 + (bytes + 7) / 8;
}

static void take_label(struct cursor *c, const struct evtrail_walk *walk)
{
    struct trail_labels *labels = keep(c->trail, sizeof(*labels));
    uint64_t slot = walk->payload[0];
    if (c->labels)
        *labels = *c->labels;
    c->labels = labels;
    if (slot >= EVTRAIL_LABELS_MAX) {
        fault(c->trail, "a LABEL record of a slot that does not exist", c->index, c->block);
        return;
    }
    uint32_t at = take_string(walk, 1, labels->key[slot]);
    if (take_string(walk, at, labels->value[slot]) != walk->words)
        fault(c->trail, "a LABEL record of another length than its strings", c->index, c->block);
}

static void take_lost(struct cursor *c, const uint64_t *lost, size_t count)
{
    if (count != EVTRAIL_LOST_CAUSES) {
        fault(c->trail, "a LOST record of another length than there are causes", c->index, c->block);
        return;
    }
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++) {
        if (lost[i] < c->ring->stated[i])
            fault(c->trail, "a count of lost events that went back", c->index, c->block);
        c->ring->stated[i] = lost[i];
    }
}

static void take_thread(struct cursor *c, const struct evtrail_walk *walk)
{
    char *name = keep(c->trail, EVTRAIL_THREAD_NAME_BYTES + 1);
    if (walk->words != 3) {
        fault(c->trail, "a THREAD record of another length", c->index, c->block);
        return;
    }
    c->tid = (uint32_t)walk->payload[0];
    memcpy(name, walk->payload + 1, EVTRAIL_THREAD_NAME_BYTES);
    c->thread = name;
}

static uint64_t read_words(struct cursor *c, const uint64_t *words, size_t count, uint64_t reference)
{
    struct evtrail_walk walk;
    uint64_t events = 0;
    evtrail_walk_init(&walk, words, count, reference);
    while (evtrail_walk_next(&walk)) {
        if (walk.id >= EVTRAIL_EVENT_FIRST) {
            events += add_event(c, &walk);
            continue;
        }
        if (c->has_meta && walk.id != EVTRAIL_RECORD_TIME)
            fault(c->trail, "a record between META and its event", c->index, c->block);
        if (walk.id == EVTRAIL_RECORD_META)
            take_meta(c, &walk);
        else if (walk.id == EVTRAIL_RECORD_LOST)
            take_lost(c, walk.payload, walk.words), c->ring->losts++;
        else if (walk.id == EVTRAIL_RECORD_THREAD)
            take_thread(c, &walk);
        else if (walk.id == EVTRAIL_RECORD_LABEL)
            take_label(c, &walk);
        else if (walk.id != EVTRAIL_RECORD_TIME)
            fault(c->trail, "a record of an unknown id", c->index, c->block);
    }
    if (walk.fault)
        fault(c->trail, walk.fault, c->index, c->block);
    if (c->has_meta)
        fault(c->trail, "a META record without its event", c->index, c->block);
    c->has_meta = false;
    return events;
}

/* ---- rings ---- */

/* The block if its slot holds it. */
static const struct evtrail_block_header *block_at(struct trail *t, struct trail_ring *ring, uint64_t s)
{
    const struct evtrail_block_header *block =
        (const void *)(t->data + ring->offset + (s & (ring->blocks - 1)) * ring->block_bytes);
    return atomic_load_explicit(&block->number, memory_order_acquire) == s + 1 ? block : NULL;
}

static void read_block(struct trail *t, struct trail_ring *ring, uint32_t index, uint64_t s, uint64_t *before)
{
    const struct evtrail_block_header *block = block_at(t, ring, s);
    if (!block)
        return; /* overwritten, or the writer died opening its successor */
    uint64_t committed = atomic_load_explicit(&block->committed, memory_order_acquire);
    uint32_t words = (uint32_t)committed, most = (ring->block_bytes - EVTRAIL_BLOCK_HEADER_BYTES) / 8;
    if (words > most || block->ring != index || block->block_bytes != ring->block_bytes ||
        block->session_id != t->header->session_id) {
        fault(t, "a block header that is not ours", index, s);
        return;
    }
    if (*before != UINT64_MAX && *before != block->events_before)
        fault(t, "events_before does not continue", index, s);
    struct cursor c = {.trail = t, .ring = ring, .index = index, .tid = block->tid, .block = s};
    char *name = keep(t, EVTRAIL_THREAD_NAME_BYTES + 1);
    memcpy(name, block->thread_name, EVTRAIL_THREAD_NAME_BYTES);
    c.thread = name;
    take_lost(&c, block->lost_before, EVTRAIL_LOST_CAUSES);
    uint64_t *copy = keep(t, words * 8 + 8);
    memcpy(copy, (const uint8_t *)block + EVTRAIL_BLOCK_HEADER_BYTES, words * 8);
    uint64_t events = read_words(&c, copy, words, block->open_ticks);
    if (events != committed >> 32)
        fault(t, "committed counts other events than there are", index, s);
    ring->read += events;
    ring->recorded = block->events_before + events;
    *before = ring->recorded;
}

static void read_ring(struct trail *t, uint32_t index)
{
    const struct evtrail_ring_header *from = (const void *)(t->data + t->header->rings_offset);
    struct trail_ring *ring = &t->rings[index];
    from += index;
    *ring = (struct trail_ring){.state = atomic_load_explicit(&from->state, memory_order_acquire)};
    if (ring->state == EVTRAIL_RING_UNUSED)
        return;
    ring->kind = from->kind;
    ring->block_bytes = from->block_bytes;
    ring->blocks = from->blocks;
    ring->policy = from->policy;
    ring->tid = from->tid;
    ring->tail = from->tail_block;
    ring->offset = from->offset;
    ring->head = atomic_load_explicit(&from->head_block, memory_order_acquire);
    if (!ring->blocks || ring->offset + (uint64_t)ring->blocks * ring->block_bytes > t->data_bytes) {
        fault(t, "a ring's geometry", index, 0);
        return;
    }
    uint64_t before = UINT64_MAX;
    for (uint64_t s = ring->head > ring->blocks ? ring->head - ring->blocks : 0; s < ring->head; s++)
        read_block(t, ring, index, s, &before);
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++) {
        ring->lost[i] = atomic_load_explicit(&from->lost[i], memory_order_relaxed);
        if (ring->lost[i] < ring->stated[i])
            fault(t, "the ring header counts fewer lost than a block", index, ring->head);
        t->lost[i] += ring->lost[i];
        t->lost_all += ring->lost[i];
    }
    t->recorded += ring->recorded;
    t->read += ring->read;
}

static void forget(struct trail *t)
{
    for (struct chunk *next; t->chunks; t->chunks = next) {
        next = t->chunks->next;
        free(t->chunks);
    }
    free(t->events);
    free(t->rings);
    t->events = NULL;
    t->rings = NULL;
    t->events_count = t->events_room = 0;
    evtrail_schema_fini(&t->schema);
}

void trail_read(struct trail *t)
{
    forget(t);
    evtrail_schema_init(&t->schema);
    t->faults = 0;
    t->fault[0] = '\0';
    t->recorded = t->read = t->lost_all = 0;
    memset(t->lost, 0, sizeof(t->lost));
    uint64_t meta = atomic_load_explicit(&t->header->meta_bytes, memory_order_acquire);
    if (evtrail_schema_append(&t->schema, t->data + t->header->meta_offset, meta, NULL) < 0 || t->schema.faults)
        fault(t, t->schema.fault, 0, 0);
    t->rings_count = atomic_load_explicit(&t->header->rings_count, memory_order_acquire);
    t->rings = calloc(t->rings_count + 1, sizeof(*t->rings));
    for (uint32_t i = 0; i < t->rings_count; i++)
        read_ring(t, i);
    t->lost[EVTRAIL_LOST_MEMORY] += t->header->lost_no_ring;
    t->lost[EVTRAIL_LOST_NESTED] += t->header->lost_nested;
    t->lost_all += t->header->lost_no_ring + t->header->lost_nested;
}

/* ---- sessions ---- */

static void *map(const char *path, int prot, size_t *ret_bytes)
{
    struct stat status;
    int fd = open(path, (prot & PROT_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size == 0) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    void *address = mmap(NULL, (size_t)status.st_size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    *ret_bytes = (size_t)status.st_size;
    return address == MAP_FAILED ? NULL : address;
}

static void control_path(const char *path, char *to, size_t bytes)
{
    snprintf(to, bytes, "%.*s.ctl", (int)(strlen(path) - 6), path);
}

struct trail *trail_open(const char *path)
{
    char control[512];
    size_t control_bytes = 0;
    struct trail *t = calloc(1, sizeof(*t));
    evtrail_schema_init(&t->schema);
    t->data = map(path, PROT_READ, &t->data_bytes);
    control_path(path, control, sizeof(control));
    if (t->data)
        t->control = map(control, PROT_READ | PROT_WRITE, &control_bytes);
    t->header = (const void *)t->data;
    if (!t->control || atomic_load_explicit(&t->header->magic, memory_order_acquire) != EVTRAIL_MAGIC_DATA) {
        if (t->data)
            munmap((void *)(uintptr_t)t->data, t->data_bytes);
        if (t->control)
            munmap(t->control, sizeof(*t->control));
        free(t);
        return NULL;
    }
    trail_read(t);
    return t;
}

void trail_close(struct trail *t)
{
    if (!t)
        return;
    forget(t);
    munmap((void *)(uintptr_t)t->data, t->data_bytes);
    munmap(t->control, sizeof(*t->control));
    free(t);
}

bool trail_alive(const char *path)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool alive = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return alive;
}

static int is_session(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 6 && strcmp(entry->d_name + n - 6, ".trail") == 0;
}

static unsigned list(const char *directory, unsigned n, char *path, size_t bytes)
{
    struct dirent **names;
    int count = scandir(directory, &names, is_session, alphasort);
    for (int i = 0; i < count; i++) {
        if (path && (unsigned)i == n)
            snprintf(path, bytes, "%s/%s", directory, names[i]->d_name);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return count > 0 ? (unsigned)count : 0;
}

bool trail_find(const char *directory, unsigned n, char *path, size_t bytes)
{
    return list(directory, n, path, bytes) > n;
}

unsigned trail_sessions(const char *directory)
{
    return list(directory, 0, NULL, 0);
}

/* ---- events ---- */

const struct trail_event *trail_event(const struct trail *t, const char *name, size_t n)
{
    for (size_t i = 0; i < t->events_count; i++)
        if (strcmp(t->events[i].name, name) == 0 && n-- == 0)
            return &t->events[i];
    return NULL;
}

size_t trail_count(const struct trail *t, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < t->events_count; i++)
        count += strcmp(t->events[i].name, name) == 0;
    return count;
}

const char *trail_gaps(const struct trail *t, uint32_t index, uint64_t emitted)
{
    static char text[160];
    const struct trail_ring *ring = &t->rings[index];
    uint64_t next = 0, lost = 0, all = 0, n = 0;
    for (size_t i = 0; i < t->events_count; i++) {
        const struct trail_event *e = &t->events[i];
        if (e->ring != index)
            continue;
        if (n++ == 0) { /* what was overwritten before it is the rest */
            next = e->payload[0] - e->lost - (ring->recorded - ring->read);
            lost = 0;
            if (next != 0)
                goto wrong;
            next = e->payload[0];
            lost = e->lost;
        }
        if (e->payload[0] != next + (e->lost - lost)) {
        wrong:
            snprintf(text, sizeof(text),
                     "event %llu in the place of %llu, lost %llu before it (%llu recorded, %llu read)",
                     (unsigned long long)e->payload[0], (unsigned long long)next, (unsigned long long)e->lost,
                     (unsigned long long)ring->recorded, (unsigned long long)ring->read);
            return text;
        }
        next = e->payload[0] + 1;
        lost = e->lost;
    }
    for (int i = 0; i < EVTRAIL_LOST_CAUSES; i++)
        all += ring->lost[i];
    if (ring->recorded + all == emitted && next + all - lost == (n ? emitted : 0))
        return NULL;
    snprintf(text, sizeof(text), "emitted %llu, recorded %llu, lost %llu, %llu of them before the last event, %llu",
             (unsigned long long)emitted, (unsigned long long)ring->recorded, (unsigned long long)all,
             (unsigned long long)lost, (unsigned long long)next);
    return text;
}

static uint32_t place(const struct trail_event *event, unsigned index)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < index && at < event->words; i++) {
        uint8_t type = event->type->fields[i].type;
        if ((type == EVTRAIL_TYPE_string || type == EVTRAIL_TYPE_bytes) && event->payload[at] != EVTRAIL_NULL)
            at += ((uint32_t)event->payload[at] + 7) / 8;
        at++;
    }
    return at;
}

uint64_t trail_word(const struct trail_event *event, unsigned index)
{
    uint32_t at = place(event, index);
    return at < event->words ? event->payload[at] : UINT64_C(0xdeaddeaddeaddead);
}

const char *trail_text(const struct trail_event *event, unsigned index, uint32_t *ret_bytes)
{
    uint32_t at = place(event, index);
    if (at >= event->words || event->payload[at] == EVTRAIL_NULL)
        return NULL;
    uint32_t bytes = (uint32_t)event->payload[at];
    if (ret_bytes)
        *ret_bytes = bytes;
    return at + 1 + (bytes + 7) / 8 <= event->words ? (const char *)(event->payload + at + 1) : NULL;
}
