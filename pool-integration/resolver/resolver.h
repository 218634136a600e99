/* SPDX-License-Identifier: ISC
 *
 * From a host's name to its addresses: literals, unix sockets, the hosts file, and DNS (A and AAAA through c-ares, with TTLs) with a cache.
 * One per pool, in the loop's thread.
 */
#ifndef EVPOOL_RESOLVER_H
#define EVPOOL_RESOLVER_H

#include <evpool/error.h>
#include <evpool/loop.h>

#include <sys/socket.h>

enum { RESOLVER_ADDRESSES_MAX = 1024 }; /* of one name; more are left out */

struct peer_address {
    struct sockaddr_storage address; /* with the port */
    socklen_t bytes;
};

enum resolver_source {
    RESOLVER_DNS = 1,
    RESOLVER_CACHE = 2,
    RESOLVER_LITERAL = 3,
    RESOLVER_HOSTS = 4,
    RESOLVER_UNIX = 5,
};

/* Valid during the callback. addresses: the families as RFC 8305 interleaves them, IPv6 first, each family in the order of the answer. */
struct resolver_answer {
    enum evpool_code code;       /* EVPOOL_OK, or EVPOOL_ERROR_resolve_* with count 0 */
    enum resolver_source source;
    const struct peer_address *addresses;
    unsigned count;
    uint32_t ttl_s;
    uint64_t took_ns;
    const char *text; /* of an error: "no such name (DNS server 127.0.0.1)"; else NULL */
};

struct resolver_options {
    uint64_t timeout_ns;
    uint32_t ttl_min_s, ttl_max_s, negative_ttl_s;
    const char *servers;    /* as evpool_options.dns_servers */
    const char *hosts_file; /* NULL: /etc/hosts; "": none */
    const char *resolv_conf; /* NULL: /etc/resolv.conf; read if there are no `servers`, and again when it has changed */
};

struct resolver;
struct resolver_entry;

/* One that waits for an answer. Zero before first use. */
struct resolver_query {
    void (*call)(struct resolver_query *query, const struct resolver_answer *answer); /* never from within resolver_lookup() */
    struct resolver_query *next, *prev;
    struct resolver_entry *entry;
    uint64_t parent_span, name_id; /* for the events */
    uint16_t port;
};
/* One that is told whenever the addresses of a name change (also from none to some: a name that nothing is known of is looked up; also
 * when the other family's addresses come after all), while it is in use: entries that are watched are looked up again
 * before they expire (at 80 % of their TTL). A refresh that fails keeps the old addresses, and is tried again. Not told from within. */
struct resolver_watch {
    void (*call)(struct resolver_watch *watch, const struct resolver_answer *answer);
    struct resolver_watch *next, *prev;
    struct resolver_entry *entry;
    uint64_t name_id; /* for the events */
    uint16_t port;
};

/* -EINVAL: servers; -ENOMEM; -EMFILE. The strings of `options` are copied. */
int resolver_new(struct resolver **ret_resolver, struct evloop *loop, const struct resolver_options *options);
/* Queries that wait get EVPOOL_ERROR_closed, from within. Not from a callback of the resolver. NULL is accepted. */
void resolver_free(struct resolver *resolver);
/* Always answers by the callback, once. Callers for the same host at the same time share one lookup. */
void resolver_lookup(struct resolver *resolver, struct resolver_query *query, const char *host, uint16_t port,
                     void (*call)(struct resolver_query *query, const struct resolver_answer *answer));
void resolver_cancel(struct resolver_query *query); /* no callback; the lookup goes on for the cache. Not busy: nothing */
int resolver_watch(struct resolver *resolver, struct resolver_watch *watch, const char *host, uint16_t port,
                   void (*call)(struct resolver_watch *watch, const struct resolver_answer *answer)); /* -ENOMEM; -EINVAL: no host */
void resolver_unwatch(struct resolver_watch *watch);
void resolver_forget(struct resolver *resolver, const char *host); /* the next lookup asks anew */
/* In a forked child: closes its copies of the descriptors, and does nothing else. */
void resolver_abandon(struct resolver *resolver);

/* "tcp:127.0.0.1:80", "tcp:[::1]:80", "unix:/run/x". Returns the length, as snprintf. */
size_t peer_address_print(const struct peer_address *peer, char *text, size_t bytes);

#endif /* EVPOOL_RESOLVER_H */
