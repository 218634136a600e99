/* SPDX-License-Identifier: ISC
 *
 * The resolver against a DNS server that misbehaves by name (support/dns_server.h), with io_uring and with epoll.
 */
#include "dns.h"
#include "dns_server.h"
#include "loop_fixture.h"
#include "memory_fault.h"
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT = 443, SHOWN = 8 };

/* What was told, copied. */
struct asked {
    struct resolver_query query;
    struct resolver_watch watch;
    unsigned calls, count;
    enum evpool_code code;
    enum resolver_source source;
    uint32_t ttl_s;
    uint64_t took_ns;
    char addresses[SHOWN][80], text[160];
};

static struct dns_server *server;

static void keep(struct asked *asked, const struct resolver_answer *answer)
{
    asked->calls++;
    asked->code = answer->code;
    asked->source = answer->source;
    asked->count = answer->count;
    asked->ttl_s = answer->ttl_s;
    asked->took_ns = answer->took_ns;
    assert_true((answer->code == EVPOOL_OK) == (answer->text == NULL));
    assert_true((answer->code == EVPOOL_OK) == (answer->count > 0));
    snprintf(asked->text, sizeof(asked->text), "%s", answer->text ? answer->text : "");
    for (unsigned i = 0; i < answer->count && i < SHOWN; i++)
        peer_address_print(&answer->addresses[i], asked->addresses[i], sizeof(asked->addresses[i]));
}

static void told(struct resolver_query *query, const struct resolver_answer *answer)
{
    keep((struct asked *)query, answer);
}

static void changed(struct resolver_watch *watch, const struct resolver_answer *answer)
{
    keep((struct asked *)((char *)watch - offsetof(struct asked, watch)), answer);
}

static struct resolver *open_with(struct loop_fixture *f, uint64_t timeout_ns, const char *hosts_file,
                                  uint32_t ttl_min_s)
{
    const struct resolver_options options = {.timeout_ns = timeout_ns,
                                             .ttl_min_s = ttl_min_s,
                                             .ttl_max_s = 3600,
                                             .negative_ttl_s = 5,
                                             .servers = dns_server_address(server),
                                             .hosts_file = hosts_file};
    struct resolver *resolver = NULL;
    assert_int_equal(0, resolver_new(&resolver, f->loop, &options));
    dns_server_asked(server);
    return resolver;
}

static struct resolver *open_resolver(struct loop_fixture *f)
{
    return open_with(f, 3000000000, "", 1);
}

/* Asks, and waits for the answer. */
static void ask(struct loop_fixture *f, struct resolver *resolver, struct asked *asked, const char *host)
{
    const unsigned before = asked->calls;
    resolver_lookup(resolver, &asked->query, host, PORT, told);
    assert_int_equal(before, asked->calls);
    LOOP_UNTIL(f->loop, asked->calls > before);
    assert_int_equal(before + 1, asked->calls);
}

static void assert_fails(struct loop_fixture *f, const char *host, enum evpool_code code, const char *text)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, host);
    assert_int_equal(code, asked.code);
    assert_non_null(strstr(asked.text, text));
    assert_non_null(strstr(asked.text, "DNS server 127.0.0.1:"));
    resolver_free(resolver);
}

/* ---- answers ---- */

static void lookup__one_address__found_then_cached(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(EVPOOL_OK, asked.code);
    assert_int_equal(1, asked.count);
    assert_string_equal("tcp:192.0.2.1:443", asked.addresses[0]);
    assert_int_equal(RESOLVER_DNS, asked.source);
    assert_int_equal(60, asked.ttl_s);
    assert_true(asked.took_ns > 0);
    ask(f, resolver, &asked, "ONE.test");
    assert_int_equal(RESOLVER_CACHE, asked.source);
    assert_string_equal("tcp:192.0.2.1:443", asked.addresses[0]);
    assert_int_equal(1, dns_server_asked(server));
    resolver_forget(resolver, "one.test");
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(RESOLVER_DNS, asked.source);
    assert_int_equal(1, dns_server_asked(server));
    resolver_free(resolver);
}

