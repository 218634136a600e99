/* SPDX-License-Identifier: ISC
 *
 * OCaml's rings of runtime events: what they hold, what is lost of them, and files that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/ocaml_builder.h"

#include "reader/ocaml_map.h"
#include "reader/ocaml_names.h"

#include <evtrail/format.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { LIFECYCLE = 1, BEGIN = 2, END = 3, COUNTER = 4, CALLS_MAX = 100000 };

struct seen {
    uint64_t events, lost, faults, lost_words, values;
    int64_t last_value;
    bool backwards;
    char text[16384]; /* a line for each event: its name and its values */
    char fault[700];
};

static void add(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct seen *seen, const char *format, ...)
{
    const size_t used = strlen(seen->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(seen->text + used, sizeof(seen->text) - used, format, arguments);
    va_end(arguments);
}

static void describe(struct seen *seen, const struct evtrail_event *event)
{
    struct evtrail_value value;
    const char *const kinds[EVTRAIL_KINDS] = {"", ">", "<", "=", "@", "@", "-", "~"};
    add(seen, "%s%s", kinds[event->type->kind], event->type->name);
    for (unsigned i = 0; evtrail_event_value(event, i, &value) >= 0; i++) {
        const char *const name = event->type->fields[i].name;
        if (strcmp(name, "span") == 0 || strcmp(name, "parent") == 0)
            continue;
        if (value.type == EVTRAIL_TYPE_string)
            add(seen, " %s=%.*s", name, value.null ? 1 : (int)value.bytes, value.null ? "?" : value.data);
        else if (value.type == EVTRAIL_TYPE_f64)
            add(seen, " %s=%g", name, value.f);
        else if (value.type == EVTRAIL_TYPE_bytes)
            add(seen, " %s[%u]", name, value.bytes);
        else
            add(seen, " %s=%lld", name, (long long)value.i);
    }
    add(seen, "\n");
}

static void take(struct seen *seen, const struct evtrail_event *event, bool in_words)
{
    struct evtrail_value value;
    if (event->what == EVTRAIL_EVENT_LOST)
        seen->lost += event->lost;
    if (event->what != EVTRAIL_EVENT)
        return;
    assert_non_null(event->type);
    seen->events++;
    if (strcmp(event->type->name, "ocaml.lost") == 0 && evtrail_event_value(event, 0, &value) == 0)
        seen->lost_words += value.u;
    if (strcmp(event->type->name, "test.int") == 0 && evtrail_event_value(event, 0, &value) == 0) {
        seen->backwards |= value.i <= seen->last_value;
        seen->last_value = value.i;
        seen->values++;
    }
    if (in_words)
        describe(seen, event);
}

static struct evtrail_reader *open_reader(const char *path, const char *version)
{
    const struct evtrail_reader_options options = {.bytes = sizeof(options), .ocaml_version = version};
    struct evtrail_reader *reader = NULL;
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_int_equal(evtrail_reader_add_path(reader, path), 0);
    return reader;
}

/* All that there is. False: it did not end. */
static bool read_all(struct evtrail_reader *reader, struct seen *seen, bool in_words)
{
    struct evtrail_event *event;
    for (unsigned calls = 0; calls < CALLS_MAX; calls++) {
        const int result = evtrail_reader_next(reader, &event);
        if (result > 0)
            take(seen, event, in_words);
        if (result < 0) {
            seen->faults++;
            snprintf(seen->fault, sizeof(seen->fault), "%s", evtrail_reader_error(reader));
        }
        if (result == 0 && evtrail_reader_done(reader))
            return true;
        if (result == 0)
            evtrail_reader_wait(reader, 100000);
    }
    return false;
}

static struct seen *read_file(struct ocaml_builder *b, const char *version)
{
    static struct seen seen;
    seen = (struct seen){0};
    struct evtrail_reader *const reader = open_reader(b->path, version);
    assert_true(read_all(reader, &seen, true));
    evtrail_reader_free(reader);
    return &seen;
}

/* ---- what is in them ---- */

static void items__of_every_kind__events(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "my.unit");
    ocaml_name(&b, 1, "test.int");
    ocaml_name(&b, 2, "my span");
    ocaml_name(&b, 3, "my.bytes");
    ocaml_name(&b, 4, "ocaml.minor");
    ocaml_runtime_value(&b, 0, LIFECYCLE, 0, 4711);
    ocaml_runtime(&b, 0, END, 35);
    ocaml_item(&b, 0, true, 2, 2, NULL, 0);
    ocaml_item(&b, 0, true, 0, 0, NULL, 0);
    ocaml_int(&b, 0, 1, -1);
    ocaml_custom(&b, 0, 3, "exactly8", 8);
    ocaml_custom(&b, 0, 3, "\x01 and", 5);
    ocaml_custom(&b, 0, 3, "", 0);
    ocaml_runtime(&b, 0, BEGIN, 11);
    ocaml_runtime_value(&b, 0, COUNTER, 5, 512);
    ocaml_runtime(&b, 0, END, 11);
    ocaml_item(&b, 0, true, 3, 2, NULL, 0);
    ocaml_int(&b, 0, 7, 3);
    ocaml_runtime(&b, 0, BEGIN, 60);
    ocaml_runtime_value(&b, 0, COUNTER, 99, 1);
    ocaml_item(&b, 0, true, 2, 4, NULL, 0);
    ocaml_runtime(&b, 0, LIFECYCLE, 1);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, "ocaml.ring_start pid=4711\n"
                                    "@ocaml.domain domain=1099511627777 state=1\n"
                                    "@ocaml.domain domain=1099511627777 name=domain 0\n"
                                    "<ocaml.stw_leader\n"
                                    ">my_span\n"
                                    "my.unit\n"
                                    "=test.int value=-1\n"
                                    "my.bytes data[8] text=exactly8\n"
                                    "my.bytes data[5] text=. and\n"
                                    "my.bytes data[0] text=\n"
                                    ">ocaml.minor\n"
                                    "=ocaml.minor_allocated value=512\n"
                                    "<ocaml.minor\n"
                                    "<my_span\n"
                                    "=ocaml.user.7 value=3\n"
                                    ">ocaml.phase.60\n"
                                    "=ocaml.counter.99 value=1\n"
                                    ">user.ocaml.minor\n"
                                    "ocaml.ring_stop pid=0\n"
                                    "-ocaml.domain domain=1099511627777\n");
    assert_int_equal(seen->faults, 0);
    assert_int_equal(seen->lost, 0);
    ocaml_builder_fini(&b);
}

