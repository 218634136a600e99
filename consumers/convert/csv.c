/* SPDX-License-Identifier: ISC
 *
 * CSV as RFC 4180 has it, but for line feeds alone: always the same columns, the fields of an event as a JSON object in one of them.
 */
#include "convert.h"

#include <evtrail/format.h>

/* In DuckDB: select name, fields->>'port' from read_csv('trace.csv', types={'fields': 'JSON'}) */
static const char header[] =
    "time,ns,pid,process,tid,thread,what,level,kind,name,dur_ns,fields,cpu,caller,stack,labels,"
    "cut,signal,lost,cause,since_ns,host\n";

/* One cell: quoted where it must be. The text is untrusted. */
static void cell(struct scratch *line, const char *text, size_t bytes)
{
    bool quotes = false;
    for (size_t i = 0; i < bytes; i++)
        quotes |= text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r';
    if (!quotes) {
        scratch_bytes(line, text, bytes);
        return;
    }
    scratch_char(line, '"');
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"')
            scratch_char(line, '"');
        scratch_char(line, text[i]);
    }
    scratch_char(line, '"');
}

static void cell_text(struct scratch *line, struct scratch *made, const char *text)
{
    made->used = 0;
    scratch_utf8(made, text, strlen(text), true);
    cell(line, made->bytes, made->used);
    scratch_char(line, ',');
}

static void cell_made(struct scratch *line, struct scratch *made)
{
    cell(line, made->bytes, made->used);
    scratch_char(line, ',');
}

static void cell_fields(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    made->used = 0;
    if (event->type) {
        scratch_char(made, '{');
        json_fields(made, event, 0, false, 0);
    } else {
        scratch_text(made, "{\"id\":");
        scratch_unsigned(made, event->id);
        scratch_text(made, ",\"words\":");
        json_words(made, event, 0);
    }
    scratch_char(made, '}');
    cell_made(line, made);
}

static void cell_stack(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    made->used = 0;
    scratch_char(made, '[');
    for (uint32_t i = 0; i < event->stack_count; i++) {
        if (i)
            scratch_char(made, ',');
        json_address(made, event, event->stack[i]);
    }
    scratch_char(made, ']');
    cell_made(line, made);
}

static void cell_caller(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    made->used = 0;
    json_address(made, event, event->caller);
    cell(line, made->bytes + 1, made->used >= 2 ? made->used - 2 : 0); /* without JSON's quotes */
    scratch_char(line, ',');
}

static void cell_labels(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    made->used = 0;
    scratch_char(made, '{');
    const bool any = json_labels(made, event);
    scratch_char(made, '}');
    if (any)
        cell_made(line, made);
    else
        scratch_char(line, ',');
}

/* cpu to signal */
static void context(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    if (event->meta & META_cpu)
        scratch_unsigned(line, event->cpu);
    scratch_char(line, ',');
    if (event->meta & META_caller)
        cell_caller(line, made, event);
    else
        scratch_char(line, ',');
    if (event->meta & META_stack)
        cell_stack(line, made, event);
    else
        scratch_char(line, ',');
    cell_labels(line, made, event);
    scratch_text(line, event->meta & META_cut ? "true," : "false,");
    scratch_text(line, event->meta & META_signal ? "true," : "false,");
}

/* The last one. */
static void host_cell(struct scratch *line, struct scratch *made, const char *host)
{
    made->used = 0;
    scratch_utf8(made, host, strlen(host), true);
    cell(line, made->bytes, made->used);
    scratch_char(line, '\n');
}

static void event_cells(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    const struct evtrail_event_type *const type = event->type;
    if (type) {
        cell_text(line, made, evtrail_level_name(type->level));
        cell_text(line, made, evtrail_kind_name(type->kind));
        cell_text(line, made, type->name);
    } else {
        scratch_text(line, ",,,");
    }
    if (event->duration >= 0)
        scratch_signed(line, event->duration);
    scratch_char(line, ',');
    cell_fields(line, made, event);
    context(line, made, event);
    scratch_text(line, ",,,");
}

static void loss_cells(struct scratch *line, const struct evtrail_event *event)
{
    scratch_text(line, ",,,,,,,,,,,");
    scratch_unsigned(line, event->lost);
    scratch_char(line, ',');
    scratch_text(line, evtrail_cause_name(event->cause));
    scratch_char(line, ',');
    scratch_signed(line, event->lost_since);
    scratch_char(line, ',');
}

static void time_cells(struct scratch *line, struct scratch *made, const struct evtrail_event *event)
{
    char *const time = scratch_room(line, 64);
    if (time)
        line->used += evtrail_format_time(event->time, EVTRAIL_TIME_utc, 0, time, 64);
    scratch_char(line, ',');
    scratch_signed(line, event->time);
    scratch_char(line, ',');
    scratch_unsigned(line, event->source->pid);
    scratch_char(line, ',');
    cell_text(line, made, event->source->command);
    if (event->what != EVTRAIL_EVENT_SOURCE)
        scratch_unsigned(line, event->tid);
    scratch_char(line, ',');
    cell_text(line, made, event->what != EVTRAIL_EVENT_SOURCE && event->thread_name ? event->thread_name : "");
}

static int csv_begin(struct convert *convert)
{
    return convert_write(convert, header, sizeof header - 1);
}

static int csv_event(struct convert *convert, const struct evtrail_event *event)
{
    struct scratch *const line = &convert->line;
    struct scratch *const made = &convert->cell;
    time_cells(line, made, event);
    if (event->what == EVTRAIL_EVENT) {
        scratch_text(line, "event,");
        event_cells(line, made, event);
    } else if (event->what == EVTRAIL_EVENT_LOST) {
        scratch_text(line, "lost,");
        loss_cells(line, event);
    } else {
        scratch_text(line, event->source->gone ? "ended," : "joined,");
        scratch_text(line, ",,,,,,,,,,,,,,");
    }
    host_cell(line, made, event->source->host);
    if (made->failed)
        line->failed = true;
    return convert_line(convert);
}

const struct convert_format format_csv = {
    .name = "csv", .suffixes = ".csv ", .parts = true, .durations = true, .begin = csv_begin, .event = csv_event};
