/* SPDX-License-Identifier: ISC
 *
 * Spans by name: how many, how long. Enter opens one.
 */
#include "span_detail.h"
#include "table_view.h"

#include <stdlib.h>
#include <string.h>

struct spans_view {
    struct table_view base; /* first */
    float spark[RATE_SECONDS];
    int64_t *oldest; /* of each row, as of the table's last update */
    uint32_t oldest_count;
};

static struct part *part_of(void *context)
{
    return model_part(top_model(((struct spans_view *)context)->base.view.top), PART_spans);
}

/* ---- columns ---- */

#define SPAN_COLUMNS(X) \
    X(name, "span", -16, 0, 0, 0, text, "name of the span") \
    X(count, "count", 7, 1, 0, 1, count, "begun and ended") \
    X(open, "open", 6, 1, 0, 1, count, "in flight: begun, not ended") \
    X(rate, "now/s", 7, 1, 0, 1, rate, "ended in the last second") \
    X(p50, "p50", 6, 1, 0, 1, duration, "half of them took at most this long") \
    X(p90, "p90", 6, 1, 0, 1, duration, "nine of ten took at most this long") \
    X(p99, "p99", 6, 1, 0, 1, duration, "99 % took at most this long") \
    X(p999, "p99.9", 6, 1, 0, 1, duration, "99.9 % took at most this long") \
    X(max, "max", 6, 1, 0, 1, duration, "the longest") \
    X(total, "total", 6, 1, 0, 1, duration, "sum of all durations") \
    X(mean, "mean", 6, 1, 0, 1, duration, "total by count") \
    X(minute_p50, "p50/1m", 7, 1, 0, 1, duration, "p50 of those that ended in the last minute, within 6 %") \
    X(minute_p99, "p99/1m", 7, 1, 0, 1, duration, "p99 of those that ended in the last minute, within 6 %") \
    X(spark, "last 60 s", 10, 0, 0, 0, spark, "ended in each of the last 60 seconds") \
    X(rate_10, "avg10", 7, 1, 0, 1, rate, "ended a second, on average over 10 s (exponential)") \
    X(oldest, "oldest", 7, 1, 0, 1, duration, "age of the one that is open for the longest") \
    X(begins, "begins", 7, 1, 1, 1, count, "begins") \
    X(ends, "ends", 7, 1, 1, 1, count, "ends") \
    X(unmatched, "unmatched", 9, 1, 0, 1, count, "ends without a begin") \
    X(abandoned, "abandoned", 9, 1, 0, 1, count, "begins whose process ended before them") \
    X(repeated, "repeated", 8, 1, 1, 1, count, "begins of an id that was open already: the one before is not counted") \
    X(forgotten, "forgotten", 9, 1, 1, 1, count, "begins that were forgotten for want of room") \
    X(exact, "exact", 5, 0, 1, 0, text, \
      "whether percentiles are within 1.6 %; else within a factor of two, for want of memory") \
    X(min, "min", 6, 1, 1, 1, duration, "the shortest")

