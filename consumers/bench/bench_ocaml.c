/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: reading OCaml's rings of runtime events. The writer is this program, word for word as OCaml's runtime writes, so that no OCaml
 * is needed: a ring of the default size, with int events of 3 words.
 */
#include "bench.h"

#include <evtrail/reader.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_WORDS = 8,
    RING_HEADER_WORDS = 10,
    NAMES_BYTES = 8192 * 128,
    ITEM_WORDS = 3,
    DEFAULT_LOG2 = 16,
    LARGE_LOG2 = 20
};
enum { INT_ITEM = 1, BATCH = 1000 };

struct ring {
    char folder[64], path[480];
    uint64_t *file, *words, bytes, mask;
    uint64_t written, padding;
    atomic_bool stop;
    uint64_t events, per_second; /* of the writer's thread; 0: as fast as it can */
};

static int ring_make(const struct bench *bench, struct ring *ring, unsigned log2, uint32_t pid)
{
    const uint64_t elements = UINT64_C(1) << log2;
    memset(ring, 0, sizeof *ring);
    const bool memory = access("/dev/shm", W_OK) == 0;
    snprintf(ring->folder, sizeof ring->folder, "%s/evtrail-bench-XXXXXX", memory ? "/dev/shm" : bench->work);
    if (!mkdtemp(ring->folder))
        return -errno;
    snprintf(ring->path, sizeof ring->path, "%s/%u.events", ring->folder, (unsigned)pid);
    ring->bytes = (HEADER_WORDS + RING_HEADER_WORDS + elements) * 8 + NAMES_BYTES;
    ring->mask = elements - 1;
    const int fd = open(ring->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)ring->bytes) < 0)
        return -errno;
    ring->file = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (ring->file == MAP_FAILED)
        return -errno;
    ring->words = ring->file + HEADER_WORDS + RING_HEADER_WORDS;
    const uint64_t data = (HEADER_WORDS + RING_HEADER_WORDS) * 8;
    const uint64_t header[HEADER_WORDS] = {
        1, 1, RING_HEADER_WORDS * 8, elements * 8, elements, HEADER_WORDS * 8, data, data + elements * 8};
    memcpy(ring->file, header, sizeof header);
    strcpy((char *)ring->file + data + elements * 8, "bench.int");
    return 0;
}

static void ring_free(struct ring *ring)
{
    munmap(ring->file, ring->bytes);
    unlink(ring->path);
    rmdir(ring->folder);
}

/* runtime/runtime_events.c: write_to_ring() */
static void ring_write(struct ring *ring, uint64_t value)
{
    uint64_t *const cursors = ring->file + HEADER_WORDS, *const at = ring->words;
    uint64_t head = __atomic_load_n(&cursors[0], __ATOMIC_ACQUIRE),
             tail = __atomic_load_n(&cursors[1], __ATOMIC_ACQUIRE);
    const uint64_t to_end = ring->mask + 1 - (tail & ring->mask), padding = to_end < ITEM_WORDS ? to_end : 0;
    while (tail + ITEM_WORDS + padding - head >= ring->mask + 1) {
        head += __atomic_load_n(&at[head & ring->mask], __ATOMIC_RELAXED) >> 54;
        __atomic_store_n(&cursors[0], head, __ATOMIC_RELEASE);
    }
    if (padding) {
        __atomic_store_n(&at[tail & ring->mask], padding << 54, __ATOMIC_RELAXED);
        tail += padding;
        __atomic_store_n(&cursors[1], tail, __ATOMIC_RELEASE);
    }
    uint64_t *const item = at + (tail & ring->mask);
    __atomic_store_n(&item[0], (uint64_t)ITEM_WORDS << 54 | UINT64_C(1) << 53 | (uint64_t)INT_ITEM << 49,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&item[1], clock_ns(), __ATOMIC_RELAXED);
    __atomic_store_n(&item[2], value, __ATOMIC_RELAXED);
    __atomic_store_n(&cursors[1], tail + ITEM_WORDS, __ATOMIC_RELEASE);
}

