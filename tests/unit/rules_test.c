/* SPDX-License-Identifier: ISC
 *
 * The grammar of rules and settings, patterns, bounds, and who wins when several owners want something.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shared/rules.h"

/* ---- rules ---- */

static int parse(const char *text, struct evtrail_rule *rule)
{
    char *exact = malloc(strlen(text) ? strlen(text) : 1); /* no NUL behind it, for the sanitizer */
    memcpy(exact, text, strlen(text));
    int result = evtrail_rule_parse(exact, strlen(text), rule);
    free(exact);
    return result;
}

static void rule__every_part__is_understood(void **state)
{
    struct evtrail_rule r;
    assert_int_equal(parse("pool", &r), 0);
    assert_true(r.on && r.level == EVTRAIL_LEVELS && r.state == EVTRAIL_ENABLE_ON);
    assert_string_equal(r.pattern, "pool");
    assert_int_equal(parse("-pool.*:info", &r), 0);
    assert_true(!r.on && r.level == EVTRAIL_LEVEL_info);
    assert_int_equal(parse("a.b?c*:critical+cpu+caller+stack@drop", &r), 0);
    assert_int_equal(r.level, EVTRAIL_LEVEL_critical);
    assert_int_equal(r.state, EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU | EVTRAIL_ENABLE_CALLER | EVTRAIL_ENABLE_STACK |
                                  (1 + EVTRAIL_POLICY_drop) << EVTRAIL_ENABLE_CHANNEL_SHIFT);
    assert_int_equal(parse("*@drop@shed+cpu:trace", &r), 0); /* any order; the last channel */
    assert_int_equal(r.state, EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU |
                                  (1 + EVTRAIL_POLICY_shed) << EVTRAIL_ENABLE_CHANNEL_SHIFT);
}

static void rule__malformed__refused_and_nothing_written(void **state)
{
    static const char *const texts[] = {"",        "-",     ":info",   "a:",      "a:loud",  "a+",   "a+gpu", "a@",
                                        "a@never", "a b",   "a\nb",    "a:info:", "a++cpu",  "a,b",  "a;b",   "a=b",
                                        "a\"",     "a\x80", "a:infox", "a:Info",  "a+cpu x", "a\x7f"};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct evtrail_rule r = {.level = 77};
        if (parse(texts[i], &r) != -EINVAL)
            fail_msg("\"%s\" was taken", texts[i]);
        assert_int_equal(r.level, 77);
    }
    struct evtrail_rule r;
    assert_int_equal(evtrail_rule_parse("a\0cpu", 5, &r), -EINVAL);
}

static void rule__longest_pattern__one_more_is_refused(void **state)
{
    char text[EVTRAIL_PATTERN_BYTES + 1];
    struct evtrail_rule r;
    memset(text, 'x', sizeof(text));
    assert_int_equal(evtrail_rule_parse(text, EVTRAIL_PATTERN_BYTES - 1, &r), 0);
    assert_int_equal(strlen(r.pattern), EVTRAIL_PATTERN_BYTES - 1);
    assert_int_equal(evtrail_rule_parse(text, EVTRAIL_PATTERN_BYTES, &r), -EINVAL);
}

static void pattern__providers_and_wildcards(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } cases[] = {
        {"pool", "pool", 1},
        {"pool", "pool.conn.open", 1},
        {"pool.conn", "pool.conn.open", 1},
        {"pool", "pools", 0},
        {"pool", "poo", 0},
        {"pool.conn", "pool", 0},
        {"*", "anything.at.all", 1},
        {"*", "", 1},
        {"pool.*", "pool.conn", 1},
        {"pool.*", "pool", 0},
        {"*.open", "pool.conn.open", 1},
        {"*.open", "pool.open.x", 0},
        {"p?ol", "pool", 1},
        {"p?ol", "pool.x", 0},
        {"?", "a", 1},
        {"?", "", 0},
        {"a*b*c", "aXXbYYbZZc", 1},
        {"a*b*c", "aXXbYYbZZ", 0},
        {"**", "x", 1},
        {"*a", "aaaaab", 0},
        {"a*", "a", 1},
        {"a**", "a", 1},
        {"pool.", "pool.conn", 0},
        {"?ool*", "pool.x.y", 1},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (evtrail_pattern_match(cases[i].pattern, cases[i].name) != cases[i].match)
            fail_msg("%s on %s", cases[i].pattern, cases[i].name);
}

