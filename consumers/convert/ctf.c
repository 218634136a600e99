/* SPDX-License-Identifier: ISC
 *
 * CTF 1.8 (diamon.org/ctf/v1.8.3), as babeltrace2 and Trace Compass open it: a directory with one trace for each process, in which each
 * ring is a stream. babeltrace2 refuses a whole trace whose last packet is not whole, or whose time goes back in a stream: packets are
 * written whole, and times are held.
 */
#include "ctf.h"
#include "timeline.h"

#include <evtrail/format.h>
#include <evtrail/trace.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKET_BYTES 65536u
#define BUFFERS_BYTES_MAX (32u << 20) /* of all packets that are being filled */
#define RING_MAX 4096u                /* what a process lost before it had a ring comes as this one */
#define FLUSH_NS INT64_C(1000000000)
#define MAGIC 0xc1fc1fc1u
#define NO_CAUSE 255u
/* Offsets in a packet. */
enum {
    AT_instance = 24,
    AT_begin = 32,
    AT_end = 40,
    AT_content = 48,
    AT_size = 56,
    AT_sequence = 64,
    AT_discarded = 72,
    AT_cause = 80,
    AT_thread = 81,
    AT_events = 97
};

struct ctf_stream {
    struct scratch packet; /* what is being filled; used == 0: none */
    uint64_t sequence;
    uint64_t discarded;
    int64_t last; /* time of the last event, loss or packet */
    uint32_t ring;
    uint32_t tid;
    char thread[17];
};
struct ctf_trace {
    char *path; /* of its directory; NULL: none yet, or closed */
    uint8_t uuid[16];
    uint8_t *told; /* by type id: 1 plain, 2 with context */
    uint32_t told_count;
    bool told_unknown;
    struct ctf_stream *streams[RING_MAX + 1];
};
struct ctf {
    struct ctf_trace **traces; /* by source number */
    uint32_t traces_count;
    size_t buffered;
    int64_t flushed_ns;
};

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

/* Opened for each write: there may be thousands. */
static int file_append(struct convert *convert, const struct ctf_trace *trace, const char *name, const void *bytes,
                       size_t count)
{
    char *const path = convert->part_path;
    const int length = snprintf(path, sizeof convert->part_path, "%s/%s", trace->path, name);
    if (length < 0 || (size_t)length >= sizeof convert->part_path)
        return -ENAMETOOLONG;
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return -errno;
    struct output out = {.fd = fd};
    int r = output_write(&out, bytes, count);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    convert->bytes += count;
    return r;
}

/* Whether `path` is a directory, not a link to one, and its metadata is of ours. */
static bool is_ours(const char *path)
{
    static const char head[] = "/* CTF 1.8 */\n/* written by evtrail convert */\n";
    char text[sizeof head] = "", name[4200];
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return false;
    snprintf(name, sizeof name, "%s/metadata", path);
    const int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof head - 1);
    if (fd >= 0)
        close(fd);
    return n == sizeof head - 1 && memcmp(text, head, sizeof head - 1) == 0;
}

/* Removes what an earlier run wrote, and nothing else. */
static void trace_remove(const char *path)
{
    char name[4600];
    DIR *const directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, "metadata") != 0 && strncmp(entry->d_name, "ring-", 5) != 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        unlink(name);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

static int directory_empty(const struct convert *convert, const char *path)
{
    char name[4600];
    DIR *const directory = opendir(path);
    const struct dirent *entry;
    int r = 0;
    if (!directory)
        return -errno;
    while ((entry = readdir(directory)) != NULL && r == 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (convert->args->set[OPT_force] && is_ours(name))
            trace_remove(name);
        r = faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST : 0;
    }
    closedir(directory);
    return r;
}

static int ctf_open(struct convert *convert)
{
    struct ctf *const ctf = calloc(1, sizeof *ctf);
    convert->state = ctf;
    if (!ctf)
        return -ENOMEM;
    ctf->flushed_ns = monotonic_ns();
    if (mkdir(convert->path, 0777) == 0)
        return 0;
    return errno == EEXIST ? directory_empty(convert, convert->path) : -errno;
}

/* ---- traces ---------------------------------------------------------------------------------------------------------------- */

