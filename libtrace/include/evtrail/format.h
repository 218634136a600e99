/* SPDX-License-Identifier: ISC
 *
 * Events as text and as JSON, and the quantities that people type. Link with libevtrail-reader.
 *
 *     char line[65536];
 *     size_t bytes = evtrail_format_text(event, NULL, line, sizeof(line));
 *     fwrite(line, 1, bytes < sizeof(line) ? bytes : sizeof(line), stdout);
 *
 * What a trace says of itself (names, strings, units) is untrusted: no control byte of it reaches the output, and JSON is valid UTF-8
 * whatever the strings hold. Functions that write text return the bytes that the whole text takes and write what fits, with no NUL; if
 * that is more than `size`, call again with more room. None allocates, locks or depends on the C locale.
 */
#ifndef EVTRAIL_FORMAT_H
#define EVTRAIL_FORMAT_H

#include <evtrail/reader.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum evtrail_time_style {
    EVTRAIL_TIME_local = 0,    /* 2026-11-21T11:00:00.123456789+01:00 */
    EVTRAIL_TIME_utc = 1,      /* 2026-11-21T10:00:00.123456789Z */
    EVTRAIL_TIME_clock = 2,    /* 11:00:00.123456789, local */
    EVTRAIL_TIME_relative = 3, /* +12.345678901: seconds since options->time_base */
    EVTRAIL_TIME_delta = 4, /* +1.234us: since options->time_base, which the caller moves to the event shown before */
    EVTRAIL_TIME_epoch = 5, /* 1795255200123456789: ns since 1970 */
    EVTRAIL_TIME_none = 6,
};

struct evtrail_format_options {
    size_t bytes;  /* sizeof(struct evtrail_format_options): of one that is shorter only so much is read; 0: all */
    uint32_t time; /* enum evtrail_time_style; text only, JSON has UTC and ns */
    uint32_t string_max; /* strings and byte arrays are cut to so many bytes in text; 0: as they are */
    int64_t time_base;
    bool process;    /* text: the process before the thread, for several sources */
    bool human;      /* text: 1.234ms and 1.5KiB for fields whose unit is known, other units appended */
    bool color;      /* text: SGR sequences for a terminal */
    bool no_context; /* text: leave out labels, CPU, caller and stack */
    bool symbols;    /* callers and stacks as function+offset (evtrail_symbol_name()) where they are found */
    bool lines;      /* ... with file and line, where addr2line is installed */
    bool host;       /* the host before the process; JSON: a member `host` behind `ns` */
};

/* One event on one line, '\n' included (options NULL: all 0):
 *     TIME THREAD:TID LEVEL  > pool.conn.open id=7 parent=0 host="a" port=443
 *     TIME THREAD:TID LEVEL  < pool.conn.open id=7 dur=2.125ms
 * The mark before the name says the kind: '>' span begin, '<' span end, '=' counter, '@' entity state or name, '-' entity gone, '~' flow, none
 * for an instant. `dur` is event->duration. Strings are quoted, with \n, \t, \", \\ and \xHH for what is not printable UTF-8; byte arrays are
 * <hex>, NULL is (null), `...` follows what was cut, enum values have their names. Context comes last: cpu=, caller=,
 * stack=[...], label.KEY="...", and (cut) where the writer had to shorten the event. Loss and sources:
 *     TIME THREAD:TID *** lost 1,234 events (overwritten) in 3.2ms ***
 *     TIME *** redis-server:1234 joined ***
 *     TIME *** web1/redis-server:1234 joined; its clock was 3.2ms ahead, +- 120us ***
 * About 150 ns for four fields. */
size_t evtrail_format_text(const struct evtrail_event *event, const struct evtrail_format_options *options,
                           char *buffer, size_t size);

