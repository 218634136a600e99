/* SPDX-License-Identifier: ISC
 *
 * Draws a chart. Positions along x are in per cent or in a stretched inner picture, those along y in pixels, so no text is ever scaled.
 */
#include "chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TICKS = 12, PADDING = 8, X_LABELS = 26, LABEL_GAP = 15, MARK_ROW = 14, ENDS_WIDTH = 92 };

struct chart *chart_new(const char *id, const char *title, const char *note)
{
    struct chart *const chart = calloc(1, sizeof *chart);
    if (chart) {
        chart->id = id;
        chart->title = title;
        chart->note = note;
        chart->height = 200;
        chart->x_title = "time";
        chart->time = true;
    }
    return chart;
}

struct chart_line *chart_add(struct chart *chart, const char *name, unsigned colour)
{
    if (chart->lines_count == CHART_LINES)
        return NULL;
    struct chart_line *const line = &chart->lines[chart->lines_count++];
    snprintf(line->name, sizeof line->name, "%s", name);
    line->colour = colour;
    return line;
}

struct frame {
    FILE *out;
    const struct chart *chart;
    double low, high;
    unsigned top; /* of the plot, below the marks' labels */
};

static double y_of(const struct frame *frame, double value)
{
    return (1 - chart_height_of(frame->chart, value, frame->low, frame->high)) * frame->chart->height;
}

static double x_of(const struct chart *chart, double point)
{
    return point * CHART_WIDTH / chart->points;
}

/* ---- shapes ---- */

static void draw_line(const struct frame *frame, const struct chart_line *line)
{
    const struct chart *const chart = frame->chart;
    const bool steps = chart->kind == CHART_steps;
    bool open = false;
    fprintf(frame->out, "<path class=\"line c%u\" d=\"", line->colour);
    for (unsigned p = 0; p < chart->points; p++) {
        const double value = line->values[p];
        if (isnan(value)) {
            open = false;
            continue;
        }
        const double y = y_of(frame, value);
        fprintf(frame->out, "%c%.1f %.1f", open ? 'L' : 'M', x_of(chart, steps ? p : p + 0.5), y);
        if (steps)
            fprintf(frame->out, "H%.1f", x_of(chart, p + 1));
        open = true;
    }
    fputs("\"/>", frame->out);
}

/* The surface under a single line. */
static void draw_under(const struct frame *frame, const struct chart_line *line)
{
    const struct chart *const chart = frame->chart;
    const bool steps = chart->kind == CHART_steps;
    const double first = steps ? 0 : 0.5, last = steps ? chart->points : chart->points - 0.5;
    fprintf(frame->out, "<path class=\"under c%u\" d=\"M%.1f %u", line->colour, x_of(chart, first), chart->height);
    for (unsigned p = 0; p < chart->points; p++) {
        const double y = y_of(frame, isnan(line->values[p]) ? 0 : line->values[p]);
        fprintf(frame->out, "L%.1f %.1f", x_of(chart, steps ? p : p + 0.5), y);
        if (steps)
            fprintf(frame->out, "H%.1f", x_of(chart, p + 1));
    }
    fprintf(frame->out, "L%.1f %uZ\"/>", x_of(chart, last), chart->height);
}

static double below(const struct chart *chart, unsigned line, unsigned point)
{
    double sum = 0;
    for (unsigned i = 0; i < line; i++)
        sum += isnan(chart->lines[i].values[point]) ? 0 : chart->lines[i].values[point];
    return sum;
}

static void draw_layer(const struct frame *frame, unsigned index)
{
    const struct chart *const chart = frame->chart;
    fprintf(frame->out, "<path class=\"layer c%u\" d=\"M0 %.1f", chart->lines[index].colour,
            y_of(frame, below(chart, index + 1, 0)));
    for (unsigned p = 0; p < chart->points; p++)
        fprintf(frame->out, "L%.1f %.1fH%.1f", x_of(chart, p), y_of(frame, below(chart, index + 1, p)),
                x_of(chart, p + 1));
    for (unsigned p = chart->points; p-- > 0;)
        fprintf(frame->out, "L%.1f %.1fH%.1f", x_of(chart, p + 1), y_of(frame, below(chart, index, p)), x_of(chart, p));
    fputs("Z\"/>", frame->out);
}

