/* SPDX-License-Identifier: ISC
 *
 * OpenTelemetry: what the files that write it share.
 */
#ifndef EVTRAIL_CONVERT_OTLP_H
#define EVTRAIL_CONVERT_OTLP_H

#include "otlp_send.h"
#include "protobuf.h"
#include "timeline.h"

#define SCALE 3 /* of histograms: eight buckets for each power of two */
#define BUCKETS (64 << SCALE)

/* Numbers of fields in opentelemetry-proto. */
enum {
    REQUEST_resources = 1, /* of logs, spans and metrics alike, as the next four */
    RESOURCES_resource = 1,
    RESOURCES_scopes = 2,
    SCOPES_scope = 1,
    SCOPES_records = 2,
    RESOURCE_attributes = 1,
    SCOPE_name = 1,
    SCOPE_version = 2,
    KEYVALUE_key = 1,
    KEYVALUE_value = 2,
    ANY_string = 1,
    ANY_bool = 2,
    ANY_int = 3,
    ANY_double = 4,
    ANY_array = 5,
    ANY_bytes = 7,
    ARRAY_values = 1,
    LOG_time = 1,
    LOG_severity_number = 2,
    LOG_severity_text = 3,
    LOG_body = 5,
    LOG_attributes = 6,
    LOG_event_name = 12,
    SPAN_trace_id = 1,
    SPAN_span_id = 2,
    SPAN_parent_span_id = 4,
    SPAN_name = 5,
    SPAN_kind = 6,
    SPAN_start = 7,
    SPAN_end = 8,
    SPAN_attributes = 9,
    METRIC_name = 1,
    METRIC_unit = 3,
    METRIC_gauge = 5,
    METRIC_sum = 7,
    METRIC_exponential = 10,
    DATA_points = 1,
    DATA_temporality = 2,
    SUM_monotonic = 3,
    POINT_start = 2,
    POINT_time = 3,
    POINT_double = 4,
    POINT_int = 6,
    POINT_attributes = 7,
    EXPONENTIAL_attributes = 1,
    EXPONENTIAL_count = 4,
    EXPONENTIAL_sum = 5,
    EXPONENTIAL_scale = 6,
    EXPONENTIAL_zeros = 7,
    EXPONENTIAL_positive = 8,
    EXPONENTIAL_min = 12,
    EXPONENTIAL_max = 13,
    BUCKETS_offset = 1,
    BUCKETS_counts = 2,
};
enum { CUMULATIVE = 2, KIND_internal = 1 };
enum { LOGS, SPANS, METRICS, SIGNALS };

struct histogram_of_spans {
    struct histogram_of_spans *next;
    uint64_t name; /* hash */
    char *text;
    uint64_t count, zeros;
    double sum, min, max;
    uint64_t buckets[BUCKETS];
};
struct gauge {
    struct gauge *next;
    const struct evtrail_event_type *type;
    struct scratch points;
};
struct otlp_source {
    bool used;
    const struct evtrail_source *source;
    struct scratch records[SIGNALS]; /* as repeated fields of the scope */
    struct gauge *gauges;
    struct histogram_of_spans *histograms;
    uint64_t events;
    int64_t first, last;
};
struct otlp {
    struct timeline *timeline;
    struct otlp_sender sender;
    struct otlp_source *sources; /* by number */
    uint32_t count;
    size_t held;
    int64_t flushed_ns;
    struct scratch request;
};

/* Attributes, as the field of this number. */
void otlp_text_attribute(struct scratch *to, unsigned field, const char *key, const char *text);
void otlp_int_attribute(struct scratch *to, unsigned field, const char *key, int64_t number);
void otlp_thread_put(struct scratch *to, unsigned field, uint32_t tid, const char *name);
/* Of an event's fields from `first` on, and its context. */
void otlp_fields_put(struct convert *convert, struct scratch *to, unsigned field, const struct evtrail_event *event,
                unsigned first);
/* Who the process is. */
void otlp_resource_put(struct scratch *to, const struct evtrail_source *source);

/* The histogram of spans of this name; NULL: no memory. */
struct histogram_of_spans *otlp_histogram_of(struct otlp_source *of, const struct timeline_span *span);
void otlp_histogram_add(struct histogram_of_spans *histogram, double ns);
int otlp_put_counter(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                const struct evtrail_value *value);
/* The values of counters so far, as metrics; and what is only known at the end. */
void otlp_gauges_put(struct otlp_source *of);
void otlp_totals_put(struct otlp_source *of, const struct timeline_process *process);

#endif /* EVTRAIL_CONVERT_OTLP_H */
