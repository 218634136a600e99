/* SPDX-License-Identifier: ISC
 *
 * The stress program's trace points live here.
 */
#define EVTRAIL_CATALOGUE_DEFINE
#include "stress_trace.h"
