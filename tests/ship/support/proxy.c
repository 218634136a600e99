/* SPDX-License-Identifier: ISC
 *
 * A TCP proxy that fails.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#undef NDEBUG
#include <assert.h>

enum { BUFFER_BYTES = 256 << 10, PIECES = 64, TICK_MS = 20 };

/* One direction: a ring of bytes, and when each piece of them came. */
struct flow {
    uint8_t bytes[BUFFER_BYTES];
    size_t begin, size;
    struct {
        uint64_t at_ms;
        size_t size;
    } pieces[PIECES];
    unsigned first, count;
    uint64_t passed;
    bool ended, told_end; /* its source has; its sink was told */
};
struct proxy_pair {
    int fd[2];           /* who connected; where to */
    struct flow flow[2]; /* from fd[i] */
    bool hanging, failed;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- pairs ---- */

static int connect_to(const struct proxy *proxy)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(proxy->to_port)};
    inet_pton(AF_INET, proxy->host, &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void set_fast(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void close_pair(struct proxy_pair *pair, bool reset)
{
    const struct linger linger = {.l_onoff = 1};
    for (unsigned i = 0; i < 2; i++) {
        if (reset)
            setsockopt(pair->fd[i], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(pair->fd[i]);
    }
    free(pair);
}

static void accept_one(struct proxy *proxy)
{
    const int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    proxy->connections++;
    unsigned free_place = 0;
    while (free_place < PROXY_PAIRS_MAX && proxy->pairs[free_place])
        free_place++;
    const int to = proxy->fault.refuse || free_place == PROXY_PAIRS_MAX ? -1 : connect_to(proxy);
    struct proxy_pair *pair = to >= 0 ? calloc(1, sizeof(*pair)) : NULL;
    if (!pair) {
        close(fd);
        if (to >= 0)
            close(to);
        return;
    }
    pair->fd[0] = fd;
    pair->fd[1] = to;
    set_fast(fd);
    set_fast(to);
    proxy->pairs[free_place] = pair;
}

/* ---- bytes ---- */

static void take_in(struct flow *flow, int fd)
{
    if (flow->ended || flow->count == PIECES || flow->size == BUFFER_BYTES)
        return;
    const size_t at = (flow->begin + flow->size) % BUFFER_BYTES;
    const size_t room = BUFFER_BYTES - flow->size, straight = BUFFER_BYTES - at;
    const ssize_t n = recv(fd, flow->bytes + at, room < straight ? room : straight, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        flow->ended = true;
    if (n <= 0)
        return;
    flow->size += (size_t)n;
    const unsigned place = (flow->first + flow->count++) % PIECES;
    flow->pieces[place].at_ms = now_ms();
    flow->pieces[place].size = (size_t)n;
}

/* How much of the first piece may go: its delay is over, and no cut comes before. */
static size_t may_go(const struct proxy *proxy, const struct flow *flow, uint64_t cut_at)
{
    if (!flow->count || now_ms() < flow->pieces[flow->first].at_ms + proxy->fault.delay_ms)
        return 0;
    const size_t size = flow->pieces[flow->first].size, straight = BUFFER_BYTES - flow->begin;
    const size_t piece = size < straight ? size : straight;
    const uint64_t left = proxy->fault.cut && cut_at ? (cut_at > flow->passed ? cut_at - flow->passed : 0) : UINT64_MAX;
    return piece < left ? piece : (size_t)left;
}

static void give_out(struct proxy *proxy, struct proxy_pair *pair, unsigned from, uint64_t cut_at)
{
    struct flow *flow = &pair->flow[from];
    size_t size;
    while ((size = may_go(proxy, flow, cut_at)) > 0) {
        const ssize_t n = send(pair->fd[!from], flow->bytes + flow->begin, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            pair->failed = true;
        if (n <= 0)
            return;
        flow->begin = (flow->begin + (size_t)n) % BUFFER_BYTES;
        flow->size -= (size_t)n;
        flow->passed += (uint64_t)n;
        *(from ? &proxy->down_bytes : &proxy->up_bytes) += (uint64_t)n;
        if (!(flow->pieces[flow->first].size -= (size_t)n)) {
            flow->first = (flow->first + 1) % PIECES;
            flow->count--;
        }
    }
    if (flow->ended && !flow->size && !flow->told_end) {
        shutdown(pair->fd[!from], SHUT_WR);
        flow->told_end = true;
    }
}

static bool cut_now(const struct proxy *proxy, const struct proxy_pair *pair)
{
    const struct proxy_fault *fault = &proxy->fault;
    const bool at_once = !fault->cut_up_bytes && !fault->cut_down_bytes;
    return fault->cut && (at_once || (fault->cut_up_bytes && pair->flow[0].passed >= fault->cut_up_bytes) ||
                          (fault->cut_down_bytes && pair->flow[1].passed >= fault->cut_down_bytes));
}

/* False: it is gone. */
static bool serve(struct proxy *proxy, struct proxy_pair *pair)
{
    if (pair->hanging || proxy->fault.hold)
        return true;
    for (unsigned i = 0; i < 2; i++) {
        take_in(&pair->flow[i], pair->fd[i]);
        give_out(proxy, pair, i, i ? proxy->fault.cut_down_bytes : proxy->fault.cut_up_bytes);
    }
    if (cut_now(proxy, pair)) {
        proxy->cuts++;
        pair->hanging = proxy->fault.cut == PROXY_CUT_hang;
        if (pair->hanging)
            return true;
        close_pair(pair, proxy->fault.cut == PROXY_CUT_reset);
        return false;
    }
    if (pair->failed || (pair->flow[0].told_end && pair->flow[1].told_end)) {
        close_pair(pair, false);
        return false;
    }
    return true;
}

/* ---- the thread ---- */

static unsigned fill(const struct proxy *proxy, struct pollfd *polls)
{
    unsigned count = 0;
    polls[count++] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = proxy->wake, .events = POLLIN};
    for (unsigned i = 0; i < PROXY_PAIRS_MAX; i++) {
        const struct proxy_pair *pair = proxy->pairs[i];
        for (unsigned j = 0; pair && !pair->hanging && !proxy->fault.hold && j < 2; j++) {
            const bool reads =
                !pair->flow[j].ended && pair->flow[j].count < PIECES && pair->flow[j].size < BUFFER_BYTES;
            const bool writes = pair->flow[!j].size && !proxy->fault.delay_ms;
            if (reads || writes)
                polls[count++] = (struct pollfd){.fd = pair->fd[j],
                                                 .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
        }
    }
    return count;
}

static void *run(void *argument)
{
    struct proxy *proxy = argument;
    struct pollfd polls[2 + 2 * PROXY_PAIRS_MAX];
    uint64_t woken;
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->ending) {
        const unsigned count = fill(proxy, polls);
        const int timeout_ms = proxy->fault.delay_ms ? 1 : TICK_MS;
        pthread_mutex_unlock(&proxy->lock);
        poll(polls, count, timeout_ms);
        pthread_mutex_lock(&proxy->lock);
        if (polls[1].revents)
            (void)!read(proxy->wake, &woken, sizeof(woken));
        if (polls[0].revents)
            accept_one(proxy);
        for (unsigned i = 0; i < PROXY_PAIRS_MAX; i++)
            if (proxy->pairs[i] && !serve(proxy, proxy->pairs[i]))
                proxy->pairs[i] = NULL;
    }
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

static void wake(struct proxy *proxy)
{
    const uint64_t one = 1;
    (void)!write(proxy->wake, &one, sizeof(one));
}

void proxy_start(struct proxy *proxy, const char *host, uint16_t port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(here);
    memset(proxy, 0, sizeof(*proxy));
    snprintf(proxy->host, sizeof(proxy->host), "%s", host);
    proxy->to_port = port;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(proxy->listener >= 0 && proxy->wake >= 0);
    assert(bind(proxy->listener, (struct sockaddr *)&here, sizeof(here)) == 0);
    assert(listen(proxy->listener, 128) == 0);
    assert(getsockname(proxy->listener, (struct sockaddr *)&here, &bytes) == 0);
    proxy->port = ntohs(here.sin_port);
    pthread_mutex_init(&proxy->lock, NULL);
    assert(pthread_create(&proxy->thread, NULL, run, proxy) == 0);
}

void proxy_retarget(struct proxy *proxy, uint16_t port)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->to_port = port;
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_set(struct proxy *proxy, struct proxy_fault fault)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->fault = fault;
    pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
}

void proxy_figures(struct proxy *proxy, struct proxy_figures *ret_figures)
{
    pthread_mutex_lock(&proxy->lock);
    *ret_figures = (struct proxy_figures){.connections = proxy->connections,
                                          .up_bytes = proxy->up_bytes,
                                          .down_bytes = proxy->down_bytes,
                                          .cuts = proxy->cuts};
    for (unsigned i = 0; i < PROXY_PAIRS_MAX; i++)
        ret_figures->open += proxy->pairs[i] != NULL;
    pthread_mutex_unlock(&proxy->lock);
}

void proxy_stop(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->ending = true;
    pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    for (unsigned i = 0; i < PROXY_PAIRS_MAX; i++)
        if (proxy->pairs[i])
            close_pair(proxy->pairs[i], false);
    close(proxy->listener);
    close(proxy->wake);
    pthread_mutex_destroy(&proxy->lock);
}
