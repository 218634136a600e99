/* SPDX-License-Identifier: ISC
 *
 * The spool alone: order, acknowledgements, restarts, caps and policies, damage, refusals, a disk that is full. Each ends with the account: what was emitted is
 * stored or counted, nothing twice.
 */
#include "spool_rig.h"

#include "ship/spool_private.h"

#include <sys/resource.h>
#include <sys/wait.h>

static struct rig rig;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    spool_close(rig.spool);
    rig.spool = NULL;
    rig_fini(&rig);
    return 0;
}

static void fill(unsigned rounds, uint64_t count)
{
    for (unsigned i = 0; i < rounds; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, count), 0);
}

static unsigned files_like(const char *directory, const char *part)
{
    unsigned count = 0;
    DIR *const stream = opendir(directory);
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        count += strstr(entry->d_name, part) != NULL;
    if (stream)
        closedir(stream);
    return count;
}

static void newest_segment(char path[400], unsigned back)
{
    char **paths;
    const int count = evtrail_file_list(rig.directory, &paths);
    assert_true(count > (int)back);
    snprintf(path, 400, "%s", paths[count - 1 - (int)back]);
    evtrail_file_list_free(paths);
}

/* ---- order and acknowledgement ---- */

static void ship__all_is_stored_once_in_order_and_segments_go(void **state)
{
    (void)state;
    rig.options.no_uring = false;
    rig_open(&rig);
    fill(120, 3000);
    struct spool_stats stats;
    assert_int_equal(spool_flush(rig.spool), 0);
    spool_stats(rig.spool, &stats);
    assert_true(stats.segments > 3);
    assert_int_equal(stats.written_events, 120 * 3000);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
    spool_stats(rig.spool, &stats);
    assert_true(stats.segments <= 1);
    assert_int_equal(stats.first, stats.next);
    assert_int_equal(stats.acked_events, 120 * 3000);
    assert_int_equal(stats.unacked_events, 0);
}

static void spool__is_read_by_the_tools_as_one_set(void **state)
{
    (void)state;
    rig_open(&rig);
    fill(60, 3000);
    rig_close(&rig);
    const struct rig_sum sum = rig_sum_of(&rig, rig.directory);
    assert_int_equal(sum.events[0] + sum.events[1] + sum.events[2], 60 * 3000);
    assert_int_equal(sum.lost[0] + sum.lost[1] + sum.lost[2], 0);
}

