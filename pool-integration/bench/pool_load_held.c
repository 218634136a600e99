/* SPDX-License-Identifier: ISC
 *
 * The same load without a pool: each client opens a connection once, on the same loop, and keeps it.
 */
#include "pool_load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

struct holder {
    struct evloop_op in, out;
    int fd;
    unsigned pending;
    size_t got, sent;
    char answer[ANSWER_MAX];
};

static struct holder holders[CLIENTS];
static unsigned running;
static uint64_t left;
static int error_seen;

#define HOLDER_OF(op, member) ((struct holder *)((char *)(op)-offsetof(struct holder, member)))

static void holder_next(struct holder *holder);

static void holder_step(struct holder *holder, int error)
{
    if (error) {
        error_seen = error;
        left = 0;
    }
    if (--holder->pending == 0)
        holder_next(holder);
}

static void on_sent(struct evloop_op *op, int result)
{
    struct holder *const holder = HOLDER_OF(op, out);
    holder->sent += result > 0 ? (size_t)result : 0;
    if (result > 0 && holder->sent < message_bytes)
        evloop_send(load_loop, op, holder->fd, message + holder->sent, message_bytes - holder->sent, on_sent);
    else
        holder_step(holder, result > 0 ? 0 : -EPIPE);
}

static void on_received(struct evloop_op *op, int result)
{
    struct holder *const holder = HOLDER_OF(op, in);
    holder->got += result > 0 ? (size_t)result : 0;
    const int whole = result > 0 ? message_answered(holder->answer, holder->got) : -EPIPE;
    if (whole == 0 && holder->got < ANSWER_MAX)
        evloop_recv(load_loop, op, holder->fd, holder->answer + holder->got, ANSWER_MAX - holder->got, on_received);
    else
        holder_step(holder, whole == 1 ? 0 : whole ? whole : -EMSGSIZE);
}

static void holder_next(struct holder *holder)
{
    if (left == 0) {
        running--;
        return;
    }
    left--;
    holder->pending = 2;
    holder->got = holder->sent = 0;
    evloop_send(load_loop, &holder->out, holder->fd, message, message_bytes, on_sent);
    evloop_recv(load_loop, &holder->in, holder->fd, holder->answer, ANSWER_MAX, on_received);
}

static int held_open(const struct load_setup *setup, struct answer *answer)
{
    const struct evloop_options options = {.bytes = sizeof options, .entries = 1024};
    const struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_port = htons(setup->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    (void)answer;
    message_choose(setup);
    for (unsigned i = 0; i < CLIENTS; i++) {
        const int fd = holders[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&peer, sizeof peer) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    return evloop_new(&load_loop, &options);
}

static int held_run(uint64_t count, struct answer *answer)
{
    (void)answer;
    left = count;
    running = CLIENTS;
    for (unsigned i = 0; i < CLIENTS; i++)
        holder_next(&holders[i]);
    while (running > 0)
        if (evloop_run_once(load_loop, UINT64_MAX) < 0)
            return -EIO;
    return error_seen;
}

const struct load_kind held_load = {"held", held_open, held_run};
