/* SPDX-License-Identifier: ISC
 *
 * The user events of libraries whose payloads are known: a row each. One of another name, or of another type than here, is shown as what it is.
 */
#include "reader/ocaml_decode.h"

#include <errno.h>
#include <string.h>

static const char *const span_fields[] = {"span:u64", "parent:u64", "file:string", "line:u64"};

/* The types of both ends of a span; false: there is no room for them. */
static bool span_types(struct evtrail_ocaml_step *step, const char *prefix, const void *name, size_t bytes,
                       uint16_t *ret_begin, uint16_t *ret_end)
{
    *ret_begin = evtrail_ocaml_type_labelled(step, prefix, name, bytes, EVTRAIL_KIND_begin, span_fields, 2);
    *ret_end = evtrail_ocaml_type_labelled(step, prefix, name, bytes, EVTRAIL_KIND_end, span_fields, 1);
    return *ret_begin && *ret_end;
}

/* ---- Lwt 6 ---- */

/* A promise that is waited for, until it is resolved: many at once, in any order. Where there is no context the place is its name. */
static int lwt_wait(struct evtrail_ocaml_step *step, const uint8_t *context, size_t bytes, const uint8_t *place,
                    size_t file, bool begins)
{
    char name[EVTRAIL_OCAML_NAME_BYTES];
    uint16_t begin, end;
    if (bytes == 0) {
        snprintf(name, sizeof(name), "%.*s:%u", (int)(file < 100 ? file : 100), (const char *)place + 3,
                 (unsigned)place[0] << 8 | place[1]);
        context = (const uint8_t *)name;
        bytes = strlen(name);
    }
    if (!span_types(step, "lwt.", context, bytes, &begin, &end))
        return EVTRAIL_OCAML_OTHERWISE;
    return begins ? evtrail_ocaml_loose_begin(step, begin, end) : evtrail_ocaml_loose_end(step, end);
}

/* 'B' or 'E', u8 length and context, u16 big-endian line, u8 length and file. */
static int lwt_trace(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    static const char *const fields[] = {"context:string", "file:string", "line:u64"};
    size_t bytes = 0;
    const uint8_t *const at = evtrail_ocaml_custom(item, &bytes);
    if (!at || bytes < 2 || (at[0] != 'B' && at[0] != 'E') || (size_t)at[1] + 5 > bytes)
        return EVTRAIL_OCAML_OTHERWISE;
    const uint8_t *const context = at + 2, *const place = context + at[1];
    size_t file = place[2];
    if (file > bytes - at[1] - 5u)
        file = bytes - at[1] - 5u;
    const int result = lwt_wait(step, context, at[1], place, file, at[0] == 'B');
    if (result || at[0] != 'B')
        return result;
    /* Where: beside the span, whose two ends have one type for each context. */
    const uint16_t type = evtrail_ocaml_type_known(step->decoder, "lwt.place", EVTRAIL_KIND_instant, fields, 3);
    const uint32_t first = evtrail_ocaml_text_words(at[1]), second = evtrail_ocaml_text_words(file);
    uint64_t *to = type ? evtrail_ocaml_put(step, type, first + second + 1) : NULL;
    if (!to)
        return type ? -ENOMEM : 0;
    to = evtrail_ocaml_put_text(to, context, at[1]);
    to = evtrail_ocaml_put_text(to, place + 3, file);
    *to = (uint64_t)place[0] << 8 | place[1];
    return 0;
}

/* ---- ocaml-trace ---- */

static int trace_span(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item, bool begins)
{
    size_t bytes = 0;
    const uint8_t *const name = evtrail_ocaml_custom(item, &bytes);
    uint16_t begin, end;
    if (!name || !span_types(step, "trace.", name, bytes, &begin, &end))
        return EVTRAIL_OCAML_OTHERWISE;
    return begins ? evtrail_ocaml_span_begin(step, begin, end) : evtrail_ocaml_span_end(step, end);
}

static int trace_enter(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return trace_span(step, item, true);
}

static int trace_exit(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return trace_span(step, item, false);
}

