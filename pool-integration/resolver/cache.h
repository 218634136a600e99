/* SPDX-License-Identifier: ISC
 *
 * The resolver's entries by host: a hash table, and the row in which those that nobody watches are forgotten.
 */
#ifndef EVPOOL_CACHE_H
#define EVPOOL_CACHE_H

#include "address.h"
#include "dns.h"

enum { CACHE_UNWATCHED_MAX = 4096 };

/* All that is known of a host, and who wants to know. */
struct resolver_entry {
    struct resolver *resolver;
    struct resolver_entry *next;                  /* of its hash */
    struct resolver_entry *older, *newer;         /* the row of those that nobody watches */
    struct resolver_entry *due_next;              /* those whose answer is to be told */
    struct resolver_query queries;                /* head: wait */
    struct resolver_watch watches;                /* head */
    struct evloop_timer timer;                    /* of a lookup: its deadline; else the next refresh */

    /* what is known */
    struct address_list list;
    struct peer_address *path;       /* a unix socket; else NULL */
    enum evpool_code code;           /* of the last lookup; before the first: none */
    enum resolver_source source;     /* of the list */
    const char *text;                /* of an error, static */
    uint32_t ttl_s;
    uint64_t expires_ns, took_ns;
    unsigned hosts_generation;       /* of the hosts file that does not speak against it */
    enum resolver_source due_source; /* of the answer that is due */
    bool known, due, changed, in_row;
    unsigned failures;               /* in a row */

    /* the lookup that is made */
    bool looking, asking, hurried;
    unsigned candidate;
    struct dns_question *questions[2]; /* AAAA, A; may outlast the lookup */
    struct address_list found;
    uint32_t found_ttl_s;
    struct dns_result worst;
    uint64_t began_ns, span;

    uint32_t hash;
    char host[]; /* lower case */
};

struct cache {
    struct resolver_entry **buckets;
    size_t buckets_count, count;
    struct resolver_entry *oldest, *newest; /* of the row */
    unsigned row_count;
};

int cache_init(struct cache *cache);
void cache_fini(struct cache *cache); /* must be empty */
struct resolver_entry *cache_find(const struct cache *cache, const char *host);
/* A new entry, which must not be there yet; in the row. NULL: no memory. */
struct resolver_entry *cache_add(struct cache *cache, struct resolver *resolver, const char *host);
/* Frees the entry. Nobody may wait for it. */
void cache_remove(struct cache *cache, struct resolver_entry *entry);
void cache_row_join(struct cache *cache, struct resolver_entry *entry);  /* as the newest; may be there already */
void cache_row_leave(struct cache *cache, struct resolver_entry *entry); /* may not be there */
/* The entry to forget, if there are too many in the row; NULL: none that may go. */
struct resolver_entry *cache_surplus(const struct cache *cache);

#endif /* EVPOOL_CACHE_H */
