/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: the recorder's encoder, and reading back what it wrote.
 *
 * The records are those of a simulated connection pool (13 event types, 24 bytes each: header, connection, one figure), in chunks of
 * 256 KiB as the recorder takes them from rings. They are made before the clock starts.
 */
#include "bench.h"

#include <evtrail/evtrail.h>
#include <evtrail/file.h>
#include <evtrail/reader.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { TYPES = 13, FIRST_ID = 16, CHUNK_RECORDS = 10900, WORDS = 3, CHUNKS = 64 };

/* ---- the simulated pool ---- */

static uint64_t random_next(uint64_t *state) /* xorshift64*, Vigna 2016 */
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static const char *const pool_names[TYPES] = {
    "pool.acquire", "pool.wait", "pool.acquired", "uring.submit", "uring.complete", "pool.write", "pool.written",
    "pool.read",    "pool.data", "pool.release",  "pool.idle",    "loop.enter",     "loop.leave"};

static const struct evtrail_field pool_fields[2] = {{"connection", "", "", "", EVTRAIL_TYPE_u64, EVTRAIL_ROLE_none},
                                                    {"value", "", "", "", EVTRAIL_TYPE_u64, EVTRAIL_ROLE_none}};

struct pool {
    struct evtrail_event_type types[TYPES];
    const struct evtrail_event_type *by_id[FIRST_ID + TYPES];
    struct evtrail_source source;
    uint64_t seed, ticks, events;
    unsigned step[64];
    uint64_t *words[CHUNKS];
    uint64_t first_ticks[CHUNKS], last_ticks[CHUNKS];
};

static uint64_t value_of(unsigned type, uint64_t random)
{
    switch (type) {
    case 1:
        return random % 4;
    case 4:
    case 6:
        return 64 + (random % 16) * 64;
    case 8:
        return 512 + random % 1024;
    case 9:
        return 20000 + random % 4096;
    default:
        return type;
    }
}

static void make_chunk(struct pool *pool, unsigned chunk)
{
    uint64_t *p = pool->words[chunk];
    for (unsigned i = 0; i < CHUNK_RECORDS; i++) {
        uint64_t random = random_next(&pool->seed);
        unsigned connection = (unsigned)(random >> 58), type = pool->step[connection]++ % TYPES;
        pool->ticks += 60 + type * 37 + (random & 31);
        if (i == 0)
            pool->first_ticks[chunk] = pool->ticks;
        *p++ = pool->ticks << 20 | (uint64_t)(FIRST_ID + type) << 6 | 2;
        *p++ = 0x1000 + connection;
        *p++ = value_of(type, random >> 20);
    }
    pool->last_ticks[chunk] = pool->ticks;
}

static bool pool_make(struct pool *pool)
{
    memset(pool, 0, sizeof(*pool));
    pool->seed = UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < TYPES; i++) {
        pool->types[i] = (struct evtrail_event_type){.id = FIRST_ID + i,
                                                     .level = EVTRAIL_LEVEL_info,
                                                     .fields_count = 2,
                                                     .name = pool_names[i],
                                                     .doc = "",
                                                     .file = "",
                                                     .function = "",
                                                     .fields = pool_fields};
        pool->by_id[FIRST_ID + i] = &pool->types[i];
    }
    for (unsigned i = 0; i < 64; i++)
        pool->step[i] = i * 5;
    pool->source = (struct evtrail_source){.session_id = 1,
                                           .pid = 1,
                                           .command = "bench",
                                           .program = "",
                                           .host = "",
                                           .boot_id = "",
                                           .types = pool->by_id,
                                           .types_count = FIRST_ID + TYPES};
    pool->source.clock.kind = 1;
    pool->source.clock.hz = 1000000000;
    pool->source.clock.first.realtime_ns = pool->source.clock.last.realtime_ns = UINT64_C(1767225600000000000);
    for (unsigned i = 0; i < CHUNKS; i++) {
        pool->words[i] = malloc(sizeof(uint64_t) * CHUNK_RECORDS * WORDS);
        if (!pool->words[i])
            return false;
        make_chunk(pool, i);
    }
    return true;
}

static void pool_free(struct pool *pool)
{
    for (unsigned i = 0; i < CHUNKS; i++)
        free(pool->words[i]);
}

