/* SPDX-License-Identifier: ISC
 *
 * TLS connections: who is let in and who is not, and what both sides are told; keys; reload; faults.
 */
#include "net_fixture.h"
#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR 3600L
#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct {
    struct pki pki;
    struct pki_signer ca, other;
    struct pki_certificate server, expired, renamed, foreign;
    struct pki_certificate client, client_expired, client_foreign, client_future;
    char ca_file[160], other_file[160];
} world;

static int make_world(void **state)
{
    struct pki *pki = &world.pki;
    static const char here[] = "DNS:localhost,IP:127.0.0.1";
    pki_init(pki);
    pki_signer_init(pki, &world.ca, "ca");
    pki_signer_init(pki, &world.other, "other");
    snprintf(world.ca_file, sizeof(world.ca_file), "%s/ca.pem", pki->folder);
    snprintf(world.other_file, sizeof(world.other_file), "%s/other.pem", pki->folder);
    world.server = pki_certificate(pki, &world.ca, "server", here, -HOUR, HOUR);
    world.expired = pki_certificate(pki, &world.ca, "expired", here, -2 * HOUR, -HOUR);
    world.renamed = pki_certificate(pki, &world.ca, "renamed", "DNS:collector.example", -HOUR, HOUR);
    world.foreign = pki_certificate(pki, &world.other, "foreign", here, -HOUR, HOUR);
    world.client = pki_certificate(pki, &world.ca, "client", "DNS:ignored,DNS:db1.hosts.example", -HOUR, HOUR);
    world.client_expired = pki_certificate(pki, &world.ca, "client-expired", "DNS:db1.hosts.example", -2 * HOUR, -HOUR);
    world.client_foreign = pki_certificate(pki, &world.other, "client-foreign", "DNS:db1.hosts.example", -HOUR, HOUR);
    world.client_future = pki_certificate(pki, &world.ca, "client-future", "DNS:db1.hosts.example", HOUR, 2 * HOUR);
    pki_revoked(pki, &world.ca, "revoked-none.crl", 0, HOUR);
    pki_revoked(pki, &world.ca, "revoked-client.crl", world.client.serial, HOUR);
    pki_revoked(pki, &world.ca, "revoked-server.crl", world.server.serial, HOUR);
    pki_revoked(pki, &world.ca, "revoked-old.crl", 0, -30);
    pki_file(pki, "keys", "# ours\nhost-a:" KEY_A "\nhost-b:" KEY_B "\n", 0600);
    pki_file(pki, "keys-wrong", "host-a:" KEY_B "\n", 0600);
    pki_file(pki, "keys-unknown", "host-z:" KEY_A "\n", 0600);
    return 0;
}

static int end_world(void **state)
{
    pki_signer_fini(&world.ca);
    pki_signer_fini(&world.other);
    pki_fini(&world.pki);
    return 0;
}

static struct net_tls *settings(enum net_side side, struct net_tls_options options)
{
    struct net_tls *tls;
    struct net_text why;
    if (net_tls_new(&tls, side, &options, &why) < 0)
        fail_msg("%s", why.text);
    return tls;
}

#define SERVER(certificate, ...) \
    settings(NET_SERVER, (struct net_tls_options){ \
                             .cert_file = (certificate).cert_file, .key_file = (certificate).key_file, __VA_ARGS__})
#define CLIENT(...) settings(NET_CLIENT, (struct net_tls_options){__VA_ARGS__})
#define SHOWS(certificate) .cert_file = (certificate).cert_file, .key_file = (certificate).key_file

/* Connects the two. */
static void meet(struct fixture *f, struct net_tls *server, struct net_tls *client)
{
    fixture_init(f);
    f->server_tls = server;
    f->client_tls = client;
    fixture_listen(f, "tls://127.0.0.1:0", NULL);
    fixture_connect(f, "tls://", NULL, NULL);
}

