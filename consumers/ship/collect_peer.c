/* SPDX-License-Identifier: ISC
 *
 * One connection: the link's bytes through the receiver's machine into the store, and what is on disk back as acknowledgements. While the
 * store has no room, or the sender is over its rate, its link is not read: it waits, and nobody else.
 */
#include "ship/collect_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DESCRIBED_BYTES = 16 << 10
}; /* that a peer may send of what batches need while there is no room: it is held then */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct ship_time collect_now(void)
{
    return (struct ship_time){clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME)};
}

/* ---- the store's callbacks ------------------------------------------------------------------------------------------- */

static void update_waiting(struct collect_peer *peer, int64_t now)
{
    bool waiting = false;
    for (unsigned i = 0; peer->channels && i < WIRE_CHANNELS_MAX; i++)
        waiting |= peer->channels[i].durable < peer->channels[i].put;
    peer->waiting_since_ns = waiting ? now : 0;
}

static void on_durable(void *context, uint64_t sequence)
{
    struct collect_channel *channel = context;
    struct collect_peer *peer = channel->peer;
    const struct ship_time now = collect_now();
    channel->durable = sequence;
    update_waiting(peer, now.monotonic_ns);
    if (!peer->closing)
        ship_receiver_durable(peer->receiver, channel->number, sequence, now);
}

static void on_taken(void *context)
{
    struct collect_channel *channel = context;
    struct collect_peer *peer = channel->peer;
    store_stream_close(channel->stream);
    channel->stream = NULL;
    if (!peer->closing)
        ship_receiver_close(
            peer->receiver, WIRE_BYE_superseded,
            "another connection of this sender took its stream over; if two senders run with copies of one spool, "
            "give each a spool of its own");
}

static void on_astray(void *context)
{
    struct collect_channel *channel = context;
    struct collect_peer *peer = channel->peer;
    if (!peer->closing)
        ship_receiver_close(
            peer->receiver, WIRE_BYE_stream,
            "a file that said what its batches are was deleted or damaged at the collector, or more processes come at "
            "once than it takes (its log says so); come again");
}

/* ---- the receiver's callbacks ------------------------------------------------------------------------------------------ */

static int on_send(void *context, const struct iovec *parts, unsigned count)
{
    struct collect_peer *peer = context;
    return peer->link ? net_link_send(peer->link, parts, count) : -ENOTCONN;
}

static unsigned count_of_address(const struct collect *collect, const char *address)
{
    unsigned count = 0;
    for (const struct collect_peer *peer = collect->peers; peer; peer = peer->next)
        count += !strcmp(peer->address, address);
    return count;
}

static int on_hello(void *context, const struct wire_hello *hello, struct wire_welcome *welcome, struct wire_bye *bye)
{
    struct collect_peer *peer = context;
    const struct collect *collect = peer->collect;
    const struct collect_options *options = &collect->options;
    snprintf(peer->host, sizeof(peer->host), "%s", hello->host);
    peer->reader = hello->role == WIRE_ROLE_reader;
    if (collect->stopping) {
        wire_bye_say(bye, WIRE_BYE_shutdown, "the collector is stopping; try another, or again later");
        bye->retry_ms = 1000;
    } else if (collect->peers_count > options->senders) {
        wire_bye_say(bye, WIRE_BYE_limit,
                     "the collector has its %llu senders; raise its --senders, or use another collector",
                     (unsigned long long)options->senders);
        bye->retry_ms = 10000;
    } else if (options->senders_per_address &&
               count_of_address(collect, peer->address) > options->senders_per_address) {
        wire_bye_say(bye, WIRE_BYE_limit,
                     "more than %llu connections from %s; raise the collector's --senders-per-address",
                     (unsigned long long)options->senders_per_address, peer->address);
        bye->retry_ms = 10000;
    } else {
        if (!peer->reader && !peer->sender)
            peer->sender = collect_sender_come(peer->collect, peer->host, peer->owner[0] ? peer->owner : peer->address,
                                               collect_now().monotonic_ns);
        welcome->payload_max =
            options->batch_size < WIRE_PAYLOAD_MAX ? (uint32_t)options->batch_size : WIRE_PAYLOAD_MAX;
        return 0;
    }
    return (int)bye->code;
}