/* Chunk n of an endless stream: the words repeat, the clock goes on. */
static void chunk_of(struct pool *pool, uint64_t n, struct evtrail_chunk *chunk)
{
    const unsigned i = n % CHUNKS;
    const uint64_t later = n / CHUNKS * (pool->last_ticks[CHUNKS - 1] + 100);
    if (n >= CHUNKS) /* the records' 44 bits go on too */
        for (unsigned k = 0; k < CHUNK_RECORDS; k++)
            pool->words[i][k * WORDS] += (pool->last_ticks[CHUNKS - 1] + 100) << 20;
    memset(chunk, 0, sizeof(*chunk));
    chunk->source = &pool->source;
    chunk->first_block = n * 4;
    chunk->last_block = n * 4 + 3;
    chunk->first_ticks = pool->first_ticks[i] + later;
    chunk->last_ticks = pool->last_ticks[i] + later;
    chunk->events = CHUNK_RECORDS;
    chunk->events_before = n * CHUNK_RECORDS;
    chunk->state.reference_ticks = chunk->first_ticks;
    chunk->state.tid = 1;
    chunk->words = pool->words[i];
    chunk->words_count = CHUNK_RECORDS * WORDS;
}

/* ---- writing ---- */

static bool write_pool(struct pool *pool, const char *path, uint64_t events, struct recorded *ret_recorded)
{
    struct evtrail_file_options options = {.bytes = sizeof(options), .force = true};
    struct evtrail_file *file;
    struct evtrail_chunk chunk;
    double encoding = 0;
    if (evtrail_file_create(&file, path, &options) < 0)
        return false;
    const uint64_t chunks = events / CHUNK_RECORDS + 1;
    const uint64_t start = clock_ns();
    for (uint64_t n = 0; n < chunks; n++) {
        chunk_of(pool, n, &chunk);
        uint64_t before = cpu_ns(0);
        if (evtrail_file_write_chunk(file, &chunk) < 0)
            break;
        encoding += (double)(cpu_ns(0) - before);
    }
    struct evtrail_file_stats stats;
    const int failed = evtrail_file_close(file, &stats);
    *ret_recorded = (struct recorded){.events = stats.events,
                                      .file_bytes = stats.file_bytes,
                                      .raw_bytes = stats.raw_bytes,
                                      .cpu_seconds = encoding / 1e9,
                                      .seconds = (double)(clock_ns() - start) / 1e9};
    return failed >= 0;
}

bool bench_record_pool(const char *path, uint64_t events, struct recorded *ret_recorded)
{
    struct pool *pool = malloc(sizeof(*pool));
    const bool written = pool && pool_make(pool) && write_pool(pool, path, events, ret_recorded);
    if (pool)
        pool_free(pool);
    free(pool);
    return written;
}

bool bench_each_chunk(uint64_t events, int (*take)(void *context, const struct evtrail_chunk *chunk), void *context)
{
    struct pool *pool = malloc(sizeof(*pool));
    struct evtrail_chunk chunk;
    bool taken = pool && pool_make(pool);
    for (uint64_t n = 0; taken && n < events / CHUNK_RECORDS + 1; n++) {
        chunk_of(pool, n, &chunk);
        taken = take(context, &chunk) >= 0;
    }
    if (pool)
        pool_free(pool);
    free(pool);
    return taken;
}

static bool write_file(struct bench *bench, const char *path, struct pool *pool)
{
    struct recorded recorded;
    struct result result;
    if (!write_pool(pool, path, bench->file_events, &recorded))
        return false;
    if (!bench_wants(bench, "file/write"))
        return true;
    const double events = (double)recorded.events, bytes = (double)recorded.file_bytes;
    result_start(&result, ">= 30 M events/s on one core, <= 3.5 bytes/event, >= 2.5 x smaller than raw", "file/write");
    result_add(&result, "events_per_cpu_s", events / recorded.cpu_seconds);
    result_add(&result, "events_per_wall_s", events / recorded.seconds);
    result_add(&result, "bytes_per_event", bytes / events);
    result_add(&result, "raw_ratio", (double)recorded.raw_bytes / bytes);
    result_judge(&result, events / recorded.cpu_seconds >= 30e6 && bytes / events <= 3.5 &&
                              (double)recorded.raw_bytes >= 2.5 * bytes);
    result_print(bench, &result);
    return true;
}

/* ---- reading ---- */

