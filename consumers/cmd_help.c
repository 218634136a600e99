/* SPDX-License-Identifier: ISC
 *
 * evtrail help: texts, manual pages and completion scripts out of the tables.
 */
#include "cli.h"
#include "outbuf.h"

#include <string.h>
#include <unistd.h>

static void print(struct output *out, const struct args *args, const struct subcommand *about)
{
    if (args->set[OPT_bash])
        completion_bash(out);
    else if (args->set[OPT_zsh])
        completion_zsh(out);
    else if (args->set[OPT_man])
        (about ? man_command(out, about) : man_overview(out));
    else
        (about ? help_command(out, about) : help_overview(out));
}

int run_help(const struct args *args)
{
    const struct subcommand *about = NULL;
    if (args->operands_count > 1)
        return fail(CODE_usage, NULL, "one command at a time");
    if (args->operands_count == 1 && !(about = subcommand_find(args->operands[0])))
        return fail(CODE_usage, NULL, "no command '%s'; evtrail help lists them", args->operands[0]);
    struct output out;
    if (output_init(&out, STDOUT_FILENO) < 0)
        return fail(CODE_system, NULL, "out of memory");
    print(&out, args, about);
    const int r = output_fini(&out);
    return r < 0 && code_of(r) != CODE_ok ? fail(CODE_io, "standard output", "%s", strerror(-r)) : CODE_ok;
}
