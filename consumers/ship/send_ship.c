/* SPDX-License-Identifier: ISC
 *
 * evtrail send's shipping side, in a thread of its own: a link to one of the collectors, the sender's machine on it, and who asks for status or metrics.
 */
#include "ship/send_private.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { QUEUE_BYTES = 2 << 20, FLIGHT = SEND_FLIGHT };
#define RATE_NS INT64_C(10000000)
#define WATCH_LEAST_NS INT64_C(500000)
#define HOLD_NS UINT64_C(30000000000) /* after a refusal that only a person can cure */

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct ship_time time_now(void)
{
    return (struct ship_time){clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME)};
}

/* ---- figures ---- */

static void error_note(struct send_shipper *shipper, const char *text, bool log)
{
    pthread_mutex_lock(&shipper->lock);
    const bool news = strcmp(shipper->figures.last_error, text) != 0;
    snprintf(shipper->figures.last_error, sizeof shipper->figures.last_error, "%s", text);
    shipper->figures.last_error_ns = clock_ns(CLOCK_REALTIME);
    pthread_mutex_unlock(&shipper->lock);
    if (log && news)
        send_log("%s", text);
}

static void state_set(struct send_shipper *shipper, const char *state)
{
    pthread_mutex_lock(&shipper->lock);
    shipper->figures.state = state;
    pthread_mutex_unlock(&shipper->lock);
}

static void latency_note(struct send_shipper *shipper, const struct conn *conn, uint64_t from, uint64_t to)
{
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (to - from > FLIGHT)
        from = to - FLIGHT;
    pthread_mutex_lock(&shipper->lock);
    for (uint64_t sequence = from + 1; sequence <= to; sequence++) {
        const int64_t born = conn->born[sequence % FLIGHT].sequence == sequence ? conn->born[sequence % FLIGHT].ns : 0;
        if (born != 0 && born <= now) {
            shipper->figures.latency[send_latency_bucket((uint64_t)(now - born) / 1000)]++;
            shipper->figures.latency_s += (double)(now - born) / 1e9;
        }
    }
    pthread_mutex_unlock(&shipper->lock);
}

/* ---- the machine's calls ---- */

static int on_send(void *context, const struct iovec *parts, unsigned count)
{
    struct conn *const conn = context;
    if (!conn->link)
        return -ENOTCONN;
    for (unsigned i = 0; i < count; i++)
        conn->tokens -= (int64_t)parts[i].iov_len;
    return net_link_send(conn->link, parts, count);
}

static size_t on_room(void *context)
{
    struct conn *const conn = context;
    const uint64_t rate = conn->shipper->rate_bytes;
    if (!conn->link)
        return 0;
    if (rate) {
        const int64_t now = clock_ns(CLOCK_MONOTONIC), most = (int64_t)(rate / 10 > 65536 ? rate / 10 : 65536);
        conn->tokens += (int64_t)((double)rate * (double)(now - conn->tokens_ns) / 1e9);
        conn->tokens = conn->tokens > most ? most : conn->tokens;
        conn->tokens_ns = now;
        if (conn->tokens <= 0) {
            conn->throttled = true;
            return 0;
        }
    }
    return net_link_room(conn->link);
}

static void on_welcomed(void *context, const struct wire_welcome *welcome)
{
    struct conn *const conn = context;
    struct send_shipper *const shipper = conn->shipper;
    const struct net_peer *const peer = net_link_peer(conn->link);
    net_endpoints_good(shipper->endpoints);
    pthread_mutex_lock(&shipper->lock);
    shipper->figures.connected = true;
    shipper->figures.state = "up";
    shipper->figures.connects++;
    shipper->figures.connected_ns = clock_ns(CLOCK_REALTIME);
    shipper->figures.retry_at_ns = 0;
    shipper->figures.tls = peer->tls;
    snprintf(shipper->figures.identity, sizeof shipper->figures.identity, "%s", peer->identity);
    snprintf(shipper->figures.collector, sizeof shipper->figures.collector, "%s", peer->address);
    pthread_mutex_unlock(&shipper->lock);
    if (!shipper->quiet)
        send_log("connected to %s (%s%s%s, %s)", peer->address, peer->tls ? peer->version : "plain",
                 *peer->identity ? ", " : "", peer->identity, *welcome->host ? welcome->host : welcome->agent);
}

