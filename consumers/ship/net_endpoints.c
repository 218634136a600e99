/* SPDX-License-Identifier: ISC
 *
 * From a sender to one of its collectors: a round tries them in turn, each by its name's addresses of this moment (Happy Eyeballs, by the
 * pool's resolver and connector) and the TLS handshake; after a round in which none was good there is a pause.
 */
#include "ship/net_endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ATTEMPT_DELAY_NS (NET_SECOND_NS / 4)
#define QUICK_NS (NET_SECOND_NS / 10)

static void try_next(struct net_endpoints *endpoints);
static void free_now(struct net_endpoints *endpoints);
static void on_timer(struct evloop_timer *timer);

static struct evloop *loop_of(const struct net_endpoints *endpoints)
{
    return endpoints->net->loop;
}

static const struct net_endpoint *current(const struct net_endpoints *endpoints)
{
    return &endpoints->endpoints[endpoints->order[endpoints->place - 1]];
}

/* ---- rounds ---- */

static void arm(struct net_endpoints *endpoints, uint64_t wait_ns)
{
    const uint64_t now_ns = evloop_update_now(loop_of(endpoints));
    if (evloop_timer_start(loop_of(endpoints), &endpoints->timer, now_ns + wait_ns, on_timer) == -ENOMEM)
        evloop_post(loop_of(endpoints), &endpoints->begin); /* rather at once than never */
}

static void new_round(struct net_endpoints *endpoints)
{
    endpoints_order(endpoints->endpoints, endpoints->count, &endpoints->random, endpoints->order);
    endpoints->place = 0;
}

/* Until the next round: not before the collector's wish. */
static uint64_t pause_ns(const struct net_endpoints *endpoints, uint64_t wait_ns)
{
    const uint64_t now_ns = evloop_now_ns(loop_of(endpoints)), hold_ns = endpoints->hold_until_ns;
    return hold_ns > now_ns + wait_ns ? hold_ns - now_ns : wait_ns;
}

static uint64_t next_backoff(struct net_endpoints *endpoints)
{
    return pause_ns(endpoints, endpoints_backoff(endpoints->options.backoff_ns, endpoints->options.backoff_max_ns,
                                                 endpoints->failed_rounds++, &endpoints->random));
}

static void wait_for_round(struct net_endpoints *endpoints, uint64_t wait_ns)
{
    new_round(endpoints);
    endpoints->state = ENDPOINTS_WAITING;
    arm(endpoints, wait_ns);
}

/* This collector will not do: the next one, or a pause. `reason` NULL: it was told already. */
static void go_on(struct net_endpoints *endpoints, enum net_end end, const char *reason)
{
    char where[NET_HOST_BYTES + 32];
    struct net_text text;
    const bool round_ended = endpoints->place == endpoints->count;
    net_address_print(&current(endpoints)->address, where, sizeof(where));
    const uint64_t wait_ns = round_ended ? next_backoff(endpoints) : 0;
    if (round_ended)
        wait_for_round(endpoints, wait_ns);
    else
        endpoints->state = ENDPOINTS_WAITING;
    if (reason) {
        net_say(&text, 0, "%s: %s", where, reason);
        endpoints->telling = true;
        endpoints->calls->failed(endpoints->context, endpoints, end, text.text, round_ended, wait_ns);
        endpoints->telling = false;
    }
    if (endpoints->freed)
        free_now(endpoints);
    else if (!round_ended && endpoints->state == ENDPOINTS_WAITING)
        try_next(endpoints);
}

/* ---- the link ---- */

static void link_is_ready(void *context, struct net_link *link)
{
    struct net_endpoints *endpoints = context;
    endpoints->good = false;
    endpoints->calls->connected(endpoints->context, endpoints, link);
}

static void link_is_gone(void *context, struct net_link *link, bool was_ready)
{
    struct net_endpoints *endpoints = context;
    endpoints->link = NULL;
    if (endpoints->state != ENDPOINTS_LINKED)
        return;
    const uint64_t lasted_ns = evloop_now_ns(loop_of(endpoints)) - link->figures.opened_ns;
    if (!was_ready || !endpoints->good) {
        go_on(endpoints, link->end, was_ready ? NULL : link->reason.text);
        return;
    }
    if (lasted_ns >= endpoints->options.good_ns) {
        endpoints->failed_rounds = 0;
        wait_for_round(endpoints, pause_ns(endpoints, random_below(&endpoints->random, QUICK_NS)));
    } else {
        wait_for_round(endpoints, next_backoff(endpoints));
    }
}