static int on_open(void *context, uint32_t number, const struct wire_open *open, uint64_t *ret_resume,
                   struct wire_refuse *refuse)
{
    struct collect_peer *peer = context;
    if (!peer->channels)
        peer->channels = calloc(WIRE_CHANNELS_MAX, sizeof(*peer->channels));
    if (!peer->channels)
        return -ENOMEM;
    struct collect_channel *channel = &peer->channels[number];
    struct store_stream_options options = {.owner = peer->owner,
                                           .address = peer->address,
                                           .durable = on_durable,
                                           .taken = on_taken,
                                           .astray = on_astray,
                                           .context = channel};
    uint64_t position;
    memcpy(options.id, open->stream, sizeof(options.id));
    *channel = (struct collect_channel){.peer = peer, .number = number};
    const int r = store_stream_open(peer->collect->store, &options, &channel->stream, &position);
    if (r == -EPERM) {
        snprintf(refuse->reason, sizeof(refuse->reason),
                 "the stream was begun by another sender, with another certificate or key; connect with that, or begin "
                 "a new spool");
        return WIRE_REFUSE_owner;
    }
    if (r == -EBUSY) {
        snprintf(refuse->reason, sizeof(refuse->reason),
                 "the stream is open in a connection from another address; stop that sender, or wait until its "
                 "connection times out");
        return WIRE_REFUSE_busy;
    }
    if (r < 0)
        return r;
    channel->put = channel->durable = position;
    *ret_resume = position + 1;
    if (collect_is_watched(peer))
        collect_watch_changed(peer->collect);
    return 0;
}

static void tap_frames(struct collect_peer *peer, uint32_t number, uint64_t sequence, const struct iovec *parts,
                       unsigned count)
{
    struct collect_tap *tap = peer->collect->tap;
    const uint8_t *stream = tap ? ship_receiver_stream(peer->receiver, number) : NULL;
    if (stream)
        tap->frames(tap, peer->id, stream, sequence, parts, count);
}

/* Beside a clock reading: how far that clock is from ours, which the file says, too. The store writes it where it is news. */
static int put_offset(const struct collect_peer *peer, uint32_t number, const uint8_t *clock_bytes, size_t bytes)
{
    uint8_t out[EVTRAIL_HEADER_BYTES_MAX];
    struct evtrail_clock_frame clock;
    struct evtrail_frame frame;
    if (!peer->offset_known || evtrail_frame_parse_clock(clock_bytes, bytes, &clock))
        return 0;
    const struct evtrail_offset_frame offset = {clock.source, 0, peer->offset_ns, peer->bound_ns};
    const size_t used = evtrail_frame_put_offset(out, &offset);
    return evtrail_frame_prefix(out, used, &frame) ? 0 : store_frame(peer->channels[number].stream, &frame, out);
}

static int on_frame(void *context, uint32_t number, const struct evtrail_frame *frame, const uint8_t *bytes,
                    struct wire_refuse *refuse)
{
    struct collect_peer *peer = context;
    const struct iovec part = {(void *)(uintptr_t)bytes, frame->bytes};
    (void)refuse;
    peer->described += frame->bytes;
    int r = store_frame(peer->channels[number].stream, frame, bytes);
    if (r == 0)
        tap_frames(peer, number, 0, &part, 1);
    if (r == 0 && frame->tag == EVTRAIL_TAG_CLOCK)
        r = put_offset(peer, number, bytes, frame->bytes);
    return r;
}

static void accepted(struct collect_peer *peer, struct collect_channel *channel, uint64_t sequence)
{
    channel->put = sequence;
    if (!peer->waiting_since_ns)
        peer->waiting_since_ns = collect_now().monotonic_ns;
}

