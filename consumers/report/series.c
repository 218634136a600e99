/* SPDX-License-Identifier: ISC
 *
 * Buckets over time that join in pairs.
 */
#include "series.h"

#include <math.h>
#include <string.h>

int64_t axis_since(const struct axis *axis, int64_t ns)
{
    if (!axis->started || ns <= axis->start_ns)
        return 0;
    const uint64_t since = (uint64_t)ns - (uint64_t)axis->start_ns;
    return since > INT64_MAX ? INT64_MAX : (int64_t)since;
}

uint32_t axis_place(struct axis *axis, int64_t ns)
{
    if (!axis->started) {
        axis->started = true;
        axis->start_ns = ns;
    }
    const uint64_t since = (uint64_t)axis_since(axis, ns);
    while (since >> axis->shift >= AXIS_BUCKETS)
        axis->shift++;
    return (uint32_t)(since >> axis->shift);
}

/* ---- joining ----------------------------------------------------------------------------------------------------------- */

void counts_fit(struct counts *counts, const struct axis *axis)
{
    for (; counts->shift < axis->shift; counts->shift++) {
        for (uint32_t i = 0; i < AXIS_BUCKETS / 2; i++)
            counts->at[i] = counts->at[2 * i] + counts->at[2 * i + 1];
        memset(counts->at + AXIS_BUCKETS / 2, 0, sizeof counts->at / 2);
    }
}

void shares_fit(struct shares *shares, const struct axis *axis)
{
    for (; shares->shift < axis->shift; shares->shift++)
        for (uint32_t i = 0; i < AXIS_BUCKETS; i++)
            shares->at[i] = i < AXIS_BUCKETS / 2 ? shares->at[2 * i] + shares->at[2 * i + 1] : 0;
}

/* Bucket `from` is joined to `to`, which is earlier. */
static void levels_join(struct levels *levels, uint32_t to, uint32_t from)
{
    if (levels->count[from] == 0)
        return;
    const bool first = levels->count[to] == 0;
    if (first || levels->min[from] < levels->min[to])
        levels->min[to] = levels->min[from];
    if (first || levels->max[from] > levels->max[to])
        levels->max[to] = levels->max[from];
    levels->last[to] = levels->last[from];
    levels->count[to] += levels->count[from];
    levels->count[from] = 0;
}

void levels_fit(struct levels *levels, const struct axis *axis)
{
    for (; levels->shift < axis->shift; levels->shift++)
        for (uint32_t i = 1; i < AXIS_BUCKETS; i++)
            levels_join(levels, i / 2, i);
}

void heat_fit(struct heat *heat, const struct axis *axis)
{
    for (; heat->shift < axis->shift; heat->shift++) {
        for (uint32_t i = 1; i < HEAT_COLUMNS; i++) {
            for (uint32_t bin = 0; bin < HEAT_BINS; bin++)
                heat->at[i / 2][bin] += heat->at[i][bin];
            heat->max[i / 2] = heat->max[i] > heat->max[i / 2] ? heat->max[i] : heat->max[i / 2];
            memset(heat->at[i], 0, sizeof heat->at[i]);
            heat->max[i] = 0;
        }
    }
}

/* ---- adding ------------------------------------------------------------------------------------------------------------ */

void counts_add(struct counts *counts, struct axis *axis, int64_t ns, uint64_t count)
{
    const uint32_t place = axis_place(axis, ns);
    counts_fit(counts, axis);
    counts->at[place] += count;
}

void levels_add(struct levels *levels, struct axis *axis, int64_t ns, double value)
{
    const uint32_t place = axis_place(axis, ns);
    levels_fit(levels, axis);
    if (levels->count[place]++ == 0) {
        levels->min[place] = levels->max[place] = levels->last[place] = value;
        return;
    }
    levels->min[place] = fmin(levels->min[place], value);
    levels->max[place] = fmax(levels->max[place], value);
    levels->last[place] = value;
}

/* Four bins an octave; the last one holds all that is longer. */
static unsigned bin_of(uint64_t value)
{
    if (value < 4)
        return (unsigned)value;
    const unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    const unsigned bin = (exponent - 1) * 4 + (unsigned)(value >> (exponent - 2) & 3);
    return bin < HEAT_BINS ? bin : HEAT_BINS - 1;
}

double heat_bin_low(unsigned bin)
{
    return bin < 4 ? bin : ldexp(4 + bin % 4, (int)(bin / 4) - 1);
}

void heat_add(struct heat *heat, struct axis *axis, int64_t ns, uint64_t duration_ns)
{
    const uint32_t column = axis_place(axis, ns) / (AXIS_BUCKETS / HEAT_COLUMNS);
    heat_fit(heat, axis);
    heat->at[column][bin_of(duration_ns)]++;
    if (duration_ns > heat->max[column])
        heat->max[column] = duration_ns;
}

void shares_add(struct shares *shares, struct axis *axis, int64_t from_ns, int64_t to_ns, double things)
{
    const uint32_t last = axis_place(axis, to_ns), first = axis_place(axis, from_ns);
    const uint64_t begin = (uint64_t)axis_since(axis, from_ns), end = (uint64_t)axis_since(axis, to_ns);
    shares_fit(shares, axis);
    for (uint32_t i = first; things > 0 && i <= last; i++) {
        const uint64_t low = (uint64_t)i << axis->shift, high = low + (UINT64_C(1) << axis->shift); /* at most 2^63 */
        const uint64_t from = begin > low ? begin : low, to = end < high ? end : high;
        if (to > from)
            shares->at[i] += (double)(to - from) * things;
    }
}
