/* SPDX-License-Identifier: ISC
 *
 * Tick counts into ns since 1970 and back: one multiplication, prepared from a source's clock readings.
 */
#ifndef EVTRAIL_READER_CLOCK_RATE_H
#define EVTRAIL_READER_CLOCK_RATE_H

#include <evtrail/reader.h>

__extension__ typedef __int128 evtrail_wide;
__extension__ typedef unsigned __int128 evtrail_wide_unsigned;

#define EVTRAIL_CLOCK_SHIFT 48

struct evtrail_clock_map {
    uint64_t ticks;       /* at this count ... */
    uint64_t realtime_ns; /* ... it was so late */
    uint64_t rate;        /* ns a tick, times 2^48; never 0 */
};

/* Whether the clock's rate is given, or follows from its readings. */
bool evtrail_clock_rate_known(const struct evtrail_clock *clock);

/* Every value of the clock is taken: one that makes no sense gives 1 ns a tick. */
void evtrail_clock_map_init(struct evtrail_clock_map *map, const struct evtrail_clock *clock);

/* Arithmetic is modulo 2^64: ticks that are a lie give times that are nonsense, and nothing else. */
static inline int64_t evtrail_clock_map_duration(const struct evtrail_clock_map *map, int64_t ticks)
{
    const evtrail_wide half = (evtrail_wide)1 << (EVTRAIL_CLOCK_SHIFT - 1);
    return (int64_t)(((evtrail_wide)ticks * (evtrail_wide)map->rate + half) >> EVTRAIL_CLOCK_SHIFT);
}

static inline int64_t evtrail_clock_map_time(const struct evtrail_clock_map *map, uint64_t ticks)
{
    return (int64_t)(map->realtime_ns + (uint64_t)evtrail_clock_map_duration(map, (int64_t)(ticks - map->ticks)));
}

uint64_t evtrail_clock_map_ticks(const struct evtrail_clock_map *map, int64_t realtime_ns);

#endif /* EVTRAIL_READER_CLOCK_RATE_H */
