/* SPDX-License-Identifier: ISC
 *
 * The name of a collector as a source, taken apart.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_VIEWER_URL_H
#define EVTRAIL_CONSUMERS_SHIP_VIEWER_URL_H

#include "ship/net.h"
#include "ship/wire.h"

struct viewer_url {
    char name[300]; /* without what is behind '?': for messages */
    struct net_address address;
    bool insecure, tls_given;
    char host[WIRE_PATTERN_BYTES + 1], program[WIRE_PATTERN_BYTES + 1];
    char ca[256], cert[256], key[256], psk[256], psk_id[256], server[256]; /* "": none */
};
/* -EINVAL, and why. */
int viewer_url_parse(struct viewer_url *ret_url, const char *name, struct net_text *ret_why);
/* *ret_tls NULL: the system's trust. */
int viewer_url_tls(const struct viewer_url *url, struct net_tls **ret_tls, struct net_text *ret_why);

#endif /* EVTRAIL_CONSUMERS_SHIP_VIEWER_URL_H */
