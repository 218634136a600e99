/* SPDX-License-Identifier: ISC
 *
 * What listeners, links and endpoints share.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H
#define EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H

#include "ship/net.h"

struct net {
    struct evloop *loop;
};

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_INTERNAL_H */
