/* SPDX-License-Identifier: ISC
 *
 * Packets of CTF streams, the earliest first, and the events in them.
 */
#include "import.h"

#include "../skeleton.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0xc1fc1fc1u
#define STREAMS_MAX 100000u
#define HEAD_BITS_MAX (65536u * 8) /* of a packet's header and context */

struct stream {
    struct import_trace *trace;
    char *path;
    uint32_t index;
    uint8_t *bytes;  /* mapped */
    size_t size, at; /* at: of the packet that is next */
    size_t packet_bytes, content_bits;
    struct ctf_bits bits; /* in that packet, behind its header and context */
    struct ctf_known known;
    const struct tsdl_stream *class;
    uint64_t cycles; /* of the last event */
    uint64_t discarded, sequence;
    bool begun, done;
};
struct streams {
    struct stream **list;
    uint32_t count;
    void (*fault)(void *context, const char *path, const char *line);
    void *context;
};

/* ---- time ---------------------------------------------------------------------------------------------------------------------- */

static int64_t time_of(const struct tsdl_trace *trace, uint64_t cycles)
{
    const unsigned __int128 all = (unsigned __int128)trace->clock_offset + cycles;
    const unsigned __int128 ns = all * 1000000000u / trace->clock_hz;
    return (int64_t)((uint64_t)trace->clock_offset_s * 1000000000u + (uint64_t)ns);
}

/* A stamp of fewer than 64 bits has the low ones. */
static uint64_t extended(uint64_t last, uint64_t low, uint32_t size)
{
    if (size >= 64 || size == 0)
        return low;
    const uint64_t mask = (UINT64_C(1) << size) - 1;
    const uint64_t value = (last & ~mask) | low;
    return value < last ? value + mask + 1 : value;
}

/* ---- packets ------------------------------------------------------------------------------------------------------------------- */

static void fault(const struct streams *streams, const struct stream *stream, const char *what)
{
    char line[200];
    snprintf(line, sizeof line, "damaged in the packet at byte %zu: %s; the rest of it is left out", stream->at, what);
    streams->fault(streams->context, stream->path, line);
}

static const struct tsdl_stream *class_of(const struct tsdl_trace *trace, const struct ctf_known *known)
{
    for (const struct tsdl_stream *class = trace->streams; class; class = class->next)
        if (!known->has_stream_id || class->id == known->stream_id)
            return class;
    return NULL;
}

/* Reads header and context of the next packet. *ret_why: NULL, or why it cannot be read. */
static bool packet_open(struct stream *stream, const char **ret_why)
{
    const struct tsdl_trace *const trace = &stream->trace->tsdl;
    struct ctf_known *const known = &stream->known;
    *ret_why = NULL;
    if (stream->at >= stream->size)
        return false;
    *known = (struct ctf_known){0};
    const uint64_t left = (stream->size - stream->at) * 8;
    stream->bits =
        (struct ctf_bits){.bytes = stream->bytes + stream->at, .end = left < HEAD_BITS_MAX ? left : HEAD_BITS_MAX};
    if (trace->packet_header)
        ctf_value(&stream->bits, trace->packet_header, NULL, known, NULL);
    stream->class = class_of(trace, known);
    const bool magic = !trace->packet_header || known->magic == MAGIC;
    if (!stream->bits.failed && magic && stream->class && stream->class->packet_context)
        ctf_value(&stream->bits, stream->class->packet_context, NULL, known, NULL);
    const uint64_t size = known->has_size ? known->size : left;
    const uint64_t content = known->has_content ? known->content : size;
    *ret_why = stream->bits.failed                           ? "its head is cut off"
               : !magic                                      ? "no packet begins here"
               : !stream->class                              ? "of a stream that the metadata lacks"
               : size == 0 || size > left || (size & 7)      ? "its size is wrong, or it is cut off"
               : content > size || content < stream->bits.at ? "its content's size is wrong"
                                                             : NULL;
    if (*ret_why)
        return false;
    stream->packet_bytes = size / 8;
    stream->bits.end = content;
    return true;
}

static int losses(struct import *import, struct stream *stream)
{
    const struct ctf_known *const known = &stream->known;
    const uint64_t mask = known->discarded_size >= 64 || known->discarded_size == 0
                              ? UINT64_MAX
                              : (UINT64_C(1) << known->discarded_size) - 1;
    if (known->has_sequence && stream->begun && known->sequence > stream->sequence + 1)
        import->packets_missing += known->sequence - stream->sequence - 1;
    stream->sequence = known->sequence;
    const uint64_t lost = known->has_discarded ? (known->discarded - stream->discarded) & mask : 0;
    stream->discarded = known->discarded;
    if (lost == 0)
        return 0;
    const bool empty = stream->bits.at == stream->bits.end;
    return import_lost(import, stream->trace, stream->index, known, lost,
                       time_of(&stream->trace->tsdl, empty && known->has_end ? known->end : known->begin));
}

/* ---- events -------------------------------------------------------------------------------------------------------------------- */

static const struct tsdl_event *event_of(const struct tsdl_stream *class, uint64_t id)
{
    for (const struct tsdl_event *event = class->by_id[id % TSDL_BUCKETS]; event; event = event->same)
        if (event->id == id)
            return event;
    return NULL;
}

/* Events of one kind come together often. */
static const struct tsdl_event *event_found(const struct stream *stream, const struct tsdl_event *last)
{
    return last && last->id == stream->known.id ? last : event_of(stream->class, stream->known.id);
}

