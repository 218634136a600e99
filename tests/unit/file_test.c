/* SPDX-License-Identifier: ISC
 *
 * Trace files, written and read back: whole, cut at every place, with every header byte changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file_gen.h"
#include "file/crc32c.h"
#include "file/frame.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { RINGS = 3 };
struct fixture {
    char *directory, *path, *other;
    struct gen_source source;
    struct gen_ring *rings;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->directory = gen_directory();
    f->path = gen_path(f->directory, "a.evt");
    f->other = gen_path(f->directory, "b.evt");
    f->rings = calloc(RINGS, sizeof(*f->rings));
    gen_source_init(&f->source, 42);
    for (uint32_t i = 0; i < RINGS; i++)
        gen_ring_init(&f->rings[i], &f->source.source, i, i);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    gen_directory_remove(f->directory);
    free(f->path);
    free(f->other);
    free(f->rings);
    free(f);
    return 0;
}

/* `count` chunks of each ring in turn, of `words` words, into a file; the events in it. */
static uint64_t write_file(struct fixture *f, const char *path, struct evtrail_file_options options, unsigned count,
                           size_t words)
{
    struct evtrail_file *file;
    struct evtrail_file_stats stats;
    uint64_t events = 0;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    for (unsigned i = 0; i < count * RINGS; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&f->rings[i % RINGS], words);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
    }
    assert_int_equal(evtrail_file_close(file, &stats), 0);
    assert_int_equal(stats.events, events);
    assert_int_equal(stats.lost, 0);
    return events;
}

struct reading {
    uint64_t events, batches, faults, torn;
    bool closed;
    int last;
};

static struct reading read_all(const char *path)
{
    struct reading reading = {0};
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    char *error = NULL;
    reading.last = evtrail_file_cursor_open(&cursor, path, NULL, &error);
    free(error);
    if (reading.last < 0)
        return reading;
    for (unsigned calls = 0; calls < 100000; calls++) {
        reading.last = evtrail_file_cursor_next_chunk(cursor, &batch);
        if (reading.last == 0)
            break;
        if (reading.last == 1) {
            reading.events += batch->chunk.events;
            reading.torn += batch->torn;
            reading.batches++;
        } else {
            assert_int_equal(reading.last, -EBADMSG);
            assert_non_null(strstr(evtrail_file_cursor_error(cursor), path));
        }
    }
    uint64_t torn;
    evtrail_file_cursor_totals(cursor, &torn, &reading.faults, &reading.closed);
    assert_int_equal(torn, reading.torn);
    evtrail_file_cursor_close(cursor);
    return reading;
}

static void crc32c__known_vector__both_ways(void **state)
{
    (void)state;
    assert_int_equal(evtrail_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(evtrail_crc32c_table(0, "123456789", 9), 0xe3069283);
    uint8_t bytes[300];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (unsigned n = 0; n < sizeof(bytes); n++)
        assert_int_equal(evtrail_crc32c(n, bytes, n), evtrail_crc32c_table(n, bytes, n));
}

static void chunks__written__are_read_back_word_for_word(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 4, 32768);
    for (uint32_t i = 0; i < RINGS; i++)
        gen_ring_init(&f->rings[i], &f->source.source, i, i);
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    uint64_t seen = 0;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, NULL), 0);
    for (unsigned i = 0; i < 4 * RINGS; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&f->rings[i % RINGS], 32768);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
        assert_int_equal(batch->chunk.words_count, chunk->words_count);
        assert_memory_equal(batch->chunk.words, chunk->words, chunk->words_count * 8);
        assert_int_equal(batch->chunk.events_before, chunk->events_before);
        assert_int_equal(batch->chunk.state.tid, chunk->state.tid);
        assert_string_equal(batch->chunk.state.thread_name, "worker");
        assert_string_equal(batch->chunk.state.labels[1].value, "r-17");
        assert_string_equal(batch->chunk.source->command, "pool");
        assert_int_equal(batch->chunk.source->pid, 42);
        assert_string_equal(batch->chunk.source->types[POOL_FIRST_ID + 3]->name, "pool.step3");
        assert_true(evtrail_batch_may_have(batch->types, POOL_FIRST_ID));
        assert_true(batch->from_ns <= batch->to_ns);
        assert_int_equal(batch->torn, 0);
        seen += batch->chunk.events;
    }
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    assert_int_equal(seen, events);
    evtrail_file_cursor_close(cursor);
    assert_true(read_all(f->path).closed);
}

