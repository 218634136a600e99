/* SPDX-License-Identifier: ISC
 *
 * A filter expression as a tree in an array: the parser (filter_parse.c) makes it, filter.c evaluates it.
 */
#ifndef EVTRAIL_READER_FILTER_H
#define EVTRAIL_READER_FILTER_H

#include <evtrail/reader.h>

#define EVTRAIL_FILTER_NODES 256
#define EVTRAIL_FILTER_DEPTH 64
#define EVTRAIL_FILTER_TEXT 4096

enum evtrail_filter_kind {
    EVTRAIL_FILTER_AND,
    EVTRAIL_FILTER_OR,
    EVTRAIL_FILTER_NOT,
    EVTRAIL_FILTER_NAME, /* the event's name fits a pattern */
    EVTRAIL_FILTER_TEST, /* operand, comparison, value */
    EVTRAIL_FILTER_HAS,  /* the operand is there */
};
enum evtrail_filter_operand {
    EVTRAIL_OPERAND_FIELD,
    EVTRAIL_OPERAND_LABEL,
    EVTRAIL_OPERAND_LEVEL,
    EVTRAIL_OPERAND_KIND,
    EVTRAIL_OPERAND_NAME,
    EVTRAIL_OPERAND_DUR,
    EVTRAIL_OPERAND_TIME,
    EVTRAIL_OPERAND_TID,
    EVTRAIL_OPERAND_THREAD,
    EVTRAIL_OPERAND_PID,
    EVTRAIL_OPERAND_PROCESS,
    EVTRAIL_OPERAND_MACHINE,
    EVTRAIL_OPERAND_CPU,
    EVTRAIL_OPERAND_RING,
};
enum evtrail_filter_comparison {
    EVTRAIL_IS_EQUAL,
    EVTRAIL_IS_NOT_EQUAL,
    EVTRAIL_IS_LESS,
    EVTRAIL_IS_LESS_OR_EQUAL,
    EVTRAIL_IS_GREATER,
    EVTRAIL_IS_GREATER_OR_EQUAL,
    EVTRAIL_IS_LIKE,     /* ~: has wildcards, or is part of it */
    EVTRAIL_IS_NOT_LIKE, /* !~ */
};
struct evtrail_filter_node {
    uint8_t kind, operand, comparison;
    uint8_t role;   /* enum evtrail_role: the field that has it, instead of a name */
    bool is_null;   /* the word null */
    bool is_number; /* value has one */
    bool is_negative, is_fraction;
    uint16_t left, right;
    const char *name; /* pattern, field or label key */
    const char *text; /* the value as text */
    int64_t integer;  /* bits of an unsigned one beyond INT64_MAX */
    double real;
};
struct evtrail_filter {
    struct evtrail_filter_node nodes[EVTRAIL_FILTER_NODES];
    uint16_t count, root;
    bool uses_spans;
    char *texts; /* names and values, NUL-terminated */
    size_t texts_used;
};

/* What a filter's nodes say of one event type: for a field its place (< 0: none); for the name, level and kind 1 or 0. Looked up
 * once for each type instead of for each event. Owned; NULL: no memory. */
int16_t *evtrail_filter_plan(const struct evtrail_filter *filter, const struct evtrail_event_type *type);
/* evtrail_filter_match() with the plan of the event's type. */
bool evtrail_filter_match_by(const struct evtrail_filter *filter, const int16_t *plan,
                             const struct evtrail_event *event);

#endif /* EVTRAIL_READER_FILTER_H */
