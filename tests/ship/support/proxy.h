/* SPDX-License-Identifier: ISC
 *
 * A TCP proxy that fails: it delays, holds back, cuts at any byte, resets, and forgets one side (half-open). It runs in a thread of its own, so that
 * what is tested may be another process, or this one's loop.
 *
 *     proxy_start(&proxy, "127.0.0.1", port);          // listens at proxy.port
 *     proxy_set(&proxy, (struct proxy_fault){...});    // from now on, also for connections that are there
 *     proxy_stop(&proxy);
 */
#ifndef EVTRAIL_TESTS_SHIP_PROXY_H
#define EVTRAIL_TESTS_SHIP_PROXY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum proxy_cut {
    PROXY_CUT_none,
    PROXY_CUT_close, /* both sides see an end */
    PROXY_CUT_reset, /* both sides see a reset */
    PROXY_CUT_hang,  /* nobody sees anything: no byte more passes, the connections stay (half-open, partition) */
};
struct proxy_fault {
    unsigned delay_ms;      /* each byte arrives so much later */
    bool hold;              /* nothing passes until this is taken back; nothing is lost */
    bool refuse;            /* new connections are closed at once */
    enum proxy_cut cut;     /* of each connection, when ... */
    uint64_t cut_up_bytes;  /* ... so many bytes have gone from who connected; 0: never by these */
    uint64_t cut_down_bytes; /* ... or so many to it; 0: never by these. Both 0: at once */
};
enum { PROXY_PAIRS_MAX = 256 };
struct proxy {
    uint16_t port;
    /* its own */
    pthread_t thread;
    pthread_mutex_t lock;
    struct proxy_fault fault;
    uint64_t connections, up_bytes, down_bytes; /* by proxy_figures() */
    unsigned cuts;
    struct proxy_pair *pairs[PROXY_PAIRS_MAX];
    int listener, wake;
    bool ending;
    char host[64];
    uint16_t to_port;
};
struct proxy_figures {
    uint64_t connections; /* ever */
    uint64_t up_bytes, down_bytes;
    unsigned cuts, open;
};

/* IPv4. Aborts the test if it cannot. */
void proxy_start(struct proxy *proxy, const char *host, uint16_t port);
/* Where new connections go from now on (a collector that was started again has another port). */
void proxy_retarget(struct proxy *proxy, uint16_t port);
void proxy_set(struct proxy *proxy, struct proxy_fault fault);
void proxy_figures(struct proxy *proxy, struct proxy_figures *ret_figures);
void proxy_stop(struct proxy *proxy);

#endif /* EVTRAIL_TESTS_SHIP_PROXY_H */