static int event_read(struct import *import, struct stream *stream, const struct tsdl_event **last,
                      const char **ret_why)
{
    struct ctf_known *const known = &stream->known;
    const struct tsdl_stream *const class = stream->class;
    known->has_time = false;
    known->id = 0;
    if (class->event_header)
        ctf_value(&stream->bits, class->event_header, NULL, known, NULL);
    *last = event_found(stream, *last);
    if (stream->bits.failed || !*last || !(*last)->owner) {
        *ret_why = stream->bits.failed ? "an event is cut off" : "an event that the metadata lacks";
        return 0;
    }
    if (known->has_time)
        stream->cycles = extended(stream->cycles, known->time, known->time_size);
    if (!import_fields(import, &stream->bits, class, *last, known)) {
        *ret_why = "an event's fields do not fit";
        return import->words.failed || import->text.failed ? -ENOMEM : 0;
    }
    const uint32_t id = ((const struct import_plan *)(*last)->owner)->id;
    if (id == 0) {
        import->unnumbered++;
        return 0;
    }
    return import_event(import, stream->trace, stream->index, known, id, time_of(&stream->trace->tsdl, stream->cycles));
}

static int packet_read(struct import *import, struct stream *stream, const char **ret_why)
{
    const struct tsdl_event *last = NULL;
    int r = losses(import, stream);
    if (stream->known.has_begin)
        stream->cycles = stream->known.begin;
    stream->begun = true;
    while (r == 0 && !*ret_why && stream->bits.at < stream->bits.end && signals_stops() == 0) {
        const uint64_t before = stream->bits.at;
        r = event_read(import, stream, &last, ret_why);
        if (r == 0 && !*ret_why && stream->bits.at == before)
            *ret_why = "an event without a size";
    }
    return r;
}

/* ---- streams ------------------------------------------------------------------------------------------------------------------- */

static void stream_close(struct stream *stream)
{
    if (stream->bytes)
        munmap(stream->bytes, stream->size);
    free(stream->path);
    free(stream);
}

static int stream_open(struct streams *streams, struct import_trace *trace, const char *name)
{
    struct stat status;
    struct stream *const stream = calloc(1, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    const int made = asprintf(&stream->path, "%s/%s", trace->path, name);
    const int fd = made < 0 ? -1 : open(stream->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const bool regular = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    void *bytes = MAP_FAILED;
    if (regular && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        close(fd);
    if (bytes == MAP_FAILED || streams->count >= STREAMS_MAX) {
        stream_close(stream);
        return made < 0 ? -ENOMEM : 0;
    }
    stream->trace = trace;
    stream->index = streams->count;
    stream->bytes = bytes;
    stream->size = (size_t)status.st_size;
    struct stream **const more = realloc(streams->list, (streams->count + 1) * sizeof *more);
    if (!more) {
        stream_close(stream);
        return -ENOMEM;
    }
    streams->list = more;
    streams->list[streams->count++] = stream;
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* All files but the metadata and hidden ones. */
static int trace_open(struct streams *streams, struct import_trace *trace)
{
    struct dirent **entries;
    const int count = scandir(trace->path, &entries, NULL, by_name);
    int r = 0;
    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        if (r == 0 && entries[i]->d_name[0] != '.' && strcmp(entries[i]->d_name, "metadata") != 0)
            r = stream_open(streams, trace, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* Opens the stream's next packet, or ends it. */
static void stream_next(struct streams *streams, struct stream *stream)
{
    const char *why;
    if (packet_open(stream, &why))
        return;
    if (why)
        fault(streams, stream, why);
    stream->done = true;
}

/* The stream whose next packet begins first. */
static struct stream *earliest(const struct streams *streams)
{
    struct stream *first = NULL;
    int64_t first_time = 0;
    for (uint32_t i = 0; i < streams->count; i++) {
        struct stream *const stream = streams->list[i];
        if (stream->done)
            continue;
        const int64_t time = time_of(&stream->trace->tsdl, stream->known.begin);
        if (!first || time < first_time) {
            first = stream;
            first_time = time;
        }
    }
    return first;
}

static int streams_read(struct import *import, struct streams *streams)
{
    struct stream *stream;
    int r = 0;
    for (uint32_t i = 0; i < streams->count; i++)
        stream_next(streams, streams->list[i]);
    while (r == 0 && signals_stops() == 0 && (stream = earliest(streams)) != NULL) {
        const char *why = NULL;
        r = packet_read(import, stream, &why);
        if (why)
            fault(streams, stream, why);
        stream->at += stream->packet_bytes; /* the next packet is whole, whatever is in this one */
        if (r == 0)
            stream_next(streams, stream);
    }
    return r;
}

int import_streams(struct import *import, void (*report)(void *context, const char *path, const char *line),
                   void *context)
{
    struct streams streams = {.fault = report, .context = context};
    int r = 0;
    for (struct import_trace *trace = import->traces; trace && r == 0; trace = trace->next)
        r = trace_open(&streams, trace);
    if (r == 0)
        r = streams_read(import, &streams);
    for (struct import_trace *trace = import->traces; trace && r == 0; trace = trace->next)
        r = import_flush(import, trace);
    for (uint32_t i = 0; i < streams.count; i++)
        stream_close(streams.list[i]);
    free(streams.list);
    return r;
}
