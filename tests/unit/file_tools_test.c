/* SPDX-License-Identifier: ISC
 *
 * Verify, repair, merge, split, and rotated sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "file/frame.h"
#include "file_gen.h"
#include "layout.h"

#include <errno.h>
#include <time.h>

struct fixture {
    char *directory, *path, *other, *set;
    struct gen_source source, second;
    struct gen_ring *ring, *ring2;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->directory = gen_directory();
    f->path = gen_path(f->directory, "a.evt");
    f->other = gen_path(f->directory, "b.evt");
    f->set = gen_path(f->directory, "set");
    f->ring = calloc(1, sizeof(*f->ring));
    f->ring2 = calloc(1, sizeof(*f->ring2));
    gen_source_init(&f->source, 42);
    gen_source_init(&f->second, 43);
    gen_ring_init(f->ring, &f->source.source, 0, 1);
    gen_ring_init(f->ring2, &f->second.source, 0, 2);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    gen_directory_remove(f->directory);
    free(f->path);
    free(f->other);
    free(f->set);
    free(f->ring);
    free(f->ring2);
    free(f);
    return 0;
}

static uint64_t write_file(const char *path, struct gen_ring *ring, unsigned chunks,
                           struct evtrail_file_options options, struct evtrail_file_stats *stats)
{
    struct evtrail_file *file;
    uint64_t events = 0;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    for (unsigned i = 0; i < chunks; i++) {
        const struct evtrail_chunk *chunk = gen_ring_next(ring, 20000);
        events += chunk->events;
        assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
    }
    assert_int_equal(evtrail_file_close(file, stats), 0);
    return events;
}

static void count_line(void *context, const char *line)
{
    assert_non_null(strstr(line, "/"));
    ++*(unsigned *)context;
}

static struct evtrail_file_report verify(const char *path, int wanted, unsigned *ret_lines)
{
    struct evtrail_file_report report;
    unsigned lines = 0;
    char *error = NULL;
    assert_int_equal(evtrail_file_verify(path, count_line, &lines, &report, &error), wanted);
    if (ret_lines)
        *ret_lines = lines;
    return report;
}

/* What a reader counts as lost; when the first of it began. */
static uint64_t lost_to_reader(const char *path, int64_t *ret_since_ns)
{
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    uint64_t lost[EVTRAIL_CAUSES_ALL], sum = 0, told = 0;
    bool first = true;
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    assert_true(evtrail_reader_add_path(reader, path) >= 0);
    for (int r; (r = evtrail_reader_next(reader, &event)) != 0;)
        if (r > 0 && event->what == EVTRAIL_EVENT_LOST) {
            told += event->lost;
            if (first && ret_since_ns)
                *ret_since_ns = event->lost_since;
            first = false;
        }
    evtrail_reader_totals(reader, NULL, lost);
    evtrail_reader_free(reader);
    for (unsigned cause = 0; cause < EVTRAIL_CAUSES_ALL; cause++)
        sum += lost[cause];
    assert_int_equal(told, sum);
    return sum;
}

static void intact_file__verified__has_no_fault(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f->path, f->ring, 5, gen_options(), NULL);
    const struct evtrail_file_report report = verify(f->path, 0, NULL);
    assert_int_equal(report.events, events);
    assert_int_equal(report.batches, 5);
    assert_int_equal(report.sources, 1);
    assert_true(report.closed);
    assert_true(report.to_ns > report.from_ns);
}

