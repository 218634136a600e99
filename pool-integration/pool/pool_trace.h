/* SPDX-License-Identifier: ISC
 *
 * The pool's trace points: pool_trace_conn_created(...) and so on, from pool.def.
 */
#ifndef EVPOOL_POOL_TRACE_H
#define EVPOOL_POOL_TRACE_H
#define EVTRAIL_CATALOGUE "pool.def"
#define EVTRAIL_PREFIX pool_trace_
#include <evtrail/catalogue.h>
#endif /* EVPOOL_POOL_TRACE_H */
