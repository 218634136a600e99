/* SPDX-License-Identifier: ISC
 *
 * Chrome's trace event format (JSON), as ui.perfetto.dev, chrome://tracing and speedscope open it. Times are us since the first event.
 */
#include "timeline.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <errno.h>
#include <stdlib.h>

struct chrome {
    struct timeline *timeline;
    int64_t base; /* the first event's time */
    bool based;
    bool comma; /* something stands before in this part */
};

static struct scratch *entry(struct convert *convert, const struct timeline_process *process, uint32_t tid,
                             const char *ph)
{
    struct chrome *const chrome = convert->state;
    struct scratch *const line = &convert->line;
    scratch_text(line, chrome->comma ? ",\n{\"ph\":\"" : "{\"ph\":\"");
    chrome->comma = true;
    scratch_text(line, ph);
    scratch_text(line, "\",\"pid\":");
    scratch_unsigned(line, process->pid);
    scratch_text(line, ",\"tid\":");
    scratch_unsigned(line, tid);
    return line;
}

static void put_time(struct convert *convert, const char *before, int64_t time)
{
    const struct chrome *const chrome = convert->state;
    scratch_text(&convert->line, before);
    scratch_us(&convert->line, time - chrome->base);
}

static void put_name(struct scratch *line, const struct evtrail_event_type *type)
{
    scratch_text(line, ",\"cat\":");
    scratch_json(line, type->name, timeline_provider(type->name));
    line->used--; /* the quote, until the level is there, too */
    scratch_char(line, ',');
    scratch_text(line, evtrail_level_name(type->level));
    scratch_text(line, "\",\"name\":");
    scratch_json_text(line, type->name);
}

/* ---- arguments ------------------------------------------------------------------------------------------------------------ */

static void put_context(struct scratch *line, const struct evtrail_event *event)
{
    const size_t before = line->used;
    scratch_text(line, ",\"evtrail\":{");
    const size_t empty = line->used;
    if (event->meta & META_cpu) {
        scratch_text(line, "\"cpu\":");
        scratch_unsigned(line, event->cpu);
        scratch_char(line, ',');
    }
    if (event->meta & META_caller) {
        scratch_text(line, "\"caller\":");
        json_address(line, event, event->caller);
        scratch_char(line, ',');
    }
    if (event->meta & META_stack) {
        scratch_text(line, "\"stack\":[");
        for (uint32_t i = 0; i < event->stack_count; i++) {
            scratch_text(line, i ? "," : "");
            json_address(line, event, event->stack[i]);
        }
        scratch_text(line, "],");
    }
    if (event->labels &&
        (event->labels[0].key[0] || event->labels[1].key[0] || event->labels[2].key[0] || event->labels[3].key[0])) {
        scratch_text(line, "\"labels\":{");
        json_labels(line, event);
        scratch_text(line, "},");
    }
    scratch_text(line, event->meta & META_cut ? "\"cut\":true," : "");
    scratch_text(line, event->meta & META_signal ? "\"signal\":true," : "");
    if (line->used == empty) {
        line->used = before;
        return;
    }
    if (!line->failed)
        line->bytes[line->used - 1] = '}';
}

/* `"a":1,"b":2`, without the braces */
static void args(struct convert *convert, struct scratch *scratch, const struct evtrail_event *event, unsigned first)
{
    (void)convert;
    const size_t before = scratch->used;
    if (event->type) {
        json_fields(scratch, event, first, false, JSON_WIDE_AS_TEXT);
    } else {
        scratch_text(scratch, "\"id\":");
        scratch_unsigned(scratch, event->id);
        scratch_text(scratch, ",\"words\":");
        json_words(scratch, event, JSON_WIDE_AS_TEXT);
    }
    const size_t fields = scratch->used;
    put_context(scratch, event);
    if (fields == before && scratch->used > fields && !scratch->failed) { /* no field: no comma either */
        memmove(scratch->bytes + fields, scratch->bytes + fields + 1, scratch->used - fields - 1);
        scratch->used--;
    }
}

static int finish(struct convert *convert, const struct evtrail_event *event)
{
    scratch_text(&convert->line, ",\"args\":{");
    args(convert, &convert->line, event, 0);
    scratch_text(&convert->line, "}}");
    return convert_line(convert);
}

/* ---- what there is -------------------------------------------------------------------------------------------------------- */

static int put_process(struct convert *convert, const struct timeline_process *process)
{
    struct scratch *const line = entry(convert, process, 0, "M");
    scratch_text(line, ",\"name\":\"process_name\",\"args\":{\"name\":");
    scratch_json_text(line, process->source->command);
    scratch_text(line, "}}");
    entry(convert, process, 0, "M");
    scratch_text(line, ",\"name\":\"process_labels\",\"args\":{\"labels\":");
    scratch_json_text(line, process->source->host);
    scratch_text(line, ",\"pid\":");
    scratch_unsigned(line, process->source->pid);
    scratch_text(line, "}}");
    return convert_line(convert);
}

