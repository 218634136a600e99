/* SPDX-License-Identifier: ISC
 *
 * Sets a load up, runs it, and takes it down again: servers, names, loop, pool, clients.
 */
#include "load.h"
#include "../stress_trace.h"

#include <evtrail/evtrail.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS UINT64_C(100000000)
#define DRAIN_NS UINT64_C(2000000000)

static volatile sig_atomic_t interrupted;

uint64_t load_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- what clients ask ---- */

bool load_more(struct load *load, uint64_t now_ns)
{
    const uint64_t wanted = load->preset->messages;
    if (atomic_load(&load->stopping) || (load->end_ns && now_ns >= load->end_ns))
        return false;
    if (atomic_fetch_add(&load->begun, 1) < wanted || wanted == 0)
        return true;
    atomic_fetch_sub(&load->begun, 1);
    return false;
}

uint64_t load_rest(const struct load *load, uint64_t now_ns)
{
    const uint64_t burst = load->preset->burst_ns, pause = load->preset->pause_ns;
    if (pause == 0 || now_ns < load->start_ns)
        return 0;
    const uint64_t at = (now_ns - load->start_ns) % (burst + pause);
    return at < burst ? 0 : burst + pause - at;
}

struct evpool_name *load_name(const struct load *load, unsigned client, uint64_t sequence)
{
    const uint64_t mixed = (client * UINT64_C(0x9e3779b97f4a7c15)) ^ (sequence * UINT64_C(0xbf58476d1ce4e5b9));
    return load->names[(mixed >> 32) % load->names_count];
}

void load_leave(struct load *load)
{
    if (atomic_fetch_sub(&load->running, 1) == 1)
        evloop_stop(load->loop);
}

void load_count(struct load *load, int outcome)
{
    atomic_fetch_add(outcome == OUTCOME_right   ? &load->right
                     : outcome == OUTCOME_wrong ? &load->wrong
                                                : &load->given_up,
                     1);
}

/* ---- while it runs ---- */

static void progress_show(struct load *load, uint64_t now)
{
    struct evpool_figures figures;
    uint64_t errors = 0;
    const uint64_t begun = atomic_load(&load->begun);
    const double seconds = (double)(now - load->tick_ns) / 1e9;
    evpool_figures(load->pool, &figures);
    for (unsigned i = 1; i < EVPOOL_CODES; i++)
        errors += figures.errors[i];
    fprintf(stderr, "\r%s  %.1f s  %s messages  %s  %u lent  %u idle  %u waiting  %s errors\033[K", load->preset->name,
            (double)(now - load->start_ns) / 1e9, text_count(begun).s,
            text_value(seconds > 0 ? (double)(begun - load->tick_begun) / seconds : 0, UNIT_rate).s, figures.active,
            figures.idle, figures.waiting, text_count(errors).s);
    load->tick_ns = now;
    load->tick_begun = begun;
}

