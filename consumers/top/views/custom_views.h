/* SPDX-License-Identifier: ISC
 *
 * Views of one's own, from the configuration:
 *
 *     [view NAME]
 *     entities = pool.name pool.address pool.conn   # classes: patterns
 *     columns = state uses waiters                  # of the entities' columns; the name comes first by itself
 *     depth = 2                                     # of the tree that is shown; 0: all
 *     tree = yes                                    # no: flat
 *     sort = -uses                                  # flat: by this column; a minus: the largest first
 *     filter = uses > 0 && class == pool.conn       # over columns of an entity
 *     title = Pool
 *     key = P
 */
#ifndef EVTRAIL_TOP_CUSTOM_VIEWS_H
#define EVTRAIL_TOP_CUSTOM_VIEWS_H

#include "entity_rows.h"
#include "view.h"

#define CUSTOM_VIEWS_MAX 8u

struct custom_views;
/* The views that the configuration makes; *ret_views is to be freed, also when it is NULL. -EINVAL: "PATH:LINE: ..." in *ret_error (owned). */
int custom_views_new(struct custom_views **ret_views, const struct config *config, char **ret_error);
void custom_views_free(struct custom_views *views);
/* NULL: behind the last. views may be NULL. */
const struct view_ops *custom_view(const struct custom_views *views, unsigned index);
/* NULL: not one of those. */
const struct entity_settings *custom_view_settings(const struct view_ops *ops);

#endif /* EVTRAIL_TOP_CUSTOM_VIEWS_H */
