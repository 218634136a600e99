/* SPDX-License-Identifier: ISC
 *
 * What all connections of a loop share, and the names of their ends.
 */
#include "ship/net_internal.h"

#include <errno.h>
#include <stdlib.h>

int net_new(struct net **ret_net, struct evloop *loop)
{
    struct net *net = calloc(1, sizeof(*net));
    if (!net)
        return -ENOMEM;
    net->loop = loop;
    *ret_net = net;
    return 0;
}

void net_free(struct net *net)
{
    free(net);
}

struct evloop *net_loop(const struct net *net)
{
    return net->loop;
}

const char *net_end_name(enum net_end end)
{
    static const char *const names[NET_ENDS_COUNT] = {
#define X(name, text) [NET_END_##name] = #name,
        NET_ENDS(X)
#undef X
    };
    return (unsigned)end < NET_ENDS_COUNT ? names[end] : "?";
}
