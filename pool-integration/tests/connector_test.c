/* SPDX-License-Identifier: ISC
 *
 * The connector: what a connection is like, and what is said when there is none.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "certificates.h"
#include "dial.h"
#include "error_builder.h"
#include "full_listener.h"
#include "loop_fixture.h"
#include "memory_fault.h"
#include "peer.h"
#include "socket.h"

/* ---- one target ---- */

static int option_of(struct stream *stream, int level, int option)
{
    int value = 0;
    socklen_t bytes = sizeof(value);
    assert_int_equal(getsockopt(stream_fd(stream), level, option, &value, &bytes), 0);
    return value;
}

static void connect__tcp__socket_as_promised(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){0});
    struct stream *stream = dial(f->loop, peer_port(peer), NULL, NULL);
    assert_true(fcntl(stream_fd(stream), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(stream_fd(stream), F_GETFL) & O_NONBLOCK);
    assert_int_equal(option_of(stream, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_true(option_of(stream, IPPROTO_TCP, TCP_KEEPIDLE) <= 60);
    expect_echo(f->loop, stream);
    stream_close(stream);
    peer_stop(peer);
}

static void connect_family(struct loop_fixture *f, int family, const char *path)
{
    struct peer *peer = peer_start(&(struct peer_options){.family = family, .address = path});
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(family, peer_port(peer), path));
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    expect_echo(f->loop, stream);
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[0]);
    assert_int_equal(dialling.targets[0].code, EVPOOL_OK);
    assert_int_equal(dialling.connector.attempts, 1);
    assert_true(dialling.connector.connect_ns > 0);
    assert_int_equal(dialling.connector.tls_ns, 0);
    stream_close(stream);
    peer_stop(peer);
}

static void connect__each_family__stream(struct loop_fixture *f)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/evpool-connector.%d", (int)getpid());
    connect_family(f, AF_INET, NULL);
    connect_family(f, AF_INET6, NULL);
    connect_family(f, AF_UNIX, path);
}

static void connect__no_unix_socket_there__connect_failed(struct loop_fixture *f)
{
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_UNIX, 0, "/nowhere/socket"));
    dialling_start(&dialling, f->loop, NULL);
    assert_null(dialling_finish(&dialling));
    assert_int_equal(evpool_error_errno(dialling.connector.error), ENOENT);
    expect_code(&dialling, EVPOOL_ERROR_connect_failed);
}

static void connect__unix_backlog_full__waits_until_there_is_room(struct loop_fixture *f)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/evpool-full.%d", (int)getpid());
    struct full_listener full;
    assert_int_equal(full_listener_unix(&full, path), 0);
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_UNIX, 0, path));
    dialling_start(&dialling, f->loop, NULL);
    for (int i = 0; i < 10; i++)
        evloop_run_once(f->loop, 5 * MS);
    assert_int_equal(dialling.ended, 0);
    full_listener_drain(&full);
    struct stream *stream = dialling_finish(&dialling);
    assert_non_null(stream);
    stream_close(stream);
    full_listener_close(&full);
}

static void connect__unix_backlog_stays_full__connect_timeout(struct loop_fixture *f)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/evpool-full.%d", (int)getpid());
    struct full_listener full;
    assert_int_equal(full_listener_unix(&full, path), 0);
    struct dialling dialling = {.connector.connect_timeout_ns = 50 * MS};
    dialling_add(&dialling, loopback(AF_UNIX, 0, path));
    dialling_start(&dialling, f->loop, NULL);
    assert_null(dialling_finish(&dialling));
    expect_code(&dialling, EVPOOL_ERROR_connect_timeout);
    full_listener_close(&full);
}

static void connect__nobody_listens_but_ourselves__noticed(struct loop_fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, bytes), 0); /* TCP's simultaneous open */
    assert_true(socket_met_itself(fd));
    close(fd);
    assert_false(socket_met_itself(f->pair[0]));
}

/* ---- failures ---- */

static void race__first_refused__next_at_once(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){0});
    struct dialling dialling = {.connector.attempt_delay_ns = 3000 * MS};
    dialling_add(&dialling, nobody());
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    const uint64_t began_ns = evloop_update_now(f->loop);
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    assert_true(evloop_update_now(f->loop) - began_ns < 1000 * MS);
    assert_int_equal(dialling.targets[0].code, EVPOOL_ERROR_connect_refused);
    assert_int_equal(dialling.targets[0].error, ECONNREFUSED);
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[1]);
    assert_int_equal(dialling.connector.attempts, 2);
    assert_null(dialling.connector.error);
    stream_close(stream);
    peer_stop(peer);
}

