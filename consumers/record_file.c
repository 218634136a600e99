/* SPDX-License-Identifier: ISC
 *
 * The sink of evtrail record: chunks go to a trace file.
 */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WATCH_BUDGET 100000
#define READER_NS INT64_C(1000000000) /* how long a named pipe may be without its reader */

static bool rotates(const struct args *args)
{
    return args->set[OPT_rotate_size] || args->set[OPT_rotate_time] || args->set[OPT_keep_size] ||
           args->set[OPT_keep_age] || args->set[OPT_keep_files];
}

/* What a file name may have of a process's name. */
static void clean_name(char *text)
{
    for (; *text; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
              strchr("._-+", *text)))
            *text = '_';
}

static void name_of_sources(struct recorder *recorder, struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    if (recorder->name[0])
        return;
    const bool one = evtrail_reader_sources(consumer->reader, &sources) == 1 && !recorder->args->set[OPT_all];
    snprintf(recorder->name, sizeof recorder->name, "%s", one && *sources[0]->command ? sources[0]->command : "all");
}

/* FILE as given, or evtrail-DATE-NAME.evt; NAME.00002.evt for later snapshots; without .evt for a rotated set. */
static void path_make(struct recorder *recorder)
{
    char base[4000], date[32], suffix[16] = "";
    const time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", &parts);
    clean_name(recorder->name);
    if (recorder->output)
        snprintf(base, sizeof base, "%s", recorder->output);
    else
        snprintf(base, sizeof base, "evtrail-%s-%s.evt", date, recorder->name);
    const size_t length = strlen(base);
    const bool ends = length > 4 && strcmp(base + length - 4, ".evt") == 0;
    if (ends && (rotates(recorder->args) || recorder->number > 1))
        base[length - 4] = '\0';
    if (recorder->number > 1)
        snprintf(suffix, sizeof suffix, ".%05u.evt", recorder->number);
    snprintf(recorder->path, sizeof recorder->path, "%s%s", base, suffix);
}

static struct evtrail_file_options file_options(const struct args *args)
{
    struct evtrail_file_options options = {
        .bytes = sizeof options, .force = args->set[OPT_force], .rotate = rotates(args)};
    options.no_uring = args->set[OPT_plain_writes];
    options.level = (int)args->number[OPT_compression];
    options.flush_ns = args->number[OPT_flush];
    options.rotate_bytes = (uint64_t)args->number[OPT_rotate_size];
    options.rotate_ns = args->number[OPT_rotate_time];
    options.keep_bytes = (uint64_t)args->number[OPT_keep_size];
    options.keep_ns = args->number[OPT_keep_age];
    options.keep_files = (uint32_t)args->number[OPT_keep_files];
    return options;
}

static bool is_made(const struct recorder *recorder, struct stat *status)
{
    return lstat(recorder->path, status) == 0 && S_ISREG(status->st_mode);
}

/* Notes whether the file is new: only such a one may ever be removed again. */
static int file_create(struct recorder *recorder)
{
    struct evtrail_file_options options = file_options(recorder->args);
    struct stat status;
    const bool force = options.force;
    options.force = false;
    int r = evtrail_file_create(&recorder->file, recorder->path, &options);
    recorder->made = r == 0 && !options.rotate && strcmp(recorder->path, "-") != 0 && is_made(recorder, &status);
    if (recorder->made) {
        recorder->device = status.st_dev;
        recorder->inode = status.st_ino;
    }
    options.force = force;
    const int64_t until = monotonic_ns() + READER_NS;
    if (r == -EEXIST && force)
        while ((r = evtrail_file_create(&recorder->file, recorder->path, &options)) == -ENXIO &&
               monotonic_ns() < until && signals_stops() == 0)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return r;
}

static void file_unmake(const struct recorder *recorder)
{
    struct stat status;
    if (recorder->made && is_made(recorder, &status) && status.st_dev == recorder->device &&
        status.st_ino == recorder->inode)
        unlink(recorder->path);
}

static const char *create_advice(int error)
{
    return error == -EEXIST  ? "exists; --force replaces it, -o names another"
           : error == -ENXIO ? "a pipe that nobody reads; start what reads it first"
                             : strerror(-error);
}

int recorder_open(struct sink *sink, struct consumer *consumer)
{
    struct recorder *const recorder = (struct recorder *)sink;
    name_of_sources(recorder, consumer);
    path_make(recorder);
    recorder->started_ns = recorder->shown_ns = monotonic_ns();
    const int r = file_create(recorder);
    if (r < 0) {
        const enum exit_code code = r == -EEXIST ? CODE_usage : r == -ENXIO ? CODE_io : code_of(r);
        fail(code, recorder->path, "%s", create_advice(r));
        consumer_note(consumer, code);
        return r;
    }
    return 0;
}

