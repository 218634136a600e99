/* SPDX-License-Identifier: ISC
 *
 * A connection pool by name. An application asks for "a connection to example.org:443"; the pool resolves the name, spreads
 * connections over the addresses behind it, keeps, checks, reuses and retires them, and tells exactly what it did.
 *
 * A pool belongs to one loop, whose thread does all the waiting: DNS, connecting, TLS, timers. Connections are
 * acquired in that thread with callbacks, or in any other thread with blocking calls. Functions return >= 0 or a negative errno, and
 * where they can fail for more reasons than that tells, an error stack (<evpool/error.h>) that the caller frees.
 *
 * A forked child has no pool: its calls fail with -ECHILD, or do nothing. evpool_free() in the child closes its copies of the descriptors, and
 * neither the parent nor the peers notice.
 */
#ifndef EVPOOL_POOL_H
#define EVPOOL_POOL_H

#include <evpool/error.h>
#include <evpool/loop.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct evpool;
struct evpool_name; /* (host, port, TLS settings): what connections are alike */
struct evpool_conn;

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* Over which of a name's addresses the next connection goes. */
enum evpool_spread {
    EVPOOL_SPREAD_round_robin,
    EVPOOL_SPREAD_least_connections,
    EVPOOL_SPREAD_two_choices, /* the emptier of two at random (Mitzenmacher 2001) */
    EVPOOL_SPREAD_random,
};

/* Why a connection was closed. Part of the events: values stay. */
enum evpool_reason {
    EVPOOL_CLOSED_idle = 1, /* unused for idle_timeout */
    EVPOOL_CLOSED_lifetime = 2,
    EVPOOL_CLOSED_uses = 3,
    EVPOOL_CLOSED_health = 4,  /* the health check said no, or validation on borrow */
    EVPOOL_CLOSED_error = 5,   /* the borrower said so */
    EVPOOL_CLOSED_remote = 6,  /* the peer closed it */
    EVPOOL_CLOSED_evicted = 7, /* its address is no longer the name's, or its place was needed for another name */
    EVPOOL_CLOSED_shutdown = 8,
    EVPOOL_CLOSED_retired = 9, /* the borrower asked for it: evpool_conn_retire() */
};
#define EVPOOL_REASONS 10
const char *evpool_reason_name(enum evpool_reason reason);

/* TLS of a name. All strings are copied. */
struct evpool_tls {
    size_t bytes;              /* sizeof(struct evpool_tls) */
    const char *server_name;   /* SNI and the name that the certificate must have; NULL: the host */
    const char *ca_file;       /* PEM; NULL: the system's */
    const char *cert_file;     /* client certificate chain, PEM; NULL: none */
    const char *key_file;      /* its key */
    const char *const *alpn;   /* protocols by preference, NULL-terminated; NULL: none */
    bool insecure;             /* verify nothing; for tests */
};

struct evpool_hooks {
    /* In the loop's thread or the one that acquires, with no lock held; may call anything of this header but blocking calls. */
    void (*created)(struct evpool_conn *conn, void *arg);
    void (*reused)(struct evpool_conn *conn, void *arg);
    void (*released)(struct evpool_conn *conn, void *arg);
    void (*closed)(struct evpool_conn *conn, enum evpool_reason reason, void *arg); /* the last that is heard of conn */
    /* Loop's thread. Checks an idle connection: must end in evpool_health_done(), at once or later. NULL: look for the peer's end only.
     * After health_timeout the check is over: the connection is shut down, so that the hook's reads and writes end, and closed (reason
     * health). The hook may still call evpool_health_done(), once and before evpool_free(), which then does nothing but free memory. */
    void (*health)(struct evpool_conn *conn, void *arg);
    void *arg;
};

