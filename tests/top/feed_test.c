/* SPDX-License-Identifier: ISC
 *
 * The feed: live sessions and files into models; the hold; pausing, filters, the past and writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed/feed_private.h"

#include "unit/file_gen.h"
#include "unit/session_builder.h"

#include <dirent.h>

#define MS INT64_C(1000000)

static int64_t now_ns(void)
{
    return (int64_t)builder_monotonic();
}

/* A session whose clock agrees with ours. */
static void begin(struct builder *b)
{
    builder_init(b);
    b->header->start_realtime_ns -= 1000 * MS;
    b->header->anchors[0].realtime_ns -= 1000 * MS;
    builder_live(b);
}

static struct feed *live(struct builder *b, size_t memory)
{
    struct feed *feed;
    char *error = NULL;
    const struct feed_options options = {.reader = {.directory = b->directory}, .live = true, .memory_bytes = memory};
    assert_int_equal(feed_new(&feed, &options, &error), 0);
    feed->sample.changed_ns = INT64_MAX / 2; /* a slow machine is no overload here */
    assert_int_equal(feed_add_path(feed, b->path), 0);
    return feed;
}

/* Until there is nothing more to do for a while. */
static void settle(struct feed *feed)
{
    for (int idle = 0; idle < 4;) {
        const int r = feed_run(feed, now_ns() + 5 * MS);
        idle = r == 1 ? 0 : idle + 1;
        usleep(2000);
    }
}

static uint64_t lost_of(const struct model *model)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        lost += model->totals.lost[i];
    return lost;
}

/* Events in rounds that fit the ring, read in between. */
static void emit(struct builder *b, struct feed *feed, unsigned events)
{
    while (events > 0) {
        const unsigned some = events < 300 ? events : 300;
        builder_events(b, events & 1, some);
        events -= some;
        for (int i = 0; i < 3; i++) {
            feed_run(feed, now_ns() + MS);
            usleep(1100);
        }
    }
}

/* ---- live --------------------------------------------------------------------------------------------------------- */

static void run__live_session__all_events_and_losses_counted(void **state)
{
    (void)state;
    struct builder b;
    struct feed_state shown;
    begin(&b);
    struct feed *feed = live(&b, 0);
    emit(&b, feed, 3000);
    builder_lose(&b, 0, EVTRAIL_LOST_FULL);
    builder_events(&b, 0, 1);
    settle(feed);
    feed_state(feed, &shown);
    assert_int_equal(feed_model(feed)->totals.events, 3001);
    assert_int_equal(feed_model(feed)->totals.lost[EVTRAIL_LOST_FULL], 1);
    assert_int_equal(shown.events, 3001);
    assert_int_equal(shown.held_events, 3001);
    assert_int_equal(shown.lost[EVTRAIL_LOST_FULL], 1);
    assert_int_equal(shown.processes, 1);
    assert_int_equal(shown.sampled, 1);
    builder_die(&b);
    for (int i = 0; i < 100 && feed_run(feed, now_ns() + MS) != -ENODATA; i++)
        usleep(5000);
    assert_int_equal(feed_run(feed, now_ns()), -ENODATA);
    feed_state(feed, &shown);
    assert_int_equal(shown.ended, 1);
    assert_int_equal(feed_model(feed)->totals.events, 3001); /* post mortem */
    feed_free(feed);
    builder_fini(&b);
}

static void pause__events_meanwhile__model_stands_still_then_has_them_all(void **state)
{
    (void)state;
    struct builder b;
    struct feed_state shown;
    begin(&b);
    struct feed *feed = live(&b, 0);
    emit(&b, feed, 1000);
    settle(feed);
    for (unsigned round = 1; round <= 3; round++) {
        const uint64_t before = feed_model(feed)->totals.events;
        assert_int_equal(feed_pause(feed, true), 0);
        emit(&b, feed, 2000);
        builder_lose(&b, 1, EVTRAIL_LOST_TIMEOUT);
        settle(feed);
        feed_state(feed, &shown);
        assert_int_equal(feed_model(feed)->totals.events, before);
        assert_int_equal(shown.events, before + 2000);
        assert_int_equal(feed_pause(feed, false), 0);
        emit(&b, feed, 500);
        settle(feed);
        assert_int_equal(feed_model(feed)->totals.events, before + 2500);
        assert_int_equal(feed_model(feed)->totals.lost[EVTRAIL_LOST_TIMEOUT], round);
        assert_int_equal(lost_of(feed_model(feed)), round);
        assert_int_equal(feed_model(feed)->totals.sampled_out, 0);
    }
    feed_free(feed);
    builder_fini(&b);
}

