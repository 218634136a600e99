/* SPDX-License-Identifier: ISC
 *
 * The collector's pages: metrics for Prometheus where --metrics says, the status for `evtrail collect --status` on a socket in the store.
 */
#include "ship/collect_private.h"

#include <errno.h>
#include <sys/resource.h>

enum { DESCRIPTORS_FOR_OTHERS = 64 };

static char *metrics_page(void *collect)
{
    return collect_metrics_text(collect);
}

static char *text_page(void *collect)
{
    return collect_status_text(collect, false);
}

static char *json_page(void *collect)
{
    return collect_status_text(collect, true);
}

static const struct serve_page pages[] = {{"/metrics", SERVE_TEXT, metrics_page},
                                          {"/status", SERVE_TEXT, text_page},
                                          {"/status.json", SERVE_JSON, json_page},
                                          {NULL, NULL, NULL}};

int collect_serve_start(struct collect *collect, struct net_text *ret_why)
{
    struct net_address address;
    const struct collect_options *options = &collect->options;
    int r = 0;
    if (options->metrics[0])
        r = serve_address_parse(&address, options->metrics, NET_PORT + 1, ret_why);
    if (r == 0 && options->metrics[0])
        r = serve_new(&collect->metrics, collect->net, &address, pages, collect, ret_why);
    if (r < 0)
        return r;
    if (serve_socket_address(&address, options->store, COLLECT_STATUS_SOCKET) == 0)
        return serve_new(&collect->status, collect->net, &address, pages, collect, ret_why);
    collect_log(collect, LOG_NOTICE,
                "%s: too long a path for the socket of --status: there is none; --metrics has a page /status",
                options->store);
    return 0;
}

/* ---- before it starts -------------------------------------------------------------------------------------------------- */

static int check_descriptors(const struct collect_options *options, struct net_text *ret_why)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY ||
        limit.rlim_max >= options->open_files + DESCRIPTORS_FOR_OTHERS)
        return 0;
    snprintf(ret_why->text, sizeof(ret_why->text),
             "%.300s: this process may have %llu descriptors (ulimit -Hn), and %d more than that are wanted: lower it, "
             "or raise "
             "the limit (LimitNOFILE= of a unit)",
             collect_options_said(options, COLLECT_open_files), (unsigned long long)limit.rlim_max,
             DESCRIPTORS_FOR_OTHERS);
    return -EINVAL;
}

/* The address stands in the text; before it goes who named it. */
static int blame(int error, const struct collect_options *options, enum collect_setting setting,
                 struct net_text *ret_why)
{
    const struct net_text what = *ret_why;
    snprintf(ret_why->text, sizeof(ret_why->text), "%.200s: %.300s", collect_options_said(options, setting), what.text);
    return error;
}

int collect_places_check(const struct collect_options *options, const struct net_address *addresses, unsigned count,
                         struct net_tls *tls, bool running, struct net_text *ret_why)
{
    struct net_address own[2];
    struct net_listener_options listeners[2] = {
        {.addresses = addresses, .addresses_count = count, .tls = tls, .insecure = options->insecure},
        {.addresses = own},
    };
    int r = check_descriptors(options, ret_why);
    if (r == 0 && options->metrics[0]) {
        r = serve_address_parse(&own[0], options->metrics, NET_PORT + 1, ret_why);
        if (r < 0)
            return blame(r, options, COLLECT_metrics, ret_why);
        listeners[1].addresses_count = 1;
    }
    if (r == 0 && (r = net_listeners_check(listeners, 1, ret_why)) < 0 && !(running && r == -EADDRINUSE))
        return blame(r, options, COLLECT_listen, ret_why);
    if (r == 0 && listeners[1].addresses_count && (r = net_listeners_check(listeners, 2, ret_why)) < 0 &&
        !(running && r == -EADDRINUSE))
        return blame(r, options, COLLECT_metrics, ret_why);
    if (r == 0 && !running && serve_socket_address(&own[0], options->store, COLLECT_STATUS_SOCKET) == 0) {
        listeners[1].addresses_count = 1;
        r = net_listeners_check(&listeners[1], 1, ret_why);
        r = r == -ENOENT ? 0 : r; /* the store is not made yet */
    }
    return r == -EADDRINUSE && running ? 0 : r;
}
