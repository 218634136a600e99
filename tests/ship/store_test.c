/* SPDX-License-Identifier: ISC
 *
 * The store: each batch once, whatever happens in between.
 */
#include "store_feed.h"

#include "layout.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zstd.h>

struct place {
    char *directory, *root;
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    place->directory = gen_directory();
    place->root = gen_path(place->directory, "store");
    *state = place;
    store_test_point = NULL;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    store_test_point = NULL;
    gen_directory_remove(place->directory);
    free(place->root);
    free(place);
    return 0;
}

static char events[4096];

static void note_event(void *context, const struct store_event *event)
{
    (void)context;
    const size_t used = strlen(events);
    snprintf(events + used, sizeof(events) - used, "%s: %s\n", event->path, event->text);
}

static struct store *open_with(const struct place *place, struct store_options options)
{
    struct store *store = NULL;
    char *error = NULL;
    options.root = place->root;
    options.event = note_event;
    options.reserve_bytes = 1;
    options.retry_ns = 50000000;
    events[0] = 0;
    if (store_open(&store, &options, &error) < 0)
        print_error("%s\n", error);
    free(error);
    assert_non_null(store);
    return store;
}

static struct store *open_store(const struct place *place)
{
    return open_with(place, (struct store_options){.no_sync = true});
}

static void close_store(struct store *store)
{
    store_close(store, store_now_ns() + SECONDS(60));
}

static void store__batches_of_several_processes__files_hold_each_once_and_verify(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 3, 60, 2000);
    struct store *store = open_with(place, (struct store_options){.rotate_bytes = 30000});
    struct feeder feeder;
    struct store_stats stats;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 0);
    feeder_put(&feeder, 1, 60);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 60);
    feeder_put(&feeder, 31, 60); /* again */
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    store_stats(store, &stats);
    assert_int_equal(stats.duplicates, 30);
    assert_int_equal(stats.batches, 60);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 60);
    assert_int_equal(sum.events, feed.events);
    assert_true(sum.files > 3);
    assert_int_equal(sum.closed, sum.files);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        assert_int_equal(sum.lost[i], 0);
    free(feed.bytes);
}

static void store__opened_again__goes_on_behind_the_last_batch(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 2, 40, 500);
    struct feeder feeder;
    for (uint64_t done = 0; done < 40; done += 10) {
        struct store *store = open_store(place);
        assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
        assert_int_equal(feeder.position, done);
        feeder_put(&feeder, done + 1, done + 10);
        assert_int_equal(store_drain(store, SECONDS(60)), 0);
        feeder_close(&feeder);
        close_store(store);
    }
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 40);
    assert_int_equal(sum.events, feed.events);
    assert_int_equal(sum.lost[EVTRAIL_CAUSE_torn], 0);
    free(feed.bytes);
}

/* ---- killed ------------------------------------------------------------------------------------------------------------ */

static const char *kill_point;
static unsigned kill_after;

static int kill_here(const char *point)
{
    if (kill_point && !strcmp(point, kill_point) && kill_after-- == 0)
        raise(SIGKILL);
    return 0;
}

static void put_until_killed(const struct place *place, const struct feed *feed, const char *point, unsigned after)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        kill_point = point;
        kill_after = after;
        store_test_point = kill_here;
        struct store *store = open_with(place, (struct store_options){.rotate_bytes = 20000, .no_sync = after % 2});
        struct feeder feeder;
        feeder_open(&feeder, store, feed, 1, "", "a");
        for (uint64_t at = feeder.position + 1; at <= feed->batches; at += 5) {
            feeder_put(&feeder, at, at + 4 < feed->batches ? at + 4 : feed->batches);
            store_drain(store, SECONDS(60));
        }
        feeder_close(&feeder);
        close_store(store);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
}

