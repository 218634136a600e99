/* SPDX-License-Identifier: ISC
 *
 * Lays out a session by hand, as libtrace/layout.h says, for tests of readers: small, and every byte at will.
 */
#ifndef EVTRAIL_TESTS_SESSION_BUILDER_H
#define EVTRAIL_TESTS_SESSION_BUILDER_H

#include "layout.h"

#include <evtrail/reader.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BUILDER_RINGS = 2,
    BUILDER_BLOCKS = 4,
    BUILDER_BLOCK_BYTES = 4096,
    BUILDER_BLOCK_WORDS = (BUILDER_BLOCK_BYTES - EVTRAIL_BLOCK_HEADER_BYTES) / 8,
    BUILDER_RINGS_OFFSET = 4096,
    BUILDER_META_OFFSET = BUILDER_RINGS_OFFSET + EVTRAIL_RINGS_MAX * EVTRAIL_RING_HEADER_BYTES,
    BUILDER_META_LIMIT = 65536,
    BUILDER_BLOCKS_OFFSET = BUILDER_META_OFFSET + BUILDER_META_LIMIT,
    BUILDER_FILE_BYTES = BUILDER_BLOCKS_OFFSET + BUILDER_RINGS * BUILDER_BLOCKS * BUILDER_BLOCK_BYTES,
};

struct builder_ring {
    uint64_t head;   /* blocks opened */
    uint64_t events; /* in all */
    uint64_t lost[EVTRAIL_LOST_CAUSES];
    uint32_t words, block_events; /* of the open block */
};

struct builder {
    char directory[64], path[128], control_path[128];
    int fd;
    uint8_t *data;
    struct evtrail_session_header *header;
    struct evtrail_control *control;
    struct builder_ring rings[BUILDER_RINGS];
    uint64_t ticks;
};

static inline struct evtrail_ring_header *builder_ring_header(struct builder *b, uint32_t ring)
{
    return (struct evtrail_ring_header *)(void *)(b->data + BUILDER_RINGS_OFFSET) + ring;
}

static inline struct evtrail_block_header *builder_slot(struct builder *b, uint32_t ring, uint64_t block)
{
    uint64_t slot = ring * BUILDER_BLOCKS + block % BUILDER_BLOCKS;
    return (void *)(b->data + BUILDER_BLOCKS_OFFSET + slot * BUILDER_BLOCK_BYTES);
}

static inline uint64_t builder_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Opens the next block of a ring, which seals the last one. */
static inline void builder_open_block(struct builder *b, uint32_t index)
{
    struct builder_ring *ring = &b->rings[index];
    uint64_t s = ring->head;
    struct evtrail_block_header *block = builder_slot(b, index, s);
    atomic_store(&block->number, 0);
    memset(block, 0, BUILDER_BLOCK_BYTES);
    block->open_ticks = ++b->ticks;
    block->events_before = ring->events;
    memcpy(block->lost_before, ring->lost, sizeof(ring->lost));
    block->session_id = b->header->session_id;
    block->ring = index;
    block->tid = 100 + index;
    snprintf(block->thread_name, sizeof(block->thread_name), "thread-%u", index);
    block->block_bytes = BUILDER_BLOCK_BYTES;
    atomic_store(&block->number, s + 1);
    ring->words = ring->block_events = 0;
    ring->head = s + 1;
    atomic_store(&builder_ring_header(b, index)->head_block, s + 1);
}

/* A record; an event if id >= 16. */
static inline void builder_record(struct builder *b, uint32_t index, uint32_t id, const uint64_t *payload,
                                  uint32_t words)
{
    struct builder_ring *ring = &b->rings[index];
    if (ring->head == 0 || ring->words + words + 1 > BUILDER_BLOCK_WORDS)
        builder_open_block(b, index);
    struct evtrail_block_header *block = builder_slot(b, index, ring->head - 1);
    uint64_t *at = (uint64_t *)(void *)block + EVTRAIL_BLOCK_HEADER_BYTES / 8 + ring->words;
    *at++ = ++b->ticks << 20 | (uint64_t)id << 6 | words;
    for (uint32_t i = 0; i < words; i++)
        at[i] = payload[i];
    ring->words += words + 1;
    if (id >= EVTRAIL_EVENT_FIRST) {
        ring->block_events++;
        ring->events++;
    }
    atomic_store(&block->committed, (uint64_t)ring->block_events << 32 | ring->words);
}

