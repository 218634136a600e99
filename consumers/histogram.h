/* SPDX-License-Identifier: ISC
 *
 * Log-linear histograms of unsigned 64-bit values: exact below 64, above it 32 buckets for each power of two, so that a
 * quantile is within 1.6 % of the true value. Mergeable. At most 15 KiB each: an octave's buckets are allocated when
 * its first value comes.
 */
#ifndef EVTRAIL_CONSUMERS_HISTOGRAM_H
#define EVTRAIL_CONSUMERS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 32u   /* buckets an octave */
#define HISTOGRAM_OCTAVES 60u /* the first holds 0..31 */

struct histogram {
    uint64_t count;
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    double sum;
    uint64_t *octaves[HISTOGRAM_OCTAVES]; /* NULL, or HISTOGRAM_STEPS counts */
};

void histogram_init(struct histogram *histogram);
void histogram_fini(struct histogram *histogram);
/* -ENOMEM: the value was not counted. */
int histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);
int histogram_merge(struct histogram *into, const struct histogram *from);
/* The value below or at which the fraction `quantile` (0..1) of all values lie: a bucket's middle, never outside [min, max]. 0 if empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);
/* Buckets in ascending order: the next at or after *position that is not empty. 1, or 0 at the end. */
int histogram_next(const struct histogram *histogram, unsigned *position, uint64_t *ret_low, uint64_t *ret_high,
                   uint64_t *ret_count);
/* How many values lie in [low, high], by whole buckets whose middle does. */
uint64_t histogram_between(const struct histogram *histogram, uint64_t low, uint64_t high);

#endif /* EVTRAIL_CONSUMERS_HISTOGRAM_H */
