/* SPDX-License-Identifier: ISC
 *
 * The loop's trace points live here.
 */
#define EVTRAIL_CATALOGUE_DEFINE
#include "loop_trace.h"
