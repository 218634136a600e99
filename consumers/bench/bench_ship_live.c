/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: from a program that runs, through evtrail send and collect on this machine: how soon events are stored and acknowledged, and seen by
 * a live reader; how many a second get to the disk; and what an outage leaves behind.
 */
#include "bench_ship.h"

#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LIGHT_SECONDS = 5,
    CHAIN_EVENTS = 100000000,
    BACKLOG_EVENTS = 100000000,
    SEEN_MAX = 1 << 16,
    PATIENCE_MS = 30000,
    DRAINED_BYTES = 1 << 20
};
#define DRAIN_PATIENCE_NS UINT64_C(120000000000)

/* ---- a live reader, and when it has seen what ---- */

struct watch {
    pid_t pid;
    int fd;
    pthread_t thread;
    double *late_ns;
    _Atomic size_t count; /* for who waits for some; the values are read when the thread has ended */
};

/* {..."fields":{"sent":NS}} */
static void seen(struct watch *watch, const char *line)
{
    static const char key[] = "\"sent\":";
    const char *const found = strstr(line, key);
    const size_t at = watch->count;
    if (!found || at == SEEN_MAX)
        return;
    watch->late_ns[at] = (double)(clock_ns() - strtoull(found + sizeof(key) - 1, NULL, 10));
    watch->count = at + 1;
}

static void *watch_lines(void *context)
{
    struct watch *const watch = context;
    char line[4096], *got;
    FILE *const lines = fdopen(watch->fd, "r");
    while (lines && (got = fgets(line, sizeof(line), lines)))
        seen(watch, got);
    if (lines)
        fclose(lines);
    return NULL;
}

/* Of this program only: what else is stored, from a spool of simulated events, is not sent to it. */
static bool watch_start(struct watch *watch, const struct ship *ship)
{
    char name[1400];
    int ends[2];
    *watch = (struct watch){.pid = -1, .late_ns = calloc(SEEN_MAX, sizeof(double))};
    snprintf(name, sizeof(name), "collector://%s?program=*evtrail-bench*%s%s", ship->address, ship->tls ? "&psk=" : "",
             ship->tls ? ship->keys : "");
    if (!watch->late_ns || pipe2(ends, O_CLOEXEC) < 0)
        return false;
    watch->fd = ends[0];
    watch->pid = ship_spawn(ship, ends[1], (char *[]){"evtrail", "cat", "--json", name, NULL});
    close(ends[1]);
    if (watch->pid > 0 && pthread_create(&watch->thread, NULL, watch_lines, watch) == 0)
        return true;
    close(ends[0]);
    return false;
}

static void watch_stop(struct watch *watch)
{
    if (watch->pid <= 0)
        return;
    kill(watch->pid, SIGTERM);
    ship_wait(watch->pid);
    pthread_join(watch->thread, NULL);
    watch->pid = -1;
}

/* ---- light load ---- */

struct light {
    struct bench_emitter emitter;
    struct watch watch;
    pid_t sender;
};

static bool light_start(struct light *light, const struct ship *ship, double seconds, bool watched)
{
    char pid[16];
    if (!bench_emitter_start(&light->emitter, BENCH_LOAD_light, (uint64_t)(seconds * BENCH_LIGHT_HZ)) ||
        (watched && !watch_start(&light->watch, ship)))
        return false;
    snprintf(pid, sizeof(pid), "%d", light->emitter.pid);
    light->sender = ship_send(ship, (char *[]){"-p", pid, "-e", "bench.light", NULL});
    const bool right = light->sender > 0 && ship_said(ship, "evtrail send: connected to");
    for (unsigned ms = 0; right && watched && ms < PATIENCE_MS && !(ship_figure(ship, "hold_ms") < 5); ms += 10)
        usleep(10000); /* until the collector has said that somebody watches */
    return right;
}

static void light_end(struct light *light)
{
    bench_emitter_stop(&light->emitter);
    bench_emitter_end(&light->emitter);
    if (light->sender > 0)
        kill(light->sender, SIGTERM);
    ship_wait(light->sender);
    watch_stop(&light->watch);
    free(light->watch.late_ns);
}