static void libraries__lwt_and_trace__decoded(void **state)
{
    struct ocaml_builder b;
    const double half = 0.5;
    const int64_t seven = 7;
    uint64_t bits;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "lwt-trace");
    ocaml_name(&b, 1, "trace.span.enter");
    ocaml_name(&b, 2, "trace.span.exit");
    ocaml_name(&b, 3, "trace.message");
    ocaml_name(&b, 4, "trace.metric.int");
    ocaml_name(&b, 5, "trace.metric.float");
    ocaml_custom(&b, 0, 0, "B\x03job\x01\x02\x04m.ml", 12);
    ocaml_custom(&b, 0, 0, "E\x03job\x01\x02\x04m.ml", 12);
    ocaml_custom(&b, 0, 0, "E\xff", 2);
    ocaml_custom(&b, 0, 1, "parse", 5);
    ocaml_custom(&b, 0, 3, "hello", 5);
    memcpy(&bits, &seven, 8);
    ocaml_custom_id(&b, 0, 4, bits, "queue", 5);
    memcpy(&bits, &half, 8);
    ocaml_custom_id(&b, 0, 5, bits, "load", 4);
    ocaml_custom(&b, 0, 2, "parse", 5);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, ">lwt.job\n"
                                    "lwt.place context=job file=m.ml line=258\n"
                                    "<lwt.job\n"
                                    "lwt-trace data[2] text=E.\n"
                                    ">trace.parse\n"
                                    "trace.message text=hello\n"
                                    "=trace.queue value=7\n"
                                    "=trace.load value=0.5\n"
                                    "<trace.parse\n");
    ocaml_builder_fini(&b);
}

/* A known name says nothing of what is in it: that is shown as what it is. */
static void libraries__payloads_otherwise__shown_as_they_are(void **state)
{
    struct ocaml_builder b;
    const double half = 0.5;
    uint64_t bits;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "eio.name");
    ocaml_name(&b, 1, "trace.metric.int");
    ocaml_name(&b, 2, "trace.metric.float");
    ocaml_name(&b, 3, "lwt-trace");
    ocaml_custom(&b, 0, 0, "abc", 3);
    ocaml_custom(&b, 0, 1, "12", 2);
    ocaml_custom(&b, 0, 3, "", 0);
    ocaml_custom_id(&b, 0, 1, 7, "x", 1);
    memcpy(&bits, &half, 8);
    ocaml_custom_id(&b, 0, 2, bits, "x", 1);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, "eio.name data[3] text=abc\n"
                                    "trace.metric.int data[2] text=12\n"
                                    "lwt-trace data[0] text=\n"
                                    "=trace.x value=7\n"
                                    "=trace.x value=0.5\n");
    ocaml_builder_fini(&b);
}

/* A type for each of the first names; the rest share one, and none is lost. */
static void libraries__more_names_than_types__shared_one(void **state)
{
    enum { NAMES = 1500 };
    static struct seen seen;
    struct ocaml_builder b;
    struct evtrail_event *event;
    char name[32], found[80] = "";
    unsigned begins = 0, ends = 0, shared = 0;
    (void)state;
    seen = (struct seen){0};
    ocaml_builder_init(&b, 15);
    ocaml_name(&b, 0, "trace.span.enter");
    ocaml_name(&b, 1, "trace.span.exit");
    ocaml_name(&b, 2, "trace.message");
    for (int i = 0; i < NAMES; i++) {
        const unsigned bytes = (unsigned)snprintf(name, sizeof(name), "GET /things/%d", i);
        ocaml_custom(&b, 0, 0, name, bytes);
        ocaml_custom(&b, 0, 1, name, bytes);
    }
    ocaml_custom(&b, 0, 2, "done", 4);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    while (evtrail_reader_next(reader, &event) > 0) {
        begins += event->what == EVTRAIL_EVENT && event->type->kind == EVTRAIL_KIND_begin;
        ends += event->what == EVTRAIL_EVENT && event->type->kind == EVTRAIL_KIND_end;
        struct evtrail_value value;
        if (event->what == EVTRAIL_EVENT && strcmp(event->type->name, "trace.other") == 0 &&
            event->type->kind == EVTRAIL_KIND_begin && evtrail_event_value(event, 2, &value) == 0) {
            shared++;
            snprintf(found, sizeof(found), "%.*s", (int)value.bytes, value.data);
        }
        if (event->what == EVTRAIL_EVENT && event->type->kind == EVTRAIL_KIND_instant)
            describe(&seen, event);
    }
    assert_true(evtrail_reader_done(reader));
    evtrail_reader_free(reader);
    assert_int_equal(begins, NAMES);
    assert_int_equal(ends, NAMES);
    assert_in_range(shared, 400, NAMES - 500);
    assert_string_equal(found, "GET /things/1499");
    assert_string_equal(seen.text, "trace.message text=done\n");
    ocaml_builder_fini(&b);
}

/* As libtrace/ocaml/payload.c does: level info, thread 7, emitted 5 ns before the first item's stamp. */
static unsigned payload_head(uint8_t *at, uint8_t kind, uint8_t fields, uint64_t time)
{
    const uint8_t head[8] = {1, kind, 4, fields, 7};
    memcpy(at, head, 8);
    memcpy(at + 8, &time, 8);
    return 16;
}
static unsigned payload_word(uint8_t *at, uint8_t type, uint64_t word)
{
    at[0] = type;
    memcpy(at + 1, &word, 8);
    return 9;
}
static unsigned payload_text(uint8_t *at, const char *text)
{
    const uint32_t bytes = text ? (uint32_t)strlen(text) : EVTRAIL_NULL;
    at[0] = EVTRAIL_TYPE_string;
    memcpy(at + 1, &bytes, 4);
    memcpy(at + 5, text ? text : "", text ? bytes : 0);
    return 5 + (text ? bytes : 0);
}

static void c_events__fields_named_in_the_table__decoded(void **state)
{
    struct ocaml_builder b;
    uint8_t bytes[256];
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "c.some");
    ocaml_name(&b, 1, "evtrail.fields 0 0 0 port:u16 state:enum::0=idle,1=open");
    ocaml_name(&b, 2, "evtrail.fields 3 0 0 other:u16");
    ocaml_name(&b, 3, "c.other");
    ocaml_name(&b, 4, "evtrail.fields 0 0 2 host:string");
    ocaml_name(&b, 5, "evtrail.fields 0 2 0 id:u64");
    ocaml_name(&b, 6, "evtrail.fields 0 0 0 stale:u16 stale:enum stale:string"); /* of who had the file before */
    const uint64_t time = b.time + 5;
    unsigned used = payload_head(bytes, EVTRAIL_KIND_instant, 3, time);
    used += payload_word(bytes + used, EVTRAIL_TYPE_u16, 443);
    used += payload_word(bytes + used, EVTRAIL_TYPE_enum, 1);
    used += payload_text(bytes + used, "example.org");
    ocaml_custom(&b, 0, 0, bytes, used);
    bytes[1] |= 0x80;
    ocaml_custom(&b, 0, 0, bytes, used);
    used = payload_head(bytes, EVTRAIL_KIND_end, 1, time);
    used += payload_word(bytes + used, EVTRAIL_TYPE_u64, 9);
    ocaml_custom(&b, 0, 0, bytes, used);
    ocaml_custom(&b, 0, 3, bytes, used);     /* no names for this kind */
    ocaml_custom(&b, 0, 0, bytes, used - 1); /* shorter than it says */
    ocaml_custom(&b, 0, 9, bytes, used);     /* nobody's name */
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, "c.some port=443 state=1 host=example.org tid=7 delay=5\n"
                                    "c.some port=443 state=1 host=example.org tid=7 delay=15 cut=1\n"
                                    "<c.some id=9 tid=7 delay=25\n"
                                    "c.other data[25] text=...........;.............\n"
                                    "c.some data[24] text=...........;............\n"
                                    "ocaml.user.9 data[25] text=...........;.............\n");
    assert_int_equal(seen->faults, 0);
    ocaml_builder_fini(&b);
}

