/* SPDX-License-Identifier: ISC
 *
 * Clients in the loop: each has one message under way, by callbacks. A message whose connection breaks goes again over another one.
 */
#include "../stress_trace.h"
#include "load.h"

#include <evtrail/evtrail.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS UINT64_C(5000000) /* after a failure */

struct client {
    struct load *load;
    struct evpool_request request;
    struct evpool_io reading, writing;
    struct evpool_conn *conn;
    struct evloop_timer timer;
    uint64_t sequence, span, trip, began_ns;
    unsigned number, tries;
    unsigned ios; /* under way */
    uint32_t got;
    int error; /* of this try */
    uint8_t *out, *in;
};

static void client_next(struct client *client);
static void client_ask(struct client *client);

static struct client *client_of(struct evloop_timer *timer)
{
    return (struct client *)((char *)timer - offsetof(struct client, timer));
}

static void message_done(struct client *client, int outcome)
{
    stress_trace_message_end(client->span, client->load->preset->size, outcome, client->tries);
    load_count(client->load, outcome);
    client->span = 0;
}

/* ---- one try ---- */

static void on_pause_over(struct evloop_timer *timer)
{
    struct client *const client = client_of(timer);
    if (client->span)
        client_ask(client);
    else
        client_next(client);
}

static void client_pause(struct client *client, uint64_t ns)
{
    struct evloop *const loop = client->load->loop;
    if (evloop_timer_start(loop, &client->timer, evloop_now_ns(loop) + ns, on_pause_over) < 0)
        load_leave(client->load);
}

static void try_failed(struct client *client)
{
    if (client->tries < TRIES_MAX && !atomic_load(&client->load->stopping)) {
        client_ask(client);
        return;
    }
    message_done(client, OUTCOME_failed);
    client_next(client);
}

/* Reading and writing have both ended. */
static void try_over(struct client *client)
{
    struct evpool_conn *const conn = client->conn;
    const uint32_t size = client->load->preset->size;
    const bool whole = client->error == 0, right = whole && memcmp(client->in, client->out, size) == 0;
    stress_trace_message_answered(client->trip, client->got, whole ? 0 : client->error);
    client->conn = NULL;
    evpool_release(conn, right);
    if (!whole) {
        try_failed(client);
        return;
    }
    message_done(client, right ? OUTCOME_right : OUTCOME_wrong);
    client_next(client);
}

static void try_error(struct client *client, int error, struct evpool_io *other)
{
    if (client->error == 0) {
        client->error = error ? error : EPIPE;
        evpool_io_cancel(other);
    }
    if (client->ios == 0)
        try_over(client);
}

static void on_read(struct evpool_io *io, int64_t result)
{
    struct client *const client = io->arg;
    const uint32_t size = client->load->preset->size;
    client->ios--;
    if (result <= 0 || client->error) {
        try_error(client, (int)-result, &client->writing);
        return;
    }
    client->got += (uint32_t)result;
    if (client->got < size) {
        client->ios++;
        evpool_read(client->conn, io, client->in + client->got, size - client->got, on_read);
    } else if (client->ios == 0) {
        try_over(client);
    }
}

static void on_written(struct evpool_io *io, int64_t result)
{
    struct client *const client = io->arg;
    client->ios--;
    if (result < 0)
        try_error(client, (int)-result, &client->reading);
    else if (client->ios == 0)
        try_over(client);
}

static void on_acquired(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    struct client *const client = request->arg;
    const uint32_t size = client->load->preset->size;
    if (!conn) {
        evpool_error_free(error);
        message_done(client, OUTCOME_failed);
        client_pause(client, PAUSE_NS);
        return;
    }
    client->conn = conn;
    client->got = 0;
    client->error = 0;
    client->trip = evtrail_span_id();
    client->began_ns = evloop_now_ns(client->load->loop);
    stress_trace_message_sent(client->trip, client->span, evpool_conn_id(conn));
    client->ios = 2;
    evpool_read(conn, &client->reading, client->in, size, on_read);
    evpool_write(conn, &client->writing, client->out, size, on_written);
}

static void client_ask(struct client *client)
{
    client->tries++;
    client->request.parent_span = client->span;
    client->request.arg = client;
    evpool_acquire(load_name(client->load, client->number, client->sequence), &client->request, on_acquired);
}

/* ---- one message after the other ---- */

static void client_next(struct client *client)
{
    struct load *const load = client->load;
    const uint64_t now = evloop_now_ns(load->loop), rest = load_rest(load, now);
    if (rest && !atomic_load(&load->stopping)) {
        client_pause(client, rest);
        return;
    }
    if (!load_more(load, now)) {
        load_leave(load);
        return;
    }
    client->sequence++;
    client->tries = 0;
    client->span = evtrail_span_id();
    stress_trace_message_begin(client->span, load->run, client->number);
    message_fill(client->out, load->preset->size, load->settings->seed, client->number, client->sequence);
    client_ask(client);
}

/* Gives up what takes too long: a peer that never answers. */
static void clients_tick(struct load *load)
{
    struct client *const clients = load->clients;
    const uint64_t now = evloop_now_ns(load->loop);
    for (unsigned i = 0; i < load->preset->clients; i++)
        if (clients[i].ios && clients[i].error == 0 && now - clients[i].began_ns > MESSAGE_NS) {
            clients[i].error = ETIMEDOUT;
            evpool_io_cancel(&clients[i].reading);
            evpool_io_cancel(&clients[i].writing);
        }
}

static int client_init(struct client *client, struct load *load, unsigned number)
{
    client->load = load;
    client->number = number;
    client->reading.arg = client->writing.arg = client;
    client->out = malloc(load->preset->size);
    client->in = malloc(load->preset->size);
    return client->out && client->in ? 0 : -ENOMEM;
}

int clients_start(struct load *load)
{
    const unsigned count = load->preset->clients;
    struct client *const clients = calloc(count, sizeof *clients);
    load->clients = clients;
    if (!clients)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        if (client_init(&clients[i], load, i) < 0)
            return -ENOMEM;
    load->tick_clients = clients_tick;
    atomic_store(&load->running, count);
    for (unsigned i = 0; i < count; i++)
        client_next(&clients[i]);
    return 0;
}

void clients_free(struct load *load)
{
    struct client *const clients = load->clients;
    for (unsigned i = 0; clients && i < load->preset->clients; i++) {
        free(clients[i].out);
        free(clients[i].in);
    }
    free(clients);
}