static void expect_up(struct fixture *f)
{
    RUN_UNTIL(f, (f->client.ready && f->server.ready) || f->failed || f->client.closed || f->refused);
    if (!f->client.ready || !f->server.ready)
        fail_msg("client: %s; server: %s", f->failed ? f->failed_reason : f->client.reason, f->refused_reason);
}

/* The sender sees that the collector is not to be trusted. */
static void expect_client_refuses(struct fixture *f, enum net_end end, const char *words)
{
    RUN_UNTIL(f, f->failed && f->refused);
    if (f->failed_end != end || !strstr(f->failed_reason, words))
        fail_msg("client: %s: %s", net_end_name(f->failed_end), f->failed_reason);
    assert_int_equal(f->client.ready + f->server.ready, 0);
    fixture_fini(f);
}

/* The collector turns the sender away, which learns it after its own part of the handshake, or before. */
static void expect_server_refuses(struct fixture *f, enum net_end end, const char *words, enum net_end client_end)
{
    RUN_UNTIL(f, f->refused && (f->failed || f->client.closed));
    if (f->refused_end != end || !strstr(f->refused_reason, words))
        fail_msg("server: %s: %s", net_end_name(f->refused_end), f->refused_reason);
    const enum net_end told = f->failed ? f->failed_end : f->client.end;
    if (told != client_end)
        fail_msg("client: %s: %s", net_end_name(told), f->failed ? f->failed_reason : f->client.reason);
    assert_int_equal(f->server.ready, 0);
    fixture_fini(f);
}

/* ---- certificates ---- */

static void tls__certificates_on_both_sides__up_with_names(void **state)
{
    struct fixture f;
    static uint8_t bytes[3 << 20];
    static const char *const names[] = {"*.hosts.example", NULL};
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .names = names),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    f.server.echo = true;
    expect_up(&f);
    assert_string_equal(f.server.peer.version, "TLSv1.3");
    assert_string_equal(f.server.peer.identity, "db1.hosts.example");
    assert_true(f.server.peer.by_certificate && !f.server.peer.by_key);
    assert_string_equal(f.client.peer.identity, "localhost");
    assert_string_equal(f.client.peer.cipher, "TLS_AES_128_GCM_SHA256");
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 13));
    assert_int_equal(side_send(&f.client, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(&f, f.client.received_bytes == sizeof(bytes));
    assert_int_equal(f.client.checksum, checksum_of(UINT64_C(0xcbf29ce484222325), bytes, sizeof(bytes)));
    net_link_finish(f.client.link, 0, "done");
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    assert_int_equal(f.server.end, NET_END_peer);
    assert_int_equal(net_tls_days_left(f.server_tls), 0);
    fixture_fini(&f);
}

static void tls__collectors_certificate_is_wrong__sender_says_how(void **state)
{
    struct fixture f;
    meet(&f, SERVER(world.expired, .anyone = true), CLIENT(.ca_file = world.ca_file));
    assert_int_equal(net_tls_days_left(f.server_tls), -1);
    expect_client_refuses(&f, NET_END_tls_certificate, "expired");
    meet(&f, SERVER(world.renamed, .anyone = true), CLIENT(.ca_file = world.ca_file));
    expect_client_refuses(&f, NET_END_tls_name, "collector.example");
    meet(&f, SERVER(world.foreign, .anyone = true), CLIENT(.ca_file = world.ca_file));
    expect_client_refuses(&f, NET_END_tls_certificate, "not trusted");
    meet(&f, SERVER(world.server, .anyone = true), CLIENT(0));
    expect_client_refuses(&f, NET_END_tls_certificate, "not trusted");
    meet(&f, SERVER(world.server, .anyone = true),
         CLIENT(.ca_file = world.ca_file, .crl_file = pki_path(&world.pki, "revoked-server.crl")));
    expect_client_refuses(&f, NET_END_tls_revoked, "is revoked");
    meet(&f, SERVER(world.server, .anyone = true),
         CLIENT(.ca_file = world.ca_file, .crl_file = pki_path(&world.pki, "revoked-old.crl")));
    expect_client_refuses(&f, NET_END_tls_revoked, "expired");
}

static void tls__other_name_that_is_meant__up(void **state)
{
    struct fixture f;
    meet(&f, SERVER(world.renamed, .anyone = true),
         CLIENT(.ca_file = world.ca_file, .server_name = "collector.example"));
    expect_up(&f);
    assert_string_equal(f.server.peer.identity, "");
    fixture_fini(&f);
}

static void tls__senders_certificate_is_wrong__both_are_told(void **state)
{
    struct fixture f;
    static const char *const names[] = {"other.example", "*.db1.hosts.example", NULL};
#define TRUSTING SERVER(world.server, .ca_file = world.ca_file)
    meet(&f, TRUSTING, CLIENT(.ca_file = world.ca_file));
    expect_server_refuses(&f, NET_END_tls_certificate, "showed no certificate", NET_END_tls_certificate);
    meet(&f, TRUSTING, CLIENT(.ca_file = world.ca_file, SHOWS(world.client_expired)));
    expect_server_refuses(&f, NET_END_tls_certificate, "expired", NET_END_tls_certificate);
    meet(&f, TRUSTING, CLIENT(.ca_file = world.ca_file, SHOWS(world.client_future)));
    expect_server_refuses(&f, NET_END_tls_certificate, "not valid yet", NET_END_tls_certificate);
    meet(&f, TRUSTING, CLIENT(.ca_file = world.ca_file, SHOWS(world.client_foreign)));
    expect_server_refuses(&f, NET_END_tls_certificate, "not trusted", NET_END_tls_certificate);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .crl_file = pki_path(&world.pki, "revoked-client.crl")),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_server_refuses(&f, NET_END_tls_revoked, "is revoked", NET_END_tls_revoked);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .crl_file = pki_path(&world.pki, "revoked-old.crl")),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_server_refuses(&f, NET_END_tls_revoked, "--crl", NET_END_tls_certificate);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .names = names),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_server_refuses(&f, NET_END_tls_name, "no rule allows", NET_END_tls_name);
}

