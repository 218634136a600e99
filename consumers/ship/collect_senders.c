/* SPDX-License-Identifier: ISC
 *
 * Senders by host and by whom the transport knows them, over their connections, for the metrics: a counter goes on when a sender connects again. Their
 * number is bounded: one that has gone is forgotten after an hour, or for one that comes; those beyond share one entry.
 */
#include "ship/collect_private.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_NS INT64_C(3600000000000)

static bool same(const struct collect_sender *sender, const char *host, const char *from)
{
    return !strcmp(sender->host, host) && !strcmp(sender->from, from);
}

static void forget(struct collect *collect, struct collect_sender **at)
{
    struct collect_sender *const sender = *at;
    *at = sender->next;
    collect->senders_count--;
    free(sender);
}

/* Those that have been gone for an hour; and, if it is crowded, the one that has been gone for longest. */
static void make_room(struct collect *collect, int64_t now)
{
    struct collect_sender **oldest = NULL;
    for (struct collect_sender **at = &collect->senders; *at;) {
        const struct collect_sender *const sender = *at;
        if (!sender->connections && now - sender->gone_ns >= KEEP_NS) {
            forget(collect, at);
            continue;
        }
        if (!sender->connections && (!oldest || sender->gone_ns < (*oldest)->gone_ns))
            oldest = at;
        at = &(*at)->next;
    }
    if (collect->senders_count >= COLLECT_SENDERS_SHOWN && oldest)
        forget(collect, oldest);
}

struct collect_sender *collect_sender_come(struct collect *collect, const char *host, const char *from, int64_t now)
{
    struct collect_sender *sender = collect->senders;
    while (sender && !same(sender, host, from))
        sender = sender->next;
    if (!sender) {
        make_room(collect, now);
        if (collect->senders_count >= COLLECT_SENDERS_SHOWN) {
            host = "(others)";
            from = "";
        }
        for (sender = collect->senders; sender && !same(sender, host, from);)
            sender = sender->next;
    }
    if (!sender) {
        sender = calloc(1, sizeof(*sender));
        if (!sender)
            return NULL;
        snprintf(sender->host, sizeof(sender->host), "%s", host);
        snprintf(sender->from, sizeof(sender->from), "%s", from);
        sender->next = collect->senders;
        collect->senders = sender;
        collect->senders_count++;
    }
    sender->connections++;
    return sender;
}

/* Counters of a connection, on top of others. */
static void add(struct collect_sender_figures *sum, const struct collect_peer *peer, uint64_t duplicates)
{
    sum->events += peer->events;
    sum->batches += peer->batches;
    sum->bytes += peer->bytes;
    sum->duplicates += duplicates;
    for (unsigned i = 0; i < COLLECT_GAP_CAUSES; i++)
        sum->lost[i] += peer->lost[i];
    for (unsigned i = 0; i < COLLECT_REFUSALS; i++)
        sum->refused[i] += peer->refused[i];
}

void collect_sender_gone(struct collect_peer *peer, struct ship_time now)
{
    struct collect_sender *const sender = peer->sender;
    struct ship_receiver_figures figures;
    if (!sender)
        return;
    ship_receiver_figures(peer->receiver, now, &figures);
    add(&sender->before, peer, figures.duplicates);
    sender->connections--;
    sender->gone_ns = now.monotonic_ns;
    peer->sender = NULL;
}

void collect_senders_sum(const struct collect *collect, struct ship_time now)
{
    for (struct collect_sender *sender = collect->senders; sender; sender = sender->next) {
        sender->now = sender->before;
        sender->now.connections = sender->connections;
    }
    for (const struct collect_peer *peer = collect->peers; peer; peer = peer->next) {
        struct ship_receiver_figures figures;
        if (!peer->sender)
            continue;
        struct collect_sender_figures *const sum = &peer->sender->now;
        const double lag = peer->waiting_since_ns ? (double)(now.monotonic_ns - peer->waiting_since_ns) : 0;
        ship_receiver_figures(peer->receiver, now, &figures);
        add(sum, peer, figures.duplicates);
        sum->unacked_bytes += figures.unacked_bytes;
        sum->events_rate += peer->events_rate;
        sum->bytes_rate += peer->bytes_rate;
        sum->lag_ns = lag > sum->lag_ns ? lag : sum->lag_ns;
        sum->held = peer->held ? 1 : sum->held;
        sum->offset_known = sum->offset_known || peer->offset_known;
        sum->offset_ns = peer->offset_known ? peer->offset_ns : sum->offset_ns;
        sum->bound_ns = peer->offset_known ? peer->bound_ns : sum->bound_ns;
    }
}

void collect_senders_free(struct collect *collect)
{
    while (collect->senders)
        forget(collect, &collect->senders);
}
