/* SPDX-License-Identifier: ISC
 *
 * A link's sending side: a queue of copies, encrypted as the socket takes them.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CHUNK_BYTES = 4096 - sizeof(struct link_chunk), QUEUE_BEYOND = 4 << 20 };

static void on_sent(struct evloop_op *op, int result);

/* ---- the queue ---- */

static struct link_chunk *chunk_with_room(struct net_link *link, size_t size)
{
    if (link->newest && link->newest->room - link->newest->end >= size)
        return link->newest;
    const size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct link_chunk *chunk = malloc(sizeof(*chunk) + room);
    if (!chunk)
        return NULL;
    *chunk = (struct link_chunk){.room = room};
    *link->tail = chunk;
    link->tail = &chunk->next;
    link->newest = chunk;
    return chunk;
}

static size_t size_of(const struct iovec *parts, unsigned count)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

int link_queue(struct net_link *link, const struct iovec *parts, unsigned count)
{
    const size_t size = size_of(parts, count);
    if (!size)
        return 0;
    const bool was_outgoing = link_outgoing(link);
    struct link_chunk *chunk = chunk_with_room(link, size);
    if (!chunk)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].iov_len)
            memcpy(chunk->bytes + chunk->end, parts[i].iov_base, parts[i].iov_len);
        chunk->end += parts[i].iov_len;
    }
    link->queued += size;
    if (!was_outgoing) {
        link->progress_ns = evloop_now_ns(link->net->loop);
        link_timer_update(link);
    }
    return 0;
}

static void drop_first(struct net_link *link)
{
    struct link_chunk *chunk = link->head;
    link->head = chunk->next;
    if (!link->head) {
        link->tail = &link->head;
        link->newest = NULL;
    }
    free(chunk);
}

void link_queue_free(struct net_link *link)
{
    while (link->head)
        drop_first(link);
    link->queued = 0;
}

/* The first bytes of the queue have gone. */
static void take(struct net_link *link, size_t size)
{
    struct link_chunk *chunk = link->head;
    chunk->begin += size;
    link->queued -= size;
    link->figures.sent_bytes += size;
    if (chunk->begin == chunk->end)
        drop_first(link);
}

bool link_outgoing(const struct net_link *link)
{
    return link->head || (link->secure && secure_outgoing(link->secure));
}

/* ---- sending ---- */

/* As many records as fit. */
static int encrypt(struct net_link *link)
{
    while (link->head) {
        const int64_t taken =
            secure_write(link->secure, link->head->bytes + link->head->begin, link->head->end - link->head->begin);
        if (taken == -EAGAIN)
            return 0;
        if (taken < 0)
            return (int)taken;
        take(link, (size_t)taken);
    }
    return 0;
}

static void send_next(struct net_link *link)
{
    struct secure *secure = link->secure;
    if (secure && secure_outgoing(secure))
        evloop_send(link->net->loop, &link->write, link->fd, secure->out + secure->out_begin, secure_outgoing(secure),
                    on_sent);
    else if (!secure && link->head)
        evloop_send(link->net->loop, &link->write, link->fd, link->head->bytes + link->head->begin,
                    link->head->end - link->head->begin, on_sent);
}

/* All is sent of a link that finishes: goodbye, then our side ends, then we wait for the peer's end. */
static void finish(struct net_link *link)
{
    if (link->secure && !link->writing_failed)
        secure_goodbye(link->secure);
    if (link_outgoing(link) && !link->writing_failed)
        return;
    if (!link->shut)
        shutdown(link->fd, SHUT_WR);
    link->shut = true;
    if (link->eof || link->writing_failed)
        link_stop(link);
}

void link_flush(struct net_link *link)
{
    if (evloop_busy(&link->write) || link->state == LINK_ENDED || link->writing_failed)
        return;
    /* Before the handshake is done the queue waits. A refusal in plain (FINISHING) has no `secure`. */
    const int result = link->secure && link->secure->done && !link->secure->failed ? encrypt(link) : 0;
    if (result < 0) {
        link_end(link, result == -ENOMEM ? NET_END_memory : NET_END_tls_protocol, "cannot encrypt: %s",
                 result == -ENOMEM ? "out of memory" : link->secure->reason.text);
        return;
    }
    if (link->state == LINK_FINISHING && link->secure && !(link->secure->done && !link->secure->failed))
        link_queue_free(link); /* it will never go */
    if (link->state == LINK_FINISHING && !link_outgoing(link))
        finish(link);
    if (link->state != LINK_ENDED)
        send_next(link);
}

static void write_failed(struct net_link *link, int error)
{
    char text[80];
    link->writing_failed = true;
    if (link->state == LINK_FINISHING) {
        link_stop(link);
        return;
    }
    link_read_last(link);
    if (link->state < LINK_FINISHING)
        link_end(link, error == -EPIPE || error == -ECONNRESET ? NET_END_reset : NET_END_io, "sending failed: %s",
                 net_errno(error, text, sizeof(text)));
}

static void tell_writable(struct net_link *link)
{
    if (!link->wants_writable || link->state != LINK_READY || link->queued > link->options.queue_bytes / 2)
        return;
    link->wants_writable = false;
    if (link->calls->writable)
        link->calls->writable(link->context, link);
}

static void on_sent(struct evloop_op *op, int result)
{
    struct net_link *link = (struct net_link *)((char *)op - offsetof(struct net_link, write));
    if (link->state == LINK_ENDED) {
        link_settle(link);
        return;
    }
    if (result < 0) {
        write_failed(link, result);
        return;
    }
    link->progress_ns = evloop_now_ns(link->net->loop);
    if (link->secure)
        secure_sent(link->secure, (size_t)result);
    else
        take(link, (size_t)result);
    if (link->state == LINK_SHAKES && link->secure && !secure_outgoing(link->secure))
        link_handshake_step(link); /* it may have had more to say than there was room */
    link_flush(link);
    tell_writable(link);
}

/* ---- for its owner ---- */

int net_link_send(struct net_link *link, const struct iovec *parts, unsigned count)
{
    if (link->state != LINK_READY)
        return -ENOTCONN;
    if (size_of(parts, count) > link->options.queue_bytes + QUEUE_BEYOND - link->queued)
        return -ENOBUFS;
    const int result = link_queue(link, parts, count);
    if (result == 0)
        link_flush(link);
    return result;
}

size_t net_link_room(struct net_link *link)
{
    if (link->queued < link->options.queue_bytes)
        return link->options.queue_bytes - link->queued;
    link->wants_writable = true;
    return 0;
}

size_t net_link_queued(const struct net_link *link)
{
    return link->queued;
}
