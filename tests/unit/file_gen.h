/* SPDX-License-Identifier: ISC
 *
 * Trace files to test with: a made-up source and chunks of its rings.
 */
#ifndef EVTRAIL_TESTS_FILE_GEN_H
#define EVTRAIL_TESTS_FILE_GEN_H

#include <evtrail/file.h>
#include <evtrail/trace.h>

#include "chunk_gen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GEN_START_TICKS UINT64_C(1000000000000)
#define GEN_START_NS UINT64_C(1700000000000000000)

static const struct evtrail_field gen_fields[2] = {
    {.name = "object", .unit = "", .doc = "which", .enums = "", .type = EVTRAIL_TYPE_u64},
    {.name = "argument", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u64},
};

struct gen_source {
    struct evtrail_source source;
    struct evtrail_event_type types[POOL_FIRST_ID + POOL_TYPES];
    const struct evtrail_event_type *by_id[POOL_FIRST_ID + POOL_TYPES];
    char names[POOL_TYPES][24];
};

/* Ticks are ns of a clock that stood at GEN_START_TICKS at GEN_START_NS. */
static inline void gen_source_init(struct gen_source *gen, uint32_t pid)
{
    memset(gen, 0, sizeof(*gen));
    gen->source = (struct evtrail_source){
        .session_id = UINT64_C(0xabcdef0000000000) + pid,
        .pid = pid,
        .uid = 7,
        .parent_pid = 1,
        .start_realtime_ns = GEN_START_NS,
        .command = "pool",
        .program = "/usr/bin/pool",
        .host = "here",
        .boot_id = "b00t",
        .types = gen->by_id,
        .types_count = POOL_FIRST_ID + POOL_TYPES,
        .clock = {.kind = 1,
                  .hz = 0,
                  .first = {GEN_START_TICKS, GEN_START_TICKS, GEN_START_NS},
                  .last = {GEN_START_TICKS + 1000000000, GEN_START_TICKS + 1000000000, GEN_START_NS + 1000000000}},
    };
    for (unsigned i = 0; i < POOL_TYPES; i++) {
        struct evtrail_event_type *type = &gen->types[POOL_FIRST_ID + i];
        snprintf(gen->names[i], sizeof(gen->names[i]), "pool.step%u", i);
        *type = (struct evtrail_event_type){.id = POOL_FIRST_ID + i,
                                            .level = EVTRAIL_LEVEL_info,
                                            .fields_count = 2,
                                            .name = gen->names[i],
                                            .doc = "",
                                            .file = "pool.c",
                                            .function = "f",
                                            .fields = gen_fields,
                                            .line = i};
        gen->by_id[POOL_FIRST_ID + i] = type;
    }
}

/* The chunks of one ring, one after the other. */
struct gen_ring {
    struct pool_gen pool;
    struct evtrail_chunk chunk;
    uint64_t words[32768];
};

static inline void gen_ring_init(struct gen_ring *ring, struct evtrail_source *source, uint32_t number, uint64_t seed)
{
    memset(ring, 0, sizeof(*ring));
    ring->pool.base = (struct chunk_gen){.random = {seed}, .words = ring->words, .ticks = GEN_START_TICKS};
    ring->chunk.source = source;
    ring->chunk.ring = number;
    ring->chunk.state.tid = 1000 + number;
    strcpy(ring->chunk.state.thread_name, "worker");
    strcpy(ring->chunk.state.labels[1].key, "request");
    strcpy(ring->chunk.state.labels[1].value, "r-17");
}

/* The next chunk, of at most `words` words. */
static inline const struct evtrail_chunk *gen_ring_next(struct gen_ring *ring, size_t words)
{
    struct chunk_gen *base = &ring->pool.base;
    struct evtrail_chunk *chunk = &ring->chunk;
    chunk->events_before += chunk->events;
    chunk->state.reference_ticks = base->ticks;
    chunk->first_ticks = base->ticks;
    base->count = 0;
    base->events = 0;
    base->room = words;
    pool_fill(&ring->pool);
    chunk->words = ring->words;
    chunk->words_count = base->count;
    chunk->events = base->events;
    chunk->last_ticks = base->ticks;
    chunk->last_block = chunk->first_block++;
    return chunk;
}

static inline char *gen_path(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* A directory of its own, removed by gen_directory_remove(). */
static inline char *gen_directory(void)
{
    char *path = strdup("/tmp/evtrail-file-XXXXXX");
    return mkdtemp(path);
}

static inline void gen_directory_remove(char *path)
{
    char *command = NULL;
    if (asprintf(&command, "rm -rf '%s'", path) > 0 && system(command) != 0)
        fprintf(stderr, "left behind: %s\n", path);
    free(command);
    free(path);
}

static inline uint8_t *gen_read_file(const char *path, size_t *ret_bytes)
{
    struct stat status;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) < 0)
        abort();
    uint8_t *bytes = malloc((size_t)status.st_size + 1);
    const ssize_t n = read(fd, bytes, (size_t)status.st_size);
    close(fd);
    *ret_bytes = n < 0 ? 0 : (size_t)n;
    return bytes;
}

static inline void gen_write_file(const char *path, const uint8_t *bytes, size_t count)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
        abort();
    close(fd);
}

/* What stays the same whenever and however a file is written. */
static inline struct evtrail_file_options gen_options(void)
{
    return (struct evtrail_file_options){
        .bytes = sizeof(struct evtrail_file_options), .now_ns = (int64_t)GEN_START_NS, .file_id = 77, .flush_ns = -1};
}

#endif /* EVTRAIL_TESTS_FILE_GEN_H */
