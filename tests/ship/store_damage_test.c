/* SPDX-License-Identifier: ISC
 *
 * Files of the store that are damaged by hand after they were acknowledged: nothing is stored twice, nothing that is whole is thrown away, what is gone is counted.
 */
#include "store_feed.h"

#include "file/crc32c.h"

#include <signal.h>
#include <sys/wait.h>

enum { BATCHES = 60 };

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

static char events[16384];

static void note_event(void *context, const struct store_event *event)
{
    (void)context;
    const size_t used = strlen(events);
    snprintf(events + used, sizeof(events) - used, "%s: %s\n", event->path, event->text);
}

static struct store *open_store(const char *root)
{
    const struct store_options options = {
        .root = root, .event = note_event, .reserve_bytes = 1, .rotate_bytes = 20000, .no_sync = true};
    struct store *store = NULL;
    char *error = NULL;
    events[0] = 0;
    if (store_open(&store, &options, &error) < 0)
        fail_msg("%s", error);
    return store;
}

/* Stores up to `last`, which is acknowledged in steps of `step`; then it is killed, or ends. */
static void store_and_leave(const char *root, const struct feed *feed, uint64_t last, bool killed, unsigned step)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *store = open_store(root);
        struct feeder feeder;
        feeder_open(&feeder, store, feed, 1, "", "a");
        for (uint64_t at = feeder.position + 1; at <= last; at += step) {
            feeder_put(&feeder, at, at + step - 1 < last ? at + step - 1 : last);
            store_drain(store, SECONDS(60));
        }
        if (killed)
            raise(SIGKILL);
        feeder_close(&feeder);
        store_close(store, store_now_ns() + SECONDS(60));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* ---- which batches the files have --------------------------------------------------------------------------------------- */

struct held {
    unsigned times[BATCHES + 1];
    unsigned twice;
};

/* Every mark with its whole batch, wherever in the file. */
static void look_into(struct held *held, const char *path)
{
    size_t size;
    uint8_t *bytes = gen_read_file(path, &size);
    for (size_t at = 0; at + EVTRAIL_MARK_BYTES < size; at++) {
        struct evtrail_frame frame;
        struct evtrail_mark_frame mark;
        struct evtrail_batch_header header;
        if (evtrail_frame_prefix(bytes + at, size - at, &frame) || frame.tag != EVTRAIL_TAG_MARK ||
            !evtrail_frame_intact(bytes + at, &frame) || evtrail_frame_parse_mark(bytes + at, frame.bytes, &mark) ||
            mark.kind != EVTRAIL_MARK_BATCH)
            continue;
        const uint8_t *batch = bytes + at + frame.bytes;
        const size_t left = size - at - frame.bytes;
        if (evtrail_frame_prefix(batch, left, &frame) || frame.bytes > left || !evtrail_frame_intact(batch, &frame) ||
            evtrail_frame_parse_batch(batch, frame.bytes, &header) || frame.bytes + header.compressed_bytes > left ||
            header.checksum != evtrail_crc32c(0, batch + frame.bytes, header.compressed_bytes))
            continue;
        assert_in_range(mark.sequence, 1, BATCHES);
        held->times[mark.sequence]++;
    }
    free(bytes);
}

static struct held look(const char *root, char (*paths)[4096], unsigned room, unsigned *ret_count)
{
    struct held held = {0};
    char command[4200], line[4096];
    unsigned count = 0;
    snprintf(command, sizeof(command), "find '%s' -type f -name '*.evt*' | sort", root);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = 0;
        look_into(&held, line);
        if (count < room)
            memcpy(paths[count++], line, sizeof(line));
    }
    pclose(list);
    for (unsigned i = 1; i <= BATCHES; i++)
        held.twice += held.times[i] > 1;
    *ret_count = count;
    return held;
}

/* ---- damage --------------------------------------------------------------------------------------------------------------- */

