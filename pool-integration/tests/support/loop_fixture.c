/* SPDX-License-Identifier: ISC
 *
 * A loop for a test, once with each backend.
 */
#include "loop_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned descriptors_open(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void run_case(void **state)
{
    const struct loop_case *one = ((void **)*state)[0];
    struct loop_fixture *f = ((void **)*state)[1];
    one->test(f);
}

static int set_up(void **state)
{
    struct loop_fixture *f = ((void **)*state)[1];
    f->descriptors = descriptors_open();
    const struct evloop_options options = {.bytes = sizeof(options),
                                           .backend = f->backend,
                                           .entries = ((struct loop_case *)((void **)*state)[0])->entries};
    const int error = evloop_new(&f->loop, &options);
    if (error == -EPERM || error == -ENOSYS) {
        printf("skipped: the kernel refuses io_uring here (%s)\n", strerror(-error));
        f->loop = NULL;
        return 0;
    }
    if (error < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, f->pair) < 0)
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    struct loop_fixture *f = ((void **)*state)[1];
    if (!f->loop && f->pair[0] == 0)
        return 0;
    evloop_free(f->loop);
    for (int i = 0; i < 2; i++)
        if (f->pair[i] >= 0)
            close(f->pair[i]);
    /* A server in a thread of the test may hold one for a moment, also when they were counted first. */
    unsigned left = descriptors_open();
    for (int look = 0; left > f->descriptors && look < 100; look++) {
        usleep(10000);
        left = descriptors_open();
    }
    if (left > f->descriptors)
        printf("%u descriptors before, %u after\n", f->descriptors, left);
    return left <= f->descriptors ? 0 : -1;
}

static void run_or_skip(void **state)
{
    if (!((struct loop_fixture *)((void **)*state)[1])->loop)
        skip();
    run_case(state);
}

int loop_fixture_run(const char *group, const struct loop_case *cases, size_t count)
{
    static const char *const names[] = {"io_uring", "epoll"};
    struct CMUnitTest *tests = calloc(2 * count, sizeof(*tests));
    struct loop_fixture *fixtures = calloc(2 * count, sizeof(*fixtures));
    void *(*states)[2] = calloc(2 * count, sizeof(*states));
    char(*texts)[128] = calloc(2 * count, sizeof(*texts));
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < 2 * count; i++) {
        fixtures[i].backend = i < count ? EVLOOP_URING : EVLOOP_EPOLL;
        states[i][0] = (void *)(uintptr_t)&cases[i % count];
        states[i][1] = &fixtures[i];
        snprintf(texts[i], sizeof(texts[i]), "%s: %s", names[i / count], cases[i % count].name);
        tests[i] = (struct CMUnitTest){texts[i], run_or_skip, set_up, tear_down, states[i]};
    }
    const int failed = _cmocka_run_group_tests(group, tests, 2 * count, NULL, NULL);
    free(tests);
    free(fixtures);
    free(states);
    free(texts);
    return failed;
}

void tell(struct evloop_op *op, int result)
{
    struct told *told = (struct told *)op;
    told->calls++;
    told->result = result;
    told->more = op->more;
}

int tcp_socket(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

int tcp_listen(int backlog, struct sockaddr_storage *ret_address)
{
    const int fd = tcp_socket();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&address, bytes));
    assert_int_equal(0, listen(fd, backlog));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&address, &bytes));
    memset(ret_address, 0, sizeof(*ret_address));
    memcpy(ret_address, &address, sizeof(address));
    return fd;
}

void tcp_pair(int pair[2])
{
    struct sockaddr_storage address;
    const int listener = tcp_listen(1, &address);
    pair[0] = tcp_socket();
    assert_true(connect(pair[0], (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == 0 || errno == EINPROGRESS);
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK);
    pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(pair[1] >= 0);
    close(listener);
}
