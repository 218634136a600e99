/* SPDX-License-Identifier: ISC
 *
 * Writes a trace file that holds, in a few events, all that a trace can hold: every field type at its ends, strings of any bytes, spans that
 * cross threads or never end, context, losses, types that the schema lacks, two processes with one pid. Always the same bytes.
 *
 *     make_trace FILE
 */
#include <evtrail/file.h>
#include <evtrail/trace.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

#define START_TICKS UINT64_C(1000000000000)
#define START_NS UINT64_C(1700000000000000000) /* 2023-11-14T22:13:20Z */
#define FIELD(n, t) \
    { \
        .name = #n, .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_##t \
    }
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct evtrail_field all_fields[] = {
    FIELD(flag, bool),
    FIELD(i8, i8),
    FIELD(i16, i16),
    FIELD(i32, i32),
    FIELD(i64, i64),
    FIELD(u8, u8),
    FIELD(u16, u16),
    FIELD(u32, u32),
    FIELD(u64, u64),
    FIELD(x8, x8),
    FIELD(x16, x16),
    FIELD(x32, x32),
    FIELD(x64, x64),
    FIELD(f32, f32),
    FIELD(f64, f64),
    FIELD(address, pointer),
    FIELD(text, string),
    FIELD(blob, bytes),
    {.name = "state",
     .unit = "",
     .doc = "",
     .enums = "0=idle,1=half open,-1=gone \"for good\",7=idle",
     .type = EVTRAIL_TYPE_enum},
};
static const struct evtrail_field text_fields[] = {FIELD(text, string)};
static const struct evtrail_field odd_fields[] = {
    {.name = "conn->port[0]", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u16},
    {.name = "conn.port[0]", .unit = "ns", .doc = "", .enums = "", .type = EVTRAIL_TYPE_u16},
    {.name = "struct", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_i32},
    {.name = "\"a,b\"\n", .unit = "", .doc = "", .enums = "no,0,=,5=", .type = EVTRAIL_TYPE_enum},
    {.name = "", .unit = "", .doc = "", .enums = "", .type = EVTRAIL_TYPE_bool},
};
static const struct evtrail_field begin_fields[] = {FIELD(span, u64), FIELD(parent, u64), FIELD(host, string)};
static const struct evtrail_field end_fields[] = {FIELD(span, u64), FIELD(ok, bool)};
static const struct evtrail_field counter_fields[] = {
    {.name = "queued", .unit = "jobs", .doc = "", .enums = "", .type = EVTRAIL_TYPE_i32}, FIELD(host, string)};
static const struct evtrail_field ratio_fields[] = {FIELD(value, f64)};
static const struct evtrail_field state_fields[] = {FIELD(id, u64), FIELD(parent, u64), FIELD(state, string)};
static const struct evtrail_field name_fields[] = {FIELD(id, u64), FIELD(name, string)};
static const struct evtrail_field id_fields[] = {FIELD(id, u64)};

enum {
    ALL = 16,
    TEXT,
    ODD,
    EMPTY,
    BEGIN,
    END,
    QUEUE,
    RATIO,
    STATE,
    NAME,
    GONE,
    FLOW,
    INNER_BEGIN,
    INNER_END,
    TYPES_END
};
#define TYPE(i, n, k, l, f) \
    [i] = {.id = i, \
           .line = 10 + i, \
           .level = EVTRAIL_LEVEL_##l, \
           .kind = EVTRAIL_KIND_##k, \
           .fields_count = COUNT(f), \
           .name = n, \
           .doc = "", \
           .file = "make.c", \
           .function = "f", \
           .fields = f}
static const struct evtrail_event_type types[TYPES_END] = {
    TYPE(ALL, "t.all", instant, info, all_fields),
    TYPE(TEXT, "t.text", instant, debug, text_fields),
    TYPE(ODD, "odd \"</script>\" \xff\n,name", instant, critical, odd_fields),
    [EMPTY] = {.id = EMPTY,
               .level = EVTRAIL_LEVEL_trace,
               .name = "empty",
               .doc = "",
               .file = "",
               .function = "",
               .fields = id_fields},
    TYPE(BEGIN, "t.request", begin, info, begin_fields),
    TYPE(END, "t.request", end, info, end_fields),
    TYPE(QUEUE, "t.queue", counter, info, counter_fields),
    TYPE(RATIO, "t.ratio", counter, info, ratio_fields),
    TYPE(STATE, "t.conn", state, info, state_fields),
    TYPE(NAME, "t.conn", name, info, name_fields),
    TYPE(GONE, "t.conn", gone, info, id_fields),
    TYPE(FLOW, "t.flow", flow, info, id_fields),
    TYPE(INNER_BEGIN, "t.query", begin, debug, begin_fields),
    TYPE(INNER_END, "t.query", end, warning, end_fields),
};
static const struct evtrail_event_type *by_id[TYPES_END];

