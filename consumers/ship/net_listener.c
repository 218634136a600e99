/* SPDX-License-Identifier: ISC
 *
 * A listener: accepts, caps what it accepted, and hands over the links that are ready.
 */
#include "ship/net_listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define AGAIN_NS (NET_SECOND_NS / 10)
enum { LINKS_MAX = 16384, HANDSHAKES_MAX = 1024, DESCRIPTORS_FOR_OTHERS = 64, SOON_TRIES = 60, SOON_US = 50000 };

static void on_accept(struct evloop_op *op, int result);

/* ---- those that are not ready ---- */

static void young_add(struct net_listener *listener, struct net_link *link)
{
    link->young_prev = listener->youngest;
    link->young_next = NULL;
    if (listener->youngest)
        listener->youngest->young_next = link;
    else
        listener->oldest = link;
    listener->youngest = link;
    listener->figures.handshakes++;
}

static void young_remove(struct net_listener *listener, struct net_link *link)
{
    if (link->young_prev)
        link->young_prev->young_next = link->young_next;
    else
        listener->oldest = link->young_next;
    if (link->young_next)
        link->young_next->young_prev = link->young_prev;
    else
        listener->youngest = link->young_prev;
    link->young_next = link->young_prev = NULL;
    listener->figures.handshakes--;
}

/* ---- what a link asks and tells ---- */

static bool plain_allowed(void *context, const struct net_link *link)
{
    const struct net_listener *listener = context;
    const enum net_scheme scheme = listener->sockets[link->socket].address.scheme;
    return scheme == NET_SCHEME_tcp || (scheme == NET_SCHEME_default && (listener->insecure || link->peer.local));
}

static SSL_CTX *tls_allowed(void *context, const struct net_link *link)
{
    struct net_listener *listener = context;
    const bool plain = listener->sockets[link->socket].address.scheme == NET_SCHEME_tcp;
    return listener->tls && !plain ? net_tls_context(listener->tls) : NULL;
}

static void link_is_ready(void *context, struct net_link *link)
{
    struct net_listener *listener = context;
    young_remove(listener, link);
    listener->figures.accepted++;
    listener->calls->accepted(listener->context, listener, link);
}

static void link_is_gone(void *context, struct net_link *link, bool was_ready)
{
    struct net_listener *listener = context;
    listener->figures.links--;
    if (was_ready)
        return;
    young_remove(listener, link);
    listener->figures.refused[link->end]++;
    if (listener->calls->refused)
        listener->calls->refused(listener->context, listener, &link->peer, link->end, link->reason.text);
}

static const struct link_maker maker = {
    .ready = link_is_ready, .gone = link_is_gone, .plain_allowed = plain_allowed, .tls_allowed = tls_allowed};

/* ---- accepting ---- */

static void describe(struct net_link *link, const struct listener_socket *socket)
{
    struct net_peer *peer = &link->peer;
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof(address);
    struct ucred who;
    socklen_t who_bytes = sizeof(who);
    peer->unix_socket = socket->address.unix_socket;
    if (peer->unix_socket && getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &who, &who_bytes) == 0) {
        peer->pid = who.pid;
        peer->uid = who.uid;
        peer->gid = who.gid;
        snprintf(peer->address, sizeof(peer->address), "unix:pid %d uid %u", (int)who.pid, (unsigned)who.uid);
    } else if (getpeername(link->fd, (struct sockaddr *)&address, &bytes) == 0) {
        net_sockaddr_print(&address, peer->address, sizeof(peer->address));
    }
    peer->local = peer->unix_socket || net_sockaddr_local(&address);
}