static void lookup__both_families__interleaved_ipv6_first(struct loop_fixture *f)
{
    static const char *const wanted[] = {"tcp:[2001:db8::1]:443", "tcp:192.0.2.1:443", "tcp:[2001:db8::2]:443",
                                         "tcp:192.0.2.2:443", "tcp:192.0.2.3:443"};
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "dual.test");
    assert_int_equal(5, asked.count);
    for (int i = 0; i < 5; i++)
        assert_string_equal(wanted[i], asked.addresses[i]);
    resolver_free(resolver);
}

static void lookup__many_callers_at_once__one_question(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    static struct asked asked[100];
    memset(asked, 0, sizeof(asked));
    for (int i = 0; i < 100; i++)
        resolver_lookup(resolver, &asked[i].query, "dual.test", (uint16_t)i, told);
    resolver_cancel(&asked[50].query);
    resolver_cancel(&asked[50].query);
    LOOP_UNTIL(f->loop, asked[99].calls);
    for (int i = 0; i < 100; i++) {
        char text[40];
        assert_int_equal(i != 50, asked[i].calls);
        snprintf(text, sizeof(text), "tcp:192.0.2.1:%d", i);
        if (i != 50)
            assert_string_equal(text, asked[i].addresses[1]);
    }
    assert_int_equal(1, dns_server_asked(server));
    resolver_free(resolver);
}

static void lookup__all_cancelled__still_for_the_cache(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    resolver_lookup(resolver, &asked.query, "one.test", PORT, told);
    resolver_cancel(&asked.query);
    const uint64_t until = evloop_update_now(f->loop) + 200000000;
    while (evloop_update_now(f->loop) < until)
        evloop_run_once(f->loop, 20000000);
    assert_int_equal(0, asked.calls);
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(RESOLVER_CACHE, asked.source);
    resolver_free(resolver);
}

static void lookup__thousand_addresses__by_tcp_and_all(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "many.test");
    assert_int_equal(EVPOOL_OK, asked.code);
    assert_int_equal(1000, asked.count);
    ask(f, resolver, &asked, "truncated.test");
    assert_int_equal(1, asked.count);
    resolver_free(resolver);
}

static void lookup__chain_of_names__least_ttl(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "cname.test");
    assert_int_equal(1, asked.count);
    assert_string_equal("tcp:192.0.2.77:443", asked.addresses[0]);
    assert_int_equal(7, asked.ttl_s);
    resolver_free(resolver);
}

static void lookup__answer_with_a_wrong_id__not_believed(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "wrongid.test");
    assert_string_equal("tcp:192.0.2.1:443", asked.addresses[0]);
    resolver_free(resolver);
}

/* ---- failures ---- */

static void lookup__no_such_name__none_and_cached(struct loop_fixture *f)
{
    assert_fails(f, "none.test", EVPOOL_ERROR_resolve_none, "no such name");
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "none.test");
    ask(f, resolver, &asked, "none.test");
    assert_int_equal(EVPOOL_ERROR_resolve_none, asked.code);
    assert_int_equal(RESOLVER_CACHE, asked.source);
    assert_int_equal(5, asked.ttl_s);
    assert_int_equal(1, dns_server_asked(server));
    resolver_free(resolver);
}

static void lookup__no_address__none(struct loop_fixture *f)
{
    assert_fails(f, "empty.test", EVPOOL_ERROR_resolve_none, "no address");
}

static void lookup__servfail__failed_and_not_cached(struct loop_fixture *f)
{
    assert_fails(f, "fail.test", EVPOOL_ERROR_resolve_failed, "server failure");
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "fail.test");
    const unsigned first = dns_server_asked(server);
    ask(f, resolver, &asked, "fail.test");
    assert_true(first > 0 && dns_server_asked(server) > 0);
    resolver_free(resolver);
}

static void lookup__refused__failed(struct loop_fixture *f)
{
    assert_fails(f, "refused.test", EVPOOL_ERROR_resolve_failed, "the server refuses");
}

static void lookup__garbage__failed(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    ask(f, resolver, &asked, "garbage.test");
    assert_true(asked.code == EVPOOL_ERROR_resolve_failed || asked.code == EVPOOL_ERROR_resolve_none);
    resolver_free(resolver);
}