/* ---- records ----------------------------------------------------------------------------------------------------------- */

static uint64_t words[20000];
static uint64_t payload[1000];
static uint32_t used; /* of payload */
static struct evtrail_chunk chunk;

static void word(uint64_t value)
{
    payload[used++] = value;
}

static void memory(const void *bytes, size_t count)
{
    payload[used + 1 + count / 8] = 0;
    payload[used] = count;
    memcpy(&payload[used + 1], bytes, count);
    used += 1 + (uint32_t)((count + 7) / 8);
}

static void text(const char *string)
{
    memory(string, strlen(string));
}

static void real(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    word(bits);
}

static void real_small(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    word(bits);
}

/* What was put since the last record is the payload of one; `at` is in us since the start. */
static void record(uint32_t id, double at)
{
    const uint64_t ticks = START_TICKS + (uint64_t)llround(at * 1000);
    if (chunk.words_count == 0)
        chunk.first_ticks = chunk.state.reference_ticks = ticks;
    words[chunk.words_count++] = ticks << 20 | (uint64_t)id << 6 | (used > 62 ? 63 : used);
    if (used > 62)
        words[chunk.words_count++] = used;
    memcpy(&words[chunk.words_count], payload, used * sizeof *words);
    chunk.words_count += used;
    chunk.events += id >= EVTRAIL_EVENT_FIRST;
    chunk.last_ticks = ticks;
    used = 0;
}

static void meta(uint64_t flags, double at)
{
    word(flags);
    if (flags & EVTRAIL_META_CPU)
        word(3);
    if (flags & EVTRAIL_META_CALLER)
        word(0x401234);
    if (flags & EVTRAIL_META_STACK) {
        word(2);
        word(0x401234);
        word(0x402000);
    }
    record(EVTRAIL_RECORD_META, at);
}

static void chunk_begin(struct evtrail_source *source, uint32_t ring, const char *thread)
{
    static uint64_t before[16];
    static uint32_t last;
    before[last] += chunk.events;
    last = ring + (source->parent_pid == 1 ? 0 : 8);
    chunk = (struct evtrail_chunk){.source = source, .ring = ring, .words = words, .events_before = before[last]};
    chunk.state.tid = 100 + ring;
    strcpy(chunk.state.thread_name, thread);
}

static void chunk_end(struct evtrail_file *file)
{
    if (evtrail_file_write_chunk(file, &chunk) < 0)
        abort();
    evtrail_file_flush(file);
}

/* ---- what is in it ------------------------------------------------------------------------------------------------------ */

static void all_types(int low, double at)
{
    const double inf = HUGE_VAL;
    word(!low);
    word(low ? (uint64_t)INT8_MIN : INT8_MAX);
    word(low ? (uint64_t)INT16_MIN : INT16_MAX);
    word(low ? (uint64_t)INT32_MIN : INT32_MAX);
    word(low ? (uint64_t)INT64_MIN : INT64_MAX);
    const uint64_t unsigned_ends[] = {UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};
    for (unsigned i = 0; i < 8; i++)
        word(low ? 0 : unsigned_ends[i % 4]);
    real_small(low ? -1.5f : 0.1f);
    real(low ? -inf : 1e300);
    word(low ? 0 : UINT64_C(0x7ffdeadbeef0));
    text(low ? "" : "caf\xc3\xa9 \"quoted\", back\\slash\tand\nline");
    memory("\x00\x01\xfe\xff", low ? 0 : 4);
    word(low ? (uint64_t)-1 : 1);
    record(ALL, at);
}

static void strings(void)
{
    memory("a\0b", 3);
    record(TEXT, 3);
    memory("\xff\xfe\xc0\x80 \xed\xa0\x80 \xf0\x9f\x98\x80 \x1b[31m", 20);
    record(TEXT, 4);
    word(EVTRAIL_NULL);
    record(TEXT, 5);
    text("=cmd|' /C calc'!A0"); /* what a spreadsheet would take for a formula */
    record(TEXT, 6);
    for (unsigned i = 0; i < 3; i++)
        word(UINT64_C(1) << 53);
    word(9);
    word(1);
    record(ODD, 7);
    record(EMPTY, 8);
    word(7);
    word(UINT64_MAX);
    record(900, 9); /* not in the schema */
    meta(EVTRAIL_META_CUT, 10);
    memory("cut he", 6);
    record(TEXT, 10);
    meta(EVTRAIL_META_CUT, 11);
    word(1);
    word(5);
    record(ALL, 11); /* most fields are missing */
    word(0);
    text("request");
    text("r-\"17\"");
    record(EVTRAIL_RECORD_LABEL, 12);
    meta(EVTRAIL_META_CPU | EVTRAIL_META_CALLER | EVTRAIL_META_STACK | EVTRAIL_META_SIGNAL, 12);
    text("with context");
    record(TEXT, 12);
    real(NAN);
    record(RATIO, 13);
    real(0.25);
    record(RATIO, 14);
    word(0);
    text("request");
    word(EVTRAIL_NULL);
    record(EVTRAIL_RECORD_LABEL, 15);
}