static const struct link_maker maker = {.ready = link_is_ready, .gone = link_is_gone};

static struct net_tls *tls_of(const struct net_endpoints *endpoints)
{
    return endpoints->options.tls ? endpoints->options.tls : endpoints->own_tls;
}

/* As the peer is shown. */
static void describe(struct net_link *link, const struct net_endpoint *endpoint, const struct peer_address *peer)
{
    link->peer.unix_socket = endpoint->address.unix_socket;
    link->peer.local = net_sockaddr_local(&peer->address);
    if (link->peer.unix_socket)
        snprintf(link->peer.address, sizeof(link->peer.address), "%s", endpoint->address.host);
    else
        net_sockaddr_print(&peer->address, link->peer.address, sizeof(link->peer.address));
}

static void link_up(struct net_endpoints *endpoints, int fd, const struct peer_address *peer)
{
    const unsigned index = endpoints->order[endpoints->place - 1];
    const struct net_endpoint *endpoint = &endpoints->endpoints[index];
    struct secure *secure = NULL;
    struct net_link *link;
    int result = link_new(&link, endpoints->net, fd, NET_CLIENT, &endpoints->options.link, &maker, endpoints);
    if (result < 0) {
        go_on(endpoints, NET_END_memory, "out of memory");
        return;
    }
    endpoints->link = link;
    endpoints->state = ENDPOINTS_LINKED;
    describe(link, endpoint, peer);
    if (endpoints->wants_tls[index])
        result = secure_new(&secure, net_tls_context(tls_of(endpoints)),
                            endpoint->address.unix_socket ? "" : endpoint->address.host);
    if (result == -EINVAL)
        link_end(link, NET_END_tls_name,
                 "this address is no name that a certificate can have; --server-name says the collector's");
    else if (result < 0)
        link_end(link, NET_END_memory, "out of memory");
    else
        link_start_client(link, secure);
}

/* ---- connecting ---- */

static enum net_end end_of(enum evpool_code code)
{
    switch (code) {
    case EVPOOL_ERROR_connect_refused:
        return NET_END_connect_refused;
    case EVPOOL_ERROR_connect_unreachable:
        return NET_END_unreachable;
    case EVPOOL_ERROR_connect_timeout:
    case EVPOOL_ERROR_resolve_timeout:
        return NET_END_connect_timeout;
    case EVPOOL_ERROR_resolve_none:
    case EVPOOL_ERROR_resolve_failed:
        return NET_END_unknown_name;
    case EVPOOL_ERROR_memory:
        return NET_END_memory;
    default:
        return NET_END_io;
    }
}

static const char *hint(enum net_end end)
{
    switch (end) {
    case NET_END_connect_refused:
        return ": is evtrail collect running there, and on this port?";
    case NET_END_connect_timeout:
        return ": is there a firewall between, or is the host down?";
    case NET_END_unknown_name:
        return ": is it spelt right, and does DNS know it?";
    default:
        return "";
    }
}

static void connecting_failed(struct net_endpoints *endpoints, enum evpool_code code, const char *what)
{
    struct net_text text;
    const enum net_end end = end_of(code);
    net_say(&text, 0, "%s%s", what, hint(end));
    go_on(endpoints, end, text.text);
}

static void on_connected(struct connector *connector)
{
    struct net_endpoints *endpoints =
        (struct net_endpoints *)((char *)connector - offsetof(struct net_endpoints, connector));
    struct stream *stream = connector->stream;
    struct evpool_error *error = connector->error;
    const bool wanted = endpoints->state == ENDPOINTS_CONNECTING && !endpoints->freed;
    endpoints->connecting = false;
    if (wanted)
        evloop_timer_stop(loop_of(endpoints), &endpoints->timer);
    connector->stream = NULL;
    connector->error = NULL;
    if (endpoints->freed) {
        stream_close(stream);
        free_now(endpoints);
    } else if (!wanted) { /* stopped; maybe started again meanwhile */
        stream_close(stream);
        if (endpoints->state == ENDPOINTS_WAITING && !evloop_timer_armed(&endpoints->timer))
            try_next(endpoints);
    } else if (stream) {
        link_up(endpoints, stream_take_fd(stream), &connector->winner->peer);
    } else if (endpoints->timed_out) {
        connecting_failed(endpoints, EVPOOL_ERROR_connect_timeout, "no connection in time");
    } else {
        const struct evpool_error_line *line = evpool_error_line(error, 0);
        char what[200];
        snprintf(what, sizeof(what), "%.*s", line ? (int)strcspn(line->text, "(") : 0, line ? line->text : "");
        const size_t length = strlen(what);
        if (length && what[length - 1] == ' ')
            what[length - 1] = '\0';
        connecting_failed(endpoints, evpool_error_code(error), what);
    }
    evpool_error_free(error);
}