static struct evtrail_reader *reader_open(const char *path)
{
    const struct evtrail_reader_options options = {.bytes = sizeof options, .name = "bench"};
    struct evtrail_reader *reader = NULL;
    if (evtrail_reader_new(&reader, &options) < 0)
        return NULL;
    if (evtrail_reader_add_path(reader, path) >= 0)
        return reader;
    evtrail_reader_free(reader);
    return NULL;
}

static uint64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- a file ---- */

/* What nobody could do without: each word looked at, each header's length followed. */
static uint64_t walk(const struct ring *ring, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t at = 0; at < count * ITEM_WORDS; at += ring->words[at] >> 54)
        sum += ring->words[at + 1] ^ ring->words[at + 2];
    return sum;
}

static uint64_t read_file(const struct ring *ring)
{
    struct evtrail_reader *const reader = reader_open(ring->path);
    struct evtrail_chunk *chunk;
    uint64_t events = 0;
    int r;
    while (reader && ((r = evtrail_reader_next_chunk(reader, &chunk)) != 0 || !evtrail_reader_done(reader)))
        events += r > 0 ? chunk->events : 0;
    evtrail_reader_free(reader);
    return events;
}

static void case_read(struct bench *bench)
{
    enum { TURNS = 31 };
    const uint64_t count = (UINT64_C(1) << LARGE_LOG2) / ITEM_WORDS - 2;
    double took[TURNS], limit[TURNS];
    volatile uint64_t sink = 0;
    struct ring ring;
    struct result result;
    if (ring_make(bench, &ring, LARGE_LOG2, 0) < 0) {
        bench_skip(bench, "ocaml/read", "no room for a ring");
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        ring_write(&ring, i);
    bool all = true;
    for (int i = 0; i < TURNS; i++) {
        uint64_t start = thread_ns();
        sink = sink + walk(&ring, count);
        limit[i] = (double)(thread_ns() - start) / (double)count;
        start = thread_ns();
        all &= read_file(&ring) == count;
        took[i] = (double)(thread_ns() - start) / (double)count;
    }
    const double median = quantile(took, TURNS, 0.5), least = quantile(limit, TURNS, 0.5);
    result_start(&result, "all events, <= 20 ns of CPU each", "ocaml/read");
    result_add(&result, "cpu_ns_per_event", median);
    result_add(&result, "limit_ns", least);
    result_add(&result, "ratio", least > 0 ? median / least : 0);
    result_judge(&result, all && median <= 20);
    result_print(bench, &result);
    ring_free(&ring);
}

/* ---- live ---- */

static void *write_on(void *argument)
{
    struct ring *const ring = argument;
    const uint64_t start = clock_ns();
    for (uint64_t i = 0; i < ring->events; i++) {
        ring_write(ring, i);
        if (!ring->per_second || i % BATCH)
            continue;
        const uint64_t due = start + i * UINT64_C(1000000000) / ring->per_second, now = clock_ns();
        if (due > now)
            nanosleep(&(struct timespec){.tv_nsec = (long)(due - now)}, NULL);
    }
    atomic_store(&ring->stop, true);
    return NULL;
}

struct got {
    uint64_t events, lost, cpu_ns, wall_ns;
};

static bool read_live(struct ring *ring, uint64_t events, uint64_t per_second, struct got *ret_got)
{
    struct evtrail_chunk *chunk;
    uint64_t lost[EVTRAIL_CAUSES_ALL] = {0};
    pthread_t thread;
    *ret_got = (struct got){0};
    ring_write(ring, 0);
    struct evtrail_reader *const reader = reader_open(ring->path);
    ring->events = events;
    ring->per_second = per_second;
    if (!reader || pthread_create(&thread, NULL, write_on, ring) != 0) {
        evtrail_reader_free(reader);
        return false;
    }
    const uint64_t cpu = thread_ns(), wall = clock_ns();
    for (bool stopped = false;;) {
        const int r = evtrail_reader_next_chunk(reader, &chunk);
        if (r == 0 && stopped)
            break;
        if (r == 0) {
            evtrail_reader_wait(reader, 10000000);
            stopped = atomic_load(&ring->stop);
        }
    }
    ret_got->cpu_ns = thread_ns() - cpu;
    ret_got->wall_ns = clock_ns() - wall;
    pthread_join(thread, NULL);
    evtrail_reader_totals(reader, &ret_got->events, lost);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        ret_got->lost += lost[i];
    evtrail_reader_free(reader);
    return true;
}

static void case_live(struct bench *bench, const char *name, const char *target, uint64_t events, uint64_t per_second)
{
    struct ring ring;
    struct got got;
    struct result result;
    if (ring_make(bench, &ring, DEFAULT_LOG2, (uint32_t)getpid()) < 0) {
        bench_skip(bench, name, "no room for a ring");
        return;
    }
    if (!read_live(&ring, (uint64_t)((double)events * bench->scale), per_second, &got)) {
        bench_skip(bench, name, "no reader");
    } else {
        const double all = (double)got.events + (double)got.lost;
        result_start(&result, target, "%s", name);
        result_add(&result, "events_per_s", all / (double)got.wall_ns * 1e9);
        result_add(&result, "lost_percent", 100.0 * (double)got.lost / all);
        result_add(&result, "cpu_ns_per_event", (double)got.cpu_ns / ((double)got.events + 1));
        result_add(&result, "cpu_percent", 100.0 * (double)got.cpu_ns / (double)got.wall_ns);
        if (per_second)
            result_judge(&result, got.lost == 0);
        result_print(bench, &result);
    }
    ring_free(&ring);
}

/* CPU, in percent, of a thread that only sleeps as often as a reader of the default ring looks: on a virtual machine that is most of it. */
static double sleep_only(void)
{
    enum { SLEEPS = 200, SLEEP_NS = 10922666 };
    const uint64_t cpu = thread_ns(), start = clock_ns();
    for (int i = 0; i < SLEEPS; i++)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = SLEEP_NS}, NULL);
    return 100.0 * (double)(thread_ns() - cpu) / (double)(clock_ns() - start);
}

