/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: becomes the program evtrail-bench (consumers/bench/), for this command itself is not traced.
 */
#include "cli.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

static void add(char **argv, int *count, const char *option, const char *value)
{
    if (option)
        argv[(*count)++] = (char *)(uintptr_t)option;
    if (value)
        argv[(*count)++] = (char *)(uintptr_t)value;
}

static void arguments(const struct args *args, char *events, size_t bytes, char **argv, int *count)
{
    if (args->set[OPT_json])
        add(argv, count, "--json", NULL);
    if (args->set[OPT_bench_list])
        add(argv, count, "--list", NULL);
    if (args->set[OPT_bench_seconds])
        add(argv, count, "--seconds", args->text[OPT_bench_seconds]);
    if (args->set[OPT_bench_scale])
        add(argv, count, "--scale", args->text[OPT_bench_scale]);
    if (args->set[OPT_bench_events]) {
        snprintf(events, bytes, "%lld", (long long)args->number[OPT_bench_events]);
        add(argv, count, "--events", events);
    }
    if (args->set[OPT_bench_peer])
        add(argv, count, "--peer", "lttng");
    if (args->operands_count > 0)
        add(argv, count, NULL, args->operands[0]);
}

int run_bench(const struct args *args)
{
    char path[512], self[512], events[24], *argv[WORDS_MAX] = {self};
    int count = 1;
    if (args->operands_count > 1)
        return fail(CODE_usage, args->operands[1], "one case or pattern; --list names them");
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    arguments(args, events, sizeof events, argv, &count);
    argv[count] = NULL;
    if (program_file("evtrail-bench", path, sizeof path))
        execv(path, argv);
    else
        errno = ENOENT;
    return fail(CODE_missing, "evtrail-bench", "%s; it is installed in libdir/evtrail", strerror(errno));
}
