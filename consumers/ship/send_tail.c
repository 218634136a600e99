/* SPDX-License-Identifier: ISC
 *
 * evtrail send's reading side: chunks of live rings go into the spool. When that is full and policies say so, nothing more is read: then the rings' own
 * policies decide.
 */
#include "ship/send.h"

#include "skeleton.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RENEW_NS INT64_C(50000000)
#define FIGURES_NS INT64_C(200000000)
#define BLOCKED_WAIT_NS 1000000
#define RETURN_NS \
    INT64_C(600000000000) /* so long after it was killed a sender finds what processes leave that end meanwhile */

struct tail {
    struct sink sink; /* first */
    const struct args *line;
    const struct send_setup *setup;
    struct send_setup fresh; /* of the last SIGHUP */
    bool reloaded;
    int (*read)(const struct args *line, struct send_setup *ret_setup);
    const struct send_options *options;
    struct spool *spool;
    struct send_shipper *shipper;
    uint8_t *gone; /* by source number: 1: its end was told, 2: its session was removed */
    uint32_t gone_count;
    int64_t idle_at_ns, figures_ns, started_ns;
    int64_t stop_ns; /* monotonic, when it was told to end; 0: it was not */
    bool unread;     /* it ended while it waited for room */
    struct send_tail_figures figures;
    char rings[128];
    char *rules, *settings;
};

void send_log(const char *format, ...)
{
    char line[1700];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    warn(NULL, "%s", line);
}

static void on_note(void *context, const char *line)
{
    (void)context;
    send_log("%s", line);
}

/* Also while the spool is closed, when the shipper is gone. */
static void on_ready(void *context)
{
    const struct tail *const tail = context;
    if (tail->shipper)
        send_shipper_ready(tail->shipper);
}

/* ---- SIGHUP ---- */

static volatile sig_atomic_t hangups;

static void on_hangup(int number)
{
    (void)number;
    hangups = 1;
}

static void reload(struct tail *tail)
{
    struct send_setup setup;
    char *error = NULL;
    hangups = 0;
    if (tail->read(tail->line, &setup) != 0) {
        send_log("the configuration was not taken over; what was in force stays");
        return;
    }
    setup.options.spool.ready = on_ready;
    setup.options.spool.note = on_note;
    setup.options.spool.context = tail;
    setup.options.spool.several = setup.options.endpoints_count > 1;
    if (strcmp(setup.options.directory, tail->options->directory) != 0)
        send_log("another --spool is for the next start; this one goes on with %s", tail->options->directory);
    if (send_shipper_reload(tail->shipper, &setup.options, &error) < 0) {
        send_log("%s; what was in force stays", error ? error : "out of memory");
        free(error);
        send_setup_free(&setup);
        return;
    }
    spool_reconfigure(tail->spool, &setup.options.spool);
    if (tail->reloaded)
        send_setup_free(&tail->fresh);
    tail->fresh = setup;
    tail->reloaded = true;
    tail->options = &tail->fresh.options;
    if (!tail->options->quiet)
        send_log("configuration and certificates were read again");
}

/* ---- the sink ---- */

static void figures_tell(struct tail *tail, const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    struct send_tail_figures *const figures = &tail->figures;
    evtrail_reader_totals(consumer->reader, &figures->delivered, figures->lost);
    figures->lag_ns = evtrail_reader_lag(consumer->reader);
    figures->fill = evtrail_reader_fill(consumer->reader);
    figures->sources = evtrail_reader_sources(consumer->reader, &sources);
    figures->sources_gone = 0;
    for (uint32_t i = 0; i < figures->sources; i++)
        figures->sources_gone += sources[i]->gone;
    send_shipper_tail(tail->shipper, figures);
    tail->figures_ns = monotonic_ns();
}

static void idle(struct tail *tail, struct consumer *consumer)
{
    const int64_t now = monotonic_ns();
    if (hangups)
        reload(tail);
    if (now >= tail->idle_at_ns) {
        const int64_t next = spool_idle(tail->spool);
        tail->idle_at_ns = next == INT64_MAX ? now + 100000000 : now + next;
    }
    consumer->wait_most_ns = tail->idle_at_ns > now ? tail->idle_at_ns - now : 1;
    if (now - tail->figures_ns >= FIGURES_NS)
        figures_tell(tail, consumer);
}

static bool stop_now(void)
{
    return signals_stops() > 1;
}

