/* SPDX-License-Identifier: ISC
 *
 * Which charts there are, and their values from the model's series and histograms.
 */
#include "page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS_MAX = 120, COLOUR_OTHERS = 8, LAYERS = 8 };

/* Buckets of the model's axis that make one point of a chart. */
struct grouping {
    unsigned each, points;
    double seconds; /* of a point */
};

static struct grouping grouping_of(const struct axis *axis)
{
    struct grouping grouping = {.each = (axis->used + CHART_POINTS - 1) / CHART_POINTS};
    if (grouping.each == 0)
        grouping.each = 1;
    grouping.points = (axis->used + grouping.each - 1) / grouping.each;
    grouping.seconds = (double)grouping.each * (double)axis->width_ns / 1e9;
    return grouping;
}

static struct chart *time_chart(const struct model *model, const char *id, const char *title, const char *note,
                                struct grouping *ret_grouping)
{
    struct chart *const chart = chart_new(id, title, note);
    *ret_grouping = grouping_of(&model->axis);
    if (!chart)
        return NULL;
    chart->points = ret_grouping->points;
    chart->x_to = ret_grouping->points * ret_grouping->seconds;
    return chart;
}

/* How long a point really lasted: the last one may have ended early. */
static double point_seconds(const struct model *model, const struct grouping *grouping, unsigned point)
{
    const double end = ((double)model->axis.last_ns - (double)model->axis.start_ns) / 1e9;
    const double left = end - point * grouping->seconds;
    if (left >= grouping->seconds)
        return grouping->seconds;
    return left < grouping->seconds * 0.2 ? grouping->seconds * 0.2 : left;
}

static double peak_of(const struct chart_line *line, unsigned points)
{
    double peak = 0;
    for (unsigned p = 0; p < points; p++)
        if (line->values[p] > peak)
            peak = line->values[p];
    return peak;
}

static int finish(FILE *out, struct chart *chart)
{
    if (chart->points > 0)
        chart_write(out, chart);
    free(chart);
    return 0;
}

/* ---- the load ---- */

static int throughput_chart(FILE *out, const struct model *model)
{
    struct grouping grouping;
    struct chart *const chart =
        time_chart(model, "throughput", "Throughput", "messages answered and checked, a second", &grouping);
    if (!chart)
        return -ENOMEM;
    const double seconds = model_seconds(model);
    chart->kind = CHART_line;
    chart->unit = UNIT_rate;
    struct chart_line *const line = chart_add(chart, "messages", 0);
    for (unsigned p = 0; p < chart->points; p++)
        line->values[p] = (double)series_sum(model->messages_at, p * grouping.each, (p + 1) * grouping.each) /
                          point_seconds(model, &grouping, p);
    snprintf(chart->summary, sizeof chart->summary, "On average %s, %s each way; at most %s.",
             text_value(seconds > 0 ? (double)model->messages[1] / seconds : 0, UNIT_rate).s,
             text_value(seconds > 0 ? (double)model->bytes / seconds : 0, UNIT_byte_rate).s,
             text_value(peak_of(line, chart->points), UNIT_rate).s);
    return finish(out, chart);
}

