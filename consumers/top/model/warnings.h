/* SPDX-License-Identifier: ISC
 *
 * What is wrong: rules that are looked at with events and as time passes. One row a rule and subject, that clears when it is over and stays
 * listed; none knows an event by name. The rules are in warning_rules.def, their settings in [warnings] of the configuration.
 */
#ifndef EVTRAIL_TOP_WARNINGS_H
#define EVTRAIL_TOP_WARNINGS_H

#include "model.h"

#define WARNING_SUBJECT_BYTES 96u
#define WARNING_ROWS_MAX 512u /* of all rules */
#define WARNING_RULE_ROWS 64u /* of one rule; more are counted */
#define WARNING_HOSTS UINT32_MAX
#define WARNING_ENTITIES 4u   /* that a row names */

enum warning_unit { UNIT_count, UNIT_duration, UNIT_percent, UNIT_per_s, UNIT_times };
struct warning_entity {
    uint32_t index, serial; /* see entity_at() */
};
struct warning {
    uint32_t rule; /* see warning_rule_at() */
    uint32_t serial;
    uint64_t key; /* of the subject, within the rule */
    bool active;
    int64_t since_ns; /* of the present time that it is so; past: of the last */
    int64_t last_ns;  /* when it was last seen to be so */
    int64_t first_ns; /* the first time */
    uint64_t count;   /* how often it began */
    double value;     /* measured last, in the rule's unit; of losses: all so far */
    double worst;
    uint32_t host; /* its number in the model's list + 1; 0: of none; WARNING_HOSTS: of several */
    uint32_t entities_count;
    struct warning_entity entities[WARNING_ENTITIES];
    char subject[WARNING_SUBJECT_BYTES];
};
struct warning_rule {
    const char *name; /* in [warnings], --fail-on and JSON: "starved" */
    const char *text; /* what it is about, for the help */
    const char *say;  /* the sentence: %s the subject, %v the value, %t the threshold, %d since when */
    enum warning_unit unit;
    bool off;
    double threshold;      /* ns, percent, events a second, times */
    const char *of;        /* classes, names or event types it is for: patterns separated by blanks; "*": all */
    int64_t clear_ns;      /* how long it must be over to be past */
    uint64_t others;       /* subjects that had no row */
    uint64_t fired;        /* how often it began, in all */
    uint32_t rows, custom; /* rows of it; of a [warning NAME]: its place + 1 */
};

/* Rules and rows. Rows in the order in which they came; pointers are valid until the model is fed. */
uint32_t warning_rules_count(const struct model *model);
const struct warning_rule *warning_rule_at(const struct model *model, uint32_t index);
uint32_t warnings_count(const struct model *model);
const struct warning *warning_at(const struct model *model, uint32_t index);
const struct warning *warning_of_serial(const struct model *model, uint32_t serial);
/* The sentence, as snprintf() does. What comes from the trace in it is untrusted. */
size_t warning_text(const struct model *model, const struct warning *warning, char *buffer, size_t size);
/* "10s", "4x", "95%", "20/s" */
size_t warning_value_text(enum warning_unit unit, double value, char *buffer, size_t size);

/* For the line at the top: how many are active now. */
unsigned warnings_active(const struct model *model);
/* For --fail-on: how often rules began since the model was made, or reset. `names`: rules, separated by blanks or commas, NULL or "any": all.
 * -EINVAL: one is no rule; *ret_error (may be NULL) is an owned line. */
int warnings_fired(const struct model *model, const char *names, uint64_t *ret_times, char **ret_error);
/* Whether all that the configuration says on warnings, states and views of entities can be understood. 0, or -EINVAL and a line "PATH:LINE: ..."
 * (owned). The model itself passes over what it cannot understand. */
int warnings_config_check(const struct config *config, char **ret_error);

#endif /* EVTRAIL_TOP_WARNINGS_H */
