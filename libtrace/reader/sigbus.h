/* SPDX-License-Identifier: ISC
 *
 * Guards mappings of files that others may truncate: a fault inside one becomes zeros and a flag.
 */
#ifndef EVTRAIL_READER_SIGBUS_H
#define EVTRAIL_READER_SIGBUS_H

#include <stdbool.h>
#include <stddef.h>

#define EVTRAIL_GUARDS_MAX 4096

/* Guards `bytes` bytes at `start` (page-aligned). The SIGBUS handler is installed if it is not there, and chains to the
 * one before it. Returns the guard's number, or -EMFILE: too many mappings; or what sigaction gives. */
int evtrail_guard_add(void *start, size_t bytes, int protection);
void evtrail_guard_remove(int guard);
/* The mapping was truncated under us: from some page on it holds zeros. */
bool evtrail_guard_tripped(int guard);

#endif /* EVTRAIL_READER_SIGBUS_H */
