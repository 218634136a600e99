/* SPDX-License-Identifier: ISC
 *
 * The connector: who wins a race, what becomes of the losers, and how it ends when nobody wins.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

/* A port of 127.0.0.1 where nobody listens. */
static struct peer_address nobody(void)
{
    struct peer *peer = peer_start(&(struct peer_options){.manner = PEER_LISTENS_ONLY});
    const uint16_t port = peer_port(peer);
    peer_stop(peer);
    return loopback(AF_INET, port, NULL);
}

static struct tls_settings *trusting(void)
{
    const struct evpool_tls tls = {.bytes = sizeof(tls), .ca_file = certificate_file("ca.pem")};
    struct tls_settings *settings = NULL;
    assert_int_equal(tls_settings_new(&settings, &tls, "good.test", NULL), 0);
    return settings;
}

/* Losers that are on their way out. */
static void let_losers_leave(struct evloop *loop)
{
    for (int i = 0; i < 5; i++)
        evloop_run_once(loop, 2 * MS);
}

static void expect_echo(struct evloop *loop, struct stream *stream)
{
    char answer[16];
    assert_int_equal(ask(loop, stream, "hello", answer, sizeof(answer)), 5);
}

static void expect_code(struct dialling *dialling, enum evpool_code code)
{
    char printed[512];
    evpool_error_print(dialling->connector.error, printed, sizeof(printed));
    if (evpool_error_code(dialling->connector.error) != code)
        fail_msg("wanted %s, got %s", evpool_code_name(code), printed);
    evpool_error_free(dialling->connector.error);
    dialling->connector.error = NULL;
}

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

/* ---- races ---- */

static void race__first_black_holed__second_after_the_delay(struct loop_fixture *f)
{
    struct full_listener full;
    struct peer *peer = peer_start(&(struct peer_options){0});
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct dialling dialling = {.connector.attempt_delay_ns = 80 * MS};
    dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    const uint64_t began_ns = evloop_update_now(f->loop);
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    const uint64_t took_ns = evloop_update_now(f->loop) - began_ns;
    assert_true(took_ns >= 80 * MS && took_ns < 1000 * MS);
    assert_true(dialling.connector.connect_ns < 80 * MS); /* the winner's own */
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[1]);
    assert_int_equal(dialling.targets[0].code, EVPOOL_ERROR_cancelled);
    let_losers_leave(f->loop);
    stream_close(stream);
    peer_stop(peer);
    full_listener_close(&full);
}

static void race__both_families_good__the_first_wins_alone(struct loop_fixture *f)
{
    struct peer *six = peer_start(&(struct peer_options){.family = AF_INET6});
    struct peer *four = peer_start(&(struct peer_options){0});
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_INET6, peer_port(six), NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(four), NULL));
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[0]);
    assert_int_equal(dialling.targets[1].tried, 0);
    assert_int_equal(dialling.connector.attempts, 1);
    stream_close(stream);
    peer_stop(six);
    peer_stop(four);
}

static void race__ipv6_black_holed__ipv4_after_the_delay(struct loop_fixture *f)
{
    struct full_listener full;
    struct peer *four = peer_start(&(struct peer_options){0});
    assert_int_equal(full_listener_tcp(&full, AF_INET6), 0);
    struct dialling dialling = {.connector.attempt_delay_ns = 30 * MS};
    dialling_add(&dialling, loopback(AF_INET6, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(four), NULL));
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    assert_int_equal(dialling.connector.winner->peer.address.ss_family, AF_INET);
    let_losers_leave(f->loop);
    stream_close(stream);
    peer_stop(four);
    full_listener_close(&full);
}