static void store__killed_at_every_point__stores_each_batch_once(void **state)
{
    const struct place *place = *state;
    static const char *const points[] = {"before-create", "before-append", "after-append", "before-sync",
                                         "after-sync",    "before-close",  "after-close"};
    struct feed feed = feed_make(place->directory, 2, 60, 600);
    for (unsigned i = 0; i < sizeof(points) / sizeof(*points); i++) {
        char command[4200];
        for (unsigned after = 0; after < 3; after++)
            put_until_killed(place, &feed, points[i], after * 2);
        put_until_killed(place, &feed, NULL, 0);
        const struct tree_sum sum = tree_sum(place->root);
        if (sum.batches != 60)
            print_error("at %s\n", points[i]);
        assert_int_equal(sum.batches, 60);
        assert_int_equal(sum.events, feed.events);
        assert_int_equal(sum.lost[EVTRAIL_CAUSE_torn], 0);
        assert_int_equal(sum.closed, sum.files);
        snprintf(command, sizeof(command), "rm -rf '%s'", place->root);
        assert_int_equal(system(command), 0);
    }
    free(feed.bytes);
}

static void store__torn_end__is_cut_and_the_rest_goes_on(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 20, 500);
    put_until_killed(place, &feed, "after-append", 9);
    char command[4200];
    snprintf(command, sizeof(command), "for f in $(find '%s' -name '*.evt'); do truncate -s -7 $f; done", place->root);
    assert_int_equal(system(command), 0);
    struct store *store = open_store(place);
    struct feeder feeder;
    assert_non_null(strstr(events, "behind the last whole batch"));
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_true(feeder.position < 10);
    feeder_put(&feeder, feeder.position + 1, 20);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 20);
    assert_int_equal(sum.events, feed.events);
    free(feed.bytes);
}

/* ---- the disk ----------------------------------------------------------------------------------------------------------- */

static _Atomic int fault_error;
static _Atomic int fault_count;
static const char *fault_point;

static int fault_here(const char *point)
{
    if (strcmp(point, fault_point) || atomic_load(&fault_count) <= 0)
        return 0;
    atomic_fetch_sub(&fault_count, 1);
    return atomic_load(&fault_error);
}

static void fail_at(const char *point, int error, int count)
{
    fault_point = point;
    atomic_store(&fault_error, error);
    atomic_store(&fault_count, count);
    store_test_point = fault_here;
}

static void wait_for_state(struct store *store, enum store_state wanted)
{
    struct store_stats stats;
    for (unsigned i = 0; i < 60000; i++) {
        store_dispatch(store);
        store_stats(store, &stats);
        if (stats.state == wanted)
            return;
        usleep(1000);
    }
    fail_msg("the state is %s", store_state_name(stats.state));
}

static void check_disk_state(const struct place *place, const char *point, int error, enum store_state wanted)
{
    struct feed feed = feed_make(place->directory, 2, 30, 500);
    struct store *store = open_store(place);
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 10);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    fail_at(point, error, 1);
    feeder_put(&feeder, 11, 30);
    wait_for_state(store, wanted);
    assert_int_equal(store_room(store), 0);
    assert_true(feeder.durable < 30);
    for (unsigned i = 0; i < 60000 && !strstr(events, store_state_text(wanted)); i++) {
        store_dispatch(store);
        usleep(1000);
    }
    assert_non_null(strstr(events, store_state_text(wanted)));
    wait_for_state(store, STORE_ok); /* by itself */
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 30);
    assert_true(store_room(store) > 0);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 30);
    assert_int_equal(sum.events, feed.events);
    free(feed.bytes);
}

static void store__disk_full__says_so_and_goes_on_by_itself(void **state)
{
    check_disk_state(*state, "space", -ENOSPC, STORE_full);
}

static void store__read_only__says_so_and_goes_on_by_itself(void **state)
{
    check_disk_state(*state, "before-append", -EROFS, STORE_read_only);
}

static void store__sync_fails__what_was_appended_is_cut_and_appended_again(void **state)
{
    check_disk_state(*state, "before-sync", -EIO, STORE_failed);
}

/* ---- who, where ----------------------------------------------------------------------------------------------------------- */

