/* SPDX-License-Identifier: ISC
 *
 * pool-bench's loads: programs that pool-bench starts, and tells by their standard input how much to do; each answers by its
 * standard output. One source, linked with the traced pool and with the untraced one.
 */
#ifndef EVPOOL_POOL_LOAD_H
#define EVPOOL_POOL_LOAD_H

#include <evpool/pool.h>

#include <stddef.h>
#include <stdint.h>

#define CLIENTS 64u
#define MESSAGE_BYTES 64u
#define ANSWER_MAX 1024u

/* Of a start (status 1: skipped, text says why) and of each run. */
enum { FIGURE_wall_ns, FIGURE_cpu_ns, FIGURE_own, FIGURES = 10 };
struct answer {
    int status;
    char text[120];
    double figures[FIGURES];
};

struct load_setup {
    uint16_t port;  /* of the server */
    unsigned count; /* connections, of some */
    bool http;      /* the server is nginx */
};

/* open: 0, 1 or -errno; run: 0 or -errno, figures from FIGURE_own on. */
struct load_kind {
    const char *name;
    int (*open)(const struct load_setup *setup, struct answer *answer);
    int (*run)(uint64_t count, struct answer *answer);
};
extern const struct load_kind pooled_load, constrained_load, held_load, echo_load, call_load, threads_load, idle_load,
    curl_load;

uint64_t load_now_ns(void);

/* ---- what is said on a connection, pooled or not ---- */
extern const char *message;
extern size_t message_bytes;
void message_choose(const struct load_setup *setup);
/* Whether the answer is whole: 1; not yet: 0; wrong: -EBADMSG. */
int message_answered(const char *answer, size_t bytes);

/* ---- the pool of a load ---- */
extern struct evloop *load_loop;
extern struct evpool *load_pool;
extern struct evpool_name *load_name;
int pool_open(const struct load_setup *setup, unsigned connections);
int pool_fill(unsigned connections); /* that many are there, idle */

#endif /* EVPOOL_POOL_LOAD_H */
