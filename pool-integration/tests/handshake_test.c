/* SPDX-License-Identifier: ISC
 *
 * TLS handshakes against good servers and bad ones: what is accepted, what is refused, and as what.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <openssl/ssl.h>

#include "certificates.h"
#include "dial.h"
#include "loop_fixture.h"
#include "memory_fault.h"
#include "peer.h"

static struct evpool_tls trusting(void)
{
    return (struct evpool_tls){.bytes = sizeof(struct evpool_tls), .ca_file = certificate_file("ca.pem")};
}

static struct tls_settings *settings_for(const struct evpool_tls *tls, const char *host)
{
    struct tls_settings *settings = NULL;
    assert_int_equal(tls_settings_new(&settings, tls, host, NULL), 0);
    return settings;
}

/* Dials a server of these options with these settings: the stream, or the code and the text why not. */
static struct stream *shake(struct loop_fixture *f, struct peer *peer, const struct evpool_tls *tls, const char *host,
                            struct evpool_error **ret_error)
{
    struct tls_settings *settings = settings_for(tls, host);
    struct stream *stream = dial(f->loop, peer_port(peer), settings, ret_error);
    tls_settings_free(settings);
    return stream;
}

static void expect_good(struct loop_fixture *f, const struct peer_options *options, const struct evpool_tls *tls,
                        const char *host)
{
    struct peer *peer = peer_start(options);
    struct stream *stream = shake(f, peer, tls, host, NULL);
    char answer[64];
    assert_int_equal(ask(f->loop, stream, "hello", answer, sizeof(answer)), 5);
    assert_string_equal(answer, "hello");
    stream_close(stream);
    peer_stop(peer);
}

static void expect_bad(struct loop_fixture *f, const struct peer_options *options, const struct evpool_tls *tls,
                       const char *host, enum evpool_code code, const char *text)
{
    struct peer *peer = peer_start(options);
    struct evpool_error *error = NULL;
    char printed[512];
    assert_null(shake(f, peer, tls, host, &error));
    evpool_error_print(error, printed, sizeof(printed));
    if (evpool_error_code(error) != code || !strstr(printed, text))
        fail_msg("wanted %s with \"%s\", got %s: %s", evpool_code_name(code), text,
                 evpool_code_name(evpool_error_code(error)), printed);
    assert_int_equal(evpool_error_attempts(error), 1);
    evpool_error_free(error);
    peer_stop(peer);
}

static const struct peer_options good = {.certificate = "good"};

/* ---- certificates ---- */

static void certificate__of_the_name__accepted(struct loop_fixture *f)
{
    expect_good(f, &good,
                &(struct evpool_tls){.bytes = sizeof(struct evpool_tls), .ca_file = certificate_file("ca.pem")},
                "good.test");
}

static void certificate__server_name_instead_of_host__accepted(struct loop_fixture *f)
{
    struct evpool_tls tls = trusting();
    tls.server_name = "good.test.";
    expect_good(f, &good, &tls, "elsewhere.test");
}

static void certificate__of_the_address__accepted(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_good(f, &good, &tls, "127.0.0.1");
    expect_good(f, &good, &tls, "::1");
    expect_good(f, &good, &tls, "[::1]");
}

static void certificate__of_another_name__tls_name(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &good, &tls, "bad.test", EVPOOL_ERROR_tls_name, "hostname mismatch, wanted bad.test (tls)");
}

static void certificate__of_another_address__tls_name(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &good, &tls, "127.0.0.2", EVPOOL_ERROR_tls_name, "wanted 127.0.0.2 (tls)");
}

static void certificate__expired__tls_untrusted(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.certificate = "expired"}, &tls, "good.test", EVPOOL_ERROR_tls_untrusted,
               "certificate has expired (tls)");
}

static void certificate__unknown_authority__tls_untrusted(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.certificate = "other"}, &tls, "good.test", EVPOOL_ERROR_tls_untrusted,
               "issuer certificate (tls)");
}

static void certificate__system_authorities_only__tls_untrusted(struct loop_fixture *f)
{
    const struct evpool_tls tls = {.bytes = sizeof(tls)};
    expect_bad(f, &good, &tls, "good.test", EVPOOL_ERROR_tls_untrusted, "(tls)");
}

