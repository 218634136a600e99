/* SPDX-License-Identifier: ISC
 *
 * OpenTelemetry (OTLP/HTTP, protobuf): spans that ended, all else as log records, counters as gauges; at the end the durations of spans as
 * exponential histograms, and the sums of events and of losses by cause.
 */
#include "otlp_send.h"
#include "protobuf.h"
#include "timeline.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUEST_BYTES (1u << 20) /* "many servers take 4 MiB" */
#define FLUSH_NS INT64_C(1000000000)
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
static const char *const paths[SIGNALS] = {"/v1/logs", "/v1/traces", "/v1/metrics"};

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

/* ---- attributes -------------------------------------------------------------------------------------------------------------- */

static size_t attribute_begin(struct scratch *to, unsigned field, const char *prefix, const char *key,
                              size_t *ret_value)
{
    const size_t begin = pb_begin(to, field);
    const size_t name = pb_begin(to, KEYVALUE_key);
    scratch_text(to, prefix);
    scratch_utf8(to, key, strlen(key), false);
    pb_end(to, name);
    *ret_value = pb_begin(to, KEYVALUE_value);
    return begin;
}

static void attribute_end(struct scratch *to, size_t begin, size_t value)
{
    pb_end(to, value);
    pb_end(to, begin);
}

static void text_attribute(struct scratch *to, unsigned field, const char *key, const char *text)
{
    size_t value;
    const size_t begin = attribute_begin(to, field, "", key, &value);
    pb_string(to, ANY_string, text);
    attribute_end(to, begin, value);
}

static void int_attribute(struct scratch *to, unsigned field, const char *key, int64_t number)
{
    size_t value;
    const size_t begin = attribute_begin(to, field, "", key, &value);
    pb_uint(to, ANY_int, (uint64_t)number);
    attribute_end(to, begin, value);
}

static void unsigned_put(struct scratch *to, uint64_t number)
{
    char digits[24];
    if (number <= INT64_MAX) {
        pb_uint(to, ANY_int, number);
        return;
    }
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number); /* there is no unsigned integer of 64 bits */
    pb_string(to, ANY_string, digits);
}

static void address_put(struct scratch *to, const struct evtrail_event *event, uint64_t address)
{
    char name[512];
    size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    if (bytes == 0 || bytes > sizeof name)
        bytes = (size_t)snprintf(name, sizeof name, "0x%llx", (unsigned long long)address);
    pb_text(to, ANY_string, name, bytes);
}

static void value_put(struct convert *convert, struct scratch *to, const struct evtrail_value *value,
                      const struct evtrail_field *field)
{
    size_t bytes;
    const char *name;
    if (value->null)
        return; /* a value of no type: null */
    switch (value->type) {
    case EVTRAIL_TYPE_bool:
        pb_uint(to, ANY_bool, value->u != 0);
        break;
    case EVTRAIL_TYPE_string:
        convert->replaced += pb_text(to, ANY_string, value->data, value->bytes);
        break;
    case EVTRAIL_TYPE_bytes:
        pb_bytes(to, ANY_bytes, value->data, value->bytes);
        break;
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        pb_double(to, ANY_double, value->f);
        break;
    case EVTRAIL_TYPE_enum:
        name = evtrail_enum_name(field->enums, value->i, &bytes);
        if (name)
            pb_text(to, ANY_string, name, bytes);
        else
            pb_uint(to, ANY_int, (uint64_t)value->i);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
        pb_uint(to, ANY_int, (uint64_t)value->i);
        break;
    default:
        unsigned_put(to, value->u);
    }
}

static void context_put(struct scratch *to, unsigned field, const struct evtrail_event *event)
{
    size_t value;
    if (event->meta & META_cpu)
        int_attribute(to, field, "evtrail.cpu", event->cpu);
    if (event->meta & META_caller) {
        const size_t begin = attribute_begin(to, field, "", "evtrail.caller", &value);
        address_put(to, event, event->caller);
        attribute_end(to, begin, value);
    }
    if (event->meta & META_stack) {
        const size_t begin = attribute_begin(to, field, "", "evtrail.stack", &value);
        const size_t array = pb_begin(to, ANY_array);
        for (uint32_t i = 0; i < event->stack_count; i++) {
            const size_t entry = pb_begin(to, ARRAY_values);
            address_put(to, event, event->stack[i]);
            pb_end(to, entry);
        }
        pb_end(to, array);
        attribute_end(to, begin, value);
    }
    for (unsigned i = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        const size_t begin = attribute_begin(to, field, "label.", event->labels[i].key, &value);
        pb_string(to, ANY_string, event->labels[i].value);
        attribute_end(to, begin, value);
    }
    if (event->meta & META_cut)
        text_attribute(to, field, "evtrail.cut", "the process had to shorten the event");
    if (event->meta & META_signal)
        text_attribute(to, field, "evtrail.signal", "emitted by a signal handler");
}

