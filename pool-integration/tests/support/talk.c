/* SPDX-License-Identifier: ISC
 *
 * A server and one stream to it.
 */
#include "talk.h"

#include "certificates.h"
#include "dial.h"
#include "peer.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>

struct talk talk_begin(struct loop_fixture *f, int tls_version)
{
    struct talk talk = {.loop = f->loop};
    talk.peer =
        peer_start(&(struct peer_options){.certificate = tls_version ? "good" : NULL, .tls_version = tls_version});
    assert_non_null(talk.peer);
    const struct evpool_tls tls = {.bytes = sizeof(tls), .ca_file = certificate_file("ca.pem")};
    if (tls_version)
        assert_int_equal(tls_settings_new(&talk.settings, &tls, "good.test", NULL), 0);
    talk.stream = dial(f->loop, peer_port(talk.peer), talk.settings, NULL);
    return talk;
}

void talk_end(struct talk *talk)
{
    stream_close(talk->stream);
    tls_settings_free(talk->settings);
    peer_stop(talk->peer);
}

void talk_each(struct loop_fixture *f, void (*run)(struct talk *talk))
{
    static const int versions[] = {0, TLS1_3_VERSION, TLS1_2_VERSION};
    for (int i = 0; i < 3; i++) {
        struct talk talk = talk_begin(f, versions[i]);
        run(&talk);
        talk_end(&talk);
    }
}

void talk_tell(struct talk *talk, const char *text)
{
    assert_int_equal(write_now(talk->loop, talk->stream, text, strlen(text)), strlen(text));
}

void talk_await(struct talk *talk)
{
    struct pollfd news = {.fd = stream_fd(talk->stream), .events = POLLIN};
    assert_int_equal(poll(&news, 1, 5000), 1);
}

void talk_echo(struct talk *talk)
{
    char answer[32];
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask(talk->loop, talk->stream, "hello there", answer, sizeof(answer)), 11);
        assert_string_equal(answer, "hello there");
    }
    assert_int_equal(write_now(talk->loop, talk->stream, "", 0), 0);
    assert_int_equal(read_now(talk->loop, talk->stream, answer, 0), 0);
}