static double look_for(struct evtrail_reader *reader, uint64_t ns)
{
    struct evtrail_chunk *chunk;
    const uint64_t cpu = thread_ns(), start = clock_ns();
    while (clock_ns() - start < ns) {
        evtrail_reader_next_chunk(reader, &chunk);
        evtrail_reader_wait(reader, 100000000);
    }
    return 100.0 * (double)(thread_ns() - cpu) / (double)(clock_ns() - start);
}

static void case_idle(struct bench *bench)
{
    struct ring ring;
    struct result result;
    if (ring_make(bench, &ring, DEFAULT_LOG2, (uint32_t)getpid()) < 0) {
        bench_skip(bench, "ocaml/idle", "no room for a ring");
        return;
    }
    ring_write(&ring, 0);
    struct evtrail_reader *const reader = reader_open(ring.path);
    if (reader) {
        look_for(reader, 1500000000); /* it takes a second to become quiet */
        const double percent = look_for(reader, 2500000000), limit = sleep_only();
        result_start(&result, "attached to a ring without events: < 0.1 % CPU, or twice that of the sleeps alone",
                     "ocaml/idle");
        result_add(&result, "cpu_percent", percent);
        result_add(&result, "limit_percent", limit);
        result_add(&result, "ratio", limit > 0 ? percent / limit : 0);
        result_judge(&result, percent < 0.1 || percent < 2 * limit);
        result_print(bench, &result);
    }
    evtrail_reader_free(reader);
    ring_free(&ring);
}

void bench_ocaml(struct bench *bench)
{
    if (bench_wants(bench, "ocaml/read"))
        case_read(bench);
    if (bench_wants(bench, "ocaml/1M"))
        case_live(bench, "ocaml/1M", "1 M events/s into the default ring: 0 lost", 2000000, 1000000);
    if (bench_wants(bench, "ocaml/flood"))
        case_live(bench, "ocaml/flood", "as fast as a writer can (not judged: it depends on the processors there are)",
                  10000000, 0);
    if (bench_wants(bench, "ocaml/idle"))
        case_idle(bench);
}
