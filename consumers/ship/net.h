/* SPDX-License-Identifier: ISC
 *
 * Connections of evtrail send and collect, on the pool's loop: a listener, links (one connection each, either side; TLS 1.3 or plain),
 * and endpoints (the collectors that a sender connects to, with fail-over and backoff).
 *
 * All of it belongs to the loop's thread. Nothing here calls back from within the call that caused it: callbacks come from the loop only.
 * From a callback everything may be called but net_free(). Functions return >= 0 or a negative errno; where there is a `struct net_text
 * *ret_why` (may be NULL), it says in one line what is wrong and what to do. Texts of peers are printable ASCII by the time they are here.
 *
 * TLS is the default off loopback on both sides; plaintext there is refused unless it was asked for. The first byte tells one from the
 * other, so both refusals are a readable line at both ends.
 *
 *     net_new(&net, loop);                                         // collector                   // sender
 *     net_tls_new(&tls, NET_SERVER, &tls_options, &why);                                           net_tls_new(&tls, NET_CLIENT, ...);
 *     net_listener_new(&listener, net, &options, &calls, context, &why);                           net_endpoints_new(&endpoints, net, ...);
 *     evloop_run(loop);
 *     net_listener_free(listener); net_tls_free(tls); net_free(net); evloop_free(loop);
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_H
#define EVTRAIL_CONSUMERS_SHIP_NET_H

#include <evpool/loop.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    NET_PORT = 7423,          /* where none is given */
    NET_HOST_BYTES = 253,     /* longest name, without its NUL; a unix path has at most 107 */
    NET_IDENTITY_BYTES = 253, /* longest certificate name or key id that is shown */
    NET_LISTEN_MAX = 64,      /* addresses of a listener: sockets after wildcards and names are resolved */
    NET_ENDPOINTS_MAX = 64,
    NET_READ_BYTES = 256 << 10, /* most that one received() gets beyond what it had asked for */
};

struct net;
struct net_tls;
struct net_listener;
struct net_link;
struct net_endpoints;

/* One line, cut if it is longer. */
struct net_text {
    char text[512];
};

/* ---- addresses --------------------------------------------------------------------------------------------------- */

enum net_scheme {
    NET_SCHEME_default, /* TLS off loopback; on loopback and unix sockets plain, or TLS where the peer begins it */
    NET_SCHEME_tls,     /* TLS only */
    NET_SCHEME_tcp,     /* plain only; off loopback only with `insecure` */
};
struct net_address {
    char host[NET_HOST_BYTES + 1]; /* a name, a literal without brackets (may have %zone); unix: "unix:/path" or "unix:@abstract"; "" (listeners): all addresses */
    uint16_t port;                 /* 0 for unix; a listener's 0: any that is free */
    bool unix_socket;
    enum net_scheme scheme;
};
/* "host", "host:port", "192.0.2.1:port", "[v6]", "[v6]:port", "::1" (a bare literal has no port), "unix:/path", "unix:@name", "*:port" and ":port" (listeners: all
 * addresses); before it "tls://" or "tcp://" (also with unix), and "collector://", which is none of both. A trailing '/' after a scheme is no fault.
 * default_port: for those without. -EINVAL. */
int net_address_parse(struct net_address *ret_address, const char *text, uint16_t default_port, struct net_text *ret_why);
/* As net_address_parse() takes it, with its scheme if it has one. Returns its length, as snprintf. */
size_t net_address_print(const struct net_address *address, char *text, size_t bytes);
/* Whether it cannot leave this machine by what it says: unix, 127.0.0.0/8, ::1, "localhost" and "*.localhost". Names are not looked up. */
bool net_address_is_local(const struct net_address *address);
/* What a sender does with it: TLS or plain. `tls_given`: certificates or keys were configured, so that TLS is meant on loopback, too (not on unix sockets
 * without tls://). -EPERM: tcp:// off loopback, and not `insecure`; with it addresses without a scheme are plain, too, unless tls_given. */
int net_address_wants_tls(const struct net_address *address, bool tls_given, bool insecure, bool *ret_tls, struct net_text *ret_why);

/* ---- TLS settings ------------------------------------------------------------------------------------------------ */

