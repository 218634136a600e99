/* SPDX-License-Identifier: ISC
 *
 * Consumer slots: claim, release, lease, eviction, and what those leave who end without a word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/session_builder.h"

#include "reader/clock_live.h"
#include "reader/consumer.h"

#define LEASE_NS 2000000000u

struct fixture {
    struct builder builder;
    struct evtrail_live live;
    struct evtrail_slot slot;
    struct evtrail_fault fault;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    builder_init(&f->builder);
    if (evtrail_live_open(&f->live, f->builder.path, &f->fault) < 0)
        return -1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    evtrail_slot_detach(&f->slot, &f->live);
    evtrail_live_close(&f->live);
    builder_fini(&f->builder);
    free(f);
    return 0;
}

static struct evtrail_consumer *consumer_of(struct fixture *f, int index)
{
    return &f->builder.control->consumers[index];
}

static void attach(struct fixture *f, bool hold, const char *rules)
{
    int result = evtrail_slot_attach(&f->slot, &f->live, "the-test", hold, rules, &f->fault);
    if (result < 0)
        fail_msg("%d: %s", result, f->fault.text);
}

static void attach__slot_says_who_and_how(void **state)
{
    struct fixture *f = *state;
    attach(f, true, NULL);
    assert_int_equal(f->slot.index, 0);
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_ACTIVE);
    assert_int_equal(consumer_of(f, 0)->pid, getpid());
    assert_string_equal(consumer_of(f, 0)->name, "the-test");
    evtrail_slot_detach(&f->slot, &f->live);
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_FREE);
    attach(f, false, NULL);
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_PASSIVE);
}

static void attach__cursors_of_an_earlier_consumer_are_reset(void **state)
{
    struct fixture *f = *state;
    f->builder.control->rings[1].released[0] = 77;
    attach(f, true, NULL);
    assert_int_equal(f->builder.control->rings[1].released[0], 0);
}

static void all_slots_taken__busy(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        consumer_of(f, i)->state = EVTRAIL_CONSUMER_PASSIVE;
        consumer_of(f, i)->pid = (uint32_t)getpid();
        consumer_of(f, i)->renewed_ns = evtrail_monotonic_now();
    }
    assert_int_equal(evtrail_slot_attach(&f->slot, &f->live, "x", true, NULL, &f->fault), -EBUSY);
    assert_non_null(strstr(f->fault.text, "16 consumer slots"));
}

static void slot_whose_lease_ran_out_twice__taken_over_with_its_rules(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < EVTRAIL_CONSUMERS_MAX; i++) {
        consumer_of(f, i)->state = EVTRAIL_CONSUMER_ACTIVE;
        consumer_of(f, i)->pid = (uint32_t)getpid();
        consumer_of(f, i)->renewed_ns = evtrail_monotonic_now() - (i == 5 ? 3u : 0u) * (uint64_t)LEASE_NS;
    }
    consumer_of(f, 5)->identity = 0xabc;
    strcpy(f->builder.control->rules, "0 other.*\nabc test.*\n");
    f->builder.control->rules_bytes = (uint32_t)strlen(f->builder.control->rules);
    f->builder.control->enable[16] = EVTRAIL_ENABLE_ON;
    attach(f, true, NULL);
    assert_int_equal(f->slot.index, 5);
    assert_int_equal(f->builder.control->rules_bytes, strlen("0 other.*\n"));
    assert_int_equal(f->builder.control->enable[16], 0);
}

static void rules__in_force_until_detached(void **state)
{
    struct fixture *f = *state;
    attach(f, false, "test.*+cpu, other.*");
    assert_int_equal(f->builder.control->enable[16], EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU);
    evtrail_slot_detach(&f->slot, &f->live);
    assert_int_equal(f->builder.control->enable[16], 0);
    assert_int_equal(f->builder.control->rules_bytes, 0);
}

static void wrong_rule__no_slot_is_kept(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(evtrail_slot_attach(&f->slot, &f->live, "x", false, "test.* te$t:nothing", &f->fault), -EINVAL);
    assert_non_null(strstr(f->fault.text, "te$t:nothing"));
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_FREE);
    assert_int_equal(f->builder.control->rules_bytes, 0);
}

static void release__cursor_is_written_and_a_waiting_writer_woken(void **state)
{
    struct fixture *f = *state;
    attach(f, true, NULL);
    evtrail_slot_release(&f->slot, &f->live, 1, 9);
    assert_int_equal(f->builder.control->rings[1].released[0], 9);
    assert_int_equal(f->builder.control->rings[1].wake, 0);
    atomic_store(&builder_ring_header(&f->builder, 1)->waiting, 1);
    evtrail_slot_release(&f->slot, &f->live, 1, 10);
    assert_int_equal(f->builder.control->rings[1].wake, 1);
}

static void evicted__back_in_the_slot_and_told_once(void **state)
{
    struct fixture *f = *state;
    attach(f, true, NULL);
    uint64_t now = evtrail_monotonic_now() + LEASE_NS;
    evtrail_slot_release(&f->slot, &f->live, 0, 9);
    consumer_of(f, 0)->state = EVTRAIL_CONSUMER_EVICTED;
    assert_int_equal(evtrail_slot_renew(&f->slot, &f->live, now, &f->fault), -ESTALE);
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_ACTIVE);
    assert_int_equal(f->builder.control->rings[0].released[0], 0);
    assert_int_equal(evtrail_slot_renew(&f->slot, &f->live, now + LEASE_NS, &f->fault), 0);
}

static void slot_taken_over__another_slot_and_the_rules_again(void **state)
{
    struct fixture *f = *state;
    attach(f, true, "test.*");
    consumer_of(f, 0)->identity = 0x77;
    f->builder.control->rules_bytes = 0;
    uint64_t now = evtrail_monotonic_now() + LEASE_NS;
    assert_int_equal(evtrail_slot_renew(&f->slot, &f->live, now, &f->fault), -ESTALE);
    assert_int_equal(f->slot.index, 1);
    assert_int_equal(consumer_of(f, 0)->identity, 0x77);
    assert_true(f->builder.control->rules_bytes > 0);
    assert_int_equal(f->builder.control->enable[16], EVTRAIL_ENABLE_ON);
}

/* The cursors of a slot that was taken again keep everything: they must be set again though nothing was read since. */
static void reader_evicted_when_all_was_read__releases_again(void **state)
{
    struct fixture *f = *state;
    struct evtrail_reader_options options = {.bytes = sizeof(options), .hold = true};
    struct evtrail_reader *reader;
    struct evtrail_chunk *chunk;
    builder_live(&f->builder);
    builder_events(&f->builder, 0, 2 * BUILDER_BLOCK_WORDS / 2 + 1);
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_int_equal(evtrail_reader_add_path(reader, f->builder.path), 0);
    assert_int_equal(evtrail_reader_next_chunk(reader, &chunk), 1);
    assert_int_equal(f->builder.control->rings[0].released[0], 2);
    consumer_of(f, 0)->state = EVTRAIL_CONSUMER_EVICTED;
    int told = 0;
    for (int i = 0; i < 20; i++) {
        usleep(20000);
        told += evtrail_reader_next_chunk(reader, &chunk) == -ESTALE;
    }
    assert_int_equal(told, 1);
    assert_int_equal(consumer_of(f, 0)->state, EVTRAIL_CONSUMER_ACTIVE);
    assert_int_equal(f->builder.control->rings[0].released[0], 2);
    evtrail_reader_free(reader);
    builder_die(&f->builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attach__slot_says_who_and_how),
        TEST(attach__cursors_of_an_earlier_consumer_are_reset),
        TEST(all_slots_taken__busy),
        TEST(slot_whose_lease_ran_out_twice__taken_over_with_its_rules),
        TEST(rules__in_force_until_detached),
        TEST(wrong_rule__no_slot_is_kept),
        TEST(release__cursor_is_written_and_a_waiting_writer_woken),
        TEST(evicted__back_in_the_slot_and_told_once),
        TEST(slot_taken_over__another_slot_and_the_rules_again),
        TEST(reader_evicted_when_all_was_read__releases_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
