/* SPDX-License-Identifier: ISC
 *
 * The common consumer: the loop between a reader and a sink.
 */
#include "skeleton.h"

#include "host_list.h"
#include "remote.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS INT64_C(100000000)
#define DRAIN_NS INT64_C(5000000000) /* how long a stop may go on reading a process that never pauses */
#define STOP_ROUNDS 2u
#define STOP_WAIT_NS INT64_C(2000000)
#define LOOK_NS INT64_C(200000000)
#define FAULTS_SHOWN 10
#define FAULTS_MAX 100000 /* one after the other, and nothing between */

int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t lost_sum(const uint64_t lost[EVTRAIL_CAUSES_ALL])
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        sum += lost[i];
    return sum;
}

bool color_wanted(const struct args *args, bool terminal)
{
    const char *const no_color = getenv("NO_COLOR");
    const char *const term = getenv("TERM");
    if (args->set[OPT_color] && args->number[OPT_color] != 0)
        return args->number[OPT_color] == 1;
    return terminal && !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}

void consumer_note(struct consumer *consumer, enum exit_code code)
{
    if (consumer->code == CODE_ok)
        consumer->code = code;
}

/* ---- attaching --------------------------------------------------------------------------------------------------------- */

static int filter_open(struct consumer *consumer)
{
    char *error = NULL;
    const char *const text = consumer->expression ? consumer->expression : consumer->args->text[OPT_filter];
    if (!text)
        return 0;
    const int r = evtrail_filter_new(&consumer->filter, text, &error);
    if (r < 0) {
        fail(CODE_usage, NULL, "filter: %s", error ? error : strerror(-r));
        consumer_note(consumer, r == -ENOMEM ? CODE_system : CODE_usage);
    }
    free(error);
    return r;
}

static int enable_join(struct consumer *consumer)
{
    const struct text_list *const list = &consumer->args->list[OPT_enable];
    size_t bytes = 1;
    for (size_t i = 0; i < list->count; i++)
        bytes += strlen(list->items[i]) + 1;
    if (list->count == 0)
        return 0;
    consumer->enable = calloc(1, bytes);
    if (!consumer->enable)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        strcat(consumer->enable, i ? " " : "");
        strcat(consumer->enable, list->items[i]);
    }
    if (!consumer->options.enable)
        consumer->options.enable = consumer->enable;
    return 0;
}

static bool any_remote(const struct consumer *consumer)
{
    const struct args *const args = consumer->args;
    bool any = false;
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        any = any || remote_is(args->list[OPT_read].items[i]);
    for (int i = consumer->first_file; i < args->operands_count; i++)
        any = any || remote_is(args->operands[i]);
    return any;
}

static void options_fill(struct consumer *consumer, const struct sink *sink)
{
    const struct args *const args = consumer->args;
    struct evtrail_reader_options *const options = &consumer->options;
    options->bytes = sizeof *options;
    options->follow = args->set[OPT_follow] || any_remote(consumer);
    options->hold = options->hold || sink->hold || args->set[OPT_hold] || args->program;
    options->from_now = options->from_now || args->set[OPT_now];
    options->low_latency = args->set[OPT_low_latency];
    options->spans = sink->spans || (consumer->filter && evtrail_filter_needs_spans(consumer->filter));
    options->snapshot = consumer->snapshot;
    options->living = args->set[OPT_wait];
    options->ocaml_version = args->text[OPT_ocaml_version];
    options->no_children = args->set[OPT_no_children];
    options->ocaml_queue_bytes = (size_t)args->number[OPT_ocaml_queue];
    options->name = sink->name;
    options->filter = consumer->filter;
    options->from_ns = args->number[OPT_from];
    options->to_ns = args->number[OPT_to];
    if (!options->directory)
        options->directory = args->text[OPT_directory];
}

