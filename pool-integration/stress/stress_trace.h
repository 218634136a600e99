/* SPDX-License-Identifier: ISC
 *
 * The stress program's trace points: stress_trace_message_begin(...) and so on, from stress.def.
 */
#ifndef EVPOOL_STRESS_TRACE_H
#define EVPOOL_STRESS_TRACE_H
#define EVTRAIL_CATALOGUE "stress.def"
#define EVTRAIL_PREFIX stress_trace_
#include <evtrail/catalogue.h>

#endif /* EVPOOL_STRESS_TRACE_H */
