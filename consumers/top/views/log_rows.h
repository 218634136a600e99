/* SPDX-License-Identifier: ISC
 *
 * Lines of a log as they are shown: a window of them around the cursor, fetched as it moves.
 */
#ifndef EVTRAIL_TOP_LOG_ROWS_H
#define EVTRAIL_TOP_LOG_ROWS_H

#include "../feed/feed.h"

#define ROWS_MAX 1536 /* kept */
#define ROWS_AT_ONCE 256

struct log_row {
    int64_t time_ns;
    uint8_t level; /* 1..6; 0: a loss or an event that is not in the schema */
    uint8_t is_loss;
    char host[32], process[40], thread[32], name[96];
    char fields[420];
    char doc[200]; /* "what it is (file.c:12 function)" */
};
struct log_rows {
    struct feed_lines *lines;
    struct feed *feed; /* lines are of it */
    const struct evtrail_filter *filter;
    struct log_row *rows; /* ROWS_MAX */
    int count;
    bool searching; /* lines are: the end that was asked for is not there yet */
    bool at_first, at_last;
};
void log_rows_fini(struct log_rows *rows);
/* Nothing is kept; another feed, or other lines. */
int log_rows_reset(struct log_rows *rows, struct feed *feed);
/* Only the last `count` up to to_ns. */
void log_rows_last(struct log_rows *rows, int64_t to_ns, int count);
/* Only those from from_ns on. */
void log_rows_from(struct log_rows *rows, int64_t from_ns, int count);
/* More at either end; return how many came in before the first, by which places have moved: negative if some had to go there. */
int log_rows_more_before(struct log_rows *rows);
int log_rows_more_behind(struct log_rows *rows, int64_t to_ns);
/* An event as a row. */
void log_row_make(struct log_row *row, const struct evtrail_event *event);

#endif /* EVTRAIL_TOP_LOG_ROWS_H */
