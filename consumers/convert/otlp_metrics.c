/* SPDX-License-Identifier: ISC
 *
 * OpenTelemetry: counters as gauges, durations of spans as exponential histograms, events and losses as sums.
 */
#include "otlp.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct gauge *gauge_of(struct otlp_source *of, const struct evtrail_event_type *type)
{
    struct gauge *gauge = of->gauges;
    while (gauge && gauge->type != type)
        gauge = gauge->next;
    if (gauge)
        return gauge;
    gauge = calloc(1, sizeof *gauge);
    if (!gauge)
        return NULL;
    gauge->type = type;
    gauge->next = of->gauges;
    of->gauges = gauge;
    return gauge;
}

void otlp_gauges_put(struct otlp_source *of)
{
    for (struct gauge *gauge = of->gauges; gauge; gauge = gauge->next) {
        struct scratch *const to = &of->records[METRICS];
        if (gauge->points.used == 0)
            continue;
        const size_t metric = pb_begin(to, SCOPES_records);
        pb_string(to, METRIC_name, gauge->type->name);
        pb_string(to, METRIC_unit, gauge->type->fields[0].unit);
        const size_t data = pb_begin(to, METRIC_gauge);
        scratch_bytes(to, gauge->points.bytes, gauge->points.used);
        pb_end(to, data);
        pb_end(to, metric);
        gauge->points.used = 0;
    }
}

static void point_value(struct scratch *to, const struct evtrail_value *value)
{
    double real;
    uint64_t integer;
    if (timeline_number(value, &real, &integer))
        pb_double(to, POINT_double, real);
    else
        pb_fixed64(to, POINT_int, integer);
}

int otlp_put_counter(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                     const struct evtrail_value *value)
{
    struct otlp *const otlp = convert->state;
    struct gauge *const gauge = gauge_of(&otlp->sources[process->number], event->type);
    if (!gauge)
        return -ENOMEM;
    const size_t before = gauge->points.used;
    const size_t point = pb_begin(&gauge->points, DATA_points);
    pb_fixed64(&gauge->points, POINT_time, (uint64_t)event->time);
    point_value(&gauge->points, value);
    otlp_fields_put(convert, &gauge->points, POINT_attributes, event, 1);
    pb_end(&gauge->points, point);
    otlp->held += gauge->points.used - before;
    return gauge->points.failed ? -ENOMEM : 0;
}

struct histogram_of_spans *otlp_histogram_of(struct otlp_source *of, const struct timeline_span *span)
{
    struct histogram_of_spans *histogram = of->histograms;
    while (histogram && histogram->name != span->name)
        histogram = histogram->next;
    if (histogram)
        return histogram;
    histogram = calloc(1, sizeof *histogram);
    char *const text = strdup(span->type->name);
    if (!histogram || !text) {
        free(histogram);
        free(text);
        return NULL;
    }
    histogram->next = of->histograms;
    histogram->name = span->name;
    histogram->text = text;
    of->histograms = histogram;
    return histogram;
}

/* Bucket i holds (2^(i/8), 2^((i+1)/8)]. */
void otlp_histogram_add(struct histogram_of_spans *histogram, double ns)
{
    histogram->min = histogram->count == 0 || ns < histogram->min ? ns : histogram->min;
    histogram->max = ns > histogram->max ? ns : histogram->max;
    histogram->count++;
    histogram->sum += ns;
    if (ns < 1) {
        histogram->zeros++;
        return;
    }
    const double index = ceil(log2(ns) * (1 << SCALE)) - 1;
    histogram->buckets[index < 0 ? 0 : index >= BUCKETS ? BUCKETS - 1 : (unsigned)index]++;
}

static void histogram_put(struct scratch *to, const struct otlp_source *of, const struct histogram_of_spans *histogram)
{
    unsigned first = 0, last = BUCKETS;
    while (first < BUCKETS && histogram->buckets[first] == 0)
        first++;
    while (last > first && histogram->buckets[last - 1] == 0)
        last--;
    const size_t metric = pb_begin(to, SCOPES_records);
    pb_string(to, METRIC_name, "evtrail.span.duration");
    pb_string(to, METRIC_unit, "ns");
    const size_t data = pb_begin(to, METRIC_exponential);
    const size_t point = pb_begin(to, DATA_points);
    otlp_text_attribute(to, EXPONENTIAL_attributes, "span", histogram->text);
    pb_fixed64(to, POINT_start, (uint64_t)of->first);
    pb_fixed64(to, POINT_time, (uint64_t)of->last);
    pb_fixed64(to, EXPONENTIAL_count, histogram->count);
    pb_double(to, EXPONENTIAL_sum, histogram->sum);
    pb_uint(to, EXPONENTIAL_scale, SCALE * 2); /* sint32: zigzag */
    pb_fixed64(to, EXPONENTIAL_zeros, histogram->zeros);
    const size_t positive = pb_begin(to, EXPONENTIAL_positive);
    pb_uint(to, BUCKETS_offset, (uint64_t)first * 2);
    const size_t counts = pb_begin(to, BUCKETS_counts);
    for (unsigned i = first; i < last; i++)
        pb_varint(to, histogram->buckets[i]);
    pb_end(to, counts);
    pb_end(to, positive);
    pb_double(to, EXPONENTIAL_min, histogram->min);
    pb_double(to, EXPONENTIAL_max, histogram->max);
    pb_end(to, point);
    pb_uint(to, DATA_temporality, CUMULATIVE);
    pb_end(to, data);
    pb_end(to, metric);
}

static void sum_point(struct scratch *to, const struct otlp_source *of, const char *cause, uint64_t count)
{
    const size_t point = pb_begin(to, DATA_points);
    pb_fixed64(to, POINT_start, (uint64_t)of->first);
    pb_fixed64(to, POINT_time, (uint64_t)of->last);
    pb_fixed64(to, POINT_int, count);
    if (cause)
        otlp_text_attribute(to, POINT_attributes, "cause", cause);
    pb_end(to, point);
}

static size_t sum_begin(struct scratch *to, const char *name, size_t *ret_data)
{
    const size_t metric = pb_begin(to, SCOPES_records);
    pb_string(to, METRIC_name, name);
    pb_string(to, METRIC_unit, "{event}");
    *ret_data = pb_begin(to, METRIC_sum);
    return metric;
}

static void sum_end(struct scratch *to, size_t metric, size_t data)
{
    pb_uint(to, DATA_temporality, CUMULATIVE);
    pb_uint(to, SUM_monotonic, 1);
    pb_end(to, data);
    pb_end(to, metric);
}

/* What is only known at the end. */
void otlp_totals_put(struct otlp_source *of, const struct timeline_process *process)
{
    struct scratch *const to = &of->records[METRICS];
    size_t data;
    for (const struct histogram_of_spans *histogram = of->histograms; histogram; histogram = histogram->next)
        histogram_put(to, of, histogram);
    size_t metric = sum_begin(to, "evtrail.events", &data);
    sum_point(to, of, NULL, of->events);
    sum_end(to, metric, data);
    metric = sum_begin(to, "evtrail.events.lost", &data);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        if (process->lost[i])
            sum_point(to, of, evtrail_cause_name(i), process->lost[i]);
    if (lost_sum(process->lost) == 0)
        sum_point(to, of, NULL, 0);
    sum_end(to, metric, data);
}
