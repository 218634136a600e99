/* SPDX-License-Identifier: ISC
 *
 * What the files of the warnings share.
 */
#ifndef EVTRAIL_TOP_WARNING_PRIVATE_H
#define EVTRAIL_TOP_WARNING_PRIVATE_H

#include "entities.h"
#include "warnings.h"

#define RULES_MAX 64u /* with those of the configuration: a bit each */
#define WATCHES_MAX 8192u
#define ROW_SLOTS 2048u

enum rule_kind {
#define RULE(ident, name, unit, threshold, over_ns, clear_ns, say, text) RULE_##ident,
#include "warning_rules.def"
#undef RULE
    RULES_BUILT_IN,
    RULE_custom = RULES_BUILT_IN,
};
struct rule {
    struct warning_rule shown;
    enum rule_kind kind;
    bool named; /* `of` names something: not all, or all but some */
    int64_t over_ns;
    double least;
    uint64_t others_now; /* subjects without a row, in the pass that is under way */
    struct evtrail_filter *filter;
    const char *by; /* a class, NULL: all in one */
    char name[48], say[160];
};
/* Something that is looked at over time, for a rule and a subject. */
struct watch {
    uint64_t key; /* 0: unused */
    int64_t since_ns, last_ns;
    uint64_t count, before; /* in this window, and in the one before */
    struct warning_entity entity;
    uint64_t source; /* model_source_key(); of those without an entity */
    uint32_t host;   /* number + 1, of those */
    uint16_t rule, type;
};
/* An event type that some rule looks at. */
struct warning_plan {
    char name[CLASS_NAME_BYTES];
    uint64_t rules; /* bits: custom rules and retry storms that may match it */
    uint16_t number;
    bool waits;
};
struct warnings {
    struct part part;
    struct entities *entities;
    struct rule rules[RULES_MAX];
    uint32_t rules_count;
    struct warning *rows;
    uint32_t rows_count, active;
    uint16_t *slots; /* hash of rows: place + 1 */
    uint32_t serial;
    struct watch *watches;
    uint32_t watches_size, watches_used;
    struct warning_plan **plans;
    uint32_t plans_count, plans_size;
    uint32_t scan_next;                 /* the entity that is looked at next */
    int64_t waiting_since[CLASSES_MAX]; /* some of the class wait; INT64_MIN: none */
    int64_t spans_ns;                   /* the last time that open spans were looked at */
    int64_t window_ns;                  /* the last time that siblings were compared */
};

/* ---- warning_rules.c ---- */

/* Rules with their settings; faults are passed over, the first is told in *ret_error if it is not NULL (owned). 0 or -EINVAL. */
int warning_rules_read(struct rule rules[RULES_MAX], uint32_t *ret_count, const struct config *config,
                       char **ret_error);
void warning_rules_free(struct rule rules[RULES_MAX], uint32_t count);
/* Whether a text fits one of the patterns. */
bool warning_of(const struct rule *rule, const char *text);

/* ---- warning_rows.c ---- */

struct warnings *warnings_of(const struct model *model);
uint64_t warning_key(uint64_t a, uint64_t b, uint64_t c);
/* It is so, at this value. NULL: no room for a row. `subject` is called for a new row. */
struct warning *warning_raise(struct warnings *warnings, uint32_t rule, uint64_t key, double value);
/* It is nearly so: a row that is active stays so. */
void warning_hold(struct warnings *warnings, uint32_t rule, uint64_t key, double value);
/* Rows of rules that are not held any more become past. */
void warning_clear(struct warnings *warnings);
void warning_entity_subject(struct warnings *warnings, struct warning *warning, const struct entity *entity);
void warning_add_entity(struct warnings *warnings, struct warning *warning, const struct entity *entity);
/* It is about this host (number + 1, 0: none), beside those that it is about. */
void warning_add_host(struct warning *warning, uint32_t host);
/* Made if there was none; NULL: no room. */
struct watch *warning_watch(struct warnings *warnings, uint64_t key, bool make);
void warning_unwatch(struct warnings *warnings, struct watch *watch);
/* Counts one event; returns how many came within the window up to now. */
double warning_count(struct watch *watch, int64_t now_ns, int64_t over_ns);

/* ---- warnings.c ---- */

/* "pool.queue of localhost:80" */
void warning_watch_subject(struct warnings *warnings, struct warning *warning, const struct watch *watch);

/* ---- warning_checks.c ---- */

void warning_checks(struct warnings *warnings, int64_t now_ns);

#endif /* EVTRAIL_TOP_WARNING_PRIVATE_H */
