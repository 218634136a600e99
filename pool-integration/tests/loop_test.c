/* SPDX-License-Identifier: ISC
 *
 * The loop's operations, each with io_uring and with epoll.
 */
#include "loop_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- data ---- */

static void recv__data_is_there__read(struct loop_fixture *f)
{
    char text[8] = {0};
    struct told told = {0};
    assert_int_equal(5, write(f->pair[1], "hello", 5));
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    assert_int_equal(0, told.calls); /* never from within */
    assert_true(evloop_busy(&told.op));
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(5, told.result);
    assert_string_equal("hello", text);
    assert_false(evloop_busy(&told.op));
}

static void recv__data_comes_later__read(struct loop_fixture *f)
{
    char text[8] = {0};
    struct told told = {0};
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    assert_int_equal(0, evloop_run_once(f->loop, 1000000));
    assert_int_equal(3, write(f->pair[1], "abc", 3));
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(3, told.result);
    assert_string_equal("abc", text);
}

static void recv__peer_ends__zero(struct loop_fixture *f)
{
    char text[8];
    struct told told = {0};
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    assert_true(evloop_run_once(f->loop, 0) >= 0);
    assert_int_equal(0, shutdown(f->pair[1], SHUT_WR));
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(0, told.result);
}

static void recv__again_and_again__in_order(struct loop_fixture *f)
{
    for (int i = 0; i < 1000; i++) {
        int got = -1;
        struct told told = {0};
        evloop_recv(f->loop, &told.op, f->pair[0], &got, sizeof(got), tell);
        if (i % 3)
            assert_true(evloop_run_once(f->loop, 0) >= 0);
        assert_int_equal(sizeof(i), write(f->pair[1], &i, sizeof(i)));
        LOOP_UNTIL(f->loop, told.calls);
        assert_int_equal(sizeof(i), told.result);
        assert_int_equal(i, got);
    }
}

static void send__room__sent(struct loop_fixture *f)
{
    struct told told = {0};
    char text[8] = {0};
    evloop_send(f->loop, &told.op, f->pair[0], "hi", 2, tell);
    assert_int_equal(0, told.calls);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(2, told.result);
    assert_int_equal(2, read(f->pair[1], text, sizeof(text)));
    assert_string_equal("hi", text);
}

static void fill_up(int fd)
{
    static const char zeros[65536];
    while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT) > 0) {
    }
    assert_int_equal(EAGAIN, errno);
}

static void drain(int fd)
{
    static char buffer[65536];
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
    }
}

static void send__no_room__waits_for_it(struct loop_fixture *f)
{
    struct told told = {0};
    fill_up(f->pair[0]);
    evloop_send(f->loop, &told.op, f->pair[0], "hi", 2, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 1000000));
    drain(f->pair[1]);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(2, told.result);
}

static void send__peer_is_gone__epipe_and_no_signal(struct loop_fixture *f)
{
    struct told told = {0};
    close(f->pair[1]);
    f->pair[1] = -1;
    evloop_send(f->loop, &told.op, f->pair[0], "hi", 2, tell);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(-EPIPE, told.result);
}

