/* SPDX-License-Identifier: ISC
 *
 * A grid of cells and what is drawn on it. Every character is measured, none leaves its area, and no control character gets in.
 */
#include "surface.h"

#include <evtrail/format.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define ROWS_MAX 1000
#define COLUMNS_MAX 2000
#define PRINT_BYTES 4096

static const struct cell blank = {.text = " ", .width = 1};

/* ---- the grid ---- */

int surface_resize(struct surface *surface, int rows, int columns)
{
    rows = rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : rows;
    columns = columns < 1 ? 1 : columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
    struct cell *const cells = realloc(surface->cells, (size_t)rows * (size_t)columns * sizeof *cells);
    if (!cells)
        return -ENOMEM;
    surface->cells = cells;
    surface->rows = rows;
    surface->columns = columns;
    surface_clear(surface);
    return 0;
}

void surface_fini(struct surface *surface)
{
    free(surface->cells);
    *surface = (struct surface){0};
}

void surface_clear(struct surface *surface)
{
    const size_t count = (size_t)surface->rows * (size_t)surface->columns;
    for (size_t i = 0; i < count; i++)
        surface->cells[i] = blank;
}

struct area surface_area(struct surface *surface)
{
    return (struct area){.surface = surface, .rows = surface->rows, .columns = surface->columns};
}

struct area area_part(struct area area, int row, int column, int rows, int columns)
{
    row = row < 0 ? 0 : row > area.rows ? area.rows : row;
    column = column < 0 ? 0 : column > area.columns ? area.columns : column;
    const int rows_left = area.rows - row, columns_left = area.columns - column;
    return (struct area){.surface = area.surface,
                         .row = area.row + row,
                         .column = area.column + column,
                         .rows = rows < 0 || rows > rows_left ? rows_left : rows,
                         .columns = columns < 0 || columns > columns_left ? columns_left : columns};
}

static struct cell *cell_at(const struct area *area, int row, int column)
{
    const struct surface *const surface = area->surface;
    const int y = area->row + row, x = area->column + column;
    if (row < 0 || row >= area->rows || column < 0 || column >= area->columns || y >= surface->rows ||
        x >= surface->columns)
        return NULL;
    return &surface->cells[(size_t)y * (size_t)surface->columns + (size_t)x];
}

/* What is left of a wide character that is written over in part is a blank. */
static void split(const struct area *area, struct cell *cell)
{
    const struct surface *const surface = area->surface;
    const size_t x = (size_t)(cell - surface->cells) % (size_t)surface->columns;
    if (cell->width == 0 && x > 0) {
        cell[-1] = (struct cell){.text = " ", .style = cell[-1].style, .width = 1};
        *cell = (struct cell){.text = " ", .style = cell->style, .width = 1};
    } else if (cell->width == 2 && x + 1 < (size_t)surface->columns) {
        cell[1] = (struct cell){.text = " ", .style = cell[1].style, .width = 1};
    }
}

/* One character of `bytes` bytes, `width` columns. */
static void put(const struct area *area, int row, int column, enum style style, const char *text, size_t bytes,
                int width)
{
    struct cell *const cell = cell_at(area, row, column);
    struct cell *const right = width == 2 ? cell_at(area, row, column + 1) : NULL;
    if (!cell || (width == 2 && !right))
        return;
    split(area, cell);
    *cell = (struct cell){.style = (uint8_t)style, .width = (uint8_t)width};
    memcpy(cell->text, text, bytes < CELL_BYTES ? bytes : CELL_BYTES - 1);
    if (!right)
        return;
    split(area, right);
    *right = (struct cell){.style = (uint8_t)style, .width = 0};
}

/* ---- text ---- */

struct character {
    uint32_t point;
    size_t bytes; /* of the text that it takes */
    bool sound;
};

/* The next character; bytes that are no UTF-8 come one at a time, not sound. */
static struct character character_at(const char *text)
{
    const unsigned char *const at = (const unsigned char *)text;
    if (at[0] < 0x80)
        return (struct character){.point = at[0], .bytes = 1, .sound = true};
    const size_t bytes = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point = at[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) /* NUL, too */
            return (struct character){.bytes = 1};
        point = point << 6 | (at[i] & 0x3f);
    }
    if (at[0] < 0xc2 || point < least[bytes] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return (struct character){.bytes = 1};
    return (struct character){.point = point, .bytes = bytes, .sound = true};
}