static void small_chunks__of_one_ring__are_joined(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 400, 60);
    const struct reading reading = read_all(f->path);
    assert_int_equal(reading.events, events);
    assert_in_range(reading.batches, RINGS, 2 * RINGS);
    assert_int_equal(reading.torn, 0);
}

static void view__of_a_batch__has_counts_and_ticks(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 2, 32768);
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    uint64_t seen = 0;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, NULL), 0);
    while (evtrail_file_cursor_next(cursor, &batch) == 1) {
        const struct evtrail_batch_view *view;
        assert_int_equal(evtrail_file_cursor_view(cursor, &view), 0);
        assert_int_equal(view->shapes_count, POOL_TYPES);
        for (uint32_t s = 0; s < view->shapes_count; s++) {
            const uint64_t *ticks;
            seen += view->shapes[s].count;
            assert_int_equal(evtrail_batch_ticks(view, s, &ticks), 0);
            assert_in_range(ticks[0], batch->chunk.first_ticks, batch->chunk.last_ticks);
        }
    }
    assert_int_equal(seen, events);
    evtrail_file_cursor_close(cursor);
}

static bool only_ring_1(void *context, const struct evtrail_chunk *chunk, uint64_t types)
{
    (void)context;
    (void)types;
    return chunk->ring == 1;
}

static void wanted__one_ring__others_are_stepped_over(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 3, 32768);
    const struct evtrail_file_cursor_options options = {.bytes = sizeof(options), .wanted = only_ring_1};
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    unsigned batches = 0;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, &options, NULL), 0);
    while (evtrail_file_cursor_next_chunk(cursor, &batch) == 1) {
        assert_int_equal(batch->chunk.ring, 1);
        batches++;
    }
    assert_int_equal(batches, 3);
    assert_true(events > 0);
    evtrail_file_cursor_close(cursor);
}

static void seek__with_and_without_index__finds_the_time(void **state)
{
    struct fixture *f = *state;
    write_file(f, f->path, gen_options(), 30, 32768);
    size_t bytes = 0;
    uint8_t *content = gen_read_file(f->path, &bytes);
    gen_write_file(f->other, content, bytes - 9); /* no seek table: read from header to header */
    for (unsigned closed = 0; closed < 2; closed++) {
        struct evtrail_file_cursor *cursor;
        struct evtrail_batch *batch;
        assert_int_equal(evtrail_file_cursor_open(&cursor, closed ? f->path : f->other, NULL, NULL), 0);
        const int64_t middle = (int64_t)GEN_START_NS + (int64_t)(f->rings[0].pool.base.ticks - GEN_START_TICKS) / 2;
        assert_int_equal(evtrail_file_cursor_horizon(cursor) <= (int64_t)GEN_START_NS + 1000, 1);
        assert_int_equal(evtrail_file_cursor_seek(cursor, middle), 0);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
        assert_true(batch->to_ns >= middle && batch->from_ns <= middle);
        assert_int_equal(batch->torn, 0);
        assert_true(evtrail_file_cursor_horizon(cursor) > (int64_t)GEN_START_NS);
        assert_int_equal(evtrail_file_cursor_seek(cursor, INT64_MAX), 0);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch) == 1, !closed && false);
        evtrail_file_cursor_close(cursor);
    }
    free(content);
}

