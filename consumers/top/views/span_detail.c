/* SPDX-License-Identifier: ISC
 *
 * One span: how long it takes (histogram), when it took how long (a strip of heat), the slowest, and those that are open.
 */
#include "span_detail.h"
#include "table_view.h"

#include <evtrail/format.h>

#include <math.h>
#include <string.h>

#define OPEN_SHOWN 200u
#define LABEL_COLUMNS 7
#define COUNT_COLUMNS 8
#define BAR_COLUMNS 12   /* at least */
#define STRIP_COLUMNS 12 /* at least */
#define SCROLL_COLUMNS 20

struct detail {
    struct view view; /* first */
    enum latency_strip strip;
    int top, left; /* of the lists, scrolled */
    int lines;     /* of the lists, at the last drawing */
    int page;
};

static struct part *part_of(const struct detail *detail)
{
    return model_part(top_model(detail->view.top), PART_spans);
}

/* Found by name: another model may have another number for it. */
static struct span_row *row_of(const struct detail *detail)
{
    const struct part *const part = part_of(detail);
    struct span_row *const row = detail->view.target ? spans_row(part, (uint32_t)detail->view.target - 1) : NULL;
    const char *const name = detail->view.target_name;
    return row && strncmp(row->name, name, sizeof detail->view.target_name - 1) == 0 ? row : spans_find(part, name);
}

/* ---- figures ---- */

static void draw_figures(const struct detail *detail, const struct span_row *row, struct area area)
{
    char a[32], b[32], c[32], d[32], e[32], f[32];
    const struct rates rates = spans_rates(part_of(detail), row);
    const struct value rate = {.kind = VALUE_rate, .number = rates.now},
                       count = {.kind = VALUE_count, .exact = row->count};
    char rate_text[32], count_text[32];
    uint64_t recent;
    value_text(&rate, rate_text, sizeof rate_text);
    value_text(&count, count_text, sizeof count_text);
    area_style(area, 0, STYLE_heading);
    const int used = area_text(area, 0, 1, area.columns / 2, STYLE_heading, row->name);
    area_print(area, 0, used + 2, -1, STYLE_heading, "%s, %llu open, %s/s, total %s, mean %s", count_text,
               (unsigned long long)row->open, rate_text, duration_words((uint64_t)row->sum_ns, a),
               row->count ? duration_words((uint64_t)(row->sum_ns / (double)row->count), b) : "-");
    if (row->count == 0)
        return;
    if (!row->histogram && !row->coarse) {
        area_text(area, 1, 1, -1, STYLE_dim, "no percentiles: there are too many names for the memory that there is");
        return;
    }
    area_print(area, 1, 1, -1, STYLE_plain, "%sp50 %s  p90 %s  p99 %s  p99.9 %s  max %s  min %s",
               row->histogram ? "" : "about: ", duration_words(spans_quantile(row, 0.5), a),
               duration_words(spans_quantile(row, 0.9), b), duration_words(spans_quantile(row, 0.99), c),
               duration_words(spans_quantile(row, 0.999), d), duration_words(row->max_ns, e),
               duration_words(row->min_ns, f));
    const uint64_t p50 = spans_minute(part_of(detail), row, 0.5, &recent);
    const uint64_t p99 = spans_minute(part_of(detail), row, 0.99, &recent);
    if (recent > 0)
        area_print(area, 2, 1, -1, STYLE_plain, "last minute: %llu, p50 %s  p99 %s", (unsigned long long)recent,
                   duration_words(p50, a), duration_words(p99, b));
    else
        area_text(area, 2, 1, -1, STYLE_dim, row->latency ? "none ended in the last minute" : "no memory for times");
}

/* What its begin says of itself. */
static int draw_doc(const struct span_row *row, struct area area, int y)
{
    const struct kept_type *const type = row->begin_type ? row->begin_type : row->end_type;
    if (!type || (!*type->doc && !*type->file))
        return y;
    area_print(area, y, 1, -1, STYLE_dim, *type->file ? "%s%s(%s:%u%s%s)" : "%s", type->doc, *type->doc ? " " : "",
               type->file, type->line, *type->function ? " in " : "", type->function);
    return y + 1;
}

static void draw_oddities(const struct span_row *row, struct area area, int y)
{
    if (row->unmatched + row->abandoned + row->repeated + row->forgotten == 0)
        return;
    area_print(area, y, 1, -1, STYLE_notice,
               "%llu ends without a begin, %llu begins whose process ended, %llu ids begun twice, %llu forgotten",
               (unsigned long long)row->unmatched, (unsigned long long)row->abandoned,
               (unsigned long long)row->repeated, (unsigned long long)row->forgotten);
}

