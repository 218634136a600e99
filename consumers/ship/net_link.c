/* SPDX-License-Identifier: ISC
 *
 * A link's life: from a descriptor to the callback that tells its end, and its deadlines.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINGER_NS (2 * NET_SECOND_NS)

static void on_post(struct evloop_post *post);
static void on_timer(struct evloop_timer *timer);

/* ---- making ---- */

static struct net_link_options with_defaults(struct net_link_options options)
{
    if (!options.handshake_ns)
        options.handshake_ns = 10 * NET_SECOND_NS;
    if (!options.stall_ns)
        options.stall_ns = 30 * NET_SECOND_NS;
    if (!options.queue_bytes)
        options.queue_bytes = 4 << 20;
    if (!options.message_max)
        options.message_max = (3 << 20) + (64 << 10);
    return options;
}

static void enlist(struct net_link *link)
{
    struct net *net = link->net;
    link->next = net->links;
    link->before = &net->links;
    if (link->next)
        link->next->before = &link->next;
    net->links = link;
    net->links_count++;
    net_ref(net);
}

int link_new(struct net_link **ret_link, struct net *net, int fd, enum net_side side,
             const struct net_link_options *options, const struct link_maker *maker, void *maker_context)
{
    struct net_link *link = calloc(1, sizeof(*link));
    if (!link) {
        close(fd);
        return -ENOMEM;
    }
    link->net = net;
    link->fd = fd;
    link->side = side;
    link->maker = maker;
    link->maker_context = maker_context;
    link->options = with_defaults(*options);
    link->tail = &link->head;
    link->post.call = on_post;
    link->peer.uid = (uid_t)-1;
    link->peer.gid = (gid_t)-1;
    link->handshake_until_ns = evloop_now_ns(net->loop) + link->options.handshake_ns;
    enlist(link);
    *ret_link = link;
    return 0;
}

void link_start_server(struct net_link *link)
{
    link->state = LINK_FIRST;
    link_timer_update(link);
    link_read_start(link);
}

void link_start_client(struct net_link *link, struct secure *secure)
{
    link->secure = secure;
    link->state = LINK_SHAKES;
    if (secure) {
        link_timer_update(link);
        link_handshake_step(link);
    } else {
        link_ready(link);
    }
    link_read_start(link);
}

void link_ready(struct net_link *link)
{
    link->state = LINK_READY;
    link->was_ready = true;
    link->figures.opened_ns = link->figures.received_ns = evloop_now_ns(link->net->loop);
    if (link->secure)
        secure_describe(link->secure, &link->peer);
    if (link->maker_context)
        link->maker->ready(link->maker_context, link);
    if (!link->calls)
        link_end(link, NET_END_local, "nobody took it");
    link_timer_update(link);
}

/* ---- deadlines ---- */

static uint64_t after(uint64_t now_ns, uint64_t wait_ns)
{
    return wait_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + wait_ns;
}

static uint64_t idle_until(const struct net_link *link)
{
    const uint64_t heard_ns =
        link->figures.received_ns > link->resumed_ns ? link->figures.received_ns : link->resumed_ns;
    return link->options.idle_ns && !link->paused ? after(heard_ns, link->options.idle_ns) : UINT64_MAX;
}

/* Who connected bears with a peer that still speaks: a collector whose disk is full pings, and reads nothing. Whom we serve has to read. */
static uint64_t stalled_at(const struct net_link *link)
{
    uint64_t since_ns = link->progress_ns;
    if (link->side == NET_CLIENT && link->figures.received_ns > since_ns)
        since_ns = link->figures.received_ns;
    return link_outgoing(link) ? after(since_ns, link->options.stall_ns) : UINT64_MAX;
}

static uint64_t deadline(const struct net_link *link)
{
    switch (link->state) {
    case LINK_FIRST:
    case LINK_SHAKES:
        return link->handshake_until_ns;
    case LINK_READY: {
        const uint64_t idle_ns = idle_until(link), stalled_ns = stalled_at(link);
        return idle_ns < stalled_ns ? idle_ns : stalled_ns;
    }
    case LINK_FINISHING:
        return link->linger_until_ns;
    default:
        return UINT64_MAX;
    }
}

/* The timer may fire too early, which costs less than moving it with each byte. */
void link_timer_update(struct net_link *link)
{
    const uint64_t deadline_ns = deadline(link);
    if (deadline_ns == UINT64_MAX || (evloop_timer_armed(&link->timer) && link->timer.deadline_ns <= deadline_ns))
        return;
    if (evloop_timer_start(link->net->loop, &link->timer, deadline_ns, on_timer) == -ENOMEM)
        link_end(link, NET_END_memory, "out of memory");
}

