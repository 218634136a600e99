/* SPDX-License-Identifier: ISC
 *
 * The thread that copies OCaml's rings ahead of the reader, the memory for it, and what wakes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/ocaml_builder.h"

#include "reader/ocaml_feed.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { TRIES = 60000 };

struct fixture {
    struct ocaml_builder b;
    struct evtrail_ocaml_map map;
    struct evtrail_ocaml_pump *pump;
    struct evtrail_ocaml_feed feed;
    int64_t written;
};

static void begin(struct fixture *f, unsigned words_log2, size_t queue_bytes)
{
    struct evtrail_fault fault;
    memset(f, 0, sizeof(*f));
    ocaml_builder_init(&f->b, words_log2);
    assert_int_equal(evtrail_ocaml_map_open(&f->map, f->b.path, &fault), 0);
    assert_int_equal(evtrail_ocaml_pump_new(&f->pump, queue_bytes), 0);
    assert_int_equal(evtrail_ocaml_feed_init(&f->feed, f->pump, &f->map, 0, 1000000), 0);
    evtrail_ocaml_feed_begin(&f->feed);
}

static void end(struct fixture *f)
{
    evtrail_ocaml_feed_fini(&f->feed);
    evtrail_ocaml_pump_free(f->pump);
    evtrail_ocaml_map_close(&f->map);
    ocaml_builder_fini(&f->b);
}

static void pause_ms(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void write_ints(struct fixture *f, unsigned ring, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ocaml_int(&f->b, ring, 0, ++f->written);
}

static void until_copied(struct fixture *f)
{
    for (unsigned i = 0; i < TRIES && evtrail_ocaml_feed_waiting(&f->feed); i++)
        pause_ms();
    assert_int_equal(evtrail_ocaml_feed_waiting(&f->feed), 0);
}

struct taken {
    uint64_t words, lost;
    int64_t values, last;
};

/* All that was copied of a ring; items are whole and in order. */
static void take_all(struct fixture *f, uint32_t ring, struct taken *taken)
{
    struct evtrail_ocaml_copy copy;
    for (const struct evtrail_ocaml_segment *segment; (segment = evtrail_ocaml_feed_peek(&f->feed, ring, &copy));) {
        size_t at = segment->taken;
        taken->lost += copy.lost;
        taken->words += copy.count - at;
        for (uint32_t length; at < copy.count; at += length) {
            struct evtrail_ocaml_item item;
            const char *why;
            length = evtrail_ocaml_item_take(copy.words + at, copy.count - at, &item, &why);
            assert_int_not_equal(length, 0);
            if (item.padding)
                continue;
            assert_true((int64_t)item.payload[0] > taken->last);
            taken->last = (int64_t)item.payload[0];
            taken->values++;
        }
        taken->lost += evtrail_ocaml_feed_take(&f->feed, ring, at);
    }
}

/* What the program before had written comes first, and with the word that the names are not its own any more. */
static void taken_over__while_the_reader_is_busy__whose_it_was_is_known(void **state)
{
    struct fixture f;
    struct evtrail_ocaml_copy copy;
    (void)state;
    begin(&f, 12, 0);
    write_ints(&f, 0, 100);
    write_ints(&f, 1, 100);
    until_copied(&f);
    ocaml_take_over(&f.b);
    write_ints(&f, 0, 200);
    write_ints(&f, 2, 50);
    evtrail_ocaml_feed_fill(&f.feed, true);
    evtrail_ocaml_feed_fill(&f.feed, true);
    for (uint32_t i = 0; i < 2; i++) {
        const struct evtrail_ocaml_segment *segment = evtrail_ocaml_feed_peek(&f.feed, i, &copy);
        assert_non_null(segment);
        assert_true(segment->replaced && !copy.anew);
        assert_int_equal(copy.count, 300);
        evtrail_ocaml_feed_take(&f.feed, i, copy.count);
        segment = evtrail_ocaml_feed_peek(&f.feed, i, &copy);
        assert_non_null(segment);
        assert_true(copy.anew && !segment->replaced);
        assert_int_equal(copy.count, i == 0 ? 600 : 0);
        evtrail_ocaml_feed_take(&f.feed, i, copy.count);
    }
    assert_non_null(evtrail_ocaml_feed_peek(&f.feed, 2, &copy));
    assert_true(!copy.anew && copy.count == 150);
    end(&f);
}