static void truncation__every_place__all_whole_batches_are_read(void **state)
{
    struct fixture *f = *state;
    write_file(f, f->path, gen_options(), 3, 400);
    size_t bytes = 0;
    uint8_t *content = gen_read_file(f->path, &bytes);
    uint64_t most = 0;
    for (size_t cut = 0; cut < bytes; cut++) {
        gen_write_file(f->other, content, cut);
        const struct reading reading = read_all(f->other);
        assert_true(reading.last == 0 || (reading.last == -EBADMSG && cut < 64));
        assert_true(reading.events >= most);
        assert_false(reading.closed && cut + 9 < bytes && reading.faults == 0 && reading.events == 0);
        most = reading.events;
    }
    assert_int_equal(most, read_all(f->path).events);
    free(content);
}

static void every_byte__changed__is_told_and_the_rest_is_read(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 3, 400);
    size_t bytes = 0;
    uint8_t *content = gen_read_file(f->path, &bytes);
    const struct reading whole = read_all(f->path);
    for (size_t i = 0; i < bytes; i++) {
        content[i] ^= (uint8_t)(1u << i % 8);
        gen_write_file(f->other, content, bytes);
        content[i] ^= (uint8_t)(1u << i % 8);
        const struct reading reading = read_all(f->other);
        if (reading.last != 0)
            fail_msg("byte %zu: %d", i, reading.last);
        if (reading.events + reading.torn != events)
            fail_msg("byte %zu: %llu events and %llu torn of %llu", i, (unsigned long long)reading.events,
                     (unsigned long long)reading.torn, (unsigned long long)events);
        assert_true(reading.batches + 2 > whole.batches);
    }
    free(content);
}

static void stream__through_a_pipe__is_read(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f, f->path, gen_options(), 5, 32768);
    char *fifo = gen_path(f->directory, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const pid_t child = fork();
    if (child == 0) {
        size_t bytes = 0;
        uint8_t *content = gen_read_file(f->path, &bytes);
        const int fd = open(fifo, O_WRONLY);
        for (size_t at = 0; at < bytes; at += 7777)
            if (write(fd, content + at, bytes - at < 7777 ? bytes - at : 7777) < 0)
                _exit(1);
        _exit(0);
    }
    const struct reading reading = read_all(fifo);
    waitpid(child, NULL, 0);
    assert_int_equal(reading.events, events);
    assert_int_equal(reading.faults, 0);
    assert_true(reading.closed);
    free(fifo);
}

static void write_to_fifo(const char *fifo, const uint8_t *content, size_t bytes)
{
    const int fd = open(fifo, O_WRONLY);
    for (size_t at = 0; at < bytes; at += 777)
        if (write(fd, content + at, bytes - at < 777 ? bytes - at : 777) < 0)
            _exit(1);
    _exit(0);
}

/* What earlier versions wrote: the session's start is all that is known of the clock until the file is closed. */
static void stream__second_clock_behind_the_batches__times_are_those_of_the_file(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options options = gen_options();
    struct evtrail_clock *clock = &f->source.source.clock;
    struct evtrail_file *file;
    struct evtrail_batch *by_path, *piped;
    struct evtrail_file_cursor *cursors[2];
    const uint64_t ticks = clock->first.ticks, ns = clock->first.monotonic_ns, now = clock->first.realtime_ns;
    clock->kind = 2;
    clock->last = clock->first;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    for (unsigned i = 0; i < 20; i++) {
        if (i == 19) {
            clock->last.ticks = ticks + 2600000;
            clock->last.monotonic_ns = ns + 1000000;
            clock->last.realtime_ns = now + 1000000;
        }
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768)), 0);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    size_t bytes;
    uint8_t *content = gen_read_file(f->path, &bytes);
    char *fifo = gen_path(f->directory, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    const pid_t child = fork();
    if (child == 0)
        write_to_fifo(fifo, content, bytes);
    assert_int_equal(evtrail_file_cursor_open(&cursors[0], f->path, NULL, NULL), 0);
    assert_int_equal(evtrail_file_cursor_open(&cursors[1], fifo, NULL, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(evtrail_file_cursor_next(cursors[0], &by_path), 1);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursors[1], &piped), 1);
        assert_int_equal(piped->from_ns, by_path->from_ns);
        assert_int_equal(piped->to_ns, by_path->to_ns);
        const double ticks_of = (double)(piped->chunk.last_ticks - piped->chunk.first_ticks);
        assert_in_range((uint64_t)(piped->to_ns - piped->from_ns), (uint64_t)(ticks_of / 2.6) - 1,
                        (uint64_t)(ticks_of / 2.6) + 1);
    }
    waitpid(child, NULL, 0);
    evtrail_file_cursor_close(cursors[0]);
    evtrail_file_cursor_close(cursors[1]);
    free(fifo);
    free(content);
}

