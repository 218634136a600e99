/* SPDX-License-Identifier: ISC
 *
 * Cases of the traced program with files, sockets and waits for them. Compiled with _FORTIFY_SOURCE: some of the calls
 * go to __read_chk and the like.
 */
#include "traced.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ---- pipe ------------------------------------------------------------------------------------------------------ */

static void *drain(void *fd)
{
    char buffer[4096];
    long total = 0;
    for (ssize_t n; (n = read((int)(long)fd, buffer, sizeof(buffer))) != 0; total += n)
        WANT(n > 0);
    return (void *)total;
}

int case_pipe(void)
{
    static char data[5000];
    pthread_t reader;
    void *got;
    int fds[2];
    long total = 0;
    WANT(pipe(fds) == 0);
    WANT(pthread_create(&reader, NULL, drain, (void *)(long)fds[0]) == 0);
    for (size_t i = 0; i < 777; i++) {
        ssize_t n = write(fds[1], data, 1 + i * 5);
        WANT(n == (ssize_t)(1 + i * 5));
        total += n;
    }
    close(fds[1]);
    WANT(pthread_join(reader, &got) == 0 && (long)got == total);
    printf("%ld\n", total);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

int case_files(void)
{
    char path[] = "/tmp/evtrail-traced-XXXXXX", buffer[64];
    volatile size_t some = 8; /* the compiler must not know it, or calls read() and not __read_chk() */
    close(mkstemp(path));
    int fd = open(path, O_RDWR | O_TRUNC);
    WANT(fd >= 0);
    struct iovec parts[2] = {{buffer, 10}, {buffer, 20}};
    memset(buffer, 'x', sizeof(buffer));
    for (int i = 0; i < 10; i++) {
        WANT(pwrite(fd, buffer, 50, i * 50) == 50);
        WANT(pread(fd, buffer, some * 5, i * 50) == 40);
    }
    WANT(lseek(fd, 0, SEEK_SET) == 0 && read(fd, buffer, some) == 8);
    WANT(writev(fd, parts, 2) == 30 && pwritev(fd, parts, 2, 100) == 30);
    WANT(preadv(fd, parts, 2, 0) == 30 && readv(fd, parts, 2) == 30);
    WANT(fsync(fd) == 0 && fdatasync(fd) == 0);
    close(fd);
    fd = creat(path, 0600);
    WANT(fd >= 0 && close(fd) == 0);
    WANT(openat(AT_FDCWD, "/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
    fd = openat(AT_FDCWD, path, O_CREAT | O_WRONLY, 0640);
    int copy = dup(fd);
    WANT(fd >= 0 && copy >= 0 && close(fd) == 0 && close(copy) == 0);
    WANT(close(fd) == -1 && errno == EBADF);
    unlink(path);
    puts("files");
    return 0;
}

/* ---- sockets --------------------------------------------------------------------------------------------------- */

static void *serve(void *listener)
{
    char buffer[100];
    volatile size_t room = sizeof(buffer);
    int fd = accept((int)(long)listener, NULL, NULL);
    WANT(fd >= 0);
    for (int i = 0; i < 100; i++) {
        ssize_t n = recv(fd, buffer, room, MSG_WAITALL);
        WANT(n == 100 && send(fd, buffer, 10, MSG_NOSIGNAL) == 10);
    }
    struct iovec part = {buffer, 40};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    WANT(recvmsg(fd, &message, MSG_WAITALL) == 40 && sendmsg(fd, &message, MSG_NOSIGNAL) == 40);
    WANT(recvfrom(fd, buffer, room, 0, NULL, NULL) == 0); /* the peer has closed */
    close(fd);
    return NULL;
}

int case_sockets(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    char buffer[100] = "";
    pthread_t server;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 5) == 0);
    WANT(getsockname(listener, (struct sockaddr *)&address, &bytes) == 0);
    WANT(pthread_create(&server, NULL, serve, (void *)(long)listener) == 0);
    WANT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    for (int i = 0; i < 100; i++)
        WANT(send(fd, buffer, 100, MSG_NOSIGNAL) == 100 && recv(fd, buffer, 10, MSG_WAITALL) == 10);
    WANT(sendto(fd, buffer, 40, MSG_NOSIGNAL, NULL, 0) == 40 &&
         recvfrom(fd, buffer, 40, MSG_WAITALL, NULL, NULL) == 40);
    close(fd);
    pthread_join(server, NULL);
    close(listener);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    WANT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1 && errno == ECONNREFUSED);
    puts("sockets");
    return 0;
}

