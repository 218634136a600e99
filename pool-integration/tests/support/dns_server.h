/* SPDX-License-Identifier: ISC
 *
 * A DNS server on 127.0.0.1, UDP and TCP, in a thread of the test, that misbehaves by name:
 *
 *     one.test       A 192.0.2.1, TTL 60; no AAAA
 *     dual.test      A 192.0.2.1, .2, .3; AAAA 2001:db8::1, ::2
 *     changes.test   A 192.0.2.<version>, TTL 1
 *     turns.test     two A, in another order each time, TTL 1
 *     brief.test     A 192.0.2.1, TTL 0
 *     none.test      NXDOMAIN         empty.test   no records        fail.test    SERVFAIL        refused.test REFUSED
 *     garbage.test   noise            hung.test    never             half.test    A at once, AAAA never
 *     late.test      A at once, AAAA 150 ms later
 *     truncated.test TC by UDP, one address by TCP       many.test   the same with 1,000 addresses
 *     cname.test     a chain of three, the least TTL is 7
 *     wrongid.test   first with another id, then with the right one
 *     n<anything>    A 192.0.2.9
 */
#ifndef EVPOOL_TESTS_DNS_SERVER_H
#define EVPOOL_TESTS_DNS_SERVER_H

#include <stdatomic.h>
#include <stdint.h>

struct dns_server;
struct dns_server *dns_server_start(void);
void dns_server_stop(struct dns_server *server);
/* "127.0.0.1:PORT" */
const char *dns_server_address(const struct dns_server *server);
/* How often it was asked for A of any name since the last call. */
unsigned dns_server_asked(struct dns_server *server);
void dns_server_set_version(struct dns_server *server, unsigned version);
/* Whether it answers at all. */
void dns_server_set_silent(struct dns_server *server, int silent);

#endif /* EVPOOL_TESTS_DNS_SERVER_H */