static void span_begin(uint32_t id, uint64_t span, uint64_t parent, const char *host, double at)
{
    word(span);
    word(parent);
    text(host);
    record(id, at);
}

static void span_end(uint32_t id, uint64_t span, int ok, double at)
{
    word(span);
    word((uint64_t)ok);
    record(id, at);
}

static void spans(void)
{
    span_begin(BEGIN, 1, 0, "a.example", 20);
    span_begin(INNER_BEGIN, 2, 1, "", 20); /* at the same moment */
    span_end(INNER_END, 2, 1, 21);
    span_begin(INNER_BEGIN, 3, 1, "b", 22.125);
    span_begin(INNER_BEGIN, 4, 1, "crosses", 23);
    span_end(INNER_END, 3, 0, 24);
    word(UINT64_C(1) << 60);
    record(FLOW, 24.5);
    span_end(INNER_END, 4, 1, 25);
    span_end(END, 1, 1, 30);
    span_begin(BEGIN, 5, 0, "ends in another thread", 31);
    span_begin(BEGIN, 6, 0, "never ends", 32);
    span_end(END, 77, 1, 33); /* never began */
}

static void kinds(void)
{
    for (unsigned i = 0; i < 3; i++) {
        word((uint64_t)(int64_t)(5 - 3 * (int)i));
        text(i == 1 ? "b" : "a");
        record(QUEUE, 40 + i);
    }
    const char *const states[] = {"opening", "idle"};
    for (unsigned i = 0; i < 2; i++) {
        word(8);
        word(0);
        text(states[i]);
        record(STATE, 45 + i);
    }
    word(8);
    text("example.org:443");
    record(NAME, 47);
    word(8);
    record(GONE, 48);
}

static void losses(struct evtrail_file *file, struct evtrail_source *source)
{
    const uint64_t lost[EVTRAIL_CAUSES] = {5, 0, 1};
    chunk_begin(source, 1, "worker");
    text("before");
    record(TEXT, 50);
    for (unsigned i = 0; i < EVTRAIL_CAUSES; i++)
        word(lost[i]);
    record(EVTRAIL_RECORD_LOST, 52);
    span_end(END, 5, 1, 53);
    word(UINT64_C(1) << 60);
    record(FLOW, 53.5);
    chunk_end(file);
    chunk_begin(source, 2, "late");
    chunk.missed = 4; /* overwritten before anybody came */
    chunk.events_before = 4;
    text("after");
    record(TEXT, 54);
    chunk_end(file);
}

static void sources_init(struct evtrail_source sources[2])
{
    for (unsigned i = ALL; i < TYPES_END; i++)
        by_id[i] = &types[i];
    for (unsigned i = 0; i < 2; i++) {
        sources[i] = (struct evtrail_source){.session_id = UINT64_C(0xabcdef0000000000) + i,
                                             .pid = 42,
                                             .uid = 7,
                                             .parent_pid = 1 + i,
                                             .start_realtime_ns = START_NS,
                                             .command = i ? "second \"one\"" : "first",
                                             .program = "/usr/bin/first",
                                             .host = i ? "there" : "here",
                                             .boot_id = "b00t",
                                             .types = by_id,
                                             .types_count = TYPES_END};
        sources[i].clock =
            (struct evtrail_clock){.kind = 1,
                                   .first = {START_TICKS, START_TICKS, START_NS},
                                   .last = {START_TICKS + 1000000000, START_TICKS + 1000000000, START_NS + 1000000000}};
    }
}

int main(int argc, char **argv)
{
    const struct evtrail_file_options options = {
        .bytes = sizeof options, .force = true, .now_ns = (int64_t)START_NS, .file_id = 77, .flush_ns = -1};
    static struct evtrail_source sources[2];
    struct evtrail_file *file;
    if (argc != 2 || evtrail_file_create(&file, argv[1], &options) < 0)
        return 2;
    sources_init(sources);
    chunk_begin(&sources[0], 0, "main");
    all_types(1, 1);
    all_types(0, 2);
    strings();
    spans();
    kinds();
    chunk_end(file);
    losses(file, &sources[0]);
    chunk_begin(&sources[1], 0, "main");
    text("another process of that pid");
    record(TEXT, 5.5);
    text("much later");
    record(TEXT, 9e6); /* 9 s: more than 32 bits of ns */
    chunk_end(file);
    evtrail_file_source_gone(file, &sources[0]);
    return evtrail_file_close(file, NULL) < 0;
}