/* Reports why a source cannot be read. */
static int source_failed(struct consumer *consumer, const char *name, int error)
{
    const char *const text = evtrail_reader_error(consumer->reader);
    if (*text)
        fail(code_of(error), NULL, "%s", text);
    else
        fail(code_of(error), name, "%s", strerror(-error));
    consumer_note(consumer, code_of(error));
    return error;
}

static int add_process(struct consumer *consumer, const char *name)
{
    for (;;) {
        const int r = evtrail_reader_add_process(consumer->reader, name);
        if (r >= 0)
            return 1;
        if (r != -ESRCH || !consumer->args->set[OPT_wait])
            return source_failed(consumer, name, r);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        if (signals_stops() > 0)
            return source_failed(consumer, name, r);
    }
}

static int add_remote(struct consumer *consumer, const char *name)
{
    char path[64], *error = NULL;
    int r = remote_open(name, path, sizeof path, &error);
    if (r < 0)
        fail(code_of(r), NULL, "%s", error ? error : strerror(-r));
    free(error);
    if (r == 0) {
        consumer->live = consumer->hosts = true;
        r = evtrail_reader_add_path(consumer->reader, path);
        return r < 0 ? source_failed(consumer, name, r) : 1;
    }
    consumer_note(consumer, code_of(r));
    return r;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int add_file(struct consumer *consumer, const char *path)
{
    if (remote_is(path))
        return add_remote(consumer, path);
    consumer->hosts = consumer->hosts || is_directory(path);
    const int r = evtrail_reader_add_path(consumer->reader, path);
    return r < 0 ? source_failed(consumer, path, r) : 1;
}

/* How many sources were added. */
static int sources_add(struct consumer *consumer)
{
    const struct args *const args = consumer->args;
    int added = 0;
    for (size_t i = 0; i < args->list[OPT_process].count; i++)
        added += add_process(consumer, args->list[OPT_process].items[i]) > 0;
    for (size_t i = 0; i < args->list[OPT_read].count; i++)
        added += add_file(consumer, args->list[OPT_read].items[i]) > 0;
    for (int i = consumer->first_file; i < args->operands_count; i++)
        added += add_file(consumer, args->operands[i]) > 0;
    if (args->set[OPT_all]) {
        const int r = evtrail_reader_add_all(consumer->reader);
        added += r >= 0 ? 1 : 0;
        if (r < 0)
            source_failed(consumer, "sessions", r);
    }
    consumer->live = consumer->live || args->list[OPT_process].count > 0 || args->set[OPT_all] || args->program;
    return added;
}

static bool sources_named(const struct consumer *consumer)
{
    const struct args *const args = consumer->args;
    return args->list[OPT_process].count > 0 || args->list[OPT_read].count > 0 || args->set[OPT_all] || args->program ||
           args->operands_count > consumer->first_file;
}

static int preload_find(struct consumer *consumer)
{
    char missing[128] = "";
    const int r = program_preload(consumer->preload, consumer->preload_count, consumer->preload_text,
                                  sizeof consumer->preload_text, missing, sizeof missing);
    if (r >= 0)
        return 0;
    consumer->preload_text[0] = '\0';
    if (consumer->preload_count == 0)
        return 0;
    consumer_note(consumer, CODE_missing);
    fail(CODE_missing, missing,
         "not found beside evtrail's libraries; there are --with libc and --with ocaml, if they are installed");
    return r;
}

static int program_begin(struct consumer *consumer)
{
    program_trace_ocaml(&consumer->program, consumer->args);
    const char *const settings = consumer->settings ? consumer->settings : "* policy=drop keep=1";
    char **const argv = consumer->args->program;
    const int r = program_start(&consumer->program, argv, settings, consumer->preload_text);
    if (r < 0 && r != -EINTR)
        fail(CODE_missing, argv[0], "cannot be run: %s", strerror(-r));
    return r;
}

/* Before anything is made or emptied for it. */
static int program_look(struct consumer *consumer)
{
    const char *const name = consumer->args->program[0];
    const int r = program_check(name);
    if (r == 0)
        return 0;
    fail(CODE_missing, name, "cannot be run: %s", strerror(-r));
    return program_failed(&consumer->program, r);
}

static int reader_open(struct consumer *consumer, struct sink *sink)
{
    if (consumer->args->program) {
        const char *const base =
            consumer->options.directory ? consumer->options.directory : consumer->args->text[OPT_directory];
        const int r = program_directory(&consumer->program, base);
        if (r < 0) {
            consumer_note(consumer, code_of(r));
            char path[400] = "EVTRAIL_DIR";
            sessions_directory(base, path, sizeof path);
            fail(code_of(r), path, "no directory for sessions: %s; name another in EVTRAIL_DIR", strerror(-r));
            return r;
        }
        consumer->options.directory = consumer->program.directory;
    }
    options_fill(consumer, sink);
    int r = evtrail_reader_new(&consumer->reader, &consumer->options);
    if (r == 0 && consumer->args->program)
        r = evtrail_reader_add_all(consumer->reader);
    if (r < 0) {
        consumer_note(consumer, code_of(r));
        fail(code_of(r), NULL, "%s",
             consumer->reader && *evtrail_reader_error(consumer->reader) ? evtrail_reader_error(consumer->reader)
                                                                         : strerror(-r));
    }
    return r < 0 ? r : 0;
}

int consumer_open(struct consumer *consumer, struct sink *sink)
{
    if (!sources_named(consumer)) {
        consumer->code = fail(CODE_usage, NULL, "nothing to read; name %s-p PID|NAME, --all, or -- PROGRAM",
                              consumer->args->command->completes ? "a file, " : "");
        return -EINVAL;
    }
    if (consumer->limit == 0)
        consumer->limit = consumer->args->set[OPT_limit] ? (uint64_t)consumer->args->number[OPT_limit] : UINT64_MAX;
    int r = filter_open(consumer);
    if (r < 0)
        return r;
    r = enable_join(consumer);
    if (r == 0)
        r = output_init(&consumer->out, STDOUT_FILENO);
    if (r < 0) {
        consumer_note(consumer, (enum exit_code)fail(CODE_system, NULL, "out of memory"));
        return r;
    }
    consumer->out.color = color_wanted(consumer->args, consumer->out.terminal);
    if (consumer->args->program)
        r = program_look(consumer);
    if (r == 0 && consumer->args->program)
        r = preload_find(consumer);
    if (r == 0)
        r = reader_open(consumer, sink);
    if (r == 0)
        r = sources_add(consumer) > 0 || consumer->args->program ? 0 : -ENOENT;
    const bool needs_begins = consumer->filter && evtrail_filter_needs_spans(consumer->filter);
    if (r == 0 && consumer->args->set[OPT_from] && !consumer->live && !needs_begins)
        evtrail_reader_seek(consumer->reader,
                            consumer->args->number[OPT_from]); /* a stream cannot: it is read from its start */
    return r;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

/* That we were stopped for a while and are back costs events at most, and those are counted. */
static void fault(struct consumer *consumer, int error)
{
    if (error != -ESTALE)
        consumer_note(consumer, code_of(error));
    consumer->faults_row++;
    if (consumer->faults++ < FAULTS_SHOWN) {
        const char *const text = evtrail_reader_error(consumer->reader);
        warn(NULL, "%s", *text ? text : strerror(-error));
    }
}

/* A process joins: of several hosts from here on, or as it was. */
static void look_hosts(struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    consumer->hosts = consumer->hosts || sources_of_several_hosts(sources, count, &consumer->hosts_looked);
}

static int read_one(struct consumer *consumer, struct sink *sink)
{
    if (sink->block) {
        struct evtrail_chunk *chunk;
        const int r = evtrail_reader_next_chunk(consumer->reader, &chunk);
        return r <= 0 ? r : sink->block(sink, consumer, chunk) == 0 ? 1 : 2;
    }
    struct evtrail_event *event;
    const int r = evtrail_reader_next(consumer->reader, &event);
    if (r <= 0)
        return r;
    if (event->what == EVTRAIL_EVENT_SOURCE)
        look_hosts(consumer);
    if (sink->event(sink, consumer, event) != 0)
        return 2;
    if (event->what == EVTRAIL_EVENT && --consumer->limit == 0)
        return 2;
    return 1;
}

static bool stop_wanted(struct consumer *consumer)
{
    if (consumer->stopped_ns)
        return true;
    const int64_t now = monotonic_ns();
    const bool late =
        consumer->args->set[OPT_duration] && now - consumer->started_ns >= consumer->args->number[OPT_duration];
    if (signals_stops() == 0 && !late)
        return false;
    consumer->stopped_ns = now;
    return true;
}

static int count_session(const char *path, void *context)
{
    (void)path;
    ++*(uint32_t *)context;
    return 0;
}

/* A process that has ended and whose session has not been read to its end: its last open block comes with the last pass. */
static bool read_to_the_end(struct evtrail_source *const *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!sources[i]->gone && kill((pid_t)sources[i]->pid, 0) < 0 && errno == ESRCH)
            return false;
    }
    return true;
}

