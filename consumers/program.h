/* SPDX-License-Identifier: ISC
 *
 * A program that a consumer starts (`-- PROGRAM`): its environment, its end, and the directory of its sessions.
 */
#ifndef EVTRAIL_CONSUMERS_PROGRAM_H
#define EVTRAIL_CONSUMERS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct program {
    pid_t pid; /* 0: none was started, or it ended */
    int code;  /* its exit code, 128 + signal */
    bool ended;
    bool failed;         /* it could not be run at all */
    int output_fd;       /* > 0: its standard output */
    bool terminal;       /* ... which is a terminal, for its standard error, too; the program gets a session of its own */
    char ocaml[256];     /* OCAMLRUNPARAM, for OCaml's runtime events; "": they are not switched on */
    int ocaml_small;     /* log2 of its rings' words if that is few, until it is told */
    bool ocaml_told;     /* that its directory is nearly full */
    long ocaml_looked_s; /* when that was last looked at */
    char directory[512]; /* of its sessions and its children's; "" if none was made */
};

/* Where sessions are: `base`, else $EVTRAIL_DIR, else the default. 0 or -ENAMETOOLONG. */
int sessions_directory(const char *base, char *path, size_t bytes);
/* Makes a directory for the sessions of the program and its children inside `base` (NULL: the default). 0 or a negative
 * errno. */
int program_directory(struct program *program, const char *base);
/* Whether execvp() would find a file of that name that may be run: 0, -ENOENT, -EACCES, ... */
int program_check(const char *name);
/* Notes that it could not be run; returns `error`. */
int program_failed(struct program *program, int error);
/* Starts argv with EVTRAIL = what it was, then `settings`; and LD_PRELOAD = `preload` (may be NULL), then what it was. 0; or a negative
 * errno if it cannot be run, -EINTR: a signal to stop had come before; then `failed` and `code` say so. */
int program_start(struct program *program, char **argv, const char *settings, const char *preload);
/* Before it is started: OCaml's runtime events are to be written to its directory, if there is room for them (else a warning says so), unless
 * --no-ocaml is set. */
struct args;
void program_trace_ocaml(struct program *program, const struct args *args);
/* Warns, once, when the rings' file system is nearly full; looks once a second. */
void program_ocaml_room(struct program *program);
/* In the child. 0 or a negative errno. */
int program_ocaml_environment(const struct program *program);
/* Takes note of its end. True once it has ended. */
bool program_poll(struct program *program);
/* Removes what dead processes left in the directory, and the directory if nothing is left. */
void program_clean(struct program *program, bool keep_sessions);
/* A closed standard descriptor would be given to the next file that is opened: it is /dev/null for us. A program that is started finds it closed again, as it would
 * without us. */
void program_standard_descriptors(void);
/* Finds a file of the installation: beside the reader's library (a build tree), or where libraries were installed. */
bool program_file(const char *name, char *path, size_t bytes);
/* Libraries for --with, found by program_file(): "libevtrail.so.0:libevtrail-libc.so". 0, -ENOENT, -EINVAL. */
int program_preload(const char *const *names, size_t count, char *text, size_t bytes, char *ret_missing,
                    size_t missing_bytes);

#endif /* EVTRAIL_CONSUMERS_PROGRAM_H */
