/* SPDX-License-Identifier: ISC
 *
 * The parts of a load: servers that echo (farm.c), a DNS server that tells their addresses (name_server.c), clients in the loop
 * (clients.c) or in threads (callers.c), and the messages between them (message.c).
 */
#ifndef EVPOOL_STRESS_LOAD_H
#define EVPOOL_STRESS_LOAD_H

#include "../stress.h"

#include <pthread.h>
#include <stdatomic.h>

#define TRIES_MAX 10 /* connections that a message may take */
#define MESSAGE_NS UINT64_C(20000000000)
#define ACQUIRE_NS UINT64_C(5000000000)

struct farm;
struct name_server;
struct load {
    const struct settings *settings;
    const struct preset *preset;
    struct evloop *loop;
    struct evpool *pool;
    struct evpool_name **names;
    unsigned names_count;
    struct farm *farm;
    struct name_server *dns;
    struct evloop_timer tick;
    uint64_t run, start_ns, end_ns; /* end: 0, none */
    uint64_t tick_ns, tick_begun;
    _Atomic uint64_t begun, right, wrong, given_up;
    _Atomic unsigned running; /* clients */
    _Atomic bool stopping;
    void (*tick_clients)(struct load *load);
    void *clients; /* clients.c, callers.c */
    bool progress, drained;
};

/* Whether one more message is to be sent; counts it. */
bool load_more(struct load *load, uint64_t now_ns);
/* How long this client is to rest now; 0: not at all. */
uint64_t load_rest(const struct load *load, uint64_t now_ns);
struct evpool_name *load_name(const struct load *load, unsigned client, uint64_t sequence);
void load_leave(struct load *load); /* a client is done; the last one stops the loop */
enum { OUTCOME_right = 1, OUTCOME_wrong = 2, OUTCOME_failed = 3 };
void load_count(struct load *load, int outcome);
uint64_t load_clock_ns(void);

/* ---- clients.c, callers.c: all of them begin; 0 or -errno ---- */
int clients_start(struct load *load);
void clients_free(struct load *load);
int callers_start(struct load *load);
void callers_free(struct load *load); /* joins them */

/* ---- message.c ---- */
void message_fill(void *message, uint32_t bytes, uint64_t seed, unsigned client, uint64_t sequence);

/* ---- farm.c ---- */
/* Servers on 127.77.x.y, all on one port, in a thread. 0 or -errno. */
int farm_start(struct farm **ret_farm, const struct preset *preset);
void farm_stop(struct farm *farm);
uint16_t farm_port(const struct farm *farm);
const char *farm_trust(const struct farm *farm); /* with TLS: the file that has the servers' certificate */
uint32_t farm_address(unsigned server); /* in host order */

/* ---- name_server.c ---- */
/* Answers "sN.pool.test" with the addresses of the servers i for which i % names is N. */
int name_server_start(struct name_server **ret_server, const struct preset *preset);
void name_server_stop(struct name_server *server);
uint16_t name_server_port(const struct name_server *server);

#endif /* EVPOOL_STRESS_LOAD_H */
