/* SPDX-License-Identifier: ISC
 *
 * One figure as an SVG file: no script, nothing loaded, light or dark as the reader's system is.
 */
#include "svg.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct frame whole_frame = {.left = 74, .right = 838, .top = 46, .bottom = 262};

/* ---- what is drawn ----------------------------------------------------------------------------------------------------- */

static double place_x(const struct frame *frame, const struct report *report, double ns)
{
    const double length = (double)axis_since(&report->axis, report->stat.last_ns);
    return frame->left + ns / (length > 0 ? length : 1) * (frame->right - frame->left);
}

static double bucket_x(const struct frame *frame, const struct report *report, double bucket)
{
    const double x = place_x(frame, report, bucket * (double)(UINT64_C(1) << report->axis.shift));
    return x < frame->right ? x : frame->right;
}

static uint32_t buckets(struct report *report)
{
    return axis_place(&report->axis, report->stat.last_ns) + 1;
}

static void time_axis(struct output *out, const struct frame *frame, const struct report *report)
{
    svg_axis_x(out, frame, (double)axis_since(&report->axis, report->stat.last_ns));
}

static void draw_events(struct output *out, struct report *report)
{
    const struct frame *const frame = &whole_frame;
    const uint32_t count = buckets(report);
    const double width = (double)(UINT64_C(1) << report->axis.shift) / 1e9;
    double most = 1;
    counts_fit(report->events, &report->axis);
    for (uint32_t i = 0; i < count; i++)
        most = fmax(most, (double)report->events->at[i] / width);
    struct scale scale = {.low = 0, .high = most * 1.06};
    svg_axis_y(out, frame, &scale, "");
    output_print(out, "<path class=\"under k0\" d=\"M%.1f %.1f", frame->left, frame->bottom);
    for (uint32_t i = 0; i < count; i++)
        output_print(out, "L%.1f %.1fH%.1f", bucket_x(frame, report, i),
                     svg_y(frame, &scale, (double)report->events->at[i] / width), bucket_x(frame, report, i + 1));
    output_print(out, "V%.1fZ\"/>\n", frame->bottom);
    time_axis(out, frame, report);
}

/* ---- counters ---------------------------------------------------------------------------------------------------------- */

static void level_path(struct output *out, const struct frame *frame, const struct scale *scale, struct report *report,
                       const struct levels *levels)
{
    bool pen = false;
    output_text(out, "<path class=\"line k0\" d=\"");
    for (uint32_t i = 0; i < buckets(report); i++) {
        if (levels->count[i] == 0 || !isfinite(levels->last[i]))
            continue;
        output_print(out, "%s%.1f %.1f", pen ? "L" : "M", bucket_x(frame, report, i + 0.5),
                     svg_y(frame, scale, levels->last[i]));
        pen = true;
    }
    output_text(out, "\"/>\n");
}

static void draw_counter(struct output *out, struct report *report, const struct row *row, struct levels *levels)
{
    const struct frame *const frame = &whole_frame;
    struct scale scale = {.low = 0, .high = 0};
    levels_fit(levels, &report->axis);
    for (uint32_t i = 0; i < buckets(report); i++) {
        if (levels->count[i] == 0)
            continue;
        scale.low = isfinite(levels->min[i]) ? fmin(scale.low, levels->min[i] * 1.06) : scale.low;
        scale.high = isfinite(levels->max[i]) ? fmax(scale.high, levels->max[i] * 1.06) : scale.high;
    }
    if (!(scale.high > scale.low))
        scale.high = scale.low + 1;
    svg_axis_y(out, frame, &scale, row->counter->unit ? row->counter->unit : "");
    output_text(out, "<path class=\"under k0\" d=\"");
    for (uint32_t i = 0; i < buckets(report); i++)
        if (levels->count[i] && isfinite(levels->min[i]) && isfinite(levels->max[i]))
            output_print(out, "M%.1f %.1fH%.1fV%.1fH%.1fZ", bucket_x(frame, report, i),
                         svg_y(frame, &scale, levels->max[i]), bucket_x(frame, report, i + 1),
                         svg_y(frame, &scale, levels->min[i]), bucket_x(frame, report, i));
    output_text(out, "\"/>\n");
    level_path(out, frame, &scale, report, levels);
    time_axis(out, frame, report);
}