/* The event "test.tick" with its number in the ring. */
static inline void builder_event(struct builder *b, uint32_t index)
{
    uint64_t number = b->rings[index].events;
    builder_record(b, index, EVTRAIL_EVENT_FIRST, &number, 1);
}

static inline void builder_events(struct builder *b, uint32_t index, unsigned count)
{
    while (count--)
        builder_event(b, index);
}

/* An event that the writer lost; the next block or record tells, and the ring's header at once. */
static inline void builder_lose(struct builder *b, uint32_t index, unsigned cause)
{
    b->rings[index].lost[cause]++;
    atomic_store(&builder_ring_header(b, index)->lost[cause], b->rings[index].lost[cause]);
}

static inline void builder_meta(struct builder *b)
{
    static const uint8_t body[] = {
        16,
        0,
        0,
        0,
        7,
        0,
        0,
        0,
        4,
        0,
        1,
        0, /* id, line, level info, instant, 1 field */
        9,
        0,
        't',
        'e',
        's',
        't',
        '.',
        't',
        'i',
        'c',
        'k',
        0,
        0, /* name, doc */
        3,
        0,
        'a',
        '.',
        'c',
        1,
        0,
        'f', /* file, function */
        EVTRAIL_TYPE_u64,
        0,
        0,
        0,
        1,
        0,
        'n',
        0,
        0,
        0,
        0,
        0,
        0, /* field */
    };
    struct evtrail_meta_header header = {(sizeof(header) + sizeof(body) + 7) / 8 * 8, EVTRAIL_META_EVENT_TYPE, 0};
    memcpy(b->data + BUILDER_META_OFFSET, &header, sizeof(header));
    memcpy(b->data + BUILDER_META_OFFSET + sizeof(header), body, sizeof(body));
    atomic_store(&b->header->meta_bytes, header.bytes);
    atomic_store(&b->header->types_count, 17);
}

/* One more event type with one field, e, or of a state three: e, f, g; u64 all. */
static inline void builder_declare(struct builder *b, uint32_t id, uint8_t kind, const char *name)
{
    const uint16_t fields = kind == EVTRAIL_KIND_state ? 3 : 1;
    struct evtrail_meta_header header = {0, EVTRAIL_META_EVENT_TYPE, 0};
    uint8_t body[256];
    size_t at = 0;
    const uint64_t used = atomic_load(&b->header->meta_bytes);
    memcpy(body, &id, 4);
    memset(body + 4, 0, 4);
    at = 8;
    body[at++] = 4;
    body[at++] = kind;
    memcpy(body + at, &fields, 2);
    at += 2;
    const char *const texts[] = {name, "", "a.c", "f"};
    for (unsigned i = 0; i < 4; i++) {
        const uint16_t bytes = (uint16_t)strlen(texts[i]);
        memcpy(body + at, &bytes, 2);
        memcpy(body + at + 2, texts[i], bytes);
        at += 2u + bytes;
    }
    for (unsigned i = 0; i < fields; i++) {
        static const uint8_t field[] = {EVTRAIL_TYPE_u64, 0, 0, 0, 1, 0, 'e', 0, 0, 0, 0, 0, 0};
        memcpy(body + at, field, sizeof field);
        body[at + 6] = (uint8_t)('e' + i);
        at += sizeof field;
    }
    header.bytes = (uint32_t)((sizeof header + at + 7) / 8 * 8);
    memcpy(b->data + BUILDER_META_OFFSET + used, &header, sizeof header);
    memcpy(b->data + BUILDER_META_OFFSET + used + sizeof header, body, at);
    atomic_store(&b->header->meta_bytes, used + header.bytes);
    atomic_store(&b->header->types_count, id + 1);
}