static int trace_message(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    static const char *const fields[] = {"text:string"};
    size_t bytes = 0;
    const uint8_t *const text = evtrail_ocaml_custom(item, &bytes);
    const uint16_t type = evtrail_ocaml_type_known(step->decoder, "trace.message", EVTRAIL_KIND_instant, fields, 1);
    if (!type || !text)
        return EVTRAIL_OCAML_OTHERWISE;
    uint64_t *const at = evtrail_ocaml_put(step, type, evtrail_ocaml_text_words(bytes));
    if (at)
        evtrail_ocaml_put_text(at, text, bytes);
    return at ? 0 : -ENOMEM;
}

static int trace_metric(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item, const char *field)
{
    const char *const fields[] = {field};
    size_t bytes = 0;
    const uint8_t *const data = evtrail_ocaml_custom(item, &bytes);
    const uint16_t type = data && bytes >= 8 ? evtrail_ocaml_type_labelled(step, "trace.", data + 8, bytes - 8,
                                                                           EVTRAIL_KIND_counter, fields, 1)
                                             : 0;
    if (!type)
        return EVTRAIL_OCAML_OTHERWISE;
    uint64_t *const at = evtrail_ocaml_put(step, type, 1);
    if (at)
        memcpy(at, data, 8);
    return at ? 0 : -ENOMEM;
}

static int trace_int(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return trace_metric(step, item, "value:i64");
}

static int trace_float(struct evtrail_ocaml_step *step, const struct evtrail_ocaml_item *item)
{
    return trace_metric(step, item, "value:f64");
}

/* ---- the table ---- */

const struct evtrail_ocaml_library evtrail_ocaml_libraries[] = {
    /* Eio 0.14 to 1.6 */
    {"eio.create_fiber", EVTRAIL_OCAML_CUSTOM, evtrail_eio_create_fiber},
    {"eio.create_cc", EVTRAIL_OCAML_CUSTOM, evtrail_eio_create_cc},
    {"eio.create_obj", EVTRAIL_OCAML_CUSTOM, evtrail_eio_create_obj},
    {"eio.name", EVTRAIL_OCAML_CUSTOM, evtrail_eio_name},
    {"eio.error", EVTRAIL_OCAML_CUSTOM, evtrail_eio_error},
    {"eio.log", EVTRAIL_OCAML_CUSTOM, evtrail_eio_log},
    {"eio.enter_span", EVTRAIL_OCAML_CUSTOM, evtrail_eio_enter_span},
    {"eio.exit_span", EVTRAIL_OCAML_UNIT, evtrail_eio_exit_span},
    {"eio.suspend_fiber", EVTRAIL_OCAML_CUSTOM, evtrail_eio_suspend_fiber},
    {"eio.get", EVTRAIL_OCAML_INT, evtrail_eio_get},
    {"eio.try_get", EVTRAIL_OCAML_INT, evtrail_eio_try_get},
    {"eio.put", EVTRAIL_OCAML_INT, evtrail_eio_put},
    {"eio.fiber", EVTRAIL_OCAML_INT, evtrail_eio_fiber},
    {"eio.exit_fiber", EVTRAIL_OCAML_INT, evtrail_eio_exit_fiber},
    {"eio.domain_spawn", EVTRAIL_OCAML_INT, evtrail_eio_domain_spawn}, /* not in 0.14 */
    {"eio.exit_cc", EVTRAIL_OCAML_UNIT, evtrail_eio_exit_cc},
    {"eio.suspend_domain", EVTRAIL_OCAML_SPAN_BEGIN, evtrail_eio_suspend_domain},
    /* Lwt 6; its counts, laps and calls of the scheduler are of types that say all */
    {"lwt-trace", EVTRAIL_OCAML_CUSTOM, lwt_trace},
    /* ocaml-trace */
    {"trace.span.enter", EVTRAIL_OCAML_CUSTOM, trace_enter},
    {"trace.span.exit", EVTRAIL_OCAML_CUSTOM, trace_exit},
    {"trace.message", EVTRAIL_OCAML_CUSTOM, trace_message},
    {"trace.metric.int", EVTRAIL_OCAML_CUSTOM, trace_int},
    {"trace.metric.float", EVTRAIL_OCAML_CUSTOM, trace_float},
    {NULL, 0, NULL},
};