static void on_opened(void *context, uint32_t channel, uint64_t resume)
{
    struct conn *const conn = context;
    conn->acked[channel] = resume - 1;
    spool_opened(conn->shipper->spool, conn->lanes[channel], resume);
}

static int on_fetch(void *context, uint32_t channel, uint64_t sequence, struct ship_unit *ret_unit)
{
    struct conn *const conn = context;
    const int r = spool_fetch(conn->shipper->spool, conn->lanes[channel], sequence, ret_unit);
    if (r == 1 && ret_unit->kind == SHIP_UNIT_DATA) {
        conn->born[sequence % FLIGHT].sequence = sequence;
        conn->born[sequence % FLIGHT].ns = ret_unit->born_ns;
    }
    if (r < 0) {
        char text[200];
        snprintf(text, sizeof text, "the spool cannot be read: %s; look at its disk", strerror(-r));
        error_note(conn->shipper, text, true);
    }
    return r;
}

static void on_acked(void *context, uint32_t channel, uint64_t sequence)
{
    struct conn *const conn = context;
    if (sequence <= conn->acked[channel])
        return;
    latency_note(conn->shipper, conn, conn->acked[channel], sequence);
    conn->acked[channel] = sequence;
    spool_acked(conn->shipper->spool, conn->lanes[channel], sequence);
}

static void on_refused(void *context, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse)
{
    struct conn *const conn = context;
    (void)channel;
    spool_refused(conn->shipper->spool, sequence, refuse);
}

static void on_stream_refused(void *context, uint32_t channel, const struct wire_refuse *refuse)
{
    struct conn *const conn = context;
    char text[600];
    snprintf(text, sizeof text, "%s refuses the stream: %s: %s", net_link_peer(conn->link)->address,
             wire_refusal_name(refuse->code), refuse->reason);
    error_note(conn->shipper, text, true);
    if (refuse->code == WIRE_REFUSE_ahead)
        spool_renew_stream(conn->shipper->spool, conn->lanes[channel]);
    conn->over = true;
    conn->hold_ns = refuse->code == WIRE_REFUSE_owner || refuse->code == WIRE_REFUSE_denied ? HOLD_NS : 0;
}

static void on_watched(void *context, int64_t hold_ns)
{
    struct conn *const conn = context;
    spool_watched(conn->shipper->spool, hold_ns > WATCH_LEAST_NS || hold_ns == 0 ? hold_ns : WATCH_LEAST_NS);
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct conn *const conn = context;
    char text[700];
    conn->ended = true;
    if (bye->code != WIRE_BYE_done) {
        snprintf(text, sizeof text, "%s %s: %s%s%s", conn->address, by_peer ? "ended the connection" : "was given up",
                 wire_bye_name(bye->code), *bye->reason ? ": " : "", bye->reason);
        error_note(conn->shipper, text, true);
        conn->hold_ns = (uint64_t)bye->retry_ms * 1000000;
        if (!wire_bye_again(bye->code) && conn->hold_ns == 0)
            conn->hold_ns = HOLD_NS;
    }
    if (conn->link)
        net_link_finish(conn->link, 0, *bye->reason ? bye->reason : wire_bye_name(bye->code));
}

static const struct ship_sender_calls sender_calls = {
    .send = on_send,
    .room = on_room,
    .welcomed = on_welcomed,
    .opened = on_opened,
    .fetch = on_fetch,
    .acked = on_acked,
    .refused = on_refused,
    .stream_refused = on_stream_refused,
    .watched = on_watched,
    .closed = on_closed,
};

/* ---- a connection ---- */

static void conn_free(struct conn *conn)
{
    ship_sender_free(conn->sender);
    free(conn);
}

static void on_timer(struct evloop_timer *timer);