enum net_side {
    NET_SERVER,
    NET_CLIENT,
};
/* Files are PEM unless said otherwise; NULL: none. All strings are copied. */
struct net_tls_options {
    const char *cert_file, *key_file; /* ours: the certificate with its chain, its key (without passphrase; refused if others may read it) */
    const char *ca_file;              /* who may have signed the peer's. Server: NULL: clients need no certificate. Client: NULL: the system's */
    const char *crl_file;             /* revoked certificates of the peer's signer (one CRL or more). With it every peer certificate must have a CRL that is in force */
    const char *psk_file;             /* pre-shared keys: lines "ID:HEX" (ID: printable, no ':' or blank; key: 16 to 64 bytes), '#' comments. Regular file, ours or root's,
                                       * closed to group and others, else refused */
    const char *psk_id;               /* client: which of them; NULL: the first */
    const char *server_name;          /* client: what the collector's certificate must be for; NULL: the host it connects to */
    const char *const *names;         /* server: rules for client certificates, NULL-terminated: "name" or "*.suffix" (one label or more before it) against their DNS
                                       * names (SAN; the common name does not count); NULL or empty: all that ca_file signed */
    bool anyone;                      /* server: clients may come without certificate and key. Must be said if there is neither ca_file nor psk_file */
};
/* Reads all files: milliseconds. -EINVAL and *ret_why: names the file and what is wrong with it; -ENOMEM. */
int net_tls_new(struct net_tls **ret_tls, enum net_side side, const struct net_tls_options *options, struct net_text *ret_why);
/* Reads the files again (SIGHUP): connections from now on get what they say; those that are there stay, handshakes under way end with the old. An error leaves
 * everything as it was. */
int net_tls_reload(struct net_tls *tls, struct net_text *ret_why);
/* The same with other options: of a configuration that was read again. */
int net_tls_change(struct net_tls *tls, const struct net_tls_options *options, struct net_text *ret_why);
/* Links that use it keep what they need. NULL is accepted. */
void net_tls_free(struct net_tls *tls);
/* Days until our certificate ends (negative: it has), INT_MAX: none. For warnings and metrics. */
int net_tls_days_left(const struct net_tls *tls);

/* ---- links ------------------------------------------------------------------------------------------------------- */

/* Why a link ended, for counting; the readable line is closed()'s `reason`. */
#define NET_ENDS(X) \
    X(local, "closed by this side") \
    X(peer, "closed by the peer") \
    X(reset, "broken off: reset, or ended without goodbye") \
    X(handshake_timeout, "not ready in time") \
    X(idle, "silent for too long") \
    X(stalled, "does not read what is sent") \
    X(plaintext, "plaintext where TLS is wanted") \
    X(unwanted_tls, "TLS where plaintext is spoken") \
    X(tls_version, "no TLS version or cipher in common") \
    X(tls_certificate, "no certificate, or not trusted, or out of its time") \
    X(tls_revoked, "certificate is revoked, or its revocation list is out of its time") \
    X(tls_name, "certificate of another name") \
    X(tls_key, "no such key, or another key") \
    X(tls_protocol, "not TLS, or broken") \
    X(crowded, "too many connections") \
    X(unknown_name, "no address of that name") \
    X(connect_refused, "nobody listens there") \
    X(unreachable, "no way to there") \
    X(connect_timeout, "no connection in time") \
    X(too_long, "asks for more memory than a message may have") \
    X(memory, "out of memory") \
    X(io, "input or output failed")
enum net_end {
#define X(name, text) NET_END_##name,
    NET_ENDS(X)
#undef X
    NET_ENDS_COUNT,
};
const char *net_end_name(enum net_end end); /* "handshake_timeout" */

/* Whom a link goes to. */
struct net_peer {
    char address[160];                       /* "192.0.2.1:4242", "[2001:db8::1]:4242", "unix:/path", "unix:pid 12 uid 1000"; printable */
    bool unix_socket, local;                 /* local: unix or loopback */
    pid_t pid;                               /* SO_PEERCRED; 0, (uid_t)-1, (gid_t)-1 otherwise */
    uid_t uid;
    gid_t gid;
    bool tls;
    char version[16], cipher[40];            /* "TLSv1.3", "TLS_AES_128_GCM_SHA256"; "" if plain */
    char identity[NET_IDENTITY_BYTES + 1];   /* what it proved to be: its certificate's name (the one that a rule allowed, else its first), or its key's id; "" */
    bool by_certificate, by_key;
};

