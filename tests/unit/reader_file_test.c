/* SPDX-License-Identifier: ISC
 *
 * The reader over files: what was recorded from a session comes back in order, with its losses, and next to other sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/session_builder.h"

#include <evtrail/file.h>

struct fixture {
    struct builder builder;
    char file[160];
};

static struct evtrail_reader *open_reader(const char *path, struct evtrail_reader_options options)
{
    struct evtrail_reader *reader;
    options.bytes = sizeof(options);
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    int result = evtrail_reader_add_path(reader, path);
    if (result < 0)
        fail_msg("%d: %s", result, evtrail_reader_error(reader));
    return reader;
}

/* Records all of the session into the file. */
static void record(struct fixture *f)
{
    struct evtrail_reader *reader = open_reader(f->builder.path, (struct evtrail_reader_options){.snapshot = true});
    struct evtrail_file_options options = {.bytes = sizeof(options)};
    struct evtrail_file *file;
    struct evtrail_chunk *chunk;
    assert_int_equal(evtrail_file_create(&file, f->file, &options), 0);
    while (evtrail_reader_next_chunk(reader, &chunk) > 0)
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
    assert_true(evtrail_reader_done(reader));
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    evtrail_reader_free(reader);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    builder_init(&f->builder);
    snprintf(f->file, sizeof(f->file), "%s/x.evt", f->builder.directory);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->file);
    builder_fini(&f->builder);
    free(f);
    return 0;
}

struct seen {
    uint64_t events, lost, joined, disordered;
    int64_t first, last;
};

static struct seen read_all(struct evtrail_reader *reader)
{
    struct seen seen = {.first = INT64_MIN, .last = INT64_MIN};
    struct evtrail_event *event;
    while (evtrail_reader_next(reader, &event) > 0) {
        seen.disordered += event->time < seen.last;
        seen.last = event->time;
        seen.joined += event->what == EVTRAIL_EVENT_SOURCE;
        seen.lost += event->what == EVTRAIL_EVENT_LOST ? event->lost : 0;
        if (event->what != EVTRAIL_EVENT)
            continue;
        if (!seen.events++)
            seen.first = event->time;
    }
    return seen;
}

static void two_rings_interleaved__one_order(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 900; i++)
        builder_event(&f->builder, i % 3 == 0);
    record(f);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){0});
    struct seen seen = read_all(reader);
    assert_int_equal(seen.events, 900);
    assert_int_equal(seen.disordered, 0);
    assert_int_equal(seen.joined, 1);
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
}

static void losses__same_account_in_events_and_in_chunks(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 6 * BUILDER_BLOCK_WORDS / 2); /* the first two blocks are overwritten */
    for (int i = 0; i < 7; i++)
        builder_lose(&f->builder, 0, EVTRAIL_LOST_FULL);
    builder_open_block(&f->builder, 0);
    builder_events(&f->builder, 0, 3);
    builder_lose(&f->builder, 0, EVTRAIL_LOST_NESTED); /* trailing */
    atomic_store(&f->builder.header->lost_no_ring, 5);
    uint64_t emitted = 6 * BUILDER_BLOCK_WORDS / 2 + 7 + 3 + 1 + 5;
    record(f);
    for (int chunks = 0; chunks < 2; chunks++) {
        struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){0});
        struct evtrail_chunk *chunk;
        uint64_t delivered, lost[EVTRAIL_CAUSES_ALL];
        if (chunks)
            while (evtrail_reader_next_chunk(reader, &chunk) > 0)
                ;
        else
            assert_int_equal(read_all(reader).lost, emitted - 3 - 3 * BUILDER_BLOCK_WORDS / 2);
        evtrail_reader_totals(reader, &delivered, lost);
        assert_int_equal(delivered, 3 + 3 * BUILDER_BLOCK_WORDS / 2);
        assert_int_equal(lost[EVTRAIL_CAUSE_overwritten], 3 * BUILDER_BLOCK_WORDS / 2);
        assert_int_equal(lost[EVTRAIL_LOST_FULL], 7);
        assert_int_equal(lost[EVTRAIL_LOST_NESTED], 1);
        assert_int_equal(lost[EVTRAIL_LOST_MEMORY], 5);
        evtrail_reader_free(reader);
    }
}

static void file_and_session__merged(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 50);
    record(f);
    builder_events(&f->builder, 1, 50);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){.snapshot = true});
    assert_int_equal(evtrail_reader_add_path(reader, f->builder.path), 0);
    struct seen seen = read_all(reader);
    assert_int_equal(seen.events, 150);
    assert_int_equal(seen.disordered, 0);
    assert_int_equal(evtrail_reader_seek(reader, seen.first), -ESPIPE);
    evtrail_reader_free(reader);
}

