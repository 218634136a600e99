/* SPDX-License-Identifier: ISC
 *
 * A sender and a collector on two hosts, as network namespaces with a cable between them: TLS off loopback without being asked for, the refusal of
 * plaintext there, a partition, and a cable that loses, delays and reorders. One process: a socket stays in the namespace it was made in.
 */
#include "net_fixture.h"
#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define FAR_HOST "10.78.0.2"

extern char **environ;
static int near = -1, far = -1; /* the namespaces */
static struct pki pki;
static struct pki_signer ca;
static struct pki_certificate certificate;

/* ---- the two hosts ---- */

static bool write_once(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* As root in a new network, or as a user who is root in a new user namespace. */
static bool leave_network(void)
{
    char uid[64], gid[64];
    snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
    snprintf(gid, sizeof(gid), "0 %u 1", getegid());
    if (geteuid() == 0 && unshare(CLONE_NEWNET) == 0)
        return true;
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_once("/proc/self/setgroups", "deny") &&
           write_once("/proc/self/uid_map", uid) && write_once("/proc/self/gid_map", gid);
}

static bool run(int network, const char *line)
{
    char *arguments[] = {"sh", "-c", (char *)(uintptr_t)line, NULL};
    char with_path[400];
    int status = -1;
    pid_t pid;
    snprintf(with_path, sizeof(with_path), "PATH=$PATH:/usr/sbin:/sbin; %s", line);
    arguments[2] = with_path;
    if (setns(network, CLONE_NEWNET) == 0 && posix_spawnp(&pid, "sh", NULL, NULL, arguments, environ) == 0)
        waitpid(pid, &status, 0);
    return setns(near, CLONE_NEWNET) == 0 && status == 0;
}

static bool cable(void)
{
    char line[200];
    near = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (near < 0 || unshare(CLONE_NEWNET) < 0)
        return false;
    far = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (far < 0 || setns(near, CLONE_NEWNET) < 0)
        return false;
    snprintf(line, sizeof(line), "ip link add near0 type veth peer name far0 netns /proc/%d/fd/%d", (int)getpid(), far);
    return run(near, line) &&
           run(near, "ip link set lo up; ip addr add 10.78.0.1/24 dev near0; ip link set near0 up") &&
           run(far, "ip link set lo up; ip addr add " FAR_HOST "/24 dev far0; ip link set far0 up");
}

static void partition(bool apart)
{
    assert_true(run(far, apart ? "ip link set far0 down" : "ip link set far0 up"));
}

/* ---- tests ---- */

static void meet(struct fixture *f, const char *scheme, struct net_listener_options *listen,
                 struct net_endpoints_options *connect)
{
    struct net_text why;
    fixture_init(f);
    const struct net_tls_options server = {
        .cert_file = certificate.cert_file, .key_file = certificate.key_file, .anyone = true};
    const struct net_tls_options client = {.ca_file = pki_path(&pki, "ca.pem")};
    assert_int_equal(net_tls_new(&f->server_tls, NET_SERVER, &server, &why), 0);
    assert_int_equal(net_tls_new(&f->client_tls, NET_CLIENT, &client, &why), 0);
    assert_int_equal(setns(far, CLONE_NEWNET), 0);
    fixture_listen(f, FAR_HOST ":0", listen);
    assert_int_equal(setns(near, CLONE_NEWNET), 0);
    fixture_connect(f, scheme, FAR_HOST, connect);
}

static void apart__nothing_said_of_security__tls(void **state)
{
    struct fixture f;
    meet(&f, "", NULL, NULL);
    RUN_UNTIL(&f, f.client.ready && f.server.ready);
    assert_true(f.server.peer.tls && f.client.peer.tls);
    assert_false(f.server.peer.local);
    assert_int_equal(strncmp(f.server.peer.address, "10.78.0.1:", 10), 0);
    fixture_fini(&f);
}

static void apart__plaintext__refused_unless_both_ask_for_it(void **state)
{
    struct fixture f;
    struct net_endpoints_options connect = {.insecure = true};
    meet(&f, "tcp://", NULL, &connect);
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "E", 1), 0);
    RUN_UNTIL(&f, f.client.closed && f.refused);
    assert_int_equal(f.client.end, NET_END_plaintext);
    assert_int_equal(f.refused_end, NET_END_plaintext);
    fixture_fini(&f);
    struct net_listener_options listen = {.insecure = true};
    connect = (struct net_endpoints_options){.insecure = true};
    meet(&f, "tcp://", &listen, &connect);
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "E", 1), 0);
    RUN_UNTIL(&f, f.server.received_bytes == 1);
    assert_false(f.server.peer.tls);
    fixture_fini(&f);
}

static void apart__partition__noticed_and_healed(void **state)
{
    struct fixture f;
    struct net_listener_options listen = {.link = {.idle_ns = 200 * MS}};
    struct net_endpoints_options connect = {.connect_ns = 300 * MS,
                                            .backoff_ns = 2 * MS,
                                            .backoff_max_ns = 50 * MS,
                                            .link = {.idle_ns = 200 * MS, .stall_ns = 200 * MS}};
    meet(&f, "", &listen, &connect);
    f.keep_trying = f.call_good = f.server.echo = true;
    RUN_UNTIL(&f, f.client.ready && f.server.ready);
    partition(true);
    assert_int_equal(side_send(&f.client, "into the void", 13), 0);
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    assert_true(f.client.end == NET_END_idle || f.client.end == NET_END_stalled);
    assert_int_equal(f.server.end, NET_END_idle);
    RUN_UNTIL(&f, f.failed >= 1);
    partition(false);
    RUN_UNTIL(&f, f.client.link && f.client.ready >= 2);
    fixture_fini(&f);
}

static void apart__bad_cable__all_arrives(void **state)
{
    struct fixture f;
    static uint8_t bytes[256 << 10];
    if (!run(near, "tc qdisc add dev near0 root netem delay 2ms 1ms loss 2% reorder 10% duplicate 1% 2>/dev/null")) {
        print_message("skipped: this kernel has no netem\n");
        skip();
    }
    meet(&f, "", NULL, NULL);
    f.server.echo = true;
    RUN_UNTIL(&f, f.client.ready && f.server.ready);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 5 + (i >> 10));
    assert_int_equal(side_send(&f.client, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(&f, f.client.received_bytes == sizeof(bytes));
    assert_int_equal(f.client.checksum, checksum_of(UINT64_C(0xcbf29ce484222325), bytes, sizeof(bytes)));
    fixture_fini(&f);
    run(near, "tc qdisc del dev near0 root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apart__nothing_said_of_security__tls),
        cmocka_unit_test(apart__plaintext__refused_unless_both_ask_for_it),
        cmocka_unit_test(apart__partition__noticed_and_healed),
        cmocka_unit_test(apart__bad_cable__all_arrives),
    };
    if (!leave_network()) {
        printf("skipped: network namespaces are not permitted here\n");
        return 77;
    }
    if (!cable()) {
        printf("skipped: no cable between network namespaces (ip of iproute2, veth)\n");
        return 77;
    }
    pki_init(&pki);
    pki_signer_init(&pki, &ca, "ca");
    certificate = pki_certificate(&pki, &ca, "server", "IP:" FAR_HOST, -3600, 3600);
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    pki_signer_fini(&ca);
    pki_fini(&pki);
    return result;
}
