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
#include "shared/override.h"

#define LEASE_NS 2000000000u

struct fixture {
    struct builder builder;
    struct evtrail_live live;
    struct evtrail_slot slot;
    struct evtrail_fault fault;
    const char *settings;
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
    int result = evtrail_slot_attach(&f->slot, &f->live, "the-test", hold, rules, f->settings, &f->fault);
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
    assert_int_equal(evtrail_slot_attach(&f->slot, &f->live, "x", true, NULL, NULL, &f->fault), -EBUSY);
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
    assert_int_equal(evtrail_slot_attach(&f->slot, &f->live, "x", false, "test.* te$t:nothing", NULL, &f->fault),
                     -EINVAL);
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

/* ---- settings ---- */

static void assert_settings(struct fixture *f, unsigned policy, unsigned block_bytes, unsigned blocks)
{
    assert_int_equal(f->builder.control->settings.policy, policy);
    assert_int_equal(f->builder.control->settings.block_bytes, block_bytes);
    assert_int_equal(f->builder.control->settings.blocks, blocks);
}

static void start_settings(struct fixture *f, const char *text)
{
    evtrail_settings_default(&f->builder.control->settings);
    f->settings = text;
    attach(f, true, NULL);
}

static void settings__in_force_until_detached(void **state)
{
    struct fixture *f = *state;
    start_settings(f, "policy=drop block=128K blocks=32");
    assert_settings(f, EVTRAIL_POLICY_drop, 128u << 10, 32);
    uint32_t generation = f->builder.control->settings.generation;
    evtrail_slot_detach(&f->slot, &f->live);
    assert_settings(f, EVTRAIL_POLICY_overwrite, 64u << 10, 16);
    assert_true(f->builder.control->settings.generation > generation);
}

static void settings_changed_by_hand_meanwhile__stay(void **state)
{
    struct fixture *f = *state;
    start_settings(f, "policy=drop blocks=32");
    f->builder.control->settings.policy = EVTRAIL_POLICY_shed;
    f->builder.control->settings.block_bytes = 8192;
    evtrail_slot_detach(&f->slot, &f->live);
    assert_settings(f, EVTRAIL_POLICY_shed, 8192, 16);
}

/* As a forked child has them of a consumer that died before it could attach to it. */
static void rules_of_nobody__gone_two_leases_after_the_start(void **state)
{
    struct fixture *f = *state;
    char lines[EVTRAIL_RULES_BYTES];
    attach(f, false, "test.mine");
    assert_int_equal(evtrail_rules_append(f->live.control, "0", "test.session"), 0);
    assert_int_equal(evtrail_rules_append(f->live.control, "abc1", "test.nobodys"), 0);
    f->live.source.clock.first.monotonic_ns = evtrail_monotonic_now();
    evtrail_slots_reap(&f->live);
    lines[evtrail_rules_copy(f->live.control, lines)] = '\0';
    assert_non_null(strstr(lines, "abc1 test.nobodys\n"));
    f->live.source.clock.first.monotonic_ns = 1;
    evtrail_slots_reap(&f->live);
    lines[evtrail_rules_copy(f->live.control, lines)] = '\0';
    assert_null(strstr(lines, "nobodys"));
    assert_non_null(strstr(lines, " test.mine\n"));
    assert_non_null(strstr(lines, "0 test.session\n"));
}

static void consumer_was_killed__settings_go_with_its_slot(void **state)
{
    struct fixture *f = *state;
    start_settings(f, "policy=block blocks=64");
    f->slot.index = -1; /* it never comes back */
    consumer_of(f, 0)->renewed_ns = evtrail_monotonic_now() - 3u * (uint64_t)LEASE_NS;
    assert_int_equal(evtrail_slots_reap(&f->live), 1);
    assert_settings(f, EVTRAIL_POLICY_overwrite, 64u << 10, 16);
    assert_int_equal(consumer_of(f, 0)->override, 0);
}

static void evicted_and_back__settings_again(void **state)
{
    struct fixture *f = *state;
    start_settings(f, "policy=drop");
    consumer_of(f, 0)->state = EVTRAIL_CONSUMER_EVICTED; /* as the writer does it */
    evtrail_override_end(f->builder.control, 0);
    assert_settings(f, EVTRAIL_POLICY_overwrite, 64u << 10, 16);
    assert_int_equal(evtrail_slot_renew(&f->slot, &f->live, evtrail_monotonic_now() + LEASE_NS, &f->fault), -ESTALE);
    assert_settings(f, EVTRAIL_POLICY_drop, 64u << 10, 16);
}

/* A comes, B comes, C comes; they go in any order: the latest of those that are there counts, at the end what was at first. */
static void several_override__any_order_of_leaving(void **state)
{
    struct fixture *f = *state;
    struct evtrail_control *control = f->builder.control;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const char *const texts[4][3] = {{"policy=drop", "policy=block", "policy=shed"},
                                            {"policy=drop", "policy=drop", "policy=drop"},
                                            {"policy=drop", "policy=overwrite", "policy=drop"},
                                            {"policy=shed", "blocks=64", "policy=block block=4K"}};
    for (unsigned text = 0; text < 4; text++)
        for (unsigned order = 0; order < 6; order++) {
            evtrail_settings_default(&control->settings);
            for (unsigned i = 0; i < 3; i++)
                assert_int_equal(evtrail_override_set(control, i, texts[text][i]), 0);
            bool here[3] = {true, true, true};
            for (unsigned i = 0; i < 3; i++) {
                struct evtrail_settings_values base;
                struct evtrail_settings wanted;
                evtrail_override_base(control, &base);
                assert_int_equal(base.policy, EVTRAIL_POLICY_overwrite);
                assert_int_equal(base.blocks, 16);
                evtrail_override_end(control, orders[order][i]);
                here[orders[order][i]] = false;
                evtrail_settings_default(&wanted);
                for (unsigned j = 0; j < 3; j++) {
                    const char *at = texts[text][j], *word;
                    size_t bytes;
                    while (here[j] && (word = evtrail_text_word(&at, &bytes)))
                        evtrail_settings_apply(&wanted, word, bytes);
                }
                assert_settings(f, wanted.policy, wanted.block_bytes, wanted.blocks);
            }
        }
}

static void wrong_settings__refused_and_nothing_changed(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"policy=never", "blocks", "keep=1", "block=1", "policy=drop lease=1s", "*"};
    evtrail_settings_default(&f->builder.control->settings);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct evtrail_reader_options options = {.bytes = sizeof(options), .settings = wrong[i]};
        struct evtrail_reader *reader;
        assert_true(evtrail_reader_new(&reader, &options) < 0);
        assert_true(evtrail_override_set(f->builder.control, 0, wrong[i]) < 0);
        assert_settings(f, EVTRAIL_POLICY_overwrite, 64u << 10, 16);
    }
}

