/* SPDX-License-Identifier: ISC
 *
 * c-ares on the event loop: A and AAAA of one name, asked apart so that one that hangs does not hold up the other.
 */
#ifndef EVPOOL_DNS_H
#define EVPOOL_DNS_H

#include "address.h"

struct dns;

/* What one family's question gave. */
struct dns_result {
    enum evpool_code code; /* EVPOOL_OK, EVPOOL_ERROR_resolve_none, _failed, _timeout, _memory */
    bool no_name;          /* with resolve_none: not only no address of this family */
    uint32_t ttl_s;        /* the least of the chain's */
    const struct host_address *addresses;
    unsigned count;
    const char *text; /* of an error, static */
};
struct dns_question; /* in flight */
typedef void dns_answered(void *arg, int family, const struct dns_result *result);

/* Of the resolver's options `servers`, `resolv_conf` and `timeout_ns`; borrowed while it is in use. -EINVAL: servers; -ENOMEM. */
int dns_new(struct dns **ret_dns, struct evloop *loop, const struct resolver_options *options);
/* The system's settings have changed, and nobody waits for an answer. A system call, if the system's are used. */
bool dns_outdated(const struct dns *dns);
/* Questions must have been forgotten. NULL is accepted. */
void dns_free(struct dns *dns);
void dns_abandon(struct dns *dns); /* in a forked child: closes its copies of the sockets */
/* *ret_question is set before the question is asked, for `answered` may be called from within. -ENOMEM: it is not asked. */
int dns_ask(struct dns *dns, const char *name, int family, dns_answered *answered, void *arg, struct dns_question **ret_question);
void dns_forget(struct dns_question *question); /* its answer is nobody's any more; NULL is accepted */
/* The names to try in turn for `host`, by the system's search domains: candidate `index` into name; -ENOENT beyond the last. */
int dns_candidate(const struct dns *dns, const char *host, unsigned index, char *name, size_t bytes);
/* "DNS server 127.0.0.1:53", "3 DNS servers" */
const char *dns_servers(const struct dns *dns);

#endif /* EVPOOL_DNS_H */
