/* SPDX-License-Identifier: ISC
 *
 * The tap: chunks as they are read, taken or let pass, with totals that stay exact; a set whose parts are memfds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <evtrail/file.h>

#include "file_gen.h"
#include "session_builder.h"

struct counts {
    struct evtrail_reader *reader;
    uint64_t tapped, stepped, delivered, lost[EVTRAIL_CAUSES_ALL];
    uint64_t events, told;
    int take; /* what the tap returns; -1: every other time */
    unsigned calls;
};

static int tap(void *context, const struct evtrail_chunk *chunk)
{
    struct counts *counts = context;
    struct evtrail_chunk_step step = {0};
    counts->tapped += chunk->events;
    while (evtrail_chunk_next(chunk, &step)) {
        assert_in_range(step.id, EVTRAIL_EVENT_FIRST, EVTRAIL_EVENT_FIRST + 2);
        assert_int_equal(step.words, step.id == EVTRAIL_EVENT_FIRST + 1 ? 3 : 1);
        counts->stepped++;
    }
    if (counts->take >= 0)
        return counts->take;
    return chunk->events ? (int)(counts->calls++ & 1) : 0;
}

static void begin(struct counts *counts, struct builder *b, int take)
{
    *counts = (struct counts){.take = take};
    const struct evtrail_reader_options options = {
        .bytes = sizeof(options), .directory = b->directory, .tap = tap, .tap_context = counts, .snapshot = false};
    assert_int_equal(evtrail_reader_new(&counts->reader, &options), 0);
    assert_int_equal(evtrail_reader_add_path(counts->reader, b->path), 0);
}

static void read_all(struct counts *counts)
{
    struct evtrail_event *event;
    for (int idle = 0; idle < 3; idle++) {
        while (evtrail_reader_next(counts->reader, &event) > 0) {
            counts->events += event->what == EVTRAIL_EVENT;
            counts->told += event->what == EVTRAIL_EVENT_LOST ? event->lost : 0;
            idle = 0;
        }
        usleep(2000);
    }
    evtrail_reader_totals(counts->reader, &counts->delivered, counts->lost);
}

static void tap__lets_all_pass__all_events_come_once(void **state)
{
    (void)state;
    struct builder b;
    struct counts counts;
    builder_init(&b);
    builder_events(&b, 0, 300);
    builder_events(&b, 1, 50);
    begin(&counts, &b, 0);
    read_all(&counts);
    assert_int_equal(counts.tapped, 350);
    assert_int_equal(counts.stepped, 350);
    assert_int_equal(counts.events, 350);
    assert_int_equal(counts.delivered, 350);
    assert_true(evtrail_reader_done(counts.reader));
    evtrail_reader_free(counts.reader);
    builder_fini(&b);
}

static void tap__takes_all__nothing_comes_and_all_is_delivered(void **state)
{
    (void)state;
    struct builder b;
    struct counts counts;
    builder_init(&b);
    builder_live(&b);
    begin(&counts, &b, 1);
    for (unsigned round = 0; round < 5; round++) {
        builder_events(&b, 0, 200);
        builder_lose(&b, 0, EVTRAIL_LOST_FULL);
        read_all(&counts);
    }
    builder_die(&b);
    read_all(&counts);
    assert_int_equal(counts.events, 0);
    assert_int_equal(counts.delivered, 1000);
    assert_int_equal(counts.tapped, 1000);
    assert_int_equal(counts.told, 5);
    assert_int_equal(counts.lost[EVTRAIL_LOST_FULL], 5);
    assert_int_equal(counts.lost[EVTRAIL_CAUSE_overwritten], 0);
    assert_true(evtrail_reader_done(counts.reader));
    evtrail_reader_free(counts.reader);
    builder_fini(&b);
}

/* Behind chunks that were taken, no event is reported as lost; what the ring overwrote is, once. */
static void tap__takes_every_other_chunk__loss_stays_exact(void **state)
{
    (void)state;
    struct builder b;
    struct counts counts;
    uint64_t emitted = 0, lost = 0;
    builder_init(&b);
    builder_live(&b);
    begin(&counts, &b, -1);
    for (unsigned round = 0; round < 20; round++) {
        const unsigned count = round % 5 == 4 ? 3000 : 150; /* 3000: more than the ring holds */
        builder_events(&b, round & 1, count);
        emitted += count;
        builder_lose(&b, round & 1, EVTRAIL_LOST_FULL);
        lost++;
        read_all(&counts);
    }
    builder_die(&b);
    read_all(&counts);
    assert_true(counts.lost[EVTRAIL_CAUSE_overwritten] > 0);
    assert_int_equal(counts.delivered + counts.lost[EVTRAIL_CAUSE_overwritten], emitted);
    assert_int_equal(counts.lost[EVTRAIL_LOST_FULL], lost);
    assert_int_equal(counts.told, lost + counts.lost[EVTRAIL_CAUSE_overwritten]);
    assert_int_equal(counts.tapped, counts.delivered);
    assert_true(counts.events > 0 && counts.events < counts.delivered);
    evtrail_reader_free(counts.reader);
    builder_fini(&b);
}

