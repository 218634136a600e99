/* SPDX-License-Identifier: ISC
 *
 * Readings of this machine's clocks, for live sessions.
 */
#ifndef EVTRAIL_READER_CLOCK_LIVE_H
#define EVTRAIL_READER_CLOCK_LIVE_H

#include <evtrail/reader.h>

#include "layout.h"

/* A reading of the three clocks, the tightest of five. -ENOTSUP: this machine has no such clock. About 500 ns. */
int evtrail_clock_anchor(uint32_t kind, struct evtrail_anchor *ret_anchor);
/* The clock alone; 0 where there is none. */
uint64_t evtrail_clock_read(uint32_t kind);
/* Fills source->clock from a copy of a session's header. Anchors that contradict each other are left out. `same_boot`:
 * our own readings may be used. May sleep for 1 ms: over less, two readings say little about the rate. */
void evtrail_clock_start(struct evtrail_source *source, const struct evtrail_session_header *header, bool same_boot);
/* Moves `last` on once it is twice as far from `first` as it was, so that what is extrapolated is never more than what
 * was measured: the error stays at that of one reading, some 100 ns. Live sources of this boot only. */
void evtrail_clock_follow(struct evtrail_source *source);
uint64_t evtrail_monotonic_now(void);
int64_t evtrail_realtime_now(void);

#endif /* EVTRAIL_READER_CLOCK_LIVE_H */
