/* SPDX-License-Identifier: ISC
 *
 * From a sender to its collectors: fail-over, backoff, quick reconnect, names, and what a bad network does (a proxy that delays, cuts and forgets).
 */
#include "net_fixture.h"
#include "pki.h"
#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

/* To the proxy before the listener. */
static void meet_by_proxy(struct fixture *f, struct proxy *proxy, const char *scheme,
                          struct net_endpoints_options *options)
{
    char to[100];
    fixture_listen(f, "127.0.0.1:0", NULL);
    proxy_start(proxy, "127.0.0.1", fixture_port(f));
    snprintf(to, sizeof(to), "127.0.0.1:%u", proxy->port);
    fixture_connect(f, scheme, to, options);
}

/* A port on which nobody listens. */
static void dead_port(char *text, size_t bytes)
{
    struct fixture f;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(text, bytes, "127.0.0.1:%u", fixture_port(&f));
    fixture_fini(&f);
}

/* Endpoints by a text of several tiers, "A,B|C". */
static void connect_many(struct fixture *f, const char *tiers, struct net_endpoints_options *options,
                         const struct net_endpoints_calls *calls, void *context)
{
    struct net_endpoint endpoints[8];
    struct net_text why;
    unsigned count = 0, tier = 0;
    char copy[400], *rest = copy, *one;
    snprintf(copy, sizeof(copy), "%s", tiers);
    while ((one = strsep(&rest, "|")))
        assert_int_equal(net_endpoints_parse(endpoints, &count, one, tier++, 1, &why), 0);
    options->endpoints = endpoints;
    options->count = count;
    if (net_endpoints_new(&f->endpoints, f->net, options, calls, context, &why) < 0)
        fail_msg("%s", why.text);
    net_endpoints_start(f->endpoints);
}

static unsigned tries, ups;
static char last_reason[600];
static uint64_t last_retry_ns;
static bool last_round_ended, up_is_good;
static struct net_link *up_link;
static unsigned closes;

static size_t eat(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    return size;
}
static void gone(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    closes++;
    up_link = NULL;
}
static const struct net_link_calls eater = {.received = eat, .closed = gone};

static void on_up(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    ups++;
    up_link = link;
    net_link_own(link, &eater, NULL);
    if (up_is_good)
        net_endpoints_good(endpoints);
}
static void on_failed(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                      bool round_ended, uint64_t retry_ns)
{
    tries++;
    last_round_ended = round_ended;
    last_retry_ns = retry_ns;
    snprintf(last_reason, sizeof(last_reason), "%s", reason);
}
static const struct net_endpoints_calls counting = {.connected = on_up, .failed = on_failed};

static int reset_counts(void **state)
{
    tries = ups = closes = 0;
    last_reason[0] = '\0';
    up_is_good = false;
    up_link = NULL;
    return 0;
}

static void endpoints__first_is_down__the_next_is_taken(void **state)
{
    struct fixture f;
    char dead[40], tiers[200];
    struct net_endpoints_options options = {0};
    dead_port(dead, sizeof(dead));
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "%s|%s|127.0.0.1:%u", dead, dead, fixture_port(&f));
    connect_many(&f, tiers, &options, &counting, NULL);
    RUN_UNTIL(&f, ups == 1);
    assert_int_equal(tries, 2);
    assert_false(last_round_ended);
    assert_non_null(strstr(last_reason, "connection refused: is evtrail collect running there"));
    assert_non_null(strstr(last_reason, dead));
    fixture_fini(&f);
}

static void endpoints__none_is_up__backs_off_and_finds_it_later(void **state)
{
    struct fixture f;
    struct net_address address;
    char dead[40];
    struct net_endpoints_options options = {.backoff_ns = 2 * MS, .backoff_max_ns = 20 * MS};
    dead_port(dead, sizeof(dead));
    fixture_init(&f);
    connect_many(&f, dead, &options, &counting, NULL);
    RUN_UNTIL(&f, tries >= 1);
    assert_true(last_round_ended);
    assert_in_range(last_retry_ns, 1 * MS, 2 * MS);
    RUN_UNTIL(&f, tries >= 8);
    assert_in_range(last_retry_ns, 10 * MS, 20 * MS);
    assert_int_equal(net_address_parse(&address, dead, 1, NULL), 0);
    fixture_listen(&f, dead, NULL);
    RUN_UNTIL(&f, ups == 1);
    fixture_fini(&f);
}