/* What the machine wants next: its time, and more room if there is a rate. */
static void conn_arm(struct conn *conn)
{
    struct send_shipper *const shipper = conn->shipper;
    if (conn->ended || conn->dead)
        return;
    if (conn->over) {
        conn->over = false;
        ship_sender_close(conn->sender, WIRE_BYE_done, "the stream was refused");
        return;
    }
    int64_t next = ship_sender_tick(conn->sender, time_now());
    const int64_t soon = clock_ns(CLOCK_MONOTONIC) + RATE_NS;
    if (conn->throttled && soon < next)
        next = soon;
    if (!conn->ended)
        evloop_timer_start(shipper->loop, &shipper->timer, (uint64_t)next, on_timer);
}

static void conn_figures(struct conn *conn)
{
    struct send_shipper *const shipper = conn->shipper;
    struct ship_sender_figures now;
    if (conn->ended)
        return;
    ship_sender_figures(conn->sender, time_now(), &now);
    pthread_mutex_lock(&shipper->lock);
    shipper->figures.sent_bytes += now.sent_bytes - conn->sent_bytes;
    shipper->figures.stalls += now.stalls - conn->stalls;
    shipper->figures.in_flight_bytes = now.unacked_bytes;
    shipper->figures.window_bytes = now.window_bytes;
    shipper->figures.offset_known = now.offset_known;
    shipper->figures.offset_ns = now.offset_ns;
    shipper->figures.bound_ns = now.bound_ns;
    pthread_mutex_unlock(&shipper->lock);
    conn->sent_bytes = now.sent_bytes;
    conn->stalls = now.stalls;
}

/* Streams that the spool has and the connection has not: at its begin, and when the live one was parted from a backlog. */
static void conn_streams(struct conn *conn)
{
    struct wire_open opens[SPOOL_LANES_MAX];
    unsigned lanes[SPOOL_LANES_MAX];
    const unsigned count = spool_streams(conn->shipper->spool, opens, lanes);
    for (unsigned i = 0; i < count; i++) {
        uint32_t channel;
        bool known = false;
        for (uint32_t k = 0; k < conn->channels; k++)
            known |= conn->lanes[k] == lanes[i] && memcmp(conn->ids[k], opens[i].stream, SPOOL_ID_BYTES) == 0;
        if (known || ship_sender_stream(conn->sender, &opens[i], &channel) < 0 || channel >= WIRE_CHANNELS_MAX)
            continue;
        conn->lanes[channel] = lanes[i];
        memcpy(conn->ids[channel], opens[i].stream, SPOOL_ID_BYTES);
        conn->channels = channel + 1 > conn->channels ? channel + 1 : conn->channels;
    }
}

static void conn_pump(struct conn *conn)
{
    if (conn->ended || conn->dead)
        return;
    conn->throttled = false;
    conn_streams(conn);
    ship_sender_pump(conn->sender, time_now());
    conn_figures(conn);
    conn_arm(conn);
}

static void on_timer(struct evloop_timer *timer)
{
    struct send_shipper *const shipper = (struct send_shipper *)((char *)timer - offsetof(struct send_shipper, timer));
    if (shipper->conn)
        conn_pump(shipper->conn);
}

static size_t on_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct conn *const conn = context;
    (void)link;
    if (conn->ended || conn->dead)
        return size;
    const size_t used = ship_sender_input(conn->sender, bytes, size, time_now(), ret_wanted);
    if (conn->ended)
        return size;
    conn_pump(conn);
    return used;
}

static void on_writable(void *context, struct net_link *link)
{
    (void)link;
    conn_pump(context);
}

static void on_link_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    struct conn *const conn = context;
    struct send_shipper *const shipper = conn->shipper;
    (void)link;
    conn->link = NULL;
    if (conn->dead) {
        conn_free(conn);
        return;
    }
    if (!conn->ended) {
        char text[700];
        snprintf(text, sizeof text, "%s: connection ended (%s): %s", conn->address, net_end_name(end), reason);
        error_note(shipper, text, true);
        conn_figures(conn);
        ship_sender_close(conn->sender, WIRE_BYE_lost, reason);
    }
    evloop_timer_stop(shipper->loop, &shipper->timer);
    spool_link_lost(shipper->spool);
    if (conn->hold_ns)
        net_endpoints_hold(shipper->endpoints, conn->hold_ns);
    pthread_mutex_lock(&shipper->lock);
    shipper->figures.connected = false;
    shipper->figures.state = shipper->draining ? "draining" : "connecting";
    shipper->figures.connected_ns = 0;
    shipper->figures.in_flight_bytes = shipper->figures.window_bytes = 0;
    pthread_mutex_unlock(&shipper->lock);
    shipper->conn = NULL;
    conn_free(conn);
}

