/* SPDX-License-Identifier: ISC
 *
 * Runs a program with or without the preloaded libraries, keeps what it said, and counts the events that it left.
 */
#ifndef EVTRAIL_TESTS_TRACED_RUN_H
#define EVTRAIL_TESTS_TRACED_RUN_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_BYTES 8192
struct run {
    int status; /* as waitpid gives it */
    char out[OUTPUT_BYTES], err[OUTPUT_BYTES];
};

/* preload: value of LD_PRELOAD, NULL: none. rules: value of EVTRAIL, NULL: none. directory: of the sessions. */
void run_program(struct run *run, char *const *arguments, const char *preload, const char *rules,
                 const char *directory);

/* A directory for sessions in /dev/shm, and its end. */
void directory_make(char path[64]);
void directory_remove(const char *path);

/* Which events, and what of them. */
struct query {
    const char *name;
    enum evtrail_kind kind;
    const char *field; /* NULL: any; else only those whose field ... */
    int64_t equals;    /* ... is this, or, for a string, ... */
    const char *text;  /* ... this */
    const char *sum;   /* field to add up; NULL: none */
};
struct tally {
    uint64_t events; /* that match */
    int64_t sum;
    uint64_t lost;   /* of all kinds, any cause */
    uint64_t nested; /* of these, inside other emissions */
    unsigned sessions;
};
struct tally count_events(const char *directory, const struct query *query);

#endif /* EVTRAIL_TESTS_TRACED_RUN_H */