/* ---- entities ---------------------------------------------------------------------------------------------------------- */

static void draw_layer(struct output *out, const struct scale *scale, struct report *report, double *base,
                       const struct shares *shares, unsigned colour)
{
    const struct frame *const frame = &whole_frame;
    const uint32_t count = buckets(report);
    const double width = (double)(UINT64_C(1) << report->axis.shift);
    output_print(out, "<path class=\"layer k%u\" d=\"M%.1f %.1f", colour, frame->left, svg_y(frame, scale, base[0]));
    for (uint32_t i = 0; i < count; i++)
        output_print(out, "L%.1f %.1fH%.1f", bucket_x(frame, report, i),
                     svg_y(frame, scale, base[i] + shares->at[i] / width), bucket_x(frame, report, i + 1));
    for (uint32_t i = count; i-- > 0;) {
        output_print(out, "L%.1f %.1fH%.1f", bucket_x(frame, report, i + 1), svg_y(frame, scale, base[i]),
                     bucket_x(frame, report, i));
        base[i] += shares->at[i] / width;
    }
    output_text(out, "Z\"/>\n");
}

static int draw_entity(struct output *out, struct report *report, const struct row *row,
                       struct states_over_time *states)
{
    const double width = (double)(UINT64_C(1) << report->axis.shift);
    struct scale scale = {.low = 0, .high = 1};
    double *const base = calloc(AXIS_BUCKETS, sizeof *base);
    double x = whole_frame.left;
    if (!base)
        return -ENOMEM;
    for (uint32_t i = 0; i < buckets(report); i++) {
        double sum = 0;
        for (uint32_t state = 0; state < row->class->states_count; state++) {
            if (!states->shares[state])
                continue;
            shares_fit(states->shares[state], &report->axis);
            sum += states->shares[state]->at[i] / width;
        }
        scale.high = fmax(scale.high, sum * 1.06);
    }
    svg_axis_y(out, &whole_frame, &scale, "");
    for (uint32_t state = 0; state < row->class->states_count; state++) {
        if (!states->shares[state])
            continue;
        draw_layer(out, &scale, report, base, states->shares[state], state % 8);
        x = svg_key(out, x, state % 8, row->class->states[state]);
    }
    time_axis(out, &whole_frame, report);
    free(base);
    return 0;
}

/* ---- spans ------------------------------------------------------------------------------------------------------------- */

static const struct frame heat_frame = {.left = 74, .right = 560, .top = 46, .bottom = 262};
static const struct frame histogram_frame = {.left = 636, .right = 838, .top = 46, .bottom = 262};

#define COLUMNS_MOST 128u
#define SHADES 9u

/* Neighbouring columns are one where there are few spans, and where there are many columns: how many. */
static unsigned grouping(const struct heat *heat, uint64_t count)
{
    unsigned columns = 1, each = 1;
    for (unsigned i = 0; i < HEAT_COLUMNS; i++)
        columns = heat->max[i] > 0 ? i + 1 : columns;
    while ((count * each / columns < 8 && columns / each > 48) || columns / each > COLUMNS_MOST)
        each *= 2;
    return each;
}

static uint64_t heat_cell(const struct heat *heat, unsigned column, unsigned bin, unsigned each)
{
    uint64_t sum = 0;
    for (unsigned i = column * each; i < (column + 1) * each; i++)
        sum += heat->at[i][bin];
    return sum;
}

static uint64_t heat_most(const struct heat *heat, unsigned each)
{
    uint64_t most = 1;
    for (unsigned column = 0; column < HEAT_COLUMNS / each; column++)
        for (unsigned bin = 0; bin < HEAT_BINS; bin++)
            most = heat_cell(heat, column, bin, each) > most ? heat_cell(heat, column, bin, each) : most;
    return most;
}