static void file__two_clock_readings_known__both_come_before_the_first_batch(void **state)
{
    struct fixture *f = *state;
    size_t bytes;
    f->source.source.clock.last.realtime_ns = GEN_START_NS + 2000000;
    write_file(f, f->path, gen_options(), 1, 256);
    uint8_t *content = gen_read_file(f->path, &bytes);
    unsigned clocks = 0;
    struct evtrail_frame frame;
    for (size_t at = 0; at < bytes; at += frame.bytes) {
        assert_null(evtrail_frame_prefix(content + at, bytes - at, &frame));
        if (frame.magic == EVTRAIL_MAGIC_BATCH)
            break;
        clocks += frame.tag == EVTRAIL_TAG_CLOCK;
    }
    assert_int_equal(clocks, 2);
    free(content);
}

static void follow__a_growing_file__batches_come_as_they_are_written(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct evtrail_file *file;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    assert_int_equal(evtrail_file_flush(file), 0);
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, &follow, NULL), 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 20000)), 0);
        assert_int_equal(evtrail_file_flush(file), 0);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
        assert_int_equal(batch->chunk.events, f->rings[0].chunk.events);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    uint64_t torn, faults;
    bool closed;
    evtrail_file_cursor_totals(cursor, &torn, &faults, &closed);
    assert_int_equal(torn + faults, 0);
    assert_true(closed);
    evtrail_file_cursor_close(cursor);
}

static void killed__before_the_end__what_was_flushed_is_read(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
    evtrail_file_flush(file);
    const uint64_t events = f->rings[0].chunk.events;
    evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
    evtrail_file_abandon(file);
    const struct reading reading = read_all(f->path);
    assert_int_equal(reading.events, events);
    assert_false(reading.closed);
}

static void uring_and_plain_writes__same_chunks__same_bytes(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    options.buffer_bytes = 20000;
    write_file(f, f->path, options, 20, 9000);
    for (uint32_t i = 0; i < RINGS; i++)
        gen_ring_init(&f->rings[i], &f->source.source, i, i);
    setenv("EVTRAIL_NO_URING", "1", 1);
    write_file(f, f->other, options, 20, 9000);
    unsetenv("EVTRAIL_NO_URING");
    size_t bytes = 0, other_bytes = 0;
    uint8_t *content = gen_read_file(f->path, &bytes), *other = gen_read_file(f->other, &other_bytes);
    assert_int_equal(bytes, other_bytes);
    assert_memory_equal(content, other, bytes);
    free(content);
    free(other);
}

static void existing_file__without_force__is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    gen_write_file(f->path, (const uint8_t *)"mine", 4);
    assert_int_equal(evtrail_file_create(&file, f->path, &options), -EEXIST);
    size_t bytes = 0;
    uint8_t *content = gen_read_file(f->path, &bytes);
    assert_int_equal(bytes, 4);
    free(content);
    options.force = true;
    const uint64_t events = write_file(f, f->path, options, 1, 300);
    assert_int_equal(read_all(f->path).events, events);
}