static void restart__sequences_go_on_and_rings_that_are_read_again_are_left_out(void **state)
{
    (void)state;
    rig_open(&rig);
    fill(40, 2000);
    rig_drain(&rig);
    fill(20, 2000);
    const uint64_t emitted[RIG_RINGS] = {rig.emitted[0], rig.emitted[1], rig.emitted[2]};
    struct spool_stats before, after;
    spool_stats(rig.spool, &before);
    rig_close(&rig);
    rig_open(&rig);
    spool_stats(rig.spool, &after);
    assert_memory_equal(before.id, after.id, sizeof before.id);
    assert_true(after.next >= before.next);
    for (unsigned ring = 0; ring < RIG_RINGS; ring++) { /* the whole ring, and more: in other pieces */
        for (uint64_t at = 0; at < emitted[ring] + 5000; at += 2777) {
            const struct evtrail_chunk chunk = rig_chunk(&rig, ring, at, 2777);
            assert_int_equal(spool_write(rig.spool, &chunk), 0);
            rig.emitted[ring] = at + 2777;
        }
    }
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

static void resume__the_collector_says_where(void **state)
{
    (void)state;
    rig_open(&rig);
    fill(30, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_true(rig_ship(&rig, 10, false) == 10);
    spool_link_lost(rig.spool);
    spool_opened(rig.spool, 0, rig.stored + 1); /* it had them all */
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

/* A known fault: the shipper reads what is in the segment, be it counted by the writer or not yet; what was acknowledged before it was counted
 * stayed unacknowledged, and a drain waited for it in vain. */
static void acknowledged__before_the_writer_counts_it__stays_acknowledged(void **state)
{
    struct spool_stats stats;
    (void)state;
    rig_open(&rig);
    fill(30, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_true(rig_ship(&rig, UINT64_MAX, false) > 1);
    rig.spool->next--; /* as long as the writer has not looked */
    rig.spool->segments[rig.spool->segments_count - 1].next--;
    spool_acked(rig.spool, 0, rig.stored);
    assert_int_equal(spool_acked_now(rig.spool, 0), rig.stored); /* also should it be killed now */
    assert_int_equal(spool_flush(rig.spool), 0);
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.unacked_batches, 0);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

/* A known fault: they were sent to the next collector as well, so that both had them. */
static void acknowledged__another_collector_is_told_elsewhere(void **state)
{
    struct ship_unit unit;
    (void)state;
    rig_open(&rig);
    fill(30, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    const uint64_t count = rig_ship(&rig, 10, true);
    rig_close(&rig); /* it is known after a restart, too */
    rig_open(&rig);
    assert_true(files_like(rig.directory, "spool-") > 0);
    spool_opened(rig.spool, 0, 1); /* this one has nothing yet */
    assert_int_equal(spool_fetch(rig.spool, 0, 1, &unit), 1);
    assert_int_equal(unit.kind, SHIP_UNIT_GAP);
    assert_int_equal(unit.gap.cause, WIRE_GAP_elsewhere);
    assert_int_equal(unit.gap.last, count);
    spool_link_lost(rig.spool);
    spool_opened(rig.spool, 0, rig.stored + 1);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

static void two_senders__the_second_is_told_who_has_it(void **state)
{
    (void)state;
    char *error = NULL;
    struct spool *other;
    rig_open(&rig);
    /* another descriptor of the lock is another sender's */
    assert_int_equal(spool_open(&other, rig.directory, &rig.options, &error), -EBUSY);
    assert_non_null(strstr(error, "another evtrail send"));
    free(error);
    assert_int_equal(spool_check(rig.directory, &rig.options, &error), -EBUSY);
    free(error);
}

/* ---- damage ---- */

static void truncated__every_length_of_the_last_segment_goes_on(void **state)
{
    (void)state;
    char path[400];
    rig_open(&rig);
    fill(9, 40);
    assert_int_equal(spool_flush(rig.spool), 0);
    spool_abandon(rig.spool);
    rig.spool = NULL;
    newest_segment(path, 0);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    uint8_t *const whole = malloc((size_t)status.st_size);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, whole, (size_t)status.st_size), status.st_size);
    close(fd);
    const uint64_t emitted[RIG_RINGS] = {rig.emitted[0], rig.emitted[1], rig.emitted[2]};
    for (off_t size = status.st_size; size >= 0; size -= size > 300 ? 83 : 23) {
        rig_remove(rig.directory);
        assert_int_equal(mkdir(rig.directory, 0700), 0);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, whole, (size_t)size), size);
        close(fd);
        assert_int_equal(ftruncate(rig.store_fd, 0), 0);
        rig.stored = 0;
        rig_open(&rig);
        memset(rig.emitted, 0, sizeof rig.emitted);
        for (unsigned ring = 0; ring < RIG_RINGS; ring++)
            assert_int_equal(rig_emit(&rig, ring, emitted[ring] + 10), 0); /* the rings still have it all */
        rig_drain(&rig);
        assert_int_equal(rig_check(&rig), 0);
        rig_close(&rig);
    }
    free(whole);
}

static void flipped__each_costs_what_it_hit_and_is_counted(void **state)
{
    (void)state;
    char path[400];
    rig_open(&rig);
    fill(30, 1500);
    rig_close(&rig);
    newest_segment(path, 0);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    const off_t step = status.st_size / 61 + 1;
    const uint64_t emitted[RIG_RINGS] = {rig.emitted[0], rig.emitted[1], rig.emitted[2]};
    uint64_t told = 0;
    for (off_t at = 3; at < status.st_size; at += step) {
        uint8_t byte;
        const int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        char copy[600], command[1400];
        snprintf(copy, sizeof copy, "%s/copy", rig.base);
        snprintf(command, sizeof command, "rm -rf '%s' && cp -a '%s' '%s'", copy, rig.directory, copy);
        assert_int_equal(system(command), 0);
        struct rig other = rig;
        snprintf(other.directory, sizeof other.directory, "%s/copy", rig.base);
        other.options.context = &other;
        other.stored = 0;
        memcpy(other.emitted, emitted, sizeof emitted);
        assert_int_equal(ftruncate(rig.store_fd, 0), 0);
        rig_open(&other);
        for (unsigned ring = 0; ring < RIG_RINGS; ring++)
            assert_int_equal(rig_emit(&other, ring, 10), 0); /* shows what is missing before it */
        rig_drain(&other);
        told += rig_check(&other);
        rig_close(&other);
        const int back = open(path, O_RDWR);
        byte ^= 0x10;
        assert_int_equal(pwrite(back, &byte, 1, at), 1);
        close(back);
    }
    assert_true(told > 0);
}

static void garbage__is_set_aside_and_the_rest_goes_on(void **state)
{
    (void)state;
    char path[400];
    rig_open(&rig);
    fill(10, 1000);
    rig_close(&rig);
    snprintf(path, sizeof path, "%s/spool-000000.000900000.evt", rig.directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(write(fd, "no trace", 8), 8);
    close(fd);
    snprintf(path, sizeof path, "%s/stream", rig.directory);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "what", 4), 4);
    close(fd);
    snprintf(path, sizeof path, "%s/rings", rig.directory);
    fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_int_equal(write(fd, "what", 4), 4);
    close(fd);
    rig_open(&rig);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.aside_files, 3);
    snprintf(path, sizeof path, "%s/aside", rig.directory);
    assert_int_equal(files_like(path, "spool-"), 1);
    assert_int_equal(rig_emit(&rig, 0, 10), 0);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

static void counters_lost__no_number_is_used_twice(void **state)
{
    (void)state;
    char path[400];
    rig_open(&rig);
    fill(10, 1000);
    rig_drain(&rig);
    const uint64_t stored = rig.stored;
    rig_close(&rig);
    snprintf(path, sizeof path, "%s/state", rig.directory);
    assert_int_equal(unlink(path), 0);
    rig_open(&rig);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_true(stats.next > stored);
    fill(10, 1000);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 0);
}

