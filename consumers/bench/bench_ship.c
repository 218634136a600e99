/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what evtrail send ships from its spool to the disk of evtrail collect, through loopback, plain and with TLS, until all is acknowledged;
 * beside the recorder alone in the same run.
 */
#include "bench_ship.h"

#include "ship/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENTS = 40000000 };

/* ---- the cases ---- */

static bool all_is_gone(const struct ship *ship)
{
    const struct spool_options options = {0};
    struct spool_stats stats;
    struct spool *spool;
    char *error = NULL;
    if (spool_open(&spool, ship->spool, &options, &error) < 0) {
        free(error);
        return false;
    }
    spool_stats(spool, &stats);
    spool_close(spool);
    return stats.unacked_batches == 0;
}

static void report(struct bench *bench, const char *name, bool tls, const struct recorded *recorded, double seconds,
                   uint64_t events, uint64_t bytes)
{
    struct result result;
    const double rate = (double)events / seconds, alone = (double)recorded->events / recorded->seconds;
    result_start(&result, tls ? ">= 20 M events/s" : ">= 25 M events/s", "%s", name);
    result_add(&result, "events_per_s", rate);
    result_add(&result, "mb_per_s", (double)bytes / seconds / 1e6);
    result_add(&result, "recorder_events_per_s", alone);
    result_add(&result, "ratio_to_recorder", rate / alone);
    result_judge(&result, rate >= (tls ? 20e6 : 25e6));
    result_print(bench, &result);
}

static bool drain(const struct ship *ship)
{
    return ship_wait(ship_send(ship, (char *[]){"--", "true", NULL}));
}

static void measure_case(struct bench *bench, const char *name, bool tls, uint64_t events,
                         const struct recorded *recorded)
{
    struct ship ship;
    uint64_t spooled = 0, bytes = 0;
    double seconds = 0;
    bool done = ship_begin(&ship, bench, tls) && ship_fill(&ship, events, &spooled, &bytes) && ship_collect(&ship);
    if (done) {
        const uint64_t start_ns = clock_ns();
        done = drain(&ship);
        seconds = (double)(clock_ns() - start_ns) / 1e9;
    }
    done = done && all_is_gone(&ship);
    ship_end(&ship);
    if (done)
        report(bench, name, tls, recorded, seconds, spooled, bytes);
    else
        bench_skip(bench, name, "send or collect failed: is there room in /tmp?");
}

static void from_spool(struct bench *bench)
{
    char path[SHIP_PATH_BYTES];
    const bool plain = bench_wants(bench, "ship/plain"), tls = bench_wants(bench, "ship/tls");
    const uint64_t events = bench->file_events < EVENTS ? bench->file_events : EVENTS;
    struct recorded recorded;
    if (!plain && !tls)
        return;
    snprintf(path, sizeof(path), "%s/net.evt", bench->work);
    if (!bench_record_pool(path, events, &recorded)) {
        bench_skip(bench, plain ? "ship/plain" : "ship/tls", "its file could not be written: is there room in /tmp?");
        return;
    }
    unlink(path);
    if (plain)
        measure_case(bench, "ship/plain", false, events, &recorded);
    if (tls)
        measure_case(bench, "ship/tls", true, events, &recorded);
}

void bench_ship(struct bench *bench)
{
    from_spool(bench);
    bench_ship_live(bench);
}
