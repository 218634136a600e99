/* SPDX-License-Identifier: ISC
 *
 * The loop: one poll() for all connections. Each has a deadline; when there are too many, the oldest of those that have
 * not shown the token makes room for the next.
 */
#include "server.h"

#include "../skeleton.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define LEVEL 3
#define LARGE 1400000u /* bytes of a snapshot beyond which the next is to be less */
#define DRAIN_BYTES 65536u
#define TICK_MS 50
#define SOON_MS 500

/* ---- snapshots --------------------------------------------------------------------------------------------------------- */

static void snapshot_drop(struct snapshot *snapshot)
{
    if (!snapshot || --snapshot->references > 0)
        return;
    free(snapshot->bytes);
    free(snapshot);
}

static struct snapshot *snapshot_make(const struct blob *report, uint64_t number)
{
    struct snapshot *const snapshot = malloc(sizeof *snapshot);
    const size_t most = ZSTD_compressBound(report->used);
    char *const bytes = snapshot ? malloc(most) : NULL;
    const size_t count = bytes ? ZSTD_compress(bytes, most, report->bytes, report->used, LEVEL) : 0;
    if (!bytes || ZSTD_isError(count)) {
        free(bytes);
        free(snapshot);
        return NULL;
    }
    char *const fitting = realloc(bytes, count);
    *snapshot =
        (struct snapshot){.references = 1, .number = number, .count = count, .bytes = fitting ? fitting : bytes};
    return snapshot;
}

/* What the reader has put down. */
static void board_look(struct server *server)
{
    struct blob report;
    uint64_t number;
    if (!board_take(server->board, &report, &number, &server->facts))
        return;
    struct snapshot *const made = snapshot_make(&report, number);
    blob_fini(&report);
    if (!made)
        return; /* no memory: those who wait wait for the next one */
    if (made->count > LARGE) {
        pthread_mutex_lock(&server->board->lock);
        server->board->large = true;
        pthread_mutex_unlock(&server->board->lock);
    }
    snapshot_drop(server->newest);
    server->newest = made;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (server->connections[i].state == STATE_WAIT)
            answer_data(server, &server->connections[i]);
}

/* ---- connections ------------------------------------------------------------------------------------------------------- */

static void connection_close(struct connection *connection)
{
    snapshot_drop(connection->snapshot);
    connection->snapshot = NULL;
    close(connection->fd);
    connection->state = STATE_FREE;
}

/* Whoever has no token must not hold a place against one who has, by a request that does not end nor by an answer that it does not read. */
static bool may_go(const struct connection *connection)
{
    const enum connection_state state = connection->state;
    return state == STATE_HEAD || state == STATE_DRAIN || (state == STATE_SEND && !connection->known);
}

static struct connection *room(struct server *server)
{
    struct connection *oldest = NULL;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *const one = &server->connections[i];
        if (one->state == STATE_FREE)
            return one;
        if (may_go(one) && (!oldest || one->begun_ns < oldest->begun_ns))
            oldest = one;
    }
    if (oldest)
        connection_close(oldest);
    return oldest;
}

