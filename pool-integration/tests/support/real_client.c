/* SPDX-License-Identifier: ISC
 *
 * Clients of real servers: a tiny HTTP/1.1, and redis' PING.
 */
#include "real.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WARM_MAX = 16 };

static int write_all(struct evpool_conn *conn, const char *text, uint64_t timeout_ns)
{
    const int64_t wrote = evpool_write_wait(conn, text, strlen(text), timeout_ns);
    return wrote < 0 ? (int)wrote : 0;
}

/* Appends what comes: the bytes there are now, or -errno. */
static int64_t read_more(struct evpool_conn *conn, char *text, size_t have, size_t bytes, uint64_t timeout_ns)
{
    if (have + 1 >= bytes)
        return -EPROTO;
    const int64_t got = evpool_read_wait(conn, text + have, bytes - have - 1, timeout_ns);
    if (got <= 0)
        return got ? got : -ECONNRESET;
    text[have + (size_t)got] = '\0';
    return (int64_t)have + got;
}

/* Whether the answer is complete: the length of head and body, 0: not yet, or -EPROTO. */
static int64_t whole(const char *text, const char **ret_body, bool *ret_closes)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
    if (!end)
        return 0;
    if (strncmp(text, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
        return -EPROTO;
    const long body = strtol(length + 17, NULL, 10);
    if (body < 0 || body > 4096)
        return -EPROTO;
    *ret_body = end + 4;
    const char *close = strcasestr(text, "\r\nConnection: close\r\n");
    *ret_closes = close && close < end;
    return end + 4 - text + body;
}

int real_get(struct evpool_conn *conn, char *body, size_t bytes, uint64_t timeout_ns)
{
    char text[8192] = "";
    const char *begin = NULL;
    int64_t have = 0, need = 0;
    bool closes = false;
    const int error = write_all(conn, "GET / HTTP/1.1\r\nHost: good.test\r\n\r\n", timeout_ns);
    if (error < 0)
        return error;
    while (need == 0 || (need > 0 && have < need)) {
        have = read_more(conn, text, (size_t)have, sizeof text, timeout_ns);
        if (have < 0)
            return (int)have;
        need = whole(text, &begin, &closes);
    }
    if (need < 0 || have != need)
        return -EPROTO;
    snprintf(body, bytes, "%s", begin);
    if (closes) /* nobody's fault: the server says that this was the last */
        evpool_conn_retire(conn);
    return 0;
}

int real_ping(struct evpool_conn *conn, uint64_t timeout_ns)
{
    char text[64] = "";
    const int error = write_all(conn, "PING\r\n", timeout_ns);
    if (error < 0)
        return error;
    for (int64_t have = 0; !strstr(text, "\r\n");) {
        have = read_more(conn, text, (size_t)have, sizeof text, timeout_ns);
        if (have < 0)
            return (int)have;
    }
    return strcmp(text, "+PONG\r\n") == 0 ? 0 : -EPROTO;
}

int real_pong(struct evpool_conn *conn)
{
    return real_ping(conn, 20 * UINT64_C(1000000000));
}

void real_warm(struct evpool_name *name, unsigned count)
{
    struct evpool_conn *conns[WARM_MAX];
    assert_true(count <= WARM_MAX);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(evpool_acquire_wait(name, 0, &conns[i], NULL), 0);
        assert_int_equal(real_pong(conns[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        evpool_release(conns[i], true);
}

void real_patience(struct evpool_options *options)
{
    options->retries = 200; /* a restart takes as long as it takes */
    options->backoff_ns = 20000000;
    options->backoff_max_ns = 100000000;
}

/* 1: to be made again, on another connection. */
static int ask_once(struct evpool_name *name, real_request *request, struct real_tally *tally, int *ret_result)
{
    struct evpool_conn *conn = NULL;
    struct evpool_error *error = NULL;
    *ret_result = evpool_acquire_wait(name, 0, &conn, &error);
    if (*ret_result < 0) {
        char text[1024];
        evpool_error_print(error, text, sizeof text);
        printf("not acquired: %s\n", text);
        evpool_error_free(error);
        tally->not_acquired++;
        return 0;
    }
    const bool reused = evpool_conn_uses(conn) > 1;
    *ret_result = request(conn);
    evpool_release(conn, *ret_result == 0);
    if (*ret_result == 0)
        tally->answered++;
    else if (reused)
        tally->again++;
    else
        tally->first_use_failed++;
    return *ret_result < 0 && reused;
}

int real_ask(struct evpool_name *name, real_request *request, struct real_tally *tally)
{
    int result;
    while (ask_once(name, request, tally, &result) > 0)
        ;
    return result;
}

/* ---- the health hook ---- */

/* One PING, in the loop's thread; the connection's data for as long as it takes. */
struct check {
    struct evpool_io io;
    struct evloop_timer timer;
    struct real_health *health;
    struct evpool_conn *conn;
    char answer[16];
    size_t have;
};

static void check_end(struct check *check, bool ok)
{
    evloop_timer_stop(check->health->loop, &check->timer);
    *(ok ? &check->health->good : &check->health->bad) += 1;
    evpool_health_done(check->conn, ok);
    free(check);
}

static void check_read(struct evpool_io *io, int64_t result)
{
    struct check *check = (struct check *)io;
    if (result <= 0) {
        check_end(check, false);
        return;
    }
    check->have += (size_t)result;
    if (check->have < 7)
        evpool_read(check->conn, io, check->answer + check->have, 7 - check->have, check_read);
    else
        check_end(check, memcmp(check->answer, "+PONG\r\n", 7) == 0);
}

static void check_wrote(struct evpool_io *io, int64_t result)
{
    struct check *check = (struct check *)io;
    if (result < 0)
        check_end(check, false);
    else
        evpool_read(check->conn, io, check->answer, 7, check_read);
}

static void check_late(struct evloop_timer *timer)
{
    struct check *check = (struct check *)((char *)timer - offsetof(struct check, timer));
    evpool_io_cancel(&check->io);
}

void real_health_ping(struct evpool_conn *conn, void *arg)
{
    struct check *check = calloc(1, sizeof *check);
    check->health = arg;
    check->conn = conn;
    evloop_timer_start(check->health->loop, &check->timer,
                       evloop_now_ns(check->health->loop) + check->health->patience_ns, check_late);
    evpool_write(conn, &check->io, "PING\r\n", 6, check_wrote);
}
