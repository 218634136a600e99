/* SPDX-License-Identifier: ISC
 *
 * Live readers: what senders' files hold comes out of a reader's connection as one trace file, whatever joins, leaves or is slow.
 */
#include "ship/live.h"
#include "ship/net.h"
#include "ship/wire_viewer.h"

#include "file/frame.h"

#include <evtrail/file.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

/* ---- a file that a sender has ---------------------------------------------------------------------------------------------- */

struct bytes {
    uint8_t *at;
    size_t size;
};

static struct bytes load(const char *path)
{
    struct stat status;
    FILE *const file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    struct bytes bytes = {malloc((size_t)status.st_size), (size_t)status.st_size};
    assert_int_equal(fread(bytes.at, 1, bytes.size, file), bytes.size);
    fclose(file);
    return bytes;
}

static const struct bytes *golden(void)
{
    static struct bytes bytes;
    if (!bytes.at)
        bytes = load(SHIP_SOURCE_DIR "/tests/golden/format-1.evt");
    return &bytes;
}

static const uint8_t stream_id[WIRE_STREAM_ID_BYTES] = "stream";

/* Frames of the file from *at on as they would arrive, up to `most` batches. False: that was all. */
static bool feed(struct live *live, uint64_t sender, const struct bytes *file, size_t *at, unsigned most)
{
    while (*at < file->size) {
        struct evtrail_frame frame;
        struct evtrail_batch_header header = {0};
        if (evtrail_frame_prefix(file->at + *at, file->size - *at, &frame) || frame.tag == EVTRAIL_TAG_INDEX)
            return false;
        if (frame.tag == EVTRAIL_TAG_BATCH)
            assert_null(evtrail_frame_parse_batch(file->at + *at, frame.bytes, &header));
        if (frame.tag == EVTRAIL_TAG_BATCH && most-- == 0)
            return true;
        const struct iovec parts[2] = {{file->at + *at, frame.bytes},
                                       {file->at + *at + frame.bytes, header.compressed_bytes}};
        live_frames(live, sender, stream_id, parts, frame.tag == EVTRAIL_TAG_BATCH ? 2 : 1);
        *at += frame.bytes + header.compressed_bytes;
    }
    return false;
}

static void totals_of(const char *path, uint64_t *ret_delivered, uint64_t *ret_lost, int64_t *ret_first_ns)
{
    struct evtrail_reader *reader;
    struct evtrail_event *event;
    uint64_t lost[EVTRAIL_CAUSES_ALL];
    *ret_lost = 0;
    *ret_first_ns = 0;
    assert_int_equal(evtrail_reader_new(&reader, NULL), 0);
    if (evtrail_reader_add_path(reader, path) < 0)
        fail_msg("%s", evtrail_reader_error(reader));
    for (int r; (r = evtrail_reader_next(reader, &event)) != 0;) {
        if (r < 0)
            fail_msg("%s", evtrail_reader_error(reader));
        if (event->what == EVTRAIL_EVENT && !*ret_first_ns)
            *ret_first_ns = event->time;
    }
    evtrail_reader_totals(reader, ret_delivered, lost);
    for (unsigned i = 0; i < EVTRAIL_CAUSES_ALL; i++)
        *ret_lost += lost[i];
    evtrail_reader_free(reader);
}

/* ---- a reader in memory ------------------------------------------------------------------------------------------------------- */

struct seat {
    struct live *live;
    struct live_reader *reader;
    struct ship_receiver *receiver;
    struct wire_viewer viewer;
    struct bytes up, down;
    FILE *out;
    char path[128];
    uint64_t got;
    bool granted; /* the reader said how much it takes: what came before is left out */
    bool slow;    /* does not say that it is done with anything */
    unsigned welcomed, closed;
    struct wire_bye bye;
};

static int append(struct bytes *to, const struct iovec *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        to->at = realloc(to->at, to->size + parts[i].iov_len + 1);
        if (parts[i].iov_len)
            memcpy(to->at + to->size, parts[i].iov_base, parts[i].iov_len);
        to->size += parts[i].iov_len;
    }
    return 0;
}

