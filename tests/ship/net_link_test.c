/* SPDX-License-Identifier: ISC
 *
 * Plain connections: bytes both ways, whole messages, bounded queues, pauses, ends and their reasons, unix sockets, caps, deadlines.
 */
#include "net_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void both_up(struct fixture *f, struct net_listener_options *listen, struct net_endpoints_options *connect)
{
    fixture_init(f);
    fixture_listen(f, "127.0.0.1:0", listen);
    fixture_connect(f, "", NULL, connect);
    RUN_UNTIL(f, f->client.ready);
}

static void link__bytes_both_ways__arrive(void **state)
{
    struct fixture f;
    both_up(&f, NULL, NULL);
    f.server.echo = true;
    assert_int_equal(side_send(&f.client, "hello", 5), 0);
    RUN_UNTIL(&f, f.client.received_bytes == 5);
    assert_memory_equal(f.client.bytes, "hello", 5);
    assert_true(f.server.peer.local);
    assert_int_equal(strncmp(f.server.peer.address, "127.0.0.1:", 10), 0);
    assert_false(f.server.peer.tls);
    net_link_finish(f.client.link, 0, "that is all");
    RUN_UNTIL(&f, f.client.closed && f.server.closed);
    assert_int_equal(f.client.end, NET_END_local);
    assert_string_equal(f.client.reason, "that is all");
    assert_int_equal(f.server.end, NET_END_peer);
    fixture_fini(&f);
}

static void link__finish_with_a_full_queue__all_of_it_arrives(void **state)
{
    struct fixture f;
    const size_t size = 6 << 20;
    uint8_t *bytes = malloc(size);
    both_up(&f, NULL, NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 11));
    assert_int_equal(side_send(&f.client, bytes, size), 0);
    assert_int_equal(net_link_room(f.client.link), 0);
    assert_int_equal(side_send(&f.client, bytes, size), -ENOBUFS);
    net_link_finish(f.client.link, UINT64_C(60000000000), "done");
    assert_int_equal(side_send(&f.client, bytes, 1), -ENOTCONN);
    RUN_UNTIL(&f, f.server.closed && f.client.closed);
    assert_int_equal(f.server.received_bytes, size);
    assert_int_equal(f.server.checksum, checksum_of(UINT64_C(0xcbf29ce484222325), bytes, size));
    free(bytes);
    fixture_fini(&f);
}

static void link__messages_in_pieces__come_whole(void **state)
{
    struct fixture f;
    enum { SIZE = 300000, COUNT = 10 };
    static uint8_t bytes[SIZE * COUNT];
    both_up(&f, NULL, NULL);
    f.server.whole = SIZE;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i ^ i >> 9);
    for (size_t at = 0, n = 1; at < sizeof(bytes); at += n, n = n * 3 + 1) {
        n = n < sizeof(bytes) - at ? n : sizeof(bytes) - at;
        assert_int_equal(side_send(&f.client, bytes + at, n), 0);
        evloop_run_once(f.loop, 1000000);
    }
    RUN_UNTIL(&f, f.server.messages == COUNT);
    assert_int_equal(f.server.checksum, checksum_of(UINT64_C(0xcbf29ce484222325), bytes, sizeof(bytes)));
    fixture_fini(&f);
}

static void link__message_longer_than_is_taken__ends(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.link = {.message_max = 1000}};
    both_up(&f, &options, NULL);
    f.server.whole = 1001;
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.closed);
    assert_int_equal(f.server.end, NET_END_too_long);
    assert_non_null(strstr(f.server.reason, "1001 bytes"));
    fixture_fini(&f);
}

static void link__cut_in_a_message__told_as_broken_off(void **state)
{
    struct fixture f;
    both_up(&f, NULL, NULL);
    f.server.whole = 10;
    assert_int_equal(side_send(&f.client, "123", 3), 0);
    net_link_finish(f.client.link, 0, "");
    RUN_UNTIL(&f, f.server.closed);
    assert_int_equal(f.server.end, NET_END_reset);
    assert_non_null(strstr(f.server.reason, "middle of a message"));
    fixture_fini(&f);
}

/* The peer reads nothing: the queue is bounded, the writer is told when there is room again. */
static void link__paused_peer__queue_stays_bounded_and_goes_on(void **state)
{
    struct fixture f;
    struct net_endpoints_options options = {.link = {.queue_bytes = 1 << 20}};
    static uint8_t bytes[256 << 10];
    uint64_t sent = 0;
    both_up(&f, NULL, &options);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.received_bytes == 1);
    net_link_pause(f.server.link);
    for (unsigned i = 0; i < 1000 && net_link_room(f.client.link); i++, sent += sizeof(bytes)) {
        assert_int_equal(side_send(&f.client, bytes, sizeof(bytes)), 0);
        for (unsigned j = 0; j < 20; j++)
            evloop_run_once(f.loop, 0);
    }
    assert_int_equal(net_link_room(f.client.link), 0);
    assert_in_range(net_link_queued(f.client.link), 1 << 20, (1 << 20) + sizeof(bytes));
    assert_int_equal(f.server.received_bytes, 1);
    assert_int_equal(f.client.writable, 0);
    net_link_resume(f.server.link);
    RUN_UNTIL(&f, f.server.received_bytes == sent + 1);
    assert_int_equal(f.client.writable, 1);
    fixture_fini(&f);
}