enum {
#define X(name, title, width, right, hidden, descending, kind, text) COLUMN_##name,
    SPAN_COLUMNS(X)
#undef X
};
static const struct column columns[] = {
#define X(name, title, width, right, hidden, descending, kind, text) \
    {#name, title, text, width, right, hidden, descending, VALUE_##kind},
    SPAN_COLUMNS(X)
#undef X
        {.name = NULL},
};

static size_t rows(void *context)
{
    struct spans_view *const view = context;
    const uint32_t count = spans_count(part_of(view));
    int64_t *const oldest = realloc(view->oldest, (count + 1) * sizeof *oldest);
    view->oldest = oldest ? oldest : view->oldest;
    view->oldest_count = oldest ? count : 0;
    spans_oldest(part_of(view), view->oldest, view->oldest_count);
    return count;
}

static void *row_at(void *context, size_t index)
{
    return spans_row(part_of(context), (uint32_t)index);
}

static uint64_t id_of(void *context, const void *row)
{
    (void)context;
    return ((const struct span_row *)row)->number;
}

static bool silent(void *context, const void *row)
{
    (void)context;
    const struct span_row *const of = row;
    return of->count + of->begins + of->ends == 0 && of->open == 0;
}

static void count_value(const struct span_row *row, unsigned column, struct value *value)
{
    const uint64_t counts[] = {
        [COLUMN_open] = row->open,         [COLUMN_count] = row->count,         [COLUMN_begins] = row->begins,
        [COLUMN_ends] = row->ends,         [COLUMN_unmatched] = row->unmatched, [COLUMN_abandoned] = row->abandoned,
        [COLUMN_repeated] = row->repeated, [COLUMN_forgotten] = row->forgotten,
    };
    value_count(value, VALUE_count, counts[column]);
    if (column == COLUMN_unmatched || column == COLUMN_abandoned)
        value->style = counts[column] ? STYLE_notice : STYLE_plain;
}

static void quantile_value(const struct span_row *row, unsigned column, struct value *value)
{
    static const double quantiles[] = {
        [COLUMN_p50] = 0.5, [COLUMN_p90] = 0.9, [COLUMN_p99] = 0.99, [COLUMN_p999] = 0.999};
    if (row->count > 0 && (row->histogram || row->coarse))
        value_count(value, VALUE_duration, spans_quantile(row, quantiles[column]));
}

static void minute_value(void *context, const struct span_row *row, unsigned column, struct value *value)
{
    uint64_t count;
    const uint64_t ns = spans_minute(part_of(context), row, column == COLUMN_minute_p50 ? 0.5 : 0.99, &count);
    if (count > 0)
        value_count(value, VALUE_duration, ns);
}

static void sum_value(const struct span_row *row, unsigned column, struct value *value)
{
    if (row->count == 0)
        return;
    if (column == COLUMN_max || column == COLUMN_min)
        value_count(value, VALUE_duration, column == COLUMN_max ? row->max_ns : row->min_ns);
    else
        value_put(value, VALUE_duration, column == COLUMN_total ? row->sum_ns : row->sum_ns / (double)row->count);
}

static void oldest_value(const struct spans_view *view, const struct span_row *row, struct value *value)
{
    const int64_t now = top_model(view->base.view.top)->now_ns;
    if (row->open == 0 || row->number > view->oldest_count || view->oldest[row->number - 1] == INT64_MAX)
        return;
    const int64_t began = view->oldest[row->number - 1];
    value_count(value, VALUE_duration, now > began ? (uint64_t)now - (uint64_t)began : 0);
}

static void value_of(void *context, const void *row_data, unsigned column, struct value *value)
{
    struct spans_view *const view = context;
    const struct span_row *const row = row_data;
    switch (column) {
    case COLUMN_name:
        value_words(value, row->name);
        break;
    case COLUMN_rate:
        value_put(value, VALUE_rate, spans_rates(part_of(view), row).now);
        break;
    case COLUMN_rate_10:
        value_put(value, VALUE_rate, spans_rates(part_of(view), row).average[0]);
        break;
    case COLUMN_p50:
    case COLUMN_p90:
    case COLUMN_p99:
    case COLUMN_p999:
        quantile_value(row, column, value);
        break;
    case COLUMN_max:
    case COLUMN_min:
    case COLUMN_total:
    case COLUMN_mean:
        sum_value(row, column, value);
        break;
    case COLUMN_minute_p50:
    case COLUMN_minute_p99:
        minute_value(view, row, column, value);
        break;
    case COLUMN_spark:
        rate_spark(&row->rate, part_of(view)->model->now_ns, view->spark);
        value->kind = VALUE_spark;
        value->values = view->spark;
        value->values_count = RATE_SECONDS;
        break;
    case COLUMN_oldest:
        oldest_value(view, row, value);
        break;
    case COLUMN_exact:
        value_words(value, row->histogram ? "yes" : "no");
        break;
    default:
        count_value(row, column, value);
    }
}

static enum style style_of(void *context, const void *row)
{
    return silent(context, row) ? STYLE_dim : STYLE_plain;
}

static const struct table_ops spans_table = {.name = "spans",
                                             .columns = columns,
                                             .rows = rows,
                                             .row = row_at,
                                             .id = id_of,
                                             .value = value_of,
                                             .silent = silent,
                                             .style = style_of};

/* ---- the view ---- */

static int spans_open_view(struct view *view)
{
    struct spans_view *const of = (struct spans_view *)view;
    return table_new(&of->base.table, &spans_table, of, view->top->config);
}

static void spans_close(struct view *view)
{
    table_view_close(view);
    free(((struct spans_view *)view)->oldest);
}

static void spans_draw(struct view *view, struct area area)
{
    struct spans_view *const of = (struct spans_view *)view;
    table_view_draw(&of->base, area);
    if (spans_count(part_of(of)) == 0 && area.rows > 3)
        area_text(area, 2, 1, -1, STYLE_dim, "no span so far: EVTRAIL_BEGIN() and EVTRAIL_END() make them");
}

static bool spans_action(struct view *view, enum action action)
{
    struct spans_view *const of = (struct spans_view *)view;
    if (action != ACTION_enter)
        return table_action(of->base.table, action);
    const struct span_row *const row = table_view_selected(&of->base);
    if (row)
        top_open_view(view->top, &span_detail, row->number, row->name);
    return true;
}

static size_t spans_copy(struct view *view, char *buffer, size_t size)
{
    const struct span_row *const row = table_view_selected((struct table_view *)view);
    char p50[32], p99[32], most[32];
    if (!row)
        return 0;
    const int n = snprintf(buffer, size, "%s count=%llu open=%llu p50=%s p99=%s max=%s", row->name,
                           (unsigned long long)row->count, (unsigned long long)row->open,
                           duration_words(spans_quantile(row, 0.5), p50),
                           duration_words(spans_quantile(row, 0.99), p99), duration_words(row->max_ns, most));
    return n < 0 ? 0 : (size_t)n;
}

static size_t spans_status(struct view *view, char *buffer, size_t size)
{
    const struct part *const part = part_of(view);
    size_t used = table_view_status(view, buffer, size);
    if (spans_forgotten(part) > 0 && used < size)
        used += (size_t)snprintf(buffer + used, size - used, ", %llu open spans forgotten for want of room",
                                 (unsigned long long)spans_forgotten(part));
    return used;
}

static int spans_json(struct view *view, struct output *out)
{
    struct spans_view *const of = (struct spans_view *)view;
    const struct part *const part = part_of(of);
    output_text(out, "{\"rows\":");
    table_json(of->base.table, out);
    output_text(out, ",\n\"details\":[");
    for (uint32_t i = 0; i < spans_count(part); i++) {
        output_text(out, i ? ",\n" : "");
        span_json(part, spans_row(part, i), out);
    }
    return output_print(out, "],\"forgotten\":%llu,\"left_out\":%llu}", (unsigned long long)spans_forgotten(part),
                        (unsigned long long)part->left_out);
}

const struct view_ops spans_view = {
    .name = "spans",
    .title = "Spans",
    .key = 'S',
    .text = "Spans by name, over all processes: begin and end belong together if process, name and id are the same. "
            "Percentiles "
            "are within 1.6 %. Enter shows one: its histogram, its durations over time, the slowest and those that are "
            "open.",
    .bytes = sizeof(struct spans_view),
    .open = spans_open_view,
    .close = spans_close,
    .model_changed = table_view_changed,
    .draw = spans_draw,
    .action = spans_action,
    .click = table_view_click,
    .search = table_view_search,
    .status = spans_status,
    .copy = spans_copy,
    .json = spans_json,
};
