/* SPDX-License-Identifier: ISC
 *
 * Senders are told whether somebody watches them live: they hold events for a shorter time then, at the price of smaller batches. Nobody else pays it.
 */
#include "ship/collect_private.h"

enum { HOLD_US = 3000 };

bool collect_is_watched(const struct collect_peer *peer)
{
    struct collect_tap *tap = peer->collect->tap;
    return tap && tap->watched && peer->collect->options.live && tap->watched(tap, peer->host);
}

/* Soon, from the loop: other peers' links are not to be touched from within a callback of one. */
void collect_watch_changed(struct collect *collect)
{
    if (collect->ending)
        return;
    collect->watch_changed = true;
    evloop_post(collect->loop, &collect->wake->post);
}

void collect_watch_tell(struct collect *collect)
{
    const struct ship_time now = collect_now();
    struct collect_peer *next;
    collect->watch_changed = false;
    for (struct collect_peer *peer = collect->peers; peer; peer = next) {
        next = peer->next;
        if (!peer->closing && !peer->reader)
            ship_receiver_watch(peer->receiver, collect_is_watched(peer) ? HOLD_US : 0, now);
    }
}