/* One bit; two times of three of a mark or a batch's header. */
static void flip(const char *path, uint64_t size)
{
    uint64_t at = next_random(size);
    if (next_random(3)) {
        size_t read;
        uint8_t *bytes = gen_read_file(path, &read);
        while (at + 4 < read && memcmp(bytes + at, "EvtS", 4) && memcmp(bytes + at, "EvtB", 4))
            at++;
        free(bytes);
    }
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (uint8_t)(1 << next_random(8));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void damage(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return; /* removed */
    switch (next_random(4)) {
    case 0:
        assert_int_equal(truncate(path, (off_t)next_random((uint64_t)status.st_size)), 0);
        return;
    case 1:
        assert_int_equal(unlink(path), 0);
        return;
    default:
        flip(path, (uint64_t)status.st_size);
    }
}

static void put_the_rest(const char *root, const struct feed *feed)
{
    struct store *store = open_store(root);
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, feed, 1, "", "a"), 0);
    feeder_put(&feeder, feeder.position + 1, BATCHES);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    store_close(store, store_now_ns() + SECONDS(60));
}

static void one_round(const char *directory, const struct feed *feed, unsigned seed)
{
    static char paths[200][4096];
    char *root = gen_path(directory, "store"), command[4200];
    unsigned count, thrown = 0;
    random_state = seed;
    next_random(2);
    const bool killed = next_random(3) != 0;
    store_and_leave(root, feed, 20 + next_random(35), killed, 20);
    if (next_random(2)) /* started, and killed or ended, without anything that came */
        store_and_leave(root, feed, 0, next_random(2) != 0, 20);
    look(root, paths, 200, &count);
    for (unsigned times = 1 + (unsigned)next_random(2); times; times--)
        damage(paths[next_random(count)]);
    const struct held before = look(root, paths, 200, &count);
    put_the_rest(root, feed);
    const struct held after = look(root, paths, 200, &count);
    for (unsigned i = 1; i <= BATCHES; i++)
        thrown += before.times[i] && !after.times[i];
    if (after.twice || thrown)
        fail_msg("seed %u: %u batches stand twice in the store, %u that were whole are gone\n%s", seed, after.twice,
                 thrown, events);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    free(root);
}

/* The first of these found each batch behind the damage twice, or thrown away. */
static void damaged_by_hand__nothing_twice_and_nothing_whole_thrown_away(void **state)
{
    static const unsigned seeds[] = {707, 1, 2, 6, 7, 12, 19, 22, 43};
    char *directory = gen_directory();
    struct feed feed = feed_make(directory, 3, BATCHES, 600);
    (void)state;
    for (unsigned i = 0; i < sizeof(seeds) / sizeof(*seeds); i++)
        one_round(directory, &feed, seeds[i]);
    for (unsigned seed = 1000; seed < 1020; seed++)
        one_round(directory, &feed, seed);
    free(feed.bytes);
    gen_directory_remove(directory);
}

/* ---- single faults ----------------------------------------------------------------------------------------------------- */

/* The one file of a store with one process, of which all is acknowledged and which nobody closed. */
static char *one_open_file(const char *root, const struct feed *feed, unsigned step)
{
    static char paths[1][4096];
    unsigned count;
    store_and_leave(root, feed, 20, true, step);
    look(root, paths, 1, &count);
    assert_int_equal(count, 1);
    return paths[0];
}

/* Where the n-th mark of a file stands. */
static uint64_t mark_at(const char *path, unsigned n)
{
    size_t size, at = 0;
    uint8_t *bytes = gen_read_file(path, &size);
    for (; at + 4 < size; at++)
        if (!memcmp(bytes + at, "EvtS", 4) && n-- == 0)
            break;
    free(bytes);
    return at;
}