static void count_refused(struct collect_peer *peer, unsigned code)
{
    if (code < COLLECT_REFUSALS) {
        peer->refused[code]++;
        peer->collect->totals.refused[code]++;
    }
}

static int on_missing(void *context, uint32_t number, uint64_t sequence, const struct evtrail_batch_header *header,
                      const struct wire_refuse *refuse)
{
    struct collect_peer *peer = context;
    struct collect_channel *channel = &peer->channels[number];
    const int r = store_missing(channel->stream, sequence, header);
    if (r < 0)
        return r;
    accepted(peer, channel, sequence);
    count_refused(peer, refuse->code);
    if (header) {
        peer->lost[WIRE_GAP_refused] += header->chunk.events;
        peer->collect->totals.lost[WIRE_GAP_refused] += header->chunk.events;
    }
    collect_log(peer->collect, LOG_WARNING,
                "%s: batch %llu was refused (%s): %s; it is set aside in the sender's spool", peer->name,
                (unsigned long long)sequence, wire_refusal_name(refuse->code), refuse->reason);
    return 0;
}

static int on_batch(void *context, uint32_t number, uint64_t sequence, const struct ship_batch *batch,
                    struct wire_refuse *refuse)
{
    struct collect_peer *peer = context;
    struct collect *collect = peer->collect;
    struct collect_channel *channel = &peer->channels[number];
    uint64_t lost_after[EVTRAIL_CAUSES];
    const char *what = collect_peer_check(peer, batch, lost_after);
    if (what) {
        refuse->code = WIRE_REFUSE_content;
        snprintf(refuse->reason, sizeof(refuse->reason), "%s", what);
        const int r = on_missing(peer, number, sequence, &batch->header, refuse);
        return r < 0 ? r : WIRE_REFUSE_content;
    }
    const int r = store_batch(channel->stream, sequence, batch, lost_after);
    if (r < 0)
        return r;
    const struct iovec parts[2] = {
        {(void *)(uintptr_t)batch->bytes, batch->header.header_bytes},
        {(void *)(uintptr_t)batch->compressed, batch->header.compressed_bytes},
    };
    accepted(peer, channel, sequence);
    tap_frames(peer, number, sequence, parts, 2);
    peer->batches++;
    peer->events += batch->header.chunk.events;
    collect->totals.batches++;
    collect->totals.events += batch->header.chunk.events;
    return 0;
}

static int on_gap(void *context, uint32_t number, uint64_t first, const struct wire_gap *gap)
{
    struct collect_peer *peer = context;
    struct collect_channel *channel = &peer->channels[number];
    uint64_t events = 0;
    const int r = store_gap(channel->stream, first, gap);
    if (r < 0)
        return r;
    accepted(peer, channel, gap->last);
    for (uint32_t i = 0; i < gap->count; i++) {
        struct wire_gap_entry entry;
        wire_gap_entry_at(gap, i, &entry);
        const unsigned cause = entry.cause < COLLECT_GAP_CAUSES ? entry.cause : 0;
        const uint64_t lost = entry.events < UINT64_MAX / 4 && cause != WIRE_GAP_elsewhere ? entry.events : 0;
        peer->lost[cause] += lost;
        peer->collect->totals.lost[cause] += lost;
        events += lost;
    }
    if (gap->cause == WIRE_GAP_elsewhere) {
        collect_log(peer->collect, LOG_INFO, "%s: %llu batches are in another stream, or at another collector",
                    peer->name, (unsigned long long)(gap->last - first + 1));
        return 0;
    }
    collect_log(peer->collect, LOG_WARNING,
                "%s: %llu batches with %llu events will not come (%s); a larger --spool-size at the sender, or a "
                "faster link, keeps more",
                peer->name, (unsigned long long)(gap->last - first + 1), (unsigned long long)events,
                wire_gap_cause_name(gap->cause));
    return 0;
}