static void set_options(int fd)
{
    const int on = 1, idle_s = 45, interval_s = 10, probes = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* One line, if the socket takes it at once. */
static void turn_away(struct net_link *link)
{
    static const char line[] = NET_REFUSAL "crowded: this collector has as many connections as it takes (--senders)\n";
    (void)!send(link->fd, line, sizeof(line) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    link_end(link, NET_END_crowded, "more than the %u connections that are taken at once (--senders)",
             ((struct net_listener *)link->maker_context)->links_max);
}

static void push_out(struct net_listener *listener)
{
    struct net_link *link = listener->oldest;
    while (link && link->state == LINK_ENDED)
        link = link->young_next;
    if (link)
        link_end(link, NET_END_crowded, "not ready, and more than %u others came after it", listener->handshakes_max);
}

static void take(struct listener_socket *socket, int fd)
{
    struct net_listener *listener = socket->listener;
    struct net_link *link;
    if (!socket->address.unix_socket)
        set_options(fd);
    if (link_new(&link, listener->net, fd, NET_SERVER, &listener->link_options, &maker, listener) < 0) {
        listener->figures.accept_errors++;
        return;
    }
    link->socket = (unsigned)(socket - listener->sockets);
    describe(link, socket);
    young_add(listener, link);
    if (listener->figures.links++ >= listener->links_max) {
        turn_away(link);
        return;
    }
    /* Who connects and says nothing, in great numbers, pushes out its like: who means it is ready within milliseconds. */
    if (listener->figures.handshakes > listener->handshakes_max)
        push_out(listener);
    link_start_server(link);
}

static void accept_next(struct listener_socket *socket)
{
    if (!socket->listener->stopped)
        evloop_accept(socket->listener->net->loop, &socket->accept, socket->fd, on_accept);
}

static void on_again(struct evloop_timer *timer)
{
    accept_next((struct listener_socket *)((char *)timer - offsetof(struct listener_socket, again)));
}

/* When the last of its operations has ended. */
static void settle(struct net_listener *listener)
{
    for (unsigned i = 0; i < listener->sockets_count; i++)
        if (evloop_busy(&listener->sockets[i].accept))
            return;
    if (!listener->freed)
        return;
    struct net *net = listener->net;
    free(listener->sockets);
    free(listener);
    net_unref(net);
}

static void on_accept(struct evloop_op *op, int result)
{
    struct listener_socket *socket = (struct listener_socket *)((char *)op - offsetof(struct listener_socket, accept));
    struct net_listener *listener = socket->listener;
    if (listener->stopped || result == -ECANCELED) {
        if (result >= 0)
            close(result);
        listener_socket_close(socket);
        settle(listener);
        return;
    }
    const bool wanting = result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS;
    if (result >= 0)
        take(socket, result);
    else
        listener->figures.accept_errors += wanting; /* others: the connection was gone before we came */
    if (!wanting || evloop_timer_start(listener->net->loop, &socket->again,
                                       evloop_now_ns(listener->net->loop) + AGAIN_NS, on_again) < 0)
        accept_next(socket);
}

/* ---- life ---- */

static unsigned links_by_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur > LINKS_MAX + DESCRIPTORS_FOR_OTHERS)
        return LINKS_MAX;
    return limit.rlim_cur > 2 * DESCRIPTORS_FOR_OTHERS ? (unsigned)limit.rlim_cur - DESCRIPTORS_FOR_OTHERS
                                                       : DESCRIPTORS_FOR_OTHERS;
}

int net_listener_new(struct net_listener **ret_listener, struct net *net, const struct net_listener_options *options,
                     const struct net_listener_calls *calls, void *context, struct net_text *ret_why)
{
    struct net_listener *listener = calloc(1, sizeof(*listener));
    if (listener)
        listener->sockets = calloc(NET_LISTEN_MAX, sizeof(*listener->sockets));
    if (!listener || !listener->sockets) {
        free(listener);
        return net_say(ret_why, -ENOMEM, "out of memory");
    }
    listener->net = net;
    net_ref(net);
    listener->calls = calls;
    listener->context = context;
    listener->tls = options->tls;
    listener->insecure = options->insecure;
    listener->links_max = options->links_max ? options->links_max : links_by_descriptors();
    listener->handshakes_max = options->handshakes_max ? options->handshakes_max : HANDSHAKES_MAX;
    listener->link_options = options->link;
    const int result = listener_open(listener, options, ret_why);
    if (result < 0) {
        net_listener_free(listener);
        return result;
    }
    for (unsigned i = 0; i < listener->sockets_count; i++)
        accept_next(&listener->sockets[i]);
    *ret_listener = listener;
    return 0;
}