static void pattern__many_stars__no_explosion(void **state)
{
    char pattern[200] = "", name[400];
    for (int i = 0; i < 90; i++)
        strcat(pattern, "*a");
    memset(name, 'a', sizeof(name) - 2);
    name[sizeof(name) - 2] = 'b';
    name[sizeof(name) - 1] = '\0';
    clock_t start = clock();
    for (int i = 0; i < 1000; i++)
        assert_false(evtrail_pattern_match(pattern, name));
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

/* ---- owners ---- */

static unsigned state_of(const char *lines, const char *name, unsigned level)
{
    return evtrail_rules_state(lines, strlen(lines), name, level);
}

static void owners__one__the_last_match_counts(void **state)
{
    static const char *const lines = "0 pool\n0 -pool.noise\n0 pool.noise.important\n0 other:warning\n";
    assert_int_equal(state_of(lines, "pool.x", 6), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of(lines, "pool.noise.x", 6), 0);
    assert_int_equal(state_of(lines, "pool.noise.important", 6), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of(lines, "other", EVTRAIL_LEVEL_warning), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of(lines, "other", EVTRAIL_LEVEL_info), 0);
    assert_int_equal(state_of(lines, "third", 1), 0);
    assert_int_equal(state_of("0 a+cpu\n0 a\n", "a", 1), EVTRAIL_ENABLE_ON);
}

static void owners__several__union_but_the_sessions_off_beats_what_was_before_and_everything(void **state)
{
    assert_int_equal(state_of("1f a+cpu\n2f a+caller\n", "a", 1),
                     EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU | EVTRAIL_ENABLE_CALLER);
    assert_int_equal(state_of("1f a\n2f -a\n", "a", 1),
                     EVTRAIL_ENABLE_ON); /* one consumer does not take it from another */
    assert_int_equal(state_of("0 -a\n1f a\n", "a", 1), EVTRAIL_ENABLE_ON); /* who names it later gets it */
    assert_int_equal(state_of("0 -a\n1f a.*\n2f a+cpu\n", "a.b", 1), EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU);
    assert_int_equal(state_of("0 -a\n1f *\n", "a", 1), 0); /* not who wants everything */
    assert_int_equal(state_of("0 -a\n1f a\n1f -a\n", "a", 1), 0);
    assert_int_equal(state_of("1f a+cpu\n0 -a\n2f a\n", "a", 1), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of("0 *:warning\n1f a\n", "a", EVTRAIL_LEVEL_info), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of("1f a\n0 -a\n", "a", 1), 0);
    assert_int_equal(state_of("0 -a.b\n1f a\n", "a.c", 1), EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of("1f a@drop\n2f a@shed\n", "a", 1),
                     EVTRAIL_ENABLE_ON | (1 + EVTRAIL_POLICY_shed) << EVTRAIL_ENABLE_CHANNEL_SHIFT);
}

static void owners__lines_that_do_not_parse__skipped(void **state)
{
    assert_int_equal(state_of("\n \n0\n0 \n0 :x\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx a\n0 a\n0 unfinished", "a", 1),
                     EVTRAIL_ENABLE_ON);
    assert_int_equal(state_of("0 unfinished", "unfinished", 1), 0);
    char many[4000] = "";
    for (int i = 0; i < 100; i++)
        sprintf(many + strlen(many), "%d a+cpu\n", i + 1);
    assert_int_equal(state_of(many, "a", 1), EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU);
}

/* ---- the list ---- */

static struct evtrail_control *control_new(void)
{
    return calloc(1, sizeof(struct evtrail_control));
}

static unsigned control_state(struct evtrail_control *control, const char *name)
{
    static char lines[EVTRAIL_RULES_BYTES];
    return evtrail_rules_state(lines, evtrail_rules_copy(control, lines), name, 1);
}

static void list__append_and_remove__only_the_owners_lines(void **state)
{
    struct evtrail_control *control = control_new();
    assert_int_equal(evtrail_rules_append(control, "0", "a"), 0);
    assert_int_equal(evtrail_rules_append(control, "1", "b"), 0);
    assert_int_equal(evtrail_rules_append(control, "11", "c"), 0);
    assert_int_equal(evtrail_rules_append(control, "1", "d"), 0);
    assert_int_equal(evtrail_rules_append(control, "1", "no rule"), -EINVAL);
    assert_int_equal(evtrail_rules_append(control, "", "d"), -EINVAL);
    assert_int_equal(evtrail_rules_append(control, "123456789012345678901", "d"), -EINVAL);
    assert_int_equal(evtrail_rules_remove(control, "1"), 0);
    assert_true(control_state(control, "a") && control_state(control, "c"));
    assert_false(control_state(control, "b") || control_state(control, "d"));
    assert_int_equal(control->rules_generation, 5);
    assert_int_equal(control->rules_lock, 0);
    free(control);
}

/* A tool that switches something on and off every second does so for years. */
static void list__same_pattern_again_and_again__never_full(void **state)
{
    struct evtrail_control *control = control_new();
    assert_int_equal(evtrail_rules_append(control, "1f", "pool"), 0);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(evtrail_rules_append(control, "0", i & 1 ? "pool.conn:debug+cpu" : "-pool.conn"), 0);
        assert_int_equal(control_state(control, "pool.conn.open"), i & 1 ? EVTRAIL_ENABLE_ON | EVTRAIL_ENABLE_CPU : 0);
    }
    assert_int_equal(control_state(control, "pool.other"), EVTRAIL_ENABLE_ON);
    free(control);
}