static const struct net_link_calls link_calls = {
    .received = on_received, .writable = on_writable, .closed = on_link_closed};

static void on_connected(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    struct send_shipper *const shipper = context;
    struct conn *const conn = endpoints == shipper->endpoints && !shipper->conn ? calloc(1, sizeof *conn) : NULL;
    struct ship_sender_options options = {.hello = shipper->hello};
    if (!conn)
        return; /* not owned: it is closed */
    conn->shipper = shipper;
    conn->link = link;
    conn->tokens_ns = clock_ns(CLOCK_MONOTONIC);
    snprintf(conn->address, sizeof conn->address, "%s", net_link_peer(link)->address);
    options.hello.realtime_ns = clock_ns(CLOCK_REALTIME);
    if (ship_sender_new(&conn->sender, &options, &sender_calls, conn) < 0) {
        free(conn);
        return;
    }
    net_link_own(link, &link_calls, conn);
    shipper->conn = conn;
    conn_streams(conn);
    ship_sender_start(conn->sender, time_now());
    conn_arm(conn);
}

static void on_failed(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                      bool round_ended, uint64_t retry_ns)
{
    struct send_shipper *const shipper = context;
    (void)endpoints;
    (void)end;
    error_note(shipper, reason, true);
    pthread_mutex_lock(&shipper->lock);
    shipper->figures.failures++;
    shipper->figures.state = round_ended ? "waiting" : "connecting";
    shipper->figures.retry_at_ns = round_ended ? clock_ns(CLOCK_MONOTONIC) + (int64_t)retry_ns : 0;
    pthread_mutex_unlock(&shipper->lock);
}

/* ---- set-up ---- */

static int complain(char **ret_error, int error, const struct net_text *why)
{
    if (ret_error && asprintf(ret_error, "%s", error == -ENOMEM ? "out of memory" : why->text) < 0)
        *ret_error = NULL;
    return error;
}

int send_endpoints_new(struct net_endpoints **ret_endpoints, struct net_tls **ret_tls, struct net *net,
                       const struct send_options *options, const struct net_endpoints_calls *calls, void *context,
                       char **ret_error)
{
    struct net_text why = {""};
    struct net_tls *tls = NULL;
    int r = options->tls_given || options->tls.crl_file ? net_tls_new(&tls, NET_CLIENT, &options->tls, &why) : 0;
    const struct net_endpoints_options endpoints = {
        .endpoints = options->endpoints,
        .count = options->endpoints_count,
        .tls = tls,
        .tls_given = options->tls_given,
        .insecure = options->insecure,
        .link = {.queue_bytes = QUEUE_BYTES},
    };
    if (r == 0)
        r = net_endpoints_new(ret_endpoints, net, &endpoints, calls, context, &why);
    if (r == 0) {
        *ret_tls = tls;
        return 0;
    }
    net_tls_free(tls);
    return complain(ret_error, r, &why);
}

static const struct net_endpoints_calls endpoints_calls = {.connected = on_connected, .failed = on_failed};

void send_hello_fill(struct wire_hello *hello, const struct send_options *options)
{
    *hello = (struct wire_hello){.payload_max = WIRE_PAYLOAD_MAX};
    (void)!getrandom(&hello->agent_id, sizeof hello->agent_id, 0);
    snprintf(hello->host, sizeof hello->host, "%s", options->host);
    snprintf(hello->agent, sizeof hello->agent, "evtrail " EVTRAIL_VERSION);
    spool_boot_id(hello->boot_id);
}

