/* SPDX-License-Identifier: ISC
 *
 * evtrail collect: flags and the configuration file, signals, and lines on standard error.
 */
#include "cli.h"
#include "ship/collect.h"
#include "ship/net.h"
#include "ship/serve.h"

#include <evpool/loop.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

struct command {
    const struct args *args;
    struct evloop *loop;
    struct collect *collect;
    struct evloop_post reload, stop;
    bool journal; /* standard error goes to the journal, which adds the time */
    unsigned stops;
};

static struct command command;

/* ---- settings ------------------------------------------------------------------------------------------------------------- */

static int set_one(struct collect_options *options, enum option_id id, const char *name, const char *value)
{
    char key[64];
    snprintf(key, sizeof(key), "%s", name);
    for (char *at = key; *at; at++)
        *at = *at == '_' ? '-' : *at;
    const int r = collect_options_set(options, key, value);
    return r < 0 ? fail(CODE_usage, option_specs[id].name,
                        "%s is not a value of it; evtrail help collect says what it takes", value)
                 : 0;
}

static int set_flag(struct collect_options *options, const struct args *args, enum option_id id, const char *name,
                    struct collect_text_list *list)
{
    int r = 0;
    if (!args->set[id])
        return 0;
    if (option_specs[id].type == TYPE_flag)
        return set_one(options, id, name, "yes");
    if (option_specs[id].type != TYPE_list)
        return set_one(options, id, name, args->text[id]);
    for (size_t i = 0; i < list->count; i++) /* flags go before the file */
        free((char *)(uintptr_t)list->items[i]);
    list->count = 0;
    for (size_t i = 0; r == 0 && i < args->list[id].count; i++)
        r = set_one(options, id, name, args->list[id].items[i]);
    return r;
}

