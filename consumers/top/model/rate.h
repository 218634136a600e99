/* SPDX-License-Identifier: ISC
 *
 * How often something happens: now, averaged, and as a sparkline. Counted by whole seconds of the trace's time, so neither the times at which
 * it is looked at nor pauses change anything. 88 bytes each, and no work while nothing happens.
 *
 * "now" is a window of one second that slides: what the second that runs has, and the share of the one before that the window still covers. The
 * averages are exponential: each second's count fades by 1/e in 10, 100 and 1000 s, divided by the weight of the time that there was at
 * all, so that they are right from the first second on.
 */
#ifndef EVTRAIL_TOP_RATE_H
#define EVTRAIL_TOP_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_AVERAGES 3u /* over 10, 100 and 1000 s */
#define RATE_SECONDS 60u /* of the sparkline */

struct rate {
    uint32_t second; /* that `current` counts, since 1970; 0: nothing yet */
    uint32_t current, before;
    float average[RATE_AVERAGES];
    uint8_t spark[RATE_SECONDS]; /* by second; small floating-point numbers */
};
struct rates {
    double now, average[RATE_AVERAGES];
};

static inline uint32_t rate_second(int64_t ns)
{
    const uint64_t seconds = ns > 0 ? (uint64_t)ns / 1000000000u : 0;
    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}
/* Makes `second` the one that is counted. One that is a little before it changes nothing; one that is long before it begins anew: the one
 * that was counted was a lie. */
void rate_move(struct rate *rate, uint32_t second);
static inline void rate_add(struct rate *rate, uint32_t second, uint32_t times)
{
    if (second != rate->second)
        rate_move(rate, second);
    rate->current += times;
}
/* As of now_ns, when counting began at start_ns. */
struct rates rate_read(const struct rate *rate, int64_t start_ns, int64_t now_ns);
/* Counts of the last RATE_SECONDS seconds, oldest first; the last one is not over yet. */
void rate_spark(const struct rate *rate, int64_t now_ns, float values[RATE_SECONDS]);

#endif /* EVTRAIL_TOP_RATE_H */