static void add_seen(struct result *result, struct watch *watch)
{
    double most = 0;
    watch_stop(watch);
    for (size_t i = 0; i < watch->count; i++)
        most = fmax(most, watch->late_ns[i]);
    result_add(result, "seen_p50_ms", quantile(watch->late_ns, watch->count, 0.5) / 1e6);
    result_add(result, "seen_p99_ms", quantile(watch->late_ns, watch->count, 0.99) / 1e6);
    result_add(result, "seen_max_ms", most / 1e6);
}

static void report_latency(struct bench *bench, const char *name, struct light *light, const struct ship *ship,
                           double wall_ns)
{
    struct result result;
    const bool watched = light->watch.pid > 0;
    const double p99 = ship_figure(ship, "latency_p99_s"), batches = ship_figure(ship, "acked_batches"),
                 events = ship_figure(ship, "acked_events");
    result_start(&result,
                 watched ? "acknowledged p99 <= 60 ms, seen by a live reader p99 <= 10 ms"
                         : "acknowledged p99 <= 60 ms",
                 "%s", name);
    result_add(&result, "acked_p50_ms", ship_figure(ship, "latency_p50_s") * 1e3);
    result_add(&result, "acked_p99_ms", p99 * 1e3);
    result_add(&result, "acked_max_ms", ship_figure(ship, "latency_max_s") * 1e3);
    result_add(&result, "events", events);
    result_add(&result, "events_per_batch", events / batches);
    result_add(&result, "stored_bytes_per_event", (double)ship_weigh(ship->store) / events);
    result_add(&result, "send_cpu_percent", (double)cpu_ns(light->sender) / wall_ns * 100);
    result_add(&result, "collect_cpu_percent", (double)cpu_ns(ship->collector) / wall_ns * 100);
    if (watched)
        add_seen(&result, &light->watch);
    result_judge(&result,
                 p99 <= 0.06 && (!watched || quantile(light->watch.late_ns, light->watch.count, 0.99) <= 10e6));
    result_print(bench, &result);
}

/* All events are acknowledged, and seen; true at least if the greater part is, however slow the machine. */
static bool light_through(const struct light *light, const struct ship *ship, double events)
{
    const bool watched = light->watch.pid > 0;
    double acked = 0, seen = 0;
    for (unsigned ms = 0; ms < PATIENCE_MS && (acked < events || seen < events); ms += 10) {
        usleep(10000);
        acked = ship_figure(ship, "acked_events");
        seen = watched ? (double)light->watch.count : events;
    }
    return acked > events / 2 && seen > events / 2;
}

static void latency(struct bench *bench, const char *name, bool watched)
{
    struct ship ship;
    struct light light = {.sender = -1, .watch.pid = -1};
    const double seconds = LIGHT_SECONDS * bench->scale;
    if (!bench_wants(bench, name))
        return;
    bool done = ship_begin(&ship, bench, false) && ship_collect(&ship) && light_start(&light, &ship, seconds, watched);
    if (done) {
        usleep(300000);
        const uint64_t start = clock_ns();
        bench_emitter_go(&light.emitter);
        usleep((useconds_t)(seconds * 1e6));
        done = light_through(&light, &ship, floor(seconds * BENCH_LIGHT_HZ));
        if (done)
            report_latency(bench, name, &light, &ship, (double)(clock_ns() - start));
    }
    light_end(&light);
    ship_end(&ship);
    if (!done)
        bench_skip(bench, name, "send, collect or the live reader failed");
}

/* ---- an outage's backlog ---- */

struct copy {
    int listener;
    uint64_t bytes;
    const char *path;
    bool right;
};