/* Both rings in turn: event n of a ring is odd or even as its number says. */
static void filter__set_and_cleared__what_is_held_is_counted_anew(void **state)
{
    (void)state;
    struct builder b;
    char *error = NULL;
    begin(&b);
    struct feed *feed = live(&b, 0);
    builder_events(&b, 0, 200);
    settle(feed);
    const unsigned generation = feed_generation(feed);
    assert_int_equal(feed_filter(feed, "n < ", &error), -EINVAL);
    assert_non_null(error);
    free(error);
    assert_int_equal(feed_filter(feed, "n < 50", NULL), 0);
    assert_string_equal(feed_filter_text(feed), "n < 50");
    assert_true(feed_generation(feed) != generation);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 50);
    builder_events(&b, 1, 70);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 100);
    assert_int_equal(feed_pause(feed, true), 0);
    builder_events(&b, 0, 30);
    settle(feed);
    assert_int_equal(feed_filter(feed, NULL, NULL), 0);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 270); /* up to the pause */
    assert_int_equal(feed_pause(feed, false), 0);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 300);
    assert_string_equal(feed_filter_text(feed), "");
    feed_free(feed);
    builder_fini(&b);
}

static void show__a_range__only_that(void **state)
{
    (void)state;
    struct builder b;
    struct feed_state shown;
    begin(&b);
    struct feed *feed = live(&b, 0);
    builder_events(&b, 0, 100);
    settle(feed);
    const int64_t middle = feed_model(feed)->totals.last_ns;
    b.ticks += 1000000;
    builder_events(&b, 0, 60);
    settle(feed);
    assert_int_equal(feed_show(feed, 0, middle), 0);
    settle(feed);
    feed_state(feed, &shown);
    assert_true(shown.past);
    assert_int_equal(shown.progress, 100);
    assert_int_equal(feed_model(feed)->totals.events, 100);
    assert_int_equal(feed_show(feed, middle + 1, INT64_MAX), 0);
    builder_events(&b, 0, 5);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 60);
    assert_int_equal(feed_show(feed, middle + 3600 * 1000 * MS, INT64_MAX), -ENODATA);
    assert_int_equal(feed_model(feed)->totals.events, 60);
    assert_int_equal(feed_show_now(feed), 0);
    assert_int_equal(feed_model(feed)->totals.events, 165);
    feed_free(feed);
    builder_fini(&b);
}

/* ---- writing, files --------------------------------------------------------------------------------------------------- */

static void verify(const char *path, uint64_t events, uint64_t lost)
{
    struct evtrail_file_report report;
    assert_int_equal(evtrail_file_verify(path, NULL, NULL, &report, NULL), 0);
    assert_int_equal(report.events, events);
    assert_true(report.closed);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        lost -= report.lost[i];
    assert_int_equal(lost, 0);
}

static struct feed *open_file(const char *path, double speed)
{
    struct feed *feed;
    const struct feed_options options = {.speed = speed};
    assert_int_equal(feed_new(&feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(feed, path), 0);
    return feed;
}

static void write__what_is_held__a_file_that_reads_the_same(void **state)
{
    (void)state;
    struct builder b;
    uint64_t written = 0;
    char *error = NULL, *directory = gen_directory(), *path = gen_path(directory, "held.evt");
    begin(&b);
    struct feed *feed = live(&b, 0);
    emit(&b, feed, 2000);
    builder_lose(&b, 0, EVTRAIL_LOST_FULL);
    feed_pause(feed, true); /* segments are cut here */
    emit(&b, feed, 1000);
    settle(feed);
    assert_int_equal(feed_write(feed, path, &written, &error), 0);
    assert_int_equal(written, 3000);
    verify(path, 3000, 1);
    assert_int_equal(feed_write(feed, path, &written, &error), -EEXIST);
    char *const named = strstr(error, path);
    assert_non_null(named);
    assert_null(strstr(named + 1, path)); /* once: a line of a screen has little room */
    assert_null(strstr(error, "--force"));
    free(error);
    struct feed *again = open_file(path, 0);
    settle(again);
    assert_int_equal(feed_run(again, now_ns()), -ENODATA);
    assert_int_equal(feed_model(again)->totals.events, 3000);
    assert_int_equal(lost_of(feed_model(again)), 1);
    feed_pause(feed, false);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, feed_model(again)->totals.events);
    assert_int_equal(feed_model(feed)->totals.bytes, feed_model(again)->totals.bytes);
    assert_int_equal(feed_model(feed)->totals.first_ns, feed_model(again)->totals.first_ns);
    assert_int_equal(feed_model(feed)->totals.last_ns, feed_model(again)->totals.last_ns);
    feed_free(again);
    feed_free(feed);
    builder_fini(&b);
    free(path);
    gen_directory_remove(directory);
}

