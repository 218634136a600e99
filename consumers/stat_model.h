/* SPDX-License-Identifier: ISC
 *
 * What evtrail stat knows of a trace: rows by event name and kind, spans, counters, entities, losses. Fed by events (any
 * source) or by columns (files); memory is bounded, and what was left out is counted.
 */
#ifndef EVTRAIL_CONSUMERS_STAT_MODEL_H
#define EVTRAIL_CONSUMERS_STAT_MODEL_H

#include "histogram.h"
#include "host_list.h"
#include "idtable.h"

#include <evtrail/file.h>
#include <evtrail/reader.h>
#include <evtrail/trace.h>

#define STATES_MAX 32u
#define PLANS_BLOCK 64u
#define STATE_GONE UINT32_MAX /* of an entity's entry */
#define STATE_END 1u          /* of a span's entry: an end that came before its begin; 0: a begin */

/* A value of a counter, in its own type. */
struct number {
    uint8_t type; /* enum evtrail_field_type */
    union {
        uint64_t u;
        int64_t i;
        double f;
    };
};
struct counter {
    struct number last, min, max;
    int64_t last_ns;
    char *unit; /* owned */
};
struct span_stat {
    struct histogram histogram;
    uint64_t begins, ends;
    uint64_t unmatched; /* ends without a begin */
};
struct entity_class {
    char *states[STATES_MAX];
    uint32_t states_count;
    uint64_t seen; /* entities that ever were */
    uint64_t untracked;
};
struct row {
    char *name;
    uint8_t kind, level;
    uint64_t count;
    uint64_t bytes;
    struct row *family; /* the first row of this name: has span, class */
    struct counter *counter;
    struct span_stat *span;
    struct entity_class *class;
    uint32_t number; /* from 1 */
};
/* How to take an event type in; by source and id. */
struct plan {
    struct row *row;
    uint32_t group; /* of ids: source and name */
    uint8_t kind;
    uint8_t value_type;                    /* of a counter's value or an entity's state */
    const struct evtrail_event_type *type; /* until stat_model_forget() */
};
struct source_plans {
    uint32_t session; /* its number among the model's sessions, + 1; 0: not yet known */
    uint32_t host;    /* + 1; 0: not yet known */
    struct plan **blocks; /* of PLANS_BLOCK plans, which stay where they are; NULL: none yet */
    uint32_t count;
};
struct stat_model {
    struct row **rows;
    uint32_t rows_count;
    uint32_t *index; /* hash of rows by name and kind */
    uint32_t index_size;
    struct source_plans *sources;
    uint32_t sources_count;
    uint64_t *sessions; /* that were seen: the same one in two files is one source */
    uint32_t sessions_count;
    struct host_list hosts;
    struct idtable spans, entities;
    uint64_t events, bytes;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    uint64_t spool_by[EVTRAIL_SPOOL_WHYS]; /* of those by cause `spool`, as far as files say */
    int64_t first_ns, last_ns;
    uint32_t gone_waiting; /* entities that went since the table was last swept of such */
    bool out_of_memory;
};

int stat_model_init(struct stat_model *model);
void stat_model_fini(struct stat_model *model);
/* NULL only without memory. Types that are not in the schema share one row. Valid until stat_model_forget(). */
struct plan *stat_model_plan(struct stat_model *model, const struct evtrail_source *source, uint32_t id);
/* Forgets sources and what is theirs, before they are closed. What was counted stays. */
void stat_model_forget(struct stat_model *model);
/* One event of the reader's, in time order; spans by event->duration. */
void stat_model_event(struct stat_model *model, const struct evtrail_event *event);
void stat_model_time(struct stat_model *model, int64_t ns);
/* Where events and losses of its host are counted; NULL: no memory. Valid until the next call. */
struct host *stat_model_host(struct stat_model *model, const struct evtrail_source *source);

/* Pieces for the columns: one record each. */
void stat_span_begin(struct stat_model *model, const struct plan *plan, const struct evtrail_source *source,
                     uint64_t id, uint64_t ticks);
void stat_span_end(struct stat_model *model, const struct plan *plan, const struct evtrail_source *source, uint64_t id,
                   uint64_t ticks);
void stat_counter(struct plan *plan, uint64_t word, int64_t ns);
/* `words` from the state's first word on. */
void stat_entity(struct stat_model *model, struct plan *plan, uint64_t id, uint64_t ticks, const uint64_t *words,
                 uint32_t count);
void stat_entity_gone(struct stat_model *model, struct plan *plan, uint64_t id, uint64_t ticks);
/* Spans that are open, and ends that never found their begin, by row. */
uint64_t stat_model_open(const struct stat_model *model, const struct row *row, uint64_t *ret_unmatched);
/* Entities of this row's class by state; the last place counts those that are gone. */
void stat_model_states(const struct stat_model *model, const struct row *row, uint64_t counts[STATES_MAX + 1]);

#endif /* EVTRAIL_CONSUMERS_STAT_MODEL_H */
