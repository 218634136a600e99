/* SPDX-License-Identifier: ISC
 *
 * evtrail import: CTF traces, as LTTng and others write them, as a trace file. The reader of CTF is in import/.
 */
#include "import/import.h"
#include "skeleton.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define METADATA_BYTES_MAX (64u << 20)
#define DEPTH_MAX 8
#define FAULTS_SHOWN 10
#define PACKET_MAGIC 0x75d11d57u
#define PACKET_HEAD 37 /* magic, uuid, checksum, content and packet size in bits, five bytes of schemes and version */

struct run {
    struct import import;
    struct import_trace **end; /* of import.traces */
    unsigned faults;
    int code;
};

/* ---- metadata ------------------------------------------------------------------------------------------------------------------ */

static int file_read(const char *path, struct scratch *to)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    int r = fd < 0 ? -errno : 0;
    while (r == 0 && n > 0 && to->used < METADATA_BYTES_MAX) {
        char *const room = scratch_room(to, 65536);
        if (!room)
            r = -ENOMEM;
        else if ((n = read(fd, room, 65536)) < 0)
            r = -errno;
        else
            to->used += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
    return r == 0 && to->used >= METADATA_BYTES_MAX ? -EFBIG : r;
}

/* The text of metadata that comes in packets, put together in place. */
static int unpack(struct scratch *text)
{
    size_t from = 0, to = 0;
    while (text->used - from >= PACKET_HEAD) {
        uint32_t magic, content, packet;
        memcpy(&magic, text->bytes + from, 4);
        memcpy(&content, text->bytes + from + 24, 4);
        memcpy(&packet, text->bytes + from + 28, 4);
        if (magic != PACKET_MAGIC || content / 8 < PACKET_HEAD || content > packet || packet / 8 > text->used - from)
            return -EBADMSG;
        memmove(text->bytes + to, text->bytes + from + PACKET_HEAD, content / 8 - PACKET_HEAD);
        to += content / 8 - PACKET_HEAD;
        from += packet / 8;
    }
    if (from != text->used)
        return -EBADMSG;
    text->used = to;
    return 0;
}

static int metadata_read(struct run *run, struct import_trace *trace, const char *path)
{
    struct scratch text = {0};
    char why[300] = "it is cut off";
    const uint32_t magic = PACKET_MAGIC;
    int r = file_read(path, &text);
    if (r < 0)
        run->code = fail(code_of(r), path, "%s", strerror(-r));
    if (r == 0 && text.used >= 4 && memcmp(text.bytes, &magic, 4) == 0)
        r = unpack(&text);
    else if (r == 0 && text.used > 0 && text.bytes[0] == 0x1e) {
        snprintf(why, sizeof why, "it is CTF 2; CTF 1.8 is read here");
        r = -EBADMSG;
    }
    if (r == 0)
        r = tsdl_parse(&trace->tsdl, text.bytes, text.used, why, sizeof why);
    if (r < 0 && run->code == CODE_ok)
        run->code = fail(code_of(r), path, "%s", r == -ENOMEM ? "out of memory" : shown(why));
    scratch_fini(&text);
    return r;
}

/* ---- traces -------------------------------------------------------------------------------------------------------------------- */

static int trace_add(struct run *run, const char *path)
{
    char metadata[4200];
    struct import_trace *const trace = calloc(1, sizeof *trace);
    char *const copy = strdup(path);
    if (!trace || !copy) {
        free(trace);
        free(copy);
        run->code = fail(CODE_system, NULL, "out of memory");
        return -ENOMEM;
    }
    trace->path = trace->owned = copy;
    snprintf(metadata, sizeof metadata, "%s/metadata", path);
    int r = metadata_read(run, trace, metadata);
    if (r == 0)
        r = import_types(&run->import, trace);
    if (r < 0) {
        import_trace_free(trace);
        return r == -ENOMEM ? r : 0; /* others may be sound */
    }
    *run->end = trace;
    run->end = &trace->next;
    return 0;
}

/* Directories that have a file `metadata` are traces; others are looked into. Returns how many there were, or < 0. */
static int directory_look(struct run *run, const char *path, unsigned depth)
{
    char name[4200];
    struct stat status;
    struct dirent **entries;
    int found = 0;
    snprintf(name, sizeof name, "%s/metadata", path);
    if (stat(name, &status) == 0 && S_ISREG(status.st_mode))
        return trace_add(run, path) < 0 ? -1 : 1;
    const int count = depth < DEPTH_MAX && strlen(path) < 4000 ? scandir(path, &entries, NULL, alphasort) : 0;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s/%.200s", path, entries[i]->d_name);
        const bool look =
            entries[i]->d_name[0] != '.' && found >= 0 && lstat(name, &status) == 0 && S_ISDIR(status.st_mode);
        const int r = look ? directory_look(run, name, depth + 1) : 0;
        found = r < 0 ? r : found + r;
        free(entries[i]);
    }
    if (count >= 0 && depth < DEPTH_MAX && strlen(path) < 4000)
        free(count > 0 ? entries : NULL);
    return found;
}

