/* SPDX-License-Identifier: ISC
 *
 * From a collector into a pipe. The pipe is written without waiting; what it does not take yet waits here, at most a window, and the collector may
 * send only as much more as the pipe has taken.
 */
#include "ship/viewer.h"

#include "ship/net.h"
#include "ship/viewer_url.h"
#include "ship/wire_viewer.h"

#include <evtrail/evtrail.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_BYTES = 4 << 20, PIPE_BYTES = 1 << 20, FIRST_MS = 10000 };
#define TICK_NS UINT64_C(500000000)

struct viewer {
    struct viewer *next;
    struct viewer_url url;
    void (*say)(const char *name, const char *line);
    struct evloop *loop;
    struct net *net;
    struct net_tls *tls;
    struct net_endpoints *endpoints;
    struct net_link *link;
    struct wire_viewer machine;
    struct wire_hello hello;
    struct evloop_timer timer;
    struct evloop_op writable;
    struct evloop_post stop;
    int pipe; /* to write */
    uint8_t *waiting;
    size_t waiting_head, waiting_bytes, waiting_room;
    pthread_t thread;
    _Atomic bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool broken;  /* and that was said */
    bool settled; /* agreed or failed, for the first time: */
    bool agreed;
    char why[700];
};

static struct viewer *viewers;

static struct ship_time now(void)
{
    struct timespec monotonic, realtime;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &realtime);
    return (struct ship_time){(int64_t)monotonic.tv_sec * 1000000000 + monotonic.tv_nsec,
                              (int64_t)realtime.tv_sec * 1000000000 + realtime.tv_nsec};
}

/* The first time it is the answer to who opens; then it is said. */
static void tell(struct viewer *viewer, bool agreed, const char *line)
{
    pthread_mutex_lock(&viewer->lock);
    const bool first = !viewer->settled;
    viewer->settled = true;
    if (first) {
        viewer->agreed = agreed;
        snprintf(viewer->why, sizeof(viewer->why), "%s", line);
        pthread_cond_signal(&viewer->changed);
    }
    const bool saying = !first && viewer->agreed && !viewer->stopping && agreed == viewer->broken;
    viewer->broken = !agreed;
    pthread_mutex_unlock(&viewer->lock);
    if (saying)
        viewer->say(viewer->url.name, line);
}

/* ---- the pipe ------------------------------------------------------------------------------------------------------------- */

static void watch_pipe(struct viewer *viewer);

/* True: nothing waits any more. */
static bool empty(struct viewer *viewer)
{
    while (viewer->waiting_bytes) {
        const ssize_t n = write(viewer->pipe, viewer->waiting + viewer->waiting_head, viewer->waiting_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            evloop_stop(viewer->loop); /* nobody reads any more */
        if (n < 0)
            return false;
        viewer->waiting_head += (size_t)n;
        viewer->waiting_bytes -= (size_t)n;
        wire_viewer_done(&viewer->machine, (size_t)n);
    }
    viewer->waiting_head = 0;
    return true;
}

static void on_writable(struct evloop_op *op, int result)
{
    struct viewer *const viewer = (struct viewer *)((char *)op - offsetof(struct viewer, writable));
    if (result >= 0 && !empty(viewer))
        watch_pipe(viewer);
}

static void watch_pipe(struct viewer *viewer)
{
    if (!evloop_busy(&viewer->writable) && !viewer->stopping)
        evloop_poll(viewer->loop, &viewer->writable, viewer->pipe, POLLOUT, on_writable);
}

/* Not more than a window waits: the collector keeps to it, or was sent away. */
static bool keep(struct viewer *viewer, const uint8_t *bytes, size_t size)
{
    if (viewer->waiting_head && viewer->waiting_head + viewer->waiting_bytes + size > viewer->waiting_room) {
        memmove(viewer->waiting, viewer->waiting + viewer->waiting_head, viewer->waiting_bytes);
        viewer->waiting_head = 0;
    }
    if (viewer->waiting_bytes + size > viewer->waiting_room) {
        const size_t room = 2 * (viewer->waiting_bytes + size);
        uint8_t *const grown = realloc(viewer->waiting, room);
        if (!grown)
            return false;
        viewer->waiting = grown;
        viewer->waiting_room = room;
    }
    memcpy(viewer->waiting + viewer->waiting_head + viewer->waiting_bytes, bytes, size);
    viewer->waiting_bytes += size;
    return true;
}

/* ---- the machine ------------------------------------------------------------------------------------------------------------ */

static int on_send(void *context, const struct iovec *parts, unsigned count)
{
    struct viewer *const viewer = context;
    return viewer->link ? net_link_send(viewer->link, parts, count) : -ENOTCONN;
}

static void on_welcomed(void *context, const struct wire_welcome *welcome)
{
    struct viewer *const viewer = context;
    char line[160];
    net_endpoints_good(viewer->endpoints);
    snprintf(line, sizeof(line), "connected again to %s", welcome->host);
    tell(viewer, true, line);
}

static void on_trace(void *context, const uint8_t *bytes, size_t size)
{
    struct viewer *const viewer = context;
    if (!keep(viewer, bytes, size))
        wire_viewer_close(&viewer->machine, WIRE_BYE_internal, "out of memory");
    else if (!empty(viewer))
        watch_pipe(viewer);
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct viewer *const viewer = context;
    char line[WIRE_REASON_BYTES + 80];
    snprintf(line, sizeof(line), "%s (%s%s)", bye->reason[0] ? bye->reason : "the connection has ended",
             wire_bye_name(bye->code), by_peer ? ", said by the collector" : "");
    tell(viewer, false, line);
    if (bye->retry_ms)
        net_endpoints_hold(viewer->endpoints, (uint64_t)bye->retry_ms * 1000000);
    if (viewer->link)
        net_link_finish(viewer->link, 0, bye->reason);
}

static const struct wire_viewer_calls machine_calls = {
    .send = on_send, .welcomed = on_welcomed, .trace = on_trace, .closed = on_closed};

/* ---- the link --------------------------------------------------------------------------------------------------------------- */

static size_t on_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct viewer *const viewer = context;
    (void)link;
    return wire_viewer_input(&viewer->machine, bytes, size, now(), ret_wanted);
}

