/* SPDX-License-Identifier: ISC
 *
 * evtrail bench --peer lttng: the same loops through LTTng-UST and through evtrail, in turns in one process, each with its
 * recorder writing to disk; where LTTng's tools and our helper, built with its headers, are installed.
 */
#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct peer {
    double median, mean, limit_median, limit_mean, trimmed, limit_trimmed, p999, p9999, limit_p9999;
    double emitted, bytes, lost;
};

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

/* Figures, or the script's one line that says why there are none. */
static bool read_times(FILE *in, struct peer *peer, char *ret_why, size_t bytes)
{
    char line[256];
    if (!fgets(line, sizeof(line), in))
        return false;
    if (sscanf(line, "%lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", &peer->median, &peer->mean, &peer->limit_median,
               &peer->limit_mean, &peer->trimmed, &peer->limit_trimmed, &peer->p999, &peer->p9999, &peer->limit_p9999,
               &peer->emitted) == 10)
        return true;
    line[strcspn(line, "\n")] = '\0';
    snprintf(ret_why, bytes, "%s", line);
    return false;
}

static bool read_all(FILE *in, struct peer *lttng, struct peer *evtrail, char *ret_why, size_t bytes)
{
    return read_times(in, lttng, ret_why, bytes) && read_times(in, evtrail, ret_why, bytes) &&
           fscanf(in, "%lf %lf", &lttng->bytes, &lttng->lost) == 2;
}

static bool run_script(const struct bench *bench, struct peer *lttng, struct peer *evtrail, char *ret_why, size_t bytes)
{
    char command[4 * PATH_MAX], path[PATH_MAX];
    struct stat status;
    uint64_t events, lost;
    snprintf(command, sizeof(command), "'%s/evtrail-bench-lttng.sh' '%s/evtrail-bench-lttng' '%s' '%s' %.9f",
             bench->libexec, bench->libexec, bench->self, bench->work, bench->ns_per_tick);
    snprintf(path, sizeof(path), "%s/peer.evt", bench->work);
    snprintf(ret_why, bytes, "its figures could not be read");
    FILE *in = popen(command, "r");
    if (!in)
        return false;
    const bool got = read_all(in, lttng, evtrail, ret_why, bytes);
    if (pclose(in) != 0 || !got || bench_file_totals(path, &events, &lost) < 0 || stat(path, &status) < 0)
        return false;
    unlink(path);
    evtrail->bytes = (double)status.st_size;
    evtrail->lost = evtrail->emitted - (double)events;
    return true;
}

static void print(struct bench *bench, const char *name, const struct peer *peer)
{
    struct result result;
    result_start(&result, "", "%s", name);
    result_add(&result, "median_ns", peer->median);
    result_add(&result, "mean_ns", peer->mean);
    result_add(&result, "limit_ns", peer->limit_median);
    result_add(&result, "ratio", peer->median / peer->limit_median);
    result_add(&result, "mean_ratio", peer->mean / peer->limit_mean);
    result_add(&result, "mean_ratio_trimmed", peer->trimmed / peer->limit_trimmed);
    result_add(&result, "p999_ns", peer->p999);
    result_add(&result, "p9999_ns", peer->p9999);
    result_add(&result, "limit_p9999_ns", peer->limit_p9999);
    result_add(&result, "bytes_per_event", peer->bytes / (peer->emitted - peer->lost));
    result_add(&result, "events", peer->emitted);
    result_add(&result, "lost", peer->lost);
    result_print(bench, &result);
}

void bench_peer_lttng(struct bench *bench)
{
    struct peer lttng, evtrail;
    char helper[PATH_MAX], why[256];
    if (!bench_wants(bench, "peer/lttng"))
        return;
    snprintf(helper, sizeof(helper), "%s/evtrail-bench-lttng", bench->libexec);
    if (!in_path("lttng") || !in_path("lttng-sessiond")) {
        bench_skip(bench, "peer/lttng", "lttng-tools is not installed");
    } else if (access(helper, X_OK) < 0) {
        bench_skip(bench, "peer/lttng", "built without liblttng-ust-dev: its helper is missing");
    } else if (!run_script(bench, &lttng, &evtrail, why, sizeof(why))) {
        bench_skip(bench, "peer/lttng", why);
    } else {
        print(bench, "peer/lttng", &lttng);
        print(bench, "peer/evtrail", &evtrail);
    }
}
