/* SPDX-License-Identifier: ISC
 *
 * A file that many short-lived processes are written to: what is kept of those that have ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file/frame.h"
#include "file_gen.h"
#include "layout.h"
#include "reader/schema.h"

#include <errno.h>
#include <malloc.h>

enum { WARM_UP = 200, PROCESSES = 1000, BYTES_EACH = 1024 };

/* Processes first to first + count - 1, each with one chunk, one after the other. */
static uint64_t write_processes(struct evtrail_file *file, uint32_t first, uint32_t count)
{
    struct gen_source *source = calloc(1, sizeof(*source));
    struct gen_ring *ring = calloc(1, sizeof(*ring));
    uint64_t events = 0;
    for (uint32_t i = 0; i < count; i++) {
        gen_source_init(source, first + i);
        gen_ring_init(ring, &source->source, 0, i);
        const struct evtrail_chunk *chunk = gen_ring_next(ring, 64);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
        assert_int_equal(evtrail_file_source_gone(file, &source->source), 0);
    }
    free(ring);
    free(source);
    return events;
}

static uint64_t read_back(const char *path, uint32_t *ret_gone)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct evtrail_source *const *sources;
    uint64_t events = 0;
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, NULL, NULL), 0);
    while (evtrail_file_cursor_next_chunk(cursor, &batch) == 1) {
        events += batch->chunk.events;
        assert_non_null(evtrail_source_type(batch->chunk.source, POOL_FIRST_ID));
    }
    *ret_gone = 0;
    for (uint32_t i = evtrail_file_cursor_sources(cursor, &sources); i-- > 0;)
        *ret_gone += sources[i]->gone && sources[i]->types_count > 0;
    evtrail_file_cursor_close(cursor);
    return events;
}

static void source_gone__many_processes__little_is_kept_of_each(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    uint32_t gone;
    (void)state;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    uint64_t events = write_processes(file, 1, WARM_UP);
    const size_t before = mallinfo2().uordblks;
    events += write_processes(file, 1 + WARM_UP, PROCESSES);
    const size_t after = mallinfo2().uordblks; /* both 0 where another allocator is in place */
    assert_true(after < before + (size_t)PROCESSES * BYTES_EACH);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(read_back(path, &gone), events);
    assert_int_equal(gone, WARM_UP + PROCESSES);
    free(path);
    gen_directory_remove(directory);
}

static void source_gone__rotated_set__numbers_are_given_again_in_later_parts(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a");
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_file_stats stats;
    uint32_t gone;
    (void)state;
    options.rotate_bytes = 16384;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    const uint64_t events = write_processes(file, 1, PROCESSES);
    assert_int_equal(evtrail_file_close(file, &stats), 0);
    assert_true(stats.files > 5);
    assert_int_equal(read_back(path, &gone), events);
    assert_int_equal(gone, PROCESSES);
    free(path);
    gen_directory_remove(directory);
}

static void source_gone__chunk_of_it_after_that__is_written_all_the_same(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    uint32_t gone;
    (void)state;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    const uint64_t events = write_processes(file, 7, 1) + write_processes(file, 7, 1);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(read_back(path, &gone), events);
    assert_int_equal(gone, 1);
    free(path);
    gen_directory_remove(directory);
}

/* Events and files that a reader which follows has got so far. */
static uint64_t follow_on(struct evtrail_file_cursor *cursor)
{
    struct evtrail_batch *batch;
    uint64_t events = 0;
    while (evtrail_file_cursor_next_chunk(cursor, &batch) == 1)
        events += batch->chunk.events;
    return events;
}

static void follow__name_current__goes_on_with_the_next_file(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a"), *current = gen_path(directory, "a.current");
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_file_stats before, after;
    struct evtrail_file_cursor *cursor;
    (void)state;
    options.rotate_bytes = 16384;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    write_processes(file, 1, 100); /* into the first files: not asked for */
    evtrail_file_flush(file);
    evtrail_file_stats(file, &before);
    assert_true(before.files > 1);
    assert_int_equal(evtrail_file_cursor_open(&cursor, current, &follow, NULL), 0);
    const uint64_t had = follow_on(cursor);
    assert_true(had < before.events);
    const uint64_t events = write_processes(file, 101, 300);
    assert_int_equal(evtrail_file_close(file, &after), 0);
    assert_true(after.files > before.files + 2);
    assert_int_equal(follow_on(cursor), events);
    evtrail_file_cursor_close(cursor);
    free(path);
    free(current);
    gen_directory_remove(directory);
}

static void follow__file_without_a_whole_first_frame__is_waited_for(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt"), *early = gen_path(directory, "early.evt");
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    size_t bytes;
    (void)state;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    const uint64_t events = write_processes(file, 1, 10);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    uint8_t *whole = gen_read_file(path, &bytes);
    for (size_t first = 0; first < 64; first++) {
        gen_write_file(early, whole, first);
        assert_int_equal(evtrail_file_cursor_open(&cursor, early, &follow, NULL), 0);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
        assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
        gen_write_file(early, whole, bytes);
        assert_int_equal(follow_on(cursor), events);
        evtrail_file_cursor_close(cursor);
    }
    free(whole);
    free(path);
    free(early);
    gen_directory_remove(directory);
}

