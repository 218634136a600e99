/* SPDX-License-Identifier: ISC
 *
 * pool-bench: times the connection pool. Options, and the list of the cases.
 */
#include "pool_bench.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "Usage: pool-bench [--json] [--scale X] [--list] [CASE]\n"
                            "\n"
                            "Times the connection pool. CASE is a name or a pattern of --list.\n"
                            "\n"
                            "  --json     one object a line\n"
                            "  --scale X  so many times as much of everything; 1 takes about two minutes\n"
                            "  --list     the names of the cases\n"
                            "  --help     this\n";

static const char *const case_names[] = {"pooled/echo",      "pooled/curl",      "call/loop", "call/two-threads",
                                         "tracing/recorded", "tracing/disabled", "idle",      "constrained"};
#define CASES (sizeof case_names / sizeof case_names[0])

unsigned bench_rounds(const struct bench *bench, unsigned rounds)
{
    return bench->scale < 0.1 ? 3 : bench->scale < 1 ? (rounds + 2) / 2 : rounds;
}

uint64_t bench_count(const struct bench *bench, uint64_t count)
{
    const double scaled = (double)count * bench->scale;
    return scaled < 128 ? 128 : (uint64_t)scaled;
}

void bench_failed(struct bench *bench, const char *name, const char *why)
{
    fprintf(stderr, "pool-bench: %s failed: %s\n", name, why);
    bench->failures++;
}

int bench_echo(struct bench *bench, const char *name, struct worker *server, struct load_setup *setup)
{
    *setup = (struct load_setup){0};
    if (worker_start(server, bench, "echo", false, CPU_server, setup) != 0 || worker_order(server, 0) < 0) {
        bench_failed(bench, name, server->ready.text);
        worker_stop(server);
        return -EIO;
    }
    setup->port = (uint16_t)server->ready.figures[FIGURE_own];
    return 0;
}

static int list_cases(void)
{
    for (size_t i = 0; i < CASES; i++)
        puts(case_names[i]);
    return 0;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "pool-bench: %s; pool-bench --help explains the options\n", what);
    return 2;
}

static bool case_exists(const struct bench *bench)
{
    for (size_t i = 0; i < CASES; i++)
        if (bench_wants(bench, case_names[i]))
            return true;
    return false;
}

/* -1: go on; else the exit code. */
static int parse(struct bench *bench, char **argument)
{
    for (; *argument; argument++) {
        if (strcmp(*argument, "--json") == 0) {
            bench->json = true;
        } else if (strcmp(*argument, "--list") == 0) {
            return list_cases();
        } else if (strcmp(*argument, "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        } else if (strcmp(*argument, "--scale") == 0) {
            char *end = NULL;
            bench->scale = argument[1] ? strtod(argument[1], &end) : 0;
            if (!end || *end || !(bench->scale > 0) || bench->scale > 1000)
                return usage_error("--scale takes a number above 0");
            argument++;
        } else if (**argument == '-' || bench->only) {
            return usage_error("unknown option, or more than one CASE");
        } else {
            bench->only = *argument;
        }
    }
    return case_exists(bench) ? -1 : usage_error("no such case; --list names them");
}

static int whereabouts(struct bench *bench)
{
    static char self[PATH_MAX], directory[PATH_MAX], work[] = "/tmp/pool-bench-XXXXXX";
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0 || !mkdtemp(work)) {
        fprintf(stderr, "pool-bench: %s: %s\n", work, strerror(errno));
        return -errno;
    }
    self[length] = '\0';
    bench->self = self;
    snprintf(directory, sizeof directory, "%s", self);
    bench->libexec = dirname(directory); /* the loads lie beside this program */
    bench->work = work;
    return 0;
}

int main(int argc, char **argv)
{
    struct bench bench = {.scale = 1};
    (void)argc;
    const int code = parse(&bench, argv + 1);
    if (code >= 0)
        return code;
    if (whereabouts(&bench) < 0)
        return 6;
    signal(SIGPIPE, SIG_IGN);
    unsetenv("EVTRAIL"); /* the loads are traced as their cases say */
    bench_loads(&bench);
    bench_calls(&bench);
    rmdir(bench.work);
    return bench.failures ? 1 : 0;
}