static void certificate__insecure__anything_accepted(struct loop_fixture *f)
{
    const struct evpool_tls tls = {.bytes = sizeof(tls), .insecure = true};
    expect_good(f, &(struct peer_options){.certificate = "other"}, &tls, "bad.test");
}

/* ---- client certificates ---- */

static void client_certificate__wanted_and_shown__server_knows_us(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .client_certificate = true});
    struct evpool_tls tls = trusting();
    tls.cert_file = certificate_file("client.pem");
    tls.key_file = certificate_file("client.key");
    struct stream *stream = shake(f, peer, &tls, "good.test", NULL);
    char answer[256];
    assert_true(ask(f->loop, stream, "!who", answer, sizeof(answer)) > 0);
    assert_non_null(strstr(answer, "CN=client"));
    stream_close(stream);
    peer_stop(peer);
}

static void client_certificate__not_shown_tls12__handshake_fails(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f,
               &(struct peer_options){.certificate = "good", .client_certificate = true, .tls_version = TLS1_2_VERSION},
               &tls, "good.test", EVPOOL_ERROR_tls_failed, "alert handshake failure (tls)");
}

static void client_certificate__not_shown_tls13__first_read_fails(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .client_certificate = true});
    const struct evpool_tls tls = trusting();
    struct stream *stream =
        shake(f, peer, &tls, "good.test", NULL); /* TLS 1.3 ends for us before the server has looked */
    char byte;
    assert_int_equal(read_now(f->loop, stream, &byte, 1), -EPROTO);
    assert_int_equal(read_now(f->loop, stream, &byte, 1), -EPROTO);
    assert_int_equal(write_now(f->loop, stream, &byte, 1), -EPROTO);
    assert_non_null(strstr(stream_fault(stream), "certificate required"));
    stream_close(stream);
    peer_stop(peer);
}

/* ---- protocols ---- */

static void alpn__server_speaks_it__agreed_on(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .alpn = "h2"});
    struct evpool_tls tls = trusting();
    tls.alpn = (const char *const[]){"http/1.1", "h2", NULL};
    struct stream *stream = shake(f, peer, &tls, "good.test", NULL);
    assert_string_equal(stream_alpn(stream), "h2");
    assert_string_equal(stream_tls_version(stream), "TLSv1.3");
    stream_close(stream);
    peer_stop(peer);
}

static void alpn__server_speaks_another__tls_failed(struct loop_fixture *f)
{
    struct evpool_tls tls = trusting();
    tls.alpn = (const char *const[]){"http/1.1", NULL};
    expect_bad(f, &(struct peer_options){.certificate = "good", .alpn = "h2"}, &tls, "good.test",
               EVPOOL_ERROR_tls_failed, "no application protocol (tls)");
}

static void alpn__server_has_none__none(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .tls_version = TLS1_2_VERSION});
    struct evpool_tls tls = trusting();
    tls.alpn = (const char *const[]){"http/1.1", NULL};
    struct stream *stream = shake(f, peer, &tls, "good.test", NULL);
    assert_null(stream_alpn(stream));
    assert_string_equal(stream_tls_version(stream), "TLSv1.2");
    stream_close(stream);
    peer_stop(peer);
}

static void version__older_than_tls12__tls_failed(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.certificate = "good", .tls_version = TLS1_1_VERSION}, &tls, "good.test",
               EVPOOL_ERROR_tls_failed, "protocol version (tls)");
}

/* ---- peers that do not shake hands ---- */

static void peer__closes_in_handshake__tls_failed(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.manner = PEER_CLOSES}, &tls, "good.test", EVPOOL_ERROR_tls_failed,
               "the peer closed the connection in the handshake (tls)");
}

static void peer__resets_in_handshake__tls_failed(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.manner = PEER_RESETS}, &tls, "good.test", EVPOOL_ERROR_tls_failed,
               "connection reset by peer (tls)");
}

static void peer__talks_http__tls_failed(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    expect_bad(f, &(struct peer_options){.manner = PEER_TALKS_HTTP}, &tls, "good.test", EVPOOL_ERROR_tls_failed,
               "wrong version number (tls)");
}

