/* SPDX-License-Identifier: ISC
 *
 * The feed in the long run and with what should not be: hours, many pauses, hostile sessions, more events than can be looked at, real processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "feed/feed_private.h"
#include "model/entities.h"

#include "unit/file_gen.h"
#include "unit/session_builder.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/wait.h>

#define MS INT64_C(1000000)

static int64_t now_ns(void)
{
    return (int64_t)builder_monotonic();
}

static void begin(struct builder *b)
{
    builder_init(b);
    b->header->start_realtime_ns -= 1000 * MS;
    b->header->anchors[0].realtime_ns -= 1000 * MS;
    builder_live(b);
}

static struct feed *live(const char *directory, const char *path, size_t memory)
{
    struct feed *feed;
    const struct feed_options options = {
        .reader = {.directory = directory, .hold = true}, .live = true, .memory_bytes = memory};
    assert_int_equal(feed_new(&feed, &options, NULL), 0);
    feed->sample.changed_ns = INT64_MAX / 2; /* a slow machine is no overload here */
    if (path)
        assert_int_equal(feed_add_path(feed, path), 0);
    return feed;
}

static void run(struct feed *feed, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        feed_run(feed, now_ns() + MS);
        usleep(1050);
    }
}

static void settle(struct feed *feed)
{
    for (int idle = 0; idle < 4;) {
        idle = feed_run(feed, now_ns() + 5 * MS) == 1 ? 0 : idle + 1;
        usleep(1500);
    }
}