static void seek__the_first_event_at_or_after_that_time(void **state)
{
    struct fixture *f = *state;
    struct evtrail_event *event;
    builder_events(&f->builder, 0, 200);
    record(f);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){0});
    struct seen seen = read_all(reader);
    assert_int_equal(evtrail_reader_seek(reader, seen.last), 0);
    do
        assert_int_equal(evtrail_reader_next(reader, &event), 1);
    while (event->what != EVTRAIL_EVENT);
    assert_int_equal(event->time, seen.last);
    assert_int_equal(evtrail_reader_next(reader, &event), 0);
    assert_int_equal(evtrail_reader_seek(reader, seen.first), 0);
    assert_int_equal(read_all(reader).events, 200);
    evtrail_reader_free(reader);
}

static void time_range__only_that(void **state)
{
    struct fixture *f = *state;
    builder_events(&f->builder, 0, 200);
    record(f);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){0});
    struct seen seen = read_all(reader);
    evtrail_reader_free(reader);
    reader =
        open_reader(f->file, (struct evtrail_reader_options){.from_ns = seen.first + 50, .to_ns = seen.first + 99});
    seen = read_all(reader);
    assert_int_equal(seen.events, 50);
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
}

/* From the file and from the session: the same events, and the same account of the others. */
/* What is lost behind a batch's beginning the next batch of its ring tells; here is none, and the filter wants none of it. */
static void loss_inside_the_last_batch__counted_whatever_the_filter(void **state)
{
    struct fixture *f = *state;
    const uint64_t counts[EVTRAIL_LOST_CAUSES] = {[EVTRAIL_LOST_FULL] = 7};
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL];
    struct evtrail_filter *filter;
    builder_events(&f->builder, 0, 5);
    builder_record(&f->builder, 0, EVTRAIL_RECORD_LOST, counts, EVTRAIL_LOST_CAUSES);
    builder_events(&f->builder, 0, 5);
    record(f);
    assert_int_equal(evtrail_filter_new(&filter, "other.name", NULL), 0);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){.filter = filter});
    struct seen seen = read_all(reader);
    evtrail_reader_totals(reader, &delivered, lost);
    assert_int_equal(seen.events, 0);
    assert_int_equal(delivered, 10);
    assert_int_equal(lost[EVTRAIL_LOST_FULL], 7);
    evtrail_reader_free(reader);
    evtrail_filter_free(filter);
}

static void filter__only_what_matches(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        uint64_t events;
    } cases[] = {
        {"n < 10", 20}, {"test.tick && n == 7", 2}, {"other.*", 0}, {"level <= error", 0}, {"tid == 101", 300},
    };
    for (int i = 0; i < 600; i++)
        builder_event(&f->builder, i & 1);
    record(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct evtrail_filter *filter;
        uint64_t delivered;
        assert_int_equal(evtrail_filter_new(&filter, cases[i].text, NULL), 0);
        for (int live = 0; live < 2; live++) {
            struct evtrail_reader *reader = open_reader(
                live ? f->builder.path : f->file, (struct evtrail_reader_options){.filter = filter, .snapshot = live});
            struct seen seen = read_all(reader);
            evtrail_reader_totals(reader, &delivered, NULL);
            assert_int_equal(seen.events, cases[i].events);
            assert_int_equal(delivered, 600);
            evtrail_reader_free(reader);
        }
        evtrail_filter_free(filter);
    }
}

static void little_memory__all_events_still(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1800; i++)
        builder_event(&f->builder, i & 1);
    record(f);
    struct evtrail_reader *reader = open_reader(f->file, (struct evtrail_reader_options){.memory_bytes = 1});
    assert_int_equal(read_all(reader).events, 1800);
    evtrail_reader_free(reader);
}

static void no_such_file__one_line_says_so(void **state)
{
    struct evtrail_reader *reader;
    (void)state;
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    assert_int_equal(evtrail_reader_add_path(reader, "/nonexistent/x.evt"), -ENOENT);
    assert_non_null(strstr(evtrail_reader_error(reader), "/nonexistent/x.evt"));
    evtrail_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_rings_interleaved__one_order, setup, teardown),
        cmocka_unit_test_setup_teardown(losses__same_account_in_events_and_in_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(file_and_session__merged, setup, teardown),
        cmocka_unit_test_setup_teardown(seek__the_first_event_at_or_after_that_time, setup, teardown),
        cmocka_unit_test_setup_teardown(time_range__only_that, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_inside_the_last_batch__counted_whatever_the_filter, setup, teardown),
        cmocka_unit_test_setup_teardown(filter__only_what_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(little_memory__all_events_still, setup, teardown),
        cmocka_unit_test(no_such_file__one_line_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