static void reader_is_busy__ring_goes_round_often__nothing_is_lost(void **state)
{
    struct fixture f;
    struct taken taken = {0};
    (void)state;
    begin(&f, 12, 0);
    for (int round = 0; round < 40; round++) {
        write_ints(&f, 0, 600); /* half of it */
        until_copied(&f);
    }
    take_all(&f, 0, &taken);
    assert_int_equal(taken.lost, 0);
    assert_int_equal(taken.values, f.written);
    assert_int_equal(taken.words, f.b.words[0]);
    end(&f);
}

static void queue_is_full__ring_goes_round__loss_is_known_to_the_word(void **state)
{
    struct fixture f;
    struct taken taken = {0};
    (void)state;
    begin(&f, 16, EVTRAIL_OCAML_SEGMENT_WORDS * 8);
    write_ints(&f, 1, 10); /* another ring has a place, whatever this one holds */
    for (int round = 0; round < 12; round++) {
        write_ints(&f, 0, 5000);
        pause_ms();
    }
    write_ints(&f, 0, 30000);
    for (unsigned i = 0; i < TRIES && taken.last != f.written; i++) {
        take_all(&f, 0, &taken);
        pause_ms();
    }
    assert_true(taken.lost > 0);
    assert_int_equal(taken.words + taken.lost, f.b.words[0]);
    assert_int_equal(taken.last, f.written);
    struct taken other = {0};
    take_all(&f, 1, &other);
    assert_int_equal(other.values, 10);
    end(&f);
}

/* Each look at a ring that went round needs another segment: there is a bound for these, too. */
static void queue_is_full__small_ring_goes_round_at_every_look__bounded(void **state)
{
    struct fixture f;
    struct taken taken = {0};
    const size_t segment = EVTRAIL_OCAML_SEGMENT_WORDS * sizeof(uint64_t);
    size_t most = 0;
    (void)state;
    begin(&f, 10, segment);
    for (int round = 0; round < 40; round++) {
        write_ints(&f, 0, 500);
        evtrail_ocaml_feed_fill(&f.feed, true);
        pthread_mutex_lock(&f.pump->lock);
        most = f.pump->held_bytes > most ? f.pump->held_bytes : most;
        pthread_mutex_unlock(&f.pump->lock);
    }
    assert_in_range(most, segment, 3 * segment);
    for (unsigned i = 0; i < TRIES && taken.last != f.written; i++) {
        take_all(&f, 0, &taken);
        pause_ms();
    }
    assert_int_equal(taken.words + taken.lost, f.b.words[0]);
    end(&f);
}

static void words_without_a_length__behind_sound_ones__are_lost_at_once(void **state)
{
    struct fixture f;
    struct taken taken = {0};
    (void)state;
    begin(&f, 18, 0);
    write_ints(&f, 0, 4);
    uint64_t *const cursors = ocaml_ring_header(&f.b, 0);
    __atomic_store_n(&cursors[1], 200000, __ATOMIC_RELEASE); /* zeros, more than is copied at once */
    until_copied(&f);
    struct evtrail_ocaml_copy copy;
    uint64_t words = 0;
    while (evtrail_ocaml_feed_peek(&f.feed, 0, &copy)) {
        words += copy.count + copy.lost;
        words += evtrail_ocaml_feed_take(&f.feed, 0, copy.count);
    }
    assert_int_equal(words, 200000);
    assert_true(f.pump->held_bytes == 0);
    (void)taken;
    end(&f);
}

/* It ends, and is removed, while it is written and copied. */
static void feeds__come_and_go__pump_goes_on(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, 10, 0);
    for (int i = 0; i < 50; i++) {
        struct evtrail_ocaml_feed another;
        assert_int_equal(evtrail_ocaml_feed_init(&another, f.pump, &f.map, 0, 1000000), 0);
        evtrail_ocaml_feed_begin(&another);
        write_ints(&f, 2, 100);
        evtrail_ocaml_feed_fini(&another);
    }
    until_copied(&f);
    end(&f);
}

static void truncated__while_it_is_copied__nobody_dies(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, 14, 0);
    write_ints(&f, 0, 1000);
    assert_int_equal(truncate(f.b.path, 64), 0);
    for (int i = 0; i < 20; i++)
        pause_ms();
    until_copied(&f);
    assert_int_equal(truncate(f.b.path, (off_t)f.b.bytes), 0);
    end(&f);
}