/* Types that are declared while chunks wait half read. */
static void tap__leaves_states__only_they_come(void **state)
{
    enum { STATE = EVTRAIL_EVENT_FIRST + 1, GONE, ROUNDS = 10 };
    (void)state;
    struct builder b;
    struct counts counts;
    builder_init(&b);
    builder_live(&b);
    builder_declare(&b, STATE, EVTRAIL_KIND_state, "test.entity");
    begin(&counts, &b, EVTRAIL_TAP_states);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS / 2)
            builder_declare(&b, GONE, EVTRAIL_KIND_gone, "test.entity");
        builder_events(&b, 0, 20);
        builder_record(&b, 0, STATE, (const uint64_t[]){round, 0, 1}, 3);
        builder_events(&b, 1, 20);
        if (round >= ROUNDS / 2)
            builder_record(&b, 1, GONE, &round, 1);
        builder_lose(&b, 0, EVTRAIL_LOST_FULL);
        read_all(&counts);
    }
    builder_die(&b);
    read_all(&counts);
    assert_int_equal(counts.events, ROUNDS + ROUNDS / 2);
    assert_int_equal(counts.delivered, 40 * ROUNDS + ROUNDS + ROUNDS / 2);
    assert_int_equal(counts.tapped, counts.delivered);
    assert_int_equal(counts.told, ROUNDS);
    evtrail_reader_free(counts.reader);
    builder_fini(&b);
}

static void chunk_next__torn_records__stops_at_the_first(void **state)
{
    (void)state;
    const uint64_t words[] = {UINT64_C(1) << 20 | 16 << 6 | 1, 5, UINT64_C(2) << 20 | 17 << 6 | 9, 5};
    const struct evtrail_chunk chunk = {.words = words, .words_count = 4};
    struct evtrail_chunk_step step = {0};
    assert_true(evtrail_chunk_next(&chunk, &step));
    assert_int_equal(step.id, 16);
    assert_false(evtrail_chunk_next(&chunk, &step));
    assert_false(evtrail_chunk_next(&chunk, &step));
}

/* ---- parts in memory -------------------------------------------------------------------------------------------------- */

enum { PARTS_MOST = 8 };
static int part_fds[PARTS_MOST];
static char part_paths[PARTS_MOST][64];
static uint32_t part_count;

static int place(void *context, uint32_t part, char *path, size_t size)
{
    assert_ptr_equal(context, &part_count);
    assert_int_equal(part, part_count + 1);
    if (part_count == PARTS_MOST)
        return -ENFILE;
    part_fds[part_count] = memfd_create("part", MFD_CLOEXEC);
    snprintf(part_paths[part_count], sizeof(*part_paths), "/proc/self/fd/%d", part_fds[part_count]);
    snprintf(path, size, "%s", part_paths[part_count]);
    part_count++;
    return 0;
}

static void close_parts(void)
{
    while (part_count > 0)
        close(part_fds[--part_count]);
}

/* Three parts of two rings each; a loss before the second. */
static uint64_t write_parts(struct evtrail_file **ret_file, struct gen_source *source, struct gen_ring *rings)
{
    struct evtrail_file_options options = {
        .bytes = sizeof(options), .place = place, .place_context = &part_count, .flush_ns = -1};
    uint64_t events = 0;
    gen_source_init(source, 5);
    gen_ring_init(&rings[0], &source->source, 0, 1);
    gen_ring_init(&rings[1], &source->source, 1, 2);
    assert_int_equal(evtrail_file_create(ret_file, "held", &options), 0);
    for (unsigned part = 0; part < 3; part++) {
        assert_int_equal(evtrail_file_next_part(*ret_file), 0);
        for (unsigned i = 0; i < 4; i++) {
            rings[i & 1].chunk.lost_before[EVTRAIL_LOST_FULL] = part;
            const struct evtrail_chunk *chunk = gen_ring_next(&rings[i & 1], 2000);
            events += chunk->events;
            assert_int_equal(evtrail_file_write_chunk(*ret_file, chunk), 0);
        }
    }
    assert_int_equal(evtrail_file_flush(*ret_file), 0);
    return events;
}

static void parts__of_memfds__read_as_one_set_while_written(void **state)
{
    (void)state;
    static struct gen_source source;
    static struct gen_ring rings[2];
    struct evtrail_file *file;
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    const char *paths[PARTS_MOST];
    uint64_t lost[EVTRAIL_CAUSES_ALL], delivered, counted = 0;
    int64_t time = INT64_MIN;
    const uint64_t events = write_parts(&file, &source, rings);
    assert_int_equal(part_count, 3);
    for (uint32_t from = 0; from < 3; from++) { /* all, and without the oldest ones */
        for (uint32_t i = from; i < 3; i++)
            paths[i - from] = part_paths[i];
        assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
        assert_int_equal(evtrail_reader_add_parts(reader, paths, 3 - from), 0);
        for (counted = 0, time = INT64_MIN; evtrail_reader_next(reader, &event) > 0;) {
            assert_true(event->time >= time);
            time = event->time;
            counted += event->what == EVTRAIL_EVENT;
        }
        evtrail_reader_totals(reader, &delivered, lost);
        assert_int_equal(counted, events / 3 * (3 - from));
        assert_int_equal(delivered, counted);
        assert_int_equal(lost[EVTRAIL_LOST_FULL], from == 2 ? 2 : 4);
        assert_int_equal(lost[EVTRAIL_CAUSE_torn], 0);
        evtrail_reader_free(reader);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    close_parts();
}

static void next_part__not_a_set__refused(void **state)
{
    (void)state;
    struct evtrail_file *file;
    const int fd = memfd_create("alone", MFD_CLOEXEC);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const struct evtrail_file_options options = {.bytes = sizeof(options), .force = true};
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    assert_int_equal(evtrail_file_next_part(file), -EINVAL);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tap__lets_all_pass__all_events_come_once),
        cmocka_unit_test(tap__takes_all__nothing_comes_and_all_is_delivered),
        cmocka_unit_test(tap__takes_every_other_chunk__loss_stays_exact),
        cmocka_unit_test(tap__leaves_states__only_they_come),
        cmocka_unit_test(chunk_next__torn_records__stops_at_the_first),
        cmocka_unit_test(parts__of_memfds__read_as_one_set_while_written),
        cmocka_unit_test(next_part__not_a_set__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
