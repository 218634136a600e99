/* SPDX-License-Identifier: ISC
 *
 * Quantities over time in bounded memory: one axis of at most AXIS_BUCKETS buckets, whose width doubles when they are full, and any number
 * of series on it: sums, gauges, and small histograms.
 */
#ifndef EVPOOL_STRESS_SERIES_H
#define EVPOOL_STRESS_SERIES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    AXIS_BUCKETS = 2000, /* even */
    AXIS_WIDTH_NS = 1000000,
    CELL_STEPS = 8, /* buckets an octave: within 6 % of the true value */
    CELL_OCTAVES = 30,
    CELL_SHIFT = 8, /* the first octave holds what is below 2^9 ns */
    CELLS = CELL_STEPS * CELL_OCTAVES,
};

struct axis {
    int64_t start_ns; /* of the first bucket, since 1970 */
    int64_t width_ns;
    int64_t last_ns;
    unsigned used; /* buckets, the last with something in it included; 0: nothing came yet */
    struct series *series;
    struct cells *cells;
};

/* A sum a bucket, or a gauge: its last value and its greatest. */
struct series {
    struct series *next;
    bool gauge;
    uint64_t now;           /* gauge */
    uint64_t sum[AXIS_BUCKETS];  /* gauge: the last value, where set */
    uint64_t most[AXIS_BUCKETS]; /* gauge only */
    bool set[AXIS_BUCKETS];
};

/* A histogram a bucket. */
struct cells {
    struct cells *next;
    uint32_t count[AXIS_BUCKETS][CELLS];
};

void axis_init(struct axis *axis);
void axis_fini(struct axis *axis);
struct series *axis_series(struct axis *axis, bool gauge); /* NULL: no memory */
struct cells *axis_cells(struct axis *axis);
/* The bucket of a time, which may widen all buckets. Times before the start belong to the first. */
unsigned axis_place(struct axis *axis, int64_t time_ns);

void series_add(struct series *series, unsigned place, uint64_t value); /* series NULL: nothing */
void series_set(struct series *series, unsigned place, uint64_t now);
void cells_add(struct cells *cells, unsigned place, uint64_t value_ns);

/* Of buckets [from, to): the sum; a gauge's greatest or last value, which goes on where nothing changed. */
uint64_t series_sum(const struct series *series, unsigned from, unsigned to);
uint64_t series_most(const struct series *series, unsigned from, unsigned to);
uint64_t series_last(const struct series *series, unsigned to);
/* The value below or at which `quantile` of the values in buckets [from, to) lie; 0: there are none. */
uint64_t cells_quantile(const struct cells *cells, unsigned from, unsigned to, double quantile);

#endif /* EVPOOL_STRESS_SERIES_H */
