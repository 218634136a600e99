/* SPDX-License-Identifier: ISC
 *
 * What an OCaml 5 program that is started must find in its environment to write its runtime events where they are read. The runtime aborts the
 * program if it cannot make the ring, and the kernel kills it if the file system is full later: so it is looked at before.
 */
#include "program.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* 350,000 int events a domain: at a flood of 10 M a second, 35 ms in which the reader may be kept waiting. */
enum { WORDS_LOG2 = 20, WORDS_LOG2_MIN = 12, WORDS_LOG2_MAX = 20, SHARE = 4 };

/* The value of e= in OCAMLRUNPARAM, or 0. */
static int ring_log2(const char *parameters)
{
    for (const char *at = parameters; at && *at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, "e=", 2) == 0)
            return atoi(at + 2);
    return 0;
}

/* Each domain that fills its ring takes all of it; 2 MiB for what stands before and behind the rings. */
static uint64_t room_needed(int log2)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return (UINT64_C(8) << log2) * (uint64_t)(processors > 0 ? processors + 1 : 2) + (2 << 20);
}

/* OCAMLRUNPARAM for rings in `directory`, or why not. */
static int parameters_find(const char *directory, char *parameters, size_t bytes, char *ret_why, size_t why_bytes)
{
    const char *given = getenv("OCAMLRUNPARAM");
    struct statvfs status;
    given = given ? given : getenv("CAMLRUNPARAM");
    const int own = ring_log2(given);
    int log2 = own ? own : WORDS_LOG2;
    if (statvfs(directory, &status) < 0)
        return -errno;
    const uint64_t room = (uint64_t)status.f_bavail * status.f_frsize;
    while (!own && log2 > WORDS_LOG2_MIN && room_needed(log2) > room / SHARE)
        log2--;
    if (own > WORDS_LOG2_MAX || own < 0) {
        snprintf(
            ret_why, why_bytes,
            "e=%d in OCAMLRUNPARAM: OCaml's runtime cannot make such a ring and ends the program; up to e=%d it can",
            own, WORDS_LOG2_MAX);
        return -ERANGE;
    }
    if (room_needed(log2) > (own ? room : room / SHARE)) {
        snprintf(ret_why, why_bytes,
                 "%s: %llu KiB are free, OCaml's runtime events need %llu; name another directory in EVTRAIL_DIR",
                 directory, (unsigned long long)room >> 10,
                 (unsigned long long)room_needed(log2) * (own ? 1 : SHARE) >> 10);
        return -ENOSPC;
    }
    const int n = own ? snprintf(parameters, bytes, "%s", given)
                      : snprintf(parameters, bytes, "%s%se=%d", given ? given : "", given && *given ? "," : "", log2);
    return n > 0 && (size_t)n < bytes ? 0 : -ENAMETOOLONG;
}

void program_trace_ocaml(struct program *program, const struct args *args)
{
    char why[640] = "";
    const int r = args->set[OPT_no_ocaml]
                      ? -ECANCELED
                      : parameters_find(program->directory, program->ocaml, sizeof program->ocaml, why, sizeof why);
    if (r < 0)
        program->ocaml[0] = '\0';
    if (r < 0 && why[0])
        warn(NULL, "an OCaml program's runtime events are not switched on: %s", why);
}

int program_ocaml_environment(const struct program *program)
{
    /* Kept at its end, so that those of a short-lived one are there when we come; they go with the directory. */
    if (setenv("OCAML_RUNTIME_EVENTS_START", "1", 1) < 0 ||
        setenv("OCAML_RUNTIME_EVENTS_DIR", program->directory, 1) < 0 ||
        setenv("OCAML_RUNTIME_EVENTS_PRESERVE", "1", 1) < 0 || setenv("OCAMLRUNPARAM", program->ocaml, 1) < 0)
        return -errno;
    return 0;
}