static void tls__revocation_list_without_us__up(void **state)
{
    struct fixture f;
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .crl_file = pki_path(&world.pki, "revoked-none.crl")),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client), .crl_file = pki_path(&world.pki, "revoked-client.crl")));
    expect_up(&f);
    fixture_fini(&f);
}

/* ---- keys ---- */

#define KEYS(name) .psk_file = pki_path(&world.pki, name)

static void keys__known_to_both__up_with_its_id(void **state)
{
    struct fixture f;
    meet(&f, settings(NET_SERVER, (struct net_tls_options){KEYS("keys")}), CLIENT(KEYS("keys"), .psk_id = "host-b"));
    f.server.echo = true;
    expect_up(&f);
    assert_string_equal(f.server.peer.identity, "host-b");
    assert_true(f.server.peer.by_key && !f.server.peer.by_certificate);
    assert_true(f.client.peer.by_key);
    assert_int_equal(side_send(&f.client, "hello", 5), 0);
    RUN_UNTIL(&f, f.client.received_bytes == 5);
    fixture_fini(&f);
    /* A collector that has certificates, too. */
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, KEYS("keys")), CLIENT(KEYS("keys")));
    expect_up(&f);
    assert_string_equal(f.server.peer.identity, "host-a");
    fixture_fini(&f);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, KEYS("keys")),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_up(&f);
    assert_true(f.server.peer.by_certificate);
    fixture_fini(&f);
}