static void link__peer_never_reads__ends_as_stalled(void **state)
{
    struct fixture f;
    struct net_endpoints_options options = {.link = {.queue_bytes = 16 << 20, .stall_ns = 200000000}};
    static uint8_t bytes[16 << 20];
    both_up(&f, NULL, &options);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.received_bytes == 1);
    net_link_pause(f.server.link);
    assert_int_equal(side_send(&f.client, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(&f, f.client.closed);
    assert_int_equal(f.client.end, NET_END_stalled);
    assert_non_null(strstr(f.client.reason, "took nothing"));
    fixture_fini(&f);
}

static void link__silent_peer__ends_as_idle_unless_paused(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.link = {.idle_ns = 100000000}};
    both_up(&f, &options, NULL);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.received_bytes == 1);
    net_link_pause(f.server.link);
    const uint64_t until_ns = fixture_now() + 300000000;
    while (fixture_now() < until_ns)
        evloop_run_once(f.loop, 10000000);
    assert_int_equal(f.server.closed, 0);
    net_link_resume(f.server.link);
    RUN_UNTIL(&f, f.server.closed);
    assert_int_equal(f.server.end, NET_END_idle);
    RUN_UNTIL(&f, f.client.closed);
    assert_int_equal(f.client.end, NET_END_peer);
    fixture_fini(&f);
}

static void listener__says_nothing__closed_after_its_time(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.link = {.handshake_ns = 100000000}};
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", &options);
    const int fd = raw_connect(&f);
    RUN_UNTIL(&f, f.refused);
    assert_int_equal(f.refused_end, NET_END_handshake_timeout);
    assert_int_equal(f.server.ready, 0);
    close(fd);
    fixture_fini(&f);
}

static void listener__port_scan__costs_nobody_anything(void **state)
{
    struct fixture f;
    both_up(&f, NULL, NULL);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.ready);
    for (unsigned i = 0; i < 1000; i++) {
        const int fd = raw_connect(&f);
        if (i % 2) { /* with a reset */
            const struct linger linger = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        close(fd);
        evloop_run_once(f.loop, 0);
    }
    struct net_listener_figures figures;
    RUN_UNTIL(&f, net_links(f.net) == 2);
    net_listener_figures(f.listener, &figures);
    assert_int_equal(figures.accepted, 1);
    assert_int_equal(figures.links, 1);
    assert_int_equal(figures.handshakes, 0);
    f.server.echo = true;
    assert_int_equal(side_send(&f.client, "y", 1), 0);
    RUN_UNTIL(&f, f.client.received_bytes == 1);
    fixture_fini(&f);
}

static void listener__more_than_it_takes__newest_reads_why(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.links_max = 1};
    char text[300];
    both_up(&f, &options, NULL);
    RUN_UNTIL(&f, net_links(f.net) == 2);
    const int fd = raw_connect(&f);
    raw_read_all(&f, fd, text, sizeof(text));
    assert_non_null(strstr(text, "evtrail: crowded: "));
    RUN_UNTIL(&f, f.refused == 1);
    assert_int_equal(f.refused_end, NET_END_crowded);
    close(fd);
    fixture_fini(&f);
}

static void listener__many_that_are_not_ready__the_oldest_goes(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.handshakes_max = 4};
    int fds[8];
    fixture_init(&f);
    fixture_listen(&f, "127.0.0.1:0", &options);
    for (unsigned i = 0; i < 8; i++)
        fds[i] = raw_connect(&f);
    RUN_UNTIL(&f, f.refused == 4);
    assert_int_equal(f.refused_end, NET_END_crowded);
    assert_int_equal(write(fds[7], "E", 1), 1);
    RUN_UNTIL(&f, f.server.ready == 1);
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
    fixture_fini(&f);
}