static void damaged_file__verified_and_repaired__is_sound_and_says_what_is_lost(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f->path, f->ring, 6, gen_options(), NULL);
    size_t bytes = 0;
    unsigned lines;
    uint8_t *content = gen_read_file(f->path, &bytes);
    content[bytes / 2] ^= 4;
    gen_write_file(f->path, content, bytes - 100);
    free(content);
    struct evtrail_file_report report = verify(f->path, 1, &lines);
    assert_true(lines > 0 && report.faults == lines);
    assert_int_equal(report.batches, 5);
    assert_int_equal(report.events + report.lost[EVTRAIL_CAUSE_torn], events);
    assert_false(report.closed);
    struct evtrail_file_copy_options options = {.bytes = sizeof(options), .file = gen_options()};
    struct evtrail_file_stats stats;
    char *error = NULL;
    assert_int_equal(evtrail_file_repair(f->path, f->other, &options, &stats, &error), 0);
    assert_int_equal(stats.events, report.events);
    struct evtrail_file_report repaired = verify(f->other, 0, NULL);
    assert_int_equal(repaired.faults, 0);
    assert_true(repaired.torn_recorded > 0);
    assert_int_equal(repaired.torn_recorded, repaired.lost[EVTRAIL_CAUSE_torn]);
    assert_true(repaired.closed);
    assert_int_equal(repaired.events, report.events);
    assert_int_equal(repaired.lost[EVTRAIL_CAUSE_torn], report.lost[EVTRAIL_CAUSE_torn]);
    assert_int_equal(evtrail_file_repair(f->other, f->path, &options, &stats, &error), -EEXIST);
    assert_non_null(strstr(error, f->path));
    free(error);
    error = NULL;
    options.file.force = true;
    assert_int_equal(evtrail_file_repair(f->other, f->other, &options, &stats, &error), -EINVAL);
    assert_non_null(strstr(error, "one of the inputs"));
    free(error);
    error = NULL;
    assert_int_equal(verify(f->other, 0, NULL).events, report.events);
    /* Repaired once more, and read: the same loss, once. */
    assert_int_equal(evtrail_file_repair(f->other, f->path, &options, &stats, &error), 0);
    assert_int_equal(verify(f->path, 0, NULL).lost[EVTRAIL_CAUSE_torn], report.lost[EVTRAIL_CAUSE_torn]);
    assert_int_equal(lost_to_reader(f->path, NULL), report.lost[EVTRAIL_CAUSE_torn]);
}

