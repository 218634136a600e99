/* SPDX-License-Identifier: ISC
 *
 * The metadata of a CTF 1.8 trace (TSDL, diamon.org/ctf/v1.8.3): types, the clock, streams and events. Untrusted: everything is bounded,
 * and what is not understood is an error with its line.
 */
#ifndef EVTRAIL_IMPORT_TSDL_H
#define EVTRAIL_IMPORT_TSDL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tsdl_kind { TSDL_integer, TSDL_float, TSDL_string, TSDL_enum, TSDL_struct, TSDL_variant, TSDL_array, TSDL_sequence };
enum { TSDL_BUCKETS = 256 };

struct tsdl_type;
struct tsdl_field {
    struct tsdl_field *next;
    const char *name; /* as written, with the underscore that may stand in front */
    const struct tsdl_type *type;
};
struct tsdl_enumerator {
    struct tsdl_enumerator *next;
    const char *name;
    int64_t first, last;
};
struct tsdl_type {
    uint8_t kind; /* enum tsdl_kind */
    bool is_signed;
    bool text;   /* integers: characters */
    bool clock;  /* a time stamp */
    bool swap;   /* big endian */
    uint8_t base;
    uint32_t size;  /* bits, of numbers */
    uint32_t align; /* bits */
    const struct tsdl_type *of; /* container of an enum, element of arrays and sequences */
    uint64_t length;            /* of an array */
    const char *ref;            /* name of a variant's tag, of a sequence's length */
    struct tsdl_field *fields;  /* of structs and variants */
    struct tsdl_enumerator *enumerators;
};
struct tsdl_event {
    struct tsdl_event *next; /* in its stream class */
    struct tsdl_event *same; /* in its bucket there */
    uint64_t id, stream_id;
    const char *name;
    int64_t loglevel; /* -1: not said */
    const struct tsdl_type *context, *fields; /* may be NULL */
    void *owner;                              /* the reader's own */
};
struct tsdl_stream {
    struct tsdl_stream *next;
    uint64_t id;
    const struct tsdl_type *packet_context, *event_header, *event_context; /* may be NULL */
    struct tsdl_event *events;
    struct tsdl_event *by_id[TSDL_BUCKETS]; /* by the low bits of the id, the last that was defined first */
};
struct tsdl_env {
    struct tsdl_env *next;
    const char *name;
    const char *text; /* NULL: a number */
    int64_t number;
};
struct tsdl_trace {
    const struct tsdl_type *packet_header; /* may be NULL */
    struct tsdl_stream *streams;
    struct tsdl_env *env;
    uint64_t clock_hz, clock_offset;
    int64_t clock_offset_s;
    struct tsdl_arena *arena;
};

/* Parses text of `count` bytes. 0, -ENOMEM, or -EBADMSG and why in `why` ("line 12: ..."). tsdl_free() in any case. */
int tsdl_parse(struct tsdl_trace *trace, const char *text, size_t count, char *why, size_t why_size);
void tsdl_free(struct tsdl_trace *trace);
const struct tsdl_env *tsdl_env(const struct tsdl_trace *trace, const char *name);
/* The name without the underscore that keeps it from being a keyword. */
const char *tsdl_name(const char *name);

#endif /* EVTRAIL_IMPORT_TSDL_H */