static int put_thread(struct convert *convert, const struct timeline_process *process,
                      const struct timeline_thread *thread)
{
    struct scratch *const line = entry(convert, process, thread->tid, "M");
    scratch_text(line, ",\"name\":\"thread_name\",\"args\":{\"name\":");
    scratch_json_text(line, thread->name);
    scratch_text(line, "}}");
    return convert_line(convert);
}

static void span_args(struct scratch *line, const struct timeline_span *span, enum timeline_end how,
                      const struct scratch *end_args)
{
    scratch_text(line, ",\"args\":{");
    scratch_bytes(line, span->args, span->args_bytes);
    if (how == SPAN_goes_on)
        scratch_text(line, span->args_bytes ? ",\"goes_on\":true" : "\"goes_on\":true");
    if (end_args->used) {
        scratch_text(line, span->args_bytes ? ",\"end\":{" : "\"end\":{");
        scratch_bytes(line, end_args->bytes, end_args->used);
        scratch_char(line, '}');
    }
    scratch_text(line, "}}");
}

static void put_id(struct scratch *line, uint64_t id)
{
    scratch_text(line, ",\"id\":\"0x");
    scratch_hex(line, id);
    scratch_char(line, '"');
}

/* A slice of its own row: begin and end of a nestable asynchronous event. */
static int put_crossing(struct convert *convert, const struct timeline_process *process,
                        const struct timeline_span *span, enum timeline_end how, int64_t from, int64_t to,
                        const struct scratch *end_args)
{
    const uint64_t id = timeline_hash(span->id, span->name + span->process);
    struct scratch *const line = entry(convert, process, span->thread->tid, "b");
    put_time(convert, ",\"ts\":", from);
    put_id(line, id);
    put_name(line, span->type);
    span_args(line, span, how, end_args);
    entry(convert, process, span->thread->tid, "e");
    put_time(convert, ",\"ts\":", to);
    put_id(line, id);
    put_name(line, span->type);
    scratch_char(line, '}');
    return convert_line(convert);
}

static int put_span(struct convert *convert, const struct timeline_process *process, const struct timeline_span *span,
                    enum timeline_end how, int64_t from, int64_t to, const struct scratch *end_args)
{
    if (how == SPAN_crosses)
        return put_crossing(convert, process, span, how, from, to, end_args);
    struct scratch *const line = entry(convert, process, span->thread->tid, how == SPAN_unended ? "B" : "X");
    put_time(convert, ",\"ts\":", from);
    if (how != SPAN_unended) {
        scratch_text(line, ",\"dur\":");
        scratch_us(line, to - from);
    }
    put_name(line, span->type);
    span_args(line, span, how, end_args);
    return convert_line(convert);
}

static int put_point(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct scratch *const line = entry(convert, process, event->tid, "i");
    put_time(convert, ",\"s\":\"t\",\"ts\":", event->time);
    if (event->type) {
        put_name(line, event->type);
        if (event->type->kind != EVTRAIL_KIND_instant) {
            line->used--; /* begin, end, state, gone: the name says so, too */
            scratch_char(line, ' ');
            scratch_text(line, evtrail_kind_name(event->type->kind));
            scratch_char(line, '"');
        }
    } else {
        scratch_text(line, ",\"cat\":\"evtrail\",\"name\":\"event ");
        scratch_unsigned(line, event->id);
        scratch_char(line, '"');
    }
    return finish(convert, event);
}

/* Of a counter's arguments each is drawn as a series: further fields go beside them. */
static int put_counter(struct convert *convert, const struct timeline_process *process,
                       const struct evtrail_event *event, const struct evtrail_value *value)
{
    struct scratch *const line = entry(convert, process, event->tid, "C");
    const struct evtrail_field *const field = &event->type->fields[0];
    const struct evtrail_field plain = {.name = "", .unit = "", .doc = "", .enums = ""};
    put_time(convert, ",\"ts\":", event->time);
    put_name(line, event->type);
    scratch_text(line, ",\"args\":{");
    scratch_json_text(line, *field->unit ? field->unit : field->name);
    scratch_char(line, ':');
    json_value(line, value, &plain, 0);
    scratch_char(line, '}');
    const size_t before = line->used;
    scratch_text(line, ",\"fields\":{");
    const size_t empty = line->used;
    args(convert, line, event, 1);
    if (line->used == empty)
        line->used = before;
    else
        scratch_char(line, '}');
    scratch_char(line, '}');
    return convert_line(convert);
}

