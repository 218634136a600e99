/* SPDX-License-Identifier: ISC
 *
 * The log's lines, against all events read one after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed/feed.h"

#include "unit/file_gen.h"
#include "unit/session_builder.h"

#define MS INT64_C(1000000)

struct all {
    int64_t *times;
    bool *matches;
    size_t count, room;
};
struct seen {
    int64_t times[1000];
    size_t count;
};

static void see(void *context, const struct evtrail_event *event)
{
    struct seen *seen = context;
    assert_true(seen->count < 1000);
    assert_int_equal(event->what, EVTRAIL_EVENT);
    assert_non_null(event->type);
    assert_int_equal(event->words, 2);
    seen->times[seen->count++] = event->time;
}

static void write_file(const char *path, unsigned chunks)
{
    static struct gen_source source;
    static struct gen_ring rings[3];
    struct evtrail_file *file;
    gen_source_init(&source, 9);
    for (uint32_t i = 0; i < 3; i++)
        gen_ring_init(&rings[i], &source.source, i, i);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    for (unsigned i = 0; i < chunks; i++)
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&rings[i % 3], 9000)), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
}

static void read_all(struct all *all, const char *path, const struct evtrail_filter *filter)
{
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    assert_int_equal(evtrail_reader_add_path(reader, path), 0);
    while (evtrail_reader_next(reader, &event) > 0) {
        if (event->what != EVTRAIL_EVENT)
            continue;
        if (all->count == all->room) {
            all->room = all->room * 2 + 1000;
            all->times = realloc(all->times, all->room * sizeof *all->times);
            all->matches = realloc(all->matches, all->room * sizeof *all->matches);
        }
        all->matches[all->count] = !filter || evtrail_filter_match(filter, event);
        all->times[all->count++] = event->time;
    }
    evtrail_reader_free(reader);
}

/* The last `count` that match, up to `to`. */
static void expect_last(const struct all *all, int64_t to, size_t count, struct seen *seen)
{
    int64_t found[1000];
    seen->count = 0;
    for (size_t i = all->count; i > 0 && seen->count < count; i--)
        if (all->times[i - 1] <= to && all->matches[i - 1])
            found[seen->count++] = all->times[i - 1];
    for (size_t i = 0; i < seen->count; i++)
        seen->times[i] = found[seen->count - 1 - i];
}

static void expect_from(const struct all *all, int64_t from, size_t count, struct seen *seen)
{
    seen->count = 0;
    for (size_t i = 0; i < all->count && seen->count < count; i++)
        if (all->times[i] >= from && all->matches[i])
            seen->times[seen->count++] = all->times[i];
}

static void assert_same(const struct seen *wanted, const struct seen *found)
{
    assert_int_equal(found->count, wanted->count);
    assert_memory_equal(found->times, wanted->times, wanted->count * sizeof *wanted->times);
}

static void ask(struct feed_lines *lines, const struct all *all, const struct evtrail_filter *filter, bool last,
                int64_t at, unsigned count)
{
    struct seen wanted, found;
    unsigned calls = 0;
    do {
        found.count = 0;
        if (last)
            feed_lines_last(lines, at, count, filter, see, &found);
        else
            feed_lines_from(lines, at, count, filter, see, &found);
        assert_true(++calls < 10000);
    } while (feed_lines_searching(lines, NULL));
    if (last)
        expect_last(all, at, count, &wanted);
    else
        expect_from(all, at, count, &wanted);
    assert_same(&wanted, &found);
}

