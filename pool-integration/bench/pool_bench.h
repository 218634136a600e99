/* SPDX-License-Identifier: ISC
 *
 * pool-bench: what its cases share. Loads that are compared run in turns, each a short while, and a figure is the median of
 * the turns' ratios: what else the machine does meets both alike. Results are shown as `evtrail bench` shows its own.
 */
#ifndef EVPOOL_POOL_BENCH_H
#define EVPOOL_POOL_BENCH_H

#include "bench.h"
#include "pool_load.h"

#include <sys/types.h>

/* ---- programs that pool-bench starts ---- */
struct worker {
    pid_t pid;
    int orders, answers;
    struct answer ready; /* status: 0, 1: skipped, or -errno */
};
enum { CPU_client = 0, CPU_server = 1, CPU_any = -1 };
/* 0, or what failed: in words, in ready.text. */
int worker_start(struct worker *worker, const struct bench *bench, const char *kind, bool traced, int cpu,
                 const struct load_setup *setup);
int worker_order(struct worker *worker, uint64_t count); /* does not wait */
int worker_run(struct worker *worker, uint64_t count, struct answer *ret_answer);
void worker_stop(struct worker *worker);

/* nginx with one process, answering each request with MESSAGE_BYTES bytes. */
struct nginx {
    pid_t pid;
    uint16_t port;
    char directory[96];
};
int nginx_start(struct nginx *nginx, const struct bench *bench, const char **ret_why);
void nginx_stop(struct nginx *nginx);

/* Records all events of a process into a file, until it is stopped. */
struct recorder {
    pid_t pid;
    int stop, report;
    char path[96];
};
int recorder_start(struct recorder *recorder, const struct bench *bench, pid_t pid);
void recorder_stop(struct recorder *recorder, uint64_t *ret_events, uint64_t *ret_lost);

/* ---- cases ---- */
unsigned bench_rounds(const struct bench *bench, unsigned rounds);
uint64_t bench_count(const struct bench *bench, uint64_t count);
/* The case cannot go on; it counts as a failure of the run. */
void bench_failed(struct bench *bench, const char *name, const char *why);
/* The echo server; 0, or the case has failed. */
int bench_echo(struct bench *bench, const char *name, struct worker *server, struct load_setup *setup);

void bench_loads(struct bench *bench); /* pooled/ and tracing/ */
void bench_calls(struct bench *bench); /* call/, idle, constrained */

#endif /* EVPOOL_POOL_BENCH_H */
