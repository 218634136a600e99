/* SPDX-License-Identifier: ISC
 *
 * The tabs, from left to right.
 */
#include "view.h"

const struct view_ops *views[VIEWS_MAX + 1] = {
    &entities_view,
    &log_view,
    &warnings_view,
    &processes_view,
    &output_view,
    NULL,
};

bool views_add(const struct view_ops *ops)
{
    unsigned count = 0;
    while (views[count])
        count++;
    if (count == VIEWS_MAX)
        return false;
    views[count] = ops;
    return true;
}