static void lookup__server_hangs__timeout_in_time(struct loop_fixture *f)
{
    struct resolver *resolver = open_with(f, 300000000, "", 1);
    struct asked asked = {0};
    const uint64_t began_ns = evloop_update_now(f->loop);
    ask(f, resolver, &asked, "hung.test");
    const uint64_t took_ns = evloop_update_now(f->loop) - began_ns;
    assert_int_equal(EVPOOL_ERROR_resolve_timeout, asked.code);
    assert_true(took_ns >= 100000000 && took_ns < 2000000000);
    resolver_free(resolver);
}

static void lookup__one_family_hangs__the_other_soon(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    const uint64_t began_ns = evloop_update_now(f->loop);
    ask(f, resolver, &asked, "half.test");
    assert_int_equal(1, asked.count);
    assert_true(evloop_update_now(f->loop) - began_ns < 1000000000);
    resolver_free(resolver);
}

static void lookup__nobody_listens__failed(struct loop_fixture *f)
{
    const struct resolver_options options = {
        .timeout_ns = 2000000000, .ttl_max_s = 60, .servers = "127.0.0.1:9", .hosts_file = ""};
    struct resolver *resolver;
    struct asked asked = {0};
    assert_int_equal(0, resolver_new(&resolver, f->loop, &options));
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(EVPOOL_ERROR_resolve_failed, asked.code);
    assert_non_null(strstr(asked.text, "DNS server 127.0.0.1:9"));
    resolver_free(resolver);
}

static void lookup__not_a_name__none(struct loop_fixture *f)
{
    static const char *const hosts[] = {"", "a b", "a\nb", "unix:", "a..b"};
    struct resolver *resolver = open_resolver(f);
    char longest[400];
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = 0;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        struct asked asked = {0};
        ask(f, resolver, &asked, hosts[i]);
        assert_int_equal(EVPOOL_ERROR_resolve_none, asked.code);
    }
    struct asked asked = {0};
    ask(f, resolver, &asked, longest);
    assert_int_equal(EVPOOL_ERROR_resolve_none, asked.code);
    assert_int_equal(0, dns_server_asked(server));
    resolver_free(resolver);
}

static void options__wrong_servers__einval(struct loop_fixture *f)
{
    const struct resolver_options options = {.timeout_ns = 1000000000, .servers = "not an address"};
    struct resolver *resolver = NULL;
    assert_int_equal(-EINVAL, resolver_new(&resolver, f->loop, &options));
    assert_null(resolver);
}

/* ---- without DNS ---- */

static void lookup__literals_and_paths__themselves(struct loop_fixture *f)
{
    static const struct {
        const char *host, *address;
        enum resolver_source source;
    } cases[] = {
        {"127.0.0.1", "tcp:127.0.0.1:443", RESOLVER_LITERAL},
        {"::1", "tcp:[::1]:443", RESOLVER_LITERAL},
        {"[::1]", "tcp:[::1]:443", RESOLVER_LITERAL},
        {"[2001:DB8::A]", "tcp:[2001:db8::a]:443", RESOLVER_LITERAL},
        {"fe80::1%lo", "tcp:[fe80::1%1]:443", RESOLVER_LITERAL},
        {"[fe80::1%1]", "tcp:[fe80::1%1]:443", RESOLVER_LITERAL},
        {"unix:/run/X y", "unix:/run/X y", RESOLVER_UNIX},
        {"unix:@abstract", "unix:@abstract", RESOLVER_UNIX},
        {"localhost", "tcp:[::1]:443", RESOLVER_HOSTS},
    };
    struct resolver *resolver = open_resolver(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct asked asked = {0};
        ask(f, resolver, &asked, cases[i].host);
        assert_int_equal(EVPOOL_OK, asked.code);
        assert_string_equal(cases[i].address, asked.addresses[0]);
        assert_int_equal(cases[i].source, asked.source);
    }
    assert_int_equal(0, dns_server_asked(server));
    resolver_free(resolver);
}