static void foreign_file__opened__is_refused(void **state)
{
    struct fixture *f = *state;
    char *error = NULL;
    struct evtrail_file_cursor *cursor;
    assert_int_equal(evtrail_file_cursor_open(&cursor, "/bin/sh", NULL, &error), -EBADMSG);
    assert_non_null(strstr(error, "/bin/sh: not a trace file"));
    free(error);
    gen_write_file(f->path, (const uint8_t *)"", 0);
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, &error), -EBADMSG);
    free(error);
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->other, NULL, &error), -ENOENT);
    free(error);
}

/* Each prefix claims a megabyte: checking them all would take hours. */
static void prefixes__of_frames_that_are_not_there__are_one_fault(void **state)
{
    struct fixture *f = *state;
    const uint32_t prefix[4] = {EVTRAIL_MAGIC_OTHER, EVTRAIL_FRAME_BYTES_MAX - 8, EVTRAIL_TAG_SCHEMA, 0};
    const struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION};
    const size_t bytes = 4 << 20;
    uint8_t *content = malloc(bytes);
    size_t at = evtrail_frame_put_super(content, &super);
    for (; at + sizeof(prefix) <= bytes; at += sizeof(prefix))
        memcpy(content + at, prefix, sizeof(prefix));
    gen_write_file(f->path, content, at);
    free(content);
    assert_int_equal(read_all(f->path).faults, 1);
}

static void newer_version__opened__is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION + 1};
    uint8_t bytes[EVTRAIL_HEADER_BYTES_MAX];
    struct evtrail_file_cursor *cursor;
    char *error = NULL;
    gen_write_file(f->path, bytes, evtrail_frame_put_super(bytes, &super));
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, &error), -EPROTONOSUPPORT);
    assert_non_null(strstr(error, "newer version"));
    free(error);
}