/* The program has ended, and each session it made has been found and read. */
static bool program_done(struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    uint32_t sessions = 0;
    if (!program_poll(&consumer->program))
        return false;
    if (++consumer->quiet_rounds < 2)
        return false;
    evtrail_sessions(consumer->program.directory, count_session, &sessions);
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    return (count >= sessions && read_to_the_end(sources, count)) || consumer->quiet_rounds > 50;
}

static bool finished(struct consumer *consumer)
{
    if (stop_wanted(consumer)) /* a reader that found nothing may not have looked at open blocks just now */
        return consumer->stop_rounds++ >= STOP_ROUNDS;
    if (consumer->snapshot)
        return true;
    return consumer->args->program ? program_done(consumer) : evtrail_reader_done(consumer->reader);
}

static int64_t wait_ns(const struct consumer *consumer)
{
    int64_t longest = consumer->program.ended ? WAIT_NS / 10 : WAIT_NS;
    if (consumer->stopped_ns)
        return STOP_WAIT_NS;
    if (consumer->args->set[OPT_duration]) {
        const int64_t left = consumer->args->number[OPT_duration] - (monotonic_ns() - consumer->started_ns);
        longest = left < longest ? left > 0 ? left : 1 : longest;
    }
    if (consumer->wait_most_ns > 0 && consumer->wait_most_ns < longest)
        longest = consumer->wait_most_ns;
    return longest;
}

