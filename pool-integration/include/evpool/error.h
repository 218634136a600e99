/* SPDX-License-Identifier: ISC
 *
 * An error that keeps its whole story: each layer adds its line to what the layer below said, and every attempt is kept with
 * its time. It prints as one line,
 *
 *     connection refused (connect) → tcp:127.0.0.1:8088, attempt 3 of 3, 0.4 ms → localhost:8088 → after 3 attempts over 731 ms
 *
 * and is read by programs through its codes.
 */
#ifndef EVPOOL_ERROR_H
#define EVPOOL_ERROR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What went wrong, as far as the caller can act on it. Part of the ABI and of the events: values stay. */
enum evpool_code {
    EVPOOL_OK = 0,
    EVPOOL_ERROR_invalid = 1,          /* an argument or option; the message names it */
    EVPOOL_ERROR_memory = 2,
    EVPOOL_ERROR_descriptors = 3,      /* the process or the system has no more */
    EVPOOL_ERROR_resolve_none = 4,     /* no such name, or a name without addresses */
    EVPOOL_ERROR_resolve_failed = 5,   /* the servers refuse or err */
    EVPOOL_ERROR_resolve_timeout = 6,
    EVPOOL_ERROR_connect_refused = 7,
    EVPOOL_ERROR_connect_unreachable = 8,
    EVPOOL_ERROR_connect_timeout = 9,
    EVPOOL_ERROR_connect_failed = 10,  /* any other errno */
    EVPOOL_ERROR_tls_failed = 11,      /* handshake: protocol, cipher, alert */
    EVPOOL_ERROR_tls_untrusted = 12,   /* certificate: chain, time; revocations are not looked up */
    EVPOOL_ERROR_tls_name = 13,        /* certificate of another name */
    EVPOOL_ERROR_tls_timeout = 14,
    EVPOOL_ERROR_acquire_timeout = 15, /* no connection was free in time */
    EVPOOL_ERROR_queue_full = 16,      /* as many wait as may */
    EVPOOL_ERROR_cancelled = 17,       /* by the caller */
    EVPOOL_ERROR_closed = 18,          /* the pool or the name is closing */
    EVPOOL_ERROR_peer_closed = 19,     /* end of stream, reset */
    EVPOOL_ERROR_io = 20,              /* reading or writing failed */
    EVPOOL_ERROR_health = 21,          /* the health check hook said no */
    EVPOOL_ERROR_forked = 22,          /* the pool belongs to the parent process */
};
#define EVPOOL_CODES 23

/* "connect_refused": the token after EVPOOL_ERROR_; "unknown". */
const char *evpool_code_name(enum evpool_code code);

/* One line of the stack, innermost first. */
struct evpool_error_line {
    enum evpool_code code;
    int error;           /* errno of the system call, or 0 */
    uint64_t at_ns;      /* CLOCK_MONOTONIC */
    uint64_t took_ns;    /* 0: not a thing that takes time */
    const char *layer;   /* "connect", "tls", "resolve", "acquire", ... static */
    const char *text;    /* "connection refused (connect)" */
};

/* One attempt to reach one address. */
struct evpool_error_attempt {
    const char *address; /* "tcp:127.0.0.1:8088" */
    enum evpool_code code;
    int error;
    unsigned number;     /* from 1 */
    uint64_t at_ns, took_ns;
};

struct evpool_error; /* immutable once it is handed out; counted */

enum evpool_code evpool_error_code(const struct evpool_error *error);    /* the innermost line's; NULL: EVPOOL_OK */
int evpool_error_errno(const struct evpool_error *error);                /* 0: none */
size_t evpool_error_lines(const struct evpool_error *error);
const struct evpool_error_line *evpool_error_line(const struct evpool_error *error, size_t index); /* 0: the cause; NULL beyond */
size_t evpool_error_attempts(const struct evpool_error *error);          /* all that were made, also those not kept */
const struct evpool_error_attempt *evpool_error_attempt(const struct evpool_error *error, size_t index); /* the last 16; NULL beyond */
/* As snprintf: writes at most `bytes` with the NUL, returns the length of the whole line. One line, UTF-8. */
size_t evpool_error_print(const struct evpool_error *error, char *text, size_t bytes);
/* The same as a JSON object. */
size_t evpool_error_json(const struct evpool_error *error, char *text, size_t bytes);
struct evpool_error *evpool_error_ref(struct evpool_error *error);
void evpool_error_free(struct evpool_error *error); /* NULL is accepted */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* EVPOOL_ERROR_H */