static void fields_put(struct convert *convert, struct scratch *to, unsigned field, const struct evtrail_event *event,
                       unsigned first)
{
    const bool end = event->type && event->type->kind == EVTRAIL_KIND_end;
    for (unsigned i = first; event->type && i < event->type->fields_count; i++) {
        struct evtrail_value value;
        size_t inner;
        if (evtrail_event_value(event, i, &value) < 0 || (value.cut && value.bytes == 0))
            continue;
        const size_t begin = attribute_begin(to, field, end ? "end." : "", event->type->fields[i].name, &inner);
        value_put(convert, to, &value, &event->type->fields[i]);
        attribute_end(to, begin, inner);
    }
    if (!event->type) {
        size_t value;
        int_attribute(to, field, "evtrail.id", event->id);
        const size_t begin = attribute_begin(to, field, "", "evtrail.words", &value);
        const size_t array = pb_begin(to, ANY_array);
        for (uint32_t i = 0; i < event->words; i++) {
            const size_t entry = pb_begin(to, ARRAY_values);
            unsigned_put(to, event->payload[i]);
            pb_end(to, entry);
        }
        pb_end(to, array);
        attribute_end(to, begin, value);
    }
    context_put(to, field, event);
}

/* Of spans: SPAN_attributes, as these bytes are put into a span. */
static void args(struct convert *convert, struct scratch *to, const struct evtrail_event *event, unsigned first)
{
    fields_put(convert, to, SPAN_attributes, event, first);
}

static void thread_put(struct scratch *to, unsigned field, uint32_t tid, const char *name)
{
    int_attribute(to, field, "thread.id", tid);
    if (name && *name)
        text_attribute(to, field, "thread.name", name);
}

/* ---- requests ---------------------------------------------------------------------------------------------------------------- */

static void resource_put(struct scratch *to, const struct evtrail_source *source)
{
    char id[32];
    const size_t resource = pb_begin(to, RESOURCES_resource);
    snprintf(id, sizeof id, "%016llx", (unsigned long long)source->session_id);
    text_attribute(to, RESOURCE_attributes, "service.name", source->command);
    text_attribute(to, RESOURCE_attributes, "service.instance.id", id);
    text_attribute(to, RESOURCE_attributes, "host.name", source->host);
    int_attribute(to, RESOURCE_attributes, "process.pid", source->pid);
    int_attribute(to, RESOURCE_attributes, "process.parent_pid", source->parent_pid);
    text_attribute(to, RESOURCE_attributes, "process.executable.path", source->program);
    pb_end(to, resource);
}

static void gauges_put(struct otlp_source *of)
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

/* One request of all that is held of one kind. */
static int request_send(struct convert *convert, unsigned signal)
{
    struct otlp *const otlp = convert->state;
    struct scratch *const request = &otlp->request;
    request->used = 0;
    for (uint32_t i = 0; i < otlp->count; i++) {
        struct otlp_source *const of = &otlp->sources[i];
        struct scratch *const records = &of->records[signal];
        if (of->used && signal == METRICS)
            gauges_put(of);
        if (records->failed)
            return -ENOMEM;
        if (!of->used || records->used == 0)
            continue;
        const size_t resources = pb_begin(request, REQUEST_resources);
        resource_put(request, of->source);
        const size_t scopes = pb_begin(request, RESOURCES_scopes);
        const size_t scope = pb_begin(request, SCOPES_scope);
        pb_string(request, SCOPE_name, "evtrail");
        pb_end(request, scope);
        scratch_bytes(request, records->bytes, records->used);
        pb_end(request, scopes);
        pb_end(request, resources);
        records->used = 0;
    }
    if (request->failed)
        return -ENOMEM;
    convert->bytes += request->used;
    return request->used ? otlp_send(&otlp->sender, paths[signal], request) : 0;
}