/* The other end: to the disk, as the collector commits. */
static void *copy_take(void *context)
{
    enum { COMMIT = 8 << 20, BUFFER = 256 << 10 };
    struct copy *const copy = context;
    uint8_t *const buffer = malloc(BUFFER);
    const int from = accept4(copy->listener, NULL, NULL, SOCK_CLOEXEC);
    const int to = open(copy->path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t all = 0, since = 0;
    for (ssize_t n; buffer && to >= 0 && (n = read(from, buffer, BUFFER)) > 0; all += (uint64_t)n) {
        if (write(to, buffer, (size_t)n) != n)
            break;
        since += (uint64_t)n;
        if (since >= COMMIT && fdatasync(to) == 0)
            since = 0;
    }
    copy->right = to >= 0 && fdatasync(to) == 0 && all == copy->bytes;
    close(to);
    close(from);
    unlink(copy->path);
    free(buffer);
    return NULL;
}

static bool copy_send(const struct copy *copy, const struct sockaddr_in *address)
{
    enum { BUFFER = 1 << 20 };
    uint8_t *const buffer = calloc(1, BUFFER);
    const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t left = copy->bytes;
    if (buffer && to >= 0 && connect(to, (const struct sockaddr *)address, sizeof(*address)) == 0)
        while (left) {
            const ssize_t n = write(to, buffer, left < BUFFER ? (size_t)left : BUFFER);
            if (n <= 0)
                break;
            left -= (uint64_t)n;
        }
    shutdown(to, SHUT_RDWR);
    close(to);
    free(buffer);
    return left == 0;
}

/* As many bytes, plainly: bytes a second. */
static double copy_rate(const struct ship *ship, uint64_t bytes)
{
    char path[SHIP_PATH_BYTES + 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct copy copy = {.bytes = bytes, .path = path};
    pthread_t thread;
    snprintf(path, sizeof(path), "%s/copy", ship->folder);
    copy.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(copy.listener, (struct sockaddr *)&address, size) < 0 || listen(copy.listener, 1) < 0 ||
        getsockname(copy.listener, (struct sockaddr *)&address, &size) < 0)
        return NAN;
    const uint64_t start = clock_ns();
    if (pthread_create(&thread, NULL, copy_take, &copy) != 0)
        return NAN;
    const bool sent = copy_send(&copy, &address);
    pthread_join(thread, NULL);
    const double seconds = (double)(clock_ns() - start) / 1e9;
    close(copy.listener);
    return sent && copy.right ? (double)bytes / seconds : NAN;
}

/* Until what waits is no more than what comes at the moment. Seconds; NAN: never. */
static double drained(const struct ship *ship, const struct light *light)
{
    const uint64_t start = clock_ns();
    bench_emitter_go(&light->emitter);
    while (clock_ns() - start < DRAIN_PATIENCE_NS) {
        if (ship_figure(ship, "unacked_bytes") < DRAINED_BYTES)
            return (double)(clock_ns() - start) / 1e9;
        usleep(10000);
    }
    return NAN;
}

static void report_backlog(struct bench *bench, struct light *light, double seconds, double copied, uint64_t bytes,
                           uint64_t events)
{
    struct result result;
    const double rate = (double)bytes / seconds;
    result_start(&result, ">= 0.8 of a plain copy", "ship/backlog");
    result_add(&result, "mb", (double)bytes / 1e6);
    result_add(&result, "seconds", seconds);
    result_add(&result, "mb_per_s", rate / 1e6);
    result_add(&result, "events_per_s", (double)events / seconds);
    result_add(&result, "copy_mb_per_s", copied / 1e6);
    result_add(&result, "ratio", rate / copied);
    add_seen(&result, &light->watch);
    result_judge(&result, rate >= 0.8 * copied);
    result_print(bench, &result);
}

static void backlog(struct bench *bench)
{
    struct ship ship;
    struct light light = {.sender = -1, .watch.pid = -1};
    uint64_t events = bench->file_events < BACKLOG_EVENTS ? bench->file_events : BACKLOG_EVENTS, bytes = 0;
    double copied = NAN, seconds = NAN;
    if (!bench_wants(bench, "ship/backlog"))
        return;
    events = (uint64_t)((double)events * bench->scale);
    if (ship_begin(&ship, bench, false) && ship_fill(&ship, events, &events, &bytes)) {
        copied = copy_rate(&ship, bytes);
        if (ship_collect(&ship) && light_start(&light, &ship, 120, true))
            seconds = drained(&ship, &light);
        usleep(100000);
        for (unsigned ms = 0; isfinite(seconds) && light.watch.count == 0 && ms < PATIENCE_MS; ms += 10)
            usleep(10000);
    }
    if (isfinite(seconds) && isfinite(copied))
        report_backlog(bench, &light, seconds, copied, bytes, events);
    else
        bench_skip(bench, "ship/backlog", "send or collect failed: is there room in /tmp?");
    light_end(&light);
    ship_end(&ship);
}

/* ---- the whole chain ---- */

struct chain {
    double seconds;
    uint64_t events, lost;
};

/* From the first event until `reader`, which ends with the program, has done its part. */
static bool chain_run(const struct bench_emitter *emitter, pid_t reader, struct chain *chain)
{
    usleep(500000); /* it attaches */
    const uint64_t start = clock_ns();
    bench_emitter_go(emitter);
    const bool right = ship_wait(reader);
    chain->seconds = (double)(clock_ns() - start) / 1e9;
    return right;
}

static bool chain_record(const struct ship *ship, uint64_t count, struct chain *chain)
{
    char pid[16], path[SHIP_PATH_BYTES + 16];
    struct bench_emitter emitter;
    snprintf(path, sizeof(path), "%s/alone.evt", ship->folder);
    if (!bench_emitter_start(&emitter, BENCH_LOAD_pool, count))
        return false;
    snprintf(pid, sizeof(pid), "%d", emitter.pid);
    const pid_t reader = ship_spawn(
        ship, -1,
        (char *[]){"evtrail", "record", "-p", pid, "-e", "bench.pool.*", "--policy", "block", "-o", path, NULL});
    bool done = chain_run(&emitter, reader, chain);
    done = bench_emitter_end(&emitter) && done && bench_file_totals(path, &chain->events, &chain->lost) >= 0;
    unlink(path);
    return done;
}

static bool chain_ship(const struct ship *ship, uint64_t count, struct chain *chain)
{
    char pid[16];
    struct bench_emitter emitter;
    if (!bench_emitter_start(&emitter, BENCH_LOAD_pool, count))
        return false;
    snprintf(pid, sizeof(pid), "%d", emitter.pid);
    const pid_t sender = ship_send(ship, (char *[]){"-p", pid, "-e", "bench.pool.*", "--policy", "block", NULL});
    const bool done = chain_run(&emitter, sender, chain);
    return bench_emitter_end(&emitter) && done && bench_file_totals(ship->store, &chain->events, &chain->lost) >= 0;
}

static void end_to_end(struct bench *bench, const char *name, bool tls)
{
    struct ship ship;
    struct chain alone = {0}, chain = {0};
    struct result result;
    const double wanted = tls ? 20e6 : 25e6;
    const uint64_t count = bench->file_events < CHAIN_EVENTS ? bench->file_events : CHAIN_EVENTS;
    if (!bench_wants(bench, name))
        return;
    const bool done = ship_begin(&ship, bench, tls) && chain_record(&ship, count, &alone) && ship_collect(&ship) &&
                      chain_ship(&ship, count, &chain);
    ship_end(&ship);
    if (!done) {
        bench_skip(bench, name, "record, send or collect failed: is there room in /tmp?");
        return;
    }
    const double rate = (double)chain.events / chain.seconds, reference = (double)alone.events / alone.seconds;
    result_start(&result, tls ? ">= 20 M events/s, none lost" : ">= 25 M events/s, none lost", "%s", name);
    result_add(&result, "events_per_s", rate);
    result_add(&result, "lost", (double)chain.lost);
    result_add(&result, "recorder_events_per_s", reference);
    result_add(&result, "ratio_to_recorder", rate / reference);
    result_judge(&result, rate >= wanted && chain.lost == 0);
    result_print(bench, &result);
}

void bench_ship_live(struct bench *bench)
{
    latency(bench, "ship/latency", true);
    latency(bench, "ship/latency-unwatched", false);
    end_to_end(bench, "ship/end-to-end", false);
    end_to_end(bench, "ship/end-to-end-tls", true);
    backlog(bench);
}
