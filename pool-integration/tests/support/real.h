/* SPDX-License-Identifier: ISC
 *
 * Real servers for tests: programs of the system, started on loopback with a directory and ports of their own, and stopped by
 * their process id; and clients that talk to them over a pool's connections. All waits are bounded.
 */
#ifndef EVPOOL_TESTS_REAL_H
#define EVPOOL_TESTS_REAL_H

#include <evpool/pool.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { REAL_SKIPPED = 77 }; /* the exit status of a test that cannot run here */

/* Where a program of the system is; NULL (and a line that says so): it is not installed. The answer is one of eight static buffers. */
const char *real_program(const char *name);
/* A directory for the run's files, "DIR/name" in one of eight static buffers, and its end. */
int real_begin(void);
const char *real_file(const char *name);
int real_write(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void real_end(void);

/* A port that is free on the address, outside the range that the kernel gives to clients: nobody takes it while a server restarts. */
uint16_t real_port(const char *address);
/* Starts argv (its output goes to DIR/log), in the network of `network_pid` if that is not 0. The server ends with the test. */
pid_t real_start(const char *const *argv, pid_t network_pid);
/* Whether the address takes connections, within 20 s; false at once when the server has ended. */
bool real_listens(pid_t pid, const char *address, uint16_t port);
/* Waits up to 10 s, then kills. */
void real_stop(pid_t pid, int signal);
/* Runs argv to its end, 20 s at most: its exit status, or -1. */
int real_run(const char *const *argv, pid_t network_pid);

/* nginx for https://good.test on an address (and on `also`, or NULL), with the certificates of certificates.h; `limits` are lines of
 * the server's section. It answers with the address that was asked. */
int real_nginx_configure(const char *address, const char *also, uint16_t port, const char *limits);
pid_t real_nginx_start(void);

/* Threads that are not the loop's: 0 and the body of GET /, or -errno. An answer that is none: -EPROTO. */
int real_get(struct evpool_conn *conn, char *body, size_t bytes, uint64_t timeout_ns);
int real_ping(struct evpool_conn *conn, uint64_t timeout_ns);
int real_pong(struct evpool_conn *conn); /* the same, within 20 s */

/* redis-server on an address, in the network of `network_pid` if that is not 0; it closes what is idle for timeout_s seconds, 0: nothing. */
pid_t real_redis_start(const char *address, uint16_t port, unsigned timeout_s, pid_t network_pid);
/* So many connections at once, each of which has answered a PING. */
void real_warm(struct evpool_name *name, unsigned count);
/* Retries that outlast the restart of a server. */
void real_patience(struct evpool_options *options);

/* Requests as an application makes them: one that fails on a connection that was used before is made again. */
struct real_tally {
    _Atomic unsigned answered, again, first_use_failed, not_acquired;
};
typedef int real_request(struct evpool_conn *conn);
/* One request until it is answered: 0, or the last error. */
int real_ask(struct evpool_name *name, real_request *request, struct real_tally *tally);

/* A health hook (arg: struct real_health) that makes one PING, and gives it up after patience_ns. */
struct real_health {
    struct evloop *loop;
    _Atomic uint64_t patience_ns;
    _Atomic unsigned good, bad;
};
void real_health_ping(struct evpool_conn *conn, void *arg);

/* True as soon as the condition holds, false after 30 s. */
#define REAL_UNTIL(condition) \
    ({ \
        unsigned looks_ = 0; \
        while (!(condition) && looks_++ < 6000) \
            usleep(5000); \
        (condition); \
    })

#endif /* EVPOOL_TESTS_REAL_H */