static void list__full_of_different_rules__says_so(void **state)
{
    struct evtrail_control *control = control_new();
    char rule[100];
    int result = 0, i = 0;
    for (; result == 0; i++) {
        sprintf(rule, "pool.number.%d", i);
        result = evtrail_rules_append(control, "0", rule);
    }
    assert_int_equal(result, -ENOSPC);
    assert_true(i > 1000);
    assert_int_equal(control_state(control, "pool.number.7"), EVTRAIL_ENABLE_ON);
    assert_int_equal(evtrail_rules_append(control, "0", "-pool.number.7"), 0); /* takes the old one's place */
    assert_int_equal(control_state(control, "pool.number.7"), 0);
    free(control);
}

static void list__length_of_a_liar__bounded(void **state)
{
    static char lines[EVTRAIL_RULES_BYTES];
    struct evtrail_control *control = control_new();
    memset(control->rules, 'x', sizeof(control->rules));
    control->rules_bytes = UINT32_MAX;
    assert_int_equal(evtrail_rules_copy(control, lines), EVTRAIL_RULES_BYTES);
    assert_true(evtrail_rules_append(control, "0", "a") <= 0);
    assert_int_equal(evtrail_rules_remove(control, "0"), 0);
    free(control);
}

static void lock__of_a_dead_process__taken_over_at_once(void **state)
{
    struct evtrail_control *control = control_new();
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    control->rules_lock = (uint32_t)pid;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    assert_int_equal(evtrail_rules_append(control, "0", "a"), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec <= 1);
    control->rules_lock = (uint32_t)getppid(); /* alive and stuck: robbed after a second */
    assert_int_equal(evtrail_rules_append(control, "0", "b"), 0);
    free(control);
}

struct append {
    struct evtrail_control *control;
    unsigned number;
};

static void *append_many(void *argument)
{
    struct append *a = argument;
    char rule[40];
    for (int i = 0; i < 50; i++) {
        sprintf(rule, "p%u.%d", a->number, i);
        if (evtrail_rules_append(a->control, "0", rule) < 0)
            return a;
    }
    return NULL;
}