static void draw_bars(const struct frame *frame, unsigned index)
{
    const struct chart *const chart = frame->chart;
    fprintf(frame->out, "<path class=\"bar c%u\" d=\"", chart->lines[index].colour);
    for (unsigned p = 0; p < chart->points; p++) {
        const double value = chart->lines[index].values[p];
        if (isnan(value) || value <= 0)
            continue;
        const double from = y_of(frame, below(chart, index, p)), to = y_of(frame, below(chart, index + 1, p));
        const double top = index == 0 && from - to < 1.5 ? from - 1.5 : to; /* what is there is seen */
        fprintf(frame->out, "M%.1f %.1fV%.1fH%.1fV%.1fZ", x_of(chart, p + 0.06), from, top, x_of(chart, p + 0.94),
                from);
    }
    fputs("\"/>", frame->out);
}

static void draw_shapes(const struct frame *frame)
{
    const struct chart *const chart = frame->chart;
    if ((chart->kind == CHART_line || chart->kind == CHART_steps) && chart->lines_count == 1 && !chart->log)
        draw_under(frame, &chart->lines[0]);
    for (unsigned i = 0; i < chart->lines_count; i++)
        switch (chart->kind) {
        case CHART_stack:
            draw_layer(frame, i);
            break;
        case CHART_bars:
            draw_bars(frame, i);
            break;
        default:
            draw_line(frame, &chart->lines[i]);
        }
}

/* ---- axes and labels ---- */

static unsigned y_ticks(const struct frame *frame, struct tick *ticks)
{
    const struct chart *const chart = frame->chart;
    return chart->log ? ticks_log(ticks, TICKS, frame->low, frame->high, chart->unit)
                      : ticks_linear(ticks, TICKS, frame->low, frame->high, chart_ticks_wanted(chart), chart->unit);
}

static unsigned x_ticks(const struct chart *chart, struct tick *ticks)
{
    return chart->time ? ticks_linear(ticks, TICKS, chart->x_from, chart->x_to, 7, UNIT_seconds)
                       : ticks_log(ticks, TICKS, chart->x_from, chart->x_to, UNIT_ns);
}

static void write_y_axis(const struct frame *frame)
{
    struct tick ticks[TICKS];
    const unsigned count = y_ticks(frame, ticks), height = frame->chart->height;
    fprintf(frame->out, "<svg class=\"y\" width=\"64\" height=\"%u\" aria-hidden=\"true\">",
            height + frame->top + X_LABELS);
    for (unsigned i = 0; i < count; i++) {
        fprintf(frame->out, "<text x=\"56\" y=\"%.1f\">", frame->top + (1 - ticks[i].at) * height + 4);
        write_html(frame->out, ticks[i].label);
        fputs("</text>", frame->out);
    }
    fputs("</svg>", frame->out);
}

static void write_grid(const struct frame *frame)
{
    struct tick ticks[TICKS];
    const unsigned height = frame->chart->height;
    unsigned count = y_ticks(frame, ticks);
    for (unsigned i = 0; i < count; i++) {
        const double y = frame->top + (1 - ticks[i].at) * height;
        fprintf(frame->out, "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", y, y);
    }
    fprintf(frame->out, "<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%u\" y2=\"%u\"/>", frame->top + height,
            frame->top + height);
    count = x_ticks(frame->chart, ticks);
    for (unsigned i = 0; i < count; i++) {
        const char *const anchor = ticks[i].at < 0.03 ? "start" : ticks[i].at > 0.96 ? "end" : "middle";
        fprintf(frame->out, "<text class=\"%s\" x=\"%.2f%%\" y=\"%u\" text-anchor=\"%s\">", i % 2 ? "odd" : "even",
                ticks[i].at * 100, frame->top + height + 18, anchor);
        write_html(frame->out, ticks[i].label);
        fputs("</text>", frame->out);
    }
}

