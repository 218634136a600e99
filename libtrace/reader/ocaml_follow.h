/* SPDX-License-Identifier: ISC
 *
 * The children of OCaml processes that are read: each makes a ring of its own.
 */
#ifndef EVTRAIL_READER_OCAML_FOLLOW_H
#define EVTRAIL_READER_OCAML_FOLLOW_H

#include "reader/reader_private.h"

/* The ring of this process was added, as the file at `path`: what its children make there is added, too. */
void evtrail_ocaml_follow(struct evtrail_reader *reader, uint32_t pid, const char *path);
/* Its ring tells that it has made a child, whose pid is as that process sees it. */
void evtrail_ocaml_follow_fork(struct evtrail_reader *reader, const struct evtrail_source *parent, uint64_t child);
/* It has ended: its pid may be another's by now. */
void evtrail_ocaml_follow_end(struct evtrail_reader *reader, uint32_t pid);
/* Adds what has appeared. Cheap if nothing has. */
void evtrail_ocaml_follow_look(struct evtrail_reader *reader);
/* Whether there is one that has no ring yet, and may have one in a moment. */
bool evtrail_ocaml_follow_waits(const struct evtrail_reader *reader);
void evtrail_ocaml_follow_free(struct evtrail_reader *reader);

#endif /* EVTRAIL_READER_OCAML_FOLLOW_H */
