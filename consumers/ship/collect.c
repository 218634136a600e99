/* SPDX-License-Identifier: ISC
 *
 * The collector as a whole: it starts and stops, takes settings again, and passes on what the store has done.
 */
#include "ship/collect_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { LOG_LINES_A_SECOND = 20, CERTIFICATE_DAYS = 14, DAY_S = 86400 };
#define SECOND_NS INT64_C(1000000000)

/* ---- log --------------------------------------------------------------------------------------------------------------- */

static void log_line(struct collect *collect, int priority, const char *line)
{
    if (collect->log)
        collect->log(collect->log_context, priority, line);
}

/* A port scan must not fill the log: what comes too fast is counted. It does not keep out what is more important. */
static bool log_allowed(struct collect *collect, int priority)
{
    unsigned *count = &collect->log_count[priority > LOG_WARNING];
    const int64_t now = collect_now().monotonic_ns;
    if (now - collect->log_second_ns >= SECOND_NS) {
        char line[96];
        if (collect->log_dropped) {
            snprintf(line, sizeof(line), "%u lines were left out; see the metrics", collect->log_dropped);
            log_line(collect, LOG_NOTICE, line);
        }
        collect->log_second_ns = now;
        collect->log_count[0] = collect->log_count[1] = collect->log_dropped = 0;
    }
    if ((*count)++ < LOG_LINES_A_SECOND)
        return true;
    collect->log_dropped++;
    return false;
}

void collect_log(struct collect *collect, int priority, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    if (!log_allowed(collect, priority))
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (char *at = line; *at; at++) /* names of peers are in it */
        if ((unsigned char)*at < ' ' || (unsigned char)*at == 0x7f)
            *at = '?';
    log_line(collect, priority, line);
}

/* ---- the store ----------------------------------------------------------------------------------------------------------- */

static void on_store_event(void *context, const struct store_event *event)
{
    struct collect *collect = context;
    const int priority = event->kind == STORE_EVENT_state ? (event->error ? LOG_ERR : LOG_NOTICE)
                         : event->kind == STORE_EVENT_repaired || event->kind == STORE_EVENT_deleted ? LOG_INFO
                                                                                                     : LOG_WARNING;
    collect_log(collect, priority, "%s: %s", event->path ? event->path : collect->options.store, event->text);
}

/* From the worker's thread. */
static void on_store_wake(void *context)
{
    struct collect *collect = context;
    evloop_post(collect->loop, &collect->wake->post);
}

static void go_on_all(struct collect *collect)
{
    const struct ship_time now = collect_now();
    struct collect_peer *next;
    for (struct collect_peer *peer = collect->held_count ? collect->peers : NULL; peer; peer = next) {
        next = peer->next;
        collect_peer_go_on(peer, now);
    }
}

static void on_wake(struct evloop_post *post)
{
    struct collect_wake *wake = (struct collect_wake *)post;
    struct collect *collect = wake->collect;
    if (!collect)
        free(wake);
    if (!collect || !collect->store)
        return;
    store_dispatch(collect->store);
    go_on_all(collect);
    if (collect->watch_changed)
        collect_watch_tell(collect);
}

/* ---- the timer ------------------------------------------------------------------------------------------------------------ */

static void update_rates(struct collect *collect, int64_t now)
{
    const double seconds = (double)(now - collect->rates_ns) / 1e9;
    if (seconds < 1)
        return;
    collect->rates_ns = now;
    for (struct collect_peer *peer = collect->peers; peer; peer = peer->next) {
        peer->events_rate = (double)(peer->events - peer->events_before) / seconds;
        peer->bytes_rate = (double)(peer->bytes - peer->bytes_before) / seconds;
        peer->events_before = peer->events;
        peer->bytes_before = peer->bytes;
    }
}

static void watch_certificate(struct collect *collect, int64_t now)
{
    if (!collect->tls || (collect->certificate_warned_ns && now - collect->certificate_warned_ns < DAY_S * SECOND_NS))
        return;
    const int days = net_tls_days_left(collect->tls);
    if (days > CERTIFICATE_DAYS)
        return;
    collect->certificate_warned_ns = now;
    collect_log(collect, LOG_WARNING, "%s: the certificate %s; put a new one there and send SIGHUP",
                collect->options.cert, days < 0 ? "has run out: senders refuse it" : "runs out within two weeks");
}