static void store__another_peer__does_not_get_the_stream(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 4, 200);
    struct feeder first, second, third;
    struct store *store = open_store(place);
    assert_int_equal(feeder_open(&first, store, &feed, 1, "uid:1000", "a"), 0);
    assert_int_equal(feeder_open(&second, store, &feed, 1, "uid:1001", "a"), -EPERM);
    assert_int_equal(feeder_open(&second, store, &feed, 1, "", "a"), -EPERM);
    assert_int_equal(feeder_open(&second, store, &feed, 2, "", "a"), 0);
    assert_int_equal(feeder_open(&third, store, &feed, 2, "", "b"), -EBUSY);
    feeder_put(&first, 1, 2);
    assert_int_equal(feeder_open(&third, store, &feed, 1, "uid:1000", "b"), 0); /* her connection is half open */
    store_dispatch(store);
    assert_true(first.taken);
    feeder_close(&first);
    feeder_put(&third, 1, 4);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(third.durable, 4);
    feeder_close(&third);
    feeder_close(&second);
    close_store(store);
    store = open_store(place); /* it is written with the batches */
    assert_int_equal(feeder_open(&second, store, &feed, 1, "uid:1001", "a"), -EPERM);
    assert_int_equal(feeder_open(&second, store, &feed, 1, "uid:1000", "a"), 0);
    assert_int_equal(second.position, 4);
    feeder_close(&second);
    close_store(store);
    assert_int_equal(tree_sum(place->root).batches, 4);
    free(feed.bytes);
}

static void names__of_liars__stay_below_the_root(void **state)
{
    char name[STORE_NAME_BYTES + 1], set[STORE_PATH_BYTES];
    const uint8_t stream[WIRE_STREAM_ID_BYTES] = {1, 2, 3};
    uint8_t parsed[WIRE_STREAM_ID_BYTES];
    uint64_t session;
    uint32_t part;
    (void)state;
    static const char *const cases[][2] = {{"../../etc/passwd", "_._.._etc_passwd"},
                                           {"..", "_."},
                                           {"", "unknown"},
                                           {".hidden", "_hidden"},
                                           {"-rf", "_rf"},
                                           {"a\nb\033[31m", "a_b__31m"},
                                           {"web1.example.org", "web1.example.org"},
                                           {"/", "unknown"},
                                           {"\xc3\xa9", "unknown"}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        store_name(name, cases[i][0], "unknown");
        if (i == 0)
            assert_null(strchr(name, '/'));
        else
            assert_string_equal(name, cases[i][1]);
    }
    struct evtrail_source_frame source = {.session_id = 7, .pid = 12, .start_realtime_ns = 1700000000000000001};
    memset(source.host, 'h', 64);
    memset(source.program, 'p', 512);
    store_set_name(set, &source, stream);
    assert_non_null(strstr(set, "/20231114T221320.000000001Z-12/0000000000000007-0102030000"));
    strcat(set, ".00012.evt");
    assert_true(store_parse_name(strrchr(set, '/') + 1, parsed, &session, &part));
    assert_int_equal(session, 7);
    assert_int_equal(part, 12);
    assert_memory_equal(parsed, stream, sizeof(stream));
    assert_false(store_parse_name("x", parsed, &session, &part));
    assert_false(
        store_parse_name("0000000000000007-01020300000000000000000000000000.00000.evt", parsed, &session, &part));
}

static void store__more_processes_than_descriptors__few_files_are_open(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 40, 160, 100);
    struct store *store = open_with(place, (struct store_options){.open_files = 4, .no_sync = true});
    struct feeder feeder;
    struct store_stats stats;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 160);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    store_stats(store, &stats);
    assert_true(stats.open_files <= 4);
    assert_int_equal(stats.sources, 40);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 160);
    assert_int_equal(sum.files, 40);
    free(feed.bytes);
}

