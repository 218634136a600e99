/* SPDX-License-Identifier: ISC
 *
 * OpenTelemetry (OTLP/HTTP, protobuf): spans that ended, all else as log records, counters as gauges; at the end the durations of spans as
 * exponential histograms, and the sums of events and of losses by cause.
 */
#include "otlp.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUEST_BYTES (1u << 20) /* "many servers take 4 MiB" */
#define FLUSH_NS INT64_C(1000000000)

static const char *const paths[SIGNALS] = {"/v1/logs", "/v1/traces", "/v1/metrics"};

/* ---- requests ---------------------------------------------------------------------------------------------------------------- */

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
            otlp_gauges_put(of);
        if (records->failed)
            return -ENOMEM;
        if (!of->used || records->used == 0)
            continue;
        const size_t resources = pb_begin(request, REQUEST_resources);
        otlp_resource_put(request, of->source);
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
        otlp_text_attribute(to, LOG_attributes, "evtrail.kind", evtrail_kind_name(event->type->kind));
    otlp_thread_put(to, LOG_attributes, event->tid, event->thread_name);
    otlp_fields_put(convert, to, LOG_attributes, event, 0);
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
    otlp_thread_put(to, LOG_attributes, event->tid, event->thread_name);
    otlp_int_attribute(to, LOG_attributes, "lost", (int64_t)event->lost);
    otlp_text_attribute(to, LOG_attributes, "cause", evtrail_cause_name(event->cause));
    otlp_int_attribute(to, LOG_attributes, "since_ns", event->lost_since);
    pb_end(to, log);
    return 0;
}

/* ---- spans ------------------------------------------------------------------------------------------------------------------- */

/* Of spans: SPAN_attributes, as these bytes are put into a span. */
static void args(struct convert *convert, struct scratch *to, const struct evtrail_event *event, unsigned first)
{
    otlp_fields_put(convert, to, SPAN_attributes, event, first);
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
    otlp_thread_put(to, LOG_attributes, span->thread->tid, span->thread->name);
    otlp_text_attribute(to, LOG_attributes, "evtrail.kind", "begin");
    otlp_int_attribute(to, LOG_attributes, "span", (int64_t)span->id);
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
    struct histogram_of_spans *const histogram = otlp_histogram_of(of, span);
    if (!histogram)
        return -ENOMEM;
    otlp_histogram_add(histogram, (double)(to - from));
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
    otlp_text_attribute(out, SPAN_attributes, "evtrail.level", evtrail_level_name(span->type->level));
    otlp_thread_put(out, SPAN_attributes, span->thread->tid, span->thread->name);
    scratch_bytes(out, span->args, span->args_bytes);
    scratch_bytes(out, end_args->bytes, end_args->used);
    pb_end(out, begin);
    return 0;
}

/* ---- the format -------------------------------------------------------------------------------------------------------------- */

/* The types of a process that has ended may go. */
static int put_ended(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct otlp *const otlp = convert->state;
    struct otlp_source *const of = &otlp->sources[process->number];
    (void)time;
    otlp_gauges_put(of);
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
                                        .counter = otlp_put_counter,
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
    otlp->sender.client.gzip = convert->args->set[OPT_gzip];
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
            otlp_totals_put(&otlp->sources[i], timeline_process_of(otlp->timeline, i));
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
    scratch_fini(&otlp->sender.packed);
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