/* ---- histogram and heat, a row for some octaves ---- */

/* What is drawn: octaves from `low` to `high`, `each` a row; columns of the strip, `merged` a cell. */
struct grid {
    unsigned low, high, each;
    int rows;
    uint64_t most; /* in a row */
    unsigned cells, merged;
    uint32_t most_cell;
    uint32_t now;
};

static uint64_t grid_count(const struct span_row *row, const struct grid *grid, unsigned from)
{
    uint64_t count = 0;
    for (unsigned i = from; i < from + grid->each && i <= grid->high; i++)
        count += spans_octave(row, i);
    return count;
}

static uint32_t grid_cell(const struct detail *detail, const struct span_row *row, const struct grid *grid,
                          unsigned from, unsigned cell)
{
    uint32_t count = 0;
    for (unsigned i = from; row->latency && i < from + grid->each && i <= grid->high && i < LATENCY_OCTAVES; i++)
        for (unsigned k = 0; k < grid->merged; k++)
            count += latency_cell(row->latency, detail->strip, grid->now, cell * grid->merged + k, i);
    return count;
}

static bool grid_make(const struct detail *detail, const struct span_row *row, int rows, int columns, struct grid *ret)
{
    struct grid grid = {.low = 64, .each = 1, .merged = 1, .now = rate_second(part_of(detail)->model->now_ns)};
    for (unsigned i = 0; i < 64; i++)
        if (spans_octave(row, i) > 0) {
            grid.low = grid.low < i ? grid.low : i;
            grid.high = i;
        }
    if (grid.low > grid.high || rows < 1)
        return false;
    const unsigned octaves = grid.high - grid.low + 1;
    grid.each = (octaves + (unsigned)rows - 1) / (unsigned)rows;
    grid.rows = (int)((octaves + grid.each - 1) / grid.each);
    const int room = columns - 2 - LABEL_COLUMNS - COUNT_COLUMNS - BAR_COLUMNS - 3;
    while (room >= STRIP_COLUMNS && LATENCY_COLUMNS / grid.merged > (unsigned)room)
        grid.merged++;
    grid.cells = room >= STRIP_COLUMNS ? (LATENCY_COLUMNS + grid.merged - 1) / grid.merged : 0;
    for (unsigned from = grid.low; from <= grid.high; from += grid.each) {
        const uint64_t count = grid_count(row, &grid, from);
        grid.most = count > grid.most ? count : grid.most;
        for (unsigned cell = 0; cell < grid.cells; cell++) {
            const uint32_t heat = grid_cell(detail, row, &grid, from, cell);
            grid.most_cell = heat > grid.most_cell ? heat : grid.most_cell;
        }
    }
    *ret = grid;
    return true;
}

/* By orders of magnitude: one that is rare is still to be seen. */
static unsigned heat_level(uint32_t count, uint32_t most)
{
    if (count == 0)
        return 0;
    const double share = most > 1 ? log((double)count) / log((double)most) : 1;
    return 1 + (unsigned)(share * 3 + 0.5);
}

/* The slowest on top. */
static int draw_grid(const struct detail *detail, const struct span_row *row, struct area area, int y, int rows)
{
    struct grid grid;
    if (!grid_make(detail, row, rows - 1, area.columns, &grid))
        return y;
    const int bar = area.columns - 2 - LABEL_COLUMNS - COUNT_COLUMNS - 3 - (int)grid.cells;
    const int strip = area.columns - (int)grid.cells - 1;
    for (int i = 0; i < grid.rows; i++) {
        const unsigned from = grid.low + (unsigned)(grid.rows - 1 - i) * grid.each;
        char text[32];
        const struct value count = {.kind = VALUE_count, .exact = grid_count(row, &grid, from)};
        area_right(area, y + i, 0, LABEL_COLUMNS, STYLE_dim, duration_words(from ? UINT64_C(1) << from : 0, text));
        value_text(&count, text, sizeof text);
        area_right(area, y + i, LABEL_COLUMNS, COUNT_COLUMNS, STYLE_number, text);
        area_bar(area, y + i, LABEL_COLUMNS + COUNT_COLUMNS + 1, bar, STYLE_bar, (double)count.exact,
                 (double)grid.most);
        for (unsigned cell = 0; cell < grid.cells; cell++)
            area_glyph(area, y + i, strip + (int)cell, STYLE_bar, GLYPH_heat,
                       heat_level(grid_cell(detail, row, &grid, from, cell), grid.most_cell));
    }
    y += grid.rows;
    area_print(area, y, 1, strip > 2 ? strip - 2 : -1, STYLE_dim, "from, count%s",
               grid.each > 1 ? " (octaves merged)" : "");
    if (grid.cells > 0 && detail->strip == STRIP_minute)
        area_print(area, y, strip, -1, STYLE_dim, "the last minute, %u s a column", grid.merged);
    else if (grid.cells > 0 && row->latency)
        area_print(area, y, strip, -1, STYLE_dim, "all time, %llu s a column",
                   (unsigned long long)row->latency->width * grid.merged);
    return y + 1;
}

