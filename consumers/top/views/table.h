/* SPDX-License-Identifier: ISC
 *
 * A table to look at: columns from a list, rows from a view; moving, sorting, searching and hiding what is silent are the table's. The
 * same columns make the JSON of `--json`, so each is given as a value, not as text.
 */
#ifndef EVTRAIL_TOP_TABLE_H
#define EVTRAIL_TOP_TABLE_H

#include "../screen/keys.h"
#include "../screen/surface.h"
#include "outbuf.h"

struct config;

enum value_kind {
    VALUE_none, /* shown as "-", null */
    VALUE_text,
    VALUE_count,    /* 1,234 or 12.3M */
    VALUE_rate,     /* a second: 0.4, 12.3k */
    VALUE_bytes,    /* 1.5 MiB */
    VALUE_duration, /* ns */
    VALUE_time,     /* ns since 1970: a time of day */
    VALUE_number,   /* any, with its unit in text if it has one */
    VALUE_percent,  /* 0..100 */
    VALUE_spark,
    VALUE_bar, /* number in most */
};
struct value {
    enum value_kind kind;
    double number; /* of VALUE_count and VALUE_duration see also exact */
    uint64_t exact;
    double most;
    const float *values; /* of a sparkline: oldest first */
    unsigned values_count;
    enum style style; /* STYLE_plain: the table's */
    char text[256];
};
#define COLUMN_OF_HOSTS 2u
struct column {
    const char *name;  /* in the configuration and in JSON: "rate_10" */
    const char *title; /* "rate/10s" */
    const char *text;  /* what it is, for the help */
    int width;         /* columns; < 0: at least so many, and grows with the room that is left */
    uint8_t align_right;
    uint8_t hidden;     /* unless the configuration names it; COLUMN_OF_HOSTS: or several() */
    uint8_t descending; /* the order in which people want to see it first */
    enum value_kind kind;
};
/* A line of a list of columns, as such a struct. */
#define TABLE_COLUMN(column_name, column_title, column_width, right, is_hidden, is_descending, value, what) \
    {.name = #column_name, \
     .title = (column_title), \
     .text = (what), \
     .width = (column_width), \
     .align_right = (right), \
     .hidden = (is_hidden), \
     .descending = (is_descending), \
     .kind = VALUE_##value},
struct table_ops {
    const char *name;             /* of the section [columns] and in JSON: "types" */
    const struct column *columns; /* ended by a NULL name; a name, a unique text, is the first that is always shown */
    /* Rows as of now: how many, and the i-th (any order; valid until the next call of `rows`). */
    size_t (*rows)(void *context);
    void *(*row)(void *context, size_t index);
    /* Stays the same as long as the row is about the same thing: the cursor follows it. */
    uint64_t (*id)(void *context, const void *row);
    void (*value)(void *context, const void *row, unsigned column, struct value *ret_value);
    bool (*silent)(void *context, const void *row); /* may be NULL */
    unsigned (*depth)(
        void *context,
        const void *row); /* trees: rows come in tree order, and only the tree's order sorts; may be NULL */
    enum style (*style)(void *context, const void *row); /* may be NULL */
    bool (*several)(void *context); /* rows are of several hosts: their column is shown; may be NULL: never */
};
struct table;
int table_new(struct table **ret_table, const struct table_ops *ops, void *context, const struct config *config);
void table_free(struct table *table);
/* Takes the rows anew, sorts them. Before drawing, and before asking for the selected row. */
void table_update(struct table *table);
/* Heading and rows, in the whole area. */
void table_draw(struct table *table, struct area area);
/* Whether the action was the table's. */
bool table_action(struct table *table, enum action action);
/* A mouse click at this place of the area it was drawn in: selects the row or sorts by the column. True if it hit something. */
bool table_click(struct table *table, int row, int column);
void table_search(struct table *table, const char *text);
void *table_selected(struct table *table); /* NULL: no rows */
void table_select(struct table *table, uint64_t id);
/* "12 of 340, by rate, silent hidden" */
size_t table_status(const struct table *table, char *buffer, size_t size);
/* Rows as a JSON array: an object each, all columns that are not sparklines or bars, numbers as numbers. */
int table_json(struct table *table, struct output *out);
void value_text(const struct value *value, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_TABLE_H */
