/* SPDX-License-Identifier: ISC
 *
 * Addresses as they are written; what is local; which collector is next, and when; rules for names.
 */
#include "ship/net_endpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void addresses__as_written__parsed_and_printed_back(void **state)
{
    static const struct {
        const char *text, *host, *printed;
        unsigned port;
        enum net_scheme scheme;
    } cases[] = {
        {"collector", "collector", "collector:7423", 7423, NET_SCHEME_default},
        {"collector:80", "collector", "collector:80", 80, NET_SCHEME_default},
        {"tls://collector:80", "collector", "tls://collector:80", 80, NET_SCHEME_tls},
        {"TCP://127.0.0.1", "127.0.0.1", "tcp://127.0.0.1:7423", 7423, NET_SCHEME_tcp},
        {"collector://a.example/", "a.example", "a.example:7423", 7423, NET_SCHEME_default},
        {"[::1]:1", "::1", "[::1]:1", 1, NET_SCHEME_default},
        {"[fe80::1%eth0]", "fe80::1%eth0", "[fe80::1%eth0]:7423", 7423, NET_SCHEME_default},
        {"2001:db8::2", "2001:db8::2", "[2001:db8::2]:7423", 7423, NET_SCHEME_default},
        {"tls://[2001:db8::2]:65535", "2001:db8::2", "tls://[2001:db8::2]:65535", 65535, NET_SCHEME_tls},
        {"*:0", "", "*:0", 0, NET_SCHEME_default},
        {":9", "", "*:9", 9, NET_SCHEME_default},
        {"unix:/run/x.sock", "unix:/run/x.sock", "unix:/run/x.sock", 0, NET_SCHEME_default},
        {"tls://unix:@x", "unix:@x", "tls://unix:@x", 0, NET_SCHEME_tls},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct net_address address;
        struct net_text why;
        char text[300];
        if (net_address_parse(&address, cases[i].text, NET_PORT, &why) < 0)
            fail_msg("%s: %s", cases[i].text, why.text);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(address.scheme, cases[i].scheme);
        assert_int_equal(address.unix_socket, strncmp(cases[i].host, "unix:", 5) == 0);
        assert_int_equal(net_address_print(&address, text, sizeof(text)), strlen(cases[i].printed));
        assert_string_equal(text, cases[i].printed);
    }
}

static void addresses__wrong__refused_with_a_line(void **state)
{
    static const char *const texts[] = {"",      "tls://", "a:b",    "a:70000",  "a:-1",    "a b",
                                        "[::1",  "[::1]x", "[::1]:", "[abc]:80", "a:80:",   "http://a",
                                        "unix:", "unix:@", "a/b:1",  "@name",    "a:1,b:2", "a:99999999999999999999"};
    char longest[400];
    struct net_address address;
    struct net_text why;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        why.text[0] = '\0';
        if (strcmp(texts[i], "a:80:") == 0) /* as a bare IPv6 literal: its host is judged when it is looked up */
            continue;
        if (net_address_parse(&address, texts[i], NET_PORT, &why) != -EINVAL)
            fail_msg("'%s' was taken", texts[i]);
        assert_true(strlen(why.text) > 10);
        assert_int_equal(net_address_parse(&address, texts[i], NET_PORT, NULL), -EINVAL);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(net_address_parse(&address, longest, 1, &why), -EINVAL);
    memcpy(longest, "unix:", 5);
    assert_int_equal(net_address_parse(&address, longest, 1, &why), -EINVAL);
    longest[5 + 107] = '\0';
    assert_int_equal(net_address_parse(&address, longest, 1, &why), 0);
    memset(longest, 'a', 253);
    longest[253] = '\0';
    assert_int_equal(net_address_parse(&address, longest, 1, &why), 0);
    memcpy(longest + 253, ":65535", 7);
    assert_int_equal(net_address_parse(&address, longest, 1, &why), 0);
}

static bool is_local(const char *text)
{
    struct net_address address;
    assert_int_equal(net_address_parse(&address, text, 1, NULL), 0);
    return net_address_is_local(&address);
}

static void addresses__local_by_what_they_say__told(void **state)
{
    static const char *const local[] = {"127.0.0.1",   "127.255.255.254:5", "[::1]",   "localhost",       "LOCALHOST:1",
                                        "a.localhost", "localhost.",        "unix:/x", "::ffff:127.0.0.1"};
    static const char *const far[] = {"128.0.0.1", "0.0.0.0",         "*:1",
                                      "[::]:1",    "notlocalhost",    "localhost.example",
                                      "10.0.0.1",  "::ffff:10.0.0.1", "127.0.0.1.example"};
    for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
        if (!is_local(local[i]))
            fail_msg("%s is local", local[i]);
    for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++)
        if (is_local(far[i]))
            fail_msg("%s is not local", far[i]);
}

static int wants_tls(const char *text, bool given, bool insecure)
{
    struct net_address address;
    struct net_text why;
    bool tls;
    assert_int_equal(net_address_parse(&address, text, 1, NULL), 0);
    const int result = net_address_wants_tls(&address, given, insecure, &tls, &why);
    if (result < 0)
        assert_non_null(strstr(why.text, "--insecure"));
    return result < 0 ? result : tls;
}

