/* SPDX-License-Identifier: ISC
 *
 * What each policy keeps and loses, to the event: with consumers whose cursors are written by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "support/child.h"
#include "support/trail.h"

#define RUN(body) \
    static void body##_in_child(void *); \
    static void body(void **state) \
    { \
        (void)state; \
        ASSERT_CHILD(child_fork(body##_in_child, NULL)); \
    } \
    static void body##_in_child(void *unused)

static struct trail *t;
static uint64_t emitted;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the traced side ---- */

static void setup(const char *policy, const char *blocks)
{
    CHECK(evtrail_rule("p") >= 0);
    CHECK(evtrail_set(policy) == 0 && evtrail_set("block=4K") == 0 && evtrail_set(blocks) == 0);
    CHECK(evtrail_set("deadline=50ms") == 0 && evtrail_set("lease=100ms") == 0);
    t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
}

static void emit(unsigned n)
{
    while (n--) {
        EVTRAIL(info, "p.e", emitted);
        emitted++;
    }
}

static void check(void)
{
    trail_read(t);
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, emitted);
    const char *wrong = trail_gaps(t, 0, emitted);
    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        _exit(1);
    }
}

/* ---- the consumer's side ---- */

static void attach(unsigned slot)
{
    struct evtrail_consumer *c = &t->control->consumers[slot];
    atomic_store(&c->state, EVTRAIL_CONSUMER_CLAIMED);
    for (unsigned r = 0; r < 4; r++)
        atomic_store(&t->control->rings[r].released[slot], 0);
    atomic_store(&c->pid, (uint32_t)getpid());
    atomic_store(&c->renewed_ns, now_ns());
    atomic_store(&c->state, EVTRAIL_CONSUMER_ACTIVE);
    atomic_fetch_add(&t->control->settings.generation, 1);
}

static uint64_t head(void)
{
    const struct evtrail_ring_header *ring = (const void *)(t->data + t->header->rings_offset);
    return atomic_load(&ring->head_block);
}

