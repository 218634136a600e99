/* SPDX-License-Identifier: ISC
 *
 * The C side of the OCaml package evtrail. Stubs that are [@@noalloc] in evtrail.mli neither allocate nor raise nor call OCaml.
 */
#include <evtrail/evtrail.h>
#include <evtrail/ocaml.h>

#include <caml/alloc.h>
#include <caml/fail.h>
#include <caml/memory.h>
#include <caml/mlvalues.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(EVTRAIL_TYPE_bool == 1 && EVTRAIL_TYPE_i32 == 4 && EVTRAIL_TYPE_i64 == 5 && EVTRAIL_TYPE_u64 == 9 &&
                   EVTRAIL_TYPE_x64 == 13 && EVTRAIL_TYPE_f64 == 15 && EVTRAIL_TYPE_string == 17 &&
                   EVTRAIL_TYPE_bytes == 18 && EVTRAIL_TYPE_enum == 19,
               "evtrail.ml");

/* One event type. Made once, never freed: OCaml holds its address as an integer. */
struct ml_event {
    const struct evtrail_point *point;
    unsigned count;
    uint8_t types[EVTRAIL_FIELDS_MAX];
};

static const uint8_t off;
static const struct evtrail_point no_point = {.enabled = &off};

static const struct ml_event *event_of(value handle)
{
    return (const struct ml_event *)(handle & ~(intnat)1);
}

/* type 'f event = {handle; emission} */
static const struct ml_event *event_in(value event)
{
    return event_of(Field(event, 0));
}

/* ---- making types ---- */

/* type 'a field = {field_type; field_name; unit_; field_doc; enums} */
static struct evtrail_field_desc field_desc(value field)
{
    return (struct evtrail_field_desc){.type = (uint8_t)Long_val(Field(field, 0)),
                                       .name = String_val(Field(field, 1)),
                                       .unit = String_val(Field(field, 2)),
                                       .doc = String_val(Field(field, 3)),
                                       .enums = String_val(Field(field, 4))};
}

/* Nothing is allocated from OCaml's heap before the strings have been copied by evtrail_register(). */
value evtrail_ml_register(value name, value kind, value level, value doc, value fields)
{
    struct evtrail_field_desc descs[EVTRAIL_FIELDS_MAX];
    const mlsize_t count = Wosize_val(fields);
    if (count > EVTRAIL_FIELDS_MAX)
        caml_invalid_argument("Evtrail: more than 32 fields");
    if (caml_string_length(name) == 0)
        caml_invalid_argument("Evtrail: an event has no name");
    struct ml_event *event = calloc(1, sizeof(*event));
    if (!event)
        caml_raise_out_of_memory();
    event->count = (unsigned)count;
    for (mlsize_t i = 0; i < count; i++) {
        descs[i] = field_desc(Field(Field(fields, i), 0)); /* Any field */
        event->types[i] = descs[i].type;
    }
    const struct evtrail_event_desc desc = {.bytes = sizeof(desc),
                                            .name = String_val(name),
                                            .doc = String_val(doc),
                                            .level = (uint8_t)Long_val(level),
                                            .kind = (uint8_t)Long_val(kind),
                                            .fields_count = (uint16_t)count,
                                            .fields = descs};
    if (evtrail_register(&desc, &event->point) < 0)
        event->point = &no_point;
    evtrail_ocaml_register();
    return (value)event | 1;
}

/* ---- emitting ---- */

static struct evtrail_arg arg_of(uint8_t type, value v)
{
    switch (type) {
    case EVTRAIL_TYPE_f64:
        return evtrail_arg_f64_(Double_val(v));
    case EVTRAIL_TYPE_string:
    case EVTRAIL_TYPE_bytes:
        return evtrail_arg_mem_(String_val(v), caml_string_length(v));
    default:
        return evtrail_arg_i_(Is_long(v) ? Long_val(v) : type == EVTRAIL_TYPE_i32 ? Int32_val(v) : Int64_val(v));
    }
}

/* All but the emission itself is left out for an event that is off. */
#define EMIT(handle, n, ...) \
    const struct ml_event *event = event_of(handle); \
    if (__builtin_expect(evtrail_on_(event->point) != 0, 0)) { \
        const value values[] = {__VA_ARGS__}; \
        struct evtrail_arg args[n]; \
        for (unsigned i = 0; i < n; i++) \
            args[i] = arg_of(event->types[i], values[i]); \
        evtrail_emit(event->point, 0, args, n); \
    } \
    return Val_unit