/* ---- waits ----------------------------------------------------------------------------------------------------- */

int case_waits(void)
{
    int fds[2];
    WANT(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    struct pollfd waiting[1] = {{fds[0], POLLIN, 0}};
    volatile nfds_t one = 1;
    const struct timespec ms = {0, 1000000};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event) == 0);
    for (int i = 0; i < 10; i++) {
        struct timeval time = {0, 1000};
        fd_set set;
        FD_ZERO(&set);
        FD_SET(fds[0], &set);
        WANT(poll(waiting, 1, 1) == 0 && poll(waiting, one, 1) == 0);
        WANT(ppoll(waiting, one, &ms, NULL) == 0 && ppoll(waiting, 1, &ms, NULL) == 0);
        WANT(select(fds[0] + 1, &set, NULL, NULL, &time) == 0);
        FD_SET(fds[0], &set);
        WANT(pselect(fds[0] + 1, &set, NULL, NULL, &ms, NULL) == 0);
        WANT(epoll_wait(epoll, &event, 1, 1) == 0 && epoll_pwait(epoll, &event, 1, 1, NULL) == 0);
    }
    WANT(write(fds[1], "x", 1) == 1);
    WANT(poll(waiting, 1, -1) == 1 && epoll_wait(epoll, &event, 1, -1) == 1);
    WANT(epoll_wait(-1, &event, 1, 0) == -1 && errno == EBADF);
    puts("waits");
    return 0;
}

/* ---- errno and bad arguments ----------------------------------------------------------------------------------- */

int case_errno(void)
{
    char byte;
    for (int i = 0; i < 3; i++) {
        errno = 99;
        int fd = open("/dev/null", O_RDWR);
        WANT(fd >= 0 && errno == 99);
        WANT(write(fd, "x", 1) == 1 && errno == 99);
        WANT(read(fd, &byte, 1) == 0 && errno == 99);
        WANT(close(fd) == 0 && errno == 99);
        WANT(read(-1, &byte, 1) == -1 && errno == EBADF);
        errno = 99;
        WANT(write(-1, &byte, 1) == -1 && errno == EBADF);
        WANT(fsync(-1) == -1 && errno == EBADF);
        WANT(open("/no/such/file", O_RDONLY) == -1 && errno == ENOENT);
        WANT(open("/dev/null/x", O_RDONLY) == -1 && errno == ENOTDIR);
        WANT(accept(-1, NULL, NULL) == -1 && errno == EBADF);
        WANT(send(0x7fffffff, &byte, 1, 0) == -1 && errno == EBADF);
    }
    puts("errno");
    return 0;
}

/* What the kernel answers with EFAULT must not make a hook fall over. */
int case_bad_pointers(void)
{
    char *volatile bad = (char *)16;
    static char wide[10000];
    memset(wide, 'w', sizeof(wide)); /* no end */
    int fds[2];
    WANT(pipe(fds) == 0);
    WANT(open(bad, O_RDONLY) == -1 && errno == EFAULT);
    WANT(openat(AT_FDCWD, bad, O_RDONLY) == -1 && errno == EFAULT);
    WANT(open(wide, O_RDONLY) == -1 && errno == ENAMETOOLONG);
    WANT(write(fds[1], bad, 10) == -1 && errno == EFAULT);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    WANT(connect(fd, (struct sockaddr *)bad, sizeof(struct sockaddr_in)) == -1 && errno == EFAULT);
    WANT(connect(fd, (struct sockaddr *)wide, 1) == -1);
    puts("bad");
    return 0;
}
