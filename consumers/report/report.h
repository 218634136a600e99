/* SPDX-License-Identifier: ISC
 *
 * What a report knows of a trace: the figures of evtrail stat, and beside them how they came about over time. Filled event
 * by event in bounded memory; knows no event by name.
 */
#ifndef EVTRAIL_CONSUMERS_REPORT_H
#define EVTRAIL_CONSUMERS_REPORT_H

#include "../stat_model.h"
#include "blob.h"
#include "sample.h"
#include "series.h"
#include "slices.h"

#define SLOWEST 16u
#define SERIES_ROWS 512u   /* names whose events over time are kept */
#define HEAT_ROWS 96u      /* spans whose durations over time are kept */
#define LEVEL_ROWS 192u    /* counters whose values over time are kept */
#define SHARES 256u        /* states, of all classes, whose shares over time are kept */
#define ROW_BUCKETS 128u   /* of a name's events over time, as they are written */
#define LANES 64u          /* of a track: spans that are open at once */
#define LISTED_CLASS 400u  /* entities of a class that are listed one by one */
#define LISTED 4000u       /* in all */
#define LOSSES_MAX 512u    /* stretches of loss */

struct slow_span {
    uint64_t duration, id;
    int64_t from_ns;
    uint32_t track;
    char *text; /* owned: the end event's fields */
};
struct states_over_time {
    struct shares *shares[STATES_MAX]; /* NULL: there were too many */
    bool known[STATES_MAX];
    uint64_t now[STATES_MAX];
    double total[STATES_MAX]; /* ns, of all its entities */
    int64_t since_ns[STATES_MAX];
    uint32_t listed;
};
/* What is kept of a row beyond the figures; by the row's number. */
struct row_more {
    struct counts *counts;
    struct levels *levels;
    struct heat *heat;
    struct slow_span slow[SLOWEST]; /* by duration, longest first */
    uint32_t slow_count;
    struct states_over_time *states;
    uint64_t lanes_full;
};
struct listed_entity {
    uint32_t row;
    uint32_t state; /* STATE_GONE */
    uint64_t id, parent;
    int64_t first_ns, since_ns, gone_ns;
    double time[STATES_MAX];
    uint32_t changes;
    char *name; /* owned, or NULL */
};
struct open_span {
    int64_t from_ns;
    uint64_t id, parent;
    uint32_t track, lane, row;
    uint32_t next_free; /* + 1 */
};
struct track {
    uint32_t source, tid;
    char name[17];
    uint64_t events;
    uint64_t lanes; /* a bit for each that is taken */
    uint32_t lanes_used;
};
struct loss {
    int64_t since_ns, ns;
    uint64_t count;
    uint32_t cause;
    uint32_t track; /* UINT32_MAX: not of one thread */
};
struct process { /* a source, after it has been closed */
    char *command, *program, *host;
    uint32_t pid, parent_pid;
    int64_t start_ns;
    uint64_t events, session_id;
};
struct report {
    struct stat_model stat;
    struct axis axis;
    struct row_more **more;
    uint32_t more_count;
    uint32_t heats, counts, levels, shares;
    struct counts *events, *lost[EVTRAIL_CAUSES_ALL];
    struct loss losses[LOSSES_MAX];
    uint32_t losses_count;
    struct idtable open_index, track_index, listed_index;
    struct open_span *open;
    uint32_t open_count, open_free; /* first free + 1 */
    struct track *tracks;
    uint32_t tracks_count;
    struct listed_entity *listed;
    uint32_t listed_count;
    struct process *processes;
    uint32_t processes_count;
    struct slices spans, strips;
    struct sample sample;
    uint64_t cut; /* events that the writer had to shorten */
    uint64_t faults;
    bool out_of_memory;
};
struct report_limits {
    uint32_t slices, events;
    uint32_t newest; /* events that are there besides, whole */
};
extern const struct report_limits report_default, report_full, report_live;

int report_init(struct report *report, const struct report_limits *limits);
void report_fini(struct report *report);
void report_event(struct report *report, const struct evtrail_event *event);
/* After the last event: what is open lasts until here. */
void report_end(struct report *report);
/* What report_end() and report_write() would make now; events may follow. 0 or -ENOMEM. */
int report_snapshot(struct report *report, struct blob *out);

/* Halves what is kept of single events and spans. False: there is little left to halve. */
bool report_shrink(struct report *report);

/* Parts of it. */
struct row_more *report_more(struct report *report, const struct row *row);
uint32_t report_track(struct report *report, const struct evtrail_event *event); /* UINT32_MAX: none left */
void report_span_begin(struct report *report, const struct plan *plan, const struct evtrail_event *event, uint32_t track);
void report_span_end(struct report *report, const struct plan *plan, const struct evtrail_event *event, uint32_t track);
void report_spans_end(struct report *report);
/* After the model has taken the event; `before`: the entity's state before it, UINT32_MAX: it was not known. */
uint32_t report_entity_state(const struct report *report, const struct plan *plan, const struct evtrail_event *event);
void report_entity(struct report *report, const struct plan *plan, const struct evtrail_event *event, uint32_t before);
void report_entities_end(struct report *report);

/* All of it as the data of a page: a length, JSON, columns. */
void report_write(struct report *report, struct blob *out);
/* A page with the reports' data: the second may be NULL. Without `full` they are shrunk until the page has at most some 2 MB. 0 or a
 * negative errno. */
struct output;
struct page_options {
    const char *title;
    const char *figures; /* JSON to show before all else; NULL: none */
    bool full;
};
int report_page(struct output *out, struct report *report, struct report *against, const struct page_options *options);
/* The page that gets its data from evtrail web, with a NUL behind it, and its policy as a header's value. 0 or -ENOMEM. */
int report_live_page(struct blob *page, struct blob *policy);
/* The figure of one span, counter or class of entities, or of all events (name NULL). -ENOENT: no such name. */
int report_svg(struct output *out, struct report *report, const char *name);

#endif /* EVTRAIL_CONSUMERS_REPORT_H */
