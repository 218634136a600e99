/* SPDX-License-Identifier: ISC
 *
 * The sender's pages: the status on a socket in the spool, and where --metrics says, with the metrics for Prometheus.
 */
#include "ship/send_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *page(struct send_shipper *shipper, enum send_status_format format)
{
    struct spool_stats spool;
    struct send_figures figures;
    struct send_tail_figures tail;
    spool_stats(shipper->spool, &spool);
    send_shipper_figures(shipper, &figures, &tail);
    return send_status_text(format, &spool, &figures, &tail);
}

static char *metrics_page(void *shipper)
{
    return page(shipper, SEND_STATUS_metrics);
}

static char *text_page(void *shipper)
{
    return page(shipper, SEND_STATUS_text);
}

static char *json_page(void *shipper)
{
    return page(shipper, SEND_STATUS_json);
}

static const struct serve_page pages[] = {{"/metrics", SERVE_TEXT, metrics_page},
                                          {"/status", SERVE_TEXT, text_page},
                                          {"/status.json", SERVE_JSON, json_page},
                                          {NULL, NULL, NULL}};

int send_serve_check(const struct send_options *options, bool running, struct net_text *why)
{
    struct net_address addresses[2];
    const struct net_listener_options listener = {.addresses = addresses, .addresses_count = 1};
    int r = options->metrics ? serve_address_parse(addresses, options->metrics, 0, why) : 0;
    if (r == 0 && options->metrics && !running)
        r = net_listeners_check(&listener, 1, why);
    if (r < 0) {
        const struct net_text what = *why;
        snprintf(why->text, sizeof why->text, "%.150s: %.350s", options->metrics_said, what.text);
    }
    return r;
}

int send_serve_start(struct send_shipper *shipper, const struct send_options *options, char **ret_error)
{
    struct net_address address;
    struct net_text why = {""};
    int r = 0;
    if (serve_socket_address(&address, options->directory, SEND_STATUS_SOCKET) < 0)
        send_log("%s: too long a path for a socket: --status will not work; --metrics has a page /status",
                 options->directory);
    else
        r = serve_new(&shipper->status, shipper->net, &address, pages, shipper, &why);
    if (r == 0 && options->metrics) {
        r = serve_address_parse(&address, options->metrics, 0, &why);
        if (r == 0)
            r = serve_new(&shipper->metrics, shipper->net, &address, pages, shipper, &why);
    }
    if (r < 0 && asprintf(ret_error, "%s", *why.text ? why.text : strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

void send_serve_stop(struct send_shipper *shipper)
{
    serve_free(shipper->status);
    serve_free(shipper->metrics);
    shipper->status = shipper->metrics = NULL;
}
