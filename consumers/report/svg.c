/* SPDX-License-Identifier: ISC
 *
 * What the figures have in common.
 */
#include "svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TICKS 6

extern const char figure_css[]; /* made by embed.cmake */

double svg_y(const struct frame *frame, const struct scale *scale, double value)
{
    const double part = scale->log ? log(fmax(value, scale->low) / scale->low) / log(scale->high / scale->low)
                                   : (value - scale->low) / (scale->high - scale->low);
    return frame->bottom - fmin(1, fmax(0, part)) * (frame->bottom - frame->top);
}

/* Bytes of a well-formed UTF-8 character that XML allows; 0: it is not one. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80)
        return s[0] >= 32 && s[0] != 127;
    const size_t bytes = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                         : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                         : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                       : 0;
    for (size_t i = 1; i < bytes; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    const bool turns = s[0] == 0xe2 && ((s[1] == 0x80 && (s[2] & 0x3f) >= 0x0b && (s[2] & 0x3f) <= 0x2e) ||
                                        (s[1] == 0x81 && (s[2] & 0x3f) >= 0x20));
    return (s[0] == 0xc2 && s[1] < 0xa0) || turns || (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe) ? 0 : bytes;
}

void xml_text(struct output *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        const char *const entity = *s == '<'   ? "&lt;"
                                   : *s == '>' ? "&gt;"
                                   : *s == '&' ? "&amp;"
                                   : *s == '"' ? "&quot;"
                                               : NULL;
        const size_t bytes = character(s);
        if (entity)
            output_text(out, entity);
        else if (bytes == 0)
            output_text(out, "\xef\xbf\xbd");
        else
            output_write(out, (const char *)s, bytes);
        s += bytes ? bytes : 1;
    }
}

void svg_open(struct output *out, const char *title, const char *description)
{
    output_text(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 300\" role=\"img\">\n<title>");
    xml_text(out, title);
    output_text(out, ": ");
    xml_text(out, description);
    output_text(out, "</title>\n<style>\n");
    output_text(out, figure_css);
    output_text(out, "</style>\n<text class=\"name\" x=\"14\" y=\"22\">");
    xml_text(out, title);
    output_text(out, "</text>\n<text class=\"end\" x=\"846\" y=\"22\">");
    xml_text(out, description);
    output_text(out, "</text>\n");
}

static const char *tick_text(double value, const char *unit)
{
    return strcmp(unit, "ns") == 0      ? human_ns(value)
           : strcmp(unit, "bytes") == 0 ? human_bytes(value)
                                        : human_count(value);
}

static void tick_y(struct output *out, const struct frame *frame, const struct scale *scale, double value,
                   const char *unit)
{
    const double y = svg_y(frame, scale, value);
    output_print(
        out, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text class=\"end\" x=\"%.1f\" y=\"%.1f\">%s%s</text>\n",
        frame->left, y, frame->right, frame->left - 8, y + 4, value < 0 ? "-" : "", tick_text(fabs(value), unit));
}

/* 1, 2 or 5 times a power of ten, so that there are at most TICKS. */
static double step_of(double range)
{
    const double power = pow(10, floor(log10(range / TICKS)));
    const double steps[] = {1, 2, 5, 10};
    for (unsigned i = 0; i < 3; i++)
        if (range / (power * steps[i]) <= TICKS)
            return power * steps[i];
    return power * 10;
}

void svg_axis_y(struct output *out, const struct frame *frame, const struct scale *scale, const char *unit)
{
    if (scale->log) {
        const double decades = log10(scale->high / scale->low);
        for (int p = (int)floor(log10(scale->low)); p <= log10(scale->high); p++)
            for (unsigned i = 0; i < 3; i++) {
                const double value = pow(10, p) * (i == 0 ? 1 : i == 1 ? 2 : 5);
                if (value >= scale->low && value <= scale->high && (i == 0 || decades < 2.2))
                    tick_y(out, frame, scale, value, unit);
            }
        return;
    }
    const double step = step_of(scale->high - scale->low);
    for (double i = ceil(scale->low / step); i * step <= scale->high; i++)
        tick_y(out, frame, scale, i * step + 0, unit);
}

void svg_axis_x(struct output *out, const struct frame *frame, double length_ns)
{
    const double length = length_ns > 0 ? length_ns : 1, step = step_of(length), places = ceil(-log10(step / 1e9));
    for (double i = 0; i * step <= length; i++)
        output_print(out, "<text class=\"middle\" x=\"%.1f\" y=\"%.1f\">%.*f s</text>\n",
                     frame->left + i * step / length * (frame->right - frame->left), frame->bottom + 18,
                     places > 0 ? (int)places : 0, i * step / 1e9);
}

double svg_key(struct output *out, double x, unsigned colour, const char *text)
{
    if (x > 780)
        return x;
    output_print(
        out,
        "<rect class=\"key k%u\" x=\"%.1f\" y=\"28\" width=\"11\" height=\"11\" rx=\"2\"/><text x=\"%.1f\" y=\"38\">",
        colour, x, x + 16);
    char cut[25];
    snprintf(cut, sizeof cut, "%s", text);
    xml_text(out, cut);
    output_text(out, "</text>\n");
    return x + 16 + 7.2 * (double)strlen(cut) + 16;
}