/* ---- caps ---- */

static void policies(const char *text)
{
    assert_int_equal(spool_policies_parse(text, rig.options.policies, NULL), 0);
    rig.options.max_bytes = 4 << 20;
    rig.options.segment_bytes = 256 << 10;
}

static void policies__are_parsed(void **state)
{
    (void)state;
    uint8_t p[SPOOL_LEVELS];
    char *error = NULL;
    assert_int_equal(spool_policies_parse("error=block,debug=drop-newest", p, NULL), 0);
    const uint8_t want[] = {SPOOL_block, SPOOL_block,       SPOOL_block,      SPOOL_block,
                            SPOOL_block, SPOOL_drop_newest, SPOOL_drop_newest};
    assert_memory_equal(p, want, sizeof want);
    assert_int_equal(spool_policies_parse("drop-oldest", p, NULL), 0);
    assert_int_equal(p[1], SPOOL_drop_oldest);
    assert_int_equal(p[6], SPOOL_drop_oldest);
    assert_int_equal(spool_policies_parse("warning=drop-oldest,trace=drop-newest", p, NULL), 0);
    assert_int_equal(p[2], SPOOL_block);
    assert_int_equal(p[5], SPOOL_drop_oldest);
    assert_int_equal(p[6], SPOOL_drop_newest);
    assert_int_equal(spool_policies_parse("critical=drop-oldest,error=block", p, NULL), 0);
    assert_int_equal(p[1], SPOOL_drop_oldest);
    assert_int_equal(spool_policies_parse("fatal=drop-newest", p, NULL), 0); /* as it was called once */
    assert_int_equal(p[1], SPOOL_drop_newest);
    static const char *const wrong[] = {"drop",  "error=drop", "bug=block", "block,block", "error=block,error=block",
                                        "=block"};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(spool_policies_parse(wrong[i], p, &error), -EINVAL);
        assert_non_null(error);
        free(error);
        error = NULL;
    }
}

static void full_block__nothing_is_taken_until_there_is_room(void **state)
{
    (void)state;
    policies("block");
    rig_open(&rig);
    int r = 0;
    for (unsigned i = 0; i < 3000 && r == 0; i++)
        r = rig_emit(&rig, 0, 3000);
    assert_int_equal(r, -EAGAIN);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.state, SPOOL_STATE_full);
    assert_true(stats.blocked);
    assert_true(stats.bytes <= rig.options.max_bytes);
    assert_non_null(strstr(rig.last_note, "full"));
    rig_drain(&rig);
    assert_int_equal(rig_emit(&rig, 0, 3000), 0);
    rig_drain(&rig);
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.state, SPOOL_STATE_ok);
    assert_int_equal(rig_check(&rig), 0);
}

