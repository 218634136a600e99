/* SPDX-License-Identifier: ISC
 *
 * The other side of a test's connections: a listener in this process, a thread for each connection, plain or TLS. It echoes, but
 * does as told by some messages.
 */
#ifndef EVPOOL_PEER_H
#define EVPOOL_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* What it does once it has accepted. */
enum peer_manner {
    PEER_SERVES,       /* echoes */
    PEER_CLOSES,       /* at the first byte */
    PEER_RESETS,       /* at the first byte */
    PEER_TALKS_HTTP,   /* answers the first byte with a line of HTTP */
    PEER_STALLS,       /* says nothing */
    PEER_LISTENS_ONLY, /* does not accept */
};

struct peer_options {
    enum peer_manner manner;
    const char *certificate;  /* "good": DIR/good.pem and good.key; NULL: plain */
    const char *alpn;         /* the one protocol it speaks: anything else ends in an alert; NULL: ignores ALPN */
    bool client_certificate;  /* wants one */
    int tls_version;          /* TLS1_2_VERSION: at most, and at least; 0: any */
    int family;               /* 0: IPv4 */
    const char *address;      /* NULL: loopback; a unix socket's path */
    uint16_t port;            /* 0: any */
    int backlog;              /* 0: 512 */
};

/* Messages that it does not echo (a TLS record, or what one recv() gave):
 *     !bye    an orderly end              !cut    closes the socket without TLS's end
 *     !rst    a reset                     !hang   reads no more
 *     !talk   says "hello" unasked        !ticket a session ticket
 *     !junk   bytes that are no TLS record
 *     !key    a key update and a request for ours
 *     !who    tells "resumed" or "full", and the client certificate's subject */
struct peer;
struct peer *peer_start(const struct peer_options *options); /* NULL: failed */
uint16_t peer_port(const struct peer *peer);
unsigned peer_accepted(const struct peer *peer);
unsigned peer_orderly(const struct peer *peer); /* connections that the client ended with close_notify */
void peer_stop(struct peer *peer);              /* resets what is connected */

#endif /* EVPOOL_PEER_H */
