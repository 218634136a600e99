/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what evtrail send ships from its spool to the disk of evtrail collect, through loopback, plain and with TLS, until all is acknowledged;
 * beside the recorder alone in the same run.
 */
#include "bench.h"

#include "ship/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { EVENTS = 40000000, PATH_BYTES = 512, PATIENCE_MS = 30000 };

struct set_up {
    struct bench *bench;
    char folder[PATH_BYTES], spool[PATH_BYTES + 16], store[PATH_BYTES + 16], log[PATH_BYTES + 16],
        keys[PATH_BYTES + 16];
    bool tls;
    pid_t collector;
    char address[64];
};

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    return remove(path);
}

static bool set_up_folder(struct set_up *up)
{
    static const char line[] =
        "bench:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"; /* nobody's secret */
    snprintf(up->folder, sizeof(up->folder), "%s/ship", up->bench->work);
    snprintf(up->spool, sizeof(up->spool), "%s/spool", up->folder);
    snprintf(up->store, sizeof(up->store), "%s/store", up->folder);
    snprintf(up->log, sizeof(up->log), "%s/log", up->folder);
    snprintf(up->keys, sizeof(up->keys), "%s/keys", up->folder);
    if (mkdir(up->folder, 0700) < 0)
        return false;
    const int fd = open(up->keys, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, line, sizeof(line) - 1) == (ssize_t)sizeof(line) - 1;
    if (fd >= 0)
        close(fd);
    return written;
}

static int spool_one(void *context, const struct evtrail_chunk *chunk)
{
    return spool_write(context, chunk);
}

static bool fill_spool(const struct set_up *up, uint64_t events, uint64_t *ret_events, uint64_t *ret_bytes)
{
    const struct spool_options options = {.max_bytes = UINT64_C(8) << 30};
    struct spool_stats stats;
    struct spool *spool;
    char *error = NULL;
    if (spool_open(&spool, up->spool, &options, &error) < 0) {
        free(error);
        return false;
    }
    const bool written = bench_each_chunk(events, spool_one, spool) && spool_flush(spool) >= 0;
    spool_stats(spool, &stats);
    spool_close(spool);
    *ret_events = stats.unacked_events;
    *ret_bytes = stats.unacked_bytes;
    return written;
}

/* ---- programs ---- */

static pid_t start(const struct set_up *up, char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, up->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (posix_spawn(&pid, up->bench->self, &actions, NULL, arguments, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* From its log: "listening on localhost:PORT". */
static bool find_port(struct set_up *up)
{
    static const char said[] = "listening on localhost:";
    char text[4096];
    FILE *file = fopen(up->log, "r");
    const size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    const char *found = strstr(text, said), *port = found ? found + strlen(said) : "";
    const size_t digits = strspn(port, "0123456789");
    if (!digits || !port[digits])
        return false;
    snprintf(up->address, sizeof(up->address), "localhost:%.*s", (int)digits, port);
    return true;
}

static bool start_collector(struct set_up *up)
{
    char *arguments[] = {
        "evtrail", "collect", "--listen", "localhost:0", "--store", up->store, up->tls ? "--psk-file" : NULL,
        up->keys,  NULL};
    up->collector = start(up, arguments);
    for (unsigned ms = 0; up->collector > 0 && ms < PATIENCE_MS; ms += 5) {
        if (find_port(up))
            return true;
        usleep(5000);
    }
    return false;
}

static void stop_collector(struct set_up *up)
{
    if (up->collector <= 0)
        return;
    kill(up->collector, SIGTERM);
    waitpid(up->collector, NULL, 0);
}

static bool drain(struct set_up *up)
{
    char *arguments[] = {"evtrail",
                         "send",
                         "-c",
                         up->address,
                         "--spool",
                         up->spool,
                         "--drain-time",
                         "60s",
                         up->tls ? "--psk-file" : "--",
                         up->tls ? up->keys : "true",
                         up->tls ? "--" : NULL,
                         "true",
                         NULL};
    int status = -1;
    const pid_t pid = start(up, arguments);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- the cases ---- */

static bool all_is_gone(const struct set_up *up)
{
    const struct spool_options options = {0};
    struct spool_stats stats;
    struct spool *spool;
    char *error = NULL;
    if (spool_open(&spool, up->spool, &options, &error) < 0) {
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

static void measure_case(struct bench *bench, const char *name, bool tls, uint64_t events,
                         const struct recorded *recorded)
{
    struct set_up up = {.bench = bench, .tls = tls};
    uint64_t spooled = 0, bytes = 0;
    double seconds = 0;
    bool done = set_up_folder(&up) && fill_spool(&up, events, &spooled, &bytes) && start_collector(&up);
    if (done) {
        const uint64_t start_ns = clock_ns();
        done = drain(&up);
        seconds = (double)(clock_ns() - start_ns) / 1e9;
    }
    stop_collector(&up);
    done = done && all_is_gone(&up);
    if (done)
        report(bench, name, tls, recorded, seconds, spooled, bytes);
    else
        bench_skip(bench, name, "send or collect failed: is there room in /tmp?");
    nftw(up.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void bench_ship(struct bench *bench)
{
    char path[PATH_BYTES];
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