static int send_up(void *context, const struct iovec *parts, unsigned count)
{
    return append(&((struct seat *)context)->up, parts, count);
}

static int send_down(void *context, const struct iovec *parts, unsigned count)
{
    return append(&((struct seat *)context)->down, parts, count);
}

static void on_welcomed(void *context, const struct wire_welcome *welcome)
{
    (void)welcome;
    ((struct seat *)context)->welcomed++;
}

static void on_trace(void *context, const uint8_t *bytes, size_t size)
{
    struct seat *const seat = context;
    fwrite(bytes, 1, size, seat->out);
    seat->got += size;
    if (!seat->slow)
        wire_viewer_done(&seat->viewer, size);
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct seat *const seat = context;
    (void)by_peer;
    seat->closed++;
    seat->bye = *bye;
}

static int on_hello(void *context, const struct wire_hello *hello, struct wire_welcome *welcome, struct wire_bye *bye)
{
    (void)context, (void)hello, (void)welcome, (void)bye;
    return 0;
}

static void on_reader(void *context, const struct wire_hello *hello, bool first)
{
    struct seat *const seat = context;
    if (first)
        assert_int_equal(live_join(seat->live, seat->receiver, hello, &seat->reader), 0);
    else
        live_more(seat->reader);
    seat->granted |= !first;
}

static void on_receiver_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    (void)context, (void)bye, (void)by_peer;
}

static const struct wire_viewer_calls viewer_calls = {
    .send = send_up, .welcomed = on_welcomed, .trace = on_trace, .closed = on_closed};
static const struct ship_receiver_calls receiver_calls = {
    .send = send_down, .hello = on_hello, .reader = on_reader, .closed = on_receiver_closed};

static void carry(struct seat *seat)
{
    const struct ship_time now = {1000000000, 1700000000000000000};
    size_t wanted;
    while (seat->up.size || seat->down.size) {
        struct bytes bytes = seat->up;
        seat->up = (struct bytes){0};
        assert_int_equal(ship_receiver_input(seat->receiver, bytes.at, bytes.size, now, &wanted), bytes.size);
        free(bytes.at);
        bytes = seat->down;
        seat->down = (struct bytes){0};
        assert_int_equal(wire_viewer_input(&seat->viewer, bytes.at, bytes.size, now, &wanted), bytes.size);
        free(bytes.at);
    }
}

static void sit_down(struct seat *seat, struct live *live, const char *host, uint64_t window_bytes)
{
    static unsigned count;
    struct wire_hello hello = {.agent = "test"};
    const struct ship_time now = {1000000000, 1700000000000000000};
    memset(seat, 0, sizeof(*seat));
    seat->live = live;
    snprintf(hello.host_pattern, sizeof(hello.host_pattern), "%s", host);
    snprintf(seat->path, sizeof(seat->path), "%s/seat-%u.evt", folder, count++);
    seat->out = fopen(seat->path, "wb");
    assert_non_null(seat->out);
    assert_int_equal(ship_receiver_new(&seat->receiver, NULL, &receiver_calls, seat), 0);
    wire_viewer_init(&seat->viewer, &hello, window_bytes, &viewer_calls, seat);
    ship_receiver_start(seat->receiver, now);
    wire_viewer_start(&seat->viewer, now);
    carry(seat);
    assert_int_equal(seat->welcomed, 1);
}

static void get_up(struct seat *seat)
{
    carry(seat);
    fclose(seat->out);
    live_leave(seat->reader);
    ship_receiver_free(seat->receiver);
}

/* ---- tests ----------------------------------------------------------------------------------------------------------------------- */

