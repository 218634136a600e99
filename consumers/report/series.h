/* SPDX-License-Identifier: ISC
 *
 * Values over time in a fixed number of buckets, whatever the trace's length: when time runs off the end, neighbours are
 * joined and each bucket lasts twice as long.
 */
#ifndef EVTRAIL_CONSUMERS_SERIES_H
#define EVTRAIL_CONSUMERS_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define AXIS_BUCKETS 1024u
#define HEAT_COLUMNS 256u /* AXIS_BUCKETS / 4 */
#define HEAT_BINS 160u    /* four an octave, up to 18 minutes */

struct axis {
    int64_t start_ns;
    bool started;
    uint8_t shift; /* a bucket lasts 2^shift ns */
};
/* The bucket of a moment; the axis is widened for it. Before the start: 0. */
uint32_t axis_place(struct axis *axis, int64_t ns);

/* ns since the start: 0 before it. Times are the trace's word, and may be anything. */
int64_t axis_since(const struct axis *axis, int64_t ns);

/* Each of these follows the axis when it is next used: `shift` is the one it was last filled with. */
struct counts {
    uint8_t shift;
    uint64_t at[AXIS_BUCKETS];
};
struct levels { /* of a counter */
    uint8_t shift;
    uint32_t count[AXIS_BUCKETS];
    double min[AXIS_BUCKETS], max[AXIS_BUCKETS], last[AXIS_BUCKETS];
};
struct heat {
    uint8_t shift;
    uint32_t at[HEAT_COLUMNS][HEAT_BINS];
    uint64_t max[HEAT_COLUMNS];
};
struct shares { /* time spent by so many things at once, in ns */
    uint8_t shift;
    double at[AXIS_BUCKETS];
};
void counts_fit(struct counts *counts, const struct axis *axis);
void levels_fit(struct levels *levels, const struct axis *axis);
void heat_fit(struct heat *heat, const struct axis *axis);
void shares_fit(struct shares *shares, const struct axis *axis);

void counts_add(struct counts *counts, struct axis *axis, int64_t ns, uint64_t count);
void levels_add(struct levels *levels, struct axis *axis, int64_t ns, double value);
void heat_add(struct heat *heat, struct axis *axis, int64_t ns, uint64_t duration_ns);
/* `things` of them from one moment to another. */
void shares_add(struct shares *shares, struct axis *axis, int64_t from_ns, int64_t to_ns, double things);

/* The durations that a bin of the heat map holds: from here to heat_bin_low(bin + 1). */
double heat_bin_low(unsigned bin);

#endif /* EVTRAIL_CONSUMERS_SERIES_H */
