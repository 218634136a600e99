/* SPDX-License-Identifier: ISC
 *
 * Streams for tests.
 */
#include "dial.h"

#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "certificates.h"
#include "loop_fixture.h"
#include "peer.h"

struct peer_address loopback(int family, uint16_t port, const char *path)
{
    struct peer_address peer = {.address.ss_family = (sa_family_t)family};
    struct sockaddr_in *in4 = (void *)&peer.address;
    struct sockaddr_in6 *in6 = (void *)&peer.address;
    struct sockaddr_un *local = (void *)&peer.address;
    if (family == AF_UNIX) {
        snprintf(local->sun_path, sizeof(local->sun_path), "%s", path);
        peer.bytes = sizeof(*local);
    } else if (family == AF_INET6) {
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons(port);
        peer.bytes = sizeof(*in6);
    } else {
        in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in4->sin_port = htons(port);
        peer.bytes = sizeof(*in4);
    }
    return peer;
}

void dialling_add(struct dialling *dialling, struct peer_address peer)
{
    struct connector_target *target = &dialling->targets[dialling->connector.targets_count++];
    target->peer = peer;
    target->address_id = dialling->connector.targets_count;
}

static void dialling_ended(struct connector *connector)
{
    ((struct dialling *)connector)->ended++;
}

void dialling_start(struct dialling *dialling, struct evloop *loop, struct tls_settings *tls)
{
    struct connector *connector = &dialling->connector;
    connector->loop = loop;
    connector->targets = dialling->targets;
    connector->tls = tls;
    connector->call = dialling_ended;
    connector->attempt_delay_ns = connector->attempt_delay_ns ? connector->attempt_delay_ns : 100 * MS;
    connector->connect_timeout_ns = connector->connect_timeout_ns ? connector->connect_timeout_ns : 2000 * MS;
    connector->tls_timeout_ns = connector->tls_timeout_ns ? connector->tls_timeout_ns : 2000 * MS;
    connector_start(connector);
    assert_int_equal(dialling->ended, 0);
}

struct stream *dialling_finish(struct dialling *dialling)
{
    LOOP_UNTIL(dialling->connector.loop, dialling->ended);
    assert_int_equal(dialling->ended, 1);
    assert_true(!dialling->connector.stream != !dialling->connector.error);
    assert_true(!dialling->connector.stream == !dialling->connector.winner);
    return dialling->connector.stream;
}

struct stream *dial(struct evloop *loop, uint16_t port, struct tls_settings *tls, struct evpool_error **ret_error)
{
    struct dialling dialling = {0};
    dialling_add(&dialling, loopback(AF_INET, port, NULL));
    dialling_start(&dialling, loop, tls);
    struct stream *stream = dialling_finish(&dialling);
    if (ret_error) {
        *ret_error = dialling.connector.error;
    } else if (!stream) {
        char text[512];
        evpool_error_print(dialling.connector.error, text, sizeof(text));
        fail_msg("%s", text);
    }
    return stream;
}

void note_io(struct stream_io *io, int64_t result)
{
    struct noted_io *noted = (struct noted_io *)io;
    noted->ended++;
    noted->result = result;
}

int64_t read_now(struct evloop *loop, struct stream *stream, void *buffer, size_t length)
{
    struct noted_io noted = {0};
    stream_read(stream, &noted.io, buffer, length, note_io);
    assert_int_equal(noted.ended, 0);
    LOOP_UNTIL(loop, noted.ended);
    return noted.result;
}

int64_t write_now(struct evloop *loop, struct stream *stream, const void *buffer, size_t length)
{
    struct noted_io noted = {0};
    stream_write(stream, &noted.io, buffer, length, note_io);
    assert_int_equal(noted.ended, 0);
    LOOP_UNTIL(loop, noted.ended);
    return noted.result;
}

int64_t ask(struct evloop *loop, struct stream *stream, const char *text, char *answer, size_t bytes)
{
    assert_int_equal(write_now(loop, stream, text, strlen(text)), strlen(text));
    const int64_t n = read_now(loop, stream, answer, bytes - 1);
    answer[n > 0 ? n : 0] = '\0';
    return n;
}

struct peer_address nobody(void)
{
    struct peer *peer = peer_start(&(struct peer_options){.manner = PEER_LISTENS_ONLY});
    const uint16_t port = peer_port(peer);
    peer_stop(peer);
    return loopback(AF_INET, port, NULL);
}

struct tls_settings *dial_settings(const char *host)
{
    const struct evpool_tls tls = {.bytes = sizeof(tls), .ca_file = certificate_file("ca.pem")};
    struct tls_settings *settings = NULL;
    assert_int_equal(tls_settings_new(&settings, &tls, host, NULL), 0);
    return settings;
}

void let_losers_leave(struct evloop *loop)
{
    for (int i = 0; i < 5; i++)
        evloop_run_once(loop, 2 * MS);
}

void expect_echo(struct evloop *loop, struct stream *stream)
{
    char answer[16];
    assert_int_equal(ask(loop, stream, "hello", answer, sizeof(answer)), 5);
}

void expect_code(struct dialling *dialling, enum evpool_code code)
{
    char printed[512];
    evpool_error_print(dialling->connector.error, printed, sizeof(printed));
    if (evpool_error_code(dialling->connector.error) != code)
        fail_msg("wanted %s, got %s", evpool_code_name(code), printed);
    evpool_error_free(dialling->connector.error);
    dialling->connector.error = NULL;
}

void secure_dial_start(struct secure_dial *dial, struct evloop *loop, const struct peer_options *first,
                       const struct peer_options *second)
{
    const struct peer_options *const options[2] = {first, second};
    dial->settings = dial_settings("good.test");
    for (unsigned i = 0; i < 2 && options[i]; i++) {
        dial->peers[i] = peer_start(options[i]);
        dialling_add(&dial->dialling, loopback(AF_INET, peer_port(dial->peers[i]), NULL));
    }
    dialling_start(&dial->dialling, loop, dial->settings);
}

void secure_dial_end(struct secure_dial *dial)
{
    tls_settings_free(dial->settings);
    for (unsigned i = 0; i < 2; i++)
        if (dial->peers[i])
            peer_stop(dial->peers[i]);
}