static void what_arrives__is_what_a_reader_gets(void **state)
{
    struct live *live;
    struct seat seat;
    uint64_t delivered, lost, wanted, wanted_lost;
    int64_t first_ns, wanted_first_ns;
    size_t at = 0;
    assert_int_equal(live_new(&live), 0);
    sit_down(&seat, live, "", 8 << 20);
    while (feed(live, 1, golden(), &at, 1))
        carry(&seat);
    get_up(&seat);
    totals_of(seat.path, &delivered, &lost, &first_ns);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &wanted, &wanted_lost, &wanted_first_ns);
    assert_true(wanted > 0);
    assert_int_equal(delivered, wanted);
    assert_int_equal(first_ns, wanted_first_ns);
    live_free(live);
}

static void who_comes_late__gets_schemas_and_what_comes_then(void **state)
{
    struct live *live;
    struct live_stats stats;
    struct seat seat;
    uint64_t delivered, lost, all, all_lost;
    int64_t first_ns;
    size_t at = 0;
    assert_int_equal(live_new(&live), 0);
    assert_true(feed(live, 1, golden(), &at, 1));
    sit_down(&seat, live, "", 8 << 20);
    feed(live, 1, golden(), &at, UINT32_MAX);
    get_up(&seat);
    live_stats(live, &stats);
    totals_of(seat.path, &delivered, &lost, &first_ns);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &all, &all_lost, &first_ns);
    assert_true(delivered > 0 && delivered < all);
    assert_int_equal(delivered, stats.events);
    assert_true(lost <= all_lost);
    live_free(live);
}

static void two_senders__come_as_one_file(void **state)
{
    struct live *live;
    struct seat seat;
    uint64_t delivered, lost, one;
    int64_t first_ns;
    size_t at = 0, at_other = 0;
    assert_int_equal(live_new(&live), 0);
    sit_down(&seat, live, "", 8 << 20);
    bool more = true;
    while (more) {
        more = feed(live, 1, golden(), &at, 1);
        more |= feed(live, 2, golden(), &at_other, 1);
        carry(&seat);
    }
    live_gone(live, 1);
    get_up(&seat);
    struct live_stats stats;
    live_stats(live, &stats);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &one, &lost, &first_ns);
    assert_int_equal(stats.events, 2 * one);
    totals_of(seat.path, &delivered, &lost, &first_ns);
    assert_int_equal(delivered, 2 * one); /* the same session twice: one source, each ring read twice */
    live_gone(live, 2);
    live_stats(live, &stats);
    assert_int_equal(stats.sources, 0);
    assert_int_equal(stats.schema_bytes, 0);
    live_free(live);
}

static void a_clock_that_is_ahead__is_corrected(void **state)
{
    struct live *live;
    struct seat seat;
    uint64_t delivered, lost;
    int64_t first_ns, wanted_ns;
    size_t at = 0;
    assert_int_equal(live_new(&live), 0);
    live_clock(live, 1, 3600000000000, 1000);
    sit_down(&seat, live, "", 8 << 20);
    feed(live, 1, golden(), &at, UINT32_MAX);
    get_up(&seat);
    totals_of(seat.path, &delivered, &lost, &first_ns);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &delivered, &lost, &wanted_ns);
    assert_int_equal(first_ns, wanted_ns - 3600000000000);
    live_free(live);
}

static void a_slow_reader__loses_batches_and_is_told(void **state)
{
    struct live *live;
    struct live_stats stats;
    struct seat slow, fast;
    uint64_t delivered, lost, all, all_lost;
    int64_t first_ns;
    size_t at = 0;
    assert_int_equal(live_new(&live), 0);
    sit_down(&slow, live, "", 3000);
    sit_down(&fast, live, "", 8 << 20);
    slow.slow = true;
    while (feed(live, 1, golden(), &at, 1)) {
        carry(&slow);
        carry(&fast);
    }
    live_stats(live, &stats);
    assert_true(stats.left_batches > 0);
    get_up(&slow);
    get_up(&fast);
    assert_true(slow.got <= 3000);
    totals_of(fast.path, &delivered, &lost, &first_ns);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &all, &all_lost, &first_ns);
    assert_int_equal(delivered, all);
    live_free(live);
}

