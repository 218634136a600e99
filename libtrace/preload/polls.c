/* SPDX-License-Identifier: ISC
 *
 * Hooks of what a thread waits in for descriptors: poll, select, epoll_wait and their kin.
 */
#include "preload.h"

static int64_t ns_of_ms(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000000;
}

static int64_t ns_of_timespec(const struct timespec *timeout)
{
    return timeout ? (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec : -1;
}

static int64_t ns_of_timeval(const struct timeval *timeout)
{
    return timeout ? (int64_t)timeout->tv_sec * 1000000000 + (int64_t)timeout->tv_usec * 1000 : -1;
}

#define READY LIBC_ARGS(result, result < 0 ? error : 0)
#define POLL(timeout_ns, real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(poll)) \
            return real_call; \
        LIBC_WAIT(poll, int, real_call, LIBC_ARGS(count, timeout_ns), READY); \
    } while (0)

HOOK int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    POLL(ns_of_ms(timeout_ms), libc_real.poll(fds, count, timeout_ms));
}

HOOK int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    POLL(ns_of_timespec(timeout), libc_real.ppoll(fds, count, timeout, mask));
}

/* What the compiler calls instead under _FORTIFY_SOURCE. */
HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
HOOK int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    POLL(ns_of_ms(timeout_ms), libc_real.__poll_chk(fds, count, timeout_ms, room));
}
HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                     size_t room);
HOOK int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                     size_t room)
{
    POLL(ns_of_timespec(timeout), libc_real.__ppoll_chk(fds, count, timeout, mask, room));
}

#define SELECT(timeout_ns, real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(select)) \
            return real_call; \
        LIBC_WAIT(select, int, real_call, LIBC_ARGS(limit, timeout_ns), READY); \
    } while (0)

HOOK int select(int limit, fd_set *reading, fd_set *writing, fd_set *except, struct timeval *timeout)
{
    SELECT(ns_of_timeval(timeout), libc_real.select(limit, reading, writing, except, timeout));
}

HOOK int pselect(int limit, fd_set *reading, fd_set *writing, fd_set *except, const struct timespec *timeout,
                 const sigset_t *mask)
{
    SELECT(ns_of_timespec(timeout), libc_real.pselect(limit, reading, writing, except, timeout, mask));
}

#define EPOLL(real_call) \
    do { \
        if (!LIBC_WAIT_WANTED(epoll)) \
            return real_call; \
        LIBC_WAIT(epoll, int, real_call, LIBC_ARGS(fd, ns_of_ms(timeout_ms)), READY); \
    } while (0)

HOOK int epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms)
{
    EPOLL(libc_real.epoll_wait(fd, events, room, timeout_ms));
}

HOOK int epoll_pwait(int fd, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask)
{
    EPOLL(libc_real.epoll_pwait(fd, events, room, timeout_ms, mask));
}
