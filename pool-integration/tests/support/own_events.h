/* SPDX-License-Identifier: ISC
 *
 * This process's own events, as text to compare.
 */
#ifndef EVPOOL_OWN_EVENTS_H
#define EVPOOL_OWN_EVENTS_H

#include <stddef.h>

/* Switches on what the rule says, and forgets what was recorded before. False: no session in this process. */
int own_events_begin(const char *rule);
/* The events since then of which the filter (docs/filter.md) is true, one a line: the name, "(" for the begin and ")" for the end of a
 * span, and the fields but those that hold ids of spans: "pool.attempt) address=1 code=0 error=0\n". Owned; free() it. NULL: failed. */
char *own_events(const char *filter);

#endif /* EVPOOL_OWN_EVENTS_H */
