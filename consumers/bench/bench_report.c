/* SPDX-License-Identifier: ISC
 *
 * evtrail bench: how figures are gathered and shown.
 */
#include "bench.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool bench_wants(const struct bench *bench, const char *name)
{
    return !bench->only || fnmatch(bench->only, name, 0) == 0;
}

void result_start(struct result *result, const char *target, const char *format, ...)
{
    va_list arguments;
    memset(result, 0, sizeof(*result));
    va_start(arguments, format);
    vsnprintf(result->name, sizeof(result->name), format, arguments);
    va_end(arguments);
    snprintf(result->target, sizeof(result->target), "%s", target);
}

void result_add(struct result *result, const char *key, double value)
{
    if (result->count < FIGURES_MAX)
        result->figures[result->count++] = (struct figure){key, value};
}

void result_judge(struct result *result, bool met)
{
    result->met = result->judged ? result->met && met : met;
    result->judged = true;
}

static void print_json(const struct result *result)
{
    printf("{\"case\":\"%s\"", result->name);
    for (unsigned i = 0; i < result->count; i++)
        if (isfinite(result->figures[i].value))
            printf(",\"%s\":%.6g", result->figures[i].key, result->figures[i].value);
    if (result->target[0])
        printf(",\"target\":\"%s\"", result->target);
    if (result->judged)
        printf(",\"met\":%s", result->met ? "true" : "false");
    printf("}\n");
}

static void print_text(const struct result *result)
{
    printf("%-34s", result->name);
    for (unsigned i = 0; i < result->count; i++)
        printf(" %s %.4g%s", result->figures[i].key, result->figures[i].value, i + 1 < result->count ? "," : "");
    if (result->judged)
        printf("\n%-34s   %s: %s", "", result->met ? "reached" : "NOT reached", result->target);
    printf("\n");
}

void result_print(struct bench *bench, const struct result *result)
{
    if (bench->json)
        print_json(result);
    else
        print_text(result);
    fflush(stdout);
}

void bench_skip(struct bench *bench, const char *name, const char *why)
{
    if (!bench_wants(bench, name))
        return;
    if (bench->json)
        printf("{\"case\":\"%s\",\"skipped\":\"%s\"}\n", name, why);
    else
        printf("%-34s skipped: %s\n", name, why);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double quantile(double *values, size_t count, double q)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof(*values), compare);
    size_t at = (size_t)(q * (double)count);
    return values[at < count ? at : count - 1];
}

uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
