/* SPDX-License-Identifier: ISC
 *
 * The pool's trace points live here.
 */
#define EVTRAIL_CATALOGUE_DEFINE
#include "pool_trace.h"
