/* SPDX-License-Identifier: ISC
 *
 * Chunks cut to time ranges: each event is in one part, and each part's accounts add up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file_gen.h"
#include "layout.h"

enum { RINGS = 3, CHUNKS = 20, PARTS = 5 };

static uint64_t header(uint64_t ticks, uint64_t id, uint64_t size)
{
    return ticks << 20 | id << 6 | size;
}

/* All chunks of three rings, cut to the range, into a file. The highest time of all is returned. */
static int64_t write_part(const char *path, int64_t from_ns, int64_t to_ns)
{
    struct gen_source *source = calloc(1, sizeof(*source));
    struct gen_ring *rings = calloc(RINGS, sizeof(*rings));
    struct evtrail_file_options options = gen_options();
    struct evtrail_cutter *cutter;
    struct evtrail_file *file;
    int64_t last_ns = 0, next_ns = INT64_MAX;
    gen_source_init(source, 42);
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    assert_int_equal(evtrail_cutter_new(&cutter, from_ns, to_ns), 0);
    for (uint32_t i = 0; i < RINGS; i++)
        gen_ring_init(&rings[i], &source->source, i, i);
    for (uint32_t i = 0; i < RINGS * CHUNKS; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&rings[i % RINGS], 300), *cut;
        const int64_t ends = evtrail_source_time(chunk->source, chunk->last_ticks);
        last_ns = ends > last_ns ? ends : last_ns;
        if (evtrail_cutter_cut(cutter, chunk, 0, &cut, &next_ns) == 1)
            assert_int_equal(evtrail_file_write_chunk(file, cut), 0);
    }
    assert_true(next_ns >= to_ns);
    evtrail_cutter_free(cutter);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    free(rings);
    free(source);
    return last_ns;
}

/* The events in a sound file of which nothing is missing, all within the range. */
static uint64_t check_part(const char *path, int64_t from_ns, int64_t to_ns)
{
    struct evtrail_file_report report = {0};
    assert_int_equal(evtrail_file_verify(path, NULL, NULL, &report, NULL), 0);
    assert_int_equal(report.lost[EVTRAIL_CAUSE_torn], 0);
    assert_true(!report.events || (report.from_ns >= from_ns && report.to_ns < to_ns));
    return report.events;
}

static void cut__ranges_side_by_side__each_event_once(void **state)
{
    char *directory = gen_directory(), *path = gen_path(directory, "a.evt");
    (void)state;
    const int64_t last_ns = write_part(path, INT64_MIN, INT64_MAX);
    const uint64_t all = check_part(path, INT64_MIN, INT64_MAX);
    const int64_t start_ns = (int64_t)GEN_START_NS, step = (last_ns - start_ns) / PARTS;
    uint64_t events = 0;
    for (int part = 0; part < PARTS; part++) {
        const int64_t from_ns = part ? start_ns + part * step : INT64_MIN;
        const int64_t to_ns = part + 1 < PARTS ? start_ns + (part + 1) * step : INT64_MAX;
        unlink(path);
        write_part(path, from_ns, to_ns);
        const uint64_t here = check_part(path, from_ns, to_ns);
        assert_true(here > 0 && here < all);
        events += here;
    }
    assert_int_equal(events, all);
    free(path);
    gen_directory_remove(directory);
}

/* Loss, thread, context and a stated clock, cut before and behind the middle event. */
static void cut__what_is_between_the_events__goes_with_the_later_one(void **state)
{
    struct gen_source *source = calloc(1, sizeof(*source));
    const uint64_t t = GEN_START_TICKS, words[] = {header(t + 10, 100, 1),
                                                   1,
                                                   header(t + 20, EVTRAIL_RECORD_LOST, 10),
                                                   7,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   0,
                                                   header(t + 20, EVTRAIL_RECORD_THREAD, 3),
                                                   55,
                                                   0,
                                                   0,
                                                   header(t + 20, EVTRAIL_RECORD_META, 2),
                                                   EVTRAIL_META_CPU,
                                                   3,
                                                   header(t + 20, EVTRAIL_RECORD_TIME, 1),
                                                   t + 20,
                                                   header(t + 20, 100, 1),
                                                   2};
    const size_t count = sizeof(words) / sizeof(words[0]);
    struct evtrail_chunk whole = {.source = &source->source,
                                  .events_before = 3,
                                  .missed = 1,
                                  .events = 2,
                                  .words = words,
                                  .words_count = count,
                                  .first_ticks = t + 10,
                                  .last_ticks = t + 20};
    const struct evtrail_chunk *chunk;
    struct evtrail_cutter *cutter;
    int64_t next_ns = INT64_MAX;
    (void)state;
    whole.state.reference_ticks = t;
    gen_source_init(source, 42);
    const int64_t middle = evtrail_source_time(&source->source, t + 15);
    assert_int_equal(evtrail_cutter_new(&cutter, INT64_MIN, middle), 0);
    assert_int_equal(evtrail_cutter_cut(cutter, &whole, 0, &chunk, &next_ns), 1);
    assert_int_equal(next_ns, evtrail_source_time(&source->source, t + 20));
    assert_int_equal(chunk->words_count, 2);
    assert_int_equal(chunk->events, 1);
    assert_int_equal(chunk->events_before, 3);
    assert_int_equal(chunk->missed, 1);
    evtrail_cutter_free(cutter);
    assert_int_equal(evtrail_cutter_new(&cutter, middle, INT64_MAX), 0);
    assert_int_equal(evtrail_cutter_cut(cutter, &whole, 0, &chunk, &next_ns), 1);
    assert_int_equal(chunk->words_count, 5); /* context and event */
    assert_int_equal(chunk->events, 1);
    assert_int_equal(chunk->events_before, 4);
    assert_int_equal(chunk->missed, 0);
    assert_int_equal(chunk->lost_before[0], 7);
    assert_int_equal(chunk->state.tid, 55);
    assert_int_equal(chunk->state.reference_ticks, t + 20);
    evtrail_cutter_free(cutter);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut__ranges_side_by_side__each_event_once),
        cmocka_unit_test(cut__what_is_between_the_events__goes_with_the_later_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
