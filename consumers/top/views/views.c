/* SPDX-License-Identifier: ISC
 *
 * The tabs, from left to right.
 */
#include "view.h"

const struct view_ops *const views[] = {
    &entities_view,
    &log_view,
    &warnings_view,
    &processes_view,
    &output_view,
    NULL,
};
