/* SPDX-License-Identifier: ISC
 *
 * The peer: libcurl's multi interface, driven by epoll, with its own cache of connections.
 */
#include "pool_load.h"

#include <stdio.h>

#ifdef POOL_BENCH_CURL
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define EVENTS_MAX 256

static CURLM *multi;
static CURL *easies[CLIENTS];
static int queue = -1, running;
static long wait_ms = -1;
static uint64_t left;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    (void)arg;
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(queue, EPOLL_CTL_DEL, fd, &event), 0;
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(queue, of_socket ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
        epoll_ctl(queue, EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(multi, fd, multi);
    return 0;
}

static int on_timer(CURLM *of, long timeout_ms, void *arg)
{
    (void)of;
    (void)arg;
    wait_ms = timeout_ms;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

static int curl_open(const struct load_setup *setup, struct answer *answer)
{
    char url[64];
    (void)answer;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", setup->port);
    queue = epoll_create1(EPOLL_CLOEXEC);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    if (queue < 0 || !multi)
        return -ENOMEM;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        easies[i] = curl_easy_init();
        if (!easies[i])
            return -ENOMEM;
        curl_easy_setopt(easies[i], CURLOPT_URL, url);
        curl_easy_setopt(easies[i], CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(easies[i], CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easies[i], CURLOPT_PROXY, "");
    }
    return 0;
}

static int next(CURL *easy)
{
    if (left == 0) {
        running--;
        return 0;
    }
    left--;
    return curl_multi_add_handle(multi, easy) ? -EIO : 0;
}

static int take_done(void)
{
    CURLMsg *told;
    int queued;
    while ((told = curl_multi_info_read(multi, &queued))) {
        CURL *const easy = told->easy_handle;
        long code = 0;
        if (told->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
        if (told->data.result != CURLE_OK || code != 200)
            return -EIO;
        curl_multi_remove_handle(multi, easy);
        if (next(easy) < 0)
            return -EIO;
    }
    return 0;
}

static void turn(void)
{
    struct epoll_event events[EVENTS_MAX];
    int active;
    const int got = epoll_wait(queue, events, EVENTS_MAX, wait_ms < 0 || wait_ms > 1000 ? 1000 : (int)wait_ms);
    for (int i = 0; i < got; i++) {
        const int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                         (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                         (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(multi, events[i].data.fd, what, &active);
    }
    if (got <= 0 || wait_ms == 0) {
        wait_ms = -1;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &active);
    }
}

static int curl_run(uint64_t count, struct answer *answer)
{
    int r = 0;
    (void)answer;
    left = count;
    running = (int)CLIENTS;
    for (unsigned i = 0; i < CLIENTS && r == 0; i++)
        r = next(easies[i]);
    while (running > 0 && r == 0) {
        turn();
        r = take_done();
    }
    return r;
}
#else
static int curl_open(const struct load_setup *setup, struct answer *answer)
{
    (void)setup;
    snprintf(answer->text, sizeof answer->text, "built without libcurl's headers");
    return 1;
}

static int curl_run(uint64_t count, struct answer *answer)
{
    (void)count;
    (void)answer;
    return 0;
}
#endif

const struct load_kind curl_load = {"curl", curl_open, curl_run};
