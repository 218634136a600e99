/* SPDX-License-Identifier: ISC
 *
 * An OCaml process's ring of runtime events as a reader's input; finding it.
 */
#ifndef EVTRAIL_READER_OCAML_INPUT_H
#define EVTRAIL_READER_OCAML_INPUT_H

#include "reader/ocaml_map.h"
#include "reader/reader_private.h"

#include <sys/stat.h>

/* The ring in the file at `path`. pid: of the living process that has it mapped, with /proc as we see it; 0: find out if there is one. -EEXIST: this
 * reader has it; -EAGAIN: it is just being made. */
int evtrail_ocaml_input_add(struct evtrail_reader *reader, const char *path, uint32_t pid, struct evtrail_fault *fault);
/* Those of a process by pid, or of all of that name. How many; 0: none. */
int evtrail_ocaml_add_process(struct evtrail_reader *reader, const char *pid_or_name, struct evtrail_fault *fault);
/* Says in `fault` if it is an OCaml process that has not started them. Reads its executable. */
void evtrail_ocaml_why_none(const char *pid_or_name, struct evtrail_fault *fault);
/* Those in a directory, "<pid>.events". */
void evtrail_ocaml_visit(const char *directory, int (*visit)(const char *path, void *context), void *context);

/* Whether it is called as a ring, "<pid>.events"; whether it is one by its name or by its first bytes. */
bool evtrail_ocaml_is_name(const char *name);
bool evtrail_ocaml_is_path(const char *path);

/* ocaml_find.c */
/* Where the ring of a process can be opened: as mapped, in its root directory, or by its mapping if it was deleted. -ENOENT: it has none; -ESTALE: what it has
 * cannot be reached. */
int evtrail_ocaml_find(uint32_t pid, char *path, size_t bytes);
/* Whether the process has the file at `path` mapped, whose status that is. */
bool evtrail_ocaml_maps(uint32_t pid, const char *path, const struct stat *status);
/* Whether a ring that the process has mapped is its own: until the runtime has made one for it, a child has its parent's. */
bool evtrail_ocaml_is_own(uint32_t pid, const char *path);
/* An executable that could write such a ring: *version is set if it tells. */
bool evtrail_ocaml_is_program(const char *path, char *version, size_t bytes);

#endif /* EVTRAIL_READER_OCAML_INPUT_H */