static void peer__stalls_in_handshake__tls_timeout_in_time(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.manner = PEER_STALLS});
    const struct evpool_tls tls = trusting();
    struct tls_settings *settings = settings_for(&tls, "good.test");
    struct dialling dialling = {.connector.tls_timeout_ns = 50 * MS};
    dialling_add(&dialling, loopback(AF_INET, peer_port(peer), NULL));
    const uint64_t began_ns = evloop_update_now(f->loop);
    dialling_start(&dialling, f->loop, settings);
    assert_null(dialling_finish(&dialling));
    const uint64_t took_ns = evloop_update_now(f->loop) - began_ns;
    assert_true(took_ns >= 50 * MS && took_ns < 1000 * MS);
    assert_int_equal(evpool_error_code(dialling.connector.error), EVPOOL_ERROR_tls_timeout);
    assert_int_equal(evpool_error_errno(dialling.connector.error), ETIMEDOUT);
    assert_string_equal(evpool_error_line(dialling.connector.error, 0)->text, "handshake timed out (tls)");
    evpool_error_free(dialling.connector.error);
    tls_settings_free(settings);
    peer_stop(peer);
}

/* ---- resumption ---- */

static void expect_who(struct loop_fixture *f, struct peer *peer, struct tls_settings *settings, const char *who)
{
    struct stream *stream = dial(f->loop, peer_port(peer), settings, NULL);
    char answer[256];
    assert_true(ask(f->loop, stream, "!who", answer, sizeof(answer)) > 0); /* and with it the tickets */
    answer[strlen(who)] = '\0';
    assert_string_equal(answer, who);
    stream_close(stream);
}

static void expect_resumption(struct loop_fixture *f, int tls_version)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .tls_version = tls_version});
    const struct evpool_tls tls = trusting();
    struct tls_settings *settings = settings_for(&tls, "good.test");
    expect_who(f, peer, settings, "full");
    for (int i = 0; i < 12; i++)
        expect_who(f, peer, settings, "resumed");
    struct tls_settings *others = settings_for(&tls, "good.test");
    expect_who(f, peer, others, "full");
    tls_settings_free(others);
    tls_settings_free(settings);
    peer_stop(peer);
}

static void resumption__tls13__every_later_connection(struct loop_fixture *f)
{
    expect_resumption(f, TLS1_3_VERSION);
}

static void resumption__tls12__every_later_connection(struct loop_fixture *f)
{
    expect_resumption(f, TLS1_2_VERSION);
}

static void resumption__server_restarted__full_handshake(struct loop_fixture *f)
{
    const struct evpool_tls tls = trusting();
    struct tls_settings *settings = settings_for(&tls, "good.test");
    for (int i = 0; i < 2; i++) { /* with other ticket keys */
        struct peer *peer = peer_start(&(struct peer_options){.certificate = "good"});
        expect_who(f, peer, settings, "full");
        expect_who(f, peer, settings, "resumed");
        peer_stop(peer);
    }
    tls_settings_free(settings);
}

/* ---- options ---- */

static void expect_invalid(const struct evpool_tls *tls, const char *host, const char *text)
{
    struct tls_settings *settings = NULL;
    struct evpool_error *error = NULL;
    char printed[512];
    assert_int_equal(tls_settings_new(&settings, tls, host, NULL), -EINVAL);
    assert_int_equal(tls_settings_new(&settings, tls, host, &error), -EINVAL);
    assert_null(settings);
    assert_int_equal(evpool_error_code(error), EVPOOL_ERROR_invalid);
    evpool_error_print(error, printed, sizeof(printed));
    if (strncmp(printed, text, strlen(text)) != 0)
        fail_msg("wanted %s, got %s", text, printed);
    evpool_error_free(error);
}

