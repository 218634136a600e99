/* SPDX-License-Identifier: ISC
 *
 * This process's own events, as text to compare.
 */
#ifndef EVPOOL_OWN_EVENTS_H
#define EVPOOL_OWN_EVENTS_H

#include <evtrail/reader.h>
#include <evtrail/trace.h>

#include <stdint.h>

/* Switches on what the rule says, and forgets what was recorded before. False: no session in this process. */
int own_events_begin(const char *rule);
/* The events since then of which the filter (docs/filter.md) is true, one a line: the name, "(" for the begin and ")" for the end of a
 * span, and the fields but those that hold ids of spans: "pool.attempt) address=1 code=0 error=0\n". Owned; free() it. NULL: failed. */
char *own_events(const char *filter);
/* The same, one by one. 0, or -errno: they cannot be read. */
int own_events_each(const char *filter, void (*take)(void *arg, const struct evtrail_event *event), void *arg);
/* A field that the event must have. */
uint64_t own_events_field(const struct evtrail_event *event, const char *name);

#endif /* EVPOOL_OWN_EVENTS_H */