/* Somebody takes the locks of many sessions all the time: those who want to change their rules must not stand still for it. */
static void lock__never_let_go_of__costs_little_in_all(void **state)
{
    static struct evtrail_control controls[8];
    const pid_t hostile = getppid() > 1 ? getppid() : 1;
    struct timespec from, to;
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < 400; i++) {
        struct evtrail_control *control = &controls[i % 8];
        atomic_store(&control->rules_lock, (uint32_t)hostile);
        int result = evtrail_rules_append(control, "abc", "pool.*");
        assert_true(result == 0 || result == -EBUSY);
        atomic_store(&control->rules_lock, (uint32_t)hostile);
        evtrail_rules_remove(control, "abc");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    const int64_t ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    if (ms > 12000)
        fail_msg("800 changes took %lld ms", (long long)ms);
    /* those that can be had at once make it patient again */
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(evtrail_rules_append(&controls[0], "abc", "pool.*"), 0);
}

static void list__several_threads_append__none_is_lost(void **state)
{
    struct append appends[4];
    pthread_t threads[4];
    struct evtrail_control *control = control_new();
    void *failed;
    for (unsigned i = 0; i < 4; i++) {
        appends[i] = (struct append){control, i};
        pthread_create(&threads[i], NULL, append_many, &appends[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    char name[40];
    for (unsigned i = 0; i < 200; i++) {
        sprintf(name, "p%u.%u", i % 4, i / 4);
        assert_int_equal(control_state(control, name), EVTRAIL_ENABLE_ON);
    }
    free(control);
}

/* ---- settings ---- */

static int set(struct evtrail_settings *settings, const char *text)
{
    char *exact = malloc(strlen(text) + !*text);
    memcpy(exact, text, strlen(text));
    int result = evtrail_settings_apply(settings, exact, strlen(text));
    free(exact);
    return result;
}

static void settings__bounds__kept(void **state)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"policy=overwrite", 0},
        {"policy=drop", 0},
        {"policy=block", 0},
        {"policy=shed", 0},
        {"policy=none", -EINVAL},
        {"policy=", -EINVAL},
        {"block=4K", 0},
        {"block=4096", 0},
        {"block=1M", 0},
        {"block=4095", 0},
        {"block=2048", -ERANGE},
        {"block=2M", -ERANGE},
        {"block=0", -ERANGE},
        {"block=-1", -EINVAL},
        {"block=64KiB", 0},
        {"block=64kb", -EINVAL},
        {"blocks=2", 0},
        {"blocks=1", -ERANGE},
        {"blocks=4096", 0},
        {"blocks=4097", -ERANGE},
        {"blocks=3", 0},
        {"deadline=0", 0},
        {"deadline=60s", 0},
        {"deadline=61s", -ERANGE},
        {"deadline=1", -EINVAL},
        {"deadline=1.5s", -EINVAL},
        {"lease=100ms", 0},
        {"lease=99ms", -ERANGE},
        {"lease=600s", 0},
        {"lease=11m", -ERANGE},
        {"memory=64K", 0},
        {"memory=63K", -ERANGE},
        {"memory=1024G", 0},
        {"memory=1025G", -ERANGE},
        {"keep=1", 0},
        {"keep=0", 0},
        {"keep=2", -EINVAL},
        {"keep=", -EINVAL},
        {"no=1", -EINVAL},
        {"=1", -EINVAL},
        {"block", -EINVAL},
        {"", -EINVAL},
        {"memory=99999999999999999999", -ERANGE},
        {"memory=18446744073709551615G", -ERANGE},
        {"block=K", -EINVAL},
        {"block=4K ", -EINVAL},
    };
    struct evtrail_settings s;
    memset(&s, 0, sizeof(s));
    evtrail_settings_default(&s);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t before = s.generation;
        int result = set(&s, cases[i].text);
        if (result != cases[i].result)
            fail_msg("%s: %d, not %d", cases[i].text, result, cases[i].result);
        assert_int_equal(s.generation - before, result == 0);
    }
}