static void on_clock(void *context, int64_t offset_ns, int64_t bound_ns)
{
    struct collect_peer *peer = context;
    struct collect_tap *tap = peer->collect->tap;
    peer->offset_known = true;
    peer->offset_ns = offset_ns;
    peer->bound_ns = bound_ns;
    if (tap && tap->offset)
        tap->offset(tap, peer->id, offset_ns, bound_ns);
}

static void on_reader(void *context, const struct wire_hello *hello, bool first)
{
    struct collect_peer *peer = context;
    struct collect_tap *tap = peer->collect->tap;
    if (first)
        collect_watch_changed(peer->collect);
    if (tap && tap->reader && peer->collect->options.live)
        tap->reader(tap, peer->receiver, hello, first);
    else if (first)
        ship_receiver_close(peer->receiver, WIRE_BYE_role,
                            "this collector serves no live readers; its setting `live` is no");
}

static void on_closed(void *context, const struct wire_bye *bye, bool by_peer)
{
    struct collect_peer *peer = context;
    struct collect *collect = peer->collect;
    const bool calm = bye->code == WIRE_BYE_done || bye->code == WIRE_BYE_shutdown;
    peer->closing = true;
    if (bye->code < WIRE_BYE_CODES)
        collect->totals.byes[bye->code]++;
    if (!peer->said)
        collect_log(collect, calm ? LOG_INFO : LOG_WARNING, "%s: closed%s: %s%s%s", peer->name,
                    by_peer ? " by the peer" : "", wire_bye_name(bye->code), bye->reason[0] ? ": " : "", bye->reason);
    peer->said = true;
    if (peer->link)
        net_link_finish(peer->link, 0, bye->reason);
}

static const struct ship_receiver_calls receiver_calls = {
    .send = on_send,
    .hello = on_hello,
    .open = on_open,
    .frame = on_frame,
    .batch = on_batch,
    .gap = on_gap,
    .missing = on_missing,
    .clock = on_clock,
    .reader = on_reader,
    .closed = on_closed,
};

/* ---- the link's callbacks ------------------------------------------------------------------------------------------------- */

static size_t on_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size, size_t *ret_wanted)
{
    struct collect_peer *peer = context;
    const struct ship_time now = collect_now();
    (void)link;
    if (peer->closing)
        return size;
    if (!store_room(peer->collect->store) && (peer->batches || peer->described > DESCRIBED_BYTES)) {
        collect_peer_hold(peer, now.monotonic_ns, COLLECT_HOLD_room);
        return 0;
    }
    const size_t used = ship_receiver_input(peer->receiver, bytes, size, now, ret_wanted);
    peer->bytes += used;
    peer->collect->totals.bytes += used;
    if (!peer->closing)
        collect_peer_spent(peer, used, now);
    return used;
}

static void free_peer(struct collect_peer *peer)
{
    struct collect *collect = peer->collect;
    struct collect_tap *tap = collect->tap;
    collect_sender_gone(peer, collect_now());
    if (tap && peer->reader && tap->reader_gone)
        tap->reader_gone(tap, peer->receiver);
    else if (tap && tap->gone)
        tap->gone(tap, peer->id);
    for (unsigned i = 0; peer->channels && i < WIRE_CHANNELS_MAX; i++)
        store_stream_close(peer->channels[i].stream);
    if (peer->prev)
        peer->prev->next = peer->next;
    else
        collect->peers = peer->next;
    if (peer->next)
        peer->next->prev = peer->prev;
    collect->peers_count--;
    collect->held_count -= peer->held != COLLECT_HOLD_none;
    if (peer->reader)
        collect_watch_changed(collect);
    ship_receiver_free(peer->receiver);
    free(peer->channels);
    free(peer);
}

