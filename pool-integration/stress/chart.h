/* SPDX-License-Identifier: ISC
 *
 * A chart as HTML: inline SVG that stretches to any width while its text stays readable, a legend, labels at the lines' ends, a
 * cursor for the script to move, and a table with all its values.
 */
#ifndef EVPOOL_STRESS_CHART_H
#define EVPOOL_STRESS_CHART_H

#include "report.h"

enum {
    CHART_POINTS = 240,
    CHART_LINES = 9,
    CHART_MARKS = 4,
    CHART_WIDTH = 1000, /* of the stretched picture's own coordinates */
};
enum chart_kind { CHART_line, CHART_steps, CHART_stack, CHART_bars };

struct chart_line {
    char name[MODEL_LABEL_BYTES];
    unsigned colour;              /* class cN of the page's style */
    double values[CHART_POINTS];  /* NAN: none */
};
struct chart {
    const char *id, *title, *note;
    const char *x_title; /* of the table's first column */
    char summary[240];   /* what the chart says, in words */
    enum chart_kind kind;
    enum unit unit;
    bool log;        /* y */
    bool time;       /* x is time: shares its cursor with the others */
    unsigned height; /* of the plot, px */
    unsigned points, lines_count;
    double x_from, x_to; /* seconds; or ns, on a log scale */
    struct chart_line lines[CHART_LINES];
    unsigned marks_count;
    struct {
        double at; /* 0..1 */
        char label[24];
    } marks[CHART_MARKS];
};

struct chart *chart_new(const char *id, const char *title, const char *note); /* NULL: no memory; free() it */
struct chart_line *chart_add(struct chart *chart, const char *name, unsigned colour);
void chart_write(FILE *out, const struct chart *chart);

/* ---- chart_axis.c ---- */

struct tick {
    double at; /* 0..1 */
    char label[24];
};
/* Returns how many, at most `max`. */
unsigned ticks_linear(struct tick *ticks, unsigned max, double from, double to, unsigned wanted, enum unit unit);
unsigned ticks_log(struct tick *ticks, unsigned max, double from, double to, enum unit unit);
unsigned chart_ticks_wanted(const struct chart *chart);
/* A chart's range of values: from 0 to a whole step above the greatest, or (log) from a whole decade. */
void chart_range(const struct chart *chart, double *ret_low, double *ret_high);
/* 0 (bottom) to 1. */
double chart_height_of(const struct chart *chart, double value, double low, double high);

#endif /* EVPOOL_STRESS_CHART_H */