/* Payloads of ever new shapes, each looked for in a full table: an end is reached all the same. */
static void c_events__names_that_lie__read_to_an_end(void **state)
{
    static const char *const names[] = {
        "evtrail.fields",
        "evtrail.fields 0",
        "evtrail.fields 0 0 0",
        "evtrail.fields 0 0 0 ",
        "evtrail.fields 0 0 0 a",
        "evtrail.fields 0 0 0 :u8",
        "evtrail.fields 0 0 0  a:u8",
        "evtrail.fields 0 0 9 a:u8",
        "evtrail.fields 0 9 0 a:",
        "evtrail.fields 0 -1 0 a:u8",
        "evtrail.fields 0 0 0 a:string::::",
    };
    struct ocaml_builder b;
    uint8_t bytes[400];
    (void)state;
    ocaml_builder_init(&b, 14);
    for (unsigned id = 0; id < 8192; id++)
        ocaml_name(&b, id, names[id % (sizeof(names) / sizeof(*names))]);
    for (unsigned i = 0; i < 400; i++) {
        unsigned used = payload_head(bytes, (uint8_t)(i % 8), (uint8_t)(i % 32), b.time);
        for (unsigned field = 0; field < i % 32; field++)
            used += payload_word(bytes + used, (uint8_t)(1 + (i / 32 + field) % 16), i);
        ocaml_custom(&b, 0, 0, bytes, used);
    }
    struct seen *const seen = read_file(&b, NULL);
    assert_int_equal(seen->events, 400);
    assert_int_equal(seen->faults, 0);
    ocaml_builder_fini(&b);
}

/* Whose a context is that somebody makes before it is seen who runs. */
static void gap__context_is_made__of_nobody_until_a_fiber_is_seen(void **state)
{
    struct ocaml_builder b;
    struct evtrail_event *event;
    struct evtrail_value value;
    uint64_t parents[3] = {9, 9, 9};
    unsigned count = 0;
    (void)state;
    ocaml_builder_init(&b, 6);
    ocaml_name(&b, 0, "test.int");
    ocaml_name(&b, 1, "eio.create_cc");
    ocaml_name(&b, 2, "eio.fiber");
    for (int i = 0; i < 50; i++)
        ocaml_int(&b, 0, 0, i);
    ocaml_custom_id(&b, 0, 1, 7, "\x03", 1);
    ocaml_int(&b, 0, 2, 1);
    ocaml_custom_id(&b, 0, 1, 8, "\x03", 1);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    while (!evtrail_reader_done(reader))
        if (evtrail_reader_next(reader, &event) > 0 && event->what == EVTRAIL_EVENT &&
            strcmp(event->type->name, "eio.cc") == 0 && evtrail_event_value(event, 1, &value) == 0 && count < 3)
            parents[count++] = value.u;
    evtrail_reader_free(reader);
    assert_int_equal(count, 2);
    assert_int_equal(parents[0], 0);
    assert_int_equal(parents[1], 1);
    ocaml_builder_fini(&b);
}

static uint64_t spans_without_begin(struct ocaml_builder *b)
{
    struct evtrail_reader *const reader = open_reader(b->path, NULL);
    struct evtrail_event *event;
    struct evtrail_value value;
    uint64_t found = 0;
    while (!evtrail_reader_done(reader))
        if (evtrail_reader_next(reader, &event) > 0 && event->what == EVTRAIL_EVENT &&
            event->type->kind == EVTRAIL_KIND_end && evtrail_event_value(event, 0, &value) == 0)
            found += value.u == 0;
    evtrail_reader_free(reader);
    return found;
}

/* A domain's backup thread waits while the domain's own begins to: neither is in the other. */
static void spans__of_runtime_and_program_overlap__each_ends_itself(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "eio.suspend_domain");
    ocaml_name(&b, 1, "my.inner");
    ocaml_runtime(&b, 0, BEGIN, 42);
    ocaml_item(&b, 0, true, 2, 0, NULL, 0);
    ocaml_runtime(&b, 0, END, 42);
    ocaml_runtime(&b, 0, BEGIN, 42);
    ocaml_item(&b, 0, true, 3, 0, NULL, 0);
    ocaml_runtime(&b, 0, END, 42);
    assert_int_equal(spans_without_begin(&b), 0);
    ocaml_item(&b, 0, true, 2, 0, NULL, 0);
    ocaml_item(&b, 0, true, 2, 1, NULL, 0); /* one inside that an exception ends */
    ocaml_item(&b, 0, true, 3, 0, NULL, 0);
    ocaml_item(&b, 0, true, 3, 1, NULL, 0);
    assert_int_equal(spans_without_begin(&b), 1);
    ocaml_builder_fini(&b);
}

/* Rings are translated one after the other: what domain 0 does with domain 1's promise is seen before that is made. */
static void eio__object_of_a_later_ring__state_after_its_use(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "eio.create_obj");
    ocaml_name(&b, 1, "eio.put");
    ocaml_custom_id(&b, 1, 0, 5, "\x0f", 1);
    ocaml_int(&b, 0, 1, 5);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, "@eio.promise promise=5 state=1\n"
                                    "@eio.promise promise=5 state=2\n"
                                    "eio.object.put object=5 fiber=0\n");
    ocaml_builder_fini(&b);
}