static void on_resolved(struct resolver_query *query, const struct resolver_answer *answer)
{
    struct net_endpoints *endpoints = (struct net_endpoints *)((char *)query - offsetof(struct net_endpoints, query));
    if (answer->code != EVPOOL_OK) {
        evloop_timer_stop(loop_of(endpoints), &endpoints->timer);
        connecting_failed(endpoints, answer->code, answer->text ? answer->text : "no such name");
        return;
    }
    const unsigned count = answer->count < CONNECTOR_TARGETS_MAX ? answer->count : CONNECTOR_TARGETS_MAX;
    for (unsigned i = 0; i < count; i++)
        endpoints->targets[i] = (struct connector_target){.peer = answer->addresses[i]};
    endpoints->connector = (struct connector){.loop = loop_of(endpoints),
                                              .targets = endpoints->targets,
                                              .targets_count = count,
                                              .attempt_delay_ns = ATTEMPT_DELAY_NS,
                                              .connect_timeout_ns = endpoints->options.connect_ns,
                                              .call = on_connected};
    endpoints->state = ENDPOINTS_CONNECTING;
    endpoints->connecting = true;
    connector_start(&endpoints->connector);
}

static void try_next(struct net_endpoints *endpoints)
{
    if (endpoints->connecting) /* a cancelled one is on its way out, and will begin this */
        return;
    const struct net_address *address = &endpoints->endpoints[endpoints->order[endpoints->place++]].address;
    endpoints->state = ENDPOINTS_RESOLVING;
    endpoints->timed_out = false;
    arm(endpoints, endpoints->options.connect_ns);
    resolver_forget(endpoints->net->resolver, address->host);
    resolver_lookup(endpoints->net->resolver, &endpoints->query, address->host, address->port, on_resolved);
}

static void on_timer(struct evloop_timer *timer)
{
    struct net_endpoints *endpoints = (struct net_endpoints *)((char *)timer - offsetof(struct net_endpoints, timer));
    switch (endpoints->state) {
    case ENDPOINTS_WAITING:
        try_next(endpoints);
        break;
    case ENDPOINTS_RESOLVING:
        resolver_cancel(&endpoints->query);
        connecting_failed(endpoints, EVPOOL_ERROR_resolve_timeout, "the name was not resolved in time");
        break;
    case ENDPOINTS_CONNECTING:
        endpoints->timed_out = true;
        connector_cancel(&endpoints->connector);
        break;
    default:
        break;
    }
}

/* ---- life ---- */

static void on_begin(struct evloop_post *post)
{
    struct net_endpoints *endpoints = (struct net_endpoints *)((char *)post - offsetof(struct net_endpoints, begin));
    if (endpoints->freed)
        free_now(endpoints);
    else if (endpoints->state == ENDPOINTS_WAITING && !evloop_timer_armed(&endpoints->timer))
        try_next(endpoints);
}

void net_endpoints_start(struct net_endpoints *endpoints)
{
    if (endpoints->state != ENDPOINTS_STOPPED)
        return;
    new_round(endpoints);
    if (endpoints->link) { /* of before it was stopped */
        endpoints->state = ENDPOINTS_LINKED;
        endpoints->place = 1;
        return;
    }
    endpoints->state = ENDPOINTS_WAITING;
    evloop_post(loop_of(endpoints), &endpoints->begin);
}

void net_endpoints_stop(struct net_endpoints *endpoints)
{
    if (endpoints->state == ENDPOINTS_RESOLVING)
        resolver_cancel(&endpoints->query);
    if (endpoints->state == ENDPOINTS_CONNECTING)
        connector_cancel(&endpoints->connector);
    if (endpoints->link && !endpoints->link->was_ready)
        link_end(endpoints->link, NET_END_local, "this side ends");
    evloop_timer_stop(loop_of(endpoints), &endpoints->timer);
    endpoints->state = ENDPOINTS_STOPPED;
}

void net_endpoints_good(struct net_endpoints *endpoints)
{
    endpoints->good = true;
}

void net_endpoints_hold(struct net_endpoints *endpoints, uint64_t retry_ns)
{
    endpoints->hold_until_ns = evloop_now_ns(loop_of(endpoints)) + retry_ns;
}