static uint64_t dropped_by(const struct spool_stats *stats, unsigned cause)
{
    uint64_t sum = 0;
    for (unsigned level = 0; level < SPOOL_LEVELS; level++)
        sum += stats->dropped[cause][level];
    return sum;
}

static void full_drop_newest__is_counted_and_told(void **state)
{
    (void)state;
    policies("drop-newest");
    rig_open(&rig);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, 3000), 0);
    rig_drain(&rig);
    for (unsigned ring = 0; ring < RIG_RINGS; ring++)
        assert_int_equal(rig_emit(&rig, ring, 100), 0);
    rig_drain(&rig);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    const uint64_t lost = rig_check(&rig);
    assert_true(lost > 0);
    assert_int_equal(lost, dropped_by(&stats, WIRE_GAP_newest));
    assert_true(stats.dropped[WIRE_GAP_newest][5] > 0);
}

static void full_drop_newest__the_end_of_a_process_tells_the_rest(void **state)
{
    (void)state;
    policies("drop-newest");
    rig_open(&rig);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, 3000), 0);
    rig.source.gone = true;
    assert_int_equal(spool_source_gone(rig.spool, &rig.source), 1); /* there is no room, but for this */
    rig_drain(&rig);
    assert_true(rig_check(&rig) > 0);
}

/* More comes than finds room. How much was dropped. */
static uint64_t overfill(void)
{
    struct spool_stats stats;
    policies("drop-newest");
    rig_open(&rig);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, 3000), 0);
    spool_stats(rig.spool, &stats);
    assert_true(dropped_by(&stats, WIRE_GAP_newest) > 3000);
    return dropped_by(&stats, WIRE_GAP_newest);
}

/* A known fault: it was told with the ring's next batch, and of a ring that has none by nobody. */
static void full_drop_newest__is_told_when_no_more_comes(void **state)
{
    (void)state;
    const uint64_t dropped = overfill();
    assert_true(spool_settle(rig.spool)); /* there is no room, but for this */
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), dropped);
}

/* A known fault: who was killed had counted it in memory only. */
static void full_drop_newest__a_killed_sender_tells_it_when_it_is_back(void **state)
{
    (void)state;
    const uint64_t dropped = overfill();
    spool_abandon(rig.spool);
    rig_open(&rig); /* the process and its session are gone */
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), dropped);
    rig_close(&rig);
    rig_open(&rig); /* once */
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), dropped);
}

static void full_drop_newest__a_killed_sender_goes_on_with_the_ring(void **state)
{
    (void)state;
    const uint64_t dropped = overfill();
    spool_abandon(rig.spool);
    rig_open(&rig);
    const struct evtrail_chunk old = rig_chunk(&rig, 0, rig.emitted[0] - 3000, 3000); /* it is still in the ring */
    assert_int_equal(spool_write(rig.spool, &old), 0);
    rig_drain(&rig);
    fill(3, 1000);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), dropped);
}

static void full_drop_oldest__the_newest_stay(void **state)
{
    (void)state;
    policies("drop-oldest");
    rig_open(&rig);
    spool_link_lost(rig.spool);
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, 3000), 0);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_true(stats.bytes <= rig.options.max_bytes);
    spool_opened(rig.spool, 0, 1);
    rig_drain(&rig);
    const struct rig_sum sum = rig_sum_of(&rig, rig.store);
    assert_true(sum.events[0] > 0 && sum.end[0] == rig.emitted[0]);
    assert_int_equal(rig_check(&rig), dropped_by(&stats, WIRE_GAP_oldest));
    assert_true(rig.gap_cause[WIRE_GAP_oldest] > 0);
}

