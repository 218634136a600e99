/* SPDX-License-Identifier: ISC
 *
 * evtrail convert: what its formats share. A format is a row of the table in formats.c and a file of its own.
 */
#ifndef EVTRAIL_CONVERT_H
#define EVTRAIL_CONVERT_H

#include "../skeleton.h"
#include "scratch.h"

struct convert;

/* All but `event` may be NULL. They return 0 or a negative errno. */
struct convert_format {
    const char *name;
    const char *suffixes; /* of files that are meant to be this, each with a space behind it */
    bool binary;          /* not for a terminal */
    bool directory;       /* writes a directory, or what else is not one file */
    bool network;         /* ... --endpoint */
    bool parts;           /* may be cut into parts: --split-size */
    bool durations;       /* wants event->duration */
    int (*open)(struct convert *convert);
    int (*begin)(struct convert *convert); /* a file, or another part */
    int (*event)(struct convert *convert, const struct evtrail_event *event);
    int (*end)(struct convert *convert); /* of the file or part */
    int (*flush)(struct convert *convert); /* live: nothing to read for now */
    void (*free)(struct convert *convert);
};
extern const struct convert_format *const convert_formats[]; /* ended by NULL */
/* By its name, or by what a file of this name is meant to be. NULL: none. */
const struct convert_format *convert_format_named(const char *name);
const struct convert_format *convert_format_of(const char *path);

struct convert {
    struct sink sink; /* first */
    const struct args *args;
    struct consumer *consumer;
    const struct convert_format *format;
    void *state; /* the format's */
    struct scratch line; /* what goes out next */
    struct scratch cell; /* a part of it, for formats that make it apart */
    struct output out;
    const char *path; /* NULL: standard output */
    char part_path[4096];
    uint64_t part_bytes; /* written to this part, buffered or not */
    uint64_t part_size;  /* 0: no parts */
    uint32_t part;       /* from 1 */
    bool last;           /* this part is the last one */
    bool opened;         /* `out` is in use */
    int64_t time;        /* of the last event */
    uint64_t events, lost, bytes;
    int error;     /* that ended the run */
    char why[256]; /* in more words; "": strerror() says it */
    /* what the format could not carry */
    uint64_t replaced;   /* bytes of strings that are no UTF-8 */
    uint64_t held_back;  /* spans that began while too many were open */
    uint64_t orphans;    /* ends of spans whose begin was not seen */
    uint64_t unfinished; /* spans that never ended */
    uint64_t dropped;    /* events that it has no place for */
    uint64_t shifted;    /* events put later, because time may not go back in a stream */
};

int convert_write(struct convert *convert, const void *bytes, size_t count);
/* Writes what is in `line`, and empties it. */
int convert_line(struct convert *convert);

/* ---- values as JSON, for all formats of text ------------------------------------------------------------------------- */

enum {
    JSON_WIDE_AS_TEXT = 1, /* integers beyond 2^53 as strings, for readers that keep numbers as doubles */
};
/* `"name":value` of all fields from the one with this index on, each but the first after a comma (with `comma`: the first, too). Fields
 * that were cut off are left out. Returns whether there were any. */
bool json_fields(struct scratch *scratch, const struct evtrail_event *event, unsigned first, bool comma,
                 unsigned flags);
void json_value(struct scratch *scratch, const struct evtrail_value *value, const struct evtrail_field *field,
                unsigned flags);
/* [1,2,...]: the payload of an event that is not in the schema. */
void json_words(struct scratch *scratch, const struct evtrail_event *event, unsigned flags);
/* "key":"value",...: the labels in force. False: none. */
bool json_labels(struct scratch *scratch, const struct evtrail_event *event);
/* A code address as a JSON string: a function's name where it is known. */
void json_address(struct scratch *scratch, const struct evtrail_event *event, uint64_t address);

/* event->meta's bits (docs/file-format.md, record META). */
enum { META_cut = 1, META_cpu = 2, META_caller = 4, META_stack = 8, META_signal = 16 };

/* ---- formats ---------------------------------------------------------------------------------------------------------- */

#define CONVERT_FORMATS(X) X(jsonl) X(csv) X(chrome) X(perfetto) X(ctf) X(folded) X(otlp)
#define X(name) extern const struct convert_format format_##name;
CONVERT_FORMATS(X)
#undef X

#endif /* EVTRAIL_CONVERT_H */
