/* SPDX-License-Identifier: ISC
 *
 * Answers those who ask a running sender for its status (a unix socket in the spool) or its metrics (HTTP).
 */
#include "ship/send_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool send_status_address(const char *directory, struct net_address *ret_address)
{
    *ret_address = (struct net_address){.unix_socket = true, .scheme = NET_SCHEME_tcp};
    const int n = snprintf(ret_address->host, sizeof ret_address->host, "unix:%s/status.sock", directory);
    return n > 0 && n <= 5 + 107;
}

static char *answer(struct send_shipper *shipper, enum send_status_format format)
{
    struct spool_stats spool;
    struct send_figures figures;
    struct send_tail_figures tail;
    spool_stats(shipper->spool, &spool);
    send_shipper_figures(shipper, &figures, &tail);
    return send_status_text(format, &spool, &figures, &tail);
}

static void reply(struct send_shipper *shipper, struct net_link *link, bool http, enum send_status_format format,
                  bool found)
{
    char head[200];
    char *const text = found ? answer(shipper, format) : strdup("there is only /metrics and /status\n");
    const size_t bytes = text ? strlen(text) : 0;
    const int n = snprintf(
        head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        found ? "200 OK" : "404 Not Found",
        format == SEND_STATUS_json ? "application/json" : "text/plain; version=0.0.4; charset=utf-8", bytes);
    const struct iovec parts[2] = {{head, (size_t)n}, {text, bytes}};
    net_link_send(link, http ? parts : parts + 1, http ? 2 : 1);
    free(text);
    net_link_finish(link, 0, "answered");
}

static size_t on_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct send_shipper *const shipper = context;
    static const struct {
        const char *line;
        bool http, found;
        enum send_status_format format;
    } questions[] = {
        {"GET /metrics ", true, true, SEND_STATUS_metrics}, {"GET /status ", true, true, SEND_STATUS_json},
        {"status\n", false, true, SEND_STATUS_text},        {"json\n", false, true, SEND_STATUS_json},
        {"metrics\n", false, true, SEND_STATUS_metrics},    {"GET ", true, false, SEND_STATUS_text},
    };
    (void)ret_wanted;
    if (size > 4096 || memchr(bytes, '\n', size)) {
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            const size_t length = strlen(questions[i].line);
            if (size >= length && memcmp(bytes, questions[i].line, length) == 0) {
                reply(shipper, link, questions[i].http, questions[i].format, questions[i].found);
                return size;
            }
        }
        net_link_close(link, "asks for nothing that there is");
        return size;
    }
    return 0;
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

static int listen_on(struct send_shipper *shipper, const struct net_address *address,
                     struct net_listener **ret_listener, struct net_text *why)
{
    const struct net_listener_options options = {.addresses = address,
                                                 .addresses_count = 1,
                                                 .links_max = SEND_ASKERS_MAX,
                                                 .handshakes_max = SEND_ASKERS_MAX,
                                                 .link = {.idle_ns = 10000000000, .message_max = 16384}};
    int r;
    for (unsigned tries = 0; tries < 60;
         tries++) { /* a sender that was killed holds them until the kernel has closed its ring: a moment */
        r = net_listener_new(ret_listener, shipper->net, &options, &listener_calls, shipper, why);
        if (r != -EADDRINUSE)
            break;
        usleep(50000);
    }
    return r;
}

int send_serve_check(const char *metrics, struct net_address *ret_address, struct net_text *why)
{
    const int r = net_address_parse(ret_address, metrics, 0, why);
    if (r < 0 || net_address_is_local(ret_address))
        return r;
    snprintf(why->text, sizeof why->text,
             "--metrics %s: only on loopback or a unix socket; put a proxy before it for others", metrics);
    return -EPERM;
}

int send_serve_start(struct send_shipper *shipper, const struct send_options *options, char **ret_error)
{
    struct net_address address;
    struct net_text why = {""};
    int r = 0;
    if (!send_status_address(options->directory, &address))
        send_log("%s: too long a path for a socket: --status will not work; --metrics does", options->directory);
    else if (unlink(address.host + 5) == 0 ||
             errno == ENOENT) /* one that was killed left it: the spool's lock is ours */
        r = listen_on(shipper, &address, &shipper->status, &why);
    if (r == 0 && options->metrics) {
        r = send_serve_check(options->metrics, &address, &why);
        if (r == 0)
            r = listen_on(shipper, &address, &shipper->metrics, &why);
    }
    if (r < 0 && asprintf(ret_error, "%s", *why.text ? why.text : strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

void send_serve_stop(struct send_shipper *shipper)
{
    net_listener_free(shipper->status);
    net_listener_free(shipper->metrics);
    shipper->status = shipper->metrics = NULL;
}
