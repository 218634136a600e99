/* SPDX-License-Identifier: ISC
 *
 * Buckets that widen: when a time lies beyond the last, each two become one.
 */
#include "series.h"

#include <stdlib.h>
#include <string.h>

void axis_init(struct axis *axis)
{
    *axis = (struct axis){.width_ns = AXIS_WIDTH_NS};
}

void axis_fini(struct axis *axis)
{
    while (axis->series) {
        struct series *const next = axis->series->next;
        free(axis->series);
        axis->series = next;
    }
    while (axis->cells) {
        struct cells *const next = axis->cells->next;
        free(axis->cells);
        axis->cells = next;
    }
}

struct series *axis_series(struct axis *axis, bool gauge)
{
    struct series *const series = calloc(1, sizeof *series);
    if (!series)
        return NULL;
    series->gauge = gauge;
    series->next = axis->series;
    axis->series = series;
    return series;
}

struct cells *axis_cells(struct axis *axis)
{
    struct cells *const cells = calloc(1, sizeof *cells);
    if (!cells)
        return NULL;
    cells->next = axis->cells;
    axis->cells = cells;
    return cells;
}

/* ---- widening ---- */

static void sums_fold(struct series *series)
{
    for (unsigned i = 0; i < AXIS_BUCKETS / 2; i++)
        series->sum[i] = series->sum[2 * i] + series->sum[2 * i + 1];
    memset(series->sum + AXIS_BUCKETS / 2, 0, sizeof series->sum / 2);
}

static void gauges_fold(struct series *series)
{
    for (unsigned i = 0; i < AXIS_BUCKETS / 2; i++) {
        const unsigned a = 2 * i, b = a + 1;
        const bool later = series->set[b];
        series->sum[i] = later ? series->sum[b] : series->sum[a];
        series->most[i] = series->most[a] > series->most[b] ? series->most[a] : series->most[b];
        series->set[i] = series->set[a] || later;
    }
    memset(series->sum + AXIS_BUCKETS / 2, 0, sizeof series->sum / 2);
    memset(series->most + AXIS_BUCKETS / 2, 0, sizeof series->most / 2);
    memset(series->set + AXIS_BUCKETS / 2, 0, sizeof series->set / 2);
}

static void cells_fold(struct cells *cells)
{
    for (unsigned i = 0; i < AXIS_BUCKETS / 2; i++)
        for (unsigned step = 0; step < CELLS; step++)
            cells->count[i][step] = cells->count[2 * i][step] + cells->count[2 * i + 1][step];
    memset(cells->count + AXIS_BUCKETS / 2, 0, sizeof cells->count / 2);
}

static void axis_fold(struct axis *axis)
{
    for (struct series *series = axis->series; series; series = series->next)
        if (series->gauge)
            gauges_fold(series);
        else
            sums_fold(series);
    for (struct cells *cells = axis->cells; cells; cells = cells->next)
        cells_fold(cells);
    axis->width_ns *= 2;
    axis->used = (axis->used + 1) / 2;
}

unsigned axis_place(struct axis *axis, int64_t time_ns)
{
    if (axis->used == 0)
        axis->start_ns = axis->last_ns = time_ns;
    if (time_ns > axis->last_ns)
        axis->last_ns = time_ns;
    /* Unsigned: a damaged file's times may be as far apart as they like. */
    const uint64_t since = time_ns > axis->start_ns ? (uint64_t)time_ns - (uint64_t)axis->start_ns : 0;
    while (since / (uint64_t)axis->width_ns >= AXIS_BUCKETS)
        axis_fold(axis);
    const unsigned place = (unsigned)(since / (uint64_t)axis->width_ns);
    if (place >= axis->used)
        axis->used = place + 1;
    return place;
}

/* ---- putting in ---- */

void series_add(struct series *series, unsigned place, uint64_t value)
{
    if (series)
        series->sum[place] += value;
}

void series_set(struct series *series, unsigned place, uint64_t now)
{
    if (!series)
        return;
    if (!series->set[place])
        series->most[place] = series->now; /* it had that value when the bucket began */
    if (now > series->most[place])
        series->most[place] = now;
    series->sum[place] = now;
    series->set[place] = true;
    series->now = now;
}

static unsigned cell_of(uint64_t ns)
{
    if (ns < (UINT64_C(1) << CELL_SHIFT))
        return 0;
    const unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
    const unsigned octave = exponent - CELL_SHIFT;
    if (octave >= CELL_OCTAVES)
        return CELLS - 1;
    return octave * CELL_STEPS + (unsigned)(ns >> (exponent - 3) & (CELL_STEPS - 1));
}

/* The middle of a cell. */
static uint64_t cell_value(unsigned cell)
{
    const unsigned shift = cell / CELL_STEPS + CELL_SHIFT - 3;
    return (((uint64_t)CELL_STEPS + cell % CELL_STEPS) << shift) + (UINT64_C(1) << shift) / 2;
}

void cells_add(struct cells *cells, unsigned place, uint64_t value_ns)
{
    if (cells)
        cells->count[place][cell_of(value_ns)]++;
}

/* ---- taking out ---- */

uint64_t series_sum(const struct series *series, unsigned from, unsigned to)
{
    uint64_t sum = 0;
    for (unsigned i = from; series && i < to && i < AXIS_BUCKETS; i++)
        sum += series->sum[i];
    return sum;
}

uint64_t series_last(const struct series *series, unsigned to)
{
    if (!series)
        return 0;
    for (unsigned i = to < AXIS_BUCKETS ? to : AXIS_BUCKETS; i-- > 0;)
        if (series->set[i])
            return series->sum[i];
    return 0;
}

uint64_t series_most(const struct series *series, unsigned from, unsigned to)
{
    uint64_t most = series_last(series, from);
    for (unsigned i = from; series && i < to && i < AXIS_BUCKETS; i++)
        if (series->set[i] && series->most[i] > most)
            most = series->most[i];
    return most;
}

uint64_t cells_quantile(const struct cells *cells, unsigned from, unsigned to, double quantile)
{
    uint64_t sums[CELLS] = {0}, all = 0, seen = 0;
    for (unsigned i = from; cells && i < to && i < AXIS_BUCKETS; i++)
        for (unsigned cell = 0; cell < CELLS; cell++)
            sums[cell] += cells->count[i][cell];
    for (unsigned cell = 0; cell < CELLS; cell++)
        all += sums[cell];
    for (unsigned cell = 0; cell < CELLS && all > 0; cell++) {
        seen += sums[cell];
        if (seen > 0 && (double)seen >= quantile * (double)all)
            return cell_value(cell);
    }
    return 0;
}
