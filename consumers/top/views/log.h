/* SPDX-License-Identifier: ISC
 *
 * A log of events to look at: the view of all of them, and a part of other views, of one entity or span say.
 */
#ifndef EVTRAIL_TOP_LOG_H
#define EVTRAIL_TOP_LOG_H

#include "view.h"

struct log;
/* Of the events that match `expression` besides the feed's filter; NULL: all. */
int log_new(struct log **ret_log, struct top *top, const char *expression);
void log_free(struct log *log);
/* The model or the feed is another one. */
void log_changed(struct log *log);
/* Heading and lines, in the whole area. */
void log_draw(struct log *log, struct area area);
bool log_action(struct log *log, enum action action);
bool log_click(struct log *log, int row);
void log_search(struct log *log, const char *text);
/* "following", "mark to here 1.25ms" */
size_t log_status(const struct log *log, char *buffer, size_t size);
size_t log_copy(const struct log *log, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_LOG_H */
