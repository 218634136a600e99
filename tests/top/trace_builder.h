/* SPDX-License-Identifier: ISC
 *
 * Events by hand, for tests of models: a source, types as catalogues declare them, and events with values, given to a model.
 */
#ifndef EVTRAIL_TESTS_TRACE_BUILDER_H
#define EVTRAIL_TESTS_TRACE_BUILDER_H

#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_TYPES 64u
#define TRACE_START_NS INT64_C(1795255200000000000)
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

struct trace {
    struct model *model;
    struct evtrail_source source;
    struct evtrail_event_type types[TRACE_TYPES];
    struct evtrail_field fields[TRACE_TYPES][8];
    const struct evtrail_event_type *table[TRACE_TYPES];
    int64_t now_ns;
    uint64_t payload[64];
    char texts[TRACE_TYPES][160]; /* of the fields */
};

static inline void trace_begin(struct trace *trace, struct model *model, uint64_t session)
{
    static uint32_t number;
    memset(trace, 0, sizeof *trace);
    trace->model = model;
    trace->now_ns = TRACE_START_NS;
    trace->source = (struct evtrail_source){.session_id = session,
                                            .pid = 4000 + (uint32_t)session,
                                            .number = number++ % 1000,
                                            .command = "made-up",
                                            .program = "/bin/made-up",
                                            .host = "host",
                                            .boot_id = "",
                                            .types = trace->table};
}

static inline uint8_t trace_role(unsigned kind, unsigned index)
{
    static const uint8_t roles[EVTRAIL_KINDS][3] = {
        [EVTRAIL_KIND_begin] = {EVTRAIL_ROLE_span, EVTRAIL_ROLE_parent},
        [EVTRAIL_KIND_end] = {EVTRAIL_ROLE_span},
        [EVTRAIL_KIND_counter] = {EVTRAIL_ROLE_value},
        [EVTRAIL_KIND_state] = {EVTRAIL_ROLE_entity, EVTRAIL_ROLE_parent, EVTRAIL_ROLE_state},
        [EVTRAIL_KIND_name] = {EVTRAIL_ROLE_entity, EVTRAIL_ROLE_name},
        [EVTRAIL_KIND_gone] = {EVTRAIL_ROLE_entity},
        [EVTRAIL_KIND_flow] = {EVTRAIL_ROLE_flow},
    };
    return index < 3 ? roles[kind][index] : EVTRAIL_ROLE_none;
}

/* Returns its id. Fields as "conn:u64 state:enum:0=idle;1=open took:u64::ns name:string" */
static inline uint32_t trace_type(struct trace *trace, unsigned kind, unsigned level, const char *name,
                                  const char *fields)
{
    static const char *const type_names[EVTRAIL_TYPES] = {
        [EVTRAIL_TYPE_bool] = "bool",     [EVTRAIL_TYPE_i32] = "i32",  [EVTRAIL_TYPE_i64] = "i64",
        [EVTRAIL_TYPE_u32] = "u32",       [EVTRAIL_TYPE_u64] = "u64",  [EVTRAIL_TYPE_f64] = "f64",
        [EVTRAIL_TYPE_string] = "string", [EVTRAIL_TYPE_enum] = "enum"};
    const uint32_t id = trace->source.types_count;
    struct evtrail_event_type *const type = &trace->types[id];
    char *const copy = trace->texts[id], *save = NULL;
    snprintf(copy, sizeof trace->texts[id], "%s", fields);
    *type = (struct evtrail_event_type){.id = id,
                                        .level = (uint8_t)level,
                                        .kind = (uint8_t)kind,
                                        .name = name,
                                        .doc = "",
                                        .file = "",
                                        .function = "",
                                        .fields = trace->fields[id]};
    for (char *part = strtok_r(copy, " ", &save); part; part = strtok_r(NULL, " ", &save)) {
        struct evtrail_field *const field = &trace->fields[id][type->fields_count];
        *field = (struct evtrail_field){.doc = "", .enums = "", .unit = ""};
        field->name = strsep(&part, ":");
        const char *const kind_name = strsep(&part, ":");
        for (uint8_t i = 0; i < EVTRAIL_TYPES; i++)
            if (type_names[i] && strcmp(type_names[i], kind_name) == 0)
                field->type = i;
        field->enums = part ? strsep(&part, ":") : "";
        for (char *at = (char *)(uintptr_t)field->enums; *at; at++)
            *at = *at == ';' ? ',' : *at;
        field->unit = part ? part : "";
        field->role = trace_role(kind, type->fields_count++);
    }
    trace->table[id] = type;
    trace->source.types_count++;
    return id;
}