static void settings__bad_options__error_names_the_field(struct loop_fixture *f)
{
    char long_name[300];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
#define TLS(...) &(struct evpool_tls){.bytes = sizeof(struct evpool_tls), __VA_ARGS__}
    expect_invalid(&(struct evpool_tls){.bytes = 3}, "a", "tls.bytes: ");
    expect_invalid(TLS(.ca_file = "/nowhere/ca.pem"), "a", "tls.ca_file: cannot be loaded: /nowhere/ca.pem");
    expect_invalid(TLS(.ca_file = certificate_file("good.key")), "a", "tls.ca_file: cannot be loaded");
    expect_invalid(TLS(.cert_file = certificate_file("client.pem")), "a", "tls.key_file: is needed");
    expect_invalid(TLS(.key_file = certificate_file("client.key")), "a", "tls.cert_file: is needed");
    expect_invalid(TLS(.cert_file = "/nowhere", .key_file = "/nowhere"), "a", "tls.cert_file: cannot be loaded");
    expect_invalid(TLS(.cert_file = certificate_file("client.pem"), .key_file = "/nowhere"), "a",
                   "tls.key_file: cannot be loaded");
    expect_invalid(TLS(.cert_file = certificate_file("client.pem"), .key_file = certificate_file("good.key")), "a",
                   "tls.key_file: is not the certificate's");
    expect_invalid(TLS(.alpn = (const char *const[]){"", NULL}), "a", "tls.alpn: a protocol's name has 1 to 255 bytes");
    expect_invalid(TLS(.alpn = (const char *const[]){long_name, NULL}), "a",
                   "tls.alpn: a protocol's name has 1 to 255 bytes");
    expect_invalid(TLS(.server_name = ""), "a", "tls.server_name: ");
    expect_invalid(TLS(.server_name = long_name), "a", "tls.server_name: has more than 253 bytes");
    expect_invalid(TLS(.ca_file = NULL), "unix:/run/x", "tls.server_name: is needed");
#undef TLS
}

/* ---- memory ---- */

/* OpenSSL's own allocations, which fail as ours do. */
static void *openssl_malloc(size_t bytes, const char *file, int line)
{
    return malloc(bytes);
}

static void *openssl_realloc(void *p, size_t bytes, const char *file, int line)
{
    return realloc(p, bytes);
}

static void openssl_free(void *p, const char *file, int line)
{
    free(p);
}

static void memory__ends_anywhere_in_openssl__an_error_and_no_leak(struct loop_fixture *f)
{
    struct peer *peer = peer_start(&good);
    for (unsigned allowed = 0, failed = 1; failed; allowed += 1 + allowed / 50) {
        const struct evpool_tls tls = trusting();
        struct tls_settings *settings = NULL;
        struct evpool_error *error = NULL;
        struct stream *stream = NULL;
        memory_fault_after(allowed);
        if (tls_settings_new(&settings, &tls, "good.test", &error) == 0)
            stream = dial(f->loop, peer_port(peer), settings, &error);
        failed = memory_fault_end();
        assert_true(!stream != !error);
        assert_true(failed || stream);
        evpool_error_free(error);
        stream_close(stream);
        tls_settings_free(settings);
    }
    peer_stop(peer);
}

int main(void)
{
    CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
    static const struct loop_case cases[] = {
        LOOP_CASE(certificate__of_the_name__accepted),
        LOOP_CASE(certificate__server_name_instead_of_host__accepted),
        LOOP_CASE(certificate__of_the_address__accepted),
        LOOP_CASE(certificate__of_another_name__tls_name),
        LOOP_CASE(certificate__of_another_address__tls_name),
        LOOP_CASE(certificate__expired__tls_untrusted),
        LOOP_CASE(certificate__unknown_authority__tls_untrusted),
        LOOP_CASE(certificate__system_authorities_only__tls_untrusted),
        LOOP_CASE(certificate__insecure__anything_accepted),
        LOOP_CASE(client_certificate__wanted_and_shown__server_knows_us),
        LOOP_CASE(client_certificate__not_shown_tls12__handshake_fails),
        LOOP_CASE(client_certificate__not_shown_tls13__first_read_fails),
        LOOP_CASE(alpn__server_speaks_it__agreed_on),
        LOOP_CASE(alpn__server_speaks_another__tls_failed),
        LOOP_CASE(alpn__server_has_none__none),
        LOOP_CASE(version__older_than_tls12__tls_failed),
        LOOP_CASE(peer__closes_in_handshake__tls_failed),
        LOOP_CASE(peer__resets_in_handshake__tls_failed),
        LOOP_CASE(peer__talks_http__tls_failed),
        LOOP_CASE(peer__stalls_in_handshake__tls_timeout_in_time),
        LOOP_CASE(resumption__tls13__every_later_connection),
        LOOP_CASE(resumption__tls12__every_later_connection),
        LOOP_CASE(resumption__server_restarted__full_handshake),
        LOOP_CASE(settings__bad_options__error_names_the_field),
        LOOP_CASE(memory__ends_anywhere_in_openssl__an_error_and_no_leak),
    };
    if (!certificates_make())
        return 1;
    const int failed = loop_fixture_run("handshake", cases, sizeof(cases) / sizeof(cases[0]));
    certificates_remove();
    return failed;
}