/* Unless something of it is still on its way to us. */
static void free_now(struct net_endpoints *endpoints)
{
    if (endpoints->connecting || endpoints->begin.queued || endpoints->telling)
        return;
    struct net *net = endpoints->net;
    net_tls_free(endpoints->own_tls);
    free(endpoints->endpoints);
    free(endpoints->wants_tls);
    free(endpoints);
    net_unref(net);
}

void net_endpoints_free(struct net_endpoints *endpoints)
{
    if (!endpoints)
        return;
    net_endpoints_stop(endpoints);
    if (endpoints->link) {
        endpoints->link->maker_context = NULL;
        link_end(endpoints->link, NET_END_local, "this side ends");
    }
    endpoints->freed = true;
    free_now(endpoints);
}

/* ---- making ---- */

static struct net_endpoints_options with_defaults(struct net_endpoints_options options)
{
    if (!options.connect_ns)
        options.connect_ns = 10 * NET_SECOND_NS;
    if (!options.backoff_ns)
        options.backoff_ns = NET_SECOND_NS / 4;
    if (!options.backoff_max_ns)
        options.backoff_max_ns = 30 * NET_SECOND_NS;
    if (!options.good_ns)
        options.good_ns = 10 * NET_SECOND_NS;
    return options;
}

static int decide_tls(struct net_endpoints *endpoints, struct net_text *ret_why)
{
    const struct net_endpoints_options *options = &endpoints->options;
    bool any = false;
    for (unsigned i = 0; i < endpoints->count; i++) {
        const struct net_address *address = &endpoints->endpoints[i].address;
        const int result =
            net_address_wants_tls(address, options->tls_given, options->insecure, &endpoints->wants_tls[i], ret_why);
        if (result < 0)
            return result;
        any |= endpoints->wants_tls[i];
    }
    return any && !options->tls ? net_tls_new(&endpoints->own_tls, NET_CLIENT, &(struct net_tls_options){0}, ret_why)
                                : 0;
}

/* One for all endpoints of a loop. */
static int need_resolver(struct net_endpoints *endpoints, struct net_text *ret_why)
{
    const struct resolver_options options = {.timeout_ns = endpoints->options.connect_ns,
                                             .ttl_max_s = 3600,
                                             .negative_ttl_s = 0,
                                             .servers = endpoints->options.dns_servers,
                                             .hosts_file = endpoints->options.hosts_file};
    char text[80];
    if (endpoints->net->resolver)
        return 0;
    const int result = resolver_new(&endpoints->net->resolver, loop_of(endpoints), &options);
    return result < 0 ? net_say(ret_why, result, "DNS: %s", net_errno(result, text, sizeof(text))) : 0;
}

static int fill(struct net_endpoints *endpoints, struct net_text *ret_why)
{
    const struct net_endpoints_options *options = &endpoints->options;
    endpoints->endpoints = calloc(options->count, sizeof(*endpoints->endpoints));
    endpoints->wants_tls = calloc(options->count, sizeof(*endpoints->wants_tls));
    if (!endpoints->endpoints || !endpoints->wants_tls)
        return net_say(ret_why, -ENOMEM, "out of memory");
    memcpy(endpoints->endpoints, options->endpoints, options->count * sizeof(*endpoints->endpoints));
    endpoints->count = options->count;
    endpoints->random = options->seed;
    if (!options->seed && getrandom(&endpoints->random, sizeof(endpoints->random), 0) < 0)
        endpoints->random = evloop_now_ns(loop_of(endpoints));
    const int result = decide_tls(endpoints, ret_why);
    return result < 0 ? result : need_resolver(endpoints, ret_why);
}

int net_endpoints_new(struct net_endpoints **ret_endpoints, struct net *net,
                      const struct net_endpoints_options *options, const struct net_endpoints_calls *calls,
                      void *context, struct net_text *ret_why)
{
    if (!options->count || options->count > NET_ENDPOINTS_MAX)
        return net_say(ret_why, -EINVAL, options->count ? "more than %d collectors" : "no collector to send to",
                       NET_ENDPOINTS_MAX);
    struct net_endpoints *endpoints = calloc(1, sizeof(*endpoints));
    if (!endpoints)
        return net_say(ret_why, -ENOMEM, "out of memory");
    endpoints->net = net;
    net_ref(net);
    endpoints->calls = calls;
    endpoints->context = context;
    endpoints->options = with_defaults(*options);
    endpoints->begin.call = on_begin;
    const int result = fill(endpoints, ret_why);
    if (result < 0)
        net_endpoints_free(endpoints);
    else
        *ret_endpoints = endpoints;
    return result;
}