static void keys__other_or_unknown__both_are_told(void **state)
{
    struct fixture f;
    meet(&f, settings(NET_SERVER, (struct net_tls_options){KEYS("keys")}), CLIENT(KEYS("keys-wrong")));
    expect_server_refuses(&f, NET_END_tls_key, "another key of the id 'host-a'", NET_END_tls_key);
    meet(&f, settings(NET_SERVER, (struct net_tls_options){KEYS("keys")}), CLIENT(KEYS("keys-unknown")));
    expect_server_refuses(&f, NET_END_tls_key, "'host-z'", NET_END_tls_key);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, KEYS("keys")), CLIENT(KEYS("keys-unknown")));
    expect_server_refuses(&f, NET_END_tls_key, "'host-z'", NET_END_tls_key);
    meet(&f, SERVER(world.server, KEYS("keys")), CLIENT(.ca_file = world.ca_file));
    expect_server_refuses(&f, NET_END_tls_certificate, "showed no certificate", NET_END_tls_certificate);
}

/* ---- settings ---- */

static void expect_no_settings(enum net_side side, struct net_tls_options options, const char *words)
{
    struct net_tls *tls;
    struct net_text why = {""};
    assert_int_equal(net_tls_new(&tls, side, &options, &why), -EINVAL);
    if (!strstr(why.text, words))
        fail_msg("'%s' is not in: %s", words, why.text);
    assert_int_equal(net_tls_new(&tls, side, &options, NULL), -EINVAL);
}

static void settings__wrong__told_by_file_and_fault(void **state)
{
    const struct pki *pki = &world.pki;
    struct pki_certificate open = world.client;
    pki_file(pki, "junk", "no PEM at all\n", 0600);
    pki_file(pki, "empty", "# nothing\n", 0600);
    pki_file(pki, "open", "host:" KEY_A "\n", 0644);
    pki_file(pki, "short", "host:00112233\n", 0600);
    pki_file(pki, "odd", "ok:" KEY_A "\nhost:" KEY_A "0\n", 0600);
    pki_file(pki, "nohex", "host:0011223344556677889900112233445z\n", 0600);
    pki_file(pki, "noid", ":" KEY_A "\n", 0600);
    pki_file(pki, "twice", "a:" KEY_A "\na:" KEY_B "\n", 0600);
    pki_file(pki, "blank", "a b:" KEY_A "\n", 0600);
    pki_file(pki, "nocolon", KEY_A "\n", 0600);
    static const struct {
        const char *name, *words;
    } keys[] = {{"open", "chmod 600"},
                {"short", "line 1"},
                {"odd", "line 2"},
                {"nohex", "hexadecimal"},
                {"noid", "ID"},
                {"twice", "twice"},
                {"blank", "blanks"},
                {"nocolon", "no ':'"},
                {"empty", "no key in it"},
                {"missing", "cannot be opened"},
                {".", "no regular file"}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        expect_no_settings(NET_SERVER, (struct net_tls_options){.psk_file = pki_path(pki, keys[i].name)},
                           keys[i].words);
    expect_no_settings(NET_CLIENT, (struct net_tls_options){.psk_file = pki_path(pki, "keys"), .psk_id = "nobody"},
                       "nobody");
    expect_no_settings(NET_CLIENT, (struct net_tls_options){.psk_id = "host-a"}, "--psk");
    expect_no_settings(NET_SERVER, (struct net_tls_options){.anyone = true}, "--cert");
    expect_no_settings(NET_SERVER, (struct net_tls_options){SHOWS(world.server)}, "--anyone");
    expect_no_settings(NET_SERVER, (struct net_tls_options){.cert_file = world.server.cert_file, .anyone = true},
                       "without its key");
    expect_no_settings(NET_SERVER, (struct net_tls_options){.key_file = world.server.key_file, .anyone = true},
                       "--cert");
    expect_no_settings(NET_SERVER,
                       (struct net_tls_options){
                           .cert_file = world.server.cert_file, .key_file = world.client.key_file, .anyone = true},
                       "not the certificate's key");
    expect_no_settings(NET_CLIENT, (struct net_tls_options){.ca_file = pki_path(pki, "junk")}, "junk");
    expect_no_settings(NET_CLIENT, (struct net_tls_options){.ca_file = pki_path(pki, "missing")}, "missing");
    expect_no_settings(NET_CLIENT,
                       (struct net_tls_options){.ca_file = world.ca_file, .crl_file = pki_path(pki, "junk")},
                       "no revocation list");
    static const char *const names[] = {"*.*.example", NULL};
    expect_no_settings(NET_SERVER,
                       (struct net_tls_options){SHOWS(world.server), .ca_file = world.ca_file, .names = names},
                       "*.*.example");
    assert_int_equal(chmod(open.key_file, 0640), 0);
    if (geteuid() != 0) /* root's may be its group's */
        expect_no_settings(NET_CLIENT, (struct net_tls_options){SHOWS(open)}, "chmod 600");
    assert_int_equal(chmod(open.key_file, 0604), 0);
    expect_no_settings(NET_CLIENT, (struct net_tls_options){SHOWS(open)}, "chmod 600");
    assert_int_equal(chmod(open.key_file, 0600), 0);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[8192];
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    fwrite(bytes, 1, fread(bytes, 1, sizeof(bytes), in), out);
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(to, 0600), 0);
}

