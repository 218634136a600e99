/* SPDX-License-Identifier: ISC
 *
 * When a sender has to wait: the store has no room, it is over its rate, or its batches cost too much of the loop's time. Its link is not
 * read meanwhile: it spools, and nobody else waits for it.
 */
#include "ship/collect_private.h"

#include <time.h>

/* A batch as senders make them is looked into within 0.2 ms, one that a peer made for the purpose takes up to 5 ms. */
#define BUSY_NS_MAX (10 * INT64_C(1000000))
enum { BUSY_SHARE = 2 }; /* half of the time */

void collect_peer_hold(struct collect_peer *peer, int64_t now, enum collect_hold why)
{
    if (peer->held)
        return;
    peer->held = why;
    peer->held_since_ns = now;
    peer->collect->held_count++;
    peer->collect->totals.holds++;
    net_link_pause(peer->link);
}

/* Bytes that a sender may send, that grow with time: at most a second's worth, or one message. */
static void fill_tokens(struct collect_peer *peer, int64_t now)
{
    const double rate = (double)peer->collect->options.rate;
    const double most = rate > WIRE_PAYLOAD_MAX ? rate : WIRE_PAYLOAD_MAX;
    peer->tokens += rate * (double)(now - peer->tokens_ns) / 1e9;
    peer->tokens = peer->tokens < most ? peer->tokens : most;
    peer->tokens_ns = now;
}

static void count_down_busy(struct collect_peer *peer, int64_t now)
{
    const int64_t gone = (now - peer->busy_seen_ns) / BUSY_SHARE;
    peer->busy_ns = gone < peer->busy_ns ? peer->busy_ns - gone : 0;
    peer->busy_seen_ns = now;
}

static bool still_held(struct collect_peer *peer, int64_t now)
{
    switch (peer->held) {
    case COLLECT_HOLD_room:
        return !store_room(peer->collect->store);
    case COLLECT_HOLD_rate:
        fill_tokens(peer, now);
        return peer->tokens < 0;
    case COLLECT_HOLD_work:
        count_down_busy(peer, now);
        return peer->busy_ns > 0;
    default:
        return false;
    }
}

void collect_peer_go_on(struct collect_peer *peer, struct ship_time now)
{
    if (!peer->held || peer->closing || still_held(peer, now.monotonic_ns))
        return;
    peer->held = COLLECT_HOLD_none;
    peer->collect->held_count--;
    peer->tick_ns = now.monotonic_ns + 10 * INT64_C(1000000000); /* its silence was ours */
    if (peer->link)
        net_link_resume(peer->link);
}

void collect_peer_spent(struct collect_peer *peer, size_t bytes, struct ship_time now)
{
    if (peer->busy_ns > BUSY_NS_MAX)
        collect_peer_hold(peer, now.monotonic_ns, COLLECT_HOLD_work);
    if (!peer->collect->options.rate)
        return;
    fill_tokens(peer, now.monotonic_ns);
    peer->tokens -= (double)bytes;
    if (peer->tokens < 0)
        collect_peer_hold(peer, now.monotonic_ns, COLLECT_HOLD_rate);
}

/* Of this thread alone: what others on the machine take is not the sender's fault. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const char *collect_peer_check(struct collect_peer *peer, const struct ship_batch *batch, uint64_t *ret_lost_after)
{
    const int64_t began = cpu_ns();
    const char *what = store_checker_batch(peer->collect->checker, batch, ret_lost_after);
    count_down_busy(peer, collect_now().monotonic_ns);
    peer->busy_ns += cpu_ns() - began;
    if (peer->busy_ns > BUSY_NS_MAX)
        ship_receiver_yield(peer->receiver);
    return what;
}