static void senders__off_loopback__tls_unless_asked_otherwise(void **state)
{
    assert_int_equal(wants_tls("far.example", false, false), 1);
    assert_int_equal(wants_tls("far.example", true, true), 1);
    assert_int_equal(wants_tls("far.example", false, true), 0);
    assert_int_equal(wants_tls("tcp://far.example", false, false), -EPERM);
    assert_int_equal(wants_tls("tcp://far.example", true, true), 0);
    assert_int_equal(wants_tls("localhost", false, false), 0);
    assert_int_equal(wants_tls("localhost", true, false), 1);
    assert_int_equal(wants_tls("tls://localhost", false, false), 1);
    assert_int_equal(wants_tls("tcp://localhost", true, false), 0);
    assert_int_equal(wants_tls("unix:/x", true, false), 0);
    assert_int_equal(wants_tls("tls://unix:/x", false, false), 1);
}

static void endpoints__lists_with_weights__parsed(void **state)
{
    struct net_endpoint endpoints[NET_ENDPOINTS_MAX];
    struct net_text why;
    unsigned count = 0;
    assert_int_equal(net_endpoints_parse(endpoints, &count, "a:1*3,tls://[::1]:2,unix:/x*7", 0, 9, &why), 0);
    assert_int_equal(net_endpoints_parse(endpoints, &count, "b", 1, 9, &why), 0);
    assert_int_equal(count, 4);
    assert_int_equal(endpoints[0].weight, 3);
    assert_int_equal(endpoints[1].weight, 1);
    assert_string_equal(endpoints[2].address.host, "unix:/x");
    assert_int_equal(endpoints[2].weight, 7);
    assert_int_equal(endpoints[3].tier, 1);
    assert_int_equal(endpoints[3].address.port, 9);
    static const char *const wrong[] = {"a,,b", "a*0", "a*x", "a*-1", "*:1", ":1", "a:0", "a*99999999", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (net_endpoints_parse(endpoints, &count, wrong[i], 0, 9, &why) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
    assert_int_equal(count, 4);
    while (count < NET_ENDPOINTS_MAX)
        assert_int_equal(net_endpoints_parse(endpoints, &count, "a", 0, 9, &why), 0);
    assert_int_equal(net_endpoints_parse(endpoints, &count, "a", 0, 9, &why), -ENOSPC);
}

static void endpoints__rounds__by_tier_and_weight(void **state)
{
    const struct net_endpoint endpoints[] = {
        {.tier = 1}, {.tier = 0, .weight = 3}, {.tier = 0, .weight = 1}, {.tier = 2}};
    uint64_t random = 1;
    unsigned first[4] = {0};
    for (unsigned i = 0; i < 4000; i++) {
        unsigned order[4], seen = 0;
        endpoints_order(endpoints, 4, &random, order);
        for (unsigned j = 0; j < 4; j++)
            seen |= 1u << order[j];
        assert_int_equal(seen, 15);
        first[order[0]]++;
        assert_int_equal(order[2], 0);
        assert_int_equal(order[3], 3);
    }
    assert_int_equal(first[0] + first[3], 0);
    assert_in_range(first[1], 2850, 3150); /* 3000 +- 27 */
}

static void endpoints__backoff__doubles_to_its_cap_with_jitter(void **state)
{
    uint64_t random = 7, least = UINT64_MAX, most = 0;
    for (unsigned failed = 0; failed < 100; failed++) {
        const uint64_t full = failed < 7 ? UINT64_C(100) << failed : 10000;
        const uint64_t wait = endpoints_backoff(100, 10000, failed, &random);
        assert_in_range(wait, full / 2 < 10000 ? full / 2 : 5000, full < 10000 ? full : 10000);
    }
    for (unsigned i = 0; i < 1000; i++) {
        const uint64_t wait = endpoints_backoff(1000, 1000, 0, &random);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 500, 510);
    assert_in_range(most, 990, 1000);
}

static void rules__names_and_suffixes__allow_what_they_say(void **state)
{
    assert_true(tls_rule_allows("a.example", "A.Example"));
    assert_false(tls_rule_allows("a.example", "b.a.example"));
    assert_true(tls_rule_allows("*.example", "a.example"));
    assert_true(tls_rule_allows("*.example", "b.a.example"));
    assert_false(tls_rule_allows("*.example", "example"));
    assert_false(tls_rule_allows("*.example", ".example"));
    assert_false(tls_rule_allows("*.example", "notexample"));
    assert_false(tls_rule_allows("*.a.example", "a.example"));
    assert_true(tls_rule_valid("*.example"));
    assert_true(tls_rule_valid("host"));
    static const char *const wrong[] = {"", "*", "*.", "a.*", "*.*.x", "a b", "*..x", ".x", "a,b", "*x.y"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (tls_rule_valid(wrong[i]))
            fail_msg("'%s' was taken", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses__as_written__parsed_and_printed_back),
        cmocka_unit_test(addresses__wrong__refused_with_a_line),
        cmocka_unit_test(addresses__local_by_what_they_say__told),
        cmocka_unit_test(senders__off_loopback__tls_unless_asked_otherwise),
        cmocka_unit_test(endpoints__lists_with_weights__parsed),
        cmocka_unit_test(endpoints__rounds__by_tier_and_weight),
        cmocka_unit_test(endpoints__backoff__doubles_to_its_cap_with_jitter),
        cmocka_unit_test(rules__names_and_suffixes__allow_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