static int trace_directory(const struct convert *convert, struct ctf_trace *trace, const struct evtrail_source *source)
{
    char name[80];
    size_t used = 0;
    for (const char *c = *source->command ? source->command : "process"; *c && used < 40; c++)
        name[used++] = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ? *c : '_';
    for (unsigned try = 1; try < 10000; try++) {
        snprintf(name + used, sizeof name - used, try > 1 ? "-%u-%u" : "-%u", source->pid, try);
        if (asprintf(&trace->path, "%s/%s", convert->path, name) < 0)
            return -ENOMEM;
        if (mkdir(trace->path, 0777) == 0)
            return 0;
        free(trace->path);
        trace->path = NULL;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int trace_begin(struct convert *convert, struct ctf_trace *trace, const struct evtrail_source *source)
{
    const uint64_t words[2] = {timeline_hash(source->session_id, source->pid),
                               timeline_hash(source->start_realtime_ns, source->number)};
    memcpy(trace->uuid, words, 16);
    trace->uuid[6] = (uint8_t)((trace->uuid[6] & 0x0f) | 0x80); /* RFC 9562, version 8: made in a way of our own */
    trace->uuid[8] = (uint8_t)((trace->uuid[8] & 0x3f) | 0x80);
    int r = trace_directory(convert, trace, source);
    struct scratch *const text = &convert->line;
    ctf_metadata_trace(text, source, trace->uuid);
    if (r == 0)
        r = text->failed ? -ENOMEM : file_append(convert, trace, "metadata", text->bytes, text->used);
    text->used = 0;
    return r;
}

/* *ret_trace: NULL if its process has ended. */
static int trace_of(struct convert *convert, const struct evtrail_source *source, struct ctf_trace **ret_trace)
{
    struct ctf *const ctf = convert->state;
    if (source->number >= ctf->traces_count) {
        const uint32_t count = source->number + 16;
        struct ctf_trace **const more = realloc(ctf->traces, count * sizeof *more);
        if (!more)
            return -ENOMEM;
        memset(more + ctf->traces_count, 0, (count - ctf->traces_count) * sizeof *more);
        ctf->traces = more;
        ctf->traces_count = count;
    }
    struct ctf_trace *trace = ctf->traces[source->number];
    int r = 0;
    if (!trace) {
        trace = ctf->traces[source->number] = calloc(1, sizeof *trace);
        r = trace ? trace_begin(convert, trace, source) : -ENOMEM;
    }
    *ret_trace = trace;
    return r;
}

static void trace_free(struct ctf_trace *trace)
{
    if (!trace)
        return;
    for (uint32_t i = 0; i <= RING_MAX; i++) {
        if (trace->streams[i])
            scratch_fini(&trace->streams[i]->packet);
        free(trace->streams[i]);
    }
    free(trace->told);
    free(trace->path);
    free(trace);
}

/* ---- packets --------------------------------------------------------------------------------------------------------------- */

static void packet_begin(const struct ctf_trace *trace, struct ctf_stream *stream, int64_t time)
{
    struct scratch *const packet = &stream->packet;
    char *const at = scratch_room(packet, AT_events);
    const uint32_t magic = MAGIC;
    const uint64_t instance = stream->ring;
    if (!at)
        return;
    memset(at, 0, AT_events);
    memcpy(at, &magic, 4);
    memcpy(at + 4, trace->uuid, 16);
    memcpy(at + AT_instance, &instance, 8);
    memcpy(at + AT_begin, &time, 8);
    memcpy(at + AT_thread, stream->thread, 16);
    packet->used = AT_events;
}

/* Writes the packet, if there is one. Its size is its content's: nothing is padded. */
static int packet_end(struct convert *convert, const struct ctf_trace *trace, struct ctf_stream *stream, unsigned cause)
{
    struct ctf *const ctf = convert->state;
    struct scratch *const packet = &stream->packet;
    const uint64_t bits = packet->used * 8;
    char name[24];
    if (packet->failed)
        return -ENOMEM;
    if (packet->used == 0)
        return 0;
    memcpy(packet->bytes + AT_end, &stream->last, 8);
    memcpy(packet->bytes + AT_content, &bits, 8);
    memcpy(packet->bytes + AT_size, &bits, 8);
    memcpy(packet->bytes + AT_sequence, &stream->sequence, 8);
    memcpy(packet->bytes + AT_discarded, &stream->discarded, 8);
    packet->bytes[AT_cause] = (char)cause;
    stream->sequence++;
    snprintf(name, sizeof name, "ring-%" PRIu32, stream->ring);
    const int r = file_append(convert, trace, name, packet->bytes, packet->used);
    ctf->buffered -= packet->used;
    packet->used = 0;
    return r;
}

static int flush_all(struct convert *convert, bool free_too)
{
    struct ctf *const ctf = convert->state;
    int r = 0;
    for (uint32_t i = 0; i < ctf->traces_count; i++) {
        for (uint32_t ring = 0; ctf->traces[i] && ring <= RING_MAX && r == 0; ring++) {
            struct ctf_stream *const stream = ctf->traces[i]->streams[ring];
            if (stream)
                r = packet_end(convert, ctf->traces[i], stream, NO_CAUSE);
            if (stream && free_too)
                scratch_fini(&stream->packet);
        }
    }
    return r;
}

static struct ctf_stream *stream_of(struct ctf_trace *trace, uint32_t ring)
{
    if (ring > RING_MAX)
        ring = RING_MAX;
    if (!trace->streams[ring]) {
        trace->streams[ring] = calloc(1, sizeof(struct ctf_stream));
        if (trace->streams[ring])
            trace->streams[ring]->ring = ring;
    }
    return trace->streams[ring];
}

/* Time as the stream may have it. */
static int64_t stream_time(struct convert *convert, struct ctf_stream *stream, int64_t time)
{
    if (time >= stream->last)
        return time;
    convert->shifted++;
    return stream->last;
}

/* A packet without events tells a loss: the growth of its count, between the packet before it and its own end. */
static int put_lost(struct convert *convert, struct ctf_trace *trace, const struct evtrail_event *event)
{
    struct ctf *const ctf = convert->state;
    struct ctf_stream *const stream = stream_of(trace, event->ring);
    if (!stream)
        return -ENOMEM;
    int r = packet_end(convert, trace, stream, NO_CAUSE);
    if (r == 0 && stream->sequence == 0) { /* readers take the first packet's count as the start */
        stream->last = event->lost_since < event->time ? event->lost_since : event->time;
        packet_begin(trace, stream, stream->last);
        ctf->buffered += stream->packet.used;
        r = packet_end(convert, trace, stream, NO_CAUSE);
    }
    const int64_t since = event->lost_since > stream->last ? event->lost_since : stream->last;
    stream->last = event->time > since ? event->time : since;
    stream->discarded += event->lost;
    packet_begin(trace, stream, since < stream->last ? since : stream->last);
    ctf->buffered += stream->packet.used;
    return r < 0 ? r : packet_end(convert, trace, stream, event->cause);
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

static bool labelled(const struct evtrail_event *event)
{
    for (unsigned i = 0; event->labels && i < 4; i++)
        if (event->labels[i].key[0])
            return true;
    return false;
}

static void put32(struct scratch *to, uint32_t value)
{
    scratch_bytes(to, &value, 4);
}

static void put_string(struct convert *convert, struct scratch *to, const char *bytes, size_t count)
{
    convert->replaced += scratch_utf8(to, bytes, count, true);
    scratch_char(to, '\0');
}

static void put_value(struct convert *convert, struct scratch *to, const struct evtrail_value *value)
{
    static const uint8_t bytes[EVTRAIL_TYPES] = {
        [EVTRAIL_TYPE_bool] = 1, [EVTRAIL_TYPE_i8] = 1,  [EVTRAIL_TYPE_i16] = 2, [EVTRAIL_TYPE_i32] = 4,
        [EVTRAIL_TYPE_u8] = 1,   [EVTRAIL_TYPE_u16] = 2, [EVTRAIL_TYPE_u32] = 4, [EVTRAIL_TYPE_x8] = 1,
        [EVTRAIL_TYPE_x16] = 2,  [EVTRAIL_TYPE_x32] = 4};
    const float small = (float)value->f;
    switch (value->type) {
    case EVTRAIL_TYPE_string:
        put_string(convert, to, value->null ? "" : value->data, value->null ? 0 : value->bytes);
        break;
    case EVTRAIL_TYPE_bytes:
        put32(to, value->null ? 0 : value->bytes);
        scratch_bytes(to, value->data, value->null ? 0 : value->bytes);
        break;
    case EVTRAIL_TYPE_f32:
        scratch_bytes(to, &small, 4);
        break;
    default: /* little endian: the low bytes of the word */
        scratch_bytes(to, &value->u, value->type < EVTRAIL_TYPES && bytes[value->type] ? bytes[value->type] : 8);
    }
}

static void put_address(struct scratch *to, const struct evtrail_event *event, uint64_t address)
{
    char name[512];
    size_t bytes = evtrail_symbol_name(event->source, address, false, name, sizeof name);
    if (bytes > sizeof name)
        bytes = 0;
    scratch_utf8(to, name, bytes, true);
    if (bytes > 0)
        return;
    scratch_text(to, "0x");
    scratch_hex(to, address);
}

static void put_context(struct convert *convert, struct scratch *to, const struct evtrail_event *event, uint32_t nulls,
                        uint32_t missing)
{
    put32(to, nulls);
    put32(to, missing);
    scratch_char(to, (char)event->meta);
    put32(to, event->meta & META_cpu ? event->cpu : 0);
    if (event->meta & META_caller)
        put_address(to, event, event->caller);
    scratch_char(to, '\0');
    for (uint32_t i = 0; (event->meta & META_stack) && i < event->stack_count; i++) {
        scratch_text(to, i ? " " : "");
        put_address(to, event, event->stack[i]);
    }
    scratch_char(to, '\0');
    for (unsigned i = 0, any = 0; event->labels && i < 4; i++) {
        if (!event->labels[i].key[0])
            continue;
        scratch_text(to, any++ ? " " : "");
        convert->replaced += scratch_utf8(to, event->labels[i].key, strlen(event->labels[i].key), true);
        scratch_char(to, '=');
        convert->replaced += scratch_utf8(to, event->labels[i].value, strlen(event->labels[i].value), true);
    }
    scratch_char(to, '\0');
}

static void put_head(struct scratch *to, const struct evtrail_event *event, unsigned id, int64_t time)
{
    const uint16_t id16 = (uint16_t)id;
    scratch_bytes(to, &id16, 2);
    put32(to, (uint32_t)time);
    put32(to, event->tid);
}

/* Fields first, into convert->cell: which are NULL or missing stands before them. */
static void put_fields(struct convert *convert, const struct evtrail_event *event, uint32_t *ret_nulls,
                       uint32_t *ret_missing)
{
    struct scratch *const fields = &convert->cell;
    fields->used = 0;
    for (unsigned i = 0; i < event->type->fields_count; i++) {
        struct evtrail_value value = {0};
        if (evtrail_event_value(event, i, &value) < 0)
            value = (struct evtrail_value){.type = event->type->fields[i].type, .cut = true};
        *ret_nulls |= value.null ? UINT32_C(1) << (i & 31) : 0;
        *ret_missing |= value.cut ? UINT32_C(1) << (i & 31) : 0;
        put_value(convert, fields, &value);
    }
}

/* Tells the metadata a class of events before the first of them is there. */
static int tell(struct convert *convert, struct ctf_trace *trace, const struct evtrail_event_type *type, unsigned how)
{
    if (type->id >= trace->told_count) {
        const uint32_t count = type->id + 64;
        uint8_t *const more = realloc(trace->told, count);
        if (!more)
            return -ENOMEM;
        memset(more + trace->told_count, 0, count - trace->told_count);
        trace->told = more;
        trace->told_count = count;
    }
    if (trace->told[type->id] & how)
        return 0;
    struct scratch *const text = &convert->line;
    text->used = 0;
    ctf_metadata_type(text, type, how == 2);
    trace->told[type->id] |= (uint8_t)how;
    return text->failed ? -ENOMEM : file_append(convert, trace, "metadata", text->bytes, text->used);
}

static int put_unknown(struct convert *convert, struct ctf_trace *trace, struct scratch *to,
                       const struct evtrail_event *event, int64_t time)
{
    struct scratch *const text = &convert->line;
    int r = 0;
    text->used = 0;
    if (!trace->told_unknown) {
        ctf_metadata_unknown(text);
        r = text->failed ? -ENOMEM : file_append(convert, trace, "metadata", text->bytes, text->used);
        trace->told_unknown = true;
    }
    put_head(to, event, CTF_UNKNOWN, time);
    put_context(convert, to, event, 0, 0);
    put32(to, event->id);
    put32(to, event->words);
    scratch_bytes(to, event->payload, event->words * sizeof *event->payload);
    return r;
}

static int put_known(struct convert *convert, struct ctf_trace *trace, struct scratch *to,
                     const struct evtrail_event *event, int64_t time)
{
    uint32_t nulls = 0, missing = 0;
    put_fields(convert, event, &nulls, &missing);
    const bool with_context = nulls || missing || event->meta || labelled(event);
    const int r = tell(convert, trace, event->type, with_context ? 2 : 1);
    put_head(to, event, event->type->id + (with_context ? CTF_WITH_CONTEXT : 0), time);
    if (with_context)
        put_context(convert, to, event, nulls, missing);
    scratch_bytes(to, convert->cell.bytes, convert->cell.used);
    return r < 0 ? r : convert->cell.failed ? -ENOMEM : 0;
}

static bool same_thread(const struct ctf_stream *stream, const struct evtrail_event *event)
{
    return stream->tid == event->tid && strncmp(stream->thread, event->thread_name ? event->thread_name : "", 16) == 0;
}

static int put_event(struct convert *convert, struct ctf_trace *trace, const struct evtrail_event *event)
{
    struct ctf *const ctf = convert->state;
    struct ctf_stream *const stream = stream_of(trace, event->ring);
    if (!stream)
        return -ENOMEM;
    struct scratch *const packet = &stream->packet;
    const int64_t time = stream_time(convert, stream, event->time);
    int r = 0;
    if (packet->used >= PACKET_BYTES || time - stream->last > UINT32_MAX || !same_thread(stream, event))
        r = packet_end(convert, trace, stream, NO_CAUSE);
    if (!same_thread(stream, event)) {
        stream->tid = event->tid;
        memset(stream->thread, 0, sizeof stream->thread);
        strncpy(stream->thread, event->thread_name ? event->thread_name : "", 16);
    }
    const size_t before = packet->used;
    if (packet->used == 0)
        packet_begin(trace, stream, time);
    stream->last = time;
    const int put =
        event->type ? put_known(convert, trace, packet, event, time) : put_unknown(convert, trace, packet, event, time);
    ctf->buffered += packet->used - before;
    if (r == 0)
        r = packet->failed ? -ENOMEM : put;
    return r == 0 && ctf->buffered > BUFFERS_BYTES_MAX ? flush_all(convert, true) : r;
}

static int source_end(struct convert *convert, uint32_t number)
{
    struct ctf *const ctf = convert->state;
    struct ctf_trace *const trace = ctf->traces[number];
    int r = 0;
    for (uint32_t ring = 0; ring <= RING_MAX && r == 0; ring++)
        if (trace->streams[ring])
            r = packet_end(convert, trace, trace->streams[ring], NO_CAUSE);
    return r;
}

static int ctf_event(struct convert *convert, const struct evtrail_event *event)
{
    struct ctf_trace *trace;
    const int r = trace_of(convert, event->source, &trace);
    if (r < 0)
        return r;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        return event->source->gone ? source_end(convert, event->source->number) : 0;
    return event->what == EVTRAIL_EVENT ? put_event(convert, trace, event) : put_lost(convert, trace, event);
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

static int ctf_flush(struct convert *convert)
{
    struct ctf *const ctf = convert->state;
    const int64_t now = monotonic_ns();
    if (now - ctf->flushed_ns < FLUSH_NS)
        return 0;
    ctf->flushed_ns = now;
    return flush_all(convert, false);
}

static int ctf_end(struct convert *convert)
{
    return flush_all(convert, true);
}

static void ctf_free(struct convert *convert)
{
    struct ctf *const ctf = convert->state;
    if (!ctf)
        return;
    for (uint32_t i = 0; i < ctf->traces_count; i++)
        trace_free(ctf->traces[i]);
    free(ctf->traces);
    free(ctf);
}

const struct convert_format format_ctf = {.name = "ctf",
                                          .suffixes = ".ctf ",
                                          .directory = true,
                                          .open = ctf_open,
                                          .event = ctf_event,
                                          .end = ctf_end,
                                          .flush = ctf_flush,
                                          .free = ctf_free};