/* Streams that only say what will not come, or declare processes, and never bring a batch. */
static void store__streams_without_a_file__are_forgotten(void **state)
{
    enum { STREAMS = 300 };
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 4, 100);
    struct store *store = open_with(place, (struct store_options){.no_sync = true, .idle_ns = 1});
    const struct wire_gap gap = {.last = 6, .cause = WIRE_GAP_oldest};
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, &feed, STREAMS, "", "a"), 0);
    feeder_put(&feeder, 1, 4);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(feeder_open(&feeder, store, &feed, i, "", "a"), 0);
        if (i % 2)
            assert_int_equal(store_gap(feeder.stream, 1, &gap), 0);
        else
            feeder_put(&feeder, 5, 4); /* frames alone */
        assert_int_equal(store_drain(store, SECONDS(60)), 0);
        assert_int_equal(feeder.durable, i % 2 ? 6 : 0);
        feeder_close(&feeder);
    }
    for (unsigned i = 0; i < 60000 && store->table_count > 1; i++) {
        store_dispatch(store);
        usleep(1000);
    }
    assert_int_equal(store->table_count, 1);
    assert_int_equal(feeder_open(&feeder, store, &feed, STREAMS, "", "a"), 0);
    assert_int_equal(feeder.position, 4);
    feeder_close(&feeder);
    close_store(store);
    free(feed.bytes);
}

/* ---- retention ------------------------------------------------------------------------------------------------------------ */

static void store__beyond_its_limits__deletes_the_oldest_closed_files_and_keeps_positions(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 60, 1000);
    struct store *store =
        open_with(place, (struct store_options){.rotate_bytes = 10000, .no_sync = true, .keep = {.files = 3}});
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 60);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    struct tree_sum sum = tree_sum(place->root);
    assert_true(sum.files <= 4 && sum.files >= 3);
    assert_true(sum.batches < 60);
    feeder_close(&feeder);
    close_store(store);
    store = open_with(place, (struct store_options){.no_sync = true, .keep = {.age_ns = 1}}); /* now all */
    for (unsigned i = 0; i < 60000 && tree_sum(place->root).files; i++)
        usleep(10000);
    assert_int_equal(tree_sum(place->root).files, 0);
    close_store(store);
    store = open_store(place);
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 60);
    feeder_close(&feeder);
    close_store(store);
    free(feed.bytes);
}

/* What the next part needs to say again stands in the one before. */
static void store__limits_below_one_file__delete_it_and_the_next_goes_on(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 2, 60, 1000);
    struct store *store =
        open_with(place, (struct store_options){.rotate_bytes = 10000, .no_sync = true, .keep = {.bytes = 1}});
    struct feeder feeder;
    struct store_stats stats;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 60);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    store_stats(store, &stats);
    assert_int_equal(stats.state, STORE_ok);
    assert_int_equal(feeder.durable, 60);
    assert_true(stats.deleted_files > 4);
    assert_int_equal(tree_sum(place->root).files, 2); /* those that grow */
    feeder_close(&feeder);
    close_store(store);
    free(feed.bytes);
}

/* A process has ended, its file is closed, somebody deletes that, and more of the process comes. */
static void store__a_file_deleted_that_is_needed__the_stream_is_asked_for_again(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 10, 400);
    struct store *store = open_store(place);
    struct feeder feeder;
    struct store_stats stats;
    struct evtrail_frame frame;
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    const struct evtrail_clock_frame gone = {
        .ticks = GEN_START_TICKS + 1, .realtime_ns = GEN_START_NS + 1, .flags = EVTRAIL_CLOCK_GONE};
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 4);
    assert_null(evtrail_frame_prefix(out, evtrail_frame_put_clock(out, &gone), &frame));
    assert_int_equal(store_frame(feeder.stream, &frame, out), 0);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    for (unsigned i = 0; i < 6000 && !tree_sum(place->root).closed; i++)
        usleep(10000);
    assert_int_equal(unlink(tree_sum(place->root).path), 0);
    feeder_more(&feeder, 5, 8);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    store_stats(store, &stats);
    assert_int_equal(stats.state, STORE_ok);
    assert_true(feeder.astray);
    assert_int_equal(feeder.durable, 4);
    feeder_close(&feeder);
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 4);
    feeder_put(&feeder, 5, 10);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 10);
    assert_false(feeder.astray);
    feeder_close(&feeder);
    close_store(store);
    assert_int_equal(tree_sum(place->root).batches, 6);
    free(feed.bytes);
}