static void recv_and_send__at_once_on_one__both_end(struct loop_fixture *f)
{
    char text[4];
    struct told reading = {0}, writing = {0};
    fill_up(f->pair[0]);
    evloop_recv(f->loop, &reading.op, f->pair[0], text, sizeof(text), tell);
    evloop_send(f->loop, &writing.op, f->pair[0], "hi", 2, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(2, write(f->pair[1], "yo", 2));
    LOOP_UNTIL(f->loop, reading.calls);
    assert_int_equal(0, writing.calls);
    drain(f->pair[1]);
    LOOP_UNTIL(f->loop, writing.calls);
    assert_int_equal(2, reading.result);
    assert_int_equal(2, writing.result);
}

static void operation__bad_descriptor__ebadf_by_callback(struct loop_fixture *f)
{
    char text[4];
    struct told told[4] = {0};
    evloop_recv(f->loop, &told[0].op, -1, text, sizeof(text), tell);
    evloop_send(f->loop, &told[1].op, 100000, text, sizeof(text), tell);
    evloop_watch(f->loop, &told[2].op, -1, EPOLLIN, tell);
    evloop_poll(f->loop, &told[3].op, 100000, EPOLLIN, tell);
    for (int i = 0; i < 4; i++) {
        LOOP_UNTIL(f->loop, told[i].calls);
        assert_int_equal(-EBADF, told[i].result);
        assert_int_equal(0, told[i].more);
    }
}

/* ---- connecting ---- */

static void connect_accept__tcp__a_connection(struct loop_fixture *f)
{
    struct sockaddr_storage address, peer;
    const int listener = tcp_listen(8, &address);
    const int fd = tcp_socket();
    struct told accepted = {.op.address = &peer}, connected = {0};
    evloop_accept(f->loop, &accepted.op, listener, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    evloop_connect(f->loop, &connected.op, fd, &address, sizeof(struct sockaddr_in), tell);
    LOOP_UNTIL(f->loop, connected.calls && accepted.calls);
    assert_int_equal(0, connected.result);
    assert_true(accepted.result >= 0);
    assert_int_equal(SOCK_NONBLOCK, fcntl(accepted.result, F_GETFL) & O_NONBLOCK);
    assert_int_equal(FD_CLOEXEC, fcntl(accepted.result, F_GETFD));
    assert_int_equal(AF_INET, peer.ss_family);
    close(accepted.result);
    close(fd);
    close(listener);
}

static void connect__nobody_listens__refused(struct loop_fixture *f)
{
    struct sockaddr_storage address;
    close(tcp_listen(1, &address));
    const int fd = tcp_socket();
    struct told told = {0};
    evloop_connect(f->loop, &told.op, fd, &address, sizeof(struct sockaddr_in), tell);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(-ECONNREFUSED, told.result);
    close(fd);
}

static void connect__backlog_is_full__waits_until_cancelled(struct loop_fixture *f)
{
    struct sockaddr_storage address;
    const int listener = tcp_listen(0, &address);
    int fds[4];
    struct told told[4] = {0};
    for (int i = 0; i < 4; i++) {
        fds[i] = tcp_socket();
        evloop_connect(f->loop, &told[i].op, fds[i], &address, sizeof(struct sockaddr_in), tell);
    }
    LOOP_UNTIL(f->loop, told[0].calls);
    assert_true(evloop_run_once(f->loop, 20000000) >= 0);
    assert_true(evloop_busy(&told[3].op));
    evloop_cancel(f->loop, &told[3].op);
    LOOP_UNTIL(f->loop, told[3].calls);
    assert_int_equal(-ECANCELED, told[3].result);
    for (int i = 0; i < 4; i++)
        evloop_cancel(f->loop, &told[i].op);
    LOOP_UNTIL(f->loop, told[1].calls && told[2].calls);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close(listener);
}

static void connect__unix_socket__at_once_or_refused(struct loop_fixture *f)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_un *path = (struct sockaddr_un *)&address;
    path->sun_family = AF_UNIX;
    snprintf(path->sun_path, sizeof(path->sun_path), "/tmp/loop_test.%d.sock", (int)getpid());
    unlink(path->sun_path);
    for (int listens = 0; listens < 2; listens++) {
        const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (listens) {
            assert_int_equal(0, bind(listener, (struct sockaddr *)path, sizeof(*path)));
            assert_int_equal(0, listen(listener, 1));
        }
        struct told told = {0};
        evloop_connect(f->loop, &told.op, fd, &address, sizeof(*path), tell);
        assert_int_equal(0, told.calls);
        LOOP_UNTIL(f->loop, told.calls);
        assert_int_equal(listens ? 0 : -ENOENT, told.result);
        close(fd);
        close(listener);
    }
    unlink(path->sun_path);
}

/* ---- polling and watching ---- */

static void poll__readable__once(struct loop_fixture *f)
{
    struct told now = {0}, later = {0};
    evloop_poll(f->loop, &later.op, f->pair[0], EPOLLIN, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(1, write(f->pair[1], "x", 1));
    LOOP_UNTIL(f->loop, later.calls);
    assert_true(later.result & EPOLLIN);
    assert_int_equal(0, later.more);
    evloop_poll(f->loop, &now.op, f->pair[0], EPOLLIN | EPOLLOUT, tell); /* holds already */
    LOOP_UNTIL(f->loop, now.calls);
    assert_int_equal(EPOLLIN | EPOLLOUT, now.result & (EPOLLIN | EPOLLOUT));
    assert_int_equal(1, later.calls);
}

static void poll__in_and_out_apart_on_one__each_its_own(struct loop_fixture *f)
{
    struct told in = {0}, out = {0};
    fill_up(f->pair[0]);
    evloop_poll(f->loop, &in.op, f->pair[0], EPOLLIN, tell);
    evloop_poll(f->loop, &out.op, f->pair[0], EPOLLOUT, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    drain(f->pair[1]);
    LOOP_UNTIL(f->loop, out.calls);
    assert_int_equal(0, in.calls);
    assert_int_equal(1, write(f->pair[1], "x", 1));
    LOOP_UNTIL(f->loop, in.calls);
}

static void cancel_and_wait(struct evloop *loop, struct told *told)
{
    evloop_cancel(loop, &told->op);
    LOOP_UNTIL(loop, !evloop_busy(&told->op));
    assert_int_equal(-ECANCELED, told->result);
    assert_int_equal(0, told->more);
}

static void watch__fin_while_recv_waits__both_told(struct loop_fixture *f)
{
    int pair[2];
    tcp_pair(pair);
    char text[4];
    struct told watch = {0}, reading = {0};
    evloop_watch(f->loop, &watch.op, pair[0], EPOLLRDHUP, tell);
    evloop_recv(f->loop, &reading.op, pair[0], text, sizeof(text), tell);
    assert_int_equal(0, evloop_run_once(f->loop, 1000000));
    assert_int_equal(1, write(pair[1], "x", 1));
    LOOP_UNTIL(f->loop, reading.calls);
    assert_int_equal(1, reading.result);
    assert_int_equal(0, watch.calls);
    evloop_recv(f->loop, &reading.op, pair[0], text, sizeof(text), tell);
    assert_int_equal(0, shutdown(pair[1], SHUT_WR));
    LOOP_UNTIL(f->loop, reading.calls == 2 && watch.calls);
    assert_int_equal(0, reading.result);
    assert_true(watch.result & EPOLLRDHUP);
    assert_int_equal(1, watch.more);
    cancel_and_wait(f->loop, &watch);
    close(pair[0]);
    close(pair[1]);
}

static void watch__rst__told(struct loop_fixture *f)
{
    int pair[2];
    tcp_pair(pair);
    struct told watch = {0};
    evloop_watch(f->loop, &watch.op, pair[0], EPOLLRDHUP, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    const struct linger hard = {.l_onoff = 1};
    assert_int_equal(0, setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
    close(pair[1]);
    LOOP_UNTIL(f->loop, watch.calls);
    assert_true(watch.result & (EPOLLERR | EPOLLHUP));
    assert_int_equal(1, watch.more);
    cancel_and_wait(f->loop, &watch);
    close(pair[0]);
}

static void watch__end_was_before_it__told(struct loop_fixture *f)
{
    struct told watch = {0}, first = {0};
    fill_up(f->pair[0]);
    evloop_send(f->loop, &first.op, f->pair[0], "x", 1, tell); /* the descriptor is known to the loop already */
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(0, shutdown(f->pair[1], SHUT_WR));
    evloop_watch(f->loop, &watch.op, f->pair[0], EPOLLRDHUP, tell);
    LOOP_UNTIL(f->loop, watch.calls);
    assert_true(watch.result & EPOLLRDHUP);
    cancel_and_wait(f->loop, &watch);
    cancel_and_wait(f->loop, &first);
}

static void watch__data_that_another_reads__loop_sleeps(struct loop_fixture *f)
{
    struct told watch = {0};
    char text[4];
    evloop_watch(f->loop, &watch.op, f->pair[0], EPOLLRDHUP, tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(1, write(f->pair[1], "x", 1));
        assert_int_equal(0, evloop_run_once(f->loop, 0));
        assert_int_equal(1, read(f->pair[0], text, sizeof(text)));
    }
    assert_int_equal(0, watch.calls);
    cancel_and_wait(f->loop, &watch);
}

static void watch__input__told_each_time(struct loop_fixture *f)
{
    struct told watch = {0};
    char text[4];
    evloop_watch(f->loop, &watch.op, f->pair[0], EPOLLIN, tell);
    for (int i = 1; i <= 20; i++) {
        assert_true(evloop_run_once(f->loop, 0) >= 0);
        const int before = watch.calls;
        assert_int_equal(1, write(f->pair[1], "x", 1));
        LOOP_UNTIL(f->loop, watch.calls > before);
        assert_int_equal(1, read(f->pair[0], text, sizeof(text)));
    }
    cancel_and_wait(f->loop, &watch);
}

static void cancel_watch_in_callback(struct evloop_op *op, int result)
{
    tell(op, result);
    if (op->more)
        evloop_cancel((struct evloop *)op->buffer, op);
}

static void watch__cancelled_in_its_callback__ends_once(struct loop_fixture *f)
{
    struct told watch = {.op.buffer = f->loop};
    evloop_watch(f->loop, &watch.op, f->pair[0], EPOLLIN, cancel_watch_in_callback);
    assert_int_equal(1, write(f->pair[1], "x", 1));
    LOOP_UNTIL(f->loop, !evloop_busy(&watch.op));
    assert_int_equal(2, watch.calls);
    assert_int_equal(-ECANCELED, watch.result);
}

/* ---- cancelling ---- */

static void cancel__before_it_was_submitted__canceled(struct loop_fixture *f)
{
    char text[4];
    struct told told = {0};
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    evloop_cancel(f->loop, &told.op);
    evloop_cancel(f->loop, &told.op);
    assert_int_equal(0, told.calls);
    LOOP_UNTIL(f->loop, told.calls);
    assert_int_equal(-ECANCELED, told.result);
}

static void cancel__in_flight__canceled_and_data_kept(struct loop_fixture *f)
{
    char text[4];
    struct told told = {0};
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    cancel_and_wait(f->loop, &told);
    assert_int_equal(1, write(f->pair[1], "x", 1));
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(1, told.calls);
    assert_int_equal(1, read(f->pair[0], text, sizeof(text)));
}

static void cancel__done_already__result_or_nothing(struct loop_fixture *f)
{
    char text[4];
    struct told told = {0};
    assert_int_equal(1, write(f->pair[1], "x", 1));
    evloop_recv(f->loop, &told.op, f->pair[0], text, sizeof(text), tell);
    LOOP_UNTIL(f->loop, told.calls);
    evloop_cancel(f->loop, &told.op);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(1, told.calls);
    assert_int_equal(1, told.result);
}

/* The first to be called cancels the other, whose result is known too. */
static struct told race[2];
static struct evloop *race_loop;
static void cancel_other(struct evloop_op *op, int result)
{
    tell(op, result);
    evloop_cancel(race_loop, &race[op == &race[0].op].op);
}

static void cancel__from_a_callback_of_the_same_batch__each_called_once(struct loop_fixture *f)
{
    char text[2];
    memset(race, 0, sizeof(race));
    race_loop = f->loop;
    evloop_recv(f->loop, &race[0].op, f->pair[0], &text[0], 1, cancel_other);
    evloop_recv(f->loop, &race[1].op, f->pair[1], &text[1], 1, cancel_other);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    assert_int_equal(1, write(f->pair[1], "x", 1));
    assert_int_equal(1, write(f->pair[0], "x", 1));
    LOOP_UNTIL(f->loop, race[0].calls && race[1].calls);
    assert_int_equal(0, evloop_run_once(f->loop, 0));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(1, race[i].calls);
        assert_true(race[i].result == 1 || race[i].result == -ECANCELED);
    }
}

/* ---- closing ---- */

static void close__with_and_without_callback__closed(struct loop_fixture *f)
{
    struct told told = {0};
    char text[2];
    const unsigned before = descriptors_open();
    evloop_close(f->loop, &told.op, f->pair[0], tell);
    evloop_cancel(f->loop, &told.op); /* nothing to cancel */
    evloop_close(f->loop, NULL, dup(f->pair[1]), NULL);
    f->pair[0] = -1;
    LOOP_UNTIL(f->loop, told.calls);
    assert_true(evloop_run_once(f->loop, 0) >= 0);
    assert_int_equal(0, told.result);
    assert_int_equal(0, read(f->pair[1], text, sizeof(text)));
    assert_int_equal(before - 1, descriptors_open());
    struct evloop_figures figures;
    evloop_figures(f->loop, &figures);
    assert_int_equal(0, figures.in_flight);
}

static void close__number_used_again__operations_are_the_new_ones(struct loop_fixture *f)
{
    char text[4];
    for (int i = 0; i < 50; i++) {
        struct told reading = {0}, closing = {0};
        evloop_recv(f->loop, &reading.op, f->pair[0], text, sizeof(text), tell);
        assert_int_equal(0, evloop_run_once(f->loop, 0));
        assert_int_equal(1, write(f->pair[1], "x", 1));
        LOOP_UNTIL(f->loop, reading.calls);
        if (i % 2) {
            evloop_close(f->loop, &closing.op, f->pair[0], tell);
            LOOP_UNTIL(f->loop, closing.calls);
        } else {
            close(f->pair[0]); /* behind its back */
        }
        close(f->pair[1]);
        assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->pair));
    }
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(recv__data_is_there__read),
        LOOP_CASE(recv__data_comes_later__read),
        LOOP_CASE(recv__peer_ends__zero),
        LOOP_CASE(recv__again_and_again__in_order),
        LOOP_CASE(send__room__sent),
        LOOP_CASE(send__no_room__waits_for_it),
        LOOP_CASE(send__peer_is_gone__epipe_and_no_signal),
        LOOP_CASE(recv_and_send__at_once_on_one__both_end),
        LOOP_CASE(operation__bad_descriptor__ebadf_by_callback),
        LOOP_CASE(connect_accept__tcp__a_connection),
        LOOP_CASE(connect__nobody_listens__refused),
        LOOP_CASE(connect__backlog_is_full__waits_until_cancelled),
        LOOP_CASE(connect__unix_socket__at_once_or_refused),
        LOOP_CASE(poll__readable__once),
        LOOP_CASE(poll__in_and_out_apart_on_one__each_its_own),
        LOOP_CASE(watch__fin_while_recv_waits__both_told),
        LOOP_CASE(watch__rst__told),
        LOOP_CASE(watch__end_was_before_it__told),
        LOOP_CASE(watch__data_that_another_reads__loop_sleeps),
        LOOP_CASE(watch__input__told_each_time),
        LOOP_CASE(watch__cancelled_in_its_callback__ends_once),
        LOOP_CASE(cancel__before_it_was_submitted__canceled),
        LOOP_CASE(cancel__in_flight__canceled_and_data_kept),
        LOOP_CASE(cancel__done_already__result_or_nothing),
        LOOP_CASE(cancel__from_a_callback_of_the_same_batch__each_called_once),
        LOOP_CASE(close__with_and_without_callback__closed),
        LOOP_CASE(close__number_used_again__operations_are_the_new_ones),
    };
    return loop_fixture_run("loop", cases, sizeof(cases) / sizeof(*cases));
}