static void full_by_level__errors_stay_when_debug_goes(void **state)
{
    (void)state;
    policies("error=block,info=drop-oldest,debug=drop-oldest");
    rig_open(&rig);
    spool_link_lost(rig.spool);
    for (unsigned i = 0; i < 170; i++)
        assert_int_equal(rig_emit(&rig, i % RIG_RINGS, 9000), 0);
    uint64_t errors = 0;
    for (unsigned ring = 0; ring < RIG_RINGS; ring++)
        for (uint64_t serial = 0; serial < rig.emitted[ring]; serial++)
            errors += rig_id(serial) == RIG_ERROR;
    rig_close(&rig); /* and over a restart */
    rig_open(&rig);
    rig_drain(&rig);
    const struct rig_sum sum = rig_sum_of(&rig, rig.store);
    assert_int_equal(sum.by_id[RIG_ERROR], errors);
    assert_true(sum.by_id[RIG_DEBUG] < errors * 49);
    assert_true(rig_check(&rig) > 0);
}

static void full_by_level__debug_finds_no_room_and_an_error_waits(void **state)
{
    (void)state;
    policies("error=block,info=block,debug=drop-newest");
    rig_open(&rig);
    int r = 0;
    for (unsigned i = 0; i < 3000 && r == 0; i++)
        r = rig_emit(&rig, 0, 3000);
    assert_int_equal(r, -EAGAIN);
    struct evtrail_chunk chunk = rig_chunk(&rig, 1, 1, 1); /* one debug event; the one before it was lost */
    assert_int_equal(rig_id(1), RIG_DEBUG);
    chunk.missed = 1;
    assert_int_equal(spool_write(rig.spool, &chunk), 0);
    rig.emitted[1] = 2;
    rig_drain(&rig);
    assert_int_equal(rig_emit(&rig, 0, 3000), 0);
    assert_int_equal(rig_emit(&rig, 1, 100), 0);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 2);
}

static void aged__what_is_too_old_goes_and_is_told(void **state)
{
    (void)state;
    rig.options.max_age_ns = 1;
    rig_open(&rig);
    spool_link_lost(rig.spool);
    fill(60, 3000);
    struct spool_stats stats;
    unsigned rounds = 0;
    do {
        assert_int_equal(spool_flush(rig.spool), 0);
        spool_idle(rig.spool);
        spool_stats(rig.spool, &stats);
        usleep(1000);
    } while (dropped_by(&stats, WIRE_GAP_age) < 60 * 3000 && ++rounds < 20000);
    rig.options.max_age_ns = 0;
    spool_reconfigure(rig.spool, &rig.options);
    spool_opened(rig.spool, 0, 1);
    fill(3, 10);
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), 60 * 3000);
    assert_true(rig.gap_cause[WIRE_GAP_age] > 0);
}

/* ---- streams ---- */

/* All of a stream, as its collector would store it. */
static struct rig_sum lane_ship(unsigned lane, uint64_t first)
{
    char path[200];
    struct rig other = rig;
    struct ship_unit unit;
    int r;
    snprintf(path, sizeof path, "%s/lane-%llu.evt", rig.base, (unsigned long long)first);
    other.store_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(other.store_fd >= 0);
    for (uint64_t sequence = first; (r = spool_fetch(rig.spool, lane, sequence, &unit)) == 1;) {
        if (unit.kind == SHIP_UNIT_GAP) { /* what is of the stream before */
            assert_int_equal(unit.gap.cause, WIRE_GAP_elsewhere);
            assert_int_equal(unit.gap.count, 0);
            assert_true(unit.gap.last >= sequence);
            sequence = unit.gap.last + 1;
            spool_acked(rig.spool, lane, unit.gap.last);
            continue;
        }
        rig_append(&other, &unit);
        sequence += unit.kind == SHIP_UNIT_DATA;
        if (unit.kind == SHIP_UNIT_DATA)
            spool_acked(rig.spool, lane, sequence - 1);
    }
    assert_int_equal(r, 0);
    close(other.store_fd);
    return rig_sum_of(&other, path);
}