static int traces_find(struct run *run, const struct args *args)
{
    for (int i = 0; i < args->operands_count; i++) {
        struct stat status;
        const char *const path = args->operands[i];
        if (stat(path, &status) < 0) {
            run->code = fail(code_of(-errno), path, "%s", strerror(errno));
            return -1;
        }
        const int found = S_ISDIR(status.st_mode) ? directory_look(run, path, 0) : 0;
        if (found == 0)
            run->code = fail(CODE_damaged, path, "no CTF trace: no directory here has a file 'metadata'");
        if (found <= 0)
            return -1;
    }
    return 0;
}

/* ---- the run ------------------------------------------------------------------------------------------------------------------- */

static void fault(void *context, const char *path, const char *line)
{
    struct run *const run = context;
    run->code = run->code ? run->code : CODE_damaged;
    if (run->faults++ < FAULTS_SHOWN)
        warn(path, "%s", line);
}

static void summary(const struct run *run, const char *path, const struct evtrail_file_stats *stats)
{
    const struct import *const import = &run->import;
    char text[600] = "";
    size_t used = 0;
    if (import->packets_missing)
        used +=
            (size_t)snprintf(text, sizeof text, "; %" PRIu64 " packets are missing, with events that nobody counted",
                             import->packets_missing);
    if (import->fields_left)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "; %" PRIu64 " fields beyond 32 of an event are left out", import->fields_left);
    if (import->unnumbered)
        used += (size_t)snprintf(
            text + used, sizeof text - used,
            "; %" PRIu64 " events are left out: of classes beyond the first 16,368, which is all that a trace can have",
            import->unnumbered);
    if (import->events_left)
        snprintf(text + used, sizeof text - used, "; %" PRIu64 " events of more than 512 KiB are left out",
                 import->events_left);
    warn(path, "%" PRIu64 " events in %s; lost %" PRIu64 "%s", import->events, human_bytes((double)stats->file_bytes),
         import->lost, text);
}

/* Whether `path` is a file in a directory of a trace: all of them are read. */
static bool is_of_trace(const struct run *run, const char *path)
{
    struct stat file, folder;
    char real[PATH_MAX];
    if (stat(path, &file) < 0 || !S_ISREG(file.st_mode) || !realpath(path, real))
        return false;
    *strrchr(real, '/') = '\0';
    if (stat(*real ? real : "/", &file) < 0)
        return false;
    for (const struct import_trace *trace = run->import.traces; trace; trace = trace->next)
        if (stat(trace->path, &folder) == 0 && folder.st_dev == file.st_dev && folder.st_ino == file.st_ino)
            return true;
    return false;
}

static int output_create(struct run *run, const struct args *args, const char *path)
{
    if (is_of_trace(run, path)) {
        run->code = fail(CODE_usage, path, "is one of the inputs; name another");
        return -EEXIST;
    }
    struct evtrail_file_options options = {.bytes = sizeof options, .force = args->set[OPT_force], .flush_ns = -1};
    options.level = (int)args->number[OPT_compression];
    const int r = evtrail_file_create(&run->import.file, path, &options);
    if (r == -EEXIST)
        run->code = fail(CODE_usage, path, "exists; --force replaces it");
    else if (r < 0)
        run->code = fail(code_of(r), path, "%s", strerror(-r));
    return r;
}

static void convert_all(struct run *run, const struct args *args, const char *path)
{
    struct evtrail_file_stats stats = {0};
    if (output_create(run, args, path) < 0)
        return;
    int r = import_streams(&run->import, fault, run);
    const int closed = evtrail_file_close(run->import.file, &stats);
    if (r == 0)
        r = closed;
    if (run->faults > FAULTS_SHOWN)
        warn(NULL, "and %u more faults", run->faults - FAULTS_SHOWN);
    if (r < 0)
        run->code = fail(code_of(r), path, "%s", r == -ENOMEM ? "out of memory" : strerror(-r));
    else if (!args->set[OPT_quiet])
        summary(run, path, &stats);
}

int run_import(const struct args *args)
{
    struct run run = {0};
    if (args->operands_count == 0)
        return fail(CODE_usage, NULL, "which CTF trace? name its directory");
    if (!args->set[OPT_output])
        return fail(CODE_usage, NULL, "into which file? -o FILE.evt");
    signals_install(false);
    run.end = &run.import.traces;
    if (traces_find(&run, args) == 0 && run.import.traces)
        convert_all(&run, args, args->text[OPT_output]);
    for (struct import_trace *trace = run.import.traces, *next; trace; trace = next) {
        next = trace->next;
        import_trace_free(trace);
    }
    scratch_fini(&run.import.text);
    scratch_fini(&run.import.words);
    scratch_fini(&run.import.tail);
    return run.code;
}
