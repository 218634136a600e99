/* SPDX-License-Identifier: ISC
 *
 * Tables of OCaml's runtime events, and which of them a process goes by.
 */
#include "reader/ocaml_names.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- tables ---- */

/* 5.3 put three phases between those of 5.2, and what follows moved; 5.4 added the last two. */
static const char *const phases_5_5[] = {
    "explicit_gc_set",
    "explicit_gc_stat",
    "explicit_gc_minor",
    "explicit_gc_major",
    "explicit_gc_full_major",
    "explicit_gc_compact",
    "major",
    "major_sweep",
    "major_mark_roots",
    "major_memprof_roots",
    "major_mark",
    "minor",
    "minor_local_roots",
    "minor_memprof_roots",
    "minor_memprof_clean",
    "minor_finalized",
    "explicit_gc_major_slice",
    "finalise_update_first",
    "finalise_update_last",
    "interrupt_remote",
    "major_ephe_mark",
    "major_ephe_sweep",
    "major_finish_marking",
    "major_gc_cycle_domains",
    "major_gc_phase_change",
    "major_gc_stw",
    "major_mark_opportunistic",
    "major_slice",
    "major_finish_cycle",
    "minor_clear",
    "minor_finalizers_oldify",
    "minor_global_roots",
    "minor_leave_barrier",
    "stw_api_barrier",
    "stw_handler",
    "stw_leader",
    "major_finish_sweeping",
    "major_memprof_clean",
    "minor_finalizers_admin",
    "minor_remembered_set",
    "minor_remembered_set_promote",
    "minor_local_roots_promote",
    "domain_condition_wait",
    "domain_resize_heap_reservation",
    "compact",
    "compact_evacuate",
    "compact_forward",
    "compact_release",
    "empty_minor",
    "minor_ephe_clean",
};
static const char *const phases_5_2[] = {
    "explicit_gc_set",
    "explicit_gc_stat",
    "explicit_gc_minor",
    "explicit_gc_major",
    "explicit_gc_full_major",
    "explicit_gc_compact",
    "major",
    "major_sweep",
    "major_mark_roots",
    "major_mark",
    "minor",
    "minor_local_roots",
    "minor_finalized",
    "explicit_gc_major_slice",
    "finalise_update_first",
    "finalise_update_last",
    "interrupt_remote",
    "major_ephe_mark",
    "major_ephe_sweep",
    "major_finish_marking",
    "major_gc_cycle_domains",
    "major_gc_phase_change",
    "major_gc_stw",
    "major_mark_opportunistic",
    "major_slice",
    "major_finish_cycle",
    "minor_clear",
    "minor_finalizers_oldify",
    "minor_global_roots",
    "minor_leave_barrier",
    "stw_api_barrier",
    "stw_handler",
    "stw_leader",
    "major_finish_sweeping",
    "minor_finalizers_admin",
    "minor_remembered_set",
    "minor_remembered_set_promote",
    "minor_local_roots_promote",
    "domain_condition_wait",
    "domain_resize_heap_reservation",
    "compact",
    "compact_evacuate",
    "compact_forward",
    "compact_release",
};
/* OxCaml goes on behind those of 5.2; what it has in between is not known here. */
static const char *const phases_ox[] = {[48 - 48] = "minor_ephe_clean", [49 - 48] = "minor_dependent"};

struct counter {
    const char *name, *unit;
};
static const struct counter counters[] = {
    {"force_minor_alloc_small", ""},
    {"force_minor_make_vect", ""},
    {"force_minor_set_minor_heap_size", ""},
    {"force_minor_memprof", ""},
    {"minor_promoted", "bytes"},
    {"minor_allocated", "bytes"},
    {"request_major_alloc_shr", ""},
    {"request_major_adjust_gc_speed", ""},
    {"request_minor_realloc_ref_table", ""},
    {"request_minor_realloc_ephe_ref_table", ""},
    {"request_minor_realloc_custom_table", ""},
    /* 5.1 */
    {"major_heap_pool_words", "words"},
    {"major_heap_pool_live_words", "words"},
    {"major_heap_large_words", "words"},
    {"major_heap_pool_frag_words", "words"},
    {"major_heap_pool_live_blocks", ""},
    {"major_heap_large_blocks", ""},
    /* 5.3 */
    {"major_heap_words", "words"},
    {"major_allocated_words", "words"},
    {"major_allocated_work", ""},
    {"major_dependent_work", ""},
    {"major_extra_work", ""},
    {"major_work_counter", ""},
    {"major_alloc_counter", ""},
    {"major_slice_target", ""},
    {"major_slice_budget", ""},
    /* 5.5 */
    {"minor_allocated_words", "words"},
    {"minor_promoted_words", "words"},
};
enum { COUNTERS_5_2 = 17 };

static const char *const lifecycles[] = {"ring_start",  "ring_stop",  "ring_pause",   "ring_resume",
                                         "fork_parent", "fork_child", "domain_spawn", "domain_terminate"};