static void reload__revoked_meanwhile__new_ones_refused_and_old_ones_stay(void **state)
{
    struct fixture f;
    struct net_text why;
    char list[160];
    snprintf(list, sizeof(list), "%s", pki_path(&world.pki, "current.crl"));
    copy_file(pki_path(&world.pki, "revoked-none.crl"), list);
    meet(&f, SERVER(world.server, .ca_file = world.ca_file, .crl_file = list),
         CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_up(&f);
    /* A file that is no good leaves all as it was. */
    copy_file(pki_path(&world.pki, "keys"), list);
    assert_int_equal(net_tls_reload(f.server_tls, &why), -EINVAL);
    assert_non_null(strstr(why.text, "current.crl"));
    copy_file(pki_path(&world.pki, "revoked-client.crl"), list);
    assert_int_equal(net_tls_reload(f.server_tls, &why), 0);
    f.server.echo = true;
    assert_int_equal(side_send(&f.client, "still", 5), 0);
    RUN_UNTIL(&f, f.client.received_bytes == 5);
    net_link_finish(f.client.link, 0, "again");
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    net_endpoints_start(f.endpoints);
    RUN_UNTIL(&f, f.refused && f.client.closed == 2);
    assert_int_equal(f.refused_end, NET_END_tls_revoked);
    assert_int_equal(f.client.end, NET_END_tls_revoked);
    fixture_fini(&f);
}

static void reload__renewed_certificate__seen_by_the_next_connection(void **state)
{
    struct fixture f;
    struct pki_certificate live = world.server;
    struct net_text why;
    snprintf(live.cert_file, sizeof(live.cert_file), "%s", pki_path(&world.pki, "live.pem"));
    snprintf(live.key_file, sizeof(live.key_file), "%s", pki_path(&world.pki, "live.key"));
    copy_file(world.expired.cert_file, live.cert_file);
    copy_file(world.expired.key_file, live.key_file);
    meet(&f, SERVER(live, .anyone = true), CLIENT(.ca_file = world.ca_file));
    RUN_UNTIL(&f, f.failed);
    copy_file(world.server.cert_file, live.cert_file);
    copy_file(world.server.key_file, live.key_file);
    assert_int_equal(net_tls_reload(f.server_tls, &why), 0);
    net_endpoints_start(f.endpoints);
    RUN_UNTIL(&f, f.client.ready && f.server.ready);
    fixture_fini(&f);
}

/* ---- enemies ---- */

static void foreign_step(SSL *ssl, int fd)
{
    const int result = SSL_connect(ssl);
    if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ)
        shutdown(fd, SHUT_RDWR);
}

/* Handshakes of an OpenSSL client of its own; its errors are nobody's. */
static void foreign_client(struct fixture *f, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    const int fd = raw_connect(f);
    SSL_set_min_proto_version(ssl, version);
    SSL_set_max_proto_version(ssl, version);
    SSL_set_security_level(ssl, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl, fd);
    const unsigned before = f->refused;
    RUN_UNTIL(f, (foreign_step(ssl, fd), f->refused > before));
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
}