static void finish_stop(struct collect *collect)
{
    void (*stopped)(void *) = collect->stopped;
    collect->stopped = NULL;
    evloop_timer_stop(collect->loop, &collect->timer);
    if (stopped)
        stopped(collect->stopped_context);
}

static void on_timer(struct evloop_timer *timer)
{
    struct collect *collect = (struct collect *)((char *)timer - offsetof(struct collect, timer));
    const struct ship_time now = collect_now();
    struct collect_peer *next;
    for (struct collect_peer *peer = collect->peers; peer; peer = next) {
        next = peer->next;
        collect_peer_tick(peer, now);
    }
    update_rates(collect, now.monotonic_ns);
    watch_certificate(collect, now.monotonic_ns);
    if (collect->stopping && (!collect->peers || now.monotonic_ns >= collect->stop_until_ns)) {
        finish_stop(collect);
        return;
    }
    const uint64_t wait = collect->held_count || collect->stopping ? 50000000 : 1000000000;
    evloop_timer_start(collect->loop, timer, evloop_now_ns(collect->loop) + wait, on_timer);
}

/* ---- the listener ---------------------------------------------------------------------------------------------------------- */

static void on_accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    (void)listener;
    collect_accept(context, link);
}

static void on_refused(void *context, struct net_listener *listener, const struct net_peer *peer, enum net_end end,
                       const char *reason)
{
    (void)listener;
    collect_log(context, LOG_NOTICE, "%s: refused (%s): %s", peer->address, net_end_name(end), reason);
}

static const struct net_listener_calls listener_calls = {.accepted = on_accepted, .refused = on_refused};

static int listen_on(struct collect *collect, struct net_text *ret_why)
{
    struct net_address addresses[NET_LISTEN_MAX];
    const struct collect_options *options = &collect->options;
    const int count = collect_addresses(options, addresses, NET_LISTEN_MAX, ret_why);
    if (count < 0)
        return count;
    int r = collect_tls_new(&collect->tls, options, ret_why);
    if (r < 0)
        return r;
    const struct net_listener_options listener = {
        .addresses = addresses,
        .addresses_count = (unsigned)count,
        .tls = collect->tls,
        .insecure = options->insecure,
        .links_max = (unsigned)options->senders + 64, /* those above are told why */
    };
    return net_listener_new_soon(&collect->listener, collect->net, &listener, &listener_calls, collect, ret_why);
}

/* ---- starting ---------------------------------------------------------------------------------------------------------------- */

static int copy_options(struct collect_options *to, const struct collect_options *from)
{
    int r = collect_options_init(to);
    for (size_t i = 0; r == 0 && i < from->listen.count; i++)
        r = collect_options_set(to, "listen", from->listen.items[i]);
    for (size_t i = 0; r == 0 && i < from->client_name.count; i++)
        r = collect_options_set(to, "client-name", from->client_name.items[i]);
#define COPY_text(name, key) r = r < 0 ? r : collect_options_set(to, key, from->name);
#define COPY_list(name, key)
#define COPY_size(name, key) to->name = from->name;
#define COPY_count(name, key) to->name = from->name;
#define COPY_duration(name, key) to->name = from->name;
#define COPY_flag(name, key) to->name = from->name;
#define X(name, type, preset, when) COPY_##type(name, #name)
    COLLECT_SETTINGS(X)
#undef X
    for (size_t i = 0; r == 0 && i < COLLECT_SETTINGS_COUNT; i++) {
        free(to->said[i]);
        to->said[i] = from->said[i] ? strdup(from->said[i]) : NULL;
    }
    return r;
}

static void explain(char **ret_error, const struct net_text *why, int error)
{
    if (!*ret_error && asprintf(ret_error, "%s", why->text[0] ? why->text : strerror(-error)) < 0)
        *ret_error = NULL;
}

