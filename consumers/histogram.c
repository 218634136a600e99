/* SPDX-License-Identifier: ISC
 *
 * Log-linear histograms (as HdrHistogram's and Prometheus' native ones): the bucket of a value is its exponent and its
 * next five bits.
 */
#include "histogram.h"

#include <errno.h>
#include <stdlib.h>

#define STEP_BITS 5u

static void bucket_of(uint64_t value, unsigned *ret_octave, unsigned *ret_step)
{
    if (value < HISTOGRAM_STEPS) {
        *ret_octave = 0;
        *ret_step = (unsigned)value;
        return;
    }
    const unsigned exponent = 63u - (unsigned)__builtin_clzll(value); /* >= 5 */
    *ret_octave = exponent - STEP_BITS + 1;
    *ret_step = (unsigned)(value >> (exponent - STEP_BITS)) & (HISTOGRAM_STEPS - 1);
}

static void bucket_range(unsigned octave, unsigned step, uint64_t *ret_low, uint64_t *ret_high)
{
    if (octave == 0) {
        *ret_low = *ret_high = step;
        return;
    }
    const unsigned shift = octave - 1;
    *ret_low = (uint64_t)(HISTOGRAM_STEPS + step) << shift;
    *ret_high = *ret_low + ((UINT64_C(1) << shift) - 1);
}

void histogram_init(struct histogram *histogram)
{
    *histogram = (struct histogram){.min = UINT64_MAX};
}

void histogram_fini(struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES; i++)
        free(histogram->octaves[i]);
    histogram_init(histogram);
}

static uint64_t *octave_get(struct histogram *histogram, unsigned octave)
{
    if (!histogram->octaves[octave])
        histogram->octaves[octave] = calloc(HISTOGRAM_STEPS, sizeof(uint64_t));
    return histogram->octaves[octave];
}

int histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
    unsigned octave, step;
    bucket_of(value, &octave, &step);
    uint64_t *const counts = octave_get(histogram, octave);
    if (!counts)
        return -ENOMEM;
    counts[step] += times;
    histogram->count += times;
    histogram->sum += (double)value * (double)times;
    if (value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    return 0;
}

int histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
        if (from->octaves[octave] && !octave_get(into, octave))
            return -ENOMEM;
    for (unsigned octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
        for (unsigned step = 0; from->octaves[octave] && step < HISTOGRAM_STEPS; step++)
            into->octaves[octave][step] += from->octaves[octave][step];
    into->count += from->count;
    into->sum += from->sum;
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    return 0;
}

int histogram_next(const struct histogram *histogram, unsigned *position, uint64_t *ret_low, uint64_t *ret_high,
                   uint64_t *ret_count)
{
    for (unsigned at = *position; at < HISTOGRAM_OCTAVES * HISTOGRAM_STEPS; at++) {
        const uint64_t *const counts = histogram->octaves[at / HISTOGRAM_STEPS];
        if (!counts) {
            at |= HISTOGRAM_STEPS - 1;
            continue;
        }
        if (counts[at % HISTOGRAM_STEPS] == 0)
            continue;
        bucket_range(at / HISTOGRAM_STEPS, at % HISTOGRAM_STEPS, ret_low, ret_high);
        *ret_count = counts[at % HISTOGRAM_STEPS];
        *position = at + 1;
        return 1;
    }
    return 0;
}

static uint64_t clamp(const struct histogram *histogram, uint64_t value)
{
    if (value < histogram->min)
        return histogram->min;
    return value > histogram->max ? histogram->max : value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    if (histogram->count == 0)
        return 0;
    if (quantile <= 0)
        return histogram->min;
    if (quantile >= 1)
        return histogram->max;
    const double exact = quantile * (double)histogram->count;
    uint64_t wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    uint64_t low, high, count, seen = 0;
    for (unsigned position = 0; histogram_next(histogram, &position, &low, &high, &count);) {
        seen += count;
        if (seen >= wanted)
            return clamp(histogram, low + (high - low) / 2);
    }
    return histogram->max;
}

uint64_t histogram_between(const struct histogram *histogram, uint64_t from, uint64_t to)
{
    uint64_t low, high, count, sum = 0;
    for (unsigned position = 0; histogram_next(histogram, &position, &low, &high, &count);) {
        const uint64_t middle = low + (high - low) / 2;
        if (middle >= from && middle <= to)
            sum += count;
    }
    return sum;
}
