/* SPDX-License-Identifier: ISC
 *
 * In which order the batches of several files go into one: those of a ring as the ring had them.
 */
#ifndef EVTRAIL_FILE_MERGE_ORDER_H
#define EVTRAIL_FILE_MERGE_ORDER_H

#include <evtrail/file.h>

#include <stdbool.h>
#include <stdint.h>

struct evtrail_merge_order;
/* Looks at all batches' headers of the paths but streams. */
int evtrail_merge_order_new(struct evtrail_merge_order **ret_order, const char *const *paths, uint32_t paths_count,
                            const struct evtrail_file_cursor_options *options);
void evtrail_merge_order_free(struct evtrail_merge_order *order);
/* Whether all that comes before the next batch of path `origin` in its ring was taken. */
bool evtrail_merge_order_due(const struct evtrail_merge_order *order, uint32_t origin);
/* The next batch of path `origin` was taken. */
void evtrail_merge_order_take(struct evtrail_merge_order *order, uint32_t origin);

#endif /* EVTRAIL_FILE_MERGE_ORDER_H */
