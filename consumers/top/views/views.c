/* SPDX-License-Identifier: ISC
 *
 * The tabs, from left to right.
 */
#include "view.h"

const struct view_ops *const views[] = {
    &types_view,    &spans_view,     &tree_view,  &entities_view, &log_view,
    &warnings_view, &processes_view, &hosts_view, &output_view,   NULL,
};
