/* SPDX-License-Identifier: ISC
 *
 * A disk whose syncs take for ever: acknowledgements wait for it, and nothing else does.
 */
#include "collect_rig.h"

#include "ship/collect_private.h"

static _Atomic bool stalled;

static int stall_here(const char *point)
{
    while (!strcmp(point, "before-sync") && atomic_load(&stalled))
        usleep(1000);
    return 0;
}

static uint64_t tapped;

static void tap_frames(struct collect_tap *tap, uint64_t sender, const uint8_t *stream, uint64_t sequence,
                       const struct iovec *parts, unsigned count)
{
    (void)tap;
    (void)sender;
    (void)stream;
    (void)parts;
    (void)count;
    tapped += sequence > 0;
}

static void step_all(struct rig *rig, struct client *clients, unsigned count)
{
    evloop_run_once(rig->loop, 1000000);
    for (unsigned i = 0; i < count; i++)
        client_step(&clients[i]);
}

/* What it answers on its page, while nothing gets to the disk. */
static void ask(struct rig *rig, struct client *clients, unsigned count, char *ret_page, size_t room)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    struct net_address address;
    size_t used = 0;
    assert_true(collect_metrics_address(rig->collect, &address));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(address.port)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    const int64_t until = store_now_ns() + SECONDS(240);
    for (ssize_t n = -1; n != 0;) {
        n = recv(fd, ret_page + used, room - 1 - used, MSG_DONTWAIT);
        used += n > 0 ? (size_t)n : 0;
        step_all(rig, clients, count);
        if (store_now_ns() > until)
            fail_msg("the page does not come: %s", rig->log);
    }
    ret_page[used] = 0;
    close(fd);
}

static uint64_t net_sent(const struct collect_peer *peer)
{
    struct net_link_figures figures;
    net_link_figures(peer->link, &figures);
    return figures.sent_bytes;
}

static void collector__syncs_take_for_ever__acknowledgements_wait_and_nothing_else_does(void **state)
{
    enum { SENDERS = 2, LATE = 2, BATCHES = 200, MEMORY = 1 << 20 };
    struct rig rig;
    struct client clients[SENDERS + 1];
    struct collect_tap tap = {.frames = tap_frames};
    struct store_stats stats;
    static char page[1 << 17];
    (void)state;
    rig_open(&rig);
    rig.options.memory = rig.options.batch_size = MEMORY;
    assert_int_equal(collect_options_set(&rig.options, "metrics", "127.0.0.1:0"), 0);
    tapped = 0;
    atomic_store(&stalled, true);
    store_test_point = stall_here;
    rig_start(&rig);
    collect_set_tap(rig.collect, &tap);
    struct feed feed = feed_make(rig.directory, 1, BATCHES, 8000);
    struct spooled spooled = spooled_of(&feed);
    for (unsigned i = 0; i < SENDERS; i++)
        client_open(&clients[i], &rig, &spooled, i, 1 + i, BATCHES);
    const int64_t until = store_now_ns() + SECONDS(240);
    while (!strstr(page, "evtrail_collect_holds_total") || strstr(page, "evtrail_collect_holds_total 0\n")) {
        ask(&rig, clients, SENDERS, page, sizeof(page)); /* until the senders have to wait */
        if (store_now_ns() > until)
            fail_msg("no sender has to wait: %s", rig.log);
    }
    store_stats(rig.collect->store, &stats);
    assert_true(stats.queued_bytes <= MEMORY + SENDERS * (uint64_t)MEMORY); /* one message each beyond it */
    assert_int_equal(stats.batches, 0);
    assert_int_equal(clients[0].acked + clients[1].acked, 0);
    for (struct collect_peer *peer = rig.collect->peers; peer;
         peer = peer->next) { /* who is not read is not silent, and hears of us */
        const struct ship_time later = {client_now().monotonic_ns + SECONDS(600), client_now().realtime_ns};
        const uint64_t pings = net_sent(peer);
        if (peer->held)
            collect_peer_tick(peer, later);
        assert_false(peer->closing);
        while (peer->held && net_sent(peer) == pings && store_now_ns() < until)
            evloop_run_once(rig.loop, 1000000);
        assert_true(!peer->held || net_sent(peer) > pings);
    }
    assert_true(tapped > 0); /* live readers see what is not on disk yet */

    client_open(&clients[LATE], &rig, &spooled, LATE, 1 + LATE, 1); /* who comes now is welcome */
    struct ship_sender_figures figures = {0};
    while (!clients[LATE].resume || !figures.offset_known) {
        step_all(&rig, clients, SENDERS + 1);
        ship_sender_figures(clients[LATE].sender, client_now(), &figures); /* pings are answered */
        if (store_now_ns() > until)
            fail_msg("no answer: %s", rig.log);
    }
    ask(&rig, clients, SENDERS + 1, page, sizeof(page));
    assert_int_equal(clients[0].acked + clients[1].acked + clients[LATE].acked, 0);

    atomic_store(&stalled, false);
    rig_run(&rig, clients, SENDERS + 1, all_acked);
    for (unsigned i = 0; i <= SENDERS; i++)
        client_close(&clients[i]);
    rig_stop(&rig);
    store_test_point = NULL;
    assert_int_equal(tree_sum(rig.root).batches, SENDERS * BATCHES + 1);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collector__syncs_take_for_ever__acknowledgements_wait_and_nothing_else_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
