/* SPDX-License-Identifier: ISC
 *
 * The tabs, from left to right.
 */
#include "view.h"

const struct view_ops *const views[] = {
    &processes_view,
    &output_view,
    NULL,
};
