/* SPDX-License-Identifier: ISC
 *
 * evtrail bench --peer lttng: the same loop through LTTng-UST, where its tools and its built helper are installed.
 */
#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool in_path(const char *program)
{
    char path[PATH_MAX], *save = NULL;
    const char *all = getenv("PATH");
    char *copy = strdup(all ? all : "/usr/bin");
    bool found = false;
    for (char *part = copy ? strtok_r(copy, ":", &save) : NULL; part && !found; part = strtok_r(NULL, ":", &save)) {
        snprintf(path, sizeof(path), "%s/%s", part, program);
        found = access(path, X_OK) == 0;
    }
    free(copy);
    return found;
}

/* The script starts a session daemon of its own, with its own home, records the helper, and prints "ns-per-event bytes-per-event". */
static bool run_script(const struct bench *bench, double *ns, double *bytes)
{
    char command[2 * PATH_MAX];
    snprintf(command, sizeof(command), "'%s/evtrail-bench-lttng.sh' '%s' 2>/dev/null", bench->libexec, bench->libexec);
    FILE *pipe = popen(command, "r");
    if (!pipe)
        return false;
    int got = fscanf(pipe, "%lf %lf", ns, bytes);
    return pclose(pipe) == 0 && got == 2;
}

void bench_peer_lttng(struct bench *bench)
{
    struct result result;
    char helper[PATH_MAX];
    double ns, bytes;
    snprintf(helper, sizeof(helper), "%s/evtrail-bench-lttng", bench->libexec);
    if (!in_path("lttng") || !in_path("lttng-sessiond")) {
        bench_skip(bench, "peer/lttng", "lttng-tools is not installed");
    } else if (access(helper, X_OK) < 0) {
        bench_skip(bench, "peer/lttng", "built without liblttng-ust-dev: its helper is missing");
    } else if (!run_script(bench, &ns, &bytes)) {
        bench_skip(bench, "peer/lttng", "its session daemon or consumer did not start");
    } else {
        result_start(&result, "", "peer/lttng");
        result_add(&result, "mean_ns", ns);
        result_add(&result, "bytes_per_event", bytes);
        result_print(bench, &result);
    }
}