static void change_byte(const char *path, uint64_t at)
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static void a_batch_within_a_file_damaged__it_is_counted_as_lost_and_the_rest_stays(void **state)
{
    char *directory = gen_directory(), *root = gen_path(directory, "store");
    struct evtrail_file_report report;
    char *error = NULL;
    (void)state;
    struct feed feed = feed_make(directory, 1, BATCHES, 100);
    char *path = one_open_file(root, &feed, 2);
    change_byte(path, mark_at(path, 7) + EVTRAIL_MARK_BYTES + 40); /* of the batch's header */
    put_the_rest(root, &feed);
    struct store *store = open_store(root);
    assert_non_null(strstr(events, "within it are damaged"));
    store_close(store, store_now_ns() + SECONDS(60));
    path[strlen(path) - strlen(".00001.evt")] = 0; /* the whole set */
    assert_int_equal(evtrail_file_verify(path, NULL, NULL, &report, &error), 1);
    free(error);
    assert_int_equal(report.batches, BATCHES - 1);
    assert_int_equal(report.events + report.lost[EVTRAIL_CAUSE_torn], feed.events);
    free(feed.bytes);
    free(root);
    gen_directory_remove(directory);
}

static _Atomic bool held_up, all_there;
static _Atomic unsigned commits;

/* What the worker took first is committed, at most one batch; the rest is appended at once, and not committed. */
static int hold_here(const char *point)
{
    while (!strcmp(point, "space") && !atomic_load(&all_there)) {
        atomic_store(&held_up, true);
        usleep(100);
    }
    if (!strcmp(point, "before-sync") && atomic_fetch_add(&commits, 1) == 1)
        raise(SIGKILL);
    return 0;
}

static void append_and_leave(const char *root, const struct feed *feed, uint64_t last)
{
    int status;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *store = open_store(root);
        struct feeder feeder;
        feeder_open(&feeder, store, feed, 1, "", "a");
        store_drain(store, SECONDS(60));
        store_test_point = hold_here;
        feeder_put(&feeder, 1, 1);
        while (!atomic_load(&held_up))
            usleep(100);
        feeder_more(&feeder, 2, last);
        atomic_store(&all_there, true);
        store_drain(store, SECONDS(60));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* As a crash of the machine leaves it: pages of what was not synced yet are on disk, or not. */
static void a_hole_in_what_was_not_acknowledged__is_cut_and_comes_again(void **state)
{
    char *directory = gen_directory(), *root = gen_path(directory, "store");
    (void)state;
    struct feed feed = feed_make(directory, 1, BATCHES, 100);
    unsigned count;
    static char paths[1][4096], *path = paths[0];
    append_and_leave(root, &feed, 20);
    look(root, paths, 1, &count);
    change_byte(path, mark_at(path, 7) + EVTRAIL_MARK_BYTES + 40);
    put_the_rest(root, &feed);
    const struct tree_sum sum = tree_sum(root);
    assert_int_equal(sum.batches, BATCHES);
    assert_int_equal(sum.events, feed.events);
    free(feed.bytes);
    free(root);
    gen_directory_remove(directory);
}

static void closed_files_moved_away__what_was_acknowledged_stays_so(void **state)
{
    char *directory = gen_directory(), *root = gen_path(directory, "store"), command[9000];
    struct feeder feeder;
    (void)state;
    struct feed feed = feed_make(directory, 2, BATCHES, 100);
    store_and_leave(root, &feed, 40, false, 20);
    snprintf(command, sizeof(command), "mv '%s/here' '%s/archive'", root, directory);
    assert_int_equal(system(command), 0);
    struct store *store = open_store(root);
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 40);
    feeder_close(&feeder);
    store_close(store, store_now_ns() + SECONDS(60));
    free(feed.bytes);
    free(root);
    gen_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_by_hand__nothing_twice_and_nothing_whole_thrown_away),
        cmocka_unit_test(a_batch_within_a_file_damaged__it_is_counted_as_lost_and_the_rest_stays),
        cmocka_unit_test(a_hole_in_what_was_not_acknowledged__is_cut_and_comes_again),
        cmocka_unit_test(closed_files_moved_away__what_was_acknowledged_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
