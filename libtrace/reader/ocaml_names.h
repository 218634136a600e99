/* SPDX-License-Identifier: ISC
 *
 * What the numbers of OCaml's runtime mean, by its version. All releases write the same file version, so the version comes from the executable,
 * from the user, or from what the stream itself shows.
 */
#ifndef EVTRAIL_READER_OCAML_NAMES_H
#define EVTRAIL_READER_OCAML_NAMES_H

#include "reader/ocaml_map.h"

/* Releases whose numbers do not contradict each other share a table. */
enum evtrail_ocaml_release {
    EVTRAIL_OCAML_UNKNOWN = 0,
    EVTRAIL_OCAML_5_2 = 1, /* 5.0 to 5.2 */
    EVTRAIL_OCAML_5_5 = 2, /* 5.3 on */
    EVTRAIL_OCAML_OX = 3,  /* OxCaml: 5.2 and its own */
};

/* Lower case; NULL: not known in this release. */
const char *evtrail_ocaml_phase_name(enum evtrail_ocaml_release release, unsigned id);
const char *evtrail_ocaml_counter_name(enum evtrail_ocaml_release release, unsigned id, const char **ret_unit);
const char *evtrail_ocaml_lifecycle_name(unsigned id);

/* "5.3.0", "5.2.0+ox", "oxcaml". UNKNOWN: not one that has these events. */
enum evtrail_ocaml_release evtrail_ocaml_release_of(const char *version);
/* The version that stands in an executable, native or ocamlrun; "" if none does. At most 512 MiB are looked at. */
void evtrail_ocaml_version_find(const char *path, char *version, size_t bytes);
/* The same in bytes, for tests. */
void evtrail_ocaml_version_scan(const void *bytes, size_t size, char *version, size_t room);

/* What the stream shows. Zeros at first. */
struct evtrail_ocaml_evidence {
    bool minor_counted; /* the counter minor_allocated was the latest but counters: the end of the phase `minor` follows */
    bool started;       /* ring_start was the latest */
    bool low, high;     /* minor is 10: up to 5.2 and OxCaml; 11: 5.3 on */
    bool late;          /* numbers that 5.2 has not */
};
static inline void evtrail_ocaml_evidence_take(struct evtrail_ocaml_evidence *evidence,
                                               const struct evtrail_ocaml_item *item)
{
    if (item->user || item->padding)
        return;
    if (item->type == EVTRAIL_OCAML_EXIT) {
        evidence->low |= (evidence->minor_counted && item->id == 10) || (evidence->started && item->id == 32);
        evidence->high |= (evidence->minor_counted && item->id == 11) || (evidence->started && item->id == 35);
    }
    if (item->type != EVTRAIL_OCAML_COUNTER)
        evidence->minor_counted = false;
    else
        evidence->minor_counted |= item->id == 5;
    evidence->started = item->type == EVTRAIL_OCAML_LIFECYCLE && item->id == 0;
    evidence->late |= (item->type == EVTRAIL_OCAML_COUNTER && item->id >= 17) ||
                      ((item->type == EVTRAIL_OCAML_BEGIN || item->type == EVTRAIL_OCAML_EXIT) && item->id >= 44);
}
/* UNKNOWN: it has shown nothing, or contradicts itself. */
enum evtrail_ocaml_release evtrail_ocaml_evidence_says(const struct evtrail_ocaml_evidence *evidence);
const char *evtrail_ocaml_release_text(enum evtrail_ocaml_release release);

#endif /* EVTRAIL_READER_OCAML_NAMES_H */