/* 0: nothing; up to SHADES. */
static unsigned shade_of(const struct heat *heat, unsigned column, unsigned bin, unsigned each, double most)
{
    const uint64_t count = bin < HEAT_BINS ? heat_cell(heat, column, bin, each) : 0;
    return (unsigned)ceil(log1p((double)count) / most * SHADES - 1e-9);
}

/* The bins of a column that have this shade, neighbours as one. */
static void draw_column(struct output *out, const struct scale *scale, const struct report *report,
                        const struct heat *heat, unsigned column, unsigned each, unsigned shade, double most)
{
    const double left = bucket_x(&heat_frame, report, column * each * 4.0);
    const double right = bucket_x(&heat_frame, report, (column + 1) * each * 4.0);
    for (unsigned bin = 0; bin < HEAT_BINS; bin++) {
        const unsigned first = bin;
        while (shade_of(heat, column, bin, each, most) == shade)
            bin++;
        if (bin > first)
            output_print(out, "M%.1f %.1fH%.1fV%.1fH%.1fZ", left, svg_y(&heat_frame, scale, heat_bin_low(bin)), right,
                         svg_y(&heat_frame, scale, fmax(1, heat_bin_low(first))), left);
    }
}

/* One path a shade. */
static void draw_cells(struct output *out, const struct scale *scale, const struct report *report,
                       const struct heat *heat, unsigned each)
{
    const double most = log1p((double)heat_most(heat, each));
    for (unsigned shade = 1; shade <= SHADES; shade++) {
        output_print(out, "<path class=\"heat\" fill-opacity=\"%.2f\" d=\"", 0.1 + 0.9 * shade / SHADES);
        for (unsigned column = 0; column < HEAT_COLUMNS / each; column++)
            draw_column(out, scale, report, heat, column, each, shade, most);
        output_text(out, "\"/>\n");
    }
}

/* Where the quantile lies in a column; 0: it has none. */
static double column_quantile(const struct heat *heat, unsigned column, unsigned each, double quantile)
{
    uint64_t all = 0, seen = 0;
    for (unsigned bin = 0; bin < HEAT_BINS; bin++)
        all += heat_cell(heat, column, bin, each);
    for (unsigned bin = 0; bin < HEAT_BINS && all > 0; bin++) {
        seen += heat_cell(heat, column, bin, each);
        if ((double)seen >= quantile * (double)all)
            return fmax(1, (heat_bin_low(bin) + heat_bin_low(bin + 1)) / 2);
    }
    return 0;
}

/* Twice: below it a wider line of the ground, so that it is seen on any shade. */
static void draw_quantile(struct output *out, const struct scale *scale, const struct report *report,
                          const struct heat *heat, unsigned each, double quantile, unsigned colour)
{
    for (int under = 1; under >= 0; under--) {
        bool pen = false;
        output_print(out, "<path class=\"%s k%u\" d=\"", under ? "line case" : "line", colour);
        for (unsigned column = 0; column < HEAT_COLUMNS / each; column++) {
            const double value = column_quantile(heat, column, each, quantile);
            if (value > 0)
                output_print(out, "%s%.1f %.1f", pen ? "L" : "M",
                             bucket_x(&heat_frame, report, (column + 0.5) * each * 4.0),
                             svg_y(&heat_frame, scale, value));
            pen |= value > 0;
        }
        output_text(out, "\"/>\n");
    }
}

