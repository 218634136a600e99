/* SPDX-License-Identifier: ISC
 *
 * Names with TLS: lent, reused and said goodbye to; what is wrong with a certificate is told; a forked child says nothing.
 */
#include "pool_fixture.h"

#include "certificates.h"
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct evpool_name *secure_name(struct pool_fixture *f, const struct peer *peer, const char *ca,
                                       const char *server_name)
{
    static const char *const alpn[] = {"echo", NULL};
    const struct evpool_tls tls = {.bytes = sizeof tls,
                                   .ca_file = certificate_file(ca),
                                   .server_name = server_name,
                                   .alpn = server_name ? NULL : alpn};
    struct evpool_name *name = NULL, *again = NULL;
    assert_int_equal(evpool_name_get(f->pool, "127.0.0.1", peer_port(peer), &tls, &name, NULL), 0);
    assert_int_equal(evpool_name_get(f->pool, "127.0.0.1", peer_port(peer), &tls, &again, NULL), 0);
    assert_ptr_equal(name, again);
    evpool_name_put(again);
    return name;
}

static struct peer *secure_peer(const char *certificate)
{
    const struct peer_options options = {.certificate = certificate, .alpn = "echo"};
    struct peer *peer = peer_start(&options);
    assert_non_null(peer);
    return peer;
}

static void tls__lent_and_reused__one_handshake_and_a_goodbye(struct pool_fixture *f)
{
    struct peer *peer = secure_peer("good");
    pool_open(f);
    struct evpool_name *name = secure_name(f, peer, "ca.pem", NULL);
    for (unsigned i = 0; i < 5; i++) {
        struct evpool_conn *conn = pool_ask_and_wait(f, name);
        assert_int_equal(pool_echo(f, conn), 0);
        assert_string_equal(evpool_conn_alpn(conn), "echo");
        evpool_release(conn, true);
        pool_spin(f, 2 * MS); /* session tickets come: they are no data that nobody asked for */
    }
    assert_int_equal(pool_name_figures(name).created, 1);
    struct evpool_times *times = calloc(1, sizeof *times);
    evpool_name_figures(name, NULL, times);
    assert_int_equal(times->tls.count, 1);
    free(times);
    evpool_name_put(name);
    pool_shut(f);
    for (unsigned i = 0; i < 1000 && peer_orderly(peer) == 0; i++)
        usleep(1000);
    assert_int_equal(peer_orderly(peer), 1);
    peer_stop(peer);
}

static void tls__idle_for_long__looked_at_and_lent(struct pool_fixture *f)
{
    struct peer *peer = secure_peer("good");
    f->options.validate_idle_ns = 1;
    pool_open(f);
    struct evpool_name *name = secure_name(f, peer, "ca.pem", NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct evpool_conn *conn = pool_ask_and_wait(f, name);
        assert_int_equal(pool_echo(f, conn), 0);
        evpool_release(conn, true);
        pool_spin(f, 2 * MS);
    }
    assert_int_equal(pool_name_figures(name).created, 1);
    evpool_name_put(name);
    pool_shut(f);
    peer_stop(peer);
}

static void refused(struct pool_fixture *f, const char *certificate, const char *ca, const char *server_name,
                    enum evpool_code code)
{
    struct peer *peer = secure_peer(certificate);
    struct asker asker;
    pool_open(f);
    struct evpool_name *name = secure_name(f, peer, ca, server_name);
    pool_ask(name, &asker, 0);
    POOL_UNTIL(f, asker.calls);
    assert_int_equal(pool_asker_code(&asker), code);
    assert_int_equal(pool_name_figures(name).errors[code], 1);
    assert_int_equal(pool_name_figures(name).retries, 0); /* it will be no better the next time */
    assert_int_equal(pool_name_figures(name).total, 0);
    evpool_name_put(name);
    pool_shut(f);
    peer_stop(peer);
}

static void tls__unknown_authority__untrusted(struct pool_fixture *f)
{
    refused(f, "other", "ca.pem", NULL, EVPOOL_ERROR_tls_untrusted);
}

static void tls__expired__untrusted(struct pool_fixture *f)
{
    refused(f, "expired", "ca.pem", NULL, EVPOOL_ERROR_tls_untrusted);
}

static void tls__another_name__said_so(struct pool_fixture *f)
{
    refused(f, "good", "ca.pem", "wrong.test", EVPOOL_ERROR_tls_name);
}

