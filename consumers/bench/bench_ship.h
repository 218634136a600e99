/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: what the cases of ship/ share: a folder of their own, a collector, senders, and asking a sender how it is.
 */
#ifndef EVTRAIL_BENCH_SHIP_H
#define EVTRAIL_BENCH_SHIP_H

#include "bench.h"

#include <sys/types.h>

enum { SHIP_PATH_BYTES = 512, SHIP_ARGUMENTS = 24 };

struct ship {
    struct bench *bench;
    char folder[SHIP_PATH_BYTES], spool[SHIP_PATH_BYTES + 16], store[SHIP_PATH_BYTES + 16], log[SHIP_PATH_BYTES + 16],
        keys[SHIP_PATH_BYTES + 16];
    bool tls;
    pid_t collector;
    char address[64];
};

/* Makes the folder. */
bool ship_begin(struct ship *ship, struct bench *bench, bool tls);
/* Ends the collector, removes all. */
void ship_end(struct ship *ship);
/* The pool's events into the spool, as evtrail send puts them there. */
bool ship_fill(const struct ship *ship, uint64_t events, uint64_t *ret_events, uint64_t *ret_bytes);
bool ship_collect(struct ship *ship);
/* This evtrail with arguments that NULL ends; its output to `out`, or -1: to the log. -1: it could not be started. */
pid_t ship_spawn(const struct ship *ship, int out, char *const *arguments);
/* evtrail send with its collector, spool, key, and these. */
pid_t ship_send(const struct ship *ship, char *const *more);
/* Waits for the end of a process. True: its code is 0. */
bool ship_wait(pid_t pid);
/* Until a line of the log has it. */
bool ship_said(const struct ship *ship, const char *text);
/* A number in the sender's status. NAN: it does not answer, or has none of that name. */
double ship_figure(const struct ship *ship, const char *name);
/* Bytes of the files below a folder. */
uint64_t ship_weigh(const char *folder);

void bench_ship_live(struct bench *bench);

#endif