static int verify_code(const char *path)
{
    struct evtrail_file_report report;
    return evtrail_file_verify(path, NULL, NULL, &report, NULL);
}

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Some bits mean nothing to zstd, and its seek table has no checksum. */
static void any_bit_flipped__verified__is_found(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    size_t bytes;
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(f->ring, 700)), 0);
    assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(f->ring2, 700)), 0);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(verify_code(f->path), 0);
    uint8_t *content = gen_read_file(f->path, &bytes);
    const int fd = open(f->path, O_WRONLY);
    const int64_t begun = clock_ns();
    size_t step = 1; /* a sanitizer or valgrind has not the time for all */
    for (size_t bit = 0; bit < bytes * 8; bit += step) {
        step = bit >= 500 && clock_ns() - begun > INT64_C(1000000) * (int64_t)bit ? 41 : step;
        const uint8_t flipped = content[bit / 8] ^ (uint8_t)(1u << bit % 8);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        if (verify_code(f->path) == 0)
            fail_msg("bit %zu of byte %zu of %zu was flipped, and not found", bit % 8, bit / 8, bytes);
        assert_int_equal(pwrite(fd, &content[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    free(content);
}

static void files_in_a_row__verified__are_intact(void **state)
{
    struct fixture *f = *state;
    const uint64_t events = write_file(f->path, f->ring, 2, gen_options(), NULL);
    size_t bytes;
    uint8_t *content = gen_read_file(f->path, &bytes);
    content = realloc(content, 2 * bytes);
    memcpy(content + bytes, content, bytes);
    gen_write_file(f->other, content, 2 * bytes);
    assert_int_equal(verify(f->other, 0, NULL).events, 2 * events);
    content[bytes - 5] ^= 1; /* the descriptor in the first one's table */
    gen_write_file(f->other, content, 2 * bytes);
    verify(f->other, 1, NULL);
    free(content);
}

/* The last batch of a ring is torn: no later one tells what is gone. */
static void last_batch_torn__repaired__says_what_is_lost(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    const uint64_t events = write_file(f->path, f->ring, 3, gen_options(), NULL);
    uint64_t last = 0;
    size_t bytes;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, NULL), 0);
    while (evtrail_file_cursor_next(cursor, &batch) == 1)
        last = batch->offset;
    evtrail_file_cursor_close(cursor);
    uint8_t *content = gen_read_file(f->path, &bytes);
    content[last + 1000] ^= 1;
    gen_write_file(f->path, content, bytes);
    free(content);
    struct evtrail_file_copy_options options = {.bytes = sizeof(options), .file = gen_options()};
    assert_int_equal(evtrail_file_repair(f->path, f->other, &options, NULL, NULL), 0);
    const struct evtrail_file_report report = verify(f->other, 0, NULL);
    assert_true(report.torn_recorded > 0);
    assert_int_equal(report.events + report.torn_recorded, events);
    assert_int_equal(lost_to_reader(f->other, NULL), report.torn_recorded);
}

/* Chunks with losses before them and inside them. */
static uint64_t write_lossy(const char *path, struct gen_ring *ring, unsigned chunks,
                            struct evtrail_file_options options)
{
    struct evtrail_file *file;
    uint64_t lost = 0;
    assert_int_equal(evtrail_file_create(&file, path, &options), 0);
    for (unsigned i = 0; i < chunks; i++) {
        struct evtrail_chunk chunk = *gen_ring_next(ring, 20000);
        uint64_t *words = malloc((chunk.words_count + 11) * 8);
        memcpy(words, chunk.words, chunk.words_count * 8);
        lost += i % 3 == 1 ? 10 : 0;
        chunk.lost_before[0] = lost;
        if (i % 4 == 2) {
            lost += 100;
            uint64_t *record = words + chunk.words_count;
            memset(record, 0, 11 * 8);
            record[0] = chunk.last_ticks << 20 | EVTRAIL_RECORD_LOST << 6 | 10;
            record[1] = lost;
            chunk.words_count += 11;
        }
        chunk.words = words;
        assert_int_equal(evtrail_file_write_chunk(file, &chunk), 0);
        free(words);
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    return lost;
}

static void lossy_set__each_part__states_only_its_own_losses(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    options.rotate_bytes = 100000;
    const uint64_t lost = write_lossy(f->set, f->ring, 20, options);
    char **paths;
    uint64_t sum = 0;
    int64_t since_ns = 0, last_ns = 0;
    assert_true(evtrail_file_list(f->set, &paths) >= 4);
    for (unsigned i = 0; paths[i]; i++) {
        const struct evtrail_file_report report = verify(paths[i], 0, NULL);
        assert_int_equal(lost_to_reader(paths[i], &since_ns), report.lost[0]);
        assert_true(since_ns >= last_ns); /* not before the part before */
        last_ns = report.from_ns;
        sum += report.lost[0];
    }
    assert_int_equal(sum, lost);
    assert_int_equal(verify(f->set, 0, NULL).lost[0], lost);
    assert_int_equal(lost_to_reader(f->set, NULL), lost);
    /* ... and again in one file, and cut at times. */
    struct evtrail_file_copy_options copy = {.bytes = sizeof(copy), .file = gen_options()};
    int count = 0;
    while (paths[count])
        count++;
    assert_int_equal(evtrail_file_copy((const char *const *)paths, (uint32_t)count, f->path, &copy, NULL, NULL), 0);
    const struct evtrail_file_report whole = verify(f->path, 0, NULL);
    assert_int_equal(whole.lost[0], lost);
    assert_int_equal(lost_to_reader(f->path, NULL), lost);
    evtrail_file_list_free(paths);
    uint64_t events = 0;
    sum = 0;
    copy.file.force = true;
    for (int64_t part = 0; part < 7; part++) {
        const int64_t step = (whole.to_ns - whole.from_ns) / 7 + 1;
        const char *path = f->path;
        copy.from_ns = whole.from_ns + part * step;
        copy.to_ns = copy.from_ns + step - 1;
        assert_int_equal(evtrail_file_copy(&path, 1, f->other, &copy, NULL, NULL), 0);
        const struct evtrail_file_report report = verify(f->other, 0, NULL);
        assert_int_equal(report.torn_recorded, 0);
        assert_int_equal(lost_to_reader(f->other, NULL), report.lost[0]);
        sum += report.lost[0];
        events += report.events;
    }
    assert_int_equal(events, whole.events);
    assert_int_equal(sum, lost);
}

/* Each byte of the ACCOUNT that a later part begins with: what was lost before the part is not told as lost in it. */
static void account_of_a_later_part__damaged__no_loss_is_invented(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    options.rotate_bytes = 100000;
    write_lossy(f->set, f->ring, 20, options);
    char **paths;
    assert_true(evtrail_file_list(f->set, &paths) >= 4);
    const struct evtrail_file_report intact = verify(paths[3], 0, NULL);
    assert_true(intact.lost[0] > 0);
    size_t bytes;
    uint8_t *content = gen_read_file(paths[3], &bytes);
    evtrail_file_list_free(paths);
    const uint8_t *account = memmem(content, bytes, "EvtA", 4);
    assert_non_null(account);
    const size_t from = (size_t)(account - content) - 8;
    const struct evtrail_file_copy_options copy = {.bytes = sizeof(copy),
                                                   .file = {.bytes = sizeof(copy.file), .force = true}};
    for (size_t at = 0; at < 2 * EVTRAIL_ACCOUNT_BYTES; at++) {
        const size_t byte = from + at % EVTRAIL_ACCOUNT_BYTES, cut = at < EVTRAIL_ACCOUNT_BYTES ? 0 : 10;
        content[byte] ^= (uint8_t)(1 << at % 8);
        gen_write_file(f->path, content, bytes - cut); /* with its index, and without */
        content[byte] ^= (uint8_t)(1 << at % 8);
        unsigned lines;
        const struct evtrail_file_report damaged = verify(f->path, 1, &lines);
        assert_true(lines > 0 && damaged.faults == lines);
        assert_int_equal(damaged.events, intact.events);
        assert_true(damaged.lost[0] <= intact.lost[0]);
        assert_int_equal(lost_to_reader(f->path, NULL), damaged.lost[0]);
        assert_int_equal(evtrail_file_repair(f->path, f->other, &copy, NULL, NULL), 0);
        const struct evtrail_file_report repaired = verify(f->other, 0, NULL);
        assert_int_equal(repaired.events, intact.events);
        assert_int_equal(repaired.torn_recorded, 0);
        assert_int_equal(repaired.lost[0], damaged.lost[0]);
        assert_int_equal(lost_to_reader(f->other, NULL), damaged.lost[0]);
    }
    free(content);
}

static void two_files__merged__are_one_in_time_order(void **state)
{
    struct fixture *f = *state;
    uint64_t events = write_file(f->path, f->ring, 4, gen_options(), NULL);
    events += write_file(f->other, f->ring2, 4, gen_options(), NULL);
    char *merged = gen_path(f->directory, "m.evt");
    const char *paths[] = {f->path, f->other};
    struct evtrail_file_copy_options options = {.bytes = sizeof(options), .file = gen_options()};
    assert_int_equal(evtrail_file_copy(paths, 2, merged, &options, NULL, NULL), 0);
    const struct evtrail_file_report report = verify(merged, 0, NULL);
    assert_int_equal(report.events, events);
    assert_int_equal(report.sources, 2);
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    int64_t last = INT64_MIN;
    assert_int_equal(evtrail_file_cursor_open(&cursor, merged, NULL, NULL), 0);
    while (evtrail_file_cursor_next_chunk(cursor, &batch) == 1) {
        assert_true(batch->from_ns >= last);
        assert_string_equal(evtrail_source_type(batch->chunk.source, POOL_FIRST_ID)->name, "pool.step0");
        last = batch->from_ns;
    }
    evtrail_file_cursor_close(cursor);
    free(merged);
}

/* Parts of one run, in which a ring's batches wait behind a much later one of another ring. */
static void overlapping_parts__merged__keep_each_rings_order(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options plain = gen_options();
    uint64_t events = 0;
    gen_ring_init(f->ring2, &f->source.source, 1, 2);
    f->ring2->pool.base.ticks += 1000000000;
    for (unsigned part = 0; part < 2; part++) {
        struct evtrail_file *file;
        struct gen_ring *const rings[] = {f->ring, f->ring2, f->ring};
        assert_int_equal(evtrail_file_create(&file, part ? f->other : f->path, &plain), 0);
        for (unsigned i = 0; i < 3; i++) {
            const struct evtrail_chunk *chunk = gen_ring_next(rings[i], 20000);
            events += chunk->events;
            assert_int_equal(evtrail_file_write_chunk(file, chunk), 0);
        }
        assert_int_equal(evtrail_file_close(file, NULL), 0);
    }
    char *merged = gen_path(f->directory, "m.evt");
    const char *paths[] = {f->other, f->path};
    struct evtrail_file_copy_options options = {.bytes = sizeof(options), .file = gen_options()};
    assert_int_equal(evtrail_file_copy(paths, 2, merged, &options, NULL, NULL), 0);
    const struct evtrail_file_report report = verify(merged, 0, NULL);
    assert_int_equal(report.events, events);
    assert_int_equal(report.lost[EVTRAIL_CAUSE_torn], 0);
    free(merged);
}

static void split__by_source_and_time__has_just_those(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file *file;
    const struct evtrail_file_options plain = gen_options();
    const char *paths[] = {f->path}, *sources[] = {"43"};
    uint64_t events2 = 0;
    assert_int_equal(evtrail_file_create(&file, f->path, &plain), 0);
    for (unsigned i = 0; i < 5; i++) {
        evtrail_file_write_chunk(file, gen_ring_next(f->ring, 20000));
        evtrail_file_write_chunk(file, gen_ring_next(f->ring2, 20000));
        events2 += f->ring2->chunk.events;
    }
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    struct evtrail_file_copy_options options = {
        .bytes = sizeof(options), .sources = sources, .sources_count = 1, .file = gen_options()};
    assert_int_equal(evtrail_file_copy(paths, 1, f->other, &options, NULL, NULL), 0);
    assert_int_equal(verify(f->other, 0, NULL).events, events2);
    options.file.force = true;
    const struct evtrail_file_report whole = verify(f->path, 0, NULL);
    options.from_ns = whole.from_ns + (whole.to_ns - whole.from_ns) / 2;
    assert_int_equal(evtrail_file_copy(paths, 1, f->other, &options, NULL, NULL), 0);
    const struct evtrail_file_report late = verify(f->other, 0, NULL);
    assert_true(late.events < events2 && late.events > events2 / 3);
}

static unsigned count_files(const char *set)
{
    char **paths;
    const int count = evtrail_file_list(set, &paths);
    if (count < 0)
        return 0;
    evtrail_file_list_free(paths);
    return (unsigned)count;
}

static void rotation__by_size__each_file_reads_alone_and_all_as_one(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file_stats stats;
    options.rotate_bytes = 100000;
    const uint64_t events = write_file(f->set, f->ring, 20, options, &stats);
    assert_true(stats.files >= 5);
    assert_int_equal(count_files(f->set), stats.files);
    assert_int_equal(count_files(f->directory), stats.files);
    char **paths;
    uint64_t sum = 0;
    assert_int_equal(evtrail_file_list(f->set, &paths), (int)stats.files);
    for (unsigned i = 0; paths[i]; i++) {
        struct stat status;
        const struct evtrail_file_report report = verify(paths[i], 0, NULL);
        sum += report.events;
        assert_true(report.closed);
        assert_int_equal(stat(paths[i], &status), 0);
        assert_true(status.st_size <= 100000);
    }
    assert_int_equal(sum, events);
    assert_int_equal(verify(f->set, 0, NULL).events, events);
    char *glob = gen_path(f->directory, "set.*"), *link = gen_path(f->directory, "set.current"), target[300] = "";
    assert_int_equal(verify(glob, 0, NULL).events, events);
    assert_true(readlink(link, target, sizeof(target) - 1) > 0);
    assert_non_null(strstr(paths[stats.files - 1], target));
    /* A file from the middle is gone: its events are missed by who reads the set. */
    unlink(paths[2]);
    const struct evtrail_file_report report = verify(f->set, 1, NULL);
    assert_int_equal(report.events + report.lost[EVTRAIL_CAUSE_torn], events);
    evtrail_file_list_free(paths);
    free(glob);
    free(link);
}

static void set__seek__finds_the_file_and_batch(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    options.rotate_bytes = 100000;
    write_file(f->set, f->ring, 20, options, NULL);
    const struct evtrail_file_report whole = verify(f->set, 0, NULL);
    const int64_t late = whole.from_ns + (whole.to_ns - whole.from_ns) / 10 * 9;
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->set, NULL, NULL), 0);
    assert_int_equal(evtrail_file_cursor_seek(cursor, whole.from_ns), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
    assert_int_equal(evtrail_file_cursor_seek(cursor, late), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
    assert_true(batch->to_ns >= late);
    evtrail_file_cursor_close(cursor);
}

static void retention__by_count_and_size__oldest_go_and_strangers_stay(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file_stats stats;
    char *stranger = gen_path(f->directory, "set.evt"), *neighbour = gen_path(f->directory, "sett.00001.evt");
    gen_write_file(stranger, (const uint8_t *)"x", 1);
    gen_write_file(neighbour, (const uint8_t *)"x", 1);
    options.rotate_bytes = 100000;
    options.keep_files = 3;
    write_file(f->set, f->ring, 20, options, &stats);
    assert_int_equal(count_files(f->set), 3);
    assert_int_equal(stats.files - stats.files_deleted, 3);
    assert_int_equal(access(stranger, F_OK), 0);
    assert_int_equal(access(neighbour, F_OK), 0);
    options.keep_files = 0;
    options.keep_bytes = 250000;
    write_file(f->set, f->ring, 20, options, &stats); /* goes on behind the numbers that are there */
    assert_true(count_files(f->set) <= 4 && count_files(f->set) >= 2);
    const unsigned left = count_files(f->set);
    assert_int_equal(evtrail_file_prune(f->set, 0, 0, 1), (int)left - 1);
    assert_int_equal(count_files(f->set), 1);
    free(stranger);
    free(neighbour);
}

static void retention__by_age__old_files_go(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    options.rotate_bytes = 100000;
    write_file(f->set, f->ring, 12, options, NULL);
    char **paths;
    const int count = evtrail_file_list(f->set, &paths);
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 1000}, {.tv_sec = time(NULL) - 1000}};
    assert_int_equal(utimensat(AT_FDCWD, paths[0], old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, paths[1], old, 0), 0);
    evtrail_file_list_free(paths);
    assert_int_equal(evtrail_file_prune(f->set, 0, INT64_C(100000000000), 0), 2);
    assert_int_equal(count_files(f->set), count - 2);
}