static void on_tick(struct evloop_timer *timer)
{
    struct load *const load = (struct load *)((char *)timer - offsetof(struct load, tick));
    const uint64_t now = evloop_now_ns(load->loop);
    if (interrupted)
        atomic_store(&load->stopping, true);
    if (load->tick_clients)
        load->tick_clients(load);
    if (load->progress)
        progress_show(load, now);
    evloop_timer_start(load->loop, &load->tick, now + TICK_NS, on_tick);
}

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void signals_take(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- setting up ---- */

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int failed(const char *what, int error, struct evpool_error *story)
{
    char text[512];
    if (story)
        evpool_error_print(story, text, sizeof text);
    fprintf(stderr, "pool-stress: %s: %s\n", what, story ? text : strerror(-error));
    evpool_error_free(story);
    return error;
}

static int pool_make(struct load *load)
{
    const struct preset *const preset = load->preset;
    char servers[32];
    struct evpool_error *error = NULL;
    struct evpool_options options = {
        .bytes = sizeof options, .max_total = preset->max_total, .max_per_name = preset->max_per_name};
    options.waiters_max = preset->clients + 1;
    options.idle_timeout_ns = preset->idle_ns;
    options.lifetime_ns = preset->lifetime_ns;
    options.uses_max = preset->uses_max;
    options.min_idle = preset->min_idle;
    options.acquire_timeout_ns = ACQUIRE_NS;
    options.connect_timeout_ns = preset->connect_ns ? preset->connect_ns : UINT64_C(2000000000);
    options.attempt_delay_ns = preset->attempt_delay_ns;
    options.seed = load->settings->seed + 1;
    if (load->dns) {
        snprintf(servers, sizeof servers, "127.0.0.1:%u", name_server_port(load->dns));
        options.dns_servers = servers;
        options.hosts_file = "";
    }
    const int r = evpool_new(&load->pool, load->loop, &options, &error);
    return r < 0 ? failed("pool", r, error) : 0;
}

static int names_make(struct load *load)
{
    const char *const host = load->settings->connect_host;
    const unsigned count = host ? 1 : load->preset->names;
    const struct evpool_tls tls = {.bytes = sizeof tls, .ca_file = load->farm ? farm_trust(load->farm) : NULL};
    load->names = calloc(count, sizeof *load->names);
    if (!load->names)
        return -ENOMEM;
    for (; load->names_count < count; load->names_count++) {
        char own[32];
        struct evpool_error *error = NULL;
        snprintf(own, sizeof own, "s%u.pool.test", load->names_count);
        const int r =
            evpool_name_get(load->pool, host ? host : own, host ? load->settings->connect_port : farm_port(load->farm),
                            load->preset->tls ? &tls : NULL, &load->names[load->names_count], &error);
        if (r < 0)
            return failed(host ? host : own, r, error);
    }
    return 0;
}

static int servers_make(struct load *load)
{
    if (load->settings->connect_host)
        return 0;
    int r = farm_start(&load->farm, load->preset);
    if (r == 0)
        r = name_server_start(&load->dns, load->preset);
    return r < 0 ? failed("servers", r, NULL) : 0;
}

static int load_open(struct load *load)
{
    const struct evloop_options loop = {.bytes = sizeof loop, .backend = load->settings->backend, .entries = 1024};
    descriptors_raise();
    signals_take();
    int r = servers_make(load);
    if (r < 0)
        return r;
    r = evloop_new(&load->loop, &loop);
    if (r < 0)
        return failed("loop", r, NULL);
    r = pool_make(load);
    return r < 0 ? r : names_make(load);
}

/* ---- running ---- */

static void run_begin(struct load *load)
{
    const struct preset *const preset = load->preset;
    const struct settings *const settings = load->settings;
    load->start_ns = load->tick_ns = evloop_update_now(load->loop);
    load->end_ns = preset->duration_ns ? load->start_ns + preset->duration_ns : 0;
    load->run = evtrail_span_id();
    stress_trace_run_begin(load->run, 0, preset->name, settings->threads ? "threads" : "callbacks",
                           evloop_backend(load->loop), preset->clients, load->farm ? preset->servers : 1, preset->size,
                           preset->messages, preset->duration_ns, settings->seed);
}

static int load_go(struct load *load)
{
    run_begin(load);
    int r = load->settings->threads ? callers_start(load) : clients_start(load);
    if (r < 0)
        return failed("clients", r, NULL);
    r = evloop_timer_start(load->loop, &load->tick, load->start_ns + TICK_NS, on_tick);
    if (r == 0)
        r = evloop_run(load->loop);
    evloop_timer_stop(load->loop, &load->tick);
    if (load->progress)
        fputs("\r\033[K", stderr);
    stress_trace_run_end(load->run, atomic_load(&load->begun));
    return r < 0 ? failed("loop", r, NULL) : 0;
}

static void on_drained(void *argument, unsigned forced)
{
    struct load *const load = argument;
    (void)forced;
    load->drained = true;
}

/* Closes the pool, and takes its own figures when nothing is left in it. */
static void load_drain(struct load *load, struct outcome *outcome)
{
    evpool_close(load->pool, evloop_update_now(load->loop) + DRAIN_NS, on_drained, load);
    while (!load->drained && evloop_run_once(load->loop, DRAIN_NS) >= 0)
        continue;
    evpool_figures(load->pool, &outcome->figures);
    evloop_figures(load->loop, &outcome->loop);
    stress_trace_drained(atomic_load(&load->begun));
    outcome->right = atomic_load(&load->right);
    outcome->wrong = atomic_load(&load->wrong);
    outcome->given_up = atomic_load(&load->given_up);
}

static void load_close(struct load *load)
{
    if (load->settings->threads)
        callers_free(load);
    else
        clients_free(load);
    for (unsigned i = 0; i < load->names_count; i++)
        evpool_name_put(load->names[i]);
    free(load->names);
    evpool_free(load->pool);
    evloop_free(load->loop);
    name_server_stop(load->dns);
    farm_stop(load->farm);
}

int load_run(const struct settings *settings, struct outcome *ret_outcome)
{
    struct load load = {.settings = settings, .preset = &settings->preset};
    load.progress = !settings->quiet && isatty(STDERR_FILENO) == 1;
    memset(ret_outcome, 0, sizeof *ret_outcome);
    int r = load_open(&load);
    if (r == 0)
        r = load_go(&load);
    if (r == 0)
        load_drain(&load, ret_outcome);
    load_close(&load);
    return r;
}
