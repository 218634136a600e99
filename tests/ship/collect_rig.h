/* SPDX-License-Identifier: ISC
 *
 * A collector in the test's own process, and light senders beside it: the sender's machine on a socket each, all in one thread.
 */
#ifndef EVTRAIL_TESTS_SHIP_COLLECT_RIG_H
#define EVTRAIL_TESTS_SHIP_COLLECT_RIG_H

#include "store_feed.h"

#include "ship/collect.h"
#include "ship/net.h"
#include "ship/sender.h"

#include <evpool/loop.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* ---- the collector -------------------------------------------------------------------------------------------------------- */

struct rig {
    char *directory, *root;
    struct evloop *loop;
    struct collect *collect;
    struct collect_options options;
    char log[65536];
    uint16_t port;
    bool stopped;
};

static inline void rig_log(void *context, int priority, const char *line)
{
    struct rig *rig = context;
    const size_t used = strlen(rig->log);
    (void)priority;
    if (used + strlen(line) + 2 < sizeof(rig->log))
        snprintf(rig->log + used, sizeof(rig->log) - used, "%s\n", line);
}

static inline void rig_start(struct rig *rig)
{
    char *error = NULL;
    struct net_address address;
    assert_int_equal(evloop_new(&rig->loop, NULL), 0);
    if (collect_new(&rig->collect, rig->loop, &rig->options, rig_log, rig, &error) < 0)
        fail_msg("%s", error);
    assert_true(collect_address(rig->collect, 0, &address));
    rig->port = address.port;
}

static inline void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->directory = gen_directory();
    rig->root = gen_path(rig->directory, "store");
    assert_int_equal(collect_options_init(&rig->options), 0);
    assert_int_equal(collect_options_set(&rig->options, "store", rig->root), 0);
    assert_int_equal(collect_options_set(&rig->options, "listen", "127.0.0.1:0"), 0);
    assert_int_equal(collect_options_set(&rig->options, "no-sync", "yes"), 0);
    assert_int_equal(collect_options_set(&rig->options, "reserve", "1"), 0);
}

static inline void rig_stop(struct rig *rig)
{
    collect_free(rig->collect);
    evloop_free(rig->loop);
    rig->collect = NULL;
    rig->loop = NULL;
}

static inline void rig_close(struct rig *rig)
{
    if (rig->collect)
        rig_stop(rig);
    collect_options_fini(&rig->options);
    gen_directory_remove(rig->directory);
    free(rig->root);
}

/* ---- what a sender has ------------------------------------------------------------------------------------------------------ */

struct spooled {
    const struct feed *feed;
    struct evtrail_append_span *units;  /* of sequence i + 1: its frames and batch */
    struct evtrail_append_span *frames; /* all that are no batch */
    size_t units_count, frames_count;
};

static inline void spooled_add(struct evtrail_append_span **spans, size_t *count, size_t offset, size_t bytes)
{
    *spans = realloc(*spans, (*count + 1) * sizeof(**spans));
    (*spans)[(*count)++] = (struct evtrail_append_span){offset, (uint32_t)bytes};
}

static inline struct spooled spooled_of(const struct feed *feed)
{
    struct spooled spooled = {.feed = feed};
    struct evtrail_frame frame;
    size_t begin = SIZE_MAX;
    for (size_t at = 0; at < feed->size; at += frame.bytes) {
        struct evtrail_batch_header header;
        if (evtrail_frame_prefix(feed->bytes + at, feed->size - at, &frame) || frame.tag == EVTRAIL_TAG_INDEX)
            break;
        begin = begin == SIZE_MAX && frame.tag != EVTRAIL_TAG_SUPER ? at : begin;
        if (frame.magic != EVTRAIL_MAGIC_BATCH) {
            spooled_add(&spooled.frames, &spooled.frames_count, at, frame.bytes);
            continue;
        }
        assert_null(evtrail_frame_parse_batch(feed->bytes + at, frame.bytes, &header));
        frame.bytes += header.compressed_bytes;
        spooled_add(&spooled.units, &spooled.units_count, begin, at + frame.bytes - begin);
        begin = SIZE_MAX;
    }
    return spooled;
}