/* In a child, because the limit stays. */
static void file_size_limit__reached__whole_batches_stay_and_the_rest_is_counted(void **state)
{
    struct fixture *f = *state;
    for (unsigned plain = 0; plain < 2; plain++) {
        const pid_t child = fork();
        if (child == 0) {
            struct evtrail_file_options options = gen_options();
            const struct rlimit limit = {150000, 150000};
            struct evtrail_file *file;
            struct evtrail_file_stats stats;
            uint64_t events = 0;
            options.no_uring = plain;
            options.force = true;
            setrlimit(RLIMIT_FSIZE, &limit);
            if (evtrail_file_create(&file, f->path, &options) < 0)
                _exit(2);
            for (unsigned i = 0; i < 20; i++) {
                evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
                events += f->rings[0].chunk.events;
            }
            if (evtrail_file_close(file, &stats) != -EFBIG || stats.events + stats.lost != events || !stats.lost)
                _exit(3);
            _exit(read_all(f->path).events == stats.events ? 0 : 4);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
}

/* Two at a time, one after the other, one that fails, and one of another size. */
static void kept_buffers__each_file_has_its_own_bytes(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *files[2], *failing;
    uint64_t events[2];
    char other[sizeof(f->path) + 8];
    snprintf(other, sizeof(other), "%s.other", f->path);
    options.force = options.keep_buffers = true;
    for (unsigned round = 0; round < 6; round++) {
        options.buffer_bytes = round == 4 ? 64 << 10 : 0;
        options.no_uring = round == 3;
        assert_int_equal(evtrail_file_create(&files[0], f->path, &options), 0);
        assert_int_equal(evtrail_file_create(&files[1], other, &options), 0);
        events[0] = events[1] = 0;
        for (unsigned i = 0; i < 12; i++) {
            const struct evtrail_chunk *const chunk = gen_ring_next(&f->rings[i % 2], 20000);
            assert_int_equal(evtrail_file_write_chunk(files[i % 2], chunk), 0);
            events[i % 2] += chunk->events;
        }
        assert_int_equal(evtrail_file_close(files[round % 2], NULL), 0);
        assert_int_equal(evtrail_file_close(files[1 - round % 2], NULL), 0);
        assert_int_equal(read_all(f->path).events, events[0]);
        assert_int_equal(read_all(other).events, events[1]);
        if (round == 1 && access("/dev/full", W_OK) == 0 && evtrail_file_create(&failing, "/dev/full", &options) == 0) {
            evtrail_file_write_chunk(failing, gen_ring_next(&f->rings[2], 20000));
            assert_int_equal(evtrail_file_close(failing, NULL), -ENOSPC);
        }
    }
    unlink(other);
}

static void full_device__no_byte_fits__all_is_lost_and_counted(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_file_stats stats;
    options.force = true;
    if (access("/dev/full", W_OK) < 0)
        skip(); /* no /dev/full here */
    assert_int_equal(evtrail_file_create(&file, "/dev/full", &options), 0);
    evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
    assert_int_equal(evtrail_file_flush(file), -ENOSPC);
    assert_int_equal(evtrail_file_close(file, &stats), -ENOSPC);
    assert_int_equal(stats.events, 0);
    assert_int_equal(stats.lost, f->rings[0].chunk.events);
}

static void zstd_command__our_file__accepts_it(void **state)
{
    struct fixture *f = *state;
    write_file(f, f->path, gen_options(), 3, 32768);
    if (system("zstd --version >/dev/null 2>&1") != 0) {
        print_message("no zstd command here\n");
        skip();
    }
    char *command = NULL;
    assert_true(asprintf(&command, "zstd -q -t '%s' && zstd -q -dc '%s' >/dev/null", f->path, f->path) > 0);
    assert_int_equal(system(command), 0);
    free(command);
}

static void idle__small_chunks_waited_long__are_written(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    options.flush_ns = 20000000;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    usleep(25000);
    evtrail_file_idle(file);
    assert_true(evtrail_file_idle(file) > options.flush_ns); /* nothing waits */
    evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 60));
    const int64_t wait = evtrail_file_idle(file);
    assert_true(wait >= 0 && wait <= options.flush_ns);
    for (unsigned i = 0; i < 3; i++) {
        usleep(25000);
        evtrail_file_idle(file);
    }
    assert_true(evtrail_file_idle(file) > options.flush_ns);
    evtrail_file_abandon(file);
    assert_int_equal(read_all(f->path).events, f->rings[0].chunk.events);
}

