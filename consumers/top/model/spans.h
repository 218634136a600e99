/* SPDX-License-Identifier: ISC
 *
 * What is known of spans: a row for each name, over all processes.
 *
 * A begin and an end belong together if process, name and span id are the same. A span counts if its begin or its end matches the filter.
 */
#ifndef EVTRAIL_TOP_SPANS_H
#define EVTRAIL_TOP_SPANS_H

#include "histogram.h"
#include "kept_type.h"
#include "latency.h"
#include "model.h"
#include "open_spans.h"
#include "rate.h"

#define SPAN_WORDS_MAX 8u /* of a begin's or end's fields that are kept */
#define SPAN_SLOWEST 10u
#define SPAN_THREAD_BYTES 16u
#define SPAN_LABELS_BYTES 64u
#define SPAN_COARSE_OCTAVES 64u

/* What was said at one end of a span. */
struct span_fields {
    const struct kept_type *type; /* NULL: no room */
    uint8_t words;
    bool cut;
    uint64_t payload[SPAN_WORDS_MAX]; /* from the event's first word on */
};
struct slow_span {
    uint64_t duration_ns;
    int64_t end_ns;
    uint64_t id;
    uint32_t tid, pid, host; /* host: its number in the model's list */
    char command[17], thread[SPAN_THREAD_BYTES + 1], labels[SPAN_LABELS_BYTES]; /* of the end; "key=value key=value" */
    struct span_fields begin, end;
};
struct span_row {
    const char *name; /* cut */
    uint32_t number;  /* from 1 */
    uint32_t slowest_count;
    uint64_t begins, ends;
    uint64_t count;     /* begun and ended */
    uint64_t open;      /* in flight */
    uint64_t unmatched; /* ends without a begin */
    uint64_t abandoned; /* begins whose process ended before them */
    uint64_t repeated;  /* begins of an id that was open already: the one before is not counted */
    uint64_t forgotten; /* begins that were forgotten for want of room */
    uint64_t min_ns, max_ns;
    double sum_ns;
    struct histogram *histogram; /* of all; NULL: `coarse` holds them, if it is not NULL */
    uint64_t octaves;            /* of the histogram, that take memory */
    uint32_t *coarse;            /* by power of two */
    struct rate rate;            /* of ends */
    struct latency *latency;     /* NULL: no room */
    struct slow_span *slowest;   /* longest first; NULL: none yet, or no room */
    const struct kept_type *begin_type, *end_type;
};

uint32_t spans_count(const struct part *part);
struct span_row *spans_row(const struct part *part, uint32_t index);
struct span_row *spans_find(const struct part *part, const char *name);
/* Of all that were counted; within 1.6 %, or a factor of two if !row->histogram. 0 if there are none. */
uint64_t spans_quantile(const struct span_row *row, double quantile);
struct rates spans_rates(const struct part *part, const struct span_row *row);
/* Of the last minute; *ret_count is 0 if there were none or nothing is known. */
uint64_t spans_minute(const struct part *part, const struct span_row *row, double quantile, uint64_t *ret_count);
/* How many spans took from 2^octave to 2^(octave+1)-1 ns (0 and 1 in the first). */
uint64_t spans_octave(const struct span_row *row, unsigned octave);

/* A span that is open. */
struct open_view {
    uint64_t id, parent;
    int64_t begin_ns;
    uint32_t tid, pid, host;
    bool gone; /* its process has ended */
    const char *command, *thread;
    const struct span_fields *begin; /* NULL: not kept */
};
/* The oldest `count` open ones of a row, oldest first. Returns how many; valid until the next event. */
size_t spans_open(const struct part *part, const struct span_row *row, struct open_view *ret_views, size_t count);
/* When the oldest one in flight of each row began, by number - 1; INT64_MAX: none. */
void spans_oldest(const struct part *part, int64_t *ret_begin_ns, uint32_t rows);
/* Open spans that were forgotten for want of room, of all names. */
uint64_t spans_forgotten(const struct part *part);

#endif /* EVTRAIL_TOP_SPANS_H */
