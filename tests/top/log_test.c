/* SPDX-License-Identifier: ISC
 *
 * The log on a grid of cells: following, moving, searching both ways, marks, what is copied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include "top_private.h"
#include "feed/feed_private.h"
#include "views/log.h"

#include "unit/file_gen.h"

#include <errno.h>

enum { LINES_KEPT = 1024 };

static char *directory;
static struct monitor monitor;
static struct log *events_log;
static char text[40000];
static uint64_t events;

static int begin(void **state)
{
    static struct gen_source source;
    static struct gen_ring ring;
    struct evtrail_file *file;
    (void)state;
    directory = gen_directory();
    char *path = gen_path(directory, "in.evt");
    gen_source_init(&source, 9);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    for (unsigned i = 0; i < 10; i++) { /* more events than the lines kept of them */
        const struct evtrail_chunk *chunk = gen_ring_next(&ring, 600);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_true(events > LINES_KEPT);
    const struct feed_options options = {0};
    assert_int_equal(feed_new(&monitor.top.feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(monitor.top.feed, path), 0);
    while (feed_run(monitor.top.feed, INT64_MAX) != -ENODATA)
        ;
    assert_int_equal(surface_resize(&monitor.top.surface, 20, 120), 0);
    assert_int_equal(log_new(&events_log, &monitor.top, NULL), 0);
    free(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    log_free(events_log);
    feed_free(monitor.top.feed);
    surface_fini(&monitor.top.surface);
    gen_directory_remove(directory);
    return 0;
}

/* Draws until nothing is searched for any more. */
static void draw(void)
{
    char status[200];
    do {
        surface_clear(&monitor.top.surface);
        log_draw(events_log, surface_area(&monitor.top.surface));
        log_status(events_log, status, sizeof status);
    } while (strstr(status, "searching") || strstr(status, "reading"));
}

/* What is on the screen then. */
static const char *look(void)
{
    draw();
    surface_text(&monitor.top.surface, text, sizeof text);
    return text;
}

static void act(enum action action, unsigned times)
{
    while (times-- > 0) {
        assert_true(log_action(events_log, action));
        draw();
    }
}

static const char *selected(void)
{
    static char line[1000];
    line[log_copy(events_log, line, sizeof line - 1)] = '\0';
    return line;
}

static void first_and_last__gg_and_G__ends_of_what_is_held(void **state)
{
    char newest[1000], oldest[1000], status[200];
    (void)state;
    assert_non_null(strstr(look(), "pool.step"));
    snprintf(newest, sizeof newest, "%s", selected());
    log_status(events_log, status, sizeof status);
    assert_non_null(strstr(status, "following"));
    act(ACTION_first, 1);
    snprintf(oldest, sizeof oldest, "%s", selected());
    assert_string_not_equal(newest, oldest);
    assert_true(strcmp(oldest, newest) < 0); /* times come first */
    act(ACTION_up, 1);
    assert_string_equal(selected(), oldest);
    act(ACTION_last, 1);
    assert_string_equal(selected(), newest);
}

/* Line by line up from the end, and down again: each once, in order. */
static void moving__through_all__each_line_once(void **state)
{
    char before[1000], first[1000];
    unsigned steps = 0;
    (void)state;
    act(ACTION_first, 1);
    snprintf(first, sizeof first, "%s", selected());
    for (;; steps++) {
        snprintf(before, sizeof before, "%s", selected());
        act(ACTION_down, 1);
        if (strcmp(before, selected()) == 0)
            break;
        assert_true(strncmp(before, selected(), 15) <= 0);
    }
    assert_int_equal(steps, events - 1);
    act(ACTION_page_up, (unsigned)events / 10); /* a page has 18 lines */
    assert_string_equal(selected(), first);
}

/* A known fault: as long as there was time for some of the lines only, it went on searching though none was wanted. */
static void moving__with_little_time__each_line_once(void **state)
{
    const int64_t slice = monitor.top.feed->lines_slice_ns;
    monitor.top.feed->lines_slice_ns = 1;
    moving__through_all__each_line_once(state);
    monitor.top.feed->lines_slice_ns = slice;
}

static void search__both_ways__found_or_said_so(void **state)
{
    char found[1000];
    (void)state;
    act(ACTION_last, 1);
    log_search(events_log, "step1");
    look();
    assert_non_null(strstr(selected(), "pool.step1"));
    snprintf(found, sizeof found, "%s", selected());
    log_action(events_log, ACTION_search_previous);
    look();
    assert_non_null(strstr(selected(), "pool.step1"));
    assert_true(strcmp(selected(), found) < 0);
    log_action(events_log, ACTION_search_next);
    look();
    assert_string_equal(selected(), found);
    monitor.message[0] = '\0';
    log_search(events_log, "nowhere to be found");
    look();
    assert_non_null(strstr(monitor.message, "not found"));
    assert_true(log_action(events_log, ACTION_back));
}

static void marks__two__time_between(void **state)
{
    char status[200];
    (void)state;
    act(ACTION_first, 1);
    act(ACTION_mark, 1);
    assert_non_null(strstr(look(), ">*"));
    act(ACTION_down, 5);
    log_status(events_log, status, sizeof status);
    assert_non_null(strstr(status, "mark to here"));
    act(ACTION_mark, 1);
    log_status(events_log, status, sizeof status);
    assert_non_null(strstr(status, "2 marks: "));
    act(ACTION_mark, 1); /* away again */
    log_status(events_log, status, sizeof status);
    assert_null(strstr(status, "2 marks"));
}

static void filter__of_the_feed__only_its_lines(void **state)
{
    (void)state;
    act(ACTION_last, 1);
    assert_int_equal(feed_filter(monitor.top.feed, "pool.step3", NULL), 0);
    while (feed_run(monitor.top.feed, INT64_MAX) == 1)
        ;
    log_changed(events_log);
    look();
    assert_non_null(strstr(text, "pool.step3 "));
    assert_null(strstr(text, "pool.step1 "));
    assert_int_equal(feed_filter(monitor.top.feed, NULL, NULL), 0);
    log_changed(events_log);
    assert_non_null(strstr(look(), "pool.step"));
}

/* Traces of several machines, as a collector has them. */
static void host__of_several__is_a_column(void **state)
{
    static struct gen_source sources[2];
    static struct gen_ring rings[2];
    static struct monitor other;
    struct log *log;
    struct evtrail_file *file;
    (void)state;
    char *const path = gen_path(directory, "hosts.evt");
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    for (unsigned i = 0; i < 2; i++) {
        gen_source_init(&sources[i], 20 + i);
        sources[i].source.host = i ? "web2" : "web1";
        gen_ring_init(&rings[i], &sources[i].source, 0, 1);
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&rings[i], 40)), 0);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(feed_new(&other.top.feed, &(struct feed_options){0}, NULL), 0);
    assert_int_equal(feed_add_path(other.top.feed, path), 0);
    while (feed_run(other.top.feed, INT64_MAX) != -ENODATA)
        ;
    assert_int_equal(surface_resize(&other.top.surface, 40, 120), 0);
    assert_int_equal(log_new(&log, &other.top, NULL), 0);
    for (unsigned i = 0; i < 1000 && !(strstr(text, " host ") && strstr(text, "web1") && strstr(text, "web2")); i++) {
        surface_clear(&other.top.surface);
        log_draw(log, surface_area(&other.top.surface));
        surface_text(&other.top.surface, text, sizeof text);
    }
    assert_non_null(strstr(text, " host "));
    assert_non_null(strstr(text, "web1"));
    assert_non_null(strstr(text, "web2"));
    assert_null(strstr(look(), " host ")); /* of one: it is known */
    log_free(log);
    feed_free(other.top.feed);
    surface_fini(&other.top.surface);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_last__gg_and_G__ends_of_what_is_held),
        cmocka_unit_test(moving__through_all__each_line_once),
        cmocka_unit_test(moving__with_little_time__each_line_once),
        cmocka_unit_test(search__both_ways__found_or_said_so),
        cmocka_unit_test(marks__two__time_between),
        cmocka_unit_test(filter__of_the_feed__only_its_lines),
        cmocka_unit_test(host__of_several__is_a_column),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