static void outage__what_comes_live_does_not_wait_behind_the_backlog(void **state)
{
    (void)state;
    struct wire_open opens[SPOOL_LANES_MAX];
    unsigned lanes[SPOOL_LANES_MAX];
    rig.options.part_bytes = 300 << 10;
    rig_open(&rig);
    spool_link_lost(rig.spool);
    fill(120, 3000);
    assert_int_equal(spool_streams(rig.spool, opens, lanes), 1);
    spool_opened(rig.spool, lanes[0], 1);
    spool_idle(rig.spool);
    fill(9, 1000);
    assert_int_equal(spool_flush(rig.spool), 0);
    assert_int_equal(spool_streams(rig.spool, opens, lanes), 2);
    assert_memory_not_equal(opens[0].stream, opens[1].stream, sizeof opens[0].stream);
    assert_int_equal(opens[0].next, opens[1].first);
    rig_close(&rig); /* it is so after a restart, too */
    rig_open(&rig);
    assert_int_equal(spool_streams(rig.spool, opens, lanes), 2);
    spool_opened(rig.spool, lanes[1], 1); /* a collector that has nothing of it */
    const struct rig_sum live = lane_ship(lanes[1], 1);
    spool_opened(rig.spool, lanes[0], 1);
    const struct rig_sum backlog = lane_ship(lanes[0], 1);
    for (unsigned ring = 0; ring < RIG_RINGS; ring++) {
        assert_int_equal(live.events[ring], 3000);
        assert_int_equal(backlog.events[ring], 40 * 3000);
        assert_int_equal(live.lost[ring] + backlog.lost[ring], 0);
        assert_int_equal(live.end[ring], rig.emitted[ring]);
    }
    assert_int_equal(spool_streams(rig.spool, opens, lanes), 1); /* the backlog's has ended */
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.unacked_batches, 0);
}

/* ---- refusals ---- */

static int refuse_some(struct rig *self, uint64_t sequence)
{
    (void)self;
    return sequence % 5 == 3;
}

static void refused__is_kept_aside_counted_and_not_sent_again(void **state)
{
    (void)state;
    char path[400];
    rig_open(&rig);
    fill(20, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    rig.refuse = refuse_some;
    rig_ship(&rig, UINT64_MAX, false);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    assert_true(stats.refused_batches > 0);
    snprintf(path, sizeof path, "%s/refused", rig.directory);
    assert_int_equal(files_like(path, ".evt"), stats.refused_batches);
    assert_int_equal(files_like(path, ".txt"), stats.refused_batches);
    rig.refuse = NULL;
    fill(3, 10); /* shows what is missing */
    rig_drain(&rig);
    assert_int_equal(rig_check(&rig), dropped_by(&stats, WIRE_GAP_refused));
    /* another collector that has nothing gets gaps there */
    rig_close(&rig);
}

static void refused__another_connection_gets_a_gap(void **state)
{
    (void)state;
    rig_open(&rig);
    fill(20, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    rig.refuse = refuse_some;
    rig_ship(&rig, UINT64_MAX, false);
    rig_close(&rig);
    rig.refuse = NULL;
    rig.stored = 0;
    assert_int_equal(ftruncate(rig.store_fd, 0), 0);
    rig_open(&rig);
    fill(3, 10);
    rig_drain(&rig);
    assert_true(rig.gap_cause[WIRE_GAP_refused] > 0);
    assert_true(rig_check(&rig) > 0);
}

static void refused__the_folder_is_bounded(void **state)
{
    (void)state;
    char path[400];
    rig.options.refused_bytes = 20000;
    rig_open(&rig);
    fill(60, 3000);
    assert_int_equal(spool_flush(rig.spool), 0);
    rig.refuse = refuse_some;
    rig_ship(&rig, UINT64_MAX, false);
    snprintf(path, sizeof path, "%s/refused", rig.directory);
    assert_true(files_like(path, ".evt") < 10);
}

/* ---- disks ---- */

static void disk_full__is_a_state_that_ends_by_itself(void **state)
{
    (void)state;
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    rig_open(&rig);
    fill(6, 1000);
    rig_drain(&rig);
    limit = before;
    limit.rlim_cur = 300 << 10;
    int r = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (unsigned i = 0; i < 1000 && r == 0; i++)
        r = rig_emit(&rig, i % RIG_RINGS, 3000);
    struct spool_stats stats;
    spool_stats(rig.spool, &stats);
    const int64_t again = spool_idle(rig.spool);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(stats.state, SPOOL_STATE_disk_full);
    assert_int_equal(stats.error, -EFBIG);
    assert_true(*spool_advice(stats.state) != '\0');
    assert_true(again < INT64_C(1000000000));
    for (unsigned i = 0; i < 60000 && (r = rig_emit(&rig, 0, 1000)) == -EAGAIN; i++)
        usleep(1000);
    assert_int_equal(r, 0);
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.state, SPOOL_STATE_ok);
    fill(6, 1000);
    rig_drain(&rig);
    spool_stats(rig.spool, &stats);
    assert_int_equal(rig_check(&rig), dropped_by(&stats, WIRE_GAP_disk));
}

static unsigned deleted_and_open(void)
{
    unsigned count = 0;
    DIR *const stream = opendir("/proc/self/fd");
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        char path[400] = "";
        if (readlinkat(dirfd(stream), entry->d_name, path, sizeof path - 1) > 0)
            count += strstr(path, rig.directory) && strstr(path, "(deleted)");
    }
    if (stream)
        closedir(stream);
    return count;
}

