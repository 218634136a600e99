/* SPDX-License-Identifier: ISC
 *
 * Seconds are closed when the next event comes or somebody looks, all that have passed at once.
 */
#include "rate.h"

#include <math.h>
#include <string.h>

#define NS_PER_S 1000000000
#define LIE_SECONDS RATE_SECONDS /* time does not go back by so much */
#define LEAST_S 0.1              /* no rate is told of a shorter time */

static const double seconds_of[RATE_AVERAGES] = {10, 100, 1000};
static const double fades[RATE_AVERAGES] = {0.90483741803595957, 0.99004983374916805,
                                            0.99900049983337499}; /* exp(-1/T) */

/* Exact below 16, then three bits behind the first. */
static uint8_t pack(uint32_t count)
{
    if (count < 16)
        return (uint8_t)count;
    const unsigned exponent = 31u - (unsigned)__builtin_clz(count);
    return (uint8_t)(16 + (exponent - 4) * 8 + ((count >> (exponent - 3)) & 7));
}

static float unpack(uint8_t code)
{
    if (code < 16)
        return code;
    const unsigned exponent = 4 + (code - 16u) / 8;
    return (float)((uint64_t)(8 + (code - 16u) % 8) << (exponent - 3));
}

static void begin_anew(struct rate *rate, uint32_t second)
{
    memset(rate->spark, 0, sizeof rate->spark);
    rate->current = rate->before = 0;
    rate->second = second;
}

static void close_second(struct rate *rate)
{
    for (unsigned i = 0; i < RATE_AVERAGES; i++)
        rate->average[i] = (float)((double)rate->average[i] * fades[i] + rate->current * (1 - fades[i]));
    rate->spark[rate->second % RATE_SECONDS] = pack(rate->current);
}

/* Seconds without any event. */
static void pass_seconds(struct rate *rate, uint32_t count)
{
    for (unsigned i = 0; i < RATE_AVERAGES; i++)
        rate->average[i] = (float)((double)rate->average[i] * pow(fades[i], count));
    for (uint32_t i = 1; i <= count && i <= RATE_SECONDS; i++)
        rate->spark[(rate->second + i) % RATE_SECONDS] = 0;
}

void rate_move(struct rate *rate, uint32_t second)
{
    if (rate->second == 0 || second + LIE_SECONDS < rate->second) {
        begin_anew(rate, second);
        return;
    }
    if (second <= rate->second)
        return;
    const uint32_t gap = second - rate->second;
    close_second(rate);
    if (gap > 1)
        pass_seconds(rate, gap - 1);
    rate->before = gap == 1 ? rate->current : 0;
    rate->current = 0;
    rate->second = second;
    rate->spark[second % RATE_SECONDS] = 0;
}

static double limited(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

static double average_of(const struct rate *rate, unsigned which, double passed, double age)
{
    const double seconds = seconds_of[which], fade = exp(-passed / seconds);
    const double running = passed > 1e-6 ? (1 - fade) / passed : 1 / seconds; /* weight of the second that runs */
    const double sum = (double)rate->average[which] * fade + rate->current * running;
    return sum / -expm1(-age / seconds);
}

/* Of the second before the window still covers a share: of what there was of it, if counting began in it. */
static double now_of(const struct rate *rate, int64_t start_ns, double passed, double age)
{
    if (age < 1)
        return (rate->before + (double)rate->current) / age;
    const double there = limited(((double)rate->second * NS_PER_S - (double)start_ns) / 1e9, LEAST_S, 1);
    return rate->before * limited((1 - passed) / there, 0, 1) + rate->current;
}

struct rates rate_read(const struct rate *of, int64_t start_ns, int64_t now_ns)
{
    struct rates rates = {0};
    struct rate rate = *of;
    if (rate.second == 0)
        return rates;
    rate_move(&rate, rate_second(now_ns));
    const double passed = limited((double)(now_ns - (int64_t)rate.second * NS_PER_S) / 1e9, 0, 1);
    const double age = limited(((double)now_ns - (double)start_ns) / 1e9, LEAST_S, 1e12);
    rates.now = now_of(&rate, start_ns, passed, age);
    for (unsigned i = 0; i < RATE_AVERAGES; i++)
        rates.average[i] = average_of(&rate, i, passed, age);
    return rates;
}

void rate_spark(const struct rate *of, int64_t now_ns, float values[RATE_SECONDS])
{
    struct rate rate = *of;
    memset(values, 0, RATE_SECONDS * sizeof *values);
    if (rate.second == 0)
        return;
    rate_move(&rate, rate_second(now_ns));
    rate.spark[rate.second % RATE_SECONDS] = pack(rate.current);
    for (uint32_t i = 0; i < RATE_SECONDS; i++)
        values[RATE_SECONDS - 1 - i] = unpack(rate.spark[(rate.second + RATE_SECONDS - i) % RATE_SECONDS]);
}