const char *evtrail_ocaml_phase_name(enum evtrail_ocaml_release release, unsigned id)
{
    if (release == EVTRAIL_OCAML_5_5 || release == EVTRAIL_OCAML_UNKNOWN)
        return id < COUNT(phases_5_5) ? phases_5_5[id] : NULL;
    if (id < COUNT(phases_5_2))
        return phases_5_2[id];
    return release == EVTRAIL_OCAML_OX && id >= 48 && id - 48 < COUNT(phases_ox) ? phases_ox[id - 48] : NULL;
}

const char *evtrail_ocaml_counter_name(enum evtrail_ocaml_release release, unsigned id, const char **ret_unit)
{
    const bool all = release == EVTRAIL_OCAML_5_5 || release == EVTRAIL_OCAML_UNKNOWN;
    *ret_unit = "";
    if (id >= (all ? COUNT(counters) : COUNTERS_5_2))
        return NULL;
    *ret_unit = counters[id].unit;
    return counters[id].name;
}

const char *evtrail_ocaml_lifecycle_name(unsigned id)
{
    return id < COUNT(lifecycles) ? lifecycles[id] : NULL;
}

/* ---- versions ---- */

enum evtrail_ocaml_release evtrail_ocaml_release_of(const char *version)
{
    if (strstr(version, "ox"))
        return EVTRAIL_OCAML_OX;
    if (version[0] != '5' || (version[1] != '.' && version[1] != '\0'))
        return EVTRAIL_OCAML_UNKNOWN;
    if (version[1] == '\0' || !isdigit((unsigned char)version[2]))
        return EVTRAIL_OCAML_UNKNOWN;
    return version[2] <= '2' && !isdigit((unsigned char)version[3]) ? EVTRAIL_OCAML_5_2 : EVTRAIL_OCAML_5_5;
}

const char *evtrail_ocaml_release_text(enum evtrail_ocaml_release release)
{
    static const char *const texts[] = {"an unknown one", "5.0 to 5.2", "5.3 or later", "OxCaml"};
    return texts[release];
}

/* "5.D.D" and what may follow: letters, digits, + - ~ and dots. Its length, or 0. */
static size_t version_length(const uint8_t *at, const uint8_t *end)
{
    size_t n = 0, dots = 0;
    if (end - at < 6 || at[0] != '5' || at[1] != '.' || !isdigit(at[2]))
        return 0;
    while (at + n < end && n < 40 && (isalnum(at[n]) || strchr("+-~.", at[n] ? at[n] : '_'))) {
        dots += at[n] == '.';
        n++;
    }
    return at + n < end && at[n] == '\0' && dots >= 2 && isalnum(at[n - 1]) ? n : 0;
}

/* An OCaml string in static data: aligned, its header says that it is one and how long, its last byte how much is padding. */
static bool is_ocaml_string(const uint8_t *start, const uint8_t *at, size_t length, const uint8_t *end)
{
    const size_t offset = (size_t)(at - start), words = length / 8 + 1;
    uint64_t header;
    if (offset % 8 || offset < 8 || (size_t)(end - at) < words * 8)
        return false;
    memcpy(&header, at - 8, 8);
    return (header & 0xff) == 252 && header >> 10 == words && at[words * 8 - 1] == words * 8 - 1 - length;
}

void evtrail_ocaml_version_scan(const void *bytes, size_t size, char *version, size_t room)
{
    const uint8_t *const start = bytes, *const end = start + size;
    version[0] = '\0';
    for (const uint8_t *at = start; at && at < end; at++) {
        at = memmem(at, (size_t)(end - at), "5.", 2);
        const size_t length = at ? version_length(at, end) : 0;
        if (!at)
            return;
        if (!length || length >= room || (at > start && (isalnum(at[-1]) || at[-1] == '.')))
            continue;
        const bool sure = is_ocaml_string(start, at, length, end);
        /* ocamlrun has it as a C string; so may anybody have another: the first is kept until a sure one comes. */
        if (sure || !version[0]) {
            memcpy(version, at, length);
            version[length] = '\0';
        }
        if (sure)
            return;
    }
}

void evtrail_ocaml_version_find(const char *path, char *version, size_t bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    version[0] = '\0';
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        const size_t most = (size_t)512 << 20, size = (size_t)status.st_size < most ? (size_t)status.st_size : most;
        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            evtrail_ocaml_version_scan(map, size, version, bytes);
            munmap(map, size);
        }
    }
    close(fd);
}

enum evtrail_ocaml_release evtrail_ocaml_evidence_says(const struct evtrail_ocaml_evidence *evidence)
{
    if (evidence->low == evidence->high)
        return EVTRAIL_OCAML_UNKNOWN;
    return evidence->high ? EVTRAIL_OCAML_5_5 : evidence->late ? EVTRAIL_OCAML_OX : EVTRAIL_OCAML_5_2;
}
