/* SPDX-License-Identifier: ISC
 *
 * A loop for a test, once with each backend, and a check that no descriptor is left when it is over.
 */
#ifndef EVPOOL_TESTS_LOOP_FIXTURE_H
#define EVPOOL_TESTS_LOOP_FIXTURE_H

#include <evpool/loop.h>

#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <cmocka.h>

struct loop_fixture {
    struct evloop *loop;
    enum evloop_backend backend;
    unsigned entries;
    int pair[2]; /* non-blocking stream sockets */
    unsigned descriptors;
};

typedef void loop_test(struct loop_fixture *f);
struct loop_case {
    const char *name;
    loop_test *test;
    unsigned entries; /* 0: the default */
};
#define LOOP_CASE(test) {#test, test, 0}

/* Runs each with io_uring and with epoll. Returns what cmocka does. */
int loop_fixture_run(const char *group, const struct loop_case *cases, size_t count);
unsigned descriptors_open(void);
/* Iterations until the condition holds, 5 s at most; fails the test then. */
#define LOOP_UNTIL(loop, condition) \
    do { \
        const uint64_t give_up_ = evloop_update_now(loop) + 5000000000u; \
        while (!(condition) && evloop_update_now(loop) < give_up_) \
            assert_true(evloop_run_once((loop), 20000000) >= 0); \
        assert_true(condition); \
    } while (0)

/* Operations that say how they ended. */
struct told {
    struct evloop_op op;
    int calls, result, more;
};
void tell(struct evloop_op *op, int result);

/* A listening TCP socket on 127.0.0.1 (*ret_port) and a non-blocking one. */
int tcp_listen(int backlog, struct sockaddr_storage *ret_address);
int tcp_socket(void);
/* Two connected TCP sockets, non-blocking. */
void tcp_pair(int pair[2]);

#endif /* EVPOOL_TESTS_LOOP_FIXTURE_H */