struct net_link_calls {
    /* Bytes came: those that were left over first, with more behind them. Returns how many were used; the rest is kept, and comes again
     * with at least one byte more. *ret_wanted (0 before): no call until so many bytes are there in all; memory grows as they come.
     * More than options.message_max ends the link (too_long). */
    size_t (*received)(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted);
    /* net_link_room() was 0, and half of the queue's bound is free again. */
    void (*writable)(void *context, struct net_link *link);
    /* The end, once, after which nothing is called; the link is gone after it. Also if this side closed. `reason`: one line, what was wrong and what to do. */
    void (*closed)(void *context, struct net_link *link, enum net_end end, const char *reason);
};
struct net_link_options {
    uint64_t handshake_ns; /* TLS and, for a listener, the first byte; 0: 10 s */
    uint64_t idle_ns;      /* without a byte from the peer, while reading is not paused; 0: for ever */
    uint64_t stall_ns;     /* without the peer taking a byte of what is queued, nor, of who connected, hearing one; 0: 30 s */
    size_t queue_bytes;    /* until net_link_room() says 0; 0: 4 MiB */
    size_t message_max;    /* received bytes that are kept; 0: 3 MiB + 64 KiB */
};

/* Whose it is: called in accepted() or connected(), before the callback returns, else it is closed. `calls` and `context` stay until closed(). */
void net_link_own(struct net_link *link, const struct net_link_calls *calls, void *context);
void *net_link_context(const struct net_link *link);
const struct net_peer *net_link_peer(const struct net_link *link);
/* Queues a copy. 0; -ENOBUFS: more than 4 MiB beyond queue_bytes, nothing is queued; -ENOTCONN: closing; -ENOMEM. */
int net_link_send(struct net_link *link, const struct iovec *parts, unsigned count);
/* queue_bytes less what is queued, 0: full (writable() will be called). */
size_t net_link_room(struct net_link *link);
size_t net_link_queued(const struct net_link *link);
/* No received() until resumed, which also gives what is left over. The peer's end is not noticed while paused. */
void net_link_pause(struct net_link *link);
void net_link_resume(struct net_link *link);
/* Sends what is queued, says goodbye (close_notify), and closes when the peer has, or after linger_ns (0: 2 s). No received() and writable()
 * any more; closed() comes with NET_END_local and `reason`. */
void net_link_finish(struct net_link *link, uint64_t linger_ns, const char *reason);
/* Closes now; what is queued is lost. closed() comes with NET_END_local and `reason`. */
void net_link_close(struct net_link *link, const char *reason);

struct net_link_figures {
    uint64_t received_bytes, sent_bytes; /* without TLS's own */
    uint64_t opened_ns, received_ns;     /* CLOCK_MONOTONIC: handshake done; last byte */
};
void net_link_figures(const struct net_link *link, struct net_link_figures *ret_figures);

/* ---- the listener ------------------------------------------------------------------------------------------------ */

struct net_listener_options {
    const struct net_address *addresses;
    unsigned addresses_count;
    struct net_tls *tls; /* NULL: none configured: then addresses off loopback need `insecure`. Shared: reload it by net_tls_reload() */
    bool insecure;       /* plaintext is taken off loopback */
    unsigned links_max;      /* connections at once; beyond it the newest is closed; 0: 16,384 or what descriptors allow less 64 */
    unsigned handshakes_max; /* of those, not ready yet; beyond it the oldest of them is closed; 0: 1,024 */
    mode_t unix_mode;        /* of the unix sockets' files; 0: 0600 */
    struct net_link_options link;
};
struct net_listener_calls {
    /* A link is ready: handshake done, first byte seen. Call net_link_own(). */
    void (*accepted)(void *context, struct net_listener *listener, struct net_link *link);
    /* A connection ended before accepted(): for logs and counting. May be NULL. */
    void (*refused)(void *context, struct net_listener *listener, const struct net_peer *peer, enum net_end end, const char *reason);
};
/* Binds at once. A unix socket's file that nobody listens on is replaced. -EINVAL, -EPERM (plain off loopback), -EADDRINUSE, -EACCES, ...; *ret_why. */
int net_listener_new(struct net_listener **ret_listener, struct net *net, const struct net_listener_options *options, const struct net_listener_calls *calls,
                     void *context, struct net_text *ret_why);
/* The same; waits up to 3 s for an address that is in use: one who was killed holds it until the kernel has closed its ring. */
int net_listener_new_soon(struct net_listener **ret_listener, struct net *net, const struct net_listener_options *options, const struct net_listener_calls *calls,
                          void *context, struct net_text *ret_why);
