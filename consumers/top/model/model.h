/* SPDX-License-Identifier: ISC
 *
 * What evtrail top knows of a stream of events: its parts, totals and sources. No terminal here: fed by a live reader, by a file, by what is
 * held, it ends the same.
 */
#ifndef EVTRAIL_TOP_MODEL_H
#define EVTRAIL_TOP_MODEL_H

#include "part.h"

#include "host_list.h"

#define PARTS_MAX 8u
enum model_part { PART_types, PART_spans, PART_tree, PART_entities, PART_warnings, PARTS };

struct config;
struct model_options {
    int64_t attached_ns; /* live: what was lost before is no fault of now; 0: all counts */
    size_t memory_bytes; /* 0: 16 MiB */
    const struct config *config;
    const struct evtrail_filter *filter; /* borrowed; only events that match are counted; NULL: all */
    bool hosts; /* one host alone is told, too */
};
/* What came in so far. */
struct model_totals {
    uint64_t events, bytes;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    int64_t first_ns, last_ns; /* of events; INT64_MAX and INT64_MIN if there is none */
    uint64_t sampled_out;      /* events that were only counted, by type, for want of time */
};
struct source_plans;
struct model {
    struct part *parts[PARTS_MAX];
    struct source_plans *sources; /* by the source's number */
    uint32_t sources_count;
    struct host_list hosts; /* in the order in which they came; for their figures see model_hosts() */
    struct model_options options;
    struct model_totals totals;
    int64_t now_ns;    /* the trace's time: of the newest event, or live the clock's */
    int64_t ticked_ns; /* of the last tick */
    int64_t unseen_ns; /* up to here events were only counted: what had none since may be over; INT64_MIN: none was */
    int64_t unseen_states_ns; /* the same of those that tell what becomes of an entity: state, name, gone */
    int64_t lost_ns;          /* the same, of events that were lost */
    bool out_of_memory;
};

int model_new(struct model **ret_model, const struct model_options *options);
void model_free(struct model *model);
/* One event, loss record or source of the reader's. */
void model_event(struct model *model, const struct evtrail_event *event);
/* Events of one type that were only counted: in the totals as sampled_out, and, without a filter, as events. */
void model_counted(struct model *model, const struct evtrail_source *source, uint32_t id, uint64_t events,
                   uint64_t bytes);
/* Time passes (ns since 1970). */
void model_tick(struct model *model, int64_t now_ns);
void model_reset(struct model *model);
struct part *model_part(const struct model *model, enum model_part part);

/* Whether what had its last event then may have changed since by events that nobody saw: only counted, or lost. */
static inline bool model_stale(const struct model *model, int64_t last_ns)
{
    return last_ns <= model->unseen_ns || last_ns <= model->lost_ns;
}
/* The same of an entity's state. */
static inline bool model_state_stale(const struct model *model, int64_t last_ns)
{
    return last_ns <= model->unseen_states_ns || last_ns <= model->lost_ns;
}
/* The hosts, with events, losses, and when their newest event was; processes and clocks are the sources'. */
struct host_list *model_hosts(struct model *model);
/* The number of a source's host in that list, from 0. */
uint32_t model_host_number(struct model *model, const struct evtrail_source *source);
/* Whether who is told with his host: if there are several. */
static inline bool model_several_hosts(const struct model *model)
{
    return model->hosts.count > 1 || model->options.hosts;
}
/* Of a source, by its number. */
struct model_source {
    uint64_t events, lost;
    int64_t last_ns; /* of its newest event; INT64_MIN: none */
};
struct model_source model_source_figures(const struct model *model, uint32_t number);

/* For the parts: who an event's ids belong to. The same for a process as long as it lives, in the file, too. */
uint64_t model_source_key(const struct evtrail_source *source);

#endif /* EVTRAIL_TOP_MODEL_H */