/* Each label has a row of its own above the plot and stands on the outer side of its line, which begins in its row: so no line runs
 * through a label. The last mark is in the upper row if there is no room on its right. */
static void write_marks(const struct frame *frame)
{
    const struct chart *const chart = frame->chart;
    const unsigned count = chart->marks_count;
    const bool upper = count > 0 && chart->marks[count - 1].at > 0.7;
    for (unsigned i = 0; i < count; i++) {
        const double x = chart->marks[i].at * 100;
        const bool left = x > (i + 1 < count ? 25 : 70);
        const unsigned y = PADDING + MARK_ROW * (upper ? count - 1 - i : i);
        fprintf(frame->out, "<line class=\"mark\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"%u\" y2=\"%u\"/>", x, x, y,
                frame->top + chart->height);
        fprintf(frame->out, "<text class=\"mark\" x=\"%.2f%%\" dx=\"%d\" y=\"%u\" text-anchor=\"%s\">", x,
                left ? -4 : 4, y + 9, left ? "end" : "start");
        write_html(frame->out, chart->marks[i].label);
        fputs("</text>", frame->out);
    }
}

struct end_label {
    double y;
    const struct chart_line *line;
};

static int end_compare(const void *a, const void *b)
{
    const double left = ((const struct end_label *)a)->y, right = ((const struct end_label *)b)->y;
    if (left != right)
        return left < right ? -1 : 1;
    return ((const struct end_label *)a)->line > ((const struct end_label *)b)->line ? -1
                                                                                     : 1; /* later ones are greater */
}

/* The last value that a line has. */
static double last_value(const struct chart *chart, const struct chart_line *line)
{
    for (unsigned p = chart->points; p-- > 0;)
        if (!isnan(line->values[p]))
            return line->values[p];
    return NAN;
}

/* Charts without labels have their room all the same, so that all times are one below the other. */
static void write_end_labels(const struct frame *frame)
{
    const struct chart *const chart = frame->chart;
    struct end_label ends[CHART_LINES];
    const bool labels = (chart->kind == CHART_line || chart->kind == CHART_steps) && chart->lines_count > 1;
    unsigned count = 0;
    for (unsigned i = 0; labels && i < chart->lines_count; i++) {
        const double value = last_value(chart, &chart->lines[i]);
        if (!isnan(value))
            ends[count++] = (struct end_label){frame->top + y_of(frame, value) + 4, &chart->lines[i]};
    }
    qsort(ends, count, sizeof ends[0], end_compare);
    for (unsigned i = 1; i < count; i++)
        if (ends[i].y < ends[i - 1].y + LABEL_GAP)
            ends[i].y = ends[i - 1].y + LABEL_GAP;
    fprintf(frame->out, "<svg class=\"ends\" width=\"%d\" height=\"%u\" aria-hidden=\"true\">", ENDS_WIDTH,
            chart->height + frame->top + X_LABELS);
    for (unsigned i = 0; i < count; i++) {
        fprintf(frame->out, "<text class=\"c%u\" x=\"6\" y=\"%.1f\">", ends[i].line->colour, ends[i].y);
        write_html(frame->out, ends[i].line->name);
        fputs("</text>", frame->out);
    }
    fputs("</svg>", frame->out);
}

/* ---- legend, data ---- */

static void write_legend(FILE *out, const struct chart *chart)
{
    if (chart->lines_count < 2 && !(chart->kind == CHART_bars && chart->time))
        return;
    fputs("<ul class=\"legend\">", out);
    for (unsigned i = 0; i < chart->lines_count; i++) {
        fprintf(out,
                "<li><svg class=\"swatch c%u\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" "
                "height=\"12\" rx=\"3\"/></svg>",
                chart->lines[i].colour);
        write_html(out, chart->lines[i].name);
        fputs("</li>", out);
    }
    fputs("</ul>\n", out);
}