static int add_run(const char *path, void *context)
{
    const struct consumer *const consumer = context;
    if (strstr(path, "/run-"))
        evtrail_reader_add_path(consumer->reader, path); /* no harm if it is there already */
    return 0;
}

/* --all: the reader is told of new sessions in the directory itself; those of recorded programs lie one deeper. */
static void look_deeper(struct consumer *consumer)
{
    if (!consumer->args->set[OPT_all] || consumer->snapshot || consumer->flushed_ns - consumer->looked_ns < LOOK_NS)
        return;
    consumer->looked_ns = consumer->flushed_ns;
    evtrail_sessions(consumer->options.directory, add_run, consumer);
}

static int sink_flush(struct consumer *consumer, struct sink *sink)
{
    consumer->flushed_ns = monotonic_ns();
    look_deeper(consumer);
    const int r = sink->flush ? sink->flush(sink, consumer) : 0;
    return r ? r : output_flush(&consumer->out);
}

/* Work that is due although events keep coming. Nonzero ends the run. */
static int busy_check(struct consumer *consumer, struct sink *sink)
{
    if (stop_wanted(consumer) && monotonic_ns() - consumer->stopped_ns > DRAIN_NS)
        return CONSUMER_STOP;
    if (monotonic_ns() - consumer->flushed_ns < WAIT_NS)
        return 0;
    if (consumer->args->program)
        program_poll(&consumer->program);
    return consumer->live ? sink_flush(consumer, sink) : sink->flush ? sink->flush(sink, consumer) : 0;
}