/* Whatever stands in the slots, settings stay within their bounds. */
static void lies_in_the_slots__settings_within_bounds(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        struct evtrail_settings_values values;
        for (unsigned i = 0; i < EVTRAIL_CONSUMERS_MAX; i++)
            consumer_of(f, (int)i)->override = (seed = seed * 6364136223846793005u + 1442695040888963407u);
        if (round & 1)
            f->builder.control->settings.policy = (uint32_t)(seed >> 40);
        evtrail_override_base(f->builder.control, &values);
        assert_true(values.policy < EVTRAIL_POLICIES && values.blocks >= 2);
        evtrail_override_end(f->builder.control, (unsigned)round % EVTRAIL_CONSUMERS_MAX);
        evtrail_settings_read(&f->builder.control->settings, &values);
        assert_true(values.policy < EVTRAIL_POLICIES && values.blocks >= 2 && values.block_bytes >= 4096);
    }
    for (unsigned i = 0; i < EVTRAIL_CONSUMERS_MAX; i++)
        consumer_of(f, (int)i)->override = 0;
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
        TEST(settings__in_force_until_detached),
        TEST(settings_changed_by_hand_meanwhile__stay),
        TEST(consumer_was_killed__settings_go_with_its_slot),
        TEST(rules_of_nobody__gone_two_leases_after_the_start),
        TEST(evicted_and_back__settings_again),
        TEST(several_override__any_order_of_leaving),
        TEST(wrong_settings__refused_and_nothing_changed),
        TEST(lies_in_the_slots__settings_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