static void write_hosts(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void lookup__hosts_file__read_again_when_it_changes(struct loop_fixture *f)
{
    char path[] = "/tmp/resolver_hosts.XXXXXX";
    close(mkstemp(path));
    write_hosts(
        path,
        "# a comment\n10.0.0.1 other one.TEST # and more\n\nfe80::5%lo\tone.test\nbad one.test\n 10.0.0.2 one.test x");
    struct resolver *resolver = open_with(f, 3000000000, path, 1);
    struct asked asked = {0};
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(RESOLVER_HOSTS, asked.source);
    assert_int_equal(3, asked.count);
    assert_string_equal("tcp:[fe80::5%1]:443", asked.addresses[0]);
    assert_string_equal("tcp:10.0.0.1:443", asked.addresses[1]);
    write_hosts(path, "10.0.0.9 one.test\n");
    ask(f, resolver, &asked, "one.test");
    assert_string_equal("tcp:10.0.0.9:443", asked.addresses[0]);
    unlink(path);
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(RESOLVER_DNS, asked.source);
    assert_string_equal("tcp:192.0.2.1:443", asked.addresses[0]);
    write_hosts(path, "10.0.0.9 something.else\n");
    ask(f, resolver, &asked, "one.test");
    assert_int_equal(RESOLVER_CACHE, asked.source); /* a change that is not about it */
    unlink(path);
    resolver_free(resolver);
}

static void settings__resolv_conf_changes__next_lookup_by_the_new(struct loop_fixture *f)
{
    char path[] = "/tmp/resolver_conf.XXXXXX", name[300];
    const struct resolver_options options = {
        .timeout_ns = 1000000000, .ttl_max_s = 60, .hosts_file = "", .resolv_conf = path};
    struct resolver *resolver;
    struct dns *dns;
    struct asked asked = {0};
    close(mkstemp(path));
    write_hosts(path, "search a.test b.test\nnameserver 127.0.0.249\n");
    assert_int_equal(0, resolver_new(&resolver, f->loop, &options));
    assert_int_equal(0, dns_new(&dns, f->loop, &options));
    static const char *const wanted[] = {"x.a.test", "x.b.test", "x"};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(0, dns_candidate(dns, "x", i, name, sizeof(name)));
        assert_string_equal(wanted[i], name);
    }
    assert_int_equal(-ENOENT, dns_candidate(dns, "x", 3, name, sizeof(name)));
    assert_int_equal(0, dns_candidate(dns, "x.y", 0, name, sizeof(name)));
    assert_string_equal("x.y", name);
    assert_int_equal(-ENOENT, dns_candidate(dns, "x.", 1, name, sizeof(name)));
    assert_false(dns_outdated(dns));
    ask(f, resolver, &asked, "x.test"); /* nobody is there */
    assert_non_null(strstr(asked.text, "127.0.0.249"));
    write_hosts(path, "nameserver 127.0.0.248\n");
    assert_true(dns_outdated(dns));
    ask(f, resolver, &asked, "x.test");
    assert_non_null(strstr(asked.text, "127.0.0.248"));
    unlink(path);
    dns_free(dns);
    resolver_free(resolver);
}

/* ---- watching ---- */

static void watch__addresses_change__told_before_the_ttl_ends(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0}, other = {0};
    dns_server_set_version(server, 10);
    assert_int_equal(0, resolver_watch(resolver, &asked.watch, "changes.test", PORT, changed));
    assert_int_equal(0, resolver_watch(resolver, &other.watch, "changes.test", 80, changed));
    LOOP_UNTIL(f->loop, asked.calls == 1 && other.calls == 1);
    assert_string_equal("tcp:192.0.2.10:443", asked.addresses[0]);
    assert_string_equal("tcp:192.0.2.10:80", other.addresses[0]);
    resolver_unwatch(&other.watch);
    const uint64_t began_ns = evloop_update_now(f->loop);
    dns_server_set_version(server, 11);
    LOOP_UNTIL(f->loop, asked.calls == 2);
    assert_true(evloop_update_now(f->loop) - began_ns < 1000000000); /* its TTL is 1 s */
    assert_string_equal("tcp:192.0.2.11:443", asked.addresses[0]);
    assert_int_equal(1, other.calls);
    resolver_unwatch(&asked.watch);
    resolver_unwatch(&asked.watch);
    resolver_free(resolver);
}