static int width_of(uint32_t point)
{
    const int width = point < 0x80 ? 1 : wcwidth((wchar_t)point);
    return width < 0 ? 1 : width;
}

/* What is shown for a character that is no plain one: itself, or an escape of ASCII letters. Returns its bytes; 0: itself. */
static size_t escape(const char *text, struct character character, char buffer[static 32])
{
    if (character.sound && character.point >= 0x20 && character.point < 0x7f)
        return 0;
    size_t bytes = evtrail_format_escaped(text, character.bytes, buffer, 32);
    bytes = bytes < 32 ? bytes : 32;
    return bytes == character.bytes && memcmp(buffer, text, bytes) == 0 ? 0 : bytes;
}

static int columns_of(const char *text, struct character character)
{
    char escaped[32];
    const size_t bytes = escape(text, character, escaped);
    return bytes ? (int)bytes : width_of(character.point);
}

int text_columns(const char *text)
{
    int columns = 0;
    while (*text && columns < COLUMNS_MAX * 4) {
        const struct character character = character_at(text);
        columns += columns_of(text, character);
        text += character.bytes;
    }
    return columns;
}

/* Appends a character without a width of its own to the one before it. */
static void combine(const struct area *area, int row, int column, const char *text, size_t bytes)
{
    struct cell *cell = cell_at(area, row, column - 1);
    if (cell && cell->width == 0 && column > 1)
        cell--;
    const size_t used = cell ? strlen(cell->text) : 0;
    if (cell && used > 0 && used + bytes < CELL_BYTES)
        memcpy(cell->text + used, text, bytes);
}

static void put_character(const struct area *area, int row, int column, enum style style, const char *text,
                          struct character character)
{
    char escaped[32];
    const size_t bytes = escape(text, character, escaped);
    const int width = bytes ? 1 : width_of(character.point);
    for (size_t i = 0; i < bytes; i++)
        put(area, row, column + (int)i, style, escaped + i, 1, 1);
    if (bytes)
        return;
    if (area->surface->ascii && character.point >= 0x80)
        for (int i = 0; i < width; i++)
            put(area, row, column + i, style, "?", 1, 1);
    else if (width == 0)
        combine(area, row, column, text, character.bytes);
    else
        put(area, row, column, style, text, character.bytes, width);
}

static int room(const struct area *area, int row, int column, int columns)
{
    const int left = area->columns - column;
    if (row < 0 || row >= area->rows || column < 0 || left <= 0)
        return 0;
    return columns < 0 || columns > left ? left : columns;
}

int area_text(struct area area, int row, int column, int columns, enum style style, const char *text)
{
    const int limit = room(&area, row, column, columns);
    int used = 0, cut_at = 0; /* where the sign for the cut has room */
    if (limit <= 0)
        return 0;
    while (*text) {
        const struct character character = character_at(text);
        const int width = columns_of(text, character);
        if (used + width > limit) {
            for (int i = cut_at + 1; i < limit; i++)
                put(&area, row, column + i, style, " ", 1, 1);
            area_glyph(area, row, column + cut_at, style, GLYPH_cut, 0);
            return limit;
        }
        put_character(&area, row, column + used, style, text, character);
        used += width;
        if (used < limit)
            cut_at = used;
        text += character.bytes;
    }
    return used;
}

int area_print(struct area area, int row, int column, int columns, enum style style, const char *format, ...)
{
    char text[PRINT_BYTES];
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return n < 0 ? 0 : area_text(area, row, column, columns, style, text);
}

int area_right(struct area area, int row, int column, int columns, enum style style, const char *text)
{
    const int limit = room(&area, row, column, columns);
    const int used = text_columns(text);
    if (used < limit)
        column += limit - used;
    area_text(area, row, column, used < limit ? used : limit, style, text);
    return limit;
}

void area_style(struct area area, int row, enum style style)
{
    for (int i = 0; i < area.columns; i++) {
        struct cell *const cell = cell_at(&area, row, i);
        if (cell)
            cell->style = (uint8_t)style;
    }
}