/* A collector that takes connections and does not welcome is as good as none. */
static void endpoints__link_ends_before_it_was_good__counts_as_failed(void **state)
{
    struct fixture f;
    char tiers[200];
    struct net_endpoints_options options = {.backoff_ns = 200 * MS};
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "127.0.0.1:%u|127.0.0.1:%u", fixture_port(&f), fixture_port(&f));
    connect_many(&f, tiers, &options, &counting, NULL);
    RUN_UNTIL(&f, up_link);
    const uint64_t began_ns = fixture_now();
    net_link_close(up_link, "no welcome");
    RUN_UNTIL(&f, ups == 2); /* the next at once */
    net_link_close(up_link, "no welcome");
    RUN_UNTIL(&f, ups == 3); /* after the pause */
    assert_true(fixture_now() - began_ns >= 100 * MS);
    assert_int_equal(tries, 0);
    fixture_fini(&f);
}

static void endpoints__long_good_link_ends__back_quickly(void **state)
{
    struct fixture f;
    struct net_endpoints_options options = {.backoff_ns = 3600000 * MS, .backoff_max_ns = 3600000 * MS, .good_ns = 1};
    char tiers[100];
    up_is_good = true;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "127.0.0.1:%u", fixture_port(&f));
    connect_many(&f, tiers, &options, &counting, NULL);
    for (unsigned i = 1; i < 5; i++) {
        RUN_UNTIL(&f, ups == i && up_link);
        net_link_close(up_link, "bye");
        RUN_UNTIL(&f, closes == i);
    }
    RUN_UNTIL(&f, ups == 5); /* not after an hour */
    fixture_fini(&f);
}

static void endpoints__collector_asks_to_wait__waited(void **state)
{
    struct fixture f;
    struct net_endpoints_options options = {.good_ns = 1};
    char tiers[100];
    up_is_good = true;
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "127.0.0.1:%u", fixture_port(&f));
    connect_many(&f, tiers, &options, &counting, NULL);
    RUN_UNTIL(&f, up_link);
    const uint64_t began_ns = fixture_now();
    net_endpoints_hold(f.endpoints, 300 * MS);
    net_link_close(up_link, "told to wait");
    RUN_UNTIL(&f, ups == 2);
    assert_true(fixture_now() - began_ns >= 290 * MS);
    fixture_fini(&f);
}

static void endpoints__names__looked_up_at_each_connect(void **state)
{
    struct fixture f;
    struct pki pki;
    char tiers[100];
    struct net_endpoints_options options = {.backoff_ns = 2 * MS,
                                            .backoff_max_ns = 20 * MS,
                                            .insecure = true,
                                            .dns_servers = "127.0.0.1:1",
                                            .connect_ns = 2000 * MS};
    pki_init(&pki);
    pki_file(&pki, "hosts", "127.0.0.1 other\n", 0600);
    options.hosts_file = pki_path(&pki, "hosts");
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "collector.test:%u", fixture_port(&f));
    connect_many(&f, tiers, &options, &counting, NULL);
    RUN_UNTIL(&f, tries >= 1);
    assert_non_null(strstr(last_reason, "collector.test:"));
    pki_file(&pki, "hosts", "127.0.0.1 other\n127.0.0.1 collector.test\n", 0600);
    RUN_UNTIL(&f, ups == 1);
    fixture_fini(&f);
    pki_fini(&pki);
}

static void endpoints__stopped_and_freed_at_any_moment__nothing_left(void **state)
{
    char tiers[100], dead[40];
    dead_port(dead, sizeof(dead));
    for (unsigned turns = 0; turns < 12; turns++) {
        struct fixture f;
        struct net_endpoints_options options = {0};
        fixture_init(&f);
        fixture_listen(&f, "127.0.0.1:0", NULL);
        snprintf(tiers, sizeof(tiers), turns % 2 ? "127.0.0.1:%u" : "localhost:%u", fixture_port(&f));
        connect_many(&f, turns % 3 ? tiers : dead, &options, &counting, NULL);
        for (unsigned i = 0; i < turns / 2; i++)
            evloop_run_once(f.loop, 0);
        if (turns % 4 == 1) {
            net_endpoints_stop(f.endpoints);
            evloop_run_once(f.loop, 0);
            net_endpoints_start(f.endpoints);
        }
        fixture_fini(&f);
    }
}

static struct net_endpoints *to_free;
static struct net_listener *listener_to_free;

