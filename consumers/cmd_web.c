/* SPDX-License-Identifier: ISC
 *
 * evtrail web: the page of evtrail report in a browser, while the trace comes.
 */
#include "report/report.h"
#include "web/server.h"

#include "skeleton.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_NS INT64_C(1000000000)
#define PART 10 /* of the time that goes by, at most one in so many is spent on reports for browsers */

struct webbing {
    struct sink sink; /* first */
    struct report report;
    struct board board;
    struct server server;
    struct blob page, policy;
    int64_t next_ns; /* no report before */
    bool serving;
    char host[64]; /* as it was asked for */
    uint16_t port;
};

/* ---- where it listens -------------------------------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
}

static int listen_failed(const struct webbing *webbing, int error, int64_t port)
{
    switch (error) {
    case -EADDRINUSE:
        return fail(CODE_io, NULL, "port %d of %s is taken; name another one with --port, or none for a free one",
                    (int)port, webbing->host);
    case -EACCES:
        return fail(CODE_permission, NULL, "port %d is not for everybody; take one above 1023", (int)port);
    case -EADDRNOTAVAIL:
        return fail(CODE_missing, webbing->host, "no address of this machine");
    default:
        return fail(CODE_system, webbing->host, "cannot listen: %s", strerror(-error));
    }
}

static int server_open(struct webbing *webbing, const struct args *args)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    const char *const asked = args->set[OPT_web_listen] ? args->text[OPT_web_listen] : "localhost";
    const int64_t port = args->number[OPT_web_port];
    struct addrinfo *address = NULL;
    char digits[8];
    if (port < 0 || port > 65535)
        return fail(CODE_usage, NULL, "--port: 1 to 65535, or 0 for a free one");
    snprintf(digits, sizeof digits, "%d", (int)port);
    snprintf(webbing->host, sizeof webbing->host, "%s", strcmp(asked, "localhost") == 0 ? "127.0.0.1" : asked);
    if (strlen(asked) >= sizeof webbing->host || getaddrinfo(webbing->host, digits, &hints, &address) != 0)
        return fail(CODE_usage, shown(asked), "no address; --listen takes 127.0.0.1, ::1, 0.0.0.0 and the like");
    const int r = server_listen(&webbing->server, address, &webbing->port);
    webbing->server.loopback = is_loopback(address->ai_addr);
    freeaddrinfo(address);
    if (r < 0)
        return listen_failed(webbing, r, port);
    if (!webbing->server.loopback)
        warn(NULL,
             "listens on %s: whoever reaches it and has the address below sees the trace, and what is sent can be read "
             "on its way",
             webbing->host);
    return CODE_ok;
}

static void address_say(const struct webbing *webbing)
{
    const bool v6 = strchr(webbing->host, ':') != NULL;
    fprintf(stderr, "evtrail web: http://%s%s%s:%u/#token=%s\n", v6 ? "[" : "", webbing->host, v6 ? "]" : "",
            webbing->port, webbing->server.token);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static void facts_put(struct webbing *webbing, bool done)
{
    const struct stat_model *const model = &webbing->report.stat;
    const struct facts facts = {.events = model->events,
                                .lost = lost_sum(model->lost),
                                .length_ns = model->events ? axis_since(&webbing->report.axis, model->last_ns) : 0,
                                .done = done};
    board_facts(&webbing->board, &facts);
}

static int report_put(struct webbing *webbing)
{
    const int64_t before = monotonic_ns();
    struct blob data = {0};
    const int r = report_snapshot(&webbing->report, &data);
    if (r < 0) {
        blob_fini(&data);
        return r;
    }
    board_put(&webbing->board, &data);
    const int64_t now = monotonic_ns(), rest = (now - before) * PART;
    webbing->next_ns = now + (rest > webbing->server.interval_ns ? rest : webbing->server.interval_ns);
    return 0;
}

static int web_event(struct sink *sink, struct consumer *consumer, const struct evtrail_event *event)
{
    struct webbing *const webbing = (struct webbing *)sink;
    (void)consumer;
    report_event(&webbing->report, event);
    return webbing->report.out_of_memory ? -ENOMEM : 0;
}

static int web_flush(struct sink *sink, struct consumer *consumer)
{
    struct webbing *const webbing = (struct webbing *)sink;
    bool large;
    webbing->report.faults = consumer->faults;
    facts_put(webbing, false);
    if (monotonic_ns() < webbing->next_ns || !board_wanted(&webbing->board, &large))
        return 0;
    if (large)
        report_shrink(&webbing->report);
    return report_put(webbing);
}

static int web_open(struct sink *sink, struct consumer *consumer)
{
    struct webbing *const webbing = (struct webbing *)sink;
    (void)consumer;
    const int r = server_start(&webbing->server);
    if (r < 0)
        return r;
    webbing->serving = true;
    address_say(webbing);
    return 0;
}

/* All has been read: the last report stays there to be looked at, until a signal or the end of --duration. */
static void linger(const struct consumer *consumer)
{
    const struct args *const args = consumer->args;
    const int64_t end = args->set[OPT_duration] ? consumer->started_ns + args->number[OPT_duration] : INT64_MAX;
    if (!args->set[OPT_quiet] && signals_stops() == 0 && monotonic_ns() < end)
        fprintf(stderr, "evtrail web: all is read; the page stays until Ctrl-C\n");
    while (signals_stops() == 0 && monotonic_ns() < end)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static int web_close(struct sink *sink, struct consumer *consumer)
{
    struct webbing *const webbing = (struct webbing *)sink;
    webbing->report.faults = consumer->faults;
    const int r = report_put(webbing);
    facts_put(webbing, true);
    if (r == 0)
        linger(consumer);
    return r;
}

static int web_start(struct webbing *webbing, const struct args *args)
{
    webbing->sink = (struct sink){
        .name = "web", .spans = true, .open = web_open, .event = web_event, .flush = web_flush, .close = web_close};
    webbing->server.board = &webbing->board;
    webbing->server.interval_ns = args->set[OPT_web_interval] ? args->number[OPT_web_interval] : INTERVAL_NS;
    if (token_make(webbing->server.token) < 0)
        return fail(CODE_system, NULL, "no random bytes for a token: %s", strerror(errno));
    if (report_live_page(&webbing->page, &webbing->policy) < 0)
        return fail(CODE_system, NULL, "out of memory");
    webbing->server.page = webbing->page.bytes;
    webbing->server.page_count = webbing->page.used - 1;
    webbing->server.policy = webbing->policy.bytes;
    return server_open(webbing, args);
}

int run_web(const struct args *args)
{
    struct webbing *const webbing = calloc(1, sizeof *webbing);
    struct consumer consumer = {.args = args};
    if (!webbing || board_init(&webbing->board) < 0 || report_init(&webbing->report, &report_live) < 0)
        return fail(CODE_system, NULL, "out of memory");
    int code = web_start(webbing, args);
    if (code == CODE_ok)
        code = consumer_run(&consumer, &webbing->sink);
    if (webbing->serving)
        server_stop(&webbing->server);
    report_fini(&webbing->report);
    board_fini(&webbing->board);
    blob_fini(&webbing->page);
    blob_fini(&webbing->policy);
    free(webbing);
    return code;
}