/* What is left of the time for reading and shipping the rest; INT64_MAX: nobody wants it to end. */
static int64_t drain_left(struct tail *tail, const struct consumer *consumer)
{
    const int64_t now = monotonic_ns();
    if (consumer->stopped_ns == 0 && signals_stops() == 0)
        return INT64_MAX;
    if (tail->stop_ns == 0)
        tail->stop_ns = now;
    const int64_t left = tail->options->drain_ns - (now - tail->stop_ns);
    return left > 0 ? left : 0;
}

/* There is no room: the rings wait for us, or drop, as their policy says. We are not to be evicted, and those who begin or end meanwhile see that we are there. */
static int wait_for_room(struct tail *tail, struct consumer *consumer, int64_t *renewed_ns)
{
    const int64_t now = monotonic_ns();
    if (now - *renewed_ns >= RENEW_NS) {
        evtrail_reader_renew(consumer->reader);
        *renewed_ns = now;
    }
    tail->idle_at_ns = 0;
    idle(tail, consumer);
    if (stop_now() || drain_left(tail, consumer) == 0) { /* it stays in the ring, and comes with the next start */
        tail->unread = true;
        return CONSUMER_STOP;
    }
    nanosleep(&(struct timespec){.tv_nsec = BLOCKED_WAIT_NS}, NULL);
    if (consumer->stopped_ns) /* the time for reading what is left */
        consumer->stopped_ns += monotonic_ns() - now;
    return 0;
}

static int tail_block(struct sink *sink, struct consumer *consumer, const struct evtrail_chunk *chunk)
{
    struct tail *const tail = (struct tail *)sink;
    int64_t renewed_ns = 0;
    while (spool_write(tail->spool, chunk) == -EAGAIN)
        if (wait_for_room(tail, consumer, &renewed_ns) != 0)
            return CONSUMER_STOP;
    if (tail->idle_at_ns == 0 || monotonic_ns() >= tail->idle_at_ns)
        idle(tail, consumer);
    else if (tail->idle_at_ns > monotonic_ns() + spool_hold(tail->spool))
        tail->idle_at_ns = 0; /* there is something to flush now */
    return 0;
}

static void session_remove(const struct evtrail_source *source)
{
    struct evtrail_session *session;
    if (!source->live || !source->path || access(source->path, F_OK) < 0 ||
        evtrail_session_open(&session, source->path, NULL) < 0)
        return;
    evtrail_session_remove(session);
    evtrail_session_close(session);
}

/* Processes that have ended, and all of which is in a segment. */
static void note_gone(struct tail *tail, struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    if (count > tail->gone_count) {
        uint8_t *const gone = realloc(tail->gone, count);
        if (!gone)
            return;
        memset(gone + tail->gone_count, 0, count - tail->gone_count);
        tail->gone = gone;
        tail->gone_count = count;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!sources[i]->gone || tail->gone[i] || spool_source_gone(tail->spool, sources[i]) == 0)
            continue;
        tail->gone[i] = 1;
        if (!tail->options->keep_sessions && !tail->line->set[OPT_now])
            session_remove(sources[i]);
    }
}

static int tail_flush(struct sink *sink, struct consumer *consumer)
{
    struct tail *const tail = (struct tail *)sink;
    note_gone(tail, consumer);
    tail->idle_at_ns = 0;
    idle(tail, consumer);
    return 0;
}

static void end_say(const struct tail *tail, bool all)
{
    struct spool_stats stats;
    spool_stats(tail->spool, &stats);
    uint64_t dropped = 0;
    for (unsigned cause = 0; cause < SPOOL_CAUSES; cause++)
        for (unsigned level = 0; level < SPOOL_LEVELS; level++)
            dropped += stats.dropped[cause][level];
    if (!all)
        send_log("%s: %" PRIu64 " batches (about %" PRIu64
                 " events) wait for the next start: no collector has acknowledged them yet",
                 tail->options->directory, stats.unacked_batches, stats.unacked_events);
    if (!tail->options->quiet)
        send_log("%" PRIu64 " events sent and acknowledged; lost in rings %" PRIu64 ", in the spool %" PRIu64,
                 stats.acked_events, lost_sum(tail->figures.lost), dropped);
}