static void freeing_failed(void *context, struct net_endpoints *endpoints, enum net_end end, const char *reason,
                           bool round_ended, uint64_t retry_ns)
{
    tries++;
    assert_ptr_equal(endpoints, to_free);
    net_endpoints_free(endpoints);
    ((struct fixture *)context)->endpoints = NULL;
}

static void freeing_up(void *context, struct net_endpoints *endpoints, struct net_link *link)
{
    ups++;
    net_link_own(link, &eater, NULL);
    net_endpoints_free(endpoints);
    ((struct fixture *)context)->endpoints = NULL;
}

static void freeing_accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    net_link_own(link, &eater, NULL);
    net_listener_free(listener);
    listener_to_free = NULL;
}

static void callbacks__free_what_calls_them__no_harm(void **state)
{
    static const struct net_endpoints_calls calls = {.connected = freeing_up, .failed = freeing_failed};
    static const struct net_listener_calls listener_calls = {.accepted = freeing_accepted};
    struct net_endpoints_options options = {0};
    struct fixture f;
    struct net_address address;
    char dead[40], tiers[100];
    dead_port(dead, sizeof(dead));
    snprintf(tiers, sizeof(tiers), "%s|%s", dead, dead);
    for (unsigned i = 0; i < 2; i++) { /* in the middle of a round, and at its end */
        fixture_init(&f);
        connect_many(&f, i ? dead : tiers, &options, &calls, &f);
        to_free = f.endpoints;
        RUN_UNTIL(&f, tries == i + 1);
        fixture_fini(&f);
    }
    fixture_init(&f);
    assert_int_equal(net_address_parse(&address, "127.0.0.1:0", 0, NULL), 0);
    const struct net_listener_options listen = {.addresses = &address, .addresses_count = 1};
    assert_int_equal(net_listener_new(&listener_to_free, f.net, &listen, &listener_calls, &f, NULL), 0);
    assert_true(net_listener_address(listener_to_free, 0, &address));
    f.listener = listener_to_free; /* for its port */
    const int fd = raw_connect(&f);
    f.listener = NULL;
    assert_int_equal(write(fd, "E", 1), 1);
    RUN_UNTIL(&f, !listener_to_free);
    close(fd);
    RUN_UNTIL(&f, closes == 1);
    fixture_listen(&f, "127.0.0.1:0", NULL);
    snprintf(tiers, sizeof(tiers), "127.0.0.1:%u", fixture_port(&f));
    connect_many(&f, tiers, &options, &calls, &f);
    RUN_UNTIL(&f, ups == 1 && closes == 2);
    fixture_fini(&f);
}

/* ---- a bad network ---- */

static void proxy__cut_at_any_byte_of_the_handshake__no_hang_no_leak(void **state)
{
    struct pki pki;
    struct pki_signer ca;
    struct net_text why;
    pki_init(&pki);
    pki_signer_init(&pki, &ca, "ca");
    struct pki_certificate certificate = pki_certificate(&pki, &ca, "server", "IP:127.0.0.1", -3600, 3600);
    for (unsigned at = 1; at < 1500; at += at < 20 ? 3 : 150) {
        struct fixture f;
        struct proxy proxy;
        fixture_init(&f);
        assert_int_equal(net_tls_new(&f.server_tls, NET_SERVER,
                                     &(struct net_tls_options){.cert_file = certificate.cert_file,
                                                               .key_file = certificate.key_file,
                                                               .anyone = true},
                                     &why),
                         0);
        assert_int_equal(net_tls_new(&f.client_tls, NET_CLIENT,
                                     &(struct net_tls_options){.ca_file = pki_path(&pki, "ca.pem")}, &why),
                         0);
        fixture_listen(&f, "127.0.0.1:0", NULL);
        proxy_start(&proxy, "127.0.0.1", fixture_port(&f));
        struct proxy_fault fault = {.cut = at % 2 ? PROXY_CUT_close : PROXY_CUT_reset};
        *(at % 3 ? &fault.cut_down_bytes : &fault.cut_up_bytes) = at;
        proxy_set(&proxy, fault);
        char to[40];
        snprintf(to, sizeof(to), "127.0.0.1:%u", proxy.port);
        fixture_connect(&f, "tls://", to, NULL);
        RUN_UNTIL(&f, f.client.ready || f.failed);
        if (f.failed) {
            RUN_UNTIL(&f, f.refused);
            if (f.failed_end != NET_END_reset && f.failed_end != NET_END_tls_protocol)
                fail_msg("cut at %u: %s: %s", at, net_end_name(f.failed_end), f.failed_reason);
        }
        fixture_fini(&f);
        proxy_stop(&proxy);
    }
    pki_signer_fini(&ca);
    pki_fini(&pki);
}

