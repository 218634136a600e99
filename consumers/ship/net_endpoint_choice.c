/* SPDX-License-Identifier: ISC
 *
 * Which collector is tried next, and when: lists of them, chance by weight, backoff.
 */
#include "ship/net_endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEIGHT_MAX = 1000000 };

/* ---- lists ---- */

/* "ADDRESS[*WEIGHT]" */
static int parse_one(struct net_endpoint *ret_endpoint, const char *text, uint16_t default_port,
                     struct net_text *ret_why)
{
    char copy[NET_HOST_BYTES + 64];
    struct net_endpoint endpoint = {.weight = 1};
    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
        return net_say(ret_why, -EINVAL, "%.40s...: too long for an address", text);
    char *star = strrchr(copy, '*');
    if (star) {
        char *end;
        const unsigned long weight = strtoul(star + 1, &end, 10);
        if (star[1] < '0' || star[1] > '9' || *end || weight == 0 || weight > WEIGHT_MAX)
            return net_say(ret_why, -EINVAL, "%s: '%s' is no weight; ADDRESS*WEIGHT is wanted, 1 to %d", text, star + 1,
                           WEIGHT_MAX);
        endpoint.weight = (unsigned)weight;
        *star = '\0';
    }
    const int result = net_address_parse(&endpoint.address, copy, default_port, ret_why);
    if (result < 0)
        return result;
    if (!endpoint.address.host[0] || (!endpoint.address.unix_socket && endpoint.address.port == 0))
        return net_say(ret_why, -EINVAL, "%s: a collector's host and port are wanted", text);
    *ret_endpoint = endpoint;
    return 0;
}

int net_endpoints_parse(struct net_endpoint *endpoints, unsigned *count, const char *text, unsigned tier,
                        uint16_t default_port, struct net_text *ret_why)
{
    char *copy = strdup(text), *rest = copy, *one;
    unsigned n = *count;
    int result = copy ? 0 : -ENOMEM;
    while (result == 0 && (one = strsep(&rest, ","))) {
        if (n == NET_ENDPOINTS_MAX)
            result = net_say(ret_why, -ENOSPC, "more than %d collectors; leave some out", NET_ENDPOINTS_MAX);
        else
            result = parse_one(&endpoints[n], one, default_port, ret_why);
        if (result == 0)
            endpoints[n++].tier = tier;
    }
    free(copy);
    if (result == 0)
        *count = n;
    return result;
}

/* ---- chance ---- */

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). */
uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return bound ? random_next(state) % bound : 0;
}

static uint64_t weight_of(const struct net_endpoint *endpoint)
{
    return endpoint->weight ? endpoint->weight : 1;
}

/* The lowest tier of those that are left, and the sum of its weights. */
static unsigned lowest_tier(const struct net_endpoint *endpoints, const unsigned *left, unsigned count,
                            uint64_t *ret_sum)
{
    unsigned tier = endpoints[left[0]].tier;
    *ret_sum = 0;
    for (unsigned i = 1; i < count; i++)
        if (endpoints[left[i]].tier < tier)
            tier = endpoints[left[i]].tier;
    for (unsigned i = 0; i < count; i++)
        if (endpoints[left[i]].tier == tier)
            *ret_sum += weight_of(&endpoints[left[i]]);
    return tier;
}

void endpoints_order(const struct net_endpoint *endpoints, unsigned count, uint64_t *random, unsigned *ret_order)
{
    for (unsigned i = 0; i < count; i++)
        ret_order[i] = i;
    for (unsigned done = 0; done < count; done++) {
        unsigned *left = ret_order + done, chosen = 0;
        uint64_t sum;
        const unsigned tier = lowest_tier(endpoints, left, count - done, &sum);
        uint64_t at = random_below(random, sum);
        for (unsigned i = 0; i < count - done; i++) {
            if (endpoints[left[i]].tier != tier)
                continue;
            chosen = i;
            if (at < weight_of(&endpoints[left[i]]))
                break;
            at -= weight_of(&endpoints[left[i]]);
        }
        const unsigned index = left[chosen];
        memmove(left + 1, left, chosen * sizeof(*left));
        left[0] = index;
    }
}

uint64_t endpoints_backoff(uint64_t first_ns, uint64_t most_ns, unsigned failed_rounds, uint64_t *random)
{
    uint64_t wait_ns = first_ns;
    for (unsigned i = 0; i < failed_rounds && wait_ns < most_ns; i++)
        wait_ns *= 2;
    if (wait_ns > most_ns)
        wait_ns = most_ns;
    return wait_ns - random_below(random, wait_ns / 2 + 1);
}
