/* SPDX-License-Identifier: ISC
 *
 * Records into events: one decoder a ring, fed chunk by chunk, which keeps what records say about those after them.
 *
 *     struct evtrail_decoder decoder;
 *     evtrail_decoder_init(&decoder);
 *     for each chunk of the ring, in order:
 *         evtrail_decoder_begin(&decoder, chunk);
 *         while ((got = evtrail_decoder_next(&decoder)) != 0)    // < 0: told once, go on calling
 *             use(&decoder.event);
 *
 * The event and all that it points to stay valid until the decoder's next call, and as long as the chunk's words.
 */
#ifndef EVTRAIL_READER_DECODE_H
#define EVTRAIL_READER_DECODE_H

#include <evtrail/reader.h>

#include "reader/clock_rate.h"
#include "reader/walk.h"

struct evtrail_decoder {
    struct evtrail_event event; /* the last one; its duration is -1: evtrail_spans_follow() sets it */
    struct evtrail_walk walk;
    struct evtrail_clock_map clock;
    struct evtrail_stream_state state; /* in force at the walk's place */
    /* Set by the caller, may be NULL: types [skip_count] by id whose events are passed over. They count in `events`. */
    const uint8_t *skip;
    uint32_t skip_count;
    uint32_t pending;                     /* bit per cause: `missing` is not 0 */
    uint64_t missing[EVTRAIL_CAUSES_ALL]; /* lost, and not yet given out as an event */
    uint64_t known_lost[EVTRAIL_CAUSES];  /* the writer's cumulative counts at the walk's place */
    uint64_t last_ticks;                  /* of the last event walked over; 0: none yet */
    uint64_t loss_ticks;                  /* when what is missing was noticed */
    uint64_t chunk_events;                /* events that the chunk says it holds and that were not walked over yet */
    uint64_t events;                      /* events walked over in all chunks: given out or skipped */
    uint64_t lost[EVTRAIL_CAUSES_ALL];    /* given out as lost, in all chunks */
    bool started;                         /* a chunk was begun */
    bool faulty;                          /* the rest of this chunk cannot be walked */
};

void evtrail_decoder_init(struct evtrail_decoder *decoder);

/* Takes up a chunk: its state replaces the decoder's, and what is missing between the chunk before (or the ring's beginning, for the
 * first) and this one comes as LOST events first. A caller that does not want the history of a ring told as loss sets
 * decoder->known_lost to chunk->lost_before, and the chunk's `missed` to 0, before it begins the first. */
void evtrail_decoder_begin(struct evtrail_decoder *decoder, const struct evtrail_chunk *chunk);

/* Tells `count` more events of the ring as lost here by that cause, with the next call of evtrail_decoder_next(). */
void evtrail_decoder_missing(struct evtrail_decoder *decoder, unsigned cause, uint64_t count);

/* 1: decoder->event is the next event or loss; 0: the chunk is at its end; -EBADMSG: a malformed record (decoder->walk.fault says
 * what). After a fault the next call tells the chunk's remaining events as torn. */
int evtrail_decoder_next(struct evtrail_decoder *decoder);

#endif /* EVTRAIL_READER_DECODE_H */