static void listener__unix_socket__shows_who_it_is(void **state)
{
    struct fixture f;
    char folder[] = "/tmp/evtrail-net-XXXXXX", address[100];
    struct stat status;
    struct net_listener_options options = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof(address), "unix:%s/s", folder);
    fixture_init(&f);
    fixture_listen(&f, address, &options);
    assert_int_equal(stat(address + 5, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    fixture_connect(&f, "", address, NULL);
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.ready);
    assert_int_equal(f.server.peer.pid, getpid());
    assert_int_equal(f.server.peer.uid, getuid());
    assert_true(f.server.peer.unix_socket && f.server.peer.local);
    /* Another collector there is refused; the file of a dead one is replaced; ours goes with us. */
    struct net_listener *other;
    struct net_address parsed;
    struct net_text why;
    static const struct net_listener_calls calls = {0};
    assert_int_equal(net_address_parse(&parsed, address, 0, &why), 0);
    options = (struct net_listener_options){.addresses = &parsed, .addresses_count = 1};
    assert_int_equal(net_listener_new(&other, f.net, &options, &calls, NULL, &why), -EADDRINUSE);
    fixture_fini(&f);
    assert_int_equal(stat(address + 5, &status), -1);
    rmdir(folder);
}

static void listener__dead_ones_file__replaced(void **state)
{
    struct fixture f;
    char folder[] = "/tmp/evtrail-net-XXXXXX", path[100], moved[110], address[110];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    snprintf(moved, sizeof(moved), "%s/t", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    fixture_init(&f);
    fixture_listen(&f, address, NULL);
    assert_int_equal(rename(path, moved), 0);
    fixture_fini(&f); /* as if it had been killed */
    assert_int_equal(rename(moved, path), 0);
    fixture_init(&f);
    fixture_listen(&f, address, NULL);
    fixture_fini(&f);
    assert_int_equal(access(path, F_OK), -1);
    rmdir(folder);
}

static void listener__off_loopback_without_tls__refused_with_what_to_do(void **state)
{
    struct fixture f;
    static const struct net_listener_calls calls = {0};
    static const char *const texts[] = {"0.0.0.0:0", "*:0", "tcp://0.0.0.0:0", "tls://127.0.0.1:0"};
    fixture_init(&f);
    for (unsigned i = 0; i < 4; i++) {
        struct net_address address;
        struct net_text why;
        struct net_listener *listener;
        assert_int_equal(net_address_parse(&address, texts[i], 0, &why), 0);
        struct net_listener_options options = {.addresses = &address, .addresses_count = 1};
        assert_int_equal(net_listener_new(&listener, f.net, &options, &calls, NULL, &why), i == 3 ? -EINVAL : -EPERM);
        assert_non_null(strstr(why.text, i == 3 ? "--cert" : "--insecure"));
        options.insecure = true;
        assert_int_equal(net_listener_new(&listener, f.net, &options, &calls, NULL, &why), i == 3 ? -EINVAL : 0);
        if (i < 3)
            net_listener_free(listener);
    }
    fixture_fini(&f);
}

static void listener__wildcard__takes_both_families_at_one_port(void **state)
{
    struct fixture f;
    struct net_listener_options options = {.insecure = true};
    fixture_init(&f);
    fixture_listen(&f, "*:0", &options);
    fixture_connect(&f, "", "127.0.0.1", NULL);
    RUN_UNTIL(&f, f.client.ready);
    assert_int_equal(side_send(&f.client, "x", 1), 0);
    RUN_UNTIL(&f, f.server.ready);
    assert_int_equal(strncmp(f.server.peer.address, "127.0.0.1:", 10), 0);
    assert_true(f.server.peer.local);
    struct net_endpoints *endpoints = f.endpoints;
    f.endpoints = NULL;
    net_endpoints_free(endpoints);
    RUN_UNTIL(&f, f.server.closed && f.client.closed);
    fixture_connect(&f, "", "[::1]", NULL);
    RUN_UNTIL(&f, f.client.ready == 2 || f.failed);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link__bytes_both_ways__arrive),
        cmocka_unit_test(link__finish_with_a_full_queue__all_of_it_arrives),
        cmocka_unit_test(link__messages_in_pieces__come_whole),
        cmocka_unit_test(link__message_longer_than_is_taken__ends),
        cmocka_unit_test(link__cut_in_a_message__told_as_broken_off),
        cmocka_unit_test(link__paused_peer__queue_stays_bounded_and_goes_on),
        cmocka_unit_test(link__peer_never_reads__ends_as_stalled),
        cmocka_unit_test(link__silent_peer__ends_as_idle_unless_paused),
        cmocka_unit_test(listener__says_nothing__closed_after_its_time),
        cmocka_unit_test(listener__port_scan__costs_nobody_anything),
        cmocka_unit_test(listener__more_than_it_takes__newest_reads_why),
        cmocka_unit_test(listener__many_that_are_not_ready__the_oldest_goes),
        cmocka_unit_test(listener__unix_socket__shows_who_it_is),
        cmocka_unit_test(listener__dead_ones_file__replaced),
        cmocka_unit_test(listener__off_loopback_without_tls__refused_with_what_to_do),
        cmocka_unit_test(listener__wildcard__takes_both_families_at_one_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