/* Defaults, then the file, then flags. An exit code. */
static int read_options(struct collect_options *options, const struct args *args)
{
    char *error = NULL;
    int r = collect_options_init(options);
    if (r == 0 && args->set[OPT_collect_config])
        r = collect_options_read(options, args->text[OPT_collect_config], &error);
    if (r < 0) {
        r = fail(r == -EINVAL ? CODE_usage : code_of(r), error ? NULL : args->text[OPT_collect_config], "%s",
                 error ? error : strerror(-r));
        free(error);
        return r;
    }
    free(error);
#define LIST_OF_list(name) &options->name
#define LIST_OF_text(name) NULL
#define LIST_OF_size(name) NULL
#define LIST_OF_count(name) NULL
#define LIST_OF_duration(name) NULL
#define LIST_OF_flag(name) NULL
#define X(name, type, preset, when) \
    if (r == 0) \
        r = set_flag(options, args, OPT_collect_##name, #name, LIST_OF_##type(name));
    COLLECT_SETTINGS(X)
#undef X
    return r;
}

/* ---- log -------------------------------------------------------------------------------------------------------------------- */

/* For the journal "<4>text", else "14:03:00 text". */
static void log_line(void *context, int priority, const char *line)
{
    const struct command *own = context;
    char stamp[32] = "", text[1200];
    const time_t now = time(NULL);
    struct tm calendar;
    if (own->args->set[OPT_quiet] && priority > LOG_WARNING)
        return;
    if (own->journal)
        snprintf(stamp, sizeof(stamp), "<%d>", priority);
    else if (localtime_r(&now, &calendar))
        strftime(stamp, sizeof(stamp), "%H:%M:%S ", &calendar);
    const int n = snprintf(text, sizeof(text), "%s%s\n", stamp, line);
    const size_t bytes = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;
    if (write(STDERR_FILENO, text, bytes) < 0)
        return; /* nobody listens */
}

/* ---- signals ------------------------------------------------------------------------------------------------------------------ */

static void say(int priority, const char *what, const char *more)
{
    char line[1024];
    snprintf(line, sizeof(line), "%s%s", what, more ? more : "");
    log_line(&command, priority, line);
}

static void on_reload(struct evloop_post *post)
{
    struct collect_options options;
    char *error = NULL;
    (void)post;
    if (read_options(&options, command.args) == 0) {
        const int r = collect_reload(command.collect, &options, &error);
        if (r < 0)
            say(LOG_ERR, "not reloaded, all stays as it was: ", error ? error : strerror(-r));
        else
            say(LOG_NOTICE, "reloaded", error ? "; " : "");
        if (r == 0 && error)
            say(LOG_WARNING, error, NULL);
        free(error);
    } else {
        say(LOG_ERR, "not reloaded, all stays as it was", NULL);
    }
    collect_options_fini(&options);
}

static void on_stopped(void *context)
{
    (void)context;
    evloop_stop(command.loop);
}

static void on_stop(struct evloop_post *post)
{
    (void)post;
    say(LOG_INFO, "stopping: what was received is written; senders keep the rest", NULL);
    collect_stop(command.collect, on_stopped, NULL);
}

/* Posting is async-signal-safe. A second SIGINT or SIGTERM does not wait. */
static void on_signal(int number)
{
    if (number == SIGHUP)
        evloop_post(command.loop, &command.reload);
    else if (command.stops++)
        evloop_stop(command.loop);
    else
        evloop_post(command.loop, &command.stop);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is a full disk */
}

/* ---- status ------------------------------------------------------------------------------------------------------------------- */

static int show_status(const struct collect_options *options, bool json)
{
    const char *const store = options->store;
    if (!store[0])
        return fail(CODE_usage, NULL,
                    "--status is of the collector of a store: name it by --store DIR or --config FILE");
    const int r = serve_ask(store, ".status", json ? "/status.json" : "/status");
    if (r == -ENAMETOOLONG)
        return fail(CODE_missing, store,
                    "too long a path for a socket; ask by --metrics, which has a page /status, too");
    if (r == -EACCES || r == -EPERM)
        return fail(CODE_permission, store, "the collector that runs there is another user's; ask as that user");
    if (r == -ENOENT || r == -ENOTDIR || r == -ECONNREFUSED)
        return fail(CODE_missing, store, "no collector runs on this store; evtrail stat %s tells what is in it", store);
    return r < 0 ? fail(code_of(r) == CODE_ok ? CODE_io : code_of(r), store, "the collector does not answer: %s",
                        strerror(-r))
                 : CODE_ok;
}

/* ---- checking ----------------------------------------------------------------------------------------------------------------- */

static int check(const struct collect_options *options, bool quiet)
{
    char *error = NULL;
    bool running = false;
    const int r = collect_check(options, &running, &error);
    if (r < 0) {
        const int code = fail(r == -EINVAL ? CODE_usage : code_of(r), NULL, "%s", error ? error : strerror(-r));
        free(error);
        return code;
    }
    free(error);
    if (!quiet)
        puts(running ? "all is in order; a collector runs on this store, and addresses in use are taken to be its own"
                     : "all is in order");
    return CODE_ok;
}

/* ---- running ------------------------------------------------------------------------------------------------------------------- */

static void say_addresses(void)
{
    struct net_address address;
    char text[400], line[512];
    for (unsigned i = 0; collect_address(command.collect, i, &address); i++) {
        net_address_print(&address, text, sizeof(text));
        snprintf(line, sizeof(line), "listening on %s", text);
        log_line(&command, LOG_NOTICE, line);
    }
    if (collect_metrics_address(command.collect, &address)) {
        net_address_print(&address, text, sizeof(text));
        snprintf(line, sizeof(line), "metrics on %s", text);
        log_line(&command, LOG_NOTICE, line);
    }
}

/* The usual soft limit is 1,024, for the sake of programs that use select(). */
static void take_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* refused: there are as many connections as there are descriptors */
}

static int run(const struct collect_options *options)
{
    char *error = NULL;
    take_descriptors();
    int r = evloop_new(&command.loop, NULL);
    if (r < 0)
        return fail(code_of(r), NULL, "no event loop: %s; are there memory and descriptors left (ulimit -n)?",
                    strerror(-r));
    command.journal = getenv("JOURNAL_STREAM") != NULL;
    command.reload.call = on_reload;
    command.stop.call = on_stop;
    r = collect_new(&command.collect, command.loop, options, log_line, &command, &error);
    if (r < 0) {
        r = fail(r == -EINVAL ? CODE_usage : code_of(r), NULL, "%s", error ? error : strerror(-r));
        free(error);
        evloop_free(command.loop);
        return r;
    }
    catch_signals();
    say_addresses();
    r = evloop_run(command.loop);
    collect_free(command.collect);
    evloop_free(command.loop);
    return r < 0 ? fail(CODE_system, NULL,
                        "the event loop ended: %s; nothing that was acknowledged is lost: start it again", strerror(-r))
                 : CODE_ok;
}

int run_collect(const struct args *args)
{
    struct collect_options options;
    command.args = args;
    if (args->operands_count > 0)
        return fail(CODE_usage, NULL, "'%s': takes no operands; -l names where to listen, --store where to store",
                    args->operands[0]);
    int r = read_options(&options, args);
    if (r == 0 && args->set[OPT_collect_status]) {
        r = show_status(&options, args->set[OPT_json]);
    } else if (r == 0 && args->set[OPT_collect_check]) {
        r = check(&options, args->set[OPT_quiet]);
    } else if (r == 0) {
        r = run(&options);
    }
    collect_options_fini(&options);
    return r;
}
