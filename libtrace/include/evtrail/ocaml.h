/* SPDX-License-Identifier: ISC
 *
 * C events in the ring of the OCaml 5 program that they happen in, where the stock Runtime_events consumers see them as custom
 * events of the program: libevtrail-ocaml, linked, preloaded, or part of the OCaml package evtrail. docs/ocaml-binding.md
 * has the whole of it. OCaml 5.3 or later; elsewhere all here does nothing.
 *
 * A rule is
 *     [-]PATTERN[:LEVEL][@AS]
 * PATTERN and LEVEL as in evtrail_rule(); AS is unit, int (the first integer field), span (of a begin or an end), bytes (all
 * fields, with thread and time), or auto: begins and ends are spans; a counter of an integer, and an event whose one
 * field is an integer, are ints; one without fields is a unit; others are bytes. The environment variable EVTRAIL_OCAML
 * holds the first rules, separated by blanks, ',' or ';'.
 */
#ifndef EVTRAIL_OCAML_H
#define EVTRAIL_OCAML_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Adds rules; of those that match a type the last one counts. Types get their custom event when OCaml next leaves a blocking
 * section, or in evtrail_ocaml_register(); until then their events wait as those of foreign threads do. Returns the number of
 * types that are forwarded; -EINVAL: not a rule (nothing is changed); -ENOSPC: more than 64; -ENODEV: no session. */
int evtrail_ocaml_forward(const char *rules);

/* Registers what is waiting for it now. The caller holds OCaml's runtime lock, where a C stub may allocate (so not in one that is
 * [@@noalloc]). Returns the number registered; -ENOTSUP: no OCaml 5.3 in this process, or its rings are laid out otherwise. */
int evtrail_ocaml_register(void);

struct evtrail_ocaml_counts {
    size_t bytes;          /* sizeof(struct evtrail_ocaml_counts), set by the caller */
    uint64_t written;      /* into an OCaml ring, those that had waited included */
    uint64_t waited;       /* from threads without the runtime lock, or before their type was registered or OCaml's ring was found */
    uint64_t lost_waiting; /* of those, because 4,096 were waiting */
    uint64_t lost_refused; /* the ring is too small for the event, or 4,096 types were registered before it */
};
/* Events while OCaml's runtime events are not started, or paused, count nowhere: OCaml's own do not either. */
void evtrail_ocaml_counts(struct evtrail_ocaml_counts *ret_counts);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* EVTRAIL_OCAML_H */
