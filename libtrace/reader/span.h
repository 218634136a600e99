/* SPDX-License-Identifier: ISC
 *
 * Which spans are open, to give their ends a duration: a table of fixed size, whatever a trace opens and never closes.
 */
#ifndef EVTRAIL_READER_SPAN_H
#define EVTRAIL_READER_SPAN_H

#include <evtrail/reader.h>

struct evtrail_spans;

/* Room for 65,536 open spans in 2 MiB; beyond that the oldest of the eight that share a place is forgotten. NULL: no memory. */
struct evtrail_spans *evtrail_spans_new(void);
void evtrail_spans_free(struct evtrail_spans *spans);

/* Call for every event in time order: notes a span's begin, and sets event->duration at the end of one that was noted. */
void evtrail_spans_follow(struct evtrail_spans *spans, struct evtrail_event *event);

/* Begins that were forgotten for want of room. */
uint64_t evtrail_spans_forgotten(const struct evtrail_spans *spans);

#endif /* EVTRAIL_READER_SPAN_H */
