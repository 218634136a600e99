/* SPDX-License-Identifier: ISC
 *
 * What all connections of a loop share.
 */
#include "ship/net_internal.h"

#include "resolver.h"

#include <errno.h>
#include <stdlib.h>

int net_new(struct net **ret_net, struct evloop *loop)
{
    struct net *net = calloc(1, sizeof(*net));
    if (!net)
        return -ENOMEM;
    net->loop = loop;
    net->refs = 1;
    net->incoming = malloc(NET_READ_BYTES);
    net->plain = malloc(NET_PLAIN_BYTES);
    if (!net->incoming || !net->plain) {
        net_unref(net);
        return -ENOMEM;
    }
    *ret_net = net;
    return 0;
}

void net_ref(struct net *net)
{
    net->refs++;
}

void net_unref(struct net *net)
{
    if (--net->refs > 0)
        return;
    free(net->incoming);
    free(net->plain);
    free(net);
}

void net_free(struct net *net)
{
    if (!net)
        return;
    for (struct net_link *link = net->links; link; link = link->next)
        link_end(link, NET_END_local, "this side ends");
    resolver_free(net->resolver);
    net->resolver = NULL;
    net_unref(net);
}

struct evloop *net_loop(const struct net *net)
{
    return net->loop;
}

unsigned net_links(const struct net *net)
{
    return net->links_count;
}
