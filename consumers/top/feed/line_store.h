/* SPDX-License-Identifier: ISC
 *
 * Events that are kept: copies in time order, of bounded number, that grow at either end.
 */
#ifndef EVTRAIL_TOP_LINE_STORE_H
#define EVTRAIL_TOP_LINE_STORE_H

#include <evtrail/reader.h>

#include <stddef.h>

#define LINES_MAX 1024u /* kept */

struct line {
    struct evtrail_event event;
    uint64_t *words;
    size_t room;
    char thread_name[17];
    struct evtrail_label labels[4];
};
/* A ring of lines. */
struct line_store {
    struct line *lines; /* LINES_MAX; NULL: none was kept yet */
    size_t first, count;
};
void line_store_fini(struct line_store *store);
/* The i-th, oldest first. */
struct line *line_at(const struct line_store *store, size_t index);
/* Adds a copy behind the newest; if there is no room the oldest goes. False: no memory. */
bool line_append(struct line_store *store, const struct evtrail_event *event);
/* Moves lines of `older` before the oldest, as long as there is room. */
void line_prepend(struct line_store *store, struct line_store *older);
/* Forgets the newest, or the oldest. */
void line_drop_last(struct line_store *store, size_t count);
void line_drop_first(struct line_store *store, size_t count);

#endif /* EVTRAIL_TOP_LINE_STORE_H */