static struct feed *open_file(const char *path)
{
    struct feed *feed;
    const struct feed_options options = {0};
    assert_int_equal(feed_new(&feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(feed, path), 0);
    while (feed_run(feed, (int64_t)builder_monotonic() + 10 * MS) != -ENODATA)
        ;
    return feed;
}

static void compare(const char *expression)
{
    char *directory = gen_directory(), *path = gen_path(directory, "in.evt");
    struct evtrail_filter *filter = NULL;
    struct feed_lines *lines;
    struct all all = {0};
    struct random random = {7};
    write_file(path, 60);
    if (expression)
        assert_int_equal(evtrail_filter_new(&filter, expression, NULL), 0);
    read_all(&all, path, filter);
    struct feed *feed = open_file(path);
    assert_int_equal(feed_lines_new(&lines, feed), 0);
    const int64_t first = all.times[0], last = all.times[all.count - 1];
    ask(lines, &all, filter, true, INT64_MAX, 50);
    ask(lines, &all, filter, false, 0, 50);
    ask(lines, &all, filter, true, first - 1, 50);
    ask(lines, &all, filter, false, last + 1, 50);
    for (unsigned i = 0; i < 60; i++) {
        const int64_t at = first + (int64_t)random_below(&random, (uint64_t)(last - first));
        ask(lines, &all, filter, random_below(&random, 2), at, (unsigned)random_below(&random, 200) + 1);
    }
    /* a page after the other, both ways */
    int64_t at = last;
    for (unsigned i = 0; i < 50; i++) {
        ask(lines, &all, filter, true, at, 40);
        at -= (last - first) / 2000;
    }
    for (unsigned i = 0; i < 70; i++) {
        ask(lines, &all, filter, i & 1, at, 40);
        at += (last - first) / 2000;
    }
    feed_lines_free(lines);
    feed_free(feed);
    evtrail_filter_free(filter);
    free(all.times);
    free(all.matches);
    free(path);
    gen_directory_remove(directory);
}

static void lines__all_events__as_read_one_by_one(void **state)
{
    (void)state;
    compare(NULL);
}

static void lines__some_events__as_read_one_by_one(void **state)
{
    (void)state;
    compare("pool.step2 && object < 100");
}

static void lines__rare_events__as_read_one_by_one(void **state)
{
    (void)state;
    compare("argument == 12345");
}

/* ---- live --------------------------------------------------------------------------------------------------------- */

static void see_number(void *context, const struct evtrail_event *event)
{
    struct evtrail_value value;
    struct seen *seen = context;
    if (event->what != EVTRAIL_EVENT)
        return;
    assert_int_equal(evtrail_event_value(event, 0, &value), 0);
    seen->times[seen->count++] = (int64_t)value.u;
}

static void lines__live_and_followed__always_the_newest(void **state)
{
    (void)state;
    struct builder b;
    struct feed *feed;
    struct feed_lines *lines;
    uint64_t number = 0;
    builder_init(&b);
    b.header->start_realtime_ns -= 1000 * MS;
    b.header->anchors[0].realtime_ns -= 1000 * MS;
    builder_live(&b);
    const struct feed_options options = {.reader = {.directory = b.directory}, .live = true};
    assert_int_equal(feed_new(&feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(feed, b.path), 0);
    assert_int_equal(feed_lines_new(&lines, feed), 0);
    for (unsigned round = 0; round < 50; round++) {
        struct seen seen = {.count = 0};
        const unsigned some = round % 7 == 0 ? 300 : round % 3 ? 1 : 0;
        builder_events(&b, 0, some);
        number += some;
        for (int i = 0; i < 3; i++) {
            feed_run(feed, (int64_t)builder_monotonic() + MS);
            usleep(1200);
        }
        do {
            seen.count = 0;
            feed_lines_last(lines, INT64_MAX, 30, NULL, see_number, &seen);
        } while (feed_lines_searching(lines, NULL));
        assert_int_equal(seen.count, number < 30 ? number : 30);
        for (size_t i = 0; i < seen.count; i++)
            assert_int_equal(seen.times[i], number - seen.count + i);
    }
    feed_lines_free(lines);
    feed_free(feed);
    builder_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines__all_events__as_read_one_by_one),
        cmocka_unit_test(lines__some_events__as_read_one_by_one),
        cmocka_unit_test(lines__rare_events__as_read_one_by_one),
        cmocka_unit_test(lines__live_and_followed__always_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
