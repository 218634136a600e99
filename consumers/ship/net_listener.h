/* SPDX-License-Identifier: ISC
 *
 * What a listener consists of.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_NET_LISTENER_H
#define EVTRAIL_CONSUMERS_SHIP_NET_LISTENER_H

#include "ship/net_internal.h"

struct listener_socket {
    struct net_listener *listener;
    struct net_address address; /* as asked for, with the port that it got */
    int fd;
    bool made_file; /* unix: its file is ours to remove */
    dev_t device;
    ino_t inode;
    struct evloop_op accept;
    struct evloop_timer again; /* after want of descriptors */
};
struct net_listener {
    struct net *net;
    const struct net_listener_calls *calls;
    void *context;
    struct net_tls *tls;
    bool insecure, stopped, freed;
    bool checking; /* no file is made */
    unsigned links_max, handshakes_max;
    struct net_link_options link_options;
    struct net_link *oldest, *youngest; /* that are not ready */
    struct net_listener_figures figures;
    struct listener_socket *sockets;
    unsigned sockets_count;
};

/* net_listen.c: binds the sockets of all addresses. -errno and *ret_why; what was opened stays in the listener. */
int listener_open(struct net_listener *listener, const struct net_listener_options *options, struct net_text *ret_why);
/* Closes one, and removes its file. */
void listener_socket_close(struct listener_socket *socket);

#endif /* EVTRAIL_CONSUMERS_SHIP_NET_LISTENER_H */