static bool until_matched(struct recorder *recorder, struct consumer *consumer)
{
    if (!consumer->stopped_ns && watch_poll(&recorder->until, WATCH_BUDGET))
        consumer->stopped_ns = monotonic_ns(); /* what is there already is still recorded */
    return consumer->stopped_ns != 0;
}

/* Nothing more can be written. Reading goes on so that all is accounted for: what a program emits until its end, of others what is
 * there now. */
static void writing_failed(struct recorder *recorder, struct consumer *consumer, int error)
{
    if (recorder->error == 0 && consumer->args->program && !consumer->args->set[OPT_quiet])
        warn(recorder->path, "%s; from here on events are only counted", strerror(-error));
    recorder->error = error;
    if (!consumer->stopped_ns && !consumer->args->program)
        consumer->stopped_ns = monotonic_ns();
}

int recorder_block(struct sink *sink, struct consumer *consumer, const struct evtrail_chunk *chunk)
{
    struct recorder *const recorder = (struct recorder *)sink;
    const int r = evtrail_file_write_chunk(recorder->file, chunk);
    if (r < 0) { /* of this chunk, or for good: then the statistics say so */
        evtrail_file_stats(recorder->file, &recorder->stats);
        if (recorder->stats.error < 0)
            writing_failed(recorder, consumer, r);
        else
            recorder->error = recorder->error ? recorder->error : r;
    }
    until_matched(recorder, consumer);
    return 0;
}

/* Tells the file which processes have ended. */
static void note_gone(struct recorder *recorder, struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    if (count > recorder->gone_count) {
        bool *const gone = realloc(recorder->gone, count * sizeof *gone);
        if (!gone)
            return;
        memset(gone + recorder->gone_count, 0, (count - recorder->gone_count) * sizeof *gone);
        recorder->gone = gone;
        recorder->gone_count = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!sources[i]->gone || recorder->gone[i])
            continue;
        recorder->gone[i] = true;
        evtrail_file_source_gone(recorder->file, sources[i]);
    }
}

int recorder_flush(struct sink *sink, struct consumer *consumer)
{
    struct recorder *const recorder = (struct recorder *)sink;
    note_gone(recorder, consumer);
    evtrail_file_idle(recorder->file);
    evtrail_file_stats(recorder->file, &recorder->stats);
    if (recorder->stats.error < 0)
        writing_failed(recorder, consumer, recorder->stats.error);
    until_matched(recorder, consumer);
    progress_show(recorder, consumer);
    return 0;
}

static void remove_read(const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    for (uint32_t i = 0; i < count; i++) {
        struct evtrail_session *session;
        if (!sources[i]->live || !sources[i]->gone || access(sources[i]->path, F_OK) < 0 ||
            evtrail_session_open(&session, sources[i]->path, NULL) < 0)
            continue;
        evtrail_session_remove(session);
        evtrail_session_close(session);
    }
}

int recorder_close(struct sink *sink, struct consumer *consumer)
{
    struct recorder *const recorder = (struct recorder *)sink;
    uint64_t delivered;
    note_gone(recorder, consumer);
    evtrail_reader_totals(consumer->reader, &delivered, recorder->lost);
    evtrail_file_flush(recorder->file); /* this may be what begins a set's last file */
    snprintf(recorder->path, sizeof recorder->path, "%s", evtrail_file_path(recorder->file));
    int r = evtrail_file_close(recorder->file, &recorder->stats);
    recorder->file = NULL;
    if (r == 0)
        r = recorder->error;
    progress_clear(recorder);
    if (r < 0)
        fail(code_of(r), recorder->path, "%s; %" PRIu64 " events were not written, what was written stays readable",
             strerror(-r), recorder->stats.lost);
    if (consumer->program.failed && recorder->stats.events == 0)
        file_unmake(recorder);
    else
        summary_show(recorder, consumer);
    /* What was read to its end, all of it, need not stay. */
    if (r == 0 && !consumer->snapshot && !recorder->args->set[OPT_keep_sessions] && !recorder->args->set[OPT_now] &&
        !consumer->filter)
        remove_read(consumer);
    watch_close(&recorder->until);
    free(recorder->gone);
    recorder->gone = NULL;
    recorder->gone_count = 0;
    return r < 0 && code_of(r) != CODE_permission ? -EIO : r;
}
