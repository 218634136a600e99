/* SPDX-License-Identifier: ISC
 *
 * Addresses without a port, as the resolver keeps them: parsing literals, comparing, ordering.
 */
#ifndef EVPOOL_ADDRESS_H
#define EVPOOL_ADDRESS_H

#include "resolver.h"

#include <stdbool.h>

struct host_address {
    uint32_t scope;    /* of an IPv6 link-local address: the interface's index */
    uint8_t family;    /* AF_INET, AF_INET6 */
    uint8_t bytes[16]; /* the first 4 with AF_INET */
};

/* "127.0.0.1", "::1", "[::1]", "fe80::1%eth0": 1, and *ret_address; 0: no literal. */
int address_parse(const char *text, struct host_address *ret_address);
struct host_address address_of(const struct sockaddr *address);
struct peer_address address_with_port(const struct host_address *address, uint16_t port);
/* "unix:/path" or "unix:@abstract": 1, and *ret_peer; 0: is not; -ENAMETOOLONG. */
int address_parse_unix(const char *text, struct peer_address *ret_peer);

/* A set under construction: no address twice, at most RESOLVER_ADDRESSES_MAX a family. */
struct address_list {
    struct host_address *items;
    unsigned count, room;
};
int address_list_add(struct address_list *list, const struct host_address *address); /* -ENOMEM */
void address_list_free(struct address_list *list);
/* The same addresses, in whatever order: servers turn theirs with each answer. */
bool address_list_same(const struct address_list *a, const struct address_list *b);
/* As RFC 8305 section 4 wants them: families in turn, IPv6 first, each in its order; and no more than RESOLVER_ADDRESSES_MAX. */
void address_list_interleave(struct address_list *list);

#endif /* EVPOOL_ADDRESS_H */
