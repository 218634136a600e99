/* SPDX-License-Identifier: ISC
 *
 * Values of tables as text for people and as JSON.
 */
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Kinds that may have been given as an integer. */
static double as_number(const struct value *value)
{
    const bool integer = value->kind == VALUE_count || value->kind == VALUE_bytes || value->kind == VALUE_duration;
    if (value->kind == VALUE_time)
        return (double)(int64_t)value->exact;
    return integer && value->exact ? (double)value->exact : value->number;
}

bool value_absent(const struct value *value)
{
    return value->kind == VALUE_none || (value->kind != VALUE_text && isnan(as_number(value)));
}

double value_order(const struct value *value)
{
    return as_number(value);
}

/* ---- for people ---- */

/* Three digits or so. */
static void scaled_text(double number, const char *const *units, unsigned count, double step, char *buffer, size_t size)
{
    unsigned unit = 0;
    double most = fabs(number);
    for (; most >= step * 0.9995 && unit + 1 < count; unit++, most /= step)
        number /= step;
    const int digits = most < 0.0005 || (unit == 0 && number == floor(number)) ? 0
                       : most < 9.995                                          ? 2
                       : most < 99.95                                          ? 1
                                                                               : 0;
    snprintf(buffer, size, "%.*f%s", digits, number, units[unit]);
}

static void number_text(double number, char *buffer, size_t size)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    scaled_text(number, units, sizeof units / sizeof *units, 1000, buffer, size);
}

static void count_text(uint64_t count, char *buffer, size_t size)
{
    if (count >= 1000000)
        number_text((double)count, buffer, size);
    else if (count >= 1000)
        snprintf(buffer, size, "%u,%03u", (unsigned)(count / 1000), (unsigned)(count % 1000));
    else
        snprintf(buffer, size, "%u", (unsigned)count);
}

/* From a minute on in the units of clocks. */
static void duration_text(double ns, char *buffer, size_t size)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    static const struct {
        uint64_t seconds;
        const char *format;
        unsigned part;
    } clocks[] = {{86400, "%llud%02lluh", 3600}, {3600, "%lluh%02llum", 60}, {60, "%llum%02llus", 1}};
    const uint64_t seconds = ns > 0 && ns < 1e18 ? (uint64_t)(ns / 1e9) : 0;
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++)
        if (seconds >= clocks[i].seconds) {
            snprintf(buffer, size, clocks[i].format, (unsigned long long)(seconds / clocks[i].seconds),
                     (unsigned long long)(seconds % clocks[i].seconds / clocks[i].part));
            return;
        }
    scaled_text(ns, units, 4, 1000, buffer, size);
}

static void time_text(int64_t ns, char *buffer, size_t size)
{
    const int64_t part = ((ns % 1000000000) + 1000000000) % 1000000000;
    const time_t seconds = (time_t)((ns - part) / 1000000000);
    struct tm local;
    if (!localtime_r(&seconds, &local))
        snprintf(buffer, size, "?");
    else
        snprintf(buffer, size, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec, (int)(part / 1000000));
}

static void bytes_text(double bytes, char *buffer, size_t size)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
    scaled_text(bytes, units, sizeof units / sizeof *units, 1024, buffer, size);
}

void value_text(const struct value *value, char *buffer, size_t size)
{
    const double number = as_number(value);
    if (size == 0)
        return;
    if (value_absent(value))
        snprintf(buffer, size, "-");
    else if (value->kind == VALUE_text)
        snprintf(buffer, size, "%s", value->text);
    else if (value->kind == VALUE_count && number >= 0 && number < 1.8e19)
        count_text(value->exact ? value->exact : (uint64_t)number, buffer, size);
    else if (value->kind == VALUE_count || value->kind == VALUE_rate)
        number_text(number, buffer, size);
    else if (value->kind == VALUE_bytes)
        bytes_text(number, buffer, size);
    else if (value->kind == VALUE_duration)
        duration_text(number, buffer, size);
    else if (value->kind == VALUE_time)
        time_text((int64_t)value->exact, buffer, size);
    else if (value->kind == VALUE_percent)
        snprintf(buffer, size, "%.*f%%", number > 0 && number < 9.95 ? 1 : 0, number);
    else if (value->kind == VALUE_number)
        snprintf(buffer, size, "%.6g%s%s", number, value->text[0] ? " " : "", value->text);
    else
        buffer[0] = '\0';
}

/* ---- JSON ---- */

int value_json(const struct value *value, struct output *out)
{
    const bool integer = value->kind == VALUE_count || value->kind == VALUE_bytes || value->kind == VALUE_duration;
    if (value_absent(value) || isinf(as_number(value)))
        return output_text(out, "null");
    if (value->kind == VALUE_text)
        return output_json_text(out, value->text);
    if (value->kind == VALUE_time)
        return output_print(out, "%lld", (long long)value->exact);
    if (integer && (value->exact || value->number == 0))
        return output_print(out, "%llu", (unsigned long long)value->exact);
    return output_print(out, "%.17g", value->number);
}

void value_set_text(struct value *value, const char *text)
{
    value->kind = VALUE_text;
    snprintf(value->text, sizeof value->text, "%s", text);
}

void value_set(struct value *value, enum value_kind kind, uint64_t number)
{
    value->kind = kind;
    value->exact = number;
    value->number = (double)number;
}