static void race__many_black_holed__all_descriptors_closed(struct loop_fixture *f)
{
    struct full_listener full;
    struct peer *peer = peer_start(&(struct peer_options){0});
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct dialling dialling = {.connector.attempt_delay_ns = 1 * MS};
    for (int i = 0; i < 15; i++)
        dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    const unsigned before = descriptors_open();
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    LOOP_UNTIL(f->loop, peer_accepted(peer) == 1);
    let_losers_leave(f->loop);
    assert_int_equal(descriptors_open(), before + 2); /* ours and the peer's */
    for (int i = 0; i < 15; i++)
        assert_int_equal(dialling.targets[i].code, EVPOOL_ERROR_cancelled);
    stream_close(stream);
    peer_stop(peer);
    full_listener_close(&full);
}

static void race__many_good_at_once__one_wins_others_closed(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){0});
    for (int round = 0; round < 20; round++) {
        struct dialling dialling = {.connector.attempt_delay_ns = 1};
        for (int i = 0; i < 8; i++)
            dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
        dialling_start(&dialling, f->loop, NULL);
        struct stream *stream = dialling_finish(&dialling);
        unsigned won = 0;
        for (int i = 0; i < 8; i++) {
            won += dialling.targets[i].tried && dialling.targets[i].code == EVPOOL_OK;
            assert_true(dialling.targets[i].code == EVPOOL_OK || dialling.targets[i].code == EVPOOL_ERROR_cancelled);
        }
        assert_int_equal(won, 1);
        let_losers_leave(f->loop);
        stream_close(stream);
    }
    peer_stop(peer);
}

/* ---- TLS ---- */

static void handshake__bad_certificate__next_target(struct loop_fixture *f)
{
    struct peer *bad = peer_start(&(struct peer_options){.certificate = "expired"});
    struct peer *good = peer_start(&(struct peer_options){.certificate = "good"});
    struct tls_settings *settings = trusting();
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_INET, peer_port(bad), NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(good), NULL));
    dialling_start(&dialling, f->loop, settings);
    struct stream *stream = dialling_finish(&dialling);
    expect_echo(f->loop, stream);
    assert_int_equal(dialling.targets[0].code, EVPOOL_ERROR_tls_untrusted);
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[1]);
    assert_true(dialling.connector.tls_ns > 0);
    stream_close(stream);
    tls_settings_free(settings);
    peer_stop(bad);
    peer_stop(good);
}

static void handshake__winner_stalls__loser_gets_another_turn(struct loop_fixture *f)
{
    struct full_listener full;
    struct peer *stalls = peer_start(&(struct peer_options){.manner = PEER_STALLS});
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct tls_settings *settings = trusting();
    struct dialling dialling = {.connector = {.attempt_delay_ns = 10 * MS, .tls_timeout_ns = 300 * MS}};
    dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(stalls), NULL));
    dialling_start(&dialling, f->loop, settings);
    LOOP_UNTIL(f->loop, dialling.targets[0].code == EVPOOL_ERROR_cancelled);
    full_listener_close(&full);
    struct peer *good = peer_start(&(struct peer_options){.certificate = "good", .port = full.port});
    assert_non_null(good);
    struct stream *stream = dialling_finish(&dialling);
    expect_echo(f->loop, stream);
    assert_ptr_equal(dialling.connector.winner, &dialling.targets[0]);
    assert_int_equal(dialling.targets[0].tried, 2);
    assert_int_equal(dialling.targets[1].code, EVPOOL_ERROR_tls_timeout);
    assert_int_equal(dialling.connector.attempts, 3);
    stream_close(stream);
    tls_settings_free(settings);
    peer_stop(stalls);
    peer_stop(good);
}

/* ---- cancelling ---- */

static void expect_cancelled(struct loop_fixture *f, struct dialling *dialling)
{
    connector_cancel(&dialling->connector);
    connector_cancel(&dialling->connector);
    assert_int_equal(dialling->ended, 0);
    assert_null(dialling_finish(dialling));
    assert_int_equal(evpool_error_errno(dialling->connector.error), ECANCELED);
    expect_code(dialling, EVPOOL_ERROR_cancelled);
    connector_cancel(&dialling->connector); /* not busy: nothing */
    let_losers_leave(f->loop);
    assert_int_equal(dialling->ended, 1);
}