/* More than half of the rows, or what the lists leave. */
static int grid_rows(const struct span_row *row, int rows)
{
    const uint64_t open = row->open + row->abandoned;
    const int lists = (int)(row->slowest_count + (open < 10 ? open : 10)) + 3;
    return rows - lists > rows * 3 / 5 ? rows - lists : rows > 6 ? rows * 3 / 5 : rows / 2;
}

/* ---- lists ---- */

/* Lines of which some are in the area. */
struct lines {
    const struct model *model;
    struct area area;
    int top, left;
    int at; /* the next line's number */
};

static void put_line(struct lines *lines, enum style style, const char *text)
{
    const int y = lines->at++ - lines->top;
    if (y < 0 || y >= lines->area.rows)
        return;
    const size_t bytes = strlen(text);
    size_t skip = 0; /* whole characters of UTF-8 */
    for (int i = 0; i < lines->left && skip < bytes; i++)
        for (skip++; skip < bytes && ((unsigned char)text[skip] & 0xc0) == 0x80; skip++)
            ;
    area_text(lines->area, y, 1, -1, style, text + skip);
}

static size_t fields_put(char *line, size_t size, size_t used, const char *before, const struct span_fields *fields)
{
    if (!fields || !fields->type || used >= size)
        return used;
    char text[400];
    if (kept_fields_text(fields->type, fields->payload, fields->words, 1, text, sizeof text) == 0)
        return used;
    const int n = snprintf(line + used, size - used, "%s%s%s", before, text, fields->cut ? " ..." : "");
    return n < 0 ? used : used + (size_t)n;
}

static void clock_words(int64_t ns, char buffer[32])
{
    const struct value value = {.kind = VALUE_time, .exact = (uint64_t)ns};
    value_text(&value, buffer, 32);
}

/* "web1/", if there are several hosts. */
static const char *host_text(const struct lines *lines, uint32_t number, char buffer[HOST_NAME_BYTES + 1])
{
    const struct host_list *const hosts = &lines->model->hosts;
    const bool told = model_several_hosts(lines->model) && number < hosts->count;
    snprintf(buffer, HOST_NAME_BYTES + 1, "%s%s", told ? hosts->list[number].name : "", told ? "/" : "");
    return buffer;
}

static void put_slow(struct lines *lines, const struct slow_span *slow)
{
    char host[HOST_NAME_BYTES + 1];
    char line[1200], duration[32], time[32];
    clock_words(slow->end_ns, time);
    const int n =
        snprintf(line, sizeof line, "%7s %s %s%s:%u[%u] id=%llu%s%s", duration_words(slow->duration_ns, duration), time,
                 host_text(lines, slow->host, host), slow->thread, slow->tid, slow->pid, (unsigned long long)slow->id,
                 slow->labels[0] ? " " : "", slow->labels);
    size_t used = n < 0 ? 0 : (size_t)n;
    used = fields_put(line, sizeof line, used, " ", &slow->begin);
    fields_put(line, sizeof line, used, " > ", &slow->end);
    put_line(lines, STYLE_plain, line);
}

static void put_open(struct lines *lines, const struct open_view *open, int64_t now_ns)
{
    char line[1200], age[32], time[32], host[HOST_NAME_BYTES + 1];
    clock_words(open->begin_ns, time);
    const int n = snprintf(line, sizeof line, "%7s %s %s%s:%u[%u] id=%llu%s",
                           duration_words(now_ns > open->begin_ns ? (uint64_t)(now_ns - open->begin_ns) : 0, age), time,
                           host_text(lines, open->host, host), open->thread, open->tid, open->pid,
                           (unsigned long long)open->id, open->gone ? " (its process has ended)" : "");
    fields_put(line, sizeof line, n < 0 ? 0 : (size_t)n, " ", open->begin);
    put_line(lines, open->gone ? STYLE_dim : STYLE_plain, line);
}

