/* SPDX-License-Identifier: ISC
 *
 * The tables of subcommands and options, and the parser that works from them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail
#include <stdio.h>

#include "../../consumers/options.c"
#include "../../consumers/commands.c"
#include "../../consumers/numbers.c"

/* The subcommands do nothing here; errors are kept. */
#define X(name) \
    int run_##name(const struct args *args) \
    { \
        (void)args; \
        return 0; \
    }
COMMAND_RUNS(X)
#undef X

bool manual_top(size_t index, struct manual_item *ret_item)
{
    (void)index;
    (void)ret_item;
    return false;
}

static char last_error[512];

int fail(enum exit_code code, const char *where, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(last_error, sizeof last_error, format, list);
    va_end(list);
    (void)where;
    return (int)code;
}

static int parse(struct args *args, const char *command, char **argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    return args_parse(args, subcommand_find(command), argc, argv);
}
#define ARGV(...) ((char *[]){__VA_ARGS__, NULL})

static void table__every_option__has_a_text_and_a_metavar_if_it_takes_a_value(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPTIONS; i++) {
        assert_true(strlen(option_specs[i].name) > 0);
        assert_true(strlen(option_specs[i].text) > 0);
        assert_int_equal(option_specs[i].type == TYPE_flag, option_specs[i].metavar[0] == '\0');
    }
}

static void table__options_of_one_command__differ_in_name_and_letter(void **state)
{
    (void)state;
    for (const struct subcommand *command = subcommands; command->name; command++)
        for (const uint8_t *a = command->options; *a != OPTIONS; a++)
            for (const uint8_t *b = a + 1; *b != OPTIONS; b++) {
                assert_string_not_equal(option_specs[*a].name, option_specs[*b].name);
                assert_true(option_specs[*a].letter == 0 || option_specs[*a].letter != option_specs[*b].letter);
            }
}

static void table__every_command__has_a_summary_and_runs(void **state)
{
    (void)state;
    for (const struct subcommand *command = subcommands; command->name; command++) {
        assert_non_null(command->run);
        assert_true(strlen(command->summary) > 0);
        assert_ptr_equal(subcommand_find(command->name), command);
    }
    assert_null(subcommand_find("nothing"));
}

static void parse__values_of_all_types__are_understood(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(parse(&args, "record",
                           ARGV("record", "-p", "one", "--process=two", "-o", "x.evt", "--rotate-size", "64M",
                                "--duration", "2m", "--blocks", "2k", "--policy", "shed", "--snapshot")),
                     0);
    assert_int_equal(args.list[OPT_process].count, 2);
    assert_string_equal(args.list[OPT_process].items[1], "two");
    assert_string_equal(args.text[OPT_output], "x.evt");
    assert_int_equal(args.number[OPT_rotate_size], 64 << 20);
    assert_int_equal(args.number[OPT_duration], INT64_C(120000000000));
    assert_int_equal(args.number[OPT_blocks], 2000);
    assert_int_equal(args.number[OPT_policy], 2);
    assert_true(args.set[OPT_snapshot]);
    assert_false(args.set[OPT_force]);
    args_free(&args);
}

static void parse__double_dash__cuts_off_the_program(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(parse(&args, "record", ARGV("record", "--quiet", "--", "prog", "--quiet", "--", "x")), 0);
    assert_string_equal(args.program[0], "prog");
    assert_string_equal(args.program[1], "--quiet");
    assert_string_equal(args.program[2], "--");
    assert_int_equal(args.operands_count, 0);
    args_free(&args);
    assert_int_equal(parse(&args, "record", ARGV("record", "--")), CODE_usage);
    args_free(&args);
}

static void parse__options_behind_operands__are_options(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(parse(&args, "cat", ARGV("cat", "a.evt", "--json", "b.evt")), 0);
    assert_true(args.set[OPT_json]);
    assert_int_equal(args.operands_count, 2);
    assert_string_equal(args.operands[1], "b.evt");
    args_free(&args);
}

static void parse__wrong_words__usage_error_that_suggests(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        const char *says;
    } wrong[] = {
        {"--jsno", "--json"}, {"--limt", "--limit"}, {"--folow", "--follow"}, {"--zzzzzz", "evtrail help cat"}};
    for (unsigned i = 0; i < 4; i++) {
        struct args args;
        assert_int_equal(parse(&args, "cat", ARGV("cat", (char *)wrong[i].word)), CODE_usage);
        assert_non_null(strstr(last_error, wrong[i].says));
        args_free(&args);
    }
}

static void parse__wrong_values__usage_error(void **state)
{
    (void)state;
    char *const wrong[] = {"--limit=x",
                           "--limit=",
                           "--limit=-1",
                           "--duration=5q",
                           "--time=sideways",
                           "--from=yesterday",
                           "--json=1",
                           "--limit=99999999999999999999999",
                           "-n"};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct args args;
        assert_int_equal(parse(&args, "cat", ARGV("cat", wrong[i])), CODE_usage);
        args_free(&args);
    }
}

static void parse__help__is_told_apart(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(parse(&args, "stat", ARGV("stat", "-h")), -1);
    args_free(&args);
}

static void parse__same_letter_in_two_commands__means_each_its_own(void **state)
{
    (void)state;
    struct args args;
    assert_int_equal(parse(&args, "prune", ARGV("prune", "-n")), 0);
    assert_true(args.set[OPT_dry_run]);
    args_free(&args);
    assert_int_equal(parse(&args, "cat", ARGV("cat", "-n", "5")), 0);
    assert_int_equal(args.number[OPT_limit], 5);
    args_free(&args);
}

static void numbers__as_people_write_them(void **state)
{
    (void)state;
    int64_t n;
    assert_int_equal(parse_count("20k", &n), 0);
    assert_int_equal(n, 20000);
    assert_int_equal(parse_size("1.5K", &n), 0);
    assert_int_equal(n, 1536);
    assert_int_equal(parse_duration("10", &n), 0);
    assert_int_equal(n, INT64_C(10000000000));
    assert_int_equal(parse_duration("250ms", &n), 0);
    assert_int_equal(n, 250000000);
    assert_int_equal(parse_duration("-1s", &n), -EINVAL);
    assert_int_equal(parse_count("0x10", &n), -EINVAL);
    assert_int_equal(parse_moment("@5.25", 0, &n), 0);
    assert_int_equal(n, INT64_C(5250000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__every_option__has_a_text_and_a_metavar_if_it_takes_a_value),
        cmocka_unit_test(table__options_of_one_command__differ_in_name_and_letter),
        cmocka_unit_test(table__every_command__has_a_summary_and_runs),
        cmocka_unit_test(parse__values_of_all_types__are_understood),
        cmocka_unit_test(parse__double_dash__cuts_off_the_program),
        cmocka_unit_test(parse__options_behind_operands__are_options),
        cmocka_unit_test(parse__wrong_words__usage_error_that_suggests),
        cmocka_unit_test(parse__wrong_values__usage_error),
        cmocka_unit_test(parse__help__is_told_apart),
        cmocka_unit_test(parse__same_letter_in_two_commands__means_each_its_own),
        cmocka_unit_test(numbers__as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
