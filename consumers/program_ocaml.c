/* SPDX-License-Identifier: ISC
 *
 * What an OCaml 5 program that is started must find in its environment to write its runtime events where they are read. The runtime aborts the
 * program if it cannot make the ring, and the kernel kills it if the file system is full later: so it is looked at before.
 */
#include "program.h"

#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* 350,000 int events a domain: at a flood of 10 M a second, 35 ms in which the reader may be kept waiting. Of less than OCaml's own size it is
 * said. Half of what is free is for others. */
enum {
    WORDS_LOG2 = 20,
    WORDS_LOG2_OCAML = 16,
    WORDS_LOG2_MIN = 12,
    WORDS_LOG2_MAX = 20,
    SHARE = 2,
    RESERVE = 16,
    DOMAINS_MAX = 4096
};

/* The value of e= or d= in OCAMLRUNPARAM, or 0. */
static int parameter(const char *parameters, const char *name)
{
    for (const char *at = parameters; at && *at; at = strchr(at, ','), at += at != NULL)
        if (strncmp(at, name, 2) == 0)
            return atoi(at + 2);
    return 0;
}

/* As many as OCaml 5.0 to 5.2 have at most, and later ones if d= does not say otherwise. They share out to so many processes of few domains,
 * too. */
static uint64_t domains_most(const char *parameters)
{
    const int own = parameter(parameters, "d=");
    return own > 0 && own <= DOMAINS_MAX ? (uint64_t)own : 128;
}

static uint64_t domains_likely(void)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 0 ? (uint64_t)processors + 1 : 2;
}

/* Each domain that fills its ring takes all of it; 2 MiB for what stands before and behind the rings. */
static uint64_t room_needed(int log2, uint64_t domains)
{
    return (UINT64_C(8) << log2) * domains + (2 << 20);
}

/* OCAMLRUNPARAM for rings in its directory, or why not. */
static int parameters_find(struct program *program, char *ret_why, size_t why_bytes)
{
    const char *const directory = program->directory;
    const char *given = getenv("OCAMLRUNPARAM");
    struct statvfs status;
    given = given ? given : getenv("CAMLRUNPARAM");
    const int own = parameter(given, "e=");
    const uint64_t domains = own ? domains_likely() : domains_most(given);
    int log2 = own ? own : WORDS_LOG2;
    if (statvfs(directory, &status) < 0)
        return -errno;
    const uint64_t room = (uint64_t)status.f_bavail * status.f_frsize;
    while (!own && log2 > WORDS_LOG2_MIN && room_needed(log2, domains) > room / SHARE)
        log2--;
    if (own > WORDS_LOG2_MAX || own < 0) {
        snprintf(
            ret_why, why_bytes,
            "e=%d in OCAMLRUNPARAM: OCaml's runtime cannot make such a ring and ends the program; up to e=%d it can",
            own, WORDS_LOG2_MAX);
        return -ERANGE;
    }
    if (room_needed(log2, domains) > (own ? room : room / SHARE)) {
        snprintf(ret_why, why_bytes,
                 "%s: %llu KiB are free, OCaml's runtime events need %llu; name another directory in EVTRAIL_DIR",
                 directory, (unsigned long long)room >> 10,
                 (unsigned long long)room_needed(log2, domains) * (own ? 1 : SHARE) >> 10);
        return -ENOSPC;
    }
    if (log2 < WORDS_LOG2_OCAML && !own)
        program->ocaml_small = log2;
    const size_t bytes = sizeof program->ocaml;
    const int n =
        own ? snprintf(program->ocaml, bytes, "%s", given)
            : snprintf(program->ocaml, bytes, "%s%se=%d", given ? given : "", given && *given ? "," : "", log2);
    return n > 0 && (size_t)n < bytes ? 0 : -ENAMETOOLONG;
}

void program_trace_ocaml(struct program *program, const struct args *args)
{
    char why[640] = "";
    const int r = args->set[OPT_no_ocaml] ? -ECANCELED : parameters_find(program, why, sizeof why);
    if (r < 0)
        program->ocaml[0] = '\0';
    if (r < 0 && why[0])
        warn(NULL, "an OCaml program's runtime events are not switched on: %s", why);
}

/* Only then is it known that the program is one of OCaml's. */
static bool has_rings(const char *path)
{
    DIR *const directory = opendir(path);
    bool found = false;
    for (const struct dirent *entry; directory && !found && (entry = readdir(directory));) {
        const size_t bytes = strlen(entry->d_name);
        found = bytes > 7 && strcmp(entry->d_name + bytes - 7, ".events") == 0;
    }
    if (directory)
        closedir(directory);
    return found;
}

/* The kernel ends who touches a page that its file system has no room for, and a ring gets its pages as it is first filled. */
void program_ocaml_room(struct program *program)
{
    struct statvfs status;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!program->ocaml[0] || now.tv_sec == program->ocaml_looked_s)
        return;
    program->ocaml_looked_s = now.tv_sec;
    if (statvfs(program->directory, &status) < 0)
        return;
    const unsigned long long free_kib = (unsigned long long)status.f_bavail * status.f_frsize >> 10;
    const bool full = status.f_bavail <= status.f_blocks / RESERVE && !program->ocaml_told;
    if ((full || program->ocaml_small) && !has_rings(program->directory))
        return;
    if (program->ocaml_small)
        warn(program->directory,
             "%llu KiB are free, so OCaml's rings are of 2^%d words only, and a flood overwrites them soon; name "
             "another directory in "
             "EVTRAIL_DIR",
             free_kib, program->ocaml_small);
    if (full)
        warn(program->directory,
             "only %llu KiB are free: when there is nothing left, the kernel ends an OCaml program that writes there "
             "(SIGBUS); make room, or "
             "name another directory in EVTRAIL_DIR",
             free_kib);
    program->ocaml_small = 0;
    program->ocaml_told |= full;
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
