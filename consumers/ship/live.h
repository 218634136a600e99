/* SPDX-License-Identifier: ISC
 *
 * Live readers in the collector: what arrives from all senders goes out to each reader as the bytes of one trace file, as it arrives.
 *
 * A reader that has no room loses batches, which are counted, and costs nobody else anything; the next batch of the same ring tells it how many
 * events are missing, as in any trace file. One thread, no sockets.
 *
 *     live_new(&live);
 *     for each unit that was accepted:       live_frames(live, sender, stream, parts, count);     // as struct collect_tap
 *     ship_receiver_calls.clock of a sender: live_clock(live, sender, offset_ns, bound_ns);
 *     a sender's connection has ended:       live_gone(live, sender);
 *     ship_receiver_calls.reader, first:     live_join(live, receiver, hello, &reader);   then: live_more(reader);
 *     a reader's connection has ended:       live_leave(reader);
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_LIVE_H
#define EVTRAIL_CONSUMERS_SHIP_LIVE_H

#include "ship/receiver.h"

struct live;
struct live_reader;

enum {
    LIVE_READERS_MAX = 32,
    LIVE_SCHEMA_BYTES_MAX = 960 << 10, /* kept of one process; batches of one that has more are not shown */
};

int live_new(struct live **ret_live); /* -ENOMEM */
void live_free(struct live *live);    /* NULL is accepted; readers that are left are left behind */

/* Frames of a sender's stream, intact and bounded as ship_receiver hands them on: SUPER, SOURCE, SCHEMA, CLOCK, ACCOUNT, or a BATCH, whose zstd frame
 * is a part of its own. Copied. `sender` is any number that tells connections apart. */
void live_frames(struct live *live, uint64_t sender, const uint8_t stream[WIRE_STREAM_ID_BYTES], const struct iovec *parts, unsigned count);
/* The sender's clock less the collector's. */
void live_clock(struct live *live, uint64_t sender, int64_t offset_ns, int64_t bound_ns);
/* All streams of the sender are forgotten. */
void live_gone(struct live *live, uint64_t sender);

/* -EUSERS: LIVE_READERS_MAX (say BYE limit); -ENOMEM. `receiver` stays until live_leave(). Sends what may be sent at once. */
int live_join(struct live *live, struct ship_receiver *receiver, const struct wire_hello *hello, struct live_reader **ret_reader);
/* Its limit was raised. */
void live_more(struct live_reader *reader);
void live_leave(struct live_reader *reader); /* NULL is accepted */
/* Whether a reader wants what comes from this host. */
bool live_watched(const struct live *live, const char *host);


struct collect_tap;
/* All of the above, as a collector calls it (collect_set_tap()); it is the live's own. */
struct collect_tap *live_tap(struct live *live);

struct live_stats {
    unsigned readers, sources;
    uint64_t schema_bytes;            /* kept */
    uint64_t batches, events;         /* sent to readers, each counted */
    uint64_t left_batches, left_events; /* had no room in a reader */
};
void live_stats(const struct live *live, struct live_stats *ret_stats);

/* Whether `text` fits a pattern with * and ?; an empty one fits all. */
bool live_fits(const char *pattern, const char *text);

#endif /* EVTRAIL_CONSUMERS_SHIP_LIVE_H */