static void race__all_refused__error_tells_every_attempt(struct loop_fixture *f)
{
    struct dialling dialling = {.connector = {.attempts_before = 3, .attempts_of = 6}};
    for (int i = 0; i < 3; i++)
        dialling_add(&dialling, nobody());
    dialling.connector.error =
        error_wrap(error_attempt(NULL, "earlier", EVPOOL_ERROR_connect_timeout, ETIMEDOUT, 3, 0, 0),
                   EVPOOL_ERROR_connect_timeout, ETIMEDOUT, 0, 0, "connect", "of an earlier round");
    dialling_start(&dialling, f->loop, NULL);
    assert_null(dialling_finish(&dialling));
    char printed[512], address[64], wanted[512];
    struct evpool_error *error = dialling.connector.error;
    evpool_error_print(error, printed, sizeof(printed));
    peer_address_print(&dialling.targets[2].peer, address, sizeof(address));
    snprintf(wanted, sizeof(wanted), "connection refused (connect) → %s, attempt 6 of 6, ", address);
    assert_memory_equal(printed, wanted, strlen(wanted));
    assert_int_equal(dialling.connector.attempts, 6);
    assert_int_equal(evpool_error_attempts(error), 4);
    assert_string_equal(evpool_error_attempt(error, 0)->address, "earlier");
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(evpool_error_attempt(error, i)->number, 3 + i);
        assert_int_equal(evpool_error_attempt(error, i)->error, ECONNREFUSED);
        assert_int_equal(dialling.targets[i - 1].tried, 1);
    }
    expect_code(&dialling, EVPOOL_ERROR_connect_refused);
}

static void race__black_holed_only__connect_timeout_each(struct loop_fixture *f)
{
    struct full_listener full;
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct dialling dialling = {.connector = {.connect_timeout_ns = 60 * MS, .attempt_delay_ns = 20 * MS}};
    dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    const uint64_t began_ns = evloop_update_now(f->loop);
    dialling_start(&dialling, f->loop, NULL);
    assert_null(dialling_finish(&dialling));
    const uint64_t took_ns = evloop_update_now(f->loop) - began_ns;
    assert_true(took_ns >= 80 * MS && took_ns < 1000 * MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dialling.targets[i].code, EVPOOL_ERROR_connect_timeout);
        assert_int_equal(dialling.targets[i].error, ETIMEDOUT);
        assert_true(dialling.targets[i].took_ns >= 60 * MS);
    }
    assert_string_equal(evpool_error_line(dialling.connector.error, 0)->text, "timed out (connect)");
    expect_code(&dialling, EVPOOL_ERROR_connect_timeout);
    full_listener_close(&full);
}

static void race__no_targets__invalid(struct loop_fixture *f)
{
    struct dialling dialling = {0};
    dialling_start(&dialling, f->loop, NULL);
    assert_null(dialling_finish(&dialling));
    expect_code(&dialling, EVPOOL_ERROR_invalid);
}

static void race__no_descriptors__said_so_and_others_not_tried(struct loop_fixture *f)
{
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    struct dialling dialling = {0};
    dialling_add(&dialling, nobody());
    dialling_add(&dialling, nobody());
    setrlimit(RLIMIT_NOFILE, &none);
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_null(stream);
    assert_int_equal(dialling.targets[0].error, EMFILE);
    assert_int_equal(dialling.targets[1].tried, 0);
    expect_code(&dialling, EVPOOL_ERROR_descriptors);
}

static void race__memory_ends_anywhere__a_stream_or_memory_error(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){0});
    for (unsigned allowed = 0, failed = 1; failed; allowed++) {
        struct dialling dialling = {0};
        dialling_add(&dialling, nobody());
        dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
        memory_fault_after(allowed);
        dialling_start(&dialling, f->loop, NULL);
        struct stream *stream = dialling_finish(&dialling);
        failed = memory_fault_end();
        if (!stream)
            expect_code(&dialling, EVPOOL_ERROR_memory);
        assert_true(failed || stream);
        stream_close(stream);
        assert_true(allowed < 100);
    }
    peer_stop(peer);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(connect__tcp__socket_as_promised),
        LOOP_CASE(connect__each_family__stream),
        LOOP_CASE(connect__no_unix_socket_there__connect_failed),
        LOOP_CASE(connect__unix_backlog_full__waits_until_there_is_room),
        LOOP_CASE(connect__unix_backlog_stays_full__connect_timeout),
        LOOP_CASE(connect__nobody_listens_but_ourselves__noticed),
        LOOP_CASE(race__first_refused__next_at_once),
        LOOP_CASE(race__all_refused__error_tells_every_attempt),
        LOOP_CASE(race__black_holed_only__connect_timeout_each),
        LOOP_CASE(race__no_targets__invalid),
        LOOP_CASE(race__no_descriptors__said_so_and_others_not_tried),
        LOOP_CASE(race__memory_ends_anywhere__a_stream_or_memory_error),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("connector", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
