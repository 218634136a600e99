/* SPDX-License-Identifier: ISC
 *
 * SIGKILL of the sender: at every named point of the spool, under each policy, and at random instants. Whatever was killed, at the end the collector has
 * every event once, or its loss is told. EVTRAIL_SHIP_ROUNDS says how many random ones (default 12).
 */
#include "spool_rig.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { CHUNKS = 24 };

static struct rig rig;
static enum spool_point kill_point;
static int kill_count;
static uint64_t chunk_events;
static bool killed_in[SPOOL_POINTS_COUNT];

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    chunk_events = 900;
    memset(killed_in, 0, sizeof killed_in);
    rig.options.segment_bytes = 64 << 10;
    rig.shared = mmap(NULL, sizeof *rig.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(rig.shared, MAP_FAILED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(rig.shared, sizeof *rig.shared);
    rig_fini(&rig);
    return 0;
}

static void at_point(enum spool_point point)
{
    if (point == kill_point && --kill_count == 0)
        kill(getpid(), SIGKILL);
}

/* What a restart finds in memory: every ring from its beginning. */
static void feed_again(void)
{
    for (unsigned ring = 0; ring < RIG_RINGS; ring++) {
        uint64_t at = 0;
        while (at < rig.shared->emitted[ring]) {
            const uint64_t left = rig.shared->emitted[ring] - at, count = left < 20000 ? left : 20000;
            const struct evtrail_chunk chunk = rig_chunk(&rig, ring, at, count);
            const int r = spool_write(rig.spool, &chunk);
            assert_true(r == 0 || r == -EAGAIN);
            if (r == -EAGAIN) {
                rig_drain(&rig);
                continue;
            }
            at += count;
        }
    }
}

static int refuse_some(struct rig *self, uint64_t sequence)
{
    (void)self;
    return sequence % 17 == 5;
}

/* A sender's life. */
static void live(struct rig *self, unsigned chunks, bool last)
{
    const unsigned current = self->shared->current;
    self->stored = self->shared->slots[current].stored;
    assert_int_equal(ftruncate(self->store_fd, (off_t)self->shared->slots[current].size), 0);
    rig_open(self);
    feed_again();
    for (unsigned i = 0; i < chunks; i++) {
        const unsigned ring = i % RIG_RINGS;
        const struct evtrail_chunk chunk = rig_chunk(self, ring, self->shared->emitted[ring], chunk_events);
        if (self->options.max_bytes < 16 << 20 && i % 8 == 0)
            spool_link_lost(self->spool); /* so that the oldest may be dropped */
        if (spool_write(self->spool, &chunk) == 0)
            self->shared->emitted[ring] += chunk_events;
        else
            rig_drain(self);
        if (i % 3 == 2)
            assert_int_equal(spool_flush(self->spool), 0);
        if (i % 8 == 7) {
            spool_opened(self->spool, 0, self->stored + 1);
            rig_ship(self, 7, chunk_events == 900 && i % 16 == 15);
        }
    }
    if (last) {
        spool_opened(self->spool, 0, self->stored + 1);
        rig_drain(self);
        for (unsigned ring = 0; ring < RIG_RINGS; ring++) { /* shows what is missing at the end */
            const struct evtrail_chunk chunk = rig_chunk(self, ring, self->shared->emitted[ring], 10);
            assert_int_equal(spool_write(self->spool, &chunk), 0);
            self->shared->emitted[ring] += 10;
        }
        rig_drain(self);
    }
    rig_close(self);
}

/* A child that lives so, until it is killed. Returns whether it was. */
static bool child(unsigned chunks, bool last, int64_t kill_ns)
{
    int status;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        live(&rig, chunks, last);
        _exit(0);
    }
    if (kill_ns > 0) {
        nanosleep(&(struct timespec){.tv_nsec = kill_ns}, NULL);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed)
        assert_int_equal(status, 0);
    return killed;
}

static uint64_t end(void)
{
    spool_test_point = NULL;
    assert_false(child(3, true, 0));
    memcpy(rig.emitted, rig.shared->emitted, sizeof rig.emitted);
    return rig_check(&rig);
}

static unsigned at_all_points(int count)
{
    unsigned killed = 0;
    for (unsigned point = 0; point < SPOOL_POINTS_COUNT; point++) {
        spool_test_point = at_point;
        kill_point = (enum spool_point)point;
        kill_count = count;
        const bool was = child(CHUNKS, false, 0);
        killed_in[point] |= was;
        killed += was;
    }
    return killed;
}

static void killed_at_points__block(void **state)
{
    (void)state;
    assert_true(at_all_points(1) >= 6);
    assert_true(at_all_points(2) >= 4);
    assert_int_equal(end(), 0);
}

static void killed_at_points__refusals(void **state)
{
    (void)state;
    rig.refuse = refuse_some;
    assert_true(at_all_points(1) >= 6);
    assert_true(end() > 0);
    assert_true(killed_in[SPOOL_AT_refuse_written] && killed_in[SPOOL_AT_refuse_noted]);
}

static void killed_at_points__drop_oldest(void **state)
{
    (void)state;
    assert_int_equal(spool_policies_parse("drop-oldest", rig.options.policies, NULL), 0);
    rig.options.max_bytes = 4 << 20;
    chunk_events = 9000;
    assert_true(at_all_points(1) >= 6);
    assert_true(at_all_points(2) >= 4);
    assert_true(end() > 0);
    assert_true(killed_in[SPOOL_AT_drop_written] && killed_in[SPOOL_AT_drop_committed] &&
                killed_in[SPOOL_AT_drop_deleted]);
}

static void killed_at_points__drop_by_level(void **state)
{
    (void)state;
    assert_int_equal(spool_policies_parse("error=block,info=drop-newest,debug=drop-oldest", rig.options.policies, NULL),
                     0);
    rig.options.max_bytes = 4 << 20;
    chunk_events = 9000;
    assert_true(at_all_points(1) >= 6);
    assert_true(at_all_points(3) >= 3);
    assert_true(end() > 0);
    assert_true(killed_in[SPOOL_AT_drop_written] && killed_in[SPOOL_AT_drop_committed]);
}

static void killed_at_random__all_is_there_once(void **state)
{
    (void)state;
    const char *const text = getenv("EVTRAIL_SHIP_ROUNDS");
    const unsigned rounds = text ? (unsigned)strtoul(text, NULL, 10) : 12;
    uint64_t seed = (uint64_t)time(NULL);
    for (unsigned i = 0; i < rounds; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        child(CHUNKS, false, 1 + (int64_t)(seed >> 33) % 30000000);
    }
    assert_int_equal(end(), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(killed_at_points__block),         T(killed_at_points__refusals),          T(killed_at_points__drop_oldest),
        T(killed_at_points__drop_by_level), T(killed_at_random__all_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