static void cancel__before_it_began__cancelled(struct loop_fixture *f)
{
    struct dialling dialling = {0};
    dialling_add(&dialling, nobody());
    dialling_start(&dialling, f->loop, NULL);
    expect_cancelled(f, &dialling);
    assert_int_equal(dialling.targets[0].tried, 0);
}

static void cancel__attempts_under_way__cancelled(struct loop_fixture *f)
{
    struct full_listener full;
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct dialling dialling = {.connector.attempt_delay_ns = 1 * MS};
    for (int i = 0; i < 4; i++)
        dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_start(&dialling, f->loop, NULL);
    LOOP_UNTIL(f->loop, dialling.connector.attempts == 3);
    expect_cancelled(f, &dialling);
    assert_int_equal(dialling.targets[0].code, EVPOOL_ERROR_cancelled);
    full_listener_close(&full);
}

static void cancel__in_handshake__cancelled(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.manner = PEER_STALLS});
    struct tls_settings *settings = trusting();
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    dialling_start(&dialling, f->loop, settings);
    LOOP_UNTIL(f->loop, dialling.connector.connect_ns);
    expect_cancelled(f, &dialling);
    tls_settings_free(settings);
    peer_stop(peer);
}

static void cancel__after_any_number_of_iterations__one_callback(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good"});
    struct tls_settings *settings = trusting();
    for (int iterations = 0, early = 1; early; iterations++) {
        struct dialling dialling = {0};
        dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
        dialling_start(&dialling, f->loop, settings);
        for (int i = 0; i < iterations && !dialling.ended; i++)
            evloop_run_once(f->loop, 50 * MS);
        early = !dialling.ended;
        connector_cancel(&dialling.connector);
        struct stream *stream = dialling_finish(&dialling);
        assert_int_equal(stream == NULL, early);
        if (early)
            expect_code(&dialling, EVPOOL_ERROR_cancelled);
        stream_close(stream);
        let_losers_leave(f->loop);
        assert_true(iterations < 200);
    }
    tls_settings_free(settings);
    peer_stop(peer);
}

static void loop_free__race_under_way__callback_and_no_leak(struct loop_fixture *f)
{
    struct full_listener full;
    struct evloop *loop = NULL;
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    assert_int_equal(
        evloop_new(&loop, &(struct evloop_options){.bytes = sizeof(struct evloop_options), .backend = f->backend}), 0);
    struct dialling dialling = {.connector.attempt_delay_ns = 1 * MS};
    for (int i = 0; i < 4; i++)
        dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_start(&dialling, loop, NULL);
    LOOP_UNTIL(loop, dialling.connector.attempts == 2);
    evloop_free(loop);
    assert_int_equal(dialling.ended, 1);
    expect_code(&dialling, EVPOOL_ERROR_cancelled);
    full_listener_close(&full);
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
        LOOP_CASE(race__first_black_holed__second_after_the_delay),
        LOOP_CASE(race__both_families_good__the_first_wins_alone),
        LOOP_CASE(race__ipv6_black_holed__ipv4_after_the_delay),
        LOOP_CASE(race__many_black_holed__all_descriptors_closed),
        LOOP_CASE(race__many_good_at_once__one_wins_others_closed),
        LOOP_CASE(handshake__bad_certificate__next_target),
        LOOP_CASE(handshake__winner_stalls__loser_gets_another_turn),
        LOOP_CASE(cancel__before_it_began__cancelled),
        LOOP_CASE(cancel__attempts_under_way__cancelled),
        LOOP_CASE(cancel__in_handshake__cancelled),
        LOOP_CASE(cancel__after_any_number_of_iterations__one_callback),
        LOOP_CASE(loop_free__race_under_way__callback_and_no_leak),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("connector", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
