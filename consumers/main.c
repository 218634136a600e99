/* SPDX-License-Identifier: ISC
 *
 * The `evtrail` command: finds the subcommand, parses its options, runs it.
 */
#include "cli.h"
#include "outbuf.h"
#include "remote.h"
#ifdef WITH_SHIP
#include "ship/viewer.h"
#endif

#include <evtrail/evtrail.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A closed standard descriptor would be given to the next file that is opened. A program that is started finds it closed
 * again, as it would without us. */
static void standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

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
static void register_parts(void)
{
    remote_register(viewer_open, viewer_close_all);
}
#else
static void register_parts(void)
{
}
#endif

int main(int argc, char **argv)
{
    standard_descriptors();
    register_parts();
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
