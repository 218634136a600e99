/* SPDX-License-Identifier: ISC
 *
 * The collector with many senders, some of which lie.
 */
#include "collect_rig.h"

#include "ship/collect_private.h"

#include <sys/resource.h>
#include <sys/un.h>
#include <sys/stat.h>

static void collector__two_senders_that_come_again__each_batch_is_stored_once(void **state)
{
    struct rig rig;
    struct client clients[2];
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 2, 40, 800);
    struct spooled spooled = spooled_of(&feed);
    assert_int_equal(spooled.units_count, 40);
    for (unsigned round = 1; round <= 4; round++) {
        for (unsigned i = 0; i < 2; i++)
            client_open(&clients[i], &rig, &spooled, i, 1, 10 * round);
        rig_run(&rig, clients, 2, all_acked);
        assert_int_equal(clients[0].resume, 10 * round - 9);
        for (unsigned i = 0; i < 2; i++)
            client_close(&clients[i]);
        if (round == 2) {
            rig_stop(&rig);
            rig_start(&rig);
        }
    }
    rig_stop(&rig);
    const struct tree_sum sum = tree_sum(rig.root);
    assert_int_equal(sum.batches, 80);
    assert_int_equal(sum.events, 2 * feed.events);
    assert_int_equal(sum.closed, sum.files);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void collector__a_thousand_senders_at_once__all_is_stored_and_nothing_is_lost(void **state)
{
    enum { CLIENTS = 1000 };
    struct rig rig;
    static struct client clients[CLIENTS];
    struct collect_options *options = &rig.options;
    struct rlimit files;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 2 * CLIENTS + 300) {
        print_message("skipped: %llu descriptors are allowed, both ends of %d connections need more\n",
                      (unsigned long long)files.rlim_max, CLIENTS);
        skip();
    }
    rig_open(&rig);
    options->batch_size = 1 << 20;
    options->memory = 1 << 20; /* far less than they send: they wait their turn */
    options->open_files = 100;
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 4, 600);
    struct spooled spooled = spooled_of(&feed);
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], &rig, &spooled, i, 1 + i % 200, 4);
        if (i % 20 == 0)
            evloop_run_once(rig.loop, 0);
    }
    rig_run(&rig, clients, CLIENTS, all_acked);
    assert_int_equal(store_drain(rig.collect->store, SECONDS(60)),
                     0); /* the last round's figures come after its acknowledgements */
    char *status = collect_status_text(rig.collect, false), *metrics = collect_metrics_text(rig.collect);
    assert_non_null(strstr(status, "1000 connected"));
    assert_non_null(strstr(metrics, "evtrail_collect_stored_batches_total 4000"));
    free(status);
    free(metrics);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    rig_stop(&rig);

    char command[4200], line[64];
    snprintf(command, sizeof(command), "find '%s' -name '*.evt' | wc -l", rig.root);
    FILE *count = popen(command, "r");
    assert_non_null(fgets(line, sizeof(line), count));
    const uint64_t stored = strtoull(line, NULL, 10);
    pclose(count);
    assert_int_equal(stored, CLIENTS);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

/* ---- liars ---------------------------------------------------------------------------------------------------------------------- */

struct liar {
    const char *name;
    void (*alter)(struct feed *feed, struct spooled *spooled);
    const char *logged;
};

/* The zstd frame of the second batch, and its header. */
static uint8_t *second_batch(const struct feed *feed, const struct spooled *spooled,
                             struct evtrail_batch_header *header)
{
    struct evtrail_frame frame;
    size_t at = spooled->units[1].offset;
    for (;; at += frame.bytes) {
        assert_null(evtrail_frame_prefix(feed->bytes + at, feed->size - at, &frame));
        if (frame.magic == EVTRAIL_MAGIC_BATCH)
            break;
    }
    assert_null(evtrail_frame_parse_batch(feed->bytes + at, frame.bytes, header));
    return feed->bytes + at;
}

