/* SPDX-License-Identifier: ISC
 *
 * What the files of the entities share.
 */
#ifndef EVTRAIL_TOP_ENTITY_PRIVATE_H
#define EVTRAIL_TOP_ENTITY_PRIVATE_H

#include "entities.h"

#define CHUNK_RECORDS 32u
#define STATE_NONE 255u /* only its name was told */
#define STATES_MORE_BYTES ((CLASS_STATES_MAX - STATES_INLINE) * sizeof(uint64_t))
#define SOURCES_MAX 65535u

struct config;
struct slot {
    uint32_t tag;   /* of the hash */
    uint32_t index; /* 0: free */
};
struct gone_list {
    uint32_t first, last;
};
struct entity_plan;
/* The plans for the types of one source of the reader's. */
struct plans {
    struct plans *next;
    uint32_t number; /* of the reader's */
    uint32_t types_seen;
    uint16_t source; /* of ours */
    struct entity_plan *first;
};
struct entities {
    struct part part;
    struct entity **chunks;
    uint32_t chunks_count, chunks_size;
    uint32_t unused; /* records: a list */
    uint32_t serial, alive;
    struct slot *slots;
    uint32_t slots_size, slots_used;
    struct gone_list gone, ended;
    struct entity_class **classes;
    uint32_t classes_count;
    unsigned generation; /* of classes: counts up as they come */
    struct entity_source *sources;
    uint32_t sources_count;
    struct plans *plans;
    int64_t keep_ns;                   /* how long what is gone is kept */
    int64_t reset_ns;                  /* times count from here on */
    bool to_sweep;                     /* a source has ended */
    uint64_t changes, summed;          /* events, and up to which of them sums are made */
    int64_t summed_at_ns, sum_cost_ns; /* CLOCK_MONOTONIC */
    int64_t error_texts_ns;            /* CLOCK: of the trace; a second in which error_texts were written */
    uint32_t error_texts;
    struct {
        const uint64_t *payload;
        uint64_t ticks;
        uint32_t type, ring, count;
        struct entity *list[ENTITY_EVENT_REFS];
    } touched;
};

/* ---- memory: entity_table.c ---- */

void *part_take(struct part *part, size_t bytes); /* zeroed; NULL: beyond the budget, or no memory */
void part_give(struct part *part, void *memory, size_t bytes);
/* Whether so much more may be used. */
bool part_room(const struct part *part, size_t bytes);
void entity_table_fini(struct entities *entities);
struct entity *entity_new(struct entities *entities, uint32_t source, uint32_t class, uint64_t id, int64_t now_ns);
/* Among those that are gone; `ended`: with their process. */
void entity_put_away(struct entities *entities, struct entity *entity, bool ended);
void entity_bring_back(struct entities *entities, struct entity *entity);
/* Its id is not its own any more: another of this id is made. */
void entity_outlive(struct entities *entities, struct entity *entity);
void entity_expire(struct entities *entities, int64_t now_ns);
void entity_forget_all_gone(struct entities *entities);
/* Makes it a child of the one with this index; 0: of none. */
void entity_adopt(struct entities *entities, struct entity *entity, uint32_t parent);
void entity_label(struct entities *entities, struct entity *entity, const char *text, size_t bytes);

/* Where the time in this state is added up. */
uint64_t *entity_time(struct entities *entities, struct entity *entity, unsigned state);

/* ---- classes: entity_classes.c ---- */

/* NULL: there are too many, or no memory. */
struct entity_class *entity_class_make(struct entities *entities, const char *name);
struct entity_class *entity_class_named(const struct entities *entities, const char *name);
/* The place of a state of that name; the last one stands for all that have no place. */
uint8_t entity_class_state(struct entities *entities, struct entity_class *class, const char *name, size_t bytes);
bool entity_word_phase(const char *word, size_t bytes, enum phase *ret_phase);
enum phase entity_phase_of(const struct config *config, const char *class, const char *state);
bool entity_counter_waits(const struct config *config, const struct evtrail_event_type *type);
/* The part of a name behind the last dot. */
const char *entity_last_part(const char *name);

/* ---- what to do with an event type: entity_plan.c ---- */

struct plan_ref {
    uint16_t field;
    uint16_t class;
    uint32_t word;  /* its place in the payload, or UINT32_MAX: behind a string */
    bool role;      /* id 0 is one, too */
    uint32_t index; /* of the one found last, */
    uint32_t serial;
    uint64_t id;
};
struct plan_state {
    int64_t value;
    uint8_t place;
};
struct state_map {
    uint8_t count;
    struct plan_state seen[CLASS_STATES_MAX];
    uint8_t direct[32]; /* places of the values 0..31; STATE_NONE: not known */
};
struct entity_plan {
    struct entity_plan *next;
    struct plans *of;
    struct plan_ref *refs;
    struct state_map *states; /* of state events whose states are numbers */
    unsigned generation;
    uint16_t class; /* of state, name, gone, and of what is measured */
    uint8_t kind, level;
    uint8_t refs_count, bytes_count;
    uint8_t state_type;
    bool waits;    /* a counter of what waits */
    bool measures; /* its first ref is an entity that it measures */
    uint8_t bytes_fields[2], measure_fields[2], measure_states[2];
};
struct entity_plan *entity_plan_make(struct entities *entities, const struct evtrail_source *source,
                                     const struct evtrail_event_type *type);
/* Anew, as there are more classes. */
void entity_plan_renew(struct entities *entities, struct entity_plan *plan, const struct evtrail_event_type *type);
/* Of types that came since the last time. */
void entity_learn_classes(struct entities *entities, struct plans *plans, const struct evtrail_source *source);
void entity_plans_forget(struct entities *entities, uint32_t number);
void entity_plans_fini(struct entities *entities);

#endif /* EVTRAIL_TOP_ENTITY_PRIVATE_H */
