/* SPDX-License-Identifier: ISC
 *
 * What the resolver's two halves share: resolver.c takes questions and tells answers, lookup.c finds them.
 */
#ifndef EVPOOL_LOOKUP_H
#define EVPOOL_LOOKUP_H

#include "cache.h"
#include "dns.h"
#include "hosts.h"

#define SECOND_NS UINT64_C(1000000000)
enum { NAME_MAX_BYTES = 253 };

/* By which the loop calls us; outlives a resolver that is freed while it is posted. */
struct mail {
    struct evloop_post post;
    struct resolver *resolver;
};

struct resolver {
    struct evloop *loop;
    struct resolver_options options;
    struct dns *dns;
    struct hosts hosts;
    char *hosts_path, *resolv_conf, *servers; /* ours, of the options */
    struct cache cache;
    struct resolver_entry *due, **due_end;
    struct resolver_query no_memory, no_name; /* heads: queries that have no entry */
    struct mail *mail;
    struct peer_address scratch[RESOLVER_ADDRESSES_MAX];
    char text[200];
};

static inline bool is_static(const struct resolver_entry *entry)
{
    return entry->source == RESOLVER_LITERAL || entry->source == RESOLVER_UNIX;
}
static inline bool watched(const struct resolver_entry *entry)
{
    return entry->watches.next != &entry->watches;
}

/* resolver.c: the entry's answer is told in the loop's next iteration. */
void resolver_make_due(struct resolver_entry *entry, enum resolver_source source);

/* Whether what is known still holds. */
bool lookup_fresh(struct resolver_entry *entry);
uint32_t lookup_ttl_left_s(const struct resolver_entry *entry);
/* Ends in resolver_make_due(), at once or later. */
void lookup_start(struct resolver_entry *entry, uint64_t parent_span, uint64_t name_id);
/* Sets or stops the timer of the next refresh, as the entry is watched or not. */
void lookup_plan_refresh(struct resolver_entry *entry);
/* What is on its way is nobody's any more. */
void lookup_forget_questions(struct resolver_entry *entry);

#endif /* EVPOOL_LOOKUP_H */
