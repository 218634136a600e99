/* SPDX-License-Identifier: ISC
 *
 * A pool for a test, once with each backend of the loop, with a server and a hosts file, and a check that no descriptor is left.
 */
#ifndef EVPOOL_TESTS_POOL_FIXTURE_H
#define EVPOOL_TESTS_POOL_FIXTURE_H

#include <evpool/pool.h>

#include "echo_server.h"
#include "loop_fixture.h"

#define MS 1000000ull
#define SECOND 1000000000ull

struct pool_fixture {
    struct evloop *loop;
    struct evpool *pool;
    struct evpool_name *name; /* of the server */
    struct echo_server server; /* 127.0.0.1 */
    struct evpool_options options;
    enum evloop_backend backend;
    char hosts[64];
    pthread_t thread;
    bool threaded;
    unsigned descriptors;
};

typedef void pool_test(struct pool_fixture *f);
struct pool_case {
    const char *name;
    pool_test *test;
};
#define POOL_CASE(test) {#test, test}
/* Each test begins with a loop and a server; the pool is made by pool_open(). */
int pool_fixture_run(const char *group, const struct pool_case *cases, size_t count);

void pool_hosts(struct pool_fixture *f, const char *text); /* before pool_open() */
void pool_open(struct pool_fixture *f);                     /* with f->options, and f->name for the server */
void pool_shut(struct pool_fixture *f);                     /* frees it now, while the test goes on */
struct evpool_name *pool_name(struct pool_fixture *f, const char *host, uint16_t port);
/* The loop in a thread of its own, until the end of the test. */
void pool_thread(struct pool_fixture *f);
void pool_join(struct pool_fixture *f);
void pool_spin(struct pool_fixture *f, uint64_t ns); /* iterations for that long */

/* A request and how it ended. */
struct asker {
    struct evpool_request request;
    struct evpool_conn *conn;
    struct evpool_error *error;
    int calls;
    unsigned order; /* from 1: in which order they were answered */
};
extern unsigned pool_asker_order;
void pool_ask(struct evpool_name *name, struct asker *asker, uint64_t timeout_ns);
struct evpool_conn *pool_ask_and_wait(struct pool_fixture *f, struct evpool_name *name); /* must succeed */
enum evpool_code pool_asker_code(struct asker *asker); /* of its error, which is freed */
#define POOL_UNTIL(f, condition) LOOP_UNTIL((f)->loop, condition)

struct evpool_figures pool_name_figures(struct evpool_name *name);
/* A message there and back, in the loop's thread. 0 or the error. */
int64_t pool_echo(struct pool_fixture *f, struct evpool_conn *conn);

#endif /* EVPOOL_TESTS_POOL_FIXTURE_H */