static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static size_t allocated(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- hours --------------------------------------------------------------------------------------------------------- */

static void file__ten_hours_of_events__no_growth(void **state)
{
    (void)state;
    static struct gen_source source;
    static struct gen_ring ring;
    struct evtrail_file *file;
    char *directory = gen_directory(), *path = gen_path(directory, "long.evt");
    uint64_t events = 0;
    gen_source_init(&source, 9);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    for (unsigned second = 0; second < 36000; second++) {
        const struct evtrail_chunk *chunk = gen_ring_next(&ring, 150);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
        ring.pool.base.ticks += 1000000000;
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    struct feed *feed;
    const struct feed_options options = {0};
    assert_int_equal(feed_new(&feed, &options, NULL), 0);
    assert_int_equal(feed_add_path(feed, path), 0);
    size_t half = 0;
    while (feed_run(feed, now_ns() + MS) != -ENODATA)
        if (half == 0 && feed->events > events / 2)
            half = allocated();
    assert_int_equal(feed_model(feed)->totals.events, events);
    assert_true(feed_model(feed)->totals.last_ns - feed_model(feed)->totals.first_ns > 35000 * FEED_SECOND);
    assert_true(allocated() < half + (2 << 20));
    feed_free(feed);
    free(path);
    gen_directory_remove(directory);
}

static void hold__a_week_of_chunks__no_growth(void **state)
{
    (void)state;
    static struct gen_source source;
    static struct gen_ring ring;
    struct hold *hold;
    size_t before = 0;
    unsigned open = 0;
    gen_source_init(&source, 5);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(hold_new(&hold, 4 << 20, NULL, NULL), 0);
    for (unsigned i = 0; i < 7 * 24 * 60; i++) {
        hold_put(hold, gen_ring_next(&ring, 2000));
        ring.pool.base.ticks += UINT64_C(60000000000);
        if (i % 50 == 49)
            hold_flush(hold);
        if (i == 5000) {
            before = allocated();
            open = descriptors();
        }
    }
    assert_true(allocated() < before + (1 << 20));
    assert_true(descriptors() < open + 20);
    hold_free(hold);
}

static void see_nothing(void *context, const struct evtrail_event *event)
{
    (void)context, (void)event;
}

static void all_that_can_be_done(struct feed *feed, struct feed_lines *lines, unsigned round)
{
    struct feed_state state;
    feed_state(feed, &state);
    switch (round % 6) {
    case 0:
        feed_pause(feed, true);
        break;
    case 1:
        feed_show(feed, 0, state.held_to_ns - 1000);
        break;
    case 2:
        feed_pause(feed, false);
        break;
    case 3:
        feed_filter(feed, "n > 10 || dur > 1ms", NULL);
        break;
    case 4:
        feed_show(feed, state.held_from_ns + 1000, state.held_to_ns);
        break;
    default:
        feed_show_now(feed);
        feed_filter(feed, NULL, NULL);
        break;
    }
    feed_lines_last(lines, INT64_MAX, 40, NULL, see_nothing, NULL);
    feed_lines_from(lines, state.held_from_ns + round, 40, NULL, see_nothing, NULL);
}

static void many_pauses_filters_ranges__no_growth(void **state)
{
    (void)state;
    struct builder b;
    struct feed_lines *lines;
    size_t before = 0;
    begin(&b);
    struct feed *feed = live(b.directory, b.path, 8 << 20);
    assert_int_equal(feed_lines_new(&lines, feed), 0);
    const unsigned open = descriptors();
    for (unsigned round = 0; round < 600; round++) {
        builder_events(&b, round & 1, 100);
        all_that_can_be_done(feed, lines, round);
        run(feed, 1);
        if (round == 299)
            before = allocated();
    }
    assert_true(allocated() < before + (2 << 20));
    /* A segment's descriptor, and those of who reads; from one round to the next all segments may be joined to one. */
    assert_true(descriptors() < open + HOLD_SEGMENTS + 16);
    feed_pause(feed, false);
    feed_show_now(feed);
    settle(feed);
    struct feed_state shown;
    feed_state(feed, &shown); /* the last filter counted what was held then */
    assert_true(shown.events <= 60000);
    assert_true(feed_model(feed)->totals.events >= shown.held_events);
    assert_true(feed_model(feed)->totals.events <= shown.events);
    feed_free(feed); /* before its lines */
    feed_lines_last(lines, INT64_MAX, 40, NULL, see_nothing, NULL);
    feed_lines_free(lines);
    builder_fini(&b);
}

/* A known fault: whether time passed behind the last event, so that what had lived was known to have ended, was up to chance. */
static void file__at_its_end__time_passes(void **state)
{
    static struct gen_source source;
    static struct gen_ring ring;
    struct evtrail_file *file;
    struct feed *feed;
    (void)state;
    char *const directory = gen_directory(), *const path = gen_path(directory, "in.evt");
    gen_source_init(&source, 9);
    gen_ring_init(&ring, &source.source, 0, 1);
    assert_int_equal(evtrail_file_create(&file, path, NULL), 0);
    assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(&ring, 3000)), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(feed_new(&feed, &(struct feed_options){0}, NULL), 0);
    assert_int_equal(feed_add_path(feed, path), 0);
    feed->ticked_ns = INT64_MAX / 2; /* just now */
    while (feed_run(feed, INT64_MAX) != -ENODATA)
        ;
    assert_int_equal(feed_model(feed)->ticked_ns, feed_model(feed)->totals.last_ns);
    feed_free(feed);
    free(path);
    gen_directory_remove(directory);
}

/* ---- sampling ---------------------------------------------------------------------------------------------------------- */

static void sampling__one_chunk_in_four__all_are_counted(void **state)
{
    (void)state;
    struct builder b;
    struct feed_state shown;
    begin(&b);
    struct feed *feed = live(b.directory, b.path, 0);
    run(feed, 3);
    feed->sample.one_in = 4;
    for (unsigned round = 0; round < 100; round++) {
        feed->sample.calm_ns = now_ns(); /* it does not calm down */
        builder_events(&b, round & 1, 100);
        builder_lose(&b, 0, EVTRAIL_LOST_FULL);
        run(feed, 2);
    }
    feed_state(feed, &shown);
    assert_int_equal(shown.sampled, 4);
    feed->sample.one_in = 1;
    usleep(120000); /* the last loss is told with the next event, or after 100 ms */
    settle(feed);
    const struct model_totals *totals = &feed_model(feed)->totals;
    assert_int_equal(totals->events, 10000);
    assert_true(totals->sampled_out > 4000 && totals->sampled_out < 10000);
    feed_state(feed, &shown);
    assert_int_equal(shown.events, 10000);
    assert_int_equal(shown.lost[EVTRAIL_LOST_FULL], 100);
    assert_int_equal(totals->lost[EVTRAIL_LOST_FULL], 100);
    assert_int_equal(totals->lost[EVTRAIL_CAUSE_overwritten], 0);
    feed_filter(feed, "test.tick", NULL); /* from the hold, which has all: in full */
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, 10000);
    assert_int_equal(feed_model(feed)->totals.sampled_out, 0);
    feed_free(feed);
    builder_fini(&b);
}

/* ---- hostile ------------------------------------------------------------------------------------------------------------ */

/* Bytes of the rings, their headers and the schema change at random, under the feed and what is done with it. */
static void hostile_session__at_random__nothing_breaks(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 12; seed++) {
        struct builder b;
        struct feed_lines *lines;
        struct random random = {seed};
        begin(&b);
        struct feed *feed = live(b.directory, b.path, 4 << 20);
        assert_int_equal(feed_lines_new(&lines, feed), 0);
        for (unsigned round = 0; round < 60; round++) {
            builder_events(&b, round & 1, 50 + (unsigned)random_below(&random, 200));
            for (unsigned i = 0; i < 200; i++) {
                const size_t from = seed % 3 == 0 ? BUILDER_META_OFFSET : BUILDER_BLOCKS_OFFSET;
                const size_t at = from + random_below(&random, BUILDER_FILE_BYTES - from);
                b.data[at] = (uint8_t)random_next(&random);
            }
            if (seed % 4 == 1) /* a whole block of records that lie */
                for (unsigned i = 0; i < BUILDER_BLOCK_WORDS; i++)
                    ((uint64_t *)(void *)(b.data + BUILDER_BLOCKS_OFFSET + EVTRAIL_BLOCK_HEADER_BYTES))[i] =
                        random_size(&random);
            all_that_can_be_done(feed, lines, round);
            run(feed, 1);
        }
        feed_lines_free(lines);
        feed_free(feed);
        builder_fini(&b);
    }
}

