/* SPDX-License-Identifier: ISC
 *
 * The events that go into a page one by one: how they are thinned, and that of a live trace the newest are whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report/sample.h"

enum { LIMIT = 4000, SEVERE = 1600, NEWEST = 150, EVENTS = 200000 };

static struct evtrail_source source = {.command = "", .program = "", .host = "", .boot_id = ""};
static const struct evtrail_event_type types[3] = {
    {.id = 0, .level = EVTRAIL_LEVEL_info, .name = "often", .doc = "", .file = "", .function = ""},
    {.id = 1, .level = EVTRAIL_LEVEL_info, .name = "rare", .doc = "", .file = "", .function = ""},
    {.id = 2, .level = EVTRAIL_LEVEL_error, .name = "bad", .doc = "", .file = "", .function = ""},
};

/* Every thousandth is rare, every tenth bad; its number from 1 is its time. */
static void add(struct sample *sample, uint64_t number)
{
    const struct evtrail_event_type *const type = &types[number % 1000 == 0 ? 1 : number % 10 == 0 ? 2 : 0];
    const struct evtrail_event event = {.what = EVTRAIL_EVENT,
                                        .id = type->id,
                                        .time = (int64_t)number,
                                        .source = &source,
                                        .type = type,
                                        .thread_name = "",
                                        .payload = &number,
                                        .words = 1,
                                        .duration = -1};
    assert_int_equal(sample_add(sample, &event, 0), 0);
}

/* Those that are there stand in their order, and are as many as is said. */
static void check(const struct sample *sample, uint64_t events, uint32_t newest)
{
    uint32_t kept[3] = {0}, rare = 0;
    for (size_t i = 0; i < sample->events_count; i++) {
        const struct sample_event *const event = sample->events[i];
        assert_true(i == 0 || event->ns > sample->events[i - 1]->ns);
        kept[event->type]++;
        rare += event->ns % 1000 == 0;
    }
    for (uint32_t i = 0; i < sample->types_count; i++)
        assert_int_equal(kept[i], sample->types[i].kept);
    assert_true(sample->kept[0] <= sample->limit[0] && sample->kept[1] <= sample->limit[1]);
    assert_int_equal(sample->kept[0] + sample->kept[1], sample->events_count);
    assert_int_equal(rare, events / 1000);
    for (uint32_t i = 0; i < newest && i < events; i++)
        assert_int_equal(sample->events[sample->events_count - 1 - i]->ns, events - i);
}

static void add__many_events__thinned_within_the_limits(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample, LIMIT, SEVERE);
    for (uint64_t i = 1; i <= EVENTS; i++)
        add(&sample, i);
    check(&sample, EVENTS, 0);
    for (size_t i = 0; i < sample.events_count; i++) {
        const struct sample_event *const event = sample.events[i];
        assert_int_equal(event->ordinal % (UINT64_C(1) << sample.types[event->type].stride), 0);
    }
    sample_fini(&sample);
}

static void keep_newest__at_any_time__the_newest_are_whole_and_the_rest_is_spread(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample, LIMIT, SEVERE);
    sample_keep_newest(&sample, NEWEST);
    for (uint64_t i = 1; i <= EVENTS; i++) {
        add(&sample, i);
        if (i < 100 || i % 997 == 0)
            check(&sample, i, NEWEST);
    }
    size_t old = 0;
    for (size_t i = 0; i < sample.events_count; i++)
        old += sample.events[i]->ns <= EVENTS / 2;
    assert_true(old > LIMIT / 8); /* the first half of the time is there, too */
    sample_limit(&sample, LIMIT / 2, SEVERE / 2);
    assert_true(sample.newest > 0 && sample.newest <= SEVERE / 16);
    check(&sample, EVENTS, sample.newest);
    sample_fini(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add__many_events__thinned_within_the_limits),
        cmocka_unit_test(keep_newest__at_any_time__the_newest_are_whole_and_the_rest_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