static int start(struct collect *collect, char **ret_error)
{
    struct store_options store;
    struct net_text why = {""};
    int r = net_new(&collect->net, collect->loop);
    if (r == 0)
        r = store_checker_new(&collect->checker);
    if (r == 0)
        r = listen_on(collect, &why); /* an address that is taken is told before the store is touched */
    if (r == 0) {
        collect_store_options(&store, &collect->options);
        store.wake = on_store_wake;
        store.event = on_store_event;
        store.context = collect;
        r = store_open(&collect->store, &store, ret_error);
    }
    if (r == 0)
        r = collect_serve_start(collect, &why);
    if (r < 0)
        explain(ret_error, &why, r);
    return r;
}

int collect_new(struct collect **ret_collect, struct evloop *loop, const struct collect_options *options,
                void (*log)(void *context, int priority, const char *line), void *context, char **ret_error)
{
    char *error = NULL;
    struct collect *collect = calloc(1, sizeof(*collect));
    if (!collect)
        return -ENOMEM;
    collect->loop = loop;
    collect->log = log;
    collect->log_context = context;
    collect->wake = calloc(1, sizeof(*collect->wake));
    if (!collect->wake) {
        free(collect);
        return -ENOMEM;
    }
    collect->wake->post.call = on_wake;
    collect->wake->collect = collect;
    collect->started_ns = collect->rates_ns = collect_now().monotonic_ns;
    if (gethostname(collect->host, sizeof(collect->host) - 1) < 0)
        snprintf(collect->host, sizeof(collect->host), "unknown");
    int r = collect_options_check(options, &error);
    if (r == 0)
        r = copy_options(&collect->options, options);
    if (r == 0)
        r = live_new(&collect->live);
    if (r == 0)
        collect->tap = live_tap(collect->live);
    if (r == 0)
        r = start(collect, &error);
    if (r == 0)
        collect->collector_id = store_id(collect->store);
    if (r == 0)
        r = evloop_timer_start(loop, &collect->timer, evloop_update_now(loop) + 100000000, on_timer);
    if (r < 0) {
        if (ret_error)
            *ret_error = error;
        else
            free(error);
        collect_free(collect);
        return r;
    }
    free(error);
    *ret_collect = collect;
    return 0;
}

void collect_free(struct collect *collect)
{
    if (!collect)
        return;
    collect->ending = true;
    evloop_timer_stop(collect->loop, &collect->timer);
    net_listener_free(collect->listener);
    serve_free(collect->status);
    serve_free(collect->metrics);
    while (collect->peers)
        collect_peer_free(collect->peers);
    collect_senders_free(collect);
    net_free(collect->net); /* its links end with the loop */
    struct store *store = collect->store;
    const int64_t stop_ns = collect->options.stop_time;
    if (store)
        store_close(store, collect_now().monotonic_ns + stop_ns);
    collect->store = NULL;
    collect->wake->collect = NULL;
    /* The acquire pairs with P6 in the loop: a call of the post is over. */
    if (!__atomic_load_n(&collect->wake->post.queued,
                         __ATOMIC_ACQUIRE)) /* else it frees itself; nobody posts any more */
        free(collect->wake);
    net_tls_free(collect->tls);
    store_checker_free(collect->checker);
    live_free(collect->live);
    collect_options_fini(&collect->options);
    free(collect);
}

void collect_stop(struct collect *collect, void (*stopped)(void *context), void *context)
{
    const struct ship_time now = collect_now();
    struct collect_peer *next;
    collect->stopping = true;
    collect->stopped = stopped;
    collect->stopped_context = context;
    collect->stop_until_ns = now.monotonic_ns + collect->options.stop_time;
    net_listener_stop(collect->listener);
    for (struct collect_peer *peer = collect->peers; peer; peer = next) {
        next = peer->next;
        collect_peer_drain(peer);
    }
    evloop_timer_start(collect->loop, &collect->timer, evloop_update_now(collect->loop) + 1000000, on_timer);
}

bool collect_address(const struct collect *collect, unsigned index, struct net_address *ret_address)
{
    return net_listener_address(collect->listener, index, ret_address);
}

bool collect_metrics_address(const struct collect *collect, struct net_address *ret_address)
{
    return collect->metrics && serve_address(collect->metrics, ret_address);
}

void collect_set_tap(struct collect *collect, struct collect_tap *tap)
{
    collect->tap = tap;
}

/* ---- settings again ------------------------------------------------------------------------------------------------------------ */

static bool same_lists(const struct collect_text_list *a, const struct collect_text_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = !strcmp(a->items[i], b->items[i]);
    return same;
}

