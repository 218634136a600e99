/* SPDX-License-Identifier: ISC
 *
 * What endpoints consist of.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_ENDPOINTS_H
#define EVTRAIL_CONSUMERS_SHIP_NET_ENDPOINTS_H

#include "ship/net_internal.h"

#include "connector.h"

enum endpoints_state {
    ENDPOINTS_STOPPED,
    ENDPOINTS_WAITING, /* for the next round */
    ENDPOINTS_RESOLVING,
    ENDPOINTS_CONNECTING,
    ENDPOINTS_LINKED, /* a link is there, ready or not */
};
struct net_endpoints {
    struct net *net;
    const struct net_endpoints_calls *calls;
    void *context;
    struct net_endpoint *endpoints;
    bool *wants_tls; /* of each */
    unsigned count;
    struct net_endpoints_options options;
    struct net_tls *own_tls; /* the system's trust, where none was given */
    enum endpoints_state state;
    bool freed, good, connecting; /* connecting: the connector is busy, also after it was cancelled */
    bool timed_out;
    bool telling; /* a callback that may free us is under way */
    unsigned order[NET_ENDPOINTS_MAX], place; /* of this round; the next to try */
    unsigned failed_rounds;
    uint64_t random, hold_until_ns;
    struct evloop_post begin;
    struct evloop_timer timer;
    struct resolver_query query;
    struct connector connector;
    struct connector_target targets[CONNECTOR_TARGETS_MAX];
    struct net_link *link;
};

/* net_endpoint_choice.c: pure. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t bound); /* 0 if bound is 0 */
/* The order of a round: by tier, within one by chance, the share of first places as the weights say. */
void endpoints_order(const struct net_endpoint *endpoints, unsigned count, uint64_t *random, unsigned *ret_order);
/* How long to wait after `failed_rounds` (from 0) have failed before. */
uint64_t endpoints_backoff(uint64_t first_ns, uint64_t most_ns, unsigned failed_rounds, uint64_t *random);

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_ENDPOINTS_H */