/* Objects have no end. Those of a program that makes them all day must not drive out what lives as long as the program. */
static void eio__more_objects_than_there_is_room__fibers_are_kept(void **state)
{
    enum { OBJECTS = 60000 };
    struct ocaml_builder b;
    struct evtrail_event *event;
    struct evtrail_value value;
    const uint64_t root = 0, names = 5;
    const char *const name[] = {"eio.create_cc", "eio.create_fiber", "eio.create_obj", "eio.fiber", "eio.put"};
    uint64_t parent = 0, resolved = 0;
    (void)state;
    ocaml_builder_init(&b, 19);
    for (unsigned i = 0; i < names; i++)
        ocaml_name(&b, i, name[i]);
    ocaml_custom_id(&b, 0, 0, root, "\x06", 1);
    ocaml_custom_id(&b, 0, 1, 1, &root, 8);
    for (unsigned i = 0; i < OBJECTS; i++) {
        ocaml_custom_id(&b, 0, 2, 2 + i, "\x0f", 1);
        ocaml_int(&b, 0, 4, 2 + i);
    }
    ocaml_int(&b, 0, 3, 1);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    while (!evtrail_reader_done(reader))
        if (evtrail_reader_next(reader, &event) > 0 && event->what == EVTRAIL_EVENT) {
            if (strcmp(event->type->name, "eio.fiber") == 0 && evtrail_event_value(event, 1, &value) == 0)
                parent = value.u;
            if (strcmp(event->type->name, "eio.promise") == 0 && evtrail_event_value(event, 2, &value) == 0)
                resolved += value.u == 2;
        }
    evtrail_reader_free(reader);
    assert_int_equal(parent, UINT64_C(1) << 40);
    assert_int_equal(resolved, OBJECTS);
    ocaml_builder_fini(&b);
}

static void no_names__ocaml_5_0__read_by_numbers(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    b.data[7] = 0;
    assert_int_equal(truncate(b.path, (off_t)b.names), 0);
    ocaml_runtime(&b, 1, BEGIN, 10);
    ocaml_int(&b, 1, 2, 5);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, ">ocaml.minor\n=ocaml.user.2 value=5\n");
    ocaml_builder_fini(&b);
}

/* ---- versions ---- */

static void versions__minor_in_its_place__table_found(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    ocaml_runtime(&b, 0, BEGIN, 10);
    ocaml_runtime_value(&b, 0, COUNTER, 5, 8);
    ocaml_runtime(&b, 0, END, 10);
    assert_string_equal(read_file(&b, NULL)->text, ">ocaml.minor\n=ocaml.minor_allocated value=8\n<ocaml.minor\n");
    assert_string_equal(read_file(&b, "5.4")->text,
                        ">ocaml.major_mark\n=ocaml.minor_allocated value=8\n<ocaml.major_mark\n");
    ocaml_runtime(&b, 0, BEGIN, 49);
    assert_non_null(strstr(read_file(&b, NULL)->text, ">ocaml.minor_dependent")); /* OxCaml */
    ocaml_builder_fini(&b);
}

static void versions__tables__numbers_where_they_were(void **state)
{
    static const struct {
        enum evtrail_ocaml_release release;
        unsigned id;
        const char *name;
    } phases[] = {{EVTRAIL_OCAML_5_2, 9, "major_mark"},
                  {EVTRAIL_OCAML_5_2, 16, "interrupt_remote"},
                  {EVTRAIL_OCAML_5_2, 20, "major_gc_cycle_domains"},
                  {EVTRAIL_OCAML_5_2, 24, "major_slice"},
                  {EVTRAIL_OCAML_5_2, 32, "stw_leader"},
                  {EVTRAIL_OCAML_5_2, 39, "domain_resize_heap_reservation"},
                  {EVTRAIL_OCAML_5_2, 43, "compact_release"},
                  {EVTRAIL_OCAML_5_2, 44, NULL},
                  {EVTRAIL_OCAML_5_5, 9, "major_memprof_roots"},
                  {EVTRAIL_OCAML_5_5, 14, "minor_memprof_clean"},
                  {EVTRAIL_OCAML_5_5, 35, "stw_leader"},
                  {EVTRAIL_OCAML_5_5, 37, "major_memprof_clean"},
                  {EVTRAIL_OCAML_5_5, 47, "compact_release"},
                  {EVTRAIL_OCAML_5_5, 49, "minor_ephe_clean"},
                  {EVTRAIL_OCAML_5_5, 50, NULL},
                  {EVTRAIL_OCAML_OX, 10, "minor"},
                  {EVTRAIL_OCAML_OX, 49, "minor_dependent"},
                  {EVTRAIL_OCAML_OX, 50, NULL}};
    const char *unit;
    (void)state;
    for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
        const char *const name = evtrail_ocaml_phase_name(phases[i].release, phases[i].id);
        if (!phases[i].name)
            assert_null(name);
        else
            assert_string_equal(name, phases[i].name);
    }
    assert_string_equal(evtrail_ocaml_counter_name(EVTRAIL_OCAML_5_2, 16, &unit), "major_heap_large_blocks");
    assert_null(evtrail_ocaml_counter_name(EVTRAIL_OCAML_5_2, 17, &unit));
    assert_null(evtrail_ocaml_counter_name(EVTRAIL_OCAML_OX, 17, &unit));
    assert_string_equal(evtrail_ocaml_counter_name(EVTRAIL_OCAML_5_5, 25, &unit), "major_slice_budget");
    assert_string_equal(evtrail_ocaml_counter_name(EVTRAIL_OCAML_5_5, 27, &unit), "minor_promoted_words");
    assert_string_equal(unit, "words");
    assert_null(evtrail_ocaml_counter_name(EVTRAIL_OCAML_5_5, 28, &unit));
}

static void versions__in_executables__found(void **state)
{
    char version[48];
    _Alignas(8) uint8_t bytes[256] = {0};
    const uint64_t header = 1 << 10 | 252;
    (void)state;
    memcpy(bytes + 3, "5.10.0 of another", 18);
    memcpy(bytes + 24, "libfoo.5.9.9", 13);
    evtrail_ocaml_version_scan(bytes, sizeof(bytes), version, sizeof(version));
    assert_string_equal(version, "");
    memcpy(bytes + 41, "5.1.1", 6);
    evtrail_ocaml_version_scan(bytes, sizeof(bytes), version, sizeof(version));
    assert_string_equal(version, "5.1.1"); /* as in ocamlrun */
    memcpy(bytes + 64, &header, 8);
    memcpy(bytes + 72, "5.3.0\0\0\2", 8);
    evtrail_ocaml_version_scan(bytes, sizeof(bytes), version, sizeof(version));
    assert_string_equal(version, "5.3.0"); /* as in a native program */
    assert_int_equal(evtrail_ocaml_release_of("5.2.1"), EVTRAIL_OCAML_5_2);
    assert_int_equal(evtrail_ocaml_release_of("5.2.0+ox"), EVTRAIL_OCAML_OX);
    assert_int_equal(evtrail_ocaml_release_of("5.10.0"), EVTRAIL_OCAML_5_5);
    assert_int_equal(evtrail_ocaml_release_of("4.14.1"), EVTRAIL_OCAML_UNKNOWN);
    assert_int_equal(evtrail_ocaml_release_of(""), EVTRAIL_OCAML_UNKNOWN);
}

