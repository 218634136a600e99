/* SPDX-License-Identifier: ISC
 *
 * The offset of a peer's realtime clock from ours, and how far off that can be: from PING and PONG, as NTP does (RFC 5905 section 8).
 */
#ifndef EVTRAIL_CONSUMERS_SHIP_WIRE_CLOCK_H
#define EVTRAIL_CONSUMERS_SHIP_WIRE_CLOCK_H

#include "ship/wire.h"

/* Both clocks, read at once by the caller. */
struct ship_time {
    int64_t monotonic_ns;
    int64_t realtime_ns;
};

enum { WIRE_CLOCK_SAMPLES = 8 };

struct wire_clock {
    struct {
        int64_t offset_ns, bound_ns;
        int64_t at_ns; /* monotonic */
    } samples[WIRE_CLOCK_SAMPLES];
    unsigned count; /* all that were taken */
};
/* Takes a pong that came at `now`. What disagrees with earlier samples by more than both bounds tells that a clock was set: they are
 * forgotten. False: it is no answer that makes sense (answered before it was received, ...). */
bool wire_clock_take(struct wire_clock *clock, const struct wire_pong *pong, struct ship_time now);
/* The best of the last samples: their time = our time + offset, +- bound (half of the round trip, and 100 ppm of its age). False: none. */
bool wire_clock_offset(const struct wire_clock *clock, int64_t monotonic_ns, int64_t *ret_offset_ns, int64_t *ret_bound_ns);

#endif /* EVTRAIL_CONSUMERS_SHIP_WIRE_CLOCK_H */
