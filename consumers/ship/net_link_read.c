/* SPDX-License-Identifier: ISC
 *
 * A link's receiving side. It waits for bytes without a buffer, then reads them into one that all links share; only what is left over of them, the
 * beginning of a message, is kept in memory of its own.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { READ_BUDGET = 1 << 20, INBOX_STEP = 4096 };

static void on_readable(struct evloop_op *op, int result);

void link_read_start(struct net_link *link)
{
    if (link->state == LINK_ENDED || link->eof || evloop_busy(&link->read) ||
        (link->paused && link->state == LINK_READY))
        return;
    evloop_poll(link->net->loop, &link->read, link->fd, EPOLLIN, on_readable);
}

/* ---- the inbox: what is left over ---- */

static void inbox_free(struct net_link *link)
{
    free(link->inbox);
    link->inbox = NULL;
    link->inbox_bytes = link->inbox_room = 0;
}

/* Room for `more` bytes; grows as bytes come, not as a peer says. */
static int inbox_reserve(struct net_link *link, size_t more)
{
    const size_t needed = link->inbox_bytes + more;
    if (needed <= link->inbox_room)
        return 0;
    const size_t room = needed > 2 * link->inbox_room ? needed : 2 * link->inbox_room;
    uint8_t *inbox = realloc(link->inbox, room);
    if (!inbox) {
        link_end(link, NET_END_memory, "out of memory");
        return -ENOMEM;
    }
    link->inbox = inbox;
    link->inbox_room = room;
    return 0;
}

int link_inbox_add(struct net_link *link, const uint8_t *bytes, size_t size)
{
    if (!size)
        return 0;
    const int result = inbox_reserve(link, size);
    if (result < 0)
        return result;
    memcpy(link->inbox + link->inbox_bytes, bytes, size);
    link->inbox_bytes += size;
    return 0;
}

/* ---- to the owner ---- */

/* The number of bytes that were used: all, once it is no longer ready. */
static size_t hand_over(struct net_link *link, const uint8_t *bytes, size_t size)
{
    if (size < link->wanted)
        return 0;
    link->wanted = 0;
    size_t wanted = 0;
    const size_t used = link->calls->received(link->context, link, bytes, size, &wanted);
    if (link->state != LINK_READY || used >= size)
        return size;
    link->wanted = wanted;
    if (wanted <= link->options.message_max)
        return used;
    link_end(link, NET_END_too_long, "a message of %zu bytes, more than the %zu that are taken", wanted,
             link->options.message_max);
    return size;
}

static void deliver_inbox(struct net_link *link)
{
    const size_t used = hand_over(link, link->inbox, link->inbox_bytes);
    link->inbox_bytes -= used;
    memmove(link->inbox, link->inbox + used, link->inbox_bytes);
}

static void deliver(struct net_link *link, const uint8_t *bytes, size_t size)
{
    link->figures.received_bytes += size;
    if (link->side == NET_CLIENT && !link->first_seen && !link->secure && link_refusal(link, bytes, size))
        return;
    link->first_seen = true;
    const size_t used = hand_over(link, bytes, size);
    link_inbox_add(link, bytes + used, size - used);
}

void link_deliver_again(struct net_link *link)
{
    if (link->state != LINK_READY || link->paused || !link->deliver_again)
        return;
    link->deliver_again = false;
    if (link->inbox_bytes)
        deliver_inbox(link);
    link_read_start(link);
}

void net_link_pause(struct net_link *link)
{
    link->paused = true;
}

void net_link_resume(struct net_link *link)
{
    if (!link->paused)
        return;
    link->paused = false;
    link->resumed_ns = evloop_now_ns(link->net->loop);
    link->deliver_again = true;
    evloop_post(link->net->loop, &link->post);
    link_timer_update(link);
}

/* ---- ends ---- */

static void ended(struct net_link *link)
{
    link->eof = true;
    if (link->refusal)
        link_refusal_ended(link);
    else if (link->state == LINK_FINISHING && (link->shut || !link_outgoing(link)))
        link_stop(link);
    else if (link->state == LINK_FINISHING)
        return; /* the rest is being sent */
    else if (link->state == LINK_FIRST)
        link_end(link, NET_END_peer, "closed by the peer before it said anything");
    else if (link->state == LINK_SHAKES)
        link_end(link, NET_END_reset, "closed by the peer in the TLS handshake");
    else if (link->secure)
        link_end(link, NET_END_reset,
                 "the connection ended without TLS's goodbye: the peer was killed, or somebody cut it");
    else if (link->inbox_bytes)
        link_end(link, NET_END_reset, "closed by the peer in the middle of a message");
    else
        link_end(link, NET_END_peer, "closed by the peer");
}

static void failed(struct net_link *link, int error)
{
    char text[80];
    const bool reset = error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == EHOSTUNREACH;
    if (link->state == LINK_FINISHING)
        link_stop(link);
    else if (link->refusal)
        link_refusal_ended(link);
    else
        link_end(link, reset ? NET_END_reset : NET_END_io, "%s", net_errno(error, text, sizeof(text)));
}