static void run_for(struct loop_fixture *f, uint64_t ns)
{
    const uint64_t until_ns = evloop_update_now(f->loop) + ns;
    while (evloop_update_now(f->loop) < until_ns)
        assert_true(evloop_run_once(f->loop, 20000000) >= 0);
}

static void watch__same_addresses_in_another_order__not_told(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked asked = {0};
    assert_int_equal(0, resolver_watch(resolver, &asked.watch, "turns.test", PORT, changed));
    run_for(f, 1900000000);
    assert_true(dns_server_asked(server) >= 2);
    assert_int_equal(1, asked.calls);
    resolver_free(resolver);
}

static void watch__refresh_fails__old_addresses_stay(struct loop_fixture *f)
{
    struct resolver *resolver = open_with(f, 200000000, "", 1);
    struct asked watching = {0}, asking = {0};
    dns_server_set_version(server, 20);
    assert_int_equal(0, resolver_watch(resolver, &watching.watch, "changes.test", PORT, changed));
    LOOP_UNTIL(f->loop, watching.calls == 1);
    dns_server_set_silent(server, 1);
    run_for(f, 1300000000);
    ask(f, resolver, &asking, "changes.test"); /* it is past its TTL */
    assert_int_equal(EVPOOL_OK, asking.code);
    assert_string_equal("tcp:192.0.2.20:443", asking.addresses[0]);
    assert_int_equal(0, asking.ttl_s);
    dns_server_set_silent(server, 0);
    dns_server_set_version(server, 21);
    LOOP_UNTIL(f->loop, watching.calls == 2);
    assert_string_equal("tcp:192.0.2.21:443", watching.addresses[0]);
    resolver_unwatch(&watching.watch);
    resolver_free(resolver);
}

static void watch__second_family_comes_late__told_then(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked watching = {0}, asking = {0};
    assert_int_equal(0, resolver_watch(resolver, &watching.watch, "late.test", PORT, changed));
    ask(f, resolver, &asking, "late.test");
    LOOP_UNTIL(f->loop, watching.count == 2);
    assert_string_equal("tcp:[2001:db8::1]:443", watching.addresses[0]);
    resolver_unwatch(&watching.watch);
    resolver_free(resolver);
}

static void lookup__ttl_of_zero__lower_bound(struct loop_fixture *f)
{
    struct resolver *resolver = open_with(f, 3000000000, "", 30);
    struct asked asked = {0};
    ask(f, resolver, &asked, "brief.test");
    assert_int_equal(30, asked.ttl_s);
    resolver_free(resolver);
}

/* ---- bounds and ends ---- */

static void cache__more_names_than_its_bound__forgets_the_oldest(struct loop_fixture *f)
{
    enum { NAMES = 4200, AT_ONCE = 50 };
    struct resolver *resolver = open_resolver(f);
    struct asked *asked = calloc(AT_ONCE, sizeof(*asked));
    char host[40];
    for (int i = 0; i < NAMES; i += AT_ONCE) {
        memset(asked, 0, AT_ONCE * sizeof(*asked));
        for (int k = 0; k < AT_ONCE; k++) {
            snprintf(host, sizeof(host), "10.1.%d.%d", (i + k) / 200, (i + k) % 200 + 1);
            resolver_lookup(resolver, &asked[k].query, host, PORT, told);
        }
        LOOP_UNTIL(f->loop, asked[AT_ONCE - 1].calls);
    }
    memset(asked, 0, sizeof(*asked));
    ask(f, resolver, asked, "n0.test");
    ask(f, resolver, asked, "n0.test");
    assert_int_equal(RESOLVER_CACHE, asked->source);
    free(asked);
    resolver_free(resolver);
}