static void take_connections(struct server *server)
{
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct connection *const one = room(server);
        if (!one) {
            close(fd);
            continue;
        }
        const int64_t now = monotonic_ns();
        one->state = STATE_HEAD;
        one->fd = fd;
        one->begun_ns = now;
        one->deadline_ns = now + HEAD_NS;
        one->in_used = one->out_used = one->out_sent = one->body_count = one->body_sent = one->drained = 0;
        one->snapshot = NULL;
        one->known = false;
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) /* no descriptors: they come back, not at once */
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* > 0: all of it is out. */
static int push(struct connection *connection, const char *bytes, size_t count, size_t *sent)
{
    while (*sent < count) {
        const ssize_t n = send(connection->fd, bytes + *sent, count - *sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        *sent += (size_t)n;
        connection->moved_ns = monotonic_ns();
    }
    return 1;
}

static void write_out(struct connection *connection)
{
    int r = push(connection, connection->out, connection->out_used, &connection->out_sent);
    if (r > 0 && connection->state == STATE_SEND)
        r = push(connection, connection->body, connection->body_count, &connection->body_sent);
    if (r < 0) {
        connection_close(connection);
    } else if (r > 0 && connection->state == STATE_SEND) {
        snapshot_drop(connection->snapshot);
        connection->snapshot = NULL;
        shutdown(connection->fd, SHUT_WR);
        connection->state = STATE_DRAIN;
        connection->begun_ns = monotonic_ns();
        connection->deadline_ns = connection->begun_ns + DRAIN_NS_WEB;
    }
}

static void read_in(struct server *server, struct connection *connection)
{
    char waste[4096];
    const bool head = connection->state == STATE_HEAD;
    char *const to = head ? connection->in + connection->in_used : waste;
    const size_t most = head ? sizeof connection->in - connection->in_used : sizeof waste;
    const ssize_t n = recv(connection->fd, to, most, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_close(connection);
        return;
    }
    if (head) {
        connection->in_used += (size_t)n;
        answer_head(server, connection);
        if (connection->state == STATE_SEND || connection->state == STATE_STREAM)
            write_out(connection);
    } else if ((connection->drained += (size_t)n) > DRAIN_BYTES) {
        connection_close(connection);
    }
}

static bool unsent(const struct connection *connection)
{
    return connection->out_sent < connection->out_used ||
           (connection->state == STATE_SEND && connection->body_sent < connection->body_count);
}

/* Streams have no deadline; but what is on its way has to move. */
static void expire(struct server *server, struct connection *connection, int64_t now)
{
    const bool late = connection->state != STATE_STREAM && now > connection->deadline_ns;
    if (unsent(connection) && now > connection->moved_ns + STALL_NS)
        connection_close(connection);
    else if (late && connection->state == STATE_HEAD)
        answer_status(server, connection, 408);
    else if (late && connection->state == STATE_WAIT)
        answer_status(server, connection, 204);
    else if (late)
        connection_close(connection);
}

/* A stream gets what is newest when it has taken what it was sent before: a slow one gets less. */
static void stream_feed(struct server *server, struct connection *connection, int64_t now)
{
    const struct facts *const told = &connection->told, *const facts = &server->facts;
    const bool news = told->events != facts->events || told->lost != facts->lost || told->done != facts->done;
    if (unsent(connection))
        return;
    if (news && (facts->done || now >= connection->moved_ns + server->interval_ns || told->events == 0)) {
        answer_update(server, connection, now);
        write_out(connection);
    } else if (now >= connection->moved_ns + BEAT_NS) {
        memcpy(connection->out, ":\n\n", 3);
        connection->out_used = 3;
        connection->out_sent = 0;
        write_out(connection);
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

static unsigned polls_fill(struct server *server, struct pollfd polls[], struct connection *of[], int *ret_wait_ms)
{
    unsigned count = 2;
    *ret_wait_ms = -1;
    polls[0] = (struct pollfd){.fd = server->board->wake, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *const one = &server->connections[i];
        if (one->state == STATE_FREE)
            continue;
        const bool out = unsent(one), in = one->state != STATE_SEND;
        of[count] = one;
        polls[count++] = (struct pollfd){.fd = one->fd, .events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0))};
        const int wait = one->state == STATE_STREAM ? TICK_MS : SOON_MS;
        if (*ret_wait_ms < 0 || wait < *ret_wait_ms)
            *ret_wait_ms = wait;
    }
    return count;
}

static bool round_done(struct server *server)
{
    struct pollfd polls[CONNECTIONS_MAX + 2];
    struct connection *of[CONNECTIONS_MAX + 2];
    int wait_ms;
    const unsigned count = polls_fill(server, polls, of, &wait_ms);
    if (poll(polls, count, wait_ms) < 0 && errno != EINTR)
        return false;
    uint64_t times;
    const ssize_t n = read(server->board->wake, &times, sizeof times); /* before the board is looked at */
    (void)n;
    board_look(server);
    for (unsigned i = 2; i < count; i++) {
        if (polls[i].revents && of[i]->state != STATE_FREE && unsent(of[i]))
            write_out(of[i]);
        if ((polls[i].revents & (POLLIN | POLLHUP | POLLERR)) && of[i]->state != STATE_FREE &&
            of[i]->state != STATE_SEND)
            read_in(server, of[i]);
    }
    if (polls[1].revents)
        take_connections(server);
    const int64_t now = monotonic_ns();
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *const one = &server->connections[i];
        if (one->state == STATE_STREAM)
            stream_feed(server, one, now);
        if (one->state != STATE_FREE)
            expire(server, one, now);
    }
    pthread_mutex_lock(&server->board->lock);
    const bool stop = server->board->stop;
    pthread_mutex_unlock(&server->board->lock);
    return !stop;
}

static void *serve(void *context)
{
    struct server *const server = context;
    while (round_done(server))
        continue;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (server->connections[i].state != STATE_FREE)
            connection_close(&server->connections[i]);
    snapshot_drop(server->newest);
    server->newest = NULL;
    return NULL;
}

int server_listen(struct server *server, const struct addrinfo *address, uint16_t *ret_port)
{
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof bound;
    const int on = 1;
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bytes) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    *ret_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    server->listener = fd;
    return 0;
}

int server_start(struct server *server)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* they are for the thread that reads */
    const int r = -pthread_create(&server->thread, NULL, serve, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0)
        close(server->listener);
    return r;
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->board->lock);
    server->board->stop = true;
    pthread_mutex_unlock(&server->board->lock);
    board_wake(server->board);
    pthread_join(server->thread, NULL);
    close(server->listener);
}