/* A slice without length, as what an arrow can be tied to, and the arrow's step. */
static int put_flow(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event,
                    uint64_t flow, bool first)
{
    struct scratch *const line = entry(convert, process, event->tid, "X");
    put_time(convert, ",\"dur\":0,\"ts\":", event->time);
    put_name(line, event->type);
    scratch_text(line, ",\"args\":{");
    args(convert, line, event, 0);
    scratch_text(line, "}}");
    entry(convert, process, event->tid, first ? "s" : "t");
    put_time(convert, ",\"ts\":", event->time);
    put_id(line, flow);
    put_name(line, event->type);
    scratch_char(line, '}');
    return convert_line(convert);
}

static int put_lost(struct convert *convert, const struct timeline_process *process, const struct evtrail_event *event)
{
    struct scratch *const line = entry(convert, process, event->tid, "i");
    put_time(convert, ",\"s\":\"t\",\"ts\":", event->time);
    scratch_text(line, ",\"cat\":\"evtrail,lost\",\"name\":\"events lost\",\"args\":{\"lost\":");
    scratch_unsigned(line, event->lost);
    scratch_text(line, ",\"cause\":");
    scratch_json_text(line, evtrail_cause_name(event->cause));
    put_time(convert, ",\"since\":", event->lost_since);
    scratch_text(line, "}}");
    entry(convert, process, event->tid, "C");
    put_time(convert, ",\"ts\":", event->time);
    scratch_text(line, ",\"cat\":\"evtrail,lost\",\"name\":\"events lost so far\",\"args\":{");
    bool any = false;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++) {
        if (process->lost[i] == 0)
            continue;
        scratch_text(line, any ? "," : "");
        scratch_json_text(line, evtrail_cause_name(i));
        scratch_char(line, ':');
        scratch_unsigned(line, process->lost[i]);
        any = true;
    }
    scratch_text(line, "}}");
    return convert_line(convert);
}

static int put_ended(struct convert *convert, const struct timeline_process *process, int64_t time)
{
    struct scratch *const line = entry(convert, process, 0, "i");
    put_time(convert, ",\"s\":\"p\",\"ts\":", time);
    scratch_text(line, ",\"cat\":\"evtrail\",\"name\":\"process ended\"}");
    return convert_line(convert);
}

static const struct timeline_ops ops = {.process = put_process,
                                        .thread = put_thread,
                                        .args = args,
                                        .span = put_span,
                                        .point = put_point,
                                        .counter = put_counter,
                                        .flow = put_flow,
                                        .lost = put_lost,
                                        .ended = put_ended};

/* ---- the format ----------------------------------------------------------------------------------------------------------- */

static int chrome_open(struct convert *convert)
{
    struct chrome *const chrome = calloc(1, sizeof *chrome);
    convert->state = chrome;
    return chrome ? timeline_new(&chrome->timeline, &ops) : -ENOMEM;
}

static int chrome_begin(struct convert *convert)
{
    struct chrome *const chrome = convert->state;
    chrome->comma = false;
    scratch_text(&convert->line, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    return convert_line(convert);
}

static int chrome_event(struct convert *convert, const struct evtrail_event *event)
{
    struct chrome *const chrome = convert->state;
    if (!chrome->based)
        chrome->base = event->time;
    chrome->based = true;
    return timeline_event(chrome->timeline, convert, event);
}

static int chrome_end(struct convert *convert)
{
    struct chrome *const chrome = convert->state;
    struct scratch *const line = &convert->line;
    const int r = timeline_part_end(chrome->timeline, convert, convert->last);
    scratch_text(line, "\n],\"otherData\":{\"start_ns\":\"");
    scratch_signed(line, chrome->base);
    scratch_text(line, "\",\"start\":\"");
    char *const time = scratch_room(line, 64);
    if (time)
        line->used += evtrail_format_time(chrome->base, EVTRAIL_TIME_utc, 0, time, 64);
    scratch_text(line, "\",\"events\":\"");
    scratch_unsigned(line, convert->events);
    scratch_text(line, "\",\"lost\":\"");
    scratch_unsigned(line, convert->lost);
    scratch_text(line, "\"}}\n");
    const int written = convert_line(convert);
    return r < 0 ? r : written;
}

static void chrome_free(struct convert *convert)
{
    struct chrome *const chrome = convert->state;
    if (chrome)
        timeline_free(chrome->timeline);
    free(chrome);
}

const struct convert_format format_chrome = {.name = "chrome",
                                             .suffixes = ".json ",
                                             .parts = true,
                                             .open = chrome_open,
                                             .begin = chrome_begin,
                                             .event = chrome_event,
                                             .end = chrome_end,
                                             .free = chrome_free};