/* Ids are given once, whatever a file says: the end of a fiber that is a context is no more than that. */
static void eio__exit_of_what_is_no_fiber__its_own_event_alone(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 10);
    ocaml_name(&b, 0, "eio.create_cc");
    ocaml_name(&b, 1, "eio.exit_fiber");
    ocaml_name(&b, 5, "test.int");
    ocaml_custom_id(&b, 0, 0, 5, "\x01", 1); /* its kind would be a record of time */
    ocaml_int(&b, 0, 1, 5);
    ocaml_int(&b, 0, 5, 1);
    struct seen *const seen = read_file(&b, NULL);
    assert_string_equal(seen->text, "@eio.cc cc=5 state=1 kind=1\n"
                                    "-eio.fiber fiber=5\n"
                                    "=test.int value=1\n");
    ocaml_builder_fini(&b);
}

/* ---- what is lost ---- */

static void lapped__before_it_is_read__loss_in_its_place(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    ocaml_name(&b, 0, "test.int");
    for (int i = 1; i <= 1000; i++)
        ocaml_int(&b, 0, 0, i);
    struct seen *const seen = read_file(&b, NULL);
    const uint64_t head = ocaml_ring_header(&b, 0)[0];
    assert_int_equal(seen->faults, 0);
    assert_int_equal(seen->lost_words, head);
    assert_int_equal(seen->last_value, 1000);
    assert_false(seen->backwards);
    assert_true(seen->lost + seen->values >= 985 && seen->lost + seen->values <= 1015); /* an estimate: padding */
    assert_memory_equal(seen->text, "ocaml.lost words=", 17);
    ocaml_builder_fini(&b);
}

/* Whatever its items are like: none was read before it is told, and words that only fill up count as well. */
static void lapped__before_it_is_read__events_by_the_items_that_are_left(void **state)
{
    static const struct {
        unsigned words_log2, bytes;
    } cases[] = {{12, 1000}, {4, 0}, {8, 16}, {18, 1000}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ocaml_builder b;
        const uint8_t bytes[1024] = {0};
        const unsigned total = 10000;
        ocaml_builder_init(&b, cases[i].words_log2);
        ocaml_name(&b, 0, "test.int");
        ocaml_name(&b, 1, "my.text");
        for (unsigned n = 0; n < total; n++)
            if (cases[i].bytes)
                ocaml_custom(&b, 0, 1, bytes, cases[i].bytes);
            else
                ocaml_int(&b, 0, 0, n + 1);
        struct seen *const seen = read_file(&b, NULL);
        const uint64_t all = seen->lost + seen->events - 1;
        assert_in_range(all, total - total / 50, total + total / 50);
        assert_non_null(strstr(seen->text, "ocaml.lost words="));
        ocaml_builder_fini(&b);
    }
}

static void name_eio(struct ocaml_builder *b)
{
    static const char *const names[] = {"eio.create_fiber", "eio.fiber",   "eio.suspend_fiber",
                                        "eio.create_cc",    "eio.exit_cc", "test.int"};
    for (unsigned i = 0; i < 6; i++)
        ocaml_name(b, i, names[i]);
}