static void on_link_closed(void *context, struct net_link *link, enum net_end how, const char *reason)
{
    struct viewer *const viewer = context;
    (void)link;
    (void)how;
    viewer->link = NULL;
    wire_viewer_close(&viewer->machine, WIRE_BYE_lost, reason ? reason : "connection lost");
}

static const struct net_link_calls link_calls = {.received = on_received, .closed = on_link_closed};

static void on_connected(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    struct viewer *const viewer = context;
    (void)endpoints;
    viewer->link = link;
    net_link_own(link, &link_calls, viewer);
    /* What of the old connection still waits for the pipe is whole frames, and stays. */
    wire_viewer_init(&viewer->machine, &viewer->hello, WINDOW_BYTES, &machine_calls, viewer);
    viewer->machine.received = viewer->machine.done = 0;
    wire_viewer_start(&viewer->machine, now());
}

static void on_failed(void *context, struct net_endpoints *endpoints, enum net_end how, const char *reason,
                      bool round_ended, uint64_t retry_ns)
{
    struct viewer *const viewer = context;
    (void)endpoints;
    (void)how;
    (void)retry_ns;
    if (round_ended)
        tell(viewer, false, reason);
}

static const struct net_endpoints_calls endpoints_calls = {.connected = on_connected, .failed = on_failed};

static void on_timer(struct evloop_timer *timer)
{
    struct viewer *const viewer = (struct viewer *)((char *)timer - offsetof(struct viewer, timer));
    if (viewer->link)
        wire_viewer_tick(&viewer->machine, now());
    evloop_timer_start(viewer->loop, timer, evloop_now_ns(viewer->loop) + TICK_NS, on_timer);
}

static void on_stop(struct evloop_post *post)
{
    struct viewer *const viewer = (struct viewer *)((char *)post - offsetof(struct viewer, stop));
    if (viewer->link)
        wire_viewer_close(&viewer->machine, WIRE_BYE_done, "the reader is done");
    evloop_stop(viewer->loop);
}

/* ---- its life ---------------------------------------------------------------------------------------------------------------- */

static void *run(void *context)
{
    struct viewer *const viewer = context;
    net_endpoints_start(viewer->endpoints);
    evloop_timer_start(viewer->loop, &viewer->timer, evloop_update_now(viewer->loop) + TICK_NS, on_timer);
    evloop_run(viewer->loop);
    close(viewer->pipe); /* the reader's end */
    viewer->pipe = -1;
    tell(viewer, false, "stopped");
    return NULL;
}

static void free_viewer(struct viewer *viewer)
{
    viewer->stopping = true;
    net_endpoints_free(viewer->endpoints);
    if (viewer->net)
        net_free(viewer->net);
    net_tls_free(viewer->tls);
    if (viewer->loop)
        evloop_free(viewer->loop);
    if (viewer->pipe >= 0)
        close(viewer->pipe);
    pthread_mutex_destroy(&viewer->lock);
    pthread_cond_destroy(&viewer->changed);
    free(viewer->waiting);
    free(viewer);
}

