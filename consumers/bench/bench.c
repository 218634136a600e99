/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: options, the order of the cases, and the reader process that drains while they run.
 */
#include "bench.h"
#include "../cli.h"

#include <evtrail/evtrail.h>
#include <evtrail/reader.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] = "evtrail bench --help explains the options\n";

static const char *const case_names[] = {"emit/u64/overwrite/no-reader",
                                         "emit/u64/overwrite/1",
                                         "emit/u64/drop/1",
                                         "emit/u64/block/1",
                                         "emit/u64/shed/1",
                                         "emit/four-u64/overwrite/1",
                                         "emit/string32/overwrite/1",
                                         "emit/u64/shared-stamp",
                                         "emit/disabled",
                                         "emit/u64/overwrite/2",
                                         "emit/u64/plugin",
                                         "dropped/u64/drop",
                                         "dropped/u64/shed",
                                         "start",
                                         "sustained",
                                         "visible/default",
                                         "visible/low-latency",
                                         "idle",
                                         "memory",
                                         "file/write",
                                         "file/stat",
                                         "file/cat",
                                         "file/seek",
                                         "net/plain",
                                         "net/tls",
                                         "ship/plain",
                                         "ship/tls",
                                         "ship/latency",
                                         "ship/latency-unwatched",
                                         "ship/end-to-end",
                                         "ship/end-to-end-tls",
                                         "ship/backlog",
                                         "ocaml/read",
                                         "ocaml/1M",
                                         "ocaml/flood",
                                         "ocaml/idle",
                                         NULL};

/* ---- the draining process ---- */

struct drain {
    pid_t pid;
    int stop, report;
};

uint64_t cpu_ns(int pid)
{
    struct timespec used;
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    if (pid && clock_getcpuclockid(pid, &clock) != 0)
        return 0;
    if (clock_gettime(clock, &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

static bool asked_to_stop(int fd)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};
    return poll(&poll_fd, 1, 0) != 0;
}

static int drain_open(struct evtrail_reader **ret_reader, int pid, bool hold, bool low_latency)
{
    struct evtrail_reader_options options = {
        .bytes = sizeof(options), .hold = hold, .low_latency = low_latency, .name = "bench"};
    char text[16];
    snprintf(text, sizeof(text), "%d", pid);
    int result = evtrail_reader_new(ret_reader, &options);
    if (result == 0)
        result = evtrail_reader_add_process(*ret_reader, text);
    if (result < 0)
        warn("reader", "%s", evtrail_reader_error(*ret_reader));
    return result;
}

static void drain_run(int pid, bool hold, bool low_latency, int stop, int report)
{
    struct evtrail_reader *reader = NULL;
    struct evtrail_chunk *chunk;
    struct drain_totals totals = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char ready = drain_open(&reader, pid, hold, low_latency) >= 0;
    if (write(report, &ready, 1) != 1 || !ready)
        _exit(1);
    while (!asked_to_stop(stop) && !evtrail_reader_done(reader)) {
        int got = evtrail_reader_next_chunk(reader, &chunk);
        if (got > 0)
            totals.chunks++;
        else if (got == 0)
            evtrail_reader_wait(reader, 200000000);
    }
    while (evtrail_reader_next_chunk(reader, &chunk) > 0)
        totals.chunks++;
    evtrail_reader_totals(reader, &totals.delivered, totals.lost);
    totals.cpu_seconds = (double)cpu_ns(0) / 1e9;
    evtrail_reader_free(reader);
    ssize_t n = write(report, &totals, sizeof(totals));
    _exit(n == (ssize_t)sizeof(totals) ? 0 : 1);
}

struct drain *drain_start(int pid, bool hold, bool low_latency)
{
    int stop[2], report[2];
    struct drain *drain = malloc(sizeof(*drain));
    char ready = 0;
    if (!drain || pipe(stop) < 0)
        goto fail;
    if (pipe(report) < 0) {
        close(stop[0]);
        close(stop[1]);
        goto fail;
    }
    fflush(NULL);
    drain->pid = fork();
    if (drain->pid == 0) {
        close(stop[1]);
        close(report[0]);
        drain_run(pid, hold, low_latency, stop[0], report[1]);
    }
    close(stop[0]);
    close(report[1]);
    drain->stop = stop[1];
    drain->report = report[0];
    if (drain->pid > 0 && read(drain->report, &ready, 1) == 1 && ready)
        return drain;
    close(drain->stop);
    close(drain->report);
    if (drain->pid > 0)
        waitpid(drain->pid, NULL, 0);
fail:
    free(drain);
    return NULL;
}

void drain_stop(struct drain *drain, struct drain_totals *ret_totals)
{
    struct drain_totals totals = {0};
    close(drain->stop);
    if (read(drain->report, &totals, sizeof(totals)) != (ssize_t)sizeof(totals))
        memset(&totals, 0, sizeof(totals));
    close(drain->report);
    waitpid(drain->pid, NULL, 0);
    if (ret_totals)
        *ret_totals = totals;
    free(drain);
}

/* ---- options ---- */

static double tick_length_ns(void)
{
    uint64_t t0 = evtrail_now(), n0 = clock_ns();
    struct timespec pause = {0, 200000000};
    nanosleep(&pause, NULL);
    uint64_t t1 = evtrail_now(), n1 = clock_ns();
    return t1 > t0 ? (double)(n1 - n0) / (double)(t1 - t0) : 1;
}

static int usage_error(const char *what)
{
    fprintf(stderr, "evtrail bench: %s; %s", what, usage);
    return CODE_usage;
}

static int list_cases(void)
{
    for (const char *const *name = case_names; *name; name++)
        puts(*name);
    return CODE_ok;
}

static bool case_exists(const struct bench *bench, bool peer)
{
    for (const char *const *name = case_names; *name; name++)
        if (bench_wants(bench, *name))
            return true;
    return peer && (bench_wants(bench, "peer/lttng") || bench_wants(bench, "peer/evtrail"));
}

static bool number_option(char **argument, double *ret_value)
{
    char *end;
    if (!argument[1])
        return false;
    *ret_value = strtod(argument[1], &end);
    return end != argument[1] && *end == '\0' && *ret_value > 0;
}

/* 0: go on; 1: done with *ret_code. */
static int parse(struct bench *bench, char **arguments, bool *peer, int *ret_code)
{
    double number;
    for (char **a = arguments; a && *a; a++) {
        if (strcmp(*a, "--json") == 0) {
            bench->json = true;
        } else if (strcmp(*a, "--list") == 0) {
            *ret_code = list_cases();
            return 1;
        } else if (strcmp(*a, "--seconds") == 0 || strcmp(*a, "--scale") == 0 || strcmp(*a, "--events") == 0) {
            if (!number_option(a, &number)) {
                *ret_code = usage_error("--seconds, --scale and --events take a number above 0");
                return 1;
            }
            if (a[0][3] == 'e' && a[0][2] == 's')
                bench->seconds = number;
            else if (a[0][2] == 's')
                bench->scale = number;
            else
                bench->file_events = (uint64_t)number;
            a++;
        } else if (strcmp(*a, "--peer") == 0) {
            if (!a[1] || strcmp(a[1], "lttng") != 0) {
                *ret_code = usage_error("--peer takes: lttng");
                return 1;
            }
            *peer = true;
            a++;
        } else if (**a == '-' || bench->only) {
            *ret_code = usage_error("unknown option, or more than one CASE");
            return 1;
        } else {
            bench->only = *a;
        }
    }
    return 0;
}

static bool file_is_there(const char *directory, const char *name)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    return length > 0 && (size_t)length < sizeof(path) && access(path, R_OK) == 0;
}