static inline struct evtrail_event trace_make(struct trace *trace, uint32_t id, const char *text,
                                              const uint64_t *values)
{
    const struct evtrail_event_type *const type = &trace->types[id];
    uint32_t words = 0;
    for (unsigned i = 0, next = 0; i < type->fields_count; i++) {
        if (type->fields[i].type != EVTRAIL_TYPE_string) {
            trace->payload[words++] = values[next++];
            continue;
        }
        const size_t bytes = strlen(text);
        trace->payload[words++] = bytes;
        memset(&trace->payload[words], 0, (bytes + 7) / 8 * 8);
        memcpy(&trace->payload[words], text, bytes);
        words += (uint32_t)(bytes + 7) / 8;
    }
    static const struct evtrail_label labels[4];
    return (struct evtrail_event){.what = EVTRAIL_EVENT,
                                  .id = id,
                                  .time = trace->now_ns,
                                  .ticks = (uint64_t)trace->now_ns,
                                  .source = &trace->source,
                                  .type = type,
                                  .ring = 0,
                                  .tid = 77,
                                  .thread_name = "worker",
                                  .payload = trace->payload,
                                  .words = words,
                                  .labels = labels,
                                  .duration = -1};
}

/* An event of numbers only; as many as the type has fields. */
static inline void trace_event(struct trace *trace, uint32_t id, ...)
{
    uint64_t values[8] = {0};
    va_list list;
    va_start(list, id);
    for (unsigned i = 0; i < trace->types[id].fields_count && i < 8; i++)
        values[i] = va_arg(list, uint64_t);
    va_end(list);
    const struct evtrail_event event = trace_make(trace, id, "", values);
    model_event(trace->model, &event);
}

/* One with a string, whose other fields are numbers. */
static inline void trace_text(struct trace *trace, uint32_t id, const char *text, uint64_t a, uint64_t b)
{
    const uint64_t values[8] = {a, b};
    const struct evtrail_event event = trace_make(trace, id, text, values);
    model_event(trace->model, &event);
}

static inline void trace_lost(struct trace *trace, unsigned cause, uint64_t count)
{
    const struct evtrail_event event = {.what = EVTRAIL_EVENT_LOST,
                                        .time = trace->now_ns,
                                        .source = &trace->source,
                                        .cause = cause,
                                        .lost = count,
                                        .lost_since = trace->now_ns,
                                        .duration = -1,
                                        .thread_name = ""};
    model_event(trace->model, &event);
}

static inline void trace_source(struct trace *trace, bool gone)
{
    trace->source.gone = gone;
    const struct evtrail_event event = {.what = EVTRAIL_EVENT_SOURCE,
                                        .time = trace->now_ns,
                                        .source = &trace->source,
                                        .duration = -1,
                                        .thread_name = ""};
    model_event(trace->model, &event);
}

/* Time passes, with ticks as redraws make them. */
static inline void trace_pass(struct trace *trace, int64_t ns)
{
    const int64_t to = trace->now_ns + ns;
    while (trace->now_ns < to) {
        trace->now_ns += to - trace->now_ns < 100 * MS ? to - trace->now_ns : 100 * MS;
        model_tick(trace->model, trace->now_ns);
    }
}

#define U(number) ((uint64_t)(number))

#endif /* EVTRAIL_TESTS_TRACE_BUILDER_H */