/* Whether all of these listeners could be made, beside each other. Binds what leaves nothing behind, for a moment; makes no file. As net_listener_new(). */
int net_listeners_check(const struct net_listener_options *options, unsigned count, struct net_text *ret_why);
/* Closes its sockets, and the links that are not ready; others stay their owners'. No callback of it comes any more. NULL is accepted. */
void net_listener_free(struct net_listener *listener);
/* No more connections; those that are there stay. For a graceful stop. */
void net_listener_stop(struct net_listener *listener);
/* Where it listens, with the port that it got, index 0...; false: no more. */
bool net_listener_address(const struct net_listener *listener, unsigned index, struct net_address *ret_address);

struct net_listener_figures {
    uint64_t accepted;              /* ready */
    uint64_t refused[NET_ENDS_COUNT]; /* ended before that, by why */
    uint64_t accept_errors;         /* of accept(): out of descriptors */
    unsigned links, handshakes;     /* now */
};
void net_listener_figures(const struct net_listener *listener, struct net_listener_figures *ret_figures);

/* ---- endpoints: from a sender to one of its collectors ------------------------------------------------------------- */

struct net_endpoint {
    struct net_address address;
    unsigned tier;   /* 0 is tried first, then 1, ... */
    unsigned weight; /* share of connections among those of its tier; 0: as 1 */
};
/* "ADDRESS[*WEIGHT][,ADDRESS[*WEIGHT]...]": one tier, appended behind *count of `endpoints`. -EINVAL; -ENOSPC: more than NET_ENDPOINTS_MAX. */
int net_endpoints_parse(struct net_endpoint *endpoints, unsigned *count, const char *text, unsigned tier, uint16_t default_port, struct net_text *ret_why);

struct net_endpoints_options {
    const struct net_endpoint *endpoints;
    unsigned count;
    struct net_tls *tls; /* NULL: the system's trust, the host's name */
    bool tls_given;      /* as in net_address_wants_tls() */
    bool insecure;
    uint64_t connect_ns;                  /* one collector: names and TCP; 0: 10 s */
    uint64_t backoff_ns, backoff_max_ns;  /* after all have failed, doubling, each time random between half of it and all; 0: 250 ms, 30 s */
    uint64_t good_ns;                     /* a link that was good for so long is followed by a quick reconnect, within 100 ms; 0: 10 s */
    const char *dns_servers, *hosts_file; /* for tests, as the resolver takes them; NULL: the system's */
    uint64_t seed;                        /* of the choices; 0: random */
    struct net_link_options link;
};
struct net_endpoints_calls {
    /* A link is ready (with TLS: the handshake is done, as far as this side can tell: a collector may still refuse our certificate, which closes it). Call
     * net_link_own(). There is one link at a time; the next connect begins after its closed(). */
    void (*connected)(void *context, struct net_endpoints *endpoints, struct net_link *link);
    /* One collector could not be reached: one line, that tells which, why, and what to do. `round_ended`: all have been tried, and the next try is in retry_ns. */
    void (*failed)(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason, bool round_ended, uint64_t retry_ns);
};
/* Checks all that can be checked without connecting. Not started. -EINVAL, -EPERM, -ENOMEM; *ret_why. */
int net_endpoints_new(struct net_endpoints **ret_endpoints, struct net *net, const struct net_endpoints_options *options,
                      const struct net_endpoints_calls *calls, void *context, struct net_text *ret_why);
/* Connects, and connects again after each end of a link, until stopped. */
void net_endpoints_start(struct net_endpoints *endpoints);
/* Nothing new; a link that is there stays (and is not replaced when it ends). */
void net_endpoints_stop(struct net_endpoints *endpoints);
/* The link that is up does what it is for (the peer's WELCOME): failures are forgotten. Without it the end of a link counts as a failure of that collector: the next
 * is tried. retry_ns > 0 in net_endpoints_hold(): not before that (the collector asked for it). */
void net_endpoints_good(struct net_endpoints *endpoints);
void net_endpoints_hold(struct net_endpoints *endpoints, uint64_t retry_ns);
/* No callback of it comes any more. A link that is there is closed (its closed() comes). NULL is accepted. */
void net_endpoints_free(struct net_endpoints *endpoints);

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

/* Buffers that all links of a loop share, and what outlives them. The loop stays until net_free(). */
int net_new(struct net **ret_net, struct evloop *loop); /* -ENOMEM */
/* After its listeners and endpoints, before evloop_free(), not from a callback. Links that are left are closed: their closed() comes from the loop, at the latest
 * from evloop_free(). NULL is accepted. */
void net_free(struct net *net);
struct evloop *net_loop(const struct net *net);
/* Links that there are, ready or not. */
unsigned net_links(const struct net *net);

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_H */
