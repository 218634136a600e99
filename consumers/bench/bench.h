/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what its cases share. Each figure stands beside the limit (a clock read and a 16-byte store into a 1 MiB
 * buffer), measured in the same run, in turns with it.
 */
#ifndef EVTRAIL_BENCH_H
#define EVTRAIL_BENCH_H

#include <evtrail/reader.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
    bool json;
    double seconds;       /* of the sustained case */
    double scale;         /* repetitions, 1 by default */
    uint64_t file_events; /* of the file cases */
    const char *only;     /* a pattern on case names, or NULL */
    const char *self;     /* path of this program */
    const char *libexec;  /* where helper programs and plugins lie */
    const char *work;     /* a directory for files, removed at the end */
    double ns_per_tick;
    int failures;
};

/* One figure of a case. */
struct figure {
    const char *key; /* with its unit: "median_ns", "ratio", "events_per_s" */
    double value;
};
#define FIGURES_MAX 16
struct result {
    char name[64];
    char target[96]; /* what the case is to reach, in words */
    bool met, judged;
    unsigned count;
    struct figure figures[FIGURES_MAX];
};
bool bench_wants(const struct bench *bench, const char *name);
void result_start(struct result *result, const char *target, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void result_add(struct result *result, const char *key, double value);
void result_judge(struct result *result, bool met);
void result_print(struct bench *bench, const struct result *result);
void bench_skip(struct bench *bench, const char *name, const char *why);

/* Sorts in place; the q-quantile. */
double quantile(double *values, size_t count, double q);

uint64_t clock_ns(void);  /* CLOCK_MONOTONIC */
uint64_t cpu_ns(int pid); /* user + system time of a process so far; 0: this one */

/* A reader of this process's session, in a process of its own: attaches, drains, says what it got. */
struct drain;
struct drain_totals {
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL], chunks;
    double cpu_seconds;
};
/* what: "hold" waits for by drop, block and shed. Returns NULL if it could not be started. */
struct drain *drain_start(int pid, bool hold, bool low_latency);
void drain_stop(struct drain *drain, struct drain_totals *ret_totals);

/* What a trace file holds: events and losses. */
int bench_file_totals(const char *path, uint64_t *ret_events, uint64_t *ret_lost);

/* Writes a trace file of simulated pool events, as the recorder does; what that took. False: it could not. */
struct recorded {
    uint64_t events, file_bytes, raw_bytes;
    double cpu_seconds; /* of the encoder */
    double seconds;
};
bool bench_record_pool(const char *path, uint64_t events, struct recorded *ret_recorded);
/* The same events as chunks, to who takes them until it returns < 0. */
struct evtrail_chunk;
bool bench_each_chunk(uint64_t events, int (*take)(void *context, const struct evtrail_chunk *chunk), void *context);

/* A process that emits, once it is told to, and ends: "bench.light", 200 a second, each with the time at which it was emitted; or "bench.pool.*", those
 * of a simulated pool, as fast as it goes. They are off until a reader switches them on. */
enum bench_load { BENCH_LOAD_light, BENCH_LOAD_pool };
enum { BENCH_LIGHT_HZ = 200 };
struct bench_emitter {
    int pid, down;
};
bool bench_emitter_start(struct bench_emitter *emitter, enum bench_load load, uint64_t count);
void bench_emitter_go(const struct bench_emitter *emitter);
void bench_emitter_stop(const struct bench_emitter *emitter); /* now */
/* Waits for its end. True: it has emitted all. */
bool bench_emitter_end(struct bench_emitter *emitter);

void bench_emission(struct bench *bench);
void bench_processes(struct bench *bench);
void bench_files(struct bench *bench);
void bench_net(struct bench *bench);
void bench_ship(struct bench *bench);
void bench_ocaml(struct bench *bench);
void bench_peer_lttng(struct bench *bench);

/* Path of the evtrail command that is measured. */
extern const char *bench_command;

#endif
