/* SPDX-License-Identifier: ISC
 *
 * The connector's races: who wins, what becomes of the losers, and cancelling at every stage.
 */
#include <stddef.h>
#include <stdint.h>

#include <errno.h>

#include "certificates.h"
#include "dial.h"
#include "full_listener.h"
#include "loop_fixture.h"
#include "memory_fault.h"
#include "peer.h"

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
    struct secure_dial dial = {0};
    secure_dial_start(&dial, f->loop, &(struct peer_options){.certificate = "expired"},
                      &(struct peer_options){.certificate = "good"});
    struct stream *stream = dialling_finish(&dial.dialling);
    expect_echo(f->loop, stream);
    assert_int_equal(dial.dialling.targets[0].code, EVPOOL_ERROR_tls_untrusted);
    assert_ptr_equal(dial.dialling.connector.winner, &dial.dialling.targets[1]);
    assert_true(dial.dialling.connector.tls_ns > 0);
    stream_close(stream);
    secure_dial_end(&dial);
}

static void handshake__winner_stalls__loser_gets_another_turn(struct loop_fixture *f)
{
    struct full_listener full;
    struct peer *stalls = peer_start(&(struct peer_options){.manner = PEER_STALLS});
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct tls_settings *settings = dial_settings("good.test");
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

static void handshake__memory_ends_anywhere__a_stream_or_memory_error(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good"});
    struct tls_settings *settings = dial_settings("good.test");
    for (unsigned allowed = 0, failed = 1; failed; allowed++) {
        struct evpool_error *error = NULL;
        memory_fault_after(allowed);
        struct stream *stream = dial(f->loop, peer_port(peer), settings, &error);
        failed = memory_fault_end();
        assert_true(stream || evpool_error_code(error) == EVPOOL_ERROR_memory);
        assert_true(failed || stream);
        evpool_error_free(error);
        stream_close(stream);
        assert_true(allowed < 100);
    }
    tls_settings_free(settings);
    peer_stop(peer);
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
    struct secure_dial dial = {0};
    secure_dial_start(&dial, f->loop, &(struct peer_options){.manner = PEER_STALLS}, NULL);
    LOOP_UNTIL(f->loop, dial.dialling.connector.connect_ns);
    expect_cancelled(f, &dial.dialling);
    secure_dial_end(&dial);
}

static void cancel__after_any_number_of_iterations__one_callback(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good"});
    struct tls_settings *settings = dial_settings("good.test");
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
        LOOP_CASE(race__first_black_holed__second_after_the_delay),
        LOOP_CASE(race__both_families_good__the_first_wins_alone),
        LOOP_CASE(race__ipv6_black_holed__ipv4_after_the_delay),
        LOOP_CASE(race__many_black_holed__all_descriptors_closed),
        LOOP_CASE(race__many_good_at_once__one_wins_others_closed),
        LOOP_CASE(handshake__bad_certificate__next_target),
        LOOP_CASE(handshake__winner_stalls__loser_gets_another_turn),
        LOOP_CASE(handshake__memory_ends_anywhere__a_stream_or_memory_error),
        LOOP_CASE(cancel__before_it_began__cancelled),
        LOOP_CASE(cancel__attempts_under_way__cancelled),
        LOOP_CASE(cancel__in_handshake__cancelled),
        LOOP_CASE(cancel__after_any_number_of_iterations__one_callback),
        LOOP_CASE(loop_free__race_under_way__callback_and_no_leak),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("race", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