static void put_header(uint8_t *at, struct evtrail_batch_header *header)
{
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    assert_int_equal(evtrail_frame_put_batch(out, header), header->header_bytes);
    memcpy(at, out, header->header_bytes);
}

static void lie_content(struct feed *feed, struct spooled *spooled)
{
    struct evtrail_batch_header header;
    uint8_t *at = second_batch(feed, spooled, &header);
    memset(at + header.header_bytes + 20, 0x55, header.compressed_bytes / 2);
    header.checksum = 0;
    put_header(at, &header);
}

static void lie_checksum(struct feed *feed, struct spooled *spooled)
{
    struct evtrail_batch_header header;
    uint8_t *at = second_batch(feed, spooled, &header);
    at[header.header_bytes + header.compressed_bytes - 1] ^= 1;
}

/* "Decompresses" to far more than the header says. */
static void lie_size(struct feed *feed, struct spooled *spooled)
{
    struct evtrail_batch_header header;
    uint8_t *at = second_batch(feed, spooled, &header);
    const uint32_t bomb = 0x7fffffff;
    at[header.header_bytes + 4] = 0xa4; /* single segment, four bytes of content size */
    memcpy(at + header.header_bytes + 5, &bomb, 4);
    header.checksum = 0;
    put_header(at, &header);
}

static void lie_events(struct feed *feed, struct spooled *spooled)
{
    struct evtrail_batch_header header;
    uint8_t *at = second_batch(feed, spooled, &header);
    header.chunk.events -= 1;
    put_header(at, &header);
}

static void lie_source(struct feed *feed, struct spooled *spooled)
{
    struct evtrail_batch_header header;
    uint8_t *at = second_batch(feed, spooled, &header);
    header.source = 77;
    put_header(at, &header);
}

static const struct liar liars[] = {
    {"content that does not decode", lie_content, "refused (content)"},
    {"a wrong checksum", lie_checksum, "refused (damaged)"},
    {"a zip bomb", lie_size, "refused (content)"},
    {"a wrong count of events", lie_events, "refused (content)"},
    {"a source that was not described", lie_source, "refused (source)"},
};

static void collector__a_batch_that_is_wrong__is_refused_with_a_reason_and_the_rest_is_stored(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    for (unsigned i = 0; i < sizeof(liars) / sizeof(*liars); i++) {
        struct client clients[2];
        struct feed good = feed_make(rig.directory, 1, 10, 500), bad = feed_make(rig.directory, 1, 10, 500);
        struct spooled good_spooled = spooled_of(&good), bad_spooled = spooled_of(&bad);
        rig.log[0] = 0;
        liars[i].alter(&bad, &bad_spooled);
        client_open(&clients[0], &rig, &good_spooled, 100 + i, 1, 10);
        client_open(&clients[1], &rig, &bad_spooled, 200 + i, 2, 10);
        rig_run(&rig, clients, 2, all_acked);
        assert_int_equal(clients[1].refused, 2);
        assert_int_equal(clients[0].refused, 0);
        if (!strstr(rig.log, liars[i].logged))
            fail_msg("%s: %s", liars[i].name, rig.log);
        client_close(&clients[0]);
        client_close(&clients[1]);
        spooled_free(&good_spooled);
        spooled_free(&bad_spooled);
        free(good.bytes);
        free(bad.bytes);
    }
    char *metrics = collect_metrics_text(rig.collect);
    assert_non_null(strstr(metrics, "evtrail_collect_refused_batches_total{why=\"content\"} 3"));
    assert_non_null(strstr(metrics, "evtrail_collect_refused_batches_total{why=\"source\"} 1"));
    assert_non_null(strstr(metrics, "evtrail_collect_lost_events_total{cause=\"refused\"}"));
    free(metrics);
    rig_stop(&rig);
    tree_may_tell_loss = true;
    const struct tree_sum sum = tree_sum(rig.root);
    tree_may_tell_loss = false;
    assert_int_equal(sum.batches, 5 * 10 + 5 * 9);
    assert_true(sum.lost[EVTRAIL_CAUSE_spool] > 0);
    rig_close(&rig);
}