static int send_all(struct convert *convert)
{
    struct otlp *const otlp = convert->state;
    int r = 0;
    for (unsigned signal = 0; signal < SIGNALS && r == 0; signal++)
        r = request_send(convert, signal);
    otlp->held = 0;
    otlp->flushed_ns = monotonic_ns();
    if (r < 0 && r != -ENOMEM)
        snprintf(convert->why, sizeof convert->why, "%s; what was not sent yet is lost",
                 otlp->sender.answer.status >= 400 ? "the server goes on asking to come back later" : strerror(-r));
    return r < 0 && r != -ENOMEM ? -EIO : r;
}

static struct otlp_source *source_of(struct otlp *otlp, const struct evtrail_source *source)
{
    if (source->number >= otlp->count) {
        const uint32_t count = source->number + 16;
        struct otlp_source *const more = realloc(otlp->sources, count * sizeof *more);
        if (!more)
            return NULL;
        memset(more + otlp->count, 0, (count - otlp->count) * sizeof *more);
        otlp->sources = more;
        otlp->count = count;
    }
    struct otlp_source *const of = &otlp->sources[source->number];
    of->used = true;
    of->source = source;
    return of;
}

/* ---- logs -------------------------------------------------------------------------------------------------------------------- */

static unsigned severity(unsigned level)
{
    static const uint8_t numbers[EVTRAIL_LEVELS + 1] = {9, 21, 17, 13,
                                                        9, 5,  1}; /* FATAL, ERROR, WARN, INFO, DEBUG, TRACE */
    return numbers[level <= EVTRAIL_LEVELS ? level : 0];
}

static size_t log_begin(struct scratch *to, int64_t time, unsigned level, const char *name, const char *body)
{
    const size_t log = pb_begin(to, SCOPES_records);
    pb_fixed64(to, LOG_time, (uint64_t)time);
    pb_uint(to, LOG_severity_number, severity(level));
    pb_string(to, LOG_severity_text, level ? evtrail_level_name(level) : "");
    pb_string(to, LOG_event_name, name);
    const size_t any = pb_begin(to, LOG_body);
    pb_string(to, ANY_string, body);
    pb_end(to, any);
    return log;
}

static int put_point(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct otlp *const otlp = convert->state;
    struct scratch *const to = &otlp->sources[process->number].records[LOGS];
    const char *const name = event->type ? event->type->name : "evtrail.unknown";
    const size_t log = log_begin(to, event->time, event->type ? event->type->level : 0, name, name);
    if (event->type && event->type->kind != EVTRAIL_KIND_instant)
        text_attribute(to, LOG_attributes, "evtrail.kind", evtrail_kind_name(event->type->kind));
    thread_put(to, LOG_attributes, event->tid, event->thread_name);
    fields_put(convert, to, LOG_attributes, event, 0);
    pb_end(to, log);
    return 0;
}

static int put_flow(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                    uint64_t flow, bool first)
{
    (void)flow;
    (void)first;
    return put_point(convert, process, event);
}

static int put_lost(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct otlp *const otlp = convert->state;
    struct scratch *const to = &otlp->sources[process->number].records[LOGS];
    const size_t log = log_begin(to, event->time, EVTRAIL_LEVEL_warning, "evtrail.lost", "events were lost");
    thread_put(to, LOG_attributes, event->tid, event->thread_name);
    int_attribute(to, LOG_attributes, "lost", (int64_t)event->lost);
    text_attribute(to, LOG_attributes, "cause", evtrail_cause_name(event->cause));
    int_attribute(to, LOG_attributes, "since_ns", event->lost_since);
    pb_end(to, log);
    return 0;
}

/* ---- spans ------------------------------------------------------------------------------------------------------------------- */

static struct histogram_of_spans *histogram_of(struct otlp_source *of, const struct timeline_span *span)
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
static void histogram_add(struct histogram_of_spans *histogram, double ns)
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

static void id_put(struct scratch *to, unsigned field, uint64_t session, uint64_t id)
{
    const uint64_t hash = timeline_hash(id, session);
    pb_bytes(to, field, &(const uint64_t){hash ? hash : 1}, 8);
}