static void patterns__choose_hosts(void **state)
{
    struct live *live;
    struct live_stats stats;
    struct seat seat;
    size_t at = 0;
    assert_true(live_fits("", "a") && live_fits("*", "") && live_fits("web*", "web1") &&
                live_fits("*/ng?nx", "/usr/sbin/nginx"));
    assert_false(live_fits("web*", "db1") || live_fits("a", "") || live_fits("?", "") || live_fits("a*b", "acd"));
    assert_true(live_fits("a*b*c", "axxbyyc") && !live_fits("a*b*c", "axxbyy"));
    assert_int_equal(live_new(&live), 0);
    sit_down(&seat, live, "no-such-*", 8 << 20);
    assert_true(live_watched(live, "no-such-host"));
    assert_false(live_watched(live, "web1"));
    feed(live, 1, golden(), &at, UINT32_MAX);
    get_up(&seat);
    assert_false(live_watched(live, "no-such-host"));
    live_stats(live, &stats);
    assert_int_equal(stats.batches, 0);
    live_free(live);
}

static void more_readers_than_there_is_room_for__are_refused(void **state)
{
    struct live *live;
    struct live_reader *readers[LIVE_READERS_MAX], *one;
    struct ship_receiver *receiver;
    const struct wire_hello hello = {0};
    assert_int_equal(live_new(&live), 0);
    assert_int_equal(ship_receiver_new(&receiver, NULL, &receiver_calls, NULL), 0);
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        assert_int_equal(live_join(live, receiver, &hello, &readers[i]), 0);
    assert_int_equal(live_join(live, receiver, &hello, &one), -EUSERS);
    live_leave(readers[0]);
    assert_int_equal(live_join(live, receiver, &hello, &readers[0]), 0);
    live_free(live);
    for (unsigned i = 0; i < LIVE_READERS_MAX; i++)
        live_leave(readers[i]);
    ship_receiver_free(receiver);
}

/* ---- over a socket, with the command ------------------------------------------------------------------------------------------------ */

struct server {
    struct evloop *loop;
    struct net *net;
    struct net_listener *listener;
    struct evloop_timer timer;
    struct seat seat; /* receiver, reader, live */
    struct net_link *link;
    size_t at;
    unsigned rounds; /* of the timer without anything left to send */
};
static struct server server;

static int link_send(void *context, const struct iovec *parts, unsigned count)
{
    (void)context;
    return server.link ? net_link_send(server.link, parts, count) : -ENOTCONN;
}

static void receiver_over(void *context, const struct wire_bye *bye, bool by_peer)
{
    (void)context, (void)by_peer;
    if (server.link)
        net_link_finish(server.link, 0, bye->reason);
}

static const struct ship_receiver_calls server_calls = {
    .send = link_send, .hello = on_hello, .reader = on_reader, .closed = receiver_over};

static struct ship_time now(void)
{
    struct timespec monotonic, realtime;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &realtime);
    return (struct ship_time){(int64_t)monotonic.tv_sec * 1000000000 + monotonic.tv_nsec,
                              (int64_t)realtime.tv_sec * 1000000000 + realtime.tv_nsec};
}

static size_t link_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    (void)context, (void)link;
    return ship_receiver_input(server.seat.receiver, bytes, size, now(), ret_wanted);
}

static void link_closed(void *context, struct net_link *link, enum net_end how, const char *reason)
{
    (void)context, (void)link, (void)how, (void)reason;
    server.link = NULL;
    evloop_stop(server.loop);
}

static const struct net_link_calls link_calls = {.received = link_received, .closed = link_closed};

static void accepted(void *context, struct net_listener *listener, struct net_link *link)
{
    (void)context, (void)listener;
    server.link = link;
    net_link_own(link, &link_calls, &server);
    assert_int_equal(ship_receiver_new(&server.seat.receiver, NULL, &server_calls, &server.seat), 0);
    ship_receiver_start(server.seat.receiver, now());
}