/* Zero means the default in brackets; UINT64_MAX (times) and UINT_MAX (counts): none, no limit. */
struct evpool_options {
    size_t bytes;                  /* sizeof(struct evpool_options) */
    unsigned max_total;            /* connections of the pool [1024] */
    unsigned max_per_name;         /* [64] */
    unsigned max_per_address;      /* [max_per_name] */
    unsigned min_idle;             /* per name, kept warm [0] */
    unsigned waiters_max;          /* per name [10000] */
    unsigned shared;               /* users of one connection at once, for multiplexing protocols [1] */
    uint64_t acquire_timeout_ns;   /* [30 s] */
    uint64_t resolve_timeout_ns;   /* [5 s] */
    uint64_t connect_timeout_ns;   /* of one attempt [10 s] */
    uint64_t tls_timeout_ns;       /* of a handshake [10 s] */
    uint64_t attempt_delay_ns;     /* Happy Eyeballs (RFC 8305) [250 ms, 10 ms to 2 s] */
    unsigned retries;              /* rounds of attempts after the first [2] */
    uint64_t backoff_ns;           /* before the first retry, doubled for each, with full jitter [100 ms] */
    uint64_t backoff_max_ns;       /* [5 s] */
    enum evpool_spread spread;     /* [round robin] */
    uint64_t slow_start_ns;        /* a returned or new address gets its full share after this [none] */
    unsigned eject_failures;       /* failures in a row until an address is ejected; one is also to lose a race after a whole attempt delay [3] */
    uint64_t eject_ns;             /* the first time, then doubled [1 s] */
    uint64_t eject_max_ns;         /* [60 s] */
    uint64_t idle_timeout_ns;      /* [60 s] */
    uint64_t lifetime_ns;          /* [30 min] */
    unsigned lifetime_jitter;      /* percent that a lifetime may be shorter [10] */
    unsigned uses_max;             /* [none] */
    uint64_t validate_idle_ns;     /* a connection idle for longer is looked at before it is lent [500 ms] */
    uint64_t health_interval_ns;   /* of idle connections by the health hook [none] */
    uint64_t health_timeout_ns;    /* of one check by the hook [10 s] */
    uint64_t leak_ns;              /* lent for longer, of a shared one since the last lending: leak suspected, with that borrower's stack [none] */
    uint32_t ttl_min_s, ttl_max_s; /* bounds of what DNS says [1, 3600] */
    uint32_t negative_ttl_s;       /* [5] */
    const char *dns_servers;       /* "127.0.0.1:5353,[::1]:53"; NULL: the system's */
    const char *hosts_file;        /* NULL: /etc/hosts; "": none */
    uint64_t seed;                 /* of jitter and random choice [from the kernel] */
    struct evpool_hooks hooks;
};

/* -EINVAL: an option out of its range: *ret_error (if not NULL) names the field, what it was and what it may be. -ENOMEM. The
 * loop must outlive the pool. options NULL: defaults. */
int evpool_new(struct evpool **ret_pool, struct evloop *loop, const struct evpool_options *options, struct evpool_error **ret_error);
/* Loop's thread. No more is lent; waiters fail with `closed`; what is lent may come back until the deadline (CLOCK_MONOTONIC, as
 * evloop_now_ns(); UINT64_MAX: none), then it is shut down under its borrower's feet (its reads and writes end; the descriptor goes as
 * it is released, or with the pool); then `done` is called (may be NULL) with the number that had to be. Once
 * more while it goes on: the last deadline and `done` count. */
void evpool_close(struct evpool *pool, uint64_t deadline_ns, void (*done)(void *arg, unsigned forced), void *arg);
/* Loop's thread. As evpool_close() with a deadline that is past, then frees, with all names and connections. Threads must have left; those
 * that still wait for a connection are told, and must do no more. It runs the loop until all operations have ended, whose callbacks may
 * still release what they use; from a callback of the loop that happens in its next iterations, or in evloop_free(); so it does in another
 * thread, once the loop's has ended. NULL is accepted. */