/* ---- real processes ----------------------------------------------------------------------------------------------------- */

static pid_t start_load(const char *directory, const char *rate, const char *threads, int *ret_out)
{
    int out[2];
    assert_int_equal(pipe(out), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        setenv("EVTRAIL_DIR", directory, 1);
        setenv("EVTRAIL", "* policy=block deadline=10s", 1);
        execl(TOP_LOAD, "load", "-r", rate, "-t", threads, "-s", "1", "-e", "1000", "-y", "300", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    *ret_out = out[0];
    return pid;
}

static uint64_t said(int out)
{
    char text[32] = "";
    assert_true(read(out, text, sizeof text - 1) > 0);
    close(out);
    return strtoull(text, NULL, 10);
}

/* Reads all that two processes emit, pausing now and then: nothing is lost, nothing comes twice. */
static void real_processes__paused_now_and_then__all_events(void **state)
{
    (void)state;
    char *directory = gen_directory();
    struct feed_state shown;
    int outs[2];
    struct feed *feed = live(directory, NULL, 0);
    assert_true(evtrail_reader_add_all(feed_reader(feed)) >= 0);
    const pid_t pids[2] = {start_load(directory, "200000", "4", &outs[0]),
                           start_load(directory, "50000", "1", &outs[1])};
    unsigned ended = 0;
    for (unsigned round = 0; ended < 2; round++) {
        feed_run(feed, now_ns() + 10 * MS);
        feed_wait(feed, now_ns() + 5 * MS);
        if (round % 16 == 7)
            feed_pause(feed, round % 32 == 7);
        feed_state(feed, &shown);
        ended = shown.ended;
        assert_true(round < 100000);
    }
    feed_pause(feed, false);
    settle(feed);
    const uint64_t made = said(outs[0]) + said(outs[1]);
    for (unsigned i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    const struct model_totals *totals = &feed_model(feed)->totals;
    feed_state(feed, &shown);
    uint64_t lost = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        lost += totals->lost[i];
    assert_int_equal(shown.events + lost, made);
    assert_int_equal(totals->events, shown.events);
    assert_int_equal(lost, 0);
    feed_filter(feed, "load.step", NULL);
    settle(feed);
    assert_int_equal(feed_model(feed)->totals.events, made / 6 + (made % 6 >= 2));
    feed_free(feed);
    gen_directory_remove(directory);
}

/* What only counts is sampled; who is there is not. */
static void sampling__entities_come_and_go__those_there_are_known(void **state)
{
    enum { STATE = EVTRAIL_EVENT_FIRST + 1, GONE, ALL = 2000, STAY = 7 };
    (void)state;
    struct builder b;
    begin(&b);
    builder_declare(&b, STATE, EVTRAIL_KIND_state, "test.entity");
    builder_declare(&b, GONE, EVTRAIL_KIND_gone, "test.entity");
    struct feed *feed = live(b.directory, b.path, 0);
    run(feed, 3);
    feed->sample.one_in = 4;
    for (uint64_t i = 1; i <= ALL; i++) {
        const uint64_t words[] = {i, 0, i % 3};
        feed->sample.calm_ns = now_ns();
        builder_record(&b, 0, STATE, words, 3);
        builder_events(&b, 1, 3);
        if (i > STAY)
            builder_record(&b, 1, GONE, (const uint64_t[]){i - STAY}, 1);
        if (i % 20 == 0)
            run(feed, 1);
    }
    settle(feed);
    const struct model *model = feed_model(feed);
    const struct entities *entities = entities_of(model);
    assert_true(model->totals.sampled_out > 1000);
    assert_int_equal(model->totals.events, ALL + 3 * ALL + ALL - STAY);
    assert_true(entity_classes_count(entities) > 0);
    const struct entity_class *class = entity_class_at(entities, 0);
    assert_int_equal(class->seen, ALL);
    assert_int_equal(class->gone, ALL - STAY);
    assert_int_equal(class->alive, STAY);
    assert_false(model_state_stale(model, model->now_ns));
    assert_true(model_stale(model, model->totals.last_ns - 1000));
    feed_free(feed);
    builder_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file__ten_hours_of_events__no_growth),
        cmocka_unit_test(hold__a_week_of_chunks__no_growth),
        cmocka_unit_test(many_pauses_filters_ranges__no_growth),
        cmocka_unit_test(file__at_its_end__time_passes),
        cmocka_unit_test(sampling__one_chunk_in_four__all_are_counted),
        cmocka_unit_test(sampling__entities_come_and_go__those_there_are_known),
        cmocka_unit_test(hostile_session__at_random__nothing_breaks),
        cmocka_unit_test(real_processes__paused_now_and_then__all_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
