/* SPDX-License-Identifier: ISC
 *
 * The C library's functions that libevtrail-libc.so stands in front of: F(result, name, (parameters), (arguments)).
 */
#ifndef EVTRAIL_PRELOAD_FUNCTIONS_H
#define EVTRAIL_PRELOAD_FUNCTIONS_H

/* Those that dlsym() itself may call while it looks up the others; real.c answers them out of an arena until then. */
#define LIBC_HEAP_FUNCTIONS(F) \
    F(void *, malloc, (size_t size), (size)) \
    F(void *, calloc, (size_t count, size_t size), (count, size)) \
    F(void *, realloc, (void *old, size_t size), (old, size)) \
    F(void *, memalign, (size_t alignment, size_t size), (alignment, size)) \
    F(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))

#define LIBC_OTHER_FUNCTIONS(F) \
    F(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size)) \
    F(int, posix_memalign, (void **address, size_t alignment, size_t size), (address, alignment, size)) \
    F(void *, valloc, (size_t size), (size)) \
    F(void *, pvalloc, (size_t size), (size)) \
    F(int, pthread_mutex_lock, (pthread_mutex_t *mutex), (mutex)) \
    F(int, pthread_mutex_trylock, (pthread_mutex_t *mutex), (mutex)) \
    F(int, pthread_mutex_timedlock, (pthread_mutex_t *mutex, const struct timespec *until), (mutex, until)) \
    F(int, pthread_mutex_clocklock, (pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until), \
      (mutex, clock, until)) \
    F(int, pthread_cond_wait, (pthread_cond_t *cond, pthread_mutex_t *mutex), (cond, mutex)) \
    F(int, pthread_cond_timedwait, (pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until), \
      (cond, mutex, until)) \
    F(int, pthread_cond_clockwait, \
      (pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until), \
      (cond, mutex, clock, until)) \
    F(int, pthread_rwlock_rdlock, (pthread_rwlock_t *rwlock), (rwlock)) \
    F(int, pthread_rwlock_wrlock, (pthread_rwlock_t *rwlock), (rwlock)) \
    F(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *rwlock), (rwlock)) \
    F(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *rwlock), (rwlock)) \
    F(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t *rwlock, const struct timespec *until), (rwlock, until)) \
    F(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t *rwlock, const struct timespec *until), (rwlock, until)) \
    F(int, sem_wait, (sem_t *semaphore), (semaphore)) \
    F(int, sem_trywait, (sem_t *semaphore), (semaphore)) \
    F(int, sem_timedwait, (sem_t *semaphore, const struct timespec *until), (semaphore, until)) \
    F(int, sem_clockwait, (sem_t *semaphore, clockid_t clock, const struct timespec *until), (semaphore, clock, until)) \
    F(int, pthread_create, \
      (pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument), \
      (thread, attributes, function, argument)) \
    F(int, pthread_join, (pthread_t thread, void **result), (thread, result)) \
    F(int, pthread_setname_np, (pthread_t thread, const char *name), (thread, name)) \
    F(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode)) \
    F(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode)) \
    F(int, openat, (int directory, const char *path, int flags, mode_t mode), (directory, path, flags, mode)) \
    F(int, openat64, (int directory, const char *path, int flags, mode_t mode), (directory, path, flags, mode)) \
    F(int, __open_2, (const char *path, int flags), (path, flags)) \
    F(int, __open64_2, (const char *path, int flags), (path, flags)) \
    F(int, __openat_2, (int directory, const char *path, int flags), (directory, path, flags)) \
    F(int, __openat64_2, (int directory, const char *path, int flags), (directory, path, flags)) \
    F(int, creat, (const char *path, mode_t mode), (path, mode)) \
    F(int, creat64, (const char *path, mode_t mode), (path, mode)) \
    F(int, close, (int fd), (fd)) \
    F(int, dup, (int fd), (fd)) \
    F(int, dup2, (int fd, int to), (fd, to)) \
    F(int, dup3, (int fd, int to, int flags), (fd, to, flags)) \
    F(int, pipe, (int fds[2]), (fds)) \
    F(int, pipe2, (int fds[2], int flags), (fds, flags)) \
    F(ssize_t, read, (int fd, void *data, size_t bytes), (fd, data, bytes)) \
    F(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes)) \
    F(ssize_t, pread, (int fd, void *data, size_t bytes, off_t offset), (fd, data, bytes, offset)) \
    F(ssize_t, pread64, (int fd, void *data, size_t bytes, off64_t offset), (fd, data, bytes, offset)) \
    F(ssize_t, pwrite, (int fd, const void *data, size_t bytes, off_t offset), (fd, data, bytes, offset)) \
    F(ssize_t, pwrite64, (int fd, const void *data, size_t bytes, off64_t offset), (fd, data, bytes, offset)) \
    F(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count)) \
    F(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count)) \
    F(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset)) \
    F(ssize_t, preadv64, (int fd, const struct iovec *parts, int count, off64_t offset), (fd, parts, count, offset)) \
    F(ssize_t, pwritev, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset)) \
    F(ssize_t, pwritev64, (int fd, const struct iovec *parts, int count, off64_t offset), (fd, parts, count, offset)) \
    F(ssize_t, __read_chk, (int fd, void *data, size_t bytes, size_t room), (fd, data, bytes, room)) \
    F(ssize_t, __pread_chk, (int fd, void *data, size_t bytes, off_t offset, size_t room), \
      (fd, data, bytes, offset, room)) \
    F(ssize_t, __pread64_chk, (int fd, void *data, size_t bytes, off64_t offset, size_t room), \
      (fd, data, bytes, offset, room)) \
    F(int, fsync, (int fd), (fd)) \
    F(int, fdatasync, (int fd), (fd)) \
    F(int, socket, (int domain, int type, int protocol), (domain, type, protocol)) \
    F(int, connect, (int fd, const struct sockaddr *address, socklen_t bytes), (fd, address, bytes)) \
    F(int, accept, (int fd, struct sockaddr *address, socklen_t *bytes), (fd, address, bytes)) \
    F(int, accept4, (int fd, struct sockaddr *address, socklen_t *bytes, int flags), (fd, address, bytes, flags)) \
    F(ssize_t, send, (int fd, const void *data, size_t bytes, int flags), (fd, data, bytes, flags)) \
    F(ssize_t, sendto, \
      (int fd, const void *data, size_t bytes, int flags, const struct sockaddr *address, socklen_t address_bytes), \
      (fd, data, bytes, flags, address, address_bytes)) \
    F(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags)) \
    F(ssize_t, recv, (int fd, void *data, size_t bytes, int flags), (fd, data, bytes, flags)) \
    F(ssize_t, recvfrom, \
      (int fd, void *data, size_t bytes, int flags, struct sockaddr *address, socklen_t *address_bytes), \
      (fd, data, bytes, flags, address, address_bytes)) \
    F(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags)) \
    F(ssize_t, __recv_chk, (int fd, void *data, size_t bytes, size_t room, int flags), \
      (fd, data, bytes, room, flags)) \
    F(ssize_t, __recvfrom_chk, \
      (int fd, void *data, size_t bytes, size_t room, int flags, struct sockaddr *address, socklen_t *address_bytes), \
      (fd, data, bytes, room, flags, address, address_bytes)) \
    F(int, poll, (struct pollfd *fds, nfds_t count, int timeout_ms), (fds, count, timeout_ms)) \
    F(int, __poll_chk, (struct pollfd *fds, nfds_t count, int timeout_ms, size_t room), \
      (fds, count, timeout_ms, room)) \
    F(int, ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask), \
      (fds, count, timeout, mask)) \
    F(int, __ppoll_chk, \
      (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t room), \
      (fds, count, timeout, mask, room)) \
    F(int, select, (int limit, fd_set *reading, fd_set *writing, fd_set *except, struct timeval *timeout), \
      (limit, reading, writing, except, timeout)) \
    F(int, pselect, \
      (int limit, fd_set *reading, fd_set *writing, fd_set *except, const struct timespec *timeout, \
       const sigset_t *mask), \
      (limit, reading, writing, except, timeout, mask)) \
    F(int, epoll_wait, (int fd, struct epoll_event *events, int room, int timeout_ms), (fd, events, room, timeout_ms)) \
    F(int, epoll_pwait, (int fd, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask), \
      (fd, events, room, timeout_ms, mask))

#endif /* EVTRAIL_PRELOAD_FUNCTIONS_H */
