/* SPDX-License-Identifier: ISC
 *
 * Pages for those who ask how a sender or collector is: status for the command, metrics for Prometheus. A socket of its own on loopback or
 * a unix socket; each connection asks one GET, gets one page, and is closed. Few at a time, each within seconds.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_SERVE_H
#define EVTRAIL_CONSUMERS_SHIP_SERVE_H

#include "ship/net.h"

struct serve;

/* An array of them ends with one whose path is NULL. */
struct serve_page {
    const char *path;             /* "/status" */
    const char *type;             /* SERVE_TEXT or SERVE_JSON */
    char *(*make)(void *context); /* owned text, or NULL: out of memory */
};
#define SERVE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define SERVE_JSON "application/json"

/* An address that a setting names: of this machine, else -EPERM; -EINVAL. *ret_why says what to do, beginning with the address. */
int serve_address_parse(struct net_address *ret_address, const char *text, uint16_t default_port, struct net_text *ret_why);
/* The socket `name` in `directory`. -ENAMETOOLONG: longer than a unix socket's path may be. */
int serve_socket_address(struct net_address *ret_address, const char *directory, const char *name);
/* Listens; waits up to 3 s for an address that one who was killed holds until the kernel has closed its ring. `pages` stays. As net_listener_new(). */
int serve_new(struct serve **ret_serve, struct net *net, const struct net_address *address, const struct serve_page *pages, void *context,
              struct net_text *ret_why);
/* NULL is accepted. */
void serve_free(struct serve *serve);
/* Where it listens, with the port that it got. */
bool serve_address(const struct serve *serve, struct net_address *ret_address);

/* The other side, for commands: asks the unix socket `name` in `directory` for a page, and prints it. -ENOENT, -ECONNREFUSED: nobody is there;
 * -EACCES: somebody else's; -ETIMEDOUT: no answer within 10 s; -EPIPE: broken off; others of standard output. */
int serve_ask(const char *directory, const char *name, const char *page);

#endif /* EVTRAIL_CONSUMERS_SHIP_SERVE_H */