/* Bytes by hand. */
struct raw {
    int fd;
    bool ended;
    char reason[512];
    size_t used;
    uint8_t in[65536];
};

static void raw_step(struct raw *raw)
{
    const ssize_t n = recv(raw->fd, raw->in + raw->used, sizeof(raw->in) - raw->used, MSG_DONTWAIT);
    raw->ended |= n == 0 || (n < 0 && errno != EAGAIN);
    raw->used += n > 0 ? (size_t)n : 0;
    for (size_t at = 0; at < raw->used;) {
        struct wire_header header;
        const uint8_t *payload;
        size_t wanted;
        const char *why;
        struct wire_bye bye;
        const int64_t bytes =
            wire_next(raw->in + at, raw->used - at, WIRE_PAYLOAD_MAX, &header, &payload, &wanted, &why);
        if (bytes <= 0)
            return;
        if (header.type == WIRE_bye && !wire_parse_bye(payload, header.payload_bytes, &bye))
            snprintf(raw->reason, sizeof(raw->reason), "%s: %s", wire_bye_name(bye.code), bye.reason);
        at += (size_t)bytes;
    }
}

/* Sends these bytes, again and again if `flood`, and waits for the end of the connection. */
static void raw_run(struct rig *rig, struct client *good, const uint8_t *bytes, size_t size, const uint8_t *again,
                    size_t again_size, struct raw *raw)
{
    const int64_t until = store_now_ns() + SECONDS(240);
    size_t sent = 0;
    *raw = (struct raw){.fd = client_socket(rig, 9)};
    while (!raw->ended) {
        if (store_now_ns() > until)
            fail_msg("the connection does not end: %s", rig->log);
        const ssize_t n = sent < size  ? send(raw->fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL)
                          : again_size ? send(raw->fd, again, again_size, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : 0;
        if (n > 0 && sent >= size && (size_t)n < again_size) /* the rest of it */
            for (size_t rest = (size_t)n; rest < again_size && !raw->ended;) {
                const ssize_t more = send(raw->fd, again + rest, again_size - rest, MSG_DONTWAIT | MSG_NOSIGNAL);
                rest += more > 0 ? (size_t)more : 0;
                if (more < 0 && errno != EAGAIN)
                    break;
                evloop_run_once(rig->loop, 100000);
                raw_step(raw);
            }
        sent += sent < size && n > 0 ? (size_t)n : 0;
        evloop_run_once(rig->loop, 1000000);
        client_step(good);
        raw_step(raw);
    }
    close(raw->fd);
}

static size_t put_start(uint8_t *out, unsigned stream)
{
    struct wire_hello hello = {.version_min = WIRE_VERSION_MIN,
                               .version_max = WIRE_VERSION_MAX,
                               .role = WIRE_ROLE_sender,
                               .offered = WIRE_FEATURES,
                               .payload_max = WIRE_PAYLOAD_MAX,
                               .host = "liar",
                               .agent = "liar"};
    struct wire_open open = {.first = 1, .next = 1000};
    memset(open.stream, 0x66, sizeof(open.stream));
    memcpy(open.stream, &stream, sizeof(stream));
    const size_t bytes = wire_put_hello(out, &hello);
    return bytes + wire_put_open(out + bytes, 0, &open);
}

static void collector__peers_that_break_the_protocol__lose_their_connection_and_nobody_else_does(void **state)
{
    struct rig rig;
    struct client good;
    static struct raw raw;
    static uint8_t bytes[1 << 16], again[1 << 16];
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 40, 500);
    struct spooled spooled = spooled_of(&feed);
    client_open(&good, &rig, &spooled, 1, 1, 40);

    memset(bytes, 0xee, sizeof(bytes)); /* no protocol at all */
    raw_run(&rig, &good, bytes, 4096, NULL, 0, &raw);

    size_t size = put_start(bytes, 5); /* a type that nobody knows */
    const size_t header = wire_put_header(
        bytes + size, &(struct wire_header){.type = 99, .payload_bytes = 0, .payload_crc = wire_crc(0, "", 0)});
    raw_run(&rig, &good, bytes, size + header, NULL, 0, &raw);
    assert_non_null(strstr(raw.reason, "protocol"));

    size = put_start(bytes, 6); /* four gigabytes in one message */
    size += wire_put_header(bytes + size,
                            &(struct wire_header){.type = WIRE_data, .payload_bytes = 0xffffff00, .sequence = 1});
    raw_run(&rig, &good, bytes, size, NULL, 0, &raw);
    assert_non_null(strstr(raw.reason, "size"));

    size = put_start(bytes, 7); /* a payload of another checksum */
    size += wire_put_header(bytes + size,
                            &(struct wire_header){.type = WIRE_frames, .payload_bytes = 100, .payload_crc = 1});
    raw_run(&rig, &good, bytes, size + 100, NULL, 0, &raw);
    assert_non_null(strstr(raw.reason, "checksum"));

    size = put_start(bytes, 8); /* a sequence that leaves others out */
    size_t unit = spooled.units[0].bytes;
    uint8_t *payload = spooled.feed->bytes + spooled.units[0].offset;
    size_t used = size + wire_put_header(bytes + size, &(struct wire_header){.type = WIRE_data,
                                                                             .payload_bytes = (uint32_t)unit,
                                                                             .payload_crc = wire_crc(0, payload, unit),
                                                                             .sequence = 7});
    memcpy(bytes + used, payload, unit);
    raw_run(&rig, &good, bytes, used + unit, NULL, 0, &raw);
    assert_non_null(strstr(raw.reason, "sequence"));

    size = put_start(bytes, 9); /* much more than the window allows, and no look at what is said */
    unit = spooled.units[0].bytes;
    used = wire_put_header(again, &(struct wire_header){.type = WIRE_gap, .payload_bytes = 0});
    raw_run(&rig, &good, bytes, size, again, used, &raw);
    assert_non_null(strstr(raw.reason, ":"));
    rig_run(&rig, &good, 1, all_acked);
    client_close(&good);
    rig_stop(&rig);
    assert_int_equal(tree_sum(rig.root).batches, 40);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

/* All blocks that a frame of that size may have, and each as costly as can be. */
static size_t put_costly(uint8_t *out, const struct feed *feed, const struct spooled *spooled, uint64_t sequence)
{
    struct evtrail_batch_header header;
    uint8_t *frame = second_batch(feed, spooled, &header);
    static uint8_t data[1 << 16];
    size_t used = 0;
    (void)frame;
    memset(data, 0, sizeof(data));
    used = header.header_bytes;
    header.compressed_bytes = (uint32_t)costly_zstd_frame(data + used, 1400, &header.content_bytes);
    const uint32_t said = 1400 << 10; /* and the rest as one byte, many times */
    uint8_t *end = data + used + header.compressed_bytes - 3;
    uint32_t left = said - header.content_bytes;
    for (; left; left -= left < 1 << 17 ? left : 1 << 17, end += 4) {
        const uint32_t size = left < 1 << 17 ? left : 1 << 17, head = size << 3 | 1 << 1 | (left == size);
        memcpy(end, &(uint32_t){head | UINT32_C(0x20) << 24}, 4);
    }
    memcpy(data + used + 5, &said, 4);
    header.compressed_bytes = (uint32_t)(end - data - used);
    header.content_bytes = said;
    header.checksum = 0;
    put_header(data, &header);
    used += header.compressed_bytes;
    const size_t head = wire_put_header(out, &(struct wire_header){.type = WIRE_data,
                                                                   .payload_bytes = (uint32_t)used,
                                                                   .payload_crc = wire_crc(0, data, used),
                                                                   .sequence = sequence});
    memcpy(out + head, data, used);
    return head + used;
}

static void collector__batches_that_are_costly_to_check__make_their_sender_wait_alone(void **state)
{
    enum { COSTLY = 20 };
    struct rig rig;
    struct client good;
    static uint8_t bytes[1 << 20];
    uint8_t in[4096];
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 40, 500);
    struct spooled spooled = spooled_of(&feed);
    size_t size = put_start(bytes, 5), sent = 0;
    const uint8_t *frames = feed.bytes + spooled.frames[1].offset; /* the source */
    const size_t head = wire_put_header(
        bytes + size, &(struct wire_header){.type = WIRE_frames,
                                            .payload_bytes = spooled.frames[1].bytes,
                                            .payload_crc = wire_crc(0, frames, spooled.frames[1].bytes)});
    memcpy(bytes + size + head, frames, spooled.frames[1].bytes);
    size += head + spooled.frames[1].bytes;
    for (uint64_t i = 1; i <= COSTLY; i++)
        size += put_costly(bytes + size, &feed, &spooled, i);
    assert_true(size < sizeof(bytes));
    const int fd = client_socket(&rig, 9);
    for (unsigned i = 0; i < 60000 && !rig.collect->peers; i++) { /* only what says its first byte is a peer */
        sent += (size_t)(send(fd, bytes + sent, sent ? 0 : 100, MSG_NOSIGNAL));
        evloop_run_once(rig.loop, 1000000);
    }
    struct collect_peer *const costly = rig.collect->peers;
    assert_non_null(costly);
    costly->busy_ns = SECONDS(10000); /* as if it had been at it for long */
    client_open(&good, &rig, &spooled, 1, 1, 40);
    const int64_t until = store_now_ns() + SECONDS(240);
    for (bool all = false; !all;) {
        const ssize_t n = sent < size ? send(fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        while (recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
            ;
        evloop_run_once(rig.loop, 1000000);
        client_step(&good);
        if (store_now_ns() > until)
            fail_msg("nothing more happens: %s", rig.log);
        if (costly->held == COLLECT_HOLD_work && good.acked == 40)
            costly->busy_ns = 0; /* it has had nothing of it for so long */
        all = good.acked == 40 && costly->refused[WIRE_REFUSE_content] == COSTLY;
    }
    assert_true(rig.collect->totals.holds > 0);
    assert_int_equal(good.refused, 0);
    close(fd);
    client_close(&good);
    rig_stop(&rig);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void collector__another_sender_with_the_same_stream__is_told_that_it_is_open(void **state)
{
    struct rig rig;
    struct client clients[3];
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 10, 500);
    struct spooled spooled = spooled_of(&feed);
    client_open(&clients[0], &rig, &spooled, 1, 1, 5);
    rig_run(&rig, clients, 1, all_acked);
    client_open(&clients[1], &rig, &spooled, 1, 2, 10); /* another address */
    for (unsigned i = 0; i < 60000 && !clients[1].stream_refused; i++) {
        evloop_run_once(rig.loop, 1000000);
        client_step(&clients[0]);
        client_step(&clients[1]);
    }
    assert_true(clients[1].stream_refused);
    assert_non_null(strstr(clients[1].refuse.reason, "another address"));
    assert_int_equal(clients[1].acked, 0);
    client_open(&clients[2], &rig, &spooled, 1, 1, 10); /* the same sender again: the first connection is half open */
    rig_run(&rig, &clients[2], 1, all_acked);
    rig_run(&rig, clients, 1, all_closed);
    assert_int_equal(clients[0].bye.code, WIRE_BYE_superseded);
    for (unsigned i = 0; i < 3; i++)
        client_close(&clients[i]);
    rig_stop(&rig);
    assert_int_equal(tree_sum(rig.root).batches, 10);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void collector__a_peer_on_a_unix_socket__is_known_by_its_user(void **state)
{
    struct rig rig;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char listen_on[140], owner[32];
    (void)state;
    rig_open(&rig);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", rig.directory);
    snprintf(listen_on, sizeof(listen_on), "unix:%s", address.sun_path);
    snprintf(owner, sizeof(owner), "uid:%u", (unsigned)getuid());
    assert_int_equal(collect_options_set(&rig.options, "listen", listen_on), 0);
    rig_start(&rig);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, "E", 1, MSG_NOSIGNAL), 1);
    for (unsigned i = 0; i < 60000 && !rig.collect->peers; i++)
        evloop_run_once(rig.loop, 1000000);
    assert_non_null(rig.collect->peers);
    assert_string_equal(rig.collect->peers->owner, owner);
    close(fd);
    rig_close(&rig);
}

/* ---- metrics ----------------------------------------------------------------------------------------------------------------------- */

static void metrics__a_sender_that_comes_again__goes_on_with_its_counters(void **state)
{
    struct rig rig;
    struct client client;
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 20, 500);
    struct spooled spooled = spooled_of(&feed);
    for (unsigned round = 1; round <= 2; round++) {
        client_open(&client, &rig, &spooled, 7, 1, 10 * round);
        rig_run(&rig, &client, 1, all_acked);
        client_close(&client);
        for (unsigned i = 0; i < 60000 && rig.collect->peers_count; i++)
            evloop_run_once(rig.loop, 1000000);
    }
    char *page = collect_metrics_text(rig.collect);
    assert_non_null(strstr(page, "evtrail_collect_sender_batches_total{host=\"host7\",from=\"127.0.0.1\"} 20\n"));
    assert_non_null(strstr(page, "evtrail_collect_sender_connections{host=\"host7\",from=\"127.0.0.1\"} 0\n"));
    assert_non_null(strstr(page, "evtrail_collect_sender_unacked_bytes{host=\"host7\",from=\"127.0.0.1\"} 0\n"));
    assert_non_null(strstr(page, "evtrail_collect_senders 1\n"));
    free(page);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void metrics__senders_that_come_and_go__are_bounded(void **state)
{
    struct rig rig;
    struct collect_peer peer = {0};
    struct ship_receiver_options options = {0};
    static const struct ship_receiver_calls calls;
    char host[32];
    (void)state;
    rig_open(&rig);
    rig_start(&rig);
    assert_int_equal(ship_receiver_new(&peer.receiver, &options, &calls, &peer), 0);
    peer.batches = 1;
    for (unsigned i = 0; i < 2 * COLLECT_SENDERS_SHOWN; i++) { /* each goes before the next comes */
        snprintf(host, sizeof(host), "host%u", i);
        peer.sender = collect_sender_come(rig.collect, host, "a\"b\\c\nd", (int64_t)i + 1);
        assert_non_null(peer.sender);
        collect_sender_gone(&peer, (struct ship_time){(int64_t)i + 1, 0});
    }
    assert_int_equal(rig.collect->senders_count, COLLECT_SENDERS_SHOWN);
    char *page = collect_metrics_text(rig.collect);
    assert_null(strstr(page, "host=\"host0\""));
    snprintf(host, sizeof(host), "host=\"host%u\"", 2 * COLLECT_SENDERS_SHOWN - 1);
    assert_non_null(strstr(page, host));
    assert_non_null(strstr(page, ",from=\"a\\\"b\\\\c?d\"} 1\n"));
    free(page);
    for (unsigned i = 0; i < COLLECT_SENDERS_SHOWN + 10; i++) { /* all of them stay */
        snprintf(host, sizeof(host), "guest%u", i);
        assert_non_null(collect_sender_come(rig.collect, host, "", 1));
    }
    assert_int_equal(rig.collect->senders_count, COLLECT_SENDERS_SHOWN + 1); /* and all others */
    page = collect_metrics_text(rig.collect);
    assert_non_null(strstr(page, "sender_connections{host=\"guest0\",from=\"\"} 1\n"));
    free(page);
    ship_receiver_free(peer.receiver);
    rig_close(&rig);
}

/* ---- limits ----------------------------------------------------------------------------------------------------------------------- */

static void collector__more_senders_than_allowed__are_told_so(void **state)
{
    struct rig rig;
    struct client clients[3];
    (void)state;
    rig_open(&rig);
    rig.options.senders_per_address = 2;
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 2, 500);
    struct spooled spooled = spooled_of(&feed);
    for (unsigned i = 0; i < 3; i++) {
        client_open(&clients[i], &rig, &spooled, i, 1, 2);
        rig_run(&rig, &clients[i], 1, i < 2 ? all_acked : all_closed);
    }
    assert_int_equal(clients[2].bye.code, WIRE_BYE_limit);
    assert_non_null(strstr(clients[2].bye.reason, "--senders-per-address"));
    for (unsigned i = 0; i < 3; i++)
        client_close(&clients[i]);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void collector__disk_full__windows_close_and_open_again_by_themselves(void **state)
{
    struct rig rig;
    struct client client;
    (void)state;
    rig_open(&rig);
    rig.options.reserve = UINT64_C(1) << 62; /* nothing is ever free enough */
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 10, 500);
    struct spooled spooled = spooled_of(&feed);
    client_open(&client, &rig, &spooled, 1, 1, 10);
    for (unsigned i = 0; i < 60000 && !strstr(rig.log, "disk is full"); i++) {
        evloop_run_once(rig.loop, 1000000);
        client_step(&client);
    }
    assert_non_null(strstr(rig.log, "disk is full"));
    assert_int_equal(client.acked, 0);
    char *status = collect_status_text(rig.collect, true), *error = NULL;
    assert_non_null(strstr(status, "\"state\":\"full\""));
    free(status);
    rig.options.reserve = 1;
    assert_int_equal(collect_reload(rig.collect, &rig.options, &error), 0);
    free(error);
    rig_run(&rig, &client, 1, all_acked);
    for (unsigned i = 0; i < 60000 && !strstr(rig.log, "storing again"); i++)
        evloop_run_once(rig.loop, 1000000);
    assert_non_null(strstr(rig.log, "storing again"));
    client_close(&client);
    rig_stop(&rig);
    assert_int_equal(tree_sum(rig.root).batches, 10);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

/* Frames that batches need give the window back at once: who sends only such is held where there is no room, and is no reason to have more. */
static void collector__frames_without_end_while_the_disk_is_full__are_left_with_their_sender(void **state)
{
    struct rig rig;
    (void)state;
    rig_open(&rig);
    rig.options.reserve = UINT64_C(1) << 62;
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 1, 500);
    struct spooled spooled = spooled_of(&feed);
    static uint8_t start[4096], message[1 << 16], payload[1 << 15];
    size_t used = 0, sent = 0;
    const struct evtrail_append_span super = spooled.frames[0];
    while (used + super.bytes <= sizeof(payload)) {
        memcpy(payload + used, feed.bytes + super.offset, super.bytes);
        used += super.bytes;
    }
    const size_t head = wire_put_header(message, &(struct wire_header){.type = WIRE_frames,
                                                                       .payload_bytes = (uint32_t)used,
                                                                       .payload_crc = wire_crc(0, payload, used)});
    memcpy(message + head, payload, used);
    const int fd = client_socket(&rig, 9);
    const size_t size = put_start(start, 5);
    assert_int_equal(send(fd, start, size, MSG_NOSIGNAL), size);
    for (unsigned i = 0; i < 60000 && !strstr(rig.log, "disk is full"); i++)
        evloop_run_once(rig.loop, 1000000);
    assert_non_null(strstr(rig.log, "disk is full"));
    unsigned idle = 0;
    while (sent < 7 << 20 && idle < 200) { /* less than the window */
        const size_t at = sent % (head + used);
        const ssize_t n = send(fd, message + at, head + used - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        evloop_run_once(rig.loop, 1000000);
        idle = n > 0 ? 0 : idle + 1;
    }
    char *status = collect_status_text(rig.collect, true);
    const char *const queued = strstr(status, "\"queued_bytes\":");
    assert_non_null(queued);
    if (strtoull(queued + strlen("\"queued_bytes\":"), NULL, 10) > 2 << 20)
        fail_msg("%zu bytes were taken: %s", sent, status);
    free(status);
    close(fd);
    rig_stop(&rig);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

static void collector__over_its_rate__waits_and_loses_nothing(void **state)
{
    struct rig rig;
    struct client client;
    (void)state;
    rig_open(&rig);
    rig.options.rate = 4 << 20; /* slower than any machine sends */
    rig_start(&rig);
    struct feed feed = feed_make(rig.directory, 1, 40, 20000);
    struct spooled spooled = spooled_of(&feed);
    client_open(&client, &rig, &spooled, 1, 1, 40);
    rig_run(&rig, &client, 1, all_acked);
    char *metrics = collect_metrics_text(rig.collect);
    assert_null(strstr(metrics, "evtrail_collect_holds_total 0\n"));
    free(metrics);
    client_close(&client);
    rig_stop(&rig);
    assert_int_equal(tree_sum(rig.root).batches, 40);
    spooled_free(&spooled);
    free(feed.bytes);
    rig_close(&rig);
}

/* ---- settings ------------------------------------------------------------------------------------------------------------------------ */

static void settings__of_a_file__are_read_and_faults_are_told_with_their_line(void **state)
{
    struct collect_options options;
    char *directory = gen_directory(), *path = gen_path(directory, "c.conf"), *error = NULL;
    static const char good[] =
        "[send]\ncollector = x\n[collect]\nlisten = localhost, :7000\nkeep-size = 2G\nno-sync = yes\nidle-time = 10s\n";
    static const char unknown[] = "[collect]\nlisten = localhost\nkeep-sizes = 3\n",
                      wrong[] = "[collect]\nrate = fast\n";
    (void)state;
    gen_write_file(path, (const uint8_t *)good, strlen(good));
    assert_int_equal(collect_options_init(&options), 0);
    assert_int_equal(collect_options_read(&options, path, &error), 0);
    assert_int_equal(options.listen.count, 2);
    assert_string_equal(options.listen.items[1], ":7000");
    assert_int_equal(options.keep_size, UINT64_C(2) << 30);
    assert_true(options.no_sync && options.live);
    assert_int_equal(options.idle_time, SECONDS(10));
    gen_write_file(path, (const uint8_t *)unknown, strlen(unknown));
    assert_int_equal(collect_options_read(&options, path, &error), -EINVAL);
    assert_non_null(strstr(error, ":3: no setting \"keep-sizes\""));
    free(error);
    error = NULL;
    gen_write_file(path, (const uint8_t *)wrong, strlen(wrong));
    assert_int_equal(collect_options_read(&options, path, &error), -EINVAL);
    assert_non_null(strstr(error, "rate = fast"));
    free(error);
    collect_options_fini(&options);
    gen_directory_remove(directory);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collector__two_senders_that_come_again__each_batch_is_stored_once),
        cmocka_unit_test(collector__a_thousand_senders_at_once__all_is_stored_and_nothing_is_lost),
        cmocka_unit_test(collector__a_batch_that_is_wrong__is_refused_with_a_reason_and_the_rest_is_stored),
        cmocka_unit_test(collector__peers_that_break_the_protocol__lose_their_connection_and_nobody_else_does),
        cmocka_unit_test(collector__batches_that_are_costly_to_check__make_their_sender_wait_alone),
        cmocka_unit_test(collector__another_sender_with_the_same_stream__is_told_that_it_is_open),
        cmocka_unit_test(collector__a_peer_on_a_unix_socket__is_known_by_its_user),
        cmocka_unit_test(metrics__a_sender_that_comes_again__goes_on_with_its_counters),
        cmocka_unit_test(metrics__senders_that_come_and_go__are_bounded),
        cmocka_unit_test(collector__more_senders_than_allowed__are_told_so),
        cmocka_unit_test(collector__disk_full__windows_close_and_open_again_by_themselves),
        cmocka_unit_test(collector__frames_without_end_while_the_disk_is_full__are_left_with_their_sender),
        cmocka_unit_test(collector__over_its_rate__waits_and_loses_nothing),
        cmocka_unit_test(settings__of_a_file__are_read_and_faults_are_told_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
