/* SPDX-License-Identifier: ISC
 *
 * What live.c and live_reader.c share.
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_LIVE_PRIVATE_H
#define EVTRAIL_CONSUMERS_SHIP_LIVE_PRIVATE_H

#include "ship/collect.h"
#include "ship/live.h"

enum { LIVE_BUCKETS_LOG = 10, LIVE_BUCKETS = 1 << LIVE_BUCKETS_LOG, LIVE_NUMBERS_MAX = EVTRAIL_SOURCES_MAX, LIVE_RINGS_WORDS = 4096 / 64 + 1 };

/* What a reader knows of a source. */
struct live_known {
    uint64_t numbering; /* of the reader, in which the next two were said */
    uint32_t number;
    size_t schemas_bytes;     /* of source->schemas, so many were sent */
    uint64_t clocks;          /* source->clocks, when its last was sent */
    uint64_t offset_version;
    uint64_t rings[LIVE_RINGS_WORDS]; /* a bit for each that a batch was sent of */
};
struct live_source {
    struct evtrail_source_frame frame;
    uint8_t *schemas; /* whole frames */
    size_t schemas_bytes;
    bool overfull;
    struct evtrail_clock_frame first_clock, last_clock;
    uint64_t clocks; /* that came */
    struct live_known *by_reader[LIVE_READERS_MAX];
};
struct live_stream {
    struct live_stream *next;
    uint64_t sender;
    uint8_t id[WIRE_STREAM_ID_BYTES];
    struct live_source **sources; /* by the stream's number */
    uint32_t sources_count;
    struct live_source **stale; /* of the numbering before */
    uint32_t stale_count;
    bool offset_known;
    int64_t offset_ns, bound_ns; /* the sender's clock less ours */
    uint64_t offset_version;
};
struct live {
    struct live_stream *buckets[LIVE_BUCKETS];
    struct live_reader *readers[LIVE_READERS_MAX];
    struct live_stats stats;
    struct collect_tap tap;
};
struct live_reader {
    struct live *live; /* NULL: it is gone */
    unsigned place;
    struct ship_receiver *receiver;
    struct wire_hello hello;
    uint64_t numbering; /* counts SUPERs; 0: none was sent */
    uint32_t numbers;   /* of sources given out in it */
    uint64_t batches;
    uint8_t *room; /* for what goes before a batch */
    size_t room_bytes;
};

/* Sends the batch, and what of its source the reader lacks, or counts it as left out. */
void live_send_batch(struct live_reader *reader, const struct live_stream *stream, struct live_source *source, const struct ship_batch *batch);

#endif /* EVTRAIL_CONSUMERS_SHIP_LIVE_PRIVATE_H */