int send_shipper_new(struct send_shipper **ret_shipper, const struct send_options *options, char **ret_error)
{
    struct send_shipper *const shipper = calloc(1, sizeof *shipper);
    if (!shipper)
        return -ENOMEM;
    pthread_mutex_init(&shipper->lock, NULL);
    pthread_cond_init(&shipper->answered, NULL);
    shipper->figures.state = "connecting";
    shipper->rate_bytes = options->rate_bytes;
    shipper->quiet = options->quiet;
    send_hello_fill(&shipper->hello, options);
    int r = evloop_new(&shipper->loop, NULL);
    if (r == 0)
        r = net_new(&shipper->net, shipper->loop);
    if (r < 0 && ret_error &&
        asprintf(ret_error, "the event loop cannot be made: %s; are there memory and descriptors left (ulimit -n)?",
                 strerror(-r)) < 0)
        *ret_error = NULL;
    if (r == 0)
        r = send_endpoints_new(&shipper->endpoints, &shipper->tls, shipper->net, options, &endpoints_calls, shipper,
                               ret_error);
    if (r < 0) {
        send_shipper_free(shipper);
        return r;
    }
    *ret_shipper = shipper;
    return 0;
}

/* ---- the thread ---- */

static void conn_abandon(struct send_shipper *shipper)
{
    struct conn *const conn = shipper->conn;
    if (!conn)
        return;
    shipper->conn = NULL;
    evloop_timer_stop(shipper->loop, &shipper->timer);
    conn_figures(conn);
    conn->ended = conn->dead = true;
    spool_link_lost(shipper->spool);
}

/* Between two iterations of the loop, where everything may be freed. */
static void reload_do(struct send_shipper *shipper)
{
    struct net_endpoints *endpoints = NULL;
    struct net_tls *tls = NULL;
    const struct send_options *const options = shipper->reload;
    const int r =
        send_endpoints_new(&endpoints, &tls, shipper->net, options, &endpoints_calls, shipper, &shipper->reload_error);
    if (r == 0) {
        conn_abandon(shipper);
        net_endpoints_free(shipper->endpoints);
        net_tls_free(shipper->tls);
        shipper->endpoints = endpoints;
        shipper->tls = tls;
        shipper->rate_bytes = options->rate_bytes;
        shipper->quiet = options->quiet;
        net_endpoints_start(endpoints);
    }
    pthread_mutex_lock(&shipper->lock);
    shipper->reload_result = r;
    shipper->reload = NULL;
    shipper->figures.connected = r == 0 ? false : shipper->figures.connected;
    pthread_cond_broadcast(&shipper->answered);
    pthread_mutex_unlock(&shipper->lock);
}

static void *run(void *context)
{
    struct send_shipper *const shipper = context;
    net_endpoints_start(shipper->endpoints);
    for (;;) {
        evloop_run_once(shipper->loop, UINT64_MAX);
        pthread_mutex_lock(&shipper->lock);
        const bool ending = shipper->ending, reloading = shipper->reload != NULL,
                   draining = shipper->draining && !shipper->drained;
        pthread_mutex_unlock(&shipper->lock);
        if (reloading)
            reload_do(shipper);
        if (draining && shipper->conn && !shipper->conn->ended) {
            shipper->drained = true;
            ship_sender_drain(shipper->conn->sender, time_now());
            conn_pump(shipper->conn);
        }
        if (ending)
            return NULL;
    }
}

static void on_ready_post(struct evloop_post *post)
{
    struct send_shipper *const shipper =
        (struct send_shipper *)((char *)post - offsetof(struct send_shipper, ready_post));
    if (shipper->conn)
        conn_pump(shipper->conn);
}

static void on_wake_post(struct evloop_post *post)
{
    (void)post; /* run() looks */
}

void send_shipper_ready(struct send_shipper *shipper)
{
    evloop_post(shipper->loop, &shipper->ready_post);
}

