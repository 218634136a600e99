/* SPDX-License-Identifier: ISC
 *
 * How a span's durations change: by octaves (powers of two of ns) over time, for strips of heat, and percentiles of the last minute. An octave takes
 * memory when the first value falls into it: 450 bytes.
 */
#ifndef EVTRAIL_TOP_LATENCY_H
#define EVTRAIL_TOP_LATENCY_H

#include "keep.h"

#define LATENCY_OCTAVES 48u /* the last one holds all from 39 hours on */
#define LATENCY_STEPS 8u    /* of an octave, for percentiles: within 6 % */
#define LATENCY_SLOTS 6u    /* of 10 s */
#define LATENCY_COLUMNS 60u /* of a strip */

enum latency_strip { STRIP_minute, STRIP_all, STRIPS };
struct latency_octave {
    uint32_t steps[LATENCY_SLOTS][LATENCY_STEPS];
    uint16_t cells[STRIPS][LATENCY_COLUMNS]; /* at most 65535 */
};
struct latency {
    uint32_t newest; /* second; 0: nothing yet */
    uint32_t from;   /* first second of the strip of all time ... */
    uint32_t width;  /* ... and seconds a column of it: doubled when it is full */
    struct latency_octave *octaves[LATENCY_OCTAVES];
};

/* `second` is of the span's end. False: no room for its octave. */
bool latency_add(struct latency *latency, struct keep *keep, unsigned percent, uint32_t second, uint64_t ns);
void latency_clear(struct latency *latency);
/* Of the last 50 to 60 s; 0 if nothing ended then. *ret_count: how many did. */
uint64_t latency_quantile(const struct latency *latency, uint32_t now, double quantile, uint64_t *ret_count);
/* How many values of this octave ended in this column: 0 is the oldest. The strip of a minute ends `now`, that of all time begins at
 * latency->from. */
uint32_t latency_cell(const struct latency *latency, enum latency_strip strip, uint32_t now, unsigned column,
                      unsigned octave);
static inline unsigned latency_octave_of(uint64_t ns)
{
    const unsigned octave = ns < 2 ? 0 : 63u - (unsigned)__builtin_clzll(ns);
    return octave < LATENCY_OCTAVES ? octave : LATENCY_OCTAVES - 1;
}

#endif /* EVTRAIL_TOP_LATENCY_H */
