/* SPDX-License-Identifier: ISC
 *
 * What is known of event types: a row for each name and kind, over all processes.
 */
#ifndef EVTRAIL_TOP_TYPES_H
#define EVTRAIL_TOP_TYPES_H

#include "kept_type.h"
#include "model.h"
#include "rate.h"

#define TYPE_WORDS_MAX 16u /* of the last event's payload; more is cut */

/* A value of a counter, in its own type. */
struct counter_value {
    uint8_t type; /* enum evtrail_field_type; 0: none yet */
    union {
        uint64_t u;
        int64_t i;
        double f;
    };
};
struct type_counter {
    struct counter_value last, min, max;
};
/* An event type of one process. */
struct type_process {
    struct type_row *row;
    struct type_process *next;       /* of the row */
    struct type_process *next_there; /* of the process */
    const struct kept_type *type;    /* NULL: no room */
    uint64_t count;
    uint32_t pid;
    uint8_t value_type; /* of a counter */
    bool gone;
};
struct type_row {
    const char *name;             /* cut */
    const struct kept_type *type; /* the first one; NULL: no room */
    struct type_process *processes;
    struct type_process *others; /* that ended long ago, or for which there is no room; NULL: none */
    uint32_t ended;              /* processes that are counted there */
    uint32_t gone;               /* processes that have ended and are still apart */
    uint32_t number;             /* from 1 */
    uint8_t kind, level;
    uint8_t last_words, words_room;
    bool last_cut;
    uint32_t last_tid, last_pid;
    uint64_t count, bytes;
    int64_t last_ns;
    const struct kept_type *last_type;
    uint64_t *words;   /* of the last event */
    struct rate *rate; /* NULL: no event yet, or no room */
    struct type_counter *counter;
};

uint32_t types_count(const struct part *part);
struct type_row *types_row(const struct part *part, uint32_t index);
/* NULL: not known. */
struct type_row *types_find(const struct part *part, const char *name, unsigned kind);
/* There is such a type, perhaps without an event so far. NULL: no room. */
struct type_row *types_know(struct part *part, const struct evtrail_event_type *type);
struct rates types_rates(const struct part *part, const struct type_row *row);
void types_spark(const struct part *part, const struct type_row *row, float values[RATE_SECONDS]);
/* The last value of a counter with its unit, else the fields of the last event: as snprintf(). */
/* Events of types for which there was no room. */
uint64_t types_uncounted(const struct part *part);
size_t types_last_text(const struct type_row *row, char *buffer, size_t size);
size_t counter_text(const struct type_row *row, const struct counter_value *value, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_TYPES_H */