/* How much was not read for want of room, and where it is. */
static void unread_say(const struct tail *tail, const struct consumer *consumer)
{
    struct evtrail_source *const *sources;
    struct evtrail_session *session;
    struct evtrail_session_info info;
    const uint32_t count = evtrail_reader_sources(consumer->reader, &sources);
    uint64_t events = 0;
    unsigned processes = 0;
    for (uint32_t i = 0; tail->unread && i < count; i++) {
        if (!sources[i]->live || sources[i]->gone || !sources[i]->path || access(sources[i]->path, F_OK) < 0 ||
            evtrail_session_open(&session, sources[i]->path, NULL) < 0)
            continue;
        const uint64_t taken = spool_taken(tail->spool, sources[i]->session_id);
        if (evtrail_session_info(session, &info) == 0 && info.events > taken) {
            events += info.events - taken;
            processes++;
        }
        evtrail_session_close(session);
    }
    if (processes)
        send_log(
            "about %" PRIu64
            " events are left in the rings of %u processes, for there was no room in %s; they come with the next start",
            events, processes, tail->options->directory);
}

static int tail_close(struct sink *sink, struct consumer *consumer)
{
    struct tail *const tail = (struct tail *)sink;
    note_gone(tail, consumer);
    spool_settle(tail->spool);
    const int r = spool_flush(tail->spool);
    figures_tell(tail, consumer);
    const int64_t left = drain_left(tail, consumer); /* a program that was started may have ended by itself */
    const bool all = send_shipper_drain(tail->shipper, left == INT64_MAX ? tail->options->drain_ns : left, stop_now);
    if (all)
        spool_idle(tail->spool);
    end_say(tail, all);
    unread_say(tail, consumer);
    return r;
}

/* ---- all of it ---- */

static int spool_begin(struct tail *tail)
{
    struct spool_options options = tail->options->spool;
    char *error = NULL;
    options.ready = on_ready;
    options.note = on_note;
    options.context = tail;
    options.several = tail->options->endpoints_count > 1;
    int r = spool_open(&tail->spool, tail->options->directory, &options, &error);
    if (r == 0)
        r = send_shipper_start(tail->shipper, tail->options, tail->spool, &error);
    if (r == 0)
        return 0;
    const int code = fail(r == -EBUSY ? CODE_system : code_of(r), NULL, "%s", error ? error : strerror(-r));
    free(error);
    return code;
}

/* Which of the readers that come back this one is: the same for each sender on this spool. */
static uint64_t return_id(const struct tail *tail)
{
    struct stat status;
    if (stat(tail->options->directory, &status) < 0)
        return 0;
    return (((uint64_t)status.st_dev << 40) ^ (uint64_t)status.st_ino) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static int consume(struct tail *tail)
{
    const struct args *const args = &tail->setup->args;
    tail->sink =
        (struct sink){.name = "send", .hold = true, .block = tail_block, .flush = tail_flush, .close = tail_close};
    struct consumer consumer = {.args = args, .settings = tail->settings};
    consumer.preload = args->list[OPT_with].items;
    consumer.preload_count = args->list[OPT_with].count;
    consumer.options.return_id = return_id(tail);
    consumer.options.return_ns = RETURN_NS;
    if (!args->program) { /* a program has them from its environment */
        consumer.options.enable = tail->rules;
        consumer.options.settings = tail->rings;
    }
    return consumer_run(&consumer, &tail->sink);
}

int send_usage_check(const struct args *args)
{
    if (args->list[OPT_with].count > 0 && !args->program)
        return fail(CODE_usage, NULL, "--with is for a program that is started: -- PROGRAM");
    if (!args->program && !args->set[OPT_all] && args->list[OPT_process].count == 0)
        return fail(CODE_usage, NULL, "nothing to read; name -p PID|NAME, --all, or -- PROGRAM");
    return 0;
}

int send_run(const struct args *line, const struct send_setup *setup,
             int (*read)(const struct args *line, struct send_setup *ret_setup))
{
    struct tail tail = {.line = line, .setup = setup, .read = read, .options = &setup->options};
    char *error = NULL;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    tail.figures.started_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int code = send_usage_check(&setup->args);
    if (code == 0)
        code = ring_settings(&setup->args, "drop", tail.rings, sizeof tail.rings, &tail.rules, &tail.settings);
    if (code == 0) {
        /* Certificates and collectors first: nothing is made for a set-up that cannot work. */
        const int r = send_shipper_new(&tail.shipper, tail.options, &error);
        if (r < 0)
            code = fail(r == -ENOMEM ? CODE_system : CODE_usage, NULL, "%s", error ? error : strerror(-r));
        free(error);
    }
    if (code == 0)
        code = spool_begin(&tail);
    if (code == 0) {
        signals_at_hangup(on_hangup);
        code = consume(&tail);
    }
    send_shipper_free(tail.shipper);
    tail.shipper = NULL;
    spool_close(tail.spool);
    if (tail.reloaded)
        send_setup_free(&tail.fresh);
    free(tail.gone);
    free(tail.rules);
    free(tail.settings);
    return code;
}