/* A known fault: the shipper held the last one open, whose room on a disk that was full never came back. */
static void acknowledged__a_segment_that_is_deleted_gives_its_room_back(void **state)
{
    struct spool_stats stats;
    (void)state;
    rig_open(&rig);
    fill(6, 1000);
    assert_int_equal(spool_segment_end(rig.spool), 0);
    rig_ship(&rig, UINT64_MAX, true);
    assert_int_equal(deleted_and_open(), 0);
    fill(6, 1000); /* acknowledged before it is closed */
    rig_drain(&rig);
    assert_int_equal(spool_segment_end(rig.spool), 0);
    spool_stats(rig.spool, &stats);
    assert_int_equal(stats.segments, 0);
    rig_ship(&rig, UINT64_MAX, true);
    assert_int_equal(deleted_and_open(), 0);
    assert_int_equal(rig_check(&rig), 0);
}

static void read_only__is_told_at_open(void **state)
{
    (void)state;
    char *error = NULL;
    if (geteuid() == 0) {
        print_message("root may write anywhere: send_disk.sh has it\n");
        skip();
    }
    rig_open(&rig);
    rig_close(&rig);
    assert_int_equal(chmod(rig.directory, 0500), 0);
    assert_int_equal(spool_check(rig.directory, &rig.options, &error), -EACCES);
    free(error);
    assert_int_equal(chmod(rig.directory, 0700), 0);
}

static void others__may_not_write_into_it(void **state)
{
    (void)state;
    char *error = NULL;
    rig_open(&rig);
    rig_close(&rig);
    assert_int_equal(chmod(rig.directory, 0777), 0);
    assert_int_equal(spool_open(&rig.spool, rig.directory, &rig.options, &error), -EACCES);
    assert_non_null(strstr(error, "chmod"));
    free(error);
    assert_int_equal(chmod(rig.directory, 0700), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(ship__all_is_stored_once_in_order_and_segments_go),
        T(spool__is_read_by_the_tools_as_one_set),
        T(restart__sequences_go_on_and_rings_that_are_read_again_are_left_out),
        T(resume__the_collector_says_where),
        T(acknowledged__before_the_writer_counts_it__stays_acknowledged),
        T(acknowledged__another_collector_is_told_elsewhere),
        T(two_senders__the_second_is_told_who_has_it),
        T(truncated__every_length_of_the_last_segment_goes_on),
        T(flipped__each_costs_what_it_hit_and_is_counted),
        T(garbage__is_set_aside_and_the_rest_goes_on),
        T(counters_lost__no_number_is_used_twice),
        T(policies__are_parsed),
        T(full_block__nothing_is_taken_until_there_is_room),
        T(full_drop_newest__is_counted_and_told),
        T(full_drop_newest__the_end_of_a_process_tells_the_rest),
        T(full_drop_newest__is_told_when_no_more_comes),
        T(full_drop_newest__a_killed_sender_tells_it_when_it_is_back),
        T(full_drop_newest__a_killed_sender_goes_on_with_the_ring),
        T(full_drop_oldest__the_newest_stay),
        T(full_by_level__errors_stay_when_debug_goes),
        T(full_by_level__debug_finds_no_room_and_an_error_waits),
        T(aged__what_is_too_old_goes_and_is_told),
        T(outage__what_comes_live_does_not_wait_behind_the_backlog),
        T(refused__is_kept_aside_counted_and_not_sent_again),
        T(refused__another_connection_gets_a_gap),
        T(refused__the_folder_is_bounded),
        T(disk_full__is_a_state_that_ends_by_itself),
        T(acknowledged__a_segment_that_is_deleted_gives_its_room_back),
        T(read_only__is_told_at_open),
        T(others__may_not_write_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