static void tls__older_version__refused(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.server_tls = SERVER(world.server, .anyone = true);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    foreign_client(&f, TLS1_2_VERSION);
    assert_int_equal(f.refused_end, NET_END_tls_version);
    assert_non_null(strstr(f.refused_reason, "TLS 1.3"));
    fixture_fini(&f);
}

static void tls__plaintext_on_its_port__both_read_what_to_do(void **state)
{
    struct fixture f;
    char text[400];
    fixture_init(&f);
    f.server_tls = SERVER(world.server, .anyone = true);
    fixture_listen(&f, "tls://127.0.0.1:0", NULL);
    fixture_connect(&f, "tcp://", NULL, NULL);
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "EvtW and so on", 14), 0);
    RUN_UNTIL(&f, f.client.closed && f.refused);
    assert_int_equal(f.client.end, NET_END_plaintext);
    assert_non_null(strstr(f.client.reason, "tls://"));
    assert_int_equal(f.refused_end, NET_END_plaintext);
    assert_non_null(strstr(f.refused_reason, "EvtW and"));
    const int fd = raw_connect(&f);
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    raw_read_all(&f, fd, text, sizeof(text));
    assert_int_equal(strncmp(text, "HTTP/1.0 426 ", 13), 0);
    close(fd);
    fixture_fini(&f);
}

static void tls__on_a_plain_port__both_read_what_to_do(void **state)
{
    struct fixture f;
    fixture_init(&f);
    f.client_tls = CLIENT(.ca_file = world.ca_file);
    fixture_listen(&f, "tcp://127.0.0.1:0", NULL);
    fixture_connect(&f, "tls://", NULL, NULL);
    RUN_UNTIL(&f, f.failed && f.refused);
    assert_int_equal(f.failed_end, NET_END_unwanted_tls);
    assert_non_null(strstr(f.failed_reason, "tcp://"));
    assert_int_equal(f.refused_end, NET_END_unwanted_tls);
    fixture_fini(&f);
}

static void tls__both_on_one_port_of_loopback__first_byte_tells(void **state)
{
    struct fixture f;
    for (unsigned tls = 0; tls < 2; tls++) {
        fixture_init(&f);
        f.server_tls = SERVER(world.server, .anyone = true);
        f.client_tls = CLIENT(.ca_file = world.ca_file);
        fixture_listen(&f, "127.0.0.1:0", NULL);
        struct net_endpoints_options options = {.tls_given = tls};
        fixture_connect(&f, "", NULL, &options);
        RUN_UNTIL(&f, f.client.ready);
        assert_int_equal(side_send(&f.client, "E", 1), 0);
        RUN_UNTIL(&f, f.server.received_bytes == 1);
        assert_int_equal(f.server.peer.tls, tls);
        fixture_fini(&f);
    }
}

/* Some bytes to the TLS port, and then nothing, or the end. */
static void say_and_wait(struct fixture *f, const void *bytes, size_t size, bool end)
{
    struct net_listener_options options = {.link = {.handshake_ns = end ? 0 : 100000000}};
    fixture_init(f);
    f->server_tls = SERVER(world.server, .anyone = true);
    fixture_listen(f, "127.0.0.1:0", &options);
    const int fd = raw_connect(f);
    assert_int_equal(write(fd, bytes, size), size);
    if (end)
        shutdown(fd, SHUT_WR);
    RUN_UNTIL(f, f->refused);
    close(fd);
    fixture_fini(f);
}

