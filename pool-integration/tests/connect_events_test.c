/* SPDX-License-Identifier: ISC
 *
 * What connecting tells by its events: every attempt and handshake, with its end and its outcome.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certificates.h"
#include "dial.h"
#include "full_listener.h"
#include "loop_fixture.h"
#include "own_events.h"
#include "peer.h"

#define CONNECTING "pool.attempt || pool.race.* || pool.tls"

static void begin(void)
{
    if (!own_events_begin("pool.*:trace")) {
        print_message("skipped: this process has no session, or the pool no trace points\n");
        skip();
    }
}

static void expect_events(const char *wanted)
{
    char *text = own_events(CONNECTING);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void events__refused_black_holed_good__each_attempt_and_the_race(struct loop_fixture *f)
{
    begin();
    struct full_listener full;
    struct peer *peer = peer_start(&(struct peer_options){0});
    assert_int_equal(full_listener_tcp(&full, AF_INET), 0);
    struct dialling dialling = {.connector = {.attempt_delay_ns = 20 * MS, .name_id = 7}};
    dialling_add(&dialling, nobody());
    dialling_add(&dialling, loopback(AF_INET, full.port, NULL));
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    dialling_start(&dialling, f->loop, NULL);
    struct stream *stream = dialling_finish(&dialling);
    let_losers_leave(f->loop);
    expect_events("pool.attempt( name=7 address=1 family=2 number=1\n"
                  "pool.attempt) address=1 code=7 error=111\n"
                  "pool.attempt( name=7 address=2 family=2 number=2\n"
                  "pool.attempt( name=7 address=3 family=2 number=3\n"
                  "pool.attempt) address=3 code=0 error=0\n"
                  "pool.attempt) address=2 code=17 error=125\n"
                  "pool.race.cancelled connect=0 address=2\n"
                  "pool.race.won connect=0 address=3 others=1\n");
    stream_close(stream);
    peer_stop(peer);
    full_listener_close(&full);
}

static void events__handshake_fails_then_works__both(struct loop_fixture *f)
{
    begin();
    struct secure_dial dial = {0};
    secure_dial_start(&dial, f->loop, &(struct peer_options){.certificate = "expired"},
                      &(struct peer_options){.certificate = "good"});
    struct stream *stream = dialling_finish(&dial.dialling);
    expect_events("pool.attempt( name=0 address=1 family=2 number=1\n"
                  "pool.attempt) address=1 code=0 error=0\n"
                  "pool.tls( address=1 server=good.test\n"
                  "pool.tls) code=12 resumed=0 version=null alpn=null\n"
                  "pool.attempt( name=0 address=2 family=2 number=2\n"
                  "pool.attempt) address=2 code=0 error=0\n"
                  "pool.tls( address=2 server=good.test\n"
                  "pool.tls) code=0 resumed=0 version=TLSv1.3 alpn=null\n");
    stream_close(stream);
    secure_dial_end(&dial);
}

static void events__cancelled_in_handshake__everything_ended(struct loop_fixture *f)
{
    begin();
    struct secure_dial dial = {0};
    secure_dial_start(&dial, f->loop, &(struct peer_options){.manner = PEER_STALLS}, NULL);
    LOOP_UNTIL(f->loop, dial.dialling.connector.connect_ns);
    connector_cancel(&dial.dialling.connector);
    assert_null(dialling_finish(&dial.dialling));
    expect_code(&dial.dialling, EVPOOL_ERROR_cancelled);
    let_losers_leave(f->loop);
    expect_events("pool.attempt( name=0 address=1 family=2 number=1\n"
                  "pool.attempt) address=1 code=0 error=0\n"
                  "pool.tls( address=1 server=good.test\n"
                  "pool.tls) code=17 resumed=0 version=null alpn=null\n");
    secure_dial_end(&dial);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(events__refused_black_holed_good__each_attempt_and_the_race),
        LOOP_CASE(events__handshake_fails_then_works__both),
        LOOP_CASE(events__cancelled_in_handshake__everything_ended),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("connect_events", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