int consumer_loop(struct consumer *consumer, struct sink *sink)
{
    uint64_t turn = 0;
    consumer->started_ns = consumer->flushed_ns = monotonic_ns();
    while (consumer->out.error == 0) {
        const int r = read_one(consumer, sink);
        if (r > 1)
            return 0;
        if (r >= 0)
            consumer->faults_row = 0;
        if (r == 1) {
            consumer->quiet_rounds = 0;
            if ((sink->block || (turn++ & 255) == 0) && busy_check(consumer, sink) != 0)
                return 0;
            continue;
        }
        if (r < 0)
            fault(consumer, r);
        if (r == -ENOMEM || consumer->faults_row > FAULTS_MAX)
            return r;
        if (r < 0)
            continue;
        if (sink_flush(consumer, sink) != 0 || finished(consumer) || output_gone(&consumer->out))
            return 0;
        evtrail_reader_wait(consumer->reader, wait_ns(consumer));
    }
    return consumer->out.error;
}

/* ---- the end ----------------------------------------------------------------------------------------------------------- */

static void loss_check(struct consumer *consumer)
{
    uint64_t delivered, lost[EVTRAIL_CAUSES_ALL] = {0};
    if (!consumer->reader)
        return;
    evtrail_reader_totals(consumer->reader, &delivered, lost);
    if (consumer->args->set[OPT_fail_on_loss] && lost_sum(lost) > 0)
        consumer_note(consumer, CODE_found);
}

static void program_wait(struct consumer *consumer)
{
    while (consumer->program.pid && !program_poll(&consumer->program))
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* Each program that can load the library makes a session. */
static void program_silent(const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    if (!consumer->program.ended || consumer->program.failed || !consumer->reader || consumer->args->set[OPT_quiet] ||
        evtrail_reader_sources(consumer->reader, &sources) > 0)
        return;
    warn(consumer->args->program[0],
         "made no session: it is setuid, statically linked, in a chroot, has EVTRAIL=off or a "
         "cleared environment, or there is no room for files in the directory of sessions");
}

void consumer_close(struct consumer *consumer)
{
    loss_check(consumer);
    program_silent(consumer);
    if (consumer->faults > FAULTS_SHOWN)
        warn(NULL, "and %llu more faults", (unsigned long long)(consumer->faults - FAULTS_SHOWN));
    evtrail_reader_free(consumer->reader);
    remote_close_all();
    consumer->reader = NULL;
    const int r = output_fini(&consumer->out);
    if (r < 0 && r != -EPIPE) {
        fail(CODE_io, "standard output", "%s", strerror(-r));
        consumer_note(consumer, CODE_io);
    }
    program_wait(consumer);
    program_clean(&consumer->program, consumer->args->set[OPT_keep_sessions]);
    evtrail_filter_free(consumer->filter);
    free(consumer->enable);
}

int consumer_run(struct consumer *consumer, struct sink *sink)
{
    signals_install(consumer->args->program != NULL);
    int r = consumer_open(consumer, sink);
    if (r == 0 && sink->open)
        r = sink->open(sink, consumer);
    const bool opened = r == 0;
    if (r == 0 && consumer->args->program)
        r = program_begin(consumer);
    if (r == 0)
        consumer_loop(consumer, sink);
    if (opened && sink->close) {
        r = sink->close(sink, consumer);
        if (r < 0)
            consumer_note(consumer, code_of(r));
    }
    consumer_close(consumer);
    if (consumer->program.ended && (consumer->program.code != 0 || consumer->code == CODE_ok))
        return consumer->program.code;
    return (int)consumer->code;
}