/* ---- signs ---- */

struct sign {
    const char *forms[2][9]; /* UTF-8, ASCII; by level */
    unsigned levels;
};
static const struct sign signs[] = {
    [GLYPH_spark] = {{{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, {" ", ".", ",", ":", "-", "=", "+", "*", "#"}}, 9},
    [GLYPH_bar] = {{{" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}, {" ", ".", ".", "-", "-", "=", "=", "=", "#"}}, 9},
    [GLYPH_heat] = {{{" ", "░", "▒", "▓", "█"}, {" ", ".", ":", "+", "#"}}, 5},
    [GLYPH_tree] = {{{"   ", "│  ", "├─ ", "└─ "}, {"   ", "|  ", "|- ", "`- "}}, 4},
    [GLYPH_arrow] = {{{"↑", "↓", "→", "←"}, {"^", "v", ">", "<"}}, 4},
    [GLYPH_cut] = {{{"…"}, {"~"}}, 1},
    [GLYPH_line] = {{{"─", "│"}, {"-", "|"}}, 2},
};

int area_glyph(struct area area, int row, int column, enum style style, enum glyph glyph, unsigned level)
{
    const struct sign *const sign = &signs[glyph];
    const char *text = sign->forms[area.surface->ascii][level < sign->levels ? level : sign->levels - 1];
    int used = 0;
    while (*text) {
        const size_t bytes = character_at(text).bytes;
        put(&area, row, column + used, style, text, bytes, 1);
        text += bytes;
        used++;
    }
    return used;
}

/* Steps of `value` on a scale of `steps` for `most`; at least one if there is anything. */
static unsigned steps_of(double value, double most, unsigned steps)
{
    if (!(value > 0) || !(most > 0))
        return 0;
    const double exact = value / most * steps;
    return exact >= steps ? steps : exact < 1 ? 1 : (unsigned)(exact + 0.5);
}

int area_bar(struct area area, int row, int column, int columns, enum style style, double value, double most)
{
    const int limit = room(&area, row, column, columns);
    const unsigned eighths = limit > 0 ? steps_of(value, most, (unsigned)limit * 8) : 0;
    const int whole = (int)(eighths / 8);
    for (int i = 0; i < whole; i++)
        area_glyph(area, row, column + i, style, GLYPH_bar, 8);
    if (eighths % 8 == 0)
        return whole;
    area_glyph(area, row, column + whole, style, GLYPH_bar, eighths % 8);
    return whole + 1;
}

int area_spark(struct area area, int row, int column, int columns, enum style style, const float *values,
               unsigned count)
{
    const int limit = room(&area, row, column, columns);
    const unsigned shown = count < (unsigned)limit ? count : (unsigned)limit;
    float most = 0;
    for (unsigned i = count - shown; i < count; i++)
        most = values[i] > most ? values[i] : most;
    for (unsigned i = 0; i < shown; i++)
        area_glyph(area, row, column + limit - (int)shown + (int)i, style, GLYPH_spark,
                   steps_of((double)values[count - shown + i], (double)most, 8));
    return limit;
}

/* ---- as text ---- */

struct writer {
    char *buffer;
    size_t size, used;
};

static void append(struct writer *writer, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, writer->used++)
        if (writer->used + 1 < writer->size)
            writer->buffer[writer->used] = text[i];
}

static bool is_blank(const struct cell *cell)
{
    return cell->text[0] == ' ' && cell->text[1] == '\0';
}

size_t surface_text(const struct surface *surface, char *buffer, size_t size)
{
    struct writer writer = {.buffer = buffer, .size = size};
    for (int row = 0; row < surface->rows; row++) {
        const struct cell *const cells = &surface->cells[(size_t)row * (size_t)surface->columns];
        int end = surface->columns;
        while (end > 0 && is_blank(&cells[end - 1]))
            end--;
        for (int i = 0; i < end; i++)
            append(&writer, cells[i].text, strlen(cells[i].text));
        append(&writer, "\n", 1);
    }
    if (size > 0)
        buffer[writer.used < size ? writer.used : size - 1] = '\0';
    return writer.used;
}
