/* SPDX-License-Identifier: ISC
 *
 * Answers GET with one page and closes: the metrics for Prometheus, the status for `evtrail collect --status`. On loopback or a unix socket
 * only, few at a time, each within seconds.
 */
#include "ship/collect_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, CLIENTS_MAX = 16 };

struct collect_serve {
    struct collect *collect;
    struct net_listener *listener;
};

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

static void serve(struct collect_serve *serve, struct net_link *link, const char *request)
{
    const struct collect *collect = serve->collect;
    static const char text[] = "text/plain; version=0.0.4; charset=utf-8";
    if (asks(request, "/metrics"))
        answer(link, "200 OK", text, collect_metrics_text(collect));
    else if (asks(request, "/status.json"))
        answer(link, "200 OK", "application/json", collect_status_text(collect, true));
    else if (asks(request, "/status"))
        answer(link, "200 OK", text, collect_status_text(collect, false));
    else
        answer(link, "404 Not Found", text, strdup("there are /metrics, /status and /status.json\n"));
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
    serve(context, link, request);
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

static int check_address(const char *address, bool local_only, struct net_address *ret_address,
                         struct net_text *ret_why)
{
    const int r = net_address_parse(ret_address, address, NET_PORT + 1, ret_why);
    if (r < 0 || !local_only || net_address_is_local(ret_address))
        return r;
    snprintf(ret_why->text, sizeof(ret_why->text),
             "%s: metrics are served on this machine only: name localhost:PORT or unix:PATH, and let a proxy with "
             "TLS carry them further",
             address);
    return -EPERM;
}

/* Whether a unix socket can be made there. */
static int check_folder(const struct net_address *address, struct net_text *ret_why)
{
    char folder[NET_HOST_BYTES + 1];
    const char *path = address->host + strlen("unix:");
    if (!address->unix_socket || path[0] == '@')
        return 0;
    snprintf(folder, sizeof(folder), "%s", path);
    char *const end = strrchr(folder, '/');
    if (end)
        end[end == folder] = '\0';
    if (access(end ? folder : ".", W_OK | X_OK) == 0)
        return 0;
    const int error = errno;
    snprintf(ret_why->text, sizeof(ret_why->text), "%s: its directory: %s", address->host, strerror(error));
    return -error;
}

int collect_places_check(const struct collect_options *options, const struct net_address *addresses, unsigned count,
                         struct net_text *ret_why)
{
    struct net_address metrics;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = check_folder(&addresses[i], ret_why);
    if (r == 0 && options->metrics[0])
        r = check_address(options->metrics, true, &metrics, ret_why);
    return r == 0 && options->metrics[0] ? check_folder(&metrics, ret_why) : r;
}

int collect_serve_new(struct collect_serve **ret_serve, struct collect *collect, const char *address, bool local_only,
                      struct net_text *ret_why)
{
    struct net_address parsed;
    int r = check_address(address, local_only, &parsed, ret_why);
    if (r < 0)
        return r;
    struct collect_serve *serve = calloc(1, sizeof(*serve));
    if (!serve)
        return -ENOMEM;
    serve->collect = collect;
    const struct net_listener_options options = {
        .addresses = &parsed,
        .addresses_count = 1,
        .links_max = CLIENTS_MAX,
        .link = {.handshake_ns = UINT64_C(5000000000), .idle_ns = UINT64_C(5000000000), .message_max = REQUEST_MAX + 1},
    };
    for (unsigned tries = 0; tries < 60; tries++) { /* as in collect.c */
        r = net_listener_new(&serve->listener, collect->net, &options, &listener_calls, serve, ret_why);
        if (r != -EADDRINUSE)
            break;
        usleep(50000);
    }
    if (r < 0) {
        free(serve);
        return r;
    }
    *ret_serve = serve;
    return 0;
}

void collect_serve_free(struct collect_serve *serve)
{
    if (!serve)
        return;
    net_listener_free(serve->listener);
    free(serve);
}

bool collect_serve_address(const struct collect_serve *serve, struct net_address *ret_address)
{
    return net_listener_address(serve->listener, 0, ret_address);
}
