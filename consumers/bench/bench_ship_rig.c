/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: folders, a collector and senders for the cases of ship/.
 */
#include "bench_ship.h"

#include "ship/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATIENCE_MS = 30000 };

/* ---- files ---- */

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    return remove(path);
}

bool ship_begin(struct ship *ship, struct bench *bench, bool tls)
{
    static const char line[] =
        "bench:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"; /* nobody's secret */
    *ship = (struct ship){.bench = bench, .tls = tls};
    snprintf(ship->folder, sizeof(ship->folder), "%s/ship", ship->bench->work);
    snprintf(ship->spool, sizeof(ship->spool), "%s/spool", ship->folder);
    snprintf(ship->store, sizeof(ship->store), "%s/store", ship->folder);
    snprintf(ship->log, sizeof(ship->log), "%s/log", ship->folder);
    snprintf(ship->keys, sizeof(ship->keys), "%s/keys", ship->folder);
    if (mkdir(ship->folder, 0700) < 0)
        return false;
    const int fd = open(ship->keys, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, line, sizeof(line) - 1) == (ssize_t)sizeof(line) - 1;
    if (fd >= 0)
        close(fd);
    return written;
}

static int spool_one(void *context, const struct evtrail_chunk *chunk)
{
    return spool_write(context, chunk);
}

bool ship_fill(const struct ship *ship, uint64_t events, uint64_t *ret_events, uint64_t *ret_bytes)
{
    const struct spool_options options = {.max_bytes = UINT64_C(8) << 30};
    struct spool_stats stats;
    struct spool *spool;
    char *error = NULL;
    if (spool_open(&spool, ship->spool, &options, &error) < 0) {
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

static uint64_t weighed;

static int weigh_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    weighed += kind == FTW_F ? (uint64_t)status->st_size : 0;
    return 0;
}

uint64_t ship_weigh(const char *folder)
{
    weighed = 0;
    nftw(folder, weigh_one, 16, FTW_PHYS);
    return weighed;
}

/* ---- programs ---- */

pid_t ship_spawn(const struct ship *ship, int out, char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, ship->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, out < 0 ? STDERR_FILENO : out, STDOUT_FILENO);
    if (posix_spawn(&pid, ship->bench->self, &actions, NULL, arguments, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool ship_wait(pid_t pid)
{
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void read_log(const struct ship *ship, char *text, size_t bytes)
{
    FILE *file = fopen(ship->log, "r");
    const size_t size = file ? fread(text, 1, bytes - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
}

bool ship_said(const struct ship *ship, const char *what)
{
    char text[16384];
    for (unsigned ms = 0; ms < PATIENCE_MS; ms += 5) {
        read_log(ship, text, sizeof(text));
        if (strstr(text, what))
            return true;
        usleep(5000);
    }
    return false;
}

/* From its log: "listening on localhost:PORT". */
static bool find_port(struct ship *ship)
{
    static const char said[] = "listening on localhost:";
    char text[4096];
    read_log(ship, text, sizeof(text));
    const char *found = strstr(text, said), *port = found ? found + strlen(said) : "";
    const size_t digits = strspn(port, "0123456789");
    if (!digits || !port[digits])
        return false;
    snprintf(ship->address, sizeof(ship->address), "localhost:%.*s", (int)digits, port);
    return true;
}

bool ship_collect(struct ship *ship)
{
    char *arguments[] = {
        "evtrail",  "collect", "--listen", "localhost:0", "--store", ship->store, ship->tls ? "--psk-file" : NULL,
        ship->keys, NULL};
    ship->collector = ship_spawn(ship, -1, arguments);
    for (unsigned ms = 0; ship->collector > 0 && ms < PATIENCE_MS; ms += 5) {
        if (find_port(ship))
            return true;
        usleep(5000);
    }
    return false;
}

pid_t ship_send(const struct ship *ship, char *const *more)
{
    char *arguments[SHIP_ARGUMENTS] = {"evtrail",           "send",         "-c", (char *)ship->address, "--spool",
                                       (char *)ship->spool, "--drain-time", "60s"};
    unsigned count = 8;
    if (ship->tls) {
        arguments[count++] = "--psk-file";
        arguments[count++] = (char *)ship->keys;
    }
    while (*more && count < SHIP_ARGUMENTS - 1)
        arguments[count++] = *more++;
    return ship_spawn(ship, -1, arguments);
}

void ship_end(struct ship *ship)
{
    if (ship->collector > 0) {
        kill(ship->collector, SIGTERM);
        waitpid(ship->collector, NULL, 0);
    }
    nftw(ship->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- asking ---- */

static size_t ask(const struct ship *ship, char *text, size_t bytes)
{
    static const char question[] = "GET /status.json HTTP/1.0\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t used = 0;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/status.sock", ship->spool);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        write(fd, question, sizeof(question) - 1) == (ssize_t)sizeof(question) - 1)
        for (ssize_t n; used < bytes - 1 && (n = read(fd, text + used, bytes - 1 - used)) > 0;)
            used += (size_t)n;
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    return used;
}

double ship_figure(const struct ship *ship, const char *name)
{
    char text[8192], key[64];
    if (!ask(ship, text, sizeof(text)))
        return NAN;
    snprintf(key, sizeof(key), "\"%s\":", name);
    const char *found = strstr(text, key);
    return found ? strtod(found + strlen(key), NULL) : NAN;
}