/* What a fiber does in the gap nobody knows: its state is unknown until it is seen again, and the context that ends then is nobody's. */
static void gap__fiber_was_running__unknown_until_seen_again(void **state)
{
    struct ocaml_builder b;
    const uint64_t cc = 2;
    struct seen seen = {0};
    (void)state;
    ocaml_builder_init(&b, 8);
    name_eio(&b);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    ocaml_custom_id(&b, 0, 0, 1, &cc, 8);
    ocaml_int(&b, 0, 1, 1);
    ocaml_custom_id(&b, 0, 3, 5, "\x03", 1);
    struct evtrail_event *event;
    for (int i = 0; i < 4; i++)
        if (evtrail_reader_next(reader, &event) > 0)
            take(&seen, event, true);
    for (int i = 0; i < 1000; i++)
        ocaml_int(&b, 0, 5, i + 1);
    ocaml_item(&b, 0, true, 0, 4, NULL, 0);
    ocaml_custom(&b, 0, 2, "sleep", 5);
    ocaml_int(&b, 0, 1, 1);
    assert_true(read_all(reader, &seen, true));
    evtrail_reader_free(reader);
    const char *const gap = strstr(seen.text, "ocaml.lost"), *const unknown = strstr(
                                                                 seen.text, "@eio.fiber fiber=1 parent=2 state=0");
    (void)unknown;
    assert_non_null(gap);
    assert_non_null(strstr(gap, "@eio.fiber fiber=1 state=0 op=?\n"));
    assert_non_null(strstr(gap, "@eio.cc cc=5 state=0 kind=3\n"));
    assert_non_null(strstr(gap, "eio.exit_cc\neio.suspend_fiber op=sleep\n@eio.fiber fiber=1 state=1 op=?\n"));
    assert_null(strstr(gap, "-eio.cc"));
    ocaml_builder_fini(&b);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

/* By exec a program takes over the file, and sets the cursors to 0: however far it has come when that is noticed, its events have its own names,
 * and what was not read of the one before is lost. */
static void taken_over__by_another_program__its_own_names(void **state)
{
    static const struct {
        int unread, then;
    } cases[] = {{0, 1}, {0, 20}, {0, 40}, {0, 300}, {10, 5}, {10, 20}, {30, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ocaml_builder b;
        struct seen seen = {0};
        struct evtrail_event *event;
        ocaml_builder_init(&b, 8);
        ocaml_name(&b, 0, "first.bytes_in");
        for (int n = 0; n < 20; n++)
            ocaml_int(&b, 0, 0, n);
        ocaml_int(&b, 1, 0, 1);
        struct evtrail_reader *const reader = open_reader(b.path, NULL);
        for (int n = 0; n < 21; n++) {
            assert_true(evtrail_reader_next(reader, &event) > 0);
            take(&seen, event, true);
        }
        for (int n = 0; n < cases[i].unread; n++)
            ocaml_int(&b, 0, 0, n);
        ocaml_take_over(&b);
        ocaml_name(&b, 0, "second.errors");
        for (int n = 0; n < cases[i].then; n++)
            ocaml_int(&b, 0, 0, n);
        ocaml_int(&b, 1, 0, 1);
        assert_true(read_all(reader, &seen, true));
        evtrail_reader_free(reader);
        assert_int_equal(seen.faults, 0);
        assert_int_equal(count_of(seen.text, "first.bytes_in"), 21);
        const unsigned lapped = cases[i].then == 300 ? (unsigned)(ocaml_ring_header(&b, 0)[0] / 3) : 0;
        assert_in_range(count_of(seen.text, "second.errors"), cases[i].then + 1 - lapped, cases[i].then + 1);
        if (!lapped)
            assert_int_equal(seen.lost, cases[i].unread);
        if (!lapped)
            assert_int_equal(seen.lost_words, cases[i].unread * 3);
        ocaml_builder_fini(&b);
    }
}

/* What another domain may have put in the gap is not known to be unresolved; what was seen after it is. */
static void gap__promise_of_another_ring__unknown(void **state)
{
    struct ocaml_builder b;
    struct seen seen = {0};
    struct evtrail_event *event;
    (void)state;
    ocaml_builder_init(&b, 8);
    ocaml_name(&b, 0, "eio.create_obj");
    ocaml_name(&b, 1, "eio.put");
    ocaml_name(&b, 5, "test.int");
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    ocaml_custom_id(&b, 0, 0, 7, "\x0f", 1);
    ocaml_custom_id(&b, 0, 0, 8, "\x0f", 1);
    ocaml_custom_id(&b, 0, 0, 9, "\x10", 1);
    ocaml_int(&b, 0, 1, 8);
    ocaml_int(&b, 1, 5, 0);
    for (int i = 0; i < 4; i++) /* so that it is not at its end yet */
        if (evtrail_reader_next(reader, &event) > 0)
            take(&seen, event, true);
    for (int i = 0; i < 1000; i++)
        ocaml_int(&b, 1, 5, i + 1);
    assert_true(read_all(reader, &seen, true));
    evtrail_reader_free(reader);
    const char *const gap = strstr(seen.text, "ocaml.lost");
    assert_non_null(gap);
    assert_non_null(strstr(gap, "@eio.promise promise=7 state=0\n"));
    assert_null(strstr(gap, "promise=8"));
    assert_null(strstr(gap, "semaphore=9"));
    ocaml_builder_fini(&b);
}

/* More than one chunk tells of: all the same, and before anything that came later. */
static void gap__many_fibers__all_are_unknown(void **state)
{
    enum { FIBERS = 10000 };
    struct ocaml_builder b;
    const uint64_t cc = 2;
    struct seen seen = {0};
    unsigned unknown = 0, calls = 0;
    (void)state;
    ocaml_builder_init(&b, 16);
    name_eio(&b);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    for (unsigned i = 0; i < FIBERS; i++)
        ocaml_custom_id(&b, 0, 0, 10 + i, &cc, 8);
    struct evtrail_event *event;
    while (seen.events < FIBERS && calls++ < CALLS_MAX)
        if (evtrail_reader_next(reader, &event) > 0)
            take(&seen, event, false);
    assert_int_equal(seen.events, FIBERS);
    for (int i = 0; i < 30000; i++)
        ocaml_int(&b, 0, 5, i + 1);
    while (!evtrail_reader_done(reader) && calls++ < CALLS_MAX) {
        struct evtrail_value value;
        if (evtrail_reader_next(reader, &event) <= 0)
            continue;
        take(&seen, event, false);
        if (event->type && strcmp(event->type->name, "eio.fiber") == 0 && evtrail_event_value(event, 2, &value) == 0) {
            assert_int_equal(value.i, 0);
            assert_int_equal(seen.values, 0);
            unknown++;
        }
    }
    assert_int_equal(unknown, FIBERS);
    assert_int_equal(seen.last_value, 30000);
    evtrail_reader_free(reader);
    ocaml_builder_fini(&b);
}

struct writer {
    struct ocaml_builder *b;
    atomic_bool stop;
    int64_t last;
};

static void *write_on(void *argument)
{
    struct writer *const writer = argument;
    while (!atomic_load_explicit(&writer->stop, memory_order_relaxed)) {
        for (int i = 0; i < 64; i++)
            ocaml_int(writer->b, 0, 0, ++writer->last);
        if (writer->last % 4096 == 0)
            sched_yield();
    }
    return NULL;
}

/* Reads words by the ring's own protocol while they are written over, a thousand times: what is read is whole and in order, what is lost is
 * known to the word, nothing is taken for damage. */
static void flood__writer_laps_the_reader__nothing_wrong_is_read(void **state)
{
    static uint64_t words[EVTRAIL_OCAML_COPY_WORDS];
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    struct writer writer = {.b = &b};
    struct evtrail_ocaml_map map;
    struct evtrail_ocaml_ring ring = {0};
    struct evtrail_ocaml_copy copy = {.words = words};
    struct evtrail_fault fault;
    uint64_t read = 0, lost = 0, gaps = 0;
    int64_t last = 0;
    pthread_t thread;
    assert_int_equal(evtrail_ocaml_map_open(&map, b.path, &fault), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
    for (bool ends = false;;) {
        if (!evtrail_ocaml_ring_copy(&ring, &map, &copy)) {
            if (ends)
                break;
            ends = atomic_load(&writer.stop) && pthread_join(thread, NULL) == 0;
            continue;
        }
        assert_false(copy.impossible);
        lost += copy.lost;
        gaps += copy.lost != 0;
        size_t at = 0;
        for (uint32_t length; at < copy.count; at += length) {
            struct evtrail_ocaml_item item;
            const char *why;
            length = evtrail_ocaml_item_take(words + at, copy.count - at, &item, &why);
            assert_int_not_equal(length, 0);
            if (item.padding)
                continue;
            assert_int_equal(length, 3);
            assert_true((int64_t)item.payload[0] > last);
            last = (int64_t)item.payload[0];
        }
        read += at;
        ring.at = copy.at + at;
        if (read > 300000 && (gaps > 20 || read > 4000000))
            atomic_store(&writer.stop, true);
    }
    assert_int_equal(read + lost, b.words[0]);
    assert_int_equal(last, writer.last);
    evtrail_ocaml_map_close(&map);
    ocaml_builder_fini(&b);
}

/* A mapping whose ring may not be read yet: the first word that is copied of it lets the writer go on, so many words, before the copy does. */
static struct {
    struct ocaml_builder *b;
    uint64_t words;
    struct sigaction before;
} stopped;

static void write_while_it_is_copied(int number)
{
    (void)number;
    if (mprotect(stopped.b->data, stopped.b->bytes, PROT_READ | PROT_WRITE) < 0)
        _exit(1);
    for (uint64_t end = stopped.b->words[0] + stopped.words; stopped.b->words[0] < end;)
        ocaml_int(stopped.b, 0, 0, 1);
}

/* The pages of the ring behind that of its header. */
static void stop_reading(struct ocaml_builder *b, uint64_t words)
{
    const struct sigaction action = {.sa_handler = write_while_it_is_copied, .sa_flags = SA_RESETHAND};
    stopped.b = b;
    stopped.words = words;
    assert_int_equal(sigaction(SIGSEGV, &action, &stopped.before), 0);
    assert_int_equal(mprotect((uint8_t *)b->data + 4096, 4096, PROT_NONE), 0);
}

static void head_moves__during_a_copy_of_part_of_a_ring__whole_items(void **state)
{
    static uint64_t words[EVTRAIL_OCAML_COPY_WORDS];
    const uint64_t laps[] = {0, 300, 30000, 131072, 200000, 400000};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(laps) / sizeof(laps[0]); i++) {
        struct ocaml_builder b;
        struct evtrail_ocaml_ring ring = {.at = 0};
        struct evtrail_ocaml_copy copy = {.words = words, .any = i % 2};
        ocaml_builder_init(&b, 17);
        for (int64_t n = 0; n < 60000; n++)
            ocaml_int(&b, 0, 0, n);
        const struct evtrail_ocaml_map map = {.base = (const uint8_t *)b.data,
                                              .bytes = b.bytes,
                                              .domains = OCAML_DOMAINS,
                                              .elements = b.elements,
                                              .headers = 64,
                                              .data = 64 + OCAML_DOMAINS * OCAML_HEADER_BYTES,
                                              .header_stride = OCAML_HEADER_BYTES,
                                              .names = b.names};
        stop_reading(&b, laps[i / 2]);
        uint64_t next = 0, read = 0, turns = 0;
        for (; evtrail_ocaml_ring_copy(&ring, &map, &copy); turns++) {
            struct evtrail_ocaml_item item;
            const char *why;
            size_t at = 0;
            for (uint32_t length; at < copy.count; at += length) {
                length = evtrail_ocaml_item_take(words + at, copy.count - at, &item, &why);
                if (!length && !why && copy.cut)
                    break;
                assert_true(item.padding || length == 3);
            }
            assert_true(copy.cut || at == copy.count);
            assert_false(copy.impossible);
            assert_int_equal(copy.behind, 0);
            assert_int_equal(copy.at, next + copy.lost);
            assert_true(copy.cut || copy.next == copy.at + at);
            read += at;
            ring.at = next = copy.at + at;
        }
        assert_true(turns > 1);
        assert_int_equal(next, b.words[0]);
        assert_true(read >= b.elements - 200);
        sigaction(SIGSEGV, &stopped.before, NULL);
        ocaml_builder_fini(&b);
    }
}

/* Of processes that have ended nothing must stay until the last of them has: here we are the one that lives. */
static void ended__beside_one_that_lives__told_at_once(void **state)
{
    enum { RINGS = 20 };
    struct ocaml_builder own, others[RINGS];
    unsigned came = 0, gone = 0;
    struct evtrail_reader *reader = NULL;
    struct evtrail_event *event;
    (void)state;
    ocaml_builder_init(&own, 8);
    char path[160];
    snprintf(path, sizeof(path), "%s/%d.events", own.directory, (int)getpid());
    assert_int_equal(rename(own.path, path), 0);
    ocaml_runtime_value(&own, 0, LIFECYCLE, 0, (uint64_t)getpid());
    const struct evtrail_reader_options options = {.bytes = sizeof(options), .directory = own.directory};
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    assert_int_equal(evtrail_reader_add_all(reader), 1);
    for (unsigned i = 0; i < RINGS; i++) {
        ocaml_builder_init(&others[i], 8);
        ocaml_int(&others[i], 0, 0, 1);
        char name[160];
        snprintf(name, sizeof(name), "%s/%u.events", own.directory, 4195000 + i);
        assert_int_equal(rename(others[i].path, name), 0);
        snprintf(others[i].path, sizeof(others[i].path), "%s", name);
    }
    for (unsigned turns = 0; turns < 3000 && gone < RINGS; turns++) {
        if (evtrail_reader_next(reader, &event) <= 0) {
            evtrail_reader_wait(reader, 20000);
            continue;
        }
        came += event->what == EVTRAIL_EVENT_SOURCE && !event->source->gone;
        gone += event->what == EVTRAIL_EVENT_SOURCE && event->source->gone;
    }
    assert_int_equal(came, RINGS + 1);
    assert_int_equal(gone, RINGS);
    evtrail_reader_free(reader);
    for (unsigned i = 0; i < RINGS; i++)
        ocaml_builder_fini(&others[i]);
    unlink(path);
    ocaml_builder_fini(&own);
}

/* ---- files that lie ---- */

static void made_just_now__at_every_step__not_yet(void **state)
{
    struct evtrail_ocaml_map map;
    struct evtrail_fault fault;
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    const off_t bytes = (off_t)b.bytes;
    memset(b.data, 0, 64);
    assert_int_equal(evtrail_ocaml_map_open(&map, b.path, &fault), -EAGAIN); /* its header is not written */
    for (unsigned i = 1; i < 8; i++) {                                       /* ... not all of it */
        ocaml_fill_header(&b);
        memset(b.data + i, 0, (8 - i) * sizeof(*b.data));
        assert_int_equal(evtrail_ocaml_map_open(&map, b.path, &fault), -EAGAIN);
    }
    ocaml_fill_header(&b);
    assert_int_equal(evtrail_ocaml_map_open(&map, b.path, &fault), 0);
    evtrail_ocaml_map_close(&map);
    assert_int_equal(truncate(b.path, 0), 0);
    assert_int_equal(evtrail_ocaml_map_open(&map, b.path, &fault), -EAGAIN); /* it is empty */
    assert_int_equal(truncate(b.path, bytes), 0);
    ocaml_builder_fini(&b);
}

static void fill(struct ocaml_builder *b)
{
    const uint64_t cc = 2;
    name_eio(b);
    for (unsigned ring = 0; ring < OCAML_DOMAINS; ring++) {
        ocaml_runtime_value(b, ring, LIFECYCLE, 0, 4711);
        ocaml_custom_id(b, ring, 0, 1, &cc, 8);
        for (int i = 0; i < 30; i++) {
            ocaml_runtime(b, ring, BEGIN, 11);
            ocaml_int(b, ring, 5, i);
            ocaml_custom(b, ring, 2, "sleep", 5);
        }
    }
}

/* Reads what it can of it, to an end. */
static void read_through(const char *path)
{
    const struct evtrail_reader_options options = {.bytes = sizeof(options)};
    struct evtrail_reader *reader = NULL;
    struct seen seen = {0};
    assert_int_equal(evtrail_reader_new(&reader, &options), 0);
    if (evtrail_reader_add_path(reader, path) == 0)
        assert_true(read_all(reader, &seen, false));
    else
        assert_true(strlen(evtrail_reader_error(reader)) > 10);
    evtrail_reader_free(reader);
}

static void lies__in_every_word__read_to_an_end(void **state)
{
    static const uint64_t lies[] = {0,
                                    1,
                                    2,
                                    3,
                                    7,
                                    63,
                                    64,
                                    255,
                                    257,
                                    4097,
                                    1 << 20,
                                    UINT64_C(1) << 31,
                                    UINT64_C(1) << 53,
                                    UINT64_C(1) << 61,
                                    INT64_MAX,
                                    UINT64_C(1) << 63,
                                    UINT64_MAX - 7,
                                    UINT64_MAX};
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    fill(&b);
    const size_t words = (64 + OCAML_DOMAINS * OCAML_HEADER_BYTES) / 8;
    uint64_t *const ring = ocaml_ring_data(&b, 0);
    for (size_t i = 0; i < words + 12; i++) {
        uint64_t *const word = i < words ? b.data + i : ring + (i - words);
        const uint64_t was = *word;
        if (i >= 8 && i < words && (i - 8) % 10 > 1) /* padding of ring headers */
            continue;
        for (size_t j = 0; j < sizeof(lies) / sizeof(*lies); j++) {
            *word = lies[j];
            read_through(b.path);
        }
        *word = was;
    }
    ocaml_builder_fini(&b);
}

/* A file of holes that says that it is full: on tmpfs each page of a hole that is looked at in a mapping becomes memory. */
static void holes__where_rings_should_be__stay_holes(void **state)
{
    enum { DOMAINS = 4096, WORDS = 4096 };
    const uint64_t data = 64 + DOMAINS * 80, names = data + (uint64_t)DOMAINS * WORDS * 8;
    const uint64_t header[8] = {1, DOMAINS, 80, WORDS * 8, WORDS, 64, data, names};
    struct ocaml_builder b;
    struct seen seen = {0};
    struct stat before, after;
    (void)state;
    ocaml_builder_init(&b, 8);
    const int fd = open(b.path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)(names + OCAML_NAMES_BYTES)), 0);
    assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
    for (unsigned i = 0; i < DOMAINS; i++) {
        const uint64_t cursors[2] = {0, i % 2 ? WORDS - 1 : UINT64_MAX - WORDS / 2};
        assert_int_equal(pwrite(fd, cursors, sizeof(cursors), 64 + 80 * (off_t)i), sizeof(cursors));
    }
    fstat(fd, &before);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    assert_true(read_all(reader, &seen, false));
    evtrail_reader_free(reader);
    fstat(fd, &after);
    assert_true(after.st_blocks <= before.st_blocks + 64);
    assert_true(seen.faults > 0);
    assert_true(seen.lost > 0 && seen.lost <= (uint64_t)DOMAINS * WORDS);
    close(fd);
    ocaml_builder_fini(&b);
}

