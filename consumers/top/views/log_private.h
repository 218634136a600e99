/* SPDX-License-Identifier: ISC
 *
 * A log: what is seen of it, and what the files of it share.
 */
#ifndef EVTRAIL_TOP_LOG_PRIVATE_H
#define EVTRAIL_TOP_LOG_PRIVATE_H

#include "log.h"
#include "log_rows.h"

#define MARKS_MAX 9
#define DESCRIPTION_ROWS 5

#define LOG_COLUMNS(X) \
    X(time, "time", 15, "when, to the microsecond") \
    X(host, "host", 16, "of the process; only if there are several") \
    X(process, "process", 18, "command and pid; only if there are several") \
    X(thread, "thread", 18, "name and number of the thread") \
    X(level, "level", 8, "critical .. trace") \
    X(name, "event", 30, "sign of its kind, and name") \
    X(fields, "fields", 20, "values, labels, duration")
enum log_column {
#define X(name, title, width, text) LOG_##name,
    LOG_COLUMNS(X)
#undef X
        LOG_COLUMNS_COUNT
};
struct log_search {
    char text[128];
    int direction;   /* that is searched in now: 1 down, -1 up; 0: not */
    int64_t past_ns; /* how far it came */
};
struct log {
    struct top *top;
    struct evtrail_filter *filter;
    struct log_rows rows;
    int cursor, first;                  /* places in rows: of the cursor, of the first one shown */
    int page;                           /* lines shown */
    int left;                           /* columns hidden at the left */
    int shift;                          /* of the fields */
    int widths[LOG_COLUMNS_COUNT];      /* as found so far */
    uint8_t columns[LOG_COLUMNS_COUNT]; /* in this order */
    int columns_count;
    bool follow, describe, narrow;
    uint32_t sources;               /* looked at, for: */
    bool several_hosts, several;    /* hosts, processes */
    int64_t kept_ns;          /* where the cursor was before the model was another one */
    int64_t marks[MARKS_MAX]; /* times, oldest first */
    int marks_count;
    struct log_search search;
};

/* Up to when lines are shown. */
int64_t log_end(const struct log *log);
void log_fetch(struct log *log);
bool log_marked(const struct log *log, int64_t time_ns);
const struct log_row *log_selected(const struct log *log);
/* One line of text, of the columns that are shown. */
size_t log_row_text(const struct log *log, const struct log_row *row, char *buffer, size_t size);
bool log_row_has(const struct log_row *row, const char *text);
void log_cell(const struct log_row *row, enum log_column column, char *buffer, size_t size);

/* log_search.c: goes on with it, for some milliseconds */
void log_search_on(struct log *log);
void log_search_begin(struct log *log, int direction);

#endif /* EVTRAIL_TOP_LOG_PRIVATE_H */