static bool move_first(const char *path, const char *to)
{
    DIR *const entries = opendir(path);
    bool moved = false;
    for (struct dirent *entry; entries && !moved && (entry = readdir(entries));) {
        char below[600];
        struct stat status;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || lstat(below, &status) < 0)
            continue;
        moved = S_ISDIR(status.st_mode) ? move_first(below, to) : strstr(below, ".00001.evt") && rename(below, to) == 0;
    }
    if (entries)
        closedir(entries);
    return moved;
}

static void store__a_file_is_moved_away__counts_no_longer_and_none_is_deleted_for_it(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 40, 1000);
    struct store *store = open_with(place, (struct store_options){.rotate_bytes = 20000, .no_sync = true});
    struct feeder feeder;
    struct store_stats stats, before;
    char *const away = gen_path(place->directory, "away.evt");
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 40);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    const struct tree_sum sum = tree_sum(place->root);
    store_stats(store, &before);
    assert_int_equal(before.tree_files, sum.files);
    assert_true(sum.files > 2);
    assert_true(move_first(place->root, away));
    for (unsigned i = 0; i < 6000; i++) {
        store_stats(store, &stats);
        if (stats.tree_files < before.tree_files)
            break;
        usleep(10000);
    }
    assert_int_equal(stats.tree_files, sum.files - 1);
    assert_true(stats.tree_bytes < before.tree_bytes);
    store_dispatch(store);
    assert_non_null(strstr(events, "moved away"));
    const struct store_options limit = {.rotate_bytes = 20000, .keep = {.files = sum.files - 1}, .reserve_bytes = 1};
    store_configure(store, &limit);
    usleep(200000); /* some looks at the limits, which nothing is beyond */
    store_stats(store, &stats);
    assert_int_equal(stats.deleted_files, 0);
    close_store(store);
    assert_int_equal(tree_sum(place->root).files, sum.files - 1);
    unlink(away);
    free(away);
    free(feed.bytes);
}

static void store__limits_of_one_process__leave_the_others_alone(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 2, 60, 1000);
    struct store *store =
        open_with(place, (struct store_options){.rotate_bytes = 10000, .no_sync = true, .source = {.files = 2}});
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 60);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.files, 4);
    assert_int_equal(sum.closed, 4);
    free(feed.bytes);
}

static void store__more_types_than_memory__are_left_out_and_counted(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 4, 200);
    struct store *store = open_with(place, (struct store_options){.no_sync = true, .queue_bytes = 1 << 18});
    struct feeder feeder;
    uint8_t *out = calloc(1, 1 << 16);
    struct store_stats stats;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 1);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    for (uint64_t i = 0; i < 400; i++) { /* entries that are all new */
        const size_t entries = 60000 / 16;
        for (size_t e = 0; e < entries; e++) {
            const struct evtrail_meta_header head = {.bytes = 16, .kind = 77};
            const uint64_t value = i * entries + e;
            memcpy(out + EVTRAIL_SCHEMA_HEAD + e * 16, &head, sizeof(head));
            memcpy(out + EVTRAIL_SCHEMA_HEAD + e * 16 + 8, &value, 8);
        }
        const struct evtrail_frame frame = {EVTRAIL_MAGIC_OTHER, EVTRAIL_TAG_SCHEMA,
                                            (uint32_t)evtrail_frame_put_schema(out, 0, entries * 16)};
        assert_int_equal(store_frame(feeder.stream, &frame, out), 0);
        assert_int_equal(store_drain(store, SECONDS(60)), 0);
    }
    assert_true(store->held < 8 << 20);
    for (unsigned i = 0; i < 60000 && !strstr(events, "more event types and rings"); i++) {
        store_dispatch(store);
        usleep(1000);
    }
    assert_non_null(strstr(events, "more event types and rings"));
    feeder_put(&feeder, 2, 4);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 4);
    store_stats(store, &stats);
    assert_true(stats.lost_events > 0);
    feeder_close(&feeder);
    close_store(store);
    free(out);
    free(feed.bytes);
}

