/* SPDX-License-Identifier: ISC
 *
 * Chunks to test with: records as a ring holds them, made up.
 */
#ifndef EVTRAIL_TESTS_CHUNK_GEN_H
#define EVTRAIL_TESTS_CHUNK_GEN_H

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *random, uint64_t n)
{
    return random_next(random) % n;
}

/* A number of any size, small ones as often as large ones. */
static inline uint64_t random_size(struct random *random)
{
    const uint64_t shift = random_below(random, 64);
    return random_next(random) >> shift;
}

/* Where a chunk's words go. */
struct chunk_gen {
    struct random random;
    uint64_t *words;
    size_t count, room;
    uint64_t ticks;
    uint64_t events;
};

static inline bool gen_room(const struct chunk_gen *gen, size_t words)
{
    return gen->count + words <= gen->room;
}

static inline void gen_header(struct chunk_gen *gen, uint32_t id, uint32_t size)
{
    gen->words[gen->count++] = gen->ticks << 20 | (uint64_t)id << 6 | size;
    gen->events += id >= 16;
}

/* A thread of the pool: connections live through acquire, sqe, cqe, read or write, release. Two payload words
 * each: {object, argument}. */
struct pool_connection {
    uint32_t object;
    uint8_t step;
};
enum { POOL_FIRST_ID = 16, POOL_TYPES = 13, POOL_CONNECTIONS = 24 };
struct pool_gen {
    struct chunk_gen base;
    struct pool_connection connections[POOL_CONNECTIONS];
    uint64_t sqe;
};

static inline uint64_t pool_argument(struct pool_gen *pool, unsigned step, uint32_t object)
{
    struct random *random = &pool->base.random;
    switch (step) {
    case 0:
        return random_below(random, 40); /* waiters */
    case 1:
    case 4:
    case 7:
        return ++pool->sqe;
    case 2:
    case 5:
    case 8:
        return pool->sqe - random_below(random, 4);
    case 3:
        return 64u << random_below(random, 8); /* bytes read */
    case 6:
        return 512 + random_below(random, 3) * 100;
    case 9:
        return 0;
    case 10:
        return object % 7;
    case 11:
        return random_below(random, 2000000); /* ns held */
    default:
        return 200;
    }
}

static inline void pool_event(struct pool_gen *pool)
{
    struct chunk_gen *gen = &pool->base;
    struct pool_connection *c = &pool->connections[random_below(&gen->random, POOL_CONNECTIONS)];
    if (!c->object)
        c->object = 1 + (uint32_t)random_below(&gen->random, 4096);
    gen->ticks += 60 + random_below(&gen->random, 400);
    if (!random_below(&gen->random, 50))
        gen->ticks += random_below(&gen->random, 40000);
    gen_header(gen, POOL_FIRST_ID + c->step, 2);
    gen->words[gen->count++] = c->object;
    gen->words[gen->count++] = pool_argument(pool, c->step, c->object);
    if (++c->step == POOL_TYPES) {
        c->step = 0;
        c->object = random_below(&gen->random, 100) ? c->object : 0; /* the connection is used again, mostly */
    }
}

static inline void pool_fill(struct pool_gen *pool)
{
    while (gen_room(&pool->base, 3))
        pool_event(pool);
}

/* Anything goes: ids, sizes, values, long records, ticks that jump. */
static inline void random_fill(struct chunk_gen *gen, unsigned ids, unsigned sizes)
{
    struct random *random = &gen->random;
    for (;;) {
        const uint32_t id = 1 + (uint32_t)random_below(random, ids);
        uint32_t size = (uint32_t)random_below(random, sizes);
        const bool is_long = size >= 63 || !random_below(random, 200);
        const uint32_t n = is_long ? (uint32_t)random_below(random, 300) : size;
        if (!gen_room(gen, 2 + n))
            return;
        gen->ticks +=
            random_below(random, 20) ? random_below(random, 1000) : random_size(random);
        gen_header(gen, id, is_long ? 63 : size);
        if (is_long)
            gen->words[gen->count++] = n;
        for (uint32_t i = 0; i < n; i++)
            gen->words[gen->count++] =
                random_below(random, 3) ? random_below(random, 1000) : random_size(random);
    }
}

/* Strings: a fixed host name, a path of varied length, a double. */
static inline void string_fill(struct chunk_gen *gen)
{
    static const char *const paths[] = {"/var/lib/data/table-0001.db", "/etc/hosts",
                                        "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                        "/home/user/projects/pool/src/connection.c", "/tmp/x"};
    struct random *random = &gen->random;
    for (;;) {
        char text[96] = "";
        strcpy(text, paths[random_below(random, 5)]);
        strcat(text, random_below(random, 2) ? "" : ".old");
        const size_t bytes = strlen(text);
        const uint32_t words = (uint32_t)(bytes + 7) / 8;
        if (!gen_room(gen, 8 + words))
            return;
        gen->ticks += random_below(random, 3000);
        gen_header(gen, 40, 4 + words);
        gen->words[gen->count++] = 9;
        memcpy(gen->words + gen->count, "localhost\0\0\0\0\0\0", 16);
        gen->count += 2;
        gen->words[gen->count++] = bytes;
        memcpy(gen->words + gen->count, text, (size_t)words * 8);
        gen->count += words;
        const double value = (double)random_below(random, 1000000) / 7;
        gen_header(gen, 41, 1);
        memcpy(gen->words + gen->count++, &value, 8);
    }
}

#endif /* EVTRAIL_TESTS_CHUNK_GEN_H */