value evtrail_ml_emit0(value handle)
{
    evtrail_emit(event_of(handle)->point, 0, NULL, 0);
    return Val_unit;
}
value evtrail_ml_emit1(value handle, value a)
{
    EMIT(handle, 1, a);
}
value evtrail_ml_emit2(value handle, value a, value b)
{
    EMIT(handle, 2, a, b);
}
value evtrail_ml_emit3(value handle, value a, value b, value c)
{
    EMIT(handle, 3, a, b, c);
}
value evtrail_ml_emit4(value handle, value a, value b, value c, value d)
{
    EMIT(handle, 4, a, b, c, d);
}
value evtrail_ml_emit5(value handle, value a, value b, value c, value d, value e)
{
    EMIT(handle, 5, a, b, c, d, e);
}
value evtrail_ml_emit6(value handle, value a, value b, value c, value d, value e, value f)
{
    EMIT(handle, 6, a, b, c, d, e, f);
}
value evtrail_ml_emit5_byte(value *v, int count)
{
    (void)count;
    return evtrail_ml_emit5(v[0], v[1], v[2], v[3], v[4], v[5]);
}
value evtrail_ml_emit6_byte(value *v, int count)
{
    (void)count;
    return evtrail_ml_emit6(v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
}

value evtrail_ml_emit_float(value event, double number)
{
    const struct evtrail_arg arg = evtrail_arg_f64_(number);
    evtrail_emit(event_in(event)->point, 0, &arg, 1);
    return Val_unit;
}
value evtrail_ml_emit_float_byte(value event, value number)
{
    return evtrail_ml_emit_float(event, Double_val(number));
}

/* ---- field by field ----
 * A thread's event on its way. A cursor is the number of the event and how many fields it has: one of another event, or used twice, is
 * not the current one and puts nothing. 0: the event is off. Strings are copied, as OCaml's collector may move them. */
static __thread struct {
    const struct ml_event *event;
    intnat cursor;
    unsigned used, text_used;
    struct evtrail_arg args[EVTRAIL_FIELDS_MAX];
    char text[4000];
} way;

static value put(value cursor, struct evtrail_arg arg)
{
    if (Long_val(cursor) == 0 || Long_val(cursor) != way.cursor || way.used == way.event->count)
        return Val_long(0);
    way.args[way.used++] = arg;
    return Val_long(++way.cursor);
}

value evtrail_ml_start(value event)
{
    const struct ml_event *e = event_in(event);
    if (__builtin_expect(evtrail_on_(e->point) == 0, 1))
        return Val_long(0);
    way.event = e;
    way.used = way.text_used = 0;
    way.cursor = (way.cursor | 63) + 1; /* more than 32 fields do not come */
    return Val_long(way.cursor);
}
value evtrail_ml_put_int(value number, value cursor)
{
    return put(cursor, evtrail_arg_i_(Long_val(number)));
}
value evtrail_ml_put_float(double number, value cursor)
{
    return put(cursor, evtrail_arg_f64_(number));
}
value evtrail_ml_put_float_byte(value number, value cursor)
{
    return evtrail_ml_put_float(Double_val(number), cursor);
}
value evtrail_ml_put_int32(int32_t number, value cursor)
{
    return put(cursor, evtrail_arg_i_(number));
}
value evtrail_ml_put_int32_byte(value number, value cursor)
{
    return evtrail_ml_put_int32(Int32_val(number), cursor);
}
value evtrail_ml_put_int64(int64_t number, value cursor)
{
    return put(cursor, evtrail_arg_i_(number));
}
value evtrail_ml_put_int64_byte(value number, value cursor)
{
    return evtrail_ml_put_int64(Int64_val(number), cursor);
}
value evtrail_ml_put_string(value string, value cursor)
{
    if (Long_val(cursor) == 0 || Long_val(cursor) != way.cursor)
        return Val_long(0);
    size_t bytes = caml_string_length(string);
    if (bytes > sizeof(way.text) - way.text_used)
        bytes = sizeof(way.text) - way.text_used;
    char *copy = way.text + way.text_used;
    memcpy(copy, String_val(string), bytes);
    way.text_used += (unsigned)bytes;
    return put(cursor, evtrail_arg_mem_(copy, bytes));
}
value evtrail_ml_commit(value cursor)
{
    if (Long_val(cursor) != 0 && Long_val(cursor) == way.cursor && way.used == way.event->count) {
        way.cursor++; /* used up */
        evtrail_emit(way.event->point, 0, way.args, way.used);
    }
    return Val_unit;
}

value evtrail_ml_enabled(value event)
{
    return Val_bool(evtrail_on_(event_in(event)->point) != 0);
}
value evtrail_ml_span_id(value unit)
{
    (void)unit;
    return Val_long((intnat)evtrail_span_new());
}

/* ---- the session ---- */

static value result_of(int result)
{
    return Val_int(result >= 0 ? result : result == -EINVAL ? -1 : -2);
}
value evtrail_ml_label(value key, value text)
{
    evtrail_label(String_val(key), caml_string_length(text) ? String_val(text) : NULL);
    return Val_unit;
}
value evtrail_ml_rule(value text)
{
    return result_of(evtrail_rule(String_val(text)));
}
value evtrail_ml_set(value text)
{
    return result_of(evtrail_set(String_val(text)));
}
value evtrail_ml_session_path(value unit)
{
    CAMLparam1(unit);
    CAMLlocal1(path);
    const char *text = evtrail_session_path();
    if (!text)
        CAMLreturn(Val_none);
    path = caml_copy_string(text);
    CAMLreturn(caml_alloc_some(path));
}

/* ---- OCaml's own ring ---- */

value evtrail_ml_forward(value rules)
{
    CAMLparam1(rules);
    char *text = strdup(String_val(rules)); /* registering may move what OCaml has */
    if (!text)
        caml_raise_out_of_memory();
    int result = evtrail_ocaml_forward(text);
    free(text);
    if (result >= 0) {
        const int registered = evtrail_ocaml_register();
        if (registered < 0)
            result = registered;
    }
    CAMLreturn(result_of(result));
}
value evtrail_ml_register_forwarded(value unit)
{
    (void)unit;
    evtrail_ocaml_register();
    return Val_unit;
}
value evtrail_ml_forwarded(value unit)
{
    (void)unit;
    struct evtrail_ocaml_counts counts = {.bytes = sizeof(counts)};
    evtrail_ocaml_counts(&counts);
    value result = caml_alloc_small(3, 0);
    Field(result, 0) = Val_long((intnat)counts.written);
    Field(result, 1) = Val_long((intnat)counts.waited);
    Field(result, 2) = Val_long((intnat)(counts.lost_waiting + counts.lost_refused));
    return result;
}