static void store__garbage_in_the_tree__is_set_aside_and_named(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 5, 200);
    struct store *store = open_store(place);
    struct feeder feeder;
    struct store_stats stats;
    char command[9000];
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 5);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    snprintf(command, sizeof(command),
             "d=$(dirname '%s'); echo no trace > $d/0000000000000001-%032d.00001.evt; echo x > $d/notes.evt; echo y > "
             "'%s'/loose.evt",
             sum.path, 7, place->root);
    assert_int_equal(system(command), 0);
    store = open_store(place);
    store_stats(store, &stats);
    assert_int_equal(stats.set_aside, 3);
    assert_non_null(strstr(events, "notes.evt.garbage-1"));
    assert_non_null(strstr(events, "set aside"));
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 5);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum after = tree_sum(place->root);
    assert_int_equal(after.garbage, 3);
    assert_int_equal(after.batches, 5);
    free(feed.bytes);
}

/* ---- gaps ------------------------------------------------------------------------------------------------------------------- */

static void store__gap__the_stored_stream_tells_the_loss_once(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 10, 400);
    struct store *store = open_store(place);
    struct feeder feeder;
    static uint8_t out[WIRE_GAP_ROOM];
    const struct wire_gap_entry entry = {.source = 0, .ring = 3, .cause = WIRE_GAP_oldest, .events = 1000};
    const struct wire_gap made = {.last = 6, .cause = WIRE_GAP_oldest, .count = 1, .entries = &entry};
    struct wire_gap gap;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 4);
    const size_t bytes = wire_put_gap(out, 0, 5, &made);
    assert_null(wire_parse_gap(out + WIRE_HEADER_BYTES, bytes - WIRE_HEADER_BYTES, 5, &gap));
    assert_int_equal(store_gap(feeder.stream, 5, &gap), 0);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 6);
    assert_int_equal(store_gap(feeder.stream, 5, &gap), 0); /* again */
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 4);
    assert_int_equal(sum.lost[EVTRAIL_CAUSE_spool], 1000);
    assert_int_equal(sum.lost[EVTRAIL_CAUSE_torn], 0);
    store = open_store(place);
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 6);
    feeder_close(&feeder);
    close_store(store);
    free(feed.bytes);
}

static void store__gap_of_what_another_collector_has__is_no_loss(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 2, 10, 400);
    struct store *store = open_store(place);
    struct feeder feeder;
    static uint8_t out[WIRE_GAP_ROOM];
    const struct wire_gap made = {.last = 6, .cause = WIRE_GAP_elsewhere};
    struct wire_gap gap;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 3);
    const size_t bytes = wire_put_gap(out, 0, 4, &made);
    assert_null(wire_parse_gap(out + WIRE_HEADER_BYTES, bytes - WIRE_HEADER_BYTES, 4, &gap));
    assert_int_equal(store_gap(feeder.stream, 4, &gap), 0);
    feeder_put(&feeder, 7, 10);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 10);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 7);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        assert_int_equal(sum.lost[i], 0);
    free(feed.bytes);
}

static void
store__a_batch_of_which_nothing_is_known_is_missing__its_events_are_lost_and_no_file_is_damaged(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 10, 400);
    struct store *store = open_store(place);
    struct feeder feeder;
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    feeder_put(&feeder, 1, 3);
    assert_int_equal(store_missing(feeder.stream, 4, NULL), 0);
    feeder_put(&feeder, 5, 7);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    feeder_close(&feeder);
    close_store(store);
    store = open_store(place); /* and where a file was read again */
    assert_int_equal(feeder_open(&feeder, store, &feed, 1, "", "a"), 0);
    assert_int_equal(feeder.position, 7);
    assert_int_equal(store_missing(feeder.stream, 8, NULL), 0);
    feeder_put(&feeder, 9, 10);
    assert_int_equal(store_drain(store, SECONDS(60)), 0);
    assert_int_equal(feeder.durable, 10);
    feeder_close(&feeder);
    close_store(store);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 8);
    assert_int_equal(sum.lost[EVTRAIL_CAUSE_torn], sum.events / 4); /* all batches are alike */
    free(feed.bytes);
}