/* > 0 bytes; 0: no more for now, or the link has ended. */
static size_t receive(struct net_link *link, uint8_t *buffer, size_t size)
{
    ssize_t n;
    do
        n = recv(link->fd, buffer, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        link->figures.received_ns = evloop_now_ns(link->net->loop);
    else if (n == 0)
        ended(link);
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        failed(link, errno);
    return n > 0 ? (size_t)n : 0;
}

/* ---- reading, by state ---- */

/* TLS failed: the alert goes out. */
static void end_secure(struct net_link *link)
{
    link_end_gently(link, NET_SECOND_NS, link->secure->end, "%s", link->secure->reason.text);
}

/* What is in the bytes that were fed. The first read takes all of it, unless they are at an end or wrong. */
static void read_decrypted(struct net_link *link, size_t fed)
{
    struct secure *secure = link->secure;
    int64_t n = 1;
    while (n > 0 && link->state == LINK_READY) {
        const bool kept = link->inbox_bytes || link->paused;
        if (kept && inbox_reserve(link, fed + 2 * SECURE_RECORD_BYTES) < 0)
            break;
        uint8_t *buffer = kept ? link->inbox + link->inbox_bytes : link->net->plain;
        n = secure_read(secure, buffer, kept ? link->inbox_room - link->inbox_bytes : NET_PLAIN_BYTES);
        if (n > 0 && !kept) {
            deliver(link, buffer, (size_t)n);
        } else if (n > 0) {
            link->inbox_bytes += (size_t)n;
            link->figures.received_bytes += (size_t)n;
            if (!link->paused)
                deliver_inbox(link);
        }
    }
    secure_feed(secure, NULL, 0);
    if (n == -EPROTO && link->state == LINK_READY)
        end_secure(link);
    else if (n == 0 && link->state == LINK_READY)
        link_end(link, NET_END_peer, "closed by the peer");
    else
        link_flush(link);
}

static size_t read_secure(struct net_link *link)
{
    const size_t n = receive(link, link->net->incoming, NET_READ_BYTES);
    if (!n)
        return 0;
    if (link->side == NET_CLIENT && !link->first_seen && link_refusal(link, link->net->incoming, n))
        return n;
    link->first_seen = true;
    secure_feed(link->secure, link->net->incoming, n);
    if (link->state == LINK_SHAKES)
        link_handshake_step(link);
    if (link->state == LINK_READY)
        read_decrypted(link, n);
    else
        secure_feed(link->secure, NULL, 0);
    return n;
}

/* What a message lacks goes where its beginning is. */
static size_t read_inbox(struct net_link *link)
{
    size_t more = link->wanted > link->inbox_bytes ? link->wanted - link->inbox_bytes : INBOX_STEP;
    if (more > NET_READ_BYTES)
        more = NET_READ_BYTES;
    if (inbox_reserve(link, more) < 0)
        return 0;
    const size_t n = receive(link, link->inbox + link->inbox_bytes, more);
    link->inbox_bytes += n;
    link->figures.received_bytes += n;
    if (n)
        deliver_inbox(link);
    return n;
}

static size_t read_plain(struct net_link *link)
{
    if (link->inbox_bytes && !link->refusal)
        return read_inbox(link);
    const size_t n = receive(link, link->net->incoming, NET_READ_BYTES);
    if (n)
        deliver(link, link->net->incoming, n);
    return n;
}

static size_t read_some(struct net_link *link)
{
    size_t n;
    switch (link->state) {
    case LINK_FIRST:
        n = receive(link, link->net->incoming, NET_READ_BYTES);
        if (n)
            link_first_bytes(link, link->net->incoming, n);
        if (n && link->state == LINK_READY && !link->secure)
            deliver(link, link->net->incoming, n);
        else if (n && link->state == LINK_READY)
            read_decrypted(link, n);
        return n;
    case LINK_SHAKES:
        return read_secure(link);
    case LINK_READY:
        return link->paused ? 0 : link->secure ? read_secure(link) : read_plain(link);
    case LINK_FINISHING: /* read only so that closing resets nothing that the peer has yet to read */
        return receive(link, link->net->incoming, NET_READ_BYTES);
    default:
        return 0;
    }
}

/* What an idle link does not need. */
static void rest(struct net_link *link)
{
    if (!link->inbox_bytes)
        inbox_free(link);
    if (link->secure && link->state == LINK_READY)
        secure_rest(link->secure);
}

static void on_readable(struct evloop_op *op, int result)
{
    struct net_link *link = (struct net_link *)((char *)op - offsetof(struct net_link, read));
    if (link->state == LINK_ENDED) {
        link_settle(link);
        return;
    }
    if (result < 0) {
        failed(link, -result);
        return;
    }
    size_t done = 0, n = 1;
    while (n && done < READ_BUDGET && !link->eof && link->state != LINK_ENDED) {
        n = read_some(link);
        done += n;
    }
    if (!n)
        rest(link);
    link_read_start(link);
}

void link_read_last(struct net_link *link)
{
    if (link->eof || link->paused)
        return;
    while (!link->eof && link->state < LINK_FINISHING && read_some(link))
        continue;
}