static void proxy__delayed__all_arrives(void **state)
{
    struct fixture f;
    struct proxy proxy;
    static uint8_t bytes[1 << 20];
    fixture_init(&f);
    meet_by_proxy(&f, &proxy, "", NULL);
    proxy_set(&proxy, (struct proxy_fault){.delay_ms = 20});
    f.server.echo = true;
    RUN_UNTIL(&f, f.client.ready);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 13 + (i >> 12));
    assert_int_equal(side_send(&f.client, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(&f, f.client.received_bytes == sizeof(bytes));
    assert_int_equal(f.client.checksum, checksum_of(UINT64_C(0xcbf29ce484222325), bytes, sizeof(bytes)));
    fixture_fini(&f);
    proxy_stop(&proxy);
}

static void proxy__partition__noticed_on_both_sides_and_healed(void **state)
{
    struct fixture f;
    struct proxy proxy;
    char to[40];
    struct net_listener_options listen = {.link = {.idle_ns = 150 * MS}};
    struct net_endpoints_options options = {
        .backoff_ns = 2 * MS, .backoff_max_ns = 20 * MS, .link = {.idle_ns = 150 * MS}};
    fixture_init(&f);
    f.keep_trying = f.call_good = true;
    fixture_listen(&f, "127.0.0.1:0", &listen);
    proxy_start(&proxy, "127.0.0.1", fixture_port(&f));
    snprintf(to, sizeof(to), "127.0.0.1:%u", proxy.port);
    fixture_connect(&f, "", to, &options);
    RUN_UNTIL(&f, f.client.ready == 1);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.received_bytes == 1);
    proxy_set(&proxy, (struct proxy_fault){.cut = PROXY_CUT_hang});
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    assert_int_equal(f.client.end, NET_END_idle);
    assert_int_equal(f.server.end, NET_END_idle);
    proxy_set(&proxy, (struct proxy_fault){0});
    const uint64_t before = f.server.received_bytes;
    RUN_UNTIL(&f, (f.client.link && side_send(&f.client, "y", 1) == 0 && f.server.received_bytes > before));
    fixture_fini(&f);
    proxy_stop(&proxy);
}

static void proxy__figures__count_what_passed(void **state)
{
    struct fixture f;
    struct proxy proxy;
    struct proxy_figures figures;
    fixture_init(&f);
    meet_by_proxy(&f, &proxy, "", NULL);
    f.server.echo = true;
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "12345", 5), 0);
    RUN_UNTIL(&f, f.client.received_bytes == 5);
    proxy_set(&proxy, (struct proxy_fault){.cut = PROXY_CUT_close, .cut_up_bytes = 8});
    assert_int_equal(side_send(&f.client, "67890", 5), 0);
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    assert_int_equal(f.server.received_bytes, 8);
    proxy_figures(&proxy, &figures);
    assert_int_equal(figures.connections, 1);
    assert_int_equal(figures.up_bytes, 8);
    assert_int_equal(figures.cuts, 1);
    assert_int_equal(figures.open, 0);
    fixture_fini(&f);
    proxy_stop(&proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(endpoints__first_is_down__the_next_is_taken, reset_counts),
        cmocka_unit_test_setup(endpoints__none_is_up__backs_off_and_finds_it_later, reset_counts),
        cmocka_unit_test_setup(endpoints__link_ends_before_it_was_good__counts_as_failed, reset_counts),
        cmocka_unit_test_setup(endpoints__long_good_link_ends__back_quickly, reset_counts),
        cmocka_unit_test_setup(endpoints__collector_asks_to_wait__waited, reset_counts),
        cmocka_unit_test_setup(endpoints__names__looked_up_at_each_connect, reset_counts),
        cmocka_unit_test_setup(endpoints__stopped_and_freed_at_any_moment__nothing_left, reset_counts),
        cmocka_unit_test_setup(callbacks__free_what_calls_them__no_harm, reset_counts),
        cmocka_unit_test_setup(proxy__cut_at_any_byte_of_the_handshake__no_hang_no_leak, reset_counts),
        cmocka_unit_test_setup(proxy__delayed__all_arrives, reset_counts),
        cmocka_unit_test_setup(proxy__partition__noticed_on_both_sides_and_healed, reset_counts),
        cmocka_unit_test_setup(proxy__figures__count_what_passed, reset_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