/* ---- looking into batches ----------------------------------------------------------------------------------------------------- */

static void checker__every_byte_of_a_batch_changed__none_passes_or_all_is_bounded(void **state)
{
    const struct place *place = *state;
    struct feed feed = feed_make(place->directory, 1, 1, 200);
    struct store_checker *checker;
    struct evtrail_frame frame;
    uint64_t lost_after[EVTRAIL_CAUSES];
    struct ship_batch batch = {0};
    size_t at = 0;
    for (;; at += frame.bytes) {
        assert_null(evtrail_frame_prefix(feed.bytes + at, feed.size - at, &frame));
        if (frame.magic == EVTRAIL_MAGIC_BATCH)
            break;
    }
    assert_null(evtrail_frame_parse_batch(feed.bytes + at, frame.bytes, &batch.header));
    batch.compressed = feed.bytes + at + frame.bytes;
    assert_int_equal(store_checker_new(&checker), 0);
    assert_null(store_checker_batch(checker, &batch, lost_after));
    for (uint32_t i = 0; i < batch.header.compressed_bytes; i++) {
        uint8_t *byte = feed.bytes + at + frame.bytes + i;
        *byte ^= 0x10;
        assert_non_null(store_checker_batch(checker, &batch, lost_after));
        batch.header.checksum = 0; /* a liar's: zstd's own finds it */
        store_checker_batch(checker, &batch, lost_after);
        *byte ^= 0x10;
        assert_null(evtrail_frame_parse_batch(feed.bytes + at, frame.bytes, &batch.header));
    }
    batch.header.content_bytes = 1 << 20; /* another size than the frame has */
    assert_non_null(store_checker_batch(checker, &batch, lost_after));
    assert_null(evtrail_frame_parse_batch(feed.bytes + at, frame.bytes, &batch.header));
    batch.header.chunk.events++;
    assert_non_null(store_checker_batch(checker, &batch, lost_after));
    store_checker_free(checker);
    free(feed.bytes);
}

static void checker__a_frame_of_very_many_blocks__is_refused_and_no_compressors_is(void **state)
{
    enum { CONTENT = 1400000 };
    static uint8_t out[2 << 20], content[CONTENT];
    static const int levels[] = {1, 3, 9, 19, 22};
    struct store_checker *checker;
    uint64_t lost_after[EVTRAIL_CAUSES], seed = 1;
    struct ship_batch batch = {.compressed = out};
    (void)state;
    assert_int_equal(store_checker_new(&checker), 0);
    batch.header.compressed_bytes = (uint32_t)costly_zstd_frame(out, 100000, &batch.header.content_bytes);
    batch.header.chunk.words_count = 1000;
    assert_non_null(strstr(store_checker_batch(checker, &batch, lost_after), "far more blocks"));
    batch.header.compressed_bytes = (uint32_t)costly_zstd_frame(out, 30, &batch.header.content_bytes);
    assert_null(strstr(store_checker_batch(checker, &batch, lost_after), "blocks")); /* whatever else */
    for (size_t i = 0; i < CONTENT; i++) {                                           /* much is said again, in pieces */
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        content[i] =
            i > 5000 && seed >> 62 ? content[i - 1 - (seed >> 33) % (i & 1 ? 30 : 5000)] : (uint8_t)(seed >> 58);
    }
    for (unsigned i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        const size_t n = ZSTD_compress(out, sizeof(out), content, CONTENT / (i > 2 ? 4 : 1), levels[i]);
        assert_false(ZSTD_isError(n));
        batch.header.compressed_bytes = (uint32_t)n;
        batch.header.content_bytes = CONTENT / (i > 2 ? 4 : 1);
        assert_null(strstr(store_checker_batch(checker, &batch, lost_after), "blocks"));
    }
    store_checker_free(checker);
}

