/* SPDX-License-Identifier: ISC
 *
 * The streams of a spool: a backlog is parted from what comes live, and ends when all of it is acknowledged.
 */
#include "ship/spool_private.h"

#include <string.h>

unsigned spool_streams(struct spool *spool, struct wire_open ret_opens[SPOOL_LANES_MAX],
                       unsigned ret_lanes[SPOOL_LANES_MAX])
{
    unsigned count = 0;
    spool_lock(spool);
    /* The shipper may have sent what the writer has not counted yet. */
    const uint64_t sent = atomic_load_explicit(&spool->state->sent, memory_order_relaxed);
    const uint64_t made = spool->next > sent ? spool->next : sent + 1;
    for (uint64_t from = 1; from != UINT64_MAX;) { /* in the order of their sequences */
        uint64_t next = UINT64_MAX;
        for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
            const struct spool_lane *const at = &spool->lanes[lane];
            if (!at->used || at->from < from || at->from >= next)
                continue;
            next = at->from;
            ret_lanes[count] = lane;
        }
        if (next == UINT64_MAX)
            break;
        const struct spool_lane *const at = &spool->lanes[ret_lanes[count]];
        struct wire_open *const open = &ret_opens[count];
        *open = (struct wire_open){.first = spool_acked_now(spool, ret_lanes[count]) + 1, .created_ns = at->created_ns};
        open->next = at->to < made ? at->to : made;
        open->next = open->next < open->first ? open->first : open->next;
        memcpy(open->stream, at->id, sizeof open->stream);
        memcpy(open->name, spool->name, sizeof open->name);
        from = next + 1;
        count++;
    }
    spool_unlock(spool);
    return count;
}

/* A slot that is free; SPOOL_LANES_MAX: none. */
static unsigned free_lane(const struct spool *spool)
{
    unsigned lane = 0;
    while (lane < SPOOL_LANES_MAX && spool->lanes[lane].used)
        lane++;
    return lane;
}

void spool_part(struct spool *spool)
{
    spool_lock(spool);
    const bool wanted = spool->part_wanted && free_lane(spool) < SPOOL_LANES_MAX;
    spool->part_wanted = false;
    spool_unlock(spool);
    if (!wanted || spool_segment_end(spool) < 0)
        return;
    spool_lock(spool);
    const unsigned lane = free_lane(spool), before = spool->live;
    spool_acked_set(spool, lane, spool->next - 1);
    if (spool->next > spool->lanes[before].from && spool_stream_begin(spool, lane, spool->next) == 0 &&
        spool_stream_save(spool) < 0) {
        spool->lanes[lane].used = false; /* it goes on as one */
        spool->lanes[before].to = UINT64_MAX;
        spool->live = before;
    }
    spool_at(SPOOL_AT_part_saved);
    spool_tell(spool);
    spool_unlock(spool);
}

void spool_lanes_end(struct spool *spool)
{
    bool any = false;
    for (unsigned lane = 0; lane < SPOOL_LANES_MAX; lane++) {
        struct spool_lane *const at = &spool->lanes[lane];
        if (!at->used || at->to == UINT64_MAX || spool_acked_now(spool, lane) + 1 < at->to)
            continue;
        at->used = false;
        any = true;
    }
    if (any) /* should it fail, the next start ends them */
        (void)spool_stream_save(spool);
}

int spool_renew_stream(struct spool *spool, unsigned lane)
{
    spool_lock(spool);
    int r = spool_stream_begin(spool, lane, spool_acked_now(spool, lane) + 1);
    if (r == 0)
        r = spool_stream_save(spool);
    spool_unlock(spool);
    spool_note(spool, "%s: a collector knows more of this stream than the spool; what is here goes on as a new stream",
               spool->directory);
    return r;
}
