/* SPDX-License-Identifier: ISC
 *
 * Answers GET with one page and closes; and asks for one.
 */
#include "ship/serve.h"

#include "outbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, CLIENTS_MAX = 32, PATH_MOST = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };
#define PATIENCE_NS UINT64_C(10000000000)

struct serve {
    struct net_listener *listener;
    const struct serve_page *pages;
    void *context;
};

/* ---- answering --------------------------------------------------------------------------------------------------------- */

static void answer(struct net_link *link, const char *status, const char *type, char *page)
{
    char head[256];
    const char *body = page ? page : "";
    const int n = snprintf(head, sizeof(head),
                           "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                           status, type, strlen(body));
    const struct iovec parts[2] = {{head, (size_t)n}, {(void *)(uintptr_t)body, strlen(body)}};
    net_link_send(link, parts, body[0] ? 2 : 1);
    free(page);
    net_link_finish(link, 0, "answered");
}

static bool asks(const char *request, const char *path)
{
    const size_t bytes = strlen(path);
    return !strncmp(request, "GET ", 4) && !strncmp(request + 4, path, bytes) &&
           (request[4 + bytes] == ' ' || request[4 + bytes] == '?');
}

/* The pages that there are, for one who asked for another. */
static char *page_list(const struct serve *serve)
{
    char text[400] = "there is:";
    for (const struct serve_page *page = serve->pages; page->path; page++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s", page->path);
    strcat(text, "\n");
    return strdup(text);
}

static void respond(const struct serve *serve, struct net_link *link, const char *request)
{
    const struct serve_page *page = serve->pages;
    while (page->path && !asks(request, page->path))
        page++;
    if (!page->path) {
        answer(link, "404 Not Found", SERVE_TEXT, page_list(serve));
        return;
    }
    char *const text = page->make(serve->context);
    answer(link, text ? "200 OK" : "503 Service Unavailable", page->type, text);
}

static size_t on_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    char request[REQUEST_MAX + 1];
    const size_t used = size < REQUEST_MAX ? size : REQUEST_MAX;
    memcpy(request, bytes, used);
    request[used] = 0;
    if (!strstr(request, "\r\n\r\n") && !strstr(request, "\n\n")) {
        if (size >= REQUEST_MAX)
            net_link_close(link, "a longer request than any that is answered here");
        *ret_wanted = size + 1;
        return 0;
    }
    respond(context, link, request);
    return size;
}

static void on_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    (void)context;
    (void)link;
    (void)end;
    (void)reason;
}

static const struct net_link_calls link_calls = {.received = on_received, .closed = on_closed};

static void on_accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    (void)listener;
    net_link_own(link, &link_calls, context);
}

static const struct net_listener_calls listener_calls = {.accepted = on_accepted};

/* ---- where ------------------------------------------------------------------------------------------------------------- */

int serve_address_parse(struct net_address *ret_address, const char *text, uint16_t default_port,
                        struct net_text *ret_why)
{
    const int r = net_address_parse(ret_address, text, default_port, ret_why);
    if (r < 0 || net_address_is_local(ret_address))
        return r;
    snprintf(ret_why->text, sizeof(ret_why->text),
             "%.200s: metrics are served on this machine only: name localhost:PORT or unix:PATH, and let a proxy with "
             "TLS carry them further",
             text);
    return -EPERM;
}

int serve_socket_address(struct net_address *ret_address, const char *directory, const char *name)
{
    *ret_address = (struct net_address){.unix_socket = true, .scheme = NET_SCHEME_tcp};
    if (strlen(directory) + 1 + strlen(name) > PATH_MOST)
        return -ENAMETOOLONG;
    snprintf(ret_address->host, sizeof(ret_address->host), "unix:%s/%s", directory, name);
    return 0;
}

int serve_new(struct serve **ret_serve, struct net *net, const struct net_address *address,
              const struct serve_page *pages, void *context, struct net_text *ret_why)
{
    struct serve *const serve = calloc(1, sizeof(*serve));
    if (!serve)
        return -ENOMEM;
    serve->pages = pages;
    serve->context = context;
    const struct net_listener_options options = {
        .addresses = address,
        .addresses_count = 1,
        .links_max = CLIENTS_MAX,
        .handshakes_max = CLIENTS_MAX,
        .link = {.handshake_ns = PATIENCE_NS, .idle_ns = PATIENCE_NS, .message_max = REQUEST_MAX + 1},
    };
    const int r = net_listener_new_soon(&serve->listener, net, &options, &listener_calls, serve, ret_why);
    if (r < 0) {
        free(serve);
        return r;
    }
    *ret_serve = serve;
    return 0;
}

void serve_free(struct serve *serve)
{
    if (!serve)
        return;
    net_listener_free(serve->listener);
    free(serve);
}

bool serve_address(const struct serve *serve, struct net_address *ret_address)
{
    return net_listener_address(serve->listener, 0, ret_address);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

static int connect_to(const char *directory, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = PATIENCE_NS / 1000000000};
    const int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        const int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* What stands behind the empty line. */
static int print_body(int fd, struct output *out)
{
    char bytes[4096];
    ssize_t n;
    unsigned matched = 0;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        ssize_t at = 0;
        for (; matched < 4 && at < n; at++)
            matched = bytes[at] == "\r\n\r\n"[matched] ? matched + 1 : bytes[at] == '\r';
        output_write(out, bytes + at, (size_t)(n - at));
    }
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return matched < 4 ? -EPIPE : 0;
}

int serve_ask(const char *directory, const char *name, const char *page)
{
    struct output out;
    char request[64];
    const int fd = connect_to(directory, name);
    if (fd < 0)
        return fd;
    const int length = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", page);
    int r = send(fd, request, (size_t)length, MSG_NOSIGNAL) == length ? output_init(&out, STDOUT_FILENO) : -EPIPE;
    if (r == 0) {
        r = print_body(fd, &out);
        const int printed = output_fini(&out);
        r = r == 0 && printed != -EPIPE ? printed : r; /* who reads it may have enough */
    }
    close(fd);
    return r;
}
