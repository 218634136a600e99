/* SPDX-License-Identifier: ISC
 *
 * Clocks of other hosts in files: what was measured of them is in what is recorded, merged and rotated, and times stay corrected by it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file_gen.h"

enum { AHEAD_NS = 1203000, BOUND_NS = 150000 };

/* A source as a collector's reader has it: its clock is corrected. */
static struct gen_source *source_of(uint32_t pid, const char *host, int64_t ahead_ns, int64_t bound_ns)
{
    struct gen_source *gen = calloc(1, sizeof(*gen));
    gen_source_init(gen, pid);
    gen->source.host = host;
    gen->source.offset_ns = ahead_ns;
    gen->source.offset_bound_ns = bound_ns;
    return gen;
}

static void write_some(struct evtrail_file *file, struct gen_source *source, unsigned chunks)
{
    struct gen_ring *ring = calloc(1, sizeof(*ring));
    gen_ring_init(ring, &source->source, 0, source->source.pid);
    for (unsigned i = 0; i < chunks; i++)
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(ring, 2048)), 0);
    free(ring);
}

static struct evtrail_file *create(const char *path, uint64_t rotate_bytes)
{
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    options.rotate_bytes = rotate_bytes;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    return file;
}

/* The only source of that host; all chunks were read. */
static void check(const char *path, const char *host, int64_t ahead_ns, int64_t bound_ns)
{
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    struct evtrail_source *const *sources;
    const struct evtrail_source *found = NULL;
    assert_int_equal(evtrail_file_cursor_open(&cursor, path, NULL, NULL), 0);
    while (evtrail_file_cursor_next(cursor, &batch) == 1) {
        if (strcmp(batch->chunk.source->host, host) == 0)
            assert_int_equal(evtrail_source_time(batch->chunk.source, GEN_START_TICKS), GEN_START_NS);
    }
    for (uint32_t i = evtrail_file_cursor_sources(cursor, &sources); i-- > 0;) {
        if (strcmp(sources[i]->host, host) != 0)
            continue;
        assert_null(found);
        found = sources[i];
    }
    assert_non_null(found);
    assert_int_equal(found->offset_ns, ahead_ns);
    assert_int_equal(found->offset_bound_ns, bound_ns);
    assert_int_equal(evtrail_source_time(found, GEN_START_TICKS), GEN_START_NS);
    evtrail_file_cursor_close(cursor);
}

static void write__clocks_of_two_hosts__told_and_times_corrected(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt"), *merged = gen_path(directory, "b.evt");
    struct gen_source *ahead = source_of(1, "web1", AHEAD_NS, BOUND_NS), *own = source_of(2, "web2", 0, 0);
    struct evtrail_file *file = create(path, 0);
    (void)state;
    write_some(file, ahead, 3);
    write_some(file, own, 3);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    check(path, "web1", AHEAD_NS, BOUND_NS);
    check(path, "web2", 0, 0);
    assert_int_equal(evtrail_file_copy((const char *const[]){path}, 1, merged, NULL, NULL, NULL), 0);
    check(merged, "web1", AHEAD_NS, BOUND_NS);
    check(merged, "web2", 0, 0);
    free(ahead);
    free(own);
    free(path);
    free(merged);
    gen_directory_remove(directory);
}

static void write__rotated__each_part_tells_the_clock(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a"), **parts;
    struct gen_source *behind = source_of(1, "web1", -AHEAD_NS, BOUND_NS);
    struct evtrail_file *file = create(path, 16384);
    (void)state;
    write_some(file, behind, 64);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    const int count = evtrail_file_list(path, &parts);
    assert_true(count > 2);
    for (int i = 0; i < count; i++)
        check(parts[i], "web1", -AHEAD_NS, BOUND_NS);
    evtrail_file_list_free(parts);
    free(behind);
    free(path);
    gen_directory_remove(directory);
}

/* The reader of a collector's stream moves the readings by as much as the offset changes. */
static void set_offset(struct gen_source *source, int64_t ahead_ns, int64_t bound_ns)
{
    struct evtrail_clock *clock = &source->source.clock;
    const uint64_t change = (uint64_t)ahead_ns - (uint64_t)source->source.offset_ns;
    clock->first.realtime_ns -= change;
    clock->last.realtime_ns -= change;
    source->source.offset_ns = ahead_ns;
    source->source.offset_bound_ns = bound_ns;
}

static void write__offset_known_late_then_better__the_latest_counts(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    struct gen_source *source = source_of(1, "web1", 0, 0);
    source->source.clock.first.realtime_ns += AHEAD_NS; /* not corrected yet */
    source->source.clock.last.realtime_ns += AHEAD_NS;
    struct evtrail_file *file = create(path, 0);
    (void)state;
    write_some(file, source, 8);
    set_offset(source, AHEAD_NS + 100000, 8 * BOUND_NS);
    write_some(file, source, 8);
    set_offset(source, AHEAD_NS, BOUND_NS);
    write_some(file, source, 8);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    check(path, "web1", AHEAD_NS, BOUND_NS);
    free(source);
    free(path);
    gen_directory_remove(directory);
}

static void source_gone__offset_known_since_its_last_batch__told(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    struct gen_source *source = source_of(1, "web1", 0, 0);
    source->source.clock.first.realtime_ns += AHEAD_NS;
    source->source.clock.last.realtime_ns += AHEAD_NS;
    struct evtrail_file *file = create(path, 0);
    (void)state;
    write_some(file, source, 8);
    set_offset(source, AHEAD_NS, BOUND_NS);
    assert_int_equal(evtrail_file_source_gone(file, &source->source), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    check(path, "web1", AHEAD_NS, BOUND_NS);
    free(source);
    free(path);
    gen_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write__clocks_of_two_hosts__told_and_times_corrected),
        cmocka_unit_test(write__rotated__each_part_tells_the_clock),
        cmocka_unit_test(write__offset_known_late_then_better__the_latest_counts),
        cmocka_unit_test(source_gone__offset_known_since_its_last_batch__told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