static void follow__foreign_bytes__refused_at_once_or_when_they_come(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt"), *error = NULL;
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    (void)state;
    gen_write_file(path, (const uint8_t *)"P?", 2);
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, &follow, NULL), -EBADMSG);
    gen_write_file(path, (const uint8_t *)"", 0);
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, NULL, &error), -EBADMSG);
    assert_non_null(strstr(error, "empty"));
    free(error);
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, &follow, NULL), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    gen_write_file(path, (const uint8_t *)"These are no frames.", 20);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), -EBADMSG);
    assert_non_null(strstr(evtrail_file_cursor_error(cursor), "not a trace file"));
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    evtrail_file_cursor_close(cursor);
    free(path);
    gen_directory_remove(directory);
}

/* Each part is met while its writer has not written it; the third stays empty, the fourth is no trace. */
static void follow__set_whose_next_part_is_empty__no_part_is_lost(void **state)
{
    char *directory = gen_directory(), *set = gen_path(directory, "a"), *parts[5];
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(asprintf(&parts[i], "%s.%05u.evt", set, i + 1) > 0);
    gen_write_file(parts[0], (const uint8_t *)"", 0);
    assert_int_equal(evtrail_file_cursor_open(&cursor, set, &follow, NULL), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct evtrail_file *file;
        struct evtrail_file_options forced = options;
        gen_write_file(parts[i], (const uint8_t *)"", 0);
        assert_int_equal(follow_on(cursor), 0);
        assert_int_equal(follow_on(cursor), 0);
        if (i == 2)
            continue;
        if (i == 3) {
            gen_write_file(parts[i], (const uint8_t *)"These are no frames.", 20);
            assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), -EBADMSG);
            continue;
        }
        forced.force = true;
        assert_int_equal(evtrail_file_create(&file, parts[i], &forced), 0);
        const uint64_t events = write_processes(file, 1 + i * 10, 10);
        assert_int_equal(evtrail_file_close(file, NULL), 0);
        assert_int_equal(follow_on(cursor), events);
    }
    evtrail_file_cursor_close(cursor);
    for (unsigned i = 0; i < 5; i++)
        free(parts[i]);
    free(set);
    gen_directory_remove(directory);
}

static void follow__writer_gone_without_an_end__followed_no_longer(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    const struct evtrail_reader_options options = {.bytes = sizeof(options), .follow = true};
    const struct evtrail_file_options file_options = gen_options();
    struct evtrail_reader *reader;
    struct evtrail_file *file;
    struct evtrail_event *event;
    uint64_t events = 0;
    (void)state;
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_int_equal(evtrail_file_create(&file, path, &file_options), 0);
    const uint64_t written = write_processes(file, 1, 10);
    assert_int_equal(evtrail_file_flush(file), 0);
    assert_int_equal(evtrail_reader_add_path(reader, path), 0);
    while (evtrail_reader_next(reader, &event) == 1)
        events += event->type != NULL;
    assert_int_equal(events, written);
    assert_false(evtrail_reader_done(reader));
    evtrail_file_abandon(file);
    while (evtrail_reader_next(reader, &event) == 1)
        assert_null(event->type); /* that the processes have ended */
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
    free(path);
    gen_directory_remove(directory);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static size_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_true(file && fscanf(file, "%*u %lu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A small file may name many processes, of which each has but the type of the highest number. */
static void cursor__many_sources_of_one_type__little_memory(void **state)
{
    enum { SOURCES = 4000, ROOM = 2048 };
    char *directory = gen_directory(), *path = gen_path(directory, "many.evt");
    uint8_t *bytes = calloc(SOURCES + 1, ROOM), *at = bytes;
    const struct evtrail_super super = {.version = EVTRAIL_FILE_VERSION};
    const struct evtrail_event_type type = {
        .id = EVTRAIL_EVENT_TYPES_MAX - 1, .level = 1, .name = "a", .doc = "", .file = "", .function = ""};
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct evtrail_source *const *sources;
    (void)state;
    at += evtrail_frame_put_super(at, &super);
    for (uint32_t i = 0; i < SOURCES; i++) {
        const struct evtrail_source_frame source = {.number = i, .pid = i + 1, .session_id = i + 1, .clock_kind = 1};
        at += evtrail_frame_put_source(at, &source);
        at += evtrail_frame_put_schema(at, i, evtrail_schema_put_type(&type, at + EVTRAIL_SCHEMA_HEAD, ROOM / 2));
    }
    gen_write_file(path, bytes, (size_t)(at - bytes));
    const size_t before = resident_bytes();
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, NULL, NULL), 0);
    while (evtrail_file_cursor_next(cursor, &batch) > 0)
        ;
    assert_int_equal(evtrail_file_cursor_sources(cursor, &sources), SOURCES);
    assert_string_equal(evtrail_source_type(sources[SOURCES - 1], type.id)->name, "a");
    if (!getenv("VALGRIND") && !SANITIZED) /* which have a shadow of each byte */
        assert_true(resident_bytes() - before < (size_t)SOURCES * 16384);
    evtrail_file_cursor_close(cursor);
    free(bytes);
    free(path);
    gen_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor__many_sources_of_one_type__little_memory),
        cmocka_unit_test(source_gone__many_processes__little_is_kept_of_each),
        cmocka_unit_test(source_gone__rotated_set__numbers_are_given_again_in_later_parts),
        cmocka_unit_test(source_gone__chunk_of_it_after_that__is_written_all_the_same),
        cmocka_unit_test(follow__name_current__goes_on_with_the_next_file),
        cmocka_unit_test(follow__file_without_a_whole_first_frame__is_waited_for),
        cmocka_unit_test(follow__foreign_bytes__refused_at_once_or_when_they_come),
        cmocka_unit_test(follow__writer_gone_without_an_end__followed_no_longer),
        cmocka_unit_test(follow__set_whose_next_part_is_empty__no_part_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