static void on_link_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    struct collect_peer *peer = context;
    (void)link;
    peer->link = NULL;
    if (!peer->said)
        collect_log(peer->collect, LOG_NOTICE, "%s: connection ended (%s): %s; the sender connects again by itself",
                    peer->name, net_end_name(end), reason ? reason : "");
    peer->said = true;
    if (!peer->closing) {
        peer->closing = true;
        ship_receiver_close(peer->receiver, WIRE_BYE_lost, reason ? reason : "connection lost");
    }
    free_peer(peer);
}

static const struct net_link_calls link_calls = {.received = on_received, .closed = on_link_closed};

/* ---- of a collector that ends before its links do ---- */

static size_t ignore_received(void *context, struct net_link *link, const uint8_t *bytes, size_t size,
                              size_t *ret_wanted)
{
    (void)context;
    (void)link;
    (void)bytes;
    (void)ret_wanted;
    return size;
}

static void ignore_closed(void *context, struct net_link *link, enum net_end end, const char *reason)
{
    (void)context;
    (void)link;
    (void)end;
    (void)reason;
}

void collect_peer_free(struct collect_peer *peer)
{
    static const struct net_link_calls ignore = {.received = ignore_received, .closed = ignore_closed};
    if (peer->link)
        net_link_own(peer->link, &ignore, NULL);
    free_peer(peer);
}

/* ---- coming ---------------------------------------------------------------------------------------------------------------- */

/* Whom the transport knows it by, and the address without the port. */
static void identify(struct collect_peer *peer, const struct net_peer *who)
{
    char *colon;
    snprintf(peer->address, sizeof(peer->address), "%s", who->address);
    if (!who->unix_socket && (colon = strrchr(peer->address, ':')))
        *colon = 0;
    if (who->by_certificate)
        snprintf(peer->owner, sizeof(peer->owner), "cert:%s", who->identity);
    else if (who->by_key)
        snprintf(peer->owner, sizeof(peer->owner), "key:%s", who->identity);
    else if (who->unix_socket && who->uid != (uid_t)-1)
        snprintf(peer->owner, sizeof(peer->owner), "uid:%u", (unsigned)who->uid);
    snprintf(peer->name, sizeof(peer->name), "%.90s%s%.60s", who->address, peer->owner[0] ? " " : "", peer->owner);
}

void collect_accept(struct collect *collect, struct net_link *link)
{
    struct collect_peer *peer = calloc(1, sizeof(*peer));
    const struct ship_time now = collect_now();
    struct ship_receiver_options options = {.window_bytes = collect->options.window};
    if (!peer)
        return;
    peer->collect = collect;
    peer->link = link;
    peer->id = ++collect->next_peer;
    peer->opened_ns = peer->tokens_ns = now.monotonic_ns;
    identify(peer, net_link_peer(link));
    snprintf(options.welcome.host, sizeof(options.welcome.host), "%s", collect->host);
    snprintf(options.welcome.agent, sizeof(options.welcome.agent), "evtrail collect");
    options.welcome.collector_id = collect->collector_id;
    if (ship_receiver_new(&peer->receiver, &options, &receiver_calls, peer) < 0) {
        free(peer);
        return;
    }
    peer->next = collect->peers;
    if (collect->peers)
        collect->peers->prev = peer;
    collect->peers = peer;
    collect->peers_count++;
    collect->totals.connections++;
    net_link_own(link, &link_calls, peer);
    collect_log(collect, LOG_INFO, "%s: connected", peer->name);
    ship_receiver_start(peer->receiver, now);
}

void collect_peer_tick(struct collect_peer *peer, struct ship_time now)
{
    if (peer->closing)
        return;
    collect_peer_go_on(peer, now);
    if (peer->held) /* it goes on hearing pings, so that it does not take us for dead */
        ship_receiver_excuse(peer->receiver, now);
    if (now.monotonic_ns >= peer->tick_ns)
        peer->tick_ns = ship_receiver_tick(peer->receiver, now);
}

void collect_peer_drain(struct collect_peer *peer)
{
    if (!peer->closing)
        ship_receiver_drain(peer->receiver, collect_now());
}