/* Two rings of the pool's events. Returns how many. */
static uint64_t write_file(const char *path, unsigned chunks)
{
    static struct gen_source source;
    static struct gen_ring rings[2];
    struct evtrail_file *file;
    uint64_t events = 0;
    gen_source_init(&source, 9);
    gen_ring_init(&rings[0], &source.source, 0, 1);
    gen_ring_init(&rings[1], &source.source, 1, 2);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    for (unsigned i = 0; i < chunks; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&rings[i & 1], 20000);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
    }
    evtrail_file_source_gone(file, &source.source);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    return events;
}

static void file__filter_past_and_write__as_live(void **state)
{
    (void)state;
    char *directory = gen_directory(), *path = gen_path(directory, "in.evt"), *out = gen_path(directory, "out.evt");
    const uint64_t events = write_file(path, 10);
    uint64_t written = 0;
    struct feed *feed = open_file(path, 0);
    settle(feed);
    struct model *model = feed_model(feed);
    assert_int_equal(model->totals.events, events);
    const int64_t first = model->totals.first_ns, last = model->totals.last_ns, middle = first + (last - first) / 2;
    struct feed_state shown;
    feed_state(feed, &shown);
    const double wanted = (double)events * 1e9 / (double)(last - first); /* the trace's, not that of reading */
    assert_true(shown.whole && shown.events_per_s > wanted * 0.999 && shown.events_per_s < wanted * 1.001);
    assert_int_equal(feed_filter(feed, "pool.step1", NULL), 0);
    settle(feed);
    const uint64_t some = feed_model(feed)->totals.events;
    assert_true(some > 0 && some < events);
    assert_int_equal(feed_filter(feed, "!pool.step1", NULL), 0);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, events - some);
    assert_int_equal(feed_filter(feed, "", NULL), 0);
    settle(feed);
    assert_int_equal(feed_show(feed, 0, middle), 0);
    settle(feed);
    const uint64_t before = feed_model(feed)->totals.events;
    assert_int_equal(feed_write(feed, out, &written, NULL), 0);
    assert_int_equal(written, before);
    verify(out, before, 0);
    assert_int_equal(feed_show(feed, middle + 1, last), 0);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, events - before);
    feed_free(feed);
    free(path);
    free(out);
    gen_directory_remove(directory);
}

static void file__paused_half_way__goes_on_where_it_was(void **state)
{
    (void)state;
    char *directory = gen_directory(), *path = gen_path(directory, "in.evt");
    const uint64_t events = write_file(path, 20);
    struct feed *feed = open_file(path, 0);
    feed_run(feed, now_ns()); /* 64 events */
    const uint64_t some = feed_model(feed)->totals.events;
    assert_true(some > 0 && some < events);
    feed_pause(feed, true);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, some);
    assert_int_equal(feed_filter(feed, "pool.*", NULL), 0); /* anew, up to here */
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, some);
    feed_pause(feed, false);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, events);
    feed_free(feed);
    free(path);
    gen_directory_remove(directory);
}

static void file__replayed_slowly__then_as_fast_as_can_be(void **state)
{
    (void)state;
    char *directory = gen_directory(), *path = gen_path(directory, "in.evt");
    struct feed_state shown;
    const uint64_t events = write_file(path, 10);
    struct feed *feed = open_file(path, 1e-3);
    for (int i = 0; i < 20; i++) {
        feed_run(feed, now_ns() + MS);
        feed_wait(feed, now_ns() + MS);
    }
    const uint64_t some = feed_model(feed)->totals.events;
    assert_true(some > 0 && some < events);
    feed_state(feed, &shown);
    assert_true(shown.speed > 0 && shown.speed < 1e-2);
    assert_int_equal(feed_speed(feed, -1), -EINVAL);
    assert_int_equal(feed_speed(feed, 1e9), 0);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, events);
    feed_free(feed);
    free(path);
    gen_directory_remove(directory);
}

static void file__stepped_back__goes_on_from_there(void **state)
{
    (void)state;
    char *directory = gen_directory(), *path = gen_path(directory, "in.evt");
    struct feed_state shown;
    const uint64_t events = write_file(path, 30);
    struct feed *feed = open_file(path, 0);
    settle(feed);
    const struct model_totals all = feed_model(feed)->totals;
    assert_int_equal(all.events, events);
    for (unsigned part = 1; part < 4; part++) {
        feed_pause(feed, true);
        feed_state(feed, &shown);
        assert_int_equal(shown.held_from_ns, all.first_ns);
        assert_int_equal(feed_show(feed, shown.held_from_ns, all.first_ns + (all.last_ns - all.first_ns) / 4 * part),
                         0);
        settle(feed);
        const uint64_t before = feed_model(feed)->totals.events;
        assert_true(before > 0 && before < events);
        feed_speed(feed, part == 2 ? 1e-6 : 0);
        feed_pause(feed, false);
        feed_run(feed, now_ns());
        assert_true(feed_model(feed)->totals.events < events);
        assert_true(feed_model(feed)->totals.events >= before);
        feed_speed(feed, 0);
        settle(feed);
        assert_int_equal(feed_model(feed)->totals.events, events);
        assert_int_equal(feed_model(feed)->totals.last_ns, all.last_ns);
        feed_state(feed, &shown);
        assert_int_equal(shown.events, events);
    }
    feed_free(feed);
    free(path);
    gen_directory_remove(directory);
}