/* In a child, because the limit stays. The file takes the last descriptor, the ring finds none. */
static void io_uring__refused__plain_writes_take_over(void **state)
{
    struct fixture *f = *state;
    if (getenv("VALGRIND")) {
        print_message("valgrind keeps descriptors of its own beyond the limit\n");
        skip();
    }
    const pid_t child = fork();
    if (child == 0) {
        struct evtrail_file_options options = gen_options();
        struct evtrail_file *file;
        struct evtrail_file_stats stats;
        const int next = dup(0);
        const struct rlimit limit = {(rlim_t)next + 1, (rlim_t)next + 1};
        close(next);
        setrlimit(RLIMIT_NOFILE, &limit);
        if (evtrail_file_create(&file, f->path, &options) < 0)
            _exit(2);
        evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
        _exit(evtrail_file_close(file, &stats) < 0 || stats.uring || stats.events != f->rings[0].chunk.events ? 3 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(read_all(f->path).events > 0, 1);
}

/* In a child with a mount namespace of its own. */
static void full_file_system__whole_batches_stay_and_the_rest_is_counted(void **state)
{
    struct fixture *f = *state;
    char *mounted = gen_path(f->directory, "small"), *path = gen_path(f->directory, "small/a.evt");
    const pid_t child = fork();
    if (child == 0) {
        struct evtrail_file_options options = gen_options();
        struct evtrail_file *file;
        struct evtrail_file_stats stats;
        uint64_t events = 0;
        if (mkdir(mounted, 0700) < 0 || unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
            mount("small", mounted, "tmpfs", 0, "size=200k") < 0)
            _exit(77);
        options.sync = true;
        if (evtrail_file_create(&file, path, &options) < 0)
            _exit(2);
        for (unsigned i = 0; i < 20; i++) {
            evtrail_file_write_chunk(file, gen_ring_next(&f->rings[0], 32768));
            events += f->rings[0].chunk.events;
        }
        if (evtrail_file_close(file, &stats) != -ENOSPC || stats.events + stats.lost != events || !stats.events)
            _exit(3);
        const struct reading reading = read_all(path);
        _exit(reading.events == stats.events && !reading.faults ? 0 : 4);
    }
    int status;
    waitpid(child, &status, 0);
    free(mounted);
    free(path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("no right to mount a small file system here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void two_files__one_after_the_other__are_read(void **state)
{
    struct fixture *f = *state;
    uint64_t events = write_file(f, f->path, gen_options(), 2, 400);
    events += write_file(f, f->other, gen_options(), 2, 400);
    size_t bytes = 0, more = 0;
    uint8_t *content = gen_read_file(f->path, &bytes), *other = gen_read_file(f->other, &more);
    content = realloc(content, bytes + more);
    memcpy(content + bytes, other, more);
    gen_write_file(f->path, content, bytes + more);
    const struct reading reading = read_all(f->path);
    assert_int_equal(reading.events, events);
    assert_int_equal(reading.faults, 0);
    free(content);
    free(other);
}

static void loss__in_a_chunk_without_words__is_kept(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_chunk chunk = {.source = &f->source.source, .ring = 5, .events_before = 10, .missed = 10};
    chunk.lost_before[3] = 12;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    assert_int_equal(evtrail_file_write_chunk(file, &chunk), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, NULL), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
    assert_int_equal(batch->chunk.missed, 10);
    assert_int_equal(batch->chunk.lost_before[3], 12);
    assert_int_equal(batch->chunk.words_count, 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    evtrail_file_cursor_close(cursor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(crc32c__known_vector__both_ways),
        TEST(chunks__written__are_read_back_word_for_word),
        TEST(small_chunks__of_one_ring__are_joined),
        TEST(view__of_a_batch__has_counts_and_ticks),
        TEST(wanted__one_ring__others_are_stepped_over),
        TEST(seek__with_and_without_index__finds_the_time),
        TEST(truncation__every_place__all_whole_batches_are_read),
        TEST(every_byte__changed__is_told_and_the_rest_is_read),
        TEST(stream__through_a_pipe__is_read),
        TEST(stream__second_clock_behind_the_batches__times_are_those_of_the_file),
        TEST(file__two_clock_readings_known__both_come_before_the_first_batch),
        TEST(follow__a_growing_file__batches_come_as_they_are_written),
        TEST(killed__before_the_end__what_was_flushed_is_read),
        TEST(uring_and_plain_writes__same_chunks__same_bytes),
        TEST(existing_file__without_force__is_left_alone),
        TEST(foreign_file__opened__is_refused),
        TEST(prefixes__of_frames_that_are_not_there__are_one_fault),
        TEST(newer_version__opened__is_refused_by_name),
        TEST(file_size_limit__reached__whole_batches_stay_and_the_rest_is_counted),
        TEST(kept_buffers__each_file_has_its_own_bytes),
        TEST(full_device__no_byte_fits__all_is_lost_and_counted),
        TEST(zstd_command__our_file__accepts_it),
        TEST(idle__small_chunks_waited_long__are_written),
        TEST(io_uring__refused__plain_writes_take_over),
        TEST(full_file_system__whole_batches_stay_and_the_rest_is_counted),
        TEST(two_files__one_after_the_other__are_read),
        TEST(loss__in_a_chunk_without_words__is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