static void set__followed__goes_on_in_the_next_file(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    const struct evtrail_file_cursor_options follow = {.bytes = sizeof(follow), .follow = true};
    struct evtrail_file *file;
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    uint64_t events = 0, seen = 0;
    options.rotate_bytes = 100000;
    assert_int_equal(evtrail_file_create(&file, f->set, &options), 0);
    evtrail_file_flush(file);
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->set, &follow, NULL), 0);
    for (unsigned i = 0; i < 20; i++) {
        evtrail_file_write_chunk(file, gen_ring_next(f->ring, 20000));
        events += f->ring->chunk.events;
        evtrail_file_flush(file);
        int r;
        while ((r = evtrail_file_cursor_next_chunk(cursor, &batch)) == 1) {
            assert_int_equal(batch->torn, 0);
            seen += batch->chunk.events;
        }
        assert_int_equal(r, 0);
        assert_int_equal(seen, events);
    }
    evtrail_file_close(file, NULL);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 0);
    evtrail_file_cursor_close(cursor);
}

static void source__freed_before_its_events_are_written__types_are_there(void **state)
{
    struct fixture *f = *state;
    const struct evtrail_file_options options = gen_options();
    struct gen_source *source = malloc(sizeof(*source));
    struct evtrail_file *file;
    struct evtrail_file_cursor *cursor;
    struct evtrail_batch *batch;
    gen_source_init(source, 44);
    gen_ring_init(f->ring, &source->source, 0, 1);
    assert_int_equal(evtrail_file_create(&file, f->path, &options), 0);
    assert_int_equal(evtrail_file_write_chunk(file, gen_ring_next(f->ring, 100)), 0);
    free(source);
    assert_int_equal(evtrail_file_close(file, NULL), 0);
    assert_int_equal(evtrail_file_cursor_open(&cursor, f->path, NULL, NULL), 0);
    assert_int_equal(evtrail_file_cursor_next_chunk(cursor, &batch), 1);
    assert_string_equal(evtrail_source_type(batch->chunk.source, POOL_FIRST_ID)->name, "pool.step0");
    evtrail_file_cursor_close(cursor);
}

