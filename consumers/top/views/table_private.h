/* SPDX-License-Identifier: ISC
 *
 * The table's own: its rows in their order, and what of it is on the screen.
 */
#ifndef EVTRAIL_TOP_TABLE_PRIVATE_H
#define EVTRAIL_TOP_TABLE_PRIVATE_H

#include "table.h"
#include "value.h"

#include "config.h"

#define TABLE_COLUMNS 32
#define SEARCH_BYTES 128

struct row {
    void *row;
    uint64_t id;
    double order;   /* by the column that sorts */
    uint32_t text;  /* the same for text: its place in `texts` */
    uint8_t absent; /* nothing to sort by: last */
    uint8_t depth;
    uint64_t continues; /* bit n: at depth n another row follows below the same parent */
};
struct table {
    const struct table_ops *ops;
    void *context;
    const struct config *config;
    unsigned columns_count;       /* in ops->columns */
    uint8_t shown[TABLE_COLUMNS]; /* their numbers, in order */
    unsigned shown_count;
    bool by_config; /* the configuration names them */
    bool several;   /* the column of hosts is among them, unasked */
    char fault[160]; /* of the configuration, told in the status */
    unsigned sort;   /* the column that sorts */
    bool descending, hide_silent;
    struct row *rows;
    size_t count, room, silent;
    size_t ordered_from, ordered_to; /* rows in their order; those before and behind only belong there */
    char *texts;
    size_t texts_used, texts_room;
    size_t cursor, top;
    uint64_t cursor_id;
    bool moved;    /* the cursor has been: it stays with its row; else it stays at the top */
    unsigned left; /* columns that were scrolled out, behind the first */
    char search[SEARCH_BYTES];
    bool not_found;
    struct area drawn;
    struct {
        uint8_t number;
        int16_t column, width;
    } places[TABLE_COLUMNS]; /* of the columns that were drawn */
    unsigned places_count;
    bool more_right;
    int first_wanted, first_of; /* columns that the first one asks for, on a screen of so many */
};

/* Puts the rows around this place into their order; or all; none is any more. */
void table_order(struct table *table, size_t index);
void table_order_all(struct table *table);
void table_order_none(struct table *table);
/* The place of the row of that id; SIZE_MAX: there is none. */
size_t table_rank(const struct table *table, uint64_t id);
/* Rows that fit below the heading. */
size_t table_page(const struct table *table);
void table_value(const struct table *table, const struct row *row, unsigned column, struct value *ret_value);

#endif /* EVTRAIL_TOP_TABLE_PRIVATE_H */