static void release(unsigned slot, uint64_t block)
{
    struct evtrail_ring_header *ring = (void *)(uintptr_t)(t->data + t->header->rings_offset);
    atomic_store(&t->control->consumers[slot].renewed_ns, now_ns());
    atomic_store(&t->control->rings[0].released[slot], block);
    if (atomic_load(&ring->waiting)) {
        atomic_fetch_add(&t->control->rings[0].wake, 1);
        syscall(SYS_futex, &t->control->rings[0].wake, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

/* Releases all but the open block. */
static void release_all(unsigned slot)
{
    release(slot, head() - 1);
}

/* ---- overwrite ---- */

RUN(overwrite__many_times_round__newest_are_kept_nothing_is_lost_by_the_writer)
{
    setup("policy=overwrite", "blocks=4");
    emit(10000);
    check();
    CHECK_EQ(t->lost_all, 0);
    CHECK_EQ(t->recorded, 10000);
    CHECK(t->read >= 3 * 230 && t->read <= 4 * 240);
    CHECK_EQ(t->events[t->events_count - 1].payload[0], 9999);
}

RUN(overwrite__active_consumer_that_never_releases__does_not_matter)
{
    setup("policy=overwrite", "blocks=2");
    attach(3);
    emit(5000);
    check();
    CHECK_EQ(t->lost_all, 0);
}

/* ---- drop ---- */

RUN(drop__no_consumer__oldest_are_kept_and_the_ring_header_counts_the_rest)
{
    setup("policy=drop", "blocks=4");
    emit(10000);
    check();
    CHECK(t->read >= 4 * 230 && t->read <= 4 * 240);
    CHECK_EQ(t->read, t->recorded);
    CHECK_EQ(t->lost[EVTRAIL_LOST_FULL], 10000 - t->read);
    CHECK_EQ(t->rings[0].losts, 0); /* nothing in the stream: trailing */
    CHECK_EQ(t->events[t->events_count - 1].payload[0], t->read - 1);
}

RUN(drop__consumer_releases_now_and_then__each_gap_is_stated_in_its_place)
{
    setup("policy=drop", "blocks=4");
    attach(0);
    srand(1);
    uint64_t released = 0;
    for (int round = 0; round < 300; round++) {
        emit((unsigned)rand() % 700);
        if (head() && released < head() - 1 && rand() % 3) {
            released += 1 + (unsigned)rand() % (unsigned)(head() - 1 - released);
            release(0, released);
        }
        if (round % 10 == 0)
            check();
    }
    check();
    CHECK(t->lost[EVTRAIL_LOST_FULL] > 1000);
    CHECK(t->recorded > 1000);
}

RUN(drop__two_consumers__the_slower_counts)
{
    setup("policy=drop", "blocks=4");
    attach(0);
    attach(15);
    emit(2000);
    check();
    const uint64_t kept = t->recorded;
    release_all(0);
    emit(500);
    check();
    CHECK_EQ(t->recorded, kept);
    release(15, 1);
    emit(500);
    check();
    CHECK(t->recorded > kept + 200 && t->recorded < kept + 300);
    atomic_store(&t->control->consumers[15].state, EVTRAIL_CONSUMER_FREE);
    emit(2000);
    check();
    CHECK(t->recorded > kept + 3 * 230);
}

RUN(drop__consumer_comes_to_a_full_ring__the_next_event_after_its_release_is_recorded)
{
    setup("policy=drop", "blocks=2");
    emit(1000);
    attach(0);
    emit(1);
    check();
    const uint64_t before = t->recorded;
    release_all(0);
    emit(1);
    check();
    CHECK_EQ(t->recorded, before + 1);
    CHECK_EQ(t->events[t->events_count - 1].payload[0], emitted - 1);
    CHECK_EQ(t->events[t->events_count - 1].lost, t->lost_all);
}

RUN(drop__cursor_beyond_the_ring_or_going_back__believed_within_bounds)
{
    setup("policy=drop", "blocks=4");
    attach(0);
    emit(500);
    release(0, UINT64_MAX);
    emit(2000);
    check();
    CHECK_EQ(t->lost_all, 0); /* it says that it needs nothing */
    release(0, 0);
    emit(5000);
    check();
    CHECK(t->lost_all > 3000);
}

/* ---- leases ---- */

RUN(drop__lease_runs_out_while_the_ring_is_full__evicted_and_visible)
{
    setup("policy=drop", "blocks=2");
    attach(0);
    emit(1000);
    CHECK_EQ(atomic_load(&t->control->consumers[0].state), EVTRAIL_CONSUMER_ACTIVE);
    usleep(120000);
    const uint64_t before = now_ns();
    emit(200); /* every 64th lost event looks at leases */
    CHECK_EQ(atomic_load(&t->control->consumers[0].state), EVTRAIL_CONSUMER_EVICTED);
    CHECK(atomic_load(&t->control->consumers[0].evicted_ns) >= before);
    check();
    attach(1);
    release_all(1);
    emit(10);
    check();
    CHECK_EQ(t->events[t->events_count - 1].payload[0], emitted - 1);
}

static atomic_bool stop;

static void *renew(void *unused)
{
    while (!atomic_load(&stop))
        atomic_store(&t->control->consumers[0].renewed_ns, now_ns());
    return NULL;
}

/* It may renew after the writer read the clock and before the writer reads its lease. */
RUN(drop__consumer_renews_all_the_time__is_never_evicted)
{
    pthread_t thread;
    setup("policy=drop", "blocks=2");
    CHECK_EQ(evtrail_set("lease=60s"), 0); /* this machine may stop the renewing thread for a while */
    attach(0);
    CHECK(pthread_create(&thread, NULL, renew, NULL) == 0);
    const uint64_t end = now_ns() + 1000000000;
    while (now_ns() < end) {
        emit(6400);
        CHECK_EQ(atomic_load(&t->control->consumers[0].state), EVTRAIL_CONSUMER_ACTIVE);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    check();
}

RUN(drop__lease_in_the_far_future__is_a_lie_and_ends_it)
{
    setup("policy=drop", "blocks=2");
    attach(0);
    atomic_store(&t->control->consumers[0].renewed_ns, UINT64_MAX);
    emit(2000);
    CHECK_EQ(atomic_load(&t->control->consumers[0].state), EVTRAIL_CONSUMER_EVICTED);
    check();
}

/* ---- block ---- */

RUN(block__nobody_moves__waits_for_the_deadline_once)
{
    setup("policy=block", "blocks=2");
    CHECK(evtrail_set("lease=10s") == 0);
    attach(0);
    emit(470);
    uint64_t start = now_ns();
    emit(20);
    uint64_t took = now_ns() - start;
    CHECK(took >= 50000000 && took < 2000000000);
    start = now_ns();
    emit(3000); /* every 64th looks again and must not wait again */
    CHECK(now_ns() - start < 45000000);
    check();
    CHECK_EQ(t->lost[EVTRAIL_LOST_TIMEOUT], t->lost_all);
    CHECK(t->lost_all >= 3000);
    release(0, 1); /* it moves: the next block is waited for again */
    emit(230);
    start = now_ns();
    emit(20);
    CHECK(now_ns() - start >= 50000000);
    check();
}

RUN(block__no_consumer_or_deadline_0__does_not_wait)
{
    setup("policy=block", "blocks=2");
    uint64_t start = now_ns();
    emit(2000);
    CHECK(now_ns() - start < 40000000);
    CHECK(evtrail_set("deadline=0") == 0);
    attach(0);
    start = now_ns();
    emit(2000);
    CHECK(now_ns() - start < 40000000);
    check();
}

static void *consume(void *unused)
{
    while (!atomic_load(&stop)) {
        uint64_t h = head();
        if (h)
            release(0, h - 1);
        usleep(50);
    }
    return NULL;
}

RUN(block__consumer_is_slow_but_moves__nothing_is_lost)
{
    pthread_t thread;
    setup("policy=block", "blocks=2");
    CHECK(evtrail_set("deadline=10s") == 0 && evtrail_set("lease=60s") == 0);
    attach(0);
    CHECK(pthread_create(&thread, NULL, consume, NULL) == 0);
    emit(500000);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    check();
    CHECK_EQ(t->lost_all, 0);
}

RUN(block__consumer_dies__evicted_within_its_lease_though_the_deadline_is_long)
{
    setup("policy=block", "blocks=2");
    CHECK(evtrail_set("deadline=30s") == 0);
    attach(0);
    const uint64_t start = now_ns();
    emit(1000);
    CHECK(now_ns() - start < 3000000000u);
    CHECK_EQ(atomic_load(&t->control->consumers[0].state), EVTRAIL_CONSUMER_EVICTED);
    check();
    CHECK(t->lost[EVTRAIL_LOST_TIMEOUT] > 500);
}

/* ---- shed ---- */

static uint64_t of_level[7];

static void emit_level(unsigned level, unsigned n)
{
    of_level[level] += n;
    for (; n--; emitted++)
        switch (level) {
        case 1:
            EVTRAIL(critical, "p.l1", emitted);
            break;
        case 2:
            EVTRAIL(error, "p.l2", emitted);
            break;
        case 3:
            EVTRAIL(warning, "p.l3", emitted);
            break;
        case 4:
            EVTRAIL(info, "p.l4", emitted);
            break;
        case 5:
            EVTRAIL(debug, "p.l5", emitted);
            break;
        case 6:
            EVTRAIL(trace, "p.l6", emitted);
            break;
        }
}

static void check_levels(void)
{
    char name[] = "p.l0";
    check();
    for (unsigned level = 1; level <= 6; level++) {
        name[3] = (char)('0' + level);
        CHECK_EQ(trail_count(t, name) + t->lost[EVTRAIL_LOST_SHED + level - 1], of_level[level]);
    }
}

RUN(shed__ring_fills__lower_levels_go_first_each_counted)
{
    static const uint8_t most[] = {0, 16, 16, 14, 12, 10, 8}; /* blocks, of 16 */
    setup("policy=shed", "blocks=16");
    for (unsigned level = 6; level >= 2; level--) {
        emit_level(level, 5000);
        check_levels();
        CHECK(t->recorded > (most[level] - 1) * 230u && t->recorded <= most[level] * 240u);
        CHECK(t->lost[EVTRAIL_LOST_SHED + level - 1] > 0);
    }
    emit_level(1, 100);
    for (unsigned level = 1; level <= 6; level++)
        emit_level(level, 100);
    check_levels();
    CHECK(t->lost[EVTRAIL_LOST_SHED] >= 200 && t->lost[EVTRAIL_LOST_SHED + 5] > 3000);
}

RUN(shed__flood_of_debug_events__errors_survive_and_debug_comes_back)
{
    setup("policy=shed", "blocks=16");
    CHECK(evtrail_set("lease=60s") == 0); /* a slow machine must not lose the consumer */
    attach(0);
    for (int round = 0; round < 50; round++) {
        emit_level(5, 4000);
        emit_level(2, 20);
        emit_level(6, 100);
        check();
        CHECK_EQ(t->lost[EVTRAIL_LOST_SHED + 1], 0);
        CHECK_EQ(t->lost[EVTRAIL_LOST_SHED + 4] + t->lost[EVTRAIL_LOST_SHED + 5], t->lost_all);
        if (round % 4 == 3) {
            release_all(0);
            const uint64_t shed = t->lost[EVTRAIL_LOST_SHED + 4];
            emit_level(5, 500);
            check();
            CHECK_EQ(t->lost[EVTRAIL_LOST_SHED + 4], shed);
        }
    }
}

/* ---- changes while running ---- */

RUN(policy__switched_while_running__takes_effect_and_the_accounting_stays_exact)
{
    static const char *const policies[] = {"policy=overwrite", "policy=drop", "policy=shed", "policy=block"};
    setup("policy=drop", "blocks=4");
    srand(2);
    for (int round = 0; round < 200; round++) {
        emit((unsigned)rand() % 3000);
        CHECK(evtrail_set(policies[rand() % 4]) == 0);
        if (rand() % 4 == 0)
            attach(0);
        if (rand() % 4 == 0)
            release_all(0);
        if (rand() % 8 == 0)
            atomic_store(&t->control->consumers[0].state, EVTRAIL_CONSUMER_FREE);
        if (round % 10 == 0)
            check();
    }
    check();
}

/* A full ring of a policy that drops goes on at once when it may overwrite. */
static void go_on_overwriting(const char *policy)
{
    setup(policy, "blocks=4");
    emit(3000);
    CHECK(evtrail_set("policy=overwrite") == 0);
    check();
    const uint64_t lost = t->lost_all;
    emit(3000);
    check();
    CHECK_EQ(t->lost_all, lost);
}

RUN(policy__drop_to_overwrite_on_a_full_ring__recorded_at_once)
{
    go_on_overwriting("policy=drop");
}

RUN(policy__shed_to_overwrite_on_a_full_ring__recorded_at_once)
{
    go_on_overwriting("policy=shed");
}

RUN(policy__ring_size_changed_while_running__events_go_on_in_the_new_ring)
{
    static const char *const sizes[] = {"block=4K", "block=16K", "block=64K", "blocks=2", "blocks=8"};
    setup("policy=overwrite", "blocks=4");
    srand(3);
    for (int round = 0; round < 100; round++) {
        emit((unsigned)rand() % 3000);
        CHECK(evtrail_set(sizes[rand() % 5]) == 0);
    }
    emit(20000);
    trail_read(t);
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, emitted);
    CHECK_EQ(t->lost_all, 0);
    CHECK(t->rings_count <= 9); /* one a geometry: rings are taken up again */
}

RUN(policy__memory_limit_reached__counted_as_lost_and_the_ring_goes_on)
{
    setup("policy=overwrite", "blocks=16");
    CHECK(evtrail_set("memory=64K") == 0);
    emit(100000);
    check();
    CHECK(t->recorded > 230 * 15);
    CHECK_EQ(t->lost[EVTRAIL_LOST_MEMORY], t->lost_all);
}

/* ---- channels ---- */

RUN(channel__own_policy__its_events_stay_while_the_others_go_round)
{
    setup("policy=overwrite", "blocks=2");
    CHECK(evtrail_rule("keep@drop") >= 0);
    for (uint64_t i = 0; i < 100; i++) {
        EVTRAIL(info, "keep.it", i);
        emit(1000);
    }
    trail_read(t);
    CHECK_SOUND(t);
    CHECK_EQ(trail_count(t, "keep.it"), 100);
    CHECK_EQ(t->recorded, emitted + 100);
    const struct trail_event *e = trail_event(t, "keep.it", 0);
    CHECK_EQ(t->rings[e->ring].kind, 2 + EVTRAIL_POLICY_drop);
    CHECK_EQ(t->rings[e->ring].policy, EVTRAIL_POLICY_drop);
    for (uint64_t i = 100; i < 3000; i++)
        EVTRAIL(info, "keep.it", i);
    trail_read(t);
    CHECK_SOUND(t);
    CHECK_EQ(t->recorded + t->lost_all, emitted + 3000);
    CHECK(t->lost[EVTRAIL_LOST_FULL] > 2000);
    CHECK(trail_gaps(t, 1, 3000) == NULL);
}

/* ---- a hostile control page ---- */

static void *scribble(void *unused)
{
    uint64_t *words = (uint64_t *)(void *)t->control, random = 88172645463325252u;
    const size_t most = offsetof(struct evtrail_control, rings) / 8 + 64 * sizeof(struct evtrail_ring_control) / 8;
    while (!atomic_load(&stop)) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t at = random % 3 ? random % 512 : random % most;
        uint64_t value = random & 8 ? random : random >> (random & 63);
        if (at * 8 == offsetof(struct evtrail_control, settings.deadline_ns))
            value &= 0xfffff; /* or the test takes a minute */
        if (at * 8 == offsetof(struct evtrail_control, settings.memory_bytes))
            value &= 0xffffff; /* or gigabytes */
        __atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
        if (random % 1000 == 0)
            usleep(100);
    }
    return NULL;
}

static void *emit_all(void *unused)
{
    static char text[5000];
    for (uint64_t i = 0; !atomic_load(&stop); i++) {
        EVTRAIL(info, "p.one", i);
        EVTRAIL(debug, "p.two", i, "text");
        EVTRAIL(error, "p.three", evtrail_bytes(text, sizeof(text)));
        evtrail_label("a", i & 1 ? "b" : NULL);
        if (i % 1000 == 0)
            evtrail_rule("p");
    }
    return NULL;
}

RUN(control__every_field_garbage_while_the_program_emits__no_crash_no_hang)
{
    pthread_t threads[3];
    setup("policy=block", "blocks=4");
    CHECK(pthread_create(&threads[0], NULL, scribble, NULL) == 0);
    CHECK(pthread_create(&threads[1], NULL, emit_all, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, emit_all, NULL) == 0);
    sleep(2);
    atomic_store(&stop, true);
    alarm(20);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    trail_read(t); /* what was recorded is whole all the same */
    CHECK_SOUND(t);
}

int main(int argc, char **argv)
{
    child_main(argc, argv, NULL, 0);
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overwrite__many_times_round__newest_are_kept_nothing_is_lost_by_the_writer),
        cmocka_unit_test(overwrite__active_consumer_that_never_releases__does_not_matter),
        cmocka_unit_test(drop__no_consumer__oldest_are_kept_and_the_ring_header_counts_the_rest),
        cmocka_unit_test(drop__consumer_releases_now_and_then__each_gap_is_stated_in_its_place),
        cmocka_unit_test(drop__two_consumers__the_slower_counts),
        cmocka_unit_test(drop__consumer_comes_to_a_full_ring__the_next_event_after_its_release_is_recorded),
        cmocka_unit_test(drop__cursor_beyond_the_ring_or_going_back__believed_within_bounds),
        cmocka_unit_test(drop__lease_runs_out_while_the_ring_is_full__evicted_and_visible),
        cmocka_unit_test(drop__consumer_renews_all_the_time__is_never_evicted),
        cmocka_unit_test(drop__lease_in_the_far_future__is_a_lie_and_ends_it),
        cmocka_unit_test(block__nobody_moves__waits_for_the_deadline_once),
        cmocka_unit_test(block__no_consumer_or_deadline_0__does_not_wait),
        cmocka_unit_test(block__consumer_is_slow_but_moves__nothing_is_lost),
        cmocka_unit_test(block__consumer_dies__evicted_within_its_lease_though_the_deadline_is_long),
        cmocka_unit_test(shed__ring_fills__lower_levels_go_first_each_counted),
        cmocka_unit_test(shed__flood_of_debug_events__errors_survive_and_debug_comes_back),
        cmocka_unit_test(policy__switched_while_running__takes_effect_and_the_accounting_stays_exact),
        cmocka_unit_test(policy__drop_to_overwrite_on_a_full_ring__recorded_at_once),
        cmocka_unit_test(policy__shed_to_overwrite_on_a_full_ring__recorded_at_once),
        cmocka_unit_test(policy__ring_size_changed_while_running__events_go_on_in_the_new_ring),
        cmocka_unit_test(policy__memory_limit_reached__counted_as_lost_and_the_ring_goes_on),
        cmocka_unit_test(channel__own_policy__its_events_stay_while_the_others_go_round),
        cmocka_unit_test(control__every_field_garbage_while_the_program_emits__no_crash_no_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