static void draw_lists(struct detail *detail, const struct span_row *row, struct area area)
{
    struct lines lines = {.model = part_of(detail)->model, .area = area, .top = detail->top, .left = detail->left};
    static struct open_view open[OPEN_SHOWN]; /* 14 KiB; one thread */
    const size_t count = spans_open(part_of(detail), row, open, OPEN_SHOWN);
    char line[128];
    if (row->slowest_count > 0)
        put_line(&lines, STYLE_key, "slowest: duration, end, thread[process], id, fields of begin > of end");
    for (unsigned i = 0; i < row->slowest_count; i++)
        put_slow(&lines, &row->slowest[i]);
    if (row->slowest_count == 0 && row->count > 0)
        put_line(&lines, STYLE_dim, "the slowest are not kept: there are too many names for the memory that there is");
    snprintf(line, sizeof line, "open: age, begin, thread[process], id, fields%s",
             row->open + row->abandoned > count ? " (the oldest)" : "");
    if (count > 0)
        put_line(&lines, STYLE_key, line);
    for (size_t i = 0; i < count; i++)
        put_open(&lines, &open[i], part_of(detail)->model->now_ns);
    detail->lines = lines.at;
    detail->page = area.rows;
}

/* ---- the view ---- */

static int detail_open(struct view *view)
{
    (void)view;
    return 0;
}

static void detail_close(struct view *view)
{
    (void)view;
}

static void scroll_to(struct detail *detail, int top)
{
    const int most = detail->lines > detail->page ? detail->lines - detail->page : 0;
    detail->top = top < 0 ? 0 : top > most ? most : top;
}

static void detail_draw(struct view *view, struct area area)
{
    struct detail *const detail = (struct detail *)view;
    const struct span_row *const row = row_of(detail);
    if (!row) {
        area_print(area, 0, 1, -1, STYLE_dim, "%s: none in the time that is shown", view->target_name);
        return;
    }
    draw_figures(detail, row, area);
    int y = area.rows > 14 ? draw_doc(row, area, 3) : 3;
    y = draw_grid(detail, row, area, y, grid_rows(row, area.rows - y - 1));
    if (row->unmatched + row->abandoned + row->repeated + row->forgotten > 0 && y < area.rows)
        draw_oddities(row, area, y++);
    draw_lists(detail, row, area_part(area, y, 0, -1, -1));
    scroll_to(detail, detail->top);
}

static bool detail_action(struct view *view, enum action action)
{
    struct detail *const detail = (struct detail *)view;
    const int half = detail->page > 1 ? detail->page / 2 : 1;
    switch (action) {
    case ACTION_down:
    case ACTION_up:
        scroll_to(detail, detail->top + (action == ACTION_down ? 1 : -1));
        return true;
    case ACTION_page_down:
    case ACTION_page_up:
        scroll_to(detail, detail->top + (action == ACTION_page_down ? detail->page : -detail->page));
        return true;
    case ACTION_half_down:
    case ACTION_half_up:
        scroll_to(detail, detail->top + (action == ACTION_half_down ? half : -half));
        return true;
    case ACTION_first:
    case ACTION_last:
        scroll_to(detail, action == ACTION_first ? 0 : detail->lines);
        return true;
    case ACTION_right:
        detail->left += SCROLL_COLUMNS;
        return true;
    case ACTION_left:
        detail->left = detail->left > SCROLL_COLUMNS ? detail->left - SCROLL_COLUMNS : 0;
        return true;
    case ACTION_tree:
        detail->strip = detail->strip == STRIP_minute ? STRIP_all : STRIP_minute;
        return true;
    default:
        return false;
    }
}

static size_t detail_status(struct view *view, char *buffer, size_t size)
{
    const struct detail *const detail = (const struct detail *)view;
    const int n = snprintf(buffer, size, "%d lines; t: %s, left, right: fields", detail->lines,
                           detail->strip == STRIP_minute ? "all time" : "the last minute");
    return n < 0 ? 0 : (size_t)n;
}

static size_t detail_copy(struct view *view, char *buffer, size_t size)
{
    const int n = snprintf(buffer, size, "%s", view->target_name);
    return n < 0 ? 0 : (size_t)n;
}

static int detail_json(struct view *view, struct output *out)
{
    const struct detail *const detail = (const struct detail *)view;
    const struct span_row *const row = row_of(detail);
    return row ? span_json(part_of(detail), row, out) : output_text(out, "null");
}

const struct view_ops span_detail = {
    .name = "span",
    .title = "Span",
    .text = "One span: a histogram by powers of two, next to it when it took how long (t: the last minute, or all "
            "time), the ten "
            "slowest with their fields, and those that are open, oldest first.",
    .bytes = sizeof(struct detail),
    .open = detail_open,
    .close = detail_close,
    .draw = detail_draw,
    .action = detail_action,
    .status = detail_status,
    .copy = detail_copy,
    .json = detail_json,
};