static void on_timer(struct evloop_timer *timer)
{
    struct net_link *link = (struct net_link *)((char *)timer - offsetof(struct net_link, timer));
    const struct net_link_options *options = &link->options;
    const uint64_t now_ns = evloop_now_ns(link->net->loop);
    if (deadline(link) > now_ns)
        link_timer_update(link);
    else if (link->state == LINK_FINISHING)
        link_stop(link);
    else if (link->state == LINK_FIRST)
        link_end(link, NET_END_handshake_timeout, "said nothing for %.0f s", (double)options->handshake_ns / 1e9);
    else if (link->state == LINK_SHAKES)
        link_end(link, NET_END_handshake_timeout, "the TLS handshake took more than %.0f s",
                 (double)options->handshake_ns / 1e9);
    else if (stalled_at(link) <= now_ns)
        link_end(link, NET_END_stalled,
                 "the peer took nothing of %zu bytes for %.0f s: it hangs, or the network is cut", link->queued,
                 (double)options->stall_ns / 1e9);
    else
        link_end(link, NET_END_idle, "the peer said nothing for %.0f s: it hangs, or the network is cut",
                 (double)options->idle_ns / 1e9);
}

/* ---- the end ---- */

static void set_end(struct net_link *link, enum net_end end, const char *format, va_list arguments)
{
    if (link->ending)
        return;
    link->ending = true;
    link->end = end;
    vsnprintf(link->reason.text, sizeof(link->reason.text), format, arguments);
    net_printable(link->reason.text);
}

void link_stop(struct net_link *link)
{
    if (link->state == LINK_ENDED)
        return;
    link->state = LINK_ENDED;
    evloop_timer_stop(link->net->loop, &link->timer);
    evloop_cancel(link->net->loop, &link->read);
    evloop_cancel(link->net->loop, &link->write);
    evloop_post(link->net->loop, &link->post);
}

void link_end(struct net_link *link, enum net_end end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set_end(link, end, format, arguments);
    va_end(arguments);
    link_stop(link);
}

void link_end_gently(struct net_link *link, uint64_t linger_ns, enum net_end end, const char *format, ...)
{
    va_list arguments;
    if (link->state >= LINK_FINISHING)
        return;
    va_start(arguments, format);
    set_end(link, end, format, arguments);
    va_end(arguments);
    link->state = LINK_FINISHING;
    link->linger_until_ns = evloop_now_ns(link->net->loop) + linger_ns;
    link_timer_update(link);
    link_flush(link);
    link_read_start(link);
}

static void release(struct net_link *link)
{
    struct net *net = link->net;
    secure_free(link->secure);
    link_queue_free(link);
    free(link->inbox);
    free(link);
    net_unref(net);
}

void link_settle(struct net_link *link)
{
    if (link->post.queued || evloop_busy(&link->read) || evloop_busy(&link->write))
        return;
    *link->before = link->next;
    if (link->next)
        link->next->before = link->before;
    link->net->links_count--;
    close(link->fd);
    if (link->was_ready && link->calls)
        link->calls->closed(link->context, link, link->end, link->reason.text);
    if (link->maker_context)
        link->maker->gone(link->maker_context, link, link->was_ready);
    release(link);
}

static void on_post(struct evloop_post *post)
{
    struct net_link *link = (struct net_link *)((char *)post - offsetof(struct net_link, post));
    if (link->state == LINK_ENDED)
        link_settle(link);
    else
        link_deliver_again(link);
}

/* ---- for its owner ---- */

void net_link_own(struct net_link *link, const struct net_link_calls *calls, void *context)
{
    link->calls = calls;
    link->context = context;
}

void *net_link_context(const struct net_link *link)
{
    return link->context;
}

const struct net_peer *net_link_peer(const struct net_link *link)
{
    return &link->peer;
}

void net_link_figures(const struct net_link *link, struct net_link_figures *ret_figures)
{
    *ret_figures = link->figures;
}

void net_link_finish(struct net_link *link, uint64_t linger_ns, const char *reason)
{
    link_end_gently(link, linger_ns ? linger_ns : LINGER_NS, NET_END_local, "%s", reason);
}

void net_link_close(struct net_link *link, const char *reason)
{
    link_end(link, NET_END_local, "%s", reason);
}
