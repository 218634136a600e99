/* SPDX-License-Identifier: ISC
 *
 * evtrail bench without connections, which a build without the pool does not have.
 */
#include "bench.h"

static void skip_all(struct bench *bench, const char *const *names)
{
    for (; *names; names++)
        if (bench_wants(bench, *names))
            bench_skip(bench, *names, "left out of this build (EVTRAIL_POOL=OFF)");
}

void bench_net(struct bench *bench)
{
    static const char *const names[] = {"net/plain", "net/tls", NULL};
    skip_all(bench, names);
}

void bench_ship(struct bench *bench)
{
    static const char *const names[] = {
        "ship/plain",   "ship/tls", "ship/latency", "ship/latency-unwatched", "ship/end-to-end", "ship/end-to-end-tls",
        "ship/backlog", NULL};
    skip_all(bench, names);
}
