/* SPDX-License-Identifier: ISC
 *
 * Entities as rows of a table, flat or as a tree; their columns are the same wherever they are shown.
 */
#ifndef EVTRAIL_TOP_ENTITY_ROWS_H
#define EVTRAIL_TOP_ENTITY_ROWS_H

#include "../model/entities.h"
#include "table.h"

#define FOLDS_MAX 512u
#define CHILDREN_OPEN 64u /* a parent of more is folded at first */

struct entity_row {
    struct entity *entity; /* NULL: a host, with all of its below */
    uint32_t serial;       /* of that entity: 0 when it is another one now */
    uint32_t host;         /* of a host: its number in the model's list, and its place among the rows' hosts */
    uint32_t place;
    uint8_t depth;
    bool folded; /* its children are not shown */
};
/* Sums over the entities of a host that are asked for. */
struct entity_host {
    uint32_t host, alive;
    uint32_t phases[PHASES];
    uint64_t uses, bytes, errors; /* of those at the top */
    uint32_t waiters;
};
struct entity_fold {
    uint32_t serial;
    bool folded, host; /* host: `serial` is its number */
};
struct entity_match; /* an expression over what is known of an entity */
/* Which ones. */
struct entity_query {
    const char *classes; /* patterns, separated by blanks; NULL: all */
    const struct entity_match *match;
    struct entity_fold *folds; /* those that a user has set */
    unsigned folds_count;
    unsigned depth;  /* of the tree that is shown; 0: all */
    uint32_t parent; /* only its children, if not 0 */
    bool tree, matched, unfold;
    bool hosts; /* a tree below hosts */
};
struct entity_rows {
    struct entities *entities;
    struct entity_row *rows;
    size_t count, room;
    struct entity_branch *branches;
    size_t branches_room;
    struct entity_host *hosts; /* of a tree below hosts, by name */
    size_t hosts_count, hosts_room;
    uint32_t *places; /* among those, by number; UINT32_MAX: none */
    size_t places_room;
};

void entity_rows_fini(struct entity_rows *rows);
/* 0 or -ENOMEM. */
int entity_rows_make(struct entity_rows *rows, struct entities *entities, const struct entity_query *query);
/* Whether a class is one of the patterns'; NULL: all. */
bool entity_classes_match(const char *patterns, const char *name);
/* Its entity; NULL: forgotten since. */
struct entity *entity_row_entity(const struct entity_rows *rows, const struct entity_row *row);
/* Stays the same for what the row is about. */
uint64_t entity_row_id(const struct entity_row *row);

/* ---- columns: entity_columns.c ---- */

/* name, id, class, state ... as in [columns] entities. Sums count for those that have children. */
extern const struct column entity_columns[];
unsigned entity_columns_count(void);
int entity_column_named(const char *name, size_t bytes);
void entity_value(const struct entity_rows *rows, const struct entity_row *row, unsigned column, struct value *value);
enum style entity_row_style(const struct entity_rows *rows, const struct entity_row *row);

/* ---- expressions over entities: entity_match.c ---- */

/* A filter expression whose fields are the columns that are numbers or words: `class == pool.conn && uses > 10 && state == idle`. -EINVAL: *ret_error
 * says why (owned). */
int entity_match_new(struct entity_match **ret_match, const char *text, char **ret_error);
void entity_match_free(struct entity_match *match);
bool entity_match(const struct entity_match *match, const struct entities *entities, const struct entity *entity);

/* ---- views of entities ---- */

/* A view of one's own: [view NAME] of the configuration. */
struct entity_settings {
    const char *classes; /* patterns; NULL: all */
    const char *filter;
    unsigned depth;
    bool flat;
    const struct column *columns; /* NULL: entity_columns */
    const uint8_t *numbers;       /* of columns among entity_columns; NULL: the same */
    const char *name;             /* of the table */
};

#endif /* EVTRAIL_TOP_ENTITY_ROWS_H */
