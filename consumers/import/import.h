/* SPDX-License-Identifier: ISC
 *
 * evtrail import: what its files share. Traces of others become event types, sources and chunks of our own.
 */
#ifndef EVTRAIL_IMPORT_H
#define EVTRAIL_IMPORT_H

#include "ctf_bits.h"

#include <evtrail/file.h>

struct import_ring;
struct import_process {
    struct import_process *next;
    struct evtrail_source source;
    char command[32];
};
/* One CTF trace. */
struct import_trace {
    struct import_trace *next;
    struct tsdl_trace tsdl;
    const char *path;
    const struct evtrail_event_type **types; /* by id */
    uint32_t types_count; /* so many have a number in a trace of ours */
    uint32_t types_made;  /* those behind them are only there to be read past */
    struct import_process *processes;
    struct import_ring *rings;
    char *owned; /* the path */
};
struct import {
    struct evtrail_file *file;
    struct import_trace *traces;
    uint32_t rings; /* in all */
    uint32_t sources;
    uint64_t events, lost, packets_missing, fields_left, events_left, unnumbered;
    struct scratch text;
    struct scratch words; /* of the event that is being made */
    struct scratch tail;  /* its contexts' part */
};

/* What of an event's fields becomes what of ours. */
struct import_plan {
    uint32_t id; /* of our type; 0: there are more than a trace of ours can number */
    uint32_t payload; /* so many are of the payload, and come first; the contexts' come behind */
    uint32_t count;
    uint8_t types[32]; /* enum evtrail_field_type, by our field; what was read as text is a string */
};

/* Makes event types of all that the metadata has. -ENOMEM. */
int import_types(struct import *import, struct import_trace *trace);
/* Reads one event's context and fields into import->words. False: it is damaged. */
bool import_fields(struct import *import, struct ctf_bits *bits, const struct tsdl_stream *stream,
                   const struct tsdl_event *event, struct ctf_known *known);
/* One more event, of import->words, in the ring of this stream and process. */
int import_event(struct import *import, struct import_trace *trace, uint32_t stream, const struct ctf_known *known,
                 uint32_t type, int64_t time);
/* So many were lost in this stream, before what comes next. */
int import_lost(struct import *import, struct import_trace *trace, uint32_t stream, const struct ctf_known *known,
                uint64_t lost, int64_t time);
/* Writes what is held. */
int import_flush(struct import *import, struct import_trace *trace);
void import_trace_free(struct import_trace *trace);
/* Reads all streams of all traces, in the order of time. `fault` is called with a line for each damage. */
int import_streams(struct import *import, void (*fault)(void *context, const char *path, const char *line),
                   void *context);

#endif /* EVTRAIL_IMPORT_H */