static void tls__client_certificate_missing__first_read_says_so(struct pool_fixture *f)
{
    struct peer *peer = peer_start(&(struct peer_options){.certificate = "good", .client_certificate = true});
    assert_non_null(peer);
    pool_open(f);
    struct evpool_name *name = secure_name(f, peer, "ca.pem", "good.test");
    struct evpool_conn *conn = pool_ask_and_wait(f, name);
    assert_null(evpool_conn_fault(conn));
    assert_int_equal(pool_echo(f, conn), -EPROTO);
    assert_string_equal(evpool_conn_fault(conn), "tlsv13 alert certificate required");
    evpool_release(conn, false);
    evpool_name_put(name);
    pool_shut(f);
    peer_stop(peer);
}

static struct evpool_name *speaking(struct pool_fixture *f, const char *const *alpn)
{
    const struct evpool_tls tls = {.bytes = sizeof tls, .alpn = alpn, .insecure = true};
    struct evpool_name *name = NULL;
    assert_int_equal(evpool_name_get(f->pool, "127.0.0.1", 443, &tls, &name, NULL), 0);
    return name;
}

static void tls__settings_that_read_alike__names_of_their_own(struct pool_fixture *f)
{
    pool_open(f);
    struct evpool_name *two = speaking(f, (const char *const[]){"a", "b", NULL});
    struct evpool_name *one = speaking(f, (const char *const[]){"a\n=b", NULL});
    assert_ptr_not_equal(one, two);
    evpool_name_put(one);
    evpool_name_put(two);
}

static void tls__settings_wrong__named(struct pool_fixture *f)
{
    struct evpool_name *name = NULL;
    struct evpool_error *error = NULL;
    char text[512];
    pool_open(f);
    const struct evpool_tls missing = {.bytes = sizeof missing, .ca_file = "/nowhere/ca.pem"};
    assert_true(evpool_name_get(f->pool, "a.test", 1, &missing, &name, &error) < 0);
    evpool_error_print(error, text, sizeof text);
    assert_non_null(strstr(text, "/nowhere/ca.pem"));
    evpool_error_free(error);
    const struct evpool_tls half = {.bytes = sizeof half, .cert_file = certificate_file("client.pem")};
    assert_int_equal(evpool_name_get(f->pool, "a.test", 1, &half, &name, &error), -EINVAL);
    evpool_error_print(error, text, sizeof text);
    assert_non_null(strstr(text, "key_file"));
    evpool_error_free(error);
    assert_true(evpool_name_get(f->pool, "a.test", 1, &missing, &name, NULL) < 0);
}

static void fork__child_frees__no_goodbye_and_the_parent_goes_on(struct pool_fixture *f)
{
    struct peer *peer = secure_peer("good");
    pool_open(f);
    struct evpool_name *name = secure_name(f, peer, "ca.pem", NULL);
    struct evpool_conn *lent = pool_ask_and_wait(f, name), *idle = pool_ask_and_wait(f, name);
    assert_int_equal(pool_echo(f, lent), 0);
    assert_int_equal(pool_echo(f, idle), 0);
    evpool_release(idle, true);
    const pid_t child = fork();
    if (child == 0) {
        evpool_release(lent, false);
        evpool_free(f->pool);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pool_spin(f, 20 * MS);
    assert_int_equal(peer_orderly(peer), 0);
    assert_int_equal(pool_echo(f, lent), 0);
    assert_int_equal(evpool_try(name, &idle), 1);
    assert_int_equal(pool_echo(f, idle), 0);
    evpool_release(idle, true);
    evpool_release(lent, true);
    evpool_name_put(name);
    pool_shut(f);
    peer_stop(peer);
}

int main(void)
{
    static const struct pool_case cases[] = {
        POOL_CASE(tls__lent_and_reused__one_handshake_and_a_goodbye),
        POOL_CASE(tls__idle_for_long__looked_at_and_lent),
        POOL_CASE(tls__unknown_authority__untrusted),
        POOL_CASE(tls__expired__untrusted),
        POOL_CASE(tls__another_name__said_so),
        POOL_CASE(tls__client_certificate_missing__first_read_says_so),
        POOL_CASE(tls__settings_that_read_alike__names_of_their_own),
        POOL_CASE(tls__settings_wrong__named),
        POOL_CASE(fork__child_frees__no_goodbye_and_the_parent_goes_on),
    };
    assert_non_null(certificates_make());
    const int failed = pool_fixture_run("pool secure", cases, sizeof cases / sizeof *cases);
    certificates_remove();
    return failed;
}
