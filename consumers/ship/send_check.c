/* SPDX-License-Identifier: ISC
 *
 * evtrail send --check: everything that can be wrong with a set-up, before anything is touched.
 */
#include "ship/send_private.h"

#include "program.h"
#include "skeleton.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_NS UINT64_C(15000000000)

struct probe {
    const struct send_options *options;
    struct ship_sender *sender;
    struct net_link *link;
    bool welcomed, ended;
    char text[800];
};

static struct ship_time now(void)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    clock_gettime(CLOCK_REALTIME, &b);
    return (struct ship_time){(int64_t)a.tv_sec * 1000000000 + a.tv_nsec, (int64_t)b.tv_sec * 1000000000 + b.tv_nsec};
}

static int on_send(void *context, const struct iovec *parts, unsigned count)
{
    struct probe *const probe = context;
    return probe->link ? net_link_send(probe->link, parts, count) : -ENOTCONN;
}

static size_t on_room(void *context)
{
    struct probe *const probe = context;
    return probe->link ? net_link_room(probe->link) : 0;
}

static void on_welcomed(void *context, const struct wire_welcome *welcome)
{
    struct probe *const probe = context;
    const struct net_peer *const peer = net_link_peer(probe->link);
    probe->welcomed = true;
    snprintf(probe->text, sizeof probe->text, "%s: %s, %s%s%s", peer->address,
             *welcome->agent ? welcome->agent : "a collector", peer->tls ? peer->version : "plain",
             *peer->identity ? ", " : "", peer->identity);
}

static int on_fetch(void *context, uint32_t channel, uint64_t sequence, struct ship_unit *ret_unit)
{
    (void)context, (void)channel, (void)sequence, (void)ret_unit;
    return 0;
}

static void on_nothing(void *context, uint32_t channel, uint64_t sequence)
{
    (void)context, (void)channel, (void)sequence;
}

static void on_refused(void *context, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse)
{
    (void)context, (void)channel, (void)sequence, (void)refuse;
}

static void on_stream_refused(void *context, uint32_t channel, const struct wire_refuse *refuse)
{
    (void)context, (void)channel, (void)refuse;
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct probe *const probe = context;
    probe->ended = true;
    if (!probe->welcomed)
        snprintf(probe->text, sizeof probe->text, "%s: %s: %s", by_peer ? "refused" : "no answer",
                 wire_bye_name(bye->code), bye->reason);
    if (probe->link)
        net_link_finish(probe->link, 0, "checked");
}

static const struct ship_sender_calls calls = {
    .send = on_send,
    .room = on_room,
    .welcomed = on_welcomed,
    .opened = on_nothing,
    .fetch = on_fetch,
    .acked = on_nothing,
    .refused = on_refused,
    .stream_refused = on_stream_refused,
    .closed = on_closed,
};

static size_t link_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct probe *const probe = context;
    (void)link;
    if (probe->ended)
        return size;
    const size_t used = ship_sender_input(probe->sender, bytes, size, now(), ret_wanted);
    if (probe->welcomed && !probe->ended)
        ship_sender_close(probe->sender, WIRE_BYE_done, "checked");
    return probe->ended ? size : used;
}

static void link_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    struct probe *const probe = context;
    (void)link;
    (void)end;
    probe->link = NULL;
    if (!probe->ended && !probe->welcomed)
        snprintf(probe->text, sizeof probe->text, "%s", reason);
    probe->ended = true;
}

static const struct net_link_calls link_calls = {.received = link_received, .closed = link_closed};

static void on_connected(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    struct probe *const probe = context;
    struct ship_sender_options options = {0};
    (void)endpoints;
    if (probe->sender)
        return;
    send_hello_fill(&options.hello, probe->options);
    options.hello.realtime_ns = now().realtime_ns;
    if (ship_sender_new(&probe->sender, &options, &calls, probe) < 0)
        return;
    probe->link = link;
    net_link_own(link, &link_calls, probe);
    ship_sender_start(probe->sender, now());
}

static void on_failed(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                      bool round_ended, uint64_t retry_ns)
{
    struct probe *const probe = context;
    (void)endpoints, (void)end, (void)round_ended, (void)retry_ns;
    if (!probe->ended)
        snprintf(probe->text, sizeof probe->text, "%s", reason);
    probe->ended = true;
}

static const struct net_endpoints_calls endpoints_calls = {.connected = on_connected, .failed = on_failed};

/* A handshake with this one collector. */
static bool reach(struct evloop *loop, struct net *net, const struct send_options *options, unsigned index)
{
    struct send_options one = *options;
    struct probe probe = {.options = options};
    struct net_endpoints *endpoints = NULL;
    struct net_tls *tls = NULL;
    char *error = NULL, name[300];
    one.endpoints[0] = options->endpoints[index];
    one.endpoints_count = 1;
    net_address_print(&one.endpoints[0].address, name, sizeof name);
    if (send_endpoints_new(&endpoints, &tls, net, &one, &endpoints_calls, &probe, &error) < 0) {
        warn(name, "%s", error ? error : "out of memory");
        free(error);
        return false;
    }
    net_endpoints_start(endpoints);
    const int64_t until = now().monotonic_ns + (int64_t)WAIT_NS;
    while (!probe.ended && now().monotonic_ns < until)
        evloop_run_once(loop, 100000000);
    for (unsigned i = 0; probe.link && i < 20; i++) /* says goodbye */
        evloop_run_once(loop, 50000000);
    net_endpoints_free(endpoints);
    for (unsigned i = 0; probe.link && i < 20; i++)
        evloop_run_once(loop, 50000000);
    net_tls_free(tls);
    ship_sender_free(probe.sender);
    if (probe.welcomed)
        printf("%s: reached, %s\n", name, probe.text);
    else
        warn(name, "%s",
             *probe.text ? probe.text
                         : "no answer within 15 s; is a collector there, and does a firewall let it through?");
    return probe.welcomed;
}