int send_shipper_start(struct send_shipper *shipper, const struct send_options *options, struct spool *spool,
                       char **ret_error)
{
    sigset_t all, before;
    shipper->spool = spool;
    shipper->ready_post.call = on_ready_post;
    shipper->wake_post.call = on_wake_post;
    int r = send_serve_start(shipper, options, ret_error);
    if (r < 0)
        return r;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the reader's */
    r = -pthread_create(&shipper->thread, NULL, run, shipper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    shipper->started = r == 0;
    return r;
}

int send_shipper_reload(struct send_shipper *shipper, const struct send_options *options, char **ret_error)
{
    pthread_mutex_lock(&shipper->lock);
    shipper->reload = options;
    shipper->reload_error = NULL;
    evloop_post(shipper->loop, &shipper->wake_post);
    while (shipper->reload)
        pthread_cond_wait(&shipper->answered, &shipper->lock);
    const int r = shipper->reload_result;
    *ret_error = shipper->reload_error;
    pthread_mutex_unlock(&shipper->lock);
    return r;
}

void send_shipper_tail(struct send_shipper *shipper, const struct send_tail_figures *tail)
{
    const int64_t now = clock_ns(CLOCK_MONOTONIC), passed = now - shipper->rates_ns;
    struct spool_stats stats;
    const bool due = passed >= INT64_C(1000000000);
    if (due)
        spool_stats(shipper->spool, &stats);
    pthread_mutex_lock(&shipper->lock);
    shipper->tail = *tail;
    if (due) {
        struct send_figures *const figures = &shipper->figures;
        const double seconds = (double)passed / 1e9;
        figures->written_rate = (double)(stats.written_events - shipper->rated_written) / seconds;
        figures->acked_rate = (double)(stats.acked_events - shipper->rated_acked) / seconds;
        figures->sent_rate = (double)(figures->sent_bytes - shipper->rated_sent) / seconds;
        shipper->rated_written = stats.written_events;
        shipper->rated_acked = stats.acked_events;
        shipper->rated_sent = figures->sent_bytes;
        shipper->rates_ns = now;
    }
    pthread_mutex_unlock(&shipper->lock);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static bool all_acked(struct send_shipper *shipper)
{
    struct spool_stats stats;
    spool_stats(shipper->spool, &stats);
    return stats.unacked_batches == 0;
}

bool send_shipper_drain(struct send_shipper *shipper, int64_t timeout_ns, bool (*stop)(void))
{
    const int64_t until = clock_ns(CLOCK_MONOTONIC) + timeout_ns;
    bool all;
    send_shipper_ready(shipper);
    while (!(all = all_acked(shipper)) && clock_ns(CLOCK_MONOTONIC) < until && !stop())
        nap();
    pthread_mutex_lock(&shipper->lock);
    shipper->draining = true; /* says goodbye */
    const bool up = shipper->figures.connected;
    evloop_post(shipper->loop, &shipper->wake_post);
    pthread_mutex_unlock(&shipper->lock);
    for (unsigned i = 0; all && up && i < 250; i++) {
        pthread_mutex_lock(&shipper->lock);
        const bool gone = !shipper->figures.connected;
        pthread_mutex_unlock(&shipper->lock);
        if (gone)
            break;
        nap();
    }
    return all;
}

void send_shipper_figures(struct send_shipper *shipper, struct send_figures *ret_figures,
                          struct send_tail_figures *ret_tail)
{
    pthread_mutex_lock(&shipper->lock);
    *ret_figures = shipper->figures;
    *ret_tail = shipper->tail;
    pthread_mutex_unlock(&shipper->lock);
    ret_figures->certificate_days = shipper->tls ? net_tls_days_left(shipper->tls) : INT_MAX;
}

void send_shipper_free(struct send_shipper *shipper)
{
    if (!shipper)
        return;
    if (shipper->started) {
        pthread_mutex_lock(&shipper->lock);
        shipper->ending = true;
        pthread_mutex_unlock(&shipper->lock);
        evloop_post(shipper->loop, &shipper->wake_post);
        pthread_join(shipper->thread, NULL);
        conn_abandon(shipper);
        state_set(shipper, "ended");
    }
    send_serve_stop(shipper);
    net_endpoints_free(shipper->endpoints);
    net_free(shipper->net);
    net_tls_free(shipper->tls);
    evloop_free(shipper->loop);
    pthread_cond_destroy(&shipper->answered);
    pthread_mutex_destroy(&shipper->lock);
    free(shipper);
}
