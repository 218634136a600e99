/* SPDX-License-Identifier: ISC
 *
 * What is answered to which request. The page is the same for everybody and holds no data; the data and the updates need the token.
 */
#include "server.h"

#include "../skeleton.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } all[] = {{200, "OK"},
               {204, "No Content"},
               {400, "Bad Request"},
               {401, "Unauthorized"},
               {403, "Forbidden"},
               {404, "Not Found"},
               {405, "Method Not Allowed"},
               {408, "Request Timeout"},
               {413, "Content Too Large"},
               {414, "URI Too Long"},
               {431, "Request Header Fields Too Large"},
               {503, "Service Unavailable"},
               {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status)
            return all[i].text;
    return "Error";
}

/* `count` UINT64_MAX: the connection's end is the answer's. */
static void head_write(const struct server *server, struct connection *connection, int status, const char *type,
                       const char *more, uint64_t count)
{
    char length[48] = "";
    if (count != UINT64_MAX)
        snprintf(length, sizeof length, "Content-Length: %" PRIu64 "\r\n", count);
    const int used =
        snprintf(connection->out, sizeof connection->out,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s%sConnection: close\r\nCache-Control: no-store\r\n"
                 "Content-Security-Policy: %s\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
                 "Referrer-Policy: no-referrer\r\nCross-Origin-Opener-Policy: same-origin\r\n"
                 "Cross-Origin-Resource-Policy: same-origin\r\n\r\n",
                 status, reason(status), type, length, more, server->policy);
    connection->out_used = used > 0 && (size_t)used < sizeof connection->out ? (size_t)used : 0;
    connection->out_sent = connection->body_sent = connection->body_count = 0;
    connection->moved_ns = monotonic_ns();
    connection->deadline_ns = connection->moved_ns + SEND_NS;
    connection->state = STATE_SEND;
}

void answer_status(struct server *server, struct connection *connection, int status)
{
    const char *const text = reason(status);
    const char *const more = status == 405   ? "Allow: GET, HEAD\r\n"
                             : status == 401 ? "WWW-Authenticate: Bearer\r\n"
                             : status == 503 ? "Retry-After: 2\r\n"
                                             : "";
    const bool empty = status == 204;
    head_write(server, connection, status, "text/plain; charset=utf-8", more, empty ? UINT64_MAX : strlen(text));
    connection->body = text;
    connection->body_count = empty ? 0 : strlen(text);
}

void answer_data(struct server *server, struct connection *connection)
{
    struct snapshot *const newest = server->newest;
    char number[48];
    if (!newest || newest->number <= connection->after) {
        board_want(server->board);
        connection->state = STATE_WAIT;
        connection->deadline_ns = monotonic_ns() + WAIT_DATA_NS;
        return;
    }
    snprintf(number, sizeof number, "X-Number: %" PRIu64 "\r\n", newest->number);
    head_write(server, connection, 200, "application/zstd", number, newest->count);
    newest->references++;
    connection->snapshot = newest;
    connection->body = newest->bytes;
    connection->body_count = newest->count;
}

static void stream_begin(struct server *server, struct connection *connection)
{
    unsigned streams = 0;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        streams += server->connections[i].state == STATE_STREAM;
    if (streams >= STREAMS_MAX) {
        answer_status(server, connection, 503);
        return;
    }
    head_write(server, connection, 200, "text/event-stream", "", UINT64_MAX);
    connection->state = STATE_STREAM;
    connection->told = (struct facts){0};
}

void answer_update(const struct server *server, struct connection *connection, int64_t now_ns)
{
    const struct facts *const facts = &server->facts;
    const int used = snprintf(connection->out, sizeof connection->out,
                              "data: {\"number\":%" PRIu64 ",\"events\":%" PRIu64 ",\"lost\":%" PRIu64
                              ",\"length\":%" PRId64 ",\"done\":%s}\n\n",
                              server->newest ? server->newest->number : 0, facts->events, facts->lost, facts->length_ns,
                              facts->done ? "true" : "false");
    connection->out_used = (size_t)used;
    connection->out_sent = 0;
    connection->told = *facts;
    connection->moved_ns = now_ns;
}

static void page_send(const struct server *server, struct connection *connection)
{
    head_write(server, connection, 200, "text/html; charset=utf-8", "", server->page_count);
    connection->body = server->page;
    connection->body_count = server->page_count;
}

static void route(struct server *server, struct connection *connection, const struct request *request, bool head)
{
    const bool data = strcmp(request->path, "/data") == 0, updates = strcmp(request->path, "/updates") == 0;
    connection->known = (data || updates) && token_given(server->token, request);
    if ((data || updates) && !connection->known)
        answer_status(server, connection, 401);
    else if ((data || updates) && head) /* what would be sent is not known before it is */
        answer_status(server, connection, 405);
    else if (updates)
        stream_begin(server, connection);
    else if (data) {
        connection->after = request_number(request, "after");
        answer_data(server, connection);
    } else if (strcmp(request->path, "/") == 0)
        page_send(server, connection);
    else
        answer_status(server, connection, strcmp(request->path, "/favicon.ico") == 0 ? 204 : 404);
}

void answer_head(struct server *server, struct connection *connection)
{
    struct request request;
    const size_t end = request_end(connection->in, connection->in_used);
    if (end == 0) {
        if (connection->in_used == sizeof connection->in)
            answer_status(server, connection, 431);
        return;
    }
    const int status = request_parse(&request, connection->in, end);
    const bool head = status == 0 && strcmp(request.method, "HEAD") == 0;
    if (status)
        answer_status(server, connection, status);
    else if (!host_allowed(request.host, server->loopback) || !origin_allowed(&request))
        answer_status(server, connection, 403);
    else if (strcmp(request.method, "GET") != 0 && !head)
        answer_status(server, connection, 405);
    else
        route(server, connection, &request, head);
    if (head) /* the answer's head is the answer */
        connection->body_count = 0;
}