static void tls__slow_or_broken_handshakes__end(void **state)
{
    struct fixture f;
    static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    say_and_wait(&f, hello, 1, false);
    assert_int_equal(f.refused_end, NET_END_handshake_timeout);
    say_and_wait(&f, hello, sizeof(hello), false);
    assert_int_equal(f.refused_end, NET_END_handshake_timeout);
    say_and_wait(&f, hello, sizeof(hello), true);
    assert_int_equal(f.refused_end, NET_END_reset);
    static const uint8_t junk[600] = {0x16, 3, 1, 2, 0, 0xff, 0xff};
    say_and_wait(&f, junk, sizeof(junk), true);
    assert_int_equal(f.refused_end, NET_END_tls_protocol);
    static const uint8_t long_record[] = {0x16, 3, 1, 0xff, 0xff, 1};
    say_and_wait(&f, long_record, sizeof(long_record), true);
    assert_int_equal(f.refused_end, NET_END_tls_protocol);
}

static void tls__cut_without_goodbye__told_as_broken_off(void **state)
{
    struct fixture f;
    meet(&f, SERVER(world.server, .anyone = true), CLIENT(.ca_file = world.ca_file));
    expect_up(&f);
    net_link_close(f.client.link, "killed");
    RUN_UNTIL(&f, f.server.closed);
    assert_int_equal(f.server.end, NET_END_reset);
    assert_non_null(strstr(f.server.reason, "goodbye"));
    fixture_fini(&f);
}

/* Both ends of it are here. */
static void tls__idle_connections__small(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their allocator keeps no such figures */
#else
    enum { COUNT = 64 };
    struct fixture f;
    static struct fixture more[COUNT];
    if (getenv("VALGRIND"))
        skip();
    meet(&f, SERVER(world.server, .ca_file = world.ca_file), CLIENT(.ca_file = world.ca_file, SHOWS(world.client)));
    expect_up(&f);
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned i = 0; i < COUNT; i++) {
        struct net_endpoints_options options = {0};
        more[i] = f; /* the same loop, listener and settings */
        fixture_connect(&more[i], "tls://", NULL, &options);
        more[i].client.fixture = &more[i];
    }
    RUN_UNTIL(&f, f.server.ready == COUNT + 1);
    for (unsigned i = 0; i < 100; i++)
        evloop_run_once(f.loop, 1000000);
    const size_t each = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / COUNT;
    printf("an idle TLS connection, both ends and endpoints: %zu bytes\n", each);
    assert_in_range(each, 1, 2 * 64 << 10);
    for (unsigned i = 0; i < COUNT; i++) {
        struct net_endpoints *endpoints = more[i].endpoints;
        more[i].endpoints = NULL;
        net_endpoints_free(endpoints);
    }
    RUN_UNTIL(&f, net_links(f.net) == 2);
    fixture_fini(&f);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls__certificates_on_both_sides__up_with_names),
        cmocka_unit_test(tls__collectors_certificate_is_wrong__sender_says_how),
        cmocka_unit_test(tls__other_name_that_is_meant__up),
        cmocka_unit_test(tls__senders_certificate_is_wrong__both_are_told),
        cmocka_unit_test(tls__revocation_list_without_us__up),
        cmocka_unit_test(keys__known_to_both__up_with_its_id),
        cmocka_unit_test(keys__other_or_unknown__both_are_told),
        cmocka_unit_test(settings__wrong__told_by_file_and_fault),
        cmocka_unit_test(reload__revoked_meanwhile__new_ones_refused_and_old_ones_stay),
        cmocka_unit_test(reload__renewed_certificate__seen_by_the_next_connection),
        cmocka_unit_test(tls__older_version__refused),
        cmocka_unit_test(tls__plaintext_on_its_port__both_read_what_to_do),
        cmocka_unit_test(tls__on_a_plain_port__both_read_what_to_do),
        cmocka_unit_test(tls__both_on_one_port_of_loopback__first_byte_tells),
        cmocka_unit_test(tls__slow_or_broken_handshakes__end),
        cmocka_unit_test(tls__cut_without_goodbye__told_as_broken_off),
        cmocka_unit_test(tls__idle_connections__small),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