static inline uint8_t *builder_map(const char *path, size_t bytes, int *ret_fd)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        abort();
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    *ret_fd = fd;
    return map;
}

static inline void builder_header(struct builder *b)
{
    struct evtrail_session_header *h = b->header;
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    h->version = EVTRAIL_LAYOUT_VERSION;
    h->header_bytes = sizeof(*h);
    h->session_id = 0x1234567;
    h->pid = (uint32_t)getpid();
    h->uid = geteuid();
    h->clock = EVTRAIL_CLOCK_MONOTONIC;
    h->hz = 1000000000;
    h->start_realtime_ns = (uint64_t)real.tv_sec * 1000000000u + (uint64_t)real.tv_nsec;
    h->rings_offset = BUILDER_RINGS_OFFSET;
    h->meta_offset = BUILDER_META_OFFSET;
    h->meta_limit = BUILDER_META_LIMIT;
    h->blocks_offset = BUILDER_BLOCKS_OFFSET;
    h->file_bytes = BUILDER_FILE_BYTES;
    h->anchors[0] = (struct evtrail_anchor){b->ticks, b->ticks, h->start_realtime_ns};
    atomic_store(&h->anchor_number, 1);
    atomic_store(&h->rings_count, BUILDER_RINGS);
    strcpy(h->command, "builder");
    strcpy(h->program, "/bin/builder");
    strcpy(h->host, "here");
    strcpy(h->boot_id, "another-boot");
    atomic_store(&h->magic, EVTRAIL_MAGIC_DATA);
}

/* A session of a process that has ended (no lock), with two empty rings and one event type. */
static inline void builder_init(struct builder *b)
{
    int control_fd;
    memset(b, 0, sizeof(*b));
    strcpy(b->directory, "/dev/shm/evtrail-builder-XXXXXX");
    if (!mkdtemp(b->directory))
        abort();
    snprintf(b->path, sizeof(b->path), "%s/%d-1234567.trail", b->directory, (int)getpid());
    snprintf(b->control_path, sizeof(b->control_path), "%s/%d-1234567.ctl", b->directory, (int)getpid());
    b->data = builder_map(b->path, BUILDER_FILE_BYTES, &b->fd);
    b->header = (void *)b->data;
    b->control = (void *)builder_map(b->control_path, sizeof(struct evtrail_control), &control_fd);
    close(control_fd);
    b->ticks = builder_monotonic() - 1000000000;
    builder_header(b);
    b->control->version = EVTRAIL_LAYOUT_VERSION;
    b->control->bytes = sizeof(struct evtrail_control);
    b->control->session_id = b->header->session_id;
    atomic_store(&b->control->settings.lease_ns, 2000000000);
    atomic_store(&b->control->magic, EVTRAIL_MAGIC_CONTROL);
    builder_meta(b);
    for (uint32_t i = 0; i < BUILDER_RINGS; i++) {
        struct evtrail_ring_header *ring = builder_ring_header(b, i);
        ring->offset = BUILDER_BLOCKS_OFFSET + i * BUILDER_BLOCKS * BUILDER_BLOCK_BYTES;
        ring->block_bytes = BUILDER_BLOCK_BYTES;
        ring->blocks = BUILDER_BLOCKS;
        atomic_store(&ring->tid, 100 + i);
        atomic_store(&ring->state, EVTRAIL_RING_OWNED);
    }
}

/* From here on the session is that of a living process: of ours. */
static inline void builder_live(struct builder *b)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(b->fd, F_OFD_SETLK, &lock) < 0)
        abort();
}

static inline void builder_die(struct builder *b)
{
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (fcntl(b->fd, F_OFD_SETLK, &lock) < 0)
        abort();
}

static inline void builder_fini(struct builder *b)
{
    munmap(b->data, BUILDER_FILE_BYTES);
    munmap(b->control, sizeof(struct evtrail_control));
    close(b->fd);
    unlink(b->path);
    unlink(b->control_path);
    rmdir(b->directory);
}

#endif
