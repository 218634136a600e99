/* SPDX-License-Identifier: ISC
 *
 * Sessions that appear in a directory: inotify, and a thread that turns its news into a futex, for readers sleep on futexes only.
 */
#include "reader/reader_private.h"

#include "reader/clock_live.h"
#include "reader/futex.h"
#include "reader/ocaml_input.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

struct evtrail_watch {
    int inotify, stop;
    bool thread_runs;
    pthread_t thread;
    _Atomic uint32_t word;
    size_t used, bytes; /* of buffer */
    char directory[400];
    struct evtrail_presence presence;
    struct evtrail_wish wish;
    _Alignas(struct inotify_event) char buffer[8192];
};

/* Tells of news, and again every millisecond until the reader has fetched it. */
static void *run(void *argument)
{
    struct evtrail_watch *watch = argument;
    struct pollfd fds[2] = {{.fd = watch->inotify, .events = POLLIN}, {.fd = watch->stop, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents)
            return NULL;
        if (!(fds[0].revents & POLLIN))
            continue;
        atomic_fetch_add_explicit(&watch->word, 1, memory_order_relaxed); /* the system call orders it */
        evtrail_futex_wake_all(&watch->word);
        evtrail_sleep(1000000);
    }
}

static int start_thread(struct evtrail_watch *watch)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the program's own threads' business */
    int result = pthread_create(&watch->thread, NULL, run, watch);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    watch->thread_runs = result == 0;
    return -result;
}

int evtrail_watch_new(struct evtrail_watch **ret_watch, const char *directory, uint64_t return_id, int64_t return_s)
{
    struct evtrail_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    snprintf(watch->directory, sizeof(watch->directory), "%s", directory);
    watch->presence.fd = watch->wish.fd = -1;
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->stop = eventfd(0, EFD_CLOEXEC);
    int result = 0;
    /* Not IN_CLOSE_WRITE: the mapping keeps the file open until the process ends. */
    if (watch->inotify < 0 || watch->stop < 0 ||
        inotify_add_watch(watch->inotify, directory, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
        result = -errno;
    if (result == 0)
        result = start_thread(watch);
    if (result == 0)
        evtrail_presence_begin(&watch->presence, directory);
    if (result == 0)
        evtrail_wish_begin(&watch->wish, directory, return_id, return_s);
    if (result < 0) {
        evtrail_watch_free(watch);
        return result;
    }
    *ret_watch = watch;
    return 0;
}

void evtrail_watch_free(struct evtrail_watch *watch)
{
    if (!watch)
        return;
    if (watch->thread_runs) {
        eventfd_write(watch->stop, 1);
        pthread_join(watch->thread, NULL);
    }
    evtrail_wish_end(&watch->wish);
    evtrail_presence_end(&watch->presence);
    if (watch->inotify >= 0)
        close(watch->inotify);
    if (watch->stop >= 0)
        close(watch->stop);
    free(watch);
}

static bool is_session_name(const char *name)
{
    size_t n = strlen(name);
    return (n > 6 && strcmp(name + n - 6, ".trail") == 0) || evtrail_ocaml_is_name(name);
}

void evtrail_watch_beat(struct evtrail_watch *watch)
{
    const uint64_t now = evtrail_monotonic_now();
    evtrail_presence_beat(&watch->presence, now);
    evtrail_wish_beat(&watch->wish, now);
}

bool evtrail_watch_next(struct evtrail_watch *watch, char *path, size_t bytes, bool *ret_rescan)
{
    *ret_rescan = false;
    evtrail_watch_beat(watch);
    for (;;) {
        if (watch->used == watch->bytes) {
            ssize_t n = read(watch->inotify, watch->buffer, sizeof(watch->buffer));
            if (n <= 0)
                return false;
            watch->used = 0;
            watch->bytes = (size_t)n;
        }
        const struct inotify_event *event = (const void *)(watch->buffer + watch->used);
        watch->used += sizeof(*event) + event->len;
        if (event->mask & IN_Q_OVERFLOW) {
            *ret_rescan = true;
            return false;
        }
        if (!event->len || !is_session_name(event->name))
            continue;
        int n = snprintf(path, bytes, "%s/%s", watch->directory, event->name);
        if (n > 0 && (size_t)n < bytes)
            return true;
    }
}

const _Atomic uint32_t *evtrail_watch_word(const struct evtrail_watch *watch)
{
    return &watch->word;
}