static inline void spooled_free(struct spooled *spooled)
{
    free(spooled->units);
    free(spooled->frames);
}

/* ---- a light sender ----------------------------------------------------------------------------------------------------------- */

struct client {
    const struct spooled *spooled;
    struct ship_sender *sender;
    int fd;
    uint8_t *in, *out;
    size_t in_used, in_room, out_used, out_room;
    size_t context; /* frames that were sent again after OPENED */
    uint8_t *frames; /* of the last unit FRAMES */
    uint64_t acked, resume, refused, last; /* last: the sequence that it ends with */
    uint8_t stream[WIRE_STREAM_ID_BYTES];
    bool closed, by_peer, stream_refused;
    struct wire_bye bye;
    struct wire_refuse refuse;
};

static inline struct ship_time client_now(void)
{
    return (struct ship_time){store_now_ns(), store_realtime_ns()};
}

static inline int client_send(void *context, const struct iovec *parts, unsigned count)
{
    struct client *client = context;
    for (unsigned i = 0; i < count; i++) {
        if (client->out_used + parts[i].iov_len > client->out_room) {
            client->out_room = 2 * (client->out_used + parts[i].iov_len);
            client->out = realloc(client->out, client->out_room);
        }
        memcpy(client->out + client->out_used, parts[i].iov_base, parts[i].iov_len);
        client->out_used += parts[i].iov_len;
    }
    return 0;
}

static inline size_t client_room(void *context)
{
    const struct client *client = context;
    return client->out_used < (1 << 20) ? (1 << 20) - client->out_used : 0;
}

static inline void client_opened(void *context, uint32_t channel, uint64_t resume)
{
    struct client *client = context;
    (void)channel;
    client->resume = resume;
    client->context = 0;
}

static inline int client_fetch(void *context, uint32_t channel, uint64_t sequence, struct ship_unit *ret_unit)
{
    struct client *client = context;
    const struct spooled *spooled = client->spooled;
    (void)channel;
    if (!client->context) { /* what batches from there on need */
        size_t used = 0;
        const uint64_t before = sequence <= spooled->units_count ? spooled->units[sequence - 1].offset : UINT64_MAX;
        client->frames = realloc(client->frames, spooled->feed->size);
        for (size_t i = 0; i < spooled->frames_count && spooled->frames[i].offset < before; i++) {
            memcpy(client->frames + used, spooled->feed->bytes + spooled->frames[i].offset, spooled->frames[i].bytes);
            used += spooled->frames[i].bytes;
        }
        client->context = 1;
        *ret_unit = (struct ship_unit){.kind = SHIP_UNIT_FRAMES, .parts = {{client->frames, used}}, .parts_count = 1};
        return 1;
    }
    if (sequence > client->last || sequence > spooled->units_count)
        return 0;
    const struct evtrail_append_span *unit = &spooled->units[sequence - 1];
    *ret_unit = (struct ship_unit){
        .kind = SHIP_UNIT_DATA, .parts = {{spooled->feed->bytes + unit->offset, unit->bytes}}, .parts_count = 1};
    return 1;
}

static inline void client_acked(void *context, uint32_t channel, uint64_t sequence)
{
    (void)channel;
    ((struct client *)context)->acked = sequence;
}

static inline void client_refused(void *context, uint32_t channel, uint64_t sequence, const struct wire_refuse *refuse)
{
    struct client *client = context;
    (void)channel;
    client->refused = sequence;
    client->refuse = *refuse;
}

static inline void client_stream_refused(void *context, uint32_t channel, const struct wire_refuse *refuse)
{
    struct client *client = context;
    (void)channel;
    client->stream_refused = true;
    client->refuse = *refuse;
}

