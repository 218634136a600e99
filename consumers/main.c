/* SPDX-License-Identifier: ISC
 *
 * The `evtrail` command: finds the subcommand, parses its options, runs it.
 */
#include "cli.h"
#include "outbuf.h"
#include "program.h"
#include "remote.h"
#ifdef WITH_SHIP
#include "ship_helper.h"
#endif

#include <evtrail/evtrail.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int print_help(void (*print)(struct output *out, const struct subcommand *command),
                      const struct subcommand *command)
{
    struct output out;
    if (output_init(&out, STDOUT_FILENO) < 0)
        return fail(CODE_system, NULL, "out of memory");
    print(&out, command);
    const int r = output_fini(&out);
    return r < 0 && code_of(r) != CODE_ok ? fail(CODE_io, "standard output", "%s", strerror(-r)) : CODE_ok;
}

static void overview(struct output *out, const struct subcommand *command)
{
    (void)command;
    help_overview(out);
}

static const char *command_name(size_t index, const void *context)
{
    (void)context;
    return subcommands[index].hidden ? NULL : subcommands[index].name;
}

static int unknown_command(const char *name)
{
    size_t count = 0;
    while (subcommands[count].name)
        count++;
    const char *const near = args_suggest(name, command_name, count, NULL);
    if (near)
        return fail(CODE_usage, NULL, "no command '%s'; did you mean '%s'?", name, near);
    return fail(CODE_usage, NULL, "no command '%s'; evtrail help lists them", name);
}

/* Else it would be a file that is not there. */
static int collectors_check(const struct subcommand *command, const struct args *args)
{
    for (int i = 0; i < args->operands_count && !command->collectors; i++)
        if (remote_is(args->operands[i]))
            return fail(CODE_usage, args->operands[i],
                        "no collector can be read here, only files; cat, grep, stat, hist, top, record, convert, "
                        "report, gc and web read "
                        "collectors: evtrail record -o FILE %s makes a file",
                        args->operands[i]);
    if (args->set[OPT_output] && remote_is(args->text[OPT_output]))
        return fail(CODE_usage, args->text[OPT_output], "no file to write; evtrail send ships traces to a collector");
    return 0;
}

static int run(const struct subcommand *command, int argc, char **argv)
{
    struct args args;
    program_part = command->name;
    int r = args_parse(&args, command, argc, argv);
    if (r == -1) {
        r = print_help(help_command, command);
    } else if (r == 0) {
        r = command->raw ? 0 : collectors_check(command, &args);
        r = r ? r : command->run(&args);
    }
    args_free(&args);
    return r;
}

/* What a build without the pool's network lacks. */
#ifdef WITH_SHIP
static void register_parts(char **argv)
{
    ship_helper_line(argv);
    remote_register(ship_helper_open, ship_helper_close_all);
}
#else
static void register_parts(char **argv)
{
    (void)argv;
}
#endif

int main(int argc, char **argv)
{
    program_standard_descriptors();
    register_parts(argv);
    if (argc < 2)
        return fail(CODE_usage, NULL, "no command; evtrail help lists them");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help(overview, NULL);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("evtrail " EVTRAIL_VERSION);
        return fflush(stdout) == 0 ? CODE_ok : CODE_io;
    }
    const struct subcommand *const command = subcommand_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    return run(command, argc - 1, argv + 1);
}
