/* SPDX-License-Identifier: ISC
 *
 * Events that another tracer in the process gets as well: evtrail_forward_to(), through the shared library, as programs use it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <evtrail/evtrail.h>

#include <dlfcn.h>
#include <errno.h>

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

static struct got {
    unsigned asked, events, count;
    uint32_t id;
    uint64_t ticks, words[EVTRAIL_FIELDS_MAX];
    char text[256];
    struct evtrail_forward_type type;
    uint8_t types[EVTRAIL_FIELDS_MAX];
    char names[EVTRAIL_FIELDS_MAX][64];
} got;

static const char *wanted = "t.";

static int wants(const struct evtrail_forward_type *type)
{
    got.asked++;
    if (strncmp(type->name, wanted, strlen(wanted)) != 0)
        return 0;
    got.type = *type;
    for (unsigned i = 0; i < type->fields_count; i++) {
        got.types[i] = type->fields[i].type;
        snprintf(got.names[i], sizeof(got.names[i]), "%s,%s,%s", type->fields[i].name, type->fields[i].unit,
                 type->fields[i].enums);
    }
    return 1;
}

static void event(uint32_t id, uint64_t ticks, const struct evtrail_arg *args, unsigned count)
{
    got.events++;
    got.id = id;
    got.ticks = ticks;
    got.count = count;
    for (unsigned i = 0; i < count; i++) {
        got.words[i] = args[i].word;
        if (args[i].data && args[i].word < sizeof(got.text))
            memcpy(got.text, args[i].data, args[i].word);
    }
}

static const struct evtrail_forward receiver = {sizeof(receiver), wants, event};

static void emit_some(int number)
{
    const double ratio = 0.5;
    EVTRAIL(info, "t.some", number, ratio, EVTRAIL_AS(note, "a note"));
}

RUN(forward__types_off__arguments_arrive_and_nothing_is_recorded)
{
    CHECK(evtrail_forward_to(&receiver) > 0);
    emit_some(-7);
    CHECK_EQ(got.events, 1);
    CHECK_EQ(got.count, 3);
    CHECK_EQ(got.ticks, 0);
    CHECK_EQ((int64_t)got.words[0], -7);
    double ratio;
    memcpy(&ratio, &got.words[1], sizeof(ratio));
    CHECK(ratio == 0.5);
    CHECK(strcmp(got.text, "a note") == 0);
    CHECK(strcmp(got.names[0], "number,,") == 0 && strcmp(got.names[1], "ratio,,") == 0);
    CHECK(strcmp(got.names[2], "note,,") == 0);
    struct trail *t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
    CHECK_EQ(trail_count(t, "t.some"), 0);
    trail_close(t);
}

RUN(forward__type_on__recorded_as_well)
{
    CHECK(evtrail_rule("t") >= 0);
    emit_some(1);
    CHECK(evtrail_forward_to(&receiver) > 0);
    emit_some(2);
    CHECK(evtrail_forward_to(NULL) == 0);
    emit_some(3);
    CHECK_EQ(got.events, 1);
    CHECK_EQ((int64_t)got.words[0], 2);
    struct trail *t = trail_open(evtrail_session_path());
    CHECK(t != NULL);
    CHECK_SOUND(t);
    CHECK_EQ(trail_count(t, "t.some"), 3);
    trail_close(t);
}

RUN(forward__wants__name_kind_and_field_types_are_told)
{
    wanted = "t.span";
    CHECK(evtrail_forward_to(&receiver) >= 1);
    CHECK(strcmp(got.type.name, "t.span") == 0);
    CHECK_EQ(got.type.kind, EVTRAIL_KIND_begin);
    CHECK_EQ(got.type.level, EVTRAIL_LEVEL_debug);
    CHECK_EQ(got.type.fields_count, 3);
    CHECK_EQ(got.types[0], EVTRAIL_TYPE_u64);
    CHECK_EQ(got.types[2], EVTRAIL_TYPE_string);
    EVTRAIL_BEGIN(debug, "t.span", (uint64_t)9, (uint64_t)0, EVTRAIL_AS(what, "x"));
    CHECK_EQ(got.events, 1);
    CHECK_EQ(got.id, got.type.id);
    CHECK_EQ(got.words[0], 9);
}

RUN(forward__large_event_and_caller_s_stamp__arrive)
{
    char large[1000];
    memset(large, 'x', sizeof(large));
    CHECK(evtrail_forward_to(&receiver) > 0);
    EVTRAIL_AT(12345, info, "t.large", evtrail_bytes(large, sizeof(large)));
    CHECK_EQ(got.events, 1);
    CHECK_EQ(got.words[0], sizeof(large));
    CHECK_EQ(got.ticks, 12345);
}

RUN(forward__run_time_type__before_and_after)
{
    const struct evtrail_field_desc field = {EVTRAIL_TYPE_i64, "n", NULL, NULL, NULL};
    const struct evtrail_event_desc early = {sizeof(early),        "t.early", NULL,  EVTRAIL_LEVEL_info,
                                             EVTRAIL_KIND_instant, 1,         &field};
    const struct evtrail_event_desc late = {sizeof(late),         "t.late", NULL,  EVTRAIL_LEVEL_info,
                                            EVTRAIL_KIND_counter, 1,        &field};
    const struct evtrail_point *first, *second;
    const struct evtrail_arg arg = {42, NULL};
    CHECK_EQ(evtrail_register(&early, &first), 0);
    CHECK(evtrail_forward_to(&receiver) > 0);
    CHECK_EQ(evtrail_register(&late, &second), 0);
    CHECK(evtrail_enabled(first) && evtrail_enabled(second));
    evtrail_emit(first, 0, &arg, 1);
    evtrail_emit(second, 0, &arg, 1);
    CHECK_EQ(got.events, 2);
    CHECK_EQ(got.words[0], 42);
    CHECK(evtrail_forward_to(NULL) == 0);
    CHECK(!evtrail_enabled(first) && !evtrail_enabled(second));
}

RUN(forward__library_comes_and_goes__its_points_too)
{
    static const char *const paths[] = {EVTRAIL_TEST_PLUGIN, EVTRAIL_TEST_STANDALONE_PLUGIN};
    wanted = "s.plugin.at";
    CHECK(evtrail_forward_to(&receiver) >= 0);
    for (int i = 0; i < 6; i++) {
        void *plugin = dlopen(paths[i % 2], RTLD_NOW);
        CHECK(plugin != NULL);
        void (*emit)(int) = (void (*)(int))dlsym(plugin, "plugin_emit");
        CHECK(emit != NULL);
        const unsigned before = got.events;
        emit(i);
        CHECK_EQ(got.events, before + 1);
        CHECK(evtrail_forward_to(NULL) == 0);
        emit(i);
        CHECK_EQ(got.events, before + 1);
        CHECK(evtrail_forward_to(&receiver) > 0); /* again, while it is there */
        emit(i);
        CHECK_EQ(got.events, before + 2);
        dlclose(plugin);
        CHECK(evtrail_forward_to(&receiver) >= 0);
    }
}

RUN(forward__not_a_receiver__refused)
{
    CHECK_EQ(evtrail_forward_to(&(struct evtrail_forward){sizeof(struct evtrail_forward), NULL, event}), -EINVAL);
    CHECK_EQ(evtrail_forward_to(&(struct evtrail_forward){8, wants, event}), -EINVAL);
    CHECK_EQ(evtrail_forward_to(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward__types_off__arguments_arrive_and_nothing_is_recorded),
        cmocka_unit_test(forward__type_on__recorded_as_well),
        cmocka_unit_test(forward__wants__name_kind_and_field_types_are_told),
        cmocka_unit_test(forward__large_event_and_caller_s_stamp__arrive),
        cmocka_unit_test(forward__run_time_type__before_and_after),
        cmocka_unit_test(forward__library_comes_and_goes__its_points_too),
        cmocka_unit_test(forward__not_a_receiver__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
