/* SPDX-License-Identifier: ISC
 *
 * Writes the trace of four processes on three hosts, as it is recorded from a collector: the same commands, pids, ids of spans and entities everywhere, clocks
 * that were measured on two, losses by cause. Always the same bytes. With HOST only what is of that host.
 *
 *     make_hosts FILE [HOST]
 */
#include <evtrail/file.h>
#include <evtrail/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

#define START_TICKS UINT64_C(1000000000000)
#define START_NS UINT64_C(1700000000000000000) /* 2023-11-14T22:13:20Z */
#define SECOND 1000000                         /* us */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define FIELD(n, t, u, e) \
    { \
        .name = #n, .unit = u, .doc = "", .enums = e, .type = EVTRAIL_TYPE_##t \
    }

static const struct evtrail_field begin_fields[] = {FIELD(request, u64, "", ""), FIELD(parent, u64, "", "")};
static const struct evtrail_field end_fields[] = {FIELD(request, u64, "", ""), FIELD(ok, bool, "", "")};
static const struct evtrail_field counter_fields[] = {FIELD(queued, u64, "jobs", "")};
static const struct evtrail_field state_fields[] = {FIELD(conn, u64, "", ""), FIELD(pool, u64, "", ""),
                                                    FIELD(state, enum, "", "0=idle,1=active")};
static const struct evtrail_field pool_fields[] = {FIELD(pool, u64, "", ""), FIELD(parent, u64, "", ""),
                                                   FIELD(state, enum, "", "0=idle,1=active")};
static const struct evtrail_field error_fields[] = {FIELD(conn, u64, "", ""), FIELD(code, u64, "", "")};

enum { BEGIN = 16, END, INNER_BEGIN, INNER_END, QUEUE, CONN, POOL, ERROR, TYPES_END };
#define TYPE(i, n, k, l, f) \
    [i] = {.id = i, \
           .line = 10 + i, \
           .level = EVTRAIL_LEVEL_##l, \
           .kind = EVTRAIL_KIND_##k, \
           .fields_count = COUNT(f), \
           .name = n, \
           .doc = "", \
           .file = "server.c", \
           .function = "f", \
           .fields = f}
static struct evtrail_event_type types[TYPES_END] = {
    TYPE(BEGIN, "web.request", begin, info, begin_fields),     TYPE(END, "web.request", end, info, end_fields),
    TYPE(INNER_BEGIN, "web.query", begin, info, begin_fields), TYPE(INNER_END, "web.query", end, info, end_fields),
    TYPE(QUEUE, "web.queue", counter, info, counter_fields),   TYPE(CONN, "web.conn", state, info, state_fields),
    TYPE(POOL, "web.pool", state, info, pool_fields),          TYPE(ERROR, "web.refused", instant, error, error_fields),
};
static const struct evtrail_event_type *by_id[TYPES_END];

/* ---- records ----------------------------------------------------------------------------------------------------------- */

static uint64_t words[4096];
static struct evtrail_chunk chunk;

/* `at` is in us since the start. */
static void record(uint32_t id, uint64_t at, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t payload[3] = {a, b, c};
    const uint32_t count = types[id].fields_count;
    const uint64_t ticks = START_TICKS + at * 1000;
    if (chunk.words_count == 0)
        chunk.first_ticks = chunk.state.reference_ticks = ticks;
    words[chunk.words_count++] = ticks << 20 | (uint64_t)id << 6 | count;
    memcpy(&words[chunk.words_count], payload, count * sizeof *words);
    chunk.words_count += count;
    chunk.events++;
    chunk.last_ticks = ticks;
}

struct process {
    const char *host, *command;
    uint32_t pid;
    int64_t ahead_ns, bound_ns;
    unsigned requests, slow_us; /* a second; each */
    uint64_t full, missed;      /* lost */
};
static const struct process processes[] = {
    {"web1", "server", 100, 1203000, 150000, 10, 2000, 0, 0},
    {"web2", "server", 100, -2500000, 400000, 20, 5000, 5, 3},
    {"web1", "worker", 101, 1203000, 150000, 2, 50000, 0, 0},
    {"db1", "postgres", 300, 0, 0, 5, 800, 0, 0},
};

static struct evtrail_source source_of(const struct process *process)
{
    return (struct evtrail_source){
        .session_id = UINT64_C(0xabcdef0000000000) + (uint64_t)(process - processes),
        .pid = process->pid,
        .parent_pid = 1,
        .start_realtime_ns = START_NS,
        .command = process->command,
        .program = "/usr/bin/server",
        .host = process->host,
        .boot_id = "",
        .types = by_id,
        .types_count = TYPES_END,
        .offset_ns = process->ahead_ns,
        .offset_bound_ns = process->bound_ns,
        .clock = {.kind = 1,
                  .hz = 1000000000,
                  .first = {START_TICKS, START_TICKS, START_NS},
                  .last = {START_TICKS + 1000000000, START_TICKS + 1000000000, START_NS + 1000000000}}};
}

/* A second: requests with a query in each, that borrow a connection; one connection more that stays active. */
static void second(const struct process *process, unsigned number)
{
    const uint64_t base = (uint64_t)number * SECOND + 10;
    for (unsigned i = 0; i < process->requests; i++) {
        const uint64_t at = base + (uint64_t)i * SECOND / process->requests, id = number * process->requests + i + 1;
        record(BEGIN, at, id, 0, 0);
        record(CONN, at + 10, 1, 7, 1);
        record(INNER_BEGIN, at + 20, id + 1000, id, 0);
        record(INNER_END, at + process->slow_us - 20, id + 1000, 1, 0);
        record(CONN, at + process->slow_us - 10, 1, 7, 0);
        record(END, at + process->slow_us, id, 1, 0);
    }
    record(QUEUE, base + SECOND - 110, process->requests, 0, 0);
}

static void write_process(struct evtrail_file *file, const struct process *process)
{
    struct evtrail_source source = source_of(process);
    chunk = (struct evtrail_chunk){.source = &source, .words = words};
    chunk.state.tid = process->pid;
    strcpy(chunk.state.thread_name, "main");
    record(POOL, 1, 7, 0, 1);
    record(CONN, 2, 2, 7, 1);
    for (unsigned i = 0; i < 3; i++)
        second(process, i);
    if (process->missed)
        record(ERROR, 3 * SECOND - 50, 2, 111, 0);
    chunk.lost_before[0] = process->full;
    chunk.missed = process->missed;
    chunk.events_before = process->missed;
    if (evtrail_file_write_chunk(file, &chunk) < 0 || evtrail_file_source_gone(file, &source) < 0)
        abort();
}

int main(int argc, char **argv)
{
    struct evtrail_file_options options = {.bytes = sizeof options, .force = true};
    struct evtrail_file *file;
    if (argc < 2 || evtrail_file_create(&file, argv[1], &options) < 0) {
        fprintf(stderr, "make_hosts FILE [HOST]\n");
        return 2;
    }
    for (unsigned i = BEGIN; i < TYPES_END; i++)
        by_id[i] = &types[i];
    for (unsigned i = 0; i < COUNT(processes); i++)
        if (argc < 3 || strcmp(argv[2], processes[i].host) == 0)
            write_process(file, &processes[i]);
    return evtrail_file_close(file, NULL) < 0;
}
