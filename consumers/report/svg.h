/* SPDX-License-Identifier: ISC
 *
 * Frames, axes and texts of an SVG figure.
 */
#ifndef EVTRAIL_CONSUMERS_SVG_H
#define EVTRAIL_CONSUMERS_SVG_H

#include "../outbuf.h"
#include "report.h"

struct frame {
    double left, right, top, bottom;
};
struct scale {
    double low, high;
    bool log;
};
double svg_y(const struct frame *frame, const struct scale *scale, double value);
/* The figure's beginning, with its name and what it shows. Texts are untrusted. */
void svg_open(struct output *out, const char *title, const char *description);
void svg_axis_y(struct output *out, const struct frame *frame, const struct scale *scale, const char *unit);
void svg_axis_x(struct output *out, const struct frame *frame, double length_ns);
/* An entry of the key, at x; returns where the next one goes. */
double svg_key(struct output *out, double x, unsigned colour, const char *text);
/* As text of XML: control characters become U+FFFD. */
void xml_text(struct output *out, const char *text);

#endif /* EVTRAIL_CONSUMERS_SVG_H */