static int prepare(struct viewer *viewer, struct net_text *why)
{
    const struct net_endpoint endpoint = {.address = viewer->url.address};
    struct net_endpoints_options options = {.endpoints = &endpoint, .count = 1, .insecure = viewer->url.insecure};
    int r = evloop_new(&viewer->loop, NULL);
    if (r == 0)
        r = net_new(&viewer->net, viewer->loop);
    if (r == 0)
        r = viewer_url_tls(&viewer->url, &viewer->tls, why);
    options.tls = viewer->tls;
    options.tls_given = viewer->url.tls_given;
    return r < 0 ? r : net_endpoints_new(&viewer->endpoints, viewer->net, &options, &endpoints_calls, viewer, why);
}

static void introduce(struct viewer *viewer)
{
    gethostname(viewer->hello.host, sizeof(viewer->hello.host) - 1);
    snprintf(viewer->hello.agent, sizeof(viewer->hello.agent), "evtrail %s", EVTRAIL_VERSION);
    snprintf(viewer->hello.host_pattern, sizeof(viewer->hello.host_pattern), "%s", viewer->url.host);
    snprintf(viewer->hello.program_pattern, sizeof(viewer->hello.program_pattern), "%s", viewer->url.program);
    viewer->hello.agent_id = (uint64_t)now().monotonic_ns ^ (uint64_t)getpid() << 40;
}

/* Signals are the main thread's, and a pipe without a reader is an error, no signal. */
static int start(struct viewer *viewer)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int r = -pthread_create(&viewer->thread, NULL, run, viewer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static int await(struct viewer *viewer, struct net_text *why)
{
    pthread_mutex_lock(&viewer->lock);
    while (!viewer->settled)
        pthread_cond_wait(&viewer->changed, &viewer->lock);
    const bool agreed = viewer->agreed;
    snprintf(why->text, sizeof(why->text), "%s", viewer->why);
    pthread_mutex_unlock(&viewer->lock);
    return agreed ? 0 : -ECONNREFUSED;
}

/* Whose first bytes do not come is no collector, whatever it agreed to. */
static int await_bytes(int fd, struct net_text *why)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    const int r = poll(&wait, 1, FIRST_MS);
    if (r > 0)
        return 0;
    snprintf(why->text, sizeof(why->text),
             r < 0 ? "interrupted" : "it sends nothing for %d s: try again, or look at its `evtrail collect --status`",
             FIRST_MS / 1000);
    return r < 0 ? -EINTR : -ETIMEDOUT;
}

static void stop(struct viewer *viewer)
{
    pthread_mutex_lock(&viewer->lock);
    viewer->stopping = true;
    pthread_mutex_unlock(&viewer->lock);
    viewer->stop.call = on_stop;
    evloop_post(viewer->loop, &viewer->stop);
    pthread_join(viewer->thread, NULL);
    free_viewer(viewer);
}

static int fail_open(const char *name, int error, const struct net_text *why, char **ret_error)
{
    if (asprintf(ret_error, "%s: %s", name, why->text[0] ? why->text : strerror(-error)) < 0)
        *ret_error = NULL;
    return error;
}

int viewer_open(const char *name, void (*say)(const char *name, const char *line), int *ret_fd, char **ret_error)
{
    struct net_text why = {""};
    int ends[2];
    struct viewer *const viewer = calloc(1, sizeof(*viewer));
    if (!viewer)
        return fail_open(name, -ENOMEM, &why, ret_error);
    viewer->pipe = -1;
    viewer->say = say;
    pthread_mutex_init(&viewer->lock, NULL);
    pthread_cond_init(&viewer->changed, NULL);
    int r = viewer_url_parse(&viewer->url, name, &why);
    if (r == 0)
        r = prepare(viewer, &why);
    if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
        r = -errno;
    if (r < 0) {
        free_viewer(viewer);
        return fail_open(name, r, &why, ret_error);
    }
    viewer->pipe = ends[1];
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    introduce(viewer);
    r = start(viewer);
    if (r < 0) {
        free_viewer(viewer);
    } else if ((r = await(viewer, &why)) < 0 || (r = await_bytes(ends[0], &why)) < 0) {
        stop(viewer);
    }
    if (r < 0) {
        close(ends[0]);
        return fail_open(name, r, &why, ret_error);
    }
    viewer->next = viewers;
    viewers = viewer;
    *ret_fd = ends[0];
    return 0;
}

void viewer_close_all(void)
{
    while (viewers) {
        struct viewer *const viewer = viewers;
        viewers = viewer->next;
        stop(viewer);
    }
}