/* A writer that says to have come further than any can is damaged, and loses nothing that anybody wrote. */
static void leaps__of_a_ring_that_is_read__damage(void **state)
{
    struct ocaml_builder b;
    struct seen seen = {0};
    struct evtrail_event *event;
    (void)state;
    ocaml_builder_init(&b, 8);
    ocaml_name(&b, 0, "test.int");
    ocaml_int(&b, 0, 0, 1);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    assert_true(evtrail_reader_next(reader, &event) > 0);
    ocaml_ring_header(&b, 0)[1] = (UINT64_C(1) << 50) + 3;
    ocaml_ring_header(&b, 0)[0] = UINT64_C(1) << 50;
    assert_true(read_all(reader, &seen, false));
    evtrail_reader_free(reader);
    assert_int_equal(seen.faults, 1);
    assert_int_equal(seen.lost, 0);
    ocaml_builder_fini(&b);
}

static void lengths__of_every_item__read_to_an_end(void **state)
{
    struct ocaml_builder b;
    (void)state;
    ocaml_builder_init(&b, 8);
    fill(&b);
    uint64_t *const ring = ocaml_ring_data(&b, 0);
    for (uint64_t length = 0; length < 1024; length += length < 20 ? 1 : 111)
        for (uint64_t type = 0; type < 16; type += 3)
            for (uint64_t user = 0; user < 2; user++) {
                const uint64_t was = ring[3];
                ring[3] = length << 54 | user << 53 | type << 49 | UINT64_C(0x1fff) << 36;
                read_through(b.path);
                ring[3] = was;
            }
    ocaml_builder_fini(&b);
}