void evpool_free(struct evpool *pool);

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* Any thread. host: a DNS name, an address literal ("127.0.0.1", "::1", "[::1]"), or "unix:/path" with port 0. tls NULL: plain. The same three give
 * the same name. Counted; released by evpool_name_put(). -EINVAL: what and why in *ret_error; -ENOMEM; -ESHUTDOWN. */
int evpool_name_get(struct evpool *pool, const char *host, uint16_t port, const struct evpool_tls *tls, struct evpool_name **ret_name,
                    struct evpool_error **ret_error);
void evpool_name_put(struct evpool_name *name);
/* Any thread. Forgets addresses, ejections and idle connections of a name; those lent are closed as they come back. */
void evpool_name_clear(struct evpool_name *name);
const char *evpool_name_host(const struct evpool_name *name);
uint16_t evpool_name_port(const struct evpool_name *name);

/* ---- acquire and release ----------------------------------------------------------------------------------------- */

struct evpool_request; /* see below */
/* conn NULL: error says why; the callee owns both. */
typedef void evpool_acquired(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error);

/* A caller that may have to wait: its memory, zero before first use, busy until its callback. */
struct evpool_request {
    evpool_acquired *call;
    uint64_t timeout_ns;  /* 0: the pool's */
    uint64_t parent_span; /* the trace span that asks, 0: none */
    void *arg;            /* the caller's */
    /* the pool's */
    struct evpool_name *name;
    struct evpool_request *next, *prev;
    struct evloop_timer timer;
    uint64_t span, began_ns, waited_ns;
    int state;
    int code; /* enum evpool_code: why there is no connection */
    struct evpool_conn *conn;
    struct evpool_error *error;
    void *stack; /* of the caller, for the leak detection */
    struct evloop_post post;
};

/* Any thread. An idle connection if there is one, and nobody waits: 1, else 0. Never connects, never waits. */
int evpool_try(struct evpool_name *name, struct evpool_conn **ret_conn);
/* Loop's thread. The callback is called exactly once, never from within. */
void evpool_acquire(struct evpool_name *name, struct evpool_request *request, evpool_acquired *call);
/* Loop's thread. The callback comes with `cancelled`, in the next iteration, unless it is on its way already. Not busy: nothing. */
void evpool_cancel(struct evpool_request *request);
/* Any thread but the loop's (-EDEADLK). Blocks up to timeout_ns (0: the pool's). 0, or -ETIMEDOUT, -ECANCELED, -EAGAIN (queue full), -ESHUTDOWN,
 * -EHOSTUNREACH, -ECHILD (forked) and *ret_error (if not NULL) says all. */
int evpool_acquire_wait(struct evpool_name *name, uint64_t timeout_ns, struct evpool_conn **ret_conn, struct evpool_error **ret_error);
/* Any thread. ok false: it is not reused (closed, reason error), and counts against its address; to have it closed without that, retire it
 * before. One that is still read or written in the loop is not reused either: that ends, and its callback comes. NULL is accepted. */
void evpool_release(struct evpool_conn *conn, bool ok);

/* Any thread, of a connection that is lent: nobody gets it again, and it is closed (reason retired) when its last user has given it back. Its address
 * is not blamed, as it is by evpool_release(conn, false): for a peer that says it will close (HTTP's "Connection: close", GOAWAY). */
void evpool_conn_retire(struct evpool_conn *conn);

/* ---- a connection ------------------------------------------------------------------------------------------------ */

int evpool_conn_fd(const struct evpool_conn *conn);     /* non-blocking; with TLS only to wait on */
uint64_t evpool_conn_id(const struct evpool_conn *conn); /* unique in the process; the entity id in the events */
struct evpool_name *evpool_conn_name(const struct evpool_conn *conn); /* borrowed */
const char *evpool_conn_address(const struct evpool_conn *conn);      /* "tcp:127.0.0.1:8088" */
uint64_t evpool_conn_uses(const struct evpool_conn *conn);            /* 1: never used before; a request that fails with more may be tried again */
const char *evpool_conn_alpn(const struct evpool_conn *conn);         /* what was agreed on; NULL: nothing */
/* After -EPROTO: what TLS found wrong, as "tlsv13 alert certificate required"; NULL: nothing. With TLS 1.3 a server that refuses our certificate, or
 * misses one, says so in answer to the first write only. */