static void rotation__by_time__begins_a_new_file(void **state)
{
    struct fixture *f = *state;
    struct evtrail_file_options options = gen_options();
    struct evtrail_file *file;
    struct evtrail_file_stats stats;
    options.rotate_ns = 20000000;
    assert_int_equal(evtrail_file_create(&file, f->set, &options), 0);
    for (unsigned i = 0; i < 4; i++) {
        evtrail_file_write_chunk(file, gen_ring_next(f->ring, 20000));
        usleep(25000);
    }
    assert_int_equal(evtrail_file_close(file, &stats), 0);
    assert_int_equal(stats.files, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(intact_file__verified__has_no_fault),
        TEST(damaged_file__verified_and_repaired__is_sound_and_says_what_is_lost),
        TEST(any_bit_flipped__verified__is_found),
        TEST(files_in_a_row__verified__are_intact),
        TEST(last_batch_torn__repaired__says_what_is_lost),
        TEST(lossy_set__each_part__states_only_its_own_losses),
        TEST(account_of_a_later_part__damaged__no_loss_is_invented),
        TEST(two_files__merged__are_one_in_time_order),
        TEST(overlapping_parts__merged__keep_each_rings_order),
        TEST(split__by_source_and_time__has_just_those),
        TEST(rotation__by_size__each_file_reads_alone_and_all_as_one),
        TEST(set__seek__finds_the_file_and_batch),
        TEST(retention__by_count_and_size__oldest_go_and_strangers_stay),
        TEST(retention__by_age__old_files_go),
        TEST(set__followed__goes_on_in_the_next_file),
        TEST(source__freed_before_its_events_are_written__types_are_there),
        TEST(rotation__by_time__begins_a_new_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