/* ---- the hold ------------------------------------------------------------------------------------------------------------ */

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static uint64_t dropped_events;
static void note_dropped(void *context, const struct hold_segment *segment)
{
    assert_ptr_equal(context, &dropped_events);
    dropped_events += segment->events;
}

static void hold__more_than_its_memory__oldest_goes_and_all_is_accounted(void **state)
{
    (void)state;
    static struct gen_source source;
    static struct gen_ring ring;
    struct hold *hold;
    struct hold_account account;
    uint64_t events = 0;
    const unsigned before = descriptors();
    gen_source_init(&source, 5);
    gen_ring_init(&ring, &source.source, 0, 1);
    dropped_events = 0;
    assert_int_equal(hold_new(&hold, 4 << 20, note_dropped, &dropped_events), 0);
    for (unsigned i = 0; i < 2000; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&ring, 8000);
        events += chunk->events;
        hold_put(hold, chunk);
        hold_account(hold, &account);
        assert_true(account.bytes <= 5 << 20);
    }
    assert_true(dropped_events > 0);
    assert_int_equal(account.events + dropped_events, events);
    assert_int_equal(account.missing, 0);
    assert_true(account.from_ns < account.to_ns);
    hold_free(hold);
    assert_int_equal(descriptors(), before);
}

static void hold__many_cuts__bounded(void **state)
{
    (void)state;
    static struct gen_source source;
    static struct gen_ring ring;
    struct hold *hold;
    const struct hold_segment *segments;
    gen_source_init(&source, 5);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(hold_new(&hold, 4 << 20, NULL, NULL), 0);
    uint32_t last = hold_cut(hold);
    assert_int_equal(hold_cut(hold), last); /* nothing in it */
    for (unsigned i = 0; i < 2 * HOLD_SEGMENTS; i++) {
        hold_put(hold, gen_ring_next(&ring, 100));
        assert_int_equal(hold_cut(hold), last + 1);
        last++;
    }
    assert_true(hold_segments(hold, &segments) <= HOLD_SEGMENTS);
    hold_free(hold);
}

/* A pause that is longer than what can be held: what was dropped is counted by type. */
static void pause__longer_than_the_hold__totals_stay_exact(void **state)
{
    (void)state;
    struct builder b;
    struct feed_state shown;
    uint64_t words[62];
    begin(&b);
    struct feed *feed = live(&b, 4 << 20);
    emit(&b, feed, 100);
    settle(feed);
    feed_pause(feed, true);
    for (unsigned i = 0; i < 9000; i++) {
        for (unsigned w = 0; w < 62; w++)
            words[w] = (uint64_t)rand() << 32 ^ (uint64_t)rand() << 11 ^ i;
        builder_record(&b, 0, EVTRAIL_EVENT_FIRST, words, 62);
        for (int k = 0; k < 3 && i % 20 == 19; k++) {
            feed_run(feed, now_ns() + MS);
            usleep(1100);
        }
    }
    settle(feed);
    feed_state(feed, &shown);
    assert_true(shown.held_events < 9000);
    feed_pause(feed, false);
    settle(feed);
    feed_state(feed, &shown);
    const struct model *model = feed_model(feed);
    assert_int_equal(shown.events + lost_of(model), 9100);
    assert_int_equal(model->totals.events, shown.events);
    assert_true(model->totals.sampled_out > 0);
    feed_free(feed);
    builder_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run__live_session__all_events_and_losses_counted),
        cmocka_unit_test(pause__events_meanwhile__model_stands_still_then_has_them_all),
        cmocka_unit_test(filter__set_and_cleared__what_is_held_is_counted_anew),
        cmocka_unit_test(show__a_range__only_that),
        cmocka_unit_test(write__what_is_held__a_file_that_reads_the_same),
        cmocka_unit_test(file__filter_past_and_write__as_live),
        cmocka_unit_test(file__paused_half_way__goes_on_where_it_was),
        cmocka_unit_test(file__replayed_slowly__then_as_fast_as_can_be),
        cmocka_unit_test(file__stepped_back__goes_on_from_there),
        cmocka_unit_test(hold__more_than_its_memory__oldest_goes_and_all_is_accounted),
        cmocka_unit_test(hold__many_cuts__bounded),
        cmocka_unit_test(pause__longer_than_the_hold__totals_stay_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