static unsigned reach_all(const struct send_options *options)
{
    struct evloop *loop = NULL;
    struct net *net = NULL;
    unsigned reached = 0;
    int r = evloop_new(&loop, NULL);
    if (r == 0)
        r = net_new(&net, loop);
    for (unsigned i = 0; r == 0 && i < options->endpoints_count; i++)
        reached += reach(loop, net, options, i);
    net_free(net);
    evloop_free(loop);
    if (r < 0)
        warn(NULL, "the event loop cannot be made: %s; are there memory and descriptors left (ulimit -n)?",
             strerror(-r));
    return reached;
}

/* ---- what is read ------------------------------------------------------------------------------------------------------ */

static int no_more(const char *path, void *context)
{
    (void)path, (void)context;
    return 0;
}

/* One without a session may be a program in OCaml, whose rings are its own: the reader finds those. */
static int ocaml_find(const struct args *args, const char *name)
{
    struct evtrail_reader *reader = NULL;
    const struct evtrail_reader_options options = {.bytes = sizeof options, .directory = args->text[OPT_directory]};
    int r = evtrail_reader_new(&reader, &options);
    if (r == 0)
        r = evtrail_reader_add_process(reader, name);
    evtrail_reader_free(reader);
    return r < 0 ? r : 0;
}

static int process_check(const struct send_setup *setup, const char *name)
{
    const struct args *const args = &setup->args;
    char *error = NULL;
    int r = evtrail_sessions_named(args->text[OPT_directory], name, no_more, NULL, &error), code = 0;
    if (r == -ESRCH)
        r = ocaml_find(args, name);
    if (r == -ESRCH && args->set[OPT_wait])
        r = 0;
    if (r == -ESRCH)
        code = fail(CODE_missing, send_said(setup, OPT_process),
                    "%s is not traced, or does not run; evtrail ls lists those that are, --wait waits for it", name);
    else if (r < 0)
        code = fail(code_of(r), send_said(setup, OPT_process), "%s", error ? error : strerror(-r));
    free(error);
    return code;
}

static int sources_check(const struct send_setup *setup)
{
    const struct args *const args = &setup->args;
    char rings[128], *rules = NULL, *settings = NULL, missing[128] = "", text[1024];
    int code = send_usage_check(args);
    if (code == 0)
        code = ring_settings(args, "drop", rings, sizeof rings, &rules, &settings);
    free(rules);
    free(settings);
    for (size_t i = 0; i < args->list[OPT_process].count; i++) {
        const int one = process_check(setup, args->list[OPT_process].items[i]);
        code = code ? code : one;
    }
    if (!args->program)
        return code;
    const int r = program_check(args->program[0]);
    if (r < 0)
        code = fail(CODE_missing, args->program[0], "cannot be run: %s; name a program, or its path", strerror(-r));
    if (args->list[OPT_with].count && program_preload(args->list[OPT_with].items, args->list[OPT_with].count, text,
                                                      sizeof text, missing, sizeof missing) < 0)
        code =
            fail(CODE_missing, missing,
                 "not found beside evtrail's libraries; there are --with libc and --with ocaml, if they are installed");
    return code;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------- */

static int spool_code(const struct send_options *options, bool *ret_busy)
{
    char *error = NULL;
    const int r = spool_check(options->directory, &options->spool, &error);
    *ret_busy = r == -EBUSY;
    if (r < 0)
        warn(NULL, "%s", error ? error : strerror(-r));
    else
        printf("%s: can be the spool\n", options->directory);
    free(error);
    return r == 0 ? CODE_ok : r == -EBUSY ? CODE_system : (int)code_of(r);
}

static int metrics_code(const struct send_options *options, bool busy)
{
    struct net_text why = {""};
    const int r = send_serve_check(options, busy, &why);
    if (r < 0)
        warn(NULL, "%s", *why.text ? why.text : strerror(-r));
    return r == 0 ? CODE_ok : r == -EINVAL ? CODE_usage : (int)code_of(r);
}

int send_check(const struct send_setup *setup)
{
    const struct send_options *const options = &setup->options;
    bool busy;
    const int sources = sources_check(setup);
    const int spool = spool_code(options, &busy);
    const int metrics = metrics_code(options, busy);
    const unsigned reached = reach_all(options);
    fflush(stdout);
    if (sources || spool || metrics)
        return sources ? sources : spool ? spool : metrics;
    return reached < options->endpoints_count ? (int)CODE_io : (int)CODE_ok;
}
