/* SPDX-License-Identifier: ISC
 *
 * Every live thing with a state: what the events of the kinds state, name and gone say of it, and what others say that carry its id.
 *
 * A class is the event name of such kinds; an entity is one id of a class in one process. An event is about an entity if one of its integer fields
 *   - has the role `entity` (the first field of state, name and gone), or
 *   - has no other role and no unit, and is called as a class of the same process calls its id (the name of that first field, unless it is as
 *     general as "id"), or as the last part of the class's name ("pool.conn": conn). Of several such classes the one that shares more of its name
 *     with the event's counts.
 * An event of kind instant with two fields in ns that are called as phases ("busy", "idle"; see phase_words.def) measures an entity of its own: its
 * class is the event's name without the last part, its id the field called as the class's last part, else the first integer without unit.
 * A parent's class is not in the schema: it is the class in which parents' ids were found so far, or what [entities] CLASS.parent says.
 */
#ifndef EVTRAIL_TOP_ENTITIES_H
#define EVTRAIL_TOP_ENTITIES_H

#include "model.h"

#define CLASS_STATES_MAX 16u
#define STATES_INLINE 4u
#define CLASS_NAME_BYTES 64u
#define CLASSES_MAX 1024u
#define STATE_NAME_BYTES 24u
#define ENTITY_LABEL_BYTES 64u
#define ENTITY_DEPTH_MAX 16u
#define ENTITY_EVENT_REFS 4u /* entities that one event is about, at most */

enum phase { PHASE_other, PHASE_busy, PHASE_waiting, PHASE_idle, PHASES };
const char *phase_name(enum phase phase); /* "other", "busy", "waiting", "idle" */
int phase_named(const char *name, enum phase *ret_phase);

struct entity_class {
    char name[CLASS_NAME_BYTES];
    char ids[2][32]; /* what fields that hold its id are called; "" */
    uint16_t number;
    uint8_t states_count;
    bool measured;     /* by fields in ns: has no states of its own */
    bool fixed_parent; /* its parent class is the configuration's */
    uint16_t parent;   /* class number + 1; 0: not known */
    struct {
        char name[STATE_NAME_BYTES];
        uint8_t phase;
        uint32_t alive; /* entities in it now */
        uint32_t ended; /* that were in it as their process ended */
    } states[CLASS_STATES_MAX];
    uint32_t alive, known, ended;  /* known: with those gone that are still kept; ended: with their process */
    uint64_t seen, gone, left_out; /* in all; left_out: had no room */
    int64_t newest_ns;             /* of their events, by entities_sum() */
};
struct entity_source {
    uint64_t key;
    uint32_t pid, entities, plans;
    uint32_t host; /* its number in the model's list */
    bool used, gone, swept;
    char command[40];
};
/* The last error of an entity. */
struct entity_error {
    int64_t ns;
    char text[104]; /* event name and fields */
};
/* What an entity that is a parent has besides: sums over all below it, by entities_sum(). */
struct entity_family {
    uint64_t past_uses, past_bytes, past_errors,
        past_children;                 /* of children that were forgotten, and all below those */
    uint64_t uses, bytes, errors;      /* with its own and all past */
    int64_t newest_ns;                 /* of its children's events */
    uint64_t uses_before, uses_window; /* for rules: sums at a window's begin, and within the last one */
    uint32_t phases[PHASES];           /* of direct children, now */
    uint32_t alive, waiters;           /* all below, now */
    uint64_t gone;                     /* all below: gone, known still or forgotten */
};
enum entity_flag {
    ENTITY_GONE = 1,
    ENTITY_ENDED = 2,     /* its process has ended, not it itself */
    ENTITY_IMPLIED = 4,   /* known only because of events about it: it was never said to exist */
    ENTITY_MATCHED = 8,   /* an event about it matched the filter */
    ENTITY_OUTLIVED = 16, /* another one has its id now */
    ENTITY_USED = 32,     /* the record is in use */
};
struct entity {
    uint64_t id, parent_id;
    int64_t created_ns, since_ns, last_ns; /* since when in its state (gone: since when gone); last event about it */
    uint64_t bytes;
    uint32_t serial; /* another one with each new entity */
    uint32_t index;
    uint32_t parent; /* index; 0: none known */
    uint32_t children;
    uint32_t before, after; /* among those that are gone */
    uint32_t uses;          /* how often it became busy */
    uint32_t events, errors;
    uint32_t waiters; /* last value of a counter of what waits, that is about it */
    uint32_t tid;     /* of the last thread that changed its state */
    uint16_t class, source;
    uint8_t state; /* of its class */
    uint8_t flags;
    char *label; /* NULL: none */
    struct entity_error *error;
    struct entity_family *family;
    uint64_t *more_times;          /* of the states from STATES_INLINE on */
    uint64_t times[STATES_INLINE]; /* ns in each state, up to since_ns: see entity_state_ns() */
};

struct entities; /* the part */
struct entities *entities_of(const struct model *model);

uint32_t entity_classes_count(const struct entities *entities);
const struct entity_class *entity_class_at(const struct entities *entities, uint32_t number);
const struct entity_class *entity_class_of(const struct entities *entities, const struct entity *entity);
const struct entity_source *entity_source_of(const struct entities *entities, const struct entity *entity);
const char *entity_host(const struct entities *entities, const struct entity *entity);
/* All entities: indices below entities_end(), of which some are NULL. 0 is never one. */
uint32_t entities_end(const struct entities *entities);
struct entity *entity_at(const struct entities *entities, uint32_t index);
/* The one that had this index and serial; NULL: it is forgotten. */
struct entity *entity_with(const struct entities *entities, uint32_t index, uint32_t serial);
/* The newest of that id; NULL: not known. */
struct entity *entity_find(const struct entities *entities, uint32_t source, uint32_t class, uint64_t id);
/* The same in another model: by process, class and id. */
struct entity_identity {
    uint64_t source, id;
    char class[CLASS_NAME_BYTES];
};
void entity_identify(const struct entities *entities, const struct entity *entity,
                     struct entity_identity *ret_identity);
struct entity *entity_identified(const struct entities *entities, const struct entity_identity *identity);
uint32_t entities_alive(const struct entities *entities);
uint64_t entities_left_out(const struct entities *entities);

/* Entities that the event just given to the model is about: how many. Parts after this one ask in their event(). */
unsigned entities_touched(const struct entities *entities, const struct evtrail_event *event,
                          struct entity *ret_entities[ENTITY_EVENT_REFS]);

/* Its name: label, else "conn 12". Untrusted. */
size_t entity_name(const struct entities *entities, const struct entity *entity, char *buffer, size_t size);
/* "active", "gone", "active, ended" */
size_t entity_state_text(const struct entities *entities, const struct entity *entity, char *buffer, size_t size);
enum phase entity_phase(const struct entities *entities, const struct entity *entity);
/* ns in a state or phase up to now. */
uint64_t entity_state_ns(const struct entities *entities, const struct entity *entity, unsigned state);
uint64_t entity_phase_ns(const struct entities *entities, const struct entity *entity, enum phase phase);
/* From its creation to now, or until it was gone. */
int64_t entity_age(const struct entities *entities, const struct entity *entity);
/* A filter expression for the events that are about it. */
size_t entity_filter_text(const struct entities *entities, const struct entity *entity, char *buffer, size_t size);
/* Sums over families, if something has changed; of many entities only so often that it costs little. */
void entities_sum(struct entities *entities);

#endif /* EVTRAIL_TOP_ENTITIES_H */