static void draw_histogram(struct output *out, const struct histogram *histogram, const struct scale *scale)
{
    enum { BINS = 42 };
    const struct frame *const frame = &histogram_frame;
    double shares[BINS] = {0}, most = 1e-9;
    uint64_t low, high, count;
    for (unsigned position = 0; histogram_next(histogram, &position, &low, &high, &count);) {
        const double at =
            log(fmax(1, ((double)low + (double)high) / 2) / scale->low) / log(scale->high / scale->low) * BINS;
        shares[at < 0 ? 0 : at >= BINS ? BINS - 1 : (int)at] += 100.0 * (double)count / (double)histogram->count;
    }
    for (unsigned i = 0; i < BINS; i++)
        most = fmax(most, shares[i]);
    const double tall = (frame->bottom - frame->top) / BINS;
    for (unsigned i = 0; i < BINS; i++)
        if (shares[i] > 0)
            output_print(out, "<rect class=\"bar k0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                         frame->left, frame->bottom - (i + 1) * tall + 0.5,
                         fmax(1, shares[i] / most * (frame->right - frame->left - 40)), tall - 1);
    output_print(out, "<text x=\"%.1f\" y=\"%.1f\">share of spans, at most %.1f %%</text>\n", frame->left,
                 frame->bottom + 18, most);
}

static void draw_span(struct output *out, struct report *report, const struct row *row, struct heat *heat)
{
    const struct histogram *const h = &row->span->histogram;
    const double low = fmax(1, (double)h->min), high = fmax((double)h->max, low * 1.01);
    const struct scale scale = {.low = low * 0.9, .high = fmax(high * 1.1, low * 3), .log = true};
    const char *const names[] = {"p50", "p99"};
    const double quantiles[] = {0.5, 0.99};
    double x = heat_frame.left;
    heat_fit(heat, &report->axis);
    const unsigned each = grouping(heat, h->count);
    svg_axis_y(out, &heat_frame, &scale, "ns");
    svg_axis_y(out, &histogram_frame, &scale, "ns");
    draw_cells(out, &scale, report, heat, each);
    for (unsigned i = 0; i < 2; i++) {
        draw_quantile(out, &scale, report, heat, each, quantiles[i], i + 1);
        x = svg_key(out, x, i + 1, names[i]);
    }
    time_axis(out, &heat_frame, report);
    draw_histogram(out, h, &scale);
}

/* ---- which ------------------------------------------------------------------------------------------------------------- */

static const struct row *row_find(const struct report *report, const char *name)
{
    for (uint32_t i = 0; i < report->stat.rows_count; i++) {
        const struct row *const row = report->stat.rows[i];
        const bool drawn = (row->span && row->span->histogram.count > 0) || (row->counter && row->count > 0) ||
                           (row->class && row->class->seen > 0);
        if (drawn && strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

static void describe(const struct report *report, const struct row *row, char *text, size_t bytes)
{
    const struct histogram *const h = row && row->span ? &row->span->histogram : NULL;
    if (!row)
        snprintf(text, bytes, "events a second; %llu in all", (unsigned long long)report->stat.events);
    else if (h)
        snprintf(text, bytes, "%llu spans, median %s, 99 %% within %s, longest %s", (unsigned long long)h->count,
                 human_ns((double)histogram_quantile(h, 0.5)), human_ns((double)histogram_quantile(h, 0.99)),
                 human_ns((double)h->max));
    else if (row->counter)
        snprintf(text, bytes, "value over time, with its extremes%s%s",
                 row->counter->unit && *row->counter->unit ? ", in " : "",
                 row->counter->unit ? row->counter->unit : "");
    else
        snprintf(text, bytes, "how many are in which state, on average");
}

int report_svg(struct output *out, struct report *report, const char *name)
{
    char text[256];
    const struct row *const row = name ? row_find(report, name) : NULL;
    struct row_more *const more = row && row->number < report->more_count ? report->more[row->number] : NULL;
    int r = 0;
    if (name &&
        (!more || (row->span && !more->heat) || (row->counter && !more->levels) || (row->class && !more->states)))
        return -ENOENT;
    describe(report, row, text, sizeof text);
    svg_open(out, name ? name : "events over time", text);
    if (!row)
        draw_events(out, report);
    else if (row->span)
        draw_span(out, report, row, more->heat);
    else if (row->counter)
        draw_counter(out, report, row, more->levels);
    else
        r = draw_entity(out, report, row, more->states);
    output_text(out, "</svg>\n");
    return r < 0 ? r : out->error;
}