/* Helper programs lie beside the command in a build tree, else in libdir/evtrail. */
static const char *find_libexec(char *buffer, size_t bytes, const char *self)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", self);
    snprintf(buffer, bytes, "%s", dirname(copy));
    if (!file_is_there(buffer, "evtrail-bench-plugin.so")) {
        char beside[PATH_MAX];
        snprintf(beside, sizeof(beside), "%.4000s/../lib/evtrail", buffer);
        if (file_is_there(beside, "evtrail-bench-plugin.so"))
            snprintf(buffer, bytes, "%s", beside);
        else
            snprintf(buffer, bytes, "%s/evtrail", EVTRAIL_LIBDIR);
    }
    return buffer;
}

static void remove_work(const char *work)
{
    char path[PATH_MAX];
    static const char *const names[] = {"bench.evt", "sustained.evt", "peer.evt", "net.evt", "net.key", NULL};
    for (const char *const *name = names; *name; name++) {
        snprintf(path, sizeof(path), "%s/%s", work, *name);
        unlink(path);
    }
    rmdir(work);
}

int run_bench(const struct args *args)
{
    static char self[PATH_MAX], libexec[PATH_MAX], work[] = "/tmp/evtrail-bench-XXXXXX";
    struct bench bench = {.seconds = 60, .scale = 1, .file_events = 100000000};
    bool peer = false;
    int code = CODE_ok;
    if (parse(&bench, args->operands, &peer, &code))
        return code;
    if (!case_exists(&bench, peer))
        return fail(CODE_usage, NULL, "no case '%s'%s; --list names them", bench.only,
                    peer ? "" : " (peer/* needs --peer)");
    snprintf(self, sizeof(self), "%s", bench_command);
    bench.self = self;
    bench.libexec = find_libexec(libexec, sizeof(libexec), self);
    if (!mkdtemp(work))
        return fail(CODE_io, work, "%s; it needs a directory for its files", strerror(errno));
    bench.work = work;
    bench.ns_per_tick = tick_length_ns();
    bench_emission(&bench);
    bench_processes(&bench);
    bench_files(&bench);
    bench_net(&bench);
    bench_ship(&bench);
    bench_ocaml(&bench);
    if (peer)
        bench_peer_lttng(&bench);
    remove_work(work);
    return CODE_ok;
}