static void store__opened_twice__the_second_is_told_why(void **state)
{
    const struct place *place = *state;
    struct store *store = open_store(place), *second = NULL;
    char *error = NULL;
    const struct store_options options = {.root = place->root};
    assert_int_equal(store_open(&second, &options, &error), -EBUSY);
    assert_non_null(strstr(error, "another collector"));
    free(error);
    error = NULL;
    assert_int_equal(store_check(&options, &error), -EBUSY);
    free(error);
    close_store(store);
    assert_int_equal(store_check(&options, NULL), 0);
}

/* One that describes more processes than there are places leaves places for others; what it has beyond is not acknowledged. */
static void store__more_processes_than_are_taken__others_have_places_and_nothing_is_acknowledged_unstored(void **state)
{
    struct place *const place = *state;
    struct store *const store = open_with(place, (struct store_options){.sources = 8});
    struct feed many = feed_make(place->directory, 6, 6, 500), few = feed_make(place->directory, 2, 4, 500);
    struct feeder greedy, modest;
    assert_int_equal(feeder_open(&greedy, store, &many, 1, "", "10.0.0.1"), 0);
    assert_int_equal(feeder_open(&modest, store, &few, 2, "", "10.0.0.2"), 0);
    feeder_put(&greedy, 1, 6);
    store_drain(store, SECONDS(60));
    feeder_put(&modest, 1, 4);
    store_drain(store, SECONDS(60));
    assert_int_equal(modest.durable, 4);
    assert_false(modest.astray);
    assert_true(greedy.astray);
    assert_true(greedy.durable <= 4);
    assert_non_null(strstr(events, "more processes at once than are taken"));
    feeder_close(&greedy);
    feeder_close(&modest);
    store_close(store, 0);
    const struct tree_sum sum = tree_sum(place->root);
    assert_int_equal(sum.batches, 8);
    free(many.bytes);
    free(few.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(store__batches_of_several_processes__files_hold_each_once_and_verify),
        TEST(store__opened_again__goes_on_behind_the_last_batch),
        TEST(store__killed_at_every_point__stores_each_batch_once),
        TEST(store__torn_end__is_cut_and_the_rest_goes_on),
        TEST(store__disk_full__says_so_and_goes_on_by_itself),
        TEST(store__read_only__says_so_and_goes_on_by_itself),
        TEST(store__sync_fails__what_was_appended_is_cut_and_appended_again),
        TEST(store__another_peer__does_not_get_the_stream),
        TEST(names__of_liars__stay_below_the_root),
        TEST(store__more_processes_than_descriptors__few_files_are_open),
        TEST(store__more_processes_than_are_taken__others_have_places_and_nothing_is_acknowledged_unstored),
        TEST(store__streams_without_a_file__are_forgotten),
        TEST(store__beyond_its_limits__deletes_the_oldest_closed_files_and_keeps_positions),
        TEST(store__limits_below_one_file__delete_it_and_the_next_goes_on),
        TEST(store__a_file_deleted_that_is_needed__the_stream_is_asked_for_again),
        TEST(store__a_file_is_moved_away__counts_no_longer_and_none_is_deleted_for_it),
        TEST(store__limits_of_one_process__leave_the_others_alone),
        TEST(store__more_types_than_memory__are_left_out_and_counted),
        TEST(store__garbage_in_the_tree__is_set_aside_and_named),
        TEST(store__gap__the_stored_stream_tells_the_loss_once),
        TEST(store__gap_of_what_another_collector_has__is_no_loss),
        TEST(store__a_batch_of_which_nothing_is_known_is_missing__its_events_are_lost_and_no_file_is_damaged),
        TEST(checker__every_byte_of_a_batch_changed__none_passes_or_all_is_bounded),
        TEST(checker__a_frame_of_very_many_blocks__is_refused_and_no_compressors_is),
        TEST(store__opened_twice__the_second_is_told_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