static void news__in_a_ring__reader_is_told(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, 12, 0);
    const _Atomic uint32_t *const word = evtrail_ocaml_pump_word(f.pump);
    for (int i = 0; i < 10; i++) {
        const uint32_t before = atomic_load(word);
        write_ints(&f, 0, 1);
        for (unsigned j = 0; j < TRIES && atomic_load(word) == before; j++)
            pause_ms();
        assert_int_not_equal(atomic_load(word), before);
        for (int j = 0; j < (i == 5 ? 200 : 0); j++) /* it becomes quiet meanwhile */
            pause_ms();
    }
    end(&f);
}

/* What is no ring and is called like one: none of it is listed, opened for long, or waited for. */
static int count_ring(const struct evtrail_ocaml_ring_info *info, void *context)
{
    assert_false(info->alive);
    assert_int_equal(info->ring_bytes, 4096 * 8);
    ++*(unsigned *)context;
    return 0;
}

static void put_file(const char *directory, unsigned pid, off_t bytes)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%u.events", directory, pid);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
}

static void directory__of_what_is_called_like_rings__those_that_are_none_left_out(void **state)
{
    struct ocaml_builder b;
    char path[128];
    unsigned rings = 0;
    (void)state;
    ocaml_builder_init(&b, 12);
    ocaml_int(&b, 0, 0, 1);
    snprintf(path, sizeof(path), "%s/4194990.events", b.directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/4194991.events", b.directory);
    assert_int_equal(symlink("/dev/zero", path), 0);
    snprintf(path, sizeof(path), "%s/4194992.events", b.directory);
    assert_int_equal(mkdir(path, 0700), 0);
    put_file(b.directory, 4194993, 0);
    put_file(b.directory, 4194994, 63);
    put_file(b.directory, 4194995, (off_t)1 << 40);
    assert_int_equal(evtrail_ocaml_rings(b.directory, count_ring, &rings), 0);
    assert_int_equal(rings, 1);
    for (unsigned pid = 4194990; pid <= 4194995; pid++) {
        snprintf(path, sizeof(path), "%s/%u.events", b.directory, pid);
        assert_int_equal(remove(path), 0);
    }
    ocaml_builder_fini(&b);
}

static pid_t child_that_works_when_told(int *ret_tell)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        if (read(ends[0], &byte, 1) == 1)
            for (volatile uint64_t i = 0;; i++)
                ;
        _exit(0);
    }
    close(ends[0]);
    *ret_tell = ends[1];
    return child;
}

static void process__begins_to_work__told(void **state)
{
    int tell;
    const pid_t child = child_that_works_when_told(&tell);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct evtrail_ocaml_activity activity = {.pid = (uint32_t)child};
    struct epoll_event event;
    (void)state;
    for (int i = 0; i < 50; i++) /* it has come to its read */
        pause_ms();
    const int result = evtrail_activity_arm(&activity, epoll, 100000);
    if (result == 0) {
        assert_int_equal(write(tell, "", 1), 1);
        assert_int_equal(epoll_wait(epoll, &event, 1, 60000), 1);
    } else {
        assert_true(activity.impossible); /* the system does not allow it: rings are looked at instead */
        print_message("not allowed here: %s\n", strerror(-result));
    }
    evtrail_activity_disarm(&activity);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(evtrail_activity_arm(&activity, epoll, 100000) < 0);
    free(activity.threads);
    close(epoll);
    close(tell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_over__while_the_reader_is_busy__whose_it_was_is_known),
        cmocka_unit_test(reader_is_busy__ring_goes_round_often__nothing_is_lost),
        cmocka_unit_test(queue_is_full__ring_goes_round__loss_is_known_to_the_word),
        cmocka_unit_test(queue_is_full__small_ring_goes_round_at_every_look__bounded),
        cmocka_unit_test(words_without_a_length__behind_sound_ones__are_lost_at_once),
        cmocka_unit_test(feeds__come_and_go__pump_goes_on),
        cmocka_unit_test(truncated__while_it_is_copied__nobody_dies),
        cmocka_unit_test(news__in_a_ring__reader_is_told),
        cmocka_unit_test(process__begins_to_work__told),
        cmocka_unit_test(directory__of_what_is_called_like_rings__those_that_are_none_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