static int put_unended(struct convert *convert, struct scratch *to, const struct timeline_span *span)
{
    const size_t log = log_begin(to, span->begin, span->type->level, span->type->name, "this span had not ended");
    (void)convert;
    thread_put(to, LOG_attributes, span->thread->tid, span->thread->name);
    text_attribute(to, LOG_attributes, "evtrail.kind", "begin");
    int_attribute(to, LOG_attributes, "span", (int64_t)span->id);
    pb_end(to, log);
    return 0;
}

static int put_span(struct convert *convert, const struct timeline_process *process, const struct timeline_span *span,
                    enum timeline_end how, int64_t from, int64_t to, const struct scratch *end_args)
{
    struct otlp *const otlp = convert->state;
    struct otlp_source *const of = &otlp->sources[process->number];
    struct scratch *const out = &of->records[SPANS];
    const uint64_t session = process->source->session_id;
    if (how == SPAN_unended)
        return put_unended(convert, &of->records[LOGS], span);
    struct histogram_of_spans *const histogram = histogram_of(of, span);
    if (!histogram)
        return -ENOMEM;
    histogram_add(histogram, (double)(to - from));
    const uint64_t trace[2] = {timeline_hash(session, 1), timeline_hash(span->root, session)};
    const size_t begin = pb_begin(out, SCOPES_records);
    pb_bytes(out, SPAN_trace_id, trace, 16);
    id_put(out, SPAN_span_id, session, span->id);
    if (span->parent)
        id_put(out, SPAN_parent_span_id, session, span->parent);
    pb_string(out, SPAN_name, span->type->name);
    pb_uint(out, SPAN_kind, KIND_internal);
    pb_fixed64(out, SPAN_start, (uint64_t)from);
    pb_fixed64(out, SPAN_end, (uint64_t)to);
    text_attribute(out, SPAN_attributes, "evtrail.level", evtrail_level_name(span->type->level));
    thread_put(out, SPAN_attributes, span->thread->tid, span->thread->name);
    scratch_bytes(out, span->args, span->args_bytes);
    scratch_bytes(out, end_args->bytes, end_args->used);
    pb_end(out, begin);
    return 0;
}

/* ---- metrics ----------------------------------------------------------------------------------------------------------------- */

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

static void point_value(struct scratch *to, const struct evtrail_value *value)
{
    switch (value->type) {
    case EVTRAIL_TYPE_f32:
    case EVTRAIL_TYPE_f64:
        pb_double(to, POINT_double, value->f);
        break;
    case EVTRAIL_TYPE_i8:
    case EVTRAIL_TYPE_i16:
    case EVTRAIL_TYPE_i32:
    case EVTRAIL_TYPE_i64:
    case EVTRAIL_TYPE_enum:
        pb_fixed64(to, POINT_int, (uint64_t)value->i);
        break;
    default:
        if (value->u > INT64_MAX)
            pb_double(to, POINT_double, (double)value->u);
        else
            pb_fixed64(to, POINT_int, value->u);
    }
}

