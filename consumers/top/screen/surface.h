/* SPDX-License-Identifier: ISC
 *
 * What is to be seen, as a grid of cells: views draw on it, tests and `--once` print it, the terminal shows how it differs from what is
 * there. It knows nothing of terminals.
 */
#ifndef EVTRAIL_TOP_SURFACE_H
#define EVTRAIL_TOP_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a cell means, not how it looks: colours are the screen's. Nothing is told by style alone. */
#define STYLES(X) \
    X(plain) X(dim) X(title) X(heading) X(selected) X(key) X(good) X(notice) X(bad) X(number) X(bar) X(mark)
enum style {
#define X(name) STYLE_##name,
    STYLES(X)
#undef X
        STYLES_COUNT
};

/* Signs that have an ASCII form. */
enum glyph {
    GLYPH_spark, /* level 0..8: a bar that grows upwards */
    GLYPH_bar,   /* level 0..8: one that grows to the right */
    GLYPH_heat,  /* level 0..4 */
    GLYPH_tree,  /* 0 "   ", 1 "|  ", 2 "|- ", 3 "`- " */
    GLYPH_arrow, /* 0 up, 1 down, 2 right, 3 left */
    GLYPH_cut,   /* 0 "…": one column in both forms */
    GLYPH_line,  /* 0 horizontal, 1 vertical */
};

#define CELL_BYTES 20 /* a base character and what combines with it; more is cut */
struct cell {
    char text[CELL_BYTES]; /* UTF-8, NUL-terminated; "": the right half of a wide character */
    uint8_t style;
    uint8_t width; /* columns: 1 or 2, 0 for a right half */
};
struct surface {
    struct cell *cells;
    int rows, columns;
    bool ascii; /* glyphs in their ASCII form, other characters than ASCII as '?' */
};
/* A rectangle of a surface, to draw in: what does not fit is cut. */
struct area {
    struct surface *surface;
    int row, column, rows, columns;
};

/* 0 or -ENOMEM; what was there is blank then. At most 1000 rows and 2000 columns: more is cut to that. */
int surface_resize(struct surface *surface, int rows, int columns);
void surface_fini(struct surface *surface);
void surface_clear(struct surface *surface);
struct area surface_area(struct surface *surface);
/* A part of an area: cut to it; rows or columns < 0: all that is left. */
struct area area_part(struct area area, int row, int column, int rows, int columns);

/* All return the columns used. Text is untrusted: control characters and malformed UTF-8 are shown as in evtrail_format_escaped().
 * `columns` < 0: to the right edge. Text that is longer ends with the sign for it. */
int area_text(struct area area, int row, int column, int columns, enum style style, const char *text);
int area_print(struct area area, int row, int column, int columns, enum style style, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Ending at the last of `columns`. */
int area_right(struct area area, int row, int column, int columns, enum style style, const char *text);
int area_glyph(struct area area, int row, int column, enum style style, enum glyph glyph, unsigned level);
/* A bar of `value` in `most`, `columns` wide at most; an eighth of a column at least, if value > 0. */
int area_bar(struct area area, int row, int column, int columns, enum style style, double value, double most);
/* The last `columns` of `count` values as a sparkline, newest at the right; scaled to the largest. */
int area_spark(struct area area, int row, int column, int columns, enum style style, const float *values,
               unsigned count);
/* Gives a whole row of the area this style. */
void area_style(struct area area, int row, enum style style);

/* Columns that text takes, escaped as area_text() does. */
int text_columns(const char *text);
/* The rows as lines of text, without blanks at their ends: into a buffer as snprintf() does. */
size_t surface_text(const struct surface *surface, char *buffer, size_t size);

#endif /* EVTRAIL_TOP_SURFACE_H */