/* Where a point lies: the middle of a bucket of time, or the upper end of a class of durations. */
static struct text point_text(const struct chart *chart, unsigned point)
{
    if (!chart->time)
        return text_value(chart->x_from * pow(chart->x_to / chart->x_from, (point + 1.0) / chart->points), UNIT_ns);
    const double width = (chart->x_to - chart->x_from) / chart->points;
    return text_value(chart->x_from + width * (point + 0.5), UNIT_seconds);
}

static struct text value_text_of(const struct chart *chart, double value)
{
    if (isnan(value))
        return (struct text){"–"};
    if (chart->unit == UNIT_count && value >= 0 && value < 1e15)
        return text_count((uint64_t)(value + 0.5));
    return text_value(value, chart->unit);
}

static void write_table(FILE *out, const struct chart *chart)
{
    fprintf(out,
            "<details><summary>Data: <span>%s</span></summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"Data of ",
            chart->title);
    write_html(out, chart->title);
    fprintf(out, "\"><table><thead><tr><th scope=\"col\">%s</th>", chart->x_title);
    for (unsigned i = 0; i < chart->lines_count; i++) {
        fputs("<th scope=\"col\">", out);
        write_html(out, chart->lines[i].name);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (unsigned p = 0; p < chart->points; p++) {
        fprintf(out, "<tr><th scope=\"row\">%s</th>", point_text(chart, p).s);
        for (unsigned i = 0; i < chart->lines_count; i++)
            fprintf(out, "<td>%s</td>", value_text_of(chart, chart->lines[i].values[p]).s);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

static void write_data(FILE *out, const struct chart *chart)
{
    fprintf(out, "<script type=\"application/json\">{\"time\":%s,\"title\":", chart->time ? "true" : "false");
    write_json(out, chart->x_title);
    fputs(",\"x\":[", out);
    for (unsigned p = 0; p < chart->points; p++)
        fprintf(out, "%s\"%s\"", p ? "," : "", point_text(chart, p).s);
    fputs("],\"lines\":[", out);
    for (unsigned i = 0; i < chart->lines_count; i++) {
        fputs(i ? ",{\"name\":" : "{\"name\":", out);
        write_json(out, chart->lines[i].name);
        fprintf(out, ",\"colour\":%u,\"v\":[", chart->lines[i].colour);
        for (unsigned p = 0; p < chart->points; p++)
            fprintf(out, "%s\"%s\"", p ? "," : "", value_text_of(chart, chart->lines[i].values[p]).s);
        fputs("]}", out);
    }
    fputs("]}</script>\n", out);
}

void chart_write(FILE *out, const struct chart *chart)
{
    struct frame frame = {.out = out, .chart = chart, .top = PADDING + MARK_ROW * chart->marks_count};
    chart_range(chart, &frame.low, &frame.high);
    fprintf(out, "<figure class=\"chart\" id=\"%s\"><figcaption><h3>%s</h3><p class=\"note\">%s</p></figcaption>\n",
            chart->id, chart->title, chart->note);
    write_legend(out, chart);
    fputs("<div class=\"plot\">", out);
    write_y_axis(&frame);
    fprintf(out, "<div class=\"area\" tabindex=\"0\" role=\"group\" aria-roledescription=\"chart\" aria-label=\"%s: ",
            chart->title);
    write_html(out, chart->summary);
    fprintf(out, "\"><svg width=\"100%%\" height=\"%u\" aria-hidden=\"true\">", chart->height + frame.top + X_LABELS);
    write_grid(&frame);
    fprintf(out, "<svg y=\"%u\" width=\"100%%\" height=\"%u\" viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\">",
            frame.top, chart->height, CHART_WIDTH, chart->height);
    draw_shapes(&frame);
    fputs("</svg>", out);
    write_marks(&frame);
    fprintf(out, "<line class=\"cursor\" y1=\"%u\" y2=\"%u\" visibility=\"hidden\"/></svg></div>", frame.top,
            frame.top + chart->height);
    if (chart->time)
        write_end_labels(&frame);
    fputs("</div>\n<p class=\"readout\">", out);
    write_html(out, chart->summary);
    fputs("</p>\n", out);
    write_table(out, chart);
    write_data(out, chart);
    fputs("</figure>\n", out);
}