/* One event as one JSON object and '\n'. Of `options` only `symbols` and `host` count. Members: time (UTC), ns, pid, process, tid, thread, level, kind, name, id
 * (where the schema lacks the type, with `words`), fields {}, and where there are: dur (ns), cpu, caller, stack [],
 * labels {}, cut (true: the process had to shorten the event; what string_max cuts is text only).
 * Loss: {"time","ns","pid","process","tid","thread","lost":1234,"cause":"overwritten","since_ns":...};
 * sources: {"time","ns","pid","process","source":"joined"|"ended"}, and where the clock was corrected "clock_ahead_ns" and "clock_bound_ns".
 * Integers are numbers with all their digits, also beyond 2^53: read them with a parser that keeps 64 bits. Pointers and code addresses are
 * strings "0x...", byte arrays are strings of hex digits, NULL, NaN and infinities are null, what is not UTF-8 in a string becomes
 * U+FFFD, enum values with a name are that name, and a field that was cut off altogether is left out. */
size_t evtrail_format_json(const struct evtrail_event *event, const struct evtrail_format_options *options,
                           char *buffer, size_t size);

/* Parts of the above. */
size_t evtrail_format_time(int64_t time_ns, uint32_t style, int64_t time_base, char *buffer, size_t size);
size_t evtrail_format_value(const struct evtrail_value *value, const struct evtrail_field *field, bool human,
                            char *buffer, size_t size);
/* "1.234ms", "1h2m", "-3ns"; "1.5KiB"; "1,234". */
size_t evtrail_format_duration(int64_t ns, char *buffer, size_t size);
size_t evtrail_format_size(uint64_t bytes, char *buffer, size_t size);
size_t evtrail_format_count(uint64_t count, char *buffer, size_t size);
/* Untrusted text for a terminal, escaped as strings are, without the quotes; and as a JSON string, with them. */
size_t evtrail_format_escaped(const char *text, size_t bytes, char *buffer, size_t size);
size_t evtrail_format_json_string(const char *text, size_t bytes, char *buffer, size_t size);

/* "critical" .. "trace", "?" otherwise; "instant", "begin", "end", "counter", "state", "name", "gone", "flow", "?"; "bool", "i8", ... "?". */
const char *evtrail_level_name(unsigned level);
const char *evtrail_kind_name(unsigned kind);
const char *evtrail_field_type_name(unsigned type);
/* The name of a value in "0=idle,1=open", with its length; NULL if it has none. */
const char *evtrail_enum_name(const char *enums, int64_t value, size_t *ret_bytes);
/* The value of a name there: 0 or -ENOENT. */
int evtrail_enum_value(const char *enums, const char *name, size_t bytes, int64_t *ret_value);

/* ---- quantities that people type ------------------------------------------------------------------------------- */

/* All return 0, -EINVAL (not such a thing) or -ERANGE (does not fit). */

/* "65536", "64K", "64KiB", "1.5M", "2G", "1TiB", "10B": K is 1024 in all of them. */
int evtrail_parse_size(const char *text, uint64_t *ret_bytes);
/* "250ns", "3us", "2.5ms", "10s", "5m", "1h30m", "2d"; "0". A bare number other than 0 has no unit: -EINVAL. */
int evtrail_parse_duration(const char *text, int64_t *ret_ns);
/* A moment, as ns since 1970: "2026-11-21 10:00:00.5" (or T between), with Z or +01:00 behind it, else local; "2026-11-21"; "10:00" or "10:00:00.25",
 * today; "@1795255200.5", seconds since 1970; "now"; "-5m" and "+5m", from now_ns. */
int evtrail_parse_time(const char *text, int64_t now_ns, int64_t *ret_time_ns);

/* ---- code addresses --------------------------------------------------------------------------------------------- */

/* Writes "function+0x1f" for a code address of the source, or "function+0x1f (file.c:12)" with `lines`, or "libx.so+0x1234" where there is no
 * symbol, or "0x7f0012345678" where no module holds it. The files that the source's modules name are read if their build id is the
 * one recorded; line numbers come from running addr2line, if it is installed. Results are cached. Not thread-safe for one source.
 * Cost: the first address of a module reads its symbol table (some ms) and, with `lines`, each new address costs a query of a
 * running addr2line. */
size_t evtrail_symbol_name(const struct evtrail_source *source, uint64_t address, bool lines, char *buffer,
                           size_t size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* EVTRAIL_FORMAT_H */