static void truncated__while_it_is_read__told(void **state)
{
    struct ocaml_builder b;
    struct seen seen = {0};
    (void)state;
    ocaml_builder_init(&b, 12);
    fill(&b);
    struct evtrail_reader *const reader = open_reader(b.path, NULL);
    assert_int_equal(truncate(b.path, 64), 0);
    assert_true(read_all(reader, &seen, false));
    evtrail_reader_free(reader);
    munmap(b.data, b.bytes);
    unlink(b.path);
    rmdir(b.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items__of_every_kind__events),
        cmocka_unit_test(libraries__lwt_and_trace__decoded),
        cmocka_unit_test(libraries__payloads_otherwise__shown_as_they_are),
        cmocka_unit_test(libraries__more_names_than_types__shared_one),
        cmocka_unit_test(c_events__fields_named_in_the_table__decoded),
        cmocka_unit_test(c_events__names_that_lie__read_to_an_end),
        cmocka_unit_test(spans__of_runtime_and_program_overlap__each_ends_itself),
        cmocka_unit_test(gap__context_is_made__of_nobody_until_a_fiber_is_seen),
        cmocka_unit_test(eio__object_of_a_later_ring__state_after_its_use),
        cmocka_unit_test(eio__more_objects_than_there_is_room__fibers_are_kept),
        cmocka_unit_test(eio__exit_of_what_is_no_fiber__its_own_event_alone),
        cmocka_unit_test(no_names__ocaml_5_0__read_by_numbers),
        cmocka_unit_test(versions__minor_in_its_place__table_found),
        cmocka_unit_test(versions__tables__numbers_where_they_were),
        cmocka_unit_test(versions__in_executables__found),
        cmocka_unit_test(lapped__before_it_is_read__loss_in_its_place),
        cmocka_unit_test(lapped__before_it_is_read__events_by_the_items_that_are_left),
        cmocka_unit_test(gap__fiber_was_running__unknown_until_seen_again),
        cmocka_unit_test(gap__many_fibers__all_are_unknown),
        cmocka_unit_test(taken_over__by_another_program__its_own_names),
        cmocka_unit_test(gap__promise_of_another_ring__unknown),
        cmocka_unit_test(flood__writer_laps_the_reader__nothing_wrong_is_read),
        cmocka_unit_test(head_moves__during_a_copy_of_part_of_a_ring__whole_items),
        cmocka_unit_test(made_just_now__at_every_step__not_yet),
        cmocka_unit_test(ended__beside_one_that_lives__told_at_once),
        cmocka_unit_test(lies__in_every_word__read_to_an_end),
        cmocka_unit_test(holes__where_rings_should_be__stay_holes),
        cmocka_unit_test(leaps__of_a_ring_that_is_read__damage),
        cmocka_unit_test(lengths__of_every_item__read_to_an_end),
        cmocka_unit_test(truncated__while_it_is_read__told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