const char *evpool_conn_fault(const struct evpool_conn *conn);
void *evpool_conn_data(const struct evpool_conn *conn);               /* the application's, lives as long as conn */
void evpool_conn_set_data(struct evpool_conn *conn, void *data);

/* Reading and writing, TLS or not. Loop's thread: as an operation of <evpool/loop.h>: result > 0: bytes; 0: end; -errno. One read
 * and one write at a time. A write is done when all was written. The caller's memory, zero before first use, busy until its callback. */
typedef uint64_t evpool_word __attribute__((may_alias));
struct evpool_io {
    void (*call)(struct evpool_io *io, int64_t result);
    struct evpool_conn *conn;
    void *arg;           /* the caller's */
    evpool_word own[40]; /* the stream's */
};
void evpool_read(struct evpool_conn *conn, struct evpool_io *io, void *buffer, size_t length, void (*call)(struct evpool_io *io, int64_t result));
void evpool_write(struct evpool_conn *conn, struct evpool_io *io, const void *buffer, size_t length,
                  void (*call)(struct evpool_io *io, int64_t result));
void evpool_io_cancel(struct evpool_io *io);
/* Any thread but the loop's, and the points where pthread_cancel() ends one, as acquiring and releasing are not: block until something was read / all is written / the time is over (-ETIMEDOUT). */
int64_t evpool_read_wait(struct evpool_conn *conn, void *buffer, size_t length, uint64_t timeout_ns);
int64_t evpool_write_wait(struct evpool_conn *conn, const void *buffer, size_t length, uint64_t timeout_ns);

/* Loop's thread: the answer of a health hook. */
void evpool_health_done(struct evpool_conn *conn, bool ok);

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* Log-linear: 16 steps to the octave, 1 ns to 2^40 ns. */
#define EVPOOL_HISTOGRAM_STEPS 640
struct evpool_histogram {
    uint64_t count, sum_ns, max_ns;
    uint64_t steps[EVPOOL_HISTOGRAM_STEPS];
};
uint64_t evpool_histogram_quantile(const struct evpool_histogram *histogram, double quantile);

struct evpool_figures {
    unsigned total, active, idle, pending, waiting; /* now; pending: being connected */
    unsigned ejected;                               /* addresses now */
    uint64_t created, reused, acquired, released, retries, ejections, leaks;
    uint64_t acquire_timeouts, acquire_cancelled, acquire_refused; /* gave up after their time; by the caller; queue full */
    uint64_t races;                                                /* won against attempts that were still under way */
    uint64_t handshakes, resumed;                                  /* of TLS, that succeeded; of these with an earlier session */
    uint64_t closed[EVPOOL_REASONS];
    uint64_t errors[EVPOOL_CODES]; /* of attempts, resolutions and handshakes, by kind */
    unsigned waiting_max;
    uint64_t wait_max_ns;
};
struct evpool_times {
    struct evpool_histogram wait, resolve, connect, tls, use;
};
/* Any thread; consistent. A NULL that is allowed leaves that out. */
void evpool_figures(struct evpool *pool, struct evpool_figures *ret_figures);
void evpool_name_figures(struct evpool_name *name, struct evpool_figures *ret_figures, struct evpool_times *ret_times);
/* The address `index` (0...) of a name: -ENOENT beyond. */
int evpool_address_figures(struct evpool_name *name, unsigned index, char *ret_address, size_t address_bytes, struct evpool_figures *ret_figures);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* EVPOOL_POOL_H */
