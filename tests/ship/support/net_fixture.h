/* SPDX-License-Identifier: ISC
 *
 * A listener and endpoints on one loop, each side with what it heard; for tests of connections.
 */
#ifndef EVTRAIL_TESTS_SHIP_NET_FIXTURE_H
#define EVTRAIL_TESTS_SHIP_NET_FIXTURE_H

#include "ship/net.h"

enum { SIDE_BYTES = 1 << 16 };
struct fixture;
struct side {
    struct fixture *fixture;
    struct net_link *link; /* the newest; NULL: none */
    unsigned ready, closed, writable;
    enum net_end end;
    char reason[600];
    struct net_peer peer; /* of the newest link */
    uint64_t received_bytes;
    uint8_t bytes[SIDE_BYTES]; /* the first of them */
    uint64_t checksum;         /* of all */
    bool echo;                 /* sends back what comes */
    size_t whole;              /* > 0: takes only whole messages of this size */
    unsigned messages;
};
struct fixture {
    struct evloop *loop;
    struct net *net;
    struct net_listener *listener;
    struct net_endpoints *endpoints;
    struct net_tls *server_tls, *client_tls;
    struct side server, client;
    unsigned refused, failed, rounds_ended;
    enum net_end refused_end, failed_end;
    char refused_reason[600], failed_reason[600];
    uint64_t retry_ns;
    bool keep_trying; /* else endpoints are stopped after the first failure or end */
    bool call_good;
};

void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);
/* Listens at `address` ("127.0.0.1:0"), with changes of the options by the caller. */
void fixture_listen(struct fixture *f, const char *address, struct net_listener_options *options);
/* The endpoints' address: the listener's first, as "SCHEME127.0.0.1:PORT" of `host` NULL, else of that host. */
void fixture_connect(struct fixture *f, const char *scheme, const char *host, struct net_endpoints_options *options);
/* Runs the loop until the condition holds; fails the test after 60 s. */
#define RUN_UNTIL(f, condition) \
    do { \
        const uint64_t give_up_ns = fixture_now() + UINT64_C(60000000000); \
        while (!(condition)) { \
            if (fixture_now() > give_up_ns) \
                fail_msg("not within 60 s: %s (server: %s; client: %s; refused: %s; failed: %s)", #condition, (f)->server.reason, (f)->client.reason, \
                         (f)->refused_reason, (f)->failed_reason); \
            evloop_run_once((f)->loop, 10000000); \
        } \
    } while (0)
uint64_t fixture_now(void);
uint16_t fixture_port(const struct fixture *f);
int side_send(struct side *side, const void *bytes, size_t size);
uint64_t checksum_of(uint64_t checksum, const uint8_t *bytes, size_t size);
/* A blocking TCP connection to the listener, by plain sockets. */
int raw_connect(const struct fixture *f);
/* Reads until the end, or `size`, while the loop runs; the number of bytes. */
size_t raw_read_all(struct fixture *f, int fd, char *text, size_t size);

#endif /* EVTRAIL_TESTS_SHIP_NET_FIXTURE_H */