static inline void client_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct client *client = context;
    client->closed = true;
    client->by_peer = by_peer;
    client->bye = *bye;
}

static const struct ship_sender_calls client_calls = {
    .send = client_send,
    .room = client_room,
    .opened = client_opened,
    .fetch = client_fetch,
    .acked = client_acked,
    .refused = client_refused,
    .stream_refused = client_stream_refused,
    .closed = client_closed,
};

/* From 127.0.0.`from`. */
static inline int client_socket(const struct rig *rig, unsigned from)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK - 1 + from)}};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(rig->port)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Sends batches up to `last` of the stream of this number. */
static inline void client_open(struct client *client, const struct rig *rig, const struct spooled *spooled,
                               unsigned stream, unsigned from, uint64_t last)
{
    struct ship_sender_options options = {.hello = {.agent = "test"}};
    struct wire_open open = {.first = 1, .next = spooled->units_count + 1};
    uint32_t channel;
    *client = (struct client){.spooled = spooled, .last = last};
    snprintf(options.hello.host, sizeof(options.hello.host), "host%u", stream);
    memset(open.stream, 0x77, sizeof(open.stream));
    memcpy(open.stream, &stream, sizeof(stream));
    memcpy(client->stream, open.stream, sizeof(open.stream));
    client->fd = client_socket(rig, from);
    assert_int_equal(ship_sender_new(&client->sender, &options, &client_calls, client), 0);
    assert_int_equal(ship_sender_stream(client->sender, &open, &channel), 0);
    ship_sender_start(client->sender, client_now());
}

static inline void client_close(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    ship_sender_free(client->sender);
    free(client->in);
    free(client->out);
    free(client->frames);
    *client = (struct client){.fd = -1};
}

static inline void client_read(struct client *client)
{
    size_t wanted;
    for (;;) {
        if (client->in_room - client->in_used < 16384) {
            client->in_room = client->in_room * 2 + 32768;
            client->in = realloc(client->in, client->in_room);
        }
        const ssize_t n =
            recv(client->fd, client->in + client->in_used, client->in_room - client->in_used, MSG_DONTWAIT);
        if (n < 0)
            return;
        if (n == 0) {
            if (!client->closed)
                ship_sender_close(client->sender, WIRE_BYE_lost, "the collector has gone");
            return;
        }
        client->in_used += (size_t)n;
        const size_t used = ship_sender_input(client->sender, client->in, client->in_used, client_now(), &wanted);
        memmove(client->in, client->in + used, client->in_used - used);
        client->in_used -= used;
    }
}

static inline void client_write(struct client *client)
{
    while (client->out_used) {
        const ssize_t n = send(client->fd, client->out, client->out_used, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        memmove(client->out, client->out + n, client->out_used - (size_t)n);
        client->out_used -= (size_t)n;
    }
}

static inline void client_step(struct client *client)
{
    if (client->fd < 0)
        return;
    client_write(client);
    client_read(client);
    if (client->closed)
        return;
    ship_sender_pump(client->sender, client_now());
    client_write(client);
}

/* Until `done` says so; at most a minute. */
static inline void rig_run(struct rig *rig, struct client *clients, unsigned count, bool (*done)(const struct client *clients, unsigned count))
{
    const int64_t until = store_now_ns() + SECONDS(240);
    while (!done(clients, count)) {
        if (store_now_ns() > until)
            fail_msg("nothing more happens; the collector's log:\n%s", rig->log);
        if (rig->collect)
            evloop_run_once(rig->loop, 1000000);
        for (unsigned i = 0; i < count; i++)
            client_step(&clients[i]);
    }
}

static inline bool all_acked(const struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (clients[i].acked < clients[i].last)
            return false;
    return true;
}

static inline bool all_closed(const struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!clients[i].closed)
            return false;
    return true;
}

#endif /* EVTRAIL_TESTS_SHIP_COLLECT_RIG_H */