static void free__queries_wait__closed(struct loop_fixture *f)
{
    struct resolver *resolver = open_resolver(f);
    struct asked waiting[3] = {0}, watching = {0};
    resolver_lookup(resolver, &waiting[0].query, "hung.test", PORT, told);
    resolver_lookup(resolver, &waiting[1].query, "127.0.0.1", PORT, told);
    resolver_lookup(resolver, &waiting[2].query, "", PORT, told);
    assert_int_equal(0, resolver_watch(resolver, &watching.watch, "hung.test", PORT, changed));
    resolver_free(resolver);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(1, waiting[i].calls);
        assert_int_equal(EVPOOL_ERROR_closed, waiting[i].code);
    }
    resolver_unwatch(&watching.watch); /* nothing */
    assert_true(evloop_run_once(f->loop, 0) >= 0);
}

static void memory__fails_anywhere__an_answer_and_no_leak(struct loop_fixture *f)
{
    static const char *const hosts[] = {"dual.test", "127.0.0.1", "unix:/x", "localhost"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        unsigned failed = 1;
        for (unsigned allowed = 0; failed && allowed < 200; allowed++) {
            struct resolver *resolver = NULL;
            struct asked asked = {0};
            const struct resolver_options options = {.timeout_ns = 300000000,
                                                     .ttl_max_s = 60,
                                                     .servers = dns_server_address(server),
                                                     .hosts_file = "/etc/hosts"};
            memory_fault_after(allowed);
            const int error = resolver_new(&resolver, f->loop, &options);
            if (error == 0) {
                ask(f, resolver, &asked, hosts[i]);
                assert_true(asked.code == EVPOOL_OK || asked.code == EVPOOL_ERROR_memory ||
                            asked.code == EVPOOL_ERROR_resolve_timeout);
            }
            failed = memory_fault_end();
            assert_true(error == 0 || error == -ENOMEM);
            resolver_free(resolver);
            assert_true(evloop_run_once(f->loop, 0) >= 0);
        }
        assert_int_equal(0, failed);
    }
}

int main(void)
{
    static const struct loop_case cases[] = {
        LOOP_CASE(lookup__one_address__found_then_cached),
        LOOP_CASE(lookup__both_families__interleaved_ipv6_first),
        LOOP_CASE(lookup__many_callers_at_once__one_question),
        LOOP_CASE(lookup__all_cancelled__still_for_the_cache),
        LOOP_CASE(lookup__thousand_addresses__by_tcp_and_all),
        LOOP_CASE(lookup__chain_of_names__least_ttl),
        LOOP_CASE(lookup__answer_with_a_wrong_id__not_believed),
        LOOP_CASE(lookup__no_such_name__none_and_cached),
        LOOP_CASE(lookup__no_address__none),
        LOOP_CASE(lookup__servfail__failed_and_not_cached),
        LOOP_CASE(lookup__refused__failed),
        LOOP_CASE(lookup__garbage__failed),
        LOOP_CASE(lookup__server_hangs__timeout_in_time),
        LOOP_CASE(lookup__one_family_hangs__the_other_soon),
        LOOP_CASE(lookup__nobody_listens__failed),
        LOOP_CASE(lookup__not_a_name__none),
        LOOP_CASE(options__wrong_servers__einval),
        LOOP_CASE(lookup__literals_and_paths__themselves),
        LOOP_CASE(lookup__hosts_file__read_again_when_it_changes),
        LOOP_CASE(settings__resolv_conf_changes__next_lookup_by_the_new),
        LOOP_CASE(watch__addresses_change__told_before_the_ttl_ends),
        LOOP_CASE(watch__same_addresses_in_another_order__not_told),
        LOOP_CASE(watch__refresh_fails__old_addresses_stay),
        LOOP_CASE(watch__second_family_comes_late__told_then),
        LOOP_CASE(lookup__ttl_of_zero__lower_bound),
        LOOP_CASE(cache__more_names_than_its_bound__forgets_the_oldest),
        LOOP_CASE(free__queries_wait__closed),
        LOOP_CASE(memory__fails_anywhere__an_answer_and_no_leak),
    };
    server = dns_server_start();
    const int failed = loop_fixture_run("resolver", cases, sizeof(cases) / sizeof(*cases));
    dns_server_stop(server);
    return failed;
}