static void next_batch(struct evloop_timer *timer)
{
    if (server.seat.granted && !feed(server.seat.live, 1, golden(), &server.at, 1) && server.rounds++ == 200)
        ship_receiver_drain(server.seat.receiver, now());
    evloop_timer_start(server.loop, timer, evloop_now_ns(server.loop) + 2000000, next_batch);
}

static void serve(const char *path)
{
    static const struct net_listener_calls calls = {.accepted = accepted};
    struct net_address address;
    struct net_text why = {""};
    char text[128];
    snprintf(text, sizeof(text), "unix:%s", path);
    assert_int_equal(net_address_parse(&address, text, NET_PORT, &why), 0);
    const struct net_listener_options options = {.addresses = &address, .addresses_count = 1};
    memset(&server, 0, sizeof(server));
    assert_int_equal(live_new(&server.seat.live), 0);
    assert_int_equal(evloop_new(&server.loop, NULL), 0);
    assert_int_equal(net_new(&server.net, server.loop), 0);
    if (net_listener_new(&server.listener, server.net, &options, &calls, &server, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(
        evloop_timer_start(server.loop, &server.timer, evloop_update_now(server.loop) + 2000000, next_batch), 0);
}

static void serve_no_more(void)
{
    evloop_timer_stop(server.loop, &server.timer);
    net_listener_free(server.listener);
    net_free(server.net);
    evloop_free(server.loop);
    live_leave(server.seat.reader);
    ship_receiver_free(server.seat.receiver);
    live_free(server.seat.live);
}

static void *run_server(void *context)
{
    (void)context;
    evloop_run(server.loop);
    return NULL;
}

/* `evtrail cat collector://unix:...` prints as many lines as the file has events. */
static void the_command__shows_what_comes(void **state)
{
    char path[128], command[600], line[4096];
    uint64_t wanted, lost, lines = 0, hosts = 0;
    int64_t first_ns;
    pthread_t thread;
    snprintf(path, sizeof(path), "%s/socket", folder);
    totals_of(SHIP_SOURCE_DIR "/tests/golden/format-1.evt", &wanted, &lost, &first_ns);
    serve(path);
    assert_int_equal(pthread_create(&thread, NULL, run_server, NULL), 0);
    snprintf(command, sizeof(command), "exec timeout 100 %s cat --json --limit %llu 'collector://unix:%s'",
             SHIP_COMMAND, (unsigned long long)wanted, path);
    FILE *const out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof(line), out)) {
        lines += strstr(line, "\"tid\":") && !strstr(line, "\"lost\":");
        hosts += strstr(line, "\"host\":\"") != NULL;
    }
    assert_int_equal(pclose(out), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(lines, wanted);
    assert_true(hosts >= wanted);
    serve_no_more();
}

static void a_collector_that_is_not_there__is_told(void **state)
{
    char command[600], line[4096] = "";
    snprintf(command, sizeof(command), "timeout 100 %s cat 'collector://unix:%s/nobody' 2>&1", SHIP_COMMAND, folder);
    FILE *const out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof(line), out));
    assert_int_not_equal(pclose(out), 0);
    assert_non_null(strstr(line, "nobody"));
}

static int make_folder(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/evt-live.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_arrives__is_what_a_reader_gets),
        cmocka_unit_test(who_comes_late__gets_schemas_and_what_comes_then),
        cmocka_unit_test(two_senders__come_as_one_file),
        cmocka_unit_test(a_clock_that_is_ahead__is_corrected),
        cmocka_unit_test(a_slow_reader__loses_batches_and_is_told),
        cmocka_unit_test(patterns__choose_hosts),
        cmocka_unit_test(more_readers_than_there_is_room_for__are_refused),
        cmocka_unit_test(the_command__shows_what_comes),
        cmocka_unit_test(a_collector_that_is_not_there__is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
