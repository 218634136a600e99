/* SPDX-License-Identifier: ISC
 *
 * A ring of OCaml's runtime events made by hand: the file as docs/ocaml.md has it, written as the runtime writes it, and every byte at will.
 */
#ifndef EVTRAIL_TESTS_OCAML_BUILDER_H
#define EVTRAIL_TESTS_OCAML_BUILDER_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OCAML_DOMAINS = 3, OCAML_HEADER_BYTES = 80, OCAML_NAMES_BYTES = 8192 * 128 };

struct ocaml_builder {
    char directory[64], path[128];
    uint64_t *data;
    uint64_t elements, bytes, time;
    uint64_t names; /* offset */
    uint64_t words[OCAML_DOMAINS]; /* written, padding included */
};

static inline uint64_t *ocaml_ring_header(struct ocaml_builder *b, unsigned ring)
{
    return b->data + (64 + ring * OCAML_HEADER_BYTES) / 8;
}

static inline uint64_t *ocaml_ring_data(struct ocaml_builder *b, unsigned ring)
{
    return b->data + (64 + OCAML_DOMAINS * OCAML_HEADER_BYTES) / 8 + ring * b->elements;
}

static inline void ocaml_fill_header(struct ocaml_builder *b)
{
    const uint64_t header[8] = {1, OCAML_DOMAINS, OCAML_HEADER_BYTES, b->elements * 8, b->elements, 64,
                                64 + OCAML_DOMAINS * OCAML_HEADER_BYTES, b->names};
    memcpy(b->data, header, sizeof(header));
}

/* No process has the number in its name, so that it is a file that one left. */
static inline void ocaml_builder_init(struct ocaml_builder *b, unsigned words_log2)
{
    memset(b, 0, sizeof(*b));
    snprintf(b->directory, sizeof(b->directory), "%s/evtrail-ocaml-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(b->directory))
        abort();
    snprintf(b->path, sizeof(b->path), "%s/4194999.events", b->directory);
    b->elements = UINT64_C(1) << words_log2;
    b->names = 64 + OCAML_DOMAINS * (OCAML_HEADER_BYTES + b->elements * 8);
    b->bytes = b->names + OCAML_NAMES_BYTES;
    b->time = 1000000000;
    const int fd = open(b->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)b->bytes) < 0)
        abort();
    b->data = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (b->data == MAP_FAILED)
        abort();
    ocaml_fill_header(b);
}

static inline void ocaml_builder_fini(struct ocaml_builder *b)
{
    munmap(b->data, b->bytes);
    unlink(b->path);
    rmdir(b->directory);
}

static inline void ocaml_name(struct ocaml_builder *b, unsigned id, const char *name)
{
    strncpy((char *)b->data + b->names + (size_t)id * 128, name, 128);
}

/* As runtime/runtime_events.c does: the head moves over the oldest items before they are written over. */
static inline void ocaml_item(struct ocaml_builder *b, unsigned ring, bool user, unsigned type, unsigned id,
                              const uint64_t *payload, unsigned words)
{
    uint64_t *const cursors = ocaml_ring_header(b, ring), *const at = ocaml_ring_data(b, ring);
    const uint64_t mask = b->elements - 1, length = words + 2;
    uint64_t head = cursors[0], tail = cursors[1];
    const uint64_t to_end = b->elements - (tail & mask), padding = to_end < length ? to_end : 0;
    while (tail + length + padding - head >= b->elements) {
        head += __atomic_load_n(&at[head & mask], __ATOMIC_RELAXED) >> 54;
        __atomic_store_n(&cursors[0], head, __ATOMIC_RELEASE);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (padding) {
        __atomic_store_n(&at[tail & mask], padding << 54, __ATOMIC_RELAXED);
        tail += padding;
        __atomic_store_n(&cursors[1], tail, __ATOMIC_RELEASE);
    }
    b->time += 10;
    const uint64_t header = length << 54 | (uint64_t)user << 53 | (uint64_t)type << 49 | (uint64_t)id << 36;
    __atomic_store_n(&at[tail & mask], header, __ATOMIC_RELAXED);
    __atomic_store_n(&at[(tail + 1) & mask], b->time, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < words; i++)
        __atomic_store_n(&at[(tail + 2 + i) & mask], payload[i], __ATOMIC_RELAXED);
    __atomic_store_n(&cursors[1], tail + length, __ATOMIC_RELEASE);
    b->words[ring] += padding + length;
}

/* As a program does that takes over the file of the one that it replaces: what is in the rings stays until it is written over. */
static inline void ocaml_take_over(struct ocaml_builder *b)
{
    for (unsigned i = 0; i < OCAML_DOMAINS; i++) {
        __atomic_store_n(&ocaml_ring_header(b, i)[0], 0, __ATOMIC_RELEASE);
        __atomic_store_n(&ocaml_ring_header(b, i)[1], 0, __ATOMIC_RELEASE);
        b->words[i] = 0;
    }
}

static inline void ocaml_runtime(struct ocaml_builder *b, unsigned ring, unsigned type, unsigned id)
{
    ocaml_item(b, ring, false, type, id, NULL, 0);
}
static inline void ocaml_runtime_value(struct ocaml_builder *b, unsigned ring, unsigned type, unsigned id, uint64_t value)
{
    ocaml_item(b, ring, false, type, id, &value, 1);
}
static inline void ocaml_int(struct ocaml_builder *b, unsigned ring, unsigned id, int64_t value)
{
    const uint64_t word = (uint64_t)value;
    ocaml_item(b, ring, true, 1, id, &word, 1);
}
/* With the last byte of an OCaml string's padding. */
static inline void ocaml_custom(struct ocaml_builder *b, unsigned ring, unsigned id, const void *bytes, unsigned count)
{
    uint64_t words[129] = {0};
    const unsigned n = count / 8 + 1;
    memcpy(words, bytes, count);
    ((uint8_t *)words)[n * 8 - 1] = (uint8_t)(n * 8 - 1 - count);
    ocaml_item(b, ring, true, 4, id, words, n);
}
static inline void ocaml_custom_id(struct ocaml_builder *b, unsigned ring, unsigned id, uint64_t first, const void *rest,
                                   unsigned count)
{
    uint8_t bytes[256];
    memcpy(bytes, &first, 8);
    memcpy(bytes + 8, rest, count);
    ocaml_custom(b, ring, id, bytes, 8 + count);
}

#endif /* EVTRAIL_TESTS_OCAML_BUILDER_H */
