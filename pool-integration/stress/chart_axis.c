/* SPDX-License-Identifier: ISC
 *
 * Scales and their ticks.
 */
#include "chart.h"

#include <math.h>
#include <string.h>

static double nice_step(double rough)
{
    const double power = pow(10, floor(log10(rough)));
    const double part = rough / power;
    return power * (part <= 1.0001 ? 1 : part <= 2.0001 ? 2 : part <= 2.5001 ? 2.5 : part <= 5.0001 ? 5 : 10);
}

static double step_of(double range, unsigned wanted, enum unit unit)
{
    const double step = nice_step(range / wanted);
    return unit != UNIT_count || step >= 1 ? (unit == UNIT_count && step == 2.5 ? 5 : step) : 1;
}

static void tick_set(struct tick *tick, double at, double value, enum unit unit)
{
    tick->at = at;
    const struct text text = value == 0 ? (struct text){"0"} : text_value(value, unit);
    snprintf(tick->label, sizeof tick->label, "%s", text.s);
    /* 5.00 k: zeros behind the point say nothing on an axis */
    char *const point = strchr(tick->label, '.');
    if (!point)
        return;
    char *const end = point + 1 + strspn(point + 1, "0123456789");
    char *last = end;
    while (last > point && (last[-1] == '0' || last[-1] == '.'))
        if (*--last == '.')
            break;
    memmove(last, end, strlen(end) + 1);
}

unsigned ticks_linear(struct tick *ticks, unsigned max, double from, double to, unsigned wanted, enum unit unit)
{
    unsigned count = 0;
    if (!(to > from) || !isfinite(to - from))
        return 0;
    const double step = step_of(to - from, wanted, unit);
    for (double i = ceil(from / step - 1e-9); count < max && i * step <= to + step * 1e-6; i++)
        tick_set(&ticks[count++], (i * step - from) / (to - from), i * step, unit);
    return count;
}

unsigned ticks_log(struct tick *ticks, unsigned max, double from, double to, enum unit unit)
{
    unsigned count = 0;
    const double decades = log10(to / from);
    const bool fine = decades<1.7, coarse = decades> 5;
    for (double power = floor(log10(from)); power <= ceil(log10(to)) && count < max; power++) {
        for (unsigned i = 0; i < 3 && count < max; i++) {
            const double value = pow(10, power) * (i == 0 ? 1 : i == 1 ? 2 : 5);
            if ((i > 0 && !fine) || (coarse && fmod(power, 2) != 0) || value < from * 0.999 || value > to * 1.001)
                continue;
            tick_set(&ticks[count++], log10(value / from) / decades, value, unit);
        }
    }
    return count;
}

unsigned chart_ticks_wanted(const struct chart *chart)
{
    return chart->height >= 180 ? 5 : 3;
}

static double stack_height(const struct chart *chart, unsigned point)
{
    double sum = 0;
    for (unsigned i = 0; i < chart->lines_count; i++)
        if (!isnan(chart->lines[i].values[point]))
            sum += chart->lines[i].values[point];
    return sum;
}

static void extremes(const struct chart *chart, double *ret_least, double *ret_most)
{
    for (unsigned i = 0; i < chart->lines_count; i++)
        for (unsigned p = 0; p < chart->points; p++) {
            const double value = chart->lines[i].values[p];
            if (isnan(value))
                continue;
            const double top = chart->kind == CHART_stack || chart->kind == CHART_bars ? stack_height(chart, p) : value;
            if (top > *ret_most)
                *ret_most = top;
            if (value > 0 && value < *ret_least)
                *ret_least = value;
        }
}

void chart_range(const struct chart *chart, double *ret_low, double *ret_high)
{
    double least = INFINITY, most = 0;
    extremes(chart, &least, &most);
    if (!chart->log) {
        *ret_low = 0;
        if (!(most > 0))
            most = 1;
        const double step = step_of(most, chart_ticks_wanted(chart), chart->unit);
        *ret_high = ceil(most / step) * step; /* the uppermost line is above all */
        return;
    }
    if (!(most > 0) || !isfinite(least))
        least = most = 1;
    *ret_low = pow(10, floor(log10(least)));
    *ret_high = most * 1.3 > *ret_low * 10 ? most * 1.3 : *ret_low * 10;
}

double chart_height_of(const struct chart *chart, double value, double low, double high)
{
    double at;
    if (chart->log)
        at = value > low ? log10(value / low) / log10(high / low) : 0;
    else
        at = (value - low) / (high - low);
    return at < 0 ? 0 : at > 1 ? 1 : at;
}
