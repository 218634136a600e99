/* SPDX-License-Identifier: ISC
 *
 * What listeners, links and endpoints share.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H
#define EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H

#include "ship/net.h"
#include "ship/net_secure.h"

#include <stdarg.h>
#include <sys/socket.h>

#define NET_SECOND_NS UINT64_C(1000000000)

struct resolver;

/* Counted: by its owner, and by each link, listener and endpoints. */
struct net {
    struct evloop *loop;
    struct resolver *resolver; /* made by the first endpoints */
    struct net_link *links;
    unsigned links_count, refs;
    uint8_t *incoming, *plain; /* of the read that is under way, NET_READ_BYTES; with TLS, NET_PLAIN_BYTES */
};
enum { NET_PLAIN_BYTES = NET_READ_BYTES + (32 << 10) };
void net_ref(struct net *net);
void net_unref(struct net *net);

/* ---- texts (net_text.c) ---- */

/* Formats into *ret_why (may be NULL), printable. Returns `error`. */
int net_say(struct net_text *ret_why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What is not printable ASCII becomes '?'. */
void net_printable(char *text);
/* "connection refused" */
const char *net_errno(int error, char *text, size_t bytes);

/* ---- addresses (net_address.c) ---- */

/* Loopback and unix. */
bool net_sockaddr_local(const struct sockaddr_storage *address);
/* "192.0.2.1:80", "[::1]:80"; of a v4-mapped one the IPv4 address. */
void net_sockaddr_print(const struct sockaddr_storage *address, char *text, size_t bytes);

/* ---- the line that a refused peer reads ---- */

/* "evtrail: END: text\n", before anything else and in plain, also to who speaks TLS: it tells what to do instead. No message of the protocol begins so. */
#define NET_REFUSAL "evtrail: "

/* ---- links (net_link.c) ---- */

enum link_state {
    LINK_FIRST,  /* accepted, no byte seen yet */
    LINK_SHAKES, /* TLS handshake */
    LINK_READY,
    LINK_FINISHING, /* flushing, then waiting for the peer's end */
    LINK_ENDED,     /* waiting for its operations to end */
};
struct link_chunk {
    struct link_chunk *next;
    size_t begin, end, room;
    uint8_t bytes[];
};
/* What the side that made it is told, apart from the owner. */
struct link_maker {
    /* No longer young: to be handed to an owner. */
    void (*ready)(void *context, struct net_link *link);
    /* `was_ready`: the owner, if there is one, was told before. The link is freed after it. */
    void (*gone)(void *context, struct net_link *link, bool was_ready);
    bool (*plain_allowed)(void *context, const struct net_link *link); /* listeners: the first byte is none of TLS */
    SSL_CTX *(*tls_allowed)(void *context, const struct net_link *link); /* it is; NULL: no */
};
struct net_link {
    struct net *net;
    struct net_link *next, **before;                  /* of the net */
    struct net_link *young_next, *young_prev;         /* the listener's list of those that are not ready */
    const struct link_maker *maker;
    void *maker_context; /* NULL: it is gone */
    unsigned socket;     /* listeners: which of theirs */
    const struct net_link_calls *calls; /* NULL: nobody's */
    void *context;
    int fd;
    enum link_state state;
    enum net_side side;
    bool was_ready, paused, deliver_again, wants_writable, writing_failed;
    bool shut, eof;             /* we have ended our side; the peer its */
    bool first_seen, refusal;   /* client: the first byte came; it begins a refusal, which is being collected in the inbox */
    bool ending;                /* `end` and `reason` are set */
    struct secure *secure; /* NULL: plain */
    struct net_link_options options;
    struct net_peer peer;
    struct evloop_op read, write;
    struct evloop_timer timer;
    struct evloop_post post;
    /* received and not used yet */
    uint8_t *inbox;
    size_t inbox_bytes, inbox_room, wanted;
    /* to be sent */
    struct link_chunk *head, **tail;
    struct link_chunk *newest;
    size_t queued;
    uint64_t handshake_until_ns, linger_until_ns, progress_ns, resumed_ns, sent_ns;
    struct net_link_figures figures;
    enum net_end end;
    struct net_text reason;
};

/* Takes the descriptor over. -ENOMEM: it is closed. */
int link_new(struct net_link **ret_link, struct net *net, int fd, enum net_side side, const struct net_link_options *options,
             const struct link_maker *maker, void *maker_context);
/* A server's waits for the first byte. A client's begins its handshake (`secure`, taken over), or is ready at once. From a callback of the loop: maker->ready() may
 * come from within. */
void link_start_server(struct net_link *link);
void link_start_client(struct net_link *link, struct secure *secure);
/* Handshake done: to its maker, which finds it an owner. */
void link_ready(struct net_link *link);
/* The end, for this reason; the first one counts. Operations are cancelled, and closed() comes from the loop. */
void link_end(struct net_link *link, enum net_end end, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, but what is outgoing goes out first, and the peer has `linger_ns` to take it and to end its side. */
void link_end_gently(struct net_link *link, uint64_t linger_ns, enum net_end end, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* As link_end(), for the reason that is set already. */
void link_stop(struct net_link *link);
/* If it has ended and nothing of it is under way any more: tells, and frees. */
void link_settle(struct net_link *link);
void link_timer_update(struct net_link *link);

/* net_link_read.c */
void link_read_start(struct net_link *link);
/* After a failed write: reads what is there, in which the peer may have said why. */
void link_read_last(struct net_link *link);
/* What is left over in the inbox, once more. */
void link_deliver_again(struct net_link *link);
int link_inbox_add(struct net_link *link, const uint8_t *bytes, size_t size); /* -ENOMEM: the link has ended */

/* net_link_write.c */
void link_flush(struct net_link *link);
/* A copy, at the end of the queue, whatever its bound. -ENOMEM */
int link_queue(struct net_link *link, const struct iovec *parts, unsigned count);
void link_queue_free(struct net_link *link);
bool link_outgoing(const struct net_link *link); /* something is still to be sent */

/* net_link_begin.c */
/* The first bytes of an accepted connection: TLS or plain, and what is allowed. */
void link_first_bytes(struct net_link *link, const uint8_t *bytes, size_t size);
void link_handshake_step(struct net_link *link);
/* A client's first bytes: true: they are a refusal, or the beginning of one, and dealt with. */
bool link_refusal(struct net_link *link, const uint8_t *bytes, size_t size);
void link_refusal_ended(struct net_link *link); /* no more will come */

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H */
