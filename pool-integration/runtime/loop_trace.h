/* SPDX-License-Identifier: ISC
 *
 * The loop's trace points: loop_trace_iteration(...) and so on, from runtime.def.
 */
#ifndef EVPOOL_LOOP_TRACE_H
#define EVPOOL_LOOP_TRACE_H
#define EVTRAIL_CATALOGUE "runtime.def"
#define EVTRAIL_PREFIX loop_trace_
#include <evtrail/catalogue.h>
#endif /* EVPOOL_LOOP_TRACE_H */