static int put_counter(struct convert *convert, const struct timeline_process *process,
                       const struct evtrail_event *event, const struct evtrail_value *value)
{
    struct otlp *const otlp = convert->state;
    struct gauge *const gauge = gauge_of(&otlp->sources[process->number], event->type);
    if (!gauge)
        return -ENOMEM;
    const size_t before = gauge->points.used;
    const size_t point = pb_begin(&gauge->points, DATA_points);
    pb_fixed64(&gauge->points, POINT_time, (uint64_t)event->time);
    point_value(&gauge->points, value);
    fields_put(convert, &gauge->points, POINT_attributes, event, 1);
    pb_end(&gauge->points, point);
    otlp->held += gauge->points.used - before;
    return gauge->points.failed ? -ENOMEM : 0;
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
    text_attribute(to, EXPONENTIAL_attributes, "span", histogram->text);
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
        text_attribute(to, POINT_attributes, "cause", cause);
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
static void totals_put(struct otlp_source *of, const struct timeline_process *process)
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

/* ---- the format -------------------------------------------------------------------------------------------------------------- */

/* The types of a process that has ended may go. */
static int put_ended(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct otlp *const otlp = convert->state;
    struct otlp_source *const of = &otlp->sources[process->number];
    (void)time;
    gauges_put(of);
    for (struct gauge *gauge = of->gauges, *next; gauge; gauge = next) {
        next = gauge->next;
        scratch_fini(&gauge->points);
        free(gauge);
    }
    of->gauges = NULL;
    return 0;
}

static const struct timeline_ops ops = {.args = args,
                                        .span = put_span,
                                        .point = put_point,
                                        .counter = put_counter,
                                        .flow = put_flow,
                                        .lost = put_lost,
                                        .ended = put_ended};

static int otlp_open(struct convert *convert)
{
    struct otlp *const otlp = calloc(1, sizeof *otlp);
    const char *const endpoint = convert->args->text[OPT_endpoint];
    convert->state = otlp;
    if (!otlp)
        return -ENOMEM;
    snprintf(convert->part_path, sizeof convert->part_path, "%s", endpoint);
    otlp->flushed_ns = monotonic_ns();
    const int r = http_client_init(&otlp->sender.client, endpoint);
    if (r < 0)
        snprintf(convert->why, sizeof convert->why, "%s",
                 r == -EINVAL ? "no such URL; http://HOST:4318"
                              : "TLS is not spoken here; put a collector or a proxy between");
    return r < 0 ? -EINVAL : timeline_new(&otlp->timeline, &ops);
}

static int otlp_event(struct convert *convert, const struct evtrail_event *event)
{
    struct otlp *const otlp = convert->state;
    struct otlp_source *const of = source_of(otlp, event->source);
    if (!of)
        return -ENOMEM;
    size_t before = of->records[LOGS].used + of->records[SPANS].used;
    of->first = of->first ? of->first : event->time;
    of->last = event->time;
    of->events += event->what == EVTRAIL_EVENT;
    const int r = timeline_event(otlp->timeline, convert, event);
    otlp->held += of->records[LOGS].used + of->records[SPANS].used - before;
    return r == 0 && otlp->held >= REQUEST_BYTES ? send_all(convert) : r;
}

static int otlp_flush(struct convert *convert)
{
    const struct otlp *const otlp = convert->state;
    return monotonic_ns() - otlp->flushed_ns < FLUSH_NS ? 0 : send_all(convert);
}

static int otlp_end(struct convert *convert)
{
    struct otlp *const otlp = convert->state;
    int r = timeline_part_end(otlp->timeline, convert, true);
    for (uint32_t i = 0; i < otlp->count; i++)
        if (otlp->sources[i].used)
            totals_put(&otlp->sources[i], timeline_process_of(otlp->timeline, i));
    if (r == 0)
        r = send_all(convert);
    const struct otlp_sender *const sender = &otlp->sender;
    if (r == 0 && (sender->rejected || sender->dropped)) {
        warn(convert->part_path, "the server did not take %llu records, and refused %llu requests: %s",
             (unsigned long long)sender->rejected, (unsigned long long)sender->dropped, shown(sender->why));
        consumer_note(convert->consumer, CODE_io);
    }
    return r;
}

static void otlp_free(struct convert *convert)
{
    struct otlp *const otlp = convert->state;
    if (!otlp)
        return;
    for (uint32_t i = 0; i < otlp->count; i++) {
        struct otlp_source *const of = &otlp->sources[i];
        for (struct histogram_of_spans *histogram = of->histograms, *next; histogram; histogram = next) {
            next = histogram->next;
            free(histogram->text);
            free(histogram);
        }
        for (struct gauge *gauge = of->gauges, *next; gauge; gauge = next) {
            next = gauge->next;
            scratch_fini(&gauge->points);
            free(gauge);
        }
        for (unsigned signal = 0; signal < SIGNALS; signal++)
            scratch_fini(&of->records[signal]);
    }
    free(otlp->sources);
    timeline_free(otlp->timeline);
    http_client_fini(&otlp->sender.client);
    scratch_fini(&otlp->sender.answer.body);
    scratch_fini(&otlp->request);
    free(otlp);
}

const struct convert_format format_otlp = {.name = "otlp",
                                           .suffixes = "",
                                           .directory = true,
                                           .network = true,
                                           .open = otlp_open,
                                           .event = otlp_event,
                                           .end = otlp_end,
                                           .flush = otlp_flush,
                                           .free = otlp_free};