static void settings__ring__follows_the_block(void **state)
{
    struct evtrail_settings s;
    struct evtrail_settings_values v;
    memset(&s, 0, sizeof(s));
    evtrail_settings_default(&s);
    assert_int_equal(set(&s, "ring=4M"), 0);
    evtrail_settings_read(&s, &v);
    assert_int_equal((uint64_t)v.block_bytes * v.blocks, 4 << 20);
    assert_int_equal(set(&s, "ring=64K"), -ERANGE);
    assert_int_equal(set(&s, "ring=512M"), -ERANGE);
    assert_int_equal(set(&s, "block=1M"), 0);
    assert_int_equal(set(&s, "blocks=4096"), 0); /* 4 GiB together: what is read is bounded */
    evtrail_settings_read(&s, &v);
    assert_true((uint64_t)v.block_bytes * v.blocks <= EVTRAIL_RING_BYTES_MAX && v.blocks >= EVTRAIL_BLOCKS_MIN);
}

static void settings__garbage__read_within_bounds(void **state)
{
    struct evtrail_settings s;
    struct evtrail_settings_values v;
    srand(3);
    for (int round = 0; round < 100000; round++) {
        unsigned char *bytes = (unsigned char *)&s;
        for (size_t i = 0; i < sizeof(s); i++)
            bytes[i] = (unsigned char)(round & 1 ? rand() : rand() % 3 - 1);
        evtrail_settings_read(&s, &v);
        assert_true(v.policy < EVTRAIL_POLICIES);
        assert_true(v.block_bytes >= EVTRAIL_BLOCK_BYTES_MIN && v.block_bytes <= EVTRAIL_BLOCK_BYTES_MAX);
        assert_true(v.blocks >= EVTRAIL_BLOCKS_MIN && v.blocks <= EVTRAIL_BLOCKS_MAX);
        assert_true((v.block_bytes & (v.block_bytes - 1)) == 0 && (v.blocks & (v.blocks - 1)) == 0);
        assert_true((uint64_t)v.block_bytes * v.blocks <= EVTRAIL_RING_BYTES_MAX);
        assert_true(v.deadline_ns <= 60000000000u && v.lease_ns >= 100000000u && v.lease_ns <= 600000000000u);
        assert_true(v.memory_bytes >= 64 << 10);
    }
}

static void words__any_separator(void **state)
{
    const char *text = " ,;a b,,c;\td\n", *word;
    size_t bytes;
    char all[16] = "";
    while ((word = evtrail_text_word(&text, &bytes)))
        strncat(all, word, bytes);
    assert_string_equal(all, "abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule__every_part__is_understood),
        cmocka_unit_test(rule__malformed__refused_and_nothing_written),
        cmocka_unit_test(rule__longest_pattern__one_more_is_refused),
        cmocka_unit_test(pattern__providers_and_wildcards),
        cmocka_unit_test(pattern__many_stars__no_explosion),
        cmocka_unit_test(owners__one__the_last_match_counts),
        cmocka_unit_test(owners__several__union_but_the_sessions_off_beats_what_was_before_and_everything),
        cmocka_unit_test(owners__lines_that_do_not_parse__skipped),
        cmocka_unit_test(list__append_and_remove__only_the_owners_lines),
        cmocka_unit_test(list__same_pattern_again_and_again__never_full),
        cmocka_unit_test(list__full_of_different_rules__says_so),
        cmocka_unit_test(list__length_of_a_liar__bounded),
        cmocka_unit_test(lock__of_a_dead_process__taken_over_at_once),
        cmocka_unit_test(lock__never_let_go_of__costs_little_in_all),
        cmocka_unit_test(list__several_threads_append__none_is_lost),
        cmocka_unit_test(settings__bounds__kept),
        cmocka_unit_test(settings__ring__follows_the_block),
        cmocka_unit_test(settings__garbage__read_within_bounds),
        cmocka_unit_test(words__any_separator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