static int round_trip_chart(FILE *out, const struct model *model)
{
    static const struct {
        const char *name;
        double quantile;
        unsigned colour;
    } lines[] = {{"p50", 0.5, 0}, {"p99", 0.99, 1}, {"max", 1, 3}};
    struct grouping grouping;
    struct chart *const chart = time_chart(model, "round-trip-time", "Round trip over time",
                                           "from the first byte out to the last one back; logarithmic", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_line;
    chart->unit = UNIT_ns;
    chart->log = true;
    for (unsigned i = 0; i < 3; i++) {
        struct chart_line *const line = chart_add(chart, lines[i].name, lines[i].colour);
        for (unsigned p = 0; p < chart->points; p++) {
            const uint64_t ns =
                cells_quantile(model->round_trip_at, p * grouping.each, (p + 1) * grouping.each, lines[i].quantile);
            line->values[p] = ns ? (double)ns : NAN;
        }
    }
    const struct histogram *const times = &model->times[TIME_round_trip];
    snprintf(chart->summary, sizeof chart->summary, "Median %s, 99 %% within %s, the slowest took %s.",
             text_value((double)histogram_quantile(times, 0.5), UNIT_ns).s,
             text_value((double)histogram_quantile(times, 0.99), UNIT_ns).s, text_value((double)times->max, UNIT_ns).s);
    return finish(out, chart);
}

int page_load_charts(FILE *out, const struct model *model)
{
    if (model->messages[1] == 0)
        return 0;
    const int r = throughput_chart(out, model);
    return r < 0 ? r : round_trip_chart(out, model);
}

/* ---- histograms ---- */

/* The scale: all values but 0, and wide enough to have a tick. */
static void bins_range(struct chart *chart, const struct histogram *times)
{
    uint64_t low = 0, high, count;
    unsigned position = 0;
    while (low == 0 && histogram_next(times, &position, &low, &high, &count))
        continue;
    double from = low > 0 ? (double)low * 0.97 : 1, to = (double)times->max * 1.03;
    if (!(to > from * 6)) {
        const double middle = sqrt(from * (to > from ? to : from));
        from = middle / sqrt(6);
        to = middle * sqrt(6);
    }
    const double bins = ceil(log2(to / from) * 8);
    chart->points = bins > BINS_MAX ? BINS_MAX : (unsigned)bins;
    chart->x_from = from;
    chart->x_to = to;
}

/* Classes of equal width on a log scale. Returns how many values are 0: they have no place on it. */
static uint64_t bins_fill(struct chart *chart, const struct histogram *times)
{
    uint64_t low, high, count, zeros = 0;
    bins_range(chart, times);
    for (unsigned position = 0; histogram_next(times, &position, &low, &high, &count);) {
        if (high == 0) {
            zeros += count;
            continue;
        }
        const double middle = ((double)low + (double)high) / 2;
        double at = floor(log(middle / chart->x_from) / log(chart->x_to / chart->x_from) * chart->points);
        at = at < 0 ? 0 : at > chart->points - 1 ? chart->points - 1 : at;
        chart->lines[0].values[(unsigned)at] += (double)count;
    }
    return zeros;
}

static void mark(struct chart *chart, const char *name, uint64_t ns)
{
    if ((double)ns < chart->x_from)
        return;
    const double at = ns > chart->x_from ? log(ns / chart->x_from) / log(chart->x_to / chart->x_from) : 0;
    chart->marks[chart->marks_count].at = at > 1 ? 1 : at;
    snprintf(chart->marks[chart->marks_count].label, sizeof chart->marks[0].label, "%s %s", name,
             text_value((double)ns, UNIT_ns).s);
    chart->marks_count++;
}

static int histogram_chart(FILE *out, const struct model *model, enum model_time time)
{
    static const char *const ids[MODEL_TIMES] = {"h-round-trip", "h-message", "h-wait", "h-connect", "h-tls",
                                                 "h-resolve",    "h-use",     "h-turn", "h-late"};
    static const char *const titles[MODEL_TIMES] = {
        "Round trip",  "Whole message",       "Wait for a connection", "Connect",       "TLS handshake",
        "Name lookup", "Use of a connection", "Loop iteration",        "Timer lateness"};
    static const char *const notes[MODEL_TIMES] = {"from the first byte out to the last one back",
                                                   "from the wish to send it to the checked answer",
                                                   "in the queue, of requests that got one",
                                                   "until a new connection was ready",
                                                   "of new connections",
                                                   "until addresses were known",
                                                   "from lending to return",
                                                   "callbacks and submission, without the wait",
                                                   "from a timer's deadline to its call"};
    const struct histogram *const times = &model->times[time];
    if (times->count == 0)
        return 0;
    struct chart *const chart = chart_new(ids[time], titles[time], notes[time]);
    if (!chart)
        return -ENOMEM;
    chart->time = false;
    chart->x_title = "up to";
    chart->kind = CHART_bars;
    chart->unit = UNIT_count;
    chart->height = 130;
    chart_add(chart, "count", 0);
    const uint64_t zeros = bins_fill(chart, times);
    mark(chart, "p50", histogram_quantile(times, 0.5));
    mark(chart, "p99", histogram_quantile(times, 0.99));
    char none[80] = "";
    if (zeros)
        snprintf(none, sizeof none, ", %s of them at once", text_percent(zeros, times->count).s);
    snprintf(chart->summary, sizeof chart->summary, "%s%s: median %s, 99 %% within %s, at most %s.",
             text_count(times->count).s, none, text_value((double)histogram_quantile(times, 0.5), UNIT_ns).s,
             text_value((double)histogram_quantile(times, 0.99), UNIT_ns).s, text_value((double)times->max, UNIT_ns).s);
    return finish(out, chart);
}

int page_latency_charts(FILE *out, const struct model *model)
{
    int r = 0;
    fputs("<div class=\"small\">\n", out);
    for (unsigned i = 0; i < MODEL_TIMES && r == 0; i++)
        r = histogram_chart(out, model, (enum model_time)i);
    fputs("</div>\n", out);
    return r;
}

/* ---- connections ---- */

static void add_gauge(struct chart *chart, const struct grouping *grouping, const char *name, unsigned colour,
                      const struct series *series)
{
    struct chart_line *const line = chart_add(chart, name, colour);
    for (unsigned p = 0; line && p < chart->points; p++)
        line->values[p] = (double)series_last(series, (p + 1) * grouping->each);
}

static void add_to_others(struct chart *chart, const struct grouping *grouping, struct chart_line *others,
                          const struct series *series)
{
    for (unsigned p = 0; others && p < chart->points; p++)
        others->values[p] += (double)series_last(series, (p + 1) * grouping->each);
}

static void address_layers(struct chart *chart, const struct grouping *grouping, const struct model *model,
                           const unsigned *order)
{
    unsigned layers = 0;
    struct chart_line *others = NULL;
    for (unsigned i = 0; i < model->addresses_count; i++) {
        const struct model_address *const address = &model->addresses[order[i]];
        if (!address->connections || address->created == 0)
            continue;
        if (layers < LAYERS) {
            add_gauge(chart, grouping, address->label, layers++, address->connections);
            continue;
        }
        if (!others)
            others = chart_add(chart, "all others", COLOUR_OTHERS);
        add_to_others(chart, grouping, others, address->connections);
    }
    const bool undrawn = series_most(model->others_at, 0, AXIS_BUCKETS) > 0;
    if (undrawn && !others)
        others = chart_add(chart, "all others", COLOUR_OTHERS);
    if (undrawn)
        add_to_others(chart, grouping, others, model->others_at);
}

static int addresses_chart(FILE *out, const struct model *model)
{
    struct grouping grouping;
    struct chart *const chart = time_chart(model, "connections", "Open connections by address",
                                           "lent and idle, until the descriptor is closed", &grouping);
    unsigned *const order = model_ranking(model);
    if (!chart || !order) {
        free(chart);
        free(order);
        return -ENOMEM;
    }
    chart->kind = CHART_stack;
    chart->unit = UNIT_count;
    address_layers(chart, &grouping, model, order);
    snprintf(chart->summary, sizeof chart->summary, "At most %s open at once, over %s addresses.",
             text_count(model->open_max).s, text_count(model->addresses_count).s);
    free(order);
    return finish(out, chart);
}

static int use_chart(FILE *out, const struct model *model)
{
    struct grouping grouping;
    struct chart *const chart =
        time_chart(model, "lent", "Lent and open", "connections; what lies between the lines is idle", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_steps;
    chart->unit = UNIT_count;
    struct chart_line *const open = chart_add(chart, "open", 0), *const lent = chart_add(chart, "lent", 1);
    for (unsigned p = 0; p < chart->points; p++) {
        lent->values[p] = (double)series_most(model->active_at, p * grouping.each, (p + 1) * grouping.each);
        open->values[p] = (double)series_most(model->open_at, p * grouping.each, (p + 1) * grouping.each);
    }
    snprintf(chart->summary, sizeof chart->summary, "At most %s lent of %s open.", text_count(model->active_max).s,
             text_count(model->open_max).s);
    return finish(out, chart);
}

static int turnover_chart(FILE *out, const struct model *model)
{
    struct grouping grouping;
    struct chart *const chart = time_chart(model, "turnover", "Opened and closed", "", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_bars;
    chart->unit = UNIT_count;
    chart->note = "connections; those closed stand upon those opened";
    struct chart_line *const opened = chart_add(chart, "opened", 0), *const closed = chart_add(chart, "closed", 4);
    for (unsigned p = 0; p < chart->points; p++) {
        opened->values[p] = (double)series_sum(model->created_at, p * grouping.each, (p + 1) * grouping.each);
        closed->values[p] = (double)series_sum(model->closed_at, p * grouping.each, (p + 1) * grouping.each);
    }
    snprintf(chart->summary, sizeof chart->summary, "%s opened, %s closed.", text_count(model->created).s,
             text_count(model_closed(model)).s);
    return finish(out, chart);
}

int page_connection_charts(FILE *out, const struct model *model)
{
    int r = addresses_chart(out, model);
    if (r == 0)
        r = use_chart(out, model);
    return r < 0 ? r : turnover_chart(out, model);
}

int page_waiting_charts(FILE *out, const struct model *model)
{
    struct grouping grouping;
    struct chart *const chart =
        time_chart(model, "waiting", "Requests that wait", "in all queues, the most in each step of time", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_steps;
    chart->unit = UNIT_count;
    struct chart_line *const line = chart_add(chart, "waiting", 4);
    for (unsigned p = 0; p < chart->points; p++)
        line->values[p] = (double)series_most(model->waiting_at, p * grouping.each, (p + 1) * grouping.each);
    snprintf(chart->summary, sizeof chart->summary, "At most %s for one name; the longest wait was %s.",
             text_count(model->waiting_max).s, text_value((double)model->wait_max_ns, UNIT_ns).s);
    const uint64_t fair = model_fair_wait_ns(model);
    const size_t used = strlen(chart->summary);
    if (fair)
        snprintf(chart->summary + used, sizeof chart->summary - used, " If all clients waited alike it would be %s.",
                 text_value((double)fair, UNIT_ns).s);
    return finish(out, chart);
}

/* ---- errors ---- */

/* The kind of error that is the most frequent of those not taken yet; false: none is left. */
static bool next_kind(const struct model *model, bool taken[2][MODEL_CODES], unsigned *ret_set, unsigned *ret_code)
{
    uint64_t most = 0;
    for (unsigned set = 0; set < 2; set++)
        for (unsigned code = 1; code < MODEL_CODES; code++) {
            const uint64_t count = set ? model->acquires[code] : model->errors[code];
            if (!taken[set][code] && count > most) {
                most = count;
                *ret_set = set;
                *ret_code = code;
            }
        }
    return most > 0;
}

static void kinds_fill(struct chart *chart, const struct grouping *grouping, const struct model *model)
{
    bool taken[2][MODEL_CODES] = {{false}};
    unsigned set, code, count = 0;
    struct chart_line *line = NULL;
    while (next_kind(model, taken, &set, &code)) {
        char name[64];
        taken[set][code] = true;
        snprintf(name, sizeof name, set ? "request: %s" : "%s", model_code_name(code));
        if (count < LAYERS)
            line = chart_add(chart, name, count);
        else if (count == LAYERS)
            line = chart_add(chart, "all others", COLOUR_OTHERS);
        count++;
        const struct series *const series = set ? model->failed_at[code] : model->errors_at[code];
        for (unsigned p = 0; line && p < chart->points; p++)
            line->values[p] += (double)series_sum(series, p * grouping->each, (p + 1) * grouping->each);
    }
}

static int ejected_chart(FILE *out, const struct model *model)
{
    struct grouping grouping;
    if (model->ejections == 0)
        return 0;
    struct chart *const chart = time_chart(model, "ejected", "Addresses left out",
                                           "ejected after failures in a row, until a probe succeeds", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_steps;
    chart->unit = UNIT_count;
    chart->height = 120;
    struct chart_line *const line = chart_add(chart, "addresses", 3);
    for (unsigned p = 0; p < chart->points; p++)
        line->values[p] = (double)series_most(model->out_at, p * grouping.each, (p + 1) * grouping.each);
    snprintf(chart->summary, sizeof chart->summary, "%s ejections, %s returns; at most %s of %s at once.",
             text_count(model->ejections).s, text_count(model->returned).s,
             text_count((uint64_t)peak_of(line, chart->points)).s, text_count(model->addresses_count).s);
    return finish(out, chart);
}

int page_error_charts(FILE *out, const struct model *model)
{
    struct grouping grouping;
    const uint64_t errors = model_errors(model), failed = model_acquires_failed(model);
    if (errors + failed == 0) {
        fputs("<p class=\"quiet\">No attempt, lookup or request failed.</p>\n", out);
        return 0;
    }
    struct chart *const chart = time_chart(model, "errors", "Errors by kind",
                                           "of attempts and lookups, and of requests that failed for them", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_bars;
    chart->unit = UNIT_count;
    kinds_fill(chart, &grouping, model);
    snprintf(chart->summary, sizeof chart->summary, "%s errors of attempts and lookups, %s requests failed.",
             text_count(errors).s, text_count(failed).s);
    const int r = finish(out, chart);
    return r < 0 ? r : ejected_chart(out, model);
}

/* ---- the loop ---- */

static int operations_chart(FILE *out, const struct model *model)
{
    const struct model_loop *const loop = &model->loop;
    const struct {
        const char *name;
        const struct series *series;
        unsigned colour;
    } lines[] = {{"operations", loop->operations_at, 0},
                 {"iterations", loop->iterations_at, 4},
                 {"submissions", loop->submissions_at, 1}};
    struct grouping grouping;
    struct chart *const chart =
        time_chart(model, "operations", "Operations of the loop", "a second; a submission is a system call", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_line;
    chart->unit = UNIT_rate;
    for (unsigned i = 0; i < (loop->submissions ? 3 : 2); i++) {
        struct chart_line *const line = chart_add(chart, lines[i].name, lines[i].colour);
        for (unsigned p = 0; line && p < chart->points; p++)
            line->values[p] = (double)series_sum(lines[i].series, p * grouping.each, (p + 1) * grouping.each) /
                              point_seconds(model, &grouping, p);
    }
    snprintf(chart->summary, sizeof chart->summary, "%s operations in %s iterations and %s submissions.",
             text_count(loop->operations).s, text_count(loop->iterations).s, text_count(loop->submissions).s);
    return finish(out, chart);
}

static int idle_chart(FILE *out, const struct model *model)
{
    const struct model_loop *const loop = &model->loop;
    struct grouping grouping;
    struct chart *const chart =
        time_chart(model, "idle", "Idle share of the loop", "of its time, waiting for something to do", &grouping);
    if (!chart)
        return -ENOMEM;
    chart->kind = CHART_line;
    chart->unit = UNIT_percent;
    chart->height = 120;
    struct chart_line *const line = chart_add(chart, "idle", 2);
    for (unsigned p = 0; p < chart->points; p++) {
        const double idle = (double)series_sum(loop->idle_at, p * grouping.each, (p + 1) * grouping.each);
        const double busy = (double)series_sum(loop->busy_at, p * grouping.each, (p + 1) * grouping.each);
        line->values[p] = idle + busy > 0 ? 100 * idle / (idle + busy) : NAN;
    }
    snprintf(chart->summary, sizeof chart->summary,
             "Idle %s of the time; half of the iterations worked for %s at most.",
             text_percent(loop->idle_ns, loop->busy_ns + loop->idle_ns).s,
             text_value((double)histogram_quantile(&model->times[TIME_turn], 0.5), UNIT_ns).s);
    return finish(out, chart);
}

int page_loop_charts(FILE *out, const struct model *model)
{
    if (model->loop.iterations == 0) {
        fputs("<p class=\"quiet\">The trace has no events of the loop.</p>\n", out);
        return 0;
    }
    const int r = operations_chart(out, model);
    return r < 0 ? r : idle_chart(out, model);
}