/* The names of the settings that differ and wait for a restart. */
static void note_waiting(const struct collect_options *now, const struct collect_options *next, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
#define SAME_text(name) !strcmp(now->name, next->name)
#define SAME_list(name) same_lists(&now->name, &next->name)
#define SAME_size(name) now->name == next->name
#define SAME_count(name) now->name == next->name
#define SAME_duration(name) now->name == next->name
#define SAME_flag(name) now->name == next->name
#define NOTE_start(name, type) \
    if (!(SAME_##type(name)) && used < size) \
        used += (size_t)snprintf(out + used, size - used, "%s" #name, used ? ", " : "");
#define NOTE_reload(name, type)
#define X(name, type, preset, when) NOTE_##when(name, type)
    COLLECT_SETTINGS(X)
#undef X
    for (char *at = out; *at; at++)
        *at = *at == '_' ? '-' : *at;
}

static int reload_tls(struct collect *collect, const struct collect_options *next, struct net_text *why)
{
    struct net_tls_options tls;
    const char **names;
    if (!collect->tls) {
        if (!next->cert[0] && !next->psk_file[0])
            return 0;
        snprintf(why->text, sizeof(why->text), "cert, key: TLS begins with a restart");
        return -EINVAL;
    }
    int r = collect_tls_options(&tls, &names, next);
    if (r < 0)
        return r;
    r = net_tls_change(collect->tls, &tls, why);
    free(names);
    return r;
}

int collect_reload(struct collect *collect, const struct collect_options *options, char **ret_error)
{
    struct net_text why = {""};
    struct collect_options next;
    struct store_options store;
    char waiting[512];
    int r = collect_options_check(options, ret_error);
    if (r < 0)
        return r;
    r = copy_options(&next, options);
    if (r == 0)
        r = reload_tls(collect, &next, &why);
    if (r < 0) {
        explain(ret_error, &why, r);
        collect_options_fini(&next);
        return r; /* all as it was */
    }
    note_waiting(&collect->options, &next, waiting, sizeof(waiting));
    collect_store_options(&store, &next);
    store_configure(collect->store, &store);
#define TAKE_start(name) /* as it was */ \
    { \
        char keep[sizeof(next.name)]; \
        memcpy(keep, &next.name, sizeof(keep)); \
        memcpy(&next.name, &collect->options.name, sizeof(keep)); \
        memcpy(&collect->options.name, keep, sizeof(keep)); \
        char *const said = next.said[COLLECT_##name]; \
        next.said[COLLECT_##name] = collect->options.said[COLLECT_##name]; \
        collect->options.said[COLLECT_##name] = said; \
    }
#define TAKE_reload(name)
#define X(name, type, preset, when) TAKE_##when(name)
    COLLECT_SETTINGS(X)
#undef X
    collect_options_fini(&collect->options);
    collect->options = next;
    collect->certificate_warned_ns = 0;
    if (waiting[0] && asprintf(ret_error, "these settings wait for a restart: %s", waiting) < 0)
        *ret_error = NULL;
    return 0;
}

/* A collector that runs there is no fault: this is asked before SIGHUP. */
static int check_store(const struct collect_options *options, bool *ret_running, char **ret_error)
{
    struct store_options store;
    collect_store_options(&store, options);
    const int r = store_check(&store, ret_error);
    *ret_running = r == -EBUSY;
    if (!*ret_running)
        return r;
    free(*ret_error);
    *ret_error = NULL;
    return 0;
}

int collect_check(const struct collect_options *options, bool *ret_running, char **ret_error)
{
    struct net_address addresses[NET_LISTEN_MAX];
    struct net_text why = {""};
    struct net_tls *tls = NULL;
    int r = collect_options_check(options, ret_error), count = 0;
    if (r == 0)
        r = check_store(options, ret_running, ret_error);
    if (r == 0)
        r = count = collect_addresses(options, addresses, NET_LISTEN_MAX, &why);
    if (r >= 0)
        r = collect_tls_new(&tls, options, &why);
    if (r >= 0)
        r = collect_places_check(options, addresses, (unsigned)count, tls, *ret_running, &why);
    net_tls_free(tls);
    if (r < 0)
        explain(ret_error, &why, r);
    return r < 0 ? r : 0;
}