struct run {
    double seconds, cpu_seconds, max_rss_mib;
    int status;
};

static struct run run_tool(const struct bench *bench, const char *command, const char *path, const char *filter)
{
    char *arguments[] = {(char *)bench->self, (char *)command, (char *)path, (char *)filter, NULL};
    struct run run = {.status = -1};
    posix_spawn_file_actions_t actions;
    struct rusage used;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    uint64_t start = clock_ns();
    if (posix_spawn(&pid, bench->self, &actions, NULL, arguments, environ) == 0 &&
        wait4(pid, &run.status, 0, &used) == pid) {
        run.seconds = (double)(clock_ns() - start) / 1e9;
        run.cpu_seconds = (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
                          ((double)used.ru_utime.tv_usec + (double)used.ru_stime.tv_usec) / 1e6;
        run.max_rss_mib = (double)used.ru_maxrss / 1024;
    }
    posix_spawn_file_actions_destroy(&actions);
    return run;
}

static void read_case(struct bench *bench, const char *path, const char *command, const char *target, double least,
                      uint64_t events)
{
    struct result result;
    char name[32];
    snprintf(name, sizeof(name), "file/%s", command);
    if (!bench_wants(bench, name))
        return;
    struct run run = run_tool(bench, command, path, NULL);
    if (run.status != 0) {
        bench_skip(bench, name, "the command failed");
        return;
    }
    result_start(&result, target, "%s", name);
    result_add(&result, "events", (double)events);
    result_add(&result, "events_per_cpu_s", (double)events / run.cpu_seconds);
    result_add(&result, "seconds", run.seconds);
    result_add(&result, "max_rss_mib", run.max_rss_mib);
    result_judge(&result, (double)events / run.cpu_seconds >= least && run.max_rss_mib < 64);
    result_print(bench, &result);
}

static void seek_case(struct bench *bench, const char *path)
{
    enum { SEEKS = 50 };
    static double ms[SEEKS];
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct result result;
    uint64_t seed = 42;
    int64_t from = 0, to = 0;
    if (!bench_wants(bench, "file/seek") || evtrail_file_cursor_open(&cursor, path, NULL, NULL) < 0)
        return;
    if (evtrail_file_cursor_next(cursor, &batch) > 0)
        from = batch->from_ns;
    evtrail_file_cursor_close(cursor);
    to = from + (int64_t)bench->file_events * 200;
    for (int i = 0; i < SEEKS; i++) {
        uint64_t start = clock_ns(); /* with opening: from nothing to the event */
        if (evtrail_file_cursor_open(&cursor, path, NULL, NULL) < 0)
            return;
        evtrail_file_cursor_seek(cursor, from + (int64_t)(random_next(&seed) % (uint64_t)(to - from)));
        evtrail_file_cursor_next_chunk(cursor, &batch);
        ms[i] = (double)(clock_ns() - start) / 1e6;
        evtrail_file_cursor_close(cursor);
    }
    result_start(&result, "a time is found in < 10 ms, opening the file included", "file/seek");
    result_add(&result, "median_ms", quantile(ms, SEEKS, 0.5));
    result_add(&result, "max_ms", quantile(ms, SEEKS, 1));
    result_judge(&result, quantile(ms, SEEKS, 0.99) < 10);
    result_print(bench, &result);
}

void bench_files(struct bench *bench)
{
    char path[PATH_MAX];
    struct pool *pool;
    if (!bench_wants(bench, "file/write") && !bench_wants(bench, "file/stat") && !bench_wants(bench, "file/cat") &&
        !bench_wants(bench, "file/seek"))
        return;
    snprintf(path, sizeof(path), "%s/bench.evt", bench->work);
    pool = malloc(sizeof(*pool));
    if (!pool || !pool_make(pool) || !write_file(bench, path, pool)) {
        bench_skip(bench, "file/write", "the file could not be written: is there room in /tmp?");
    } else {
        uint64_t events = (bench->file_events / CHUNK_RECORDS + 1) * CHUNK_RECORDS;
        read_case(bench, path, "stat", ">= 40 M events/s on one core, < 64 MiB", 40e6, events);
        read_case(bench, path, "cat", ">= 5 M events/s as text, < 64 MiB", 5e6, events);
        seek_case(bench, path);
    }
    if (pool)
        pool_free(pool);
    free(pool);
    unlink(path);
}