int net_listener_new_soon(struct net_listener **ret_listener, struct net *net,
                          const struct net_listener_options *options, const struct net_listener_calls *calls,
                          void *context, struct net_text *ret_why)
{
    int r = -EADDRINUSE;
    for (unsigned tries = 0; r == -EADDRINUSE && tries < SOON_TRIES; tries++) {
        if (tries)
            usleep(SOON_US);
        r = net_listener_new(ret_listener, net, options, calls, context, ret_why);
    }
    return r;
}

/* A path that is named twice: the second would find the first's socket. */
static int check_twice(const struct net_listener_options *options, unsigned count, struct net_text *ret_why)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < options[i].addresses_count; j++)
            for (unsigned k = 0; k <= i; k++)
                for (unsigned l = 0; l < (k == i ? j : options[k].addresses_count); l++) {
                    const struct net_address *one = &options[i].addresses[j], *other = &options[k].addresses[l];
                    if (one->unix_socket && other->unix_socket && !strcmp(one->host, other->host))
                        return net_say(ret_why, -EADDRINUSE, "%s: named twice; name another path", one->host);
                }
    return 0;
}

int net_listeners_check(const struct net_listener_options *options, unsigned count, struct net_text *ret_why)
{
    int r = check_twice(options, count, ret_why);
    struct listener_socket(*sockets)[NET_LISTEN_MAX] = calloc(count, sizeof(*sockets));
    struct net_listener *listeners = calloc(count, sizeof(*listeners));
    if (!sockets || !listeners)
        r = net_say(ret_why, -ENOMEM, "out of memory");
    for (unsigned i = 0; r == 0 && i < count; i++) { /* all at once: two of them may be the same */
        listeners[i] = (struct net_listener){
            .tls = options[i].tls, .insecure = options[i].insecure, .checking = true, .sockets = sockets[i]};
        r = listener_open(&listeners[i], &options[i], ret_why);
    }
    for (unsigned i = 0; listeners && i < count; i++)
        for (unsigned j = 0; j < listeners[i].sockets_count; j++)
            listener_socket_close(&listeners[i].sockets[j]);
    free(listeners);
    free(sockets);
    return r;
}

void net_listener_stop(struct net_listener *listener)
{
    listener->stopped = true;
    for (unsigned i = 0; i < listener->sockets_count; i++) {
        struct listener_socket *socket = &listener->sockets[i];
        evloop_timer_stop(listener->net->loop, &socket->again);
        if (evloop_busy(&socket->accept))
            evloop_cancel(listener->net->loop, &socket->accept);
        else
            listener_socket_close(socket);
    }
}

void net_listener_free(struct net_listener *listener)
{
    if (!listener)
        return;
    for (struct net_link *link = listener->net->links; link; link = link->next) {
        if (link->maker != &maker || link->maker_context != listener)
            continue;
        link->maker_context = NULL;
        if (!link->was_ready)
            link_end(link, NET_END_local, "this side ends");
    }
    net_listener_stop(listener);
    listener->freed = true;
    settle(listener);
}

bool net_listener_address(const struct net_listener *listener, unsigned index, struct net_address *ret_address)
{
    if (index >= listener->sockets_count)
        return false;
    *ret_address = listener->sockets[index].address;
    return true;
}

void net_listener_figures(const struct net_listener *listener, struct net_listener_figures *ret_figures)
{
    *ret_figures = listener->figures;
}
