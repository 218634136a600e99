/* SPDX-License-Identifier: ISC
 *
 * The rate of a source's clock, and the public functions that convert with it.
 *
 * The base is the later of the two readings: sources that are read together had it taken at about the same time, so that their
 * realtime clocks agree, however far the clock was slewed since each process started.
 */
#include "reader/clock_rate.h"

#include "layout.h"

#define NS_PER_S UINT64_C(1000000000)
#define ONE (UINT64_C(1) << EVTRAIL_CLOCK_SHIFT) /* 1 ns a tick */
#define SPAN_MIN_NS UINT64_C(1000000) /* two readings closer than this say too little: each is some 50 ns off */

static uint64_t rate_of(uint64_t ns, uint64_t ticks)
{
    if (!ns || !ticks)
        return ONE;
    evtrail_wide_unsigned rate = (((evtrail_wide_unsigned)ns << EVTRAIL_CLOCK_SHIFT) + ticks / 2) / ticks;
    return rate && rate <= INT64_MAX ? (uint64_t)rate : ONE;
}

static bool readings_tell(const struct evtrail_clock *clock)
{
    return clock->last.ticks > clock->first.ticks && clock->last.monotonic_ns > clock->first.monotonic_ns &&
           clock->last.monotonic_ns - clock->first.monotonic_ns >= SPAN_MIN_NS;
}

bool evtrail_clock_rate_known(const struct evtrail_clock *clock)
{
    return clock->kind == EVTRAIL_CLOCK_MONOTONIC || clock->hz || readings_tell(clock);
}

static uint64_t clock_rate(const struct evtrail_clock *clock)
{
    if (clock->kind == EVTRAIL_CLOCK_MONOTONIC)
        return ONE;
    if (clock->hz)
        return rate_of(NS_PER_S, clock->hz);
    uint64_t ns = clock->last.monotonic_ns - clock->first.monotonic_ns;
    uint64_t ticks = clock->last.ticks - clock->first.ticks;
    return readings_tell(clock) ? rate_of(ns, ticks) : ONE;
}

void evtrail_clock_map_init(struct evtrail_clock_map *map, const struct evtrail_clock *clock)
{
    bool last = clock->last.ticks != 0;
    map->ticks = last ? clock->last.ticks : clock->first.ticks;
    map->realtime_ns = last ? clock->last.realtime_ns : clock->first.realtime_ns;
    map->rate = clock_rate(clock);
}

uint64_t evtrail_clock_map_ticks(const struct evtrail_clock_map *map, int64_t realtime_ns)
{
    int64_t distance = (int64_t)((uint64_t)realtime_ns - map->realtime_ns);
    evtrail_wide ticks = (evtrail_wide)distance * (evtrail_wide)ONE / (evtrail_wide)map->rate;
    return map->ticks + (uint64_t)ticks;
}

int64_t evtrail_source_time(const struct evtrail_source *source, uint64_t ticks)
{
    struct evtrail_clock_map map;
    evtrail_clock_map_init(&map, &source->clock);
    return evtrail_clock_map_time(&map, ticks);
}

uint64_t evtrail_source_ticks(const struct evtrail_source *source, int64_t realtime_ns)
{
    struct evtrail_clock_map map;
    evtrail_clock_map_init(&map, &source->clock);
    return evtrail_clock_map_ticks(&map, realtime_ns);
}

int64_t evtrail_source_duration(const struct evtrail_source *source, int64_t ticks)
{
    struct evtrail_clock_map map;
    evtrail_clock_map_init(&map, &source->clock);
    return evtrail_clock_map_duration(&map, ticks);
}
