/* SPDX-License-Identifier: ISC
 * C and C++: a connection from the pool to a listener in the same loop, and a word over it and back. Prints the word and how the connection
 * went; takes the name to be reached, with the port put behind. */
#include <evpool/pool.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static struct evloop *loop;
static struct evpool_io reading, writing;
static struct evloop_op accepting, receiving, sending;
static char word[8], echoed[8], text[] = "hello";

static void on_sent(struct evloop_op *op, int result)
{
    (void)op, (void)result;
}

static void on_received(struct evloop_op *op, int result)
{
    evloop_send(loop, &sending, op->fd, echoed, result > 0 ? (size_t)result : 0, on_sent);
}

static void on_accepted(struct evloop_op *op, int fd)
{
    (void)op;
    evloop_recv(loop, &receiving, fd, echoed, sizeof echoed, on_received);
}

static void on_read(struct evpool_io *io, int64_t bytes)
{
    printf("%.*s %s\n", bytes > 0 ? (int)bytes : 0, word, evpool_conn_uses(io->conn) == 1 ? "new" : "used");
    evpool_release(io->conn, bytes > 0);
    evloop_stop(loop);
}

static void on_written(struct evpool_io *io, int64_t result)
{
    (void)io, (void)result;
}

static void on_acquired(struct evpool_request *request, struct evpool_conn *conn, struct evpool_error *error)
{
    (void)request;
    if (!conn) {
        char story[512];
        evpool_error_print(error, story, sizeof story);
        printf("%s: %s\n", evpool_code_name(evpool_error_code(error)), story);
        evpool_error_free(error);
        evloop_stop(loop);
        return;
    }
    evpool_read(conn, &reading, word, sizeof word, on_read);
    evpool_write(conn, &writing, text, sizeof text - 1, on_written);
}

/* 0: it could not be opened. */
static uint16_t listener_open(int *ret_fd)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(*ret_fd, (struct sockaddr *)&address, bytes) < 0 || listen(*ret_fd, 8) < 0 ||
        getsockname(*ret_fd, (struct sockaddr *)&address, &bytes) < 0)
        return 0;
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    struct evpool *pool;
    struct evpool_name *name;
    struct evpool_options options;
    struct evpool_figures figures;
    static struct evpool_request request;
    int fd;
    const uint16_t port = listener_open(&fd);
    memset(&options, 0, sizeof options);
    options.bytes = sizeof options;
    options.spread = EVPOOL_SPREAD_two_choices;
    if (!port || evloop_new(&loop, NULL) < 0 || evpool_new(&pool, loop, &options, NULL) < 0 ||
        evpool_name_get(pool, argc > 1 ? argv[1] : "127.0.0.1", port, NULL, &name, NULL) < 0)
        return 2;
    evloop_accept(loop, &accepting, fd, on_accepted);
    evpool_acquire(name, &request, on_acquired);
    evloop_run(loop);
    evpool_figures(pool, &figures);
    evpool_name_put(name);
    evpool_free(pool);
    evloop_free(loop);
    return figures.created == 1 && figures.released == 1 ? 0 : 1;
}
