/* SPDX-License-Identifier: ISC
 *
 * What an idle stream tells: good while nothing came that anybody would read, and bad in every other case.
 */
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <poll.h>
#include <time.h>

#include "certificates.h"
#include "dial.h"
#include "loop_fixture.h"
#include "peer.h"
#include "talk.h"

/* ---- idle ---- */

static void idle_and_good(struct talk *talk)
{
    assert_int_equal(stream_idle_ok(talk->stream), 1);
    talk_echo(talk);
    assert_int_equal(stream_idle_ok(talk->stream), 1);
}

static void idle_ok__nothing_came__good(struct loop_fixture *f)
{
    talk_each(f, idle_and_good);
}

static void idle_and_talked_to(struct talk *talk)
{
    talk_tell(talk, "!talk");
    talk_await(talk);
    while (stream_idle_ok(talk->stream) && talk->settings) /* TLS 1.3's tickets may have come alone */
        talk_await(talk);
    assert_int_equal(stream_idle_ok(talk->stream), 0);
    char hello[8];
    assert_int_equal(read_now(talk->loop, talk->stream, hello, sizeof(hello)), 5);
}

static void idle_ok__unasked_bytes__bad_and_still_to_be_read(struct loop_fixture *f)
{
    talk_each(f, idle_and_talked_to);
}

static void idle_and_left(struct talk *talk)
{
    talk_tell(talk, "!bye");
    while (stream_idle_ok(talk->stream))
        talk_await(talk);
}

static void idle_and_cut(struct talk *talk)
{
    talk_tell(talk, "!cut");
    while (stream_idle_ok(talk->stream))
        talk_await(talk);
}

static void idle_and_reset(struct talk *talk)
{
    talk_tell(talk, "!rst");
    while (stream_idle_ok(talk->stream))
        talk_await(talk);
}

static void idle_ok__peer_ended_in_any_way__bad(struct loop_fixture *f)
{
    talk_each(f, idle_and_left);
    talk_each(f, idle_and_cut);
    talk_each(f, idle_and_reset);
}

static void idle_ok__answer_and_end_in_one_segment__bad(struct loop_fixture *f)
{
    struct talk talk = talk_begin(f, TLS1_3_VERSION);
    char byte;
    assert_int_equal(ask(f->loop, talk.stream, "x", &byte, 1), 0); /* reads nothing: the answer stays */
    talk_tell(&talk, "!bye");
    talk_await(&talk);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(read_now(f->loop, talk.stream, &byte, 1), 1);
    assert_int_equal(stream_idle_ok(talk.stream), 0);
    talk_end(&talk);
}

static void idle_ok__session_tickets_and_key_updates__good(struct loop_fixture *f)
{
    struct talk talk = talk_begin(f, TLS1_3_VERSION);
    talk_await(&talk); /* the first tickets come unasked */
    assert_int_equal(stream_idle_ok(talk.stream), 1);
    for (int i = 0; i < 4; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        while (stream_idle_ok(talk.stream) &&
               poll(&(struct pollfd){.fd = stream_fd(talk.stream), .events = POLLIN}, 1, 0) == 1)
            ;
        talk_tell(&talk, i % 2 ? "!key" : "!ticket");
        talk_await(&talk);
        assert_int_equal(stream_idle_ok(talk.stream), 1);
    }
    talk_echo(&talk);
    struct tls_settings *settings = talk.settings; /* and the tickets are of use */
    struct stream *second = dial(f->loop, peer_port(talk.peer), settings, NULL);
    char answer[64];
    assert_true(ask(f->loop, second, "!who", answer, sizeof(answer)) > 0);
    assert_memory_equal(answer, "resumed", 7);
    stream_close(second);
    talk_end(&talk);
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(idle_ok__nothing_came__good),
        LOOP_CASE(idle_ok__unasked_bytes__bad_and_still_to_be_read),
        LOOP_CASE(idle_ok__peer_ended_in_any_way__bad),
        LOOP_CASE(idle_ok__answer_and_end_in_one_segment__bad),
        LOOP_CASE(idle_ok__session_tickets_and_key_updates__good),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("idle", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
