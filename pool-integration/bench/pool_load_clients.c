/* SPDX-License-Identifier: ISC
 *
 * Clients that borrow a connection for each request: as many connections as clients, or 2 for 50 of them (constrained).
 */
#include "pool_load.h"

#include <errno.h>
#include <stdlib.h>

#define CONSTRAINED_CLIENTS 50u
#define CONSTRAINED_CONNECTIONS 2u

struct client {
    struct evpool_request request;
    struct evpool_io in, out;
    struct evpool_conn *conn;
    unsigned pending;
    size_t got;
    uint64_t asked_ns, asked_turn;
    char answer[ANSWER_MAX];
};

static struct client clients[CLIENTS];
static unsigned clients_count, running;
static bool queueing; /* all ask by a request, and waits are noted */
static uint64_t left;
static int error_seen;
static struct {
    double *ns;
    uint64_t count, turn, turns_max;
} waits;

static void client_next(struct client *client);

static void client_fail(int error)
{
    if (!error_seen)
        error_seen = error;
    left = 0;
}

static void client_step(struct client *client, bool ok)
{
    if (--client->pending)
        return;
    evpool_release(client->conn, ok && !error_seen);
    client_next(client);
}

static void on_written(struct evpool_io *io, int64_t result)
{
    if (result < 0)
        client_fail((int)result);
    client_step(io->arg, result > 0);
}

static void on_read(struct evpool_io *io, int64_t result)
{
    struct client *const client = io->arg;
    client->got += result > 0 ? (size_t)result : 0;
    const int whole = result > 0 ? message_answered(client->answer, client->got) : result < 0 ? (int)result : -EPIPE;
    if (whole == 0 && client->got < ANSWER_MAX) {
        evpool_read(client->conn, io, client->answer + client->got, ANSWER_MAX - client->got, on_read);
        return;
    }
    if (whole != 1)
        client_fail(whole ? whole : -EMSGSIZE);
    client_step(client, whole == 1);
}

static void client_talk(struct client *client, struct evpool_conn *conn)
{
    client->conn = conn;
    client->pending = 2;
    client->got = 0;
    client->in.arg = client->out.arg = client;
    evpool_write(conn, &client->out, message, message_bytes, on_written);
    evpool_read(conn, &client->in, client->answer, ANSWER_MAX, on_read);
}

static void on_acquired(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    struct client *const client = request->arg;
    if (!conn) {
        evpool_error_free(error);
        client_fail(-ECONNREFUSED);
        running--;
        return;
    }
    if (queueing) {
        const uint64_t turns = waits.turn++ - client->asked_turn;
        waits.turns_max = turns > waits.turns_max ? turns : waits.turns_max;
        waits.ns[waits.count++] = (double)(load_now_ns() - client->asked_ns);
    }
    client_talk(client, conn);
}

static void client_next(struct client *client)
{
    struct evpool_conn *conn;
    if (left == 0) {
        running--;
        return;
    }
    left--;
    if (!queueing && evpool_try(load_name, &conn) == 1) {
        client_talk(client, conn);
        return;
    }
    client->request.arg = client;
    client->asked_turn = waits.turn;
    client->asked_ns = queueing ? load_now_ns() : 0;
    evpool_acquire(load_name, &client->request, on_acquired);
}

static int clients_run(uint64_t count)
{
    left = count;
    running = clients_count;
    for (unsigned i = 0; i < clients_count; i++)
        client_next(&clients[i]);
    while (running > 0)
        if (evloop_run_once(load_loop, UINT64_MAX) < 0)
            return -EIO;
    return error_seen;
}

static int pooled_open(const struct load_setup *setup, struct answer *answer)
{
    (void)answer;
    clients_count = CLIENTS;
    const int r = pool_open(setup, CLIENTS);
    return r < 0 ? r : pool_fill(CLIENTS);
}

static int pooled_run(uint64_t count, struct answer *answer)
{
    (void)answer;
    return clients_run(count);
}

const struct load_kind pooled_load = {"pooled", pooled_open, pooled_run};

/* ---- more clients than connections ---- */

static int constrained_open(const struct load_setup *setup, struct answer *answer)
{
    (void)answer;
    clients_count = CONSTRAINED_CLIENTS;
    queueing = true;
    const int r = pool_open(setup, CONSTRAINED_CONNECTIONS);
    return r < 0 ? r : pool_fill(CONSTRAINED_CONNECTIONS);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Own figures: the longest, the mean and the p99 wait in ns; the most turns of others that one waited for, and the fair number. The first
 * clients of a run find both connections free, and so wait less than the mean, which all the others make up. */
static int constrained_run(uint64_t count, struct answer *answer)
{
    double sum = 0;
    waits.ns = calloc(count, sizeof *waits.ns);
    waits.count = waits.turns_max = 0;
    if (!waits.ns)
        return -ENOMEM;
    const int r = clients_run(count);
    if (r == 0 && waits.count > 0) {
        qsort(waits.ns, waits.count, sizeof *waits.ns, compare);
        for (uint64_t i = 0; i < waits.count; i++)
            sum += waits.ns[i];
        double *const own = &answer->figures[FIGURE_own];
        own[0] = waits.ns[waits.count - 1];
        own[1] = sum / (double)waits.count;
        own[2] = waits.ns[(uint64_t)((double)waits.count * 0.99)];
        own[3] = (double)waits.turns_max;
        own[4] = CONSTRAINED_CLIENTS - CONSTRAINED_CONNECTIONS;
    }
    free(waits.ns);
    return r;
}

const struct load_kind constrained_load = {"constrained", constrained_open, constrained_run};
